//! Signed meter values: is this record what the meter signed, with which key, and does it make a bill?
//!
//! Called by `app` (`veripile check records`). Layers are reported apart: syntax, signature, key, transaction. Nothing here
//! trusts a key for standing in the message itself; whose key it is, the caller knows. Never panics, whatever the record.
//!
//! Formats: OCMF 1.0 to 1.4 ([`ocmf`]) and PCDF ([`pcdf`]). Known by name but not read yet, and reported as `unsupported`:
//! EDL40 (ISA-EDL-40P) and Alfen. Curves: see [`curve`].

pub mod arrived;
pub mod curve;
mod json;
pub mod key;
pub mod ocmf;
pub mod pcdf;
mod signature;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// Longest record looked at, bytes; the largest real ones have some 10 kB.
pub const RECORD_BYTES_MAX: usize = 1 << 20;

/// Formats of signed records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// Open Charge Metering Format (S.A.F.E. e.V.).
    #[serde(rename = "OCMF")]
    Ocmf,
    /// SML-based format of Isabellenhütte's and EMH's meters.
    #[serde(rename = "ISA_EDL_40_P")]
    IsaEdl40P,
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
    /// The key is the meter's. Without a register of keys this is never `ok`.
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

/// A checked record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// The verdict.
    pub verdict: Verdict,
    /// Whether a bill may rest on it: valid, and a whole charge without objections.
    pub billable: bool,
    /// Layer by layer.
    pub layers: Layers,
    /// The format it was read as.
    pub format: Option<Format>,
    /// Serial number of the meter, as signed.
    pub meter_serial: Option<String>,
    /// The readings, as signed.
    pub readings: Vec<SignedReading>,
}

impl Checked {
    fn stopped(verdict: Verdict, format: Option<Format>, syntax: Layer) -> Self {
        let layers = Layers {
            syntax,
            signature: Layer::not_checked(),
            key: Layer::not_checked(),
            transaction: Layer::not_checked(),
        };
        Self { verdict, billable: false, layers, format, meter_serial: None, readings: Vec::new() }
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
    match record.format.or_else(|| format_of(&bytes)) {
        Some(format @ (Format::Ocmf | Format::Pcdf)) => match std::str::from_utf8(&bytes) {
            Ok(text) if format == Format::Ocmf => {
                ocmf::check(text, record.public_key, record.public_key_encoding)
            }
            Ok(text) => pcdf::check(text, record.public_key, record.public_key_encoding),
            Err(error) => Checked::malformed(Some(format), "not_utf8", error.to_string()),
        },
        Some(format) => {
            let mut syntax = Layer::not_checked();
            syntax.remark("format_not_read", "this format is known by name only");
            Checked::stopped(Verdict::Unsupported, Some(format), syntax)
        }
        None => Checked::malformed(None, "unknown_format", "it begins like no format of signed records"),
    }
}

/// The bytes of a text.
pub(crate) fn decode(text: &str, encoding: Encoding) -> Result<Vec<u8>, String> {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
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
    }
}

/// By how a record begins.
fn format_of(bytes: &[u8]) -> Option<Format> {
    let start = bytes.trim_ascii_start();
    match start {
        _ if start.starts_with(b"OCMF|") => Some(Format::Ocmf),
        _ if start.starts_with(b"AP;") => Some(Format::Alfen),
        _ if start.starts_with(b"1B1B1B1B")
            || start.starts_with(b"1b1b1b1b")
            || start.starts_with(&[0x1b; 4]) =>
        {
            Some(Format::IsaEdl40P)
        }
        _ if start.windows(4).any(|four| four == b"(SG:") => Some(Format::Pcdf),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
