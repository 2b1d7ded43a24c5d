//! `/ver/instruments`: the register of instruments with their own certificates, and what is assumed of each model.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde::Deserialize;
use veripile_metrology::rules::Bilingual;
use veripile_verification::instrument::{Calibration, Instrument, InstrumentModel};

use super::access;
use crate::Site;
use crate::entries::{Entries, Fault, Reader, SHOW};
use crate::problem::{Problem, html};
use crate::session::{Person, private};
use crate::texts::Texts;
use crate::view;

/// A certificate that ends within this time is shown as ending soon: time to send the instrument away and have it back.
const SOON: SignedDuration = SignedDuration::from_hours(60 * 24);

/// Longest number of an instrument, characters.
const ID_CHARS_MAX: usize = 64;

/// Who keeps the register.
const KEEPS: &str = "only an administrator keeps the register of instruments";

/// An instrument's line.
struct InstrumentLine {
    id: String,
    role: String,
    model: String,
    serial: String,
    address: String,
    certificate: String,
    uncertainty: String,
    /// `green`, `amber`, `red`.
    light: &'static str,
    validity: String,
    edit: String,
}

/// What a model is and what is assumed of it.
struct ModelView {
    name: String,
    role: String,
    can: String,
    limits: String,
    facts: Vec<String>,
    assumed: Vec<String>,
}

#[derive(Template)]
#[template(path = "ver_instruments.html")]
struct InstrumentsPage<'a> {
    t: &'a Texts,
    simulated: bool,
    here: String,
    person: &'a Person,
    instruments: Vec<InstrumentLine>,
    models: Vec<ModelView>,
    f: &'a Entries,
    faults: Vec<Fault>,
    /// Whether the form changes one that is there.
    is_known: bool,
    /// Whether it holds what somebody sent.
    is_given: bool,
}

/// Which one to change.
#[derive(Deserialize, Default)]
pub(crate) struct Asked {
    #[serde(default)]
    edit: String,
}

/// GET `/ver/instruments`.
pub(crate) async fn page(
    request: HttpRequest,
    site: web::Data<Site>,
    person: Person,
    asked: web::Query<Asked>,
) -> Result<HttpResponse, Problem> {
    let t = Texts::of_request(&request);
    let register = site.store.instruments().await?;
    let edited = register.iter().find(|instrument| instrument.instrument_id == asked.edit);
    let entries = edited.map(entries_of).unwrap_or_default();
    show(t, &site, &person, &register, &entries, Vec::new())
}

/// POST `/ver/instruments`: enters an instrument, or what is new of it.
pub(crate) async fn save(
    request: HttpRequest,
    site: web::Data<Site>,
    person: Person,
    fields: web::Form<Vec<(String, String)>>,
) -> Result<HttpResponse, Problem> {
    let entries = Entries::new(fields.into_inner());
    person.owns_form(entries.get("token"))?;
    access::demand(person.is_administrator(), KEEPS)?;
    let t = Texts::of_request(&request);
    match instrument(t, &entries) {
        Ok(_) if entries.get("do") == SHOW => {
            let register = site.store.instruments().await?;
            show(t, &site, &person, &register, &entries, Vec::new())
        }
        Ok(instrument) => {
            site.store.save_instrument(&instrument, &person.name, Timestamp::now()).await?;
            tracing::info!(
                instrument = instrument.instrument_id,
                person = person.name,
                "an instrument was entered"
            );
            Ok(back(t))
        }
        Err(faults) => {
            let register = site.store.instruments().await?;
            show(t, &site, &person, &register, &entries, faults)
        }
    }
}

/// POST `/ver/instruments/{id}/retire`.
pub(crate) async fn retire(
    request: HttpRequest,
    site: web::Data<Site>,
    person: Person,
    id: web::Path<String>,
    fields: web::Form<Vec<(String, String)>>,
) -> Result<HttpResponse, Problem> {
    let entries = Entries::new(fields.into_inner());
    person.owns_form(entries.get("token"))?;
    access::demand(person.is_administrator(), KEEPS)?;
    if !site.store.retire_instrument(&id, &person.name, Timestamp::now()).await? {
        return Err(Problem::missing("no such instrument is in use"));
    }
    tracing::info!(instrument = %id, person = person.name, "an instrument was retired");
    Ok(back(Texts::of_request(&request)))
}

fn back(t: &Texts) -> HttpResponse {
    let address = format!("/ver/instruments?lang={}", t.short());
    HttpResponse::SeeOther().insert_header((LOCATION, address)).finish()
}

