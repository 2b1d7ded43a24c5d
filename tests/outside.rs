//! Chargers that nobody here wrote, against the real binary: what they charged is kept to the Wh, and nothing twice.
//!
//! `outside/charger.py` (PyPI `ocpp`) and `outside/charger.mjs` (npm `ocpp-rpc`) play one script; what the server must have of
//! it stands here. `tests/run` installs both; where one is absent its test says so and passes over, unless
//! `VERIPILE_TEST_REQUIRED` is set.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, clippy::print_stdout)]

use std::path::{Path, PathBuf};
use std::process::Command;

use sqlx::PgConnection;
use veripile_tests::{Database, Server, free_port, provided};

/// What sealing adds to a container: nonce and tag of ChaCha20-Poly1305 (RFC 8439).
const SEAL_BYTES: i64 = 12 + 16;

/// Energies by pile and vehicle, Wh: the charge told a day late, the one on a good line, the one on a line that was cut.
const CHARGES: [(&str, Option<&str>); 3] = [("4321", None), ("7654", Some("7500")), ("8988", None)];

/// Frames by action. 1.6: three charges with three, three and two samples; 2.x: events of the same, and one clock-aligned value.
const FRAMES_16: [(&str, i64); 6] = [
    ("Authorize", 1),
    ("BootNotification", 1),
    ("MeterValues", 8),
    ("StartTransaction", 3),
    ("StatusNotification", 1),
    ("StopTransaction", 3),
];
const FRAMES_2: [(&str, i64); 5] = [
    ("Authorize", 1),
    ("BootNotification", 1),
    ("MeterValues", 1),
    ("StatusNotification", 1),
    ("TransactionEvent", 14),
];

/// Readings. 1.6: 3 × 4 samples and 5 at the end; 3 and 3; 2 and 3. 2.x: 2, 3 × 4, 1, 2; 5; 4.
const READINGS_16: i64 = 28;
const READINGS_2: i64 = 26;

/// A charge as it is kept: energies by pile and vehicle, how long in seconds, whether vehicle and connector are known, marks.
type ChargeRow = (String, Option<String>, i64, bool, Vec<String>);

fn outside(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("outside").join(file)
}

/// What was looked for, or that it is absent.
fn installed(what: Option<PathBuf>, name: &str) -> Option<PathBuf> {
    if what.is_none() {
        assert!(std::env::var_os("VERIPILE_TEST_REQUIRED").is_none(), "{name} is not installed");
        println!("skipped: {name} is not installed; tests/run installs it");
    }
    what
}

/// Plays the script; gives the signed containers that it sent: pile and length, in the order of the charges.
async fn play(program: &Path, script: &str, server: &Server) -> Vec<(String, i64)> {
    let (mut command, host) = (Command::new(program), format!("127.0.0.1:{}", server.port));
    command.arg(outside(script)).arg(host);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let (told, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script}: {told}\n{errors}");
    let signed = |line: &str| {
        let (pile, bytes) = line.strip_prefix("signed ")?.split_once(' ')?;
        Some((pile.to_owned(), bytes.parse().unwrap()))
    };
    told.lines().filter_map(signed).collect()
}

/// Looks at everything that the server has of one pile that played the script.
async fn expect(
    database: &Database,
    pile: &str,
    frames: &[(&str, i64)],
    readings: i64,
    sent: &[(String, i64)],
) {
    let mut connection = database.connect().await;
    let kept: Vec<ChargeRow> = sqlx::query_as(
        "SELECT trim_scale(energy_pile_wh)::text, trim_scale(energy_vehicle_wh)::text,
            extract(epoch FROM ended_at - started_at)::bigint, vehicle IS NOT NULL AND connector = 1, marks
         FROM charge JOIN pile USING (pile_no) WHERE pile_id = $1 ORDER BY started_at",
    )
    .bind(pile)
    .fetch_all(&mut connection)
    .await
    .unwrap();
    // The charge told from an offline queue: only 2.x says that it was offline, and numbers its messages; the script skips 3.
    let offline: &[&str] = if frames == FRAMES_2 { &["offline", "sequence_gap"] } else { &[] };
    let expected = CHARGES.map(|(energy, vehicle)| {
        let marks = if energy == CHARGES[0].0 { offline } else { &[] };
        let marks: Vec<String> = marks.iter().map(ToString::to_string).collect();
        (energy.to_owned(), vehicle.map(str::to_owned), 40 * 60, true, marks)
    });
    assert_eq!(kept, expected, "{pile}");
    let kept: Vec<(String, i64)> = sqlx::query_as(
        "SELECT action, count(*) FROM frame JOIN pile USING (pile_no) WHERE pile_id = $1 GROUP BY action ORDER BY action COLLATE \"C\"",
    )
    .bind(pile)
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let kept: Vec<_> = kept.iter().map(|(action, count)| (action.as_str(), *count)).collect();
    assert_eq!(kept, frames, "{pile}: nothing twice, nothing lost");
    let (count, different, falling): (i64, i64, i64) = sqlx::query_as(
        "SELECT count(*), count(DISTINCT (series_no, time, context, value)), count(*) FILTER (WHERE 'register_falling' = ANY(marks))
         FROM reading JOIN series USING (series_no) JOIN pile USING (pile_no) WHERE pile_id = $1",
    )
    .bind(pile)
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!((count, different, falling), (readings, readings, 0), "{pile}: readings");
    expect_signed(&mut connection, pile, sent).await;
}

