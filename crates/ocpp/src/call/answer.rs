//! What a charger's answer to a call of ours says.
//!
//! Called by whoever waits for the answer. Never fails: what cannot be read is [`AnswerHeard::Unreadable`]; the raw frame is
//! kept by `gateway` in any case.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::Value;

use super::Call;
use super::types::{CertificateHash, HashAlgorithm, RateUnit};
use crate::configuration::{ConfigurationEntry, VariableName, verbatim};
use crate::{Version, json};

/// An answer, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerHeard {
    /// Done, or begun.
    Accepted,
    /// Accepted, but in force only later: after the charge (`Scheduled`) or a restart (`RebootRequired`).
    Later {
        /// OCPP's word, as sent.
        status: String,
    },
    /// Not done. Any word that does not say "accepted" is one that refuses.
    Refused {
        /// OCPP's word, as sent.
        status: String,
    },
    /// Accepted; the charge that was to be started runs already under this id (2.x).
    Started {
        /// Transaction id.
        transaction: String,
    },
    /// Configuration entries; those that the charger does not know are among them.
    Configuration(Vec<ConfigurationEntry>),
    /// Accepted; the log will be uploaded. Without a file name the charger may have none to upload.
    Log {
        /// Name of the file to come.
        file: Option<String>,
    },
    /// State of a transaction.
    Transaction {
        /// Whether it goes on; none where none was asked for.
        is_ongoing: Option<bool>,
        /// Whether messages of it (or of any) still wait in the charger.
        has_messages: bool,
    },
    /// Accepted: what all profiles together make of the time asked for.
    Schedule(Schedule),
    /// The certificates installed; may be none.
    Certificates(Vec<Installed>),
    /// What became of each monitor.
    Monitors(Vec<Monitored>),
    /// Ids of the periodic event streams that run.
    Streams(Vec<u32>),
    /// Accepted: a vendor's own answer. Text as it is, anything else as JSON.
    Data {
        /// Content.
        data: Option<String>,
    },
    /// The charger answered with an error ([`crate::Frame::Error`]).
    Error {
        /// OCPP's code.
        code: String,
        /// In the charger's words.
        description: String,
    },
    /// No answer to this call.
    Unreadable {
        /// What is wrong with it.
        why: String,
    },
}

/// A load over time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// When it begins; none where it is not said.
    pub starts: Option<Timestamp>,
    /// Unit of its limits; none where it is none of OCPP's.
    pub unit: Option<RateUnit>,
    /// Its periods, as sent.
    pub periods: Vec<Period>,
}

/// A part of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// From the schedule's begin, s.
    pub start_s: i64,
    /// At most; none where 2.1 sets something else than a limit.
    pub limit: Option<Decimal>,
    /// Phases used.
    pub phases: Option<u32>,
}

/// An installed certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// OCPP's word for what it is, as sent (2.x); in 1.6 it is what was asked for.
    pub kind: Option<String>,
    /// Which.
    pub certificate: CertificateHash,
}

/// What became of a monitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Monitored {
    /// Its id, where it has one.
    pub id: Option<u32>,
    /// The variable, named as in [`crate::configuration`]; none where a monitor was to be removed.
    pub name: Option<String>,
    /// OCPP's word, as sent; `Accepted` is the good one.
    pub status: String,
}

impl AnswerHeard {
    /// Whether the charger does what it was asked to.
    pub fn is_good(&self) -> bool {
        !matches!(self, Self::Refused { .. } | Self::Error { .. } | Self::Unreadable { .. })
    }
}

