//! Certificates of one charger, on its page: those that our authority issued, what it refused, and those that the charger says
//! it has installed, each with a button that removes it.
//!
//! Used by [`super::pile`] and [`super::orders`]. Orders themselves are [`super::orders`]'.

use serde_json::Value;
use veripile_ocpp::Version;
use veripile_ocpp::call::{AnswerHeard, Call, hear_answer};
use veripile_store::certificate::{CertificateRow, RefusalRow};
use veripile_store::command::CommandRow;

use super::orders;
use crate::texts::Texts;
use crate::view;

/// Kinds of certificates to install or list, as [`veripile_ocpp::call::CertificateKind`] spells them; only 2.x knows all.
pub(crate) const KINDS: [&str; 5] =
    ["central_system_root", "manufacturer_root", "v2g_root", "mobility_operator_root", "vehicle_maker_root"];

/// A certificate that was issued.
pub(crate) struct CertificateLine {
    pub(crate) serial: String,
    pub(crate) subject: String,
    pub(crate) issued: String,
    pub(crate) until: String,
    pub(crate) outcome: &'static str,
    pub(crate) outcome_text: String,
    pub(crate) pem: String,
}

/// Requests that were refused for one reason.
pub(crate) struct RefusalLine {
    pub(crate) reason: String,
    pub(crate) next: String,
    pub(crate) detail: String,
    pub(crate) times: String,
}

/// A certificate that the charger says it has.
pub(crate) struct InstalledLine {
    pub(crate) kind: String,
    pub(crate) serial: String,
    /// What a form sends to have it removed.
    pub(crate) hash: String,
}

/// Makes a certificate's line.
pub(crate) fn issued(t: &Texts, row: CertificateRow) -> CertificateLine {
    let outcome = orders::outcome(row.outcome.as_deref(), false);
    CertificateLine {
        serial: row.serial,
        subject: row.subject,
        issued: view::minute(row.issued_at),
        until: view::minute(row.not_after),
        outcome,
        outcome_text: t.of_owned(&format!("outcome.{outcome}")).to_owned(),
        pem: row.pem,
    }
}

/// Makes a refusal's line.
pub(crate) fn refused(t: &Texts, row: RefusalRow) -> RefusalLine {
    RefusalLine {
        reason: t.of_owned(&format!("sign.{}", row.reason)).to_owned(),
        next: t.of_owned(&format!("sign.{}.next", row.reason)).to_owned(),
        detail: row.detail,
        times: format!("{} × · {}", row.count, view::minute(row.last_at)),
    }
}

/// The certificates in the answer to an order, if it asked for them.
pub(crate) fn installed(row: &CommandRow) -> Vec<InstalledLine> {
    let Some(call) = serde_json::from_value::<Call>(row.call.clone()).ok().filter(is_listing) else {
        return Vec::new();
    };
    // Lists are read alike in every version.
    match hear_answer(Version::V201, &call, row.answer.as_deref().unwrap_or_default()) {
        AnswerHeard::Certificates(certificates) => certificates
            .into_iter()
            .map(|found| InstalledLine {
                kind: found.kind.unwrap_or_default(),
                serial: found.certificate.serial_number.clone(),
                hash: serde_json::to_string(&found.certificate).unwrap_or_default(),
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn is_listing(call: &Call) -> bool {
    matches!(call, Call::GetInstalledCertificates { .. })
}

/// The certificate that a form names, as [`installed`] wrote it; none if it is none.
pub(crate) fn named(hash: &str) -> Option<Value> {
    serde_json::from_str::<Value>(hash).ok().filter(Value::is_object)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;

    /// Shapes of the official schemas: a list of hashes in 1.6, of chains in 2.x.
    #[test]
    fn what_is_installed_can_be_named_again() {
        let hash = |serial: &str| json!({ "hashAlgorithm": "SHA256", "issuerNameHash": "0a", "issuerKeyHash": "0b", "serialNumber": serial });
        let row = |call: Value, answer: Value| CommandRow {
            command_no: 1,
            call,
            person: String::new(),
            asked_at: Timestamp::UNIX_EPOCH,
            sent_at: None,
            answered_at: None,
            outcome: Some("accepted".to_owned()),
            answer: Some(answer.to_string()),
        };
        let listing = json!({ "call": "get_installed_certificates", "kind": "central_system_root" });
        let old = json!({ "status": "Accepted", "certificateHashData": [hash("1"), hash("2")] });
        let new = json!({ "status": "Accepted", "certificateHashDataChain": [{ "certificateType": "V2GRootCertificate",
            "certificateHashData": hash("1"), "childCertificateHashData": [hash("2")] }] });
        for answer in [old, new] {
            let lines = installed(&row(listing.clone(), answer));
            assert_eq!(lines.iter().map(|line| line.serial.as_str()).collect::<Vec<_>>(), ["1", "2"]);
            let certificate = named(&lines[1].hash).expect("an object");
            let call = json!({ "call": "delete_certificate", "certificate": certificate });
            let call: Call = serde_json::from_value(call).expect("a call");
            let sent = call.payload(Version::V16).expect("fits");
            assert_eq!(sent, json!({ "certificateHashData": hash("2") }));
        }
        assert!(installed(&row(listing.clone(), json!({ "status": "NotFound" }))).is_empty());
        assert!(
            installed(&row(json!({ "call": "clear_cache" }), json!({ "status": "Accepted" }))).is_empty()
        );
        assert!(named("").is_none() && named("5").is_none());
    }
}
