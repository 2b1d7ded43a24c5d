//! Noise of a comparison, and how much a comparison in such noise can tell at best: its Fisher information.

use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal, StudentT};

use std::f64::consts::PI;

/// Degrees of freedom of heavy-tailed noise.
const NU: f64 = 4.0;

/// Share of outliers, and how many times wider than the rest they scatter.
const OUTLIERS: f64 = 0.05;
const OUTLIER_SCALE: f64 = 5.0;

/// Share of charges with an auxiliary load (air conditioning, battery heating) that the vehicle's meter does not see, and its size.
pub(super) const AUXILIARY: f64 = 0.1;
pub(super) const AUXILIARY_LOAD: (f64, f64) = (0.02, 0.05);

/// Steps of a quadrature, and its reach in scales: t₄'s information beyond is below 10⁻⁶ of the whole.
const STEPS: usize = 6_000;
const REACH: f64 = 40.0;

/// A table of the information by scale: so many places, evenly by logarithm, between scales that charges have.
const PLACES: usize = 120;
const SCALES: (f64, f64) = (0.002, 2.0);

/// What noise a world has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noise {
    /// Normal.
    Gaussian,
    /// Student's t with four degrees of freedom.
    T4,
    /// Normal, with 5 % outliers that scatter five times as wide.
    Outliers,
    /// t₄, and everything else that goes wrong: temperature, power, state of charge, auxiliary loads, pile × model, drift of
    /// vehicles, paths with biases of their own.
    Nuisances,
}

impl Noise {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Gaussian, Self::T4, Self::Outliers, Self::Nuisances];

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Gaussian => "gaussian",
            Self::T4 => "t4",
            Self::Outliers => "outliers",
            Self::Nuisances => "nuisances",
        }
    }

    /// A value of scale 1, auxiliary loads not included.
    pub(super) fn draw(self, rng: &mut impl Rng) -> f64 {
        let normal = |rng: &mut _| -> f64 { StandardNormal.sample(rng) };
        match self {
            Self::T4 | Self::Nuisances => StudentT::new(NU).map_or(0.0, |t| t.sample(rng)),
            Self::Outliers if rng.random_bool(OUTLIERS) => OUTLIER_SCALE * normal(rng),
            Self::Gaussian | Self::Outliers => normal(rng),
        }
    }
}

/// Fisher information of one comparison about its mean, by the scale of its noise.
///
/// # Formula
/// `I = ∫ f'² / f`. Normal: `1/σ²`; t_ν: `(ν+1)/(ν+3)/σ²`; the others by Simpson's rule from their density, auxiliary loads folded
/// in.
pub(super) struct Information {
    noise: Noise,
    /// `σ² I(σ)` at the table's places.
    table: Vec<f64>,
}

impl Information {
    pub(super) fn of(noise: Noise) -> Self {
        let places = match noise {
            Noise::Nuisances => PLACES,
            _ => 1,
        };
        let table = (0..places).map(|place| at_scale(noise, scale(place))).collect();
        Self { noise, table }
    }

    /// `I(σ)`.
    pub(super) fn at(&self, sigma: f64) -> f64 {
        let relative = match self.noise {
            Noise::Nuisances => self.between(sigma),
            _ => self.table[0],
        };
        relative / (sigma * sigma)
    }

    /// A straight line between the two nearest places.
    fn between(&self, sigma: f64) -> f64 {
        let (low, high) = (SCALES.0.ln(), SCALES.1.ln());
        let place = ((sigma.ln() - low) / (high - low) * (PLACES - 1) as f64).clamp(0.0, (PLACES - 1) as f64);
        let before = (place as usize).min(PLACES - 2);
        let part = place - before as f64;
        (1.0 - part) * self.table[before] + part * self.table[before + 1]
    }
}

fn scale(place: usize) -> f64 {
    let (low, high) = (SCALES.0.ln(), SCALES.1.ln());
    (low + (high - low) * place as f64 / (PLACES - 1) as f64).exp()
}

/// `σ² I(σ)`.
fn at_scale(noise: Noise, sigma: f64) -> f64 {
    match noise {
        Noise::Gaussian => 1.0,
        Noise::T4 => (NU + 1.0) / (NU + 3.0),
        Noise::Outliers => simpson((-REACH, REACH), |x| {
            let density = |x: f64| (-0.5 * x * x).exp() / (2.0 * PI).sqrt();
            let wide = OUTLIERS * density(x / OUTLIER_SCALE) / OUTLIER_SCALE;
            let narrow = (1.0 - OUTLIERS) * density(x);
            let slope = -x * (narrow + wide / (OUTLIER_SCALE * OUTLIER_SCALE));
            slope * slope / (narrow + wide)
        }),
        Noise::Nuisances => {
            // Everything in scales of σ.
            let (a, b) = (AUXILIARY_LOAD.0 / sigma, AUXILIARY_LOAD.1 / sigma);
            simpson((-REACH, REACH + b), |x| {
                let loaded = AUXILIARY / (b - a);
                let f = (1.0 - AUXILIARY) * t4_density(x) + loaded * (t4_cdf(x - a) - t4_cdf(x - b));
                let slope = -(1.0 - AUXILIARY) * t4_density(x) * 5.0 * x / (4.0 + x * x)
                    + loaded * (t4_density(x - a) - t4_density(x - b));
                slope * slope / f
            })
        }
    }
}

/// `3/8 (1 + x²/4)^(−5/2)`
fn t4_density(x: f64) -> f64 {
    0.375 * (1.0 + 0.25 * x * x).powf(-2.5)
}

/// `1/2 + 3/8 x/√(1 + x²/4) (1 − x²/(12 (1 + x²/4)))`
fn t4_cdf(x: f64) -> f64 {
    let square = 1.0 + 0.25 * x * x;
    0.5 + 0.375 * x / square.sqrt() * (1.0 - x * x / (12.0 * square))
}

fn simpson(range: (f64, f64), f: impl Fn(f64) -> f64) -> f64 {
    let step = (range.1 - range.0) / STEPS as f64;
    let value = |at: usize| {
        let weight = if at == 0 || at == STEPS {
            1.0
        } else if at % 2 == 1 {
            4.0
        } else {
            2.0
        };
        let value = f(range.0 + step * at as f64);
        if value.is_finite() { weight * value } else { 0.0 }
    };
    (0..=STEPS).map(value).sum::<f64>() * step / 3.0
}

#[cfg(test)]
mod tests {
    use super::*;

    // scipy 1.17.1, quad of f'²/f of the same densities.
    #[test]
    fn the_information_of_every_noise() {
        let check = |noise, sigma, expected: f64| {
            let found = Information::of(noise).at(sigma) * sigma * sigma;
            assert!((found / expected - 1.0).abs() < 2e-4, "{noise:?} {sigma}: {found} is not {expected}");
        };
        check(Noise::Gaussian, 0.02, 1.0);
        check(Noise::T4, 0.02, 5.0 / 7.0);
        check(Noise::Outliers, 0.02, 0.885_538_210_678_33);
        check(Noise::Nuisances, 0.02, 0.604_314_744_940_841);
        check(Noise::Nuisances, 0.005, 0.630_638_233_506_736);
    }
}
