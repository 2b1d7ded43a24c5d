//! Items: each by its limits and beyond them, and evidence that says nothing.

use veripile_pile::{AccuracyClass, PileKind};

use super::*;
use crate::testing::*;

/// The rule set of 2018, which asks for every item.
fn rules() -> RuleSet {
    rules::named("jjg-1148-2018").expect("there")
}

/// By the rule set in force, of an AC pile of class 1 with a register of 1 Wh.
fn passes(code: ItemCode, evidence: Evidence, reason: Reason) -> bool {
    let order = Order { reason, ..order(PileKind::Ac) };
    record(code, evidence).passed(&order.rules().expect("there"), &order)
}

/// By the rule set of 2018: whether it passes, and why it says nothing.
fn found(code: ItemCode, evidence: Evidence, class: &str) -> (bool, Option<Unfit>) {
    let mut order = order(PileKind::Ac);
    order.plate.class = AccuracyClass(decimal(class));
    let record = record(code, evidence);
    (record.passed(&rules(), &order), record.unfit(&rules(), &order))
}

// JJG 1148-2022: 5 s at the first verification, 3 min later; to either side.
#[test]
fn a_clock_is_held_to_less_at_the_first_verification() {
    for (offset, first, later) in [
        ("0", true, true),
        ("5", true, true),
        ("-5", true, true),
        ("5.001", false, true),
        ("-5.001", false, true),
        ("180", false, true),
        ("-180", false, true),
        ("180.001", false, false),
    ] {
        let evidence = Evidence::Clock { offset_s: decimal(offset), measured: None };
        assert_eq!(passes(ItemCode::Clock, evidence.clone(), Reason::First), first, "{offset}");
        for reason in [Reason::Periodic, Reason::AfterRepair, Reason::Case] {
            assert_eq!(passes(ItemCode::Clock, evidence.clone(), reason), later, "{offset}");
        }
    }
    let without = rules::named("OIML R 46").expect("there");
    assert_eq!(clock_limit_s(&without, Reason::First), None);
    let clock = record(ItemCode::Clock, Evidence::Clock { offset_s: Decimal::ZERO, measured: None });
    assert!(!clock.passed(&without, &order(PileKind::Ac)), "without a limit nothing is within it");
    assert!(!ItemCode::Clock.can_be_decided(&without) && ItemCode::Clock.can_be_decided(&rules()));
}

// 123456 Wh on displays of three, two and no decimals, cut and rounded; a step of the register may lie between.
#[test]
fn a_display_shows_the_register_to_its_last_digit() {
    for (display, register, expected) in [
        ("123.456", "123456", true),
        ("123.457", "123456", true),
        ("123.458", "123456", false),
        ("123.45", "123456", true),
        ("123.46", "123456", true),
        ("123.47", "123456", false),
        ("123.44", "123456", false),
        ("1.23", "1239.9", true),
        ("1.23", "1240", false),
        ("123", "123999", true),
        ("123", "124000", false),
        ("79228162514264337593543950335", "1", false),
    ] {
        let evidence = Evidence::Display { display_kwh: decimal(display), register_wh: decimal(register) };
        assert_eq!(passes(ItemCode::Display, evidence, Reason::First), expected, "{display} {register}");
    }
}

#[test]
fn seals_are_there_and_whole() {
    let seal = Seal { number: "F-1".into(), place: "cover".into(), photo_sha256: None };
    for (seals, whole, expected) in
        [(vec![seal.clone()], true, true), (vec![seal], false, false), (Vec::new(), true, false)]
    {
        assert_eq!(passes(ItemCode::Seal, Evidence::Seals { seals, whole }, Reason::First), expected);
    }
}

// By hand: 10 kWh at 1.00 + 0.50 are 15.00, 3.333 kWh at 1.20 + 0.50 are 5.6661: 20.67, and 0.01 to either side.
#[test]
fn a_bill_is_what_energy_and_prices_make_of_it() {
    let line = |energy: &str, price: &str, service: &str| BillLine {
        energy_kwh: decimal(energy),
        price: decimal(price),
        service: decimal(service),
    };
    let lines = vec![line("10", "1.00", "0.50"), line("3.333", "1.20", "0.50")];
    for (amount, expected) in
        [("20.67", true), ("20.66", true), ("20.68", true), ("20.65", false), ("20.69", false)]
    {
        let evidence = Evidence::Payment { lines: lines.clone(), amount: decimal(amount) };
        assert_eq!(passes(ItemCode::Payment, evidence, Reason::First), expected, "{amount}");
    }
    let nothing = Evidence::Payment { lines: Vec::new(), amount: decimal("0") };
    assert!(!passes(ItemCode::Payment, nothing, Reason::First));
}

#[test]
fn a_charge_beside_the_test_must_be_consistent() {
    for code in [ItemCode::ConsistencyBefore, ItemCode::ConsistencyAfter] {
        assert!(passes(code, Evidence::Charge(charge()), Reason::First));
        let other = ChargeEvidence { signed_wh: Some(decimal("1233")), ..charge() };
        assert!(!passes(code, Evidence::Charge(other), Reason::First));
    }
}

fn insulation(volts: &str, megohms: &[&str]) -> Evidence {
    let reading =
        |megohm: &&str| InsulationReading { between: "L-PE".into(), resistance_megohm: decimal(megohm) };
    Evidence::Insulation { test_voltage_v: decimal(volts), readings: megohms.iter().map(reading).collect() }
}

