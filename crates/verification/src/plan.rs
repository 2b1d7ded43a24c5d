//! A plan: load points, repeats, pace, effects to account for, items to look at. Built from rule set and plate, then edited.
//!
//! Made by `api` for the form of an order; checked by [`crate::Order::check`]. Nothing here runs it.

use jiff::SignedDuration;
use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use veripile_metrology::rules::RuleSet;
use veripile_pile::PileKind;

use crate::item::ItemCode;
use crate::order::Plate;

/// Load points in one plan, and readings at each: a day's work, not more.
pub const POINTS_MAX: usize = 24;
/// Readings at one load point.
pub const REPEATS_MAX: u32 = 20;
/// Energy of one reading: ten times what the coarsest register (100 Wh) and class need.
pub const ENERGY_WH_MAX: i64 = 1_000_000;

/// Shortest time between two looks, ms: instruments need as long to answer.
const POLL_MS_LEAST: u64 = 20;
/// Longest: nobody wants to see a page stand still for more than a minute.
const POLL_MS_MOST: u64 = 60_000;
/// Looks that fit into the dead-man time at least: one may be slow to be answered without the source going off.
const POLLS_IN_DEAD_MAN_TIME: u64 = 2;
/// Frequencies of mains, with room for what is tested about them, Hz.
const FREQUENCIES_HZ: [i64; 2] = [45, 65];

/// Age of the energies that are told under a real load, s, until it is known better: a pile's meter refreshes what it tells once a second,
/// a standard twice.
const REGISTER_AGE_S: Decimal = Decimal::from_parts(15, 0, 0, false, 1);

/// What a reading under a real load is proposed to bear besides, s: half of the time between two answers of the standard, with the pile's
/// in between.
const ANSWER_S: Decimal = Decimal::from_parts(25, 0, 0, false, 2);

/// How far the voltage of a real load may be off its load point, percent: mains or battery decide it, and nobody on site.
const REAL_VOLTAGE_PERCENT: Decimal = Decimal::from_parts(25, 0, 0, false, 0);

/// How a reading is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum Method {
    /// The pile's register before and after: outputs off at both ends, or a real load that goes on.
    Register,
    /// Pulses of the standard during so many of the pile's.
    Pulse {
        /// Pulses of the pile.
        pulses: u64,
    },
}

/// What the load is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Load {
    /// Voltage and current from two sources, no real power (虚负荷).
    Virtual,
    /// A real load (实负荷): a charge that a person begins, through the standard.
    Real,
}

/// Where the standard takes its voltage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tap {
    /// At the vehicle connector, where energy is sold.
    Connector,
    /// At the meter's terminals: the cable's drop is corrected.
    Terminals,
}

/// How the pile's register is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegisterSource {
    /// From the pile, over OCPP.
    Ocpp,
    /// From its display, by a person.
    Display,
}

/// One load point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadPoint {
    /// Voltage, V.
    pub voltage_v: Decimal,
    /// Current, A.
    pub current_a: Decimal,
    /// Power factor (inductive); none for DC.
    pub power_factor: Option<Decimal>,
    /// Least energy of one reading, Wh.
    pub energy_wh: Decimal,
    /// How readings are taken.
    pub method: Method,
}

impl LoadPoint {
    /// Active power, W.
    pub fn power_w(&self) -> Option<Decimal> {
        let apparent = self.voltage_v.checked_mul(self.current_a)?;
        apparent.checked_mul(self.power_factor.unwrap_or(Decimal::ONE))
    }

    /// Phase of the current behind the voltage, degrees, to 0.0001°; 0 for DC.
    pub fn angle_deg(&self) -> Decimal {
        let factor = self.power_factor.unwrap_or(Decimal::ONE);
        crate::result::angle_deg(factor)
    }
}

