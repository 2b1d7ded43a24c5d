//! The Cramér–Rao bound of a world: how well its piles' errors could be known at best.
//!
//! Called by the study. An implementation of its own from the information matrix at the truth, charge by charge: it shares no line
//! with the estimator it is held against. It knows σ_0, δ, σ_b and the shape of the noise, which an estimator must find out.

use super::noise::Information;
use super::{Noise, World};

/// Deviation of the prior of a covariate's effect, per deviation of the covariate: 2 %, as the model states.
const COVARIATE_SD: f64 = 0.02;

/// Covariates: temperature, mean power, span of the state of charge.
const COVARIATES: usize = 3;

/// Standard deviations below which no unbiased estimate of a pile's error can be, by pile, from the charges of days `from..to`; fractions of
/// the energy. None for a pile of which nothing is known.
///
/// # Formula
/// `J = Σ_s I_s h_s h_s' + priors`, `h_s` = +1 for the pile, −1 for vehicle, model and fleet, the covariates; `I_s` the Fisher
/// information of the noise ([`super::Noise`]) at the charge's scale; anchors add `1/u²`. A vehicle's own bias is eliminated:
/// `J −= a a' / (Σ I + 1/σ_b²)`, `a = Σ I h` over its charges. The bound is `√(J⁻¹)_pp` (van Trees, as biases have priors).
/// Where nuisances are on, their covariates are unknown; interaction, drift, paths and steps count as known, which makes the bound lower.
pub fn bound(world: &World, from: u32, to: u32) -> Vec<Option<f64>> {
    let mut system = System::new(world);
    let mut by_vehicle: Vec<Vec<Seen>> = vec![Vec::new(); world.vehicles.len()];
    for (vehicle, seen) in seen(world, from, to) {
        by_vehicle[vehicle].push(seen);
    }
    for (vehicle, charges) in by_vehicle.iter().enumerate().filter(|(_, charges)| !charges.is_empty()) {
        system.add_vehicle(world, vehicle, charges);
    }
    system.add_priors(world);
    let known: Vec<bool> = (0..world.piles.len()).map(|pile| 0.0 < system.matrix.at(pile, pile)).collect();
    for at in 0..system.matrix.size {
        // Of what nothing is known nothing depends: any number keeps the matrix regular.
        if system.matrix.at(at, at) == 0.0 {
            system.matrix.add(at, at, 1.0);
        }
    }
    let deviations = system.matrix.deviations(world.piles.len());
    // The model speaks of ln(1 + e), the world of e.
    let scaled = deviations.into_iter().enumerate().map(|(pile, u)| u * (1.0 + world.error_at_end(pile)));
    scaled.zip(known).map(|(u, known)| (known && u.is_finite()).then_some(u)).collect()
}

/// A charge as the bound sees it.
#[derive(Clone)]
struct Seen {
    pile: usize,
    information: f64,
    covariates: [f64; COVARIATES],
}

/// The charges with vehicle data, their covariates centred and scaled.
fn seen(world: &World, from: u32, to: u32) -> Vec<(usize, Seen)> {
    let information = Information::of(world.settings.noise);
    let tell = world.charges_in(from, to).filter(|charge| charge.energy_vehicle_wh.is_some());
    let mut seen: Vec<(usize, Seen)> = tell
        .map(|charge| {
            let covariates = [charge.ambient_c, charge.power_kw(), charge.soc.1 - charge.soc.0];
            let information = information.at(world.scale(charge));
            (charge.vehicle, Seen { pile: charge.pile, information, covariates })
        })
        .collect();
    for at in 0..COVARIATES {
        let count = seen.len().max(1) as f64;
        let mean = seen.iter().map(|(_, charge)| charge.covariates[at]).sum::<f64>() / count;
        let square = |(_, charge): &(usize, Seen)| (charge.covariates[at] - mean).powi(2);
        let sd = (seen.iter().map(square).sum::<f64>() / count).sqrt();
        for (_, charge) in &mut seen {
            let centred = charge.covariates[at] - mean;
            charge.covariates[at] = if 0.0 < sd { centred / sd } else { 0.0 };
        }
    }
    seen
}

/// Unknowns in their order: piles, models, the fleet, covariates.
struct System {
    matrix: Matrix,
    models_at: usize,
    fleet_at: usize,
    covariates: usize,
    vehicle_prior: f64,
}

