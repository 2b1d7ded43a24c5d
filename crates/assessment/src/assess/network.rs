//! Evidence as a network of comparisons: who is compared with whom, what gives a level, and what is left out and why.
//!
//! A pile that changed is another instrument from then on: its charges before still tell of the vehicles, not of the pile as it is.
//!
//! Called by [`super::assess`]. It estimates nothing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use veripile_metrology::balance::{self, BalanceError};
use veripile_metrology::comparison::{
    self, CHECKED_MAX, Comparison, Comparisons, Information, InstrumentEstimate, Network,
};
use veripile_pile::VehiclePath;

use super::travelling::Travelling;
use super::updates::Updates;
use super::{copies, placeholders};
use crate::calibration::known_bias;
use crate::evidence::{
    Anchor, COVARIATES_MAX, ComparableCharge, Evidence, ReferenceVehicle, Screened, TimedFeeder, compare,
};
use crate::learnt::Scale;
use crate::levels::{Balanced, Levels};

/// Models told apart at most: each is a dense row beside all piles. A vehicle of another one has none, as if nobody had told it.
const MODELS_MAX: usize = 1_000;

/// What goes into the comparison.
pub(super) struct Given<'a> {
    pub(super) network: Network,
    /// Charges that do not, and why.
    pub(super) screened: Vec<(usize, Screened)>,
    /// Ids that overlap as those of many vehicles do, where that tells nothing: they are compared.
    pub(super) overlapping: usize,
    /// Which charge of the evidence each comparison is.
    pub(super) compared: Vec<u32>,
    /// What gives levels.
    pub(super) levels: Levels<'a>,
    /// Calibrations that are not used: more than can be held against everything else.
    pub(super) references_beyond: usize,
    /// Which instrument of the network a pile is today; none for one of which nothing is known: it would only make the matrix larger.
    pub(super) places: Vec<Option<usize>>,
    /// The instrument that a pile was so many changes ago, where there is anything of it.
    pub(super) before: BTreeMap<(usize, usize), usize>,
    /// What each feeder's balance said, or why it said nothing.
    pub(super) balances: Vec<Result<f64, BalanceError>>,
    /// Each way's class.
    pub(super) ways: Ways,
    /// Of each covariate.
    pub(super) scales: Vec<Scale>,
    /// Piles whose vehicles' values are copies, ascending.
    pub(super) copying: BTreeSet<usize>,
    /// Models, and vehicles, that are others since.
    pub(super) updates: Updates,
}

/// A pile of which nothing is known, in a set of its own.
pub(super) fn alone(component: usize) -> InstrumentEstimate {
    InstrumentEstimate {
        component,
        community: None,
        grounded: false,
        comparisons: 0,
        is_balanced: false,
        error: None,
    }
}

/// When piles became others than they were, ascending.
pub(super) type Changes = BTreeMap<usize, Vec<Timestamp>>;

/// How often a pile has changed since a moment.
fn age(changes: &Changes, pile: usize, at: Timestamp) -> usize {
    changes.get(&pile).map_or(0, |changes| changes.iter().filter(|change| at < **change).count())
}

/// The instrument that each pile was so many changes ago, where a charge or an anchor tells of it; numbered from `first` on.
fn before<'a>(
    anchors: &[&Anchor],
    charges: impl Iterator<Item = &'a ComparableCharge>,
    changes: &Changes,
    first: usize,
) -> BTreeMap<(usize, usize), usize> {
    if changes.is_empty() {
        return BTreeMap::new();
    }
    let of_anchors = anchors.iter().map(|anchor| (anchor.pile, age(changes, anchor.pile, anchor.at)));
    let of_charges = charges.map(|charge| (charge.pile, age(changes, charge.pile, charge.ended_at)));
    let known = of_charges.chain(of_anchors).filter(|(_, age)| *age > 0);
    let mut before: BTreeMap<(usize, usize), usize> = known.map(|known| (known, 0)).collect();
    (first..).zip(before.values_mut()).for_each(|(instrument, place)| *place = instrument);
    before
}

pub(super) fn given<'a>(
    evidence: &'a Evidence,
    used: &[(&'a Anchor, comparison::Anchor)],
    changes: &Changes,
    updates: Updates,
) -> Given<'a> {
    given_without(evidence, used, changes, updates, &BTreeSet::new())
}

