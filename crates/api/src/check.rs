//! `/check`: is this record what the meter signed? For whoever holds one: a driver with a receipt, a regulator, an operator.
//!
//! The verdicts are made in `veripile_ocpp::signed`, layer by layer, as `veripile check records` makes them; here keys of the
//! register are looked up and words are found. Nothing of what is pasted is kept.

use std::collections::BTreeSet;

use actix_multipart::Multipart;
use actix_web::error::BlockingError;
use actix_web::http::StatusCode;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use askama::Template;
use futures_util::TryStreamExt;
use rust_decimal::Decimal;
use serde::Deserialize;
use veripile_ocpp::signed::arrived::{self, Asked as AskedOf, Judged, Written};
use veripile_ocpp::signed::billed::Billed;
use veripile_ocpp::signed::container::{self, Contained};
use veripile_ocpp::signed::key;
use veripile_ocpp::signed::pair;
use veripile_ocpp::signed::{Checked, Finding, Layer, Layers, Outcome, RECORD_BYTES_MAX, Verdict};
use veripile_pile::{KeySource, MeterKey, SignedValue};
use veripile_store::signed::SignedLine;
use veripile_store::{Store, StoreError};

use crate::Site;
use crate::charge::{self, ChargeView};
use crate::problem::{Problem, html};
use crate::texts::Texts;
use crate::view as words;

/// Readings shown of one record; the first and the last tell the energy.
const READINGS_MAX: usize = 50;

/// Records checked of one container: a charge has two.
const RECORDS_MAX: usize = 20;

/// Bytes of a form: the longest record, percent-encoded, and its key.
pub(crate) const FORM_BYTES_MAX: usize = 3 * RECORD_BYTES_MAX + 16_384;

/// Parts of a form that are read.
const PARTS_MAX: usize = 5;

/// What is found of a key that does not read.
pub(crate) const KEY_UNREADABLE: &str = "key_unreadable";

/// What is found of a key that somebody typed.
pub(crate) const KEY_ENTERED: &str = "key_entered";

/// What is found of a key whose register nobody asked.
pub(crate) const NOT_ASKED: &str = "no_register";

/// Every word of a verdict.
#[cfg(test)]
pub(crate) const WORDS: [&str; 8] = [
    "unchecked",
    "valid",
    "valid_unregistered",
    "other_meter",
    "invalid",
    "malformed",
    "no_key",
    "unsupported",
];

/// What is pasted.
#[derive(Deserialize, Default)]
pub(crate) struct Pasted {
    #[serde(default)]
    record: String,
    #[serde(default)]
    key: String,
}

#[derive(Template)]
#[template(path = "check.html")]
struct CheckPage<'a> {
    t: &'a Texts,
    simulated: bool,
    here: String,
    pasted: &'a Pasted,
    /// The number that was asked for, and its charge.
    asked: &'a str,
    charge: Option<ChargeView<'a>>,
    /// That there are more records than were checked.
    cut: Option<String>,
    results: Vec<ResultView<'a>>,
    joined: Option<JoinedView<'a>>,
}

/// What two records of one reading each say together.
struct JoinedView<'a> {
    layer: LayerView<'a>,
    energy: Option<String>,
}

/// A verdict in words.
struct ResultView<'a> {
    verdict: &'static str,
    title: &'a str,
    why: &'a str,
    facts: Vec<(&'a str, String)>,
    layers: Vec<LayerView<'a>>,
    readings: Vec<[String; 3]>,
    /// That there are more readings than are listed.
    cut: Option<String>,
}

impl ResultView<'_> {
    fn has_details(&self) -> bool {
        self.layers.iter().any(|layer| !layer.details.is_empty())
    }
}

pub(crate) struct LayerView<'a> {
    name: &'a str,
    symbol: &'static str,
    outcome: &'a str,
    findings: Vec<String>,
    /// Codes with their particulars, for who looks into it.
    details: Vec<String>,
}

/// Which charge.
#[derive(Deserialize, Default)]
pub(crate) struct Asked {
    #[serde(default)]
    charge: String,
}

