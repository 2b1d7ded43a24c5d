//! `/api/v1/stations`: stations with what the public is told of their piles, as GeoJSON.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use veripile_pile::{State, StationId};
use veripile_store::listing::{STATIONS_PER_PAGE_MAX, StationRecord};

use crate::Site;
use crate::api::{Meta, Named, Pile, PilesParameters, Point, json, rounded_m};
use crate::problem::Problem;
use crate::view;

/// Stations on a page where the request does not say.
const LIMIT_DEFAULT: u32 = 100;

/// The place as it was given before it became WGS-84.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Given {
    /// wgs84, gcj02 or bd09
    coordinate_system: &'static str,
    /// Longitude, latitude in that system, degrees
    coordinates: [f64; 2],
    /// What looks wrong: system_assumed, not_shifted, looks_exchanged, looks_gcj02, looks_bd09, at_zero
    doubts: Vec<&'static str>,
}

/// A station.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Station {
    station_id: String,
    name_zh: String,
    name_en: String,
    operator: Named,
    given: Option<Given>,
    /// District or county (行政区划)
    region: Option<String>,
    address: Option<String>,
    /// Telephone number of its service
    phone: Option<String>,
    /// Highest price of a kWh that may apply, service included, CNY: that told as the highest of a day, or of the prices by hours that hold today, whichever is higher
    fee_cny_kwh: Option<String>,
    /// What was told as the highest price, CNY, where today's prices by hours go beyond it and so contradict it
    fee_told_cny_kwh: Option<String>,
    /// What else there is to say of the price, in words
    fee_note: Option<String>,
    /// Number of registered piles
    piles: usize,
    /// Number of piles that a list of stations says it has, registered or not; null where none said so
    told_piles: Option<u32>,
    /// Number of piles that were free when they were last heard of, not longer than ten minutes ago; none that is out of use, failed or under review
    idle_piles: usize,
    /// Number of piles whose status is older or unknown: they may be free or taken
    silent_piles: usize,
    /// Number of piles by public state
    states: BTreeMap<&'static str, usize>,
    /// Rated power of its strongest pile, kW
    max_power_kw: Option<String>,
    /// gbt_ac, gbt_dc, type1, type2, ccs1, ccs2, chademo
    connectors: Vec<&'static str>,
    /// Metres from the place asked for, where one was
    distance_m: Option<f64>,
}

/// A station as a GeoJSON feature.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StationFeature {
    #[serde(rename = "type")]
    kind: &'static str,
    id: String,
    geometry: Point,
    properties: Station,
}

/// A GeoJSON feature collection of stations (RFC 7946).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StationCollection {
    #[serde(rename = "type")]
    kind: &'static str,
    meta: Meta,
    features: Vec<StationFeature>,
}

/// A station and its piles.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StationWithPiles {
    meta: Meta,
    station: StationFeature,
    piles: Vec<Pile>,
}

impl StationFeature {
    pub(crate) fn of(record: &StationRecord, distance_m: Option<f64>, now: Timestamp) -> Self {
        let mut states: BTreeMap<&'static str, usize> =
            State::ALL.into_iter().map(|state| (state.word(), 0)).collect();
        for pile in &record.piles {
            *states.entry(pile.state(now).word()).or_default() += 1;
        }
        let connectors = record.piles.iter().flat_map(|pile| &pile.connectors).map(|one| one.word());
        let mut connectors: Vec<_> = connectors.collect();
        connectors.sort_unstable();
        connectors.dedup();
        let operator = &record.operator;
        let (idle_piles, silent_piles) = view::idle(record.piles.iter(), now);
        Self {
            kind: "Feature",
            id: record.station_id.to_string(),
            geometry: Point::at(record.place),
            properties: Station {
                station_id: record.station_id.to_string(),
                name_zh: record.name_zh.clone(),
                name_en: record.name_en.clone(),
                operator: Named::new(operator.operator_id.to_string(), &operator.name_zh, &operator.name_en),
                given: record.given.as_ref().map(|given| Given {
                    coordinate_system: given.system.word(),
                    coordinates: [given.lon, given.lat],
                    doubts: given.doubts.iter().map(|doubt| doubt.code()).collect(),
                }),
                region: record.region.clone(),
                address: record.address.clone(),
                phone: record.phone.clone(),
                fee_cny_kwh: record.fee_cny_kwh.map(|fee| fee.normalize().to_string()),
                fee_told_cny_kwh: record.fee_told_cny_kwh.map(|fee| fee.normalize().to_string()),
                fee_note: record.fee_note.clone(),
                piles: record.piles.len(),
                told_piles: record.told_piles,
                idle_piles,
                silent_piles,
                states,
                max_power_kw: record
                    .piles
                    .iter()
                    .filter_map(|pile| pile.power_kw)
                    .max()
                    .map(|kw| kw.normalize().to_string()),
                connectors,
                distance_m: distance_m.map(rounded_m),
            },
        }
    }
}

