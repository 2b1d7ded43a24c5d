//! Orders and runs in the database: one runner at a time, one numbering for runner and people, a document in one transaction,
//! and what puts it in question.

#![allow(clippy::print_stdout)]

#[path = "orders/clock.rs"]
mod clock;
#[path = "orders/outlet.rs"]
mod outlet;
#[path = "orders/overtaken.rs"]
mod overtaken;

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use uuid::Uuid;
use veripile_pile::case::Rules;
use veripile_pile::{AccuracyClass, Pile, PileId, PileKind, Standing, State};
use veripile_store::verification::{
    Appended, CertificateQuery, CertificateStatus, Issuance, OrderState, QuestionReason, VerificationQuery,
};
use veripile_store::{PileRecord, Store};
use veripile_tests::{Database, provided};
use veripile_verification::certificate::SigningKey;
use veripile_verification::item::{Evidence, Seal};
use veripile_verification::plan::Plan;
use veripile_verification::{
    Calibration, Certificate, Conditions, Ending, Event, Happening, Instrument, InstrumentRole, ItemCode,
    ItemRecord, Order, Plate, Reason, Run, Taken,
};

const LEASE: SignedDuration = SignedDuration::from_secs(15);

fn decimal(text: &str) -> Decimal {
    text.parse().expect("literal")
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("literal")
}

fn now() -> Timestamp {
    at("2026-05-01T02:00:00Z")
}

fn pile(id: &str) -> Pile {
    Pile {
        pile_id: PileId::parse(id).expect("an identifier"),
        station_id: None,
        operator_id: None,
        kind: PileKind::Ac,
        class: AccuracyClass(Decimal::TWO),
        power_kw: Some(Decimal::from(7)),
        place: None,
        given: None,
        connectors: Vec::new(),
        model: Some("M1".to_owned()),
        meter_serial: None,
    }
}

fn instrument(role: InstrumentRole, id: &str) -> Instrument {
    Instrument {
        instrument_id: id.to_owned(),
        role,
        model: if role == InstrumentRole::Source { "fluke-6105a-like" } else { "zera-like" }.to_owned(),
        serial: "S".to_owned(),
        address: "127.0.0.1:5025".to_owned(),
        calibration: Calibration {
            number: "C-1".to_owned(),
            issuer: "NIM".to_owned(),
            calibrated_at: at("2026-01-01T00:00:00Z"),
            valid_until: at("2026-12-31T00:00:00Z"),
            expanded_uncertainty_percent: decimal("0.05"),
            coverage_factor: Decimal::TWO,
            drift_percent_per_year: decimal("0.02"),
        },
    }
}

fn order(id: &str, source: &str, standard: &str) -> Order {
    let plate = Plate {
        pile_id: PileId::parse(id).expect("an identifier"),
        kind: PileKind::Ac,
        class: AccuracyClass(Decimal::TWO),
        model: Some("M1".to_owned()),
        meter_serial: Some("123".to_owned()),
        firmware: Some("1.0".to_owned()),
        power_kw: Some(Decimal::from(7)),
        voltage_v: Decimal::from(220),
        current_max_a: Decimal::from(32),
        register_step_wh: Decimal::ONE,
        pulse_constant: None,
        station: None,
        operator: None,
    };
    let rules = veripile_metrology::rules::for_kind("ac").expect("known");
    let plan = Plan::propose(&plate, &rules);
    Order {
        number: String::new(),
        plate,
        connector: 1,
        reason: Reason::Periodic,
        cause: None,
        rule_set: rules.name,
        plan,
        body: "计量所".to_owned(),
        verifier: "张".to_owned(),
        reviewer: "李".to_owned(),
        instruments: vec![
            instrument(InstrumentRole::Source, source),
            instrument(InstrumentRole::Standard, standard),
        ],
        ordered_by: "张".to_owned(),
        ordered_at: now(),
    }
}

async fn store(server: &str, piles: &[&str]) -> (Database, Store, Vec<i64>) {
    let database = Database::timescale(server).await;
    let mut store = Store::connect(&database.url).await.expect("connects");
    store.migrate().await.expect("migrated");
    store.register_piles(&piles.iter().map(|id| pile(id)).collect::<Vec<_>>()).await.expect("registered");
    let numbers = store.all_piles().await.expect("read").into_iter().map(|(number, _)| number).collect();
    (database, store, numbers)
}

