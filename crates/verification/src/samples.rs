//! Documents for tests: orders and readings made by hand, results computed by the engine itself.

use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use veripile_metrology::rules;
use veripile_pile::{AccuracyClass, PileId, PileKind};

use crate::certificate::{self, Certificate, CertificateKind, FORMAT, Issued, SigningKey, day};
use crate::clock::MeasuredOffset;
use crate::consistency::ChargeEvidence;
use crate::instrument::{Calibration, Instrument, InstrumentRole};
use crate::item::{BillLine, Conditions, Evidence, InsulationReading, ItemCode, ItemRecord, Seal};
use crate::order::{Order, Plate, Reason};
use crate::plan::{LoadPoint, Plan};
use crate::result::{Verdict, result};
use crate::run::{Indication, Taken, Trouble, Why};

/// A decimal literal.
pub(crate) fn decimal(text: &str) -> Decimal {
    text.parse().expect("literal")
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("literal")
}

/// An AC pile of class 2 on its three load points, three readings each: passes.
pub(crate) fn ac_pass() -> Issued {
    let order = order(PileKind::Ac, "2");
    let errors = ["0.312", "0.335", "0.298", "-0.142", "-0.118", "-0.131", "0.604", "0.655", "0.587"];
    let taken = readings(&order, &errors.map(decimal));
    issue(order, taken, Vec::new(), "检定时桩体外壳完好；现场使用便携式虚负荷源，接线见记录单。")
}

/// A DC pile of class 1 that over-registers at its largest current: does not pass.
pub(crate) fn dc_fail() -> Issued {
    let mut order = order(PileKind::Dc, "1");
    order.reason = Reason::Case;
    let points = order.plan.points.len() * 3;
    let errors: Vec<Decimal> = (0..points)
        .map(|index| {
            let base = if index < 3 { "1.342" } else { "0.412" };
            decimal(base) + Decimal::new([12, -9, 4][index % 3], 3)
        })
        .collect();
    let mut taken = readings(&order, &errors);
    taken[1].discarded = 2;
    let troubles = vec![
        Trouble {
            at: at("2026-03-05T02:11:09Z"),
            why: Why::StandardLost,
            detail: "connection reset by peer".into(),
        },
        Trouble {
            at: at("2026-03-05T02:14:41Z"),
            why: Why::OutputsTripped,
            detail: "输出自行断开，源面板显示过流".into(),
        },
    ];
    issue(order, taken, troubles, "")
}

/// As long as it gets: names of more than eighty characters, every load point and reading that a plan may have. Made once: its Monte
/// Carlo checks take more than a second.
pub(crate) fn longest() -> Issued {
    static LONGEST: LazyLock<Issued> = LazyLock::new(make_longest);
    LONGEST.clone()
}

fn make_longest() -> Issued {
    let mut order = order(PileKind::Ac, "2");
    let name =
        "无锡市新吴区太湖国际科技园大学科技园清源路二十号立业楼地下停车场东区第三充电站（含光伏与储能设施）";
    order.body = format!("江苏省无锡市计量测试院新能源汽车充电设施检定中心{name}");
    order.plate.operator =
        Some(format!("{name}运营管理有限责任公司（无锡）新能源科技发展有限公司及其全资子公司"));
    order.plate.station = Some(format!("{name}{name}"));
    order.plate.firmware =
        Some("fw-2026.03.01+0123456789abcdef0123456789abcdef0123456789abcdef-release-candidate".into());
    order.plate.model = Some("AC-7kW/32A-单相-壁挂式-带枪线五米-\u{1F50C}".into());
    order.verifier = "欧阳喆堃·阿不都热依木·吾买尔江·买买提明".into();
    order.number = "WX-2026-检字第〇〇〇一二三号-".to_owned() + &"0123456789".repeat(5);
    let points = (0..24).map(|index| LoadPoint {
        current_a: decimal("6") + Decimal::from(index),
        power_factor: Some(decimal(["1", "0.5", "0.8"][index as usize % 3])),
        ..order.plan.points[0].clone()
    });
    order.plan.points = points.collect();
    order.plan.repeats = 20;
    // It asks for every item.
    order.rule_set = "JJG 1148-2018 v2".into();
    order.plan.items = ItemCode::ALL.to_vec();
    let errors: Vec<Decimal> = (0..480_i64)
        .map(|index| Decimal::new((index * 37) % 90 - 45 + 20 * (index / 20 % 24 - 12), 3))
        .collect();
    let taken = readings(&order, &errors);
    let troubles = (0..12)
        .map(|minute| Trouble {
            at: at("2026-03-05T02:00:00Z") + SignedDuration::from_mins(minute),
            why: Why::ALL[minute as usize],
            detail: name.repeat(2),
        })
        .collect();
    issue(order, taken, troubles, &format!("{name}\n\n{}", name.repeat(12)))
}

