//! Documents for tests: whole verifications of an AC pile and of a DC charger, signed. Used here and, by its path, by the
//! validation against the real schemas in `tests/`; so it names this crate as its parent does.

use rust_decimal::Decimal;

use super::verification::certificate::{Certificate, CertificateKind, FORMAT, Issued, SigningKey, day};
use super::verification::clock::MeasuredOffset;
use super::verification::consistency::ChargeEvidence;
use super::verification::instrument::{Calibration, Instrument, InstrumentRole};
use super::verification::item::{
    BillLine, Conditions, Evidence, InsulationReading, ItemCode, ItemRecord, Seal,
};
use super::verification::order::{Order, Plate, Reason};
use super::verification::plan::{Method, Plan};
use super::verification::result::{Verdict, result};
use super::verification::run::{Indication, Taken};

/// A decimal with the digits as written.
pub fn decimal(text: &str) -> Decimal {
    text.parse().expect("literal")
}

fn moment(text: &str) -> jiff::Timestamp {
    text.parse().expect("literal")
}

/// An AC pile of class 1.
pub fn ac() -> Order {
    order("AC-0001", "fluke-6105a-like", "JJG 1148-2022", "220", "32")
}

/// A DC charger of class 1.
pub fn dc() -> Order {
    order("DC-0001", "dc-phantom-like", "JJG 1149-2022", "750", "250")
}

/// The same order by pulses instead of registers.
pub fn by_pulses(mut order: Order) -> Order {
    order.plate.pulse_constant = Some(decimal("1000"));
    order.plan.points.iter_mut().for_each(|point| point.method = Method::Pulse { pulses: 1000 });
    order
}

fn order(pile: &str, source: &str, rule_set: &str, voltage: &str, current: &str) -> Order {
    let kind = if rule_set.contains("1148") { "\"ac\"" } else { "\"dc\"" };
    let plate = Plate {
        pile_id: pile.to_owned().try_into().expect("literal"),
        kind: serde_json::from_str(kind).expect("literal"),
        class: serde_json::from_str("\"1\"").expect("literal"),
        model: Some("EVC-7".into()),
        meter_serial: Some("MS-20260001".into()),
        firmware: Some("2.4.1".into()),
        power_kw: Some(decimal("7.0")),
        voltage_v: decimal(voltage),
        current_max_a: decimal(current),
        register_step_wh: decimal("1"),
        pulse_constant: None,
        station: Some("滨湖站".into()),
        operator: Some("示例充电运营有限公司".into()),
    };
    let mut unnamed = Order {
        number: format!("V2026-{pile}"),
        plan: Plan::propose(&plate, &rules(rule_set)),
        plate,
        connector: 1,
        reason: Reason::First,
        cause: None,
        rule_set: rule_set.into(),
        body: "示例计量检定所".into(),
        verifier: "张三".into(),
        reviewer: "李四".into(),
        instruments: vec![
            instrument(InstrumentRole::Source, source, "0.05"),
            instrument(InstrumentRole::Standard, "zera-like", "0.030"),
        ],
        ordered_by: "王五".into(),
        ordered_at: moment("2026-03-01T02:00:00Z"),
    };
    unnamed.plan.repeats = 3;
    unnamed
}

fn rules(name: &str) -> veripile_metrology::rules::RuleSet {
    veripile_metrology::rules::named(name).expect("a rule set of ours")
}

fn instrument(role: InstrumentRole, model: &str, expanded: &str) -> Instrument {
    Instrument {
        instrument_id: format!("I-{}", role.word()),
        role,
        model: model.into(),
        serial: format!("SN-{}", role.word()),
        address: "192.0.2.7:5025".into(),
        calibration: Calibration {
            number: format!("C2026-{}", role.word()),
            issuer: "中国计量科学研究院".into(),
            calibrated_at: moment("2026-01-05T00:00:00Z"),
            valid_until: moment("2027-01-04T15:59:59Z"),
            expanded_uncertainty_percent: decimal(expanded),
            coverage_factor: Decimal::TWO,
            drift_percent_per_year: decimal("0.020"),
        },
    }
}

/// The signed document of an order whose readings were `over_wh` too high on 5000 Wh, one number for each repeat.
pub fn issued(order: Order, over_wh: [&str; 3]) -> Issued {
    changed(order, over_wh, |_| {})
}

/// The same, changed before it is signed.
pub fn changed(order: Order, over_wh: [&str; 3], change: impl FnOnce(&mut Certificate)) -> Issued {
    let taken = readings(&order, over_wh);
    let items = items(&order);
    let found = result(&order, &taken, &items.iter().collect::<Vec<_>>()).expect("a result");
    let passes = found.verdict == Verdict::Conform;
    let verified_on = day(taken.iter().map(|reading| reading.ended_at).max().expect("readings"));
    let mut certificate = Certificate {
        format: FORMAT.into(),
        number: order.number.clone(),
        kind: if passes { CertificateKind::Certificate } else { CertificateKind::Notice },
        conditions: Conditions {
            temperature_c: decimal("21.50"),
            humidity_percent: decimal("48"),
            person: order.verifier.clone(),
            at: moment("2026-03-10T01:30:00Z"),
        },
        order,
        taken,
        items,
        troubles: Vec::new(),
        result: found,
        verified_on,
        issued_at: moment("2026-03-11T03:00:00Z"),
        valid_until: passes.then(|| "2029-03-09".parse().expect("literal")),
        remarks: String::new(),
        software: "veripile 0.1.0".into(),
    };
    change(&mut certificate);
    certificate.sign(&SigningKey::from_seed([7; 32]))
}

