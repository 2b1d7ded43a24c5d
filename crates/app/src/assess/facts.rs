//! What an assessment of the running platform rests on, as it was known at a moment, and the same as evidence.
//!
//! Called by the assess role and by `veripile check assessment`, which makes a past run again: nothing here looks at anything but what
//! `store::evidence` keeps.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use anyhow::{Result, bail};
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Deserialize as _;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use veripile_assessment::evidence::{COVARIATES_MAX, lasted_s};
use veripile_assessment::{
    Anchor, Assessment, Balanced, ComparableCharge, Evidence, PileFact, ReferenceVehicle, Vehicles,
};
use veripile_metrology::crossing::to_f64;
use veripile_pile::{Act, ActKind, PileId, VehicleKey, VehiclePath};
use veripile_store::Store;
use veripile_store::evidence::{EnergyInterval, EnergyMeter, EvidenceCharge, EvidencePile, Witnessed};
use veripile_store::price::Tariff;
use veripile_store::witness::Calibration;

use super::weekly;
use crate::assess_files::charges::AMBIENT_C;
use crate::assess_files::feeders::{self, Fed};
use crate::assess_files::findings::CHARGES_MAX;
use crate::assess_files::reference::{IntervalRow, MASTER_CLASS, Plate};
use crate::assess_files::room::{self, Taken};
use crate::assess_files::vehicles::fit_facts;

/// Covariates that chargers tell, and one that only witnesses do: what a charger measures is the temperature of its own inside, which the
/// load warms. It is left out where nobody told it.
const COVARIATES: [&str; 3] = ["mean_power_kw", "soc_span", "ambient_c"];

/// No charger gives more, kW.
const MEAN_POWER_KW_MAX: f64 = 5_000.0;

/// Where a stored run says what its balances said: for the filter over weeks, not for people.
pub(super) const BALANCED: &str = "balanced";

/// Likewise what it found of vehicles.
pub(super) const VEHICLES: &str = "vehicles";

/// Memory of a charge as it comes out of the database, with what witnesses told of it, bytes: that much more than a file's.
pub(super) const CHARGE_BYTES: u64 = (size_of::<EvidenceCharge>() + size_of::<Witnessed>()) as u64;

/// Everything known at a moment.
pub(crate) struct Facts {
    pub(crate) as_of: Timestamp,
    /// By identifier.
    pub(crate) piles: Vec<EvidencePile>,
    /// By number; all that have ended in the window, comparable or not.
    pub(crate) charges: Vec<EvidenceCharge>,
    /// By pile number and time.
    pub(crate) acts: Vec<(i64, Act)>,
    pub(crate) energy: Vec<EnergyInterval>,
    /// Of reference vehicles, by vehicle and time.
    pub(crate) calibrations: Vec<Calibration>,
    /// What stations ask for a kWh by the hour, by station and day: what a wrong clock costs.
    pub(crate) tariffs: Vec<Tariff>,
}

/// A vehicle, and whether as a reference: a calibration speaks of what was read off it by an authority, not of what a pile says it told.
pub(crate) type Traveller = (VehicleKey, bool);

/// The same as evidence.
pub(crate) struct Prepared {
    pub(crate) evidence: Evidence,
    /// Number in [`Facts::charges`] of each charge of the evidence.
    pub(crate) rows: Vec<usize>,
    /// Place in [`Facts::piles`], and in the evidence, of each pile number.
    pub(crate) pile_at: BTreeMap<i64, usize>,
    /// Vehicles of the evidence.
    pub(crate) vehicles: BTreeMap<Traveller, usize>,
    /// Names of the evidence's models.
    models: Vec<String>,
    /// Stations with a master, in the order of the evidence's feeders.
    pub(crate) stations: Vec<String>,
}

impl Prepared {
    /// How a run went, as it is stored: vehicles by their keys, as `reference_vehicle` has them, and beside it what balances said ([`BALANCED`]) and, by
    /// the filter's names, what was found of vehicles ([`VEHICLES`]).
    pub(crate) fn stored(&self, assessment: &Assessment) -> Value {
        let travellers: BTreeMap<usize, Traveller> =
            self.vehicles.iter().map(|(traveller, at)| (*at, *traveller)).collect();
        let key = |at: usize| hex::encode(travellers[&at].0.0);
        let mut stored = fit_facts(&assessment.facts, key, &self.stations);
        stored[BALANCED] = json!(assessment.balanced);
        let names = |at: usize| weekly::names(travellers[&at]);
        let model = |at: usize| self.models.get(at).cloned();
        stored[VEHICLES] = json!(Vehicles::of(&assessment.facts, names, model));
        stored
    }
}

