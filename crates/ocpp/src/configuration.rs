//! Configuration entries and how their names are spelled, whatever the version.
//!
//! Called by [`crate::call`] in both directions, and by whoever hears a `NotifyReport`.
//!
//! # Spelling of a name
//!
//! In 1.6 a name is the configuration key, as it is. In 2.x it is
//!
//! ```text
//! [EVSE:<evse>[:<connector>]/]Component[[instance]].Variable[[instance]][#Attribute]
//! ```
//!
//! with the outer brackets meaning "may be absent" and those around `instance` written out: `ClockCtrlr.DateTime`,
//! `SampledDataCtrlr.TxUpdatedMeasurands`, `EVSE:1/FiscalMetering.PublicKey`, `EVSE:1:2/Connector.Available`,
//! `DisplayMessage[main].NumberDisplayMessages`, `LocalAuthListCtrlr.Entries#MaxSet`. The attribute is `Actual` unless it is
//! named. Inside a part, each of `% [ ] / . #` is written as `%` and two hex digits; a variable's name may hold a bare `.`.

use serde_json::{Map, Value, json};

use crate::hear::MeterIdentity;
use crate::json;

/// Longest name of a component, variable or instance.
pub(crate) const PART_CHARS_MAX: usize = 50;

/// The attributes of a variable.
const ATTRIBUTES: [&str; 4] = ["Actual", "Target", "MinSet", "MaxSet"];

/// Characters that separate the parts of a name.
const SEPARATORS: [char; 6] = ['%', '[', ']', '/', '.', '#'];

/// A configuration entry: a key of 1.6, or an attribute of a variable of 2.x.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigurationEntry {
    /// Its name, spelled as in [`crate::configuration`].
    pub name: String,
    /// Its value, as sent; none where the charger does not know the entry or does not let it be read.
    pub value: Option<String>,
    /// Whether the charger says that it cannot be written. The answer to `GetVariables` does not say: false.
    pub readonly: bool,
    /// Whether the charger knows the entry.
    pub known: bool,
}

/// The entries in a `NotifyReport`: one for each attribute. What has no component or no variable is left out.
pub fn report_entries(payload: &str) -> Vec<ConfigurationEntry> {
    entries_of(&serde_json::from_str(payload).unwrap_or(Value::Null))
}

pub(crate) fn entries_of(report: &Value) -> Vec<ConfigurationEntry> {
    json::list(report, "reportData").iter().flat_map(attributes).collect()
}

/// Where a charger of 2.x names its meter (OCPP 2.0.1 part 2 appendices: component FiscalMetering, variables of every component).
pub(crate) const METER: [&str; 2] = ["FiscalMetering.Model", "FiscalMetering.SerialNumber"];

/// The meter that entries of 2.x name. None where they name none, or several: whose is whose, nobody could say.
pub fn meter_in(entries: &[ConfigurationEntry]) -> Option<MeterIdentity> {
    let [model, serial] = METER.map(|name| {
        let named = |entry: &&ConfigurationEntry| {
            let bare = entry.name.rsplit_once('/').map_or(entry.name.as_str(), |(_, name)| name);
            bare.eq_ignore_ascii_case(name)
        };
        let values = entries.iter().filter(named).filter_map(|entry| entry.value.as_deref());
        let mut values: Vec<&str> = values.map(str::trim).filter(|value| !value.is_empty()).collect();
        values.sort_unstable();
        values.dedup();
        values
    });
    let sole = |values: Vec<&str>| (values.len() == 1).then(|| values[0].to_owned());
    let meter = MeterIdentity { model: sole(model), serial: sole(serial) };
    (meter != MeterIdentity::default()).then_some(meter)
}

fn attributes(data: &Value) -> Vec<ConfigurationEntry> {
    let Some(name) = VariableName::of(data) else { return Vec::new() };
    json::list(data, "variableAttribute").iter().map(|attribute| reported(&name, attribute)).collect()
}

