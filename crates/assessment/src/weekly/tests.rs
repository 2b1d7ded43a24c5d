//! Parts, weeks, what gives levels, and what models of vehicles leave unknown.

use veripile_metrology::balance::Information;
use veripile_metrology::cholesky::Symmetric;
use veripile_metrology::drift;

use crate::learnt::Way;

use super::*;

mod vehicles;

/// 501 piles, visited by four vehicles each once, of which the last pile's are no other pile's.
#[test]
fn more_piles_than_one_part_takes_are_told_all() {
    let charge = |pile: usize, vehicle: usize| WeekCharge {
        pile,
        vehicle: if pile == 7 { 1_000 + vehicle } else { pile / 5 + vehicle },
        model: None,
        ended_at: beginning(100) + jiff::SignedDuration::from_mins(i64::try_from(pile).expect("small")),
        energy_pile_kwh: Decimal::new(200, 1),
        energy_vehicle_kwh: Decimal::new(198 + i64::try_from(pile % 3).expect("small"), 1),
        path: None,
        covariates: [f32::NAN; COVARIATES_MAX],
    };
    let charges: Vec<_> = (0..=PART_MAX).flat_map(|pile| (0..4).map(move |n| charge(pile, n))).collect();
    let way = Way { path: None, charges: 1, bias: 0.0, noise: 0.01, noise_kwh: 0.1, degrees_of_freedom: 4.0 };
    let learnt = Learnt { ways: vec![way], vehicle_sd: 0.01, ..Learnt::default() };
    let evidence = WeekEvidence {
        charges: &charges,
        on_site: &[],
        calibrations: &[],
        balances: &[],
        learnt: &learnt,
        vehicles: &Vehicles::default(),
    };
    let mut told = Vec::new();
    let kept = filter(Filter::default(), &evidence, 101, |week, _| told.push(week));
    let sizes: Vec<usize> = kept.parts.iter().map(|part| part.piles.len()).collect();
    assert_eq!((sizes, &kept.parts[1].piles), (vec![PART_MAX, 1], &vec![7]), "the one without neighbours");
    assert_eq!((told[0].errors.len(), told[0].snapshots.len()), (PART_MAX + 1, 2));
    assert!(told[0].errors.iter().all(|(_, error)| error.charges == 4));
}

/// A noise that is no number lets nothing be said of its week; the next is told again.
#[test]
fn a_part_that_cannot_be_solved_begins_anew() {
    let charge = WeekCharge {
        pile: 1,
        vehicle: 1,
        model: None,
        ended_at: beginning(100),
        energy_pile_kwh: Decimal::new(200, 1),
        energy_vehicle_kwh: Decimal::new(199, 1),
        path: None,
        covariates: [f32::NAN; COVARIATES_MAX],
    };
    let after = |kept: &Filter<u32, u32>, week: i32, noise: f64| {
        let way = Way { path: None, charges: 1, bias: 0.0, noise, noise_kwh: 0.1, degrees_of_freedom: 4.0 };
        let learnt = Learnt { ways: vec![way], vehicle_sd: 0.01, ..Learnt::default() };
        let evidence = WeekEvidence {
            charges: &[],
            on_site: &[],
            calibrations: &[],
            balances: &[],
            learnt: &learnt,
            vehicles: &Vehicles::default(),
        };
        kept.advanced(week, &[&charge], &evidence)
    };
    let (kept, told) = after(&Filter::default(), 100, 0.01);
    assert_eq!((told.errors.len(), told.anew.len()), (1, 0));
    let (kept, told) = after(&kept, 101, f64::NAN);
    assert_eq!((told.errors.len(), &told.anew[..]), (0, &[(1, DriftError::MalformedComparison(0))][..]));
    let (_, told) = after(&kept, 102, 0.01);
    assert_eq!((told.errors.len(), told.anew.len()), (1, 0), "it is told again");
}

#[test]
fn weeks_begin_on_monday() {
    let week = |text: &str| week_of(text.parse().expect("literal"));
    // 1970-01-01 was a Thursday, 2026-11-23 a Monday.
    assert_eq!((week("1970-01-01T00:00:00Z"), week("1970-01-05T00:00:00Z")), (0, 1));
    assert_eq!(week("2026-11-23T00:00:00Z"), week("2026-11-22T23:59:59Z") + 1);
    assert_eq!(beginning(week("2026-11-23T00:00:00Z")).to_string(), "2026-11-23T00:00:00Z");
}