impl Facts {
    /// Loads what was known at a moment of charges that ended from `since` on.
    pub(crate) async fn load(store: &Store, as_of: Timestamp, since: Timestamp) -> Result<Self> {
        let piles = store.evidence_piles(as_of).await?;
        let known: BTreeSet<i64> = piles.iter().map(|pile| pile.pile_no).collect();
        let mut charges = charges(store, since, as_of, |count| assessed_bytes(count, piles.len())).await?;
        // Those of a charger that still waits in the inbox are nobody's.
        charges.retain(|charge| known.contains(&charge.pile_no));
        Ok(Self {
            as_of,
            piles,
            charges,
            acts: store.evidence_acts(as_of).await?,
            energy: store.evidence_energy(since, as_of).await?,
            calibrations: store.evidence_calibrations(as_of).await?,
            tariffs: store.evidence_tariffs(as_of).await?,
        })
    }

    /// SHA-256 over everything that estimates and standings rest on, and over prices, in the order in which it was read.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for pile in &self.piles {
            hash.update(hashed(pile));
        }
        self.charges.iter().for_each(|charge| hash_charge(&mut hash, charge));
        for act in &self.acts {
            hash.update(format!("{act:?}\n"));
        }
        for interval in &self.energy {
            hash.update(format!("{interval:?}\n"));
        }
        for calibration in &self.calibrations {
            hash.update(format!("{:?} {calibration:?}\n", calibration.vehicle.0));
        }
        for Tariff { station_id, valid_from, prices, time_zone } in &self.tariffs {
            // As before there were time zones, where none is told.
            let zone = time_zone.as_ref().map(|zone| format!(", time_zone: {zone:?}")).unwrap_or_default();
            hash.update(format!(
                "Tariff {{ station_id: {station_id:?}, valid_from: {valid_from:?}, prices: {prices:?}{zone} }}\n"
            ));
        }
        hash.finalize().into()
    }

    /// Charges that can be compared.
    pub(crate) fn comparable(&self) -> usize {
        self.charges.iter().filter(|charge| is_comparable(charge)).count()
    }

    /// Turns facts into evidence: piles and vehicles by name, charges in the order of their numbers.
    pub(crate) fn prepare(&self) -> Prepared {
        let pile_at: BTreeMap<i64, usize> =
            self.piles.iter().enumerate().map(|(at, pile)| (pile.pile_no, at)).collect();
        let travellers: BTreeSet<Traveller> = self.charges.iter().filter_map(traveller).collect();
        let vehicles: BTreeMap<Traveller, usize> = travellers.into_iter().zip(0..).collect();
        let (vehicle_models, models) = self.models(&vehicles);
        let has_ambient = self.charges.iter().any(|charge| ambient_c(charge).is_some());
        let compared = |(row, charge): (usize, &EvidenceCharge)| {
            let (_, energy_vehicle_wh, path) = charge.vehicle_side()?;
            let comparable = ComparableCharge {
                pile: *pile_at.get(&charge.pile_no)?,
                vehicle: *vehicles.get(&traveller(charge)?)?,
                ended_at: charge.ended_at,
                lasted_s: lasted_s(charge.started_at, charge.ended_at),
                energy_pile_kwh: kwh(charge.energy_pile_wh),
                energy_vehicle_kwh: kwh(energy_vehicle_wh),
                path: Some(path),
                covariates: covariates(charge),
            };
            Some((comparable, row))
        };
        let rows = self.charges.iter().enumerate().filter(|(_, charge)| charge.ended_at <= self.as_of);
        let (charges, rows) = rows.filter_map(compared).unzip();
        let anchor = |(pile_no, act): &(i64, Act)| {
            let result = act.result?;
            Some(Anchor {
                pile: *pile_at.get(pile_no)?,
                outlet: act.outlet,
                at: act.acted_at,
                error_percent: result.error_percent,
                expanded_uncertainty_percent: result.expanded_uncertainty_percent,
                coverage_factor: result.coverage_factor,
            })
        };
        let reference = |calibration: &Calibration| {
            Some(ReferenceVehicle {
                vehicle: *vehicles.get(&(calibration.vehicle, true))?,
                at: calibration.at,
                error_percent: calibration.result.error_percent,
                expanded_uncertainty_percent: calibration.result.expanded_uncertainty_percent,
                coverage_factor: calibration.result.coverage_factor,
            })
        };
        let fact = |pile: &EvidencePile| PileFact {
            pile_id: pile.pile_id.clone(),
            kind: Some(pile.kind),
            class: pile.class,
        };
        let fed = self.fed();
        let evidence = Evidence {
            as_of: self.as_of,
            piles: self.piles.iter().map(fact).collect(),
            vehicle_models,
            models: models.len(),
            covariates: COVARIATES[..if has_ambient { 3 } else { 2 }].to_vec(),
            charges,
            anchors: in_force(&self.acts).filter_map(anchor).collect(),
            references: self.calibrations.iter().filter_map(reference).collect(),
            feeders: fed.feeders,
        };
        Prepared { evidence, rows, pile_at, vehicles, models, stations: fed.stations }
    }

    /// Number of each vehicle's model, and the models' names; of several told for one vehicle the first in alphabetical order.
    fn models(&self, vehicles: &BTreeMap<Traveller, usize>) -> (Vec<Option<usize>>, Vec<String>) {
        let mut told: Vec<Option<&str>> = vec![None; vehicles.len()];
        for charge in &self.charges {
            let (Some(vehicle), Some(model)) = (traveller(charge), charge.vehicle_model()) else {
                continue;
            };
            let known = &mut told[vehicles[&vehicle]];
            *known = Some(known.map_or(model, |known| known.min(model)));
        }
        let names: BTreeSet<&str> = told.iter().flatten().copied().collect();
        let numbers: BTreeMap<&str, usize> = names.iter().copied().zip(0..).collect();
        let of_vehicles = told.iter().map(|model| model.map(|model| numbers[model])).collect();
        (of_vehicles, names.into_iter().map(str::to_owned).collect())
    }

    /// Stations with a master meter, as feeders.
    fn fed(&self) -> Fed {
        let (masters, registers) = self.intervals();
        let plate = |pile: &EvidencePile| Plate {
            kind: Some(pile.kind),
            class: pile.class,
            station: pile.station_id.as_ref().map(ToString::to_string),
            operator: None,
            model: None,
            firmware: None,
            efficiency: pile.efficiency,
        };
        let plates: BTreeMap<PileId, Plate> =
            self.piles.iter().map(|pile| (pile.pile_id.clone(), plate(pile))).collect();
        let pile_at: BTreeMap<&PileId, usize> =
            self.piles.iter().enumerate().map(|(at, pile)| (&pile.pile_id, at)).collect();
        feeders::feeders(&masters, &registers, &plates, &pile_at, self.as_of)
    }

    /// Intervals of masters and of registers, in the order of time and name.
    pub(crate) fn intervals(&self) -> (Vec<IntervalRow>, Vec<IntervalRow>) {
        let (mut masters, mut registers) = (Vec::new(), Vec::new());
        for interval in &self.energy {
            let (rows, id) = match &interval.meter {
                EnergyMeter::Master(station) => (&mut masters, station.to_string()),
                EnergyMeter::Register(pile) => (&mut registers, pile.to_string()),
            };
            rows.push(IntervalRow {
                id,
                from: interval.from,
                to: interval.to,
                energy_kwh: interval.energy_kwh,
                class: interval.class.unwrap_or(MASTER_CLASS),
            });
        }
        for rows in [&mut masters, &mut registers] {
            rows.sort_by(|a, b| (a.from, a.to, &a.id).cmp(&(b.from, b.to, &b.id)));
        }
        (masters, registers)
    }
}

