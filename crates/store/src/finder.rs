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
use veripile_pile::{ConnectorType, Operator, OperatorId, PileKind, Place, State, StationId};

use crate::checked::tells_of_check;
use crate::listing::around;
use crate::plug::is_free;
use crate::price::costs_at_most;
use crate::row::{corrupt, storable};
use crate::search::{operator_text, plain, station_text};
use crate::state::{in_state, join_silent, state_at};
use crate::words::{self, Word};
use crate::{BoundingBox, PileRecord, Store, StoreError};

/// Most piles of one list in one answer: all within half an hour's drive in the densest city.
pub const FOUND_MAX: u32 = 5_000;

/// Most piles put into order at once where something particular was asked for; of more the first are soon met on the index.
const SORTED_MAX: u64 = 20_000;

/// How much farther a pile may be for each step that its standing is better, and still be offered first, m: a minute's drive.
pub const STEP_M: f64 = 500.0;

/// How far from a driver is near, km: as far as anyone drives to charge.
pub const NEAR_KM: u32 = 50;

/// Metres from the place asked about, as `Place::distance_m` computes them.
macro_rules! distance_m {
    () => {
        "2 * 6371008.8 * asin(sqrt(least(1, power(sin(radians(pile.lat - $7) / 2), 2)
                       + cos(radians($7)) * cos(radians(pile.lat)) * power(sin(radians(pile.lon - $6) / 2), 2))))"
    };
}

/// Stations and operators, or piles, given their search text at a time.
const STATIONS_AT_ONCE: i64 = 1_000;
const PILES_AT_ONCE: i64 = 10_000;

/// Identifier, longitude, latitude, place of the state in `State::ALL`.
type DotRow = (String, Option<f64>, Option<f64>, i32);

/// Identifier, Chinese name, English name, address, region.
type StationNames = (String, String, String, Option<String>, Option<String>);

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
    /// Only with a free connector that was heard of since; none that is out of use, failed or under review.
    pub free_since: Option<Timestamp>,
    /// Nearest to here first; only around here, where no box is asked for.
    pub near: Option<Place>,
    /// Only in this box.
    pub bounding_box: Option<BoundingBox>,
    /// Only in this public state.
    pub state: Option<State>,
    /// Only verified ones, monitored or not.
    pub verified: bool,
    /// Only at one of these stations; none named: at any, or at none.
    pub stations: Vec<StationId>,
}

/// How many piles there are in each state, in the order of `State::ALL`.
pub type ByState = [u64; State::ALL.len()];

/// The best standing among piles; none where there is no pile.
pub fn best(by_state: &ByState) -> Option<State> {
    State::ALL.into_iter().zip(by_state).find(|(_, count)| 0 < **count).map(|(state, _)| state)
}

/// A pile as a dot on the map.
#[derive(Debug, Clone, PartialEq)]
pub struct Dot {
    /// Its identifier.
    pub pile_id: String,
    /// Where it stands.
    pub place: Option<Place>,
    /// Its public state at the moment asked for.
    pub state: State,
}

/// Of each state any number, as long as nobody has counted.
pub const UNCOUNTED: ByState = [u64::MAX; State::ALL.len()];

impl FindQuery {
    /// Whether all piles are asked for, or all of one state.
    pub fn is_everything(&self) -> bool {
        Self { state: None, verified: false, ..self.clone() } == Self::default()
    }

    /// Whether piles in this state are asked for.
    pub fn asks(&self, state: State) -> bool {
        let is_verified = matches!(state, State::VerifiedMonitored | State::Verified);
        self.state.is_none_or(|asked| asked == state) && (is_verified || !self.verified)
    }

    /// Whether a part of a station's piles may match, wherever it stands.
    pub fn is_of_piles(&self) -> bool {
        Self { near: None, bounding_box: None, ..self.clone() } != Self::default()
    }

