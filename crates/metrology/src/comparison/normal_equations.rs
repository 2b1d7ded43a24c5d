//! The normal equations with travellers eliminated.
//!
//! # Formula
//! Parameters β = (e, c, m, g); a comparison's row is x_s = (+1 at its instrument, −1 at c, −1 at its model, h_s at g) and −1
//! at its traveller's d. With `u_t = Σ_{s∈t} w x`, `W_t = Σ w`, `r_t = Σ w y`, `f_t = 1/(W_t + 1/σ_t²)`:
//! `J = Σ w x xᵀ + P − Σ_t f_t u_t u_tᵀ`, `b = Σ w x y − Σ_t f_t u_t r_t`, and back: `d_t = f_t (u_tᵀβ − r_t)`.

use super::scale::Scale;
use super::{Comparison, ENOUGH, LEVERAGE_MAX, Members, Network, Settings, TravellerEstimate};
use crate::cholesky::Symmetric;

/// A sparse row: parameter and coefficient, each parameter once.
type Row = Vec<(usize, f64)>;

/// Solved equations.
pub(super) struct Solution {
    /// β.
    pub(super) estimates: Vec<f64>,
    /// J⁻¹.
    pub(super) covariance: Symmetric,
}

/// What a traveller contributes.
struct Traveller {
    /// u_t.
    row: Row,
    /// r_t.
    weighted: f64,
    /// f_t; 0 for one that compared nothing.
    variance: f64,
}

/// `C u_t` at the parameters that a traveller touches, and `u_tᵀ C u_t`.
struct Spread {
    products: Row,
    square: f64,
}

impl Spread {
    fn of(traveller: &Traveller, solution: &Solution) -> Self {
        let product =
            |at: usize| traveller.row.iter().map(|(j, b)| b * solution.covariance.get(at, *j)).sum::<f64>();
        let products: Row = traveller.row.iter().map(|(at, _)| (*at, product(*at))).collect();
        let square = traveller.row.iter().zip(&products).map(|((_, a), (_, product))| a * product).sum();
        Self { products, square }
    }

    fn at(&self, parameter: usize) -> f64 {
        self.products.iter().find(|(at, _)| *at == parameter).map_or(0.0, |(_, product)| *product)
    }
}

/// J and b, and what is needed to come back from them.
pub(super) struct NormalEquations<'a> {
    matrix: Symmetric,
    right: Vec<f64>,
    travellers: Vec<Traveller>,
    weights: &'a [f64],
}

/// Parameters of a network, by position.
fn common(network: &Network) -> usize {
    network.instruments
}

fn model(network: &Network, model: usize) -> usize {
    network.instruments + 1 + model
}

fn covariate(network: &Network, covariate: usize) -> usize {
    network.instruments + 1 + network.models + covariate
}

fn row(network: &Network, comparison: &Comparison) -> Row {
    let mut row = vec![(comparison.instrument, 1.0), (common(network), -1.0)];
    if let Some(k) = network.traveller_models[comparison.traveller] {
        row.push((model(network, k), -1.0));
    }
    for (index, value) in comparison.covariates.iter().enumerate() {
        if *value != 0.0 {
            row.push((covariate(network, index), *value));
        }
    }
    row
}

fn dot(row: &Row, values: &[f64]) -> f64 {
    row.iter().map(|(at, coefficient)| coefficient * values[*at]).sum()
}

/// Prior variance of a traveller's own bias; that of its model joins it where the model is unknown.
fn prior_variance(settings: &Settings, traveller_sd: f64, known_model: bool) -> f64 {
    traveller_sd.powi(2) + if known_model { 0.0 } else { settings.model_sd.powi(2) }
}

