//! Vehicle values that no vehicle sent: too good, copied from the register, or deaf to which vehicle it is.
//!
//! Asked of values that the pile relayed, or whose path is unknown. The comparison of charges with independent paths and of others is in
//! `gains`, last digits are in `digits`.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use veripile_metrology::chi_square;
use veripile_metrology::contrast::{Contrast, Interaction, Point, bounded_location, contrast};
use veripile_metrology::crossing::to_f64;
use veripile_metrology::normal::QUANTILE_75;
use veripile_metrology::{normal, student};
use veripile_pile::{PileKind, VehiclePath};

use super::world::{Effect, GROUP_MIN, Scored, World, against_fleet, common, first, heaviest, median};
use super::{Code, Finding, Phrase, Severity, SignalCharge, Subject};
use crate::evidence::compare;

/// Residuals from which a variance says something.
const RESIDUALS_MIN: usize = 20;

/// Vehicles from which their scatter says something.
pub(super) const VEHICLES_MIN: usize = 8;

/// Standard deviation that two values of one counter have at least, fraction: of roundings to a Wh in a charge of a few kWh. Values that
/// agree to the last digit have no scatter of their own.
const AGREEMENT: f64 = 1e-4;

/// Only a spread below half of the usual is remarkable: honest vehicles differ in how well they measure.
const SPREAD_SHARE_MAX: f64 = 0.5;

/// Charges elsewhere from which a vehicle's bias, and its spread, are known well enough to be looked for here.
const ELSEWHERE_MIN: usize = 3;

/// Degrees of freedom from which it is known what a pile's vehicles scatter by elsewhere: to an eighth.
const FREEDOM_MIN: f64 = 30.0;

/// Share of vehicles' own errors by which honest fleets are off in common, where the fit takes their spread for a little more or less than it is:
/// what is held against the truth itself must go beyond, by so many standard uncertainties.
const OFF_MAX: f64 = 0.25;
const CLEAR: f64 = 3.0;

/// Scale of the noise of a charge that is no comparison, fraction: σ_0 of metrology.md §2.1.
const USUAL_SCALE: f64 = 0.02;

/// Density of t₄ at zero, its largest: 3/8.
const DENSITY_MAX: f64 = 0.375;

/// Degrees of freedom of the noise.
const NU: f64 = 4.0;

/// Asks every pile.
pub(super) fn ask(world: &World<'_>) -> Vec<Finding> {
    let mut asked = too_good(world);
    asked.extend(copied(world));
    asked.extend(deaf(world));
    asked.extend(apart(world));
    asked
}

/// Whether the vehicle's value may be the pile's own.
pub(super) fn may_be_forged(charge: &SignalCharge<'_>) -> bool {
    may_be_the_piles(charge.vehicle_path)
}

/// The same of a way.
pub(crate) fn may_be_the_piles(path: Option<VehiclePath>) -> bool {
    matches!(path, None | Some(VehiclePath::Relayed))
}

/// The vehicle's energy as the pile relayed it, whether that is what was compared or not.
fn by_the_pile(charge: &SignalCharge<'_>) -> Option<Decimal> {
    if may_be_forged(charge) { charge.energy_vehicle_kwh } else { charge.energy_relayed_kwh }
}

/// Residuals of comparisons by pile, and whose they are.
pub(super) struct Values<'v> {
    pub(super) scored: &'v [Vec<Scored>],
    pub(super) vehicle: &'v (dyn Fn(usize) -> Option<usize> + Sync),
    pub(super) may_be_forged: &'v (dyn Fn(usize) -> bool + Sync),
    pub(super) biases: &'v [Option<f64>],
}

impl Values<'_> {
    fn relayed(&self, pile: usize) -> impl Iterator<Item = &Scored> {
        self.scored[pile].iter().filter(|scored| (self.may_be_forged)(scored.charge))
    }
}

fn of_world<R>(world: &World<'_>, ask: impl FnOnce(&Values<'_>) -> R) -> R {
    ask(&Values {
        scored: &world.scored,
        vehicle: &|charge| world.charges[charge].vehicle,
        may_be_forged: &|charge| may_be_forged(&world.charges[charge]),
        biases: world.evidence.vehicle_biases,
    })
}

