//! Calls and answers by example; that they fit the official schemas is shown by `tests/conformance.rs`.

use super::*;

const EVERY: [Version; 3] = [Version::V16, Version::V201, Version::V21];

fn limit(limit: &str, connector: u32, transaction: Option<&str>) -> Call {
    Call::SetChargingLimit {
        profile_id: 3,
        connector,
        transaction: transaction.map(str::to_owned),
        limit: limit.parse().expect("literal"),
        unit: RateUnit::Amperes,
        phases: Some(3),
        starts: "2026-03-01T08:00:00Z".parse().expect("literal"),
        duration_s: Some(600),
        stack_level: 1,
    }
}

fn write(name: &str, value: &str) -> Call {
    Call::WriteConfiguration { name: name.to_owned(), value: value.to_owned() }
}

/// Shapes of OCPP 1.6 §7.8 (ChargingProfile) and 2.0.1 part 2 (ChargingProfileType).
#[test]
fn a_load_point_is_a_profile_in_every_version() {
    let old = limit("21.40", 2, Some("42")).payload(Version::V16).expect("fits");
    let schedule = json!({ "startSchedule": "2026-03-01T08:00:00.000Z", "duration": 600, "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{ "startPeriod": 0, "limit": 21.4, "numberPhases": 3 }] });
    let profile = json!({ "chargingProfileId": 3, "transactionId": 42, "stackLevel": 1, "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Absolute", "chargingSchedule": schedule });
    assert_eq!(old, json!({ "connectorId": 2, "csChargingProfiles": profile }));
    let new = limit("16", 0, None).payload(Version::V201).expect("fits");
    assert_eq!(new["evseId"], 0);
    assert_eq!(new["chargingProfile"]["chargingProfilePurpose"], "ChargingStationMaxProfile");
    assert_eq!(new["chargingProfile"]["chargingSchedule"][0]["chargingSchedulePeriod"][0]["limit"], 16);
}

#[test]
fn the_same_wish_has_each_version_s_own_words() {
    let check = |call: &Call, expected: [Result<(&str, Value), &str>; 3]| {
        for (version, expected) in EVERY.into_iter().zip(expected) {
            let made = call.action(version).and_then(|action| Ok((action, call.payload(version)?)));
            assert_eq!(made.map_err(|error| error.to_string()), expected.map_err(str::to_owned), "{call:?}");
        }
    };
    let certificate = |word: &str| json!({ "requestedMessage": word });
    let new = || Ok(("TriggerMessage", certificate("SignChargingStationCertificate")));
    for word in ["SignChargePointCertificate", "SignChargingStationCertificate"] {
        let call = Call::Trigger { message: word.to_owned(), connector: None };
        let old = Ok(("ExtendedTriggerMessage", certificate("SignChargePointCertificate")));
        check(&call, [old, new(), new()]);
    }
    let status = Call::Trigger { message: "StatusNotification".to_owned(), connector: Some(2) };
    let evse = || {
        Ok((
            "TriggerMessage",
            json!({ "requestedMessage": "StatusNotification", "evse": { "id": 2, "connectorId": 1 } }),
        ))
    };
    check(
        &status,
        [
            Ok(("TriggerMessage", json!({ "requestedMessage": "StatusNotification", "connectorId": 2 }))),
            evse(),
            evse(),
        ],
    );
    let lacks = Err("GetPeriodicEventStream is not in OCPP 1.6");
    let later = Err("GetPeriodicEventStream is not in OCPP 2.0.1");
    check(&Call::GetEventStreams, [lacks, later, Ok(("GetPeriodicEventStream", json!({})))]);
    let stop = Call::StopCharge { transaction: "T-1".to_owned() };
    let named = || Ok(("RequestStopTransaction", json!({ "transactionId": "T-1" })));
    check(&stop, [Err("transaction is no whole number, as OCPP 1.6 wants it"), named(), named()]);
}

#[test]
fn what_would_break_a_schema_is_refused_by_its_field() {
    let refused = |call: &Call, version: Version, field: &str| match call.frame(version, "1") {
        Err(CallError::TooLong { field: found, .. } | CallError::Field { field: found, .. }) => {
            assert_eq!(found, field);
        }
        other => panic!("{call:?}: {other:?}"),
    };
    refused(&write(&"k".repeat(51), "v"), Version::V16, "name");
    refused(&write("k", &"v".repeat(501)), Version::V16, "value");
    refused(&write("A.B", &"v".repeat(1_001)), Version::V201, "value");
    refused(&write("A.B", &"v".repeat(2_501)), Version::V21, "value");
    refused(&write("A", "v"), Version::V21, "name");
    refused(&limit("6.25", 1, None), Version::V16, "limit");
    refused(&limit("-1", 1, None), Version::V201, "limit");
    refused(&limit("0.1234567890123456", 1, None), Version::V201, "limit");
    refused(&limit("6", 0, Some("1")), Version::V16, "connector");
    refused(&limit("6", 0, Some("1")), Version::V21, "connector");
    refused(&limit("6", u32::MAX, None), Version::V16, "connector");
    refused(&Call::UnlockConnector { connector: 0 }, Version::V201, "connector");
    refused(&Call::ReadConfiguration { names: Vec::new() }, Version::V21, "names");
    refused(&Call::ClearMonitoring { ids: Vec::new() }, Version::V21, "ids");
    refused(&Call::SetMonitoringLevel { severity: 10 }, Version::V21, "severity");
    refused(
        &Call::Trigger { message: "TransactionEvent".to_owned(), connector: None },
        Version::V16,
        "message",
    );
    let log =
        |url: &str| Call::GetLog { kind: LogKind::Security, request_id: 1, url: url.to_owned(), since: None };
    for url in ["", "here", "ftp://", "://x", "1ftp://x", "ftp://a b", "ftp://桩"] {
        refused(&log(url), Version::V16, "url");
    }
    refused(&log(&format!("ftp://{}", "x".repeat(507))), Version::V201, "url");
    assert!(log(&format!("ftp://{}", "x".repeat(507))).payload(Version::V21).is_ok(), "2.1 takes 2000");
    assert!(matches!(
        Call::ClearCache.frame(Version::V16, &"i".repeat(37)),
        Err(CallError::TooLong { field: "id", chars_max: 36 })
    ));
}

#[test]
fn a_call_reads_and_writes_as_tagged_json() {
    let text = r#"{"call":"change_availability","connector":0,"operative":false}"#;
    let call: Call = serde_json::from_str(text).expect("a call");
    assert_eq!(call, Call::ChangeAvailability { connector: 0, operative: false });
    assert_eq!(serde_json::to_string(&call).expect("plain"), text);
    let more = r#"{"call":"reset","hard":true,"soft":true}"#;
    assert!(serde_json::from_str::<Call>(more).is_err(), "an unknown member is an error");
}

fn entry(name: &str, value: Option<&str>, readonly: bool, known: bool) -> crate::ConfigurationEntry {
    crate::ConfigurationEntry { name: name.to_owned(), value: value.map(str::to_owned), readonly, known }
}

#[test]
fn configuration_is_heard_alike_in_every_version() {
    let read = Call::ReadConfiguration { names: vec!["A.B".to_owned()] };
    let old = r#"{"configurationKey":[{"key":"HeartbeatInterval","readonly":false,"value":"300"},{"key":"MeterType","readonly":"true"}],
        "unknownKey":["Nope"]}"#;
    let expected = vec![
        entry("HeartbeatInterval", Some("300"), false, true),
        entry("MeterType", None, true, true),
        entry("Nope", None, false, false),
    ];
    assert_eq!(hear_answer(Version::V16, &read, old), AnswerHeard::Configuration(expected));
    let new = r#"{"getVariableResult":[
        {"attributeStatus":"Accepted","attributeValue":"","component":{"name":"A"},"variable":{"name":"B"}},
        {"attributeStatus":"Rejected","attributeType":"Target","component":{"name":"A","evse":{"id":1}},"variable":{"name":"C"}},
        {"attributeStatus":"UnknownVariable","attributeValue":"x","component":{"name":"A"},"variable":{"name":"D","instance":"e.f"}}]}"#;
    let expected = vec![
        entry("A.B", Some(""), false, true),
        entry("EVSE:1/A.C#Target", None, false, true),
        entry("A.D[e%2Ef]", None, false, false),
    ];
    for version in [Version::V201, Version::V21] {
        assert_eq!(hear_answer(version, &read, new), AnswerHeard::Configuration(expected.clone()));
    }
}

