//! What people do with an order: start, stop, call off; record items, conditions, a display. Each handler checks who it is,
//! parses, makes one call and goes back to the order's page.

use actix_multipart::Multipart;
use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};
use veripile_store::verification::{OrderRow, OrderState};
use veripile_verification::item::{ItemCode, ItemRecord};
use veripile_verification::run::{Event, Happening};

use super::order::{self, Said, find, now, show};
use super::record::{self, By, Known};
use super::runs::Runs;
use super::{access, words};
use crate::Site;
use crate::entries::{Entries, Fault};
use crate::problem::Problem;
use crate::session::Person;
use crate::texts::Texts;
use crate::view;

/// Longest form of the page of an order, bytes.
pub(crate) const FORM_BYTES_MAX: usize = 64 * 1024;

/// Largest photo of a seal, bytes: it is hashed as it comes and not kept.
const PHOTO_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Longest text field beside the photos, bytes.
const FIELD_BYTES_MAX: usize = 8 * 1024;

/// Fields of the form of seals: four a row, and some.
const FIELDS_MAX: usize = 64;

/// A form of an order's page, taken in: whose, of which order, what it says.
pub(crate) struct Taken {
    pub(crate) t: &'static Texts,
    pub(crate) person: Person,
    pub(crate) row: OrderRow,
    pub(crate) entries: Entries,
}

/// Takes a form in: it must be of this session, and the order one that the person sees.
pub(crate) async fn take(
    request: &HttpRequest,
    site: &Site,
    person: Person,
    number: &str,
    entries: Entries,
) -> Result<Taken, Problem> {
    person.owns_form(entries.get("token"))?;
    let row = find(site, &person, number).await?.ok_or_else(order::missing)?;
    Ok(Taken { t: Texts::of_request(request), person, row, entries })
}

impl Taken {
    /// Back to the order's page.
    pub(crate) fn back(&self, part: &str) -> HttpResponse {
        let address =
            format!("/ver/orders/{}?lang={}{part}", view::segment(&self.row.order.number), self.t.short());
        HttpResponse::SeeOther().insert_header((LOCATION, address)).finish()
    }

    /// The page again, with what is wrong and what was typed.
    pub(crate) async fn again(
        self,
        site: &Site,
        runs: &Runs,
        form: &str,
        faults: Vec<Fault>,
    ) -> Result<HttpResponse, Problem> {
        let said = Said { form: form.to_owned(), entries: self.entries, faults };
        show(self.t, site, runs, &self.person, &self.row, &said).await
    }

    fn by(&self) -> By<'_> {
        By { person: &self.person.name, at: now() }
    }

    /// The order is no longer in a state for this.
    pub(crate) fn too_late(&self) -> Vec<Fault> {
        vec![Fault::new(self.t.of("fault.state"), self.t.of("fault.state.next"))]
    }

    /// Stores what happened, and goes back to the page.
    async fn tell(
        self,
        site: &Site,
        runs: &Runs,
        form: &str,
        happening: Happening,
    ) -> Result<HttpResponse, Problem> {
        let event = Event { at: now(), what: happening };
        match site.store.append_person_event(&self.row.order.number, &event).await? {
            Some(_) => Ok(self.back(&format!("#{form}"))),
            None => {
                let faults = self.too_late();
                self.again(site, runs, form, faults).await
            }
        }
    }
}

/// POST `/ver/orders/{number}/start`: gives the order to the runners. What was right when it was made is asked again: an
/// instrument's certificate may have ended since, or the pile have other firmware.
pub(crate) async fn start(
    request: HttpRequest,
    site: web::Data<Site>,
    runs: web::Data<Runs>,
    person: Person,
    number: web::Path<String>,
    fields: web::Form<Vec<(String, String)>>,
) -> Result<HttpResponse, Problem> {
    let taken = take(&request, &site, person, &number, Entries::new(fields.into_inner())).await?;
    let order = &taken.row.order;
    access::demand(access::may_run(&taken.person, order), "only the order's verifier starts it")?;
    let repairers = site.store.repairers(&order.plate.pile_id, order.connector).await?;
    let told = site.store.firmware_told(taken.row.pile_no).await?;
    let mut errors = order.check(now(), &repairers).err().unwrap_or_default();
    errors.extend(order.check_firmware(told.as_deref()).err());
    if !errors.is_empty() {
        let faults = errors.iter().map(|error| words::order_fault(taken.t, error)).collect();
        return taken.again(&site, &runs, "start", faults).await;
    }
    if !site.store.queue_run(&order.number).await? {
        let faults = taken.too_late();
        return taken.again(&site, &runs, "start", faults).await;
    }
    tracing::info!(order.number = order.number, person = taken.person.name, "a run was queued");
    Ok(taken.back("#live"))
}

