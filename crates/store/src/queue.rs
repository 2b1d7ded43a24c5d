//! What the regulator's queue asks: piles by strength of remote evidence, and the evidence behind one of them.
//!
//! Called by `api`. Reads only; nothing here is a verdict of an authority.

use std::collections::HashMap;

use veripile_pile::RemoteVerdict;

use crate::map::{PileRecord, PileRow, select_piles};
use crate::row::corrupt;
use crate::{Store, StoreError};

/// Most rows of each verdict on one page.
pub const QUEUE_ROWS_MAX: u32 = 200;

/// One row of the queue: a pile that has an estimate.
///
/// Order: grounded piles by falling probability of being outside the limit, then those not comparable.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueRow {
    /// The pile, with its estimate in `pile.standing.estimate`.
    pub pile: PileRecord,
    /// Days between the first and the last comparable charge.
    pub days: Option<f64>,
}

/// How many piles have a verdict, listed or not.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct QueueTotal {
    /// Piles.
    pub piles: i64,
    /// Sum of their probabilities to conform: how many of them are good, by expectation.
    pub expected_conform: f64,
}

impl Store {
    /// How many piles have each verdict.
    pub async fn queue_totals(&self) -> Result<HashMap<RemoteVerdict, QueueTotal>, StoreError> {
        let rows: Vec<(String, i64, Option<f64>)> = sqlx::query_as(
            "SELECT verdict, count(*), sum(probability_conform) FROM standing WHERE verdict IS NOT NULL GROUP BY verdict",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|(word, piles, expected)| {
                let verdict = RemoteVerdict::from_word(&word).ok_or_else(|| corrupt("verdict", &word))?;
                Ok((verdict, QueueTotal { piles, expected_conform: expected.unwrap_or_default() }))
            })
            .collect()
    }

    /// The queue: at most `limit` rows of each verdict, capped at [`QUEUE_ROWS_MAX`].
    pub async fn queue(&self, limit: u32) -> Result<Vec<QueueRow>, StoreError> {
        let rows: Vec<PileRow> = sqlx::query_as(select_piles!(
            "JOIN (SELECT pile_no, row_number() OVER (PARTITION BY verdict ORDER BY probability_conform, pile_no) AS place
                   FROM standing WHERE verdict IS NOT NULL) AS ranked USING (pile_no)
             WHERE ranked.place <= $1
             ORDER BY standing.probability_conform ASC NULLS LAST, pile.pile_id"
        ))
        .bind(i64::from(limit.min(QUEUE_ROWS_MAX)))
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                let (pile, _) = row.record()?;
                let period = pile.standing.estimate.as_ref().and_then(|estimate| estimate.period);
                let days = period.map(|(first, last)| last.duration_since(first).as_secs_f64() / 86_400.0);
                Ok(QueueRow { pile, days })
            })
            .collect()
    }
}