/// Hears the answer (a CALLRESULT's payload) to a call that was sent in a version.
pub fn hear_answer(version: Version, call: &Call, payload: &str) -> AnswerHeard {
    let Ok(payload) = serde_json::from_str::<Value>(payload) else { return unreadable("it is no JSON") };
    if !payload.is_object() {
        return unreadable("it is no JSON object");
    }
    match (call, version) {
        (Call::ReadConfiguration { .. } | Call::ReportConfiguration { .. }, Version::V16) => {
            AnswerHeard::Configuration(keys(&payload))
        }
        (Call::ReadConfiguration { .. }, _) => variables(&payload),
        (Call::WriteConfiguration { .. }, Version::V201 | Version::V21) => written(&payload),
        (Call::UpdateFirmware { signature: None, .. }, Version::V16) => AnswerHeard::Accepted,
        (Call::GetLog { .. }, _) => log(version, call, &payload),
        (Call::GetTransactionStatus { .. }, _) => transaction(&payload),
        (Call::GetCompositeSchedule { .. }, _) => if_accepted(&payload, |payload| schedule(version, payload)),
        (Call::StartCharge { .. }, _) => if_accepted(&payload, started),
        (Call::DataTransfer { .. }, _) => if_accepted(&payload, data),
        (Call::GetInstalledCertificates { .. }, _) => certificates(&payload),
        (Call::SetMonitoring { .. }, _) => monitors(&payload, "setMonitoringResult"),
        (Call::ClearMonitoring { .. }, _) => monitors(&payload, "clearMonitoringResult"),
        (Call::GetEventStreams, _) => streams(&payload),
        _ => if_accepted(&payload, |_| AnswerHeard::Accepted),
    }
}

fn unreadable(why: &str) -> AnswerHeard {
    AnswerHeard::Unreadable { why: why.to_owned() }
}

/// By its status: refused, later, or what more there is to say.
fn if_accepted(payload: &Value, then: impl Fn(&Value) -> AnswerHeard) -> AnswerHeard {
    match json::text(payload, "status") {
        None => unreadable("it has no status"),
        Some(status) => by_status(status, || then(payload)),
    }
}

fn by_status(status: String, then: impl Fn() -> AnswerHeard) -> AnswerHeard {
    match status.as_str() {
        "Accepted" | "AcceptedCanceled" | "Unlocked" => then(),
        "Scheduled" | "RebootRequired" => AnswerHeard::Later { status },
        _ => AnswerHeard::Refused { status },
    }
}

fn keys(payload: &Value) -> Vec<ConfigurationEntry> {
    let known = json::list(payload, "configurationKey").iter().filter_map(|entry| {
        let readonly = entry.get("readonly").and_then(json::truth).unwrap_or(false);
        Some(ConfigurationEntry {
            name: verbatim(entry, "key")?,
            value: verbatim(entry, "value"),
            readonly,
            known: true,
        })
    });
    let unknown = json::list(payload, "unknownKey").iter().filter_map(|name| {
        let (name, _) = json::scalar(name)?;
        Some(ConfigurationEntry { name, value: None, readonly: false, known: false })
    });
    known.chain(unknown).collect()
}

fn variables(payload: &Value) -> AnswerHeard {
    let results = json::list(payload, "getVariableResult");
    if results.is_empty() {
        return unreadable("it has no getVariableResult");
    }
    AnswerHeard::Configuration(results.iter().filter_map(variable).collect())
}

fn variable(result: &Value) -> Option<ConfigurationEntry> {
    let status = json::text(result, "attributeStatus").unwrap_or_default();
    let value = verbatim(result, "attributeValue").filter(|_| status == "Accepted");
    let known = matches!(status.as_str(), "Accepted" | "Rejected");
    Some(ConfigurationEntry { name: VariableName::of(result)?.spelled(), value, readonly: false, known })
}

/// Of the one variable that was set.
fn written(payload: &Value) -> AnswerHeard {
    let result = json::list(payload, "setVariableResult").first();
    match result.and_then(|result| json::text(result, "attributeStatus")) {
        None => unreadable("it has no attributeStatus"),
        Some(status) => by_status(status, || AnswerHeard::Accepted),
    }
}

fn log(version: Version, call: &Call, payload: &Value) -> AnswerHeard {
    // 1.6's GetDiagnostics knows no status.
    if call.action(version) == Ok("GetDiagnostics") {
        return AnswerHeard::Log { file: json::text(payload, "fileName") };
    }
    if_accepted(payload, |payload| AnswerHeard::Log { file: json::text(payload, "filename") })
}

