//! Our calls in the words of OCPP 2.0.1 and 2.1.

use serde_json::{Value, json};

use super::types::{CertificateKind, LimitPurpose, LogKind, Monitor, MonitorCriterion, RateUnit, StreamPace};
use super::{Call, CallError, limits};
use crate::Version;
use crate::configuration::VariableName;

/// Messages that TriggerMessage can ask for, but for 2.1's custom ones.
const TRIGGERS: [&str; 11] = [
    "BootNotification",
    "LogStatusNotification",
    "FirmwareStatusNotification",
    "Heartbeat",
    "MeterValues",
    "SignChargingStationCertificate",
    "SignV2GCertificate",
    "StatusNotification",
    "TransactionEvent",
    "SignCombinedCertificate",
    "PublishFirmwareStatusNotification",
];

/// The connector meant where an EVSE alone does not do: the first.
const CONNECTOR: u32 = 1;

/// Lengths of both schemas, in characters.
const TRANSACTION_CHARS_MAX: usize = 36;
const VENDOR_CHARS_MAX: usize = 255;
const MESSAGE_CHARS_MAX: usize = 50;
const CHAIN_CHARS_MAX: usize = 10_000;
const SIGNING_CERTIFICATE_CHARS_MAX: usize = 5_500;
const SIGNATURE_CHARS_MAX: usize = 800;

/// Longest data of a DataTransfer, whose schema names no limit: as much as a charger's certificate chain.
const DATA_CHARS_MAX: usize = 10_000;

/// Lengths in which the two versions differ, in characters.
struct Lengths {
    token: usize,
    value: usize,
    url: usize,
    certificate: usize,
}

fn lengths(version: Version) -> Lengths {
    match version {
        Version::V21 => Lengths { token: 255, value: 2_500, url: 2_000, certificate: 10_000 },
        _ => Lengths { token: 36, value: 1_000, url: 512, certificate: 5_500 },
    }
}

pub(super) fn action(call: &Call, version: Version) -> Result<&'static str, CallError> {
    Ok(match call {
        Call::Trigger { .. } => "TriggerMessage",
        Call::ReadConfiguration { .. } => "GetVariables",
        Call::WriteConfiguration { .. } => "SetVariables",
        Call::ReportConfiguration { .. } => "GetBaseReport",
        Call::ReportVariables { .. } => "GetReport",
        Call::StartCharge { .. } => "RequestStartTransaction",
        Call::StopCharge { .. } => "RequestStopTransaction",
        Call::ChangeAvailability { .. } => "ChangeAvailability",
        Call::Reset { .. } => "Reset",
        Call::UnlockConnector { .. } => "UnlockConnector",
        Call::GetLog { .. } => "GetLog",
        Call::UpdateFirmware { .. } => "UpdateFirmware",
        Call::SetChargingLimit { .. } => "SetChargingProfile",
        Call::ClearChargingLimit { .. } => "ClearChargingProfile",
        Call::GetCompositeSchedule { .. } => "GetCompositeSchedule",
        Call::GetChargingProfiles { .. } => "GetChargingProfiles",
        Call::GetTransactionStatus { .. } => "GetTransactionStatus",
        Call::ClearCache => "ClearCache",
        Call::InstallCertificate { .. } => "InstallCertificate",
        Call::GetInstalledCertificates { .. } => "GetInstalledCertificateIds",
        Call::DeleteCertificate { .. } => "DeleteCertificate",
        Call::SendSignedCertificate { .. } => "CertificateSigned",
        Call::SetMonitoring { .. } => "SetVariableMonitoring",
        Call::GetMonitoringReport { .. } => "GetMonitoringReport",
        Call::ClearMonitoring { .. } => "ClearVariableMonitoring",
        Call::SetMonitoringBase { .. } => "SetMonitoringBase",
        Call::SetMonitoringLevel { .. } => "SetMonitoringLevel",
        Call::DataTransfer { .. } => "DataTransfer",
        Call::GetEventStreams => only_21(version, "GetPeriodicEventStream", "GetPeriodicEventStream")?,
        Call::AdjustEventStream { .. } => {
            only_21(version, "AdjustPeriodicEventStream", "AdjustPeriodicEventStream")?
        }
    })
}

