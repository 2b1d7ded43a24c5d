//! Orders: of every refusal, the neighbour that is accepted.

use proptest::prelude::*;

use super::*;
use crate::instrument::Calibration;
use crate::testing::*;

fn errors_of(order: &Order, repairers: &[String]) -> Vec<String> {
    let errors = order.check(start(), repairers).err().unwrap_or_default();
    errors.iter().map(ToString::to_string).collect()
}

/// Refused with these words, and the neighbour accepted.
fn check(kind: PileKind, refused: fn(&mut Order), words: &str, accepted: fn(&mut Order)) {
    let mut order = order(kind);
    refused(&mut order);
    assert_eq!(errors_of(&order, &[]), [words]);
    let mut order = crate::testing::order(kind);
    accepted(&mut order);
    assert_eq!(errors_of(&order, &[]), [""; 0], "{words}");
}

#[test]
fn orders_that_are_in_order_are_accepted() {
    for kind in [PileKind::Ac, PileKind::Dc] {
        assert_eq!(order(kind).check(start(), &["Qian".into()]), Ok(()));
    }
}

#[test]
fn texts_that_must_be_there_are_missed_by_name() {
    let ac = PileKind::Ac;
    check(ac, |o| o.number = " ".into(), "number is empty", |o| o.number = "1".into());
    check(ac, |o| o.body = String::new(), "body is empty", |o| o.body = "B".into());
    check(ac, |o| o.verifier = String::new(), "verifier is empty", |o| o.verifier = "L".into());
    check(ac, |o| o.reviewer = String::new(), "reviewer is empty", |o| o.reviewer = "W".into());
}

#[test]
fn verifier_and_reviewer_are_two_people_and_did_not_repair_the_pile() {
    check(
        PileKind::Ac,
        |o| o.reviewer = " LI".into(),
        "verifier and reviewer are both Li: they must be two people",
        |o| o.reviewer = "Lin".into(),
    );
    let order = order(PileKind::Ac);
    let repairers = |name: &str| vec!["Qian".to_owned(), name.to_owned()];
    for (name, person) in [("Li", "Li"), (" Li ", "Li"), ("Wang", "Wang")] {
        let words = format!("{person} repaired this pile and cannot verify or review it");
        assert_eq!(errors_of(&order, &repairers(name)), [words]);
    }
    assert_eq!(errors_of(&order, &repairers("Lin")), [""; 0]);
}

#[test]
fn outlet_0_is_the_whole_pile() {
    check(
        PileKind::Ac,
        |o| o.connector = 0,
        "outlet 0 is the whole pile; outlets are numbered from 1",
        |o| o.connector = 2,
    );
}

#[test]
fn the_rule_set_must_be_there_and_apply() {
    check(
        PileKind::Ac,
        |o| o.rule_set = "JJG 1149-2022".into(),
        "JJG 1149-2022 does not apply to ac piles",
        |o| {
            o.rule_set = "JJG 1148-2018 v2".into();
            o.plan.items = crate::item::ItemCode::ALL.to_vec();
        },
    );
    let mut order = order(PileKind::Ac);
    order.rule_set = "JJG 9999".into();
    assert_eq!(errors_of(&order, &[]), ["there is no rule set JJG 9999"]);
    check(
        PileKind::Ac,
        |o| {
            o.rule_set = "JJG 1148-2018".into();
            o.plan.items.push(crate::item::ItemCode::Payment);
        },
        "JJG 1148-2018 v1 was replaced by JJG 1148-2018 v2",
        |_| {},
    );
}

// NIST Handbook 44: ±1 % for what is new or comes back from repair, ±2 % for what is in use, whatever the plate says.
#[test]
fn why_it_is_verified_may_choose_the_limit() {
    let mut order = order(PileKind::Ac);
    order.rule_set = "NIST Handbook 44 3.40 (AC) v2".into();
    for (reason, limit) in [
        (Reason::First, "1.0"),
        (Reason::AfterRepair, "1.0"),
        (Reason::Periodic, "2.0"),
        (Reason::Case, "2.0"),
    ] {
        order.reason = reason;
        let rules = order.rules().expect("known");
        for class in ["1", "2"] {
            let class = class.parse().expect("literal");
            assert_eq!(
                rules.mpe_percent(class).map(|limit| limit.to_string()),
                Ok(limit.to_owned()),
                "{reason:?}"
            );
        }
    }
    assert_eq!(
        Reason::ALL.map(Reason::word).map(|word| veripile_metrology::rules::shape::REASONS.contains(&word)),
        [true; 4]
    );
}

