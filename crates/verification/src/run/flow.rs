//! The way of a run when all goes well: which answer leads to which step.

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::action::later;
use super::step::Off;
use super::{Answered, Command, Draft, Ending, Indication, READING_LEAST, Run, Step, Taken, Why};
use crate::instrument::{InstrumentModel, InstrumentRole};
use crate::plan::Method;

impl Run {
    /// An answer to the action of the step at hand. One that does not belong to it is late, and changes nothing.
    pub(super) fn answered(&mut self, answer: &Answered, at: Timestamp) -> Vec<Command> {
        if !self.has_source() {
            return self.answered_under_load(answer, at);
        }
        match (self.step, answer) {
            (Step::MakeInoperative, Answered::Availability(status)) => self.made_inoperative(status, at),
            (Step::CheckIdle, Answered::Idle(false)) => self.go(Step::IdentifySource, at),
            (Step::IdleBefore, Answered::Idle(false)) => {
                self.go(if self.is_counted() { Step::Constant } else { Step::IntegrateReset }, at)
            }
            (
                Step::CheckIdle | Step::IdleBefore | Step::WarmIdle { .. } | Step::PollIdle,
                Answered::Idle(true),
            ) => self.trouble(Why::ChargeRuns, String::new(), at),
            (Step::IdentifySource, Answered::Identity(text)) => {
                self.identified(InstrumentRole::Source, text, Step::IdentifyStandard, at)
            }
            (Step::IdentifyStandard, Answered::Identity(text)) => {
                self.identified(InstrumentRole::Standard, text, Step::ResetSource, at)
            }
            (Step::ResetSource, Answered::Done) => self.go(Step::ReadBack(Off::Reset), at),
            (Step::ReadBack(off), Answered::State(is_on)) => self.read_back(off, *is_on, at),
            (Step::ResetStandard, Answered::Done) => self.go(Step::Watchdog, at),
            (Step::Watchdog, Answered::Done) => self.enter(at),
            (Step::EnterTest, Answered::Done) => self.warm_up_or_read(at),
            _ => self.answered_in_warm_up(answer, at),
        }
    }

    /// A warm-up is looked at like a reading: the pile, voltage, current, outputs, temperature. It is the first time that anything is on.
    fn answered_in_warm_up(&mut self, answer: &Answered, at: Timestamp) -> Vec<Command> {
        match (self.step, answer) {
            (Step::WarmSet, Answered::Done) => self.go(Step::WarmOn, at),
            (Step::WarmOn, Answered::Done) => {
                let warm_up = SignedDuration::from_secs(i64::from(self.order.plan.pace.warm_up_s));
                self.go(Step::WarmWait { until: later(at, warm_up) }, at)
            }
            (Step::WarmWait { until }, Answered::Waited) => self.go(Step::WarmIdle { until }, at),
            (Step::WarmIdle { until }, Answered::Idle(false)) => self.go(Step::WarmMeasure { until }, at),
            (Step::WarmMeasure { until }, Answered::Measured(voltage_v, current_a, power_w)) => {
                match self.missed(*voltage_v, *current_a, *power_w) {
                    Some(missed) => self.trouble(Why::SetPointMissed, missed, at),
                    None => self.go(Step::WarmLook { until }, at),
                }
            }
            (Step::WarmLook { .. }, Answered::State(false)) => {
                self.trouble(Why::OutputsTripped, String::new(), at)
            }
            (Step::WarmLook { until }, Answered::State(true)) if self.source_tells_temperature() => {
                self.go(Step::WarmTemperature { until }, at)
            }
            (Step::WarmLook { until }, Answered::State(true)) => self.go_on_warming(until, at),
            (Step::WarmTemperature { until }, Answered::Temperature(celsius)) => {
                if self.order.plan.temperature_c_max < *celsius {
                    return self.give_up(Why::OverTemperature, format!("{celsius} °C"), at);
                }
                self.go_on_warming(until, at)
            }
            _ => self.answered_in_reading(answer, at),
        }
    }

