//! Seeded worlds with known truth, without sockets: piles, vehicles, visits, errors, on-site results; what `veripile study` measures
//! estimates against.
//!
//! Called by `app` (study). Same settings, same world. It knows the truth and never estimates; [`bound`] tells how well anybody could.
//!
//! # Model
//! `ln(E_pile / E_vehicle) = ln(1 + e_p) − b_v + nuisances + ε`, `b_v = c + m_k + d_v`, ε of scale `σ_s² = σ_0² + (δ/E_pile)²`.

pub mod bound;
mod charges;
pub mod files;
pub mod injection;
mod noise;
mod on_site;
mod people;
pub mod station;
mod visits;

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use thiserror::Error;
use veripile_pile::PileKind;

use crate::SimulatorError;
pub use charges::WorldCharge;
pub use injection::{Injection, InjectionKind};
pub use noise::Noise;
pub use on_site::OnSite;
pub use people::WorldVehicle;

/// Where drawn worlds begin: New Year's Day in China.
const START: &str = "2025-12-31T16:00:00Z";

/// Seconds of a day.
const DAY_S: i64 = 86_400;

/// Charges of a world at most: a year of the reference world's size four times over, some 200 MB.
const CHARGES_MAX: f64 = 2e6;

/// Piles of a world at most: the bound is computed densely.
const PILES_MAX: usize = 2_000;

/// What a world is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum Layout {
    /// DC piles of class 1 in cities, visited by vehicles that mostly stay in their own.
    Reference,
    /// AC piles of class 2 and DC piles of class 1 at stations with master meters, as in Anhui's trial.
    Anhui,
    /// The visits of a file of real charges; errors are injected into its graph.
    Graph(PathBuf),
}

/// Everything that makes a world. Fractions (0.01 is 1 %) unless the name says otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct WorldSettings {
    /// Layout.
    pub layout: Layout,
    /// Seed.
    pub seed: u64,
    /// Days; for a file all of its days, or its first so many.
    pub days: u32,
    /// Cities, stations of each, piles of each station.
    pub cities: usize,
    /// Stations in a city.
    pub stations_per_city: usize,
    /// Piles at a station.
    pub piles_per_station: usize,
    /// Charges per pile and day, on average.
    pub charges_per_day: f64,
    /// Vehicles.
    pub vehicles: usize,
    /// Models of vehicles.
    pub models: usize,
    /// Share of charges away from the vehicle's own city.
    pub travel: f64,
    /// Noise.
    pub noise: Noise,
    /// σ_0.
    pub noise_sd: f64,
    /// δ, kWh.
    pub noise_kwh: f64,
    /// σ_b.
    pub vehicle_sd: f64,
    /// σ_m.
    pub model_sd: f64,
    /// σ_c.
    pub common_sd: f64,
    /// Standard deviation of ordinary piles' errors, as a fraction of their limit.
    pub pile_sd_of_limit: f64,
    /// Share of charges for which the vehicle tells its own value.
    pub vehicle_share: f64,
    /// Piles measured on site before the first day.
    pub anchors: usize,
    /// Piles measured on site after the last day, to be held against the estimates.
    pub on_site: usize,
    /// Expanded uncertainty (k = 2) of on-site results, percent.
    pub on_site_expanded_percent: f64,
    /// Errors injected on top.
    pub injections: Vec<Injection>,
}

impl WorldSettings {
    /// The reference world (metrology.md §2.5).
    pub fn reference(seed: u64) -> Self {
        Self {
            layout: Layout::Reference,
            seed,
            days: 182,
            cities: 5,
            stations_per_city: 4,
            piles_per_station: 10,
            charges_per_day: 7.0,
            vehicles: 10_000,
            models: 30,
            travel: 0.05,
            noise: Noise::Gaussian,
            noise_sd: 0.02,
            noise_kwh: 0.15,
            vehicle_sd: 0.015,
            model_sd: 0.005,
            common_sd: 0.01,
            pile_sd_of_limit: 0.3,
            vehicle_share: 1.0,
            anchors: 10,
            on_site: 40,
            on_site_expanded_percent: 0.15,
            injections: Vec::new(),
        }
    }

    /// A world like Anhui's trial: five cities, 200 AC and DC piles with master meters, half a year.
    pub fn anhui(seed: u64) -> Self {
        Self { layout: Layout::Anhui, noise: Noise::Nuisances, ..Self::reference(seed) }
    }

    /// The graph of a file of charges.
    pub fn graph(file: PathBuf, seed: u64) -> Self {
        Self { layout: Layout::Graph(file), days: u32::MAX, on_site: 0, ..Self::reference(seed) }
    }

