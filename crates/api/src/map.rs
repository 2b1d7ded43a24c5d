//! The front page: map and list. The list is served whole and works without any script; the script adds the map.

use std::collections::HashMap;
use std::fmt::Write;

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use jiff::Timestamp;
use veripile_pile::{ConnectorType, Operator, Place, State, StationId};
use veripile_store::finder::CANDIDATES_MAX;
use veripile_store::{Counts, PileRecord};

use crate::Site;
use crate::chart::escape;
use crate::finder::{self, Asked, POWERS_KW, Wish};
use crate::problem::{Problem, html};
use crate::texts::Texts;
use crate::view::{self, Line};

/// Piles on a page of the list, or stations.
const LINES_PER_PAGE: usize = 50;

/// Piles on the drawn map.
const PILES_DRAWN: usize = 2_000;

/// Where the map looks when there is no pile yet: Wuxi.
const FALLBACK: Place = Place { lon: 120.31, lat: 31.49 };

type Query = Result<web::Query<Asked>, actix_web::Error>;

#[derive(Template)]
#[template(path = "map.html")]
struct MapPage<'a> {
    t: &'a Texts,
    simulated: bool,
    here: String,
    center: Place,
    zoom: u8,
    counts: Counts,
    as_of: String,
    states: Vec<(&'static str, &'static str, String)>,
    operators: Vec<Operator>,
    asked: &'a Asked,
    address: String,
    sentence: String,
    /// Whether something was asked, so that it can be taken back.
    is_asked: bool,
    /// Whether there may be more than were looked at.
    is_cut: bool,
    powers: [String; 4],
    connectors: Vec<(&'static str, String)>,
    /// Piles, each with its distance.
    lines: Vec<(Line, Option<String>)>,
    cards: Vec<Card>,
    /// Address of the same list as stations, or as piles again.
    other_view: String,
    next: Option<String>,
    words: String,
    stale_s: i64,
    step_m: f64,
    /// How the list is ordered, in words.
    order: String,
}

/// A station in the list.
struct Card {
    name: String,
    href: String,
    operator: String,
    distance: Option<String>,
    fee: String,
    phone: String,
    idle: String,
    /// Best standing among its piles: word and symbol, text with how many have it.
    state: (&'static str, &'static str),
    state_text: String,
}

/// What a search found, in the order of the offer.
async fn find(site: &Site, wish: &Wish, now: Timestamp) -> Result<(Vec<PileRecord>, bool), Problem> {
    let mut piles = site.store.find_piles(&wish.query).await?;
    let is_cut = piles.len() >= CANDIDATES_MAX as usize;
    piles.retain(|pile| wish.state.is_none_or(|state| pile.state(now) == state));
    finder::offer(&mut piles, wish.query.near, now);
    Ok((piles, is_cut))
}

fn understood(query: Query) -> Result<Asked, Problem> {
    let bad = |error| Problem::parameter("query", &format!("known parameters ({error})"));
    Ok(query.map_err(bad)?.into_inner())
}

/// GET `/`.
pub(crate) async fn page(
    request: HttpRequest,
    site: web::Data<Site>,
    query: Query,
) -> Result<HttpResponse, Problem> {
    let t = Texts::of_request(&request);
    let now = Timestamp::now();
    let asked = understood(query)?;
    let wish = asked.wish(now)?;
    let (piles, is_cut) = find(&site, &wish, now).await?;
    let counts = site.store.counts().await?;
    let operators = site.store.operators().await?;
    let operator = operators
        .iter()
        .find(|known| wish.query.operator.as_ref() == Some(&known.operator_id))
        .map(|known| t.pick(&known.name_zh, &known.name_en));
    let near = wish.query.near;
    let cards = if asked.view == "stations" { cards(t, &site, &piles, near, now).await? } else { Vec::new() };
    let skip = (wish.page - 1).saturating_mul(LINES_PER_PAGE);
    let total = if asked.view == "stations" { cards.len() } else { piles.len() };
    let address = asked.address();
    let page = MapPage {
        t,
        simulated: site.settings.simulated,
        here: format!("/?{address}"),
        center: match near {
            Some(near) => near,
            None => site.store.center().await?.unwrap_or(FALLBACK),
        },
        zoom: if near.is_some() { 13 } else { 10 },
        as_of: counts.latest_charge_at.map_or_else(|| t.of("dash").to_owned(), view::minute),
        counts,
        states: State::ALL
            .iter()
            .map(|state| (state.word(), view::symbol(*state), view::state_text(t, *state)))
            .collect(),
        sentence: finder::sentence(t, &asked, &wish, operator, piles.len()),
        is_asked: asked.is_particular() || !asked.state.is_empty() || !asked.operator.is_empty(),
        is_cut,
        powers: POWERS_KW.map(|kw| kw.to_string()),
        connectors: ConnectorType::ALL.map(|one| (one.word(), view::connector(t, one))).to_vec(),
        lines: if asked.view == "stations" {
            Vec::new()
        } else {
            let shown = piles.iter().skip(skip).take(LINES_PER_PAGE);
            shown.map(|pile| (view::line(t, pile, now), away(near, pile))).collect()
        },
        cards: cards.into_iter().skip(skip).take(LINES_PER_PAGE).collect(),
        other_view: other_view(&asked, t),
        next: (skip.saturating_add(LINES_PER_PAGE) < total)
            .then(|| format!("/?{address}&lang={}&page={}", t.short(), wish.page + 1)),
        operators,
        asked: &asked,
        address,
        words: words(t),
        stale_s: view::STALE_S,
        step_m: finder::STEP_M,
        order: match near {
            Some(_) => t.of("find.order").replace("{m}", &format!("{:.0}", finder::STEP_M)),
            None => t.of("station.order").to_owned(),
        },
    };
    Ok(html(StatusCode::OK, &page))
}

