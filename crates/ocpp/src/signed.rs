//! Signed meter values: is this record what the meter signed, with which key, and does it make a bill?
//!
//! Called by `app` (`veripile check records`), `gateway` and `api`. Layers are reported apart: syntax, signature, key, transaction. Nothing here
//! trusts a key for standing in the message itself; whose key it is, the caller knows. Never panics, whatever the record.
//!
//! | format | read by | readings of a record |
//! |---|---|---|
//! | OCMF 0.1 to 1.4 | [`ocmf`] | one, or a whole charge |
//! | PCDF | [`pcdf`] | a whole charge |
//! | Alfen `AP` | [`alfen`] | one |
//! | ISA-EDL-40P | [`edl40`] | begin and now: at the end a whole charge |
//! | EDL40 (EMH, EasyMeter) | [`edl40`] | one |
//!
//! The energy of a record is told by [`billed`]. Two records of one reading each are joined by [`pair`]; the XML file of S.A.F.E. is opened by [`container`]. Curves:
//! see [`curve`].

pub mod alfen;
pub mod arrived;
pub mod billed;
pub mod container;
pub mod curve;
mod dlms;
pub mod edl40;
mod json;
pub mod key;
pub mod ocmf;
pub mod pair;
pub mod pcdf;
mod signature;
mod sml;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Longest record looked at, bytes; the largest real ones have some 10 kB.
pub const RECORD_BYTES_MAX: usize = 1 << 20;

/// Formats of signed records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// Open Charge Metering Format (S.A.F.E. e.V.).
    #[serde(rename = "OCMF")]
    Ocmf,
    /// SML-based format of Isabellenhütte's meters.
    #[serde(rename = "ISA_EDL_40_P")]
    IsaEdl40P,
    /// SML-based format of EMH's and EasyMeter's meters.
    #[serde(rename = "EDL_40_P")]
    Edl40P,
    /// Alfen's format: `AP;…`.
    #[serde(rename = "ALFEN")]
    Alfen,
    /// Porsche Charging Data Format.
    #[serde(rename = "PCDF")]
    Pcdf,
}

/// How bytes are written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// As they are.
    #[default]
    Plain,
    /// Hexadecimal digits.
    Hex,
    /// Base64 (RFC 4648 §4).
    Base64,
    /// Base32 (RFC 4648 §6).
    Base32,
}

/// A record to check.
#[derive(Debug, Clone, Default)]
pub struct Record<'a> {
    /// The record, exactly as it was sent.
    pub signed_data: &'a str,
    /// How it is written.
    pub encoding: Encoding,
    /// Its format; none: found by how it begins.
    pub format: Option<Format>,
    /// The public key it is checked with; none: no key is known.
    pub public_key: Option<&'a str>,
    /// How the key is written; none: found by trying.
    pub public_key_encoding: Option<Encoding>,
}

/// What is to be thought of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The signature is of these bytes by this key.
    Valid,
    /// It is not.
    Invalid,
    /// The record cannot be read.
    Malformed,
    /// There is no usable key.
    NoKey,
    /// The format or the curve is none that we can check.
    Unsupported,
}

/// Outcome of one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing to object to.
    Ok,
    /// Something is wrong.
    Failed,
    /// There was nothing to check, or an earlier layer failed.
    NotChecked,
}

/// A coded remark with its particulars.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable code.
    pub code: String,
    /// What exactly.
    pub detail: String,
}

/// Every code of a finding, in the order of the alphabet. Three are for whoever knows more than the record: whose meter it is, what was sent, and
/// with which charge it came.
pub const CODES: [&str; 72] = [
    "adapter_error",
    "algorithm_unsupported",
    "bad_encoding",
    "bad_register",
    "bad_time",
    "billing_not_valid",
    "check_sum_differs",
    "clock_unknown",
    "data_unreadable",
    "error_flag",
    "exception",
    "field_missing",
    "field_twice",
    "field_unknown",
    "field_unreadable",
    "first_not_begin",
    "first_use",
    "format_differs",
    "key_in_record_differs",
    "key_of_other_curve",
    "key_registered",
    "key_unreadable",
    "last_not_end",
    "list_missing",
    "list_twice",
    "meter_differs",
    "meter_error",
    "more_than_a_record",
    "no_energy",
    "no_header",
    "no_key",
    "no_readings",
    "no_register",
    "not_objects",
    "not_one_reading",
    "not_registered",
    "not_utf8",
    "not_valid",
    "one_reading",
    "other_charge",
    "other_format",
    "other_pile",
    "page_not_after",
    "page_unknown",
    "pages_between",
    "payload_unreadable",
    "register_differs",
    "register_falls",
    "register_unclear",
    "registers_several",
    "self_supplied",
    "sent_before",
    "serial_differs",
    "serial_not_compared",
    "session_differs",
    "session_unknown",
    "signature_differs",
    "signature_missing",
    "signature_not_last",
    "signature_unreadable",
    "sml_unreadable",
    "start_mismatch",
    "status_not_good",
    "stop_missing",
    "time_runs_back",
    "too_long",
    "transport_unreadable",
    "unknown_format",
    "unknown_type",
    "unknown_version",
    "variant_unknown",
    "wrong_parts",
];

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// How it went.
    pub outcome: Outcome,
    /// Why.
    pub findings: Vec<Finding>,
}