    /// Whether what was found is put into order at once: few are read once instead of once a state, and of somewhat more it costs what
    /// counting them did. Of many the first are read off an index of identifiers instead, where they are soon met; so are verified ones,
    /// whose two states the planner knows one by one.
    fn is_sorted_as_a_whole(&self, by_state: &ByState) -> bool {
        if self.verified {
            return false;
        }
        let most = if self.is_everything() { u64::from(FOUND_MAX) } else { SORTED_MAX };
        by_state.iter().fold(0_u64, |sum, count| sum.saturating_add(*count)) <= most
    }
}

/// What every search selects from, with its conditions but for words and state; the values are bound by [`Search::bound`]. What is not asked for falls away
/// when the statement is planned, and with it the tables that nothing is asked of.
const SEARCHED: &str = concat!(
    " FROM pile
             LEFT JOIN station ON station.station_id = pile.station_id
             LEFT JOIN operator ON operator.operator_id = pile.operator_id
             LEFT JOIN pile_live AS live ON live.pile_no = pile.pile_no ",
    join_silent!("$10"),
    " LEFT JOIN standing ON standing.pile_no = pile.pile_no
             WHERE NOT pile.inbox
               AND ($1::text IS NULL OR CASE $1 WHEN '-' THEN pile.operator_id IS NULL ELSE pile.operator_id = $1 END)
               AND ($2::text IS NULL OR pile.kind = $2)
               AND ($3::numeric IS NULL OR pile.power_kw >= $3)
               AND ($4::numeric IS NULL OR ",
    costs_at_most!("$4"),
    ")
               AND ($6::float8 IS NULL OR $16::float8 IS NOT NULL
                    OR (pile.lon BETWEEN $6 - $8 AND $6 + $8
                        AND pile.lat BETWEEN $7 - $9 AND $7 + $9 AND ",
    distance_m!(),
    " <= 1000 * $21::float8))
               AND ($11::text IS NULL OR pile.connectors @> ARRAY[$11::text])
               AND ($12::text IS NULL OR CASE $12 WHEN '-' THEN coalesce(station.region, '-') = '-' ELSE station.region = $12 END)
               AND ($13::text IS NULL OR CASE $13 WHEN '-' THEN coalesce(live.vendor, '-') = '-' ELSE live.vendor = $13 END)
               AND CASE $14::text
                   WHEN 'in_case' THEN standing.failed_after IS NOT NULL
                   WHEN 'committed' THEN operator.committed_on IS NOT NULL
                   ELSE true END
               AND ($16::float8 IS NULL OR (pile.lon BETWEEN $16 AND $18 AND pile.lat BETWEEN $17 AND $19))
               AND ($20::text[] = '{}' OR pile.station_id = ANY($20))"
);

/// Beside them, where free piles are asked for: the connector that a driver would take (`PileRecord::status`) is available, and was heard of
/// since, or its pile was; and the pile is not out of use, failed or under review.
const FREE: &str = concat!(
    " AND standing.stopped IS NOT TRUE AND standing.failed_after IS NULL AND silent.pile_no IS NULL AND ",
    is_free!("$5")
);

/// And where piles are asked for that were checked on site, as far as the public is told.
const CHECKED: &str = concat!(
    " AND EXISTS (SELECT FROM act WHERE act.pile_no = pile.pile_no AND ",
    tells_of_check!("$10"),
    ")"
);

/// Values bound beside those of words, which follow: those of [`SEARCHED`], and the state, the fifteenth.
const VALUES: usize = 21;

/// Whether the state is the one asked for.
const IN_STATE: &str = in_state!("$15", "$10", "silent.pile_no IS NOT NULL");

/// And whether it is verified, where that is asked of any state.
const VERIFIED: &str = concat!(" AND ", state_at!("$10", "silent.pile_no IS NOT NULL"), " < 2");

/// The place of a pile's state in `State::ALL`.
const STATE: &str = state_at!("$10", "silent.pile_no IS NOT NULL");

/// The place in the order in which piles are offered: by distance, a worse standing counting as [`STEP_M`] a step, to the decimetre; what
/// nobody should drive to comes last. Without a place, by standing. The distance is that of `Place::distance_m`.
const OFFER: &str = concat!(
    "(CASE WHEN $6::float8 IS NULL THEN ",
    state_at!("$10", "silent.pile_no IS NOT NULL"),
    " ELSE round(CASE WHEN ",
    state_at!("$10", "silent.pile_no IS NOT NULL"),
    " >= 4 THEN 1e9 ELSE 0 END + 10 * (500 * ",
    state_at!("$10", "silent.pile_no IS NOT NULL"),
    " + ",
    distance_m!(),
    ")) END)"
);

/// A search whose words were looked up.
struct Search<'a> {
    query: FindQuery,
    words: &'a [Word],
    now: Timestamp,
}

impl Search<'_> {
    /// The statement for all that matches.
    fn sql(&self, columns: &str, rest: &str) -> String {
        let verified = if self.query.verified { VERIFIED } else { "" };
        format!("{} AND {IN_STATE} {verified} {rest}", self.in_any_state(columns))
    }

    /// The same whatever the state; more conditions may follow.
    fn in_any_state(&self, columns: &str) -> String {
        let words = 0..self.words.len();
        let words: String = words.map(|word| words::condition(VALUES + word * words::VALUES)).collect();
        let free = self.query.free_since.map_or("", |_| FREE);
        let checked = if self.query.only == Some(Only::Checked) { CHECKED } else { "" };
        format!("SELECT {columns} {SEARCHED} {free} {checked} {words}")
    }

    /// A statement with its values. The plan is made for these very values: most conditions are not asked for, and a plan that must hold
    /// for any would use no index.
    fn bound<'q, O>(&self, sql: &'q str) -> QueryAs<'q, Postgres, O, PgArguments>
    where
        O: for<'r> sqlx::FromRow<'r, PgRow>,
    {
        let query = &self.query;
        // Half the width and the height, degrees, of the box around the driver, so that an index finds what is near.
        let half = query.near.map(|near| (near, around(near, 1000.0 * f64::from(NEAR_KM))));
        let wide = half.as_ref().map(|(near, part)| (part.east - near.lon).max(near.lon - part.west));
        let high = half.as_ref().map(|(near, part)| part.north - near.lat);
        let side = |pick: fn(&BoundingBox) -> f64| query.bounding_box.as_ref().map(pick);
        let text = |text: &Option<String>| text.as_deref().map(|text| storable(text).into_owned());
        let bound = sqlx::query_as(sql)
            .bind(query.operator.as_ref().map(ToString::to_string))
            .bind(query.kind.map(PileKind::word))
            .bind(query.min_power_kw)
            .bind(query.max_fee_cny_kwh)
            .bind(query.free_since.map(ToSqlx::to_sqlx))
            .bind(query.near.map(|near| near.lon))
            .bind(query.near.map(|near| near.lat))
            .bind(wide)
            .bind(high)
            .bind(self.now.to_sqlx())
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
            .bind(f64::from(NEAR_KM));
        self.words.iter().fold(bound, words::bind).persistent(false)
    }
}

