//! Comparison of instruments through travelling standards of unknown bias: the two-way estimator of metrology.md §2.1.
//!
//! Called by `assessment`. Instruments (charging piles there) are compared by travellers (vehicles there) that visit several
//! of them. No level comes out that was not put in: a connected set without an anchor yields differences only.
//!
//! # Model
//! `y_s = e_i − c − m_k − d_t + h_s·g + ε_s` with `ε_s ~ t_4(0, σ_s²)`, `σ_s² = σ₀² + (δ/W_s)²`, `d_t ~ N(0, σ_b²)`,
//! `m_k ~ N(0, σ_m²)`, `c ~ N(0, σ_c²)`, `g ~ N(0, σ_g²)`; y = ln(W_instrument / W_traveller), e flat.
//! An anchor is an observation `x ~ N(e_i, u²)`.
//!
//! # Method
//! Travellers are eliminated exactly, the rest is solved densely by Cholesky. Iteratively reweighted least squares for
//! Student-t noise; σ₀, δ by maximum t-likelihood of leverage-corrected residuals, σ_b by EM. (MAD/0.6745 is the scale of
//! normal noise and 35 % off for t_4, so it is not used.) The covariance is that of an M-estimator: data weights are
//! constants `κ/σ_s²`, `κ = E[ψ']²/E[ψ²]` from the residuals, while anchors and priors keep their own; scaling all of it by
//! one factor, as is often done, would inflate the anchors' part.

mod normal_equations;
mod scale;

use std::cmp::Ordering;

use thiserror::Error;

use crate::graph::DisjointSets;
use normal_equations::{NormalEquations, Solution};
use scale::Scale;

/// Degrees of freedom of the noise.
pub const NU: f64 = 4.0;

/// Rounds of reweighting at most; eight to twelve are usual.
const ROUNDS_MAX: usize = 15;

/// Rounds stop when no estimate moves by more than this share of its standard uncertainty: beyond it, more rounds say nothing.
const TOLERANCE: f64 = 0.01;

/// Leverage is capped here: a residual of a point that determines its own fit says nothing.
const LEVERAGE_MAX: f64 = 0.95;

/// From fewer comparisons, or travellers, than this no scale is estimated: the settings' is the better guess, and a handful of
/// residuals near zero would otherwise promise certainty.
const ENOUGH: usize = 30;

/// Below this share of a number a difference of two such numbers is rounding.
const RELATIVE_ROUNDING: f64 = 1e-9;

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Index of the instrument.
    pub instrument: usize,
    /// Index of the traveller.
    pub traveller: usize,
    /// ln(value by instrument / value by traveller).
    pub log_ratio: f64,
    /// Size of the measured quantity; small ones are noisier.
    pub size: f64,
    /// Covariates, as many as in every other comparison, centred by the caller; 0 where unknown.
    pub covariates: Vec<f64>,
}

/// A result that gives a level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Anchor {
    /// Index of the instrument.
    pub instrument: usize,
    /// Its error, fraction.
    pub error: f64,
    /// Standard uncertainty of that, fraction, drift since included.
    pub standard_uncertainty: f64,
}

/// What is compared.
#[derive(Debug, Clone, Default)]
pub struct Network {
    /// Number of instruments.
    pub instruments: usize,
    /// Model of each traveller, by number; none = unknown, its share of variance goes into the traveller's own bias.
    pub traveller_models: Vec<Option<usize>>,
    /// Number of models.
    pub models: usize,
    /// Number of covariates.
    pub covariates: usize,
    /// Comparisons, in any order: not one bit of the result depends on it.
    pub comparisons: Vec<Comparison>,
    /// Anchors.
    pub anchors: Vec<Anchor>,
}

/// Unknowns of the dense solution: three square matrices of this size take 0.9 GB, and their cost grows with the cube.
pub const UNKNOWNS_MAX: usize = 6_000;

/// An anchor weaker than this gives no level: against the prior of the common bias (σ_c = 1 %) the level would come from the
/// prior, not from a measurement. Half of σ_c leaves the prior a fifth of the say.
pub const GROUNDING_U_MAX: f64 = 0.005;

/// Priors and starting values, fractions (0.01 is 1 %).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Start of σ₀.
    pub noise: f64,
    /// Start of δ, in the unit of `size`.
    pub noise_size: f64,
    /// Start of σ_b.
    pub traveller_sd: f64,
    /// σ_m.
    pub model_sd: f64,
    /// σ_c.
    pub common_sd: f64,
    /// σ_g, per unit of covariate.
    pub covariate_sd: f64,
}

