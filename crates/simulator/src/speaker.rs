//! What a simulated charger says of a charge, in OCPP 1.6 or 2.x.
//!
//! Used by all runs. Energies are whole Wh; how they are written (Wh or kWh, with or without decimals) differs between
//! chargers, as it does in the field.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::link::{Answer, Link};
use crate::{Progress, Protocol, SimulatorError};

/// A charge as it is to be told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    /// Connector (EVSE in 2.x).
    pub(crate) connector: u32,
    /// Card.
    pub(crate) card: String,
    /// Begin.
    pub(crate) start: Timestamp,
    /// End; none for a charge whose stop is never told.
    pub(crate) end: Option<Timestamp>,
    /// Register at the beginning, Wh.
    pub(crate) register_wh: i64,
    /// What the register gained, Wh; none if the stop tells no register.
    pub(crate) energy_wh: Option<i64>,
    /// What the vehicle's own meter gained, Wh, if it tells.
    pub(crate) vehicle_wh: Option<i64>,
}

/// A started charge.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    told: Told,
    transaction: String,
    sequence: u32,
}

/// A charger that can tell charges.
pub(crate) struct Speaker {
    pub(crate) link: Link,
    /// Whether sampled registers are written in kWh with three decimals rather than in Wh.
    pub(crate) writes_kwh: bool,
    transactions: u64,
    /// Distinguishes this run's 2.x transaction ids from earlier ones.
    run: String,
}

impl Speaker {
    pub(crate) fn new(link: Link, writes_kwh: bool, run: String) -> Self {
        Self { link, writes_kwh, transactions: 0, run }
    }

    fn is_v16(&self) -> bool {
        self.link.protocol == Protocol::V16
    }

    /// Connects and boots.
    pub(crate) async fn boot(&mut self, identity: &Identity) -> Result<(), SimulatorError> {
        let payload = if self.is_v16() {
            json!({
                "chargePointVendor": identity.vendor, "chargePointModel": identity.model,
                "chargePointSerialNumber": self.link.identity, "firmwareVersion": identity.firmware,
                "meterType": "simulated", "meterSerialNumber": identity.meter_serial,
            })
        } else {
            json!({
                "reason": "PowerUp",
                "chargingStation": {
                    "vendorName": identity.vendor, "model": identity.model, "firmwareVersion": identity.firmware,
                    "serialNumber": identity.meter_serial,
                },
            })
        };
        self.link.boot(payload).await
    }

    /// Tells a connector's status.
    pub(crate) async fn status(&mut self, connector: u32, occupied: bool) -> Result<(), SimulatorError> {
        let now = Timestamp::now().to_string();
        let payload = if self.is_v16() {
            let status = if occupied { "Charging" } else { "Available" };
            json!({ "connectorId": connector, "errorCode": "NoError", "status": status, "timestamp": now })
        } else {
            let status = if occupied { "Occupied" } else { "Available" };
            json!({ "timestamp": now, "connectorStatus": status, "evseId": connector, "connectorId": 1 })
        };
        self.link.call("StatusNotification", &payload, "", &now).await.map(|_| ())
    }

    /// Tells that the charger lives.
    pub(crate) async fn heartbeat(&mut self) -> Result<(), SimulatorError> {
        self.link.call("Heartbeat", &json!({}), "", "").await.map(|_| ())
    }

    /// Tells the beginning.
    pub(crate) async fn start(&mut self, told: Told) -> Result<Running, SimulatorError> {
        let at = told.start.to_string();
        self.transactions += 1;
        let transaction = if self.is_v16() {
            let payload = json!({
                "connectorId": told.connector, "idTag": told.card, "meterStart": told.register_wh, "timestamp": at,
            });
            match self.link.call("StartTransaction", &payload, "", &at).await? {
                Answer::Result(result) => result["transactionId"].to_string(),
                Answer::Refused => "0".to_owned(),
            }
        } else {
            let transaction = format!("{}-{}", self.run, self.transactions);
            let payload = json!({
                "eventType": "Started", "timestamp": at, "triggerReason": "CablePluggedIn", "seqNo": 0,
                "transactionInfo": { "transactionId": transaction, "chargingState": "Charging" },
                "evse": { "id": told.connector, "connectorId": 1 },
                "idToken": { "idToken": told.card, "type": "ISO14443" },
                "meterValue": [self.meter_value(&at, "Transaction.Begin", told.register_wh, told.vehicle_wh.map(|_| 0), None)],
            });
            self.link.call("TransactionEvent", &payload, &transaction, &at).await?;
            transaction
        };
        Progress::count(&self.link.progress().charges);
        Ok(Running { told, transaction, sequence: 0 })
    }