fn reported(name: &VariableName, attribute: &Value) -> ConfigurationEntry {
    let is_constant = attribute.get("constant") == Some(&Value::Bool(true));
    ConfigurationEntry {
        name: name.with_attribute(json::text(attribute, "type")).spelled(),
        value: verbatim(attribute, "value"),
        readonly: is_constant || json::text(attribute, "mutability").as_deref() == Some("ReadOnly"),
        known: true,
    }
}

/// A member's text; an empty one is a value too.
pub(crate) fn verbatim(object: &Value, key: &str) -> Option<String> {
    json::scalar(object.get(key)?).map(|(text, _)| text)
}

/// A name of 2.x in its parts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct VariableName {
    evse: Option<(u32, Option<u32>)>,
    component: Part,
    /// None: all variables of the component.
    variable: Option<Part>,
    attribute: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Part {
    name: String,
    instance: Option<String>,
}

impl VariableName {
    /// Reads a name that must have a variable; or says what is wrong with it.
    pub fn parse(name: &str) -> Result<Self, &'static str> {
        let parsed = Self::parse_component(name)?;
        parsed.variable.is_some().then_some(parsed).ok_or("names no variable (Component.Variable)")
    }

    /// Reads a name that may stand for a whole component.
    pub fn parse_component(name: &str) -> Result<Self, &'static str> {
        let (evse, rest) = match name.strip_prefix("EVSE:").and_then(|rest| rest.split_once('/')) {
            Some((evse, rest)) => (Some(evse_of(evse)?), rest),
            None => (None, name),
        };
        let (rest, attribute) = match rest.split_once('#') {
            Some((rest, attribute)) if ATTRIBUTES.contains(&attribute) => (rest, Some(attribute.to_owned())),
            Some(_) => return Err("names no attribute of OCPP (Actual, Target, MinSet, MaxSet)"),
            None => (rest, None),
        };
        let (component, variable) = match end_of_component(rest) {
            Some(at) => (&rest[..at], Some(&rest[at + 1..])),
            None => (rest, None),
        };
        let variable = variable.map(Part::parse).transpose()?;
        Ok(Self { evse, component: Part::parse(component)?, variable, attribute })
    }

    /// The name in an object with the members `component` and `variable` (and `attributeType`).
    pub fn of(object: &Value) -> Option<Self> {
        let component = object.get("component")?;
        let evse = component.get("evse").and_then(|evse| {
            json::number_u32(evse, "id").map(|id| (id, json::number_u32(evse, "connectorId")))
        });
        let name = Self {
            evse,
            component: Part::of(component)?,
            variable: Some(Part::of(object.get("variable")?)?),
            attribute: None,
        };
        Some(name.with_attribute(json::text(object, "attributeType")))
    }

    fn with_attribute(&self, attribute: Option<String>) -> Self {
        Self { attribute: attribute.filter(|attribute| attribute != "Actual"), ..self.clone() }
    }

    /// As [`crate::configuration`] spells it.
    pub fn spelled(&self) -> String {
        let evse = match self.evse {
            Some((evse, Some(connector))) => format!("EVSE:{evse}:{connector}/"),
            Some((evse, None)) => format!("EVSE:{evse}/"),
            None => String::new(),
        };
        let variable = self.variable.as_ref().map(|part| format!(".{}", part.spelled())).unwrap_or_default();
        let attribute = self.attribute.as_ref().map(|word| format!("#{word}")).unwrap_or_default();
        format!("{evse}{}{variable}{attribute}", self.component.spelled())
    }

    /// As members of a payload: `component`, `variable` and `attributeType`, each where there is one.
    pub fn members(&self) -> Map<String, Value> {
        let mut component = self.component.object();
        if let Some((evse, connector)) = self.evse {
            component["evse"] = match connector {
                Some(connector) => json!({ "id": evse, "connectorId": connector }),
                None => json!({ "id": evse }),
            };
        }
        let mut members = Map::from_iter([("component".to_owned(), component)]);
        members.extend(self.variable.as_ref().map(|part| ("variable".to_owned(), part.object())));
        members.extend(self.attribute.as_ref().map(|word| ("attributeType".to_owned(), json!(word))));
        members
    }

    /// Whether it names an attribute other than the actual value.
    pub fn has_attribute(&self) -> bool {
        self.attribute.is_some()
    }
}

