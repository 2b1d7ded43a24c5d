//! Decisions about conformity under uncertainty (JCGM 106). A decision always carries what it rests on.

use serde::Serialize;

use crate::normal;

/// Name and version of the rule of [`decide_three_zones`].
pub const THREE_ZONES: &str = "three zones, one-sided 95 %, v1";

/// Width of the guard bands in standard uncertainties, as the rule writes it.
const GUARD_FACTOR: f64 = 1.645;

/// What can be said against a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Zone {
    /// Inside the limit with at least 95 % confidence.
    Conform,
    /// Outside the limit with at least 95 % confidence.
    Nonconform,
    /// Neither. Never to be shown as a pass.
    Undecided,
}

/// A decision with value, uncertainty, limit and rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Decision {
    /// Estimated error, fraction.
    pub value: f64,
    /// Standard uncertainty (k = 1), fraction.
    pub standard_uncertainty: f64,
    /// Limit of the absolute error, fraction.
    pub limit: f64,
    /// Probability that the true error lies within ± limit.
    pub probability_conform: f64,
    /// The zone.
    pub zone: Zone,
    /// Rule and version.
    pub rule: &'static str,
}

/// Decides by three zones from a normal posterior `N(value, standard_uncertainty²)`.
///
/// # Formula
/// `p = Φ((L−m)/u) − Φ((−L−m)/u)`; CONFORM if `|m| + 1.645u ≤ L`; NONCONFORM if `|m| − 1.645u > L`; else UNDECIDED
/// (JCGM 106:2012 §7–8; guard bands of 1.645u on both sides of the limit).
pub fn decide_three_zones(value: f64, standard_uncertainty: f64, limit: f64) -> Decision {
    // By symmetry only |m| counts; with it both terms are tails on the accurate side, also where p is tiny.
    let (m, u) = (value.abs(), standard_uncertainty);
    let probability_conform = normal::cdf((limit - m) / u) - normal::cdf((-limit - m) / u);
    let guard = GUARD_FACTOR * u;
    let zone = if m + guard <= limit {
        Zone::Conform
    } else if limit < m - guard {
        Zone::Nonconform
    } else {
        Zone::Undecided
    };
    Decision { value, standard_uncertainty, limit, probability_conform, zone, rule: THREE_ZONES }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_meet_where_the_rule_says() {
        let check = |value: f64, u: f64, zone: Zone| {
            assert_eq!(decide_three_zones(value, u, 0.01).zone, zone, "{value} {u}");
        };
        check(0.0, 0.006, Zone::Conform);
        check(0.0, 0.0061, Zone::Undecided);
        check(0.008, 0.001, Zone::Conform);
        check(0.009, 0.001, Zone::Undecided);
        check(0.0116, 0.001, Zone::Undecided);
        check(0.0117, 0.001, Zone::Nonconform);
        check(-0.0117, 0.001, Zone::Nonconform);
    }

    // One-sided tail of 0.95 at a guard of 1.6449 u (second limit far away).
    #[test]
    fn at_the_edge_of_conform_the_probability_is_95_percent() {
        let decision = decide_three_zones(0.01 - normal::QUANTILE_95 * 0.001, 0.001, 0.01);
        assert!((decision.probability_conform - 0.95).abs() < 1e-12);
    }

    #[test]
    fn the_sign_of_the_error_does_not_matter() {
        for value in [0.0, 0.003, 0.0099, 0.02] {
            let (plus, minus) =
                (decide_three_zones(value, 0.002, 0.01), decide_three_zones(-value, 0.002, 0.01));
            assert_eq!(plus.zone, minus.zone);
            assert_eq!(plus.probability_conform.to_bits(), minus.probability_conform.to_bits());
        }
    }

    // ncdf(-10) − ncdf(-20) by mpmath, 30 digits: far outside the limit the probability is tiny, not zero, on both sides.
    #[test]
    fn a_tiny_probability_is_not_rounded_away() {
        for value in [0.03, -0.03] {
            let p = decide_three_zones(value, 0.002, 0.01).probability_conform;
            assert!((p / 7.619_853_024_160_526e-24 - 1.0).abs() < 1e-9, "{p}");
        }
    }
}
