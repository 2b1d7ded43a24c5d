//! Tests of χ² and Poisson.

use super::*;

fn relative(found: f64, expected: f64, tolerance: f64) {
    assert!((found / expected - 1.0).abs() < tolerance, "{found} is not {expected}");
}

// mpmath at 40 digits (gammainc, regularized).
#[test]
fn incomplete_gamma_functions_to_their_last_digits() {
    for (a, x, lower, upper) in [
        (0.5, 0.1, 0.345_279_153_981_423, 0.654_720_846_018_577),
        (0.5, 30.0, 0.999_999_999_999_991, 9.485_737_571_073_85e-15),
        (3.0, 2.5, 0.456_186_884_116_67, 0.543_813_115_883_329),
        (19.5, 40.0, 0.999_880_251_226_451, 0.000_119_748_773_549_482),
        (20.0, 3.0, 8.314_423_588_191_7e-11, 0.999_999_999_916_856),
        (100.0, 100.0, 0.513_298_798_279_149, 0.486_701_201_720_851),
        (100.0, 160.0, 0.999_999_855_797_755, 1.442_022_450_535_27e-7),
        (1234.5, 1100.0, 3.638_318_434_678_53e-5, 0.999_963_616_815_653),
        (1e6, 1_003_000.0, 0.998_638_259_353_782, 0.001_361_740_646_217_59),
        (50_000.0, 50_000.0, 0.500_594_708_104_793, 0.499_405_291_895_207),
    ] {
        let (below, above) = incomplete_gamma(a, x);
        relative(below, lower, 1e-12);
        relative(above, upper, 1e-12);
    }
}

#[test]
fn where_there_is_no_gamma_function_there_is_no_number() {
    for (a, x) in
        [(0.0, 1.0), (-1.0, 1.0), (1.0, -0.1), (f64::NAN, 1.0), (1.0, f64::NAN), (f64::INFINITY, 1.0)]
    {
        assert!(incomplete_gamma(a, x).0.is_nan(), "{a} {x}");
    }
    assert_eq!(incomplete_gamma(2.0, 0.0), (0.0, 1.0));
    assert_eq!(incomplete_gamma(2.0, f64::INFINITY), (1.0, 0.0));
}

// mpmath at 40 digits.
#[test]
fn poisson_tails() {
    for (count, mean, expected) in [
        (1, 0.5, 0.393_469_340_287_367),
        (5, 0.25, 6.611_710_561_034_25e-6),
        (12, 3.5, 0.000_288_992_219_930_3),
        (40, 20.0, 5.320_202_511_246_22e-5),
    ] {
        relative(poisson_at_least(count, mean), expected, 1e-13);
    }
    assert_eq!((poisson_at_least(0, 3.0), poisson_at_least(3, 0.0)), (1.0, 0.0));
}

// scipy 1.17 stats.chisquare and stats.chi2_contingency without correction.
#[test]
fn counts_are_held_against_each_other() {
    let fit = uniformity(&[12, 8, 10, 15, 5]).expect("enough");
    relative(fit.statistic, 5.8, 1e-14);
    relative(fit.p_value, 0.214_590_558_219_988, 1e-13);
    let fit = uniformity(&[120, 95, 101, 88, 99, 97, 103, 110, 92, 95]).expect("enough");
    relative(fit.p_value, 0.556_460_080_277_821, 1e-13);
    let fit = homogeneity(&[10, 20, 30], &[25, 15, 20]).expect("enough");
    relative(fit.statistic, 9.142_857_142_857_14, 1e-14);
    relative(fit.p_value, 0.010_343_173_196_618_3, 1e-13);
    let fit = homogeneity(&[100, 0, 30], &[80, 0, 70]).expect("enough");
    assert!((fit.degrees_of_freedom - 1.0).abs() < f64::EPSILON);
    relative(fit.p_value, 3.982_372_405_559_28e-5, 1e-12);
}

// Published tables of the χ² distribution.
#[test]
fn quantiles_are_those_of_the_tables() {
    for (p, freedom, expected) in [
        (0.025, 1.0, 0.000_982_069),
        (0.975, 1.0, 5.023_886),
        (0.025, 3.0, 0.215_795),
        (0.975, 3.0, 9.348_404),
        (0.025, 10.0, 3.246_973),
        (0.975, 10.0, 20.483_177),
        (0.5, 100.0, 99.334_1),
    ] {
        relative(quantile(p, freedom), expected, 2e-6);
    }
    for (p, freedom) in [(0.5, 0.0), (0.5, -1.0), (0.5, f64::NAN), (1.0, 3.0), (-0.1, 3.0), (f64::NAN, 3.0)] {
        assert!(quantile(p, freedom).is_nan(), "{p} {freedom}");
    }
}

#[test]
fn too_few_counts_say_nothing() {
    assert_eq!(uniformity(&[4; 10]), None);
    assert_eq!(uniformity(&[100]), None);
    assert_eq!(uniformity(&[]), None);
    assert_eq!(homogeneity(&[100, 0], &[50, 0]), None);
    assert_eq!(homogeneity(&[], &[]), None);
    assert_eq!(homogeneity(&[1, 2], &[100, 200]), None);
}
