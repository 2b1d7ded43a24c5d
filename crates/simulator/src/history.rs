//! History: many days of the past, told over the same sockets as the present, as fast as the server answers.
//!
//! Called by the demo. No pile is more than a day ahead of the slowest, so that at any moment the server holds a city's past
//! up to one date.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;

use crate::city::City;
use crate::link::{Line, Link};
use crate::plan::Planner;
use crate::speaker::{Speaker, Told};
use crate::SimulatorError;

/// Charges longer than this get a sample in their middle.
const SAMPLED_FROM: SignedDuration = SignedDuration::from_mins(45);

/// A pile in the middle of its life.
pub(crate) struct Life {
    pub(crate) index: usize,
    pub(crate) speaker: Speaker,
    pub(crate) planner: Planner,
}

/// The piles of a city, connected, ready to go on living.
pub struct Fleet {
    pub(crate) city: Arc<City>,
    pub(crate) lives: Vec<Life>,
}

/// Connects every pile of a city; its life is told from `from` on.
pub async fn connect(city: Arc<City>, line: &Line, from: Timestamp) -> Result<Fleet, SimulatorError> {
    let mut tasks = JoinSet::new();
    let run = format!("{}", Timestamp::now().as_second());
    for (index, simulated) in city.piles.iter().enumerate() {
        let link = Link::new(line.clone(), simulated.pile.pile_id.to_string(), simulated.protocol);
        let mut speaker = Speaker::new(link, simulated.writes_kwh, run.clone());
        let (identity, planner) = (simulated.identity.clone(), Planner::new(&city, index, from));
        tasks.spawn(async move {
            speaker.boot(&identity).await?;
            Ok(Life { index, speaker, planner })
        });
    }
    let lives = collect(tasks).await?;
    Ok(Fleet { city, lives })
}

/// Tells `days` days up to `end`. Progress counts days times piles.
pub async fn tell(mut fleet: Fleet, line: &Line, days: u32, end: Timestamp) -> Result<Fleet, SimulatorError> {
    line.progress.total.store(u64::from(days) * fleet.lives.len() as u64, Ordering::Relaxed);
    for day in (0..days).rev() {
        let end_of_day = end - SignedDuration::from_hours(24 * i64::from(day));
        let mut tasks = JoinSet::new();
        for mut life in fleet.lives.drain(..) {
            let (city, progress) = (Arc::clone(&fleet.city), Arc::clone(&line.progress));
            tasks.spawn(async move {
                for told in life.planner.day(&city, life.index, end_of_day, end) {
                    tell_charge(&mut life.speaker, told).await?;
                }
                progress.done.fetch_add(1, Ordering::Relaxed);
                Ok(life)
            });
        }
        fleet.lives = collect(tasks).await?;
    }
    Ok(fleet)
}

async fn tell_charge(speaker: &mut Speaker, told: Told) -> Result<(), SimulatorError> {
    let (start, end, energy_wh) = (told.start, told.end, told.energy_wh);
    let mut running = speaker.start(told).await?;
    if let (Some(end), Some(energy_wh)) = (end, energy_wh)
        && SAMPLED_FROM < end.duration_since(start)
    {
        let middle = start + end.duration_since(start) / 2;
        let power_w = energy_wh * 3600 / end.duration_since(start).as_secs();
        speaker.sample(&mut running, middle, energy_wh / 2, power_w).await?;
    }
    speaker.stop(running).await
}

async fn collect(mut tasks: JoinSet<Result<Life, SimulatorError>>) -> Result<Vec<Life>, SimulatorError> {
    let mut lives = Vec::with_capacity(tasks.len());
    while let Some(done) = tasks.join_next().await {
        lives.push(done.unwrap_or(Err(SimulatorError::Stopped))?);
    }
    lives.sort_by_key(|life| life.index);
    Ok(lives)
}
