//! A pile's number by its identifier, with the pile held or not.
//!
//! Called by the files of this crate that write of one pile, or read of it by its number. It never makes a pile.

use sqlx::postgres::{PgConnection, PgExecutor};
use veripile_pile::PileId;

use crate::StoreError;

/// The number of a pile. Fails if it is not registered.
pub(crate) async fn pile_number(executor: impl PgExecutor<'_>, pile_id: &PileId) -> Result<i64, StoreError> {
    let number: Option<i64> = sqlx::query_scalar("SELECT pile_no FROM pile WHERE pile_id = $1")
        .bind(pile_id.as_str())
        .fetch_optional(executor)
        .await?;
    number.ok_or_else(|| unknown(pile_id))
}

/// The same; the pile is held until the transaction ends, as [`crate::standing::hold`] holds several.
pub(crate) async fn hold_pile(connection: &mut PgConnection, pile_id: &PileId) -> Result<i64, StoreError> {
    let number: Option<i64> =
        sqlx::query_scalar("SELECT pile_no FROM pile WHERE pile_id = $1 FOR NO KEY UPDATE")
            .bind(pile_id.as_str())
            .fetch_optional(connection)
            .await?;
    number.ok_or_else(|| unknown(pile_id))
}

/// There is no such pile.
pub(crate) fn unknown(pile_id: &PileId) -> StoreError {
    StoreError::Unknown(format!("pile {pile_id}"))
}
