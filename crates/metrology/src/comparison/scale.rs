//! The scale of the noise: σ_s² = σ₀² + (δ/W_s)², fitted to residuals by maximum likelihood of Student's t.

use super::{NU, Network};

/// σ₀ is searched between these (fractions).
const NOISE_RANGE: (f64, f64) = (1e-4, 0.2);

/// δ is searched between these (unit of size).
const NOISE_SIZE_RANGE: (f64, f64) = (1e-3, 2.0);

/// Golden-section steps per parameter and round: the bracket shrinks to 0.618¹⁶ = 0.05 % of itself.
const STEPS: usize = 16;

/// A round moves a parameter by at most this factor at first, and by ever less: else the width of the last bracket would
/// keep the estimates trembling for ever.
const REACH_FIRST: f64 = 3.0;
const REACH_LAST: f64 = 1.02;
const REACH_DECAY: f64 = 0.6;

/// Reach in a round, counted from 0.
fn reach(round: usize) -> f64 {
    (0..round).fold(REACH_FIRST, |reach, _| (1.0 + (reach - 1.0) * REACH_DECAY).max(REACH_LAST))
}

/// Scale of the noise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    /// σ₀, fraction.
    pub(super) noise: f64,
    /// δ, unit of size.
    pub(super) noise_size: f64,
}

impl Scale {
    /// σ_s².
    pub(super) fn variance(&self, size: f64) -> f64 {
        self.noise.powi(2) + (self.noise_size / size).powi(2)
    }

    /// The most likely scale for these residuals, searched around the last one.
    pub(super) fn fit(network: &Network, residuals: &[f64], last: Self, round: usize) -> Self {
        if residuals.len() < super::ENOUGH {
            return last;
        }
        let points: Vec<(f64, f64)> =
            network.comparisons.iter().zip(residuals).map(|(c, r)| (c.size, r * r)).collect();
        let reach = reach(round);
        let noise =
            maximise(last.noise, reach, NOISE_RANGE, |noise| likelihood(&points, &Self { noise, ..last }));
        let noise_size = maximise(last.noise_size, reach, NOISE_SIZE_RANGE, |noise_size| {
            likelihood(&points, &Self { noise, noise_size })
        });
        Self { noise, noise_size }
    }
}

/// Logarithm of the t-likelihood, but for a constant.
fn likelihood(points: &[(f64, f64)], scale: &Scale) -> f64 {
    points
        .iter()
        .map(|(size, square)| {
            let variance = scale.variance(*size);
            -0.5 * libm::log(variance) - 0.5 * (NU + 1.0) * libm::log1p(square / (NU * variance))
        })
        .sum()
}

/// Golden-section search on a logarithmic scale around `start`.
fn maximise(start: f64, reach: f64, range: (f64, f64), value: impl Fn(f64) -> f64) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let at = |log: f64| libm::exp(log);
    let (mut low, mut high) =
        (libm::log((start / reach).max(range.0)), libm::log((start * reach).min(range.1)));
    let (mut a, mut b) = (high - GOLDEN * (high - low), low + GOLDEN * (high - low));
    let (mut value_a, mut value_b) = (value(at(a)), value(at(b)));
    for _ in 0..STEPS {
        if value_a < value_b {
            (low, a, value_a) = (a, b, value_b);
            b = low + GOLDEN * (high - low);
            value_b = value(at(b));
        } else {
            (high, b, value_b) = (b, a, value_a);
            a = high - GOLDEN * (high - low);
            value_a = value(at(a));
        }
    }
    at(0.5 * (low + high))
}

/// κ = E[ψ']²/E[ψ²] of Student's ψ(z) = (ν+1)z/(ν+z²): the information one comparison really carries, against a normal one of
/// the same scale. For t_ν noise it is (ν+1)/(ν+3).
pub(super) fn efficiency(standardised: &[f64]) -> f64 {
    let (mut slope, mut square) = (0.0, 0.0);
    for z in standardised {
        let denominator = NU + z * z;
        slope += (NU + 1.0) * (NU - z * z) / (denominator * denominator);
        square += ((NU + 1.0) * z / denominator).powi(2);
    }
    let expected = (NU + 1.0) / (NU + 3.0);
    let n = standardised.len() as f64;
    let (slope, square) = (slope / n, square / n);
    let told = standardised.len() >= super::ENOUGH && square > 0.0 && slope > 0.0;
    // No comparison carries more than one of normal noise; residuals that say so are too few or too alike.
    if told { (slope * slope / square).min(1.0) } else { expected }
}
