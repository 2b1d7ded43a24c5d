//! Piles that tell their own energy as the vehicle's: what agrees with itself is no evidence.
//!
//! Called when evidence becomes a network. The finding about such a pile is made by [`crate::signals`]; here its values only count for nothing.

use std::collections::BTreeSet;

use veripile_metrology::chi_square::poisson_at_least;
use veripile_pile::VehiclePath;

use crate::evidence::{ComparableCharge, Evidence};
use crate::signals::{decimals, equal_by_chance};

/// Equal pairs from which a pile is looked at.
const EQUAL_MIN: usize = 20;

/// Probability below which so many equal pairs are no chance.
const CHANCE: f64 = 1e-9;

/// Scale of the noise of the best vehicle that is thinkable, fraction: half a percent makes equal pairs likelier than any real one does.
const NOISE_LEAST: f64 = 0.005;

/// Whether its vehicle's value came through the pile, for all that is known.
pub(super) fn may_be_copied(charge: &ComparableCharge) -> bool {
    matches!(charge.path, None | Some(VehiclePath::Relayed))
}

/// Piles of whose pairs more are equal to the last digit than chance makes, were the vehicles the best that are thinkable.
/// The count is held against the Poisson tail of the sum of [`equal_by_chance`].
pub(super) fn piles(evidence: &Evidence) -> BTreeSet<usize> {
    let mut equal = vec![0_usize; evidence.piles.len()];
    let told = || evidence.charges.iter().filter(|charge| may_be_copied(charge));
    for charge in told().filter(|charge| charge.energy_pile_kwh == charge.energy_vehicle_kwh) {
        equal[charge.pile] += 1;
    }
    let suspects: BTreeSet<usize> = (0..equal.len()).filter(|pile| EQUAL_MIN <= equal[*pile]).collect();
    if suspects.is_empty() {
        return suspects;
    }
    let mut energies = vec![Vec::new(); evidence.piles.len()];
    for charge in told().filter(|charge| suspects.contains(&charge.pile)) {
        energies[charge.pile].push(charge.energy_pile_kwh);
    }
    let is_copying = |pile: &usize| {
        let energies = &energies[*pile];
        let step =
            decimals(energies.iter().copied()).map_or(1.0, |places| libm::pow(10.0, -f64::from(places)));
        let expected: f64 = energies.iter().map(|energy| equal_by_chance(step, NOISE_LEAST, *energy)).sum();
        poisson_at_least(equal[*pile], expected) < CHANCE
    };
    suspects.into_iter().filter(is_copying).collect()
}
