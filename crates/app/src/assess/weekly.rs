//! The filter in live use: errors week by week, steps as they are found, at a cost that follows the open week and not the history.
//!
//! Called by the assess role. What is known at the end of each finished week is kept ([`Kept`]); the open week is taken in anew each time
//! on top of that. The mathematics are `metrology::drift`'s and `metrology::change_point`'s.
//!
//! Two things of the whole assessment are not in it: covariates, and stations' energy balances. It says how an error goes, not what a
//! verdict rests on.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::io::{Read, Write};

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use veripile_assessment::evidence::compare;
use veripile_metrology::change_point::{Step, Watch};
use veripile_metrology::crossing::to_f64;
use veripile_metrology::drift::{self, Anchor, Comparison, INSTRUMENTS_MAX, State, Week};
use veripile_pile::{Act, VehicleKey};
use veripile_store::Store;
use veripile_store::evidence::EvidenceCharge;
use veripile_store::weekly::{ErrorStep, FilteredWeek, WeeklyError};

use super::facts::{in_force, is_comparable, kwh};

const WEEK_S: i64 = 7 * 86_400;

/// Weeks begin on Monday, 1970 on a Thursday.
const FIRST_MONDAY_S: i64 = -3 * 86_400;

/// An on-site result that differs by more than this many standard uncertainties from what the filter expects is taken on another pile: it
/// was adjusted. Three, as for results that the whole assessment leaves out.
const ADJUSTED_FROM: f64 = 3.0;

/// Number of the week of a moment (UTC).
pub(super) fn week_of(at: Timestamp) -> i32 {
    i32::try_from((at.as_second() - FIRST_MONDAY_S).div_euclid(WEEK_S)).unwrap_or_default()
}

/// When a week begins.
fn beginning(week: i32) -> Timestamp {
    Timestamp::from_second(i64::from(week) * WEEK_S + FIRST_MONDAY_S).unwrap_or(Timestamp::MAX)
}

/// Scales of noise and of vehicles' biases, as the last whole assessment found them, fractions and kWh.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scales {
    pub(super) noise: f64,
    pub(super) noise_kwh: f64,
    pub(super) vehicle_sd: f64,
}

impl Scales {
    fn variance(&self, size_kwh: f64) -> f64 {
        self.noise.powi(2) + (self.noise_kwh / size_kwh).powi(2)
    }

    fn settings(&self) -> drift::Settings {
        let default = drift::Settings::default();
        drift::Settings { traveller_sd: self.vehicle_sd.max(default.traveller_walk), ..default }
    }
}

/// All that is kept of the weeks up to one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Kept {
    /// The last week taken in; none at the very beginning.
    week: Option<i32>,
    state: State,
    /// Numbers of the piles, in the filter's order.
    piles: Vec<i64>,
    /// Vehicles in the filter's order, hex.
    vehicles: Vec<String>,
    /// ln(1+e) and its standard uncertainty at the end of the week, by pile.
    estimates: Vec<(f64, f64)>,
    watches: BTreeMap<usize, Watch>,
}

/// How far the filter is, between runs.
#[derive(Default)]
pub(super) struct Weekly {
    kept: Option<Kept>,
}

/// What a run of the filter did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Filtered {
    /// Steps found in the weeks that were taken in.
    pub(super) steps: usize,
    /// Comparisons taken in.
    pub(super) comparisons: usize,
}

impl Weekly {
    /// Takes in every week from the first unfinished one to the open one of `as_of`. Where `late` names an earlier week (a charge of it
    /// was told only now), goes back before that, to the oldest state kept if need be; `from` is the beginning of everything.
    pub(super) async fn bring_up(
        &mut self,
        store: &Store,
        as_of: Timestamp,
        from: Timestamp,
        late: Late,
        acts: &[(i64, Act)],
        scales: Scales,
    ) -> Result<Filtered> {
        let open = week_of(as_of);
        let start = match late {
            Late::Everything => Kept::default(),
            Late::Nothing => self.start(store, open).await?,
            Late::Week(week) => self.start(store, week.min(open)).await?,
        };
        let since = start.week.map_or(from, |week| beginning(week + 1));
        let charges = store.evidence_charges(since, as_of).await?;
        let acts: Vec<(i64, Act)> =
            in_force(acts).filter(|(_, act)| act.acted_at <= as_of).cloned().collect();
        let (kept, weeks) =
            tokio::task::spawn_blocking(move || filter(start, &charges, &acts, open, scales)).await??;
        let filtered = Filtered {
            steps: weeks.iter().map(|week| week.steps.len()).sum(),
            comparisons: weeks
                .iter()
                .flat_map(|week| &week.errors)
                .map(|(_, error)| error.charges.unsigned_abs() as usize)
                .sum(),
        };
        store.save_weeks(&weeks).await?;
        self.kept = Some(kept);
        Ok(filtered)
    }

