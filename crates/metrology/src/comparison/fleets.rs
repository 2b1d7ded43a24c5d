//! Fleets: travellers that met at instruments, directly or through others, and have a bias in common.
//!
//! Part of [`super::members`]. An energy balance or a reference traveller joins connected sets, not fleets: it says nothing of what the travellers
//! on its two sides are off by. It estimates nothing.

use super::Network;
use super::layout::Layout;
use crate::graph::DisjointSets;

/// Whose bias is common with whose.
pub(super) struct Fleets {
    /// Of each fleet with a bias of its own its connected set, in the order of their first instruments.
    pub(super) sets: Vec<usize>,
    /// Whether there are fleets of which nothing but comparisons is known: these share one bias.
    pub(super) are_others: bool,
    /// By traveller.
    of_traveller: Vec<Common>,
}

/// What a traveller's bias is made of besides its own and its model's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Common {
    /// Nothing: its bias is known, or it compared nothing.
    Nothing,
    /// The bias of this fleet.
    Own(usize),
    /// The bias of all fleets of which nothing but comparisons is known.
    Shared,
}

impl Fleets {
    /// `set` is the connected set of each instrument, `told` of each set how many anchors, balances and references speak of it, however
    /// weakly.
    pub(super) fn of(network: &Network, layout: &Layout, set: &[usize], told: &[usize]) -> Self {
        let (instruments, travellers) = (set.len(), network.travellers.len());
        let mut joined = DisjointSets::new(instruments + travellers);
        let is_common = |traveller: &usize| network.travellers[*traveller].known.is_none();
        let met =
            |traveller: usize| layout.pairs_of(traveller).map(|at| layout.pairs[at].instrument as usize);
        for traveller in (0..travellers).filter(is_common) {
            met(traveller).for_each(|instrument| joined.join(instrument, instruments + traveller));
        }
        let (number, count) = joined.numbered();
        // Fleet and set of each traveller, by its first instrument.
        let of_first =
            |traveller| met(traveller).next().map(|instrument| (number[instrument], set[instrument]));
        let mut found: Vec<(usize, usize)> = (0..travellers).filter(is_common).filter_map(of_first).collect();
        found.sort_unstable();
        found.dedup();
        let mut common = vec![Common::Nothing; count];
        let mut fleets = Self { sets: Vec::new(), are_others: false, of_traveller: Vec::new() };
        for (fleet, set) in found {
            common[fleet] = fleets.next(set, told);
        }
        fleets.of_traveller = number[instruments..].iter().map(|number| common[*number]).collect();
        fleets
    }

    fn next(&mut self, set: usize, told: &[usize]) -> Common {
        if 0 < told[set] {
            self.sets.push(set);
            return Common::Own(self.sets.len() - 1);
        }
        self.are_others = true;
        Common::Shared
    }

    pub(super) fn of_traveller(&self, traveller: usize) -> Common {
        self.of_traveller[traveller]
    }
}
