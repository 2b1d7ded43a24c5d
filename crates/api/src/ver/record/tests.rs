//! What forms of items become, and what is refused.

use veripile_verification::run::{Event, Happening};

use super::*;
use crate::texts::Language;
use crate::ver::fixture;

fn entries(fields: &[(&str, &str)]) -> Entries {
    Entries::new(fields.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect())
}

fn recorded(code: ItemCode, fields: &[(&str, &str)]) -> Result<ItemRecord, Vec<Fault>> {
    let by = By { person: "赵工", at: fixture::at() };
    item(Texts::in_language(Language::Zh), code, &entries(fields), Known::default(), &by)
}

#[test]
fn each_item_is_recorded_from_its_form_and_refused_without_what_it_needs() {
    let hash = "AB".repeat(32);
    let good: [(ItemCode, &[(&str, &str)]); 8] = [
        (ItemCode::Appearance, &[("good", "yes"), ("note", "<script>")]),
        (ItemCode::Display, &[("good", "no")]),
        (ItemCode::Display, &[("display_kwh", "12.34"), ("register_wh", "12340")]),
        (
            ItemCode::Seal,
            &[
                ("number_0", "A1"),
                ("place_0", "门"),
                ("photo_0", &hash),
                ("number_3", "A2"),
                ("whole", "yes"),
            ],
        ),
        (ItemCode::Clock, &[("offset_s", "-2.5")]),
        (
            ItemCode::Payment,
            &[("energy_0", "10"), ("price_0", "0.6"), ("service_0", "0.4"), ("amount", "10.00")],
        ),
        (
            ItemCode::Insulation,
            &[("test_voltage_v", "500"), ("between_1", "L—PE"), ("megohm_1", "550"), ("note", "")],
        ),
        // 2.010 kWh against 2.0034 kWh: +0.33 %.
        (
            ItemCode::IndicationError,
            &[("start_kwh", "120.003"), ("stop_kwh", "122.013"), ("reference_kwh", "2.0034")],
        ),
    ];
    let order = Order { rule_set: "JJG 1148-2018 v2".to_owned(), ..fixture::order() };
    let rules = order.rules().expect("known");
    let passes = [true, false, true, true, true, true, true, true];
    for ((code, fields), passes) in good.into_iter().zip(passes) {
        let record = recorded(code, fields).unwrap_or_else(|faults| panic!("{code:?}: {faults:?}"));
        assert_eq!(record.passed(&rules, &order), passes, "{record:?}");
        for language in [Language::Zh, Language::En] {
            let t = Texts::in_language(language);
            assert!(!evidence_text(t, &order, Some(&rules), &record).is_empty());
        }
    }
    let bad: [(ItemCode, &[(&str, &str)]); 14] = [
        (ItemCode::Appearance, &[]),
        (ItemCode::Display, &[("display_kwh", "x"), ("register_wh", "1")]),
        (ItemCode::Display, &[("display_kwh", "1")]),
        (ItemCode::Seal, &[("whole", "yes")]),
        (ItemCode::Seal, &[("number_0", "A1")]),
        (ItemCode::Seal, &[("number_0", "A1"), ("photo_0", "abc"), ("whole", "yes")]),
        (ItemCode::Clock, &[("offset_s", "slow")]),
        (ItemCode::Payment, &[("amount", "1")]),
        (ItemCode::ConsistencyBefore, &[("bill_kwh", "1")]),
        (ItemCode::Insulation, &[("between_0", "L—PE"), ("megohm_0", "550")]),
        (ItemCode::Insulation, &[("test_voltage_v", "500")]),
        (ItemCode::Insulation, &[("test_voltage_v", "500"), ("megohm_0", "550")]),
        (ItemCode::Insulation, &[("test_voltage_v", "500"), ("between_0", "L—PE"), ("megohm_0", ">550")]),
        (ItemCode::IndicationError, &[("start_kwh", "1"), ("stop_kwh", "2")]),
    ];
    for (code, fields) in bad {
        assert!(recorded(code, fields).is_err(), "{code:?} {fields:?}");
    }
}

// By the rule set's file: 500 V; and class 2 with a display of 0.01 kWh: 5 kWh.
#[test]
fn evidence_that_says_nothing_is_to_be_measured_again() {
    let order = Order { rule_set: "JJG 1148-2018 v2".to_owned(), ..fixture::order() };
    let rules = order.rules().expect("known");
    let said = |code, fields: &[(&str, &str)]| {
        let record = recorded(code, fields).expect("reads");
        let fault = record.unfit(&rules, &order).map(|found| unfit(Texts::in_language(Language::En), &found));
        fault.map(|fault| fault.next)
    };
    let insulation = |volts| {
        said(ItemCode::Insulation, &[("test_voltage_v", volts), ("between_0", "L—PE"), ("megohm_0", "550")])
    };
    assert!(insulation("250").is_some_and(|next| next.contains("500 V")));
    assert_eq!(insulation("500"), None);
    let indication = |stop| {
        said(
            ItemCode::IndicationError,
            &[("start_kwh", "120.00"), ("stop_kwh", stop), ("reference_kwh", "2.0034")],
        )
    };
    assert!(indication("122.01").is_some_and(|next| next.contains("5000 Wh")));
    assert!(indication("119.00").is_some());
}

#[test]
fn a_seal_keeps_the_hash_of_its_photo() {
    let hash = "AB".repeat(32);
    let record = recorded(ItemCode::Seal, &[("number_1", "A1"), ("photo_1", &hash), ("whole", "no")]);
    let Ok(ItemRecord { evidence: Evidence::Seals { seals, whole }, .. }) = record else {
        panic!("{record:?}")
    };
    assert_eq!((seals.len(), whole), (1, false));
    assert_eq!(seals[0].photo_sha256.as_deref(), Some("ab".repeat(32).as_str()));
}

