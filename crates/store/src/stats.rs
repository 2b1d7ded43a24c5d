//! Counts for the front page and for `/readyz`: how much of everything there is.

use std::time::Duration;

use jiff::Timestamp;

use crate::row::{SqlTime, jiff_time};
use crate::{Store, StoreError};

/// Three heartbeats of the interval that boots are answered with.
const CONNECTED_WITHIN: Duration = Duration::from_mins(15);

/// How much there is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Counts {
    /// Piles registered or seen; as everything here, without those that wait in the inbox.
    pub piles: i64,
    /// Piles connected now: a connection is noted, and something was heard within a quarter of an hour (a server that was
    /// killed notes no end of its connections).
    pub connected: i64,
    /// Charges on record, ended or running, of chargers that had proved who they are.
    pub charges: i64,
    /// Estimates with a verdict conform, nonconform or undecided.
    pub scored: i64,
    /// Device time of the latest charge; no clock that is ahead says that there are data of tomorrow.
    pub latest_charge_at: Option<Timestamp>,
}

impl Store {
    /// Counts everything.
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        let (piles, connected, charges, scored, latest): (i64, i64, i64, i64, Option<SqlTime>) =
            sqlx::query_as(
                "SELECT told.piles, told.connected, told.charges,
                    (SELECT count(*) FROM standing JOIN pile USING (pile_no)
                      WHERE NOT inbox AND verdict IN ('conform', 'nonconform', 'undecided')),
                    (SELECT ended_at FROM charge JOIN pile USING (pile_no)
                      WHERE ended_at <= now() AND NOT inbox AND NOT 'unproven' = ANY(marks) ORDER BY ended_at DESC LIMIT 1)
                 FROM (SELECT count(*) AS piles,
                              count(*) FILTER (WHERE connection IS NOT NULL
                                               AND last_seen > now() - make_interval(secs => $1)) AS connected,
                              coalesce(sum(charges - unproven_charges), 0)::bigint AS charges
                       FROM pile LEFT JOIN pile_live USING (pile_no) WHERE NOT inbox) AS told",
            )
            .bind(CONNECTED_WITHIN.as_secs_f64())
            .fetch_one(&self.pool)
            .await?;
        Ok(Counts { piles, connected, charges, scored, latest_charge_at: jiff_time(latest) })
    }
}
