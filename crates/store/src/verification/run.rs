//! Runs: claimed by one runner at a time, kept event by event in one numbering for runner and people.
//!
//! A runner may append only what follows everything that is stored: what people said meanwhile it must have taken in first, so
//! that the stored order of events is the order in which the run saw them.

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use serde_json::Value;
use sqlx::FromRow;
use sqlx::postgres::PgConnection;
use uuid::Uuid;
use veripile_verification::{Ending, Event, Taken};

use super::order::Row;
use super::{OrderRow, read, stored};
use crate::row::storable;
use crate::{Store, StoreError};

/// Events read at once; a run of a day's length has some tens of thousands.
pub const EVENTS_PAGE_MAX: i64 = 10_000;

/// Events of one run, at most: a run that goes on beyond it is stopped by its own patience long before.
const EVENTS_MAX: i64 = 1_000_000;

/// Key of the advisory lock under which runs are claimed: two claims at once could take one instrument twice.
const CLAIM_LOCK: i64 = 0x7665_7269_7275_6e73;

/// A run to be carried out.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// The order.
    pub row: OrderRow,
    /// Whether another runner began it.
    pub resumed: bool,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It is stored under this number.
    Done(i64),
    /// People said something since: take that in first.
    Behind,
    /// Another runner has the run, or it is over.
    Lost,
}

#[derive(FromRow)]
struct ClaimedRow {
    #[sqlx(flatten)]
    row: Row,
    was_running: bool,
}

#[derive(FromRow)]
struct Head {
    order_no: i64,
    state: String,
    runner: Option<Uuid>,
    last_seq: i64,
}

