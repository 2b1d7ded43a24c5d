//! What the communities of a fleet differ by in the mean: τ, learnt from all fleets that have several.
//!
//! Called by [`super::fit`] once the estimates have about settled.

use std::ops::Range;

use super::equations::{Equations, common_precision};
use super::layout::Layout;
use super::members::Members;
use super::network::Network;
use super::rounds::State;
use super::solver::{Preconditioner, SHRUNK, conjugate_gradients, solve_at};
use super::{DENSE_MAX, Settings};
use crate::cholesky::{Factor, Symmetric};

/// Communities of a fleet are alike with this probability before anything is known.
const ALIKE: f64 = 0.5;

/// Values of τ that are tried, denser towards 0: where nothing differs the likelihood falls within what the data can tell.
const TRIED: usize = 64;

/// τ by what is known of the biases, fraction.
///
/// # Formula
/// Of the K biases of a fleet data say `b` with precision Λ: with V their covariance and ĉ their estimates under the prior precision Q of the τ
/// they were made with, `Λ = V⁻¹ − Q`, `b = V⁻¹ ĉ`. With Σ and `Q = Σ⁻¹` of another τ, and c_f in it, the likelihood is
/// `|I + Λ Σ|^(−½) exp(½ bᵀ (Λ + Q)⁻¹ b)`; with τ = 0 `I + Λ Σ` has the determinant `1 + σ_c² 1ᵀΛ1` and the exponent is
/// `½ (1ᵀb)²/(1ᵀΛ1 + σ_c⁻²)`. The likelihood of all fleets is the product. Before, τ is 0 with probability ½, or else anywhere up to `√6 sd`, so
/// that the root of the mean of τ² is `sd`. What comes out is the root of the mean of τ² afterwards, over both: where data say nothing `sd`, and
/// where they say that all are alike next to nothing. None where it cannot be computed.
pub(super) fn sd(
    network: &Network,
    layout: &Layout,
    members: &Members,
    settings: &Settings,
    state: &State,
    places: &[u32],
) -> Option<f64> {
    let equations = state.constant(network, layout, members, settings);
    let solver = Solver::of(&equations, layout, places)?;
    let fleets = members.fleets.linked.iter();
    let told = fleets.map(|biases| Told::of(&solver, biases, settings, state)).collect::<Option<Vec<_>>>()?;
    root_mean_square(&told, settings)
}

fn root_mean_square(told: &[Told], settings: &Settings) -> Option<f64> {
    let likelihood = |sd: f64| told.iter().map(|told| told.likelihood(settings.common_sd, sd)).sum();
    let most = 6.0_f64.sqrt() * settings.linked_sd;
    // τ = most x², so that of equal steps of x each stands for 2 x of the range.
    let tried = (0..TRIED).map(|at| (at as f64 + 0.5) / TRIED as f64).map(|x| (2.0 * x, most * x * x));
    let alike: f64 = told.iter().map(|told| told.alike(settings.common_sd)).sum();
    let mut all = vec![(ALIKE, 0.0, alike)];
    for (share, sd) in tried {
        let likelihood: Option<f64> = likelihood(sd);
        all.push(((1.0 - ALIKE) * share / TRIED as f64, sd, likelihood?));
    }
    let largest = all.iter().map(|(.., likelihood)| *likelihood).fold(f64::NEG_INFINITY, f64::max);
    let (mut whole, mut square) = (0.0, 0.0);
    for (share, sd, likelihood) in all {
        let weight = share * libm::exp(likelihood - largest);
        whole += weight;
        square += weight * sd * sd;
    }
    Some((square / whole).sqrt()).filter(|sd| sd.is_finite())
}

/// The constant equations, ready to be solved.
struct Solver<'a> {
    equations: &'a Equations,
    layout: &'a Layout,
    places: &'a [u32],
    /// None where it would be too large.
    factor: Option<Factor>,
    preconditioner: Preconditioner,
}

