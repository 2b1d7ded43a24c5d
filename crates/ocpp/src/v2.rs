//! OCPP 2.0.1 and 2.1: what their calls mean.
//!
//! Called by [`crate::hear`]. The metering messages are read tolerantly here; every other payload is only checked against its
//! type ([`crate::typed`]), and a mismatch is a mark. Which actions there are is said in [`crate::action`].

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::Value;
use veripile_pile::Mark;
use veripile_pile::charge::{ChargeEvent, ChargeReference, Circumstances, Stage};

use crate::hear::{BootIdentity, Heard, Listener, Meaning, PlugStatus, registers};
use crate::normalise::{self, Spelling};
use crate::{Version, action, configuration, json, time};

const SPELLING: Spelling = Spelling {
    values_are_text: false,
    unit: |sample| {
        let measure = sample.get("unitOfMeasure").unwrap_or(&Value::Null);
        (json::text(measure, "unit"), multiplier(measure))
    },
    signed: |sample| normalise::signed_value(sample.get("signedMeterValue")?),
};

/// The power of ten of a unit. One that is there and no whole number is beyond all powers, so that the value is none.
fn multiplier(measure: &Value) -> i64 {
    match measure.get("multiplier") {
        None | Some(Value::Null) => 0,
        Some(sent) => {
            let number = json::scalar(sent).and_then(|(text, _)| normalise::decimal(&text));
            number.filter(Decimal::is_integer).and_then(|number| number.to_i64()).unwrap_or(i64::MAX)
        }
    }
}

pub(crate) fn hear(version: Version, action: &str, listener: &Listener<'_>) -> Heard {
    match (action::does(version, action), action) {
        (None, _) => Heard::plain(Meaning::Unknown),
        (Some(does), _) if !does.is_for_us() => Heard::plain(Meaning::NotForUs),
        (_, "BootNotification") => boot(version, listener),
        (_, "StatusNotification") => status(version, listener),
        (_, "TransactionEvent") => transaction(listener),
        (_, "MeterValues") => meter_values(listener),
        (_, "NotifyReport") => report(version, listener),
        (_, "NotifyEvent") => event(version, listener),
        _ => listener.typed(version, action),
    }
}

fn boot(version: Version, listener: &Listener<'_>) -> Heard {
    let station = listener.value.get("chargingStation").unwrap_or(&Value::Null);
    let identity = BootIdentity {
        vendor: json::text(station, "vendorName"),
        model: json::text(station, "model"),
        firmware: json::text(station, "firmwareVersion"),
        meter_type: None,
        meter_serial: None,
    };
    Heard { meaning: Meaning::Boot(identity), ..listener.typed(version, "BootNotification") }
}

/// A report of the device model: in 2.x the only place where the meter's serial number stands.
fn report(version: Version, listener: &Listener<'_>) -> Heard {
    let meter = configuration::meter_in(&configuration::entries_of(listener.value));
    let meaning = meter.map_or(Meaning::Other, Meaning::Meter);
    Heard { meaning, ..listener.typed(version, "NotifyReport") }
}

/// Events of the device model: in 2.1 AvailabilityState tells what StatusNotification told before (2.1 part 2, G01). What is said of
/// an EVSE stands before what is said of its plugs, which is more exact.
fn event(version: Version, listener: &Listener<'_>) -> Heard {
    let mut told: Vec<PlugStatus> =
        json::list(listener.value, "eventData").iter().filter_map(availability).collect();
    let heard = listener.typed(version, "NotifyEvent");
    if told.is_empty() {
        return heard;
    }
    told.sort_by_key(|status| status.plug);
    let (time, mark) = time::read(json::text(listener.value, "generatedAt").as_deref(), listener.received);
    let mut heard = Heard { time, meaning: Meaning::Status(told), ..heard };
    heard.marks.extend(mark);
    heard
}

