//! What gives a level, held against everything else: every anchor, every calibration of a traveller and all other information left out in turn.
//! One that gives its connected set a level alone is held against nothing: that would be the prior of the common bias, which nobody measured.
//!
//! Called by [`super::fit`] at the end. It leaves nothing out for good: what is to go is the caller's to say.

mod blocks;

use super::equations::Equations;
use super::layout::Layout;
use super::members::Members;
use super::rounds::{Solved, State};
use super::solver::{Covariance, Preconditioner, SHRUNK_FOR_VARIANCE, conjugate_gradients, solve_at};
use super::{Anchor, DENSE_MAX, Network};
use crate::cholesky::Factor;
pub use blocks::InformationCheck;

/// Anchors of a network beyond [`DENSE_MAX`], and travellers of known bias of any, that are held against everything else: each takes a
/// solution of its own. Of more anchors those are held that pull most, and how many are not is told ([`super::Diagnostics::anchors_unchecked`]).
pub const CHECKED_MAX: usize = 200;

/// Below this share of an anchor's variance what is known of its instrument is known from elsewhere, too, and may be probed: what is left of it
/// without the anchor is then known to a tenth or so. Of an anchor that is alone in its set less is left than a probe is wrong by.
const PROBED_BELOW: f64 = 0.9;

/// Below this share of a number a difference of two such numbers is rounding.
const RELATIVE_ROUNDING: f64 = 1e-9;

/// An anchor held against everything else: the estimate of its instrument had it been left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AnchorCheck {
    /// Position in [`Network::anchors`].
    pub anchor: usize,
    /// E_n = (anchor − estimate without it) / (2 √(u_anchor² + u_without²)); beyond ±1 they contradict each other (k = 2).
    pub normalised_error: f64,
    /// u_without, fraction.
    pub uncertainty_without: f64,
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

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    pub(super) anchors: Vec<AnchorCheck>,
    /// Anchors beyond [`CHECKED_MAX`], which were held against nothing.
    pub(super) anchors_unchecked: usize,
    pub(super) travellers: Vec<TravellerCheck>,
    pub(super) information: Vec<InformationCheck>,
}

/// Leaves every anchor, every calibration that could give a level, and every block of information out in turn.
pub(super) fn left_out(
    network: &Network,
    members: &Members,
    state: &State,
    solved: &Solved,
    covariance: &Covariance,
) -> LeftOut {
    if network.anchors.is_empty() && members.calibrated.is_empty() && network.information.is_empty() {
        return LeftOut::default();
    }
    let (_, layout, _) = covariance.parts();
    let robust = Robust::of(solved, layout, covariance.places());
    let checked = checked(&network.anchors, robust.anchors_max());
    LeftOut {
        anchors: anchors(network, members, &robust, &checked, &state.beta, covariance),
        anchors_unchecked: network.anchors.len() - checked.len(),
        travellers: travellers(network, members, &robust, state, covariance),
        information: blocks::blocks(network, members, &robust, &state.beta, covariance),
    }
}

