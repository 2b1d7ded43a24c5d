//! An order: which outlet of which pile is to be verified, why, by which rules, by whom, with what.
//!
//! Made by `api` from a form, kept by `store`, carried out by `gateway::runner`. [`Order::check`] is the one place that says
//! whether it may be carried out; it is asked when the order is made and again when the run begins.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use veripile_metrology::rules::{self, RuleSet};
use veripile_pile::{AccuracyClass, PileId, PileKind, is_same_person};

use crate::instrument::{Instrument, InstrumentModel, InstrumentRole};
use crate::plan::{Load, Method, Plan, PlanError};

/// Why a pile is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Before first use (首次检定).
    First,
    /// Because its interval is over (后续检定).
    Periodic,
    /// After a repair (修理后检定).
    AfterRepair,
    /// A case asks for it.
    Case,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::First, Self::Periodic, Self::AfterRepair, Self::Case];

    /// The word used in forms, files and texts.
    pub fn word(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Periodic => "periodic",
            Self::AfterRepair => "after_repair",
            Self::Case => "case",
        }
    }

    /// Reads [`Self::word`] back.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.word() == word)
    }
}

/// The pile as its plate and registration say it, at the time of the order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plate {
    /// Its number.
    pub pile_id: PileId,
    /// AC or DC.
    pub kind: PileKind,
    /// Accuracy class.
    pub class: AccuracyClass,
    /// Model.
    pub model: Option<String>,
    /// Serial number of its meter.
    pub meter_serial: Option<String>,
    /// Firmware that it runs.
    pub firmware: Option<String>,
    /// Rated power, kW.
    pub power_kw: Option<Decimal>,
    /// Nominal voltage, V.
    pub voltage_v: Decimal,
    /// Rated current, A.
    pub current_max_a: Decimal,
    /// Least step of its register, Wh.
    pub register_step_wh: Decimal,
    /// Pulse constant, imp/kWh, where the plate names one.
    pub pulse_constant: Option<Decimal>,
    /// Station.
    pub station: Option<String>,
    /// Operator (经营者).
    pub operator: Option<String>,
}

/// Nominal voltages where the plate names none, V: single-phase AC, and the middle of a DC charger's range.
const VOLTAGE_AC_V: i64 = 220;
const VOLTAGE_DC_V: i64 = 750;

impl Plate {
    /// Whether the pile runs other firmware than this: both must be told.
    pub fn is_other_firmware(&self, told: &str) -> bool {
        self.firmware.as_ref().is_some_and(|known| known.trim() != told.trim())
    }

    /// Nominal voltage to assume for a kind, V.
    pub fn assumed_voltage_v(kind: PileKind) -> Decimal {
        match kind {
            PileKind::Ac => Decimal::from(VOLTAGE_AC_V),
            PileKind::Dc => Decimal::from(VOLTAGE_DC_V),
        }
    }

    /// Rated current where the plate is silent: rated power by nominal voltage (JJG 1148/1149-2022), A, to 0.1 A.
    pub fn current_from_power(power_kw: Decimal, voltage_v: Decimal) -> Option<Decimal> {
        let power_w = power_kw.checked_mul(Decimal::ONE_THOUSAND)?;
        power_w.checked_div(voltage_v).map(|current| current.round_dp(1))
    }
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Number of the order, and of the document it ends in.
    pub number: String,
    /// The pile.
    pub plate: Plate,
    /// Which outlet (connector of OCPP 1.6, EVSE of 2.x), from 1.
    pub connector: u32,
    /// Why.
    pub reason: Reason,
    /// The case or the repair that it is ordered for, as its own records number it. Orders before the fifth format of documents name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Rule set, as [`RuleSet::reference`] has it, e.g. `JJG 1148-2022`, `JJG 1148-2018 v2`.
    pub rule_set: String,
    /// What is done.
    pub plan: Plan,
    /// The body that verifies (检定机构).
    pub body: String,
    /// Who verifies (检定员).
    pub verifier: String,
    /// Who reviews (核验员): somebody else.
    pub reviewer: String,
    /// With what: one standard, and for a virtual load one source.
    pub instruments: Vec<Instrument>,
    /// Who ordered.
    pub ordered_by: String,
    /// When.
    pub ordered_at: Timestamp,
}

