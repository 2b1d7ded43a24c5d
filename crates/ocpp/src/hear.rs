//! What a charger's call means, whatever its version.
//!
//! Called by `gateway::socket`. Never fails: a payload that cannot be understood is heard as [`Meaning::Other`] with marks.

use rust_decimal::Decimal;
use serde_json::Value;
use veripile_pile::{ChargeEvent, DeviceTime, Mark, Reading, ReceiveTime, RegisterSample};

use crate::card::IdentityKey;
use crate::{Version, v2, v16};

/// A call, understood.
#[derive(Debug, Clone)]
pub struct Heard {
    /// When it speaks of, by the charger's clock.
    pub time: Option<DeviceTime>,
    /// Its readings.
    pub readings: Vec<Reading>,
    /// What is wrong with the message itself.
    pub marks: Vec<Mark>,
    /// What it says.
    pub meaning: Meaning,
    /// Transaction id under which the connector of the readings is known, where the message does not name one itself.
    pub connector_of: Option<String>,
}

/// What a call says.
#[derive(Debug, Clone)]
pub enum Meaning {
    /// Who the charger is.
    Boot(BootIdentity),
    /// A connector's status.
    Status {
        /// Connector (EVSE in 2.x); 0 is the whole pile.
        connector: u32,
        /// OCPP's word, as sent.
        word: String,
    },
    /// Something about a charge.
    Charge(ChargeEvent),
    /// Readings only.
    Samples,
    /// Anything else that a charger may call.
    Other,
    /// A call that only a central system makes.
    NotForUs,
    /// No action of this version.
    Unknown,
}

/// Identity in a boot message, as sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BootIdentity {
    /// Vendor.
    pub vendor: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// Firmware version.
    pub firmware: Option<String>,
    /// Type of meter (1.6).
    pub meter_type: Option<String>,
    /// Serial number of the meter (1.6).
    pub meter_serial: Option<String>,
}

/// Hears one call.
///
/// `message_id` serves to tell apart starts that carry no time; `payload` is the payload's text.
pub fn hear(
    version: Version,
    action: &str,
    message_id: &str,
    payload: &str,
    received: ReceiveTime,
    key: &IdentityKey,
) -> Heard {
    let value: Value = serde_json::from_str(payload).unwrap_or(Value::Null);
    let listener = Listener { value: &value, received, key, message_id };
    let mut heard = match version {
        Version::V16 => v16::hear(action, &listener),
        Version::V201 | Version::V21 => v2::hear(action, &listener),
    };
    if !value.is_object() {
        heard.marks.push(Mark::BadShape);
    }
    heard
}

/// What the listeners of both versions need.
pub(crate) struct Listener<'a> {
    pub value: &'a Value,
    pub received: ReceiveTime,
    pub key: &'a IdentityKey,
    pub message_id: &'a str,
}

impl Heard {
    /// Nothing understood: for a frame that is no call.
    pub fn empty() -> Self {
        Self::plain(Meaning::Other)
    }

    /// Whether it bears on metering, so that a repeat of it must change nothing.
    pub fn is_metering(&self) -> bool {
        matches!(self.meaning, Meaning::Charge(_) | Meaning::Samples)
    }

    pub(crate) fn plain(meaning: Meaning) -> Self {
        Self { time: None, readings: Vec::new(), marks: Vec::new(), meaning, connector_of: None }
    }

    /// Puts the readings on a connector that the message did not name.
    pub fn put_on(&mut self, connector: u32) {
        for reading in &mut self.readings {
            reading.connector = connector;
        }
        self.connector_of = None;
    }
}

/// The energy registers among readings.
pub(crate) fn registers(readings: &[Reading]) -> Vec<RegisterSample> {
    readings.iter().filter_map(RegisterSample::of).collect()
}

/// A whole or decimal Wh register, also if sent as text.
pub(crate) fn register_wh(value: &Value, name: &str) -> Option<Decimal> {
    crate::json::text(value, name).and_then(|text| crate::normalise::decimal(&text))
}
