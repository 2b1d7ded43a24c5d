//! Counts for the front page and for `/readyz`: how much of everything there is.

use jiff::Timestamp;

use crate::row::{SqlTime, jiff_time};
use crate::{Store, StoreError};

/// How much there is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Counts {
    /// Piles registered or seen.
    pub piles: i64,
    /// Piles connected now.
    pub connected: i64,
    /// Charges on record, ended or running.
    pub charges: i64,
    /// Estimates with a verdict conform, nonconform or undecided.
    pub scored: i64,
    /// Device time of the latest charge.
    pub latest_charge_at: Option<Timestamp>,
}

impl Store {
    /// Counts everything.
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        let (piles, connected, charges, scored, latest): (i64, i64, i64, i64, Option<SqlTime>) =
            sqlx::query_as(
                "SELECT (SELECT count(*) FROM pile),
                    (SELECT count(*) FROM pile_live WHERE connection IS NOT NULL),
                    (SELECT count(*) FROM charge),
                    (SELECT count(*) FROM standing WHERE verdict IN ('conform', 'nonconform', 'undecided')),
                    (SELECT max(ended_at) FROM charge)",
            )
            .fetch_one(&self.pool)
            .await?;
        Ok(Counts { piles, connected, charges, scored, latest_charge_at: jiff_time(latest) })
    }
}