fn event(what: Happening) -> Event {
    Event { at: now(), what }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_has_one_runner_and_an_instrument_one_run() {
    let Some((_, server)) = provided() else { return };
    let (_database, store, piles) = store(&server, &["A", "B", "C"]).await;
    for (pile, source, standard) in [("A", "S1", "R1"), ("B", "S1", "R2"), ("C", "S3", "R3")] {
        let made = store.make_verification(order(pile, source, standard), now()).await.expect("made");
        assert!(store.queue_run(&made.number).await.expect("queued"));
        assert!(!store.queue_run(&made.number).await.expect("asked"), "it is queued already");
    }
    let (one, two) = (Uuid::now_v7(), Uuid::now_v7());
    let claim = |runner, at| store.claim_run(runner, &piles, at, LEASE);
    let first = claim(one, now()).await.expect("claimed").expect("there is one");
    assert_eq!((first.row.order.plate.pile_id.as_str(), first.resumed), ("A", false));
    let second = claim(two, now()).await.expect("claimed").expect("there is another");
    assert_eq!(second.row.order.plate.pile_id.as_str(), "C", "B needs an instrument that A has");
    assert!(claim(two, now()).await.expect("asked").is_none());
    assert!(store.claim_run(two, &[], now(), LEASE).await.expect("asked").is_none(), "piles held by others");

    let cancel = |at| store.cancel_verification(&first.row.order.number, "张", "雨", at);
    assert!(!cancel(now()).await.expect("asked"), "it is carried out");
    let silent = now() + LEASE + SignedDuration::from_secs(1);
    assert!(store.keep_run(second.row.order_no, two, silent, LEASE).await.expect("kept"));
    let again = claim(two, silent).await.expect("claimed").expect("its runner is silent");
    assert_eq!((again.row.order_no, again.resumed), (first.row.order_no, true));
    assert!(!store.keep_run(first.row.order_no, one, silent, LEASE).await.expect("asked"), "no longer one's");
    let appended = store
        .append_event(first.row.order_no, one, 0, &event(Happening::Begun), None, None, silent)
        .await
        .expect("asked");
    assert_eq!(appended, Appended::Lost);
    // A run that nobody goes on with can be called off.
    assert!(cancel(silent + LEASE + SignedDuration::from_secs(1)).await.expect("cancelled"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_takes_in_what_people_said_before_it_goes_on() {
    let Some((_, server)) = provided() else { return };
    let (_database, store, piles) = store(&server, &["A"]).await;
    let number = store.make_verification(order("A", "S", "R"), now()).await.expect("made").number;
    assert_eq!(number, "VP2026-000001");
    let said = store.append_person_event(&number, &event(conditions())).await.expect("kept");
    assert_eq!(said, Some(1), "conditions may be recorded before the run");
    store.queue_run(&number).await.expect("queued");
    let runner = Uuid::now_v7();
    let claimed = store.claim_run(runner, &piles, now(), LEASE).await.expect("claimed").expect("one");
    let order_no = claimed.row.order_no;
    let begun = event(Happening::Begun);
    let append = |after, event: Event| {
        let store = store.clone();
        async move { store.append_event(order_no, runner, after, &event, None, None, now()).await.expect("asked") }
    };
    assert_eq!(append(0, begun.clone()).await, Appended::Behind);
    let events = store.run_events(order_no, 0).await.expect("read");
    assert_eq!(events, [(1, event(conditions()))]);
    assert_eq!(append(1, begun.clone()).await, Appended::Done(2));
    let stop = event(Happening::Stopped { person: "张".to_owned(), reason: "雨".to_owned() });
    assert_eq!(store.append_person_event(&number, &stop).await.expect("kept"), Some(3));
    assert_eq!(append(2, event(Happening::Done)).await, Appended::Behind);
    let events = store.all_run_events(order_no).await.expect("read");
    assert_eq!(events, [event(conditions()), begun, stop.clone()]);
    let ending = Ending::Abandoned {
        why: veripile_verification::run::Why::Stopped,
        detail: "雨".to_owned(),
        outputs_off: true,
        operative: true,
    };
    let ended = store
        .append_event(order_no, runner, 3, &event(Happening::Done), None, Some(&ending), now())
        .await
        .expect("kept");
    assert_eq!(ended, Appended::Done(4));
    let row = store.verification(&number).await.expect("read").expect("there");
    assert_eq!((row.state, row.ending), (OrderState::Abandoned, Some(ending)));
    assert_eq!(store.append_person_event(&number, &stop).await.expect("asked"), None, "it is over");
}

fn conditions() -> Happening {
    Happening::Conditions(Conditions {
        temperature_c: decimal("21.5"),
        humidity_percent: decimal("45"),
        person: "张".to_owned(),
        at: now(),
    })
}

/// A measured run whose pile has an error, percent, at every point.
fn measured(order: &Order, error_percent: &str) -> (Run, Vec<Event>) {
    let mut run = Run::new(order.clone());
    let mut events = vec![event(conditions())];
    for code in &order.plan.items {
        let evidence = match code {
            ItemCode::Seal => Evidence::Seals {
                seals: vec![Seal {
                    number: "F-1".to_owned(), place: "表盖".to_owned(), photo_sha256: None
                }],
                whole: true,
            },
            ItemCode::Clock => Evidence::Clock { offset_s: decimal("2.1"), measured: None },
            ItemCode::ConsistencyBefore | ItemCode::ConsistencyAfter => {
                // One charge before, another when the run is over.
                let (charge_no, hours) = if *code == ItemCode::ConsistencyBefore { (1, -1) } else { (2, 4) };
                let began_at = now() + SignedDuration::from_hours(hours);
                Evidence::Charge(veripile_verification::consistency::ChargeEvidence {
                    charge_no,
                    began_at: Some(began_at),
                    ended_at: began_at + SignedDuration::from_mins(30),
                    register_step_wh: None,
                    register_wh: Some(decimal("1500")),
                    samples_wh: None,
                    signed_wh: Some(decimal("1500")),
                    signed_verdict: Some("valid".to_owned()),
                    bill_kwh: Some(decimal("1.5")),
                })
            }
            _ => Evidence::Looked { good: true },
        };
        events.push(event(Happening::Item(ItemRecord {
            code: *code,
            evidence,
            note: String::new(),
            person: "张".to_owned(),
            at: now(),
        })));
    }
    for event in &events {
        run.step(event);
    }
    let factor = Decimal::ONE + decimal(error_percent) / Decimal::ONE_HUNDRED;
    let mut bench = Bench { run: &mut run, events: &mut events, register_wh: decimal("1000"), factor };
    bench.measure();
    (run, events)
}

/// Answers every action as an ideal bench would.
struct Bench<'a> {
    run: &'a mut Run,
    events: &'a mut Vec<Event>,
    register_wh: Decimal,
    factor: Decimal,
}

impl Bench<'_> {
    fn measure(&mut self) {
        use veripile_verification::{Action, Command, SourceCommand, StandardCommand};
        let mut clock = now();
        let mut happening = Happening::Begun;
        let mut is_on = false;
        let (mut set, mut energy_wh) = ((Decimal::ZERO, Decimal::ZERO, Decimal::ZERO), Decimal::ZERO);
        loop {
            clock += SignedDuration::from_secs(1);
            let next = Event { at: clock, what: happening };
            let commands = self.run.step(&next);
            self.events.push(next);
            let mut action = None;
            for command in commands {
                match command {
                    Command::Do(next) => action = Some(next),
                    Command::Keep(_) => {}
                    Command::End(ending) => {
                        assert_eq!(ending, Ending::Measured);
                        return;
                    }
                }
            }
            let action = action.expect("something is to be done");
            match action {
                Action::Source(SourceCommand::OutputOn) => is_on = true,
                Action::Source(SourceCommand::OutputOff | SourceCommand::Reset) => is_on = false,
                _ => {}
            }
            happening = match action {
                Action::MakeInoperative | Action::MakeOperative => {
                    Happening::Availability { status: "Accepted".to_owned() }
                }
                Action::CheckIdle => Happening::Idle { charging: false, status: None },
                Action::Source(SourceCommand::Identify) => {
                    Happening::Identity { text: "FLUKE,6105A,S,1".to_owned() }
                }
                Action::Standard(StandardCommand::Identify) => {
                    Happening::Identity { text: "ZERA,COM3003,S,1".to_owned() }
                }
                Action::Source(SourceCommand::Set { voltage_v, current_a, angle_deg, .. }) => {
                    // The proposed points have power factors 1 and 0.5: 0° and 60°.
                    let factor = if angle_deg == Decimal::ZERO { Decimal::ONE } else { decimal("0.5") };
                    set = (voltage_v, current_a, voltage_v * current_a * factor);
                    Happening::Done
                }
                Action::Source(SourceCommand::OutputState) => Happening::State { on: is_on },
                Action::Source(SourceCommand::Temperature) => {
                    Happening::Temperature { celsius: decimal("30") }
                }
                Action::Standard(StandardCommand::Measure) => {
                    Happening::Measured { voltage_v: set.0, current_a: set.1, power_w: set.2 }
                }
                Action::Standard(StandardCommand::IntegrateReset) => {
                    energy_wh = Decimal::ZERO;
                    Happening::Done
                }
                Action::Standard(StandardCommand::Energy) => {
                    if energy_wh == Decimal::ZERO {
                        energy_wh = decimal("10000");
                        self.register_wh += energy_wh * self.factor;
                    }
                    Happening::Number { value: energy_wh }
                }
                Action::ReadRegister => Happening::Register {
                    wh: self.register_wh,
                    text: self.register_wh.to_string(),
                    device_time: None,
                },
                Action::Wait { until } => {
                    clock = clock.max(until);
                    Happening::Waited
                }
                _ => Happening::Done,
            };
        }
    }
}

/// Keeps a run's events and readings as a runner does.
async fn keep(store: &Store, order_no: i64, runner: Uuid, order: &Order, events: &[Event]) {
    let mut run = Run::new(order.clone());
    for (after, event) in events.iter().enumerate() {
        let (mut taken, mut ending) = (None::<Taken>, None::<Ending>);
        for command in run.step(event) {
            match command {
                veripile_verification::Command::Keep(reading) => taken = Some(reading),
                veripile_verification::Command::End(end) => ending = Some(end),
                veripile_verification::Command::Do(_) => {}
            }
        }
        let appended = store
            .append_event(order_no, runner, after as i64, event, taken.as_ref(), ending.as_ref(), now())
            .await
            .expect("kept");
        assert_eq!(appended, Appended::Done(after as i64 + 1));
    }
}

async fn verified(store: &Store, piles: &[i64], id: &str, error_percent: &str, seed: u8) -> Certificate {
    let (certificate, issuance) = issued(store, piles, id, error_percent, seed).await;
    assert_eq!(issuance, Issuance::Done);
    certificate
}

/// A document of outlet 1, and what became of it.
async fn issued(
    store: &Store,
    piles: &[i64],
    id: &str,
    error_percent: &str,
    seed: u8,
) -> (Certificate, Issuance) {
    let made = store.make_verification(order(id, "S", "R"), now()).await.expect("made");
    store.queue_run(&made.number).await.expect("queued");
    let runner = Uuid::now_v7();
    let claimed = store.claim_run(runner, piles, now(), LEASE).await.expect("claimed").expect("one");
    let (run, events) = measured(&made, error_percent);
    keep(store, claimed.row.order_no, runner, &made, &events).await;
    // What is stored is the run.
    let stored = store.all_run_events(claimed.row.order_no).await.expect("read");
    assert_eq!(Run::replay(made.clone(), &stored), run);
    let issued_at = now() + SignedDuration::from_hours(5);
    let certificate = Certificate::of(&run, "李", "", issued_at, "test").expect("a result");
    let issued = certificate.clone().sign(&SigningKey::from_seed([seed; 32]));
    let issuance = store
        .issue(claimed.row.order_no, &issued, b"%PDF-", Rules::default(), issued_at)
        .await
        .expect("asked");
    if issuance == Issuance::Done {
        let again = store
            .issue(claimed.row.order_no, &issued, b"%PDF-", Rules::default(), issued_at)
            .await
            .expect("asked");
        assert_eq!(again, Issuance::NotWaiting, "once");
    }
    (certificate, issuance)
}

async fn state(store: &Store, id: &str, at: Timestamp) -> State {
    let acts = store.acts(&PileId::parse(id).expect("an identifier")).await.expect("read");
    let record = store.pile(&PileId::parse(id).expect("an identifier")).await.expect("read").expect("there");
    assert_eq!(
        record.state(at),
        Standing::judge(&acts, None).state(at, None),
        "what is stored is what follows"
    );
    record.state(at)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_changes_the_public_state_at_once_and_a_question_changes_it_back() {
    let Some((_, server)) = provided() else { return };
    let (database, store, piles) = store(&server, &["A", "B"]).await;
    let later = now() + SignedDuration::from_hours(24);
    assert_eq!(state(&store, "A", later).await, State::Due);
    let certificate = verified(&store, &piles, "A", "0.40", 1).await;
    assert_eq!(certificate.valid_until.map(|day| day.to_string()).as_deref(), Some("2029-04-30"));
    assert_eq!(state(&store, "A", later).await, State::Verified);
    let acts = store.acts(&PileId::parse("A").expect("an identifier")).await.expect("read");
    let result = acts[0].result.expect("an anchor for the remote estimates");
    assert_eq!(result.error_percent, decimal("0.4"));
    assert_eq!(database.number("SELECT count(*) FROM seal").await, 1);
    let status = |number: String, at| {
        let store = store.clone();
        async move { store.certificate_by_number(&number, at).await.expect("read").expect("there").status }
    };
    assert_eq!(status(certificate.number.clone(), later).await, CertificateStatus::Valid);
    let over = at("2029-05-01T00:00:00Z");
    assert_eq!(status(certificate.number.clone(), over).await, CertificateStatus::Expired);

    // Firmware that nobody approved.
    database
        .number(
            "WITH told AS (INSERT INTO pile_live (pile_no, firmware, model)
                           SELECT pile_no, '1.1', 'M1' FROM pile WHERE pile_id = 'A' RETURNING 1) SELECT count(*) FROM told",
        )
        .await;
    store.approve_firmware("M1", "1.1", "admin", later).await.expect("approved");
    assert_eq!(store.find_changed_firmware(later).await.expect("looked"), 0, "approved");
    assert!(store.withdraw_approval("M1", "1.1", "other", later).await.expect("withdrawn"));
    assert!(!store.withdraw_approval("M1", "1.1", "other", later).await.expect("asked"), "once");
    let approvals = store.approved_firmware().await.expect("read");
    let told = approvals.iter().map(|a| (a.person.as_str(), a.withdrawn_by.as_deref())).collect::<Vec<_>>();
    assert_eq!(told, [("admin", Some("other"))], "kept and shown");
    assert_eq!(store.find_changed_firmware(later).await.expect("looked"), 1);
    assert_eq!(store.find_changed_firmware(later).await.expect("looked"), 0, "once");
    assert_eq!(state(&store, "A", later).await, State::Due);
    assert_eq!(status(certificate.number.clone(), later).await, CertificateStatus::InQuestion);
    let tasks = store.piles_to_verify(None, later, 10).await.expect("read");
    assert_eq!((tasks.len(), tasks[0].pile_id.as_str(), tasks[0].why.as_str()), (1, "A", "question"));

    // Verified anew; the first is superseded, the second withdrawn.
    let second = verified(&store, &piles, "A", "0.10", 1).await;
    assert_eq!(status(certificate.number.clone(), later).await, CertificateStatus::Superseded);
    assert_eq!(state(&store, "A", later).await, State::Verified);
    let is_asked = store
        .question_certificate(&second.number, QuestionReason::SealBroken, "F-1", "王", later)
        .await
        .expect("asked");
    assert!(is_asked);
    assert!(store.withdraw_certificate(&second.number, "admin", "错号", later).await.expect("withdrawn"));
    assert_eq!(status(second.number.clone(), later).await, CertificateStatus::Withdrawn);
    assert_eq!(state(&store, "A", later).await, State::Due);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_puts_the_certificate_in_question_until_the_pile_is_verified_anew() {
    let Some((_, server)) = provided() else { return };
    let (database, store, piles) = store(&server, &["A", "B"]).await;
    let id = PileId::parse("A").expect("an identifier");
    let later = now() + SignedDuration::from_hours(24);
    // Repaired before the test: that is what the certificate is about.
    let before = now() - SignedDuration::from_hours(1);
    assert_eq!(store.record_repair(&id, "赵", "换枪线", before).await.expect("noted"), 0);
    let first = verified(&store, &piles, "A", "0.40", 1).await;
    let other = verified(&store, &piles, "B", "0.10", 1).await;
    let row = |number: String, at| {
        let store = store.clone();
        async move { store.certificate_by_number(&number, at).await.expect("read").expect("there") }
    };
    assert_eq!(row(first.number.clone(), later).await.status, CertificateStatus::Valid);
    assert_eq!(state(&store, "A", later).await, State::Verified);

    assert_eq!(store.record_repair(&id, "孙", "换表", later).await.expect("noted"), 1);
    let found = row(first.number.clone(), later).await;
    assert_eq!(found.status, CertificateStatus::InQuestion);
    let told: Vec<_> =
        found.questions.iter().map(|q| (q.reason, q.detail.as_str(), q.person.as_str())).collect();
    assert_eq!(told, [(QuestionReason::Repaired, "换表", "孙")]);
    assert_eq!(state(&store, "A", later).await, State::Due);
    let because = |pile: Option<PileRecord>| pile.and_then(|pile| pile.questioned_because);
    assert_eq!(because(store.pile(&id).await.expect("read")), Some(QuestionReason::Repaired));
    let tasks = store.piles_to_verify(None, later, 10).await.expect("read");
    let told: Vec<_> =
        tasks.iter().map(|task| (task.pile_id.as_str(), task.why.as_str(), task.detail.as_str())).collect();
    assert_eq!(told, [("A", "question", "repaired: 换表")]);
    assert_eq!(row(other.number, later).await.status, CertificateStatus::Valid, "another pile's");
    let unknown = PileId::parse("Z").expect("an identifier");
    assert!(store.record_repair(&unknown, "孙", "换表", later).await.is_err());

    // The readings of the next verification are older than the second repair: its certificate is in question from the start.
    let second = verified(&store, &piles, "A", "0.10", 1).await;
    assert_eq!(row(first.number, later).await.status, CertificateStatus::Superseded);
    assert_eq!(row(second.number.clone(), later).await.status, CertificateStatus::InQuestion);
    assert_eq!(state(&store, "A", later).await, State::Due);
    // Verified after the repair: nothing is left of the question.
    database
        .number("WITH past AS (UPDATE repair SET repaired_at = '2026-04-30' RETURNING 1) SELECT count(*) FROM past")
        .await;
    let third = verified(&store, &piles, "A", "0.20", 1).await;
    let found = row(third.number, later).await;
    assert_eq!((found.status, found.questions), (CertificateStatus::Valid, Vec::new()));
    assert_eq!(because(store.pile(&id).await.expect("read")), None);
    assert_eq!(state(&store, "A", later).await, State::Verified);
    assert_eq!(store.piles_to_verify(None, later, 10).await.expect("read"), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_is_under_review_until_the_reply_window_is_over() {
    let Some((_, server)) = provided() else { return };
    let (_database, store, piles) = store(&server, &["B"]).await;
    let notice = verified(&store, &piles, "B", "3.0", 2).await;
    assert_eq!(notice.valid_until, None);
    let days = |days: i64| now() + SignedDuration::from_hours(24 * days);
    assert_eq!(state(&store, "B", days(1)).await, State::UnderReview);
    assert_eq!(state(&store, "B", days(20)).await, State::UnderReview);
    assert_eq!(state(&store, "B", days(23)).await, State::Failed);
    let query = CertificateQuery { certificates_only: true, limit: 10, ..CertificateQuery::default() };
    assert_eq!(store.certificates_page(&query, now()).await.expect("read"), []);
    let query = CertificateQuery { limit: 10, ..CertificateQuery::default() };
    assert_eq!(store.certificates_page(&query, now()).await.expect("read").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn instruments_repairs_and_orders_are_listed_as_they_are() {
    let Some((_, server)) = provided() else { return };
    let (database, store, _) = store(&server, &["A"]).await;
    let mut source = instrument(InstrumentRole::Source, "S");
    store.save_instrument(&source, "admin", now()).await.expect("saved");
    source.address = "bench:5025".to_owned();
    store.save_instrument(&source, "admin", now()).await.expect("saved");
    assert_eq!(store.instruments().await.expect("read"), [source]);
    assert_eq!(database.number("SELECT count(*) FROM instrument_history").await, 2);
    assert!(store.retire_instrument("S", "admin", now()).await.expect("retired"));
    assert_eq!(store.instruments().await.expect("read"), []);

    let id = PileId::parse("A").expect("an identifier");
    store.record_repair(&id, "赵", "换表", now()).await.expect("noted");
    assert_eq!(store.repairers(&id, 1).await.expect("read"), ["赵"]);
    let plate = store.plate_of(&id).await.expect("read").expect("there");
    assert_eq!(plate.pile, pile("A"));
    assert!(store.charge_evidence(&id, 1).await.expect("read").is_none());

    let made = store.make_verification(order("A", "S", "R"), now()).await.expect("made");
    assert!(store.cancel_verification(&made.number, "张", "雨", now()).await.expect("cancelled"));
    let query = VerificationQuery {
        state: Some(OrderState::Cancelled),
        pile: Some(id),
        limit: 10,
        ..Default::default()
    };
    let rows = store.verifications(&query).await.expect("read");
    assert_eq!((rows.len(), &rows[0].order), (1, &made));
    assert_eq!(rows[0].note.as_deref(), Some("张: 雨"));
}
