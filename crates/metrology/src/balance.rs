//! Energy balance behind a master meter: what one meter of the whole says of the errors of the instruments behind it.
//!
//! Called by `assessment`, which adds the resulting [`Information`] to the normal equations of [`crate::comparison`], so that
//! travellers, anchors and balances make one posterior. It never states an error of an instrument: alone, a balance gives a level
//! only as good as its master.
//!
//! # Model
//! metrology.md §2.3, for interval t of Δt hours:
//! `M_t = (1+e_M) [Σ_i x_it exp(−θ_i)/η_i + a_0 Δt + a_1 S_t + a_2 S_t²/(P Δt) + Σ_i r_i x_it²/(p_i Δt)] + v_t`,
//! `v_t ~ t_4(0, (φ S_t)² + q²)`, x register increments, η nominal efficiency, `S_t = Σ x_it/η_i`, P and p_i the largest mean
//! powers of all and of one, so that a_2 and r_i are shares lost at full load (`ρ_i = r_i/(p_i Δt)` in the notes).
//! `θ_i = ln(1+e_i) + δη_i/η_i`.
//!
//! Comparisons speak of `λ = ln(1+e)`, so the balance does: `W = x exp(−λ)` holds exactly, and the one approximation is the
//! linearisation, repeated about its own solution. The notes' `1 − e` would be off by e²: 0.25 % for an error of 5 %.
//!
//! # Method
//! Gauss–Newton and iteratively reweighted least squares in one loop; φ and q by EM for Student's t. Then everything but λ is
//! eliminated: losses and the master's error with their priors, efficiencies with theirs. What is left has no prior on λ.
//! How far branch losses lie apart is learnt where other evidence tells errors, too ([`spread`]).

mod branches;
mod design;
mod elimination;
mod information;
mod noise;

use thiserror::Error;

use crate::cholesky::Symmetric;
pub use branches::{Branches, Elsewhere, spread};
use design::{Design, Point};
use elimination::eliminate;
pub use information::Information;
use noise::Noise;

/// Instruments behind one master: a feeder of more is several in practice, and the cost grows with the cube.
pub const INSTRUMENTS_MAX: usize = 200;

/// Intervals: more than three years of quarters of an hour.
pub const INTERVALS_MAX: usize = 120_000;

/// Longer intervals are not used, hours: within them the load changes, and the square of the mean is not the mean square. An hour,
/// and some minutes for clocks that differ.
pub const HOURS_MAX: f64 = 1.1;

/// Rounds of reweighting at most: gross outliers take some ten to fall away.
const ROUNDS_MAX: usize = 50;

/// Rounds stop when no unknown moves by more than this share of its standard uncertainty.
const TOLERANCE: f64 = 0.01;

/// Prior of θ while iterating, fraction: it only keeps the point of linearisation sane where the data say nothing, and is not in
/// the result.
const ITERATION_SD: f64 = 0.1;

/// Share of what the master tells, standby taken off, that instruments must have taken in at least, and may have at most: losses and errors
/// of meters in service leave no more room. A factor of a current transformer, a phase that is not counted or a unit is beyond it.
const SHARE: (f64, f64) = (0.75, 1.15);

/// Standby of so many of its standard deviations is taken off.
const STANDBY_SDS: f64 = 2.0;

/// Weight below which an interval counts as an outlier; with t_4 it is a residual of five scales or more.
const OUTLIER_WEIGHT: f64 = 0.17;

/// A serial correlation beyond this many of its own standard errors is believed.
const SERIAL_SIGNIFICANCE: f64 = 3.0;

/// Serial correlation is capped here, where the data count a nineteenth.
const SERIAL_MAX: f64 = 0.9;

/// An instrument behind the master.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Instrument {
    /// Its index in the comparison.
    pub index: usize,
    /// Nominal energy out / energy in, above 0 up to 1; 1 for AC.
    pub efficiency: f64,
    /// Relative standard uncertainty of that; 0 for AC, 0.005 to 0.01 for DC.
    pub efficiency_uncertainty: f64,
    /// Relative standard uncertainty that all instruments have in common whose efficiency is presumed, behind whatever master; 0 where it is
    /// known of this one.
    pub efficiency_common: f64,
}

/// One interval between readings.
#[derive(Debug, Clone, PartialEq)]
pub struct Interval {
    /// Length, hours.
    pub hours: f64,
    /// Energy by the master, kWh; none if it was not read.
    pub master_kwh: Option<f64>,
    /// Increment of each instrument's register, kWh, in the feeder's order; none if it was not read.
    pub instruments_kwh: Vec<Option<f64>>,
}