impl<'a> Solver<'a> {
    fn of(equations: &'a Equations, layout: &'a Layout, places: &'a [u32]) -> Option<Self> {
        let factor = if equations.shape.size() <= DENSE_MAX {
            Some(equations.matrix(layout, places).factor()?)
        } else {
            None
        };
        let preconditioner = Preconditioner::Diagonal(equations.diagonal(layout));
        Some(Self { equations, layout, places, factor, preconditioner })
    }

    /// The covariance of everything with one unknown.
    fn column(&self, at: usize) -> Option<Vec<f64>> {
        let mut unit = vec![0.0; self.equations.shape.size()];
        unit[at] = 1.0;
        if let Some(factor) = &self.factor {
            return Some(solve_at(factor, self.places, &unit));
        }
        let times = |x: &[f64]| self.equations.times(self.layout, x);
        let precondition = |r: &[f64]| self.preconditioner.solve(self.places, r);
        conjugate_gradients(times, precondition, &unit, &vec![0.0; unit.len()], SHRUNK)
    }
}

/// What data say of the biases of a fleet's communities.
pub(super) struct Told {
    /// Λ.
    precision: Symmetric,
    /// b.
    right: Vec<f64>,
}

impl Told {
    fn of(solver: &Solver<'_>, biases: &Range<usize>, settings: &Settings, state: &State) -> Option<Self> {
        let (first, count) = (solver.equations.shape.instruments + biases.start, biases.len());
        let mut covariance = Symmetric::zero(count);
        for at in 0..count {
            let column = solver.column(first + at)?;
            (at..count).for_each(|other| covariance.add(other, at, column[first + other]));
        }
        let mut precision = covariance.factor()?.inverse();
        let estimates = &state.beta[first..first + count];
        let of_row = |row: usize| (0..count).map(|at| precision.get(row, at) * estimates[at]).sum::<f64>();
        let right = (0..count).map(of_row).collect();
        let [diagonal, off] = common_precision(count, settings.common_sd, state.linked_sd);
        add(&mut precision, -diagonal, -off);
        Some(Self { precision, right })
    }

    /// Logarithm of the likelihood of τ. None where rounding has left nothing of it.
    pub(super) fn likelihood(&self, common_sd: f64, sd: f64) -> Option<f64> {
        let count = self.right.len();
        let [diagonal, off] = common_precision(count, common_sd, sd);
        let mut whole = self.precision.clone();
        add(&mut whole, diagonal, off);
        let factor = whole.factor()?;
        let solved = factor.solve(&self.right);
        let exponent = self.right.iter().zip(&solved).map(|(right, solved)| right * solved).sum::<f64>();
        // |Σ| has τ² for each contrast, and τ² + K σ_c² for the mean.
        let of_contrasts = 2.0 * (count as f64 - 1.0) * libm::log(sd);
        let of_mean = libm::log(sd * sd + count as f64 * common_sd * common_sd);
        Some(0.5 * (exponent - factor.log_determinant() - of_contrasts - of_mean))
    }

    /// The same with τ = 0.
    pub(super) fn alike(&self, common_sd: f64) -> f64 {
        let count = self.right.len();
        let of_row = |row: usize| (0..count).map(|at| self.precision.get(row, at)).sum::<f64>();
        let precision = (0..count).map(of_row).sum::<f64>().max(0.0);
        let right = self.right.iter().sum::<f64>();
        let variance = common_sd * common_sd;
        let exponent = right * right / (precision + 1.0 / variance);
        0.5 * (exponent - libm::log(1.0 + variance * precision))
    }
}

/// Adds a matrix that has one number on its diagonal and another off it.
fn add(matrix: &mut Symmetric, diagonal: f64, off: f64) {
    for row in 0..matrix.size() {
        matrix.add(row, row, diagonal);
        (0..row).for_each(|column| matrix.add(row, column, off));
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What these equations say, whatever made them.
    pub(in super::super) fn told(
        equations: &Equations,
        layout: &Layout,
        places: &[u32],
        members: &Members,
        settings: &Settings,
        state: &State,
    ) -> Vec<Told> {
        let solver = Solver::of(equations, layout, places).expect("regular");
        let fleets = members.fleets.linked.iter();
        fleets.map(|biases| Told::of(&solver, biases, settings, state).expect("regular")).collect()
    }
}
