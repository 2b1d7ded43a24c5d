//! The filter in live use: the open week is taken in on top of what is kept of the finished ones, each time anew.
//!
//! Called by the assess role. The weeks are `assessment::weekly`'s, which the study uses as well; here its evidence is fetched, and what it
//! says and keeps is stored.
//!
//! What is kept says which on-site results and which calibrations of reference vehicles it took in. Where they are others today (one was entered
//! late, withdrawn, put in question or left out), it is not gone on from: a state of before that week is, or everything is taken in anew. So it
//! is where the last whole assessment learnt otherwise of ways and covariates than what was taken out of the weeks kept, or of piles whose relayed
//! values no vehicle said, or of ids that stand for many vehicles: those values count for nothing. Of a model, or vehicle, that reads otherwise since
//! a week states of before that week stay. What another estimator kept is not gone on from either. What energy balances say is in no
//! state: the newest whole assessment's counts for the weeks that are told.
//!
//! It also says until when it took in what came. Charges of finished weeks that came later are [`Behind`] until a whole assessment has brought the
//! filter up; where that failed, or its process ended, the next one asks the database from that moment on.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::{BufReader, BufWriter, IntoInnerError};

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
pub(super) use veripile_assessment::weekly::week_of;
use veripile_assessment::weekly::{
    self, Calibration, Filter, OnSite, Told, WeekCharge, WeekEvidence, beginning,
};
use veripile_assessment::{Balanced, Learnt, REVISION, Vehicles};
use veripile_metrology::change_point::Step;
use veripile_pile::{Act, PileId, VehicleKey, VehiclePath};
use veripile_store::evidence::{EvidenceCharge, TakenIn};
use veripile_store::weekly::{ErrorStep, FilteredWeek, STATES_KEPT, WeeklyError};
use veripile_store::{Store, witness};

use super::GROWN_BY;
use super::facts::{self, CHARGE_BYTES, Traveller, covariates, in_force, kwh};

/// Memory of a charge while its week is taken in, beside what came out of the database, bytes, by the sizes of what is made of it: itself, its
/// vehicle's name three times over (150), its model's (50), a comparison in four shapes (130) and, were each of another vehicle, what is kept of
/// one, four times while a week is tried (430), and where it stands (70).
const WEEK_BYTES: u64 = size_of::<WeekCharge<i64, String>>() as u64 + 830;

/// Memory of so many charges, at worst all of one week and each of another vehicle.
fn bytes(count: u64) -> u64 {
    (CHARGE_BYTES + WEEK_BYTES) * count
}

/// What is kept.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Kept {
    /// Piles by number, vehicles in hex.
    filter: Filter<i64, String>,
    /// On-site results of its weeks and of before, and calibrations, as [`Results::digest`] tells them; empty at the very beginning.
    on_site: String,
    /// What was taken out of its first comparisons.
    learnt: Learnt,
    /// What of vehicles was known when its weeks were taken in; states of before knew nothing of them.
    #[serde(default)]
    vehicles: Vehicles<String>,
    /// Everything taken in until then of its weeks is in it; none in a state of before that was kept.
    #[serde(default)]
    taken_in: Option<Timestamp>,
    /// Revision of the estimator that took the weeks in; none: of before they had one.
    #[serde(default)]
    revision: Option<u32>,
}

impl Kept {
    /// Whether it is of before a week, and this estimator took in the results that stand today, with what is known today of ways,
    /// covariates and vehicles.
    fn fits(&self, week: i32, results: &Results, learnt: &Learnt) -> bool {
        let is_ours = self.revision == Some(REVISION);
        let fits = |last| {
            last < week
                && self.on_site == results.digest(last)
                && self.learnt.is_like(learnt)
                && self.vehicles.is_like(&results.vehicles, last)
        };
        self.filter.week.is_none_or(|last| is_ours && fits(last))
    }

