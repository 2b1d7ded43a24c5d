//! The posterior of instruments, travellers eliminated, from what the filter keeps.
//!
//! # Formula
//! For a traveller with pairs (i, w, wy): `f = 1/(Σ w + 1/σ_b²)`, `d | ẽ ~ N(f (Σ w ẽ_i − Σ w y), f)`;
//! `J = base + diag(Σ_t w) − Σ_t f w wᵀ`, `b = base + Σ_t w y − Σ_t f w (Σ w y)`. A calibration (b, u) in the place of `1/σ_b²` is one more pair:
//! `(c + d − b)²/u² = (−c − d + b)²/u²`, of weight 1/u², which sees −b at the unknown −c.

use super::{State, Traveller};
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
    pub(super) fn of(traveller: &Traveller, traveller_sd: f64) -> Self {
        let prior = if traveller.known.is_some() { 0.0 } else { traveller_sd.powi(-2) };
        Self { variance: 1.0 / (traveller.weight() + prior), weighted: traveller.weighted() }
    }

    /// d at these values of (c, ẽ…).
    pub(super) fn bias(&self, traveller: &Traveller, values: &[f64]) -> f64 {
        let seen: f64 = traveller.along().map(|(at, weight)| weight * values[at]).sum();
        self.variance * (seen - self.weighted)
    }

    /// Adds what is left of a traveller's right side when its bias is eliminated.
    pub(super) fn add_right(&self, traveller: &Traveller, right: &mut [f64]) {
        let shift = self.variance * self.weighted;
        for pair in &traveller.pairs {
            right[pair.instrument + 1] += pair.weighted - pair.weight * shift;
        }
        if let Some(known) = &traveller.known {
            right[0] += known.weighted + known.weight * shift;
        }
    }
}

/// A normal distribution of (c, ẽ…).
pub(super) struct Posterior {
    pub(super) mean: Vec<f64>,
    pub(super) covariance: Symmetric,
}

impl State {
    pub(super) fn conditionals(&self, traveller_sd: f64) -> Vec<Conditional> {
        self.travellers.iter().map(|traveller| Conditional::of(traveller, traveller_sd)).collect()
    }

    /// J, factorised; none if singular.
    pub(super) fn factor(&self, conditionals: &[Conditional]) -> Option<Factor> {
        let mut matrix = self.base.symmetric(self.right.len());
        let mut along: Vec<(usize, f64)> = Vec::new();
        for (traveller, own) in self.travellers.iter().zip(conditionals) {
            along.clear();
            along.extend(traveller.along());
            for (position, (at, weight)) in along.iter().enumerate() {
                matrix.add(*at, *at, weight.abs());
                let scaled = own.variance * weight;
                for (other, of_other) in &along[..=position] {
                    matrix.add(*at, *other, -scaled * of_other);
                }
            }
        }
        matrix.factor()
    }

    /// b.
    pub(super) fn right(&self, conditionals: &[Conditional]) -> Vec<f64> {
        let mut right = self.right.clone();
        for (traveller, own) in self.travellers.iter().zip(conditionals) {
            own.add_right(traveller, &mut right);
        }
        right
    }

    pub(super) fn posterior(&self, conditionals: &[Conditional]) -> Option<Posterior> {
        let factor = self.factor(conditionals)?;
        Some(Posterior { mean: factor.solve(&self.right(conditionals)), covariance: factor.inverse() })
    }
}
