//! Propagation of distributions by a Monte Carlo method (JCGM 101:2008): the check on a budget, or its replacement.
//!
//! Called with a model as a function. The same seed gives the same bits on any machine: bits come from ChaCha8, everything else
//! from `libm`, and sums are taken in the order of the trials. Inputs are independent; correlated ones are for the model to build
//! from independent ones. It never chooses the number of trials by itself.

use std::f64::consts::PI;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::budget::{Combined, Component, Distribution};
use crate::normal;

/// Most trials: ten times the million of JCGM 101 7.2, 80 MB of results.
pub const TRIALS_MAX: usize = 10_000_000;

/// Fewest trials: below, the ends of a 95 % interval are single results.
pub const TRIALS_MIN: usize = 100;

/// Most inputs of a model.
pub const INPUTS_MAX: usize = 256;

/// Most significant digits that an uncertainty is compared in.
pub const DIGITS_MAX: u32 = 6;

/// What is known of an input.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "distribution", rename_all = "snake_case", deny_unknown_fields)]
pub enum Input {
    /// Normal.
    Normal {
        /// Expectation.
        mean: f64,
        /// Standard deviation.
        sd: f64,
    },
    /// Student's t, scaled and shifted: what n readings say, with scale s/√n and n − 1 degrees of freedom (JCGM 101 6.4.9).
    Student {
        /// Expectation.
        mean: f64,
        /// Scale; the standard deviation is larger by √(ν / (ν − 2)).
        scale: f64,
        /// Degrees of freedom ν, above zero and finite.
        df: f64,
    },
    /// Anything between the limits is as likely.
    Rectangular {
        /// Lower limit.
        low: f64,
        /// Upper limit.
        high: f64,
    },
    /// Symmetric, most likely in the middle.
    Triangular {
        /// Lower limit.
        low: f64,
        /// Upper limit.
        high: f64,
    },
    /// Arc sine: most likely at the limits.
    UShaped {
        /// Lower limit.
        low: f64,
        /// Upper limit.
        high: f64,
    },
}

/// What came out, in the unit of the model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Propagated {
    /// Mean of the results.
    pub mean: f64,
    /// Their standard deviation.
    pub standard_uncertainty: f64,
    /// Interval that leaves as many results below as above it.
    pub symmetric: (f64, f64),
    /// The shortest interval with that many results.
    pub shortest: (f64, f64),
    /// Share of the results in each interval.
    pub coverage_probability: f64,
    /// Trials.
    pub trials: usize,
}

/// Why nothing came out.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum PropagationError {
    /// Too few or too many trials, or so few that the interval would contain them all.
    #[error("{0} trials are too few or too many")]
    Trials(usize),
    /// No or too many inputs.
    #[error("{0} inputs, not 1 to {INPUTS_MAX}")]
    Inputs(usize),
    /// An input whose numbers make no distribution.
    #[error("input {0} is no distribution")]
    Input(usize),
    /// A probability outside 0..1.
    #[error("coverage probability {0} is not between 0 and 1")]
    Probability(f64),
    /// The model gave no finite number.
    #[error("the model has no finite result in trial {0}")]
    NotFinite(usize),
}

/// A budget's coverage interval beside the Monte Carlo one, in the unit of the model (JCGM 101 8.1).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// Numerical tolerance δ of the standard uncertainty.
    pub tolerance: f64,
    /// How far the lower ends lie apart, d_low.
    pub low_difference: f64,
    /// How far the upper ends lie apart, d_high.
    pub high_difference: f64,
    /// Whether neither is larger than δ.
    pub validated: bool,
}

impl Input {
    /// What a budget's component says of the deviation of its quantity from the estimate: its distribution, about zero. A standard
    /// uncertainty that itself is known with finite degrees of freedom is the scale of a t distribution (JCGM 101 6.4.9).
    pub fn deviation(component: &Component) -> Self {
        let (u, df) = (component.standard_uncertainty, component.degrees_of_freedom);
        let half = |factor: f64| u * factor.sqrt();
        match component.distribution {
            Distribution::Normal | Distribution::Student if df.is_finite() => {
                Self::Student { mean: 0.0, scale: u, df }
            }
            Distribution::Normal | Distribution::Student => Self::Normal { mean: 0.0, sd: u },
            Distribution::Rectangular => Self::Rectangular { low: -half(3.0), high: half(3.0) },
            Distribution::Triangular => Self::Triangular { low: -half(6.0), high: half(6.0) },
            Distribution::UShaped => Self::UShaped { low: -half(2.0), high: half(2.0) },
        }
    }

