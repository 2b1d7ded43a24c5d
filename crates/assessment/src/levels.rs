//! What gives connected sets their level: which anchors and which calibrations of reference vehicles contradict everything else, what then,
//! and how old what is left is.
//!
//! Called by [`crate::assess`]. Honest piles must not pay for one wrong result, be it a pile's or a vehicle's.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Serialize;
use veripile_metrology::comparison::{self, ComparisonError, Fit, GROUNDING_U_MAX, Network, Settings};
use veripile_pile::PileId;

use crate::evidence::{Anchor, Evidence, ReferenceVehicle};

/// Anchors and calibrations left out of one assessment, one after the other; where more are wrong, people must look before anything is said.
const LEFT_OUT_MAX: usize = 50;

/// |E_n| from which one goes: three standard uncertainties. At two, one in twenty right results that are alone in their set would.
const LEAVES_FROM: f64 = 1.5;

/// Of fewer that give a set its level nobody can say which is wrong.
const MAJORITY_FROM: usize = 3;

/// An anchor that does not fit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ContradictoryAnchor {
    /// The pile.
    pub pile_id: PileId,
    /// When it was measured.
    pub at: Timestamp,
    /// E_n of the anchor against the estimate without it.
    pub normalised_error: f64,
    /// Whether it gives a level all the same.
    pub is_used: bool,
}

/// The calibration of a reference vehicle that does not fit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ContradictoryReference {
    /// Index of the vehicle in the evidence: who it is, the caller knows.
    pub vehicle: usize,
    /// When it was calibrated.
    pub at: Timestamp,
    /// The error that was found then, percent.
    pub error_percent: Decimal,
    /// E_n of the calibration against the estimate without it.
    pub normalised_error: f64,
    /// Whether it gives a level all the same.
    pub is_used: bool,
}

/// What gives levels, in the order in which it stands in the network.
#[derive(Debug, Clone, Default)]
pub(crate) struct Levels<'a> {
    /// Anchors, as in the network.
    pub(crate) anchors: Vec<&'a Anchor>,
    /// The calibration of each vehicle whose bias the network knows.
    pub(crate) references: BTreeMap<usize, &'a ReferenceVehicle>,
}

/// Those that contradict everything else.
#[derive(Debug, Default)]
pub(crate) struct Contradictory {
    /// Anchors with their pile's index.
    pub(crate) anchors: Vec<(usize, ContradictoryAnchor)>,
    pub(crate) references: Vec<ContradictoryReference>,
}

impl Contradictory {
    fn push(&mut self, evidence: &Evidence, levels: &Levels<'_>, giver: &Giver, is_used: bool) {
        let Some(normalised_error) = giver.normalised_error else { return };
        match giver.what {
            What::Anchor(at) => {
                let Anchor { pile, at, .. } = *levels.anchors[at];
                let pile_id = evidence.piles[pile].pile_id.clone();
                self.anchors.push((pile, ContradictoryAnchor { pile_id, at, normalised_error, is_used }));
            }
            What::Reference(vehicle) => {
                let ReferenceVehicle { at, error_percent, .. } = *levels.references[&vehicle];
                let named = ContradictoryReference { vehicle, at, error_percent, normalised_error, is_used };
                self.references.push(named);
            }
        }
    }
}

/// An anchor by its position, or a vehicle by its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Anchor(usize),
    Reference(usize),
}

/// What gives a set its level, and what everything else says of it.
#[derive(Debug, Clone, Copy)]
struct Giver {
    what: What,
    component: usize,
    /// E_n; none where nothing else is known.
    normalised_error: Option<f64>,
}

impl Giver {
    fn exceeds(&self, limit: f64) -> bool {
        self.normalised_error.is_some_and(|error| limit < error.abs())
    }
}

/// All anchors, and all calibrations that could give a level by themselves.
fn givers(network: &Network, fit: &Fit) -> Vec<Giver> {
    let mut checked = vec![None; network.anchors.len()];
    fit.diagnostics.anchors.iter().for_each(|check| checked[check.anchor] = Some(check.normalised_error));
    let anchors = network.anchors.iter().zip(checked).enumerate().map(|(at, (anchor, checked))| Giver {
        what: What::Anchor(at),
        component: fit.instruments[anchor.instrument].component,
        normalised_error: checked,
    });
    let references = fit.diagnostics.calibrations.iter().filter_map(|check| {
        Some(Giver {
            what: What::Reference(check.traveller),
            component: fit.travellers[check.traveller]?.component,
            normalised_error: check.normalised_error,
        })
    });
    anchors.chain(references).collect()
}

