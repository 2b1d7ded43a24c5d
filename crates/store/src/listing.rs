//! What the query API asks beside piles in the order of their identifiers: the nearest piles, and stations.
//!
//! Called by `api`. Reads only, and judges nothing: piles come with their last judgement.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use rust_decimal::Decimal;
use sqlx::FromRow;
use veripile_pile::{CoordinateSystem, GivenPlace, Operator, OperatorId, Place, PlaceDoubt, StationId};

use crate::map::{BoundingBox, PileQuery, PileRow, select_piles};
use crate::row::corrupt;
use crate::state::{in_state, is_silent};
use crate::{PileRecord, Store, StoreError};

/// How far a search for the nearest goes at first and how much farther each time that finds too few, m. A city's driver is
/// answered from the first circle; five steps reach a thousand kilometres, and then everything is looked at.
const FIRST_CIRCLE_M: f64 = 2_000.0;
const WIDER: f64 = 4.0;
const CIRCLES_MAX: i32 = 5;

/// Most stations on one page. All their piles are read, some ten each.
pub const STATIONS_PER_PAGE_MAX: u32 = 500;

/// Length of a degree of latitude, m: a little short, so that a circle's box is rather too wide.
const DEGREE_M: f64 = 110_500.0;

/// What every query for stations selects.
macro_rules! select_stations {
    ($rest:expr) => {
        concat!(
            "SELECT station.station_id, station.name_zh, station.name_en, station.lon, station.lat,
                    station.region, station.address, station.phone, ",
            $crate::price::fee!(),
            " AS fee_cny_kwh, ",
            $crate::price::fee_told!(),
            " AS fee_told_cny_kwh, station.fee_note, station.told_piles,
                    station.given_system, station.given_lon, station.given_lat, station.place_doubts,
                    operator.operator_id, operator.name_zh AS operator_zh, operator.name_en AS operator_en
             FROM station JOIN operator USING (operator_id) ",
            $rest
        )
    };
}

/// Stations in the order of their identifiers or of their distance, those for which `$piles` holds.
macro_rules! station_rows {
    ($piles:expr) => {
        select_stations!(concat!(
            "WHERE ($1::text IS NULL OR station.station_id > $1)
               AND ($2::float8 IS NULL OR (station.lon BETWEEN $2 AND $4 AND station.lat BETWEEN $3 AND $5))
               AND ($6::text IS NULL OR station.operator_id = $6)
               AND ",
            $piles,
            " ORDER BY CASE WHEN $7::float8 IS NULL THEN 0 ELSE
                          power(sin(radians(station.lat - $8) / 2), 2)
                          + cos(radians($8)) * cos(radians(station.lat)) * power(sin(radians(station.lon - $7) / 2), 2)
                      END, station.station_id
             LIMIT $9"
        ))
    };
}

/// Any station. The values of [`station_has_pile`] are named, so that both statements take the same.
macro_rules! any_piles {
    () => {
        "num_nulls($10::text, $11::text, $12::numeric, $13::int, $14::timestamptz) >= 0"
    };
}

/// Whether a station has a pile that matches. A statement of its own: were it one side of an OR, it would be looked up for every station
/// where few piles match.
macro_rules! station_has_pile {
    () => {
        concat!(
            "EXISTS (SELECT FROM pile
                         LEFT JOIN standing ON standing.pile_no = pile.pile_no
                         LEFT JOIN pile_live AS live ON live.pile_no = pile.pile_no
                         WHERE pile.station_id = station.station_id AND NOT pile.inbox
                           AND ($10::text IS NULL OR pile.kind = $10)
                           AND ($11::text IS NULL OR pile.connectors @> ARRAY[$11::text])
                           AND ($12::numeric IS NULL OR pile.power_kw >= $12)
                           AND ",
            in_state!("$13", "$14", is_silent!("$14")),
            ")"
        )
    };
}

