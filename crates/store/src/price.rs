//! What stations ask for a kWh by the hour of the day: as it is registered, and as it was known at a moment.
//!
//! Written by `veripile register`, read by `app::assess` and `app::check`; what OCPI tells of them is found in [`crate::ocpi`]. Nothing is
//! computed here but what drivers are shown: the highest price that may apply today, also where what was told as the highest contradicts the
//! prices by hours (`station_price_today`).

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use jiff_sqlx::ToSqlx;
use rust_decimal::Decimal;
use sqlx::FromRow;
use sqlx::postgres::PgConnection;
use veripile_pile::{Station, StationId};

use crate::row::corrupt;
use crate::{Store, StoreError};

/// Shanghai has had no summer time since 1991.
const SHANGHAI: Offset = Offset::constant(8);

/// What is kept of a station's time zone with its prices: none where it is China's, as where nobody said.
const ZONE: &str = "nullif(station.time_zone, 'Asia/Shanghai')";

/// Highest of the hours' prices that hold at `station` today.
macro_rules! highest_today {
    () => {
        "(SELECT highest_cny_kwh FROM station_price_today AS priced WHERE priced.station_id = station.station_id)"
    };
}
pub(crate) use highest_today;

/// Highest price of a kWh at `station` that may apply today: the higher one of what was told as the highest of a day and of the hours' prices.
macro_rules! fee {
    () => {
        concat!("greatest(station.fee_cny_kwh, ", $crate::price::highest_today!(), ")")
    };
}
pub(crate) use fee;

/// What was told as the highest price of a day at `station`, where today's prices by hours go beyond it.
macro_rules! fee_told {
    () => {
        concat!(
            "CASE WHEN station.fee_cny_kwh < ",
            $crate::price::highest_today!(),
            " THEN station.fee_cny_kwh END"
        )
    };
}
pub(crate) use fee_told;

/// Whether [`fee`] is at most `$most`. Stations by whose hours it is are looked up once for all piles: they are few.
macro_rules! costs_at_most {
    ($most:literal) => {
        concat!(
            "CASE WHEN station.fee_cny_kwh IS NULL
                  THEN station.station_id IN (SELECT priced.station_id FROM station_price_today AS priced WHERE priced.highest_cny_kwh <= ",
            $most,
            ")
                  ELSE station.fee_cny_kwh <= ",
            $most,
            " AND station.station_id NOT IN (SELECT priced.station_id FROM station_price_today AS priced WHERE priced.highest_cny_kwh > ",
            $most,
            ") END"
        )
    };
}
pub(crate) use costs_at_most;

/// A station's prices of a whole day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tariff {
    /// Of which station.
    pub station_id: StationId,
    /// From which day on, where the station stands; none: from ever, until the first day that another one names.
    pub valid_from: Option<Date>,
    /// From which minute of the day on which price with service fee, CNY a kWh, until the next; the first is 0.
    pub prices: Vec<(u16, Decimal)>,
    /// The time zone of its days and hours, as was told of the station; none: nobody said, or China's. In what is to be recorded it does not matter.
    pub time_zone: Option<String>,
}

impl Tariff {
    /// The time zone of its days and hours; China's where nobody said.
    pub fn zone(&self) -> TimeZone {
        zone(self.time_zone.as_deref())
    }
}

fn zone(name: Option<&str>) -> TimeZone {
    // Names are looked up before they are kept.
    name.and_then(|name| TimeZone::get(name).ok()).unwrap_or_else(|| TimeZone::fixed(SHANGHAI))
}

