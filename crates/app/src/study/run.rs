//! One seed of the study: a world drawn, assessed, and its anchors, windows and weeks looked at.
//!
//! Called by [`super`]. It observes; what observations mean is computed in [`super::measures`].

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use indicatif::ProgressBar;
use veripile_assessment::signals::{Code, Finding, Subject};
use veripile_assessment::{Assessment, Evidence, PileFact, assess};
use veripile_metrology::agreement::normalized_error;
use veripile_metrology::comparison::Settings;
use veripile_pile::{Estimate, PileKind, RemoteVerdict};
use veripile_simulator::world::bound::bound;
use veripile_simulator::world::{InjectionKind, Layout, World, WorldSettings};

use super::evidence::{evidence, feeders, piles, until};
use super::signals;
use super::weeks::{self, Alarm, WeekSeen};

/// Length of a window, days: what a month's evidence says by itself. One follows the other, so that none shares a charge with another.
pub(super) const WINDOW_DAYS: u32 = 28;

/// What is done with a seed besides the assessment itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Depth {
    /// Assess again without each anchor.
    pub(super) anchors: bool,
    /// Assess windows of four weeks, and follow the errors by week.
    pub(super) windows: bool,
}

/// A pile as it was and as it was seen. Errors and uncertainties are fractions.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PileSeen {
    pub(super) id: String,
    pub(super) limit: f64,
    pub(super) injected: Option<InjectionKind>,
    /// Mean true error in the charges that were compared; at the end without any.
    pub(super) truth: f64,
    /// Whether the truth is the same in every charge.
    pub(super) is_constant: bool,
    pub(super) is_anchor: bool,
    pub(super) grounded: bool,
    pub(super) charges: u32,
    pub(super) error: Option<f64>,
    pub(super) standard_uncertainty: Option<f64>,
    pub(super) bound: Option<f64>,
    pub(super) verdict: RemoteVerdict,
    /// Windows with a decided or undecided verdict, and those that said nonconform.
    pub(super) windows: u32,
    pub(super) windows_nonconform: u32,
    /// Day at whose end the filter first told of a step: after the step, where one was injected.
    pub(super) alarmed_day: Option<u32>,
    /// What signals were found at it.
    pub(super) signals: BTreeSet<Code>,
}

/// An anchor held against the estimate made without it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AnchorSeen {
    pub(super) pile: String,
    /// Not a number where the estimate is none.
    pub(super) normalized_error: f64,
}

/// A pile seen from afar and on site. Percent; expanded uncertainties with k = 2.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pair {
    pub(super) pile: usize,
    pub(super) remote: Option<(f64, f64)>,
    pub(super) on_site: (f64, f64),
    /// None where nothing absolute is said from afar; not a number where what is said is none.
    pub(super) normalized_error: Option<f64>,
    pub(super) passes_on_site: bool,
}

/// Everything seen with one seed.
#[derive(Debug, Clone)]
pub(super) struct SeedSeen {
    pub(super) seed: u64,
    pub(super) days: u32,
    pub(super) charges: usize,
    pub(super) converged: bool,
    pub(super) piles: Vec<PileSeen>,
    pub(super) anchors: Vec<AnchorSeen>,
    pub(super) pairs: Vec<Pair>,
    /// Signals of tampering, from all days.
    pub(super) signals: Vec<Finding>,
    /// Windows looked at.
    pub(super) windows: usize,
    /// Weeks followed, and the steps told of in them.
    pub(super) weeks: Vec<WeekSeen>,
    pub(super) alarms: Vec<Alarm>,
    /// Whether looking back on them was tried and failed.
    pub(super) smoothing_failed: bool,
    /// AC piles with an energy balance joined.
    pub(super) joined: Vec<Joined>,
}

/// An AC pile without and with its station's energy balance. Fractions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Joined {
    /// Standard uncertainty from vehicles and anchors alone.
    pub(super) alone: f64,
    /// With the balance: standard uncertainty, and deviation of the estimate from the truth; none where it has no estimate any more.
    pub(super) joined: Option<(f64, f64)>,
}

