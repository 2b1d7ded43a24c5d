//! Plans: what a rule set proposes holds before it; of every refusal, the neighbour that is accepted.

use proptest::prelude::*;
use veripile_metrology::rules;
use veripile_pile::AccuracyClass;

use super::*;
use crate::testing::*;

fn ac() -> (Plate, RuleSet, Plan) {
    let (plate, rules) = (plate(PileKind::Ac), rules::for_kind("ac").expect("there"));
    let plan = Plan::propose(&plate, &rules);
    (plate, rules, plan)
}

fn dc() -> (Plate, RuleSet, Plan) {
    let (plate, rules) = (plate(PileKind::Dc), rules::for_kind("dc").expect("there"));
    let plan = Plan::propose(&plate, &rules);
    (plate, rules, plan)
}

// By hand: 32 A and a tenth of it, which is below 6 A; 1 Wh is a tenth of 1 % of 1000 Wh.
#[test]
fn an_ac_pile_of_class_1_is_proposed_three_load_points_of_a_kilowatt_hour() {
    let (plate, rules, plan) = ac();
    let points: Vec<_> = plan
        .points
        .iter()
        .map(|point| {
            (
                point.voltage_v.to_string(),
                point.current_a.to_string(),
                point.power_factor.map(|f| f.to_string()),
            )
        })
        .collect();
    let point = |current: &str, factor: &str| ("220".to_owned(), current.to_owned(), Some(factor.to_owned()));
    assert_eq!(points, [point("32", "1"), point("32", "0.5"), point("6", "1")]);
    assert!(plan.points.iter().all(|point| point.energy_wh == decimal("1000")));
    assert_eq!((plan.frequency_hz, plan.repeats), (decimal("50"), 3));
    assert_eq!(
        plan.items,
        [
            ItemCode::Appearance,
            ItemCode::Display,
            ItemCode::Seal,
            ItemCode::Clock,
            ItemCode::ConsistencyBefore,
            ItemCode::ConsistencyAfter
        ]
    );
    assert_eq!(plan.effects.ripple_percent, Decimal::ZERO);
    assert_eq!(plan.check(&plate, &rules), []);
}

// By hand: 250 A, half and a tenth of it.
#[test]
fn a_dc_pile_is_proposed_three_currents_and_no_power_factor() {
    let (plate, rules, plan) = dc();
    let currents: Vec<_> = plan.points.iter().map(|point| point.current_a.to_string()).collect();
    assert_eq!(currents, ["250", "125", "25"]);
    assert!(plan.points.iter().all(|point| point.power_factor.is_none()));
    assert_eq!(plan.frequency_hz, Decimal::ZERO);
    assert_eq!(plan.effects.phase_deg, Decimal::ZERO);
    assert_eq!(plan.check(&plate, &rules), []);
}

// `W ≥ δ / (0.1 × class / 100)`, by hand.
#[test]
fn the_least_energy_follows_class_and_step() {
    for (class, step, expected) in [
        ("1", "1", "1000"),
        ("2", "1", "500"),
        ("1", "10", "10000"),
        ("2", "0.1", "50"),
        ("1", "100", "100000"),
    ] {
        let (mut plate, rules, _) = ac();
        plate.class = AccuracyClass(decimal(class));
        plate.register_step_wh = decimal(step);
        let mut plan = Plan::propose(&plate, &rules);
        assert_eq!(plan.points[0].energy_wh, decimal(expected), "{class} {step}");
        assert_eq!(plan.check(&plate, &rules), []);
        plan.points[1].energy_wh = decimal(expected) - Decimal::new(1, 3);
        let errors = plan.check(&plate, &rules);
        assert!(
            matches!(&errors[..], [PlanError::Point { point: 2, what: "energy (Wh)", .. }]),
            "{class} {step}: {errors:?}"
        );
    }
}

