//! Registration: operators, stations, piles and acts of authority, written by people through `app`.
//!
//! Everything here may be repeated: what exists is brought up to date, acts are recorded once.

use std::collections::{HashMap, HashSet};

use jiff_sqlx::ToSqlx;
use rust_decimal::Decimal;
use sqlx::FromRow;
use sqlx::postgres::{PgConnection, PgExecutor};
use veripile_pile::{
    Act, ActKind, GivenPlace, OnSiteResult, Operator, OperatorId, Pile, PileId, Place, Station, StationId,
};

use crate::evidence::Efficiency;
use crate::pile_number::pile_number;
use crate::price;
use crate::row::{SqlTime, corrupt, jiff_time, sql_time};
use crate::search::{operator_text, plain, station_text};
use crate::{Store, StoreError};

/// Stations and piles named where a list is refused for them.
const NAMED_MAX: i64 = 20;

/// Whether what is registered with another operator than a list says becomes that one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hands {
    /// No: the list is refused.
    Stay,
    /// Yes.
    MayChange,
}

/// A pile that a list says to be gone from a station.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// Which.
    pub pile_id: PileId,
    /// From where.
    pub station_id: StationId,
    /// Who says so.
    pub operator_id: OperatorId,
}

impl Store {
    /// Registers operators. One of another name than before changes what is told of its stations.
    pub async fn register_operators(&self, operators: &[Operator]) -> Result<(), StoreError> {
        write_operators(&mut *self.pool.acquire().await?, operators).await
    }

    /// Registers stations; their operators must be registered. None may be named twice. Piles that stand where such a station does, and
    /// have no place of their own, go where it goes.
    pub async fn register_stations(&self, stations: &[Station]) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        write_stations(&mut transaction, stations, Hands::MayChange).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Registers piles; stations and operators they name must be registered. One that names no operator is its station's. None may be
    /// named twice.
    pub async fn register_piles(&self, piles: &[Pile]) -> Result<(), StoreError> {
        write_piles(&mut *self.pool.acquire().await?, piles, Hands::MayChange).await
    }

    /// Where those of these stations stand that are registered.
    pub async fn station_places(&self, ids: &[&str]) -> Result<Vec<(String, Place)>, StoreError> {
        let rows: Vec<(String, f64, f64)> =
            sqlx::query_as("SELECT station_id, lon, lat FROM station WHERE station_id = ANY($1)")
                .bind(ids)
                .fetch_all(&self.pool)
                .await?;
        Ok(rows.into_iter().filter_map(|(id, lon, lat)| Some((id, Place::new(lon, lat)?))).collect())
    }