// By hand from the rule set's file: 10 MΩ at 500 V.
#[test]
fn insulation_holds_everywhere_at_the_rule_sets_voltage() {
    let voltage = Some(Unfit::Voltage { least_v: decimal("500") });
    for (volts, megohms, expected) in [
        ("500", &["10"][..], (true, None)),
        ("1000", &["10", "550"], (true, None)),
        ("500", &["550", "9.99"], (false, None)),
        ("500", &["0"], (false, None)),
        ("499", &["550"], (false, voltage.clone())),
        ("250", &["1"], (false, voltage)),
        ("500", &[], (false, Some(Unfit::Nothing))),
        ("500", &["550", "-1"], (false, Some(Unfit::Nothing))),
    ] {
        assert_eq!(found(ItemCode::Insulation, insulation(volts, megohms), "1"), expected, "{megohms:?}");
    }
}

fn indication(start: &str, stop: &str, reference: &str) -> Evidence {
    Evidence::Indication {
        start_kwh: decimal(start),
        stop_kwh: decimal(stop),
        reference_wh: decimal(reference),
    }
}

// By hand: class 1 may be off by 1.0 % of what the standard measured, rounded to 0.1 % half to even; class 2 by 2.0 %, to 0.2 %.
#[test]
fn an_indication_error_is_rounded_and_held_to_its_limit() {
    for (stop, class, error, expected) in [
        ("101.000", "1", "0", true),
        ("101.010", "1", "1", true),
        ("101.0104", "1", "1.04", true),
        ("101.0105", "1", "1.05", true),
        ("101.0106", "1", "1.06", false),
        ("100.9895", "1", "-1.05", true),
        ("100.9894", "1", "-1.06", false),
        ("101.0106", "2", "1.06", true),
        ("101.021", "2", "2.1", true),
        ("101.0211", "2", "2.11", false),
        ("100.979", "2", "-2.1", true),
        ("100.9789", "2", "-2.11", false),
    ] {
        let (start, reference) = (decimal("100.000"), decimal("1000"));
        assert_eq!(indication_error_percent(start, decimal(stop), reference), Some(decimal(error)), "{stop}");
        let evidence = indication("100.000", stop, "1000");
        assert_eq!(found(ItemCode::IndicationError, evidence, class), (expected, None), "{stop} {class}");
    }
}

// By hand: the last digit may be a tenth of a hundredth of the energy in class 1: 0.001 kWh needs 1 kWh, 0.01 kWh 10 kWh, 1 kWh
// 1000; in class 2 half as much.
#[test]
fn a_coarse_display_needs_much_energy() {
    let energy = |least: &str| Some(Unfit::Energy { least_wh: decimal(least) });
    for (start, stop, reference, class, expected) in [
        ("100.000", "101.000", "1000", "1", (true, None)),
        ("100.000", "101.000", "999.9", "1", (false, energy("1000"))),
        ("100.00", "101.000", "1000", "1", (false, energy("10000"))),
        ("100.00", "110.00", "10000", "1", (true, None)),
        ("100.00", "105.00", "5000", "2", (true, None)),
        ("100.00", "104.99", "4999", "2", (false, energy("5000"))),
        ("100", "105", "5000", "1", (false, energy("1000000"))),
        ("100.000", "99.000", "1000", "1", (false, Some(Unfit::Nothing))),
        ("100.000", "101.000", "0", "1", (false, Some(Unfit::Nothing))),
        ("-79228162514264337593543950335", "1", "1", "1", (false, Some(Unfit::Nothing))),
        ("100.000", "101.000", "1000", "0.5", (false, Some(Unfit::NoLimit))),
    ] {
        let evidence = indication(start, stop, reference);
        assert_eq!(found(ItemCode::IndicationError, evidence, class), expected, "{start} {stop} {class}");
    }
}

#[test]
fn without_a_limit_neither_insulation_nor_indication_passes() {
    let order = order(PileKind::Ac);
    let in_force = order.rules().expect("there");
    for code in [ItemCode::Insulation, ItemCode::IndicationError] {
        assert!(code.can_be_decided(&rules()) && !code.can_be_decided(&in_force));
        let record = good(code);
        assert!(record.passed(&rules(), &order) && !record.passed(&in_force, &order));
        assert_eq!(record.unfit(&in_force, &order), Some(Unfit::NoLimit));
    }
}

#[test]
fn evidence_of_another_item_passes_nothing() {
    let passes = |code, evidence: Evidence| record(code, evidence).passed(&rules(), &order(PileKind::Ac));
    let evidences = ItemCode::ALL.map(|code| good(code).evidence);
    for code in ItemCode::ALL {
        for evidence in &evidences {
            let kind = std::mem::discriminant(evidence);
            let is_looked = matches!(evidence, Evidence::Looked { .. })
                && matches!(code, ItemCode::Appearance | ItemCode::Display | ItemCode::Seal);
            let fits = kind == std::mem::discriminant(&good(code).evidence) || is_looked;
            assert_eq!(passes(code, evidence.clone()), fits, "{code:?} {evidence:?}");
        }
    }
    assert!(!passes(ItemCode::Appearance, Evidence::Looked { good: false }));
}

#[test]
fn words_of_items_read_back() {
    for code in ItemCode::ALL {
        assert_eq!(ItemCode::from_word(code.word()), Some(code));
        assert_eq!(serde_json::to_string(&code).expect("writes"), format!("{:?}", code.word()));
    }
    assert_eq!(ItemCode::from_word("luck"), None);
}