fn learnt() -> Learnt {
    Learnt { vehicle_sd: 0.01, ..Learnt::default() }
}

fn result(pile: u32, day: i64, percent: i64) -> OnSite<u32> {
    OnSite {
        pile,
        outlet: None,
        at: beginning(100) + jiff::SignedDuration::from_hours(24 * day),
        error_percent: Decimal::new(percent, 1),
        expanded_uncertainty_percent: Decimal::new(1, 1),
        coverage_factor: Decimal::TWO,
    }
}

/// What was known of a pile that is adjusted is forgotten, and that it was is told to whoever smooths; by hand: 0.1 % and 1.6 % of
/// uncertainty 0.05 % are thirty times too far from each other.
#[test]
fn an_adjusted_pile_is_forgotten_and_its_former_weeks_stay_what_they_were() {
    let on_site = [result(1, 0, 1), result(2, 0, 1), result(1, 8, 16)];
    let learnt = learnt();
    let evidence: WeekEvidence<'_, u32, u32> = WeekEvidence {
        charges: &[],
        on_site: &on_site,
        calibrations: &[],
        balances: &[],
        learnt: &learnt,
        vehicles: &Vehicles::default(),
    };
    let (mut kept, mut snapshots) = (Filter::default(), Vec::new());
    for week in 100..103 {
        let (next, told) = kept.advanced(week, &[], &evidence);
        snapshots.extend(told.snapshots);
        kept = next;
    }
    let forgotten: Vec<&[usize]> = snapshots.iter().map(|snapshot| &snapshot.forgotten[..]).collect();
    assert_eq!(forgotten, [&[][..], &[0], &[]]);
    let smoothed = drift::smooth(&snapshots).expect("of one filter");
    let of_first: Vec<f64> = smoothed.iter().map(|week| week[0].log_error).collect();
    for (told, percent) in of_first.iter().zip([0.1, 1.6, 1.6]) {
        assert!((told - f64::ln_1p(percent / 100.0)).abs() < 2e-5, "{of_first:?}");
    }
}

/// Outlets of 0.2 and 0.5 %, U 0.1 %, measured two weeks apart: by hand 0.35 % with u² = 0.05² + 0.15²/3 = 0.01 %². The first one's
/// result is in both and counts once.
#[test]
fn a_second_outlet_makes_a_mixture() {
    let outlet = |outlet, day, percent| OnSite { outlet: Some(outlet), ..result(1, day, percent) };
    let learnt = learnt();
    let last = |on_site: &[OnSite<u32>]| {
        let evidence: WeekEvidence<'_, u32, u32> = WeekEvidence {
            charges: &[],
            on_site,
            calibrations: &[],
            balances: &[],
            learnt: &learnt,
            vehicles: &Vehicles::default(),
        };
        let (mut kept, mut told) = (Filter::default(), None);
        for week in 100..103 {
            let (next, errors) = kept.advanced(week, &[], &evidence);
            (kept, told) = (next, Some(errors));
        }
        let told = told.expect("weeks");
        (told.errors[0].1, told.snapshots[0].forgotten.clone())
    };
    let (at_once, forgotten) = last(&[outlet(1, 15, 2), outlet(2, 16, 5)]);
    assert_eq!(forgotten, Vec::<usize>::new());
    let (one_by_one, forgotten) = last(&[outlet(1, 1, 2), outlet(2, 16, 5)]);
    assert_eq!(forgotten, [0]);
    for told in [at_once, one_by_one] {
        assert!((told.error - 0.003_5).abs() < 3e-5, "{told:?}");
        assert!((told.standard_uncertainty - 0.001).abs() < 5e-5, "{told:?}");
    }
}

