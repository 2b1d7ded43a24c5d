//! Charge detail records of a party: whose keys judge them, and how much is kept of them.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use veripile_tests::{Database, Server, command, written};

use super::RECORDS;

/// A charge detail record of a party, at an EVSE of its location `1`, with the good record, whose meter is SN-1.
fn cdr(party: &str, id: &str, evse_uid: &str, evse_id: Option<&str>) -> Value {
    let record: Value = serde_json::from_str(RECORDS.lines().next().unwrap()).unwrap();
    let (start, end) = ("2026-03-01T00:00:00Z", "2026-03-01T01:00:00Z");
    json!({
        "country_code": "CN", "party_id": party, "id": id, "start_date_time": start, "end_date_time": end, "currency": "CNY",
        "cdr_token": { "uid": "x", "type": "RFID" }, "auth_method": "WHITELIST",
        "cdr_location": { "id": "1", "evse_uid": evse_uid, "evse_id": evse_id },
        "charging_periods": [{ "start_date_time": start, "dimensions": [{ "type": "ENERGY", "volume": 20.25 }] }],
        "signed_data": { "encoding_method": "OCMF",
                         "signed_values": [{ "nature": "End", "plain_data": "", "signed_data": record["signed_data"] }] },
        "total_cost": { "excl_vat": 30.5 }, "total_energy": 20.25, "total_time": 1, "last_updated": end,
    })
}

/// Sends a record, the scheme's name in small letters, which is as good (RFC 9110, 11.1): HTTP status and answer.
async fn sent(server: &Server, token: &str, cdr: &Value) -> (u16, Value) {
    let bearer = format!("token {}", STANDARD.encode(token));
    let (status, _, body) = server.post_json("/ocpi/2.2.1/cdrs", &[("Authorization", &bearer)], cdr).await;
    (status, serde_json::from_slice(&body).unwrap())
}

/// Two operators count from one, and a good record is judged with the keys of its own pile, else of its meter, whatever another's are.
pub(crate) async fn whose_keys(
    binary: &PathBuf,
    database: &Database,
    server: &Server,
    folder: &std::path::Path,
    token: &str,
) {
    let file = |name: &str, content: &str| written(folder, name, content);
    let key = |name: &str| {
        let mut records = RECORDS.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let record = records.find(|record| record["name"].as_str().unwrap().starts_with(name)).unwrap();
        record["public_key"].as_str().unwrap().to_owned()
    };
    // Both of the same curve.
    let (good, wrong) = (key("secp256r1 by default"), key("one reading"));
    let operators = file("parties.csv", "operator_id,name_zh,name_en\nCN-AAA,甲,A\nCN-BBB,乙,B\n");
    // As an import of Locations names them: by the EVSE's identifier for people where it has one, else by its own.
    let piles = "pile_id,operator_id,kind,accuracy_class\nCN*AAA*E7,CN-AAA,dc,1\nCN*AAA*E8,CN-AAA,dc,1\n7,CN-BBB,dc,1\n";
    let piles = file("of_parties.csv", piles);
    let listed = format!("pile_id,public_key,meter_serial\n7,{wrong},\nCN*AAA*E8,{wrong},SN-2\n");
    let listed = file("keys_of_others.csv", &listed);
    command(
        binary,
        database,
        &["register", "--operators", &operators, "--piles", &piles, "--meter-keys", &listed],
    );
    let told = async |cdr: &Value| {
        let (status, answer) = sent(server, token, cdr).await;
        assert_eq!(status, 200, "{answer}");
        let told = &answer["data"]["veripile"];
        // The record names its meter, so that the register was asked, and says what it answered.
        let key = &told["records"][0]["layers"]["key"];
        assert!(!key.to_string().contains("no_register"), "{key}");
        let is_good = key.to_string().contains("key_registered") && !key.to_string().contains("other_pile");
        assert_eq!(key["outcome"] == "ok", is_good, "{key}");
        (told["pile_known"].as_bool().unwrap(), told["records"][0]["verdict"].as_str().unwrap().to_owned())
    };
    let words = |is_known: bool, verdict: &str| (is_known, verdict.to_owned());
    // Nobody's key: not the one of the other operator's pile 7.
    assert_eq!(told(&cdr("AAA", "K1", "7", None)).await, words(false, "no_key"));
    assert_eq!(told(&cdr("BBB", "K2", "7", None)).await, words(true, "invalid"), "it is the other one's own");
    assert_eq!(told(&cdr("AAA", "K3", "7", Some("CN*AAA*E7"))).await, words(true, "no_key"));
    assert_eq!(told(&cdr("CCC", "K4", "7", Some("CN*AAA*E7"))).await, words(false, "no_key"));
    let listed = file("key.csv", &format!("pile_id,public_key,meter_serial\nCN*AAA*E7,{good},SN-1\n"));
    command(binary, database, &["register", "--meter-keys", &listed]);
    assert_eq!(told(&cdr("AAA", "K5", "7", Some("CN*AAA*E7"))).await, words(true, "valid"));
    // Its own key is asked before those of other piles, which are of another meter, or of none that is named; but it is no meter of theirs.
    assert_eq!(told(&cdr("AAA", "K6", "8", Some("CN*AAA*E8"))).await, words(true, "other_meter"));
    assert_eq!(told(&cdr("BBB", "K7", "7", None)).await, words(true, "other_meter"));
    // Where nobody knows the pile, nothing is contradicted.
    assert_eq!(told(&cdr("AAA", "K8", "9", Some("CN*AAA*E9"))).await, words(false, "valid"));
}