    fn is_sound(&self) -> bool {
        match *self {
            Self::Normal { mean, sd } => mean.is_finite() && 0.0 <= sd && sd.is_finite(),
            Self::Student { mean, scale, df } => {
                mean.is_finite() && 0.0 <= scale && scale.is_finite() && 0.0 < df && df.is_finite()
            }
            Self::Rectangular { low, high }
            | Self::Triangular { low, high }
            | Self::UShaped { low, high } => {
                low.is_finite() && low <= high && high.is_finite() && (high - low).is_finite()
            }
        }
    }

    /// One draw.
    ///
    /// # Formula
    /// Normal by the inverse of its distribution; Student by Bailey's polar formula
    /// `√(ν (U^(−2/ν) − 1)) cos 2πV`, exact for any ν; triangular as the mean of two rectangular draws (JCGM 101 6.4.5); U-shaped
    /// as a sine of a random phase (6.4.6).
    fn draw(&self, bits: &mut ChaCha8Rng) -> f64 {
        match *self {
            Self::Normal { mean, sd } => mean + sd * normal::quantile(uniform(bits)),
            Self::Student { mean, scale, df } => {
                let radius = (df * libm::expm1(-2.0 / df * libm::log(uniform(bits)))).sqrt();
                mean + scale * radius * libm::cos(2.0 * PI * uniform(bits))
            }
            Self::Rectangular { low, high } => low + (high - low) * uniform(bits),
            Self::Triangular { low, high } => low + (high - low) * 0.5 * (uniform(bits) + uniform(bits)),
            Self::UShaped { low, high } => {
                low + (high - low) * 0.5 * (1.0 + libm::sin(2.0 * PI * uniform(bits)))
            }
        }
    }
}

/// A number strictly between 0 and 1, with 52 bits: halfway between two neighbours of a grid, so that neither end occurs.
fn uniform(bits: &mut ChaCha8Rng) -> f64 {
    ((bits.next_u64() >> 12) as f64 + 0.5) / (1u64 << 52) as f64
}