/// GET `/check`, `/check?charge=NUMBER`.
pub(crate) async fn page(
    request: HttpRequest,
    site: web::Data<Site>,
    asked: web::Query<Asked>,
) -> Result<HttpResponse, Problem> {
    let t = Texts::of_request(&request);
    let number = asked.charge.trim();
    let charge = if number.is_empty() { None } else { charge::shown(&site, t, number).await? };
    let status = if number.is_empty() || charge.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    let here = match number {
        "" => "/check?".to_owned(),
        number => format!("/check?charge={}", words::segment(number)),
    };
    let pasted = Pasted::default();
    let (simulated, cut, results, joined) = (site.settings.simulated, None, Vec::new(), None);
    let page = CheckPage { t, simulated, here, pasted: &pasted, asked: number, charge, cut, results, joined };
    Ok(html(status, &page))
}

/// A form, plain or with a file. The file counts where nothing was pasted.
async fn pasted(request: &HttpRequest, body: web::Bytes) -> Result<Pasted, Problem> {
    let form = |told: &str| Problem::parameter("form", told);
    let kind = request.content_type();
    if kind == "application/x-www-form-urlencoded" {
        let text = std::str::from_utf8(&body).map_err(|_| form("UTF-8"))?;
        let parsed = web::Query::<Pasted>::from_query(text).map_err(|error| form(&error.to_string()))?;
        return Ok(parsed.into_inner());
    }
    if kind != "multipart/form-data" {
        return Err(form("a form, application/x-www-form-urlencoded or multipart/form-data"));
    }
    let body = futures_util::stream::once(async { Ok::<_, actix_web::error::PayloadError>(body) });
    let mut parts = Multipart::new(request.headers(), body);
    let mut pasted = Pasted::default();
    let mut file = String::new();
    for _ in 0..PARTS_MAX {
        let Some(mut part) = parts.try_next().await.map_err(|error| form(&error.to_string()))? else { break };
        let mut bytes = Vec::new();
        while let Some(piece) = part.try_next().await.map_err(|error| form(&error.to_string()))? {
            bytes.extend_from_slice(&piece);
        }
        let text = text_of(&bytes);
        match part.name() {
            Some("record") => pasted.record = text,
            Some("key") => pasted.key = text,
            Some("file") => file = text,
            _ => {}
        }
    }
    if bare(&pasted.record).is_empty() {
        pasted.record = file;
    }
    Ok(pasted)
}

/// A text as files have it, UTF-8 or, with its byte order mark, UTF-16. Whatever is no text is no record; its verdict says so.
fn text_of(bytes: &[u8]) -> String {
    let utf16 = |units: &[u8], read: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = units.chunks_exact(2).map(|unit| read([unit[0], unit[1]])).collect();
        String::from_utf16_lossy(&units)
    };
    match bytes {
        [0xff, 0xfe, units @ ..] => utf16(units, u16::from_le_bytes),
        [0xfe, 0xff, units @ ..] => utf16(units, u16::from_be_bytes),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// A text without what nobody sees at its ends: blanks, and marks that editors save or that come along when something is copied.
fn bare(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}'))
}

/// POST `/check`.
pub(crate) async fn judge(
    request: HttpRequest,
    site: web::Data<Site>,
    body: Result<web::Bytes, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let t = Texts::of_request(&request);
    let body = body.map_err(|error| match error.as_response_error().status_code() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large("this is too large: a record has 1 MB at most"),
        _ => Problem::parameter("form", &error.to_string()),
    })?;
    let pasted = pasted(&request, body).await?;
    let (mut values, all) = values(&pasted);
    let cut = cut(t.of("check.records_cut"), values.len(), all);
    values.retain(|(value, _)| !value.data.is_empty());
    let mut judged = judge_all(&site.store, values).await?;
    let is_entered = !bare(&pasted.key).is_empty();
    if is_entered {
        judged.iter_mut().for_each(tell_entered);
    }
    let page = CheckPage {
        t,
        simulated: site.settings.simulated,
        here: "/check?".to_owned(),
        pasted: &pasted,
        asked: "",
        charge: None,
        cut,
        joined: joined(t, &judged),
        results: judged.iter().map(|judged| view(t, judged, is_entered)).collect(),
    };
    Ok(html(StatusCode::OK, &page))
}

