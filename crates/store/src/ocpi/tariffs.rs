//! Tariffs as OCPI tells them: of each station the list of prices that is in force, the one before, and those that follow.
//!
//! Called by `api::ocpi`, and by [`super`], whose locations name them. Lists are written in [`crate::price`]; what they say is not touched here.

use std::collections::HashMap;

use jiff::Timestamp;
use sqlx::FromRow;

use super::ocpi_id;
use crate::price::{Tariff, TariffRow};
use crate::row::{SqlTime, asked_time, jiff_time};
use crate::{Store, StoreError};

/// Lists after the one in force that are told of a station, at most: with it they are a year's, where one a month is told in advance. Others
/// come in sight one by one.
macro_rules! ahead_max {
    () => {
        11
    };
}
pub(super) use ahead_max;

/// The tariffs of the stations that a condition picks. One is all that was said of a station and a first day; its number is that of the first
/// row. The one before that in force is told as well, since who reads changes would not learn that it ended. A tariff changed when its prices
/// became known, or its end, or when it came in sight, if that was later.
macro_rules! offered {
    ($which:literal) => {
        concat!(
            "SELECT * FROM
                 (SELECT *, lead(starts_at) OVER days AS ends_at, row_number() OVER days AS place,
                      count(*) FILTER (WHERE starts_at IS NULL OR starts_at <= now()) OVER (PARTITION BY station_id) AS begun,
                      greatest(newest_at, lead(first_at) OVER days,
                          CASE WHEN row_number() OVER days > 1 + ",
            $crate::ocpi::tariffs::ahead_max!(),
            " THEN lag(starts_at, ",
            $crate::ocpi::tariffs::ahead_max!(),
            ") OVER days END) AS changed_at
                  FROM (SELECT station_id, valid_from, (array_agg(starts_at ORDER BY price_no DESC))[1] AS starts_at,
                            min(price_no) AS tariff_no, max(price_no) AS price_no, min(recorded_at) AS first_at, max(recorded_at) AS newest_at
                        FROM station_price WHERE ",
            $which,
            " GROUP BY station_id, valid_from) AS list
                  WINDOW days AS (PARTITION BY station_id ORDER BY valid_from NULLS FIRST)) AS listed
             WHERE place BETWEEN begun - 1 AND greatest(begun, 1) + ",
            $crate::ocpi::tariffs::ahead_max!()
        )
    };
}
pub(super) use offered;

/// When the tariffs that hold at `station`, or will, became others than before: one was told of, or took the place of another.
macro_rules! tariffs_changed {
    () => {
        concat!(
            "SELECT greatest(max(first_at), max(starts_at) FILTER (WHERE starts_at <= now() AND place > 1)) AS changed_at
             FROM (",
            $crate::ocpi::tariffs::offered!("station_price.station_id = station.station_id"),
            ") AS tariff WHERE place >= begun"
        )
    };
}
pub(super) use tariffs_changed;

/// A tariff as OCPI tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedTariff {
    /// Its identifier there.
    pub ocpi_id: String,
    /// Its station's identifier there.
    pub location_id: String,
    /// The prices of a day, and whose they are.
    pub list: Tariff,
    /// From when on they hold; none: from ever.
    pub starts_at: Option<Timestamp>,
    /// Until when they hold; none: nothing follows.
    pub ends_at: Option<Timestamp>,
    /// When anything told of it last changed.
    pub changed_at: Timestamp,
}

impl Store {
    /// Identifiers of tariffs of which something told changed at a moment or later, and before another; those told of last come last. Looks at
    /// all prices.
    pub async fn ocpi_tariffs_changed(
        &self,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar(concat!(
            "SELECT tariff.tariff_no::text FROM (",
            offered!("true"),
            ") AS tariff
             WHERE ($1::timestamptz IS NULL OR changed_at >= $1) AND ($2::timestamptz IS NULL OR changed_at < $2)
             ORDER BY tariff.tariff_no"
        ))
        .bind(from.map(asked_time))
        .bind(to.map(asked_time))
        .fetch_all(&self.pool)
        .await?)
    }

    /// These tariffs, those told of last at the end, without any that is no longer told.
    pub async fn ocpi_tariffs_of(&self, ids: &[String]) -> Result<Vec<OfferedTariff>, StoreError> {
        let rows: Vec<OfferedRow> = sqlx::query_as(concat!(
            "SELECT tariff.tariff_no::text AS ocpi_id, ",
            ocpi_id!("tariff.station_id"),
            " AS location_id, tariff.station_id, tariff.valid_from, price.from_minute, price.cny_kwh, price.time_zone,
                    tariff.starts_at, tariff.ends_at, tariff.changed_at
             FROM (",
            offered!(
                "station_id IN (SELECT station_id FROM station_price WHERE price_no = ANY($1::text[]::bigint[]))"
            ),
            ") AS tariff JOIN station_price AS price USING (price_no)
             WHERE tariff.tariff_no = ANY($1::text[]::bigint[])
             ORDER BY tariff.tariff_no"
        ))
        .bind(ids)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(OfferedRow::tariff).collect()
    }

    /// Identifiers of the tariffs that hold at these stations, or will, by station, the one in force first.
    pub(super) async fn ocpi_tariff_ids(
        &self,
        station_ids: &[&str],
    ) -> Result<HashMap<String, Vec<String>>, StoreError> {
        let rows: Vec<(String, String)> = sqlx::query_as(concat!(
            "SELECT tariff.station_id, tariff.tariff_no::text FROM (",
            offered!("station_id = ANY($1)"),
            ") AS tariff WHERE tariff.place >= tariff.begun ORDER BY tariff.station_id, tariff.place"
        ))
        .bind(station_ids)
        .fetch_all(&self.pool)
        .await?;
        let mut ids: HashMap<String, Vec<String>> = HashMap::new();
        for (station_id, tariff_id) in rows {
            ids.entry(station_id).or_default().push(tariff_id);
        }
        Ok(ids)
    }
}

#[derive(FromRow)]
struct OfferedRow {
    ocpi_id: String,
    location_id: String,
    #[sqlx(flatten)]
    list: TariffRow,
    starts_at: Option<SqlTime>,
    ends_at: Option<SqlTime>,
    changed_at: SqlTime,
}

impl OfferedRow {
    fn tariff(self) -> Result<OfferedTariff, StoreError> {
        Ok(OfferedTariff {
            ocpi_id: self.ocpi_id,
            location_id: self.location_id,
            list: self.list.tariff()?,
            starts_at: jiff_time(self.starts_at),
            ends_at: jiff_time(self.ends_at),
            changed_at: self.changed_at.to_jiff(),
        })
    }
}
