//! What a field of a call may hold: lengths, ranges, shapes. Each check gives the JSON value or the field's name.

use jiff::Timestamp;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::{Value, json};

use super::CallError;

/// Largest whole number: OCPP's integers have 32 bits and a sign.
pub(crate) const NUMBER_MAX: u32 = i32::MAX as u32;

/// Least important severity of a monitor (OCPP 2.0.1 part 2, SetMonitoringLevel).
const SEVERITY_MAX: u8 = 9;

/// Most significant digits that a number keeps on its way through a JSON reader that thinks in binary.
const DIGITS_MAX: usize = 15;

pub(super) fn text(field: &'static str, text: &str, chars_max: usize) -> Result<Value, CallError> {
    if text.chars().count() > chars_max {
        Err(CallError::TooLong { field, chars_max })
    } else {
        Ok(json!(text))
    }
}

/// A text that must not be empty.
pub(super) fn name(field: &'static str, name: &str, chars_max: usize) -> Result<Value, CallError> {
    if name.is_empty() {
        Err(CallError::Field { field, why: "is empty" })
    } else {
        text(field, name, chars_max)
    }
}

pub(super) fn url(url: &str, chars_max: usize) -> Result<Value, CallError> {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let in_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let is_url = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(in_scheme)
        && !rest.is_empty()
        && rest.chars().all(|c| c.is_ascii_graphic());
    if is_url {
        text("url", url, chars_max)
    } else {
        Err(CallError::Field { field: "url", why: "is no address (scheme://…)" })
    }
}

pub(super) fn number(field: &'static str, number: u32) -> Result<Value, CallError> {
    if number <= NUMBER_MAX {
        Ok(json!(number))
    } else {
        Err(CallError::Field { field, why: "exceeds 2147483647" })
    }
}

/// A connector of its own, not the whole station.
pub(super) fn one_connector(connector: u32) -> Result<Value, CallError> {
    if connector == 0 {
        return Err(CallError::Field { field: "connector", why: "is 0, the whole station" });
    }
    number("connector", connector)
}

pub(super) fn severity(severity: u8) -> Result<Value, CallError> {
    if severity <= SEVERITY_MAX {
        Ok(json!(severity))
    } else {
        Err(CallError::Field { field: "severity", why: "exceeds 9" })
    }
}

pub(super) fn phases(phases: u8) -> Result<Value, CallError> {
    if (1..=3).contains(&phases) {
        Ok(json!(phases))
    } else {
        Err(CallError::Field { field: "phases", why: "are 1 to 3" })
    }
}

/// A decimal as a JSON number that says the same.
pub(super) fn decimal(field: &'static str, decimal: Decimal) -> Result<Value, CallError> {
    let decimal = decimal.normalize();
    let digits = decimal.mantissa().unsigned_abs().to_string().len();
    let number = decimal.to_i64().filter(|_| decimal.scale() == 0).map(Value::from);
    let number = number.or_else(|| decimal.to_f64().map(Value::from));
    number.filter(|_| digits <= DIGITS_MAX).ok_or(CallError::Field { field, why: "has more than 15 digits" })
}

/// A load point: not negative.
pub(super) fn load(limit: Decimal) -> Result<Value, CallError> {
    if limit.is_sign_negative() && !limit.is_zero() {
        return Err(CallError::Field { field: "limit", why: "is negative" });
    }
    decimal("limit", limit.abs())
}

/// RFC 3339 with milliseconds and `Z`, as OCPP examples write it.
pub(super) fn time(time: Timestamp) -> Value {
    json!(crate::time::millis(time))
}

/// An object of the members that are there.
pub(super) fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let members = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(members.collect())
}