fn availability(data: &Value) -> Option<PlugStatus> {
    let name = |part: &str| json::text(data.get(part)?, "name");
    if !name("variable")?.eq_ignore_ascii_case("AvailabilityState") {
        return None;
    }
    let evse = data.get("component").and_then(|component| component.get("evse")).unwrap_or(&Value::Null);
    let number = |key: &str| json::number_u32(evse, key).unwrap_or(0);
    let word = json::text(data, "actualValue")?;
    match name("component")?.to_ascii_lowercase().as_str() {
        "chargingstation" => Some(PlugStatus { connector: 0, plug: 0, word }),
        "evse" => Some(PlugStatus { connector: number("id"), plug: 0, word }),
        "connector" => Some(PlugStatus { connector: number("id"), plug: number("connectorId"), word }),
        _ => None,
    }
}

fn status(version: Version, listener: &Listener<'_>) -> Heard {
    let connector = json::number_u32(listener.value, "evseId").unwrap_or(0);
    let word = json::text(listener.value, "connectorStatus");
    let (at, mark) = time::read(json::text(listener.value, "timestamp").as_deref(), listener.received);
    let plug = json::number_u32(listener.value, "connectorId").unwrap_or(0);
    let meaning =
        word.map_or(Meaning::Other, |word| Meaning::Status(vec![PlugStatus { connector, plug, word }]));
    let mut heard = Heard { time: at, meaning, ..listener.typed(version, "StatusNotification") };
    if matches!(heard.meaning, Meaning::Other) && heard.marks.is_empty() {
        heard.marks.push(Mark::BadShape);
    }
    heard.marks.extend(mark);
    heard
}

fn transaction(listener: &Listener<'_>) -> Heard {
    let value = listener.value;
    let (at, mark) = time::read(json::text(value, "timestamp").as_deref(), listener.received);
    let info = value.get("transactionInfo").unwrap_or(&Value::Null);
    let evse = value.get("evse").and_then(|evse| json::number_u32(evse, "id"));
    let (readings, mut marks) =
        normalise::readings(json::list(value, "meterValue"), evse.unwrap_or(0), listener.received, &SPELLING);
    marks.extend(mark);
    if !json::has(value, "triggerReason") || !json::has(value, "seqNo") {
        marks.push(Mark::BadShape);
    }
    let stage = match json::text(value, "eventType").as_deref() {
        Some("Started") => Stage::Begin,
        Some("Updated") => Stage::Progress,
        Some("Ended") => Stage::End,
        _ => {
            marks.push(Mark::BadShape);
            Stage::Progress
        }
    };
    let Some(reference) = json::identifier(info, "transactionId") else {
        marks.push(Mark::NoTransaction);
        return Heard { time: at, readings, marks, ..Heard::plain(Meaning::Samples) };
    };
    let card = value.get("idToken").and_then(|token| json::text(token, "idToken"));
    let event = ChargeEvent {
        reference: ChargeReference::Named(reference.clone()),
        stage,
        at: at.map_or(listener.received.0, |at| at.0),
        connector: evse,
        // The card that ends a charge need not be the one that began it.
        vehicle: card
            .filter(|_| stage != Stage::End && !stops(value))
            .map(|card| listener.key.vehicle(&card)),
        register_wh: None,
        registers: registers(&readings),
        reason: json::text(info, "stoppedReason"),
        circumstances: Circumstances {
            sequence: json::number_u32(value, "seqNo"),
            offline: value.get("offline").and_then(json::truth).unwrap_or(false),
            ..Circumstances::default()
        },
    };
    let connector_of = if evse.is_none() { Some(reference) } else { None };
    Heard { time: at, readings, marks, connector_of, ..Heard::plain(Meaning::Charge(event)) }
}

/// Whether a message says that somebody wants the charge to end.
fn stops(value: &Value) -> bool {
    let trigger = json::text(value, "triggerReason");
    matches!(trigger.as_deref(), Some("StopAuthorized" | "Deauthorized" | "RemoteStop" | "AbnormalCondition"))
}

fn meter_values(listener: &Listener<'_>) -> Heard {
    let evse = json::number_u32(listener.value, "evseId");
    let meter_values = json::list(listener.value, "meterValue");
    let (readings, mut marks) =
        normalise::readings(meter_values, evse.unwrap_or(0), listener.received, &SPELLING);
    if evse.is_none() || meter_values.is_empty() {
        marks.push(Mark::BadShape);
    }
    let time = readings.iter().find_map(|reading| reading.device_time);
    Heard { time, readings, marks, ..Heard::plain(Meaning::Samples) }
}
