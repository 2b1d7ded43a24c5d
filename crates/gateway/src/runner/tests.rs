//! Runs on a bench and a record of sticks: what is done, what is stored, and what is not touched any more.

mod stops;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use prometheus::Registry;
use rust_decimal::Decimal;
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use veripile_metrology::rules;
use veripile_pile::{AccuracyClass, PileId, PileKind};
use veripile_store::StoreError;
use veripile_store::verification::Appended;
use veripile_verification::instrument::InstrumentRole;
use veripile_verification::order::Reason;
use veripile_verification::plan::RegisterSource;
use veripile_verification::{
    Action, Calibration, Conditions, Ending, Event, Happening, Instrument, Order, Plan, Plate, Run,
    SourceCommand, StandardCommand, Taken,
};

use super::bench::Bench;
use super::conduct::{Conductor, Left, Pace, STORE_TRIES_MAX, Signals};
use super::log::{Record, RunLog};
use crate::{GatewayMetrics, reception::now};

const PACE: Pace = Pace {
    lease: Duration::from_secs(2),
    keep_every: Duration::from_millis(20),
    look_every: Duration::from_millis(20),
    store_again: Duration::from_millis(2),
};

fn decimal(text: &str) -> Decimal {
    text.parse().expect("literal")
}

fn order(register: RegisterSource) -> Order {
    let plate = Plate {
        pile_id: PileId::parse("P1").expect("good"),
        kind: PileKind::Ac,
        class: AccuracyClass(Decimal::TWO),
        model: None,
        meter_serial: None,
        firmware: None,
        power_kw: None,
        voltage_v: decimal("220"),
        current_max_a: decimal("32"),
        register_step_wh: decimal("1"),
        pulse_constant: None,
        station: None,
        operator: None,
    };
    let mut plan = Plan::propose(&plate, &rules::named("JJG 1148-2022").expect("known"));
    plan.points.truncate(2);
    plan.repeats = 2;
    plan.register = register;
    plan.pace.warm_up_s = 0;
    (plan.pace.settle_ms, plan.pace.poll_ms, plan.pace.retry_wait_s) = (0, 20, 0);
    let instruments =
        [(InstrumentRole::Source, "fluke-6105a-like", "S1"), (InstrumentRole::Standard, "zera-like", "R1")];
    Order {
        number: "VP2026-000001".into(),
        plate,
        connector: 1,
        reason: Reason::First,
        cause: None,
        rule_set: "JJG 1148-2022".into(),
        plan,
        body: "Body".into(),
        verifier: "V".into(),
        reviewer: "R".into(),
        instruments: instruments.map(|(role, model, serial)| instrument(role, model, serial)).into(),
        ordered_by: "V".into(),
        ordered_at: now(),
    }
}

fn instrument(role: InstrumentRole, model: &str, serial: &str) -> Instrument {
    Instrument {
        instrument_id: serial.into(),
        role,
        model: model.into(),
        serial: serial.into(),
        address: "192.0.2.1:5025".into(),
        calibration: Calibration {
            number: "C1".into(),
            issuer: "NIM".into(),
            calibrated_at: Timestamp::UNIX_EPOCH,
            valid_until: Timestamp::MAX,
            expanded_uncertainty_percent: decimal("0.05"),
            coverage_factor: Decimal::TWO,
            drift_percent_per_year: decimal("0.02"),
        },
    }
}

/// The store of sticks: keeps to its contract.
#[derive(Default)]
struct Kept {
    events: Vec<Event>,
    taken: Vec<Taken>,
    ending: Option<Ending>,
    is_lost: bool,
    /// Appends that fail from now on.
    failing: u32,
    /// What those who ask wait for, in their turn.
    connections: Option<Arc<Semaphore>>,
}

#[derive(Default, Clone)]
struct Log(Arc<Mutex<Kept>>);

impl Log {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().expect("whole")
    }

    /// Waits for a connection to the store, and gives it back.
    async fn connect(&self) {
        let connections = self.kept().connections.clone();
        if let Some(connections) = connections {
            let _connection = connections.acquire().await;
        }
    }

    fn say(&self, what: Happening) {
        self.kept().events.push(Event { at: now(), what });
    }

    fn count(&self, is_it: impl Fn(&Happening) -> bool) -> usize {
        self.kept().events.iter().filter(|event| is_it(&event.what)).count()
    }

    /// The run again, from what was stored: must be where the stored readings and ending say.
    fn replayed(&self, order: &Order) -> Run {
        let kept = self.kept();
        let run = Run::replay(order.clone(), &kept.events);
        assert_eq!(run.taken(), kept.taken);
        assert_eq!(run.ending(), kept.ending.as_ref());
        run
    }
}