fn transaction(payload: &Value) -> AnswerHeard {
    let truth = |name| payload.get(name).and_then(json::truth);
    match truth("messagesInQueue") {
        Some(has_messages) => {
            AnswerHeard::Transaction { is_ongoing: truth("ongoingIndicator"), has_messages }
        }
        None => unreadable("it has no messagesInQueue"),
    }
}

fn started(payload: &Value) -> AnswerHeard {
    match json::identifier(payload, "transactionId") {
        Some(transaction) => AnswerHeard::Started { transaction },
        None => AnswerHeard::Accepted,
    }
}

fn data(payload: &Value) -> AnswerHeard {
    let text = |data: &Value| data.as_str().map_or_else(|| data.to_string(), str::to_owned);
    AnswerHeard::Data { data: payload.get("data").map(text) }
}

/// Accepted without a schedule is a charger's way to say that nothing limits it.
fn schedule(version: Version, payload: &Value) -> AnswerHeard {
    let member = if version == Version::V16 { "chargingSchedule" } else { "schedule" };
    let Some(schedule) = payload.get(member) else { return AnswerHeard::Accepted };
    let begin = match version {
        Version::V16 => {
            json::text(payload, "scheduleStart").or_else(|| json::text(schedule, "startSchedule"))
        }
        Version::V201 | Version::V21 => json::text(schedule, "scheduleStart"),
    };
    AnswerHeard::Schedule(Schedule {
        starts: begin.and_then(|text| text.trim().parse().ok()),
        unit: json::text(schedule, "chargingRateUnit").and_then(|word| RateUnit::from_word(&word)),
        periods: json::list(schedule, "chargingSchedulePeriod").iter().filter_map(period).collect(),
    })
}

fn period(period: &Value) -> Option<Period> {
    Some(Period {
        start_s: json::text(period, "startPeriod")?.trim().parse().ok()?,
        limit: crate::hear::register_wh(period, "limit"),
        phases: json::number_u32(period, "numberPhases"),
    })
}

fn certificates(payload: &Value) -> AnswerHeard {
    let flat = json::list(payload, "certificateHashData").iter().map(|hash| (None, hash));
    let chains = json::list(payload, "certificateHashDataChain").iter().flat_map(|chain| {
        let children = json::list(chain, "childCertificateHashData");
        let kind = json::text(chain, "certificateType");
        chain.get("certificateHashData").into_iter().chain(children).map(move |hash| (kind.clone(), hash))
    });
    let installed =
        flat.chain(chains).filter_map(|(kind, hash)| Some(Installed { kind, certificate: hash_of(hash)? }));
    match json::text(payload, "status").as_deref() {
        Some("Accepted" | "NotFound") => AnswerHeard::Certificates(installed.collect()),
        Some(status) => AnswerHeard::Refused { status: status.to_owned() },
        None => unreadable("it has no status"),
    }
}

fn hash_of(hash: &Value) -> Option<CertificateHash> {
    Some(CertificateHash {
        algorithm: HashAlgorithm::from_word(&json::text(hash, "hashAlgorithm")?)?,
        issuer_name_hash: verbatim(hash, "issuerNameHash")?,
        issuer_key_hash: verbatim(hash, "issuerKeyHash")?,
        serial_number: verbatim(hash, "serialNumber")?,
    })
}

fn monitors(payload: &Value, member: &str) -> AnswerHeard {
    let monitored = json::list(payload, member).iter().filter_map(|result| {
        Some(Monitored {
            id: json::number_u32(result, "id"),
            name: VariableName::of(result).map(|name| name.spelled()),
            status: json::text(result, "status")?,
        })
    });
    let monitored: Vec<_> = monitored.collect();
    if monitored.is_empty() {
        unreadable("it has no result for any monitor")
    } else {
        AnswerHeard::Monitors(monitored)
    }
}

fn streams(payload: &Value) -> AnswerHeard {
    let streams = json::list(payload, "constantStreamData").iter();
    AnswerHeard::Streams(streams.filter_map(|stream| json::number_u32(stream, "id")).collect())
}
