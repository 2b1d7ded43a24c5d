//! Looking into JSON that may have any shape: every getter answers none rather than fail.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// A member's text: a string's content or a number's digits as sent; none for anything else or an empty string.
pub(crate) fn text(object: &Value, key: &str) -> Option<String> {
    scalar(object.get(key)?).map(|(text, _)| text).filter(|text| !text.trim().is_empty())
}

/// Whether a member is there as text or number, empty or not.
pub(crate) fn has(object: &Value, key: &str) -> bool {
    object.get(key).and_then(scalar).is_some()
}

/// Longest identifier kept whole; OCPP allows 36 characters.
const IDENTIFIER_CHARS_MAX: usize = 128;

/// A member that identifies something. One far too long becomes its beginning and a digest of the whole, so that it stays
/// one of its own and fits an index.
pub(crate) fn identifier(object: &Value, key: &str) -> Option<String> {
    let text = text(object, key)?;
    let Some((cut, _)) = text.char_indices().nth(IDENTIFIER_CHARS_MAX) else { return Some(text) };
    Some(format!("{}#{}", &text[..cut], hex::encode(&Sha256::digest(&text)[..16])))
}

/// A scalar's text, and whether it was sent as a number.
pub(crate) fn scalar(value: &Value) -> Option<(String, bool)> {
    match value {
        Value::String(text) => Some((text.clone(), false)),
        Value::Number(number) => Some((number.to_string(), true)),
        _ => None,
    }
}

/// A truth value, also if sent as text.
pub(crate) fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) => text.trim().to_lowercase().parse().ok(),
        _ => None,
    }
}

/// A member that should be an array: its elements, or the member itself where a charger left the brackets out.
pub(crate) fn list<'a>(object: &'a Value, key: &str) -> &'a [Value] {
    match object.get(key) {
        Some(Value::Array(elements)) => elements,
        Some(value @ Value::Object(_)) => std::slice::from_ref(value),
        _ => &[],
    }
}

/// A member that is a small unsigned number, also if sent as text.
pub(crate) fn number_u32(object: &Value, key: &str) -> Option<u32> {
    text(object, key)?.trim().parse().ok()
}
