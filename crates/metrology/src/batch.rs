//! A batch of instruments (one make, model, firmware, year): what passes and failures say of the share that keeps its limit, and
//! whether the interval may be extended or the batch must be replaced (metrology.md §4).
//!
//! Called for statistics of batches. Results on site count as they are; remote verdicts count with the sensitivity and
//! specificity that were measured for them. An instrument counts once: the caller leaves out the remote verdict of one that was
//! measured on site.

use crate::acceptance_sampling::{LOT_MAX, RiskPoint, smallest_plan};
use crate::beta;
use crate::shared::shared;

/// The interval is extended if the share that conforms reaches [`EXTEND_SHARE`] with this probability.
pub const EXTEND_PROBABILITY: f64 = 0.95;

/// Share that must conform for a longer interval.
pub const EXTEND_SHARE: f64 = 0.97;

/// The batch is replaced if the share that conforms is below [`REPLACE_SHARE`] with this probability.
pub const REPLACE_PROBABILITY: f64 = 0.5;

/// Share below which a batch is to be replaced.
pub const REPLACE_SHARE: f64 = 0.95;

/// Risk that a sample which is to rule out a batch for replacement is taken for good, and that a batch without a bad one is not.
pub const RULED_OUT_RISK: f64 = 0.05;

/// Ends of the stretches over which the posterior is integrated: both shares are among them, and they crowd near 1, where batches are.
const STRETCHES: [f64; 9] = [0.0, 0.5, 0.8, 0.9, REPLACE_SHARE, EXTEND_SHARE, 0.98, 0.99, 1.0];

/// Panels per stretch: posteriors of ten thousand results are some 10⁻³ wide.
const PANELS: usize = 12;

/// Panels over which a measured rate is integrated: the fewest that resolve what is narrow, and at most the last.
const RATE_PANELS: [usize; 5] = [3, 4, 6, 8, 12];

/// Width of such a panel in standard deviations of what is integrated: probabilities then differ by less than 10⁻⁶ from those by all nodes
/// (with 4 by less than 10⁻⁵).
const PANEL_WIDTH: f64 = 3.0;

/// Probability of a measured rate beyond either end of its integration: far below what a probability is asked for.
const RATE_TAIL: f64 = 1e-15;

/// Nodes and weights of the Gauss–Legendre rule of eight points on −1..1, positive half (Abramowitz and Stegun, table 25.4).
const NODES: [(f64, f64); 4] = [
    (0.183_434_642_495_649_8, 0.362_683_783_378_362),
    (0.525_532_409_916_329, 0.313_706_645_877_887_27),
    (0.796_666_477_413_626_7, 0.222_381_034_453_374_48),
    (0.960_289_856_497_536_3, 0.101_228_536_290_376_26),
];

/// A rate that was measured: so many of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeasuredRate {
    /// Cases in which it was right.
    pub right: u32,
    /// Cases.
    pub cases: u32,
}

/// Verdicts from afar, with how well such verdicts are known to find what is on site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoteVerdicts {
    /// Conform.
    pub conform: u32,
    /// Nonconform.
    pub nonconform: u32,
    /// Of instruments found bad on site, those that had been nonconform from afar.
    pub sensitivity: MeasuredRate,
    /// Of instruments found good on site, those that had been conform from afar.
    pub specificity: MeasuredRate,
}

/// What is known of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BatchResults {
    /// Passed on site.
    pub passes: u32,
    /// Failed on site.
    pub failures: u32,
    /// Remote verdicts of the others.
    pub remote: Option<RemoteVerdicts>,
}

/// What is to be done with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchDecision {
    /// A longer interval is justified.
    Extend,
    /// As before.
    Keep,
    /// More likely than not too many are bad.
    Replace,
}

impl BatchDecision {
    /// Every decision.
    pub const ALL: [Self; 3] = [Self::Extend, Self::Keep, Self::Replace];

    /// Its word, as told.
    pub fn word(self) -> &'static str {
        match self {
            Self::Extend => "extend",
            Self::Keep => "keep",
            Self::Replace => "replace",
        }
    }
}

/// What is known of a batch, and what follows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JudgedBatch {
    /// Probability that at least [`EXTEND_SHARE`] conform.
    pub extend: f64,
    /// Probability that at least [`REPLACE_SHARE`] do.
    pub keep: f64,
    /// What follows.
    pub decision: BatchDecision,
    /// The smallest sample that, without a bad one, rules out the share of bad ones that replaces a batch.
    pub sample: Option<u32>,
}

