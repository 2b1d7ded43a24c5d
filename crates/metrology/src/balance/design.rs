//! The balance as equations: which intervals count, the model at a point, its derivatives, priors. Used by the fit only.

use super::elimination::eliminate;
use super::{BalanceError, Feeder, HOURS_MAX, ITERATION_SD, Instrument, Interval, Settings, Usage};
use crate::cholesky::{Factor, Symmetric};

/// Share of the intervals with load that may be above what counts as full load, where there are enough of them.
const BEYOND_FULL: f64 = 0.05;
const ENOUGH: usize = 20;

/// Loads beyond this many full ones are no loads: by their squares, such a row alone would decide what is lost.
const IMPOSSIBLE: f64 = 2.0;

/// Values of the unknowns: θ of loaded instruments, their r, then e_M, a_0, a_1, a_2.
pub(super) type Point = Vec<f64>;

/// An interval that counts.
pub(super) struct Row {
    /// Its position in the feeder.
    pub(super) interval: usize,
    hours: f64,
    master_kwh: f64,
    /// S_t, kWh.
    pub(super) load_kwh: f64,
    /// Instruments that had load, by position in [`Design::loaded`], with x/η.
    loads_kwh: Vec<(usize, f64)>,
}

/// What is fitted.
pub(super) struct Design {
    pub(super) rows: Vec<Row>,
    /// Instruments that had load, by position in the feeder; those of known efficiency first.
    pub(super) loaded: Vec<usize>,
    /// How many of these have a known efficiency.
    pub(super) sure: usize,
    pub(super) usage: Usage,
    /// P, kW.
    power_kw: f64,
    /// p_i, kW, of loaded instruments.
    powers_kw: Vec<f64>,
}

/// A normal prior of one unknown.
pub(super) struct Prior {
    pub(super) mean: f64,
    standard_deviation: f64,
}

impl Prior {
    pub(super) fn precision(&self) -> f64 {
        self.standard_deviation.powi(-2)
    }
}

impl Design {
    pub(super) fn of(feeder: &Feeder) -> Result<Self, BalanceError> {
        let mut usage = Usage::default();
        let used: Vec<(usize, f64, Vec<f64>)> = feeder
            .intervals
            .iter()
            .enumerate()
            .filter_map(|(at, interval)| {
                usable(interval, &mut usage).map(|(master, energies)| (at, master, energies))
            })
            .collect();
        if used.is_empty() {
            return Err(BalanceError::NoInterval(usage));
        }
        let has_load = |at: &usize| used.iter().any(|(_, _, energies)| 0.0 < energies[*at]);
        let mut loaded: Vec<usize> = (0..feeder.instruments.len()).filter(has_load).collect();
        let is_unsure = |at: &usize| {
            let Instrument { efficiency_uncertainty, efficiency_common, .. } = feeder.instruments[*at];
            0.0 < efficiency_uncertainty + efficiency_common
        };
        loaded.sort_by_key(is_unsure);
        let sure = loaded.iter().filter(|at| !is_unsure(at)).count();
        if loaded.is_empty() {
            return Err(BalanceError::NoLoad(usage));
        }
        let rows = used.into_iter().map(|(interval, master_kwh, energies)| {
            let input = |(at, i): (usize, &usize)| (at, energies[*i] / feeder.instruments[*i].efficiency);
            let loads_kwh: Vec<(usize, f64)> =
                loaded.iter().enumerate().map(input).filter(|(_, load)| 0.0 < *load).collect();
            let load_kwh = loads_kwh.iter().map(|(_, load)| load).sum();
            Row { interval, hours: feeder.intervals[interval].hours, master_kwh, load_kwh, loads_kwh }
        });
        let rows: Vec<Row> = rows.collect();
        let mut powers_kw = vec![Vec::new(); loaded.len()];
        for row in &rows {
            row.loads_kwh.iter().for_each(|(at, load)| powers_kw[*at].push(load / row.hours));
        }
        let powers_kw: Vec<f64> = powers_kw.into_iter().map(full_load).collect();
        let power_kw = full_load(rows.iter().map(|row| row.load_kwh / row.hours).collect());
        let is_possible = |row: &Row| {
            let of_one = |(at, load): &(usize, f64)| *load <= IMPOSSIBLE * powers_kw[*at] * row.hours;
            row.load_kwh <= IMPOSSIBLE * power_kw * row.hours && row.loads_kwh.iter().all(of_one)
        };
        let (rows, impossible): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(is_possible);
        usage.used -= impossible.len();
        usage.impossible = impossible.len();
        Ok(Self { rows, loaded, sure, usage, power_kw, powers_kw })
    }

