//! What a balance says of some instruments: a generalised anchor. Made by [`super::balance`]; it never contains a prior on them.

use crate::cholesky::Symmetric;

/// Rounds of inverse iteration at most; the ratio of the two smallest eigenvalues is taken to their power.
const ITERATIONS_MAX: usize = 200;

/// Inverse iteration stops at this relative change.
const ITERATION_TOLERANCE: f64 = 1e-6;

/// A quadratic form of log-likelihood, `−½ λᵀ J λ + bᵀ λ`, in `λ = ln(1+e)` of the instruments. An anchor of error x and
/// standard uncertainty u is the 1 × 1 case, `J = 1/u²`, `b = ln(1+x)/u²`.
#[derive(Debug, Clone)]
pub struct Information {
    /// Index of each instrument in the comparison; rows and columns are in this order.
    pub instruments: Vec<usize>,
    /// J, positive semidefinite.
    pub matrix: Symmetric,
    /// b.
    pub right: Vec<f64>,
}

impl Information {
    /// Adds it to normal equations in which instrument i is unknown i.
    pub fn add_to(&self, matrix: &mut Symmetric, right: &mut [f64]) {
        for (row, at) in self.instruments.iter().enumerate() {
            right[*at] += self.right[row];
            for (column, other) in self.instruments.iter().enumerate().take(row + 1) {
                matrix.add(*at, *other, self.matrix.get(row, column));
            }
        }
    }

    /// Standard uncertainty of the common level of instruments whose differences are known otherwise; infinite if nothing is said
    /// of it. It grounds a set as an anchor of this uncertainty would: hold it against the same limit.
    ///
    /// # Formula
    /// `u = 1/√(1ᵀ J 1)`.
    pub fn level_uncertainty(&self) -> f64 {
        let count = self.right.len();
        let sum: f64 = (0..count).map(|i| (0..count).map(|j| self.matrix.get(i, j)).sum::<f64>()).sum();
        if 0.0 < sum { 1.0 / sum.sqrt() } else { f64::INFINITY }
    }

    /// Standard uncertainty of the weighted sum (unit vector) of which the balance knows least; infinite if it knows nothing.
    ///
    /// # Formula
    /// `u = 1/√ν_min`, ν_min the least eigenvalue of J, by inverse iteration.
    pub fn weakest_uncertainty(&self) -> f64 {
        let Some(factor) = self.matrix.clone().factor() else { return f64::INFINITY };
        // A start without symmetry: 1, 1/2, 1/3, … is orthogonal to no likely eigenvector.
        let mut direction: Vec<f64> = (1..=self.right.len()).map(|i| 1.0 / i as f64).collect();
        let mut largest = 0.0;
        for _ in 0..ITERATIONS_MAX {
            let length = direction.iter().map(|x| x * x).sum::<f64>().sqrt();
            direction.iter_mut().for_each(|x| *x /= length);
            let next = factor.solve(&direction);
            let before = largest;
            largest = direction.iter().zip(&next).map(|(a, b)| a * b).sum();
            direction = next;
            if (largest - before).abs() <= ITERATION_TOLERANCE * largest {
                break;
            }
        }
        largest.sqrt()
    }

    /// λ and standard uncertainty of each instrument by the balance alone; none if it does not determine them all.
    pub fn alone(&self) -> Option<Vec<(f64, f64)>> {
        let factor = self.matrix.clone().factor()?;
        let (estimates, covariance) = (factor.solve(&self.right), factor.inverse());
        Some(estimates.into_iter().enumerate().map(|(i, x)| (x, covariance.get(i, i).sqrt())).collect())
    }
}
