//! The rounds of reweighting: solve, look at what is left over, set weights and scales by it.
//!
//! Driven by [`super::fit`] until nothing moves any more.

use super::equations::{Equations, Shape, Weights};
use super::layout::Layout;
use super::members::Members;
use super::network::Network;
use super::residuals::{Leverages, Residuals, Spread};
use super::scale::{self, Response, Scale};
use super::solver::{Preconditioner, SHRUNK, conjugate_gradients, solve_at};
use super::{
    ComparisonError, DENSE_MAX, DIRECT_MAX, ENOUGH, LEVERAGE_MAX, LEVERAGE_ROUNDS, SCALE_ROUNDS, Settings,
    TOLERANCE,
};
use crate::cholesky::Factor;
use crate::shared::shared;

/// Least and largest share of the way that a robust weight goes, and how the share grows: with four, what would come nearer by 3 % a round
/// comes nearer by 12 %.
const STRIDE_MIN: f32 = 0.05;
const STRIDE_MAX: f32 = 4.0;
const STRIDE_GROWTH: f32 = 1.5;

/// A weight that was carried too far stays above this: of a comparison of weight 0 nothing would ever be heard again.
const WEIGHT_MIN: f64 = 1e-6;

/// What rounds hand on.
pub(super) struct State {
    pub(super) scales: Vec<Scale>,
    pub(super) traveller_sd: f64,
    pub(super) interaction_sd: f64,
    pub(super) linked_sd: f64,
    /// By position.
    pub(super) robust: Vec<f64>,
    /// How each robust weight goes on from round to round once scales stand; empty before.
    strides: Vec<Stride>,
    /// By cell.
    pub(super) of_cell: Vec<f64>,
    pub(super) leverages: Option<Leverages>,
    pub(super) beta: Vec<f64>,
    pub(super) preconditioner: Option<Preconditioner>,
    pub(super) standardised: Vec<f64>,
    pub(super) response: Response,
    pub(super) rounds: usize,
    pub(super) converged: bool,
    /// Largest move of an estimate in the last round, in its standard uncertainties.
    pub(super) moved: f64,
}

/// How far a robust weight goes towards what its residual asks for, and whither it went last.
#[derive(Clone, Copy)]
struct Stride {
    share: f32,
    last: f32,
}

impl Stride {
    /// The next weight: `before` plus a share of the way to `wanted`. What swings between two states comes to rest between them, and
    /// what creeps in one direction gets there sooner; where neither happens, shares do not matter.
    fn next(&mut self, before: f64, wanted: f64) -> f64 {
        let way = wanted - before;
        let is_swinging = way * f64::from(self.last) < 0.0;
        self.share = if is_swinging {
            (0.5 * self.share).max(STRIDE_MIN)
        } else {
            (STRIDE_GROWTH * self.share).min(STRIDE_MAX)
        };
        self.last = way as f32;
        (before + f64::from(self.share) * way).max(WEIGHT_MIN)
    }
}

/// The equations of a round and what solved them.
pub(super) struct Solved {
    pub(super) equations: Equations,
    pub(super) factor: Option<Factor>,
}

impl State {
    pub(super) fn start(network: &Network, layout: &Layout, members: &Members, settings: &Settings) -> Self {
        let scale = Scale { noise: settings.noise, noise_size: settings.noise_size, degrees: 4.0 };
        Self {
            scales: vec![scale; network.classes.max(1)],
            traveller_sd: settings.traveller_sd,
            interaction_sd: settings.interaction_sd,
            linked_sd: settings.linked_sd,
            robust: vec![1.0; layout.caller.len()],
            strides: Vec::new(),
            of_cell: vec![1.0; layout.cells.len()],
            leverages: None,
            beta: vec![0.0; Shape::of(network, members).size()],
            preconditioner: None,
            standardised: Vec::new(),
            response: Response::of_degrees(4.0),
            rounds: 0,
            converged: false,
            moved: f64::INFINITY,
        }
    }

    pub(super) fn scale(&self, layout: &Layout, s: usize) -> &Scale {
        &self.scales[usize::from(layout.class[s])]
    }

    /// Weights of comparisons, `factor(s) / σ_s²`.
    pub(super) fn weights(&self, layout: &Layout, factor: impl Fn(usize) -> f64 + Sync) -> Vec<f64> {
        let weight = |s: usize| factor(s) / self.scale(layout, s).variance(layout.inverse_square[s]);
        let parts = shared(&layout.pieces, |piece| {
            layout.comparisons_of_piece(piece).map(weight).collect::<Vec<f64>>()
        });
        parts.concat()
    }

