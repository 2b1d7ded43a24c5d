//! What a whole assessment learnt that single weeks cannot: the noise of each way and the way's bias, what covariates do, how much vehicles
//! differ and piles by vehicles' models, which piles copy or relay what no vehicle said, and which on-site results cannot be right.
//!
//! Made by [`crate::assess`], stored with its run, read by [`crate::weekly`], which takes it out of each comparison. It estimates nothing.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use veripile_pile::{PileId, VehiclePath};

use crate::evidence::COVARIATES_MAX;

/// Least deviation of a covariate as a share of its mean. Mean power is the pile's own energy over time: where all charge with nearly the same,
/// what it varies by are the piles' errors, and a coefficient of the usual size must not explain these.
const SPREAD_MIN: f64 = 0.2;

/// Effects that differ by more than this, fraction, are not the same ones: a third of the uncertainty of a pile that is well known.
const SAME_EFFECT: f64 = 0.000_3;

/// Noises, and vehicles' spreads, that differ by more than this share are not the same ones.
const SAME_SCALE: f64 = 0.1;

/// Energy of a usual charge, kWh: at it noises are compared.
const USUAL_KWH: f64 = 20.0;

/// Of a way of fewer than one in so many charges it does not matter whether it is the same: its bias moves with every charge.
const RARE: usize = 20;

/// What was learnt. Fractions and kWh.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Learnt {
    /// Ways that occurred, the one first against which biases are told.
    pub ways: Vec<Way>,
    /// In the order of the evidence's covariates.
    pub covariates: Vec<Effect>,
    /// Of vehicles' biases, σ_b and that of models together.
    pub vehicle_sd: f64,
    /// σ_i: by how much a pile reads one model of vehicles otherwise than the others; runs of before did not tell.
    #[serde(default)]
    pub interaction_sd: f64,
    /// Piles that tell their own energy as the vehicle's, ascending.
    pub copying: Vec<PileId>,
    /// Piles whose relayed values no vehicle said, for all that can be seen, ascending; runs of before did not tell.
    #[serde(default)]
    pub doubted: Vec<PileId>,
    /// On-site results that contradict everything else and were left out: of which pile, and when they were made; of a pile with several outlets
    /// each that its level was made of.
    pub left_out: Vec<(PileId, Timestamp)>,
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
    /// Of a usual charge.
    fn usual_noise(&self) -> f64 {
        libm::hypot(self.noise, self.noise_kwh / USUAL_KWH)
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
    /// By unit of the covariate; nothing where it never varied.
    fn slope(&self) -> f64 {
        if self.scale.sd > 0.0 { self.by_deviation / self.scale.sd } else { 0.0 }
    }

    /// By the larger deviation, both do the same; their means do not matter, as what is common to all moves no pile.
    fn is_like(&self, other: &Self) -> bool {
        let by = (self.slope() - other.slope()) * self.scale.sd.max(other.scale.sd);
        self.covariate == other.covariate && by.abs() <= SAME_EFFECT
    }
}

impl Learnt {
    /// What is in ln(E_pile / E_vehicle) of neither pile nor vehicle; a way that was not met before has no bias.
    pub(crate) fn beside(&self, path: Option<VehiclePath>, covariates: &[f32; COVARIATES_MAX]) -> f64 {
        let bias = self.met(path).map_or(0.0, |way| way.bias);
        let effects = self.covariates.iter().zip(covariates);
        bias + effects
            .map(|(effect, value)| effect.by_deviation * f64::from(effect.scale.standardised(*value)))
            .sum::<f64>()
    }

    /// The noise of a way, or of the most frequent one where it was not met before; none where nothing was learnt.
    pub(crate) fn way(&self, path: Option<VehiclePath>) -> Option<&Way> {
        self.met(path).or_else(|| self.most_frequent())
    }

    fn met(&self, path: Option<VehiclePath>) -> Option<&Way> {
        self.ways.iter().find(|way| way.path == path)
    }

    fn most_frequent(&self) -> Option<&Way> {
        self.ways.iter().max_by_key(|way| way.charges)
    }

    /// The same, with what any week may have otherwise than the one before: nothing of it was taken out of what is kept.
    #[must_use]
    pub fn renewed(&self, newest: &Self) -> Self {
        Self { interaction_sd: newest.interaction_sd, ..self.clone() }
    }

    /// Whether weeks from which this was taken out can be gone on from, now that `other` is known.
    pub fn is_like(&self, other: &Self) -> bool {
        let mut effects = self.covariates.iter().zip(&other.covariates);
        self.copying == other.copying
            && self.doubted == other.doubted
            && is_like(self.vehicle_sd, other.vehicle_sd)
            && self.covariates.len() == other.covariates.len()
            && effects.all(|(a, b)| a.is_like(b))
            && self.has_ways_like(other)
    }

