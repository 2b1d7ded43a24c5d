//! The notebook of attempts to connect: noted at once, written a few times a second.
//!
//! Filled by [`crate::handshake`], read by operators through the store. A full notebook forgets, counted in a log line; no
//! handshake waits for it.

use std::time::Duration;

use tokio::sync::mpsc;
use veripile_store::{Attempt, Store};

/// Attempts waiting to be written; a storm of all chargers of a city fits.
const WAITING_MAX: usize = 20_000;

/// Attempts in one statement.
const BATCH_MAX: usize = 2_000;

/// Rest between two writes.
const REST: Duration = Duration::from_millis(200);

/// After so many batches, old rows are trimmed.
const TRIM_EVERY: u32 = 500;

/// Where attempts are noted.
pub(crate) struct Notebook(mpsc::Sender<Attempt>);

impl Notebook {
    /// Opens a notebook; its writer ends with it.
    pub(crate) fn open(store: Store) -> Self {
        let (notes, waiting) = mpsc::channel(WAITING_MAX);
        tokio::spawn(write(store, waiting));
        Self(notes)
    }

    /// Notes an attempt.
    pub(crate) fn note(&self, attempt: Attempt) {
        if self.0.try_send(attempt).is_err() {
            tracing::debug!("an attempt to connect was not noted: too many are waiting");
        }
    }
}

async fn write(store: Store, mut waiting: mpsc::Receiver<Attempt>) {
    let mut attempts = Vec::new();
    let mut batches = 0u32;
    while waiting.recv_many(&mut attempts, BATCH_MAX).await > 0 {
        if let Err(error) = store.note_attempts(&attempts).await {
            tracing::warn!(%error, attempts = attempts.len(), "attempts to connect could not be noted");
        }
        attempts.clear();
        batches += 1;
        if batches.is_multiple_of(TRIM_EVERY)
            && let Err(error) = store.trim_attempts().await
        {
            tracing::warn!(%error, "old attempts could not be trimmed");
        }
        tokio::time::sleep(REST).await;
    }
}
