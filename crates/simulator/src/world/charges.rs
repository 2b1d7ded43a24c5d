//! Charges of a world: what pile and vehicle say of them, from the true errors of both.

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use veripile_pile::VehiclePath;

use super::injection::Circumstances;
use super::noise::{AUXILIARY, AUXILIARY_LOAD};
use super::people::{bias_of, drawn_path};
use super::{Noise, Purpose, World, WorldError, random};

/// Ordinary piles keep this share of their limit: those are the good ones.
const GOOD_SHARE: f64 = 0.8;

/// What covariates do where nuisances are on, fraction per unit: 10 K, 10 kW, 10 points of charge.
const PER_10_K: f64 = -0.001;
const PER_10_KW: f64 = 0.001;
const PER_10_POINTS: f64 = 0.0008;

/// Deviation of what belongs to a pile and a model together, fraction.
const PILE_MODEL_SD: f64 = 0.0015;

/// Share of charges that come by another path than the vehicle's usual one.
const OTHER_PATH: f64 = 0.1;

/// Where covariates have no effect: the middle of what there is.
const AMBIENT_MIDDLE_C: f64 = 15.0;
const POWER_MIDDLE_KW: f64 = 30.0;
const SOC_MIDDLE: f64 = 35.0;

/// Local time is eight hours ahead.
const ZONE_S: i64 = 8 * 3_600;

/// A charge.
#[derive(Debug, Clone, PartialEq)]
pub struct WorldCharge {
    /// Index of the pile.
    pub pile: usize,
    /// Index of the vehicle.
    pub vehicle: usize,
    /// Begin, Unix seconds.
    pub started_s: i64,
    /// End, Unix seconds.
    pub ended_s: i64,
    /// True energy, kWh.
    pub energy_kwh: f64,
    /// The pile's true error in this charge, fraction.
    pub error: f64,
    /// By the pile, Wh.
    pub energy_pile_wh: i64,
    /// By the vehicle, Wh; none where it does not tell.
    pub energy_vehicle_wh: Option<i64>,
    /// Outdoor temperature, °C.
    pub ambient_c: f64,
    /// State of charge at begin and end, percent.
    pub soc: (f64, f64),
    /// How the vehicle's value came.
    pub path: VehiclePath,
}

impl WorldCharge {
    /// One whose errors are yet to come.
    pub(super) fn new(pile: usize, vehicle: usize, times_s: (i64, i64), energy_kwh: f64) -> Self {
        Self {
            pile,
            vehicle,
            started_s: times_s.0,
            ended_s: times_s.1,
            energy_kwh,
            error: 0.0,
            energy_pile_wh: 0,
            energy_vehicle_wh: None,
            ambient_c: 0.0,
            soc: (0.0, 0.0),
            path: VehiclePath::Relayed,
        }
    }

    /// Mean power, kW; at most what fills the energy in a minute, for files with minutes only.
    pub fn power_kw(&self) -> f64 {
        self.energy_kwh / ((self.ended_s - self.started_s).max(60) as f64 / 3_600.0)
    }

    /// Local hour of its begin.
    pub fn hour(&self) -> u32 {
        ((self.started_s + ZONE_S).rem_euclid(86_400) / 3_600) as u32
    }

    /// Energy by the pile, kWh.
    pub fn energy_pile_kwh(&self) -> f64 {
        self.energy_pile_wh as f64 / 1000.0
    }
}

impl World {
    /// Gives piles their errors, and injects what was asked for into piles drawn by lot, each at most once.
    pub(super) fn draw_errors(&mut self) -> Result<(), WorldError> {
        let mut rng = random(self.settings.seed, Purpose::Errors);
        for pile in &mut self.piles {
            let limit = f64::from(pile.class) / 100.0;
            let good = GOOD_SHARE * limit;
            pile.error = (limit * self.settings.pile_sd_of_limit * normal(&mut rng)).clamp(-good, good);
        }
        let injections = self.settings.injections.clone();
        let mut order: Vec<usize> = (0..self.piles.len()).collect();
        order.shuffle(&mut rng);
        let mut order = order.into_iter();
        for injection in injections {
            for _ in 0..injection.piles {
                let Some(pile) = order.next() else {
                    return Err(WorldError::Settings(format!(
                        "errors are injected into more piles than there are ({})",
                        self.piles.len()
                    )));
                };
                let pile = &mut self.piles[pile];
                pile.injection = Some(injection.kind);
                // The size of what was injected is the whole error: detection is told by it.
                pile.error = 0.0;
            }
        }
        self.draw_people();
        Ok(())
    }