/// Bounds of effects that the budget accounts for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Effects {
    /// Uncertainty of the phase, standard, degrees (AC).
    pub phase_deg: Decimal,
    /// Bound of what missing ripple and harmonics change, percent (DC).
    pub ripple_percent: Decimal,
    /// Bound of what the shunt's missing self-heating changes, percent.
    pub self_heating_percent: Decimal,
    /// Resistance of the cable, both ways, mΩ; corrected where the tap is at the terminals and the load real.
    pub cable_mohm: Decimal,
    /// Bound of that resistance's error, percent of it.
    pub cable_bound_percent: Decimal,
    /// How old what pile and standard tell of their energies may be, s, together; it matters where a real load goes on meanwhile. Plans
    /// before the fifth format of documents say nothing of it.
    #[serde(default, skip_serializing_if = "Decimal::is_zero")]
    pub register_age_s: Decimal,
}

/// How fast, and how patiently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pace {
    /// Warm-up at the first load point, s.
    pub warm_up_s: u32,
    /// Wait between outputs off and a reading of the register, ms.
    pub settle_ms: u32,
    /// Between two looks at a running reading, ms; at most half the dead-man time.
    pub poll_ms: u32,
    /// The source switches its outputs off by itself if it hears nothing for so long, s (dead man).
    pub watchdog_s: u32,
    /// Wait before a failed reading is tried again, s.
    pub retry_wait_s: u32,
    /// Failures that a run bears; with one more it is given up.
    pub failures_max: u32,
    /// Most time for one reading, as a multiple of what its energy needs at its power.
    pub patience: u32,
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The load.
    pub load: Load,
    /// Where the standard takes its voltage.
    pub tap: Tap,
    /// Frequency, Hz; 0 for DC.
    pub frequency_hz: Decimal,
    /// Load points, in order.
    pub points: Vec<LoadPoint>,
    /// Readings at each.
    pub repeats: u32,
    /// How the register is read.
    pub register: RegisterSource,
    /// How far what the standard measures may be off the set-point, percent.
    pub set_point_percent: Decimal,
    /// Hottest that the source may get, °C.
    pub temperature_c_max: Decimal,
    /// Effects.
    pub effects: Effects,
    /// Pace.
    pub pace: Pace,
    /// What is looked at besides.
    pub items: Vec<ItemCode>,
    /// Vendor id of a DataTransfer that puts the pile into its virtual-load mode and out of it, where it has one.
    pub test_mode_vendor: Option<String>,
}

/// What is wrong with a plan.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlanError {
    /// Too few or too many of something.
    #[error("{what}: {found}, allowed are {least} to {most}")]
    Count {
        /// Of what.
        what: &'static str,
        /// How many.
        found: u64,
        /// At least.
        least: u64,
        /// At most.
        most: u64,
    },
    /// A number that cannot be.
    #[error("load point {point}: {what} is {value}; {expected}")]
    Point {
        /// Which, from 1.
        point: usize,
        /// What.
        what: &'static str,
        /// Its value.
        value: Decimal,
        /// What it must be.
        expected: String,
    },
    /// A number of the plan that cannot be.
    #[error("{what} is {value}; {expected}")]
    Value {
        /// What.
        what: &'static str,
        /// Its value.
        value: Decimal,
        /// What it must be.
        expected: &'static str,
    },
    /// The rule set asks for something that is not in the plan.
    #[error("{rule_set} asks for the item {item}, which is not in the plan")]
    Item {
        /// The rule set.
        rule_set: String,
        /// The item.
        item: &'static str,
    },
    /// The rule set has no limit for an item of the plan, so that it could never be passed.
    #[error("{rule_set} has no limit for the item {item}")]
    NoLimit {
        /// The rule set.
        rule_set: String,
        /// The item.
        item: &'static str,
    },
    /// What cannot be done under a real load.
    #[error("under a real load {0}")]
    RealLoad(&'static str),
    /// A class that the rule set does not know.
    #[error("{0}")]
    Class(String),
}

