//! Comparison of instruments through travelling standards of unknown bias: the two-way estimator of metrology.md §2.1.
//!
//! Called by `assessment`. Instruments (charging piles there) are compared by travellers (vehicles there) that visit several
//! of them. No level comes out that was not put in: a connected set without an anchor yields differences only.
//!
//! # Model
//! `y_s = e_i + a_ik − c_f − m_k − d_t + h_s·g + ε_s` with `ε_s ~ t_ν(0, σ_s²)`, `σ_s² = σ₀² + (δ/W_s)²`, `d_t ~ N(0, σ_b²)`,
//! `m_k ~ N(0, σ_m²)`, `c_f ~ N(0, σ_c²)`, `g ~ N(0, σ_g²)`, `a_ik ~ N(0, σ_i²)`; y = ln(W_instrument / W_traveller), e flat. Classes of
//! comparisons (ways on which the traveller's value came) have their own σ₀, δ and a bias of their own against the first, which is
//! one of the g. A traveller of known bias (a reference) has `d ~ N(0, u²)` and neither c nor m. An anchor is an observation
//! `x ~ N(e_i, u²)`; [`Information`] is the same for several instruments at once.
//!
//! A fleet is travellers that met at instruments, directly or through others: each has a bias c_f in common. Two fleets share what models
//! are off by (m_k), covariates and classes (g) and scales, and nothing else: what is measured in one city says of another's vehicles only
//! what both cities' models say.
//!
//! One traveller that was in both cities makes them one fleet, but not alike. Where a fleet falls into communities, travellers that mostly met each
//! other, each has a bias `c_k ~ N(c_f, τ²)`. What few have travelled then says of one community's level no more than they compared themselves,
//! and what is presumed of the others is as sure as the data say that communities are alike: τ is learnt from all fleets that have several.
//!
//! Where nothing but comparisons is known of a connected set, c_f cannot be told from the level of its e: with `e' = e − c_f`, flat as
//! well, it is in no comparison. All such fleets have one c together, of which nothing is learnt; differences, models and everybody else's
//! estimates are what they would be with one each.
//!
//! # Method
//! Travellers are eliminated exactly; what is left is solved by Cholesky, or by conjugate gradients where it is large. Iteratively
//! reweighted least squares for Student-t noise; σ₀, δ, ν by maximum t-likelihood of leverage-corrected residuals, σ_b and σ_i by
//! maximum likelihood. (MAD/0.6745 is the scale of normal noise and 35 % off for t_4, so it is not used.) The covariance is that of
//! an M-estimator: data weights are constants `κ/σ_s²`, `κ = E[ψ']²/E[ψ²]` from the residuals, while anchors and priors keep their
//! own; scaling all of it by one factor, as is often done, would inflate the anchors' part.
//!
//! The interaction a_ik (an instrument that reads one model of travellers otherwise than the others) is not solved for: the weights of
//! its comparisons are divided by `1 + σ_i² W_ik`, W_ik what they together say of e_i. However many comparisons of one model there
//! are, they say no more than `1/σ_i²`: that is what it would come to were travellers' biases known, and keeps one model's many
//! visits from promising what its maker's peculiarities do not allow.

mod checks;
mod clusters;
mod communities;
mod equations;
mod fleets;
mod layout;
mod linked;
mod members;
mod network;
mod probe;
mod residuals;
mod rounds;
mod scale;
mod solver;
mod travellers;

use thiserror::Error;

pub use checks::{AnchorCheck, CHECKED_MAX, InformationCheck, TravellerCheck};
#[cfg(test)]
use equations::{Equations, Weights};
use layout::Layout;
use members::Members;
use network::check;
pub use network::{Anchor, COMPARISONS_MAX, Comparison, Comparisons, Information, Network, Traveller};
use rounds::{Solved, State};
use scale::Scale;
pub use solver::Covariance;

/// Rounds of reweighting at most; eight are usual, some twenty-five where evidence is scarce and weights follow single comparisons.
const ROUNDS_MAX: usize = 60;

