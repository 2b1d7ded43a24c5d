//! What the tests of this crate share: orders that are in order, facts of a run, and what was recorded besides. Only for tests.

pub(crate) mod bench;

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use veripile_metrology::rules;
use veripile_pile::{AccuracyClass, PileId, PileKind};

use crate::clock::MeasuredOffset;
use crate::consistency::ChargeEvidence;
use crate::instrument::{Calibration, Instrument, InstrumentRole};
use crate::item::{Conditions, Evidence, InsulationReading, ItemCode, ItemRecord, Seal};
use crate::order::{Order, Plate, Reason};
use crate::plan::{LoadPoint, Plan};
use crate::run::{Indication, Taken};

pub(crate) fn decimal(text: &str) -> Decimal {
    text.parse().expect("literal")
}

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().expect("literal")
}

/// When verifications of these tests begin: an afternoon in China.
pub(crate) fn start() -> Timestamp {
    time("2026-03-02T06:00:00Z")
}

pub(crate) fn after(seconds: i64) -> Timestamp {
    start() + SignedDuration::from_secs(seconds)
}

pub(crate) fn plate(kind: PileKind) -> Plate {
    let (voltage, current) = if kind == PileKind::Ac { ("220", "32") } else { ("750", "250") };
    Plate {
        pile_id: PileId::parse("P-1").expect("literal"),
        kind,
        class: AccuracyClass(Decimal::ONE),
        model: Some("M1".into()),
        meter_serial: Some("MS-1".into()),
        firmware: Some("1.0".into()),
        power_kw: Some(decimal(if kind == PileKind::Ac { "7" } else { "180" })),
        voltage_v: decimal(voltage),
        current_max_a: decimal(current),
        register_step_wh: Decimal::ONE,
        pulse_constant: Some(decimal("1000")),
        station: Some("S-1".into()),
        operator: Some("O-1".into()),
    }
}

pub(crate) fn instrument(role: InstrumentRole, model: &str) -> Instrument {
    Instrument {
        instrument_id: format!("I-{}", role.word()),
        role,
        model: model.into(),
        serial: format!("SN-{}", role.word()),
        address: "192.0.2.1:5025".into(),
        calibration: Calibration {
            number: "C-1".into(),
            issuer: "NIM".into(),
            calibrated_at: time("2025-09-01T00:00:00Z"),
            valid_until: time("2026-08-31T16:00:00Z"),
            expanded_uncertainty_percent: decimal("0.05"),
            coverage_factor: Decimal::TWO,
            drift_percent_per_year: decimal("0.02"),
        },
    }
}

/// An order that is in order: the rule set's own proposal.
pub(crate) fn order(kind: PileKind) -> Order {
    let plate = plate(kind);
    let rules = rules::for_kind(kind.word()).expect("there is one");
    let source = if kind == PileKind::Ac { "fluke-6105a-like" } else { "dc-phantom-like" };
    Order {
        number: "V-2026-0001".into(),
        plan: Plan::propose(&plate, &rules),
        plate,
        connector: 1,
        reason: Reason::Periodic,
        cause: None,
        rule_set: rules.name,
        body: "Institute".into(),
        verifier: "Li".into(),
        reviewer: "Wang".into(),
        instruments: vec![
            instrument(InstrumentRole::Source, source),
            instrument(InstrumentRole::Standard, "zera-like"),
        ],
        ordered_by: "Zhao".into(),
        ordered_at: time("2026-03-01T00:00:00Z"),
    }
}

/// The same with one load point only, at a power factor, so many readings.
pub(crate) fn one_point(kind: PileKind, power_factor: Option<&str>, repeats: u32) -> Order {
    let mut order = order(kind);
    order.plan.points.truncate(1);
    order.plan.points[0].power_factor = power_factor.map(decimal);
    order.plan.repeats = repeats;
    order
}

/// A reading of a register that counted so much while the standard measured so much, Wh.
pub(crate) fn reading(order: &Order, point: usize, repeat: u32, indicated: &str, reference: &str) -> Taken {
    let load: &LoadPoint = &order.plan.points[point];
    let number = i64::from(repeat) + 100 * point as i64;
    let start_wh = decimal("123456");
    Taken {
        point,
        repeat,
        discarded: 0,
        began_at: after(600 * number),
        ended_at: after(600 * number + 500),
        indication: Indication::Register { start_wh, stop_wh: start_wh + decimal(indicated) },
        reference: decimal(reference),
        voltage_v: load.voltage_v,
        current_a: load.current_a,
        power_w: load.power_w().expect("fits"),
        source_c_max: Some(decimal("35.5")),
    }
}

