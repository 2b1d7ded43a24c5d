//! OCPP against the official JSON schemas, which come with the PyPI package `ocpp` and are asked by `outside/schemas.py`:
//! everything that we send fits them, and everything that fits them is understood.
//!
//! `tests/run` provides the Python (`VERIPILE_TEST_PYTHON`); without it a test says so and passes over.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, clippy::print_stdout)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use veripile_ocpp::action::{self, Does, TABLE};
use veripile_ocpp::signing::{self, Reason, Refused};
use veripile_ocpp::{
    AnswerHeard, Call, Frame, IdentityKey, Meaning, Version, answer, hear, hear_answer, typed,
};
use veripile_pile::{Mark, Reading, ReceiveTime};

/// Messages whose samples become readings: compared with these, not with a type.
const METERING: [&str; 4] = ["MeterValues", "StartTransaction", "StopTransaction", "TransactionEvent"];

/// Differences shown when a test fails; one mistake shows in hundreds of samples.
const SHOWN_MAX: usize = 20;

fn python() -> Option<PathBuf> {
    match std::env::var_os("VERIPILE_TEST_PYTHON") {
        Some(path) => Some(path.into()),
        None if std::env::var_os("VERIPILE_TEST_REQUIRED").is_some() => panic!("no Python with the schemas"),
        None => {
            println!("skipped: VERIPILE_TEST_PYTHON is not set; tests/run sets it");
            None
        }
    }
}

fn file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("veripile-conformance-{}-{name}.jsonl", std::process::id()))
}

fn schemas(python: &Path, arguments: &[&str]) -> (bool, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("outside/schemas.py");
    let output = Command::new(python).arg(script).args(arguments).output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

/// Messages that the script makes: `samples` or `broken`. They are as many as the schemas allow for, never a handful.
fn made(python: &Path, what: &str, at_least: usize) -> Vec<Message> {
    let out = file(&format!("{what}-{:?}", std::thread::current().id()));
    let (good, text) = schemas(python, &[what, "--out", out.to_str().unwrap()]);
    assert!(good, "{text}");
    let lines = std::fs::read_to_string(&out).unwrap();
    std::fs::remove_file(&out).unwrap();
    let messages: Vec<_> = lines.lines().map(Message::read).collect();
    assert!(messages.len() >= at_least, "{}", messages.len());
    messages
}

fn validate(python: &Path, name: &str, messages: &[Message]) {
    let file = file(name);
    let lines: Vec<String> = messages.iter().map(Message::line).collect();
    std::fs::write(&file, lines.join("\n")).unwrap();
    let (good, text) = schemas(python, &["validate", "--in", file.to_str().unwrap()]);
    std::fs::remove_file(&file).unwrap();
    assert!(good, "{text}");
    println!("{text}");
}

struct Message {
    version: Version,
    action: String,
    kind: String,
    payload: Value,
    missing: Option<String>,
}

impl Message {
    fn read(line: &str) -> Self {
        let value: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        let version = Version::ALL.into_iter().find(|version| value["version"] == version.number());
        Self {
            version: version.unwrap(),
            action: text("action").unwrap(),
            kind: text("kind").unwrap(),
            payload: value["payload"].clone(),
            missing: text("missing"),
        }
    }

    fn line(&self) -> String {
        json!({ "version": self.version.number(), "action": self.action, "kind": self.kind, "payload": self.payload })
            .to_string()
    }

    fn does(&self) -> Option<Does> {
        action::does(self.version, &self.action)
    }

    fn is_for_us(&self) -> bool {
        self.kind != "result" && self.does().is_some_and(Does::is_for_us)
    }

    fn told(&self) -> String {
        let payload: String = self.payload.to_string().chars().take(300).collect();
        format!("{} {} {payload}", self.version.number(), self.action)
    }

    fn heard(&self) -> veripile_ocpp::Heard {
        let received = ReceiveTime("2026-03-01T12:00:00Z".parse().unwrap());
        hear(self.version, &self.action, "m", &self.payload.to_string(), received, &IdentityKey::new([1; 32]))
    }
}

fn none_of(what: &str, all: usize, faults: &[String]) {
    let shown = faults.iter().take(SHOWN_MAX).cloned().collect::<Vec<_>>().join("\n");
    assert!(faults.is_empty(), "{} of {all} {what}:\n{shown}", faults.len());
    assert!(all > 0);
    println!("0 of {all} {what}");
}

/// Equal, but for how a number and a moment are spelled.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::String(one), Value::String(other)) => {
            let moments = (one.parse::<jiff::Timestamp>(), other.parse::<jiff::Timestamp>());
            one == other || matches!(moments, (Ok(one), Ok(other)) if one == other)
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, value)| other.get(name).is_some_and(|other| same(value, other)))
        }
        _ => one == other,
    }
}

