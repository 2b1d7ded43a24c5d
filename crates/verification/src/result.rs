//! A result: of every load point the error, its uncertainty line by line and the decision; of every item whether it is passed;
//! of the whole the verdict. Computed from an order and the facts of its run, and from nothing else.
//!
//! Called when a run is reviewed, and again by whoever checks a certificate. Numbers leave here as decimals of percent, so that
//! the same facts give the same document byte for byte; [`percent`] is the one crossing.

mod propagation;
mod risk;

use rust_decimal::Decimal;
use rust_decimal::prelude::FromPrimitive;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use veripile_metrology::budget::{Budget, Component, Distribution, Evaluation};
use veripile_metrology::crossing::to_f64;
use veripile_metrology::decision::{self, Zone};
use veripile_metrology::error::{self, PulseCount};
use veripile_metrology::quantity::Energy;
use veripile_metrology::rounding;
use veripile_metrology::rules::RuleSet;
use veripile_pile::OnSiteResult;

use crate::instrument::InstrumentRole;
use crate::item::{ItemCode, ItemRecord};
use crate::order::{Order, OrderError};
use crate::plan::{Load, LoadPoint, Tap};
use crate::run::{Indication, Taken};
use crate::texts::Language;

pub use propagation::MonteCarlo;
pub use risk::{Risk, RiskBearer};

/// Digits after the point of percentages in documents: a hundredth of what any standard resolves.
const PERCENT_DIGITS: u32 = 5;

/// Digits after the point of probabilities and risks: what is rarer than one in a million is the tail of a model and nobody's
/// experience.
const PROBABILITY_DIGITS: u32 = 6;

/// Coverage probability of stated uncertainties, and the least coverage factor.
const COVERAGE: f64 = 0.95;
const COVERAGE_FACTOR_LEAST: f64 = 2.0;

/// Degrees of freedom beyond which Student's coverage factor is the normal one to six digits. Readings that are all the same scatter
/// by the last bit of a sum, and would have more of them than a decimal holds.
const DEGREES_MAX: f64 = 1e6;

/// A degree, rad.
const DEGREE: f64 = std::f64::consts::PI / 180.0;

/// What a verification finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Passed: a certificate.
    Conform,
    /// Not passed: a notice of result.
    Nonconform,
    /// The uncertainty is too large to say. No document; it is done again.
    Undecided,
}

impl Verdict {
    /// The word used in texts.
    pub fn word(self) -> &'static str {
        match self {
            Self::Conform => "conform",
            Self::Nonconform => "nonconform",
            Self::Undecided => "undecided",
        }
    }
}

impl From<Zone> for Verdict {
    fn from(zone: Zone) -> Self {
        match zone {
            Zone::Conform => Self::Conform,
            Zone::Nonconform => Self::Nonconform,
            Zone::Undecided => Self::Undecided,
        }
    }
}

/// One line of a budget, as printed. Uncertainties in percent of the energy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetLine {
    /// What: `standard`, `standard_drift`, `repeatability`, `resolution`, `register_time`, `phase`, `ripple`, `self_heating`, `cable`.
    pub code: String,
    /// `A` or `B`.
    pub evaluation: String,
    /// `normal`, `student`, `rectangular`, `triangular`, `u_shaped`.
    pub distribution: String,
    /// Standard uncertainty, percent.
    pub standard_uncertainty_percent: Decimal,
    /// Sensitivity coefficient.
    pub sensitivity: Decimal,
    /// Degrees of freedom; none: infinite.
    pub degrees_of_freedom: Option<Decimal>,
    /// Their product's magnitude, percent.
    pub contribution_percent: Decimal,
}

