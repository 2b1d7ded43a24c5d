//! OCPI's charge detail records, received: signed values in them are checked as at `/check`, and what names a driver is not kept.
//!
//! Kept are the fields that OCPI defines (`shape`), without token, contract, reference of the authorization and remark, and without the
//! place where it is a home; of signed values their SHA-256, since they may name a card. Extension: what is read back has `veripile`, the
//! verdicts. A record cannot be changed (OCPI asks for a credit): of two under one identifier the first stands, and whoever sent the second
//! is told so.

use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use veripile_ocpp::signed::arrived::{self, Judged, Written};
use veripile_ocpp::signed::billed::Billed;
use veripile_ocpp::signed::{Layer, Moment, Outcome, Verdict, pair};
use veripile_pile::{KeySource, MeterKey, SignedValue};
use veripile_store::Store;
use veripile_store::ocpi::{Cdr, NamedPile};

use super::shape::{self, Shape};
use super::{Body, Refusal, Registered, answer, base, body};
use crate::Site;
use crate::check;
use crate::problem::Problem;

/// Signed values checked of one record; a charge has two, and perhaps one every quarter of an hour.
const VALUES_MAX: usize = 100;

/// Bytes kept of a record, verdicts included. A day of periods and signed values of a quarter of an hour each takes some 60 kB.
const KEPT_BYTES_MAX: usize = 128 << 10;

/// Longest identifier of a record: OCPI's 36 and what a credit appends.
const ID_CHARS_MAX: usize = 39;

/// Longest nature of a signed value.
const NATURE_CHARS_MAX: usize = 32;

/// What of a location says where a driver lives.
const HOME: [&str; 6] = ["name", "address", "city", "postal_code", "state", "coordinates"];

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
    let checked = checked(&site, &given).await?;
    let cdr = Cdr {
        owner: format!("{country}*{owner}").to_uppercase(),
        cdr_id,
        body: Value::Object(without_driver(&given)).to_string(),
        checked: checked.to_string(),
    };
    let kept = match bounded(&cdr) {
        Ok(()) => site.store.keep_ocpi_cdr(&party.name, &cdr, Timestamp::now()).await?,
        // One that was kept before there was this bound stands, and is answered as it was.
        Err(too_much) => site.store.same_ocpi_cdr(&party.name, &cdr).await?.ok_or(too_much)?,
    };
    // A repeated request is answered as the first. Of another record the verdict is not told: what stands is the first.
    let told = json!({ "veripile": verdicts(&kept.checked) });
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
    told["veripile"] = verdicts(&kept.checked);
    told["veripile"]["other_records"] = kept.others.into();
    Ok(answer(&told))
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

/// Verdicts as kept; of records of before, too, with what the register answered where it was asked.
fn verdicts(kept: &str) -> Value {
    let mut told = read(kept);
    let is_pile_s = told["pile_known"] == true;
    for record in told.get_mut("records").and_then(Value::as_array_mut).into_iter().flatten() {
        let source = record["key_from"].as_str().and_then(KeySource::from_word);
        // Of no pile, and with no key, nobody knows any more whether the record named a meter that could be asked for.
        if !is_pile_s && matches!(source, None | Some(KeySource::Message)) {
            continue;
        }
        let Some(key) = record.pointer_mut("/layers/key") else { continue };
        let has_failed = key["outcome"] == "failed";
        let Some(findings) = key.get_mut("findings").and_then(Value::as_array_mut) else { continue };
        findings.retain_mut(|code| match check::answer(source, has_failed) {
            _ if *code != check::NOT_ASKED => true,
            Some(answer) => {
                *code = answer.into();
                true
            }
            None => false,
        });
    }
    told
}

