//! Whether an id's charges scatter as one vehicle's do, or as many vehicles': the question that matters, since an id of many does harm only by
//! joining different biases.
//!
//! Called by [`super::vehicles`] before anything is fitted: what it knows of piles and vehicles are medians.

use veripile_metrology::comparison::Settings;
use veripile_metrology::normal::QUANTILE_75;

use super::{Grouped, median};
use crate::evidence::{ComparableCharge, compare};

/// Comparisons from which an id has a scatter.
const CHARGES_MIN: usize = 5;

/// Ratios are cut off here, fraction: five times the noise of a charge. Beyond are interrupted charges, not vehicles.
const FAR: f64 = 0.1;

/// What the mean distance of few normal values from their own median lacks: `(n − ¾)/n` of it are left (within 2 % from five on).
const LACKING: f64 = 0.75;

/// Logarithms of the odds that ids are of many vehicles against one, as their scatter tells; 0 where it tells nothing.
///
/// # Formula
/// `r = (y − median of the pile's y)/√(1 + (δ/(σ₀E))²)`. Of an id's n: `S = Σ |r − median|/(n − ¾)`. One vehicle has `S₁`, the mean S over ids; many
/// have `S₂`, the mean over ids of `Σ |r|/n`, in which vehicles' biases are. S has the relative variance `κ²/n + h²`, κ² that of a single `|r −
/// median|`, h² what ids' S differ by more than that in the middle. The odds are those of two normal densities.
pub(super) fn odds(
    charges: &[ComparableCharge],
    piles: usize,
    of_vehicles: &Grouped,
    asked: &[usize],
) -> Vec<f64> {
    let left_over = left_over(charges, piles);
    let ids: Vec<Option<Scatter>> =
        (0..of_vehicles.groups()).map(|vehicle| Scatter::of(&left_over, of_vehicles.get(vehicle))).collect();
    let told = || ids.iter().flatten();
    let count = told().count() as f64;
    let mean = |of: fn(&Scatter) -> f64| told().map(of).sum::<f64>() / count;
    let (one, many) = (mean(|id| id.own), mean(|id| id.of_all));
    let kappa = mean(|id| id.square) / (one * one) - 1.0;
    let mut apart: Vec<f64> = told().map(|id| (id.own / one - 1.0).abs()).collect();
    let mut by_chance: Vec<f64> = told().map(|id| kappa / id.count).collect();
    let differ = ((median(&mut apart) / QUANTILE_75).powi(2) - median(&mut by_chance)).max(0.0);
    let of_id = |id: &Scatter| {
        let variance = kappa / id.count + differ;
        let far = |from: f64| (id.own / from - 1.0).powi(2) / (2.0 * variance) + libm::log(from);
        far(one) - far(many)
    };
    // Where many scatter no more than one, nothing is told.
    let is_told = one < many;
    asked.iter().map(|vehicle| ids[*vehicle].as_ref().filter(|_| is_told).map_or(0.0, of_id)).collect()
}

/// What ln(pile/vehicle) of each charge is off the middle of its pile's by, in units in which all charges scatter alike; none of no comparison.
fn left_over(charges: &[ComparableCharge], piles: usize) -> Vec<Option<f64>> {
    let compared =
        charges.iter().map(|charge| compare(charge.energy_pile_kwh, charge.energy_vehicle_kwh).ok());
    let compared: Vec<Option<(f64, f64)>> = compared.collect();
    let Settings { noise, noise_size, .. } = Settings::default();
    let of_piles = Grouped::by(charges, piles, |charge| charge.pile);
    let mut left_over = vec![None; charges.len()];
    for pile in 0..piles {
        let known = of_piles.get(pile).iter().filter_map(|at| Some((*at as usize, compared[*at as usize]?)));
        let middle = median(&mut known.clone().map(|(_, (ratio, _))| ratio).collect::<Vec<f64>>());
        for (at, (ratio, size)) in known {
            let times = libm::hypot(1.0, noise_size / (noise * size));
            left_over[at] = Some(((ratio - middle) / times).clamp(-FAR, FAR));
        }
    }
    left_over
}

/// How an id's charges scatter.
struct Scatter {
    count: f64,
    /// Mean distance from its own median, and mean square of these distances.
    own: f64,
    square: f64,
    /// Mean distance from what all have in the middle.
    of_all: f64,
}

impl Scatter {
    fn of(left_over: &[Option<f64>], of_vehicle: &[u32]) -> Option<Self> {
        let mut told: Vec<f64> = of_vehicle.iter().filter_map(|at| left_over[*at as usize]).collect();
        if told.len() < CHARGES_MIN {
            return None;
        }
        let (count, middle) = (told.len() as f64, median(&mut told));
        let mean = |of: &dyn Fn(f64) -> f64, count: f64| told.iter().map(|r| of(*r)).sum::<f64>() / count;
        Some(Self {
            count,
            own: mean(&|r| (r - middle).abs(), count - LACKING),
            square: mean(&|r| (r - middle).powi(2), count - LACKING),
            of_all: mean(&|r| r.abs(), count),
        })
    }
}