#[test]
fn one_source_and_one_standard_are_needed() {
    let words = |role: &str, found: u32| {
        format!("the order names {found} instruments for the role {role}; needed: 1")
    };
    let mut order = order(PileKind::Ac);
    let (source, standard) = (order.instruments[0].clone(), order.instruments[1].clone());
    order.instruments = vec![source.clone()];
    assert_eq!(errors_of(&order, &[]), [words("standard", 0)]);
    order.instruments = vec![standard.clone()];
    assert_eq!(errors_of(&order, &[]), [words("source", 0)]);
    order.instruments = vec![source.clone(), standard.clone(), standard.clone()];
    assert_eq!(errors_of(&order, &[]), [words("standard", 2)]);
    order.instruments = vec![standard.clone(), source.clone()];
    assert_eq!(errors_of(&order, &[]), [""; 0], "in any order");
    let rules = order.rules().expect("there");
    order.plan = order.plan.under_real_load(&order.plate, &rules);
    let one_too_many = "the order names 1 instruments for the role source; needed: 0";
    assert_eq!(errors_of(&order, &[]), [one_too_many], "a real load is made without one");
    order.instruments = vec![standard];
    assert_eq!(errors_of(&order, &[]), [""; 0]);
}

#[test]
fn a_case_or_a_repair_is_named() {
    for (reason, expected) in [
        (Reason::First, &[][..]),
        (Reason::Periodic, &[]),
        (Reason::AfterRepair, &["cause is empty"]),
        (Reason::Case, &["cause is empty"]),
    ] {
        let mut order = Order { reason, ..order(PileKind::Ac) };
        for cause in [None, Some(" ".to_owned())] {
            order.cause = cause;
            assert_eq!(errors_of(&order, &[]), expected, "{reason:?}");
        }
        order.cause = Some("WX-C-17".to_owned());
        assert_eq!(errors_of(&order, &[]), [""; 0], "{reason:?}");
        assert_eq!(order.check_done(start(), start(), true), [], "{reason:?}");
    }
}

#[test]
fn an_instrument_whose_certificate_does_not_hold_is_refused() {
    for index in [0, 1] {
        let mut order = order(PileKind::Ac);
        let calibration = |order: &mut Order| order.instruments[index].calibration.clone();
        let original = calibration(&mut order);
        order.instruments[index].calibration.valid_until = after(-1);
        let name = order.instruments[index].instrument_id.clone();
        let words = format!(
            "the certificate of instrument {name} holds from 2025-09-01T00:00:00Z to 2026-03-02T05:59:59Z, \
             not at 2026-03-02T06:00:00Z"
        );
        assert_eq!(errors_of(&order, &[]), [words]);
        order.instruments[index].calibration.valid_until = start();
        assert_eq!(errors_of(&order, &[]), [""; 0]);
        order.instruments[index].calibration = Calibration { calibrated_at: after(1), ..original.clone() };
        assert_eq!(errors_of(&order, &[]).len(), 1);
        order.instruments[index].calibration = Calibration { calibrated_at: start(), ..original };
        assert_eq!(errors_of(&order, &[]), [""; 0]);
    }
}

// A third of 1 % is 0.3333… %: 0.333 is within, 0.334 is not; stated with k = 3, half as much again is the same.
#[test]
fn a_standard_must_be_known_to_a_third_of_the_limit() {
    let with = |expanded: &str, factor: &str, class: &str| {
        let mut order = order(PileKind::Ac);
        order.plate.class = AccuracyClass(decimal(class));
        let calibration = &mut order.instruments[1].calibration;
        calibration.expanded_uncertainty_percent = decimal(expanded);
        calibration.coverage_factor = decimal(factor);
        order
    };
    for (expanded, factor, class, is_good) in [
        ("0.333", "2", "1", true),
        ("0.334", "2", "1", false),
        ("0.666", "2", "2", true),
        ("0.667", "2", "2", false),
        ("0.4995", "3", "1", true),
        ("0.501", "3", "1", false),
        ("79228162514264337593543950335", "2", "1", false),
    ] {
        let errors = errors_of(&with(expanded, factor, class), &[]);
        assert_eq!(errors.is_empty(), is_good, "{expanded} {factor} {class}: {errors:?}");
    }
    let words = "instrument I-standard: U = 0.334 % is more than 1/3 of the limit of 1.0 %";
    assert_eq!(errors_of(&with("0.334", "2", "1"), &[]), [words]);
    // A source measures nothing: how well its set-points are known does not matter.
    let mut order = order(PileKind::Ac);
    order.instruments[0].calibration.expanded_uncertainty_percent = decimal("3");
    assert_eq!(errors_of(&order, &[]), [""; 0]);
}

