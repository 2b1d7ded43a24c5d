//! `/ver/piles/{pile}`: what was verified at a pile, its seals, what puts its certificates in question; forms to report a broken seal
//! and to record a repair.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use jiff::Timestamp;
use veripile_pile::PileId;
use veripile_store::verification::{
    CertificateQuery, CertificateRow, CertificateStatus, QuestionReason, VerificationQuery,
};

use super::access;
use super::orders::{self, OrderLine};
use super::runs::Runs;
use crate::Site;
use crate::certificate::{self, QuestionLine};
use crate::entries::{Entries, Fault, Reader};
use crate::pile::{self, ActLine};
use crate::problem::{Problem, html, missing_page};
use crate::session::{Person, private};
use crate::texts::Texts;
use crate::view;

/// Orders and documents on the page, the newest: a pile has one in three years.
const SHOWN_MAX: u32 = 50;

/// A document's line.
struct DocumentLine {
    number: String,
    href: String,
    kind: String,
    outlet: i64,
    verified_on: String,
    valid_until: String,
    status: &'static str,
    status_text: String,
    questions: Vec<QuestionLine>,
}

#[derive(Template)]
#[template(path = "ver_pile.html")]
struct PilePage<'a> {
    t: &'a Texts,
    simulated: bool,
    here: String,
    path: String,
    person: &'a Person,
    id: String,
    documents: Vec<DocumentLine>,
    /// On-site results, not yet public ones too.
    acts: Vec<ActLine>,
    orders: Vec<OrderLine>,
    seals: Vec<(String, String, String)>,
    /// Certificates that a broken seal puts in question.
    questionable: Vec<String>,
    may_order: bool,
    may_repair: bool,
    f: &'a Entries,
    faults: Vec<Fault>,
}

/// GET `/ver/piles/{pile}`.
pub(crate) async fn page(
    request: HttpRequest,
    site: web::Data<Site>,
    runs: web::Data<Runs>,
    person: Person,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    show(&request, &site, &runs, &person, &id, &Entries::default(), Vec::new()).await
}

/// POST `/ver/piles/{pile}/question`: anybody signed in who sees the pile reports what they saw.
pub(crate) async fn question(
    request: HttpRequest,
    site: web::Data<Site>,
    runs: web::Data<Runs>,
    person: Person,
    id: web::Path<String>,
    fields: web::Form<Vec<(String, String)>>,
) -> Result<HttpResponse, Problem> {
    let entries = Entries::new(fields.into_inner());
    person.owns_form(entries.get("token"))?;
    let t = Texts::of_request(&request);
    let pile_id = find(&site, &person, &id).await?.ok_or_else(missing)?;
    let mut reader = Reader::new(t, &entries);
    let number = reader.text("certificate", t.of("basis.certificate"));
    let detail = reader.text("detail", t.of("question.detail"));
    let reason = QuestionReason::from_word(entries.get("reason"));
    let reason = reason.filter(|reason| reason.is_reported());
    let Some(reason) = reason.filter(|_| reader.faults.is_empty()) else {
        if reason.is_none() {
            reader.wrong("reason", t.of("question.why"));
        }
        let faults = reader.faults;
        return show(&request, &site, &runs, &person, &id, &entries, faults).await;
    };
    let now = Timestamp::now();
    let is_of_pile =
        site.store.certificate_by_number(&number, now).await?.is_some_and(|row| row.pile_id == pile_id);
    if !is_of_pile {
        return Err(missing());
    }
    if site.store.question_certificate(&number, reason, &detail, &person.name, now).await? {
        tracing::info!(pile.id = %pile_id, number, reason = reason.word(), person = person.name, "a certificate is in question");
    }
    Ok(back(t, &id))
}