    /// Gone on from with what was taken in until a moment. Where it was not asked what came late, of the weeks it has it holds no more than before.
    fn taking_in(self, late: Late, as_of: Timestamp) -> Self {
        let is_whole = late != Late::Unasked || self.filter.week.is_none();
        Self { taken_in: if is_whole { Some(as_of) } else { self.taken_in }, ..self }
    }
}

/// What gives levels: on-site results of piles, and calibrations of vehicles, each in the order of time, and what balances said. And what was found of
/// vehicles.
#[derive(Debug, Clone, Default)]
struct Results {
    on_site: Vec<OnSite<i64>>,
    calibrations: Vec<Calibration<String>>,
    balances: Vec<Balanced<i64>>,
    vehicles: Vehicles<String>,
}

impl Results {
    /// SHA-256 of on-site results up to the end of a week, and of all calibrations, which speak of all weeks, in hex. Balances are in no state.
    fn digest(&self, week: i32) -> String {
        let mut hash = Sha256::new();
        for OnSite { pile, outlet, at, error_percent, expanded_uncertainty_percent, coverage_factor } in
            self.on_site.iter().filter(|result| week_of(result.at) <= week)
        {
            hash.update(format!(
                "{pile} {outlet:?} {at} {error_percent} {expanded_uncertainty_percent} {coverage_factor}\n"
            ));
        }
        for Calibration { vehicle, at, error_percent, expanded_uncertainty_percent, coverage_factor } in
            &self.calibrations
        {
            hash.update(format!(
                "{vehicle} {at} {error_percent} {expanded_uncertainty_percent} {coverage_factor}\n"
            ));
        }
        hex::encode(hash.finalize())
    }
}

/// What the filter rests on beside charges and what was learnt.
pub(super) struct Given<'a> {
    /// By pile number and time.
    pub(super) acts: &'a [(i64, Act)],
    /// By vehicle and time.
    pub(super) calibrations: &'a [witness::Calibration],
    /// Those of them that the last whole assessment used: of which vehicle, and when they were made.
    pub(super) used: &'a BTreeSet<(VehicleKey, Timestamp)>,
    /// What its balances said.
    pub(super) balances: &'a [Balanced<PileId>],
    /// What it found of vehicles.
    pub(super) vehicles: &'a Vehicles<String>,
}

impl Given<'_> {
    /// What stands at a moment, but for what the last whole assessment left out; piles are numbered so.
    fn standing(&self, as_of: Timestamp, learnt: &Learnt, numbers: &HashMap<PileId, i64>) -> Results {
        let left_out = learnt.left_out.iter();
        let left_out: HashSet<(i64, Timestamp)> =
            left_out.filter_map(|(pile, at)| Some((*numbers.get(pile)?, *at))).collect();
        let number = |pile: &PileId| numbers.get(pile).copied();
        let mut on_site = standing(self.acts, as_of);
        on_site.retain(|result| !left_out.contains(&(result.pile, result.at)));
        let is_used = |given: &&witness::Calibration| self.used.contains(&(given.vehicle, given.at));
        let used = self.calibrations.iter().filter(|given| given.at <= as_of).filter(is_used);
        let mut calibrations: Vec<Calibration<String>> = used.map(calibration).collect();
        calibrations.sort_by_key(|calibration| calibration.at);
        let balances = self.balances.iter().filter_map(|told| told.named(number)).collect();
        Results { on_site, calibrations, balances, vehicles: self.vehicles.clone() }
    }
}

/// A calibration of what an authority reads off a vehicle.
fn calibration(given: &witness::Calibration) -> Calibration<String> {
    Calibration {
        vehicle: name(given.vehicle, VehiclePath::Reference),
        at: given.at,
        error_percent: given.result.error_percent,
        expanded_uncertainty_percent: given.result.expanded_uncertainty_percent,
        coverage_factor: given.result.coverage_factor,
    }
}

/// Comparisons taken in since what the filter holds of finished weeks was whole: of these weeks they are not in it yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Behind {
    pub(super) comparable: u64,
    /// When the earliest ended, and of those that can be compared no longer.
    pub(super) earliest: Option<Timestamp>,
    /// The filter was interrupted, or what was new for it did not come to it: not even the open week is as it should be.
    pub(super) is_interrupted: bool,
}

