//! What pages and query API say of an assessment. Called by the test of the city, whose piles and charges these are.

use serde_json::Value;
use veripile_tests::{Database, Server, command, written};

use super::{STEP, run};

/// What pages and API tell: to the public the error's course and the next date, signals to those in charge only.
pub(super) async fn told(binary: &std::path::PathBuf, database: &Database, server: &Server) {
    let get = async |path: &str| {
        let (status, body) = server.get(path).await;
        assert_eq!(status, 200, "{path}");
        serde_json::from_str::<Value>(&body).unwrap()
    };
    let history = get("/api/v1/piles/P09/history").await;
    assert!(history["note"].as_str().unwrap().contains("not a verification"));
    assert!((9..=10).contains(&history["weeks"].as_array().unwrap().len()), "{history}");
    let step = history["events"].as_array().unwrap().iter().find(|event| event["kind"] == "step").unwrap();
    assert!((step["error_percent"].as_f64().unwrap() - 1.5).abs() < 0.8, "{step}");
    let measured = get("/api/v1/piles/P05/history").await;
    assert!(measured["events"].as_array().unwrap().iter().any(|event| event["number"] == "C5"), "{measured}");
    let date = get("/api/v1/piles/P07/next-date").await;
    let reasons: Vec<&str> =
        date["withdrawn"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert_eq!((&date["due_on"], reasons.contains(&"nonconform")), (&Value::Null, true), "{date}");
    assert_eq!(date["meta"]["license"], "CC-BY-4.0");
    assert_eq!(date["meta"]["last_updated"], date["as_of"], "{date}");
    let (_, page) = server.get("/p/P09?lang=en").await;
    assert!(page.contains("1 step(s) were found") && page.contains("class=\"event step\""), "{page}");
    // It has no certificate: no legal interval runs.
    assert!(page.contains("None: it is to be verified now") && page.len() < 40 * 1024);
    assert!(!page.contains("the legal interval applies"), "{page}");
    let (_, page) = server.get("/p/P05?lang=en").await;
    assert!(page.contains("the legal interval applies"), "{page}");
    for missing in ["/api/v1/piles/NO/history", "/api/v1/piles/NO/next-date"] {
        assert_eq!(server.get(missing).await.0, 404);
    }

    assert_eq!(server.get("/api/v1/piles/P09/signals").await.0, 403);
    assert_eq!(server.get("/op/signals").await.0, 303);
    // P09 is the second operator's: pile numbers are odd there.
    let one = signed_in(binary, database, server, "one", &["--operator", "O1"]).await;
    let two = signed_in(binary, database, server, "two", &["--operator", "O2"]).await;
    let (status, _, body) = server.get_as("/api/v1/piles/P09/signals", &two).await;
    let signals: Value = serde_json::from_str(&body).unwrap();
    assert!(
        status == 200 && signals.as_array().unwrap().iter().any(|signal| signal["code"] == "step"),
        "{body}"
    );
    assert_eq!(server.get_as("/api/v1/piles/P09/signals", &one).await.0, 404, "another operator's pile");
    let (_, _, page) = server.get_as("/op/signals?lang=en", &two).await;
    assert!(
        page.contains("Step of the error") && page.contains("a reason to look, not a conclusion"),
        "{page}"
    );
    // No master was told of, so that nobody can say what converters lose.
    let told = page.split("class=\"not-asked\"").nth(1).and_then(|rest| rest.split("</p>").next()).unwrap();
    assert!(told.contains("none of them is no pass") && told.contains("fficiency"), "{told}");
    let (_, _, page) = server.get_as("/op/signals?lang=en", &one).await;
    assert!(
        !page.contains("/op/piles/P09") && page.contains("In money, CNY, at the mean of the prices"),
        "{page}"
    );
    // An operator's balance with energy and money, to itself only.
    let (_, _, body) = server.get_as("/api/v1/balances", &one).await;
    let balances: Value = serde_json::from_str(&body).unwrap();
    let number = |place: &str| balances.pointer(place).unwrap().as_str().unwrap().parse::<f64>().unwrap();
    let [kwh, cny] = ["/0/excess_kwh/upper95", "/0/excess_cny/upper95"].map(number);
    assert!(balances.as_array().unwrap().len() == 1 && (cny - 1.5 * kwh).abs() < 0.01, "{body}");
    let (_, _, body) = server.get_as("/api/v1/balances", &two).await;
    assert!(body.contains("\"excess_cny\":null") && body.contains("\"O2\""), "{body}");
    assert_eq!(server.get("/api/v1/balances").await.0, 403);
    let (_, _, page) = server.get_as("/op/dates?lang=en", &one).await;
    assert!(page.contains("/op/piles/P02") && !page.contains("/op/piles/P09"), "{page}");
    let (_, _, page) = server.get_as("/op/piles/P09?lang=en", &two).await;
    assert!(page.contains("Step of the error"), "{page}");
    assert_eq!(server.get_as("/op/dates?due=nonsense", &one).await.0, 400);
    assert_eq!(server.get_as("/op/dates?due=-009000-01-01&after=P", &one).await.0, 200);
    said(database, server, &two).await;
    sampled(server, &one, &two).await;
    skipped(database, server, &two).await;
}

/// A run with too many charges finds nothing because it looks for nothing, and nobody is told that there is nothing.
async fn skipped(database: &Database, server: &Server, operator: &str) {
    let newest = "WHERE run_no = (SELECT max(run_no) FROM assessment_run)";
    let told = async || {
        let (_, _, page) = server.get_as("/op/signals?lang=en", operator).await;
        let (_, _, of_pile) = server.get_as("/op/piles/P05?lang=en", operator).await;
        let (_, _, signals) = server.get_as("/api/v1/piles/P05/signals", operator).await;
        [page, of_pile].map(|page| page.contains("Signals were not looked for")).into_iter().all(|told| told)
            && signals.contains("\"code\":\"not_looked_for\"")
    };
    assert!(!told().await);
    for (value, expected) in [("true", true), ("false", false)] {
        let set = format!(
            "UPDATE assessment_run SET basis = jsonb_set(basis, '{{signals_skipped}}', '{value}') {newest}"
        );
        sqlx::query(&set).execute(&mut database.connect().await).await.unwrap();
        assert_eq!(told().await, expected);
    }
}

/// The cookie of somebody who has an account from now on.
async fn signed_in(
    binary: &std::path::PathBuf,
    database: &Database,
    server: &Server,
    name: &str,
    role: &[&str],
) -> String {
    let folder = tempfile::tempdir().unwrap();
    let password = written(folder.path(), "password", "a password of mine\n");
    let arguments = [&["account", name, "--password-file", &password][..], role].concat();
    command(binary, database, &arguments);
    let form = [("name", name), ("password", "a password of mine")];
    let (_, headers, _) = server.post_as("/op/sign-in?lang=en", "", &form).await;
    let cookie = headers.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

/// The result of P11, the second operator's, contradicts everything else: its operator and administrators are told, and of calibrations
/// administrators.
pub(super) async fn contradicted(binary: &std::path::PathBuf, database: &Database, server: &Server) {
    run(
        database,
        "UPDATE assessment_run SET facts = jsonb_set(jsonb_set(facts, '{contradictory_references}',
            '[{\"vehicle\": \"00ab\", \"at\": \"2026-01-05T00:00:00Z\", \"error_percent\": \"1.50\", \"normalised_error\": -1.25,
               \"is_used\": true}]'), '{contradictory_balances}',
            '[{\"station\": \"S2\", \"at\": \"2026-01-05T00:00:00Z\", \"normalised_error\": null, \"shape\": null,
               \"energies_kwh\": [18.25, 17966.4], \"is_used\": false}]')",
    )
    .await;
    let one = signed_in(binary, database, server, "one", &["--operator", "O1"]).await;
    let two = signed_in(binary, database, server, "two", &["--operator", "O2"]).await;
    let all = signed_in(binary, database, server, "all", &[]).await;
    let get = async |path: &str, cookie: &str| server.get_as(path, cookie).await.2;
    let section = |page: &str| {
        let behind = page.split("id=\"contradictions\"").nth(1).unwrap_or_default();
        behind.split("</section>").next().unwrap_or_default().to_owned()
    };
    let (en, zh) = ("/op/signals?lang=en", "/op/signals?lang=zh");
    let page = section(&get(en, &two).await);
    assert!(page.contains("/op/piles/P11?lang=en") && page.contains("and was left out"), "{page}");
    assert!(!page.contains("00ab"), "{page}");
    assert!(page.contains("station S2") && page.contains("17966.4 kWh by its piles"), "{page}");
    assert!(!section(&get(en, &one).await).contains("S2"));
    assert!(section(&get(zh, &two).await).contains("未予采用；请核查"));
    assert!(!get(en, &one).await.contains("/op/piles/P11"));
    let page = section(&get(en, &all).await);
    assert!(page.contains("/op/piles/P11?lang=en") && page.contains("reference vehicle 00ab"), "{page}");
    assert!(page.contains("of 2026-01-05 (1.50 %) contradicts everything else (E_n -1.2"), "{page}");
    assert!(get("/op/piles/P11?lang=en", &two).await.contains("On-site result contradicts everything else"));

    let signals: Value = serde_json::from_str(&get("/api/v1/piles/P11/signals", &two).await).unwrap();
    let told =
        signals.as_array().unwrap().iter().find(|told| told["code"] == "contradictory_result").unwrap();
    assert!(told["statistic"].as_f64().unwrap() > 1.5 && told["severity"] == "warning", "{told}");
    assert_eq!(told["said"][0]["values"]["level"], "left_out", "{told}");
    let of_station = signals.as_array().unwrap().iter().find(|told| told["code"] == "contradictory_balance");
    assert_eq!(of_station.unwrap()["said"][0]["values"]["station"], "S2", "{signals}");
    let others = get("/api/v1/piles/P01/signals", &two).await;
    assert!(!others.contains("contradictory_result"), "{others}");
}

/// A pile relays what no vehicle said: its operator and administrators are told with the evidence, others are not.
pub(super) async fn doubted(binary: &std::path::PathBuf, database: &Database, server: &Server) {
    run(
        database,
        "UPDATE assessment_run SET facts = jsonb_set(facts, '{doubted_values}',
            '[{\"pile_id\": \"P09\", \"test\": \"deaf\", \"p_value\": 1e-15},
              {\"pile_id\": \"P11\", \"test\": \"too_good\", \"p_value\": 2.5e-12, \"share_percent\": 21.4, \"charges\": 295, \"relayed\": 295,
               \"vehicles\": 40}]')",
    )
    .await;
    let one = signed_in(binary, database, server, "uno", &["--operator", "O1"]).await;
    let two = signed_in(binary, database, server, "due", &["--operator", "O2"]).await;
    let get = async |path: &str, cookie: &str| server.get_as(path, cookie).await.2;
    let page = get("/op/signals?lang=en", &two).await;
    let page = page.split("id=\"doubts\"").nth(1).unwrap_or_default();
    let section = page.split("</section>").next().unwrap_or_default();
    assert!(section.contains("/op/piles/P11?lang=en") && section.contains("p = 2.5e-12"), "{section}");
    assert!(section.contains("295 charges by 40 vehicles scatter by 21 %"), "{section}");
    assert!(!get("/op/signals?lang=en", &one).await.contains("id=\"doubts\""), "none of its own");
    assert!(get("/op/piles/P11?lang=zh", &two).await.contains("该桩不判为合格"));
    let signals: Value = serde_json::from_str(&get("/api/v1/piles/P11/signals", &two).await).unwrap();
    let told = signals.as_array().unwrap().iter().find(|told| told["code"] == "doubted_values").unwrap();
    assert_eq!(
        (told["severity"].as_str(), told["p_value"].as_f64()),
        (Some("critical"), Some(2.5e-12)),
        "{told}"
    );
    assert_eq!(told["said"][0]["values"]["vehicles"], "40", "{told}");
}

/// Texts between tags in which two small English words follow one another.
fn english(html: &str) -> Vec<String> {
    let (mut text, mut in_tag) = (String::new(), false);
    for c in html.chars() {
        match c {
            '<' => in_tag = true,
            '>' => in_tag = false,
            c if !in_tag => text.push(c),
            _ => continue,
        }
        if c == '<' {
            text.push('\n');
        }
    }
    let is_word = |word: &&str| 2 <= word.len() && word.chars().all(|c| c.is_ascii_lowercase());
    let is_english =
        |line: &&str| line.split(' ').collect::<Vec<_>>().windows(2).any(|pair| pair.iter().all(is_word));
    text.lines().filter(is_english).map(str::to_owned).collect()
}

/// A finding is said in the language of the page, and as data; one of before, which is a sentence only, as it was.
async fn said(database: &Database, server: &Server, cookie: &str) {
    let main = |page: &str| page.split("<main>").nth(1).unwrap().split("</main>").next().unwrap().to_owned();
    let section = |page: &str| {
        page.split("id=\"signals\"").nth(1).unwrap().split("</section>").next().unwrap().to_owned()
    };
    let get = async |path: &str| server.get_as(path, cookie).await.2;
    for (path, cut) in [("/op/signals", &main as &dyn Fn(&str) -> String), ("/op/piles/P09", &section)] {
        let zh = cut(&get(&format!("{path}?lang=zh")).await);
        assert!(english(&zh).is_empty(), "{path}: {:?}", english(&zh));
        assert!(zh.contains("起，电量示值比此前多计 1."), "{path}: {zh}");
        let en = cut(&get(&format!("{path}?lang=en")).await);
        assert!(english(&en).iter().any(|text| text.contains("the pile registers 1.")), "{path}: {en}");
    }
    let signals: Value = serde_json::from_str(&get("/api/v1/piles/P09/signals").await).unwrap();
    let step = signals.as_array().unwrap().iter().find(|signal| signal["code"] == "step").unwrap();
    let (key, values) = (&step["said"][0]["key"], &step["said"][0]["values"]);
    let effect: f64 = values["effect"].as_str().unwrap().parse().unwrap();
    assert!(key == "step_since" && (effect - 100.0 * STEP).abs() < 0.5, "{step}");
    let date = values["date"].as_str().unwrap();
    // Moments are UTC's, days are China's.
    let from: jiff::Timestamp = step["from"].as_str().unwrap().parse().unwrap();
    let there = from.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::Offset::constant(8)));
    assert_eq!(there.date().to_string(), date, "{step}");
    assert!(
        step["detail"].as_str().unwrap().starts_with(&format!("since {date} the pile registers")),
        "{step}"
    );
    assert!(step["detail_zh"].as_str().unwrap().starts_with(&format!("自 {date} 起")), "{step}");

    run(database, "UPDATE signal SET said = NULL, detail = 'as it was said before' WHERE code = 'step'")
        .await;
    let zh = get("/op/signals?lang=zh").await;
    assert!(zh.contains("<span lang=\"en\">as it was said before</span>"), "{zh}");
    let signals: Value = serde_json::from_str(&get("/api/v1/piles/P09/signals").await).unwrap();
    let step = signals.as_array().unwrap().iter().find(|signal| signal["code"] == "step").unwrap();
    assert_eq!(
        (&step["detail"], step["said"].as_array().unwrap().len()),
        (&"as it was said before".into(), 0)
    );
}

/// A charge is found by its number, by programs and by people.
pub(super) async fn by_number(database: &Database, server: &Server) {
    let number = database
        .number("SELECT min(charge_no) FROM charge JOIN pile USING (pile_no) WHERE pile_id = 'P03'")
        .await;
    let kwh: String =
        sqlx::query_scalar("SELECT trim_scale(energy_pile_wh / 1000)::text FROM charge WHERE charge_no = $1")
            .bind(number)
            .fetch_one(&mut database.connect().await)
            .await
            .unwrap();
    let (status, told) = server.get(&format!("/api/v1/charges/{number}")).await;
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (status, &told["pile_id"], &told["energy_kwh"], &told["signed"]),
        (200, &"P03".into(), &kwh.as_str().into(), &Value::Array(vec![]))
    );
    assert_eq!(told["signed_total"], 0);
    let (status, page) = server.get(&format!("/check?lang=en&charge=%23{number}")).await;
    assert!(
        status == 200
            && page.contains(&format!("<h2>Charge {number}</h2>"))
            && page.contains("/p/P03?lang=en"),
        "{page}"
    );
    let (status, page) = server.get("/p/P03?lang=en").await;
    assert!(status == 200 && page.contains("<a href=\"/check?charge="), "{page}");
    for nobody in ["999999999", "abc", "9999999999999999999999"] {
        assert_eq!(server.get(&format!("/api/v1/charges/{nobody}")).await.0, 404, "{nobody}");
        let (status, page) = server.get(&format!("/check?lang=en&charge={nobody}")).await;
        assert!(status == 404 && page.contains("No charge has this number"), "{page}");
    }
}

