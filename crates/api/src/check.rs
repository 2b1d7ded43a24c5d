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
use veripile_ocpp::signed::arrived::{self, Judged, Written};
use veripile_ocpp::signed::billed::Billed;
use veripile_ocpp::signed::container::{self, Contained};
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
        // Whatever is no text is no record; its verdict says so.
        let text = String::from_utf8_lossy(&bytes).into_owned();
        match part.name() {
            Some("record") => pasted.record = text,
            Some("key") => pasted.key = text,
            Some("file") => file = text,
            _ => {}
        }
    }
    if pasted.record.trim().is_empty() {
        pasted.record = file;
    }
    Ok(pasted)
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
    let judged = judge_all(&site.store, values).await?;
    let page = CheckPage {
        t,
        simulated: site.settings.simulated,
        here: "/check?".to_owned(),
        pasted: &pasted,
        asked: "",
        charge: None,
        cut,
        joined: joined(t, &judged),
        results: judged.iter().map(|judged| view(t, judged)).collect(),
    };
    Ok(html(StatusCode::OK, &page))
}

/// Judges values with the keys registered for the meters that they name, where nobody else's request waits: a container has twenty, a
/// charge detail record a hundred.
pub(crate) async fn judge_all(
    store: &Store,
    values: Vec<(SignedValue, Written)>,
) -> Result<Vec<Judged>, Problem> {
    let named = web::block(move || {
        let serials: Vec<_> = values.iter().map(|(value, written)| serial(value, *written)).collect();
        (values, serials)
    });
    let (values, serials) = named.await.map_err(|error| given_up(&error))?;
    let mut known = Vec::with_capacity(serials.len());
    for serial in serials {
        known.push(keys_of(store, serial).await?);
    }
    let judge = move || {
        let each = values.iter().zip(&known);
        each.map(|((value, written), known)| arrived::judge_written(value, *written, known))
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
    arrived::judge_written(value, written, &[]).checked.meter_serial
}

async fn keys_of(store: &Store, serial: Option<String>) -> Result<Vec<MeterKey>, StoreError> {
    match serial {
        Some(serial) => store.meter_keys_of_serial(&serial).await,
        None => Ok(Vec::new()),
    }
}

/// The words for where there are more than are shown.
pub(crate) fn cut(words: &str, shown: usize, all: usize) -> Option<String> {
    (shown < all).then(|| words.replace("{shown}", &shown.to_string()).replace("{all}", &all.to_string()))
}

/// The records pasted: one, or the first of those in a SAFE container; and how many there are in all. A key that was entered outweighs those
/// that came along.
fn values(pasted: &Pasted) -> (Vec<(SignedValue, Written)>, usize) {
    let entered = Some(pasted.key.trim()).filter(|key| !key.is_empty()).map(str::to_owned);
    let record = pasted.record.trim();
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
    let text = |f: &Finding| match t.of_owned(&format!("record.{}", f.code)) {
        "" => f.code.clone(),
        text => text.to_owned(),
    };
    let mut findings: Vec<String> = layer.findings.iter().map(text).collect();
    // Of readings with the same fault the particulars tell which.
    let mut told = BTreeSet::new();
    findings.retain(|text| told.insert(text.clone()));
    let details = layer.findings.iter().map(|f| format!("{}: {}", f.code, f.detail)).collect();
    LayerView { name, symbol, outcome, findings, details }
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
    let layers = serde_json::from_str::<Layers>(&line.layers).ok();
    layers.map(|layers| layer_views(t, &layers)).unwrap_or_default()
}

fn view<'a>(t: &'a Texts, judged: &Judged) -> ResultView<'a> {
    let Judged { checked, key_source } = judged;
    let verdict = word(checked);
    let (listed, all) = (READINGS_MAX.min(checked.readings.len()), checked.readings.len());
    ResultView {
        verdict,
        title: t.of_owned(&format!("check.{verdict}")),
        why: t.of_owned(&format!("check.{verdict}.why")),
        facts: facts(t, checked, *key_source),
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

fn facts<'a>(t: &'a Texts, checked: &Checked, source: Option<KeySource>) -> Vec<(&'a str, String)> {
    let mut facts = Vec::new();
    if let Some(serial) = &checked.meter_serial {
        facts.push((t.of("pile.meter"), serial.clone()));
    }
    if let Some(source) = source {
        let word = match source {
            KeySource::Register => t.of("check.key_register"),
            KeySource::FirstUse => t.of("check.key_first_use"),
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
    let billable = if checked.billable { t.of("check.billable") } else { t.of("check.not_billable") };
    facts.push((t.of("check.bill"), billable.to_owned()));
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::Language;

    #[test]
    fn what_is_beyond_the_first_is_not_passed_over_in_silence() {
        let t = Texts::in_language(Language::En);
        let record = |n: usize| format!("<value><signedData>OCMF|{n}</signedData></value>");
        for (records, shown, told) in [
            (20, 20, None),
            (25, 20, Some("Only the first 20 of 25 records were checked; of the others nothing is said.")),
        ] {
            let record = format!("<values>{}</values>", (0..records).map(record).collect::<String>());
            let (values, all) = values(&Pasted { record, key: String::new() });
            let last = format!("OCMF|{}", shown - 1);
            assert_eq!(
                (values.len(), values.last().map(|(value, _)| value.data.as_str())),
                (shown, Some(&*last))
            );
            assert_eq!(cut(t.of("check.records_cut"), values.len(), all).as_deref(), told);
        }
        let value = SignedValue { data: "OCMF|".to_owned(), encoding_method: None, public_key: None };
        let mut judged = arrived::judge(&value, &[]);
        for (readings, listed, told) in
            [(50, 50, None), (60, 50, Some("The first 50 of 60 readings are listed; the verdict is of all."))]
        {
            let reading = |n: u32| veripile_ocpp::signed::SignedReading {
                moment: veripile_ocpp::signed::Moment::Begin,
                time: String::new(),
                register: Some(n.into()),
                unit: "kWh".to_owned(),
                obis: String::new(),
            };
            judged.checked.readings = (0..readings).map(reading).collect();
            let view = view(t, &judged);
            assert_eq!((view.readings.len(), view.cut.as_deref()), (listed, told));
        }
    }

    #[test]
    fn a_stored_verdict_tells_its_layers() {
        let t = Texts::in_language(Language::En);
        let data = r#"OCMF|{"MS":"S","RD":[{"TM":"2026-03-01T08:00:00,000+0800 S","TX":"B","RV":1,"RI":"1-b:1.8.0","RU":"kWh","ST":"M","EF":""}]}|{}"#;
        let value = SignedValue { data: data.to_owned(), encoding_method: None, public_key: None };
        let judged = arrived::judge(&value, &[]).checked;
        let mut line = SignedLine {
            at: jiff::Timestamp::UNIX_EPOCH,
            connector: 1,
            format: None,
            verdict: "no_key".to_owned(),
            key_source: None,
            meter_serial: None,
            layers: serde_json::to_string(&judged.layers).expect("serializable"),
            reference: None,
            sealed: Vec::new(),
        };
        let told: Vec<_> =
            stored_layers(t, &line).into_iter().map(|l| (l.name, l.symbol, l.findings)).collect();
        let finding = |code: &str| vec![t.of_owned(&format!("record.{code}")).to_owned()];
        let expected = [
            ("Syntax", "✓", vec![]),
            ("Signature", "–", vec![]),
            ("Whose key", "✕", finding("no_key")),
            ("A whole charge", "✕", finding("status_not_good")),
        ];
        assert_eq!(told, expected);
        line.layers = "{}".to_owned();
        assert!(stored_layers(t, &line).is_empty(), "one that was not checked");
    }

    #[test]
    fn a_record_is_read_as_its_file_says_that_it_is_written() {
        // printf 'OCMF|{"RD":[{"RV":1}]}|{}' | base32
        let data = "J5BU2RT4PMRFERBCHJNXWISSKYRDUML5LV6XY635";
        let record = format!(
            r#"<values><value><signedData format="OCMF" encoding="base32">{data}</signedData></value></values>"#
        );
        let (values, _) = values(&Pasted { record, key: String::new() });
        let judged = arrived::judge_written(&values[0].0, values[0].1, &[]);
        assert_eq!((word(&judged.checked), judged.checked.readings.len()), ("no_key", 1));
    }

    #[test]
    fn energy_is_of_one_register_and_says_which_where_there_are_several() {
        let t = Texts::in_language(Language::En);
        let row = |tx: &str, obis: &str, register: u32| {
            format!(
                r#"{{"TM":"2026-03-01T08:00:00,000+0800 S","TX":"{tx}","RV":{register},"RI":"{obis}","RU":"kWh","ST":"G","EF":""}}"#
            )
        };
        let energy = |rows: &[String]| {
            let data = format!(r#"OCMF|{{"FV":"1.0","MS":"S","RD":[{}]}}|{{"SD":"00"}}"#, rows.join(","));
            let judged = arrived::judge(&SignedValue { data, encoding_method: None, public_key: None }, &[]);
            let mut facts = facts(t, &judged.checked, None).into_iter();
            facts.find(|(name, _)| *name == t.of("check.energy")).map(|(_, told)| told)
        };
        let (begin, end) = (row("B", "1-b:1.8.0", 100), row("E", "1-b:1.8.0", 110));
        let (out, out_end) = (row("B", "1-b:2.8.0", 5), row("E", "1-b:2.8.0", 5));
        assert_eq!(energy(&[begin.clone(), end.clone()]).as_deref(), Some("10 kWh"));
        let both = energy(&[begin.clone(), out, end, out_end.clone()]);
        assert_eq!(both.as_deref(), Some("10 kWh (register 1-b:1.8.0, one of 2)"));
        assert_eq!(energy(&[begin, out_end]), None, "one register at each end");
    }

    #[test]
    fn two_records_are_joined_whichever_was_pasted_first() {
        let t = Texts::in_language(Language::En);
        let record = |page: u32, tx: &str, register: u32| {
            let row = |obis: &str, register: u32| {
                format!(
                    r#"{{"TM":"2026-03-01T08:00:00,000+0800 S","TX":"{tx}","RV":{register},"RI":"{obis}","RU":"kWh","ST":"G","EF":""}}"#
                )
            };
            let rows = [row("1-b:2.8.0", 5), row("1-b:1.8.0", register)].join(",");
            let data = format!(
                r#"OCMF|{{"FV":"1.0","PG":"T{page}","MS":"S","ID":"C","RD":[{rows}]}}|{{"SD":"00"}}"#
            );
            let value = SignedValue { data, encoding_method: None, public_key: None };
            let mut judged = arrived::judge(&value, &[]);
            judged.checked.verdict = Verdict::Valid;
            judged
        };
        let (begin, end) = (record(1, "B", 100), record(2, "E", 110));
        for values in [[begin.clone(), end.clone()], [end, begin]] {
            let energy = joined(t, &values).and_then(|joined| joined.energy);
            assert_eq!(energy.as_deref(), Some("10 kWh"));
        }
    }

    #[test]
    fn a_fault_of_many_readings_is_told_once_and_its_particulars_each() {
        let finding = |code: &str| Finding { code: code.to_owned(), detail: "of one".to_owned() };
        let findings = ["bad_time", "bad_register", "bad_time"].map(finding).to_vec();
        let layer = Layer { outcome: Outcome::Failed, findings };
        let view = layer_view(Texts::in_language(Language::En), "", &layer);
        assert_eq!((view.findings.len(), view.details.len()), (2, 3), "{:?}", view.findings);
    }
}