#[test]
fn the_table_of_actions_is_that_of_the_schemas() {
    let Some(python) = python() else { return };
    let samples = made(&python, "samples", 15_000);
    let key = |version: Version, action: &str, kind: &str| format!("{} {action} {kind}", version.number());
    let schemas: BTreeSet<String> = samples
        .iter()
        .filter(|message| message.kind != "result")
        .map(|message| key(message.version, &message.action, &message.kind))
        .collect();
    let rows = TABLE.iter().flat_map(|row| row.versions.iter().map(move |version| (*version, row)));
    let kind = |does| if does == Does::Record { "send" } else { "call" };
    let table: BTreeSet<String> = rows.map(|(version, row)| key(version, row.name, kind(row.does))).collect();
    assert_eq!(table, schemas);
}

#[test]
fn every_call_of_ours_fits_its_schema() {
    let Some(python) = python() else { return };
    let mut made = Vec::new();
    for call in calls() {
        let mut versions = 0;
        for version in Version::ALL {
            let Ok(frame) = call.frame(version, "id-1") else { continue };
            let Ok(Frame::Call { id, action, payload, answered: true }) = Frame::open(&frame) else {
                panic!("{frame}")
            };
            assert_eq!((id.as_str(), action.as_str()), ("id-1", call.action(version).unwrap()));
            let payload = serde_json::from_str(payload.get()).unwrap();
            made.push(Message { version, action, kind: "call".to_owned(), payload, missing: None });
            versions += 1;
        }
        assert!(versions > 0, "{call:?} can be sent in no version");
    }
    let reached: BTreeSet<_> =
        made.iter().map(|message| (message.version.number(), message.action.clone())).collect();
    let ours = TABLE.iter().filter(|row| matches!(row.does, Does::Ours | Does::Extension));
    let ours: BTreeSet<_> = ours
        .flat_map(|row| row.versions.iter().map(|version| (version.number(), row.name.to_owned())))
        .collect();
    assert_eq!(reached, ours, "every action that the table calls ours has a call, and no other");
    validate(&python, "calls", &made);
}

#[test]
fn every_answer_of_ours_fits_its_schema() {
    let Some(python) = python() else { return };
    let now = "2026-03-01T08:00:00Z".parse().unwrap();
    let mut answers = Vec::new();
    let mut push = |version, action: &str, frame: String| {
        let frame: Value = serde_json::from_str(&frame).unwrap();
        assert_eq!((&frame[0], &frame[1]), (&json!(3), &json!("m")));
        let payload = frame[2].clone();
        answers.push(Message {
            version,
            action: action.to_owned(),
            kind: "result".to_owned(),
            payload,
            missing: None,
        });
    };
    for row in TABLE.iter().filter(|row| row.does.is_for_us() && row.does != Does::Record) {
        for version in row.versions {
            for transaction in [None, Some("42"), Some("2147483648"), Some("T-1")] {
                push(*version, row.name, answer::result(*version, row.name, "m", transaction, now));
            }
        }
    }
    for version in Version::ALL {
        push(version, "SignCertificate", signing::answer(version, "m", Ok(())));
        for (reason, detail) in Reason::ALL.into_iter().flat_map(|reason| [(reason, 0), (reason, 2_000)]) {
            let refused = Refused::new(reason, "x".repeat(detail));
            push(version, "SignCertificate", signing::answer(version, "m", Err(&refused)));
        }
    }
    let samples = made(&python, "samples", 15_000).into_iter().chain(made(&python, "broken", 400));
    for sample in samples.filter(|sample| sample.is_for_us() && sample.does() != Some(Does::Record)) {
        let call = sample.payload.to_string();
        let frame = answer::reply(sample.version, &sample.action, "m", &call, None, now);
        push(sample.version, &sample.action, frame);
    }
    validate(&python, "answers", &answers);
}