    fn check(&self) -> Result<(), WorldError> {
        let piles = self.cities * self.stations_per_city * self.piles_per_station;
        let is_drawn = !matches!(self.layout, Layout::Graph(_));
        let is_share = |share: f64| (0.0..=1.0).contains(&share);
        let above_zero = |value: f64| 0.0 < value && value.is_finite();
        let charges = piles as f64 * f64::from(self.days) * self.charges_per_day;
        let refusals = [
            (self.days == 0, "a world needs a day at least"),
            (
                !is_share(self.vehicle_share) || self.vehicle_share == 0.0,
                "the share of charges with vehicle data is above 0 and up to 1",
            ),
            (!is_share(self.travel), "the share of travel is between 0 and 1"),
            (!above_zero(self.noise_sd) || self.noise_kwh < 0.0, "the noise must be above zero"),
            (is_drawn && (piles == 0 || PILES_MAX < piles), "a world has 1 to 2,000 piles"),
            (
                is_drawn && (self.vehicles < self.cities || self.models == 0),
                "a world needs a vehicle per city and a model",
            ),
            (
                is_drawn && (!above_zero(self.charges_per_day) || CHARGES_MAX < charges),
                "a world has up to two million charges",
            ),
            (!above_zero(self.on_site_expanded_percent), "on-site results have an uncertainty"),
        ];
        match refusals.iter().find(|(is_so, _)| *is_so) {
            Some((_, reason)) => Err(WorldError::Settings((*reason).to_owned())),
            None => Ok(()),
        }
    }
}

/// Why there is no world.
#[derive(Debug, Error)]
pub enum WorldError {
    /// Settings that make none.
    #[error("{0}")]
    Settings(String),
    /// The file of visits, or one that is written.
    #[error(transparent)]
    File(#[from] SimulatorError),
}

/// A station.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorldStation {
    /// Its identifier.
    pub id: String,
    /// Its city.
    pub city: usize,
}

/// A pile with its true error.
#[derive(Debug, Clone, PartialEq)]
pub struct WorldPile {
    /// Its identifier.
    pub id: String,
    /// Index of its station.
    pub station: usize,
    /// AC or DC.
    pub kind: PileKind,
    /// Accuracy class, which is its limit in percent.
    pub class: u32,
    /// True error without what was injected.
    pub error: f64,
    /// What was injected on top.
    pub injection: Option<InjectionKind>,
}

/// A world.
#[derive(Debug, Clone)]
pub struct World {
    /// What it was made of.
    pub settings: WorldSettings,
    /// Its first moment.
    pub start: Timestamp,
    /// Days it lasts.
    pub days: u32,
    /// Stations.
    pub stations: Vec<WorldStation>,
    /// Piles.
    pub piles: Vec<WorldPile>,
    /// Models of vehicles.
    pub models: usize,
    /// Vehicles.
    pub vehicles: Vec<WorldVehicle>,
    /// Charges, by pile and time.
    pub charges: Vec<WorldCharge>,
    /// On-site results before the first day.
    pub anchors: Vec<OnSite>,
    /// On-site results after the last day.
    pub on_site: Vec<OnSite>,
}

impl World {
    /// Draws a world, or reads the file of its visits and draws the rest.
    pub fn draw(settings: &WorldSettings) -> Result<Self, WorldError> {
        settings.check()?;
        let mut world = match &settings.layout {
            Layout::Graph(file) => visits::read(settings, file)?,
            Layout::Reference | Layout::Anhui => visits::draw(settings),
        };
        world.draw_errors()?;
        world.draw_charges();
        world.draw_on_site()?;
        Ok(world)
    }

    /// The moment a day begins, counted from 0.
    pub fn day(&self, day: u32) -> Timestamp {
        self.start + SignedDuration::from_hours(24 * i64::from(day))
    }

    /// Day of a moment, in days from the start.
    pub fn days_at(&self, at_s: i64) -> f64 {
        (at_s - self.start.as_second()) as f64 / DAY_S as f64
    }

    /// The charges that ended in days `from..to`.
    pub fn charges_in(&self, from: u32, to: u32) -> impl Iterator<Item = &WorldCharge> {
        let (from, to) = (self.day(from).as_second(), self.day(to).as_second());
        self.charges.iter().filter(move |charge| from <= charge.ended_s && charge.ended_s < to)
    }

    /// True error of a pile at the end of the world, for a charge of middling size in the forenoon.
    pub fn error_at_end(&self, pile: usize) -> f64 {
        self.error_on(pile, f64::from(self.days))
    }

    /// The same on a day.
    fn error_on(&self, pile: usize, day: f64) -> f64 {
        let pile = &self.piles[pile];
        let at = injection::Circumstances { day, hour: 10, energy_kwh: 20.0, power_kw: 20.0 };
        (1.0 + pile.error) * (1.0 + pile.injection.map_or(0.0, |kind| kind.error(&at))) - 1.0
    }

    /// Whether a pile's error is the same for every charge.
    pub fn is_constant(&self, pile: usize) -> bool {
        self.piles[pile].injection.is_none_or(|kind| matches!(kind, InjectionKind::Constant { .. }))
    }
}

/// Random numbers for one purpose: changing what is drawn for another changes nothing here.
fn random(seed: u64, purpose: Purpose) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(purpose as u64);
    rng
}

/// What random numbers are for.
#[derive(Debug, Clone, Copy)]
enum Purpose {
    Visits = 1,
    Errors = 2,
    Vehicles = 3,
    Noise = 4,
    OnSite = 5,
    Circumstances = 6,
    Telling = 7,
    Station = 8,
    Pairs = 9,
}

#[cfg(test)]
mod tests;
