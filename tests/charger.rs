//! A charger against the real binary: accepted shapes end on the pile's page, refused ones are told why.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use veripile_tests::{Charger, Database, Server, free_port, provided};

fn sample(context: &str, location: &str, value: &str, unit: &str) -> Value {
    json!({ "value": value, "context": context, "measurand": "Energy.Active.Import.Register", "location": location, "unit": unit })
}

/// One whole charge over 1.6 of 12.345 kWh by the pile and 12.2 kWh by the vehicle; gives the transaction id.
async fn charge_16(charger: &mut Charger) -> Value {
    let boot = charger
        .call(
            "BootNotification",
            &json!({ "chargePointVendor": "测试", "chargePointModel": "M1", "meterSerialNumber": "SN-77" }),
        )
        .await;
    assert_eq!(boot[2]["status"], "Accepted");
    let start = json!({ "connectorId": 1, "idTag": "SECRETCARD", "meterStart": 1000, "timestamp": "2026-03-01T08:00:00Z" });
    let started = charger.call("StartTransaction", &start).await;
    let transaction = started[2]["transactionId"].clone();
    assert!(transaction.is_number(), "{started}");
    let again = charger.call("StartTransaction", &start).await;
    assert_eq!(again[2]["transactionId"], transaction, "a repeated start is the same charge");
    let values = json!({ "connectorId": 1, "transactionId": transaction, "meterValue": [
        { "timestamp": "2026-03-01T08:30:00Z", "sampledValue": [sample("Sample.Periodic", "Outlet", "7000.50", "Wh")] }] });
    assert_eq!(charger.call("MeterValues", &values).await[2], json!({}));
    let stop = json!({ "transactionId": transaction, "idTag": "SECRETCARD", "meterStop": 13345, "timestamp": "2026-03-01T09:00:00Z",
        "transactionData": [
            { "timestamp": "2026-03-01T08:00:00Z", "sampledValue": [sample("Transaction.Begin", "Outlet", "1.000", "kWh"), sample("Transaction.Begin", "EV", "0", "kWh")] },
            { "timestamp": "2026-03-01T09:00:00Z", "sampledValue": [sample("Transaction.End", "Outlet", "13.345", "kWh"), sample("Transaction.End", "EV", "12.2", "kWh")] }] });
    assert_eq!(charger.call("StopTransaction", &stop).await[2]["idTagInfo"]["status"], "Accepted");
    transaction
}

async fn a_charge_reaches_its_page(binary: &std::path::PathBuf, database: &Database) {
    let server = Server::start(binary, database, free_port(), "open").await;
    let mut charger = Charger::connect(&server.ocpp(), "%E6%A1%A9-1", Some("ocpp1.6")).await.unwrap();
    charge_16(&mut charger).await;
    let (status, page) = server.get("/p/%E6%A1%A9-1?lang=en").await;
    assert_eq!(status, 200);
    for text in ["12.345", "12.200", "SN-77", "测试 M1"] {
        assert!(page.contains(text), "{text} is not on the page");
    }
    assert_eq!(database.number("SELECT count(*) FROM charge").await, 1);
    // Start twice is one frame: boot, start, values, stop.
    assert_eq!(database.number("SELECT count(*) FROM frame").await, 4);
    assert_eq!(database.number("SELECT count(*) FROM reading").await, 5);
    assert_eq!(
        database.number("SELECT count(*) FROM reading WHERE value = '7000.50' AND number = 7000.5").await,
        1
    );
    assert_eq!(
        database.number("SELECT count(*) FROM frame WHERE body LIKE '%SECRETCARD%'").await,
        0,
        "no card is stored"
    );
    // The same whole conversation again changes nothing.
    charge_16(&mut charger).await;
    assert_eq!(database.number("SELECT count(*) FROM charge").await, 1);
    assert_eq!(database.number("SELECT count(*) FROM reading").await, 5);
    assert!(server.stop(), "the server stops cleanly");
}

