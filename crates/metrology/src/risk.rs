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
