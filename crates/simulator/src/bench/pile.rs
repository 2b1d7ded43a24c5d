//! The pile under test: a charger whose register is the bench's, over OCPP 1.6 or 2.x.
//!
//! Called by `app` and by tests. It tells its register when asked, opens and closes, takes the order for a virtual load, and makes
//! a normal charge on request, with a bill, and a signed record if its meter has a key. Everything else its configuration answers.
//! Its clock is the machine's, off by what the settings say, also where bench time runs faster: then a charge seems to need more
//! power than there is.

mod record;
mod words;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::time::Instant;

use self::record::{SigningMeter, Stand};
use self::words::{Charge, Message, Signed, Words};
use super::{Bench, BenchFault, BenchHandle, BenchKind};
use crate::link::{Answer, Asked, Line, Link};
use crate::{Progress, Protocol, SimulatorError};

/// Calls that the pile answers itself.
const OWNED: [&str; 7] = [
    "ChangeAvailability",
    "TriggerMessage",
    "DataTransfer",
    "RemoteStartTransaction",
    "RemoteStopTransaction",
    "RequestStartTransaction",
    "RequestStopTransaction",
];

/// The pile looks at itself this often: a charge that ends, a fault that begins.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Heartbeats.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(60);

/// Wait after the central system could not be reached for long.
const PAUSE: Duration = Duration::from_secs(2);

/// Vendor and message of the order for a virtual load.
const VENDOR: &str = "veripile";
const VIRTUAL_LOAD: &str = "VirtualLoad";

/// What the pile does after it answered.
#[derive(Debug, Clone, PartialEq)]
enum Then {
    Nothing,
    /// Tells a message of this name.
    Tell(String),
    /// Begins a charge with this card, under this number of the order.
    Start(Value, Value),
    /// Ends the charge.
    Stop,
}

/// Public key of a signing key as it is registered with a central system: hexadecimal of its DER; none if it is no key.
pub fn public_key(secret: &[u8; 32]) -> Option<String> {
    SigningMeter::new(secret, String::new())?.public_key()
}

/// A signing key for a simulated meter, drawn from a seed: it protects nothing.
pub fn signing_key(seed: u64) -> [u8; 32] {
    record::drawn_key(seed)
}

/// Serial number of the meter in a pile of this identity.
pub fn meter_serial(identity: &str) -> String {
    format!("M-{identity}")
}

/// Lets a pile live until told to stop. Only [`SimulatorError::Stopped`] ends it, and that is no error.
pub async fn run(
    bench: BenchHandle,
    line: Line,
    identity: String,
    protocol: Protocol,
) -> Result<(), SimulatorError> {
    let mut pile = Pile::new(bench, line, identity, protocol);
    let boot = pile.words.boot();
    let mut booted = pile.link.boot(boot).await;
    loop {
        let lived = match booted {
            Ok(()) => pile.live().await,
            Err(error) => Err(error),
        };
        match lived {
            Ok(()) | Err(SimulatorError::Stopped) => return Ok(()),
            Err(error) => {
                tracing::warn!(%error, "the pile on the bench cannot reach its central system; it goes on trying");
                tokio::time::sleep(PAUSE).await;
            }
        }
        booted = pile.link.ensure_connected().await;
    }
}

struct Pile {
    link: Link,
    bench: BenchHandle,
    words: Words,
    meter: Option<SigningMeter>,
    is_open: bool,
    /// A change of availability that waits for the end of a charge.
    scheduled: Option<bool>,
    /// What was last told of the connector.
    reported: Option<&'static str>,
    charge: Option<Charge>,
    /// Bench time at which the charge began, s.
    charge_from_s: f64,
    /// How far its clock is ahead.
    clock_offset: SignedDuration,
    transactions: u32,
    /// Distinguishes this run's 2.x transaction ids from earlier ones.
    run: i64,
}

impl Pile {
    fn new(bench: BenchHandle, line: Line, identity: String, protocol: Protocol) -> Self {
        let settings = bench.settings();
        let meter_serial = meter_serial(&identity);
        let words = Words {
            protocol,
            meter_serial: meter_serial.clone(),
            writes_kwh: settings.writes_kwh,
            is_dc: settings.kind == BenchKind::Dc,
            identity: identity.clone(),
        };
        Self {
            link: Link::new(line, identity, protocol).owning(&OWNED).with_value("NumberOfConnectors", "1"),
            meter: settings.signing_key.and_then(|key| SigningMeter::new(&key, meter_serial)),
            bench,
            words,
            is_open: true,
            scheduled: None,
            reported: None,
            charge: None,
            charge_from_s: 0.0,
            clock_offset: SignedDuration::from_millis(settings.clock_offset_ms),
            transactions: 0,
            run: Timestamp::now().as_second(),
        }
    }