/// As if no party had sent anything.
const NOTHING_SENT: [&str; 2] = ["DELETE FROM ocpi_cdr", "UPDATE ocpi_party SET cdrs = 0, cdr_bytes = 0"];

/// A charge from two minutes past midnight to two to one, whose pile sent the value of record R1 at its end.
const OVER_OCPP: [&str; 2] = [
    "INSERT INTO charge (pile_no, reference, connector, started_at, ended_at, marks, updated_at)
     SELECT pile_no, 'T1', 1, '2026-03-01T00:02:00Z', '2026-03-01T00:58:00Z', '{}', now() FROM pile WHERE pile_id = 'CN*AAA*E7'",
    "INSERT INTO signed_value (pile_no, at, received_at, connector, digest, container, sealed, verdict, key_source, layers, reference, content)
     SELECT pile_no, '2026-03-01T00:58:00Z', '2026-03-01T00:58:01Z', 1, gen_random_uuid(), 'c', '', 'valid', 'register', '{}', 'T1', known.digest
     FROM pile, ocpi_cdr_record AS known JOIN ocpi_cdr USING (cdr_no) WHERE pile_id = 'CN*AAA*E7' AND cdr_id = 'R1'",
];

/// A bill names the charge with which its pile sent the same value, whichever came first; one that says another pile, or another time, rests on
/// another charge.
pub(crate) async fn sent_by_its_pile(database: &Database, server: &Server, token: &str) {
    let mut connection = database.connect().await;
    let mut run = async |queries: &[&str]| {
        for query in queries {
            sqlx::query(query)
                .execute(&mut connection)
                .await
                .unwrap_or_else(|error| panic!("{query}: {error}"));
        }
    };
    let told = async |id: &str, evse: &str, hours: [u32; 2]| {
        let mut cdr = cdr("AAA", id, "7", Some(&format!("CN*AAA*{evse}")));
        for (name, hour) in ["start_date_time", "end_date_time"].into_iter().zip(hours) {
            cdr[name] = format!("2026-03-01T{hour:02}:00:00Z").into();
        }
        let (status, answer) = sent(server, token, &cdr).await;
        assert_eq!(status, 200, "{answer}");
        answer["data"]["veripile"].clone()
    };
    run(&NOTHING_SENT).await;
    let before = told("R1", "E7", [0, 1]).await;
    assert_eq!((&before["charge"], &before["records"][0]["other_charge"]), (&Value::Null, &Value::Null));
    run(&OVER_OCPP).await;
    let number = json!(database.number("SELECT charge_no FROM charge WHERE reference = 'T1'").await);
    let (other, none) = (json!({ "charge": number, "pile_id": "CN*AAA*E7" }), Value::Null);
    for (id, evse, hours, is_of_it) in [
        ("R1", "E7", [0, 1], true),
        // Of a pile that nobody knows; nor does its clock matter, since its message came at that time.
        ("R2", "E9", [0, 1], true),
        ("R3", "E8", [0, 1], false),
        ("R4", "E7", [5, 6], false),
    ] {
        run(&NOTHING_SENT).await;
        let told = told(id, evse, hours).await;
        let record = &told["records"][0];
        let [charge, other] = if is_of_it { [&number, &none] } else { [&none, &other] };
        assert_eq!((&told["charge"], &record["other_charge"]), (charge, other), "{id}: {told}");
        let found = record["layers"]["transaction"]["findings"].to_string();
        assert_eq!(
            (record["billable"] == true, found.contains("other_charge")),
            (is_of_it, !is_of_it),
            "{id}: {told}"
        );
        assert_eq!((&record["sent_before"], &told["signed_energy_kwh"]), (&none, &"20.25".into()), "{id}");
    }
    // The pile's clock was hours off; what no registered key vouched for accuses no bill; what an unproven charger sends says nothing.
    for (change, charge, other) in [
        (
            "UPDATE signed_value SET received_at = '2026-03-01T05:59:00Z' WHERE reference = 'T1'",
            &number,
            &none,
        ),
        (
            "UPDATE signed_value SET received_at = '2026-03-01T00:59:00Z', key_source = 'message' WHERE reference = 'T1'",
            &none,
            &none,
        ),
        ("UPDATE signed_value SET key_source = 'register' WHERE reference = 'T1'", &none, &other),
        ("UPDATE charge SET marks = '{unproven}' WHERE reference = 'T1'", &none, &none),
    ] {
        run(&[change]).await;
        let told = told("R4", "E7", [5, 6]).await;
        assert_eq!(
            (&told["charge"], &told["records"][0]["other_charge"]),
            (charge, other),
            "{change}: {told}"
        );
    }
    run(&["DELETE FROM signed_value WHERE reference = 'T1'", "DELETE FROM charge WHERE reference = 'T1'"])
        .await;
}

