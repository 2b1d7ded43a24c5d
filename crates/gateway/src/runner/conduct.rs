//! One run, carried out: perform an action, store what came of it, perform the next.
//!
//! Started by [`super`], on a [`Bench`] and a [`RunLog`], which tests replace. What is said to a source is never cut short,
//! since a command that is still on its way could be obeyed after the next one; waits and questions to pile and standard are, by people's
//! events and by the server's stop. Outputs go off wherever this lets go of a run that may have them on.

use std::pin::Pin;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use veripile_store::StoreError;
use veripile_verification::{Action, Ending, Happening, Party, SourceCommand};

use super::bench::Bench;
use super::log::{Next, Record, Recorded, RunLog};
use crate::metrics::GatewayMetrics;

/// Times that an event is stored anew after a fault of the store; then the run is left to whoever can store.
pub(super) const STORE_TRIES_MAX: u32 = 5;

/// How long after its lease seems over a run is really another's: a lease is given up somewhat earlier than it ends.
const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// How fast a runner looks around; tests are faster.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// A lease.
    pub(super) lease: Duration,
    /// Between two signs of life.
    pub(super) keep_every: Duration,
    /// Between two looks for what people said, where nobody tells.
    pub(super) look_every: Duration,
    /// Before the first new try to store; each further wait is twice as long.
    pub(super) store_again: Duration,
}

impl Pace {
    /// The pace of a server: a sign of life several times in a lease.
    pub(super) fn usual(lease: SignedDuration) -> Self {
        let lease = Duration::try_from(lease).unwrap_or_default().saturating_sub(LEASE_MARGIN);
        Self {
            lease,
            keep_every: lease / 6,
            look_every: Duration::from_secs(2),
            store_again: Duration::from_millis(500),
        }
    }
}

/// How a run was left.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Left {
    /// It is over.
    Over(Ending),
    /// The server stops; another goes on.
    Stopping,
    /// Another runner has it: nothing was touched any more.
    Lost,
    /// It cannot be stored.
    Store(String),
    /// The run had no use for an answer, nor for being told so: a defect.
    Useless(String),
}

/// What came of an action.
enum Came {
    /// This.
    Happened(Happening),
    /// People changed what is to be done.
    Overtaken(Next),
}

/// Carries out one run.
pub(super) struct Conductor<'a, L, B> {
    log: &'a L,
    record: Record<'a, L>,
    bench: B,
    /// Whether outputs may be on.
    may_be_on: bool,
    signals: Signals,
    metrics: GatewayMetrics,
}

/// What a run is told from outside.
#[derive(Clone)]
pub(super) struct Signals {
    /// True when the server stops.
    pub(super) stopping: watch::Receiver<bool>,
    /// Changes whenever somebody may have said something of any run.
    pub(super) arrivals: watch::Receiver<()>,
}

impl Signals {
    /// Waits until somebody may have said something, or it is time to look.
    async fn look(&mut self, every: Duration) {
        // Without a sender nobody tells, and only the time counts.
        if let Ok(Err(_)) = timeout(every, self.arrivals.changed()).await {
            sleep(every).await;
        }
    }
}

impl<'a, L: RunLog, B: Bench> Conductor<'a, L, B> {
    /// On a bench. A run that was begun before may have left outputs on.
    pub(super) fn new(
        log: &'a L,
        bench: B,
        record: Record<'a, L>,
        signals: Signals,
        metrics: GatewayMetrics,
    ) -> Self {
        let may_be_on = record.run().has_source() && record.run().progress().stage != "waiting";
        Self { log, record, bench, may_be_on, signals, metrics }
    }

    /// Carries the run out from `first` on, as far as it goes.
    pub(super) async fn conduct(mut self, first: Happening, pace: Pace) -> Left {
        let log = self.log;
        tokio::select! {
            // Whatever is on its way to an instrument is dropped at once, with its connection.
            () = lease_lost(log, pace) => Left::Lost,
            left = self.go(first, pace) => left,
        }
    }

    async fn go(&mut self, first: Happening, pace: Pace) -> Left {
        let left = match self.go_on(first, pace).await {
            Ok(ending) => Left::Over(ending),
            Err(left) => left,
        };
        if self.may_be_on && !matches!(left, Left::Lost | Left::Over(_)) {
            self.switch_off().await;
        }
        left
    }

    async fn go_on(&mut self, first: Happening, pace: Pace) -> Result<Ending, Left> {
        let mut next = self.store(first, None, pace).await?;
        loop {
            let action = match next {
                Next::Over(ending) => return Ok(ending),
                Next::Do(action) => action,
            };
            next = match self.perform(&action, pace).await? {
                Came::Happened(what) => self.store(what, Some(&action), pace).await?,
                Came::Overtaken(next) => next,
            };
        }
    }

    /// Performs an action to its end, or until people or the server's stop make it needless.
    async fn perform(&mut self, action: &Action, pace: Pace) -> Result<Came, Left> {
        if *self.signals.stopping.borrow() {
            return Err(Left::Stopping);
        }
        if matches!(action, Action::Source(_)) {
            return Ok(Came::Happened(self.command(action).await));
        }
        let Self { record, bench, signals, .. } = self;
        let mut stopping = signals.stopping.clone();
        let deed = bench.perform(action);
        tokio::pin!(deed);
        loop {
            tokio::select! {
                what = &mut deed => return Ok(Came::Happened(what)),
                () = signals.look(pace.look_every) => {}
                _ = stopping.wait_for(|stop| *stop) => return Err(Left::Stopping),
            }
            let (said, done) = meanwhile(deed.as_mut(), record.catch_up()).await;
            match said {
                Ok(Some(next)) => return Ok(Came::Overtaken(next)),
                Ok(None) => {}
                // Nothing is lost by that: what people said is stored, and the lease is watched elsewhere.
                Err(error) => tracing::warn!(%error, "what people said of a run could not be looked for"),
            }
            if let Some(what) = done {
                return Ok(Came::Happened(what));
            }
        }
    }

