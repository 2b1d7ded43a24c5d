//! The ledger: one line per message that the central system acknowledged, written the moment it was.
//!
//! Held against the database after a crash, it proves that nothing acknowledged was lost.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use crate::SimulatorError;

const HEADER: &str = "acknowledged_at,pile_id,protocol,action,message_id,transaction,device_time\n";

/// An open ledger.
#[derive(Debug)]
pub struct Ledger(Mutex<File>);

/// What is entered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) pile_id: &'a str,
    pub(crate) protocol: &'a str,
    pub(crate) action: &'a str,
    pub(crate) message_id: &'a str,
    pub(crate) transaction: &'a str,
    pub(crate) device_time: &'a str,
}

impl Ledger {
    /// Starts a ledger in a new or emptied file.
    pub fn create(file: &Path) -> Result<Self, SimulatorError> {
        let start = || {
            let mut handle = File::create(file)?;
            handle.write_all(HEADER.as_bytes())?;
            Ok(handle)
        };
        let handle = start().map_err(|error: std::io::Error| SimulatorError::File {
            file: file.display().to_string(),
            reason: error.to_string(),
        })?;
        Ok(Self(Mutex::new(handle)))
    }

    pub(crate) fn enter(&self, entry: &Entry<'_>) {
        let line = format!(
            "{},{},{},{},{},{},{}\n",
            Timestamp::now(),
            entry.pile_id,
            entry.protocol,
            entry.action,
            entry.message_id,
            entry.transaction,
            entry.device_time
        );
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(line.as_bytes()) {
            tracing::error!(%error, "the ledger cannot be written");
        }
    }
}
