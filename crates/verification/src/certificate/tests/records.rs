//! What stands beside the readings: two charges in their places, records made before the document and not by its reviewer.

use super::*;
use crate::consistency::{CLOCK_SLACK, ChargeEvidence};
use crate::item::ItemRecord;

fn second() -> jiff::SignedDuration {
    jiff::SignedDuration::from_secs(1)
}

fn charge_of(certificate: &mut Certificate, code: ItemCode) -> &mut ChargeEvidence {
    let record = certificate.items.iter_mut().find(|record| record.code == code).expect("recorded");
    match &mut record.evidence {
        Evidence::Charge(charge) => charge,
        other => panic!("{other:?}"),
    }
}

/// The run of a document with these records instead of its own.
fn run_with(items: &[ItemRecord], conditions: &Conditions) -> Run {
    let mut run = measured(&full(PileKind::Ac), "1.005");
    for record in items {
        run.step(&Event { at: after(0), what: Happening::Item(record.clone()) });
    }
    run.step(&Event { at: after(0), what: Happening::Conditions(conditions.clone()) });
    run
}

/// Changes a good document: it is not issued so, and a file that was signed so all the same is found out.
fn refused(change: impl Fn(&mut Certificate, Timestamp, Timestamp), expected: &[RecordError]) {
    let mut certificate = issued(PileKind::Ac, "1.005").certificate;
    let (first, last) = time_of(&certificate.taken).expect("readings");
    change(&mut certificate, first, last);
    let run = run_with(&certificate.items, &certificate.conditions);
    let again = Certificate::of(&run, "Wang", "", certificate.issued_at, SOFTWARE);
    let checked = check::check(&certificate.sign(&key()).json, &[key().public()]);
    let said: Vec<_> = checked.findings.iter().map(|finding| finding.detail.clone()).collect();
    let words: Vec<_> = expected.iter().map(ToString::to_string).collect();
    assert_eq!(said, words);
    assert!(codes(&checked).iter().all(|code| *code == "records"), "{:?}", checked.findings);
    match expected.first() {
        Some(error) => assert_eq!(again.expect_err("not issued"), error.clone().into()),
        None => assert!(again.is_ok() && checked.is_good()),
    }
}

#[test]
fn the_charges_before_and_after_are_two_and_stand_on_their_sides_of_the_run() {
    use ItemCode::{ConsistencyAfter as After, ConsistencyBefore as Before};
    refused(|c, _, _| charge_of(c, After).charge_no = 7, &[RecordError::SameCharge(7)]);
    refused(|c, _, _| charge_of(c, After).charge_no = 8, &[]);
    refused(|c, first, _| charge_of(c, Before).ended_at = first + CLOCK_SLACK, &[]);
    let late = |c: &mut Certificate, first: Timestamp, _| {
        charge_of(c, Before).ended_at = first + CLOCK_SLACK + second();
    };
    refused(late, &[RecordError::NotBefore(7)]);
    refused(|c, _, last| charge_of(c, After).began_at = Some(last - CLOCK_SLACK), &[]);
    let early = |c: &mut Certificate, _, last: Timestamp| {
        charge_of(c, After).began_at = Some(last - CLOCK_SLACK - second());
    };
    refused(early, &[RecordError::NotAfter(9)]);
    refused(|c, _, _| charge_of(c, After).began_at = None, &[RecordError::NotAfter(9)]);
    refused(|c, _, _| charge_of(c, Before).began_at = None, &[]);
    // The same evidence on both sides, as it was once accepted.
    let same = |c: &mut Certificate, _, _| *charge_of(c, After) = charge_of(c, Before).clone();
    refused(same, &[RecordError::SameCharge(7), RecordError::NotAfter(7)]);
}

#[test]
fn documents_of_formats_that_did_not_ask_for_it_hold_with_one_charge_on_both_sides() {
    for format in FORMATS {
        let mut certificate = issued(PileKind::Ac, "1.005").certificate;
        *charge_of(&mut certificate, ItemCode::ConsistencyAfter) = charge();
        certificate.format = format.to_owned();
        if format != FORMAT {
            for point in &mut certificate.result.points {
                (point.risk, point.monte_carlo) = (None, None);
            }
        }
        let checked = check::check(&certificate.sign(&key()).json, &[key().public()]);
        assert_eq!(checked.is_good(), FORMATS[..2].contains(&format), "{format}: {:?}", checked.findings);
    }
}

#[test]
fn nothing_is_issued_before_its_last_reading_or_before_what_was_recorded() {
    refused(|c, _, last| c.issued_at = last, &[]);
    refused(|c, _, last| c.issued_at = last - second(), &[RecordError::IssuedEarly]);
    refused(|c, _, _| c.items[2].at = c.issued_at, &[]);
    refused(|c, _, _| c.items[2].at = c.issued_at + second(), &[RecordError::RecordedLate("seal")]);
    refused(|c, _, _| c.conditions.at = c.issued_at + second(), &[RecordError::RecordedLate("conditions")]);
}

// Of ± 180 s at a later verification: measured is 1.342 s.
#[test]
fn nobody_overrides_a_measured_clock_without_a_word() {
    let read = |c: &mut Certificate, offset: &str, note: &str| {
        let clock = c.items.iter_mut().find(|record| record.code == ItemCode::Clock).expect("asked for");
        let Evidence::Clock { offset_s, .. } = &mut clock.evidence else { panic!("{clock:?}") };
        *offset_s = decimal(offset);
        clock.note = note.into();
    };
    let told =
        |offset: &str| RecordError::Overridden { read_s: decimal(offset), measured_s: decimal("1.342") };
    refused(|c, _, _| read(c, "-178.658", ""), &[]);
    refused(|c, _, _| read(c, "-178.659", " "), &[told("-178.659")]);
    refused(|c, _, _| read(c, "-178.659", "桩时区设置有误"), &[]);
}

#[test]
fn a_reviewer_reviews_nothing_that_they_recorded() {
    let reviewer = [RecordError::Reviewer("Wang".into())];
    refused(|c, _, _| c.items[0].person = "Wang ".into(), &reviewer);
    refused(|c, _, _| c.conditions.person = "Wang".into(), &reviewer);
    refused(|c, _, _| c.items[0].person = "Zhou".into(), &[]);
    // Displays read are in no document, but in the run.
    let mut order = full(PileKind::Ac);
    order.plan.register = crate::plan::RegisterSource::Display;
    let run = recorded(Bench::new(&order).play().run);
    let reader = run.recorders().into_iter().rfind(|name| *name != "Li").expect("of the bench").to_owned();
    order.reviewer = reader.clone();
    let run = recorded(Bench::new(&order).play().run);
    let found = Certificate::of(&run, &reader, "", after(86_400), SOFTWARE);
    assert_eq!(found, Err(RecordError::Reviewer(reader).into()));
}
