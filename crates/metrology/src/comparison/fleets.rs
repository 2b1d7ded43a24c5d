//! Fleets: travellers that met at instruments, directly or through others, and have a bias in common; and their communities, see
//! [`super::communities`], where each differs a little.
//!
//! Part of [`super::members`]. An energy balance or a reference traveller joins connected sets, not fleets: it says nothing of what the travellers
//! on its two sides are off by. It estimates nothing.

use std::ops::Range;
use std::sync::Arc;

use super::Network;
use super::communities::Communities;
use super::layout::Layout;
use crate::graph::DisjointSets;

/// Whose bias is common with whose.
pub(super) struct Fleets {
    /// Of each common bias that is an unknown of its own its connected set: fleets in the order of their first instruments, the communities of
    /// one behind each other.
    pub(super) sets: Vec<usize>,
    /// The biases of each fleet of several communities.
    pub(super) linked: Vec<Range<usize>>,
    /// Whether there are fleets of which nothing but comparisons is known: these share one bias.
    pub(super) are_others: bool,
    /// Which biases came to each instrument.
    pub(super) met: Arc<Met>,
    /// By traveller.
    of_traveller: Vec<Common>,
    /// By instrument the bias of the community that it is at home in, where its fleet has several.
    homes: Vec<Option<usize>>,
}

/// What a traveller's bias is made of besides its own and its model's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Common {
    /// Nothing: its bias is known, or it compared nothing.
    Nothing,
    /// This common bias, of its fleet or its community.
    Own(usize),
    /// The bias of all fleets of which nothing but comparisons is known.
    Shared,
}

/// Who is joined to whom by travellers of unknown bias: of each instrument, and then each traveller, the number of its fleet.
pub(super) struct Joined {
    pub(super) number: Vec<usize>,
    pub(super) count: usize,
}

impl Joined {
    pub(super) fn of(network: &Network, layout: &Layout) -> Self {
        let instruments = network.instruments;
        let mut joined = DisjointSets::new(instruments + network.travellers.len());
        for traveller in common(network) {
            met(layout, traveller).for_each(|instrument| joined.join(instrument, instruments + traveller));
        }
        let (number, count) = joined.numbered();
        Self { number, count }
    }
}

/// Travellers of unknown bias.
pub(super) fn common(network: &Network) -> impl Iterator<Item = usize> {
    let travellers = network.travellers.iter().enumerate();
    travellers.filter(|(_, traveller)| traveller.known.is_none()).map(|(at, _)| at)
}

/// Instruments that a traveller met.
fn met(layout: &Layout, traveller: usize) -> impl Iterator<Item = usize> {
    layout.pairs_of(traveller).map(|at| layout.pairs[at].instrument as usize)
}

impl Fleets {
    /// `set` is the connected set of each instrument, `told` of each set how many anchors, balances and references speak of it, however
    /// weakly. Without communities each fleet is one.
    pub(super) fn of(
        network: &Network,
        layout: &Layout,
        (set, told): (&[usize], &[usize]),
        joined: &Joined,
        communities: Option<&Communities>,
    ) -> Self {
        let instruments = network.instruments;
        // Fleet and set of each traveller, by its first instrument.
        let of_first = |traveller| {
            let first = met(layout, traveller).next();
            first.map(|instrument| (joined.number[instrument], set[instrument]))
        };
        let mut found: Vec<(usize, usize)> = common(network).filter_map(of_first).collect();
        found.sort_unstable();
        found.dedup();
        let mut first = vec![Common::Nothing; joined.count];
        let mut fleets = Self {
            sets: Vec::new(),
            linked: Vec::new(),
            are_others: false,
            met: Arc::default(),
            of_traveller: Vec::new(),
            homes: vec![None; instruments],
        };
        for (fleet, set) in found {
            let count = communities.map_or(1, |communities| communities.counts[fleet]);
            first[fleet] = fleets.next(set, told, count);
        }
        let several = |fleet: usize| communities.filter(|communities| 1 < communities.counts[fleet]);
        let of = |at: usize| {
            let fleet = joined.number[at];
            match (first[fleet], several(fleet)) {
                (Common::Own(bias), Some(communities)) => Common::Own(bias + communities.of[at] as usize),
                (common, _) => common,
            }
        };
        fleets.of_traveller = (0..network.travellers.len()).map(|at| of(instruments + at)).collect();
        for (instrument, home) in fleets.homes.iter_mut().enumerate() {
            if let (Common::Own(bias), Some(_)) = (of(instrument), several(joined.number[instrument])) {
                *home = Some(bias);
            }
        }
        fleets.met = Arc::new(Met::of(network, layout, &fleets.of_traveller));
        fleets
    }

    fn next(&mut self, set: usize, told: &[usize], communities: usize) -> Common {
        if 0 < told[set] || 1 < communities {
            let first = self.sets.len();
            self.sets.resize(first + communities, set);
            if 1 < communities {
                self.linked.push(first..self.sets.len());
            }
            return Common::Own(first);
        }
        self.are_others = true;
        Common::Shared
    }

    pub(super) fn of_traveller(&self, traveller: usize) -> Common {
        self.of_traveller[traveller]
    }

    /// The common bias of the community that an instrument is at home in; none where its fleet has one only.
    pub(super) fn home(&self, instrument: usize) -> Option<usize> {
        self.homes[instrument]
    }
}

/// Of each instrument the common biases of those that met it, ascending.
#[derive(Default)]
pub(super) struct Met {
    /// First of each instrument's, and one behind the last.
    starts: Vec<usize>,
    pub(super) biases: Vec<usize>,
}

impl Met {
    fn of(network: &Network, layout: &Layout, of_traveller: &[Common]) -> Self {
        let mut lists: Vec<Vec<usize>> = vec![Vec::new(); network.instruments];
        for (traveller, common) in of_traveller.iter().enumerate() {
            let Common::Own(bias) = common else { continue };
            for instrument in met(layout, traveller) {
                if let Err(at) = lists[instrument].binary_search(bias) {
                    lists[instrument].insert(at, *bias);
                }
            }
        }
        let mut starts = vec![0];
        starts.extend(lists.iter().scan(0, |sum, list| {
            *sum += list.len();
            Some(*sum)
        }));
        Self { starts, biases: lists.concat() }
    }

    /// Positions of an instrument's in `biases`.
    pub(super) fn of_instrument(&self, instrument: usize) -> Range<usize> {
        self.starts[instrument]..self.starts[instrument + 1]
    }

    /// Position of an instrument and a common bias that came to it.
    pub(super) fn position(&self, instrument: usize, bias: usize) -> usize {
        let of_instrument = self.of_instrument(instrument);
        of_instrument.start + self.biases[of_instrument].partition_point(|known| *known < bias)
    }
}
