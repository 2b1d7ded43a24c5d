//! Runs as they stand, from their stored events. A run of an hour has ten thousand of them and its page asks every second, so that
//! what was read is kept and only what came since is read.
//!
//! Used by the page of an order. Events are numbered without gaps and never change: a kept run can only be behind, never wrong.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use veripile_store::verification::OrderRow;
use veripile_store::{Store, StoreError};
use veripile_verification::Run;

/// Runs kept: more than are looked at in one hour. Beyond it all are read anew.
const RUNS_MAX: usize = 64;

/// What is kept of runs.
#[derive(Default)]
pub(crate) struct Runs(Mutex<HashMap<i64, (i64, Run)>>);

impl Runs {
    /// The run of an order with everything stored until now.
    pub(crate) async fn current(&self, store: &Store, row: &OrderRow) -> Result<Run, StoreError> {
        Ok(self.numbered(store, row).await?.1)
    }

    /// The same with the number of its newest event.
    pub(crate) async fn numbered(&self, store: &Store, row: &OrderRow) -> Result<(i64, Run), StoreError> {
        let kept = self.kept().get(&row.order_no).cloned();
        let (mut last, mut run) = kept.unwrap_or_else(|| (0, Run::new(row.order.clone())));
        loop {
            let events = store.run_events(row.order_no, last).await?;
            let Some((newest, _)) = events.last() else { break };
            last = *newest;
            for (_, event) in &events {
                run.step_stored(event);
            }
        }
        let mut runs = self.kept();
        if runs.len() >= RUNS_MAX && !runs.contains_key(&row.order_no) {
            runs.clear();
        }
        // Two requests may have read at once: the one that read further stays.
        if runs.get(&row.order_no).is_none_or(|(known, _)| *known < last) {
            runs.insert(row.order_no, (last, run.clone()));
        }
        Ok((last, run))
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, HashMap<i64, (i64, Run)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
