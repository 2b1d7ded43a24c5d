//! A run under a real load: a person charges a vehicle, or a load bank, through the standard, and brings it to each load point; the
//! run waits for that and reads. It never tells a source, an outlet or a vehicle anything.
//!
//! The register goes on counting while it is read. So the standard is read before the pile is asked and after it answered: what
//! the register tells was so at some moment in between, and what the standard counted meanwhile bounds the doubt.

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::action::later;
use super::step::End;
use super::{Answered, Command, Indication, Run, Step, Why};
use crate::instrument::InstrumentRole;
use crate::plan::{Effects, Method};

/// How long a run may go on in all: pile and standard are needed by others.
const LONGEST: SignedDuration = SignedDuration::from_hours(24);

/// How long a person has to begin a charge, and to bring it to a load point.
const PATIENCE: SignedDuration = SignedDuration::from_mins(30);

/// A time told to the second may mislead by so much.
const CLOCK_STEP: SignedDuration = SignedDuration::from_secs(1);

/// The register tied to the standard's energy, under a load that goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tie {
    /// The register as sent, Wh.
    pub register_wh: Decimal,
    /// The pile's own time of it, if it told one.
    pub device_time: Option<Timestamp>,
    /// When the pile was asked.
    pub asked_at: Timestamp,
    /// When it had answered.
    pub at: Timestamp,
    /// The standard's energy before the pile was asked, Wh.
    pub before_wh: Decimal,
    /// The same after it answered, Wh.
    pub after_wh: Decimal,
}

impl Tie {
    /// The standard's energy that the register belongs to, Wh: the middle of what it can have been. None beyond what can be computed.
    pub fn reference_wh(&self) -> Option<Decimal> {
        self.before_wh.checked_add(self.after_wh)?.checked_div(Decimal::TWO)
    }

    /// How far from there it can have been, Wh.
    pub fn half_width_wh(&self) -> Option<Decimal> {
        self.after_wh.checked_sub(self.before_wh)?.checked_div(Decimal::TWO)
    }

    /// How long it was from this to a later one by the pile's clock, if by ours it cannot have been so long: each was read between
    /// question and answer, or was as old before as the plan says; none where the pile told no times. A clock that is wrong is so by the
    /// same at both.
    pub(crate) fn strayed_to(&self, later: &Self, effects: &Effects) -> Option<SignedDuration> {
        let by_pile = later.device_time?.duration_since(self.device_time?);
        let allowed = effects.register_age().saturating_add(CLOCK_STEP);
        let least = later.asked_at.duration_since(self.at).saturating_sub(allowed);
        let most = later.at.duration_since(self.asked_at).saturating_add(allowed);
        (by_pile < least || most < by_pile).then_some(by_pile)
    }

    /// Whether the standard's energies rise on the way from this to a later one; an integrator that fell was reset, or told an old value.
    pub(crate) fn rises_to(&self, later: &Self) -> bool {
        [self.before_wh, self.after_wh, later.before_wh, later.after_wh].is_sorted()
    }
}

/// How far the two ends of a reading are tied.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Tying {
    before: Option<(Decimal, Timestamp)>,
    told: Option<(Decimal, Option<Timestamp>, Timestamp)>,
    start: Option<Box<Tie>>,
    stop: Option<Box<Tie>>,
}

impl Tying {
    fn tied(&mut self, after_wh: Decimal) -> Option<Box<Tie>> {
        let (register_wh, device_time, at) = self.told.take()?;
        let (before_wh, asked_at) = self.before.take()?;
        Some(Box::new(Tie { register_wh, device_time, asked_at, at, before_wh, after_wh }))
    }
}

