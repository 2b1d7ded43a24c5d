//! `veripile assess` on the database: by itself, beside a role that assesses, and waiting for its turn.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use veripile_tests::{Database, Server, free_port, provided};

use super::{CHARGES, DAYS, PILES, WHOLE_ONCE, charges, check, city, register, run as execute, until};

/// Key under which `store::alone` is one process at a time.
const TAKE_LOCK: &str = "SELECT pg_advisory_lock(7022083123566570853)";
const FREE_LOCK: &str = "SELECT pg_advisory_unlock(7022083123566570853)";

const TAKEN_IN: &str = "SELECT count(*) FROM evidence_charge";
pub(super) const RUNS: &str = "SELECT coalesce(max(run_no), 0) FROM assessment_run";
pub(super) const WEEKS: &str = "SELECT coalesce(sum(charges), 0)::bigint FROM weekly_error";

pub(super) const A_DAY: i64 = CHARGES * PILES as i64;

pub(super) fn assess(binary: &Path, database: &Database, key: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary);
    command
        .arg("assess")
        .args(arguments)
        .env("VERIPILE_DATABASE_URL", &database.url)
        .env("VERIPILE_IDENTITY__KEY_FILE", key)
        .env("VERIPILE_ASSESS__WINDOW_DAYS", "182");
    command
}

pub(super) fn told(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test]
async fn a_person_assesses_the_database_and_the_role_goes_on_from_there() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    register(&binary, &database);
    charges(&database, 1..DAYS, 1).await;
    let keys = tempfile::tempdir().unwrap();
    let key: PathBuf = keys.path().join("identity.key");
    let run = |arguments: &[&str]| told(&assess(&binary, &database, &key, arguments).output().unwrap());

    // Whom to visit is drawn under the server's key, which is not made here.
    let (code, _, said) = run(&[]);
    assert!(code == 2 && said.contains("no identity key"), "{said}");
    let (code, _, said) = run(&["--out", "DIR"]);
    assert!(code == 2 && said.contains("--out would not count: add --charges FILE"), "{said}");

    // Once: the bad pile is found, the run can be made again.
    std::fs::write(&key, "7".repeat(64)).unwrap();
    let (code, said, errors) = run(&["--json"]);
    let summary: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, summary["run"].as_i64()), (0, Some(1)), "{said}{errors}");
    assert_eq!(summary["counts"]["compared"].as_i64(), Some((DAYS - 1) * A_DAY), "{said}");
    assert_eq!(summary["basis"]["charges"].as_i64(), Some((DAYS - 1) * A_DAY), "{said}");
    let verdicts = summary["counts"]["verdicts"].as_object().unwrap();
    assert_eq!(verdicts.values().map(|count| count.as_u64().unwrap()).sum::<u64>(), PILES as u64, "{said}");
    assert_eq!(verdicts["nonconform"].as_i64(), Some(1), "{said}");
    let (code, said) = check(&binary, &database, &[]);
    assert!(code == 0 && said.contains("24 of 24 piles the same"), "{said}");
    assert_eq!(database.number(WEEKS).await, (DAYS - 1) * A_DAY);

    // The role goes on from that run: the day that is new is taken into its week, and nothing compared anew.
    let server = Server::start_with(&binary, &database, free_port(), "closed", &WHOLE_ONCE).await;
    charges(&database, 0..1, 2).await;
    until(&database, WEEKS, DAYS * A_DAY).await;
    assert_eq!(database.number(RUNS).await, 1);

    // A person asks once more beside it, and it goes on from there as well.
    let (code, said, errors) = run(&[]);
    assert!(code == 0 && said.contains("run 2 as of ") && said.contains("nonconform 1"), "{said}{errors}");
    charges(&database, 0..1, 3).await;
    until(&database, WEEKS, (DAYS + 1) * A_DAY).await;
    assert_eq!(database.number(RUNS).await, 2);
    let (code, said) = check(&binary, &database, &[]);
    assert!(code == 0 && said.contains("24 of 24 piles the same"), "{said}");

    // While somebody assesses, the role takes nothing in, and a person waits.
    let mut other = database.connect().await;
    sqlx::query(TAKE_LOCK).execute(&mut other).await.unwrap();
    charges(&database, 0..1, 4).await;
    let mut waiting = assess(&binary, &database, &key, &["--json"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert!(waiting.try_wait().unwrap().is_none(), "it does not wait for its turn");
    assert_eq!((database.number(TAKEN_IN).await, database.number(RUNS).await), ((DAYS + 1) * A_DAY, 2));
    let (_, metrics) = server.get("/metrics").await;
    let waits = metrics.lines().find_map(|line| line.strip_prefix("veripile_assess_waiting_seconds "));
    assert!(waits.is_some_and(|waits| 0.0 < waits.parse::<f64>().unwrap()), "{metrics}");
    sqlx::query(FREE_LOCK).execute(&mut other).await.unwrap();
    let (code, said, errors) = told(&waiting.wait_with_output().unwrap());
    let summary: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, summary["run"].as_i64()), (0, Some(3)), "{said}{errors}");
    assert_eq!(summary["counts"]["compared"].as_i64(), Some((DAYS + 2) * A_DAY), "{said}");
    assert!(server.stop());
}

