//! Two records of one charge, joined.

use super::super::pair::{Joined, begin_first, join};
use super::*;

fn checked(name: &str) -> Checked {
    let half = half(name);
    with_key(&half.signed_data, &half.public_key)
}

fn joined(begin: &str, end: &str) -> Joined {
    join(&checked(begin), &checked(end))
}

#[test]
fn a_beginning_and_an_end_of_one_charge_make_a_bill() {
    let check = |begin: &str, end: &str, energy_wh: &str, remarks: &[&str]| {
        let joined = joined(begin, end);
        assert!(joined.billable, "{begin}: {joined:?}");
        assert_eq!(joined.energy_wh, Some(energy_wh.parse().expect("literal")));
        assert_eq!(codes(&joined.transaction), remarks);
    };
    check("alfen begin", "alfen end", "15440", &[]);
    check("edl40 begin", "edl40 end", "1000", &[]);
    check("ocmf begin", "ocmf end", "12345", &["pages_between"]);
}

#[test]
fn of_two_registers_at_each_end_the_billed_one_makes_the_bill() {
    let with_export = |name: &str, register: i64| {
        let mut record = checked(name);
        let export = SignedReading {
            obis: "1-b:2.8.0".to_owned(),
            register: Some(register.into()),
            ..record.readings[0].clone()
        };
        record.readings.insert(0, export);
        record
    };
    let joined = join(&with_export("ocmf begin", 3), &with_export("ocmf end", 4));
    assert_eq!((joined.billable, joined.energy_wh), (true, Some(12_345.into())));
    assert_eq!(codes(&joined.transaction), ["pages_between", "registers_several"]);
}

#[test]
fn records_are_put_in_the_order_of_their_charge() {
    for (begin, end) in
        [("alfen begin", "alfen end"), ("edl40 begin", "edl40 end"), ("ocmf begin", "ocmf end")]
    {
        let (first, last) = (checked(begin), checked(end));
        for (one, other) in [(&first, &last), (&last, &first)] {
            assert_eq!(begin_first(one, other), (&first, &last), "{begin}");
        }
    }
}

#[test]
fn two_records_that_do_not_belong_together_say_why() {
    let check = |begin: &str, end: &str, expected: &[&str]| {
        let joined = joined(begin, end);
        assert_eq!((joined.billable, joined.energy_wh), (false, None), "{begin}, {end}");
        assert_eq!(codes(&joined.transaction), expected, "{begin}, {end}");
    };
    check("alfen begin", "alfen end of another charge", &["session_differs", "pages_between"]);
    check("alfen begin", "alfen end that falls", &["register_falls"]);
    check("alfen with an adapter error", "alfen end", &["adapter_error"]);
    check("alfen of another unit", "alfen end", &["no_energy", "no_energy"]);
    check("edl40 begin", "edl40 end on another card", &["session_differs"]);
    check("edl40 begin", "edl40 end after another event", &["session_differs"]);
    check("edl40 end", "edl40 begin", &["page_not_after", "register_falls"]);
    check("alfen begin", "alfen begin", &["page_not_after", "last_not_end"]);
    check("isa begin", "isa end", &["page_not_after", "not_one_reading"]);
    let swapped = ["page_not_after", "first_not_begin", "last_not_end", "time_runs_back", "register_falls"];
    check("alfen end", "alfen begin", &swapped);
    assert_eq!(
        codes(&joined("alfen begin", "edl40 end").transaction),
        [
            "format_differs",
            "meter_differs",
            "session_differs",
            "pages_between",
            "last_not_end",
            "register_differs",
            "register_falls"
        ]
    );
}

#[test]
fn a_type_that_was_changed_on_the_way_does_not_turn_a_charge_round() {
    let retyped = |name: &str, from: &str, to: &str| {
        let half = half(name);
        with_key(&half.signed_data.replacen(from, to, 1), &half.public_key)
    };
    let (begin, end) = (retyped("alfen end", "AP;1", "AP;0"), retyped("alfen begin", "AP;0", "AP;1"));
    assert_eq!((begin.verdict, end.verdict), (Verdict::Valid, Verdict::Valid), "the type is not signed");
    let joined = join(&begin, &end);
    assert!(!joined.billable);
    assert_eq!(codes(&joined.transaction), ["page_not_after", "time_runs_back", "register_falls"]);
}

#[test]
fn a_record_that_is_not_valid_makes_no_bill() {
    let begin = half("alfen begin");
    let without = check(&Record { signed_data: &begin.signed_data, ..Record::default() });
    let joined = join(&without, &checked("alfen end"));
    assert_eq!((joined.billable, codes(&joined.transaction)), (false, vec!["not_valid"]));
    let unread = Checked::malformed(None, "too_long", "");
    assert!(!join(&unread, &unread).billable);
}

#[test]
fn a_local_clock_may_run_back_in_autumn_a_zoned_one_never() {
    let (begin, mut end) = (checked("edl40 begin"), checked("edl40 end"));
    end.readings[0].time = "2026-02-28T23:00:00".to_owned();
    assert!(join(&begin, &end).billable);
    end.readings[0].time = "2026-02-28T22:59:59".to_owned();
    assert_eq!(codes(&join(&begin, &end).transaction), ["time_runs_back"]);
    let (begin, mut end) = (checked("alfen begin"), checked("alfen end"));
    end.readings[0].time = "2026-02-28T23:59:59Z".to_owned();
    assert_eq!(codes(&join(&begin, &end).transaction), ["time_runs_back"]);
    end.readings[0].time = "soon".to_owned();
    assert_eq!(codes(&join(&begin, &end).transaction), ["bad_time"]);
}
