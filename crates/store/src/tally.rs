//! What was looked at, found and promised, counted by district, operator and maker: the columns of the national notice.
//!
//! Called by `api::stats`. It judges nothing: it counts what standings and acts say at a moment, states as [`crate::state`] has them.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use sqlx::FromRow;
use veripile_pile::OperatorId;

use crate::state::state_at;
use crate::{Store, StoreError};

/// Rows of one table, those with most piles: a province has a hundred districts.
pub const ROWS_MAX: i64 = 200;

/// What stands for "nobody said" in an address.
pub const NONE: &str = "-";

/// What piles are put together by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupBy {
    /// District or county of the station.
    Region,
    /// Operator.
    Operator,
    /// Maker of the pile, as its boot message says.
    Maker,
}

impl GroupBy {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Region, Self::Operator, Self::Maker];

    /// Name of the parameter that asks for the piles of one group.
    pub fn word(self) -> &'static str {
        match self {
            Self::Region => "region",
            Self::Operator => "operator",
            Self::Maker => "maker",
        }
    }
}

/// Counts of one group.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Tally {
    /// What asks for its piles; [`NONE`] where nobody said.
    pub key: String,
    /// Its name in Chinese.
    pub name_zh: String,
    /// Its name in English.
    pub name_en: String,
    /// Piles there are.
    pub piles: i64,
    /// Operators of whom a pile was checked on site.
    pub checked_operators: i64,
    /// Piles that were checked on site at least once.
    pub checked_piles: i64,
    /// Piles that are failed, publicly.
    pub failed: i64,
    /// Piles with a case open.
    pub cases: i64,
    /// Operators who have committed themselves.
    pub commitments: i64,
}

/// A count by a key and its names.
macro_rules! tally {
    ($key:literal, $zh:literal, $en:literal) => {
        concat!(
            "SELECT coalesce(", $key, ", '-') AS key, coalesce(min(", $zh, "), '-') AS name_zh,
                    coalesce(min(", $en, "), '-') AS name_en, count(*) AS piles,
                    count(DISTINCT pile.operator_id) FILTER (WHERE checked.pile_no IS NOT NULL) AS checked_operators,
                    count(checked.pile_no) AS checked_piles,
                    count(*) FILTER (WHERE ", state_at!("$1"), " = 4) AS failed,
                    count(*) FILTER (WHERE standing.body ->> 'case' IS NOT NULL) AS cases,
                    count(DISTINCT pile.operator_id) FILTER (WHERE operator.committed_on IS NOT NULL) AS commitments
             FROM pile
             LEFT JOIN station USING (station_id)
             LEFT JOIN operator ON operator.operator_id = pile.operator_id
             LEFT JOIN pile_live AS live USING (pile_no)
             LEFT JOIN standing USING (pile_no)
             LEFT JOIN (SELECT DISTINCT pile_no FROM act WHERE kind IN ('certificate', 'measured', 'notice')) AS checked
                    USING (pile_no)
             WHERE NOT pile.inbox GROUP BY 1 ORDER BY piles DESC, key LIMIT $2"
        )
    };
}

impl Store {
    /// Counts of every group, those with most piles first.
    pub async fn tally(&self, by: GroupBy, now: Timestamp) -> Result<Vec<Tally>, StoreError> {
        let query = match by {
            GroupBy::Region => tally!("station.region", "station.region", "station.region"),
            GroupBy::Operator => tally!("pile.operator_id", "operator.name_zh", "operator.name_en"),
            GroupBy::Maker => tally!("live.vendor", "live.vendor", "live.vendor"),
        };
        Ok(sqlx::query_as(query).bind(now.to_sqlx()).bind(ROWS_MAX).fetch_all(&self.pool).await?)
    }

    /// Notes on which day operators committed themselves. Fails if one is not registered, and then notes none.
    pub async fn note_commitments(&self, commitments: &[(OperatorId, Date)]) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        for (operator_id, day) in commitments {
            let done = sqlx::query("UPDATE operator SET committed_on = $2 WHERE operator_id = $1")
                .bind(operator_id.as_str())
                .bind(day.to_sqlx())
                .execute(&mut *transaction)
                .await?;
            if done.rows_affected() == 0 {
                return Err(StoreError::Unknown(format!("operator {operator_id}")));
            }
        }
        transaction.commit().await?;
        Ok(())
    }
}
