//! Which parts of a charge detail record are kept: those that OCPI 2.2.1 names, at every depth, as numbers, moments and texts of its lengths.
//! Anything else may name a driver. And whether what it names is there as it says, and can be together.
//!
//! Called by [`super::cdrs`], which knows what is kept of a token, and of signed data. Never looks at what a text says that is no moment and
//! none of a few words.

use rust_decimal::Decimal;
use serde_json::{Map, Value};

use super::page;

/// The fields of an object, each with what may stand there.
pub(super) type Fields = &'static [(&'static str, Shape)];

/// What may stand in a place.
pub(super) enum Shape {
    /// A text of so many characters at most; printable, as OCPI has all of its texts.
    Text(usize),
    /// One of these words.
    Word(&'static [&'static str]),
    /// A moment in RFC 3339, its zone left out if one likes.
    Moment,
    /// A number, also as text.
    Number,
    Flag,
    List(&'static Shape),
    Object(Fields),
}

/// Longest moment: RFC 3339 with a fraction and an offset.
const MOMENT_CHARS_MAX: usize = 40;

/// Numbers told as text that are named of one record.
const AS_TEXT_MAX: usize = 20;

/// How somebody was known: OCPI 2.2.1, 10.4.1.
const AUTH_METHODS: &[&str] = &["AUTH_REQUEST", "COMMAND", "WHITELIST"];

/// Names and kinds, from OCPI's lists and of its own.
const WORD: Shape = Shape::Text(36);

const PRICE: Shape = Shape::Object(&[("excl_vat", Shape::Number), ("incl_vat", Shape::Number)]);

const LOCATION: Shape = Shape::Object(&[
    ("id", WORD),
    ("name", Shape::Text(255)),
    ("address", Shape::Text(45)),
    ("city", Shape::Text(45)),
    ("postal_code", Shape::Text(10)),
    ("state", Shape::Text(20)),
    ("country", Shape::Text(3)),
    ("coordinates", Shape::Object(&[("latitude", Shape::Text(11)), ("longitude", Shape::Text(12))])),
    ("evse_uid", WORD),
    ("evse_id", Shape::Text(48)),
    ("connector_id", WORD),
    ("connector_standard", WORD),
    ("connector_format", WORD),
    ("connector_power_type", WORD),
]);

const PERIOD: Shape = Shape::Object(&[
    ("start_date_time", Shape::Moment),
    ("dimensions", Shape::List(&Shape::Object(&[("type", WORD), ("volume", Shape::Number)]))),
    ("tariff_id", WORD),
]);

const RESTRICTIONS: Shape = Shape::Object(&[
    ("start_time", Shape::Text(5)),
    ("end_time", Shape::Text(5)),
    ("start_date", Shape::Text(10)),
    ("end_date", Shape::Text(10)),
    ("min_kwh", Shape::Number),
    ("max_kwh", Shape::Number),
    ("min_current", Shape::Number),
    ("max_current", Shape::Number),
    ("min_power", Shape::Number),
    ("max_power", Shape::Number),
    ("min_duration", Shape::Number),
    ("max_duration", Shape::Number),
    ("day_of_week", Shape::List(&WORD)),
    ("reservation", WORD),
]);

const ELEMENT: Shape = Shape::Object(&[
    (
        "price_components",
        Shape::List(&Shape::Object(&[
            ("type", WORD),
            ("price", Shape::Number),
            ("vat", Shape::Number),
            ("step_size", Shape::Number),
        ])),
    ),
    ("restrictions", RESTRICTIONS),
]);

const ENERGY_MIX: Shape = Shape::Object(&[
    ("is_green_energy", Shape::Flag),
    ("energy_sources", Shape::List(&Shape::Object(&[("source", WORD), ("percentage", Shape::Number)]))),
    ("environ_impact", Shape::List(&Shape::Object(&[("category", WORD), ("amount", Shape::Number)]))),
    ("supplier_name", Shape::Text(64)),
    ("energy_product_name", Shape::Text(64)),
]);

