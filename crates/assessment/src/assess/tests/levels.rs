//! Worlds in which something that gives a level is wrong: a master meter, half of the anchors, or nothing.

use super::*;

/// Four stations of three piles, 480 hours; each pile's loads are a walk of their own through 0 to 22 kWh.
fn feeders(error: impl Fn(usize) -> f64, scale: impl Fn(usize) -> f64) -> Vec<TimedFeeder> {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(11);
    let mut noise = |sd: f64| sd * (0..12).map(|_| rng.random_range(-0.5..0.5)).sum::<f64>();
    let mut feeder = |station: usize| {
        let piles = [3 * station, 3 * station + 1, 3 * station + 2];
        let master = 1.0 + noise(0.002_9);
        let mut interval = |hour: usize| {
            let energies = piles.map(|pile| ((hour * (7 + 2 * pile) + 5 * pile) % 23) as f64);
            let load: f64 = energies.iter().sum();
            let losses = 0.15 + 0.01 * load * load / 66.0;
            let registers = piles.map(|pile| Some(energies[pile % 3] * (1.0 + error(pile)))).to_vec();
            let read = master * (load + losses) * (1.0 + noise(0.002));
            balance::Interval {
                hours: 1.0,
                master_kwh: Some(read * scale(station)),
                instruments_kwh: registers,
            }
        };
        let intervals = (0..480).map(&mut interval).collect();
        let instrument = |index| balance::Instrument {
            index,
            efficiency: 1.0,
            efficiency_uncertainty: 0.0,
            efficiency_common: 0.0,
        };
        let instruments = piles.map(instrument).to_vec();
        let feeder = balance::Feeder { master_uncertainty: 0.002_9, instruments, intervals };
        let begins = (0..480).map(|hour| at(5) + jiff::SignedDuration::from_hours(hour)).collect();
        TimedFeeder { feeder, begins }
    };
    (0..4).map(&mut feeder).collect()
}

const RIGHT: [(usize, i64, &str); 4] = [(1, 0, "0"), (4, 0, "0"), (7, 0, "0"), (10, 0, "0")];

fn behind_masters(anchored: &[(usize, i64, &str)], scale: impl Fn(usize) -> f64) -> Assessment {
    let (mut evidence, _) = evidence_of(anchored, |_, _| 0.0);
    evidence.feeders = feeders(|_| 0.0, scale);
    assess(&evidence, &Settings::default()).expect("assessable")
}

fn errors_are_covered(assessment: &Assessment) {
    for (pile, (_, estimate)) in assessment.estimates.iter().enumerate() {
        let (error, u) =
            (estimate.error.expect("compared"), estimate.standard_uncertainty.expect("compared"));
        assert!(error.abs() < 4.0 * u && u < 0.002, "{pile}: {error} {u}");
    }
}

#[test]
fn right_masters_and_results_are_all_used() {
    let assessment = behind_masters(&RIGHT, |_| 1.0);
    let facts = &assessment.facts;
    assert_eq!((facts.anchors, facts.balances), (4, [4, 0]), "{facts:?}");
    assert!(facts.contradictory_anchors.is_empty() && facts.contradictory_balances.is_empty(), "{facts:?}");
    assert_eq!(verdicts(&assessment), [RemoteVerdict::Conform; 12]);
    errors_are_covered(&assessment);
}

/// A master that reads 5 or 10 % off, and one off by a factor, which is not even balanced.
#[test]
fn one_wrong_master_is_named_and_costs_no_result_and_no_pile_anything() {
    for scale in [0.95, 0.9, 1.1, 0.5, 2.0, 0.1, 1000.0] {
        let assessment = behind_masters(&RIGHT, |station| if station == 2 { scale } else { 1.0 });
        let facts = &assessment.facts;
        assert_eq!((facts.anchors, facts.balances), (4, [3, 1]), "{scale}: {facts:?}");
        assert!(facts.contradictory_anchors.is_empty(), "{scale}: {facts:?}");
        let [wrong] = &facts.contradictory_balances[..] else { panic!("{scale}: {facts:?}") };
        assert_eq!((wrong.feeder, wrong.is_used), (2, false));
        let is_near = (0.8..1.2).contains(&scale);
        assert_eq!((wrong.normalised_error.is_some(), wrong.energies_kwh.is_some()), (is_near, !is_near));
        assert_eq!(verdicts(&assessment), [RemoteVerdict::Conform; 12], "{scale}");
        errors_are_covered(&assessment);
    }
}