#[test]
fn a_charge_is_consistent_or_its_differences_are_named() {
    let charge = ChargeEvidence {
        charge_no: 7,
        began_at: None,
        ended_at: fixture::at(),
        register_step_wh: None,
        register_wh: Some(Decimal::from(1234)),
        samples_wh: None,
        signed_wh: Some(Decimal::from(1234)),
        signed_verdict: Some("valid".to_owned()),
        bill_kwh: None,
    };
    let by = By { person: "赵工", at: fixture::at() };
    let t = Texts::in_language(Language::En);
    let (code, order) = (ItemCode::ConsistencyAfter, fixture::order());
    let text = |bill: &str| {
        let known = Known { charge: Some(charge.clone()), ..Known::default() };
        let record = item(t, code, &entries(&[("bill_kwh", bill)]), known, &by);
        evidence_text(t, &order, None, &record.expect("good"))
    };
    assert!(text("1.234").contains(t.of("record.consistent")));
    assert!(text("1.3").contains(t.of_owned("difference.bill")));
    assert!(text("").contains(t.of_owned("difference.no_bill")));
}

// Of ± 5 s at a first verification.
#[test]
fn a_measured_clock_is_offered_and_not_overridden_without_a_word() {
    let (order, t) = (fixture::order(), Texts::in_language(Language::En));
    let measured = MeasuredOffset {
        offset_s: Decimal::new(1342, 3),
        half_width_s: Decimal::new(530, 3),
        at: fixture::at(),
        messages: 16,
        round_trip_s: Decimal::new(60, 3),
    };
    let by = By { person: "赵工", at: fixture::at() };
    let recorded = |fields: &[(&str, &str)]| {
        let known = Known { measured: Some(measured.clone()), ..Known::default() };
        item(t, ItemCode::Clock, &entries(fields), known, &by).expect("reads")
    };
    let (rules, text) = (order.rules().expect("known"), "measured +1.34 s ± 0.53 s");
    let check = |fields: &[(&str, &str)], offset_s: &str, is_refused, is_contradicted| {
        let record = recorded(fields);
        let said = evidence_text(t, &order, Some(&rules), &record);
        assert!(said.contains(text), "{said}");
        assert_eq!(said.contains(t.of("record.contradicted")), is_contradicted, "{said}");
        let fault = overrides(t, &order, &record);
        assert_eq!(fault.is_some(), is_refused, "{fields:?}");
        assert!(fault.is_none_or(|fault| fault.what.contains(text)));
        let kept = Evidence::Clock {
            offset_s: offset_s.parse().expect("literal"),
            measured: Some(measured.clone()),
        };
        assert_eq!(record.evidence, kept);
    };
    check(&[("offset_s", "")], "1.342", false, false);
    check(&[("offset_s", "6.342")], "6.342", false, false);
    check(&[("offset_s", "-4")], "-4", true, true);
    check(&[("offset_s", "-4"), ("note", "桩时区设置有误")], "-4", false, true);
    let nothing = item(t, ItemCode::Clock, &entries(&[("offset_s", "")]), Known::default(), &by);
    assert!(nothing.is_err(), "nothing was measured");
}

#[test]
fn a_charge_stands_beside_the_run_and_not_for_both_sides_of_it() {
    let t = Texts::in_language(Language::En);
    let (order, began) = (fixture::order(), fixture::at());
    let charge = |number, minutes| ChargeEvidence {
        charge_no: number,
        began_at: None,
        ended_at: began + SignedDuration::from_mins(minutes),
        register_step_wh: None,
        register_wh: None,
        samples_wh: None,
        signed_wh: None,
        signed_verdict: None,
        bill_kwh: None,
    };
    let before = |number, minutes, run: &Run| {
        charge_fault(t, ItemCode::ConsistencyBefore, &charge(number, minutes), run, began).is_none()
    };
    let mut run = Run::new(order.clone());
    for (minutes, expected) in
        [(0, true), (-10, true), (4, true), (6, false), (-60 * 24, true), (-60 * 25, false)]
    {
        assert_eq!(before(1, minutes, &run), expected, "{minutes}");
    }
    let after = charge_fault(t, ItemCode::ConsistencyAfter, &charge(2, 0), &run, began);
    assert_eq!(after.map(|fault| fault.what).as_deref(), Some(t.of("fault.charge_early")));
    let record = ItemRecord {
        code: ItemCode::ConsistencyAfter,
        evidence: Evidence::Charge(charge(7, 0)),
        note: String::new(),
        person: "赵工".to_owned(),
        at: began,
    };
    run.step(&Event { at: began, what: Happening::Item(record) });
    assert!(before(8, 0, &run) && !before(7, 0, &run), "one charge is not two");
}

#[test]
fn conditions_and_displays_are_read_in_people_s_units() {
    let t = Texts::in_language(Language::En);
    let by = By { person: "赵工", at: fixture::at() };
    let read = |celsius, humidity| {
        conditions(t, &entries(&[("temperature_c", celsius), ("humidity_percent", humidity)]), &by)
    };
    assert_eq!(read("23.5", "45").expect("good").humidity_percent, Decimal::from(45));
    for (celsius, humidity) in [("", "45"), ("warm", "45"), ("23", "145"), ("230", "45"), ("23", "-1")] {
        assert!(read(celsius, humidity).is_err(), "{celsius} {humidity}");
    }
    assert_eq!(display(t, &entries(&[("display_kwh", "12.345")])), Ok(Decimal::from(12_345)));
    for bad in ["", "x", "-1", "79228162514264337593543950335"] {
        assert!(display(t, &entries(&[("display_kwh", bad)])).is_err(), "{bad}");
    }
}
