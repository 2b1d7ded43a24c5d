//! Comparison of instruments through travelling standards of unknown bias: the two-way estimator of metrology.md §2.1.
//!
//! Called by `assessment`. Instruments (charging piles there) are compared by travellers (vehicles there) that visit several
//! of them. No level comes out that was not put in: a connected set without an anchor yields differences only.
//!
//! # Model
//! `y_s = e_i + a_ik − c − m_k − d_t + h_s·g + ε_s` with `ε_s ~ t_ν(0, σ_s²)`, `σ_s² = σ₀² + (δ/W_s)²`, `d_t ~ N(0, σ_b²)`,
//! `m_k ~ N(0, σ_m²)`, `c ~ N(0, σ_c²)`, `g ~ N(0, σ_g²)`, `a_ik ~ N(0, σ_i²)`; y = ln(W_instrument / W_traveller), e flat. Classes of
//! comparisons (ways on which the traveller's value came) have their own σ₀, δ and a bias of their own against the first, which is
//! one of the g. A traveller of known bias (a reference) has `d ~ N(0, u²)` and neither c nor m. An anchor is an observation
//! `x ~ N(e_i, u²)`; [`Information`] is the same for several instruments at once.
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

mod equations;
mod layout;
mod members;
mod residuals;
mod scale;
mod solver;
mod travellers;

use thiserror::Error;

pub use crate::balance::Information;
use crate::cholesky::Factor;
use crate::shared::shared;
use equations::{Equations, Shape, Weights};
use layout::Layout;
use members::Members;
use residuals::{Leverages, Residuals, Spread};
use scale::{Response, Scale};
pub use solver::Covariance;
use solver::{Preconditioner, conjugate_gradients, solve_at};

/// Rounds of reweighting at most; eight to twelve are usual.
const ROUNDS_MAX: usize = 30;

/// Rounds stop when no estimate moves by more than this share of its standard uncertainty: beyond it, more rounds say nothing.
const TOLERANCE: f64 = 0.01;

/// Leverages are computed anew every so many rounds: they follow the design, which stays, and scales, which settle soon.
const LEVERAGE_ROUNDS: usize = 3;

/// Leverage is capped here: a residual of a point that determines its own fit says nothing.
const LEVERAGE_MAX: f64 = 0.95;

/// From fewer comparisons, or travellers, than this no scale is estimated: the settings' is the better guess, and a handful of
/// residuals near zero would otherwise promise certainty.
const ENOUGH: usize = 30;

/// Below this share of a number a difference of two such numbers is rounding.
const RELATIVE_ROUNDING: f64 = 1e-9;

/// Up to so many unknowns each round is solved directly, and leverages are exact.
const DIRECT_MAX: usize = 1_000;

/// Up to so many unknowns the covariance is exact: its factor takes 0.6 GB.
pub const DENSE_MAX: usize = 12_000;

/// Comparisons of one fit at most: positions are 32 bits.
pub const COMPARISONS_MAX: usize = 1 << 31;

/// Anchors of a network beyond [`DENSE_MAX`] that are held against everything else: each takes a solution of its own.
const ANCHORS_CHECKED_MAX: usize = 200;

/// An anchor weaker than this gives no level: against the prior of the common bias (σ_c = 1 %) the level would come from the
/// prior, not from a measurement. Half of σ_c leaves the prior a fifth of the say.
pub const GROUNDING_U_MAX: f64 = 0.005;

/// One comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison<'a> {
    /// Index of the instrument.
    pub instrument: usize,
    /// Index of the traveller.
    pub traveller: usize,
    /// ln(value by instrument / value by traveller).
    pub log_ratio: f64,
    /// Size of the measured quantity; small ones are noisier.
    pub size: f64,
    /// Class: the way on which the traveller's value came.
    pub class: u8,
    /// Covariates, as many as in every other comparison, centred by the caller; 0 where unknown.
    pub covariates: &'a [f32],
}

/// Comparisons, column by column: ten million of them take a third of a gigabyte.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Comparisons {
    instrument: Vec<u32>,
    traveller: Vec<u32>,
    log_ratio: Vec<f64>,
    size: Vec<f64>,
    class: Vec<u8>,
    covariates: Vec<f32>,
}

impl Comparisons {
    /// None yet, with room for so many.
    pub fn with_capacity(comparisons: usize) -> Self {
        Self {
            instrument: Vec::with_capacity(comparisons),
            traveller: Vec::with_capacity(comparisons),
            log_ratio: Vec::with_capacity(comparisons),
            size: Vec::with_capacity(comparisons),
            class: Vec::with_capacity(comparisons),
            covariates: Vec::new(),
        }
    }