#[test]
fn of_one_master_and_one_result_that_contradict_nobody_can_say_which_is_wrong() {
    let (mut evidence, _) = evidence_of(&[(1, 0, "3")], |_, _| 0.0);
    evidence.feeders = feeders(|_| 0.0, |_| 1.0);
    evidence.feeders.truncate(1);
    let assessment = assess(&evidence, &Settings::default()).expect("assessable");
    let facts = &assessment.facts;
    assert_eq!((facts.anchors, facts.balances, facts.grounded_components), (0, [0, 1], 0), "{facts:?}");
    assert_eq!((facts.contradictory_anchors.len(), facts.contradictory_balances.len()), (1, 1));
    assert_eq!(verdicts(&assessment), [RemoteVerdict::NotComparable; 12]);
    assert!(assessment.levels.is_empty());
}

#[test]
fn of_anchors_half_of_which_are_wrong_none_gives_a_level() {
    let off = |wrong: &str, count: usize, all: usize| {
        let anchored: Vec<_> = (0..all).map(|n| (2 * n, 0, if n < count { wrong } else { "0" })).collect();
        world_of(&anchored, |_, _| 0.0)
    };
    for (wrong, count, all) in [("3", 3, 6), ("1.2", 3, 6), ("3", 2, 4)] {
        let assessment = off(wrong, count, all);
        let facts = &assessment.facts;
        assert_eq!((facts.anchors, facts.grounded_components), (0, 0), "{wrong} {facts:?}");
        assert_eq!(facts.contradictory_anchors.len(), all, "{wrong} {facts:?}");
        assert_eq!(verdicts(&assessment), [RemoteVerdict::NotComparable; 12]);
    }
    let assessment = off("3", 2, 5);
    let named: Vec<&str> =
        assessment.facts.contradictory_anchors.iter().map(|anchor| anchor.pile_id.as_str()).collect();
    assert_eq!((assessment.facts.anchors, named), (3, vec!["P0", "P2"]));
    assert_eq!(
        verdicts(&assessment),
        [RemoteVerdict::Undecided, RemoteVerdict::Conform, RemoteVerdict::Undecided]
            .into_iter()
            .chain([RemoteVerdict::Conform; 9])
            .collect::<Vec<_>>()
    );
}

/// Right by 0.25 % with U of 0.15 %: more than usual (E_n of about 1.1), and nobody's fault.
#[test]
fn a_result_that_differs_by_a_little_more_than_usual_costs_its_pile_nothing() {
    let mut anchored: Vec<_> = (1..7).map(|pile| (pile, 0, "0")).collect();
    anchored.push((8, 0, "0.25"));
    let assessment = world_of(&anchored, |_, _| 0.0);
    assert_eq!((assessment.facts.anchors, &assessment.facts.contradictory_anchors), (7, &vec![]));
    assert_eq!(verdicts(&assessment), [RemoteVerdict::Conform; 12]);
}

#[test]
fn a_pile_alone_with_its_own_result_is_not_judged_from_afar() {
    let mut evidence = evidence(true);
    evidence.charges.retain(|charge| charge.pile == 0);
    let assessment = assess(&evidence, &Settings::default()).expect("assessable");
    assert_eq!((verdicts(&assessment)[0], assessment.facts.alone), (RemoteVerdict::Undecided, 1));
    // Another pile that the same vehicles meet, and it is compared.
    let both = assess(&self::evidence(true), &Settings::default()).expect("assessable");
    assert_eq!((verdicts(&both)[0], both.facts.alone), (RemoteVerdict::Conform, 0));
}

