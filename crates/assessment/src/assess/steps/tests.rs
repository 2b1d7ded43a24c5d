//! Tests of steps: fleets in which many piles become others in one week, and fleets in which none does.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rust_decimal::Decimal;
use veripile_pile::{AccuracyClass, PileId, PileKind};

use super::*;
use crate::assess::{Assessment, assess};
use crate::common::WEEK_S;
use crate::evidence::{Anchor, COVARIATES_MAX, ComparableCharge, PileFact};

const WEEKS: usize = 26;

/// When piles of the fleet become others, s.
const TURN: i64 = FIRST + 15 * WEEK_S;

const FIRST: i64 = 1_770_000_000;

/// Noise of a charge, a vehicle and a pile: metrology.md §2.1, t₄ as `N / √(χ²₄/4)`.
struct Noise(ChaCha8Rng);

impl Noise {
    fn uniform(&mut self) -> f64 {
        self.0.random::<f64>()
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform() - 0.5).sum()
    }

    fn t4(&mut self) -> f64 {
        let square = -2.0 * libm::log((self.uniform() * self.uniform()).max(1e-300));
        self.normal() / (square / 4.0).sqrt()
    }
}

/// A town: piles, charges of each in half a year, and what is added to a pile's error in a week since the turn.
struct Town {
    piles: usize,
    charges: usize,
    gain: fn(usize) -> f64,
    /// Added to all of them in a week.
    weather: fn(usize) -> f64,
}

impl Town {
    /// Charges of `first` on, of piles and vehicles numbered from there on.
    fn charges(&self, noise: &mut Noise, first: (usize, usize)) -> (Vec<ComparableCharge>, usize) {
        let vehicles = self.piles * self.charges / 25;
        let biases: Vec<f64> = (0..vehicles).map(|_| 0.015 * noise.normal()).collect();
        let errors: Vec<f64> = (0..self.piles).map(|_| 0.004 * noise.normal()).collect();
        let count = self.piles * self.charges;
        let charge = |number: usize| {
            let (pile, vehicle) =
                (number % self.piles, (noise.uniform() * vehicles as f64) as usize % vehicles);
            let second = FIRST + (WEEKS as i64 * WEEK_S) * number as i64 / count as i64;
            let gain = if TURN <= second { (self.gain)(pile) } else { 0.0 };
            let week = number * WEEKS / count;
            let log_ratio = errors[pile] + gain + (self.weather)(week) - biases[vehicle] + 0.02 * noise.t4();
            ComparableCharge {
                pile: first.0 + pile,
                vehicle: first.1 + vehicle,
                ended_at: Timestamp::from_second(second).expect("in range"),
                lasted_s: 0,
                energy_pile_kwh: Decimal::from(20),
                energy_vehicle_kwh: Decimal::try_from(20.0 * libm::exp(-log_ratio)).expect("finite"),
                path: None,
                covariates: [f32::NAN; COVARIATES_MAX],
            }
        };
        ((0..count).map(charge).collect(), vehicles)
    }
}

fn assessed(seed: u64, towns: &[Town]) -> Assessment {
    assess(&evidence(seed, towns), &Settings::default()).expect("assessable")
}

/// Towns that no vehicle joins, each with a result on site at every tenth pile.
fn evidence(seed: u64, towns: &[Town]) -> Evidence {
    let mut noise = Noise(ChaCha8Rng::seed_from_u64(seed));
    let mut evidence = Evidence {
        as_of: Timestamp::from_second(FIRST + WEEKS as i64 * WEEK_S).expect("in range"),
        ..Evidence::default()
    };
    for town in towns {
        let first = (evidence.piles.len(), evidence.vehicle_models.len());
        let (charges, vehicles) = town.charges(&mut noise, first);
        evidence.charges.extend(charges);
        evidence.vehicle_models.extend(std::iter::repeat_n(None, vehicles));
        let pile = |pile: usize| PileFact {
            pile_id: PileId::parse(&format!("P{pile}")).expect("an identifier"),
            kind: Some(PileKind::Dc),
            class: AccuracyClass(Decimal::ONE),
        };
        evidence.piles.extend((first.0..first.0 + town.piles).map(pile));
        let anchor = |pile: usize| Anchor {
            pile,
            outlet: None,
            at: Timestamp::from_second(FIRST).expect("in range"),
            error_percent: Decimal::ZERO,
            expanded_uncertainty_percent: Decimal::ONE,
            coverage_factor: Decimal::TWO,
        };
        evidence.anchors.extend((first.0 + 9..first.0 + town.piles).step_by(10).map(anchor));
    }
    evidence
}