/// A signed record is a bill once, and at its own pile: whatever it is called, and however it is encoded. What is repeated was not sent before,
/// nor is a credit, nor what takes the place of a record that was taken back.
pub(crate) async fn sent_before(database: &Database, server: &Server, token: &str) {
    let connection = &mut database.connect().await;
    for query in NOTHING_SENT {
        sqlx::query(query).execute(&mut *connection).await.unwrap();
    }
    let at = |id: &str, evse: &str| cdr("AAA", id, "7", Some(&format!("CN*AAA*{evse}")));
    let told = async |cdr: &Value| {
        let (status, answer) = sent(server, token, cdr).await;
        assert_eq!(status, 200, "{answer}");
        let veripile = &answer["data"]["veripile"];
        assert_eq!(veripile["signed_energy_kwh"], "20.25", "what is signed stays signed");
        veripile["records"][0].clone()
    };
    let before = |id: &str| json!({ "owner": "CN*AAA", "id": id });
    let first = told(&at("R1", "E7")).await;
    assert_eq!((&first["verdict"], &first["billable"]), (&"valid".into(), &true.into()), "{first}");
    assert_eq!((&first["sent_before"], &first["meter_of"]), (&Value::Null, &json!([])));
    assert_eq!(told(&at("R1", "E7")).await, first, "it is repeated");
    let elsewhere = told(&at("R2", "E8")).await;
    assert_eq!((&elsewhere["verdict"], &elsewhere["billable"]), (&"other_meter".into(), &false.into()));
    assert_eq!(elsewhere["sent_before"], before("R1"));
    assert_eq!(elsewhere["meter_of"], json!(["CN*AAA*E7"]));
    let found = &elsewhere["layers"]["key"];
    assert!(
        found["outcome"] == "failed" && found["findings"].to_string().contains("\"other_pile\""),
        "{found}"
    );
    let mut encoded = at("R3", "E7");
    let data = &mut encoded["signed_data"]["signed_values"][0]["signed_data"];
    *data = STANDARD.encode(data.as_str().unwrap()).into();
    let again = told(&encoded).await;
    assert_eq!((&again["verdict"], &again["billable"]), (&"valid".into(), &false.into()));
    assert_eq!(again["sent_before"], before("R1"));
    assert_eq!(again["layers"]["transaction"], json!({ "outcome": "failed", "findings": ["sent_before"] }));
    for (id, credited) in [("R1-C", "R1"), ("R2-C", "R2")] {
        let mut credit = at(id, "E7");
        credit["credit"] = true.into();
        credit["credit_reference_id"] = credited.into();
        assert_eq!(told(&credit).await["sent_before"], Value::Null, "{id}");
    }
    let instead = told(&encoded).await;
    assert_eq!((&instead["billable"], &instead["sent_before"]), (&true.into(), &Value::Null), "{instead}");
    // What another party sent is said, and not which it was.
    for query in [
        "INSERT INTO ocpi_party (name, token_hash) VALUES ('another', decode(repeat('00', 32), 'hex'))",
        "UPDATE ocpi_cdr SET party = 'another' WHERE cdr_id = 'R3'",
    ] {
        sqlx::query(query).execute(&mut *connection).await.unwrap();
    }
    let later = told(&at("R4", "E7")).await;
    assert_eq!(
        (&later["billable"], &later["sent_before"]),
        (&false.into(), &json!({ "owner": null, "id": null }))
    );
    sqlx::query("DELETE FROM ocpi_party WHERE name = 'another'").execute(&mut *connection).await.unwrap();
    assert_eq!(told(&at("R4", "E7")).await["billable"], true);
}

