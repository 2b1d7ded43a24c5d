//! What is to be thought of the signed values in a charge detail record: whose keys judge them, which end of the charge they tell, whose meter
//! signed them, and whether another bill rests on them already, or they came with another charge.
//!
//! Called by [`super::cdrs`], which keeps what is said here. Verdicts are `veripile_ocpp::signed`'s, as at `/check`; nothing is written here.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::iter;

use actix_web::web;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use veripile_ocpp::signed::arrived::{self, Judged, Written};
use veripile_ocpp::signed::billed::Billed;
use veripile_ocpp::signed::{Checked, Layer, Moment, Outcome, Verdict, pair};
use veripile_pile::{KeySource, MeterKey, SignedValue};
use veripile_store::ocpi::{KeptCdr, NamedPile, RecordDigest};
use veripile_store::{Store, StoreError};

use super::{Refusal, charges};
use crate::Site;
use crate::check;
use crate::problem::Problem;

/// Signed values checked of one record; a charge has two, and perhaps one every quarter of an hour.
const VALUES_MAX: usize = 100;

/// Longest nature of a signed value.
pub(super) const NATURE_CHARS_MAX: usize = 32;

/// What is to be thought of the signed values: each by itself, the first and the last together, and whether the bill says the same. The second
/// is by what they are known again.
pub(super) async fn checked(
    site: &Site,
    cdr: &Map<String, Value>,
) -> Result<(Value, Vec<RecordDigest>), Refusal> {
    let values = signed_values(cdr)?;
    let pile_no = pile_of(&site.store, cdr).await?;
    let known = match pile_no {
        Some(pile_no) => site.store.meter_keys(pile_no).await?,
        None => Vec::new(),
    };
    let (natures, values): (Vec<String>, Vec<SignedValue>) = values.into_iter().unzip();
    let told: Vec<SignedValue> = values.clone();
    // Keys of the pile, as for what it sends itself; else those of the meter that the record names.
    let (mut judged, others) = judge_aside(values, known).await?;
    let (places, others): (Vec<usize>, Vec<_>) = others.into_iter().unzip();
    for (place, one) in places.iter().zip(check::judge_all(&site.store, others).await?) {
        // A key that is registered for the very meter outweighs any other of the pile; what a record brings along outweighs none, and where the
        // register was asked for the pile, that stays said.
        if one.key_source == Some(KeySource::Register) || pile_no.is_none() {
            judged[*place] = one;
        }
    }
    let mut judged: Vec<(String, Judged)> = natures.into_iter().zip(judged).collect();
    let digests = judged.iter().zip(&told).enumerate();
    let digests = digests.flat_map(|(place, ((_, one), value))| digests_of(place, value, &one.checked));
    let digests = digests.collect();
    let energy_wh = energy_wh(&judged);
    let billed_wh = number(&cdr["total_energy"]).and_then(|kwh| kwh.checked_mul(Decimal::ONE_THOUSAND));
    let mut meters = vec![Vec::new(); judged.len()];
    let mut asked = Asked::default();
    for place in places {
        let own_key = told[place].public_key.as_deref();
        meters[place] = asked.other_piles(&site.store, pile_no, &mut judged[place].1, own_key).await?;
    }
    let records = judged.iter().zip(&meters).map(|((nature, one), meters)| told_of(nature, one, meters));
    let told = json!({
        "pile_known": pile_no.is_some(),
        "records": records.collect::<Vec<_>>(),
        "signed_energy_kwh": energy_wh.map(|wh| (wh / Decimal::ONE_THOUSAND).normalize().to_string()),
        // Digit by digit: what is signed is what is to be billed.
        "billed_as_signed": energy_wh.zip(billed_wh).map(|(signed, billed)| signed == billed),
    });
    Ok((told, digests))
}

/// A number, also as text.
fn number(value: &Value) -> Option<Decimal> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.parse().or_else(|_| Decimal::from_scientific(&text)).ok()
}

/// By what a signed value is known again: its text, and, however that is encoded, its content, where it is good: who forges a record keeps nobody
/// from billing the true one.
fn digests_of(place: usize, value: &SignedValue, checked: &Checked) -> Vec<RecordDigest> {
    let of = |bytes: &[u8]| RecordDigest { place, digest: Sha256::digest(bytes).into() };
    let content = checked.content_digest().map(|digest| RecordDigest { place, digest });
    iter::once(of(value.data.as_bytes())).chain(content).collect()
}

/// A meter's number, and the key that came along.
type Meter = (String, Option<String>);

/// Piles that meters are of, by number and name, looked up once for each meter.
#[derive(Default)]
struct Asked(BTreeMap<Meter, Vec<(i64, String)>>);

impl Asked {
    /// Names the other piles whose meter signed a value, and objects to it where the record is of a pile that is none of them. A record of a
    /// pile that nobody knows contradicts nothing.
    async fn other_piles(
        &mut self,
        store: &Store,
        pile_no: Option<i64>,
        one: &mut Judged,
        own_key: Option<&str>,
    ) -> Result<Vec<String>, Refusal> {
        // A key that came along says no more than that the same one came from a pile before; the first of the very pile is its own.
        let own_key = match one.key_source {
            Some(KeySource::Register) => None,
            Some(KeySource::Message) => own_key,
            Some(KeySource::FirstUse) | None => return Ok(Vec::new()),
        };
        let Some(serial) =
            one.checked.meter_serial.as_ref().filter(|_| one.checked.verdict == Verdict::Valid)
        else {
            return Ok(Vec::new());
        };
        let key = (serial.clone(), own_key.map(str::to_owned));
        let piles = match self.0.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(store.piles_of_meter(serial, own_key, pile_no).await?),
        };
        if piles.iter().any(|(found, _)| Some(*found) == pile_no) {
            return Ok(Vec::new());
        }
        let names: Vec<String> = piles.iter().map(|(_, name)| name.clone()).collect();
        if pile_no.is_some() && !names.is_empty() {
            let why = format!("the meter is that of {}", names.join(", "));
            one.checked.layers.key.object("other_pile", why);
            one.checked.billable = false;
        }
        Ok(names)
    }
}