/// How the values that a pile relayed scatter.
pub(super) struct TooGood {
    pub(super) pile: usize,
    pub(super) charges: Vec<usize>,
    /// As a share of the usual, or of what the same vehicles scatter by elsewhere, whichever is more.
    pub(super) spread: f64,
    /// Whether it is known what they scatter by elsewhere: if not, they may be vehicles that measure well.
    pub(super) is_known: bool,
    /// Normal score.
    pub(super) score: f64,
}

impl TooGood {
    /// # Formula
    /// `g = Φ⁻¹(F₄(z))` is normal if z is t₄. Of n charges here by vehicles that charge elsewhere, too, w_v the share of each and s_v² its mean g² of
    /// n_v there: `F = (Σ g²/n) / Σ w_v s_v²`, whose denominator has `(Σ w_v s_v²)² / Σ (w_v s_v²)²/n_v` degrees of freedom after
    /// Satterthwaite; lower tail. Without the like `Σ g² ~ χ²_n`. The normal score of that held against the fleet's.
    pub(super) fn of(values: &Values<'_>) -> Vec<Self> {
        let squares: Vec<Vec<f64>> = values
            .scored
            .iter()
            .map(|of_pile| of_pile.iter().map(|scored| normal_square(scored.z)).collect())
            .collect();
        let relayed = |pile: usize| {
            let of_pile = values.scored[pile].iter().zip(&squares[pile]);
            of_pile.filter(|(scored, _)| (values.may_be_forged)(scored.charge))
        };
        let mean_square = |pile: usize| {
            let (sum, count) =
                relayed(pile).fold((0.0, 0.0), |(sum, n), (_, square)| (sum + square, n + 1.0));
            (RESIDUALS_MIN as f64 <= count).then_some(sum / count)
        };
        let usual: Vec<Option<f64>> = (0..values.scored.len()).map(mean_square).collect();
        let elsewhere = spreads(values, &squares, &usual);
        let of_pile = |pile: usize| {
            let square = usual[pile]?;
            let charges: Vec<usize> = relayed(pile).map(|(scored, _)| scored.charge).collect();
            let met = relayed(pile)
                .filter_map(|(scored, square)| Some(((values.vehicle)(scored.charge)?, *square)));
            let (n, spread) = (charges.len() as f64, square.sqrt());
            if let Some((ratio, score)) = against_elsewhere(pile, met, n, &elsewhere) {
                return Some(Self { pile, charges, spread: spread.max(ratio), is_known: true, score });
            }
            let score = normal::quantile(chi_square::tails(square * n, n).0.max(f64::MIN_POSITIVE));
            Some(Self { pile, charges, spread, is_known: false, score })
        };
        let mut found: Vec<Self> = (0..values.scored.len()).filter_map(of_pile).collect();
        let mut scores: Vec<f64> = found.iter().map(|found| found.score).collect();
        let usual = median(&mut scores).filter(|_| GROUP_MIN <= found.len()).unwrap_or(0.0);
        let own: Vec<f64> = found.iter().map(|found| found.score - usual).collect();
        found.iter_mut().zip(against_fleet(&own)).for_each(|(found, score)| found.score = score);
        found
    }

    pub(super) fn p_value(&self) -> f64 {
        if self.spread < SPREAD_SHARE_MAX { normal::cdf(self.score) } else { 1.0 }
    }
}

/// Squared scores by vehicle and pile: of all values but those that a pile relayed whose values scatter too little, since these exonerate nobody.
fn spreads(values: &Values<'_>, squares: &[Vec<f64>], usual: &[Option<f64>]) -> Sums {
    let mut sums = Sums::new();
    for (pile, of_pile) in values.scored.iter().enumerate() {
        let is_suspect = usual[pile].is_some_and(|square| square < SPREAD_SHARE_MAX * SPREAD_SHARE_MAX);
        for (scored, square) in of_pile.iter().zip(&squares[pile]) {
            let Some(vehicle) = (values.vehicle)(scored.charge) else { continue };
            if !(is_suspect && (values.may_be_forged)(scored.charge)) {
                let (sum, count) = sums.entry(vehicle).or_default().entry(pile).or_default();
                (*sum, *count) = (*sum + square, *count + 1);
            }
        }
    }
    sums
}