/// What is of another kind than OCPI says is refused by its name, and nothing of it is kept; a number that is told as text is one, and is named.
pub(crate) async fn misfits(database: &Database, server: &Server, token: &str) {
    let all = "SELECT count(*) FROM ocpi_cdr";
    let before = database.number(all).await;
    for (name, value) in [
        ("start_date_time", json!("yesterday")),
        ("end_date_time", json!({})),
        ("currency", json!({})),
        ("total_energy", json!("abc")),
        ("total_energy", json!({ "x": 1 })),
        ("charging_periods", json!("x")),
        ("cdr_location", json!("x")),
        ("cdr_token", json!("x")),
        ("signed_data", json!("x")),
        ("auth_method", json!("FOO")),
        ("charging_periods", json!([])),
        ("end_date_time", json!("2026-02-28T23:59:59Z")),
        ("total_energy", json!(-1)),
        ("id", json!("a\0b")),
        ("id", json!("a\nb")),
    ] {
        let mut wrong = cdr("AAA", "WRONG", "7", None);
        wrong[name] = value;
        let (status, answer) = sent(server, token, &wrong).await;
        assert_eq!((status, &answer["status_code"]), (400, &2001.into()), "{answer}");
        let message = answer["status_message"].as_str().unwrap();
        assert!(message.starts_with(&format!("{name}: expected ")), "{message}");
    }
    let mut undated = cdr("AAA", "WRONG", "7", None);
    undated["last_updated"] = Value::Null;
    let (status, answer) = sent(server, token, &undated).await;
    assert_eq!((status, &answer["status_message"]), (400, &"last_updated is missing".into()), "{answer}");
    assert_eq!(database.number(all).await, before);
    let mut as_text = cdr("AAA", "TEXT", "7", None);
    as_text["total_energy"] = "20.25".into();
    let (status, answer) = sent(server, token, &as_text).await;
    let told = &answer["data"]["veripile"];
    assert_eq!((status, &told["numbers_as_text"]), (200, &json!(["total_energy"])), "{answer}");
    assert_eq!((&told["signed_energy_kwh"], &told["billed_as_signed"]), (&"20.25".into(), &true.into()));
}

