//! What was looked at, found and promised, counted by district, operator and maker: the columns of the national notice.
//!
//! Called by `api::stats`. It judges nothing: it counts what standings and acts say at a moment, states as [`crate::state`] has them.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use sqlx::FromRow;
use sqlx::postgres::PgConnection;
use veripile_pile::OperatorId;

use crate::checked::tells_of_check;
use crate::{Store, StoreError};

/// Groups told of one table, those with most piles: more than the nation has districts (some 2,850) or operators.
pub const ROWS_MAX: i64 = 5_000;

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
    /// [`GroupBy::word`].
    pub by: String,
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
    /// Piles that were checked on site at least once, as far as the public is told.
    pub checked_piles: i64,
    /// Piles that are failed, publicly.
    pub failed: i64,
    /// Piles with a case open.
    pub cases: i64,
    /// Operators who have committed themselves.
    pub commitments: i64,
    /// Groups there are of this kind, told or not.
    pub groups: i64,
}

/// The groups by one thing in common, with their names.
macro_rules! tally {
    ($by:literal, $zh:literal, $en:literal) => {
        concat!(
            "(SELECT '", $by, "' AS by, CASE '", $by, "' WHEN 'region' THEN region WHEN 'maker' THEN vendor ELSE coalesce(operator_id, '-') END AS key,
                     coalesce(min(", $zh, "), '-') AS name_zh, coalesce(min(", $en, "), '-') AS name_en, sum(piles)::bigint AS piles,
                     count(DISTINCT operator_id) FILTER (WHERE checked > 0) AS checked_operators,
                     sum(checked)::bigint AS checked_piles, sum(failed)::bigint AS failed, sum(cases)::bigint AS cases,
                     count(DISTINCT operator_id) FILTER (WHERE operator.committed_on IS NOT NULL) AS commitments,
                     count(*) OVER () AS groups
              FROM counted LEFT JOIN operator USING (operator_id)
              GROUP BY 2 ORDER BY piles DESC, key LIMIT $2)"
        )
    };
}

/// Counts of what piles have in common, all groups from one reading of them.
const COUNTED: &str = concat!(
    "WITH counted AS MATERIALIZED (
         SELECT coalesce(station.region, '-') AS region, pile.operator_id, coalesce(live.vendor, '-') AS vendor, count(*) AS piles,
                count(checked.pile_no) AS checked,
                count(*) FILTER (WHERE standing.failed_after < $1) AS failed,
                count(*) FILTER (WHERE standing.failed_after IS NOT NULL) AS cases
         FROM pile
         LEFT JOIN station USING (station_id)
         LEFT JOIN pile_live AS live USING (pile_no)
         LEFT JOIN standing USING (pile_no)
         LEFT JOIN (SELECT DISTINCT act.pile_no FROM act JOIN pile USING (pile_no) LEFT JOIN standing USING (pile_no)
                    WHERE ",
    tells_of_check!("$1"),
    ") AS checked USING (pile_no)
         WHERE NOT pile.inbox GROUP BY 1, 2, 3) ",
    tally!("region", "region", "region"),
    " UNION ALL ",
    tally!("operator", "operator.name_zh", "operator.name_en"),
    " UNION ALL ",
    tally!("maker", "vendor", "vendor")
);

impl Store {
    /// Counts of every group, those with most piles first.
    pub async fn tallies(&self, now: Timestamp) -> Result<Vec<(GroupBy, Vec<Tally>)>, StoreError> {
        let rows: Vec<Tally> =
            sqlx::query_as(COUNTED).bind(now.to_sqlx()).bind(ROWS_MAX).fetch_all(&self.pool).await?;
        let of = |by: GroupBy| rows.iter().filter(|tally| tally.by == by.word()).cloned().collect();
        Ok(GroupBy::ALL.map(|by| (by, of(by))).to_vec())
    }

    /// Notes on which day operators committed themselves. Fails if one is not registered, and then notes none.
    pub async fn note_commitments(&self, commitments: &[(OperatorId, Date)]) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        write_commitments(&mut transaction, commitments).await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// Writes commitments; see [`Store::note_commitments`].
pub(crate) async fn write_commitments(
    connection: &mut PgConnection,
    commitments: &[(OperatorId, Date)],
) -> Result<(), StoreError> {
    for (operator_id, day) in commitments {
        let done = sqlx::query("UPDATE operator SET committed_on = $2 WHERE operator_id = $1")
            .bind(operator_id.as_str())
            .bind(day.to_sqlx())
            .execute(&mut *connection)
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Unknown(format!("operator {operator_id}")));
        }
    }
    Ok(())
}
