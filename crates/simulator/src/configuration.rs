//! The configuration of a simulated charger, and what it answers to the central system's calls.
//!
//! Used by [`crate::link`]. Like real ones it refuses a whole list of measurands for one that it does not know.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Measurands that a simulated charger knows.
const MEASURANDS: [&str; 4] = ["Energy.Active.Import.Register", "Power.Active.Import", "Voltage", "SoC"];

/// Keys of 1.6, variables of 2.x (component and name with a dot between), each with its value after delivery.
const DELIVERED: [(&str, &str); 14] = [
    ("MeterValuesSampledData", "Energy.Active.Import.Register"),
    ("MeterValueSampleInterval", "300"),
    ("StopTxnSampledData", "Energy.Active.Import.Register"),
    ("ClockAlignedDataInterval", "0"),
    ("MeterValuesAlignedData", ""),
    ("HeartbeatInterval", "300"),
    ("NumberOfConnectors", "2"),
    ("SampledDataCtrlr.TxUpdatedMeasurands", "Energy.Active.Import.Register"),
    ("SampledDataCtrlr.TxUpdatedInterval", "300"),
    ("SampledDataCtrlr.TxStartedMeasurands", "Energy.Active.Import.Register"),
    ("SampledDataCtrlr.TxEndedMeasurands", "Energy.Active.Import.Register"),
    ("SampledDataCtrlr.SignReadings", "false"),
    ("AlignedDataCtrlr.Interval", "0"),
    ("OCPPCommCtrlr.HeartbeatInterval", "300"),
];

/// The configuration of one charger.
pub(crate) struct Configuration(BTreeMap<String, String>);

impl Default for Configuration {
    fn default() -> Self {
        Self(DELIVERED.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }
}

impl Configuration {
    /// The answer to a call, as a frame.
    pub(crate) fn reply(&mut self, id: &str, action: &str, payload: &Value) -> String {
        let payload = match action {
            "GetConfiguration" => self.keys(payload),
            "ChangeConfiguration" => {
                json!({ "status": self.set(text(payload, "key"), text(payload, "value"), "NotSupported") })
            }
            "GetVariables" => self.variables(payload),
            "SetVariables" => self.set_variables(payload),
            "Reset"
            | "ChangeAvailability"
            | "RemoteStartTransaction"
            | "RemoteStopTransaction"
            | "RequestStartTransaction"
            | "RequestStopTransaction"
            | "TriggerMessage" => {
                json!({ "status": "Rejected" })
            }
            _ => return json!([4, id, "NotImplemented", "not simulated", {}]).to_string(),
        };
        json!([3, id, payload]).to_string()
    }

    /// Makes a value known before anybody asks.
    pub(crate) fn preset(&mut self, key: &str, value: &str) {
        self.0.insert(key.to_owned(), value.to_owned());
    }

    /// Sets a value; the word for how that went.
    fn set(&mut self, key: &str, value: &str, unknown: &'static str) -> &'static str {
        let Some(known) = self.0.get_mut(key) else { return unknown };
        let is_list = key.ends_with("Measurands") || key.ends_with("Data");
        if is_list && value.split(',').any(|word| !word.is_empty() && !MEASURANDS.contains(&word.trim())) {
            return "Rejected";
        }
        value.clone_into(known);
        "Accepted"
    }

    fn keys(&self, payload: &Value) -> Value {
        let plain = self.0.iter().filter(|(key, _)| !key.contains('.'));
        let entry = |key: &str, value: &str| json!({ "key": key, "readonly": key == "NumberOfConnectors", "value": value });
        match payload["key"].as_array().filter(|asked| !asked.is_empty()) {
            None => {
                json!({ "configurationKey": plain.map(|(key, value)| entry(key, value)).collect::<Vec<_>>() })
            }
            Some(asked) => {
                let asked = asked.iter().filter_map(Value::as_str);
                let (known, unknown): (Vec<_>, Vec<_>) = asked.partition(|key| self.0.contains_key(*key));
                let known: Vec<_> = known.into_iter().map(|key| entry(key, &self.0[key])).collect();
                json!({ "configurationKey": known, "unknownKey": unknown })
            }
        }
    }

    fn variables(&self, payload: &Value) -> Value {
        let read = |asked: &Value| {
            let mut result = json!({ "component": asked["component"], "variable": asked["variable"] });
            match self.0.get(&name(asked)) {
                Some(value) => {
                    result["attributeStatus"] = "Accepted".into();
                    result["attributeValue"] = value.as_str().into();
                }
                None => result["attributeStatus"] = "UnknownVariable".into(),
            }
            result
        };
        let asked = payload["getVariableData"].as_array();
        json!({ "getVariableResult": asked.into_iter().flatten().map(read).collect::<Vec<_>>() })
    }

    fn set_variables(&mut self, payload: &Value) -> Value {
        let asked = payload["setVariableData"].as_array().cloned().unwrap_or_default();
        let set = |asked: &Value| {
            let status = self.set(&name(asked), text(asked, "attributeValue"), "UnknownVariable");
            json!({ "attributeStatus": status, "component": asked["component"], "variable": asked["variable"] })
        };
        json!({ "setVariableResult": asked.iter().map(set).collect::<Vec<_>>() })
    }
}

fn name(asked: &Value) -> String {
    format!("{}.{}", text(&asked["component"], "name"), text(&asked["variable"], "name"))
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_read_back_and_one_unknown_measurand_spoils_the_list() {
        let mut configuration = Configuration::default();
        let mut answer = |action: &str, payload: Value| {
            let frame: Value =
                serde_json::from_str(&configuration.reply("1", action, &payload)).expect("JSON");
            frame[2].clone()
        };
        let change = |value: &str| json!({ "key": "MeterValuesSampledData", "value": value });
        assert_eq!(answer("ChangeConfiguration", change("Voltage,Nonsense"))["status"], "Rejected");
        assert_eq!(answer("ChangeConfiguration", change("Voltage,SoC"))["status"], "Accepted");
        let read = answer("GetConfiguration", json!({ "key": ["MeterValuesSampledData", "Other"] }));
        assert_eq!(
            (&read["configurationKey"][0]["value"], &read["unknownKey"][0]),
            (&json!("Voltage,SoC"), &json!("Other"))
        );
        let variable = json!({ "component": { "name": "SampledDataCtrlr" }, "variable": { "name": "TxUpdatedInterval" } });
        let read = answer("GetVariables", json!({ "getVariableData": [variable] }));
        assert_eq!(read["getVariableResult"][0]["attributeValue"], "300");
    }
}
