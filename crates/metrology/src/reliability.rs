//! How long an instrument may be trusted: the probability that it still keeps its limit after some time, and the longest time
//! for which that is high enough (verification interval by state, metrology.md §4).
//!
//! Called by `assessment::interval`. It knows days, not dates, and never decides whether an estimate may be used at all.

use crate::risk;

/// Probability of keeping the limit below which an instrument is not left alone: the rate of passes that batches need for a longer
/// interval, so that one pile by its state and one by its batch are held to the same.
pub const RELIABILITY_MIN: f64 = 0.97;

/// Shortest interval, days: three months. Where even that is not sure, waiting is no answer and there is none.
pub const FLOOR_DAYS: u32 = 91;

/// Longest interval that is computed, days: ten years, beyond any law's.
const CEILING_DAYS: u32 = 3_653;

/// Days of a year, for rates.
const DAYS_PER_YEAR: f64 = 365.25;

/// What is known of an instrument now and how it moves. Fractions (0.01 is 1 %), or all in any other unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct State {
    /// Estimated error m.
    pub error: f64,
    /// Its standard uncertainty √P.
    pub standard_uncertainty: f64,
    /// Drift r per year.
    pub drift_per_year: f64,
    /// Random walk q: standard deviation after one year; it grows with the root of time.
    pub walk_per_root_year: f64,
}

/// Probability that the error lies within ± limit after some years. Not a number for a negative time, limit or deviation.
///
/// # Formula
/// `R(T) = Φ((L − m − rT) / √(P + q²T)) − Φ((−L − m − rT) / √(P + q²T))`
pub fn reliability(state: &State, limit: f64, years: f64) -> f64 {
    let State { error, standard_uncertainty: u, drift_per_year, walk_per_root_year: walk } = *state;
    let is_sound = [years, limit, u, walk].iter().all(|number| 0.0 <= *number);
    if !is_sound {
        return f64::NAN;
    }
    let deviation = (u * u + walk * walk * years).sqrt();
    risk::conformance_probability(error + drift_per_year * years, deviation, (-limit, limit))
}

/// Longest interval in whole days, at most `legal_maximum_days`, throughout which the reliability is [`RELIABILITY_MIN`] or more;
/// none if that is shorter than [`FLOOR_DAYS`], or something is not a number.
///
/// Day by day, because the reliability may fall below and rise again: a drift that leads back through the middle. A legal maximum
/// below the floor is kept as it is: law before prudence.
pub fn interval_days(state: &State, limit: f64, legal_maximum_days: u32) -> Option<u32> {
    let maximum = legal_maximum_days.min(CEILING_DAYS);
    let holds = |days: &u32| RELIABILITY_MIN <= reliability(state, limit, f64::from(*days) / DAYS_PER_YEAR);
    let days = (0..=maximum).take_while(holds).last()?;
    (FLOOR_DAYS.min(maximum) <= days).then_some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: f64 = 0.01;

    fn state(error: f64, standard_uncertainty: f64, drift_per_year: f64, walk_per_root_year: f64) -> State {
        State { error, standard_uncertainty, drift_per_year, walk_per_root_year }
    }

    // mpmath at 40 digits.
    #[test]
    fn the_probability_of_keeping_the_limit() {
        for (given, years, expected) in [
            (state(0.002, 0.001, 0.0, 0.001), 1.0, 0.999_999_992_291_371),
            (state(0.004, 0.0015, 0.001, 0.002), 2.0, 0.894_238_494_993_825_6),
            (state(-0.006, 0.001, 0.0005, 0.0015), 3.0, 0.975_903_160_694_298),
            (state(0.012, 0.002, 0.0, 0.001), 0.0, 0.158_655_253_931_457_05),
        ] {
            let found = reliability(&given, LIMIT, years);
            assert!((found - expected).abs() < 1e-14, "{found} is not {expected}");
        }
    }

    // The same formula in mpmath at 25 digits, day by day from 0 to 1096.
    #[test]
    fn the_interval_is_the_longest_time_of_trust() {
        for (given, expected) in [
            (state(0.002, 0.001, 0.0, 0.001), Some(1096)),
            (state(0.004, 0.001, 0.001, 0.002), Some(477)),
            (state(0.006, 0.001, 0.001, 0.002), Some(211)),
            (state(0.0075, 0.001, 0.0, 0.0015), Some(124)),
            (state(0.009, 0.001, 0.0, 0.001), None),
            (state(-0.0075, 0.001, 0.002, 0.001), Some(1096)),
        ] {
            assert_eq!(interval_days(&given, LIMIT, 1096), expected, "{given:?}");
        }
    }

    #[test]
    fn an_error_that_leaves_and_comes_back_is_not_trusted_beyond_its_leaving() {
        // Without uncertainty, from −1.05 % upwards: outside at first, inside later.
        assert_eq!(interval_days(&state(-0.0105, 0.0, 0.001, 0.0), LIMIT, 1096), None);
        // From 0.9 % at 1 % a year it leaves after 0.1 years, before the floor; at 0.2 % after half a year: 182 days.
        assert_eq!(interval_days(&state(0.009, 0.0, 0.01, 0.0), LIMIT, 1096), None);
        assert_eq!(interval_days(&state(0.009, 0.0, 0.002, 0.0), LIMIT, 1096), Some(182));
    }

    #[test]
    fn the_law_is_the_longest_interval() {
        let good = state(0.0, 0.0005, 0.0, 0.0005);
        assert_eq!(interval_days(&good, LIMIT, 365), Some(365));
        assert_eq!(interval_days(&good, LIMIT, 30), Some(30));
    }

    #[test]
    fn what_is_not_a_number_is_not_trusted() {
        for given in
            [state(f64::NAN, 0.001, 0.0, 0.0), state(0.0, -0.001, 0.0, 0.0), state(0.0, 0.001, f64::NAN, 0.0)]
        {
            assert_eq!(interval_days(&given, LIMIT, 1096), None);
        }
        assert_eq!(interval_days(&state(0.0, 0.001, 0.0, 0.0), f64::NAN, 1096), None);
    }
}