/// A master and what is behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct Feeder {
    /// Standard uncertainty of the master's error, fraction; see [`class_uncertainty`].
    pub master_uncertainty: f64,
    /// Instruments, each once.
    pub instruments: Vec<Instrument>,
    /// Intervals in the order of time: serial correlation is looked for.
    pub intervals: Vec<Interval>,
}

/// Priors (mean and standard deviation where two) and starting values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Start of φ, fraction.
    pub noise: f64,
    /// Start of q, kWh per interval.
    pub noise_kwh: f64,
    /// a_0, kW: standard deviation per instrument, mean 0.
    pub standby_sd_kw: f64,
    /// a_1: standard deviation, mean 0.
    pub linear_loss_sd: f64,
    /// a_2: share lost at the feeder's full load.
    pub quadratic_loss: (f64, f64),
    /// r_i: share lost in the instrument's own branch at its full load. Instruments of known efficiency behind one master have a
    /// mean of this prior in common, the others each their own loss of it.
    pub branch_loss: (f64, f64),
    /// Standard deviation of r_i about that mean, as long as nothing better is known.
    pub branch_spread: f64,
    /// Correlation between the efficiencies of two instruments: they share make and nominal figure, so that half of their
    /// variance is taken for common. Without it the level of many DC instruments would look better known than their efficiency.
    pub efficiency_correlation: f64,
    /// Over how many feeders an efficiency is presumed alike ([`Instrument::efficiency_common`]).
    pub feeders_alike: usize,
}

impl Default for Settings {
    /// φ, a_1 of metrology.md §2.3; losses are never negative, so their priors have means, wide enough that the data decide.
    fn default() -> Self {
        Self {
            noise: 0.003,
            noise_kwh: 0.01,
            standby_sd_kw: 0.1,
            linear_loss_sd: 0.002,
            quadratic_loss: (0.01, 0.01),
            branch_loss: (0.003, 0.003),
            branch_spread: 0.003,
            efficiency_correlation: 0.5,
            feeders_alike: 1,
        }
    }
}

/// Losses and the master's error, each with standard uncertainty, under a weak prior on the instruments (10 %).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Losses {
    /// e_M, fraction: mostly its prior, unless other evidence gives the level.
    pub master_error: (f64, f64),
    /// a_0, kW.
    pub standby_kw: (f64, f64),
    /// a_1, fraction.
    pub linear: (f64, f64),
    /// a_2, fraction at full load.
    pub quadratic: (f64, f64),
}

/// Which intervals were used, and why others were not. One that fails in several ways is counted once, in this order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Used.
    pub used: usize,
    /// Longer than [`HOURS_MAX`].
    pub too_long: usize,
    /// Without a reading of the master.
    pub master_gaps: usize,
    /// Without a reading of some instrument.
    pub instrument_gaps: usize,
    /// With a register that fell: a reset or another meter.
    pub resets: usize,
    /// With twice the load that an instrument, or all, can take.
    pub impossible: usize,
}

/// How the fit went.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnostics {
    /// Intervals.
    pub usage: Usage,
    /// Used intervals of negligible weight, by position in the feeder's.
    pub outliers: Vec<usize>,
    /// φ, fraction.
    pub noise: f64,
    /// q, kWh.
    pub noise_kwh: f64,
    /// Mean square of residuals in units of the *starting* noise, each weighted as in the fit: far above 1, the model or a meter
    /// is wrong.
    pub residual_statistic: f64,
    /// Correlation of one residual with the next; a significant one reduces what the data say.
    pub serial_correlation: f64,
    /// κ: information per interval against normal noise of the same scale.
    pub efficiency: f64,
    /// Rounds made.
    pub rounds: usize,
    /// Whether the last round moved nothing.
    pub converged: bool,
    /// Instruments (of the comparison) without load: nothing is said of them.
    pub without_load: Vec<usize>,
}

/// What a balance says.
#[derive(Debug, Clone)]
pub struct Balance {
    /// About the instruments that had load, those of known efficiency first.
    pub information: Information,
    /// The same, and what it says of branch losses.
    pub branches: Branches,
    /// Losses.
    pub losses: Losses,
    /// How it went.
    pub diagnostics: Diagnostics,
}

/// Why a balance says nothing.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum BalanceError {
    /// No instrument, one named twice, or a number out of its range.
    #[error("the feeder's description is malformed")]
    MalformedFeeder,
    /// An interval without positive length, of another number of instruments, or with numbers that are not finite.
    #[error("interval {0} is malformed")]
    MalformedInterval(usize),
    /// More than is taken at once.
    #[error("{0} instruments and {1} intervals are more than one balance takes")]
    TooLarge(usize, usize),
    /// No interval could be used.
    #[error("no interval can be used")]
    NoInterval(Usage),
    /// No instrument had load.
    #[error("no energy passed")]
    NoLoad(Usage),
    /// What registers and master counted in intervals with load cannot be one and the same energy.
    #[error(
        "in intervals with load the master tells {master_kwh:.1} kWh and the registers behind it {registers_kwh:.1} kWh, which cannot be the \
         same energy: look at the master's unit and transformer ratio, and at which piles are behind it"
    )]
    Unlike {
        /// By the master, kWh.
        master_kwh: f64,
        /// By all registers together, kWh.
        registers_kwh: f64,
    },
    /// The equations cannot be solved to working accuracy.
    #[error("the balance is degenerate")]
    Singular,
}

