//! What the pile on the bench says, in OCPP 1.6 or 2.x.
//!
//! Used by [`super`]. Pure: registers and times are arguments. Registers keep every digit they have.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::record::{Stand, kwh_places};
use crate::Protocol;

/// The measurand of everything told here.
const REGISTER: &str = "Energy.Active.Import.Register";

/// A message: action and payload.
pub(super) type Message = (&'static str, Value);

/// How this pile writes.
#[derive(Debug, Clone)]
pub(super) struct Words {
    pub(super) protocol: Protocol,
    pub(super) identity: String,
    pub(super) meter_serial: String,
    /// Registers in kWh rather than in Wh.
    pub(super) writes_kwh: bool,
    pub(super) is_dc: bool,
}

/// A signed record as it travels.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Signed {
    pub(super) record: String,
    pub(super) public_key: String,
}

/// A charge as it is told.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Charge {
    pub(super) transaction: String,
    pub(super) card: Value,
    /// 2.x: the number under which it was ordered.
    pub(super) remote_start: Value,
    pub(super) begin: Stand,
}

impl Words {
    pub(super) fn is_v16(&self) -> bool {
        self.protocol == Protocol::V16
    }

    pub(super) fn boot(&self) -> Value {
        let model = if self.is_dc { "Bench DC" } else { "Bench AC" };
        if self.is_v16() {
            return json!({
                "chargePointVendor": "veripile", "chargePointModel": model, "chargePointSerialNumber": short(&self.identity, 25),
                "firmwareVersion": "1.0", "meterType": "simulated", "meterSerialNumber": short(&self.meter_serial, 25),
            });
        }
        json!({
            "reason": "PowerUp",
            "chargingStation": { "vendorName": "veripile", "model": model, "firmwareVersion": "1.0", "serialNumber": short(&self.meter_serial, 25) },
        })
    }

    /// Status of a connector, in the words of 1.6; 2.x has fewer, and none for the whole station.
    pub(super) fn status(&self, connector: u32, status: &str, at: Timestamp) -> Message {
        let at = at.to_string();
        let payload = if self.is_v16() {
            json!({ "connectorId": connector, "errorCode": "NoError", "status": status, "timestamp": at })
        } else {
            let status = if status == "Charging" { "Occupied" } else { status };
            json!({ "timestamp": at, "connectorStatus": status, "evseId": connector.max(1), "connectorId": 1 })
        };
        ("StatusNotification", payload)
    }

    /// The register, because somebody asked.
    pub(super) fn meter_values(&self, stand: Stand, running: Option<&Charge>) -> Message {
        let values = json!([self.meter_value(stand, "Trigger", None)]);
        if !self.is_v16() {
            return ("MeterValues", json!({ "evseId": 1, "meterValue": values }));
        }
        let mut payload = json!({ "connectorId": 1, "meterValue": values });
        if let Some(transaction) = running.and_then(|charge| charge.transaction.parse::<i64>().ok()) {
            payload["transactionId"] = transaction.into();
        }
        ("MeterValues", payload)
    }

    /// The beginning of a charge.
    pub(super) fn start(&self, charge: &Charge) -> Message {
        let at = charge.begin.at.to_string();
        if self.is_v16() {
            let wh = whole(charge.begin.register_wh);
            return (
                "StartTransaction",
                json!({ "connectorId": 1, "idTag": charge.card, "meterStart": wh, "timestamp": at }),
            );
        }
        let mut transaction = json!({ "transactionId": charge.transaction, "chargingState": "Charging" });
        if !charge.remote_start.is_null() {
            transaction["remoteStartId"] = charge.remote_start.clone();
        }
        let payload = json!({
            "eventType": "Started", "timestamp": at, "triggerReason": "RemoteStart", "seqNo": 0,
            "transactionInfo": transaction, "evse": { "id": 1, "connectorId": 1 }, "idToken": charge.card,
            "meterValue": [self.meter_value(charge.begin, "Transaction.Begin", None)],
        });
        ("TransactionEvent", payload)
    }

    /// The end of a charge, by order or because the vehicle left.
    pub(super) fn stop(
        &self,
        charge: &Charge,
        end: Stand,
        by_order: bool,
        signed: Option<&Signed>,
    ) -> Message {
        let at = end.at.to_string();
        let reason = if by_order { "Remote" } else { "EVDisconnected" };
        let at_end = self.meter_value(end, "Transaction.End", signed);
        if self.is_v16() {
            let payload = json!({
                "transactionId": charge.transaction.parse::<i64>().unwrap_or(0), "idTag": charge.card,
                "meterStop": whole(end.register_wh), "timestamp": at, "reason": reason,
                "transactionData": [self.meter_value(charge.begin, "Transaction.Begin", None), at_end],
            });
            return ("StopTransaction", payload);
        }
        let trigger = if by_order { "RemoteStop" } else { "EVDeparted" };
        let payload = json!({
            "eventType": "Ended", "timestamp": at, "triggerReason": trigger, "seqNo": 1,
            "transactionInfo": { "transactionId": charge.transaction, "stoppedReason": reason },
            "evse": { "id": 1, "connectorId": 1 }, "meterValue": [at_end],
        });
        ("TransactionEvent", payload)
    }

