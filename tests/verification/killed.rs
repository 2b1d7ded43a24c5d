//! The server killed (`kill -9`) in the middle of runs, between the last reading and the reviewer's confirmation, and in the middle of
//! that confirmation. Whatever is started again goes on: at the end each order has its one document, and never half of one.

use std::time::{Duration, Instant};

use sqlx::Row as _;
use veripile_simulator::Protocol;
use veripile_simulator::bench::BenchSettings;
use veripile_store::verification::OrderState;
use veripile_tests::Server;
use veripile_verification::run::{Happening, Progress};
use veripile_verification::{Ending, ItemCode};

use super::house::{Bench, Form, House, Visitor, register_instruments};
use super::{RUN_S_MAX, ordered, record_charge, record_items};

/// Piles with one order each: number, class.
const PILES: [(u32, &str); 3] = [(11, "2"), (12, "1"), (13, "2")];

/// Warm-up, s: long enough to be found in it.
const WARM_UP_S: &str = "4";

/// Longest until a source that hears nothing is off: its dead man's five seconds, and a busy machine.
const OFF_WITHIN: Duration = Duration::from_secs(15);

/// Confirmations that are cut short, one after another, each later than the one before: by this, times the square of its number. One
/// takes some tens of milliseconds, on a busy machine some hundreds.
const CUTS: u32 = 20;
const CUT_STEP: Duration = Duration::from_millis(1);

/// So much later each further order is confirmed, so that one kill finds each elsewhere.
const STAGGER: Duration = Duration::from_millis(3);

/// What the database holds of an order.
#[derive(Debug, PartialEq)]
struct Held {
    state: String,
    documents: i64,
    acts: i64,
    seals: i64,
    /// Certificates that the pile's standing rests on.
    standings: i64,
}

/// Of an order without a document; of one with.
fn is_whole(held: &Held) -> bool {
    let count = [held.documents, held.acts, held.seals, held.standings];
    count == if held.state == "issued" { [1; 4] } else { [0; 4] }
}

async fn held(house: &House, number: &str) -> Held {
    let mut connection = house.database.connect().await;
    let row = sqlx::query(
        "SELECT state,
           (SELECT count(*) FROM verification_certificate c WHERE c.order_no = o.order_no) AS documents,
           (SELECT count(*) FROM act a WHERE a.pile_no = o.pile_no) AS acts,
           (SELECT count(*) FROM seal JOIN verification_certificate c USING (certificate_no) WHERE c.order_no = o.order_no)
             AS seals,
           (SELECT count(*) FROM standing s WHERE s.pile_no = o.pile_no AND strpos(s.body::text, o.number) > 0) AS standings
         FROM verification_order o WHERE number = $1",
    )
    .bind(number)
    .fetch_one(&mut connection)
    .await
    .expect("answers");
    let count = |name: &str| row.get::<i64, _>(name);
    Held {
        state: row.get("state"),
        documents: count("documents"),
        acts: count("acts"),
        seals: count("seals"),
        standings: count("standings"),
    }
}

/// Orders with the charge before, started all at once.
async fn prepared(house: &House, server: &Server) -> (Vec<Bench>, Vec<String>) {
    let [root, zhang] = [Visitor::sign_in(server, "root").await, Visitor::sign_in(server, "zhang").await];
    let (mut benches, mut numbers) = (Vec::new(), Vec::new());
    for (number, _) in PILES {
        let bench = Bench::start(number, &house.ocpp(), Protocol::V16, BenchSettings::default()).await;
        house.until_connected(&bench.pile).await;
        register_instruments(&root, &bench, number, ("fluke-6105a-like", "zera-like")).await;
        let mut form = Form::proposed(&zhang, &bench.pile, number).await;
        form.set("warm_up_s", WARM_UP_S);
        let order = ordered(&zhang, &form).await;
        record_charge(house, &zhang, &order, ItemCode::ConsistencyBefore).await;
        benches.push(bench);
        numbers.push(order);
    }
    for order in &numbers {
        zhang.done(&format!("/ver/orders/{order}/start?lang=en"), &[]).await;
    }
    (benches, numbers)
}