/// How many of so many guilty piles, the first ones, and of the rest are told to have changed.
fn found(assessment: &Assessment, guilty: usize) -> (usize, usize) {
    let piles: BTreeSet<usize> = assessment.steps.iter().map(|step| step.pile).collect();
    let of_guilty = piles.range(..guilty).count();
    (of_guilty, piles.len() - of_guilty)
}

fn still(_: usize) -> f64 {
    0.0
}

fn town(charges: usize, gain: fn(usize) -> f64) -> Town {
    Town { piles: 100, charges, gain, weather: still }
}

/// 2 % in charges that tell a half-year's halves apart to 2 × 2.4 % / √400 = 0.24 %.
#[test]
fn piles_that_step_together_are_found_and_those_beside_them_are_not() {
    for (seed, guilty, gain) in [
        (1, 20, (|pile| if pile < 20 { 0.02 } else { 0.0 }) as fn(usize) -> f64),
        (2, 40, |pile| if pile < 40 { 0.02 } else { 0.0 }),
    ] {
        let assessment = assessed(seed, &[town(400, gain)]);
        let (hit, strays) = found(&assessment, guilty);
        eprintln!("{guilty}: {hit} found, {strays} strays");
        assert!(guilty * 95 <= hit * 100, "{hit} of {guilty}");
        assert!(strays <= 1 && assessment.facts.doubted_values.is_empty(), "{strays} honest ones");
        let sizes = assessment.steps.iter().filter(|step| step.pile < guilty).filter_map(|step| step.size);
        assert!(sizes.clone().count() >= hit);
        let mean = sizes.clone().map(|(size, _)| size).sum::<f64>() / sizes.count() as f64;
        assert!((mean - 0.02).abs() < 0.002, "{mean}");
    }
}

#[test]
fn a_tenth_that_steps_by_one_percent_is_found() {
    let assessment = assessed(3, &[town(1_000, |pile| if pile < 10 { 0.01 } else { 0.0 })]);
    let (hit, strays) = found(&assessment, 10);
    eprintln!("{hit} found, {strays} strays");
    assert!(8 <= hit && strays <= 1, "{hit} of 10, {strays} strays");
}

/// Believed is 1 % over all piles together: of six fleets two have a step with a chance of 0.15 %.
#[test]
fn where_nothing_steps_nothing_is_found() {
    let with_steps = (10..16).filter(|seed| {
        let wet = Town { weather: |week| 0.004 * libm::cos(week as f64 / 4.0), ..town(200, |_| 0.0) };
        let assessment = assessed(*seed, &[wet]);
        assert_eq!(assessment.facts.doubted_values, [], "nobody makes values up");
        !assessment.steps.is_empty()
    });
    assert!(with_steps.count() <= 1);
}

/// Twenty-six comparisons a pile, of which thirteen or so on one side agree by chance now and then: of 150 fleets of thirty piles at most three have
/// a step (with one in a hundred four have 7 %, five 2 %), and one of 8 % at one of them, five standard deviations of what is left over, is found.
#[test]
fn few_comparisons_that_agree_by_chance_are_no_step() {
    let few = |gain| Town { piles: 30, ..town(26, gain) };
    let with_steps = (200..350).filter(|seed| !assessed(*seed, &[few(still)]).steps.is_empty()).count();
    assert!(with_steps <= 3, "{with_steps}");
    let hit: usize = (200..220)
        .map(|seed| found(&assessed(seed, &[few(|pile| if pile == 0 { 0.08 } else { 0.0 })]), 1).0)
        .sum();
    assert!(16 <= hit, "{hit} of 20");
}

