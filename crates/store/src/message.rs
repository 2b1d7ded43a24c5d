//! The message log of one pile: each call with its answer, whoever called whom.
//!
//! Read from `frame` and `sent`, paired by connection and message id within a few minutes. Reads only.

use jiff::Timestamp;
use sqlx::FromRow;

use crate::row::{SqlTime, asked_time, jiff_time};
use crate::{Store, StoreError};

/// Exchanges on one page.
pub const PAGE_MAX: i64 = 100;

/// Exchanges in one export.
pub const EXPORT_MAX: i64 = 20_000;

/// Which exchanges.
#[derive(Debug, Clone, Copy, Default)]
pub struct MessageFilter<'a> {
    /// Only this action of the charger's; with one, calls to the charger are left out.
    pub action: Option<&'a str>,
    /// Only those with marks.
    pub marked: bool,
    /// Only those before this moment.
    pub before: Option<Timestamp>,
}

/// A call and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// `charger`, `call` (ours) or `upstream_call`: who called; `unreadable`: no OCPP.
    pub caller: String,
    /// When the call came, or went.
    pub at: Timestamp,
    /// The call's text, identities replaced.
    pub body: String,
    /// What is wrong with it.
    pub marks: Vec<String>,
    /// When it was answered.
    pub answered_at: Option<Timestamp>,
    /// The answer's text.
    pub answer: Option<String>,
}

#[derive(FromRow)]
struct Row {
    caller: String,
    at: SqlTime,
    body: String,
    marks: Option<Vec<String>>,
    answered_at: Option<SqlTime>,
    answer: Option<String>,
}

const EXCHANGES: &str = "
SELECT * FROM (
    SELECT CASE WHEN f.action IS NULL THEN 'unreadable' ELSE 'charger' END AS caller, f.received_at AS at, f.body, f.marks,
           s.time AS answered_at, s.body AS answer
    FROM frame AS f
    LEFT JOIN LATERAL (
        SELECT time, body FROM sent
        WHERE sent.pile_no = f.pile_no AND sent.time >= f.received_at AND sent.time < f.received_at + interval '5 minutes'
          AND sent.connection = f.connection AND sent.message_id IS NOT DISTINCT FROM f.message_id
          AND sent.kind IN ('answer', 'upstream_answer')
        ORDER BY sent.time LIMIT 1) AS s ON true
    WHERE f.pile_no = $1 AND f.received_at < $2 AND ($3::text IS NULL OR f.action = $3) AND (NOT $4 OR f.marks IS NOT NULL)
      AND (f.action IS NOT NULL OR 'bad_shape' = ANY(f.marks))
    ORDER BY f.received_at DESC LIMIT $5) AS told
UNION ALL
SELECT * FROM (
    SELECT c.kind AS caller, c.time AS at, c.body, NULL::text[] AS marks, f.received_at AS answered_at, f.body AS answer
    FROM sent AS c
    LEFT JOIN LATERAL (
        SELECT received_at, body FROM frame
        WHERE frame.pile_no = c.pile_no AND frame.received_at >= c.time AND frame.received_at < c.time + interval '5 minutes'
          AND frame.connection = c.connection AND frame.message_id = c.message_id AND frame.action IS NULL
        ORDER BY frame.received_at LIMIT 1) AS f ON true
    WHERE c.pile_no = $1 AND c.time < $2 AND c.kind IN ('call', 'upstream_call') AND $3::text IS NULL AND NOT $4
    ORDER BY c.time DESC LIMIT $5) AS asked
ORDER BY at DESC LIMIT $5";

impl Store {
    /// Exchanges with a pile, newest first, at most `limit`.
    pub async fn messages(
        &self,
        pile_no: i64,
        filter: MessageFilter<'_>,
        limit: i64,
    ) -> Result<Vec<Exchange>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(EXCHANGES)
            .bind(pile_no)
            .bind(asked_time(filter.before.unwrap_or(FAR)))
            .bind(filter.action)
            .bind(filter.marked)
            .bind(limit.min(EXPORT_MAX + 1))
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(Row::exchange).collect())
    }
}

/// Later than anything, and within what the database holds: the year 2286.
const FAR: Timestamp = Timestamp::constant(9_999_999_999, 0);

impl Row {
    fn exchange(self) -> Exchange {
        Exchange {
            caller: self.caller,
            at: self.at.to_jiff(),
            body: self.body,
            marks: self.marks.unwrap_or_default(),
            answered_at: jiff_time(self.answered_at),
            answer: self.answer,
        }
    }
}
