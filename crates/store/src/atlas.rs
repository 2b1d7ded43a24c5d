//! What map tiles are drawn from: every pile that has a place, with what the public is told of it.
//!
//! Called by `api::atlas`, page by page, so that no more than a page is held and no connection is kept. Reads only.

use jiff::Timestamp;
use rust_decimal::Decimal;
use sqlx::FromRow;
use sqlx::types::Json;
use veripile_pile::{PileKind, Place, Standing, State};

use crate::row::{SqlTime, corrupt, jiff_time};
use crate::{Store, StoreError};

/// Numbers of piles looked at in one query: some 10 MB, and a fraction of a second.
const ROWS_READ: i64 = 10_000;

/// A pile on the map.
#[derive(Debug, Clone, PartialEq)]
pub struct Spot {
    /// Identifier, as stored.
    pub pile_id: String,
    /// AC or DC.
    pub kind: PileKind,
    /// Rated power, kW.
    pub power_kw: Option<Decimal>,
    /// Where it stands.
    pub place: Place,
    /// Its public state when it was read.
    pub state: State,
    /// When its standing was judged.
    pub judged_at: Option<Timestamp>,
}

impl Store {
    /// Piles that have a place, after a number, and the number after which to go on; none at the end.
    pub async fn spots(&self, after: i64) -> Result<(Vec<Spot>, Option<i64>), StoreError> {
        // The range is said of each table: where only the piles' is, all of the others is read for every page.
        let upper = after.saturating_add(ROWS_READ);
        let rows: Vec<SpotRow> = sqlx::query_as(
            "SELECT pile.pile_id, pile.kind, pile.power_kw, pile.lon, pile.lat,
                    live.last_seen, standing.judged_at, standing.body
             FROM pile
             LEFT JOIN pile_live AS live ON live.pile_no = pile.pile_no AND live.pile_no > $1 AND live.pile_no <= $2
             LEFT JOIN standing ON standing.pile_no = pile.pile_no AND standing.pile_no > $1 AND standing.pile_no <= $2
             WHERE NOT pile.inbox AND pile.lon IS NOT NULL AND pile.lat IS NOT NULL
               AND pile.pile_no > $1 AND pile.pile_no <= $2",
        )
        .bind(after)
        .bind(upper)
        .fetch_all(&self.pool)
        .await?;
        // Numbers have gaps, which are passed over.
        let next: Option<i64> = sqlx::query_scalar("SELECT min(pile_no) - 1 FROM pile WHERE pile_no > $1")
            .bind(upper)
            .fetch_one(&self.pool)
            .await?;
        let now = Timestamp::now();
        let spots = rows.into_iter().map(|row| row.spot(now)).collect::<Result<_, _>>()?;
        Ok((spots, next))
    }
}

#[derive(FromRow)]
struct SpotRow {
    pile_id: String,
    kind: String,
    power_kw: Option<Decimal>,
    lon: f64,
    lat: f64,
    last_seen: Option<SqlTime>,
    judged_at: Option<SqlTime>,
    body: Option<Json<Standing>>,
}

impl SpotRow {
    fn spot(self, now: Timestamp) -> Result<Spot, StoreError> {
        let standing = self.body.map(|body| body.0).unwrap_or_default();
        Ok(Spot {
            pile_id: self.pile_id,
            kind: PileKind::from_word(&self.kind).ok_or_else(|| corrupt("kind", &self.kind))?,
            power_kw: self.power_kw,
            place: Place::new(self.lon, self.lat)
                .ok_or_else(|| corrupt("place", format!("{}, {}", self.lon, self.lat)))?,
            state: standing.state(now, jiff_time(self.last_seen)),
            judged_at: jiff_time(self.judged_at),
        })
    }
}
