//! Whether a density breaks at a limit: more just inside it than a smooth density would put there.
//!
//! Called by the signals of `assessment` with the errors of many instruments. One instrument says nothing here.

use crate::normal;

/// Least values in the four bins: below, the normal approximation is too rough for the probabilities wanted.
pub const VALUES_MIN: usize = 20;

/// A density on both sides of a limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Discontinuity {
    /// Counts of the bins `[L − 2w, L − w)`, `[L − w, L)`, `[L, L + w)`, `[L + w, L + 2w)`.
    pub counts: [usize; 4],
    /// Standardised drop; positive: heaped under the limit.
    pub z: f64,
    /// One-sided probability of as much or more.
    pub p_value: f64,
}

/// Tests for a drop of density at `limit` with bins of `width`; none with fewer than [`VALUES_MIN`] in the bins, or a width
/// that is not above zero.
///
/// # Formula
/// A line through the two bins on either side, carried to the limit: `D = (3 b₁ − b₂)/2 − (3 a₁ − a₂)/2` (McCrary, J.
/// Econometrics 142, 2008, with bins for the local line). Its variance under a smooth density comes from the counts
/// that the four bins have together if they lie on one line: `Σ w² m̂`, w = ½(−1, 3, −3, 1), and `(|D| − ½)` for the
/// steps in which counts come.
pub fn drop_at(values: &[f64], limit: f64, width: f64) -> Option<Discontinuity> {
    let mut counts = [0usize; 4];
    for value in values {
        let bin = ((value - limit) / width).floor() + 2.0;
        if (0.0..4.0).contains(&bin) {
            counts[bin as usize] += 1;
        }
    }
    let total: usize = counts.iter().sum();
    if total < VALUES_MIN || width.is_nan() || width <= 0.0 {
        return None;
    }
    let [far, near, above, beyond] = counts.map(|count| count as f64);
    let drop = 0.5 * (3.0 * near - far - 3.0 * above + beyond);
    // The line of least squares through the four counts, held above zero.
    let (mean, slope) = (total as f64 / 4.0, (3.0 * (beyond - far) + above - near) / 10.0);
    let smooth = [-1.5, -0.5, 0.5, 1.5].map(|at| (mean + slope * at).max(0.25));
    let variance: f64 = smooth.iter().zip([0.25, 2.25, 2.25, 0.25]).map(|(m, weight)| m * weight).sum();
    let z = (drop.abs() - 0.5).max(0.0).copysign(drop) / variance.sqrt();
    Some(Discontinuity { counts, z, p_value: normal::cdf(-z) })
}

#[cfg(test)]
mod tests;
