//! Whether a pile's values are in such doubt that it must not be held to conform: the clearest of what `forgery` asks, asked within an assessment.
//!
//! Called by [`crate::assess`], from charges and residuals alone, so that a past verdict can be made again. Findings are made elsewhere.

use std::collections::BTreeMap;

use veripile_metrology::contrast::{Point, contrast};
use veripile_pile::{PileKind, VehiclePath};

use super::alike::{Alike, alike};
use super::forgery::{Deaf, TooGood, VEHICLES_MIN, Values, may_be_the_piles};
use super::gains::{Expected, against_others, is_relayed};
use super::readers;
use super::world::{self, Effect, Scored};

/// Probability below which it is no chance, as that of copies: it changes what is said of a pile, which a finding does not.
const CHANCE: f64 = 1e-9;

/// Vehicles' own errors must show by less than this share of what they show elsewhere.
const SHARE_MAX: f64 = 0.5;

/// Part of a pile's evidence from which values that no vehicle said are its estimate's.
const ALIKE_MIN: f64 = 0.1;

/// Probability, over all piles asked, below which a pile is believed to show less with what it relays: a tenth of that at which a finding is told, since
/// a verdict changes. What it relayed is left out then, and what others tell of it is not, so that less is lost by a mistake than by the other tests.
const CHANCE_OF_ANY: f64 = 1e-3;

/// A pile shows less by so much at least, fraction: a small part of the least limit, as large as vehicles differ by at least.
const LESS_MIN: f64 = 0.003;

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
    /// How the vehicle's value came; none where nobody says.
    pub(crate) path: Option<VehiclePath>,
}

impl Compared {
    /// Whether it came through the pile, for all that is known.
    fn may_be_forged(&self) -> bool {
        may_be_the_piles(self.path)
    }
}

/// Why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    /// Values scatter less than vehicles' do.
    TooGood,
    /// Which vehicle it is does not show.
    Deaf,
    /// With them the pile shows less than with what vehicles' makers and drivers tell.
    Relayed,
    /// Which vehicle it is shows nowhere, of all values of the way.
    Alike,
}

impl Why {
    /// Its word in a run's facts.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::TooGood => "too_good",
            Self::Deaf => "deaf",
            Self::Relayed => "relayed",
            Self::Alike => "alike",
        }
    }
}

/// What says so.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Doubt {
    /// Which test.
    pub(crate) why: Why,
    /// Probability of as much by chance.
    pub(crate) p_value: f64,
    /// Of what vehicles' values scatter by, of what vehicles' own errors show elsewhere, or of what vehicles differ by, so much shows here: a
    /// share. Or by so much less the pile shows with them, fraction.
    pub(crate) share: f64,
}

/// What is known of piles and vehicles.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known<'a> {
    /// Kind of each pile.
    pub(crate) kinds: &'a [Option<PileKind>],
    /// Bias of each vehicle.
    pub(crate) biases: &'a [Option<f64>],
    /// Model of each vehicle.
    pub(crate) models: &'a [Option<usize>],
    /// σ_i, see [`readers`].
    pub(crate) interaction_sd: f64,
}

