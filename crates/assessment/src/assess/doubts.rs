//! Piles whose vehicles' values no vehicle said, for all that can be seen.
//!
//! Called by [`super::measured`] and [`super::assess`] after a fit. What it follows from is in [`crate::signals`]; here it is asked, and told.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use veripile_metrology::comparison::Residual;
use veripile_pile::PileId;

use super::{VehicleEstimate, copies};
use crate::evidence::Evidence;
use crate::signals::{self, Compared, Doubt, Known};

/// A pile that relays what no vehicle said.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DoubtedValues {
    /// The pile.
    pub pile_id: PileId,
    /// What says so: `too_good` (values scatter less than vehicles'), `deaf` (which vehicle it is does not show), `relayed` (with them the pile shows
    /// less than with what vehicles' makers and drivers tell) or `alike` (which vehicle it is shows nowhere, of all values that came so).
    pub test: &'static str,
    /// Probability of as much by chance.
    pub p_value: f64,
    /// How much shows here of what vehicles' values scatter by (`too_good`), of what vehicles' own errors show elsewhere (`deaf`), of what
    /// vehicles differ by (`alike`), percent; or by how many percent less the pile shows (`relayed`).
    pub share_percent: f64,
    /// Comparisons that were asked.
    pub charges: usize,
    /// Of these, those of which it is known that the pile relayed the vehicle's value: of the others nobody says how it came.
    pub relayed: usize,
    /// Vehicles that made them.
    pub vehicles: usize,
}

/// Piles whose relayed values are in doubt, beyond those of which it is known: these values count for nothing here.
pub(super) fn forged(
    evidence: &Evidence,
    residuals: &[Option<Residual>],
    vehicles: &[Option<VehicleEstimate>],
    interaction_sd: f64,
    known: &BTreeMap<usize, Doubt>,
) -> BTreeMap<usize, Doubt> {
    if !evidence.charges.iter().any(copies::may_be_copied) {
        return BTreeMap::new();
    }
    let biases: Vec<Option<f64>> = vehicles.iter().map(|vehicle| vehicle.map(|found| found.bias)).collect();
    let compared = evidence.charges.iter().zip(residuals).filter_map(|(charge, residual)| {
        let Residual { standardised, scale } = (*residual)?;
        let counts = !(known.contains_key(&charge.pile) && copies::may_be_copied(charge));
        counts.then_some(Compared {
            pile: charge.pile,
            vehicle: charge.vehicle,
            z: standardised,
            scale,
            path: charge.path,
        })
    });
    let compared: Vec<Compared> = compared.collect();
    let kinds: Vec<_> = evidence.piles.iter().map(|pile| pile.kind).collect();
    let of = Known { kinds: &kinds, biases: &biases, models: &evidence.vehicle_models, interaction_sd };
    let mut found = signals::doubted(&compared, &of);
    found.retain(|pile, _| !known.contains_key(pile));
    found
}

/// Each with what of its comparisons was asked.
pub(super) fn doubted_values(
    evidence: &Evidence,
    residuals: &[Option<Residual>],
    forged: &BTreeMap<usize, Doubt>,
) -> Vec<DoubtedValues> {
    if forged.is_empty() {
        return Vec::new();
    }
    let mut asked: BTreeMap<usize, (usize, usize, BTreeSet<usize>)> = BTreeMap::new();
    let compared = evidence.charges.iter().zip(residuals).filter(|(_, residual)| residual.is_some());
    let compared = compared.map(|(charge, _)| charge).filter(|charge| forged.contains_key(&charge.pile));
    for charge in compared.filter(|charge| copies::may_be_copied(charge)) {
        let (charges, relayed, vehicles) = asked.entry(charge.pile).or_default();
        (*charges, *relayed) = (*charges + 1, *relayed + usize::from(charge.path.is_some()));
        vehicles.insert(charge.vehicle);
    }
    let named = forged.iter().map(|(pile, doubt)| {
        let (charges, relayed, vehicles) = asked.remove(pile).unwrap_or_default();
        DoubtedValues {
            pile_id: evidence.piles[*pile].pile_id.clone(),
            test: doubt.why.word(),
            p_value: doubt.p_value,
            share_percent: 100.0 * doubt.share,
            charges,
            relayed,
            vehicles: vehicles.len(),
        }
    });
    named.collect()
}