/// A station with its piles.
#[derive(Debug, Clone, PartialEq)]
pub struct StationRecord {
    /// Identifier.
    pub station_id: StationId,
    /// Name in Chinese.
    pub name_zh: String,
    /// Name in English.
    pub name_en: String,
    /// Who runs it.
    pub operator: Operator,
    /// Where it stands.
    pub place: Place,
    /// The same as it was given, if anybody did.
    pub given: Option<GivenPlace>,
    /// District or county.
    pub region: Option<String>,
    /// Street address.
    pub address: Option<String>,
    /// Telephone number of its service.
    pub phone: Option<String>,
    /// Highest price of a kWh that may apply today, service included, CNY: as told, or by prices by hours, whichever is higher.
    pub fee_cny_kwh: Option<Decimal>,
    /// What was told as the highest, CNY, where today's prices by hours go beyond it.
    pub fee_told_cny_kwh: Option<Decimal>,
    /// What else there is to say of the price.
    pub fee_note: Option<String>,
    /// How many piles a list of stations says that it has, registered or not.
    pub told_piles: Option<u32>,
    /// Its piles, in the order of identifiers.
    pub piles: Vec<PileRecord>,
    /// When the newest judgement of its piles was made.
    pub last_updated: Option<Timestamp>,
}

/// The order of nearness to the place $9 east, $10 north.
macro_rules! distance {
    () => {
        "power(sin(radians(pile.lat - $10) / 2), 2)
         + cos(radians($10)) * cos(radians(pile.lat)) * power(sin(radians(pile.lon - $9) / 2), 2), pile.pile_id"
    };
}

impl Store {
    /// The piles nearest to a place that match, nearest first, with their distance in metres; and when the newest of their
    /// judgements was made. A cursor in the query does not matter.
    pub async fn nearest_piles(
        &self,
        near: Place,
        query: &PileQuery,
    ) -> Result<(Vec<(PileRecord, f64)>, Option<Timestamp>), StoreError> {
        let limit = query.limit as usize;
        let now = Timestamp::now();
        let mut found = Vec::new();
        for circle in circles(near) {
            let rows = self.piles_around(near, circle.bounds, query, now).await?;
            found.clear();
            for row in rows {
                let (record, judged_at) = row.record()?;
                let Some(place) = record.place else { continue };
                let distance_m = place.distance_m(near);
                if distance_m <= circle.radius_m {
                    found.push((record, distance_m, judged_at));
                }
            }
            if found.len() >= limit {
                break;
            }
        }
        found.truncate(limit);
        let last_updated = found.iter().filter_map(|(_, _, judged_at)| *judged_at).max();
        Ok((found.into_iter().map(|(pile, distance_m, _)| (pile, distance_m)).collect(), last_updated))
    }

    async fn piles_around(
        &self,
        near: Place,
        bounds: BoundingBox,
        query: &PileQuery,
        now: Timestamp,
    ) -> Result<Vec<PileRow>, StoreError> {
        let bounds = query.bounding_box.map_or(bounds, |asked| asked.intersection(&bounds));
        // Which they are is settled first: a circle may hold thousands of piles, and all there is to say of each costs more than
        // its distance.
        Ok(sqlx::query_as(select_piles!(concat!(
            "WHERE pile.pile_no = ANY(ARRAY(
                 SELECT pile.pile_no FROM pile
                 LEFT JOIN pile_live AS live USING (pile_no) LEFT JOIN standing USING (pile_no)
                 WHERE NOT pile.inbox AND pile.lon BETWEEN $1 AND $3 AND pile.lat BETWEEN $2 AND $4
                   AND ($5::text IS NULL OR pile.operator_id = $5)
                   AND ($6::text IS NULL OR pile.kind = $6)
                   AND ($7::text IS NULL OR pile.connectors @> ARRAY[$7::text])
                   AND ($8::numeric IS NULL OR pile.power_kw >= $8)
                   AND ",
            in_state!("$12", "$13", is_silent!("$13")),
            " ORDER BY ",
            distance!(),
            " LIMIT $11)) ORDER BY ",
            distance!()
        )))
        .bind(bounds.west)
        .bind(bounds.south)
        .bind(bounds.east)
        .bind(bounds.north)
        .bind(query.operator.as_ref().map(OperatorId::as_str))
        .bind(query.kind.map(veripile_pile::PileKind::word))
        .bind(query.connector.map(veripile_pile::ConnectorType::word))
        .bind(query.min_power_kw)
        .bind(near.lon)
        .bind(near.lat)
        .bind(i64::from(query.limit))
        .bind(query.state.map(|state| state as i32))
        .bind(now.to_sqlx())
        .persistent(false)
        .fetch_all(&self.pool)
        .await?)
    }