/// Judges a batch of so many instruments. None if more cases were right than there were.
///
/// None is replaced without a failure on site: with few results the uniform prior alone would do that.
pub fn judge(size: u32, results: &BatchResults) -> Option<JudgedBatch> {
    let [extend, keep] = probabilities(results, [EXTEND_SHARE, REPLACE_SHARE])?;
    let decision = if EXTEND_PROBABILITY <= extend {
        BatchDecision::Extend
    } else if REPLACE_PROBABILITY <= 1.0 - keep && 0 < results.failures {
        BatchDecision::Replace
    } else {
        BatchDecision::Keep
    };
    let lot = size.min(LOT_MAX);
    let bad = ((1.0 - REPLACE_SHARE) * f64::from(lot) - 1e-9).ceil() as u32;
    let [producer, consumer] = [0, bad].map(|bad| RiskPoint { bad, risk: RULED_OUT_RISK });
    let sample = smallest_plan(lot, producer, consumer).map(|plan| plan.sample);
    Some(JudgedBatch { extend, keep, decision, sample })
}

/// Probability that at least this share of the batch conforms, from a uniform prior. None if a measured rate is none, or the
/// share is outside 0..1.
///
/// # Formula
/// On-site results alone: `p ~ Beta(1 + passes, 1 + failures)`. With remote verdicts
/// `f(p) ∝ p^passes (1−p)^failures E[(1−q)^conform q^nonconform]`, `q = (1−p) Se + p (1−Sp)`, the mean over
/// `Se ~ Beta(1 + right, 1 + wrong)` and Sp likewise: rates measured on few cases make remote verdicts weak by themselves, and
/// no number of them stronger than what they were measured by. Given the rates they count as independent, which those of one connected
/// set are not: they share the error of its level. Whoever shows an extension that rests on them says so.
pub fn probability_share_at_least(results: &BatchResults, share: f64) -> Option<f64> {
    probabilities(results, [share]).map(|[probability]| probability)
}

/// The same for several shares at once: what costs is how likely the results are, not where it is cut.
fn probabilities<const N: usize>(results: &BatchResults, shares: [f64; N]) -> Option<[f64; N]> {
    if !shares.iter().all(|share| (0.0..=1.0).contains(share)) {
        return None;
    }
    let (passes, failures) = (f64::from(results.passes), f64::from(results.failures));
    let Some(remote) = results.remote.filter(|remote| 0 < remote.conform + remote.nonconform) else {
        // By symmetry P(p ≥ s) = P(1 − p ≤ 1 − s): the smaller tail is not a difference.
        return Some(shares.map(|share| beta::cdf(1.0 - share, 1.0 + failures, 1.0 + passes)));
    };
    let likelihood = Likelihood::of(passes, failures, &remote)?;
    Some(integrated(|p| likelihood.log_at(p), shares))
}

/// Shares of a density above some values; of the density the logarithm is given, but for a constant.
fn integrated<const N: usize>(log_at: impl Fn(f64) -> f64 + Sync, shares: [f64; N]) -> [f64; N] {
    let mut ends: Vec<f64> = STRETCHES.to_vec();
    ends.extend(shares);
    ends.sort_unstable_by(f64::total_cmp);
    let nodes: Vec<(f64, f64)> =
        ends.windows(2).flat_map(|pair| nodes(pair[0], pair[1], PANELS)).filter(|(_, w)| 0.0 < *w).collect();
    // The largest logarithm is taken out, so that hundreds of results do not fall below the smallest number.
    let logs: Vec<f64> = shared(&nodes, |(p, _)| log_at(*p));
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights = nodes.iter().zip(&logs).map(|((p, weight), log)| (*p, weight * libm::exp(log - largest)));
    let (mut above, mut all) = ([0.0; N], 0.0);
    for (p, weight) in weights {
        all += weight;
        for (above, share) in above.iter_mut().zip(shares) {
            *above += if share < p { weight } else { 0.0 };
        }
    }
    above.map(|above| above / all)
}

/// How likely all results are, as a function of the share that conforms.
struct Likelihood {
    passes: f64,
    failures: f64,
    conform: f64,
    nonconform: f64,
    /// Standard deviation of the flagged share by the verdicts alone.
    spread: f64,
    sensitivity: Rate,
    specificity: Rate,
}

impl Likelihood {
    fn of(passes: f64, failures: f64, remote: &RemoteVerdicts) -> Option<Self> {
        let (conform, nonconform) = (f64::from(remote.conform), f64::from(remote.nonconform));
        Some(Self {
            passes,
            failures,
            conform,
            nonconform,
            spread: beta_spread(1.0 + nonconform, 1.0 + conform),
            sensitivity: Rate::of(remote.sensitivity)?,
            specificity: Rate::of(remote.specificity)?,
        })
    }

    /// Where nearly all conform, the sensitivity hardly matters, and few nodes of it tell all; the specificity where few do.
    fn log_at(&self, p: f64) -> f64 {
        let sensitivity = self.sensitivity.resolving(self.spread / (1.0 - p));
        self.log_with(p, sensitivity, self.specificity.resolving(self.spread / p))
    }

