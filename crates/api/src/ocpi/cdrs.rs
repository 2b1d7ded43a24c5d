//! OCPI's charge detail records, received: signed values in them are checked (`values`), and what names a driver is not kept.
//!
//! What is of another kind than OCPI says is refused by the name of its field, and nothing of the record is taken: a part left out in silence
//! would be another bill. Kept are the fields that OCPI defines (`shape`), without token, contract, reference of the authorization and remark, and without the
//! place where it is a home; of signed values their SHA-256, since they may name a card. Extension: what is read back has `veripile`, the
//! verdicts. A record cannot be changed (OCPI asks for a credit): of two under one identifier the first stands, and whoever sent the second
//! is told so.

use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use veripile_store::ocpi::Cdr;

use super::shape::{self, Shape};
use super::{Body, Refusal, Registered, answer, base, body, values};
use crate::Site;

/// Bytes kept of a record, verdicts included. A day of periods and signed values of a quarter of an hour each takes some 60 kB.
const KEPT_BYTES_MAX: usize = 128 << 10;

/// Longest identifier of a record: OCPI's 36 and what a credit appends.
const ID_CHARS_MAX: usize = 39;

/// What of a location says where a driver lives.
const HOME: [&str; 6] = ["name", "address", "city", "postal_code", "state", "coordinates"];

/// What must be there.
const NEEDED: [&str; 14] = [
    "country_code",
    "party_id",
    "id",
    "start_date_time",
    "end_date_time",
    "cdr_token",
    "auth_method",
    "cdr_location",
    "currency",
    "charging_periods",
    "total_cost",
    "total_energy",
    "total_time",
    "last_updated",
];

/// POST `/ocpi/2.2.1/cdrs`.
pub(crate) async fn post(
    Registered(party): Registered,
    request: HttpRequest,
    site: web::Data<Site>,
    bytes: Body,
) -> Result<HttpResponse, Refusal> {
    let Value::Object(given) = body(bytes)? else {
        return Err(Refusal::invalid("expected a CDR object"));
    };
    if let Some(name) = NEEDED.into_iter().find(|name| given.get(*name).is_none_or(Value::is_null)) {
        return Err(Refusal::invalid(format!("{name} is missing")));
    }
    let text = |name: &str, chars: usize| {
        let text = given[name].as_str().filter(|text| !text.is_empty() && text.chars().count() <= chars);
        text.map(str::to_owned)
            .ok_or_else(|| Refusal::invalid(format!("{name}: expected a text of up to {chars} characters")))
    };
    let (country, owner, cdr_id) =
        (text("country_code", 2)?, text("party_id", 3)?, text("id", ID_CHARS_MAX)?);
    let as_text = shape::look(&given)
        .map_err(|wrong| Refusal::invalid(format!("{wrong}; nothing of this record was taken")))?;
    let (mut checked, records) = values::checked(&site, &given).await?;
    checked["numbers_as_text"] = as_text.into();
    let cdr = Cdr {
        owner: format!("{country}*{owner}").to_uppercase(),
        cdr_id,
        body: Value::Object(without_driver(&given)).to_string(),
        checked: checked.to_string(),
        records,
        credits: credited(&given),
    };
    let kept = match bounded(&cdr) {
        Ok(()) => site.store.keep_ocpi_cdr(&party.name, &cdr, Timestamp::now()).await?,
        // One that was kept before there was this bound stands, and is answered as it was.
        Err(too_much) => site.store.same_ocpi_cdr(&party.name, &cdr).await?.ok_or(too_much)?,
    };
    // A repeated request is answered as the first. Of another record the verdict is not told: what stands is the first.
    let told = json!({ "veripile": values::told(&site.store, &kept).await? });
    let mut response = if kept.body == cdr.body { answer(&told) } else { Refusal::another().with(&told) };
    let address = format!("{}/ocpi/2.2.1/cdrs/{}", base(&request, &site), kept.reference);
    if let Ok(address) = address.parse() {
        response.headers_mut().insert(LOCATION, address);
    }
    Ok(response)
}

