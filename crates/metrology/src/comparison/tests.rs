#![allow(clippy::needless_range_loop, clippy::match_same_arms, clippy::print_stdout)]
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal, StudentT};

use super::*;

fn comparison(instrument: usize, traveller: usize, log_ratio: f64) -> Comparison {
    Comparison { instrument, traveller, log_ratio, size: 20.0, covariates: vec![] }
}

fn small() -> Network {
    Network {
        instruments: 4,
        traveller_models: vec![Some(0), Some(1), None],
        models: 2,
        covariates: 0,
        comparisons: vec![
            comparison(0, 0, 0.011),
            comparison(1, 0, -0.004),
            comparison(1, 1, 0.002),
            comparison(2, 1, 0.031),
            comparison(0, 1, 0.008),
            comparison(2, 2, 0.024),
            comparison(0, 2, 0.013),
        ],
        anchors: vec![Anchor { instrument: 0, error: 0.01, standard_uncertainty: 0.000_75 }],
    }
}

/// The same least-squares problem without elimination: every traveller is a parameter, solved by Gauss elimination.
#[test]
fn elimination_changes_nothing() {
    let network = small();
    let settings = Settings::default();
    let weights: Vec<f64> = (0..network.comparisons.len()).map(|s| 1000.0 + 100.0 * s as f64).collect();
    let members = Members::of(&network);
    let equations = NormalEquations::build(&network, &members, &settings, 0.015, &weights);
    let solution = equations.solve().expect("regular");
    // Parameters: e0 e1 e2 e3, c, m0, m1, d0 d1 d2.
    let n = 10;
    let mut a = vec![vec![0.0; n + 1]; n];
    for (comparison, w) in network.comparisons.iter().zip(&weights) {
        let mut x = vec![0.0; n];
        x[comparison.instrument] = 1.0;
        x[4] = -1.0;
        if let Some(k) = network.traveller_models[comparison.traveller] {
            x[5 + k] = -1.0;
        }
        x[7 + comparison.traveller] = -1.0;
        for i in 0..n {
            for j in 0..n {
                a[i][j] += w * x[i] * x[j];
            }
            a[i][n] += w * x[i] * comparison.log_ratio;
        }
    }
    let tau = |known| 1.0 / (0.015f64.powi(2) + if known { 0.0 } else { settings.model_sd.powi(2) });
    for (at, prior) in
        [(3, 1.0), (4, 1e4), (5, 4e4), (6, 4e4), (7, tau(true)), (8, tau(true)), (9, tau(false))]
    {
        a[at][at] += prior;
    }
    a[0][0] += 0.000_75f64.powi(-2);
    a[0][n] += 0.01 * 0.000_75f64.powi(-2);
    for k in 0..n {
        let pivot = a[k][k];
        for value in &mut a[k] {
            *value /= pivot;
        }
        for i in (0..n).filter(|i| *i != k) {
            let factor = a[i][k];
            for j in 0..=n {
                let change = factor * a[k][j];
                a[i][j] -= change;
            }
        }
    }
    for parameter in 0..7 {
        assert!((a[parameter][n] - solution.estimates[parameter]).abs() < 1e-12, "{parameter}");
    }
}

#[test]
fn an_instrument_never_compared_has_no_estimate_and_an_anchor_grounds_its_set_only() {
    let mut network = small();
    network.traveller_models.push(None);
    network.instruments = 6;
    network.comparisons.push(comparison(4, 3, 0.05));
    network.comparisons.push(comparison(5, 3, 0.01));
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
    for comparison in &mut network.comparisons {
        comparison.log_ratio += 0.05;
    }
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
    network.comparisons.reverse();
    network.anchors.reverse();
    let reversed = fit(&network, &Settings::default()).expect("fits");
    assert_eq!(plain.instruments, reversed.instruments);
    assert_eq!(plain.travellers, reversed.travellers);
    assert_eq!(plain.diagnostics.noise.to_bits(), reversed.diagnostics.noise.to_bits());
}

#[test]
fn one_comparison_is_a_network_too() {
    let mut network = Network { instruments: 1, traveller_models: vec![None], ..Network::default() };
    network.comparisons.push(comparison(0, 0, -0.005));
    let alone = fit(&network, &Settings::default()).expect("fits");
    assert_eq!(alone.instruments[0].error, None);
    network.anchors.push(Anchor { instrument: 0, error: 0.01, standard_uncertainty: 0.000_75 });
    let anchored = fit(&network, &Settings::default()).expect("fits");
    let (error, u) = anchored.instruments[0].error.expect("compared");
    assert!((error - 0.01).abs() < 0.000_1 && 0.000_7 < u && u < 0.000_75, "{error} {u}");
}

/// The estimate without an anchor from the one with it, against a fit that never had it.
#[test]
fn an_anchor_left_out_is_one_never_there() {
    let mut network = small();
    let without = fit(&network, &Settings::default()).expect("fits").instruments[2].error.expect("compared");
    network.anchors.push(Anchor { instrument: 2, error: 0.035, standard_uncertainty: 0.001 });
    let check = fit(&network, &Settings::default()).expect("fits").diagnostics.anchors[1];
    let expected = (0.035 - without.0) / (2.0 * (without.1 * without.1 + 1e-6).sqrt());
    assert_eq!(check.anchor, 1);
    // The weights of the robust fit move with the anchor, so only nearly equal.
    assert!((check.normalised_error / expected - 1.0).abs() < 0.1, "{check:?} {expected}");
}

#[test]
fn malformed_input_is_named() {
    let mut network = small();
    network.comparisons[2].log_ratio = f64::NAN;
    assert_eq!(fit(&network, &Settings::default()).err(), Some(ComparisonError::Malformed(2)));
    let mut network = small();
    network.comparisons[4].instrument = 9;
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
            network.traveller_models.push(Some(model));
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
                network.comparisons.push(Comparison {
                    instrument,
                    traveller,
                    log_ratio,
                    size,
                    covariates: vec![],
                });
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
