//! Import of stations and piles from a table, with an error for each bad row.
//!
//! The rows are read by whoever started the server (`app`, which reads the same tables for `veripile register`); here the form
//! and the outcome are shown. While a row is bad nothing is registered, unless the person says to pass bad rows over.

use std::collections::{HashMap, HashSet};

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use veripile_metrology::rules;
use veripile_pile::{
    CoordinateSystem, OperatorId, Pile, PileId, PileKind, Place, PlaceDoubt, Station, StationId, Told,
};
use veripile_store::{Hands, Removed, Store, StoreError};

use crate::Site;
use crate::entries::SHOW;
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
    /// Years in which piles of these rows were made, where the table has a column for them; none takes one back.
    pub made_in: Vec<(PileId, Option<i16>)>,
    /// Good rows of a table of stations.
    pub stations: Vec<Told<Station>>,
    /// Stations that are not to be shown publicly (`publish` of OCPI Locations): nothing of them is imported.
    pub private: Vec<(StationId, OperatorId)>,
    /// Piles that are said to be removed (`REMOVED` of OCPI), each from its station, and that stand at no other of the list.
    pub removed: Vec<Removed>,
    /// Plugs (`standard` of OCPI connectors) that are none we know, each by its word, in which nothing is left that cannot be printed: their
    /// piles come without them.
    pub unknown_plugs: Vec<(PileId, String)>,
    /// Bad ones, or what is wrong with the table as a whole (line 1).
    pub errors: Vec<RowError>,
    /// Names of columns that say nothing here.
    pub unread: Vec<String>,
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
    /// [`SHOW`]: nothing is registered, and what is wrong is told in the other language.
    #[serde(default, rename = "do")]
    act: String,
}