    fn go_on_warming(&mut self, until: Timestamp, at: Timestamp) -> Vec<Command> {
        if at < until {
            return self.go(Step::WarmWait { until }, at);
        }
        self.is_warm = true;
        self.go(Step::OffBefore, at)
    }

    fn answered_in_reading(&mut self, answer: &Answered, at: Timestamp) -> Vec<Command> {
        match (self.step, answer) {
            (Step::OffBefore, Answered::Done) => self.go(Step::ReadBack(Off::Before), at),
            (Step::SettleBefore, Answered::Waited) => {
                self.go(if self.is_counted() { Step::IdleBefore } else { Step::RegisterBefore }, at)
            }
            // A person may have taken an hour to read the display: whether a charge runs is asked after it.
            (Step::RegisterBefore, Answered::Register { wh, .. }) => {
                self.draft.register_start_wh = Some(*wh);
                self.go(Step::IdleBefore, at)
            }
            (Step::IntegrateReset, Answered::Done) => self.go(Step::IntegrateStart, at),
            (Step::IntegrateStart, Answered::Done) => self.go(Step::Set, at),
            (Step::Constant, Answered::Number(constant)) => {
                self.draft.standard_constant = Some(*constant);
                self.go(Step::Set, at)
            }
            (Step::Set, Answered::Done) => self.go(Step::On, at),
            (Step::On, Answered::Done) => {
                self.draft.began_at = Some(at);
                self.go(if self.is_counted() { Step::Arm } else { Step::PollWait }, at)
            }
            (Step::Arm, Answered::Done) => self.go(Step::PollWait, at),
            // A vehicle may have come, or the pile be gone, while outputs are on.
            (Step::PollWait, Answered::Waited) => self.go(Step::PollIdle, at),
            (Step::PollIdle, Answered::Idle(false)) => self.go(Step::PollMeasure, at),
            (Step::PollMeasure, Answered::Measured(voltage_v, current_a, power_w)) => {
                self.measured(*voltage_v, *current_a, *power_w, at)
            }
            (Step::PollState, Answered::State(false)) => self.trouble(Why::OutputsTripped, String::new(), at),
            (Step::PollState, Answered::State(true)) if self.source_tells_temperature() => {
                self.go(Step::PollTemperature, at)
            }
            (Step::PollState, Answered::State(true)) => self.poll_reference(at),
            (Step::PollTemperature, Answered::Temperature(celsius)) => self.warmed(*celsius, at),
            (Step::PollEnergy, Answered::Number(wh)) => self.integrated(*wh, at),
            (Step::PollPulses, Answered::State(true)) => self.go(Step::Counted, at),
            (Step::PollPulses, Answered::State(false)) => self.go_on_or_late(at),
            (Step::Counted, Answered::Number(pulses)) => {
                self.draft.reference = Some(*pulses);
                self.go(Step::OffAfter, at)
            }
            (Step::OffAfter, Answered::Done) => {
                self.draft.ended_at = Some(at);
                // A counted reading is complete: the off that follows at once is read back.
                if self.is_counted() { self.keep(None, at) } else { self.go(Step::ReadBack(Off::After), at) }
            }
            (Step::SettleAfter, Answered::Waited) => self.go(Step::IntegrateStop, at),
            (Step::IntegrateStop, Answered::Done) => self.go(Step::Energy, at),
            (Step::Energy, Answered::Number(wh)) => {
                self.draft.reference = Some(*wh);
                self.go(Step::RegisterAfter, at)
            }
            (Step::RegisterAfter, Answered::Register { wh, .. }) => self.keep(Some(*wh), at),
            _ => self.answered_at_the_end(answer, at),
        }
    }