impl RunLog for Log {
    async fn keep(&self) -> Result<bool, StoreError> {
        Ok(!self.kept().is_lost)
    }

    async fn append(
        &self,
        after: i64,
        event: &Event,
        taken: Option<&Taken>,
        ending: Option<&Ending>,
    ) -> Result<Appended, StoreError> {
        let mut kept = self.kept();
        if 0 < kept.failing {
            kept.failing -= 1;
            return Err(StoreError::Unknown("the database".to_owned()));
        }
        if kept.is_lost || kept.ending.is_some() {
            return Ok(Appended::Lost);
        }
        if after != kept.events.len() as i64 {
            return Ok(Appended::Behind);
        }
        kept.events.push(event.clone());
        if let Some(taken) = taken {
            let is_new = |known: &Taken| (known.point, known.repeat) != (taken.point, taken.repeat);
            assert!(kept.taken.iter().all(is_new), "a reading is stored once");
            kept.taken.push(taken.clone());
        }
        kept.ending = ending.cloned();
        Ok(Appended::Done(kept.events.len() as i64))
    }

    async fn events(&self, after: i64) -> Result<Vec<(i64, Event)>, StoreError> {
        self.connect().await;
        let kept = self.kept();
        let numbered = kept.events.iter().cloned().enumerate();
        // Pages, and small ones.
        Ok(numbered.map(|(at, event)| (at as i64 + 1, event)).skip(after as usize).take(3).collect())
    }
}

/// What a test does about an action, before or instead of the bench's own answer.
type Hook = Box<dyn FnMut(&Action, &Log) -> Option<Happening> + Send>;

/// A bench of sticks: a perfect pile, source and standard.
struct Sticks {
    log: Log,
    done: Arc<Mutex<Vec<Action>>>,
    hook: Hook,
    /// Waits take their time.
    is_slow: bool,
    /// The standard answers nothing while outputs are on.
    is_mute: bool,
    is_on: bool,
    /// Voltage, current and power that were set.
    set: [Decimal; 3],
    energy_wh: Decimal,
    register_wh: Decimal,
}

impl Sticks {
    fn new(log: &Log, hook: impl FnMut(&Action, &Log) -> Option<Happening> + Send + 'static) -> Self {
        Self {
            log: log.clone(),
            done: Arc::default(),
            hook: Box::new(hook),
            is_slow: false,
            is_mute: false,
            is_on: false,
            set: [Decimal::ZERO; 3],
            energy_wh: Decimal::ZERO,
            register_wh: decimal("1000"),
        }
    }

    fn source(&mut self, command: &SourceCommand) -> Happening {
        match command {
            SourceCommand::Identify => Happening::Identity { text: "FLUKE,6105A,S1,1".into() },
            SourceCommand::OutputState => Happening::State { on: self.is_on },
            SourceCommand::Temperature => Happening::Temperature { celsius: decimal("30") },
            SourceCommand::Watchdog { .. } => Happening::Done,
            SourceCommand::Set { voltage_v, current_a, angle_deg, .. } => {
                // The proposed points have power factors 1 and 0.5: 0° and 60°.
                let factor = if *angle_deg == Decimal::ZERO { Decimal::ONE } else { decimal("0.5") };
                self.set = [*voltage_v, *current_a, voltage_v * current_a * factor];
                Happening::Done
            }
            SourceCommand::OutputOn => {
                self.is_on = true;
                Happening::Done
            }
            SourceCommand::OutputOff | SourceCommand::Reset => {
                self.is_on = false;
                Happening::Done
            }
        }
    }

    fn standard(&mut self, command: &StandardCommand) -> Happening {
        match command {
            StandardCommand::Identify => Happening::Identity { text: "ZERA,COM,R1,1".into() },
            StandardCommand::Energy => {
                if self.is_on {
                    self.energy_wh += decimal("5000");
                    self.register_wh += decimal("5000");
                }
                Happening::Number { value: self.energy_wh }
            }
            StandardCommand::Measure => {
                let [voltage_v, current_a, power_w] = self.set;
                Happening::Measured { voltage_v, current_a, power_w }
            }
            StandardCommand::IntegrateReset => {
                self.energy_wh = Decimal::ZERO;
                Happening::Done
            }
            _ => Happening::Done,
        }
    }
}

