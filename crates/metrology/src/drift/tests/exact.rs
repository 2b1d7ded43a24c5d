//! The filter's algebra against dense computations that eliminate nothing.

use super::super::equations::Posterior;
use super::*;

fn filled() -> State {
    filled_with(vec![])
}

/// With calibrations in the first week.
fn filled_with(calibrations: Vec<Calibration>) -> State {
    let mut state = State::new();
    let mut week = Week { calibrations, ..small() };
    for _ in 0..3 {
        state.advance(&week, &Settings::default()).expect("advances");
        week.calibrations.clear();
    }
    state
}

/// The second of three travellers.
fn calibrated() -> State {
    filled_with(vec![Calibration { traveller: 1, bias: 0.004, standard_uncertainty: 0.001 }])
}

/// Precision and right side of (c, ẽ…, d…), nothing eliminated, from the factors that the state stands for.
fn whole(state: &State, traveller_sd: f64) -> (Symmetric, Vec<f64>) {
    let (size, travellers) = (state.right.len(), state.travellers.len());
    let mut matrix = Symmetric::zero(size + travellers);
    let mut right = state.right.clone();
    right.resize(size + travellers, 0.0);
    for row in 0..size {
        for column in 0..=row {
            matrix.add(row, column, state.base.get(row, column));
        }
    }
    for (t, traveller) in state.travellers.iter().enumerate() {
        match traveller.known {
            None => matrix.add(size + t, size + t, traveller_sd.powi(-2)),
            // (c + d − b)²/u².
            Some(Known { weight, weighted }) => {
                for (row, column) in [(0, 0), (size + t, 0), (size + t, size + t)] {
                    matrix.add(row, column, weight);
                }
                right[0] += weighted;
                right[size + t] += weighted;
            }
        }
        for pair in &traveller.pairs {
            let at = pair.instrument + 1;
            matrix.add(at, at, pair.weight);
            matrix.add(size + t, size + t, pair.weight);
            matrix.add(size + t, at, -pair.weight);
            right[at] += pair.weighted;
            right[size + t] -= pair.weighted;
        }
    }
    (matrix, right)
}

fn posterior(state: &State) -> Posterior {
    let sd = Settings::default().traveller_sd;
    state.posterior(&state.conditionals(sd)).expect("regular")
}

#[test]
fn elimination_of_travellers_changes_nothing() {
    let sd = Settings::default().traveller_sd;
    for state in [filled(), calibrated()] {
        let found = posterior(&state);
        let (matrix, right) = whole(&state, sd);
        let factor = matrix.factor().expect("regular");
        let (mean, covariance) = (factor.solve(&right), factor.inverse());
        for i in 0..4 {
            assert!((found.mean[i] - mean[i]).abs() < 1e-12, "{i}");
            for j in 0..4 {
                assert!((found.covariance.get(i, j) - covariance.get(i, j)).abs() < 1e-12, "{i} {j}");
            }
        }
        for (t, own) in state.conditionals(sd).iter().enumerate() {
            assert!((own.bias(&state.travellers[t], &found.mean) - mean[4 + t]).abs() < 1e-12);
        }
    }
}

#[test]
fn a_traveller_eliminated_for_good_leaves_what_it_said() {
    for mut state in [filled(), calibrated()] {
        let before = posterior(&state);
        state.eliminate(&[1], &Settings::default());
        assert_eq!(state.pairs(), 4);
        let after = posterior(&state);
        for i in 0..4 {
            assert!((before.mean[i] - after.mean[i]).abs() < 1e-12);
            for j in 0..4 {
                assert!((before.covariance.get(i, j) - after.covariance.get(i, j)).abs() < 1e-12);
            }
        }
    }
}

#[test]
fn an_instrument_forgotten_is_one_never_seen() {
    let mut state = filled();
    state.eliminate(&[1], &Settings::default());
    state.forget(2, &Settings::default());
    let after = posterior(&state);
    assert!((after.covariance.get(3, 3).sqrt() - Settings::default().instrument_sd).abs() < 1e-12);
    assert!(after.covariance.get(3, 1).abs() < 1e-15 && after.mean[3].abs() < 1e-15);
    assert!(state.travellers.iter().flat_map(|traveller| &traveller.pairs).all(|pair| pair.instrument != 2));
    state.forget(99, &Settings::default());
}

