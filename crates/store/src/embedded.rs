//! The embedded database: PostgreSQL in this very process, for the demo and for trying things out.
//!
//! Called by [`crate::Store::embedded`]. It serves one connection at a time and everything lives in one folder.

use std::path::PathBuf;

use pglite_oxide::PgliteServer;

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
}

impl Embedded {
    /// Starts it in `folder`, making the folder if need be.
    pub(crate) async fn start(folder: PathBuf) -> Result<Self, StoreError> {
        let started = tokio::task::spawn_blocking(move || {
            std::fs::create_dir_all(&folder)
                .map_err(|error| format!("cannot make the folder {}: {error}", folder.display()))?;
            PgliteServer::builder()
                .path(folder)
                .postgres_configs(SETTINGS)
                .start()
                .map_err(|error| format!("{error:#}"))
        })
        .await
        .map_err(|error| StoreError::Embedded(error.to_string()))?;
        started.map(|server| Self { server: Some(server) }).map_err(StoreError::Embedded)
    }

    /// Where it listens, on loopback.
    pub(crate) fn url(&self) -> String {
        self.server.as_ref().map(PgliteServer::database_url).unwrap_or_default()
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        if let Some(server) = self.server.take()
            && let Err(error) = server.shutdown()
        {
            tracing::warn!(%error, "the embedded database did not stop cleanly; it recovers at the next start");
        }
    }
}