impl Plan {
    /// The plan that a rule set proposes for a pile: its load points, two readings at least, its items.
    pub fn propose(plate: &Plate, rules: &RuleSet) -> Self {
        let is_dc = plate.kind == PileKind::Dc;
        let energy_wh =
            rules.least_energy_wh(plate.class.0, plate.register_step_wh).unwrap_or(Decimal::ONE_THOUSAND);
        let least_a = least_current_a(plate, rules);
        // Rounded up: rounded down, the least current would lie below itself.
        let in_hundredths =
            |current: Decimal| current.round_dp_with_strategy(2, RoundingStrategy::AwayFromZero).normalize();
        let points = rules.load_points.proposed.iter().map(|proposed| {
            let current = proposed.current_fraction.checked_mul(plate.current_max_a).unwrap_or(least_a);
            LoadPoint {
                voltage_v: plate.voltage_v,
                current_a: in_hundredths(current.max(least_a)),
                power_factor: if is_dc { None } else { Some(proposed.power_factor.unwrap_or(Decimal::ONE)) },
                energy_wh,
                method: Method::Register,
            }
        });
        Self {
            load: Load::Virtual,
            tap: Tap::Connector,
            frequency_hz: if is_dc { Decimal::ZERO } else { Decimal::from(50) },
            points: points.take(POINTS_MAX).collect(),
            repeats: rules.readings.at_least.max(3),
            register: RegisterSource::Ocpp,
            set_point_percent: Decimal::TWO,
            temperature_c_max: Decimal::from(70),
            effects: Effects::usual(plate.kind),
            pace: Pace::default(),
            items: proposed_items(rules),
            test_mode_vendor: None,
        }
    }

    /// The same with a real load instead: at power factor one, since no vehicle makes another on request, with as much active power;
    /// and with energies beside which the doubt about the register's moment leaves room for a decision.
    #[must_use]
    pub fn under_real_load(self, plate: &Plate, rules: &RuleSet) -> Self {
        let least_a = least_current_a(plate, rules);
        let age_s = self.effects.register_age_s.saturating_add(ANSWER_S);
        let points = self.points.into_iter().map(|mut point| {
            if let Some(factor) = point.power_factor {
                point.current_a =
                    point.current_a.checked_mul(factor).unwrap_or(least_a).max(least_a).normalize();
                point.power_factor = Some(Decimal::ONE);
            }
            let least_wh = timed_wh(&point, age_s, plate, rules, Decimal::from(4));
            // To ten watt hours.
            let tens = least_wh.and_then(|wh| (wh / Decimal::TEN).ceil().checked_mul(Decimal::TEN));
            LoadPoint { energy_wh: point.energy_wh.max(tens.unwrap_or_default()), ..point }
        });
        Self { load: Load::Real, points: points.collect(), test_mode_vendor: None, ..self }
    }

    /// How far the voltage that the standard measures may be off the load point, percent.
    pub(crate) fn voltage_percent(&self) -> Decimal {
        match self.load {
            Load::Virtual => self.set_point_percent,
            Load::Real => self.set_point_percent.max(REAL_VOLTAGE_PERCENT),
        }
    }

    /// What is wrong with it, for a pile and a rule set.
    pub fn check(&self, plate: &Plate, rules: &RuleSet) -> Vec<PlanError> {
        let mut errors = self.check_rules(plate, rules);
        if self.load == Load::Real {
            self.check_real_load(plate, rules, &mut errors);
        }
        let limitless = self.items.iter().filter(|item| !item.can_be_decided(rules));
        errors.extend(
            limitless.map(|item| PlanError::NoLimit { rule_set: rules.name.clone(), item: item.word() }),
        );
        self.check_pace(&mut errors);
        self.check_values(plate, &mut errors);
        errors
    }

