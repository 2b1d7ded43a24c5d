//! Evidence: what an assessment rests on, and which charges do not count and why.
//!
//! Made by `app` from the store or from files. Decimal energies become floats here and nowhere else.

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use veripile_metrology::balance::Feeder;
use veripile_pile::{AccuracyClass, PileId, PileKind, VehiclePath};

/// Below this, kWh, the fixed part of the noise (0.15 kWh) is half of the charge or more.
const ENERGY_MIN_KWH: Decimal = Decimal::from_parts(3, 0, 0, false, 1);

/// Above this, kWh, no road vehicle charges at once.
const ENERGY_MAX_KWH: Decimal = Decimal::from_parts(1_000, 0, 0, false, 0);

/// A ratio beyond e^±0.7 (half or double) is no comparison of two meters of one charge, whatever their errors.
const LOG_RATIO_MAX: f64 = 0.7;

/// Covariates of a charge at most: ambient temperature, mean power and span of state of charge are what files know.
pub const COVARIATES_MAX: usize = 3;

/// A pile to assess.
#[derive(Debug, Clone, PartialEq)]
pub struct PileFact {
    /// Which.
    pub pile_id: PileId,
    /// AC or DC, for the rule set; none where unknown: then AC.
    pub kind: Option<PileKind>,
    /// Its class, for the limit.
    pub class: AccuracyClass,
}

/// A charge with energies from both sides. Indices are into [`Evidence`].
#[derive(Debug, Clone, PartialEq)]
pub struct ComparableCharge {
    /// Index of the pile.
    pub pile: usize,
    /// Index of the vehicle.
    pub vehicle: usize,
    /// When it ended.
    pub ended_at: Timestamp,
    /// How long it took, s; 0 where nobody says.
    pub lasted_s: u32,
    /// Energy by the pile, kWh.
    pub energy_pile_kwh: Decimal,
    /// Energy by the vehicle, kWh.
    pub energy_vehicle_kwh: Decimal,
    /// How the vehicle's energy came to be known; none where nobody says.
    pub path: Option<VehiclePath>,
    /// Covariates, see [`Evidence::covariates`]; NaN where unknown.
    pub covariates: [f32; COVARIATES_MAX],
}

/// A station's master meter and the piles behind it, and when each interval began.
#[derive(Debug, Clone, PartialEq)]
pub struct TimedFeeder {
    /// Instruments are indices of [`Evidence::piles`].
    pub feeder: Feeder,
    /// In the order of its intervals.
    pub begins: Vec<Timestamp>,
}

impl TimedFeeder {
    /// When the first interval began of those that began at a moment or later, and the last one ended; none without one.
    pub(crate) fn span_since(&self, moment: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let intervals = self.feeder.intervals.iter().zip(&self.begins).filter(|(_, begin)| moment <= **begin);
        let ends = intervals.filter_map(|(interval, begin)| {
            let length = SignedDuration::try_from_secs_f64(3_600.0 * interval.hours).ok()?;
            Some((*begin, begin.checked_add(length).ok()?))
        });
        ends.reduce(|(from, to), (begin, end)| (from.min(begin), to.max(end)))
    }

    /// The intervals that began at a moment or later.
    pub(crate) fn since(&self, moment: Timestamp) -> Feeder {
        let intervals = self.feeder.intervals.iter().zip(&self.begins);
        let intervals =
            intervals.filter(|(_, begin)| moment <= **begin).map(|(interval, _)| interval.clone());
        Feeder { intervals: intervals.collect(), instruments: self.feeder.instruments.clone(), ..self.feeder }
    }
}

/// The calibration of a reference vehicle: it gives a level, as an anchor does.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferenceVehicle {
    /// Index of the vehicle.
    pub vehicle: usize,
    /// When it was calibrated.
    pub at: Timestamp,
    /// Error of its own meter, percent.
    pub error_percent: Decimal,
    /// Expanded uncertainty, percent.
    pub expanded_uncertainty_percent: Decimal,
    /// Coverage factor.
    pub coverage_factor: Decimal,
}

/// An on-site result that gives a level.
#[derive(Debug, Clone, PartialEq)]
pub struct Anchor {
    /// Index of the pile.
    pub pile: usize,
    /// The outlet that was measured; none: it speaks of the whole pile.
    pub outlet: Option<u32>,
    /// When it was measured.
    pub at: Timestamp,
    /// Error found, percent.
    pub error_percent: Decimal,
    /// Expanded uncertainty, percent.
    pub expanded_uncertainty_percent: Decimal,
    /// Coverage factor.
    pub coverage_factor: Decimal,
}

/// Everything an assessment rests on.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// The moment it speaks of.
    pub as_of: Timestamp,
    /// Piles, each once.
    pub piles: Vec<PileFact>,
    /// Model of each vehicle by number; none = unknown.
    pub vehicle_models: Vec<Option<usize>>,
    /// Number of models.
    pub models: usize,
    /// Names of the covariates, [`COVARIATES_MAX`] at most; those of a charge beyond them do not count.
    pub covariates: Vec<&'static str>,
    /// Charges, in a fixed order of the caller's.
    pub charges: Vec<ComparableCharge>,
    /// Anchors.
    pub anchors: Vec<Anchor>,
    /// Calibrations of reference vehicles.
    pub references: Vec<ReferenceVehicle>,
    /// Energy balances behind master meters; instruments are piles by index.
    pub feeders: Vec<TimedFeeder>,
}

