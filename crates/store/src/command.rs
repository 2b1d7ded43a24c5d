//! Commands: what somebody asked of a charger, and its answer beside it.
//!
//! The console orders; the gateway that holds the charger's socket claims, sends and notes the answer. One that nobody could
//! send in time expires. A claim is taken once: an order is never sent twice, rather not at all.

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use serde_json::Value;
use sqlx::FromRow;
use veripile_pile::PileId;

use crate::pile_number::pile_number;
use crate::row::{SqlTime, jiff_time, storable};
use crate::{Store, StoreError};

/// An order waits so long for its charger to be connected.
pub(crate) const WAITS: SignedDuration = SignedDuration::from_mins(5);

/// Orders waiting for one pile; beyond it new ones are refused.
const WAITING_MAX: i64 = 64;

/// Orders claimed at once.
const CLAIM_MAX: i64 = 100;

/// Commands on one page, the newest.
const PAGE_MAX: i64 = 50;

/// A command, as the console lists it.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandRow {
    /// Its number.
    pub command_no: i64,
    /// The call, as `ocpp` spells it.
    pub call: Value,
    /// Who asked.
    pub person: String,
    /// When.
    pub asked_at: Timestamp,
    /// When it was sent.
    pub sent_at: Option<Timestamp>,
    /// When it was answered, or given up.
    pub answered_at: Option<Timestamp>,
    /// `accepted`, `refused`, `error`, `late`, `gone`, `unspeakable`, `busy`, `expired`; none while it waits.
    pub outcome: Option<String>,
    /// The answer, or what went wrong.
    pub answer: Option<String>,
}

/// A command to be sent.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct Claimed {
    /// Its number.
    pub command_no: i64,
    /// For which pile.
    pub pile_no: i64,
    /// The call.
    pub call: Value,
}

impl Store {
    /// Orders a call; its number, or none if too many are waiting for this pile already.
    pub async fn order(
        &self,
        pile_id: &PileId,
        call: &Value,
        person: &str,
        now: Timestamp,
    ) -> Result<Option<i64>, StoreError> {
        let pile_no = pile_number(&self.pool, pile_id).await?;
        let number = sqlx::query_scalar(
            "INSERT INTO command (pile_no, call, person, asked_at, expires_at)
             SELECT $1, $2, $3, $4, $5
             WHERE (SELECT count(*) FROM command WHERE pile_no = $1 AND sent_at IS NULL AND outcome IS NULL) < $6
             RETURNING command_no",
        )
        .bind(pile_no)
        .bind(call)
        .bind(person)
        .bind(now.to_sqlx())
        .bind((now + WAITS).to_sqlx())
        .bind(WAITING_MAX)
        .fetch_optional(&self.pool)
        .await?;
        self.orders.notify_one();
        Ok(number)
    }

    /// Waits until something may have been ordered through this process.
    pub async fn order_arrived(&self) {
        self.orders.notified().await;
    }

    /// Claims the orders that wait for these piles; those that waited too long expire.
    pub async fn claim_commands(&self, piles: &[i64], now: Timestamp) -> Result<Vec<Claimed>, StoreError> {
        sqlx::query(
            "UPDATE command SET outcome = 'expired', answered_at = $1, call = call - 'token'
             WHERE sent_at IS NULL AND outcome IS NULL AND expires_at < $1",
        )
        .bind(now.to_sqlx())
        .execute(&self.pool)
        .await?;
        let claimed = sqlx::query_as(
            "WITH claimed AS (
                 SELECT command_no, pile_no, call FROM command
                 WHERE pile_no = ANY($1) AND sent_at IS NULL AND outcome IS NULL
                 ORDER BY command_no LIMIT $3 FOR UPDATE SKIP LOCKED),
             taken AS (
                 -- The card of a start is needed no longer than until it is sent.
                 UPDATE command SET sent_at = $2, call = command.call - 'token' FROM claimed
                 WHERE command.command_no = claimed.command_no
                 RETURNING claimed.command_no, claimed.pile_no, claimed.call)
             SELECT * FROM taken ORDER BY command_no",
        )
        .bind(piles)
        .bind(now.to_sqlx())
        .bind(CLAIM_MAX)
        .fetch_all(&self.pool)
        .await?;
        Ok(claimed)
    }

    /// Notes what became of a command.
    pub async fn command_answered(
        &self,
        command_no: i64,
        message_id: Option<&str>,
        outcome: &str,
        answer: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE command SET message_id = $2, outcome = $3, answer = $4, answered_at = $5 WHERE command_no = $1",
        )
        .bind(command_no)
        .bind(message_id)
        .bind(outcome)
        .bind(storable(answer))
        .bind(now.to_sqlx())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The newest commands to a pile.
    pub async fn commands(&self, pile_id: &PileId) -> Result<Vec<CommandRow>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT command_no, call, person, asked_at, sent_at, answered_at, outcome, answer FROM command
             WHERE pile_no = (SELECT pile_no FROM pile WHERE pile_id = $1) ORDER BY command_no DESC LIMIT $2",
        )
        .bind(pile_id.as_str())
        .bind(PAGE_MAX)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(Row::command).collect())
    }
}

#[derive(FromRow)]
struct Row {
    command_no: i64,
    call: Value,
    person: String,
    asked_at: SqlTime,
    sent_at: Option<SqlTime>,
    answered_at: Option<SqlTime>,
    outcome: Option<String>,
    answer: Option<String>,
}

impl Row {
    fn command(self) -> CommandRow {
        CommandRow {
            command_no: self.command_no,
            call: self.call,
            person: self.person,
            asked_at: self.asked_at.to_jiff(),
            sent_at: jiff_time(self.sent_at),
            answered_at: jiff_time(self.answered_at),
            outcome: self.outcome,
            answer: self.answer,
        }
    }
}
