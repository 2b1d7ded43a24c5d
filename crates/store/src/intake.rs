//! Intake: everything chargers say becomes durable here, many messages to a commit.
//!
//! The gateway hands an [`Arrival`] to [`Intake::commit`] and gets its [`Outcome`] only after the transaction that holds it
//! has been committed; an error means that nothing of the message was stored. One task per process collects what is
//! waiting while the previous commit runs (group commit). A message that arrives twice is stored once. Never judges
//! content: marks were put on by the sender of the arrival.

mod batch;
mod copy;
mod metrics;
pub(crate) mod register;
mod sent;

use std::any::Any;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use jiff::Timestamp;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;
use veripile_pile::{ChargeEvent, Mark, Reading, ReceiveTime, Restart, SignedRecord};

use crate::{Store, StoreError};
pub use metrics::IntakeMetrics;
pub use sent::{Sent, SentKind};

/// Messages that may wait for a commit; beyond it, chargers wait for their answers (back-pressure, never loss).
const QUEUE_MESSAGES_MAX: usize = 8_192;

/// Messages in one transaction: large enough to share a flush, small enough to keep answers under a second.
const BATCH_MESSAGES_MAX: usize = 1_000;

/// Texts sent that wait for a commit; beyond it the oldest are let go, counted: they are a log, the facts are elsewhere.
const SENT_WAITING_MAX: usize = 100_000;

/// Texts sent are written with the first commit after this time, or alone where there is none: one COPY for many commits.
const SENT_WITHIN: Duration = Duration::from_millis(500);

/// A message as it reached us, with what was understood of it.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// From which pile.
    pub pile_no: i64,
    /// Over which connection; a later one is greater (UUID v7).
    pub connection: Uuid,
    /// In which sub-protocol.
    pub protocol: &'static str,
    /// When.
    pub received: ReceiveTime,
    /// The frame to keep.
    pub frame: Frame,
    /// The readings in it.
    pub readings: Vec<Reading>,
    /// The signed values in it, judged and sealed.
    pub signed: Vec<Sealed>,
    /// Where registers began to count anew in it.
    pub restarts: Vec<Restart>,
    /// Whether it came from a charger that had yet to be let in: its charges count for nothing.
    pub unproven: bool,
    /// What else it changes.
    pub effect: Effect,
}

/// The raw frame.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Time of the frame: device time if it has one, else receive time, else the untimed epoch for messages that must be
    /// recognised when repeated.
    pub time: Timestamp,
    /// Idempotency key together with `time` and pile.
    pub digest: Uuid,
    /// Message id, if the envelope could be read.
    pub message_id: Option<String>,
    /// Action, if the envelope could be read.
    pub action: Option<String>,
    /// The text, with card identities replaced.
    pub body: String,
    /// HMAC-SHA-256 of the bytes as they came, under the identity key: a plain digest would let cards be guessed.
    pub mac: [u8; 32],
    /// What is wrong with the frame.
    pub marks: Vec<Mark>,
}

/// A judged signed value, ready to be kept.
#[derive(Debug, Clone)]
pub struct Sealed {
    /// The value and its verdict.
    pub record: SignedRecord,
    /// By what name frames and readings refer to the container.
    pub container: String,
    /// The container's text, encrypted.
    pub sealed: Vec<u8>,
    /// By what its content is known again, if it is good.
    pub content: Option<[u8; 32]>,
}

/// What a message changes besides being kept.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Nothing.
    None,
    /// A charge.
    Charge(ChargeEvent),
    /// What connectors say of themselves.
    Status(Vec<Status>),
    /// Who the charger says it is.
    Boot(Boot),
    /// Which meter it says it has.
    Meter {
        /// Type.
        meter_type: Option<String>,
        /// Serial number.
        meter_serial: Option<String>,
    },
}

