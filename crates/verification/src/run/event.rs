//! What happens to a run: answers to its actions, and what people record meanwhile. Stored one by one, in their order.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::item::{Conditions, ItemRecord};

/// Who failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// The source.
    Source,
    /// The reference standard.
    Standard,
    /// The pile.
    Pile,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, by the server's clock.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub what: Happening,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", content = "data", rename_all = "snake_case")]
pub enum Happening {
    /// A runner took the order up.
    Begun,
    /// A runner took it up again, after a stop of the server.
    Resumed,
    /// The action at hand was done, and there is nothing to tell of it.
    Done,
    /// The wait is over.
    Waited,
    /// The pile answered ChangeAvailability.
    Availability {
        /// OCPP's word: `Accepted`, `Scheduled`, `Rejected`.
        status: String,
    },
    /// Whether a charge runs at the outlet.
    Idle {
        /// Whether one does.
        charging: bool,
        /// Connector status, as last told.
        status: Option<String>,
    },
    /// An instrument said who it is.
    Identity {
        /// Its answer to `*IDN?`.
        text: String,
    },
    /// Whether outputs are on, or a count is done.
    State {
        /// On, or done.
        on: bool,
    },
    /// Temperature of the source.
    Temperature {
        /// °C.
        celsius: Decimal,
    },
    /// What the standard measures now.
    Measured {
        /// V.
        voltage_v: Decimal,
        /// A.
        current_a: Decimal,
        /// W.
        power_w: Decimal,
    },
    /// Energy integrated by the standard, or its pulses counted, or its constant.
    Number {
        /// Wh, imp, imp/kWh.
        value: Decimal,
    },
    /// The pile's register.
    Register {
        /// Wh.
        wh: Decimal,
        /// As the pile sent it.
        text: String,
        /// The pile's own time of the reading, if it told one.
        device_time: Option<Timestamp>,
    },
    /// The pile tells other firmware than the order names: what is measured from here on is not what was ordered.
    OtherFirmware {
        /// What it tells.
        told: String,
    },
    /// A person read the register off the display.
    DisplayRead {
        /// Wh.
        wh: Decimal,
        /// Who.
        person: String,
    },
    /// The action at hand failed.
    Failed {
        /// Who.
        party: Party,
        /// Whether it cannot be reached; else it answered with an error, or nothing readable.
        lost: bool,
        /// What exactly.
        detail: String,
    },
    /// A person stopped the run.
    Stopped {
        /// Who.
        person: String,
        /// Why.
        reason: String,
    },
    /// An item was recorded.
    Item(ItemRecord),
    /// Conditions were recorded.
    Conditions(Conditions),
}

/// An answer to an action, without what only the record needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// Done.
    Done,
    /// Waited. Not the same as done: a late answer must not cut a wait short.
    Waited,
    /// ChangeAvailability.
    Availability(String),
    /// Whether a charge runs.
    Idle(bool),
    /// Who an instrument is.
    Identity(String),
    /// On, or done.
    State(bool),
    /// °C.
    Temperature(Decimal),
    /// V, A, W.
    Measured(Decimal, Decimal, Decimal),
    /// Wh, imp, imp/kWh.
    Number(Decimal),
    /// The register.
    Register {
        /// Wh.
        wh: Decimal,
        /// The pile's own time of it.
        device_time: Option<Timestamp>,
    },
}

impl Happening {
    /// The answer that this is, if it is one.
    pub(super) fn answer(&self) -> Option<Answered> {
        Some(match self {
            Self::Done => Answered::Done,
            Self::Waited => Answered::Waited,
            Self::Availability { status } => Answered::Availability(status.clone()),
            Self::Idle { charging, .. } => Answered::Idle(*charging),
            Self::Identity { text } => Answered::Identity(text.clone()),
            Self::State { on } => Answered::State(*on),
            Self::Temperature { celsius } => Answered::Temperature(*celsius),
            Self::Measured { voltage_v, current_a, power_w } => {
                Answered::Measured(*voltage_v, *current_a, *power_w)
            }
            Self::Number { value } => Answered::Number(*value),
            Self::Register { wh, device_time, .. } => {
                Answered::Register { wh: *wh, device_time: *device_time }
            }
            _ => return None,
        })
    }
}