/// Positions of the anchors that are held against everything else, ascending: all, or so many of the smallest uncertainty, which pull most on what
/// they are held against.
fn checked(anchors: &[Anchor], most: usize) -> Vec<usize> {
    let mut checked: Vec<usize> = (0..anchors.len()).collect();
    if most < checked.len() {
        checked.sort_by(|a, b| {
            let (a, b) = (&anchors[*a], &anchors[*b]);
            let by_uncertainty = a.standard_uncertainty.total_cmp(&b.standard_uncertainty);
            by_uncertainty.then(a.instrument.cmp(&b.instrument)).then(a.error.total_cmp(&b.error))
        });
        checked.truncate(most);
        checked.sort_unstable();
    }
    checked
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

    /// As exactly as a variance needs it. None where it cannot be computed.
    fn solve(&self, b: &[f64]) -> Option<Vec<f64>> {
        if let Some(factor) = self.factor.or(self.made.as_ref()) {
            return Some(solve_at(factor, self.places, b));
        }
        let diagonal = Preconditioner::Diagonal(self.equations.diagonal(self.layout));
        let times = |x: &[f64]| self.equations.times(self.layout, x);
        let precondition = |r: &[f64]| diagonal.solve(self.places, r);
        conjugate_gradients(times, precondition, b, &vec![0.0; b.len()], SHRUNK_FOR_VARIANCE)
    }

    /// Anchors of which variances can be had: without a factor each takes a solution by steps.
    fn anchors_max(&self) -> usize {
        if self.factor.is_some() || self.made.is_some() { usize::MAX } else { CHECKED_MAX }
    }

    /// Variances of the instruments of these anchors, in their order; none where they cannot be computed.
    fn variances(&self, anchors: &[Anchor], checked: &[usize]) -> Vec<Option<f64>> {
        let instruments = checked.iter().map(|at| anchors[*at].instrument);
        if let Some(made) = &self.made {
            let diagonal = made.inverse_diagonal();
            return instruments.map(|instrument| Some(diagonal[self.places[instrument] as usize])).collect();
        }
        let variance = |instrument: usize| {
            let mut unit = vec![0.0; self.equations.shape.size()];
            unit[instrument] = 1.0;
            Some(self.solve(&unit)?[instrument])
        };
        instruments.map(variance).collect()
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
    /// E_n of a measurement of variance `own` against all the rest, and the standard uncertainty of that; none where nothing but rounding is left.
    ///
    /// # Formula
    /// With e the estimate, K its variance and C that in the robust equations: `e' = (e/V − x/u²) / (1/V − 1/u²)`, V the larger of C and K, and the
    /// variance of e' is `1 / (1/K − 1/u²)`.
    ///
    /// The measurement pulls the estimate to where the comparisons' scores pull back as much; without it they come to nothing at e'. Near by,
    /// what leads there is Newton's step by their slope `E[ψ']/σ²`, which of Student's t is the information κ/σ² that K is made of. The
    /// robust equations' step is less: by seven tenths of it for t₄ noise. Where the measurement is so wrong that all comparisons beside it are taken
    /// for outliers, scores hardly grow with distance and Newton's step falls short; robust weights are small there, C is the larger one, and
    /// its step goes to the comparisons' mean.
    fn against(&self, measured: f64, own: f64) -> Option<(f64, f64)> {
        let step = self.robust.max(self.constant);
        let (step_left, left) = (1.0 / step - 1.0 / own, 1.0 / self.constant - 1.0 / own);
        let is_told = RELATIVE_ROUNDING / step < step_left && RELATIVE_ROUNDING / self.constant < left;
        is_told.then(|| {
            let without = (self.estimate / step - measured / own) / step_left;
            ((measured - without) / (2.0 * (own + 1.0 / left).sqrt()), left.recip().sqrt())
        })
    }
}

fn anchors(
    network: &Network,
    members: &Members,
    robust: &Robust<'_>,
    checked: &[usize],
    beta: &[f64],
    covariance: &Covariance,
) -> Vec<AnchorCheck> {
    if checked.is_empty() {
        return Vec::new();
    }
    let check = |(anchor, robust): (&usize, Option<f64>)| {
        let (anchor, at) = (*anchor, network.anchors[*anchor]);
        if !members.is_checkable(at.instrument) {
            return None;
        }
        let own = at.standard_uncertainty * at.standard_uncertainty;
        let has_level = members.grounded[members.instrument_set[at.instrument]];
        let constant = Some(covariance.variance(at.instrument));
        // Where the set has no level that is of a difference from its mean.
        let constant = constant.filter(|variance| has_level && *variance < PROBED_BELOW * own);
        let constant = constant.or_else(|| covariance.own_variance(at.instrument))?;
        let known = Known { estimate: beta[at.instrument], robust: robust?, constant };
        let (normalised_error, uncertainty_without) = known.against(at.error, own)?;
        Some(AnchorCheck { anchor, normalised_error, uncertainty_without })
    };
    checked.iter().zip(robust.variances(&network.anchors, checked)).filter_map(check).collect()
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
        Some(known.against(0.0, u * u)?.0)
    };
    let of_all = members.calibrated.iter().enumerate().map(|(at, traveller)| TravellerCheck {
        traveller: *traveller,
        normalised_error: if at < CHECKED_MAX && members.is_checkable_traveller(*traveller) {
            check(traveller)
        } else {
            None
        },
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_more_anchors_than_can_be_solved_for_those_are_checked_that_pull_most() {
        let anchor =
            |instrument, standard_uncertainty| Anchor { instrument, error: 0.0, standard_uncertainty };
        let anchors =
            [anchor(5, 0.002), anchor(0, 0.001), anchor(4, 0.002), anchor(2, 0.000_8), anchor(3, 0.004)];
        assert_eq!(checked(&anchors, 5), [0, 1, 2, 3, 4]);
        assert_eq!(checked(&anchors, 2), [1, 3], "not the first ones");
        assert_eq!(
            checked(&anchors, 3),
            [1, 2, 3],
            "of equal ones by their instrument, whatever their order"
        );
    }
}
