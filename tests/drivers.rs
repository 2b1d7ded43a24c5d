//! What drivers see and say: the page of a station, reports of problems.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

#[path = "drivers/cases.rs"]
mod cases;
#[path = "drivers/stations.rs"]
mod stations;

use std::path::PathBuf;

use serde_json::json;
use veripile_tests::{
    Charger, Database, Server, command, free_port, header, provided, python, script, written,
};

/// Pages of the public stay under this, so that they open on a bad line.
const PAGE_BYTES_MAX: usize = 40 * 1024;

/// A station of 45 piles, and another operator's with an awkward name.
fn prepare(binary: &PathBuf, database: &Database) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| written(folder.path(), name, content);
    let operators = file("operators.csv", "operator_id,name_zh,name_en\nO1,甲,One\nO2,乙,Two\n");
    let stations = file(
        "stations.csv",
        "station_id,operator_id,name_zh,name_en,lon,lat,address,phone,fee_cny_kwh,fee_note\n\
         S1,O1,三阳广场站,Sanyang,120.301,31.575,中山路 1 号,0510-8888 0000,1.25,夜间 0.85\n\
         S2,O2,<script>alert(1)</script>,<img src=x>,120.3,31.5,,,,\n",
    );
    let mut piles =
        "pile_id,station_id,kind,accuracy_class,power_kw,connectors\nQ1,S2,ac,2,7,type2 ccs2\n".to_owned();
    for n in 1..=45 {
        piles.push_str(&format!("P{n:02},S1,dc,1,120,{}\n", if n == 1 { "" } else { "gbt_dc" }));
    }
    let piles = file("piles.csv", &piles);
    command(
        binary,
        database,
        &["register", "--operators", &operators, "--stations", &stations, "--piles", &piles],
    );
    for (name, operator) in [("one", "O1"), ("two", "O2")] {
        let password = file("password", &format!("a password of {name}\n"));
        command(binary, database, &["account", name, "--operator", operator, "--password-file", &password]);
    }
}

/// A page that stays open is asked for anew; all that it says stands in it without that.
fn has_one_script(page: &str) -> bool {
    let ours = "<script type=\"module\" src=\"/assets/page.js\"></script>";
    page.matches("<script").count() == 1 && page.contains(ours)
}

#[tokio::test]
async fn a_station_s_page_tells_fee_free_piles_telephone_and_piles() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    prepare(&binary, &database);
    let server = Server::start(&binary, &database, free_port(), "closed").await;
    let (status, page) = server.get("/s/S1?lang=en").await;
    assert_eq!(status, 200, "{page}");
    assert!(page.len() < PAGE_BYTES_MAX && has_one_script(&page), "{} bytes", page.len());
    for text in
        ["Sanyang", "CNY 1.25 a kWh", "夜间 0.85", "tel:051088880000", "中山路 1 号", "One", "0 free of 45"]
    {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(page.contains("of 45 the status is old or unknown") && page.contains("/p/P01?"));
    assert!(page.contains("/s/S1?page=2") && !page.contains("/p/P41?"));
    let (_, second) = server.get("/s/S1?lang=en&page=2").await;
    assert_eq!(second.matches("href=\"/p/P").count(), 5);
    let (_, beyond) = server.get("/s/S1?lang=en&page=99").await;
    assert!(beyond.contains("The list has fewer pages.") && !beyond.contains("registered yet"), "{beyond}");
    assert!(
        beyond.contains("/s/S1?page=2&#38;lang=en") && beyond.contains("/s/S1?page=1&#38;lang=en"),
        "{beyond}"
    );
    let (_, pile) = server.get("/p/P01?lang=en").await;
    assert!(pile.contains("No charges yet.") && !pile.contains("0 / 0</small></h2>\n<div"), "{pile}");
    let (_, awkward) = server.get("/s/S2").await;
    assert!(awkward.contains("&#60;script&#62;alert(1)") && !awkward.contains("<script>"), "{awkward}");
    for path in ["/s/none", "/s/%00", "/s/S1%27--"] {
        assert_eq!(server.get(path).await.0, 404, "{path}");
    }
    assert_eq!(server.get("/s/S1?page=x").await.0, 400);
    assert!(server.get("/p/P01").await.1.contains("href=\"/s/S1?lang=zh\""));
    assert!(server.get("/").await.1.contains("href=\"/s/S1?lang=zh\""));
}