/// Assessments that one seed takes, for the progress bar.
pub(super) fn assessments(settings: &WorldSettings, days: u32, depth: Depth) -> u64 {
    let anchors = if depth.anchors { settings.anchors } else { 0 };
    // The weeks themselves cost about what an assessment does.
    let windows =
        if depth.windows { window_ends(days).count() + weeks::learning_days(days).count() + 1 } else { 0 };
    let balances = usize::from(settings.layout == Layout::Anhui);
    // Looking for signals costs about as much, too.
    (2 + anchors + windows + balances) as u64
}

/// Draws and assesses one seed.
pub(super) fn run(settings: &WorldSettings, depth: Depth, bar: &ProgressBar) -> Result<SeedSeen> {
    let world = World::draw(settings)?;
    let facts = piles(&world)?;
    let assessed = |days: (u32, u32), without: Option<usize>| -> Result<Assessment> {
        let assessment = assess(&evidence(&world, &facts, days, without), &Settings::default());
        bar.inc(1);
        assessment.with_context(|| format!("seed {}", settings.seed))
    };
    let whole = (0, world.days);
    let assessment = assessed(whole, None)?;
    let mut seen = SeedSeen {
        seed: settings.seed,
        days: world.days,
        charges: assessment.facts.charges,
        converged: assessment.facts.converged,
        piles: see(&world, &facts, &assessment),
        anchors: Vec::new(),
        pairs: pairs(&world, &assessment),
        signals: signals::find(&world, &assessment)?,
        windows: 0,
        weeks: Vec::new(),
        alarms: Vec::new(),
        smoothing_failed: false,
        joined: Vec::new(),
    };
    bar.inc(1);
    for finding in &seen.signals {
        if let Subject::Pile(at) = finding.subject {
            seen.piles[at].signals.insert(finding.code);
        }
    }
    let feeders = feeders(&world).unwrap_or_default();
    if !feeders.is_empty() {
        let evidence = Evidence { feeders: feeders.clone(), ..evidence(&world, &facts, whole, None) };
        let joined =
            assess(&evidence, &Settings::default()).with_context(|| format!("seed {}", settings.seed))?;
        bar.inc(1);
        seen.joined = join(&world, &seen.piles, &joined);
    }
    if depth.anchors {
        for at in 0..world.anchors.len() {
            seen.anchors.extend(check_anchor(&world, at, &assessed(whole, Some(at))?));
        }
    }
    if depth.windows {
        look_at_windows(&world, &mut seen, &assessed)?;
        follow_weeks(&world, &assessment, &mut seen, &|day| {
            let feeders = until(&feeders, day);
            let known = Evidence { feeders, ..evidence(&world, &facts, (0, day), None) };
            bar.inc(1);
            assess(&known, &Settings::default()).with_context(|| format!("seed {}", settings.seed))
        })?;
        bar.inc(1);
    }
    Ok(seen)
}

fn see(world: &World, facts: &[PileFact], assessment: &Assessment) -> Vec<PileSeen> {
    let bounds = bound(world, 0, world.days);
    let mut sums = vec![(0.0, 0usize); world.piles.len()];
    for charge in world.charges_in(0, world.days).filter(|charge| charge.energy_vehicle_wh.is_some()) {
        let (sum, count) = &mut sums[charge.pile];
        *sum += charge.error;
        *count += 1;
    }
    let truth = |pile: usize| match sums[pile] {
        _ if world.is_constant(pile) => world.error_at_end(pile),
        (_, 0) => world.error_at_end(pile),
        (sum, count) => sum / count as f64,
    };
    let of = |(pile, (_, estimate)): (usize, &(_, Estimate))| PileSeen {
        id: facts[pile].pile_id.to_string(),
        limit: estimate.limit,
        injected: world.piles[pile].injection,
        truth: truth(pile),
        is_constant: world.is_constant(pile),
        is_anchor: world.anchors.iter().any(|anchor| anchor.pile == pile),
        grounded: estimate.grounded,
        charges: estimate.charges,
        error: estimate.error,
        standard_uncertainty: estimate.standard_uncertainty,
        bound: bounds[pile],
        verdict: estimate.verdict,
        windows: 0,
        windows_nonconform: 0,
        alarmed_day: None,
        signals: BTreeSet::new(),
    };
    assessment.estimates.iter().enumerate().map(of).collect()
}

