//! The record of a run, as its runner sees it: events appended one by one, under a lease.
//!
//! [`StoredLog`] is the store's. [`Record`] pairs it with the run, so that both have taken in the same events: nothing changes the
//! run that is not stored, and nothing is stored that the run has not taken in, in the same order.

use std::future::Future;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::timeout;
use uuid::Uuid;
use veripile_store::verification::Appended;
use veripile_store::{Store, StoreError};
use veripile_verification::{Action, Command, Ending, Event, Happening, Order, Run, Taken};

use crate::reception::now;

/// How long giving a run back may take when the server stops; else its lease ends by itself.
const RELEASE_WITHIN: Duration = Duration::from_secs(3);

/// Times that an event is appended anew because people said something in between. They click; they do not flood.
const BEHIND_MAX: u32 = 20;

/// Where the events of one run are kept.
pub(super) trait RunLog: Sync {
    /// Keeps the lease; false if another runner has the run, or it is over.
    fn keep(&self) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Appends an event, after the last that was taken in.
    fn append(
        &self,
        after: i64,
        event: &Event,
        taken: Option<&Taken>,
        ending: Option<&Ending>,
    ) -> impl Future<Output = Result<Appended, StoreError>> + Send;

    /// The next events after a number, in their order; none if there are none.
    fn events(&self, after: i64) -> impl Future<Output = Result<Vec<(i64, Event)>, StoreError>> + Send;
}

/// The store's record of one run.
pub(super) struct StoredLog {
    pub(super) store: Store,
    pub(super) order_no: i64,
    pub(super) runner: Uuid,
    pub(super) lease: SignedDuration,
}

impl StoredLog {
    /// Gives the run back, so that another runner takes it up at once.
    pub(super) async fn release(&self) {
        let released = timeout(RELEASE_WITHIN, self.store.release_run(self.order_no, self.runner, now()));
        match released.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(order.no = self.order_no, %error, "a run was not given back; its lease ends");
            }
            Err(_) => {
                tracing::warn!(order.no = self.order_no, "a run was not given back in time; its lease ends");
            }
        }
    }
}

impl RunLog for StoredLog {
    async fn keep(&self) -> Result<bool, StoreError> {
        self.store.keep_run(self.order_no, self.runner, now(), self.lease).await
    }

    async fn append(
        &self,
        after: i64,
        event: &Event,
        taken: Option<&Taken>,
        ending: Option<&Ending>,
    ) -> Result<Appended, StoreError> {
        self.store.append_event(self.order_no, self.runner, after, event, taken, ending, now()).await
    }

    async fn events(&self, after: i64) -> Result<Vec<(i64, Event)>, StoreError> {
        self.store.run_events(self.order_no, after).await
    }
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Next {
    /// This, whatever was to be done before.
    Do(Action),
    /// Nothing: the run is over.
    Over(Ending),
}

/// What became of an event.
#[derive(Debug, PartialEq)]
pub(super) enum Recorded {
    /// It is stored and taken in. None: the run had no use for it.
    Taken(Option<Next>),
    /// People said something that changed what is to be done. The event was the answer to what is done no more: it is let go,
    /// so that no answer is ever taken for another action's.
    Overtaken(Next),
    /// The run is another runner's.
    Lost,
}

/// A run and its record.
pub(super) struct Record<'a, L> {
    log: &'a L,
    run: Run,
    /// Number of the last event taken in.
    applied: i64,
    /// A reading that a person's event completed, to be stored with the runner's next event: people store their events
    /// themselves, and know of no readings.
    owed: Option<Taken>,
}

impl<'a, L: RunLog> Record<'a, L> {
    /// Reads a run back.
    pub(super) async fn open(log: &'a L, order: Order) -> Result<Self, StoreError> {
        let mut record = Self { log, run: Run::new(order), applied: 0, owed: None };
        record.catch_up().await?;
        Ok(record)
    }

    /// The run.
    pub(super) fn run(&self) -> &Run {
        &self.run
    }

    /// Takes in what others have stored since; what is to be done now, if that has changed.
    pub(super) async fn catch_up(&mut self) -> Result<Option<Next>, StoreError> {
        let mut next = None;
        loop {
            let events = self.log.events(self.applied).await?;
            if events.is_empty() {
                return Ok(next);
            }
            for (seq, event) in events {
                let (then, taken) = sorted(self.run.step_stored(&event));
                next = then.or(next);
                self.applied = seq;
                // What a runner appended was stored with its reading, or with what was owed before.
                match (is_persons(&event.what), taken) {
                    (true, Some(taken)) => self.owed = Some(taken),
                    (true, None) => {}
                    (false, _) => self.owed = None,
                }
            }
        }
    }

    /// Stores what happened and takes it in, after whatever people said before.
    pub(super) async fn add(&mut self, what: &Happening) -> Result<Recorded, StoreError> {
        for _ in 0..BEHIND_MAX {
            let event = Event { at: now(), what: what.clone() };
            let mut run = self.run.clone();
            let (next, taken) = sorted(run.step(&event));
            let ending = match &next {
                Some(Next::Over(ending)) => Some(ending),
                _ => None,
            };
            let taken = taken.as_ref().or(self.owed.as_ref());
            match self.log.append(self.applied, &event, taken, ending).await? {
                Appended::Done(seq) => {
                    (self.run, self.applied, self.owed) = (run, seq, None);
                    return Ok(Recorded::Taken(next));
                }
                Appended::Lost => return Ok(Recorded::Lost),
                Appended::Behind => {
                    if let Some(next) = self.catch_up().await? {
                        return Ok(Recorded::Overtaken(next));
                    }
                }
            }
        }
        tracing::warn!(order.number = self.run.order().number, "an event was overtaken too often");
        Ok(Recorded::Lost)
    }
}

/// Whether people say this, and not a runner.
fn is_persons(what: &Happening) -> bool {
    matches!(
        what,
        Happening::DisplayRead { .. }
            | Happening::Stopped { .. }
            | Happening::Item(_)
            | Happening::Conditions(_)
    )
}

/// Commands, by what they are for: what to do next, and a reading to store.
fn sorted(commands: Vec<Command>) -> (Option<Next>, Option<Taken>) {
    let (mut next, mut taken) = (None, None);
    for command in commands {
        match command {
            Command::Keep(reading) => taken = Some(reading),
            Command::Do(action) => next = Some(Next::Do(action)),
            Command::End(ending) => next = Some(Next::Over(ending)),
        }
    }
    (next, taken)
}