// A tenth of the rated current, and not below 6 A (JJG 1148/1149-2022); the plates by hand.
#[test]
fn the_least_current_is_a_tenth_of_the_largest_and_6_a() {
    for (rated, least, below) in [
        ("32", "6", "5.99"),
        ("60", "6", "5.99"),
        ("250", "25", "24.99"),
        ("90.91", "9.091", "9.09"),
        ("4", "4", "3.99"),
    ] {
        let (mut plate, rules, mut plan) = dc();
        plate.current_max_a = decimal(rated);
        plan.points.truncate(1);
        plan.points[0].current_a = decimal(least);
        assert_eq!(plan.check(&plate, &rules), [], "{rated}");
        plan.points[0].current_a = decimal(below);
        assert_eq!(plan.check(&plate, &rules).len(), 1, "{rated}");
    }
}

#[test]
fn every_rule_set_proposes_what_it_accepts() {
    for rules in rules::all().expect("readable") {
        let kind = if rules.applies_to == "ac" { PileKind::Ac } else { PileKind::Dc };
        for class in &rules.classes {
            let mut plate = plate(kind);
            plate.class = AccuracyClass(class.number().expect("it has one"));
            let plan = Plan::propose(&plate, &rules);
            assert_eq!(plan.check(&plate, &rules), [], "{} {}", rules.name, class.name);
            assert!(rules.load_points.at_least as usize <= plan.points.len(), "{}", rules.name);
            assert!(plan.items.contains(&ItemCode::ConsistencyBefore), "{}", rules.name);
        }
    }
}

proptest! {
    // Currents to a thousandth, as plates give them at the finest; steps from 0.01 Wh to 10 Wh.
    #[test]
    fn proposals_hold_for_plates_of_every_size(
        is_ac in any::<bool>(),
        class in prop_oneof![Just("1"), Just("2")],
        milliamperes in 1_000i64..1_500_000,
        volts in 100i64..1500,
        hundredths_wh in 1i64..1000,
    ) {
        let kind = if is_ac { PileKind::Ac } else { PileKind::Dc };
        let rules = rules::for_kind(kind.word()).expect("there");
        let mut plate = plate(kind);
        plate.class = AccuracyClass(decimal(class));
        plate.current_max_a = Decimal::new(milliamperes, 3);
        plate.voltage_v = Decimal::from(volts);
        plate.register_step_wh = Decimal::new(hundredths_wh, 2);
        let plan = Plan::propose(&plate, &rules);
        prop_assert_eq!(plan.check(&plate, &rules), []);
    }
}

/// Refused with these words, and the neighbour accepted.
fn check(is_dc: bool, refused: fn(&mut Plan, &mut Plate), words: &str, accepted: fn(&mut Plan, &mut Plate)) {
    let (mut plate, rules, mut plan) = if is_dc { dc() } else { ac() };
    let original = (plate.clone(), plan.clone());
    refused(&mut plan, &mut plate);
    let errors: Vec<_> = plan.check(&plate, &rules).iter().map(ToString::to_string).collect();
    assert_eq!(errors, [words]);
    (plate, plan) = original;
    accepted(&mut plan, &mut plate);
    assert_eq!(plan.check(&plate, &rules), [], "{words}");
}

#[test]
fn counts_have_a_least_and_a_most() {
    check(false, |p, _| p.points.clear(), "load points: 0, allowed are 1 to 24", |p, _| p.points.truncate(1));
    check(
        false,
        |p, _| p.points = vec![p.points[0].clone(); 25],
        "load points: 25, allowed are 1 to 24",
        |p, _| p.points = vec![p.points[0].clone(); 24],
    );
    check(
        false,
        |p, _| p.repeats = 1,
        "readings at each load point: 1, allowed are 2 to 20",
        |p, _| p.repeats = 2,
    );
    check(
        false,
        |p, _| p.repeats = 21,
        "readings at each load point: 21, allowed are 2 to 20",
        |p, _| p.repeats = 20,
    );
}