/// What is to be thought of the signed values: each by itself, the first and the last together, and whether the bill says the same.
async fn checked(site: &Site, cdr: &Map<String, Value>) -> Result<Value, Refusal> {
    let values = signed_values(cdr)?;
    let pile_no = pile_of(&site.store, cdr).await?;
    let known = match pile_no {
        Some(pile_no) => site.store.meter_keys(pile_no).await?,
        None => Vec::new(),
    };
    let (natures, values): (Vec<String>, Vec<SignedValue>) = values.into_iter().unzip();
    // Keys of the pile, as for what it sends itself; else those of the meter that the record names.
    let (mut judged, others) = judge_aside(values, known).await?;
    let (places, others): (Vec<usize>, Vec<_>) = others.into_iter().unzip();
    for (place, one) in places.into_iter().zip(check::judge_all(&site.store, others).await?) {
        // A key that is registered for the very meter outweighs any other of the pile; what a record brings along outweighs none, and where the
        // register was asked for the pile, that stays said.
        if one.key_source == Some(KeySource::Register) || pile_no.is_none() {
            judged[place] = one;
        }
    }
    let judged: Vec<(String, Judged)> = natures.into_iter().zip(judged).collect();
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

/// The pile at which a record says the charge was: by the EVSE's identifier for people, which operators' lists name piles by, else by the
/// one of a party's own, of which others may have the same.
async fn pile_of(store: &Store, cdr: &Map<String, Value>) -> Result<Option<i64>, Refusal> {
    let location = &cdr["cdr_location"];
    for (name, is_unique) in [("evse_id", true), ("evse_uid", false)] {
        let Some(id) = location[name].as_str().filter(|id| !id.is_empty()) else { continue };
        if let Some(pile) = store.ocpi_pile(id).await?
            && may_be_of(&pile, cdr, is_unique)
        {
            return Ok(Some(pile.pile_no));
        }
    }
    Ok(None)
}

/// Whether a pile may be the one that a record is of: one of its party. Where nobody knows which party an operator is, the place must be
/// the same, unless its identifier is nobody else's.
fn may_be_of(pile: &NamedPile, cdr: &Map<String, Value>, is_unique: bool) -> bool {
    let party = pile.operator_id.as_deref().and_then(party);
    match party {
        Some((country, party)) => {
            let is = |name: &str, code: &str| {
                cdr[name].as_str().is_some_and(|told| told.eq_ignore_ascii_case(code))
            };
            is("country_code", country) && is("party_id", party)
        }
        None => is_unique || pile.location_id.as_deref() == cdr["cdr_location"]["id"].as_str(),
    }
}

/// Country and party of an operator that came with its Locations (`CN-ABC`); none of any other.
fn party(operator_id: &str) -> Option<(&str, &str)> {
    let (country, party) = operator_id.split_once('-')?;
    let is_code = |code: &str, chars: usize, is_fit: fn(&char) -> bool| {
        code.len() == chars && code.chars().all(|char| is_fit(&char))
    };
    let is_party =
        is_code(country, 2, char::is_ascii_alphabetic) && is_code(party, 3, char::is_ascii_alphanumeric);
    is_party.then_some((country, party))
}

/// Values as judged, and those of which a key that is registered for their meter may say more, each with its place.
type JudgedAside = (Vec<Judged>, Vec<(usize, (SignedValue, Written))>);

/// Judges values with the keys of a pile, where nobody else's request waits: there may be a hundred signatures.
async fn judge_aside(values: Vec<SignedValue>, known: Vec<MeterKey>) -> Result<JudgedAside, Problem> {
    let judge = move || {
        let judged: Vec<Judged> = values.iter().map(|value| arrived::judge(value, &known)).collect();
        // Only a good signature by a registered key, of no other meter, leaves nothing to ask.
        let is_other = |place: usize| {
            let checked = &judged[place].checked;
            checked.verdict != Verdict::Valid || checked.layers.key.outcome != Outcome::Ok
        };
        let others = values.into_iter().map(|value| (value, Written::default())).enumerate();
        let others = others.filter(|(place, _)| is_other(*place)).collect();
        (judged, others)
    };
    web::block(judge).await.map_err(|error| check::given_up(&error))
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
        Ok((text(&value["nature"]).unwrap_or_default().chars().take(NATURE_CHARS_MAX).collect(), value_told))
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
        "key_from": judged.key_source.map(KeySource::word),
        "layers": {
            "syntax": layer(&layers.syntax), "signature": layer(&layers.signature),
            "key": layer(&layers.key), "transaction": layer(&layers.transaction),
        },
    })
}

/// Energy that is signed, Wh: of the billed register of one record with both ends, or of two with one each. Which end a record tells it says
/// itself, signed; where it does not, its nature does.
fn energy_wh(judged: &[(String, Judged)]) -> Option<Decimal> {
    let of = |end: Moment| move |one: &&(String, Judged)| end_told(one) == Some(end);
    let end = judged.iter().rev().find(of(Moment::End)).or(judged.last())?;
    let checked = &end.1.checked;
    if Billed::of(&checked.readings).is_some_and(|billed| billed.ends().is_some()) {
        let is_good = checked.verdict == Verdict::Valid && checked.layers.transaction.outcome == Outcome::Ok;
        return checked.energy_wh().filter(|_| is_good);
    }
    let is_another = |one: &&(String, Judged)| !std::ptr::eq(*one, end);
    let begin = judged.iter().find(of(Moment::Begin)).or_else(|| judged.iter().find(is_another))?;
    let (begin, end) = pair::begin_first(&begin.1.checked, checked);
    pair::join(begin, end).energy_wh
}

