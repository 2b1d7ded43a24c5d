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

use crate::time::millis;
use crate::{Version, json as members};

/// Seconds between heartbeats that we ask for.
pub const HEARTBEAT_INTERVAL_S: i32 = 300;

/// Longest description in a CALLERROR (OCPP-J 1.6 §4.2.3: 255 characters).
const DESCRIPTION_CHARS_MAX: usize = 255;

/// Longest VAT number in an answer of 2.1.
const VAT_NUMBER_CHARS_MAX: usize = 20;

/// Longest hash and serial number in an answer of 2.1.
const HASH_CHARS_MAX: usize = 128;
const SERIAL_CHARS_MAX: usize = 40;

/// Most certificates in a call and an answer of 2.1.
const CERTIFICATES_MAX: usize = 4;

/// Hours until a charger may ask again for a certificate's status: a service that we do not offer today is not offered in an
/// hour either.
const CERTIFICATE_AGAIN_H: i64 = 24;

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

/// A CALLRESULT frame for an action of a charger. `transaction` is the id of its charge, if it has one. Two answers of 2.1
/// repeat what the call said (`VatNumberValidation`, `GetCertificateChainStatus`): for those, [`reply`] is the better one. To
/// SignCertificate it declines; [`crate::signing::answer`] knows better.
pub fn result(version: Version, action: &str, id: &str, transaction: Option<&str>, now: Timestamp) -> String {
    reply(version, action, id, "{}", transaction, now)
}

/// A CALLRESULT frame, as [`result`], that knows the payload of the call.
pub fn reply(
    version: Version,
    action: &str,
    id: &str,
    call: &str,
    transaction: Option<&str>,
    now: Timestamp,
) -> String {
    let payload = match version {
        Version::V16 => payload_v16(action, transaction, now),
        Version::V201 | Version::V21 => payload_v2(action, call, now),
    };
    json!([3, id, payload]).to_string()
}

/// A CALLERROR frame. Where the frame had no readable id, OCPP 2.0.1 part 4 §4.2.3 answers under the id `-1`.
pub fn error(version: Version, id: Option<&str>, refusal: Refusal, description: &str) -> String {
    let description: String = description.chars().take(DESCRIPTION_CHARS_MAX).collect();
    json!([4, id.unwrap_or("-1"), refusal.code(version), description, {}]).to_string()
}

