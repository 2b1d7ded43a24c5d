//! What a pile's upstream has yet to get of the charger's calls: in order, within a limit, beyond the charger's connection.
//!
//! Filled and emptied by [`crate::relay`]. A call that we answered ourselves is owed to the upstream: it stays until the
//! upstream has answered it, while the charger comes and goes. One that nobody answered goes when the charger leaves, which
//! sends it again. Kept in memory only: the texts hold driver identities, which are never stored.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus::IntGauge;
use tokio::sync::Notify;
use uuid::Uuid;

/// Calls waiting for one upstream.
const CALLS_MAX: usize = 1_000;

/// Their bytes, for one pile and for all. A pile's largest frame fits a few times.
const BYTES_MAX: (usize, i64) = (4 << 20, 256 << 20);

/// Ids remembered of calls that the upstream did not answer in time: should it answer yet, the answer is ours to swallow.
const LATE_MAX: usize = 64;

/// A call of the charger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) id: String,
    pub(crate) text: String,
    /// Whether we answered it.
    pub(crate) owed: bool,
}

/// The calls of one pile.
pub(crate) struct Backlog {
    queue: Mutex<Queue>,
    changed: Notify,
    bytes_of_all: IntGauge,
}

#[derive(Default)]
struct Queue {
    /// The connection that may take from here: the newest of the pile's.
    taker: Option<Uuid>,
    waiting: VecDeque<Waiting>,
    bytes: usize,
    late: VecDeque<String>,
}

impl Backlog {
    fn new(bytes_of_all: IntGauge) -> Self {
        Self { queue: Mutex::default(), changed: Notify::new(), bytes_of_all }
    }

    /// A connection begins to take: what older ones left unanswered goes, what is owed stays.
    fn begin(&self, connection: Uuid) {
        let mut queue = self.queue();
        queue.taker = Some(connection);
        self.let_go(&mut queue, |call| call.owed);
        drop(queue);
        self.changed.notify_waiters();
    }

    /// A connection takes no longer; how many calls are owed, if it was the newest.
    fn end(&self, connection: Uuid) -> Option<usize> {
        let mut queue = self.queue();
        if queue.taker != Some(connection) {
            return None;
        }
        queue.taker = None;
        self.let_go(&mut queue, |call| call.owed);
        Some(queue.waiting.len())
    }

    /// Puts a call last; false if it does not fit.
    pub(crate) fn push(&self, call: Waiting) -> bool {
        let (bytes, mut queue) = (call.text.len(), self.queue());
        let fits = queue.waiting.len() < CALLS_MAX
            && queue.bytes + bytes <= BYTES_MAX.0
            && self.bytes_of_all.get() + gauge(bytes) <= BYTES_MAX.1;
        if fits {
            if !call.owed {
                // The id is the charger's own again: the upstream's answer to it is for the charger.
                queue.late.retain(|late| *late != call.id);
            }
            queue.bytes += bytes;
            self.bytes_of_all.add(gauge(bytes));
            queue.waiting.push_back(call);
            drop(queue);
            self.changed.notify_waiters();
        }
        fits
    }

    /// Whether calls that we answered wait: what comes after them waits too.
    pub(crate) fn owes(&self) -> bool {
        self.queue().waiting.iter().any(|call| call.owed)
    }