#[tokio::test]
async fn on_timescaledb_a_charge_reaches_its_page_and_repeats_change_nothing() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    a_charge_reaches_its_page(&binary, &database).await;
    let hypertables = database.number("SELECT count(*) FROM timescaledb_information.hypertables").await;
    assert_eq!(hypertables, 3, "frames, readings and what was sent are hypertables");
}

#[tokio::test]
async fn on_plain_postgresql_a_charge_reaches_its_page_and_repeats_change_nothing() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::plain(&url).await;
    a_charge_reaches_its_page(&binary, &database).await;
    assert_eq!(database.number("SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'").await, 0);
}

/// A relayed charger may say nothing for an hour, and is there: what it said of itself does not count as too old, and turn new again when
/// its connection ends.
#[tokio::test]
async fn a_pile_that_answers_pings_is_there_while_it_is_connected() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let server = Server::start(&binary, &database, free_port(), "open").await;
    let mut charger = Charger::connect(&server.ocpp(), "QUIET", Some("ocpp1.6")).await.unwrap();
    let free = json!({ "connectorId": 1, "errorCode": "NoError", "status": "Available" });
    charger.call("StatusNotification", &free).await;
    let mut connection = database.connect().await;
    for query in [
        "UPDATE pile_live SET last_seen = now() - interval '20 minutes', back_at = NULL",
        "UPDATE connector_live SET status_at = now() - interval '20 minutes'",
    ] {
        sqlx::query(query).execute(&mut connection).await.unwrap();
    }
    charger.pong().await;
    let heard = "SELECT count(*) FROM pile_live WHERE connection IS NOT NULL AND last_seen > now() - interval '1 minute'";
    let noted = async {
        while database.number(heard).await == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), noted).await.expect("the pong is noted");
    // Twenty minutes were a silence; whoever asks what changed is told that it is over, once.
    let back = "SELECT count(*) FROM pile_live WHERE back_at = last_seen";
    assert_eq!(database.number(back).await, 1);
    drop(charger);
    assert!(server.stop(), "the server stops cleanly");
}

/// What vanishes is noticed late: as long as three pings take, or a server's stop. It was not heard of then.
#[tokio::test]
async fn a_pile_was_last_heard_of_when_it_spoke_and_not_when_its_end_was_noticed() {
    const STAYS_SILENT: Duration = Duration::from_secs(4);
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let server = Server::start(&binary, &database, free_port(), "open").await;
    let mut charger = Charger::connect(&server.ocpp(), "GONE", Some("ocpp1.6")).await.unwrap();
    charger.call("Heartbeat", &json!({})).await;
    tokio::time::sleep(STAYS_SILENT).await;
    drop(charger);
    let noticed = async {
        while database.number("SELECT count(*) FROM pile_live WHERE connection IS NULL").await == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), noticed).await.expect("the end is noted");
    let heard = "SELECT count(*) FROM pile_live WHERE last_seen < connected_at + interval '3 seconds'";
    assert_eq!(database.number(heard).await, 1);
    assert!(server.stop(), "the server stops cleanly");
}