/// After a walk the filter's covariance is nowhere below the exact one, `C + Q` of everything together: no direction is known better.
/// Checked in many directions; the base is a weak prior, since what is promised concerns the pairs, and a calibration.
#[test]
fn a_walk_never_leaves_more_than_there_is() {
    let calibration = Calibration { traveller: 1, bias: 0.004, standard_uncertainty: 0.001 };
    for calibrations in [vec![], vec![calibration]] {
        let is_calibrated = !calibrations.is_empty();
        let smallest = least_variance_over_exact(calibrations);
        println!("calibrated {is_calibrated}: least variance over the exact one: {smallest:.4}");
        assert!((0.999..1.5).contains(&smallest), "{is_calibrated}: {smallest}");
    }
}

fn least_variance_over_exact(calibrations: Vec<Calibration>) -> f64 {
    let settings =
        Settings { common_walk: 1e-9, common_sd: 10.0, instrument_sd: 10.0, ..Settings::default() };
    let (walk_e, walk_d) = (0.004, 0.003);
    let mut state = State::new();
    let mut week = Week { calibrations, ..small() };
    week.anchors.clear();
    state.advance(&week, &settings).expect("advances");
    let size = 4 + state.travellers.len();
    let exact = whole(&state, settings.traveller_sd).0.factor().expect("regular").inverse();
    // A bias stays within σ_b: it keeps ρ = √(1 − q/σ_b²) of itself. A calibrated one goes where it goes.
    let kept = (1.0 - (walk_d / settings.traveller_sd).powi(2)).sqrt();
    let is_known: Vec<bool> = state.travellers.iter().map(|traveller| traveller.known.is_some()).collect();
    let scale = |i: usize| if i < 4 || is_known[i - 4] { 1.0 } else { kept };
    let noise = |i: usize| match i {
        0 => 0.0,
        1..4 => walk_e * walk_e,
        _ => walk_d * walk_d,
    };
    let walked =
        Settings { instrument_walk: walk_e, traveller_walk: walk_d, calibrated_walk: walk_d, ..settings };
    state.walk(1.0, &walked).expect("regular");
    let found = whole(&state, settings.traveller_sd).0.factor().expect("regular").inverse();
    let mut seed = 1u32;
    let mut smallest = f64::INFINITY;
    for _ in 0..2_000 {
        let direction: Vec<f64> = (0..size)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                f64::from(seed) / f64::from(u32::MAX) - 0.5
            })
            .collect();
        // The level of all together is left to the prior, of variance 100, and would drown the rest.
        let level = direction[1..4].iter().sum::<f64>() + direction[4..].iter().sum::<f64>();
        let direction: Vec<f64> = direction
            .iter()
            .enumerate()
            .map(|(i, x)| if i == 0 { 0.0 } else { x - level / (size - 1) as f64 })
            .collect();
        let quadratic = |matrix: &dyn Fn(usize, usize) -> f64| {
            (0..size)
                .map(|i| (0..size).map(|j| direction[i] * direction[j] * matrix(i, j)).sum::<f64>())
                .sum::<f64>()
        };
        let exact =
            quadratic(&|i, j| scale(i) * scale(j) * exact.get(i, j) + if i == j { noise(i) } else { 0.0 });
        smallest = smallest.min(quadratic(&|i, j| found.get(i, j)) / exact);
    }
    smallest
}

/// Without travellers' memory and with anchors only, the filter is Kalman's: two anchors of one instrument, a week apart.
///
/// # Formula
/// `P = u²` (prior of 10 % beside), `P⁻ = P + q`, `P⁺ = 1/(1/P⁻ + 1/u²)`, mean by the same weights.
#[test]
fn with_anchors_alone_it_is_a_kalman_filter() {
    let settings =
        Settings { instrument_walk: 0.001, common_sd: 0.01, instrument_sd: 1e3, ..Settings::default() };
    let mut state = State::new();
    let mut week = Week { elapsed_weeks: 1.0, instruments: 1, ..Week::default() };
    let u = 0.000_75;
    let mut estimates = Vec::new();
    for log_error in [0.01, 0.012] {
        week.anchors = vec![Anchor { instrument: 0, log_error, standard_uncertainty: u }];
        estimates.push(state.advance(&week, &settings).expect("advances").estimates[0]);
    }
    let predicted = u * u + 1e-6;
    let variance = 1.0 / (1.0 / predicted + 1.0 / (u * u));
    let mean = variance * (0.01 / predicted + 0.012 / (u * u));
    assert!((estimates[0].log_error - 0.01).abs() < 1e-8);
    assert!((estimates[1].log_error / mean - 1.0).abs() < 1e-5, "{estimates:?} {mean}");
    assert!((estimates[1].standard_uncertainty / variance.sqrt() - 1.0).abs() < 1e-5);
}