#[test]
fn a_certificate_with_senseless_numbers_is_refused() {
    let check = |index: usize, change: fn(&mut Calibration), words: &str| {
        let mut order = order(PileKind::Ac);
        change(&mut order.instruments[index].calibration);
        let name = order.instruments[index].instrument_id.clone();
        let expected =
            if words.is_empty() { Vec::new() } else { vec![format!("instrument {name}: {words}")] };
        assert_eq!(errors_of(&order, &[]), expected);
    };
    for index in [0, 1] {
        check(
            index,
            |c| c.coverage_factor = Decimal::ZERO,
            "its certificate has a coverage factor that is not above zero",
        );
        check(
            index,
            |c| c.expanded_uncertainty_percent = decimal("-0.01"),
            "its certificate has an uncertainty or drift below zero",
        );
        check(
            index,
            |c| c.drift_percent_per_year = decimal("-0.01"),
            "its certificate has an uncertainty or drift below zero",
        );
        check(index, |c| c.drift_percent_per_year = Decimal::ZERO, "");
    }
    check(1, |c| c.expanded_uncertainty_percent = Decimal::ZERO, "its certificate has no uncertainty");
    check(1, |c| c.expanded_uncertainty_percent = decimal("0.0001"), "");
    check(0, |c| c.expanded_uncertainty_percent = Decimal::ZERO, "");
}

#[test]
fn instruments_must_be_able_to_do_what_the_plan_asks() {
    let ac = PileKind::Ac;
    check(
        ac,
        |o| o.instruments[0].model = "unheard-of".into(),
        "instrument I-source: no command map is called unheard-of; there are: dc-phantom-like, fluke-6105a-like, \
         yokogawa-wt-like, zera-like",
        |o| o.instruments[1].model = "yokogawa-wt-like".into(),
    );
    check(
        ac,
        |o| o.instruments[1].model = "fluke-6105a-like".into(),
        "instrument I-standard: fluke-6105a-like is a source, not a standard",
        |_| {},
    );
    check(
        ac,
        |o| o.instruments[0].model = "dc-phantom-like".into(),
        "instrument I-source: dc-phantom-like is for dc, the pile for ac",
        |_| {},
    );
    check(
        ac,
        |o| {
            o.plate.current_max_a = decimal("100");
            o.plan.points.truncate(1);
            o.plan.points[0].current_a = decimal("80.1");
        },
        "instrument I-source: 220 V and 80.1 A are beyond its 1008 V and 80 A",
        |o| {
            o.plate.current_max_a = decimal("100");
            o.plan.points.truncate(1);
            o.plan.points[0].current_a = decimal("80");
        },
    );
    check(
        PileKind::Dc,
        |o| {
            o.plate.voltage_v = decimal("1000");
            o.plan.points[2].voltage_v = decimal("1050.1");
            o.instruments[1].model = "yokogawa-wt-like".into();
        },
        "instrument I-source: 1050.1 V and 25 A are beyond its 1050 V and 300 A",
        |o| {
            o.plate.voltage_v = decimal("1000");
            o.plan.points[2].voltage_v = decimal("1050");
        },
    );
    check(
        ac,
        |o| {
            o.plan.points[0].method = Method::Pulse { pulses: 100 };
            o.instruments[1].model = "yokogawa-wt-like".into();
        },
        "instrument I-standard: it has no pulse input",
        |o| o.plan.points[0].method = Method::Pulse { pulses: 100 },
    );
}

#[test]
fn a_power_factor_below_the_instrument_s_is_refused() {
    let mut order = order(PileKind::Ac);
    order.plan.points[1].power_factor = Some(decimal("0.09"));
    let errors = errors_of(&order, &[]);
    assert!(errors.contains(&"instrument I-source: power factor 0.09 is below its 0.1".into()), "{errors:?}");
    order.plan.points[1].power_factor = Some(decimal("0.1"));
    assert_eq!(errors_of(&order, &[]), [""; 0]);
}