#[tokio::test]
async fn what_is_odd_is_kept_and_marked_and_what_is_no_ocpp_is_refused() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let server = Server::start(&binary, &database, free_port(), "open").await;
    let mut charger = Charger::connect(&server.ocpp(), "ODD", Some("ocpp9, ocpp1.6")).await.unwrap();
    let odd = json!({ "connectorId": 1, "meterValue": [
        { "timestamp": "1970-01-01T00:00:00Z", "sampledValue": [{ "value": 5 }, { "value": "12,5", "measurand": "Request.Energy", "unit": "Furlong" }] },
        { "timestamp": "2026-03-01T08:00:00Z", "sampledValue": [] }] });
    assert_eq!(charger.call("MeterValues", &odd).await[0], 3, "content is never refused");
    assert_eq!(
        charger
            .call(
                "StopTransaction",
                &json!({ "transactionId": 4711, "meterStop": 5, "timestamp": "2026-03-01T08:00:00Z" })
            )
            .await[0],
        3
    );
    assert_eq!(database.number("SELECT count(*) FROM reading").await, 2);
    for mark in [
        "bad_timestamp",
        "number_not_text",
        "missing_unit",
        "bad_number",
        "unknown_measurand",
        "unknown_unit",
    ] {
        let marked: i64 = sqlx::query_scalar("SELECT count(*) FROM reading WHERE $1 = ANY(marks)")
            .bind(mark)
            .fetch_one(&mut database.connect().await)
            .await
            .unwrap();
        assert!(marked >= 1, "{mark}");
    }
    assert_eq!(database.number("SELECT count(*) FROM charge WHERE 'orphan_stop' = ANY(marks)").await, 1);
    let mut code = async |text: &str| charger.send(text).await[2].as_str().unwrap_or_default().to_owned();
    assert_eq!(code(r#"[2,"x","NoSuchAction",{}]"#).await, "NotImplemented");
    assert_eq!(code(r#"[2,"x","Reset",{"type":"Hard"}]"#).await, "NotSupported");
    assert_eq!(code("hello").await, "FormationViolation");
    assert_eq!(code(r#"[2,"x"]"#).await, "FormationViolation");
    assert_eq!(
        database.number("SELECT count(*) FROM frame WHERE body = 'hello'").await,
        1,
        "garbage is kept too"
    );
    for _ in 0..12 {
        if charger.send("garbage").await.is_null() {
            return;
        }
    }
    panic!("a stream of garbage is not closed");
}

#[tokio::test]
async fn connections_that_cannot_be_are_told_why() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let server = Server::start(&binary, &database, free_port(), "closed").await;
    assert_eq!(Charger::connect(&server.ocpp(), "NOBODY", Some("ocpp1.6")).await.err(), Some(404));
    let (status, help) = server.get("/ocpp/NOBODY").await;
    assert!(status == 426 && help.contains("ocpp1.6"), "{status} {help}");
    drop(server);
    let server = Server::start(&binary, &database, free_port(), "open").await;
    let mut without = Charger::connect(&server.ocpp(), "CP", None).await.unwrap();
    assert_eq!(without.receive().await, None, "closed at once");
    assert_eq!(Charger::connect(&server.ocpp(), "CP", Some("mqtt")).await.err(), Some(0));
    assert_eq!(Charger::connect(&server.ocpp(), "%00", Some("ocpp1.6")).await.err(), Some(400));
    let (_, metrics) = server.get("/metrics").await;
    assert!(
        metrics.contains(r#"veripile_gateway_refusals_total{reason="subprotocol"} 2"#),
        "refusals are counted"
    );
}

#[tokio::test]
async fn a_newer_connection_replaces_the_older() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let server = Server::start(&binary, &database, free_port(), "open").await;
    let mut older = Charger::connect(&server.ocpp(), "CP", Some("ocpp1.6")).await.unwrap();
    assert_eq!(older.call("Heartbeat", &json!({})).await[0], 3);
    let mut newer = Charger::connect(&server.ocpp(), "CP", Some("ocpp1.6")).await.unwrap();
    assert_eq!(older.receive().await, None, "the older one is closed");
    assert_eq!(newer.call("Heartbeat", &json!({})).await[0], 3);
}

#[tokio::test]
async fn no_message_of_one_charger_stops_the_others() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let server = Server::start(&binary, &database, free_port(), "open").await;
    let mut charger = Charger::connect(&server.ocpp(), "HUGE", Some("ocpp1.6")).await.unwrap();
    let most = "79228162514264337593543950335";
    let start =
        json!({ "connectorId": 1, "idTag": "C", "meterStart": 0, "timestamp": "2026-03-01T08:00:00Z" });
    let transaction = charger.call("StartTransaction", &start).await[2]["transactionId"].clone();
    let stop = format!(
        r#"[2,"stop","StopTransaction",{{"transactionId":{transaction},"meterStop":{most},"timestamp":"2026-03-01T09:00:00Z",
        "transactionData":[{{"timestamp":"2026-03-01T08:00:00Z","sampledValue":[{{"value":"{most}","context":"Transaction.Begin"}}]}},
        {{"timestamp":"2026-03-01T09:00:00Z","sampledValue":[{{"value":"0","context":"Transaction.End"}},{{"value":"-{most}"}}]}}]}}]"#
    );
    assert_eq!(charger.send(&stop).await[0], 3);
    for number in [most, "1e28", "999999999999999", "-999999999999999", "1e-28"] {
        let text = format!(
            r#"[2,"n{number}","MeterValues",{{"connectorId":1,"meterValue":[{{"timestamp":"2026-03-01T08:30:00Z","sampledValue":[{{"value":"{number}","unit":"kWh"}}]}}]}}]"#
        );
        assert_eq!(charger.send(&text).await[0], 3, "{number}");
    }
    let noise: String =
        (0..4000u32).map(|n| char::from(b'!' + (n.wrapping_mul(2_654_435_761) >> 16) as u8 % 90)).collect();
    let noise = noise.replace(['"', '\\'], "x");
    let long = json!({ "connectorId": 1, "meterValue": [{ "timestamp": "2026-03-01T08:40:00Z", "sampledValue": [
        { "value": "1", "measurand": noise, "unit": noise, "phase": noise, "location": noise, "context": noise }] }] });
    assert_eq!(charger.call("MeterValues", &long).await[0], 3);
    let marked = "SELECT count(*) FROM reading WHERE 'too_long' = ANY(marks)";
    assert_eq!(database.number(marked).await, 1);
    assert_eq!(
        database.number("SELECT count(*) FROM frame WHERE length(body) > 20000").await,
        1,
        "the frame has it whole"
    );
    let (status, _) = server.get("/p/HUGE").await;
    assert_eq!(status, 200);
    let mut other = Charger::connect(&server.ocpp(), "GOOD", Some("ocpp1.6")).await.unwrap();
    charge_16(&mut other).await;
    assert!(server.get("/p/GOOD?lang=en").await.1.contains("12.345"));
}