/// What was known at a moment of charges that ended from `since` on; an error, before memory is full, if they do not fit into it with what
/// becomes of them: bytes by their number.
pub(super) async fn charges(
    store: &Store,
    since: Timestamp,
    as_of: Timestamp,
    bytes: impl Fn(u64) -> u64,
) -> Result<Vec<EvidenceCharge>> {
    let count = store.evidence_charges_at_most(since, as_of).await?;
    fit(room::free(), count, bytes(count))?;
    Ok(store.evidence_charges(since, as_of).await?)
}

/// Of which vehicles a stored run used a calibration, as [`Prepared::stored`] names them, and when it was made; none of runs of before.
pub(super) fn used_references(stored: &Value) -> BTreeSet<(VehicleKey, Timestamp)> {
    let used = |told: &Value| {
        let key: [u8; 16] = hex::decode(told.get("vehicle")?.as_str()?).ok()?.try_into().ok()?;
        Some((VehicleKey(key), told.get("at")?.as_str()?.parse().ok()?))
    };
    let told = stored.get("used_references").and_then(Value::as_array);
    told.into_iter().flatten().filter_map(used).collect()
}

/// What the balances of a stored run said; nothing of runs of before.
pub(super) fn balanced(stored: &Value) -> Vec<Balanced<PileId>> {
    stored.get(BALANCED).and_then(|told| Vec::deserialize(told).ok()).unwrap_or_default()
}