#[tokio::test]
async fn a_free_pile_counts_once_it_has_said_so() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    prepare(&binary, &database);
    let settings =
        [("VERIPILE_OCPP__LEAST_SECURITY_PROFILE", "0"), ("VERIPILE_OCPP__READINESS_ON_BOOT", "false")];
    let server = Server::start_with(&binary, &database, free_port(), "open", &settings).await;
    for (pile, status) in [("P01", "Available"), ("P02", "Charging")] {
        let mut charger = Charger::connect(&server.ocpp(), pile, Some("ocpp1.6")).await.unwrap();
        charger.call("BootNotification", &json!({"chargePointVendor": "V", "chargePointModel": "M"})).await;
        let said = json!({"connectorId": 1, "errorCode": "NoError", "status": status});
        charger.call("StatusNotification", &said).await;
    }
    let (_, page) = server.get("/s/S1?lang=en").await;
    let idle = "<span class=\"live free\">1 free of 45, of 43 the status is old or unknown · ";
    assert!(page.contains(idle), "{page}");
    // A station's card counts as its page does, also where another pile than the free one is looked for.
    let (_, page) = server.get("/?lang=en&view=stations&q=p02").await;
    let told = [idle, "1 of them match"];
    assert!(told.iter().all(|told| page.contains(told)), "{page}");
    // The query API says what the page shows.
    let (_, body) = server.get("/api/v1/stations/S1").await;
    let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
    let station = &answer["station"]["properties"];
    for (name, expected) in [
        ("fee_cny_kwh", json!("1.25")),
        ("fee_note", json!("夜间 0.85")),
        ("phone", json!("0510-8888 0000")),
        ("address", json!("中山路 1 号")),
        ("region", json!(null)),
        ("piles", json!(45)),
        ("idle_piles", json!(1)),
        ("silent_piles", json!(43)),
    ] {
        assert_eq!(station[name], expected, "{name}");
    }
    assert!(server.get("/p/P01?lang=en").await.1.contains("<span class=\"live free\">free"));
    // Ordered out of use it is free nowhere, though its charger says so, nor where a failure is public besides.
    let case = r#""case": {"number": "K", "issuer": "I", "at": "2026-01-01T00:00:00Z", "confirmed_at": "2026-01-01T00:00:00Z",
                "reply_until": "2026-01-02T00:00:00Z"}, "#;
    for case in ["", case] {
        let standing = format!(r#"{{{case}"stopped_at": "2026-01-03T00:00:00Z"}}"#);
        let sql = "INSERT INTO standing (pile_no, judged_at, body) SELECT pile_no, now(), $1::jsonb FROM pile WHERE pile_id = 'P01'
                   ON CONFLICT (pile_no) DO UPDATE SET body = excluded.body";
        sqlx::query(sql).bind(standing).execute(&mut database.connect().await).await.unwrap();
        for (path, told) in [
            ("/s/S1?lang=en", "0 free of 45, of 43 the status is old or unknown"),
            ("/?lang=en&view=stations&q=p02", "0 free of 45, of 43 the status is old or unknown"),
            ("/?lang=en&free=yes", "free now: 0"),
            ("/p/P01?lang=en", "<span class=\"live\">out of use"),
            ("/api/v1/stations/S1", "\"idle_piles\":0"),
        ] {
            let (_, body) = server.get(path).await;
            assert!(body.contains(told) && !body.contains("live free"), "{case} {path}: {body}");
        }
    }
    // Nor while a case is open, before or after the operator's reply is due: its charger still says that it is free, and not in green.
    for (reply, told) in [("2026-01-02", "Failed 1"), ("2099-01-02", "Under review 1")] {
        let standing = json!({"case": {"number": "K", "issuer": "I", "at": "2026-01-01T00:00:00Z",
            "confirmed_at": "2026-01-01T00:00:00Z", "reply_until": format!("{reply}T00:00:00Z")}});
        let sql = "UPDATE standing SET body = $1::jsonb WHERE pile_no = (SELECT pile_no FROM pile WHERE pile_id = 'P01')";
        sqlx::query(sql).bind(standing.to_string()).execute(&mut database.connect().await).await.unwrap();
        let card = format!("<small>Verification due 44/45 · {told} · <bdi>One");
        for (path, told) in [
            ("/s/S1?lang=en", "0 free of 45, of 43 the status is old or unknown"),
            ("/?lang=en&view=stations&q=p02", card.as_str()),
            ("/?lang=en&free=yes", "free now: 0"),
            ("/p/P01?lang=en", "<span class=\"live\">free"),
            ("/api/v1/stations/S1", "\"idle_piles\":0"),
        ] {
            let (_, body) = server.get(path).await;
            assert!(body.contains(told) && !body.contains("live free"), "{path}: {body}");
        }
        let (_, all) = server.get("/?lang=en&free=no").await;
        assert!(all.contains("All piles: 46") && !all.contains("value=\"yes\" checked"), "{all}");
    }
}

