//! `/op`: one's piles and how each is connected, where cases are open, who waits in the inbox, who knocked.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use jiff::Timestamp;
use serde::Deserialize;
use veripile_pile::{AccuracyClass, Pile, PileId, PileKind, StationId};
use veripile_store::AttemptRow;
use veripile_store::console::{ConsolePile, PAGE_MAX};

use super::cases::{self, CaseLines};
use super::reports::{self, Reports};
use crate::Site;
use crate::problem::{Problem, html};
use crate::session::{Person, private};
use crate::texts::Texts;
use crate::{sentence, view};

/// Which piles.
#[derive(Deserialize, Default)]
pub(crate) struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    after: String,
}

/// One pile's line.
pub(crate) struct PileLine {
    pub(crate) id: String,
    pub(crate) href: String,
    pub(crate) station: String,
    pub(crate) link: &'static str,
    pub(crate) link_text: String,
    pub(crate) protocol: String,
    pub(crate) statuses: String,
    pub(crate) says: String,
    pub(crate) readiness: Vec<(&'static str, String)>,
    pub(crate) upstream: Option<String>,
}

/// An attempt's line.
pub(crate) struct AttemptLine {
    pub(crate) identity: String,
    pub(crate) good: bool,
    pub(crate) reason: String,
    pub(crate) detail: String,
    pub(crate) times: String,
    pub(crate) address: String,
    pub(crate) offered: String,
}

#[derive(Template)]
#[template(path = "op.html")]
struct OverviewPage<'a> {
    t: &'a Texts,
    simulated: bool,
    here: String,
    person: &'a Person,
    q: &'a str,
    piles: Vec<PileLine>,
    next: Option<String>,
    inbox: Vec<PileLine>,
    stations: Vec<(String, String)>,
    attempts: Vec<AttemptLine>,
    cases: CaseLines,
    reports: Reports,
}

/// GET `/op`.
pub(crate) async fn page(
    request: HttpRequest,
    site: web::Data<Site>,
    person: Person,
    asked: web::Query<Asked>,
) -> Result<HttpResponse, Problem> {
    let t = Texts::of_request(&request);
    let now = Timestamp::now();
    let scope = person.scope.as_ref();
    let mut piles = site.store.console_piles(scope, &asked.q, &asked.after).await?;
    let next =
        view::cut_to_page(&mut piles, PAGE_MAX as usize).map(|last| view::segment(last.pile_id.as_str()));
    let (inbox, stations, attempts) = if person.is_administrator() {
        let inbox = site.store.inbox().await?;
        let stations = if inbox.is_empty() { Vec::new() } else { site.store.newest_stations().await? };
        (inbox, stations, site.store.attempts(None).await?)
    } else {
        (Vec::new(), Vec::new(), Vec::new())
    };
    let page = OverviewPage {
        t,
        simulated: site.settings.simulated,
        here: "/op?".to_owned(),
        person: &person,
        q: &asked.q,
        piles: piles.iter().map(|pile| line(t, pile, now)).collect(),
        next,
        inbox: inbox.iter().map(|pile| line(t, pile, now)).collect(),
        stations: stations.into_iter().map(|(id, zh, en)| (id, view::name(t.pick(&zh, &en)))).collect(),
        attempts: attempts.iter().map(|row| attempt(t, row, now)).collect(),
        cases: cases::list(t, &site, &person, now).await?,
        reports: reports::reports(t, &site.store.report_groups(scope, 1).await?, 1),
    };
    Ok(private(html(StatusCode::OK, &page)))
}

/// Makes a pile's line.
pub(crate) fn line(t: &Texts, pile: &ConsolePile, now: Timestamp) -> PileLine {
    let age = pile.last_seen.map(|at| sentence::age(t, now.duration_since(at).as_secs()));
    let (link, word) = match (pile.connected, &age) {
        (true, _) => ("up", t.of("op.connected")),
        (false, Some(_)) => ("down", t.of("op.not_connected")),
        (false, None) => ("never", t.of("status.never")),
    };
    PileLine {
        id: pile.pile_id.to_string(),
        href: format!("/op/piles/{}?lang={}", view::segment(pile.pile_id.as_str()), t.short()),
        station: pile.station.as_ref().map_or("", |(zh, en)| t.pick(zh, en)).to_owned(),
        link,
        link_text: age.map_or(word.to_owned(), |age| format!("{word} · {age}")),
        protocol: pile.protocol.clone().unwrap_or_default(),
        statuses: pile.statuses.join(", "),
        says: pile.identity.iter().flatten().cloned().collect::<Vec<_>>().join(" · "),
        readiness: lights(t, pile),
        upstream: pile.upstream_url.as_ref().map(|_| pile.upstream.clone().unwrap_or_default()),
    }
}