/// POST `/ver/orders/{number}/stop`.
pub(crate) async fn stop(
    request: HttpRequest,
    site: web::Data<Site>,
    runs: web::Data<Runs>,
    person: Person,
    number: web::Path<String>,
    fields: web::Form<Vec<(String, String)>>,
) -> Result<HttpResponse, Problem> {
    let taken = take(&request, &site, person, &number, Entries::new(fields.into_inner())).await?;
    access::demand(
        access::may_stop(&taken.person),
        "only verifiers, reviewers and administrators stop runs",
    )?;
    if taken.row.state != OrderState::Running {
        let faults = taken.too_late();
        return taken.again(&site, &runs, "stop", faults).await;
    }
    let reason = taken.entries.get("reason");
    let reason = if reason.is_empty() { taken.t.of("ver.no_reason") } else { reason }.to_owned();
    let person = taken.person.name.clone();
    tracing::info!(order.number = taken.row.order.number, person, "a run was stopped");
    taken.tell(&site, &runs, "live", Happening::Stopped { person, reason }).await
}

/// POST `/ver/orders/{number}/cancel`.
pub(crate) async fn cancel(
    request: HttpRequest,
    site: web::Data<Site>,
    runs: web::Data<Runs>,
    person: Person,
    number: web::Path<String>,
    fields: web::Form<Vec<(String, String)>>,
) -> Result<HttpResponse, Problem> {
    let taken = take(&request, &site, person, &number, Entries::new(fields.into_inner())).await?;
    let may = access::may_cancel(&taken.person, &taken.row.order);
    access::demand(may, "only the order's verifier, who ordered it, or an administrator calls it off")?;
    if !order::can_be_called_off(&taken.row, now()) {
        let faults = taken.too_late();
        return taken.again(&site, &runs, "cancel", faults).await;
    }
    call_off(&site, &runs, taken, "cancel").await
}

/// Calls an order off for the reason that a form gives.
pub(crate) async fn call_off(
    site: &Site,
    runs: &Runs,
    taken: Taken,
    form: &str,
) -> Result<HttpResponse, Problem> {
    let reason = taken.entries.get("reason").to_owned();
    if reason.is_empty() {
        let faults = vec![Fault::field(taken.t, taken.t.of("ver.why"), "")];
        return taken.again(site, runs, form, faults).await;
    }
    let order = &taken.row.order;
    if site.store.cancel_verification(&order.number, &taken.person.name, &reason, now()).await? {
        tracing::info!(order.number = order.number, person = taken.person.name, "an order was called off");
        return Ok(taken.back(""));
    }
    let faults = taken.too_late();
    taken.again(site, runs, form, faults).await
}

/// POST `/ver/orders/{number}/conditions`.
pub(crate) async fn conditions(
    request: HttpRequest,
    site: web::Data<Site>,
    runs: web::Data<Runs>,
    person: Person,
    number: web::Path<String>,
    fields: web::Form<Vec<(String, String)>>,
) -> Result<HttpResponse, Problem> {
    let taken = take(&request, &site, person, &number, Entries::new(fields.into_inner())).await?;
    demand_record(&site, &taken).await?;
    match record::conditions(taken.t, &taken.entries, &taken.by()) {
        Ok(conditions) => taken.tell(&site, &runs, "conditions", Happening::Conditions(conditions)).await,
        Err(faults) => taken.again(&site, &runs, "conditions", faults).await,
    }
}

/// POST `/ver/orders/{number}/display`: a register that the run asks to have read.
pub(crate) async fn display(
    request: HttpRequest,
    site: web::Data<Site>,
    runs: web::Data<Runs>,
    person: Person,
    number: web::Path<String>,
    fields: web::Form<Vec<(String, String)>>,
) -> Result<HttpResponse, Problem> {
    let taken = take(&request, &site, person, &number, Entries::new(fields.into_inner())).await?;
    demand_record(&site, &taken).await?;
    match record::display(taken.t, &taken.entries) {
        Ok(wh) => {
            let person = taken.person.name.clone();
            taken.tell(&site, &runs, "live", Happening::DisplayRead { wh, person }).await
        }
        Err(faults) => taken.again(&site, &runs, "register", faults).await,
    }
}

/// POST `/ver/orders/{number}/item`.
pub(crate) async fn item(
    request: HttpRequest,
    site: web::Data<Site>,
    runs: web::Data<Runs>,
    person: Person,
    number: web::Path<String>,
    fields: web::Form<Vec<(String, String)>>,
) -> Result<HttpResponse, Problem> {
    record_item(&request, &site, &runs, person, &number, Entries::new(fields.into_inner())).await
}

