#![allow(clippy::needless_range_loop, clippy::match_same_arms, clippy::print_stdout)]
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal, StudentT};

use super::solver::{Preconditioner, SHRUNK, conjugate_gradients, solve_at};
use super::*;
use crate::cholesky::Symmetric;

fn comparison(instrument: usize, traveller: usize, log_ratio: f64) -> Comparison<'static> {
    Comparison { instrument, traveller, log_ratio, size: 20.0, class: 0, covariates: &[] }
}

fn comparisons(given: &[Comparison<'_>]) -> Comparisons {
    let mut comparisons = Comparisons::default();
    given.iter().for_each(|comparison| comparisons.push(comparison));
    comparisons
}

fn of_model(model: Option<usize>) -> Traveller {
    Traveller { model, known: None }
}

fn small() -> Network {
    Network {
        instruments: 4,
        travellers: [Some(0), Some(1), None].map(of_model).to_vec(),
        models: 2,
        covariates: 0,
        comparisons: comparisons(&[
            comparison(0, 0, 0.011),
            comparison(1, 0, -0.004),
            comparison(1, 1, 0.002),
            comparison(2, 1, 0.031),
            comparison(0, 1, 0.008),
            comparison(2, 2, 0.024),
            comparison(0, 2, 0.013),
        ]),
        anchors: vec![Anchor { instrument: 0, error: 0.01, standard_uncertainty: 0.000_75 }],
        ..Network::default()
    }
}

/// A network of everything: covariates, classes, a traveller of unknown model and one of known bias, other information.
fn everything() -> Network {
    let mut network = small();
    network.covariates = 2;
    network.classes = 2;
    network.travellers.push(Traveller { model: Some(0), known: Some((0.004, 0.002)) });
    let mut information = Symmetric::zero(2);
    for (i, j, value) in [(0, 0, 3e4), (1, 1, 2e4), (1, 0, -1e4)] {
        information.add(i, j, value);
    }
    network.information.push(Information {
        instruments: vec![1, 2],
        matrix: information,
        right: vec![50.0, -20.0],
    });
    let rows = [
        (0, 0, 0.011, [0.3, -1.0], 0),
        (1, 0, -0.004, [1.2, 0.5], 1),
        (1, 1, 0.002, [-0.7, 0.0], 0),
        (2, 1, 0.031, [0.1, 0.9], 1),
        (0, 1, 0.008, [-1.1, 0.2], 0),
        (2, 2, 0.024, [0.0, -0.4], 0),
        (0, 2, 0.013, [0.6, 0.6], 1),
        (1, 3, -0.001, [0.2, 0.1], 0),
        (2, 3, 0.020, [-0.2, 0.3], 0),
    ];
    network.comparisons = Comparisons::default();
    for (instrument, traveller, log_ratio, covariates, class) in rows {
        network.comparisons.push(&Comparison {
            instrument,
            traveller,
            log_ratio,
            size: 20.0,
            class,
            covariates: &covariates,
        });
    }
    network
}

/// Every parameter in full (e0..e3, c, m0, m1, g0, g1, class, d0..d3), by Gauss elimination: solution and inverse.
fn without_elimination(network: &Network, weights: &[f64], settings: &Settings) -> (Vec<f64>, Vec<Vec<f64>>) {
    let n = 14;
    let mut a = vec![vec![0.0; 2 * n + 1]; n];
    let given = &network.comparisons;
    for s in 0..given.len() {
        let mut x = vec![0.0; n];
        let traveller = network.travellers[given.traveller[s] as usize];
        x[given.instrument[s] as usize] = 1.0;
        if traveller.known.is_none() {
            x[4] = -1.0;
            if let Some(k) = traveller.model {
                x[5 + k] = -1.0;
            }
        }
        x[7] = f64::from(given.covariates[2 * s]);
        x[8] = f64::from(given.covariates[2 * s + 1]);
        x[9] = f64::from(given.class[s]);
        x[10 + given.traveller[s] as usize] = -1.0;
        let y = given.log_ratio[s] + traveller.known.map_or(0.0, |(bias, _)| bias);
        for i in 0..n {
            for j in 0..n {
                a[i][j] += weights[s] * x[i] * x[j];
            }
            a[i][2 * n] += weights[s] * x[i] * y;
        }
    }
    let sd = |sd: f64| sd.powi(-2);
    let priors = [
        (3, 1.0),
        (4, sd(settings.common_sd)),
        (5, sd(settings.model_sd)),
        (6, sd(settings.model_sd)),
        (7, sd(settings.covariate_sd)),
        (8, sd(settings.covariate_sd)),
        (9, sd(settings.class_sd)),
        (10, sd(0.015)),
        (11, sd(0.015)),
        (12, 1.0 / (0.015 * 0.015 + settings.model_sd * settings.model_sd)),
        (13, sd(0.002)),
        // The anchor, and the information of instruments 1 and 2.
        (0, sd(0.000_75)),
        (1, 3e4),
        (2, 2e4),
    ];
    priors.iter().for_each(|(at, prior)| a[*at][*at] += prior);
    a[1][2] -= 1e4;
    a[2][1] -= 1e4;
    a[0][2 * n] += 0.01 * sd(0.000_75);
    a[1][2 * n] += 50.0;
    a[2][2 * n] -= 20.0;
    solved(a)
}

/// Solution and inverse of n equations, rows of n coefficients, n places and the right-hand side; Gauss–Jordan, without a look for pivots.
fn solved(mut a: Vec<Vec<f64>>) -> (Vec<f64>, Vec<Vec<f64>>) {
    let n = a.len();
    (0..n).for_each(|i| a[i][n + i] = 1.0);
    for k in 0..n {
        let pivot = a[k][k];
        a[k].iter_mut().for_each(|value| *value /= pivot);
        let row = a[k].clone();
        for (_, other) in a.iter_mut().enumerate().filter(|(i, _)| *i != k) {
            let factor = other[k];
            other.iter_mut().zip(&row).for_each(|(value, of_pivot)| *value -= factor * of_pivot);
        }
    }
    (a.iter().map(|row| row[2 * n]).collect(), a.iter().map(|row| row[n..2 * n].to_vec()).collect())
}

#[test]
fn elimination_changes_nothing_and_steps_come_to_the_same() {
    let (network, settings) = (everything(), Settings::default());
    let layout = Layout::of(&network).expect("fits");
    let members = Members::of(&network, &layout, &settings);
    let given: Vec<f64> = (0..network.comparisons.len()).map(|s| 1000.0 + 100.0 * s as f64).collect();
    let of_comparison: Vec<f64> = layout.caller.iter().map(|s| given[*s as usize]).collect();
    let of_cell = vec![1.0; layout.cells.len()];
    let weights =
        Weights { of_comparison: &of_comparison, of_cell: &of_cell, traveller_sd: 0.015, linked_sd: 0.01 };
    let equations = Equations::build(&network, &layout, &members, &settings, &weights);
    let places = [2, 0, 3, 1, 4];
    let factor = equations.matrix(&layout, &places).factor().expect("regular");
    let direct = solve_at(&factor, &places, &equations.right);
    let diagonal = Preconditioner::Diagonal(equations.diagonal(&layout));
    let times = |x: &[f64]| equations.times(&layout, x);
    let stepped = conjugate_gradients(
        times,
        |r: &[f64]| diagonal.solve(&places, r),
        &equations.right,
        &[0.0; 10],
        SHRUNK,
    )
    .expect("regular");
    let (expected, inverse) = without_elimination(&network, &given, &settings);
    for parameter in 0..10 {
        assert!((expected[parameter] - direct[parameter]).abs() < 1e-12, "{parameter}");
        assert!((expected[parameter] - stepped[parameter]).abs() < 1e-10, "{parameter}");
    }
    let (covariates, classes) = equations.shape.effects(&expected[..10]);
    assert_eq!((covariates, classes), (expected[7..9].to_vec(), vec![0.0, expected[9]]));
    let own: Vec<f64> = (0..4).map(|t| equations.own_bias(&layout, t, &direct)).collect();
    (0..4).for_each(|t| assert!((own[t] - expected[10 + t]).abs() < 1e-12, "{t}"));
    let covariance = Covariance::of(equations, layout, places.to_vec(), &members).expect("regular");
    for i in 0..3 {
        assert!((covariance.variance(i) / inverse[i][i] - 1.0).abs() < 1e-10, "{i}");
        let mut unit = vec![0.0; 4];
        unit[i] = 1.0;
        let column = covariance.times(&unit).expect("regular");
        (0..3).for_each(|j| assert!((column[j] - inverse[i][j]).abs() < 1e-15, "{i} {j}"));
    }
}

#[test]
fn an_instrument_never_compared_has_no_estimate_and_an_anchor_grounds_its_set_only() {
    let mut network = small();
    network.travellers.push(of_model(None));
    network.instruments = 6;
    network.comparisons.push(&comparison(4, 3, 0.05));
    network.comparisons.push(&comparison(5, 3, 0.01));
    let fit = fit(&network, &Settings::default()).expect("fits");
    let at = |instrument: usize| fit.instruments[instrument];
    assert_eq!(at(3).error, None);
    assert!(at(0).grounded && at(1).grounded && at(2).grounded);
    assert!(!at(4).grounded && !at(5).grounded);
    assert_eq!(at(4).component, at(5).component);
    assert_ne!(at(4).component, at(0).component);
    let (four, five) = (at(4).error.expect("compared"), at(5).error.expect("compared"));
    assert!((four.0 + five.0).abs() < 1e-12, "differences from the set's mean add up to nothing");
    assert!((four.0 - 0.02).abs() < 1e-3);
}

#[test]
fn without_an_anchor_the_level_of_the_data_does_not_show() {
    let mut network = small();
    network.anchors.clear();
    let plain = fit(&network, &Settings::default()).expect("fits");
    network.comparisons.log_ratio.iter_mut().for_each(|y| *y += 0.05);
    let shifted = fit(&network, &Settings::default()).expect("fits");
    for (plain, shifted) in plain.instruments.iter().zip(&shifted.instruments) {
        assert!(!plain.grounded);
        if let (Some(plain), Some(shifted)) = (plain.error, shifted.error) {
            assert!((plain.0 - shifted.0).abs() < 1e-5);
        }
    }
}

#[test]
fn an_anchor_alone_is_no_estimate() {
    let mut network = small();
    network.anchors.push(Anchor { instrument: 3, error: 0.0, standard_uncertainty: 0.000_75 });
    let fit = fit(&network, &Settings::default()).expect("fits");
    assert_eq!(fit.instruments[3].error, None);
}

#[test]
fn the_order_of_comparisons_and_anchors_does_not_show_in_one_bit() {
    let mut network = small();
    network.anchors.push(Anchor { instrument: 2, error: 0.02, standard_uncertainty: 0.001 });
    let plain = fit(&network, &Settings::default()).expect("fits");
    let given = &mut network.comparisons;
    given.instrument.reverse();
    given.traveller.reverse();
    given.log_ratio.reverse();
    network.anchors.reverse();
    let reversed = fit(&network, &Settings::default()).expect("fits");
    assert_eq!(plain.instruments, reversed.instruments);
    assert_eq!(plain.travellers, reversed.travellers);
    assert_eq!(
        plain.diagnostics,
        Diagnostics { anchors: plain.diagnostics.anchors.clone(), ..reversed.diagnostics }
    );
}

#[test]
fn one_comparison_is_a_network_too() {
    let mut network = Network { instruments: 1, travellers: vec![of_model(None)], ..Network::default() };
    network.comparisons.push(&comparison(0, 0, -0.005));
    let alone = fit(&network, &Settings::default()).expect("fits");
    assert_eq!(alone.instruments[0].error, None);
    network.anchors.push(Anchor { instrument: 0, error: 0.01, standard_uncertainty: 0.000_75 });
    let anchored = fit(&network, &Settings::default()).expect("fits");
    let (error, u) = anchored.instruments[0].error.expect("compared");
    assert!((error - 0.01).abs() < 0.000_1 && 0.000_7 < u && u < 0.000_75, "{error} {u}");
}

/// E_n of an anchor by its check, and by a fit that never had it.
fn left_out(network: &Network, check: &AnchorCheck) -> (f64, f64) {
    let mut without = network.clone();
    let Anchor { instrument, error, standard_uncertainty } = without.anchors.remove(check.anchor);
    let left = fit(&without, &Settings::default()).expect("fits").instruments[instrument];
    let (estimate, u) = left.error.expect("compared");
    (check.normalised_error, (error - estimate) / (2.0 * libm::hypot(u, standard_uncertainty)))
}

/// Of t₄ noise, where anchors say more than comparisons do and a step by robust weights would go seven tenths of the way.
#[test]
fn an_anchor_left_out_is_one_never_there() {
    let (mut along, mut square) = (0.0, 0.0);
    for seed in 0..8 {
        let network = scarce(25, 1_000, seed);
        for check in &fit(&network, &Settings::default()).expect("fits").diagnostics.anchors {
            let (told, expected) = left_out(&network, check);
            (along, square) = (along + expected * told, square + expected * expected);
        }
    }
    assert!((0.93..=1.03).contains(&(along / square)), "{}", along / square);
}

/// Off by 40 %: all comparisons with its instrument are outliers beside it, whose scores say next to nothing.
#[test]
fn an_anchor_that_is_wildly_wrong_is_seen() {
    for seed in 0..8 {
        let mut network = scarce(25, 1_000, seed);
        network.anchors[1].error += 0.4;
        let checks = fit(&network, &Settings::default()).expect("fits").diagnostics.anchors;
        let (told, expected) = left_out(&network, &checks[1]);
        // Scales of a fit that bears it are larger, and so are uncertainties.
        assert!((0.5..=1.25).contains(&(told / expected)) && expected > 10.0, "{told} {expected}");
    }
}

/// One that gives its set a level alone could be held against the prior of the fleet's bias only. By hand, with another of 0 ± 0.9 % and comparisons
/// without noise that say 0: without the anchor of 3 ± 0.7 % the level is what the other and the prior, 10 %, say together, so that
/// `E_n = 0.03 / (2 √(0.007² + 1/(0.009⁻² + 0.1⁻²)))`.
#[test]
fn an_anchor_is_held_against_measurements_and_not_against_a_prior_alone() {
    let given: Vec<Comparison<'_>> = (0..8).map(|n| comparison(n % 2, n / 2, 0.0)).collect();
    let mut network = Network {
        instruments: 2,
        travellers: vec![Traveller::default(); 4],
        comparisons: comparisons(&given),
        anchors: vec![Anchor { instrument: 0, error: 0.03, standard_uncertainty: 0.007 }],
        ..Network::default()
    };
    let small = Settings { noise: 1e-5, noise_size: 1e-6, interaction_sd: 1e-6, ..Settings::default() };
    let settings = Settings { traveller_sd: 1e-5, model_sd: 1e-5, ..small };
    let alone = fit(&network, &settings).expect("fits");
    assert!(!alone.instruments[0].grounded && alone.diagnostics.anchors.is_empty());
    network.anchors.push(Anchor { instrument: 1, error: 0.0, standard_uncertainty: 0.009 });
    let both = fit(&network, &settings).expect("fits");
    let other = 1.0 / (0.009_f64.powi(-2) + 0.1_f64.powi(-2));
    let expected = 0.03 / (2.0 * libm::hypot(0.007, other.sqrt()));
    let found = both.diagnostics.anchors[0].normalised_error;
    assert!((found / expected - 1.0).abs() < 1e-4, "{found} {expected}");
}

/// One instrument whose error is known to be 0 ± 0.1 %, one traveller calibrated to 0 ± 0.1 %, and comparisons without noise that say
/// they differ by 1 %: without the calibration the traveller would read −1 % ± 0.1 %.
#[test]
fn a_calibration_is_held_against_what_all_else_says_of_its_traveller() {
    let network = Network {
        instruments: 1,
        travellers: vec![Traveller { model: None, known: Some((0.0, 0.001)) }],
        comparisons: comparisons(&[comparison(0, 0, 0.01); 16]),
        anchors: vec![Anchor { instrument: 0, error: 0.0, standard_uncertainty: 0.001 }],
        ..Network::default()
    };
    let settings = Settings { noise: 1e-5, noise_size: 1e-6, interaction_sd: 1e-6, ..Settings::default() };
    let diagnostics = fit(&network, &settings).expect("fits").diagnostics;
    let expected = 0.01 / (2.0 * 2e-6_f64.sqrt());
    let [check] = diagnostics.calibrations[..] else { panic!("{diagnostics:?}") };
    assert_eq!(check.traveller, 0);
    let found = check.normalised_error.expect("an anchor speaks of it, too");
    assert!((found / expected - 1.0).abs() < 1e-3, "{check:?} {expected}");
    // Of the two the anchor is as far off, the other way round.
    assert!((diagnostics.anchors[0].normalised_error / -expected - 1.0).abs() < 1e-3, "{diagnostics:?}");
}

/// The estimate without a calibration from the one with it, against a fit in which it is known to 100 % only; with covariates, classes
/// and information.
#[test]
fn a_calibration_left_out_is_one_never_made() {
    let mut network = everything();
    // Enough comparisons for a level.
    for n in 0..40 {
        let covariates = [[0.1, -0.2], [-0.4, 0.3], [0.2, 0.5]][n % 3];
        let y = 0.013 + 0.01 * f64::from(u8::try_from(n % 5).expect("small")) - 0.02;
        network.comparisons.push(&Comparison {
            instrument: n % 3,
            traveller: 3,
            log_ratio: y,
            size: 20.0,
            class: 0,
            covariates: &covariates,
        });
    }
    let (bias, u) = network.travellers[3].known.expect("known");
    let check = fit(&network, &Settings::default()).expect("fits").diagnostics.calibrations[0];
    network.travellers[3].known = Some((bias, 1.0));
    let without = fit(&network, &Settings::default()).expect("fits");
    assert!(without.diagnostics.calibrations.is_empty(), "it gives no level");
    let (found, of_found) = without.travellers[3].expect("compared").bias;
    let expected = (bias - found) / (2.0 * libm::hypot(u, of_found));
    assert_eq!(check.traveller, 3);
    // The weights of the robust fit, and scales, move with the calibration, so only nearly equal.
    let told = check.normalised_error.expect("checked");
    assert!((told / expected - 1.0).abs() < 0.1, "{check:?} {expected}");
}

#[test]
fn malformed_input_is_named() {
    let mut network = small();
    network.comparisons.log_ratio[2] = f64::NAN;
    assert_eq!(fit(&network, &Settings::default()).err(), Some(ComparisonError::Malformed(2)));
    let mut network = small();
    network.comparisons.instrument[4] = 9;
    assert_eq!(fit(&network, &Settings::default()).err(), Some(ComparisonError::Malformed(4)));
}

/// What the noise of a simulated world is drawn from.
enum Noise {
    Normal,
    StudentT,
    Outliers,
}

/// Coverage and relative RMSE over many small worlds with known truth.
fn trial(noise: &Noise, visits: std::ops::Range<usize>, worlds: u64) -> (f64, f64) {
    let (instruments, travellers) = (25, 150);
    let (mut covered, mut count, mut square) = (0.0, 0.0, 0.0);
    for seed in 0..worlds {
        let mut rng = ChaCha8Rng::seed_from_u64(1000 + seed);
        let normal = |sd: f64| Normal::new(0.0, sd).expect("positive");
        let errors: Vec<f64> = (0..instruments).map(|_| normal(0.01).sample(&mut rng)).collect();
        let common = normal(0.01).sample(&mut rng);
        let models: Vec<f64> = (0..8).map(|_| normal(0.005).sample(&mut rng)).collect();
        let mut network = Network { instruments, models: 8, ..Network::default() };
        for traveller in 0..travellers {
            let model = rng.random_range(0..8);
            network.travellers.push(of_model(Some(model)));
            let bias = common + models[model] + normal(0.015).sample(&mut rng);
            for _ in 0..rng.random_range(visits.clone()) {
                let instrument = rng.random_range(0..instruments);
                let size: f64 = rng.random_range(3.0..40.0);
                let sd = (0.02f64.powi(2) + (0.15 / size).powi(2)).sqrt();
                let z = match noise {
                    Noise::Normal => normal(1.0).sample(&mut rng),
                    Noise::StudentT => StudentT::new(4.0).expect("positive").sample(&mut rng),
                    Noise::Outliers if rng.random_bool(0.05) => normal(8.0).sample(&mut rng),
                    Noise::Outliers => normal(1.0).sample(&mut rng),
                };
                let log_ratio = errors[instrument] - bias + sd * z;
                let comparison =
                    Comparison { instrument, traveller, log_ratio, size, class: 0, covariates: &[] };
                network.comparisons.push(&comparison);
            }
        }
        for instrument in 0..3 {
            let error = errors[instrument] + normal(0.000_75).sample(&mut rng);
            network.anchors.push(Anchor { instrument, error, standard_uncertainty: 0.000_75 });
        }
        let fit = fit(&network, &Settings::default()).expect("fits");
        for (instrument, truth) in errors.iter().enumerate().skip(3) {
            let estimate = fit.instruments[instrument];
            let Some((error, u)) = estimate.error.filter(|_| estimate.grounded) else { continue };
            covered += f64::from((error - truth).abs() <= crate::normal::QUANTILE_975 * u);
            square += ((error - truth) / u).powi(2);
            count += 1.0;
        }
    }
    (covered / count, (square / count).sqrt())
}

#[test]
fn stated_intervals_cover_the_truth_as_often_as_they_say() {
    for (name, noise, visits) in [
        ("normal", Noise::Normal, 1..20),
        ("t4", Noise::StudentT, 1..20),
        ("5 % outliers", Noise::Outliers, 1..20),
        ("one or two visits", Noise::StudentT, 1..3),
    ] {
        let (coverage, ratio) = trial(&noise, visits, 60);
        println!("{name}: coverage {coverage:.3}, error over stated uncertainty {ratio:.3}");
        assert!((0.93..=0.97).contains(&coverage), "{name}: {coverage}");
    }
}

/// A network of few comparisons a traveller: `instruments`, twice as many travellers, `comparisons` between them, t_4 noise, outliers.
fn scarce(instruments: usize, count: usize, seed: u64) -> Network {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (bias, error) =
        (Normal::new(0.0, 0.015).expect("a deviation"), Normal::new(0.0, 0.006).expect("a deviation"));
    let noise = StudentT::new(4.0).expect("degrees of freedom");
    let travellers = 2 * instruments;
    let errors: Vec<f64> = (0..instruments).map(|_| error.sample(&mut rng)).collect();
    let biases: Vec<f64> = (0..travellers).map(|_| bias.sample(&mut rng)).collect();
    let mut given = Comparisons::default();
    for _ in 0..count {
        let (i, t) = (rng.random_range(0..instruments), rng.random_range(0..travellers));
        let outlier = if rng.random_range(0..30) == 0 { 0.04 } else { 0.0 };
        let sampled: f64 = noise.sample(&mut rng);
        given.push(&comparison(i, t, errors[i] - biases[t] + 0.02 * sampled + outlier));
    }
    Network {
        instruments,
        travellers: vec![of_model(None); travellers],
        comparisons: given,
        anchors: (0..instruments / 10)
            .map(|at| Anchor { instrument: 10 * at, error: errors[10 * at], standard_uncertainty: 0.000_75 })
            .collect(),
        ..Network::default()
    }
}

// A network's first days: one to three comparisons an instrument. Without strides of their own for weights, one in twelve swings or creeps on.
#[test]
fn scarce_networks_settle_where_every_weight_stands_still() {
    let settings = Settings::default();
    for (instruments, count) in [(20, 20), (20, 30), (60, 60), (200, 300), (60, 180)] {
        for seed in 0..24 {
            let fit = fit(&scarce(instruments, count, seed), &settings).expect("fits");
            let said = (instruments, count, seed, fit.diagnostics.rounds, fit.diagnostics.moved);
            assert!(fit.diagnostics.converged, "{said:?}");
        }
    }
}

mod fleets;
mod linked;