#[tokio::test]
async fn a_report_has_a_receipt_a_limit_and_no_reporter() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    prepare(&binary, &database);
    let server = Server::start(&binary, &database, free_port(), "closed").await;
    let (status, form) = server.get("/p/P01/report?lang=en").await;
    assert!(status == 200 && form.matches("type=\"radio\"").count() == 8, "{form}");
    let send = |path: &'static str, reason: &'static str| {
        let server = &server;
        async move { server.post_as(path, "", &[("reason", reason)]).await }
    };
    let (status, headers, _) = send("/p/P01/report?lang=en", "seal").await;
    assert_eq!(status, 303);
    let to = headers.lines().find_map(|line| line.strip_prefix("location: ")).unwrap();
    let (status, headers, receipt) = server.get_as(to, "").await;
    assert!(
        status == 200 && headers.contains("no-store") && receipt.contains("A seal is broken"),
        "{receipt}"
    );
    assert_eq!(server.get(&to.replace("/p/P01/", "/p/P02/")).await.0, 404, "of this pile only");
    assert_eq!(server.get("/p/P01/report/0000-0000-0000").await.0, 404);
    assert_eq!(send("/p/P01/report", "price").await.0, 303);
    let (status, _, page) = send("/p/P01/report", "price").await;
    assert!(status == 429 && page.contains("明天可以再报"), "{status} {page}");
    assert_eq!(send("/p/P02/report", "it stinks").await.0, 400);
    assert_eq!(send("/p/none/report", "price").await.0, 404);
    assert_eq!(server.post("/p/P02/report", &[]).await.0, 400);
    // The harness writes the cookie's line as it is told: another site's form shows itself by a header.
    for header in ["Sec-Fetch-Site: cross-site", "Origin: https://evil.example"] {
        let cookie = format!("a=b\r\n{header}");
        assert_eq!(server.post_as("/p/P02/report", &cookie, &[("reason", "price")]).await.0, 403, "{header}");
    }
    assert_eq!(database.number("SELECT count(*) FROM report").await, 2);
    for (name, sees) in [("one", 1), ("two", 0)] {
        let form = [("name", name), ("password", &*format!("a password of {name}"))];
        let (_, headers, _) = server.post_as("/op/sign-in?lang=en", "", &form).await;
        let cookie = headers.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
        let (_, _, page) = server.get_as("/op?lang=en", cookie.split(';').next().unwrap()).await;
        assert_eq!(page.matches("A seal is broken").count(), sees, "{name}");
    }
}

