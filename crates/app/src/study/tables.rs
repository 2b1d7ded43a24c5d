//! The study's tables: errors found by size, steps with their delay, remote verdicts against on-site conclusions.
//!
//! Called by [`super::measures`]. Counts only; shares and goals are computed there.

use std::cmp::Ordering;

use serde::Serialize;
use veripile_metrology::acceptance_sampling::{RiskPoint, SamplingPlan, rejected_from, smallest_plan};
use veripile_pile::RemoteVerdict;
use veripile_simulator::world::InjectionKind;

use super::run::{SeedSeen, WINDOW_DAYS};
use super::weeks::Alarm;

/// A sample that was once reported as enough: so many of so many, none bad.
const REPORTED: SamplingPlan = SamplingPlan { lot: 40, sample: 13, accepted_failures: 0 };

/// Remote verdicts in the order of tables.
pub(super) const VERDICTS: [RemoteVerdict; 4] = [
    RemoteVerdict::Conform,
    RemoteVerdict::Nonconform,
    RemoteVerdict::Undecided,
    RemoteVerdict::NotComparable,
];

/// How many errors of a size were found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Detection {
    /// Kind of error.
    pub(super) kind: &'static str,
    /// Its size: percent, or kWh.
    pub(super) size: f64,
    /// The limit of the piles, percent.
    pub(super) limit_percent: f64,
    /// Piles over all seeds.
    pub(super) piles: usize,
    /// Of these, nonconform from all days.
    pub(super) found: usize,
    /// Windows of four weeks, and those that said nonconform.
    pub(super) windows: u32,
    pub(super) windows_found: u32,
}

impl Detection {
    fn row(&self) -> Row {
        (self.kind, self.size, self.limit_percent)
    }
}

/// A step and when it was found. Days count from the beginning of the world.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Step {
    pub(super) seed: u64,
    pub(super) pile: String,
    pub(super) size_percent: f64,
    pub(super) day: u32,
    /// Days from the step to the end of the day on which the filter told of it.
    pub(super) delay_days: Option<u32>,
    /// What it told.
    pub(super) told: Option<ToldStep>,
}

/// Size and date as the filter told them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct ToldStep {
    pub(super) size_percent: f64,
    pub(super) standard_uncertainty_percent: f64,
    /// Days between which it began, with 95 %: whole weeks.
    pub(super) began_from: f64,
    pub(super) began_to: f64,
}

impl ToldStep {
    pub(super) fn of(alarm: &Alarm) -> Self {
        Self {
            size_percent: 100.0 * alarm.size,
            standard_uncertainty_percent: 100.0 * alarm.standard_uncertainty,
            began_from: alarm.began.0,
            began_to: alarm.began.1,
        }
    }
}

/// Steps of one size, of either sign.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct StepSize {
    pub(super) size_percent: f64,
    pub(super) steps: usize,
    pub(super) found: usize,
    /// Of these, within four weeks.
    pub(super) found_in_month: usize,
    /// Days until half and nine in ten of all were found; none where fewer were.
    pub(super) delay_median: Option<f64>,
    pub(super) delay_ninth: Option<f64>,
}

/// Remote verdicts against on-site conclusions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Concordance {
    /// By remote verdict (conform, nonconform, undecided, not comparable): passed and failed on site.
    pub(super) table: [[usize; 2]; 4],
    /// Of lots of so many piles, the smallest sample without a bad one that rules out so many bad ones with 95 %.
    pub(super) samples: Vec<(u32, u32, Option<u32>)>,
    /// The least number of bad piles that 13 of 40, none bad, rule out with 95 %.
    pub(super) ruled_out_by_13_of_40: Option<u32>,
}