impl Bench for Sticks {
    async fn perform(&mut self, action: &Action) -> Happening {
        self.done.lock().expect("whole").push(action.clone());
        if let Some(what) = (self.hook)(action, &self.log) {
            return what;
        }
        match action {
            Action::MakeInoperative | Action::MakeOperative => {
                Happening::Availability { status: "Accepted".into() }
            }
            Action::CheckIdle => {
                self.log.connect().await;
                Happening::Idle { charging: false, status: None }
            }
            Action::TestMode { .. } => Happening::Done,
            Action::Source(command) => self.source(command),
            Action::Standard(command) => {
                if self.is_mute && self.is_on {
                    sleep(Duration::from_secs(600)).await;
                }
                self.standard(command)
            }
            Action::ReadRegister => {
                let wh = self.register_wh;
                Happening::Register { wh, text: wh.to_string(), device_time: None }
            }
            Action::AskRegister => std::future::pending().await,
            Action::Wait { .. } => {
                if self.is_slow {
                    sleep(Duration::from_secs(600)).await;
                }
                Happening::Waited
            }
        }
    }
}

/// A server, for as long as a test needs one.
struct Server {
    stop: watch::Sender<bool>,
    arrived: watch::Sender<()>,
    metrics: GatewayMetrics,
}

impl Server {
    fn new() -> Self {
        Self {
            stop: watch::channel(false).0,
            arrived: watch::channel(()).0,
            metrics: GatewayMetrics::register(&Registry::new()).expect("good names"),
        }
    }

    async fn conduct(&self, order: &Order, log: &Log, bench: Sticks, first: Happening) -> Left {
        let record = Record::open(log, order.clone()).await.expect("readable");
        let signals = Signals { stopping: self.stop.subscribe(), arrivals: self.arrived.subscribe() };
        let conductor = Conductor::new(log, bench, record, signals, self.metrics.clone());
        timeout(Duration::from_secs(20), conductor.conduct(first, PACE)).await.expect("it ends")
    }
}

const OFF: Action = Action::Source(SourceCommand::OutputOff);
const LOOK: Action = Action::Source(SourceCommand::OutputState);
const ON: Action = Action::Source(SourceCommand::OutputOn);

fn stopped() -> Happening {
    Happening::Stopped { person: "V".into(), reason: "smoke".into() }
}

/// Does something when an action comes for the n-th time, from 1.
fn at(
    action: &Action,
    nth: u32,
    mut then: impl FnMut(&Log) -> Option<Happening> + Send + 'static,
) -> impl FnMut(&Action, &Log) -> Option<Happening> + Send + 'static {
    let (awaited, mut seen) = (action.clone(), 0);
    move |action, log| {
        seen += u32::from(*action == awaited);
        if *action == awaited && seen == nth { then(log) } else { None }
    }
}

#[tokio::test]
async fn a_run_goes_from_its_beginning_to_its_end_and_everything_is_stored() {
    let (order, log, server) = (order(RegisterSource::Ocpp), Log::default(), Server::new());
    let left = server.conduct(&order, &log, Sticks::new(&log, |_, _| None), Happening::Begun).await;
    assert_eq!(left, Left::Over(Ending::Measured));
    assert_eq!(log.replayed(&order).taken().len(), 4);
    assert_eq!(server.metrics.run_readings.get(), 4);
}

#[tokio::test]
async fn what_people_record_meanwhile_is_taken_in_first_and_the_answer_after_it() {
    let (order, log, server) = (order(RegisterSource::Ocpp), Log::default(), Server::new());
    let conditions = Conditions {
        temperature_c: decimal("21"),
        humidity_percent: decimal("50"),
        person: "V".into(),
        at: now(),
    };
    let said = Happening::Conditions(conditions.clone());
    let hook = at(&ON, 1, move |log| {
        log.say(said.clone());
        None
    });
    let left = server.conduct(&order, &log, Sticks::new(&log, hook), Happening::Begun).await;
    assert_eq!(left, Left::Over(Ending::Measured));
    assert_eq!(log.replayed(&order).conditions(), Some(&conditions));
}