/// Readings of every load point, each with its own error.
pub(crate) fn readings(order: &Order, indicated: &[&str]) -> Vec<Taken> {
    let points = 0..order.plan.points.len();
    points
        .flat_map(|point| {
            let repeats = 0..order.plan.repeats;
            repeats.zip(indicated.iter().cycle()).map(move |(repeat, wh)| (point, repeat, *wh))
        })
        .map(|(point, repeat, wh)| reading(order, point, repeat, wh, "1000"))
        .collect()
}

/// A charge in the hour before the one before verifications begin.
pub(crate) fn charge() -> ChargeEvidence {
    ChargeEvidence {
        charge_no: 7,
        began_at: Some(after(-7200)),
        ended_at: after(-3600),
        register_wh: Some(decimal("1234")),
        register_step_wh: None,
        samples_wh: Some(decimal("1234")),
        signed_wh: Some(decimal("1234")),
        signed_verdict: Some("valid".into()),
        bill_kwh: Some(decimal("1.23")),
    }
}

/// Another, when every run of these tests is over.
pub(crate) fn charge_after() -> ChargeEvidence {
    ChargeEvidence { charge_no: 9, began_at: Some(after(79_200)), ended_at: after(82_800), ..charge() }
}

/// The clock as the platform measured it.
pub(crate) fn measured() -> MeasuredOffset {
    MeasuredOffset {
        offset_s: decimal("1.342"),
        half_width_s: decimal("0.53"),
        at: after(-700),
        messages: 16,
        round_trip_s: decimal("0.06"),
    }
}

pub(crate) fn record(code: ItemCode, evidence: Evidence) -> ItemRecord {
    ItemRecord { code, evidence, note: String::new(), person: "Li".into(), at: after(-600) }
}

/// A good record of an item.
pub(crate) fn good(code: ItemCode) -> ItemRecord {
    let evidence = match code {
        ItemCode::Appearance => Evidence::Looked { good: true },
        ItemCode::Clock => Evidence::Clock { offset_s: decimal("1.5"), measured: Some(measured()) },
        ItemCode::Display => {
            Evidence::Display { display_kwh: decimal("123.45"), register_wh: decimal("123456") }
        }
        ItemCode::Seal => {
            let seal =
                Seal { number: "F-1".into(), place: "cover".into(), photo_sha256: Some("ab".repeat(32)) };
            Evidence::Seals { seals: vec![seal], whole: true }
        }
        ItemCode::ConsistencyBefore => Evidence::Charge(charge()),
        ItemCode::ConsistencyAfter => Evidence::Charge(charge_after()),
        ItemCode::Insulation => {
            let between = |between: &str, megohm| InsulationReading {
                between: between.into(),
                resistance_megohm: decimal(megohm),
            };
            let readings = vec![between("L-PE", "550"), between("N-PE", "21.5")];
            Evidence::Insulation { test_voltage_v: decimal("1000"), readings }
        }
        ItemCode::IndicationError => Evidence::Indication {
            start_kwh: decimal("120.003"),
            stop_kwh: decimal("121.008"),
            reference_wh: decimal("1001.5"),
        },
        ItemCode::Payment => {
            let line = crate::item::BillLine {
                energy_kwh: decimal("10"),
                price: decimal("1.0"),
                service: decimal("0.5"),
            };
            Evidence::Payment { lines: vec![line], amount: decimal("15.00") }
        }
    };
    record(code, evidence)
}

/// Good records of everything that an order asks for.
pub(crate) fn all_good(order: &Order) -> Vec<ItemRecord> {
    order.plan.items.iter().map(|code| good(*code)).collect()
}

pub(crate) fn conditions() -> Conditions {
    Conditions {
        temperature_c: decimal("21.5"),
        humidity_percent: decimal("48"),
        person: "Li".into(),
        at: after(-300),
    }
}
