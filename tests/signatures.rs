//! Signed meter values as they arrive: judged with the right key, kept sealed, shown; a bad one is marked and changes nothing.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use serde_json::{Value, json};
use veripile_tests::{Charger, Database, Server, command, free_port, provided, written};

/// A record signed with another library, and its key: from 12.5 to the second reading of the record.
fn record() -> (String, String) {
    let line = include_str!("../crates/ocpp/src/signed/records.jsonl").lines().next().unwrap();
    let record: Value = serde_json::from_str(line).unwrap();
    let text = |name: &str| record[name].as_str().unwrap().to_owned();
    (text("signed_data"), text("public_key"))
}

/// Charge, verdict, where the key came from, whether the charge has a signed register.
type Row = (String, String, Option<String>, bool);

/// A charge of OCPP 2.0.1 that ends with a signed value.
async fn charge(charger: &mut Charger, id: &str, hour: u32, container: &str, key: &str) {
    for (kind, seq) in [("Started", 0), ("Ended", 1)] {
        let time = format!("2026-03-01T{:02}:00:00Z", hour + seq);
        let signed = json!({ "signedMeterData": container, "signingMethod": "", "encodingMethod": "OCMF", "publicKey": key });
        let mut sample = json!({ "value": 12.5 + f64::from(seq), "context": if seq == 0 { "Transaction.Begin" } else { "Transaction.End" },
            "unitOfMeasure": { "unit": "kWh" } });
        if seq == 1 {
            sample["signedMeterValue"] = signed;
        }
        let event = json!({ "eventType": kind, "timestamp": time, "triggerReason": "Authorized", "seqNo": seq,
            "transactionInfo": { "transactionId": id }, "evse": { "id": 1 },
            "meterValue": [{ "timestamp": time, "sampledValue": [sample] }] });
        assert_eq!(charger.call("TransactionEvent", &event).await[0], 3);
    }
}

#[tokio::test]
async fn signed_values_are_judged_kept_sealed_and_shown() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let server = Server::start(&binary, &database, free_port(), "open").await;
    let mut charger = Charger::connect(&server.ocpp(), "CP", Some("ocpp2.0.1")).await.unwrap();
    let (good, key) = record();
    let altered = good.replacen("12.500", "12.400", 1);
    assert_ne!(good, altered);
    charge(&mut charger, "none", 1, &good, "").await;
    charge(&mut charger, "first", 3, &good, &key).await;
    charge(&mut charger, "later", 5, &good, "").await;
    charge(&mut charger, "altered", 7, &altered, &key).await;
    charge(&mut charger, "nonsense", 9, "OCMF|{}", &key).await;
    let folder = tempfile::tempdir().unwrap();
    let register = |meter: &str| {
        let keys = format!("pile_id,public_key,meter_serial\nCP,{key},{meter}\n");
        let keys = written(folder.path(), "keys.csv", keys);
        command(&binary, &database, &["register", "--meter-keys", &keys]);
    };
    register("sn-1");
    charge(&mut charger, "registered", 11, &good, "").await;
    register("another");
    charge(&mut charger, "another", 13, &good, "").await;

    let kept: Vec<Row> = sqlx::query_as(
        "SELECT reference, verdict, key_source, signed_end_wh IS NOT NULL
         FROM signed_value JOIN charge USING (pile_no, reference) ORDER BY at",
    )
    .fetch_all(&mut database.connect().await)
    .await
    .unwrap();
    let told: Vec<_> =
        kept.iter().map(|(r, v, s, has)| (r.as_str(), v.as_str(), s.as_deref(), *has)).collect();
    assert_eq!(
        told,
        [
            ("none", "no_key", None, false),
            ("first", "valid", Some("message"), true),
            ("later", "valid", Some("first_use"), true),
            ("altered", "invalid", Some("first_use"), false),
            ("nonsense", "malformed", Some("first_use"), false),
            ("registered", "valid", Some("register"), true),
            ("another", "valid", Some("register"), false),
        ]
    );
    // Good ones are known again by their content, which is the same each time.
    let known = "SELECT 10 * count(content) + count(DISTINCT content) FROM signed_value";
    assert_eq!(database.number(known).await, 31);
    let marks = |code: &str| format!("SELECT count(*) FROM reading WHERE '{code}' = ANY(marks)");
    for code in ["signed_no_key", "signed_invalid", "signed_malformed", "key_of_another_meter"] {
        assert_eq!(database.number(Box::leak(marks(code).into_boxed_str())).await, 1, "{code}");
    }
    let seen = "SELECT count(*) FROM frame WHERE body LIKE '%OCMF|%' OR body LIKE '%12.500%'";
    assert_eq!(database.number(seen).await, 0, "containers name cards: frames have only their names");
    let named = "SELECT count(*) FROM signed_value JOIN frame USING (pile_no, digest)
                 WHERE body LIKE '%\"signedMeterData\":\"' || container || '\"%' AND sealed <> ''";
    assert_eq!(database.number(named).await, 7);
    let charge_no = database.number("SELECT charge_no FROM charge WHERE reference = 'registered'").await;
    let of_charge = server.get(&format!("/check?charge={charge_no}&lang=en")).await.1;
    let registered = "the register was asked: the key is registered for this meter or its pile";
    for told in ["20.250 kWh (+19.250 kWh against", "Whose key", registered, "A whole charge"] {
        assert!(of_charge.contains(told), "{told}: {of_charge}");
    }
    assert!(!of_charge.contains("was not asked"), "{of_charge}");
    let page = server.get("/p/CP?lang=en").await.1;
    let counted = "Of the last 7 signed values 3 are valid, 2 invalid, 2 could not be checked.";
    for words in
        ["Signature valid, key registered", "Signature invalid", "but of another meter", counted, &key]
    {
        assert!(page.contains(words), "{words}");
    }
    // A serial number of 10 kB stands whole in its container alone, and cut on the page.
    let long = good.replacen("SN-1", &"9".repeat(10_000), 1);
    assert_ne!(good, long);
    charge(&mut charger, "long", 15, &long, &key).await;
    let longest = "SELECT max(length(meter_serial))::bigint FROM signed_value";
    assert_eq!(database.number(longest).await, 255);
    let page = server.get("/p/CP?lang=en").await.1;
    assert!(page.contains("9…") && !page.contains(&"9".repeat(101)), "{page}");
}