/// A fleet whose vehicles all tell 5 % more than they got, or less, as makers have it who count what the battery keeps: nothing that was measured
/// says that the results are wrong.
#[test]
fn a_fleet_that_reads_far_off_makes_no_result_wrong() {
    let results = [(1, 0, "0"), (2, 0, "0")];
    for (tells, results) in
        [(95, &results[..1]), (105, &results[..1]), (94, &results[..]), (106, &results[..])]
    {
        let (mut evidence, _) = evidence_of(results, |pile, _| if pile == 0 { 0.04 } else { 0.0 });
        for charge in &mut evidence.charges {
            charge.energy_vehicle_kwh *= Decimal::new(tells, 2);
        }
        let assessment = assess(&evidence, &Settings::default()).expect("assessable");
        let facts = &assessment.facts;
        assert_eq!((facts.anchors, facts.grounded_components), (results.len(), 1), "{tells}: {facts:?}");
        assert_eq!(facts.contradictory_anchors, [], "{tells}");
        let expected = [[RemoteVerdict::Nonconform].as_slice(), &[RemoteVerdict::Conform; 11]].concat();
        assert_eq!(verdicts(&assessment), expected, "{tells}");
        for (pile, (_, estimate)) in assessment.estimates.iter().enumerate() {
            let (error, u) =
                (estimate.error.expect("compared"), estimate.standard_uncertainty.expect("compared"));
            let expected = if pile == 0 { 0.04 } else { 0.0 };
            assert!((error - expected).abs() < 4.0 * u && u < 0.003, "{tells}, {pile}: {error} {u}");
        }
    }
}

/// Good results of two piles, and a month later rough ones of the same that agree with them: no pile is known less well, and levels are as old as what
/// says most.
#[test]
fn rough_results_later_take_no_level_away() {
    let good = [(1, 0, "0"), (2, 0, "0")];
    let before = world_of(&good, |_, _| 0.0);
    for rough in [Decimal::new(12, 1), Decimal::new(8, 1)] {
        let (mut evidence, _) =
            evidence_of(&[(1, 0, "0"), (2, 0, "0"), (1, 30, "0.3"), (2, 30, "-0.3")], |_, _| 0.0);
        evidence.anchors[2..].iter_mut().for_each(|anchor| anchor.expanded_uncertainty_percent = rough);
        let assessment = assess(&evidence, &Settings::default()).expect("assessable");
        assert_eq!((assessment.facts.anchors, assessment.facts.grounded_components), (2, 1));
        assert_eq!(verdicts(&assessment), [RemoteVerdict::Conform; 12]);
        assert_eq!(assessment.levels.values().copied().collect::<Vec<_>>(), [at(0)]);
        for ((_, with), (_, without)) in assessment.estimates.iter().zip(&before.estimates) {
            let u = |estimate: &Estimate| estimate.standard_uncertainty.expect("compared");
            assert!(u(with) < 1.001 * u(without), "{rough}: {} {}", u(with), u(without));
        }
    }
}

/// Fifteen charges of each of eighty piles in order whose vehicles' values scatter by 4 %: u of more than 1 %. By three zones several are nonconform.
#[test]
fn scarce_and_noisy_charges_call_no_pile_in_order_nonconform() {
    let mut called = [0, 0];
    for seed in 0..4 {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let mut noise = |sd: f64| sd * (0..12).map(|_| rng.random_range(-0.5..0.5)).sum::<f64>();
        let (mut evidence, _) = evidence_of(&[], |_, _| 0.0);
        let errors: Vec<f64> = (0..80).map(|_| noise(0.002)).collect();
        let biases: Vec<f64> = (0..160).map(|_| noise(0.015)).collect();
        evidence.vehicle_models = vec![None; 160];
        let pile = |n: usize| PileFact {
            pile_id: PileId::parse(&format!("P{n}")).expect("an identifier"),
            ..evidence.piles[0].clone()
        };
        evidence.piles = (0..80).map(pile).collect();
        let like = evidence.charges[0].clone();
        let mut charge = |n: usize| {
            let (pile, vehicle) = (n % 80, (n * 7 + n / 80 * 13) % 160);
            let log_ratio = errors[pile] - biases[vehicle] + noise(0.04);
            let energy_vehicle_kwh = Decimal::try_from(20.0 * (-log_ratio).exp()).expect("finite");
            let ended_at = at(i64::try_from(n / 40).expect("small"));
            ComparableCharge { pile, vehicle, ended_at, energy_vehicle_kwh, ..like.clone() }
        };
        evidence.charges = (0..1_200).map(&mut charge).collect();
        let anchor = |pile: usize| Anchor {
            pile,
            outlet: None,
            at: at(0),
            error_percent: Decimal::try_from(100.0 * errors[pile]).expect("finite"),
            expanded_uncertainty_percent: Decimal::new(15, 2),
            coverage_factor: Decimal::TWO,
        };
        evidence.anchors = (0..12).map(anchor).collect();
        let assessment = assess(&evidence, &Settings::default()).expect("assessable");
        assert_eq!(assessment.facts.grounded_components, 1);
        for (_, estimate) in &assessment.estimates {
            let (error, u) =
                (estimate.error.expect("compared"), estimate.standard_uncertainty.expect("compared"));
            called[0] += usize::from(error.abs() - 1.645 * u > estimate.limit);
            called[1] += usize::from(estimate.verdict == RemoteVerdict::Nonconform);
        }
    }
    assert!(called[0] > 0 && called[1] == 0, "{called:?}");
}

