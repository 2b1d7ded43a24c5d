//! What the observations of all seeds come to: one number a measure, held against its goal (metrology.md §2.5), and the tables behind.
//!
//! Called by [`super`]. Pure; sums in the order of seeds and piles.

use serde::Serialize;
use veripile_metrology::{beta, normal};
use veripile_pile::RemoteVerdict;
use veripile_simulator::world::{Layout, Noise, WorldSettings};

use super::agreement::{agreement, conclusions};
use super::goal::{Goal, Reached, needed};
use super::run::{Joined, PileSeen, SeedSeen};
use super::signals::{self, Signals, signalled};
use super::tables::{Concordance, Detection, Step, StepSize, concordance, detections, step_sizes, steps};
use super::weeks::Tally;

/// A pile is good if its true error keeps this share of its limit: nearer to the limit "false" would depend on luck.
const GOOD_SHARE: f64 = 0.8;

/// Charges from which an estimate is held against the bound, as verdicts are given from so many: with a few charges of heavy-tailed
/// noise no estimator comes near it.
const COMPARED_FROM: u32 = 10;

/// Worlds from which the scatter between them is measured.
pub(super) const WORLDS_MIN: usize = 5;

/// A measure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Measure {
    /// Its word in files.
    pub(super) key: &'static str,
    /// Its name in both languages.
    pub(super) zh: &'static str,
    pub(super) en: &'static str,
    /// The number; none where nothing was observed, or where `lacking` says why.
    pub(super) value: Option<f64>,
    /// Why there is none although there was something to observe.
    pub(super) lacking: Option<Lacking>,
    /// 95 % interval of it from the number of observations, where that is simple.
    pub(super) interval: Option<(f64, f64)>,
    /// How many observations it rests on.
    pub(super) observations: usize,
    pub(super) unit: Unit,
    pub(super) goal: Option<Goal>,
    pub(super) reached: Option<Reached>,
    /// Of an open share: how many observations would tell, if it stays what it is.
    pub(super) needed: Option<usize>,
}

impl Measure {
    /// Whether it has a row on the page and in print; `summary.csv` has all.
    pub(super) fn is_shown(&self) -> bool {
        self.value.is_some() || self.lacking.is_some()
    }
}

/// Why a measure has no number although there was something to observe: a goal is missed then, not unasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Lacking {
    /// By the end of the world fewer were found than the number speaks of.
    NotFound,
    /// In no window looked at there was anything to compare.
    NeverComparable,
    /// What it is computed from is no number, or was not to be had.
    NoNumber,
}

impl Lacking {
    /// Its word in files, and its words in both languages.
    pub(super) fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::NotFound => ("not_found", "期末仍未发现", "not found by the end"),
            Self::NeverComparable => ("never_comparable", "从未可比", "never comparable"),
            Self::NoNumber => ("no_number", "算不出数值", "no number could be computed"),
        }
    }
}

/// How a measure is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Unit {
    /// Percent of energy.
    ErrorPercent,
    /// A share of observations.
    Share,
    /// A plain number.
    Number,
    /// Days.
    Days,
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Study {
    pub(super) measures: Vec<Measure>,
    pub(super) detections: Vec<Detection>,
    pub(super) steps: Vec<Step>,
    pub(super) step_sizes: Vec<StepSize>,
    pub(super) signals: Signals,
    pub(super) concordance: Concordance,
    /// Nominal and observed coverage.
    pub(super) calibration: Vec<(f64, f64)>,
}

/// Computes everything.
pub(super) fn study(settings: &WorldSettings, seeds: &[SeedSeen]) -> Study {
    let estimates: Vec<Vec<Estimated>> = seeds.iter().map(estimates).collect();
    let detections = detections(seeds);
    let steps = steps(seeds);
    let mut measures = accuracy(settings, &estimates);
    measures.extend(verdicts(seeds, &detections));
    let step_sizes = step_sizes(&steps);
    measures.extend(alarms(seeds, &steps, &step_sizes));
    measures.extend(signalled(seeds));
    measures.extend(by_week(seeds));
    measures.extend(agreement(seeds));
    measures.extend(conclusions(seeds));
    measures.extend(balances(seeds));
    for measure in &mut measures {
        measure.reached = measure.reached.or_else(|| Reached::judge(measure));
        measure.needed = needed(measure);
    }
    let all: Vec<&Estimated> = estimates.iter().flatten().collect();
    Study {
        measures,
        detections,
        steps,
        step_sizes,
        signals: signals::tables(seeds),
        concordance: concordance(seeds),
        calibration: (1..20).map(|at| f64::from(at) / 20.0).map(|p| (p, coverage(&all, p))).collect(),
    }
}