/// Which end of the charge a record tells.
fn end_told((nature, judged): &(String, Judged)) -> Option<Moment> {
    let words = [("Start", Moment::Begin), ("End", Moment::End)];
    let by_nature =
        || words.into_iter().find(|(word, _)| nature.eq_ignore_ascii_case(word)).map(|(_, end)| end);
    pair::end_of(&judged.checked).or_else(by_nature)
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
        "nature": shape::kept(&value["nature"], &Shape::Text(NATURE_CHARS_MAX)), "plain_data": "removed",
        "signed_data": hash.map(|hash| format!("sha256:{hash}")),
    })
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn values_are_judged_where_nobody_elses_request_waits() {
        let value = |data: String| SignedValue { data, encoding_method: None, public_key: None };
        let values = || (0..VALUES_MAX).map(|n| value(format!("OCMF|{n}"))).collect::<Vec<_>>();
        // What is made within the request is made at the first look.
        assert!(judge_aside(values(), Vec::new()).now_or_never().is_none());
        let (judged, others) = judge_aside(values(), Vec::new()).await.expect("judged");
        let expected: Vec<Judged> = values().iter().map(|value| arrived::judge(value, &[])).collect();
        assert_eq!(
            judged.iter().map(as_told).collect::<Vec<_>>(),
            expected.iter().map(as_told).collect::<Vec<_>>()
        );
        let others: Vec<_> = others.into_iter().map(|(place, (value, _))| (place, value)).collect();
        assert_eq!(others, values().into_iter().enumerate().collect::<Vec<_>>(), "no key is for them");
    }

    fn as_told(judged: &Judged) -> Value {
        told("End", judged)
    }

    #[test]
    fn verdicts_of_before_tell_what_the_register_answered() {
        let check =
            |is_pile_s: bool, source: Option<&str>, outcome: &str, codes: &[&str], expected: &[&str]| {
                let key = json!({ "outcome": outcome, "findings": codes });
                let record = json!({ "key_from": source, "layers": { "key": key } });
                let kept = json!({ "pile_known": is_pile_s, "records": [record] }).to_string();
                let told = verdicts(&kept);
                assert_eq!(
                    told["records"][0]["layers"]["key"]["findings"],
                    json!(expected),
                    "{source:?} {codes:?}"
                );
            };
        check(true, Some("register"), "ok", &["no_register"], &["key_registered"]);
        check(true, Some("register"), "failed", &["no_register", "serial_differs"], &["serial_differs"]);
        check(true, Some("first_use"), "not_checked", &["no_register"], &["not_registered"]);
        check(true, Some("message"), "not_checked", &["no_register"], &["not_registered"]);
        check(false, Some("register"), "ok", &["no_register"], &["key_registered"]);
        check(false, Some("message"), "not_checked", &["no_register"], &["no_register"]);
        check(true, None, "failed", &["no_key", "not_registered"], &["no_key", "not_registered"]);
        assert_eq!(verdicts("not JSON"), Value::Null);
    }

    #[test]
    fn signed_energy_is_of_one_register() {
        let time = "2026-03-01T08:00:00,000+0800 S";
        let row = |tx: &str, obis: &str, register: i64| json!({ "TM": time, "TX": tx, "RV": register, "RI": obis, "RU": "kWh", "ST": "G", "EF": "" });
        let rows = [
            row("B", "1-b:1.8.0", 100),
            row("B", "1-b:2.8.0", 5),
            row("E", "1-b:1.8.0", 110),
            row("E", "1-b:2.8.0", 5),
        ];
        let of = |rows: &[Value]| {
            let payload = json!({ "FV": "1.0", "MS": "S", "RD": rows });
            let data = format!(r#"OCMF|{payload}|{{"SD":"00"}}"#);
            let mut judged =
                arrived::judge(&SignedValue { data, encoding_method: None, public_key: None }, &[]);
            judged.checked.verdict = Verdict::Valid;
            energy_wh(&[("End".to_owned(), judged)])
        };
        assert_eq!(of(&rows), Some(10_000.into()));
        assert_eq!(of(&[rows[0].clone(), rows[3].clone()]), None, "one register at each end");
    }

    /// A record with a reading of import and one of export at each moment that it tells.
    fn of_two_registers(page: u32, rows: &[(&str, i64)]) -> Judged {
        let time = "2026-03-01T08:00:00,000+0800 S";
        let row = |tx: &str, obis: &str, register: i64| json!({ "TM": time, "TX": tx, "RV": register, "RI": obis, "RU": "kWh", "ST": "G", "EF": "" });
        let rows: Vec<Value> = rows
            .iter()
            .flat_map(|(tx, register)| [row(tx, "1-b:2.8.0", 5), row(tx, "1-b:1.8.0", *register)])
            .collect();
        let payload = json!({ "FV": "1.0", "PG": format!("T{page}"), "MS": "S", "ID": "C", "RD": rows });
        let data = format!(r#"OCMF|{payload}|{{"SD":"00"}}"#);
        let mut judged = arrived::judge(&SignedValue { data, encoding_method: None, public_key: None }, &[]);
        judged.checked.verdict = Verdict::Valid;
        judged
    }

    #[test]
    fn signed_energy_is_from_the_begin_to_the_end_whatever_order_they_stand_in() {
        let one = |nature: &str, judged: &Judged| (nature.to_owned(), judged.clone());
        let (begin, end) = (of_two_registers(1, &[("B", 100)]), of_two_registers(2, &[("E", 110)]));
        let (during, whole) =
            (of_two_registers(3, &[("C", 104)]), of_two_registers(4, &[("B", 100), ("E", 110)]));
        let [start, stop, between] = [one("Start", &begin), one("End", &end), one("Intermediate", &during)];
        let total = one("End", &whole);
        for values in [
            vec![start.clone(), stop.clone()],
            vec![stop.clone(), start.clone()],
            vec![between.clone(), stop.clone(), start.clone()],
            // What is signed counts, not what stands beside it.
            vec![one("End", &begin), one("Start", &end)],
            vec![one("", &end), one("", &begin)],
            vec![total.clone()],
            vec![start.clone(), total.clone()],
            vec![total.clone(), start.clone()],
        ] {
            let natures: Vec<&str> = values.iter().map(|(nature, _)| nature.as_str()).collect();
            assert_eq!(energy_wh(&values), Some(10_000.into()), "{natures:?}");
        }
        for values in
            [vec![start.clone()], vec![stop.clone()], vec![start.clone(), start], vec![between], vec![]]
        {
            assert_eq!(energy_wh(&values), None);
        }
        let mut forged = total;
        forged.1.checked.verdict = Verdict::Invalid;
        assert_eq!(energy_wh(&[stop, forged]), None);
        // Where a record does not say which end it is, the nature does, and its page proves it.
        let silent = |judged: &Judged| {
            let mut judged = judged.clone();
            judged.checked.format = Some(veripile_ocpp::signed::Format::Edl40P);
            judged.checked.readings.iter_mut().for_each(|reading| reading.moment = Moment::Other);
            judged
        };
        let (begin, end) = (silent(&begin), silent(&end));
        assert_eq!(energy_wh(&[one("End", &end), one("Start", &begin)]), Some(10_000.into()));
    }

    #[test]
    fn a_record_is_of_a_pile_of_its_party() {
        let cdr = json!({ "country_code": "cn", "party_id": "Abc", "cdr_location": { "id": "L1" } });
        let Value::Object(cdr) = cdr else { unreachable!("an object") };
        let may_be = |operator: Option<&str>, location: &str, is_unique: bool| {
            let (operator_id, location_id) = (operator.map(str::to_owned), Some(location.to_owned()));
            may_be_of(&NamedPile { pile_no: 1, operator_id, location_id }, &cdr, is_unique)
        };
        for (operator, location, unique, alone) in [
            (Some("CN-ABC"), "L2", true, true),
            (Some("CN-ABD"), "L1", false, false),
            (Some("DE-ABC"), "L1", false, false),
            // Operators of whom nobody knows which party they are.
            (Some("O1"), "L1", true, true),
            (Some("O1"), "L2", true, false),
            (Some("CN-ABCD"), "L2", true, false),
            (None, "L2", true, false),
        ] {
            let told = (may_be(operator, location, true), may_be(operator, location, false));
            assert_eq!(told, (unique, alone), "{operator:?} {location}");
        }
    }

    #[test]
    fn a_record_that_takes_too_much_is_refused_and_says_why() {
        let of = |bytes: usize| {
            bounded(&Cdr {
                owner: String::new(),
                cdr_id: String::new(),
                body: "x".repeat(bytes - 2),
                checked: "{}".to_owned(),
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