    /// By these nodes of both rates, with their weights.
    fn log_with(&self, p: f64, sensitivity: &[(f64, f64)], specificity: &[(f64, f64)]) -> f64 {
        let flagged = |sensitivity: f64, specificity: f64| (1.0 - p) * sensitivity + p * (1.0 - specificity);
        let log = |q: f64| self.conform * libm::log1p(-q) + self.nonconform * libm::log(q);
        let pairs = || sensitivity.iter().flat_map(|se| specificity.iter().map(move |sp| (se, sp)));
        let logs: Vec<f64> = pairs().map(|((se, _), (sp, _))| log(flagged(*se, *sp))).collect();
        let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mean: f64 =
            pairs().zip(&logs).map(|(((_, a), (_, b)), log)| a * b * libm::exp(log - largest)).sum();
        let on_site = self.passes * libm::log(p) + self.failures * libm::log1p(-p);
        on_site + largest + libm::log(mean)
    }
}

/// A measured rate as nodes weighed by its posterior, by each number of panels.
struct Rate {
    /// Width of the interval that the nodes are spread over.
    width: f64,
    spread: f64,
    nodes: [Vec<(f64, f64)>; RATE_PANELS.len()],
}

impl Rate {
    fn of(measured: MeasuredRate) -> Option<Self> {
        let wrong = measured.cases.checked_sub(measured.right)?;
        let (a, b) = (1.0 + f64::from(measured.right), 1.0 + f64::from(wrong));
        let (low, high) = (beta::quantile(RATE_TAIL, a, b), 1.0 - beta::quantile(RATE_TAIL, b, a));
        let nodes = RATE_PANELS.map(|panels| {
            nodes(low, high, panels).map(|(x, weight)| (x, weight * beta::density(x, a, b))).collect()
        });
        Some(Self { width: high - low, spread: beta_spread(a, b), nodes })
    }

    /// The fewest nodes that resolve the posterior together with something of this standard deviation.
    fn resolving(&self, spread: f64) -> &[(f64, f64)] {
        let panels = self.width / (PANEL_WIDTH * self.spread.min(spread));
        let enough = RATE_PANELS.iter().position(|known| panels <= *known as f64);
        &self.nodes[enough.unwrap_or(RATE_PANELS.len() - 1)]
    }
}

/// Standard deviation of a beta distribution.
fn beta_spread(a: f64, b: f64) -> f64 {
    libm::sqrt(a * b / (a + b + 1.0)) / (a + b)
}