/// Waits until the runs are where they are wanted, all at once; kills the server there.
async fn killed_when(
    house: &House,
    server: Server,
    numbers: &[String],
    is_there: impl Fn(&[Progress]) -> bool,
) {
    let began = Instant::now();
    loop {
        let mut runs = Vec::new();
        for number in numbers {
            runs.push(house.run(number).await.progress());
        }
        if is_there(&runs) {
            break;
        }
        assert!(began.elapsed().as_secs() < RUN_S_MAX, "the runs do not come there: {runs:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.kill();
}

/// Nobody switches the sources off but they themselves.
async fn dead_men_act(house: &House, benches: &[Bench]) {
    let began = Instant::now();
    while benches.iter().any(|bench| bench.server.handle().state().is_on) {
        assert!(began.elapsed() < OFF_WITHIN, "outputs stay on without a server");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(running(house).await, benches.len() as i64, "each run waits for a server");
}

async fn running(house: &House) -> i64 {
    house.database.number("SELECT count(*) FROM verification_order WHERE state = 'running'").await
}

/// Lets the dead server's claims on its runs end, which otherwise takes a minute.
async fn end_leases(house: &House) {
    let mut connection = house.database.connect().await;
    let statement = "UPDATE verification_order SET lease_until = now() WHERE state = 'running'";
    sqlx::query(statement).execute(&mut connection).await.expect("changed");
}

/// How often a run was taken up again.
async fn resumed(house: &House, number: &str) -> usize {
    let row = house.order(number).await;
    let events = house.store.all_run_events(row.order_no).await.expect("read");
    events.iter().filter(|event| event.what == Happening::Resumed).count()
}

async fn all_resumed(house: &House, numbers: &[String], times: usize) {
    let began = Instant::now();
    for number in numbers {
        while resumed(house, number).await < times {
            assert!(began.elapsed().as_secs() < RUN_S_MAX, "{number} is not taken up again");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_in_runs_and_confirmations_loses_none_and_leaves_none_half() {
    let piles = PILES.map(|(number, class)| (format!("BENCH-{number}"), class));
    let piles: Vec<_> = piles.iter().map(|(pile, class)| (pile.as_str(), "ac", *class)).collect();
    let Some(house) = House::build(&piles).await else { return };
    let server = house.serve().await;
    let (benches, numbers) = prepared(&house, &server).await;

    killed_when(&house, server, &numbers, |runs| runs.iter().all(|run| run.stage == "warming_up")).await;
    dead_men_act(&house, &benches).await;
    // The dead server's claims end by themselves.
    let server = house.serve().await;
    all_resumed(&house, &numbers, 1).await;

    let measuring = |run: &Progress| run.stage == "reading" && 0 < run.taken && run.taken < run.total;
    killed_when(&house, server, &numbers, |runs| runs.iter().all(measuring)).await;
    end_leases(&house).await;
    let server = house.serve().await;
    all_resumed(&house, &numbers, 2).await;

    let is_on = |bench: &Bench| bench.server.handle().state().is_on;
    let late = |run: &Progress| run.total < 2 * run.taken && run.taken < run.total;
    let outputs_on = || benches.iter().any(is_on);
    killed_when(&house, server, &numbers, |runs| runs.iter().all(late) && outputs_on()).await;
    end_leases(&house).await;
    let server = house.serve().await;
    all_resumed(&house, &numbers, 3).await;

    for number in &numbers {
        let row = house.until(number, &[OrderState::Measured, OrderState::Abandoned]).await;
        assert_eq!(row.ending, Some(Ending::Measured), "{number}");
        let run = house.run(number).await;
        assert_eq!(run.taken().len(), run.progress().total, "every reading once");
        assert_eq!(resumed(&house, number).await, 3, "{number}");
        assert!(is_whole(&held(&house, number).await), "nothing is issued by itself");
    }
    let readings = house.database.number("SELECT count(*) FROM run_reading").await;
    let mut wanted = 0;
    for number in &numbers {
        wanted += house.run(number).await.progress().total as i64;
    }
    assert_eq!(readings, wanted);
    assert!(!benches.iter().any(is_on), "outputs are off");

    // Between the last reading and its confirmation there is nothing to resume, and nothing to lose.
    server.kill();
    let server = house.serve().await;
    {
        let zhang = Visitor::sign_in(&server, "zhang").await;
        for number in &numbers {
            record_items(&house, &zhang, number).await;
        }
    }
    let server = confirmed_at_last(&house, server, &numbers).await;
    for number in &numbers {
        let json = server.get(&format!("/api/v1/certificates/{number}.json")).await.1;
        let (code, told) = house.check_offline(&server, &json).await;
        assert_eq!(code, Some(0), "{number}: {told}");
    }
    for bench in &benches {
        let (_, page) = server.get(&format!("/p/{}?lang=en", bench.pile)).await;
        assert!(page.contains("Verified"), "{page}");
    }
    assert!(server.stop());
}

/// What a reviewer's page asks back: the number of the newest event.
pub(crate) async fn seen(reviewer: &Visitor<'_>, number: &str) -> String {
    let (_, page) = reviewer.get(&format!("/ver/orders/{number}?lang=en")).await;
    page.split("name=\"seen\" value=\"")
        .nth(1)
        .expect("a form to confirm")
        .split('"')
        .next()
        .unwrap()
        .to_owned()
}

/// The reviewer confirms, and the server is killed meanwhile, again and again, each time a little later, until every order has its
/// document. After each kill each order has all of it or nothing.
async fn confirmed_at_last(house: &House, mut server: Server, numbers: &[String]) -> Server {
    let (mut open, mut cut) = (numbers.to_vec(), 0);
    for round in 0..CUTS {
        let li = Visitor::sign_in(&server, "li").await;
        let mut sent = Vec::new();
        for number in &open {
            let seen = seen(&li, number).await;
            sent.push((number, seen));
        }
        let mut answers = Vec::new();
        for (number, seen) in &sent {
            let form = [("remarks", ""), ("seen", seen.as_str()), ("token", li.token.as_str())];
            let path = format!("/ver/orders/{number}/confirm?lang=en");
            answers.push((*number, server.post_aside(&path, &li.cookie, &form)));
            tokio::time::sleep(STAGGER).await;
        }
        tokio::time::sleep(CUT_STEP * round.pow(2)).await;
        let statuses =
            answers.into_iter().map(|(number, answer)| async move { (number, answer.await.unwrap()) });
        server.kill();
        let statuses = futures_util::future::join_all(statuses).await;
        server = house.serve().await;
        for (number, status) in &statuses {
            let held = held(house, number).await;
            assert!(is_whole(&held), "half a document of {number}: {held:?}");
            let is_issued = held.state == "issued";
            assert!(
                status.is_none_or(|status| status == 303 && is_issued),
                "{number} was told {status:?}: {held:?}"
            );
            cut += u32::from(status.is_none());
            println!(
                "{number}, killed in round {round} of its confirmation: told {status:?}, issued {is_issued}"
            );
        }
        let mut left = Vec::new();
        for number in open {
            if held(house, &number).await.state != "issued" {
                left.push(number);
            }
        }
        open = left;
        if open.is_empty() {
            break;
        }
    }
    assert!(numbers.len() as u32 <= cut, "each confirmation was cut at least once: {cut}");
    let li = Visitor::sign_in(&server, "li").await;
    for number in &open {
        let seen = seen(&li, number).await;
        let form = [("remarks", ""), ("seen", seen.as_str())];
        li.done(&format!("/ver/orders/{number}/confirm?lang=en"), &form).await;
    }
    for number in numbers {
        assert!(is_whole(&held(house, number).await), "{number}");
    }
    server
}
