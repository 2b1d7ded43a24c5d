//! Attempts to connect, let in or not: what an operator looks at when a charger does not come up.
//!
//! Written by the gateway, bounded: one row for each identity, reason, address and offer, counted.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::FromRow;

use crate::row::{SqlTime, storable};
use crate::{Store, StoreError};

/// Rows kept; beyond it the oldest go. Whoever knocks with made-up identities must not fill the disk.
const ROWS_MAX: i64 = 100_000;

/// Rows on one page.
const PAGE_MAX: i64 = 200;

/// Longest text kept of what somebody else chose.
const TEXT_CHARS_MAX: usize = 200;

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Identity as it stood in the address, decoded.
    pub identity: String,
    /// `connected`, or the code of the refusal.
    pub reason: String,
    /// From where, without the port.
    pub address: String,
    /// Sub-protocols offered.
    pub offered: String,
    /// Particulars, and what to do next.
    pub detail: String,
    /// When.
    pub at: Timestamp,
}

/// Attempts of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRow {
    /// The last of them.
    pub last: Attempt,
    /// How many there were.
    pub attempts: i64,
    /// When the first was.
    pub first_at: Timestamp,
}

impl Store {
    /// Notes attempts, in one statement; of each kind only the count and the last are kept.
    pub async fn note_attempts(&self, attempts: &[Attempt]) -> Result<(), StoreError> {
        let column = |pick: fn(&Attempt) -> &str| -> Vec<String> {
            attempts.iter().map(|attempt| cut(pick(attempt))).collect()
        };
        sqlx::query(
            "INSERT INTO attempt (identity, reason, address, offered, detail, attempts, first_at, last_at)
             SELECT identity, reason, address, offered, max(detail), count(*), min(at), max(at)
             FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
                  AS a(identity, reason, address, offered, detail, at)
             GROUP BY identity, reason, address, offered
             ON CONFLICT (identity, reason, address, offered) DO UPDATE SET
                 detail = excluded.detail, attempts = attempt.attempts + excluded.attempts,
                 last_at = greatest(attempt.last_at, excluded.last_at)",
        )
        .bind(column(|attempt| &attempt.identity))
        .bind(column(|attempt| &attempt.reason))
        .bind(column(|attempt| &attempt.address))
        .bind(column(|attempt| &attempt.offered))
        .bind(column(|attempt| &attempt.detail))
        .bind(attempts.iter().map(|attempt| attempt.at.to_sqlx()).collect::<Vec<_>>())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Forgets the oldest attempts beyond the limit.
    pub async fn trim_attempts(&self) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM attempt WHERE last_at < (SELECT last_at FROM attempt ORDER BY last_at DESC OFFSET $1 LIMIT 1)",
        )
        .bind(ROWS_MAX)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The newest attempts, of one identity or of all, at most a page.
    pub async fn attempts(&self, identity: Option<&str>) -> Result<Vec<AttemptRow>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT identity, reason, address, offered, detail, attempts, first_at, last_at FROM attempt
             WHERE $1::text IS NULL OR identity = $1 ORDER BY last_at DESC LIMIT $2",
        )
        .bind(identity.map(storable))
        .bind(PAGE_MAX)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(Row::row).collect())
    }
}

fn cut(text: &str) -> String {
    storable(text).chars().take(TEXT_CHARS_MAX).collect()
}

#[derive(FromRow)]
struct Row {
    identity: String,
    reason: String,
    address: String,
    offered: String,
    detail: String,
    attempts: i64,
    first_at: SqlTime,
    last_at: SqlTime,
}

impl Row {
    fn row(self) -> AttemptRow {
        let Self { identity, reason, address, offered, detail, attempts, first_at, last_at } = self;
        let last = Attempt { identity, reason, address, offered, detail, at: last_at.to_jiff() };
        AttemptRow { last, attempts, first_at: first_at.to_jiff() }
    }
}