/// A vehicle that reads 0.4 % too much (u 0.1 %) charges 200 times a week at a pile that shows 20.12 kWh where it shows 20: by hand the pile errs by
/// 1.006 · 1.004 − 1 = 1.0024 %. Charges of 1 % leave 0.04 % after four weeks, drift some 0.05 %; were the calibration to count each week, u
/// would be 0.07 %.
#[test]
fn a_reference_vehicle_gives_a_level_that_counts_once_in_all_weeks() {
    let charge = |week: i32, n: i64| WeekCharge {
        pile: 1,
        vehicle: 9,
        model: None,
        ended_at: beginning(week) + jiff::SignedDuration::from_mins(40 * n),
        energy_pile_kwh: Decimal::new(2_012, 2),
        energy_vehicle_kwh: Decimal::from(20),
        path: Some(VehiclePath::Reference),
        covariates: [f32::NAN; COVARIATES_MAX],
    };
    let way = Way {
        path: Some(VehiclePath::Reference),
        charges: 1,
        bias: 0.0,
        noise: 0.01,
        noise_kwh: 0.0,
        degrees_of_freedom: 4.0,
    };
    let learnt = Learnt { ways: vec![way], ..learnt() };
    let charges: Vec<WeekCharge<u32, u32>> =
        (100..104).flat_map(|week| (0..200).map(move |n| charge(week, n))).collect();
    let calibration = |week: i32, percent: i64| Calibration {
        vehicle: 9_u32,
        at: beginning(week),
        error_percent: Decimal::new(percent, 1),
        expanded_uncertainty_percent: Decimal::new(2, 1),
        coverage_factor: Decimal::TWO,
    };
    let last = |calibrations: &[Calibration<u32>]| {
        let evidence = WeekEvidence {
            charges: &charges,
            on_site: &[],
            calibrations,
            balances: &[],
            learnt: &learnt,
            vehicles: &Vehicles::default(),
        };
        let mut told = Vec::new();
        filter(Filter::default(), &evidence, 103, |week, _| told.push(week));
        told.pop().expect("weeks").errors[0].1
    };
    let none = last(&[]);
    assert!(0.009 < none.standard_uncertainty, "no level but that of all vehicles: {none:?}");
    // Made before, made after all, and one that a newer one replaces.
    let alone = |week| vec![calibration(week, 4)];
    for calibrations in [alone(100), alone(104), vec![calibration(99, 9), calibration(102, 4)]] {
        let told = last(&calibrations);
        assert!((told.error - 0.010_024).abs() < 5e-5, "{told:?}");
        assert!((0.001..0.001_5).contains(&told.standard_uncertainty), "{told:?}");
    }
    let older = last(&alone(0)).standard_uncertainty;
    assert!((0.002..0.004).contains(&older), "two years of drift, 0.28 %: {older}");
}

/// A thousand vehicles charge at both piles, of which one was measured to 0.05 %; their noise is nothing to speak of. By hand u of the other is
/// 0.05 % and, of one model, √(0.05² + 2 · 0.2²) = 0.287 %: what a pile reads otherwise of it, at both. What all
/// vehicles are off by is known to 1 % beforehand, which makes it less by a hundredth.
#[test]
fn the_vehicles_of_one_model_say_no_more_than_its_maker_allows() {
    let charge = |week: i32, vehicle: u32, pile: u32, model: Option<&str>| WeekCharge {
        pile,
        vehicle,
        model: model.map(str::to_owned),
        ended_at: beginning(week) + jiff::SignedDuration::from_mins(i64::from(vehicle)),
        energy_pile_kwh: Decimal::from(20),
        energy_vehicle_kwh: Decimal::from(20),
        path: None,
        covariates: [f32::NAN; COVARIATES_MAX],
    };
    let way =
        Way { path: None, charges: 1, bias: 0.0, noise: 0.000_1, noise_kwh: 0.0, degrees_of_freedom: 4.0 };
    let learnt = Learnt { ways: vec![way], interaction_sd: 0.002, ..learnt() };
    let on_site = [result(1, 0, 0)];
    let last = |models: [Option<&str>; 2]| {
        let of_week = |week: i32| {
            (0..1_000).flat_map(move |vehicle| {
                // Who tells no model in its second week has it still.
                let told = models[usize::from(vehicle % 2 == 0)].filter(|_| week == 100);
                [1, 2].map(|pile| charge(week, vehicle, pile, told))
            })
        };
        let charges: Vec<WeekCharge<u32, u32>> = (100..102).flat_map(of_week).collect();
        let evidence = WeekEvidence {
            charges: &charges,
            on_site: &on_site,
            calibrations: &[],
            balances: &[],
            learnt: &learnt,
            vehicles: &Vehicles::default(),
        };
        let mut told = Vec::new();
        filter(Filter::default(), &evidence, 101, |week, _| told.push(week));
        let errors = told.pop().expect("weeks").errors;
        100.0 * errors.iter().find(|(pile, _)| *pile == 2).expect("told").1.standard_uncertainty
    };
    let both = (0.05_f64 * 0.05 + 2.0 * 0.2 * 0.2).sqrt();
    let half = (0.05_f64 * 0.05 + 0.2 * 0.2).sqrt();
    for (models, expected) in
        [([Some("A"), Some("A")], both), ([Some("A"), Some("B")], half), ([None, None], 0.05)]
    {
        let u = last(models);
        assert!((u / expected - 1.0).abs() < 0.1, "{models:?}: {u} instead of {expected}");
    }
}