    /// What a rule set finds wrong with it: what a finished verification is held to as well, whatever this program has come to
    /// ask of a plan since.
    pub(crate) fn check_rules(&self, plate: &Plate, rules: &RuleSet) -> Vec<PlanError> {
        let mut errors = Vec::new();
        let points_least = u64::from(rules.load_points.at_least.max(1));
        count("load points", self.points.len() as u64, points_least, POINTS_MAX as u64, &mut errors);
        let repeats_least = u64::from(rules.readings.at_least.max(2));
        let repeats = u64::from(self.repeats);
        count("readings at each load point", repeats, repeats_least, u64::from(REPEATS_MAX), &mut errors);
        if plate.register_step_wh <= Decimal::ZERO {
            let (what, value) = ("step of the plate's register (Wh)", plate.register_step_wh);
            errors.push(PlanError::Value { what, value, expected: "expected more than zero" });
        } else if let Some(least) = rules.least_energy_wh(plate.class.0, plate.register_step_wh) {
            self.check_points(plate, rules, least, &mut errors);
        } else {
            let class = plate.class.0;
            errors.push(PlanError::Class(format!("{} has no accuracy class {class}", rules.name)));
        }
        let missing = required_items(rules).into_iter().filter(|item| !self.items.contains(item));
        errors
            .extend(missing.map(|item| PlanError::Item { rule_set: rules.name.clone(), item: item.word() }));
        errors
    }

    /// A real load goes on while the register is read: nobody reads a display in time, and no pile is in a mode of its own.
    fn check_real_load(&self, plate: &Plate, rules: &RuleSet, errors: &mut Vec<PlanError>) {
        for (index, point) in
            self.points.iter().enumerate().filter(|(_, point)| point.method == Method::Register)
        {
            let least_wh = timed_wh(point, self.effects.register_age_s, plate, rules, Decimal::from(3));
            if let Some(least_wh) = least_wh.filter(|least_wh| point.energy_wh < *least_wh) {
                let (value, most) = (point.energy_wh, ENERGY_WH_MAX);
                let expected = format!("expected {} to {most}", least_wh.ceil());
                errors.push(PlanError::Point { point: index + 1, what: "energy (Wh)", value, expected });
            }
        }
        let by_register = |point: &LoadPoint| point.method == Method::Register;
        if self.register == RegisterSource::Display && self.points.iter().any(by_register) {
            errors.push(PlanError::RealLoad("the register is read over OCPP, not off the display"));
        }
        if self.test_mode_vendor.is_some() {
            errors.push(PlanError::RealLoad("a pile is in no virtual-load mode"));
        }
        if self.effects.register_age_s <= Decimal::ZERO && self.points.iter().any(by_register) {
            errors.push(PlanError::RealLoad(
                "the register is told somewhat late: its age (s) is more than zero",
            ));
        }
    }

    fn check_pace(&self, errors: &mut Vec<PlanError>) {
        let pace = &self.pace;
        for (what, found, least, most) in [
            ("warm-up (s)", pace.warm_up_s, 0, 7200),
            ("settling (ms)", pace.settle_ms, 0, 60_000),
            ("polling (ms)", pace.poll_ms, POLL_MS_LEAST, POLL_MS_MOST),
            ("dead-man time (s)", pace.watchdog_s, 1, 600),
            ("wait before a new try (s)", pace.retry_wait_s, 0, 3600),
            ("failures", pace.failures_max, 0, 20),
            ("patience", pace.patience, 2, 100),
        ] {
            count(what, u64::from(found), least, most, errors);
        }
        // Looks are what a source hears while its outputs are on: between two of them its dead man must not act.
        let (poll, most) =
            (u64::from(pace.poll_ms), u64::from(pace.watchdog_s) * 1000 / POLLS_IN_DEAD_MAN_TIME);
        if 0 < most && (POLL_MS_LEAST..=POLL_MS_MOST).contains(&poll) {
            count("polling (ms)", poll, POLL_MS_LEAST, most, errors);
        }
    }