const TARIFF: Shape = Shape::Object(&[
    ("country_code", Shape::Text(2)),
    ("party_id", Shape::Text(3)),
    ("id", WORD),
    ("currency", Shape::Text(3)),
    ("type", WORD),
    (
        "tariff_alt_text",
        Shape::List(&Shape::Object(&[("language", Shape::Text(2)), ("text", Shape::Text(512))])),
    ),
    ("tariff_alt_url", Shape::Text(255)),
    ("min_price", PRICE),
    ("max_price", PRICE),
    ("elements", Shape::List(&ELEMENT)),
    ("start_date_time", Shape::Moment),
    ("end_date_time", Shape::Moment),
    ("energy_mix", ENERGY_MIX),
    ("last_updated", Shape::Moment),
]);

/// A record without token, contract, reference of the authorization, remark, invoice and signed data.
pub(super) const CDR: Fields = &[
    ("country_code", Shape::Text(2)),
    ("party_id", Shape::Text(3)),
    ("id", Shape::Text(39)),
    ("start_date_time", Shape::Moment),
    ("end_date_time", Shape::Moment),
    ("session_id", WORD),
    ("auth_method", Shape::Word(AUTH_METHODS)),
    ("cdr_location", LOCATION),
    ("meter_id", Shape::Text(255)),
    ("currency", Shape::Text(3)),
    ("tariffs", Shape::List(&TARIFF)),
    ("charging_periods", Shape::List(&PERIOD)),
    ("total_cost", PRICE),
    ("total_fixed_cost", PRICE),
    ("total_energy", Shape::Number),
    ("total_energy_cost", PRICE),
    ("total_time", Shape::Number),
    ("total_time_cost", PRICE),
    ("total_parking_time", Shape::Number),
    ("total_parking_cost", PRICE),
    ("total_reservation_cost", PRICE),
    ("credit", Shape::Flag),
    ("credit_reference_id", Shape::Text(39)),
    ("home_charging_compensation", Shape::Flag),
    ("last_updated", Shape::Moment),
];

/// Signed data without their values.
pub(super) const SIGNED: Fields = &[
    ("encoding_method", WORD),
    ("encoding_method_version", Shape::Number),
    ("public_key", Shape::Text(512)),
];

/// What stands beside those and is looked at as well, though little of it is kept.
const BESIDE: Fields = &[
    (
        "cdr_token",
        Shape::Object(&[
            ("country_code", Shape::Text(2)),
            ("party_id", Shape::Text(3)),
            ("uid", WORD),
            ("type", WORD),
            ("contract_id", WORD),
        ]),
    ),
    ("signed_data", Shape::Object(&[])),
];

/// Says where a record is not as OCPI has it, the first place, or what of it cannot be together; else which numbers it tells as text. What is
/// not there, or null, is not looked at, nor what OCPI does not name.
pub(super) fn look(cdr: &Map<String, Value>) -> Result<Vec<String>, String> {
    let mut as_text = Vec::new();
    for fields in [CDR, BESIDE] {
        look_at("", cdr, fields, &mut as_text)?;
    }
    can_be(cdr)?;
    Ok(as_text)
}

/// A charge has a period, does not end before it begins, and takes no energy back. A credit's amounts are negative, as OCPI asks of its cost
/// and some write all of it.
fn can_be(cdr: &Map<String, Value>) -> Result<(), String> {
    if cdr.get("charging_periods").and_then(Value::as_array).is_some_and(Vec::is_empty) {
        return Err("charging_periods: expected one at least".to_owned());
    }
    let moment = |name: &str| cdr.get(name).and_then(Value::as_str).and_then(page::moment_read);
    if moment("start_date_time").zip(moment("end_date_time")).is_some_and(|(start, end)| end < start) {
        return Err("end_date_time: expected no moment before start_date_time".to_owned());
    }
    let is_below_zero = match cdr.get("total_energy") {
        Some(Value::Number(kwh)) => kwh.as_f64().is_some_and(|kwh| kwh < 0.0),
        Some(Value::String(kwh)) => kwh.parse::<Decimal>().is_ok_and(|kwh| kwh < Decimal::ZERO),
        _ => false,
    };
    if is_below_zero && cdr.get("credit") != Some(&Value::Bool(true)) {
        return Err("total_energy: expected a number not below 0".to_owned());
    }
    Ok(())
}

