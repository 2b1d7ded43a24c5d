//! Tests of [`super`].

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_770_000_000 + second).expect("in range")
}

fn wh(text: &str) -> Decimal {
    text.parse().expect("literal")
}

fn sample(side: Side, context: ReadingContext, second: i64, energy: &str) -> RegisterSample {
    RegisterSample { side, context, at: at(second), energy_wh: wh(energy) }
}

fn event(stage: Stage, second: i64, register: Option<&str>, registers: Vec<RegisterSample>) -> ChargeEvent {
    ChargeEvent {
        reference: ChargeReference::Named("1".into()),
        stage,
        at: at(second),
        connector: Some(1),
        vehicle: Some(VehicleKey([1; 16])),
        register_wh: register.map(wh),
        registers,
        reason: None,
        circumstances: Circumstances::default(),
    }
}

fn whole_charge() -> Vec<ChargeEvent> {
    vec![
        event(Stage::Begin, 0, Some("1000"), vec![]),
        event(
            Stage::Progress,
            600,
            None,
            vec![sample(Side::Pile, ReadingContext::SamplePeriodic, 600, "4000.5")],
        ),
        event(
            Stage::End,
            1800,
            Some("11000"),
            vec![
                sample(Side::Pile, ReadingContext::TransactionBegin, 0, "1000.25"),
                sample(Side::Pile, ReadingContext::TransactionEnd, 1800, "11000.75"),
                sample(Side::Vehicle, ReadingContext::TransactionBegin, 2, "0"),
                sample(Side::Vehicle, ReadingContext::TransactionEnd, 1799, "9900.1"),
            ],
        ),
    ]
}

#[test]
fn energy_comes_from_decimal_samples_and_both_sides() {
    let mut charge = Charge::default();
    for event in whole_charge() {
        charge.apply(&event);
    }
    assert_eq!(charge.energy_pile_wh(), Some(wh("10000.50")));
    assert_eq!(charge.energy_vehicle_wh(), Some(wh("9900.1")));
    assert_eq!(charge.marks(Some(wh("60"))), vec![]);
}

#[test]
fn order_and_repeats_do_not_matter() {
    let events = whole_charge();
    let mut forward = Charge::default();
    events.iter().for_each(|event| forward.apply(event));
    let mut backward = Charge::default();
    events.iter().rev().for_each(|event| backward.apply(event));
    events.iter().for_each(|event| backward.apply(event));
    assert_eq!(forward, backward);
}

#[test]
fn dirty_charges_are_marked_each_with_its_reason() {
    let check = |start: Option<&str>, stop: Option<&str>, seconds: i64, expected: &[Mark]| {
        let mut charge = Charge::default();
        charge.apply(&event(Stage::Begin, 0, start, vec![]));
        charge.apply(&event(Stage::End, seconds, stop, vec![]));
        assert_eq!(charge.marks(Some(wh("7"))), expected, "{start:?} {stop:?} {seconds}");
    };
    check(Some("0"), Some("7000"), 3600, &[]);
    check(Some("0"), None, 3600, &[Mark::NoEnergy]);
    check(Some("5"), Some("5"), 3600, &[Mark::ZeroEnergy]);
    check(Some("5"), Some("4"), 3600, &[Mark::ZeroEnergy]);
    check(Some("5"), Some("3"), 3600, &[Mark::NegativeEnergy]);
    check(Some("0"), Some("1430000"), 3600, &[Mark::ImplausibleEnergy, Mark::PowerOverRating]);
    check(Some("0"), Some("7701"), 3600, &[Mark::PowerOverRating]);
    check(Some("0"), Some("7700"), 3600, &[]);
    check(Some("0"), Some("100"), 0, &[Mark::NonPositiveDuration]);
}

#[test]
fn a_stop_without_start_is_an_orphan_and_kept() {
    let mut charge = Charge::default();
    charge.apply(&event(Stage::End, 10, Some("5"), vec![]));
    assert_eq!(charge.marks(None), vec![Mark::OrphanStop, Mark::NoEnergy]);
}

#[test]
fn vehicle_values_of_another_time_are_not_compared() {
    let mut charge = Charge::default();
    charge.apply(&event(Stage::Begin, 0, Some("0"), vec![]));
    charge.apply(&event(
        Stage::End,
        3600,
        Some("5000"),
        vec![
            sample(Side::Vehicle, ReadingContext::TransactionBegin, 900, "0"),
            sample(Side::Vehicle, ReadingContext::TransactionEnd, 3600, "4000"),
        ],
    ));
    assert_eq!(charge.energy_vehicle_wh(), None);
    assert_eq!(charge.marks(None), vec![Mark::VehicleSpanDiffers]);
}