/// How many piles the list says there are, with the sentence that says so.
async fn found(server: &Server, query: &str) -> (usize, String) {
    let (status, page) = server.get(&format!("/?lang=en&{query}")).await;
    assert_eq!(status, 200, "{query}: {page}");
    let sentence = page.split("id=\"asked\"").nth(1).unwrap().split("</b>").next().unwrap();
    let number = sentence.rsplit(' ').next().unwrap().parse().unwrap();
    (number, page)
}

#[tokio::test]
async fn piles_are_found_by_name_initials_number_and_conditions() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    prepare(&binary, &database);
    let server = Server::start(&binary, &database, free_port(), "closed").await;
    for (query, expected) in [
        ("", 46),
        ("q=%E4%B8%89%E9%98%B3", 45),
        // 三陽廣場, 三阳、广场
        ("q=%E4%B8%89%E9%99%BD%E5%BB%A3%E5%A0%B4", 45),
        ("q=%E4%B8%89%E9%98%B3%E3%80%81%E5%B9%BF%E5%9C%BA", 45),
        ("q=sygc", 45),
        ("q=Sanyang", 45),
        ("q=p07", 1),
        ("q=sygc+p07", 1),
        ("q=%E4%B8%AD%E5%B1%B1%E8%B7%AF", 45),
        ("q=nowhere", 0),
        ("q=%25", 0),
        ("q=%00", 0),
        ("operator=O2", 1),
        ("kind=ac", 1),
        ("kind=dc&min_power_kw=120", 45),
        ("min_power_kw=121", 0),
        ("connector=gbt_dc", 44),
        ("connector=CCS2", 1),
        ("connector=IEC_62196_T2", 1),
        ("connector=gbt_ac", 0),
        ("connector=gbt_dc&kind=ac", 0),
        ("max_fee=1.25", 45),
        ("max_fee=1.24", 0),
        ("free=yes", 0),
        ("state=due", 46),
        ("state=verified", 0),
        // At their stations, 8 km away at most: none has coordinates of its own.
        ("near=120.3,31.5", 46),
        ("q=sygc&kind=dc&max_fee=2&state=due&free=&near=", 45),
    ] {
        assert_eq!(found(&server, query).await.0, expected, "{query}");
    }
    let (_, page) = found(&server, "q=%3Cscript%3E%22%27").await;
    assert!(!page.contains("<script>\""), "{page}");
    let (_, page) = found(&server, "view=stations").await;
    assert_eq!(page.matches("<li class=\"station\">").count(), 2);
    assert!(
        page.contains("CNY 1.25 a kWh") && page.contains("0510-8888 0000") && page.contains("0 free of 45")
    );
    for bad in ["near=1", "connector=schuko", "min_power_kw=x", "state=good", "page=0"] {
        assert_eq!(server.get(&format!("/?{bad}")).await.0, 400, "{bad}");
        assert_eq!(server.get(&format!("/found.geojson?{bad}")).await.0, 400, "{bad}");
    }
    // What a messenger hangs on an address that somebody sends is nothing.
    let sent = "kind=dc&from=singlemessage&isappinstalled=0";
    assert_eq!(found(&server, sent).await.0, found(&server, "kind=dc").await.0);
    // What the form has no field for stays in it, and an operator that nobody knows is named.
    let (_, page) = found(&server, "region=x&maker=y&min_power_kw=77&operator=nobody").await;
    for kept in [
        r#"<input type="hidden" name="region" value="x">"#,
        r#"<input type="hidden" name="maker" value="y">"#,
        r#"<option value="77" selected>"#,
        r#"<option value="nobody" selected>nobody</option>"#,
        "of nobody",
    ] {
        assert!(page.contains(kept), "{kept}: {page}");
    }
}

