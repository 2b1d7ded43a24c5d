//! Solving the normal equations: directly, or step by step where a factor of the whole matrix is too large; and the covariance of
//! the estimates.
//!
//! Up to [`super::DENSE_MAX`] unknowns the covariance is exact. Beyond, its diagonal is estimated, see [`super::probe`].

use super::equations::Equations;
use super::layout::Layout;
use super::members::{Members, Set};
use super::{DENSE_MAX, DIRECT_MAX, probe};
use crate::cholesky::{Factor, Symmetric};

/// Steps at most; with a factor of nearly the same matrix ten do, with its diagonal some hundred.
const STEPS_MAX: usize = 2_000;

/// Steps end when the residual, in the norm of the preconditioner, has shrunk to this share: estimates then move by less than a
/// thousandth of their uncertainty.
pub(super) const SHRUNK: f64 = 1e-9;

/// The same where only a variance is asked for, `bᵀ A⁻¹ b`: steps from zero make it wrong by the square of what is left.
pub(super) const SHRUNK_FOR_VARIANCE: f64 = 1e-5;

/// What stands in for the inverse in a step.
pub(super) enum Preconditioner {
    /// A factor of this matrix or one near it, with the places of instruments and fleets.
    Factor(Factor),
    /// The matrix's diagonal.
    Diagonal(Vec<f64>),
}

impl Preconditioner {
    pub(super) fn solve(&self, places: &[u32], b: &[f64]) -> Vec<f64> {
        match self {
            Self::Factor(factor) => solve_at(factor, places, b),
            Self::Diagonal(diagonal) => b.iter().zip(diagonal).map(|(b, d)| b / d).collect(),
        }
    }
}

/// Solves with a factor whose instruments and fleets stand at their places.
pub(super) fn solve_at(factor: &Factor, places: &[u32], b: &[f64]) -> Vec<f64> {
    let mut placed = b.to_vec();
    for (value, place) in b.iter().zip(places) {
        placed[*place as usize] = *value;
    }
    let x = factor.solve(&placed);
    let inner = places.iter().map(|place| x[*place as usize]);
    inner.chain(x[places.len()..].iter().copied()).collect()
}

/// Preconditioned conjugate gradients, from `start` until the residual has shrunk. None if the equations are singular to working accuracy.
pub(super) fn conjugate_gradients(
    times: impl Fn(&[f64]) -> Vec<f64>,
    precondition: impl Fn(&[f64]) -> Vec<f64>,
    b: &[f64],
    start: &[f64],
    shrunk: f64,
) -> Option<Vec<f64>> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut x = start.to_vec();
    let mut residual: Vec<f64> = times(&x).iter().zip(b).map(|(ax, b)| b - ax).collect();
    let whole = dot(b, &precondition(b));
    let mut z = precondition(&residual);
    let mut direction = z.clone();
    let mut square = dot(&residual, &z);
    for _ in 0..STEPS_MAX {
        if !(square.is_finite() && whole.is_finite() && 0.0 <= square) {
            return None;
        }
        if square <= shrunk * shrunk * whole {
            return Some(x);
        }
        let product = times(&direction);
        let step = square / dot(&direction, &product);
        x.iter_mut().zip(&direction).for_each(|(x, d)| *x += step * d);
        residual.iter_mut().zip(&product).for_each(|(r, p)| *r -= step * p);
        z = precondition(&residual);
        let next = dot(&residual, &z);
        let turn = next / square;
        direction.iter_mut().zip(&z).for_each(|(d, z)| *d = z + turn * *d);
        square = next;
    }
    // As near as it gets: rounding, not singularity, keeps it from shrinking further.
    (square <= 1e-4 * whole).then_some(x)
}

/// How the covariance is got at.
enum Source {
    /// By a factor; with it all of it where it is small.
    Exact(Factor, Option<Symmetric>),
    Iterative(Preconditioner),
}

/// Covariance of the estimates of all instruments.
pub struct Covariance {
    source: Source,
    equations: Equations,
    layout: Layout,
    /// Of instruments, and then of fleets.
    places: Vec<u32>,
    /// Variance of every instrument; where its set has no level, of its difference from the set's mean.
    variances: Vec<f64>,
    /// The same of the instruments themselves where a set has no level: what priors leave of it. Only where there is a factor.
    unlevelled: Vec<f64>,
    /// Variance of each common bias of a fleet of several communities.
    commons: Vec<Option<f64>>,
}

impl std::fmt::Debug for Covariance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Covariance").field("instruments", &self.variances.len()).finish_non_exhaustive()
    }
}

impl Covariance {
    /// None where the equations cannot be solved.
    pub(super) fn of(
        equations: Equations,
        layout: Layout,
        places: Vec<u32>,
        members: &Members,
    ) -> Option<Self> {
        if equations.shape.size() > DENSE_MAX {
            let source = Source::Iterative(Preconditioner::Diagonal(equations.diagonal(&layout)));
            let variances = probe::variances(&equations, &layout, members)?;
            let (unlevelled, commons) = (Vec::new(), vec![None; members.fleets.sets.len()]);
            let mut covariance = Self { source, equations, layout, places, variances, unlevelled, commons };
            for bias in members.fleets.linked.iter().cloned().flatten() {
                covariance.commons[bias] =
                    Some(covariance.solved_variance(covariance.equations.shape.instruments + bias)?);
            }
            return Some(covariance);
        }
        let factor = equations.matrix(&layout, &places).factor()?;
        let inverse = (equations.shape.size() <= DIRECT_MAX).then(|| factor.inverse());
        let diagonal = match &inverse {
            Some(inverse) => (0..inverse.size()).map(|at| inverse.get(at, at)).collect(),
            None => factor.inverse_diagonal(),
        };
        let instruments = places.iter().take(equations.shape.instruments);
        let variances: Vec<f64> = instruments.map(|place| diagonal[*place as usize]).collect();
        let (source, unlevelled) = (Source::Exact(factor, inverse), variances.clone());
        let mut commons = vec![None; members.fleets.sets.len()];
        for bias in members.fleets.linked.iter().cloned().flatten() {
            commons[bias] = Some(diagonal[places[equations.shape.instruments + bias] as usize]);
        }
        let mut covariance = Self { source, equations, layout, places, variances, unlevelled, commons };
        for set in members.sets().iter().filter(|set| !set.grounded && set.instruments.len() > 1) {
            covariance.take_mean_out(set)?;
        }
        Some(covariance)
    }