#[derive(Template)]
#[template(path = "op_import.html")]
struct ImportPage<'a> {
    t: &'a Texts,
    simulated: bool,
    here: String,
    person: &'a Person,
    table: &'a str,
    is_skipping: bool,
    registered: Option<usize>,
    errors: &'a [RowError],
    errors_total: usize,
    /// Each with whether it was chosen.
    systems: [(CoordinateSystem, bool); 3],
    /// Identifier, and the key of a text that says what looks wrong with its place.
    doubts: Vec<(String, String)>,
    /// Piles on no map, and how many there are.
    placeless: Vec<String>,
    placeless_total: usize,
    /// Stations that were left out, and whether they are here from before.
    private: Vec<(&'a str, bool)>,
    private_total: usize,
    /// Piles that are said to be removed, and whether they stand at their stations all the same.
    removed: Vec<(&'a str, bool)>,
    removed_total: usize,
    /// Plugs that were left out, each with its pile.
    plugs: Vec<(&'a str, &'a str)>,
    plugs_total: usize,
    /// Columns that say nothing here.
    unread: &'a [String],
}

/// GET `/op/import`.
pub(crate) async fn form(request: HttpRequest, site: web::Data<Site>, person: Person) -> HttpResponse {
    show(&request, &site, &person, &Given::default(), Outcome::default())
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
    let Imported { piles, mut made_in, stations, private, removed, unknown_plugs, errors, unread } =
        (site.import)(&given.table, &assumed);
    let is_of_stations = !stations.is_empty();
    let mut stations = site.store.complete_stations(stations).await?;
    let mut piles = site.store.complete_piles(piles, &stations).await?;
    let errors = foreign_stations(&site, &person, &mut stations, errors).await?;
    let mut errors =
        refused(&site, &person, is_of_stations.then_some(stations.as_slice()), &mut piles, errors).await?;
    // Of what is not registered here no year is, either.
    let kept: HashSet<&PileId> = piles.iter().map(|pile| &pile.pile_id).collect();
    made_in.retain(|(pile_id, _)| kept.contains(pile_id));
    let public_still = public_still(&site.store, &private).await?;
    let mut removed_still = site.store.piles_standing_at(&removed).await?;
    let rows = piles.len() + stations.len();
    let placeless: Vec<&str> =
        piles.iter().filter(|pile| pile.place.is_none()).map(|pile| pile.pile_id.as_str()).collect();
    let (placeless_total, placeless) = (placeless.len(), told_first(&placeless));
    let doubts = doubtful_places(&site.store, &mut stations, &mut piles).await?;
    let is_good = errors.is_empty() || (given.skip == "yes" && rows > 0);
    let registered = if is_good && given.act != SHOW {
        // A table of piles moves a pile only where an administrator says so.
        let is_moving = person.scope.is_none() && !is_of_stations;
        let hands = if is_moving { Hands::MayChange } else { Hands::Stay };
        let told = (piles.as_slice(), made_in.as_slice());
        match register(&site.store, &stations, told, &removed, hands).await {
            Ok(gone) => {
                removed_still.retain(|id| !gone.contains(id));
                tracing::info!(
                    person = person.name,
                    piles = piles.len(),
                    stations = stations.len(),
                    removed = gone.len(),
                    "a table was imported"
                );
                Some(rows)
            }
            // It became somebody's since it was looked up.
            Err(error @ StoreError::OfOthers { .. }) => {
                errors.push(RowError { line: 0, reason: error.to_string() });
                None
            }
            Err(error) => return Err(error.into()),
        }
    } else {
        None
    };
    let outcome = Outcome {
        registered,
        errors: &errors,
        doubts: &doubts,
        placeless,
        placeless_total,
        private: &private,
        public_still,
        removed: &removed,
        removed_still,
        unknown_plugs: &unknown_plugs,
        unread: &unread,
    };
    Ok(show(&request, &site, &person, &given, outcome))
}

/// The first of many identifiers.
fn told_first(ids: &[&str]) -> Vec<String> {
    ids.iter().take(ERRORS_MAX).map(|id| (*id).to_owned()).collect()
}

/// Registers all of it or nothing, piles with the years that are told of them; which piles left their stations, since the list says so.
async fn register(
    store: &Store,
    stations: &[Station],
    (piles, made_in): (&[Pile], &[(PileId, Option<i16>)]),
    removed: &[Removed],
    hands: Hands,
) -> Result<HashSet<String>, StoreError> {
    let mut registering = store.registering().await?;
    let gone = registering.take_away(removed).await?;
    registering.stations(stations, Hands::Stay).await?;
    registering.piles(piles, hands).await?;
    registering.made_in(made_in).await?;
    registering.commit().await?;
    Ok(gone)
}

/// What came of an import.
#[derive(Default)]
struct Outcome<'a> {
    /// How many rows were registered.
    registered: Option<usize>,
    errors: &'a [RowError],
    doubts: &'a [(String, PlaceDoubt)],
    /// The first of the piles without a place, and how many there are.
    placeless: Vec<String>,
    placeless_total: usize,
    private: &'a [(StationId, OperatorId)],
    public_still: Vec<StationId>,
    removed: &'a [Removed],
    /// Those that stand at their stations all the same.
    removed_still: HashSet<String>,
    unknown_plugs: &'a [(PileId, String)],
    unread: &'a [String],
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

/// What a list speaks of that is registered with another operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    /// Station or pile.
    what: &'static str,
    /// Which.
    id: String,
    /// Whose it is.
    owner: String,
}

impl std::fmt::Display for Other {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}, registered with {}", self.what, self.id, self.owner)
    }
}

/// Those of these stations and piles that are registered with another operator than a list says. Identifiers are each operator's own, so
/// that two may both have a station 1.
pub async fn of_others(
    store: &Store,
    stations: &[Station],
    piles: &[Pile],
) -> Result<Vec<Other>, StoreError> {
    let told: Vec<(&str, Option<&OperatorId>)> =
        stations.iter().map(|one| (one.station_id.as_str(), Some(&one.operator_id))).collect();
    let owners = store.station_operators(&told.iter().map(|(id, _)| *id).collect::<Vec<_>>()).await?;
    let mut others = foreign("station", &told, &owners);
    let told: Vec<(&str, Option<&OperatorId>)> =
        piles.iter().map(|one| (one.pile_id.as_str(), one.operator_id.as_ref())).collect();
    let owners = store.pile_operators(&told.iter().map(|(id, _)| *id).collect::<Vec<_>>()).await?;
    others.extend(foreign("pile", &told, &owners));
    Ok(others)
}