/// Says of a key that somebody typed that it was typed: it did not come with the record.
fn tell_entered(judged: &mut Judged) {
    for finding in judged.checked.layers.key.findings.iter_mut().filter(|one| one.code == "self_supplied") {
        KEY_ENTERED.clone_into(&mut finding.code);
        "the key was entered by whoever asks and proves nothing by itself".clone_into(&mut finding.detail);
    }
}

/// Judges values with the keys registered for the meters that they name, where nobody else's request waits: a container has twenty, a
/// charge detail record a hundred. Where none is, the key that came along may be registered for another meter, which is said then.
pub(crate) async fn judge_all(
    store: &Store,
    values: Vec<(SignedValue, Written)>,
) -> Result<Vec<Judged>, Problem> {
    let named = web::block(move || {
        let one = |(value, written): &(SignedValue, Written)| {
            (serial(value, *written), value.public_key.as_deref().map(key::writings).unwrap_or_default())
        };
        let named: Vec<(Option<String>, Vec<String>)> = values.iter().map(one).collect();
        (values, named)
    });
    let (values, named) = named.await.map_err(|error| given_up(&error))?;
    let mut known = Vec::with_capacity(named.len());
    for (serial, own_key) in named {
        known.push(keys_of(store, serial, &own_key).await?);
    }
    let judge = move || {
        let each = values.iter().zip(&known);
        each.map(|((value, written), known)| {
            let asked = known.as_deref().map_or(AskedOf::Nothing, AskedOf::Keys);
            arrived::judge_written(value, *written, asked)
        })
        .collect::<Vec<_>>()
    };
    web::block(judge).await.map_err(|error| given_up(&error))
}

/// Whoever judged did not come to an end.
pub(crate) fn given_up(error: &BlockingError) -> Problem {
    tracing::error!(%error, "records could not be checked");
    Problem::unavailable("the records cannot be checked now")
}

/// The meter that a value names.
fn serial(value: &SignedValue, written: Written) -> Option<String> {
    arrived::judge_written(value, written, AskedOf::Nothing).checked.meter_serial
}

/// The keys registered for a meter, else the one that came along, where that is registered for another; none where no meter is named that the
/// register could be asked for.
async fn keys_of(
    store: &Store,
    serial: Option<String>,
    own_key: &[String],
) -> Result<Option<Vec<MeterKey>>, StoreError> {
    let Some(serial) = serial.filter(|serial| !serial.trim().is_empty()) else { return Ok(None) };
    let of_meter = store.meter_keys_of_serial(&serial).await?;
    if of_meter.is_empty() && !own_key.is_empty() {
        return Ok(Some(store.meter_keys_written(own_key).await?));
    }
    Ok(Some(of_meter))
}

/// The words for where there are more than are shown.
pub(crate) fn cut(words: &str, shown: usize, all: usize) -> Option<String> {
    (shown < all).then(|| words.replace("{shown}", &shown.to_string()).replace("{all}", &all.to_string()))
}

/// The records pasted: one, or the first of those in a SAFE container; and how many there are in all. A key that was entered outweighs those
/// that came along.
fn values(pasted: &Pasted) -> (Vec<(SignedValue, Written)>, usize) {
    let entered = Some(bare(&pasted.key)).filter(|key| !key.is_empty()).map(str::to_owned);
    let record = bare(&pasted.record);
    match container::open(record) {
        Ok(contained) if record.starts_with('<') => {
            let all = contained.len();
            let value = |value: Contained| {
                let written = Written { encoding: Some(value.encoding), format: value.format };
                let public_key = entered.clone().or(value.self_supplied_key.map(|key| key.text));
                let (encoding_method, data) = (value.format_name, value.signed_data);
                (SignedValue { public_key, encoding_method, data }, written)
            };
            (contained.into_iter().take(RECORDS_MAX).map(value).collect(), all)
        }
        _ => {
            let value = SignedValue { data: record.to_owned(), encoding_method: None, public_key: entered };
            (vec![(value, Written::default())], 1)
        }
    }
}

