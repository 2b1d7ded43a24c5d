//! What a whole assessment learnt that single weeks cannot: the noise of each way and the way's bias, what covariates do, how much vehicles
//! differ, and which piles copy.
//!
//! Made by [`crate::assess`], stored with its run, read by [`crate::weekly`], which takes it out of each comparison. It estimates nothing.

use serde::{Deserialize, Serialize};
use veripile_pile::{PileId, VehiclePath};

use crate::evidence::COVARIATES_MAX;

/// Least deviation of a covariate as a share of its mean. Mean power is the pile's own energy over time: where all charge with nearly the same,
/// what it varies by are the piles' errors, and a coefficient of the usual size must not explain these.
const SPREAD_MIN: f64 = 0.2;

/// Effects that differ by more than this, fraction, are not the same ones: a third of the uncertainty of a pile that is well known.
const SAME_EFFECT: f64 = 0.000_3;

/// Noises, and vehicles' spreads, that differ by more than this share are not the same ones.
const SAME_SCALE: f64 = 0.2;

/// What was learnt. Fractions and kWh.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Learnt {
    /// Ways that occurred, the one first against which biases are told.
    pub ways: Vec<Way>,
    /// In the order of the evidence's covariates.
    pub covariates: Vec<Effect>,
    /// σ_b, that of vehicles about their models.
    pub vehicle_sd: f64,
    /// Piles that tell their own energy as the vehicle's, ascending.
    pub copying: Vec<PileId>,
}

/// A way on which vehicles' values come.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Way {
    /// Which; none where nobody says.
    pub path: Option<VehiclePath>,
    /// Comparisons it rests on.
    pub charges: usize,
    /// Its bias in ln(E_pile / E_vehicle).
    pub bias: f64,
    /// σ_0.
    pub noise: f64,
    /// δ, kWh.
    pub noise_kwh: f64,
    /// ν of the noise, whose scale the two are.
    pub degrees_of_freedom: f64,
}

impl Way {
    fn is_like(&self, other: &Self) -> bool {
        self.path == other.path
            && (self.bias - other.bias).abs() <= SAME_EFFECT
            && is_like(self.noise, other.noise)
    }
}

/// A covariate's effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// Its name.
    pub covariate: String,
    /// Its scale.
    pub scale: Scale,
    /// In ln(E_pile / E_vehicle), by deviation.
    pub by_deviation: f64,
}

impl Effect {
    fn is_like(&self, other: &Self) -> bool {
        self.covariate == other.covariate && (self.by_deviation - other.by_deviation).abs() <= SAME_EFFECT
    }
}

impl Learnt {
    /// What is in ln(E_pile / E_vehicle) of neither pile nor vehicle; a way that was not met before has no bias.
    pub(crate) fn beside(&self, path: Option<VehiclePath>, covariates: &[f32; COVARIATES_MAX]) -> f64 {
        let bias = self.ways.iter().find(|way| way.path == path).map_or(0.0, |way| way.bias);
        let effects = self.covariates.iter().zip(covariates);
        bias + effects
            .map(|(effect, value)| effect.by_deviation * f64::from(effect.scale.standardised(*value)))
            .sum::<f64>()
    }

    /// The noise of a way, or of the most frequent one where it was not met before; none where nothing was learnt.
    pub(crate) fn way(&self, path: Option<VehiclePath>) -> Option<&Way> {
        let met = self.ways.iter().find(|way| way.path == path);
        met.or_else(|| self.ways.iter().max_by_key(|way| way.charges))
    }

    /// Whether weeks taken in with the one can be gone on from with the other.
    pub fn is_like(&self, other: &Self) -> bool {
        let mut effects = self.covariates.iter().zip(&other.covariates);
        self.copying == other.copying
            && is_like(self.vehicle_sd, other.vehicle_sd)
            && self.ways.len() == other.ways.len()
            && self.ways.iter().zip(&other.ways).all(|(a, b)| a.is_like(b))
            && self.covariates.len() == other.covariates.len()
            && effects.all(|(a, b)| a.is_like(b))
    }
}

fn is_like(a: f64, b: f64) -> bool {
    (a - b).abs() <= SAME_SCALE * a.max(b)
}

/// Mean and deviation of a covariate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    mean: f64,
    sd: f64,
}

impl Scale {
    pub(crate) fn of(values: &(impl Iterator<Item = f32> + Clone)) -> Self {
        let known = || values.clone().filter(|value| value.is_finite()).map(f64::from);
        let count = known().count() as f64;
        let mean = known().sum::<f64>() / count;
        let square = known().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count;
        Self { mean, sd: square.sqrt().max(SPREAD_MIN * mean.abs()) }
    }

    /// Centred, of deviation 1; the mean where unknown.
    pub(crate) fn standardised(&self, value: f32) -> f32 {
        if value.is_finite() && 0.0 < self.sd {
            ((f64::from(value) - self.mean) / self.sd) as f32
        } else {
            0.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learnt() -> Learnt {
        let way = |path, charges, bias| Way {
            path,
            charges,
            bias,
            noise: 0.02,
            noise_kwh: 0.1,
            degrees_of_freedom: 4.0,
        };
        let effect = Effect {
            covariate: "mean_power_kw".to_owned(),
            scale: Scale::of(&[10.0, 30.0, f32::NAN].into_iter()),
            by_deviation: 0.001,
        };
        Learnt {
            ways: vec![way(Some(VehiclePath::Relayed), 5, 0.0), way(Some(VehiclePath::App), 9, -0.004)],
            covariates: vec![effect],
            vehicle_sd: 0.01,
            copying: Vec::new(),
        }
    }

    /// By hand: powers of 10 and 30 kW have the mean 20 and the deviation 10, so 45 kW are 2.5 deviations.
    #[test]
    fn ways_and_covariates_are_taken_out_and_what_is_unknown_takes_nothing() {
        let beside = |path, power| learnt().beside(path, &[power, 99.0, 99.0]);
        assert!((beside(Some(VehiclePath::App), 45.0) - (-0.004 + 0.002_5)).abs() < 1e-15);
        assert!(beside(Some(VehiclePath::Relayed), 20.0).abs() < 1e-15);
        assert!(beside(None, f32::NAN).abs() < 1e-15, "a way and a power that nobody told");
        assert_eq!(learnt().way(None).map(|way| way.charges), Some(9), "the most frequent one's noise");
        assert_eq!(Learnt::default().way(None), None);
    }

    #[test]
    fn what_moved_by_little_is_the_same() {
        let with = |change: &dyn Fn(&mut Learnt)| {
            let mut other = learnt();
            change(&mut other);
            other.is_like(&learnt())
        };
        assert!(with(&|_| ()));
        assert!(with(&|other| other.covariates[0].by_deviation = 0.001_2));
        assert!(!with(&|other| other.covariates[0].by_deviation = 0.001_4));
        assert!(!with(&|other| other.covariates[0].covariate = "soc_span".to_owned()));
        assert!(!with(&|other| other.covariates.clear()));
        assert!(!with(&|other| other.ways.truncate(1)));
        assert!(!with(&|other| other.vehicle_sd = 0.02));
        assert!(!with(&|other| other.copying = vec![PileId::parse("P1").expect("literal")]));
    }
}
