//! The travellers' whole biases, found again from the instruments' errors.

use super::equations::{Equations, Left, placed};
use super::fleets::Common;
use super::layout::Layout;
use super::members::Members;
use super::{Covariance, Network, TravellerEstimate};

/// By index of traveller; none for one that compared nothing. Estimates come from `robust`, variances from the covariance's own
/// equations.
pub(super) fn estimates(
    network: &Network,
    members: &Members,
    robust: &Equations,
    beta: &[f64],
    covariance: &Covariance,
) -> Vec<Option<TravellerEstimate>> {
    let (equations, layout, _) = covariance.parts();
    let levels = levels(members, covariance);
    let mut row = Vec::new();
    (0..network.travellers.len())
        .map(|t| {
            let left = equations.travellers[t];
            (left.variance > 0.0).then(|| {
                let own = robust.own_bias(layout, t, beta)
                    + network.travellers[t].known.map_or(0.0, |(bias, _)| bias);
                let whole = own + left.bias().map(|i| beta[i]).sum::<f64>();
                let component = members.traveller_set[t];
                let level = level_of_community(members, covariance, t).unwrap_or(levels[component]);
                let variance = variance(covariance, t, &left, level, &mut row);
                TravellerEstimate {
                    component,
                    comparisons: comparisons(layout, t),
                    bias: (whole, variance.max(0.0).sqrt()),
                }
            })
        })
        .collect()
}

fn comparisons(layout: &Layout, t: usize) -> usize {
    layout.pairs_of(t).map(|pair| layout.comparisons_of(pair).len()).sum()
}

/// Variance of the level of each set, about: no instrument's is less, and an anchored one's is hardly more.
fn levels(members: &Members, covariance: &Covariance) -> Vec<f64> {
    let mut levels = vec![0.0; members.grounded.len()];
    for set in members.sets().iter().filter(|set| set.grounded) {
        let least =
            set.instruments.iter().map(|instrument| covariance.variance(*instrument)).min_by(f64::total_cmp);
        levels[set.number] = least.unwrap_or(0.0);
    }
    levels
}

/// The same of a traveller's community, where its fleet has several: its common bias is as uncertain as its level is.
fn level_of_community(members: &Members, covariance: &Covariance, traveller: usize) -> Option<f64> {
    match members.fleets.of_traveller(traveller) {
        Common::Own(bias) if members.grounded[members.traveller_set[traveller]] => {
            covariance.variance_of_common(bias)
        }
        Common::Own(_) | Common::Nothing | Common::Shared => None,
    }
}

/// # Formula
/// With the gradient `a = (1 at its fleet's c and its model) + f u`: `aᵀ C a + f`. Where C is not at hand in full, its instruments share the
/// level's variance λ and nothing else: `λ + Σ (f W_i)² (C_ii − λ) + f`.
fn variance(covariance: &Covariance, t: usize, left: &Left, level: f64, row: &mut Vec<(usize, f64)>) -> f64 {
    let (equations, layout, whole) = covariance.parts();
    if let Some((inverse, places)) = whole {
        equations.row(layout, t, places, row);
        row.iter_mut().for_each(|(_, value)| *value *= left.variance);
        for at in left.bias().map(|i| placed(places, i)) {
            match row.iter_mut().find(|(known, _)| *known == at) {
                Some((_, value)) => *value += 1.0,
                None => row.push((at, 1.0)),
            }
        }
        let product =
            |(i, a): &(usize, f64)| row.iter().map(|(j, b)| a * b * inverse.get(*i, *j)).sum::<f64>();
        return row.iter().map(product).sum::<f64>() + left.variance;
    }
    let own = |pair: usize| {
        let instrument = layout.pairs[pair].instrument as usize;
        let share = left.variance * equations.pair_weights[pair];
        share * share * (covariance.variance(instrument) - level).max(0.0)
    };
    level + layout.pairs_of(t).map(own).sum::<f64>() + left.variance
}