impl Behind {
    pub(super) fn add(&mut self, taken: &TakenIn) {
        self.comparable += taken.comparable;
        self.earliest = [self.earliest, taken.earliest].into_iter().flatten().min();
    }

    /// From where the filter is to begin: where charges of finished weeks came late, from there; where so many of all that are compared did
    /// that it knows little of what there is, from the beginning. A single one that is older than what is kept is passed over.
    pub(super) fn late(&self, as_of: Timestamp, compared: u64) -> Late {
        let open = week_of(as_of);
        let Some(week) = self.earliest.map(week_of).filter(|week| *week < open) else {
            return Late::Nothing;
        };
        let has_grown = compared <= GROWN_BY.saturating_mul(self.comparable);
        match week < open - STATES_KEPT {
            true if has_grown => Late::Everything,
            true => Late::Week(open - STATES_KEPT + 1),
            false => Late::Week(week),
        }
    }

    /// The filter came to its end.
    pub(super) fn brought_up(&mut self, late: Late) {
        self.is_interrupted = false;
        if late != Late::Unasked {
            *self = Self::default();
        }
    }
}

/// How far the filter is, between runs.
#[derive(Default)]
pub(super) struct Weekly {
    kept: Option<Kept>,
    /// Steps that the last run told, pile and week: the open week tells its own with each look.
    told: BTreeSet<(i64, i32)>,
}

/// What a run of the filter did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Filtered {
    /// Steps found in the weeks that were taken in, but for those that the run before told.
    pub(super) steps: usize,
    /// Comparisons taken in.
    pub(super) comparisons: usize,
}

impl Weekly {
    /// Until when the newest state kept took in everything of its weeks; none where nothing is kept, or it does not say.
    pub(super) async fn taken_in(&self, store: &Store) -> Result<Option<Timestamp>> {
        if let Some(kept) = &self.kept {
            return Ok(kept.taken_in);
        }
        let newest = store.filter_state_before(i32::MAX).await?;
        Ok(newest.and_then(|(_, bytes)| read(&bytes).ok()?.taken_in))
    }

    /// Takes in every week from the first unfinished one to the open one of `as_of`. Where `late` names an earlier week (a charge of it
    /// was told only now), goes back before that, to the oldest state kept if need be; where on-site results are others than those taken in,
    /// to before them, to the beginning if need be: without a level the filter says nothing, and they are few. `from` is the beginning of
    /// everything.
    pub(super) async fn bring_up(
        &mut self,
        store: &Store,
        as_of: Timestamp,
        from: Timestamp,
        late: Late,
        given: &Given<'_>,
        learnt: &Learnt,
    ) -> Result<Filtered> {
        let open = week_of(as_of);
        let numbers = store.pile_numbers(&piles_of(learnt, given.balances)).await?;
        let results = given.standing(as_of, learnt, &numbers);
        let start = match late {
            Late::Everything => Kept::default(),
            Late::Unasked | Late::Nothing => self.start(store, open, &results, learnt).await?,
            Late::Week(week) => self.start(store, week.min(open), &results, learnt).await?,
        };
        let start = start.taking_in(late, as_of);
        // A week that is half outside the window was told whole before.
        let first = (week_of(from) + 1).min(open);
        let since = beginning(start.filter.week.map_or(first, |week| week + 1));
        let mut charges = facts::charges(store, since, as_of, bytes).await?;
        let learnt = learnt.clone();
        let (kept, weeks) = tokio::task::spawn_blocking(move || {
            leave_out(&mut charges, &learnt, &numbers);
            filter(start, &charges, &results, open, &learnt)
        })
        .await??;
        let told =
            weeks.iter().flat_map(|week| week.steps.iter().map(|(pile, step)| (*pile, step.found_week)));
        let told: BTreeSet<(i64, i32)> = told.collect();
        let filtered = Filtered {
            steps: told.difference(&self.told).count(),
            comparisons: weeks
                .iter()
                .flat_map(|week| &week.errors)
                .map(|(_, error)| error.charges.unsigned_abs() as usize)
                .sum(),
        };
        store.save_weeks(&weeks).await?;
        self.kept = Some(kept);
        self.told = told;
        Ok(filtered)
    }