/// Records prices, by the clock of their station; those that say what the newest of their station and day say are not repeated. Gives how
/// many are new. Fails if a station is not registered.
pub(crate) async fn write_tariffs(
    connection: &mut PgConnection,
    tariffs: &[Tariff],
) -> Result<u64, StoreError> {
    let mut recorded = 0;
    for tariff in tariffs {
        let station = tariff.station_id.as_str();
        let known: Option<(Option<String>,)> =
            sqlx::query_as(&format!("SELECT {ZONE} FROM station WHERE station_id = $1"))
                .bind(station)
                .fetch_optional(&mut *connection)
                .await?;
        let Some((time_zone,)) = known else {
            return Err(StoreError::Unknown(format!("station {station}")));
        };
        let begins = |day: Date| {
            let begins = day.to_zoned(zone(time_zone.as_deref()));
            begins.map_or(Timestamp::MAX, |begins| begins.timestamp())
        };
        let stored = sqlx::query(
            "INSERT INTO station_price (station_id, valid_from, from_minute, cny_kwh, time_zone, starts_at)
             SELECT $1, $2, $3, $4, $5, $6
             WHERE NOT EXISTS (
                 SELECT FROM (SELECT from_minute, cny_kwh, time_zone FROM station_price p
                              WHERE p.station_id = $1 AND p.valid_from IS NOT DISTINCT FROM $2
                              ORDER BY price_no DESC LIMIT 1) AS known
                 WHERE known.from_minute = $3 AND known.cny_kwh = $4 AND known.time_zone IS NOT DISTINCT FROM $5)",
        )
        .bind(station)
        .bind(tariff.valid_from.map(ToSqlx::to_sqlx))
        .bind(tariff.prices.iter().map(|(minute, _)| i32::from(*minute)).collect::<Vec<_>>())
        .bind(tariff.prices.iter().map(|(_, price)| *price).collect::<Vec<_>>())
        .bind(time_zone.as_deref())
        .bind(tariff.valid_from.map(begins).map(ToSqlx::to_sqlx))
        .execute(&mut *connection)
        .await?;
        recorded += stored.rows_affected();
    }
    Ok(recorded)
}

/// Records the prices of stations anew, of these or of all, of which another time zone was told than before: what assessments knew stays as they
/// knew it.
pub(crate) async fn keep_to_clocks(
    connection: &mut PgConnection,
    stations: Option<&[Station]>,
) -> Result<(), StoreError> {
    let ids = |stations: &[Station]| {
        stations.iter().map(|station| station.station_id.to_string()).collect::<Vec<_>>()
    };
    let rows: Vec<TariffRow> = sqlx::query_as(&format!(
        "SELECT newest.station_id, valid_from, from_minute, cny_kwh, newest.time_zone
         FROM (SELECT DISTINCT ON (station_id, valid_from) * FROM station_price
               WHERE $1::text[] IS NULL OR station_id = ANY($1)
               ORDER BY station_id, valid_from, price_no DESC) AS newest
         JOIN station ON station.station_id = newest.station_id
         WHERE newest.time_zone IS DISTINCT FROM {ZONE}
         ORDER BY newest.station_id, valid_from"
    ))
    .bind(stations.map(ids))
    .fetch_all(&mut *connection)
    .await?;
    let tariffs: Vec<Tariff> = rows.into_iter().map(TariffRow::tariff).collect::<Result<_, _>>()?;
    write_tariffs(connection, &tariffs).await?;
    Ok(())
}

impl Store {
    /// The prices by hours that hold at a station today.
    pub async fn prices_today(&self, station_id: &StationId) -> Result<Option<Tariff>, StoreError> {
        let row: Option<TariffRow> = sqlx::query_as(
            "SELECT station_id, valid_from, from_minute, cny_kwh, time_zone FROM station_price_today WHERE station_id = $1",
        )
        .bind(station_id.as_str())
        .fetch_optional(&self.pool)
        .await?;
        row.map(TariffRow::tariff).transpose()
    }

    /// Prices as they were known at a moment, by station and day.
    pub async fn evidence_tariffs(&self, known: Timestamp) -> Result<Vec<Tariff>, StoreError> {
        let rows: Vec<TariffRow> = sqlx::query_as(
            "SELECT DISTINCT ON (station_id, valid_from) station_id, valid_from, from_minute, cny_kwh, time_zone
             FROM station_price JOIN evidence_price USING (price_no)
             WHERE known_from <= $1 ORDER BY station_id, valid_from NULLS FIRST, price_no DESC",
        )
        .bind(known.to_sqlx())
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(TariffRow::tariff).collect()
    }
}

/// A list of prices as its row has it.
#[derive(FromRow)]
pub(crate) struct TariffRow {
    station_id: String,
    valid_from: Option<jiff_sqlx::Date>,
    from_minute: Vec<i32>,
    cny_kwh: Vec<Decimal>,
    time_zone: Option<String>,
}

impl TariffRow {
    pub(crate) fn tariff(self) -> Result<Tariff, StoreError> {
        let minute = |minute: i32| u16::try_from(minute).map_err(|_| corrupt("minute of the day", minute));
        let minutes: Vec<u16> = self.from_minute.into_iter().map(minute).collect::<Result<_, _>>()?;
        Ok(Tariff {
            station_id: StationId::parse(&self.station_id)
                .map_err(|_| corrupt("station", &self.station_id))?,
            valid_from: self.valid_from.map(jiff_sqlx::Date::to_jiff),
            prices: minutes.into_iter().zip(self.cny_kwh).collect(),
            time_zone: self.time_zone,
        })
    }
}