    /// Stations in the order of their identifiers, after one of them; those that have a pile that matches. The cursor of the
    /// query itself, which is of piles, does not matter. The second is where the next page starts.
    pub async fn stations_with_piles(
        &self,
        query: &PileQuery,
        after: Option<&StationId>,
    ) -> Result<(Vec<StationRecord>, Option<StationId>), StoreError> {
        let limit = query.limit.clamp(1, STATIONS_PER_PAGE_MAX);
        // One more than is shown tells whether there is a next page.
        let mut rows = self.station_rows(query, limit + 1, query.bounding_box, None, after).await?;
        let has_next = (limit as usize) < rows.len();
        rows.truncate(limit as usize);
        let page = self.with_piles(rows).await?;
        let next = page.last().filter(|_| has_next).map(|station| station.station_id.clone());
        Ok((page, next))
    }

    /// The stations nearest to a place that have a pile that matches, nearest first, with their distance in metres.
    pub async fn nearest_stations(
        &self,
        near: Place,
        query: &PileQuery,
    ) -> Result<Vec<(StationRecord, f64)>, StoreError> {
        let limit = query.limit.clamp(1, STATIONS_PER_PAGE_MAX);
        let mut found = Vec::new();
        for circle in circles(near) {
            let bounds = query.bounding_box.map_or(circle.bounds, |asked| asked.intersection(&circle.bounds));
            found = self.station_rows(query, limit, Some(bounds), Some(near), None).await?;
            found.retain(|row| row.distance_m(near) <= circle.radius_m);
            if found.len() == limit as usize {
                break;
            }
        }
        let stations = self.with_piles(found).await?.into_iter();
        let measured = stations.map(|station| {
            let distance_m = station.place.distance_m(near);
            (station, distance_m)
        });
        Ok(measured.collect())
    }

    /// One station with its piles.
    pub async fn station_with_piles(
        &self,
        station_id: &StationId,
    ) -> Result<Option<StationRecord>, StoreError> {
        let rows: Vec<StationRow> = sqlx::query_as(select_stations!("WHERE station.station_id = $1"))
            .bind(station_id.as_str())
            .fetch_all(&self.pool)
            .await?;
        Ok(self.with_piles(rows).await?.pop())
    }

    /// Stations with their piles, in no particular order.
    pub(crate) async fn stations_of_ids(&self, ids: &[&str]) -> Result<Vec<StationRecord>, StoreError> {
        let rows: Vec<StationRow> = sqlx::query_as(select_stations!("WHERE station.station_id = ANY($1)"))
            .bind(ids)
            .fetch_all(&self.pool)
            .await?;
        self.with_piles(rows).await
    }

    /// Piles, in no particular order.
    pub(crate) async fn piles_of_ids(&self, ids: &[&str]) -> Result<Vec<PileRecord>, StoreError> {
        let rows: Vec<PileRow> = sqlx::query_as(select_piles!("WHERE pile.pile_id = ANY($1)"))
            .bind(ids)
            .fetch_all(&self.pool)
            .await?;
        rows.into_iter().map(|row| Ok(row.record()?.0)).collect()
    }

