//! Reads whole numbers inside tagged data.
//!
//! Tagged enums are read through a buffer, and where JSON numbers keep all their digits, as other crates of this program ask for,
//! the buffer holds a number as its text: a plain `u64` no longer reads there. Used as `#[serde(deserialize_with)]` on every whole
//! number of such an enum; written they are numbers as ever.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Number;

/// Reads a whole number, however the reader holds it.
pub(crate) fn read<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: Display,
{
    let number = Number::deserialize(deserializer)?;
    number.to_string().parse().map_err(|error| D::Error::custom(format!("{number}: {error}")))
}