#[tokio::test]
async fn a_write_that_fails_is_an_error_and_the_message_can_come_again() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let server = Server::start(&binary, &database, free_port(), "open").await;
    let mut charger = Charger::connect(&server.ocpp(), "CP", Some("ocpp1.6")).await.unwrap();
    let low = |second: u32, value: &str| {
        json!({ "connectorId": 1, "meterValue": [{ "timestamp": format!("2026-03-01T08:00:{second:02}Z"),
            "sampledValue": [sample("Sample.Periodic", "Outlet", value, "Wh")] }] })
    };
    assert_eq!(charger.call("MeterValues", &low(0, "1000")).await[0], 3);
    let mut admin = database.connect().await;
    sqlx::query("ALTER TABLE reading RENAME TO away").execute(&mut admin).await.unwrap();
    let refused = charger.call("MeterValues", &low(1, "500")).await;
    assert_eq!((&refused[0], &refused[2]), (&json!(4), &json!("InternalError")), "{refused}");
    assert_eq!(database.number("SELECT count(*) FROM frame").await, 1, "nothing of it is stored");
    sqlx::query("ALTER TABLE away RENAME TO reading").execute(&mut admin).await.unwrap();
    assert_eq!(charger.call("MeterValues", &low(1, "500")).await[0], 3);
    assert_eq!(charger.call("MeterValues", &low(1, "500")).await[0], 3);
    assert_eq!(database.number("SELECT count(*) FROM reading").await, 2);
    let falling = "SELECT count(*) FROM reading WHERE 'register_falling' = ANY(marks)";
    assert_eq!(database.number(falling).await, 1, "the failed attempt did not use up the mark");
}