/// Where the full stop after the component stands: the first one outside brackets.
fn end_of_component(text: &str) -> Option<usize> {
    let mut inside = false;
    text.char_indices().find_map(|(at, character)| {
        inside = (inside || character == '[') && character != ']';
        (character == '.' && !inside).then_some(at)
    })
}

fn evse_of(text: &str) -> Result<(u32, Option<u32>), &'static str> {
    let number = |text: &str| {
        let number = text.parse().ok().filter(|number| *number <= crate::call::NUMBER_MAX);
        number.ok_or("has no number after EVSE:")
    };
    match text.split_once(':') {
        Some((evse, connector)) => Ok((number(evse)?, Some(number(connector)?))),
        None => Ok((number(text)?, None)),
    }
}

impl Part {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let (name, instance) = match text.split_once('[') {
            Some((name, rest)) => {
                (name, Some(rest.strip_suffix(']').ok_or("opens a bracket that it never closes")?))
            }
            None => (text, None),
        };
        Ok(Self { name: part(name)?, instance: instance.map(part).transpose()? })
    }

    fn of(object: &Value) -> Option<Self> {
        Some(Self { name: verbatim(object, "name")?, instance: verbatim(object, "instance") })
    }

    fn spelled(&self) -> String {
        let instance = self.instance.as_ref().map(|text| format!("[{}]", escaped(text))).unwrap_or_default();
        escaped(&self.name) + &instance
    }

    fn object(&self) -> Value {
        match &self.instance {
            Some(instance) => json!({ "name": self.name, "instance": instance }),
            None => json!({ "name": self.name }),
        }
    }
}

fn part(text: &str) -> Result<String, &'static str> {
    let text = unescaped(text)?;
    match text.chars().count() {
        0 => Err("has an empty part"),
        1..=PART_CHARS_MAX => Ok(text),
        _ => Err("has a part of more than 50 characters"),
    }
}

fn escaped(text: &str) -> String {
    let one = |c: char| {
        if SEPARATORS.contains(&c) { format!("%{:02X}", u32::from(c)) } else { c.to_string() }
    };
    text.chars().map(one).collect()
}