/// AC piles of one true error whose estimate has a level, by itself and with the balance.
fn join(world: &World, piles: &[PileSeen], joined: &Assessment) -> Vec<Joined> {
    let ac = piles
        .iter()
        .enumerate()
        .filter(|(at, pile)| world.piles[*at].kind == PileKind::Ac && pile.is_constant && pile.grounded);
    let seen = ac.filter_map(|(at, pile)| {
        let estimate = &joined.estimates[at].1;
        let known = estimate.standard_uncertainty.zip(estimate.error);
        Some(Joined {
            alone: pile.standard_uncertainty?,
            joined: known.map(|(u, error)| (u, error - pile.truth)),
        })
    });
    seen.collect()
}

/// An estimate that speaks of an absolute error: percent, and its expanded uncertainty.
fn absolute(estimate: &Estimate) -> Option<(f64, f64)> {
    let known = estimate.grounded.then_some((estimate.error?, estimate.standard_uncertainty?));
    known.map(|(error, u)| (100.0 * error, 200.0 * u))
}

fn check_anchor(world: &World, at: usize, without: &Assessment) -> Option<AnchorSeen> {
    let anchor = &world.anchors[at];
    // Of a pile that changed on the way it says what was before.
    if !world.is_constant(anchor.pile) {
        return None;
    }
    let (pile_id, estimate) = &without.estimates[anchor.pile];
    let (error, expanded) = absolute(estimate)?;
    let normalized_error = normalized_error(error, expanded, anchor.error_percent, anchor.expanded_percent);
    Some(AnchorSeen { pile: pile_id.to_string(), normalized_error: normalized_error.unwrap_or(f64::NAN) })
}

fn pairs(world: &World, assessment: &Assessment) -> Vec<Pair> {
    let of = |result: &veripile_simulator::world::OnSite| {
        let estimate = &assessment.estimates[result.pile].1;
        let remote = absolute(estimate);
        let on_site = (result.error_percent, result.expanded_percent);
        let agreement =
            |(error, expanded)| normalized_error(error, expanded, on_site.0, on_site.1).unwrap_or(f64::NAN);
        Pair {
            pile: result.pile,
            remote,
            on_site,
            normalized_error: remote.map(agreement),
            // Simple acceptance, as on site: the uncertainty is below a third of the limit.
            passes_on_site: on_site.0.abs() <= 100.0 * estimate.limit,
        }
    };
    world.on_site.iter().map(of).collect()
}

/// Days on which windows end.
fn window_ends(days: u32) -> impl Iterator<Item = u32> {
    (WINDOW_DAYS..=days).step_by(WINDOW_DAYS as usize)
}

fn look_at_windows(
    world: &World,
    seen: &mut SeedSeen,
    assessed: &dyn Fn((u32, u32), Option<usize>) -> Result<Assessment>,
) -> Result<()> {
    for end in window_ends(world.days) {
        let window = assessed((end - WINDOW_DAYS, end), None)?;
        seen.windows += 1;
        for (at, pile) in seen.piles.iter_mut().enumerate() {
            let verdict = window.estimates[at].1.verdict;
            pile.windows += u32::from(verdict != RemoteVerdict::NotComparable);
            pile.windows_nonconform += u32::from(verdict == RemoteVerdict::Nonconform);
        }
    }
    Ok(())
}

fn follow_weeks(
    world: &World,
    assessment: &Assessment,
    seen: &mut SeedSeen,
    assessed: &dyn Fn(u32) -> Result<Assessment>,
) -> Result<()> {
    let followed = weeks::see(world, assessment, assessed)?;
    for alarm in &followed.alarms {
        let pile = &mut seen.piles[alarm.pile];
        let is_late_enough = match pile.injected {
            Some(InjectionKind::Step { day, .. }) => day < alarm.day,
            _ => true,
        };
        if is_late_enough {
            pile.alarmed_day.get_or_insert(alarm.day);
        }
    }
    (seen.weeks, seen.alarms) = (followed.weeks, followed.alarms);
    seen.smoothing_failed = followed.smoothing_failed;
    Ok(())
}