    /// The call whose turn it is, which stays first until [`Backlog::done`]; none once a newer connection takes.
    pub(crate) async fn first(&self, connection: Uuid) -> Option<Waiting> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let queue = self.queue();
                if queue.taker != Some(connection) {
                    return None;
                }
                if let Some(call) = queue.waiting.front() {
                    return Some(call.clone());
                }
            }
            changed.await;
        }
    }

    /// The first call has had its turn, for this connection. `late`: it is owed, and the upstream has not answered it in time.
    pub(crate) fn done(&self, connection: Uuid, call: &Waiting, late: bool) {
        let mut queue = self.queue();
        if late {
            queue.late.truncate(LATE_MAX - 1);
            queue.late.push_front(call.id.clone());
        }
        if queue.taker == Some(connection) && queue.waiting.front() == Some(call) {
            queue.waiting.pop_front();
            self.shrink(&mut queue, call.text.len());
        }
    }

    /// Whether an answer of the upstream is to a call that we gave up on; asked once for each.
    pub(crate) fn was_late(&self, id: &str) -> bool {
        let mut queue = self.queue();
        let found = queue.late.iter().position(|late| late == id);
        found.and_then(|at| queue.late.remove(at)).is_some()
    }

    fn let_go(&self, queue: &mut Queue, stays: fn(&Waiting) -> bool) {
        let before = queue.bytes;
        queue.waiting.retain(stays);
        let after: usize = queue.waiting.iter().map(|call| call.text.len()).sum();
        self.shrink(queue, before - after);
    }

    fn shrink(&self, queue: &mut Queue, bytes: usize) {
        queue.bytes -= bytes;
        self.bytes_of_all.sub(gauge(bytes));
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The calls of all piles.
pub(crate) struct Backlogs {
    piles: Mutex<HashMap<i64, Arc<Backlog>>>,
    bytes: IntGauge,
}

impl Backlogs {
    /// `bytes` is what waits altogether, for everybody to see.
    pub(crate) fn new(bytes: IntGauge) -> Self {
        Self { piles: Mutex::default(), bytes }
    }

    /// Opens a pile's calls to its newest connection.
    pub(crate) fn begin(&self, pile_no: i64, connection: Uuid) -> Arc<Backlog> {
        let mut piles = self.piles();
        let backlog = piles.entry(pile_no).or_insert_with(|| Arc::new(Backlog::new(self.bytes.clone())));
        backlog.begin(connection);
        Arc::clone(backlog)
    }

    /// A connection has ended; how many calls of its pile are owed.
    pub(crate) fn end(&self, pile_no: i64, connection: Uuid) -> usize {
        let mut piles = self.piles();
        let owed = piles.get(&pile_no).and_then(|backlog| backlog.end(connection));
        if owed == Some(0) {
            piles.remove(&pile_no);
        }
        owed.unwrap_or_default()
    }

    fn piles(&self) -> MutexGuard<'_, HashMap<i64, Arc<Backlog>>> {
        self.piles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn gauge(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(id: &str, owed: bool) -> Waiting {
        Waiting { id: id.to_owned(), text: format!("[2,\"{id}\",\"Heartbeat\",{{}}]"), owed }
    }

    fn backlogs() -> Backlogs {
        Backlogs::new(IntGauge::new("waiting", "waiting").expect("a good name"))
    }

    #[tokio::test]
    async fn what_is_owed_outlives_the_connection_and_goes_first() {
        let (backlogs, older, newer) = (backlogs(), Uuid::from_u128(1), Uuid::from_u128(2));
        let backlog = backlogs.begin(7, older);
        for (id, owed) in [("a", true), ("b", false), ("c", true)] {
            assert!(backlog.push(call(id, owed)));
        }
        assert_eq!(backlogs.end(7, older), 2);
        let backlog = backlogs.begin(7, newer);
        assert!(backlog.push(call("d", false)));
        assert_eq!(backlog.first(older).await, None, "the older one takes nothing any more");
        for id in ["a", "c", "d"] {
            let first = backlog.first(newer).await.expect("waiting");
            assert_eq!(first.id, id);
            backlog.done(older, &first, false);
            assert_eq!(backlog.first(newer).await.as_ref(), Some(&first), "not the older one's to settle");
            backlog.done(newer, &first, false);
        }
        assert!(!backlog.owes());
        assert_eq!(backlogs.bytes.get(), 0);
        assert_eq!(backlogs.end(7, newer), 0);
        assert!(backlogs.piles().is_empty());
    }

    #[tokio::test]
    async fn it_is_bounded_by_calls_by_bytes_and_over_all_piles() {
        let backlogs = backlogs();
        let backlog = backlogs.begin(1, Uuid::nil());
        let fitted = (0..=CALLS_MAX).filter(|n| backlog.push(call(&n.to_string(), true))).count();
        assert_eq!(fitted, CALLS_MAX);
        let mebibyte = || Waiting { id: String::new(), text: "x".repeat(1 << 20), owed: true };
        let full: Vec<usize> = (2..80)
            .map(|pile_no| {
                let backlog = backlogs.begin(pile_no, Uuid::nil());
                (0..8).filter(|_| backlog.push(mebibyte())).count()
            })
            .collect();
        assert_eq!(full[0], 4);
        assert_eq!(full.iter().sum::<usize>(), 255, "and one MiB less than all, for the thousand calls");
    }

    #[tokio::test]
    async fn a_late_answer_is_swallowed_once_and_never_where_the_id_is_used_again() {
        let backlogs = backlogs();
        let backlog = backlogs.begin(1, Uuid::nil());
        for id in ["5", "6"] {
            assert!(backlog.push(call(id, true)));
            let first = backlog.first(Uuid::nil()).await.expect("waiting");
            backlog.done(Uuid::nil(), &first, true);
        }
        assert!(backlog.was_late("5") && !backlog.was_late("5"));
        assert!(backlog.push(call("6", false)));
        assert!(!backlog.was_late("6"));
    }
}
