//! TimescaleDB: found by trying, used for hypertables, done without where it is absent.
//!
//! Called by [`crate::Store`] while connecting and migrating. Only what both editions have is used here.

use sqlx::postgres::PgPool;

use crate::StoreError;

/// One chunk holds this long: a month of demo data is a handful of chunks, a year of a city some fifty.
const CHUNK: &str = "7 days";

/// Name and version of what runs below.
pub(crate) async fn engine(pool: &PgPool) -> Result<String, StoreError> {
    let server: String = sqlx::query_scalar("SELECT split_part(current_setting('server_version'), ' ', 1)")
        .fetch_one(pool)
        .await?;
    let extension: Option<String> =
        sqlx::query_scalar("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")
            .fetch_optional(pool)
            .await?;
    Ok(match extension {
        Some(version) => format!("timescaledb {version} on postgresql {server}"),
        None => format!("postgresql {server}"),
    })
}

/// Turns `frame`, `reading` and `sent` into hypertables if the extension is there or can be made. True if it is there.
pub(crate) async fn make_hypertables(pool: &PgPool) -> Result<bool, StoreError> {
    let available: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')")
            .fetch_one(pool)
            .await?;
    if !available {
        return Ok(false);
    }
    if let Err(error) = sqlx::query("CREATE EXTENSION IF NOT EXISTS timescaledb").execute(pool).await {
        // On a server without the preloaded library, or for a role without the right, plain tables do.
        tracing::warn!(%error, "timescaledb is available but could not be made; plain tables are used");
        return Ok(false);
    }
    for table in ["frame", "reading", "sent"] {
        sqlx::query(
            "SELECT create_hypertable($1::text::regclass, by_range('time', $2::text::interval),
                    if_not_exists => true, migrate_data => true, create_default_indexes => false)",
        )
        .bind(table)
        .bind(CHUNK)
        .execute(pool)
        .await?;
    }
    Ok(true)
}