/// A hundred piles whose vehicles all came to read 1 % less in one week, and one of them that stepped by as much again; and forty others.
#[test]
fn what_moves_one_connected_set_accuses_neither_it_nor_another() {
    let updated = |week| if week < 15 { 0.0 } else { 0.01 };
    let first = Town { weather: updated, ..town(400, |pile| if pile == 0 { 0.02 } else { 0.0 }) };
    let second = Town { piles: 40, ..town(400, |_| 0.0) };
    assert_eq!(found(&assessed(20, &[first, second]), 1), (1, 0));
}

/// A step that is none, as others' steps made them: once measured it is taken back, and all is as before; one that is one is kept.
#[test]
fn a_step_without_a_clear_size_is_taken_back() {
    let evidence = evidence(30, &[town(200, |pile| if pile == 0 { 0.04 } else { 0.0 })]);
    let settings = Settings::default();
    let mut separated = separate(&evidence, &settings).expect("assessable");
    let residuals = separated.fit.residuals.clone();
    let [step] = separated.found[..] else { panic!("{:?}", separated.found) };
    let none = FoundStep { pile: 5, ..step };
    separated.changes.insert(5, vec![step.at]);
    separated.found.push(none);
    separated.left_over.extend([(5, residuals[5]), (105, residuals[105])]);
    let (used, _) = newest(&evidence);
    separated.given = network::given(&evidence, &used, &separated.changes, Updates::new());
    separated.fit = comparison::fit(&separated.given.network, &settings).expect("a network");
    separated.measure();
    assert!(separated.take_back(&evidence, &settings).expect("a network"));
    assert_eq!(separated.found.iter().map(|step| step.pile).collect::<Vec<_>>(), [0]);
    assert_eq!((separated.changes.len(), separated.left_over.len()), (1, 200));
    assert!(separated.fit.residuals == residuals);
    separated.measure();
    assert!(!separated.take_back(&evidence, &settings).expect("a network"));
}

/// Vehicles of fewer than twenty piles whose readings all drift by 1.5 % in half a year, and by 1 % in a week.
#[test]
fn what_all_vehicles_of_few_piles_share_is_no_step_of_any() {
    for piles in [2, 8, 12, 19] {
        for (seed, weather) in [
            (40, (|week| 0.015 * week as f64 / 26.0) as fn(usize) -> f64),
            (41, |week| 0.015 * week as f64 / 26.0),
            (42, |week| if week < 15 { 0.0 } else { -0.01 }),
        ] {
            let assessment = assessed(seed, &[Town { piles, charges: 700, gain: still, weather }]);
            assert_eq!(found(&assessment, 0), (0, 0), "{piles} piles: {:?}", assessment.steps);
        }
    }
    // Beside a country of others, too, whose vehicles drift not.
    let drifting = Town { piles: 12, weather: |week| 0.015 * week as f64 / 26.0, ..town(700, |_| 0.0) };
    assert_eq!(found(&assessed(43, &[drifting, Town { piles: 30, ..town(400, |_| 0.0) }]), 0), (0, 0));
}

/// A step of 2 % of one pile, in quiet and while all vehicles drift by 1 %; levels of halves of 700 charges differ by 2.4 % × 2/√700 = 0.18 %.
#[test]
fn one_of_few_piles_that_steps_is_found_and_the_others_are_not_taken_for_the_contrary() {
    for piles in [2, 3, 8, 15] {
        for (seed, weather) in
            [(50, still as fn(usize) -> f64), (51, still), (52, |week| 0.01 * week as f64 / 26.0)]
        {
            let gain = |pile| if pile == 0 { 0.02 } else { 0.0 };
            let assessment = assessed(seed, &[Town { piles, charges: 700, gain, weather }]);
            assert_eq!(found(&assessment, 1), (1, 0), "{piles} piles: {:?}", assessment.steps);
        }
    }
}