/// Piles of whose relayed values at least one test says that no vehicle said them, with that test. One vehicle that reads well, or a few
/// that agree with one pile, are none: eight are asked for.
///
/// # Formula
/// Vehicles by their charges n_v: `(Σ n_v)² / Σ n_v²`, as many as would charge equally often.
pub(crate) fn doubted(compared: &[Compared], known: &Known<'_>) -> BTreeMap<usize, Doubt> {
    let (piles, biases) = (known.kinds.len(), known.biases);
    let scored =
        world::scored_by_pile(piles, compared.iter().map(|charge| (charge.pile, charge.z, charge.scale)));
    let values = Values {
        scored: &scored,
        vehicle: &|charge| Some(compared[charge].vehicle),
        may_be_forged: &|charge| compared[charge].may_be_forged(),
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
    let good = good.into_iter().filter(|found| found.is_known && are_many(&found.charges));
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
    let all = all_alike(piles, compared, biases);
    let clear = good.chain(deaf).filter(|(_, doubt)| doubt.p_value < CHANCE);
    let all = all.into_iter().filter(|(_, doubt)| doubt.p_value < CHANCE);
    for (pile, doubt) in clear.chain(shown_less(scored, compared, known)).chain(all) {
        doubted.entry(pile).or_insert(doubt);
    }
    doubted
}

/// Piles that show less with what they relay than with what vehicles' makers and drivers tell of their charges, beside what other piles of their
/// kind show: the question of `gains`, whose answer a verdict needs.
fn shown_less(mut scored: Vec<Vec<Scored>>, compared: &[Compared], known: &Known<'_>) -> Vec<(usize, Doubt)> {
    let interaction = readers::number(
        known.interaction_sd,
        &mut scored,
        |charge| Some(compared[charge].vehicle),
        known.models,
    );
    let (mut less, mut asked) = (Vec::new(), 0.0);
    for kind in [Some(PileKind::Ac), Some(PileKind::Dc), None] {
        let of_pile = |(pile, scored): (usize, &Vec<Scored>)| {
            let point = |scored: &Scored| Some(scored.point(is_relayed(compared[scored.charge].path)?));
            let points: Vec<Point> = scored.iter().filter_map(point).collect();
            Some((pile, contrast(&points, &interaction)?))
        };
        let of_kind = scored.iter().enumerate().filter(|(pile, _)| known.kinds[*pile] == kind);
        let (piles, found): (Vec<_>, Vec<_>) = of_kind.filter_map(of_pile).unzip();
        let effects: Vec<Effect> =
            found.iter().map(|found| (found.effect, found.standard_uncertainty)).collect();
        let Some(((common, _), own)) = against_others(&effects, Expected::ZeroOrShared) else { continue };
        asked += found.len() as f64;
        for ((pile, found), t) in piles.into_iter().zip(found).zip(own) {
            let share = common - found.effect;
            if LESS_MIN <= share && t < 0.0 {
                less.push((pile, Doubt { why: Why::Relayed, p_value: found.p_value(t), share }));
            }
        }
    }
    less.retain(|(_, doubt)| asked * doubt.p_value < CHANCE_OF_ANY);
    less
}

/// Piles whose estimates rest on values of ways on which all vehicles are alike.
///
/// # Formula
/// Of a pile's Σ 1/σ² a tenth or more: a smaller part moves its estimate by less than a tenth of what these values are off.
fn all_alike(piles: usize, compared: &[Compared], biases: &[Option<f64>]) -> Vec<(usize, Doubt)> {
    let ways = [None, Some(VehiclePath::Relayed)].map(|path| (path, alike(compared, biases, path)));
    let ways = ways.into_iter().filter_map(|(path, found)| Some((path, found?)));
    let ways: Vec<(Option<VehiclePath>, Alike)> = ways.filter(|(_, found)| found.p_value < CHANCE).collect();
    let Some((_, clearest)) = ways.iter().min_by(|(_, a), (_, b)| a.p_value.total_cmp(&b.p_value)) else {
        return Vec::new();
    };
    let doubt = Doubt { why: Why::Alike, p_value: clearest.p_value, share: clearest.share };
    let mut weights = vec![(0.0, 0.0); piles];
    for charge in compared {
        let (of_ways, of_all): &mut (f64, f64) = &mut weights[charge.pile];
        let weight = charge.scale.powi(-2);
        *of_all += weight;
        if ways.iter().any(|(path, _)| *path == charge.path) {
            *of_ways += weight;
        }
    }
    let rests = |(of_ways, of_all): &(f64, f64)| 0.0 < *of_ways && ALIKE_MIN * of_all <= *of_ways;
    weights.iter().enumerate().filter(|(_, weights)| rests(weights)).map(|(pile, _)| (pile, doubt)).collect()
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
            if charge.may_be_forged() {
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
