//! What operators reply to cases, and where cases are open, for those who may reply.
//!
//! Called by `veripile case`, the operators' pages and the public ones. Whether a reply may be taken is judged by `veripile_pile::case::reply`,
//! when it is public by `api`; here it is kept, and never changed.

use jiff_sqlx::ToSqlx;
use sqlx::FromRow;
use sqlx::postgres::PgConnection;
use veripile_pile::case::reply::{self, REPLIES_MAX, Reply, ReplyBy, ReplyRefusal};
use veripile_pile::{OpenCase, OperatorId, PileId};

use crate::pile_number::hold_pile;
use crate::registration::acts_of;
use crate::row::{SqlTime, corrupt, storable};
use crate::{Store, StoreError};

/// Replies read of one pile, the newest: of some dozen cases as many as are taken of each.
const REPLIES_READ_MAX: i64 = 25 * REPLIES_MAX as i64;

/// Piles with an open case that are listed: those whose time to reply ends first.
pub const OPEN_CASES_MAX: usize = 200;

impl Store {
    /// Takes a reply; why not, if it may not be taken. Whether it was a new one: said again, nothing is done. The pile is held meanwhile, so that
    /// the case is open as long as the reply is written. No state follows from it, so that nothing is judged anew.
    pub async fn take_case_reply(
        &self,
        pile_id: &PileId,
        reply: &Reply,
    ) -> Result<Result<bool, ReplyRefusal>, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let pile_no = hold_pile(&mut transaction, pile_id).await?;
        let acts = acts_of(&mut transaction, pile_no).await?;
        let before = replies_of(&mut transaction, pile_no).await?;
        let is_new = match reply::is_new(&acts, &before, reply) {
            Ok(is_new) => is_new,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if is_new {
            sqlx::query(
                "INSERT INTO case_reply (pile_no, number, replied_at, replied_by, person, words)
                 VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(pile_no)
            .bind(storable(&reply.number))
            .bind(reply.at.to_sqlx())
            .bind(reply.by.word())
            .bind(storable(&reply.person))
            .bind(storable(&reply.words))
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(Ok(is_new))
    }

    /// What was replied to a pile's cases, oldest first.
    pub async fn case_replies(&self, pile_id: &PileId) -> Result<Vec<Reply>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT case_reply.* FROM case_reply JOIN pile USING (pile_no) WHERE pile_id = $1 ORDER BY reply_no DESC LIMIT $2",
        )
        .bind(pile_id.as_str())
        .bind(REPLIES_READ_MAX)
        .fetch_all(&self.pool)
        .await?;
        oldest_first(rows)
    }

    /// Piles of a scope with an open case, each with the worst of them; those first whose time to reply ends first. At most
    /// [`OPEN_CASES_MAX`], and one more where there are more.
    pub async fn piles_in_case(
        &self,
        scope: Option<&OperatorId>,
    ) -> Result<Vec<(PileId, OpenCase)>, StoreError> {
        let rows: Vec<(String, serde_json::Value)> = sqlx::query_as(
            "SELECT pile_id, body -> 'case' FROM standing JOIN pile USING (pile_no)
             WHERE failed_after IS NOT NULL AND NOT inbox AND ($1::text IS NULL OR operator_id = $1)
             ORDER BY failed_after, pile_id LIMIT $2",
        )
        .bind(scope.map(OperatorId::as_str))
        .bind(i64::try_from(OPEN_CASES_MAX + 1).unwrap_or(i64::MAX))
        .fetch_all(&self.pool)
        .await?;
        let read = |(id, case): (String, serde_json::Value)| -> Result<(PileId, OpenCase), StoreError> {
            let pile_id = PileId::parse(&id).map_err(|_| corrupt("pile", &id))?;
            let case = serde_json::from_value(case).map_err(|error| corrupt("case", error))?;
            Ok((pile_id, case))
        };
        rows.into_iter().map(read).collect()
    }
}

async fn replies_of(connection: &mut PgConnection, pile_no: i64) -> Result<Vec<Reply>, StoreError> {
    let rows: Vec<Row> =
        sqlx::query_as("SELECT * FROM case_reply WHERE pile_no = $1 ORDER BY reply_no DESC LIMIT $2")
            .bind(pile_no)
            .bind(REPLIES_READ_MAX)
            .fetch_all(connection)
            .await?;
    oldest_first(rows)
}

fn oldest_first(rows: Vec<Row>) -> Result<Vec<Reply>, StoreError> {
    rows.into_iter().rev().map(Row::reply).collect()
}

#[derive(FromRow)]
struct Row {
    number: String,
    replied_at: SqlTime,
    replied_by: String,
    person: String,
    words: String,
}

impl Row {
    fn reply(self) -> Result<Reply, StoreError> {
        Ok(Reply {
            number: self.number,
            at: self.replied_at.to_jiff(),
            by: ReplyBy::from_word(&self.replied_by).ok_or_else(|| corrupt("reply", &self.replied_by))?,
            person: self.person,
            words: self.words,
        })
    }
}
