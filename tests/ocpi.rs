//! OCPI 2.2.1 as another party meets it: `ocpi.py` walks it with a library's models; here what it read is compared with the database.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

#[path = "ocpi/bills.rs"]
mod bills;
#[path = "ocpi/changes.rs"]
mod changes;
#[path = "ocpi/tariffs.rs"]
mod tariffs;

use std::ffi::OsStr;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use veripile_tests::{
    Charger, Database, Server, command, free_port, header, provided, python, script, written,
};

/// A record on secp256r1 of 12.500 to 32.750 kWh, signed with another library.
const RECORDS: &str = include_str!("../crates/ocpp/src/signed/records.jsonl");

/// Twelve stations with an AC and a DC pile each; one has a name in Chinese for identifier, and a certificate.
fn prepare(binary: &PathBuf, database: &Database, folder: &std::path::Path) {
    let file = |name: &str, content: String| written(folder, name, content);
    let mut stations = "station_id,operator_id,name_zh,name_en,lon,lat,coordinate_system\n".to_owned();
    let mut piles =
        "pile_id,station_id,kind,accuracy_class,power_kw,connectors,lon,lat,coordinate_system\n".to_owned();
    for n in 1..=12 {
        let id = if n == 12 { "无锡十二站".to_owned() } else { format!("S{n:02}") };
        stations.push_str(&format!("{id},O1,站{n},Station {n},120.30,31.60,wgs84\n"));
        piles.push_str(&format!("P{n:02}-A,{id},ac,2,7,gbt_ac type2,120.30,31.60,wgs84\n"));
        // One with a plug for alternating current, too.
        let told = if n == 11 { "150,gbt_dc gbt_ac" } else { "," };
        piles.push_str(&format!("P{n:02}-D,{id},dc,1,{told},120.300001,31.60,wgs84\n"));
    }
    let operators = file("operators.csv", "operator_id,name_zh,name_en\nO1,甲,One\n".to_owned());
    let (stations, piles) = (file("stations.csv", stations), file("piles.csv", piles));
    let acts = "pile_id,verified_at,error_percent,expanded_uncertainty_percent,coverage_factor,valid_until\n\
                P01-A,2026-01-05T00:00:00Z,0.1,0.1,2,2099-01-05T00:00:00Z\n";
    let acts = file("anchors.csv", acts.to_owned());
    let prices = file("prices.csv", tariffs::prices());
    command(
        binary,
        database,
        &[
            "register",
            "--operators",
            &operators,
            "--stations",
            &stations,
            "--piles",
            &piles,
            "--anchors",
            &acts,
            "--prices",
            &prices,
        ],
    );
}