pub(super) fn payload(call: &Call, version: Version) -> Result<Value, CallError> {
    match call {
        Call::Trigger { message, connector } => asked(message, *connector),
        Call::ReadConfiguration { names } => {
            Ok(json!({ "getVariableData": named("names", names, VariableName::parse)? }))
        }
        Call::WriteConfiguration { name, value } => {
            let mut data = variable("name", name, VariableName::parse)?;
            data["attributeValue"] = limits::text("value", value, lengths(version).value)?;
            Ok(json!({ "setVariableData": [data] }))
        }
        Call::ReportConfiguration { request_id } => {
            Ok(json!({ "requestId": request_id, "reportBase": "FullInventory" }))
        }
        Call::ReportVariables { request_id, names } => Ok(limits::object([
            ("requestId", Some(json!(request_id))),
            ("componentVariable", components(names)?),
        ])),
        Call::StartCharge { connector, token, remote_start_id } => {
            let token = limits::name("token", token, lengths(version).token)?;
            Ok(limits::object([
                ("evseId", connector.map(limits::one_connector).transpose()?),
                ("idToken", Some(json!({ "idToken": token, "type": "Central" }))),
                ("remoteStartId", Some(json!(remote_start_id))),
            ]))
        }
        Call::StopCharge { transaction: id } => Ok(json!({ "transactionId": transaction(id)? })),
        Call::ChangeAvailability { connector, operative } => Ok(limits::object([
            ("evse", evse(Some(*connector))?),
            ("operationalStatus", Some(json!(if *operative { "Operative" } else { "Inoperative" }))),
        ])),
        Call::Reset { hard } => Ok(json!({ "type": if *hard { "Immediate" } else { "OnIdle" } })),
        Call::UnlockConnector { connector } => {
            Ok(json!({ "evseId": limits::one_connector(*connector)?, "connectorId": CONNECTOR }))
        }
        Call::GetLog { .. } | Call::UpdateFirmware { .. } => transfer(call, version),
        Call::SetChargingLimit { .. } => profile(call),
        Call::ClearChargingLimit { .. }
        | Call::GetCompositeSchedule { .. }
        | Call::GetChargingProfiles { .. } => profiles(call),
        Call::GetTransactionStatus { transaction: id } => {
            Ok(limits::object([("transactionId", id.as_ref().map(|id| transaction(id)).transpose()?)]))
        }
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
        | Call::SendSignedCertificate { .. } => certificate(call, version),
        Call::SetMonitoring { .. }
        | Call::GetMonitoringReport { .. }
        | Call::ClearMonitoring { .. }
        | Call::SetMonitoringBase { .. }
        | Call::SetMonitoringLevel { .. }
        | Call::AdjustEventStream { .. } => monitoring(call, version),
        Call::ClearCache | Call::GetEventStreams => Ok(json!({})),
    }
}

fn only_21<T>(version: Version, what: &'static str, value: T) -> Result<T, CallError> {
    if version == Version::V21 { Ok(value) } else { Err(CallError::NotInVersion { version, what }) }
}

fn asked(message: &str, connector: Option<u32>) -> Result<Value, CallError> {
    let message =
        if message == "SignChargePointCertificate" { "SignChargingStationCertificate" } else { message };
    if !TRIGGERS.contains(&message) {
        return Err(CallError::Field { field: "message", why: "cannot be triggered in OCPP 2.x" });
    }
    let mut evse = evse(connector)?;
    // A status is always one connector's (OCPP 2.0.1 part 2, use case F06).
    if let Some(evse) = evse.as_mut().filter(|_| message == "StatusNotification") {
        evse["connectorId"] = json!(CONNECTOR);
    }
    Ok(limits::object([("requestedMessage", Some(json!(message))), ("evse", evse)]))
}

