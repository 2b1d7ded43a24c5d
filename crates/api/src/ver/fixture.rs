//! An order with its instruments, and a run of it, for tests of the pages.

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use veripile_metrology::rules;
use veripile_pile::{AccuracyClass, Pile, PileId, PileKind};
use veripile_verification::certificate::{Certificate, CertificateKind, FORMAT, Issued, SigningKey, check};
use veripile_verification::consistency::ChargeEvidence;
use veripile_verification::instrument::{Calibration, Instrument, InstrumentRole};
use veripile_verification::item::{
    BillLine, Conditions, Evidence, InsulationReading, ItemCode, ItemRecord, Seal,
};
use veripile_verification::order::{Order, Plate, Reason};
use veripile_verification::plan::Plan;
use veripile_verification::result::{self, Verdict};
use veripile_verification::run::{Indication, Taken};

pub(crate) fn at() -> Timestamp {
    "2026-03-02T01:00:00Z".parse().expect("literal")
}

pub(crate) fn pile() -> Pile {
    Pile {
        pile_id: PileId::parse("WX-0001").expect("literal"),
        station_id: None,
        operator_id: None,
        kind: PileKind::Ac,
        class: AccuracyClass(Decimal::TWO),
        power_kw: Some(Decimal::from(7)),
        place: None,
        given: None,
        connectors: Vec::new(),
        model: Some("EP-7".to_owned()),
        meter_serial: Some("M1".to_owned()),
    }
}

pub(crate) fn instrument(id: &str, role: InstrumentRole, model: &str) -> Instrument {
    Instrument {
        instrument_id: id.to_owned(),
        role,
        model: model.to_owned(),
        serial: format!("{id}-1"),
        address: "127.0.0.1:5025".to_owned(),
        calibration: Calibration {
            number: format!("CAL-{id}"),
            issuer: "NIM".to_owned(),
            calibrated_at: at() - SignedDuration::from_hours(24 * 100),
            valid_until: at() + SignedDuration::from_hours(24 * 265),
            expanded_uncertainty_percent: Decimal::new(5, 2),
            coverage_factor: Decimal::TWO,
            drift_percent_per_year: Decimal::new(2, 2),
        },
    }
}

pub(crate) fn instruments() -> Vec<Instrument> {
    vec![
        instrument("S1", InstrumentRole::Source, "fluke-6105a-like"),
        instrument("R1", InstrumentRole::Standard, "zera-like"),
    ]
}

pub(crate) fn order() -> Order {
    let pile = pile();
    let voltage_v = Plate::assumed_voltage_v(pile.kind);
    let plate = Plate {
        pile_id: pile.pile_id,
        kind: pile.kind,
        class: pile.class,
        model: pile.model,
        meter_serial: pile.meter_serial,
        firmware: Some("1.0".to_owned()),
        power_kw: pile.power_kw,
        voltage_v,
        current_max_a: Decimal::from(32),
        register_step_wh: Decimal::ONE,
        pulse_constant: None,
        station: Some("测试站".to_owned()),
        operator: Some("经营者".to_owned()),
    };
    let rules = rules::named("JJG 1148-2022").expect("in the program");
    Order {
        number: "VP2026-000001".to_owned(),
        plan: Plan::propose(&plate, &rules),
        plate,
        connector: 1,
        reason: Reason::First,
        cause: None,
        rule_set: rules.name,
        body: "计量所".to_owned(),
        verifier: "赵工".to_owned(),
        reviewer: "钱工".to_owned(),
        instruments: instruments(),
        ordered_by: "赵工".to_owned(),
        ordered_at: at(),
    }
}

/// Every reading of an order, each with this error, percent.
pub(crate) fn taken(order: &Order, error_percent: i64) -> Vec<Taken> {
    let mut start_wh = Decimal::from(100_000);
    let mut taken = Vec::new();
    for (point, load) in order.plan.points.iter().enumerate() {
        for repeat in 0..order.plan.repeats {
            let reference = load.energy_wh * Decimal::from(10);
            // Readings of a real pile are never quite the same.
            let stop_wh = start_wh + reference * Decimal::new(100 + error_percent, 2) + Decimal::from(repeat);
            let began_at = at() + SignedDuration::from_mins(taken.len() as i64);
            taken.push(Taken {
                point,
                repeat,
                discarded: 0,
                began_at,
                ended_at: began_at + SignedDuration::from_secs(50),
                indication: Indication::Register { start_wh, stop_wh },
                reference,
                voltage_v: load.voltage_v,
                current_a: load.current_a,
                power_w: load.power_w().expect("small"),
                source_c_max: None,
            });
            start_wh = stop_wh;
        }
    }
    taken
}

