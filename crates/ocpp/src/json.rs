//! Looking into JSON that may have any shape: every getter answers none rather than fail.

use serde_json::Value;

/// A member's text: a string's content or a number's digits as sent; none for anything else or an empty string.
pub(crate) fn text(object: &Value, key: &str) -> Option<String> {
    scalar(object.get(key)?).map(|(text, _)| text).filter(|text| !text.trim().is_empty())
}

/// A scalar's text, and whether it was sent as a number.
pub(crate) fn scalar(value: &Value) -> Option<(String, bool)> {
    match value {
        Value::String(text) => Some((text.clone(), false)),
        Value::Number(number) => Some((number.to_string(), true)),
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
