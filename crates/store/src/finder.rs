//! What a driver looks for: piles by name, kind, power, price, whether they are free, and how near they are.
//!
//! Called by `api::finder`. It judges nothing, and leaves the order by standing to its caller, since that depends on today.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use rust_decimal::Decimal;
use veripile_pile::{ConnectorType, OperatorId, PileKind, Place, StationId};

use crate::map::{PileRow, select_piles};
use crate::row::storable;
use crate::search::search_text;
use crate::{PileRecord, Store, StoreError};

/// Piles looked at for one list: all within half an hour's drive in the densest city.
pub const CANDIDATES_MAX: u32 = 5_000;

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
    /// Only around here, nearest first.
    pub near: Option<Place>,
}

/// What a station's card shows beside its piles.
#[derive(Debug, Clone, PartialEq)]
pub struct StationCard {
    /// Highest price of a kWh, CNY.
    pub fee_cny_kwh: Option<Decimal>,
    /// Telephone number of its service.
    pub phone: Option<String>,
}

impl Store {
    /// Piles that match, nearest first, else in the order of their identifiers; at most [`CANDIDATES_MAX`].
    pub async fn find_piles(&self, query: &FindQuery) -> Result<Vec<PileRecord>, StoreError> {
        let shorten = query.near.map_or(1.0, |near| near.lat.to_radians().cos().max(0.01));
        let rows: Vec<PileRow> = sqlx::query_as(select_piles!(
            "WHERE NOT EXISTS (SELECT FROM unnest($1::text[]) AS word
                               WHERE strpos(lower(pile.pile_id), word) = 0 AND strpos(coalesce(station.search, ''), word) = 0)
               AND ($2::text IS NULL OR coalesce(pile.operator_id, '-') = $2)
               AND ($3::text IS NULL OR pile.kind = $3)
               AND ($4::numeric IS NULL OR pile.power_kw >= $4)
               AND ($5::numeric IS NULL OR station.fee_cny_kwh <= $5)
               AND ($6::timestamptz IS NULL
                    OR connector.status = 'Available' AND greatest(live.last_seen, connector.status_at) > $6)
               AND ($7::float8 IS NULL OR (pile.lon BETWEEN $7 - $9 / $10 AND $7 + $9 / $10
                                           AND pile.lat BETWEEN $8 - $9 AND $8 + $9))
               AND ($12::text IS NULL OR $12 = ANY(pile.connectors))
               AND ($13::text IS NULL OR coalesce(station.region, '-') = $13)
               AND ($14::text IS NULL OR coalesce(live.vendor, '-') = $14)
               AND CASE $15
                   WHEN 'checked' THEN EXISTS (SELECT FROM act WHERE act.pile_no = pile.pile_no
                                               AND act.kind IN ('certificate', 'measured', 'notice'))
                   WHEN 'in_case' THEN standing.body ->> 'case' IS NOT NULL
                   WHEN 'committed' THEN operator.committed_on IS NOT NULL
                   ELSE true END
             ORDER BY CASE WHEN $7::float8 IS NULL THEN 0
                      ELSE power((pile.lon - $7) * $10, 2) + power(pile.lat - $8, 2) END, pile.pile_id
             LIMIT $11"
        ))
        .bind(query.words.iter().map(|word| storable(word).into_owned()).collect::<Vec<_>>())
        .bind(query.operator.as_ref().map(OperatorId::as_str))
        .bind(query.kind.map(PileKind::word))
        .bind(query.min_power_kw)
        .bind(query.max_fee_cny_kwh)
        .bind(query.free_since.map(ToSqlx::to_sqlx))
        .bind(query.near.map(|near| near.lon))
        .bind(query.near.map(|near| near.lat))
        .bind(NEAR_DEGREES)
        .bind(shorten)
        .bind(i64::from(CANDIDATES_MAX))
        .bind(query.connector.map(ConnectorType::word))
        .bind(query.region.as_deref().map(storable))
        .bind(query.maker.as_deref().map(storable))
        .bind(query.only.map(Only::word))
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(|row| Ok(row.record()?.0)).collect()
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

    /// Gives stations registered by a former version the text that they are found by.
    pub(crate) async fn complete_search_texts(&self) -> Result<(), StoreError> {
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
            let texts = rows.iter().map(|(_, zh, en, address)| search_text(zh, en, address.as_deref()));
            sqlx::query(
                "UPDATE station SET search = given.search FROM unnest($1::text[], $2::text[]) AS given(id, search)
                 WHERE station_id = given.id",
            )
            .bind(rows.iter().map(|(id, ..)| id.as_str()).collect::<Vec<_>>())
            .bind(texts.collect::<Vec<_>>())
            .execute(&self.pool)
            .await?;
        }
    }
}