/// Rounds stop when no estimate moves by more than this share of its standard uncertainty: beyond it, more rounds say nothing.
const TOLERANCE: f64 = 0.01;

/// Leverages are computed anew every so many rounds: they follow the design, which stays, and scales, which settle soon.
const LEVERAGE_ROUNDS: usize = 3;

/// Rounds in which scales are still fitted. They settle within six; where evidence is scarce their likelihoods are so flat that they
/// would tremble for ever, and estimates with them.
const SCALE_ROUNDS: usize = 12;

/// Leverage is capped here: a residual of a point that determines its own fit says nothing.
const LEVERAGE_MAX: f64 = 0.95;

/// What communities of a fleet differ by is learnt when no estimate moves by more than this share of its standard uncertainty.
const ABOUT_SETTLED: f64 = 0.3;

/// Where they differ by less (0.005 %) they are taken for alike, as if there were one: beside an anchor of U = 0.15 % it is a two-hundredth of the
/// variance.
const ALIKE_BELOW: f64 = 5e-5;

/// From fewer comparisons, or travellers, than this no scale is estimated: the settings' is the better guess, and a handful of
/// residuals near zero would otherwise promise certainty.
const ENOUGH: usize = 30;

/// Up to so many unknowns each round is solved directly, and leverages are exact.
const DIRECT_MAX: usize = 1_000;

/// Up to so many unknowns the covariance is exact: its factor takes 0.6 GB.
pub const DENSE_MAX: usize = 12_000;

/// An anchor weaker than this gives no level: its U alone would be the whole limit of class 1, and no instrument of its set could be held
/// against that. Beside it the prior of the common bias (σ_c = 10 %) has a four-hundredth of the say.
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
    /// Start of σ_i.
    pub interaction_sd: f64,
    /// σ_m.
    pub model_sd: f64,
    /// σ_c, of each fleet.
    pub common_sd: f64,
    /// Root mean square of τ before anything is known; 0 where the travellers of a fleet are alike, whoever mostly met whom.
    pub linked_sd: f64,
    /// σ_g of a covariate of deviation 1.
    pub covariate_sd: f64,
    /// σ_g of a class.
    pub class_sd: f64,
}

impl Default for Settings {
    /// Values of metrology.md §2.1 for charging sessions in kWh, but for σ_c, which is 1 % there: where vehicles of a whole city read 5 % off, as some
    /// that count what the battery keeps do, that would be five standard deviations, and hold against whoever measured it. Cities that share vehicles
    /// differ in the mean by what it has for cities.
    fn default() -> Self {
        Self {
            noise: 0.02,
            noise_size: 0.15,
            traveller_sd: 0.015,
            interaction_sd: 0.001,
            model_sd: 0.005,
            common_sd: 0.1,
            linked_sd: 0.01,
            covariate_sd: 0.02,
            class_sd: 0.01,
        }
    }
}

/// An instrument's estimate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InstrumentEstimate {
    /// Connected set, numbered from 0 in the order of its first instrument.
    pub component: usize,
    /// Community that it is at home in, numbered over the network, where its fleet has several that differ.
    pub community: Option<usize>,
    /// Whether an anchor of standard uncertainty up to [`GROUNDING_U_MAX`] (or what is worth one) gives the set a level.
    pub grounded: bool,
    /// Comparisons it rests on.
    pub comparisons: usize,
    /// Whether [`Information`] speaks of it too.
    pub is_balanced: bool,
    /// Error and standard uncertainty, fractions; in an ungrounded set the difference from the set's mean. None where nothing but an
    /// anchor is known of it, and for one alone in an ungrounded set.
    pub error: Option<(f64, f64)>,
}

/// A traveller's estimate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TravellerEstimate {
    /// Connected set.
    pub component: usize,
    /// Comparisons it made.
    pub comparisons: usize,
    /// Bias `c_k + m_k + d_t` and standard uncertainty, fractions.
    pub bias: (f64, f64),
}