/// The same without what piles relayed whose values are in doubt.
pub(super) fn given_without<'a>(
    evidence: &'a Evidence,
    used: &[(&'a Anchor, comparison::Anchor)],
    changes: &Changes,
    updates: Updates,
    doubted: &BTreeSet<usize>,
) -> Given<'a> {
    let copying = copies::piles(evidence);
    let (of_many, overlapping) = placeholders::vehicles(evidence);
    let (compared, screened) = screen(evidence, &copying, &of_many, doubted);
    let charges = || compared.iter().map(|at| &evidence.charges[*at as usize]);
    let (given, mut anchors): (Vec<&Anchor>, Vec<comparison::Anchor>) = used.iter().copied().unzip();
    let (mut told, mut information, balances) = balanced(evidence, changes);
    let named = information.iter().flat_map(|information| information.instruments.iter().copied());
    let anchored = anchors.iter().map(|anchor| anchor.instrument);
    let (places, piles) =
        numbered(charges().map(|charge| charge.pile).chain(anchored).chain(named), evidence.piles.len());
    let before = before(&given, charges(), changes, piles);
    let instruments = piles + before.len();
    let place = |pile: usize, at: Timestamp| match age(changes, pile, at) {
        0 => places[pile].unwrap_or(0),
        age => before[&(pile, age)],
    };
    for (anchor, given) in anchors.iter_mut().zip(&given) {
        anchor.instrument = place(given.pile, given.at);
    }
    let named = information.iter_mut().map(|information| &mut information.instruments);
    let named = named.chain(told.iter_mut().map(|told| &mut told.branches.instruments)).flatten();
    named.for_each(|pile| *pile = places[*pile].unwrap_or(0));
    let models = frequent(&evidence.vehicle_models, evidence.models);
    let models =
        charges().filter_map(|charge| evidence.vehicle_models[charge.vehicle].filter(|model| models[*model]));
    let (model_places, models) = numbered(models, evidence.models);
    let ways = classes(charges(), !evidence.references.is_empty());
    let covariates = evidence.covariates.len().min(COVARIATES_MAX);
    let scales: Vec<Scale> =
        (0..covariates).map(|at| Scale::of(&charges().map(|charge| charge.covariates[at]))).collect();
    let (references, references_beyond) = references(evidence, charges());
    let calibrated = references.iter().map(|(vehicle, (reference, _))| (*vehicle, reference.at));
    let travelling = Travelling::of(&evidence.vehicle_models, &updates, calibrated, charges());
    let comparisons = comparisons(&charges, &scales, &ways, (place, &travelling));
    let known = |vehicle: usize| references.get(&vehicle).map(|(_, known)| *known);
    let (travellers, models) = travelling.all(&model_places, models, known);
    let network = Network {
        instruments,
        travellers,
        models,
        covariates,
        classes: ways.of_class.len(),
        comparisons,
        anchors,
        information,
    };
    let references = references.into_iter().map(|(vehicle, (reference, _))| (vehicle, reference)).collect();
    let levels = Levels { anchors: given, references, balances: told };
    Given {
        network,
        screened,
        overlapping,
        compared,
        levels,
        references_beyond,
        places,
        before,
        balances,
        ways,
        scales,
        copying,
        updates,
    }
}

