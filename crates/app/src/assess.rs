//! The assess role: wakes on new evidence, assesses, writes estimates, signals, next dates and standings in one transaction.
//!
//! Started by [`crate::server`]. Two rhythms: the filter takes in the open week whenever there are new comparisons ([`weekly`]); all evidence of
//! the window is compared anew when that can change a verdict ([`Assessor::is_due`]), or when a person asks for it ([`once`]). It moves data;
//! what it says is decided in `assessment` and `pile::standing`. One process assesses at a time (`store::alone`).

mod clock;
pub(crate) mod facts;
mod metrics;
pub(crate) mod once;
mod outcome;
mod prices;
mod visits;
mod weekly;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use indicatif::ProgressBar;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use veripile_assessment::{Assessment, Balanced, Learnt, REVISION, RunFacts, Vehicles};
use veripile_metrology::comparison::Settings;
use veripile_ocpp::IdentityKey;
use veripile_pile::{Act, Estimate, PileId, VehicleKey};
use veripile_store::evidence::TakenIn;
use veripile_store::witness::Calibration;
use veripile_store::{AssessLock, AssessmentRun, Store, StoredRun};

use crate::assess_files::findings::CHARGES_MAX;
use facts::{Facts, Prepared};
pub(crate) use metrics::AssessMetrics;
use metrics::Reach;
use once::Told;
pub(crate) use outcome::{NextByState, next_dates};
use outcome::{Now, Outcome};
use weekly::{Behind, Filtered, Given, Late, Weekly};

/// Evidence is looked for at least this often, should no wake-up come.
const POLL: Duration = Duration::from_secs(5);

/// New comparisons, one in so many of those that the last whole assessment compared, from which everything is compared anew: a young
/// network is told of at once, and all whole assessments together cost no more than so many times the last one.
const GROWN_BY: u64 = 20;

/// Another process that assesses for longer is worth a look: a nation takes minutes.
const WAITED_LONG: Duration = Duration::from_secs(1_800);

/// Name and version of the software, and revision of the estimator.
pub(crate) fn software() -> String {
    format!("veripile {}, estimator {REVISION}", env!("CARGO_PKG_VERSION"))
}

/// How the role runs.
#[derive(Debug, Clone, Copy)]
pub struct AssessSettings {
    /// Least time between two runs.
    pub interval: Duration,
    /// All evidence is compared anew at least this often.
    pub whole_every: Duration,
    /// Days of charges that a run looks back on.
    pub window_days: u32,
}

/// With what a run was made, beside the facts that are kept: what `veripile check assessment` needs to make it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Basis {
    /// Days of charges looked back on.
    pub(crate) window_days: u32,
    /// Charges, piles, acts and intervals of energy that it knew.
    pub(crate) charges: usize,
    pub(crate) piles: usize,
    pub(crate) acts: usize,
    pub(crate) intervals: usize,
    /// Calibrations of reference vehicles, of which runs of before knew none.
    #[serde(default)]
    pub(crate) calibrations: usize,
    /// Stations' prices by the hour, likewise.
    #[serde(default)]
    pub(crate) tariffs: usize,
    /// Priors and starting values of the fit.
    pub(crate) settings: FitSettings,
    /// Whether there were too many charges to look for signals.
    #[serde(default)]
    pub(crate) signals_skipped: bool,
    /// Signals that nothing told enough for, by code; runs of before did not say.
    #[serde(default)]
    pub(crate) signals_not_asked: Vec<String>,
}

/// The fit's settings, as stored.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct FitSettings {
    noise: f64,
    noise_kwh: f64,
    vehicle_sd: f64,
    interaction_sd: f64,
    model_sd: f64,
    common_sd: f64,
    /// 0 in runs of before: then all vehicles of a fleet were alike.
    #[serde(default)]
    linked_sd: f64,
    covariate_sd: f64,
    class_sd: f64,
}

impl From<Settings> for FitSettings {
    fn from(of: Settings) -> Self {
        Self {
            noise: of.noise,
            noise_kwh: of.noise_size,
            vehicle_sd: of.traveller_sd,
            interaction_sd: of.interaction_sd,
            model_sd: of.model_sd,
            common_sd: of.common_sd,
            linked_sd: of.linked_sd,
            covariate_sd: of.covariate_sd,
            class_sd: of.class_sd,
        }
    }
}

