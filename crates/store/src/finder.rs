//! What a driver looks for: piles by name, kind, power, price, whether they are free, and how near they are.
//!
//! Called by `api::map`. It judges nothing: states follow from the last judgement and the moment asked for ([`crate::state`]). Everything is
//! counted and put into order before it is cut, so that a list holds what comes first of all piles, however many there are.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use rust_decimal::Decimal;
use sqlx::Postgres;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::QueryAs;
use veripile_pile::{ConnectorType, OperatorId, PileKind, Place, State, StationId};

use crate::row::storable;
use crate::search::{operator_text, station_text};
use crate::state::{in_state, state_at};
use crate::{BoundingBox, PileRecord, Store, StoreError};

/// Most piles of one list in one answer: all within half an hour's drive in the densest city.
pub const FOUND_MAX: u32 = 5_000;

/// How much farther a pile may be for each step that its standing is better, and still be offered first, m: a minute's drive.
pub const STEP_M: f64 = 500.0;

/// Half the height of the box around a driver, degrees: 55 km, as far as anyone drives to charge.
const NEAR_DEGREES: f64 = 0.5;

/// Stations given their search text at a time after an upgrade.
const STATIONS_AT_ONCE: i64 = 1_000;

/// What else must be so of a pile: the lists behind the cells of statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Only {
    /// It was checked on site at least once.
    Checked,
    /// It has a case open.
    InCase,
    /// Its operator has committed itself to honest metering.
    Committed,
}

impl Only {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Checked, Self::InCase, Self::Committed];

    /// The word used in addresses and texts.
    pub fn word(self) -> &'static str {
        match self {
            Self::Checked => "checked",
            Self::InCase => "in_case",
            Self::Committed => "committed",
        }
    }

    /// Reads [`Self::word`] back.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|only| only.word() == word)
    }
}

/// What is looked for; all of it must hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FindQuery {
    /// Each must stand in the pile's number or among its station's names (lower case).
    pub words: Vec<String>,
    /// Only of this operator.
    pub operator: Option<OperatorId>,
    /// Only in this district, as stations have it; [`crate::tally::NONE`]: where nobody said.
    pub region: Option<String>,
    /// Only by this maker; [`crate::tally::NONE`]: where it has not told.
    pub maker: Option<String>,
    /// Only those of which this is so.
    pub only: Option<Only>,
    /// Only AC or only DC.
    pub kind: Option<PileKind>,
    /// Only with such a connector; a pile of which nobody said has none.
    pub connector: Option<ConnectorType>,
    /// At least this power, kW.
    pub min_power_kw: Option<Decimal>,
    /// At most this price of a kWh, CNY; stations without a price are left out.
    pub max_fee_cny_kwh: Option<Decimal>,
    /// Only with a free connector that was heard of since.
    pub free_since: Option<Timestamp>,
    /// Nearest to here first; only around here, where no box is asked for.
    pub near: Option<Place>,
    /// Only in this box.
    pub bounding_box: Option<BoundingBox>,
    /// Only in this public state.
    pub state: Option<State>,
    /// Only at one of these stations; none named: at any, or at none.
    pub stations: Vec<StationId>,
}

/// How many piles there are in each state, in the order of `State::ALL`.
pub type ByState = [u64; State::ALL.len()];

/// What a station's card shows beside its piles.
#[derive(Debug, Clone, PartialEq)]
pub struct StationCard {
    /// Highest price of a kWh, CNY.
    pub fee_cny_kwh: Option<Decimal>,
    /// Telephone number of its service.
    pub phone: Option<String>,
}