    /// What pile and vehicle say of each charge.
    pub(super) fn draw_charges(&mut self) {
        let seed = self.settings.seed;
        let mut noise = random(seed, Purpose::Noise);
        let mut around = random(seed, Purpose::Circumstances);
        let mut telling = random(seed, Purpose::Telling);
        let pairs = self.pile_model_errors();
        let mut charges = std::mem::take(&mut self.charges);
        for charge in &mut charges {
            self.surround(charge, &mut around);
            let tells = telling.random_bool(self.settings.vehicle_share);
            self.measure(charge, &pairs, &mut noise);
            if !tells {
                charge.energy_vehicle_wh = None;
            }
        }
        self.charges = charges;
    }

    /// Temperature, states of charge and path.
    fn surround(&self, charge: &mut WorldCharge, rng: &mut ChaCha8Rng) {
        let vehicle = &self.vehicles[charge.vehicle];
        let day = self.days_at(charge.started_s);
        let season = -(std::f64::consts::TAU * (day + 10.0) / 365.25).cos();
        let daytime = -(std::f64::consts::TAU * (f64::from(charge.hour()) - 3.0) / 24.0).cos();
        let city = self.stations[self.piles[charge.pile].station].city as f64;
        let ambient = 15.0 + 12.0 * season + 4.0 * daytime - city + 3.0 * normal(rng);
        charge.ambient_c = (10.0 * ambient).round() / 10.0;
        let span = 100.0 * charge.energy_kwh / vehicle.capacity_kwh;
        let begin = rng.random_range(5.0..60.0_f64).round();
        charge.soc = (begin, (begin + span).min(100.0).round());
        let other = rng.random_bool(OTHER_PATH);
        let share = rng.random_range(0.0..1.0);
        charge.path = if other { drawn_path(share) } else { vehicle.path };
    }

    /// Energies by both.
    fn measure(&self, charge: &mut WorldCharge, pairs: &[f64], rng: &mut ChaCha8Rng) {
        let (pile, vehicle) = (&self.piles[charge.pile], &self.vehicles[charge.vehicle]);
        let at = Circumstances {
            day: self.days_at(charge.ended_s),
            hour: charge.hour(),
            energy_kwh: charge.energy_kwh,
            power_kw: charge.power_kw(),
        };
        let injected = pile.injection.map_or(0.0, |kind| kind.error(&at));
        charge.error = (1.0 + pile.error) * (1.0 + injected) - 1.0;
        charge.energy_pile_wh = (1000.0 * charge.energy_kwh * (1.0 + charge.error)).round() as i64;
        let sigma = self.scale(charge);
        let epsilon = sigma * self.settings.noise.draw(rng);
        let nuisance = match self.settings.noise {
            Noise::Nuisances => self.nuisance(charge, pairs, rng),
            _ => 0.0,
        };
        let bias = vehicle.bias + vehicle.drift_per_day * at.day;
        let told = charge.energy_kwh * (bias - nuisance - epsilon).exp();
        charge.energy_vehicle_wh = Some((1000.0 * told).round() as i64);
    }

    /// σ_s of a charge.
    pub fn scale(&self, charge: &WorldCharge) -> f64 {
        self.settings.noise_sd.hypot(self.settings.noise_kwh / charge.energy_pile_kwh().max(0.001))
    }

    /// Everything besides noise that comes between pile and vehicle.
    fn nuisance(&self, charge: &WorldCharge, pairs: &[f64], rng: &mut ChaCha8Rng) -> f64 {
        let weather = PER_10_K * (charge.ambient_c - AMBIENT_MIDDLE_C) / 10.0;
        let power = PER_10_KW * (charge.power_kw().min(500.0) - POWER_MIDDLE_KW) / 10.0;
        let state = PER_10_POINTS * (charge.soc.1 - charge.soc.0 - SOC_MIDDLE) / 10.0;
        let loaded = rng.random_bool(AUXILIARY);
        let load = rng.random_range(AUXILIARY_LOAD.0..AUXILIARY_LOAD.1);
        let model = self.vehicles[charge.vehicle].model.unwrap_or(0);
        let pair = pairs[charge.pile * self.models.max(1) + model];
        weather + power + state + if loaded { load } else { 0.0 } + pair - bias_of(charge.path)
    }

    /// What belongs to a pile and a model together.
    fn pile_model_errors(&self) -> Vec<f64> {
        let mut rng = random(self.settings.seed, Purpose::Pairs);
        (0..self.piles.len() * self.models.max(1)).map(|_| PILE_MODEL_SD * normal(&mut rng)).collect()
    }
}

pub(super) fn normal(rng: &mut ChaCha8Rng) -> f64 {
    StandardNormal.sample(rng)
}