/// The lights of a pile's metering readiness: colour and name of each line.
fn lights(t: &Texts, pile: &ConsolePile) -> Vec<(&'static str, String)> {
    let lines = pile.readiness.as_ref().and_then(|(_, body)| body.get("lines")?.as_array().cloned());
    let light = |line: &serde_json::Value| {
        let colour = match line.get("light")?.as_str()? {
            "green" => "green",
            "amber" => "amber",
            "red" => "red",
            _ => "unknown",
        };
        Some((colour, t.of_owned(&format!("ready.{}", line.get("code")?.as_str()?)).to_owned()))
    };
    lines.unwrap_or_default().iter().filter_map(light).collect()
}

/// Makes an attempt's line.
pub(crate) fn attempt(t: &Texts, row: &AttemptRow, now: Timestamp) -> AttemptLine {
    let last = &row.last;
    let good = last.reason == "connected";
    let word = t.of_owned(&format!("attempt.{}", last.reason));
    AttemptLine {
        identity: last.identity.clone(),
        good,
        reason: if word.is_empty() { last.reason.clone() } else { word.to_owned() },
        detail: t.of_owned(&format!("attempt.{}.next", last.reason)).to_owned(),
        times: format!("{} × · {}", row.attempts, sentence::age(t, now.duration_since(last.at).as_secs())),
        address: last.address.clone(),
        offered: last.offered.clone(),
    }
}

/// What letting a charger in needs to know.
#[derive(Deserialize)]
pub(crate) struct LetIn {
    token: String,
    kind: String,
    class: String,
    #[serde(default)]
    station: String,
}

/// POST `/op/inbox/{pile}/let-in`.
pub(crate) async fn let_in(
    site: web::Data<Site>,
    person: Person,
    id: web::Path<String>,
    given: web::Form<LetIn>,
) -> Result<HttpResponse, Problem> {
    let pile_id = waiting(&person, &given.token, &id)?;
    let kind = PileKind::from_word(&given.kind).ok_or_else(|| Problem::parameter("kind", "ac or dc"))?;
    let class = given.class.parse().map_err(|_| Problem::parameter("class", "an accuracy class, e.g. 2"))?;
    if !site.store.console_pile(None, &pile_id).await?.is_some_and(|known| known.inbox) {
        return Err(Problem::missing("no such charger is waiting"));
    }
    let station_id = Some(given.station.trim()).filter(|id| !id.is_empty());
    let station_id = station_id
        .map(StationId::parse)
        .transpose()
        .map_err(|_| Problem::parameter("station", "a station"))?;
    let mut place = None;
    if let Some(id) = &station_id {
        // It stands there until somebody says where it stands itself.
        place = site.store.station_places(&[id.as_str()]).await?.pop().map(|(_, place)| place);
        if place.is_none() {
            return Err(Problem::parameter("station", "a registered station"));
        }
    }
    let pile = Pile {
        pile_id: pile_id.clone(),
        station_id,
        operator_id: None,
        kind,
        class: AccuracyClass(class),
        power_kw: None,
        place,
        given: None,
        connectors: Vec::new(),
        model: None,
        meter_serial: None,
    };
    site.store.register_piles(&[pile]).await?;
    tracing::info!(pile.id = %pile_id, person = person.name, "a charger was let in");
    let address = format!("/op/piles/{}", view::segment(pile_id.as_str()));
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, address)).finish())
}

/// The token of a form.
#[derive(Deserialize)]
pub(crate) struct Token {
    pub(crate) token: String,
}

/// POST `/op/inbox/{pile}/dismiss`.
pub(crate) async fn dismiss(
    site: web::Data<Site>,
    person: Person,
    id: web::Path<String>,
    given: web::Form<Token>,
) -> Result<HttpResponse, Problem> {
    let pile_id = waiting(&person, &given.token, &id)?;
    if !site.store.dismiss(&pile_id).await? {
        return Err(Problem::missing("nobody of this identity is waiting"));
    }
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, "/op#inbox")).finish())
}

/// The charger that an administrator's form is about.
fn waiting(person: &Person, token: &str, id: &str) -> Result<PileId, Problem> {
    person.owns_form(token)?;
    if !person.is_administrator() {
        return Err(Problem::forbidden("only an administrator lets chargers in"));
    }
    PileId::parse(id).map_err(|error| Problem::parameter("pile", &error.to_string()))
}
