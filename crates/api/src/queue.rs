//! The regulator's queue, read-only: piles by strength of remote evidence, each opening the evidence behind it.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use jiff::Timestamp;
use veripile_pile::{PileId, RemoteVerdict};
use veripile_store::QueueRow;
use veripile_store::queue::{QUEUE_ROWS_MAX, QueueTotal};

use crate::problem::{Problem, html, missing_page};
use crate::texts::Texts;
use crate::view::{self, ChargeLine, EstimateView, Line};
use crate::{Site, chart};

/// Comparable charges on the evidence page.
const EVIDENCE_CHARGES: u32 = 500;

/// Days of estimates in the chart.
const ESTIMATES: u32 = 180;

/// Sections, strongest evidence first.
const SECTIONS: [RemoteVerdict; 4] = [
    RemoteVerdict::Nonconform,
    RemoteVerdict::Undecided,
    RemoteVerdict::Conform,
    RemoteVerdict::NotComparable,
];

struct Section {
    verdict: &'static str,
    /// Piles of this verdict, listed or not.
    total: i64,
    title: String,
    why: String,
    rows: Vec<Row>,
    false_alarms: Option<String>,
}

struct Row {
    line: Line,
    href: String,
    estimate: EstimateView,
    days: String,
}

#[derive(Template)]
#[template(path = "queue.html")]
struct QueuePage<'a> {
    t: &'a Texts,
    simulated: bool,
    here: String,
    sections: Vec<Section>,
}

/// GET `/reg/queue`.
pub(crate) async fn page(request: HttpRequest, site: web::Data<Site>) -> Result<HttpResponse, Problem> {
    let t = Texts::of_request(&request);
    let rows = site.store.queue(QUEUE_ROWS_MAX).await?;
    let totals = site.store.queue_totals().await?;
    let now = Timestamp::now();
    let sections = SECTIONS
        .iter()
        .map(|verdict| section(t, *verdict, totals.get(verdict).copied().unwrap_or_default(), &rows, now))
        .collect();
    let here = "/reg/queue?".to_owned();
    Ok(html(StatusCode::OK, &QueuePage { t, simulated: site.settings.simulated, here, sections }))
}

fn section(
    t: &Texts,
    verdict: RemoteVerdict,
    total: QueueTotal,
    rows: &[QueueRow],
    now: Timestamp,
) -> Section {
    let of_verdict = || {
        rows.iter().filter_map(move |row| {
            let estimate = row.pile.standing.estimate.as_ref()?;
            (estimate.verdict == verdict).then_some((row, estimate))
        })
    };
    let word = verdict.word();
    Section {
        verdict: word,
        total: total.piles,
        title: t.of(&format!("verdict.{word}")).to_owned(),
        why: t.of(&format!("verdict.{word}.why")).to_owned(),
        rows: of_verdict()
            .map(|(row, estimate)| Row {
                line: view::line(t, &row.pile, now),
                href: format!("/reg/queue/{}?lang={}", view::segment(row.pile.pile_id.as_str()), t.short()),
                estimate: view::estimate(t, estimate),
                days: row.days.map_or_else(|| t.of("dash").to_owned(), |days| format!("{days:.0}")),
            })
            .collect(),
        // Each pile is good with the probability that it conforms: their sum is what to expect.
        false_alarms: (verdict == RemoteVerdict::Nonconform)
            .then(|| format!("{:.2}", total.expected_conform)),
    }
}

#[derive(Template)]
#[template(path = "evidence.html")]
struct EvidencePage<'a> {
    t: &'a Texts,
    simulated: bool,
    here: String,
    line: Line,
    estimate: Option<EstimateView>,
    chart: String,
    charges: Vec<ChargeLine>,
}

/// GET `/reg/queue/{pile}`.
pub(crate) async fn evidence(
    request: HttpRequest,
    site: web::Data<Site>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let t = Texts::of_request(&request);
    let here = format!("/reg/queue/{}?", view::segment(&id));
    let found = match PileId::parse(&id) {
        Ok(pile_id) => site.store.pile(&pile_id).await?,
        Err(_) => None,
    };
    let Some(pile) = found else { return Ok(missing_page(t, site.settings.simulated, here)) };
    let charges = site.store.comparable_charges(&pile.pile_id, EVIDENCE_CHARGES).await?;
    let estimates = site.store.estimates(&pile.pile_id, None, ESTIMATES).await?;
    Ok(html(
        StatusCode::OK,
        &EvidencePage {
            t,
            simulated: site.settings.simulated,
            here,
            line: view::line(t, &pile, Timestamp::now()),
            estimate: pile.standing.estimate.as_ref().map(|estimate| view::estimate(t, estimate)),
            chart: chart::errors(&estimates, t.of("chart.label")),
            charges: charges.iter().map(|charge| view::charge(t, charge)).collect(),
        },
    ))
}
