//! Decisions about conformity under uncertainty (JCGM 106). A decision always carries what it rests on.

use serde::{Deserialize, Serialize};

use crate::{normal, student};

/// Name and version of the rule of [`decide_three_zones`].
pub const THREE_ZONES: &str = "three zones, one-sided 95 %, v1";

/// Name and version of the rule of [`decide_from_comparisons`].
pub const ASSURED_ZONES: &str = "three zones, one-sided 95 %, nonconform at 99.9 %, v2";

/// Name and version of simple acceptance.
pub const SIMPLE_ACCEPTANCE: &str = "simple acceptance, limited uncertainty, v1";

/// Name and version of the guard band.
pub const GUARD_BAND: &str = "guard band w = factor × U, v1";

/// How far a number may seem to lie beyond an edge, relative to the limit: decimals such as a third of 0.01 have no exact
/// floating number, and one that stands on its edge must not fall off it. No certificate prints as many digits.
const EDGE: f64 = 1e-12;

/// Width of the guard bands in standard uncertainties, as the rule writes it.
const GUARD_FACTOR: f64 = 1.645;

/// Probability with which the estimate of an instrument in order is nearer to zero than what is called nonconform from comparisons.
const ASSURED: f64 = 0.999;

/// By how much instruments in order differ, standard deviation as a share of the limit.
const IN_ORDER_SD: f64 = 0.2;

/// Degrees of freedom that a comparison is worth in the tails of an estimate. Of the M-estimate of t₄ values of known scale (400,000 draws each)
/// 0.24 % lay beyond 3.3 u of 10 values, 0.19 % of 15, 0.14 % of 25 and 0.11 % of 200: as of Student's t of 30, 45, 75 and 600 degrees. Scales and ν
/// are estimated besides, and noise may have heavier tails: of t₃ noise three a comparison let 0.23 % of instruments in order pass for nonconform,
/// two 0.04 %.
const DEGREES_A_COMPARISON: f64 = 2.0;

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

