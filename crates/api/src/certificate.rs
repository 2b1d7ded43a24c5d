//! `/c/{number}`: what a document is worth today, its main facts, its files, and how to check them without us. What the QR on a
//! certificate opens.
//!
//! Who sees what is decided here, once, for the page and for the API: see [`Sight`].

pub(crate) mod checks;
pub(crate) mod document;
pub(crate) mod keys;
pub(crate) mod list;

use std::collections::{BTreeSet, HashMap};

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use jiff::Timestamp;
use serde::Deserialize;
use veripile_metrology::rounding::written;
use veripile_pile::{Act, OperatorId};
use veripile_store::verification::{CertificateRow, CertificateStatus, Question};
use veripile_verification::certificate::check::{Checked, Layer};
use veripile_verification::{Certificate, CertificateKind, Chart};

use crate::Site;
use crate::problem::{Problem, html, missing_page};
use crate::qr;
use crate::session::{Person, Visitor, private};
use crate::texts::Texts;
use crate::ver::{access, live};
use crate::view;

/// Whether somebody may see a document.
///
/// A certificate is for everybody. A notice of result is bad news: it is for the operator and the authority's people until the case
/// is confirmed and the operator's reply window is over; until then nobody else learns that it exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    /// Everybody, and caches.
    Public,
    /// This person; nothing is to be cached.
    Confidential,
    /// Not this one: as if there were none.
    Hidden,
}

/// A question about a certificate.
pub(crate) struct QuestionLine {
    pub(crate) reason: String,
    pub(crate) detail: String,
    pub(crate) at: String,
    pub(crate) person: String,
}

/// Makes a question's line.
pub(crate) fn question(t: &Texts, question: &Question) -> QuestionLine {
    QuestionLine {
        reason: t.of_owned(&format!("question.{}", question.reason.word())).to_owned(),
        detail: question.detail.clone(),
        at: view::day(question.at),
        person: question.person.clone(),
    }
}

/// The acts that bear on who may see these documents, by pile: on notices, and on what stands in a document's place.
pub(crate) async fn acts(site: &Site, rows: &[CertificateRow]) -> Result<HashMap<String, Vec<Act>>, Problem> {
    let is_asked = |row: &&CertificateRow| row.kind == CertificateKind::Notice || row.superseded_by_notice;
    let piles: BTreeSet<&str> = rows.iter().filter(is_asked).map(|row| row.pile_id.as_str()).collect();
    if piles.is_empty() {
        return Ok(HashMap::new());
    }
    Ok(site.store.acts_of_piles(&piles.into_iter().collect::<Vec<_>>()).await?)
}

/// The same of one document.
pub(crate) async fn acts_on(site: &Site, row: &CertificateRow) -> Result<Vec<Act>, Problem> {
    let mut acts = acts(site, std::slice::from_ref(row)).await?;
    Ok(acts.remove(row.pile_id.as_str()).unwrap_or_default())
}

/// What somebody may see of a document, by the acts on its pile.
pub(crate) fn sight(person: Option<&Person>, row: &CertificateRow, acts: &[Act], now: Timestamp) -> Sight {
    match row.kind {
        CertificateKind::Certificate => Sight::Public,
        CertificateKind::Notice => sight_of_notice(person, row, &row.number, acts, now),
    }
}

/// What somebody may see of a notice on the pile of a document.
fn sight_of_notice(
    person: Option<&Person>,
    row: &CertificateRow,
    number: &str,
    acts: &[Act],
    now: Timestamp,
) -> Sight {
    let is_public = access::is_notice_public(acts, number, now);
    let operator = row.operator_id.as_deref().and_then(|id| OperatorId::parse(id).ok());
    sight_of(is_public, access::may_see_unpublished(person, operator.as_ref()))
}

fn sight_of(is_public: bool, may_see: bool) -> Sight {
    match (is_public, may_see) {
        (true, _) => Sight::Public,
        (false, true) => Sight::Confidential,
        (false, false) => Sight::Hidden,
    }
}