impl Store {
    /// Claims the oldest run of these piles that is queued, or whose runner has been silent for longer than its lease. A pile and an
    /// instrument take part in one run at a time.
    pub async fn claim_run(
        &self,
        runner: Uuid,
        piles: &[i64],
        now: Timestamp,
        lease: SignedDuration,
    ) -> Result<Option<Claimed>, StoreError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(CLAIM_LOCK).execute(&mut *transaction).await?;
        let claimed: Option<ClaimedRow> = sqlx::query_as(
            "WITH next AS (
                 SELECT order_no, state FROM verification_order o
                 WHERE pile_no = ANY($1) AND (state = 'queued' OR (state = 'running' AND lease_until < $2))
                   AND NOT EXISTS (
                     SELECT FROM verification_order other
                     WHERE other.state = 'running' AND other.order_no <> o.order_no
                       AND (other.pile_no = o.pile_no OR other.instruments && o.instruments))
                 ORDER BY order_no LIMIT 1)
             UPDATE verification_order o
             SET state = 'running', runner = $3, lease_until = $4, began_at = coalesce(o.began_at, $2)
             FROM next WHERE o.order_no = next.order_no
             RETURNING o.*, next.state = 'running' AS was_running",
        )
        .bind(piles)
        .bind(now.to_sqlx())
        .bind(runner)
        .bind((now + lease).to_sqlx())
        .fetch_optional(&mut *transaction)
        .await?;
        transaction.commit().await?;
        claimed
            .map(|claimed| Ok(Claimed { row: claimed.row.order()?, resumed: claimed.was_running }))
            .transpose()
    }

    /// Keeps a run; false if another runner has it, or it is over.
    pub async fn keep_run(
        &self,
        order_no: i64,
        runner: Uuid,
        now: Timestamp,
        lease: SignedDuration,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE verification_order SET lease_until = $3 WHERE order_no = $1 AND runner = $2 AND state = 'running'",
        )
        .bind(order_no)
        .bind(runner)
        .bind((now + lease).to_sqlx())
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Gives a run back, so that another runner may go on with it at once.
    pub async fn release_run(&self, order_no: i64, runner: Uuid, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE verification_order SET lease_until = $3 WHERE order_no = $1 AND runner = $2 AND state = 'running'",
        )
        .bind(order_no)
        .bind(runner)
        .bind((now - SignedDuration::from_secs(1)).to_sqlx())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Appends an event of a runner, with the reading that it completes and the end that it brings, in one transaction. `after` is the
    /// number of the newest event that the runner has taken in.
    #[expect(clippy::too_many_arguments, reason = "one transaction takes all of it")]
    pub async fn append_event(
        &self,
        order_no: i64,
        runner: Uuid,
        after: i64,
        event: &Event,
        taken: Option<&Taken>,
        ending: Option<&Ending>,
        now: Timestamp,
    ) -> Result<Appended, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let head: Option<Head> = sqlx::query_as(
            "SELECT order_no, state, runner, last_seq FROM verification_order WHERE order_no = $1 FOR UPDATE",
        )
        .bind(order_no)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(head) = head.filter(|head| head.state == "running" && head.runner == Some(runner)) else {
            return Ok(Appended::Lost);
        };
        if after != head.last_seq {
            return Ok(Appended::Behind);
        }
        let seq = insert(&mut transaction, &head, event).await?;
        if let Some(taken) = taken {
            sqlx::query(
                "INSERT INTO run_reading (order_no, seq, point, repeat, body) VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(order_no)
            .bind(seq)
            .bind(i32::try_from(taken.point).unwrap_or(i32::MAX))
            .bind(i32::try_from(taken.repeat).unwrap_or(i32::MAX))
            .bind(stored("reading", taken)?)
            .execute(&mut *transaction)
            .await?;
        }
        if let Some(ending) = ending {
            let state = if *ending == Ending::Measured { "measured" } else { "abandoned" };
            sqlx::query(
                "UPDATE verification_order SET state = $2, ended_at = $3, ending = $4, runner = NULL, lease_until = NULL
                 WHERE order_no = $1",
            )
            .bind(order_no)
            .bind(state)
            .bind(now.to_sqlx())
            .bind(stored("ending", ending)?)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(Appended::Done(seq))
    }

    /// Appends what a person said; its number, or none if the order takes nothing any more.
    pub async fn append_person_event(&self, number: &str, event: &Event) -> Result<Option<i64>, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let head: Option<Head> = sqlx::query_as(
            "SELECT order_no, state, runner, last_seq FROM verification_order
             WHERE number = $1 AND state IN ('ordered', 'queued', 'running', 'measured') FOR UPDATE",
        )
        .bind(storable(number))
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(head) = head.filter(|head| head.last_seq < EVENTS_MAX) else { return Ok(None) };
        let seq = insert(&mut transaction, &head, event).await?;
        transaction.commit().await?;
        self.runs.notify_one();
        Ok(Some(seq))
    }

    /// Events of a run after a number, in their order; at most [`EVENTS_PAGE_MAX`].
    pub async fn run_events(&self, order_no: i64, after: i64) -> Result<Vec<(i64, Event)>, StoreError> {
        let rows: Vec<(i64, Value)> = sqlx::query_as(
            "SELECT seq, body FROM run_event WHERE order_no = $1 AND seq > $2 ORDER BY seq LIMIT $3",
        )
        .bind(order_no)
        .bind(after)
        .bind(EVENTS_PAGE_MAX)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(|(seq, body)| Ok((seq, read("run event", body)?))).collect()
    }

    /// Every event of a run.
    pub async fn all_run_events(&self, order_no: i64) -> Result<Vec<Event>, StoreError> {
        let mut events = Vec::new();
        let mut after = 0;
        loop {
            let page = self.run_events(order_no, after).await?;
            let Some((last, _)) = page.last() else { return Ok(events) };
            after = *last;
            events.extend(page.into_iter().map(|(_, event)| event));
        }
    }

    /// What people recorded of an order, in its order: items and conditions; at most [`EVENTS_PAGE_MAX`], of which an order has some
    /// ten.
    pub async fn recorded_events(&self, order_no: i64) -> Result<Vec<Event>, StoreError> {
        let rows: Vec<Value> = sqlx::query_scalar(
            "SELECT body FROM run_event WHERE order_no = $1 AND body->>'event' IN ('item', 'conditions')
             ORDER BY seq DESC LIMIT $2",
        )
        .bind(order_no)
        .bind(EVENTS_PAGE_MAX)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().rev().map(|body| read("run event", body)).collect()
    }

    /// Waits until this process may have queued a run, or a person said something of one.
    pub async fn run_arrived(&self) {
        self.runs.notified().await;
    }
}

async fn insert(connection: &mut PgConnection, head: &Head, event: &Event) -> Result<i64, StoreError> {
    let seq = head.last_seq + 1;
    sqlx::query("INSERT INTO run_event (order_no, seq, at, body) VALUES ($1, $2, $3, $4)")
        .bind(head.order_no)
        .bind(seq)
        .bind(event.at.to_sqlx())
        .bind(stored("run event", event)?)
        .execute(&mut *connection)
        .await?;
    sqlx::query("UPDATE verification_order SET last_seq = $2 WHERE order_no = $1")
        .bind(head.order_no)
        .bind(seq)
        .execute(connection)
        .await?;
    Ok(seq)
}
