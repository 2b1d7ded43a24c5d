//! Risks of conformity decisions (JCGM 106:2012): what it costs consumers and producers that measurements are uncertain.
//!
//! Called for a single result (specific risks) and for a population that will be measured (global risks). Distributions are
//! normal. It never decides: see [`crate::decision`].

use serde::{Deserialize, Serialize};

use crate::normal;

/// How many standard deviations of the prior are integrated: what lies beyond is below 10⁻²³.
const PRIOR_REACH: i32 = 10;

/// Half-widths of the panels of a quadrature per standard deviation.
const PANELS_PER_DEVIATION: i32 = 2;

/// Nodes and weights of the Gauss–Legendre rule of eight points on −1..1, positive half (Abramowitz and Stegun, table 25.4).
const NODES: [(f64, f64); 4] = [
    (0.183_434_642_495_649_8, 0.362_683_783_378_362),
    (0.525_532_409_916_329, 0.313_706_645_877_887_27),
    (0.796_666_477_413_626_7, 0.222_381_034_453_374_48),
    (0.960_289_856_497_536_3, 0.101_228_536_290_376_26),
];

/// Probability that the true value lies in a tolerance interval, for a normal posterior. An end may be infinite (one-sided).
/// With no uncertainty it is 1 or 0. Not a number for an uncertainty below zero.
///
/// # Formula
/// `p_c = Φ((T_U − y)/u) − Φ((T_L − y)/u)` (JCGM 106 eq. 7), on the side where both tails are small.
pub fn conformance_probability(value: f64, standard_uncertainty: f64, tolerance: (f64, f64)) -> f64 {
    let (low, high) = tolerance;
    if standard_uncertainty == 0.0 {
        return if low <= value && value <= high { 1.0 } else { 0.0 };
    }
    if !(0.0..).contains(&standard_uncertainty) {
        return f64::NAN;
    }
    within((low - value) / standard_uncertainty, (high - value) / standard_uncertainty)
}

/// Φ(high) − Φ(low), mirrored so that the difference is taken of the smaller tails.
fn within(low: f64, high: f64) -> f64 {
    if 0.0 < low { normal::cdf(-low) - normal::cdf(-high) } else { normal::cdf(high) - normal::cdf(low) }
}

/// Risk for the consumer of this item, if it is accepted: that it does not conform (JCGM 106 9.3.2).
pub fn specific_consumer_risk(value: f64, standard_uncertainty: f64, tolerance: (f64, f64)) -> f64 {
    let (low, high) = tolerance;
    let below = conformance_probability(value, standard_uncertainty, (f64::NEG_INFINITY, low));
    let above = conformance_probability(value, standard_uncertainty, (high, f64::INFINITY));
    // As a sum of tails: a complement would lose a small risk. With no uncertainty a limit itself belongs to the inside.
    if standard_uncertainty == 0.0 {
        1.0 - conformance_probability(value, 0.0, tolerance)
    } else {
        below + above
    }
}

/// Risk for the producer of this item, if it is rejected: that it does conform (JCGM 106 9.3.3).
pub fn specific_producer_risk(value: f64, standard_uncertainty: f64, tolerance: (f64, f64)) -> f64 {
    conformance_probability(value, standard_uncertainty, tolerance)
}

/// What is known of an item after a measurement, from what was known of its population: mean and standard deviation.
///
/// # Formula
/// `y = w η_m + (1 − w) y_0`, `w = u_0² / (u_0² + u_m²)`, `u² = w u_m²` (JCGM 106 A.4.4).
pub fn posterior(prior_mean: f64, prior_sd: f64, measured: f64, measurement_u: f64) -> (f64, f64) {
    let (prior, measurement) = (prior_sd * prior_sd, measurement_u * measurement_u);
    let weight = prior / (prior + measurement);
    (weight * measured + (1.0 - weight) * prior_mean, weight.sqrt() * measurement_u)
}

/// Measurement capability index: how well a measurement resolves a tolerance.
///
/// # Formula
/// `C_m = (T_U − T_L) / (4 u_m)` (JCGM 106 7.6.3).
pub fn capability_index(tolerance: (f64, f64), measurement_u: f64) -> f64 {
    (tolerance.1 - tolerance.0) / (4.0 * measurement_u)
}