/// The transaction id in the payload of an answer to StartTransaction (1.6): what a relay's upstream issued.
pub fn transaction_in(payload: &str) -> Option<String> {
    members::identifier(&serde_json::from_str(payload).ok()?, "transactionId")
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

fn payload_v2(action: &str, call: &str, now: Timestamp) -> Value {
    let rejected = || json!({ "status": "Rejected", "statusInfo": unsupported() });
    let failed = || json!({ "status": "Failed", "statusInfo": unsupported() });
    match action {
        "BootNotification" => {
            json!({ "currentTime": millis(now), "interval": HEARTBEAT_INTERVAL_S, "status": "Accepted" })
        }
        "Heartbeat" => json!({ "currentTime": millis(now) }),
        "Authorize" => id_token_info(),
        // A card shown in a transaction is to be judged (2.0.1 part 2, E03 and C01); ours are the operator's to judge.
        "TransactionEvent" if shows_card(call) => id_token_info(),
        "DataTransfer" => json!({ "status": "UnknownVendorId" }),
        // Streams come only where a monitor asks for them; what they send is kept.
        "NotifyEVChargingSchedule" | "OpenPeriodicEventStream" => json!({ "status": "Accepted" }),
        "SignCertificate" | "NotifyEVChargingNeeds" | "PullDynamicScheduleUpdate" => rejected(),
        "GetCertificateStatus" => failed(),
        "Get15118EVCertificate" => {
            json!({ "status": "Failed", "statusInfo": unsupported(), "exiResponse": "" })
        }
        "VatNumberValidation" => vat_number(call),
        "GetCertificateChainStatus" => certificate_chain(call, now),
        _ => json!({}),
    }
}

fn id_token_info() -> Value {
    json!({ "idTokenInfo": { "status": "Accepted" } })
}

/// Whether a TransactionEvent carries a card.
fn shows_card(call: &str) -> bool {
    serde_json::from_str::<Value>(call).is_ok_and(|call| call.get("idToken").is_some_and(Value::is_object))
}

/// The reason of a refusal (OCPP 2.0.1 part 2, appendix of reason codes).
fn unsupported() -> Value {
    json!({ "reasonCode": "UnsupportedRequest" })
}

/// Declined; number and EVSE are those of the call, as far as an answer may hold them.
fn vat_number(call: &str) -> Value {
    let call: Value = serde_json::from_str(call).unwrap_or_default();
    let number: String =
        members::text(&call, "vatNumber").unwrap_or_default().chars().take(VAT_NUMBER_CHARS_MAX).collect();
    let mut answer = json!({ "status": "Rejected", "statusInfo": unsupported(), "vatNumber": number });
    if let Some(evse) = members::number_u32(&call, "evseId") {
        answer["evseId"] = json!(evse);
    }
    answer
}

/// For each certificate asked about: its status could not be had.
fn certificate_chain(call: &str, now: Timestamp) -> Value {
    let call: Value = serde_json::from_str(call).unwrap_or_default();
    let again = now.checked_add(jiff::SignedDuration::from_hours(CERTIFICATE_AGAIN_H)).unwrap_or(now);
    let asked = members::list(&call, "certificateStatusRequests");
    let mut statuses: Vec<Value> =
        asked.iter().take(CERTIFICATES_MAX).map(|one| certificate(one, again)).collect();
    // The schema wants at least one, whatever the call was.
    if statuses.is_empty() {
        statuses.push(certificate(&Value::Null, again));
    }
    json!({ "certificateStatus": statuses })
}

fn certificate(asked: &Value, again: Timestamp) -> Value {
    let hash = asked.get("certificateHashData").unwrap_or(&Value::Null);
    let text = |name, chars_max| -> String {
        members::text(hash, name).unwrap_or_default().chars().take(chars_max).collect()
    };
    let word = |of: &Value, name, words: &[&'static str]| {
        let word = members::text(of, name).unwrap_or_default();
        words.iter().find(|known| **known == word).copied().unwrap_or(words[0])
    };
    json!({
        "certificateHashData": {
            "hashAlgorithm": word(hash, "hashAlgorithm", &["SHA256", "SHA384", "SHA512"]),
            "issuerNameHash": text("issuerNameHash", HASH_CHARS_MAX),
            "issuerKeyHash": text("issuerKeyHash", HASH_CHARS_MAX),
            "serialNumber": text("serialNumber", SERIAL_CHARS_MAX),
        },
        "source": word(asked, "source", &["OCSP", "CRL"]),
        "status": "Failed",
        "nextUpdate": millis(again),
    })
}

fn value(payload: impl Serialize) -> Value {
    serde_json::to_value(payload).expect("answers are plain structs of text and whole numbers")
}

fn wrapped(now: Timestamp) -> DateTimeWrapper {
    let nanoseconds = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
    DateTimeWrapper::new(chrono::DateTime::from_timestamp(now.as_second(), nanoseconds).unwrap_or_default())
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
    fn an_answer_that_repeats_its_call_repeats_what_fits() {
        let long = "9".repeat(30);
        let call = format!(r#"{{"vatNumber":"{long}","evseId":2}}"#);
        let answer = reply(Version::V21, "VatNumberValidation", "7", &call, None, now());
        let expected = r#"[3,"7",{"evseId":2,"status":"Rejected","statusInfo":{"reasonCode":"UnsupportedRequest"},"vatNumber":"99999999999999999999"}]"#;
        assert_eq!(answer, expected);
        let call = r#"{"certificateStatusRequests":[{"source":"CRL","urls":["http://x"],"certificateHashData":
            {"hashAlgorithm":"SHA512","issuerNameHash":"0a","issuerKeyHash":"0b","serialNumber":"0c"}}]}"#;
        let answer = reply(Version::V21, "GetCertificateChainStatus", "7", call, None, now());
        let expected = r#"[3,"7",{"certificateStatus":[{"certificateHashData":{"hashAlgorithm":"SHA512","issuerKeyHash":"0b","issuerNameHash":"0a","serialNumber":"0c"},"nextUpdate":"2026-03-02T08:00:00.250Z","source":"CRL","status":"Failed"}]}]"#;
        assert_eq!(answer, expected);
    }

    // OCPP 2.0.1, TransactionEventResponse: idTokenInfo is required where the request has an idToken.
    #[test]
    fn a_card_in_a_transaction_is_judged_and_none_is_not() {
        let of = |payload: &str| reply(Version::V201, "TransactionEvent", "1", payload, Some("T"), now());
        assert_eq!(
            of(r#"{"idToken":{"idToken":"C","type":"Local"}}"#),
            r#"[3,"1",{"idTokenInfo":{"status":"Accepted"}}]"#
        );
        assert_eq!(of("{}"), r#"[3,"1",{}]"#);
    }

    #[test]
    fn an_error_names_the_code_in_its_version() {
        let of = |version| error(version, Some("a"), Refusal::Format, "why");
        assert_eq!(of(Version::V16), r#"[4,"a","FormationViolation","why",{}]"#);
        assert_eq!(of(Version::V201), r#"[4,"a","FormatViolation","why",{}]"#);
        assert!(error(Version::V16, None, Refusal::Internal, &"x".repeat(999)).len() < 300);
    }
}
