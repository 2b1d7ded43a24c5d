//! Our calls in the words of OCPP 1.6J and its security extension.

use serde_json::{Value, json};

use super::types::{CertificateKind, LimitPurpose, LogKind, RateUnit};
use super::{Call, CallError, limits};
use crate::Version;

/// Messages that TriggerMessage can ask for.
const TRIGGERS: [&str; 6] = [
    "BootNotification",
    "DiagnosticsStatusNotification",
    "FirmwareStatusNotification",
    "Heartbeat",
    "MeterValues",
    "StatusNotification",
];

/// Messages that only ExtendedTriggerMessage can ask for.
const EXTENDED_TRIGGERS: [&str; 2] = ["LogStatusNotification", "SignChargePointCertificate"];

/// Lengths of the 1.6 schemas, in characters.
const KEY_CHARS_MAX: usize = 50;
const VALUE_CHARS_MAX: usize = 500;
const TOKEN_CHARS_MAX: usize = 20;
const VENDOR_CHARS_MAX: usize = 255;
const MESSAGE_CHARS_MAX: usize = 50;
const CERTIFICATE_CHARS_MAX: usize = 5_500;
const CHAIN_CHARS_MAX: usize = 10_000;
const SIGNATURE_CHARS_MAX: usize = 800;
const HASH_CHARS_MAX: usize = 128;
const SERIAL_CHARS_MAX: usize = 40;
const LOG_URL_CHARS_MAX: usize = 512;

/// Longest address where the schema names no limit: what the newest schemas allow, which is what servers and browsers take.
const URL_CHARS_MAX: usize = 2_000;

/// Longest data of a DataTransfer, whose schema names no limit: as much as a charger's certificate chain.
const DATA_CHARS_MAX: usize = 10_000;

pub(super) fn action(call: &Call) -> Result<&'static str, CallError> {
    let lacks = |what| Err(CallError::NotInVersion { version: Version::V16, what });
    Ok(match call {
        Call::Trigger { message, .. } if EXTENDED_TRIGGERS.contains(&trigger(message)) => {
            "ExtendedTriggerMessage"
        }
        Call::Trigger { .. } => "TriggerMessage",
        Call::ReadConfiguration { .. } | Call::ReportConfiguration { .. } => "GetConfiguration",
        Call::WriteConfiguration { .. } => "ChangeConfiguration",
        Call::StartCharge { .. } => "RemoteStartTransaction",
        Call::StopCharge { .. } => "RemoteStopTransaction",
        Call::ChangeAvailability { .. } => "ChangeAvailability",
        Call::Reset { .. } => "Reset",
        Call::UnlockConnector { .. } => "UnlockConnector",
        Call::GetLog { kind: LogKind::Diagnostics, .. } => "GetDiagnostics",
        Call::GetLog { kind: LogKind::Security, .. } => "GetLog",
        Call::UpdateFirmware { signature: None, .. } => "UpdateFirmware",
        Call::UpdateFirmware { signature: Some(_), .. } => "SignedUpdateFirmware",
        Call::SetChargingLimit { .. } => "SetChargingProfile",
        Call::ClearChargingLimit { .. } => "ClearChargingProfile",
        Call::GetCompositeSchedule { .. } => "GetCompositeSchedule",
        Call::ClearCache => "ClearCache",
        Call::InstallCertificate { .. } => "InstallCertificate",
        Call::GetInstalledCertificates { .. } => "GetInstalledCertificateIds",
        Call::DeleteCertificate { .. } => "DeleteCertificate",
        Call::SendSignedCertificate { .. } => "CertificateSigned",
        Call::DataTransfer { .. } => "DataTransfer",
        Call::ReportVariables { .. } => return lacks("GetReport"),
        Call::GetChargingProfiles { .. } => return lacks("GetChargingProfiles"),
        Call::GetTransactionStatus { .. } => return lacks("GetTransactionStatus"),
        Call::SetMonitoring { .. } => return lacks("SetVariableMonitoring"),
        Call::GetMonitoringReport { .. } => return lacks("GetMonitoringReport"),
        Call::ClearMonitoring { .. } => return lacks("ClearVariableMonitoring"),
        Call::SetMonitoringBase { .. } => return lacks("SetMonitoringBase"),
        Call::SetMonitoringLevel { .. } => return lacks("SetMonitoringLevel"),
        Call::GetEventStreams => return lacks("GetPeriodicEventStream"),
        Call::AdjustEventStream { .. } => return lacks("AdjustPeriodicEventStream"),
    })
}