/// The whole station is meant by naming no EVSE.
fn evse(connector: Option<u32>) -> Result<Option<Value>, CallError> {
    let connector = connector.filter(|connector| *connector > 0);
    Ok(connector.map(limits::one_connector).transpose()?.map(|id| json!({ "id": id })))
}

type Parse = fn(&str) -> Result<VariableName, &'static str>;

fn variable(field: &'static str, name: &str, parse: Parse) -> Result<Value, CallError> {
    let name = parse(name).map_err(|why| CallError::Field { field, why })?;
    Ok(Value::Object(name.members()))
}

/// At least one.
fn named(field: &'static str, names: &[String], parse: Parse) -> Result<Vec<Value>, CallError> {
    if names.is_empty() {
        return Err(CallError::Field {
            field,
            why: "are empty; 2.x reports all there is with GetBaseReport",
        });
    }
    names.iter().map(|name| variable(field, name, parse)).collect()
}

/// Components or variables without attributes; none for none.
fn components(names: &[String]) -> Result<Option<Value>, CallError> {
    let parse: Parse = |name| match VariableName::parse_component(name)? {
        name if name.has_attribute() => Err("names an attribute, where a report has them all"),
        name => Ok(name),
    };
    if names.is_empty() { Ok(None) } else { named("names", names, parse).map(|names| Some(json!(names))) }
}

fn transaction(id: &str) -> Result<Value, CallError> {
    limits::name("transaction", id, TRANSACTION_CHARS_MAX)
}

fn transfer(call: &Call, version: Version) -> Result<Value, CallError> {
    let url_of = |url| limits::url(url, lengths(version).url);
    match call {
        Call::GetLog { kind, request_id, url, since } => {
            let kind = match kind {
                LogKind::Diagnostics => "DiagnosticsLog",
                LogKind::Security => "SecurityLog",
            };
            let log = limits::object([
                ("remoteLocation", Some(url_of(url)?)),
                ("oldestTimestamp", since.map(limits::time)),
            ]);
            Ok(json!({ "logType": kind, "requestId": request_id, "log": log }))
        }
        Call::UpdateFirmware { request_id, url, retrieve_at, signature } => {
            let certificate = signature.as_ref().map(|signature| {
                limits::name("certificate", &signature.certificate, SIGNING_CERTIFICATE_CHARS_MAX)
            });
            let signature = signature
                .as_ref()
                .map(|signature| limits::name("signature", &signature.signature, SIGNATURE_CHARS_MAX));
            let firmware = limits::object([
                ("location", Some(url_of(url)?)),
                ("retrieveDateTime", Some(limits::time(*retrieve_at))),
                ("signingCertificate", certificate.transpose()?),
                ("signature", signature.transpose()?),
            ]);
            Ok(json!({ "requestId": request_id, "firmware": firmware }))
        }
        _ => Ok(json!({})),
    }
}

fn purpose(purpose: LimitPurpose) -> &'static str {
    match purpose {
        LimitPurpose::Station => "ChargingStationMaxProfile",
        LimitPurpose::Default => "TxDefaultProfile",
        LimitPurpose::Transaction => "TxProfile",
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
    let of = LimitPurpose::of(*connector, id.as_deref())?;
    let period = limits::object([
        ("startPeriod", Some(json!(0))),
        ("limit", Some(limits::load(*limit)?)),
        ("numberPhases", phases.map(limits::phases).transpose()?),
    ]);
    let schedule = limits::object([
        // Unique within the profile, which has this one.
        ("id", Some(json!(1))),
        ("startSchedule", Some(limits::time(*starts))),
        ("duration", duration_s.map(|duration| limits::number("duration_s", duration)).transpose()?),
        ("chargingRateUnit", Some(json!(unit.word()))),
        ("chargingSchedulePeriod", Some(json!([period]))),
    ]);
    let profile = limits::object([
        ("id", Some(json!(profile_id))),
        ("transactionId", id.as_ref().map(|id| transaction(id)).transpose()?),
        ("stackLevel", Some(limits::number("stack_level", *stack_level)?)),
        ("chargingProfilePurpose", Some(json!(purpose(of)))),
        ("chargingProfileKind", Some(json!("Absolute"))),
        ("chargingSchedule", Some(json!([schedule]))),
    ]);
    Ok(json!({ "evseId": limits::number("connector", *connector)?, "chargingProfile": profile }))
}

