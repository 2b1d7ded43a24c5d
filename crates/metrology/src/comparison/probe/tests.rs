#![allow(clippy::print_stdout)]
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Normal};

use super::super::{Anchor, Comparison, Comparisons, Network, Settings, Traveller, fit};
use super::*;

/// Instruments with a level, four cities of forty, and of a set without; each traveller mostly, or only, keeps to its city.
const CITIES: usize = 4;
const IN_CITY: usize = 40;
const WITH_LEVEL: usize = CITIES * IN_CITY;
const WITHOUT_LEVEL: usize = 80;

fn network(visits_elsewhere: f64) -> Network {
    let mut random = ChaCha8Rng::seed_from_u64(17);
    let noise = Normal::new(0.0, 0.02).expect("positive");
    let mut comparisons = Comparisons::default();
    let travellers = 1_500;
    for traveller in 0..travellers {
        let is_apart = traveller % 3 == 2;
        for _ in 0..10 {
            let is_elsewhere = random.random_bool(visits_elsewhere);
            let city = if is_elsewhere { random.random_range(0..CITIES) } else { traveller % CITIES };
            let instrument = if is_apart {
                WITH_LEVEL + random.random_range(0..WITHOUT_LEVEL)
            } else {
                city * IN_CITY + random.random_range(0..IN_CITY)
            };
            let log_ratio = noise.sample(&mut random);
            let size = random.random_range(5.0..40.0);
            let comparison = Comparison { instrument, traveller, log_ratio, size, class: 0, covariates: &[] };
            comparisons.push(&comparison);
        }
    }
    Network {
        instruments: WITH_LEVEL + WITHOUT_LEVEL,
        travellers: (0..travellers).map(|t| Traveller { model: Some(t % 7), known: None }).collect(),
        models: 7,
        comparisons,
        anchors: (0..8)
            .map(|at| Anchor { instrument: 20 * at, error: 0.0, standard_uncertainty: 0.000_75 })
            .collect(),
        ..Network::default()
    }
}

// Expected are the exact variances, by a factor of the same equations. 64 probes leave √(1/64) = 13 % of what a row has off the
// diagonal in the projected covariance.
#[test]
fn probed_variances_are_the_exact_ones_within_what_probing_leaves() {
    check(0.05, &[true, false]);
}

// The same of four sets with a level, each with a fleet of its own.
#[test]
fn probed_variances_of_several_fleets_are_the_exact_ones() {
    check(0.0, &[true, true, true, true, false]);
}

fn check(visits_elsewhere: f64, grounded: &[bool]) {
    let (network, settings) = (network(visits_elsewhere), Settings::default());
    let covariance = fit(&network, &settings).expect("solvable").covariance;
    let (equations, layout, _) = covariance.parts();
    let members = Members::of(&network, layout, &settings);
    assert_eq!(members.sets().iter().map(|set| set.grounded).collect::<Vec<_>>(), grounded);
    let probed = variances(equations, layout, &members).expect("solvable");
    for (name, range) in [("with a level", 0..WITH_LEVEL), ("without", WITH_LEVEL..network.instruments)] {
        let ratios: Vec<f64> = range.map(|at| probed[at] / covariance.variance(at)).collect();
        let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
        let rms =
            (ratios.iter().map(|ratio| (ratio - 1.0).powi(2)).sum::<f64>() / ratios.len() as f64).sqrt();
        let worst = ratios.iter().map(|ratio| (ratio - 1.0).abs()).fold(0.0, f64::max);
        println!("{name}: mean ratio {mean:.4}, rms {rms:.4}, worst {worst:.4}");
        assert!((mean - 1.0).abs() < 0.02 && rms < 0.05 && worst < 0.15, "{name}: {mean} {rms} {worst}");
    }
}