/// The instrument that a form describes; its role is its model's.
fn instrument(t: &Texts, entries: &Entries) -> Result<Instrument, Vec<Fault>> {
    let mut reader = Reader::new(t, entries);
    let model = InstrumentModel::named(entries.get("model"));
    if model.is_err() {
        reader.wrong("model", t.of("instruments.model"));
    }
    let instrument_id = reader.text("id", t.of("instruments.id"));
    if instrument_id.chars().count() > ID_CHARS_MAX || instrument_id.contains('/') {
        reader.wrong("id", t.of("instruments.id"));
    }
    let address = reader.text("address", t.of("instruments.address"));
    let port = address
        .rsplit_once(':')
        .and_then(|(host, port)| port.parse::<u16>().ok().filter(|_| !host.is_empty()));
    if !address.is_empty() && port.is_none() {
        reader.wrong("address", t.of("instruments.address"));
    }
    let serial = reader.text("serial", t.of("instruments.serial"));
    let calibrated_at = reader.day("calibrated_on", t.of("instruments.calibrated_on"));
    let last_day = reader.day("valid_until", t.of("instruments.valid_until"));
    let calibration = Calibration {
        number: reader.text("certificate", t.of("instruments.certificate")),
        issuer: reader.text("issuer", t.of("instruments.issuer")),
        calibrated_at,
        // The last day counts whole.
        valid_until: last_day + SignedDuration::from_secs(86_399),
        expanded_uncertainty_percent: reader.decimal("expanded", t.of("instruments.expanded")),
        coverage_factor: reader.decimal("factor", t.of("instruments.factor")),
        drift_percent_per_year: reader.decimal("drift", t.of("instruments.drift")),
    };
    if reader.faults.is_empty() && calibration.valid_until <= calibration.calibrated_at {
        reader.wrong("valid_until", t.of("instruments.valid_until"));
    }
    for (name, value, label) in [
        ("expanded", calibration.expanded_uncertainty_percent, t.of("instruments.expanded")),
        ("factor", calibration.coverage_factor, t.of("instruments.factor")),
        ("drift", calibration.drift_percent_per_year, t.of("instruments.drift")),
    ] {
        let is_good = Decimal::ZERO <= value && (name == "drift" || Decimal::ZERO < value);
        if reader.faults.is_empty() && !is_good {
            reader.wrong(name, label);
        }
    }
    match model {
        Ok(model) if reader.faults.is_empty() => Ok(Instrument {
            instrument_id,
            role: model.role,
            model: model.model,
            serial,
            address,
            calibration,
        }),
        _ => Err(reader.faults),
    }
}

fn entries_of(instrument: &Instrument) -> Entries {
    let mut entries = Entries::default();
    let calibration = &instrument.calibration;
    for (name, text) in [
        ("id", instrument.instrument_id.clone()),
        ("model", instrument.model.clone()),
        ("serial", instrument.serial.clone()),
        ("address", instrument.address.clone()),
        ("certificate", calibration.number.clone()),
        ("issuer", calibration.issuer.clone()),
        ("calibrated_on", view::day(calibration.calibrated_at)),
        ("valid_until", view::day(calibration.valid_until)),
        ("expanded", calibration.expanded_uncertainty_percent.normalize().to_string()),
        ("factor", calibration.coverage_factor.normalize().to_string()),
        ("drift", calibration.drift_percent_per_year.normalize().to_string()),
    ] {
        entries.set(name, text);
    }
    entries
}

fn show(
    t: &Texts,
    site: &Site,
    person: &Person,
    register: &[Instrument],
    entries: &Entries,
    faults: Vec<Fault>,
) -> Result<HttpResponse, Problem> {
    let now = Timestamp::now();
    let models = InstrumentModel::all().map_err(|error| {
        tracing::error!(%error, "the command maps do not read");
        Problem::unavailable("the command maps of instruments do not read")
    })?;
    let status = if faults.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = InstrumentsPage {
        t,
        simulated: site.settings.simulated,
        here: "/ver/instruments?".to_owned(),
        person,
        instruments: register.iter().map(|instrument| line(t, instrument, now)).collect(),
        models: models.iter().map(|model| model_view(t, model)).collect(),
        is_known: register.iter().any(|instrument| instrument.instrument_id == entries.get("id")),
        is_given: !faults.is_empty() || entries.get("do") == SHOW,
        f: entries,
        faults,
    };
    Ok(private(html(status, &page)))
}

