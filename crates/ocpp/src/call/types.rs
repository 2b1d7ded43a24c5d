//! The words that calls are made of, whatever the version.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::CallError;

/// A log that a charger keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogKind {
    /// For technicians.
    Diagnostics,
    /// Security events.
    Security,
}

/// The maker's signature of firmware.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirmwareSignature {
    /// The certificate it was made with, in PEM.
    pub certificate: String,
    /// The signature, base64.
    pub signature: String,
}

/// Unit of a load point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateUnit {
    /// Amperes of each phase.
    Amperes,
    /// Watts of all phases together.
    Watts,
}

impl RateUnit {
    /// OCPP's letter.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Amperes => "A",
            Self::Watts => "W",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        [Self::Amperes, Self::Watts].into_iter().find(|unit| unit.word() == word)
    }
}

/// What a charging profile is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitPurpose {
    /// The whole station.
    Station,
    /// Charges to come.
    Default,
    /// One charge.
    Transaction,
}

impl LimitPurpose {
    /// What a limit of a connector, 0 for the whole station, is there for; of a charge, where it names one.
    pub(super) fn of(connector: u32, transaction: Option<&str>) -> Result<Self, CallError> {
        match (connector, transaction) {
            (0, Some(_)) => Err(CallError::Field { field: "connector", why: "is 0, where no charge runs" }),
            (_, Some(_)) => Ok(Self::Transaction),
            (0, None) => Ok(Self::Station),
            (_, None) => Ok(Self::Default),
        }
    }
}

/// What a certificate is the root of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateKind {
    /// Central systems.
    CentralSystemRoot,
    /// The charger's maker, for firmware.
    ManufacturerRoot,
    /// 2.x: vehicle-to-grid.
    V2gRoot,
    /// 2.x: mobility operators.
    MobilityOperatorRoot,
    /// 2.1: vehicle makers.
    VehicleMakerRoot,
    /// 2.x: not a root but the charger's own chain for vehicles; can be listed, not installed.
    V2gChain,
}

/// Hash of a [`CertificateHash`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum HashAlgorithm {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl HashAlgorithm {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA256",
            Self::Sha384 => "SHA384",
            Self::Sha512 => "SHA512",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        [Self::Sha256, Self::Sha384, Self::Sha512].into_iter().find(|algorithm| algorithm.word() == word)
    }
}

/// How OCPP names a certificate (as OCSP does, RFC 6960 §4.1.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateHash {
    /// Hash used.
    pub algorithm: HashAlgorithm,
    /// Hash of the issuer's name, hex.
    pub issuer_name_hash: String,
    /// Hash of the issuer's key, hex.
    pub issuer_key_hash: String,
    /// Serial number, hex.
    pub serial_number: String,
}

/// What has a variable reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MonitorKind {
    /// The value rises above.
    UpperThreshold,
    /// The value falls below.
    LowerThreshold,
    /// The value changed by as much.
    Delta,
    /// As many seconds went by.
    Periodic,
    /// As many seconds went by since the hour.
    PeriodicClockAligned,
    /// 2.1: the value differs from its target by as much.
    TargetDelta,
    /// 2.1: likewise, as a fraction of the target.
    TargetDeltaRelative,
}

impl MonitorKind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::UpperThreshold => "UpperThreshold",
            Self::LowerThreshold => "LowerThreshold",
            Self::Delta => "Delta",
            Self::Periodic => "Periodic",
            Self::PeriodicClockAligned => "PeriodicClockAligned",
            Self::TargetDelta => "TargetDelta",
            Self::TargetDeltaRelative => "TargetDeltaRelative",
        }
    }

    /// Whether only 2.1 knows it.
    pub(crate) fn is_of_21(self) -> bool {
        matches!(self, Self::TargetDelta | Self::TargetDeltaRelative)
    }
}

/// Kinds of monitors, as asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MonitorCriterion {
    /// Thresholds.
    Threshold,
    /// Deltas.
    Delta,
    /// Periods.
    Periodic,
}

/// A variable to watch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Monitor {
    /// Id of a monitor to replace; a new one if none.
    pub id: Option<u32>,
    /// The variable, named as in [`crate::configuration`].
    pub name: String,
    /// What to report.
    pub kind: MonitorKind,
    /// Threshold, difference or period (s).
    pub value: Decimal,
    /// 0 (danger) to 9 (debug).
    pub severity: u8,
    /// Only while a transaction is active.
    pub transaction: bool,
    /// 2.1: as a periodic event stream at this pace, in place of events.
    pub stream: Option<StreamPace>,
}

/// Pace of a periodic event stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamPace {
    /// Longest time between two messages, s.
    pub interval_s: Option<u32>,
    /// Most values in a message.
    pub values: Option<u32>,
}

/// Which monitors count at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MonitoringBase {
    /// Those of the maker and ours.
    All,
    /// Those of the maker; ours are removed.
    FactoryDefault,
    /// Only those that cannot be removed.
    HardWiredOnly,
}

impl MonitoringBase {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::All => "All",
            Self::FactoryDefault => "FactoryDefault",
            Self::HardWiredOnly => "HardWiredOnly",
        }
    }
}
