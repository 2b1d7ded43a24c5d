//! OCPP 1.6J: what its calls mean.
//!
//! Called by [`crate::hear`]. The metering messages are read tolerantly here; every other payload is only checked against its
//! type ([`crate::typed`]), and a mismatch is a mark. Which actions there are is said in [`crate::action`].

use serde_json::Value;
use veripile_pile::charge::{ChargeEvent, ChargeReference, Circumstances, Stage};
use veripile_pile::{Mark, ReadingContext, SignedValue};

use crate::hear::{BootIdentity, Heard, Listener, Meaning, PlugStatus, register_wh, registers};
use crate::normalise::{self, Spelling};
use crate::{Version, action, json, time};

const SPELLING: Spelling = Spelling {
    values_are_text: true,
    unit: |sample| (json::text(sample, "unit"), 0),
    signed: |sample| is_signed(sample).then(|| signed(sample)),
};

/// Whether a sample is signed: it says so, or it is a container that does not say so.
fn is_signed(sample: &Value) -> bool {
    let says_so = json::text(sample, "format").is_some_and(|format| format == "SignedData");
    says_so || sample.get("value").and_then(Value::as_str).is_some_and(|value| value.starts_with("OCMF|"))
}

/// The container of a sample with `format=SignedData`: by OCA's whitepaper `value` is a `SignedMeterValueType` as JSON text;
/// chargers also send that object itself, or the bare container.
fn signed(sample: &Value) -> SignedValue {
    let value = sample.get("value").unwrap_or(&Value::Null);
    let text = json::text(sample, "value").unwrap_or_default();
    let inner = serde_json::from_str::<Value>(&text).ok();
    normalise::signed_value(inner.as_ref().unwrap_or(value)).unwrap_or(SignedValue {
        data: text,
        encoding_method: None,
        public_key: None,
    })
}

pub(crate) fn hear(action: &str, listener: &Listener<'_>) -> Heard {
    match (action::does(Version::V16, action), action) {
        (None, _) => Heard::plain(Meaning::Unknown),
        (Some(does), _) if !does.is_for_us() => Heard::plain(Meaning::NotForUs),
        (_, "BootNotification") => boot(listener),
        (_, "StatusNotification") => status(listener),
        (_, "StartTransaction") => start(listener),
        (_, "StopTransaction") => stop(listener),
        (_, "MeterValues") => meter_values(listener),
        _ => listener.typed(Version::V16, action),
    }
}

fn boot(listener: &Listener<'_>) -> Heard {
    let text = |name| json::text(listener.value, name);
    let identity = BootIdentity {
        vendor: text("chargePointVendor"),
        model: text("chargePointModel"),
        firmware: text("firmwareVersion"),
        meter_type: text("meterType"),
        meter_serial: text("meterSerialNumber"),
    };
    Heard { meaning: Meaning::Boot(identity), ..listener.typed(Version::V16, "BootNotification") }
}

fn status(listener: &Listener<'_>) -> Heard {
    let connector = json::number_u32(listener.value, "connectorId").unwrap_or(0);
    let word = json::text(listener.value, "status");
    let meaning =
        word.map_or(Meaning::Other, |word| Meaning::Status(vec![PlugStatus { connector, plug: 0, word }]));
    let mut heard = Heard { meaning, ..listener.typed(Version::V16, "StatusNotification") };
    if matches!(heard.meaning, Meaning::Other) && heard.marks.is_empty() {
        heard.marks.push(Mark::BadShape);
    }
    // The timestamp is optional here: only one that is there and unreadable is worth a mark.
    if let Some(text) = json::text(listener.value, "timestamp") {
        let (at, mark) = time::read(Some(&text), listener.received);
        heard.time = at;
        heard.marks.extend(mark);
    }
    heard
}

fn start(listener: &Listener<'_>) -> Heard {
    let value = listener.value;
    let stamp = json::text(value, "timestamp");
    let (at, mark) = time::read(stamp.as_deref(), listener.received);
    let (connector, card) = (json::number_u32(value, "connectorId"), json::text(value, "idTag"));
    let register = register_wh(value, "meterStart");
    let mut marks: Vec<Mark> = mark.into_iter().collect();
    if connector.is_none() || !json::has(value, "idTag") || register.is_none() {
        marks.push(Mark::BadShape);
    }
    // SteVe's key for a repeated start; without a time only a repeat of the very message is recognised.
    let text = |name| json::text(value, name).unwrap_or_default();
    let moment = stamp.filter(|_| at.is_some()).unwrap_or_else(|| listener.message_id.to_owned());
    let parts = [text("connectorId"), text("idTag"), moment, text("meterStart")];
    let parts: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
    let event = ChargeEvent {
        reference: ChargeReference::Start(hex::encode(listener.key.digest(&parts))),
        stage: Stage::Begin,
        at: at.map_or(listener.received.0, |at| at.0),
        connector,
        vehicle: card.map(|card| listener.key.vehicle(&card)),
        register_wh: register,
        registers: Vec::new(),
        reason: None,
        circumstances: Circumstances::default(),
    };
    Heard { time: at, marks, ..Heard::plain(Meaning::Charge(event)) }
}

fn stop(listener: &Listener<'_>) -> Heard {
    let value = listener.value;
    let (at, mark) = time::read(json::text(value, "timestamp").as_deref(), listener.received);
    let transaction = json::identifier(value, "transactionId").unwrap_or_default();
    let (readings, mut marks) =
        normalise::readings(json::list(value, "transactionData"), 0, listener.received, &SPELLING);
    marks.extend(mark);
    let register = register_wh(value, "meterStop");
    if register.is_none() || transaction.is_empty() {
        marks.push(Mark::BadShape);
    }
    let event = ChargeEvent {
        reference: ChargeReference::Issued(transaction.clone()),
        stage: Stage::End,
        at: at.map_or(listener.received.0, |at| at.0),
        connector: None,
        // The card that stops need not be the one that started; the charge belongs to the latter.
        vehicle: None,
        register_wh: register,
        registers: registers(&readings),
        reason: json::text(value, "reason"),
        circumstances: Circumstances::default(),
    };
    let connector_of = Some(transaction);
    Heard { time: at, readings, marks, connector_of, ..Heard::plain(Meaning::Charge(event)) }
}

fn meter_values(listener: &Listener<'_>) -> Heard {
    let value = listener.value;
    let connector = json::number_u32(value, "connectorId");
    let meter_values = json::list(value, "meterValue");
    let (readings, mut marks) =
        normalise::readings(meter_values, connector.unwrap_or(0), listener.received, &SPELLING);
    if connector.is_none() || meter_values.is_empty() {
        marks.push(Mark::BadShape);
    }
    let transaction = json::identifier(value, "transactionId");
    let at_an_end = readings
        .iter()
        .any(|r| matches!(r.context, ReadingContext::TransactionBegin | ReadingContext::TransactionEnd));
    let time = readings.iter().find_map(|reading| reading.device_time);
    let meaning = match &transaction {
        // The main meter (connector 0) is a series of its own, never part of a charge.
        Some(transaction) if at_an_end && connector != Some(0) => Meaning::Charge(ChargeEvent {
            reference: ChargeReference::Issued(transaction.clone()),
            stage: Stage::Progress,
            at: time.map_or(listener.received.0, |at| at.0),
            connector,
            vehicle: None,
            register_wh: None,
            registers: registers(&readings),
            reason: None,
            circumstances: Circumstances::default(),
        }),
        _ => Meaning::Samples,
    };
    let connector_of = if connector.is_none() { transaction.clone() } else { None };
    Heard { time, readings, marks, meaning, connector_of, transaction }
}