    /// Hours, energy by the master and by the instruments at their inputs, kWh, in intervals with load.
    pub(super) fn totals(&self) -> [f64; 3] {
        let loaded = self.rows.iter().filter(|row| 0.0 < row.load_kwh);
        loaded.fold([0.0; 3], |[hours, master, load], row| {
            [hours + row.hours, master + row.master_kwh, load + row.load_kwh]
        })
    }

    /// Energy by the registers in the same intervals, kWh.
    pub(super) fn registers_kwh(&self, feeder: &Feeder) -> f64 {
        let energies = self.rows.iter().flat_map(|row| &feeder.intervals[row.interval].instruments_kwh);
        energies.flatten().sum()
    }

    pub(super) fn master(&self) -> usize {
        2 * self.loaded.len()
    }

    pub(super) fn standby(&self) -> usize {
        self.master() + 1
    }

    pub(super) fn linear(&self) -> usize {
        self.master() + 2
    }

    pub(super) fn quadratic(&self) -> usize {
        self.master() + 3
    }

    pub(super) fn prior(&self, feeder: &Feeder, settings: &Settings) -> Vec<Prior> {
        let of = |mean, standard_deviation| Prior { mean, standard_deviation };
        let count = self.loaded.len();
        let mut priors: Vec<Prior> = (0..count).map(|_| of(0.0, ITERATION_SD)).collect();
        priors.extend((0..count).map(|_| of(settings.branch_loss.0, settings.branch_loss.1)));
        priors.push(of(0.0, feeder.master_uncertainty));
        priors.push(of(0.0, settings.standby_sd_kw * feeder.instruments.len() as f64));
        priors.push(of(0.0, settings.linear_loss_sd));
        priors.push(of(settings.quadratic_loss.0, settings.quadratic_loss.1));
        priors
    }

    /// Derivatives of the energy before the master, by unknown, and that energy; the master's own factor is left to the caller.
    fn derivatives(&self, row: &Row, point: &Point) -> (Vec<(usize, f64)>, f64) {
        let count = self.loaded.len();
        let (mut derivatives, mut energy) = (Vec::with_capacity(2 * row.loads_kwh.len() + 4), 0.0);
        for (at, load) in &row.loads_kwh {
            let passed = load * libm::exp(-point[*at]);
            derivatives.push((*at, -passed));
            energy += passed;
        }
        for (at, load) in &row.loads_kwh {
            derivatives.push((count + at, load * load / (self.powers_kw[*at] * row.hours)));
        }
        derivatives.push((self.standby(), row.hours));
        derivatives.push((self.linear(), row.load_kwh));
        derivatives.push((self.quadratic(), row.load_kwh * row.load_kwh / (self.power_kw * row.hours)));
        let losses: f64 = derivatives[row.loads_kwh.len()..].iter().map(|(at, by)| by * point[*at]).sum();
        (derivatives, energy + losses)
    }

    /// Master less model, kWh.
    pub(super) fn residuals(&self, point: &Point) -> Vec<f64> {
        let of = |row: &Row| row.master_kwh - (1.0 + point[self.master()]) * self.derivatives(row, point).1;
        self.rows.iter().map(of).collect()
    }

    /// `Σ w x xᵀ` and `Σ w x r` with x the model's derivatives at the point.
    pub(super) fn normal_equations(
        &self,
        point: &Point,
        residuals: &[f64],
        weights: &[f64],
    ) -> (Symmetric, Vec<f64>) {
        let size = self.quadratic() + 1;
        let (mut matrix, mut score) = (Symmetric::zero(size), vec![0.0; size]);
        for ((row, residual), weight) in self.rows.iter().zip(residuals).zip(weights) {
            let (mut derivatives, energy) = self.derivatives(row, point);
            for (_, by) in &mut derivatives {
                *by *= 1.0 + point[self.master()];
            }
            derivatives.push((self.master(), energy));
            for (position, (at, by)) in derivatives.iter().enumerate() {
                let weighted = weight * by;
                score[*at] += weighted * residual;
                for (other, by) in &derivatives[..=position] {
                    matrix.add(*at, *other, weighted * by);
                }
            }
        }
        (matrix, score)
    }