/// An estimate with its truth.
struct Estimated {
    charges: u32,
    deviation: f64,
    u: f64,
    bound: f64,
}

/// Piles of a world whose truth is one number and whose level is known. One without a number counts: left out, it would flatter the rest.
fn estimates(seed: &SeedSeen) -> Vec<Estimated> {
    let number = |value: Option<f64>| value.unwrap_or(f64::NAN);
    let counts = |pile: &&PileSeen| pile.is_constant && pile.grounded && 0 < pile.charges;
    let of = |pile: &PileSeen| Estimated {
        charges: pile.charges,
        deviation: number(pile.error) - pile.truth,
        u: number(pile.standard_uncertainty),
        bound: number(pile.bound),
    };
    seed.piles.iter().filter(counts).map(of).collect()
}

/// By how much the ratio of errors to the bound scatters, relative: from world to world where there are some, since piles of one world share
/// its level (jackknife over worlds); else as the root mean square of independent numbers.
fn ratio_spread(worlds: &[Vec<Estimated>]) -> f64 {
    let sums: Vec<[f64; 2]> = worlds.iter().map(|world| sums(world)).collect();
    let all = sums.iter().fold([0.0; 2], |[a, b], [x, y]| [a + x, b + y]);
    let n = sums.len() as f64;
    if sums.len() < WORLDS_MIN {
        let piles: usize = worlds.iter().map(Vec::len).sum();
        return (0.5 / piles as f64).sqrt();
    }
    let ratio = |[errors, bounds]: [f64; 2]| (errors / bounds).sqrt();
    let without: Vec<f64> = sums.iter().map(|[x, y]| ratio([all[0] - x, all[1] - y])).collect();
    let mean = without.iter().sum::<f64>() / n;
    let variance = (n - 1.0) / n * without.iter().map(|ratio| (ratio - mean).powi(2)).sum::<f64>();
    variance.sqrt() / ratio(all)
}

/// Sums of squares of errors and of bounds, of the piles that count.
fn sums(world: &[Estimated]) -> [f64; 2] {
    let counted = world.iter().filter(|e| COMPARED_FROM <= e.charges);
    counted.fold([0.0; 2], |[a, b], e| [a + e.deviation * e.deviation, b + e.bound * e.bound])
}

fn accuracy(settings: &WorldSettings, worlds: &[Vec<Estimated>]) -> Vec<Measure> {
    let all: Vec<&Estimated> = worlds.iter().flatten().collect();
    let estimates: Vec<&Estimated> = all.iter().copied().filter(|e| COMPARED_FROM <= e.charges).collect();
    let n = estimates.len();
    let mean =
        |of: &dyn Fn(&Estimated) -> f64| some(n, estimates.iter().map(|e| of(e)).sum::<f64>() / n as f64);
    let rmse = mean(&|e| e.deviation * e.deviation).map(f64::sqrt);
    let bound = mean(&|e| e.bound * e.bound).map(f64::sqrt);
    let ratio = rmse.zip(bound).map(|(rmse, bound)| rmse / bound);
    let spread = normal::QUANTILE_975 * ratio_spread(worlds);
    let covered = coverage(&all, 0.95);
    let mut bounds: Vec<f64> = estimates.iter().map(|e| e.bound).collect();
    bounds.sort_unstable_by(f64::total_cmp);
    let percent = |value: Option<f64>| value.map(|value| 100.0 * value);
    vec![
        measure("rmse_percent", "均方根误差", "root mean square error", Unit::ErrorPercent, percent(rmse), n),
        measure(
            "bound_percent",
            "克拉美–罗界（均方根）",
            "Cramér–Rao bound, root mean square",
            Unit::ErrorPercent,
            percent(bound),
            n,
        ),
        measure(
            "bound_median_percent",
            "克拉美–罗界，中位数",
            "Cramér–Rao bound, median",
            Unit::ErrorPercent,
            percent(bounds.get(n / 2).copied()),
            n,
        ),
        measure(
            "bound_worst_percent",
            "克拉美–罗界，最差",
            "Cramér–Rao bound, worst",
            Unit::ErrorPercent,
            percent(bounds.last().copied()),
            n,
        ),
        Measure {
            interval: ratio.map(|ratio| (ratio * (1.0 - spread).max(0.0), ratio * (1.0 + spread))),
            goal: Some(ratio_goal(settings.noise)),
            ..measure("rmse_over_bound", "误差与界之比", "error over bound", Unit::Number, ratio, n)
        },
        measure(
            "stated_percent",
            "声明的标准不确定度（均方根）",
            "stated standard uncertainty, root mean square",
            Unit::ErrorPercent,
            percent(mean(&|e| e.u * e.u).map(f64::sqrt)),
            n,
        ),
        measure(
            "bias_percent",
            "平均偏差",
            "mean deviation",
            Unit::ErrorPercent,
            percent(mean(&|e| e.deviation)),
            n,
        ),
        Measure {
            goal: Some(coverage_goal(settings)),
            ..share(
                "coverage95",
                "95 % 区间覆盖率",
                "coverage of 95 % intervals",
                (covered * all.len() as f64).round() as usize,
                all.len(),
            )
        },
    ]
}