/// What every search selects from, with its conditions: 21 values, bound by [`bound`].
macro_rules! search {
    ($columns:expr, $rest:expr) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM pile
             LEFT JOIN station ON station.station_id = pile.station_id
             LEFT JOIN operator ON operator.operator_id = pile.operator_id
             LEFT JOIN pile_live AS live ON live.pile_no = pile.pile_no
             LEFT JOIN standing ON standing.pile_no = pile.pile_no
             WHERE NOT pile.inbox
               AND NOT EXISTS (SELECT FROM unnest($1::text[]) AS word
                               WHERE strpos(translate(lower(normalize(pile.pile_id, NFKC)), '-‐‑‒–—_ ', ''), word) = 0
                                 AND strpos(coalesce(station.search, ''), word) = 0 AND strpos(coalesce(operator.search, ''), word) = 0)
               AND ($2::text IS NULL OR CASE $2 WHEN '-' THEN pile.operator_id IS NULL ELSE pile.operator_id = $2 END)
               AND ($3::text IS NULL OR pile.kind = $3)
               AND ($4::numeric IS NULL OR pile.power_kw >= $4)
               AND ($5::numeric IS NULL OR station.fee_cny_kwh <= $5)
               AND ($6::timestamptz IS NULL
                    OR (SELECT status = 'Available' AND greatest(live.last_seen, status_at) > $6
                        FROM connector_live WHERE connector_live.pile_no = pile.pile_no
                        ORDER BY connector = 0, status <> 'Available', status_at DESC LIMIT 1))
               AND ($7::float8 IS NULL OR $17::float8 IS NOT NULL
                    OR (pile.lon BETWEEN $7 - $9 / $10 AND $7 + $9 / $10
                        AND pile.lat BETWEEN $8 - $9 AND $8 + $9))
               AND ($12::text IS NULL OR $12 = ANY(pile.connectors))
               AND ($13::text IS NULL OR coalesce(station.region, '-') = $13)
               AND ($14::text IS NULL OR coalesce(live.vendor, '-') = $14)
               AND CASE $15::text
                   WHEN 'checked' THEN EXISTS (SELECT FROM act WHERE act.pile_no = pile.pile_no
                                               AND act.kind IN ('certificate', 'measured', 'notice'))
                   WHEN 'in_case' THEN standing.body ->> 'case' IS NOT NULL
                   WHEN 'committed' THEN operator.committed_on IS NOT NULL
                   ELSE true END
               AND ",
            in_state!("$16", "$11"),
            " AND ($17::float8 IS NULL OR (pile.lon BETWEEN $17 AND $19 AND pile.lat BETWEEN $18 AND $20))
               AND ($21::text[] = '{}' OR pile.station_id = ANY($21)) ",
            $rest
        )
    };
}

/// The place in the order in which piles are offered: by distance, a worse standing counting as [`STEP_M`] a step, to the decimetre; what
/// nobody should drive to comes last. Without a place, by standing. The distance is that of `Place::distance_m`.
macro_rules! offer {
    () => {
        concat!(
            "(CASE WHEN $7::float8 IS NULL THEN ",
            state_at!("$11"),
            " ELSE round(CASE WHEN ",
            state_at!("$11"),
            " >= 4 THEN 1e9 ELSE 0 END + 10 * (500 * ",
            state_at!("$11"),
            " + 2 * 6371008.8 * asin(sqrt(least(1, power(sin(radians(pile.lat - $8) / 2), 2)
                       + cos(radians($8)) * cos(radians(pile.lat)) * power(sin(radians(pile.lon - $7) / 2), 2)))))) END)"
        )
    };
}

/// A search with its conditions. The plan is made for these very values: most conditions are not asked for, and a plan that must hold for
/// any would use no index.
fn bound<O>(
    sql: &'static str,
    query: &FindQuery,
    now: Timestamp,
) -> QueryAs<'static, Postgres, O, PgArguments>
where
    O: for<'r> sqlx::FromRow<'r, PgRow>,
{
    let shorten = query.near.map_or(1.0, |near| near.lat.to_radians().cos().max(0.01));
    let side = |pick: fn(&BoundingBox) -> f64| query.bounding_box.as_ref().map(pick);
    let text = |text: &Option<String>| text.as_deref().map(|text| storable(text).into_owned());
    sqlx::query_as(sql)
        .bind(query.words.iter().map(|word| storable(word).into_owned()).collect::<Vec<_>>())
        .bind(query.operator.as_ref().map(ToString::to_string))
        .bind(query.kind.map(PileKind::word))
        .bind(query.min_power_kw)
        .bind(query.max_fee_cny_kwh)
        .bind(query.free_since.map(ToSqlx::to_sqlx))
        .bind(query.near.map(|near| near.lon))
        .bind(query.near.map(|near| near.lat))
        .bind(NEAR_DEGREES)
        .bind(shorten)
        .bind(now.to_sqlx())
        .bind(query.connector.map(ConnectorType::word))
        .bind(text(&query.region))
        .bind(text(&query.maker))
        .bind(query.only.map(Only::word))
        .bind(query.state.map(|state| state as i32))
        .bind(side(|b| b.west))
        .bind(side(|b| b.south))
        .bind(side(|b| b.east))
        .bind(side(|b| b.north))
        .bind(query.stations.iter().map(ToString::to_string).collect::<Vec<_>>())
        .persistent(false)
}

