//! Which signals these files cannot be asked for, because nothing in them tells what the signal looks at, or too few piles of a kind
//! tell what honest ones share, or too few charges of one pile.
//!
//! Called by `assess_files` for `run.json` and the summary: of a signal that was not asked nothing stands in `signals.csv`, which is no pass.

use std::collections::BTreeSet;

use veripile_assessment::signals::{Code, are_enough, have_both_sides};
use veripile_pile::{PileKind, VehiclePath};

use super::charges::ChargeRow;
use super::reference::Plate;
use super::{Inputs, Prepared};

/// The codes, in the order of the file's description.
pub(super) fn not_asked(inputs: &Inputs, prepared: &Prepared) -> Vec<&'static str> {
    let compared: BTreeSet<usize> = prepared.evidence.charges.iter().map(|charge| charge.pile).collect();
    let have_others = are_enough(compared.into_iter().map(|pile| prepared.evidence.piles[pile].kind));
    let by_reference = prepared
        .evidence
        .charges
        .iter()
        .map(|charge| (charge.pile, charge.path == Some(VehiclePath::Reference)));
    let have = (have_others, have_both_sides(by_reference));
    Code::ALL.into_iter().filter(|code| !is_asked(*code, inputs, have)).map(Code::word).collect()
}

/// Whether any row tells what a signal looks at; whether there are enough piles, and enough charges by reference vehicles and others, is told.
fn is_asked(code: Code, inputs: &Inputs, (have_others, have_references): (bool, bool)) -> bool {
    let any_charge = |tells: fn(&ChargeRow) -> bool| inputs.charges.rows.iter().any(tells);
    let any_pile =
        |tells: fn(&Plate) -> bool| inputs.plates.as_ref().is_some_and(|plates| plates.values().any(tells));
    match code {
        // Of these every file of charges tells enough, or a remark says why nothing was compared.
        Code::Step | Code::ForgedVehicleData | Code::EnergiesApart | Code::DigitPreference => true,
        Code::TimeOfDayGain | Code::SizeBias => have_others,
        Code::FirmwareStep => any_pile(|plate| plate.firmware.is_some()),
        Code::PowerBias => have_others && any_charge(|row| row.covariates[1].is_finite()),
        Code::SocBias => have_others && any_charge(|row| row.covariates[2].is_finite()),
        Code::UnsignedGain => any_charge(|row| row.signed.is_some()),
        Code::StrangerGain => have_references,
        Code::Efficiency => {
            let is_fed = |plate: &Plate| plate.kind == Some(PileKind::Dc) && plate.station.is_some();
            !inputs.masters.is_empty() && !inputs.registers.is_empty() && any_pile(is_fed)
        }
        Code::Heaping => any_pile(|plate| plate.operator.is_some()),
        // Messages, outlets, registers by charge, bills and signed records: what only the running platform knows.
        Code::Clock
        | Code::Amount
        | Code::SwappedOutlets
        | Code::ReplayedRecord
        | Code::RegisterRollback
        | Code::RegisterGap
        | Code::RegisterMismatch
        | Code::Silence => false,
    }
}
