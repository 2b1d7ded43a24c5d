//! What the piles of a connected set do together from week to week, as readings of their vehicles drift: it is taken off before steps are measured.
//!
//! Called by [`super::steps`] between fits. A fit has one bias for each fleet and all time, so that the size of a step, and what a pile is since, would
//! have in them by how far all drifted between the two times. It judges no pile.

use std::collections::{BTreeMap, BTreeSet};
use std::f64::consts::FRAC_PI_2;

use veripile_metrology::comparison::Fit;
use veripile_metrology::contrast::{CUT, SLOPE};

use super::network::{Changes, Given};
use crate::common::{self, Tally, medians, week};
use crate::evidence::Evidence;

/// A movement is one that chance makes with this probability at most, set by set: what is taken off in vain says nothing of any pile.
const BELIEVED: f64 = 0.01;

/// So many piles must tell of it: what one alone does may be its own.
const MEMBERS_MIN: usize = 2;

/// Up to so many piles their median is their mean.
const MEAN_MAX: usize = 2;

/// By connected set and week, in ln(E_pile / E_vehicle).
type Movements = BTreeMap<usize, BTreeMap<i64, f64>>;

/// Takes off what sets of which a pile changed did together, as piles of theirs that did not change tell; whether there was anything: then all is to
/// be fitted again.
pub(super) fn take_off(evidence: &Evidence, given: &mut Given<'_>, changes: &Changes, fit: &Fit) -> bool {
    if changes.is_empty() {
        return false;
    }
    let movements = movements(evidence, given, changes, fit);
    let Given { network, compared, .. } = given;
    network.comparisons.take_off(|at, instrument| {
        let ended_at = evidence.charges[compared[at] as usize].ended_at;
        let movement = movements.get(&fit.instruments[instrument].component);
        movement.and_then(|weeks| weeks.get(&week(ended_at))).copied().unwrap_or(0.0)
    });
    !movements.is_empty()
}

fn movements(evidence: &Evidence, given: &Given<'_>, changes: &Changes, fit: &Fit) -> Movements {
    let mut tallies: Vec<Tally> = vec![Tally::new(); given.network.instruments];
    let mut sets: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    let mut changed: BTreeSet<usize> = BTreeSet::new();
    let (mut square, mut scale) = (0.0, 0.0);
    for (at, instrument) in given.network.comparisons.instruments().iter().enumerate() {
        let (charge, instrument) = (&evidence.charges[given.compared[at] as usize], *instrument as usize);
        let (residual, set) = (fit.residuals[at], fit.instruments[instrument].component);
        let score = residual.standardised.clamp(-CUT, CUT);
        (square, scale) = (square + score * score, scale + residual.scale);
        if changes.contains_key(&charge.pile) {
            changed.insert(set);
        } else {
            common::add(&mut tallies[instrument], week(charge.ended_at), score);
            sets.entry(set).or_default().insert(instrument);
        }
    }
    let count = given.network.comparisons.len().max(1) as f64;
    let (square, scale) = (square / count, scale / count);
    let told =
        sets.into_iter().filter(|(set, members)| changed.contains(set) && MEMBERS_MIN <= members.len());
    let moved = told.filter_map(|(set, members)| {
        let profile = profile(&tallies, &members, square)?;
        Some((set, profile.into_iter().map(|(week, score)| (week, score / SLOPE * scale)).collect()))
    });
    moved.collect()
}

/// Scores by week of piles that moved together; none where chance may have made as much.
///
/// # Formula
/// The weighted median m of piles' weekly means, of variance `(π/2) v/N_w` with N_w charges in the week, of two piles their mean. What lasts is asked
/// for: `E = max |Σ_{to a week} N_w (m − m̄)|/√(f v N)`, f the factor, is the excursion of a Brownian bridge, beyond which chance goes with `2 e^(−2 E²)`.
fn profile(tallies: &[Tally], members: &BTreeSet<usize>, square: f64) -> Option<BTreeMap<i64, f64>> {
    let profile = medians(tallies, members.iter().copied());
    let factor = if members.len() <= MEAN_MAX { 1.0 } else { FRAC_PI_2 };
    let charges = |week: &i64| -> f64 {
        members.iter().filter_map(|member| tallies[*member].get(week)).map(|(_, count)| count).sum()
    };
    let told: Vec<(f64, f64)> = profile.iter().map(|(week, score)| (charges(week), *score)).collect();
    let count: f64 = told.iter().map(|(charges, _)| charges).sum();
    let mean = told.iter().map(|(charges, score)| charges * score).sum::<f64>() / count;
    let (mut sum, mut most) = (0.0, 0.0_f64);
    for (charges, score) in told {
        sum += charges * (score - mean);
        most = most.max(sum.abs());
    }
    let chance = 2.0 * libm::exp(-2.0 * most * most / (factor * square * count));
    (chance <= BELIEVED).then_some(profile)
}