impl Store {
    /// How many piles match, by state.
    pub async fn count_found(&self, query: &FindQuery, now: Timestamp) -> Result<ByState, StoreError> {
        let search = Search { query: query.clone(), words: &self.words(&query.words).await?, now };
        let sql = search.sql(&format!("{STATE}, count(*)"), "GROUP BY 1");
        let rows: Vec<(i32, i64)> = search.bound(&sql).fetch_all(&self.pool).await?;
        let mut by_state = ByState::default();
        for (state, count) in rows {
            by_state[state as usize] = count as u64;
        }
        Ok(by_state)
    }

    /// Piles that match, in the order in which they are offered: with a place nearest first ([`STEP_M`]), else verified ones first and
    /// those of one state in the order of their identifiers; without the first `skip`, at most `take` and [`FOUND_MAX`]. `by_state` is what
    /// [`Self::count_found`] counted; [`UNCOUNTED`] does for the first page.
    pub async fn find_piles(
        &self,
        query: &FindQuery,
        by_state: &ByState,
        now: Timestamp,
        skip: u64,
        take: u32,
    ) -> Result<Vec<PileRecord>, StoreError> {
        let range = (skip, take.min(FOUND_MAX));
        let ids: Vec<(String,)> = self.found("pile.pile_id", query, by_state, now, range).await?;
        self.in_order(&ids.into_iter().map(|(id,)| id).collect::<Vec<_>>()).await
    }