    /// Whether all ways that are not rare have the same noise, and the same bias against the most frequent one.
    fn has_ways_like(&self, other: &Self) -> bool {
        let charges: usize = other.ways.iter().map(|way| way.charges).sum();
        let Some(frequent) = other.most_frequent() else { return self.ways.is_empty() };
        let Some(own_frequent) = self.met(frequent.path) else { return false };
        let mut ways = other.ways.iter().filter(|way| charges <= RARE.saturating_mul(way.charges));
        ways.all(|way| {
            self.met(way.path).is_some_and(|own| {
                let (bias, before) = (way.bias - frequent.bias, own.bias - own_frequent.bias);
                (bias - before).abs() <= SAME_EFFECT && is_like(own.usual_noise(), way.usual_noise())
            })
        })
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
        if count == 0.0 {
            return Self { mean: 0.0, sd: 0.0 };
        }
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
            interaction_sd: 0.001,
            copying: Vec::new(),
            doubted: Vec::new(),
            left_out: Vec::new(),
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
            learnt().is_like(&other)
        };
        assert!(with(&|_| ()));
        assert!(with(&|other| other.covariates[0].by_deviation = 0.001_2));
        assert!(!with(&|other| other.covariates[0].by_deviation = 0.001_4));
        // Half the deviation and half the effect of one are the same slope; the same effect of half the deviation is twice the slope.
        let narrow = Scale { mean: 25.0, sd: 5.0 };
        assert!(with(
            &|other| (other.covariates[0].scale, other.covariates[0].by_deviation) = (narrow, 0.000_5)
        ));
        assert!(!with(&|other| other.covariates[0].scale = narrow));
        // It was unknown, and is told now.
        let mut unknown = learnt();
        unknown.covariates[0].scale = Scale { mean: 0.0, sd: 0.0 };
        unknown.covariates[0].by_deviation = 0.0;
        assert!(!unknown.is_like(&learnt()) && !learnt().is_like(&unknown) && unknown.is_like(&unknown));
        assert!(!with(&|other| other.covariates[0].covariate = "soc_span".to_owned()));
        assert!(!with(&|other| other.covariates.clear()));
        // By hand: within a tenth of the larger of the two, which is 0.001 11 of 0.011 1 and 0.001 12 of 0.011 2.
        assert!(with(&|other| other.vehicle_sd = 0.011_1) && !with(&|other| other.vehicle_sd = 0.011_2));
        assert!(with(&|other| other.vehicle_sd = 0.009_1) && !with(&|other| other.vehicle_sd = 0.008_9));
        assert!(with(&|other| other.interaction_sd = 0.003), "it limits what is kept, and is in none of it");
        assert!(!with(&|other| other.copying = vec![PileId::parse("P1").expect("literal")]));
        assert!(!with(&|other| other.doubted = vec![PileId::parse("P1").expect("literal")]));
        // Told against the other way: the same difference. Another difference is another.
        assert!(with(&|other| (other.ways[0].bias, other.ways[1].bias) = (0.004, 0.0)));
        assert!(!with(&|other| other.ways[0].bias = 0.000_4));
        // By hand: of a usual charge √(0.02² + 0.005²) = 0.020 616, a tenth less than 0.022 906 = √(0.022 354² + 0.005²).
        assert!(
            with(&|other| other.ways[0].noise = 0.022_2) && !with(&|other| other.ways[0].noise = 0.022_5)
        );
        // One of a hundred charges came on it: it may come, go and move.
        let rare = |bias| Way { path: Some(VehiclePath::Telematics), charges: 1, bias, ..learnt().ways[0] };
        assert!(with(&|other| {
            other.ways[1].charges = 90;
            other.ways.push(rare(0.02));
        }));
    }

    #[test]
    fn of_what_was_learnt_since_only_the_interaction_counts() {
        let newest = Learnt { interaction_sd: 0.003, vehicle_sd: 0.010_5, ..learnt() };
        assert_eq!(learnt().renewed(&newest), Learnt { interaction_sd: 0.003, ..learnt() });
    }

    /// A covariate that nobody told must not make what is kept unreadable.
    #[test]
    fn a_covariate_that_nobody_told_has_no_effect() {
        let unknown = Scale::of(&[f32::NAN, f32::NAN].into_iter());
        assert_eq!(unknown, Scale { mean: 0.0, sd: 0.0 });
        assert!(unknown.standardised(7.0).abs() < f32::EPSILON);
        assert_eq!(Scale::of(&std::iter::empty()), unknown);
    }
}
