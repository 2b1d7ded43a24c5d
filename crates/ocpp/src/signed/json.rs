//! JSON of signed records, read strictly: a name that stands twice in an object makes the record ambiguous, and numbers keep
//! their text.
//!
//! Called by the formats. A lenient reader would take one of two values, and which one depends on the library.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

/// How deep objects may lie in each other; signed records have three levels.
const DEPTH_MAX: usize = 16;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    /// `null`, `true`, `false` or a number, as written.
    Literal(String),
    /// A string, unescaped.
    Text(String),
    /// An array.
    Array(Vec<Json>),
    /// An object, in the order of its members.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads a value.
    pub(super) fn read(raw: &RawValue) -> Result<Self, String> {
        read(raw, 0)
    }

    /// A member of an object.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.iter().find(|(known, _)| known == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// A string, or a number's text.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Literal(text) if !matches!(text.as_str(), "null" | "true" | "false") => Some(text),
            _ => None,
        }
    }
}

fn read(raw: &RawValue, depth: usize) -> Result<Json, String> {
    if depth == DEPTH_MAX {
        return Err(format!("more than {DEPTH_MAX} levels"));
    }
    let text = raw.get();
    let fail = |error: serde_json::Error| error.to_string();
    Ok(match text.as_bytes().first() {
        Some(b'{') => {
            let Members(members) = serde_json::from_str(text).map_err(fail)?;
            let mut object = Vec::with_capacity(members.len());
            for (name, value) in members {
                object.push((name, read(value, depth + 1)?));
            }
            Json::Object(object)
        }
        Some(b'[') => {
            let elements: Vec<&RawValue> = serde_json::from_str(text).map_err(fail)?;
            Json::Array(
                elements.into_iter().map(|element| read(element, depth + 1)).collect::<Result<_, _>>()?,
            )
        }
        Some(b'"') => Json::Text(serde_json::from_str(text).map_err(fail)?),
        _ => Json::Literal(text.to_owned()),
    })
}

/// Members of an object, each name once.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut members, mut names) = (Vec::new(), HashSet::new());
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    if !names.insert(name.clone()) {
                        return Err(A::Error::custom(format!("`{name}` stands twice")));
                    }
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Each)
    }
}
