//! Noise of the intervals of a balance: a part that grows with the load, a part that does not. Used by the fit of the balance only.

use super::design::Design;

/// Degrees of freedom of the noise.
const NU: f64 = 4.0;

/// Steps of EM per round: it need not end in one, the rounds go on.
const STEPS: usize = 5;

/// From fewer degrees of freedom than this the noise is not estimated: a handful of residuals near zero would promise certainty.
const ENOUGH: f64 = 30.0;

/// Parts are never taken below this share of the noise they had, or EM could not bring them back.
const SHARE_MIN: f64 = 1e-3;

/// Noise has settled when no variance moves by more than this share: 1 % of a standard deviation.
const TOLERANCE: f64 = 0.02;

/// `σ_t² = (φ S_t)² + q²`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Noise {
    /// φ, fraction of the load.
    pub(super) relative: f64,
    /// q, kWh.
    pub(super) absolute_kwh: f64,
}

impl Noise {
    fn variance(&self, load_kwh: f64) -> f64 {
        (self.relative * load_kwh).powi(2) + self.absolute_kwh.powi(2)
    }

    /// Each factor over the noise's variance.
    pub(super) fn weights(&self, design: &Design, factors: &[f64]) -> Vec<f64> {
        design.rows.iter().zip(factors).map(|(row, factor)| factor / self.variance(row.load_kwh)).collect()
    }

    fn standardised(&self, design: &Design, residuals: &[f64]) -> Vec<f64> {
        let of = |(row, residual): (&super::design::Row, &f64)| residual / self.variance(row.load_kwh).sqrt();
        design.rows.iter().zip(residuals).map(of).collect()
    }

    /// Weights of Student's t.
    pub(super) fn robust(&self, design: &Design, residuals: &[f64]) -> Vec<f64> {
        self.standardised(design, residuals).iter().map(|z| (NU + 1.0) / (NU + z * z)).collect()
    }

    /// The most likely noise of these residuals, from `freedom` of which unknowns have taken their share.
    ///
    /// # Formula
    /// EM: with the share `s = (φS)²/σ²` and robust weight ω, the part that grows has `E = s² ω r² + s q²`; φ² is the mean of
    /// `E/S²` over intervals with load. Likewise q².
    pub(super) fn fitted(self, design: &Design, residuals: &[f64], freedom: f64) -> Self {
        if freedom < ENOUGH {
            return self;
        }
        let inflation = residuals.len() as f64 / freedom;
        let mut noise = self;
        for _ in 0..STEPS {
            noise = noise.step(design, residuals, inflation);
        }
        noise
    }

    fn step(&self, design: &Design, residuals: &[f64], inflation: f64) -> Self {
        let (mut relative, mut absolute, mut loaded, mut all) = (0.0, 0.0, 0.0, 0.0);
        let absolute_square = self.absolute_kwh.powi(2);
        for (row, residual) in design.rows.iter().zip(residuals) {
            let square = residual * residual * inflation;
            let variance = self.variance(row.load_kwh);
            let weighted = square * (NU + 1.0) / (NU + square / variance);
            let share = 1.0 - absolute_square / variance;
            absolute += (1.0 - share).powi(2) * weighted + share * absolute_square;
            all += 1.0;
            if 0.0 < row.load_kwh {
                relative += (share * share * weighted + share * absolute_square) / row.load_kwh.powi(2);
                loaded += 1.0;
            }
        }
        Self {
            relative: (relative / loaded).sqrt().max(SHARE_MIN * self.relative),
            absolute_kwh: (absolute / all).sqrt().max(SHARE_MIN * self.absolute_kwh),
        }
    }

    /// Whether no interval's variance has moved since.
    pub(super) fn is_near(&self, before: &Self, design: &Design) -> bool {
        let is_near = |load: f64| (self.variance(load) / before.variance(load) - 1.0).abs() <= TOLERANCE;
        design.rows.iter().all(|row| is_near(row.load_kwh))
    }

    /// κ = E[ψ']²/E[ψ²] of `ψ(z) = (ν+1)z/(ν+z²)`: for t_ν noise (ν+1)/(ν+3), never above that of normal noise.
    pub(super) fn efficiency(&self, design: &Design, residuals: &[f64]) -> f64 {
        let standardised = self.standardised(design, residuals);
        let (mut slope, mut square) = (0.0, 0.0);
        for z in &standardised {
            let denominator = NU + z * z;
            slope += (NU + 1.0) * (NU - z * z) / (denominator * denominator);
            square += ((NU + 1.0) * z / denominator).powi(2);
        }
        let expected = (NU + 1.0) / (NU + 3.0);
        let count = standardised.len() as f64;
        let is_told = ENOUGH <= count && 0.0 < square && 0.0 < slope;
        if is_told { slope * slope / (square * count) } else { expected }
    }

    /// Correlation of ψ of an interval with that of the next.
    pub(super) fn serial_correlation(&self, design: &Design, residuals: &[f64]) -> f64 {
        let psi: Vec<f64> =
            self.standardised(design, residuals).iter().map(|z| z * (NU + 1.0) / (NU + z * z)).collect();
        let square: f64 = psi.iter().map(|psi| psi * psi).sum();
        let product: f64 = psi.windows(2).map(|pair| pair[0] * pair[1]).sum();
        if 0.0 < square { product / square } else { 0.0 }
    }

    /// Mean of squared standardised residuals, weighted.
    pub(super) fn mean_square(&self, design: &Design, residuals: &[f64], weights: &[f64]) -> f64 {
        let standardised = self.standardised(design, residuals);
        let sum: f64 = standardised.iter().zip(weights).map(|(z, weight)| weight * z * z).sum();
        sum / residuals.len() as f64
    }
}