    async fn station_rows(
        &self,
        query: &PileQuery,
        limit: u32,
        bounds: Option<BoundingBox>,
        near: Option<Place>,
        after: Option<&StationId>,
    ) -> Result<Vec<StationRow>, StoreError> {
        let side = |pick: fn(&BoundingBox) -> f64| bounds.as_ref().map(pick);
        let is_any_pile = query.state.is_none()
            && query.kind.is_none()
            && query.connector.is_none()
            && query.min_power_kw.is_none();
        let sql = if is_any_pile { station_rows!(any_piles!()) } else { station_rows!(station_has_pile!()) };
        Ok(sqlx::query_as(sql)
            .bind(after.map(StationId::as_str))
            .bind(side(|b| b.west))
            .bind(side(|b| b.south))
            .bind(side(|b| b.east))
            .bind(side(|b| b.north))
            .bind(query.operator.as_ref().map(OperatorId::as_str))
            .bind(near.map(|near| near.lon))
            .bind(near.map(|near| near.lat))
            .bind(i64::from(limit))
            .bind(query.kind.map(veripile_pile::PileKind::word))
            .bind(query.connector.map(veripile_pile::ConnectorType::word))
            .bind(query.min_power_kw)
            .bind(query.state.map(|state| state as i32))
            .bind(Timestamp::now().to_sqlx())
            .persistent(false)
            .fetch_all(&self.pool)
            .await?)
    }

    /// Reads the piles of these stations, all in one query.
    async fn with_piles(&self, rows: Vec<StationRow>) -> Result<Vec<StationRecord>, StoreError> {
        let ids: Vec<&str> = rows.iter().map(|row| row.station_id.as_str()).collect();
        let piles: Vec<PileRow> =
            sqlx::query_as(select_piles!("WHERE pile.station_id = ANY($1) ORDER BY pile.pile_id"))
                .bind(&ids)
                .fetch_all(&self.pool)
                .await?;
        let mut of_station: HashMap<String, (Vec<PileRecord>, Option<Timestamp>)> = HashMap::new();
        for row in piles {
            let (pile, judged_at) = row.record()?;
            let Some((station_id, ..)) = &pile.station else { continue };
            let (piles, last_updated) = of_station.entry(station_id.to_string()).or_default();
            *last_updated = (*last_updated).max(judged_at);
            piles.push(pile);
        }
        rows.into_iter()
            .map(|row| {
                let (piles, last_updated) = of_station.remove(&row.station_id).unwrap_or_default();
                row.record(piles, last_updated)
            })
            .collect()
    }
}

/// Where a search looks.
struct Circle {
    radius_m: f64,
    bounds: BoundingBox,
}

/// The box that holds a circle around a place. Where it goes round a pole or over the 180th meridian it is a whole belt.
pub(crate) fn around(near: Place, radius_m: f64) -> BoundingBox {
    let high = radius_m / DEGREE_M;
    // The widest parallel of the box is the one nearest to a pole.
    let shortest = (near.lat.abs() + high).min(90.0).to_radians().cos();
    let wide = high / shortest.max(1e-9);
    let (west, east) = (near.lon - wide, near.lon + wide);
    let is_whole = west < -180.0 || 180.0 < east;
    BoundingBox {
        west: if is_whole { -180.0 } else { west },
        south: near.lat - high,
        east: if is_whole { 180.0 } else { east },
        north: near.lat + high,
    }
}

/// Ever wider circles around a place; the last holds everything.
fn circles(near: Place) -> impl Iterator<Item = Circle> {
    let everything = BoundingBox { west: -180.0, south: -90.0, east: 180.0, north: 90.0 };
    let narrow = (0..CIRCLES_MAX).map(move |n| {
        let radius_m = FIRST_CIRCLE_M * WIDER.powi(n);
        Circle { radius_m, bounds: around(near, radius_m) }
    });
    narrow.chain(std::iter::once(Circle { radius_m: f64::INFINITY, bounds: everything }))
}

