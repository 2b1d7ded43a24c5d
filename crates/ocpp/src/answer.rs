//! What we answer: CALLRESULT by action and version, CALLERROR where the call itself is none of ours.
//!
//! Called by `gateway::socket` after the commit. A metering or transaction message is never refused for its content: a
//! charger told off sends the same again for ever (ocpp.md §3).

use jiff::Timestamp;
use ocpp_rs::v16::call_result as v16;
use ocpp_rs::v16::data_types::{DateTimeWrapper, IdTagInfo};
use ocpp_rs::v16::enums::{AuthorizationStatus, DataTransferStatus, RegistrationStatus};
use serde::Serialize;
use serde_json::{Value, json};

use crate::Version;

/// Seconds between heartbeats that we ask for.
pub const HEARTBEAT_INTERVAL_S: i32 = 300;

/// Longest description in a CALLERROR (OCPP-J 1.6 §4.2.3: 255 characters).
const DESCRIPTION_CHARS_MAX: usize = 255;

/// Codes of a CALLERROR, named as in OCPP 2.x; 1.6 spells one of them otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The action is unknown.
    NotImplemented,
    /// The action is known, but not for us.
    NotSupported,
    /// The frame or payload is no OCPP.
    Format,
    /// Our own fault: not stored.
    Internal,
}

impl Refusal {
    /// Its spelling in a version.
    pub fn code(self, version: Version) -> &'static str {
        match (self, version) {
            (Self::NotImplemented, _) => "NotImplemented",
            (Self::NotSupported, _) => "NotSupported",
            (Self::Format, Version::V16) => "FormationViolation",
            (Self::Format, _) => "FormatViolation",
            (Self::Internal, _) => "InternalError",
        }
    }
}

/// A CALLRESULT frame for an action of a charger. `transaction` is the id of its charge, if it has one.
pub fn result(version: Version, action: &str, id: &str, transaction: Option<&str>, now: Timestamp) -> String {
    let payload = match version {
        Version::V16 => payload_v16(action, transaction, now),
        Version::V201 | Version::V21 => payload_v2(action, now),
    };
    json!([3, id, payload]).to_string()
}

/// A CALLERROR frame. Where the frame had no readable id, OCPP 2.0.1 part 4 §4.2.3 answers under the id `-1`.
pub fn error(version: Version, id: Option<&str>, refusal: Refusal, description: &str) -> String {
    let description: String = description.chars().take(DESCRIPTION_CHARS_MAX).collect();
    json!([4, id.unwrap_or("-1"), refusal.code(version), description, {}]).to_string()
}

fn payload_v16(action: &str, transaction: Option<&str>, now: Timestamp) -> Value {
    let accepted =
        || IdTagInfo { expiry_date: None, parent_id_tag: None, status: AuthorizationStatus::Accepted };
    match action {
        "BootNotification" => value(v16::BootNotification {
            current_time: wrapped(now),
            interval: HEARTBEAT_INTERVAL_S,
            status: RegistrationStatus::Accepted,
        }),
        "Heartbeat" => value(v16::Heartbeat { current_time: wrapped(now) }),
        "Authorize" => value(v16::Authorize { id_tag_info: accepted() }),
        "StartTransaction" => value(v16::StartTransaction {
            transaction_id: transaction.and_then(|id| id.parse().ok()).unwrap_or(0),
            id_tag_info: accepted(),
        }),
        "StopTransaction" => value(v16::StopTransaction { id_tag_info: Some(accepted()) }),
        "DataTransfer" => {
            value(v16::DataTransfer { status: DataTransferStatus::UnknownVendorId, data: None })
        }
        "SignCertificate" => json!({ "status": "Rejected" }),
        _ => json!({}),
    }
}

fn payload_v2(action: &str, now: Timestamp) -> Value {
    let time = || millis(now);
    match action {
        "BootNotification" => {
            json!({ "currentTime": time(), "interval": HEARTBEAT_INTERVAL_S, "status": "Accepted" })
        }
        "Heartbeat" => json!({ "currentTime": time() }),
        "Authorize" => json!({ "idTokenInfo": { "status": "Accepted" } }),
        "DataTransfer" => json!({ "status": "UnknownVendorId" }),
        "SignCertificate" | "NotifyEVChargingNeeds" => json!({ "status": "Rejected" }),
        "NotifyEVChargingSchedule" => json!({ "status": "Accepted" }),
        "Get15118EVCertificate" => json!({ "status": "Failed", "exiResponse": "" }),
        "GetCertificateStatus" => json!({ "status": "Failed" }),
        _ => json!({}),
    }
}

fn value(payload: impl Serialize) -> Value {
    serde_json::to_value(payload).expect("answers are plain structs of text and whole numbers")
}

fn wrapped(now: Timestamp) -> DateTimeWrapper {
    let nanoseconds = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
    DateTimeWrapper::new(chrono::DateTime::from_timestamp(now.as_second(), nanoseconds).unwrap_or_default())
}

/// RFC 3339 with milliseconds and `Z`, as OCPP examples write it.
fn millis(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-03-01T08:00:00.25Z".parse().expect("literal")
    }

    #[test]
    fn answers_say_what_the_schemas_ask_for() {
        let check = |version, action, transaction, expected: &str| {
            assert_eq!(result(version, action, "7", transaction, now()), expected);
        };
        let boot = r#"[3,"7",{"currentTime":"2026-03-01T08:00:00.250Z","interval":300,"status":"Accepted"}]"#;
        check(Version::V16, "BootNotification", None, boot);
        check(Version::V201, "BootNotification", None, boot);
        check(
            Version::V16,
            "StartTransaction",
            Some("42"),
            r#"[3,"7",{"idTagInfo":{"status":"Accepted"},"transactionId":42}]"#,
        );
        check(Version::V16, "MeterValues", None, r#"[3,"7",{}]"#);
        check(Version::V21, "TransactionEvent", Some("x"), r#"[3,"7",{}]"#);
    }

    #[test]
    fn an_error_names_the_code_in_its_version() {
        let of = |version| error(version, Some("a"), Refusal::Format, "why");
        assert_eq!(of(Version::V16), r#"[4,"a","FormationViolation","why",{}]"#);
        assert_eq!(of(Version::V201), r#"[4,"a","FormatViolation","why",{}]"#);
        assert!(error(Version::V16, None, Refusal::Internal, &"x".repeat(999)).len() < 300);
    }
}