    fn meter_value(&self, stand: Stand, context: &str, signed: Option<&Signed>) -> Value {
        let (value, unit) = self.register(stand.register_wh);
        let mut sample = json!({ "context": context, "measurand": REGISTER });
        let mut samples = Vec::with_capacity(2);
        if self.is_v16() {
            sample["value"] = value.into();
            sample["unit"] = unit.into();
            samples.push(sample);
            // OCA's paper on signed meter values: the type of 2.x, as text.
            samples.extend(signed.map(|signed| {
                json!({ "value": signed.container().to_string(), "format": "SignedData", "context": context, "measurand": REGISTER })
            }));
        } else {
            // A number in 2.x; its text is kept exact on the way out.
            sample["value"] = serde_json::from_str(&value).unwrap_or(Value::Null);
            sample["unitOfMeasure"] = json!({ "unit": unit });
            if let Some(signed) = signed {
                sample["signedMeterValue"] = signed.container();
            }
            samples.push(sample);
        }
        json!({ "timestamp": stand.at.to_string(), "sampledValue": samples })
    }

    fn register(&self, wh: Decimal) -> (String, &'static str) {
        if self.writes_kwh {
            (format!("{:.*}", kwh_places(wh), wh / Decimal::ONE_THOUSAND), "kWh")
        } else {
            (wh.to_string(), "Wh")
        }
    }
}

impl Signed {
    fn container(&self) -> Value {
        json!({
            "signedMeterData": self.record, "signingMethod": "ECDSA-secp256r1-SHA256", "encodingMethod": "OCMF",
            "publicKey": self.public_key,
        })
    }
}

/// Whole Wh, which is all that 1.6 has room for at both ends of a charge.
fn whole(wh: Decimal) -> Value {
    serde_json::from_str(&wh.floor().to_string()).unwrap_or(Value::Null)
}

fn short(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(protocol: Protocol, writes_kwh: bool) -> Words {
        let (identity, meter_serial) = ("SIM-BENCH-1".to_owned(), "SIM-M-1".to_owned());
        Words { protocol, identity, meter_serial, writes_kwh, is_dc: false }
    }

    fn stand(wh: Decimal) -> Stand {
        Stand { at: Timestamp::UNIX_EPOCH, register_wh: wh }
    }

    #[test]
    fn registers_keep_their_digits_in_either_unit_and_version() {
        let check = |protocol, writes_kwh, wh: Decimal, value: Value, unit: &str| {
            let (action, payload) = words(protocol, writes_kwh).meter_values(stand(wh), None);
            let sample = &payload["meterValue"][0]["sampledValue"][0];
            let told =
                if sample["unit"].is_null() { &sample["unitOfMeasure"]["unit"] } else { &sample["unit"] };
            assert_eq!((action, &sample["context"], told), ("MeterValues", &"Trigger".into(), &unit.into()));
            assert_eq!(sample["value"], value);
        };
        let number = |text: &str| serde_json::from_str::<Value>(text).expect("a number");
        check(Protocol::V16, false, Decimal::from(12_345_000), "12345000".into(), "Wh");
        check(Protocol::V16, true, Decimal::from(12_345_000), "12345.000".into(), "kWh");
        check(Protocol::V16, true, Decimal::new(123_450, 1), "12.3450".into(), "kWh");
        check(Protocol::V201, false, Decimal::new(123_450, 1), number("12345.0"), "Wh");
        check(Protocol::V201, true, Decimal::from(12_340), number("12.340"), "kWh");
    }

    #[test]
    fn both_ends_of_a_charge_and_its_record_tell_the_same_registers() {
        let signed = Signed { record: "OCMF|{}|{}".to_owned(), public_key: "00".to_owned() };
        let charge = Charge {
            transaction: "17".to_owned(),
            card: "CARD".into(),
            remote_start: Value::Null,
            begin: stand(Decimal::new(10_007, 1)),
        };
        let (action, stop) =
            words(Protocol::V16, false).stop(&charge, stand(Decimal::new(20_009, 1)), true, Some(&signed));
        assert_eq!(
            (action, &stop["transactionId"], &stop["meterStop"]),
            ("StopTransaction", &17.into(), &2000.into())
        );
        let ends = stop["transactionData"].as_array().expect("both ends");
        assert_eq!(ends[0]["sampledValue"][0]["value"], "1000.7");
        assert_eq!(ends[1]["sampledValue"][0]["value"], "2000.9");
        let container: Value =
            serde_json::from_str(ends[1]["sampledValue"][1]["value"].as_str().expect("text")).expect("JSON");
        assert_eq!(container["signedMeterData"], "OCMF|{}|{}");
        let (action, stop) =
            words(Protocol::V201, false).stop(&charge, stand(Decimal::ONE), false, Some(&signed));
        assert_eq!(
            (action, &stop["transactionInfo"]["stoppedReason"]),
            ("TransactionEvent", &"EVDisconnected".into())
        );
        assert_eq!(stop["meterValue"][0]["sampledValue"][0]["signedMeterValue"]["encodingMethod"], "OCMF");
    }
}