/// Spread here as a share of what the same vehicles scatter by elsewhere, and the normal score of that; none where that is not known of half the
/// `n` charges.
///
/// # Formula
/// F's lower tail after Wilson and Hilferty: `z = ((1 − 2/9m) F^⅓ − (1 − 2/9n)) / √(2/9m F^⅔ + 2/9n)`.
fn against_elsewhere(
    pile: usize,
    met: impl Iterator<Item = (usize, f64)>,
    n: f64,
    elsewhere: &Sums,
) -> Option<(f64, f64)> {
    let mut here: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for (vehicle, square) in met {
        let (sum, count) = here.entry(vehicle).or_default();
        (*sum, *count) = (*sum + square, *count + 1.0);
    }
    let (mut sum, mut count, mut expected, mut variance) = (0.0, 0.0, 0.0, 0.0);
    for (vehicle, (square, charges)) in here {
        let Some((mean, of)) = mean_elsewhere(elsewhere, vehicle, pile) else { continue };
        (sum, count) = (sum + square, count + charges);
        expected += charges * mean;
        variance += (charges * mean).powi(2) / of as f64;
    }
    let freedom = expected * expected / variance;
    let is_known =
        FREEDOM_MIN <= freedom && RESIDUALS_MIN as f64 <= count && n <= 2.0 * count && 0.0 < expected;
    is_known.then(|| {
        let ratio = sum / expected;
        let (of_here, of_there) = (2.0 / (9.0 * count), 2.0 / (9.0 * freedom));
        let root = ratio.cbrt();
        let score = ((1.0 - of_there) * root - (1.0 - of_here)) / (of_there * root * root + of_here).sqrt();
        (ratio.sqrt(), score)
    })
}

/// Residual variance too small. Of vehicles that are met nowhere else it is worth knowing, and no more.
fn too_good(world: &World<'_>) -> Vec<Finding> {
    let finding = |found: TooGood| {
        let (from, to) = world.span(found.charges.iter().copied());
        Finding {
            subject: Subject::Pile(found.pile),
            code: Code::ForgedVehicleData,
            severity: if found.is_known { Severity::Critical } else { Severity::Info },
            statistic: found.score,
            p_value: Some(found.p_value()),
            from,
            to,
            said: vec![Phrase::TooGood { share: format!("{:.0}", 100.0 * found.spread) }],
            evidence: first(found.charges),
        }
    };
    of_world(world, TooGood::of).into_iter().map(finding).collect()
}

fn normal_square(z: f64) -> f64 {
    // The lower tail keeps its digits; the square does not see the sign.
    normal::quantile(student::cdf(-z.abs(), NU)).powi(2)
}

/// The vehicle's reading is the register's to the last digit, more often than chance.
///
/// # Formula
/// Whatever the vehicle reads, an outlet that counts in steps of δ meets it with a chance of at most
/// `min(1, δ f₄(0) / (σ E))`; the count is held against the Poisson tail of their sum, which bounds that of unequal
/// chances.
fn copied(world: &World<'_>) -> Vec<Finding> {
    (0..world.piles.len()).filter_map(|pile| copied_by(world, pile)).collect()
}