/// Why an order may not be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OrderError {
    /// Outlets are numbered from 1; 0 is the whole pile.
    #[error("outlet 0 is the whole pile; outlets are numbered from 1")]
    Outlet,
    /// A text that must be there is empty.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// One person in two roles.
    #[error("verifier and reviewer are both {0}: they must be two people")]
    SamePerson(String),
    /// Somebody who repaired the pile verifies it.
    #[error("{0} repaired this pile and cannot verify or review it")]
    Repairer(String),
    /// The rule set is unknown or does not apply.
    #[error("{0}")]
    Rules(String),
    /// There are too few or too many instruments of a role.
    #[error("the order names {found} instruments for the role {role}; needed: {needed}")]
    Count {
        /// The role.
        role: &'static str,
        /// How many.
        found: usize,
        /// How many it takes.
        needed: usize,
    },
    /// An instrument's own certificate does not hold.
    #[error("the certificate of instrument {instrument} holds from {from} to {until}, not at {at}")]
    Expired {
        /// Which instrument.
        instrument: String,
        /// From.
        from: Timestamp,
        /// To.
        until: Timestamp,
        /// When it is needed.
        at: Timestamp,
    },
    /// An instrument is not accurate enough for the class.
    #[error(
        "instrument {instrument}: U = {expanded_percent} % is more than {ratio} of the limit of {limit_percent} %"
    )]
    TooUncertain {
        /// Which instrument.
        instrument: String,
        /// Its expanded uncertainty, percent.
        expanded_percent: Decimal,
        /// The ratio permitted, e.g. `1/3`.
        ratio: String,
        /// The limit, percent.
        limit_percent: Decimal,
    },
    /// The rule set is a former version: for documents that were made under it, not for new ones.
    #[error("{former} was replaced by {newest}")]
    Replaced {
        /// What the order names.
        former: String,
        /// What to order by.
        newest: String,
    },
    /// The pile runs other firmware than when it was ordered: the document would name what was not tested.
    #[error("the pile tells firmware {told}; ordered was the verification of {ordered}")]
    Firmware {
        /// The order's.
        ordered: String,
        /// The pile's.
        told: String,
    },
    /// An instrument cannot do what the plan asks.
    #[error("instrument {instrument}: {reason}")]
    Unfit {
        /// Which instrument.
        instrument: String,
        /// Why.
        reason: String,
    },
    /// The plan does not fit.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

impl Order {
    /// The rule set, if it is known and applies to the pile; where the reason chooses the tolerance, with that one alone.
    pub fn rules(&self) -> Result<RuleSet, OrderError> {
        let rules = rules::named(&self.rule_set).map_err(|error| OrderError::Rules(error.to_string()))?;
        let rules = rules.for_reason(self.reason.word());
        let kind = self.plate.kind.word();
        if rules.applies_to.split(',').any(|applies| applies.trim() == kind) {
            Ok(rules)
        } else {
            Err(OrderError::Rules(format!("{} does not apply to {kind} piles", rules.name)))
        }
    }

    /// The instrument of a role.
    pub fn instrument(&self, role: InstrumentRole) -> Option<&Instrument> {
        self.instruments.iter().find(|instrument| instrument.role == role)
    }