/// The page of samples: plans as `metrology.md` and exact fractions have them, batches of one's own piles, limits with a message.
async fn sampled(server: &Server, one: &str, two: &str) {
    assert_eq!(server.get("/op/sampling").await.0, 303);
    let get = async |cookie: &str, query: &str| {
        let (status, _, page) = server.get_as(&format!("/op/sampling?lang=en{query}"), cookie).await;
        (status, page)
    };
    // Odd piles are the second operator's: of 12 two are verified, one is bad. Of 12 all must be tested for one bad one not to be missed:
    // with n tested it is with a chance of (12 − n)/12.
    for (cookie, on_site, remote) in [(one, "3 / 0", "9 / 0"), (two, "2 / 0", "8 / 1")] {
        let (status, page) = get(cookie, "").await;
        let cell =
            |label: &str, value: &str| page.contains(&format!("<td data-label=\"{label}\">{value}</td>"));
        assert!(status == 200 && cell("Piles", "12") && cell("Passed / failed on site", on_site), "{page}");
        assert!(
            cell("Conform / nonconform from afar", remote) && cell("Sample without a failure", "12"),
            "{page}"
        );
        assert!(page.contains("<b class=\"decision keep\">as before</b>"), "{page}");
    }
    let (_, page) = get(one, "&lot=200&aql=1&lq=10").await;
    assert!(page.contains("Test <b>42</b> / 200") && page.contains("at most: <b>1</b>"), "{page}");
    assert!(page.contains("class=\"curve\"") && page.matches("class=\"point\"").count() == 2, "{page}");
    let (_, page) = get(one, "&lot=40&lq=15&tested=13&accepted=0").await;
    assert!(page.contains("fewer bad ones than 7.") && page.contains("7.71 %"), "{page}");
    for (query, told) in [
        ("&lot=10001", "Expected 1 to 10000."),
        ("&lot=40&tested=41&accepted=0", "Expected 1 to 40."),
        ("&lot=40&lq=300", "Expected 0 to 100."),
        ("&lot=40&aql=10&lq=5", "4 bad of 40 are to be accepted and 2 rejected"),
    ] {
        let (status, page) = get(one, query).await;
        assert!(status == 422 && page.contains(told) && page.contains("id=\"faults\""), "{query}: {page}");
    }
    assert!(english(&get(one, "&lot=40").await.1).len() > 3);
    let zh = server.get_as("/op/sampling?lang=zh&lot=40", one).await.2;
    assert_eq!(english(zh.split("<main>").nth(1).unwrap()), Vec::<String>::new());
}