    fn answered_at_the_end(&mut self, answer: &Answered, at: Timestamp) -> Vec<Command> {
        match (self.step, answer) {
            (Step::LastOff, Answered::Done) => self.go(Step::ReadBack(Off::Last), at),
            (Step::LeaveTest | Step::LeaveAgain, Answered::Done) => {
                self.may.be_in_test_mode = false;
                self.go(Step::MakeOperative, at)
            }
            (Step::LeaveWait, Answered::Waited) => self.go(Step::LeaveAgain, at),
            (Step::MakeOperative, Answered::Availability(status)) => {
                // Everything is measured: an outlet that stays closed costs no result, but it is told.
                self.may.be_closed = status != "Accepted";
                if self.may.be_closed {
                    self.note(at, Why::AvailabilityRefused, status.clone());
                }
                self.end(Ending::Measured)
            }
            (Step::SafeOff, Answered::Done) => self.go(Step::ReadBack(Off::Safe), at),
            (Step::SafeWait, Answered::Waited) => {
                self.go(if self.may.be_on { Step::SafeOff } else { Step::MakeInoperative }, at)
            }
            (Step::GiveUpOff, Answered::Done) => self.go(Step::ReadBack(Off::GiveUp), at),
            (Step::GiveUpWait, Answered::Waited) => self.go(Step::GiveUpOff, at),
            (Step::GiveUpTest | Step::GiveUpTestAgain, Answered::Done) => {
                self.may.be_in_test_mode = false;
                self.open_or_end(at)
            }
            (Step::GiveUpTestWait, Answered::Waited) => self.go(Step::GiveUpTestAgain, at),
            (Step::GiveUpOperative, Answered::Availability(status)) => {
                self.may.be_closed = status != "Accepted";
                self.end_abandoned(!self.may.be_closed)
            }
            _ => Vec::new(),
        }
    }

    fn made_inoperative(&mut self, status: &str, at: Timestamp) -> Vec<Command> {
        match status {
            "Accepted" => self.go(Step::CheckIdle, at),
            "Scheduled" => self.trouble(Why::ChargeRuns, "Scheduled".to_owned(), at),
            other => self.give_up(Why::AvailabilityRefused, other.to_owned(), at),
        }
    }

    /// An instrument must be of the model and serial number that the order names.
    pub(super) fn identified(
        &mut self,
        role: InstrumentRole,
        text: &str,
        next: Step,
        at: Timestamp,
    ) -> Vec<Command> {
        let is_right = self.order.instrument(role).is_some_and(|instrument| {
            let model = InstrumentModel::named(&instrument.model);
            model.is_ok_and(|model| model.identity.is_told_by(text, &instrument.serial))
        });
        if is_right { self.go(next, at) } else { self.give_up(Why::WrongInstrument, text.to_owned(), at) }
    }

    fn enter(&mut self, at: Timestamp) -> Vec<Command> {
        if self.order.plan.test_mode_vendor.is_some() {
            self.go(Step::EnterTest, at)
        } else {
            self.warm_up_or_read(at)
        }
    }

    fn warm_up_or_read(&mut self, at: Timestamp) -> Vec<Command> {
        if self.taken.len() >= self.total() {
            return self.go(Step::LastOff, at);
        }
        let is_cold = !self.is_warm && self.order.plan.pace.warm_up_s > 0;
        self.go(if is_cold { Step::WarmSet } else { Step::OffBefore }, at)
    }

    pub(super) fn measured(
        &mut self,
        voltage_v: Decimal,
        current_a: Decimal,
        power_w: Decimal,
        at: Timestamp,
    ) -> Vec<Command> {
        if let Some(missed) = self.missed(voltage_v, current_a, power_w) {
            return self.trouble(Why::SetPointMissed, missed, at);
        }
        let draft = &mut self.draft;
        let sums = [
            (draft.voltage_sum.checked_add(voltage_v)),
            (draft.current_sum.checked_add(current_a)),
            (draft.power_sum.checked_add(power_w)),
        ];
        if let [Some(voltage), Some(current), Some(power)] = sums {
            (draft.voltage_sum, draft.current_sum, draft.power_sum) = (voltage, current, power);
            draft.looks += 1;
        }
        if self.has_source() { self.go(Step::PollState, at) } else { self.poll_reference(at) }
    }