impl Run {
    /// As `answered`, of a run under a real load.
    pub(super) fn answered_under_load(&mut self, answer: &Answered, at: Timestamp) -> Vec<Command> {
        match (self.step, answer) {
            (Step::IdentifyStandard, Answered::Identity(text)) => {
                self.identified(InstrumentRole::Standard, text, Step::ResetStandard, at)
            }
            // No reading is disturbed by a charge that ends before: a person may begin as many as it takes.
            (Step::ResetStandard, Answered::Done) | (Step::PointIdle { .. }, Answered::Idle(false)) => {
                self.await_charge(at)
            }
            (Step::AwaitCharge { .. }, Answered::Idle(true)) => self.await_point(at),
            (Step::AwaitCharge { until }, Answered::Idle(false)) if until <= at => {
                self.give_up(Why::NoLoad, "no charge began in time".to_owned(), at)
            }
            (Step::AwaitCharge { until }, Answered::Idle(false)) => self.go(Step::ChargePause { until }, at),
            (Step::ChargePause { until }, Answered::Waited) => self.go(Step::AwaitCharge { until }, at),
            (Step::AwaitPoint { .. } | Step::PollMeasure, Answered::Measured(voltage_v, current_a, _))
                if self.is_beyond_standard(*voltage_v, *current_a) =>
            {
                let detail =
                    format!("{voltage_v} V, {current_a} A: more than the standard bears; end the charge");
                self.trouble(Why::Limits, detail, at)
            }
            (Step::AwaitPoint { until }, Answered::Measured(voltage_v, current_a, power_w)) => {
                let missed = self.missed(*voltage_v, *current_a, *power_w);
                self.approached(missed, until, at)
            }
            (Step::PointPause { until }, Answered::Waited) => self.go(Step::PointIdle { until }, at),
            (Step::PointIdle { until }, Answered::Idle(true)) => self.go(Step::AwaitPoint { until }, at),
            (Step::SafeWait, Answered::Waited) => self.begin(at),
            _ => self.answered_in_loaded_reading(answer, at),
        }
    }

    fn answered_in_loaded_reading(&mut self, answer: &Answered, at: Timestamp) -> Vec<Command> {
        match (self.step, answer) {
            (Step::Constant, Answered::Number(constant)) => {
                self.draft.standard_constant = Some(*constant);
                self.go(Step::Arm, at)
            }
            (Step::Arm, Answered::Done) => {
                self.draft.began_at = Some(at);
                self.go(Step::PollWait, at)
            }
            (Step::IntegrateReset, Answered::Done) => self.go(Step::IntegrateStart, at),
            (Step::IntegrateStart, Answered::Done) => {
                self.draft.began_at = Some(at);
                self.go(Step::StandardBefore(End::Start), at)
            }
            (Step::StandardBefore(end), Answered::Number(wh)) => {
                self.draft.tying.before = Some((*wh, at));
                self.go(if end == End::Start { Step::RegisterBefore } else { Step::RegisterAfter }, at)
            }
            (Step::RegisterBefore, Answered::Register { wh, device_time }) => {
                self.draft.tying.told = Some((*wh, *device_time, at));
                self.go(Step::StandardAfter(End::Start), at)
            }
            (Step::RegisterAfter, Answered::Register { wh, device_time }) => {
                self.draft.tying.told = Some((*wh, *device_time, at));
                self.go(Step::StandardAfter(End::Stop), at)
            }
            (Step::StandardAfter(End::Start), Answered::Number(wh)) => {
                self.draft.tying.start = self.draft.tying.tied(*wh);
                self.go(Step::PollWait, at)
            }
            (Step::StandardAfter(End::Stop), Answered::Number(wh)) => {
                self.draft.tying.stop = self.draft.tying.tied(*wh);
                self.draft.ended_at = Some(at);
                self.go(Step::IntegrateStop, at)
            }
            (Step::IntegrateStop, Answered::Done) => self.keep_tied(at),
            _ => self.looked_under_load(answer, at),
        }
    }

    fn looked_under_load(&mut self, answer: &Answered, at: Timestamp) -> Vec<Command> {
        match (self.step, answer) {
            (Step::PollWait, Answered::Waited) => self.go(Step::PollIdle, at),
            (Step::PollIdle, Answered::Idle(true)) => self.go(Step::PollMeasure, at),
            (Step::PollIdle, Answered::Idle(false)) => {
                self.is_warm = false;
                self.trouble(Why::NoLoad, "the charge ended".to_owned(), at)
            }
            (Step::PollMeasure, Answered::Measured(voltage_v, current_a, power_w)) => {
                self.measured(*voltage_v, *current_a, *power_w, at)
            }
            (Step::PollEnergy, Answered::Number(wh)) => self.integrated_under_load(*wh, at),
            (Step::PollPulses, Answered::State(true)) => self.go(Step::Counted, at),
            (Step::PollPulses, Answered::State(false)) => self.go_on_or_late(at),
            (Step::Counted, Answered::Number(pulses)) => {
                self.draft.reference = Some(*pulses);
                self.draft.ended_at = Some(at);
                self.keep(None, at)
            }
            _ => Vec::new(),
        }
    }

    fn is_beyond_standard(&self, voltage_v: Decimal, current_a: Decimal) -> bool {
        let limits = self.limits_of(InstrumentRole::Standard);
        limits.is_ok_and(|limits| limits.voltage_v < voltage_v || limits.current_a < current_a)
    }