#[tokio::test]
async fn a_stopping_server_switches_outputs_off_and_another_goes_on() {
    let (order, log) = (order(RegisterSource::Ocpp), Log::default());
    let server = Arc::new(Server::new());
    let hook = {
        let server = Arc::clone(&server);
        at(&ON, 2, move |_| {
            server.stop.send_replace(true);
            None
        })
    };
    let bench = Sticks::new(&log, hook);
    let done = Arc::clone(&bench.done);
    let left = server.conduct(&order, &log, bench, Happening::Begun).await;
    assert_eq!(left, Left::Stopping);
    {
        let done = done.lock().expect("whole");
        assert_eq!(done[done.len() - 3..], [ON, OFF, LOOK]);
    }
    assert_eq!(log.replayed(&order).taken().len(), 1);
    let next = Server::new();
    let left = next.conduct(&order, &log, Sticks::new(&log, |_, _| None), Happening::Resumed).await;
    assert_eq!(left, Left::Over(Ending::Measured));
    assert_eq!(log.replayed(&order).taken().len(), 4);
}

#[tokio::test]
async fn a_stopping_server_does_not_wait_for_a_wait() {
    let (order, log, server) = (order(RegisterSource::Ocpp), Log::default(), Server::new());
    let mut bench = Sticks::new(&log, |_, _| None);
    bench.is_slow = true;
    let stop = async {
        sleep(Duration::from_millis(50)).await;
        server.stop.send_replace(true);
    };
    let (left, ()) = tokio::join!(server.conduct(&order, &log, bench, Happening::Begun), stop);
    assert_eq!(left, Left::Stopping);
}

#[tokio::test]
async fn a_deed_that_waits_for_the_store_keeps_nobody_waiting_behind_it() {
    let (order, log, server) = (order(RegisterSource::Ocpp), Log::default(), Server::new());
    // The only connection comes back after some looks for what people said, which wait behind the deed.
    let hook = at(&Action::CheckIdle, 1, |log| {
        let connections = Arc::new(Semaphore::new(1));
        let lent = Arc::clone(&connections).try_acquire_owned().expect("free");
        log.kept().connections = Some(connections);
        tokio::spawn(async move {
            sleep(5 * PACE.look_every).await;
            drop(lent);
        });
        None
    });
    let left = server.conduct(&order, &log, Sticks::new(&log, hook), Happening::Begun).await;
    assert_eq!(left, Left::Over(Ending::Measured));
}

#[tokio::test]
async fn once_the_lease_is_lost_nothing_is_touched_any_more() {
    let (order, log, server) = (order(RegisterSource::Ocpp), Log::default(), Server::new());
    let hook = at(&ON, 1, |log| {
        log.kept().is_lost = true;
        None
    });
    let bench = Sticks::new(&log, hook);
    let done = Arc::clone(&bench.done);
    assert_eq!(server.conduct(&order, &log, bench, Happening::Begun).await, Left::Lost);
    assert_eq!(done.lock().expect("whole").last(), Some(&ON));
}

#[tokio::test]
async fn a_lease_lost_during_a_wait_ends_the_wait() {
    let (order, log, server) = (order(RegisterSource::Ocpp), Log::default(), Server::new());
    let mut bench = Sticks::new(&log, |_, _| None);
    bench.is_slow = true;
    let done = Arc::clone(&bench.done);
    let thief = async {
        sleep(Duration::from_millis(60)).await;
        log.kept().is_lost = true;
    };
    let (left, ()) = tokio::join!(server.conduct(&order, &log, bench, Happening::Begun), thief);
    assert_eq!(left, Left::Lost);
    assert!(matches!(done.lock().expect("whole").last(), Some(Action::Wait { .. })));
}

#[tokio::test]
async fn while_nothing_can_be_stored_outputs_are_off_and_the_reading_is_taken_again() {
    let (order, log, server) = (order(RegisterSource::Ocpp), Log::default(), Server::new());
    let off_meanwhile = Arc::new(Mutex::new(false));
    let noted = Arc::clone(&off_meanwhile);
    let mut ons = 0;
    let hook = move |action: &Action, log: &Log| {
        ons += u32::from(*action == ON);
        if *action == ON && ons == 1 {
            log.kept().failing = 2;
        } else if *action == OFF && 0 < log.kept().failing {
            *noted.lock().expect("whole") = true;
        }
        None
    };
    let left = server.conduct(&order, &log, Sticks::new(&log, hook), Happening::Begun).await;
    assert_eq!(left, Left::Over(Ending::Measured));
    assert!(*off_meanwhile.lock().expect("whole"), "off while the store fails, not when it is back");
    assert_eq!(log.count(|what| *what == Happening::Resumed), 1);
    let run = log.replayed(&order);
    assert_eq!((run.taken().len(), run.taken()[0].discarded), (4, 1));
}