fn foreign(
    what: &'static str,
    told: &[(&str, Option<&OperatorId>)],
    owners: &HashMap<String, String>,
) -> Vec<Other> {
    let other = |(id, operator): &(&str, Option<&OperatorId>)| {
        let owner = owners.get(*id).filter(|owner| operator.is_some_and(|told| told.as_str() != **owner))?;
        Some(Other { what, id: (*id).to_owned(), owner: owner.clone() })
    };
    told.iter().filter_map(other).collect()
}

/// Those of these stations, which are not to be shown publicly, that are registered from before: they stay as they are. What an operator
/// publishes elsewhere takes nothing out of a public register, in which perhaps a pile of it has failed.
pub async fn public_still(
    store: &Store,
    private: &[(StationId, OperatorId)],
) -> Result<Vec<StationId>, StoreError> {
    let ids: Vec<&str> = private.iter().map(|(id, _)| id.as_str()).collect();
    let owners = store.station_operators(&ids).await?;
    let is_here = |(id, operator): &&(StationId, OperatorId)| {
        owners.get(id.as_str()).is_some_and(|owner| owner == operator.as_str())
    };
    Ok(private.iter().filter(is_here).map(|(id, _)| id.clone()).collect())
}

/// Why a pile cannot be as a list and what was registered before make it together, naming the column.
pub fn cannot_be(pile: &Pile) -> Option<String> {
    let (kind, most) = (pile.kind.word(), pile.kind.power_max_kw());
    if let Some(power_kw) = pile.power_kw.filter(|power_kw| most < *power_kw) {
        return Some(format!(
            "column power_kw: {power_kw} kW, and no {kind} pile exceeds {most}; say its power, too"
        ));
    }
    if rules::for_kind(kind).and_then(|rules| rules.mpe_percent(pile.class.0)).is_err() {
        return Some(format!("column accuracy_class: {} is no class of {kind} piles", pile.class.0));
    }
    let direct = pile.connectors.iter().find(|plug| plug.is_dc_only() && pile.kind == PileKind::Ac)?;
    Some(format!("column connectors: {} on a pile of kind ac; say its connectors, too", direct.word()))
}

/// What becomes of a row that is another operator's.
fn stays(owner: &str) -> String {
    format!(
        "registered with another operator, {owner}, and stays with it; give yours an identifier of its own. If it changed hands, an \
         administrator registers it with veripile register --change-operator"
    )
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
        let owner = owners.get(id).filter(|owner| **owner != station.operator_id.as_str());
        let reason = if !operators.contains(station.operator_id.as_str()) {
            "column operator_id: no such operator".to_owned()
        } else if is_foreign(station.operator_id.as_str()) {
            "column operator_id: not yours".to_owned()
        } else if let Some(owner) = owner {
            format!("column station_id: {}", stays(owner))
        } else {
            return true;
        };
        errors.push(RowError { line: 0, reason: format!("{id}: {reason}") });
        false
    });
    Ok(errors)
}