    async fn live(&mut self) -> Result<(), SimulatorError> {
        let mut heartbeat = Instant::now() + HEARTBEAT_EVERY;
        while !self.link.is_stopping() {
            self.link.ensure_connected().await?;
            self.report().await?;
            self.link.idle(Instant::now() + LOOK_EVERY).await;
            while let Some(asked) = self.link.next_asked() {
                self.obey(&asked).await?;
            }
            self.look().await?;
            if heartbeat <= Instant::now() {
                heartbeat = Instant::now() + HEARTBEAT_EVERY;
                self.tell(("Heartbeat", json!({})), "").await?;
            }
        }
        Ok(())
    }

    /// Ends a charge whose time is over, and does what waited for the end of one.
    async fn look(&mut self) -> Result<(), SimulatorError> {
        let is_over = |bench: &mut Bench| self.charge_from_s + bench.charge_s() <= bench.now_s();
        if self.charge.is_some() && self.bench.with(is_over) {
            self.stop(false).await?;
        }
        if !self.is_charging()
            && let Some(open) = self.scheduled.take()
        {
            self.is_open = open;
        }
        Ok(())
    }

    /// Whether it says that a charge is running.
    fn is_charging(&self) -> bool {
        self.charge.is_some() || self.bench.with(|bench| bench.acts(BenchFault::ChargeRunning))
    }

