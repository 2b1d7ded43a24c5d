//! Keys of those who ask the query API more than anybody may. Here as hashes only.
//!
//! Written by `veripile api-key`, read by `api`.

use crate::{Store, StoreError};

impl Store {
    /// Makes a key, or gives a name another one.
    pub async fn save_api_key(
        &self,
        name: &str,
        key_hash: &[u8; 32],
        requests_per_minute: u32,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO api_key (name, key_hash, requests_per_minute) VALUES ($1, $2, $3)
             ON CONFLICT (name) DO UPDATE SET key_hash = excluded.key_hash,
                 requests_per_minute = excluded.requests_per_minute, made_at = now()",
        )
        .bind(name)
        .bind(&key_hash[..])
        .bind(i64::from(requests_per_minute))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Takes a key away; whether there was one.
    pub async fn remove_api_key(&self, name: &str) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM api_key WHERE name = $1").bind(name).execute(&self.pool).await?;
        Ok(done.rows_affected() > 0)
    }

    /// Requests a minute that a key allows; none if there is no such key.
    pub async fn api_key_quota(&self, key_hash: &[u8; 32]) -> Result<Option<u32>, StoreError> {
        let quota: Option<i64> =
            sqlx::query_scalar("SELECT requests_per_minute FROM api_key WHERE key_hash = $1")
                .bind(&key_hash[..])
                .fetch_optional(&self.pool)
                .await?;
        Ok(quota.map(|quota| u32::try_from(quota).unwrap_or(u32::MAX)))
    }
}