/// Takes out the piles that this person may not register, or whose station is neither there nor registered with them; all errors in the
/// order of lines. Piles that come with their stations are registered with these only, and are no other operator's.
async fn refused(
    site: &Site,
    person: &Person,
    stations: Option<&[Station]>,
    piles: &mut Vec<Pile>,
    mut errors: Vec<RowError>,
) -> Result<Vec<RowError>, Problem> {
    let scope = person.scope.as_ref();
    let with_them: Option<HashSet<&StationId>> =
        stations.map(|stations| stations.iter().map(|station| &station.station_id).collect());
    let ids: Vec<&str> =
        piles.iter().filter_map(|pile| pile.station_id.as_ref()).map(StationId::as_str).collect();
    let owners = site.store.station_operators(&ids).await?;
    let ids: Vec<&str> = piles.iter().map(|pile| pile.pile_id.as_str()).collect();
    // One that knocked without being registered is nobody's yet.
    let pile_owners = site.store.pile_operators(&ids).await?;
    let operators: Vec<&str> =
        piles.iter().filter_map(|pile| pile.operator_id.as_ref()).map(OperatorId::as_str).collect();
    let operators = site.store.registered_operators(&operators).await?;
    let is_nobody =
        |pile: &Pile| pile.operator_id.as_ref().is_some_and(|id| !operators.contains(id.as_str()));
    let is_own = |owner: &String| scope.is_none_or(|scope| scope.as_str() == owner);
    let known = |pile: &Pile| match (&pile.station_id, &with_them) {
        (None, _) => true,
        (Some(id), Some(with_them)) => with_them.contains(id),
        (Some(id), None) => owners.get(id.as_str()).is_some_and(is_own),
    };
    let foreign = |pile: &Pile, scope: &OperatorId| pile.operator_id.as_ref().is_some_and(|id| id != scope);
    // An administrator moves piles by a table of them, and not by stations that bring some along.
    let whose = |pile: &Pile| {
        let told = scope.or(pile.operator_id.as_ref().filter(|_| with_them.is_some()))?;
        pile_owners.get(pile.pile_id.as_str()).filter(|owner| told.as_str() != **owner)
    };
    let mut kept = Vec::with_capacity(piles.len());
    for mut pile in piles.drain(..) {
        let reason = if !known(&pile) {
            Some("column station_id: no such station of yours".to_owned())
        } else if let Some(owner) = whose(&pile) {
            // Before its operator: a table that names none has the one of before.
            Some(format!("column pile_id: {}", stays(owner)))
        } else if scope.is_some_and(|scope| foreign(&pile, scope)) {
            Some("column operator_id: not yours".to_owned())
        } else if is_nobody(&pile) {
            Some("column operator_id: no such operator".to_owned())
        } else {
            cannot_be(&pile)
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

fn show(
    request: &HttpRequest,
    site: &Site,
    person: &Person,
    given: &Given,
    outcome: Outcome<'_>,
) -> HttpResponse {
    let t = Texts::of_request(request);
    let Outcome {
        registered,
        errors,
        doubts,
        private: left_out,
        public_still,
        removed,
        removed_still,
        unknown_plugs,
        ..
    } = outcome;
    let page = ImportPage {
        t,
        simulated: site.settings.simulated,
        here: "/op/import?".to_owned(),
        person,
        table: if registered.is_some() && errors.is_empty() { "" } else { &given.table },
        is_skipping: given.skip == "yes",
        registered,
        errors: &errors[..errors.len().min(ERRORS_MAX)],
        errors_total: errors.len(),
        systems: CoordinateSystem::ALL.map(|system| (system, system.word() == given.coordinate_system)),
        doubts: doubts
            .iter()
            .take(ERRORS_MAX)
            .map(|(id, doubt)| (id.clone(), format!("doubt.{}", doubt.code())))
            .collect(),
        placeless: outcome.placeless,
        placeless_total: outcome.placeless_total,
        private: left_out
            .iter()
            .take(ERRORS_MAX)
            .map(|(id, _)| (id.as_str(), public_still.contains(id)))
            .collect(),
        private_total: left_out.len(),
        removed: removed
            .iter()
            .take(ERRORS_MAX)
            .map(|one| (one.pile_id.as_str(), removed_still.contains(one.pile_id.as_str())))
            .collect(),
        removed_total: removed.len(),
        plugs: unknown_plugs.iter().take(ERRORS_MAX).map(|(id, word)| (id.as_str(), word.as_str())).collect(),
        plugs_total: unknown_plugs.len(),
        unread: &outcome.unread[..outcome.unread.len().min(ERRORS_MAX)],
    };
    private(html(StatusCode::OK, &page))
}
