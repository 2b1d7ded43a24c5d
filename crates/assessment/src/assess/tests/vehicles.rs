//! Vehicles that are none, and values that no vehicle said.

use super::*;

/// So many charges at two cities of twenty piles each, 400 vehicles a city that never leave it, over ninety days of 14,400 charges; those of
/// the second city read 1.5 % less. `rule` gives each the vehicle that is told, and when it begins and ends, minutes.
fn cities(rule: impl Fn(usize, (usize, usize), (i64, i64)) -> (usize, (i64, i64))) -> Evidence {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
    let mut drawn = rand_chacha::ChaCha8Rng::seed_from_u64(4);
    let mut normal = |sd: f64| sd * (0..12).map(|_| rng.random_range(-0.5..0.5)).sum::<f64>();
    let biases: Vec<f64> =
        (0..800).map(|vehicle| normal(0.01) - if 400 <= vehicle { 0.015 } else { 0.0 }).collect();
    let charges = (0..14_400_usize).map(|n| {
        let pile = n % 40;
        let vehicle = drawn.random_range(0..400) + 400 * (pile / 20);
        // A charge every nine minutes, each of an hour.
        let begin = 9 * n as i64;
        let (told, (begin, end)) = rule(n, (pile, vehicle), (begin, begin + 60));
        let energy = 20.0 * (1.0 + biases[vehicle] + normal(0.02));
        ComparableCharge {
            pile,
            vehicle: told,
            ended_at: at(0) + jiff::SignedDuration::from_mins(end),
            lasted_s: u32::try_from(60 * (end - begin)).expect("short"),
            energy_pile_kwh: Decimal::from(20),
            energy_vehicle_kwh: Decimal::try_from(energy).expect("finite"),
            path: None,
            covariates: [f32::NAN; COVARIATES_MAX],
        }
    });
    let charges: Vec<ComparableCharge> = charges.collect();
    let piles = (0..40).map(|n| PileFact {
        pile_id: PileId::parse(&format!("P{n}")).expect("an identifier"),
        kind: Some(PileKind::Dc),
        class: AccuracyClass(Decimal::ONE),
    });
    let anchor = |pile| Anchor {
        pile,
        outlet: None,
        at: at(1),
        error_percent: Decimal::ZERO,
        expanded_uncertainty_percent: Decimal::new(15, 2),
        coverage_factor: Decimal::TWO,
    };
    Evidence {
        as_of: at(100),
        piles: piles.collect(),
        vehicle_models: vec![None; 801],
        charges,
        anchors: [0, 1, 2].map(anchor).to_vec(),
        ..Evidence::default()
    }
}

/// Of the second city nobody knows a level: no vehicle goes there.
#[test]
fn an_id_that_stands_for_many_joins_no_cities() {
    for every in [20, 97] {
        let is_told = |n: usize| n * 7_919 % 10_007 % every == 0;
        let evidence = cities(|n, (_, vehicle), times| (if is_told(n) { 800 } else { vehicle }, times));
        let assessment = assess(&evidence, &Settings::default()).expect("assessable");
        let verdicts = verdicts(&assessment);
        assert!(!verdicts.contains(&RemoteVerdict::Nonconform), "{every}: {verdicts:?}");
        assert_eq!(verdicts[20..], [RemoteVerdict::NotComparable; 20], "{every}");
        let count = (0..14_400).filter(|n| is_told(*n)).count();
        assert_eq!(assessment.facts.screened, BTreeMap::from([("vehicle_id_of_many", count)]));
        let of_many = assessment.screened.iter().map(|(charge, _)| evidence.charges[*charge].vehicle);
        assert_eq!(of_many.collect::<BTreeSet<_>>(), BTreeSet::from([800]));
    }
}

/// A pile's clock eight hours off, a charge that its pile ends days later, and clocks that differ by minutes.
#[test]
fn a_vehicle_of_which_clocks_tell_wrongly_stays_one() {
    let wrong = |n: usize, (pile, vehicle): (usize, usize), (begin, end): (i64, i64)| match pile {
        // Of a taxi that charges at two piles every two hours the one that is eight hours ahead says that it is at both.
        _ if n % 13 == 0 && pile < 20 => {
            (800, if pile == 5 { (begin + 480, end + 480) } else { (begin, end) })
        }
        7 => (vehicle, (begin, begin + 3 * 1_440)),
        9 => (vehicle, (begin - 3, end + 3)),
        _ => (vehicle, (begin, end)),
    };
    let assessment = assess(&cities(wrong), &Settings::default()).expect("assessable");
    assert_eq!(assessment.facts.screened, BTreeMap::new());
}