fn line(t: &Texts, instrument: &Instrument, now: Timestamp) -> InstrumentLine {
    let calibration = &instrument.calibration;
    let (light, word) = validity(calibration, now);
    let word = match word {
        "expired" => t.of("instruments.expired"),
        "soon" => t.of("instruments.soon"),
        "later" => t.of("instruments.later"),
        _ => t.of("instruments.until"),
    };
    let day =
        if calibration.calibrated_at <= now { calibration.valid_until } else { calibration.calibrated_at };
    InstrumentLine {
        id: instrument.instrument_id.clone(),
        role: t.of_owned(&format!("instrument.{}", instrument.role.word())).to_owned(),
        model: instrument.model.clone(),
        serial: instrument.serial.clone(),
        address: instrument.address.clone(),
        certificate: format!("{} · {}", calibration.number, calibration.issuer),
        uncertainty: format!(
            "{} % (k = {})",
            calibration.expanded_uncertainty_percent.normalize(),
            calibration.coverage_factor.normalize()
        ),
        light,
        validity: format!("{word} {}", view::day(day)),
        edit: format!(
            "/ver/instruments?edit={}&lang={}#form",
            view::segment(&instrument.instrument_id),
            t.short()
        ),
    }
}

/// Whether a calibration holds: colour and word.
fn validity(calibration: &Calibration, now: Timestamp) -> (&'static str, &'static str) {
    if calibration.valid_until < now {
        ("red", "expired")
    } else if now < calibration.calibrated_at {
        ("red", "later")
    } else if calibration.valid_until < now + SOON {
        ("amber", "soon")
    } else {
        ("green", "until")
    }
}

fn model_view(t: &Texts, model: &InstrumentModel) -> ModelView {
    let kinds = model.current.split(',').map(|kind| t.of_owned(&format!("kind.{}", kind.trim())));
    ModelView {
        name: model.model.clone(),
        role: t.of_owned(&format!("instrument.{}", model.role.word())).to_owned(),
        can: kinds.collect::<Vec<_>>().join(t.of("comma")),
        limits: format!(
            "{} V · {} A",
            model.limits.voltage_v.normalize(),
            model.limits.current_a.normalize()
        ),
        facts: lines(t, &model.facts),
        assumed: lines(t, &model.assumed),
    }
}

fn lines(t: &Texts, lines: &[Bilingual]) -> Vec<String> {
    lines.iter().map(|line| t.pick(&line.zh, &line.en).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::Language;
    use crate::ver::fixture;

    #[test]
    fn an_instrument_is_written_into_its_form_and_read_back() {
        let t = Texts::in_language(Language::En);
        for original in fixture::instruments() {
            let again = instrument(t, &entries_of(&original)).expect("good");
            assert_eq!((&again.instrument_id, again.role), (&original.instrument_id, original.role));
            assert_eq!(again.calibration.coverage_factor, original.calibration.coverage_factor);
            assert_eq!(view::day(again.calibration.valid_until), view::day(original.calibration.valid_until));
            let until = again.calibration.valid_until;
            let end_of_day = until.duration_since(crate::entries::day(&view::day(until)).expect("a day"));
            assert_eq!(end_of_day.as_secs(), 86_399, "the last day counts whole");
        }
    }

    #[test]
    fn what_an_instrument_cannot_be_is_refused() {
        let t = Texts::in_language(Language::Zh);
        for (name, text) in [
            ("id", ""),
            ("id", "a/b"),
            ("model", "unheard-of"),
            ("serial", ""),
            ("address", "somewhere"),
            ("address", ":5025"),
            ("address", "host:99999"),
            ("certificate", ""),
            ("issuer", ""),
            ("calibrated_on", "yesterday"),
            ("valid_until", "2020-01-01"),
            ("expanded", "0"),
            ("factor", "0"),
            ("drift", "-1"),
        ] {
            let mut entries = entries_of(&fixture::instruments()[0]);
            entries.set(name, text);
            let faults = instrument(t, &entries).expect_err(name);
            assert!(faults.iter().all(|fault| !fault.what.is_empty() && !fault.next.is_empty()), "{name}");
        }
    }

    #[test]
    fn what_is_known_of_models_is_told_in_the_pages_language() {
        for model in InstrumentModel::all().expect("readable") {
            let view = |language| model_view(Texts::in_language(language), &model);
            let (zh, en) = (view(Language::Zh), view(Language::En));
            assert_eq!((zh.facts.len(), zh.assumed.len()), (en.facts.len(), en.assumed.len()));
            let is_chinese = |line: &String| line.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
            assert!(zh.facts.iter().chain(&zh.assumed).all(is_chinese), "{}", model.model);
            assert!(!en.facts.iter().chain(&en.assumed).any(is_chinese), "{}", model.model);
        }
    }

    #[test]
    fn validity_is_told_in_colour_and_word() {
        let calibration = fixture::instruments()[0].calibration.clone();
        let (from, until) = (calibration.calibrated_at, calibration.valid_until);
        let second = SignedDuration::from_secs(1);
        for (now, expected) in [
            (from - second, ("red", "later")),
            (from, ("green", "until")),
            (until - SOON, ("green", "until")),
            (until - SOON + second, ("amber", "soon")),
            (until, ("amber", "soon")),
            (until + second, ("red", "expired")),
        ] {
            assert_eq!(validity(&calibration, now), expected);
        }
    }
}