/// Of a step of 2 % half of a drift of 1.5 % was a part, 0.75 %, four standard uncertainties.
#[test]
fn a_step_has_its_size_while_readings_of_all_vehicles_drift() {
    for piles in [5, 12, 40] {
        let sizes = [110, 111, 112].map(|seed| {
            let gain = |pile| if pile == 0 { 0.02 } else { 0.0 };
            let weather = |week| 0.015 * week as f64 / 26.0;
            let assessment = assessed(seed, &[Town { piles, charges: 700, gain, weather }]);
            let [step] = assessment.steps[..] else { panic!("{:?}", assessment.steps) };
            step.size.expect("measured")
        });
        let off = sizes.iter().map(|(size, _)| size - 0.02).sum::<f64>() / 3.0;
        let u = sizes.iter().map(|(_, u)| u).sum::<f64>() / 3.0;
        eprintln!("{piles} piles: off by {off} in the mean, u {u}");
        assert!(off.abs() < 2.5 * u / 3.0_f64.sqrt() && 2.5 * u < 0.007_5, "{piles}: {sizes:?}");
    }
}

/// Piles that do nothing together, of whatever noise: nothing is taken off, and the fit is the same to the last bit.
#[test]
fn where_nothing_moves_nothing_is_taken_off() {
    let taken_off = |weather: fn(usize) -> f64, seed: u64| {
        let gain = |pile| if pile == 0 { 0.03 } else { 0.0 };
        let evidence = evidence(seed, &[Town { weather, ..town(200, gain) }]);
        let (used, _) = newest(&evidence);
        let changes = Changes::from([(0, vec![Timestamp::from_second(TURN).expect("in range")])]);
        let mut given = network::given(&evidence, &used, &changes, Updates::new());
        let fit = comparison::fit(&given.network, &Settings::default()).expect("a network");
        let comparisons = given.network.comparisons.clone();
        let is_taken_off = movement::take_off(&evidence, &mut given, &changes, &fit);
        assert_eq!(is_taken_off, given.network.comparisons != comparisons);
        assert!(!movement::take_off(&evidence, &mut given, &Changes::new(), &fit), "nobody changed");
        is_taken_off
    };
    let drift = |week| 0.005 * week as f64 / 26.0;
    let seeds = 120..126;
    assert!(seeds.clone().filter(|seed| taken_off(still, *seed)).count() <= 1, "one in a hundred");
    assert!(seeds.clone().all(|seed| taken_off(drift, seed)));
}

/// Three of eight that step in one week: whether they did, or five others' vehicles, nobody can say.
#[test]
fn a_third_of_few_piles_that_goes_one_way_accuses_nobody() {
    let gain = |pile| if pile < 3 { 0.02 } else { 0.0 };
    let assessment = assessed(60, &[Town { piles: 8, ..town(700, gain) }]);
    assert_eq!(found(&assessment, 3), (0, 0), "{:?}", assessment.steps);
}

/// Forty piles, of which the first six mostly see vehicles of the first of four models. What is added to `ln(pile/vehicle)` of charges since the
/// turn is told by pile and whether the vehicle is of that model.
fn frequented(seed: u64, added: impl Fn(usize, bool) -> f64) -> Assessment {
    let mut evidence = evidence(seed, &[Town { piles: 40, ..town(1_000, still) }]);
    evidence.models = 4;
    evidence.vehicle_models = (0..evidence.vehicle_models.len()).map(|vehicle| Some(vehicle % 4)).collect();
    let charges = std::mem::take(&mut evidence.charges).into_iter().enumerate();
    let mut kept: Vec<ComparableCharge> = charges
        .filter(|(at, charge)| 6 <= charge.pile || charge.vehicle % 4 == 0 || at / 40 % 16 == 0)
        .map(|(_, charge)| charge)
        .collect();
    let turn = Timestamp::from_second(TURN + 2 * 86_400).expect("in range");
    for charge in kept.iter_mut().filter(|charge| turn <= charge.ended_at) {
        let less =
            Decimal::try_from(libm::exp(-added(charge.pile, charge.vehicle % 4 == 0))).expect("finite");
        charge.energy_vehicle_kwh *= less;
    }
    evidence.charges = kept;
    assess(&evidence, &Settings::default()).expect("assessable")
}

