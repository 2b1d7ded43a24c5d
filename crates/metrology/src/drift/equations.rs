//! The posterior of instruments, travellers eliminated, from what the filter keeps.
//!
//! # Formula
//! For a traveller with pairs (i, w, wy): `f = 1/(Σ w + 1/σ_b²)`, `d | ẽ ~ N(f (Σ w ẽ_i − Σ w y), f)`;
//! `J = base + diag(Σ_t w) − Σ_t f w wᵀ`, `b = base + Σ_t w y − Σ_t f w (Σ w y)`.

use super::{Pair, State};
use crate::cholesky::{Factor, Symmetric};

/// A traveller's bias given the instruments' errors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conditional {
    /// f.
    pub(super) variance: f64,
    /// Σ w y.
    pub(super) weighted: f64,
}

impl Conditional {
    pub(super) fn of(pairs: &[Pair], traveller_sd: f64) -> Self {
        let weight: f64 = pairs.iter().map(|pair| pair.weight).sum();
        let weighted = pairs.iter().map(|pair| pair.weighted).sum();
        Self { variance: 1.0 / (weight + traveller_sd.powi(-2)), weighted }
    }

    /// d at these values of (c, ẽ…).
    pub(super) fn bias(&self, pairs: &[Pair], values: &[f64]) -> f64 {
        let seen: f64 = pairs.iter().map(|pair| pair.weight * values[pair.instrument + 1]).sum();
        self.variance * (seen - self.weighted)
    }
}

/// A normal distribution of (c, ẽ…).
pub(super) struct Posterior {
    pub(super) mean: Vec<f64>,
    pub(super) covariance: Symmetric,
}

impl State {
    pub(super) fn conditionals(&self, traveller_sd: f64) -> Vec<Conditional> {
        self.travellers.iter().map(|traveller| Conditional::of(&traveller.pairs, traveller_sd)).collect()
    }

    /// J, factorised; none if singular.
    pub(super) fn factor(&self, conditionals: &[Conditional]) -> Option<Factor> {
        let mut matrix = self.base.symmetric(self.right.len());
        for (traveller, own) in self.travellers.iter().zip(conditionals) {
            for (position, pair) in traveller.pairs.iter().enumerate() {
                let at = pair.instrument + 1;
                matrix.add(at, at, pair.weight);
                let scaled = own.variance * pair.weight;
                for other in &traveller.pairs[..=position] {
                    matrix.add(at, other.instrument + 1, -scaled * other.weight);
                }
            }
        }
        matrix.factor()
    }

    /// b.
    pub(super) fn right(&self, conditionals: &[Conditional]) -> Vec<f64> {
        let mut right = self.right.clone();
        for (traveller, own) in self.travellers.iter().zip(conditionals) {
            let shift = own.variance * own.weighted;
            for pair in &traveller.pairs {
                right[pair.instrument + 1] += pair.weighted - pair.weight * shift;
            }
        }
        right
    }

    pub(super) fn posterior(&self, conditionals: &[Conditional]) -> Option<Posterior> {
        let factor = self.factor(conditionals)?;
        Some(Posterior { mean: factor.solve(&self.right(conditionals)), covariance: factor.inverse() })
    }
}
