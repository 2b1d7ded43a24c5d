//! Time passes: what is known of errors and biases weakens.
//!
//! # Formula
//! A pair's weight becomes `w/(1 + q_e W_i + q_d W_t)`, see [`super`]. Of a calibrated traveller half of the bound is the calibration's, since
//! `1 1ᵀ ≼ diag(1/α)` for any shares α that add up to one: its weight becomes `w/(1 + 2 q_d w)`, and that of a pair `w/(1 + q_e W_i + 2 q_d W_t)`,
//! whichever weighs more. A common walk changes neither: `c + d` is what is known. The base is carried exactly,
//! `B' = B − B (B + Q⁻¹)⁻¹ B`, `b' = b − B (B + Q⁻¹)⁻¹ b`, Q the covariance of the walks of (c, ẽ = e − c).

use super::{Settings, State};

impl State {
    /// Carries the state over some weeks; none if the base is not positive definite.
    pub(super) fn walk(&mut self, weeks: f64, settings: &Settings) -> Option<()> {
        for traveller in &mut self.travellers {
            traveller.idle_weeks += weeks;
        }
        let of_instrument = settings.instrument_walk.powi(2) * weeks;
        let of_uncalibrated = settings.traveller_walk.powi(2) * weeks;
        let of_calibrated = 2.0 * settings.calibrated_walk.powi(2) * weeks;
        let of_common = settings.common_walk.powi(2) * weeks;
        self.cells.iter_mut().for_each(|cell| cell.walk(of_instrument, settings));
        let weights = self.weights();
        self.walk_base(of_instrument, of_common)?;
        for traveller in &mut self.travellers {
            let of_traveller = if traveller.known.is_some() { of_calibrated } else { of_uncalibrated };
            let own: f64 = traveller.pairs.iter().map(|pair| pair.weight).sum();
            for pair in &mut traveller.pairs {
                let weakened = 1.0 + of_instrument * weights[pair.instrument + 1] + of_traveller * own;
                pair.weight /= weakened;
                pair.weighted /= weakened;
            }
            if let Some(known) = &mut traveller.known {
                let weakened = 1.0 + of_traveller * known.weight;
                known.weight /= weakened;
                known.weighted /= weakened;
            }
        }
        Some(())
    }

    /// W of each unknown.
    fn weights(&self) -> Vec<f64> {
        let mut weights = vec![0.0; self.right.len()];
        for pair in self.travellers.iter().flat_map(|traveller| &traveller.pairs) {
            weights[pair.instrument + 1] += pair.weight;
        }
        weights
    }

    fn walk_base(&mut self, of_instrument: f64, of_common: f64) -> Option<()> {
        if of_instrument <= 0.0 || of_common <= 0.0 {
            return Some(());
        }
        let size = self.right.len();
        let mut sum = self.base.symmetric(size);
        sum.add(0, 0, 1.0 / of_common);
        let precision = 1.0 / of_instrument;
        for at in 1..size {
            for (row, column) in [(at, at), (at, 0), (0, 0)] {
                sum.add(row, column, precision);
            }
        }
        let factor = sum.factor()?;
        let solved = factor.solve(&self.right);
        let column = |at: usize| (0..size).map(|row| self.base.get(row, at)).collect::<Vec<f64>>();
        let columns: Vec<Vec<f64>> = (0..size).map(column).collect();
        let mut next = self.base.clone();
        let mut right = self.right.clone();
        for (at, column) in columns.iter().enumerate() {
            right[at] -= dot(column, &solved);
            let through = factor.solve(column);
            for (other, column) in columns.iter().enumerate().take(at + 1) {
                next.add(at, other, -dot(column, &through));
            }
        }
        (self.base, self.right) = (next, right);
        Some(())
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