fn copied_by(world: &World<'_>, pile: usize) -> Option<Finding> {
    // Also of charges that were no comparison because they were copied.
    let scales: BTreeMap<usize, f64> =
        world.scored[pile].iter().map(|scored| (scored.charge, scored.scale)).collect();
    let told = |at: &usize| {
        let charge = &world.charges[*at];
        Some((*at, charge.energy_pile_kwh, by_the_pile(charge)?))
    };
    let pairs: Vec<(usize, Decimal, Decimal)> = world.by_pile[pile].iter().filter_map(told).collect();
    let mut energies: BTreeMap<u32, Vec<Decimal>> = BTreeMap::new();
    for (at, by_pile, _) in &pairs {
        energies.entry(world.charges[*at].outlet).or_default().push(*by_pile);
    }
    let steps: BTreeMap<u32, f64> = energies
        .into_iter()
        .filter_map(|(outlet, energies)| {
            Some((outlet, libm::pow(10.0, -f64::from(decimals(energies.into_iter())?))))
        })
        .collect();
    let chance = |(at, by_pile, _): &(usize, Decimal, Decimal)| {
        let step = steps.get(&world.charges[*at].outlet).copied().unwrap_or(1.0);
        equal_by_chance(step, *scales.get(at).unwrap_or(&USUAL_SCALE), *by_pile)
    };
    let expected: f64 = pairs.iter().map(chance).sum();
    let same: Vec<usize> = pairs.iter().filter(|(_, a, b)| a == b).map(|(at, ..)| *at).collect();
    let (from, to) = world.span(pairs.iter().map(|(at, ..)| *at));
    (RESIDUALS_MIN <= pairs.len()).then(|| Finding {
        subject: Subject::Pile(pile),
        code: Code::ForgedVehicleData,
        severity: Severity::Critical,
        statistic: same.len() as f64,
        p_value: Some(chi_square::poisson_at_least(same.len(), expected)),
        from,
        to,
        said: vec![Phrase::Copied {
            same: same.len().to_string(),
            of: pairs.len().to_string(),
            chance: format!("{expected:.1}"),
        }],
        evidence: first(same),
    })
}

/// Largest chance that a vehicle's value of a relative scale meets the pile's to the last digit, energies in steps of `step` kWh.
///
/// # Formula
/// `min(1, δ f₄(0) / (σ E))`.
pub(crate) fn equal_by_chance(step: f64, scale: f64, energy_kwh: Decimal) -> f64 {
    (step * DENSITY_MAX / (scale * to_f64(energy_kwh))).clamp(0.0, 1.0)
}

/// Decimals that a quarter of values are given with at least: of a pile whose values all end in 0 or 5 half have one fewer, by the toss of a
/// coin most, once their zeros are trimmed. Fewer with finer ones are another meter's.
pub(crate) fn decimals(values: impl Iterator<Item = Decimal>) -> Option<u32> {
    let mut scales: Vec<u32> = values.map(|value| value.normalize().scale()).collect();
    scales.sort_unstable();
    scales.get(3 * scales.len() / 4).copied()
}

/// How vehicles' own errors show at a pile.
pub(super) struct Deaf {
    pub(super) pile: usize,
    points: Vec<Point>,
    pub(super) charges: Vec<usize>,
    contrast: Contrast,
    /// As a share of what they show elsewhere.
    pub(super) share: f64,
    t: f64,
}

impl Deaf {
    /// # Formula
    /// Residuals regressed on each vehicle's mean `−b_v + ε` over its charges at other piles: zero where vehicles speak for themselves, −1 where
    /// the pile writes its own value. Held against the fleet; and, clearly beyond [`OFF_MAX`], against zero itself, since where many write theirs the
    /// fleet's median is theirs, and its scatter is the difference between them and the honest. Then the scatter is what halves of a pile's
    /// vehicles differ by: there both are honest, or neither is.
    pub(super) fn of(values: &Values<'_>) -> Vec<Self> {
        let sums = sums(values);
        let mut halves = Vec::new();
        let mut of_pile = |pile: usize| {
            let with_vehicle = values.relayed(pile).filter_map(|scored| {
                let vehicle = (values.vehicle)(scored.charge)?;
                Some((scored.point(mean_elsewhere(&sums, vehicle, pile)?.0), (scored.charge, vehicle)))
            });
            let (points, charges): (Vec<Point>, Vec<(usize, usize)>) = with_vehicle.unzip();
            let contrast = contrast(&points, &Interaction::default())?;
            halves.extend(halves_apart(&points, &charges));
            let charges = charges.into_iter().map(|(charge, _)| charge).collect();
            Some(Self { pile, points, charges, contrast, share: 0.0, t: 0.0 })
        };
        let mut found: Vec<Self> = (0..values.scored.len()).filter_map(&mut of_pile).collect();
        let effects: Vec<Effect> =
            found.iter().map(|found| (found.contrast.effect, found.contrast.standard_uncertainty)).collect();
        let (common, of_common) = common(&effects).unwrap_or_default();
        let own: Vec<f64> =
            effects.iter().map(|(effect, u)| (effect - common) / libm::hypot(*u, of_common)).collect();
        let scatter = median(&mut halves).filter(|_| GROUP_MIN <= halves.len());
        let scatter = scatter.map(|half| (half / QUANTILE_75).max(1.0));
        for (found, t) in found.iter_mut().zip(against_fleet(&own)) {
            let Contrast { effect, standard_uncertainty, .. } = found.contrast;
            (found.share, found.t) = (1.0 + effect - common, t);
            let by_itself = scatter.map(|scatter| standard_uncertainty * scatter);
            let by_itself = by_itself.filter(|u| effect + OFF_MAX < -CLEAR * u).map(|u| effect / u);
            if let Some(t) = by_itself.filter(|own| *own < t.min(0.0)) {
                (found.share, found.t) = (1.0 + effect, t);
            }
        }
        found
    }

