//! Piles of which nothing from afar speaks: their own on-site result gives the level, and no vehicle joins them to another pile.
//!
//! Called by [`super::assess`]. An estimate of such a pile is its own result again, whatever its charges say; it is for the caller to judge.

use std::collections::{BTreeMap, BTreeSet};

use veripile_metrology::comparison::{Fit, Network};

use crate::levels::Levels;

/// Indices of such piles. `places` and `before` are the instruments that piles are and were.
pub(super) fn piles(
    fit: &Fit,
    network: &Network,
    places: &[Option<usize>],
    before: &BTreeMap<(usize, usize), usize>,
    levels: &Levels<'_>,
) -> BTreeSet<usize> {
    let mut of_set: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    let today = places.iter().enumerate().filter_map(|(pile, at)| Some((pile, (*at)?)));
    let earlier = before.iter().map(|((pile, _), at)| (*pile, *at));
    for (pile, at) in today.chain(earlier) {
        let found = &fit.instruments[at];
        if found.grounded && 0 < found.comparisons {
            of_set.entry(found.component).or_default().insert(pile);
        }
    }
    // A reference vehicle or a master meter is no result of the pile's own.
    let references = levels.references.keys().filter_map(|vehicle| fit.travellers[*vehicle]);
    let balances = network.information.iter().map(|told| fit.instruments[told.instruments[0]].component);
    for component in references.map(|found| found.component).chain(balances) {
        of_set.remove(&component);
    }
    of_set.into_values().filter(|piles| piles.len() == 1).flatten().collect()
}