#[test]
fn a_pace_has_its_bounds() {
    check(
        false,
        |p, _| p.pace.warm_up_s = 7201,
        "warm-up (s): 7201, allowed are 0 to 7200",
        |p, _| p.pace.warm_up_s = 7200,
    );
    check(
        false,
        |p, _| p.pace.settle_ms = 60_001,
        "settling (ms): 60001, allowed are 0 to 60000",
        |p, _| p.pace.settle_ms = 60_000,
    );
    check(
        false,
        |p, _| p.pace.poll_ms = 19,
        "polling (ms): 19, allowed are 20 to 60000",
        |p, _| p.pace.poll_ms = 20,
    );
    check(
        false,
        |p, _| (p.pace.poll_ms, p.pace.watchdog_s) = (60_001, 600),
        "polling (ms): 60001, allowed are 20 to 60000",
        |p, _| (p.pace.poll_ms, p.pace.watchdog_s) = (60_000, 600),
    );
    check(
        false,
        |p, _| p.pace.watchdog_s = 601,
        "dead-man time (s): 601, allowed are 1 to 600",
        |p, _| p.pace.watchdog_s = 600,
    );
    check(
        false,
        |p, _| (p.pace.watchdog_s, p.pace.poll_ms) = (0, 20),
        "dead-man time (s): 0, allowed are 1 to 600",
        |p, _| (p.pace.watchdog_s, p.pace.poll_ms) = (1, 20),
    );
    check(
        false,
        |p, _| p.pace.retry_wait_s = 3601,
        "wait before a new try (s): 3601, allowed are 0 to 3600",
        |p, _| p.pace.retry_wait_s = 3600,
    );
    check(
        false,
        |p, _| p.pace.failures_max = 21,
        "failures: 21, allowed are 0 to 20",
        |p, _| p.pace.failures_max = 20,
    );
    check(false, |p, _| p.pace.patience = 1, "patience: 1, allowed are 2 to 100", |p, _| p.pace.patience = 2);
}

#[test]
fn looks_must_be_frequent_enough_to_keep_the_dead_man_quiet() {
    check(
        false,
        |p, _| (p.pace.poll_ms, p.pace.watchdog_s) = (1001, 2),
        "polling (ms): 1001, allowed are 20 to 1000",
        |p, _| (p.pace.poll_ms, p.pace.watchdog_s) = (1000, 2),
    );
    check(
        false,
        |p, _| (p.pace.poll_ms, p.pace.watchdog_s) = (60_000, 15),
        "polling (ms): 60000, allowed are 20 to 7500",
        |p, _| (p.pace.poll_ms, p.pace.watchdog_s) = (7500, 15),
    );
}

#[test]
fn values_have_their_bounds() {
    const WORDS: &str = "expected zero or more, and not absurdly much";
    let words = |what: &str, value: &str| format!("{what} is {value}; {WORDS}");
    check(
        false,
        |p, _| p.effects.phase_deg = decimal("-0.01"),
        &words("uncertainty of the phase (°)", "-0.01"),
        |p, _| p.effects.phase_deg = decimal("0"),
    );
    check(
        true,
        |p, _| p.effects.ripple_percent = decimal("5.01"),
        &words("bound for ripple (%)", "5.01"),
        |p, _| p.effects.ripple_percent = decimal("5"),
    );
    check(
        true,
        |p, _| p.effects.self_heating_percent = decimal("5.01"),
        &words("bound for self-heating (%)", "5.01"),
        |p, _| p.effects.self_heating_percent = decimal("5"),
    );
    check(
        true,
        |p, _| p.effects.cable_mohm = decimal("1000.1"),
        &words("resistance of the cable (mΩ)", "1000.1"),
        |p, _| p.effects.cable_mohm = decimal("1000"),
    );
    check(
        true,
        |p, _| p.effects.cable_bound_percent = decimal("101"),
        &words("bound of that resistance (%)", "101"),
        |p, _| p.effects.cable_bound_percent = decimal("100"),
    );
    check(
        true,
        |p, _| p.set_point_percent = decimal("20.1"),
        &words("tolerance of set-points (%)", "20.1"),
        |p, _| p.set_point_percent = decimal("20"),
    );
    check(
        true,
        |p, _| p.temperature_c_max = decimal("201"),
        &words("temperature of the source (°C)", "201"),
        |p, _| p.temperature_c_max = decimal("200"),
    );
    check(
        false,
        |p, _| p.frequency_hz = decimal("0"),
        "frequency (Hz) is 0; expected 45 to 65 for alternating current",
        |p, _| p.frequency_hz = decimal("45"),
    );
    check(
        false,
        |p, _| p.frequency_hz = decimal("65.1"),
        "frequency (Hz) is 65.1; expected 45 to 65 for alternating current",
        |p, _| p.frequency_hz = decimal("65"),
    );
    check(
        true,
        |p, _| p.frequency_hz = decimal("50"),
        "frequency (Hz) is 50; expected 0 for direct current",
        |p, _| p.frequency_hz = decimal("0.0"),
    );
}