#[tokio::test]
async fn what_can_never_be_stored_is_left_with_outputs_off() {
    let (order, log, server) = (order(RegisterSource::Ocpp), Log::default(), Server::new());
    let hook = at(&ON, 1, |log| {
        log.kept().failing = u32::MAX;
        None
    });
    let bench = Sticks::new(&log, hook);
    let done = Arc::clone(&bench.done);
    let left = server.conduct(&order, &log, bench, Happening::Begun).await;
    assert!(matches!(left, Left::Store(_)), "{left:?}");
    assert_eq!(log.kept().failing, u32::MAX - STORE_TRIES_MAX);
    let done = done.lock().expect("whole");
    assert_eq!(done[done.len() - 3..], [ON, OFF, LOOK]);
}

#[tokio::test]
async fn a_reading_off_the_display_waits_for_its_person_and_is_stored_once() {
    let (order, log, server) = (order(RegisterSource::Display), Log::default(), Server::new());
    let mut wh = decimal("1000");
    let hook = move |action: &Action, log: &Log| {
        if *action == Action::AskRegister {
            wh += decimal("100");
            log.say(Happening::DisplayRead { wh, person: "V".into() });
        }
        None
    };
    let left = server.conduct(&order, &log, Sticks::new(&log, hook), Happening::Begun).await;
    assert_eq!(left, Left::Over(Ending::Measured));
    assert_eq!(log.count(|what| matches!(what, Happening::DisplayRead { .. })), 8);
    assert_eq!(log.replayed(&order).taken().len(), 4);
}

#[tokio::test]
async fn a_reading_that_a_person_completed_while_nobody_ran_is_stored_with_the_next_event() {
    let (order, log) = (order(RegisterSource::Display), Log::default());
    let server = Arc::new(Server::new());
    let hook = {
        let (server, mut asked) = (Arc::clone(&server), 0);
        move |action: &Action, log: &Log| {
            if *action == Action::AskRegister {
                asked += 1;
                if asked == 1 {
                    log.say(Happening::DisplayRead { wh: decimal("1000"), person: "V".into() });
                } else {
                    server.stop.send_replace(true);
                }
            }
            None
        }
    };
    assert_eq!(server.conduct(&order, &log, Sticks::new(&log, hook), Happening::Begun).await, Left::Stopping);
    log.say(Happening::DisplayRead { wh: decimal("1200"), person: "V".into() });
    assert!(log.kept().taken.is_empty());
    let next = Arc::new(Server::new());
    let hook = {
        let server = Arc::clone(&next);
        at(&Action::AskRegister, 1, move |_| {
            server.stop.send_replace(true);
            None
        })
    };
    assert_eq!(next.conduct(&order, &log, Sticks::new(&log, hook), Happening::Resumed).await, Left::Stopping);
    assert_eq!(log.replayed(&order).taken().len(), 1);
}

#[tokio::test]
async fn an_answer_to_nothing_is_a_fault_and_the_run_goes_on() {
    let (order, log, server) = (order(RegisterSource::Ocpp), Log::default(), Server::new());
    let hook = at(&ON, 1, |_| Some(Happening::State { on: true }));
    let left = server.conduct(&order, &log, Sticks::new(&log, hook), Happening::Begun).await;
    assert_eq!(left, Left::Over(Ending::Measured));
    assert_eq!(log.count(|what| matches!(what, Happening::Failed { .. })), 1);
    log.replayed(&order);
}

#[tokio::test]
async fn faults_are_counted_by_who_failed() {
    let (order, log, server) = (order(RegisterSource::Ocpp), Log::default(), Server::new());
    let party = veripile_verification::Party::Source;
    let fault = Happening::Failed { party, lost: true, detail: "unplugged".into() };
    let left = server
        .conduct(&order, &log, Sticks::new(&log, at(&ON, 1, move |_| Some(fault.clone()))), Happening::Begun)
        .await;
    assert_eq!(left, Left::Over(Ending::Measured));
    assert_eq!(server.metrics.fault_of(party).get(), 1);
}