    fn status(&self) -> &'static str {
        match (self.is_charging(), self.is_open) {
            (true, _) => "Charging",
            (false, true) => "Available",
            (false, false) => "Unavailable",
        }
    }

    /// Tells the connector's status where it is not what was last told.
    async fn report(&mut self) -> Result<(), SimulatorError> {
        let status = self.status();
        if self.reported != Some(status) {
            let message = self.words.status(1, status, self.now());
            self.tell(message, "").await?;
            self.reported = Some(status);
        }
        Ok(())
    }

    async fn tell(
        &mut self,
        (action, payload): Message,
        transaction: &str,
    ) -> Result<Answer, SimulatorError> {
        let at = payload["timestamp"].as_str().unwrap_or_default().to_owned();
        self.link.call(action, &payload, transaction, &at).await
    }

    /// The time by the pile's own clock.
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        now.checked_add(self.clock_offset).unwrap_or(now)
    }

    /// The register now.
    fn stand(&self) -> Stand {
        Stand { at: self.now(), register_wh: self.bench.register_wh() }
    }

    /// Answers a call and does what it asks.
    async fn obey(&mut self, asked: &Asked) -> Result<(), SimulatorError> {
        if asked.action == "TriggerMessage" {
            if self.bench.with(|bench| bench.strikes(BenchFault::PileDrops)) {
                self.link.disconnect();
                return Ok(());
            }
            if self.bench.with(|bench| bench.strikes(BenchFault::PileSilent)) {
                return Ok(());
            }
        }
        let (status, then) = self.decide(&asked.action, &asked.payload);
        self.link.answer(asked, &json!({ "status": status })).await;
        match then {
            Then::Nothing => {}
            Then::Tell(message) => self.tell_asked(&message).await?,
            Then::Start(card, remote_start) => self.start(card, remote_start).await?,
            Then::Stop => self.stop(true).await?,
        }
        self.report().await
    }

    fn decide(&mut self, action: &str, payload: &Value) -> (&'static str, Then) {
        match action {
            "ChangeAvailability" => (self.change_availability(payload), Then::Nothing),
            "TriggerMessage" => self.trigger(payload),
            "DataTransfer" => (self.data_transfer(payload), Then::Nothing),
            "RemoteStartTransaction" | "RequestStartTransaction" => {
                let connector =
                    if self.words.is_v16() { &payload["connectorId"] } else { &payload["evseId"] };
                let card = if self.words.is_v16() { &payload["idTag"] } else { &payload["idToken"] };
                if !is_ours(connector) || self.is_charging() || !self.is_open || card.is_null() {
                    return ("Rejected", Then::Nothing);
                }
                ("Accepted", Then::Start(card.clone(), payload["remoteStartId"].clone()))
            }
            _ => {
                let asked = &payload["transactionId"];
                let asked = asked.as_str().map_or_else(|| asked.to_string(), str::to_owned);
                match &self.charge {
                    Some(charge) if charge.transaction == asked => ("Accepted", Then::Stop),
                    _ => ("Rejected", Then::Nothing),
                }
            }
        }
    }

    fn change_availability(&mut self, payload: &Value) -> &'static str {
        let (connector, wanted) = if self.words.is_v16() {
            (&payload["connectorId"], &payload["type"])
        } else {
            (&payload["evse"]["id"], &payload["operationalStatus"])
        };
        let open = match wanted.as_str() {
            Some("Operative") => true,
            Some("Inoperative") => false,
            _ => return "Rejected",
        };
        if !is_ours(connector) && connector.as_u64() != Some(0) {
            return "Rejected";
        }
        // What it is gets told again, also where nothing changes.
        self.reported = None;
        if self.is_charging() {
            self.scheduled = Some(open);
            return "Scheduled";
        }
        self.is_open = open;
        "Accepted"
    }

    fn trigger(&mut self, payload: &Value) -> (&'static str, Then) {
        let connector = if self.words.is_v16() { &payload["connectorId"] } else { &payload["evse"]["id"] };
        if !is_ours(connector) {
            return ("Rejected", Then::Nothing);
        }
        match payload["requestedMessage"].as_str() {
            Some(message @ ("MeterValues" | "StatusNotification" | "BootNotification" | "Heartbeat")) => {
                ("Accepted", Then::Tell(message.to_owned()))
            }
            _ => ("NotImplemented", Then::Nothing),
        }
    }

    /// The order for a virtual load: `start` or `stop`, as the data itself or as its member `action`.
    fn data_transfer(&mut self, payload: &Value) -> &'static str {
        if payload["vendorId"] != VENDOR {
            return "UnknownVendorId";
        }
        if payload["messageId"] != VIRTUAL_LOAD {
            return "UnknownMessageId";
        }
        let data = &payload["data"];
        // In 1.6 data is always a text, which may hold JSON.
        let inner = data.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
        let data = inner.as_ref().unwrap_or(data);
        let order = data["action"].as_str().or_else(|| data.as_str());
        let is_connected = match order {
            Some("start") if self.is_charging() => return "Rejected",
            Some("start") => true,
            Some("stop") => false,
            _ => return "Rejected",
        };
        self.bench.with(|bench| bench.virtual_load(is_connected));
        "Accepted"
    }

    async fn tell_asked(&mut self, message: &str) -> Result<(), SimulatorError> {
        let message = match message {
            "MeterValues" => self.words.meter_values(self.stand(), self.charge.as_ref()),
            "StatusNotification" => self.words.status(1, self.status(), self.now()),
            "BootNotification" => ("BootNotification", self.words.boot()),
            _ => ("Heartbeat", json!({})),
        };
        self.tell(message, "").await.map(|_| ())
    }

    async fn start(&mut self, card: Value, remote_start: Value) -> Result<(), SimulatorError> {
        self.transactions += 1;
        // The vehicle draws from the very moment at which the register is read.
        let (register_wh, now_s) = self.bench.with(|bench| {
            bench.charge(true);
            (bench.register_wh(), bench.now_s())
        });
        self.charge_from_s = now_s;
        let begin = Stand { at: self.now(), register_wh };
        let transaction = format!("{}-{}", self.run, self.transactions);
        let mut charge = Charge { transaction, card, remote_start, begin };
        let answer = self.tell(self.words.start(&charge), &charge.transaction).await;
        if self.words.is_v16()
            && let Ok(Answer::Result(result)) = &answer
        {
            charge.transaction = result["transactionId"].to_string();
        }
        self.charge = Some(charge);
        Progress::count(&self.link.progress().charges);
        answer.map(|_| ())
    }

    async fn stop(&mut self, by_order: bool) -> Result<(), SimulatorError> {
        let Some(charge) = self.charge.take() else { return Ok(()) };
        let register_wh = self.bench.with(|bench| {
            bench.charge(false);
            let register_wh = bench.register_wh();
            bench.bill(register_wh.saturating_sub(charge.begin.register_wh));
            register_wh
        });
        let end = Stand { at: self.now(), register_wh };
        let card = charge.card.as_str().or(charge.card["idToken"].as_str()).unwrap_or_default();
        let signed = self.meter.as_mut().and_then(|meter| {
            let public_key = meter.public_key()?;
            Some(Signed { record: meter.record(card, charge.begin, end), public_key })
        });
        let message = self.words.stop(&charge, end, by_order, signed.as_ref());
        self.tell(message, &charge.transaction).await?;
        Progress::count(&self.link.progress().done);
        Ok(())
    }
}

/// Whether a connector that may be left out is the one there is.
fn is_ours(connector: &Value) -> bool {
    connector.is_null() || connector.as_u64() == Some(1)
}

#[cfg(test)]
mod tests;
