//! The database's clock, and what was taken in under moments that it has not reached.
//!
//! Called by `app::assess`. Moments of assessments only grow, so that one of the future would hold for every later one. Which clock is wrong is
//! not decided here.

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;

use crate::row::SqlTime;
use crate::{Store, StoreError};

/// What belongs to runs of the future and does not go with them, and evidence. Of what was taken in several times the last stays: it says what
/// is known now.
const BEFORE_RUNS: [&str; 10] = [
    "DELETE FROM verdict_change WHERE run_no IN (SELECT run_no FROM assessment_run WHERE as_of > $1)",
    "DELETE FROM estimate WHERE run_no IN (SELECT run_no FROM assessment_run WHERE as_of > $1)",
    "DELETE FROM evidence_charge e WHERE known_from > $1
       AND EXISTS (SELECT FROM evidence_charge later WHERE later.charge_no = e.charge_no AND later.known_from > e.known_from)",
    "UPDATE evidence_charge SET known_from = $1 WHERE known_from > $1",
    "DELETE FROM evidence_pile e WHERE known_from > $1
       AND EXISTS (SELECT FROM evidence_pile later WHERE later.pile_no = e.pile_no AND later.known_from > e.known_from)",
    "UPDATE evidence_pile SET known_from = $1 WHERE known_from > $1",
    "UPDATE evidence_act SET known_from = $1 WHERE known_from > $1",
    "UPDATE evidence_energy SET known_from = $1 WHERE known_from > $1",
    "UPDATE evidence_reference SET known_from = $1 WHERE known_from > $1",
    "UPDATE evidence_price SET known_from = $1 WHERE known_from > $1",
];

/// Errors by week of weeks that have not come.
const WEEKS: [&str; 2] =
    ["DELETE FROM weekly_error WHERE week > $1", "DELETE FROM error_step WHERE found_week > $1"];

impl Store {
    /// The time by the database's clock, and by how much this machine's is ahead of it, at least. An embedded database has this machine's.
    pub async fn time(&self) -> Result<(Timestamp, SignedDuration), StoreError> {
        if self.pool.options().get_max_connections() == 1 {
            return Ok((Timestamp::now(), SignedDuration::ZERO));
        }
        let mut connection = self.pool.acquire().await?;
        let before = Timestamp::now();
        let there: SqlTime =
            sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&mut *connection).await?;
        let (there, after) = (there.to_jiff(), Timestamp::now());
        Ok((there, ahead(before, there, after)))
    }

    /// Takes all that is known under moments after `now` for known now, and withdraws the runs of such moments, and errors of weeks after
    /// `week`. Gives how many runs. Whoever calls it assesses alone, and everything anew.
    pub async fn forget_future(&self, now: Timestamp, week: i32) -> Result<u64, StoreError> {
        let mut transaction = self.pool.begin().await?;
        for statement in BEFORE_RUNS {
            sqlx::query(statement).bind(now.to_sqlx()).execute(&mut *transaction).await?;
        }
        for statement in WEEKS {
            sqlx::query(statement).bind(week).execute(&mut *transaction).await?;
        }
        // What the filter knows of weeks is made anew from the beginning.
        sqlx::query("DELETE FROM filter_week").execute(&mut *transaction).await?;
        let runs = sqlx::query("DELETE FROM assessment_run WHERE as_of > $1")
            .bind(now.to_sqlx())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(runs.rows_affected())
    }
}

/// By how much a clock is ahead of another one that was asked between two of its moments: the answer was given at any time between them.
fn ahead(before: Timestamp, there: Timestamp, after: Timestamp) -> SignedDuration {
    if there < before {
        before.duration_since(there)
    } else if after < there {
        after.duration_since(there)
    } else {
        SignedDuration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_answer_makes_no_clock_wrong() {
        let at = |second| Timestamp::from_second(second).expect("in range");
        assert_eq!(ahead(at(100), at(110), at(120)), SignedDuration::ZERO);
        assert_eq!(ahead(at(100), at(40), at(120)), SignedDuration::from_secs(60));
        assert_eq!(ahead(at(100), at(150), at(120)), SignedDuration::from_secs(-30));
    }
}