#[test]
fn every_call_that_fits_its_schema_is_heard_without_loss() {
    let Some(python) = python() else { return };
    let samples = made(&python, "samples", 15_000);
    let calls: Vec<_> = samples.iter().filter(|sample| sample.is_for_us()).collect();
    let faults = calls.iter().filter_map(|call| loss(call).map(|fault| format!("{fault}: {}", call.told())));
    none_of("calls of chargers are misheard", calls.len(), &faults.collect::<Vec<_>>());
}

fn loss(call: &Message) -> Option<String> {
    let heard = call.heard();
    if heard.marks.contains(&Mark::BadShape) {
        return Some("marked bad_shape".to_owned());
    }
    if METERING.contains(&call.action.as_str()) {
        return lost_reading(call, &heard.readings);
    }
    match typed::round_trip(call.version, &call.action, &call.payload) {
        Err(why) => Some(why),
        Ok(again) => (!same(&call.payload, &again)).then(|| format!("became {again}")),
    }
}

/// Every sample is a reading with the sample's own words.
fn lost_reading(call: &Message, readings: &[Reading]) -> Option<String> {
    let values =
        ["meterValue", "transactionData"].iter().filter_map(|name| call.payload.get(name)?.as_array());
    let samples: Vec<&Value> =
        values.flatten().flat_map(|value| value["sampledValue"].as_array().unwrap()).collect();
    if samples.len() != readings.len() {
        return Some(format!("{} samples became {} readings", samples.len(), readings.len()));
    }
    samples.iter().zip(readings).find_map(|(sample, reading)| differs(sample, reading))
}

fn differs(sample: &Value, reading: &Reading) -> Option<String> {
    let value = match &sample["value"] {
        Value::String(text) => text.clone(),
        number => number.to_string(),
    };
    let unit = [&sample["unit"], &sample["unitOfMeasure"]["unit"]].into_iter().find_map(Value::as_str);
    let phase = match &reading.phase {
        veripile_pile::Phase::Total => None,
        veripile_pile::Phase::Named(word) => Some(word.as_str()),
    };
    // A word longer than any of OCPP's is cut, and marked.
    let is_cut = reading.marks.contains(&Mark::TooLong);
    let unit = unit.filter(|unit| !unit.is_empty() && !is_cut);
    let measurand = sample["measurand"].as_str().unwrap_or("Energy.Active.Import.Register");
    let good = reading.value == value
        && unit.is_none_or(|unit| reading.unit == unit)
        && reading.measurand.0 == measurand
        && phase == sample["phase"].as_str()
        && reading.location.word() == sample["location"].as_str().unwrap_or("Outlet")
        && reading.context.word() == sample["context"].as_str().unwrap_or("Sample.Periodic");
    (!good).then(|| format!("{sample} became {reading:?}"))
}

#[test]
fn a_call_without_what_its_schema_requires_is_marked() {
    let Some(python) = python() else { return };
    let broken = made(&python, "broken", 400);
    let calls: Vec<_> = broken.iter().filter(|sample| sample.is_for_us()).collect();
    let unmarked = calls.iter().filter(|call| {
        let heard = call.heard();
        heard.marks.is_empty() && heard.readings.iter().all(|reading| reading.marks.is_empty())
    });
    let faults: Vec<_> = unmarked
        .map(|call| format!("without {}: {}", call.missing.as_deref().unwrap_or("?"), call.told()))
        .collect();
    none_of("broken calls pass unmarked", calls.len(), &faults);
}