fn readings(order: &Order, over_wh: [&str; 3]) -> Vec<Taken> {
    let mut taken = Vec::new();
    for (index, point) in order.plan.points.iter().enumerate() {
        for (repeat, over_wh) in over_wh.into_iter().enumerate() {
            let began_at =
                moment("2026-03-10T02:00:00Z") + jiff::SignedDuration::from_mins((taken.len() * 20) as i64);
            let (indication, reference) = match point.method {
                Method::Register => (
                    Indication::Register {
                        start_wh: decimal("1234567.000"),
                        stop_wh: decimal("1239567.000") + decimal(over_wh),
                    },
                    decimal("5000.000"),
                ),
                // 5000 pulses of the standard stand for 5000 Wh as above: 1000 of the pile are 1 kWh, 10,000,000 of the standard.
                Method::Pulse { pulses } => (
                    Indication::Pulses {
                        pulses,
                        pile_constant: decimal("1000"),
                        standard_constant: decimal("10000000"),
                    },
                    decimal("10000000") - decimal(over_wh) * decimal("2000"),
                ),
            };
            taken.push(Taken {
                point: index,
                repeat: repeat as u32,
                discarded: 0,
                began_at,
                ended_at: began_at + jiff::SignedDuration::from_millis(900_250),
                indication,
                reference,
                voltage_v: point.voltage_v + decimal("0.012"),
                current_a: point.current_a - decimal("0.0030"),
                power_w: point.power_w().expect("a power") + decimal("0.5"),
                source_c_max: Some(decimal("41.5")),
            });
        }
    }
    taken
}

fn items(order: &Order) -> Vec<ItemRecord> {
    let record = |code| ItemRecord {
        code,
        evidence: evidence(code),
        note: String::new(),
        person: order.verifier.clone(),
        at: moment("2026-03-10T01:40:00Z"),
    };
    ItemCode::ALL.into_iter().map(record).collect()
}

fn charge(charge_no: i64, began_at: &str, ended_at: &str) -> Evidence {
    Evidence::Charge(ChargeEvidence {
        charge_no,
        began_at: Some(moment(began_at)),
        ended_at: moment(ended_at),
        register_wh: Some(decimal("1234")),
        register_step_wh: None,
        samples_wh: Some(decimal("1234.000")),
        signed_wh: Some(decimal("1234")),
        signed_verdict: Some("valid".into()),
        bill_kwh: Some(decimal("1.234")),
    })
}

fn evidence(code: ItemCode) -> Evidence {
    match code {
        ItemCode::Appearance => Evidence::Looked { good: true },
        ItemCode::Clock => {
            let measured = MeasuredOffset {
                offset_s: decimal("-1.321"),
                half_width_s: decimal("0.0455"),
                at: moment("2026-03-10T01:40:00.125Z"),
                messages: 16,
                round_trip_s: decimal("0.091"),
            };
            Evidence::Clock { offset_s: decimal("-1.250"), measured: Some(measured) }
        }
        ItemCode::Display => {
            Evidence::Display { display_kwh: decimal("1234.567"), register_wh: decimal("1234567") }
        }
        ItemCode::Seal => Evidence::Seals {
            seals: vec![
                Seal {
                    number: "F-001".into(),
                    place: "电能表盖".into(),
                    photo_sha256: Some("ab".repeat(32)),
                },
                Seal { number: "F-002".into(), place: "接线端子盖".into(), photo_sha256: None },
            ],
            whole: true,
        },
        ItemCode::Payment => Evidence::Payment {
            lines: vec![BillLine {
                energy_kwh: decimal("10.000"),
                price: decimal("0.8000"),
                service: decimal("0.40"),
            }],
            amount: decimal("12.00"),
        },
        ItemCode::Insulation => Evidence::Insulation {
            test_voltage_v: decimal("500"),
            readings: vec![
                InsulationReading { between: "L—PE".into(), resistance_megohm: decimal("550.0") },
                InsulationReading { between: "N—PE".into(), resistance_megohm: decimal("1000") },
            ],
        },
        ItemCode::IndicationError => Evidence::Indication {
            start_kwh: decimal("1234.567"),
            stop_kwh: decimal("1239.577"),
            reference_wh: decimal("5000.000"),
        },
        ItemCode::ConsistencyBefore => charge(17, "2026-03-10T00:50:00Z", "2026-03-10T01:20:00Z"),
        ItemCode::ConsistencyAfter => charge(18, "2026-03-10T23:00:00Z", "2026-03-10T23:30:00Z"),
    }
}

/// Names that break careless writers: markup, quotes, right-to-left text with an override, what XML 1.0 cannot hold, blanks at the
/// ends, none at all.
pub fn odd(certificate: &mut Certificate) {
    let order = &mut certificate.order;
    order.body = "A<B> & \"C\" 'D' ]]> <!-- &amp; -->".into();
    order.verifier = "حسن\u{202E}abc\u{202C}".into();
    order.reviewer = " \tblank\r\nline\u{85}\u{2028} ".into();
    order.plate.operator = Some("nul\u{0}bell\u{7}esc\u{1B}not\u{FFFE}char\u{FFFF}".into());
    order.plate.model = Some("   ".into());
    order.plate.meter_serial = Some(String::new());
    order.plate.firmware = Some("\u{1F50C} v1".into());
    order.plate.station = None;
    certificate.software = "alone".into();
    certificate.remarks = "line one\nline <two>".into();
    certificate.items[0].note = "\u{1}".into();
}
