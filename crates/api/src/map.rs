//! The front page: map and list. The list is served whole and works without any script; the script adds the map.

use std::fmt::Write;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use jiff::Timestamp;
use veripile_pile::{Operator, Place, State};
use veripile_store::{Counts, PileRecord};

use crate::Site;
use crate::api::PilesParameters;
use crate::chart::escape;
use crate::problem::{Problem, html};
use crate::texts::Texts;
use crate::view::{self, Line};

/// Piles on a page of the list.
const PILES_PER_PAGE: u32 = 50;

/// Piles on the drawn map.
const PILES_DRAWN: u32 = 2_000;

/// Where the map looks when there is no pile yet: Wuxi.
const FALLBACK: Place = Place { lon: 120.31, lat: 31.49 };

#[derive(Template)]
#[template(path = "map.html")]
struct MapPage<'a> {
    t: &'a Texts,
    simulated: bool,
    here: String,
    center: Place,
    counts: Counts,
    as_of: String,
    states: Vec<(&'static str, &'static str, String)>,
    operators: Vec<Operator>,
    state: String,
    operator: String,
    lines: Vec<Line>,
    next: Option<String>,
    words: String,
    stale_s: i64,
}

/// GET `/`.
pub(crate) async fn page(
    request: HttpRequest,
    site: web::Data<Site>,
    parameters: Result<web::Query<PilesParameters>, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let t = Texts::of_request(&request);
    let parameters =
        parameters.map_err(|error| Problem::parameter("query", &format!("known parameters ({error})")))?;
    let page = site.store.piles(&parameters.query(PILES_PER_PAGE)?).await?;
    let counts = site.store.counts().await?;
    let now = Timestamp::now();
    let filter = format!("state={}&operator={}", parameters.state(), view::segment(parameters.operator()));
    Ok(html(
        StatusCode::OK,
        &MapPage {
            t,
            simulated: site.settings.simulated,
            here: format!("/?{filter}"),
            center: site.store.center().await?.unwrap_or(FALLBACK),
            as_of: counts.latest_charge_at.map_or_else(|| t.of("dash").to_owned(), view::minute),
            counts,
            states: State::ALL
                .iter()
                .map(|state| (state.word(), view::symbol(*state), view::state_text(t, *state)))
                .collect(),
            operators: site.store.operators().await?,
            state: parameters.state().to_owned(),
            operator: parameters.operator().to_owned(),
            lines: page.piles.iter().map(|pile| view::line(t, pile, now)).collect(),
            next: page
                .next
                .map(|next| format!("/?{filter}&lang={}&cursor={}", t.short(), view::segment(next.as_str()))),
            words: words(t),
            stale_s: view::STALE_S,
        },
    ))
}

/// Texts that the script shows, as JSON.
fn words(t: &Texts) -> String {
    let states: serde_json::Map<String, serde_json::Value> = State::ALL
        .iter()
        .map(|state| (state.word().to_owned(), view::state_text(t, *state).into()))
        .collect();
    let statuses: serde_json::Map<String, serde_json::Value> =
        view::STATUS_TEXTS.iter().map(|(word, key)| ((*word).to_owned(), t.of(key).into())).collect();
    serde_json::json!({
        "states": states, "statuses": statuses, "never": t.of("status.never"), "open": t.of("map.open"), "station": t.of("station.short"), "openStation": t.of("station.open"), "noWebgl": t.of("map.no_webgl"), "failed": t.of("map.failed"),
    })
    .to_string()
}

/// GET `/mini-map.svg`: the piles as dots, for whoever has no WebGL.
pub(crate) async fn mini(
    site: web::Data<Site>,
    parameters: Result<web::Query<PilesParameters>, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let parameters =
        parameters.map_err(|error| Problem::parameter("query", &format!("known parameters ({error})")))?;
    let page = site.store.piles(&parameters.query(PILES_DRAWN)?).await?;
    let body = dots(&page.piles, Timestamp::now());
    Ok(HttpResponse::Ok()
        .content_type("image/svg+xml")
        .insert_header(("Cache-Control", "no-cache"))
        .body(body))
}

/// Dots in a box of 640 × 480, north up, longitudes shortened by the cosine of the latitude.
fn dots(piles: &[PileRecord], now: Timestamp) -> String {
    let places: Vec<(Place, State, String)> = piles
        .iter()
        .filter_map(|pile| Some((pile.place?, pile.state(now), pile.pile_id.to_string())))
        .collect();
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 480\"><rect width=\"640\" height=\"480\" fill=\"#f4f1ea\"/>",
    );
    let bounds = |pick: fn(&Place) -> f64| {
        places
            .iter()
            .map(|(place, _, _)| pick(place))
            .fold((f64::MAX, f64::MIN), |(a, b), x| (a.min(x), b.max(x)))
    };
    let ((west, east), (south, north)) = (bounds(|place| place.lon), bounds(|place| place.lat));
    let shorten = (0.5 * (south + north)).to_radians().cos();
    let scale = (600.0 / ((east - west) * shorten).max(1e-6)).min(440.0 / (north - south).max(1e-6));
    for (place, state, id) in &places {
        let x = 320.0 + (place.lon - 0.5 * (west + east)) * shorten * scale;
        let y = 240.0 - (place.lat - 0.5 * (south + north)) * scale;
        let _ = write!(
            svg,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"6\" fill=\"{}\" stroke=\"#333\"><title>{}</title></circle>\
             <text x=\"{x:.1}\" y=\"{:.1}\" font-size=\"9\" text-anchor=\"middle\" fill=\"{}\">{}</text>",
            colour(*state),
            escape(id),
            y + 3.2,
            if matches!(state, State::Verified | State::VerifiedMonitored | State::Failed) {
                "#fff"
            } else {
                "#222"
            },
            view::symbol(*state)
        );
    }
    svg.push_str("</svg>");
    svg
}

fn colour(state: State) -> &'static str {
    match state {
        State::Verified | State::VerifiedMonitored => "#1a7f4b",
        State::Due => "#c9c9c9",
        State::UnderReview => "#e09b12",
        State::Failed => "#c0392b",
        State::OutOfUse => "#ffffff",
    }
}