impl System {
    fn new(world: &World) -> Self {
        let models_at = world.piles.len();
        let fleet_at = models_at + world.models;
        let covariates = if world.settings.noise == Noise::Nuisances { COVARIATES } else { 0 };
        let sd = world.settings.vehicle_sd;
        // Where models are unknown their share belongs to the vehicle's own bias.
        let model_sd = if world.models == 0 { world.settings.model_sd } else { 0.0 };
        let vehicle_prior = 1.0 / (sd * sd + model_sd * model_sd);
        Self {
            matrix: Matrix::new(fleet_at + 1 + covariates),
            models_at,
            fleet_at,
            covariates,
            vehicle_prior,
        }
    }

    fn add_vehicle(&mut self, world: &World, vehicle: usize, charges: &[Seen]) {
        let mut sum: std::collections::BTreeMap<usize, f64> = std::collections::BTreeMap::new();
        let mut total = self.vehicle_prior;
        for charge in charges {
            let row = self.row(world.vehicles[vehicle].model, charge);
            for (i, x) in &row {
                *sum.entry(*i).or_default() += charge.information * x;
                for (j, y) in &row {
                    self.matrix.add(*i, *j, charge.information * x * y);
                }
            }
            total += charge.information;
        }
        for (i, x) in &sum {
            for (j, y) in &sum {
                self.matrix.add(*i, *j, -x * y / total);
            }
        }
    }

    /// Where a charge's equation is not zero, the vehicle's own place left out.
    fn row(&self, model: Option<usize>, charge: &Seen) -> Vec<(usize, f64)> {
        let mut row = vec![(charge.pile, 1.0), (self.fleet_at, -1.0)];
        row.extend(model.map(|model| (self.models_at + model, -1.0)));
        row.extend((0..self.covariates).map(|at| (self.fleet_at + 1 + at, charge.covariates[at])));
        row
    }

    fn add_priors(&mut self, world: &World) {
        let prior = |sd: f64| 1.0 / (sd * sd);
        for model in 0..world.models {
            self.matrix.add(self.models_at + model, self.models_at + model, prior(world.settings.model_sd));
        }
        self.matrix.add(self.fleet_at, self.fleet_at, prior(world.settings.common_sd));
        for at in 0..self.covariates {
            self.matrix.add(self.fleet_at + 1 + at, self.fleet_at + 1 + at, prior(COVARIATE_SD));
        }
        for anchor in &world.anchors {
            self.matrix.add(anchor.pile, anchor.pile, prior(0.5 * anchor.expanded_percent / 100.0));
        }
    }
}

/// A symmetric matrix, row by row.
struct Matrix {
    size: usize,
    values: Vec<f64>,
}

impl Matrix {
    fn new(size: usize) -> Self {
        Self { size, values: vec![0.0; size * size] }
    }

    fn at(&self, row: usize, column: usize) -> f64 {
        self.values[row * self.size + column]
    }

    fn add(&mut self, row: usize, column: usize, value: f64) {
        self.values[row * self.size + column] += value;
    }

    /// Roots of the first diagonal values of the inverse, by Cholesky's factor L: `(J⁻¹)_pp = |L⁻¹ e_p|²`.
    fn deviations(mut self, first: usize) -> Vec<f64> {
        let n = self.size;
        for row in 0..n {
            for column in 0..=row {
                let (upper, lower) = self.values.split_at(row * n);
                let other = if column == row { &lower[..n] } else { &upper[column * n..(column + 1) * n] };
                let dot: f64 = lower[..column].iter().zip(&other[..column]).map(|(a, b)| a * b).sum();
                let rest = lower[column] - dot;
                let value = if column == row { rest.sqrt() } else { rest / other[column] };
                self.values[row * n + column] = value;
            }
        }
        (0..first).map(|unknown| self.deviation(unknown)).collect()
    }

    fn deviation(&self, unknown: usize) -> f64 {
        let n = self.size;
        let mut solved = vec![0.0; n];
        for row in unknown..n {
            let factors = &self.values[row * n..=row * n + row];
            let dot: f64 = factors[unknown..row].iter().zip(&solved[unknown..row]).map(|(a, b)| a * b).sum();
            let right = if row == unknown { 1.0 } else { 0.0 };
            solved[row] = (right - dot) / factors[row];
        }
        solved.iter().map(|value| value * value).sum::<f64>().sqrt()
    }
}
