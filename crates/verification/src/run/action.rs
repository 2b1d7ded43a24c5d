//! What belongs to each step of a run: the action, and before a set-point goes out, the limits.

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

use super::{Action, Command, Run, Step, Why};
use crate::instrument::map::Limits;
use crate::instrument::{InstrumentModel, InstrumentRole, SourceCommand, StandardCommand};
use crate::plan::{Method, RegisterSource};

/// Least time between two looks while a person works at the load, ms: each leaves events behind.
const AWAIT_MS_LEAST: u32 = 1000;

impl Run {
    /// Takes a step: gives the action that belongs to it.
    pub(super) fn go(&mut self, step: Step, at: Timestamp) -> Vec<Command> {
        self.step = step;
        match self.action(at) {
            Ok(action) => {
                self.reckon_with(&action);
                vec![Command::Do(action)]
            }
            Err(reason) => self.give_up(Why::Limits, reason, at),
        }
    }

    /// What an action may have done is reckoned with from the moment it is given: its answer may be lost on the way.
    fn reckon_with(&mut self, action: &Action) {
        match action {
            Action::Source(SourceCommand::OutputOn) => {
                self.may.be_on = true;
                self.draft.is_tried = self.step == Step::On;
            }
            Action::MakeInoperative => self.may.be_closed = true,
            Action::TestMode { on: true } => self.may.be_in_test_mode = true,
            _ => {}
        }
    }

    /// The action of the step at hand. An error is a set-point that must not be sent.
    fn action(&self, at: Timestamp) -> Result<Action, String> {
        let pace = &self.order.plan.pace;
        let source = |command| Ok(Action::Source(command));
        let standard = |command| Ok(Action::Standard(command));
        let after_ms =
            |ms: u32| Action::Wait { until: later(at, SignedDuration::from_millis(i64::from(ms))) };
        let after_s = |s: u32| Action::Wait { until: later(at, SignedDuration::from_secs(i64::from(s))) };
        match self.step {
            Step::MakeInoperative => Ok(Action::MakeInoperative),
            Step::CheckIdle
            | Step::IdleBefore
            | Step::WarmIdle { .. }
            | Step::PollIdle
            | Step::AwaitCharge { .. }
            | Step::PointIdle { .. } => Ok(Action::CheckIdle),
            Step::IdentifySource => source(SourceCommand::Identify),
            Step::IdentifyStandard => standard(StandardCommand::Identify),
            Step::ResetSource => source(SourceCommand::Reset),
            Step::ResetStandard => standard(StandardCommand::Reset),
            Step::Watchdog => source(SourceCommand::Watchdog { seconds: pace.watchdog_s }),
            Step::EnterTest => Ok(Action::TestMode { on: true }),
            Step::LeaveTest | Step::LeaveAgain | Step::GiveUpTest | Step::GiveUpTestAgain => {
                Ok(Action::TestMode { on: false })
            }
            Step::WarmSet | Step::Set => self.set_point().map(Action::Source),
            Step::WarmOn | Step::On => source(SourceCommand::OutputOn),
            Step::WarmWait { until } => {
                let next = later(at, SignedDuration::from_millis(i64::from(pace.poll_ms)));
                Ok(Action::Wait { until: until.min(next) })
            }
            Step::WarmLook { .. } | Step::PollState | Step::ReadBack(_) => source(SourceCommand::OutputState),
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
            Step::Energy | Step::PollEnergy | Step::StandardBefore(_) | Step::StandardAfter(_) => {
                standard(StandardCommand::Energy)
            }
            Step::Constant => standard(StandardCommand::PulseConstant),
            Step::Arm => match (self.point().map(|point| point.method), self.order.plate.pulse_constant) {
                (Some(Method::Pulse { pulses }), Some(pile_constant)) => {
                    standard(StandardCommand::ArmPulses { pile_constant, pulses })
                }
                _ => Err("the pile's pulse constant is not known".to_owned()),
            },
            Step::PollWait => Ok(after_ms(pace.poll_ms)),
            Step::WarmMeasure { .. } | Step::PollMeasure | Step::AwaitPoint { .. } => {
                standard(StandardCommand::Measure)
            }
            Step::WarmTemperature { .. } | Step::PollTemperature => source(SourceCommand::Temperature),
            Step::PollPulses => standard(StandardCommand::PulsesDone),
            Step::Counted => standard(StandardCommand::PulsesCounted),
            Step::MakeOperative | Step::GiveUpOperative => Ok(Action::MakeOperative),
            Step::ChargePause { .. } | Step::PointPause { .. } => {
                Ok(after_ms(pace.poll_ms.max(AWAIT_MS_LEAST)))
            }
            // While the source may be on and does not answer, only its own dead man switches it off: it must hear nothing.
            Step::SafeWait if self.may.be_on => Ok(after_s(pace.retry_wait_s.max(pace.watchdog_s))),
            Step::SafeWait | Step::LeaveWait | Step::GiveUpTestWait => Ok(after_s(pace.retry_wait_s)),
            Step::GiveUpWait => Ok(after_s(pace.watchdog_s)),
            Step::Waiting | Step::Ended => Err("nothing is to be done".to_owned()),
        }
    }

    /// The set-point at hand, checked against the limits of source, pile, standard and plan before it is sent.
    fn set_point(&self) -> Result<SourceCommand, String> {
        let point = self.point().ok_or("no load point is left")?;
        let (source, standard) =
            (self.limits_of(InstrumentRole::Source)?, self.limits_of(InstrumentRole::Standard)?);
        let plate = &self.order.plate;
        let most = |value: Decimal| value.checked_mul(Decimal::new(11, 1)).unwrap_or(value);
        for (what, value, limit) in [
            ("V by the source", point.voltage_v, source.voltage_v),
            ("A by the source", point.current_a, source.current_a),
            ("V by the plate", point.voltage_v, most(plate.voltage_v)),
            ("A by the plate", point.current_a, most(plate.current_max_a)),
            ("V by the standard", point.voltage_v, standard.voltage_v),
            ("A by the standard", point.current_a, standard.current_a),
        ] {
            if value < Decimal::ZERO || limit < value {
                return Err(format!("{value} is beyond {limit} {what}"));
            }
        }
        let least = source.power_factor_least.max(standard.power_factor_least);
        if let Some(factor) = point.power_factor.filter(|factor| *factor < least || Decimal::ONE < *factor) {
            return Err(format!("power factor {factor} is not between {least} and 1"));
        }
        let frequency_hz = self.order.plan.frequency_hz;
        if let Some(expected) = self.order.plan.frequency_fault(plate.kind) {
            return Err(format!("frequency {frequency_hz} Hz; {expected}"));
        }
        Ok(SourceCommand::Set {
            voltage_v: point.voltage_v,
            current_a: point.current_a,
            angle_deg: point.angle_deg(),
            frequency_hz,
        })
    }

    pub(super) fn limits_of(&self, role: InstrumentRole) -> Result<Limits, String> {
        let instrument = self.order.instrument(role);
        let instrument = instrument.ok_or_else(|| format!("the order names no {}", role.word()))?;
        let model = InstrumentModel::named(&instrument.model).map_err(|error| error.to_string())?;
        Ok(model.limits.clone())
    }
}

/// A moment so much later; at the end of the calendar, its end.
pub(super) fn later(at: Timestamp, duration: SignedDuration) -> Timestamp {
    at.checked_add(duration).unwrap_or(Timestamp::MAX)
}