/// The generator of a seed. The seed's bytes are the key as they are: helpers that stretch a seed may change between versions.
fn generator(seed: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

/// Propagates distributions through a model.
///
/// # Formula
/// JCGM 101:2008 7.2–7.7: mean and standard deviation of M results; of the sorted results `q = ⌊pM + 1/2⌋` steps apart, the
/// symmetric interval begins at `r = ⌊(M − q + 1) / 2⌋`, the shortest where the width is least (the lowest of equals).
pub fn propagate(
    inputs: &[Input],
    model: impl Fn(&[f64]) -> f64,
    trials: usize,
    seed: u64,
    coverage_probability: f64,
) -> Result<Propagated, PropagationError> {
    if inputs.is_empty() || INPUTS_MAX < inputs.len() {
        return Err(PropagationError::Inputs(inputs.len()));
    }
    if let Some(index) = inputs.iter().position(|input| !input.is_sound()) {
        return Err(PropagationError::Input(index));
    }
    if !(0.0 < coverage_probability && coverage_probability < 1.0) {
        return Err(PropagationError::Probability(coverage_probability));
    }
    let covered = libm::floor(coverage_probability * trials as f64 + 0.5) as usize;
    if !(TRIALS_MIN..=TRIALS_MAX).contains(&trials) || !(1..trials).contains(&covered) {
        return Err(PropagationError::Trials(trials));
    }
    let mut results = results(inputs, model, trials, seed)?;
    let count = trials as f64;
    let mean = results.iter().sum::<f64>() / count;
    let squares: f64 = results.iter().map(|result| (result - mean) * (result - mean)).sum();
    results.sort_unstable_by(f64::total_cmp);
    Ok(Propagated {
        mean,
        standard_uncertainty: (squares / (count - 1.0)).sqrt(),
        symmetric: symmetric(&results, covered),
        shortest: shortest(&results, covered),
        coverage_probability,
        trials,
    })
}

fn results(
    inputs: &[Input],
    model: impl Fn(&[f64]) -> f64,
    trials: usize,
    seed: u64,
) -> Result<Vec<f64>, PropagationError> {
    let mut bits = generator(seed);
    let mut values = vec![0.0; inputs.len()];
    let mut results = Vec::with_capacity(trials);
    for trial in 0..trials {
        for (value, input) in values.iter_mut().zip(inputs) {
            *value = input.draw(&mut bits);
        }
        let result = model(&values);
        if !result.is_finite() {
            return Err(PropagationError::NotFinite(trial));
        }
        results.push(result);
    }
    Ok(results)
}

fn symmetric(sorted: &[f64], covered: usize) -> (f64, f64) {
    // Places are counted from 1 in the clause; between 1 and M − q since q is below M.
    let first = (sorted.len() - covered).div_ceil(2);
    (sorted[first - 1], sorted[first - 1 + covered])
}

fn shortest(sorted: &[f64], covered: usize) -> (f64, f64) {
    let intervals = sorted.iter().zip(&sorted[covered..]);
    let width = |(low, high): &(&f64, &f64)| **high - **low;
    let least = intervals.min_by(|one, other| width(one).total_cmp(&width(other)));
    least.map_or((f64::NAN, f64::NAN), |(low, high)| (*low, *high))
}

/// Compares a budget's interval about `gum_value` with the Monte Carlo one, in so many significant digits of its standard
/// uncertainty. None where the two are not comparable: both must be of the same coverage probability, and there must be an
/// uncertainty. The budget is to be combined without a least coverage factor.
///
/// # Formula
/// `u = c × 10^l` with `digits` digits in c, `δ = 10^l / 2` (JCGM 101 7.9.2); `d_low = |y − U − y_low|`,
/// `d_high = |y + U − y_high|`, validated if both are ≤ δ (8.1.2), with the symmetric interval. Trials must be so many that its ends
/// are known to δ/5 (8.2).
pub fn compare(gum: &Combined, gum_value: f64, mc: &Propagated, digits: u32) -> Option<Comparison> {
    let same_probability = (gum.coverage_probability - mc.coverage_probability).abs() < 1e-12;
    let tolerance = numerical_tolerance(gum.standard_uncertainty, digits).filter(|_| same_probability)?;
    let (low, high) = mc.symmetric;
    let low_difference = (gum_value - gum.expanded_uncertainty - low).abs();
    let high_difference = (gum_value + gum.expanded_uncertainty - high).abs();
    let validated = low_difference <= tolerance && high_difference <= tolerance;
    Some(Comparison { tolerance, low_difference, high_difference, validated })
}

/// Whether the Monte Carlo result confirms a budget's interval, by [`compare`].
pub fn validates(gum: &Combined, gum_value: f64, mc: &Propagated, digits: u32) -> bool {
    compare(gum, gum_value, mc, digits).is_some_and(|compared| compared.validated)
}

/// The numerical tolerance δ of a standard uncertainty in so many significant digits (JCGM 101 7.9.2). None for one that is not
/// above zero, or for no or more than [`DIGITS_MAX`] digits.
pub fn numerical_tolerance(standard_uncertainty: f64, digits: u32) -> Option<f64> {
    let is_positive = 0.0 < standard_uncertainty && standard_uncertainty.is_finite();
    if !is_positive || !(1..=DIGITS_MAX).contains(&digits) {
        return None;
    }
    // The exponent from the rounded text: 0.0996 in two digits is 0.10, ten times 10⁻², not 100 times 10⁻³.
    let text = format!("{standard_uncertainty:.*e}", digits as usize - 1);
    let exponent: i32 = text.split_once('e')?.1.parse().ok()?;
    format!("5e{}", exponent - digits as i32).parse().ok()
}

#[cfg(test)]
mod tests;