    fn await_charge(&mut self, at: Timestamp) -> Vec<Command> {
        if self.begun_at.is_some_and(|begun_at| LONGEST <= at.duration_since(begun_at)) {
            return self.give_up(Why::NoLoad, format!("not done in {} h", LONGEST.as_hours()), at);
        }
        // A pile that carries no current cools down.
        self.is_warm = false;
        self.draft.held_since = None;
        self.missed = None;
        self.go(Step::AwaitCharge { until: later(at, PATIENCE) }, at)
    }

    pub(super) fn await_point(&mut self, at: Timestamp) -> Vec<Command> {
        self.go(Step::AwaitPoint { until: later(at, PATIENCE) }, at)
    }

    /// A reading begins once the load has been as the load point asks for so long as the plan lets it settle; the first one after
    /// so long as the plan warms up.
    fn approached(&mut self, missed: Option<String>, until: Timestamp, at: Timestamp) -> Vec<Command> {
        self.missed.clone_from(&missed);
        let pace = &self.order.plan.pace;
        let settled = SignedDuration::from_millis(i64::from(pace.settle_ms));
        let warm = SignedDuration::from_secs(i64::from(if self.is_warm { 0 } else { pace.warm_up_s }));
        match missed {
            Some(missed) if until <= at && self.draft.held_since.is_none() => {
                self.give_up(Why::NoLoad, missed, at)
            }
            Some(_) => {
                // Who had reached it has as long again.
                let had_reached = self.draft.held_since.take().is_some();
                let until = if had_reached { later(at, PATIENCE) } else { until };
                self.go(Step::PointPause { until }, at)
            }
            None if at.duration_since(*self.draft.held_since.get_or_insert(at)) < settled.max(warm) => {
                self.go(Step::PointPause { until }, at)
            }
            None => {
                self.is_warm = true;
                self.draft.is_tried = true;
                self.go(if self.is_counted() { Step::Constant } else { Step::IntegrateReset }, at)
            }
        }
    }

    fn integrated_under_load(&mut self, wh: Decimal, at: Timestamp) -> Vec<Command> {
        let begun = self.draft.tying.start.as_ref().and_then(|tie| tie.reference_wh()).unwrap_or_default();
        let gained = wh.checked_sub(begun).unwrap_or_default();
        if gained < self.energy_wh.unwrap_or_default() {
            return self.trouble(Why::InstrumentError, format!("the standard's energy fell to {wh} Wh"), at);
        }
        self.energy_wh = Some(gained);
        if self.is_enough(gained) {
            return self.go(Step::StandardBefore(End::Stop), at);
        }
        self.go_on_or_late(at)
    }

    /// The reading is complete: the standard's part of it lies between the two ties.
    fn keep_tied(&mut self, at: Timestamp) -> Vec<Command> {
        let Tying { start, stop, .. } = &self.draft.tying;
        let reference = |tie: &Option<Box<Tie>>| tie.as_ref().and_then(|tie| tie.reference_wh());
        let ends = reference(start).zip(reference(stop));
        self.draft.reference = ends.and_then(|(start, stop)| stop.checked_sub(start));
        self.keep(None, at)
    }

    /// What the pile showed under the load.
    pub(super) fn under_load(&self) -> Result<Indication, (Why, String)> {
        if let Some(Method::Pulse { pulses }) = self.point().map(|point| point.method) {
            return self.counted(pulses);
        }
        let strange = |detail: String| (Why::RegisterStrange, detail);
        let Tying { start: Some(start), stop: Some(stop), .. } = &self.draft.tying else {
            return Err(strange("the register was not told at both ends".to_owned()));
        };
        if !start.rises_to(stop) {
            return Err((Why::InstrumentError, "the standard's energy fell".to_owned()));
        }
        if stop.register_wh <= start.register_wh {
            let detail = format!("register {} Wh before, {} Wh after", start.register_wh, stop.register_wh);
            return Err(strange(detail));
        }
        if let Some(strayed) = start.strayed_to(stop, &self.order.plan.effects) {
            let (by_pile, by_us) = (strayed.as_secs_f64(), stop.at.duration_since(start.at).as_secs_f64());
            return Err(strange(format!("{by_pile:.1} s by the pile's clock, {by_us:.1} s by ours")));
        }
        Ok(Indication::Running { start: start.clone(), stop: stop.clone() })
    }
}
