//! What the cards of stations show in a list: whose they are, where, at what price, and how all their piles stand.
//!
//! Called by `api::map`. It judges nothing: states are as [`crate::state`] has them. What of a station matches a search is counted by
//! [`crate::finder`]; here all of its piles count.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use rust_decimal::Decimal;
use sqlx::FromRow;
use veripile_pile::{Place, StationId};

use crate::finder::ByState;
use crate::plug::status_told;
use crate::price::{fee, fee_told};
use crate::row::{SqlTime, corrupt, jiff_time};
use crate::state::{is_silent, state_at};
use crate::{Store, StoreError};

/// A station's card.
#[derive(Debug, Clone, PartialEq)]
pub struct StationCard {
    /// Identifier.
    pub station_id: StationId,
    /// Its name in Chinese and in English.
    pub name: [String; 2],
    /// Its operator's name in Chinese and in English.
    pub operator: [String; 2],
    /// Where it stands.
    pub place: Place,
    /// Highest price of a kWh, CNY.
    pub fee_cny_kwh: Option<Decimal>,
    /// What was told as the highest, CNY, where today's prices by hours go beyond it.
    pub fee_told_cny_kwh: Option<Decimal>,
    /// Telephone number of its service.
    pub phone: Option<String>,
    /// How many piles a list says that it has, whatever is registered.
    pub told_piles: Option<u32>,
    /// Its piles by state.
    pub by_state: ByState,
    /// Of these, free now: none that is out of use, failed or under review.
    pub idle: u64,
    /// Of these, with an old status or none.
    pub silent: u64,
    /// How old these counts are: when the pile was last heard of that has been silent for longest among those whose status counts. Where
    /// none counts: when any was last heard of.
    pub heard: Option<Timestamp>,
}

/// The piles of each station, counted by state; a status is that of the connector that a driver would take (`PileRecord::status`).
const CARDS: &str = concat!(
    "SELECT station.station_id, station.name_zh, station.name_en, operator.name_zh AS operator_zh, operator.name_en AS operator_en,
            station.lon, station.lat, ",
    fee!(),
    " AS fee_cny_kwh, ",
    fee_told!(),
    " AS fee_told_cny_kwh, station.phone, station.told_piles, counted.*
     FROM station JOIN operator USING (operator_id), LATERAL (
         SELECT ARRAY[count(*) FILTER (WHERE state = 0), count(*) FILTER (WHERE state = 1), count(*) FILTER (WHERE state = 2),
                      count(*) FILTER (WHERE state = 3), count(*) FILTER (WHERE state = 4), count(*) FILTER (WHERE state = 5)] AS by_state,
                count(*) FILTER (WHERE heard > $2 AND status = 'Available' AND is_offered) AS idle,
                count(*) FILTER (WHERE (heard > $2) IS NOT TRUE) AS silent,
                coalesce(min(heard) FILTER (WHERE heard > $2), max(heard)) AS heard
         FROM (SELECT ",
    state_at!("$3", is_silent!("$3")),
    " AS state, standing.stopped IS NOT TRUE AND standing.failed_after IS NULL AND NOT ",
    is_silent!("$3"),
    " AS is_offered, connector.status, greatest(connector.status_at, live.last_seen) AS heard
               FROM pile
               LEFT JOIN pile_live AS live USING (pile_no)
               LEFT JOIN standing USING (pile_no)
               LEFT JOIN LATERAL (",
    status_told!(),
    ") AS connector ON true
               WHERE pile.station_id = station.station_id AND NOT pile.inbox) AS of_station) AS counted
     WHERE station.station_id = ANY($1)"
);

impl Store {
    /// The cards of some stations, in no particular order; a status counts as of now that was heard of after `live_since`.
    pub async fn station_cards(
        &self,
        stations: &[StationId],
        live_since: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<StationCard>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(CARDS)
            .bind(stations.iter().map(StationId::as_str).collect::<Vec<_>>())
            .bind(live_since.to_sqlx())
            .bind(now.to_sqlx())
            .fetch_all(&self.pool)
            .await?;
        rows.into_iter().map(Row::card).collect()
    }
}

#[derive(FromRow)]
struct Row {
    station_id: String,
    name_zh: String,
    name_en: String,
    operator_zh: String,
    operator_en: String,
    lon: f64,
    lat: f64,
    fee_cny_kwh: Option<Decimal>,
    fee_told_cny_kwh: Option<Decimal>,
    phone: Option<String>,
    told_piles: Option<i32>,
    by_state: Vec<i64>,
    idle: i64,
    silent: i64,
    heard: Option<SqlTime>,
}

impl Row {
    fn card(self) -> Result<StationCard, StoreError> {
        let mut by_state = ByState::default();
        for (count, found) in by_state.iter_mut().zip(&self.by_state) {
            *count = found.unsigned_abs();
        }
        Ok(StationCard {
            station_id: StationId::parse(&self.station_id)
                .map_err(|_| corrupt("station", &self.station_id))?,
            name: [self.name_zh, self.name_en],
            operator: [self.operator_zh, self.operator_en],
            place: Place::new(self.lon, self.lat)
                .ok_or_else(|| corrupt("place", format!("{}, {}", self.lon, self.lat)))?,
            fee_cny_kwh: self.fee_cny_kwh,
            fee_told_cny_kwh: self.fee_told_cny_kwh,
            phone: self.phone,
            told_piles: self.told_piles.map(i32::unsigned_abs),
            by_state,
            idle: self.idle.unsigned_abs(),
            silent: self.silent.unsigned_abs(),
            heard: jiff_time(self.heard),
        })
    }
}

impl StationCard {
    /// How many piles it has.
    pub fn piles(&self) -> u64 {
        self.by_state.iter().sum()
    }
}