    /// The first of them, in the same order, with no more than a map shows of them; at most one more than [`FOUND_MAX`], which tells that
    /// there are more.
    pub async fn find_dots(
        &self,
        query: &FindQuery,
        by_state: &ByState,
        now: Timestamp,
        take: u32,
    ) -> Result<Vec<Dot>, StoreError> {
        let columns = format!("pile.pile_id, pile.lon, pile.lat, {STATE}");
        let rows: Vec<DotRow> =
            self.found(&columns, query, by_state, now, (0, take.min(FOUND_MAX + 1))).await?;
        let dot = |(pile_id, lon, lat, state): DotRow| {
            let state = State::ALL.get(state as usize).copied().ok_or_else(|| corrupt("state", state))?;
            let place = lon.zip(lat).and_then(|(lon, lat)| Place::new(lon, lat));
            Ok(Dot { pile_id, place, state })
        };
        rows.into_iter().map(dot).collect()
    }

    /// Columns of the piles that match, in the order in which they are offered, without the first `skip` and at most `take`.
    async fn found<O>(
        &self,
        columns: &str,
        query: &FindQuery,
        by_state: &ByState,
        now: Timestamp,
        (skip, take): (u64, u32),
    ) -> Result<Vec<O>, StoreError>
    where
        O: for<'r> sqlx::FromRow<'r, PgRow> + Send + Unpin,
    {
        if *by_state == ByState::default() {
            return Ok(Vec::new());
        }
        let take = u64::from(take);
        let words = self.words(&query.words).await?;
        if query.near.is_some() || query.is_sorted_as_a_whole(by_state) {
            let search = Search { query: query.clone(), words: &words, now };
            let skip = i64::try_from(skip).unwrap_or(i64::MAX);
            let rest = format!("ORDER BY {OFFER}, pile.pile_id LIMIT {take} OFFSET {skip}");
            let sql = search.sql(columns, &rest);
            return Ok(search.bound(&sql).fetch_all(&self.pool).await?);
        }
        // State by state: what comes first is then read off an index of identifiers, and the rest is not put into order.
        let (mut found, mut skip) = (Vec::new(), skip);
        for (state, count) in State::ALL.into_iter().zip(by_state) {
            let left = take - found.len() as u64;
            if query.asks(state) && skip < *count && 0 < left {
                let query = FindQuery { state: Some(state), verified: false, ..query.clone() };
                let search = Search { query, words: &words, now };
                let sql = search.sql(columns, &format!("ORDER BY pile.pile_id LIMIT {left} OFFSET {skip}"));
                let rows: Vec<O> = search.bound(&sql).fetch_all(&self.pool).await?;
                found.extend(rows);
            }
            skip = skip.saturating_sub(*count);
        }
        Ok(found)
    }

