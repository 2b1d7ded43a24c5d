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
    Evidence {
        as_of: at(100),
        piles: direct(40),
        vehicle_models: vec![None; 801],
        charges,
        anchors: [0, 1, 2].map(anchor).to_vec(),
        ..Evidence::default()
    }
}

/// Of the second city nobody knows a level: no vehicle goes there.
#[test]
fn an_id_that_stands_for_many_joins_no_cities() {
    for every in [20, 100] {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(5);
        let is_told: Vec<bool> = (0..14_400).map(|_| rng.random_range(0..every) == 0).collect();
        let evidence = cities(|n, (_, vehicle), times| (if is_told[n] { 800 } else { vehicle }, times));
        let assessment = assess(&evidence, &Settings::default()).expect("assessable");
        let verdicts = verdicts(&assessment);
        assert!(!verdicts.contains(&RemoteVerdict::Nonconform), "{every}: {verdicts:?}");
        assert_eq!(verdicts[20..], [RemoteVerdict::NotComparable; 20], "{every}");
        let count = is_told.iter().filter(|is| **is).count();
        assert_eq!(assessment.facts.screened, BTreeMap::from([("vehicle_id_of_many", count)]));
        let of_many = assessment.screened.iter().map(|(charge, _)| evidence.charges[*charge].vehicle);
        assert_eq!(of_many.collect::<BTreeSet<_>>(), BTreeSet::from([800]));
    }
}

/// An authority had a reference vehicle before it, so that it is one, wherever charges say that it is at once.
#[test]
fn a_calibrated_vehicle_is_one() {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(5);
    let is_told: Vec<bool> = (0..14_400).map(|_| rng.random_range(0..20) == 0).collect();
    let mut evidence = cities(|n, (_, vehicle), times| (if is_told[n] { 800 } else { vehicle }, times));
    let set_aside = |evidence: &Evidence| {
        assess(evidence, &Settings::default())
            .expect("assessable")
            .facts
            .screened
            .get("vehicle_id_of_many")
            .copied()
    };
    assert_eq!(set_aside(&evidence), Some(is_told.iter().filter(|is| **is).count()));
    evidence.references.push(crate::evidence::ReferenceVehicle {
        vehicle: 800,
        at: at(0),
        error_percent: Decimal::ZERO,
        expanded_uncertainty_percent: Decimal::new(2, 1),
        coverage_factor: Decimal::TWO,
    });
    assert_eq!(set_aside(&evidence), None);
}

/// Whose charges they are is drawn without a look at where anybody is: of charges of two days each an id of eighteen has five or six that overlap.
/// What is known of piles is what it is where nobody says how long charges took, also where one in twenty is of "UNKNOWN".
#[test]
fn where_all_ids_overlap_by_chance_they_are_vehicles() {
    let long = |n: usize, (_, vehicle): (usize, usize), (begin, _): (i64, i64), every: usize| {
        (if n % every == every - 1 { 800 } else { vehicle }, (begin, begin + 2 * 1_440))
    };
    let drawn = cities(|n, who, times| long(n, who, times, 100_000));
    let assessment = assess(&drawn, &Settings::default()).expect("assessable");
    assert_eq!(assessment.facts.screened, BTreeMap::new());
    assert!((500..800).contains(&assessment.facts.overlapping), "{}", assessment.facts.overlapping);
    let mut untold = drawn;
    untold.charges.iter_mut().for_each(|charge| charge.lasted_s = 0);
    let without = assess(&untold, &Settings::default()).expect("assessable");
    assert_eq!((without.estimates == assessment.estimates, without.facts.overlapping), (true, 0));
    let with_unknown = cities(|n, who, times| long(n, who, times, 19));
    let assessment = assess(&with_unknown, &Settings::default()).expect("assessable");
    assert_eq!(assessment.facts.screened, BTreeMap::from([("vehicle_id_of_many", 14_400 / 19)]));
}

/// One charge in three is of "UNKNOWN", more than overlaps alone are believed of; where all vehicles read alike they tell that it is one as well.
#[test]
fn of_many_charges_their_scatter_decides() {
    let told =
        |n: usize, (_, vehicle): (usize, usize), times| (if n % 3 == 1 { 800 } else { vehicle }, times);
    let mut evidence = cities(told);
    let facts = assess(&evidence, &Settings::default()).expect("assessable").facts;
    assert_eq!((facts.screened, facts.overlapping), (BTreeMap::from([("vehicle_id_of_many", 4_800)]), 0));
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(6);
    for charge in &mut evidence.charges {
        let noise = 0.02 * (0..12).map(|_| rng.random_range(-0.5..0.5)).sum::<f64>();
        charge.energy_vehicle_kwh = Decimal::try_from(20.0 * (1.0 + noise)).expect("finite");
    }
    let facts = assess(&evidence, &Settings::default()).expect("assessable").facts;
    assert_eq!((facts.screened, facts.overlapping), (BTreeMap::new(), 1));
}

