//! A bench that answers every action ideally, keeps its own watch over safety, and fails where it is told to.

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use veripile_pile::PileKind;

use crate::instrument::{InstrumentRole, SourceCommand, StandardCommand};
use crate::order::Order;
use crate::plan::{Load, LoadPoint, Method};
use crate::run::{Action, Command, Ending, Event, Happening, Run, Taken};
use crate::testing::*;

/// Most events of one story: a run that goes round in circles is found out.
const EVENTS_MAX: usize = 20_000;

/// An order whose run has few events: two load points, two readings each, looks a minute apart.
pub(crate) fn brief(kind: PileKind) -> Order {
    let mut order = order(kind);
    order.plan.points.truncate(2);
    order.plan.repeats = 2;
    order.plan.pace.poll_ms = 60_000;
    order.plan.pace.watchdog_s = 600;
    order.plan.pace.warm_up_s = 120;
    assert_eq!(order.check(start(), &[]), Ok(()));
    order
}

/// The same by pulses.
pub(crate) fn with_pulses(mut order: Order, pulses: u64) -> Order {
    for point in &mut order.plan.points {
        point.method = Method::Pulse { pulses };
    }
    assert_eq!(order.check(start(), &[]), Ok(()));
    order
}

/// The same under a real load, by register.
pub(crate) fn loaded(kind: PileKind) -> Order {
    under_real_load(brief(kind))
}

/// An order under a real load instead.
pub(crate) fn under_real_load(mut order: Order) -> Order {
    order.plan.effects.register_age_s = Decimal::ONE;
    let rules = order.rules().expect("there");
    order.plan = order.plan.under_real_load(&order.plate, &rules);
    order.plan.pace.poll_ms = 60_000;
    order.instruments.retain(|instrument| instrument.role == InstrumentRole::Standard);
    assert_eq!(order.check(start(), &[]), Ok(()));
    order
}

/// A run from its first event to its end.
pub(crate) struct Story {
    pub run: Run,
    pub events: Vec<Event>,
    pub commands: Vec<Command>,
    /// Whether the source switched itself off because it heard nothing.
    pub dead_man_acted: bool,
}

impl Story {
    pub fn actions(&self) -> Vec<Action> {
        let action = |command: &Command| match command {
            Command::Do(action) => Some(action.clone()),
            _ => None,
        };
        self.commands.iter().filter_map(action).collect()
    }

    pub fn kept(&self) -> Vec<Taken> {
        let kept = |command: &Command| match command {
            Command::Keep(taken) => Some(taken.clone()),
            _ => None,
        };
        self.commands.iter().filter_map(kept).collect()
    }

    /// The stages it went through.
    pub fn stages(&self) -> Vec<&'static str> {
        let mut run = Run::new(self.run.order().clone());
        let mut stages = vec![run.progress().stage];
        for event in &self.events {
            run.step(event);
            stages.push(run.progress().stage);
        }
        stages.dedup();
        stages
    }

    /// The events up to the one that leads to an action.
    pub fn prefix_until(&self, wanted: impl Fn(&Action) -> bool) -> &[Event] {
        let mut run = Run::new(self.run.order().clone());
        let place = self.events.iter().position(|event| {
            run.step(event).iter().any(|command| matches!(command, Command::Do(action) if wanted(action)))
        });
        &self.events[..=place.expect("it is done")]
    }
}

/// What a test does to an action: its place among all actions, from 0, and the action; an answer instead of the bench's own.
type Fault<'a> = Box<dyn FnMut(usize, &Action) -> Option<Happening> + 'a>;