/// How long a charge took, whole seconds; 0 where it ended before it began, which nobody did.
pub fn lasted_s(started_at: Timestamp, ended_at: Timestamp) -> u32 {
    u32::try_from(ended_at.duration_since(started_at).as_secs()).unwrap_or(0)
}

/// Why a charge is no comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Screened {
    /// One of the energies is zero or negative.
    NotPositive,
    /// Too little energy to say anything.
    TooSmall,
    /// More energy than any road vehicle takes.
    Implausible,
    /// The two energies differ by a factor of two or more.
    Incomparable,
    /// What is told to be the vehicle's energy is the pile's own to the last digit, again and again: no vehicle said it.
    Copied,
    /// Its vehicle's charges overlap at different piles, again and again: the id is that of many vehicles.
    ManyVehicles,
    /// Its pile relayed the vehicle's energy, and no vehicle seems to have said what it relays.
    Doubted,
}

impl Screened {
    /// Its code in files.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotPositive => "energy_not_positive",
            Self::TooSmall => "energy_too_small",
            Self::Implausible => "energy_implausible",
            Self::Incomparable => "energies_incomparable",
            Self::Copied => "vehicle_value_copied",
            Self::ManyVehicles => "vehicle_id_of_many",
            Self::Doubted => "vehicle_value_doubted",
        }
    }
}

/// ln(E_pile / E_vehicle) and E_pile in kWh, or why the pair is no comparison.
pub fn compare(energy_pile_kwh: Decimal, energy_vehicle_kwh: Decimal) -> Result<(f64, f64), Screened> {
    let energies = [energy_pile_kwh, energy_vehicle_kwh];
    if energies.iter().any(|energy| *energy <= Decimal::ZERO) {
        return Err(Screened::NotPositive);
    }
    if energies.iter().any(|energy| *energy > ENERGY_MAX_KWH) {
        return Err(Screened::Implausible);
    }
    if energies.iter().any(|energy| *energy < ENERGY_MIN_KWH) {
        return Err(Screened::TooSmall);
    }
    let pile = energy_pile_kwh.to_f64().ok_or(Screened::Implausible)?;
    let vehicle = energy_vehicle_kwh.to_f64().ok_or(Screened::Implausible)?;
    let log_ratio = libm::log(pile / vehicle);
    if log_ratio.abs() > LOG_RATIO_MAX { Err(Screened::Incomparable) } else { Ok((log_ratio, pile)) }
}

/// ln(1 + e) of an error that was measured, and the standard uncertainty U/k of e, fractions; none where they are no numbers, or nothing is
/// uncertain.
///
/// The comparison speaks in logarithms of ratios; errors of indication are relative (§1.2), so `ln(1 + e)` goes in and `exp(…) − 1` comes
/// out. At 4 % the two differ by 0.08 %, as much as a good estimate's uncertainty.
pub(crate) fn log_error(
    error_percent: Decimal,
    expanded_uncertainty_percent: Decimal,
    coverage_factor: Decimal,
) -> Option<(f64, f64)> {
    let error = libm::log1p(error_percent.to_f64()? / 100.0);
    let u = expanded_uncertainty_percent.to_f64()? / 100.0 / coverage_factor.to_f64()?;
    (error.is_finite() && 0.0 < u && u.is_finite()).then_some((error, u))
}

#[cfg(test)]
mod tests {
    use super::*;

    // ln 1.02 by mpmath; U of 0.15 % at k = 2.
    #[test]
    fn a_measured_error_is_a_logarithm_with_its_standard_uncertainty() {
        let log = |error: i64, expanded: i64, k: i64| {
            log_error(Decimal::new(error, 2), Decimal::new(expanded, 2), Decimal::from(k))
        };
        let (error, u) = log(200, 15, 2).expect("a result");
        assert!((error - 0.019_802_627_296_179_713).abs() < 1e-16 && (u - 0.000_75).abs() < 1e-18);
        for none in
            [log(200, 0, 2), log(200, 15, 0), log(-10_000, 15, 2), log(-20_000, 15, 2), log(200, -15, 2)]
        {
            assert_eq!(none, None);
        }
    }

    #[test]
    fn only_pairs_that_say_something_are_compared() {
        let check = |pile: &str, vehicle: &str, expected: Option<Screened>| {
            let result = compare(pile.parse().expect("literal"), vehicle.parse().expect("literal"));
            assert_eq!(result.err(), expected, "{pile} {vehicle}");
        };
        check("10", "9.5", None);
        check("0", "9.5", Some(Screened::NotPositive));
        check("10", "-1", Some(Screened::NotPositive));
        check("0.2", "0.2", Some(Screened::TooSmall));
        check("1430", "20", Some(Screened::Implausible));
        check("10", "4.9", Some(Screened::Incomparable));
    }

    // ln(1.02) to 17 digits by mpmath.
    #[test]
    fn the_log_ratio_is_exact() {
        let (y, size) = compare("10.2".parse().expect("literal"), Decimal::TEN).expect("comparable");
        assert!((y - 0.019_802_627_296_179_713).abs() < 1e-16);
        assert!((size - 10.2).abs() < 1e-15);
    }
}