#[test]
fn a_call_of_the_wrong_direction_is_not_for_us() {
    let Some(python) = python() else { return };
    let samples = made(&python, "samples", 15_000);
    let wrong: Vec<_> =
        samples.iter().filter(|sample| sample.kind == "call" && !sample.is_for_us()).collect();
    let faults = wrong.iter().filter(|call| !matches!(call.heard().meaning, Meaning::NotForUs));
    none_of(
        "of our own calls are taken from a charger",
        wrong.len(),
        &faults.map(|c| c.told()).collect::<Vec<_>>(),
    );
}

#[test]
fn every_answer_that_fits_its_schema_is_understood() {
    let Some(python) = python() else { return };
    let (samples, calls) = (made(&python, "samples", 15_000), calls());
    let mut faults = Vec::new();
    let mut count = 0;
    for sample in samples.iter().filter(|sample| sample.kind == "result") {
        let asked = calls.iter().filter(|call| call.action(sample.version) == Ok(sample.action.as_str()));
        for call in asked {
            count += 1;
            let heard = hear_answer(sample.version, call, &sample.payload.to_string());
            faults.extend(
                misheard(&sample.payload, &heard)
                    .map(|why| format!("{why}: {heard:?} from {}", sample.told())),
            );
        }
    }
    none_of("answers of chargers are misheard", count, &faults);
}

/// What an answer says beside what was heard: as many entries, and good or not.
fn misheard(payload: &Value, heard: &AnswerHeard) -> Option<&'static str> {
    let count = |names: &[&str]| -> usize {
        names.iter().filter_map(|name| payload[name].as_array()).map(Vec::len).sum()
    };
    match heard {
        AnswerHeard::Unreadable { .. } | AnswerHeard::Error { .. } => Some("unreadable"),
        AnswerHeard::Configuration(entries) => {
            let all = count(&["configurationKey", "unknownKey", "getVariableResult"]);
            (all != entries.len()).then_some("entries are lost")
        }
        AnswerHeard::Monitors(monitors) => {
            let all = count(&["setMonitoringResult", "clearMonitoringResult"]);
            (all != monitors.len()).then_some("monitors are lost")
        }
        AnswerHeard::Schedule(schedule) => {
            let periods = ["schedule", "chargingSchedule"]
                .iter()
                .filter_map(|name| payload[name]["chargingSchedulePeriod"].as_array());
            (periods.map(Vec::len).sum::<usize>() != schedule.periods.len()).then_some("periods are lost")
        }
        AnswerHeard::Certificates(certificates) => {
            let flat = count(&["certificateHashData"]);
            let chains = payload["certificateHashDataChain"].as_array().into_iter().flatten();
            let chained: usize = chains
                .map(|chain| 1 + chain["childCertificateHashData"].as_array().map_or(0, Vec::len))
                .sum();
            (flat + chained != certificates.len()).then_some("certificates are lost")
        }
        AnswerHeard::Streams(streams) => {
            (count(&["constantStreamData"]) != streams.len()).then_some("streams are lost")
        }
        AnswerHeard::Refused { status } => {
            let words = ["Accepted", "AcceptedCanceled", "Scheduled", "RebootRequired", "Unlocked"];
            words.contains(&status.as_str()).then_some("refused")
        }
        AnswerHeard::Accepted
        | AnswerHeard::Later { .. }
        | AnswerHeard::Started { .. }
        | AnswerHeard::Log { .. }
        | AnswerHeard::Transaction { .. }
        | AnswerHeard::Data { .. } => {
            let bad = ["Rejected", "Failed", "NotSupported", "NotFound", "UnknownVendorId"];
            payload["status"].as_str().is_some_and(|status| bad.contains(&status)).then_some("taken as good")
        }
    }
}