impl Store {
    /// How many piles match, by state.
    pub async fn count_found(&self, query: &FindQuery, now: Timestamp) -> Result<ByState, StoreError> {
        let sql = search!(concat!(state_at!("$11"), ", count(*)"), "GROUP BY 1");
        let rows: Vec<(i32, i64)> = bound(sql, query, now).fetch_all(&self.pool).await?;
        let mut by_state = ByState::default();
        for (state, count) in rows {
            by_state[state as usize] = count as u64;
        }
        Ok(by_state)
    }

    /// Piles that match, in the order in which they are offered: with a place nearest first ([`STEP_M`]), else verified ones first and
    /// those of one state in the order of their identifiers; without the first `skip`, at most `take` and [`FOUND_MAX`]. `by_state` is what
    /// [`Self::count_found`] counted.
    pub async fn find_piles(
        &self,
        query: &FindQuery,
        by_state: &ByState,
        now: Timestamp,
        skip: u64,
        take: u32,
    ) -> Result<Vec<PileRecord>, StoreError> {
        let take = u64::from(take.min(FOUND_MAX));
        let mut ids = Vec::new();
        // Few are put into order at once: one reading instead of one a state.
        let is_short = by_state.iter().sum::<u64>() <= u64::from(FOUND_MAX);
        if query.near.is_some() || is_short {
            ids = self.offered(query, now, skip, take).await?;
        } else {
            // State by state: what comes first is then read off the index of identifiers, and the rest is not put into order.
            let mut skip = skip;
            for (state, count) in State::ALL.into_iter().zip(by_state) {
                let left = take - ids.len() as u64;
                let is_asked = query.state.is_none_or(|asked| asked == state);
                if is_asked && skip < *count && 0 < left {
                    let query = FindQuery { state: Some(state), ..query.clone() };
                    ids.extend(self.by_identifier(&query, now, skip, left).await?);
                }
                skip = skip.saturating_sub(*count);
            }
        }
        self.in_order(&ids).await
    }

    /// The piles at some stations that match, in the order in which they are offered; at most [`FOUND_MAX`].
    pub async fn find_piles_at(
        &self,
        stations: Vec<StationId>,
        query: &FindQuery,
        now: Timestamp,
    ) -> Result<Vec<PileRecord>, StoreError> {
        if stations.is_empty() {
            return Ok(Vec::new());
        }
        let query = FindQuery { stations, ..query.clone() };
        let ids = self.offered(&query, now, 0, u64::from(FOUND_MAX)).await?;
        self.in_order(&ids).await
    }

    /// Stations of piles that match, in the order of the first pile of each as they are offered.
    pub async fn find_stations(
        &self,
        query: &FindQuery,
        now: Timestamp,
        skip: u64,
        take: u32,
    ) -> Result<Vec<StationId>, StoreError> {
        let sql = search!(
            "pile.station_id",
            concat!(
                "AND pile.station_id IS NOT NULL GROUP BY pile.station_id ORDER BY min(",
                offer!(),
                "), pile.station_id LIMIT $22 OFFSET $23"
            )
        );
        let rows: Vec<(String,)> = bound(sql, query, now)
            .bind(i64::from(take))
            .bind(i64::try_from(skip).unwrap_or(i64::MAX))
            .fetch_all(&self.pool)
            .await?;
        rows.iter()
            .map(|(id,)| StationId::parse(id).map_err(|_| crate::row::corrupt("station", id)))
            .collect()
    }

