//! Presence: that a pile is connected now, over which connection, and with which meter.
//!
//! Called by the gateway at the handshake and when a connection ends; by intake and the readiness check for the meter.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff_sqlx::{Timestamp as SqlTime, ToSqlx};
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use crate::row::{brief, storable};
use crate::{Store, StoreError};

/// When a pile was last heard of after so long a silence that what it had said of itself counted for nothing (more than 600 whole
/// seconds); an insertion of `last_seen` must be in conflict.
macro_rules! back_at {
    () => {
        "CASE WHEN pile_live.last_seen <= excluded.last_seen - interval '601 seconds'
              THEN excluded.last_seen ELSE pile_live.back_at END"
    };
}
pub(crate) use back_at;

impl Store {
    /// Notes that a pile is connected, over which connection and in which sub-protocol.
    pub async fn connected(
        &self,
        pile_no: i64,
        connection: Uuid,
        protocol: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(concat!(
            "INSERT INTO pile_live (pile_no, protocol, connection, connected_at, last_seen)
             VALUES ($1, $2, $3, $4, $4)
             ON CONFLICT (pile_no) DO UPDATE SET
                 protocol = excluded.protocol, connection = excluded.connection,
                 connected_at = excluded.connected_at, last_seen = excluded.last_seen, back_at = ",
            back_at!()
        ))
        .bind(pile_no)
        .bind(protocol)
        .bind(connection)
        .bind(now.to_sqlx())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Notes that a connection ended over which the pile was last heard at a moment, if only that it is there; a newer connection of the
    /// same pile is left alone. That it is noticed `now` is no sign of life, but only now is it told that the pile was back.
    pub async fn disconnected(
        &self,
        pile_no: i64,
        connection: Uuid,
        heard: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE pile_live SET connection = NULL, last_seen = greatest(last_seen, $3),
                 back_at = CASE WHEN last_seen <= $3 - interval '601 seconds' THEN $4 ELSE back_at END
             WHERE pile_no = $1 AND connection = $2",
        )
        .bind(pile_no)
        .bind(connection)
        .bind(heard.to_sqlx())
        .bind(now.to_sqlx())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Notes when piles were last heard of that only answer pings; those without a connection so far are left alone.
    pub(crate) async fn alive(&self, heard: &HashMap<i64, Timestamp>) -> Result<(), StoreError> {
        let (piles, moments): (Vec<i64>, Vec<SqlTime>) =
            heard.iter().map(|(pile_no, at)| (*pile_no, at.to_sqlx())).unzip();
        sqlx::query(
            "UPDATE pile_live SET last_seen = heard.at,
                 back_at = CASE WHEN last_seen <= heard.at - interval '601 seconds' THEN heard.at ELSE back_at END
             FROM unnest($1::bigint[], $2::timestamptz[]) AS heard(pile_no, at)
             WHERE pile_live.pile_no = heard.pile_no AND pile_live.last_seen < heard.at",
        )
        .bind(piles)
        .bind(moments)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Notes which meter a pile says it has; what is none stays as it was.
    pub async fn note_meter(
        &self,
        pile_no: i64,
        meter_type: Option<&str>,
        meter_serial: Option<&str>,
    ) -> Result<(), StoreError> {
        note_meter(&mut *self.pool.acquire().await?, pile_no, meter_type, meter_serial).await
    }

    /// Firmware that a pile told when it last booted, if it told any.
    pub async fn firmware_told(&self, pile_no: i64) -> Result<Option<String>, StoreError> {
        let told: Option<Option<String>> =
            sqlx::query_scalar("SELECT firmware FROM pile_live WHERE pile_no = $1")
                .bind(pile_no)
                .fetch_optional(&self.pool)
                .await?;
        Ok(told.flatten())
    }

    /// What a connector last said of itself: OCPP's word, and since when.
    pub async fn connector_told(
        &self,
        pile_no: i64,
        connector: u32,
    ) -> Result<Option<(String, Timestamp)>, StoreError> {
        let told: Option<(String, SqlTime)> = sqlx::query_as(
            "SELECT status, status_at FROM connector_live WHERE pile_no = $1 AND connector = $2",
        )
        .bind(pile_no)
        .bind(i64::from(connector))
        .fetch_optional(&self.pool)
        .await?;
        Ok(told.map(|(word, at)| (word, at.to_jiff())))
    }

    /// Notes whether the upstream of a relayed pile is reached: `connected`, or why not.
    pub async fn note_upstream(&self, pile_no: i64, state: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE pile_live SET upstream = $2 WHERE pile_no = $1")
            .bind(pile_no)
            .bind(storable(state))
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

/// Notes which meter a pile says it has. A report of a device model comes in a hundred parts, one of which has the meter.
pub(crate) async fn note_meter(
    connection: &mut PgConnection,
    pile_no: i64,
    meter_type: Option<&str>,
    meter_serial: Option<&str>,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE pile_live SET meter_type = coalesce($2, meter_type), meter_serial = coalesce($3, meter_serial)
         WHERE pile_no = $1",
    )
    .bind(pile_no)
    .bind(meter_type.map(brief))
    .bind(meter_serial.map(brief))
    .execute(connection)
    .await?;
    Ok(())
}