/// What a document is worth, as far as this person may know: a later notice that is not theirs to see shows as a question only.
pub(crate) fn status(
    person: Option<&Person>,
    row: &CertificateRow,
    acts: &[Act],
    now: Timestamp,
) -> (CertificateStatus, Option<String>) {
    let Some(later) = row.superseded_by.as_deref() else { return (row.status, None) };
    if row.status == CertificateStatus::Withdrawn {
        return (row.status, None);
    }
    let is_hidden =
        row.superseded_by_notice && sight_of_notice(person, row, later, acts, now) == Sight::Hidden;
    if is_hidden { (CertificateStatus::InQuestion, None) } else { (row.status, Some(later.to_owned())) }
}

/// The whole address of a document's page, as printed on it.
pub(crate) fn address(request: &HttpRequest, site: &Site, number: &str) -> String {
    format!("{}/c/{}", qr::site_address(request, site), view::segment(number))
}

/// The document inside a signed file of ours.
pub(crate) fn read(row: &CertificateRow) -> Result<Certificate, Problem> {
    #[derive(Deserialize)]
    struct File {
        certificate: Certificate,
    }
    let file: Result<File, _> = serde_json::from_str(&row.json);
    file.map(|file| file.certificate).map_err(|error| {
        tracing::error!(%error, number = row.number, "a stored document does not read back");
        Problem::unavailable("the document cannot be read now")
    })
}

/// The symbol beside a status's word.
fn symbol(status: CertificateStatus) -> &'static str {
    match status {
        CertificateStatus::Valid => "✓",
        CertificateStatus::InQuestion => "?",
        CertificateStatus::Superseded => "→",
        CertificateStatus::Withdrawn | CertificateStatus::Notice => "✕",
        CertificateStatus::Expired => "○",
    }
}

/// A load point's row.
struct PointLine {
    load: String,
    error: String,
    /// As rounded for the decision, in its own digits.
    rounded: Option<String>,
    expanded: String,
    limit: String,
    verdict: &'static str,
    verdict_text: String,
}