    /// From information on `θ = λ + δη/η`, and on further unknowns behind them, to information on λ and these.
    ///
    /// # Formula
    /// `Cov(δη_i/η_i, δη_j/η_j) = ρ u_i u_j + F c_i c_j` (ρ 1 on the diagonal): c is common to F feeders, which are taken as independent of each
    /// other. Times F it is, for their mean, what it should be: `F c²/F = c²`; between feeders it makes too little of what they say.
    pub(super) fn eliminate_efficiencies(
        &self,
        feeder: &Feeder,
        settings: &Settings,
        matrix: &Symmetric,
        right: &[f64],
    ) -> Option<(Symmetric, Vec<f64>)> {
        let instrument = |at: usize| feeder.instruments[self.loaded[at]];
        let uncertainty = |at: usize| instrument(at).efficiency_uncertainty;
        let alike = settings.feeders_alike as f64;
        let kept = right.len();
        let unsure: Vec<usize> = (self.sure..self.loaded.len()).collect();
        let mut covariance = Symmetric::zero(unsure.len());
        for (row, at) in unsure.iter().enumerate() {
            for (column, other) in unsure.iter().enumerate().take(row + 1) {
                let correlation = if row == column { 1.0 } else { settings.efficiency_correlation };
                let common = alike * instrument(*at).efficiency_common * instrument(*other).efficiency_common;
                covariance.add(row, column, correlation * uncertainty(*at) * uncertainty(*other) + common);
            }
        }
        let precision = covariance.factor()?.inverse();
        // Unknowns λ and, behind them, δη/η: both enter as their sum.
        let source: Vec<usize> = (0..kept).chain(unsure.iter().copied()).collect();
        let mut whole = Symmetric::zero(source.len());
        for (row, at) in source.iter().enumerate() {
            for (column, other) in source.iter().enumerate().take(row + 1) {
                whole.add(row, column, matrix.get(*at, *other));
                if kept <= column {
                    whole.add(row, column, precision.get(row - kept, column - kept));
                }
            }
        }
        let right: Vec<f64> = source.iter().map(|at| right[*at]).collect();
        eliminate(&whole, &right, kept)
    }
}

/// The largest of mean powers, kW, but for the share [`BEYOND_FULL`] of them: one impossible row would else be the full load that losses are a
/// share of, and leave the losses of all others without a prior.
fn full_load(mut powers_kw: Vec<f64>) -> f64 {
    powers_kw.sort_by(f64::total_cmp);
    let beyond =
        if powers_kw.len() < ENOUGH { 0 } else { (BEYOND_FULL * powers_kw.len() as f64).ceil() as usize };
    powers_kw.len().checked_sub(1 + beyond).map_or(0.0, |at| powers_kw[at])
}

/// Energies of an interval that counts; else the reason is counted.
fn usable(interval: &Interval, usage: &mut Usage) -> Option<(f64, Vec<f64>)> {
    if HOURS_MAX < interval.hours {
        usage.too_long += 1;
        return None;
    }
    let Some(master) = interval.master_kwh else {
        usage.master_gaps += 1;
        return None;
    };
    let Some(energies) = interval.instruments_kwh.iter().copied().collect::<Option<Vec<f64>>>() else {
        usage.instrument_gaps += 1;
        return None;
    };
    if master < 0.0 || energies.iter().any(|energy| *energy < 0.0) {
        usage.resets += 1;
        return None;
    }
    usage.used += 1;
    Some((master, energies))
}

/// Gradient of the posterior at a point.
pub(super) fn gradient(priors: &[Prior], point: &Point, mut score: Vec<f64>) -> Vec<f64> {
    for ((score, prior), value) in score.iter_mut().zip(priors).zip(point) {
        *score += prior.precision() * (prior.mean - value);
    }
    score
}

/// The posterior's precision, factorised.
pub(super) fn posterior(priors: &[Prior], data: &Symmetric) -> Option<Factor> {
    let mut matrix = data.clone();
    for (at, prior) in priors.iter().enumerate() {
        matrix.add(at, at, prior.precision());
    }
    matrix.factor()
}

/// Intervals less what the unknowns have taken of them: `T − tr(D C)`, at least one.
pub(super) fn freedom(data: &Symmetric, covariance: &Symmetric, unknowns: usize, intervals: usize) -> f64 {
    let taken: f64 = (0..unknowns)
        .map(|i| (0..unknowns).map(|j| data.get(i, j) * covariance.get(i, j)).sum::<f64>())
        .sum();
    (intervals as f64 - taken).max(1.0)
}
