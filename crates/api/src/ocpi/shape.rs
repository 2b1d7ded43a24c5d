//! Which parts of a charge detail record are kept: those that OCPI 2.2.1 names, at every depth, as numbers and as texts of its lengths.
//! Anything else may name a driver.
//!
//! Called by [`super::cdrs`], which knows token and signed data; both are not here. Never looks at what a text says.

use rust_decimal::Decimal;
use serde_json::{Map, Value};

/// The fields of an object, each with what may stand there.
pub(super) type Fields = &'static [(&'static str, Shape)];

/// What may stand in a place.
pub(super) enum Shape {
    /// A text of so many characters at most.
    Text(usize),
    /// A number, also as text.
    Number,
    Flag,
    List(&'static Shape),
    Object(Fields),
}

/// Longest moment: RFC 3339 with a fraction and an offset.
const MOMENT: Shape = Shape::Text(40);

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
    ("start_date_time", MOMENT),
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
    ("start_date_time", MOMENT),
    ("end_date_time", MOMENT),
    ("energy_mix", ENERGY_MIX),
    ("last_updated", MOMENT),
]);

/// A record without token, contract, reference of the authorization, remark, invoice and signed data.
pub(super) const CDR: Fields = &[
    ("country_code", Shape::Text(2)),
    ("party_id", Shape::Text(3)),
    ("id", Shape::Text(39)),
    ("start_date_time", MOMENT),
    ("end_date_time", MOMENT),
    ("session_id", WORD),
    ("auth_method", WORD),
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
    ("last_updated", MOMENT),
];

/// Signed data without their values.
pub(super) const SIGNED: Fields = &[
    ("encoding_method", WORD),
    ("encoding_method_version", Shape::Number),
    ("public_key", Shape::Text(512)),
];

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
        (Shape::Number, Value::Number(_)) | (Shape::Flag, Value::Bool(_)) => Some(value.clone()),
        (Shape::Number, Value::String(text)) => text.parse::<Decimal>().is_ok().then(|| value.clone()),
        (Shape::List(each), Value::Array(items)) => {
            Some(Value::Array(items.iter().filter_map(|item| kept(item, each)).collect()))
        }
        (Shape::Object(fields), Value::Object(given)) => Some(Value::Object(fields_kept(given, fields))),
        _ => None,
    }
}