/// What a comparison leaves over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Residual {
    /// In units of its own scale, of the noise's distribution.
    pub standardised: f64,
    /// σ_s, fraction.
    pub scale: f64,
}

/// What came out.
#[derive(Debug)]
pub struct Fit {
    /// By index of instrument.
    pub instruments: Vec<InstrumentEstimate>,
    /// By index of traveller; none for one that compared nothing.
    pub travellers: Vec<Option<TravellerEstimate>>,
    /// By position of comparison.
    pub residuals: Vec<Residual>,
    /// Effect of each covariate on y per unit of it, fractions.
    pub covariates: Vec<f64>,
    /// Bias of each class against the first in y, fractions; 0 for the first.
    pub classes: Vec<f64>,
    /// Covariance of the instruments' errors.
    pub covariance: Covariance,
    /// How it went.
    pub diagnostics: Diagnostics,
}

/// Noise of a class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassNoise {
    /// σ₀, fraction.
    pub noise: f64,
    /// δ, in the unit of `size`.
    pub noise_size: f64,
    /// ν.
    pub degrees_of_freedom: f64,
}

/// How a fit went.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnostics {
    /// Rounds made.
    pub rounds: usize,
    /// Whether the last round moved nothing.
    pub converged: bool,
    /// Largest move of an estimate in the last round, in units of what it would vary by were all others known.
    pub moved: f64,
    /// Of each class.
    pub classes: Vec<ClassNoise>,
    /// σ_b, fraction.
    pub traveller_sd: f64,
    /// σ_i, fraction.
    pub interaction_sd: f64,
    /// τ, fraction; none where no fleet has several communities, or they are alike.
    pub linked_sd: Option<f64>,
    /// κ: information per comparison against normal noise of scale σ_s.
    pub efficiency: f64,
    /// Every anchor that something else can be said about, in the order of the network.
    pub anchors: Vec<AnchorCheck>,
    /// Anchors of a large network that were held against nothing: more than [`CHECKED_MAX`].
    pub anchors_unchecked: usize,
    /// Every traveller of known bias that could give a level by itself and that something else can be said about, in their order.
    pub calibrations: Vec<TravellerCheck>,
    /// All other information that something else can be said about, in the order of the network.
    pub information: Vec<InformationCheck>,
}

/// Why there is no fit.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ComparisonError {
    /// An index is out of range, or a number is not finite or not positive where it must be.
    #[error("comparison {0} is malformed")]
    Malformed(usize),
    /// An anchor, or other information, is malformed.
    #[error("anchor {0} is malformed")]
    MalformedAnchor(usize),
    /// More comparisons than positions are made for.
    #[error("{0} comparisons are more than one fit takes ({COMPARISONS_MAX}); take a shorter time")]
    TooMany(usize),
    /// The normal equations cannot be solved.
    #[error("the normal equations are singular: the network is degenerate")]
    Singular,
}

/// Fits a network.
pub fn fit(network: &Network, settings: &Settings) -> Result<Fit, ComparisonError> {
    check(network)?;
    let layout = Layout::of(network)?;
    let mut members = Members::of(network, &layout, settings);
    let mut places = places_of(&members);
    let mut state = State::start(network, &layout, &members, settings);
    let mut solved = state.round(network, &layout, &members, settings, &places)?;
    let mut is_open = !members.fleets.linked.is_empty();
    while state.rounds < ROUNDS_MAX && (is_open || !state.converged) {
        if is_open && (state.moved < ABOUT_SETTLED || SCALE_ROUNDS <= state.rounds) {
            is_open = false;
            let sd = linked::sd(network, &layout, &members, settings, &state, &places);
            state.linked_sd = sd.unwrap_or(settings.linked_sd);
            if state.linked_sd < ALIKE_BELOW {
                members.take_for_alike(network, &layout);
                places = places_of(&members);
                state.reshape(network, &members);
            }
        }
        solved = state.round(network, &layout, &members, settings, &places)?;
    }
    finish(network, layout, &members, settings, places, &state, &solved)
}

