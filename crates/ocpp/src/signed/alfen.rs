//! Alfen's format: `AP;<type>;<version>;<public key>;<data>;<signature>;`, the last three in base32, one reading a record.
//!
//! Called by [`super::check`]. ECDSA on NIST P-192 over the SHA-256 of the 82 bytes of data; the signature is r and s, 24 bytes
//! each. What stands before the data is not signed: neither the key, which proves nothing, nor the type, which says whether
//! the reading begins or ends a charge. [`super::pair`] therefore orders by page.
//!
//! Layout as read by S.A.F.E. e.V.'s Transparenzsoftware; all numbers little endian.

use std::ops::Range;

use sha2::{Digest, Sha256};

use super::curve::Curve;
use super::dlms::{self, Register};
use super::signature::Signature;
use super::{Checked, Encoding, Format, Layer, Layers, Moment, Outcome, SignedReading, decode, key};

/// Bytes of data.
const DATA_BYTES: usize = 82;

/// The version whose layout is known.
const VERSION: &str = "3";

/// Bits of the status word that tell of an error, with the code of the finding.
const ERRORS: [(u32, &str); 6] = [
    (1 << 1, "meter_error"),
    (1 << 2, "meter_error"),
    (1 << 16, "adapter_error"),
    (1 << 26, "start_mismatch"),
    (1 << 30, "adapter_error"),
    (1 << 31, "adapter_error"),
];

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Data {
    /// Identity of the adapter that signs.
    pub adapter_id: [u8; 10],
    /// Its firmware, four letters and digits.
    pub adapter_firmware: [u8; 4],
    /// Checksum of that firmware.
    pub adapter_checksum: [u8; 2],
    /// Server id of the meter (DIN 43863-5).
    pub meter_id: [u8; 10],
    /// Status of meter (lower half) and adapter.
    pub status: u32,
    /// Seconds the adapter has run, counted by itself.
    pub seconds_index: u32,
    /// Seconds since 1970, UTC.
    pub time: u32,
    /// OBIS code of the register.
    pub obis: [u8; 6],
    /// Code of its unit.
    pub unit: u8,
    /// Its power of ten.
    pub scaler: i8,
    /// Its value, to be multiplied with that.
    pub register: i64,
    /// The card, padded with zeros.
    pub uid: [u8; 20],
    /// Number of the charge.
    pub session: u32,
    /// Number of the record; rises with each.
    pub page: u32,
}

impl Data {
    /// Reads the 82 bytes.
    pub fn read(bytes: &[u8; DATA_BYTES]) -> Self {
        Self {
            adapter_id: part(bytes, 0..10),
            adapter_firmware: part(bytes, 10..14),
            adapter_checksum: part(bytes, 14..16),
            meter_id: part(bytes, 16..26),
            status: u32::from_le_bytes(part(bytes, 26..30)),
            seconds_index: u32::from_le_bytes(part(bytes, 30..34)),
            time: u32::from_le_bytes(part(bytes, 34..38)),
            obis: part(bytes, 38..44),
            unit: bytes[44],
            scaler: i8::from_le_bytes([bytes[45]]),
            register: i64::from_le_bytes(part(bytes, 46..54)),
            uid: part(bytes, 54..74),
            session: u32::from_le_bytes(part(bytes, 74..78)),
            page: u32::from_le_bytes(part(bytes, 78..82)),
        }
    }

    fn reading(&self, moment: Moment) -> SignedReading {
        let register =
            Register { obis: self.obis, unit: self.unit, scaler: self.scaler, value: self.register };
        register.read(moment, dlms::utc_time(self.time))
    }
}

fn part<const N: usize>(bytes: &[u8; DATA_BYTES], range: Range<usize>) -> [u8; N] {
    bytes[range].try_into().expect("the range is as long as the part")
}

/// A record, taken apart.
struct Parts<'a> {
    moment: Moment,
    version: &'a str,
    own_key: &'a str,
    data: [u8; DATA_BYTES],
    signature: Result<Vec<u8>, String>,
}