/// An order as a form makes it.
pub(crate) fn order(kind: PileKind, class: &str) -> Order {
    let is_ac = kind == PileKind::Ac;
    let plate = Plate {
        pile_id: PileId::try_from(if is_ac { "WX-0042-01" } else { "WX-0107-02" }.to_owned()).expect("valid"),
        kind,
        class: AccuracyClass(decimal(class)),
        model: Some(if is_ac { "AC7-220/32" } else { "DC120-750/160" }.into()),
        meter_serial: Some("DDSU666-2024-118203".into()),
        firmware: Some("2.4.1".into()),
        power_kw: Some(decimal(if is_ac { "7" } else { "120" })),
        voltage_v: Plate::assumed_voltage_v(kind),
        current_max_a: decimal(if is_ac { "32" } else { "160" }),
        register_step_wh: decimal("1"),
        pulse_constant: is_ac.then(|| decimal("3200")),
        station: Some("太湖广场地下停车场充电站".into()),
        operator: Some("无锡示例充电服务有限公司".into()),
    };
    let rules = rules::for_kind(kind.word()).expect("known");
    let mut plan = Plan::propose(&plate, &rules);
    for point in &mut plan.points {
        point.energy_wh = point.energy_wh.max(decimal("2000"));
    }
    plan.items = ItemCode::ALL.into_iter().filter(|item| item.can_be_decided(&rules)).collect();
    Order {
        number: if is_ac { "WX-2026-000123" } else { "WX-2026-000124" }.into(),
        plate,
        connector: 1,
        reason: Reason::Periodic,
        cause: None,
        rule_set: rules.name,
        plan,
        body: "无锡市计量测试院".into(),
        verifier: "王建国".into(),
        reviewer: "李敏".into(),
        instruments: vec![
            instrument(InstrumentRole::Source, if is_ac { "fluke-6105a-like" } else { "dc-phantom-like" }),
            instrument(InstrumentRole::Standard, "zera-like"),
        ],
        ordered_by: "张伟".into(),
        ordered_at: at("2026-03-04T01:00:00Z"),
    }
}

fn instrument(role: InstrumentRole, model: &str) -> Instrument {
    Instrument {
        instrument_id: format!("I-{}", role.word()),
        role,
        model: model.into(),
        serial: "SN-2023-00917".into(),
        address: "192.0.2.7:5025".into(),
        calibration: Calibration {
            number: "DLjl2025-04417".into(),
            issuer: "中国计量科学研究院".into(),
            calibrated_at: at("2025-06-30T16:00:00Z"),
            valid_until: at("2026-06-30T15:59:59Z"),
            expanded_uncertainty_percent: decimal("0.05"),
            coverage_factor: Decimal::TWO,
            drift_percent_per_year: decimal("0.01"),
        },
    }
}

/// Readings by register with these errors, percent, in the order of points and repeats.
pub(crate) fn readings(order: &Order, errors_percent: &[Decimal]) -> Vec<Taken> {
    let repeats = order.plan.repeats as usize;
    let began = at("2026-03-05T01:30:00Z");
    errors_percent
        .iter()
        .enumerate()
        .map(|(index, error)| {
            let point = &order.plan.points[index / repeats];
            // The pile's register moves by whole steps: what the standard measured makes the error.
            let indicated = Decimal::from(1000 * (index as i64 % 3 + 2));
            let reference = indicated / (Decimal::ONE + *error / Decimal::ONE_HUNDRED);
            let start_wh = Decimal::from(120_000 + 4_000 * index as i64);
            let began_at = began + SignedDuration::from_mins(6 * index as i64);
            Taken {
                point: index / repeats,
                repeat: (index % repeats) as u32,
                discarded: 0,
                began_at,
                ended_at: began_at + SignedDuration::from_mins(5),
                indication: Indication::Register { start_wh, stop_wh: start_wh + indicated },
                reference: reference.round_dp(4),
                voltage_v: point.voltage_v,
                current_a: point.current_a,
                power_w: point.power_w().expect("small"),
                source_c_max: Some(decimal("41.5")),
            }
        })
        .collect()
}