    /// Tells an instrument something, and remembers whether outputs may be on.
    async fn command(&mut self, action: &Action) -> Happening {
        let source = match action {
            Action::Source(command) => Some(command),
            _ => None,
        };
        if source == Some(&SourceCommand::OutputOn) {
            self.may_be_on = true;
        }
        let what = self.bench.perform(action).await;
        let goes_off = matches!(source, Some(SourceCommand::OutputOff | SourceCommand::Reset));
        if goes_off && what == Happening::Done {
            self.may_be_on = false;
        }
        // An off that was obeyed in words only, or what cannot be asked about.
        if source == Some(&SourceCommand::OutputState) {
            self.may_be_on = what != (Happening::State { on: false });
        }
        what
    }

    /// Switches outputs off and asks whether they are: an off that was obeyed in words only is none.
    async fn switch_off(&mut self) {
        let obeyed = self.command(&Action::Source(SourceCommand::OutputOff)).await;
        let what = match obeyed {
            Happening::Done => self.command(&Action::Source(SourceCommand::OutputState)).await,
            failed => failed,
        };
        let number = &self.record.run().order().number;
        if what == (Happening::State { on: false }) {
            tracing::info!(order.number = number, "outputs are off");
        } else {
            tracing::warn!(
                order.number = number,
                ?what,
                "outputs could not be switched off; the dead-man acts"
            );
        }
    }

    /// Stores what happened, and tells what is to be done next. An answer that the run has no use for is told to it as a fault, so
    /// that it never stands still.
    async fn store(&mut self, what: Happening, of: Option<&Action>, pace: Pace) -> Result<Next, Left> {
        if let Happening::Failed { party, lost, detail } = &what {
            self.metrics.fault_of(*party).inc();
            let number = &self.record.run().order().number;
            tracing::warn!(order.number = number, ?party, lost, detail, "an action of a verification failed");
        }
        if let Some(next) = self.add(&what, pace).await? {
            return Ok(next);
        }
        let party = match of {
            Some(Action::Source(_)) => Party::Source,
            Some(Action::Standard(_)) => Party::Standard,
            _ => Party::Pile,
        };
        let detail = format!("the run has no use for {what:?}");
        tracing::warn!(
            order.number = self.record.run().order().number,
            detail,
            "an answer without a question"
        );
        let fault = Happening::Failed { party, lost: false, detail: detail.clone() };
        self.add(&fault, pace).await?.ok_or(Left::Useless(detail))
    }

    /// Stores one event. If the store failed meanwhile, so that outputs went off, the run learns that it was disturbed.
    async fn add(&mut self, what: &Happening, pace: Pace) -> Result<Option<Next>, Left> {
        let kept = self.record.run().taken().len();
        let (mut next, tries) = self.add_at_last(what, pace).await?;
        if 0 < tries && !matches!(next, Some(Next::Over(_))) {
            // What was being done is not known to have been done, as after a stop of the server.
            (next, _) = self.add_at_last(&Happening::Resumed, pace).await?;
        }
        let taken = self.record.run().taken().len().saturating_sub(kept);
        self.metrics.run_readings.inc_by(taken as u64);
        Ok(next)
    }

    /// Stores one event, however often it takes; and how often it failed.
    async fn add_at_last(&mut self, what: &Happening, pace: Pace) -> Result<(Option<Next>, u32), Left> {
        let mut tries = 0;
        loop {
            match self.record.add(what).await {
                Ok(Recorded::Taken(next)) => return Ok((next, tries)),
                Ok(Recorded::Overtaken(next)) => return Ok((Some(next), tries)),
                Ok(Recorded::Lost) => return Err(Left::Lost),
                Err(error) => {
                    tries += 1;
                    self.ride_out(&error, tries, pace).await?;
                }
            }
        }
    }

    /// Waits for the store to come back, outputs off.
    async fn ride_out(&mut self, error: &StoreError, tries: u32, pace: Pace) -> Result<(), Left> {
        let number = self.record.run().order().number.clone();
        tracing::warn!(order.number = number, %error, tries, "an event of a verification could not be stored");
        if self.may_be_on {
            self.switch_off().await;
        }
        if tries == STORE_TRIES_MAX {
            return Err(Left::Store(error.to_string()));
        }
        sleep(pace.store_again * 2_u32.pow(tries - 1)).await;
        Ok(())
    }
}

/// Asks the store something while a deed goes on; and what came of the deed, if it is done by then. A deed that waits for a
/// connection to the store and is not looked at keeps its place in the queue, and everybody behind it waiting.
async fn meanwhile<D: Future, A: Future>(mut deed: Pin<&mut D>, asking: A) -> (A::Output, Option<D::Output>) {
    tokio::pin!(asking);
    let mut done = None;
    loop {
        tokio::select! {
            answer = &mut asking => return (answer, done),
            what = &mut deed, if done.is_none() => done = Some(what),
        }
    }
}

/// Keeps the lease; ends when it is lost, or may be for all that is known.
async fn lease_lost<L: RunLog>(log: &L, pace: Pace) {
    let mut held_until = Instant::now() + pace.lease;
    while Instant::now() < held_until {
        let asked = Instant::now();
        match timeout_at(held_until, log.keep()).await {
            Ok(Ok(true)) => held_until = asked + pace.lease,
            Ok(Ok(false)) | Err(_) => return,
            Ok(Err(error)) => tracing::warn!(%error, "the lease of a run could not be kept; trying again"),
        }
        sleep(pace.keep_every).await;
    }
}
