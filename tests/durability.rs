//! `kill -9` at any time loses nothing that was acknowledged: the simulator's ledger against the database.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::collections::HashSet;
use std::process::{Command, Stdio};
use std::time::Duration;

use veripile_tests::{Database, Server, free_port, provided};

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let port = free_port();
    let ledger = std::env::temp_dir().join(format!("veripile-ledger-{}.csv", std::process::id()));
    let mut server = Server::start(&binary, &database, port, "open").await;
    let mut fleet = Command::new(&binary)
        .args(["simulate", "--piles", "60", "--days", "20", "--seed", "5", "--url", &server.ocpp()])
        .arg("--ledger")
        .arg(&ledger)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        server.kill();
        server = Server::start(&binary, &database, port, "open").await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let _ = fleet.kill();
    let _ = fleet.wait();
    let stored: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT pile_id, action, message_id FROM frame JOIN pile USING (pile_no) WHERE action IS NOT NULL",
    )
    .fetch_all(&mut database.connect().await)
    .await
    .unwrap();
    let stored: HashSet<_> = stored.into_iter().collect();
    let (mut acknowledged, mut lost) = (0, Vec::new());
    for record in csv::Reader::from_path(&ledger).unwrap().records() {
        // The last line may be torn: the fleet was killed while writing.
        let Ok(record) = record else { break };
        let Some((pile, action, id)) =
            record.get(1).zip(record.get(3)).zip(record.get(4)).map(|((a, b), c)| (a, b, c))
        else {
            break;
        };
        acknowledged += 1;
        if !stored.contains(&(pile.to_owned(), action.to_owned(), id.to_owned())) {
            lost.push(format!("{pile} {action} {id}"));
        }
    }
    assert!(
        acknowledged > 1000,
        "the fleet had {acknowledged} messages acknowledged: too few to prove anything"
    );
    assert!(
        lost.is_empty(),
        "{} of {acknowledged} acknowledged messages are lost: {:?}",
        lost.len(),
        &lost[..lost.len().min(5)]
    );
    let without_readings = "SELECT count(*) FROM frame WHERE body LIKE '%\"sampledValue\":[{%'
        AND NOT EXISTS (SELECT FROM reading WHERE reading.digest = frame.digest)";
    assert_eq!(database.number(without_readings).await, 0, "every frame with samples has its readings");
    let starts = "SELECT count(*) FROM frame WHERE action = 'StartTransaction'";
    let begun = "SELECT count(*) FROM charge WHERE start_key IS NOT NULL AND start_key NOT LIKE 'orphan:%'";
    assert_eq!(database.number(starts).await, database.number(begun).await, "every start has its charge");
    let twice = database
        .number("SELECT count(*) FROM (SELECT 1 FROM charge WHERE started_at IS NOT NULL GROUP BY pile_no, started_at, vehicle HAVING count(*) > 1) AS twice")
        .await;
    assert_eq!(twice, 0, "no charge is there twice");
    assert_eq!(database.miscounted().await, 0, "and as many are told as there are");
}
