//! A run: the state machine that carries out a plan. An event in, commands out; nothing else goes in, so that stored events
//! give the same run again.
//!
//! `gateway::runner` performs what [`Run::step`] gives and tells what came of it, one action at a time; events from people come
//! in between. After a restart it replays the stored events ([`Run::step_stored`]) and steps on with [`Happening::Resumed`].
//! Safety is here: the outlet is made inoperative first, nothing is switched on while a charge runs, set-points are checked
//! before they are sent, outputs go off on any doubt, an off counts only once the source says that its outputs are off, and a
//! reading that was disturbed is thrown away and taken again. Under a real load there is no source: a person's charge is waited for
//! and looked at, and neither outlet nor source is ever told anything (`load`).

mod action;
mod event;
mod flow;
mod load;
mod safety;
mod step;
mod trouble;

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

pub use event::{Answered, Event, Happening, Party};
pub use trouble::{Ending, Trouble, Why};

pub use load::Tie;
use step::Step;

use crate::instrument::{SourceCommand, StandardCommand};
use crate::item::{Conditions, ItemCode, ItemRecord};
use crate::order::Order;
use crate::plan::{Load, LoadPoint, Method, RegisterSource};

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
    /// Outputs on, or the standard integrates or counts a load that is there already.
    pub began_at: Timestamp,
    /// Outputs off, or the end of integrating or counting.
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
    /// Its register, as sent, while nothing flowed.
    Register {
        /// Before, Wh.
        start_wh: Decimal,
        /// After, Wh.
        stop_wh: Decimal,
    },
    /// Its register while a real load went on, each end tied to the standard's energy.
    Running {
        /// At the start.
        start: Box<Tie>,
        /// At the end.
        stop: Box<Tie>,
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

impl Indication {
    /// The register at start and stop, Wh; none of pulses.
    pub fn registers(&self) -> Option<(Decimal, Decimal)> {
        match self {
            Self::Register { start_wh, stop_wh } => Some((*start_wh, *stop_wh)),
            Self::Running { start, stop } => Some((start.register_wh, stop.register_wh)),
            Self::Pulses { .. } => None,
        }
    }
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

/// What is known of the reading at hand.
#[derive(Debug, Clone, Default, PartialEq)]
struct Draft {
    /// Outputs were told to go on for it: thrown away, it counts.
    is_tried: bool,
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
    /// Under a real load: since when it is as the load point asks.
    held_since: Option<Timestamp>,
    /// Under a real load: how far the register is tied to the standard's energy.
    tying: load::Tying,
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
    /// `waiting`; under a real load what a person is waited for: `awaiting_charge`, `awaiting_point`.
    pub stage: &'static str,
    /// What is not yet as the load point at hand asks, while that is awaited.
    pub missed: Option<String>,
    /// Whether a person is asked to read the display.
    pub asks_display: bool,
}

/// What may be so in the field: it was told, and whether it was heard is not known until the opposite is confirmed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct May {
    /// Outputs were told to go on, and have not been confirmed off since.
    be_on: bool,
    /// The outlet was told to close.
    be_closed: bool,
    /// The pile was told to enter its virtual-load mode.
    be_in_test_mode: bool,
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
    restarts: u32,
    is_warm: bool,
    may: May,
    /// Given up: the dead man of a silent source was waited out.
    is_waited_out: bool,
    taken: Vec<Taken>,
    items: Vec<ItemRecord>,
    conditions: Option<Conditions>,
    /// Who read the display for it.
    display_readers: Vec<String>,
    troubles: Vec<Trouble>,
    why: Option<(Why, String)>,
    outputs_off: bool,
    /// Under a real load, while a load point is awaited.
    missed: Option<String>,
    begun_at: Option<Timestamp>,
    ending: Option<Ending>,
}

impl Run {
    /// A run that has not begun. The order was checked ([`Order::check`]); what an unchecked one asks for beyond the limits of
    /// source and plate is given up before it is sent.
    pub fn new(order: Order) -> Self {
        Self {
            order,
            step: Step::Waiting,
            draft: Draft::default(),
            energy_wh: None,
            discarded: 0,
            failures: 0,
            restarts: 0,
            is_warm: false,
            may: May::default(),
            is_waited_out: false,
            taken: Vec::new(),
            items: Vec::new(),
            conditions: None,
            display_readers: Vec::new(),
            troubles: Vec::new(),
            why: None,
            outputs_off: true,
            missed: None,
            begun_at: None,
            ending: None,
        }
    }

    /// A run again, from its stored events in their order.
    pub fn replay<'a>(order: Order, events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut run = Self::new(order);
        for event in events {
            run.step_stored(event);
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
        let newest = |code| self.items.iter().find(|record| record.code == code);
        ItemCode::ALL.into_iter().filter_map(newest).collect()
    }

    /// The conditions, as last recorded.
    pub fn conditions(&self) -> Option<&Conditions> {
        self.conditions.as_ref()
    }

    /// Who recorded what the result rests on: items and conditions as they stand, displays read. A name may stand twice.
    pub fn recorders(&self) -> Vec<&str> {
        let items = self.items.iter().map(|record| &record.person);
        let conditions = self.conditions.iter().map(|conditions| &conditions.person);
        items.chain(conditions).chain(&self.display_readers).map(String::as_str).collect()
    }

    /// What went wrong on the way.
    pub fn troubles(&self) -> &[Trouble] {
        &self.troubles
    }

    /// How it ended, once it has.
    pub fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    /// Whether a source feeds the pile; a real load is a charge that a person began.
    pub fn has_source(&self) -> bool {
        self.order.plan.load == Load::Virtual
    }

    fn begin(&mut self, at: Timestamp) -> Vec<Command> {
        self.begun_at.get_or_insert(at);
        self.go(if self.has_source() { Step::MakeInoperative } else { Step::IdentifyStandard }, at)
    }

    /// Whether the outlet was told to close, and has not confirmed since that it is open again.
    pub fn may_be_closed(&self) -> bool {
        self.may.be_closed
    }

    /// Whether the pile was told to enter its virtual-load mode, and has not confirmed since that it left: until then it registers
    /// what nobody is given.
    pub fn may_be_in_test_mode(&self) -> bool {
        self.may.be_in_test_mode
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
            stage: match (self.step.stage(), &self.ending) {
                (Some(word), _) => word,
                (None, Some(Ending::Measured)) => "measured",
                (None, _) => "abandoned",
            },
            missed: self.missed.clone(),
            asks_display: self.asks_display(),
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
                // Only the newest of each counts; the older ones stay among the events.
                self.items.retain(|known| known.code != record.code);
                self.items.push(record.clone());
                Vec::new()
            }
            Happening::Conditions(conditions) => {
                self.conditions = Some(conditions.clone());
                Vec::new()
            }
            _ if self.step == Step::Ended => Vec::new(),
            Happening::Begun if self.step == Step::Waiting => self.begin(at),
            Happening::Resumed => self.resumed(at),
            Happening::Stopped { person, reason } => {
                self.give_up(Why::Stopped, format!("{person}: {reason}"), at)
            }
            Happening::DisplayRead { wh, person } if self.asks_display() => {
                self.display_readers.push(person.clone());
                self.answered(&Answered::Register { wh: *wh, device_time: None }, at)
            }
            // A register that comes over the wire is nobody's look at the display. An unasked look is no answer below.
            Happening::Register { .. } if self.asks_display() => Vec::new(),
            // Nothing is begun of one that waits, and one that is given up is given up.
            Happening::OtherFirmware { told } if self.step != Step::Waiting && !self.step.gives_up() => {
                self.give_up(Why::FirmwareChanged, told.clone(), at)
            }
            Happening::Failed { party, lost, detail } => self.failed(*party, *lost, detail, at),
            _ => match event.what.answer() {
                Some(answer) => self.answered(&answer, at),
                None => Vec::new(),
            },
        }
    }
}

#[cfg(test)]
mod tests;