/// Where each instrument, and then each fleet, stands in a factor: set by set, so that sets have nothing to do with each other but in the border.
fn places_of(members: &Members) -> Vec<u32> {
    let sets: Vec<usize> = members.instrument_set.iter().chain(&members.fleets.sets).copied().collect();
    let mut order: Vec<u32> = (0..sets.len() as u32).collect();
    order.sort_by_key(|at| sets[*at as usize]);
    let mut places = vec![0; order.len()];
    (0..).zip(&order).for_each(|(place, at)| places[*at as usize] = place);
    places
}

/// Estimates from the robust weights, covariance from the constant ones.
fn finish(
    network: &Network,
    layout: Layout,
    members: &Members,
    settings: &Settings,
    places: Vec<u32>,
    state: &State,
    solved: &Solved,
) -> Result<Fit, ComparisonError> {
    let equations = state.constant(network, &layout, members, settings);
    let residuals = residuals_of(&layout, state);
    let covariance = Covariance::of(equations, layout, places, members).ok_or(ComparisonError::Singular)?;
    let (covariates, classes) = solved.equations.shape.effects(&state.beta);
    let left_out = checks::left_out(network, members, state, solved, &covariance);
    let class = |scale: &Scale| ClassNoise {
        noise: scale.noise,
        noise_size: scale.noise_size,
        degrees_of_freedom: scale.degrees,
    };
    Ok(Fit {
        instruments: instruments(members, &state.beta, &covariance),
        travellers: travellers::estimates(network, members, &solved.equations, &state.beta, &covariance),
        residuals,
        covariates,
        classes,
        diagnostics: Diagnostics {
            rounds: state.rounds,
            converged: state.converged,
            moved: state.moved,
            classes: state.scales.iter().map(class).collect(),
            traveller_sd: state.traveller_sd,
            interaction_sd: state.interaction_sd,
            linked_sd: (!members.fleets.linked.is_empty()).then_some(state.linked_sd),
            efficiency: state.response.efficiency,
            anchors: left_out.anchors,
            anchors_unchecked: left_out.anchors_unchecked,
            calibrations: left_out.travellers,
            information: left_out.information,
        },
        covariance,
    })
}

/// In the caller's order.
fn residuals_of(layout: &Layout, state: &State) -> Vec<Residual> {
    let mut residuals = vec![Residual { standardised: 0.0, scale: 0.0 }; layout.caller.len()];
    for (s, caller) in layout.caller.iter().enumerate() {
        let scale = state.scale(layout, s).variance(layout.inverse_square[s]).sqrt();
        residuals[*caller as usize] = Residual { standardised: state.standardised[s], scale };
    }
    residuals
}

fn instruments(members: &Members, beta: &[f64], covariance: &Covariance) -> Vec<InstrumentEstimate> {
    let mut means = vec![None; members.grounded.len()];
    for set in members.sets() {
        let sum: f64 = set.instruments.iter().map(|instrument| beta[*instrument]).sum();
        means[set.number] = (set.instruments.len() > 1).then_some(sum / set.instruments.len() as f64);
    }
    (0..members.instrument_set.len())
        .map(|instrument| {
            let component = members.instrument_set[instrument];
            let grounded = members.grounded[component];
            let comparisons = members.comparisons[instrument] as usize;
            let level = if grounded { Some(0.0) } else { means[component] };
            let is_balanced = members.is_balanced[instrument];
            let error = level
                .filter(|_| comparisons > 0 || is_balanced)
                .map(|level| (beta[instrument] - level, covariance.variance(instrument).sqrt()));
            let community = members.fleets.home(instrument);
            InstrumentEstimate { component, community, grounded, comparisons, is_balanced, error }
        })
        .collect()
}

#[cfg(test)]
mod tests;