    /// Adds one.
    pub fn push(&mut self, comparison: &Comparison<'_>) {
        // Indices beyond 32 bits are out of every network's range and are found as such.
        let index = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        self.instrument.push(index(comparison.instrument));
        self.traveller.push(index(comparison.traveller));
        self.log_ratio.push(comparison.log_ratio);
        self.size.push(comparison.size);
        self.class.push(comparison.class);
        self.covariates.extend_from_slice(comparison.covariates);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.instrument.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.instrument.is_empty()
    }
}

/// A traveller.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Traveller {
    /// Its model, by number; none = unknown, and the model's share of variance goes into its own bias.
    pub model: Option<usize>,
    /// Bias and its standard uncertainty, fractions, of a reference traveller: it gives a level as an anchor does.
    pub known: Option<(f64, f64)>,
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
    /// The travellers.
    pub travellers: Vec<Traveller>,
    /// Number of models.
    pub models: usize,
    /// Number of covariates.
    pub covariates: usize,
    /// Number of classes; 0 and 1 mean the same.
    pub classes: usize,
    /// Comparisons, in any order: not one bit of the result depends on it.
    pub comparisons: Comparisons,
    /// Anchors.
    pub anchors: Vec<Anchor>,
    /// What else is known.
    pub information: Vec<Information>,
}

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
    /// σ_c.
    pub common_sd: f64,
    /// σ_g of a covariate of deviation 1.
    pub covariate_sd: f64,
    /// σ_g of a class.
    pub class_sd: f64,
}