/// The charges as the fit takes them: each of the instrument that its pile was then and of who its vehicle was, with covariates in units of their scatter.
fn comparisons<'a, I: Iterator<Item = &'a ComparableCharge> + Clone>(
    charges: &dyn Fn() -> I,
    scales: &[Scale],
    ways: &Ways,
    (place, travelling): (impl Fn(usize, Timestamp) -> usize, &Travelling<'_>),
) -> Comparisons {
    let mut comparisons = Comparisons::with_capacity(charges().count());
    for charge in charges() {
        let Ok((log_ratio, size)) = compare(charge.energy_pile_kwh, charge.energy_vehicle_kwh) else {
            continue;
        };
        let mut values = [0.0; COVARIATES_MAX];
        for (value, (given, scale)) in values.iter_mut().zip(charge.covariates.iter().zip(scales)) {
            *value = scale.standardised(*given);
        }
        comparisons.push(&Comparison {
            instrument: place(charge.pile, charge.ended_at),
            traveller: travelling.traveller(charge.vehicle, charge.ended_at),
            log_ratio,
            size,
            class: ways.numbers[class_of(charge.path)],
            covariates: &values[..scales.len()],
        });
    }
    comparisons
}

/// Charges that are compared, and those that are not with the reason.
fn screen(
    evidence: &Evidence,
    copying: &BTreeSet<usize>,
    of_many: &BTreeSet<usize>,
    doubted: &BTreeSet<usize>,
) -> (Vec<u32>, Vec<(usize, Screened)>) {
    let (mut compared, mut screened) = (Vec::with_capacity(evidence.charges.len()), Vec::new());
    for (index, charge) in evidence.charges.iter().enumerate() {
        let is_of = |piles: &BTreeSet<usize>| piles.contains(&charge.pile) && copies::may_be_copied(charge);
        let reason = if is_of(copying) {
            Some(Screened::Copied)
        } else if of_many.contains(&charge.vehicle) {
            Some(Screened::ManyVehicles)
        } else {
            is_of(doubted).then_some(Screened::Doubted)
        };
        let compared_to = compare(charge.energy_pile_kwh, charge.energy_vehicle_kwh);
        match compared_to.and_then(|ratio| reason.map_or(Ok(ratio), Err)) {
            Ok(_) => compared.push(u32::try_from(index).unwrap_or(u32::MAX)),
            Err(reason) => screened.push((index, reason)),
        }
    }
    (compared, screened)
}

/// What the feeders' balances say, and of each feeder the standard uncertainty of the level that it gives, or why it gives none. Intervals
/// before the last change of a pile behind it do not count: then it was another.
fn balanced(
    evidence: &Evidence,
    changes: &Changes,
) -> (Vec<Balanced>, Vec<Information>, Vec<Result<f64, BalanceError>>) {
    let (mut balanced, mut information) = (Vec::new(), Vec::new());
    let is_presumed = |fed: &&TimedFeeder| {
        fed.feeder.instruments.iter().any(|instrument| 0.0 < instrument.efficiency_common)
    };
    let feeders_alike = evidence.feeders.iter().filter(is_presumed).count().max(1);
    let settings = balance::Settings { feeders_alike, ..balance::Settings::default() };
    let told = evidence.feeders.iter().enumerate().map(|(feeder, fed)| {
        let found = match last_change(fed, changes) {
            None => balance::balance(&fed.feeder, &settings),
            Some(since) => balance::balance(&fed.since(since), &settings),
        };
        found.map(|found| {
            let level = found.information.level_uncertainty();
            balanced.push(Balanced { feeder, branches: found.branches });
            information.push(found.information);
            level
        })
    });
    let told = told.collect();
    (balanced, information, told)
}

/// When a pile behind a master changed last.
pub(super) fn last_change(fed: &TimedFeeder, changes: &Changes) -> Option<Timestamp> {
    let piles = fed.feeder.instruments.iter().map(|instrument| instrument.index);
    piles.filter_map(|pile| changes.get(&pile)?.last().copied()).max()
}

/// A vehicle's calibration, and bias and standard uncertainty by it.
type Calibrated<'a> = (&'a ReferenceVehicle, (f64, f64));