    /// The newest state kept of a week before `week` that took in these results; the beginning if there is none.
    async fn start(&self, store: &Store, week: i32, results: &Results, learnt: &Learnt) -> Result<Kept> {
        if let Some(kept) = self.kept.as_ref().filter(|kept| kept.fits(week, results, learnt)) {
            return Ok(kept.clone());
        }
        let mut before = week;
        while let Some((of, bytes)) = store.filter_state_before(before).await? {
            match read(&bytes) {
                Ok(kept) if kept.fits(week, results, learnt) => return Ok(kept),
                Ok(_) => {
                    tracing::info!(
                        week = of,
                        "estimator, on-site results, calibrations, or what is known of ways, covariates and vehicles, are others than those taken in"
                    );
                }
                Err(error) => tracing::warn!(%error, week = of, "a state of the filter was passed over"),
            }
            before = of;
        }
        Ok(Kept::default())
    }
}

/// From where weeks are to be taken in again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Late {
    /// From the open week, whatever came late of those before.
    Unasked,
    /// From the open week: nothing came late.
    Nothing,
    /// From this week.
    Week(i32),
    /// From the beginning.
    Everything,
}

/// Takes in the weeks of the charges up to the open one; gives what is kept after the last finished week, and the weeks.
fn filter(
    start: Kept,
    charges: &[EvidenceCharge],
    results: &Results,
    open: i32,
    learnt: &Learnt,
) -> Result<(Kept, Vec<FilteredWeek>)> {
    let charges: Vec<_> = charges.iter().filter_map(compared).collect();
    // What is taken out stays what it was in the first week: else all piles would move with the means of what was learnt.
    let first = if start.filter.week.is_some() { start.learnt.renewed(learnt) } else { learnt.clone() };
    let vehicles = &start.vehicles.renewed(&results.vehicles, start.filter.week);
    let taken_in = start.taken_in;
    let Results { on_site, calibrations, balances, .. } = results;
    let learnt = &first;
    let evidence = WeekEvidence { charges: &charges, on_site, calibrations, balances, learnt, vehicles };
    let keep = |filter: Filter<i64, String>| {
        let on_site = filter.week.map_or(String::new(), |week| results.digest(week));
        let (learnt, vehicles) = (first.clone(), vehicles.clone());
        Kept { filter, on_site, learnt, vehicles, taken_in, revision: Some(REVISION) }
    };
    let mut weeks = Vec::new();
    let filter = weekly::filter(start.filter, &evidence, open, |told, after| {
        for (piles, error) in &told.anew {
            tracing::warn!(%error, piles, week = told.week, "errors by week of these piles begin anew");
        }
        // Older ones are not kept.
        let after = after.filter(|_| open - STATES_KEPT <= told.week);
        let state = after.map(|after| write(&keep(after.clone()))).transpose();
        weeks.push(state.map(|state| filtered(told, state)));
    });
    Ok((keep(filter), weeks.into_iter().collect::<Result<_>>()?))
}

/// Piles of which something was learnt, or said by balances, by name.
fn piles_of(learnt: &Learnt, balances: &[Balanced<PileId>]) -> Vec<PileId> {
    let left_out = learnt.left_out.iter().map(|(pile, _)| pile);
    let balanced = balances.iter().flat_map(|told| &told.piles);
    learnt.copying.iter().chain(&learnt.doubted).chain(left_out).chain(balanced).cloned().collect()
}

/// On-site results that stand at a moment, of each pile in the order of time.
fn standing(acts: &[(i64, Act)], as_of: Timestamp) -> Vec<OnSite<i64>> {
    in_force(acts).filter(|(_, act)| act.acted_at <= as_of).filter_map(on_site).collect()
}

