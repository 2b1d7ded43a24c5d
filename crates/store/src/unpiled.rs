//! Stations at which no pile is registered, as lists bring them in thousands: what of a search speaks of stations finds them.
//!
//! Called by `api::map` where the stations of piles end ([`crate::finder`]), and by `api::atlas` for all of them. They have no state: nothing
//! there was verified, nor failed.

use rust_decimal::Decimal;
use veripile_pile::{Place, StationId};

use crate::finder::{FOUND_MAX, FindQuery, NEAR_KM, Only};
use crate::listing::around;
use crate::price::costs_at_most;
use crate::row::{corrupt, storable};
use crate::words::pattern;
use crate::{Store, StoreError};

/// Stations of the map read in one query: some 1 MB.
const ROWS_READ: i64 = 10_000;

/// Identifier, longitude, latitude.
type StationRow = (String, f64, f64);

/// Metres from the place asked about, as `Place::distance_m` computes them.
macro_rules! distance_m {
    () => {
        "2 * 6371008.8 * asin(sqrt(least(1, power(sin(radians(station.lat - $11) / 2), 2)
                       + cos(radians($11)) * cos(radians(station.lat)) * power(sin(radians(station.lon - $10) / 2), 2))))"
    };
}
/// Stations without a pile that match, nearest first or in the order of their identifiers. A word may stand in what a station is found by, or
/// its operator.
const UNPILED: &str = concat!(
    "SELECT station.station_id, station.lon, station.lat FROM station JOIN operator USING (operator_id)
     WHERE NOT EXISTS (SELECT FROM pile WHERE pile.station_id = station.station_id AND NOT pile.inbox)
       AND ($1::text IS NULL OR station.operator_id = $1)
       AND ($2::text IS NULL OR coalesce(station.region, '-') = $2)
       AND ($3::numeric IS NULL OR ",
    costs_at_most!("$3"),
    ")
       AND (NOT $4::boolean OR operator.committed_on IS NOT NULL)
       AND ($5::float8 IS NULL OR (station.lon BETWEEN $5 AND $7 AND station.lat BETWEEN $6 AND $8))
       AND NOT EXISTS (SELECT FROM unnest($9::text[]) AS word
                       WHERE coalesce(station.search, '') NOT LIKE word AND coalesce(operator.search, '') NOT LIKE word)
       AND ($12::float8 IS NULL OR ",
    distance_m!(),
    " <= $12)
     ORDER BY CASE WHEN $10::float8 IS NULL THEN 0 ELSE ",
    distance_m!(),
    " END, station.station_id LIMIT $13 OFFSET $14"
);

impl FindQuery {
    /// Whether a station without piles may match: nothing is asked that only a pile has.
    fn is_of_stations(&self) -> bool {
        let is_of_any_pile = self.maker.is_none()
            && self.kind.is_none()
            && self.connector.is_none()
            && self.min_power_kw.is_none()
            && self.free_since.is_none()
            && self.stations.is_empty();
        let is_of_any_state = self.state.is_none() && !self.verified;
        is_of_any_pile && is_of_any_state && matches!(self.only, None | Some(Only::Committed))
    }
}

impl Store {
    /// Stations at which no pile is registered and that match, with their places, nearest first or in the order of their identifiers; without
    /// the first `skip`, at most `take` and one more than [`FOUND_MAX`]. None where anything is asked that only a pile has.
    pub async fn find_unpiled(
        &self,
        query: &FindQuery,
        skip: u64,
        take: u32,
    ) -> Result<Vec<(StationId, Place)>, StoreError> {
        if !query.is_of_stations() || take == 0 {
            return Ok(Vec::new());
        }
        let near_m = 1000.0 * f64::from(NEAR_KM);
        let bounds = query.bounding_box.or_else(|| query.near.map(|near| around(near, near_m)));
        let within_m = query.near.filter(|_| query.bounding_box.is_none()).map(|_| near_m);
        let max_fee: Option<Decimal> = query.max_fee_cny_kwh;
        let rows: Vec<StationRow> = sqlx::query_as(UNPILED)
            .bind(query.operator.as_ref().map(ToString::to_string))
            .bind(query.region.as_deref().map(|region| storable(region).into_owned()))
            .bind(max_fee)
            .bind(query.only == Some(Only::Committed))
            .bind(bounds.map(|b| b.west))
            .bind(bounds.map(|b| b.south))
            .bind(bounds.map(|b| b.east))
            .bind(bounds.map(|b| b.north))
            .bind(query.words.iter().map(|word| pattern(&storable(word))).collect::<Vec<_>>())
            .bind(query.near.map(|near| near.lon))
            .bind(query.near.map(|near| near.lat))
            .bind(within_m)
            .bind(i64::from(take.min(FOUND_MAX + 1)))
            .bind(i64::try_from(skip).unwrap_or(i64::MAX))
            // The plan is made for these values: most conditions are not asked for.
            .persistent(false)
            .fetch_all(&self.pool)
            .await?;
        rows.into_iter().map(read).collect()
    }

    /// Stations at which no pile is registered, after an identifier and in the order of these, and whether there are more; the first after "".
    pub async fn unpiled_spots(&self, after: &str) -> Result<(Vec<(StationId, Place)>, bool), StoreError> {
        let rows: Vec<StationRow> = sqlx::query_as(
            "SELECT station_id, lon, lat FROM station
             WHERE station_id > $1
               AND NOT EXISTS (SELECT FROM pile WHERE pile.station_id = station.station_id AND NOT pile.inbox)
             ORDER BY station_id LIMIT $2",
        )
        .bind(after)
        .bind(ROWS_READ)
        .fetch_all(&self.pool)
        .await?;
        let has_more = i64::try_from(rows.len()) == Ok(ROWS_READ);
        Ok((rows.into_iter().map(read).collect::<Result<_, _>>()?, has_more))
    }
}

fn read((id, lon, lat): StationRow) -> Result<(StationId, Place), StoreError> {
    let station_id = StationId::parse(&id).map_err(|_| corrupt("station", &id))?;
    let place = Place::new(lon, lat).ok_or_else(|| corrupt("place", format!("{lon}, {lat}")))?;
    Ok((station_id, place))
}
