//! Admission: which pile a connecting charger is, and that it is connected now.
//!
//! Called by the gateway at the handshake and when a connection ends.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;
use veripile_pile::{AccuracyClass, PileId, PileKind};

use crate::{Store, StoreError};

/// What happens to an identity that nobody registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Only registered piles connect.
    RegisteredOnly,
    /// Any identity connects; an unknown one gets a bare pile row (closed networks, tests, demos).
    Anyone,
}

/// A pile that may connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// Its number, by which everything else refers to it.
    pub pile_no: i64,
}

impl Store {
    /// Finds the pile of an identity; none if it may not connect.
    pub async fn admit(
        &self,
        pile_id: &PileId,
        admission: Admission,
    ) -> Result<Option<Admitted>, StoreError> {
        let known: Option<i64> = sqlx::query_scalar("SELECT pile_no FROM pile WHERE pile_id = $1")
            .bind(pile_id.as_str())
            .fetch_optional(&self.pool)
            .await?;
        let pile_no = match (known, admission) {
            (Some(pile_no), _) => Some(pile_no),
            (None, Admission::RegisteredOnly) => None,
            (None, Admission::Anyone) => Some(self.add_bare_pile(pile_id).await?),
        };
        Ok(pile_no.map(|pile_no| Admitted { pile_no }))
    }

    async fn add_bare_pile(&self, pile_id: &PileId) -> Result<i64, StoreError> {
        let pile_no = sqlx::query_scalar(
            "INSERT INTO pile (pile_id, kind, accuracy_class, registered) VALUES ($1, $2, $3, false)
             ON CONFLICT (pile_id) DO UPDATE SET pile_id = excluded.pile_id
             RETURNING pile_no",
        )
        .bind(pile_id.as_str())
        .bind(PileKind::Ac.word())
        .bind(AccuracyClass::ASSUMED.0)
        .fetch_one(&self.pool)
        .await?;
        Ok(pile_no)
    }

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
}