    /// Records acts of authority; one that is on record already stays as it is. Fails if a pile is not registered, and
    /// then records none.
    pub async fn record_acts(&self, acts: &[(PileId, Act)]) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        write_acts(&mut transaction, acts).await?;
        transaction.commit().await?;
        self.evidence.notify_one();
        Ok(())
    }

    /// Those of these operators that are registered.
    pub async fn registered_operators(&self, ids: &[&str]) -> Result<HashSet<String>, StoreError> {
        let rows: Vec<String> =
            sqlx::query_scalar("SELECT operator_id FROM operator WHERE operator_id = ANY($1)")
                .bind(ids)
                .fetch_all(&self.pool)
                .await?;
        Ok(rows.into_iter().collect())
    }

    /// Whose those of these stations are that are registered: operator by station.
    pub async fn station_operators(&self, ids: &[&str]) -> Result<HashMap<String, String>, StoreError> {
        let rows: Vec<(String, String)> =
            sqlx::query_as("SELECT station_id, operator_id FROM station WHERE station_id = ANY($1)")
                .bind(ids)
                .fetch_all(&self.pool)
                .await?;
        Ok(rows.into_iter().collect())
    }

    /// Whose those of these piles are that are somebody's: operator by pile.
    pub async fn pile_operators(&self, ids: &[&str]) -> Result<HashMap<String, String>, StoreError> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT pile_id, operator_id FROM pile WHERE pile_id = ANY($1) AND operator_id IS NOT NULL",
        )
        .bind(ids)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().collect())
    }

    /// Those of these piles that stand at the stations that they are said to be gone from.
    pub async fn piles_standing_at(&self, removed: &[Removed]) -> Result<HashSet<String>, StoreError> {
        let rows: Vec<String> = sqlx::query_scalar(
            "SELECT pile.pile_id FROM unnest($1::text[], $2::text[]) AS told(pile_id, station_id)
             JOIN pile ON pile.pile_id = told.pile_id AND pile.station_id = told.station_id",
        )
        .bind(removed.iter().map(|one| one.pile_id.as_str()).collect::<Vec<_>>())
        .bind(removed.iter().map(|one| one.station_id.as_str()).collect::<Vec<_>>())
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().collect())
    }

    /// The first operators by identifier, at most so many.
    pub async fn first_operators(&self, most: u32) -> Result<Vec<Operator>, StoreError> {
        let rows: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT operator_id, name_zh, name_en FROM operator ORDER BY operator_id LIMIT $1",
        )
        .bind(i64::from(most))
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(operator).collect()
    }

    /// One operator.
    pub async fn operator(&self, operator_id: &OperatorId) -> Result<Option<Operator>, StoreError> {
        let row: Option<(String, String, String)> =
            sqlx::query_as("SELECT operator_id, name_zh, name_en FROM operator WHERE operator_id = $1")
                .bind(operator_id.as_str())
                .fetch_optional(&self.pool)
                .await?;
        row.map(operator).transpose()
    }

    /// Every act on a pile, oldest first.
    pub async fn acts(&self, pile_id: &PileId) -> Result<Vec<Act>, StoreError> {
        let rows: Vec<ActRow> = sqlx::query_as(
            "SELECT act.* FROM act JOIN pile USING (pile_no) WHERE pile_id = $1 ORDER BY acted_at, act_no",
        )
        .bind(pile_id.as_str())
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(|row| Ok(row.act()?.1)).collect()
    }

    /// The same of several piles, by identifier; of those without an act nothing.
    pub async fn acts_of_piles(&self, piles: &[&str]) -> Result<HashMap<String, Vec<Act>>, StoreError> {
        #[derive(FromRow)]
        struct Row {
            pile_id: String,
            #[sqlx(flatten)]
            act: ActRow,
        }
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT pile_id, act.* FROM act JOIN pile USING (pile_no) WHERE pile_id = ANY($1) ORDER BY acted_at, act_no",
        )
        .bind(piles)
        .fetch_all(&self.pool)
        .await?;
        let mut acts: HashMap<String, Vec<Act>> = HashMap::new();
        for row in rows {
            acts.entry(row.pile_id).or_default().push(row.act.act()?.1);
        }
        Ok(acts)
    }
}