/// Standard uncertainty of a meter of an accuracy class, fraction: the class's limits taken as a rectangle (0.5 → 0.29 %).
///
/// # Formula
/// `u = class/(100 √3)`.
pub fn class_uncertainty(accuracy_class: f64) -> f64 {
    accuracy_class / (100.0 * 3f64.sqrt())
}

/// What the balance of a feeder says.
pub fn balance(feeder: &Feeder, settings: &Settings) -> Result<Balance, BalanceError> {
    check(feeder)?;
    let design = Design::of(feeder)?;
    plausible(&design, feeder, settings)?;
    let fit = Fit::of(&design, feeder, settings)?;
    let of_loads = fit.of_loads(&design, feeder, settings).ok_or(BalanceError::Singular)?;
    let loaded = design.loaded.iter().map(|at| feeder.instruments[*at].index);
    let branches = Branches::new(loaded.collect(), of_loads, settings);
    Ok(Balance {
        information: branches.information(settings.branch_spread).ok_or(BalanceError::Singular)?,
        branches,
        losses: fit.losses(&design),
        diagnostics: fit.diagnostics(&design, feeder, settings),
    })
}

/// Whether registers and master can be of one and the same energy: one wrong by a factor would decide everything that its instruments have
/// to do with.
fn plausible(design: &Design, feeder: &Feeder, settings: &Settings) -> Result<(), BalanceError> {
    let [hours, master_kwh, input_kwh] = design.totals();
    let registers_kwh = design.registers_kwh(feeder);
    let standby_kwh = STANDBY_SDS * settings.standby_sd_kw * feeder.instruments.len() as f64 * hours;
    let is_like = SHARE.0 * (master_kwh - standby_kwh) <= input_kwh && input_kwh <= SHARE.1 * master_kwh;
    if is_like { Ok(()) } else { Err(BalanceError::Unlike { master_kwh, registers_kwh }) }
}

fn check(feeder: &Feeder) -> Result<(), BalanceError> {
    let count = feeder.instruments.len();
    if INSTRUMENTS_MAX < count || INTERVALS_MAX < feeder.intervals.len() {
        return Err(BalanceError::TooLarge(count, feeder.intervals.len()));
    }
    let mut indices: Vec<usize> = feeder.instruments.iter().map(|instrument| instrument.index).collect();
    indices.sort_unstable();
    indices.dedup();
    let is_sound = |instrument: &Instrument| {
        0.0 < instrument.efficiency
            && instrument.efficiency <= 1.0
            && (0.0..1.0).contains(&instrument.efficiency_uncertainty)
            && (0.0..1.0).contains(&instrument.efficiency_common)
    };
    let is_master_sound = 0.0 < feeder.master_uncertainty && feeder.master_uncertainty < 1.0;
    if count == 0 || indices.len() < count || !is_master_sound || !feeder.instruments.iter().all(is_sound) {
        return Err(BalanceError::MalformedFeeder);
    }
    let is_whole = |interval: &Interval| {
        let mut energies = interval.instruments_kwh.iter().chain([&interval.master_kwh]).flatten();
        interval.hours.is_finite()
            && 0.0 < interval.hours
            && interval.instruments_kwh.len() == count
            && energies.all(|energy| energy.is_finite())
    };
    match feeder.intervals.iter().position(|interval| !is_whole(interval)) {
        Some(at) => Err(BalanceError::MalformedInterval(at)),
        None => Ok(()),
    }
}

/// The fitted model.
struct Fit {
    point: Point,
    noise: Noise,
    residuals: Vec<f64>,
    /// Data's information and the gradient of the posterior at the point, by unknown.
    data: Symmetric,
    gradient: Vec<f64>,
    covariance: Symmetric,
    efficiency: f64,
    serial: f64,
    rounds: usize,
    converged: bool,
}

