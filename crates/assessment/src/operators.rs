//! The balance of an operator's errors (示值误差正负平衡): legal pile by pile, and all to one side?
//!
//! Called by `app` after an assessment, with its estimates and their joint covariance. Piles without a level do not
//! count, and an operator of whom none has one is undecided. It says nothing of any single pile.

use rust_decimal::Decimal;
use serde::Serialize;
use veripile_metrology::crossing::to_f64;
use veripile_metrology::multiplicity::benjamini_hochberg;
use veripile_metrology::normal;

/// Balanced is a mean error within this share of the limit, either way (metrology.md §3).
pub const BALANCED_SHARE: f64 = 0.2;

/// Confidence of "balanced": each of the two one-sided tests at 5 %.
pub const BALANCED_LEVEL: f64 = 0.05;

/// False discovery rate of "biased" over the operators.
pub const BIASED_RATE: f64 = 0.01;

/// Piles from which the spread of honest piles is estimated; below, [`SPREAD_ASSUMED_SHARE`] of the limit is presumed.
pub const SPREAD_FROM: usize = 20;

/// Half of the limit: a normal spread that keeps 95 % of piles within it. Meters are better, which makes this careful.
pub const SPREAD_ASSUMED_SHARE: f64 = 0.5;

/// A pile with a level; of one that changed each of what it was, one after the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OperatorPile {
    /// Number of its operator.
    pub operator: usize,
    /// Whether it is the pile of the place before, since it changed.
    pub is_same: bool,
    /// Energy registered in the time that the error speaks of, kWh.
    pub energy_kwh: Decimal,
    /// Estimated relative error, fraction.
    pub error: f64,
    /// Its standard uncertainty, fraction: the root of its place on the diagonal of the covariance.
    pub standard_uncertainty: f64,
    /// Maximum permissible error, fraction.
    pub limit: f64,
    /// Mean price, per kWh.
    pub price_per_kwh: Option<Decimal>,
}

/// Whether errors balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// The mean error is within a fifth of the limit, with 95 % confidence.
    Balanced,
    /// Customers pay for more than they get: more than honest piles drawn at random would show.
    Biased,
    /// Neither can be said.
    Undecided,
}

impl Balance {
    /// Its word in files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Balanced => "balanced",
            Self::Biased => "biased",
            Self::Undecided => "undecided",
        }
    }
}

/// A quantity with its symmetric 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval95 {
    /// The value.
    pub value: f64,
    /// Lower end.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
}

impl Interval95 {
    fn new(value: f64, standard_uncertainty: f64) -> Self {
        let half = normal::QUANTILE_975 * standard_uncertainty;
        Self { value, lower: value - half, upper: value + half }
    }
}

/// An operator's piles together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OperatorBalance {
    /// Number of the operator.
    pub operator: usize,
    /// Piles with a level.
    pub piles: usize,
    /// Energy they registered, kWh.
    pub energy_kwh: Decimal,
    /// Mean error T weighted by energy, fraction; none without a level or energy.
    pub mean_error: Option<f64>,
    /// Its standard uncertainty as a statement about how the operator's piles are chosen, fraction.
    pub standard_uncertainty: Option<f64>,
    /// One-sided probability of so large a mean if the operator's piles were drawn from honest ones.
    pub p_value: Option<f64>,
    /// The same over all operators (Benjamini–Hochberg).
    pub adjusted_p_value: Option<f64>,
    /// The decision.
    pub balance: Balance,
    /// Energy customers paid for and did not get, kWh; negative: got and did not pay for.
    pub excess_kwh: Option<Interval95>,
    /// The same in money, of the piles whose price is known; none where none is.
    pub excess_money: Option<Interval95>,
    /// Share of the energy whose price is known, 0 to 1.
    pub priced_share: f64,
}

