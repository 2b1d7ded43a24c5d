//! Two thousand chargers lose their server and come back all at once: none is lost, nothing is stored twice.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use veripile_tests::{Charger, Database, Server, free_port, provided};

/// Chargers in the storm.
const CHARGERS: usize = 2_000;

/// The window within which all reconnect.
const WINDOW: Duration = Duration::from_secs(2);

/// Connects after a wait, and sends the same message whether or not it was acknowledged before.
async fn knock(url: String, number: usize) -> Option<Charger> {
    tokio::time::sleep(WINDOW.mul_f64(number as f64 / CHARGERS as f64)).await;
    let mut charger = Charger::connect(&url, &format!("S-{number}"), Some("ocpp1.6")).await.ok()?;
    let sample = json!({ "connectorId": 1, "meterValue": [{ "timestamp": "2026-03-01T08:00:00Z",
        "sampledValue": [{ "value": number.to_string(), "unit": "Wh" }] }] });
    (charger.call("MeterValues", &sample).await[0] == 3).then_some(charger)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_chargers_reconnect_at_once_and_none_is_lost_or_counted_twice() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let port = free_port();
    let server = Server::start(&binary, &database, port, "open").await;
    let first = join_all((0..CHARGERS).map(|number| knock(server.ocpp(), number))).await;
    assert_eq!(first.iter().flatten().count(), CHARGERS, "all are connected");
    server.kill();
    let server = Server::start(&binary, &database, port, "open").await;
    let second = join_all((0..CHARGERS).map(|number| knock(server.ocpp(), number))).await;
    assert_eq!(second.iter().flatten().count(), CHARGERS, "all are back");
    let chargers = CHARGERS as i64;
    assert_eq!(database.number("SELECT count(*) FROM pile").await, chargers);
    assert_eq!(database.number("SELECT count(*) FROM frame").await, chargers, "each message once");
    assert_eq!(database.number("SELECT count(*) FROM reading").await, chargers);
    let right = "SELECT count(*) FROM reading JOIN series USING (series_no) JOIN pile USING (pile_no)
                 WHERE 'S-' || value = pile_id";
    assert_eq!(database.number(right).await, chargers, "and each with its own charger");
    let connected = "SELECT count(*) FROM pile_live WHERE connection IS NOT NULL";
    assert_eq!(database.number(connected).await, chargers);
}
