//! What is stored of a run is read as it was, what is hashed stays what it was, and what anchors.

use veripile_assessment::vehicles::{VehicleUpdate, Who};
use veripile_assessment::{Updated, UsedReference};
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

/// Under the names that the filter gives its vehicles: one a way, but for what an authority read.
#[test]
fn what_was_found_of_vehicles_is_read_as_it_is_stored() {
    let (_, mut prepared, mut assessment) = world(1);
    assert_eq!(vehicles(&prepared.stored(&assessment)), Vehicles::default());
    assert_eq!(vehicles(&Value::Null), Vehicles::default());
    let at = Timestamp::UNIX_EPOCH;
    prepared.vehicles =
        [(VehicleKey([0xa7; 16]), false), (VehicleKey([0xa8; 16]), true)].into_iter().zip(0..).collect();
    prepared.models = vec!["M".to_owned()];
    assessment.facts.ids_of_many = vec![(0, at)];
    let updated = |model, vehicle| Updated { model, vehicle, at, size_percent: 1.5 };
    assessment.facts.updated = vec![updated(Some(0), None), updated(None, Some(1))];
    let stored = prepared.stored(&assessment).to_string();
    let read = vehicles(&serde_json::from_str(&stored).expect("plain"));
    let key = "a7".repeat(16);
    let names = ["", "telematics", "app"].map(|way| (format!("{key}{way}"), at));
    assert_eq!(read.of_many, names);
    let reference = Who::Vehicle("a8".repeat(16) + "reference");
    let update = |who| VehicleUpdate { who, at, size: 0.015 };
    assert_eq!(read.updates, [update(Who::Model("M".to_owned())), update(reference)]);
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
    let left: Vec<(i64, &str)> = in_force(&acts).map(|(pile, act)| (*pile, act.number.as_str())).collect();
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