pub(super) fn payload(call: &Call) -> Result<Value, CallError> {
    match call {
        Call::Trigger { message, connector } => asked(message, *connector),
        Call::ReadConfiguration { names } if !names.is_empty() => {
            let keys: Result<Vec<_>, _> =
                names.iter().map(|name| limits::name("names", name, KEY_CHARS_MAX)).collect();
            Ok(json!({ "key": keys? }))
        }
        Call::WriteConfiguration { name, value } => Ok(json!({
            "key": limits::name("name", name, KEY_CHARS_MAX)?,
            "value": limits::text("value", value, VALUE_CHARS_MAX)?,
        })),
        Call::StartCharge { connector, token, .. } => Ok(limits::object([
            ("connectorId", connector.map(limits::one_connector).transpose()?),
            ("idTag", Some(limits::name("token", token, TOKEN_CHARS_MAX)?)),
        ])),
        Call::StopCharge { transaction: id } => Ok(json!({ "transactionId": transaction(id)? })),
        Call::ChangeAvailability { connector, operative } => Ok(json!({
            "connectorId": limits::number("connector", *connector)?,
            "type": if *operative { "Operative" } else { "Inoperative" },
        })),
        Call::Reset { hard } => Ok(json!({ "type": if *hard { "Hard" } else { "Soft" } })),
        Call::UnlockConnector { connector } => {
            Ok(json!({ "connectorId": limits::one_connector(*connector)? }))
        }
        Call::GetLog { .. } | Call::UpdateFirmware { .. } => transfer(call),
        Call::SetChargingLimit { .. } => profile(call),
        Call::ClearChargingLimit { profile_id, connector } => Ok(limits::object([
            ("id", profile_id.map(Value::from)),
            ("connectorId", connector.map(|connector| limits::number("connector", connector)).transpose()?),
        ])),
        Call::GetCompositeSchedule { connector, duration_s, unit } => Ok(limits::object([
            ("connectorId", Some(limits::number("connector", *connector)?)),
            ("duration", Some(limits::number("duration_s", *duration_s)?)),
            ("chargingRateUnit", unit.map(RateUnit::word).map(Value::from)),
        ])),
        Call::DataTransfer { vendor, message, data } => {
            let message = message.as_ref().map(|message| limits::text("message", message, MESSAGE_CHARS_MAX));
            let data = data.as_ref().map(|data| limits::text("data", data, DATA_CHARS_MAX));
            let vendor = limits::name("vendor", vendor, VENDOR_CHARS_MAX)?;
            Ok(limits::object([
                ("vendorId", Some(vendor)),
                ("messageId", message.transpose()?),
                ("data", data.transpose()?),
            ]))
        }
        Call::InstallCertificate { .. }
        | Call::GetInstalledCertificates { .. }
        | Call::DeleteCertificate { .. }
        | Call::SendSignedCertificate { .. } => certificate(call),
        // Without content: all configuration, the whole cache. The rest has no action here and never comes this far.
        _ => Ok(json!({})),
    }
}

/// The word of this version for a message to trigger.
fn trigger(message: &str) -> &str {
    if message == "SignChargingStationCertificate" { "SignChargePointCertificate" } else { message }
}

fn asked(message: &str, connector: Option<u32>) -> Result<Value, CallError> {
    let message = trigger(message);
    if !TRIGGERS.contains(&message) && !EXTENDED_TRIGGERS.contains(&message) {
        return Err(CallError::Field { field: "message", why: "cannot be triggered in OCPP 1.6" });
    }
    // Here the whole station is meant by naming no connector.
    let connector = connector.filter(|connector| *connector > 0);
    Ok(limits::object([
        ("requestedMessage", Some(json!(message))),
        ("connectorId", connector.map(limits::one_connector).transpose()?),
    ]))
}

fn transaction(id: &str) -> Result<i32, CallError> {
    id.parse().map_err(|_| CallError::Field {
        field: "transaction",
        why: "is no whole number, as OCPP 1.6 wants it",
    })
}

