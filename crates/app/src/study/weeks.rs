//! One seed's weeks: the filter of live use over a world, its estimates by week held against the truth, and every step it tells of.
//!
//! Called by [`super::run`]. The filter is `assessment::weekly`, as the assess role runs it: the open week is taken in anew each day, on top
//! of what is kept of the finished ones. What is beside piles and vehicles, and what energy balances say, comes from whole assessments of what had
//! happened until then, as there, and where one learnt otherwise, all weeks are taken in anew. It observes only.

use anyhow::{Context, Result};
use jiff::Timestamp;
use veripile_assessment::weekly::{
    Filter, OnSite, Told, WeekCharge, WeekEvidence, beginning, filter, week_of,
};
use veripile_assessment::{Assessment, Balanced, Learnt, Vehicles};
use veripile_metrology::change_point::Step;
use veripile_metrology::drift::{Estimate, Snapshot, smooth};
use veripile_metrology::normal::QUANTILE_975;
use veripile_pile::PileId;
use veripile_simulator::world::World;

use super::evidence;
use super::run::WINDOW_DAYS;

/// Piles up to which weeks are smoothed, and the open one is looked at daily: both cost grow with the cube, and four hundred take a minute
/// a seed. Beyond, weeks are looked at when they end.
const PILES_MAX: usize = 400;

/// Estimates of one week against the truth: sums over piles of one true error and a known level. Fractions.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Tally {
    pub(super) estimates: usize,
    /// Of these, within the stated 95 % interval.
    pub(super) covered: usize,
    /// Of deviations.
    pub(super) squares: f64,
    /// Of stated uncertainties.
    pub(super) variances: f64,
}

impl Tally {
    fn add(&mut self, deviation: f64, standard_uncertainty: f64) {
        self.estimates += 1;
        self.covered += usize::from(deviation.abs() <= QUANTILE_975 * standard_uncertainty);
        self.squares += deviation * deviation;
        self.variances += standard_uncertainty * standard_uncertainty;
    }

    /// Both together.
    pub(super) fn with(self, other: &Self) -> Self {
        Self {
            estimates: self.estimates + other.estimates,
            covered: self.covered + other.covered,
            squares: self.squares + other.squares,
            variances: self.variances + other.variances,
        }
    }

    /// Root mean squares of deviations and of stated uncertainties, percent.
    pub(super) fn percent(&self) -> Option<(f64, f64)> {
        let n = self.estimates as f64;
        let root = |sum: f64| 100.0 * (sum / n).sqrt();
        (0 < self.estimates).then(|| (root(self.squares), root(self.variances)))
    }
}

/// A week.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct WeekSeen {
    /// Day by which it has ended.
    pub(super) end_day: u32,
    /// As told at its end.
    pub(super) filtered: Tally,
    /// As told in the light of all weeks since.
    pub(super) smoothed: Tally,
}

/// A step that the filter told of. Days count from the beginning of the world.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Alarm {
    pub(super) pile: usize,
    /// Day at whose end it was told.
    pub(super) day: u32,
    /// Number of the week that told it; what is told of it on later days of the same week is the same alarm.
    pub(super) week: i32,
    /// Size and its standard uncertainty, fractions.
    pub(super) size: f64,
    pub(super) standard_uncertainty: f64,
    /// Twice the logarithm of the likelihood ratio.
    pub(super) statistic: f64,
    /// First day and end of the weeks in which it began, with 95 % of the probability.
    pub(super) began: (f64, f64),
}

/// What the filter said of a world.
pub(super) struct WeeksSeen {
    pub(super) weeks: Vec<WeekSeen>,
    /// Whether looking back was tried and failed.
    pub(super) smoothing_failed: bool,
    /// In the order of time.
    pub(super) alarms: Vec<Alarm>,
}

/// Days at whose end everything until then is assessed, to learn what is beside piles and vehicles: often while little is known. The
/// platform does so every day.
pub(super) fn learning_days(days: u32) -> impl Iterator<Item = u32> {
    (1..=days).filter(|day| day.is_power_of_two() || day % WINDOW_DAYS == 0)
}

