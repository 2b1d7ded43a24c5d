//! Whether the vehicles of all piles are alike, as no vehicles are: then what tells their energies is made from the piles' own.
//!
//! Called by `doubt`, way by way. That a pile among honest ones relays its own energy shows against these; where all do, nothing differs.

use std::collections::BTreeSet;

use veripile_metrology::chi_square;
use veripile_metrology::contrast::CUT;
use veripile_pile::VehiclePath;

use super::doubt::Compared;

/// Vehicles from which their spread says something, and charges of each.
const VEHICLES_MIN: usize = 30;
const CHARGES_MIN: usize = 3;

/// Degrees of freedom that piles' own errors must leave.
const FREEDOM_MIN: f64 = 10.0;

/// Standard deviation that vehicles' own errors have at least, fraction: metrology.md §2.1 has 1.5 % within a model and 0.5 % between models. The
/// best that a vehicle can have, a current and a voltage of half a percent each (rectangular), is `√2 · 0.5 %/√3 = 0.4 %`.
const VEHICLE_SD_LEAST: f64 = 0.003;

/// σ_b of metrology.md §2.1.
const VEHICLE_SD: f64 = 0.015;

/// How little the vehicles of a way differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Alike {
    /// Probability of as little, were it [`VEHICLE_SD_LEAST`].
    pub(super) p_value: f64,
    /// What they differ by, as a share of [`VEHICLE_SD`].
    pub(super) share: f64,
}

/// Weight, weighted sum and square of a vehicle's `−b_v + ε`, and how many.
#[derive(Debug, Clone, Copy, Default)]
struct Vehicle {
    weight: f64,
    sum: f64,
    square: f64,
    charges: f64,
}

impl Vehicle {
    fn mean(&self) -> f64 {
        self.sum / self.weight
    }
}

/// Asks the values of one way; none where too few vehicles charged often enough.
///
/// # Formula
/// Each vehicle's mean m_v of `−b_v + ε`, weighted by 1/σ², has the variance `u_v² = s²/Σ 1/σ²`, s² pooled over what vehicles' charges scatter
/// about their means by. `Q = Σ (m_v − m)²/(σ₁² + u_v²)`, σ₁ the least spread, is χ² of vehicles less one, less the piles, since each one's
/// estimate may have taken one in; lower tail.
pub(super) fn alike(
    compared: &[Compared],
    biases: &[Option<f64>],
    path: Option<VehiclePath>,
) -> Option<Alike> {
    let mut vehicles = vec![Vehicle::default(); biases.len()];
    let mut piles = BTreeSet::new();
    for charge in compared.iter().filter(|charge| charge.path == path) {
        let Some(bias) = biases.get(charge.vehicle).copied().flatten() else { continue };
        let value = charge.z.clamp(-CUT, CUT) * charge.scale - bias;
        let weight = charge.scale.powi(-2);
        if !(value.is_finite() && weight.is_finite()) {
            continue;
        }
        piles.insert(charge.pile);
        let vehicle = &mut vehicles[charge.vehicle];
        vehicle.weight += weight;
        vehicle.sum += weight * value;
        vehicle.square += weight * value * value;
        vehicle.charges += 1.0;
    }
    vehicles.retain(|vehicle| CHARGES_MIN as f64 <= vehicle.charges);
    let freedom = vehicles.len() as f64 - 1.0 - piles.len() as f64;
    if vehicles.len() < VEHICLES_MIN || freedom < FREEDOM_MIN {
        return None;
    }
    let total = |value: &dyn Fn(&Vehicle) -> f64| vehicles.iter().map(value).sum::<f64>();
    let within = total(&|vehicle| vehicle.square - vehicle.sum * vehicle.mean());
    let pooled = within.max(0.0) / total(&|vehicle| vehicle.charges - 1.0);
    let least = |vehicle: &Vehicle| 1.0 / (VEHICLE_SD_LEAST * VEHICLE_SD_LEAST + pooled / vehicle.weight);
    let middle = total(&|vehicle| least(vehicle) * vehicle.mean()) / total(&least);
    let apart = |vehicle: &Vehicle| (vehicle.mean() - middle).powi(2);
    let statistic = total(&|vehicle| least(vehicle) * apart(vehicle));
    let variance = total(&|vehicle| apart(vehicle) - pooled / vehicle.weight) / freedom;
    let p_value = chi_square::tails(statistic, freedom).0;
    Some(Alike { p_value, share: variance.max(0.0).sqrt() / VEHICLE_SD })
}