#[tokio::test]
async fn the_status_shown_is_the_newest_of_the_best_connector() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let server = Server::start(&binary, &database, free_port(), "open").await;
    let mut charger = Charger::connect(&server.ocpp(), "CP", Some("ocpp1.6")).await.unwrap();
    let mut told = async |connector: u32, status: &str, time: &str| {
        let payload =
            json!({ "connectorId": connector, "errorCode": "NoError", "status": status, "timestamp": time });
        assert_eq!(charger.call("StatusNotification", &payload).await[0], 3);
        let (_, body) = server.get("/api/v1/piles/CP").await;
        let pile: Value = serde_json::from_str(&body).unwrap();
        pile["live"]["status"].as_str().unwrap().to_owned()
    };
    assert_eq!(told(0, "Available", "2026-03-01T08:00:00Z").await, "Available");
    assert_eq!(
        told(1, "Charging", "2026-03-01T08:01:00Z").await,
        "Charging",
        "connector 0 is not one to charge at"
    );
    assert_eq!(told(2, "Faulted", "2026-03-01T08:02:00Z").await, "Faulted", "the last one that changed");
    assert_eq!(told(2, "Available", "2026-03-01T08:03:00Z").await, "Available");
    assert_eq!(told(2, "Faulted", "2026-03-01T08:02:00Z").await, "Available", "a repeat says nothing new");
    assert_eq!(
        told(2, "Unavailable", "2026-03-01T08:02:30Z").await,
        "Available",
        "nor does what was told late"
    );
}

#[tokio::test]
async fn a_transaction_id_used_again_is_another_charge() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let server = Server::start(&binary, &database, free_port(), "open").await;
    let mut charger = Charger::connect(&server.ocpp(), "CP", Some("ocpp2.0.1")).await.unwrap();
    for _ in 0..2 {
        for (hour, energy) in [("08", 10), ("10", 20)] {
            for (kind, minute, value) in [("Started", "00", 0), ("Ended", "30", energy)] {
                let time = format!("2026-03-01T{hour}:{minute}:00Z");
                let context = if kind == "Started" { "Transaction.Begin" } else { "Transaction.End" };
                let event = json!({ "eventType": kind, "timestamp": time, "triggerReason": "Authorized", "seqNo": 0,
                    "transactionInfo": { "transactionId": "1" }, "evse": { "id": 1 }, "meterValue": [{ "timestamp": time,
                    "sampledValue": [{ "value": value, "context": context, "unitOfMeasure": { "unit": "kWh" } }] }] });
                assert_eq!(charger.call("TransactionEvent", &event).await[0], 3);
            }
        }
    }
    assert_eq!(database.number("SELECT count(*) FROM charge").await, 2);
    assert_eq!(database.number("SELECT sum(energy_pile_wh)::bigint FROM charge").await, 30_000);
    let marked =
        "SELECT count(*) FROM charge WHERE 'reused_transaction' = ANY(marks) AND energy_pile_wh = 20000";
    assert_eq!(database.number(marked).await, 1);
    assert_eq!(database.miscounted().await, 0);
}

/// What a pile had before its charges were counted as they came.
#[tokio::test]
async fn charges_that_were_there_are_counted_once() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let server = Server::start(&binary, &database, free_port(), "open").await;
    let mut charger = Charger::connect(&server.ocpp(), "CP", Some("ocpp1.6")).await.unwrap();
    for (hour, energy) in [("08", 10), ("09", 20), ("09", 20), ("10", 30)] {
        let start = json!({ "connectorId": 1, "idTag": "CARD", "meterStart": energy, "timestamp": format!("2026-03-01T{hour}:00:00Z") });
        assert_eq!(charger.call("StartTransaction", &start).await[0], 3);
    }
    let counted = "SELECT charges FROM pile_live";
    assert_eq!(database.number(counted).await, 3, "a start that is repeated begins none");
    for statement in [
        "INSERT INTO pile (pile_id, kind, accuracy_class, registered) VALUES ('OLD', 'ac', 2, false)",
        "INSERT INTO charge (pile_no, reference, updated_at, marks)
         SELECT pile_no, 'r' || n, now(), CASE n WHEN 1 THEN '{unproven}'::text[] ELSE '{}' END
         FROM pile, generate_series(1, 2) AS n WHERE pile_id = 'OLD'",
        "DROP INDEX charge_latest",
        "ALTER TABLE pile_live DROP COLUMN charges, DROP COLUMN unproven_charges",
        include_str!("../crates/store/migrations/0029_counted.sql"),
    ] {
        sqlx::raw_sql(statement).execute(&mut database.connect().await).await.unwrap();
    }
    assert_eq!(database.miscounted().await, 0);
    assert_eq!(database.number("SELECT sum(charges)::bigint FROM pile_live").await, 5);
    assert_eq!(database.number("SELECT sum(unproven_charges)::bigint FROM pile_live").await, 1);
    let (status, told) = server.get("/api/v1/piles/OLD").await;
    assert!(status == 200 && told.contains("\"charges\":2,"), "{told}");
}

