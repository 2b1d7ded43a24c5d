#![allow(clippy::needless_range_loop, clippy::print_stdout)]
mod balances;
mod coverage;
mod exact;
mod models;
mod steps;
mod world;

use super::*;
use crate::cholesky::Symmetric;

fn comparison(instrument: usize, traveller: usize, log_ratio: f64) -> Comparison {
    Comparison { instrument, traveller, log_ratio, variance: 0.000_4 }
}

fn small() -> Week {
    Week {
        elapsed_weeks: 1.0,
        instruments: 3,
        travellers: 3,
        comparisons: vec![
            comparison(0, 0, 0.011),
            comparison(1, 0, -0.004),
            comparison(1, 1, 0.002),
            comparison(2, 1, 0.031),
            comparison(0, 1, 0.008),
            comparison(2, 2, 0.024),
            comparison(0, 2, 0.013),
            comparison(0, 2, 0.013),
        ],
        anchors: vec![Anchor { instrument: 0, log_error: 0.01, standard_uncertainty: 0.000_75 }],
        calibrations: vec![],
        information: vec![],
        models: vec![],
        resets: vec![],
    }
}

#[test]
fn the_order_of_comparisons_does_not_show_in_one_bit() {
    let (mut plain, mut reversed) = (State::new(), State::new());
    for _ in 0..3 {
        let mut week = small();
        plain.advance(&week, &Settings::default()).expect("advances");
        week.comparisons.reverse();
        reversed.advance(&week, &Settings::default()).expect("advances");
    }
    assert_eq!(plain, reversed);
}

#[test]
fn a_state_written_down_goes_on_as_if_it_had_stayed() {
    let mut stayed = State::new();
    stayed.advance(&small(), &Settings::default()).expect("advances");
    let written = toml::to_string(&stayed).expect("plain");
    let mut read: State = toml::from_str(&written).expect("plain");
    assert_eq!(read, stayed);
    let week = small();
    let (a, b) = (stayed.advance(&week, &Settings::default()), read.advance(&week, &Settings::default()));
    assert_eq!(a.expect("advances").estimates, b.expect("advances").estimates);
    assert_eq!(read, stayed);
}

#[test]
fn what_is_malformed_is_named_and_changes_nothing() {
    let mut state = State::new();
    state.advance(&small(), &Settings::default()).expect("advances");
    let before = state.clone();
    let mut check = |change: &dyn Fn(&mut Week), expected: DriftError| {
        let mut week = small();
        change(&mut week);
        assert_eq!(state.advance(&week, &Settings::default()).err(), Some(expected));
    };
    check(&|week| week.comparisons[2].instrument = 3, DriftError::MalformedComparison(2));
    check(&|week| week.comparisons[1].traveller = 3, DriftError::MalformedComparison(1));
    check(&|week| week.comparisons[4].variance = 0.0, DriftError::MalformedComparison(4));
    check(&|week| week.comparisons[4].log_ratio = f64::NAN, DriftError::MalformedComparison(4));
    check(&|week| week.anchors[0].standard_uncertainty = -1.0, DriftError::MalformedAnchor(0));
    let told = Information { instruments: vec![2], matrix: Symmetric::zero(1), right: vec![1.0] };
    for wrong in [
        Information { instruments: vec![3], ..told.clone() },
        Information { right: vec![f64::NAN], ..told.clone() },
        Information { right: vec![], ..told.clone() },
        Information { instruments: vec![2, 2], matrix: Symmetric::zero(2), right: vec![1.0, 1.0] },
    ] {
        let both = [told.clone(), wrong];
        check(&|week| week.information = both.to_vec(), DriftError::MalformedInformation(1));
    }
    check(&|week| week.instruments = 2, DriftError::MalformedWeek);
    check(&|week| week.resets = vec![7], DriftError::MalformedWeek);
    check(&|week| week.models = vec![(3, 0)], DriftError::MalformedWeek);
    let calibration = Calibration { traveller: 0, bias: 0.0, standard_uncertainty: 0.001 };
    for wrong in [
        Calibration { traveller: 3, ..calibration },
        Calibration { bias: f64::NAN, ..calibration },
        Calibration { standard_uncertainty: 0.0, ..calibration },
    ] {
        check(&|week| week.calibrations = vec![wrong], DriftError::MalformedWeek);
    }
    check(&|week| week.elapsed_weeks = f64::INFINITY, DriftError::MalformedWeek);
    check(&|week| week.instruments = INSTRUMENTS_MAX + 1, DriftError::TooLarge);
    assert_eq!(state, before);
    state.travellers[0].known = Some(Known { weight: -1.0, weighted: 0.0 });
    assert_eq!(state.advance(&small(), &Settings::default()).err(), Some(DriftError::MalformedState));
    state = before;
    state.right.pop();
    assert_eq!(state.advance(&small(), &Settings::default()).err(), Some(DriftError::MalformedState));
}

/// Each adds one standard deviation to z at most, so that n are √n: at 0.6 all of them are limited, at 0.01 none is.
#[test]
fn few_comparisons_say_little_however_wild_they_are() {
    let mut state = State::new();
    for _ in 0..20 {
        state.advance(&small(), &Settings::default()).expect("advances");
    }
    let z_of = |count: usize, log_ratio: f64| {
        let wild = (0..count).map(|at| comparison(2, 1 + at % 2, log_ratio));
        let week = Week { comparisons: wild.collect(), anchors: vec![], ..small() };
        let update = state.clone().advance(&week, &Settings::default()).expect("advances");
        update.innovations[2].expect("compared").standardised()
    };
    for count in [1, 2, 50] {
        assert!((z_of(count, 0.6) - (count as f64).sqrt()).abs() < 1e-9, "{count}");
    }
    let (plain, twice) = (z_of(2, 0.028), z_of(2, 0.029));
    assert!(plain.abs() < 1.0 && plain < twice, "{plain} {twice}");
}

