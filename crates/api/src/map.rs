//! The front page: map and list. The list is served whole and works without any script; the script adds the map.

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, VARY};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, HttpResponse, web};
use askama::Template;
use jiff::Timestamp;
use veripile_pile::{ConnectorType, Operator, OperatorId, Place, State, StationId};
use veripile_store::card::StationCard;
use veripile_store::finder::{ByState, Dot, FOUND_MAX, FindQuery, NEAR_KM, STEP_M, UNCOUNTED};
use veripile_store::{BoundingBox, Counts, PileRecord};

use crate::Site;
use crate::door;
use crate::finder::{self, Asked, PAGES_MAX, POWERS_KW, Wish};
use crate::headers;
use crate::overview::OPERATORS_LISTED;
use crate::problem::{Problem, html};
use crate::sketch;
use crate::station;
use crate::texts::Texts;
use crate::view::{self, Line};

/// Piles on a page of the list, or stations.
const LINES_PER_PAGE: u32 = 50;

/// Piles on the drawn map.
const PILES_DRAWN: u32 = 2_000;

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
    /// What is beneath the piles, for the script; and whose that is.
    basemap: String,
    basemap_note: Option<String>,
    /// None: being counted.
    counts: Option<Counts>,
    as_of: String,
    states: Vec<(&'static str, &'static str, String)>,
    /// Identifier and name of each.
    operators: Vec<(String, String)>,
    /// Where there are more operators: the address of the list of all.
    more_operators: Option<String>,
    asked: &'a Asked,
    /// Address of the same search on the whole map.
    whole: String,
    sentence: String,
    /// That not all words were looked for, if so.
    unsearched: Option<String>,
    /// Whether something was asked, so that it can be taken back.
    is_asked: bool,
    /// That there are more than the map draws, if so.
    cut: Option<String>,
    /// Name of the operator asked for where it is none of those to choose from.
    other_operator: Option<String>,
    /// Whether another power is asked for than those to choose from.
    other_power: bool,
    powers: [String; 4],
    connectors: Vec<(&'static str, String)>,
    /// Piles, each with its distance.
    lines: Vec<(Line, Option<String>)>,
    cards: Vec<Card>,
    onward: Onward,
    /// Near the driver only, as the form says it.
    near_only: String,
    words: String,
    /// How the list is ordered, in words.
    order: String,
}

/// Where the list at hand leads.
struct Onward {
    /// Where nothing is within reach of the driver: the address of the same search anywhere.
    anywhere: Option<String>,
    /// Address of the same list as stations, or as piles again.
    other_view: String,
    /// Where the list does not go as far as the page that was asked for: the address of its first.
    beyond: Option<String>,
    next: Option<String>,
    /// Where there are more stations without a pile than stand below the piles: the address of the list of stations.
    more_stations: Option<String>,
    /// That the list goes on, and no further here.
    end: Option<String>,
}

