//! Tests of the break of a density.

use rand::{RngExt, SeedableRng};

use super::*;

fn values(counts: [usize; 4]) -> Vec<f64> {
    let middles = [0.625, 0.875, 1.125, 1.375];
    counts.into_iter().zip(middles).flat_map(|(count, middle)| vec![middle; count]).collect()
}

// By hand: b₂ = 10, b₁ = 30, a₁ = 4, a₂ = 4: D = (90 − 10 − 12 + 4)/2 = 36; mean 12, slope (3(4 − 10) + 4 − 30)/10 =
// −4.4: smooth counts 18.6, 14.2, 9.8, 5.4; variance (18.6 + 5.4)/4 + 9 (14.2 + 9.8)/4 = 60; z = 35.5/√60 =
// 4.583030…; tail by scipy.
#[test]
fn heaped_counts_are_a_drop() {
    let found = drop_at(&values([10, 30, 4, 4]), 1.0, 0.25).expect("enough");
    assert_eq!(found.counts, [10, 30, 4, 4]);
    assert!((found.z - 35.5 / 60.0f64.sqrt()).abs() < 1e-12, "{found:?}");
    assert!((found.p_value / 2.291_428_088_239_16e-6 - 1.0).abs() < 1e-12, "{found:?}");
}

#[test]
fn counts_on_a_line_are_no_drop() {
    let found = drop_at(&values([16, 12, 8, 4]), 1.0, 0.25).expect("enough");
    assert!((found.z).abs() < 1e-12 && (found.p_value - 0.5).abs() < 1e-12);
    assert!(drop_at(&values([4, 4, 30, 10]), 1.0, 0.25).expect("enough").p_value > 0.999);
}

#[test]
fn few_values_say_nothing() {
    assert_eq!(drop_at(&values([5, 14, 0, 0]), 1.0, 0.25), None);
    assert_eq!(drop_at(&values([50, 50, 50, 50]), 1.0, 0.0), None);
    assert_eq!(drop_at(&[f64::NAN; 50], 1.0, 0.25), None);
}

// Smooth densities on the slope and at the foot of a normal one: false alarms at 1 % are at most what four binomial
// deviations and a quarter more allow; by numpy, 400,000 samples each, the tails are off by a factor of 0.3 to 1.3
// down to 10⁻⁴.
#[test]
fn a_smooth_density_is_rarely_called_broken() {
    const SAMPLES: usize = 20_000;
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(9);
    for (middle, sd, count) in [(0.3, 0.5, 100), (0.5, 0.5, 60), (0.0, 1.0, 150)] {
        let mut alarms = 0;
        for _ in 0..SAMPLES {
            let mut draw = || middle + sd * normal::quantile(random.random::<f64>().max(1e-300));
            let values: Vec<f64> = (0..count).map(|_| draw()).collect();
            alarms += usize::from(drop_at(&values, 1.0, 0.25).is_some_and(|found| found.p_value <= 0.01));
        }
        let expected = 0.01 * SAMPLES as f64;
        assert!(alarms as f64 <= 1.25 * expected + 4.0 * expected.sqrt(), "{alarms} of {expected}");
    }
}
