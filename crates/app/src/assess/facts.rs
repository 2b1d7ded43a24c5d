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
    Anchor, Assessment, Balanced, ComparableCharge, Evidence, PileFact, ReferenceVehicle,
};
use veripile_metrology::crossing::to_f64;
use veripile_pile::{Act, ActKind, PileId, VehicleKey, VehiclePath};
use veripile_store::Store;
use veripile_store::evidence::{EnergyInterval, EnergyMeter, EvidenceCharge, EvidencePile, Witnessed};
use veripile_store::price::Tariff;
use veripile_store::witness::Calibration;

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
    /// Stations with a master, in the order of the evidence's feeders.
    pub(crate) stations: Vec<String>,
}

impl Prepared {
    /// How a run went, as it is stored: vehicles by their keys, as `reference_vehicle` has them, and beside it under [`BALANCED`] what balances said.
    pub(crate) fn stored(&self, assessment: &Assessment) -> Value {
        let keys: BTreeMap<usize, VehicleKey> =
            self.vehicles.iter().map(|((key, _), at)| (*at, *key)).collect();
        let mut stored = fit_facts(&assessment.facts, |at| hex::encode(keys[&at].0), &self.stations);
        stored[BALANCED] = json!(assessment.balanced);
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
            models,
            covariates: COVARIATES[..if has_ambient { 3 } else { 2 }].to_vec(),
            charges,
            anchors: in_force(&self.acts).filter_map(anchor).collect(),
            references: self.calibrations.iter().filter_map(reference).collect(),
            feeders: fed.feeders,
        };
        Prepared { evidence, rows, pile_at, vehicles, stations: fed.stations }
    }

    /// Number of each vehicle's model, and how many models there are; of several told for one vehicle the first in alphabetical order.
    fn models(&self, vehicles: &BTreeMap<Traveller, usize>) -> (Vec<Option<usize>>, usize) {
        let mut told: Vec<Option<&str>> = vec![None; vehicles.len()];
        for charge in &self.charges {
            let (Some(vehicle), Some(model)) = (traveller(charge), charge.vehicle_model()) else {
                continue;
            };
            let known = &mut told[vehicles[&vehicle]];
            *known = Some(known.map_or(model, |known| known.min(model)));
        }
        let names: BTreeSet<&str> = told.iter().flatten().copied().collect();
        let numbers: BTreeMap<&str, usize> = names.into_iter().zip(0..).collect();
        (told.iter().map(|model| model.map(|model| numbers[model])).collect(), numbers.len())
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
mod tests {
    use veripile_assessment::UsedReference;
    use veripile_metrology::balance::Instrument;
    use veripile_pile::{PileKind, StationId};
    use veripile_store::evidence::Efficiency;

    use super::super::outcome::tests::world;
    use super::*;

    fn charge(minutes: i64, wh: i64) -> EvidenceCharge {
        let started_at = Timestamp::UNIX_EPOCH;
        let ended_at = started_at + jiff::SignedDuration::from_mins(minutes);
        EvidenceCharge::new(1, 1, [started_at, ended_at], Decimal::from(wh))
    }

    #[test]
    fn calibrations_that_were_used_are_read_as_they_are_stored() {
        let (_, mut prepared, mut assessment) = world(1);
        let at = "2026-01-05T06:07:08.000009Z".parse().expect("literal");
        prepared.vehicles.insert((VehicleKey([0xa7; 16]), true), 0);
        assessment.facts.used_references.push(UsedReference { vehicle: 0, at });
        let mut stored = prepared.stored(&assessment);
        assert_eq!(used_references(&stored), BTreeSet::from([(VehicleKey([0xa7; 16]), at)]));
        // What is no vehicle's key is nobody's, and a run of before tells none.
        stored["used_references"][0]["vehicle"] = "a7".into();
        assert!(used_references(&stored).is_empty() && used_references(&Value::Null).is_empty());
    }

    #[test]
    fn what_balances_said_is_read_as_it_is_stored() {
        let (_, prepared, mut assessment) = world(1);
        assert!(balanced(&prepared.stored(&assessment)).is_empty() && balanced(&Value::Null).is_empty());
        let at = |second: i64| Timestamp::from_second(second).expect("in range");
        let told = json!([{ "piles": ["P1", "P2"], "from": at(7), "to": at(9), "matrix": [1e7 / 3.0, -0.1, 3.0], "right": [1e-3, 2.0] }]);
        assessment.balanced = Vec::deserialize(&told).expect("as it is stored");
        let stored = prepared.stored(&assessment).to_string();
        let read = balanced(&serde_json::from_str(&stored).expect("plain"));
        assert_eq!((read.len(), &read), (1, &assessment.balanced), "to the last bit");
    }

    /// The text is what was hashed before efficiencies could be told.
    #[test]
    fn only_a_pile_with_an_efficiency_is_hashed_otherwise_than_before() {
        let (mut facts, ..) = world(1);
        let before = facts.fingerprint();
        let text = "EvidencePile { pile_no: 1, pile_id: PileId(\"P1\"), kind: Ac, class: AccuracyClass(2), \
                    station_id: Some(StationId(\"S1\")), operator_id: None, model: None }\n";
        assert_eq!(hashed(&facts.piles[0]), text);
        let mut hash_of = |ratio, standard_uncertainty| {
            facts.piles[0].efficiency = Some(Efficiency { ratio, standard_uncertainty });
            facts.fingerprint()
        };
        let [good, better] = [93, 95].map(|percent| Decimal::new(percent, 2));
        let hashes = [hash_of(good, None), hash_of(better, None), hash_of(good, Some(Decimal::new(1, 3)))];
        let all: BTreeSet<[u8; 32]> = hashes.into_iter().chain([before]).collect();
        assert_eq!(all.len(), 4, "each of its own");
    }

    // By hand: 0.0093 of 0.93 is 1 %. Where none is told, 0.95 ± 0.8 % is presumed, with 1.2 % that all have in common.
    #[test]
    fn a_registered_pile_behind_a_master_has_the_efficiency_that_was_told_of_it() {
        let (mut facts, ..) = world(1);
        facts.piles[0].kind = PileKind::Dc;
        let to = facts.as_of;
        let interval = |meter| EnergyInterval {
            meter,
            from: to - jiff::SignedDuration::from_hours(1),
            to,
            energy_kwh: Some(Decimal::TEN),
            class: None,
        };
        let station = StationId::parse("S1").expect("literal");
        let pile = facts.piles[0].pile_id.clone();
        facts.energy = vec![interval(EnergyMeter::Master(station)), interval(EnergyMeter::Register(pile))];
        let instrument = |facts: &Facts| facts.prepare().evidence.feeders[0].feeder.instruments[0];
        let is = |found: Instrument, expected: [f64; 3]| {
            let told = [found.efficiency, found.efficiency_uncertainty, found.efficiency_common];
            assert!(told.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
        };
        is(instrument(&facts), [0.95, 0.008, 0.012]);
        let standard_uncertainty = Some(Decimal::new(93, 4));
        facts.piles[0].efficiency = Some(Efficiency { ratio: Decimal::new(93, 2), standard_uncertainty });
        is(instrument(&facts), [0.93, 0.01, 0.0]);
    }

    // Room is counted as of files (440 + 500 + 540 bytes a charge of a vehicle of its own, 1,000 a pile), with the charge itself besides.
    #[test]
    fn a_window_that_does_not_fit_is_refused_with_the_next_step() {
        let needed = 1_000 * (1_480 + CHARGE_BYTES) + 2_000;
        let fit = |room, count, piles| super::fit(room, count, assessed_bytes(count, piles));
        assert!(fit(needed, 1_000, 2).is_ok() && fit(u64::MAX, 0, 0).is_ok());
        let error = fit(needed - 1, 1_000, 2).expect_err("a byte less").to_string();
        assert!(error.contains("1000 charges") && error.contains("a shorter window_days"), "{error}");
        // Of more than signals are looked for in, theirs is not needed.
        let most = CHARGES_MAX as u64 + 1;
        assert!(fit(most * (980 + CHARGE_BYTES), most, 0).is_ok());
        assert!(fit(most * (980 + CHARGE_BYTES) - 1, most, 0).is_err());
    }

    #[test]
    fn what_is_withdrawn_or_in_question_anchors_nothing() {
        let result = veripile_pile::OnSiteResult {
            error_percent: Decimal::ONE,
            expanded_uncertainty_percent: Decimal::ONE,
            coverage_factor: Decimal::TWO,
        };
        let act = |kind, number: &str| Act {
            kind,
            number: number.to_owned(),
            outlet: None,
            issuer: String::new(),
            person: String::new(),
            acted_at: Timestamp::UNIX_EPOCH,
            valid_until: None,
            reply_until: None,
            result: (kind == ActKind::Certificate || kind == ActKind::Measured).then_some(result),
        };
        let acts = [
            (1, act(ActKind::Certificate, "C1")),
            (1, act(ActKind::Certificate, "C2")),
            (1, act(ActKind::Measured, "M1")),
            (1, act(ActKind::CaseOpened, "N1")),
            (2, act(ActKind::Certificate, "C1")),
            (2, act(ActKind::Certificate, "C3")),
            (1, act(ActKind::CertificateWithdrawn, "C1")),
            (2, act(ActKind::CertificateQuestioned, "C3")),
        ];
        let left: Vec<(i64, &str)> =
            in_force(&acts).map(|(pile, act)| (*pile, act.number.as_str())).collect();
        assert_eq!(left, [(1, "C2"), (1, "M1"), (2, "C1")], "a number is one pile's");
    }

    // 22 kWh in 40 minutes: 33 kW.
    #[test]
    fn mean_power_is_energy_over_time_and_unknown_where_there_is_no_time() {
        let power = mean_power_kw(&charge(40, 22_000)).expect("a power");
        assert!((power - 33.0).abs() < 1e-12);
        assert_eq!(mean_power_kw(&charge(0, 22_000)), None);
        assert_eq!(mean_power_kw(&charge(1, 22_000_000)), None, "1.3 GW are an error, not a power");
    }

    #[test]
    fn a_battery_that_was_not_charged_spans_nothing() {
        let span = |start: i64, end: i64| {
            let soc_percent = [Some(Decimal::from(start)), Some(Decimal::from(end))];
            soc_span_percent(&EvidenceCharge { soc_percent, ..charge(40, 22_000) })
        };
        assert_eq!((span(20, 80), span(80, 20)), (Some(60.0), None));
        assert_eq!(soc_span_percent(&charge(40, 22_000)), None);
    }
}
