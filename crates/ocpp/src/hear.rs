//! What a charger's call means, whatever its version.
//!
//! Called by `gateway::socket`. Never fails: a payload that cannot be understood is heard as [`Meaning::Other`] with marks.

use rust_decimal::Decimal;
use serde_json::Value;
use veripile_pile::charge::{ChargeReference, Circumstances, Stage};
use veripile_pile::{ChargeEvent, DeviceTime, Mark, Reading, ReadingContext, ReceiveTime, RegisterSample};

use crate::card::IdentityKey;
use crate::{Version, typed, v2, v16};

/// A call, understood.
#[derive(Debug, Clone)]
pub struct Heard {
    /// When it speaks of, by the charger's clock.
    pub time: Option<DeviceTime>,
    /// Its readings.
    pub readings: Vec<Reading>,
    /// What is wrong with the message itself.
    pub marks: Vec<Mark>,
    /// What it says.
    pub meaning: Meaning,
    /// Transaction id under which the connector of the readings is known, where the message does not name one itself.
    pub connector_of: Option<String>,
    /// Transaction id that samples outside a transaction's own messages name (1.6 MeterValues), whatever it is.
    pub transaction: Option<String>,
}

/// What a call says.
#[derive(Debug, Clone)]
pub enum Meaning {
    /// Who the charger is.
    Boot(BootIdentity),
    /// Which meter the charger has (2.x: in a report of its device model).
    Meter(MeterIdentity),
    /// The status of connectors; where one is told twice, the last counts.
    Status(Vec<PlugStatus>),
    /// Something about a charge.
    Charge(ChargeEvent),
    /// Readings only.
    Samples,
    /// Anything else that a charger may call.
    Other,
    /// A call that only a central system makes.
    NotForUs,
    /// No action of this version.
    Unknown,
}

/// What a connector says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlugStatus {
    /// Connector (EVSE in 2.x); 0 is the whole pile.
    pub connector: u32,
    /// Which plug of the EVSE (2.x); 0 where there is but one.
    pub plug: u32,
    /// OCPP's word, as sent.
    pub word: String,
}

/// A meter, as the charger names it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MeterIdentity {
    /// Its type.
    pub model: Option<String>,
    /// Its serial number.
    pub serial: Option<String>,
}

/// Identity in a boot message, as sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BootIdentity {
    /// Vendor.
    pub vendor: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// Firmware version.
    pub firmware: Option<String>,
    /// Type of meter (1.6).
    pub meter_type: Option<String>,
    /// Serial number of the meter (1.6).
    pub meter_serial: Option<String>,
}

/// Hears one call.
///
/// `message_id` serves to tell apart starts that carry no time; `payload` is the payload's text.
pub fn hear(
    version: Version,
    action: &str,
    message_id: &str,
    payload: &str,
    received: ReceiveTime,
    key: &IdentityKey,
) -> Heard {
    let value: Value = serde_json::from_str(payload).unwrap_or(Value::Null);
    let listener = Listener { value: &value, received, key, message_id };
    let mut heard = match version {
        Version::V16 => v16::hear(action, &listener),
        Version::V201 | Version::V21 => v2::hear(version, action, &listener),
    };
    if !value.is_object() && !heard.marks.contains(&Mark::BadShape) {
        heard.marks.push(Mark::BadShape);
    }
    heard
}

/// What the listeners of both versions need.
pub(crate) struct Listener<'a> {
    pub value: &'a Value,
    pub received: ReceiveTime,
    pub key: &'a IdentityKey,
    pub message_id: &'a str,
}

impl Listener<'_> {
    /// Understands no more than that the payload has the shape of its type; a mismatch is a mark.
    pub fn typed(&self, version: Version, action: &str) -> Heard {
        let mut heard = Heard::plain(Meaning::Other);
        if typed::round_trip(version, action, self.value).is_err() {
            heard.marks.push(Mark::BadShape);
        }
        heard
    }
}

impl Heard {
    /// Nothing understood: for a frame that is no call.
    pub fn empty() -> Self {
        Self::plain(Meaning::Other)
    }

