//! Vehicles of a world, with the true bias of their meters.

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use veripile_pile::VehiclePath;

use super::{Noise, Purpose, World, random};

/// Standard deviation of a vehicle's drift over half a year, fraction, where nuisances are on.
const DRIFT_SD: f64 = 0.002;
const DRIFT_DAYS: f64 = 182.0;

/// Usable capacity of batteries, kWh.
const CAPACITY_KWH: (f64, f64) = (40.0, 90.0);

/// A vehicle.
#[derive(Debug, Clone, PartialEq)]
pub struct WorldVehicle {
    /// Its identifier.
    pub id: String,
    /// Its city.
    pub city: usize,
    /// Its model; none: unknown.
    pub model: Option<usize>,
    /// True bias of its meter on the first day, fraction: the fleet's, the model's and its own together.
    pub bias: f64,
    /// How the bias moves.
    pub drift_per_day: f64,
    /// How its value usually reaches us.
    pub path: VehiclePath,
    /// Usable capacity, kWh.
    pub capacity_kwh: f64,
}

impl WorldVehicle {
    /// One whose bias is yet to be drawn.
    pub(super) fn new(id: String, city: usize) -> Self {
        Self {
            id,
            city,
            model: None,
            bias: 0.0,
            drift_per_day: 0.0,
            path: VehiclePath::Relayed,
            capacity_kwh: CAPACITY_KWH.0,
        }
    }
}

/// Bias of a way itself where nuisances are on: other moments of reading, other rounding.
pub(super) fn bias_of(path: VehiclePath) -> f64 {
    match path {
        VehiclePath::Relayed | VehiclePath::Reference => 0.0,
        VehiclePath::Telematics => 0.003,
        VehiclePath::App => -0.004,
    }
}

/// The way of a vehicle, or of one of its charges.
pub(super) fn drawn_path(share: f64) -> VehiclePath {
    match share {
        ..0.6 => VehiclePath::Relayed,
        ..0.9 => VehiclePath::Telematics,
        _ => VehiclePath::App,
    }
}

impl World {
    /// Gives vehicles their models, biases and habits. In a file's graph models are unknown.
    pub(super) fn draw_people(&mut self) {
        let settings = &self.settings;
        let mut rng = random(settings.seed, Purpose::Vehicles);
        let normal = |sd: f64, rng: &mut _| -> f64 {
            let value: f64 = StandardNormal.sample(rng);
            sd * value
        };
        let common = normal(settings.common_sd, &mut rng);
        let models: Vec<f64> = (0..self.models).map(|_| normal(settings.model_sd, &mut rng)).collect();
        let drifts = settings.noise == Noise::Nuisances;
        for vehicle in &mut self.vehicles {
            vehicle.model = (!models.is_empty()).then(|| rng.random_range(0..models.len()));
            let own = normal(settings.vehicle_sd, &mut rng);
            vehicle.bias = common + vehicle.model.map_or(0.0, |model| models[model]) + own;
            let drift = normal(DRIFT_SD / DRIFT_DAYS, &mut rng);
            vehicle.drift_per_day = if drifts { drift } else { 0.0 };
            vehicle.path = drawn_path(rng.random_range(0.0..1.0));
            vehicle.capacity_kwh = rng.random_range(CAPACITY_KWH.0..CAPACITY_KWH.1).round();
        }
    }
}