    /// How many piles match at each of some stations, by state.
    pub async fn count_at(
        &self,
        stations: Vec<StationId>,
        query: &FindQuery,
        now: Timestamp,
    ) -> Result<HashMap<String, ByState>, StoreError> {
        if stations.is_empty() {
            return Ok(HashMap::new());
        }
        let words = self.words(&query.words).await?;
        let search = Search { query: FindQuery { stations, ..query.clone() }, words: &words, now };
        let sql = search.sql(&format!("pile.station_id, {STATE}, count(*)"), "GROUP BY 1, 2");
        let rows: Vec<(String, i32, i64)> = search.bound(&sql).fetch_all(&self.pool).await?;
        let mut at_station: HashMap<String, ByState> = HashMap::new();
        for (station, state, count) in rows {
            at_station.entry(station).or_default()[state as usize] = count.unsigned_abs();
        }
        Ok(at_station)
    }

    /// Operators of piles that match, with how many there are of each, those with most first; piles of no known operator are left out.
    pub async fn operators_found(
        &self,
        query: &FindQuery,
        now: Timestamp,
        skip: u64,
        take: u32,
    ) -> Result<Vec<(Operator, u64)>, StoreError> {
        let search = Search { query: query.clone(), words: &self.words(&query.words).await?, now };
        let rest = format!(
            "AND operator.operator_id IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1 LIMIT {take} OFFSET {}",
            i64::try_from(skip).unwrap_or(i64::MAX)
        );
        let sql = search.sql("operator.operator_id, operator.name_zh, operator.name_en, count(*)", &rest);
        let rows: Vec<(String, String, String, i64)> = search.bound(&sql).fetch_all(&self.pool).await?;
        let read = |(id, name_zh, name_en, count): (String, String, String, i64)| {
            let operator_id = OperatorId::parse(&id).map_err(|_| corrupt("operator", &id))?;
            Ok((Operator { operator_id, name_zh, name_en }, count.unsigned_abs()))
        };
        rows.into_iter().map(read).collect()
    }

    /// Stations of piles that match, in the order of the first pile of each as they are offered. `by_state` is what
    /// [`Self::count_found`] counted, or [`UNCOUNTED`].
    pub async fn find_stations(
        &self,
        query: &FindQuery,
        by_state: &ByState,
        now: Timestamp,
        skip: u64,
        take: u32,
    ) -> Result<Vec<StationId>, StoreError> {
        if *by_state == ByState::default() {
            return Ok(Vec::new());
        }
        let words = self.words(&query.words).await?;
        let take = u64::from(take);
        let ids = if query.near.is_some() || query.is_sorted_as_a_whole(by_state) {
            let search = Search { query: query.clone(), words: &words, now };
            let rest = format!(
                "AND pile.station_id IS NOT NULL GROUP BY pile.station_id
                 ORDER BY min({OFFER}), pile.station_id LIMIT {take} OFFSET {}",
                i64::try_from(skip).unwrap_or(i64::MAX)
            );
            let sql = search.sql("pile.station_id", &rest);
            self.identifiers(search.bound(&sql)).await?
        } else {
            self.stations_by_state(query, &words, by_state, now, skip, take).await?
        };
        ids.iter().map(|id| StationId::parse(id).map_err(|_| corrupt("station", id))).collect()
    }

    /// How many stations have piles that match.
    pub async fn count_stations(&self, query: &FindQuery, now: Timestamp) -> Result<u64, StoreError> {
        let search = Search { query: query.clone(), words: &self.words(&query.words).await?, now };
        let sql = search.sql("count(DISTINCT pile.station_id)", "");
        let (count,): (i64,) = search.bound(&sql).fetch_one(&self.pool).await?;
        Ok(count.unsigned_abs())
    }