    /// Whether it bears on metering, so that a repeat of it must change nothing.
    pub fn is_metering(&self) -> bool {
        matches!(self.meaning, Meaning::Charge(_) | Meaning::Samples)
    }

    pub(crate) fn plain(meaning: Meaning) -> Self {
        Self {
            time: None,
            readings: Vec::new(),
            marks: Vec::new(),
            meaning,
            connector_of: None,
            transaction: None,
        }
    }

    /// Whether a sample says that it was taken at the beginning or the end of a charge.
    pub fn is_at_an_end(&self) -> bool {
        let at_an_end =
            |context| matches!(context, &ReadingContext::TransactionBegin | &ReadingContext::TransactionEnd);
        self.readings.iter().any(|reading| at_an_end(&reading.context))
    }

    /// The transaction id that a message of 1.6 names, or that of an event of 2.x.
    pub fn named(&self) -> Option<&str> {
        match &self.meaning {
            Meaning::Charge(event) => match &event.reference {
                ChargeReference::Issued(id) | ChargeReference::Named(id) => Some(id),
                ChargeReference::Start(_) => None,
            },
            _ => self.transaction.as_deref(),
        }
    }

    /// Whether it names no transaction of 1.6, or one that cannot be: chargers that know none send 0, -1 or the greatest
    /// number they have (citrineos-core#1025, EVerest/libocpp#495, lbbrhzn/ocpp#46).
    pub fn is_nameless(&self) -> bool {
        let possible = |id: &str| id.trim().parse::<i32>().is_ok_and(|id| 0 < id && id < i32::MAX);
        match &self.meaning {
            Meaning::Charge(event) => {
                matches!(&event.reference, ChargeReference::Issued(id) if !possible(id))
            }
            _ => !self.transaction.as_deref().is_some_and(possible),
        }
    }

    /// Makes samples part of a charge that has begun already. `placed`: connector and time alone told which.
    pub fn belong_to(&mut self, transaction: &str, received: ReceiveTime, placed: bool) {
        let event = ChargeEvent {
            reference: ChargeReference::Issued(transaction.to_owned()),
            stage: Stage::Progress,
            at: self.time.map_or(received.0, |at| at.0),
            connector: None,
            vehicle: None,
            register_wh: None,
            registers: registers(&self.readings),
            reason: None,
            circumstances: Circumstances { placed, ..Circumstances::default() },
        };
        self.meaning = Meaning::Charge(event);
    }

    /// Puts the readings on a connector that the message did not name.
    pub fn put_on(&mut self, connector: u32) {
        for reading in &mut self.readings {
            reading.connector = connector;
        }
        self.connector_of = None;
    }
}

/// The energy registers among readings.
pub(crate) fn registers(readings: &[Reading]) -> Vec<RegisterSample> {
    RegisterSample::all(readings)
}