/// The newest calibration of each reference vehicle that was met, and how many are beyond [`CHECKED_MAX`]: of more those are used that say
/// most, since one that nothing is held against could move all piles unseen.
///
/// # Formula
/// `u² = (U/k)² + q² T`, T from the calibration to the charge that lies farthest from it, before or after: what the instrument was on its
/// day it need not have been a year earlier either. What it says of a level is `u² + σ₀²/n`, n its charges.
fn references<'a>(
    evidence: &'a Evidence,
    charges: impl Iterator<Item = &'a ComparableCharge>,
) -> (BTreeMap<usize, Calibrated<'a>>, usize) {
    let mut newest: BTreeMap<usize, (&ReferenceVehicle, f64, f64)> = BTreeMap::new();
    for reference in evidence.references.iter().filter(|reference| reference.at <= evidence.as_of) {
        let (known, ..) = newest.entry(reference.vehicle).or_insert((reference, f64::NAN, 0.0));
        if known.at < reference.at {
            *known = reference;
        }
    }
    if newest.is_empty() {
        return (BTreeMap::new(), 0);
    }
    for charge in charges {
        if let Some((reference, farthest, met)) = newest.get_mut(&charge.vehicle) {
            let days = charge.ended_at.duration_since(reference.at).as_secs_f64().abs() / 86_400.0;
            *farthest = farthest.max(days);
            *met += 1.0;
        }
    }
    let noise = comparison::Settings::default().noise;
    let known = newest.into_iter().filter_map(|(vehicle, (reference, days, met))| {
        let ReferenceVehicle { error_percent, expanded_uncertainty_percent, coverage_factor, .. } =
            *reference;
        let known = known_bias([error_percent, expanded_uncertainty_percent, coverage_factor], days)?;
        Some((known.1 * known.1 + noise * noise / met, (vehicle, (reference, known))))
    });
    let mut known: Vec<(f64, (usize, Calibrated<'a>))> = known.collect();
    let beyond = known.len().saturating_sub(CHECKED_MAX);
    known.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    known.truncate(CHECKED_MAX);
    (known.into_iter().map(|(_, calibrated)| calibrated).collect(), beyond)
}

/// Number of a way among all of them, unknown first.
fn class_of(path: Option<VehiclePath>) -> usize {
    path.map_or(0, |path| 1 + path as usize)
}

/// Ways as classes of the comparison.
pub(super) struct Ways {
    /// Class of each way, by [`class_of`].
    numbers: [u8; 5],
    /// The way of each class, and its charges.
    pub(super) of_class: Vec<(Option<VehiclePath>, usize)>,
    /// The class of most charges: its noise is the network's.
    pub(super) most_frequent: usize,
}

/// Numbers the ways that occur, first the one against which the others' biases are told: the most frequent, or that of reference vehicles
/// where there are calibrations, since these speak of just what was read on it.
fn classes<'a>(charges: impl Iterator<Item = &'a ComparableCharge>, is_calibrated: bool) -> Ways {
    let mut counts = [(0_usize, 0_usize); 5];
    (0..5).for_each(|class| counts[class].1 = class);
    charges.for_each(|charge| counts[class_of(charge.path)].0 += 1);
    let reference = class_of(Some(VehiclePath::Reference));
    counts.sort_by_key(|(count, class)| {
        (!(is_calibrated && *class == reference && 0 < *count), std::cmp::Reverse(*count), *class)
    });
    let mut numbers = [0; 5];
    let occurring = counts.iter().filter(|(count, _)| *count > 0);
    occurring.clone().zip(0_u8..).for_each(|((_, class), number)| numbers[*class] = number);
    let most_frequent = usize::from(counts[0].0 < counts[1].0);
    let path = |class: usize| class.checked_sub(1).map(|path| VehiclePath::ALL[path]);
    let of_class = occurring.map(|(count, class)| (path(*class), *count)).collect();
    Ways { numbers, of_class, most_frequent }
}

/// Which models are told apart: all, or where there are more than [`MODELS_MAX`] those of the most vehicles, the first of equals.
fn frequent(of_vehicles: &[Option<usize>], models: usize) -> Vec<bool> {
    let mut vehicles = vec![0_usize; models];
    of_vehicles.iter().flatten().for_each(|model| vehicles[*model] += 1);
    let mut order: Vec<usize> = (0..models).collect();
    order.sort_by_key(|model| std::cmp::Reverse(vehicles[*model]));
    let mut are = vec![false; models];
    order.iter().take(MODELS_MAX).for_each(|model| are[*model] = true);
    are
}

/// Numbers those of `0..count` that occur, in their order; and how many do.
fn numbered(occurring: impl Iterator<Item = usize>, count: usize) -> (Vec<Option<usize>>, usize) {
    let mut places = vec![None; count];
    occurring.for_each(|index| places[index] = Some(0));
    let mut next = 0;
    for place in places.iter_mut().flatten() {
        *place = next;
        next += 1;
    }
    (places, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_models_those_of_the_most_vehicles_are_told_apart() {
        let few = [Some(1), None, Some(0), Some(1)];
        assert_eq!(frequent(&few, 2), [true, true]);
        // The last model has two vehicles, the others one each.
        let many: Vec<Option<usize>> = (0..=MODELS_MAX).chain([MODELS_MAX]).map(Some).collect();
        let are = frequent(&many, MODELS_MAX + 1);
        assert_eq!(are.iter().filter(|is| **is).count(), MODELS_MAX);
        assert!(are[MODELS_MAX] && are[0] && !are[MODELS_MAX - 1]);
    }

    // By hand: U = 0.2 %, k = 2; 0.2 % in a year over the hundred days to the farther charge: 0.1² + 0.2² · 100/365.25 = 0.020951 (%²).
    #[test]
    fn a_calibration_ages_to_the_charge_that_is_farthest_from_it_and_one_of_the_future_is_none() {
        let at = |day: i64| Timestamp::from_second(1_770_000_000 + day * 86_400).expect("in range");
        let calibration = |day| ReferenceVehicle {
            vehicle: 0,
            at: at(day),
            error_percent: rust_decimal::Decimal::TWO,
            expanded_uncertainty_percent: rust_decimal::Decimal::new(2, 1),
            coverage_factor: rust_decimal::Decimal::TWO,
        };
        let charge = |day| ComparableCharge {
            pile: 0,
            vehicle: 0,
            ended_at: at(day),
            lasted_s: 0,
            energy_pile_kwh: rust_decimal::Decimal::TEN,
            energy_vehicle_kwh: rust_decimal::Decimal::TEN,
            path: Some(VehiclePath::Reference),
            covariates: [f32::NAN; COVARIATES_MAX],
        };
        let known = |as_of, calibrations: &[i64], charges: &[i64]| {
            let calibrations = calibrations.iter().map(|day| calibration(*day)).collect();
            let evidence = Evidence { as_of: at(as_of), references: calibrations, ..Evidence::default() };
            let charges: Vec<ComparableCharge> = charges.iter().map(|day| charge(*day)).collect();
            references(&evidence, charges.iter()).0.get(&0).map(|(reference, known)| (reference.at, *known))
        };
        let check = |told: Option<(Timestamp, (f64, f64))>, day: i64| {
            let (when, (bias, u)) = told.expect("calibrated");
            // ln 1.02 by mpmath.
            assert!((bias - 0.019_802_627_296_179_713).abs() < 1e-15);
            assert!((u - 0.000_209_513_f64.sqrt() / 10.0).abs() < 1e-8, "{u}");
            assert_eq!(when, at(day));
        };
        check(known(200, &[0], &[40, 100]), 0);
        check(known(200, &[0, 150], &[50, 120, 190]), 150);
        check(known(200, &[10, 201], &[110]), 10);
        assert_eq!(known(200, &[201], &[110]), None);
        assert_eq!(known(200, &[10], &[]), None, "never met");
    }

    /// Three more than can be checked: those that say least are not used, one with a large U and two that made few charges.
    #[test]
    fn of_more_calibrations_than_can_be_checked_those_that_say_most_are_used() {
        let count = CHECKED_MAX + 3;
        let reference = |vehicle| ReferenceVehicle {
            vehicle,
            at: Timestamp::UNIX_EPOCH,
            error_percent: rust_decimal::Decimal::ZERO,
            expanded_uncertainty_percent: rust_decimal::Decimal::from(if vehicle == 4 { 8 } else { 1 }),
            coverage_factor: rust_decimal::Decimal::TWO,
        };
        let evidence = Evidence { references: (0..count).map(reference).collect(), ..Evidence::default() };
        let charge = |vehicle| ComparableCharge {
            pile: 0,
            vehicle,
            ended_at: Timestamp::UNIX_EPOCH,
            lasted_s: 0,
            energy_pile_kwh: rust_decimal::Decimal::TEN,
            energy_vehicle_kwh: rust_decimal::Decimal::TEN,
            path: Some(VehiclePath::Reference),
            covariates: [f32::NAN; COVARIATES_MAX],
        };
        let visits = |vehicle| if [7, 100].contains(&vehicle) { 1 } else { 9 };
        let charges: Vec<ComparableCharge> =
            (0..count).flat_map(|vehicle| (0..visits(vehicle)).map(move |_| charge(vehicle))).collect();
        let (used, beyond) = references(&evidence, charges.iter());
        assert_eq!((used.len(), beyond), (CHECKED_MAX, 3));
        let absent: Vec<usize> = (0..count).filter(|vehicle| !used.contains_key(vehicle)).collect();
        assert_eq!(absent, [4, 7, 100]);
        let all = Evidence { references: (0..3).map(reference).collect(), ..Evidence::default() };
        assert_eq!(references(&all, charges.iter()).1, 0);
    }

    #[test]
    fn the_most_frequent_way_has_no_bias_or_that_of_calibrated_vehicles() {
        use VehiclePath::{App, Reference, Relayed};
        let charge = |path| ComparableCharge {
            pile: 0,
            vehicle: 0,
            ended_at: jiff::Timestamp::UNIX_EPOCH,
            lasted_s: 0,
            energy_pile_kwh: rust_decimal::Decimal::ONE,
            energy_vehicle_kwh: rust_decimal::Decimal::ONE,
            path: Some(path),
            covariates: [f32::NAN; COVARIATES_MAX],
        };
        let charges = [Relayed, App, App, Reference].map(charge);
        let numbers = |is_calibrated| {
            let ways = classes(charges.iter(), is_calibrated);
            let of = |path| ways.numbers[class_of(Some(path))];
            ([App, Relayed, Reference].map(of), ways.of_class.len(), ways.most_frequent)
        };
        assert_eq!(numbers(false), ([0, 1, 2], 3, 0));
        assert_eq!(numbers(true), ([1, 2, 0], 3, 1), "apps' noise is the network's");
        assert_eq!(classes(charges[..3].iter(), true).of_class.len(), 2, "calibrated and never met");
    }
}