/// Takes in a world day by day; `assessed` assesses what had happened by the end of a day, `assessment` is that of the whole.
pub(super) fn see(
    world: &World,
    assessment: &Assessment,
    assessed: &dyn Fn(u32) -> Result<Assessment>,
) -> Result<WeeksSeen> {
    let mut seen = Seen::of(world);
    let every = if world.piles.len() <= PILES_MAX { 1 } else { 7 };
    for day in 1..=world.days {
        if learning_days(world.days).any(|learning| learning == day) {
            seen.learn(world, &assessed(day)?);
        }
        if day % every == 0 || day == world.days {
            seen.look(world, day)?;
        }
    }
    let (weeks, smoothing_failed) = weeks(world, assessment, &seen.at_their_ends, &seen.in_a_row);
    Ok(WeeksSeen { weeks, smoothing_failed, alarms: seen.alarms })
}

/// What the filter has taken in and said so far.
struct Seen {
    charges: Vec<WeekCharge<usize, usize>>,
    on_site: Vec<OnSite<usize>>,
    /// What was taken out of the weeks kept.
    learnt: Learnt,
    /// What the last assessment's balances said; none in a world without master meters.
    balances: Vec<Balanced<usize>>,
    /// What of vehicles was known when the weeks kept were taken in.
    vehicles: Vehicles<usize>,
    kept: Filter<usize, usize>,
    /// Finished weeks, each as it was told first.
    at_their_ends: Vec<Told<usize>>,
    /// Finished weeks, as one pass of the filter told them.
    in_a_row: Vec<Told<usize>>,
    alarms: Vec<Alarm>,
}

impl Seen {
    fn of(world: &World) -> Self {
        let (charges, on_site) = evidence::weeks(world);
        Self {
            charges,
            on_site,
            learnt: Learnt::default(),
            balances: Vec::new(),
            vehicles: Vehicles::default(),
            kept: Filter::default(),
            at_their_ends: Vec::new(),
            in_a_row: Vec::new(),
            alarms: Vec::new(),
        }
    }

    /// Begins anew where what is known now is not what was taken out. Weeks that were told of at their ends, and alarms, stay what they were: nobody
    /// knew better.
    fn learn(&mut self, world: &World, assessment: &Assessment) {
        let place = |pile: &PileId| world.piles.iter().position(|known| known.id == pile.as_str());
        self.balances = assessment.balanced.iter().filter_map(|told| told.named(place)).collect();
        let learnt = &assessment.facts.learnt;
        let vehicles =
            Vehicles::of(&assessment.facts, |vehicle| vec![vehicle], |model| Some(model.to_string()));
        let week = self.kept.week;
        let are_like = week.is_none_or(|week| self.vehicles.is_like(&vehicles, week));
        if are_like && self.learnt.left_out == learnt.left_out && self.learnt.is_like(learnt) {
            self.learnt = self.learnt.renewed(learnt);
            self.vehicles = self.vehicles.renewed(&vehicles, week);
            return;
        }
        self.learnt = learnt.clone();
        self.vehicles = vehicles;
        self.kept = Filter::default();
        self.in_a_row.clear();
    }

