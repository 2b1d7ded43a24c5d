//! A certificate (检定证书) or notice of result (检定结果通知书): everything that was ordered, taken and found, signed.
//!
//! Made by `api` when the reviewer confirms a result; checked by anybody, offline, with [`check::check`], which verifies the
//! signature and computes the result again from the readings inside. Documents in other forms (PDF, DCC) are made from this one
//! and from nothing else.

pub mod check;
pub mod dcc;
pub mod key;
pub mod pdf;
mod records;

use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use veripile_pile::is_same_person;

pub use check::{Checked, Finding, Layer};
pub use key::{PublicKey, SigningKey};
pub use records::RecordError;

use crate::canonical;
use crate::item::{Conditions, ItemRecord, Seal};
use crate::order::{Order, OrderError};
use crate::plan::Load;
use crate::result::{ResultError, RunResult, Verdict, result};
use crate::run::{Ending, Run, Taken, Trouble};

/// Format of certificates that are made now.
pub const FORMAT: &str = "veripile-certificate/5";

/// Every format there has been, all read for ever ([`check`]). The second has two items more, insulation and indication error, and
/// says in Chinese too what is to be confirmed. The third says when charges began, and is held to their place beside the run.
/// The fourth has each decision's risk and the Monte Carlo check of each budget, and may have a clock's offset as measured.
/// The fifth may be of a real load, which has no source and whose readings tie the register to the standard's energy.
pub const FORMATS: [&str; 5] = [
    "veripile-certificate/1",
    "veripile-certificate/2",
    "veripile-certificate/3",
    "veripile-certificate/4",
    FORMAT,
];

/// The calendar that validity is counted in: China's, which has had no summer time since 1991.
const SHANGHAI: Offset = Offset::constant(8);

/// Which document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateKind {
    /// 检定证书: passed.
    Certificate,
    /// 检定结果通知书: not passed.
    Notice,
}

impl CertificateKind {
    /// The word used in database, API and texts.
    pub fn word(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Notice => "notice",
        }
    }

    /// Reads [`Self::word`] back.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Certificate, Self::Notice].into_iter().find(|kind| kind.word() == word)
    }
}

/// The document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// One of [`FORMATS`].
    pub format: String,
    /// Its number: the order's.
    pub number: String,
    /// Which document.
    pub kind: CertificateKind,
    /// What was ordered: pile, rules, plan, people, instruments with their own certificates.
    pub order: Order,
    /// Conditions.
    pub conditions: Conditions,
    /// Every reading, as taken.
    pub taken: Vec<Taken>,
    /// Every item, as recorded.
    pub items: Vec<ItemRecord>,
    /// What went wrong on the way; readings that were disturbed were thrown away and taken again.
    pub troubles: Vec<Trouble>,
    /// What follows.
    pub result: RunResult,
    /// Day of the verification (China's calendar).
    pub verified_on: Date,
    /// When the document was made.
    pub issued_at: Timestamp,
    /// Last day of validity; none for a notice.
    pub valid_until: Option<Date>,
    /// Remarks of the reviewer.
    pub remarks: String,
    /// Program and version.
    pub software: String,
}

/// A document with its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The document.
    pub certificate: Certificate,
    /// The file: canonical JSON (RFC 8785) of document and signature.
    pub json: String,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
}

/// Why there is no document.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// The run has not ended with every reading taken.
    #[error("the run is not complete")]
    NotMeasured,
    /// Something is still to be recorded.
    #[error("not recorded: {0}")]
    Missing(String),
    /// The uncertainty is too large to decide.
    #[error(
        "the result is undecided: there is no document; order the verification again with smaller uncertainty"
    )]
    Undecided,
    /// Somebody else than the order's reviewer wants to confirm.
    #[error("only {0} may confirm this result")]
    NotTheReviewer(String),
    /// The rule set has no interval.
    #[error("{0} names no interval of validity")]
    NoInterval(String),
    /// There is no result.
    #[error(transparent)]
    Result(#[from] ResultError),
    /// The order cannot be understood.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// What was recorded does not stand beside this run.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A date outside the calendar.
    #[error("a date outside the calendar")]
    Date,
}

