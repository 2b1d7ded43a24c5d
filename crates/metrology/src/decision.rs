//! Decisions about conformity under uncertainty (JCGM 106). A decision always carries what it rests on.

use serde::{Deserialize, Serialize};

use crate::normal;

/// Name and version of the rule of [`decide_three_zones`].
pub const THREE_ZONES: &str = "three zones, one-sided 95 %, v1";

/// Name and version of simple acceptance.
pub const SIMPLE_ACCEPTANCE: &str = "simple acceptance, limited uncertainty, v1";

/// Name and version of the guard band.
pub const GUARD_BAND: &str = "guard band w = factor × U, v1";

/// How far a number may seem to lie beyond an edge, relative to the limit: decimals such as a third of 0.01 have no exact
/// floating number, and one that stands on its edge must not fall off it. No certificate prints as many digits.
const EDGE: f64 = 1e-12;

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

/// How it is decided. A rule set names one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case", deny_unknown_fields)]
pub enum DecisionRule {
    /// See [`decide_three_zones`].
    ThreeZones,
    /// The value alone decides, if it is known well enough.
    SimpleAcceptance {
        /// Largest expanded uncertainty, as a fraction of the limit.
        uncertainty_ratio_max: f64,
    },
    /// A band on either side of the limit in which nothing is decided.
    GuardBand {
        /// Width in expanded uncertainties; 1 by ILAC-G8.
        factor: f64,
    },
}

impl DecisionRule {
    /// Name and version.
    pub fn name(self) -> &'static str {
        match self {
            Self::ThreeZones => THREE_ZONES,
            Self::SimpleAcceptance { .. } => SIMPLE_ACCEPTANCE,
            Self::GuardBand { .. } => GUARD_BAND,
        }
    }
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

/// Decides by a rule. All numbers are fractions (or all of any other unit); those that are not finite, and uncertainties or
/// limits below zero, decide nothing.
///
/// # Formula
/// Three zones: [`decide_three_zones`].
/// Simple acceptance (JCGM 106:2012 8.2): UNDECIDED if `U > ratio × L`; else CONFORM if `|v| ≤ L`, else NONCONFORM.
/// Guard band (JCGM 106 8.3, ILAC-G8:09/2019 with w = U): CONFORM if `|v| ≤ L − w`, NONCONFORM if `|v| > L + w`, else UNDECIDED,
/// `w = factor × U`.
pub fn decide(
    rule: DecisionRule,
    value: f64,
    standard_uncertainty: f64,
    expanded_uncertainty: f64,
    limit: f64,
) -> Decision {
    let decision = decide_three_zones(value, standard_uncertainty, limit);
    let numbers = [value, standard_uncertainty, expanded_uncertainty, limit];
    let sound =
        numbers.iter().all(|number| number.is_finite()) && numbers[1..].iter().all(|number| 0.0 <= *number);
    let zone = match rule {
        _ if !sound => Zone::Undecided,
        DecisionRule::ThreeZones => decision.zone,
        DecisionRule::SimpleAcceptance { uncertainty_ratio_max } => {
            simple_acceptance(value.abs(), expanded_uncertainty, limit, uncertainty_ratio_max)
        }
        DecisionRule::GuardBand { factor } => guard_band(value.abs(), factor * expanded_uncertainty, limit),
    };
    Decision { zone, rule: rule.name(), ..decision }
}

fn simple_acceptance(magnitude: f64, expanded: f64, limit: f64, ratio_max: f64) -> Zone {
    let edge = EDGE * limit;
    // A ratio that is no number compares false and decides nothing.
    let is_known_well = expanded <= ratio_max * limit + edge;
    match (is_known_well, magnitude <= limit + edge) {
        (false, _) => Zone::Undecided,
        (true, true) => Zone::Conform,
        (true, false) => Zone::Nonconform,
    }
}

fn guard_band(magnitude: f64, width: f64, limit: f64) -> Zone {
    let edge = EDGE * limit;
    if magnitude <= limit - width + edge && 0.0 <= width {
        Zone::Conform
    } else if limit + width + edge < magnitude && 0.0 <= width {
        Zone::Nonconform
    } else {
        Zone::Undecided
    }
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