#[expect(clippy::struct_excessive_bools, reason = "states of four things that know nothing of each other")]
pub(crate) struct Bench<'a> {
    order: Order,
    /// What the pile registers of a Wh.
    gain: Decimal,
    fault: Fault<'a>,
    at: Timestamp,
    actions: usize,
    closed: bool,
    in_test_mode: bool,
    set: Option<LoadPoint>,
    on: bool,
    dead_man_s: Option<u32>,
    dead_man_acted_at: Option<Timestamp>,
    heard_at: Timestamp,
    register_wh: Decimal,
    integrated_wh: Decimal,
    integrates: bool,
    counted_wh: Option<Decimal>,
    person: Person,
    /// Looks at the outlet, measurements at this load point.
    looks: u32,
    measured: (usize, u32),
}

/// Who charges a vehicle where the load is real.
#[derive(Clone, Copy)]
pub(crate) struct Person {
    /// Looks at the outlet before the charge begins.
    pub begins_after: u32,
    /// Measurements before the load is as the load point asks, each time that it is another one.
    pub reaches_after: u32,
    /// How much later the pile tells its register than it reads it, ms.
    pub lag_ms: i64,
}

impl<'a> Bench<'a> {
    pub fn new(order: &Order) -> Self {
        Self {
            order: order.clone(),
            gain: decimal("1.005"),
            fault: Box::new(|_, _| None),
            at: start(),
            actions: 0,
            closed: false,
            in_test_mode: false,
            set: None,
            on: false,
            dead_man_s: None,
            dead_man_acted_at: None,
            heard_at: start(),
            register_wh: decimal("123456.7"),
            integrated_wh: Decimal::ZERO,
            integrates: false,
            counted_wh: None,
            person: Person { begins_after: 2, reaches_after: 3, lag_ms: 0 },
            looks: 0,
            measured: (usize::MAX, 0),
        }
    }

    /// With a person of another kind.
    pub fn with_person(self, person: Person) -> Self {
        Self { person, ..self }
    }

    /// With answers of the test's own.
    pub fn with_faults(order: &Order, fault: impl FnMut(usize, &Action) -> Option<Happening> + 'a) -> Self {
        Self { fault: Box::new(fault), ..Self::new(order) }
    }

    /// With a pile that registers so much of a Wh.
    pub fn with_gain(self, gain: &str) -> Self {
        Self { gain: decimal(gain), ..self }
    }

    /// Begun at another time.
    pub fn begun_at(self, at: Timestamp) -> Self {
        Self { at, ..self }
    }

    /// As a server finds it that takes a run up again: outputs still on.
    pub fn left_on(self) -> Self {
        Self { on: true, closed: true, dead_man_s: Some(600), heard_at: Timestamp::MAX, ..self }
    }

    /// From the beginning to the end.
    pub fn play(self) -> Story {
        let order = self.order.clone();
        self.go_on(Run::new(order), Vec::new(), Happening::Begun)
    }

    /// From a run and its events so far, with an event of the test's, to the end.
    pub fn go_on(mut self, mut run: Run, mut events: Vec<Event>, first: Happening) -> Story {
        self.at = events.last().map_or(self.at, |event: &Event| event.at) + SignedDuration::from_secs(1);
        let (mut commands, mut happens) = (Vec::new(), first);
        loop {
            let event = Event { at: self.at, what: happens };
            events.push(event.clone());
            assert!(events.len() < EVENTS_MAX, "goes round in circles: {:?}", run.troubles());
            let given = run.step(&event);
            commands.extend(given.clone());
            self.follow(run.progress().point);
            happens = match given.last() {
                Some(Command::Do(action)) => self.perform(action),
                Some(Command::End(ending)) => {
                    let is_safe = matches!(ending, Ending::Abandoned { outputs_off: false, .. });
                    assert!(!self.on || is_safe || self.is_loaded(), "ended with outputs on");
                    let dead_man_acted = self.dead_man_acted_at.is_some();
                    return Story { run, events, commands, dead_man_acted };
                }
                other => panic!("nothing to do: {other:?}"),
            };
        }
    }