#[tokio::test]
async fn a_stop_without_id_and_time_that_is_repeated_is_one_charge() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let server = Server::start(&binary, &database, free_port(), "open").await;
    let mut charger = Charger::connect(&server.ocpp(), "CP", Some("ocpp1.6")).await.unwrap();
    for _ in 0..3 {
        let stop = r#"[2,"again","StopTransaction",{"transactionId":-1,"meterStop":5}]"#;
        assert_eq!(charger.send(stop).await[0], 3);
    }
    assert_eq!(database.number("SELECT count(*) FROM charge").await, 1);
    assert_eq!(database.miscounted().await, 0);
    assert_eq!(database.number("SELECT count(*) FROM frame").await, 1);
}

#[tokio::test]
async fn the_meter_of_a_2_x_charger_is_known_from_its_report() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let server = Server::start(&binary, &database, free_port(), "open").await;
    for (id, protocol) in [("R1", "ocpp2.0.1"), ("R2", "ocpp2.1")] {
        let mut charger = Charger::connect(&server.ocpp(), id, Some(protocol)).await.unwrap();
        let boot = json!({ "reason": "PowerUp", "chargingStation": { "vendorName": "V", "model": "M", "serialNumber": "C-1" } });
        assert_eq!(charger.call("BootNotification", &boot).await[2]["status"], "Accepted");
        let variable = |name: &str, value: &str| {
            json!({ "component": { "name": "FiscalMetering", "evse": { "id": 1 } }, "variable": { "name": name },
                "variableAttribute": [{ "type": "Actual", "value": value, "mutability": "ReadOnly" }] })
        };
        let report = json!({ "requestId": 1, "generatedAt": "2026-03-01T08:00:00Z", "seqNo": 3, "tbc": true,
            "reportData": [variable("SerialNumber", "METER-7"), variable("Model", "EM340")] });
        assert_eq!(charger.call("NotifyReport", &report).await[2], json!({}));
        // The next part says nothing of it, and neither does the next boot.
        let rest = json!({ "requestId": 1, "generatedAt": "2026-03-01T08:00:00Z", "seqNo": 4,
            "reportData": [{ "component": { "name": "Controller" }, "variable": { "name": "SerialNumber" },
                "variableAttribute": [{ "value": "C-1" }] }] });
        charger.call("NotifyReport", &rest).await;
        charger.call("BootNotification", &boot).await;
        let page = server.get(&format!("/p/{id}?lang=en")).await.1;
        assert!(page.contains("METER-7"), "{page}");
    }
    let known = "SELECT count(*) FROM pile_live WHERE meter_type = 'EM340' AND meter_serial = 'METER-7'";
    assert_eq!(database.number(known).await, 2);
    assert_eq!(database.number("SELECT count(*) FROM frame WHERE marks IS NOT NULL").await, 0);
}