#[test]
fn only_a_word_of_acceptance_accepts() {
    let unlock = Call::UnlockConnector { connector: 1 };
    let check = |call: &Call, version, payload: &str, expected: AnswerHeard| {
        assert_eq!(hear_answer(version, call, payload), expected, "{payload}");
    };
    let refused = |status: &str| AnswerHeard::Refused { status: status.to_owned() };
    check(&unlock, Version::V16, r#"{"status":"Unlocked"}"#, AnswerHeard::Accepted);
    check(&unlock, Version::V16, r#"{"status":"UnlockFailed"}"#, refused("UnlockFailed"));
    check(&unlock, Version::V16, r#"{"status":"accepted"}"#, refused("accepted"));
    let set = write("A.B", "1");
    let later = AnswerHeard::Later { status: "RebootRequired".to_owned() };
    check(&set, Version::V16, r#"{"status":"RebootRequired"}"#, later.clone());
    check(&set, Version::V21, r#"{"setVariableResult":[{"attributeStatus":"RebootRequired"}]}"#, later);
    check(
        &set,
        Version::V21,
        r#"{"setVariableResult":[{"attributeStatus":"UnknownVariable"}]}"#,
        refused("UnknownVariable"),
    );
    let start = Call::StartCharge { connector: None, token: "T".to_owned(), remote_start_id: 1 };
    check(
        &start,
        Version::V201,
        r#"{"status":"Accepted","transactionId":"x"}"#,
        AnswerHeard::Started { transaction: "x".to_owned() },
    );
}

#[test]
fn what_is_no_answer_says_so() {
    let status = Call::GetTransactionStatus { transaction: None };
    for payload in ["", "[]", "null", "{}", r#"{"status":7}"#.replace('7', "{}").as_str()] {
        for call in [&write("A.B", "1"), &status, &Call::ClearCache] {
            let heard = hear_answer(Version::V201, call, payload);
            assert!(
                matches!(heard, AnswerHeard::Unreadable { .. }) && !heard.is_good(),
                "{payload}: {heard:?}"
            );
        }
    }
}

#[test]
fn a_composite_schedule_keeps_its_decimals() {
    let ask = Call::GetCompositeSchedule { connector: 1, duration_s: 60, unit: None };
    let payload = r#"{"status":"Accepted","connectorId":1,"scheduleStart":"2026-03-01T08:00:00Z","chargingSchedule":
        {"chargingRateUnit":"W","chargingSchedulePeriod":[{"startPeriod":0,"limit":10999.9},{"startPeriod":30,"limit":0,"numberPhases":1}]}}"#;
    let period = |start_s, limit: &str, phases| Period { start_s, limit: limit.parse().ok(), phases };
    let expected = Schedule {
        starts: "2026-03-01T08:00:00Z".parse().ok(),
        unit: Some(RateUnit::Watts),
        periods: vec![period(0, "10999.9", None), period(30, "0", Some(1))],
    };
    assert_eq!(hear_answer(Version::V16, &ask, payload), AnswerHeard::Schedule(expected));
}

proptest::proptest! {
    #[test]
    fn no_answer_makes_us_panic(payload in "\\PC*", name in "\\PC*") {
        for version in EVERY {
            for call in [write(&name, &payload), Call::GetEventStreams, limit("1", 1, None)] {
                hear_answer(version, &call, &payload);
                let _ = call.frame(version, &name);
            }
        }
    }
}

#[test]
fn a_new_key_is_blotted_out_of_every_log_however_it_is_spelled() {
    for version in [Version::V16, Version::V201, Version::V21] {
        let call = Call::new_key(version, "secret-of-the-pile".to_owned());
        assert!(
            call.is_secret()
                && call.frame(version, "1").is_ok_and(|text| text.contains("secret-of-the-pile"))
        );
        let noted = call.blotted().frame(version, "1").expect("still a call");
        assert!(!noted.contains("secret-of-the-pile") && noted.contains("***"), "{noted}");
    }
    let write = |name: &str| Call::WriteConfiguration { name: name.to_owned(), value: "x".to_owned() };
    assert!(
        write("authorizationkey").is_secret() && write("SecurityCtrlr.BasicAuthPassword#Actual").is_secret()
    );
    assert!(!write("HeartbeatInterval").is_secret());
    assert_eq!(write("HeartbeatInterval").blotted(), write("HeartbeatInterval"));
}
