//! The present: piles at real speed, with charges that begin now, samples each minute and heartbeats.
//!
//! Called after a history, and by `veripile simulate`.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::city::City;
use crate::history::{Fleet, Life};
use crate::speaker::{Running, Told};
use crate::{Progress, SimulatorError};

/// Samples of a running charge.
const SAMPLE_EVERY: Duration = Duration::from_secs(60);

/// Heartbeats of an idle pile.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(240);

/// A live charge may last so long at most.
const CHARGE_MAX: SignedDuration = SignedDuration::from_hours(48);

/// Lets every pile of a fleet live until told to stop.
pub async fn run(fleet: Fleet) -> Result<(), SimulatorError> {
    let mut tasks = JoinSet::new();
    for life in fleet.lives {
        let city = Arc::clone(&fleet.city);
        tasks.spawn(live(city, life));
    }
    while let Some(done) = tasks.join_next().await {
        match done {
            Ok(Ok(()) | Err(SimulatorError::Stopped)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "a simulated pile gave up"),
            Err(error) => tracing::error!(%error, "a simulated pile failed"),
        }
    }
    Ok(())
}

async fn live(city: Arc<City>, mut life: Life) -> Result<(), SimulatorError> {
    let mut rng = ChaCha8Rng::seed_from_u64(city.seed ^ (life.index as u64).wrapping_mul(7919));
    let pile = &city.piles[life.index];
    let busy_hours = 30.0 * 24.0 / pile.charges_per_month.max(1.0);
    // Some piles are in the middle of a charge when we begin to look.
    let mut wait = rng.random_range(0.0..1.0) * busy_hours * 3600.0 * 0.5;
    life.speaker.status(1, false).await?;
    if pile.out_of_use {
        return idle(&mut life, Duration::from_secs(u64::from(u32::MAX))).await;
    }
    while !life.speaker.link.is_stopping() {
        idle(&mut life, Duration::from_secs_f64(wait)).await?;
        if life.speaker.link.is_stopping() {
            break;
        }
        let now = Timestamp::now();
        if let Some(told) = life.planner.charge(&city, pile, now, now + CHARGE_MAX) {
            charge(&mut life, told).await?;
        }
        wait = -rng.random_range(f64::MIN_POSITIVE..1.0).ln() * busy_hours * 3600.0;
    }
    Ok(())
}

async fn idle(life: &mut Life, time: Duration) -> Result<(), SimulatorError> {
    let end = Instant::now() + time;
    while Instant::now() < end && !life.speaker.link.is_stopping() {
        let until = end.min(Instant::now() + HEARTBEAT_EVERY);
        life.speaker.link.idle(until).await;
        if !life.speaker.link.is_stopping() {
            life.speaker.heartbeat().await?;
        }
    }
    Ok(())
}

async fn charge(life: &mut Life, mut told: Told) -> Result<(), SimulatorError> {
    let now = Timestamp::now();
    let lasts = told.end.map_or(SignedDuration::from_mins(30), |end| end.duration_since(told.start));
    // Of a stop that will be misread the samples know nothing.
    let (energy_wh, has_end) = (told.energy_wh.unwrap_or(0).max(0), told.end.is_some());
    told.start = now;
    let connector = told.connector;
    let mut running: Running = life.speaker.start(told).await?;
    life.speaker.status(connector, true).await?;
    let end = now + lasts;
    while Timestamp::now() < end && !life.speaker.link.is_stopping() {
        life.speaker.link.idle(Instant::now() + SAMPLE_EVERY).await;
        let at = Timestamp::now();
        let share = at.duration_since(now).as_secs_f64() / lasts.as_secs_f64().max(1.0);
        if share < 1.0 && !life.speaker.link.is_stopping() {
            let power_w = (energy_wh as f64 * 3600.0 / lasts.as_secs_f64()) as i64;
            life.speaker.sample(&mut running, at, (share * energy_wh as f64) as i64, power_w).await?;
        }
    }
    if life.speaker.link.is_stopping() {
        return Ok(());
    }
    if has_end {
        running.end_at(Timestamp::now());
        life.speaker.stop(running).await?;
    }
    life.speaker.status(connector, false).await?;
    Progress::count(&life.speaker.link.progress().done);
    Ok(())
}