/// metrology.md §2.5; t₄ noise is what the estimator assumes and has the goal of normal noise.
fn ratio_goal(noise: Noise) -> Goal {
    let to = match noise {
        Noise::Gaussian | Noise::T4 => 1.05,
        Noise::Outliers => 1.10,
        Noise::Nuisances => 1.25,
    };
    Goal { from: 0.0, to }
}

/// 0.93 to 0.97; with little vehicle data 0.90 is enough.
fn coverage_goal(settings: &WorldSettings) -> Goal {
    const LITTLE: f64 = 0.05;
    Goal { from: if settings.vehicle_share <= LITTLE { 0.90 } else { 0.93 }, to: 0.97 }
}

/// Share of intervals of a nominal coverage that hold the truth.
fn coverage(estimates: &[&Estimated], nominal: f64) -> f64 {
    let k = normal::quantile(0.5 + 0.5 * nominal);
    let held = estimates.iter().filter(|e| e.deviation.abs() <= k * e.u).count();
    held as f64 / estimates.len().max(1) as f64
}

fn verdicts(seeds: &[SeedSeen], detections: &[Detection]) -> Vec<Measure> {
    let piles = || seeds.iter().flat_map(|seed| &seed.piles);
    let good = || piles().filter(|pile| pile.is_constant && pile.truth.abs() <= GOOD_SHARE * pile.limit);
    let accused = good().filter(|pile| pile.verdict == RemoteVerdict::Nonconform).count();
    let ungrounded = || piles().filter(|pile| !pile.grounded);
    let absolute = ungrounded().filter(|pile| pile.verdict != RemoteVerdict::NotComparable).count();
    let twice = |d: &&Detection| d.kind == "constant" && 2.0 * d.limit_percent <= d.size.abs() + 1e-9;
    let (windows, found) = detections
        .iter()
        .filter(twice)
        .fold((0, 0), |(all, found), d| (all + d.windows as usize, found + d.windows_found as usize));
    let (all, all_found) =
        detections.iter().filter(twice).fold((0, 0), |(all, found), d| (all + d.piles, found + d.found));
    let goal = |from, to| Some(Goal { from, to });
    let is_looked_at = seeds.iter().any(|seed| 0 < seed.windows);
    let never_comparable = is_looked_at && 0 < all && windows == 0;
    vec![
        Measure {
            goal: goal(0.0, 0.001),
            ..share(
                "false_nonconform",
                "合格桩被误判限外",
                "good piles called nonconform",
                accused,
                good().count(),
            )
        },
        Measure {
            goal: goal(0.99, 1.0),
            lacking: never_comparable.then_some(Lacking::NeverComparable),
            ..share(
                "found_twice_mpe_month",
                "两倍最大允许误差，四周内发现",
                "twice the MPE or more, found in four weeks",
                found,
                windows,
            )
        },
        share(
            "found_twice_mpe",
            "两倍最大允许误差，全期发现",
            "twice the MPE or more, found from all days",
            all_found,
            all,
        ),
        Measure {
            goal: goal(0.0, 0.0),
            // A rule, and no rate: one is too many, and none is what it asks for.
            interval: None,
            ..share(
                "ungrounded_absolute",
                "无基准连通集的绝对结论",
                "absolute verdicts without an anchor",
                absolute,
                ungrounded().count(),
            )
        },
    ]
}