fn profiles(call: &Call) -> Result<Value, CallError> {
    let number_of =
        |connector: &Option<u32>| connector.map(|evse| limits::number("connector", evse)).transpose();
    match call {
        Call::ClearChargingLimit { profile_id: Some(id), connector: None } => {
            Ok(json!({ "chargingProfileId": id }))
        }
        // An id would make the charger overlook the EVSE (OCPP 2.0.1 part 2, use case K10).
        Call::ClearChargingLimit { profile_id: Some(_), connector: Some(_) } => Err(CallError::Field {
            field: "connector",
            why: "stands beside a profile's id, which alone counts in 2.x",
        }),
        Call::ClearChargingLimit { profile_id: None, connector } => {
            let criteria = number_of(connector)?.map(|evse| json!({ "evseId": evse }));
            Ok(limits::object([("chargingProfileCriteria", criteria)]))
        }
        Call::GetCompositeSchedule { connector, duration_s, unit } => Ok(limits::object([
            ("evseId", Some(limits::number("connector", *connector)?)),
            ("duration", Some(limits::number("duration_s", *duration_s)?)),
            ("chargingRateUnit", unit.map(RateUnit::word).map(Value::from)),
        ])),
        Call::GetChargingProfiles { request_id, connector, profile_ids, purpose: of } => {
            let ids = Some(profile_ids).filter(|ids| !ids.is_empty());
            let criterion = limits::object([
                ("chargingProfileId", ids.map(|ids| json!(ids))),
                ("chargingProfilePurpose", of.map(purpose).map(Value::from)),
            ]);
            Ok(limits::object([
                ("requestId", Some(json!(request_id))),
                ("evseId", number_of(connector)?),
                ("chargingProfile", Some(criterion)),
            ]))
        }
        _ => Ok(json!({})),
    }
}

fn certificate(call: &Call, version: Version) -> Result<Value, CallError> {
    match call {
        Call::InstallCertificate { kind: CertificateKind::V2gChain, .. } => {
            Err(CallError::Field { field: "kind", why: "is no root, and only roots are installed" })
        }
        Call::InstallCertificate { kind, pem } => Ok(json!({
            "certificateType": certificate_kind(*kind, version)?,
            "certificate": limits::name("pem", pem, lengths(version).certificate)?,
        })),
        Call::GetInstalledCertificates { kind } => {
            let kinds = kind.map(|kind| certificate_kind(kind, version)).transpose()?;
            Ok(limits::object([("certificateType", kinds.map(|kind| json!([kind])))]))
        }
        Call::DeleteCertificate { certificate } => {
            Ok(json!({ "certificateHashData": super::v16::hash(certificate)? }))
        }
        Call::SendSignedCertificate { pem, request_id } => Ok(limits::object([
            ("certificateType", Some(json!("ChargingStationCertificate"))),
            ("certificateChain", Some(limits::name("pem", pem, CHAIN_CHARS_MAX)?)),
            ("requestId", request_id.filter(|_| version == Version::V21).map(Value::from)),
        ])),
        _ => Ok(json!({})),
    }
}

