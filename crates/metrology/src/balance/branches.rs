//! What the instruments' own branches (cables) lose, and how far the losses behind one master lie apart: learnt from the data.
//!
//! Called by `assessment` between two fits of the comparison. Where an instrument runs at one power only, a branch's loss looks like
//! an error of the instrument, so that a balance tells errors apart no better than branches are alike. How alike they are is known
//! beforehand to an order of magnitude at best; where travellers tell errors as well, the differences that the balance sees and
//! they do not tell it. It is learnt of instruments of known efficiency only: of the others the efficiency hides it.

use super::elimination::eliminate;
use super::{Information, Settings};
use crate::cholesky::Symmetric;

/// Spreads that are weighed against each other, fractions at full load: from "all alike" to twice what is presumed of one branch.
const SPREADS: [f64; 14] = [
    0.000_1, 0.000_2, 0.000_3, 0.000_5, 0.000_7, 0.001, 0.001_3, 0.001_6, 0.002, 0.002_5, 0.003, 0.004,
    0.005, 0.006,
];

/// What a balance says of errors and branch losses, everything else eliminated: a quadratic form of log-likelihood,
/// `−½ zᵀ J z + bᵀ z` in `z = (λ of all, r of those of known efficiency)`.
#[derive(Debug, Clone)]
pub struct Branches {
    /// Index of each instrument in the comparison.
    pub instruments: Vec<usize>,
    matrix: Symmetric,
    right: Vec<f64>,
    /// Mean of the branches behind one master, and its standard deviation.
    mean: (f64, f64),
}

/// What everything but the balance says of the errors λ of its instruments, `−½ λᵀ J λ + bᵀ λ`, in their order.
#[derive(Debug, Clone)]
pub struct Elsewhere {
    /// J.
    pub matrix: Symmetric,
    /// b.
    pub right: Vec<f64>,
}

impl Branches {
    pub(super) fn new(
        instruments: Vec<usize>,
        (matrix, right): (Symmetric, Vec<f64>),
        settings: &Settings,
    ) -> Self {
        Self { instruments, matrix, right, mean: settings.branch_loss }
    }

    /// How many branches there are whose losses are told apart.
    pub fn count(&self) -> usize {
        self.right.len() - self.instruments.len()
    }

    /// The information on λ where branches behind one master differ by a standard deviation of `spread`; none if it cannot be solved.
    pub fn information(&self, spread: f64) -> Option<Information> {
        let (whole, right) = self.with_prior(spread);
        let (matrix, right) = eliminate(&whole, &right, self.instruments.len())?;
        Some(Information { instruments: self.instruments.clone(), matrix, right })
    }

    /// The form with the prior of the branches: `r ~ N(m 1, s² I + d² 1 1ᵀ)`.
    ///
    /// # Formula
    /// `(s² I + d² 1 1ᵀ)⁻¹ = (I − d²/(s² + k d²) 1 1ᵀ)/s²`.
    fn with_prior(&self, spread: f64) -> (Symmetric, Vec<f64>) {
        let (mut matrix, mut right) = (self.matrix.clone(), self.right.clone());
        let (own, common) = (spread * spread, self.mean.1 * self.mean.1);
        let all = own + self.count() as f64 * common;
        let first = self.instruments.len();
        for (at, right) in right.iter_mut().enumerate().skip(first) {
            *right += self.mean.0 / all;
            matrix.add(at, at, 1.0 / own);
            (first..=at).for_each(|other| matrix.add(at, other, -common / all / own));
        }
        (matrix, right)
    }

    /// Logarithm of the probability of all that is known, were branches so far apart; but for a constant.
    ///
    /// # Formula
    /// `½ ln|P| − ½ ln|J + P| + ½ bᵀ (J + P)⁻¹ b − ½ m² 1ᵀ P 1` with P the prior's precision, b with `P m 1` in it.
    fn likelihood(&self, elsewhere: &Elsewhere, spread: f64) -> Option<f64> {
        let (mut matrix, mut right) = self.with_prior(spread);
        for ((row, right), told) in right.iter_mut().enumerate().zip(&elsewhere.right) {
            *right += told;
            (0..=row).for_each(|column| matrix.add(row, column, elsewhere.matrix.get(row, column)));
        }
        let factor = matrix.factor()?;
        let fitted: f64 = factor.solve(&right).iter().zip(&right).map(|(x, b)| x * b).sum();
        let (own, count) = (spread * spread, self.count() as f64);
        let all = own + count * self.mean.1 * self.mean.1;
        let precision = -(count - 1.0) * own.ln() - all.ln();
        let offset = count * self.mean.0 * self.mean.0 / all;
        Some(0.5 * (precision - factor.log_determinant() + fitted - offset))
    }
}

/// By how much branches behind one master differ, standard deviation as a fraction at full load, from all balances together; none
/// where nothing tells. It is the root mean square over what is likely, each spread up to 0.6 % being as good beforehand:
/// the likeliest alone would promise too much where little is known.
pub fn spread(told: &[(&Branches, Elsewhere)]) -> Option<f64> {
    let told: Vec<_> = told.iter().filter(|(branches, _)| branches.count() > 1).collect();
    if told.is_empty() {
        return None;
    }
    let of = |spread: &f64| {
        told.iter().map(|(branches, elsewhere)| branches.likelihood(elsewhere, *spread)).sum::<Option<f64>>()
    };
    let likelihoods: Vec<f64> = SPREADS.iter().map(of).collect::<Option<_>>()?;
    let largest = likelihoods.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (mut sum, mut squares) = (0.0, 0.0);
    for ((at, spread), likelihood) in SPREADS.iter().enumerate().zip(&likelihoods) {
        // Each stands for the half of the ways to its neighbours.
        let before = if at == 0 { 0.0 } else { SPREADS[at - 1] };
        let after = SPREADS.get(at + 1).unwrap_or(spread);
        let weight = 0.5 * (after - before) * libm::exp(likelihood - largest);
        sum += weight;
        squares += weight * spread * spread;
    }
    let spread = (squares / sum).sqrt();
    spread.is_finite().then_some(spread)
}