/// What a stored run found of vehicles, as the filter names them; nothing of runs of before.
pub(super) fn vehicles(stored: &Value) -> Vehicles<String> {
    stored.get(VEHICLES).and_then(|told| Vehicles::deserialize(told).ok()).unwrap_or_default()
}

/// Memory of a whole assessment. How many vehicles its charges are of is not known before they are read: of one each at most.
pub(super) fn assessed_bytes(count: u64, piles: usize) -> u64 {
    let charges = count as usize;
    let taken = Taken { charges, piles, vehicles: charges, name_bytes: 0 };
    let assessed = if charges <= CHARGES_MAX { taken.bytes_with_signals() } else { taken.bytes() };
    assessed + CHARGE_BYTES * count
}

/// Whether so many charges, which need so many bytes, fit into the room there is.
fn fit(room: u64, count: u64, bytes: u64) -> Result<()> {
    if room < bytes {
        bail!(
            "the {count} charges of the window need some {} MB of memory and {} MB are free: set a shorter window_days in section assess, or \
             VERIPILE_ASSESS__WINDOW_DAYS, or take a machine with more memory",
            bytes.div_ceil(1_000_000),
            room / 1_000_000
        );
    }
    Ok(())
}

/// A pile as it is hashed. One of which no efficiency is told is hashed as it was before there were any: so runs of then keep their hash.
fn hashed(pile: &EvidencePile) -> String {
    let EvidencePile { pile_no, pile_id, kind, class, station_id, operator_id, model, efficiency } = pile;
    let told = efficiency.map_or(String::new(), |told| format!(", efficiency: {told:?}"));
    format!(
        "EvidencePile {{ pile_no: {pile_no:?}, pile_id: {pile_id:?}, kind: {kind:?}, class: {class:?}, station_id: {station_id:?}, \
         operator_id: {operator_id:?}, model: {model:?}{told} }}\n"
    )
}

/// Every part of a charge, each with a mark of whether it is known. In bytes: text would take longer than the estimate.
fn hash_charge(hash: &mut Sha256, charge: &EvidenceCharge) {
    let EvidenceCharge {
        charge_no,
        pile_no,
        connector,
        vehicle,
        started_at,
        ended_at,
        energy_pile_wh,
        energy_vehicle_wh,
        register_wh,
        soc_percent,
        signed,
        signature_key,
        record_digest,
        clock_offset_s,
        witnessed,
    } = charge;
    let mut part = |bytes: Option<&[u8]>| match bytes {
        Some(bytes) => {
            hash.update([1]);
            hash.update(bytes);
        }
        None => hash.update([0]),
    };
    part(Some(&charge_no.to_be_bytes()));
    part(Some(&pile_no.to_be_bytes()));
    part(connector.map(i64::to_be_bytes).as_ref().map(|bytes| &bytes[..]));
    part(vehicle.as_ref().map(|vehicle| &vehicle.0[..]));
    part(Some(&started_at.as_microsecond().to_be_bytes()));
    part(Some(&ended_at.as_microsecond().to_be_bytes()));
    part(Some(&energy_pile_wh.serialize()));
    for number in [energy_vehicle_wh, &register_wh[0], &register_wh[1], &soc_percent[0], &soc_percent[1]] {
        part(number.map(|number| number.serialize()).as_ref().map(|bytes| &bytes[..]));
    }
    part(Some(&[u8::from(*signed)]));
    part(signature_key.as_ref().map(|key| &key[..]));
    part(record_digest.as_ref().map(|digest| &digest[..]));
    part(clock_offset_s.map(f64::to_be_bytes).as_ref().map(|bytes| &bytes[..]));
    if let Some(told) = witnessed {
        hash_witnessed(&mut part, told);
    }
}