    fn perform(&mut self, action: &Action) -> Happening {
        let number = self.actions;
        self.actions += 1;
        let fault = (self.fault)(number, action);
        match action {
            Action::Wait { until } => self.pass((*until).max(self.at)),
            _ => self.pass(self.at + SignedDuration::from_millis(50)),
        }
        if let Some(happens) = fault {
            // What fails by the test's will may have been done all the same: the worst case.
            if *action == Action::Source(SourceCommand::OutputOn) {
                self.on = true;
            }
            self.in_test_mode |= *action == Action::TestMode { on: true };
            if self.is_loaded() && matches!(happens, Happening::Idle { charging: false, .. }) {
                (self.on, self.looks) = (false, 0);
            }
            return happens;
        }
        self.answer(action)
    }

    fn is_loaded(&self) -> bool {
        self.order.plan.load == Load::Real
    }

    /// A person sees which load point is wanted, and begins to change the load: it is half of it until it is reached.
    fn follow(&mut self, point: usize) {
        if !self.is_loaded() || point == self.measured.0 {
            return;
        }
        self.measured = (point, 0);
        let wanted = self.order.plan.points.get(point);
        self.set =
            wanted.map(|wanted| LoadPoint { current_a: wanted.current_a / Decimal::TWO, ..wanted.clone() });
    }

    fn answer(&mut self, action: &Action) -> Happening {
        let is_read = matches!(
            action,
            Action::CheckIdle | Action::Standard(_) | Action::ReadRegister | Action::Wait { .. }
        );
        assert!(!self.is_loaded() || is_read, "nothing but looking under a real load: {action:?}");
        match action {
            Action::MakeInoperative => {
                self.closed = true;
                Happening::Availability { status: "Accepted".into() }
            }
            Action::MakeOperative => {
                assert!(!self.on, "the outlet is opened while the source is on");
                assert!(
                    !self.in_test_mode,
                    "the outlet is opened while the pile is in its virtual-load mode"
                );
                self.closed = false;
                Happening::Availability { status: "Accepted".into() }
            }
            Action::CheckIdle if self.is_loaded() => {
                self.looks += 1;
                self.on |= self.person.begins_after < self.looks;
                Happening::Idle { charging: self.on, status: None }
            }
            Action::CheckIdle => Happening::Idle { charging: false, status: Some("Unavailable".into()) },
            Action::TestMode { on } => {
                self.in_test_mode = *on;
                Happening::Done
            }
            Action::Source(command) => self.source(command),
            Action::Standard(command) => self.standard(command),
            Action::ReadRegister => {
                let lag_ms = self.person.lag_ms;
                let power_w = self.set.as_ref().filter(|_| self.on).and_then(LoadPoint::power_w);
                let since_wh = power_w.unwrap_or_default() * Decimal::from(lag_ms) / decimal("3600000");
                let wh = (self.register_wh - since_wh * self.gain).floor();
                let device_time = Some(self.at - SignedDuration::from_millis(lag_ms));
                Happening::Register { wh, text: wh.to_string(), device_time }
            }
            Action::AskRegister => {
                self.pass(self.at + SignedDuration::from_secs(1800));
                Happening::DisplayRead { wh: self.register_wh.floor(), person: "Chen".into() }
            }
            Action::Wait { .. } => Happening::Waited,
        }
    }

    /// Time passes: energy flows while outputs are on.
    fn pass(&mut self, until: Timestamp) {
        let seconds = Decimal::new(until.duration_since(self.at).as_millis() as i64, 3);
        self.at = until;
        if let Some(point) = self.set.as_ref().filter(|_| self.on) {
            let wh = point.power_w().expect("fits") * seconds / decimal("3600");
            self.register_wh += wh * self.gain;
            if self.integrates {
                self.integrated_wh += wh;
            }
            self.counted_wh = self.counted_wh.map(|counted| counted + wh);
        }
        let silent = self.at.duration_since(self.heard_at).as_secs();
        if self.on && self.dead_man_s.is_some_and(|seconds| i64::from(seconds) < silent) {
            (self.on, self.dead_man_acted_at) = (false, Some(self.at));
        }
    }