/// Two records of one end each, together, whichever was pasted first.
fn joined<'a>(t: &'a Texts, judged: &[Judged]) -> Option<JoinedView<'a>> {
    let [one, other] = judged else { return None };
    let (begin, end) = pair::begin_first(&one.checked, &other.checked);
    pair::reading(begin).and(pair::reading(end))?;
    let joined = pair::join(begin, end);
    let energy = joined.energy_wh.map(|wh| format!("{} kWh", (wh / Decimal::ONE_THOUSAND).normalize()));
    Some(JoinedView { layer: layer_view(t, t.of("check.transaction"), &joined.transaction), energy })
}

fn layer_view<'a>(t: &'a Texts, name: &'a str, layer: &Layer) -> LayerView<'a> {
    let (symbol, outcome) = match layer.outcome {
        Outcome::Ok => ("✓", t.of("check.ok")),
        Outcome::Failed => ("✕", t.of("check.failed")),
        Outcome::NotChecked => ("–", t.of("check.not_checked")),
    };
    let details = layer.findings.iter().map(|f| format!("{}: {}", f.code, f.detail)).collect();
    LayerView { name, symbol, outcome, findings: findings(t, layer), details }
}

/// What was found, in words. Of readings with the same fault the particulars tell which.
fn findings(t: &Texts, layer: &Layer) -> Vec<String> {
    let text = |f: &Finding| match t.of_owned(&format!("record.{}", f.code)) {
        "" => f.code.clone(),
        text => text.to_owned(),
    };
    let mut findings: Vec<String> = layer.findings.iter().map(text).collect();
    let mut told = BTreeSet::new();
    findings.retain(|text| told.insert(text.clone()));
    findings
}

fn layer_views<'a>(t: &'a Texts, layers: &Layers) -> Vec<LayerView<'a>> {
    vec![
        layer_view(t, t.of("check.syntax"), &layers.syntax),
        layer_view(t, t.of("check.signature"), &layers.signature),
        layer_view(t, t.of("check.key"), &layers.key),
        layer_view(t, t.of("check.transaction"), &layers.transaction),
    ]
}

/// The layers of a stored verdict; none of a value that was not checked.
pub(crate) fn stored_layers<'a>(t: &'a Texts, line: &SignedLine) -> Vec<LayerView<'a>> {
    let Ok(mut layers) = serde_json::from_str::<Layers>(&line.layers) else { return Vec::new() };
    let has_failed = layers.key.outcome == Outcome::Failed;
    layers.key.findings.retain_mut(|finding| match answer(line.key_source, has_failed) {
        _ if finding.code != NOT_ASKED => true,
        Some(code) => {
            *finding = Finding { code: code.to_owned(), detail: String::new() };
            true
        }
        None => false,
    });
    layer_views(t, &layers)
}

/// What the register answered of a value that was kept with [`NOT_ASKED`] though it was asked, as until DECISIONS 269 all were: a code, or none
/// where another finding says it.
pub(crate) fn answer(source: Option<KeySource>, has_failed: bool) -> Option<&'static str> {
    match source {
        Some(KeySource::Register) => (!has_failed).then_some("key_registered"),
        _ => Some("not_registered"),
    }
}