/// 1.5 % in one week, of which the piles that the model frequents would have 1.3 % and others 0.4 %.
#[test]
fn an_update_of_a_model_accuses_none_of_the_piles_that_it_frequents() {
    for seed in [70, 71, 72] {
        let (before, after) = (
            frequented(seed, |_, _| 0.0),
            frequented(seed, |_, is_first| if is_first { 0.015 } else { 0.0 }),
        );
        assert_eq!(
            (found(&before, 0), before.facts.updated.as_slice()),
            ((0, 0), &[][..]),
            "nothing happened"
        );
        assert_eq!(found(&after, 0), (0, 0), "{:?}", after.steps);
        let [updated] = &after.facts.updated[..] else { panic!("{:?}", after.facts.updated) };
        assert_eq!((updated.model, (week(updated.at) - TURN.div_euclid(WEEK_S)).abs() <= 1), (Some(0), true));
        assert!((updated.size_percent + 1.5).abs() < 0.3, "{updated:?}");
        for ((_, was), (pile, is)) in before.estimates.iter().zip(&after.estimates) {
            let (was, u) = (was.error.expect("compared"), was.standard_uncertainty.expect("compared"));
            let is = is.error.expect("compared");
            assert!((is - was).abs() < 2.0 * u, "{pile}: {was} {is} {u}");
        }
        assert_eq!(after.vehicles.len(), before.vehicles.len());
    }
}

/// What a pile does to all its vehicles is no model's, however many are of one; nor is what it does to one model alone.
#[test]
fn a_step_of_a_pile_that_one_model_frequents_is_the_piles() {
    let assessment = frequented(80, |pile, _| if pile == 0 { 0.02 } else { 0.0 });
    assert_eq!((found(&assessment, 1), assessment.facts.updated.as_slice()), ((1, 0), &[][..]));
    let assessment = frequented(81, |pile, is_first| if pile == 0 && is_first { 0.03 } else { 0.0 });
    assert_eq!((found(&assessment, 1), assessment.facts.updated.as_slice()), ((1, 0), &[][..]));
    let both = |pile, is_first| {
        let own = if pile == 0 { 0.03 } else { 0.0 };
        if is_first { own + 0.015 } else { own }
    };
    let assessment = frequented(82, both);
    assert_eq!(
        (found(&assessment, 1), assessment.facts.updated.len()),
        ((1, 0), 1),
        "{:?}",
        assessment.steps
    );
}

/// Forty piles; vehicle 7 makes six in ten charges of the first and one in a hundred elsewhere. What is added to `ln(pile/vehicle)` since the turn
/// is told by pile and whether it is that vehicle.
fn with_a_regular(seed: u64, added: impl Fn(usize, bool) -> f64) -> Assessment {
    let mut evidence = evidence(seed, &[Town { piles: 40, ..town(1_000, still) }]);
    for (at, charge) in evidence.charges.iter_mut().enumerate() {
        let is_its = if charge.pile == 0 { at / 40 % 10 < 6 } else { at % 100 == 33 };
        if is_its {
            charge.vehicle = 7;
        }
        if TURN <= charge.ended_at.as_second() {
            let less = libm::exp(-added(charge.pile, charge.vehicle == 7));
            charge.energy_vehicle_kwh *= Decimal::try_from(less).expect("finite");
        }
    }
    assess(&evidence, &Settings::default()).expect("assessable")
}

#[test]
fn a_vehicle_that_reads_otherwise_accuses_not_the_pile_that_it_frequents() {
    let assessment = with_a_regular(90, |_, is_its| if is_its { 0.02 } else { 0.0 });
    assert_eq!(found(&assessment, 0), (0, 0), "{:?}", assessment.steps);
    let [updated] = &assessment.facts.updated[..] else { panic!("{:?}", assessment.facts.updated) };
    assert_eq!((updated.vehicle, updated.model), (Some(7), None));
    assert!((updated.size_percent + 2.0).abs() < 0.6, "{updated:?}");
    // What a pile does to all is its own, whoever frequents it.
    let assessment = with_a_regular(91, |pile, _| if pile == 0 { 0.02 } else { 0.0 });
    assert_eq!((found(&assessment, 1), assessment.facts.updated.len()), ((1, 0), 0));
}