impl Layer {
    /// A layer that was not looked at.
    pub fn not_checked() -> Self {
        Self { outcome: Outcome::NotChecked, findings: Vec::new() }
    }

    /// A layer without objections.
    pub fn ok() -> Self {
        Self { outcome: Outcome::Ok, findings: Vec::new() }
    }

    /// A layer with one objection.
    pub fn failed(code: &str, detail: impl Into<String>) -> Self {
        let mut layer = Self::ok();
        layer.object(code, detail);
        layer
    }

    /// Adds an objection.
    pub fn object(&mut self, code: &str, detail: impl Into<String>) {
        self.outcome = Outcome::Failed;
        self.remark(code, detail);
    }

    /// Adds a remark that is no objection.
    pub fn remark(&mut self, code: &str, detail: impl Into<String>) {
        #[cfg(test)]
        assert!(CODES.contains(&code), "{code} is not among the codes");
        self.findings.push(Finding { code: code.to_owned(), detail: detail.into() });
    }
}

/// The layers of a verdict (metrology.md §5). Whether the record equals the bill is for the caller, who has the bill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layers {
    /// The record reads.
    pub syntax: Layer,
    /// The signature is of these bytes.
    pub signature: Layer,
    /// The key is the meter's. Without a register of keys this is never `ok`. Its findings say what the register answered: `key_registered`,
    /// `serial_differs` (for another meter), `not_registered`; or `no_register`, that it was not asked.
    pub key: Layer,
    /// The readings make a whole charge that may be billed.
    pub transaction: Layer,
}

/// Where in a charge a signed reading stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// At the beginning.
    Begin,
    /// In between.
    During,
    /// At the end, however it came about.
    End,
    /// Outside any charge, or not said.
    Other,
}

/// One signed reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedReading {
    /// Begin, during, end.
    pub moment: Moment,
    /// When, as written.
    pub time: String,
    /// The register, exact; none in a reading that only tells of an error.
    pub register: Option<Decimal>,
    /// Its unit, as written.
    pub unit: String,
    /// OBIS code of the register, as written.
    pub obis: String,
}

impl SignedReading {
    /// The register in Wh, if it is one of energy.
    pub fn energy_wh(&self) -> Option<Decimal> {
        let factor = match self.unit.as_str() {
            "Wh" => Decimal::ONE,
            "kWh" => Decimal::ONE_THOUSAND,
            _ => return None,
        };
        self.register?.checked_mul(factor)
    }
}

/// A checked record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// The verdict.
    pub verdict: Verdict,
    /// Whether a bill may rest on it: valid, and a whole charge without objections; of a stored value also: by a registered key.
    pub billable: bool,
    /// Layer by layer.
    pub layers: Layers,
    /// The format it was read as.
    pub format: Option<Format>,
    /// Serial number of the meter, as signed; in binary formats its server id (DIN 43863-5) in hexadecimal.
    pub meter_serial: Option<String>,
    /// What ties the records of one charge together, as signed: number of the charge, card or contract.
    pub session: Option<String>,
    /// Number of the record, as signed; rises with each record of a meter.
    pub page: Option<u64>,
    /// The readings, as signed; the moment of an Alfen record alone stands outside what is signed.
    pub readings: Vec<SignedReading>,
}

impl Checked {
    /// Energy of the charge in Wh: of the register that a bill rests on, from its first reading to its last.
    pub fn energy_wh(&self) -> Option<Decimal> {
        billed::Billed::of(&self.readings)?.energy_wh()
    }

    /// By what its content is known again, however the record is encoded: SHA-256 of meter, number and readings, where a meter is named that
    /// signed it. Whose card it was is left out. None of a record that is not well signed: who forges one must not come before the true one.
    pub fn content_digest(&self) -> Option<[u8; 32]> {
        let meter = self.meter_serial.as_ref().filter(|meter| !meter.trim().is_empty())?;
        if self.verdict != Verdict::Valid || self.readings.is_empty() {
            return None;
        }
        let content = serde_json::to_vec(&(meter, self.page, &self.readings)).ok()?;
        Some(Sha256::digest(content).into())
    }

