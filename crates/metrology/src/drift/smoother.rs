//! Looking back: the errors of past weeks in the light of those since. Called by whoever keeps [`Snapshot`]s.
//!
//! # Formula
//! Rauch, Tung, Striebel: with filtered (m, C) of week k and predicted (m⁻, C⁻) of week k + 1, `G = C (C⁻)⁻¹`,
//! `m_s = m + G (m_s' − m⁻)`, `C_s = C + G (C_s' − C⁻) Gᵀ`. What later weeks say of *travellers* reaches an earlier week through the
//! instruments only; the rest of it is left out, which costs precision, not honesty. An instrument that was forgotten between two weeks
//! is another since: its `C` with everything later is zero, and no later week says anything of the former one.
//!
//! What balances say is brought with each week anew and not kept ([`super`]): of one week to the next it is no prediction, and in G would
//! count once a week. So C and C⁻ are without it, and it counts once, in the last week, from which it reaches those before as data do.

use serde::{Deserialize, Serialize};

use super::Estimate;
use super::packed::Packed;
use crate::cholesky::Factor;

/// (c, ẽ…) in a week, before and after its data: mean and covariance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Before, without what balances say.
    pub predicted: (Vec<f64>, Packed),
    /// After, likewise.
    pub filtered: (Vec<f64>, Packed),
    /// After, with what balances say; none where they say nothing.
    #[serde(default)]
    pub informed: Option<(Vec<f64>, Packed)>,
    /// Instruments forgotten before this week ([`super::State::forget`]); the caller, who did it, says so.
    #[serde(default)]
    pub forgotten: Vec<usize>,
}

/// Estimates by week and instrument; none if the snapshots are not of one filter in the order of time.
pub fn smooth(snapshots: &[Snapshot]) -> Option<Vec<Vec<Estimate>>> {
    let mut weeks = Vec::with_capacity(snapshots.len());
    let mut later: Option<(&Snapshot, Vec<f64>, Packed)> = None;
    for snapshot in snapshots.iter().rev() {
        let size = snapshot.filtered.0.len();
        if !snapshot.filtered.1.is_sound(size)
            || !snapshot.predicted.1.is_sound(size)
            || snapshot.predicted.0.len() != size
        {
            return None;
        }
        let (mean, covariance) = match &later {
            None => snapshot.informed.as_ref().unwrap_or(&snapshot.filtered).clone(),
            Some((next, mean, covariance)) => step(snapshot, next, mean, covariance)?,
        };
        weeks.push(estimates(&mean, &covariance));
        later = Some((snapshot, mean, covariance));
    }
    weeks.reverse();
    Some(weeks)
}

fn step(now: &Snapshot, next: &Snapshot, mean: &[f64], covariance: &Packed) -> Option<(Vec<f64>, Packed)> {
    let size = now.filtered.0.len();
    if mean.len() < size {
        return None;
    }
    // Instruments that came later are at the end, and were not there.
    let factor = next.predicted.1.symmetric(size).factor()?;
    let mut is_forgotten = vec![false; size];
    next.forgotten.iter().filter(|at| **at + 1 < size).for_each(|at| is_forgotten[at + 1] = true);
    let gains = gains(&now.filtered.1, &factor, &is_forgotten);
    let moved: Vec<f64> = (0..size).map(|at| mean[at] - next.predicted.0[at]).collect();
    let smoothed: Vec<f64> =
        gains.iter().zip(&now.filtered.0).map(|(gain, m)| m + dot(gain, &moved)).collect();
    let change = |row: usize, column: usize| covariance.get(row, column) - next.predicted.1.get(row, column);
    let products: Vec<Vec<f64>> = gains
        .iter()
        .map(|gain| (0..size).map(|j| (0..size).map(|i| gain[i] * change(i, j)).sum()).collect())
        .collect();
    let mut after = now.filtered.1.clone();
    for (row, product) in products.iter().enumerate() {
        for (column, gain) in gains.iter().enumerate().take(row + 1) {
            after.add(row, column, dot(product, gain));
        }
    }
    Some((smoothed, after))
}

/// Rows of G: `C (C⁻)⁻¹`, by symmetry the solutions of C⁻ x = C's columns, C what the two weeks share.
fn gains(filtered: &Packed, factor: &Factor, is_forgotten: &[bool]) -> Vec<Vec<f64>> {
    let size = is_forgotten.len();
    let shared = |row: usize, at: usize| if is_forgotten[row] { 0.0 } else { filtered.get(row, at) };
    let column = |at: usize| (0..size).map(|row| shared(row, at)).collect::<Vec<f64>>();
    (0..size).map(|at| factor.solve(&column(at))).collect()
}

fn estimates(mean: &[f64], covariance: &Packed) -> Vec<Estimate> {
    (1..mean.len())
        .map(|at| {
            let variance = covariance.get(0, 0) + 2.0 * covariance.get(at, 0) + covariance.get(at, at);
            Estimate { log_error: mean[0] + mean[at], standard_uncertainty: variance.max(0.0).sqrt() }
        })
        .collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