impl Default for Settings {
    /// The values of metrology.md §2.1.
    fn default() -> Self {
        Self {
            noise: 0.02,
            noise_size: 0.15,
            traveller_sd: 0.015,
            model_sd: 0.005,
            common_sd: 0.01,
            covariate_sd: 0.02,
        }
    }
}

/// An instrument's estimate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InstrumentEstimate {
    /// Connected set, numbered from 0 in the order of its first instrument.
    pub component: usize,
    /// Whether an anchor of standard uncertainty up to [`GROUNDING_U_MAX`] gives the set a level.
    pub grounded: bool,
    /// Comparisons it rests on.
    pub comparisons: usize,
    /// Error and standard uncertainty, fractions; in an ungrounded set the difference from the set's mean. None without
    /// comparison, and for one alone in an ungrounded set.
    pub error: Option<(f64, f64)>,
}

/// A traveller's estimate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TravellerEstimate {
    /// Connected set.
    pub component: usize,
    /// Comparisons it made.
    pub comparisons: usize,
    /// Bias `c + m_k + d_t` and standard uncertainty, fractions.
    pub bias: (f64, f64),
}

/// What came out.
#[derive(Debug, Clone)]
pub struct Fit {
    /// By index of instrument.
    pub instruments: Vec<InstrumentEstimate>,
    /// By index of traveller; none for one that compared nothing.
    pub travellers: Vec<Option<TravellerEstimate>>,
    /// How it went.
    pub diagnostics: Diagnostics,
}

/// An anchor held against everything else: the estimate of its instrument had it been left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AnchorCheck {
    /// Position in [`Network::anchors`].
    pub anchor: usize,
    /// E_n = (anchor − estimate without it) / (2 √(u_anchor² + u_without²)); beyond ±1 they contradict each other (k = 2).
    pub normalised_error: f64,
}

/// How a fit went.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnostics {
    /// Rounds made.
    pub rounds: usize,
    /// Whether the last round moved nothing.
    pub converged: bool,
    /// σ₀, fraction.
    pub noise: f64,
    /// δ, in the unit of `size`.
    pub noise_size: f64,
    /// σ_b, fraction.
    pub traveller_sd: f64,
    /// κ: information per comparison against normal noise of scale σ_s.
    pub efficiency: f64,
    /// Every anchor that something else can be said about, in the order of the network.
    pub anchors: Vec<AnchorCheck>,
}

/// Why there is no fit.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ComparisonError {
    /// An index is out of range, or a number is not finite or not positive where it must be.
    #[error("comparison {0} is malformed")]
    Malformed(usize),
    /// More unknowns than the dense solution is made for.
    #[error(
        "{0} unknowns (instruments, models, covariates) are more than the dense solution takes ({UNKNOWNS_MAX}); split the network"
    )]
    TooLarge(usize),
    /// The normal equations cannot be factorised.
    #[error("the normal equations are singular: the network is degenerate")]
    Singular,
}

