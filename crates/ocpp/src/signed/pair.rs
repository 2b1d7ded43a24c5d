//! Two records of one reading each, at the beginning and at the end of a charge, judged together.
//!
//! Called by whoever holds both, for instance from one file ([`super::container`]). Each has been checked before, with a key
//! that the caller trusts. Only what is signed counts; which of the two is the beginning, the caller says and this proves.

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

use super::billed::Billed;
use super::{Checked, Format, Layer, Moment, Outcome, SignedReading, Verdict, ocmf};

/// How far a clock that shows local time may run back within a charge: the hour in autumn. Pages and registers keep the order.
const LOCAL_CLOCK_BACK: SignedDuration = SignedDuration::from_hours(1);

/// What two records say together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// Whether a bill may rest on them: both valid, and one whole charge without objections.
    pub billable: bool,
    /// The readings make a whole charge that may be billed.
    pub transaction: Layer,
    /// Energy of the charge in Wh; none where the two do not belong together.
    pub energy_wh: Option<Decimal>,
}

/// Joins the record of the beginning and that of the end.
pub fn join(begin: &Checked, end: &Checked) -> Joined {
    let mut layer = Layer::ok();
    for (name, record) in [("begin", begin), ("end", end)] {
        carry_over(&mut layer, name, record);
    }
    same_origin(&mut layer, begin, end);
    in_order(&mut layer, begin, end);
    let (first, last) = (begin.readings.len(), end.readings.len());
    let energy_wh = match reading(begin).zip(reading(end)) {
        Some((of_first, of_last)) => {
            if first.max(last) > 1 {
                layer.remark(
                    "registers_several",
                    format!("{:?} of {first} and {last} registers", of_first.obis),
                );
            }
            readings(&mut layer, begin.format, of_first, of_last)
        }
        None => {
            layer.object("not_one_reading", format!("{first} and {last} readings"));
            None
        }
    };
    let is_whole = layer.outcome == Outcome::Ok;
    Joined { billable: is_whole, energy_wh: energy_wh.filter(|_| is_whole), transaction: layer }
}

/// The reading of a record that tells one end: its only one, or the only one of the register that a bill rests on.
pub fn reading(record: &Checked) -> Option<&SignedReading> {
    match record.readings.as_slice() {
        [only] => Some(only),
        several => match Billed::of(several)?.readings.as_slice() {
            [one] => Some(*one),
            _ => None,
        },
    }
}

/// Which end a record tells; of one that tells both, the end. None where it does not say.
pub fn end_of(record: &Checked) -> Option<Moment> {
    let tells = |end: &Moment| record.readings.iter().any(|reading| reading.moment == *end);
    [Moment::End, Moment::Begin].into_iter().find(tells)
}

/// Two records in the order of their charge, whatever order they came in. EDL40's do not say which end they are; their pages do.
pub fn begin_first<'a>(one: &'a Checked, other: &'a Checked) -> (&'a Checked, &'a Checked) {
    let (first, second) = (end_of(one), end_of(other));
    let is_said = first != second && (first == Some(Moment::End) || second == Some(Moment::Begin));
    let by_page = || one.page.zip(other.page).is_some_and(|(one, other)| other < one);
    if is_said || (first.is_none() && second.is_none() && by_page()) { (other, one) } else { (one, other) }
}

/// What is wrong with one of them is wrong with both.
fn carry_over(layer: &mut Layer, name: &str, record: &Checked) {
    if record.verdict != Verdict::Valid {
        layer.object("not_valid", format!("{name}: {:?}", record.verdict));
    }
    if record.layers.transaction.outcome == Outcome::Failed {
        for finding in &record.layers.transaction.findings {
            layer.object(&finding.code, format!("{name}: {}", finding.detail));
        }
    }
}

fn same_origin(layer: &mut Layer, begin: &Checked, end: &Checked) {
    if begin.format != end.format {
        layer.object("format_differs", format!("{:?}, {:?}", begin.format, end.format));
    }
    if begin.meter_serial.is_none() || begin.meter_serial != end.meter_serial {
        layer.object("meter_differs", format!("{:?}, {:?}", begin.meter_serial, end.meter_serial));
    }
    match (&begin.session, &end.session) {
        (first, last) if first != last => layer.object("session_differs", format!("{first:?}, {last:?}")),
        (None, _) => layer.remark("session_unknown", "no card, contract or number of the charge is signed"),
        _ => {}
    }
}

/// Pages rise; where other records of the meter lie between the two, they are told of.
fn in_order(layer: &mut Layer, begin: &Checked, end: &Checked) {
    match (begin.page, end.page) {
        (Some(first), Some(last)) if first >= last => {
            layer.object("page_not_after", format!("{last} after {first}"));
        }
        (Some(first), Some(last)) if last - first > 1 => {
            layer.remark(
                "pages_between",
                format!("{} records lie between {first} and {last}", last - first - 1),
            );
        }
        (Some(_), Some(_)) => {}
        (first, last) => layer.object("page_unknown", format!("{first:?}, {last:?}")),
    }
}

/// The energy between two readings.
fn readings(
    layer: &mut Layer,
    format: Option<Format>,
    first: &SignedReading,
    last: &SignedReading,
) -> Option<Decimal> {
    // EDL40 alone does not sign which end a reading is; its pages do.
    let is_silent = |moment| moment == Moment::Other && format == Some(Format::Edl40P);
    if first.moment != Moment::Begin && !is_silent(first.moment) {
        layer.object("first_not_begin", format!("{:?}", first.moment));
    }
    if last.moment != Moment::End && !is_silent(last.moment) {
        layer.object("last_not_end", format!("{:?}", last.moment));
    }
    if first.obis != last.obis {
        layer.object("register_differs", format!("{}, {}", first.obis, last.obis));
    }
    match runs_back(first, last) {
        Some(false) => {}
        Some(true) => layer.object("time_runs_back", format!("{} after {}", last.time, first.time)),
        None => layer.object("bad_time", format!("{:?}, {:?}", first.time, last.time)),
    }
    let (Some(then), Some(now)) = (first.energy_wh(), last.energy_wh()) else {
        layer.object("no_energy", "no register in Wh or kWh");
        return None;
    };
    if now < then {
        layer.object("register_falls", format!("{now} Wh after {then} Wh"));
    }
    now.checked_sub(then)
}

/// Whether the second reading was taken before the first; none if a time cannot be read.
pub(super) fn runs_back(first: &SignedReading, last: &SignedReading) -> Option<bool> {
    let ((then, _), (now, is_local)) = (instant(&first.time)?, instant(&last.time)?);
    let back = if is_local { LOCAL_CLOCK_BACK } else { SignedDuration::ZERO };
    Some(then.duration_since(now) > back)
}

/// A time as the formats write it, and whether it is that of a clock without a zone.
fn instant(text: &str) -> Option<(Timestamp, bool)> {
    let zoned = text.parse().ok().or_else(|| ocmf::instant(text)).map(|time| (time, false));
    zoned.or_else(|| {
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        Some((civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp(), true))
    })
}
