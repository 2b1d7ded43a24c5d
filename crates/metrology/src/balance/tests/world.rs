//! Simulated feeders with known truth, for the tests of the balance.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal, StudentT};

use super::super::{Feeder, Instrument, Interval, Settings, balance, class_uncertainty};
use crate::cholesky::Symmetric;

/// What worlds are drawn from.
pub(super) struct World {
    pub(super) instruments: usize,
    /// Standard deviation of the instruments' errors, fraction.
    pub(super) error_sd: f64,
    pub(super) days: usize,
    pub(super) intervals_per_hour: usize,
    /// Steps of an interval in which the load is constant: with one, the square of the mean is the mean square.
    pub(super) steps: usize,
    /// Charges per instrument and day.
    pub(super) charges: usize,
    /// Least and largest power of a charge, kW.
    pub(super) powers_kw: (f64, f64),
    pub(super) efficiency: (f64, f64),
    pub(super) is_student: bool,
    /// Correlation of an interval's noise with the next's.
    pub(super) serial: f64,
    /// Priors, from which the world's losses are drawn, and the noise.
    pub(super) settings: Settings,
}

impl Default for World {
    fn default() -> Self {
        Self {
            instruments: 5,
            error_sd: 0.01,
            days: 28,
            intervals_per_hour: 1,
            steps: 1,
            charges: 5,
            powers_kw: (3.0, 7.0),
            efficiency: (1.0, 0.0),
            is_student: false,
            serial: 0.0,
            settings: Settings::default(),
        }
    }
}

fn normal(rng: &mut ChaCha8Rng, mean: f64, sd: f64) -> f64 {
    Normal::new(mean, sd).expect("positive").sample(rng)
}

impl World {
    fn step_hours(&self) -> f64 {
        1.0 / (self.intervals_per_hour * self.steps) as f64
    }

    /// True energies at the connectors, by step and instrument: charges of 3 to 30 kWh at a power that depends on the vehicle,
    /// 3 to 7 kW, more by day than by night.
    fn energies(&self, rng: &mut ChaCha8Rng) -> Vec<Vec<f64>> {
        let length = self.step_hours();
        let count = self.days * 24 * self.intervals_per_hour * self.steps;
        let mut energies = vec![vec![0.0; self.instruments]; count];
        for instrument in 0..self.instruments {
            let mut free = 0.0f64;
            for day in 0..self.days {
                let mut starts: Vec<f64> = (0..self.charges)
                    .map(|_| 24.0 * day as f64 + (normal(rng, 14.0, 5.0)).clamp(0.0, 24.0))
                    .collect();
                starts.sort_by(f64::total_cmp);
                for start in starts {
                    let begin = start.max(free);
                    let power = rng.random_range(self.powers_kw.0..self.powers_kw.1);
                    let end = begin + rng.random_range(3.0..30.0) / power;
                    free = end;
                    let mut at = (begin / length) as usize;
                    while at < count && at as f64 * length < end {
                        let from = begin.max(at as f64 * length);
                        let to = end.min((at + 1) as f64 * length);
                        energies[at][instrument] += power * (to - from);
                        at += 1;
                    }
                }
            }
        }
        energies
    }

    /// A feeder and the true ln(1+e) of its instruments.
    pub(super) fn draw(&self, seed: u64) -> (Feeder, Vec<f64>) {
        let rng = &mut ChaCha8Rng::seed_from_u64(500 + seed);
        let errors: Vec<f64> = (0..self.instruments).map(|_| normal(rng, 0.0, self.error_sd)).collect();
        (self.of(&errors, 0, seed), errors.iter().map(|e| e.ln_1p()).collect())
    }