/// What was found at one load point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PointResult {
    /// The load point.
    pub point: LoadPoint,
    /// Error of each reading, percent.
    pub errors_percent: Vec<Decimal>,
    /// What the cable's drop adds, percent; zero where nothing is corrected.
    pub correction_percent: Decimal,
    /// Mean error, corrected, percent: unrounded.
    pub error_percent: Decimal,
    /// The same rounded (化整), where the rule set rounds.
    pub rounded_percent: Option<Decimal>,
    /// The budget.
    pub budget: Vec<BudgetLine>,
    /// Combined standard uncertainty, percent.
    pub standard_uncertainty_percent: Decimal,
    /// Effective degrees of freedom; none: infinite.
    pub effective_degrees_of_freedom: Option<Decimal>,
    /// Coverage factor.
    pub coverage_factor: Decimal,
    /// Expanded uncertainty, percent.
    pub expanded_uncertainty_percent: Decimal,
    /// Maximum permissible error, percent, ±.
    pub limit_percent: Decimal,
    /// Decision rule and its version.
    pub rule: String,
    /// Probability that the true error lies within the limit.
    pub probability_conform: Decimal,
    /// The decision.
    pub verdict: Verdict,
    /// The risk that the decision is wrong; none where nothing is decided. Documents before the fourth format have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<Risk>,
    /// The Monte Carlo check of the budget; none while the run goes on. Documents before the fourth format have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monte_carlo: Option<MonteCarlo>,
}

/// What was found of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemResult {
    /// Which.
    pub code: ItemCode,
    /// Whether it is passed.
    pub passed: bool,
}

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunResult {
    /// Rule set and version.
    pub rule_set: String,
    /// Every load point.
    pub points: Vec<PointResult>,
    /// Every item.
    pub items: Vec<ItemResult>,
    /// The whole.
    pub verdict: Verdict,
    /// What of the rule set is to be confirmed against the standard itself, in English.
    pub unconfirmed: Vec<String>,
    /// The same in Chinese; documents of format 1 have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unconfirmed_zh: Vec<String>,
}

