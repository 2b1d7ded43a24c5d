//! A week's comparisons and anchors enter the state.
//!
//! Robust against t_4 noise: each comparison enters with the constant weight `κ/σ²` and the pseudo-value `ŷ + ω r/κ`, `ω` Student's
//! weight at the residual r, which has the score of the t-likelihood and, on average, its information; so the matrix is
//! factorised once and only the right side is iterated.

use super::equations::{Conditional, Posterior};
use super::packed::Packed;
use super::smoother::Snapshot;
use super::{Comparison, EFFICIENCY, Estimate, NU, Pair, Settings, State, Update, Week};
use crate::balance::Information;

/// Rounds of reweighting at most.
const ROUNDS_MAX: usize = 30;

/// Rounds stop when no estimate moves by more than this share of its standard uncertainty.
const TOLERANCE: f64 = 0.01;

/// Where a comparison went.
struct Placed {
    comparison: Comparison,
    pair: usize,
    weight: f64,
}

impl State {
    /// Takes in a week after its walk.
    pub(super) fn take_in(&mut self, week: &Week, settings: &Settings) -> Option<Update> {
        let counted = self.counted(settings);
        let conditionals = counted.conditionals(settings.traveller_sd);
        let predicted = counted.posterior(&conditionals)?;
        let comparisons = sorted(&week.comparisons);
        let biases = counted.biases(&conditionals, &predicted.mean);
        let innovations = counted.innovations(&comparisons, &conditionals, &biases, &predicted);
        drop(counted);
        self.add_anchors(week);
        let placed = self.place(&comparisons, &conditionals);
        let Posterior { mean, covariance } =
            self.settle(&placed, predicted.mean.clone(), biases, (week, settings))?;
        let size = mean.len();
        let estimate = |at: usize| {
            let variance = covariance.get(0, 0) + 2.0 * covariance.get(at, 0) + covariance.get(at, at);
            Estimate { log_error: mean[0] + mean[at], standard_uncertainty: variance.max(0.0).sqrt() }
        };
        let estimates = (1..size).map(estimate).collect();
        let packed = |posterior: Posterior| (posterior.mean, Packed::of(&posterior.covariance, size));
        let told = packed(Posterior { mean, covariance });
        let (filtered, informed) = if week.information.is_empty() {
            (told, None)
        } else {
            let counted = self.counted(settings);
            (packed(counted.posterior(&counted.conditionals(settings.traveller_sd))?), Some(told))
        };
        let predicted = packed(predicted);
        Some(Update {
            estimates,
            innovations,
            snapshot: Snapshot { predicted, filtered, informed, forgotten: Vec::new() },
        })
    }

    /// The same with what balances say, of e_i = c + ẽ_i.
    fn informed(mut self, information: &[Information]) -> Self {
        for told in information {
            for (row, at) in told.instruments.iter().enumerate() {
                self.right[0] += told.right[row];
                self.right[at + 1] += told.right[row];
                for (column, other) in told.instruments.iter().enumerate() {
                    let weight = told.matrix.get(row, column);
                    self.base.add(0, 0, weight);
                    self.base.add(at + 1, 0, weight);
                    if column <= row {
                        self.base.add(at + 1, other + 1, weight);
                    }
                }
            }
        }
        self
    }

    fn add_anchors(&mut self, week: &Week) {
        let mut anchors = week.anchors.clone();
        anchors.sort_by(|a, b| {
            a.instrument
                .cmp(&b.instrument)
                .then(a.log_error.total_cmp(&b.log_error))
                .then(a.standard_uncertainty.total_cmp(&b.standard_uncertainty))
        });
        for anchor in &anchors {
            let (at, weight) = (anchor.instrument + 1, anchor.standard_uncertainty.powi(-2));
            for (row, column) in [(0, 0), (at, 0), (at, at)] {
                self.base.add(row, column, weight);
            }
            self.right[0] += weight * anchor.log_error;
            self.right[at] += weight * anchor.log_error;
        }
    }

    /// Adds the comparisons' weights; their values come with [`Self::settle`].
    fn place(&mut self, comparisons: &[Comparison], before: &[Conditional]) -> Vec<Placed> {
        let weight_of = |s: &Comparison| weight(s.variance, before[s.traveller].variance);
        for comparison in comparisons {
            let traveller = &mut self.travellers[comparison.traveller];
            traveller.idle_weeks = 0.0;
            let weight = weight_of(comparison);
            match traveller.pairs.binary_search_by_key(&comparison.instrument, |pair| pair.instrument) {
                Ok(at) => traveller.pairs[at].weight += weight,
                Err(at) => {
                    let pair = Pair { instrument: comparison.instrument, weight, weighted: 0.0 };
                    traveller.pairs.insert(at, pair);
                }
            }
        }
        let place = |comparison: &Comparison| {
            let pairs = &self.travellers[comparison.traveller].pairs;
            let pair = pairs.partition_point(|pair| pair.instrument < comparison.instrument);
            Placed { comparison: *comparison, pair, weight: weight_of(comparison) }
        };
        comparisons.iter().map(place).collect()
    }