/// Writes operators; see [`Store::register_operators`].
pub(crate) async fn write_operators(
    connection: &mut PgConnection,
    operators: &[Operator],
) -> Result<(), StoreError> {
    sqlx::query(
        "WITH told AS (
             SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS t(operator_id, name_zh, name_en, search)),
         renamed AS (
             UPDATE station SET changed_at = now() FROM told JOIN operator USING (operator_id)
             WHERE station.operator_id = told.operator_id
               AND (operator.name_zh, operator.name_en) IS DISTINCT FROM (told.name_zh, told.name_en))
         INSERT INTO operator (operator_id, name_zh, name_en, search) SELECT * FROM told
         ON CONFLICT (operator_id) DO UPDATE SET name_zh = excluded.name_zh, name_en = excluded.name_en, search = excluded.search",
    )
    .bind(operators.iter().map(|o| o.operator_id.as_str()).collect::<Vec<_>>())
    .bind(operators.iter().map(|o| o.name_zh.as_str()).collect::<Vec<_>>())
    .bind(operators.iter().map(|o| o.name_en.as_str()).collect::<Vec<_>>())
    .bind(operators.iter().map(|o| operator_text(&o.name_zh, &o.name_en)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes piles along to where their stations are going: those that stand where the station has stood so far, or nowhere, and have no place of
/// their own. The stations are held from here on, so that who registers them at the same time finds them and their piles at one place.
async fn take_along(connection: &mut PgConnection, stations: &[Station]) -> Result<(), StoreError> {
    let ids: Vec<&str> = stations.iter().map(|s| s.station_id.as_str()).collect();
    sqlx::query("SELECT FROM station WHERE station_id = ANY($1) ORDER BY station_id FOR NO KEY UPDATE")
        .bind(&ids)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "UPDATE pile SET lon = told.lon, lat = told.lat, changed_at = now()
         FROM unnest($1::text[], $2::float8[], $3::float8[]) AS told(station_id, lon, lat) JOIN station USING (station_id)
         WHERE pile.station_id = station.station_id AND pile.registered AND pile.given_system IS NULL
           AND (pile.lon IS NULL OR (pile.lon, pile.lat) = (station.lon, station.lat))
           AND (pile.lon, pile.lat) IS DISTINCT FROM (told.lon, told.lat)",
    )
    .bind(&ids)
    .bind(stations.iter().map(|s| s.place.lon).collect::<Vec<_>>())
    .bind(stations.iter().map(|s| s.place.lat).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes stations; see [`Store::register_stations`]. Where hands stay the write itself leaves out another operator's, whatever was looked up
/// before it, and fails: whoever calls it then gives up the transaction.
pub(crate) async fn write_stations(
    connection: &mut PgConnection,
    stations: &[Station],
    hands: Hands,
) -> Result<(), StoreError> {
    take_along(connection, stations).await?;
    let written = sqlx::query(
        "INSERT INTO station (station_id, operator_id, name_zh, name_en, lon, lat,
                              given_system, given_lon, given_lat, place_doubts, address, phone, fee_cny_kwh, fee_note, search, region,
                              country, time_zone, told_piles)
         SELECT station_id, operator_id, name_zh, name_en, lon, lat,
                given_system, given_lon, given_lat, string_to_array(doubts, ','), address, phone, fee_cny_kwh, fee_note, search, region,
                country, time_zone, told_piles
         FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::float8[], $6::float8[],
                     $7::text[], $8::float8[], $9::float8[], $10::text[],
                     $11::text[], $12::text[], $13::numeric[], $14::text[], $15::text[], $16::text[],
                     $17::text[], $18::text[], $20::int[])
              AS s(station_id, operator_id, name_zh, name_en, lon, lat,
                   given_system, given_lon, given_lat, doubts, address, phone, fee_cny_kwh, fee_note, search, region,
                   country, time_zone, told_piles)
         ON CONFLICT (station_id) DO UPDATE SET operator_id = excluded.operator_id,
             name_zh = excluded.name_zh, name_en = excluded.name_en, lon = excluded.lon, lat = excluded.lat,
             given_system = excluded.given_system, given_lon = excluded.given_lon, given_lat = excluded.given_lat,
             place_doubts = excluded.place_doubts, address = excluded.address, phone = excluded.phone,
              fee_cny_kwh = excluded.fee_cny_kwh, fee_note = excluded.fee_note, search = excluded.search, region = excluded.region,
              country = excluded.country, time_zone = excluded.time_zone, told_piles = excluded.told_piles, changed_at = now()
         WHERE $19 OR station.operator_id = excluded.operator_id",
    )
    .bind(stations.iter().map(|s| s.station_id.as_str()).collect::<Vec<_>>())
    .bind(stations.iter().map(|s| s.operator_id.as_str()).collect::<Vec<_>>())
    .bind(stations.iter().map(|s| s.name_zh.as_str()).collect::<Vec<_>>())
    .bind(stations.iter().map(|s| s.name_en.as_str()).collect::<Vec<_>>())
    .bind(stations.iter().map(|s| s.place.lon).collect::<Vec<_>>())
    .bind(stations.iter().map(|s| s.place.lat).collect::<Vec<_>>())
    .bind(given(stations.iter().map(|s| &s.given), |given| given.system.word()))
    .bind(given(stations.iter().map(|s| &s.given), |given| given.lon))
    .bind(given(stations.iter().map(|s| &s.given), |given| given.lat))
    .bind(stations.iter().map(|s| doubts(s.given.as_ref())).collect::<Vec<_>>())
    .bind(stations.iter().map(|s| s.address.as_deref()).collect::<Vec<_>>())
    .bind(stations.iter().map(|s| s.phone.as_deref()).collect::<Vec<_>>())
    .bind(stations.iter().map(|s| s.fee_cny_kwh).collect::<Vec<_>>())
    .bind(stations.iter().map(|s| s.fee_note.as_deref()).collect::<Vec<_>>())
    .bind(
        stations
            .iter()
            .map(|s| {
                let names = [s.name_zh.as_str(), s.name_en.as_str()];
                station_text(s.station_id.as_str(), names, s.address.as_deref(), s.region.as_deref())
            })
            .collect::<Vec<_>>(),
    )
    .bind(stations.iter().map(|s| s.region.as_deref()).collect::<Vec<_>>())
    .bind(stations.iter().map(|s| s.country.as_deref()).collect::<Vec<_>>())
    .bind(stations.iter().map(|s| s.time_zone.as_deref()).collect::<Vec<_>>())
    .bind(hands == Hands::MayChange)
    .bind(stations.iter().map(|s| s.told_piles.map(u32::cast_signed)).collect::<Vec<_>>())
    .execute(&mut *connection)
    .await?;
    if written.rows_affected() == stations.len() as u64 {
        return price::keep_to_clocks(connection, Some(stations)).await;
    }
    let others: Vec<(String, String)> = sqlx::query_as(
        "SELECT station_id, station.operator_id FROM unnest($1::text[], $2::text[]) AS told(station_id, operator_id)
         JOIN station USING (station_id) WHERE station.operator_id <> told.operator_id ORDER BY station_id LIMIT $3",
    )
    .bind(stations.iter().map(|s| s.station_id.as_str()).collect::<Vec<_>>())
    .bind(stations.iter().map(|s| s.operator_id.as_str()).collect::<Vec<_>>())
    .bind(NAMED_MAX)
    .fetch_all(connection)
    .await?;
    Err(of_others("station", &others, stations.len() as u64 - written.rows_affected()))
}

/// Another operator's, named, and how many they are.
fn of_others(what: &str, others: &[(String, String)], count: u64) -> StoreError {
    let named: Vec<String> =
        others.iter().map(|(id, owner)| format!("{what} {id}, registered with {owner}")).collect();
    StoreError::OfOthers { count, named: named.join("; ") }
}

/// Writes years in which piles were made; see [`crate::Registering::made_in`].
pub(crate) async fn write_made_in(
    connection: &mut PgConnection,
    years: &[(PileId, Option<i16>)],
) -> Result<(), StoreError> {
    let done = sqlx::query(
        "UPDATE pile SET made_in = told.made_in FROM unnest($1::text[], $2::smallint[]) AS told(pile_id, made_in)
         WHERE pile.pile_id = told.pile_id",
    )
    .bind(years.iter().map(|(pile_id, _)| pile_id.as_str()).collect::<Vec<_>>())
    .bind(years.iter().map(|(_, year)| *year).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    // A table names each pile once.
    if done.rows_affected() < years.len() as u64 {
        return Err(StoreError::Unknown("a pile whose year is told".to_owned()));
    }
    Ok(())
}

/// Writes piles' efficiencies; see [`crate::Registering::efficiencies`].
pub(crate) async fn write_efficiencies(
    connection: &mut PgConnection,
    told: &[(PileId, Option<Efficiency>)],
) -> Result<(), StoreError> {
    let done = sqlx::query(
        "UPDATE pile SET efficiency = told.efficiency, efficiency_u = told.efficiency_u
         FROM unnest($1::text[], $2::numeric[], $3::numeric[]) AS told(pile_id, efficiency, efficiency_u)
         WHERE pile.pile_id = told.pile_id",
    )
    .bind(told.iter().map(|(pile_id, _)| pile_id.as_str()).collect::<Vec<_>>())
    .bind(told.iter().map(|(_, told)| told.map(|told| told.ratio)).collect::<Vec<_>>())
    .bind(told.iter().map(|(_, told)| told.and_then(|told| told.standard_uncertainty)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    // A table names each pile once.
    if done.rows_affected() < told.len() as u64 {
        return Err(StoreError::Unknown("a pile whose efficiency is told".to_owned()));
    }
    Ok(())
}

/// Writes piles; see [`Store::register_piles`], and of hands that stay [`write_stations`]. A pile that is nobody's yet is anybody's.
pub(crate) async fn write_piles(
    connection: &mut PgConnection,
    piles: &[Pile],
    hands: Hands,
) -> Result<(), StoreError> {
    let written = sqlx::query(
        "WITH p AS (
             SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::numeric[], $6::numeric[],
                                  $7::float8[], $8::float8[], $9::text[], $10::text[],
                                  $11::text[], $12::float8[], $13::float8[], $14::text[], $15::text[], $16::text[])
                 AS p(pile_id, station_id, operator_id, kind, accuracy_class, power_kw, lon, lat, model, meter_serial,
                      given_system, given_lon, given_lat, doubts, connectors, search)),
         left_behind AS (
             INSERT INTO former_pile (station_id, pile_no, left_at)
             SELECT pile.station_id, pile.pile_no, now() FROM p JOIN pile USING (pile_id)
             WHERE pile.station_id IS NOT NULL AND pile.station_id IS DISTINCT FROM p.station_id
             ON CONFLICT (station_id, pile_no) DO UPDATE SET left_at = excluded.left_at)
         INSERT INTO pile (pile_id, station_id, operator_id, kind, accuracy_class, power_kw, lon, lat, model,
                           meter_serial, given_system, given_lon, given_lat, place_doubts,
                           connectors, search, registered)
         SELECT p.pile_id, p.station_id, coalesce(p.operator_id, station.operator_id), p.kind, p.accuracy_class,
                p.power_kw, p.lon, p.lat, p.model, p.meter_serial,
                p.given_system, p.given_lon, p.given_lat, string_to_array(p.doubts, ','),
                string_to_array(p.connectors, ','), p.search, true
         FROM p LEFT JOIN station ON station.station_id = p.station_id
         ON CONFLICT (pile_id) DO UPDATE SET station_id = excluded.station_id, operator_id = excluded.operator_id,
             kind = excluded.kind, accuracy_class = excluded.accuracy_class, power_kw = excluded.power_kw,
             lon = excluded.lon, lat = excluded.lat, model = excluded.model,
             meter_serial = excluded.meter_serial, given_system = excluded.given_system,
             given_lon = excluded.given_lon, given_lat = excluded.given_lat, place_doubts = excluded.place_doubts,
             connectors = excluded.connectors, search = excluded.search, registered = true, inbox = false, changed_at = now()
         WHERE $17 OR pile.operator_id IS NULL OR pile.operator_id IS NOT DISTINCT FROM excluded.operator_id",
    )
    .bind(piles.iter().map(|p| p.pile_id.as_str()).collect::<Vec<_>>())
    .bind(piles.iter().map(|p| p.station_id.as_ref().map(StationId::as_str)).collect::<Vec<_>>())
    .bind(piles.iter().map(|p| p.operator_id.as_ref().map(OperatorId::as_str)).collect::<Vec<_>>())
    .bind(piles.iter().map(|p| p.kind.word()).collect::<Vec<_>>())
    .bind(piles.iter().map(|p| p.class.0).collect::<Vec<_>>())
    .bind(piles.iter().map(|p| p.power_kw).collect::<Vec<_>>())
    .bind(piles.iter().map(|p| p.place.map(|place: Place| place.lon)).collect::<Vec<_>>())
    .bind(piles.iter().map(|p| p.place.map(|place| place.lat)).collect::<Vec<_>>())
    .bind(piles.iter().map(|p| p.model.as_deref()).collect::<Vec<_>>())
    .bind(piles.iter().map(|p| p.meter_serial.as_deref()).collect::<Vec<_>>())
    .bind(given(piles.iter().map(|p| &p.given), |given| given.system.word()))
    .bind(given(piles.iter().map(|p| &p.given), |given| given.lon))
    .bind(given(piles.iter().map(|p| &p.given), |given| given.lat))
    .bind(piles.iter().map(|p| doubts(p.given.as_ref())).collect::<Vec<_>>())
    .bind(piles.iter().map(|p| p.connectors.iter().map(|c| c.word()).collect::<Vec<_>>().join(",")).collect::<Vec<_>>())
    .bind(piles.iter().map(|p| plain(p.pile_id.as_str())).collect::<Vec<_>>())
    .bind(hands == Hands::MayChange)
    .execute(&mut *connection)
    .await?;
    if written.rows_affected() == piles.len() as u64 {
        return Ok(());
    }
    let others: Vec<(String, String)> = sqlx::query_as(
        "SELECT pile_id, pile.operator_id
         FROM unnest($1::text[], $2::text[], $3::text[]) AS told(pile_id, station_id, operator_id)
         JOIN pile USING (pile_id) LEFT JOIN station ON station.station_id = told.station_id
         WHERE pile.operator_id <> coalesce(told.operator_id, station.operator_id, '') ORDER BY pile_id LIMIT $4",
    )
    .bind(piles.iter().map(|p| p.pile_id.as_str()).collect::<Vec<_>>())
    .bind(piles.iter().map(|p| p.station_id.as_ref().map(StationId::as_str)).collect::<Vec<_>>())
    .bind(piles.iter().map(|p| p.operator_id.as_ref().map(OperatorId::as_str)).collect::<Vec<_>>())
    .bind(NAMED_MAX)
    .fetch_all(connection)
    .await?;
    Err(of_others("pile", &others, piles.len() as u64 - written.rows_affected()))
}

/// Takes piles from the stations that their own operators say them to be gone from, as registering them at none does; which these were. One
/// with an open case stays where it is.
pub(crate) async fn take_away(
    connection: &mut PgConnection,
    removed: &[Removed],
) -> Result<HashSet<String>, StoreError> {
    let rows: Vec<String> = sqlx::query_scalar(
        "WITH gone AS (
             UPDATE pile SET station_id = NULL, lon = NULL, lat = NULL, given_system = NULL, given_lon = NULL, given_lat = NULL,
                             place_doubts = '{}', changed_at = now()
             FROM unnest($1::text[], $2::text[], $3::text[]) AS told(pile_id, station_id, operator_id)
             WHERE pile.pile_id = told.pile_id AND pile.station_id = told.station_id AND pile.operator_id = told.operator_id
               AND NOT EXISTS (SELECT FROM standing WHERE standing.pile_no = pile.pile_no AND failed_after IS NOT NULL)
             RETURNING pile.pile_id, pile.pile_no, told.station_id),
         left_behind AS (
             INSERT INTO former_pile (station_id, pile_no, left_at) SELECT station_id, pile_no, now() FROM gone
             ON CONFLICT (station_id, pile_no) DO UPDATE SET left_at = excluded.left_at)
         SELECT pile_id FROM gone",
    )
    .bind(removed.iter().map(|one| one.pile_id.as_str()).collect::<Vec<_>>())
    .bind(removed.iter().map(|one| one.station_id.as_str()).collect::<Vec<_>>())
    .bind(removed.iter().map(|one| one.operator_id.as_str()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().collect())
}

/// Writes acts of authority; see [`Store::record_acts`].
pub(crate) async fn write_acts(
    connection: &mut PgConnection,
    acts: &[(PileId, Act)],
) -> Result<(), StoreError> {
    for (pile_id, act) in acts {
        let pile_no = pile_number(&mut *connection, pile_id).await?;
        insert_act(connection, pile_no, act).await?;
    }
    Ok(())
}

fn operator((id, name_zh, name_en): (String, String, String)) -> Result<Operator, StoreError> {
    let operator_id = OperatorId::parse(&id).map_err(|_| corrupt("operator", &id))?;
    Ok(Operator { operator_id, name_zh, name_en })
}

/// Every act on every pile.
pub(crate) async fn all_acts(executor: impl PgExecutor<'_>) -> Result<Vec<(i64, Act)>, StoreError> {
    let rows: Vec<ActRow> =
        sqlx::query_as("SELECT * FROM act ORDER BY pile_no, acted_at, act_no").fetch_all(executor).await?;
    rows.into_iter().map(ActRow::act).collect()
}

/// One side of places as they were given, a row each.
fn given<'a, T>(
    places: impl Iterator<Item = &'a Option<GivenPlace>>,
    side: fn(&GivenPlace) -> T,
) -> Vec<Option<T>> {
    places.map(|given| given.as_ref().map(side)).collect()
}

/// Codes with commas between: an array of arrays cannot be taken apart row by row.
fn doubts(given: Option<&GivenPlace>) -> String {
    let codes = given.iter().flat_map(|given| &given.doubts).map(|doubt| doubt.code());
    codes.collect::<Vec<_>>().join(",")
}

/// Appends an act; one that is on record already stays as it is.
pub(crate) async fn insert_act(
    connection: &mut PgConnection,
    pile_no: i64,
    act: &Act,
) -> Result<(), StoreError> {
    insert_round(connection, pile_no, act, 0).await
}

/// Appends an act of a case, though the same person took the like before: a case can be served twice. The pile must be held.
pub(crate) async fn insert_case_act(
    connection: &mut PgConnection,
    pile_no: i64,
    act: &Act,
) -> Result<(), StoreError> {
    let round: i32 = sqlx::query_scalar(
        "SELECT coalesce(max(round) + 1, 0) FROM act WHERE pile_no = $1 AND kind = $2 AND number = $3 AND person = $4",
    )
    .bind(pile_no)
    .bind(act.kind.word())
    .bind(&act.number)
    .bind(&act.person)
    .fetch_one(&mut *connection)
    .await?;
    insert_round(connection, pile_no, act, round).await
}

async fn insert_round(
    connection: &mut PgConnection,
    pile_no: i64,
    act: &Act,
    round: i32,
) -> Result<(), StoreError> {
    let result = act.result;
    sqlx::query(
        "INSERT INTO act (pile_no, kind, number, issuer, person, acted_at, valid_until, reply_until,
                          error_percent, expanded_uncertainty_percent, coverage_factor, outlet, round)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         ON CONFLICT (pile_no, kind, number, person, round) DO NOTHING",
    )
    .bind(pile_no)
    .bind(act.kind.word())
    .bind(&act.number)
    .bind(&act.issuer)
    .bind(&act.person)
    .bind(act.acted_at.to_sqlx())
    .bind(sql_time(act.valid_until))
    .bind(sql_time(act.reply_until))
    .bind(result.map(|r| r.error_percent))
    .bind(result.map(|r| r.expanded_uncertainty_percent))
    .bind(result.map(|r| r.coverage_factor))
    .bind(act.outlet.map(i64::from))
    .bind(round)
    .execute(connection)
    .await?;
    Ok(())
}

