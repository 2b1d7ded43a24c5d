//! Whether a pile's values are in such doubt that it must not be held to conform: the clearest of what `forgery` asks, asked within an assessment.
//!
//! Called by [`crate::assess`], from charges and residuals alone, so that a past verdict can be made again. Findings are made elsewhere.

use std::collections::BTreeMap;

use super::forgery::{Deaf, TooGood, VEHICLES_MIN, Values};
use super::world::{self, Scored};

/// Probability below which it is no chance, as that of copies: it changes what is said of a pile, which a finding does not.
const CHANCE: f64 = 1e-9;

/// Vehicles' own errors must show by less than this share of what they show elsewhere.
const SHARE_MAX: f64 = 0.5;

/// Student's t from which a first look is followed by the test itself, which needs some six.
const LOOK_T: f64 = 4.0;

/// A comparison.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Compared {
    /// Index of the pile.
    pub(crate) pile: usize,
    /// Index of the vehicle.
    pub(crate) vehicle: usize,
    /// What the fit left over, in units of the scale.
    pub(crate) z: f64,
    /// That scale, fraction.
    pub(crate) scale: f64,
    /// Whether the vehicle's value came through the pile, for all that is known.
    pub(crate) may_be_forged: bool,
}

/// Why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    /// Values scatter less than vehicles' do.
    TooGood,
    /// Which vehicle it is does not show.
    Deaf,
}

/// What says so.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Doubt {
    /// Which test.
    pub(crate) why: Why,
    /// Probability of as much by chance.
    pub(crate) p_value: f64,
    /// Of what vehicles' values scatter by, or of what vehicles' own errors show elsewhere, so much shows here: a share.
    pub(crate) share: f64,
}

/// Piles of whose relayed values at least one test says that no vehicle said them, with that test. One vehicle that reads well, or a few
/// that agree with one pile, are none: eight are asked for.
///
/// # Formula
/// Vehicles by their charges n_v: `(Σ n_v)² / Σ n_v²`, as many as would charge equally often.
pub(crate) fn doubted(piles: usize, compared: &[Compared], biases: &[Option<f64>]) -> BTreeMap<usize, Doubt> {
    let scored =
        world::scored_by_pile(piles, compared.iter().map(|charge| (charge.pile, charge.z, charge.scale)));
    let values = Values {
        scored: &scored,
        vehicle: &|charge| Some(compared[charge].vehicle),
        may_be_forged: &|charge| compared[charge].may_be_forged,
        biases,
    };
    let are_many = |charges: &[usize]| {
        let mut of_vehicle: BTreeMap<usize, f64> = BTreeMap::new();
        charges.iter().for_each(|charge| *of_vehicle.entry(compared[*charge].vehicle).or_default() += 1.0);
        let squares: f64 = of_vehicle.values().map(|count| count * count).sum();
        VEHICLES_MIN as f64 * squares <= (charges.len() as f64).powi(2)
    };
    let looks: Vec<Look> = scored.iter().map(|of_pile| Look::of(of_pile, compared, biases)).collect();
    let good = if looks.iter().any(Look::may_be_too_good) { TooGood::of(&values) } else { Vec::new() };
    let good = good.into_iter().filter(|found| are_many(&found.charges));
    let good = good.map(|found| {
        let doubt = Doubt { why: Why::TooGood, p_value: found.p_value(), share: found.spread };
        (found.pile, doubt)
    });
    let deaf = if looks.iter().any(Look::may_be_deaf) { Deaf::of(&values) } else { Vec::new() };
    let deaf = deaf.into_iter().filter(|found| found.share < SHARE_MAX && are_many(&found.charges));
    let deaf = deaf.map(|found| {
        let doubt = Doubt { why: Why::Deaf, p_value: found.p_value(), share: found.share };
        (found.pile, doubt)
    });
    let mut doubted = BTreeMap::new();
    for (pile, doubt) in good.chain(deaf).filter(|(_, doubt)| doubt.p_value < CHANCE) {
        doubted.entry(pile).or_insert(doubt);
    }
    doubted
}

/// Sums of a pile's relayed comparisons, for a first look: both tests cost half as much as a fit, and mostly no pile is near to failing them.
#[derive(Debug, Default)]
struct Look {
    count: f64,
    /// Bounded score, its square, vehicle's bias in units of the scale, its square, and their product.
    sums: [f64; 5],
}

impl Look {
    fn of(of_pile: &[Scored], compared: &[Compared], biases: &[Option<f64>]) -> Self {
        let mut look = Self::default();
        for scored in of_pile {
            let charge = &compared[scored.charge];
            let Some(bias) = biases.get(charge.vehicle).copied().flatten() else { continue };
            if charge.may_be_forged {
                let (score, bias) = (scored.score(), bias / scored.scale);
                look.count += 1.0;
                let terms = [score, score * score, bias, bias * bias, score * bias];
                look.sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
            }
        }
        look
    }

    /// `Φ⁻¹(F₄(z)) ≥ 0.78 |z|` up to a score of 2, so that of a spread below a half the mean square of scores is below `0.25/0.78²`.
    fn may_be_too_good(&self) -> bool {
        self.sums[1] < 0.25 / (0.78 * 0.78) * self.count
    }

    /// Where the pile writes its own value a vehicle's bias is left over as it is, with the other sign: their correlation times √n.
    fn may_be_deaf(&self) -> bool {
        let [score, square, bias, of_bias, both] = self.sums.map(|sum| sum / self.count);
        let (varies, bias_varies) = (square - score * score, of_bias - bias * bias);
        LOOK_T * (varies * bias_varies / self.count).max(0.0).sqrt() < both - score * bias
    }
}
