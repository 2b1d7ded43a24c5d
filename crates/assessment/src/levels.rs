//! What gives connected sets their level: which anchors, calibrations of reference vehicles and energy balances contradict everything else,
//! and how old what is left is. What then is to go, [`leaving`] says.
//!
//! Called by [`crate::assess`]. Honest piles must not pay for one wrong result, be it a pile's, a vehicle's or a master meter's.

mod leaving;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Serialize;
use veripile_metrology::balance::{BalanceError, Branches};
use veripile_metrology::comparison::{self, ComparisonError, Fit, GROUNDING_U_MAX, Network, Settings};
use veripile_pile::PileId;

use crate::evidence::{Anchor, Evidence, ReferenceVehicle, TimedFeeder};
pub(crate) use leaving::Part;
use leaving::{Giver, LEAVES_FROM, SHAPE_FROM, What, alone, leaving};

/// Rounds in which something is left out of one assessment; where more are wrong, people must look before anything is said.
const LEFT_OUT_MAX: usize = 50;

/// An anchor that does not fit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ContradictoryAnchor {
    /// The pile.
    pub pile_id: PileId,
    /// When it was measured.
    pub at: Timestamp,
    /// E_n of the anchor against the estimate without it; none where it fits, or nothing else speaks of it, and it went with its like: nobody
    /// can say which of them is right.
    pub normalised_error: Option<f64>,
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
    /// E_n of the calibration against the estimate without it; none as of an anchor.
    pub normalised_error: Option<f64>,
    /// Whether it gives a level all the same.
    pub is_used: bool,
}

/// The energy balance of a station that does not fit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ContradictoryBalance {
    /// Index of the feeder in the evidence: which station it is, the caller knows.
    pub feeder: usize,
    /// When its last interval began.
    pub at: Timestamp,
    /// E_n of the level that the balance gives against the estimates without it; none as of an anchor.
    pub normalised_error: Option<f64>,
    /// How improbable it is pile by pile: deviate of the normal distribution for the χ² of all its piles; none where it fits.
    pub shape: Option<f64>,
    /// Energy by the master and by the registers, kWh, where they cannot be one and the same: then nothing was balanced.
    pub energies_kwh: Option<[f64; 2]>,
    /// Whether it counts all the same.
    pub is_used: bool,
}

/// A feeder whose balance counts, and what it says of branch losses.
#[derive(Debug, Clone)]
pub(crate) struct Balanced {
    /// Index in the evidence.
    pub(crate) feeder: usize,
    pub(crate) branches: Branches,
}

/// What gives levels, in the order in which it stands in the network.
#[derive(Debug, Clone, Default)]
pub(crate) struct Levels<'a> {
    /// Anchors, as in the network.
    pub(crate) anchors: Vec<&'a Anchor>,
    /// The calibration of each vehicle whose bias the network knows.
    pub(crate) references: BTreeMap<usize, &'a ReferenceVehicle>,
    /// Balances, as the network's information.
    pub(crate) balances: Vec<Balanced>,
}

/// Those that contradict everything else.
#[derive(Debug, Default)]
pub(crate) struct Contradictory {
    /// Anchors with their pile's index.
    pub(crate) anchors: Vec<(usize, ContradictoryAnchor)>,
    pub(crate) references: Vec<ContradictoryReference>,
    pub(crate) balances: Vec<ContradictoryBalance>,
    /// All that were left out, and where in the network each spoke.
    gone: Vec<(Giver, Place)>,
}

/// Where something speaks: an instrument, or a traveller.
#[derive(Debug, Clone, Copy)]
enum Place {
    Instrument(usize),
    Traveller(usize),
}

impl Place {
    fn of(network: &Network, what: What) -> Self {
        match what {
            What::Anchor(at) => Self::Instrument(network.anchors[at].instrument),
            What::Reference(vehicle) => Self::Traveller(vehicle),
            What::Balance(at) => Self::Instrument(network.information[at].instruments[0]),
        }
    }

    /// Its community; none of a traveller, which may go from one to another.
    fn community(self, fit: &Fit) -> Option<usize> {
        match self {
            Self::Instrument(at) => fit.instruments[at].community,
            Self::Traveller(_) => None,
        }
    }

    /// Its set; none of a traveller that compared nothing.
    fn component(self, fit: &Fit) -> Option<usize> {
        match self {
            Self::Instrument(at) => Some(fit.instruments[at].component),
            Self::Traveller(at) => fit.travellers[at].map(|traveller| traveller.component),
        }
    }
}