/// Every act on a pile, by its number in the database.
pub(crate) async fn acts_of(connection: &mut PgConnection, pile_no: i64) -> Result<Vec<Act>, StoreError> {
    let rows: Vec<ActRow> = sqlx::query_as("SELECT * FROM act WHERE pile_no = $1 ORDER BY acted_at, act_no")
        .bind(pile_no)
        .fetch_all(connection)
        .await?;
    rows.into_iter().map(|row| Ok(row.act()?.1)).collect()
}

#[derive(FromRow)]
pub(crate) struct ActRow {
    pile_no: i64,
    kind: String,
    number: String,
    issuer: String,
    person: String,
    acted_at: SqlTime,
    valid_until: Option<SqlTime>,
    reply_until: Option<SqlTime>,
    error_percent: Option<Decimal>,
    expanded_uncertainty_percent: Option<Decimal>,
    coverage_factor: Option<Decimal>,
    outlet: Option<i64>,
}

impl ActRow {
    pub(crate) fn act(self) -> Result<(i64, Act), StoreError> {
        let result = match (self.error_percent, self.expanded_uncertainty_percent, self.coverage_factor) {
            (Some(error_percent), Some(expanded_uncertainty_percent), Some(coverage_factor)) => {
                Some(OnSiteResult { error_percent, expanded_uncertainty_percent, coverage_factor })
            }
            _ => None,
        };
        let act = Act {
            kind: ActKind::from_word(&self.kind).ok_or_else(|| corrupt("act", &self.kind))?,
            number: self.number,
            outlet: self.outlet.and_then(|outlet| u32::try_from(outlet).ok()),
            issuer: self.issuer,
            person: self.person,
            acted_at: self.acted_at.to_jiff(),
            valid_until: jiff_time(self.valid_until),
            reply_until: jiff_time(self.reply_until),
            result,
        };
        Ok((self.pile_no, act))
    }
}