#[tokio::test]
async fn a_party_registers_reads_all_locations_and_has_a_bill_checked() {
    let (Some((binary, url)), Some(python)) = (provided(), python()) else { return };
    let database = Database::timescale(&url).await;
    let folder = tempfile::tempdir().unwrap();
    prepare(&binary, &database, folder.path());
    let told = command(&binary, &database, &["ocpi-party", "a party"]);
    let token_a = told.split("token ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    let record = folder.path().join("record.json");
    std::fs::write(&record, RECORDS.lines().next().unwrap()).unwrap();
    // So that one of the piles may connect as it is.
    let settings = [("VERIPILE_OCPP__LEAST_SECURITY_PROFILE", "0"), ("VERIPILE_ROLES", "gateway,api")];
    // Certificates count once they are judged; then nobody judges any more, and what is told stays as it is.
    let server = Server::start(&binary, &database, free_port(), "open").await;
    for _ in 0..100 {
        if server.get("/api/v1/piles/P01-A").await.1.contains("\"state\":\"verified\"") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    server.stop();
    let server = Server::start_with(&binary, &database, free_port(), "open", &settings).await;
    let address = format!("http://127.0.0.1:{}", server.port);
    let prices = folder.path().join("prices.csv");
    let arguments = [OsStr::new(&address), OsStr::new(&token_a), record.as_os_str(), prices.as_os_str()];
    let walked = script(&python, "ocpi.py", arguments).unwrap_or_else(|complaint| panic!("{complaint}"));
    let walked: Value = serde_json::from_str(&walked).unwrap();
    locations(walked["locations"].as_array().unwrap());
    tariffs::read(walked["locations"].as_array().unwrap(), walked["tariffs"].as_array().unwrap());
    bills(&walked, &database).await;
    let token = walked["token"].as_str().unwrap();
    absurd_power(&database, &server, token).await;
    time_alone(&database, &server, token).await;
    page_by_page(&database, &server, token).await;
    tariffs::told_anew(&binary, &database, &server, folder.path(), token).await;
    tariffs::many(&binary, &database, &server, folder.path(), token).await;
    silence(&database, &server, token).await;
    round_trip(&binary, &database, &server, folder.path(), token).await;
    bills::whose_keys(&binary, &database, &server, folder.path(), token).await;
    bills::bounded(&database, &server, token).await;
    bills::sent_before(&database, &server, token).await;
    bills::sent_by_its_pile(&database, &server, token).await;
    bills::misfits(&database, &server, token).await;
    moved(&binary, &database, &server, folder.path(), token).await;
    server.stop();
}

/// What was read is what was registered.
fn locations(found: &[Value]) {
    let ids: Vec<&str> = found.iter().map(|one| one["id"].as_str().unwrap()).collect();
    // `printf 无锡十二站 | md5sum`
    assert_eq!(ids.len(), 12);
    assert_eq!((ids[0], ids[11]), ("S01", "md5-597a17036644cb326dfd42023304e8d2"));
    let [ac, dc] = &found[0]["evses"].as_array().unwrap()[..] else { panic!("two piles") };
    assert_eq!((&ac["uid"], &ac["status"]), (&"P01-A".into(), &"UNKNOWN".into()));
    let standards: Vec<&Value> =
        ac["connectors"].as_array().unwrap().iter().map(|one| &one["standard"]).collect();
    assert_eq!(standards, ["GBT_AC", "IEC_62196_T2"]);
    let connector = &ac["connectors"][0];
    // 7,000 W at 220 V are 31.8 A.
    assert_eq!((&connector["max_electric_power"], &connector["max_amperage"]), (&7000.into(), &32.into()));
    assert_eq!((&connector["power_type"], &connector["max_voltage"]), (&"AC_1_PHASE".into(), &220.into()));
    let verification = &ac["veripile"]["verification"];
    assert_eq!(verification["state"], "verified");
    let evidence = verification["evidence_url"].as_str().unwrap();
    assert!(
        evidence.starts_with("http://") && evidence.ends_with("/api/v1/piles/P01-A/history"),
        "{evidence}"
    );
    assert_eq!(verification["certificate_url"], Value::Null, "from a list, without a document of ours");
    assert_eq!(dc["connectors"][0]["standard"], "GBT_DC");
    let assumed = dc["veripile"]["assumed"].as_array().unwrap();
    assert!(["standard", "max_electric_power"].iter().all(|name| assumed.contains(&(*name).into())));
    assert!(!ac["veripile"]["assumed"].as_array().unwrap().contains(&"standard".into()));
    assert_eq!(found[0]["coordinates"]["longitude"], "120.300000");
    // 150,000 W at 1,000 V; of the other plug nobody told anything: 7,000 W at 220 V.
    let mixed = found.iter().find(|one| one["id"] == "S11").unwrap();
    let evse = mixed["evses"].as_array().unwrap().iter().find(|evse| evse["uid"] == "P11-D").unwrap();
    let told = evse["connectors"].as_array().unwrap().iter().map(|one| {
        ["standard", "power_type", "max_voltage", "max_amperage", "max_electric_power"]
            .map(|name| one[name].clone())
    });
    let direct: [Value; 5] = ["GBT_DC".into(), "DC".into(), 1_000.into(), 150.into(), 150_000.into()];
    let alternating: [Value; 5] = ["GBT_AC".into(), "AC_1_PHASE".into(), 220.into(), 32.into(), 7_000.into()];
    assert_eq!(told.collect::<Vec<_>>(), [direct, alternating]);
    let assumed = |one: &Value| {
        let assumed = one["veripile"]["assumed"].as_array().unwrap();
        ["power_type", "max_electric_power"].map(|name| assumed.contains(&name.into()))
    };
    assert_eq!(
        [evse, &evse["connectors"][0], &evse["connectors"][1]].map(assumed),
        [[true; 2], [false; 2], [true; 2]]
    );
}

/// The signed energy is compared with the bill digit by digit; nothing kept names the driver.
async fn bills(walked: &Value, database: &Database) {
    let (good, forged) = (&walked["kept"]["veripile"], &walked["forged"]["veripile"]);
    // 32.750 kWh less 12.500 kWh.
    assert_eq!((&good["signed_energy_kwh"], &good["billed_as_signed"]), (&"20.25".into(), &true.into()));
    assert_eq!(
        (&good["records"][0]["verdict"], &good["pile_known"]),
        (&"valid_unregistered".into(), &true.into())
    );
    assert_eq!(
        (&forged["records"][0]["verdict"], &forged["billed_as_signed"]),
        (&"invalid".into(), &Value::Null)
    );
    let kept: Vec<(String,)> = sqlx::query_as("SELECT body || checked FROM ocpi_cdr ORDER BY cdr_no")
        .fetch_all(&mut database.connect().await)
        .await
        .unwrap();
    assert_eq!(kept.len(), 2);
    // The card signed in the record is `a|b`; the record itself is Base64.
    for (text,) in kept {
        assert!(!["0815", "a|b", "T0NNR"].iter().any(|word| text.contains(word)), "{text}");
    }
    assert_eq!(walked["kept"]["total_energy"], 20.25);
    let others: Vec<(String,)> =
        sqlx::query_as("SELECT body || checked FROM ocpi_cdr_other ORDER BY other_no")
            .fetch_all(&mut database.connect().await)
            .await
            .unwrap();
    let [(one,), (two,)] = &others[..] else { panic!("each once: {others:?}") };
    assert!(one.contains("\"total_energy\":1,") && two.contains("\"total_energy\":2,"), "{others:?}");
    assert!(!others.iter().any(|(text,)| text.contains("0815")), "{others:?}");
    assert_eq!(database.number("SELECT count(*) FROM ocpi_party WHERE length(token_hash) = 32").await, 1);
}

/// What a registered party is told: the data, and how many there are in all.
async fn asked(server: &Server, token: &str, path: &str) -> (Value, Option<u64>) {
    let bearer = format!("Token {}", STANDARD.encode(token));
    let (status, headers, body) = server.get_with(path, &[("Authorization", &bearer)]).await;
    let body = String::from_utf8(body).unwrap();
    assert_eq!(status, 200, "{path}: {body}");
    let total = header(&headers, "X-Total-Count").map(|total| total.parse().unwrap());
    (serde_json::from_str::<Value>(&body).unwrap()["data"].take(), total)
}

/// Power that no pile has, from before that was looked at, keeps no party from reading all the others.
async fn absurd_power(database: &Database, server: &Server, token: &str) {
    let mut connection = database.connect().await;
    let absurd = "UPDATE pile SET power_kw = 70000000000000000000000000000 WHERE pile_id = 'P01-A'";
    sqlx::query(absurd).execute(&mut connection).await.unwrap();
    let (found, _) = asked(server, token, "/ocpi/2.2.1/locations").await;
    let evse = &found[0]["evses"][0];
    assert_eq!((found.as_array().unwrap().len(), &evse["uid"]), (12, &"P01-A".into()));
    assert_eq!(evse["connectors"][0]["max_electric_power"], 7_000);
    assert!(evse["veripile"]["assumed"].as_array().unwrap().contains(&"max_electric_power".into()));
    let again = "UPDATE pile SET power_kw = 7 WHERE pile_id = 'P01-A'";
    sqlx::query(again).execute(&mut connection).await.unwrap();
}

/// The clock changes a state, and whoever asks what changed is told: certificate, reply window, remote evidence, silence.
async fn time_alone(database: &Database, server: &Server, token: &str) {
    let mut connection = database.connect().await;
    for query in [
        "UPDATE station SET changed_at = '2026-01-01Z'",
        "UPDATE pile SET changed_at = '2026-01-01Z'",
        "UPDATE station_price SET recorded_at = '2026-01-01Z'",
        "DELETE FROM standing",
        "INSERT INTO standing (pile_no, judged_at, body)
         SELECT pile_no, '2026-01-01Z', body::jsonb FROM pile JOIN (VALUES
             ('P01-A', '{\"certificate\": {\"number\": \"C1\", \"issuer\": \"x\", \"at\": \"2026-01-05T00:00:00Z\", \"valid_until\": \"2026-03-01T00:00:00Z\"}}'),
             ('P02-A', '{\"case\": {\"number\": \"K1\", \"issuer\": \"x\", \"at\": \"2026-01-05T00:00:00Z\", \"confirmed_at\": \"2026-01-06T00:00:00Z\",
                         \"reply_until\": \"2026-03-01T00:00:00Z\"}}'),
             ('P04-A', '{\"certificate\": {\"number\": \"C4\", \"issuer\": \"x\", \"at\": \"2026-01-01T00:00:00Z\", \"valid_until\": \"2099-03-01T00:00:00Z\"},
                         \"estimate\": {\"as_of\": \"2026-02-16T00:00:00Z\", \"component\": 0, \"grounded\": true, \"charges\": 30, \"limit\": 0.02,
                         \"period\": [\"2026-01-05T00:00:00Z\", \"2026-02-15T00:00:00Z\"], \"error\": 0.0, \"standard_uncertainty\": 0.001,
                         \"probability_conform\": 1.0, \"rule\": \"test\", \"verdict\": \"conform\"}}'),
             -- Nothing public changes on 1 March: one person confirmed, the failure was public before, use is stopped, evidence alone is no state.
             ('P05-A', '{\"case\": {\"number\": \"K5\", \"issuer\": \"x\", \"at\": \"2026-01-05T00:00:00Z\", \"confirmed_at\": null,
                         \"reply_until\": \"2026-03-01T00:00:00Z\"}}'),
             ('P06-A', '{\"case\": {\"number\": \"K6\", \"issuer\": \"x\", \"at\": \"2026-01-05T00:00:00Z\", \"confirmed_at\": \"2026-01-06T00:00:00Z\",
                         \"reply_until\": \"2026-02-01T00:00:00Z\"},
                         \"certificate\": {\"number\": \"C6\", \"issuer\": \"x\", \"at\": \"2025-01-05T00:00:00Z\", \"valid_until\": \"2026-03-01T00:00:00Z\"}}'),
             ('P07-A', '{\"stopped_at\": \"2026-01-02T00:00:00Z\",
                         \"certificate\": {\"number\": \"C7\", \"issuer\": \"x\", \"at\": \"2025-01-05T00:00:00Z\", \"valid_until\": \"2026-03-01T00:00:00Z\"}}'),
             ('P08-A', '{\"estimate\": {\"as_of\": \"2026-02-16T00:00:00Z\", \"component\": 0, \"grounded\": true, \"charges\": 30, \"limit\": 0.02,
                         \"period\": [\"2026-01-05T00:00:00Z\", \"2026-02-15T00:00:00Z\"], \"error\": 0.0, \"standard_uncertainty\": 0.001,
                         \"probability_conform\": 1.0, \"rule\": \"test\", \"verdict\": \"conform\"}}'),
             -- In question: due, whatever the certificate says.
             ('P09-A', '{\"certificate\": {\"number\": \"C9\", \"issuer\": \"x\", \"at\": \"2025-12-05T00:00:00Z\", \"valid_until\": \"2099-03-01T00:00:00Z\",
                         \"questioned_at\": \"2025-12-20T00:00:00Z\"}}')) AS told(pile_id, body) USING (pile_id)",
        // 30 days before 1 March 2026.
        "INSERT INTO pile_live (pile_no, last_seen) SELECT pile_no, '2026-01-30Z' FROM pile WHERE pile_id = 'P03-A'",
    ] {
        sqlx::query(query).execute(&mut connection).await.unwrap();
    }
    let since = async |from: &str| {
        let (found, total) = asked(server, token, &format!("/ocpi/2.2.1/locations?date_from={from}")).await;
        let ids: Vec<String> =
            found.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(total, Some(ids.len() as u64));
        ids
    };
    assert_eq!(since("2026-03-01T00:00:00Z").await, ["S01", "S02", "S03", "S04"]);
    assert_eq!(since("2026-03-01T00:00:01Z").await, [""; 0]);
    // Other prices hold at S10 since 1 February in China; its connectors name another tariff, and a failure at S06 is public.
    let february = ["S01", "S02", "S03", "S04", "S06"];
    assert_eq!(since("2026-01-31T16:00:01Z").await, february);
    assert_eq!(since("2026-01-31T16:00:00Z").await, [&february[..], &["S10"]].concat());
    let (evse, _) = asked(server, token, "/ocpi/2.2.1/locations/S10/P10-D").await;
    assert_eq!(
        (&evse["last_updated"], &evse["connectors"][0]["last_updated"]),
        (&"2026-01-31T16:00:00Z".into(), &"2026-01-31T16:00:00Z".into())
    );
    // Years that no database knows: since then all has changed, until then nothing had.
    assert_eq!(since("-009000-01-01T00:00:00Z").await, since("2000-01-01T00:00:00Z").await);
    assert_eq!(since("2000-01-01T00:00:00Z&date_to=-009000-01-01T00:00:00Z").await, [""; 0]);
    for (number, state, day) in [
        (1, "due", "2026-03-01"),
        (2, "failed", "2026-03-01"),
        (3, "out_of_use", "2026-03-01"),
        (4, "verified", "2026-03-01"),
        (5, "under_review", "2026-01-01"),
        (6, "failed", "2026-02-01"),
        (7, "out_of_use", "2026-01-01"),
        (8, "due", "2026-01-01"),
        (9, "due", "2026-01-01"),
    ] {
        let path = format!("/ocpi/2.2.1/locations/S{number:02}/P{number:02}-A");
        let (evse, _) = asked(server, token, &path).await;
        assert_eq!(evse["last_updated"], format!("{day}T00:00:00Z"), "{evse}");
        assert_eq!(evse["veripile"]["verification"]["state"], state, "{evse}");
    }
    in_question(server, token).await;
    // Back from its silence: what it was counted as before is over.
    let charger = Charger::connect(&server.ocpp(), "P03-A", Some("ocpp1.6")).await.unwrap();
    assert_eq!(since("2026-03-01T00:00:01Z").await, ["S03"]);
    drop(charger);
}

/// What changed is found with the first page; the others are parts of the same list, whatever changes meanwhile.
async fn page_by_page(database: &Database, server: &Server, token: &str) {
    let page = async |rest: &str| {
        let path = format!("/ocpi/2.2.1/locations?date_from=2026-03-01T00:00:00Z&limit=2{rest}");
        let (found, total) = asked(server, token, &path).await;
        let id = |one: &Value| one["id"].as_str().unwrap().to_owned();
        (found.as_array().unwrap().iter().map(id).collect::<Vec<_>>(), total.unwrap())
    };
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    assert_eq!(page("").await, (ids(&["S01", "S02"]), 4));
    let changed = "UPDATE station SET changed_at = now() WHERE station_id IN ('S05', '无锡十二站')";
    sqlx::query(changed).execute(&mut database.connect().await).await.unwrap();
    assert_eq!(page("&offset=2").await, (ids(&["S03", "S04"]), 4));
    assert_eq!(page("&offset=4").await, (ids(&[]), 4));
    // Another reading, and one that begins anew.
    assert_eq!(page("&offset=4&date_to=2099-01-01T00:00:00Z").await.1, 6);
    assert_eq!(page("").await, (ids(&["S01", "S02"]), 6));
    assert_eq!(page("&offset=4").await.0[0], "S05");
}

/// A certificate in question gives no validity, wherever a location tells its pile; another one does.
async fn in_question(server: &Server, token: &str) {
    for path in ["/ocpi/2.2.1/locations/S09/P09-A", "/ocpi/2.2.1/locations/S09", "/ocpi/2.2.1/locations"] {
        let (told, _) = asked(server, token, path).await;
        let locations = told.as_array().cloned().unwrap_or_else(|| vec![told]);
        // One pile alone stands for itself.
        let evses = |one: &Value| one["evses"].as_array().cloned().unwrap_or_else(|| vec![one.clone()]);
        let evses: Vec<Value> = locations.iter().flat_map(evses).collect();
        let evse = evses.iter().find(|evse| evse["uid"] == "P09-A").unwrap();
        assert!(!evse.to_string().contains("2099"), "{path}: {evse}");
        let verification = &evse["veripile"]["verification"];
        let of = |name: &str| verification[name].clone();
        assert_eq!((of("state"), of("basis"), of("number")), ("due".into(), "question".into(), "C9".into()));
        assert!(of("verified_at").is_null() && of("valid_until").is_null(), "{path}: {evse}");
        assert_eq!(of("since"), "2025-12-20T00:00:00Z");
        let (was, since) = ("2025-12-05T00:00:00Z", "2025-12-20T00:00:00Z");
        // Nobody said why.
        assert_eq!(of("question"), json!({ "was_verified_at": was, "since": since, "because": null }));
        if let Some(other) = evses.iter().find(|evse| evse["uid"] == "P04-A") {
            assert_eq!(other["veripile"]["verification"]["valid_until"], "2099-03-01T00:00:00Z");
            assert_eq!(other["veripile"]["verification"]["question"], Value::Null);
        }
    }
}

/// What a pile said is told for ten minutes after it was last heard of, as on its page; that it is no longer told is a change, and that it is again.
async fn silence(database: &Database, server: &Server, token: &str) {
    let mut connection = database.connect().await;
    for query in [
        "INSERT INTO connector_live (pile_no, connector, status, status_at)
         SELECT pile_no, 1, 'Available', '2026-02-01Z' FROM pile WHERE pile_id = 'P09-D'",
        "INSERT INTO pile_live (pile_no, last_seen)
         SELECT pile_no, now() - interval '5 minutes' FROM pile WHERE pile_id = 'P09-D'",
    ] {
        sqlx::query(query).execute(&mut connection).await.unwrap();
    }
    let told = async || asked(server, token, "/ocpi/2.2.1/locations/S09/P09-D").await.0;
    let changed_since = async |from: &str| {
        let (found, _) = asked(server, token, &format!("/ocpi/2.2.1/locations?date_from={from}")).await;
        found.as_array().unwrap().iter().any(|one| one["id"] == "S09")
    };
    let evse = told().await;
    assert_eq!(
        (&evse["status"], &evse["last_updated"]),
        (&"AVAILABLE".into(), &"2026-02-01T00:00:00Z".into())
    );
    assert!(!changed_since("2026-02-01T00:00:01Z").await);
    // Ten minutes in whole seconds are over in the 601st.
    let (since, after): (String, String) = sqlx::query_as(
        "UPDATE pile_live SET last_seen = date_trunc('second', now()) - interval '20 minutes'
         FROM pile WHERE pile.pile_no = pile_live.pile_no AND pile_id = 'P09-D'
         RETURNING to_char((last_seen + interval '601 seconds') AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),
                   to_char((last_seen + interval '602 seconds') AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    let evse = told().await;
    assert_eq!((&evse["status"], &evse["last_updated"]), (&"UNKNOWN".into(), &since.as_str().into()));
    assert!(changed_since(&since).await && !changed_since(&after).await);
    let mut charger = Charger::connect(&server.ocpp(), "P09-D", Some("ocpp1.6")).await.unwrap();
    assert_eq!(told().await["status"], "AVAILABLE");
    assert!(changed_since(&after).await);
    // What it says counts from when it said so, whatever its clock.
    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    let since = jiff::Timestamp::now().to_string();
    assert!(!changed_since(&since).await);
    let said = serde_json::json!({ "connectorId": 1, "errorCode": "NoError", "status": "Charging", "timestamp": "2026-02-02T00:00:00Z" });
    charger.call("StatusNotification", &said).await;
    assert_eq!(told().await["status"], "CHARGING");
    assert!(changed_since(&since).await);
    // Connector 0 is the pile itself: without it there is none.
    for (connector, word, then) in [
        (1, "Available", "AVAILABLE"),
        (0, "Faulted", "OUTOFORDER"),
        (0, "Unavailable", "INOPERATIVE"),
        (0, "Available", "AVAILABLE"),
    ] {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        let since = jiff::Timestamp::now().to_string();
        let said = json!({ "connectorId": connector, "errorCode": "NoError", "status": word });
        charger.call("StatusNotification", &said).await;
        assert_eq!(told().await["status"], then, "{connector} {word}");
        assert!(changed_since(&since).await, "{connector} {word}");
    }
}

/// What we tell, read by ourselves: the same power, and nothing lost that OCPI does not know.
async fn round_trip(
    binary: &PathBuf,
    database: &Database,
    server: &Server,
    folder: &std::path::Path,
    token: &str,
) {
    let file = |name: &str, content: &str| written(folder, name, content);
    let station = "station_id,operator_id,name_zh,name_en,lon,lat,coordinate_system,region,address,phone,fee_cny_kwh,fee_note\n\
                   S90,O1,甲站,Station A,120.3,31.6,wgs84,滨湖区,湖滨路 1 号,0510,1.25,夜间 0.8\n";
    let pile = "pile_id,station_id,kind,accuracy_class,power_kw,connectors,model,meter_serial\nW1,S90,ac,1,22,type2,M,7\n";
    let (station, pile) = (file("station.csv", station), file("pile.csv", pile));
    command(binary, database, &["register", "--stations", &station, "--piles", &pile]);
    let registered = async || -> Vec<String> {
        let rows = sqlx::query_scalar(
            "SELECT concat_ws('|', to_jsonb(station) - 'changed_at' - 'given_system' - 'given_lon' - 'given_lat' - 'place_doubts',
                    pile.power_kw::float8, pile.kind, pile.accuracy_class, pile.connectors, pile.model, pile.meter_serial, pile.operator_id)
             FROM station JOIN pile USING (station_id) WHERE station_id = 'S90'",
        );
        rows.fetch_all(&mut database.connect().await).await.unwrap()
    };
    let before = registered().await;
    let (mut told, _) = asked(server, token, "/ocpi/2.2.1/locations/S90").await;
    let connector = &told["evses"][0]["connectors"][0];
    // Its highest price of a day is no tariff.
    assert_eq!(connector["tariff_ids"], json!([]));
    // 22,000 W over three phases of 220 V are 33.3 A.
    let of = |name: &str| connector[name].clone();
    assert_eq!(
        (of("power_type"), of("max_voltage"), of("max_amperage")),
        ("AC_3_PHASE".into(), 220.into(), 33.into())
    );
    let same = file("same.json", &serde_json::to_string(&[&told]).unwrap());
    // The district stands for the city that nobody told, and is read back as nobody's word.
    assert_eq!(told["city"], "滨湖区");
    assert!(told["veripile"]["assumed"].as_array().unwrap().contains(&"city".into()));
    command(binary, database, &["register", "--operator", "O1", "--stations", &same]);
    assert_eq!(registered().await, before);
    assert_eq!(before.len(), 1);
    whereabouts(binary, database, server, folder, token).await;
    told["id"] = "S91".into();
    told["evses"][0]["uid"] = "W2".into();
    told["evses"][0]["connectors"][0].as_object_mut().unwrap().remove("max_electric_power");
    let other = file("other.json", &serde_json::to_string(&[&told]).unwrap());
    command(binary, database, &["register", "--operator", "O1", "--stations", &other]);
    // 3 × 220 V × 33 A.
    assert_eq!(
        database.number("SELECT (power_kw * 1000)::bigint FROM pile WHERE pile_id = 'W2'").await,
        21_780
    );
}

/// Country and time zone are those that were told; else those of the place, or of the settings, and said to be assumed.
async fn whereabouts(
    binary: &PathBuf,
    database: &Database,
    server: &Server,
    folder: &std::path::Path,
    token: &str,
) {
    let file = folder.join("abroad.csv");
    let stations = "station_id,operator_id,name_zh,lon,lat,coordinate_system,country,time_zone\n\
                    S93,O1,外,-0.28,51.54,wgs84,gbr,Europe/London\nS94,O1,外,-0.12,51.53,wgs84,,\nS95,O1,内,120.3,31.6,wgs84,,\n";
    std::fs::write(&file, stations).unwrap();
    command(binary, database, &["register", "--stations", file.to_str().unwrap()]);
    for (id, country, time_zone, is_assumed) in [
        ("S93", "GBR", "Europe/London", false),
        ("S94", "CHN", "Asia/Shanghai", true),
        ("S95", "CHN", "Asia/Shanghai", true),
    ] {
        let (told, _) = asked(server, token, &format!("/ocpi/2.2.1/locations/{id}")).await;
        assert_eq!((&told["country"], &told["time_zone"]), (&country.into(), &time_zone.into()), "{id}");
        let assumed = told["veripile"]["assumed"].as_array().unwrap();
        for name in ["country", "time_zone"] {
            assert_eq!(assumed.contains(&name.into()), is_assumed, "{id}: {assumed:?}");
        }
    }
    tariffs::abroad(binary, database, server, folder, token).await;
    // What is assumed is not read back as told.
    let (told, _) = asked(server, token, "/ocpi/2.2.1/locations/S94").await;
    let file = folder.join("abroad.json");
    std::fs::write(&file, serde_json::to_string(&[&told]).unwrap()).unwrap();
    command(binary, database, &["register", "--operator", "O1", "--stations", file.to_str().unwrap()]);
    let told = "SELECT count(*) FROM station WHERE country IS NOT NULL OR time_zone IS NOT NULL";
    assert_eq!(database.number(told).await, 1);
    for gone in [
        "DELETE FROM evidence_price WHERE price_no IN (SELECT price_no FROM station_price WHERE station_id = 'S93')",
        "DELETE FROM station_price WHERE station_id = 'S93'",
        "DELETE FROM station WHERE station_id IN ('S93', 'S94', 'S95')",
    ] {
        sqlx::query(gone).execute(&mut database.connect().await).await.unwrap();
    }
}

/// A pile that is registered elsewhere is removed here, and whoever asks for what changed is told of both stations.
async fn moved(
    binary: &PathBuf,
    database: &Database,
    server: &Server,
    folder: &std::path::Path,
    token: &str,
) {
    let file = folder.join("moved.csv");
    let table = "pile_id,station_id,kind,accuracy_class,power_kw,lon,lat,coordinate_system\nP05-D,S06,dc,1,60,120.31,31.61,wgs84\n";
    std::fs::write(&file, table).unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let before: String =
        sqlx::query_scalar("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
            .fetch_one(&mut database.connect().await)
            .await
            .unwrap();
    command(binary, database, &["register", "--piles", file.to_str().unwrap()]);
    let bearer = format!("Token {}", STANDARD.encode(token));
    let get = async |path: &str| -> Value {
        let (status, _, body) = server.get_with(path, &[("Authorization", &bearer)]).await;
        let body = String::from_utf8(body).unwrap();
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str::<Value>(&body).unwrap()["data"].take()
    };
    let evse = get("/ocpi/2.2.1/locations/S05/P05-D").await;
    assert_eq!((&evse["status"], &evse["connectors"][0]["tariff_ids"]), (&"REMOVED".into(), &json!([])));
    assert_eq!(
        get("/ocpi/2.2.1/locations/S05/P05-A").await["connectors"][0]["tariff_ids"].as_array().unwrap().len(),
        1
    );
    assert_eq!(get("/ocpi/2.2.1/locations/S06/P05-D").await["status"], "UNKNOWN");
    let changed = get(&format!("/ocpi/2.2.1/locations?date_from={before}")).await;
    let ids: Vec<&Value> = changed.as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert!(ids.contains(&&"S05".into()) && ids.contains(&&"S06".into()), "{ids:?}");
    // An operator's name stands at each of its stations: a new one changes them, the same once more does not.
    let file = folder.join("renamed.csv");
    for (name, is_new) in [("甲", false), ("新名", true), ("新名", false)] {
        std::fs::write(&file, format!("operator_id,name_zh,name_en\nO1,{name},One\n")).unwrap();
        let now = "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";
        let before: String = sqlx::query_scalar(now).fetch_one(&mut database.connect().await).await.unwrap();
        command(binary, database, &["register", "--operators", file.to_str().unwrap()]);
        let changed = get(&format!("/ocpi/2.2.1/locations?date_from={before}")).await;
        let names: Vec<&Value> =
            changed.as_array().unwrap().iter().map(|one| &one["operator"]["name"]).collect();
        assert_eq!(names.len(), if is_new { 14 } else { 0 }, "{name}: {names:?}");
        assert!(names.iter().all(|told| **told == name), "{names:?}");
    }
    // Who ends the registration leaves nothing.
    let ended = server.ask_with("DELETE", "/ocpi/2.2.1/credentials", &[("Authorization", &bearer)]).await;
    assert_eq!(ended.0, 200);
    assert_eq!(server.get_with("/ocpi/versions", &[("Authorization", &bearer)]).await.0, 401);
    assert_eq!(
        database
            .number("SELECT (SELECT count(*) FROM ocpi_cdr) + (SELECT count(*) FROM ocpi_cdr_other)")
            .await,
        0
    );
}
