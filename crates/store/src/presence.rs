//! Presence: that a pile is connected now, over which connection.
//!
//! Called by the gateway at the handshake and when a connection ends.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use crate::row::storable;
use crate::{Store, StoreError};

impl Store {
    /// Notes that a pile is connected, over which connection and in which sub-protocol.
    pub async fn connected(
        &self,
        pile_no: i64,
        connection: Uuid,
        protocol: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO pile_live (pile_no, protocol, connection, connected_at, last_seen)
             VALUES ($1, $2, $3, $4, $4)
             ON CONFLICT (pile_no) DO UPDATE SET
                 protocol = excluded.protocol, connection = excluded.connection,
                 connected_at = excluded.connected_at, last_seen = excluded.last_seen",
        )
        .bind(pile_no)
        .bind(protocol)
        .bind(connection)
        .bind(now.to_sqlx())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Notes that a connection ended; a newer connection of the same pile is left alone.
    pub async fn disconnected(
        &self,
        pile_no: i64,
        connection: Uuid,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE pile_live SET connection = NULL, last_seen = greatest(last_seen, $3)
             WHERE pile_no = $1 AND connection = $2",
        )
        .bind(pile_no)
        .bind(connection)
        .bind(now.to_sqlx())
        .execute(&self.pool)
        .await?;
        Ok(())
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