    /// The same with what cells and scales are to go with them.
    pub(super) fn with<'a>(&self, of_comparison: &'a [f64], of_cell: &'a [f64]) -> Weights<'a> {
        Weights { of_comparison, of_cell, traveller_sd: self.traveller_sd, linked_sd: self.linked_sd }
    }

    /// The equations whose inverse is the covariance: of weights that no residual has set.
    pub(super) fn constant(
        &self,
        network: &Network,
        layout: &Layout,
        members: &Members,
        settings: &Settings,
    ) -> Equations {
        let of_comparison = self.weights(layout, |_| self.response.efficiency);
        let weights = self.with(&of_comparison, &self.of_cell);
        Equations::build(network, layout, members, settings, &weights)
    }

    /// Goes on with other unknowns than before.
    pub(super) fn reshape(&mut self, network: &Network, members: &Members) {
        let size = Shape::of(network, members).size();
        self.beta.truncate(network.instruments);
        self.beta.resize(size, 0.0);
        self.preconditioner = None;
    }

    /// One round: solve, look at what is left over, and set weights and scales by it.
    pub(super) fn round(
        &mut self,
        network: &Network,
        layout: &Layout,
        members: &Members,
        settings: &Settings,
        places: &[u32],
    ) -> Result<Solved, ComparisonError> {
        let of_comparison = self.weights(layout, |s| self.robust[s]);
        let of_cell = std::mem::take(&mut self.of_cell);
        let weights = self.with(&of_comparison, &of_cell);
        let equations = Equations::build(network, layout, members, settings, &weights);
        let (beta, factor) = self.solve(&equations, layout, places).ok_or(ComparisonError::Singular)?;
        let diagonal: Vec<f64> = equations.diagonal(layout).iter().map(|value| 1.0 / value).collect();
        if self.rounds.is_multiple_of(LEVERAGE_ROUNDS) && self.rounds < SCALE_ROUNDS {
            let exact = factor.as_ref().map(Factor::inverse);
            let spread =
                exact.as_ref().map_or(Spread::Diagonal(&diagonal), |inverse| Spread::Exact(inverse, places));
            self.leverages = Some(Leverages::of(&equations, layout, &spread));
        }
        let leverages = self.leverages.take().ok_or(ComparisonError::Singular)?;
        let residuals = Residuals::of(layout, &equations, &weights, &beta, &leverages);
        self.fit_traveller_sd(network, layout, settings, &equations, &beta, &leverages);
        self.leverages = Some(leverages);
        self.fit_interaction_sd(layout, &residuals);
        self.fit_noise(layout, &residuals);
        // What a single estimate moves by is held against what it would vary by were all others known: never more than it does.
        let moved = self.beta.iter().zip(&beta).map(|(before, now)| (before - now).abs());
        self.moved = moved
            .take(network.instruments)
            .zip(&diagonal)
            .map(|(moved, variance)| moved / variance.sqrt())
            .fold(0.0, f64::max);
        self.converged = self.moved < TOLERANCE && self.rounds > LEVERAGE_ROUNDS;
        self.beta = beta;
        self.rounds += 1;
        Ok(Solved { equations, factor })
    }

    /// β, and the factor if there is one of just these equations.
    fn solve(
        &mut self,
        equations: &Equations,
        layout: &Layout,
        places: &[u32],
    ) -> Option<(Vec<f64>, Option<Factor>)> {
        if equations.shape.size() <= DIRECT_MAX {
            let factor = equations.matrix(layout, places).factor()?;
            return Some((solve_at(&factor, places, &equations.right), Some(factor)));
        }
        if self.preconditioner.is_none() || equations.shape.size() > DENSE_MAX {
            self.preconditioner = Some(if equations.shape.size() <= DENSE_MAX {
                Preconditioner::Factor(equations.matrix(layout, places).factor()?)
            } else {
                Preconditioner::Diagonal(equations.diagonal(layout))
            });
        }
        let preconditioner = self.preconditioner.as_ref()?;
        let times = |x: &[f64]| equations.times(layout, x);
        let precondition = |r: &[f64]| preconditioner.solve(places, r);
        let beta = conjugate_gradients(times, precondition, &equations.right, &self.beta, SHRUNK)?;
        Some((beta, None))
    }