impl Default for Settings {
    /// Values of metrology.md §2.1 for charging sessions in kWh.
    fn default() -> Self {
        Self {
            noise: 0.02,
            noise_size: 0.15,
            traveller_sd: 0.015,
            interaction_sd: 0.001,
            model_sd: 0.005,
            common_sd: 0.01,
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
    /// Bias `c + m_k + d_t` and standard uncertainty, fractions.
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
    /// Covariance of the instruments' errors.
    pub covariance: Covariance,
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
    /// Of each class.
    pub classes: Vec<ClassNoise>,
    /// σ_b, fraction.
    pub traveller_sd: f64,
    /// σ_i, fraction.
    pub interaction_sd: f64,
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
    let members = Members::of(network, &layout, settings);
    let places = places(&members);
    let mut state = State::start(network, &layout, settings);
    let mut solved = state.round(network, &layout, &members, settings, &places)?;
    while state.rounds < ROUNDS_MAX && !state.converged {
        solved = state.round(network, &layout, &members, settings, &places)?;
    }
    finish(network, layout, &members, settings, places, &state, &solved)
}

/// Where each instrument stands in a factor: set by set, so that sets have nothing to do with each other but in the border.
fn places(members: &Members) -> Vec<u32> {
    let mut order: Vec<u32> = (0..members.instrument_set.len() as u32).collect();
    order.sort_by_key(|instrument| members.instrument_set[*instrument as usize]);
    let mut places = vec![0; order.len()];
    (0..).zip(&order).for_each(|(place, instrument)| places[*instrument as usize] = place);
    places
}

/// What rounds hand on.
struct State {
    scales: Vec<Scale>,
    traveller_sd: f64,
    interaction_sd: f64,
    /// By position.
    robust: Vec<f64>,
    /// By cell.
    of_cell: Vec<f64>,
    leverages: Option<Leverages>,
    beta: Vec<f64>,
    preconditioner: Option<Preconditioner>,
    standardised: Vec<f64>,
    response: Response,
    rounds: usize,
    converged: bool,
}

/// The equations of a round and what solved them.
struct Solved {
    equations: Equations,
    factor: Option<Factor>,
}

impl State {
    fn start(network: &Network, layout: &Layout, settings: &Settings) -> Self {
        let scale = Scale { noise: settings.noise, noise_size: settings.noise_size, degrees: 4.0 };
        Self {
            scales: vec![scale; network.classes.max(1)],
            traveller_sd: settings.traveller_sd,
            interaction_sd: settings.interaction_sd,
            robust: vec![1.0; layout.caller.len()],
            of_cell: vec![1.0; layout.cells.len()],
            leverages: None,
            beta: vec![0.0; Shape::of(network).size()],
            preconditioner: None,
            standardised: Vec::new(),
            response: Response::of_degrees(4.0),
            rounds: 0,
            converged: false,
        }
    }

    fn scale(&self, layout: &Layout, s: usize) -> &Scale {
        &self.scales[usize::from(layout.class[s])]
    }

    /// Weights of comparisons, `factor(s) / σ_s²`.
    fn weights(&self, layout: &Layout, factor: impl Fn(usize) -> f64 + Sync) -> Vec<f64> {
        let weight = |s: usize| factor(s) / self.scale(layout, s).variance(layout.inverse_square[s]);
        let parts = shared(&layout.pieces, |piece| {
            layout.comparisons_of_piece(piece).map(weight).collect::<Vec<f64>>()
        });
        parts.concat()
    }

    /// One round: solve, look at what is left over, and set weights and scales by it.
    fn round(
        &mut self,
        network: &Network,
        layout: &Layout,
        members: &Members,
        settings: &Settings,
        places: &[u32],
    ) -> Result<Solved, ComparisonError> {
        let of_comparison = self.weights(layout, |s| self.robust[s]);
        let of_cell = std::mem::take(&mut self.of_cell);
        let weights =
            Weights { of_comparison: &of_comparison, of_cell: &of_cell, traveller_sd: self.traveller_sd };
        let equations = Equations::build(network, layout, members, settings, &weights);
        let (beta, factor) = self.solve(&equations, layout, places).ok_or(ComparisonError::Singular)?;
        let diagonal: Vec<f64> = equations.diagonal(layout).iter().map(|value| 1.0 / value).collect();
        if self.rounds.is_multiple_of(LEVERAGE_ROUNDS) {
            let exact = factor.as_ref().map(Factor::inverse);
            let spread =
                exact.as_ref().map_or(Spread::Diagonal(&diagonal), |inverse| Spread::Exact(inverse, places));
            self.leverages = Some(Leverages::of(&equations, layout, &spread));
        }
        let leverages = self.leverages.take().ok_or(ComparisonError::Singular)?;
        let residuals = Residuals::of(network, layout, &equations, &weights, &beta, &leverages);
        self.fit_traveller_sd(network, layout, settings, &equations, &beta, &leverages);
        self.leverages = Some(leverages);
        self.fit_interaction_sd(layout, &residuals);
        self.fit_noise(layout, &residuals);
        // What a single estimate moves by is held against what it would vary by were all others known: never more than it does.
        let moved = self.beta.iter().zip(&beta).map(|(before, now)| (before - now).abs());
        let settled = moved
            .take(network.instruments)
            .zip(&diagonal)
            .all(|(moved, variance)| moved < TOLERANCE * variance.sqrt());
        self.converged = settled && self.rounds > LEVERAGE_ROUNDS;
        self.beta = beta;
        self.rounds += 1;
        Ok(Solved { equations, factor })
    }

    /// β, and the factor if there is one of just these equations.
    fn solve(
        &mut self,
        equations: &Equations,
        layout: &Layout,
        places: &[u32],
    ) -> Option<(Vec<f64>, Option<Factor>)> {
        if equations.shape.size() <= DIRECT_MAX {
            let factor = equations.matrix(layout, places).factor()?;
            return Some((solve_at(&factor, places, &equations.right), Some(factor)));
        }
        if self.preconditioner.is_none() || equations.shape.size() > DENSE_MAX {
            self.preconditioner = Some(if equations.shape.size() <= DENSE_MAX {
                Preconditioner::Factor(equations.matrix(layout, places).factor()?)
            } else {
                Preconditioner::Diagonal(equations.diagonal(layout))
            });
        }
        let preconditioner = self.preconditioner.as_ref()?;
        let beta =
            conjugate_gradients(equations, layout, (preconditioner, places), &equations.right, &self.beta)?;
        Some((beta, None))
    }

    /// σ_b from the travellers' mean residuals.
    ///
    /// Robust weights were set about the shrunk bias d: what is left of the mean beyond it comes out smaller, see [`Response`].
    fn fit_traveller_sd(
        &mut self,
        network: &Network,
        layout: &Layout,
        settings: &Settings,
        equations: &Equations,
        beta: &[f64],
        leverages: &Leverages,
    ) {
        let mut means = Vec::new();
        for (t, left) in
            equations.travellers.iter().enumerate().filter(|(_, left)| left.is_common && left.variance > 0.0)
        {
            let sum = equations.along(layout, t, beta) - left.weighted;
            let own = left.variance * sum;
            let mean = own + (sum / left.weight - own) / self.response.shift;
            let unknown = if network.travellers[t].model.is_none() {
                settings.model_sd * settings.model_sd
            } else {
                0.0
            };
            let variance = 1.0 / (self.response.information() * left.plain) + unknown;
            let leverage = leverages.of_traveller[t] / (variance + self.traveller_sd * self.traveller_sd);
            means.push((mean * mean / (1.0 - leverage.clamp(0.0, LEVERAGE_MAX)), variance));
        }
        if means.len() >= ENOUGH {
            self.traveller_sd = scale::common_sd(&means, self.traveller_sd, self.rounds);
        }
    }

    /// σ_i from the cells' mean residuals, and what it leaves of each cell's weight. As robust weights were set without it, it shows
    /// in a mean in part only, see [`Response`].
    fn fit_interaction_sd(&mut self, layout: &Layout, residuals: &Residuals) {
        let cells = residuals.cells.iter().enumerate().filter(|(_, (_, weight))| *weight > 0.0);
        let (shift, information) = (self.response.shift, self.response.information());
        let mut means: Vec<(u32, f64, f64)> = cells
            .map(|(cell, (score, weight))| {
                (layout.cells[cell], score / (shift * weight), 1.0 / (information * weight))
            })
            .collect();
        means.sort_by_key(|(instrument, _, _)| *instrument);
        if means.chunk_by(|a, b| a.0 == b.0).map(|group| group.len() - 1).sum::<usize>() >= ENOUGH {
            self.interaction_sd = scale::within_sd(&means, self.interaction_sd, self.rounds);
        }
        let variance = self.interaction_sd * self.interaction_sd;
        self.of_cell =
            residuals.cells.iter().map(|(_, weight)| 1.0 / (1.0 + variance * weight.max(0.0))).collect();
    }

    /// Each class's scale, and the robust weights.
    fn fit_noise(&mut self, layout: &Layout, residuals: &Residuals) {
        let points = |class: usize| -> Vec<(f64, f64)> {
            let residuals = residuals.of_comparison.iter().enumerate();
            let of_class = residuals.filter(|(s, _)| usize::from(layout.class[*s]) == class);
            of_class.map(|(s, r)| (layout.inverse_square[s], r * r)).collect()
        };
        for class in 0..self.scales.len() {
            let points = points(class);
            if points.len() >= ENOUGH {
                self.scales[class] = Scale::fit(&points, self.scales[class], self.rounds);
            }
        }
        let standardised = |s: usize| {
            residuals.of_comparison[s] / self.scale(layout, s).variance(layout.inverse_square[s]).sqrt()
        };
        let parts = shared(&layout.pieces, |piece| {
            layout.comparisons_of_piece(piece).map(standardised).collect::<Vec<f64>>()
        });
        self.standardised = parts.concat();
        let scales = |s: usize| self.scale(layout, s);
        let robust = self.standardised.iter().enumerate().map(|(s, z)| scales(s).robust(*z)).collect();
        let told = self.standardised.iter().enumerate().map(|(s, z)| (*z, scales(s).degrees));
        self.response = Response::of(told);
        self.robust = robust;
    }
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
    let of_comparison = state.weights(&layout, |_| state.response.efficiency);
    let weights =
        Weights { of_comparison: &of_comparison, of_cell: &state.of_cell, traveller_sd: state.traveller_sd };
    let equations = Equations::build(network, &layout, members, settings, &weights);
    let robust = robust_variances(network, &layout, &places, state, solved);
    let residuals = residuals_of(&layout, state);
    let covariance = Covariance::of(equations, layout, places, members).ok_or(ComparisonError::Singular)?;
    let class = |scale: &Scale| ClassNoise {
        noise: scale.noise,
        noise_size: scale.noise_size,
        degrees_of_freedom: scale.degrees,
    };
    Ok(Fit {
        instruments: instruments(members, &state.beta, &covariance),
        travellers: travellers::estimates(network, members, &solved.equations, &state.beta, &covariance),
        residuals,
        diagnostics: Diagnostics {
            rounds: state.rounds,
            converged: state.converged,
            classes: state.scales.iter().map(class).collect(),
            traveller_sd: state.traveller_sd,
            interaction_sd: state.interaction_sd,
            efficiency: state.response.efficiency,
            anchors: check_anchors(network, &robust, &state.beta, &covariance),
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

fn check(network: &Network) -> Result<(), ComparisonError> {
    let given = &network.comparisons;
    if given.len() > COMPARISONS_MAX {
        return Err(ComparisonError::TooMany(given.len()));
    }
    let (q, classes) = (network.covariates, network.classes.max(1));
    for index in 0..given.len() {
        let covariates = given.covariates.get(index * q..(index + 1) * q);
        let fits = (given.instrument[index] as usize) < network.instruments
            && (given.traveller[index] as usize) < network.travellers.len()
            && usize::from(given.class[index]) < classes
            && given.log_ratio[index].is_finite()
            && given.size[index].is_finite()
            && 0.0 < given.size[index]
            && covariates.is_some_and(|values| values.iter().all(|value| value.is_finite()));
        if !fits {
            return Err(ComparisonError::Malformed(index));
        }
    }
    let travellers_fit = network.travellers.iter().all(|traveller| {
        traveller.model.is_none_or(|model| model < network.models)
            && traveller.known.is_none_or(|(bias, u)| bias.is_finite() && u.is_finite() && 0.0 < u)
    });
    if !travellers_fit {
        return Err(ComparisonError::Malformed(given.len()));
    }
    let anchor_fits = |anchor: &Anchor| {
        anchor.instrument < network.instruments
            && anchor.error.is_finite()
            && anchor.standard_uncertainty.is_finite()
            && 0.0 < anchor.standard_uncertainty
    };
    let information_fits = |information: &Information| {
        let count = information.instruments.len();
        information.matrix.size() == count
            && information.right.len() == count
            && information.instruments.iter().all(|instrument| *instrument < network.instruments)
    };
    let anchors =
        network.anchors.iter().map(anchor_fits).chain(network.information.iter().map(information_fits));
    match anchors.enumerate().find(|(_, fits)| !fits) {
        Some((at, _)) => Err(ComparisonError::MalformedAnchor(at)),
        None => Ok(()),
    }
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
            InstrumentEstimate { component, grounded, comparisons, is_balanced, error }
        })
        .collect()
}

/// Variances of the anchored instruments in the equations that gave the estimates, in the order of the anchors.
fn robust_variances(
    network: &Network,
    layout: &Layout,
    places: &[u32],
    state: &State,
    solved: &Solved,
) -> Vec<f64> {
    let size = state.beta.len();
    let unit = |anchor: &Anchor| {
        let mut unit = vec![0.0; size];
        unit[anchor.instrument] = 1.0;
        unit
    };
    if let Some(factor) = &solved.factor {
        let variance = |anchor: &Anchor| solve_at(factor, places, &unit(anchor))[anchor.instrument];
        return network.anchors.iter().map(variance).collect();
    }
    if size <= DENSE_MAX && !network.anchors.is_empty() {
        let diagonal =
            solved.equations.matrix(layout, places).factor().map(|factor| factor.inverse_diagonal());
        let variance = |anchor: &Anchor| {
            diagonal.as_ref().map_or(f64::NAN, |all| all[places[anchor.instrument] as usize])
        };
        return network.anchors.iter().map(variance).collect();
    }
    let diagonal = Preconditioner::Diagonal(solved.equations.diagonal(layout));
    let variance = |anchor: &Anchor| {
        let start = vec![0.0; size];
        let column =
            conjugate_gradients(&solved.equations, layout, (&diagonal, places), &unit(anchor), &start);
        column.map_or(f64::NAN, |column| column[anchor.instrument])
    };
    network.anchors.iter().take(ANCHORS_CHECKED_MAX).map(variance).collect()
}

/// Leaves every anchor out in turn.
///
/// # Formula
/// With e the estimate at its instrument, C its variance in the robust equations that gave e and K in the constant ones:
/// `e' = (e/C − x/u²) / (1/C − 1/u²)` and the variance of e' is `1 / (1/K − 1/u²)`.
fn check_anchors(
    network: &Network,
    robust: &[f64],
    beta: &[f64],
    covariance: &Covariance,
) -> Vec<AnchorCheck> {
    let check = |(anchor, (at, robust)): (usize, (&Anchor, &f64))| {
        let (i, own) = (at.instrument, at.standard_uncertainty * at.standard_uncertainty);
        // Where the set has no level, an anchor too weak to give one is the only one it has: nothing else speaks of it.
        let constant = covariance.variance(i);
        let (robust_left, left) = (1.0 / robust - 1.0 / own, 1.0 / constant - 1.0 / own);
        // What is left must be more than rounding.
        let told = RELATIVE_ROUNDING / robust < robust_left && RELATIVE_ROUNDING / constant < left;
        told.then(|| {
            let without = (beta[i] / robust - at.error / own) / robust_left;
            AnchorCheck { anchor, normalised_error: (at.error - without) / (2.0 * (own + 1.0 / left).sqrt()) }
        })
    };
    network.anchors.iter().zip(robust).enumerate().filter_map(check).collect()
}

#[cfg(test)]
mod tests;