/// Twice the limit of class 1, percent.
const TWICE_CLASS_1: f64 = 2.0;

/// The step of the goal for delays, percent.
const STEP_PERCENT: f64 = 1.0;

fn alarms(seeds: &[SeedSeen], steps: &[Step], sizes: &[StepSize]) -> Vec<Measure> {
    let clean = || {
        let followed = seeds.iter().filter(|seed| !seed.weeks.is_empty()).flat_map(|seed| &seed.piles);
        followed.filter(|pile| pile.injected.is_none() && 0 < pile.charges)
    };
    let is_alarmed = |pile: &&PileSeen| pile.alarmed_day.is_some() || 0 < pile.windows_nonconform;
    let alarmed = clean().filter(is_alarmed).count();
    let one = sizes.iter().find(|size| size.size_percent.total_cmp(&STEP_PERCENT).is_eq());
    let large = || sizes.iter().filter(|size| TWICE_CLASS_1 <= size.size_percent);
    let told: Vec<_> = steps.iter().filter_map(|step| Some((step, step.told?))).collect();
    let sized = told.iter().filter(|(step, told)| {
        (told.size_percent - step.size_percent).abs()
            <= normal::QUANTILE_975 * told.standard_uncertainty_percent
    });
    let dated = told.iter().filter(|(step, told)| {
        let day = f64::from(step.day);
        told.began_from <= day && day <= told.began_to
    });
    let goal = |from, to| Some(Goal { from, to });
    vec![
        share("steps_found", "阶跃被发现", "steps found", told.len(), steps.len()),
        Measure {
            goal: goal(0.0, 21.0),
            // Half of them or more are not among what was found.
            lacking: one.filter(|size| size.delay_median.is_none()).map(|_| Lacking::NotFound),
            ..measure(
                "step_delay_days",
                "1 % 阶跃的发现延迟，中位数",
                "delay of steps of 1 %, median",
                Unit::Days,
                one.and_then(|size| size.delay_median),
                one.map_or(0, |size| size.steps),
            )
        },
        Measure {
            goal: goal(0.99, 1.0),
            ..share(
                "step_twice_mpe_month",
                "2 % 及以上阶跃，四周内发现",
                "steps of 2 % or more, found within four weeks",
                large().map(|size| size.found_in_month).sum(),
                large().map(|size| size.steps).sum(),
            )
        },
        share(
            "step_size_covered",
            "阶跃大小的 95 % 区间覆盖率",
            "steps found: coverage of the size's 95 % interval",
            sized.count(),
            told.len(),
        ),
        share(
            "step_date_covered",
            "阶跃日期的 95 % 范围覆盖率",
            "steps found: coverage of the date's 95 % range",
            dated.count(),
            told.len(),
        ),
        Measure {
            goal: goal(0.0, 0.01),
            ..share("clean_alarmed", "无注入误差桩的误报警", "clean piles alarmed", alarmed, clean().count())
        },
    ]
}

/// The filter in the last week, the smoother in the middle one: piles of one week, which share anchors only.
fn by_week(seeds: &[SeedSeen]) -> Vec<Measure> {
    let sum = |tallies: &dyn Fn(&SeedSeen) -> Option<Tally>| {
        seeds.iter().filter_map(tallies).fold(Tally::default(), |sum, tally| sum.with(&tally))
    };
    let last = sum(&|seed| Some(seed.weeks.last()?.filtered));
    let middle = sum(&|seed| Some(seed.weeks.get(seed.weeks.len() / 2)?.smoothed));
    let covered = |key, zh, en, tally: &Tally, failed: bool| {
        let known = Measure {
            goal: Some(Goal { from: 0.93, to: 0.97 }),
            ..share(key, zh, en, tally.covered, tally.estimates)
        };
        // What failed in one seed is not made good by the others.
        let lacking = Some(Lacking::NoNumber);
        if failed { Measure { value: None, interval: None, lacking, ..known } } else { known }
    };
    vec![
        covered(
            "filter_coverage95",
            "周滤波末周的 95 % 区间覆盖率",
            "weekly filter, last week: coverage of 95 % intervals",
            &last,
            // A filter that fails is an error; of what was not heard for long it says nothing.
            false,
        ),
        covered(
            "smoother_coverage95",
            "平滑器中间一周的 95 % 区间覆盖率",
            "smoother, middle week: coverage of 95 % intervals",
            &middle,
            seeds.iter().any(|seed| seed.smoothing_failed),
        ),
    ]
}