    /// Whether it may be carried out at a moment. `repairers`: who repaired this pile since its last certificate.
    pub fn check(&self, at: Timestamp, repairers: &[String]) -> Result<(), Vec<OrderError>> {
        let mut errors = Vec::new();
        self.check_people(repairers, &mut errors);
        let has_cause = self.cause.as_ref().is_some_and(|cause| !cause.trim().is_empty());
        if matches!(self.reason, Reason::Case | Reason::AfterRepair) && !has_cause {
            errors.push(OrderError::Empty("cause"));
        }
        self.check_calibrations(&[at], self.plan.load == Load::Virtual, &mut errors);
        self.check_fitness(&mut errors);
        match self.rules() {
            Ok(rules) => {
                errors.extend(replaced(&rules));
                errors.extend(self.too_uncertain(&rules));
                errors.extend(self.plan.check(&self.plate, &rules).into_iter().map(OrderError::Plan));
            }
            Err(error) => errors.push(error),
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// Whether the pile is the one that was ordered to be verified, by the firmware that it tells now. Asked when the run begins and
    /// when its result is confirmed; in between the pile is looked at ([`crate::Happening::OtherFirmware`]).
    pub fn check_firmware(&self, told: Option<&str>) -> Result<(), OrderError> {
        let other = told.filter(|told| self.plate.is_other_firmware(told));
        other.map_or(Ok(()), |told| {
            let ordered = self.plate.firmware.clone().unwrap_or_default();
            Err(OrderError::Firmware { ordered, told: told.to_owned() })
        })
    }

    /// Whether a verification that was made from it stands: what people, instruments' certificates and rule set ask for, over the
    /// time of its readings. What the program of the day can drive, and how fast, is no part of it: documents are checked for ever.
    pub(crate) fn check_done(&self, from: Timestamp, to: Timestamp, has_source: bool) -> Vec<OrderError> {
        let mut errors = Vec::new();
        self.check_people(&[], &mut errors);
        self.check_calibrations(&[from, to], has_source, &mut errors);
        match self.rules() {
            Ok(rules) => {
                errors.extend(self.too_uncertain(&rules));
                errors.extend(self.plan.check_rules(&self.plate, &rules).into_iter().map(OrderError::Plan));
            }
            Err(error) => errors.push(error),
        }
        errors
    }

    fn check_people(&self, repairers: &[String], errors: &mut Vec<OrderError>) {
        if self.connector == 0 {
            errors.push(OrderError::Outlet);
        }
        let named = [
            ("number", &self.number),
            ("body", &self.body),
            ("verifier", &self.verifier),
            ("reviewer", &self.reviewer),
        ];
        errors.extend(
            named
                .into_iter()
                .filter(|(_, text)| text.trim().is_empty())
                .map(|(name, _)| OrderError::Empty(name)),
        );
        if is_same_person(&self.verifier, &self.reviewer) {
            errors.push(OrderError::SamePerson(self.verifier.clone()));
        }
        let both = [&self.verifier, &self.reviewer];
        let repaired = |person: &&String| repairers.iter().any(|name| is_same_person(name, person));
        let at_fault = both.into_iter().filter(repaired);
        errors.extend(at_fault.map(|person| OrderError::Repairer(person.clone())));
    }

    /// One instrument of each role, its own certificate holding at every one of the moments. A real load is made without a source.
    fn check_calibrations(&self, moments: &[Timestamp], has_source: bool, errors: &mut Vec<OrderError>) {
        for (role, needed) in
            [(InstrumentRole::Source, usize::from(has_source)), (InstrumentRole::Standard, 1)]
        {
            let found = self.instruments.iter().filter(|instrument| instrument.role == role).count();
            if found != needed {
                errors.push(OrderError::Count { role: role.word(), found, needed });
            }
        }
        for instrument in &self.instruments {
            let calibration = &instrument.calibration;
            if let Some(at) = moments.iter().find(|at| !calibration.holds(**at)) {
                errors.push(OrderError::Expired {
                    instrument: instrument.instrument_id.clone(),
                    from: calibration.calibrated_at,
                    until: calibration.valid_until,
                    at: *at,
                });
            }
            if let Some(reason) = senseless(instrument) {
                let reason = reason.to_owned();
                errors.push(OrderError::Unfit { instrument: instrument.instrument_id.clone(), reason });
            }
        }
    }

    fn check_fitness(&self, errors: &mut Vec<OrderError>) {
        let unfit = self.instruments.iter().filter_map(|instrument| {
            let reason = self.unfit(instrument)?;
            Some(OrderError::Unfit { instrument: instrument.instrument_id.clone(), reason })
        });
        errors.extend(unfit);
    }

    /// Why an instrument cannot do what the plan asks.
    fn unfit(&self, instrument: &Instrument) -> Option<String> {
        let model = match InstrumentModel::named(&instrument.model) {
            Ok(model) => model,
            Err(error) => return Some(error.to_string()),
        };
        let kind = self.plate.kind.word();
        if model.role != instrument.role {
            return Some(format!(
                "{} is a {}, not a {}",
                model.model,
                model.role.word(),
                instrument.role.word()
            ));
        }
        if !model.can(kind) {
            return Some(format!("{} is for {}, the pile for {kind}", model.model, model.current));
        }
        self.plan.points.iter().find_map(|point| {
            let limits = &model.limits;
            if limits.voltage_v < point.voltage_v || limits.current_a < point.current_a {
                return Some(format!(
                    "{} V and {} A are beyond its {} V and {} A",
                    point.voltage_v, point.current_a, limits.voltage_v, limits.current_a
                ));
            }
            if let Some(factor) = point.power_factor.filter(|factor| *factor < limits.power_factor_least) {
                return Some(format!("power factor {factor} is below its {}", limits.power_factor_least));
            }
            let is_counted = matches!(point.method, Method::Pulse { .. });
            (is_counted && instrument.role == InstrumentRole::Standard && !model.counts_pulses())
                .then(|| "it has no pulse input".to_owned())
        })
    }
    /// The standard's expanded uncertainty against the part of the limit that the rule set leaves to it.
    fn too_uncertain(&self, rules: &RuleSet) -> Option<OrderError> {
        // Of a senseless certificate that is said already.
        let standard =
            self.instrument(InstrumentRole::Standard).filter(|standard| senseless(standard).is_none())?;
        let limit_percent = rules.mpe_percent(self.plate.class.0).ok()?;
        let ratio = rules.standard.expanded_ratio_max;
        let calibration = &standard.calibration;
        // The ratio is meant for k = 2, whatever factor the certificate states.
        let at_two = || {
            let doubled = calibration.expanded_uncertainty_percent.checked_mul(Decimal::TWO)?;
            doubled.checked_div(calibration.coverage_factor)
        };
        // What is too large to compute with is too uncertain.
        let expanded_percent = at_two().unwrap_or(Decimal::MAX);
        let holds = ratio.holds(expanded_percent, limit_percent).unwrap_or(false);
        (!holds).then(|| OrderError::TooUncertain {
            instrument: standard.instrument_id.clone(),
            expanded_percent,
            ratio: ratio.to_string(),
            limit_percent,
        })
    }
}

fn replaced(rules: &RuleSet) -> Option<OrderError> {
    let newest = rules::replacement(rules)?.reference();
    Some(OrderError::Replaced { former: rules.citation(), newest })
}

/// What is wrong with the numbers of an instrument's certificate. A source measures nothing: its uncertainty may be left at zero.
fn senseless(instrument: &Instrument) -> Option<&'static str> {
    let calibration = &instrument.calibration;
    let is_standard = instrument.role == InstrumentRole::Standard;
    if calibration.coverage_factor <= Decimal::ZERO {
        Some("its certificate has a coverage factor that is not above zero")
    } else if calibration.expanded_uncertainty_percent < Decimal::ZERO
        || calibration.drift_percent_per_year < Decimal::ZERO
    {
        Some("its certificate has an uncertainty or drift below zero")
    } else if is_standard && calibration.expanded_uncertainty_percent.is_zero() {
        Some("its certificate has no uncertainty")
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