/// Stations as GeoJSON, in the order of their identifiers; or the nearest to a place, nearest first
///
/// A filter of piles (state, kind, connector, power) means: a station that has such a pile.
#[utoipa::path(get, path = "/api/v1/stations", params(PilesParameters), responses(
    (status = 200, description = "Stations", body = StationCollection, content_type = "application/geo+json"),
    (status = 304, description = "As it was"),
    (status = 400, description = "A parameter cannot be", body = Problem, content_type = "application/problem+json"),
    (status = 429, description = "Too many requests", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn stations(
    site: web::Data<Site>,
    parameters: Result<web::Query<PilesParameters>, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let parameters =
        parameters.map_err(|error| Problem::parameter("query", &format!("known parameters ({error})")))?;
    let after = parameters.cursor().map(StationId::parse).transpose();
    let after = after.map_err(|error| Problem::parameter("cursor", &format!("an identifier ({error})")))?;
    let query = parameters.query_of(LIMIT_DEFAULT, STATIONS_PER_PAGE_MAX)?;
    let (found, next) = match parameters.near()? {
        Some(near) => {
            let found = site.store.nearest_stations(near, &query).await?;
            (found.into_iter().map(|(station, distance_m)| (station, Some(distance_m))).collect(), None)
        }
        None => {
            let (page, next) = site.store.stations_with_piles(&query, after.as_ref()).await?;
            (page.into_iter().map(|station| (station, None)).collect::<Vec<_>>(), next)
        }
    };
    let now = Timestamp::now();
    let last_updated = found.iter().filter_map(|(station, _)| station.last_updated).max();
    let collection = StationCollection {
        kind: "FeatureCollection",
        meta: Meta::new(last_updated, next.map(|next| next.to_string())),
        features: found
            .iter()
            .map(|(station, distance_m)| StationFeature::of(station, *distance_m, now))
            .collect(),
    };
    Ok(json("application/geo+json", &collection))
}

/// One station with its piles
#[utoipa::path(get, path = "/api/v1/stations/{id}", params(("id" = String, Path, description = "Station identifier")), responses(
    (status = 200, description = "The station", body = StationWithPiles),
    (status = 304, description = "As it was"),
    (status = 404, description = "No such station", body = Problem, content_type = "application/problem+json"),
    (status = 429, description = "Too many requests", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn station(site: web::Data<Site>, id: web::Path<String>) -> Result<HttpResponse, Problem> {
    let missing = || Problem::missing("no station has this identifier; /api/v1/stations lists them");
    let station_id = StationId::parse(&id).map_err(|_| missing())?;
    let record = site.store.station_with_piles(&station_id).await?.ok_or_else(missing)?;
    let now = Timestamp::now();
    let answer = StationWithPiles {
        meta: Meta::new(record.last_updated, None),
        station: StationFeature::of(&record, None, now),
        piles: record.piles.iter().map(|pile| Pile::of(pile, now)).collect(),
    };
    Ok(json("application/json", &answer))
}
