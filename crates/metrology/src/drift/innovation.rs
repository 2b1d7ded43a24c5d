//! Innovations: a week's mean of an instrument against what was expected of it, before the week is taken in.
//!
//! # Formula
//! `ρ_s = y_s − (ẽ_i − d_t)` at the predicted posterior; m is the robust mean of an instrument's ρ with weights
//! `a_s ∝ 1/(σ_s²/κ + f_t)`, and `S = Σ a² σ²/κ + Σ_t f_t (Σ_{s∈t} a_s)² + hᵀ C h` with `h = 1_i − Σ_s a_s f_t w_t` over the instruments
//! that traveller t had visited, and over c where it is calibrated: the instrument's own uncertainty, that of its visitors, and what they
//! share, as the instrument itself when they have seen little else. What the instrument reads otherwise of their models is in C only, as if it were
//! new each week: where that is much, S is rather too large (z² 0.82 with three models and 0.3 %).

use super::equations::{Conditional, Posterior};
use super::week::{robust, weight};
use super::{Comparison, State};

/// Rounds of the robust mean.
const ROUNDS: usize = 20;

/// What a comparison adds to z = m/√S at most: n of them come to no more than `√n` times this, as with Huber's mean, whose every value counts
/// as one that is so many standard deviations out. A mean of a few is not normal: without this, two outliers on a Monday are a step of any size.
///
/// It costs time where a pile has two or three comparisons a week, as with vehicle data of 5 %: a true step, too, adds √n a week at most, and
/// half of steps of 1 % are found only in some seven weeks.
const EACH_MAX: f64 = 1.0;

/// A week of one instrument against its prediction.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Innovation {
    /// m: measured less expected, fraction.
    pub difference: f64,
    /// S, of a right prediction; where a few comparisons differ very much from it, larger (`EACH_MAX`).
    pub variance: f64,
    /// Share of a difference that the prediction will have taken over by the next week, 0 to 1.
    pub gain: f64,
}

impl Innovation {
    /// z = m/√S.
    pub fn standardised(&self) -> f64 {
        self.difference / self.variance.sqrt()
    }
}

impl State {
    /// By instrument, of comparisons in the order of instruments and travellers.
    pub(super) fn innovations(
        &self,
        comparisons: &[Comparison],
        conditionals: &[Conditional],
        biases: &[f64],
        predicted: &Posterior,
    ) -> Vec<Option<Innovation>> {
        let mut innovations = vec![None; self.right.len() - 1];
        for of_instrument in comparisons.chunk_by(|a, b| a.instrument == b.instrument) {
            let at = of_instrument[0].instrument;
            innovations[at] = Some(self.innovation(of_instrument, conditionals, biases, predicted));
        }
        innovations
    }

    fn innovation(
        &self,
        comparisons: &[Comparison],
        conditionals: &[Conditional],
        biases: &[f64],
        predicted: &Posterior,
    ) -> Innovation {
        let instrument = comparisons[0].instrument;
        let variance = |comparison: &Comparison| conditionals[comparison.traveller].variance;
        let weights: Vec<f64> =
            comparisons.iter().map(|s| 1.0 / (1.0 / weight(s.variance, variance(s)) + variance(s))).collect();
        let sum: f64 = weights.iter().sum();
        let surprises: Vec<(f64, f64)> = comparisons
            .iter()
            .map(|s| {
                let expected = predicted.mean[instrument + 1] - biases[s.traveller];
                (s.log_ratio - expected, s.variance + variance(s))
            })
            .collect();
        let (mut own, mut direction) = (0.0, vec![0.0; self.right.len()]);
        direction[instrument + 1] = 1.0;
        let mut of_travellers = 0.0;
        let mut position = 0;
        for visits in comparisons.chunk_by(|a, b| a.traveller == b.traveller) {
            let traveller = visits[0].traveller;
            let mut share = 0.0;
            for s in visits {
                let share_of = weights[position] / sum;
                own += share_of * share_of / weight(s.variance, variance(s));
                share += share_of;
                position += 1;
            }
            let f = conditionals[traveller].variance;
            of_travellers += f * share * share;
            for (at, weight) in self.travellers[traveller].along() {
                direction[at] -= share * f * weight;
            }
        }
        let shared = quadratic(&direction, predicted);
        let variance = own + of_travellers + shared;
        let difference = robust_mean(&surprises, &weights);
        let limit = comparisons.len() as f64 * EACH_MAX * EACH_MAX;
        Innovation {
            difference,
            variance: variance.max(difference * difference / limit),
            gain: shared / variance,
        }
    }
}

fn quadratic(direction: &[f64], predicted: &Posterior) -> f64 {
    let row =
        |i: usize| direction.iter().enumerate().map(|(j, b)| b * predicted.covariance.get(i, j)).sum::<f64>();
    direction.iter().enumerate().filter(|(_, a)| **a != 0.0).map(|(i, a)| a * row(i)).sum()
}

/// Mean of values with variances, by Student's weights about itself: a step moves all values and so weakens none.
fn robust_mean(values: &[(f64, f64)], weights: &[f64]) -> f64 {
    let mut sorted: Vec<f64> = values.iter().map(|(value, _)| *value).collect();
    sorted.sort_by(f64::total_cmp);
    let mut mean = sorted[sorted.len() / 2];
    for _ in 0..ROUNDS {
        let (mut sum, mut weight_sum) = (0.0, 0.0);
        for ((value, variance), weight) in values.iter().zip(weights) {
            let weight = weight * robust(value - mean, *variance);
            sum += weight * value;
            weight_sum += weight;
        }
        mean = sum / weight_sum;
    }
    mean
}
