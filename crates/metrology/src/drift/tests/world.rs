//! A simulated city with known truth, for the tests of the drift filter.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal, StudentT};

use super::super::{Anchor, Comparison, Settings, Week};

/// Where travellers go.
#[derive(Clone, Copy)]
pub(super) enum Habit {
    /// Anywhere in the city.
    Roaming,
    /// Nine times of ten to one of three instruments.
    Home,
}

/// One city of the reference world of metrology.md §2.5: 40 instruments, 7 comparisons each a day, noise of scale 2 % (t_4), 2,000
/// travellers of σ_b = 1.5 %, two anchors of U = 0.15 % in the first week; all walks as in the settings.
pub(super) struct World {
    rng: ChaCha8Rng,
    settings: Settings,
    pub(super) instruments: usize,
    habit: Habit,
    errors: Vec<f64>,
    common: f64,
    biases: Vec<f64>,
    /// What each instrument reads otherwise of each model, of which there are [`MODELS`].
    interactions: Vec<[f64; MODELS]>,
    weeks: usize,
}

/// Few makers, so that what they do otherwise does not cancel.
pub(super) const MODELS: usize = 3;

/// Model of a traveller.
fn model(traveller: usize) -> usize {
    traveller % MODELS
}

const NOISE: f64 = 0.02;

/// Half a year.
pub(super) const WEEKS: usize = 26;

fn normal(rng: &mut ChaCha8Rng, sd: f64) -> f64 {
    Normal::new(0.0, sd).expect("positive").sample(rng)
}

impl World {
    pub(super) fn new(seed: u64, settings: Settings, habit: Habit) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(70_000 + seed);
        let errors = (0..40).map(|_| normal(&mut rng, 0.01)).collect();
        let common = normal(&mut rng, settings.common_sd);
        let biases = (0..2_000).map(|_| normal(&mut rng, settings.traveller_sd)).collect();
        // From a stream of its own, so that a world is the same without them.
        let mut own = ChaCha8Rng::seed_from_u64(90_000 + seed);
        let interactions =
            (0..40).map(|_| [(); MODELS].map(|()| normal(&mut own, settings.interaction_sd))).collect();
        Self { rng, settings, instruments: 40, habit, errors, common, biases, interactions, weeks: 0 }
    }

    pub(super) fn errors(&self) -> Vec<f64> {
        self.errors.clone()
    }

    pub(super) fn step(&mut self, instrument: usize, size: f64) {
        self.errors[instrument] += size;
    }

    /// The next week, before which so many travellers draw their bias anew.
    pub(super) fn week(&mut self, resets: usize) -> Week {
        let settings = self.settings;
        let rng = &mut self.rng;
        if self.weeks > 0 {
            for error in &mut self.errors {
                *error += normal(rng, settings.instrument_walk);
            }
            self.common += normal(rng, settings.common_walk);
            // Stationary: it stays within σ_b.
            let kept = (1.0 - (settings.traveller_walk / settings.traveller_sd).powi(2)).sqrt();
            for bias in &mut self.biases {
                *bias = *bias * kept + normal(rng, settings.traveller_walk);
            }
        }
        let resets: Vec<usize> = (0..resets).map(|_| rng.random_range(0..self.biases.len())).collect();
        for traveller in &resets {
            self.biases[*traveller] = normal(rng, settings.traveller_sd);
        }
        let mut week = Week {
            elapsed_weeks: 1.0,
            instruments: self.instruments,
            travellers: self.biases.len(),
            models: (0..self.biases.len()).map(|traveller| (traveller, model(traveller))).collect(),
            resets,
            ..Week::default()
        };
        let student = StudentT::new(4.0).expect("positive");
        for _ in 0..self.instruments * 49 {
            let traveller = rng.random_range(0..self.biases.len());
            let instrument = match self.habit {
                Habit::Home if rng.random_bool(0.9) => {
                    (traveller + rng.random_range(0..3)) % self.instruments
                }
                _ => rng.random_range(0..self.instruments),
            };
            let noise = NOISE * student.sample(rng);
            week.comparisons.push(Comparison {
                instrument,
                traveller,
                log_ratio: self.errors[instrument] + self.interactions[instrument][model(traveller)]
                    - self.common
                    - self.biases[traveller]
                    + noise,
                variance: NOISE * NOISE,
            });
        }
        if self.weeks == 0 {
            for instrument in [3, 27] {
                let log_error = self.errors[instrument] + normal(rng, 0.000_75);
                week.anchors.push(Anchor { instrument, log_error, standard_uncertainty: 0.000_75 });
            }
        }
        self.weeks += 1;
        week
    }
}