#[tokio::test]
async fn a_verified_pile_a_little_farther_is_offered_first() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| written(folder.path(), name, content);
    // 0.001° of latitude are 111 m. D is 60 km away.
    let piles = file(
        "piles.csv",
        "pile_id,kind,accuracy_class,lon,lat\nA,ac,2,120.3,31.5\nB,ac,2,120.3,31.504\nC,ac,2,120.3,31.507\nD,ac,2,120.3,32.04\n",
    );
    let anchors = file(
        "anchors.csv",
        "pile_id,verified_at,error_percent,expanded_uncertainty_percent,coverage_factor,valid_until\n\
         B,2026-01-10T00:00:00Z,0.1,0.2,2,2099-01-01T00:00:00Z\nC,2026-01-10T00:00:00Z,0.1,0.2,2,2099-01-01T00:00:00Z\n",
    );
    command(&binary, &database, &["register", "--piles", &piles, "--anchors", &anchors]);
    let server = Server::start_with(
        &binary,
        &database,
        free_port(),
        "closed",
        &[("VERIPILE_ASSESS__INTERVAL_S", "1")],
    )
    .await;
    let mut page = String::new();
    for _ in 0..100 {
        page = server.get("/?lang=en&near=120.3,31.5").await.1;
        if page.matches("badge verified\"").count() >= 3 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
    let order: Vec<&str> =
        page.split("href=\"/p/").skip(1).map(|rest| rest.split('?').next().unwrap()).collect();
    assert_eq!(order, ["B", "A", "C"], "{page}");
    assert!(
        page.contains("440 m") && page.contains("780 m") && page.contains("up to 500 m farther"),
        "{page}"
    );
    assert!(page.contains("Piles within about 50 km of you: 3") && page.contains("come last"), "{page}");
    // Nobody is within reach of the sea; the next step keeps the other conditions and leaves the place.
    let (_, far) = server.get("/?lang=en&kind=ac&near=123.5,31.5").await;
    assert!(
        far.contains("No pile matches. <a class=\"target\" href=\"/?kind=ac&#38;lang=en\">Look anywhere"),
        "{far}"
    );
    let (_, json) = server.get("/found.geojson?near=120.3,31.5").await;
    let places: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(places["features"][0]["id"], "B");
    assert_eq!(places["features"][0]["properties"]["verification"]["state"], "verified");
    assert_eq!(places["features"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_pile_s_page_has_its_code_keys_and_navigation() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    prepare(&binary, &database);
    let folder = tempfile::tempdir().unwrap();
    let piles = "pile_id,kind,accuracy_class,lon,lat\nN1,ac,2,120.301,31.575\nÄЯ-1,ac,2,,\n";
    let piles = written(folder.path(), "piles.csv", piles);
    command(&binary, &database, &["register", "--piles", &piles]);
    let server = Server::start(&binary, &database, free_port(), "closed").await;
    assert_eq!(found(&server, "q=%C3%A4%D1%8F1").await.0, 1, "äя1 finds ÄЯ-1");
    let (status, page) = server.get("/p/N1?lang=en").await;
    assert!(status == 200 && page.len() < PAGE_BYTES_MAX && has_one_script(&page), "{} bytes", page.len());
    // GCJ-02 and BD-09 of 120.301, 31.575 by the published formulas in arithmetic of 40 digits (mpmath).
    for text in [
        "to=120.305601,31.573101,",
        "location=31.578759,120.312204&#38;",
        "tocoord=31.573101,120.305601&#38;",
        "daddr=31.573101,120.305601&#38;",
        "destination=31.573101,120.305601&#38;",
    ] {
        assert_eq!(page.matches(text).count(), 1, "{text}: {page}");
    }
    assert!(server.get("/s/S1?lang=en").await.1.contains("to=120.305601,31.573101,Sanyang&#38;"));
    for text in ["No key is registered", "No seals on record", "No signed values of this pile"] {
        assert!(page.contains(text), "{text}: {page}");
    }
    let Some(python) = python() else { return };
    let file = folder.path().join("page.html");
    std::fs::write(&file, &page).unwrap();
    let said = script(&python, "code_read.py", [file.as_os_str()]).unwrap();
    assert!(said.trim().ends_with("/p/N1") && said.starts_with("http://127.0.0.1:"), "{said}");
    assert!(page.contains(&format!(">{}<", said.trim())), "the address stands below the code");
}

#[tokio::test]
async fn each_number_of_the_statistics_is_that_of_its_list() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| written(folder.path(), name, content);
    let operators =
        file("operators.csv", "operator_id,name_zh,name_en,committed_on\nO1,甲,One,2026-01-01\nO2,乙,Two,\n");
    let stations = file(
        "stations.csv",
        "station_id,operator_id,name,lon,lat,region\nS1,O1,A,120.3,31.5,梁溪区\nS2,O2,B,120.3,31.6,梁溪区\nS3,O2,C,119.8,31.3,宜兴市 & 周边\n",
    );
    let piles = file(
        "piles.csv",
        "pile_id,station_id,kind,accuracy_class\nA1,S1,ac,2\nA2,S1,ac,2\nB1,S2,ac,2\nB2,S2,ac,2\nC1,S3,ac,2\nD1,,ac,2\n",
    );
    let anchors = file(
        "anchors.csv",
        "pile_id,verified_at,error_percent,expanded_uncertainty_percent,coverage_factor,valid_until\n\
         A1,2026-01-10T00:00:00Z,0.1,0.2,2,2099-01-01T00:00:00Z\nB1,2026-01-10T00:00:00Z,0.1,0.2,2,\n",
    );
    let files =
        ["--operators", &operators, "--stations", &stations, "--piles", &piles, "--anchors", &anchors];
    command(&binary, &database, &[&["register"], files.as_slice()].concat());
    let server = Server::start(&binary, &database, free_port(), "closed").await;
    let (status, page) = server.get("/stats?lang=en").await;
    assert!(status == 200 && !page.contains("<script"), "{page}");
    // By hand, in the order of the columns: piles, operators and piles checked, failed, in a case, operators committed.
    let rows: Vec<(String, Vec<i64>)> = page.split("<th scope=\"row\"").skip(1).map(row).collect();
    let told = |name: &str| rows.iter().find(|(found, _)| found == name).map(|(_, cells)| cells.as_slice());
    assert_eq!(told("梁溪区"), Some([4, 2, 2, 0, 0, 1].as_slice()), "{rows:?}");
    assert_eq!(told("宜兴市 &#38; 周边"), Some([1, 0, 0, 0, 0, 0].as_slice()), "{rows:?}");
    assert_eq!(told("One"), Some([2, 1, 1, 0, 0, 1].as_slice()), "{rows:?}");
    assert_eq!(told("Two"), Some([3, 1, 1, 0, 0, 0].as_slice()), "{rows:?}");
    let links: Vec<(&str, &str)> = page
        .split("href=\"/?lang=en&#38;")
        .skip(1)
        .map(|rest| rest.split_once('"').unwrap())
        .map(|(href, rest)| (href, rest[1..].split('<').next().unwrap()))
        .collect();
    // All but the numbers of operators: the list has piles.
    assert_eq!(links.len(), 4 * rows.len());
    for (href, number) in links {
        let (listed, _) = found(&server, &href.replace("&#38;", "&")).await;
        assert_eq!(listed.to_string(), number, "{href}");
    }
}

/// Name and numbers of a row of the statistics.
fn row(html: &str) -> (String, Vec<i64>) {
    let html = html.split("</tr>").next().unwrap();
    let number = |cell: &str| cell.split(['<', '>']).find_map(|text| text.parse().ok());
    let name = html.split(['<', '>']).nth(1).unwrap().to_owned();
    (name, html.split("<td ").skip(1).filter_map(number).collect())
}

#[tokio::test]
async fn what_others_embed_says_what_the_pile_page_says_and_may_be_framed() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    prepare(&binary, &database);
    let server = Server::start(&binary, &database, free_port(), "closed").await;
    let (status, headers, badge) = server.get_as("/badge/P01.svg?lang=en", "").await;
    assert!(
        status == 200 && headers.contains("image/svg+xml") && headers.contains("max-age=300"),
        "{headers}"
    );
    for text in ["Verification due · P01", "Certificate: none"] {
        assert!(badge.contains(text), "{text}: {badge}");
    }
    let (status, headers, widget) = server.get_as("/widget/P01", "").await;
    let policy = |headers: &str| {
        let line = headers.lines().find_map(|line| line.strip_prefix("content-security-policy: "));
        line.unwrap().to_owned()
    };
    assert!(
        status == 200
            && policy(&headers).contains("frame-ancestors *")
            && !policy(&headers).contains("script"),
        "{headers}"
    );
    assert_eq!(headers.matches("content-security-policy").count(), 1, "{headers}");
    assert!(widget.contains("待检") && widget.contains("/p/P01?") && !widget.contains("<script"), "{widget}");
    assert!(policy(&server.get_as("/p/P01", "").await.1).contains("frame-ancestors 'none'"));
    // A pile that is not here is told in the frame, and not by a frame that stays empty.
    let (status, headers, gone) = server.get_as("/widget/none?lang=en", "").await;
    assert!(status == 404 && gone.contains("Nothing here") && !gone.contains("<script"), "{status} {gone}");
    assert!(policy(&headers).contains("frame-ancestors *"), "{headers}");
    assert_eq!(headers.matches("content-security-policy").count(), 1, "{headers}");
    for path in ["/badge/P01.svg", "/widget/P01"] {
        let (_, headers, _) = server.get_with(path, &[("Accept-Language", "en")]).await;
        assert_eq!(header(&headers, "Vary"), Some("Accept-Language"), "{path}: {headers}");
        let english = header(&headers, "ETag").unwrap().to_owned();
        let (status, headers, body) =
            server.get_with(path, &[("Accept-Language", "en"), ("If-None-Match", &english)]).await;
        assert_eq!((status, body.len()), (304, 0), "{path}: {headers}");
        assert!(headers.contains("max-age=300") && header(&headers, "Vary").is_some(), "{headers}");
        let (status, ..) =
            server.get_with(path, &[("Accept-Language", "zh"), ("If-None-Match", &english)]).await;
        assert_eq!(status, 200, "{path}: another language is another answer");
    }
    // So is every page, also one that says that there is nothing; nor is any kept that tells of now.
    for path in ["/", "/p/P01", "/s/S1", "/about", "/stats", "/check", "/p/none", "/?near=1", "/nowhere"] {
        let asked = [("Accept", "text/html"), ("Accept-Language", "en"), ("Accept-Encoding", "gzip")];
        let (_, headers, _) = server.get_with(path, &asked).await;
        let varies =
            headers.lines().filter_map(|line| line.to_lowercase().strip_prefix("vary: ").map(str::to_owned));
        assert!(
            varies.collect::<Vec<_>>().iter().any(|names| names.contains("accept-language")),
            "{path}: {headers}"
        );
        assert_eq!(header(&headers, "Cache-Control"), Some("no-cache"), "{path}: {headers}");
    }
    for path in ["/badge/none.svg", "/badge/%3Csvg%3E.svg", "/widget/none"] {
        assert_eq!(server.get(path).await.0, 404, "{path}");
    }
    for path in ["/about", "/open-data", "/manifest.webmanifest", "/sw.js", "/assets/icon-192.png"] {
        let (status, headers, body) = server.get_as(path, "").await;
        assert!(status == 200 && body.len() < PAGE_BYTES_MAX, "{path} {headers}");
    }
}