/// Leaves out anchors and calibrations that cannot be right beside the others, and fits again. Gives those left out, and those that
/// contradict everything else and stay.
///
/// Of three or more in a connected set, the worst goes if its |E_n| exceeds [`LEAVES_FROM`], then the next: by what it takes off the sum of
/// squares the worst is the one without which all others fit best. Of one or two, nobody can say which is wrong: all go, and the set has no
/// level until there is a third, or but that of an energy balance: balances are part of all else, not peers. An anchor and a calibration are
/// peers: neither kind is right because it is of its kind.
pub(crate) fn agree(
    evidence: &Evidence,
    network: &mut Network,
    levels: &mut Levels<'_>,
    mut fit: Fit,
    settings: &Settings,
) -> Result<(Fit, Contradictory), ComparisonError> {
    let mut found = Contradictory::default();
    for _ in 0..LEFT_OUT_MAX {
        let givers = givers(network, &fit);
        let mut peers: BTreeMap<usize, usize> = BTreeMap::new();
        givers.iter().for_each(|giver| *peers.entry(giver.component).or_default() += 1);
        let size = |giver: &&Giver| giver.normalised_error.map_or(0.0, f64::abs);
        let too_large = givers.iter().filter(|giver| giver.exceeds(LEAVES_FROM));
        let Some(worst) = too_large.max_by(|a, b| size(a).total_cmp(&size(b))) else { break };
        let is_one_of_many = MAJORITY_FROM <= peers[&worst.component];
        let goes = |giver: &&Giver| {
            giver.what == worst.what || (!is_one_of_many && giver.component == worst.component)
        };
        let mut stays = vec![true; network.anchors.len()];
        for giver in givers.iter().filter(goes) {
            found.push(evidence, levels, giver, false);
            match giver.what {
                What::Anchor(at) => stays[at] = false,
                What::Reference(vehicle) => network.travellers[vehicle].known = None,
            }
        }
        let mut of_network = stays.iter();
        network.anchors.retain(|_| of_network.next() == Some(&true));
        let mut of_levels = stays.iter();
        levels.anchors.retain(|_| of_levels.next() == Some(&true));
        levels.references.retain(|vehicle, _| network.travellers[*vehicle].known.is_some());
        fit = comparison::fit(network, settings)?;
    }
    for giver in givers(network, &fit).iter().filter(|giver| giver.exceeds(1.0)) {
        found.push(evidence, levels, giver, true);
    }
    found.anchors.sort_by_key(|(pile, _)| *pile);
    found.references.sort_by_key(|reference| reference.vehicle);
    Ok((fit, found))
}

/// When the newest of what gives each set its level was measured: anchors and calibrations that could give one by themselves, and energy
/// balances, which are as new as their last interval.
///
/// `places` are the instruments that piles are today; `balances` the standard uncertainties of the levels that feeders give.
pub(crate) fn newest<E>(
    evidence: &Evidence,
    network: &Network,
    levels: &Levels<'_>,
    fit: &Fit,
    (places, balances): (&[Option<usize>], &[Result<f64, E>]),
) -> BTreeMap<u32, Timestamp> {
    let anchors = network.anchors.iter().zip(&levels.anchors);
    let anchors = anchors.filter(|(anchor, _)| anchor.standard_uncertainty <= GROUNDING_U_MAX);
    let anchors = anchors.map(|(anchor, given)| (fit.instruments[anchor.instrument].component, given.at));
    let references = fit.diagnostics.calibrations.iter().filter_map(|check| {
        let component = fit.travellers[check.traveller]?.component;
        Some((component, levels.references.get(&check.traveller)?.at))
    });
    let balances = evidence.feeders.iter().zip(balances).filter_map(|(fed, level)| {
        level.as_ref().ok().filter(|level| **level <= GROUNDING_U_MAX)?;
        let pile = fed.feeder.instruments.first()?.index;
        Some((fit.instruments[places[pile]?].component, *fed.begins.iter().max()?))
    });
    let mut newest: BTreeMap<u32, Timestamp> = BTreeMap::new();
    for (component, at) in anchors.chain(references).chain(balances) {
        let component = u32::try_from(component).unwrap_or(u32::MAX);
        newest.entry(component).and_modify(|known| *known = at.max(*known)).or_insert(at);
    }
    newest
}