impl<'a> NormalEquations<'a> {
    pub(super) fn build(
        network: &Network,
        members: &Members,
        settings: &Settings,
        traveller_sd: f64,
        weights: &'a [f64],
    ) -> Self {
        let size = covariate(network, network.covariates);
        let mut equations = Self {
            matrix: Symmetric::zero(size),
            right: vec![0.0; size],
            travellers: (0..network.traveller_models.len())
                .map(|_| Traveller { row: Row::new(), weighted: 0.0, variance: 0.0 })
                .collect(),
            weights,
        };
        equations.add_priors(network, members, settings);
        let mut sums = vec![0.0; network.traveller_models.len()];
        for (comparison, weight) in network.comparisons.iter().zip(weights) {
            equations.add(network, comparison, *weight);
            sums[comparison.traveller] += weight;
        }
        for (t, sum) in sums.iter().enumerate() {
            if *sum > 0.0 {
                let known_model = network.traveller_models[t].is_some();
                equations
                    .eliminate(t, 1.0 / (sum + 1.0 / prior_variance(settings, traveller_sd, known_model)));
            }
        }
        equations
    }

    fn add_priors(&mut self, network: &Network, members: &Members, settings: &Settings) {
        for instrument in (0..network.instruments).filter(|instrument| !members.takes_part(*instrument)) {
            // Nothing is known of it and nothing is said of it; a one on the diagonal keeps the matrix regular.
            self.matrix.add(instrument, instrument, 1.0);
        }
        let mut prior = |at: usize, sd: f64| self.matrix.add(at, at, sd.powi(-2));
        prior(common(network), settings.common_sd);
        (0..network.models).for_each(|k| prior(model(network, k), settings.model_sd));
        (0..network.covariates).for_each(|q| prior(covariate(network, q), settings.covariate_sd));
        for anchor in &network.anchors {
            let weight = anchor.standard_uncertainty.powi(-2);
            self.matrix.add(anchor.instrument, anchor.instrument, weight);
            self.right[anchor.instrument] += weight * anchor.error;
        }
    }

    fn add(&mut self, network: &Network, comparison: &Comparison, weight: f64) {
        let row = row(network, comparison);
        for (position, (i, a)) in row.iter().enumerate() {
            for (j, b) in &row[..=position] {
                self.matrix.add(*i, *j, weight * a * b);
            }
            self.right[*i] += weight * a * comparison.log_ratio;
        }
        let traveller = &mut self.travellers[comparison.traveller];
        traveller.weighted += weight * comparison.log_ratio;
        for (at, coefficient) in row {
            match traveller.row.iter_mut().find(|(known, _)| *known == at) {
                Some((_, sum)) => *sum += weight * coefficient,
                None => traveller.row.push((at, weight * coefficient)),
            }
        }
    }

    fn eliminate(&mut self, t: usize, variance: f64) {
        let traveller = &mut self.travellers[t];
        traveller.variance = variance;
        for (position, (i, a)) in traveller.row.iter().enumerate() {
            for (j, b) in &traveller.row[..=position] {
                self.matrix.add(*i, *j, -variance * a * b);
            }
            self.right[*i] -= variance * a * traveller.weighted;
        }
    }

    /// Solves; none if singular.
    pub(super) fn solve(&self) -> Option<Solution> {
        let factor = self.matrix.clone().factor()?;
        Some(Solution { estimates: factor.solve(&self.right), covariance: factor.inverse() })
    }

    /// A traveller's own bias d_t.
    fn own_bias(&self, t: usize, solution: &Solution) -> f64 {
        let traveller = &self.travellers[t];
        traveller.variance * (dot(&traveller.row, &solution.estimates) - traveller.weighted)
    }

    /// Variance of `aᵀβ` for a sparse a.
    fn variance_of(solution: &Solution, row: &Row) -> f64 {
        row.iter()
            .map(|(i, a)| row.iter().map(|(j, b)| a * b * solution.covariance.get(*i, *j)).sum::<f64>())
            .sum()
    }

    /// Residuals, each divided by √(1 − leverage), so that they have the noise's own scale also where a traveller made few
    /// comparisons and its bias follows them.
    ///
    /// # Formula
    /// `h_s = w_s (a C aᵀ + f_t)` with `a = x_s − f_t u_t`; expanded so that `C u_t` is made once a traveller.
    pub(super) fn residuals(&self, network: &Network, solution: &Solution) -> Vec<f64> {
        let spreads: Vec<Spread> =
            self.travellers.iter().map(|traveller| Spread::of(traveller, solution)).collect();
        network
            .comparisons
            .iter()
            .zip(self.weights)
            .map(|(comparison, weight)| {
                let traveller = &self.travellers[comparison.traveller];
                let spread = &spreads[comparison.traveller];
                let x = row(network, comparison);
                let residual = comparison.log_ratio - dot(&x, &solution.estimates)
                    + self.own_bias(comparison.traveller, solution);
                let mixed: f64 = x.iter().map(|(at, a)| a * spread.at(*at)).sum();
                let of_fit = Self::variance_of(solution, &x) - 2.0 * traveller.variance * mixed
                    + traveller.variance * traveller.variance * spread.square;
                let leverage = weight * (of_fit + traveller.variance);
                residual / (1.0 - leverage.clamp(0.0, LEVERAGE_MAX)).sqrt()
            })
            .collect()
    }