/// A station in the list.
struct Card {
    name: String,
    href: String,
    operator: String,
    distance: Option<String>,
    place: Place,
    fee: String,
    phone: String,
    /// With its style.
    idle: (String, &'static str),
    /// How many of its piles match, where something is asked of piles.
    matching: Option<String>,
    /// Best standing among its piles, or among those that match: word and symbol, text with how many of all have it and how many failed.
    state: (&'static str, &'static str),
    state_text: String,
}

/// How many match, by state: of all piles, or of a state that many have, as they were counted last, none as long as that is being done; of
/// fewer counted now. What few have is read off an index, and a pile that failed a minute ago must not be missing from the failed ones.
async fn count(site: &Site, query: &FindQuery, now: Timestamp) -> Result<Option<ByState>, Problem> {
    let overview = if query.is_everything() { site.overviews.overview(&site.store).await? } else { None };
    let kept = overview.map(|overview| {
        let mut by_state = overview.by_state;
        for (state, count) in State::ALL.into_iter().zip(&mut by_state) {
            *count *= u64::from(query.asks(state));
        }
        by_state
    });
    let are_many = |by_state: &ByState| u64::from(FOUND_MAX) < by_state.iter().sum();
    let is_all = query.state.is_none() && !query.verified;
    match kept.filter(|by_state| is_all || are_many(by_state)) {
        Some(by_state) => Ok(Some(by_state)),
        None if *query == FindQuery::default() => Ok(None),
        None => Ok(Some(site.store.count_found(query, now).await?)),
    }
}

/// What the map draws of a search.
struct Drawn {
    dots: Vec<Dot>,
    /// Stations without a pile, where they stand.
    unpiled: Vec<(StationId, Place)>,
    /// Whether there is more.
    is_cut: bool,
}

/// The first of what a search finds, in the order of the offer. A part of the map, by state and operator, is read off indexes as far as it is
/// drawn, uncounted: the map asks it anew at each move.
async fn first(site: &Site, wish: &Wish, now: Timestamp, take: u32) -> Result<Drawn, Problem> {
    let query = &wish.query;
    let part = FindQuery { operator: None, bounding_box: None, ..query.clone() };
    let is_part = part.is_everything();
    let by_state = if is_part { UNCOUNTED } else { site.store.count_found(query, now).await? };
    let mut dots = site.store.find_dots(query, &by_state, now, take + 1).await?;
    let is_cut = take < dots.len() as u32;
    dots.truncate(take as usize);
    let left = take - dots.len() as u32;
    let mut unpiled = site.store.find_unpiled(query, 0, if is_cut { 0 } else { left + 1 }).await?;
    let is_cut = is_cut || left < unpiled.len() as u32;
    unpiled.truncate(left as usize);
    Ok(Drawn { dots, unpiled, is_cut })
}

/// The counts that the first page is found by. Kept ones may know nothing of the first pile in a state, and passing over states that they
/// say are empty would hide it; where nothing is passed over none are needed.
fn from_the_top(query: &FindQuery, by_state: Option<ByState>) -> ByState {
    by_state.filter(|_| !query.is_everything()).unwrap_or(UNCOUNTED)
}

/// A page of the list. Stations at which no pile is registered stand below all piles, and below all stations that have some.
#[derive(Default)]
struct Listed {
    lines: Vec<(Line, Option<String>)>,
    cards: Vec<Card>,
    /// Piles that match, on all pages; none: being counted.
    piles: Option<u64>,
    has_next: bool,
    /// Whether there are more stations without a pile than stand below the piles.
    has_more_stations: bool,
    /// Where the first stands.
    place: Option<Place>,
}

impl Listed {
    /// Whether the list has lines, and none on this page.
    fn is_beyond(&self, page: usize) -> bool {
        page > 1 && self.lines.is_empty() && self.cards.is_empty() && self.piles != Some(0)
    }

    async fn piles(t: &Texts, site: &Site, wish: &Wish, now: Timestamp) -> Result<Self, Problem> {
        let by_state = wish.count(site, now).await?;
        let piles = by_state.map(|by_state| by_state.iter().sum());
        let (skip, by_state) = (wish.skip(), wish.passing_over(by_state));
        let found = site.store.find_piles(&wish.query, &by_state, now, skip, LINES_PER_PAGE).await?;
        let line = |pile| (view::line(t, pile, now), away(wish.query.near, pile));
        let end = skip.saturating_add(u64::from(LINES_PER_PAGE));
        let has_next = piles.map_or(found.len() as u64 == u64::from(LINES_PER_PAGE), |piles| end < piles);
        let place = found.iter().find_map(|pile| pile.place);
        let mut listed =
            Self { lines: found.iter().map(line).collect(), piles, has_next, place, ..Self::default() };
        if !has_next && (wish.page == 1 || !found.is_empty()) {
            let room = LINES_PER_PAGE.saturating_sub(found.len() as u32);
            let unpiled = site.store.find_unpiled(&wish.query, 0, room + 1).await?;
            listed.has_more_stations = room < unpiled.len() as u32;
            let stations = unpiled.into_iter().take(room as usize).map(|(id, _)| id).collect();
            let (cards, place) = cards(t, site, stations, &wish.query, now).await?;
            listed.cards = cards;
            listed.place = listed.place.or(place);
        }
        Ok(listed)
    }