/// A pile of whatever error relays its own energies with noise as large as vehicles', so that its estimate is good; or what it knows of them, with a
/// fifth of the noise.
#[test]
fn a_pile_that_makes_vehicles_values_up_does_not_conform() {
    let anchored: Vec<_> = (0..4).map(|pile| (pile, 0, "0")).collect();
    let (honest, biases) = evidence_of(&anchored, |_, _| 0.0);
    let clean = assess(&honest, &Settings::default()).expect("assessable");
    assert_eq!((verdicts(&clean), clean.facts.doubted_values), (vec![RemoteVerdict::Conform; 12], vec![]));
    for (noise, known, test) in [(0.01, 0.0, "deaf"), (0.002, 1.0, "too_good")] {
        let mut evidence = honest.clone();
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(11);
        for charge in evidence.charges.iter_mut().filter(|charge| charge.pile == 5) {
            let wobble: f64 = (0..12).map(|_| rng.random_range(-0.5..0.5)).sum();
            let told = 20.0 * (1.0 + noise * wobble) * (1.0 + known * biases[charge.vehicle]);
            charge.energy_vehicle_kwh = Decimal::try_from(told).expect("finite");
        }
        let assessment = assess(&evidence, &Settings::default()).expect("assessable");
        let forger = &assessment.estimates[5].1;
        assert!(forger.error.expect("compared").abs() < 0.005, "{forger:?}");
        let expected = [
            [RemoteVerdict::Conform; 5].as_slice(),
            &[RemoteVerdict::Undecided],
            &[RemoteVerdict::Conform; 6],
        ];
        assert_eq!(verdicts(&assessment), expected.concat(), "{noise}");
        let [doubted] = &assessment.facts.doubted_values[..] else { panic!("{:?}", assessment.facts) };
        assert_eq!((doubted.pile_id.as_str(), doubted.test), ("P5", test));
        assert!(doubted.p_value < 1e-9 && doubted.share_percent < 50.0, "{doubted:?}");
        assert_eq!((doubted.charges, doubted.relayed, doubted.vehicles), (200, 0, 40), "nobody says how");
        assert_eq!(assessment.facts.learnt.doubted.as_slice(), std::slice::from_ref(&doubted.pile_id));
        evidence.charges.iter_mut().for_each(|charge| charge.path = Some(VehiclePath::Relayed));
        let facts = assess(&evidence, &Settings::default()).expect("assessable").facts;
        assert_eq!(facts.doubted_values.iter().map(|doubted| doubted.relayed).collect::<Vec<_>>(), [200]);
        // The vehicles' makers say the same: what they tell cannot be made up there.
        evidence.charges.iter_mut().for_each(|charge| charge.path = Some(VehiclePath::Telematics));
        let assessment = assess(&evidence, &Settings::default()).expect("assessable");
        assert_eq!(verdicts(&assessment), [RemoteVerdict::Conform; 12]);
    }
}

/// Three who read well and charge at one pile nine times of ten make it good, and nothing else.
#[test]
fn a_pile_of_few_good_vehicles_is_in_no_doubt() {
    let anchored: Vec<_> = (0..4).map(|pile| (pile, 0, "0")).collect();
    let (mut evidence, _) = evidence_of(&anchored, |_, _| 0.0);
    evidence.vehicle_models.resize(43, None);
    for (n, charge) in evidence.charges.iter_mut().enumerate().filter(|(_, charge)| charge.pile == 5) {
        if n / 12 % 40 < 36 {
            charge.vehicle = 40 + n / 12 % 3;
            charge.energy_vehicle_kwh = Decimal::try_from(20.0 + 0.02 * (n % 7) as f64).expect("finite");
        } else {
            charge.vehicle = 4 * (n / 480) + n / 12 % 4;
        }
    }
    let assessment = assess(&evidence, &Settings::default()).expect("assessable");
    assert_eq!(assessment.facts.doubted_values, []);
}