/// A record of every item of an order, all passed.
pub(crate) fn items(order: &Order) -> Vec<ItemRecord> {
    let charge = |charge_no, from_minutes| ChargeEvidence {
        charge_no,
        began_at: Some(at() + SignedDuration::from_mins(from_minutes)),
        ended_at: at() + SignedDuration::from_mins(from_minutes + 20),
        register_step_wh: None,
        register_wh: Some(Decimal::from(1234)),
        samples_wh: None,
        signed_wh: Some(Decimal::from(1234)),
        signed_verdict: Some("valid".to_owned()),
        bill_kwh: Some(Decimal::new(1234, 3)),
    };
    let evidence = |code| match code {
        ItemCode::Appearance | ItemCode::Display => Evidence::Looked { good: true },
        ItemCode::Clock => Evidence::Clock { offset_s: Decimal::ONE, measured: None },
        ItemCode::Seal => Evidence::Seals {
            seals: vec![Seal { number: "A1".to_owned(), place: "门".to_owned(), photo_sha256: None }],
            whole: true,
        },
        ItemCode::Payment => Evidence::Payment {
            lines: vec![BillLine { energy_kwh: Decimal::TEN, price: Decimal::ONE, service: Decimal::ZERO }],
            amount: Decimal::TEN,
        },
        ItemCode::Insulation => Evidence::Insulation {
            test_voltage_v: Decimal::from(500),
            readings: vec![InsulationReading {
                between: "L—PE".to_owned(),
                resistance_megohm: Decimal::from(550),
            }],
        },
        ItemCode::IndicationError => Evidence::Indication {
            start_kwh: Decimal::new(120_003, 3),
            stop_kwh: Decimal::new(122_013, 3),
            reference_wh: Decimal::from(2003),
        },
        ItemCode::ConsistencyBefore => Evidence::Charge(charge(7, -30)),
        ItemCode::ConsistencyAfter => Evidence::Charge(charge(8, 60)),
    };
    let asked = ItemCode::ALL.into_iter().filter(|code| order.plan.items.contains(code));
    let person = &order.verifier;
    asked
        .map(|code| ItemRecord {
            code,
            evidence: evidence(code),
            note: String::new(),
            person: person.clone(),
            at: at(),
        })
        .collect()
}

/// The signed document of an order whose readings all have this error, percent.
pub(crate) fn issued(order: Order, error_percent: i64) -> Issued {
    let (taken, items) = (taken(&order, error_percent), items(&order));
    let listed: Vec<&ItemRecord> = items.iter().collect();
    let result = result::result(&order, &taken, &listed).expect("complete");
    let kind = if result.verdict == Verdict::Conform {
        CertificateKind::Certificate
    } else {
        CertificateKind::Notice
    };
    let verified_on = veripile_verification::certificate::day(at());
    let certificate = Certificate {
        format: FORMAT.to_owned(),
        number: order.number.clone(),
        kind,
        conditions: Conditions {
            temperature_c: Decimal::from(23),
            humidity_percent: Decimal::from(45),
            person: order.verifier.clone(),
            at: at(),
        },
        taken,
        items,
        troubles: Vec::new(),
        result,
        verified_on,
        issued_at: at() + SignedDuration::from_hours(2),
        // Three years less a day.
        valid_until: (kind == CertificateKind::Certificate).then(|| "2029-03-01".parse().expect("literal")),
        remarks: String::new(),
        software: "veripile test".to_owned(),
        order,
    };
    certificate.sign(&key())
}

pub(crate) fn key() -> SigningKey {
    SigningKey::from_seed([7; 32])
}

#[test]
fn the_document_of_these_tests_is_good() {
    for (error, kind) in [(0, CertificateKind::Certificate), (5, CertificateKind::Notice)] {
        let issued = issued(order(), error);
        let checked = check::check(&issued.json, &[key().public()]);
        assert!(checked.is_good() && checked.kind == Some(kind), "{checked:?}");
    }
}

#[test]
fn the_order_of_these_tests_may_be_carried_out() {
    assert_eq!(order().check(at(), &[]), Ok(()));
}