/// A pile's clock eight hours off, a charge that its pile ends days later, and clocks that differ by minutes.
#[test]
fn a_vehicle_of_which_clocks_tell_wrongly_stays_one() {
    let wrong = |n: usize, (pile, vehicle): (usize, usize), (begin, end): (i64, i64)| match pile {
        // Of a taxi that charges at two piles every two hours the one that is eight hours ahead says that it is at both.
        _ if n.is_multiple_of(13) && pile < 20 => {
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
        assert_eq!((forger.error, forger.charges), (None, 0), "nothing else tells of it");
        assert_eq!(assessment.facts.screened, BTreeMap::from([("vehicle_value_doubted", 200)]));
        let expected = [
            [RemoteVerdict::Conform; 5].as_slice(),
            &[RemoteVerdict::NotComparable],
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

/// Whatever a pile registers is told as the vehicle's energy, nearly or by its kWh: a pile of 3 % too much is as good as all others.
#[test]
fn where_no_vehicle_differs_from_another_nobody_conforms() {
    let honest = town(|_, [who, _]| (300.0 * who) as usize, |_, _, bias, noise| 0.02 * noise - bias);
    assert_eq!(doubted(&honest), []);
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(13);
    let mut told = |energy: Decimal, way: usize| match way {
        0 => energy.trunc(),
        1 => energy.round_dp(1),
        2 => energy - Decimal::new(5, 2),
        _ => energy * Decimal::new(9_800 + rng.random_range(-50..=50), 4),
    };
    for way in 0..4 {
        let mut evidence = honest.clone();
        for (n, charge) in evidence.charges.iter_mut().enumerate() {
            charge.energy_pile_kwh = Decimal::new(8_003 + (n as i64 * 7_919) % 24_001, 3);
            charge.energy_vehicle_kwh = told(charge.energy_pile_kwh, way);
        }
        let assessment = assess(&evidence, &Settings::default()).expect("assessable");
        assert!(
            !verdicts(&assessment).contains(&RemoteVerdict::Conform),
            "{way}: {:?}",
            verdicts(&assessment)
        );
        let doubted = &assessment.facts.doubted_values;
        assert!(doubted.len() == 20 && doubted.iter().all(|doubted| doubted.test == "alike"), "{doubted:?}");
        assert!(doubted[0].p_value < 1e-9 && doubted[0].share_percent < 20.0, "{doubted:?}");
        // Makers may say so: what they tell did not come through the piles.
        evidence.charges.iter_mut().for_each(|charge| charge.path = Some(VehiclePath::Telematics));
        let facts = assess(&evidence, &Settings::default()).expect("assessable").facts;
        assert_eq!(facts.doubted_values, []);
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

/// Twenty right piles of 400 charges each, the last four measured. `vehicle` of 300 comes to a pile by two drawn numbers; `ratio` is ln of the pile's
/// energy by the vehicle's, of pile, vehicle, the vehicle's own bias (σ_b = 1.5 %), and noise of deviation 1.
fn town(
    vehicle: impl Fn(usize, [f64; 2]) -> usize,
    ratio: impl Fn(usize, usize, f64, f64) -> f64,
) -> Evidence {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(17);
    let mut normal = || (0..12).map(|_| rng.random_range(-0.5..0.5)).sum::<f64>();
    let biases: Vec<f64> = (0..300).map(|_| 0.015 * normal()).collect();
    let noise: Vec<f64> = (0..8_000).map(|_| normal()).collect();
    let charges = noise.iter().enumerate().map(|(n, noise)| {
        let pile = n % 20;
        let drawn = [0; 2].map(|_| rng.random_range(0.0..1.0));
        let vehicle = vehicle(pile, drawn);
        let energy = 30.0 * libm::exp(-ratio(pile, vehicle, biases[vehicle], *noise));
        ComparableCharge {
            pile,
            vehicle,
            ended_at: at(n as i64 / 100),
            lasted_s: 0,
            energy_pile_kwh: Decimal::from(30),
            energy_vehicle_kwh: Decimal::try_from(energy).expect("finite").round_dp(4),
            path: Some(VehiclePath::Relayed),
            covariates: [f32::NAN; COVARIATES_MAX],
        }
    });
    let charges = charges.collect();
    Evidence {
        as_of: at(90),
        piles: direct(20),
        vehicle_models: vec![None; 300],
        charges,
        anchors: [16, 17, 18, 19].map(anchor).to_vec(),
        ..Evidence::default()
    }
}

fn doubted(evidence: &Evidence) -> Vec<(String, &'static str)> {
    let facts = assess(evidence, &Settings::default()).expect("assessable").facts;
    facts.doubted_values.iter().map(|doubted| (doubted.pile_id.to_string(), doubted.test)).collect()
}

/// Twenty vehicles of a depot of three piles measure to 0.5 %, and seldom charge elsewhere, or never. One pile makes up what all vehicles tell.
#[test]
fn a_depot_of_vehicles_that_measure_well_is_in_no_doubt_and_who_makes_it_up_is() {
    for travel in [0.05, 0.0] {
        let vehicle = |pile: usize, [who, goes]: [f64; 2]| {
            let at_home = (3..6).contains(&pile) || goes < travel;
            if at_home { (20.0 * who) as usize } else { 20 + (280.0 * who) as usize }
        };
        let honest =
            |vehicle: usize, bias: f64, noise: f64| (if vehicle < 20 { 0.005 } else { 0.02 }) * noise - bias;
        let ratio = |_: usize, vehicle: usize, bias: f64, noise: f64| honest(vehicle, bias, noise);
        assert_eq!(doubted(&town(vehicle, ratio)), [], "{travel}");
        let made_up = |pile: usize, vehicle: usize, bias: f64, noise: f64| match pile {
            8 => 0.005 * noise - bias,
            _ => honest(vehicle, bias, noise),
        };
        assert_eq!(doubted(&town(vehicle, made_up)), [("P08".to_owned(), "too_good")], "{travel}");
    }
}

/// They relay their own energies with noise nearly as large as vehicles' own; the others what vehicles say.
#[test]
fn piles_that_make_values_up_are_found_even_if_they_are_half_of_all() {
    for forgers in [0, 1, 6, 10] {
        let ratio = |pile: usize, _: usize, bias: f64, noise: f64| {
            if pile < forgers { 0.01 + 0.015 * noise } else { 0.02 * noise - bias }
        };
        let evidence = town(|_, [who, _]| (300.0 * who) as usize, ratio);
        let (found, mut all) = (doubted(&evidence), (0..forgers).map(|n| (format!("P{n:02}"), "deaf")));
        // A chance of a thousand millionth is asked for, one by one: where half are forgers the last of ten may miss it.
        assert!(9 * forgers <= 10 * found.len(), "{forgers}: {found:?}");
        assert!(found.iter().all(|found| all.any(|one| one == *found)), "{forgers}: {found:?}");
    }
}

/// Two piles register 3 % more, of which one relays all but that; vehicles' makers tell of a tenth, a quarter and a half of all charges.
#[test]
fn a_pile_that_hides_its_error_in_what_it_relays_is_known_by_what_others_tell() {
    for every in [10, 4, 2] {
        let hiding = |hides: bool| {
            let error = |pile: usize| if [3, 7].contains(&pile) { 0.03 } else { 0.0 };
            let mut evidence = town(
                |_, [who, _]| (300.0 * who) as usize,
                |pile, _, bias, noise| error(pile) + 0.02 * noise - bias,
            );
            for (n, charge) in evidence.charges.iter_mut().enumerate() {
                if (n / 20).is_multiple_of(every) {
                    charge.path = Some(VehiclePath::Telematics);
                } else if hides && charge.pile == 3 {
                    charge.energy_vehicle_kwh *= Decimal::new(103, 2);
                }
            }
            assess(&evidence, &Settings::default()).expect("assessable")
        };
        let (open, hidden) = (hiding(false), hiding(true));
        assert_eq!(open.facts.doubted_values, [], "{every}");
        let [doubted] = &hidden.facts.doubted_values[..] else { panic!("{:?}", hidden.facts) };
        assert_eq!((doubted.pile_id.as_str(), doubted.test), ("P03", "relayed"));
        assert!((doubted.share_percent - 3.0).abs() < 1.0, "{doubted:?}");
        assert_eq!(hidden.facts.screened, BTreeMap::from([("vehicle_value_doubted", doubted.charges)]));
        for assessment in [&open, &hidden] {
            let nonconform = [3, 7].map(|pile| assessment.estimates[pile].1.verdict);
            assert_eq!(nonconform, [RemoteVerdict::Nonconform; 2], "{every}");
            let others = (0..20).filter(|pile| ![3, 7].contains(pile));
            let conform =
                others.filter(|pile| assessment.estimates[*pile].1.verdict == RemoteVerdict::Conform);
            assert_eq!(conform.count(), 18, "{every}");
        }
        let found = &hidden.estimates[3].1;
        let (error, u) = (found.error.expect("told"), found.standard_uncertainty.expect("told"));
        assert!((error - 0.0305).abs() < 4.0 * u, "{found:?}");
        // What is wrong with it can still be found.
        assert_eq!(hidden.residuals.iter().filter(|residual| residual.is_none()).count(), 0);
    }
}

/// So many DC piles of class 1.
fn direct(count: usize) -> Vec<PileFact> {
    let pile = |n| PileFact {
        pile_id: PileId::parse(&format!("P{n:02}")).expect("an identifier"),
        kind: Some(PileKind::Dc),
        class: AccuracyClass(Decimal::ONE),
    };
    (0..count).map(pile).collect()
}

/// Found without an error on the first day.
fn anchor(pile: usize) -> Anchor {
    Anchor {
        pile,
        outlet: None,
        at: at(1),
        error_percent: Decimal::ZERO,
        expanded_uncertainty_percent: Decimal::new(15, 2),
        coverage_factor: Decimal::TWO,
    }
}
