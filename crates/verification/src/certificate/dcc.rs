//! A Digital Calibration Certificate (PTB's DCC, schema 3.2.0 with D-SI 2.1.0) of an issued document, with that document inside.
//!
//! Called by `api` when somebody asks for a certificate as XML. Made from the signed document and from nothing else. Every number
//! is written with the digits it has there; computed are only differences, of two registers and of two moments, and these are
//! exact. The DCC bears no signature of its own; it carries the signed file, byte for byte, so that whoever reads it can check everything with [`super::check::check`].
//!
//! Texts that people typed may hold characters that XML 1.0 has no way to write (control characters, U+FFFE, U+FFFF): each comes
//! out as U+FFFD. Where the schema wants a text that is neither empty nor begins or ends with blanks, blanks at the ends are cut;
//! an optional element without a text is left out, and a compulsory one says `—`.

mod administrative;
mod items;
mod measurement;
mod points;
mod statements;
mod xml;

#[cfg(test)]
mod tests;

use thiserror::Error;

use super::{Certificate, CertificateKind, Issued};
use crate::order::OrderError;
use crate::result::Verdict;
use xml::{Label, Xml};

/// Version of the schema that is written.
pub const SCHEMA_VERSION: &str = "3.2.0";

/// Largest signed file that is put into a DCC, bytes: as Base64 it stays below the ten million characters at which common XML
/// readers refuse a text. A plan with the most load points and readings makes some hundred thousand.
pub const FILE_BYTES_MAX: usize = 7_000_000;

/// Why there is no DCC.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DccError {
    /// Nothing to identify it by.
    #[error("the document has no number")]
    NoNumber,
    /// The schema wants a result.
    #[error("the document has no load points")]
    NoPoints,
    /// Readings and errors do not pair.
    #[error("load point {point} has {readings} readings and {errors} errors")]
    Readings {
        /// Which, from 1.
        point: usize,
        /// Readings.
        readings: usize,
        /// Errors.
        errors: usize,
    },
    /// A number that no quantity can have: an uncertainty below zero, a coverage factor below one, an energy without end.
    #[error("{what} of load point {point} is {value}")]
    Number {
        /// What.
        what: &'static str,
        /// Which load point, from 1.
        point: usize,
        /// Its value.
        value: String,
    },
    /// A date that XML cannot write.
    #[error("{0} is no date of a document")]
    Date(String),
    /// The signed file is too long.
    #[error("the signed file has {0} bytes, at most {FILE_BYTES_MAX} fit into a DCC")]
    TooLong(usize),
    /// The rule set is not known.
    #[error(transparent)]
    Order(#[from] OrderError),
}

/// The DCC of an issued document. `address`: where the signed document can be looked up, e.g. its page; empty if nowhere.
///
/// The same document and address give the same bytes, as long as it is the same version of this program.
pub fn dcc(issued: &Issued, address: &str) -> Result<String, DccError> {
    let certificate = &issued.certificate;
    if issued.json.len() > FILE_BYTES_MAX {
        return Err(DccError::TooLong(issued.json.len()));
    }
    if xml::trimmed(&certificate.number).is_empty() {
        return Err(DccError::NoNumber);
    }
    let points = points::paired(certificate)?;
    let rules = certificate.order.rules()?;
    let mut xml = Xml::default();
    let root = [
        ("xmlns:dcc", "https://ptb.de/dcc"),
        ("xmlns:si", "https://ptb.de/si"),
        ("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance"),
        ("xsi:schemaLocation", "https://ptb.de/dcc https://ptb.de/dcc/v3.2.0/dcc.xsd"),
        ("schemaVersion", SCHEMA_VERSION),
    ];
    xml.inside_with("dcc:digitalCalibrationCertificate", &root, |xml| {
        xml.inside("dcc:administrativeData", |xml| {
            administrative::write(xml, issued);
            statements::write(xml, issued, &rules, address);
        });
        xml.inside("dcc:measurementResults", |xml| {
            measurement::write(xml, certificate, &rules, &points);
            items::write(xml, certificate);
        });
    });
    xml.finish()
}

/// What a document is called.
fn title(kind: CertificateKind) -> Label {
    match kind {
        CertificateKind::Certificate => Label::new("检定证书", "Verification certificate"),
        CertificateKind::Notice => Label::new("检定结果通知书", "Notice of verification result"),
    }
}

/// The schema's word for a verdict. Undecided has none: `noPass` and `noFail` each say half of it, and either could be read as a
/// decision.
fn conformity(verdict: Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::Conform => Some("pass"),
        Verdict::Nonconform => Some("fail"),
        Verdict::Undecided => None,
    }
}

/// Chinese and English for a verdict.
fn decided(verdict: Verdict) -> Label {
    match verdict {
        Verdict::Conform => Label::new("合格", "conforms"),
        Verdict::Nonconform => Label::new("不合格", "does not conform"),
        Verdict::Undecided => {
            Label::new("不确定度过大，未作判定", "undecided: the uncertainty is too large to say")
        }
    }
}