/// Two cities whose vehicles differ by 2 %, of which one of the second one's made two charges in the first: that joins them, and makes
/// nothing wrong that is right. What is wrong of the second city costs its honest piles a verdict at most.
#[test]
fn a_vehicle_in_two_cities_makes_no_result_wrong_and_no_pile() {
    let right = [(1, 0, "0"), (2, 0, "0"), (3, 0, "0")];
    let of_second = |results: &[(usize, &str)]| {
        let mut evidence = two_cities(&right);
        for charge in evidence.charges[..2400].iter_mut().filter(|charge| charge.vehicle == 0).step_by(30) {
            *charge = elsewhere(charge);
        }
        let model = evidence.anchors[3].clone();
        evidence.anchors.truncate(3);
        evidence.anchors.extend(results.iter().map(|(pile, error)| Anchor {
            pile: 12 + pile,
            error_percent: error.parse().expect("literal"),
            ..model.clone()
        }));
        assess(&evidence, &Settings::default()).expect("assessable")
    };
    let city = [[RemoteVerdict::Nonconform].as_slice(), &[RemoteVerdict::Conform; 11]].concat();
    let covers = |assessment: &Assessment| {
        assessment.estimates.iter().enumerate().all(|(pile, (_, estimate))| {
            let expected = if pile % 12 == 0 { 0.04 } else { 0.0 };
            let (error, u) =
                (estimate.error.expect("compared"), estimate.standard_uncertainty.expect("compared"));
            (error - expected).abs() < 4.0 * u
        })
    };
    let gone = |assessment: &Assessment| -> Vec<String> {
        let named = assessment.facts.contradictory_anchors.iter();
        named.filter(|named| !named.is_used).map(|named| named.pile_id.to_string()).collect()
    };
    for (results, of_honest, named) in [
        ([(1, "0"), (2, "0")].as_slice(), RemoteVerdict::Conform, vec![]),
        // Nothing was measured there: what it is held against may differ by some percent.
        (&[], RemoteVerdict::Undecided, vec![]),
        // One that is wrong by 4 % would make all of the city's piles nonconform.
        (&[(1, "-4")], RemoteVerdict::Undecided, vec!["Q1"]),
        // Of two that differ by 2 % either may be right: the others' vehicles do not tell.
        (&[(1, "0"), (2, "-2")], RemoteVerdict::Undecided, vec!["Q1", "Q2"]),
        // Of three one is wrong.
        (&[(1, "0"), (2, "0"), (3, "-2")], RemoteVerdict::Conform, vec!["Q3"]),
    ] {
        let assessment = of_second(results);
        let facts = &assessment.facts;
        assert_eq!((facts.components, facts.grounded_components), (1, 1), "{results:?}");
        assert_eq!(gone(&assessment), named, "{results:?}");
        let found = verdicts(&assessment);
        assert_eq!(found[..12], city, "{results:?}");
        for (pile, verdict) in found.iter().enumerate().skip(13) {
            // Of whose own result nothing is left nothing is decided.
            let is_named = named.contains(&format!("Q{}", pile - 12).as_str());
            let expected = if is_named { RemoteVerdict::Undecided } else { of_honest };
            assert_eq!(*verdict, expected, "{results:?}: {pile}");
        }
        assert!(covers(&assessment), "{results:?}");
    }
}