/// GET `/ocpi/2.2.1/cdrs/{reference}`.
pub(crate) async fn get(
    Registered(party): Registered,
    site: web::Data<Site>,
    reference: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    let found = site.store.ocpi_cdr(&party.name, &reference).await?;
    let kept = found.ok_or_else(|| Refusal::missing(2000, "you have sent no such record"))?;
    let mut told = read(&kept.body);
    told["veripile"] = values::told(&site.store, &kept).await?;
    told["veripile"]["other_records"] = kept.others.into();
    Ok(answer(&told))
}

/// The identifier of the record that one takes back, none of one that takes nothing back.
fn credited(given: &Map<String, Value>) -> Option<String> {
    let is_credit = given.get("credit") == Some(&Value::Bool(true));
    let id = given.get("credit_reference_id").and_then(Value::as_str).unwrap_or_default();
    is_credit.then(|| id.to_owned())
}

/// No record is cut: one that takes too much is not kept.
fn bounded(cdr: &Cdr) -> Result<(), Refusal> {
    if cdr.bytes() <= KEPT_BYTES_MAX {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "of this record {} bytes would be kept, verdicts on signed values included, and {KEPT_BYTES_MAX} are at most: join \
         charging_periods that have the same tariff, and leave out tariffs that no period names",
        cdr.bytes()
    )))
}

/// What is kept as JSON.
fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

/// A record without what names a driver, or may: where somebody charged at home, its place too.
fn without_driver(given: &Map<String, Value>) -> Map<String, Value> {
    // Whose token it was names a business; the kind of token is one of four words.
    let token = given.get("cdr_token").cloned().unwrap_or_default();
    let code = |name: &str| token[name].as_str().filter(|code| code.len() <= 3).map(str::to_owned);
    let kind = token["type"].as_str().filter(|kind| ["AD_HOC_USER", "APP_USER", "RFID"].contains(kind));
    let token = json!({
        "country_code": code("country_code"), "party_id": code("party_id"), "uid": "removed",
        "type": kind.unwrap_or("OTHER"), "contract_id": "removed",
    });
    let mut cdr = shape::fields_kept(given, shape::CDR);
    cdr.insert("cdr_token".to_owned(), token);
    let is_home =
        !matches!(given.get("home_charging_compensation"), None | Some(Value::Null | Value::Bool(false)));
    if is_home && let Some(Value::Object(location)) = cdr.get_mut("cdr_location") {
        location.retain(|name, _| !HOME.contains(&name.as_str()));
        // OCPI demands these; 0, 0 is no place.
        location.insert("address".to_owned(), "removed".into());
        location.insert("city".to_owned(), "removed".into());
        location.insert("coordinates".to_owned(), json!({ "latitude": "0.000000", "longitude": "0.000000" }));
    }
    if let Some(Value::Object(signed)) = given.get("signed_data") {
        let values: Vec<Value> =
            signed.get("signed_values").and_then(Value::as_array).into_iter().flatten().map(hashed).collect();
        let mut signed = shape::fields_kept(signed, shape::SIGNED);
        signed.insert("signed_values".to_owned(), values.into());
        cdr.insert("signed_data".to_owned(), signed.into());
    }
    cdr
}