/// What energy balances add; nothing in worlds without master meters.
fn balances(seeds: &[SeedSeen]) -> Vec<Measure> {
    let joined: Vec<_> = seeds.iter().flat_map(|seed| &seed.joined).collect();
    if joined.is_empty() {
        return Vec::new();
    }
    // A pile of which nothing is known with the balance is worse than without.
    let ratio = |pile: &&Joined| pile.joined.map_or(f64::INFINITY, |(u, _)| u / pile.alone);
    let mut ratios: Vec<f64> = joined.iter().map(ratio).collect();
    ratios.sort_unstable_by(f64::total_cmp);
    let is_covered = |pile: &&&Joined| {
        pile.joined.is_some_and(|(u, deviation)| deviation.abs() <= normal::QUANTILE_975 * u)
    };
    let covered = joined.iter().filter(is_covered).count();
    vec![
        Measure {
            goal: Some(Goal { from: 0.0, to: 0.65 }),
            ..measure(
                "ac_joined_over_alone",
                "交流桩联合能量平衡后的不确定度比，中位数",
                "AC piles: uncertainty with the energy balance over without, median",
                Unit::Number,
                ratios.get(ratios.len() / 2).copied(),
                ratios.len(),
            )
        },
        Measure {
            goal: Some(Goal { from: 0.93, to: 0.97 }),
            ..share(
                "ac_joined_coverage95",
                "交流桩联合能量平衡后的 95 % 区间覆盖率",
                "AC piles with the energy balance: coverage of 95 % intervals",
                covered,
                joined.len(),
            )
        },
    ]
}

pub(super) fn some(observations: usize, value: f64) -> Option<f64> {
    (0 < observations && value.is_finite()).then_some(value)
}

/// A measure without a goal. Of something observed that gives no number, that is said.
pub(super) fn measure(
    key: &'static str,
    zh: &'static str,
    en: &'static str,
    unit: Unit,
    value: Option<f64>,
    observations: usize,
) -> Measure {
    let value = value.filter(|value| value.is_finite());
    let lacking = (0 < observations && value.is_none()).then_some(Lacking::NoNumber);
    Measure {
        key,
        zh,
        en,
        value,
        lacking,
        interval: None,
        observations,
        unit,
        goal: None,
        reached: None,
        needed: None,
    }
}

/// A share with its interval (Clopper and Pearson), exact for observations that do not depend on each other.
pub(super) fn share(key: &'static str, zh: &'static str, en: &'static str, of: usize, all: usize) -> Measure {
    let value = some(all, of as f64 / all as f64);
    let interval = value.map(|_| interval(of, all));
    Measure { interval, ..measure(key, zh, en, Unit::Share, value, all) }
}

/// 95 % interval of a share by Clopper and Pearson: `B(0.025; x, n − x + 1)` to `B(0.975; x + 1, n − x)`.
pub(super) fn interval(of: usize, all: usize) -> (f64, f64) {
    let (of, rest) = (of as f64, all.saturating_sub(of) as f64);
    let low = if of == 0.0 { 0.0 } else { beta::quantile(0.025, of, rest + 1.0) };
    let high = if rest == 0.0 { 1.0 } else { beta::quantile(0.975, of + 1.0, rest) };
    (low, high)
}

/// The name of a layout.
pub(super) fn world_name(settings: &WorldSettings) -> String {
    match &settings.layout {
        Layout::Reference => "reference".to_owned(),
        Layout::Anhui => "anhui".to_owned(),
        Layout::Graph(file) => file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
    }
}