impl Contradictory {
    fn push(&mut self, evidence: &Evidence, levels: &Levels<'_>, giver: &Giver, is_used: bool) {
        let normalised_error = giver.normalised_error.filter(|error| LEAVES_FROM < error.abs());
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
            What::Balance(at) => {
                let feeder = levels.balances[at].feeder;
                let Some(at) = last_interval(&evidence.feeders[feeder]) else { return };
                let shape = giver.shape.filter(|shape| SHAPE_FROM < *shape);
                self.balances.push(ContradictoryBalance {
                    feeder,
                    at,
                    normalised_error,
                    shape,
                    energies_kwh: None,
                    is_used,
                });
            }
        }
    }

    /// What is left out no longer gives anything.
    fn take_out(
        &mut self,
        evidence: &Evidence,
        network: &mut Network,
        levels: &mut Levels<'_>,
        leaving: &[Giver],
    ) {
        let (mut anchors, mut balances) =
            (vec![true; network.anchors.len()], vec![true; network.information.len()]);
        for giver in leaving {
            self.push(evidence, levels, giver, false);
            self.gone.push((*giver, Place::of(network, giver.what)));
            match giver.what {
                What::Anchor(at) => anchors[at] = false,
                What::Reference(vehicle) => network.travellers[vehicle].known = None,
                What::Balance(at) => balances[at] = false,
            }
        }
        keep(&mut network.anchors, &anchors);
        keep(&mut levels.anchors, &anchors);
        keep(&mut network.information, &balances);
        keep(&mut levels.balances, &balances);
        levels.references.retain(|vehicle, _| network.travellers[*vehicle].known.is_some());
    }

    /// Those that were left out, each with the set that it speaks of as sets are now.
    fn gone(&self, fit: &Fit) -> Vec<Giver> {
        let now = |(giver, place): &(Giver, Place)| {
            Some(Giver { component: place.component(fit)?, community: place.community(fit), ..*giver })
        };
        self.gone.iter().filter_map(now).collect()
    }
}

/// Keeps those that stay.
fn keep<T>(all: &mut Vec<T>, stays: &[bool]) {
    let mut stays = stays.iter();
    all.retain(|_| stays.next() == Some(&true));
}

fn last_interval(fed: &TimedFeeder) -> Option<Timestamp> {
    fed.begins.iter().max().copied()
}

/// All anchors, all calibrations that could give a level by themselves, and all balances.
fn givers(network: &Network, fit: &Fit) -> Vec<Giver> {
    let mut checked = vec![None; network.anchors.len()];
    fit.diagnostics.anchors.iter().for_each(|check| checked[check.anchor] = Some(*check));
    let anchors = network.anchors.iter().zip(checked).enumerate().map(|(at, (anchor, checked))| Giver {
        what: What::Anchor(at),
        component: fit.instruments[anchor.instrument].component,
        community: fit.instruments[anchor.instrument].community,
        normalised_error: checked.map(|check| check.normalised_error),
        shape: None,
        has_say: true,
        is_sole: checked.is_none_or(|check| GROUNDING_U_MAX < check.uncertainty_without),
    });
    let references = fit.diagnostics.calibrations.iter().filter_map(|check| {
        Some(Giver {
            what: What::Reference(check.traveller),
            component: fit.travellers[check.traveller]?.component,
            community: None,
            normalised_error: check.normalised_error,
            shape: None,
            has_say: true,
            is_sole: false,
        })
    });
    let mut checks = vec![None; network.information.len()];
    fit.diagnostics.information.iter().for_each(|check| checks[check.information] = Some(*check));
    let balances = network.information.iter().zip(checks).enumerate().map(|(at, (told, check))| Giver {
        what: What::Balance(at),
        component: fit.instruments[told.instruments[0]].component,
        community: fit.instruments[told.instruments[0]].community,
        normalised_error: check.and_then(|check| check.normalised_error),
        shape: check.and_then(|check| check.shape),
        has_say: told.level_uncertainty() <= GROUNDING_U_MAX,
        is_sole: false,
    });
    anchors.chain(references).chain(balances).collect()
}