#[derive(Template)]
#[template(path = "certificate.html")]
struct CertificatePage<'a> {
    t: &'a Texts,
    simulated: bool,
    here: String,
    number: String,
    segment: String,
    kind: String,
    status: &'static str,
    symbol: &'static str,
    status_text: String,
    why: String,
    superseded_by: Option<(String, String)>,
    withdrawn: Option<(String, String)>,
    questions: Vec<QuestionLine>,
    is_confidential: bool,
    facts: Vec<(&'a str, String)>,
    pile: (String, String),
    chart: String,
    points: Vec<PointLine>,
    items: Vec<(String, bool)>,
    layers: Vec<(&'a str, &'static str, &'a str)>,
    key_id: String,
    sha256: String,
    remarks: String,
    /// Whoever may withdraw it.
    withdrawer: Option<&'a Person>,
}

/// GET `/c/{number}`.
pub(crate) async fn page(
    request: HttpRequest,
    site: web::Data<Site>,
    visitor: Visitor,
    number: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let t = Texts::of_request(&request);
    let segment = view::segment(&number);
    let here = format!("/c/{segment}?");
    let now = Timestamp::now();
    let person = visitor.0.as_ref();
    let found = site.store.certificate_by_number(&number, now).await?;
    let Some(row) = found else { return Ok(missing_page(t, site.settings.simulated, here)) };
    let acts = acts_on(&site, &row).await?;
    let sight = sight(person, &row, &acts, now);
    if sight == Sight::Hidden {
        return Ok(missing_page(t, site.settings.simulated, here));
    }
    let worth = status(person, &row, &acts, now);
    let checked = site.checks.of(&row.json, keys::all(&site)).await.map_err(|error| {
        tracing::error!(%error, number = row.number, "a document could not be checked");
        Problem::unavailable("the document cannot be checked now")
    })?;
    let certificate = read(&row)?;
    let page = page_of(t, person, &row, &certificate, &checked, worth);
    let is_confidential = sight == Sight::Confidential;
    let page = CertificatePage { simulated: site.settings.simulated, is_confidential, here, ..page };
    let answer = html(StatusCode::OK, &page);
    // Who is signed in sees forms of their own.
    Ok(if sight == Sight::Public && person.is_none() { answer } else { private(answer) })
}

/// The page of a document, as somebody sees it. `worth`: its status for them, and what stands in its place.
fn page_of<'a>(
    t: &'a Texts,
    person: Option<&'a Person>,
    row: &CertificateRow,
    certificate: &Certificate,
    checked: &Checked,
    (status, superseded_by): (CertificateStatus, Option<String>),
) -> CertificatePage<'a> {
    let word = status.word();
    let pile = certificate.order.plate.pile_id.as_str();
    let may_withdraw =
        |person: &&Person| row.withdrawn.is_none() && access::may_withdraw(person, &certificate.order);
    CertificatePage {
        t,
        simulated: false,
        here: String::new(),
        segment: view::segment(&row.number),
        kind: t.of_owned(&format!("document.{}", row.kind.word())).to_owned(),
        status: word,
        symbol: symbol(status),
        status_text: t.of_owned(&format!("status_of.{word}")).to_owned(),
        why: t.of_owned(&format!("status_of.{word}.why")).to_owned(),
        superseded_by: superseded_by
            .map(|number| (format!("/c/{}?lang={}", view::segment(&number), t.short()), number)),
        withdrawn: row.withdrawn.as_ref().map(|done| (view::day(done.at), done.reason.clone())),
        questions: row.questions.iter().map(|known| question(t, known)).collect(),
        is_confidential: false,
        facts: facts(t, certificate),
        pile: (format!("/p/{}?lang={}", view::segment(pile), t.short()), pile.to_owned()),
        chart: Chart::of_result(&certificate.result, t.document_language()).svg(),
        points: points(t, certificate),
        items: certificate
            .result
            .items
            .iter()
            .map(|item| (t.of_owned(&format!("item.{}", item.code.word())).to_owned(), item.passed))
            .collect(),
        layers: layers(t, checked),
        key_id: checked.key_id.clone().unwrap_or_default(),
        sha256: row.sha256.clone(),
        remarks: certificate.remarks.clone(),
        withdrawer: person.filter(may_withdraw),
        number: row.number.clone(),
    }
}

/// Why a document is withdrawn.
#[derive(Deserialize)]
pub(crate) struct WithdrawForm {
    token: String,
    reason: String,
}

/// POST `/c/{number}/withdraw`.
pub(crate) async fn withdraw(
    request: HttpRequest,
    site: web::Data<Site>,
    person: Person,
    number: web::Path<String>,
    given: web::Form<WithdrawForm>,
) -> Result<HttpResponse, Problem> {
    person.owns_form(&given.token)?;
    let now = Timestamp::now();
    let missing = || Problem::missing("no such document");
    let row = site.store.certificate_by_number(&number, now).await?.ok_or_else(missing)?;
    let may = access::may_withdraw(&person, &read(&row)?.order);
    access::demand(may, "an administrator who neither verified nor reviewed withdraws a document")?;
    let reason = given.reason.trim();
    if reason.is_empty() {
        return Err(Problem::parameter("reason", "why it is withdrawn"));
    }
    if !site.store.withdraw_certificate(&number, &person.name, reason, now).await? {
        return Err(Problem::missing("it is withdrawn already"));
    }
    tracing::warn!(number = row.number, person = person.name, "a document was withdrawn");
    let address = format!("/c/{}?lang={}", view::segment(&number), Texts::of_request(&request).short());
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, address)).finish())
}