    /// One EM step for σ_b: the mean second moment of the travellers' own biases, less the models' share where it is mixed in.
    pub(super) fn traveller_sd(
        &self,
        network: &Network,
        solution: &Solution,
        settings: &Settings,
        before: f64,
    ) -> f64 {
        let (mut sum, mut count, mut unknown) = (0.0, 0.0, 0.0);
        for (t, traveller) in self.travellers.iter().enumerate().filter(|(_, t)| t.variance > 0.0) {
            let own = self.own_bias(t, solution);
            let spread =
                traveller.variance + traveller.variance.powi(2) * Self::variance_of(solution, &traveller.row);
            sum += own * own + spread;
            count += 1.0;
            unknown += if network.traveller_models[t].is_none() { 1.0 } else { 0.0 };
        }
        if count < ENOUGH as f64 {
            return before;
        }
        // The moment of a traveller of unknown model contains σ_m² too.
        let known = unknown / count * settings.model_sd * settings.model_sd;
        (sum / count - known).max(TRAVELLER_SD_MIN.powi(2)).sqrt()
    }

    /// The travellers' whole biases with uncertainties.
    pub(super) fn travellers(
        &self,
        network: &Network,
        members: &Members,
        solution: &Solution,
        robust: &[f64],
        scale: &Scale,
    ) -> Vec<Option<TravellerEstimate>> {
        let mut comparisons = vec![0usize; self.travellers.len()];
        let (mut sums, mut weighted) = (vec![0.0; self.travellers.len()], vec![0.0; self.travellers.len()]);
        for (comparison, robust) in network.comparisons.iter().zip(robust) {
            let weight = robust / scale.variance(comparison.size);
            comparisons[comparison.traveller] += 1;
            sums[comparison.traveller] += weight;
            weighted[comparison.traveller] +=
                weight * (dot(&row(network, comparison), &solution.estimates) - comparison.log_ratio);
        }
        self.travellers
            .iter()
            .enumerate()
            .map(|(t, traveller)| {
                if traveller.variance == 0.0 {
                    return None;
                }
                let weight_with_prior = sums[t] + (1.0 / traveller.variance - self.weight_sum(network, t));
                let own = weighted[t] / weight_with_prior;
                let mut gradient: Row = vec![(common(network), 1.0)];
                gradient.extend(network.traveller_models[t].map(|k| (model(network, k), 1.0)));
                let whole = own + gradient.iter().map(|(at, _)| solution.estimates[*at]).sum::<f64>();
                for (at, coefficient) in &traveller.row {
                    let change = traveller.variance * coefficient;
                    match gradient.iter_mut().find(|(known, _)| known == at) {
                        Some((_, sum)) => *sum += change,
                        None => gradient.push((*at, change)),
                    }
                }
                let variance = Self::variance_of(solution, &gradient) + traveller.variance;
                Some(TravellerEstimate {
                    component: members.traveller_component[t],
                    comparisons: comparisons[t],
                    bias: (whole, variance.sqrt()),
                })
            })
            .collect()
    }

    /// Σ w of one traveller: minus its coefficient at c, which every row has.
    fn weight_sum(&self, network: &Network, t: usize) -> f64 {
        let at_common = self.travellers[t].row.iter().find(|(at, _)| *at == common(network));
        at_common.map_or(0.0, |(_, coefficient)| -coefficient)
    }
}

/// σ_b is never taken below this, or the travellers' biases would freeze at zero.
const TRAVELLER_SD_MIN: f64 = 1e-4;