fn view<'a>(t: &'a Texts, judged: &Judged, is_entered: bool) -> ResultView<'a> {
    let Judged { checked, key_source } = judged;
    let verdict = word(checked);
    let (listed, all) = (READINGS_MAX.min(checked.readings.len()), checked.readings.len());
    // There is a key, which is another thing than none.
    let is_unreadable = checked.layers.key.findings.iter().any(|finding| finding.code == KEY_UNREADABLE);
    let told = if is_unreadable { KEY_UNREADABLE } else { verdict };
    ResultView {
        verdict,
        title: t.of_owned(&format!("check.{told}")),
        why: t.of_owned(&format!("check.{told}.why")),
        facts: facts(t, checked, *key_source, is_entered),
        layers: layer_views(t, &checked.layers),
        readings: checked
            .readings
            .iter()
            .take(listed)
            .map(|reading| {
                let register = reading.register.map_or_else(String::new, |register| register.to_string());
                [reading.time.clone(), format!("{register} {}", reading.unit), reading.obis.clone()]
            })
            .collect(),
        cut: cut(t.of("check.readings_cut"), listed, all),
    }
}

/// The verdict in one word. A good signature of another meter is not good.
pub(crate) fn word(checked: &Checked) -> &'static str {
    match checked.verdict {
        Verdict::Valid if checked.layers.key.outcome == Outcome::Failed => "other_meter",
        Verdict::Valid if checked.layers.key.outcome == Outcome::Ok => "valid",
        Verdict::Valid => "valid_unregistered",
        Verdict::Invalid => "invalid",
        Verdict::Malformed => "malformed",
        Verdict::NoKey => "no_key",
        Verdict::Unsupported => "unsupported",
    }
}

/// The word for a stored verdict.
pub(crate) fn stored_word(line: &SignedLine) -> &'static str {
    let layers = serde_json::from_str::<Layers>(&line.layers).ok();
    let of_another = layers.is_some_and(|layers| layers.key.outcome == Outcome::Failed);
    match (line.verdict.as_str(), line.key_source) {
        ("valid", _) if of_another => "other_meter",
        ("valid", Some(KeySource::Register)) => "valid",
        ("valid", _) => "valid_unregistered",
        ("invalid", _) => "invalid",
        ("no_key", _) => "no_key",
        ("unsupported", _) => "unsupported",
        ("unchecked", _) => "unchecked",
        _ => "malformed",
    }
}

/// What of a good record keeps a bill from resting on it: its key or its charge; of one that is not good its verdict.
fn why_not(t: &Texts, checked: &Checked) -> String {
    let layers = [&checked.layers.key, &checked.layers.transaction];
    let at_fault = layers.into_iter().filter(|layer| layer.outcome != Outcome::Ok);
    let found: Vec<String> = at_fault.flat_map(|layer| findings(t, layer)).collect();
    if checked.verdict == Verdict::Valid && !found.is_empty() {
        return found.join(t.of("comma"));
    }
    t.of_owned(&format!("check.{}", word(checked))).to_owned()
}

fn facts<'a>(
    t: &'a Texts,
    checked: &Checked,
    source: Option<KeySource>,
    is_entered: bool,
) -> Vec<(&'a str, String)> {
    let mut facts = Vec::new();
    if let Some(serial) = &checked.meter_serial {
        facts.push((t.of("pile.meter"), serial.clone()));
    }
    if let Some(source) = source {
        let word = match source {
            KeySource::Register => t.of("check.key_register"),
            KeySource::FirstUse => t.of("check.key_first_use"),
            KeySource::Message if is_entered => t.of("check.key_entered"),
            KeySource::Message => t.of("check.key_message"),
        };
        facts.push((t.of("check.key_from"), word.to_owned()));
    }
    if let Some(billed) = Billed::of(&checked.readings)
        && let Some((energy, unit)) = billed.energy()
    {
        let several = t.of("check.of_registers").replace("{obis}", billed.obis());
        let several = several.replace("{n}", &billed.registers.to_string());
        let of = if billed.registers > 1 { several.as_str() } else { "" };
        facts.push((t.of("check.energy"), format!("{energy} {unit}{of}")));
    }
    let billable = if checked.billable {
        t.of("check.billable").to_owned()
    } else {
        t.of("check.not_billable").replace("{why}", &why_not(t, checked))
    };
    facts.push((t.of("check.bill"), billable));
    facts
}

#[cfg(test)]
mod tests;