#[tokio::test]
async fn availability_told_as_an_event_is_live_like_any_status() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let server = Server::start(&binary, &database, free_port(), "open").await;
    let mut charger = Charger::connect(&server.ocpp(), "E", Some("ocpp2.1")).await.unwrap();
    let event = |id: u32, component: Value, variable: &str, word: &str| {
        json!({ "eventId": id, "timestamp": "2026-03-01T08:00:00Z", "trigger": "Delta", "actualValue": word,
            "eventNotificationType": "HardWiredNotification", "component": component, "variable": { "name": variable } })
    };
    let evse = |evse: u32| json!({ "name": "EVSE", "evse": { "id": evse } });
    let plug =
        |evse: u32, plug: u32| json!({ "name": "Connector", "evse": { "id": evse, "connectorId": plug } });
    let events = json!({ "generatedAt": "2026-03-01T08:00:00Z", "seqNo": 0, "eventData": [
        event(1, plug(1, 1), "AvailabilityState", "Occupied"),
        event(2, evse(1), "AvailabilityState", "Available"),
        event(3, evse(2), "AvailabilityState", "Faulted"),
        event(4, json!({ "name": "ChargingStation" }), "AvailabilityState", "Available"),
        event(5, evse(2), "Power", "7000"),
        event(6, json!({ "name": "Controller" }), "AvailabilityState", "Unavailable")] });
    assert_eq!(charger.call("NotifyEvent", &events).await[2], json!({}));
    let told = async || {
        sqlx::query_as::<_, (i64, String)>("SELECT connector, status FROM connector_live ORDER BY connector")
            .fetch_all(&mut database.connect().await)
            .await
            .unwrap()
    };
    let expected = [(0, "Available"), (1, "Occupied"), (2, "Faulted")];
    assert_eq!(told().await, expected.map(|(connector, word)| (connector, word.to_owned())));
    // What was told before comes late and changes nothing; what comes after does.
    for (at, word) in [("2026-03-01T07:00:00Z", "Unavailable"), ("2026-03-01T09:00:00Z", "Available")] {
        let later = json!({ "generatedAt": at, "seqNo": 0, "eventData": [event(7, evse(2), "AvailabilityState", word)] });
        charger.call("NotifyEvent", &later).await;
    }
    assert_eq!(told().await[2], (2, "Available".to_owned()));
    assert_eq!(database.number("SELECT count(*) FROM frame WHERE marks IS NOT NULL").await, 0);
}

/// A pile that says of itself that it cannot be used is free to nobody, whatever its connectors say, until it says otherwise, or lived anew.
#[tokio::test]
async fn a_faulted_charge_point_lends_no_connector() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let server = Server::start(&binary, &database, free_port(), "open").await;
    let told = async |id: &str| {
        let (_, pile) = server.get(&format!("/api/v1/piles/{id}")).await;
        let (_, page) = server.get(&format!("/p/{id}")).await;
        let status = serde_json::from_str::<Value>(&pile).unwrap()["live"]["status"].clone();
        (status, page.contains("class=\"live free\""))
    };
    let mut charger = Charger::connect(&server.ocpp(), "OLD", Some("ocpp1.6")).await.unwrap();
    let boot = json!({ "chargePointVendor": "V", "chargePointModel": "M" });
    let status = |connector: u32, word: &str| json!({ "connectorId": connector, "errorCode": "NoError", "status": word });
    charger.call("BootNotification", &boot).await;
    for (connector, word, then, is_free) in [
        (1, "Available", "Available", true),
        (0, "Available", "Available", true),
        (0, "Faulted", "Faulted", false),
        (1, "Available", "Faulted", false),
        (0, "Unavailable", "Unavailable", false),
        (0, "Available", "Available", true),
        (1, "Charging", "Charging", false),
        (0, "Unavailable", "Unavailable", false),
    ] {
        charger.call("StatusNotification", &status(connector, word)).await;
        assert_eq!(told("OLD").await, (then.into(), is_free), "{connector} {word}");
    }
    // It boots: what it said of itself holds until it says anything, as does what its connectors said.
    charger.call("BootNotification", &boot).await;
    assert_eq!(told("OLD").await, ("Unavailable".into(), false));
    charger.call("StatusNotification", &status(1, "Available")).await;
    assert_eq!(told("OLD").await, ("Available".into(), true));
    charger.call("StatusNotification", &status(0, "Unavailable")).await;
    assert_eq!(told("OLD").await, ("Unavailable".into(), false));
    let mut charger = Charger::connect(&server.ocpp(), "NEW", Some("ocpp2.1")).await.unwrap();
    for (component, word, then, is_free) in [
        (json!({ "name": "EVSE", "evse": { "id": 1 } }), "Available", "Available", true),
        (json!({ "name": "ChargingStation" }), "Unavailable", "Unavailable", false),
        (json!({ "name": "ChargingStation" }), "Available", "Available", true),
    ] {
        let at = Timestamp::now().to_string();
        let event = json!({ "eventId": 1, "timestamp": at, "trigger": "Delta", "actualValue": word, "component": component,
            "eventNotificationType": "HardWiredNotification", "variable": { "name": "AvailabilityState" } });
        let events = json!({ "generatedAt": at, "seqNo": 0, "eventData": [event] });
        charger.call("NotifyEvent", &events).await;
        assert_eq!(told("NEW").await, (then.into(), is_free), "{component} {word}");
    }
}