/// Leaves out what no vehicle said: values that piles relayed which copy their own, or of which none seems to be a vehicle's. What others told of
/// the same charges counts.
fn leave_out(charges: &mut Vec<EvidenceCharge>, learnt: &Learnt, numbers: &HashMap<PileId, i64>) {
    let piles = learnt.copying.iter().chain(&learnt.doubted);
    let piles: HashSet<i64> = piles.filter_map(|pile| numbers.get(pile).copied()).collect();
    let is_relayed = |charge: &EvidenceCharge| {
        charge.vehicle_side().is_some_and(|(_, _, path)| path == VehiclePath::Relayed)
    };
    charges.retain(|charge| !(piles.contains(&charge.pile_no) && is_relayed(charge)));
}

/// A charge of which both sides told, and whose vehicle is known.
fn compared(charge: &EvidenceCharge) -> Option<WeekCharge<i64, String>> {
    let (vehicle, energy_vehicle_wh, path) = charge.vehicle_side()?;
    Some(WeekCharge {
        pile: charge.pile_no,
        vehicle: name(vehicle, path),
        model: charge.vehicle_model().map(str::to_owned),
        ended_at: charge.ended_at,
        energy_pile_kwh: kwh(charge.energy_pile_wh),
        energy_vehicle_kwh: kwh(energy_vehicle_wh),
        path: Some(path),
        covariates: covariates(charge),
    })
}

/// How well a way's bias is known is in no weekly uncertainty: on another way it is another vehicle.
fn name(vehicle: VehicleKey, path: VehiclePath) -> String {
    hex::encode(vehicle.0) + if path == VehiclePath::Relayed { "" } else { path.word() }
}

/// Every name of a vehicle of a whole assessment, to which all ways but an authority's are one.
pub(super) fn names((vehicle, is_reference): Traveller) -> Vec<String> {
    let ways = VehiclePath::ALL.into_iter().filter(|path| (*path == VehiclePath::Reference) == is_reference);
    ways.map(|path| name(vehicle, path)).collect()
}

fn on_site((pile, act): &(i64, Act)) -> Option<OnSite<i64>> {
    let result = act.result?;
    Some(OnSite {
        pile: *pile,
        outlet: act.outlet,
        at: act.acted_at,
        error_percent: result.error_percent,
        expanded_uncertainty_percent: result.expanded_uncertainty_percent,
        coverage_factor: result.coverage_factor,
    })
}

fn filtered(told: Told<i64>, state: Option<Vec<u8>>) -> FilteredWeek {
    let week = told.week;
    let errors = told.errors.into_iter().map(|(pile, error)| {
        let stored = WeeklyError {
            week,
            error: error.error,
            standard_uncertainty: error.standard_uncertainty,
            charges: i64::from(error.charges),
            innovation: error.innovation,
        };
        (pile, stored)
    });
    let steps = told.steps.iter().map(|(pile, step)| (*pile, told_step(week, step)));
    FilteredWeek { week, errors: errors.collect(), steps: steps.collect(), state }
}

fn told_step(found_week: i32, step: &Step) -> ErrorStep {
    let week = |week: u32| i32::try_from(week).unwrap_or_default();
    ErrorStep {
        found_week,
        first_week: week(step.first),
        range: (week(step.earliest), week(step.range.1)),
        size: step.size,
        standard_uncertainty: step.standard_uncertainty,
        statistic: step.statistic,
    }
}

/// State as bytes: JSON, compressed as it is written, so that the whole text is nowhere.
fn write(kept: &Kept) -> Result<Vec<u8>> {
    let mut buffer = BufWriter::new(GzEncoder::new(Vec::new(), Compression::fast()));
    serde_json::to_writer(&mut buffer, kept)?;
    Ok(buffer.into_inner().map_err(IntoInnerError::into_error)?.finish()?)
}

fn read(bytes: &[u8]) -> Result<Kept> {
    serde_json::from_reader(BufReader::new(GzDecoder::new(bytes)))
        .context("the filter's state is damaged, or was written by another version")
}

#[cfg(test)]
mod tests;