/// The database's clock as if it were four years behind: what stands in `public` is found before what is built in.
const BEHIND: [&str; 2] = [
    "CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
     $$ SELECT pg_catalog.clock_timestamp() - interval '4 years' $$",
    "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database()); END $$",
];

/// All that was assessed, as if by a machine whose clock is four years ahead.
const AHEAD: [&str; 7] = [
    "UPDATE evidence_charge SET known_from = known_from + interval '4 years'",
    "UPDATE evidence_pile SET known_from = known_from + interval '4 years'",
    "UPDATE evidence_act SET known_from = known_from + interval '4 years'",
    "UPDATE assessment_run SET as_of = as_of + interval '4 years'",
    "UPDATE estimate SET as_of = as_of + interval '4 years', day = day + 1461",
    "UPDATE weekly_error SET week = week + 208",
    "UPDATE filter_week SET week = week + 208",
];

const OF_THE_FUTURE: &str = "SELECT (SELECT count(*) FROM evidence_charge WHERE known_from > now())
    + (SELECT count(*) FROM evidence_pile WHERE known_from > now()) + (SELECT count(*) FROM evidence_act WHERE known_from > now())
    + (SELECT count(*) FROM assessment_run WHERE as_of > now()) + (SELECT count(*) FROM estimate WHERE day > now())
    + (SELECT count(*) FROM weekly_error WHERE week > (SELECT extract(epoch FROM now()) / 604800 + 1))";

#[tokio::test]
async fn a_wrong_clock_assesses_nothing_and_what_one_assessed_can_be_withdrawn() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    register(&binary, &database);
    charges(&database, 1..20, 1).await;
    let keys = tempfile::tempdir().unwrap();
    let key = keys.path().join("identity.key");
    std::fs::write(&key, "7".repeat(64)).unwrap();
    let run = |arguments: &[&str]| told(&assess(&binary, &database, &key, arguments).output().unwrap());

    for statement in BEHIND {
        execute(&database, statement).await;
    }
    let (code, _, said) = run(&[]);
    assert!(code == 2 && said.contains("ahead of the database's") && said.contains("timedatectl"), "{said}");
    let (code, _, said) = run(&["--forget-future"]);
    assert!(code == 2 && said.contains("ahead of the database's"), "{said}");
    let known = "SELECT (SELECT count(*) FROM evidence_pile) + (SELECT count(*) FROM evidence_charge)";
    assert_eq!((database.number(known).await, database.number(RUNS).await), (0, 0));
    execute(&database, "DROP FUNCTION public.clock_timestamp()").await;
    let (code, _, said) = run(&[]);
    assert!(code == 0, "{said}");

    for statement in AHEAD {
        execute(&database, statement).await;
    }
    charges(&database, 0..1, 2).await;
    let (code, _, said) = run(&[]);
    assert!(code == 2 && said.contains("wrong clock") && said.contains("--forget-future"), "{said}");
    assert_eq!((database.number(TAKEN_IN).await, database.number(RUNS).await), (19 * A_DAY, 1));
    let (code, said, errors) = run(&["--forget-future", "--json"]);
    let summary: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, summary["counts"]["compared"].as_i64()), (0, Some(20 * A_DAY)), "{said}{errors}");
    assert_eq!(database.number("SELECT count(*) FROM assessment_run").await, 1);
    assert_eq!(database.number(WEEKS).await, 20 * A_DAY);
    assert_eq!(database.number(OF_THE_FUTURE).await, 0);
    let (code, said) = check(&binary, &database, &[]);
    assert!(code == 0 && said.contains("24 of 24 piles the same"), "{said}");
    let (code, _, said) = run(&[]);
    assert!(code == 0, "{said}");
}

#[tokio::test]
async fn where_no_pile_is_registered_there_is_nothing_to_assess() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let keys = tempfile::tempdir().unwrap();
    let key = keys.path().join("identity.key");
    std::fs::write(&key, "7".repeat(64)).unwrap();
    let (code, _, said) = told(&assess(&binary, &database, &key, &[]).output().unwrap());
    assert!(code == 2 && said.contains("veripile register --piles FILE"), "{said}");
    // Without a charge every pile is not comparable, and that is told.
    city(&binary, &database);
    let (code, said, errors) = told(&assess(&binary, &database, &key, &[]).output().unwrap());
    assert!(code == 0 && said.contains("not comparable 24"), "{said}{errors}");
}