/// Checks a record with a key.
pub fn check(text: &str, public_key: Option<&str>, key_encoding: Option<Encoding>) -> Checked {
    match split(text) {
        Ok(parts) => judge(parts, public_key, key_encoding),
        Err((code, why)) => Checked::malformed(Some(Format::Alfen), code, why),
    }
}

fn judge(parts: Parts<'_>, public_key: Option<&str>, key_encoding: Option<Encoding>) -> Checked {
    let data = Data::read(&parts.data);
    let mut syntax = Layer::ok();
    if parts.version != VERSION {
        syntax.remark(
            "unknown_version",
            format!("version {:?} was read like version {VERSION}", parts.version),
        );
    }
    let hash = Sha256::digest(parts.data);
    let signature = Signature {
        curve: Curve::Secp192r1,
        algorithm: "ECDSA-secp192r1-SHA256",
        bytes: parts.signature,
        hash: &hash,
    };
    let (verdict, signature, mut key) = signature.check(public_key, key_encoding);
    if let Some(given) = public_key {
        compare(parts.own_key, given, key_encoding, &mut key);
    }
    let reading = data.reading(parts.moment);
    Checked {
        verdict,
        billable: false,
        layers: Layers { syntax, signature, key, transaction: transaction(&data, &reading) },
        format: Some(Format::Alfen),
        meter_serial: Some(hex::encode_upper(data.meter_id)),
        session: Some(data.session.to_string()),
        page: Some(u64::from(data.page)),
        readings: vec![reading],
    }
}

/// Whether the key in the record is the one given.
fn compare(own: &str, given: &str, encoding: Option<Encoding>, layer: &mut Layer) {
    let point = |text: &str, encoding| {
        key::read(text, encoding).ok().and_then(|key| Curve::Secp192r1.uncompressed(&key.point))
    };
    let Some(given) = point(given, encoding) else { return };
    if point(own, Some(Encoding::Base32)) != Some(given) {
        layer
            .remark("key_in_record_differs", "the record names another key than the one it was checked with");
    }
}

fn transaction(data: &Data, reading: &SignedReading) -> Layer {
    let mut layer = Layer::ok();
    for (bit, code) in ERRORS {
        if data.status & bit != 0 {
            layer.object(code, format!("status {:08x}", data.status));
        }
    }
    dlms::object(&mut layer, reading);
    if layer.outcome == Outcome::Ok {
        layer.outcome = Outcome::NotChecked;
        layer.remark("one_reading", super::missing_half(reading.moment));
    }
    layer
}

type Malformed = (&'static str, String);

fn split(text: &str) -> Result<Parts<'_>, Malformed> {
    let text = text.trim_ascii();
    let text = text.strip_suffix(';').unwrap_or(text);
    let fields: Vec<&str> = text.splitn(8, ';').collect();
    let &[name, kind, version, own_key, data, signature] = fields.as_slice() else {
        return Err(("wrong_parts", format!("{} parts, not six", fields.len())));
    };
    if name != "AP" {
        return Err(("no_header", "it does not begin with AP;".to_owned()));
    }
    let moment = match kind {
        "0" => Moment::Begin,
        "1" => Moment::End,
        "2" => Moment::During,
        other => return Err(("unknown_type", format!("type {other:?} is none of 0, 1, 2"))),
    };
    let data = decode(data, Encoding::Base32).map_err(|why| ("data_unreadable", why))?;
    let data = data.try_into().map_err(|data: Vec<u8>| {
        ("data_unreadable", format!("{} bytes of data, not {DATA_BYTES}", data.len()))
    })?;
    Ok(Parts { moment, version, own_key, data, signature: two_numbers(signature) })
}

/// r and s, 24 bytes each. The bytes of DER are not asked for: Alfen never writes them.
fn two_numbers(text: &str) -> Result<Vec<u8>, String> {
    let bytes = decode(text, Encoding::Base32)?;
    if bytes.len() == 48 { Ok(bytes) } else { Err(format!("{} bytes of signature, not 48", bytes.len())) }
}