/// Calls of every kind, in every shape that changes the payload. They are read from JSON, as an operator would write them.
fn calls() -> Vec<Call> {
    let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let mut calls: Vec<Call> = CALLS.lines().filter(|line| !line.is_empty()).map(read).collect();
    let long = |chars: usize| "桩".repeat(chars);
    let edges = [
        json!({ "call": "write_configuration", "name": "x".repeat(50), "value": long(500) }),
        json!({ "call": "write_configuration", "name": "A.B", "value": long(1_000) }),
        json!({ "call": "write_configuration", "name": format!("{0}[{0}].{0}[{0}]", long(50)), "value": long(2_500) }),
        json!({ "call": "start_charge", "connector": null, "token": long(20), "remote_start_id": -1 }),
        json!({ "call": "start_charge", "connector": 2_147_483_647, "token": long(36), "remote_start_id": 1 }),
        json!({ "call": "start_charge", "connector": null, "token": long(255), "remote_start_id": 1 }),
        json!({ "call": "stop_charge", "transaction": long(36) }),
        json!({ "call": "get_log", "kind": "security", "request_id": 1, "url": format!("ftp://{}", "x".repeat(506)), "since": null }),
        json!({ "call": "get_log", "kind": "diagnostics", "request_id": 1, "url": format!("ftp://{}", "x".repeat(1_994)), "since": null }),
        json!({ "call": "install_certificate", "kind": "central_system_root", "pem": "x".repeat(5_500) }),
        json!({ "call": "install_certificate", "kind": "vehicle_maker_root", "pem": "x".repeat(10_000) }),
        json!({ "call": "send_signed_certificate", "pem": "x".repeat(10_000) }),
        json!({ "call": "data_transfer", "vendor": long(255), "message": long(50), "data": long(10_000) }),
    ];
    calls.extend(edges.into_iter().map(|edge| serde_json::from_value(edge).unwrap()));
    calls
}

