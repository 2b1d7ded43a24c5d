//! The filter in live use: the open week is taken in on top of what is kept of the finished ones, each time anew.
//!
//! Called by the assess role. The weeks are `assessment::weekly`'s, which the study uses as well; here its evidence is fetched, and what it
//! says and keeps is stored.

use std::io::{Read, Write};

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use veripile_assessment::weekly::{self, Filter, OnSite, Told, WeekCharge, WeekEvidence, beginning};
pub(super) use veripile_assessment::weekly::{Scales, week_of};
use veripile_metrology::change_point::Step;
use veripile_pile::Act;
use veripile_store::Store;
use veripile_store::evidence::EvidenceCharge;
use veripile_store::weekly::{ErrorStep, FilteredWeek, WeeklyError};

use super::facts::{in_force, kwh};

/// What is kept: piles by number, vehicles in hex.
type Kept = Filter<i64, String>;

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
    let charges: Vec<_> = charges.iter().filter_map(compared).collect();
    let on_site: Vec<_> = acts.iter().filter_map(on_site).collect();
    let evidence = WeekEvidence { charges: &charges, on_site: &on_site, scales };
    let mut weeks = Vec::new();
    let kept = weekly::filter(start, &evidence, open, |told, after| {
        weeks.push(after.map(write).transpose().map(|state| filtered(told, state)));
    })?;
    Ok((kept, weeks.into_iter().collect::<Result<_>>()?))
}

/// A charge of which both sides told, and whose vehicle is known.
fn compared(charge: &EvidenceCharge) -> Option<WeekCharge<i64, String>> {
    Some(WeekCharge {
        pile: charge.pile_no,
        vehicle: hex::encode(charge.vehicle?.0),
        ended_at: charge.ended_at,
        energy_pile_kwh: kwh(charge.energy_pile_wh),
        energy_vehicle_kwh: kwh(charge.energy_vehicle_wh?),
    })
}

fn on_site((pile, act): &(i64, Act)) -> Option<OnSite<i64>> {
    let result = act.result?;
    Some(OnSite {
        pile: *pile,
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