/// Spread of honest piles' true errors, fraction: the scatter of estimates less their uncertainty, both by medians,
/// so that a minority of bad piles hardly moves it. A common error of the anchors does not either.
///
/// # Formula
/// `σ_pop² = max(0, (MAD / 0.6745)² − median u²)`; with fewer than [`SPREAD_FROM`] piles half of the median limit.
pub fn population_spread(piles: &[OperatorPile]) -> f64 {
    let median_of = |value: &dyn Fn(&OperatorPile) -> f64| median(piles.iter().map(value).collect());
    if piles.len() < SPREAD_FROM {
        return SPREAD_ASSUMED_SHARE * median_of(&|pile| pile.limit);
    }
    let middle = median_of(&|pile| pile.error);
    let scatter = median_of(&|pile| (pile.error - middle).abs()) / normal::QUANTILE_75;
    let own = median_of(&|pile| pile.standard_uncertainty.powi(2));
    (scatter * scatter - own).max(0.0).sqrt()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Judges every operator of `0..operators`.
///
/// `covariance_times` gives `Cov a` for a vector over the piles in their order, Cov the joint covariance of their
/// errors: with it the anchors' common error counts in full, which a sign test or the piles' own uncertainties would
/// lose.
///
/// # Formula
/// `a_i = E_i / Σ E`, `T = a'ê`, `var T = a'Cov a + σ_pop² Σ a_i²`, where a pile that changed is one draw (its a_i are summed
/// first); one-sided `p = 1 − Φ(T / √var T)`. Balanced (two
/// one-sided tests) if `|T| + 1.645 √var T ≤ 0.2 Σ a_i L_i`; else biased if p is at most 1 % after Benjamini–Hochberg
/// over the operators. Energy at stake `X = Σ E_i ê_i / (1 + ê_i)`, for `E = W (1 + e)`; `var X = g'Cov g`, `g_i =
/// E_i / (1 + ê_i)²`: it is about these piles, so the population's spread does not enter.
pub fn balance(
    piles: &[OperatorPile],
    operators: usize,
    covariance_times: &dyn Fn(&[f64]) -> Vec<f64>,
    population_spread: f64,
) -> Vec<OperatorBalance> {
    let mut balances: Vec<OperatorBalance> =
        (0..operators).map(|operator| one(piles, operator, covariance_times, population_spread)).collect();
    let asked: Vec<f64> = balances.iter().filter_map(|balance| balance.p_value).collect();
    let mut adjusted = benjamini_hochberg(&asked).into_iter();
    for balance in balances.iter_mut().filter(|balance| balance.p_value.is_some()) {
        balance.adjusted_p_value = adjusted.next();
        let is_biased = balance.adjusted_p_value.is_some_and(|p| p <= BIASED_RATE);
        if is_biased && balance.balance == Balance::Undecided {
            balance.balance = Balance::Biased;
        }
    }
    balances
}

fn one(
    piles: &[OperatorPile],
    operator: usize,
    covariance_times: &dyn Fn(&[f64]) -> Vec<f64>,
    spread: f64,
) -> OperatorBalance {
    let own = |pile: &&OperatorPile| pile.operator == operator;
    let energy_kwh =
        piles.iter().filter(own).fold(Decimal::ZERO, |sum, pile| sum.saturating_add(pile.energy_kwh));
    let total = to_f64(energy_kwh);
    let silent = OperatorBalance {
        operator,
        piles: piles.iter().filter(own).filter(|pile| !pile.is_same).count(),
        energy_kwh,
        mean_error: None,
        standard_uncertainty: None,
        p_value: None,
        adjusted_p_value: None,
        balance: Balance::Undecided,
        excess_kwh: None,
        excess_money: None,
        priced_share: 0.0,
    };
    let weights = weights(piles, operator, |pile| to_f64(pile.energy_kwh) / total);
    let mean: f64 = weights.iter().zip(piles).map(|(weight, pile)| weight * pile.error).sum();
    let variance = form(&weights, covariance_times) + spread * spread * squares(piles, &weights);
    if total <= 0.0 || !mean.is_finite() || !variance.is_finite() || variance <= 0.0 {
        return silent;
    }
    let uncertainty = variance.sqrt();
    let margin: f64 =
        BALANCED_SHARE * weights.iter().zip(piles).map(|(weight, pile)| weight * pile.limit).sum::<f64>();
    let energies = self::weights(piles, operator, |pile| to_f64(pile.energy_kwh));
    OperatorBalance {
        mean_error: Some(mean),
        standard_uncertainty: Some(uncertainty),
        p_value: Some(normal::cdf(-mean / uncertainty)),
        balance: if is_balanced(mean, uncertainty, margin) { Balance::Balanced } else { Balance::Undecided },
        excess_kwh: Some(at_stake(piles, &energies, covariance_times)),
        excess_money: money(piles, operator, covariance_times),
        priced_share: priced(piles, operator) / total,
        ..silent
    }
}

/// A value of each pile of the operator, 0 for the others.
fn weights(piles: &[OperatorPile], operator: usize, value: impl Fn(&OperatorPile) -> f64) -> Vec<f64> {
    piles.iter().map(|pile| if pile.operator == operator { value(pile) } else { 0.0 }).collect()
}

/// Sum of the squares of piles' weights.
fn squares(piles: &[OperatorPile], weights: &[f64]) -> f64 {
    let (mut sum, mut of_pile) = (0.0, 0.0);
    for (pile, weight) in piles.iter().zip(weights) {
        if !pile.is_same {
            sum += of_pile * of_pile;
            of_pile = 0.0;
        }
        of_pile += weight;
    }
    sum + of_pile * of_pile
}

/// Two one-sided tests: the mean is above −margin and below it.
fn is_balanced(mean: f64, uncertainty: f64, margin: f64) -> bool {
    normal::cdf((mean.abs() - margin) / uncertainty) <= BALANCED_LEVEL
}

/// `Σ w_i ê_i / (1 + ê_i)` with its interval, for weights that are energies or their prices.
fn at_stake(
    piles: &[OperatorPile],
    weights: &[f64],
    covariance_times: &dyn Fn(&[f64]) -> Vec<f64>,
) -> Interval95 {
    let value =
        weights.iter().zip(piles).map(|(weight, pile)| weight * pile.error / (1.0 + pile.error)).sum();
    let gradient: Vec<f64> =
        weights.iter().zip(piles).map(|(weight, pile)| weight / (1.0 + pile.error).powi(2)).collect();
    Interval95::new(value, form(&gradient, covariance_times).max(0.0).sqrt())
}

/// Energy of an operator's piles whose price is known, kWh.
fn priced(piles: &[OperatorPile], operator: usize) -> f64 {
    let known = piles.iter().filter(|pile| pile.operator == operator && pile.price_per_kwh.is_some());
    to_f64(known.fold(Decimal::ZERO, |sum, pile| sum.saturating_add(pile.energy_kwh)))
}

/// `Σ E_i p_i ê_i / (1 + ê_i)` over the piles whose price p is known: what customers paid too much. Of the others nothing is assumed.
fn money(
    piles: &[OperatorPile],
    operator: usize,
    covariance_times: &dyn Fn(&[f64]) -> Vec<f64>,
) -> Option<Interval95> {
    let priced =
        |pile: &OperatorPile| pile.price_per_kwh.map_or(0.0, |price| to_f64(pile.energy_kwh) * to_f64(price));
    let any = piles.iter().any(|pile| pile.operator == operator && pile.price_per_kwh.is_some());
    any.then(|| at_stake(piles, &weights(piles, operator, priced), covariance_times))
}

/// `a'Cov a`; not a number where the answer has another length.
fn form(vector: &[f64], covariance_times: &dyn Fn(&[f64]) -> Vec<f64>) -> f64 {
    let image = covariance_times(vector);
    if image.len() != vector.len() {
        return f64::NAN;
    }
    vector.iter().zip(&image).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests;