/// Fits a network.
pub fn fit(network: &Network, settings: &Settings) -> Result<Fit, ComparisonError> {
    check(network)?;
    let given = network;
    let network = &sorted(network);
    let members = Members::of(network);
    let mut scale = Scale { noise: settings.noise, noise_size: settings.noise_size };
    let mut traveller_sd = settings.traveller_sd;
    let mut robust = vec![1.0; network.comparisons.len()];
    let mut last: Option<Vec<f64>> = None;
    let mut robust_variances = Vec::new();
    let mut rounds = 0;
    let mut converged = false;
    let mut efficiency = 1.0;
    while rounds < ROUNDS_MAX && !converged {
        rounds += 1;
        let weights: Vec<f64> = network
            .comparisons
            .iter()
            .zip(&robust)
            .map(|(comparison, robust)| robust / scale.variance(comparison.size))
            .collect();
        let equations = NormalEquations::build(network, &members, settings, traveller_sd, &weights);
        let solution = equations.solve().ok_or(ComparisonError::Singular)?;
        let residuals = equations.residuals(network, &solution);
        scale = Scale::fit(network, &residuals, scale, rounds - 1);
        traveller_sd = equations.traveller_sd(network, &solution, settings, traveller_sd);
        let standardised: Vec<f64> = network
            .comparisons
            .iter()
            .zip(&residuals)
            .map(|(comparison, residual)| residual / scale.variance(comparison.size).sqrt())
            .collect();
        for (robust, z) in robust.iter_mut().zip(&standardised) {
            *robust = (NU + 1.0) / (NU + z * z);
        }
        efficiency = scale::efficiency(&standardised);
        robust_variances = (0..network.instruments)
            .map(|instrument| solution.covariance.get(instrument, instrument))
            .collect::<Vec<f64>>();
        converged = last.as_ref().is_some_and(|last| {
            let moved = last.iter().zip(&solution.estimates).map(|(before, now)| (before - now).abs());
            moved.zip(&robust_variances).all(|(moved, variance)| moved < TOLERANCE * variance.sqrt())
        });
        last = Some(solution.estimates);
    }
    let estimates = last.unwrap_or_default();
    let weights: Vec<f64> =
        network.comparisons.iter().map(|comparison| efficiency / scale.variance(comparison.size)).collect();
    let equations = NormalEquations::build(network, &members, settings, traveller_sd, &weights);
    let mut solution = equations.solve().ok_or(ComparisonError::Singular)?;
    // Estimates from the robust weights, covariance from the constant ones.
    solution.estimates = estimates;
    Ok(Fit {
        instruments: instruments(network, &members, &solution),
        travellers: equations.travellers(network, &members, &solution, &robust, &scale),
        diagnostics: Diagnostics {
            rounds,
            converged,
            noise: scale.noise,
            noise_size: scale.noise_size,
            traveller_sd,
            efficiency,
            anchors: check_anchors(given, &robust_variances, &solution),
        },
    })
}

/// The network with comparisons and anchors in an order of their own: the last bits of sums must not depend on the caller's.
fn sorted(network: &Network) -> Network {
    let mut network = network.clone();
    network.comparisons.sort_by(|a, b| {
        let places = (a.traveller, a.instrument).cmp(&(b.traveller, b.instrument));
        let values = |c: &Comparison| [c.log_ratio, c.size];
        let numbers =
            |c: &Comparison| values(c).into_iter().chain(c.covariates.clone()).collect::<Vec<f64>>();
        places.then_with(|| {
            let (a, b) = (numbers(a), numbers(b));
            a.iter()
                .zip(&b)
                .map(|(a, b)| a.total_cmp(b))
                .find(|order| order.is_ne())
                .unwrap_or(Ordering::Equal)
        })
    });
    network.anchors.sort_by(|a, b| {
        let order = a.instrument.cmp(&b.instrument).then(a.error.total_cmp(&b.error));
        order.then(a.standard_uncertainty.total_cmp(&b.standard_uncertainty))
    });
    network
}

fn check(network: &Network) -> Result<(), ComparisonError> {
    let unknowns = network.instruments + network.models + network.covariates + 1;
    if unknowns > UNKNOWNS_MAX {
        return Err(ComparisonError::TooLarge(unknowns));
    }
    let travellers = network.traveller_models.len();
    for (index, comparison) in network.comparisons.iter().enumerate() {
        let fits = comparison.instrument < network.instruments
            && comparison.traveller < travellers
            && comparison.covariates.len() == network.covariates
            && comparison.log_ratio.is_finite()
            && comparison.size.is_finite()
            && 0.0 < comparison.size
            && comparison.covariates.iter().all(|value| value.is_finite());
        if !fits {
            return Err(ComparisonError::Malformed(index));
        }
    }
    let anchors_fit = network.anchors.iter().all(|anchor| {
        anchor.instrument < network.instruments
            && anchor.error.is_finite()
            && anchor.standard_uncertainty.is_finite()
            && 0.0 < anchor.standard_uncertainty
    });
    if anchors_fit { Ok(()) } else { Err(ComparisonError::Malformed(network.comparisons.len())) }
}

/// Who belongs to which connected set, and who takes part at all.
struct Members {
    instrument_component: Vec<usize>,
    traveller_component: Vec<usize>,
    grounded: Vec<bool>,
    instrument_comparisons: Vec<usize>,
    instrument_anchored: Vec<bool>,
}

