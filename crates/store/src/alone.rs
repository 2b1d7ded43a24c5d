//! One assessment at a time: whoever takes in evidence and writes a run holds a lock of the database meanwhile.
//!
//! Called by the assess role and by `veripile assess`, which may be two processes. It waits for nobody: who does not get it looks again later.

use sqlx::Postgres;
use sqlx::pool::PoolConnection;

use crate::{Store, StoreError};

/// Key of the advisory lock: two that take in evidence at once would know of each other's half.
const ASSESS_LOCK: i64 = 0x6173_7365_7373_6d65;

/// Held while assessing. Dropped before [`AssessLock::release`], it closes its connection, and the database lets go of it.
#[derive(Debug)]
pub struct AssessLock {
    /// None where one process has the database for itself.
    connection: Option<PoolConnection<Postgres>>,
}

impl Store {
    /// Takes the lock; none while another process has it.
    pub async fn assess_alone(&self) -> Result<Option<AssessLock>, StoreError> {
        // An embedded database has one connection and one process: nobody else is there.
        if self.pool.options().get_max_connections() == 1 {
            return Ok(Some(AssessLock { connection: None }));
        }
        let mut lock = AssessLock { connection: Some(self.pool.acquire().await?) };
        let Some(connection) = lock.connection.as_deref_mut() else { return Ok(None) };
        let is_had: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
            .bind(ASSESS_LOCK)
            .fetch_one(connection)
            .await?;
        if !is_had {
            // The connection is as good as before.
            drop(lock.connection.take());
            return Ok(None);
        }
        Ok(Some(lock))
    }
}

impl AssessLock {
    /// Whether it is still held: the database lets go of it where the connection was lost, and then another process may have taken it. Fails
    /// where nobody answers on that connection.
    pub async fn is_held(&mut self) -> Result<bool, StoreError> {
        let Some(connection) = self.connection.as_deref_mut() else { return Ok(true) };
        let is_held: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid() AND objsubid = 1
                              AND classid::bigint = $1::bigint >> 32 AND objid::bigint = $1::bigint & 4294967295)",
        )
        .bind(ASSESS_LOCK)
        .fetch_one(connection)
        .await?;
        Ok(is_held)
    }

    /// Lets go of it; the connection goes back to the others, or is closed where that fails.
    pub async fn release(mut self) {
        let Some(connection) = self.connection.as_deref_mut() else { return };
        let released: Result<bool, sqlx::Error> =
            sqlx::query_scalar("SELECT pg_advisory_unlock($1)").bind(ASSESS_LOCK).fetch_one(connection).await;
        if let Ok(true) = released {
            drop(self.connection.take());
        }
    }
}

impl Drop for AssessLock {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(connection.detach());
        }
    }
}