    fn look(&mut self, world: &World, day: u32) -> Result<()> {
        let Self { charges, on_site, learnt, balances, vehicles, kept, at_their_ends, in_a_row, alarms } =
            self;
        // The day's last moment, not the next one's first: where that begins a week, this one is still open.
        let as_of = world.day(day) - jiff::SignedDuration::from_nanos(1);
        let since = kept.week.map_or(Timestamp::MIN, |week| beginning(week + 1));
        let from = charges.partition_point(|charge| charge.ended_at < since);
        let to = charges.partition_point(|charge| charge.ended_at <= as_of);
        let is_left_out = |result: &OnSite<usize>| {
            let pile = &world.piles[result.pile].id;
            learnt.left_out.iter().any(|(left, at)| left.as_str() == pile && *at == result.at)
        };
        let on_site: Vec<OnSite<usize>> =
            on_site.iter().filter(|result| result.at <= as_of && !is_left_out(result)).cloned().collect();
        let charges = &charges[from..to];
        let evidence =
            WeekEvidence { charges, on_site: &on_site, calibrations: &[], balances, learnt, vehicles };
        let mut failed = None;
        *kept = filter(std::mem::take(kept), &evidence, week_of(as_of), |week, after| {
            for (pile, step) in &week.steps {
                let is_known = |alarm: &Alarm| alarm.pile == *pile && alarm.week == week.week;
                if !alarms.iter().any(is_known) {
                    alarms.push(alarm(world, (day, week.week), *pile, step));
                }
            }
            failed = failed.take().or_else(|| week.anew.first().cloned());
            if after.is_some() || day == world.days {
                if at_their_ends.last().is_none_or(|last| last.week < week.week) {
                    at_their_ends.push(week.clone());
                }
                in_a_row.push(week);
            }
        });
        let Some((_, error)) = failed else { return Ok(()) };
        Err(error).with_context(|| format!("seed {}: errors by week", world.settings.seed))
    }
}

fn alarm(world: &World, (day, week): (u32, i32), pile: usize, step: &Step) -> Alarm {
    let begins = |week: i32| world.days_at(beginning(week).as_second());
    let number = |week: u32| i32::try_from(week).unwrap_or(i32::MAX - 1);
    Alarm {
        pile,
        day,
        week,
        size: step.size.exp_m1(),
        standard_uncertainty: step.standard_uncertainty * step.size.exp(),
        statistic: step.statistic,
        began: (begins(number(step.earliest)), begins(number(step.range.1) + 1)),
    }
}

/// Day by which a week has ended; the world's end for its last.
fn end_day(world: &World, week: i32) -> u32 {
    let end = world.days_at(beginning(week + 1).as_second()).ceil();
    (end.max(0.0) as u32).min(world.days)
}

/// Estimates of each week against the truth, as told at its end and looking back; and whether the latter failed.
fn weeks(
    world: &World,
    assessment: &Assessment,
    at_their_ends: &[Told<usize>],
    in_a_row: &[Told<usize>],
) -> (Vec<WeekSeen>, bool) {
    let piles = world.piles.len();
    let counts = |pile: usize| world.is_constant(pile) && assessment.estimates[pile].1.grounded;
    let truths: Vec<Option<f64>> =
        (0..piles).map(|pile| counts(pile).then(|| world.error_at_end(pile))).collect();
    let mut seen: Vec<WeekSeen> = Vec::with_capacity(at_their_ends.len());
    for week in at_their_ends {
        let mut filtered = Tally::default();
        for (pile, error) in &week.errors {
            if let Some(truth) = truths[*pile] {
                filtered.add(error.error - truth, error.standard_uncertainty);
            }
        }
        seen.push(WeekSeen { end_day: end_day(world, week.week), filtered, smoothed: Tally::default() });
    }
    if PILES_MAX < piles {
        return (seen, false);
    }
    // So few piles are one part.
    let snapshots: Vec<Snapshot> = in_a_row.iter().flat_map(|week| week.snapshots.iter().cloned()).collect();
    let looked_back: Option<Vec<Vec<Estimate>>> = smooth(&snapshots);
    for (week, estimates) in in_a_row.iter().zip(looked_back.iter().flatten()) {
        let end_day = end_day(world, week.week);
        let Some(seen) = seen.iter_mut().find(|seen| seen.end_day == end_day) else { continue };
        for (estimate, (pile, _)) in estimates.iter().zip(&week.errors) {
            if let Some(truth) = truths[*pile] {
                let error = estimate.log_error.exp_m1();
                seen.smoothed.add(error - truth, estimate.standard_uncertainty * (1.0 + error));
            }
        }
    }
    (seen, looked_back.is_none())
}
