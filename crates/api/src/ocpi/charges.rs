//! The charges over OCPP with which signed values of a charge detail record came, too: the one that is billed, or another than the bill says.
//!
//! Called by [`super::values`] whenever a record is told, since a pile may send its values before or after a party does. Which charges these are
//! is found in `veripile_store`; here is only whether bill and charge can be of one.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use veripile_store::ocpi::{ArrivedWith, KeptCdr};
use veripile_store::{Store, StoreError};

use super::page::moment_read;
use super::values;

/// By how much clocks differ that tell of one charge; a clock that is off by more is told by when its messages came.
const CLOCKS_APART: SignedDuration = SignedDuration::from_mins(10);

type Span = (Timestamp, Timestamp);

/// What a bill says of its charge.
struct Billed {
    /// The pile, where it is one that is known here.
    pile_no: Option<i64>,
    /// When it began and ended.
    span: Option<Span>,
}

impl Billed {
    /// Whether it may be of this charge. What it does not say, or says of a pile that nobody knows, contradicts nothing.
    fn may_be_of(&self, charge: &ArrivedWith) -> bool {
        let is_there = self.pile_no.is_none_or(|pile_no| pile_no == charge.pile_no);
        let came = (charge.received_at, charge.received_at);
        let is_then = |span: Span| are_of_one_time(span, charge.span) || are_of_one_time(span, came);
        is_there && self.span.is_none_or(is_then)
    }
}

/// Whether the middle of one time lies in the other, as far as clocks tell.
fn are_of_one_time(one: Span, other: Span) -> bool {
    let holds = |(from, to): Span, (begin, end): Span| {
        let middle = begin + end.duration_since(begin) / 2;
        middle.duration_since(from) >= -CLOCKS_APART && middle.duration_since(to) <= CLOCKS_APART
    };
    holds(one, other) || holds(other, one)
}

/// Says with which charge over OCPP the values of a bill came, and of a value that came with others only that it did: then no bill rests on it.
/// What a registered key vouches for in a bill is not taken away by what none vouches for here.
pub(super) async fn tell(store: &Store, kept: &KeptCdr, told: &mut Value) -> Result<(), StoreError> {
    let Value::Object(told) = told else { return Ok(()) };
    told.insert("charge".to_owned(), Value::Null);
    let mut arrived: BTreeMap<usize, Vec<ArrivedWith>> = BTreeMap::new();
    for charge in store.ocpi_records_arrived(&kept.reference).await? {
        arrived.entry(charge.place).or_default().push(charge);
    }
    if arrived.is_empty() {
        return Ok(());
    }
    let Ok(Value::Object(cdr)) = serde_json::from_str(&kept.body) else { return Ok(()) };
    let moment = |name: &str| cdr.get(name).and_then(Value::as_str).and_then(moment_read);
    let span = moment("start_date_time").zip(moment("end_date_time"));
    let billed = Billed { pile_no: values::pile_of(store, &cdr).await?, span };
    let mut charges = BTreeSet::new();
    let Some(Value::Array(records)) = told.get_mut("records") else { return Ok(()) };
    for (place, with) in &arrived {
        let Some(Value::Object(record)) = records.get_mut(*place) else { continue };
        let fitting: Vec<i64> =
            with.iter().filter(|charge| billed.may_be_of(charge)).map(|charge| charge.charge_no).collect();
        let is_registered = record.get("key_from").is_some_and(|source| source == "register");
        let other = with.iter().find(|charge| charge.is_registered || !is_registered);
        if let Some(other) = other.filter(|_| fitting.is_empty()) {
            let particulars = json!({ "charge": other.charge_no, "pile_id": other.pile_id });
            values::object(record, "other_charge", particulars);
        }
        charges.extend(fitting);
    }
    if charges.len() == 1 {
        told.insert("charge".to_owned(), json!(charges.first()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_770_000_000 + 60 * minute).expect("in range")
    }

    /// A charge of an hour whose value came at its end.
    fn charge() -> ArrivedWith {
        ArrivedWith {
            place: 0,
            charge_no: 1,
            pile_no: 7,
            pile_id: "P".to_owned(),
            span: (at(0), at(60)),
            received_at: at(60),
            is_registered: true,
        }
    }

    #[test]
    fn a_bill_is_of_the_charge_at_its_pile_and_about_its_time() {
        let check = |pile_no: Option<i64>, span: Option<(i64, i64)>, expected: bool| {
            let span = span.map(|(from, to)| (at(from), at(to)));
            assert_eq!(Billed { pile_no, span }.may_be_of(&charge()), expected, "{pile_no:?} {span:?}");
        };
        check(Some(7), Some((0, 60)), true);
        check(None, Some((0, 60)), true);
        check(Some(8), Some((0, 60)), false);
        check(Some(7), None, true);
        // As clocks differ; a bill of less than the charge, and of more.
        check(Some(7), Some((9, 71)), true);
        check(Some(7), Some((-9, 50)), true);
        check(Some(7), Some((20, 25)), true);
        check(Some(7), Some((-300, 300)), true);
        // The next charge at the same pile, and one of hours later.
        check(Some(7), Some((72, 132)), false);
        check(Some(7), Some((-132, -72)), false);
        check(None, Some((300, 360)), false);
        // A pile whose clock is hours off sends its values when they come.
        let off = ArrivedWith { span: (at(480), at(540)), ..charge() };
        assert!(Billed { pile_no: Some(7), span: Some((at(0), at(60))) }.may_be_of(&off));
        let late = ArrivedWith { received_at: at(900), ..off };
        assert!(!Billed { pile_no: Some(7), span: Some((at(0), at(60))) }.may_be_of(&late));
    }
}