    /// What is not as it was set, if anything is. Voltage and current must be within the plan's tolerance of their set-points; and
    /// the power within the same part of the apparent power, or the phase is wrong.
    pub(super) fn missed(&self, voltage_v: Decimal, current_a: Decimal, power_w: Decimal) -> Option<String> {
        let point = self.point()?;
        let tolerance = self.order.plan.set_point_percent;
        for (what, is, set, tolerance) in [
            ("V", voltage_v, point.voltage_v, self.order.plan.voltage_percent()),
            ("A", current_a, point.current_a, tolerance),
        ] {
            if !is_near(is, set, set, tolerance) {
                return Some(format!("{is} {what}, set {set} {what}"));
            }
        }
        let apparent = voltage_v.checked_mul(current_a)?;
        let power = apparent.checked_mul(point.power_factor.unwrap_or(Decimal::ONE))?;
        (!is_near(power_w, power, apparent, tolerance))
            .then(|| format!("{power_w} W, set {} W", power.round_dp(3).normalize()))
    }

    fn source_tells_temperature(&self) -> bool {
        let source = self.order.instrument(InstrumentRole::Source);
        source
            .and_then(|source| InstrumentModel::named(&source.model).ok())
            .is_some_and(|model| model.tells_temperature())
    }

    fn warmed(&mut self, celsius: Decimal, at: Timestamp) -> Vec<Command> {
        let hottest = self.draft.source_c_max.map_or(celsius, |known| known.max(celsius));
        self.draft.source_c_max = Some(hottest);
        if self.order.plan.temperature_c_max < celsius {
            return self.give_up(Why::OverTemperature, format!("{celsius} °C"), at);
        }
        self.poll_reference(at)
    }

    pub(super) fn poll_reference(&mut self, at: Timestamp) -> Vec<Command> {
        self.go(if self.is_counted() { Step::PollPulses } else { Step::PollEnergy }, at)
    }

    fn integrated(&mut self, wh: Decimal, at: Timestamp) -> Vec<Command> {
        self.energy_wh = Some(wh);
        if self.is_enough(wh) { self.go(Step::OffAfter, at) } else { self.go_on_or_late(at) }
    }

    /// Whether it is the energy that the load point asks for.
    pub(super) fn is_enough(&self, wh: Decimal) -> bool {
        self.point().is_none_or(|point| point.energy_wh <= wh)
    }

    /// Polls again, unless the reading has taken longer than its energy can need.
    pub(super) fn go_on_or_late(&mut self, at: Timestamp) -> Vec<Command> {
        let began_at = self.draft.began_at.unwrap_or(at);
        if self.time_allowed() < at.duration_since(began_at) {
            let energy = self.energy_wh.unwrap_or_default();
            return self.trouble(Why::TooSlow, format!("{energy} Wh"), at);
        }
        self.go(Step::PollWait, at)
    }

    /// # Formula
    /// `t = patience · W / P`, and a minute at least; for pulses `W = N / C`.
    fn time_allowed(&self) -> SignedDuration {
        let Some(point) = self.point() else { return READING_LEAST };
        let energy_wh = match point.method {
            Method::Register => point.energy_wh,
            Method::Pulse { pulses } => {
                let kwh = self.order.plate.pulse_constant.and_then(|c| Decimal::from(pulses).checked_div(c));
                kwh.and_then(|kwh| kwh.checked_mul(Decimal::ONE_THOUSAND)).unwrap_or_default()
            }
        };
        let seconds = point
            .power_w()
            .and_then(|power| energy_wh.checked_mul(Decimal::from(3600))?.checked_div(power))
            .and_then(|seconds| seconds.checked_mul(Decimal::from(self.order.plan.pace.patience)))
            .and_then(|seconds| seconds.to_i64())
            .unwrap_or(0);
        SignedDuration::from_secs(seconds.clamp(0, 7 * 86_400)).max(READING_LEAST)
    }