fn certificate_kind(kind: CertificateKind, version: Version) -> Result<&'static str, CallError> {
    match kind {
        CertificateKind::CentralSystemRoot => Ok("CSMSRootCertificate"),
        CertificateKind::ManufacturerRoot => Ok("ManufacturerRootCertificate"),
        CertificateKind::V2gRoot => Ok("V2GRootCertificate"),
        CertificateKind::MobilityOperatorRoot => Ok("MORootCertificate"),
        CertificateKind::V2gChain => Ok("V2GCertificateChain"),
        CertificateKind::VehicleMakerRoot => {
            only_21(version, "this kind of certificate", "OEMRootCertificate")
        }
    }
}

fn monitoring(call: &Call, version: Version) -> Result<Value, CallError> {
    match call {
        Call::SetMonitoring { monitors } => {
            let data: Result<Vec<_>, _> = monitors.iter().map(|wanted| monitor(wanted, version)).collect();
            Ok(json!({ "setMonitoringData": at_least_one("monitors", data?)? }))
        }
        Call::GetMonitoringReport { request_id, names, criteria } => Ok(limits::object([
            ("requestId", Some(json!(request_id))),
            ("componentVariable", components(names)?),
            ("monitoringCriteria", chosen(criteria)),
        ])),
        Call::ClearMonitoring { ids } => {
            let ids: Result<Vec<_>, _> = ids.iter().map(|id| limits::number("ids", *id)).collect();
            Ok(json!({ "id": at_least_one("ids", ids?)? }))
        }
        Call::SetMonitoringBase { base } => Ok(json!({ "monitoringBase": base.word() })),
        Call::SetMonitoringLevel { severity } => Ok(json!({ "severity": limits::severity(*severity)? })),
        Call::AdjustEventStream { id, pace: of } => {
            Ok(json!({ "id": limits::number("id", *id)?, "params": pace(*of)? }))
        }
        _ => Ok(json!({})),
    }
}

fn at_least_one(field: &'static str, list: Vec<Value>) -> Result<Vec<Value>, CallError> {
    if list.is_empty() { Err(CallError::Field { field, why: "are empty" }) } else { Ok(list) }
}

/// Each criterion once, in OCPP's order; none for all.
fn chosen(criteria: &[MonitorCriterion]) -> Option<Value> {
    let words = [
        (MonitorCriterion::Threshold, "ThresholdMonitoring"),
        (MonitorCriterion::Delta, "DeltaMonitoring"),
        (MonitorCriterion::Periodic, "PeriodicMonitoring"),
    ];
    let chosen: Vec<_> =
        words.iter().filter(|(one, _)| criteria.contains(one)).map(|(_, word)| *word).collect();
    (!chosen.is_empty()).then(|| json!(chosen))
}

fn monitor(wanted: &Monitor, version: Version) -> Result<Value, CallError> {
    if wanted.kind.is_of_21() {
        only_21(version, "this kind of monitor", ())?;
    }
    if wanted.stream.is_some() {
        only_21(version, "a periodic event stream", ())?;
    }
    let parse: Parse = |name| match VariableName::parse(name)? {
        name if name.has_attribute() => Err("names an attribute, where only the actual value is watched"),
        name => Ok(name),
    };
    let mut data = variable("name", &wanted.name, parse)?;
    data["value"] = limits::decimal("value", wanted.value)?;
    data["type"] = json!(wanted.kind.word());
    data["severity"] = limits::severity(wanted.severity)?;
    data["transaction"] = json!(wanted.transaction);
    if let Some(id) = wanted.id {
        data["id"] = limits::number("id", id)?;
    }
    if let Some(of) = wanted.stream {
        data["periodicEventStream"] = pace(of)?;
    }
    Ok(data)
}

fn pace(pace: StreamPace) -> Result<Value, CallError> {
    let number = |field, number: Option<u32>| number.map(|number| limits::number(field, number)).transpose();
    Ok(limits::object([
        ("interval", number("interval_s", pace.interval_s)?),
        ("values", number("values", pace.values)?),
    ]))
}