/// What a connector says of itself.
#[derive(Debug, Clone)]
pub struct Status {
    /// Connector (EVSE in 2.x); 0 is the whole pile.
    pub connector: u32,
    /// OCPP's word.
    pub word: String,
    /// Since when, by the charger's clock if believable.
    pub at: Timestamp,
    /// Whether that was before its connection began: it comes from a queue, or the charger's clock is behind.
    pub late: bool,
}

/// Identity from a boot message, as sent.
#[derive(Debug, Clone, Default)]
pub struct Boot {
    /// Vendor.
    pub vendor: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// Firmware version.
    pub firmware: Option<String>,
    /// Type of meter.
    pub meter_type: Option<String>,
    /// Serial number of the meter.
    pub meter_serial: Option<String>,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it had been stored before.
    pub duplicate: bool,
    /// Transaction id of the charge it belongs to; for OCPP 1.6 the number to answer a start with.
    pub transaction: Option<String>,
}

/// Why a message was not stored. Nothing of it was.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum IntakeError {
    /// The database refused it or could not be reached.
    #[error("not stored: {0}")]
    Failed(String),
    /// The server is stopping.
    #[error("not stored: the server is stopping")]
    Stopping,
}

struct Job {
    arrival: Arrival,
    reply: oneshot::Sender<Result<Outcome, IntakeError>>,
}

/// The door to the group commit. Cheap to clone; the task behind it ends, after storing what waits, when all clones are gone.
#[derive(Clone)]
pub struct Intake {
    jobs: mpsc::Sender<Job>,
    sent: Arc<Mutex<Vec<Sent>>>,
    alive: Pulses,
    metrics: IntakeMetrics,
}

/// When piles last gave a sign of life that is no message, since it was last written.
type Pulses = Arc<Mutex<HashMap<i64, Timestamp>>>;

impl Intake {
    /// Starts the committing task.
    pub fn start(store: Store, metrics: IntakeMetrics) -> Self {
        let (jobs, queue) = mpsc::channel(QUEUE_MESSAGES_MAX);
        let (sent, alive) = (Arc::new(Mutex::default()), Pulses::default());
        tokio::spawn(run(store, queue, Arc::clone(&sent), Arc::clone(&alive), metrics.clone()));
        Self { jobs, sent, alive, metrics }
    }

    /// Notes that a pile is there, though it says nothing. Written with those of all others soon; nobody waits for it.
    pub fn alive(&self, pile_no: i64, at: Timestamp) {
        self.alive.lock().unwrap_or_else(PoisonError::into_inner).insert(pile_no, at);
    }

    /// Notes a text that a charger was sent. It shares the next commit; nobody waits for it.
    pub fn note(&self, text: Sent) {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        if sent.len() < SENT_WAITING_MAX {
            sent.push(text);
        } else {
            self.metrics.sent_lost.inc();
        }
    }

    /// Stores one message; returns after its commit.
    pub async fn commit(&self, arrival: Arrival) -> Result<Outcome, IntakeError> {
        let (reply, answer) = oneshot::channel();
        self.metrics.queue.inc();
        let sent = self.jobs.send(Job { arrival, reply }).await;
        let outcome = match sent {
            Ok(()) => answer.await.unwrap_or(Err(IntakeError::Stopping)),
            Err(_) => Err(IntakeError::Stopping),
        };
        self.metrics.queue.dec();
        outcome
    }
}