/// A whole or decimal Wh register, also if sent as text.
pub(crate) fn register_wh(value: &Value, name: &str) -> Option<Decimal> {
    crate::json::text(value, name).and_then(|text| crate::normalise::decimal(&text))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use veripile_pile::charge::{ChargeReference, Side, Stage};
    use veripile_pile::{Location, Phase};

    use super::*;
    use crate::Frame;

    fn key() -> IdentityKey {
        IdentityKey::new([9; 32])
    }

    fn received() -> ReceiveTime {
        ReceiveTime("2026-03-01T12:00:00Z".parse().expect("literal"))
    }

    fn heard(version: Version, action: &str, payload: &Value) -> Heard {
        hear(version, action, "m1", &payload.to_string(), received(), &key())
    }

    /// Value as sent, exact number, unit, phase, location, marks.
    fn told(reading: &Reading) -> (&str, Option<String>, &str, &Phase, &str, Vec<&str>) {
        let number = reading.number.map(|number| number.to_string());
        let marks = reading.marks.iter().map(|mark| mark.code()).collect();
        (&reading.value, number, &reading.unit, &reading.phase, reading.location.word(), marks)
    }

    #[test]
    fn samples_of_1_6_keep_text_unit_phase_and_place() {
        let heard = heard(
            Version::V16,
            "MeterValues",
            &json!({ "connectorId": 2, "transactionId": 7, "meterValue": [{ "timestamp": "2026-03-01T08:00:00Z", "sampledValue": [
                { "value": "12345.600", "unit": "kWh", "measurand": "Energy.Active.Import.Register", "context": "Sample.Clock" },
                { "value": "6.02", "unit": "A", "measurand": "Current.Import", "phase": "L2" },
                { "value": "54", "unit": "Percent", "measurand": "SoC", "location": "EV" },
                { "value": "0.1", "unit": "A", "measurand": "Current.Import", "phase": "N" }] }] }),
        );
        let all: Vec<_> = heard.readings.iter().map(told).collect();
        let phase = |name: &str| Phase::Named(name.to_owned());
        assert_eq!(
            all,
            [
                ("12345.600", Some("12345.600".into()), "kWh", &Phase::Total, "Outlet", vec![]),
                ("6.02", Some("6.02".into()), "A", &phase("L2"), "Outlet", vec![]),
                ("54", Some("54".into()), "Percent", &Phase::Total, "EV", vec![]),
                ("0.1", Some("0.1".into()), "A", &phase("N"), "Outlet", vec![]),
            ]
        );
        assert!(heard.marks.is_empty() && heard.readings.iter().all(|reading| reading.connector == 2));
        assert_eq!(heard.readings[0].energy_wh(), Some(Decimal::from(12_345_600)));
        assert!(matches!(heard.meaning, Meaning::Samples), "periodic samples change no charge");
    }

    /// Numbers for strings, objects for arrays, a missing unit, an illegal measurand: mobilityhouse/ocpp#377, evcc#17585,
    /// lbbrhzn/ocpp#1144, lbbrhzn/ocpp#1576.
    #[test]
    fn what_real_chargers_get_wrong_is_kept_and_marked() {
        let heard = heard(
            Version::V16,
            "MeterValues",
            &json!({ "connectorId": "1", "meterValue": { "timestamp": "2026-03-01T08:00:00", "sampledValue": [
                { "value": 12.5 }, { "value": " 7 ", "unit": "Wh" }, { "value": "12,5", "unit": "Wh" },
                { "value": "50", "unit": "Hz", "measurand": "Request.Energy" }] } }),
        );
        let all: Vec<_> = heard
            .readings
            .iter()
            .map(told)
            .map(|(value, number, .., marks)| (value, number, marks))
            .collect();
        let zoneless = "zoneless_timestamp";
        assert_eq!(
            all,
            [
                ("12.5", Some("12.5".to_owned()), vec!["missing_unit", "number_not_text", zoneless]),
                (" 7 ", Some("7".to_owned()), vec![zoneless]),
                ("12,5", None, vec!["bad_number", zoneless]),
                ("50", Some("50".to_owned()), vec!["unknown_measurand", zoneless]),
            ]
        );
    }

    #[test]
    fn a_signed_value_of_1_6_is_kept_whole_and_is_no_number() {
        let container = r#"OCMF|{"FV":"1.0"}|{"SD":"00"}"#;
        let heard = heard(
            Version::V16,
            "StopTransaction",
            &json!({ "transactionId": 5, "meterStop": 1, "timestamp": "2026-03-01T08:00:00Z", "transactionData": [
                { "timestamp": "2026-03-01T08:00:00Z", "sampledValue": [
                    { "value": container, "format": "SignedData", "context": "Transaction.End" }] }] }),
        );
        assert_eq!(told(&heard.readings[0]).5, [] as [&str; 0]);
        assert_eq!((heard.readings[0].value.as_str(), heard.readings[0].number), (container, None));
        let signed = heard.readings[0].signed.as_deref().expect("signed");
        assert_eq!((signed.data.as_str(), &signed.public_key), (container, &None));
    }

    /// OCA's whitepaper on signed meter values: in 1.6 the structure of 2.x travels as JSON text; chargers also send it bare.
    #[test]
    fn the_container_is_found_in_every_wrapping() {
        let structure = json!({ "signedMeterData": "T0NNRg==", "signingMethod": "", "encodingMethod": "OCMF", "publicKey": "3059" });
        let of = |version, action, payload: Value| {
            let heard = heard(version, action, &payload);
            heard.readings[0]
                .signed
                .clone()
                .map(|signed| (signed.data, signed.encoding_method, signed.public_key))
        };
        let expected = Some(("T0NNRg==".to_owned(), Some("OCMF".to_owned()), Some("3059".to_owned())));
        let old = |value: Value| {
            json!({ "connectorId": 1, "meterValue": [{ "timestamp": "2026-03-01T08:00:00Z",
                "sampledValue": [{ "value": value, "format": "SignedData" }] }] })
        };
        assert_eq!(of(Version::V16, "MeterValues", old(structure.to_string().into())), expected);
        assert_eq!(of(Version::V16, "MeterValues", old(structure.clone())), expected);
        let new = json!({ "evseId": 1, "meterValue": [{ "timestamp": "2026-03-01T08:00:00Z",
            "sampledValue": [{ "value": 12.5, "signedMeterValue": structure }] }] });
        assert_eq!(of(Version::V201, "MeterValues", new), expected);
    }

    #[test]
    fn an_event_of_2_x_is_a_charge_with_both_meters() {
        let heard = heard(
            Version::V201,
            "TransactionEvent",
            &json!({ "eventType": "Ended", "timestamp": "2026-03-01T09:00:00Z", "triggerReason": "StopAuthorized", "seqNo": 3,
                "transactionInfo": { "transactionId": "T-1", "stoppedReason": "Local" }, "evse": { "id": 2, "connectorId": 1 },
                "idToken": { "idToken": "CARD", "type": "ISO14443" }, "meterValue": [{ "timestamp": "2026-03-01T09:00:00Z", "sampledValue": [
                    { "value": 12.345, "context": "Transaction.End", "measurand": "Energy.Active.Import.Register",
                      "unitOfMeasure": { "unit": "Wh", "multiplier": 3 } },
                    { "value": 12000, "context": "Transaction.End", "location": "EV", "unitOfMeasure": { "unit": "Wh" } }] }] }),
        );
        let Meaning::Charge(event) = &heard.meaning else { panic!("no charge: {heard:?}") };
        assert_eq!(event.reference, ChargeReference::Named("T-1".into()));
        assert_eq!(
            (event.stage, event.connector, event.reason.as_deref()),
            (Stage::End, Some(2), Some("Local"))
        );
        assert_eq!(event.vehicle, None, "the card that ends a charge need not be the one that began it");
        let registers: Vec<_> = event.registers.iter().map(|r| (r.side, r.energy_wh)).collect();
        assert_eq!(registers, [(Side::Pile, Decimal::from(12_345)), (Side::Vehicle, Decimal::from(12_000))]);
        assert_eq!(heard.readings[0].value, "12.345", "as sent, before the multiplier");
        assert_eq!(heard.readings[1].location, Location::Ev);
    }

    /// A multiplier that is there and no whole number must not pass for none: the value would be a thousandth.
    #[test]
    fn a_multiplier_counts_however_it_is_written_and_without_sense_there_is_no_number() {
        let of = |multiplier: Value| {
            let sample = json!({ "value": 1.5, "unitOfMeasure": { "unit": "Wh", "multiplier": multiplier } });
            let payload = json!({ "evseId": 1, "meterValue": [{ "timestamp": "2026-03-01T08:00:00Z", "sampledValue": [sample] }] });
            let heard = heard(Version::V201, "MeterValues", &payload);
            let reading = &heard.readings[0];
            (
                reading.energy_wh().map(|wh| wh.normalize().to_string()),
                reading.marks.contains(&Mark::BadNumber),
            )
        };
        for three in [json!(3), json!(3.0), json!("3"), json!("3 "), json!(3e0)] {
            assert_eq!(of(three.clone()), (Some("1500".to_owned()), false), "{three}");
        }
        assert_eq!(of(Value::Null), (Some("1.5".to_owned()), false));
        for senseless in [json!(2.5), json!("k"), json!({}), json!(1e30), json!(99)] {
            assert_eq!(of(senseless.clone()), (None, true), "{senseless}");
        }
    }

    #[test]
    fn the_card_that_stops_a_charge_is_not_whose_charge_it_is() {
        let vehicle = |trigger: &str| {
            let payload = json!({ "eventType": "Updated", "timestamp": "2026-03-01T09:00:00Z", "triggerReason": trigger,
                "seqNo": 1, "transactionInfo": { "transactionId": "T" }, "idToken": { "idToken": "CARD", "type": "ISO14443" } });
            match heard(Version::V201, "TransactionEvent", &payload).meaning {
                Meaning::Charge(event) => event.vehicle,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(vehicle("Authorized"), Some(key().vehicle("CARD")));
        assert_eq!((vehicle("StopAuthorized"), vehicle("Deauthorized")), (None, None));
    }

    #[test]
    fn a_container_that_does_not_say_so_is_a_container() {
        let container = r#"OCMF|{"FV":"1.0"}|{"SD":"00"}"#;
        let payload = json!({ "connectorId": 1, "meterValue": [{ "timestamp": "2026-03-01T08:00:00Z",
            "sampledValue": [{ "value": container }] }] });
        let heard = heard(Version::V16, "MeterValues", &payload);
        assert_eq!(heard.readings[0].signed.as_deref().map(|signed| signed.data.as_str()), Some(container));
    }

    #[test]
    fn a_repeated_start_has_the_same_key_whatever_its_message_id() {
        let start = |time: &str, message_id: &str| {
            let payload =
                json!({ "connectorId": 1, "idTag": "CARD", "meterStart": 5, "timestamp": time }).to_string();
            let heard = hear(Version::V16, "StartTransaction", message_id, &payload, received(), &key());
            match heard.meaning {
                Meaning::Charge(event) => event.reference,
                other => panic!("{other:?}"),
            }
        };
        let time = "2026-03-01T08:00:00Z";
        assert_eq!(start(time, "a"), start(time, "b"));
        assert_ne!(start(time, "a"), start("2026-03-01T08:00:01Z", "a"));
        assert_ne!(
            start("1970-01-01T00:00:00Z", "a"),
            start("1970-01-01T00:00:00Z", "b"),
            "without a time, two starts are two"
        );
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
            "[0-9]{1,40}(\\.[0-9]{1,30})?(e-?[0-9]{1,12})?".prop_map(Value::from),
            "(Wh|kWh|EV|Outlet|L1|Transaction\\.(Begin|End)|Started|Ended|2026-03-01T08:00:00Z)"
                .prop_map(Value::from),
        ];
        let name = prop_oneof![
            "(connectorId|evseId|evse|id|meterValue|sampledValue|value|unit|unitOfMeasure|multiplier|timestamp|status)",
            "(context|location|phase|measurand|transactionId|transactionInfo|meterStart|meterStop|transactionData|idTag|eventType)",
            "\\PC{0,6}",
        ];
        leaf.prop_recursive(6, 60, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::hash_map(name.clone(), inner, 0..7)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn nothing_that_arrives_makes_us_panic(payload in any_json(), text in "\\PC{0,80}") {
            for (version, actions) in [
                (Version::V16, ["BootNotification", "StatusNotification", "StartTransaction", "StopTransaction", "MeterValues"]),
                (Version::V21, ["BootNotification", "StatusNotification", "TransactionEvent", "MeterValues", "NotifyReport"]),
            ] {
                for action in actions {
                    let frame = json!([2, "x", action, payload]).to_string();
                    key().without_identities(&frame);
                    if let Ok(Frame::Call { payload, .. }) = Frame::open(&frame) {
                        let mut heard = hear(version, action, "x", payload.get(), received(), &key());
                        crate::Registers::default().follow(&mut heard.readings);
                    }
                }
            }
            let _ = Frame::open(&text);
            key().without_identities(&text);
            hear(Version::V16, &text, &text, &text, received(), &key());
        }
    }
}