impl Fit {
    fn of(design: &Design, feeder: &Feeder, settings: &Settings) -> Result<Self, BalanceError> {
        let prior = design.prior(feeder, settings);
        let mut point = prior.iter().map(|prior| prior.mean).collect::<Point>();
        let mut noise = Noise { relative: settings.noise, absolute_kwh: settings.noise_kwh };
        let (mut rounds, mut converged) = (0, false);
        let mut residuals = design.residuals(&point);
        let mut robust = vec![1.0; residuals.len()];
        while rounds < ROUNDS_MAX && !converged {
            rounds += 1;
            let weights = noise.weights(design, &robust);
            let (data, score) = design.normal_equations(&point, &residuals, &weights);
            let gradient = design::gradient(&prior, &point, score);
            let factor = design::posterior(&prior, &data).ok_or(BalanceError::Singular)?;
            let (step, covariance) = (factor.solve(&gradient), factor.inverse());
            for (value, step) in point.iter_mut().zip(&step) {
                *value += step;
            }
            converged = step
                .iter()
                .enumerate()
                .all(|(at, step)| step.abs() <= TOLERANCE * covariance.get(at, at).max(0.0).sqrt());
            residuals = design.residuals(&point);
            let freedom = design::freedom(&data, &covariance, point.len(), residuals.len());
            let before = noise;
            noise = noise.fitted(design, &residuals, freedom);
            converged &= noise.is_near(&before, design);
            robust = noise.robust(design, &residuals);
        }
        let efficiency = noise.efficiency(design, &residuals);
        let serial = noise.serial_correlation(design, &residuals);
        let (_, score) = design.normal_equations(&point, &residuals, &noise.weights(design, &robust));
        let constant =
            noise.weights(design, &vec![efficiency * independence(serial, residuals.len()); residuals.len()]);
        let (data, _) = design.normal_equations(&point, &residuals, &constant);
        let gradient = design::gradient(&prior, &point, score);
        let covariance = design::posterior(&prior, &data).ok_or(BalanceError::Singular)?.inverse();
        Ok(Self {
            point,
            noise,
            residuals,
            data,
            gradient,
            covariance,
            efficiency,
            serial,
            rounds,
            converged,
        })
    }

    /// The information on λ of loaded instruments and on the branch losses of those of known efficiency, without a prior on either:
    /// other losses, master and efficiencies eliminated.
    fn of_loads(
        &self,
        design: &Design,
        feeder: &Feeder,
        settings: &Settings,
    ) -> Option<(Symmetric, Vec<f64>)> {
        let kept = design.loaded.len() + design.sure;
        let mut whole = self.data.clone();
        let prior = design.prior(feeder, settings);
        let mut gradient = self.gradient.clone();
        for (at, prior) in prior.iter().enumerate() {
            if at < kept {
                gradient[at] -= prior.precision() * (prior.mean - self.point[at]);
            } else {
                whole.add(at, at, prior.precision());
            }
        }
        let (apparent, gradient) = eliminate(&whole, &gradient, kept)?;
        let (matrix, gradient) = design.eliminate_efficiencies(feeder, settings, &apparent, &gradient)?;
        let at_point = |row: usize| (0..kept).map(|i| matrix.get(row, i) * self.point[i]).sum::<f64>();
        let right = gradient.iter().enumerate().map(|(row, gradient)| gradient + at_point(row)).collect();
        Some((matrix, right))
    }

    fn losses(&self, design: &Design) -> Losses {
        let of = |at: usize| (self.point[at], self.covariance.get(at, at).max(0.0).sqrt());
        Losses {
            master_error: of(design.master()),
            standby_kw: of(design.standby()),
            linear: of(design.linear()),
            quadratic: of(design.quadratic()),
        }
    }

    fn diagnostics(&self, design: &Design, feeder: &Feeder, settings: &Settings) -> Diagnostics {
        let robust = self.noise.robust(design, &self.residuals);
        let outliers = design.rows.iter().zip(&robust).filter(|(_, weight)| **weight < OUTLIER_WEIGHT);
        let start = Noise { relative: settings.noise, absolute_kwh: settings.noise_kwh };
        let without_load = (0..feeder.instruments.len()).filter(|at| !design.loaded.contains(at));
        Diagnostics {
            usage: design.usage,
            outliers: outliers.map(|(row, _)| row.interval).collect(),
            noise: self.noise.relative,
            noise_kwh: self.noise.absolute_kwh,
            residual_statistic: start.mean_square(design, &self.residuals, &robust),
            serial_correlation: self.serial,
            efficiency: self.efficiency,
            rounds: self.rounds,
            converged: self.converged,
            without_load: without_load.map(|at| feeder.instruments[at].index).collect(),
        }
    }
}

/// Share of the data's information left by serial correlation, as for regressors that change slowly: `(1−ρ)/(1+ρ)`.
fn independence(serial: f64, intervals: usize) -> f64 {
    if serial * (intervals as f64).sqrt() < SERIAL_SIGNIFICANCE {
        return 1.0;
    }
    let serial = serial.min(SERIAL_MAX);
    (1.0 - serial) / (1.0 + serial)
}

#[cfg(test)]
mod tests;