/// A signed value by its hash.
fn hashed(value: &Value) -> Value {
    let hash = value["signed_data"].as_str().map(|data| hex::encode(Sha256::digest(data)));
    json!({
        "nature": shape::kept(&value["nature"], &Shape::Text(values::NATURE_CHARS_MAX)), "plain_data": "removed",
        "signed_data": hash.map(|hash| format!("sha256:{hash}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_takes_too_much_is_refused_and_says_why() {
        let of = |bytes: usize| {
            bounded(&Cdr {
                owner: String::new(),
                cdr_id: String::new(),
                body: "x".repeat(bytes - 2),
                checked: "{}".to_owned(),
                records: Vec::new(),
                credits: None,
            })
        };
        assert!(of(KEPT_BYTES_MAX).is_ok());
        let why = of(KEPT_BYTES_MAX + 1).expect_err("too much").to_string();
        assert!(
            why.starts_with("2001: ") && why.contains("131073") && why.contains("charging_periods"),
            "{why}"
        );
    }

    #[test]
    fn nothing_that_names_a_driver_is_kept() {
        let cdr = json!({
            "id": "1", "cdr_token": { "uid": "CARD", "type": "RFID", "contract_id": "CONTRACT" }, "remark": "DRIVER",
            "authorization_reference": "REFERENCE", "driver": "DRIVER", "total_energy": 12.5,
            "signed_data": { "encoding_method": "OCMF", "public_key": "KEY", "url": "https://DRIVER",
                             "signed_values": [{ "nature": "End", "plain_data": "CARD", "signed_data": "OCMF|CARD" }] },
        });
        let Value::Object(cdr) = cdr else { unreachable!("an object") };
        let kept = Value::Object(without_driver(&cdr)).to_string();
        for word in ["CARD", "CONTRACT", "DRIVER", "REFERENCE"] {
            assert!(!kept.contains(word), "{kept}");
        }
        assert!(kept.contains("12.5") && kept.contains("sha256:"));
    }
    /// What OCPI does not name is left out at every depth, and so is what is of another kind than it says.
    #[test]
    fn nothing_unnamed_is_kept_within_and_no_home() {
        let cdr = |is_home: Value| {
            let given = json!({
                "id": "1", "session_id": { "driver": "DRIVER" }, "currency": "CNY", "home_charging_compensation": is_home,
                "cdr_location": {
                    "id": "L1", "name": "NAME", "address": "ADDRESS", "city": "CITY", "postal_code": "214000", "state": "STATE",
                    "country": "CHN", "coordinates": { "latitude": "31.600000", "longitude": "120.300000", "of": "DRIVER" },
                    "evse_uid": "E1", "driver_phone": "DRIVER", "connector_id": ["DRIVER"],
                },
                "charging_periods": [{
                    "start_date_time": "2026-03-01T00:00:00Z", "driver": "DRIVER", "tariff_id": "T1",
                    "dimensions": [{ "type": "ENERGY", "volume": 20.25, "by": "DRIVER" }, "DRIVER"],
                }],
                "tariffs": [{
                    "id": "T1", "agreed_with": "DRIVER", "min_price": { "excl_vat": 0.5, "for": "DRIVER" },
                    "elements": [{ "price_components": [{ "type": "ENERGY", "price": 0.8, "step_size": 1, "for": "DRIVER" }],
                                   "restrictions": { "day_of_week": ["MONDAY", { "of": "DRIVER" }], "card": "DRIVER" } }],
                }],
                "total_cost": { "excl_vat": 30.5, "paid_by": "DRIVER" }, "total_energy": "20.25", "total_time": "DRIVER",
                "signed_data": {
                    "encoding_method": { "of": "DRIVER" }, "public_key": "DRIVER".repeat(100),
                    "signed_values": [{ "nature": { "of": "DRIVER" }, "signed_data": "OCMF|" }],
                },
            });
            let Value::Object(given) = given else { unreachable!("an object") };
            Value::Object(without_driver(&given))
        };
        let kept = cdr(json!(false));
        assert!(!kept.to_string().contains("DRIVER"), "{kept}");
        assert_eq!(kept["cdr_location"]["address"], "ADDRESS");
        assert_eq!(
            kept["cdr_location"]["coordinates"],
            json!({ "latitude": "31.600000", "longitude": "120.300000" })
        );
        let period = json!({ "start_date_time": "2026-03-01T00:00:00Z", "tariff_id": "T1",
            "dimensions": [{ "type": "ENERGY", "volume": 20.25 }] });
        assert_eq!(kept["charging_periods"], json!([period]));
        let tariff = json!({ "id": "T1", "min_price": { "excl_vat": 0.5 },
            "elements": [{ "price_components": [{ "type": "ENERGY", "price": 0.8, "step_size": 1 }],
                           "restrictions": { "day_of_week": ["MONDAY"] } }] });
        assert_eq!(kept["tariffs"], json!([tariff]));
        assert_eq!(
            (&kept["total_cost"], &kept["total_energy"]),
            (&json!({ "excl_vat": 30.5 }), &json!("20.25"))
        );
        for is_home in [json!(true), json!("true")] {
            let kept = cdr(is_home).to_string();
            for word in ["NAME", "ADDRESS", "CITY", "214000", "STATE", "31.6", "120.3"] {
                assert!(!kept.contains(word), "{word}: {kept}");
            }
            assert!(kept.contains("E1") && kept.contains("CHN"), "{kept}");
        }
    }
}
