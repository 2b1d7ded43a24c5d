//! History: many days of the past, told over the same sockets as the present, as fast as the server answers.
//!
//! Called by the demo. No pile is more than a few days ahead of the slowest, so that at any moment the server holds a city's
//! past up to about one date.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::SimulatorError;
use crate::city::City;
use crate::link::{Line, Link};
use crate::plan::{Planner, Stands};
use crate::speaker::{Speaker, Told};

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

/// Connects every pile of a city; its life is told from `from` on, its registers go on from where they stand.
pub async fn connect(
    city: Arc<City>,
    line: &Line,
    from: Timestamp,
    stands: &Stands,
) -> Result<Fleet, SimulatorError> {
    let mut tasks = JoinSet::new();
    // The same history told again names its 2.x transactions alike.
    let run = from.as_second().to_string();
    for (index, simulated) in city.piles.iter().enumerate() {
        let link = Link::new(line.clone(), simulated.pile.pile_id.to_string(), simulated.protocol);
        let mut speaker = Speaker::new(link, simulated.writes_kwh, run.clone());
        let (identity, planner) = (simulated.identity.clone(), Planner::new(&city, index, from, stands));
        tasks.spawn(async move {
            speaker.boot(&identity).await?;
            Ok(Life { index, speaker, planner })
        });
    }
    let lives = collect(tasks).await?;
    Ok(Fleet { city, lives })
}

/// Tells `days` days up to `end`. Progress counts days times piles.
pub async fn tell(fleet: Fleet, line: &Line, days: u32, end: Timestamp) -> Result<Fleet, SimulatorError> {
    let count = fleet.lives.len();
    line.progress.total.store(u64::from(days) * count as u64, Ordering::Relaxed);
    let pace = Arc::new(Pace::new(days, count));
    let mut tasks = JoinSet::new();
    for life in fleet.lives {
        let (city, pace, line) = (Arc::clone(&fleet.city), Arc::clone(&pace), line.clone());
        tasks.spawn(tell_life(city, life, line, pace, days, end));
    }
    Ok(Fleet { city: fleet.city, lives: collect(tasks).await? })
}

async fn tell_life(
    city: Arc<City>,
    mut life: Life,
    line: Line,
    pace: Arc<Pace>,
    days: u32,
    end: Timestamp,
) -> Result<Life, SimulatorError> {
    for day in 0..days {
        pace.wait_for(day).await;
        let end_of_day = end - SignedDuration::from_hours(24 * i64::from(days - 1 - day));
        for told in life.planner.day(&city, life.index, end_of_day, end) {
            tell_charge(&mut life.speaker, told).await?;
        }
        line.progress.done.fetch_add(1, Ordering::Relaxed);
        pace.finish(day);
    }
    Ok(life)
}

/// Keeps the piles together: none begins a day before all have finished the day [`Pace::SLACK_DAYS`] before it.
struct Pace {
    unfinished: Vec<AtomicUsize>,
    finished_days: watch::Sender<u32>,
}

impl Pace {
    /// A busy pile has many more charges than a quiet one; some slack keeps the server busy at each day's end.
    const SLACK_DAYS: u32 = 2;

    fn new(days: u32, piles: usize) -> Self {
        Self {
            unfinished: (0..days).map(|_| AtomicUsize::new(piles)).collect(),
            finished_days: watch::channel(0).0,
        }
    }

    async fn wait_for(&self, day: u32) {
        let mut finished = self.finished_days.subscribe();
        // The sender lives as long as self, so this cannot fail.
        let _ = finished.wait_for(|finished| day <= finished + Self::SLACK_DAYS).await;
    }

    fn finish(&self, day: u32) {
        if self.unfinished[day as usize].fetch_sub(1, Ordering::AcqRel) == 1 {
            self.finished_days.send_modify(|finished| *finished = (*finished).max(day + 1));
        }
    }
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
