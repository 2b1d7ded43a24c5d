//! What the regulator's queue asks: piles by strength of remote evidence, and the evidence behind one of them.
//!
//! Called by `api`. Reads only; nothing here is a verdict of an authority.

use crate::map::{PileRecord, PileRow, select_piles};
use crate::{Store, StoreError};

/// Most rows of the queue on one page.
pub const QUEUE_ROWS_MAX: u32 = 500;

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

impl Store {
    /// The queue: at most `limit` rows, capped at [`QUEUE_ROWS_MAX`].
    pub async fn queue(&self, limit: u32) -> Result<Vec<QueueRow>, StoreError> {
        let rows: Vec<PileRow> = sqlx::query_as(select_piles!(
            "WHERE standing.verdict IS NOT NULL
             ORDER BY standing.probability_conform ASC NULLS LAST, pile.pile_id LIMIT $1"
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