/// Decides as [`decide_three_zones`] by what many comparisons say, but calls an instrument nonconform only where its estimate is one that hardly any
/// instrument in order has.
///
/// Three zones take every error for as probable as any other beforehand. Where the uncertainty is as large as the limit that is far from true:
/// nearly all instruments are in order, and one in a hundred of these would be called nonconform.
///
/// # Formula
/// NONCONFORM needs `|m| ≥ k √(u² + (L/5)²)` besides, k the 99.9 % coverage factor of Student's t of two degrees of freedom a comparison: of errors
/// `N(0, (L/5)²)` no more than one in a thousand is called so, whatever u.
pub fn decide_from_comparisons(
    value: f64,
    standard_uncertainty: f64,
    limit: f64,
    comparisons: usize,
) -> Decision {
    let decision = decide_three_zones(value, standard_uncertainty, limit);
    let spread = libm::hypot(standard_uncertainty, IN_ORDER_SD * limit);
    let factor = || student::coverage_factor(ASSURED, DEGREES_A_COMPARISON * comparisons.max(1) as f64);
    let zone = match decision.zone {
        Zone::Nonconform if value.abs() < factor() * spread => Zone::Undecided,
        zone => zone,
    };
    Decision { zone, rule: ASSURED_ZONES, ..decision }
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
    fn zone(rule: DecisionRule, value: f64, expanded: f64) -> Zone {
        decide(rule, value, expanded / 2.0, expanded, 0.01).zone
    }

    const THIRD: DecisionRule = DecisionRule::SimpleAcceptance { uncertainty_ratio_max: 1.0 / 3.0 };
    const GUARDED: DecisionRule = DecisionRule::GuardBand { factor: 1.0 };

    // By hand, L = 1 %: on the limit is inside; a third of it is 0.3333… %.
    #[test]
    fn simple_acceptance_needs_a_small_uncertainty_and_then_looks_at_the_value_alone() {
        for (value, expanded, expected) in [
            (0.01, 0.003, Zone::Conform),
            (-0.01, 0.003, Zone::Conform),
            (0.0101, 0.003, Zone::Nonconform),
            (-0.0101, 0.003, Zone::Nonconform),
            (0.0, 0.01 / 3.0, Zone::Conform),
            (0.0, 0.0034, Zone::Undecided),
            (0.05, 0.0034, Zone::Undecided),
        ] {
            assert_eq!(zone(THIRD, value, expanded), expected, "{value} {expanded}");
        }
        // Limits of every class of every rule set, in tenths of a percent: a value and an uncertainty on their edges do not fall off.
        for tenths in 1..=50u32 {
            let limit = f64::from(tenths) / 1000.0;
            let third = f64::from(tenths) / 3000.0;
            assert_eq!(decide(THIRD, limit, third / 2.0, third, limit).zone, Zone::Conform, "{tenths}");
        }
    }

    // By hand, L = 1 %, w = U = 0.2 %: inside 0.8 %, outside 1.2 %.
    #[test]
    fn a_guard_band_leaves_its_width_undecided_on_both_sides() {
        for (value, expected) in [
            (0.008, Zone::Conform),
            (-0.008, Zone::Conform),
            (0.008_01, Zone::Undecided),
            (0.01, Zone::Undecided),
            (0.012, Zone::Undecided),
            (0.012_01, Zone::Nonconform),
            (-0.012_01, Zone::Nonconform),
        ] {
            assert_eq!(zone(GUARDED, value, 0.002), expected, "{value}");
        }
        let half = DecisionRule::GuardBand { factor: 0.5 };
        assert_eq!(zone(half, 0.009, 0.002), Zone::Conform);
        assert_eq!(zone(GUARDED, 0.0, 0.011), Zone::Undecided, "a band wider than the limit accepts nothing");
        assert_eq!(zone(DecisionRule::GuardBand { factor: -1.0 }, 0.0, 0.002), Zone::Undecided);
    }

    /// Share of instruments of errors `N(0, sd²)` within the limit that a rule calls nonconform, by the trapezium rule over errors; what is seen of
    /// an error is `N(e, u²)`, and the smallest magnitude that is called so is found by halving.
    fn falsely_nonconform(sd: f64, u: f64, is_nonconform: impl Fn(f64) -> bool) -> f64 {
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if is_nonconform(middle) { high = middle } else { low = middle }
        }
        let (mut called, mut all) = (0.0, 0.0);
        for step in -2_000..=2_000 {
            let error = 0.01 * f64::from(step) / 2_000.0;
            let weight = libm::exp(-0.5 * (error / sd).powi(2));
            called += weight * (normal::cdf((-high - error) / u) + normal::cdf((error - high) / u));
            all += weight;
        }
        called / all
    }

    // σ_e = 0.2 %, L = 1 %. By numpy, 8,001 steps, with u of 0.3, 0.6, 1.2 and 2 %: 0.003, 0.168, 1.45 and 3.28 % by three zones.
    #[test]
    fn of_instruments_in_order_one_in_a_thousand_is_called_nonconform_whatever_the_uncertainty() {
        for (u, expected) in [(0.003, 0.000_034), (0.006, 0.001_680), (0.012, 0.014_501), (0.02, 0.032_814)] {
            let is_nonconform = |m| decide_three_zones(m, u, 0.01).zone == Zone::Nonconform;
            let found = falsely_nonconform(0.002, u, is_nonconform);
            assert!((found / expected - 1.0).abs() < 0.02, "{u}: {found}");
        }
        for step in 1..=40 {
            let u = 0.000_5 * f64::from(step);
            for comparisons in [10, 30, 1_000, 1_000_000] {
                let is_nonconform =
                    |m| decide_from_comparisons(m, u, 0.01, comparisons).zone == Zone::Nonconform;
                let found = falsely_nonconform(0.002, u, is_nonconform);
                assert!(found <= 0.001, "{u}, {comparisons}: {found}");
            }
        }
    }

    // By hand, L = 1 %: with u of 0.1 % the edge is 1.1645 % as before; with 0.8 % it is not 2.316 % but 3.2907 √(0.8² + 0.2²) = 2.714 % of very many
    // comparisons (ν of 2·10⁶), and of ten t of 20 degrees, 3.8495, gives 3.174 % (scipy.stats.t.ppf).
    #[test]
    fn nonconform_needs_an_estimate_that_none_in_order_has() {
        let zone =
            |value: f64, u: f64, comparisons| decide_from_comparisons(value, u, 0.01, comparisons).zone;
        assert_eq!(zone(0.0117, 0.001, 10), Zone::Nonconform);
        assert_eq!(zone(-0.0116, 0.001, 10), Zone::Undecided);
        for (comparisons, edge) in [(1_000_000, 0.027_14), (10, 0.031_74)] {
            assert_eq!(zone(edge + 0.000_02, 0.008, comparisons), Zone::Nonconform, "{comparisons}");
            assert_eq!(zone(-edge + 0.000_02, 0.008, comparisons), Zone::Undecided, "{comparisons}");
        }
        for (value, u) in [(0.0, 0.006), (0.008, 0.001), (0.009, 0.001)] {
            assert_eq!(zone(value, u, 10), decide_three_zones(value, u, 0.01).zone, "conform is as before");
        }
        assert_eq!(decide_from_comparisons(0.0, 0.001, 0.01, 0).rule, ASSURED_ZONES);
        assert_eq!(zone(f64::NAN, 0.001, 10), Zone::Undecided);
    }

    #[test]
    fn a_decision_carries_what_it_rests_on() {
        let decision = decide(GUARDED, 0.004, 0.001, 0.002, 0.01);
        assert_eq!((decision.rule, decision.limit, decision.value), (GUARD_BAND, 0.01, 0.004));
        assert_eq!(decide(THIRD, 0.004, 0.001, 0.002, 0.01).rule, SIMPLE_ACCEPTANCE);
        let zones = decide(DecisionRule::ThreeZones, 0.004, 0.001, 0.002, 0.01);
        assert_eq!(zones, decide_three_zones(0.004, 0.001, 0.01));
        for rule in [THIRD, GUARDED, DecisionRule::ThreeZones] {
            assert!(rule.name().ends_with("v1"));
        }
    }

    #[test]
    fn numbers_that_are_none_decide_nothing() {
        for rule in [THIRD, GUARDED, DecisionRule::ThreeZones] {
            for (value, u, expanded, limit) in [
                (f64::NAN, 0.001, 0.002, 0.01),
                (0.0, f64::NAN, 0.002, 0.01),
                (0.0, 0.001, f64::INFINITY, 0.01),
                (0.0, 0.001, 0.002, f64::NAN),
                (0.05, -0.001, 0.002, 0.01),
                (0.05, 0.001, -0.002, 0.01),
                (0.05, 0.001, 0.002, -0.01),
            ] {
                let zone = decide(rule, value, u, expanded, limit).zone;
                assert_eq!(zone, Zone::Undecided, "{rule:?} {value} {u} {expanded} {limit}");
            }
        }
        let no_ratio = DecisionRule::SimpleAcceptance { uncertainty_ratio_max: f64::NAN };
        assert_eq!(zone(no_ratio, 0.0, 0.001), Zone::Undecided);
    }

    proptest::proptest! {
        #[test]
        fn no_rule_prefers_a_sign(value in -0.05f64..0.05, expanded in 0.0f64..0.02, factor in 0.0f64..3.0) {
            for rule in [THIRD, DecisionRule::GuardBand { factor }, DecisionRule::ThreeZones] {
                proptest::prop_assert_eq!(zone(rule, value, expanded), zone(rule, -value, expanded));
            }
        }

        // A wider guard never turns an undecided item into a decided one.
        #[test]
        fn a_wider_guard_decides_less(value in -0.05f64..0.05, expanded in 0.0f64..0.02, factor in 0.0f64..3.0) {
            let (narrow, wide) = (DecisionRule::GuardBand { factor }, DecisionRule::GuardBand { factor: factor + 0.5 });
            let wide = zone(wide, value, expanded);
            proptest::prop_assert!(wide == Zone::Undecided || wide == zone(narrow, value, expanded));
        }
    }
}
