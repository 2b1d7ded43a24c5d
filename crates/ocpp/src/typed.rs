//! A call's payload against `ocpp_rs`'s types, with what those get wrong put right on the way in and out.
//!
//! Called by `v16` and `v2` for every message that is not read tolerantly, and by the conformance test, which measured over
//! 12,700 schema-valid payloads which of the types are unfaithful (crate version 0.4.2):
//!
//! - 2.1 names of members with capitals or an underscore inside (`limit_L2`, `priceScheduleID`, `fixedPF` …) are misspelled;
//! - 2.0.1's `NotifyMonitoringReport` lacks a member that 2.1 requires;
//! - 1.6's `LogStatusNotification` may leave its request id out.
//!
//! Whatever comes of it, the raw frame is kept.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::Version;

/// Official names and what `ocpp_rs` makes of them, for names that end in neither `_L2` nor `_L3`.
const MISSPELLED: [(&str, &str); 11] = [
    ("evDurationLevel1DCInjection", "evDurationLevel1DcInjection"),
    ("evDurationLevel2DCInjection", "evDurationLevel2DcInjection"),
    ("evMaximumLevel1DCInjection", "evMaximumLevel1DcInjection"),
    ("evMaximumLevel2DCInjection", "evMaximumLevel2DcInjection"),
    ("evSupportedDERControl", "evSupportedDerControl"),
    ("fixedPF", "fixedPf"),
    ("fixedPFAbsorb", "fixedPfAbsorb"),
    ("fixedPFInject", "fixedPfInject"),
    ("prioritizedEMAIDs", "prioritizedEmaiDs"),
    ("priceScheduleID", "priceScheduleId"),
    ("taxRuleID", "taxRuleId"),
];

/// Ends of names, likewise.
const MISSPELLED_ENDS: [(&str, &str); 2] = [("_L2", "L2"), ("_L3", "L3")];

/// Members whose content stays as it is: a vendor's own, and a schedule whose `priceScheduleId` is official.
const AS_IT_IS: [&str; 2] = ["customData", "priceLevelSchedule"];

/// 1.6's `LogStatusNotification`, whose request id is absent when nothing was asked for.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LogStatus {
    status: ocpp_rs::v16::enums::UploadLogStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<i32>,
}

/// Decodes a call's payload into its type and encodes it again; or says why it has not the shape of its schema.
pub fn round_trip(version: Version, action: &str, payload: &Value) -> Result<Value, String> {
    // Types read an array as their members in order; OCPP does not.
    if !payload.is_object() {
        return Err("no JSON object".to_owned());
    }
    if (version, action) == (Version::V16, "LogStatusNotification") {
        let status: LogStatus = serde_json::from_value(payload.clone()).map_err(|error| error.to_string())?;
        return serde_json::to_value(status).map_err(|error| error.to_string());
    }
    if version == Version::V16 {
        return through::<ocpp_rs::v16::call::Call>(2, action, payload.clone());
    }
    let lacks_origin = (version, action) == (Version::V201, "NotifyMonitoringReport");
    let mut payload = respelled(payload.clone());
    if lacks_origin {
        each_monitor(&mut payload, |monitor| {
            monitor.entry("eventNotificationType").or_insert_with(|| json!("CustomMonitor"));
        });
    }
    let mut again = if action == "NotifyPeriodicEventStream" {
        through::<ocpp_rs::v21::send::Send>(6, action, payload)?
    } else {
        through::<ocpp_rs::v21::call::Call>(2, action, payload)?
    };
    if lacks_origin {
        each_monitor(&mut again, |monitor| {
            monitor.remove("eventNotificationType");
        });
    }
    Ok(respelled(again))
}

/// Through a type of `ocpp_rs`, which knows whole frames only.
fn through<T: serde::de::DeserializeOwned + Serialize>(
    kind: u8,
    action: &str,
    payload: Value,
) -> Result<Value, String> {
    let frame = Value::Array(vec![json!(kind), json!("1"), json!(action), payload]);
    let typed: T = serde_json::from_value(frame).map_err(|error| error.to_string())?;
    let mut frame = serde_json::to_value(typed).map_err(|error| error.to_string())?;
    Ok(frame.get_mut(3).map(Value::take).unwrap_or_default())
}

fn each_monitor(payload: &mut Value, change: impl Fn(&mut Map<String, Value>)) {
    let monitored = payload.get_mut("monitor").and_then(Value::as_array_mut).into_iter().flatten();
    let monitors =
        monitored.filter_map(|of| of.get_mut("variableMonitoring").and_then(Value::as_array_mut)).flatten();
    monitors.filter_map(Value::as_object_mut).for_each(change);
}

/// Official and misspelled names exchanged, everywhere but in a vendor's own content: twice is nothing, and a charger that
/// misspells as the types do is found out.
fn respelled(value: Value) -> Value {
    match value {
        Value::Array(elements) => elements.into_iter().map(respelled).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| {
                let value = if AS_IT_IS.contains(&name.as_str()) { value } else { respelled(value) };
                (exchanged(&name), value)
            })
            .collect(),
        scalar => scalar,
    }
}

fn exchanged(name: &str) -> String {
    for (official, misspelled) in MISSPELLED {
        if name == official {
            return misspelled.to_owned();
        }
        if name == misspelled {
            return official.to_owned();
        }
    }
    for (official, misspelled) in MISSPELLED_ENDS {
        if let Some(stem) = name.strip_suffix(official) {
            return format!("{stem}{misspelled}");
        }
        if let Some(stem) = name.strip_suffix(misspelled) {
            return format!("{stem}{official}");
        }
    }
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_types_get_wrong_is_put_right() {
        let good = |version, action, payload: Value| {
            assert_eq!(round_trip(version, action, &payload), Ok(payload.clone()), "{action}");
        };
        good(Version::V16, "LogStatusNotification", json!({ "status": "Idle" }));
        good(
            Version::V201,
            "NotifyMonitoringReport",
            json!({ "requestId": 1, "seqNo": 0, "generatedAt": "2026-03-01T08:00:00.000Z", "monitor": [{
                "component": { "name": "A" }, "variable": { "name": "B" }, "variableMonitoring": [
                    { "id": 1, "transaction": false, "value": 2.5, "type": "Delta", "severity": 3 }] }] }),
        );
        let swap = json!({ "contractId": "x", "customData": { "vendorId": "v", "powerL2": 1 } });
        assert_eq!(respelled(swap.clone()), swap, "a vendor's own names stay");
    }

    #[test]
    fn a_shape_that_no_schema_has_is_found() {
        let bad = |version, action, payload: Value| {
            assert!(round_trip(version, action, &payload).is_err(), "{action} {payload}");
        };
        bad(Version::V16, "LogStatusNotification", json!({ "state": "Idle" }));
        bad(Version::V16, "Authorize", json!({}));
        bad(Version::V21, "NotifyEvent", json!({ "seqNo": 1 }));
        bad(Version::V21, "NotSuch", json!({}));
        bad(Version::V21, "Heartbeat", json!([]));
    }
}
