//! OCPI's charge detail records, received: signed values in them are checked as at `/check`, and what names a driver is not kept.
//!
//! Kept are the fields that OCPI defines, without token, contract, reference of the authorization and remark; of signed values their
//! SHA-256, since they may name a card. Extension: what is read back has `veripile`, the verdicts.

use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use veripile_ocpp::signed::arrived::{self, Judged};
use veripile_ocpp::signed::{Layer, Outcome, Verdict, pair};
use veripile_pile::SignedValue;
use veripile_store::ocpi::{Cdr, Kept};

use super::{Body, Refusal, Registered, answer, base, body};
use crate::Site;
use crate::check;

/// Signed values checked of one record; a charge has two, and perhaps one every quarter of an hour.
const VALUES_MAX: usize = 100;

/// Longest identifier of a record: OCPI's 36 and what a credit appends.
const ID_CHARS_MAX: usize = 39;

/// What OCPI 2.2.1 defines, but for what names a driver or may.
const KEPT: [&str; 27] = [
    "country_code",
    "party_id",
    "id",
    "start_date_time",
    "end_date_time",
    "session_id",
    "cdr_token",
    "auth_method",
    "cdr_location",
    "meter_id",
    "currency",
    "tariffs",
    "charging_periods",
    "signed_data",
    "total_cost",
    "total_fixed_cost",
    "total_energy",
    "total_energy_cost",
    "total_time",
    "total_time_cost",
    "total_parking_time",
    "total_parking_cost",
    "total_reservation_cost",
    "credit",
    "credit_reference_id",
    "home_charging_compensation",
    "last_updated",
];

/// What must be there.
const NEEDED: [&str; 13] = [
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
];