#[test]
fn load_points_have_their_bounds() {
    check(
        false,
        |p, _| p.points[1].voltage_v = decimal("242.1"),
        "load point 2: voltage (V) is 242.1; expected 1 to 242",
        |p, _| p.points[1].voltage_v = decimal("242"),
    );
    check(
        false,
        |p, _| p.points[1].voltage_v = decimal("0.9"),
        "load point 2: voltage (V) is 0.9; expected 1 to 242",
        |p, _| p.points[1].voltage_v = decimal("1"),
    );
    check(
        false,
        |p, _| p.points[0].current_a = decimal("35.21"),
        "load point 1: current (A) is 35.21; expected 6 to 35.2",
        |p, _| p.points[0].current_a = decimal("35.2"),
    );
    check(
        false,
        |p, _| p.points[2].current_a = decimal("5.99"),
        "load point 3: current (A) is 5.99; expected 6 to 35.2",
        |p, _| p.points[2].current_a = decimal("6"),
    );
    check(
        false,
        |p, _| p.points[1].power_factor = Some(decimal("0.09")),
        "load point 2: power factor is 0.09; expected 0.1 to 1",
        |p, _| p.points[1].power_factor = Some(decimal("0.1")),
    );
    check(
        false,
        |p, _| p.points[1].power_factor = None,
        "load point 2: power factor is 0; alternating current needs one",
        |p, _| p.points[1].power_factor = Some(decimal("1")),
    );
    check(
        true,
        |p, _| p.points[1].power_factor = Some(decimal("1")),
        "load point 2: power factor is 1; direct current has none",
        |p, _| p.points[1].power_factor = None,
    );
    check(
        false,
        |p, _| p.points[0].energy_wh = decimal("1000001"),
        "load point 1: energy (Wh) is 1000001; expected 1000 to 1000000",
        |p, _| p.points[0].energy_wh = decimal("1000000"),
    );
}

#[test]
fn pulses_have_their_bounds_and_need_a_constant() {
    check(
        false,
        |p, _| p.points[0].method = Method::Pulse { pulses: 9 },
        "load point 1: pulses is 9; expected 10 to 1000000",
        |p, _| p.points[0].method = Method::Pulse { pulses: 10 },
    );
    check(
        false,
        |p, plate| {
            p.points[0].method = Method::Pulse { pulses: 10 };
            plate.pulse_constant = None;
        },
        "load point 1: pulse constant of the plate (imp/kWh) is 0; expected 1 to 1000000",
        |_, plate| plate.pulse_constant = None,
    );
}

#[test]
fn items_of_the_rule_set_cannot_be_left_out() {
    check(
        false,
        |p, _| p.items.retain(|item| *item != ItemCode::Clock),
        "JJG 1148-2022 asks for the item clock, which is not in the plan",
        |p, _| p.items.push(ItemCode::Seal),
    );
    check(
        true,
        |p, _| p.items.retain(|item| *item != ItemCode::ConsistencyAfter),
        "JJG 1149-2022 asks for the item consistency_after, which is not in the plan",
        |p, _| p.items.reverse(),
    );
}