    /// Tells where the register stands in between.
    pub(crate) async fn sample(
        &mut self,
        running: &mut Running,
        at: Timestamp,
        gained_wh: i64,
        power_w: i64,
    ) -> Result<(), SimulatorError> {
        running.sequence += 1;
        let at = at.to_string();
        let register = running.told.register_wh + gained_wh;
        let meter_value = self.meter_value(&at, "Sample.Periodic", register, None, Some(power_w));
        let (action, payload) = if self.is_v16() {
            let transaction: i64 = running.transaction.parse().unwrap_or(0);
            let connector = running.told.connector;
            (
                "MeterValues",
                json!({ "connectorId": connector, "transactionId": transaction, "meterValue": [meter_value] }),
            )
        } else {
            (
                "TransactionEvent",
                json!({
                    "eventType": "Updated", "timestamp": at, "triggerReason": "MeterValuePeriodic", "seqNo": running.sequence,
                    "transactionInfo": { "transactionId": running.transaction }, "meterValue": [meter_value],
                }),
            )
        };
        self.link.call(action, &payload, &running.transaction, &at).await.map(|_| ())
    }

    /// Tells the end, if the charge has one.
    pub(crate) async fn stop(&mut self, running: Running) -> Result<(), SimulatorError> {
        let Running { told, transaction, sequence } = running;
        let Some(end) = told.end else { return Ok(()) };
        let (begin, end) = (told.start.to_string(), end.to_string());
        let stop_wh = told.energy_wh.map(|energy| told.register_wh + energy);
        let at_end = stop_wh.map(|wh| self.meter_value(&end, "Transaction.End", wh, told.vehicle_wh, None));
        let (action, payload) = if self.is_v16() {
            let mut payload = json!({
                "transactionId": transaction.parse::<i64>().unwrap_or(0), "idTag": told.card, "timestamp": end,
                "reason": "EVDisconnected",
            });
            if let Some(wh) = stop_wh {
                payload["meterStop"] = json!(wh);
            }
            if let Some(at_end) = at_end {
                let vehicle = told.vehicle_wh.map(|_| 0);
                let at_begin = self.meter_value(&begin, "Transaction.Begin", told.register_wh, vehicle, None);
                payload["transactionData"] = json!([at_begin, at_end]);
            }
            ("StopTransaction", payload)
        } else {
            let mut payload = json!({
                "eventType": "Ended", "timestamp": end, "triggerReason": "EVCommunicationLost", "seqNo": sequence + 1,
                "transactionInfo": { "transactionId": transaction, "stoppedReason": "EVDisconnected" },
                "evse": { "id": told.connector, "connectorId": 1 },
            });
            if let Some(at_end) = at_end {
                payload["meterValue"] = json!([at_end]);
            }
            ("TransactionEvent", payload)
        };
        self.link.call(action, &payload, &transaction, &end).await.map(|_| ())
    }

    /// One meter value: the outlet's register, the vehicle's if it tells, power if asked for.
    fn meter_value(
        &self,
        at: &str,
        context: &str,
        register_wh: i64,
        vehicle_wh: Option<i64>,
        power_w: Option<i64>,
    ) -> Value {
        const REGISTER: &str = "Energy.Active.Import.Register";
        let mut samples = vec![self.sampled(context, REGISTER, "Outlet", self.energy(register_wh))];
        samples.extend(vehicle_wh.map(|wh| self.sampled(context, REGISTER, "EV", (kwh(wh), "kWh"))));
        samples.extend(
            power_w.map(|w| self.sampled(context, "Power.Active.Import", "Outlet", (Decimal::from(w), "W"))),
        );
        json!({ "timestamp": at, "sampledValue": samples })
    }

    fn energy(&self, wh: i64) -> (Decimal, &'static str) {
        if self.writes_kwh { (kwh(wh), "kWh") } else { (Decimal::from(wh), "Wh") }
    }

    fn sampled(
        &self,
        context: &str,
        measurand: &str,
        location: &str,
        (value, unit): (Decimal, &str),
    ) -> Value {
        let mut sampled = json!({ "context": context, "measurand": measurand });
        if location != "Outlet" {
            // As most chargers do, the default is left out.
            sampled["location"] = json!(location);
        }
        if self.is_v16() {
            sampled["value"] = json!(value.to_string());
            sampled["unit"] = json!(unit);
        } else {
            // A number in 2.x; its text is kept exact on the way out.
            sampled["value"] = serde_json::from_str(&value.to_string()).unwrap_or_else(|_| json!(0));
            sampled["unitOfMeasure"] = json!({ "unit": unit });
        }
        sampled
    }
}

fn kwh(wh: i64) -> Decimal {
    Decimal::new(wh, 3)
}

/// Who a charger says it is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Identity {
    pub(crate) vendor: String,
    pub(crate) model: String,
    pub(crate) firmware: String,
    pub(crate) meter_serial: String,
}

impl Running {
    /// Moves the end of the charge.
    pub(crate) fn end_at(&mut self, end: Timestamp) {
        self.told.end = Some(end);
    }
}