    /// The reading is complete: kept if it makes sense, else taken again.
    pub(super) fn keep(&mut self, register_stop_wh: Option<Decimal>, at: Timestamp) -> Vec<Command> {
        let taken = match self.finished(register_stop_wh, at) {
            Ok(taken) => taken,
            Err((why, reason)) => return self.trouble(why, reason, at),
        };
        self.taken.push(taken.clone());
        self.draft = Draft::default();
        self.discarded = 0;
        self.energy_wh = None;
        let mut commands = vec![Command::Keep(taken)];
        commands.extend(match (self.has_source(), self.taken.len() < self.total()) {
            (true, true) => self.go(Step::OffBefore, at),
            (true, false) => self.go(Step::LastOff, at),
            (false, true) => self.await_point(at),
            (false, false) => self.end(Ending::Measured),
        });
        commands
    }

    fn finished(&self, register_stop_wh: Option<Decimal>, at: Timestamp) -> Result<Taken, (Why, String)> {
        let draft = &self.draft;
        let (point, repeat) = self.position();
        let standard = |reason: &str| (Why::InstrumentError, reason.to_owned());
        let mean = |sum: Decimal| {
            let mean = sum.checked_div(Decimal::from(draft.looks));
            mean.map(|mean| mean.round_dp(4)).ok_or_else(|| standard("nothing was measured"))
        };
        let reference = draft.reference.ok_or_else(|| standard("the standard told nothing"))?;
        // An integrator that fell, was reset on the way; whatever it shows now is not of this reading.
        if reference <= Decimal::ZERO || reference < self.energy_wh.unwrap_or_default() {
            return Err(standard(&format!("the standard shows {reference} at the end")));
        }
        Ok(Taken {
            point,
            repeat,
            discarded: self.discarded,
            began_at: draft.began_at.unwrap_or(at),
            ended_at: draft.ended_at.unwrap_or(at),
            indication: if self.has_source() {
                self.indication(register_stop_wh)?
            } else {
                self.under_load()?
            },
            reference,
            voltage_v: mean(draft.voltage_sum)?,
            current_a: mean(draft.current_sum)?,
            power_w: mean(draft.power_sum)?,
            source_c_max: draft.source_c_max,
        })
    }

    /// What the pile showed. A register must rise: the standard has seen energy.
    fn indication(&self, register_stop_wh: Option<Decimal>) -> Result<Indication, (Why, String)> {
        let draft = &self.draft;
        match (self.point().map(|point| point.method), draft.register_start_wh, register_stop_wh) {
            (Some(Method::Register), Some(start_wh), Some(stop_wh)) if start_wh < stop_wh => {
                Ok(Indication::Register { start_wh, stop_wh })
            }
            (Some(Method::Pulse { pulses }), ..) => self.counted(pulses),
            (_, start, stop) => {
                let told = |wh: Option<Decimal>| wh.map_or_else(|| "–".to_owned(), |wh| wh.to_string());
                let detail = format!("register {} Wh before, {} Wh after", told(start), told(stop));
                Err((Why::RegisterStrange, detail))
            }
        }
    }

    /// Its pulses, with what they are worth.
    pub(super) fn counted(&self, pulses: u64) -> Result<Indication, (Why, String)> {
        let constants = self.order.plate.pulse_constant.zip(self.draft.standard_constant);
        let (pile_constant, standard_constant) =
            constants.ok_or((Why::InstrumentError, "a pulse constant is missing".to_owned()))?;
        Ok(Indication::Pulses { pulses, pile_constant, standard_constant })
    }
}

/// Whether a value is as far from another as a percentage of a whole, or nearer.
fn is_near(is: Decimal, set: Decimal, whole: Decimal, percent: Decimal) -> bool {
    let (off, allowed) = (is.checked_sub(set), whole.checked_mul(percent));
    off.zip(allowed).is_some_and(|(off, allowed)| off.abs() <= allowed / Decimal::ONE_HUNDRED)
}
