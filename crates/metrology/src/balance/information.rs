//! What a balance says of some instruments: a generalised anchor. Made by [`super::balance`]; it never contains a prior on those that it names.

use super::ITERATION_SD;
use super::elimination::eliminate;
use crate::cholesky::Symmetric;

/// Rounds of inverse iteration at most; the ratio of the two smallest eigenvalues is taken to their power.
const ITERATIONS_MAX: usize = 200;

/// Inverse iteration stops at this relative change.
const ITERATION_TOLERANCE: f64 = 1e-6;

/// A quadratic form of log-likelihood, `−½ λᵀ J λ + bᵀ λ`, in `λ = ln(1+e)` of the instruments. An anchor of error x and
/// standard uncertainty u is the 1 × 1 case, `J = 1/u²`, `b = ln(1+x)/u²`.
#[derive(Debug, Clone, PartialEq)]
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

    /// What it says of those alone that have an index by `place`, under that; none where nobody has. Of the others nothing is known then but that
    /// they err by some ten percent.
    pub fn of(&self, place: impl Fn(usize) -> Option<usize>) -> Option<Self> {
        let places: Vec<Option<usize>> = self.instruments.iter().map(|at| place(*at)).collect();
        let mut order: Vec<usize> = (0..places.len()).collect();
        order.sort_by_key(|at| places[*at].is_none());
        let instruments: Vec<usize> = order.iter().filter_map(|at| places[*at]).collect();
        let kept = instruments.len();
        let mut whole = Symmetric::zero(order.len());
        for (row, at) in order.iter().enumerate() {
            let prior = if row < kept { 0.0 } else { ITERATION_SD.powi(-2) };
            whole.add(row, row, prior);
            (0..=row).for_each(|column| whole.add(row, column, self.matrix.get(*at, order[column])));
        }
        let right: Vec<f64> = order.iter().map(|at| self.right[*at]).collect();
        let (matrix, right) = eliminate(&whole, &right, kept)?;
        (0 < kept).then_some(Self { instruments, matrix, right })
    }

    /// The same after each instrument walked by this variance; none if it cannot be solved.
    ///
    /// # Formula
    /// `J' = J − J (J + 1/v)⁻¹ J`, `b' = b − J (J + 1/v)⁻¹ b`: `(J⁻¹ + v)⁻¹` where J has an inverse.
    pub fn walked(&self, variance: f64) -> Option<Self> {
        if variance <= 0.0 {
            return Some(self.clone());
        }
        let count = self.right.len();
        let mut sum = self.matrix.clone();
        (0..count).for_each(|at| sum.add(at, at, 1.0 / variance));
        let factor = sum.factor()?;
        let column = |at: usize| (0..count).map(|row| self.matrix.get(row, at)).collect::<Vec<f64>>();
        let columns: Vec<Vec<f64>> = (0..count).map(column).collect();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let through = factor.solve(&self.right);
        let mut walked = self.clone();
        for (row, column) in columns.iter().enumerate() {
            walked.right[row] -= dot(column, &through);
            let solved = factor.solve(column);
            (0..=row).for_each(|other| walked.matrix.add(row, other, -dot(&columns[other], &solved)));
        }
        Some(walked)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The mean of two instruments to 0.3 %, by hand.
    fn of_two() -> Information {
        let mut matrix = Symmetric::zero(2);
        let weight = 0.003_f64.powi(-2);
        [(0, 0), (1, 0), (1, 1)].iter().for_each(|(row, column)| matrix.add(*row, *column, 0.25 * weight));
        Information { instruments: vec![3, 5], matrix, right: vec![0.5 * weight * 0.004; 2] }
    }

    // By hand: λ_3 = 2 · 0.4 % − λ_5, u² = (2 · 0.3)² + 10² (%²).
    #[test]
    fn of_one_of_two_it_says_what_the_other_may_be_off_by() {
        let of_one = of_two().of(|at| (at == 3).then_some(0)).expect("determined");
        let (mean, u) = of_one.alone().expect("determined")[0];
        assert_eq!(of_one.instruments, [0]);
        assert!((mean - 0.008).abs() < 1e-12 && (u - 0.010_036_f64.sqrt()).abs() < 1e-9, "{u}");
        let swapped = of_two().of(|at| Some(8 - at)).expect("both");
        assert_eq!((&swapped.instruments[..], swapped.matrix), (&[5, 3][..], of_two().matrix));
        assert_eq!(of_two().of(|_| None), None);
    }

    // By hand: the mean of two that walk by 0.4 % each walks by 0.4/√2: √(0.3² + 0.08) = 0.412 %; of J = (3 1; 1 2) and v = 1, inverses by hand:
    // J⁻¹ = (2 −1; −1 3)/5, with v (7 −1; −1 8)/5, and its inverse (8 1; 1 7)/11.
    #[test]
    fn what_walked_is_known_less_well() {
        let walked = of_two().walked(0.004_f64.powi(2)).expect("regular");
        assert!((walked.level_uncertainty() - 0.17_f64.sqrt() / 100.0).abs() < 1e-12);
        let mean = walked.right[0] / (2.0 * walked.matrix.get(0, 0));
        assert!((mean - 0.004).abs() < 1e-12);
        let mut matrix = Symmetric::zero(2);
        [(0, 0, 3.0), (1, 0, 1.0), (1, 1, 2.0)].iter().for_each(|(i, j, value)| matrix.add(*i, *j, *value));
        let plain = Information { instruments: vec![0, 1], matrix, right: vec![4.0, 3.0] };
        let walked = plain.walked(1.0).expect("regular");
        for (row, column, expected) in [(0, 0, 8.0), (1, 0, 1.0), (1, 1, 7.0)] {
            assert!((walked.matrix.get(row, column) - expected / 11.0).abs() < 1e-14);
        }
        let means: Vec<f64> = walked.alone().expect("determined").iter().map(|(mean, _)| *mean).collect();
        assert!((means[0] - 1.0).abs() < 1e-12 && (means[1] - 1.0).abs() < 1e-12, "{means:?}");
        assert_eq!(plain.walked(0.0).as_ref(), Some(&plain));
    }
}