    /// Vehicles that show more than elsewhere are no sign of it.
    pub(super) fn p_value(&self) -> f64 {
        if self.t < 0.0 { self.contrast.p_value(self.t) } else { 1.0 }
    }
}

/// By how many standard uncertainties what one half of a pile's vehicles shows and what the other does are apart.
fn halves_apart(points: &[Point], charges: &[(usize, usize)]) -> Option<f64> {
    let half = |parity: usize| {
        let of_half = points.iter().zip(charges).filter(|(_, (_, vehicle))| vehicle % 2 == parity);
        contrast(&of_half.map(|(point, _)| *point).collect::<Vec<_>>(), &Interaction::default())
    };
    let (a, b) = (half(0)?, half(1)?);
    Some((a.effect - b.effect).abs() / libm::hypot(a.standard_uncertainty, b.standard_uncertainty))
}

/// Deaf to the vehicle: whoever reads low everywhere else must read low here.
fn deaf(world: &World<'_>) -> Vec<Finding> {
    let finding = |found: Deaf| {
        let (from, to) = world.span(found.charges.iter().copied());
        let weigh = |point: &Point| (point.regressor * point.score() * found.t.signum()) / point.scale;
        Finding {
            subject: Subject::Pile(found.pile),
            code: Code::ForgedVehicleData,
            severity: Severity::Warning,
            statistic: found.t,
            p_value: Some(found.p_value()),
            from,
            to,
            said: vec![Phrase::Deaf {
                share: format!("{:.0}", 100.0 * found.share),
                u: format!("{:.0}", 100.0 * found.contrast.standard_uncertainty),
            }],
            evidence: heaviest(found.points.iter().map(weigh).zip(found.charges).collect()),
        }
    };
    of_world(world, Deaf::of).into_iter().map(finding).collect()
}

/// What the pile relays is not what vehicles told others of the same charges.
///
/// # Formula
/// `ln(E_relayed / E_other)` of the charges of which both are known, its mean for each vehicle, since a vehicle differs from itself on two
/// ways always alike; where these lie ([`bounded_location`]: of one charge that somebody told wrongly none makes a liar and none hides one)
/// less the median of the piles' (the ways' own difference), over its standard uncertainty from the scatter of vehicles; held against the
/// fleet. Student's t with as many degrees of freedom as vehicles, less one. Ways are asked one by one, AC and
/// DC piles apart, and silent where too few piles have both, since then nothing says what the ways' own difference is.
fn apart(world: &World<'_>) -> Vec<Finding> {
    let kinds = [Some(PileKind::Ac), Some(PileKind::Dc), None];
    let groups =
        kinds.into_iter().flat_map(|kind| VehiclePath::ALL.into_iter().map(move |path| (kind, path)));
    groups.flat_map(|(kind, path)| apart_of(world, kind, path)).collect()
}