    /// The newest state kept of a week before `week`.
    async fn start(&self, store: &Store, week: i32) -> Result<Kept> {
        if let Some(kept) = self.kept.as_ref().filter(|kept| kept.week.is_none_or(|last| last < week)) {
            return Ok(kept.clone());
        }
        match store.filter_state_before(week).await? {
            Some((_, bytes)) => read(&bytes),
            None => Ok(Kept::default()),
        }
    }
}

/// From where weeks are to be taken in again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Late {
    /// From the open week.
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
    acts: &[(i64, Act)],
    open: i32,
    scales: Scales,
) -> Result<(Kept, Vec<FilteredWeek>)> {
    let mut by_week: BTreeMap<i32, Vec<&EvidenceCharge>> = BTreeMap::new();
    for charge in charges.iter().filter(|charge| is_comparable(charge)) {
        by_week.entry(week_of(charge.ended_at)).or_default().push(charge);
    }
    // The open week is told of even when nothing has come of it yet.
    by_week.entry(open).or_default();
    let mut kept = start;
    let mut weeks = Vec::new();
    for (week, charges) in by_week.into_iter().filter(|(week, _)| *week <= open) {
        if kept.week.is_some_and(|last| week <= last) {
            continue;
        }
        let (next, mut told) = kept.advanced(week, &charges, acts, scales)?;
        if week < open {
            told.state = Some(write(&next)?);
            kept = next;
        }
        weeks.push(told);
    }
    Ok((kept, weeks))
}

impl Kept {
    /// The same after a week, and what that week says.
    fn advanced(
        &self,
        week: i32,
        charges: &[&EvidenceCharge],
        acts: &[(i64, Act)],
        scales: Scales,
    ) -> Result<(Self, FilteredWeek)> {
        let settings = scales.settings();
        let mut next = self.clone();
        next.week = Some(week);
        let comparisons = next.comparisons(charges, scales);
        let anchors = next.anchors(acts, self.week, week, &settings);
        anyhow::ensure!(
            next.piles.len() <= INSTRUMENTS_MAX,
            "{} piles are more than one filter takes ({INSTRUMENTS_MAX})",
            next.piles.len()
        );
        let brought = Week {
            elapsed_weeks: f64::from(self.week.map_or(1, |last| week - last)),
            instruments: next.piles.len(),
            travellers: next.vehicles.len(),
            comparisons,
            anchors,
            resets: Vec::new(),
        };
        let before = next.state.clone();
        let mut update = next.state.advance(&brought, &settings)?;
        let mut steps = Vec::new();
        for (at, innovation) in update.innovations.iter().enumerate() {
            let Some(innovation) = innovation else { continue };
            if let Some(step) = next.watches.entry(at).or_default().add(week.unsigned_abs(), *innovation) {
                next.watches.remove(&at);
                steps.push((at, step));
            }
        }
        if !steps.is_empty() {
            // After a step a pile is another: its past is forgotten, and the week taken in anew.
            next.state = before;
            steps.iter().for_each(|(at, _)| next.state.forget(*at, &settings));
            let innovations = update.innovations;
            update = next.state.advance(&brought, &settings)?;
            update.innovations = innovations;
        }
        next.estimates = update.estimates.iter().map(|e| (e.log_error, e.standard_uncertainty)).collect();
        let mut counts = vec![0_i64; next.piles.len()];
        brought.comparisons.iter().for_each(|comparison| counts[comparison.instrument] += 1);
        let errors = update.estimates.iter().enumerate().map(|(at, estimate)| {
            let error = estimate.log_error.exp_m1();
            let told = WeeklyError {
                week,
                error,
                standard_uncertainty: estimate.standard_uncertainty * (1.0 + error),
                charges: counts[at],
                innovation: update.innovations.get(at).copied().flatten().map(|i| (i.difference, i.variance)),
            };
            (next.piles[at], told)
        });
        let told = FilteredWeek {
            week,
            errors: errors.collect(),
            steps: steps.iter().map(|(at, step)| (next.piles[*at], told_step(week, step))).collect(),
            state: None,
        };
        Ok((next, told))
    }