/// Neither one record nor all of a party take more than a bound, and what is refused says so.
pub(crate) async fn bounded(database: &Database, server: &Server, token: &str) {
    let mut long = cdr("AAA", "LONG", "7", None);
    let period = long["charging_periods"][0].clone();
    long["charging_periods"] = vec![period; 3_000].into();
    let (status, answer) = sent(server, token, &long).await;
    assert_eq!((status, &answer["status_code"]), (400, &2001.into()), "{answer}");
    assert!(answer["status_message"].as_str().unwrap().contains("131072 are at most"), "{answer}");
    let of_all = "SELECT sum(octet_length(body) + octet_length(checked))::bigint FROM
                      (SELECT body, checked FROM ocpi_cdr UNION ALL SELECT body, checked FROM ocpi_cdr_other) AS every";
    let counted = "SELECT sum(bytes)::bigint FROM ocpi_cdr";
    assert_eq!(database.number(counted).await, database.number(of_all).await);
    assert_eq!(sent(server, token, &cdr("AAA", "LAST", "7", None)).await.0, 200);
    // As if the oldest took all that a party may.
    let oldest = "WITH oldest AS (SELECT cdr_no, party, bytes FROM ocpi_cdr ORDER BY cdr_no LIMIT 1),
                       counted AS (UPDATE ocpi_party SET cdr_bytes = cdr_bytes + 1073741824 - oldest.bytes
                                   FROM oldest WHERE name = oldest.party)
                  UPDATE ocpi_cdr SET bytes = 1073741824 FROM oldest WHERE ocpi_cdr.cdr_no = oldest.cdr_no";
    sqlx::query(oldest).execute(&mut database.connect().await).await.unwrap();
    let all = "SELECT count(*) FROM ocpi_cdr";
    let before = database.number(all).await;
    assert_eq!(sent(server, token, &cdr("AAA", "LAST", "7", None)).await.0, 200);
    assert_eq!(database.number(all).await, before, "what is repeated takes nothing more");
    assert_eq!(sent(server, token, &cdr("AAA", "NEW", "7", None)).await.0, 200);
    assert_eq!(database.number(all).await, before, "one came and one went");
    assert_eq!(database.number("SELECT count(*) FROM ocpi_cdr WHERE cdr_id = 'CDR-1'").await, 0);
    assert_eq!(database.number("SELECT sum(cdrs)::bigint FROM ocpi_party").await, before);
    let of_parties = "SELECT sum(cdr_bytes)::bigint FROM ocpi_party";
    assert_eq!(database.number(of_parties).await, database.number(counted).await);
    kept_before_it_was_bounded(database, server, token).await;
}

/// A record that was taken before there was a bound is answered as it was, and another one under its identifier is too long.
async fn kept_before_it_was_bounded(database: &Database, server: &Server, token: &str) {
    let connection = &mut database.connect().await;
    let mut long = cdr("AAA", "OLD", "7", None);
    let (_, first) = sent(server, token, &long).await;
    let body: String = sqlx::query_scalar("SELECT body FROM ocpi_cdr WHERE cdr_id = 'OLD'")
        .fetch_one(&mut *connection)
        .await
        .unwrap();
    let mut kept: Value = serde_json::from_str(&body).unwrap();
    for record in [&mut kept, &mut long] {
        let period = record["charging_periods"][0].clone();
        record["charging_periods"] = vec![period; 3_000].into();
    }
    sqlx::query("UPDATE ocpi_cdr SET body = $1 WHERE cdr_id = 'OLD'")
        .bind(kept.to_string())
        .execute(&mut *connection)
        .await
        .unwrap();
    let (status, answer) = sent(server, token, &long).await;
    assert_eq!((status, &answer["status_code"]), (200, &1000.into()), "{answer}");
    assert_eq!(answer["data"], first["data"]);
    long["total_time"] = 2.into();
    let (status, answer) = sent(server, token, &long).await;
    assert_eq!((status, &answer["status_code"]), (400, &2001.into()), "{answer}");
    assert_eq!(
        database
            .number(
                "SELECT count(*) FROM ocpi_cdr_other JOIN ocpi_cdr USING (reference) WHERE cdr_id = 'OLD'"
            )
            .await,
        0
    );
}