#[test]
fn sample_and_stop_registers_that_disagree_are_marked() {
    let mut charge = Charge::default();
    charge.apply(&event(Stage::Begin, 0, Some("100"), vec![]));
    charge.apply(&event(
        Stage::End,
        3600,
        Some("5100"),
        vec![
            sample(Side::Pile, ReadingContext::TransactionBegin, 0, "100"),
            sample(Side::Pile, ReadingContext::TransactionEnd, 3600, "5097.9"),
        ],
    ));
    assert_eq!(charge.marks(None), vec![Mark::RegisterMismatch]);
}

/// Kilowatt-hours labelled Wh, OpenEVSE/openevse_esp32_firmware#703: start and stop have no unit to get wrong.
#[test]
fn a_thousandfold_between_registers_is_a_suspect_unit_and_nothing_is_rescaled() {
    let mut charge = Charge::default();
    charge.apply(&event(Stage::Begin, 0, Some("1000"), vec![]));
    charge.apply(&event(
        Stage::End,
        3600,
        Some("11000"),
        vec![
            sample(Side::Pile, ReadingContext::TransactionBegin, 0, "1"),
            sample(Side::Pile, ReadingContext::TransactionEnd, 3600, "11.02"),
        ],
    ));
    assert_eq!(charge.energy_pile_wh(), Some(wh("10000")));
    assert_eq!(charge.marks(None), vec![Mark::UnitSuspect]);
}

/// The same where power alone tells: 10 "Wh" in an hour at 10 kW.
#[test]
fn energy_that_power_contradicts_a_thousandfold_is_kept_as_sent_and_marked() {
    let check = |power: i64, expected: &[Mark]| {
        let mut course = Course::default();
        (0..=12).for_each(|step| course.power(at(step * 300), power.into()));
        let mut end = event(
            Stage::End,
            3600,
            None,
            vec![
                sample(Side::Pile, ReadingContext::TransactionBegin, 0, "1"),
                sample(Side::Pile, ReadingContext::TransactionEnd, 3600, "11"),
                sample(Side::Vehicle, ReadingContext::TransactionBegin, 0, "0"),
                sample(Side::Vehicle, ReadingContext::TransactionEnd, 3600, "9900"),
            ],
        );
        end.circumstances.course = Some(Box::new(course));
        let mut charge = Charge::default();
        charge.apply(&event(Stage::Begin, 0, None, vec![]));
        charge.apply(&end);
        assert_eq!(charge.energy_pile_wh(), Some(wh("10")));
        assert_eq!(charge.marks(None), expected, "{power} W");
        assert_eq!(
            charge.energy_vehicle_wh().is_none(),
            !expected.is_empty(),
            "a suspect charge is not compared"
        );
    };
    check(10_000, &[Mark::UnitSuspect]);
    check(10, &[]);
    check(200, &[]);
}

#[test]
fn phases_without_a_total_are_summed_and_the_neutral_is_not() {
    let reading = |phase: &str, energy: &str| Reading {
        connector: 1,
        measurand: Measurand(Measurand::ENERGY_IMPORT_REGISTER.into()),
        phase: if phase.is_empty() { Phase::Total } else { Phase::Named(phase.into()) },
        location: Location::Outlet,
        context: ReadingContext::TransactionEnd,
        unit: "Wh".into(),
        value: energy.into(),
        number: energy.parse().ok(),
        device_time: None,
        received: crate::ReceiveTime(at(0)),
        signed: None,
        marks: vec![],
    };
    let check = |readings: &[(&str, &str)], expected: Option<(Side, &str)>| {
        let readings: Vec<_> = readings.iter().map(|(phase, energy)| reading(phase, energy)).collect();
        let found: Vec<_> =
            RegisterSample::all(&readings).into_iter().map(|s| (s.side, s.energy_wh)).collect();
        assert_eq!(found, expected.map(|(side, energy)| (side, wh(energy))).into_iter().collect::<Vec<_>>());
    };
    check(&[("L1", "100"), ("L2", "20"), ("L3", "3"), ("N", "9999")], Some((Side::PilePhases(7), "123")));
    check(&[("L1-N", "100"), ("L2-N", "20")], Some((Side::PilePhases(3), "120")));
    check(&[("L1", "100"), ("", "123"), ("L2", "20"), ("L3", "3")], Some((Side::Pile, "123")));
    check(&[("L1", "100"), ("L1", "100")], Some((Side::PilePhases(1), "100")));
    check(&[("N", "5")], None);
    check(&[("L1-L2", "5")], None);
}

