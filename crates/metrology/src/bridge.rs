//! Whether a sequence of scores wanders: the largest excursion (Kolmogorov) and the range (Kuiper) of a Brownian bridge.
//!
//! Called by the signals of `assessment`: scores in order of time tell a step whose date is unknown, scores in order
//! of the hour a switch whose hours are unknown. It never says where the wandering begins.

/// The mean overshoot of a random walk over a barrier in units of a step, `−ζ(1/2) / √(2π)` (Siegmund, Adv. Appl. Prob. 11,
/// 1979): between its steps the continuous bridge goes further than the walk by as much, at each of its ends.
const OVERSHOOT: f64 = 0.582_597_157_939_010_6;

/// Most terms of a series; ten are enough from λ = 0.2 on.
const TERMS_MAX: usize = 100;

/// Below this λ both probabilities are 1 to the last digit of a float.
const LAMBDA_MIN: f64 = 0.2;

/// Probability that the largest absolute value of a Brownian bridge exceeds λ.
///
/// # Formula
/// `2 Σ_{j ≥ 1} (−1)^{j−1} e^{−2 j² λ²}` (Kolmogorov).
pub fn excursion_above(lambda: f64) -> f64 {
    let sign = |j: f64| 1.0 - 2.0 * ((j - 1.0) % 2.0);
    summed(lambda, |j, square| 2.0 * sign(j) * libm::exp(-2.0 * j * j * square))
}

/// Probability that the range (largest less least value) of a Brownian bridge exceeds λ.
///
/// # Formula
/// `2 Σ_{j ≥ 1} (4 j² λ² − 1) e^{−2 j² λ²}` (Kuiper, Proc. K. Ned. Akad. Wet. A 63, 1960).
pub fn range_above(lambda: f64) -> f64 {
    summed(lambda, |j, square| 2.0 * (4.0 * j * j * square - 1.0) * libm::exp(-2.0 * j * j * square))
}

fn summed(lambda: f64, term: impl Fn(f64, f64) -> f64) -> f64 {
    if lambda.is_nan() {
        return f64::NAN;
    }
    if lambda < LAMBDA_MIN {
        return 1.0;
    }
    let mut sum = 0.0;
    for j in 1..=TERMS_MAX {
        let next = term(j as f64, lambda * lambda);
        sum += next;
        if next.abs() <= sum.abs() * f64::EPSILON {
            break;
        }
    }
    sum.clamp(0.0, 1.0)
}

/// How far scores wander.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wandering {
    /// Largest absolute partial sum, in units of √(n v), corrected for the finite number of scores.
    pub excursion: f64,
    /// Position after which it is reached.
    pub turn: usize,
    /// Range of the partial sums, in the same units.
    pub range: f64,
    /// Scores that the range adds up: it begins after the first position and ends with the second, whichever extreme comes
    /// first.
    pub stretch: (usize, usize),
}

/// The partial sums of scores about their mean, in the order given. `keys` of neighbours that are equal belong together: the
/// order within them means nothing, so sums are only looked at where the key changes. None for fewer than two scores, for
/// scores that are all the same, and where the lengths differ.
///
/// # Formula
/// `S_k = Σ_{i ≤ k} (u_i − ū)`; `v` the variance of the scores; `excursion = max|S| / √(n v) + ζ/√n`,
/// `range = (max S − min S) / √(n v) + 2 ζ/√n` with Siegmund's ζ = 0.5826, both compared with a Brownian bridge.
pub fn wandering(scores: &[f64], keys: &[f64]) -> Option<Wandering> {
    let n = scores.len() as f64;
    let mean = scores.iter().sum::<f64>() / n;
    let variance = scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / (n - 1.0);
    if scores.len() < 2 || scores.len() != keys.len() || !variance.is_finite() || variance <= 0.0 {
        return None;
    }
    let (mut sum, mut highest, mut lowest) = (0.0, (0.0, 0), (0.0, 0));
    for (at, score) in scores.iter().enumerate() {
        sum += score - mean;
        let is_seen = keys.get(at + 1).is_none_or(|next| next.to_bits() != keys[at].to_bits());
        if is_seen && highest.0 < sum {
            highest = (sum, at + 1);
        }
        if is_seen && sum < lowest.0 {
            lowest = (sum, at + 1);
        }
    }
    let (unit, overshoot) = ((n * variance).sqrt(), OVERSHOOT / n.sqrt());
    let (largest, turn) = if -lowest.0 < highest.0 { highest } else { (-lowest.0, lowest.1) };
    Some(Wandering {
        excursion: largest / unit + overshoot,
        turn,
        range: (highest.0 - lowest.0) / unit + 2.0 * overshoot,
        stretch: (highest.1.min(lowest.1), highest.1.max(lowest.1)),
    })
}

#[cfg(test)]
mod tests;
