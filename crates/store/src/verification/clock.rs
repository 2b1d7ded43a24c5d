//! A pile's clock, from its messages that bear its time and from the calls that it answered.
//!
//! Read by `api` when the clock is recorded. What the messages say is `veripile_verification::clock`'s to tell.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::FromRow;
use veripile_pile::PileId;
use veripile_verification::clock::{AGE_MAX, ClockPair, MESSAGES_MAX, MeasuredOffset};

use crate::row::SqlTime;
use crate::{Store, StoreError};

/// Calls of ours looked at for the shortest round trip, the newest: a run makes dozens, a readiness check some.
const CALLS_MAX: i64 = 64;

#[derive(FromRow)]
struct Stamped {
    time: SqlTime,
    received_at: SqlTime,
}

impl Store {
    /// The offset of a pile's clock as its newest messages tell it. None where none of them bore its time, or no call to it was answered
    /// from which the delay of its messages is known.
    pub async fn measured_offset(
        &self,
        pile_id: &PileId,
        now: Timestamp,
    ) -> Result<Option<MeasuredOffset>, StoreError> {
        let since = now - AGE_MAX;
        // A frame without a time of its own stands under the moment of its arrival, or at the epoch.
        let stamped: Vec<Stamped> = sqlx::query_as(
            "SELECT frame.time, frame.received_at FROM frame JOIN pile USING (pile_no)
             WHERE pile_id = $1 AND frame.received_at BETWEEN $2 AND $3 AND frame.action IS NOT NULL
               AND frame.time <> frame.received_at AND frame.time > 'epoch'
             ORDER BY frame.received_at DESC LIMIT $4",
        )
        .bind(pile_id.as_str())
        .bind(since.to_sqlx())
        .bind(now.to_sqlx())
        .bind(MESSAGES_MAX as i64)
        .fetch_all(&self.pool)
        .await?;
        let Some(newest) = stamped.first().map(|message| message.received_at.to_jiff()) else {
            return Ok(None);
        };
        let round_trip_ms: Option<i64> = sqlx::query_scalar(
            "SELECT ceil(extract(epoch FROM min(answer.received_at - asked.time)) * 1000)::bigint
             FROM (SELECT sent.pile_no, sent.time, sent.connection, sent.message_id FROM sent JOIN pile USING (pile_no)
                   WHERE pile_id = $1 AND sent.time BETWEEN $2 AND $3 AND sent.kind IN ('call', 'upstream_call')
                   ORDER BY sent.time DESC LIMIT $4) AS asked
             JOIN frame AS answer ON answer.pile_no = asked.pile_no AND answer.connection = asked.connection
                  AND answer.message_id = asked.message_id AND answer.action IS NULL
                  AND answer.received_at BETWEEN asked.time AND asked.time + interval '5 minutes'",
        )
        .bind(pile_id.as_str())
        .bind(since.to_sqlx())
        .bind(now.to_sqlx())
        .bind(CALLS_MAX)
        .fetch_one(&self.pool)
        .await?;
        let pair = |message: Stamped| ClockPair {
            device_ms: message.time.to_jiff().as_millisecond(),
            received_ms: message.received_at.to_jiff().as_millisecond(),
        };
        let pairs: Vec<ClockPair> = stamped.into_iter().map(pair).collect();
        Ok(round_trip_ms.and_then(|round_trip_ms| MeasuredOffset::of(&pairs, round_trip_ms, newest)))
    }
}