/// What witnesses told, part by part.
fn hash_witnessed(part: &mut impl FnMut(Option<&[u8]>), told: &Witnessed) {
    let Witnessed { energy, vehicle, vehicle_model, ambient_c, bill } = told;
    part(energy.map(|(wh, _)| wh.serialize()).as_ref().map(|bytes| &bytes[..]));
    part(energy.map(|(_, path)| path.word().as_bytes()));
    part(vehicle.as_ref().map(|vehicle| &vehicle.0[..]));
    part(vehicle_model.as_ref().map(String::as_bytes));
    part(ambient_c.map(|number| number.serialize()).as_ref().map(|bytes| &bytes[..]));
    part(bill.as_ref().map(|bill| format!("{bill:?}")).as_ref().map(String::as_bytes));
}

/// Whose vehicle it was, and whether an authority's, of a charge that can be compared.
fn traveller(charge: &EvidenceCharge) -> Option<Traveller> {
    charge.vehicle_side().map(|(vehicle, _, path)| (vehicle, path == VehiclePath::Reference))
}

/// Whether both sides told an energy, and whose vehicle it was is known.
pub(crate) fn is_comparable(charge: &EvidenceCharge) -> bool {
    charge.vehicle_side().is_some()
}

/// Acts whose on-site result still says what a pile's error is: of no document that was withdrawn or is in question, as after a broken
/// seal, other firmware or a repair.
pub(crate) fn in_force(acts: &[(i64, Act)]) -> impl Iterator<Item = &(i64, Act)> {
    let ends = |act: &Act| matches!(act.kind, ActKind::CertificateWithdrawn | ActKind::CertificateQuestioned);
    let ended: HashSet<(i64, &str)> = acts
        .iter()
        .filter(|(_, act)| ends(act))
        .map(|(pile_no, act)| (*pile_no, act.number.as_str()))
        .collect();
    acts.iter().filter(move |(pile_no, act)| {
        act.result.is_some() && !ended.contains(&(*pile_no, act.number.as_str()))
    })
}

/// Wh as kWh, exactly.
pub(super) fn kwh(wh: Decimal) -> Decimal {
    wh / Decimal::ONE_THOUSAND
}

/// Mean power, kW, from energy and duration; none where it cannot be.
pub(super) fn mean_power_kw(charge: &EvidenceCharge) -> Option<f64> {
    let hours = charge.ended_at.duration_since(charge.started_at).as_secs_f64() / 3_600.0;
    let power = to_f64(kwh(charge.energy_pile_wh)) / hours;
    Some(power).filter(|power| 0.0 < hours && (0.0..=MEAN_POWER_KW_MAX).contains(power))
}

/// Part of the battery charged, percent.
pub(super) fn soc_span_percent(charge: &EvidenceCharge) -> Option<f64> {
    let [start, end] = charge.soc_percent;
    Some(to_f64(end?) - to_f64(start?)).filter(|span| 0.0 < *span)
}

/// Temperature of the air, °C, where a witness told it and it can be one.
fn ambient_c(charge: &EvidenceCharge) -> Option<f64> {
    Some(to_f64(charge.witnessed.as_ref()?.ambient_c?))
        .filter(|celsius| (AMBIENT_C.0..=AMBIENT_C.1).contains(celsius))
}

/// As [`COVARIATES`]; NaN where unknown.
pub(super) fn covariates(charge: &EvidenceCharge) -> [f32; COVARIATES_MAX] {
    let mut values = [f32::NAN; COVARIATES_MAX];
    let known = [mean_power_kw(charge), soc_span_percent(charge), ambient_c(charge)];
    for (value, known) in values.iter_mut().zip(known) {
        *value = known.map_or(f32::NAN, |known| known as f32);
    }
    values
}

#[cfg(test)]
mod tests;