    fn check_values(&self, plate: &Plate, errors: &mut Vec<PlanError>) {
        let effects = &self.effects;
        for (what, value, most) in [
            ("uncertainty of the phase (°)", effects.phase_deg, 5),
            ("bound for ripple (%)", effects.ripple_percent, 5),
            ("bound for self-heating (%)", effects.self_heating_percent, 5),
            ("resistance of the cable (mΩ)", effects.cable_mohm, 1000),
            ("bound of that resistance (%)", effects.cable_bound_percent, 100),
            ("age of the register (s)", effects.register_age_s, 60),
            ("tolerance of set-points (%)", self.set_point_percent, 20),
            ("temperature of the source (°C)", self.temperature_c_max, 200),
        ] {
            if value < Decimal::ZERO || Decimal::from(most) < value {
                let expected = "expected zero or more, and not absurdly much";
                errors.push(PlanError::Value { what, value, expected });
            }
        }
        if let Some(expected) = self.frequency_fault(plate.kind) {
            errors.push(PlanError::Value { what: "frequency (Hz)", value: self.frequency_hz, expected });
        }
    }

    /// What is expected of the frequency, if it is not so.
    pub(crate) fn frequency_fault(&self, kind: PileKind) -> Option<&'static str> {
        let hertz = self.frequency_hz;
        let (is_right, expected) = match kind {
            PileKind::Ac => {
                let [least, most] = FREQUENCIES_HZ.map(Decimal::from);
                (least <= hertz && hertz <= most, "expected 45 to 65 for alternating current")
            }
            PileKind::Dc => (hertz.is_zero(), "expected 0 for direct current"),
        };
        (!is_right).then_some(expected)
    }

    fn check_points(&self, plate: &Plate, rules: &RuleSet, least_wh: Decimal, errors: &mut Vec<PlanError>) {
        let least_a = least_current_a(plate, rules);
        for (index, point) in self.points.iter().enumerate() {
            let mut between = |what, value: Decimal, least: Decimal, most: Decimal| {
                if value < least || most < value {
                    let expected = format!("expected {} to {}", least.normalize(), most.normalize());
                    errors.push(PlanError::Point { point: index + 1, what, value, expected });
                }
            };
            // A tenth beyond the plate is what charging goes up to; more is a slip of the pen.
            let most = |value: Decimal| value.checked_mul(Decimal::new(11, 1)).unwrap_or(value);
            between("voltage (V)", point.voltage_v, Decimal::ONE, most(plate.voltage_v));
            between("current (A)", point.current_a, least_a, most(plate.current_max_a));
            if let Some(factor) = point.power_factor {
                between("power factor", factor, Decimal::new(1, 1), Decimal::ONE);
            }
            match point.method {
                Method::Register => {
                    between("energy (Wh)", point.energy_wh, least_wh, Decimal::from(ENERGY_WH_MAX));
                }
                Method::Pulse { pulses } => {
                    between("pulses", Decimal::from(pulses), Decimal::from(10), Decimal::from(1_000_000));
                    let constant = plate.pulse_constant.unwrap_or(Decimal::ZERO);
                    between(
                        "pulse constant of the plate (imp/kWh)",
                        constant,
                        Decimal::ONE,
                        Decimal::from(1_000_000),
                    );
                }
            }
            let expected = match (plate.kind, point.power_factor) {
                (PileKind::Ac, None) => "alternating current needs one",
                (PileKind::Dc, Some(_)) => "direct current has none",
                _ => continue,
            };
            let value = point.power_factor.unwrap_or_default();
            let (point, what) = (index + 1, "power factor");
            errors.push(PlanError::Point { point, what, value, expected: expected.to_owned() });
        }
    }
}