async fn run(
    store: Store,
    mut queue: mpsc::Receiver<Job>,
    sent: Arc<Mutex<Vec<Sent>>>,
    alive: Pulses,
    metrics: IntakeMetrics,
) {
    let mut writer = batch::Writer::new(store.clone());
    let mut jobs = Vec::with_capacity(BATCH_MESSAGES_MAX);
    let mut logged = Instant::now();
    loop {
        let received =
            tokio::time::timeout(SENT_WITHIN, queue.recv_many(&mut jobs, BATCH_MESSAGES_MAX)).await;
        let is_time = logged.elapsed() >= SENT_WITHIN || matches!(received, Ok(0));
        if is_time {
            writer.sent.append(&mut sent.lock().unwrap_or_else(PoisonError::into_inner));
            logged = Instant::now();
        }
        match received {
            Ok(0) => break,
            Ok(_) => commit_together(&mut writer, std::mem::take(&mut jobs), &metrics).await,
            Err(_) => log_sent(&mut writer, &metrics).await,
        }
        if is_time {
            note_alive(&store, &alive).await;
        }
    }
    log_sent(&mut writer, &metrics).await;
}

/// Writes signs of life, by themselves: that one could not be written holds up no message, and the next one comes in minutes.
async fn note_alive(store: &Store, alive: &Pulses) {
    let heard = std::mem::take(&mut *alive.lock().unwrap_or_else(PoisonError::into_inner));
    if !heard.is_empty()
        && let Err(error) = store.alive(&heard).await
    {
        tracing::warn!(%error, piles = heard.len(), "that chargers answer pings could not be noted");
    }
}

/// Writes the texts sent while no message is waiting.
async fn log_sent(writer: &mut batch::Writer, metrics: &IntakeMetrics) {
    if !writer.sent.is_empty()
        && let Err(error) = writer.commit(&[]).await
    {
        tracing::warn!(%error, texts = writer.sent.len(), "what chargers were sent could not be logged; trying again");
        let excess = writer.sent.len().saturating_sub(SENT_WAITING_MAX);
        writer.sent.drain(..excess);
        metrics.sent_lost.inc_by(excess as u64);
    }
}

/// Commits a batch; if one message of it cannot be stored, each alone, so that it does not hold up the others. If the
/// database cannot be reached, all are refused at once, while their senders still listen.
async fn commit_together(writer: &mut batch::Writer, jobs: Vec<Job>, metrics: &IntakeMetrics) {
    let (arrivals, replies): (Vec<_>, Vec<_>) = jobs.into_iter().map(|job| (job.arrival, job.reply)).unzip();
    match timed_commit(writer, &arrivals, metrics).await {
        Ok(outcomes) => {
            for (reply, outcome) in replies.into_iter().zip(outcomes) {
                // A charger that hung up meanwhile asks again after reconnecting: its message is stored.
                let _ = reply.send(Ok(outcome));
            }
        }
        Err(error) if arrivals.len() == 1 || error.is_unreachable() => {
            tracing::error!(messages = arrivals.len(), pile.no = arrivals[0].pile_no, %error, "not stored");
            metrics.failures.inc_by(arrivals.len() as u64);
            for reply in replies {
                let _ = reply.send(Err(IntakeError::Failed(error.to_string())));
            }
        }
        Err(error) => {
            tracing::warn!(messages = arrivals.len(), %error, "a batch was refused; storing its messages one by one");
            for (arrival, reply) in arrivals.into_iter().zip(replies) {
                Box::pin(commit_together(writer, vec![Job { arrival, reply }], metrics)).await;
            }
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}

async fn timed_commit(
    writer: &mut batch::Writer,
    arrivals: &[Arrival],
    metrics: &IntakeMetrics,
) -> Result<Vec<Outcome>, StoreError> {
    let timer = metrics.commit_seconds.start_timer();
    // A panic on one message must not end intake for every charger: it counts as that message's failure.
    let outcomes = AssertUnwindSafe(writer.commit(arrivals))
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| Err(StoreError::Panicked(panic_text(panic.as_ref()))))?;
    timer.observe_duration();
    metrics.batch_messages.observe(arrivals.len() as f64);
    for (arrival, outcome) in arrivals.iter().zip(&outcomes) {
        if outcome.duplicate {
            metrics.duplicates.inc();
        } else {
            metrics.readings.inc_by(arrival.readings.len() as u64);
        }
    }
    Ok(outcomes)
}