fn look_at(
    at: &str,
    given: &Map<String, Value>,
    fields: Fields,
    as_text: &mut Vec<String>,
) -> Result<(), String> {
    for (name, shape) in fields {
        if let Some(value) = given.get(*name).filter(|value| !value.is_null()) {
            let at = if at.is_empty() { (*name).to_owned() } else { format!("{at}.{name}") };
            fits(&at, value, shape, as_text)?;
        }
    }
    Ok(())
}

fn fits(at: &str, value: &Value, shape: &Shape, as_text: &mut Vec<String>) -> Result<(), String> {
    let expected = match (shape, value) {
        (Shape::Object(fields), Value::Object(given)) => return look_at(at, given, fields, as_text),
        (Shape::List(each), Value::Array(items)) => {
            let mut items = items.iter().enumerate();
            return items.try_for_each(|(n, item)| fits(&format!("{at}[{n}]"), item, each, as_text));
        }
        // `kept` does not ask: a public key, at which nobody looks here, may be in lines (PEM).
        (Shape::Text(most), Value::String(text)) if text.contains(char::is_control) => {
            format!("a text of up to {most} characters, all of them printable")
        }
        _ if kept(value, shape).is_some() => {
            if matches!((shape, value), (Shape::Number, Value::String(_))) && as_text.len() < AS_TEXT_MAX {
                as_text.push(at.to_owned());
            }
            return Ok(());
        }
        (Shape::Text(most), _) => format!("a text of up to {most} characters"),
        (Shape::Word(words), _) => words.join(", "),
        (Shape::Moment, _) => "a moment as 2019-01-28T12:00:00Z".to_owned(),
        (Shape::Number, _) => "a number".to_owned(),
        (Shape::Flag, _) => "true or false".to_owned(),
        (Shape::List(_), _) => "a list".to_owned(),
        (Shape::Object(_), _) => "an object".to_owned(),
    };
    Err(format!("{at}: expected {expected}"))
}