    /// Makes variances those of differences from a set's mean.
    fn take_mean_out(&mut self, Set { instruments: set, fleets, .. }: &Set) -> Option<()> {
        let n = set.len() as f64;
        let Source::Exact(factor, _) = &self.source else { return None };
        let place = |instrument: &usize| self.places[*instrument] as usize;
        let of_fleets = fleets.iter().map(|fleet| place(&(self.variances.len() + fleet)));
        let (first, last) = (set.iter().map(place).min()?, set.iter().map(place).chain(of_fleets).max()?);
        let mut x = vec![0.0; self.equations.shape.size()];
        set.iter().for_each(|instrument| x[place(instrument)] = 1.0 / n);
        factor.solve_set(&mut x, first..last + 1, self.places.len());
        let with_mean: Vec<f64> = self.places.iter().map(|place| x[*place as usize]).collect();
        let of_mean = set.iter().map(|instrument| with_mean[*instrument]).sum::<f64>() / n;
        for instrument in set {
            let variance = self.variances[*instrument] - 2.0 * with_mean[*instrument] + of_mean;
            self.variances[*instrument] = variance.max(0.0);
        }
        Some(())
    }

    /// Equations, layout, and all of the covariance where it is at hand, instruments and fleets at their places.
    pub(super) fn parts(&self) -> (&Equations, &Layout, Option<(&Symmetric, &[u32])>) {
        let whole = match &self.source {
            Source::Exact(_, Some(inverse)) => Some((inverse, self.places.as_slice())),
            _ => None,
        };
        (&self.equations, &self.layout, whole)
    }

    /// Variance of an instrument's estimate; where its set has no level, of its difference from the set's mean.
    pub fn variance(&self, instrument: usize) -> f64 {
        self.variances[instrument]
    }

    /// Variance of an instrument's estimate whether or not its set has a level, and not probed. None where it cannot be computed.
    pub(super) fn own_variance(&self, instrument: usize) -> Option<f64> {
        if let Some(variance) = self.unlevelled.get(instrument) {
            return Some(*variance);
        }
        self.solved_variance(instrument)
    }

    /// Variance of a fleet's common bias that is one of several; none of one that is the only one.
    pub(super) fn variance_of_common(&self, bias: usize) -> Option<f64> {
        self.commons[bias]
    }

    /// Variance of an unknown by a solution of its own.
    fn solved_variance(&self, at: usize) -> Option<f64> {
        let mut unit = vec![0.0; self.equations.shape.size()];
        unit[at] = 1.0;
        Some(self.solve_until(&unit, SHRUNK_FOR_VARIANCE)?[at])
    }

    /// Where each instrument, and then each fleet, stands in a factor.
    pub(super) fn places(&self) -> &[u32] {
        &self.places
    }

    /// Solves the equations of all unknowns, the border among them. None where they cannot be solved to working accuracy.
    pub(super) fn solve(&self, b: &[f64]) -> Option<Vec<f64>> {
        self.solve_until(b, SHRUNK)
    }

    fn solve_until(&self, b: &[f64], shrunk: f64) -> Option<Vec<f64>> {
        match &self.source {
            Source::Exact(factor, _) => Some(solve_at(factor, &self.places, b)),
            Source::Iterative(preconditioner) => {
                let times = |x: &[f64]| self.equations.times(&self.layout, x);
                let precondition = |r: &[f64]| preconditioner.solve(&self.places, r);
                conjugate_gradients(times, precondition, b, &vec![0.0; b.len()], shrunk)
            }
        }
    }

    /// `Cov a`: the covariance of every instrument's estimate with the sum `aᵀe`.
    ///
    /// None where the equations cannot be solved to working accuracy.
    pub fn times(&self, a: &[f64]) -> Option<Vec<f64>> {
        let mut b = a.to_vec();
        b.resize(self.equations.shape.size(), 0.0);
        let mut x = self.solve(&b)?;
        x.truncate(a.len());
        Some(x)
    }

    /// Of each pair of instruments the variance of the difference of their errors, as [`Self::times`] gives it, but many solutions at once
    /// where there is a factor. None of a pair where the equations cannot be solved to working accuracy.
    pub fn variances_of_differences(&self, pairs: &[(usize, usize)]) -> Vec<Option<f64>> {
        if let Source::Exact(factor, _) = &self.source {
            let place = |instrument: usize| self.places[instrument] as usize;
            let placed: Vec<(usize, usize)> = pairs.iter().map(|(a, b)| (place(*a), place(*b))).collect();
            return factor.variances_of_differences(&placed).into_iter().map(Some).collect();
        }
        let one = |(a, b): &(usize, usize)| {
            let mut difference = vec![0.0; self.variances.len()];
            (difference[*a], difference[*b]) = (1.0, -1.0);
            let with = self.times(&difference)?;
            Some(with[*a] - with[*b])
        };
        pairs.iter().map(one).collect()
    }
}
