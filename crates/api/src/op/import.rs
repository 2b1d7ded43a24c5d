//! Import of stations and piles from a table, with an error for each bad row.
//!
//! The rows are read by whoever started the server (`app`, which reads the same tables for `veripile register`); here the form
//! and the outcome are shown. While a row is bad nothing is registered, unless the person says to pass bad rows over.

use std::collections::{HashMap, HashSet};

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use veripile_pile::{CoordinateSystem, OperatorId, Pile, Place, PlaceDoubt, Station, StationId, Told};
use veripile_store::{Store, StoreError};

use crate::Site;
use crate::problem::{Problem, html};
use crate::session::{Person, private};
use crate::texts::Texts;

/// Longest table, bytes percent-encoded in a form: some 10,000 piles.
pub(crate) const FORM_BYTES_MAX: usize = 6 << 20;

/// Errors and doubts shown, the first.
const ERRORS_MAX: usize = 200;

/// Reads a table of piles, `pile_id,kind,accuracy_class[,station_id,…]`, or of stations,
/// `station_id,operator_id,name_zh,name_en,lon,lat[,address,phone,…]`; or stations as GeoJSON or OCPI Locations.
pub type Import = fn(&str, &Assumed) -> Imported;

/// What a list is taken to mean where it does not say.
#[derive(Debug, Clone, Default)]
pub struct Assumed {
    /// Whose stations these are.
    pub operator: Option<OperatorId>,
    /// What coordinates are in; none: WGS-84, and that is doubtful in China.
    pub system: Option<CoordinateSystem>,
}

/// What a table holds.
#[derive(Debug, Default)]
pub struct Imported {
    /// Good rows of a table of piles.
    pub piles: Vec<Told<Pile>>,
    /// Good rows of a table of stations.
    pub stations: Vec<Told<Station>>,
    /// Bad ones, or what is wrong with the table as a whole (line 1).
    pub errors: Vec<RowError>,
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    /// Physical line; the header is line 1.
    pub line: u64,
    /// What, naming the column.
    pub reason: String,
}

/// What the form sends.
#[derive(Deserialize, Default)]
pub(crate) struct Given {
    #[serde(default)]
    token: String,
    #[serde(default)]
    table: String,
    #[serde(default)]
    skip: String,
    /// What coordinates are in; empty: as the table says.
    #[serde(default)]
    coordinate_system: String,
}

#[derive(Template)]
#[template(path = "op_import.html")]
struct ImportPage<'a> {
    t: &'a Texts,
    simulated: bool,
    here: String,
    person: &'a Person,
    table: &'a str,
    registered: Option<usize>,
    errors: &'a [RowError],
    errors_total: usize,
    systems: [CoordinateSystem; 3],
    /// Identifier, and the key of a text that says what looks wrong with its place.
    doubts: Vec<(String, String)>,
}

/// GET `/op/import`.
pub(crate) async fn form(request: HttpRequest, site: web::Data<Site>, person: Person) -> HttpResponse {
    show(&request, &site, &person, "", None, &[], &[])
}

/// POST `/op/import`.
pub(crate) async fn import(
    request: HttpRequest,
    site: web::Data<Site>,
    person: Person,
    given: web::Form<Given>,
) -> Result<HttpResponse, Problem> {
    person.owns_form(&given.token)?;
    let assumed = Assumed {
        operator: person.scope.clone(),
        system: CoordinateSystem::from_word(&given.coordinate_system),
    };
    let Imported { piles, stations, errors } = (site.import)(&given.table, &assumed);
    let mut stations = site.store.complete_stations(stations).await?;
    let mut piles = site.store.complete_piles(piles).await?;
    let errors = foreign_stations(&site, &person, &mut stations, errors).await?;
    let errors = refused(&site, &person, &stations, &mut piles, errors).await?;
    let rows = piles.len() + stations.len();
    let doubts = doubtful_places(&site.store, &mut stations, &mut piles).await?;
    let registered = if errors.is_empty() || (given.skip == "yes" && rows > 0) {
        site.store.register_stations(&stations).await?;
        site.store.register_piles(&piles).await?;
        tracing::info!(
            person = person.name,
            piles = piles.len(),
            stations = stations.len(),
            "a table was imported"
        );
        Some(rows)
    } else {
        None
    };
    Ok(show(&request, &site, &person, &given.table, registered, &errors, &doubts))
}

/// Holds places against those that are known: of a station against where it was registered before, of a pile against its
/// station. All that looks wrong, by identifier; it is also noted in the places themselves, and is no error.
pub async fn doubtful_places(
    store: &Store,
    stations: &mut [Station],
    piles: &mut [Pile],
) -> Result<Vec<(String, PlaceDoubt)>, StoreError> {
    let ids = stations.iter().map(|s| s.station_id.as_str());
    let ids: Vec<&str> =
        ids.chain(piles.iter().filter_map(|p| Some(p.station_id.as_ref()?.as_str()))).collect();
    let mut known: HashMap<String, Place> = store.station_places(&ids).await?.into_iter().collect();
    let mut doubts = Vec::new();
    for station in stations {
        let id = station.station_id.as_str();
        let before = known.insert(id.to_owned(), station.place);
        let Some(given) = &mut station.given else { continue };
        if let Some(before) = before {
            given.compare(station.place, before);
        }
        doubts.extend(given.doubts.iter().map(|doubt| (id.to_owned(), *doubt)));
    }
    for pile in piles {
        let station = pile.station_id.as_ref().and_then(|id| known.get(id.as_str()));
        let Some((given, place)) = pile.given.as_mut().zip(pile.place) else { continue };
        if let Some(station) = station {
            given.compare(place, *station);
        }
        doubts.extend(given.doubts.iter().map(|doubt| (pile.pile_id.to_string(), *doubt)));
    }
    Ok(doubts)
}

