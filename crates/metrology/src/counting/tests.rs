//! Tests of exact chances of counts.

use super::*;

fn relative(found: f64, expected: f64, tolerance: f64) {
    assert!((found / expected - 1.0).abs() < tolerance, "{found} is not {expected}");
}

// mpmath at 40 digits, summed term by term.
#[test]
fn binomial_tails() {
    for (successes, trials, chance, expected) in [
        (3, 10, 0.2, 0.322_200_473_6),
        (10, 10, 0.5, 0.000_976_562_5),
        (60, 100, 0.5, 0.028_443_966_820_490_4),
        (5, 1000, 0.001, 0.003_636_878_029_521_79),
        (400, 1000, 0.5, 0.999_999_999_909_916),
        (30, 40, 1.0 / 3.0, 8.474_878_033_113_13e-8),
        (1, 5, 0.3, 0.831_93),
    ] {
        relative(binomial_at_least(successes, trials, chance), expected, 1e-11);
    }
}

#[test]
fn certain_and_impossible_counts() {
    assert_eq!((binomial_at_least(0, 10, 0.1), binomial_at_least(11, 10, 0.1)), (1.0, 0.0));
    assert_eq!((binomial_at_least(3, 3, 1.0), binomial_at_least(4, 3, 1.0)), (1.0, 0.0));
    assert!(binomial_at_least(1, 3, 0.0) <= 0.0);
    assert!(binomial_at_least(1, 3, 1.5).is_nan() && binomial_at_least(1, 3, f64::NAN).is_nan());
}

// All arrangements written out and counted (python, itertools.combinations).
#[test]
fn runs_of_small_sequences_are_those_of_all_arrangements() {
    for (ones, others, all, cumulated) in [
        (4, 6, 210.0, &[2.0, 10.0, 40.0, 85.0, 145.0, 185.0, 205.0, 210.0][..]),
        (2, 7, 36.0, &[2.0, 9.0, 21.0, 36.0]),
        (5, 5, 252.0, &[2.0, 10.0, 42.0, 90.0, 162.0, 210.0, 242.0, 250.0, 252.0]),
    ] {
        for (at, count) in cumulated.iter().enumerate() {
            relative(runs_at_most(at + 2, ones, others).expect("short"), count / all, 1e-12);
        }
        relative(runs_at_most(100, ones, others).expect("short"), 1.0, 1e-12);
        assert_eq!(runs_at_most(1, ones, others), Some(0.0));
    }
}

// mpmath at 40 digits.
#[test]
fn runs_of_a_long_sequence() {
    relative(runs_at_most(150, 150, 300).expect("short"), 5.484_589_083_436_91e-8, 1e-10);
    assert_eq!(runs_at_most(1, 0, 5), Some(1.0));
    assert_eq!(runs_at_most(2, RUNS_MAX, 1), None);
}

#[test]
fn runs_are_counted() {
    assert_eq!(runs(&[]), 0);
    assert_eq!(runs(&[true]), 1);
    assert_eq!(runs(&[true, true, false, true, false, false]), 4);
}
