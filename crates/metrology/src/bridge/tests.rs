//! Tests of wandering scores.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

fn relative(found: f64, expected: f64, tolerance: f64) {
    assert!((found / expected - 1.0).abs() < tolerance, "{found} is not {expected}");
}

// mpmath at 40 digits, 60 terms.
#[test]
fn probabilities_of_both_series() {
    for (lambda, expected) in [
        (0.3, 0.999_990_694_198_665),
        (0.5, 0.963_945_243_664_875),
        (1.0, 0.269_999_671_677_355),
        (1.36, 0.049_485_876_755_377_9),
        (2.5, 7.453_306_344_157_34e-6),
        (4.0, 2.532_833_109_818_84e-14),
    ] {
        relative(excursion_above(lambda), expected, 1e-12);
    }
    for (lambda, expected) in [
        (0.4, 0.999_999_999_984_423),
        (0.7, 0.996_949_963_625_446),
        (1.0, 0.822_076_644_356_929),
        (1.747, 0.050_074_681_853_745_3),
        (2.0, 0.010_063_878_838_671),
        (3.5, 2.198_145_451_819_73e-9),
    ] {
        relative(range_above(lambda), expected, 1e-12);
    }
    assert_eq!((excursion_above(0.0), range_above(-1.0)), (1.0, 1.0));
    assert!(excursion_above(f64::NAN).is_nan());
}

// By hand: scores 1, 1, −1, −1: mean 0, variance 4/3, partial sums 1, 2, 1, 0; unit √(16/3).
#[test]
fn excursion_and_range_of_a_short_walk() {
    let found = wandering(&[1.0, 1.0, -1.0, -1.0], &[1.0, 2.0, 3.0, 4.0]).expect("varies");
    relative(found.excursion, 2.0 / (16.0f64 / 3.0).sqrt() + 0.5 * OVERSHOOT, 1e-14);
    relative(found.range, 2.0 / (16.0f64 / 3.0).sqrt() + OVERSHOOT, 1e-14);
    assert_eq!((found.turn, found.stretch), (2, (0, 2)));
}

// By hand: with one key for the first two and one for the last two the sums seen are 0, −2/2… of 1, −1, 1, −1: all zero.
#[test]
fn the_order_within_a_key_means_nothing() {
    let tied = wandering(&[1.0, -1.0, 1.0, -1.0], &[1.0, 1.0, 2.0, 2.0]).expect("varies");
    assert!((tied.range - OVERSHOOT).abs() < 1e-15 && (tied.excursion - 0.5 * OVERSHOOT).abs() < 1e-15);
    assert_eq!(wandering(&[1.0, 1.0], &[1.0, 2.0]), None);
    assert_eq!(wandering(&[1.0], &[1.0]), None);
    assert_eq!(wandering(&[1.0, 2.0], &[1.0]), None);
    assert_eq!(wandering(&[1.0, f64::NAN], &[1.0, 2.0]), None);
}

// The theory is the bridge, the walk is simulated: at 5 % and 1 % the counts of false alarms lie within four standard
// deviations of the binomial, plus a tenth for what Siegmund's correction leaves at n = 60 and 300.
#[test]
fn the_correction_for_finite_numbers_makes_probabilities_true() {
    const WALKS: usize = 20_000;
    let mut random = ChaCha8Rng::seed_from_u64(20_261_126);
    for n in [60, 300] {
        let keys: Vec<f64> = (0..n).map(f64::from).collect();
        let mut false_alarms = [[0usize; 2]; 2];
        for _ in 0..WALKS {
            let scores: Vec<f64> = keys.iter().map(|_| random.random::<f64>() - 0.5).collect();
            let found = wandering(&scores, &keys).expect("varies");
            let probabilities = [excursion_above(found.excursion), range_above(found.range)];
            for (alarms, p) in false_alarms.iter_mut().zip(probabilities) {
                alarms[0] += usize::from(p <= 0.05);
                alarms[1] += usize::from(p <= 0.01);
            }
        }
        for alarms in false_alarms {
            for (count, p) in alarms.into_iter().zip([0.05, 0.01]) {
                let expected = WALKS as f64 * p;
                let allowed = 4.0 * (expected * (1.0 - p)).sqrt() + 0.1 * expected;
                assert!((count as f64 - expected).abs() <= allowed, "n {n}, p {p}: {count} of {expected}");
            }
        }
    }
}