/// The energy beside which a doubt of so many seconds at each end of a reading is such a part of the limit, Wh; none beyond what can be
/// computed, or of a class without a limit.
///
/// # Formula
/// `W = 4 P t n / (√6 L)`: `U = 2 u = L / n` with `u = a/√6`, `a = 2 P t / W` ([`crate::result`], `register_time`).
fn timed_wh(
    point: &LoadPoint,
    doubt_s: Decimal,
    plate: &Plate,
    rules: &RuleSet,
    part: Decimal,
) -> Option<Decimal> {
    let limit = rules.mpe_percent(plate.class.0).ok()?.checked_div(Decimal::ONE_HUNDRED)?;
    let doubt_wh = point.power_w()?.checked_mul(doubt_s)?.checked_div(Decimal::from(3600))?;
    // 4/√6.
    doubt_wh.checked_mul(Decimal::new(163_299, 5))?.checked_mul(part)?.checked_div(limit)
}

/// A count must lie between two.
fn count(what: &'static str, found: u64, least: u64, most: u64, errors: &mut Vec<PlanError>) {
    if !(least..=most).contains(&found) {
        errors.push(PlanError::Count { what, found, least, most });
    }
}

/// Least current of the pile's range, A.
///
/// # Formula
/// `I_min = I_max × fraction`, not below the rule set's least (JJG 1148/1149-2022), and not above `I_max`.
fn least_current_a(plate: &Plate, rules: &RuleSet) -> Decimal {
    let range = &rules.current_range;
    let least_a = range.least_fraction.checked_mul(plate.current_max_a).unwrap_or(range.least_a);
    // A pile that is rated below the rule set's least is tested at what it can.
    least_a.max(range.least_a).min(plate.current_max_a)
}

/// The items that a rule set asks for and says how to decide; and beside every virtual load a normal charge before and after, since
/// only it goes through the whole chain.
fn required_items(rules: &RuleSet) -> Vec<ItemCode> {
    let is_asked = |item: &ItemCode| {
        item.can_be_decided(rules) && rules.items.iter().any(|rule| rule.code == item.rule())
    };
    let is_charge =
        |item: &ItemCode| matches!(item, ItemCode::ConsistencyBefore | ItemCode::ConsistencyAfter);
    ItemCode::ALL.into_iter().filter(|item| is_asked(item) || is_charge(item)).collect()
}

/// Those, and what is looked at anyway when somebody stands before the pile.
fn proposed_items(rules: &RuleSet) -> Vec<ItemCode> {
    let required = required_items(rules);
    let is_usual = |item: &ItemCode| match item {
        ItemCode::Appearance | ItemCode::Display | ItemCode::Seal => true,
        ItemCode::Clock => item.can_be_decided(rules),
        _ => false,
    };
    ItemCode::ALL.into_iter().filter(|item| required.contains(item) || is_usual(item)).collect()
}

impl Effects {
    /// Age of a register when it is told.
    pub(crate) fn register_age(&self) -> SignedDuration {
        let ms = self.register_age_s.checked_mul(Decimal::ONE_THOUSAND).and_then(|ms| ms.to_i64());
        SignedDuration::from_millis(ms.unwrap_or(i64::MAX))
    }

    /// Usual bounds for a kind (typical values of the field; each is edited where better is known).
    pub fn usual(kind: PileKind) -> Self {
        let decimal = Decimal::new;
        match kind {
            PileKind::Ac => Self {
                phase_deg: decimal(2, 2),
                ripple_percent: Decimal::ZERO,
                self_heating_percent: decimal(2, 2),
                cable_mohm: Decimal::ZERO,
                cable_bound_percent: Decimal::from(10),
                register_age_s: REGISTER_AGE_S,
            },
            PileKind::Dc => Self {
                phase_deg: Decimal::ZERO,
                ripple_percent: decimal(5, 2),
                self_heating_percent: decimal(5, 2),
                cable_mohm: Decimal::ZERO,
                cable_bound_percent: Decimal::from(10),
                register_age_s: REGISTER_AGE_S,
            },
        }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            warm_up_s: 300,
            settle_ms: 3000,
            poll_ms: 1000,
            watchdog_s: 15,
            retry_wait_s: 10,
            failures_max: 5,
            patience: 3,
        }
    }
}

#[cfg(test)]
mod tests;