fn apart_of(world: &World<'_>, kind: Option<PileKind>, path: VehiclePath) -> Vec<Finding> {
    let piles = (0..world.piles.len()).filter(|pile| world.piles[*pile].kind == kind);
    let found: Vec<Apart> = piles.filter_map(|pile| Apart::of(world, pile, path)).collect();
    let effects: Vec<Effect> = found.iter().map(|apart| apart.effect).collect();
    let Some((usual, of_usual)) = common(&effects) else { return Vec::new() };
    let own: Vec<f64> =
        effects.iter().map(|(effect, u)| (effect - usual) / libm::hypot(*u, of_usual)).collect();
    let own = against_fleet(&own);
    found.iter().zip(own).map(|(apart, t)| apart.finding(world, usual, t)).collect()
}

/// How what a pile relays differs from what others told.
struct Apart {
    pile: usize,
    /// `ln(E_relayed / E_other)` of each charge.
    charges: Vec<(f64, usize)>,
    vehicles: usize,
    effect: Effect,
}

impl Apart {
    fn of(world: &World<'_>, pile: usize, path: VehiclePath) -> Option<Self> {
        let (mut charges, mut by_vehicle) = (Vec::new(), BTreeMap::<usize, (f64, f64)>::new());
        for at in &world.by_pile[pile] {
            let charge = &world.charges[*at];
            if charge.vehicle_path != Some(path) {
                continue;
            }
            let (Some(vehicle), Some(relayed), Some(other)) =
                (charge.vehicle, charge.energy_relayed_kwh, charge.energy_vehicle_kwh)
            else {
                continue;
            };
            let Ok((ratio, _)) = compare(relayed, other) else { continue };
            charges.push((ratio, *at));
            let (sum, count) = by_vehicle.entry(vehicle).or_default();
            (*sum, *count) = (*sum + ratio, *count + 1.0);
        }
        let means: Vec<f64> = by_vehicle.values().map(|(sum, count)| sum / count).collect();
        if charges.len() < RESIDUALS_MIN || means.len() < VEHICLES_MIN {
            return None;
        }
        let (mean, own) = bounded_location(&means, AGREEMENT)?;
        let u = libm::hypot(own, AGREEMENT / (means.len() as f64).sqrt());
        Some(Self { pile, charges, vehicles: means.len(), effect: (mean, u) })
    }

    fn finding(&self, world: &World<'_>, usual: f64, t: f64) -> Finding {
        let (from, to) = world.span(self.charges.iter().map(|(_, charge)| *charge));
        let weigh = |(ratio, charge): &(f64, usize)| ((ratio - usual) * t.signum(), *charge);
        Finding {
            subject: Subject::Pile(self.pile),
            code: Code::ForgedVehicleData,
            severity: Severity::Critical,
            statistic: t,
            p_value: Some(2.0 * student::cdf(-t.abs(), self.vehicles as f64 - 1.0)),
            from,
            to,
            said: vec![Phrase::RelayedApart {
                count: self.charges.len().to_string(),
                effect: format!("{:+.2}", 100.0 * (self.effect.0 - usual)),
                u: format!("{:.2}", 100.0 * self.effect.1),
            }],
            evidence: heaviest(self.charges.iter().map(weigh).collect()),
        }
    }
}

/// Sum and count of a quantity, as `−b_v + ε`, by vehicle and pile.
type Sums = BTreeMap<usize, BTreeMap<usize, (f64, usize)>>;

fn sums(values: &Values<'_>) -> Sums {
    let mut sums = Sums::new();
    for (pile, scored) in values.scored.iter().enumerate() {
        for scored in scored {
            let Some(vehicle) = (values.vehicle)(scored.charge) else { continue };
            let Some(bias) = values.biases.get(vehicle).copied().flatten() else { continue };
            let (sum, count) = sums.entry(vehicle).or_default().entry(pile).or_default();
            *sum += scored.score() * scored.scale - bias;
            *count += 1;
        }
    }
    sums
}

/// A vehicle's mean at other piles, and of how many charges.
fn mean_elsewhere(sums: &Sums, vehicle: usize, pile: usize) -> Option<(f64, usize)> {
    let others = sums.get(&vehicle)?.iter().filter(|(other, _)| **other != pile);
    let (sum, count) = others.fold((0.0, 0), |(sum, count), (_, (s, c))| (sum + s, count + c));
    (ELSEWHERE_MIN <= count).then(|| (sum / count as f64, count))
}
