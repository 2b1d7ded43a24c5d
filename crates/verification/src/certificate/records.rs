//! Who recorded what beside a run, and when: whether it can be so. Asked before a document is issued, and of every file again.
//!
//! Called by [`super::Certificate::of`] and [`super::check`]. Never asks whether an item is passed; that is the result's.

use jiff::Timestamp;
use rust_decimal::Decimal;
use thiserror::Error;

use super::{Certificate, FORMATS};
use crate::consistency::ChargeEvidence;
use crate::item::{Evidence, ItemCode, ItemRecord};

/// Formats whose charges do not say when they began. Their documents were issued before charges were held to their place.
const FORMATS_WITHOUT_BEGIN: [&str; 2] = [FORMATS[0], FORMATS[1]];

/// What cannot be so of what was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RecordError {
    /// One charge stands on both sides of the run.
    #[error("the charges before and after are the same, {0}")]
    SameCharge(i64),
    /// The charge before was not over when readings began.
    #[error("the charge before, {0}, does not end before the first reading")]
    NotBefore(i64),
    /// The charge after began while readings were taken, or it is not known when it began.
    #[error("the charge after, {0}, does not begin after the last reading, or does not say when it began")]
    NotAfter(i64),
    /// Issued while readings were taken.
    #[error("issued before the last reading")]
    IssuedEarly,
    /// Recorded in a document that was there already.
    #[error("recorded after the document was issued: {0}")]
    RecordedLate(&'static str),
    /// Somebody read another time off the pile than it tells, and does not say why that is.
    #[error(
        "the clock was read as {read_s} s off and measured as {measured_s} s off, and no remark says why"
    )]
    Overridden {
        /// As read, s.
        read_s: Decimal,
        /// As measured, s.
        measured_s: Decimal,
    },
    /// The reviewer judges what they recorded.
    #[error("{0} reviews what they recorded themselves")]
    Reviewer(String),
}

/// Everything that cannot be so. `time`: first and last moment of the readings.
pub(super) fn wrong(certificate: &Certificate, time: (Timestamp, Timestamp)) -> Vec<RecordError> {
    let mut errors = Vec::new();
    if !FORMATS_WITHOUT_BEGIN.contains(&certificate.format.as_str()) {
        charges(certificate, time, &mut errors);
    }
    if certificate.issued_at < time.1 {
        errors.push(RecordError::IssuedEarly);
    }
    let conditions = &certificate.conditions;
    let items = certificate.items.iter().map(|record| (record.code.word(), &record.person, record.at));
    let records: Vec<_> = items.chain([("conditions", &conditions.person, conditions.at)]).collect();
    let late = records.iter().filter(|(.., at)| certificate.issued_at < *at);
    errors.extend(late.map(|(what, ..)| RecordError::RecordedLate(what)));
    errors.extend(certificate.items.iter().filter_map(|record| overridden(certificate, record)));
    let reviewer = &certificate.order.reviewer;
    if records.iter().any(|(_, person, _)| person.trim() == reviewer.trim()) {
        errors.push(RecordError::Reviewer(reviewer.clone()));
    }
    errors
}

fn charges(certificate: &Certificate, (first, last): (Timestamp, Timestamp), errors: &mut Vec<RecordError>) {
    let before = charge(certificate, ItemCode::ConsistencyBefore);
    let after = charge(certificate, ItemCode::ConsistencyAfter);
    if let (Some(before), Some(after)) = (before, after)
        && before.charge_no == after.charge_no
    {
        errors.push(RecordError::SameCharge(before.charge_no));
    }
    let early = before.filter(|charge| !charge.is_before(first));
    errors.extend(early.map(|charge| RecordError::NotBefore(charge.charge_no)));
    let late = after.filter(|charge| !charge.is_after(last));
    errors.extend(late.map(|charge| RecordError::NotAfter(charge.charge_no)));
}

/// A reading of the clock that contradicts what was measured, without a word.
fn overridden(certificate: &Certificate, record: &ItemRecord) -> Option<RecordError> {
    let rules = certificate.order.rules().ok()?;
    let measured = record.contradicted(&rules, &certificate.order)?;
    let Evidence::Clock { offset_s, .. } = &record.evidence else { return None };
    let error = RecordError::Overridden { read_s: *offset_s, measured_s: measured.offset_s };
    record.note.trim().is_empty().then_some(error)
}

/// The charge that an item rests on.
fn charge(certificate: &Certificate, code: ItemCode) -> Option<&ChargeEvidence> {
    certificate.items.iter().find(|record| record.code == code).and_then(|record| match &record.evidence {
        Evidence::Charge(charge) => Some(charge),
        _ => None,
    })
}