    /// Finds the posterior's mode from a start, and leaves the comparisons' pseudo-values there in the pairs.
    fn settle(
        &mut self,
        placed: &[Placed],
        mut mean: Vec<f64>,
        mut biases: Vec<f64>,
        (week, settings): (&Week, &Settings),
    ) -> Option<Posterior> {
        let mut counted = self.counted(settings).informed(&week.information);
        let mut conditionals = counted.conditionals(settings.traveller_sd);
        let factor = counted.factor(&conditionals)?;
        let covariance = factor.inverse();
        let pair = |state: &Self, at: &Placed| state.travellers[at.comparison.traveller].pairs[at.pair];
        let past: Vec<f64> = placed.iter().map(|at| pair(self, at).weighted).collect();
        let counts: Vec<f64> =
            placed.iter().map(|at| pair(&counted, at).weight / pair(self, at).weight).collect();
        for _ in 0..ROUNDS_MAX {
            for (at, past) in placed.iter().zip(&past) {
                self.travellers[at.comparison.traveller].pairs[at.pair].weighted = *past;
            }
            for (at, counts) in placed.iter().zip(&counts) {
                self.travellers[at.comparison.traveller].pairs[at.pair].weighted += weighted_value(
                    at,
                    &mean,
                    &biases,
                    counts * conditionals[at.comparison.traveller].variance,
                );
            }
            for (at, counts) in placed.iter().zip(&counts) {
                counted.travellers[at.comparison.traveller].pairs[at.pair].weighted =
                    counts * pair(self, at).weighted;
            }
            for (own, traveller) in conditionals.iter_mut().zip(&counted.travellers) {
                own.weighted = traveller.weighted();
            }
            let next = factor.solve(&counted.right(&conditionals));
            let is_still = |(at, (now, before)): (usize, (&f64, &f64))| {
                (now - before).abs() <= TOLERANCE * covariance.get(at, at).max(0.0).sqrt()
            };
            let has_settled = next.iter().zip(&mean).enumerate().all(is_still);
            mean = next;
            biases = counted.biases(&conditionals, &mean);
            if has_settled {
                break;
            }
        }
        Some(Posterior { mean, covariance })
    }

    fn biases(&self, conditionals: &[Conditional], mean: &[f64]) -> Vec<f64> {
        self.travellers.iter().zip(conditionals).map(|(traveller, own)| own.bias(traveller, mean)).collect()
    }
}

fn sorted(comparisons: &[Comparison]) -> Vec<Comparison> {
    let mut sorted = comparisons.to_vec();
    sorted.sort_by(|a, b| {
        (a.instrument, a.traveller)
            .cmp(&(b.instrument, b.traveller))
            .then(a.log_ratio.total_cmp(&b.log_ratio))
            .then(a.variance.total_cmp(&b.variance))
    });
    sorted
}

/// Student's weight at a residual of this variance.
pub(super) fn robust(residual: f64, variance: f64) -> f64 {
    (NU + 1.0) / (NU + residual * residual / variance)
}

/// Information of a comparison with t_4 noise about instrument less bias, when the bias has this variance beforehand.
///
/// # Formula
/// `κ/(σ² + f/4)`. Without a bias it is κ/σ². With one, the sum of noise and bias carries less than `1/(σ²/κ + f)`, the bound by
/// Stam's inequality that only normal noise reaches, as the robust weights cannot tell an outlier from a bias. By numerical
/// integration of the M-estimator's `E[ψ']²/E[ψ²]` for t_4 noise (σ = 1) and normal bias, f of 0.1, 0.3, 0.5625, 1 leave 0.695, 0.664,
/// 0.632, 0.589; the formula says 0.697, 0.664, 0.626, 0.571.
pub(super) fn weight(variance: f64, of_bias: f64) -> f64 {
    EFFICIENCY / (variance + 0.25 * of_bias)
}

/// Weight times pseudo-value: the fitted value and, beyond it, the score of the t-likelihood; `of_bias` is how the traveller's bias follows a
/// unit of weight.
fn weighted_value(placed: &Placed, mean: &[f64], biases: &[f64], of_bias: f64) -> f64 {
    let comparison = &placed.comparison;
    let fitted = mean[comparison.instrument + 1] - biases[comparison.traveller];
    let residual = comparison.log_ratio - fitted;
    // A traveller of few comparisons follows them, and its residuals are smaller than the noise by its leverage.
    let leverage = placed.weight * of_bias;
    let score = robust(residual, comparison.variance * (1.0 - leverage)) * residual / comparison.variance;
    placed.weight * fitted + score
}
