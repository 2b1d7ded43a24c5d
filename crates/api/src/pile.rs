//! The pile page: what the QR on the pile opens. Whole without any script.

mod documents;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use jiff::Timestamp;
use veripile_pile::{Act, PileId, State};
use veripile_store::PileRecord;

use self::documents::Papers;
use crate::history::{self, History};
use crate::problem::{Problem, html, missing_page};
use crate::texts::Texts;
use crate::ver::access;
use crate::view::{self, ChargeLine, EstimateView, Line};
use crate::{Site, navigate, qr};

/// Charges on the page; with this many it stays well under 40 KB.
const CHARGES: u32 = 30;

/// Events on the page, the newest: with steps, firmware and results of some years.
const EVENTS_MAX: usize = 12;

/// Acts on the page, the newest; a pile in trouble has a dozen.
const ACTS_MAX: usize = 20;

#[derive(Template)]
#[template(path = "pile.html")]
struct PilePage<'a> {
    t: &'a Texts,
    simulated: bool,
    here: String,
    line: Line,
    facts: Vec<(&'a str, String)>,
    basis: Vec<(&'a str, String)>,
    estimate: Option<EstimateView>,
    chart: String,
    /// How the error went, in a sentence.
    course: Option<String>,
    /// Day, kind and words.
    events: Vec<(String, &'static str, String)>,
    /// The next date by state, or why there is none.
    date: Option<(Option<String>, Vec<String>)>,
    charges: Vec<ChargeLine>,
    total: i64,
    acts: Vec<ActLine>,
    acts_total: usize,
    papers: Papers<'a>,
    /// Address of the document that the state rests on, where it was issued here.
    document: Option<String>,
    /// Maps and their addresses.
    navigation: Vec<(&'a str, String)>,
    /// The address of this page, and its code.
    address: String,
    code: Option<String>,
}

/// An act: day, what, address of its document, by whom.
struct ActLine {
    day: String,
    what: String,
    href: Option<String>,
    issuer: String,
}

/// GET `/p/{pile}`.
pub(crate) async fn page(
    request: HttpRequest,
    site: web::Data<Site>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let t = Texts::of_request(&request);
    let here = format!("/p/{}?", view::segment(&id));
    let found = match PileId::parse(&id) {
        Ok(pile_id) => site.store.pile(&pile_id).await?,
        Err(_) => None,
    };
    let Some(pile) = found else { return Ok(missing_page(t, site.settings.simulated, here)) };
    let charges = site.store.charges(&pile.pile_id, CHARGES).await?;
    let acts = site.store.acts(&pile.pile_id).await?;
    let history = History::of(&site, &pile, &acts).await?;
    let now = Timestamp::now();
    let papers = Papers::of(t, &site, &pile.pile_id, &acts, now).await?;
    let document = pile.standing.certificate.as_ref().filter(|_| pile.has_document);
    let acts = access::public_acts(&acts, now);
    let address = qr::pile_address(&request, &site, pile.pile_id.as_str());
    Ok(html(
        StatusCode::OK,
        &PilePage {
            t,
            simulated: site.settings.simulated,
            here,
            line: view::line(t, &pile, now),
            facts: facts(t, &pile),
            basis: basis(t, &pile, now),
            estimate: pile.standing.estimate.as_ref().map(|estimate| view::estimate(t, estimate)),
            chart: history.chart(t, now),
            course: history.sentence(t),
            events: history.events(t, now).into_iter().take(EVENTS_MAX).collect(),
            date: history.date.as_ref().map(|date| history::next_date(t, date)),
            charges: charges.iter().map(|charge| view::charge(t, charge)).collect(),
            total: pile.charges,
            acts: acts.iter().rev().take(ACTS_MAX).map(|act| self::act(t, act, &papers)).collect(),
            acts_total: acts.len(),
            navigation: pile
                .place
                .map_or_else(Vec::new, |place| navigate::links(t, place, &view::station(t, &pile))),
            code: qr::svg(&address, t.of("pile.code")),
            address,
            document: document
                .map(|certificate| format!("/c/{}?lang={}", view::segment(&certificate.number), t.short())),
            papers,
        },
    ))
}

fn facts<'a>(t: &'a Texts, pile: &PileRecord) -> Vec<(&'a str, String)> {
    let or_unknown = |text: &Option<String>| text.clone().unwrap_or_else(|| t.of("unknown").to_owned());
    let model = [&pile.vendor, &pile.model].into_iter().flatten().cloned().collect::<Vec<_>>().join(" ");
    vec![
        (t.of("pile.operator"), view::operator(t, pile)),
        (t.of("pile.station"), view::station(t, pile)),
        (t.of("pile.model"), or_unknown(&Some(model).filter(|model| !model.is_empty()))),
        (t.of("pile.firmware"), or_unknown(&pile.firmware)),
        (t.of("pile.meter"), or_unknown(&pile.meter_serial)),
        (t.of("pile.class"), pile.class.0.normalize().to_string()),
        (t.of("pile.power"), view::power(t, pile)),
        (t.of("filter.connector"), view::connectors(t, pile)),
        (t.of("pile.protocol"), or_unknown(&pile.protocol.as_deref().map(view::protocol))),
    ]
}

/// What the state rests on: document, issuer, date, validity; of a certificate in question what was once, since when it is and why.
pub(crate) fn basis<'a>(t: &'a Texts, pile: &PileRecord, now: Timestamp) -> Vec<(&'a str, String)> {
    let standing = &pile.standing;
    let mut basis = Vec::new();
    if let Some(case) = &standing.case {
        basis.push((t.of("basis.case"), case.number.clone()));
        basis.push((t.of("basis.issuer"), case.issuer.clone()));
        basis.push((t.of("basis.opened"), view::day(case.at)));
        if let Some(until) = case.reply_until {
            basis.push((t.of("basis.reply"), view::day(until)));
        }
    }
    if let Some(stopped) = standing.stopped_at {
        basis.push((t.of("basis.stopped"), view::day(stopped)));
    }
    if standing.stopped_at.is_none()
        && let Some(seen) = pile.last_seen.filter(|_| pile.state(now) == State::OutOfUse)
    {
        basis.push((t.of("basis.unseen"), view::day(seen)));
    }
    match &standing.certificate {
        Some(certificate) => {
            basis.push((t.of("basis.certificate"), certificate.number.clone()));
            basis.push((t.of("basis.issuer"), certificate.issuer.clone()));
            let is_failed = standing.case.as_ref().is_some_and(|case| case.is_failed(now));
            match certificate.questioned_at {
                Some(since) => {
                    basis.push((t.of("basis.was_verified"), view::day(certificate.at)));
                    basis.push((t.of("basis.questioned"), view::questioned(t, pile, since)));
                }
                // A failure that is public outweighs whatever was certified before.
                None if is_failed => basis.push((t.of("basis.was_verified"), view::day(certificate.at))),
                None => {
                    basis.push((t.of("basis.date"), view::day(certificate.at)));
                    basis.push((t.of("basis.until"), view::day(certificate.valid_until)));
                }
            }
        }
        None => basis.push((t.of("basis.certificate"), t.of("basis.none").to_owned())),
    }
    basis
}

fn act(t: &Texts, act: &Act, papers: &Papers<'_>) -> ActLine {
    let kind = t.of(&format!("act.{}", act.kind.word())).to_owned();
    let mut what = format!("{kind} {}", act.number);
    if let Some(result) = act.result {
        what.push_str(&format!(
            " · {:+} % (U = {} %, k = {})",
            result.error_percent, result.expanded_uncertainty_percent, result.coverage_factor
        ));
    }
    ActLine { day: view::day(act.acted_at), what, href: papers.href(&act.number), issuer: act.issuer.clone() }
}