fn transfer(call: &Call) -> Result<Value, CallError> {
    match call {
        Call::GetLog { kind: LogKind::Diagnostics, url, since, .. } => Ok(limits::object([
            ("location", Some(limits::url(url, URL_CHARS_MAX)?)),
            ("startTime", since.map(limits::time)),
        ])),
        Call::GetLog { kind: LogKind::Security, request_id, url, since } => {
            let log = limits::object([
                ("remoteLocation", Some(limits::url(url, LOG_URL_CHARS_MAX)?)),
                ("oldestTimestamp", since.map(limits::time)),
            ]);
            Ok(json!({ "logType": "SecurityLog", "requestId": request_id, "log": log }))
        }
        Call::UpdateFirmware { url, retrieve_at, signature: None, .. } => Ok(
            json!({ "location": limits::url(url, URL_CHARS_MAX)?, "retrieveDate": limits::time(*retrieve_at) }),
        ),
        Call::UpdateFirmware { request_id, url, retrieve_at, signature: Some(signature) } => {
            let firmware = json!({
                "location": limits::url(url, LOG_URL_CHARS_MAX)?,
                "retrieveDateTime": limits::time(*retrieve_at),
                "signingCertificate": limits::name("certificate", &signature.certificate, CERTIFICATE_CHARS_MAX)?,
                "signature": limits::name("signature", &signature.signature, SIGNATURE_CHARS_MAX)?,
            });
            Ok(json!({ "requestId": request_id, "firmware": firmware }))
        }
        _ => Ok(json!({})),
    }
}

fn profile(call: &Call) -> Result<Value, CallError> {
    let Call::SetChargingLimit {
        profile_id,
        connector,
        transaction: id,
        limit,
        unit,
        phases,
        starts,
        duration_s,
        stack_level,
    } = call
    else {
        return Ok(json!({}));
    };
    if limit.normalize().scale() > 1 {
        return Err(CallError::Field {
            field: "limit",
            why: "has more than one decimal, the most that OCPP 1.6 takes",
        });
    }
    let purpose = match LimitPurpose::of(*connector, id.as_deref())? {
        LimitPurpose::Station => "ChargePointMaxProfile",
        LimitPurpose::Default => "TxDefaultProfile",
        LimitPurpose::Transaction => "TxProfile",
    };
    let period = limits::object([
        ("startPeriod", Some(json!(0))),
        ("limit", Some(limits::load(*limit)?)),
        ("numberPhases", phases.map(limits::phases).transpose()?),
    ]);
    let schedule = limits::object([
        ("startSchedule", Some(limits::time(*starts))),
        ("duration", duration_s.map(|duration| limits::number("duration_s", duration)).transpose()?),
        ("chargingRateUnit", Some(json!(unit.word()))),
        ("chargingSchedulePeriod", Some(json!([period]))),
    ]);
    let profile = limits::object([
        ("chargingProfileId", Some(json!(profile_id))),
        ("transactionId", id.as_ref().map(|id| transaction(id)).transpose()?.map(Value::from)),
        ("stackLevel", Some(limits::number("stack_level", *stack_level)?)),
        ("chargingProfilePurpose", Some(json!(purpose))),
        ("chargingProfileKind", Some(json!("Absolute"))),
        ("chargingSchedule", Some(schedule)),
    ]);
    Ok(json!({ "connectorId": limits::number("connector", *connector)?, "csChargingProfiles": profile }))
}

fn certificate(call: &Call) -> Result<Value, CallError> {
    match call {
        Call::InstallCertificate { kind, pem } => Ok(json!({
            "certificateType": root(*kind)?,
            "certificate": limits::name("pem", pem, CERTIFICATE_CHARS_MAX)?,
        })),
        Call::GetInstalledCertificates { kind: None } => {
            Err(CallError::Field { field: "kind", why: "is missing, and OCPP 1.6 wants one" })
        }
        Call::GetInstalledCertificates { kind: Some(kind) } => Ok(json!({ "certificateType": root(*kind)? })),
        Call::DeleteCertificate { certificate } => Ok(json!({ "certificateHashData": hash(certificate)? })),
        Call::SendSignedCertificate { pem, .. } => {
            Ok(json!({ "certificateChain": limits::name("pem", pem, CHAIN_CHARS_MAX)? }))
        }
        _ => Ok(json!({})),
    }
}

fn root(kind: CertificateKind) -> Result<&'static str, CallError> {
    match kind {
        CertificateKind::CentralSystemRoot => Ok("CentralSystemRootCertificate"),
        CertificateKind::ManufacturerRoot => Ok("ManufacturerRootCertificate"),
        _ => Err(CallError::NotInVersion { version: Version::V16, what: "this kind of certificate" }),
    }
}

/// The same in all versions.
pub(super) fn hash(certificate: &super::CertificateHash) -> Result<Value, CallError> {
    Ok(json!({
        "hashAlgorithm": certificate.algorithm.word(),
        "issuerNameHash": limits::name("issuer_name_hash", &certificate.issuer_name_hash, HASH_CHARS_MAX)?,
        "issuerKeyHash": limits::name("issuer_key_hash", &certificate.issuer_key_hash, HASH_CHARS_MAX)?,
        "serialNumber": limits::name("serial_number", &certificate.serial_number, SERIAL_CHARS_MAX)?,
    }))
}
