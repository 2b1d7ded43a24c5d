//! A signed meter value as a charger sent it, and what may be thought of it.
//!
//! Found by `ocpp::normalise` in a reading, judged by `ocpp::signed::arrived`, kept by `store::intake`. Whether a signature is
//! good is decided in `ocpp::signed`, never here.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The container as it came in a message (OCPP 2.x `SignedMeterValueType`; in 1.6 the same as JSON text in `value`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedValue {
    /// `signedMeterData`, exactly as sent.
    pub data: String,
    /// `encodingMethod`: by the whitepaper the name of the container's format; empty or absent with many chargers.
    pub encoding_method: Option<String>,
    /// `publicKey`, as sent. It proves nothing by itself.
    pub public_key: Option<String>,
}

/// Where the key came from that a signature was checked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeySource {
    /// From the register of meters: somebody entered it from the meter's plate or certificate.
    Register,
    /// The key that this pile sent first, trusted since (a weaker thing: nobody has compared it with the meter).
    FirstUse,
    /// The key in the message itself, the first this pile ever sent.
    Message,
}

impl KeySource {
    /// Its word, as stored.
    pub fn word(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::FirstUse => "first_use",
            Self::Message => "message",
        }
    }

    /// Reads [`Self::word`] back.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Register, Self::FirstUse, Self::Message].into_iter().find(|source| source.word() == word)
    }
}

/// A public key that is known of a pile's meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterKey {
    /// The key, as entered or as sent.
    pub public_key: String,
    /// Serial number of the meter it belongs to, where that is known.
    pub meter_serial: Option<String>,
    /// Where it came from; never [`KeySource::Message`].
    pub source: KeySource,
}

/// A signed value with its verdict, as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct SignedRecord {
    /// Connector (EVSE in 2.x).
    pub connector: u32,
    /// When the reading was taken, by the charger's message; else when it came.
    pub at: Timestamp,
    /// As it came.
    pub value: SignedValue,
    /// Format of the container, if recognised (`OCMF`, `ISA_EDL_40_P`, `ALFEN`, `PCDF`).
    pub format: Option<String>,
    /// `valid`, `invalid`, `malformed`, `no_key`, `unsupported`, or `unchecked` beyond the limit of one message.
    pub verdict: String,
    /// Where the key came from that it was checked with.
    pub key_source: Option<KeySource>,
    /// Serial number of the meter, as signed.
    pub meter_serial: Option<String>,
    /// The layers of the verdict with their findings, as JSON text.
    pub layers: String,
}