/// Nodes and weights of Gauss–Legendre panels over an interval.
fn nodes(low: f64, high: f64, panels: usize) -> impl Iterator<Item = (f64, f64)> {
    let half = 0.5 * (high - low) / panels as f64;
    (0..panels).flat_map(move |panel| {
        let centre = low + half * (2 * panel + 1) as f64;
        NODES.into_iter().flat_map(move |(node, weight)| {
            [(centre - half * node, half * weight), (centre + half * node, half * weight)]
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_site(passes: u32, failures: u32) -> BatchResults {
        BatchResults { passes, failures, remote: None }
    }

    fn decided(results: &BatchResults) -> BatchDecision {
        judge(100, results).expect("judged").decision
    }

    fn with_remote(passes: u32, failures: u32, conform: u32, nonconform: u32) -> BatchResults {
        let remote = RemoteVerdicts {
            conform,
            nonconform,
            sensitivity: MeasuredRate { right: 28, cases: 30 },
            specificity: MeasuredRate { right: 290, cases: 295 },
        };
        BatchResults { passes, failures, remote: Some(remote) }
    }

    // 1 − 0.97^(n + 1) by mpmath: 0.9510 for 98, 0.9495 for 97.
    #[test]
    fn ninety_eight_passes_without_failure_extend_the_interval() {
        assert_eq!(decided(&on_site(98, 0)), BatchDecision::Extend);
        assert_eq!(decided(&on_site(97, 0)), BatchDecision::Keep);
        let found = probability_share_at_least(&on_site(98, 0), 0.97).expect("a share");
        assert!((found - 0.950_976_795_953_189_9).abs() < 1e-12);
    }

    // Beta(1 + passes, 1 + failures) by scipy 1.17.1: P(p < 0.95) = 0.635 for 40 and 2, 0.372 for 40 and 1.
    #[test]
    fn two_failures_beside_forty_passes_replace_the_batch() {
        assert_eq!(decided(&on_site(40, 1)), BatchDecision::Keep);
        assert_eq!(decided(&on_site(40, 2)), BatchDecision::Replace);
    }

    #[test]
    fn nothing_known_is_no_reason_to_extend() {
        assert_ne!(decided(&on_site(0, 0)), BatchDecision::Extend);
    }

    // The same integral with numpy: 400 × 400 nodes for the rates, 3,840 for the share.
    #[test]
    fn remote_verdicts_count_by_what_they_were_measured() {
        for (results, share, expected) in [
            (with_remote(40, 0, 300, 6), 0.97, 0.986_276_854_151_462_3),
            (with_remote(40, 3, 100, 12), 0.95, 0.038_118_689_589_400_91),
        ] {
            let fine = finely(&results)[usize::from(share < EXTEND_SHARE)];
            assert!((fine / expected - 1.0).abs() < 1e-8, "{fine} is not {expected}");
            let found = probability_share_at_least(&results, share).expect("a share");
            assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
        }
    }

    #[test]
    fn a_thousand_verdicts_of_a_method_never_tried_do_not_extend() {
        let with = |right, cases| {
            let rate = MeasuredRate { right, cases };
            let remote =
                RemoteVerdicts { conform: 1000, nonconform: 0, sensitivity: rate, specificity: rate };
            decided(&BatchResults { passes: 30, failures: 1, remote: Some(remote) })
        };
        assert_eq!(with(0, 0), BatchDecision::Keep);
        assert_eq!(with(198, 200), BatchDecision::Extend);
    }

    #[test]
    fn more_right_than_cases_is_refused() {
        let mut results = with_remote(1, 0, 1, 0);
        results.remote.as_mut().expect("given").sensitivity = MeasuredRate { right: 3, cases: 2 };
        assert_eq!(judge(10, &results), None);
        assert_eq!(probability_share_at_least(&on_site(1, 0), 1.5), None);
    }

    // Both shares at once are the shares one by one; the first is exact. Of 24 two bad ones are 5 %: C(22, 19)/C(24, 19) =
    // 5·4/(24·23) = 3.6 % miss both, with 18 6·5/(24·23) = 5.4 % would.
    #[test]
    fn a_judged_batch_has_its_probabilities_and_the_sample_that_rules_out_replacement() {
        let judged = judge(24, &on_site(5, 0)).expect("judged");
        assert!((judged.keep - 0.264_908_109_375).abs() < 1e-12, "1 − 0.95⁶");
        assert_eq!((judged.sample, judged.decision), (Some(19), BatchDecision::Keep));
        let results = with_remote(40, 3, 100, 12);
        let judged = judge(155, &results).expect("judged");
        let one_by_one =
            [EXTEND_SHARE, REPLACE_SHARE].map(|share| probability_share_at_least(&results, share));
        assert_eq!([Some(judged.extend), Some(judged.keep)], one_by_one);
        // However likely, nobody found a bad one.
        assert_eq!(judge(14, &with_remote(5, 0, 0, 9)).expect("judged").decision, BatchDecision::Keep);
    }

    /// The same with every node of both rates, as many as there ever are.
    fn finely(results: &BatchResults) -> [f64; 2] {
        let remote = results.remote.expect("given");
        let likelihood =
            Likelihood::of(f64::from(results.passes), f64::from(results.failures), &remote).expect("rates");
        let all = |rate: &Rate| rate.nodes[RATE_PANELS.len() - 1].clone();
        let (sensitivity, specificity) = (all(&likelihood.sensitivity), all(&likelihood.specificity));
        integrated(|p| likelihood.log_with(p, &sensitivity, &specificity), [EXTEND_SHARE, REPLACE_SHARE])
    }

    // Page and command tell three decimals.
    #[test]
    fn nodes_that_are_left_out_are_not_missed() {
        let rates = [(0, 0, 0, 0), (5, 6, 50, 50), (28, 30, 290, 295), (190, 200, 2_950, 3_000)];
        let mut batches =
            vec![(0, 0, 7, 1), (5, 0, 150, 0), (40, 3, 300, 12), (12, 4, 20, 60), (0, 0, 2_000, 31)];
        batches.extend((0..20).step_by(5).map(|n| (5 + n, n % 4, 40 + 25 * n, n % 7)));
        for (right, bad, spared, good) in rates {
            for &(passes, failures, conform, nonconform) in &batches {
                let remote = RemoteVerdicts {
                    conform,
                    nonconform,
                    sensitivity: MeasuredRate { right, cases: bad },
                    specificity: MeasuredRate { right: spared, cases: good },
                };
                let results = BatchResults { passes, failures, remote: Some(remote) };
                let judged = judge(500, &results).expect("judged");
                for (found, fine) in [judged.extend, judged.keep].into_iter().zip(finely(&results)) {
                    assert!((found - fine).abs() < 1e-6, "{results:?}: {found} instead of {fine}");
                }
            }
        }
    }
}
