//! A run: the state machine that carries out a plan. An event in, commands out; nothing else goes in, so that stored events
//! give the same run again.
//!
//! `gateway::runner` performs what [`Run::step`] gives and tells what came of it, one action at a time; events from people come
//! in between. After a restart it replays the stored events and steps on with [`Happening::Resumed`]. Safety is here: the outlet
//! is made inoperative first, nothing is switched on while a charge runs, set-points are checked before they are sent, outputs go
//! off on any doubt, and a reading that was disturbed is thrown away and taken again.

mod event;
mod trouble;

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

pub use event::{Answered, Event, Happening, Party};
pub use trouble::{Ending, Trouble, Why};

use crate::instrument::{InstrumentModel, InstrumentRole, SourceCommand, StandardCommand};
use crate::item::{Conditions, ItemCode, ItemRecord};
use crate::order::Order;
use crate::plan::{LoadPoint, Method, RegisterSource};

/// Least time for one reading, whatever its energy: registers and instruments are slow to answer.
const READING_LEAST: SignedDuration = SignedDuration::from_secs(60);

/// One reading of a load point: the raw facts, from which everything else follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taken {
    /// Which load point, from 0.
    pub point: usize,
    /// Which reading of it, from 0.
    pub repeat: u32,
    /// Tries before this one that were thrown away.
    pub discarded: u32,
    /// Outputs on.
    pub began_at: Timestamp,
    /// Outputs off.
    pub ended_at: Timestamp,
    /// What the pile showed.
    pub indication: Indication,
    /// What the standard measured, Wh; of pulses what it counted, imp.
    pub reference: Decimal,
    /// Mean voltage by the standard, V.
    pub voltage_v: Decimal,
    /// Mean current, A.
    pub current_a: Decimal,
    /// Mean power, W.
    pub power_w: Decimal,
    /// Highest temperature of the source, °C, if it tells.
    pub source_c_max: Option<Decimal>,
}

/// What the pile showed of one reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
pub enum Indication {
    /// Its register, as sent.
    Register {
        /// Before, Wh.
        start_wh: Decimal,
        /// After, Wh.
        stop_wh: Decimal,
    },
    /// Its pulses.
    Pulses {
        /// How many.
        pulses: u64,
        /// Its constant, imp/kWh.
        pile_constant: Decimal,
        /// The standard's, imp/kWh.
        standard_constant: Decimal,
    },
}

/// Something to be done in the field; its answer is an [`Event`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// ChangeAvailability to inoperative. Answer: [`Happening::Availability`].
    MakeInoperative,
    /// ChangeAvailability to operative.
    MakeOperative,
    /// Whether a charge runs at the outlet. Answer: [`Happening::Idle`].
    CheckIdle,
    /// The vendor's DataTransfer into or out of its virtual-load mode.
    TestMode {
        /// In or out.
        on: bool,
    },
    /// A command to the source.
    Source(SourceCommand),
    /// A command to the standard.
    Standard(StandardCommand),
    /// A fresh reading of the pile's register. Answer: [`Happening::Register`].
    ReadRegister,
    /// A person reads it off the display; the runner waits for the page.
    AskRegister,
    /// Wait.
    Wait {
        /// Until when. Answer: [`Happening::Waited`].
        until: Timestamp,
    },
}

/// What must happen now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Store this reading, with the event that brought it.
    Keep(Taken),
    /// Do this next; it replaces whatever was to be done.
    Do(Action),
    /// The run is over.
    End(Ending),
}

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Waiting,
    MakeInoperative,
    CheckIdle,
    IdentifySource,
    IdentifyStandard,
    ResetSource,
    ResetStandard,
    Watchdog,
    EnterTest,
    WarmSet,
    WarmOn,
    WarmWait { until: Timestamp },
    WarmLook { until: Timestamp },
    OffBefore,
    SettleBefore,
    IdleBefore,
    RegisterBefore,
    IntegrateReset,
    IntegrateStart,
    Set,
    On,
    Constant,
    Arm,
    PollWait,
    PollMeasure,
    PollState,
    PollTemperature,
    PollEnergy,
    PollPulses,
    Counted,
    OffAfter,
    SettleAfter,
    IntegrateStop,
    Energy,
    RegisterAfter,
    LastOff,
    LeaveTest,
    MakeOperative,
    SafeOff,
    SafeWait,
    GiveUpOff,
    GiveUpTest,
    GiveUpOperative,
    Ended,
}