/// Leaves out anchors, calibrations and balances that cannot be right beside the others, and fits again: the worst of a connected set goes, then
/// the next, and all of them where too few would stay ([`leaving`]). Sets go on at the same time, since none says anything of another's level. Adds those
/// left out to `found`.
/// Anchors, calibrations and balances are peers: no kind is right because it is of its kind.
///
/// What gives a set its level alone contradicts nothing that was measured. But where by it most piles of the set are nonconform (`accuses` says so),
/// it is one against many, and it goes as well: one slip of the pen, or one pile that was adjusted after its result, would accuse a whole city. So it
/// is with a community, of which without its only anchor too little would be known.
pub(crate) fn agree(
    evidence: &Evidence,
    (network, levels): (&mut Network, &mut Levels<'_>),
    accuses: &dyn Fn(&Fit, Part) -> bool,
    mut fit: Fit,
    settings: &Settings,
    found: &mut Contradictory,
) -> Result<Fit, ComparisonError> {
    for _ in 0..LEFT_OUT_MAX {
        let givers = givers(network, &fit);
        let mut leaving = leaving(&givers, &found.gone(&fit));
        if leaving.is_empty() {
            let asked = alone(&givers).into_iter();
            leaving = asked.filter(|(_, of)| accuses(&fit, *of)).map(|(giver, _)| giver).collect();
            // Of a set and of its community at once: one behind the other, and one.
            leaving.dedup_by_key(|giver| giver.what);
        }
        if leaving.is_empty() {
            break;
        }
        found.take_out(evidence, network, levels, &leaving);
        fit = comparison::fit(network, settings)?;
    }
    Ok(fit)
}

/// Adds those that contradict everything else and stay, which is so only where more do than are left out, and feeders whose masters and registers
/// cannot tell of the same energy. All are by pile, vehicle and station then.
pub(crate) fn told(
    evidence: &Evidence,
    (network, balances): (&Network, &[Result<f64, BalanceError>]),
    levels: &Levels<'_>,
    fit: &Fit,
    found: &mut Contradictory,
) {
    for (feeder, balance) in balances.iter().enumerate() {
        let Err(BalanceError::Unlike { master_kwh, registers_kwh }) = balance else { continue };
        found.balances.extend(last_interval(&evidence.feeders[feeder]).map(|at| ContradictoryBalance {
            feeder,
            at,
            normalised_error: None,
            shape: None,
            energies_kwh: Some([*master_kwh, *registers_kwh]),
            is_used: false,
        }));
    }
    for giver in givers(network, fit).iter().filter(|giver| giver.exceeds()) {
        found.push(evidence, levels, giver, true);
    }
    found.anchors.sort_by_key(|(pile, _)| *pile);
    found.references.sort_by_key(|reference| reference.vehicle);
    found.balances.sort_by_key(|balance| balance.feeder);
}

/// When the newest of what gives each set its level was measured: anchors and calibrations that could give one by themselves, and energy
/// balances, which are as new as their last interval.
///
/// None of a set without a level.
pub(crate) fn newest(
    evidence: &Evidence,
    network: &Network,
    levels: &Levels<'_>,
    fit: &Fit,
) -> BTreeMap<u32, Timestamp> {
    let anchors = network.anchors.iter().zip(&levels.anchors);
    let anchors = anchors.filter(|(anchor, _)| anchor.standard_uncertainty <= GROUNDING_U_MAX);
    let anchors = anchors.map(|(anchor, given)| (fit.instruments[anchor.instrument].component, given.at));
    let references = fit.diagnostics.calibrations.iter().filter_map(|check| {
        let component = fit.travellers[check.traveller]?.component;
        Some((component, levels.references.get(&check.traveller)?.at))
    });
    let balances = network.information.iter().zip(&levels.balances).filter_map(|(told, balanced)| {
        let is_sure = told.level_uncertainty() <= GROUNDING_U_MAX;
        let at = last_interval(&evidence.feeders[balanced.feeder]).filter(|_| is_sure)?;
        Some((fit.instruments[told.instruments[0]].component, at))
    });
    let grounded = fit.instruments.iter().filter(|found| found.grounded);
    let grounded: BTreeSet<usize> = grounded.map(|found| found.component).collect();
    let mut newest: BTreeMap<u32, Timestamp> = BTreeMap::new();
    for (component, at) in anchors.chain(references).chain(balances) {
        if !grounded.contains(&component) {
            continue;
        }
        let component = u32::try_from(component).unwrap_or(u32::MAX);
        newest.entry(component).and_modify(|known| *known = at.max(*known)).or_insert(at);
    }
    newest
}

#[cfg(test)]
mod tests {
    use veripile_pile::AccuracyClass;

    use super::*;
    use crate::evidence::PileFact;

    /// Who looks for what is wrong must hear of all that were left out.
    #[test]
    fn what_goes_with_its_like_is_named_though_nothing_can_be_said_of_it() {
        let pile_id = PileId::parse("P1").expect("literal");
        let evidence = Evidence {
            piles: vec![PileFact { pile_id: pile_id.clone(), kind: None, class: AccuracyClass::ASSUMED }],
            ..Evidence::default()
        };
        let anchor = Anchor {
            pile: 0,
            outlet: None,
            at: Timestamp::UNIX_EPOCH,
            error_percent: Decimal::ONE,
            expanded_uncertainty_percent: Decimal::ONE,
            coverage_factor: Decimal::TWO,
        };
        let levels = Levels { anchors: vec![&anchor], ..Levels::default() };
        let giver = Giver {
            what: What::Anchor(0),
            component: 0,
            community: None,
            normalised_error: Some(0.4),
            shape: None,
            has_say: true,
            is_sole: false,
        };
        let mut found = Contradictory::default();
        found.push(&evidence, &levels, &giver, false);
        let named = ContradictoryAnchor {
            pile_id,
            at: Timestamp::UNIX_EPOCH,
            normalised_error: None,
            is_used: false,
        };
        assert_eq!(found.anchors, [(0, named)]);
    }
}