/// POST `/ver/piles/{pile}/repair`.
pub(crate) async fn repair(
    request: HttpRequest,
    site: web::Data<Site>,
    runs: web::Data<Runs>,
    person: Person,
    id: web::Path<String>,
    fields: web::Form<Vec<(String, String)>>,
) -> Result<HttpResponse, Problem> {
    let entries = Entries::new(fields.into_inner());
    person.owns_form(entries.get("token"))?;
    access::demand(access::may_repair(&person), "only a repairer records repairs")?;
    let t = Texts::of_request(&request);
    let pile_id = find(&site, &person, &id).await?.ok_or_else(missing)?;
    let mut reader = Reader::new(t, &entries);
    let what = reader.text("what", t.of("repair.what"));
    if !reader.faults.is_empty() {
        let faults = reader.faults;
        return show(&request, &site, &runs, &person, &id, &entries, faults).await;
    }
    let questioned = site.store.record_repair(&pile_id, &person.name, &what, Timestamp::now()).await?;
    tracing::info!(pile.id = %pile_id, person = person.name, questioned, "a repair was recorded");
    Ok(back(t, &id))
}

fn back(t: &Texts, id: &str) -> HttpResponse {
    let address = format!("/ver/piles/{}?lang={}", view::segment(id), t.short());
    HttpResponse::SeeOther().insert_header((LOCATION, address)).finish()
}

fn missing() -> Problem {
    Problem::missing("no such pile, or no such certificate of it")
}

/// A pile that this person sees.
async fn find(site: &Site, person: &Person, id: &str) -> Result<Option<PileId>, Problem> {
    let Ok(pile_id) = PileId::parse(id) else { return Ok(None) };
    let found = site.store.console_pile(person.scope.as_ref(), &pile_id).await?;
    Ok(found.map(|pile| pile.pile_id))
}

async fn show(
    request: &HttpRequest,
    site: &Site,
    runs: &Runs,
    person: &Person,
    id: &str,
    entries: &Entries,
    faults: Vec<Fault>,
) -> Result<HttpResponse, Problem> {
    let t = Texts::of_request(request);
    let path = format!("/ver/piles/{}", view::segment(id));
    let Some(pile_id) = find(site, person, id).await? else {
        return Ok(missing_page(t, site.settings.simulated, format!("{path}?")));
    };
    let now = Timestamp::now();
    let query =
        CertificateQuery { pile: Some(pile_id.clone()), limit: SHOWN_MAX, ..CertificateQuery::default() };
    let documents = site.store.certificates_page(&query, now).await?;
    let query =
        VerificationQuery { pile: Some(pile_id.clone()), limit: SHOWN_MAX, ..VerificationQuery::default() };
    let mut lines = Vec::new();
    for row in site.store.verifications(&query).await? {
        lines.push(orders::line(t, site, runs, &row).await?);
    }
    let seals = site.store.seals(&pile_id).await?;
    let acts = pile::on_site(t, site, &pile_id, now).await?;
    let holds = |row: &&CertificateRow| {
        matches!(row.status, CertificateStatus::Valid | CertificateStatus::InQuestion)
    };
    let status = if faults.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = PilePage {
        t,
        simulated: site.settings.simulated,
        here: format!("{path}?"),
        person,
        questionable: documents.iter().filter(holds).map(|row| row.number.clone()).collect(),
        documents: documents.iter().map(|row| document(t, row)).collect(),
        acts,
        orders: lines,
        seals: seals
            .into_iter()
            .map(|(number, place, photo)| (number, place, photo.unwrap_or_default()))
            .collect(),
        may_order: access::may_order(person),
        may_repair: access::may_repair(person),
        id: pile_id.to_string(),
        f: entries,
        faults,
        path,
    };
    Ok(private(html(status, &page)))
}

fn document(t: &Texts, row: &CertificateRow) -> DocumentLine {
    DocumentLine {
        number: row.number.clone(),
        href: format!("/c/{}?lang={}", view::segment(&row.number), t.short()),
        kind: t.of_owned(&format!("document.{}", row.kind.word())).to_owned(),
        outlet: row.connector,
        verified_on: row.verified_on.to_string(),
        valid_until: row.valid_until.map_or_else(|| t.of("dash").to_owned(), |day| day.to_string()),
        status: row.status.word(),
        status_text: t.of_owned(&format!("status_of.{}", row.status.word())).to_owned(),
        questions: row.questions.iter().map(|question| certificate::question(t, question)).collect(),
    }
}