fn facts<'a>(t: &'a Texts, certificate: &Certificate) -> Vec<(&'a str, String)> {
    let order = &certificate.order;
    let plate = &order.plate;
    let or = |text: &Option<String>| text.clone().unwrap_or_default();
    let instruments = order.instruments.iter().map(|instrument| {
        format!(
            "{} {} ({} {})",
            instrument.model,
            instrument.serial,
            t.of("instruments.certificate"),
            instrument.calibration.number
        )
    });
    let mut facts = vec![
        (t.of("basis.date"), certificate.verified_on.to_string()),
        (t.of("basis.until"), certificate.valid_until.map_or(String::new(), |day| day.to_string())),
        (t.of("basis.issuer"), order.body.clone()),
        (t.of("ver.verifier"), order.verifier.clone()),
        (t.of("ver.reviewer"), order.reviewer.clone()),
        (t.of("ver.reason"), t.of_owned(&format!("reason_of_order.{}", order.reason.word())).to_owned()),
        (t.of("ver.rules"), certificate.result.rule_set.clone()),
        (t.of("pile.operator"), or(&plate.operator)),
        (t.of("pile.station"), or(&plate.station)),
        (t.of("ver.outlet"), order.connector.to_string()),
        (t.of("pile.model"), or(&plate.model)),
        (t.of("pile.meter"), or(&plate.meter_serial)),
        (t.of("pile.firmware"), or(&plate.firmware)),
        (t.of("pile.class"), plate.class.0.normalize().to_string()),
        (t.of("ver.instruments"), instruments.collect::<Vec<_>>().join(t.of("comma"))),
        (
            t.of("ver.conditions"),
            format!(
                "{} °C · {} %",
                certificate.conditions.temperature_c.normalize(),
                certificate.conditions.humidity_percent.normalize()
            ),
        ),
    ];
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

fn points(t: &Texts, certificate: &Certificate) -> Vec<PointLine> {
    let line = |found: &veripile_verification::PointResult| PointLine {
        load: live::load(t, &found.point),
        error: live::signed_percent(found.error_percent),
        rounded: found.rounded_percent.map(|rounded| format!("{rounded:+} %")),
        expanded: format!(
            "{} % (k = {})",
            written(found.expanded_uncertainty_percent, 3),
            found.coverage_factor.normalize()
        ),
        limit: format!("±{} %", found.limit_percent.normalize()),
        verdict: found.verdict.word(),
        verdict_text: t.of_owned(&format!("found.{}", found.verdict.word())).to_owned(),
    };
    certificate.result.points.iter().map(line).collect()
}

fn layers<'a>(t: &'a Texts, checked: &Checked) -> Vec<(&'a str, &'static str, &'a str)> {
    let word = |layer: Layer| match layer {
        Layer::Ok => ("✓", t.of("check.ok")),
        Layer::Failed => ("✕", t.of("check.failed")),
        Layer::NotChecked => ("–", t.of("check.not_checked")),
    };
    [
        (t.of("check.syntax"), checked.syntax),
        (t.of("check.signature"), checked.signature),
        (t.of("check.key"), checked.key),
        (t.of("certificate.follows"), checked.result),
    ]
    .map(|(name, layer)| {
        let (symbol, text) = word(layer);
        (name, symbol, text)
    })
    .to_vec()
}

#[cfg(test)]
mod tests {
    use veripile_pile::ActKind;
    use veripile_verification::certificate::check;

    use super::*;
    use crate::texts::Language;
    use crate::ver::access::tests::person;
    use crate::ver::fixture;

    #[test]
    fn a_notice_is_hidden_from_strangers_until_it_is_public() {
        assert_eq!(sight_of(false, false), Sight::Hidden);
        assert_eq!(sight_of(false, true), Sight::Confidential);
        assert_eq!(sight_of(true, false), Sight::Public);
        assert_eq!(sight_of(true, true), Sight::Public);
    }

    fn row(issued: &veripile_verification::Issued) -> CertificateRow {
        let certificate = &issued.certificate;
        CertificateRow {
            certificate_no: 1,
            number: certificate.number.clone(),
            kind: certificate.kind,
            pile_id: certificate.order.plate.pile_id.clone(),
            operator_id: Some("O1".to_owned()),
            connector: 1,
            issuer: certificate.order.body.clone(),
            verified_on: certificate.verified_on,
            valid_until: certificate.valid_until,
            issued_at: certificate.issued_at,
            json: issued.json.clone(),
            sha256: issued.sha256.clone(),
            status: CertificateStatus::Valid,
            superseded_by: None,
            superseded_by_notice: false,
            withdrawn: None,
            questions: Vec::new(),
        }
    }