// The edition of 2018 asks for six items and says what passes of all; that in force has no limit for two of them.
#[test]
fn insulation_and_indication_error_are_asked_where_the_rule_set_does() {
    for (name, kind) in [("jjg-1148-2018", PileKind::Ac), ("jjg-1149-2018", PileKind::Dc)] {
        let rules = rules::named(name).expect("there");
        assert_eq!(Plan::propose(&plate(kind), &rules).items, ItemCode::ALL);
        let in_force = rules::for_kind(kind.word()).expect("there");
        let items = Plan::propose(&plate(kind), &in_force).items;
        assert!(!items.contains(&ItemCode::Insulation) && !items.contains(&ItemCode::IndicationError));
    }
    for item in [ItemCode::Insulation, ItemCode::IndicationError] {
        let (plate, rules) = (plate(PileKind::Ac), rules::for_kind("ac").expect("there"));
        let mut plan = Plan::propose(&plate, &rules);
        plan.items.push(item);
        let found: Vec<_> = plan.check(&plate, &rules).iter().map(ToString::to_string).collect();
        assert_eq!(found, [format!("JJG 1148-2022 has no limit for the item {}", item.word())]);
        // What was done stands, whatever is asked of plans since.
        assert_eq!(plan.check_rules(&plate, &rules), []);
    }
}

#[test]
fn a_class_that_the_rule_set_does_not_know_is_named() {
    check(
        false,
        |_, plate| plate.class = AccuracyClass(decimal("0.5")),
        "JJG 1148-2022 has no accuracy class 0.5",
        |_, plate| plate.class = AccuracyClass(decimal("2")),
    );
    check(
        false,
        |_, plate| plate.register_step_wh = Decimal::ZERO,
        "step of the plate's register (Wh) is 0; expected more than zero",
        |_, plate| plate.register_step_wh = decimal("0.01"),
    );
}

// arccos by mpmath, 30 digits: 60°, 36.869897645844021…°, 84.260829523…°.
#[test]
fn powers_and_angles_of_a_load_point() {
    let (_, _, plan) = ac();
    let with = |factor: &str| LoadPoint { power_factor: Some(decimal(factor)), ..plan.points[0].clone() };
    for (factor, power, angle) in
        [("1", "7040", "0"), ("0.5", "3520", "60"), ("0.8", "5632", "36.8699"), ("0.1", "704", "84.2608")]
    {
        assert_eq!(with(factor).power_w(), Some(decimal(power)));
        assert_eq!(with(factor).angle_deg(), decimal(angle));
    }
    let (_, _, plan) = dc();
    assert_eq!(
        (plan.points[0].power_w(), plan.points[0].angle_deg()),
        (Some(decimal("187500")), Decimal::ZERO)
    );
    assert_eq!(LoadPoint { voltage_v: Decimal::MAX, ..with("1") }.power_w(), None);
}

#[test]
fn a_plan_comes_back_from_its_text() {
    for (_, _, mut plan) in [ac(), dc()] {
        plan.points[0].method = Method::Pulse { pulses: u64::MAX };
        let text = serde_json::to_string(&plan).expect("writes");
        assert_eq!(serde_json::from_str::<Plan>(&text).expect("reads"), plan);
        for bad in ["\"10\"", "-1", "10.5", "18446744073709551616", "null"] {
            let text = text.replace(&u64::MAX.to_string(), bad);
            assert!(serde_json::from_str::<Plan>(&text).is_err(), "{bad}");
        }
    }
}

#[test]
fn a_real_load_is_ordered_as_proposed_and_refuses_what_cannot_be_done_under_it() {
    for (plate, rules, plan) in [ac(), dc()] {
        let real = plan.under_real_load(&plate, &rules);
        assert_eq!(real.check(&plate, &rules), []);
        let mut wrong =
            Plan { register: RegisterSource::Display, test_mode_vendor: Some("com.example".into()), ..real };
        wrong.effects.register_age_s = Decimal::ZERO;
        let said = wrong.check(&plate, &rules);
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said.iter().all(|error| matches!(error, PlanError::RealLoad(_))));
        assert_eq!(wrong.check_rules(&plate, &rules), []);
        // Forty times the age that it was proposed for.
        let mut short = wrong.clone();
        (short.register, short.test_mode_vendor) = (RegisterSource::Ocpp, None);
        short.effects.register_age_s = Decimal::from(60);
        let said = short.check(&plate, &rules);
        assert!(said.iter().all(|error| matches!(error, PlanError::Point { .. })), "{said:?}");
        assert_eq!(said.len(), short.points.len());
        // Of a virtual load the same is nothing unusual.
        assert_eq!(Plan { load: Load::Virtual, ..wrong }.check(&plate, &rules), []);
    }
}