/// The fields of an object that are as they may be.
pub(super) fn fields_kept(given: &Map<String, Value>, fields: Fields) -> Map<String, Value> {
    let one =
        |(name, shape): &(&'static str, Shape)| Some(((*name).to_owned(), kept(given.get(*name)?, shape)?));
    fields.iter().filter_map(one).collect()
}

/// What of a value is as it may be; none where it is something else.
pub(super) fn kept(value: &Value, shape: &Shape) -> Option<Value> {
    match (shape, value) {
        (Shape::Text(most), Value::String(text)) => (text.chars().count() <= *most).then(|| value.clone()),
        (Shape::Word(words), Value::String(text)) => words.contains(&text.as_str()).then(|| value.clone()),
        (Shape::Moment, Value::String(text)) => {
            let is_one = text.len() <= MOMENT_CHARS_MAX && page::moment_read(text).is_some();
            is_one.then(|| value.clone())
        }
        (Shape::Number, Value::Number(_)) | (Shape::Flag, Value::Bool(_)) => Some(value.clone()),
        (Shape::Number, Value::String(text)) => text.parse::<Decimal>().is_ok().then(|| value.clone()),
        (Shape::List(each), Value::Array(items)) => {
            Some(Value::Array(items.iter().filter_map(|item| kept(item, each)).collect()))
        }
        (Shape::Object(fields), Value::Object(given)) => Some(Value::Object(fields_kept(given, fields))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn looked(given: &Value) -> Result<Vec<String>, String> {
        look(given.as_object().expect("an object"))
    }

    #[test]
    fn what_is_of_another_kind_is_named() {
        for (given, expected) in [
            (json!({ "start_date_time": "yesterday" }), "start_date_time: expected a moment"),
            (json!({ "end_date_time": {} }), "end_date_time: expected a moment"),
            (json!({ "currency": {} }), "currency: expected a text of up to 3"),
            (json!({ "currency": "EURO" }), "currency: expected a text of up to 3"),
            (json!({ "total_energy": "abc" }), "total_energy: expected a number"),
            (json!({ "total_energy": true }), "total_energy: expected a number"),
            (json!({ "charging_periods": "x" }), "charging_periods: expected a list"),
            (json!({ "charging_periods": [{}, "x"] }), "charging_periods[1]: expected an object"),
            (json!({ "charging_periods": [null] }), "charging_periods[0]: expected an object"),
            (
                json!({ "charging_periods": [{ "dimensions": [{ "type": "ENERGY", "volume": [] }] }] }),
                "charging_periods[0].dimensions[0].volume: expected a number",
            ),
            (
                json!({ "cdr_location": { "address": "x".repeat(46) } }),
                "cdr_location.address: expected a text",
            ),
            (json!({ "cdr_location": "x" }), "cdr_location: expected an object"),
            (json!({ "cdr_token": { "uid": 1 } }), "cdr_token.uid: expected a text"),
            (json!({ "credit": "true" }), "credit: expected true or false"),
            (json!({ "signed_data": "x" }), "signed_data: expected an object"),
            (json!({ "auth_method": "FOO" }), "auth_method: expected AUTH_REQUEST, COMMAND, WHITELIST"),
            (json!({ "auth_method": "whitelist" }), "auth_method: expected AUTH_REQUEST"),
            (json!({ "charging_periods": [] }), "charging_periods: expected one at least"),
            (json!({ "id": "a\0" }), "id: expected a text of up to 39 characters, all of them printable"),
            (json!({ "id": "a\nb" }), "id: expected a text of up to 39 characters, all of them printable"),
            (json!({ "cdr_location": { "evse_uid": "\u{7f}" } }), "cdr_location.evse_uid: expected a text"),
            (
                json!({ "start_date_time": "2026-01-01T01:00:00Z", "end_date_time": "2026-01-01T08:59:59+08:00" }),
                "end_date_time: expected no moment before start_date_time",
            ),
            (json!({ "total_energy": -1 }), "total_energy: expected a number not below 0"),
            (json!({ "total_energy": "-0.001" }), "total_energy: expected a number not below 0"),
        ] {
            let wrong = looked(&given).expect_err("of another kind");
            assert!(wrong.starts_with(expected), "{given}: {wrong}");
        }
    }

    #[test]
    fn what_is_absent_null_or_unnamed_is_no_fault_and_a_number_may_be_text() {
        let good = json!({
            "start_date_time": "2026-01-01T00:00:00", "end_date_time": "2026-01-01T09:00:00.5+08:00", "currency": null, "remark": 7,
            "total_energy": "20.25", "total_cost": { "excl_vat": "1.5", "incl_vat": 2, "other": [] }, "tariffs": [],
        });
        let as_text: Vec<String> = ["total_cost.excl_vat", "total_energy"].map(str::to_owned).into();
        assert_eq!(looked(&good), Ok(as_text));
    }

    #[test]
    fn what_just_can_be_is_no_fault() {
        let moment = "2026-01-01T01:00:00Z";
        for good in [
            json!({ "start_date_time": moment, "end_date_time": moment, "total_energy": 0, "charging_periods": [{}] }),
            json!({ "total_energy": -20.25, "credit": true, "auth_method": "COMMAND" }),
            json!({ "total_energy": "-0", "cdr_location": { "name": "无锡站 é 🚗" } }),
        ] {
            assert!(looked(&good).is_ok(), "{good}: {:?}", looked(&good));
        }
    }
}