    #[test]
    fn a_later_notice_that_is_not_public_shows_as_a_question() {
        let at = |day: i64| Timestamp::from_second(1_770_000_000 + day * 86_400).expect("in range");
        let act = |kind, day, person: &str| Act {
            kind,
            number: "N1".to_owned(),
            outlet: None,
            issuer: "计量所".to_owned(),
            person: person.to_owned(),
            acted_at: at(day),
            valid_until: None,
            reply_until: (kind == ActKind::Notice).then(|| at(20)),
            result: None,
        };
        let confirmed = |person| act(ActKind::FailureConfirmed, 0, person);
        let acts = [act(ActKind::Notice, 0, "zhang"), confirmed("zhang"), confirmed("li")];
        let old = CertificateRow {
            status: CertificateStatus::Superseded,
            superseded_by: Some("N1".to_owned()),
            superseded_by_notice: true,
            ..row(&fixture::issued(fixture::order(), 0))
        };
        let boss = person("boss", &[], None);
        let other = person("other", &[], Some("O2"));
        let shown = (CertificateStatus::Superseded, Some("N1".to_owned()));
        let hidden = (CertificateStatus::InQuestion, None);
        for (who, day, acts, expected) in [
            (None, 10, &acts[..], &hidden),
            (None, 30, &acts[..], &shown),
            (None, 30, &acts[..0], &hidden),
            (Some(&boss), 10, &acts[..], &shown),
            (Some(&other), 10, &acts[..], &hidden),
        ] {
            assert_eq!(status(who, &old, acts, at(day)), *expected, "{day}");
        }
        let by_certificate = CertificateRow { superseded_by_notice: false, ..old.clone() };
        assert_eq!(status(None, &by_certificate, &[], at(10)), shown);
        let withdrawn = CertificateRow { status: CertificateStatus::Withdrawn, ..old };
        assert_eq!(status(None, &withdrawn, &acts, at(30)), (CertificateStatus::Withdrawn, None));
    }

    #[test]
    fn a_stored_file_reads_back_and_its_names_are_shown_as_text() {
        const SCRIPT: &str = "<script>alert(1)</script>";
        let mut order = fixture::order();
        order.body = SCRIPT.to_owned();
        order.plate.station = Some(SCRIPT.to_owned());
        for error_percent in [0, 5] {
            let issued = fixture::issued(order.clone(), error_percent);
            let row = row(&issued);
            let certificate = read(&row).expect("reads");
            assert_eq!(certificate, issued.certificate);
            let checked = check::check(&row.json, &[fixture::key().public()]);
            for status in CertificateStatus::ALL {
                for language in [Language::Zh, Language::En] {
                    let t = Texts::in_language(language);
                    let boss = person("boss", &[], None);
                    let worth = (status, Some("VP2026-000009".to_owned()));
                    let page = page_of(t, Some(&boss), &row, &certificate, &checked, worth);
                    let page = page.render().expect("renders");
                    assert!(!page.contains(SCRIPT) && page.contains("&#60;script&#62;"), "{status:?}");
                    assert!(page.contains(&issued.sha256) && page.contains("/withdraw"), "{status:?}");
                }
            }
            let t = Texts::in_language(Language::Zh);
            let stranger = page_of(t, None, &row, &certificate, &checked, (row.status, None));
            assert!(!stranger.render().expect("renders").contains("<form"), "nothing to do for strangers");
        }
    }

    #[test]
    fn every_status_has_a_symbol_of_its_meaning() {
        let good = CertificateStatus::ALL.into_iter().filter(|status| symbol(*status) == "✓");
        assert_eq!(good.collect::<Vec<_>>(), [CertificateStatus::Valid]);
    }
}