#[tokio::test]
async fn anybody_can_check_a_record_on_the_page() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let server = Server::start(&binary, &database, free_port(), "open").await;
    let (good, key) = record();
    let told = async |record: &str, key: &str| {
        let (status, body) = server.post("/check?lang=en", &[("record", record), ("key", key)]).await;
        assert_eq!(status, 200);
        let heading = body.split("<h2>").nth(1).unwrap_or_default();
        heading.split(['>', '<']).nth(2).unwrap_or_default().to_owned()
    };
    assert_eq!(told(&good, &key).await, "Signature valid, key not registered");
    assert_eq!(told(&good, "").await, "No key to check it with");
    // A key that was typed is called so, and record and verdict go along into the other language.
    let (_, body) = server.post("/check?lang=en", &[("record", &good), ("key", &key)]).await;
    let why = "the key is the one you gave; nobody has compared it with the meter</dd>";
    let asked = "<dd>no: the register was asked; no key of this meter was found there, ";
    for told in ["<dd>the one you gave</dd>", asked, why, "formaction=\"/check?&amp;lang=zh\""] {
        assert!(body.contains(told), "{told}: {body}");
    }
    assert!(!body.contains("was not asked"), "{body}");
    let kept = |body: &str| body.contains(&good.replace('"', "&#34;")) && body.contains(&key);
    assert!(
        kept(&body) && !body.contains("<a href=\"/check?&amp;lang=zh\""),
        "no link that drops it: {body}"
    );
    let again = [("record", good.as_str()), ("key", key.as_str()), ("do", "show")];
    let (_, body) = server.post("/check?&lang=zh", &again).await;
    assert!(
        kept(&body) && body.contains("您填写的") && body.contains("formaction=\"/check?&amp;lang=en\""),
        "{body}"
    );
    assert!(server.get("/check?lang=en").await.1.contains("<a href=\"/check?&amp;lang=zh\""));
    assert_eq!(told(&good.replacen("12.500", "12.501", 1), &key).await, "Signature invalid");
    assert_eq!(told("OCMF|<script>", &key).await, "Not readable");
    // A key that is registered for another meter is told as such, however it is written; one of which nobody said whose it is proves nothing.
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, content).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let piles = file("piles.csv", "pile_id,kind,accuracy_class\nP1,dc,1\n");
    for (serial, verdict) in
        [("", "Signature valid, key not registered"), ("SN-9", "Signature valid, but of another meter")]
    {
        let keys = file("keys.csv", &format!("pile_id,public_key,meter_serial\nP1,{key},{serial}\n"));
        command(&binary, &database, &["register", "--piles", &piles, "--meter-keys", &keys]);
        for written in [key.clone(), key.to_uppercase(), format!("oca:base16:asn1:{key}")] {
            assert_eq!(told(&good, &written).await, verdict, "{serial} {written}");
        }
    }
    let (_, body) = server.post("/check?lang=en", &[("record", &good), ("key", &key)]).await;
    let another = "the meter that signed is not the one the key is registered for";
    assert!(body.contains(another) && !body.contains("no key of this meter was found there"), "{body}");
    // Of a container the first 20 are checked, and whoever pasted more is told.
    let value = format!("<value><signedData>{good}</signedData></value>");
    for (records, told) in [(20, false), (25, true)] {
        let container = format!("<values>{}</values>", value.repeat(records));
        let form = [("record", container.as_str()), ("key", key.as_str())];
        let (_, body) = server.post("/check?lang=en", &form).await;
        assert_eq!(body.matches("card result").count(), 20, "{body}");
        assert_eq!(body.contains("Only the first 20 of 25 records were checked"), told, "{body}");
    }
    let (status, body) = server.post("/check", &[("record", &"x".repeat(5 << 20))]).await;
    assert!(status == 413 || status == 400, "{status} {body}");
    // Whoever is refused is told how much is taken: people on a page, programs as a problem.
    for (accept, kind, told) in [
        ("text/html", "text/html", "内容太大：一份记录至多 1 MB"),
        ("*/*", "application/problem+json", "a record has 1 MB at most"),
    ] {
        let headers = [
            ("Accept", accept),
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Content-Length", "5000000"),
        ];
        let (status, headers, body) = server.ask_with("POST", "/check", &headers).await;
        let body = String::from_utf8(body).unwrap();
        assert!(status == 413 && headers.contains(kind) && body.contains(told), "{headers} {body}");
    }
}