    /// The week's comparisons; piles and vehicles not seen before get their numbers.
    fn comparisons(&mut self, charges: &[&EvidenceCharge], scales: Scales) -> Vec<Comparison> {
        let mut pile_at = numbers(&self.piles);
        let mut vehicle_at = numbers(&self.vehicles);
        let mut comparisons = Vec::with_capacity(charges.len());
        for charge in charges {
            let (Some(vehicle), Some(energy_vehicle_wh)) = (charge.vehicle, charge.energy_vehicle_wh) else {
                continue;
            };
            let Ok((log_ratio, size_kwh)) = compare(kwh(charge.energy_pile_wh), kwh(energy_vehicle_wh))
            else {
                continue;
            };
            comparisons.push(Comparison {
                instrument: number(&mut self.piles, &mut pile_at, charge.pile_no),
                traveller: number(&mut self.vehicles, &mut vehicle_at, name(vehicle)),
                log_ratio,
                variance: scales.variance(size_kwh),
            });
        }
        comparisons
    }

    /// On-site results of the week, and of all time before where this is the first one. A pile whose result is far from what is expected
    /// was adjusted: what was known of it is forgotten.
    fn anchors(
        &mut self,
        acts: &[(i64, Act)],
        last: Option<i32>,
        week: i32,
        settings: &drift::Settings,
    ) -> Vec<Anchor> {
        let mut pile_at = numbers(&self.piles);
        let mut newest: BTreeMap<usize, Anchor> = BTreeMap::new();
        for (pile_no, act) in acts {
            let (Some(result), taken) = (act.result, week_of(act.acted_at)) else { continue };
            if week < taken || last.is_some_and(|last| taken <= last) {
                continue;
            }
            let at = number(&mut self.piles, &mut pile_at, *pile_no);
            let own = to_f64(result.expanded_uncertainty_percent) / 100.0 / to_f64(result.coverage_factor);
            let walked = settings.instrument_walk.powi(2) * f64::from(week - taken);
            let log_error = (to_f64(result.error_percent) / 100.0).ln_1p();
            let standard_uncertainty = (own * own + walked).sqrt();
            if log_error.is_finite() && 0.0 < own && standard_uncertainty.is_finite() {
                // In the order of time: the newest stands.
                newest.insert(at, Anchor { instrument: at, log_error, standard_uncertainty });
            }
        }
        for anchor in newest.values() {
            let is_adjusted = self.estimates.get(anchor.instrument).is_some_and(|(log_error, u)| {
                ADJUSTED_FROM * u.hypot(anchor.standard_uncertainty) < (anchor.log_error - log_error).abs()
            });
            if is_adjusted {
                self.state.forget(anchor.instrument, settings);
                self.watches.remove(&anchor.instrument);
            }
        }
        newest.into_values().collect()
    }
}

/// Places of names.
fn numbers<T: Clone + Eq + Hash>(names: &[T]) -> HashMap<T, usize> {
    names.iter().cloned().zip(0..).collect()
}

/// The place of a name, at the end if it is new.
fn number<T: Clone + Eq + Hash>(names: &mut Vec<T>, places: &mut HashMap<T, usize>, name: T) -> usize {
    *places.entry(name.clone()).or_insert_with(|| {
        names.push(name);
        names.len() - 1
    })
}

fn name(vehicle: VehicleKey) -> String {
    hex::encode(vehicle.0)
}

fn told_step(found_week: i32, step: &Step) -> ErrorStep {
    let week = |week: u32| i32::try_from(week).unwrap_or_default();
    ErrorStep {
        found_week,
        first_week: week(step.first),
        range: (week(step.range.0), week(step.range.1)),
        size: step.size,
        standard_uncertainty: step.standard_uncertainty,
        statistic: step.statistic,
    }
}

/// State as bytes: JSON, compressed.
fn write(kept: &Kept) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&serde_json::to_vec(kept)?)?;
    Ok(encoder.finish()?)
}

fn read(bytes: &[u8]) -> Result<Kept> {
    let mut text = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut text).context("the filter's state is damaged")?;
    serde_json::from_slice(&text).context("the filter's state was written by another version")
}

#[cfg(test)]
mod tests;