/// What is known of the reading at hand.
#[derive(Debug, Clone, Default, PartialEq)]
struct Draft {
    began_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    register_start_wh: Option<Decimal>,
    standard_constant: Option<Decimal>,
    reference: Option<Decimal>,
    looks: u32,
    voltage_sum: Decimal,
    current_sum: Decimal,
    power_sum: Decimal,
    source_c_max: Option<Decimal>,
}

/// How far a run is, for its page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Progress {
    /// Readings kept.
    pub taken: usize,
    /// Readings in all.
    pub total: usize,
    /// Load point at hand, from 0.
    pub point: usize,
    /// Reading at hand, from 0.
    pub repeat: u32,
    /// Energy of the reading at hand so far, Wh.
    pub energy_wh: Option<Decimal>,
    /// Energy it is to have, Wh.
    pub energy_target_wh: Decimal,
    /// What is being done: `preparing`, `warming_up`, `reading`, `finishing`, `troubled`, `giving_up`, `measured`, `abandoned`,
    /// `waiting`.
    pub stage: &'static str,
    /// Whether a person is asked to read the display.
    pub asks_display: bool,
}

/// A run of an order.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    order: Order,
    step: Step,
    draft: Draft,
    energy_wh: Option<Decimal>,
    discarded: u32,
    failures: u32,
    is_warm: bool,
    is_in_test_mode: bool,
    taken: Vec<Taken>,
    items: Vec<ItemRecord>,
    conditions: Option<Conditions>,
    troubles: Vec<Trouble>,
    why: Option<(Why, String)>,
    outputs_off: bool,
    ending: Option<Ending>,
}

impl Run {
    /// A run that has not begun.
    pub fn new(order: Order) -> Self {
        Self {
            order,
            step: Step::Waiting,
            draft: Draft::default(),
            energy_wh: None,
            discarded: 0,
            failures: 0,
            is_warm: false,
            is_in_test_mode: false,
            taken: Vec::new(),
            items: Vec::new(),
            conditions: None,
            troubles: Vec::new(),
            why: None,
            outputs_off: true,
            ending: None,
        }
    }

