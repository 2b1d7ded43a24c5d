//! A station with its piles: what its page shows.
//!
//! Called by `api::station`. It judges nothing: piles come with their last judgement.

use rust_decimal::Decimal;
use sqlx::FromRow;
use veripile_pile::{Operator, OperatorId, Place, Station, StationId};

use crate::map::{PileRow, select_piles};
use crate::price::fee;
use crate::row::corrupt;
use crate::{PileRecord, Store, StoreError};

/// Piles read of one station; the largest charging parks have some six hundred.
const PILES_MAX: i64 = 2_000;

impl Store {
    /// A station and who runs it; its price is the highest that may apply today.
    pub async fn station(&self, station_id: &StationId) -> Result<Option<(Station, Operator)>, StoreError> {
        let row: Option<Row> = sqlx::query_as(concat!(
            "SELECT station.*, ",
            fee!(),
            " AS fee, operator.name_zh AS operator_zh, operator.name_en AS operator_en
                 FROM station JOIN operator USING (operator_id) WHERE station_id = $1"
        ))
        .bind(station_id.as_str())
        .fetch_optional(&self.pool)
        .await?;
        row.map(Row::station).transpose()
    }

    /// The piles of a station, in the order of their identifiers.
    pub async fn station_piles(&self, station_id: &StationId) -> Result<Vec<PileRecord>, StoreError> {
        let rows: Vec<PileRow> =
            sqlx::query_as(select_piles!("WHERE pile.station_id = $1 ORDER BY pile.pile_id LIMIT $2"))
                .bind(station_id.as_str())
                .bind(PILES_MAX)
                .fetch_all(&self.pool)
                .await?;
        rows.into_iter().map(|row| Ok(row.record()?.0)).collect()
    }
}

/// Columns of the table of stations.
#[derive(FromRow)]
pub(crate) struct StationRow {
    station_id: String,
    operator_id: String,
    name_zh: String,
    name_en: String,
    lon: f64,
    lat: f64,
    region: Option<String>,
    address: Option<String>,
    phone: Option<String>,
    fee_cny_kwh: Option<Decimal>,
    fee_note: Option<String>,
    country: Option<String>,
    time_zone: Option<String>,
    told_piles: Option<i32>,
}

impl StationRow {
    /// The place as it was given is not read: the page shows where it stands, and a list of stations always tells another.
    pub(crate) fn station(self) -> Result<Station, StoreError> {
        Ok(Station {
            station_id: StationId::parse(&self.station_id)
                .map_err(|_| corrupt("station", &self.station_id))?,
            operator_id: OperatorId::parse(&self.operator_id)
                .map_err(|_| corrupt("operator", &self.operator_id))?,
            name_zh: self.name_zh,
            name_en: self.name_en,
            place: Place::new(self.lon, self.lat).ok_or_else(|| corrupt("place", &self.station_id))?,
            given: None,
            region: self.region,
            address: self.address,
            phone: self.phone,
            fee_cny_kwh: self.fee_cny_kwh,
            fee_note: self.fee_note,
            country: self.country,
            time_zone: self.time_zone,
            told_piles: self.told_piles.map(i32::unsigned_abs),
        })
    }
}

/// A station with today's price, and whose it is.
#[derive(FromRow)]
struct Row {
    #[sqlx(flatten)]
    station: StationRow,
    fee: Option<Decimal>,
    operator_zh: String,
    operator_en: String,
}

impl Row {
    fn station(self) -> Result<(Station, Operator), StoreError> {
        let station = Station { fee_cny_kwh: self.fee, ..self.station.station()? };
        let operator_id = station.operator_id.clone();
        Ok((station, Operator { operator_id, name_zh: self.operator_zh, name_en: self.operator_en }))
    }
}
