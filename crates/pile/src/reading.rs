//! One reading of one quantity, as a charger sent it and as we understood it.
//!
//! Made by `ocpp::normalise` from every protocol version, stored by `store::intake`. The text of the value is kept as it
//! was sent; the number is its exact decimal, or absent with a mark.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{DeviceTime, Mark, ReceiveTime, SignedValue};

/// What was measured, in OCPP's words (`Energy.Active.Import.Register`). Unknown ones are kept as sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Measurand(pub String);

impl Measurand {
    /// The cumulative register of energy delivered: the measurand this product exists for.
    pub const ENERGY_IMPORT_REGISTER: &'static str = "Energy.Active.Import.Register";

    /// The power delivered.
    pub const POWER_IMPORT: &'static str = "Power.Active.Import";

    /// How full the vehicle's battery is, percent.
    pub const STATE_OF_CHARGE: &'static str = "SoC";

    /// Whether this is [`Self::ENERGY_IMPORT_REGISTER`].
    pub fn is_energy_register(&self) -> bool {
        self.0 == Self::ENERGY_IMPORT_REGISTER
    }
}

/// Why a reading was taken.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ReadingContext {
    /// At the start of a charge.
    TransactionBegin,
    /// At the end of a charge.
    TransactionEnd,
    /// Every so many seconds (OCPP's default).
    SamplePeriodic,
    /// On the clock.
    SampleClock,
    /// Because we asked.
    Trigger,
    /// Power was lost, or came back, or anything else, in the charger's own word.
    Other(String),
}

impl ReadingContext {
    /// OCPP's word.
    pub fn word(&self) -> &str {
        match self {
            Self::TransactionBegin => "Transaction.Begin",
            Self::TransactionEnd => "Transaction.End",
            Self::SamplePeriodic => "Sample.Periodic",
            Self::SampleClock => "Sample.Clock",
            Self::Trigger => "Trigger",
            Self::Other(word) => word,
        }
    }

    /// Reads OCPP's word; any other is kept.
    pub fn from_word(word: &str) -> Self {
        match word {
            "Transaction.Begin" => Self::TransactionBegin,
            "Transaction.End" => Self::TransactionEnd,
            "Sample.Periodic" => Self::SamplePeriodic,
            "Sample.Clock" => Self::SampleClock,
            "Trigger" => Self::Trigger,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// Which conductor was measured. `Total` where the charger names none: the whole outlet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// No phase named: all of them together.
    Total,
    /// A phase in OCPP's word (`L1`, `L1-N`, `N`, …). The neutral is never added to a sum.
    Named(String),
}

/// Where along the way it was measured.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Location {
    /// At the outlet: OCPP's default.
    Outlet,
    /// In the vehicle, relayed by the pile.
    Ev,
    /// Elsewhere, in the charger's own word (`Inlet`, `Cable`, `Body`, `Upstream`, or unknown).
    Other(String),
}

impl Location {
    /// OCPP's word.
    pub fn word(&self) -> &str {
        match self {
            Self::Outlet => "Outlet",
            Self::Ev => "EV",
            Self::Other(word) => word,
        }
    }

    /// Reads OCPP's word; any other is kept.
    pub fn from_word(word: &str) -> Self {
        match word {
            "Outlet" => Self::Outlet,
            "EV" => Self::Ev,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// One reading.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Connector of the pile (EVSE in OCPP 2.x); 0 is the pile's main meter, a series of its own.
    pub connector: u32,
    /// What was measured.
    pub measurand: Measurand,
    /// Which conductor.
    pub phase: Phase,
    /// Where.
    pub location: Location,
    /// Why.
    pub context: ReadingContext,
    /// The unit as sent, or OCPP's default with [`Mark::MissingUnit`].
    pub unit: String,
    /// The value's text, as sent.
    pub value: String,
    /// The value as an exact decimal in `unit`; none where the text is not a number.
    pub number: Option<Decimal>,
    /// What the charger's clock said, if it is believable.
    pub device_time: Option<DeviceTime>,
    /// When the message reached us.
    pub received: ReceiveTime,
    /// The signed container that came with it, or that it is.
    pub signed: Option<Box<SignedValue>>,
    /// What was wrong with it.
    pub marks: Vec<Mark>,
}

impl Reading {
    /// Energy in Wh, exact, for a reading in `Wh` or `kWh`; none for any other unit or for a text that is no number.
    ///
    /// # Formula
    /// `kWh × 1000`, in decimal.
    pub fn energy_wh(&self) -> Option<Decimal> {
        let number = self.number?;
        match self.unit.as_str() {
            "Wh" => Some(number),
            "kWh" => number.checked_mul(Decimal::ONE_THOUSAND),
            _ => None,
        }
    }

    /// Power in W, exact, for a reading in `W` or `kW`; none for any other unit or for a text that is no number.
    ///
    /// # Formula
    /// `kW × 1000`, in decimal.
    pub fn power_w(&self) -> Option<Decimal> {
        let number = self.number?;
        match self.unit.as_str() {
            "W" => Some(number),
            "kW" => number.checked_mul(Decimal::ONE_THOUSAND),
            _ => None,
        }
    }

    /// The time to order by: the charger's where it can be believed, else ours.
    pub fn time(&self) -> jiff::Timestamp {
        self.device_time.map_or(self.received.0, |time| time.0)
    }
}