#[test]
fn an_empty_week_and_an_instrument_never_compared_are_no_trouble() {
    let mut state = State::new();
    let empty = Week { elapsed_weeks: 1.0, instruments: 2, ..Week::default() };
    let update = state.advance(&empty, &Settings::default()).expect("advances");
    assert_eq!(update.innovations, [None, None]);
    // Priors of ẽ and of c are 10 % each.
    assert!((update.estimates[0].standard_uncertainty - 0.1f64.hypot(0.1)).abs() < 1e-12);
    let mut week = small();
    week.instruments = 5;
    let update = state.advance(&week, &Settings::default()).expect("advances");
    assert!(update.estimates[0].standard_uncertainty < 0.000_76);
    assert!(update.estimates[4].standard_uncertainty > 0.09 && update.innovations[4].is_none());
}

#[test]
fn without_an_anchor_the_level_is_as_unsure_as_travellers_in_common() {
    let mut week = small();
    week.anchors.clear();
    let update = State::new().advance(&week, &Settings::default()).expect("advances");
    assert!(update.estimates.iter().all(|estimate| 0.01 < estimate.standard_uncertainty));
}

/// What is kept does not grow with history: 80 weeks of the same visits keep the same pairs; travellers that stay away are folded.
#[test]
fn the_state_grows_with_the_fleet_and_not_with_history() {
    let mut state = State::new();
    let mut written = Vec::new();
    for _ in 0..80 {
        state.advance(&small(), &Settings::default()).expect("advances");
        written.push((state.pairs(), state.base.size(), state.travellers.len()));
    }
    assert!(written.iter().all(|size| *size == (7, 4, 3)), "{written:?}");
    let mut quiet = small();
    quiet.comparisons.truncate(1);
    for _ in 0..30 {
        state.advance(&quiet, &Settings::default()).expect("advances");
    }
    assert_eq!(state.pairs(), 2, "the one that still travels has its two pairs");
    assert_eq!(state.forget_idle(), [true, false, false]);
    quiet.travellers = 1;
    let update = state.clone().advance(&quiet, &Settings::default()).expect("advances");
    assert!(update.estimates.iter().all(|estimate| estimate.log_error.is_finite()));
    assert_eq!((state.travellers.len(), state.forget_idle()), (1, vec![true]));
}

/// By hand: a traveller that reads 0.4 % too much (u 0.1 %) finds 0.6 % a thousand times a week, so that the instrument errs by 1.0 %. A comparison
/// weighs κ/(σ² + u²/4) = 1,785, ten weeks of them leave 5.6 · 10⁻⁸: u = √(10⁻⁶ + 5.6 · 10⁻⁸) = 0.103 %. Were the calibration to count each week, it
/// would be 0.04 %. A newer one of 0.5 % (u 0.05 %) takes its place: 1.1 %, u = √(0.25 + 0.05) 10⁻³ = 0.055 %.
#[test]
fn a_calibration_gives_a_level_once_and_a_newer_one_takes_its_place() {
    let still =
        Settings { instrument_walk: 0.0, traveller_walk: 0.0, calibrated_walk: 0.0, ..Settings::default() };
    let calibrated = |bias, standard_uncertainty| Calibration { traveller: 0, bias, standard_uncertainty };
    let mut week = Week {
        elapsed_weeks: 1.0,
        instruments: 1,
        travellers: 1,
        comparisons: vec![comparison(0, 0, 0.006); 1_000],
        calibrations: vec![calibrated(0.004, 0.001)],
        ..Week::default()
    };
    let mut state = State::new();
    for _ in 0..9 {
        state.advance(&week, &still).expect("advances");
        week.calibrations.clear();
    }
    let told = state.advance(&week, &still).expect("advances");
    let check = |told: &Estimate, error: f64, u: f64| {
        assert!((told.log_error - error).abs() < 1e-5, "{told:?}");
        assert!((told.standard_uncertainty / u - 1.0).abs() < 0.01, "{told:?}");
    };
    check(&told.estimates[0], 0.01, 0.001_027_6);
    week.calibrations.push(calibrated(0.005, 0.000_5));
    let told = state.advance(&week, &still).expect("advances");
    check(&told.estimates[0], 0.011, 0.000_548_6);
    // Half a year without it, and more: who it is and what it knows stay.
    let quiet = Week { elapsed_weeks: 40.0, comparisons: vec![], calibrations: vec![], ..week };
    let told = state.advance(&quiet, &still).expect("advances");
    check(&told.estimates[0], 0.011, 0.000_548_6);
    assert_eq!(state.forget_idle(), [true]);
    let aged = state.advance(&quiet, &Settings::default()).expect("advances");
    let aged = aged.estimates[0].standard_uncertainty;
    assert!(
        (0.002..0.005).contains(&aged),
        "both drift, 0.18 and 0.09 % in 40 weeks, and more is not known: {aged}"
    );
}

#[test]
fn a_traveller_that_goes_everywhere_keeps_what_weighs_most() {
    let instruments = PAIRS_MAX + 10;
    let visits =
        (0..instruments).map(|i| Comparison { variance: 0.000_4 + 1e-6 * i as f64, ..comparison(i, 0, 0.0) });
    let week = Week {
        elapsed_weeks: 1.0,
        instruments,
        travellers: 1,
        comparisons: visits.rev().collect(),
        ..Week::default()
    };
    let mut state = State::new();
    state.advance(&week, &Settings::default()).expect("advances");
    let kept: Vec<usize> = state.travellers[0].pairs.iter().map(|pair| pair.instrument).collect();
    assert_eq!(kept, (0..PAIRS_MAX).collect::<Vec<_>>());
}