impl From<FitSettings> for Settings {
    fn from(of: FitSettings) -> Self {
        Self {
            noise: of.noise,
            noise_size: of.noise_kwh,
            traveller_sd: of.vehicle_sd,
            interaction_sd: of.interaction_sd,
            model_sd: of.model_sd,
            common_sd: of.common_sd,
            linked_sd: of.linked_sd,
            covariate_sd: of.covariate_sd,
            class_sd: of.class_sd,
        }
    }
}

/// Everything that an estimate says, in words; numbers to their last bit.
pub(crate) fn told(estimate: &Estimate) -> [(&'static str, String); 10] {
    let bits = |value: Option<f64>| value.map_or("none".to_owned(), |value| format!("{value:e}"));
    [
        ("component", estimate.component.to_string()),
        ("grounded", estimate.grounded.to_string()),
        ("charges", estimate.charges.to_string()),
        ("period", format!("{:?}", estimate.period)),
        ("error", bits(estimate.error)),
        ("standard_uncertainty", bits(estimate.standard_uncertainty)),
        ("probability_conform", bits(estimate.probability_conform)),
        ("limit", bits(Some(estimate.limit))),
        ("rule", estimate.rule.clone()),
        ("verdict", estimate.verdict.word().to_owned()),
    ]
}

/// SHA-256 over a run's estimates, in the order of piles.
pub(crate) fn digest(estimates: &[(PileId, Estimate)]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for (pile_id, estimate) in estimates {
        hash.update(format!("{pile_id} {:?}\n", told(estimate)));
    }
    hash.finalize().into()
}

/// The first moment of the window of an assessment.
pub(crate) fn since(as_of: Timestamp, window_days: u32) -> Timestamp {
    as_of.checked_sub(SignedDuration::from_hours(24 * i64::from(window_days))).unwrap_or(Timestamp::MIN)
}

/// Assesses whenever there is new evidence, until told to stop.
pub(crate) async fn run(
    store: Store,
    settings: AssessSettings,
    key: IdentityKey,
    metrics: AssessMetrics,
    mut stopping: watch::Receiver<bool>,
) {
    let mut assessor = Assessor::new(store, settings, key, metrics, ProgressBar::hidden());
    loop {
        let began = Instant::now();
        match assessor.look_alone().await {
            Ok(Some(reach)) => assessor.metrics.written(reach, began.elapsed().as_secs_f64()),
            Ok(None) => {}
            Err(error) => {
                assessor.metrics.failed();
                tracing::error!(%error, "the assessment failed; the last one stands");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(settings.interval) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        tokio::select! {
            () = assessor.store.evidence_arrived() => {}
            () = tokio::time::sleep(POLL) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

/// The last assessment of everything.
struct Whole {
    as_of: Timestamp,
    charges: usize,
    learnt: Learnt,
    /// Of which vehicles it used a calibration, and when that was made.
    used: BTreeSet<(VehicleKey, Timestamp)>,
    /// What its balances said.
    balances: Vec<Balanced<PileId>>,
    /// What it found of vehicles.
    vehicles: Vehicles<String>,
}

impl Whole {
    /// A stored run, if this program would make it the same way.
    fn stored(run: &StoredRun, window_days: u32) -> Option<Self> {
        let basis: Basis = serde_json::from_value(run.basis.clone()?).ok()?;
        let same = run.software == software()
            && basis.window_days == window_days
            && basis.settings == FitSettings::from(Settings::default());
        let charges = run.facts.get("charges")?.as_u64()? as usize;
        let learnt = serde_json::from_value(run.facts.get("learnt")?.clone()).ok()?;
        let (used, balances) = (facts::used_references(&run.facts), facts::balanced(&run.facts));
        let vehicles = facts::vehicles(&run.facts);
        same.then_some(Self { as_of: run.as_of, charges, learnt, used, balances, vehicles })
    }

    /// One that was just made, and how it is stored.
    fn of(as_of: Timestamp, assessment: &Assessment, stored: &Value) -> Self {
        let (used, balances) = (facts::used_references(stored), assessment.balanced.clone());
        let vehicles = facts::vehicles(stored);
        let RunFacts { charges, learnt, .. } = &assessment.facts;
        Self { as_of, charges: *charges, learnt: learnt.clone(), used, balances, vehicles }
    }
}

/// What was taken in since the last assessment of everything.
#[derive(Default)]
struct Fresh {
    comparable: u64,
    others: u64,
    /// A step was found.
    has_step: bool,
}

impl Fresh {
    fn add(&mut self, taken: &TakenIn) {
        self.comparable += taken.comparable;
        self.others += taken.others;
    }
}

struct Assessor {
    store: Store,
    settings: AssessSettings,
    /// Visits are drawn by it.
    key: IdentityKey,
    metrics: AssessMetrics,
    whole: Option<Whole>,
    fresh: Fresh,
    weekly: Weekly,
    /// What the filter has not got.
    behind: Behind,
    /// The moment of the last look; none where it failed on the way.
    last: Option<Timestamp>,
    /// The newest run that this process knows of.
    newest_run: Option<i64>,
    /// Since when another process assesses, and whether that was said to be long.
    waiting: Option<(Instant, bool)>,
    /// Tells a person what is being done; hidden where nobody waits for it.
    progress: ProgressBar,
}

impl Assessor {
    fn new(
        store: Store,
        settings: AssessSettings,
        key: IdentityKey,
        metrics: AssessMetrics,
        progress: ProgressBar,
    ) -> Self {
        Self {
            store,
            settings,
            key,
            metrics,
            whole: None,
            fresh: Fresh::default(),
            weekly: Weekly::default(),
            behind: Behind::default(),
            last: None,
            newest_run: None,
            waiting: None,
            progress,
        }
    }

    /// One assessment, if there is anything new and no other process assesses: then it is looked at once more later.
    async fn look_alone(&mut self) -> Result<Option<Reach>> {
        let Some(mut lock) = self.store.assess_alone().await? else {
            self.waits();
            return Ok(None);
        };
        self.has_its_turn();
        let reach = self.look(&mut lock).await;
        lock.release().await;
        reach
    }

    /// Another process assesses: said at first, and once more where it takes long.
    fn waits(&mut self) {
        let (since, is_long) = *self.waiting.get_or_insert_with(|| {
            tracing::info!("another process assesses; this one waits for its turn");
            (Instant::now(), false)
        });
        let waited = since.elapsed();
        self.metrics.waits(waited.as_secs_f64());
        if WAITED_LONG <= waited && !is_long {
            self.waiting = Some((since, true));
            tracing::warn!(
                waited_s = waited.as_secs(),
                "another process has been assessing all the time, and this one does nothing: look into that one"
            );
        }
    }

    fn has_its_turn(&mut self) {
        if let Some((since, _)) = self.waiting.take() {
            self.metrics.waits(0.0);
            tracing::info!(
                waited_s = since.elapsed().as_secs(),
                "the other process has ended; this one assesses"
            );
        }
    }

    async fn look(&mut self, lock: &mut AssessLock) -> Result<Option<Reach>> {
        let (as_of, comparable) = self.take_in().await?;
        if self.is_due(as_of) {
            let told = self.assess_whole(as_of, lock).await?;
            return Ok(told.map(|_| Reach::Whole));
        }
        let is_new = 0 < comparable || self.behind.is_interrupted;
        let Some(whole) = self.whole.as_ref().filter(|_| is_new) else { return Ok(None) };
        let compared = whole.charges as u64;
        let late = if self.behind.is_interrupted { self.behind.late(as_of, compared) } else { Late::Unasked };
        let acts = self.store.evidence_acts(as_of).await?;
        let calibrations = self.store.evidence_calibrations(as_of).await?;
        let filtered = self.bring_up(as_of, late, &acts, &calibrations).await?;
        self.fresh.has_step |= filtered.steps > 0;
        tracing::info!(
            charges = comparable,
            comparisons = filtered.comparisons,
            steps = filtered.steps,
            "the open week was taken in"
        );
        Ok(Some(Reach::Week))
    }

    /// Brings the filter up by the last assessment of everything. What came late is done with only where it came to its end.
    async fn bring_up(
        &mut self,
        as_of: Timestamp,
        late: Late,
        acts: &[(i64, Act)],
        calibrations: &[Calibration],
    ) -> Result<Filtered> {
        let Some(whole) = &self.whole else { return Ok(Filtered::default()) };
        let Whole { used, balances, vehicles, .. } = whole;
        let given = Given { acts, calibrations, used, balances, vehicles };
        let from = since(as_of, self.settings.window_days);
        self.behind.is_interrupted = true;
        let filtered = self.weekly.bring_up(&self.store, as_of, from, late, &given, &whole.learnt).await?;
        self.behind.brought_up(late);
        Ok(filtered)
    }

    /// Takes in what is new; gives the moment of which can be spoken since, and how many comparisons are new. Where that fails, a part of it
    /// may have been taken in, and nobody here knows which: the next look asks the database, as after a start.
    async fn take_in(&mut self) -> Result<(Timestamp, u64)> {
        let taken = self.take_in_new().await;
        if taken.is_err() {
            self.last = None;
            self.behind.is_interrupted = true;
        }
        taken
    }

    async fn take_in_new(&mut self) -> Result<(Timestamp, u64)> {
        let taken_in_at = self.store.taken_in_at().await?;
        let now = clock::agreed(&self.store, taken_in_at).await?;
        // By a clock that was set right since.
        if self.last.is_some_and(|last| clock::is_future(now, last)) {
            self.last = taken_in_at;
        }
        self.forget_if_overtaken(taken_in_at).await?;
        let as_of = self.moment(taken_in_at)?;
        self.progress.set_message("读取 reading");
        let taken = self.store.take_in(as_of).await?;
        if self.whole.is_none() {
            self.resume(&taken).await?;
        }
        self.fresh.add(&taken);
        self.behind.add(&taken);
        Ok((as_of, taken.comparable))
    }

    /// Where another process has assessed everything meanwhile, this one goes on from there, as after a start. Where it only took something
    /// in, as when it came to nothing after that, what is new is asked of the database once more.
    async fn forget_if_overtaken(&mut self, taken_in_at: Option<Timestamp>) -> Result<()> {
        let newest = self.store.newest_run().await?;
        let is_assessed = newest != self.newest_run;
        if is_assessed {
            self.newest_run = newest;
            self.weekly = Weekly::default();
        }
        if is_assessed || self.last < taken_in_at {
            self.whole = None;
            self.fresh = Fresh { has_step: self.fresh.has_step && !is_assessed, ..Fresh::default() };
            self.behind = Behind { is_interrupted: self.behind.is_interrupted, ..Behind::default() };
        }
        Ok(())
    }

    /// The moment to speak of: now, and later than anything was taken in before, by whichever process. In whole microseconds, as it will be
    /// stored.
    fn moment(&mut self, taken_in_at: Option<Timestamp>) -> Result<Timestamp> {
        let now = Timestamp::from_microsecond(Timestamp::now().as_microsecond())?;
        let after = self.last.max(taken_in_at).map(|before| before + SignedDuration::from_micros(1));
        let moment = after.map_or(now, |after| now.max(after));
        self.last = Some(moment);
        Ok(moment)
    }

    /// Goes on where the process before stopped.
    async fn resume(&mut self, taken: &TakenIn) -> Result<()> {
        let run = self.store.run(None).await?;
        // The filter may not have come to its end with that run, and whether or not it is gone on from, the filter's weeks are.
        let taken_in = self.weekly.taken_in(&self.store).await?;
        if let Some(taken_in) = taken_in.or(run.as_ref().map(|run| run.as_of)) {
            let (known, earliest) = self.store.comparable_since(taken_in).await?;
            self.behind.comparable = known.saturating_sub(taken.comparable);
            self.behind.earliest = earliest;
        }
        let whole = run.and_then(|run| Whole::stored(&run, self.settings.window_days));
        if let Some(whole) = &whole {
            let (known, _) = self.store.comparable_since(whole.as_of).await?;
            self.fresh.comparable = known.saturating_sub(taken.comparable);
            // What was taken in before a run that came to nothing.
            self.fresh.others = self.store.others_since(whole.as_of).await?.saturating_sub(taken.others);
        }
        self.whole = whole;
        Ok(())
    }

    /// Whether everything is to be compared anew: at first, when something else than charges is new, when comparisons are many more, when a
    /// pile's error stepped, and every so often, so that what lapses is withdrawn.
    fn is_due(&self, as_of: Timestamp) -> bool {
        let Some(whole) = &self.whole else { return true };
        let every = SignedDuration::try_from(self.settings.whole_every).unwrap_or(SignedDuration::MAX);
        let fresh = &self.fresh;
        let has_grown =
            0 < fresh.comparable && whole.charges as u64 <= GROWN_BY.saturating_mul(fresh.comparable);
        let is_old = every <= as_of.duration_since(whole.as_of);
        0 < fresh.others || has_grown || fresh.has_step || is_old
    }

    /// Compares everything; none if there is no pile.
    async fn assess_whole(&mut self, as_of: Timestamp, lock: &mut AssessLock) -> Result<Option<Told>> {
        let from = since(as_of, self.settings.window_days);
        let facts = Facts::load(&self.store, as_of, from).await?;
        if facts.piles.is_empty() {
            return Ok(None);
        }
        let late = self.behind.late(as_of, facts.comparable() as u64);
        let now = Now {
            firmware: self.store.firmware_changes().await?,
            last_heard: self.store.last_heard().await?.into_iter().collect(),
            told: self.store.told_registers(from).await?,
            prices: self.store.station_prices().await?.into_iter().collect(),
            complaints: self.store.complaints(from).await?.into_iter().collect(),
            lot: visits::lot(&self.key, as_of),
        };
        self.progress.set_message("比对 comparing");
        let window_days = self.settings.window_days;
        let Made { acts, calibrations, assessment, run } =
            tokio::task::spawn_blocking(move || make(facts, &now, window_days)).await??;
        self.metrics.show(&assessment, &run.facts);
        self.progress.set_message("写入 writing");
        if !lock.is_held().await? {
            bail!(
                "the lock under which one process assesses was lost: another may assess by now, and this run is given up"
            );
        }
        let run_no = self.store.save_assessment(&run).await?;
        self.newest_run = Some(run_no);
        let whole = Whole::of(as_of, &assessment, &run.facts);
        let mut told = Told::of(run_no, run, &assessment);
        // The filter reads charges of its own.
        drop(assessment);
        self.progress.set_message("逐周 errors by week");
        self.whole = Some(whole);
        self.fresh = Fresh::default();
        // The verdicts stand whatever becomes of the filter.
        if let Err(error) = self.bring_up(as_of, late, &acts, &calibrations).await {
            self.metrics.failed();
            tracing::error!(%error, "errors by week could not be told");
            told.weeks_failed = Some(error.to_string());
        }
        Ok(Some(told))
    }
}

/// A run, ready to be written, and what it was made of.
struct Made {
    /// Of its facts.
    acts: Vec<(i64, Act)>,
    calibrations: Vec<Calibration>,
    assessment: Assessment,
    run: AssessmentRun,
}

/// Makes a run.
fn make(facts: Facts, now: &Now, window_days: u32) -> Result<Made> {
    let prepared = facts.prepare();
    let settings = Settings::default();
    let assessment = veripile_assessment::assess(&prepared.evidence, &settings)?;
    let run = written(&facts, &prepared, &assessment, now, (window_days, settings))?;
    Ok(Made { acts: facts.acts, calibrations: facts.calibrations, assessment, run })
}

fn written(
    facts: &Facts,
    prepared: &Prepared,
    assessment: &Assessment,
    now: &Now,
    (window_days, settings): (u32, Settings),
) -> Result<AssessmentRun> {
    let Outcome { signals, signals_skipped, signals_not_asked, balances, dates } =
        outcome::outcome(facts, prepared, assessment, now)?;
    if signals_skipped {
        tracing::warn!(
            charges = facts.charges.len(),
            most = CHARGES_MAX,
            "signals were not looked for: too many charges; shorten window_days in section assess"
        );
    }
    let basis = Basis {
        window_days,
        charges: facts.charges.len(),
        piles: facts.piles.len(),
        acts: facts.acts.len(),
        intervals: facts.energy.len(),
        calibrations: facts.calibrations.len(),
        tariffs: facts.tariffs.len(),
        settings: settings.into(),
        signals_skipped,
        signals_not_asked,
    };
    Ok(AssessmentRun {
        estimates_sha256: digest(&assessment.estimates),
        as_of: facts.as_of,
        software: software(),
        input_sha256: facts.fingerprint(),
        facts: prepared.stored(assessment),
        basis: serde_json::to_value(basis)?,
        estimates: facts
            .piles
            .iter()
            .map(|pile| pile.pile_no)
            .zip(assessment.estimates.iter().map(|(_, estimate)| estimate.clone()))
            .collect(),
        signals,
        balances,
        dates,
    })
}

#[cfg(test)]
mod tests;
