//! How soon the map can be used: 50,000 synthetic piles, and a browser that looks at countries, cities and streets (`browser/map.mjs`).
//! Never part of the tests; `cargo bench --profile release -p veripile-tests --bench map` with the variables of `tests/run`, after
//! `tests/run --only browser` has fetched the browser's driver. Another number of piles as its argument.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, clippy::print_stdout)]

use std::path::Path;
use std::process::Command;

use veripile_tests::synthetic::synthetic;
use veripile_tests::{Database, Server, command, free_port, provided};

/// Piles where the argument does not say.
const PILES: i64 = 50_000;

#[tokio::main]
async fn main() {
    let Some((binary, url)) = provided() else { return };
    let piles = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(PILES);
    let database = Database::timescale(&url).await;
    command(&binary, &database, &["migrate"]);
    let mut connection = database.connect().await;
    synthetic(&mut connection, piles).await;
    let (lon, lat): (f64, f64) = sqlx::query_as("SELECT lon, lat FROM station WHERE station_id = 'S0'")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    let settings = [
        ("VERIPILE_HTTP__REQUESTS_PER_MINUTE", "4000000000"),
        ("VERIPILE_ROLES", "api"),
        ("VERIPILE_LOG", "error"),
    ];
    let server = Server::start_with(&binary, &database, free_port(), "closed", &settings).await;
    println!("{piles} piles");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser/map.mjs");
    let address = format!("http://127.0.0.1:{}", server.port);
    let status = Command::new("node")
        .arg(script)
        .arg(address)
        .args([lon, lat].map(|degrees| degrees.to_string()))
        .status();
    assert!(status.unwrap().success());
    server.stop();
    drop(connection);
    database.drop().await;
}