    fn stopped(verdict: Verdict, format: Option<Format>, syntax: Layer) -> Self {
        let layers = Layers {
            syntax,
            signature: Layer::not_checked(),
            key: Layer::not_checked(),
            transaction: Layer::not_checked(),
        };
        Self {
            verdict,
            billable: false,
            layers,
            format,
            meter_serial: None,
            session: None,
            page: None,
            readings: Vec::new(),
        }
    }

    /// A record that cannot be read.
    pub fn malformed(format: Option<Format>, code: &str, detail: impl Into<String>) -> Self {
        Self::stopped(Verdict::Malformed, format, Layer::failed(code, detail))
    }
}

/// Checks one record.
pub fn check(record: &Record<'_>) -> Checked {
    if record.signed_data.len() > RECORD_BYTES_MAX {
        return Checked::malformed(record.format, "too_long", format!("more than {RECORD_BYTES_MAX} bytes"));
    }
    let bytes = match decode(record.signed_data, record.encoding) {
        Ok(bytes) => bytes,
        Err(why) => return Checked::malformed(record.format, "bad_encoding", why),
    };
    let Some(format) = record.format.or_else(|| format_of(&bytes)) else {
        return Checked::malformed(None, "unknown_format", "it begins like no format of signed records");
    };
    let (key, key_encoding) = (record.public_key, record.public_key_encoding);
    if matches!(format, Format::IsaEdl40P | Format::Edl40P) {
        return of_named(edl40::check(&bytes, key, key_encoding), record.format);
    }
    match (format, std::str::from_utf8(&bytes)) {
        (_, Err(error)) => Checked::malformed(Some(format), "not_utf8", error.to_string()),
        (Format::Ocmf, Ok(text)) => ocmf::check(text, key, key_encoding),
        (Format::Pcdf, Ok(text)) => pcdf::check(text, key, key_encoding),
        (_, Ok(text)) => alfen::check(text, key, key_encoding),
    }
}

/// Remarks that a record is of another format than the one named; a record that cannot be read keeps the name.
fn of_named(mut checked: Checked, named: Option<Format>) -> Checked {
    if let (Some(found), Some(named)) = (checked.format, named)
        && found != named
    {
        checked.layers.syntax.remark("other_format", format!("named {named:?}, read as {found:?}"));
    }
    checked.format = checked.format.or(named);
    checked
}

/// What a record with one reading lacks.
fn missing_half(moment: Moment) -> &'static str {
    match moment {
        Moment::Begin => "a reading at the beginning makes no charge; the record of its end is missing",
        Moment::End => "a reading at the end makes no charge; the record of its beginning is missing",
        Moment::During => "a reading in between makes no charge; the records of both its ends are missing",
        Moment::Other => {
            "one reading makes no charge; the record does not say which end it is, the other is missing"
        }
    }
}

/// The bytes of a text.
pub(crate) fn decode(text: &str, encoding: Encoding) -> Result<Vec<u8>, String> {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
    use data_encoding::{BASE32, BASE32_NOPAD};
    let bare = || text.chars().filter(|c| !c.is_ascii_whitespace()).collect::<String>();
    match encoding {
        Encoding::Plain => Ok(text.as_bytes().to_vec()),
        Encoding::Hex => hex::decode(bare()).map_err(|error| error.to_string()),
        Encoding::Base64 => {
            let bare = bare();
            STANDARD
                .decode(&bare)
                .or_else(|_| STANDARD_NO_PAD.decode(&bare))
                .map_err(|error| error.to_string())
        }
        Encoding::Base32 => {
            let bare = bare();
            let kind = if bare.ends_with('=') { BASE32 } else { BASE32_NOPAD };
            kind.decode(bare.as_bytes()).map_err(|error| error.to_string())
        }
    }
}

/// By how a record begins.
fn format_of(bytes: &[u8]) -> Option<Format> {
    let start = bytes.trim_ascii_start();
    match start {
        _ if start.starts_with(b"OCMF|") => Some(Format::Ocmf),
        _ if start.starts_with(b"AP;") => Some(Format::Alfen),
        _ if is_sml(start) => Some(Format::IsaEdl40P),
        _ if start.windows(4).any(|four| four == b"(SG:") => Some(Format::Pcdf),
        _ => None,
    }
}

/// SML's first bytes: as they are, in hexadecimal (blanks between them), in base64.
fn is_sml(start: &[u8]) -> bool {
    let digits = start.iter().filter(|byte| !byte.is_ascii_whitespace()).take(8);
    start.starts_with(&[0x1b; 4])
        || start.starts_with(b"GxsbGw")
        || digits.map(u8::to_ascii_lowercase).eq(*b"1b1b1b1b")
}

#[cfg(test)]
mod tests;