impl RunResult {
    /// What is to be confirmed, in a language; of documents that say it in English only, in English.
    pub fn unconfirmed_in(&self, language: Language) -> (&[String], Language) {
        match language {
            Language::Zh if !self.unconfirmed_zh.is_empty() => (&self.unconfirmed_zh, Language::Zh),
            _ => (&self.unconfirmed, Language::En),
        }
    }
}

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ResultError {
    /// The order cannot be understood.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// Readings are missing.
    #[error("load point {point} has {found} of {wanted} readings")]
    Readings {
        /// Which, from 1.
        point: usize,
        /// How many there are.
        found: usize,
        /// How many there must be.
        wanted: usize,
    },
    /// Items are missing.
    #[error("not recorded: {0}")]
    Items(&'static str),
    /// Numbers that cannot be computed with.
    #[error("load point {point}: {reason}")]
    Numbers {
        /// Which, from 1.
        point: usize,
        /// Why.
        reason: String,
    },
}

/// The result of an order from the facts of its run. `items`: the newest record of each. The Monte Carlo check takes some tens of
/// milliseconds a load point.
pub fn result(order: &Order, taken: &[Taken], items: &[&ItemRecord]) -> Result<RunResult, ResultError> {
    let mut found = linear(order, taken, items)?;
    propagate(order, taken, &mut found)?;
    Ok(found)
}

/// Adds the Monte Carlo check of each load point's budget to a result by [`linear`] of the same facts.
pub(crate) fn propagate(order: &Order, taken: &[Taken], found: &mut RunResult) -> Result<(), ResultError> {
    for (index, point) in found.points.iter_mut().enumerate() {
        let readings = of_point(taken, index);
        let checked = evaluate(order, &point.point, &readings)
            .and_then(|evaluated| propagation::check(&point.point, &readings, &evaluated));
        point.monte_carlo = checked.map_err(|reason| ResultError::Numbers { point: index + 1, reason })?;
    }
    Ok(())
}

/// The result by the linear budgets alone.
pub(crate) fn linear(
    order: &Order,
    taken: &[Taken],
    items: &[&ItemRecord],
) -> Result<RunResult, ResultError> {
    let rules = order.rules()?;
    let count = order.plan.points.len();
    let beyond = taken.iter().map(|reading| reading.point).filter(|point| count <= *point);
    if let Some(point) = beyond.clone().min() {
        let found = beyond.filter(|beyond| *beyond == point).count();
        return Err(ResultError::Readings { point: point.saturating_add(1), found, wanted: 0 });
    }
    let mut points = Vec::with_capacity(count);
    for (index, point) in order.plan.points.iter().enumerate() {
        let readings = of_point(taken, index);
        let wanted = order.plan.repeats as usize;
        if readings.len() != wanted {
            return Err(ResultError::Readings { point: index + 1, found: readings.len(), wanted });
        }
        if readings.iter().zip(0..).any(|(reading, repeat)| reading.repeat != repeat) {
            let reason = "its readings are not numbered one by one".to_owned();
            return Err(ResultError::Numbers { point: index + 1, reason });
        }
        let found = at_point(order, &rules, point, &readings);
        points.push(found.map_err(|reason| ResultError::Numbers { point: index + 1, reason })?);
    }
    let items = of_items(order, &rules, items)?;
    let verdict = overall(&points, &items);
    let (unconfirmed_zh, unconfirmed) =
        rules.unconfirmed().into_iter().map(|line| (line.zh, line.en)).unzip();
    Ok(RunResult { rule_set: rules.citation(), points, items, verdict, unconfirmed, unconfirmed_zh })
}

/// What is known so far, for the page of a run that goes on: load points with at least two readings, by their linear budgets alone.
pub fn so_far(order: &Order, taken: &[Taken]) -> Vec<PointResult> {
    let Ok(rules) = order.rules() else { return Vec::new() };
    let points = order.plan.points.iter().enumerate();
    points
        .filter_map(|(index, point)| {
            let readings = of_point(taken, index);
            at_point(order, &rules, point, &readings).ok()
        })
        .collect()
}

/// The readings of a load point in their order, in whatever order they are told: sums are taken in it.
fn of_point(taken: &[Taken], point: usize) -> Vec<&Taken> {
    let mut readings: Vec<&Taken> = taken.iter().filter(|reading| reading.point == point).collect();
    readings.sort_by_key(|reading| reading.repeat);
    readings
}

/// Error of one reading as taken, percent; none if its numbers make no sense.
pub fn reading_percent(reading: &Taken) -> Option<Decimal> {
    error_of(reading).and_then(percent).ok()
}

fn of_items(order: &Order, rules: &RuleSet, records: &[&ItemRecord]) -> Result<Vec<ItemResult>, ResultError> {
    order
        .plan
        .items
        .iter()
        .map(|code| {
            let record = records.iter().find(|record| record.code == *code);
            let record = record.ok_or(ResultError::Items(code.word()))?;
            Ok(ItemResult { code: *code, passed: record.passed(rules, order) })
        })
        .collect()
}

/// Not passed if anything is not; passed only if everything is.
fn overall(points: &[PointResult], items: &[ItemResult]) -> Verdict {
    let has = |verdict| points.iter().any(|point| point.verdict == verdict);
    if has(Verdict::Nonconform) || items.iter().any(|item| !item.passed) {
        Verdict::Nonconform
    } else if has(Verdict::Undecided) || points.is_empty() {
        Verdict::Undecided
    } else {
        Verdict::Conform
    }
}

/// A load point's error and budget, fractions.
struct Evaluated {
    /// Error of each reading.
    errors: Vec<f64>,
    /// Their mean.
    mean: f64,
    /// What the cable takes of the energy.
    drop: f64,
    /// The mean, corrected for it.
    error: f64,
    budget: Budget,
}

fn evaluate(order: &Order, point: &LoadPoint, readings: &[&Taken]) -> Result<Evaluated, String> {
    let errors: Vec<f64> = readings.iter().map(|reading| error_of(reading)).collect::<Result<_, _>>()?;
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    let drop = cable_drop(order, point, readings)?;
    let error = (1.0 + mean) / (1.0 - drop) - 1.0;
    let components = components(order, point, readings, &errors, drop)?;
    let budget = Budget { components, correlations: Vec::new() };
    Ok(Evaluated { errors, mean, drop, error, budget })
}

fn at_point(
    order: &Order,
    rules: &RuleSet,
    point: &LoadPoint,
    readings: &[&Taken],
) -> Result<PointResult, String> {
    let Evaluated { errors, mean, error, budget, .. } = evaluate(order, point, readings)?;
    let combined = budget.combine(COVERAGE, COVERAGE_FACTOR_LEAST).map_err(|error| error.to_string())?;
    let error_percent = percent(error)?;
    let class = order.plate.class.0;
    let rounded_percent = rules
        .rounding_interval_percent(class)
        .and_then(|interval| rounding::round_to_interval(error_percent, interval));
    let limit_percent = rules.mpe_percent(class).map_err(|error| error.to_string())?;
    let decided_percent =
        if rules.decision.on_rounded { rounded_percent.unwrap_or(error_percent) } else { error_percent };
    let fraction = |percent: Decimal| to_f64(percent) / 100.0;
    let decided = decision::decide(
        rules.decision_rule(),
        fraction(decided_percent),
        combined.standard_uncertainty,
        combined.expanded_uncertainty,
        fraction(limit_percent),
    );
    // Probability and risk speak of what was measured, not of what was rounded.
    let (u, limit) = (combined.standard_uncertainty, fraction(limit_percent));
    let measured = decision::decide_three_zones(error, u, limit);
    let verdict = Verdict::from(decided.zone);
    Ok(PointResult {
        point: point.clone(),
        errors_percent: errors.iter().map(|error| percent(*error)).collect::<Result<_, _>>()?,
        correction_percent: percent(error - mean)?,
        error_percent,
        rounded_percent,
        budget: budget.components.iter().map(line).collect::<Result<_, _>>()?,
        standard_uncertainty_percent: percent(combined.standard_uncertainty)?,
        effective_degrees_of_freedom: degrees(combined.effective_degrees_of_freedom)?,
        coverage_factor: written(combined.coverage_factor, 2)?,
        expanded_uncertainty_percent: percent(combined.expanded_uncertainty)?,
        limit_percent,
        rule: decided.rule.to_owned(),
        probability_conform: written(measured.probability_conform, PROBABILITY_DIGITS)?,
        verdict,
        risk: Risk::of(verdict, error, u, limit)?,
        monte_carlo: None,
    })
}

/// Error of one reading, fraction.
fn error_of(reading: &Taken) -> Result<f64, String> {
    let error = if let Indication::Pulses { pulses, pile_constant, standard_constant } = reading.indication {
        error::by_pulses(&PulseCount {
            pile_pulses: pulses,
            pile_constant_imp_per_kwh: pile_constant,
            standard_pulses: reading.reference,
            standard_constant_imp_per_kwh: standard_constant,
            current_ratio: Decimal::ONE,
            voltage_ratio: Decimal::ONE,
        })
    } else {
        let registers = reading.indication.registers();
        let indicated = registers.and_then(|(start, stop)| stop.checked_sub(start));
        let indicated = indicated.ok_or("the registers' difference is too large")?;
        error::by_register(Energy(indicated), Energy(reading.reference))
    };
    let error = error.map_err(|error| error.to_string())?;
    Ok(to_f64(error.0))
}

/// What the cable takes between terminals and connector, fraction of the energy; only a real current makes it.
///
/// # Formula
/// `d = I R / U`; the energy at the connector is `W (1 − d)`. `I`, `U`: as set, or under a load that nobody sets the readings' means.
fn cable_drop(order: &Order, point: &LoadPoint, readings: &[&Taken]) -> Result<f64, String> {
    if order.plan.load == Load::Virtual || order.plan.tap == Tap::Connector {
        return Ok(0.0);
    }
    let ohm = to_f64(order.plan.effects.cable_mohm) / 1000.0;
    let is_running = |reading: &&&Taken| matches!(reading.indication, Indication::Running { .. });
    let running: Vec<_> = readings.iter().filter(is_running).collect();
    let (current, voltage) = if running.is_empty() {
        (to_f64(point.current_a), to_f64(point.voltage_v))
    } else {
        let sum = |of: fn(&Taken) -> Decimal| running.iter().map(|reading| to_f64(of(reading))).sum::<f64>();
        (sum(|reading| reading.current_a), sum(|reading| reading.voltage_v))
    };
    let drop = current * ohm / voltage;
    if (0.0..0.5).contains(&drop) {
        Ok(drop)
    } else {
        Err(format!("the cable would take {drop} of the energy"))
    }
}

/// The budget's components, fractions (metrology of the method: standard, repeatability, resolution, and effects).
fn components(
    order: &Order,
    point: &LoadPoint,
    readings: &[&Taken],
    errors: &[f64],
    drop: f64,
) -> Result<Vec<Component>, String> {
    let standard = order.instrument(InstrumentRole::Standard).ok_or("the order names no standard")?;
    let calibration = &standard.calibration;
    let ended_at = readings.iter().map(|reading| reading.ended_at).max().ok_or("no readings")?;
    let effects = &order.plan.effects;
    let mut components = vec![
        Component::from_expanded(
            "standard",
            to_f64(calibration.expanded_uncertainty_percent) / 100.0,
            to_f64(calibration.coverage_factor),
        ),
        Component::rectangular("standard_drift", to_f64(calibration.drift_percent(ended_at)) / 100.0),
        Component::type_a("repeatability", errors).ok_or("repeatability needs two readings")?,
        Component::triangular("resolution", resolution(order, readings) / libm::sqrt(errors.len() as f64)),
    ];
    if let Some(doubt) = register_time(order, readings)? {
        components.push(Component::triangular("register_time", doubt));
    }
    if let Some(factor) = point.power_factor {
        let phase = to_f64(effects.phase_deg) * DEGREE;
        let tangent = libm::tan(libm::acos(to_f64(factor).clamp(-1.0, 1.0)));
        let component = Component::from_expanded("phase", phase, 1.0);
        components.push(component.with_sensitivity(tangent));
    } else {
        components.push(Component::rectangular("ripple", to_f64(effects.ripple_percent) / 100.0));
    }
    if order.plan.load == Load::Virtual {
        let bound = to_f64(effects.self_heating_percent) / 100.0;
        components.push(Component::rectangular("self_heating", bound));
    }
    if drop > 0.0 {
        let bound = drop * to_f64(effects.cable_bound_percent) / 100.0;
        components.push(Component::rectangular("cable", bound));
    }
    Ok(components)
}

/// Half-width of the triangular distribution that two readings of a register make, each cut to its step: the step, relative to
/// the smallest energy. Of pulses one of the standard's, relative to the smallest count.
///
/// # Formula
/// `u = δ √2 / (W √12)`, the standard deviation of a triangle of half-width `δ / W`.
fn resolution(order: &Order, readings: &[&Taken]) -> f64 {
    let mut widest: f64 = 0.0;
    for reading in readings {
        let has_register = reading.indication.registers().is_some();
        let step = if has_register { to_f64(order.plate.register_step_wh) } else { 1.0 };
        widest = widest.max(step / to_f64(reading.reference));
    }
    widest
}

/// Half-width of the triangular distribution that comes of registers told while a load goes on, relative to the energy; none where
/// nothing went on. At each end the register belongs to some moment between the standard's two readings, or was as old before as the
/// plan says that it may be.
///
/// # Formula
/// `a = 2 max h / W`, `h = (W_after − W_before)/2 + P·t`: both ends' rectangular distributions of half-width `h` make a triangular one.
/// What both ends have in common cancels; here it counts. Nor does a mean of readings bring it down: they take as long as each other, and a
/// meter that refreshes in beats is as late in one as in the next.
fn register_time(order: &Order, readings: &[&Taken]) -> Result<Option<f64>, String> {
    let age_h = to_f64(order.plan.effects.register_age_s) / 3600.0;
    let mut widest: Option<f64> = None;
    for reading in readings {
        let Indication::Running { start, stop } = &reading.indication else { continue };
        for tie in [start, stop] {
            let half_width = tie.half_width_wh().ok_or("the standard's energies are too large")?;
            let doubt = to_f64(half_width) + to_f64(reading.power_w) * age_h;
            let doubt = 2.0 * doubt / to_f64(reading.reference);
            widest = Some(widest.map_or(doubt, |known| known.max(doubt)));
        }
    }
    Ok(widest)
}

fn line(component: &Component) -> Result<BudgetLine, String> {
    Ok(BudgetLine {
        code: component.name.clone(),
        evaluation: match component.evaluation {
            Evaluation::A => "A",
            Evaluation::B => "B",
        }
        .to_owned(),
        distribution: match component.distribution {
            Distribution::Normal => "normal",
            Distribution::Student => "student",
            Distribution::Rectangular => "rectangular",
            Distribution::Triangular => "triangular",
            Distribution::UShaped => "u_shaped",
        }
        .to_owned(),
        standard_uncertainty_percent: percent(component.standard_uncertainty)?,
        sensitivity: written(component.sensitivity, 4)?,
        degrees_of_freedom: degrees(component.degrees_of_freedom)?,
        contribution_percent: percent(component.contribution())?,
    })
}

/// Degrees of freedom as printed; beyond [`DEGREES_MAX`] they count as infinite.
fn degrees(value: f64) -> Result<Option<Decimal>, String> {
    if DEGREES_MAX < value { Ok(None) } else { written(value, 1).map(Some) }
}

/// A fraction as percent, half to even at the documents' digits: where statistics become numbers of a document.
pub fn percent(fraction: f64) -> Result<Decimal, String> {
    written(fraction * 100.0, PERCENT_DIGITS)
}

/// A number of a document. It is rounded on the way: the exact crossing has no room for what is tiny and will be printed as zero.
fn written(value: f64, digits: u32) -> Result<Decimal, String> {
    let exact = Decimal::from_f64(value).ok_or_else(|| format!("{value} is no number of a document"))?;
    Ok(exact.round_dp(digits).normalize())
}

/// Phase of the current behind the voltage for an inductive power factor, degrees, to 0.0001°.
pub fn angle_deg(power_factor: Decimal) -> Decimal {
    let factor = to_f64(power_factor).clamp(-1.0, 1.0);
    let degrees = Decimal::from_f64(libm::acos(factor) / DEGREE).unwrap_or_default();
    degrees.round_dp(4).normalize()
}

/// The result as one number for the remote estimates' level: the mean over the load points, its uncertainty widened by how far
/// they lie apart.
///
/// # Formula
/// `u² = max u_i² + a²/3` with `a` half the range of the points' errors; `U = 2 u`.
pub fn on_site(result: &RunResult) -> Option<OnSiteResult> {
    let errors: Vec<f64> = result.points.iter().map(|point| to_f64(point.error_percent)).collect();
    let (least, most) = errors.iter().fold((f64::MAX, f64::MIN), |(l, m), e| (l.min(*e), m.max(*e)));
    let widest =
        result.points.iter().map(|point| to_f64(point.standard_uncertainty_percent)).fold(0.0, f64::max);
    let half = (most - least) / 2.0;
    let u = libm::sqrt(widest * widest + half * half / 3.0);
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    Some(OnSiteResult {
        error_percent: written(mean, 4).ok()?,
        expanded_uncertainty_percent: written(2.0 * u, 4).ok()?,
        coverage_factor: Decimal::TWO,
    })
}

#[cfg(test)]
mod tests;