fn items(order: &Order) -> Vec<ItemRecord> {
    let charge = |charge_no, began_at, ended_at| {
        Evidence::Charge(ChargeEvidence {
            charge_no,
            began_at: Some(at(began_at)),
            ended_at: at(ended_at),
            register_wh: Some(decimal("5123")),
            register_step_wh: None,
            samples_wh: Some(decimal("5123")),
            signed_wh: Some(decimal("5123")),
            signed_verdict: Some("valid".into()),
            bill_kwh: Some(decimal("5.12")),
        })
    };
    let seal = |number: &str, place: &str, photo: bool| Seal {
        number: number.into(),
        place: place.into(),
        photo_sha256: photo
            .then(|| "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".into()),
    };
    let bill = BillLine { energy_kwh: decimal("5.12"), price: decimal("0.85"), service: decimal("0.40") };
    let evidence = |code| match code {
        ItemCode::Appearance => Evidence::Looked { good: true },
        ItemCode::Display => {
            Evidence::Display { display_kwh: decimal("120.00"), register_wh: decimal("120003") }
        }
        ItemCode::Seal => Evidence::Seals {
            seals: vec![seal("WXJ-88120", "电能表端盖", true), seal("WXJ-88121", "桩体前门锁扣", false)],
            whole: true,
        },
        ItemCode::Clock => {
            let measured = MeasuredOffset {
                offset_s: decimal("-1.964"),
                half_width_s: decimal("0.521"),
                at: at("2026-03-05T01:09:12Z"),
                messages: 16,
                round_trip_s: decimal("0.042"),
            };
            Evidence::Clock { offset_s: decimal("-1.8"), measured: Some(measured) }
        }
        ItemCode::Payment => Evidence::Payment { lines: vec![bill.clone()], amount: decimal("6.40") },
        ItemCode::Insulation => Evidence::Insulation {
            test_voltage_v: decimal("500"),
            readings: [("相线对壳体", "550"), ("中性线对壳体", "550"), ("控制回路对壳体", "212.5")]
                .map(|(between, megohm)| InsulationReading {
                    between: between.into(),
                    resistance_megohm: decimal(megohm),
                })
                .to_vec(),
        },
        ItemCode::IndicationError => Evidence::Indication {
            start_kwh: decimal("120.003"),
            stop_kwh: decimal("122.013"),
            reference_wh: decimal("2003.4"),
        },
        ItemCode::ConsistencyBefore => charge(20_431, "2026-03-05T00:10:00Z", "2026-03-05T00:40:00Z"),
        ItemCode::ConsistencyAfter => charge(20_433, "2026-03-05T07:35:00Z", "2026-03-05T08:05:00Z"),
    };
    let record = |code: &ItemCode| ItemRecord {
        code: *code,
        evidence: evidence(*code),
        note: if *code == ItemCode::Appearance {
            "铭牌清晰，标志齐全".into()
        } else {
            String::new()
        },
        person: order.verifier.clone(),
        at: at("2026-03-05T01:10:00Z"),
    };
    order.plan.items.iter().map(record).collect()
}

fn issue(order: Order, taken: Vec<Taken>, troubles: Vec<Trouble>, remarks: &str) -> Issued {
    let items = items(&order);
    let found = result(&order, &taken, &items.iter().collect::<Vec<_>>()).expect("computable");
    let kind = if found.verdict == Verdict::Conform {
        CertificateKind::Certificate
    } else {
        CertificateKind::Notice
    };
    let verified_on = day(taken.iter().map(|reading| reading.ended_at).max().expect("readings"));
    Certificate {
        format: FORMAT.into(),
        number: order.number.clone(),
        kind,
        conditions: Conditions {
            temperature_c: decimal("21.4"),
            humidity_percent: decimal("48"),
            person: order.verifier.clone(),
            at: at("2026-03-05T01:05:00Z"),
        },
        items,
        troubles,
        result: found,
        verified_on,
        issued_at: at("2026-03-05T08:21:00Z"),
        valid_until: certificate::valid_until(kind, &order, verified_on).expect("dated"),
        remarks: remarks.into(),
        software: "veripile 0.1.0".into(),
        taken,
        order,
    }
    .sign(&SigningKey::from_seed([7; 32]))
}
