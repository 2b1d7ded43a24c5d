//! Fleets with a common bias each: that one alone is what it was when there was one for all, and that several do not pull on each other.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StudentT};

use super::super::solver::{Preconditioner, SHRUNK, conjugate_gradients, solve_at};
use super::super::*;
use super::solved;
use crate::cholesky::Symmetric;

/// About normal, by additions alone: no last bit depends on a machine's logarithm.
pub(super) fn normal(rng: &mut ChaCha8Rng, sd: f64) -> f64 {
    sd * (0..12).map(|_| rng.random_range(-0.5..0.5)).sum::<f64>()
}

/// FNV-1a of all that a fit estimates.
fn digest(fit: &Fit) -> u64 {
    let pair = |pair: (f64, f64)| [pair.0, pair.1];
    let instruments = fit.instruments.iter().filter_map(|found| found.error.map(pair)).flatten();
    let travellers = fit.travellers.iter().flatten().flat_map(|found| pair(found.bias));
    let residuals = fit.residuals.iter().flat_map(|left| [left.standardised, left.scale]);
    let effects = fit.covariates.iter().chain(&fit.classes).copied();
    let all = instruments.chain(travellers).chain(residuals).chain(effects);
    let bytes = all.flat_map(|value| value.to_bits().to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// One connected set of everything: models, known and unknown, covariates, classes, a reference, a balance, and an instrument beside it
/// of which nothing is known.
fn one(instruments: usize, is_anchored: bool) -> Network {
    let mut rng = ChaCha8Rng::seed_from_u64(instruments as u64);
    let errors: Vec<f64> = (0..instruments).map(|_| normal(&mut rng, 0.006)).collect();
    let travellers = 2 * instruments;
    let mut network =
        Network { instruments: instruments + 1, models: 3, covariates: 2, classes: 2, ..Network::default() };
    for t in 0..travellers {
        let bias = 0.008 + normal(&mut rng, 0.015);
        network.travellers.push(Traveller { model: [Some(0), Some(1), Some(2), None][t % 4], known: None });
        for visit in 0..8 {
            // Not in the order of instruments, and each traveller also at its neighbours'.
            let instrument = (7 * t + visit * visit) % instruments;
            let covariates = [normal(&mut rng, 1.0) as f32, normal(&mut rng, 1.0) as f32];
            let class = u8::from((t + visit) % 3 == 0);
            let size = rng.random_range(5.0..40.0);
            let slope = 0.003 * f64::from(covariates[0]) + 0.004 * f64::from(class);
            let log_ratio = errors[instrument] - bias + slope + normal(&mut rng, 0.02);
            network.comparisons.push(&Comparison {
                instrument,
                traveller: t,
                log_ratio,
                size,
                class,
                covariates: &covariates,
            });
        }
    }
    if is_anchored {
        network.travellers[3].known = Some((0.01, 0.001));
        let anchor =
            |instrument: usize, u| Anchor { instrument, error: errors[instrument], standard_uncertainty: u };
        network.anchors = vec![anchor(0, 0.000_75), anchor(5, 0.007), anchor(instruments / 2, 0.001)];
        let mut matrix = Symmetric::zero(2);
        [(0, 0, 3e4), (1, 1, 2e4), (1, 0, -1e4)].iter().for_each(|(i, j, value)| matrix.add(*i, *j, *value));
        network.information = vec![Information { instruments: vec![2, 9], matrix, right: vec![50.0, -20.0] }];
    }
    network
}

/// The digests are those of the estimator that had one common bias for all: directly, and step by step beyond a thousand unknowns.
#[test]
fn one_connected_set_is_fitted_to_the_bits_that_it_was_with_one_bias_for_all() {
    for (instruments, is_anchored, expected) in [
        (40, true, 0xaef2_fa58_9422_f4f9_u64),
        (40, false, 0x2e7c_779a_9158_c8ea),
        (1_010, true, 0x04fc_889b_bafc_8f98),
        (1_010, false, 0x75bc_2405_ffb5_5e82),
    ] {
        // Then σ_c was 1 %, and a fleet had no communities.
        let settings = Settings { common_sd: 0.01, linked_sd: 0.0, ..Settings::default() };
        let found = fit(&one(instruments, is_anchored), &settings).expect("fits");
        let sets: std::collections::BTreeSet<usize> =
            found.instruments[..instruments].iter().map(|found| found.component).collect();
        assert_eq!(sets.len(), 1);
        assert_eq!(digest(&found), expected, "{instruments} {is_anchored}");
    }
}

/// Fleets by hand, of [`apart`]: of each traveller that has one.
const FLEETS: [Option<usize>; 11] =
    [Some(0), Some(0), Some(1), Some(1), Some(2), Some(3), Some(4), Some(5), Some(6), Some(7), None];
const INSTRUMENTS: usize = 14;

/// A set with a level and one with a weak anchor, two of which nothing but comparisons is known, two fleets that a balance joins, two that
/// a reference joins, and an instrument that nobody met.
fn apart() -> Network {
    let traveller = |t: usize| Traveller { model: [Some(0), Some(1), None][t % 3], known: None };
    let mut network = Network {
        instruments: INSTRUMENTS,
        travellers: (0..11).map(traveller).collect(),
        models: 2,
        covariates: 1,
        ..Network::default()
    };
    network.travellers[10] = Traveller { model: Some(0), known: Some((0.004, 0.002)) };
    let met: [(usize, &[usize]); 11] = [
        (0, &[0, 1, 2]),
        (1, &[1, 2]),
        (2, &[3, 4]),
        (3, &[3, 4, 4]),
        (4, &[5, 6]),
        (5, &[7, 8, 8]),
        (6, &[9, 9]),
        (7, &[10]),
        (8, &[11]),
        (9, &[12, 12]),
        (10, &[11, 12]),
    ];
    for (n, (traveller, instrument)) in
        met.iter().flat_map(|(traveller, at)| at.iter().map(move |at| (*traveller, *at))).enumerate()
    {
        let wave = |step: usize| ((n * step) % 13) as f64 / 13.0 - 0.5;
        network.comparisons.push(&Comparison {
            instrument,
            traveller,
            log_ratio: 0.04 * wave(5),
            size: 20.0,
            class: 0,
            covariates: &[wave(7) as f32],
        });
    }
    let anchor = |instrument, error, standard_uncertainty| Anchor { instrument, error, standard_uncertainty };
    network.anchors = vec![anchor(0, 0.01, 0.000_75), anchor(4, -0.008, 0.007)];
    let mut matrix = Symmetric::zero(2);
    [(0, 0, 6e4), (1, 1, 5e4), (1, 0, -1e4)].iter().for_each(|(i, j, value)| matrix.add(*i, *j, *value));
    network.information = vec![Information { instruments: vec![9, 10], matrix, right: vec![50.0, -20.0] }];
    network
}

/// Every parameter of [`apart`] in full, a common bias for each fleet by hand, by Gauss elimination: e, c, m, g, d; solution and inverse.
fn in_full(network: &Network, weights: &[f64], settings: &Settings) -> (Vec<f64>, Vec<Vec<f64>>) {
    let (c, m, g, d) = (INSTRUMENTS, INSTRUMENTS + 8, INSTRUMENTS + 10, INSTRUMENTS + 11);
    let n = d + 11;
    let mut a = vec![vec![0.0; 2 * n + 1]; n];
    let given = &network.comparisons;
    for s in 0..given.len() {
        let t = given.traveller[s] as usize;
        let mut x = vec![0.0; n];
        (x[given.instrument[s] as usize], x[g], x[d + t]) = (1.0, f64::from(given.covariates[s]), -1.0);
        FLEETS[t].iter().for_each(|fleet| x[c + fleet] = -1.0);
        let model = network.travellers[t].model.filter(|_| FLEETS[t].is_some());
        model.iter().for_each(|model| x[m + model] = -1.0);
        let y = given.log_ratio[s] + network.travellers[t].known.map_or(0.0, |(bias, _)| bias);
        for i in 0..n {
            (0..n).for_each(|j| a[i][j] += weights[s] * x[i] * x[j]);
            a[i][2 * n] += weights[s] * x[i] * y;
        }
    }
    let sd = |sd: f64| sd.powi(-2);
    a[INSTRUMENTS - 1][INSTRUMENTS - 1] = 1.0;
    (c..m).for_each(|at| a[at][at] += sd(settings.common_sd));
    (m..g).for_each(|at| a[at][at] += sd(settings.model_sd));
    a[g][g] += sd(settings.covariate_sd);
    for (t, traveller) in network.travellers.iter().enumerate() {
        a[d + t][d + t] += match (traveller.known, traveller.model) {
            (Some((_, u)), _) => sd(u),
            (None, Some(_)) => sd(0.015),
            (None, None) => 1.0 / (0.015 * 0.015 + settings.model_sd * settings.model_sd),
        };
    }
    for anchor in &network.anchors {
        a[anchor.instrument][anchor.instrument] += sd(anchor.standard_uncertainty);
        a[anchor.instrument][2 * n] += anchor.error * sd(anchor.standard_uncertainty);
    }
    for (i, j, value) in
        [(9, 9, 6e4), (10, 10, 5e4), (9, 10, -1e4), (10, 9, -1e4), (9, 2 * n, 50.0), (10, 2 * n, -20.0)]
    {
        a[i][j] += value;
    }
    solved(a)
}

/// That fleets of which nothing but comparisons is known share one bias shows nowhere: here each has its own.
#[test]
fn every_fleet_has_a_bias_of_its_own_and_what_nothing_is_told_of_loses_nothing_by_sharing() {
    let (network, settings) = (apart(), Settings::default());
    let layout = Layout::of(&network).expect("fits");
    let members = Members::of(&network, &layout, &settings);
    // By instrument of first comparison: with a level, weak anchor, on the balance's two sides, on the reference's two sides.
    assert_eq!(members.fleets.sets, [0, 1, 4, 4, 5, 5]);
    assert!(members.fleets.are_others);
    let given: Vec<f64> = (0..network.comparisons.len()).map(|s| 1000.0 + 100.0 * s as f64).collect();
    let of_comparison: Vec<f64> = layout.caller.iter().map(|s| given[*s as usize]).collect();
    let of_cell = vec![1.0; layout.cells.len()];
    let weights =
        Weights { of_comparison: &of_comparison, of_cell: &of_cell, traveller_sd: 0.015, linked_sd: 0.01 };
    let build = || Equations::build(&network, &layout, &members, &settings, &weights);
    let (equations, places) = (build(), places_of(&members));
    assert_eq!(places[..4], [0, 1, 2, 4], "a fleet stands behind its set");
    assert_eq!(places[INSTRUMENTS..INSTRUMENTS + 2], [3, 6]);
    let factor = equations.matrix(&layout, &places).factor().expect("regular");
    let direct = solve_at(&factor, &places, &equations.right);
    let diagonal = Preconditioner::Diagonal(equations.diagonal(&layout));
    let times = |x: &[f64]| equations.times(&layout, x);
    let stepped = conjugate_gradients(
        times,
        |r: &[f64]| diagonal.solve(&places, r),
        &equations.right,
        &vec![0.0; direct.len()],
        SHRUNK,
    );
    let stepped = stepped.expect("regular");
    let (expected, inverse) = in_full(&network, &given, &settings);
    for at in 0..INSTRUMENTS {
        assert!((expected[at] - direct[at]).abs() < 1e-12, "{at}: {} {}", expected[at], direct[at]);
    }
    let (models, behind) = (equations.shape.inner + 1, INSTRUMENTS + 8);
    for at in 0..3 {
        assert!((expected[behind + at] - direct[models + at]).abs() < 1e-12, "models and covariate {at}");
    }
    direct.iter().zip(&stepped).for_each(|(direct, stepped)| assert!((direct - stepped).abs() < 1e-10));
    let covariance = Covariance::of(build(), Layout::of(&network).expect("fits"), places, &members);
    let covariance = covariance.expect("regular");
    // Where a set has no level what is known are differences from the mean of its two.
    for at in 0..INSTRUMENTS - 1 {
        let (variance, other) = (inverse[at][at], [0, 0, 0, 4, 3, 6, 5, 8, 7, 0, 0, 12, 11][at]);
        let difference = (variance + inverse[other][other] - 2.0 * inverse[at][other]) / 4.0;
        let expected = if other == 0 { variance } else { difference };
        assert!((covariance.variance(at) / expected - 1.0).abs() < 1e-9, "{at}");
        assert!((covariance.own_variance(at).expect("a factor") / variance - 1.0).abs() < 1e-9, "{at}");
    }
    let travellers = travellers::estimates(&network, &members, &equations, &direct, &covariance);
    for (t, found) in travellers.iter().enumerate() {
        let (bias, u) = found.expect("compared").bias;
        let fleet = FLEETS[t].map(|fleet| INSTRUMENTS + fleet);
        let model =
            network.travellers[t].model.filter(|_| fleet.is_some()).map(|model| INSTRUMENTS + 8 + model);
        let parts: Vec<usize> = fleet.into_iter().chain(model).chain([INSTRUMENTS + 11 + t]).collect();
        let of_known = network.travellers[t].known.map_or(0.0, |(bias, _)| bias);
        let whole = parts.iter().map(|part| expected[*part]).sum::<f64>() + of_known;
        let variance: f64 = parts.iter().flat_map(|i| parts.iter().map(|j| inverse[*i][*j])).sum();
        assert!((bias - whole).abs() < 1e-12 && (u / variance.sqrt() - 1.0).abs() < 1e-9, "{t}");
    }
}

/// Cities of the same fleets but for what all of a city's vehicles are off by; no model is known.
fn cities(commons: &[f64]) -> Network {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut network = Network { instruments: 10 * commons.len(), ..Network::default() };
    for (city, common) in commons.iter().enumerate() {
        for _ in 0..60 {
            let bias = common + normal(&mut rng, 0.015);
            for _ in 0..8 {
                let instrument = 10 * city + rng.random_range(0..10);
                network.comparisons.push(&Comparison {
                    instrument,
                    traveller: network.travellers.len(),
                    log_ratio: normal(&mut rng, 0.02) - bias,
                    size: 20.0,
                    class: 0,
                    covariates: &[],
                });
            }
            network.travellers.push(Traveller::default());
        }
    }
    network
}

/// The first two cities have an anchor each, the last two none.
#[test]
fn what_is_measured_in_one_set_says_nothing_of_another_fleet() {
    let estimates = |commons: &[f64]| {
        let mut network = cities(commons);
        let anchor = |instrument| Anchor { instrument, error: 0.0, standard_uncertainty: 0.001 };
        network.anchors = [0, 10].map(anchor).to_vec();
        fit(&network, &Settings::default()).expect("fits")
    };
    let (alike, moved) = (estimates(&[0.0; 4]), estimates(&[0.0, 0.02, 0.0, -0.05]));
    for (at, (alike, moved)) in alike.instruments.iter().zip(&moved.instruments).enumerate() {
        let (alike, moved) = (alike.error.expect("compared"), moved.error.expect("compared"));
        // The second city's level is held to 0.4 % by its anchor's comparisons, against the prior of 1 %: but for a tenth of what its fleet moved by.
        // Of the others only scales that all share move, by what the moved fleet's vehicles seem to differ by.
        let room = if (10..20).contains(&at) { 0.003 } else { 0.002 * alike.1 };
        assert!(
            (alike.0 - moved.0).abs() < room && (moved.1 / alike.1 - 1.0).abs() < 0.002,
            "{at}: {alike:?} {moved:?}"
        );
    }
    let level = |fit: &Fit, city: usize| {
        fit.travellers[60 * city..60 * (city + 1)].iter().flatten().map(|found| found.bias.0).sum::<f64>()
            / 60.0
    };
    let told = |city: usize| level(&moved, city) - level(&alike, city);
    assert!(told(0).abs() < 0.000_01 && (told(1) - 0.02).abs() < 0.003, "{} {}", told(0), told(1));
    assert!(told(2).abs() < 0.000_01 && told(3).abs() < 0.000_01, "no level, and none from elsewhere");
}

/// Six cities whose fleets share models and no vehicle, and whose vehicles' own meters differ in the mean by 1.1 %; two anchors each.
#[test]
fn cities_whose_fleets_differ_do_not_pull_on_each_other() {
    let t4 = StudentT::new(4.0).expect("degrees of freedom");
    let (mut covered, mut count, mut checks) = (0.0, 0.0, Vec::new());
    for seed in 0..40 {
        let mut rng = ChaCha8Rng::seed_from_u64(500 + seed);
        let models: Vec<f64> = (0..8).map(|_| normal(&mut rng, 0.005)).collect();
        let errors: Vec<f64> = (0..60).map(|_| normal(&mut rng, 0.01)).collect();
        let mut network = Network { instruments: 60, models: 8, ..Network::default() };
        for city in 0..6 {
            let common = normal(&mut rng, 0.011);
            for _ in 0..60 {
                let model = rng.random_range(0..8);
                let bias = common + models[model] + normal(&mut rng, 0.015);
                for _ in 0..rng.random_range(1..20) {
                    let instrument = 10 * city + rng.random_range(0..10);
                    let size: f64 = rng.random_range(3.0..40.0);
                    let z: f64 = t4.sample(&mut rng);
                    let log_ratio = errors[instrument] - bias + 0.02_f64.hypot(0.15 / size) * z;
                    let traveller = network.travellers.len();
                    let comparison =
                        Comparison { instrument, traveller, log_ratio, size, class: 0, covariates: &[] };
                    network.comparisons.push(&comparison);
                }
                network.travellers.push(super::of_model(Some(model)));
            }
            for instrument in [10 * city, 10 * city + 1] {
                let error = errors[instrument] + normal(&mut rng, 0.000_75);
                network.anchors.push(Anchor { instrument, error, standard_uncertainty: 0.000_75 });
            }
        }
        let fit = fit(&network, &Settings::default()).expect("fits");
        checks.extend(fit.diagnostics.anchors.iter().map(|check| check.normalised_error));
        for (instrument, truth) in errors.iter().enumerate().filter(|(at, _)| 1 < at % 10) {
            let (error, u) = fit.instruments[instrument].error.expect("compared");
            assert!(fit.instruments[instrument].grounded);
            covered += f64::from((error - truth).abs() <= crate::normal::QUANTILE_975 * u);
            count += 1.0;
        }
    }
    let (coverage, all) = (covered / count, checks.len() as f64);
    let variance = checks.iter().map(|error| error * error).sum::<f64>() / all;
    let beyond = |limit: f64| checks.iter().filter(|error| limit < error.abs()).count() as f64 / all;
    println!(
        "coverage {coverage:.3}, E_n: variance {variance:.3}, beyond 1 {:.3}, 1.5 {:.4}",
        beyond(1.0),
        beyond(1.5)
    );
    assert!((0.93..=0.97).contains(&coverage), "{coverage}");
    assert!((0.15..=0.35).contains(&variance), "{variance}");
    // By chance 4.6 and 0.27 %.
    assert!(beyond(1.0) <= 0.08 && beyond(1.5) <= 0.01, "{} {}", beyond(1.0), beyond(1.5));
}