/// A fleet that tells 5 % less than it got, and in the third week a result of one of three piles that says 0: by hand all three are then 0, and none
/// was adjusted.
#[test]
fn a_fleet_that_reads_far_off_adjusts_no_pile() {
    let charge = |n: i64| WeekCharge {
        pile: u32::try_from(n % 3).expect("small"),
        vehicle: u32::try_from(n / 3 % 10).expect("small"),
        model: None,
        ended_at: beginning(100) + jiff::SignedDuration::from_hours(n),
        energy_pile_kwh: Decimal::new(200, 1),
        energy_vehicle_kwh: Decimal::new(190, 1),
        path: None,
        covariates: [f32::NAN; COVARIATES_MAX],
    };
    let charges: Vec<_> = (0..480).map(charge).collect();
    let way =
        Way { path: None, charges: 480, bias: 0.0, noise: 0.01, noise_kwh: 0.1, degrees_of_freedom: 4.0 };
    let learnt = Learnt { ways: vec![way], ..learnt() };
    let on_site = [result(1, 15, 0)];
    let evidence = WeekEvidence {
        charges: &charges,
        on_site: &on_site,
        calibrations: &[],
        balances: &[],
        learnt: &learnt,
        vehicles: &Vehicles::default(),
    };
    let mut told = Vec::new();
    filter(Filter::default(), &evidence, 102, |week, _| told.push(week));
    assert!(told.iter().flat_map(|week| &week.snapshots).all(|snapshot| snapshot.forgotten.is_empty()));
    let last = told.last().expect("weeks");
    assert_eq!((told.len(), last.errors.len()), (3, 3));
    for (pile, found) in &last.errors {
        assert!(found.error.abs() < 0.004, "{pile}: {found:?}");
    }
}

/// A pile measured with U of 0.1 % and a week later roughly, U of 1 %, which agrees: what was known is kept. Told in the same week, they are together
/// what the better one is; by hand, in percent: 0.1 is nearly all of it, 0.4/101 more, and u is 0.05.
#[test]
fn a_rough_result_later_takes_nothing_from_what_is_known() {
    let rough = |day| OnSite { expanded_uncertainty_percent: Decimal::ONE, ..result(1, day, 5) };
    let learnt = learnt();
    let after = |on_site: &[OnSite<u32>], weeks: std::ops::Range<i32>| {
        let evidence: WeekEvidence<'_, u32, u32> = WeekEvidence {
            charges: &[],
            on_site,
            calibrations: &[],
            balances: &[],
            learnt: &learnt,
            vehicles: &Vehicles::default(),
        };
        let (mut kept, mut last, mut forgotten) = (Filter::default(), None, 0);
        for week in weeks {
            let (next, told) = kept.advanced(week, &[], &evidence);
            forgotten += told.snapshots.iter().map(|snapshot| snapshot.forgotten.len()).sum::<usize>();
            (kept, last) = (next, told.errors.last().map(|(_, error)| *error));
        }
        (last.expect("told"), forgotten)
    };
    let expected = 0.001 + 0.004 / 101.0;
    for (on_site, weeks) in [([result(1, 0, 1), rough(8)], 100..102), ([result(1, 0, 1), rough(1)], 100..101)]
    {
        let (told, forgotten) = after(&on_site, weeks.clone());
        assert_eq!(forgotten, 0, "{weeks:?}");
        assert!((told.error - expected).abs() < 2e-5, "{weeks:?}: {told:?}");
        assert!((0.000_49..0.000_54).contains(&told.standard_uncertainty), "{weeks:?}: {told:?}");
    }
}

/// What a master to 0.3 % says of the mean of two piles, from a week's beginning until another's.
fn mean_of(piles: [u32; 2], percent: f64, weeks: (i32, i32)) -> Balanced<u32> {
    let weight = 0.003_f64.powi(-2);
    let mut matrix = Symmetric::zero(2);
    [(0, 0), (1, 0), (1, 1)].iter().for_each(|(row, column)| matrix.add(*row, *column, 0.25 * weight));
    let right = vec![0.5 * weight * f64::ln_1p(percent / 100.0); 2];
    let told = Information { instruments: vec![0, 1], matrix, right };
    Balanced::of(&told, piles.to_vec(), (beginning(weeks.0), beginning(weeks.1)))
}

