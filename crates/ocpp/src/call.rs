//! What we ask of a charger, whatever its version.
//!
//! Made by whoever steers a charger, put on the wire by `gateway`. [`Call::frame`] is the CALL to send; [`hear_answer`] says
//! what the CALLRESULT to it means. Lengths, ranges and what a version cannot say are checked here, so that no charger ever
//! gets a frame that breaks its schema. Pure: message ids, request ids and times are arguments.
//!
//! A `connector` is a connector of 1.6 and an EVSE of 2.x; 0 is the whole station. Where 2.x wants a connector of the EVSE as
//! well, it is the first.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use thiserror::Error;

use crate::{Version, secret};

mod answer;
mod limits;
mod types;
mod v16;
mod v2;

pub use answer::{AnswerHeard, Installed, Monitored, Period, Schedule, hear_answer};
pub(crate) use limits::NUMBER_MAX;
pub use types::{
    CertificateHash, CertificateKind, FirmwareSignature, HashAlgorithm, LimitPurpose, LogKind, Monitor,
    MonitorCriterion, MonitorKind, MonitoringBase, RateUnit, StreamPace,
};

/// Longest message id of ours: OCPP-J allows 36 characters.
const MESSAGE_ID_CHARS_MAX: usize = 36;

/// What we ask of a charger, whatever its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "snake_case", deny_unknown_fields)]
pub enum Call {
    /// Asks for a message now. `message` is OCPP's name of it; the request to sign the charger's own certificate may be spelled
    /// as in either version (`SignChargePointCertificate`, `SignChargingStationCertificate`).
    Trigger {
        /// The message asked for.
        message: String,
        /// Of which connector.
        connector: Option<u32>,
    },
    /// Asks for configuration entries, named as in [`crate::configuration`]. In 1.6 none means all; in 2.x at least one.
    ReadConfiguration {
        /// Their names.
        names: Vec<String>,
    },
    /// Sets a configuration entry.
    WriteConfiguration {
        /// Its name, as in [`crate::configuration`].
        name: String,
        /// Its new value.
        value: String,
    },
    /// Asks for the whole configuration: a full inventory in NotifyReport messages (2.x), or at once (1.6).
    ReportConfiguration {
        /// Under which the reports come.
        request_id: i32,
    },
    /// 2.x: asks for reports of some components (`Component`) or variables (`Component.Variable`); none means all.
    ReportVariables {
        /// Under which the reports come.
        request_id: i32,
        /// Their names, as in [`crate::configuration`].
        names: Vec<String>,
    },
    /// Starts a charge.
    StartCharge {
        /// At which connector; the charger's choice if none.
        connector: Option<u32>,
        /// For whom: the card or token.
        token: String,
        /// 2.x: comes back in the TransactionEvent.
        remote_start_id: i32,
    },
    /// Stops a charge.
    StopCharge {
        /// Transaction id; in 1.6 a whole number.
        transaction: String,
    },
    /// Opens or closes a connector, or with 0 the whole station.
    ChangeAvailability {
        /// Connector.
        connector: u32,
        /// Open.
        operative: bool,
    },
    /// Restarts the charger: at once (hard), or when it is idle (2.x) or in good order (1.6).
    Reset {
        /// At once.
        hard: bool,
    },
    /// Unlocks a connector.
    UnlockConnector {
        /// Connector, from 1.
        connector: u32,
    },
    /// Asks for a log to be uploaded. 1.6 has a request of its own for diagnostics.
    GetLog {
        /// Which.
        kind: LogKind,
        /// Under which the upload reports its state; not said in 1.6 for diagnostics.
        request_id: i32,
        /// Where to.
        url: String,
        /// From when on.
        since: Option<Timestamp>,
    },
    /// Installs firmware.
    UpdateFirmware {
        /// Under which the update reports its state; not said in 1.6 without a signature.
        request_id: i32,
        /// Where from.
        url: String,
        /// From when on it may be fetched.
        retrieve_at: Timestamp,
        /// The maker's signature.
        signature: Option<FirmwareSignature>,
    },
    /// Holds a charge, a connector's charges to come, or (connector 0) the whole station at or below a load point.
    SetChargingLimit {
        /// Id of the profile; one of the same id is replaced.
        profile_id: i32,
        /// Connector; 0 for the whole station.
        connector: u32,
        /// The running charge to hold; none for those to come. Needs a connector.
        transaction: Option<String>,
        /// The load point. 1.6 knows one decimal.
        limit: Decimal,
        /// Its unit.
        unit: RateUnit,
        /// Phases used, 1 to 3; the charger's assumption (3) if none.
        phases: Option<u8>,
        /// From when on.
        starts: Timestamp,
        /// For how long, s; without end if none.
        duration_s: Option<u32>,
        /// Precedence among profiles of one purpose: the highest counts.
        stack_level: u32,
    },
    /// Lifts one profile by its id, all of a connector, or all there are.
    ClearChargingLimit {
        /// Id of the profile.
        profile_id: Option<i32>,
        /// Connector; 0 for the station's own.
        connector: Option<u32>,
    },
    /// Asks what load follows from all profiles together.
    GetCompositeSchedule {
        /// Connector; 0 for the whole station.
        connector: u32,
        /// For how long from now, s.
        duration_s: u32,
        /// In which unit; the charger's choice if none.
        unit: Option<RateUnit>,
    },
    /// 2.x: asks for the profiles installed, which come in ReportChargingProfiles messages. Ids, or a purpose, or both.
    GetChargingProfiles {
        /// Under which they come.
        request_id: i32,
        /// Of which connector; 0 for the station's own.
        connector: Option<u32>,
        /// With these ids; none means any.
        profile_ids: Vec<i32>,
        /// With this purpose.
        purpose: Option<LimitPurpose>,
    },
    /// 2.x: asks whether a transaction goes on, and whether messages of it (or of any) still wait in the charger.
    GetTransactionStatus {
        /// Transaction id.
        transaction: Option<String>,
    },
    /// Forgets the cards that the charger remembers.
    ClearCache,
    /// Installs a root certificate.
    InstallCertificate {
        /// What it is the root of.
        kind: CertificateKind,
        /// In PEM.
        pem: String,
    },
    /// Asks which certificates are installed. 1.6 wants a kind.
    GetInstalledCertificates {
        /// Of which kind.
        kind: Option<CertificateKind>,
    },
    /// Removes a certificate.
    DeleteCertificate {
        /// Which.
        certificate: CertificateHash,
    },
    /// Hands over the charger's own certificate, signed.
    SendSignedCertificate {
        /// The chain, in PEM, the charger's own first.
        pem: String,
        /// 2.1: under which it was asked for.
        request_id: Option<i32>,
    },
    /// 2.x: has variables watched.
    SetMonitoring {
        /// At least one.
        monitors: Vec<Monitor>,
    },
    /// 2.x: asks for the monitors set, which come in NotifyMonitoringReport messages.
    GetMonitoringReport {
        /// Under which they come.
        request_id: i32,
        /// Of these components or variables; none means all.
        names: Vec<String>,
        /// Of these kinds; none means all.
        criteria: Vec<MonitorCriterion>,
    },
    /// 2.x: removes monitors.
    ClearMonitoring {
        /// Their ids, at least one.
        ids: Vec<u32>,
    },
    /// 2.x: chooses which monitors count at all.
    SetMonitoringBase {
        /// The choice.
        base: MonitoringBase,
    },
    /// 2.x: has events up to a severity reported.
    SetMonitoringLevel {
        /// 0 (danger) to 9 (debug).
        severity: u8,
    },
    /// 2.1: asks which periodic event streams run.
    GetEventStreams,
    /// 2.1: sets the pace of a periodic event stream.
    AdjustEventStream {
        /// Its id.
        id: u32,
        /// Its pace.
        pace: StreamPace,
    },
    /// A vendor's own message.
    DataTransfer {
        /// Vendor.
        vendor: String,
        /// Message.
        message: Option<String>,
        /// Content.
        data: Option<String>,
    },
}