/// POST `/ver/orders/{number}/seals`: numbers and places, with photos of which only the hash is kept.
pub(crate) async fn seals(
    request: HttpRequest,
    site: web::Data<Site>,
    runs: web::Data<Runs>,
    person: Person,
    number: web::Path<String>,
    parts: Multipart,
) -> Result<HttpResponse, Problem> {
    let entries = fields_of(parts).await?;
    record_item(&request, &site, &runs, person, &number, entries).await
}

async fn record_item(
    request: &HttpRequest,
    site: &Site,
    runs: &Runs,
    person: Person,
    number: &str,
    entries: Entries,
) -> Result<HttpResponse, Problem> {
    let taken = take(request, site, person, number, entries).await?;
    demand_record(site, &taken).await?;
    let word = taken.entries.get("item").to_owned();
    let code = ItemCode::from_word(&word).ok_or_else(|| Problem::parameter("item", "an item of the page"))?;
    let charge = match taken.entries.get("charge").parse::<i64>() {
        Ok(charge_no) => site.store.charge_evidence(&taken.row.order.plate.pile_id, charge_no).await?,
        Err(_) => None,
    };
    if let Some(chosen) = &charge
        && matches!(code, ItemCode::ConsistencyBefore | ItemCode::ConsistencyAfter)
    {
        let run = runs.current(&site.store, &taken.row).await?;
        if let Some(fault) = record::charge_fault(taken.t, code, chosen, &run, now()) {
            return taken.again(site, runs, &word, vec![fault]).await;
        }
    }
    let order = &taken.row.order;
    let measured = match code {
        ItemCode::Clock => site.store.measured_offset(&order.plate.pile_id, now()).await?,
        _ => None,
    };
    let unfit = |record: &ItemRecord| order.rules().ok().and_then(|rules| record.unfit(&rules, order));
    let read = record::item(taken.t, code, &taken.entries, Known { charge, measured }, &taken.by());
    let read = read.and_then(|record| {
        let unfit = unfit(&record).map(|unfit| record::unfit(taken.t, &unfit));
        let fault = unfit.or_else(|| record::overrides(taken.t, order, &record));
        fault.map_or(Ok(record), |fault| Err(vec![fault]))
    });
    match read {
        Ok(record) => taken.tell(site, runs, &word, Happening::Item(record)).await,
        Err(faults) => taken.again(site, runs, &word, faults).await,
    }
}

async fn demand_record(site: &Site, taken: &Taken) -> Result<(), Problem> {
    let order = &taken.row.order;
    let may = access::may_record(&taken.person, order);
    access::demand(may, "only a verifier records, and not the order's reviewer")?;
    let repairers = site.store.repairers(&order.plate.pile_id, order.connector).await?;
    let may = !access::repaired(&taken.person.name, &repairers);
    access::demand(may, "who repaired this pile records nothing of its verification")
}

/// Fields of a form with photos. A photo becomes its SHA-256, piece by piece, and is gone; an empty one leaves the hash that was
/// typed.
async fn fields_of(mut parts: Multipart) -> Result<Entries, Problem> {
    let unread = |error: actix_multipart::MultipartError| Problem::parameter("form", &error.to_string());
    let (mut fields, mut count) = (Vec::new(), 0);
    while let Some(mut part) = parts.try_next().await.map_err(unread)? {
        count += 1;
        if count > FIELDS_MAX {
            return Err(Problem::parameter("form", "fewer fields"));
        }
        let name = part.name().unwrap_or_default().to_owned();
        let is_photo = part.content_disposition().is_some_and(|told| told.get_filename().is_some());
        let (mut hash, mut text, mut size) = (Sha256::new(), Vec::new(), 0);
        while let Some(piece) = part.try_next().await.map_err(unread)? {
            size += piece.len();
            match is_photo {
                true if size <= PHOTO_BYTES_MAX => hash.update(&piece),
                false if size <= FIELD_BYTES_MAX => text.extend_from_slice(&piece),
                _ => return Err(Problem::parameter(&name, "a smaller photo: at most 32 MB")),
            }
        }
        match is_photo {
            true if size > 0 => fields.push((name, hex::encode(hash.finalize()))),
            true => {}
            false => fields.push((name, String::from_utf8_lossy(&text).into_owned())),
        }
    }
    // A hash that was typed comes after the photo's in the form; the first one counts.
    Ok(Entries::new(fields))
}
