//! The calibration of a reference vehicle: what it says of the vehicle's bias on another day.
//!
//! Called by [`crate::assess`] and by the filter over weeks, to which it says the same. Which calibrations contradict everything else is
//! [`crate::levels`]'s.

use rust_decimal::Decimal;

use crate::evidence::log_error;

/// Drift of a reference vehicle's instrument since its calibration: 0.2 % in a year, as a random walk (fractions² per day).
///
/// Twice a pile's ([`crate::anchors`]), an assumption and no source's figure: the instrument is of the class that calibrations of some
/// tenths of a percent are given for, and such classes (0.2) permit as much between two yearly calibrations; it is shaken, heated and frozen
/// with the car, which a pile's meter is not. Whoever knows better calibrates more often.
const DRIFT_PER_DAY: f64 = 0.002 * 0.002 / 365.25;

/// Standard deviation of what the bias has drifted by after one week.
pub(crate) fn walk_of_a_week() -> f64 {
    (7.0 * DRIFT_PER_DAY).sqrt()
}

/// Bias and standard uncertainty by the error that was found, its expanded uncertainty, percent, and its coverage factor, with so many days of
/// drift; none where they cannot be. Bias and error differ in sign of nothing: a meter that reads too much has a positive bias.
pub(crate) fn known_bias(found: [Decimal; 3], days: f64) -> Option<(f64, f64)> {
    let [error_percent, expanded_uncertainty_percent, coverage_factor] = found;
    let (bias, u) = log_error(error_percent, expanded_uncertainty_percent, coverage_factor)?;
    let variance = u * u + DRIFT_PER_DAY * days;
    variance.is_finite().then_some((bias, variance.sqrt()))
}
