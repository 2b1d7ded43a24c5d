//! Who belongs to which connected set and which fleet, who takes part at all, and which sets have a level.

use super::communities::Communities;
use super::fleets::{Fleets, Joined};
use super::layout::Layout;
use super::{GROUNDING_U_MAX, Network, Settings};
use crate::graph::DisjointSets;

/// Connected sets of a network.
pub(super) struct Members {
    /// Set of each instrument, numbered from 0 in the order of their first instruments.
    pub(super) instrument_set: Vec<usize>,
    /// Set of each traveller.
    pub(super) traveller_set: Vec<usize>,
    /// Whether a set has a level.
    pub(super) grounded: Vec<bool>,
    /// Of each set how many measurements speak of its level, however weakly.
    told: Vec<usize>,
    /// Comparisons of each instrument.
    pub(super) comparisons: Vec<u32>,
    /// Whether other information speaks of an instrument.
    pub(super) is_balanced: Vec<bool>,
    /// Travellers of known bias each of which could give its set a level by itself.
    pub(super) calibrated: Vec<usize>,
    /// Travellers with a bias in common.
    pub(super) fleets: Fleets,
    is_anchored: Vec<bool>,
}

/// A connected set.
pub(super) struct Set {
    pub(super) number: usize,
    pub(super) grounded: bool,
    pub(super) instruments: Vec<usize>,
    /// Common biases of its travellers that are unknowns of their own.
    pub(super) fleets: Vec<usize>,
}

impl Members {
    pub(super) fn of(network: &Network, layout: &Layout, settings: &Settings) -> Self {
        let (instruments, travellers) = (network.instruments, network.travellers.len());
        let mut sets = DisjointSets::new(instruments + travellers);
        let mut comparisons = vec![0; instruments];
        for traveller in 0..travellers {
            for pair in layout.pairs_of(traveller) {
                let instrument = layout.pairs[pair].instrument as usize;
                sets.join(instrument, instruments + traveller);
                comparisons[instrument] +=
                    u32::try_from(layout.comparisons_of(pair).len()).unwrap_or(u32::MAX);
            }
        }
        for information in &network.information {
            information.instruments.windows(2).for_each(|two| sets.join(two[0], two[1]));
        }
        let (numbers, count) = sets.numbered();
        let instrument_set = numbers[..instruments].to_vec();
        let told = told(network, layout, &instrument_set, count);
        let joined = Joined::of(network, layout);
        let communities =
            (0.0 < settings.linked_sd).then(|| Communities::of(network, layout, &joined)).flatten();
        let sets = (instrument_set.as_slice(), told.as_slice());
        let mut members = Self {
            fleets: Fleets::of(network, layout, sets, &joined, communities.as_ref()),
            told,
            instrument_set,
            traveller_set: numbers[instruments..].to_vec(),
            grounded: vec![false; count],
            comparisons,
            is_balanced: vec![false; instruments],
            calibrated: Vec::new(),
            is_anchored: vec![false; instruments],
        };
        members.ground(network, layout, settings);
        members
    }

    /// Takes the communities of each fleet for alike.
    pub(super) fn take_for_alike(&mut self, network: &Network, layout: &Layout) {
        let sets = (self.instrument_set.as_slice(), self.told.as_slice());
        self.fleets = Fleets::of(network, layout, sets, &Joined::of(network, layout), None);
    }

    fn ground(&mut self, network: &Network, layout: &Layout, settings: &Settings) {
        for anchor in &network.anchors {
            self.is_anchored[anchor.instrument] = true;
            self.grounded[self.instrument_set[anchor.instrument]] |=
                anchor.standard_uncertainty <= GROUNDING_U_MAX;
        }
        for information in &network.information {
            let has_level = information.level_uncertainty() <= GROUNDING_U_MAX;
            for instrument in &information.instruments {
                self.is_balanced[*instrument] = true;
                self.grounded[self.instrument_set[*instrument]] |= has_level;
            }
        }
        for (traveller, given) in network.travellers.iter().enumerate() {
            let Some((_, u)) = given.known else { continue };
            let comparisons: usize =
                layout.pairs_of(traveller).map(|pair| layout.comparisons_of(pair).len()).sum();
            // What it says of a level is its own uncertainty and the noise of its comparisons.
            let level = libm::hypot(u, settings.noise / (comparisons as f64).sqrt());
            if level <= GROUNDING_U_MAX {
                self.grounded[self.traveller_set[traveller]] = true;
                self.calibrated.push(traveller);
            }
        }
    }

    /// Every set with the instruments that take part in it.
    pub(super) fn sets(&self) -> Vec<Set> {
        let mut sets: Vec<Set> = (0..self.grounded.len())
            .map(|number| Set {
                number,
                grounded: self.grounded[number],
                instruments: Vec::new(),
                fleets: Vec::new(),
            })
            .collect();
        for (instrument, set) in self.instrument_set.iter().enumerate() {
            if self.takes_part(instrument) {
                sets[*set].instruments.push(instrument);
            }
        }
        for (fleet, set) in self.fleets.sets.iter().enumerate() {
            sets[*set].fleets.push(fleet);
        }
        sets.retain(|set| !set.instruments.is_empty());
        sets
    }

    /// Whether another measurement speaks of the level of an instrument's set than the one that is asked about: what one says alone can be held
    /// against nothing but the prior of the common bias, which is no measurement.
    pub(super) fn is_checkable(&self, instrument: usize) -> bool {
        1 < self.told[self.instrument_set[instrument]]
    }

    /// The same of a traveller's set.
    pub(super) fn is_checkable_traveller(&self, traveller: usize) -> bool {
        1 < self.told[self.traveller_set[traveller]]
    }

    /// Whether anything is known of an instrument.
    pub(super) fn takes_part(&self, instrument: usize) -> bool {
        self.comparisons[instrument] > 0 || self.is_anchored[instrument] || self.is_balanced[instrument]
    }
}

/// Of each connected set how much but comparisons speaks of it: anchors, balances and references that were met, however uncertain.
fn told(network: &Network, layout: &Layout, instrument_set: &[usize], sets: usize) -> Vec<usize> {
    let mut told = vec![0; sets];
    let anchored = network.anchors.iter().map(|anchor| anchor.instrument);
    let balanced =
        network.information.iter().filter_map(|information| information.instruments.first().copied());
    let references = (0..network.travellers.len()).filter(|at| network.travellers[*at].known.is_some());
    let first_met = |at: usize| layout.pairs_of(at).next().map(|pair| layout.pairs[pair].instrument as usize);
    let met = references.filter_map(first_met);
    anchored.chain(balanced).chain(met).for_each(|instrument| told[instrument_set[instrument]] += 1);
    told
}