#[test]
fn what_is_wrong_with_the_plan_is_told_with_the_rest() {
    let mut order = order(PileKind::Ac);
    order.plan.repeats = 1;
    order.body = String::new();
    assert_eq!(
        errors_of(&order, &[]),
        ["body is empty", "readings at each load point: 1, allowed are 2 to 20"]
    );
}

// A verification that was made is held to people, certificates and rules; not to what this program can drive today.
#[test]
fn what_was_done_is_not_held_to_todays_command_maps_and_pace() {
    let mut order = order(PileKind::Ac);
    order.instruments[0].model = "no longer made".into();
    order.plan.pace.poll_ms = 1;
    assert_eq!(order.check_done(start(), after(60), true), []);
    order.instruments[1].calibration.valid_until = after(59);
    assert_eq!(order.check_done(start(), after(60), true).len(), 1, "it ran out on the way");
    order.instruments[1].calibration.valid_until = after(60);
    order.plan.repeats = 1;
    assert_eq!(order.check_done(start(), after(60), true).len(), 1, "the rule set asks for two");
}

// `I_max = P / U`, by hand: 7000/220 = 31.81…, 180000/750 = 240, 120000/750 = 160; 6951/220 = 31.595….
#[test]
fn a_silent_plate_has_the_current_of_its_power() {
    for (power, voltage, expected) in
        [("7", "220", "31.8"), ("180", "750", "240"), ("120", "750", "160"), ("6.951", "220", "31.6")]
    {
        assert_eq!(Plate::current_from_power(decimal(power), decimal(voltage)), Some(decimal(expected)));
    }
    assert_eq!(Plate::current_from_power(decimal("7"), Decimal::ZERO), None);
    assert_eq!(Plate::current_from_power(Decimal::MAX, decimal("220")), None);
    assert_eq!(Plate::assumed_voltage_v(PileKind::Ac), decimal("220"));
    assert_eq!(Plate::assumed_voltage_v(PileKind::Dc), decimal("750"));
}

#[test]
fn words_of_reasons_read_back() {
    for reason in Reason::ALL {
        assert_eq!(Reason::from_word(reason.word()), Some(reason));
        assert_eq!(serde_json::to_string(&reason).expect("writes"), format!("{:?}", reason.word()));
    }
    assert_eq!(Reason::from_word("whim"), None);
}

proptest! {
    // Numbers of any size in any place are refused or accepted, and never a panic.
    #[test]
    fn any_numbers_are_judged_without_a_panic(
        mantissas in prop::collection::vec(any::<i128>().prop_map(|m| m % (1i128 << 96)), 9),
        scales in prop::collection::vec(0u32..29, 9),
    ) {
        let mut numbers = mantissas.iter().zip(scales).map(|(m, s)| Decimal::from_i128_with_scale(*m, s));
        let mut next = || numbers.next().expect("nine");
        let mut order = order(PileKind::Ac);
        order.plate.current_max_a = next();
        order.plate.voltage_v = next();
        order.plate.register_step_wh = next();
        order.plan.points[0].current_a = next();
        order.plan.points[1].power_factor = Some(next());
        order.plan.set_point_percent = next();
        order.instruments[1].calibration.expanded_uncertainty_percent = next();
        order.instruments[1].calibration.coverage_factor = next();
        order.instruments[1].calibration.drift_percent_per_year = next();
        prop_assert!(order.check(start(), &[]).is_err());
        let rules = order.rules().expect("there");
        let _ = Plan::propose(&order.plate, &rules);
        let _ = crate::result::so_far(&order, &readings(&crate::testing::order(PileKind::Ac), &["1000"]));
    }
}

#[test]
fn a_pile_with_other_firmware_is_not_the_one_that_was_ordered() {
    let check = |ordered: Option<&str>, told: Option<&str>, expected: bool| {
        let mut order = order(PileKind::Ac);
        order.plate.firmware = ordered.map(str::to_owned);
        assert_eq!(order.check_firmware(told).is_ok(), expected, "{ordered:?} {told:?}");
    };
    check(Some("1.0"), Some("1.0"), true);
    check(Some("1.0"), Some(" 1.0 "), true);
    check(Some("1.0"), Some("1.0.1"), false);
    check(Some("1.0"), Some(""), false);
    check(Some("1.0"), None, true);
    check(None, Some("1.0"), true);
    check(None, None, true);
}