    async fn offered(
        &self,
        query: &FindQuery,
        now: Timestamp,
        skip: u64,
        take: u64,
    ) -> Result<Vec<String>, StoreError> {
        let sql =
            search!("pile.pile_id", concat!("ORDER BY ", offer!(), ", pile.pile_id LIMIT $22 OFFSET $23"));
        self.identifiers(bound(sql, query, now), skip, take).await
    }

    async fn by_identifier(
        &self,
        query: &FindQuery,
        now: Timestamp,
        skip: u64,
        take: u64,
    ) -> Result<Vec<String>, StoreError> {
        let sql = search!("pile.pile_id", "ORDER BY pile.pile_id LIMIT $22 OFFSET $23");
        self.identifiers(bound(sql, query, now), skip, take).await
    }

    async fn identifiers(
        &self,
        query: QueryAs<'static, Postgres, (String,), PgArguments>,
        skip: u64,
        take: u64,
    ) -> Result<Vec<String>, StoreError> {
        let bound = |number| i64::try_from(number).unwrap_or(i64::MAX);
        let rows = query.bind(bound(take)).bind(bound(skip)).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// Piles in the order of these identifiers.
    async fn in_order(&self, ids: &[String]) -> Result<Vec<PileRecord>, StoreError> {
        let place: HashMap<&str, usize> =
            ids.iter().enumerate().map(|(place, id)| (id.as_str(), place)).collect();
        let mut piles = self.piles_of_ids(&ids.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        piles.sort_by_key(|pile| place.get(pile.pile_id.as_str()).copied());
        Ok(piles)
    }

    /// What the cards of some stations show.
    pub async fn station_cards(
        &self,
        stations: &[&StationId],
    ) -> Result<Vec<(String, StationCard)>, StoreError> {
        let rows: Vec<(String, Option<Decimal>, Option<String>)> =
            sqlx::query_as("SELECT station_id, fee_cny_kwh, phone FROM station WHERE station_id = ANY($1)")
                .bind(stations.iter().map(|id| id.as_str()).collect::<Vec<_>>())
                .fetch_all(&self.pool)
                .await?;
        Ok(rows
            .into_iter()
            .map(|(id, fee_cny_kwh, phone)| (id, StationCard { fee_cny_kwh, phone }))
            .collect())
    }

    /// Gives stations and operators registered by a former version the text that they are found by.
    pub(crate) async fn complete_search_texts(&self) -> Result<(), StoreError> {
        let rows: Vec<(String, String, String)> =
            sqlx::query_as("SELECT operator_id, name_zh, name_en FROM operator WHERE search IS NULL")
                .fetch_all(&self.pool)
                .await?;
        let texts = rows.iter().map(|(id, zh, en)| (id.as_str(), operator_text(zh, en)));
        self.write_search_texts("UPDATE operator SET search = given.search
                                 FROM unnest($1::text[], $2::text[]) AS given(id, search) WHERE operator_id = given.id", texts)
            .await?;
        loop {
            let rows: Vec<(String, String, String, Option<String>)> = sqlx::query_as(
                "SELECT station_id, name_zh, name_en, address FROM station WHERE search IS NULL LIMIT $1",
            )
            .bind(STATIONS_AT_ONCE)
            .fetch_all(&self.pool)
            .await?;
            if rows.is_empty() {
                return Ok(());
            }
            let texts = rows
                .iter()
                .map(|(id, zh, en, address)| (id.as_str(), station_text(zh, en, address.as_deref())));
            self.write_search_texts("UPDATE station SET search = given.search
                                     FROM unnest($1::text[], $2::text[]) AS given(id, search) WHERE station_id = given.id", texts)
                .await?;
        }
    }

    async fn write_search_texts<'a>(
        &self,
        statement: &'static str,
        texts: impl Iterator<Item = (&'a str, String)>,
    ) -> Result<(), StoreError> {
        let (ids, texts): (Vec<&str>, Vec<String>) = texts.unzip();
        sqlx::query(statement).bind(ids).bind(texts).execute(&self.pool).await?;
        Ok(())
    }
}
