//! What gives a level, held against everything else: every anchor and every calibration of a traveller left out in turn.
//!
//! Called by [`super::fit`] at the end. It leaves nothing out for good: what is to go is the caller's to say.

use super::equations::Equations;
use super::layout::Layout;
use super::members::Members;
use super::rounds::{Solved, State};
use super::solver::{Covariance, Preconditioner, conjugate_gradients, solve_at};
use super::{Anchor, DENSE_MAX, Network};
use crate::cholesky::Factor;

/// Anchors of a network beyond [`DENSE_MAX`], and travellers of known bias of any, that are held against everything else: each takes a
/// solution of its own. Who gives more gives what nobody checks.
pub const CHECKED_MAX: usize = 200;

/// Below this share of a number a difference of two such numbers is rounding.
const RELATIVE_ROUNDING: f64 = 1e-9;

/// An anchor held against everything else: the estimate of its instrument had it been left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AnchorCheck {
    /// Position in [`Network::anchors`].
    pub anchor: usize,
    /// E_n = (anchor − estimate without it) / (2 √(u_anchor² + u_without²)); beyond ±1 they contradict each other (k = 2).
    pub normalised_error: f64,
}

/// A traveller's known bias held against everything else: the estimate of its bias had nobody known it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TravellerCheck {
    /// Index of the traveller.
    pub traveller: usize,
    /// E_n = (calibration − estimate without it) / (2 √(u_calibration² + u_without²)); none where nothing else speaks of it, and of those
    /// beyond the first two hundred, of which each takes a solution of its own.
    pub normalised_error: Option<f64>,
}

/// Leaves every anchor, and every calibration that could give a level, out in turn.
pub(super) fn left_out(
    network: &Network,
    members: &Members,
    state: &State,
    solved: &Solved,
    covariance: &Covariance,
) -> (Vec<AnchorCheck>, Vec<TravellerCheck>) {
    if network.anchors.is_empty() && members.calibrated.is_empty() {
        return (Vec::new(), Vec::new());
    }
    let (_, layout, _) = covariance.parts();
    let robust = Robust::of(solved, layout, covariance.places());
    (
        anchors(network, &robust, &state.beta, covariance),
        travellers(network, members, &robust, state, covariance),
    )
}

/// The equations that gave the estimates, ready to be solved for other right-hand sides.
struct Robust<'a> {
    equations: &'a Equations,
    layout: &'a Layout,
    places: &'a [u32],
    /// The factor of the last round.
    factor: Option<&'a Factor>,
    /// One that was made for this, where rounds go step by step and a factor fits into memory.
    made: Option<Factor>,
}

impl<'a> Robust<'a> {
    fn of(solved: &'a Solved, layout: &'a Layout, places: &'a [u32]) -> Self {
        let equations = &solved.equations;
        let is_made = solved.factor.is_none() && equations.shape.size() <= DENSE_MAX;
        let made = is_made.then(|| equations.matrix(layout, places).factor()).flatten();
        Self { equations, layout, places, factor: solved.factor.as_ref(), made }
    }

    /// None where it cannot be computed.
    fn solve(&self, b: &[f64]) -> Option<Vec<f64>> {
        if let Some(factor) = self.factor.or(self.made.as_ref()) {
            return Some(solve_at(factor, self.places, b));
        }
        let diagonal = Preconditioner::Diagonal(self.equations.diagonal(self.layout));
        let times = |x: &[f64]| self.equations.times(self.layout, x);
        conjugate_gradients(times, |r: &[f64]| diagonal.solve(self.places, r), b, &vec![0.0; b.len()])
    }

