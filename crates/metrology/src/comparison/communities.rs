//! Communities of a fleet: travellers that mostly met each other, as those of a city or a depot do, where others were there, too.
//!
//! Used by [`super::members`]. What few travellers between two cities join they do not make alike: travellers of a fleet's communities may differ
//! in the mean, by what [`super::linked`] finds. It estimates nothing.

use super::Network;
use super::clusters::{labels, most};
use super::fleets::{Joined, common};
use super::layout::Layout;
use crate::graph::DisjointSets;

/// Communities of fewer travellers join the one that they met most: the mean of so few biases of their own, which vary by 1.5 %, varies by half a
/// percent, which is what communities are presumed to differ by.
const TRAVELLERS_MIN: usize = 10;

/// Communities of all fleets that have several, at most: each is an unknown and takes a solution of its own. A fleet of more has its smallest
/// joined; of many fleets the largest come first, and those that no room is left for have one bias, as if nothing told them apart.
const COMMUNITIES_MAX: usize = 256;

/// Fleets cut into communities.
pub(super) struct Communities {
    /// Of each instrument, and then each traveller, its community, counted from 0 in its fleet.
    pub(super) of: Vec<u32>,
    /// Of each fleet how many it has; 0 of one without travellers.
    pub(super) counts: Vec<usize>,
}

impl Communities {
    /// None where each fleet is one.
    pub(super) fn of(network: &Network, layout: &Layout, joined: &Joined) -> Option<Self> {
        let is_common = |traveller: usize| network.travellers[traveller].known.is_none();
        let labels = labels(layout, network.instruments, is_common);
        let (mut of_travellers, mut tally) = (vec![None; network.travellers.len()], Vec::new());
        for traveller in common(network).filter(|traveller| !layout.pairs_of(*traveller).is_empty()) {
            let met = met(layout, traveller).map(|(instrument, count)| (labels[instrument], count));
            of_travellers[traveller] = Some(most(met, &mut tally, 0));
        }
        let growing = Growing { layout, joined, labels, of_travellers };
        let roots = growing.join();
        growing.numbered(&roots)
    }
}

/// Instruments that a traveller met, and how often.
fn met(layout: &Layout, traveller: usize) -> impl Iterator<Item = (usize, usize)> {
    let pairs = layout.pairs_of(traveller);
    pairs.map(|pair| (layout.pairs[pair].instrument as usize, layout.comparisons_of(pair).len()))
}

struct Growing<'a> {
    layout: &'a Layout,
    joined: &'a Joined,
    labels: Vec<u32>,
    /// None of a known or idle one.
    of_travellers: Vec<Option<u32>>,
}

impl Growing<'_> {
    /// The label that each label ends in, once small ones have joined what they met most.
    fn join(&self) -> Vec<usize> {
        let mut sets = DisjointSets::new(self.labels.len());
        let mut least = TRAVELLERS_MIN;
        loop {
            let roots: Vec<usize> = (0..self.labels.len()).map(|label| sets.root(label)).collect();
            let sizes = self.sizes(&roots);
            let counts = self.counts(&roots, &sizes);
            let fleet = |label: usize| self.joined.number[label];
            let is_small = |root: usize| {
                sizes[root] < least && (sizes[root] < TRAVELLERS_MIN || COMMUNITIES_MAX < counts[fleet(root)])
            };
            let links = self.links(&roots, is_small);
            if !links.is_empty() {
                links.chunk_by(|a, b| a.0 == b.0).for_each(|links| {
                    let strongest = links.iter().max_by(|a, b| a.2.cmp(&b.2).then(b.1.cmp(&a.1)));
                    strongest.iter().for_each(|(small, other, _)| sets.join(*small, *other));
                });
            } else if counts.iter().any(|count| COMMUNITIES_MAX < *count) && least < self.of_travellers.len()
            {
                least *= 2;
            } else {
                return roots;
            }
        }
    }

    /// Travellers of each root.
    fn sizes(&self, roots: &[usize]) -> Vec<usize> {
        let mut sizes = vec![0; roots.len()];
        self.of_travellers.iter().flatten().for_each(|label| sizes[roots[*label as usize]] += 1);
        sizes
    }

    /// Roots of each fleet that have travellers.
    fn counts(&self, roots: &[usize], sizes: &[usize]) -> Vec<usize> {
        let mut counts = vec![0; self.joined.count];
        let has_travellers = |label: &usize| roots[*label] == *label && 0 < sizes[*label];
        (0..roots.len()).filter(has_travellers).for_each(|root| counts[self.joined.number[root]] += 1);
        counts
    }

    /// From every small root to every other that it met, or that met it: how many comparisons, in the order of roots.
    fn links(&self, roots: &[usize], is_small: impl Fn(usize) -> bool) -> Vec<(usize, usize, usize)> {
        let mut links = Vec::new();
        for (traveller, label) in self.of_travellers.iter().enumerate() {
            let Some(of_traveller) = label.map(|label| roots[label as usize]) else { continue };
            for (instrument, count) in met(self.layout, traveller) {
                let of_instrument = roots[self.labels[instrument] as usize];
                if of_traveller == of_instrument {
                    continue;
                }
                for (one, other) in [(of_traveller, of_instrument), (of_instrument, of_traveller)] {
                    links.extend(is_small(one).then_some((one, other, count)));
                }
            }
        }
        links.sort_unstable();
        links.dedup_by(|next, kept| {
            let is_same = (kept.0, kept.1) == (next.0, next.1);
            kept.2 += if is_same { next.2 } else { 0 };
            is_same
        });
        links
    }

    fn numbered(&self, roots: &[usize]) -> Option<Communities> {
        let sizes = self.sizes(roots);
        let mut counts = self.counts(roots, &sizes);
        let mut travellers = vec![0; counts.len()];
        let is_root = |root: &usize| roots[*root] == *root && 0 < sizes[*root];
        (0..roots.len()).filter(is_root).for_each(|root| travellers[self.joined.number[root]] += sizes[root]);
        let mut order: Vec<usize> = (0..counts.len()).filter(|fleet| 1 < counts[*fleet]).collect();
        order.sort_by_key(|fleet| (std::cmp::Reverse(travellers[*fleet]), *fleet));
        let mut room = COMMUNITIES_MAX;
        for fleet in order {
            match room.checked_sub(counts[fleet]) {
                Some(left) => room = left,
                None => counts[fleet] = 1,
            }
        }
        if room == COMMUNITIES_MAX {
            return None;
        }
        let (mut next, mut numbers) = (vec![0_u32; counts.len()], vec![0; roots.len()]);
        for root in (0..roots.len()).filter(is_root) {
            let fleet = self.joined.number[root];
            (numbers[root], next[fleet]) = (next[fleet], next[fleet] + 1);
        }
        let of = |label: u32| numbers[roots[label as usize]];
        let of_instruments = self.labels.iter().map(|label| of(*label));
        let of_travellers = self.of_travellers.iter().map(|label| label.map_or(0, of));
        Some(Communities { of: of_instruments.chain(of_travellers).collect(), counts })
    }
}