    /// σ_b from the travellers' mean residuals.
    ///
    /// Robust weights were set about the shrunk bias d: what is left of the mean beyond it comes out smaller, see [`Response`].
    fn fit_traveller_sd(
        &mut self,
        network: &Network,
        layout: &Layout,
        settings: &Settings,
        equations: &Equations,
        beta: &[f64],
        leverages: &Leverages,
    ) {
        let mut means = Vec::new();
        for (t, left) in equations
            .travellers
            .iter()
            .enumerate()
            .filter(|(_, left)| left.common.is_some() && left.variance > 0.0)
        {
            let sum = equations.along(layout, t, beta) - left.weighted;
            let own = left.variance * sum;
            let mean = own + (sum / left.weight - own) / self.response.shift;
            let unknown = if network.travellers[t].model.is_none() {
                settings.model_sd * settings.model_sd
            } else {
                0.0
            };
            let variance = 1.0 / (self.response.information() * left.plain) + unknown;
            let leverage = leverages.of_traveller[t] / (variance + self.traveller_sd * self.traveller_sd);
            means.push((mean * mean / (1.0 - leverage.clamp(0.0, LEVERAGE_MAX)), variance));
        }
        if means.len() >= ENOUGH && self.rounds < SCALE_ROUNDS {
            self.traveller_sd = scale::common_sd(&means, self.traveller_sd, self.rounds);
        }
    }

    /// σ_i from the cells' mean residuals, and what it leaves of each cell's weight. As robust weights were set without it, it shows
    /// in a mean in part only, see [`Response`].
    fn fit_interaction_sd(&mut self, layout: &Layout, residuals: &Residuals) {
        let cells = residuals.cells.iter().enumerate().filter(|(_, (_, weight))| *weight > 0.0);
        let (shift, information) = (self.response.shift, self.response.information());
        let mut means: Vec<(u32, f64, f64)> = cells
            .map(|(cell, (score, weight))| {
                (layout.cells[cell], score / (shift * weight), 1.0 / (information * weight))
            })
            .collect();
        means.sort_by_key(|(instrument, _, _)| *instrument);
        if means.chunk_by(|a, b| a.0 == b.0).map(|group| group.len() - 1).sum::<usize>() >= ENOUGH
            && self.rounds < SCALE_ROUNDS
        {
            self.interaction_sd = scale::within_sd(&means, self.interaction_sd, self.rounds);
        }
        let variance = self.interaction_sd * self.interaction_sd;
        self.of_cell =
            residuals.cells.iter().map(|(_, weight)| 1.0 / (1.0 + variance * weight.max(0.0))).collect();
    }

    /// Each class's scale, and the robust weights.
    fn fit_noise(&mut self, layout: &Layout, residuals: &Residuals) {
        let points = |class: usize| -> Vec<(f64, f64)> {
            let residuals = residuals.of_comparison.iter().enumerate();
            let of_class = residuals.filter(|(s, _)| usize::from(layout.class[*s]) == class);
            of_class.map(|(s, r)| (layout.inverse_square[s], r * r)).collect()
        };
        for class in 0..self.scales.len() {
            let points = points(class);
            if points.len() >= ENOUGH && self.rounds < SCALE_ROUNDS {
                self.scales[class] = Scale::fit(&points, self.scales[class], self.rounds);
            }
        }
        let standardised = |s: usize| {
            residuals.of_comparison[s] / self.scale(layout, s).variance(layout.inverse_square[s]).sqrt()
        };
        let parts = shared(&layout.pieces, |piece| {
            layout.comparisons_of_piece(piece).map(standardised).collect::<Vec<f64>>()
        });
        self.standardised = parts.concat();
        let of_class = &self.scales;
        let scales = |s: usize| &of_class[usize::from(layout.class[s])];
        let mut robust: Vec<f64> =
            self.standardised.iter().enumerate().map(|(s, z)| scales(s).robust(*z)).collect();
        let mut strides = std::mem::take(&mut self.strides);
        if self.rounds >= SCALE_ROUNDS {
            strides.resize(robust.len(), Stride { share: 0.5, last: 0.0 });
            for ((now, before), stride) in robust.iter_mut().zip(&self.robust).zip(&mut strides) {
                *now = stride.next(*before, *now);
            }
        }
        let told = self.standardised.iter().enumerate().map(|(s, z)| (*z, scales(s).degrees));
        self.response = Response::of(told);
        self.robust = robust;
        self.strides = strides;
    }
}