/// By hand: of two piles whose mean is 0.4 % to 0.3 % (u) one was measured, 0 to 0.05 %: the other, of which nothing else is known, is off by 0.8 % to
/// √(0.6² + 0.05²) = 0.602 %, and in each week alike. When the first is adjusted what the balance said of both says little of the other, until there is one
/// that began since: of the mean 0.9 % with one at 1.5 % that is 0.3 %.
#[test]
fn a_balance_says_nothing_of_a_pile_that_became_another_until_one_began_since() {
    let on_site = [result(1, 0, 0), result(1, 15, 15)];
    let learnt = learnt();
    let mut kept: Filter<u32, u32> = Filter::default();
    let mut second = |week: i32, balance: Balanced<u32>| {
        let balances = &[balance];
        let evidence = WeekEvidence {
            charges: &[],
            on_site: &on_site,
            calibrations: &[],
            balances,
            learnt: &learnt,
            vehicles: &Vehicles::default(),
        };
        let (next, told) = kept.advanced(week, &[], &evidence);
        kept = next;
        told.errors.iter().find(|(pile, _)| *pile == 2).expect("beside the first").1
    };
    let is = |told: WeekError, percent: f64| {
        assert!((100.0 * told.error - percent).abs() < 0.02, "{told:?}");
        assert!((0.006..0.006_3).contains(&told.standard_uncertainty), "{told:?}");
    };
    let before = || mean_of([1, 2], 0.4, (98, 102));
    is(second(100, before()), 0.8);
    is(second(101, before()), 0.8);
    assert!(0.01 < second(102, before()).standard_uncertainty, "it speaks of the first as it was");
    assert!(0.01 < second(103, before()).standard_uncertainty);
    is(second(104, mean_of([2, 1], 0.9, (102, 104))), 0.3);
}

/// Pile 1 steps by 3 % in the eighth week.
#[test]
fn since_a_step_a_pile_is_another_to_balances() {
    let charge = |week: i32, n: u32, pile: u32| {
        let wobble = i64::from((n * 7 + pile * 3 + week.unsigned_abs() * 5) % 11) - 5;
        let step = if pile == 1 && 107 <= week { 600 } else { 0 };
        WeekCharge {
            pile,
            vehicle: n,
            model: None,
            ended_at: beginning(week) + jiff::SignedDuration::from_mins(i64::from(n)),
            energy_pile_kwh: Decimal::new(20_000 + 40 * wobble + step, 3),
            energy_vehicle_kwh: Decimal::from(20),
            path: None,
            covariates: [f32::NAN; COVARIATES_MAX],
        }
    };
    let charges: Vec<WeekCharge<u32, u32>> = (100..112)
        .flat_map(|week| (0..30).flat_map(move |n| (1..5).map(move |pile| charge(week, n, pile))))
        .collect();
    let way =
        Way { path: None, charges: 1, bias: 0.0, noise: 0.006, noise_kwh: 0.0, degrees_of_freedom: 4.0 };
    let learnt = Learnt { ways: vec![way], ..learnt() };
    let balances = &[mean_of([1, 2], 0.0, (99, 105))];
    let evidence = WeekEvidence {
        charges: &charges,
        on_site: &[],
        calibrations: &[],
        balances,
        learnt: &learnt,
        vehicles: &Vehicles::default(),
    };
    let mut told = Vec::new();
    let kept = filter(Filter::default(), &evidence, 111, |week, _| told.push(week));
    let steps: Vec<(u32, u32)> =
        told.iter().flat_map(|week| &week.steps).map(|(pile, step)| (*pile, step.first)).collect();
    assert_eq!(steps, [(1, 107)]);
    let since: Vec<(&usize, &i32)> = kept.parts[0].since.iter().collect();
    assert!(matches!(since[..], [(0, 106 | 107)]), "{since:?}");
    let last = &told.last().expect("weeks").errors;
    let error = |pile: u32| last.iter().find(|(of, _)| *of == pile).expect("told").1.error;
    assert!((error(1) - error(2) - 0.03).abs() < 0.003, "the balance keeps neither where it was");
}