/// POST `/ocpi/2.2.1/cdrs`.
pub(crate) async fn post(
    Registered(party): Registered,
    request: HttpRequest,
    site: web::Data<Site>,
    bytes: Body,
) -> Result<HttpResponse, Refusal> {
    let Value::Object(mut given) = body(bytes)? else {
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
    let checked = checked(&site, &given).await?;
    without_driver(&mut given);
    let cdr = Cdr {
        owner: format!("{country}*{owner}").to_uppercase(),
        cdr_id,
        body: Value::Object(given).to_string(),
        checked: checked.to_string(),
    };
    let kept = site.store.keep_ocpi_cdr(&party.name, &cdr, Timestamp::now()).await?;
    // A repeated request is answered as the first; the record stays as it was.
    let (Kept::New(reference) | Kept::Known(reference)) = kept;
    let mut response = answer(&json!({ "veripile": checked }));
    let address = format!("{}/ocpi/2.2.1/cdrs/{reference}", base(&request, &site));
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
    let (body, checked) = found.ok_or_else(|| Refusal::missing(2000, "you have sent no such record"))?;
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let mut told = read(&body);
    told["veripile"] = read(&checked);
    Ok(answer(&told))
}

/// What is to be thought of the signed values: each by itself, the first and the last together, and whether the bill says the same.
async fn checked(site: &Site, cdr: &Map<String, Value>) -> Result<Value, Refusal> {
    let values = signed_values(cdr)?;
    let uid = cdr["cdr_location"]["evse_uid"].as_str();
    let pile_no = match uid {
        Some(uid) => site.store.ocpi_pile(uid).await?,
        None => None,
    };
    let known = match pile_no {
        Some(pile_no) => site.store.meter_keys(pile_no).await?,
        None => Vec::new(),
    };
    let mut judged = Vec::with_capacity(values.len());
    for (nature, value) in values {
        // Keys of the pile, as for what it sends itself; else those of the meter that the record names.
        let one = arrived::judge(&value, &known);
        let is_checked = one.key_source.is_some_and(|source| source != veripile_pile::KeySource::Message);
        let one = if is_checked { one } else { check::judge_by_serial(&site.store, &value).await? };
        judged.push((nature, one));
    }
    let records = judged.iter().map(|(nature, one)| told(nature, one));
    let energy_wh = energy_wh(&judged);
    let billed_wh = cdr["total_energy"]
        .to_string()
        .parse::<Decimal>()
        .ok()
        .and_then(|kwh| kwh.checked_mul(Decimal::ONE_THOUSAND));
    Ok(json!({
        "pile_known": pile_no.is_some(),
        "records": records.collect::<Vec<_>>(),
        "signed_energy_kwh": energy_wh.map(|wh| (wh / Decimal::ONE_THOUSAND).normalize().to_string()),
        // Digit by digit: what is signed is what is to be billed.
        "billed_as_signed": energy_wh.zip(billed_wh).map(|(signed, billed)| signed == billed),
    }))
}

/// Signed values with their natures (`Start`, `End`, `Intermediate`).
fn signed_values(cdr: &Map<String, Value>) -> Result<Vec<(String, SignedValue)>, Refusal> {
    let Some(signed) = cdr.get("signed_data").filter(|signed| !signed.is_null()) else {
        return Ok(Vec::new());
    };
    let values = signed["signed_values"].as_array().filter(|values| values.len() <= VALUES_MAX);
    let values = values.ok_or_else(|| {
        Refusal::invalid(format!("signed_data.signed_values: expected a list of up to {VALUES_MAX}"))
    })?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let one = |value: &Value| {
        let data = text(&value["signed_data"])
            .ok_or_else(|| Refusal::invalid("signed_data.signed_values: signed_data is missing"))?;
        let value_told = SignedValue {
            data,
            encoding_method: text(&signed["encoding_method"]),
            public_key: text(&signed["public_key"]).filter(|key| !key.is_empty()),
        };
        Ok((text(&value["nature"]).unwrap_or_default().chars().take(32).collect(), value_told))
    };
    values.iter().map(one).collect()
}

/// A verdict in words and codes; details of findings may quote a card.
fn told(nature: &str, judged: &Judged) -> Value {
    let layer = |layer: &Layer| json!({ "outcome": layer.outcome, "findings": layer.findings.iter().map(|finding| &finding.code).collect::<Vec<_>>() });
    let layers = &judged.checked.layers;
    json!({
        "nature": nature,
        "verdict": check::word(&judged.checked),
        "billable": judged.checked.billable,
        "key_from": judged.key_source.map(veripile_pile::KeySource::word),
        "layers": {
            "syntax": layer(&layers.syntax), "signature": layer(&layers.signature),
            "key": layer(&layers.key), "transaction": layer(&layers.transaction),
        },
    })
}

/// Energy that is signed, Wh: of one record with both ends, or of the first and the last with one reading each.
fn energy_wh(judged: &[(String, Judged)]) -> Option<Decimal> {
    let whole = |judged: &Judged| {
        let readings = &judged.checked.readings;
        let is_good = judged.checked.verdict == Verdict::Valid
            && judged.checked.layers.transaction.outcome == Outcome::Ok;
        let (first, last) = (readings.first()?.energy_wh()?, readings.last()?.energy_wh()?);
        (is_good && readings.len() > 1).then(|| last.checked_sub(first)).flatten()
    };
    match judged {
        [.., (_, last)] if last.checked.readings.len() > 1 => whole(last),
        [(_, first), .., (_, last)] => pair::join(&first.checked, &last.checked).energy_wh,
        _ => None,
    }
}

/// Takes away what names a driver, or may.
fn without_driver(cdr: &mut Map<String, Value>) {
    // Whose token it was names a business; the kind of token is one of four words.
    let token = cdr.get("cdr_token").cloned().unwrap_or_default();
    let code = |name: &str| token[name].as_str().filter(|code| code.len() <= 3).map(str::to_owned);
    let kind = token["type"].as_str().filter(|kind| ["AD_HOC_USER", "APP_USER", "RFID"].contains(kind));
    let token = json!({
        "country_code": code("country_code"), "party_id": code("party_id"), "uid": "removed",
        "type": kind.unwrap_or("OTHER"), "contract_id": "removed",
    });
    cdr.retain(|name, _| KEPT.contains(&name.as_str()));
    cdr.insert("cdr_token".to_owned(), token);
    let Some(signed) = cdr.get_mut("signed_data") else { return };
    let hashed = |value: &Value| {
        let hash = value["signed_data"].as_str().map(|data| hex::encode(Sha256::digest(data)));
        json!({ "nature": value["nature"], "plain_data": "removed", "signed_data": hash.map(|hash| format!("sha256:{hash}")) })
    };
    let values: Vec<Value> = signed["signed_values"].as_array().into_iter().flatten().map(hashed).collect();
    *signed = json!({ "encoding_method": signed["encoding_method"], "public_key": signed["public_key"], "signed_values": values });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_names_a_driver_is_kept() {
        let cdr = json!({
            "id": "1", "cdr_token": { "uid": "CARD", "type": "RFID", "contract_id": "CONTRACT" }, "remark": "DRIVER",
            "authorization_reference": "REFERENCE", "driver": "DRIVER", "total_energy": 12.5,
            "signed_data": { "encoding_method": "OCMF", "public_key": "KEY", "url": "https://DRIVER",
                             "signed_values": [{ "nature": "End", "plain_data": "CARD", "signed_data": "OCMF|CARD" }] },
        });
        let Value::Object(mut cdr) = cdr else { unreachable!("an object") };
        without_driver(&mut cdr);
        let kept = Value::Object(cdr).to_string();
        for word in ["CARD", "CONTRACT", "DRIVER", "REFERENCE"] {
            assert!(!kept.contains(word), "{kept}");
        }
        assert!(kept.contains("12.5") && kept.contains("sha256:"));
    }
}
