//! Which signals the evidence cannot be asked for, because nothing in it tells what the signal looks at.
//!
//! Called by `app` where findings are stored: of a signal that was not asked there is no finding, which is no pass. It looks for nothing.

use std::collections::{BTreeMap, BTreeSet};

use veripile_metrology::contrast::{POINTS_MIN, SIDE_MIN};
use veripile_pile::{PileKind, VehiclePath};

use super::world::GROUP_MIN;
use super::{Code, SignalCharge, SignalEvidence, SignalPile};

/// The codes, in the order of the file's description.
pub fn unasked(evidence: &SignalEvidence<'_>) -> Vec<Code> {
    Code::ALL.into_iter().filter(|code| !is_asked(*code, evidence)).collect()
}

/// Whether piles of these kinds tell what honest ones share of a dependence on hours, size, power or fill: with fewer of each kind it is theirs as
/// well as their vehicles', and nobody is asked.
pub fn are_enough(kinds: impl IntoIterator<Item = Option<PileKind>>) -> bool {
    let mut counts = [0_usize; 3];
    for kind in kinds {
        counts[kind.map_or(0, |kind| if kind == PileKind::Ac { 1 } else { 2 })] += 1;
    }
    counts.into_iter().any(|count| GROUP_MIN <= count)
}

/// Whether any pile has enough charges on either side to be held against itself: of each charge its pile, and on which side it is.
pub fn have_both_sides(charges: impl IntoIterator<Item = (usize, bool)>) -> bool {
    let mut counts: BTreeMap<usize, [usize; 2]> = BTreeMap::new();
    for (pile, side) in charges {
        counts.entry(pile).or_default()[usize::from(side)] += 1;
    }
    counts.into_values().any(|[one, other]| SIDE_MIN <= one.min(other) && POINTS_MIN <= one + other)
}

/// Whether anything tells what a signal looks at.
fn is_asked(code: Code, evidence: &SignalEvidence<'_>) -> bool {
    let any = |tells: fn(&SignalCharge<'_>) -> bool| evidence.charges.iter().any(tells);
    let any_pile = |tells: fn(&SignalPile) -> bool| evidence.piles.iter().any(tells);
    let has_residual = any(|charge| charge.residual.is_some());
    let have_others = || {
        let with =
            evidence.charges.iter().filter(|charge| charge.residual.is_some()).map(|charge| charge.pile);
        let piles: BTreeSet<usize> = with.collect();
        are_enough(piles.into_iter().filter_map(|pile| evidence.piles.get(pile)).map(|pile| pile.kind))
    };
    match code {
        Code::Step => has_residual,
        Code::SizeBias => have_others(),
        Code::TimeOfDayGain => have_others() && any(|charge| charge.local_hour.is_some()),
        Code::FirmwareStep => has_residual && any_pile(|pile| !pile.firmware_changes.is_empty()),
        Code::PowerBias => have_others() && any(|charge| charge.mean_power_kw.is_some()),
        Code::SocBias => have_others() && any(|charge| charge.soc_span.is_some()),
        // Each is held against the other: where no meter signs there is nothing to compare.
        Code::UnsignedGain => {
            has_residual
                && any(|charge| charge.signed == Some(true))
                && any(|charge| charge.signed == Some(false))
        }
        Code::StrangerGain => {
            let compared = evidence.charges.iter().filter(|charge| charge.residual.is_some());
            have_both_sides(compared.filter_map(|charge| Some((charge.pile, charge.is_known_vehicle?))))
        }
        Code::ForgedVehicleData => any(|charge| {
            charge.vehicle_path == Some(VehiclePath::Relayed) || charge.energy_relayed_kwh.is_some()
        }),
        Code::EnergiesApart => any(|charge| charge.energy_vehicle_kwh.is_some()),
        Code::Clock => any(|charge| charge.clock_offset_s.is_some()),
        Code::Amount => any(|charge| charge.bill.is_some()),
        Code::Efficiency => {
            let is_fed = any_pile(|pile| pile.kind == Some(PileKind::Dc) && pile.station.is_some());
            !evidence.masters.is_empty() && !evidence.registers.is_empty() && is_fed
        }
        Code::SwappedOutlets => any(|charge| 1 < charge.outlet),
        Code::ReplayedRecord => {
            any(|charge| charge.signature_key.is_some() || charge.record_digest.is_some())
        }
        Code::RegisterRollback | Code::RegisterGap | Code::RegisterMismatch | Code::Silence => {
            any(|charge| charge.register_start_kwh.is_some() || charge.register_end_kwh.is_some())
        }
        Code::DigitPreference => !evidence.charges.is_empty(),
        Code::Heaping => any_pile(|pile| pile.operator.is_some()),
    }
}