impl Members {
    fn of(network: &Network) -> Self {
        let travellers = network.traveller_models.len();
        let mut sets = DisjointSets::new(network.instruments + travellers);
        let mut instrument_comparisons = vec![0; network.instruments];
        for comparison in &network.comparisons {
            sets.join(comparison.instrument, network.instruments + comparison.traveller);
            instrument_comparisons[comparison.instrument] += 1;
        }
        let mut number = vec![usize::MAX; network.instruments + travellers];
        let mut components = 0;
        let mut component_of = |element: usize, sets: &mut DisjointSets| {
            let root = sets.root(element);
            if number[root] == usize::MAX {
                number[root] = components;
                components += 1;
            }
            number[root]
        };
        let instrument_component: Vec<_> =
            (0..network.instruments).map(|i| component_of(i, &mut sets)).collect();
        let traveller_component: Vec<_> =
            (0..travellers).map(|t| component_of(network.instruments + t, &mut sets)).collect();
        let mut grounded = vec![false; components];
        let mut instrument_anchored = vec![false; network.instruments];
        for anchor in &network.anchors {
            if anchor.standard_uncertainty <= GROUNDING_U_MAX {
                grounded[instrument_component[anchor.instrument]] = true;
            }
            instrument_anchored[anchor.instrument] = true;
        }
        Self {
            instrument_component,
            traveller_component,
            grounded,
            instrument_comparisons,
            instrument_anchored,
        }
    }

    /// Whether anything is known of an instrument.
    fn takes_part(&self, instrument: usize) -> bool {
        self.instrument_comparisons[instrument] > 0 || self.instrument_anchored[instrument]
    }
}

fn instruments(network: &Network, members: &Members, solution: &Solution) -> Vec<InstrumentEstimate> {
    let mut sets: Vec<Vec<usize>> = vec![Vec::new(); members.grounded.len()];
    for instrument in (0..network.instruments).filter(|instrument| members.takes_part(*instrument)) {
        sets[members.instrument_component[instrument]].push(instrument);
    }
    (0..network.instruments)
        .map(|instrument| {
            let component = members.instrument_component[instrument];
            let grounded = members.grounded[component];
            let error = if members.instrument_comparisons[instrument] == 0 {
                None
            } else if grounded {
                Some((solution.estimates[instrument], solution.covariance.get(instrument, instrument).sqrt()))
            } else {
                difference_from_mean(instrument, &sets[component], solution)
            };
            InstrumentEstimate {
                component,
                grounded,
                comparisons: members.instrument_comparisons[instrument],
                error,
            }
        })
        .collect()
}

/// Leaves every anchor out in turn.
///
/// # Formula
/// With e the estimate at its instrument, C its variance in the robust equations that gave e and K in the constant ones:
/// `e' = (e/C − x/u²) / (1/C − 1/u²)` and the variance of e' is `1 / (1/K − 1/u²)`.
fn check_anchors(network: &Network, robust_variances: &[f64], solution: &Solution) -> Vec<AnchorCheck> {
    let check = |(anchor, at): (usize, &Anchor)| {
        let (i, own) = (at.instrument, at.standard_uncertainty * at.standard_uncertainty);
        let (robust, constant) = (robust_variances.get(i)?, solution.covariance.get(i, i));
        let (robust_left, left) = (1.0 / robust - 1.0 / own, 1.0 / constant - 1.0 / own);
        // What is left must be more than rounding.
        if robust_left <= RELATIVE_ROUNDING / robust || left <= RELATIVE_ROUNDING / constant {
            return None;
        }
        let without = (solution.estimates[i] / robust - at.error / own) / robust_left;
        Some(AnchorCheck {
            anchor,
            normalised_error: (at.error - without) / (2.0 * (own + 1.0 / left).sqrt()),
        })
    };
    network.anchors.iter().enumerate().filter_map(check).collect()
}

/// An instrument's estimate against the mean of its set, with the uncertainty of that difference; none if it is alone there.
fn difference_from_mean(instrument: usize, set: &[usize], solution: &Solution) -> Option<(f64, f64)> {
    if set.len() < 2 {
        return None;
    }
    let n = set.len() as f64;
    let mean = set.iter().map(|other| solution.estimates[*other]).sum::<f64>() / n;
    let covariance = |a: usize, b: usize| solution.covariance.get(a, b);
    let with_mean = set.iter().map(|other| covariance(instrument, *other)).sum::<f64>() / n;
    let of_mean =
        set.iter().map(|a| set.iter().map(|b| covariance(*a, *b)).sum::<f64>()).sum::<f64>() / (n * n);
    let variance = covariance(instrument, instrument) - 2.0 * with_mean + of_mean;
    Some((solution.estimates[instrument] - mean, variance.max(0.0).sqrt()))
}

#[cfg(test)]
mod tests;