    async fn stations(t: &Texts, site: &Site, wish: &Wish, now: Timestamp) -> Result<Self, Problem> {
        let by_state = wish.count(site, now).await?;
        let piles = by_state.map(|by_state| by_state.iter().sum());
        let (skip, by_state) = (wish.skip(), wish.passing_over(by_state));
        let found = site.store.find_stations(&wish.query, &by_state, now, skip, LINES_PER_PAGE + 1);
        let mut stations = found.await?;
        let left = (LINES_PER_PAGE + 1).saturating_sub(stations.len() as u32);
        if left > 0 {
            // Those of piles end before this page, or on it.
            let before = if stations.is_empty() && skip > 0 {
                skip.saturating_sub(site.store.count_stations(&wish.query, now).await?)
            } else {
                0
            };
            let unpiled = site.store.find_unpiled(&wish.query, before, left).await?;
            stations.extend(unpiled.into_iter().map(|(id, _)| id));
        }
        let has_next = LINES_PER_PAGE < stations.len() as u32;
        stations.truncate(LINES_PER_PAGE as usize);
        let (cards, place) = cards(t, site, stations, &wish.query, now).await?;
        Ok(Self { cards, piles, has_next, place, ..Self::default() })
    }
}

impl Wish {
    /// How many match; none: being counted. Only the first page can do without.
    async fn count(&self, site: &Site, now: Timestamp) -> Result<Option<ByState>, Problem> {
        match count(site, &self.query, now).await? {
            None if self.page > 1 => Ok(Some(site.store.count_found(&self.query, now).await?)),
            counted => Ok(counted),
        }
    }

    /// The counts by which pages before this one are passed over.
    fn passing_over(&self, by_state: Option<ByState>) -> ByState {
        if self.page == 1 { from_the_top(&self.query, by_state) } else { by_state.unwrap_or(UNCOUNTED) }
    }

