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

/// Anchors and calibrations of a connected set left out of one assessment, one after the other; where more are wrong, people must look before
/// anything is said.
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
    /// E_n of the anchor against the estimate without it; none where nothing else speaks of it, and it went with its like.
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
        let normalised_error = giver.normalised_error;
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

/// Those that go next, in every connected set at once: the worst that exceeds [`LEAVES_FROM`], and its peers where nobody can say which is wrong,
/// whether or not anything can be said of them; none where none does.
fn leaving(givers: &[Giver]) -> Vec<Giver> {
    let size = |giver: &Giver| giver.normalised_error.map_or(0.0, f64::abs);
    let mut sets: BTreeMap<usize, (usize, Option<Giver>)> = BTreeMap::new();
    for giver in givers {
        let (peers, worst) = sets.entry(giver.component).or_default();
        *peers += 1;
        if giver.exceeds(LEAVES_FROM) && worst.is_none_or(|worst| size(&worst) <= size(giver)) {
            *worst = Some(*giver);
        }
    }
    let goes = |giver: &&Giver| match sets[&giver.component] {
        (peers, Some(worst)) => peers < MAJORITY_FROM || giver.what == worst.what,
        (_, None) => false,
    };
    givers.iter().filter(goes).copied().collect()
}

/// Leaves out anchors and calibrations that cannot be right beside the others, and fits again. Gives those left out, and those that
/// contradict everything else and stay.
///
/// Of three or more in a connected set, the worst goes if its |E_n| exceeds [`LEAVES_FROM`], then the next: by what it takes off the sum of
/// squares the worst is the one without which all others fit best. Sets go on at the same time, since none says anything of another's level: as
/// many fits as the set with the most wrong ones takes. Of one or two, nobody can say which is wrong: all go, and the set has no
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
        let leaving = leaving(&givers(network, &fit));
        if leaving.is_empty() {
            break;
        }
        let mut stays = vec![true; network.anchors.len()];
        for giver in &leaving {
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

#[cfg(test)]
mod tests {
    use veripile_pile::AccuracyClass;

    use super::*;
    use crate::evidence::PileFact;

    fn giver(what: What, component: usize, normalised_error: Option<f64>) -> Giver {
        Giver { what, component, normalised_error }
    }

    #[test]
    fn of_two_all_go_and_of_three_the_worst() {
        let alike = giver(What::Anchor(1), 0, None);
        let elsewhere = giver(What::Anchor(2), 1, Some(1.4));
        let worst = giver(What::Reference(4), 0, Some(-2.0));
        let going = |givers: &[Giver]| leaving(givers).iter().map(|giver| giver.what).collect::<Vec<_>>();
        assert_eq!(going(&[alike, elsewhere, worst]), [What::Anchor(1), What::Reference(4)]);
        let third = giver(What::Anchor(0), 0, Some(1.6));
        assert_eq!(going(&[third, alike, elsewhere, worst]), [What::Reference(4)]);
        assert!(going(&[alike, elsewhere]).is_empty());
        // Sets do not wait for each other, and each has its own worst.
        let [near, far] = [1.7, -1.8].map(|error| giver(What::Anchor(3), 1, Some(error)));
        let other = Giver { what: What::Anchor(5), ..elsewhere };
        assert_eq!(
            going(&[third, alike, elsewhere, worst, near, other]),
            [What::Reference(4), What::Anchor(3)]
        );
        assert_eq!(
            going(&[elsewhere, third, far]),
            [What::Anchor(2), What::Anchor(0), What::Anchor(3)],
            "two and one"
        );
    }

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
        let mut found = Contradictory::default();
        found.push(&evidence, &levels, &giver(What::Anchor(0), 0, None), false);
        let named = ContradictoryAnchor {
            pile_id,
            at: Timestamp::UNIX_EPOCH,
            normalised_error: None,
            is_used: false,
        };
        assert_eq!(found.anchors, [(0, named)]);
    }
}
