//! The role `verify-runner`: takes up verifications of the piles connected here, and looks after certificates.
//!
//! Started once by `app` through [`crate::Gateway::run_verifications`]. A run is a row that is claimed under a lease; each is a
//! task of its own ([`conduct`]), which steps `verification::Run` on with what the pile and the instruments answer ([`bench`])
//! and stores every event before it acts on it ([`log`]). Never decides what comes next: the engine does.

mod bench;
mod conduct;
mod log;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use uuid::Uuid;
use veripile_store::StoreError;
use veripile_store::verification::Claimed;
use veripile_verification::{Happening, Order};

use crate::Gateway;
use crate::instrument::{ScpiSource, ScpiStandard};
use crate::reception::now;
use bench::FieldBench;
use conduct::{Conductor, Left, Pace, Signals};
use log::{Record, StoredLog};

/// Runs carried out at once by one process: each has a bench of two instruments and a person beside it.
const RUNS_MAX: usize = 8;

/// How often runs and people's events of other processes are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How long a run is a runner's without a sign of life: longer than a wait for a connection to the database, shorter than a
/// person's patience with a run that stands still.
const LEASE: SignedDuration = SignedDuration::from_secs(60);

/// How often certificates are compared with the firmware that piles run.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// How long runs may take to let go when the server stops: a command to an instrument that is on its way, and outputs off. After
/// that the dead-man of each source acts.
const LET_GO_WITHIN: Duration = Duration::from_secs(30);

/// Carries out verifications until the server stops.
pub(crate) async fn run(gateway: Arc<Gateway>) {
    let mut stopping = gateway.stopping.clone();
    let mut runs = JoinSet::new();
    let (arrived, arrivals) = watch::channel(());
    let mut sweep_at = Instant::now();
    loop {
        tokio::select! {
            _ = timeout(LOOK_EVERY, gateway.store.run_arrived()) => {}
            _ = stopping.wait_for(|stop| *stop) => break,
        }
        // Whoever waits for a person looks; only one can wait at the store.
        arrived.send_replace(());
        while let Some(ended) = runs.try_join_next() {
            if let Err(error) = ended {
                tracing::error!(%error, "a defect in veripile, please report it: a verification gave up");
            }
        }
        gateway.metrics.runs.set(i64::try_from(runs.len()).unwrap_or(i64::MAX));
        while runs.len() < RUNS_MAX {
            let Some((runner, claimed)) = claim(&gateway).await else { break };
            runs.spawn(carry_out(Arc::clone(&gateway), runner, claimed, arrivals.clone()));
            gateway.metrics.runs.inc();
        }
        if sweep_at <= Instant::now() {
            sweep(&gateway).await;
            sweep_at = Instant::now() + SWEEP_EVERY;
        }
    }
    let all = async { while runs.join_next().await.is_some() {} };
    if timeout(LET_GO_WITHIN, all).await.is_err() {
        tracing::warn!("a verification did not let go of its instruments in time; their dead-man acts");
    }
    gateway.metrics.runs.set(0);
}

/// Claims a run, under a name of its own: a task of this process that lost a run is not the one that took it up again.
async fn claim(gateway: &Gateway) -> Option<(Uuid, Claimed)> {
    let piles = gateway.verifiable();
    if piles.is_empty() {
        return None;
    }
    let runner = Uuid::now_v7();
    match gateway.store.claim_run(runner, &piles, now(), LEASE).await {
        Ok(claimed) => claimed.map(|claimed| (runner, claimed)),
        Err(error) => {
            tracing::warn!(%error, "verifications could not be looked for");
            None
        }
    }
}

/// Carries out one run, as far as it goes.
async fn carry_out(gateway: Arc<Gateway>, runner: Uuid, claimed: Claimed, arrivals: watch::Receiver<()>) {
    let order = claimed.row.order;
    let (order_no, pile_no) = (claimed.row.order_no, claimed.row.pile_no);
    let (number, pile) = (order.number.clone(), order.plate.pile_id.clone());
    tracing::info!(
        order.number = number, pile.id = %pile, resumed = claimed.resumed, "a verification is taken up"
    );
    let signals = Signals { stopping: gateway.stopping.clone(), arrivals };
    let log = StoredLog { store: gateway.store.clone(), order_no, runner, lease: LEASE };
    let bench = FieldBench::<ScpiSource, ScpiStandard>::of(&gateway, pile_no, &order);
    let left = match open(&gateway, &log, order, pile_no).await {
        Ok((record, first)) => {
            let conductor = Conductor::new(&log, bench, record, signals, gateway.metrics.clone());
            conductor.conduct(first, Pace::usual(LEASE)).await
        }
        Err(error) => Left::Store(error.to_string()),
    };
    tell(&number, pile.as_str(), &left);
    if left == Left::Stopping {
        log.release().await;
    }
}

/// Reads a run back, and what happens to it first. An order that waited may be carried out no more: it is asked again.
async fn open<'a>(
    gateway: &Gateway,
    log: &'a StoredLog,
    order: Order,
    pile_no: i64,
) -> Result<(Record<'a, StoredLog>, Happening), StoreError> {
    let record = Record::open(log, order).await?;
    let run = record.run();
    if run.progress().stage != "waiting" {
        return Ok((record, Happening::Resumed));
    }
    let repairers = gateway.store.repairers(&run.order().plate.pile_id, run.order().connector).await?;
    let told = gateway.store.firmware_told(pile_no).await?;
    let mut errors = run.order().check(now(), &repairers).err().unwrap_or_default();
    errors.extend(run.order().check_firmware(told.as_deref()).err());
    if errors.is_empty() {
        return Ok((record, Happening::Begun));
    }
    let reasons: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let first = Happening::Stopped { person: "veripile".to_owned(), reason: reasons.join("; ") };
    Ok((record, first))
}

/// How a run was left, for the log.
fn tell(number: &str, pile: &str, left: &Left) {
    match left {
        Left::Over(ending) => {
            tracing::info!(order.number = number, pile.id = pile, ?ending, "a verification is over");
        }
        Left::Stopping => {
            tracing::info!(
                order.number = number,
                pile.id = pile,
                "a verification is left to the next server"
            );
        }
        Left::Lost => {
            tracing::warn!(order.number = number, pile.id = pile, "a verification is another runner's now");
        }
        Left::Store(error) => tracing::error!(
            order.number = number,
            pile.id = pile,
            error,
            "a verification cannot be stored; what it may have switched on is off, and it is taken up again when its lease is over"
        ),
        Left::Useless(detail) => tracing::error!(
            order.number = number,
            pile.id = pile,
            detail,
            "a defect in veripile, please report it: a verification stands still"
        ),
    }
}

/// Certificates of piles whose firmware has changed are in question. Runs whose runner is gone need no sweep: a claim finds them.
async fn sweep(gateway: &Gateway) {
    match gateway.store.find_changed_firmware(now()).await {
        Ok(0) => {}
        Ok(found) => {
            tracing::info!(found, "certificates are in question: their piles run other firmware now");
        }
        Err(error) => tracing::warn!(%error, "changed firmware could not be looked for"),
    }
}