/// Why a call cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CallError {
    /// The version cannot say it.
    #[error("{what} is not in OCPP {}", .version.number())]
    NotInVersion {
        /// The version.
        version: Version,
        /// What it lacks.
        what: &'static str,
    },
    /// A field is too long for the version.
    #[error("{field} is longer than {chars_max} characters")]
    TooLong {
        /// The call's field.
        field: &'static str,
        /// The most that the version takes.
        chars_max: usize,
    },
    /// A field's content will not do.
    #[error("{field} {why}")]
    Field {
        /// The call's field.
        field: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// Where a charger keeps its Basic key: in 1.6 (security whitepaper), and in 2.x.
const SECRETS: [&str; 2] = ["AuthorizationKey", "SecurityCtrlr.BasicAuthPassword"];

impl Call {
    /// Name of the action in a version, or why it does not exist there.
    pub fn action(&self, version: Version) -> Result<&'static str, CallError> {
        match version {
            Version::V16 => v16::action(self),
            Version::V201 | Version::V21 => v2::action(self, version),
        }
    }

    /// The payload in a version: fits the version's schema, or names the field that does not.
    pub fn payload(&self, version: Version) -> Result<Value, CallError> {
        self.action(version)?;
        match version {
            Version::V16 => v16::payload(self),
            Version::V201 | Version::V21 => v2::payload(self, version),
        }
    }

    /// The call that gives a charger its new Basic key.
    pub fn new_key(version: Version, key: String) -> Self {
        let name = match version {
            Version::V16 => SECRETS[0],
            Version::V201 | Version::V21 => SECRETS[1],
        };
        Self::WriteConfiguration { name: name.to_owned(), value: key }
    }

    /// Whether it carries a secret, which no log may have.
    pub fn is_secret(&self) -> bool {
        let Self::WriteConfiguration { name, .. } = self else { return false };
        secret::is_secret(name)
    }

    /// The same call with its secret blotted out, for logs.
    #[must_use]
    pub fn blotted(&self) -> Self {
        match self {
            Self::WriteConfiguration { name, .. } if self.is_secret() => {
                Self::WriteConfiguration { name: name.clone(), value: secret::BLOT.to_owned() }
            }
            call => call.clone(),
        }
    }

    /// The whole CALL frame under a message id of at most 36 characters.
    pub fn frame(&self, version: Version, id: &str) -> Result<String, CallError> {
        let id = limits::text("id", id, MESSAGE_ID_CHARS_MAX)?;
        Ok(json!([2, id, self.action(version)?, self.payload(version)?]).to_string())
    }
}

#[cfg(test)]
mod tests;
