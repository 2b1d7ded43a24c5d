//! Orders and their states.

use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};
use jiff_sqlx::ToSqlx;
use serde_json::Value;
use sqlx::FromRow;
use veripile_pile::{OperatorId, PileId};
use veripile_verification::{Ending, Order};

use super::{PAGE_MAX, read, stored};
use crate::pile_number::pile_number;
use crate::row::{SqlTime, corrupt, jiff_time, storable};
use crate::{Store, StoreError};

/// Orders are numbered by the year in China.
const SHANGHAI: Offset = Offset::constant(8);

/// Where an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderState {
    /// Made; items and conditions can be recorded.
    Ordered,
    /// To be carried out; waits for a runner that holds the pile's socket.
    Queued,
    /// Carried out now, or waiting for a runner to go on with it.
    Running,
    /// Everything is measured; waits for the reviewer.
    Measured,
    /// The document is made.
    Issued,
    /// Given up on the way.
    Abandoned,
    /// Called off.
    Cancelled,
}

impl OrderState {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Ordered,
        Self::Queued,
        Self::Running,
        Self::Measured,
        Self::Issued,
        Self::Abandoned,
        Self::Cancelled,
    ];

    /// The word used in database, addresses and texts.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ordered => "ordered",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Measured => "measured",
            Self::Issued => "issued",
            Self::Abandoned => "abandoned",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads [`Self::word`] back.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// An order as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderRow {
    /// Its number in the database.
    pub order_no: i64,
    /// Of which pile.
    pub pile_no: i64,
    /// What was ordered.
    pub order: Order,
    /// Where it is.
    pub state: OrderState,
    /// When it was made.
    pub made_at: Timestamp,
    /// When a runner first took it up.
    pub began_at: Option<Timestamp>,
    /// When its run ended.
    pub ended_at: Option<Timestamp>,
    /// How.
    pub ending: Option<Ending>,
    /// Why it was called off, and by whom.
    pub note: Option<String>,
    /// Until when a runner has it.
    pub lease_until: Option<Timestamp>,
}

impl OrderRow {
    /// Whether it runs, but nobody has carried it on lately.
    pub fn is_left_alone(&self, now: Timestamp) -> bool {
        self.state == OrderState::Running && self.lease_until.is_none_or(|until| until < now)
    }
}

/// Which orders.
#[derive(Debug, Clone, Default)]
pub struct VerificationQuery {
    /// In this state.
    pub state: Option<OrderState>,
    /// Of this pile.
    pub pile: Option<PileId>,
    /// Of piles of this operator.
    pub scope: Option<OperatorId>,
    /// Older than this one.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: u32,
}

impl Store {
    /// Keeps an order and gives it its number, `VP{year}-{number}`.
    pub async fn make_verification(&self, mut order: Order, now: Timestamp) -> Result<Order, StoreError> {
        let pile_no = pile_number(&self.pool, &order.plate.pile_id).await?;
        let order_no: i64 =
            sqlx::query_scalar("SELECT nextval(pg_get_serial_sequence('verification_order', 'order_no'))")
                .fetch_one(&self.pool)
                .await?;
        let year = Zoned::new(now, TimeZone::fixed(SHANGHAI)).year();
        order.number = format!("VP{year}-{order_no:06}");
        let instruments: Vec<&str> =
            order.instruments.iter().map(|instrument| instrument.instrument_id.as_str()).collect();
        sqlx::query(
            "INSERT INTO verification_order (order_no, number, pile_no, state, instruments, body, made_at)
             VALUES ($1, $2, $3, 'ordered', $4, $5, $6)",
        )
        .bind(order_no)
        .bind(&order.number)
        .bind(pile_no)
        .bind(&instruments)
        .bind(stored("order", &order)?)
        .bind(now.to_sqlx())
        .execute(&self.pool)
        .await?;
        Ok(order)
    }

    /// Orders, newest first.
    pub async fn verifications(&self, query: &VerificationQuery) -> Result<Vec<OrderRow>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT o.* FROM verification_order o JOIN pile USING (pile_no)
             WHERE ($1::text IS NULL OR o.state = $1) AND ($2::text IS NULL OR pile.pile_id = $2)
               AND ($3::text IS NULL OR pile.operator_id = $3) AND ($4::bigint IS NULL OR o.order_no < $4)
             ORDER BY o.order_no DESC LIMIT $5",
        )
        .bind(query.state.map(OrderState::word))
        .bind(query.pile.as_ref().map(PileId::as_str))
        .bind(query.scope.as_ref().map(OperatorId::as_str))
        .bind(query.before)
        .bind(i64::from(query.limit.min(PAGE_MAX)))
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Row::order).collect()
    }

    /// An order by its number.
    pub async fn verification(&self, number: &str) -> Result<Option<OrderRow>, StoreError> {
        let row: Option<Row> = sqlx::query_as("SELECT * FROM verification_order WHERE number = $1")
            .bind(storable(number))
            .fetch_optional(&self.pool)
            .await?;
        row.map(Row::order).transpose()
    }

    /// Gives an order to the runners; whether it was waiting for that.
    pub async fn queue_run(&self, number: &str) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE verification_order SET state = 'queued' WHERE number = $1 AND state = 'ordered'",
        )
        .bind(storable(number))
        .execute(&self.pool)
        .await?;
        self.runs.notify_one();
        Ok(done.rows_affected() > 0)
    }

    /// Calls an order off that nobody carries out; whether it could be. A run counts as such once its runner has been silent for longer
    /// than its lease: that of a pile that never comes back would stay for ever.
    pub async fn cancel_verification(
        &self,
        number: &str,
        person: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE verification_order SET state = 'cancelled', ended_at = $3, note = $2
             WHERE number = $1
               AND (state IN ('ordered', 'queued', 'measured') OR (state = 'running' AND lease_until < $3))",
        )
        .bind(storable(number))
        .bind(storable(&format!("{person}: {reason}")))
        .bind(now.to_sqlx())
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() > 0)
    }
}

#[derive(FromRow)]
pub(super) struct Row {
    pub(super) order_no: i64,
    pile_no: i64,
    state: String,
    body: Value,
    made_at: SqlTime,
    began_at: Option<SqlTime>,
    ended_at: Option<SqlTime>,
    ending: Option<Value>,
    note: Option<String>,
    lease_until: Option<SqlTime>,
}

impl Row {
    pub(super) fn order(self) -> Result<OrderRow, StoreError> {
        Ok(OrderRow {
            order_no: self.order_no,
            pile_no: self.pile_no,
            order: read("order", self.body)?,
            state: OrderState::from_word(&self.state).ok_or_else(|| corrupt("order state", &self.state))?,
            made_at: self.made_at.to_jiff(),
            began_at: jiff_time(self.began_at),
            ended_at: jiff_time(self.ended_at),
            ending: self.ending.map(|ending| read("ending", ending)).transpose()?,
            note: self.note,
            lease_until: jiff_time(self.lease_until),
        })
    }
}