    /// Variances of the anchored instruments, in the order of the anchors; NaN where they cannot be computed.
    fn variances(&self, network: &Network) -> Vec<f64> {
        if let Some(made) = &self.made {
            let diagonal = made.inverse_diagonal();
            return network.anchors.iter().map(|at| diagonal[self.places[at.instrument] as usize]).collect();
        }
        let variance = |anchor: &Anchor| {
            let mut unit = vec![0.0; self.equations.shape.size()];
            unit[anchor.instrument] = 1.0;
            self.solve(&unit).map_or(f64::NAN, |column| column[anchor.instrument])
        };
        let most = if self.factor.is_some() { usize::MAX } else { CHECKED_MAX };
        network.anchors.iter().take(most).map(variance).collect()
    }
}

/// What is known of a number, part of it by a measurement that is to be left out: value and variances.
struct Known {
    /// The estimate.
    estimate: f64,
    /// Its variance in the robust equations that gave it.
    robust: f64,
    /// Its variance in the constant ones.
    constant: f64,
}

impl Known {
    /// E_n of a measurement of variance `own` against all the rest; none where nothing but rounding is left.
    ///
    /// # Formula
    /// With e the estimate, C and K its variances in the robust and in the constant equations:
    /// `e' = (e/C − x/u²) / (1/C − 1/u²)` and the variance of e' is `1 / (1/K − 1/u²)`.
    fn against(&self, measured: f64, own: f64) -> Option<f64> {
        let (robust_left, left) = (1.0 / self.robust - 1.0 / own, 1.0 / self.constant - 1.0 / own);
        let is_told =
            RELATIVE_ROUNDING / self.robust < robust_left && RELATIVE_ROUNDING / self.constant < left;
        is_told.then(|| {
            let without = (self.estimate / self.robust - measured / own) / robust_left;
            (measured - without) / (2.0 * (own + 1.0 / left).sqrt())
        })
    }
}

fn anchors(
    network: &Network,
    robust: &Robust<'_>,
    beta: &[f64],
    covariance: &Covariance,
) -> Vec<AnchorCheck> {
    if network.anchors.is_empty() {
        return Vec::new();
    }
    let check = |(anchor, (at, robust)): (usize, (&Anchor, f64))| {
        // Where the set has no level, an anchor too weak to give one is the only one it has: nothing else speaks of it.
        let known =
            Known { estimate: beta[at.instrument], robust, constant: covariance.variance(at.instrument) };
        let normalised_error = known.against(at.error, at.standard_uncertainty * at.standard_uncertainty)?;
        Some(AnchorCheck { anchor, normalised_error })
    };
    network.anchors.iter().zip(robust.variances(network)).enumerate().filter_map(check).collect()
}

/// # Formula
/// A known traveller's own bias d, less its calibration, is a parameter of prior variance u² that was eliminated; with
/// `d = f (uᵀβ − R)` its variance is `f + f² uᵀ J⁻¹ u`. The calibration is a measurement of it: 0.
fn travellers(
    network: &Network,
    members: &Members,
    robust: &Robust<'_>,
    state: &State,
    covariance: &Covariance,
) -> Vec<TravellerCheck> {
    let (constant, layout, _) = covariance.parts();
    let check = |traveller: &usize| {
        let (_, u) = network.travellers[*traveller].known?;
        let known = Known {
            estimate: robust.equations.own_bias(layout, *traveller, &state.beta),
            robust: own_variance(robust.equations, layout, *traveller, |b| robust.solve(b))?,
            constant: own_variance(constant, layout, *traveller, |b| covariance.solve(b))?,
        };
        known.against(0.0, u * u)
    };
    let of_all = members.calibrated.iter().enumerate().map(|(at, traveller)| TravellerCheck {
        traveller: *traveller,
        normalised_error: if at < CHECKED_MAX { check(traveller) } else { None },
    });
    of_all.collect()
}

fn own_variance(
    equations: &Equations,
    layout: &Layout,
    traveller: usize,
    solve: impl FnOnce(&[f64]) -> Option<Vec<f64>>,
) -> Option<f64> {
    let own = equations.travellers[traveller].variance;
    let mut along = vec![0.0; equations.shape.size()];
    equations.add_row(layout, traveller, 1.0, &mut along);
    Some(own + own * own * equations.along(layout, traveller, &solve(&along)?))
}
