//! What the gateway remembers of a pile between messages and across reconnections: where its registers stood, on which
//! connector a transaction runs, and how far its readiness check is.
//!
//! Used by [`crate::socket`]. Lost at a restart: a connector is then looked up in the store, a register is followed from its
//! next sample on.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use veripile_ocpp::Registers;

use crate::readiness::{Progress, Seen};

/// Transactions remembered per pile, the oldest forgotten first; a pile has a few connectors, and a finished charge's late
/// samples come soon.
const TRANSACTIONS_MAX: usize = 64;

/// What is remembered of one pile.
#[derive(Default)]
pub(crate) struct PileMemory {
    pub(crate) registers: Registers,
    /// Where its check at its boot stands.
    pub(crate) readiness: Progress,
    /// What its messages told that bears on its readiness.
    pub(crate) seen: Seen,
    connectors: VecDeque<(String, u32)>,
}

impl PileMemory {
    /// Remembers on which connector a transaction runs.
    pub(crate) fn note(&mut self, transaction: &str, connector: u32) {
        self.connectors.retain(|(known, _)| known != transaction);
        if self.connectors.len() == TRANSACTIONS_MAX {
            self.connectors.pop_front();
        }
        self.connectors.push_back((transaction.to_owned(), connector));
    }

    /// The connector of a transaction, if remembered.
    pub(crate) fn connector(&self, transaction: &str) -> Option<u32> {
        self.connectors.iter().find(|(known, _)| known == transaction).map(|(_, connector)| *connector)
    }
}

/// The memories of all piles.
#[derive(Default)]
pub(crate) struct Memory(Mutex<HashMap<i64, PileMemory>>);

impl Memory {
    /// Looks into the memory of one pile.
    pub(crate) fn of<T>(&self, pile_no: i64, look: impl FnOnce(&mut PileMemory) -> T) -> T {
        let mut memories: MutexGuard<'_, _> = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        look(memories.entry(pile_no).or_default())
    }
}