/// Takes out the stations that are not this person's to register, or whose operator is not there.
async fn foreign_stations(
    site: &Site,
    person: &Person,
    stations: &mut Vec<Station>,
    mut errors: Vec<RowError>,
) -> Result<Vec<RowError>, Problem> {
    if stations.is_empty() {
        return Ok(errors);
    }
    let operators: Vec<&str> = stations.iter().map(|station| station.operator_id.as_str()).collect();
    let operators = site.store.registered_operators(&operators).await?;
    let ids: Vec<&str> = stations.iter().map(|station| station.station_id.as_str()).collect();
    let owners = site.store.station_operators(&ids).await?;
    let is_foreign = |operator: &str| person.scope.as_ref().is_some_and(|scope| scope.as_str() != operator);
    stations.retain(|station| {
        let id = station.station_id.as_str();
        let reason = if !operators.contains(station.operator_id.as_str()) {
            "column operator_id: no such operator"
        } else if is_foreign(station.operator_id.as_str()) {
            "column operator_id: not yours"
        } else if owners.get(id).is_some_and(|owner| is_foreign(owner)) {
            "column station_id: registered by another operator"
        } else {
            return true;
        };
        errors.push(RowError { line: 0, reason: format!("{id}: {reason}") });
        false
    });
    Ok(errors)
}

/// Takes out the piles that this person may not register, or whose station is neither there nor registered with them; all errors in the
/// order of lines.
async fn refused(
    site: &Site,
    person: &Person,
    stations: &[Station],
    piles: &mut Vec<Pile>,
    mut errors: Vec<RowError>,
) -> Result<Vec<RowError>, Problem> {
    let scope = person.scope.as_ref();
    let with_them: HashSet<&StationId> = stations.iter().map(|station| &station.station_id).collect();
    let ids: Vec<&str> =
        piles.iter().filter_map(|pile| pile.station_id.as_ref()).map(StationId::as_str).collect();
    let owners = site.store.station_operators(&ids).await?;
    let is_own = |owner: &String| scope.is_none_or(|scope| scope.as_str() == owner);
    let known = |pile: &Pile| {
        let id = pile.station_id.as_ref();
        id.is_none_or(|id| with_them.contains(id) || owners.get(id.as_str()).is_some_and(is_own))
    };
    let foreign = |pile: &Pile, scope: &OperatorId| pile.operator_id.as_ref().is_some_and(|id| id != scope);
    let mut kept = Vec::with_capacity(piles.len());
    for mut pile in piles.drain(..) {
        let reason = if !known(&pile) {
            Some("column station_id: no such station of yours")
        } else if scope.is_some_and(|scope| foreign(&pile, scope)) {
            Some("column operator_id: not yours")
        } else if scope.is_some() && is_of_another(site, person, &pile).await? {
            Some("column pile_id: registered by another operator")
        } else {
            None
        };
        match reason {
            Some(reason) => errors.push(RowError { line: 0, reason: format!("{}: {reason}", pile.pile_id) }),
            None => {
                // Whatever else it names: what somebody imports is their operator's.
                pile.operator_id = person.scope.clone().or(pile.operator_id);
                kept.push(pile);
            }
        }
    }
    *piles = kept;
    Ok(errors)
}

/// Whether a pile is there already, but not in this person's scope.
async fn is_of_another(site: &Site, person: &Person, pile: &Pile) -> Result<bool, Problem> {
    let everybody = site.store.console_pile(None, &pile.pile_id).await?;
    let own = site.store.console_pile(person.scope.as_ref(), &pile.pile_id).await?;
    // One that knocked without being registered is nobody's yet.
    Ok(everybody.is_some_and(|known| known.operator_id.is_some()) && own.is_none())
}

fn show(
    request: &HttpRequest,
    site: &Site,
    person: &Person,
    table: &str,
    registered: Option<usize>,
    errors: &[RowError],
    doubts: &[(String, PlaceDoubt)],
) -> HttpResponse {
    let t = Texts::of_request(request);
    let page = ImportPage {
        t,
        simulated: site.settings.simulated,
        here: "/op/import?".to_owned(),
        person,
        table: if registered.is_some() && errors.is_empty() { "" } else { table },
        registered,
        errors: &errors[..errors.len().min(ERRORS_MAX)],
        errors_total: errors.len(),
        systems: CoordinateSystem::ALL,
        doubts: doubts
            .iter()
            .take(ERRORS_MAX)
            .map(|(id, doubt)| (id.clone(), format!("doubt.{}", doubt.code())))
            .collect(),
    };
    private(html(StatusCode::OK, &page))
}