#[derive(FromRow)]
struct StationRow {
    station_id: String,
    name_zh: String,
    name_en: String,
    lon: f64,
    lat: f64,
    given_system: Option<String>,
    given_lon: Option<f64>,
    given_lat: Option<f64>,
    place_doubts: Vec<String>,
    region: Option<String>,
    address: Option<String>,
    phone: Option<String>,
    fee_cny_kwh: Option<Decimal>,
    fee_told_cny_kwh: Option<Decimal>,
    fee_note: Option<String>,
    told_piles: Option<i32>,
    operator_id: String,
    operator_zh: String,
    operator_en: String,
}

impl StationRow {
    fn distance_m(&self, from: Place) -> f64 {
        Place { lon: self.lon, lat: self.lat }.distance_m(from)
    }

    fn record(
        self,
        piles: Vec<PileRecord>,
        last_updated: Option<Timestamp>,
    ) -> Result<StationRecord, StoreError> {
        let doubt = |code: &String| {
            let found = PlaceDoubt::ALL.into_iter().find(|doubt| doubt.code() == code);
            found.ok_or_else(|| corrupt("doubt", code))
        };
        let given = match (self.given_system, self.given_lon, self.given_lat) {
            (Some(word), Some(lon), Some(lat)) => Some(GivenPlace {
                system: CoordinateSystem::from_word(&word).ok_or_else(|| corrupt("system", &word))?,
                lon,
                lat,
                doubts: self.place_doubts.iter().map(doubt).collect::<Result<_, _>>()?,
            }),
            _ => None,
        };
        Ok(StationRecord {
            station_id: StationId::parse(&self.station_id)
                .map_err(|_| corrupt("station", &self.station_id))?,
            name_zh: self.name_zh,
            name_en: self.name_en,
            operator: Operator {
                operator_id: OperatorId::parse(&self.operator_id)
                    .map_err(|_| corrupt("operator", &self.operator_id))?,
                name_zh: self.operator_zh,
                name_en: self.operator_en,
            },
            place: Place::new(self.lon, self.lat)
                .ok_or_else(|| corrupt("place", format!("{}, {}", self.lon, self.lat)))?,
            given,
            region: self.region,
            address: self.address,
            phone: self.phone,
            fee_cny_kwh: self.fee_cny_kwh,
            fee_told_cny_kwh: self.fee_told_cny_kwh,
            fee_note: self.fee_note,
            told_piles: self.told_piles.map(i32::unsigned_abs),
            piles,
            last_updated,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circles_box_holds_the_circle() {
        for near in [(120.3, 31.5), (179.99, 10.0), (0.0, 89.9), (-70.0, -53.0)] {
            let near = Place { lon: near.0, lat: near.1 };
            for Circle { radius_m, bounds } in circles(near).take(CIRCLES_MAX as usize) {
                // Points at the very distance, in eight directions, by spherical trigonometry.
                for n in 0..8 {
                    let (bearing, angle) =
                        (f64::from(n) * std::f64::consts::FRAC_PI_4, radius_m / 6_371_008.8);
                    let lat = near.lat.to_radians();
                    let to = (lat.sin() * angle.cos() + lat.cos() * angle.sin() * bearing.cos()).asin();
                    let turned = (bearing.sin() * angle.sin() * lat.cos())
                        .atan2(angle.cos() - lat.sin() * to.sin())
                        .to_degrees();
                    let lon = (near.lon + turned + 540.0).rem_euclid(360.0) - 180.0;
                    let (lat, small) = (to.to_degrees(), 1e-9);
                    assert!(
                        bounds.south - small <= lat && lat <= bounds.north + small,
                        "{near:?} {radius_m}"
                    );
                    assert!(
                        bounds.west - small <= lon && lon <= bounds.east + small,
                        "{near:?} {radius_m} {lon}"
                    );
                }
            }
        }
    }
}
