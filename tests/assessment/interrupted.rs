//! An assessment that fails on the way: what it took in, and what came late, is not forgotten; and two never assess at once.

use std::path::PathBuf;
use std::time::Duration;

use veripile_store::Store;
use veripile_tests::{Database, Server, free_port, provided};

use super::once::{A_DAY, RUNS, WEEKS, assess, told};
use super::{DAYS, WHOLE_ONCE, charges, found_on_site, register, run, truth, until};

const ACTS: &str = "SELECT count(*) FROM evidence_act";

const REFUSE: &str =
    "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$";
const NO_WEEKS: &str =
    "CREATE TRIGGER refused BEFORE INSERT ON weekly_error FOR EACH ROW EXECUTE FUNCTION refuse()";
const WEEKS_AGAIN: &str = "DROP TRIGGER refused ON weekly_error";
const NO_CHARGES: &str =
    "CREATE TRIGGER refused BEFORE INSERT ON evidence_charge FOR EACH ROW EXECUTE FUNCTION refuse()";
const CHARGES_AGAIN: &str = "DROP TRIGGER refused ON evidence_charge";

/// Ends the connection under which one process assesses.
const CUT: &str = "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid, 5000)) FROM pg_locks
     WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND classid::bigint = 7022083123566570853 >> 32 AND objid::bigint = 7022083123566570853 & 4294967295";

/// A day of charges of three weeks ago comes while errors by week cannot be written: the process after the next one tells them.
#[tokio::test]
async fn what_came_late_when_the_filter_failed_is_told_by_the_next_run() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    register(&binary, &database);
    charges(&database, 1..DAYS, 1).await;
    let keys = tempfile::tempdir().unwrap();
    let key: PathBuf = keys.path().join("identity.key");
    std::fs::write(&key, "7".repeat(64)).unwrap();
    let assessed = || told(&assess(&binary, &database, &key, &[]).output().unwrap());
    let (code, said, errors) = assessed();
    assert_eq!((code, database.number(WEEKS).await), (0, (DAYS - 1) * A_DAY), "{said}{errors}");

    charges(&database, 20..21, 9).await;
    run(&database, REFUSE).await;
    run(&database, NO_WEEKS).await;
    let (code, said, errors) = assessed();
    assert!(code != 0 && said.contains("errors by week could not be told"), "{said}{errors}");
    assert_eq!((database.number(RUNS).await, database.number(WEEKS).await), (2, (DAYS - 1) * A_DAY));

    run(&database, WEEKS_AGAIN).await;
    let (code, said, errors) = assessed();
    assert_eq!((code, database.number(WEEKS).await), (0, DAYS * A_DAY), "{said}{errors}");
}

/// An on-site result is taken in, and the charges after it are not: the next look knows of it all the same.
#[tokio::test]
async fn what_was_taken_in_before_a_look_failed_counts_in_the_next() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    register(&binary, &database);
    charges(&database, 1..DAYS, 1).await;
    let server = Server::start_with(&binary, &database, free_port(), "closed", &WHOLE_ONCE).await;
    until(&database, WEEKS, (DAYS - 1) * A_DAY).await;
    let acts = database.number(ACTS).await;

    run(&database, REFUSE).await;
    run(&database, NO_CHARGES).await;
    charges(&database, 0..1, 2).await;
    let measured = (12, "", 1, 100.0 * truth(12), "M12".to_owned(), String::new());
    found_on_site(&binary, &database, &[measured]);
    until(&database, ACTS, acts + 1).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(database.number(RUNS).await, 1);

    // The day is too few to compare everything anew: that result is why.
    run(&database, CHARGES_AGAIN).await;
    until(&database, RUNS, 2).await;
    until(&database, WEEKS, DAYS * A_DAY).await;
    assert!(server.stop());
}

#[tokio::test]
async fn who_lost_the_connection_under_which_it_assesses_alone_is_told() {
    let Some((_, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let store = Store::connect(&database.url).await.unwrap();
    let mut lock = store.assess_alone().await.unwrap().unwrap();
    assert!(lock.is_held().await.unwrap());
    assert!(store.assess_alone().await.unwrap().is_none());
    assert_eq!(database.number(CUT).await, 1);
    assert!(!matches!(lock.is_held().await, Ok(true)));
    assert!(store.assess_alone().await.unwrap().is_some());
}