    /// A feeder of instruments of these errors, the first of which has this index.
    pub(super) fn of(&self, errors: &[f64], first: usize, seed: u64) -> Feeder {
        let rng = &mut ChaCha8Rng::seed_from_u64(9_000 + seed);
        let settings = &self.settings;
        let master_uncertainty = class_uncertainty(0.5);
        let length = self.step_hours();
        let positive = |rng: &mut ChaCha8Rng, (mean, sd): (f64, f64)| normal(rng, mean, sd).max(0.0);
        let master = normal(rng, 0.0, master_uncertainty);
        let standby = 0.03 * self.instruments as f64;
        let linear = normal(rng, 0.0, settings.linear_loss_sd);
        let quadratic = positive(rng, settings.quadratic_loss);
        let branches: Vec<f64> = errors.iter().map(|_| positive(rng, settings.branch_loss)).collect();
        let common = normal(rng, 0.0, 1.0);
        let correlation = settings.efficiency_correlation;
        let efficiencies: Vec<f64> = errors
            .iter()
            .map(|_| {
                let own = normal(rng, 0.0, 1.0);
                let off = correlation.sqrt() * common + (1.0 - correlation).sqrt() * own;
                self.efficiency.0 * (1.0 + self.efficiency.1 * off)
            })
            .collect();
        let energies = self.energies(rng);
        let inputs: Vec<f64> = energies
            .iter()
            .map(|row| row.iter().zip(&efficiencies).map(|(energy, efficiency)| energy / efficiency).sum())
            .collect();
        let full = inputs.iter().copied().fold(0.0, f64::max);
        let full_of = |i: usize| energies.iter().map(|row| row[i]).fold(0.0, f64::max) / self.efficiency.0;
        let fulls: Vec<f64> = (0..errors.len()).map(full_of).collect();
        let lost = |(row, input): (&Vec<f64>, &f64)| {
            let branch = |i: usize| branches[i] * (row[i] / self.efficiency.0).powi(2) / fulls[i];
            let branch_losses: f64 = (0..errors.len()).map(branch).sum();
            standby * length + linear * input + quadratic * input * input / full + branch_losses
        };
        let losses: Vec<f64> = energies.iter().zip(&inputs).map(lost).collect();
        let mut last = 0.0;
        let mut intervals = Vec::new();
        for first in (0..energies.len()).step_by(self.steps) {
            let steps = first..first + self.steps;
            let innovation = if self.is_student {
                StudentT::new(4.0).expect("positive").sample(rng)
            } else {
                normal(rng, 0.0, 1.0)
            };
            last = self.serial * last + (1.0 - self.serial * self.serial).sqrt() * innovation;
            let (input, loss): (f64, f64) =
                (inputs[steps.clone()].iter().sum(), losses[steps.clone()].iter().sum());
            let sd = (settings.noise * input).hypot(settings.noise_kwh);
            let register = |i: usize| {
                Some((1.0 + errors[i]) * energies[steps.clone()].iter().map(|row| row[i]).sum::<f64>())
            };
            intervals.push(Interval {
                hours: length * self.steps as f64,
                master_kwh: Some(((1.0 + master) * (input + loss) + sd * last).max(0.0)),
                instruments_kwh: (0..errors.len()).map(register).collect(),
            });
        }
        let instrument = |i| Instrument {
            index: first + i,
            efficiency: self.efficiency.0,
            efficiency_uncertainty: self.efficiency.1,
            efficiency_common: 0.0,
        };
        let instruments = (0..errors.len()).map(instrument).collect();
        Feeder { master_uncertainty, instruments, intervals }
    }
}

/// Piles' part of the reference world of metrology.md §2.5.
const CITIES: usize = 5;
const STATIONS: usize = 4;
const PER_STATION: usize = 10;
const TRAVELLERS: usize = 10_000;

/// Normal equations of travellers alone in the reference world of metrology.md §2.5, by elimination (§2.1): 5 cities of 40
/// instruments, 182 days, 7 charges a day, 10,000 travellers of whose charges 5 % are in another city, σ₀ = 2 %, δ = 0.15 kWh at
/// 16.5 kWh, σ_b = 1.5 %, σ_c = 1 %, ten anchors of U = 0.15 %. Only the precision is made: it does not depend on what was measured.
fn travellers_alone(share: f64, rng: &mut ChaCha8Rng) -> Symmetric {
    let per_city = STATIONS * PER_STATION;
    let instruments = CITIES * per_city;
    let weight = 1.0 / (0.02f64.powi(2) + (0.15f64 / 16.5).powi(2));
    let mut visits = vec![Vec::<usize>::new(); TRAVELLERS];
    for instrument in 0..instruments {
        for _ in 0..(share * 182.0 * 7.0) as usize {
            let home =
                if rng.random_bool(0.05) { rng.random_range(0..CITIES) } else { instrument / per_city };
            let traveller = home + CITIES * rng.random_range(0..TRAVELLERS / CITIES);
            visits[traveller].push(instrument);
        }
    }
    // Unknowns e, c: a comparison is +1 at its e, −1 at c, −1 at its traveller's own bias.
    let mut matrix = Symmetric::zero(instruments + 1);
    for visited in visits.iter().filter(|visited| !visited.is_empty()) {
        let sum = weight * visited.len() as f64;
        let f = 1.0 / (sum + 0.015f64.powi(-2));
        for (position, i) in visited.iter().enumerate() {
            matrix.add(*i, *i, weight - f * weight * weight);
            matrix.add(*i, instruments, f * weight * sum - weight);
            for j in &visited[..position] {
                let twice = if i == j { 2.0 } else { 1.0 };
                matrix.add(*i, *j, -twice * f * weight * weight);
            }
        }
        matrix.add(instruments, instruments, sum - f * sum * sum);
    }
    matrix.add(instruments, instruments, 1e4);
    for anchor in 0..2 * CITIES {
        matrix.add(anchor * per_city / 2 + 3, anchor * per_city / 2 + 3, 0.000_75f64.powi(-2));
    }
    matrix
}

/// Median standard uncertainty in the reference world by travellers alone, and with the balances of its twenty stations.
pub(super) fn reference(world: &World, share: f64, seed: u64) -> (f64, f64) {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    let alone = travellers_alone(share, rng);
    let instruments = CITIES * STATIONS * PER_STATION;
    let mut joined = alone.clone();
    for station in 0..CITIES * STATIONS {
        let errors: Vec<f64> = (0..PER_STATION).map(|_| normal(rng, 0.0, 0.01)).collect();
        let feeder = world.of(&errors, PER_STATION * station, seed + station as u64);
        let information = balance(&feeder, &world.settings).expect("solvable").information;
        information.add_to(&mut joined, &mut vec![0.0; instruments + 1]);
    }
    let median = |matrix: Symmetric| {
        let covariance = matrix.factor().expect("grounded").inverse();
        let mut u: Vec<f64> = (0..instruments).map(|i| covariance.get(i, i).sqrt()).collect();
        u.sort_by(f64::total_cmp);
        u[instruments / 2]
    };
    (median(alone), median(joined))
}
