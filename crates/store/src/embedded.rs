//! The embedded database: PostgreSQL in this very process, for the demo and for trying things out.
//!
//! Called by [`crate::Store::embedded`]. It serves one connection at a time and everything lives in one folder.

use std::path::PathBuf;

use pglite_oxide::PgliteServer;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tempfile::TempDir;

use crate::StoreError;

/// Start-up settings. The write-ahead log would otherwise grow to a gigabyte before it is recycled.
const SETTINGS: [(&str, &str); 4] = [
    ("max_wal_size", "96MB"),
    ("min_wal_size", "32MB"),
    ("shared_buffers", "64MB"),
    ("wal_compression", "on"),
];

/// A running embedded database; stops when dropped.
pub(crate) struct Embedded {
    server: Option<PgliteServer>,
    /// Where its socket lies; private, and short enough for a socket's name wherever the data lie.
    socket: TempDir,
}

impl Embedded {
    /// Starts it in `folder`, making the folder if need be.
    pub(crate) async fn start(folder: PathBuf) -> Result<Self, StoreError> {
        let started = tokio::task::spawn_blocking(move || {
            std::fs::create_dir_all(&folder)
                .map_err(|error| format!("cannot make the folder {}: {error}", folder.display()))?;
            let socket = tempfile::tempdir().map_err(|error| format!("cannot make a socket: {error}"))?;
            // Not TCP: there, each of its answers waits 40 ms for a delayed acknowledgement, and any user may connect.
            let server = PgliteServer::builder()
                .path(folder)
                .unix(socket.path().join(".s.PGSQL.5432"))
                .postgres_configs(SETTINGS)
                .start()
                .map_err(|error| format!("{error:#}"))?;
            Ok(Self { server: Some(server), socket })
        })
        .await
        .map_err(|error| StoreError::Embedded(error.to_string()))?;
        started.map_err(StoreError::Embedded)
    }

    /// How to connect to it.
    pub(crate) fn options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(self.socket.path())
            .port(5432)
            .username("postgres")
            .database("postgres")
            .ssl_mode(PgSslMode::Disable)
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        if let Some(server) = self.server.take()
            && let Err(error) = server.shutdown()
        {
            let error = format!("{error:#}");
            tracing::warn!(
                error,
                "the embedded database did not stop cleanly; it recovers at the next start"
            );
        }
    }
}
