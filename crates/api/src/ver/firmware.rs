//! `/ver/firmware`: firmware that a model may run without its certificates coming into question.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use jiff::Timestamp;

use veripile_store::verification::Approval;

use super::access;
use crate::Site;
use crate::entries::{Entries, Fault, Reader, SHOW};
use crate::problem::{Problem, html};
use crate::session::{Person, private};
use crate::texts::Texts;

#[derive(Template)]
#[template(path = "ver_firmware.html")]
struct FirmwarePage<'a> {
    t: &'a Texts,
    simulated: bool,
    here: String,
    person: &'a Person,
    approved: Vec<Approval>,
    f: &'a Entries,
    faults: Vec<Fault>,
    /// Whether the form holds what somebody sent.
    is_given: bool,
}

/// GET `/ver/firmware`.
pub(crate) async fn page(
    request: HttpRequest,
    site: web::Data<Site>,
    person: Person,
) -> Result<HttpResponse, Problem> {
    show(&request, &site, &person, &Entries::default(), Vec::new()).await
}

/// POST `/ver/firmware`: approves, or withdraws an approval (`withdraw` is then not empty).
pub(crate) async fn approve(
    request: HttpRequest,
    site: web::Data<Site>,
    person: Person,
    fields: web::Form<Vec<(String, String)>>,
) -> Result<HttpResponse, Problem> {
    let entries = Entries::new(fields.into_inner());
    person.owns_form(entries.get("token"))?;
    access::demand(person.is_administrator(), "only an administrator approves firmware")?;
    let t = Texts::of_request(&request);
    let mut reader = Reader::new(t, &entries);
    let model = reader.text("model", t.of("pile.model"));
    let firmware = reader.text("firmware", t.of("pile.firmware"));
    if !reader.faults.is_empty() {
        let faults = reader.faults;
        return show(&request, &site, &person, &entries, faults).await;
    }
    if entries.get("do") == SHOW {
        return show(&request, &site, &person, &entries, Vec::new()).await;
    }
    if entries.get("withdraw").is_empty() {
        site.store.approve_firmware(&model, &firmware, &person.name, Timestamp::now()).await?;
        tracing::info!(model, firmware, person = person.name, "firmware was approved");
    } else if site.store.withdraw_approval(&model, &firmware, &person.name, Timestamp::now()).await? {
        tracing::info!(model, firmware, person = person.name, "an approval of firmware was withdrawn");
    }
    let address = format!("/ver/firmware?lang={}", t.short());
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, address)).finish())
}

async fn show(
    request: &HttpRequest,
    site: &Site,
    person: &Person,
    entries: &Entries,
    faults: Vec<Fault>,
) -> Result<HttpResponse, Problem> {
    let t = Texts::of_request(request);
    let approved = site.store.approved_firmware().await?;
    let status = if faults.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = FirmwarePage {
        t,
        simulated: site.settings.simulated,
        here: "/ver/firmware?".to_owned(),
        person,
        approved,
        is_given: !faults.is_empty() || entries.get("do") == SHOW,
        f: entries,
        faults,
    };
    Ok(private(html(status, &page)))
}