/// One call a line.
const CALLS: &str = r#"
{"call": "trigger", "message": "BootNotification", "connector": null}
{"call": "trigger", "message": "BootNotification", "connector": 2}
{"call": "trigger", "message": "DiagnosticsStatusNotification", "connector": null}
{"call": "trigger", "message": "DiagnosticsStatusNotification", "connector": 2}
{"call": "trigger", "message": "LogStatusNotification", "connector": null}
{"call": "trigger", "message": "LogStatusNotification", "connector": 2}
{"call": "trigger", "message": "FirmwareStatusNotification", "connector": null}
{"call": "trigger", "message": "FirmwareStatusNotification", "connector": 2}
{"call": "trigger", "message": "Heartbeat", "connector": null}
{"call": "trigger", "message": "Heartbeat", "connector": 2}
{"call": "trigger", "message": "MeterValues", "connector": null}
{"call": "trigger", "message": "MeterValues", "connector": 2}
{"call": "trigger", "message": "SignChargePointCertificate", "connector": null}
{"call": "trigger", "message": "SignChargePointCertificate", "connector": 2}
{"call": "trigger", "message": "SignChargingStationCertificate", "connector": null}
{"call": "trigger", "message": "SignChargingStationCertificate", "connector": 2}
{"call": "trigger", "message": "SignV2GCertificate", "connector": null}
{"call": "trigger", "message": "SignV2GCertificate", "connector": 2}
{"call": "trigger", "message": "StatusNotification", "connector": null}
{"call": "trigger", "message": "StatusNotification", "connector": 2}
{"call": "trigger", "message": "TransactionEvent", "connector": null}
{"call": "trigger", "message": "TransactionEvent", "connector": 2}
{"call": "trigger", "message": "SignCombinedCertificate", "connector": null}
{"call": "trigger", "message": "SignCombinedCertificate", "connector": 2}
{"call": "trigger", "message": "PublishFirmwareStatusNotification", "connector": null}
{"call": "trigger", "message": "PublishFirmwareStatusNotification", "connector": 2}
{"call": "trigger", "message": "MeterValues", "connector": 0}
{"call": "read_configuration", "names": []}
{"call": "read_configuration", "names": ["ClockCtrlr.DateTime"]}
{"call": "read_configuration", "names": ["MeterValueSampleInterval", "A"]}
{"call": "read_configuration", "names": ["EVSE:1/FiscalMetering.PublicKey", "EVSE:1:2/Connector[left].Available[now]#MaxSet", "A%2EB.C#Actual"]}
{"call": "write_configuration", "name": "MeterValueSampleInterval", "value": "60"}
{"call": "write_configuration", "name": "EVSE:1/SampledDataCtrlr.TxUpdatedMeasurands#Target", "value": ""}
{"call": "report_configuration", "request_id": 7}
{"call": "report_variables", "request_id": 7, "names": []}
{"call": "report_variables", "request_id": 7, "names": ["FiscalMetering", "EVSE:1/FiscalMetering.PublicKey"]}
{"call": "start_charge", "connector": null, "token": "TEST-1", "remote_start_id": 9}
{"call": "start_charge", "connector": 1, "token": "TEST-1", "remote_start_id": 9}
{"call": "stop_charge", "transaction": "42"}
{"call": "stop_charge", "transaction": "T-1"}
{"call": "change_availability", "connector": 0, "operative": true}
{"call": "change_availability", "connector": 0, "operative": false}
{"call": "change_availability", "connector": 2, "operative": true}
{"call": "change_availability", "connector": 2, "operative": false}
{"call": "reset", "hard": true}
{"call": "reset", "hard": false}
{"call": "unlock_connector", "connector": 1}
{"call": "get_log", "kind": "diagnostics", "request_id": 3, "url": "https://logs.example.org/upload?x=1", "since": null}
{"call": "get_log", "kind": "diagnostics", "request_id": 3, "url": "https://logs.example.org/upload?x=1", "since": "2026-03-01T08:00:00Z"}
{"call": "get_log", "kind": "security", "request_id": 3, "url": "https://logs.example.org/upload?x=1", "since": null}
{"call": "get_log", "kind": "security", "request_id": 3, "url": "https://logs.example.org/upload?x=1", "since": "2026-03-01T08:00:00Z"}
{"call": "update_firmware", "request_id": 4, "url": "ftp://u:p@example.org/f.bin", "retrieve_at": "2026-03-01T08:00:00.5Z", "signature": null}
{"call": "update_firmware", "request_id": 4, "url": "ftp://u:p@example.org/f.bin", "retrieve_at": "2026-03-01T08:00:00.5Z", "signature": {"certificate": "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n", "signature": "MEUCIQ=="}}
{"call": "set_charging_limit", "profile_id": 1, "connector": 1, "transaction": null, "limit": "16", "unit": "amperes", "phases": null, "starts": "2026-03-01T08:00:00Z", "duration_s": null, "stack_level": 0}
{"call": "set_charging_limit", "profile_id": 1, "connector": 0, "transaction": null, "limit": "16", "unit": "amperes", "phases": null, "starts": "2026-03-01T08:00:00Z", "duration_s": null, "stack_level": 0}
{"call": "set_charging_limit", "profile_id": 1, "connector": 1, "transaction": "42", "limit": "21.40", "unit": "amperes", "phases": null, "starts": "2026-03-01T08:00:00Z", "duration_s": null, "stack_level": 0}
{"call": "set_charging_limit", "profile_id": 1, "connector": 1, "transaction": "T-1", "limit": "0", "unit": "amperes", "phases": null, "starts": "2026-03-01T08:00:00Z", "duration_s": null, "stack_level": 0}
{"call": "set_charging_limit", "profile_id": 1, "connector": 1, "transaction": null, "limit": "10999.9", "unit": "watts", "phases": 1, "starts": "2026-03-01T08:00:00Z", "duration_s": null, "stack_level": 0}
{"call": "set_charging_limit", "profile_id": 1, "connector": 1, "transaction": null, "limit": "16", "unit": "amperes", "phases": 3, "starts": "2026-03-01T08:00:00Z", "duration_s": 600, "stack_level": 8}
{"call": "set_charging_limit", "profile_id": -5, "connector": 1, "transaction": null, "limit": "6.125", "unit": "amperes", "phases": null, "starts": "2026-03-01T08:00:00Z", "duration_s": null, "stack_level": 0}
{"call": "set_charging_limit", "profile_id": 1, "connector": 1, "transaction": null, "limit": "2147483647", "unit": "amperes", "phases": null, "starts": "2026-03-01T08:00:00Z", "duration_s": 0, "stack_level": 0}
{"call": "clear_charging_limit", "profile_id": null, "connector": null}
{"call": "clear_charging_limit", "profile_id": 3, "connector": null}
{"call": "clear_charging_limit", "profile_id": null, "connector": 0}
{"call": "clear_charging_limit", "profile_id": null, "connector": 2}
{"call": "clear_charging_limit", "profile_id": 3, "connector": 2}
{"call": "get_composite_schedule", "connector": 1, "duration_s": 3600, "unit": null}
{"call": "get_composite_schedule", "connector": 0, "duration_s": 3600, "unit": "amperes"}
{"call": "get_composite_schedule", "connector": 0, "duration_s": 3600, "unit": "watts"}
{"call": "get_charging_profiles", "request_id": 5, "connector": null, "profile_ids": [], "purpose": "station"}
{"call": "get_charging_profiles", "request_id": 5, "connector": 0, "profile_ids": [1, 2], "purpose": null}
{"call": "get_charging_profiles", "request_id": 5, "connector": 2, "profile_ids": [], "purpose": "transaction"}
{"call": "get_charging_profiles", "request_id": 5, "connector": 2, "profile_ids": [], "purpose": "default"}
{"call": "get_charging_profiles", "request_id": 5, "connector": null, "profile_ids": [], "purpose": null}
{"call": "get_transaction_status", "transaction": null}
{"call": "get_transaction_status", "transaction": "T-1"}
{"call": "clear_cache"}
{"call": "install_certificate", "kind": "central_system_root", "pem": "-----BEGIN CERTIFICATE-----"}
{"call": "get_installed_certificates", "kind": "central_system_root"}
{"call": "install_certificate", "kind": "manufacturer_root", "pem": "-----BEGIN CERTIFICATE-----"}
{"call": "get_installed_certificates", "kind": "manufacturer_root"}
{"call": "install_certificate", "kind": "v2g_root", "pem": "-----BEGIN CERTIFICATE-----"}
{"call": "get_installed_certificates", "kind": "v2g_root"}
{"call": "install_certificate", "kind": "mobility_operator_root", "pem": "-----BEGIN CERTIFICATE-----"}
{"call": "get_installed_certificates", "kind": "mobility_operator_root"}
{"call": "install_certificate", "kind": "vehicle_maker_root", "pem": "-----BEGIN CERTIFICATE-----"}
{"call": "get_installed_certificates", "kind": "vehicle_maker_root"}
{"call": "get_installed_certificates", "kind": "v2g_chain"}
{"call": "get_installed_certificates", "kind": null}
{"call": "delete_certificate", "certificate": {"algorithm": "SHA256", "issuer_name_hash": "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a", "issuer_key_hash": "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "serial_number": "0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c"}}
{"call": "delete_certificate", "certificate": {"algorithm": "SHA384", "issuer_name_hash": "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a", "issuer_key_hash": "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "serial_number": "0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c"}}
{"call": "delete_certificate", "certificate": {"algorithm": "SHA512", "issuer_name_hash": "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a", "issuer_key_hash": "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "serial_number": "0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c"}}
{"call": "send_signed_certificate", "pem": "-----BEGIN CERTIFICATE-----"}
{"call": "send_signed_certificate", "pem": "-----BEGIN CERTIFICATE-----", "request_id": 7}
{"call": "set_monitoring", "monitors": [{"id": null, "name": "EVSE:1/FiscalMetering.Problem", "kind": "upper_threshold", "value": "-0.25", "severity": 3, "transaction": false, "stream": null}, {"id": 7, "name": "EVSE:1/FiscalMetering.Problem", "kind": "upper_threshold", "value": "1", "severity": 9, "transaction": true, "stream": null}]}
{"call": "set_monitoring", "monitors": [{"id": null, "name": "EVSE:1/FiscalMetering.Problem", "kind": "lower_threshold", "value": "-0.25", "severity": 3, "transaction": false, "stream": null}, {"id": 7, "name": "EVSE:1/FiscalMetering.Problem", "kind": "lower_threshold", "value": "1", "severity": 9, "transaction": true, "stream": null}]}
{"call": "set_monitoring", "monitors": [{"id": null, "name": "EVSE:1/FiscalMetering.Problem", "kind": "delta", "value": "-0.25", "severity": 3, "transaction": false, "stream": null}, {"id": 7, "name": "EVSE:1/FiscalMetering.Problem", "kind": "delta", "value": "1", "severity": 9, "transaction": true, "stream": null}]}
{"call": "set_monitoring", "monitors": [{"id": null, "name": "EVSE:1/FiscalMetering.Problem", "kind": "periodic", "value": "-0.25", "severity": 3, "transaction": false, "stream": null}, {"id": 7, "name": "EVSE:1/FiscalMetering.Problem", "kind": "periodic", "value": "1", "severity": 9, "transaction": true, "stream": null}]}
{"call": "set_monitoring", "monitors": [{"id": null, "name": "EVSE:1/FiscalMetering.Problem", "kind": "periodic_clock_aligned", "value": "-0.25", "severity": 3, "transaction": false, "stream": null}, {"id": 7, "name": "EVSE:1/FiscalMetering.Problem", "kind": "periodic_clock_aligned", "value": "1", "severity": 9, "transaction": true, "stream": null}]}
{"call": "set_monitoring", "monitors": [{"id": null, "name": "EVSE:1/FiscalMetering.Problem", "kind": "target_delta", "value": "-0.25", "severity": 3, "transaction": false, "stream": null}, {"id": 7, "name": "EVSE:1/FiscalMetering.Problem", "kind": "target_delta", "value": "1", "severity": 9, "transaction": true, "stream": null}]}
{"call": "set_monitoring", "monitors": [{"id": null, "name": "EVSE:1/FiscalMetering.Problem", "kind": "target_delta_relative", "value": "-0.25", "severity": 3, "transaction": false, "stream": null}, {"id": 7, "name": "EVSE:1/FiscalMetering.Problem", "kind": "target_delta_relative", "value": "1", "severity": 9, "transaction": true, "stream": null}]}
{"call": "set_monitoring", "monitors": [{"id": null, "name": "EVSE:1/FiscalMetering.Problem", "kind": "delta", "value": "1", "severity": 3, "transaction": false, "stream": {"interval_s": 60, "values": 10}}, {"id": null, "name": "EVSE:1/FiscalMetering.Problem", "kind": "delta", "value": "1", "severity": 0, "transaction": false, "stream": {"interval_s": null, "values": null}}]}
{"call": "get_monitoring_report", "request_id": 6, "names": [], "criteria": []}
{"call": "get_monitoring_report", "request_id": 6, "names": ["A", "A.B"], "criteria": ["periodic", "delta", "threshold", "delta"]}
{"call": "clear_monitoring", "ids": [1, 2]}
{"call": "set_monitoring_base", "base": "all"}
{"call": "set_monitoring_base", "base": "factory_default"}
{"call": "set_monitoring_base", "base": "hard_wired_only"}
{"call": "set_monitoring_level", "severity": 0}
{"call": "set_monitoring_level", "severity": 9}
{"call": "get_event_streams"}
{"call": "adjust_event_stream", "id": 1, "pace": {"interval_s": null, "values": null}}
{"call": "adjust_event_stream", "id": 1, "pace": {"interval_s": 5, "values": null}}
{"call": "adjust_event_stream", "id": 1, "pace": {"interval_s": null, "values": 5}}
{"call": "adjust_event_stream", "id": 1, "pace": {"interval_s": 60, "values": 10}}
{"call": "data_transfer", "vendor": "org.example", "message": null, "data": null}
{"call": "data_transfer", "vendor": "org.example", "message": "m", "data": "{\"a\":\"\u00fc\"}"}
"#;