#[tokio::test]
async fn a_clock_that_jumps_back_does_not_hold_the_status_and_a_queue_does_not_take_it_back() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let server = Server::start(&binary, &database, free_port(), "open").await;
    let connect = async || Charger::connect(&server.ocpp(), "C", Some("ocpp1.6")).await.unwrap();
    let status = |word: &str, at: &str| json!({ "connectorId": 1, "errorCode": "NoError", "status": word, "timestamp": at });
    let told = async || {
        sqlx::query_scalar::<_, String>("SELECT status FROM connector_live")
            .fetch_one(&mut database.connect().await)
            .await
            .unwrap()
    };
    let boot = json!({ "chargePointVendor": "V", "chargePointModel": "M" });
    let ago = |seconds: i64| (Timestamp::now() - SignedDuration::from_secs(seconds)).to_string();
    let mut charger = connect().await;
    let early = ago(0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    for (word, at, then) in [
        ("Available", ago(0), "Available"),
        // Put right by a second, as clocks are: nothing waits in a queue that speaks of the time since the connection began.
        ("Preparing", early, "Preparing"),
        // Told from a queue after what holds now.
        ("Finishing", ago(3_600), "Preparing"),
    ] {
        charger.call("StatusNotification", &status(word, &at)).await;
        assert_eq!(told().await, then, "{word} at {at}");
    }
    // Its battery has failed: it comes back in 2010.
    drop(charger);
    let mut charger = connect().await;
    charger.call("BootNotification", &boot).await;
    for (word, at, then) in [
        ("Faulted", "2010-06-01T00:00:10Z", "Faulted"),
        ("Charging", "2010-06-01T00:01:00Z", "Charging"),
        ("Finishing", "2010-06-01T00:00:30Z", "Charging"),
        // Somebody set it.
        ("Available", ago(0).as_str(), "Available"),
        ("Reserved", "2010-06-01T00:02:00Z", "Available"),
    ] {
        charger.call("StatusNotification", &status(word, at)).await;
        assert_eq!(told().await, then, "{word} at {at}");
    }
    // It boots behind something that holds its connection.
    charger.call("BootNotification", &boot).await;
    charger.call("StatusNotification", &status("Unavailable", "2010-06-01T00:00:20Z")).await;
    assert_eq!(told().await, "Unavailable");
    // The server's clock had been ahead, and was put right before it started anew: connections are numbered by it.
    sqlx::query("UPDATE connector_live SET connection = 'ffffffff-ffff-7fff-bfff-ffffffffffff'")
        .execute(&mut database.connect().await)
        .await
        .unwrap();
    let mut charger = connect().await;
    charger.call("StatusNotification", &status("Available", &ago(0))).await;
    assert_eq!(told().await, "Available");
}