/// Verdicts as kept; of records of before, too, with what the register answered where it was asked.
fn verdicts(kept: &str) -> Value {
    let mut told: Value = serde_json::from_str(kept).unwrap_or_default();
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

/// The verdicts on a kept record as they are told now: what another bill rests on already is no bill again.
pub(super) async fn told(store: &Store, kept: &KeptCdr) -> Result<Value, StoreError> {
    let mut told = verdicts(&kept.checked);
    for before in store.ocpi_records_sent_before(&kept.reference).await? {
        let Some(Value::Object(record)) = told.pointer_mut(&format!("/records/{}", before.place)) else {
            continue;
        };
        let (owner, id) = before.cdr.unzip();
        object(record, "sent_before", json!({ "owner": owner, "id": id }));
    }
    charges::tell(store, kept, &mut told).await?;
    Ok(told)
}

/// Says of a value that no bill rests on it, by a finding and by its particulars, which bear the same name.
pub(super) fn object(record: &mut Map<String, Value>, code: &str, particulars: Value) {
    record.insert("billable".to_owned(), false.into());
    record.insert(code.to_owned(), particulars);
    if let Some(Value::Object(layer)) =
        record.get_mut("layers").and_then(|layers| layers.get_mut("transaction"))
    {
        layer.insert("outcome".to_owned(), json!(Outcome::Failed));
        if let Some(Value::Array(findings)) = layer.get_mut("findings") {
            findings.push(code.into());
        }
    }
}

/// The pile at which a record says the charge was: by the EVSE's identifier for people, which operators' lists name piles by, else by the
/// one of a party's own, of which others may have the same.
pub(super) async fn pile_of(store: &Store, cdr: &Map<String, Value>) -> Result<Option<i64>, StoreError> {
    let Some(location) = cdr.get("cdr_location") else { return Ok(None) };
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
                let told = cdr.get(name).and_then(Value::as_str);
                told.is_some_and(|told| told.eq_ignore_ascii_case(code))
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
    let told = |name: &str| match &signed[name] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        _ => Err(Refusal::invalid(format!("signed_data.{name}: expected a text"))),
    };
    let (encoding_method, public_key) = (told("encoding_method")?, told("public_key")?);
    let one = |value: &Value| {
        let data = text(&value["signed_data"])
            .ok_or_else(|| Refusal::invalid("signed_data.signed_values: signed_data is missing"))?;
        let value_told =
            SignedValue { data, encoding_method: encoding_method.clone(), public_key: public_key.clone() };
        Ok((text(&value["nature"]).unwrap_or_default().chars().take(NATURE_CHARS_MAX).collect(), value_told))
    };
    values.iter().map(one).collect()
}

/// A verdict in words and codes; details of findings may quote a card. `piles` are others whose meter it is.
fn told_of(nature: &str, judged: &Judged, piles: &[String]) -> Value {
    let layer = |layer: &Layer| json!({ "outcome": layer.outcome, "findings": layer.findings.iter().map(|finding| &finding.code).collect::<Vec<_>>() });
    let layers = &judged.checked.layers;
    json!({
        "nature": nature,
        "verdict": check::word(&judged.checked),
        "billable": judged.checked.billable,
        "meter_of": piles,
        "sent_before": null,
        "other_charge": null,
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
        told_of("End", judged, &[])
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
    fn a_value_is_known_again_however_it_is_encoded() {
        let reading = json!({ "TM": "2026-03-01T08:00:00,000+0800 S", "TX": "E", "RV": 110, "RI": "1-b:1.8.0", "RU": "kWh", "ST": "G", "EF": "" });
        let digests = |serial: &str, is_hex: bool| {
            let payload = json!({ "FV": "1.0", "PG": "T2", "MS": serial, "ID": "C", "RD": [reading] });
            let text = format!(r#"OCMF|{payload}|{{"SD":"00"}}"#);
            let data = if is_hex { hex::encode(text) } else { text };
            let value = SignedValue { data, encoding_method: None, public_key: None };
            let mut checked = arrived::judge(&value, &[]).checked;
            assert_eq!(digests_of(0, &value, &checked).len(), 1, "nobody knows who signed it");
            checked.verdict = Verdict::Valid;
            digests_of(0, &value, &checked).into_iter().map(|one| one.digest).collect::<Vec<_>>()
        };
        let (one, again, hex) = (digests("S", false), digests("S", false), digests("S", true));
        assert_eq!(one, again);
        assert!(one.len() == 2 && one[0] != hex[0] && one[1] == hex[1], "{one:?} {hex:?}");
        assert!(!digests("T", false).iter().any(|digest| one.contains(digest)));
        assert_eq!(digests("", false).len(), 1, "no meter is named");
    }

    #[test]
    fn a_number_may_be_text_and_have_an_exponent() {
        for (value, expected) in [
            (json!(20.25), Some("20.25")),
            (json!("20.25"), Some("20.25")),
            (json!("1e-4"), Some("0.0001")),
            (json!("x"), None),
            (json!({}), None),
        ] {
            assert_eq!(number(&value), expected.map(|text| text.parse().expect("literal")), "{value}");
        }
    }
}