#[test]
fn different_phases_at_both_ends_have_no_difference() {
    let mut charge = Charge::default();
    charge.apply(&event(
        Stage::Begin,
        0,
        None,
        vec![sample(Side::PilePhases(7), ReadingContext::TransactionBegin, 0, "300")],
    ));
    charge.apply(&event(
        Stage::End,
        60,
        None,
        vec![sample(Side::PilePhases(3), ReadingContext::TransactionEnd, 60, "800")],
    ));
    assert_eq!((charge.energy_pile_wh(), charge.marks(None)), (None, vec![Mark::NoEnergy]));
}

/// One of any kind of event, with the few distinct moments and values at which order could matter.
fn any_event() -> impl proptest::strategy::Strategy<Value = ChargeEvent> {
    use proptest::prelude::*;
    let side = prop_oneof![
        Just(Side::Pile),
        Just(Side::PilePhases(7)),
        Just(Side::PilePhases(3)),
        Just(Side::Vehicle),
        Just(Side::Signed)
    ];
    let context = prop_oneof![
        Just(ReadingContext::TransactionBegin),
        Just(ReadingContext::SamplePeriodic),
        Just(ReadingContext::TransactionEnd)
    ];
    let register = (side, context, 0i64..4, 0i64..4).prop_map(|(side, context, second, energy)| {
        RegisterSample { side, context, at: at(second), energy_wh: energy.into() }
    });
    let course = prop::option::of(prop::collection::vec((0i64..4, 0i64..9000), 0..4).prop_map(|samples| {
        let mut course = Course::default();
        for (second, energy) in samples {
            course.sample(Stand::total(at(second), energy.into()), true);
            course.power(at(second), energy.into());
        }
        Box::new(course)
    }));
    let stage = prop_oneof![Just(Stage::Begin), Just(Stage::Progress), Just(Stage::End)];
    let circumstances = (prop::option::of(0u32..9), any::<bool>(), any::<bool>(), course)
        .prop_map(|(sequence, offline, placed, course)| Circumstances { sequence, offline, placed, course });
    (
        stage,
        0i64..4,
        prop::option::of(0i64..4),
        prop::option::of(1u32..3),
        prop::collection::vec(register, 0..4),
        prop::option::of("[ab]"),
        circumstances,
    )
        .prop_map(|(stage, second, register, connector, registers, reason, circumstances)| ChargeEvent {
            reference: ChargeReference::Named("1".into()),
            stage,
            at: at(second),
            connector,
            vehicle: connector.map(|connector| VehicleKey([u8::try_from(connector).unwrap_or(0); 16])),
            register_wh: register.map(Decimal::from),
            registers,
            reason,
            circumstances,
        })
}

proptest::proptest! {
    #[test]
    fn any_events_in_any_order_and_twice_end_in_the_same_charge(
        events in proptest::collection::vec(any_event(), 0..8),
        turn in 0usize..8,
    ) {
        let mut forward = Charge::default();
        events.iter().for_each(|event| forward.apply(event));
        let mut other = Charge::default();
        events.iter().rev().for_each(|event| other.apply(event));
        let turn = turn.min(events.len());
        events[turn..].iter().chain(&events[..turn]).for_each(|event| other.apply(event));
        let mut turned = Charge::default();
        events[turn..].iter().chain(&events[..turn]).for_each(|event| turned.apply(event));
        proptest::prop_assert_eq!(&forward, &other);
        proptest::prop_assert_eq!(&forward, &turned);
        proptest::prop_assert_eq!(forward.marks(None), turned.marks(None));
    }
}

/// A stop with clock-aligned samples, the last a quarter of an hour before it: start and stop know more.
#[test]
fn samples_that_end_before_the_charge_are_not_the_whole_of_it() {
    let mut charge = Charge::default();
    charge.apply(&event(Stage::Begin, 0, Some("1000"), vec![]));
    let registers = vec![
        sample(Side::Pile, ReadingContext::TransactionBegin, 0, "1000.5"),
        sample(Side::Pile, ReadingContext::SampleClock, 2700, "9000.5"),
    ];
    charge.apply(&event(Stage::End, 3600, Some("11000"), registers));
    assert_eq!(charge.energy_pile_wh(), Some(wh("10000")));
    assert_eq!(charge.marks(None), []);
    let mut without_stop = Charge { register_stop_wh: None, ..charge };
    without_stop.register_start_wh = None;
    assert_eq!(without_stop.energy_pile_wh(), Some(wh("8000.0")), "better than nothing");
}