    fn source(&mut self, command: &SourceCommand) -> Happening {
        self.heard_at = self.at;
        match command {
            SourceCommand::Identify => {
                let model =
                    if self.order.plate.kind == PileKind::Ac { "FLUKE,6105A" } else { "VLDC,1000-300" };
                Happening::Identity { text: format!("{model},SN-{},1.0", InstrumentRole::Source.word()) }
            }
            SourceCommand::Reset => {
                (self.on, self.set, self.dead_man_s) = (false, None, None);
                Happening::Done
            }
            SourceCommand::Watchdog { seconds } => {
                self.dead_man_s = Some(*seconds);
                Happening::Done
            }
            SourceCommand::Set { voltage_v, current_a, angle_deg, .. } => {
                assert!(!self.on, "set-points change only while outputs are off");
                let points = &self.order.plan.points;
                let is_it = |point: &&LoadPoint| {
                    (point.voltage_v, point.current_a, point.angle_deg())
                        == (*voltage_v, *current_a, *angle_deg)
                };
                self.set = points.iter().find(is_it).cloned();
                assert!(self.set.is_some(), "a set-point of no load point");
                Happening::Done
            }
            SourceCommand::OutputOn => {
                assert!(self.closed, "outputs on while the outlet is open");
                assert!(self.set.is_some(), "outputs on without a set-point");
                assert!(self.dead_man_s.is_some(), "outputs on without a dead man");
                self.on = true;
                Happening::Done
            }
            SourceCommand::OutputOff => {
                self.on = false;
                Happening::Done
            }
            SourceCommand::OutputState => Happening::State { on: self.on },
            SourceCommand::Temperature => Happening::Temperature { celsius: decimal("40") },
        }
    }

    /// What flows now; a person may have reached the load point meanwhile.
    fn measured_now(&mut self) -> Option<LoadPoint> {
        let (point, looks) = &mut self.measured;
        *looks += 1;
        if self.order.plan.load == Load::Real && self.person.reaches_after < *looks {
            self.set = self.order.plan.points.get(*point).cloned();
        }
        self.set.clone().filter(|_| self.on)
    }

    fn standard(&mut self, command: &StandardCommand) -> Happening {
        match command {
            StandardCommand::Identify => Happening::Identity { text: "ZERA,COM3003,SN-standard,1.0".into() },
            StandardCommand::Reset => Happening::Done,
            StandardCommand::IntegrateReset => {
                (self.integrated_wh, self.integrates) = (Decimal::ZERO, false);
                Happening::Done
            }
            StandardCommand::IntegrateStart => {
                self.integrates = true;
                Happening::Done
            }
            StandardCommand::IntegrateStop => {
                self.integrates = false;
                Happening::Done
            }
            StandardCommand::Energy => Happening::Number { value: self.integrated_wh.round_dp(4) },
            StandardCommand::Measure => match self.measured_now() {
                Some(point) => Happening::Measured {
                    voltage_v: point.voltage_v,
                    current_a: point.current_a,
                    power_w: point.power_w().expect("fits"),
                },
                None => Happening::Measured {
                    voltage_v: Decimal::ZERO,
                    current_a: Decimal::ZERO,
                    power_w: Decimal::ZERO,
                },
            },
            StandardCommand::ArmPulses { .. } => {
                self.counted_wh = Some(Decimal::ZERO);
                Happening::Done
            }
            StandardCommand::PulsesDone => {
                let flowed = self.counted_wh.expect("armed") * self.gain;
                Happening::State { on: decimal("1000") <= flowed }
            }
            // 1000 pulses of the pile are 1000 Wh by its register; the standard counts at 100 imp/Wh.
            StandardCommand::PulsesCounted => Happening::Number { value: decimal("100000") / self.gain },
            StandardCommand::PulseConstant => Happening::Number { value: decimal("100000") },
        }
    }
}