    /// A run again, from its stored events in their order.
    pub fn replay<'a>(order: Order, events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut run = Self::new(order);
        for event in events {
            run.step(event);
        }
        run
    }

    /// The order.
    pub fn order(&self) -> &Order {
        &self.order
    }

    /// Readings kept.
    pub fn taken(&self) -> &[Taken] {
        &self.taken
    }

    /// The newest record of each item, in the order of documents.
    pub fn items(&self) -> Vec<&ItemRecord> {
        let newest = |code| self.items.iter().rev().find(|record| record.code == code);
        ItemCode::ALL.into_iter().filter_map(newest).collect()
    }

    /// The conditions, as last recorded.
    pub fn conditions(&self) -> Option<&Conditions> {
        self.conditions.as_ref()
    }

    /// What went wrong on the way.
    pub fn troubles(&self) -> &[Trouble] {
        &self.troubles
    }

    /// How it ended, once it has.
    pub fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    /// What is still to be recorded before the result can be reviewed: items of the plan, and `conditions`.
    pub fn missing(&self) -> Vec<&'static str> {
        let recorded = self.items();
        let is_open = |item: &&ItemCode| recorded.iter().all(|record| record.code != **item);
        let mut missing: Vec<_> =
            self.order.plan.items.iter().filter(is_open).map(|item| item.word()).collect();
        if self.conditions.is_none() {
            missing.push("conditions");
        }
        missing
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        let (point, repeat) = self.position();
        Progress {
            taken: self.taken.len(),
            total: self.total(),
            point,
            repeat,
            energy_wh: self.energy_wh,
            energy_target_wh: self.point().map_or(Decimal::ZERO, |point| point.energy_wh),
            stage: self.stage(),
            asks_display: self.asks_display(),
        }
    }

    fn stage(&self) -> &'static str {
        match self.step {
            Step::Waiting => "waiting",
            Step::MakeInoperative
            | Step::CheckIdle
            | Step::IdentifySource
            | Step::IdentifyStandard
            | Step::ResetSource
            | Step::ResetStandard
            | Step::Watchdog
            | Step::EnterTest => "preparing",
            Step::WarmSet | Step::WarmOn | Step::WarmWait { .. } | Step::WarmLook { .. } => "warming_up",
            Step::LastOff | Step::LeaveTest | Step::MakeOperative => "finishing",
            Step::SafeOff | Step::SafeWait => "troubled",
            Step::GiveUpOff | Step::GiveUpTest | Step::GiveUpOperative => "giving_up",
            Step::Ended => match self.ending {
                Some(Ending::Measured) => "measured",
                _ => "abandoned",
            },
            _ => "reading",
        }
    }

    fn asks_display(&self) -> bool {
        self.order.plan.register == RegisterSource::Display
            && matches!(self.step, Step::RegisterBefore | Step::RegisterAfter)
    }

    fn total(&self) -> usize {
        self.order.plan.points.len() * self.order.plan.repeats as usize
    }

    /// Load point and reading at hand.
    fn position(&self) -> (usize, u32) {
        let repeats = self.order.plan.repeats.max(1) as usize;
        (self.taken.len() / repeats, (self.taken.len() % repeats) as u32)
    }

    fn point(&self) -> Option<&LoadPoint> {
        self.order.plan.points.get(self.position().0)
    }

    fn is_counted(&self) -> bool {
        self.point().is_some_and(|point| matches!(point.method, Method::Pulse { .. }))
    }

    /// Takes in what happened; gives what must happen now. Nothing means: go on with what you do.
    pub fn step(&mut self, event: &Event) -> Vec<Command> {
        let at = event.at;
        match &event.what {
            Happening::Item(record) => {
                self.items.push(record.clone());
                Vec::new()
            }
            Happening::Conditions(conditions) => {
                self.conditions = Some(conditions.clone());
                Vec::new()
            }
            _ if self.step == Step::Ended => Vec::new(),
            Happening::Begun if self.step == Step::Waiting => self.go(Step::MakeInoperative, at),
            Happening::Resumed => self.resumed(at),
            Happening::Stopped { person, reason } => {
                self.give_up(Why::Stopped, format!("{person}: {reason}"), at)
            }
            Happening::DisplayRead { wh, .. } if self.asks_display() => {
                self.answered(&Answered::Register { wh: *wh }, at)
            }
            Happening::Begun | Happening::DisplayRead { .. } => Vec::new(),
            Happening::Failed { party, lost, detail } => self.failed(*party, *lost, detail, at),
            _ => match event.what.answer() {
                Some(answer) => self.answered(&answer, at),
                None => Vec::new(),
            },
        }
    }

    /// A server took the run up again: what it was doing is not known to have been done.
    fn resumed(&mut self, at: Timestamp) -> Vec<Command> {
        match self.step {
            Step::Waiting => self.go(Step::MakeInoperative, at),
            Step::GiveUpOff | Step::GiveUpTest | Step::GiveUpOperative => self.go(Step::GiveUpOff, at),
            Step::LastOff | Step::LeaveTest | Step::MakeOperative => self.go(Step::LastOff, at),
            _ => {
                self.note(at, Why::ServerRestarted, String::new());
                self.discard();
                self.go(Step::SafeOff, at)
            }
        }
    }

    fn failed(&mut self, party: Party, lost: bool, detail: &str, at: Timestamp) -> Vec<Command> {
        match self.step {
            Step::GiveUpOff => {
                self.outputs_off = false;
                self.go(Step::GiveUpTest, at)
            }
            Step::GiveUpTest => self.go(Step::GiveUpOperative, at),
            Step::GiveUpOperative => self.end_abandoned(false),
            // Everything is measured: a pile that cannot be opened again costs no result.
            Step::LeaveTest => self.go(Step::MakeOperative, at),
            Step::MakeOperative => self.end(Ending::Measured),
            _ => {
                let why = match (party, lost) {
                    (Party::Source, true) => Why::SourceLost,
                    (Party::Standard, true) => Why::StandardLost,
                    (Party::Pile, true) => Why::PileLost,
                    (Party::Source | Party::Standard, false) => Why::InstrumentError,
                    (Party::Pile, false) => Why::PileError,
                };
                self.trouble(why, detail.to_owned(), at)
            }
        }
    }

    /// Something is wrong: outputs off, wait, and take the reading again; given up after too many.
    fn trouble(&mut self, why: Why, detail: String, at: Timestamp) -> Vec<Command> {
        self.failures += 1;
        if self.failures > self.order.plan.pace.failures_max {
            return self.give_up(why, detail, at);
        }
        self.note(at, why, detail);
        let was_off = self.step == Step::SafeOff;
        self.discard();
        // A source that cannot be told to switch off does so by its dead-man; until then nothing is asked of it.
        if why == Why::SourceLost && was_off {
            self.go(Step::SafeWait, at)
        } else {
            self.go(Step::SafeOff, at)
        }
    }

    fn give_up(&mut self, why: Why, detail: String, at: Timestamp) -> Vec<Command> {
        self.note(at, why, detail.clone());
        self.discard();
        if self.why.is_none() {
            self.why = Some((why, detail));
        }
        self.go(Step::GiveUpOff, at)
    }

    fn note(&mut self, at: Timestamp, why: Why, detail: String) {
        self.troubles.push(Trouble { at, why, detail });
    }

    fn discard(&mut self) {
        if self.draft.began_at.is_some() {
            self.discarded += 1;
        }
        self.draft = Draft::default();
        self.energy_wh = None;
    }

    fn end_abandoned(&mut self, operative: bool) -> Vec<Command> {
        let (why, detail) = self.why.clone().unwrap_or((Why::Stopped, String::new()));
        self.end(Ending::Abandoned { why, detail, outputs_off: self.outputs_off, operative })
    }

    fn end(&mut self, ending: Ending) -> Vec<Command> {
        self.step = Step::Ended;
        self.ending = Some(ending.clone());
        vec![Command::End(ending)]
    }

    /// Takes a step: gives the action that belongs to it.
    fn go(&mut self, step: Step, at: Timestamp) -> Vec<Command> {
        self.step = step;
        match self.action(at) {
            Ok(action) => vec![Command::Do(action)],
            Err(reason) => self.give_up(Why::Limits, reason, at),
        }
    }

    /// The action of the step at hand. An error is a set-point that must not be sent.
    fn action(&self, at: Timestamp) -> Result<Action, String> {
        let pace = &self.order.plan.pace;
        let source = |command| Ok(Action::Source(command));
        let standard = |command| Ok(Action::Standard(command));
        let after_ms = |ms: u32| Action::Wait { until: at + SignedDuration::from_millis(i64::from(ms)) };
        match self.step {
            Step::MakeInoperative => Ok(Action::MakeInoperative),
            Step::CheckIdle | Step::IdleBefore => Ok(Action::CheckIdle),
            Step::IdentifySource => source(SourceCommand::Identify),
            Step::IdentifyStandard => standard(StandardCommand::Identify),
            Step::ResetSource => source(SourceCommand::Reset),
            Step::ResetStandard => standard(StandardCommand::Reset),
            Step::Watchdog => source(SourceCommand::Watchdog { seconds: pace.watchdog_s }),
            Step::EnterTest => Ok(Action::TestMode { on: true }),
            Step::LeaveTest | Step::GiveUpTest => Ok(Action::TestMode { on: false }),
            Step::WarmSet | Step::Set => self.set_point().map(Action::Source),
            Step::WarmOn | Step::On => source(SourceCommand::OutputOn),
            Step::WarmWait { until } => {
                let next = at + SignedDuration::from_millis(i64::from(pace.poll_ms));
                Ok(Action::Wait { until: until.min(next) })
            }
            Step::WarmLook { .. } | Step::PollState => source(SourceCommand::OutputState),
            Step::OffBefore | Step::OffAfter | Step::LastOff | Step::SafeOff | Step::GiveUpOff => {
                source(SourceCommand::OutputOff)
            }
            Step::SettleBefore | Step::SettleAfter => Ok(after_ms(pace.settle_ms)),
            Step::RegisterBefore | Step::RegisterAfter => match self.order.plan.register {
                RegisterSource::Ocpp => Ok(Action::ReadRegister),
                RegisterSource::Display => Ok(Action::AskRegister),
            },
            Step::IntegrateReset => standard(StandardCommand::IntegrateReset),
            Step::IntegrateStart => standard(StandardCommand::IntegrateStart),
            Step::IntegrateStop => standard(StandardCommand::IntegrateStop),
            Step::Energy | Step::PollEnergy => standard(StandardCommand::Energy),
            Step::Constant => standard(StandardCommand::PulseConstant),
            Step::Arm => match (self.point().map(|point| point.method), self.order.plate.pulse_constant) {
                (Some(Method::Pulse { pulses }), Some(pile_constant)) => {
                    standard(StandardCommand::ArmPulses { pile_constant, pulses })
                }
                _ => Err("the pile's pulse constant is not known".to_owned()),
            },
            Step::PollWait => Ok(after_ms(pace.poll_ms)),
            Step::PollMeasure => standard(StandardCommand::Measure),
            Step::PollTemperature => source(SourceCommand::Temperature),
            Step::PollPulses => standard(StandardCommand::PulsesDone),
            Step::Counted => standard(StandardCommand::PulsesCounted),
            Step::MakeOperative | Step::GiveUpOperative => Ok(Action::MakeOperative),
            Step::SafeWait => {
                let seconds = pace.retry_wait_s.max(if self.outputs_off { 0 } else { pace.watchdog_s });
                Ok(Action::Wait { until: at + SignedDuration::from_secs(i64::from(seconds)) })
            }
            Step::Waiting | Step::Ended => Err("nothing is to be done".to_owned()),
        }
    }

    /// The set-point at hand, checked against the limits of source, pile and plan before it is sent.
    fn set_point(&self) -> Result<SourceCommand, String> {
        let point = self.point().ok_or("no load point is left")?;
        let instrument = self.order.instrument(InstrumentRole::Source).ok_or("the order names no source")?;
        let model = InstrumentModel::named(&instrument.model).map_err(|error| error.to_string())?;
        let limits = &model.limits;
        let plate = &self.order.plate;
        let most = |value: Decimal| value.checked_mul(Decimal::new(11, 1)).unwrap_or(value);
        for (what, value, limit) in [
            ("V by the source", point.voltage_v, limits.voltage_v),
            ("A by the source", point.current_a, limits.current_a),
            ("V by the plate", point.voltage_v, most(plate.voltage_v)),
            ("A by the plate", point.current_a, most(plate.current_max_a)),
        ] {
            if value < Decimal::ZERO || limit < value {
                return Err(format!("{value} is beyond {limit} {what}"));
            }
        }
        Ok(SourceCommand::Set {
            voltage_v: point.voltage_v,
            current_a: point.current_a,
            angle_deg: point.angle_deg(),
            frequency_hz: self.order.plan.frequency_hz,
        })
    }
}

mod flow;

#[cfg(test)]
mod tests;