fn unescaped(text: &str) -> Result<String, &'static str> {
    let mut pieces = text.split('%');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let code = piece.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(u8::is_ascii);
        plain.push(char::from(code.ok_or("has a % without two hex digits after it")?));
        plain.push_str(&piece[2..]);
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_shape_are_read_and_spelled_the_same() {
        let check = |name: &str, expected: Value| {
            let parsed = VariableName::parse_component(name).expect(name);
            assert_eq!(Value::Object(parsed.members()), expected, "{name}");
            assert_eq!(parsed.spelled(), name);
        };
        let plain = json!({ "component": { "name": "ClockCtrlr" }, "variable": { "name": "DateTime" } });
        check("ClockCtrlr.DateTime", plain);
        check(
            "EVSE:1:2/Connector[left].Available[now]",
            json!({ "component": { "name": "Connector", "instance": "left", "evse": { "id": 1, "connectorId": 2 } },
                "variable": { "name": "Available", "instance": "now" } }),
        );
        check(
            "EVSE:1/A%2EB[c%5Dd].E%23#MaxSet",
            json!({ "component": { "name": "A.B", "instance": "c]d", "evse": { "id": 1 } },
                "variable": { "name": "E#" }, "attributeType": "MaxSet" }),
        );
        check("FiscalMetering", json!({ "component": { "name": "FiscalMetering" } }));
    }

    #[test]
    fn what_is_no_name_says_why() {
        for name in [
            "",
            ".",
            "A",
            "A.",
            ".B",
            "A[x.B",
            "A[].B",
            "EVSE:x/A.B",
            "EVSE:9999999999/A.B",
            "A.B#Other",
            "A%2.B",
            "A%é.B",
        ] {
            assert!(VariableName::parse(name).is_err(), "{name}");
        }
        let long = "x".repeat(51);
        assert!(VariableName::parse(&format!("A.{long}")).is_err());
        assert!(VariableName::parse(&format!("A.{}", &long[1..])).is_ok());
    }

    /// The shape of a report is that of OCPP 2.0.1's NotifyReport; the variable is that of the signed meter values whitepaper.
    #[test]
    fn a_report_gives_an_entry_for_each_attribute() {
        let report = json!({ "requestId": 1, "seqNo": 0, "generatedAt": "2026-03-01T08:00:00Z", "reportData": [
            { "component": { "name": "FiscalMetering", "evse": { "id": 1 } }, "variable": { "name": "PublicKey" },
              "variableAttribute": [{ "value": "3059", "mutability": "ReadOnly" }, { "type": "Target", "mutability": "WriteOnly" }] },
            { "component": { "name": "" }, "variable": {} }] });
        let entry = |name: &str, value: Option<&str>, readonly| ConfigurationEntry {
            name: name.to_owned(),
            value: value.map(str::to_owned),
            readonly,
            known: true,
        };
        let expected = [
            entry("EVSE:1/FiscalMetering.PublicKey", Some("3059"), true),
            entry("EVSE:1/FiscalMetering.PublicKey#Target", None, false),
        ];
        assert_eq!(report_entries(&report.to_string()), expected);
        assert_eq!(report_entries("nonsense"), []);
    }

    /// Component and variables by the names of OCPP 2.0.1's appendices.
    #[test]
    fn the_meter_is_found_in_a_report_unless_there_are_several() {
        let named = |name: &str, value: &str| ConfigurationEntry {
            name: name.to_owned(),
            value: Some(value.to_owned()),
            readonly: true,
            known: true,
        };
        let (of_1, of_2) = ("EVSE:1/FiscalMetering.SerialNumber", "EVSE:2/FiscalMetering.SerialNumber");
        let entries = [
            named("Controller.SerialNumber", "C-1"),
            named("FiscalMetering.Model", "EM340"),
            named(of_1, " M-7 "),
            named(of_2, "M-7"),
        ];
        let meter = MeterIdentity { model: Some("EM340".to_owned()), serial: Some("M-7".to_owned()) };
        assert_eq!(meter_in(&entries), Some(meter));
        assert_eq!(meter_in(&[named(of_1, "M-7"), named(of_2, "M-8")]), None);
        assert_eq!(meter_in(&entries[..1]), None);
    }

    proptest::proptest! {
        #[test]
        fn any_name_of_a_charger_can_be_asked_for_again(
            component in "\\PC{1,50}", instance in proptest::option::of("\\PC{1,50}"), variable in "\\PC{1,50}", evse in proptest::option::of(0..9u32),
        ) {
            let mut data = json!({ "component": { "name": component }, "variable": { "name": variable } });
            if let Some(instance) = instance {
                data["component"]["instance"] = json!(instance);
                data["variable"]["instance"] = json!(instance);
            }
            if let Some(evse) = evse {
                data["component"]["evse"] = json!({ "id": evse });
            }
            let name = VariableName::of(&data).expect("complete").spelled();
            let again = VariableName::parse(&name).map(|name| Value::Object(name.members()));
            proptest::prop_assert_eq!(again, Ok(data));
        }

        #[test]
        fn no_name_makes_it_panic(name in "\\PC*") {
            let _ = VariableName::parse(&name);
        }
    }
}