impl Certificate {
    /// The document of a run whose result its reviewer confirms.
    pub fn of(
        run: &Run,
        reviewer: &str,
        remarks: &str,
        at: Timestamp,
        software: &str,
    ) -> Result<Self, CertificateError> {
        let order = run.order();
        if reviewer != order.reviewer {
            return Err(CertificateError::NotTheReviewer(order.reviewer.clone()));
        }
        if run.ending() != Some(&Ending::Measured) {
            return Err(CertificateError::NotMeasured);
        }
        let missing = run.missing();
        let conditions = run.conditions().filter(|_| missing.is_empty());
        let conditions = conditions.ok_or_else(|| CertificateError::Missing(missing.join(", ")))?;
        let items = run.items();
        let found = result(order, run.taken(), &items)?;
        let kind = match found.verdict {
            Verdict::Conform => CertificateKind::Certificate,
            Verdict::Nonconform => CertificateKind::Notice,
            Verdict::Undecided => return Err(CertificateError::Undecided),
        };
        let (from, to) = time_of(run.taken()).ok_or(CertificateError::NotMeasured)?;
        // What a checker would find wrong is not issued: an instrument's certificate may have run out on the way.
        if let Some(error) = order.check_done(from, to, order.plan.load == Load::Virtual).into_iter().next() {
            return Err(error.into());
        }
        let verified_on = day(to);
        if run.recorders().iter().any(|name| is_same_person(name, &order.reviewer)) {
            return Err(RecordError::Reviewer(order.reviewer.clone()).into());
        }
        let certificate = Self {
            format: FORMAT.to_owned(),
            number: order.number.clone(),
            kind,
            order: without_addresses(order),
            conditions: conditions.clone(),
            taken: run.taken().to_vec(),
            items: items.into_iter().cloned().collect(),
            troubles: run.troubles().to_vec(),
            result: found,
            verified_on,
            issued_at: at,
            valid_until: valid_until(kind, order, verified_on)?,
            remarks: remarks.trim().to_owned(),
            software: software.to_owned(),
        };
        match records::wrong(&certificate, (from, to)).into_iter().next() {
            Some(error) => Err(error.into()),
            None => Ok(certificate),
        }
    }

    /// The file: canonical JSON with the signature over the document's own canonical bytes.
    pub fn sign(self, key: &SigningKey) -> Issued {
        let document = canonical::value(&self);
        let signature = key.sign(canonical::text(&document).as_bytes());
        let file = serde_json::json!({
            "certificate": document,
            "signature": {
                "algorithm": "Ed25519",
                "canonicalization": "RFC 8785",
                "key_id": key.public().key_id(),
                "public_key": key.public().hex(),
                "value": hex::encode(signature),
            },
        });
        let json = canonical::text(&file);
        let sha256 = canonical::sha256(json.as_bytes());
        Issued { certificate: self, json, sha256 }
    }

    /// Seals as recorded; whether they were whole is the item's finding.
    pub fn seals(&self) -> Vec<&Seal> {
        self.items
            .iter()
            .filter_map(|record| match &record.evidence {
                crate::item::Evidence::Seals { seals, .. } => Some(seals.iter()),
                _ => None,
            })
            .flatten()
            .collect()
    }

    /// The last moment of validity: the end of its last day in China.
    pub fn valid_until_moment(&self) -> Option<Timestamp> {
        let day = self.valid_until?.tomorrow().ok()?;
        let end = day.to_zoned(TimeZone::fixed(SHANGHAI)).ok()?.timestamp();
        Some(end - jiff::SignedDuration::from_secs(1))
    }
}

/// A moment's day in China.
pub fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::fixed(SHANGHAI)).date()
}

/// An order for the public: where instruments listen is the body's own affair, and nothing follows from it.
fn without_addresses(order: &Order) -> Order {
    let mut order = order.clone();
    order.instruments.iter_mut().for_each(|instrument| instrument.address.clear());
    order
}

/// First and last moment of the readings.
fn time_of(taken: &[Taken]) -> Option<(Timestamp, Timestamp)> {
    let from = taken.iter().map(|reading| reading.began_at).min()?;
    let to = taken.iter().map(|reading| reading.ended_at).max()?;
    Some((from, to))
}

/// The day before the same date so many years later, as certificates are dated. After 29 February comes, where the year has none,
/// 1 March: the day before is the 28th.
pub(crate) fn valid_until(
    kind: CertificateKind,
    order: &Order,
    verified_on: Date,
) -> Result<Option<Date>, CertificateError> {
    if kind == CertificateKind::Notice {
        return Ok(None);
    }
    let rules = order.rules()?;
    let interval = rules.interval.as_ref().ok_or_else(|| CertificateError::NoInterval(rules.name.clone()))?;
    let span = Span::new().try_years(interval.years).map_err(|_| CertificateError::Date)?;
    let same = verified_on.checked_add(span).map_err(|_| CertificateError::Date)?;
    // Where the date does not exist the calendar gives the last day of its month, which is the day before already.
    let until = if same.day() == verified_on.day() { same.yesterday() } else { Ok(same) };
    until.map(Some).map_err(|_| CertificateError::Date)
}

#[cfg(test)]
mod tests;
