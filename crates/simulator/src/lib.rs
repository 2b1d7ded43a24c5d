//! Virtual piles and vehicles with known true errors, speaking OCPP over real sockets to any central system.
//!
//! Called by `app` for the demo and for `veripile simulate`. It builds its messages from the protocol's words, not with
//! our decoder's types, so that a mistake there is not mirrored here. It never sees the store or the gateway.

pub mod bench;
pub mod city;
mod configuration;
pub mod history;
mod ledger;
pub mod link;
pub mod live;
pub mod load;
pub mod numbers;
mod places;
mod plan;
pub mod replay;
pub(crate) mod speaker;
pub mod truth;
pub mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use thiserror::Error;

pub use city::City;
pub use ledger::Ledger;
pub use plan::Stands;

/// What stops a simulation.
#[derive(Debug, Error)]
pub enum SimulatorError {
    /// The central system cannot be reached, or refuses us.
    #[error("{identity}: {reason}")]
    Connection {
        /// Which charger.
        identity: String,
        /// Why.
        reason: String,
    },
    /// A file cannot be read or written.
    #[error("{file}: {reason}")]
    File {
        /// Which file.
        file: String,
        /// Why, and where in it.
        reason: String,
    },
    /// It was told to stop.
    #[error("stopped")]
    Stopped,
}

/// Counters that a run keeps and its caller shows.
#[derive(Debug, Default)]
pub struct Progress {
    /// Units of work done: days times piles in a history, rows in a replay.
    pub done: AtomicU64,
    /// Units in all.
    pub total: AtomicU64,
    /// Charges sent.
    pub charges: AtomicU64,
    /// Messages acknowledged.
    pub acknowledged: AtomicU64,
    /// Messages refused with a CALLERROR.
    pub refused: AtomicU64,
}

impl Progress {
    /// A fresh one, shared.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// The OCPP versions a simulated charger speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// 1.6J.
    V16,
    /// 2.0.1.
    V201,
    /// 2.1, of which the messages of 2.0.1 are used.
    V21,
}

impl Protocol {
    /// Sub-protocol name.
    pub fn name(self) -> &'static str {
        match self {
            Self::V16 => "ocpp1.6",
            Self::V201 => "ocpp2.0.1",
            Self::V21 => "ocpp2.1",
        }
    }

    /// Reads [`Self::name`] back.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::V16, Self::V201, Self::V21].into_iter().find(|protocol| protocol.name() == name)
    }
}