fn other_view(asked: &Asked, t: &Texts) -> String {
    let view = if asked.view == "stations" { "" } else { "stations" };
    let other = Asked { view: view.to_owned(), ..asked.clone() };
    format!("/?{}&lang={}", other.address(), t.short())
}

fn away(near: Option<Place>, pile: &PileRecord) -> Option<String> {
    near.zip(pile.place).map(|(here, there)| finder::distance(here.distance_m(there)))
}

/// The stations of what was found, in the order of the best pile of each.
async fn cards(
    t: &Texts,
    site: &Site,
    piles: &[PileRecord],
    near: Option<Place>,
    now: Timestamp,
) -> Result<Vec<Card>, Problem> {
    let mut order: Vec<&StationId> = Vec::new();
    let mut of: HashMap<&StationId, Vec<&PileRecord>> = HashMap::new();
    for pile in piles {
        let Some((id, _, _)) = &pile.station else { continue };
        let members = of.entry(id).or_default();
        if members.is_empty() {
            order.push(id);
        }
        members.push(pile);
    }
    let told: HashMap<_, _> = site.store.station_cards(&order).await?.into_iter().collect();
    let unknown = || t.of("unknown").to_owned();
    let card = |id: &&StationId| {
        let (members, told) = (&of[*id], told.get(id.as_str()));
        let best = members[0];
        let state = best.state(now);
        let same = members.iter().filter(|pile| pile.state(now) == state).count();
        Card {
            name: view::station(t, best),
            href: format!("/s/{}?lang={}", view::segment(id.as_str()), t.short()),
            operator: view::operator(t, best),
            distance: away(near, best),
            fee: told
                .and_then(|told| told.fee_cny_kwh)
                .map_or_else(unknown, |fee| t.of("station.fee_unit").replace("{fee}", &format!("{fee:.2}"))),
            phone: told.and_then(|told| told.phone.clone()).unwrap_or_else(unknown),
            idle: crate::station::idle(t, members.iter().copied(), now),
            state: (state.word(), view::symbol(state)),
            state_text: format!("{} {same}/{}", view::state_text(t, state), members.len()),
        }
    };
    Ok(order.iter().map(card).collect())
}

/// GET `/found.geojson`: where what was found stands and how it stands, for the map; the order of the list.
pub(crate) async fn found(site: web::Data<Site>, query: Query) -> Result<HttpResponse, Problem> {
    let now = Timestamp::now();
    let wish = understood(query)?.wish(now)?;
    let (piles, _) = find(&site, &wish, now).await?;
    let features: Vec<serde_json::Value> = piles
        .iter()
        .filter_map(|pile| {
            let place = pile.place?;
            Some(serde_json::json!({
                "type": "Feature", "id": pile.pile_id.as_str(),
                "geometry": { "type": "Point", "coordinates": [place.lon, place.lat] },
                "properties": { "verification": { "state": pile.state(now).word() } },
            }))
        })
        .collect();
    Ok(HttpResponse::Ok()
        .content_type("application/geo+json")
        .insert_header((CACHE_CONTROL, "no-cache"))
        .body(serde_json::json!({ "type": "FeatureCollection", "features": features }).to_string()))
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
        "states": states, "statuses": statuses, "never": t.of("status.never"), "open": t.of("map.open"), "station": t.of("station.short"), "openStation": t.of("station.open"), "noWebgl": t.of("map.no_webgl"), "failed": t.of("map.failed"), "noPlace": t.of("map.no_place"),
    })
    .to_string()
}

/// GET `/mini-map.svg`: the piles as dots, for whoever has no WebGL.
pub(crate) async fn mini(site: web::Data<Site>, query: Query) -> Result<HttpResponse, Problem> {
    let now = Timestamp::now();
    let wish = understood(query)?.wish(now)?;
    let (mut piles, _) = find(&site, &wish, now).await?;
    piles.truncate(PILES_DRAWN);
    let body = dots(&piles, now);
    Ok(HttpResponse::Ok().content_type("image/svg+xml").insert_header((CACHE_CONTROL, "no-cache")).body(body))
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