/// Probabilities over a population, before anything is measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlobalRisks {
    /// That an item does not conform and is accepted.
    pub consumer: f64,
    /// That an item conforms and is rejected.
    pub producer: f64,
}

/// Global risks of a decision rule for a normal population. Ends of the intervals may be infinite. Risks are not numbers where
/// the prior's deviation is not above zero, the uncertainty negative, or an interval empty.
///
/// # Formula
/// `R_C = ∫_{η ∉ T} P(η_m ∈ A | η) g_0(η) dη`, `R_P = ∫_{η ∈ T} P(η_m ∉ A | η) g_0(η) dη` (JCGM 106 eq. 17, 19), by eight-point
/// Gauss–Legendre panels that are half as wide as the deviation of whatever changes there: the prior everywhere, the measurement
/// about the ends of the acceptance interval. The ends of the tolerance are ends of panels.
pub fn global_risks(
    prior_mean: f64,
    prior_sd: f64,
    measurement_u: f64,
    tolerance: (f64, f64),
    acceptance: (f64, f64),
) -> GlobalRisks {
    let scales = prior_mean.is_finite() && 0.0 < prior_sd && prior_sd.is_finite();
    let known = scales && 0.0 <= measurement_u && measurement_u.is_finite();
    if !(known && tolerance.0 < tolerance.1 && acceptance.0 < acceptance.1) {
        return GlobalRisks { consumer: f64::NAN, producer: f64::NAN };
    }
    let ends = panel_ends(prior_mean, prior_sd, measurement_u, tolerance, acceptance);
    let mut risks = GlobalRisks { consumer: 0.0, producer: 0.0 };
    for pair in ends.windows(2) {
        let middle = 0.5 * (pair[0] + pair[1]);
        let conforms = tolerance.0 <= middle && middle <= tolerance.1;
        let weighed = |probability: &dyn Fn(f64) -> f64| {
            let density = |eta: f64| normal::density((eta - prior_mean) / prior_sd) / prior_sd;
            panel(pair[0], pair[1], |eta| density(eta) * probability(eta))
        };
        if conforms {
            risks.producer += weighed(&|eta| specific_consumer_risk(eta, measurement_u, acceptance));
        } else {
            risks.consumer += weighed(&|eta| conformance_probability(eta, measurement_u, acceptance));
        }
    }
    risks
}

/// Ends of the panels within reach of the prior, ascending.
fn panel_ends(
    mean: f64,
    prior_sd: f64,
    measurement_u: f64,
    tolerance: (f64, f64),
    acceptance: (f64, f64),
) -> Vec<f64> {
    let (lowest, highest) =
        (mean - f64::from(PRIOR_REACH) * prior_sd, mean + f64::from(PRIOR_REACH) * prior_sd);
    let mut ends = vec![lowest, highest, tolerance.0, tolerance.1];
    for (centre, width) in [(mean, prior_sd), (acceptance.0, measurement_u), (acceptance.1, measurement_u)] {
        let steps = PRIOR_REACH * PANELS_PER_DEVIATION;
        let step = width / f64::from(PANELS_PER_DEVIATION);
        ends.extend((-steps..=steps).map(|at| centre + f64::from(at) * step));
    }
    ends.retain(|end| lowest <= *end && *end <= highest);
    ends.sort_unstable_by(f64::total_cmp);
    ends
}