    /// What stands on the pages before.
    fn skip(&self) -> u64 {
        (self.page as u64 - 1).saturating_mul(u64::from(LINES_PER_PAGE))
    }
}

pub(crate) fn understood(query: Query) -> Result<Asked, Problem> {
    let bad = |error| Problem::parameter("query", &format!("known parameters ({error})"));
    Ok(query.map_err(bad)?.into_inner().brief())
}

/// The middleware of pages that search or compute: each is counted with what the map reads. The front page where nothing is asked is not.
pub(crate) async fn guard(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let asked = web::Query::<Asked>::from_query(request.query_string());
    let asks_nothing = asked.is_ok_and(|asked| asked.address().is_empty() && asked.page.is_empty());
    if asks_nothing && request.path() == "/" {
        return next.call(request).await;
    }
    let (admitted, allowance) = door::admit(request.request()).await;
    let mut response = match admitted {
        Ok(()) => next.call(request).await?,
        Err(problem) if problem.status == 429 => {
            request.error_response(Problem::busy("this address asks too often; try again in a minute"))
        }
        Err(problem) => request.error_response(problem),
    };
    if let Some(allowance) = allowance {
        door::tell(response.headers_mut(), allowance);
    }
    Ok(response)
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
    let listed = match asked.view.as_str() {
        "stations" => Listed::stations(t, &site, &wish, now).await?,
        _ => Listed::piles(t, &site, &wish, now).await?,
    };
    // Who has waited for it once does not wait again.
    let overview = if listed.piles.is_some() { site.overviews.overview(&site.store).await? } else { None };
    let largest = overview.as_ref().map(|overview| overview.operators.as_slice());
    let choice = Choice::of(t, &site, &asked, wish.query.operator.as_ref(), largest).await?;
    let other_power =
        !asked.min_power_kw.is_empty() && !POWERS_KW.iter().any(|kw| kw.to_string() == asked.min_power_kw);
    let whole = Asked { bbox: String::new(), ..asked.clone() }.address();
    let counts = overview.as_ref().map(|overview| overview.counts.clone());
    let middle = overview.and_then(|overview| overview.center).or(listed.place);
    let (center, zoom) = sight(&wish.query, middle);
    let basemap = &site.settings.basemap;
    site.tiles.begin(&site.store);
    let page = MapPage {
        t,
        simulated: site.settings.simulated,
        here: format!("/?{}", asked.address()),
        center,
        zoom,
        basemap: basemap.told(t),
        basemap_note: basemap.note(t),
        as_of: counts
            .as_ref()
            .and_then(|counts| counts.latest_charge_at)
            .map_or_else(|| t.of("dash").to_owned(), view::minute),
        counts,
        states: State::ALL
            .iter()
            .map(|state| (state.word(), view::symbol(*state), view::state_text(t, *state)))
            .collect(),
        sentence: finder::sentence(t, &asked, &wish, choice.name.as_deref(), listed.piles),
        unsearched: wish.unsearched(t),
        is_asked: asked.is_particular() || !asked.state.is_empty() || !asked.operator.is_empty(),
        cut: (asked.is_particular() && listed.piles.is_some_and(|piles| u64::from(FOUND_MAX) < piles))
            .then(|| cut(t)),
        more_operators: choice.more,
        other_operator: choice.other,
        other_power,
        powers: POWERS_KW.map(|kw| kw.to_string()),
        connectors: ConnectorType::ALL.map(|one| (one.word(), view::connector(t, one))).to_vec(),
        onward: Onward::of(t, &asked, &wish, &listed),
        near_only: t.of("filter.near_only").replace("{km}", &NEAR_KM.to_string()),
        lines: listed.lines,
        cards: listed.cards,
        operators: choice.operators,
        asked: &asked,
        whole,
        words: words(t),
        order: match wish.query.near {
            Some(_) => t.of("find.order").replace("{m}", &format!("{STEP_M:.0}")),
            None => t.of("station.order").to_owned(),
        },
    };
    let mut answer = html(StatusCode::OK, &page);
    if let Some(host) = basemap.origin() {
        headers::open_to(&mut answer, host);
    }
    Ok(answer)
}

/// Operators that the form offers.
struct Choice {
    /// Identifier and name of each.
    operators: Vec<(String, String)>,
    /// Where there are more: the address of the list of all.
    more: Option<String>,
    /// Name of the one that is asked for, if it is known.
    name: Option<String>,
    /// The same where it is not among those offered; of one that is not known, its identifier.
    other: Option<String>,
}

impl Choice {
    /// Of those with most piles; as long as these are being counted, of the first.
    async fn of(
        t: &Texts,
        site: &Site,
        asked: &Asked,
        id: Option<&OperatorId>,
        largest: Option<&[Operator]>,
    ) -> Result<Self, Problem> {
        let mut operators = match largest {
            Some(largest) => largest.to_vec(),
            None => site.store.first_operators(OPERATORS_LISTED + 1).await?,
        };
        let has_more = OPERATORS_LISTED < operators.len() as u32;
        operators.truncate(OPERATORS_LISTED as usize);
        let name = operator_name(t, site, id).await?;
        let other = id.filter(|id| operators.iter().all(|listed| listed.operator_id != **id));
        let other = other.map(|id| name.clone().unwrap_or_else(|| finder::told(t, id.as_str())));
        let more = has_more.then(|| {
            let any = Asked { operator: String::new(), view: String::new(), ..asked.clone() };
            format!("/stats/operators?{}&lang={}", any.address(), t.short())
        });
        let named = |o: &Operator| (o.operator_id.to_string(), view::name(t.pick(&o.name_zh, &o.name_en)));
        Ok(Self { operators: operators.iter().map(named).collect(), more, name, other })
    }
}

/// The name of an operator that is asked for, if it is known.
pub(crate) async fn operator_name(
    t: &Texts,
    site: &Site,
    id: Option<&OperatorId>,
) -> Result<Option<String>, Problem> {
    let Some(id) = id else { return Ok(None) };
    let known = site.store.operator(id).await?;
    Ok(known.map(|known| view::name(t.pick(&known.name_zh, &known.name_en))))
}

/// Where the map looks, and how closely: at the part asked for, at the driver's place, else at the middle of all piles.
fn sight(query: &FindQuery, middle: Option<Place>) -> (Place, u8) {
    let part = |part: BoundingBox| {
        let place = Place::new(0.5 * (part.west + part.east), 0.5 * (part.south + part.north))?;
        // A map some 800 px wide; the world has 512 px at zoom 0.
        let zoom = (360.0 * 800.0 / 512.0 / (part.east - part.west).max(1e-6)).log2();
        Some((place, zoom.clamp(3.0, 18.0) as u8))
    };
    let near = query.near.map(|near| (near, 13));
    query.bounding_box.and_then(part).or(near).unwrap_or((middle.unwrap_or(FALLBACK), 10))
}

impl Onward {
    fn of(t: &Texts, asked: &Asked, wish: &Wish, listed: &Listed) -> Self {
        let here = format!("/?{}&lang={}", asked.address(), t.short());
        Self {
            anywhere: (wish.is_around() && listed.lines.is_empty() && listed.cards.is_empty()).then(|| {
                let anywhere = Asked { near: String::new(), ..asked.clone() };
                format!("/?{}&lang={}", anywhere.address(), t.short())
            }),
            other_view: other_view(asked, t),
            end: (listed.has_next && wish.page == PAGES_MAX).then(|| end(t)),
            next: (listed.has_next && wish.page < PAGES_MAX)
                .then(|| format!("{here}&page={}", wish.page + 1)),
            more_stations: listed.has_more_stations.then(|| other_view(asked, t)),
            beyond: listed.is_beyond(wish.page).then_some(here),
        }
    }
}

fn other_view(asked: &Asked, t: &Texts) -> String {
    let view = if asked.view == "stations" { "" } else { "stations" };
    let other = Asked { view: view.to_owned(), ..asked.clone() };
    format!("/?{}&lang={}", other.address(), t.short())
}

fn away(near: Option<Place>, pile: &PileRecord) -> Option<String> {
    near.zip(pile.place).map(|(here, there)| finder::distance(here.distance_m(there)))
}

/// The cards of some stations, in their order, and where the first stands. Numbers are of all their piles; what matches is told beside, and
/// the sign is that of the best pile which matches: whoever looks for failed ones or for DC is shown no sign that another pile has.
async fn cards(
    t: &Texts,
    site: &Site,
    stations: Vec<StationId>,
    query: &FindQuery,
    now: Timestamp,
) -> Result<(Vec<Card>, Option<Place>), Problem> {
    let mut told = site.store.station_cards(&stations, view::live_since(now), now).await?;
    let place_of = |id: &StationId| stations.iter().position(|known| known == id);
    told.sort_by_key(|card| place_of(&card.station_id));
    let matching =
        if query.is_of_piles() { Some(site.store.count_at(stations, query, now).await?) } else { None };
    let card = |told: &StationCard| {
        let found = matching.as_ref().map(|at| at.get(told.station_id.as_str()).copied().unwrap_or_default());
        let standing = station::standing(t, told, found.as_ref());
        // Of a station without a pile nothing was verified: the mark is that of what is due.
        let (state, state_text) =
            standing.unwrap_or_else(|| (State::Due, t.of("station.unregistered").to_owned()));
        let unknown = || t.of("unknown").to_owned();
        Card {
            name: view::name(t.pick(&told.name[0], &told.name[1])),
            href: view::station_page(t, told.station_id.as_str()),
            operator: view::name(t.pick(&told.operator[0], &told.operator[1])),
            distance: query.near.map(|near| finder::distance(near.distance_m(told.place))),
            place: told.place,
            fee: told.fee_cny_kwh.map_or_else(unknown, |fee| station::price(t, fee)),
            phone: told.phone.as_deref().map_or_else(unknown, view::name),
            idle: if told.piles() > 0 { station::idle(t, told, now) } else { station::told_piles(t, told) },
            matching: found
                .filter(|_| told.piles() > 0)
                .map(|found| t.of("station.matching").replace("{n}", &found.iter().sum::<u64>().to_string())),
            state: (state.word(), view::symbol(state)),
            state_text,
        }
    };
    Ok((told.iter().map(card).collect(), told.first().map(|card| card.place)))
}

/// GET `/found.geojson`: where what was found stands and how it stands, for the map, and whether there is more; the order of the list. A station
/// at which no pile is registered has its number for a property, and no state.
pub(crate) async fn found(site: web::Data<Site>, query: Query) -> Result<HttpResponse, Problem> {
    let now = Timestamp::now();
    let wish = understood(query)?.wish(now)?;
    let Drawn { dots, unpiled, is_cut } = first(&site, &wish, now, FOUND_MAX).await?;
    let feature = |id: &str, place: Place, properties: serde_json::Value| {
        serde_json::json!({
            "type": "Feature", "id": id, "geometry": { "type": "Point", "coordinates": [place.lon, place.lat] },
            "properties": properties,
        })
    };
    let of_pile = |dot: &Dot| {
        let state = serde_json::json!({ "verification": { "state": dot.state.word() } });
        dot.place.map(|place| feature(&dot.pile_id, place, state))
    };
    let of_station = |(station_id, place): &(StationId, Place)| {
        feature(station_id.as_str(), *place, serde_json::json!({ "station": station_id.as_str() }))
    };
    let features: Vec<serde_json::Value> =
        dots.iter().filter_map(of_pile).chain(unpiled.iter().map(of_station)).collect();
    let collection = serde_json::json!({ "type": "FeatureCollection", "meta": { "is_cut": is_cut }, "features": features });
    Ok(HttpResponse::Ok()
        .content_type("application/geo+json")
        .insert_header((CACHE_CONTROL, "no-cache"))
        .body(collection.to_string()))
}

/// That there are more piles than the map draws.
fn cut(t: &Texts) -> String {
    t.of("find.cut").replace("{n}", &FOUND_MAX.to_string())
}

/// That the list goes on, and no further here.
fn end(t: &Texts) -> String {
    t.of("list.end").replace("{n}", &(PAGES_MAX * LINES_PER_PAGE as usize).to_string())
}

/// What the map's own controls are called, by the names of its library; of all that it has those that are on this map.
fn controls(t: &Texts) -> serde_json::Value {
    serde_json::json!({
        "Map.Title": t.of("nav.map"), "NavigationControl.ZoomIn": t.of("map.zoom_in"), "NavigationControl.ZoomOut": t.of("map.zoom_out"),
        "AttributionControl.ToggleAttribution": t.of("map.sources"), "Popup.Close": t.of("map.close"),
        "ScaleControl.Meters": t.of("map.metres"), "ScaleControl.Kilometers": t.of("map.kilometres"),
    })
}

/// Texts that the script shows, as JSON.
fn words(t: &Texts) -> String {
    let states: serde_json::Map<String, serde_json::Value> = State::ALL
        .iter()
        .map(|state| (state.word().to_owned(), view::state_text(t, *state).into()))
        .collect();
    serde_json::json!({
        "states": states, "open": t.of("map.open"), "noWebgl": t.of("map.no_webgl"), "failed": t.of("map.failed"), "noPlace": t.of("map.no_place"),
        "cut": cut(t), "controls": controls(t), "unregistered": t.of("station.unregistered"),
    })
    .to_string()
}

/// GET `/mini-map.svg`: the piles as marks of their state, and stations without one, for whoever has no WebGL.
pub(crate) async fn mini(
    request: HttpRequest,
    site: web::Data<Site>,
    query: Query,
) -> Result<HttpResponse, Problem> {
    let t = Texts::of_request(&request);
    let now = Timestamp::now();
    let wish = understood(query)?.wish(now)?;
    let Drawn { dots, unpiled, is_cut } = first(&site, &wish, now, PILES_DRAWN).await?;
    let cut = t.of("map.mini_cut").replace("{n}", &PILES_DRAWN.to_string());
    let body = sketch::marks(t, &dots, &unpiled, is_cut.then_some(cut.as_str()));
    Ok(HttpResponse::Ok()
        .content_type("image/svg+xml")
        .insert_header((CACHE_CONTROL, "no-cache"))
        .append_header((VARY, "Accept-Language"))
        .body(body))
}
