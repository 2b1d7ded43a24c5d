//! Canonical JSON (RFC 8785): one text for one content, so that a signature can be checked after any re-formatting.
//!
//! Documents hold texts, whole numbers, booleans, lists and objects with ASCII names; every other number is a decimal in a text.
//! For those the canonical form is: names sorted, no blanks, the shortest escapes.
//!
//! Called by [`crate::certificate`] for what is signed and by [`crate::result`] for the seed of a load point. It never judges.

use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// A document as a value.
pub(crate) fn value(document: &impl Serialize) -> Value {
    serde_json::to_value(document).expect("documents have text keys and no maps that could fail")
}

/// The canonical text of a value.
pub(crate) fn text(value: &Value) -> String {
    serde_json::to_string(&sorted(value)).expect("a value is JSON")
}

/// Names sorted by their code units, which is by their bytes as long as they are ASCII. Whether the library keeps the order of
/// insertion depends on features that other crates may switch on; here it is made to not matter.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let mut names: Vec<&String> = object.keys().collect();
            names.sort_by(|a, b| a.encode_utf16().cmp(b.encode_utf16()));
            let mut map = Map::new();
            for name in names {
                map.insert(name.clone(), sorted(&object[name]));
            }
            Value::Object(map)
        }
        Value::Array(list) => Value::Array(list.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

/// Reads a text. Refused is, besides what is no JSON, an object that has a name twice: readers differ in which they believe.
pub(crate) fn read(text: &str) -> Result<Value, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let (written, read) = (names_in(text), names_of(&value));
    if written == read {
        Ok(value)
    } else {
        Err(format!("{} names stand twice in an object", written.abs_diff(read)))
    }
}

/// How many names of objects stand in a JSON text: strings with a colon behind them.
fn names_in(text: &str) -> usize {
    let (mut names, mut is_text, mut is_escaped, mut ends_text) = (0, false, false, false);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        match (is_text, byte) {
            (true, _) if is_escaped => is_escaped = false,
            (true, b'\\') => is_escaped = true,
            (true, b'"') => (is_text, ends_text) = (false, true),
            (true, _) => {}
            (false, b'"') => is_text = true,
            (false, b':') if ends_text => (names, ends_text) = (names + 1, false),
            (false, _) => ends_text = false,
        }
    }
    names
}

fn names_of(value: &Value) -> usize {
    match value {
        Value::Object(object) => object.len() + object.values().map(names_of).sum::<usize>(),
        Value::Array(list) => list.iter().map(names_of).sum(),
        _ => 0,
    }
}

/// SHA-256, hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 8785, section 3.2.2 and its appendix on strings: the escapes; and names in order.
    #[test]
    fn names_are_sorted_and_strings_escaped_as_the_rfc_has_it() {
        let value: Value = serde_json::from_str(
            r#"{"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","b":[1,{"z":true,"a":null}]}"#,
        )
        .expect("JSON");
        assert_eq!(text(&value), r#"{"b":[1,{"a":null,"z":true}],"string":"€$\u000f\nA'B\"\\\\\"/"}"#);
    }

    // SHA-256 of "abc", FIPS 180-4.
    #[test]
    fn the_hash_is_sha_256() {
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