fn panel(low: f64, high: f64, integrand: impl Fn(f64) -> f64) -> f64 {
    let (centre, half) = (0.5 * (low + high), 0.5 * (high - low));
    let pair = |(node, weight): &(f64, f64)| {
        weight * (integrand(centre - half * node) + integrand(centre + half * node))
    };
    half * NODES.iter().map(pair).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_LIMIT: f64 = f64::INFINITY;

    fn relative(found: f64, expected: f64, tolerance: f64) {
        assert!((found / expected - 1.0).abs() < tolerance, "{found} is not {expected}");
    }

    // After the examples of JCGM 106:2012 clause 7, which was not at hand; the probabilities are recomputed by mpmath, 30 digits: a
    // breakdown voltage of −5.47 V with u = 0.05 V and an upper limit of −5.40 V; a burst strength of 509.7 kPa with u = 8.6 kPa and
    // a lower limit of 490 kPa; a gauge block 49.999 926 mm long with u = 12 nm and limits 50 mm ± 60 nm.
    #[test]
    fn jcgm_106_conformance_probabilities() {
        let check = |value, u, tolerance, expected| {
            relative(conformance_probability(value, u, tolerance), expected, 1e-9);
        };
        check(-5.47, 0.05, (-NO_LIMIT, -5.40), 0.919_243_340_766_229);
        check(509.7, 8.6, (490.0, NO_LIMIT), 0.989_009_547_384_822);
        // In micrometres from 50 mm.
        check(-0.074, 0.012, (-0.060, 0.060), 0.121_672_504_574_381);
    }

    // After the mass-produced resistors of JCGM 106:2012 clause 9.5, which was not at hand: 1500 Ω, u_0 = 0.12 Ω, tolerance ± 0.20 Ω,
    // u_m = 0.04 Ω, accepted within ± 0.18 Ω; and without and with a wide guard band. All risks by mpmath (adaptive quadrature, 30
    // digits).
    #[test]
    fn jcgm_106_precision_resistors() {
        let tolerance = (1499.8, 1500.2);
        let risks = global_risks(1500.0, 0.12, 0.04, tolerance, (1499.82, 1500.18));
        relative(risks.consumer, 0.009_878_291_521_772_293, 1e-8);
        relative(risks.producer, 0.069_026_510_461_521_38, 1e-8);
        let shared = global_risks(0.0, 0.12, 0.04, (-0.2, 0.2), (-0.2, 0.2));
        relative(shared.consumer, 0.018_942_206_717_029_116, 1e-10);
        relative(shared.producer, 0.037_207_800_178_057_75, 1e-10);
        let guarded = global_risks(0.0, 0.12, 0.04, (-0.2, 0.2), (-0.12, 0.12));
        relative(guarded.consumer, 0.000_468_633_598_870_354_5, 1e-10);
        relative(guarded.producer, 0.247_669_640_201_152_34, 1e-10);
        // The first and last are the same index.
        relative(capability_index(tolerance, 0.04), 2.5, 1e-9);
    }

    // D. Deaver, "How to maintain your confidence" (1993), as the tests of Suncal (Sandia) quote it: limits of 2σ at 4:1 give 0.8 %
    // and 1.5 %; at 2:1 with limits drawn in to 0.91, 0.8 % and 6.6 %. More digits by mpmath.
    #[test]
    fn deaver_false_accept_and_false_reject() {
        let plain = global_risks(0.0, 1.0, 0.25, (-2.0, 2.0), (-2.0, 2.0));
        assert!((plain.consumer - 0.008).abs() < 0.0005 && (plain.producer - 0.015).abs() < 0.0005);
        relative(plain.consumer, 0.008_006_084_834_450_094, 1e-10);
        relative(plain.producer, 0.014_850_884_211_254_9, 1e-10);
        let guarded = global_risks(0.0, 1.0, 0.5, (-2.0, 2.0), (-1.82, 1.82));
        assert!((guarded.consumer - 0.008).abs() < 0.0005 && (guarded.producer - 0.066).abs() < 0.0005);
        relative(guarded.consumer, 0.008_051_608_545_312_443, 1e-10);
        relative(guarded.producer, 0.066_106_452_159_034_1, 1e-10);
    }

    // mpmath, 30 digits: one-sided, off centre, and a measurement ten thousand times better than the population is wide.
    #[test]
    fn global_risks_hold_where_scales_are_far_apart() {
        let check = |found: GlobalRisks, consumer, producer| {
            relative(found.consumer, consumer, 1e-9);
            relative(found.producer, producer, 1e-9);
        };
        check(
            global_risks(0.3, 0.5, 0.1, (-NO_LIMIT, 1.0), (-NO_LIMIT, 0.9)),
            0.002_198_085_910_171_300_5,
            0.041_099_697_287_147_914,
        );
        check(
            global_risks(0.0, 1.0, 0.0001, (-2.0, 2.0), (-2.0, 2.0)),
            4.307_315_993_781_803e-6,
            4.308_395_813_114_766e-6,
        );
        check(
            global_risks(0.004, 0.005, 0.0005, (-0.01, 0.01), (-0.009, 0.011)),
            0.033_445_440_938_085_706,
            0.002_462_085_019_077_838_4,
        );
    }

    #[test]
    fn a_perfect_measurement_has_no_risk_but_that_of_its_limits() {
        let risks = global_risks(0.0, 1.0, 0.0, (-2.0, 2.0), (-2.0, 2.0));
        assert!(risks.consumer.abs() < 1e-15 && risks.producer.abs() < 1e-15, "{risks:?}");
        // Accepted within 1, conforming within 2: what lies between is rejected, 2 (Φ(2) − Φ(1)).
        let strict = global_risks(0.0, 1.0, 0.0, (-2.0, 2.0), (-1.0, 1.0));
        relative(strict.producer, 2.0 * (normal::cdf(2.0) - normal::cdf(1.0)), 1e-10);
    }

    // Bayes: consumer's and producer's risks and the two right decisions make up everything; two of them by one integral less.
    #[test]
    fn risks_and_right_decisions_add_up() {
        for (mean, prior, u) in [(0.0, 1.0, 0.3), (0.7, 0.5, 0.5), (-3.0, 1.0, 0.1)] {
            let (tolerance, acceptance) = ((-1.0, 1.5), (-0.8, 1.4));
            let risks = global_risks(mean, prior, u, tolerance, acceptance);
            // P(accept) from the distribution of measured values, and P(conform) from the prior.
            let accepted = conformance_probability(mean, libm::hypot(prior, u), acceptance);
            let conforming = conformance_probability(mean, prior, tolerance);
            let accepted_conforming = accepted - risks.consumer;
            assert!((conforming - risks.producer - accepted_conforming).abs() < 1e-12, "{mean}");
        }
    }

    // By hand: equal weights halve the difference and divide the deviation by √2.
    #[test]
    fn a_posterior_lies_between_prior_and_measurement() {
        let (mean, sd) = posterior(10.0, 1.0, 12.0, 1.0);
        relative(mean, 11.0, 1e-15);
        relative(sd, 0.5f64.sqrt(), 1e-15);
        let (mean, sd) = posterior(10.0, 3.0, 12.0, 4.0);
        relative(mean, 10.72, 1e-14);
        relative(sd, 2.4, 1e-14);
    }

    // ncdf(-10) by mpmath, 30 digits: small risks are not rounded away.
    #[test]
    fn specific_risks_are_the_two_sides_of_one_probability() {
        relative(specific_consumer_risk(0.0, 0.1, (-1.0, NO_LIMIT)), 7.619_853_024_160_525e-24, 1e-12);
        relative(specific_producer_risk(2.0, 0.1, (-NO_LIMIT, 1.0)), 7.619_853_024_160_525e-24, 1e-12);
        for value in [-1.2, 0.0, 0.9] {
            let (consumer, producer) = (
                specific_consumer_risk(value, 0.3, (-1.0, 1.0)),
                specific_producer_risk(value, 0.3, (-1.0, 1.0)),
            );
            assert!((consumer + producer - 1.0).abs() < 1e-14);
        }
        assert_eq!(
            (conformance_probability(1.0, 0.0, (-1.0, 1.0)), specific_consumer_risk(1.0, 0.0, (-1.0, 1.0))),
            (1.0, 0.0)
        );
    }

    #[test]
    fn what_is_no_distribution_or_interval_has_no_risk() {
        assert!(conformance_probability(0.0, -1.0, (-1.0, 1.0)).is_nan());
        assert!(conformance_probability(0.0, f64::NAN, (-1.0, 1.0)).is_nan());
        let range = (-1.0, 1.0);
        for risks in [
            global_risks(0.0, 0.0, 0.1, range, range),
            global_risks(f64::NAN, 1.0, 0.1, range, range),
            global_risks(0.0, 1.0, -0.1, range, range),
            global_risks(0.0, 1.0, f64::INFINITY, range, range),
            global_risks(0.0, 1.0, 0.1, (1.0, -1.0), range),
            global_risks(0.0, 1.0, 0.1, range, (f64::NAN, 1.0)),
        ] {
            assert!(risks.consumer.is_nan() && risks.producer.is_nan());
        }
    }
}