/// Every signed container whole, once, good, and with its charge; the key that came with the first is trusted since.
async fn expect_signed(connection: &mut PgConnection, pile: &str, sent: &[(String, i64)]) {
    let kept: Vec<(String, Option<String>, i64, i64)> = sqlx::query_as(
        "SELECT verdict, key_source, octet_length(sealed)::bigint, (signed_end_wh - signed_begin_wh - energy_pile_wh)::bigint
         FROM charge JOIN pile USING (pile_no) LEFT JOIN signed_value USING (pile_no, reference)
         WHERE pile_id = $1 ORDER BY charge_no",
    )
    .bind(pile)
    .fetch_all(connection)
    .await
    .unwrap();
    let lengths: Vec<i64> = sent.iter().filter(|(of, _)| of == pile).map(|(_, bytes)| *bytes).collect();
    assert_eq!(lengths.len(), CHARGES.len(), "{pile}");
    let expected: Vec<_> = lengths
        .iter()
        .zip(["message", "first_use", "first_use"])
        .map(|(bytes, source)| ("valid".to_owned(), Some(source.to_owned()), bytes + SEAL_BYTES, 0))
        .collect();
    assert_eq!(kept, expected, "{pile}: signed values");
}

/// No card in any frame, and both energies of the charge with two meters on the pile's page.
async fn expect_public(server: &Server, database: &Database, pile: &str) {
    assert_eq!(database.number("SELECT count(*) FROM frame WHERE body LIKE '%\"OUTSIDE%'").await, 0);
    let (status, page) = server.get(&format!("/p/{pile}?lang=en")).await;
    assert!(status == 200 && page.contains("7.654") && page.contains("7.500"), "{pile}: {page}");
}

#[tokio::test]
async fn what_the_python_package_charges_is_kept_once_and_whole() {
    let Some((binary, url)) = provided() else { return };
    let python = std::env::var_os("VERIPILE_TEST_PYTHON").map(PathBuf::from);
    let Some(python) = installed(python, "Python's `ocpp` (VERIPILE_TEST_PYTHON)") else { return };
    let database = Database::timescale(&url).await;
    let server = Server::start(&binary, &database, free_port(), "open").await;
    let sent = play(&python, "charger.py", &server).await;
    expect(&database, "PY-16", &FRAMES_16, READINGS_16, &sent).await;
    expect(&database, "PY-201", &FRAMES_2, READINGS_2, &sent).await;
    expect(&database, "PY-21", &FRAMES_2, READINGS_2, &sent).await;
    for pile in ["PY-16", "PY-201", "PY-21"] {
        expect_public(&server, &database, pile).await;
    }
}

#[tokio::test]
async fn what_the_npm_package_charges_is_kept_once_and_whole() {
    let Some((binary, url)) = provided() else { return };
    let package = Some(outside("node_modules/ocpp-rpc")).filter(|package| package.exists());
    let Some(_) = installed(package, "npm's `ocpp-rpc`") else { return };
    let database = Database::timescale(&url).await;
    let server = Server::start(&binary, &database, free_port(), "open").await;
    let sent = play(Path::new("node"), "charger.mjs", &server).await;
    expect(&database, "JS-16", &FRAMES_16, READINGS_16, &sent).await;
    expect(&database, "JS-201", &FRAMES_2, READINGS_2, &sent).await;
    for pile in ["JS-16", "JS-201"] {
        expect_public(&server, &database, pile).await;
    }
}