    /// Stations by their best pile that matches, state by state and read off an index of stations; without a place.
    async fn stations_by_state(
        &self,
        query: &FindQuery,
        words: &[Word],
        by_state: &ByState,
        now: Timestamp,
        skip: u64,
        take: u64,
    ) -> Result<Vec<String>, StoreError> {
        // How many stations are passed over in a state is not known before they are read.
        let wanted = skip.saturating_add(take);
        let mut ids = Vec::new();
        let mut has_better = false;
        for (state, count) in State::ALL.into_iter().zip(by_state) {
            let left = i64::try_from(wanted - ids.len() as u64).unwrap_or(i64::MAX);
            if *count == 0 || left == 0 || !query.asks(state) {
                continue;
            }
            let query = FindQuery { state: Some(state), verified: false, ..query.clone() };
            let search = Search { query, words, now };
            let here = search.sql("pile.station_id", "AND pile.station_id IS NOT NULL");
            let is_first = if has_better {
                let better = search.in_any_state("pile.station_id");
                format!(
                    "WHERE NOT EXISTS (SELECT FROM ({better} AND {STATE} < $15) AS better WHERE better.station_id = here.station_id)"
                )
            } else {
                String::new()
            };
            let sql = format!(
                "SELECT DISTINCT station_id FROM ({here}) AS here {is_first} ORDER BY station_id LIMIT {left}"
            );
            ids.extend(self.identifiers(search.bound(&sql)).await?);
            has_better = true;
        }
        Ok(ids.split_off(ids.len().min(usize::try_from(skip).unwrap_or(usize::MAX))))
    }

    async fn identifiers(
        &self,
        query: QueryAs<'_, Postgres, (String,), PgArguments>,
    ) -> Result<Vec<String>, StoreError> {
        let rows = query.fetch_all(&self.pool).await?;
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

    /// Gives operators, stations and piles written by other hands, or by a former version, the text that they are found by: at most a batch
    /// of each. How many got theirs; none: all have.
    pub async fn complete_texts(&self) -> Result<usize, StoreError> {
        let operators: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT operator_id, name_zh, name_en FROM operator WHERE search IS NULL ORDER BY operator_id LIMIT $1",
        )
        .bind(STATIONS_AT_ONCE)
        .fetch_all(&self.pool)
        .await?;
        let texts = operators.iter().map(|(id, zh, en)| (id.as_str(), operator_text(zh, en)));
        self.write_search_texts("UPDATE operator SET search = given.search
                                 FROM unnest($1::text[], $2::text[]) AS given(id, search) WHERE operator_id = given.id AND operator.search IS NULL", texts)
            .await?;
        let stations: Vec<StationNames> = sqlx::query_as(
            "SELECT station_id, name_zh, name_en, address, region FROM station WHERE search IS NULL ORDER BY station_id LIMIT $1",
        )
        .bind(STATIONS_AT_ONCE)
        .fetch_all(&self.pool)
        .await?;
        let texts = stations.iter().map(|(id, zh, en, address, region)| {
            (id.as_str(), station_text(id, [zh, en], address.as_deref(), region.as_deref()))
        });
        self.write_search_texts("UPDATE station SET search = given.search
                                 FROM unnest($1::text[], $2::text[]) AS given(id, search) WHERE station_id = given.id AND station.search IS NULL", texts)
            .await?;
        let piles: Vec<String> =
            sqlx::query_scalar("SELECT pile_id FROM pile WHERE search IS NULL ORDER BY pile_no LIMIT $1")
                .bind(PILES_AT_ONCE)
                .fetch_all(&self.pool)
                .await?;
        let texts = piles.iter().map(|id| (id.as_str(), plain(id)));
        self.write_search_texts("UPDATE pile SET search = given.search
                                 FROM unnest($1::text[], $2::text[]) AS given(id, search) WHERE pile_id = given.id AND pile.search IS NULL", texts)
            .await?;
        Ok(operators.len() + stations.len() + piles.len())
    }

    /// Writes them where there is still none: what is registered in the meantime has its own, maybe of another name.
    async fn write_search_texts<'a>(
        &self,
        statement: &'static str,
        texts: impl Iterator<Item = (&'a str, String)>,
    ) -> Result<(), StoreError> {
        let (ids, texts): (Vec<&str>, Vec<String>) = texts.unzip();
        if ids.is_empty() {
            return Ok(());
        }
        sqlx::query(statement).bind(ids).bind(texts).execute(&self.pool).await?;
        Ok(())
    }
}
