//! Any text as a frame: opened, heard in every version, answered, cleaned of cards.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use veripile_fuzz::{identity_key, received};
use veripile_ocpp::answer::{self, Refusal};
use veripile_ocpp::{Frame, Version, hear};

/// Actions whose payload is understood; the fuzzer's own is heard besides.
const ACTIONS: [&str; 6] = [
    "BootNotification",
    "StatusNotification",
    "StartTransaction",
    "StopTransaction",
    "TransactionEvent",
    "MeterValues",
];

/// Names whose value is a card or a vehicle.
const CARDS: [&str; 4] = ["idTag", "idToken", "vin", "evccId"];

fuzz_target!(|text: &str| {
    no_card_stays(text);
    match Frame::open(text) {
        Ok(Frame::Call { id, action, payload, .. }) => {
            assert!(text.contains(payload.get()), "the payload is a piece of the frame");
            assert!(!payload.get().is_empty() && id.chars().count() <= 128 && action.chars().count() <= 64);
            for version in Version::ALL {
                heard(version, &action, &id, payload.get());
                for action in ACTIONS {
                    heard(version, action, &id, payload.get());
                }
            }
        }
        Ok(Frame::Result { payload, .. }) => {
            assert!(text.contains(payload.get()), "the payload is a piece of the frame");
        }
        Ok(Frame::Error { .. }) => {}
        Err(error) => assert!(!error.reason.is_empty()),
    }
});

/// Hears a call; each answer to it is a frame under its id.
fn heard(version: Version, action: &str, id: &str, payload: &str) {
    let heard = hear(version, action, id, payload, received(), &identity_key());
    let longest = heard.readings.iter().map(|reading| reading.value.len()).max().unwrap_or(0);
    assert!(longest <= payload.len(), "a reading says no more than was sent");
    let result = answer::result(version, action, id, None, received().0);
    assert!(
        matches!(Frame::open(&result), Ok(Frame::Result { id: answered, .. }) if answered == id),
        "{result}"
    );
    let error = answer::error(version, Some(id), Refusal::Format, payload);
    assert!(
        matches!(Frame::open(&error), Ok(Frame::Error { id: answered, .. }) if answered == id),
        "{error}"
    );
}

/// JSON stays JSON, and no card is left in it.
fn no_card_stays(text: &str) {
    let clean = identity_key().without_identities(text);
    if serde_json::from_str::<Value>(text).is_err() {
        return;
    }
    let clean: Value = serde_json::from_str(&clean).expect("JSON stays JSON");
    assert!(is_free_of_cards(&clean), "{clean}");
}

fn is_free_of_cards(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.iter().all(|(name, value)| {
            let is_hidden = match value {
                Value::String(text) => text.len() == 33 && text.starts_with('#'),
                Value::Number(_) => false,
                _ => true,
            };
            (is_hidden || !CARDS.contains(&name.as_str())) && is_free_of_cards(value)
        }),
        Value::Array(elements) => elements.iter().all(is_free_of_cards),
        _ => true,
    }
}