/// What rows of injected errors go by: kind, size, and limit in percent.
pub(super) type Row = (&'static str, f64, f64);

/// By kind, then from small to large for the limit. Equal are rows of one error only.
pub(super) fn order(a: &Row, b: &Row) -> Ordering {
    let relative = |(_, size, limit): &Row| size.abs() / limit;
    let by_size = relative(a).total_cmp(&relative(b)).then(a.1.total_cmp(&b.1));
    a.0.cmp(b.0).then(by_size).then(a.2.total_cmp(&b.2))
}

/// Injected errors by kind and size, steps left out.
pub(super) fn detections(seeds: &[SeedSeen]) -> Vec<Detection> {
    let mut found: Vec<Detection> = Vec::new();
    for pile in seeds.iter().flat_map(|seed| &seed.piles) {
        let Some(kind) = pile.injected.filter(|kind| !matches!(kind, InjectionKind::Step { .. })) else {
            continue;
        };
        let limit_percent = 100.0 * pile.limit;
        let row = (kind.word(), kind.size(), limit_percent);
        let at = found.iter().position(|d| order(&d.row(), &row).is_eq()).unwrap_or_else(|| {
            found.push(Detection {
                kind: kind.word(),
                size: kind.size(),
                limit_percent,
                piles: 0,
                found: 0,
                windows: 0,
                windows_found: 0,
            });
            found.len() - 1
        });
        let detection = &mut found[at];
        detection.piles += 1;
        detection.found += usize::from(pile.verdict == RemoteVerdict::Nonconform);
        detection.windows += pile.windows;
        detection.windows_found += pile.windows_nonconform;
    }
    found.sort_by(|a, b| order(&a.row(), &b.row()));
    found
}

/// Every step of worlds whose weeks were followed.
pub(super) fn steps(seeds: &[SeedSeen]) -> Vec<Step> {
    let followed = seeds.iter().filter(|seed| !seed.weeks.is_empty());
    followed.flat_map(|seed| (0..seed.piles.len()).filter_map(|at| step(seed, at))).collect()
}

fn step(seed: &SeedSeen, at: usize) -> Option<Step> {
    let pile = &seed.piles[at];
    let Some(InjectionKind::Step { percent, day }) = pile.injected else { return None };
    let found = |alarm: &&Alarm| alarm.pile == at && Some(alarm.day) == pile.alarmed_day;
    Some(Step {
        seed: seed.seed,
        pile: pile.id.clone(),
        size_percent: percent,
        day,
        delay_days: pile.alarmed_day.map(|end| end - day),
        told: seed.alarms.iter().find(found).map(ToldStep::of),
    })
}

/// Steps by size.
pub(super) fn step_sizes(steps: &[Step]) -> Vec<StepSize> {
    let mut sizes: Vec<f64> = steps.iter().map(|step| step.size_percent.abs()).collect();
    sizes.sort_unstable_by(f64::total_cmp);
    sizes.dedup();
    let of = |size: f64| {
        let of_size = || steps.iter().filter(move |step| step.size_percent.abs().total_cmp(&size).is_eq());
        let mut delays: Vec<f64> =
            of_size().map(|step| step.delay_days.map_or(f64::INFINITY, f64::from)).collect();
        delays.sort_unstable_by(f64::total_cmp);
        let at = |place: usize| delays.get(place).copied().filter(|delay| delay.is_finite());
        StepSize {
            size_percent: size,
            steps: delays.len(),
            found: delays.iter().filter(|delay| delay.is_finite()).count(),
            found_in_month: delays.iter().filter(|delay| **delay <= f64::from(WINDOW_DAYS)).count(),
            delay_median: at(delays.len() / 2),
            delay_ninth: at(delays.len() * 9 / 10),
        }
    };
    sizes.into_iter().map(of).collect()
}

/// Remote verdicts against on-site conclusions of all seeds.
pub(super) fn concordance(seeds: &[SeedSeen]) -> Concordance {
    let lots = [40, 200, 1000].into_iter().flat_map(|lot| [0.02, 0.05, 0.10].map(|share| (lot, share)));
    let sample = |(lot, share): (u32, f64)| {
        let bad = (share * f64::from(lot)).ceil() as u32;
        let (none, most) = (RiskPoint { bad: 0, risk: 0.05 }, RiskPoint { bad, risk: 0.05 });
        (lot, bad, smallest_plan(lot, none, most).map(|plan| plan.sample))
    };
    Concordance {
        table: table(seeds, |_, _| true),
        samples: lots.map(sample).collect(),
        ruled_out_by_13_of_40: rejected_from(&REPORTED, 0.95),
    }
}

/// Remote verdicts against on-site conclusions, of those piles of a seed that count.
pub(super) fn table(seeds: &[SeedSeen], counts: impl Fn(&SeedSeen, usize) -> bool) -> [[usize; 2]; 4] {
    let mut table = [[0; 2]; 4];
    for (seed, pair) in seeds.iter().flat_map(|seed| seed.pairs.iter().map(move |pair| (seed, pair))) {
        let verdict = seed.piles[pair.pile].verdict;
        let row = VERDICTS.iter().position(|known| *known == verdict).unwrap_or(3);
        if counts(seed, pair.pile) {
            table[row][usize::from(!pair.passes_on_site)] += 1;
        }
    }
    table
}
