//! The register of instruments. What an entry said before is kept: orders carry their own copy, and certificates that.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::Value;
use veripile_verification::Instrument;

use super::{read, stored};
use crate::{Store, StoreError};

/// Instruments in the register of one body; more than one ever owns.
const INSTRUMENTS_MAX: i64 = 1000;

impl Store {
    /// Enters an instrument, or what is new of it; one that was retired is back.
    pub async fn save_instrument(
        &self,
        instrument: &Instrument,
        person: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let body = stored("instrument", instrument)?;
        let mut transaction = self.pool.begin().await?;
        sqlx::query(
            "INSERT INTO instrument (instrument_id, body, saved_by, saved_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (instrument_id) DO UPDATE SET body = excluded.body, saved_by = excluded.saved_by,
                 saved_at = excluded.saved_at, retired_by = NULL, retired_at = NULL",
        )
        .bind(&instrument.instrument_id)
        .bind(&body)
        .bind(person)
        .bind(now.to_sqlx())
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "INSERT INTO instrument_history (instrument_id, body, saved_by, saved_at) VALUES ($1, $2, $3, $4)",
        )
        .bind(&instrument.instrument_id)
        .bind(&body)
        .bind(person)
        .bind(now.to_sqlx())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The instruments in use, by their numbers.
    pub async fn instruments(&self) -> Result<Vec<Instrument>, StoreError> {
        let bodies: Vec<Value> = sqlx::query_scalar(
            "SELECT body FROM instrument WHERE retired_at IS NULL ORDER BY instrument_id LIMIT $1",
        )
        .bind(INSTRUMENTS_MAX)
        .fetch_all(&self.pool)
        .await?;
        bodies.into_iter().map(|body| read("instrument", body)).collect()
    }

    /// Takes an instrument out of use; whether it was in use.
    pub async fn retire_instrument(
        &self,
        instrument_id: &str,
        person: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE instrument SET retired_by = $2, retired_at = $3 WHERE instrument_id = $1 AND retired_at IS NULL",
        )
        .bind(crate::row::storable(instrument_id))
        .bind(person)
        .bind(now.to_sqlx())
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() > 0)
    }
}
