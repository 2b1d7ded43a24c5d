use super::*;
use crate::budget::{Budget, Component, Distribution, Evaluation};

/// As many as JCGM 101 uses in its examples.
const TRIALS: usize = 1_000_000;

fn sum(values: &[f64]) -> f64 {
    values.iter().sum()
}

fn rectangular(sd: f64) -> Input {
    let half_width = sd * 3f64.sqrt();
    Input::Rectangular { low: -half_width, high: half_width }
}

fn close(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "{found} is not {expected} ± {tolerance}");
}

fn close_pair(found: (f64, f64), expected: (f64, f64), tolerance: f64) {
    close(found.0, expected.0, tolerance);
    close(found.1, expected.1, tolerance);
}

/// The budget of a sum of components with these standard uncertainties, for 95 %.
fn budget(standard_uncertainties: &[f64]) -> Combined {
    let component = |u: &f64| Component::from_expanded("x", *u, 1.0);
    let components = standard_uncertainties.iter().map(component).collect();
    Budget { components, correlations: vec![] }.combine(0.95, 0.0).expect("sound")
}

// The additive models of JCGM 101:2008 9.2 and those of 9.3 and 9.4 below: the Supplement itself was not at hand, so every expected
// value is by formula or recomputed, as said at each.
// 9.2.2, four normal inputs: by formula u = √4 and ±1.96 u; the budget is exact and must be confirmed.
#[test]
fn jcgm_101_9_2_2_four_normal_inputs() {
    let normal = Input::Normal { mean: 0.0, sd: 1.0 };
    let result = propagate(&[normal; 4], sum, TRIALS, 1, 0.95).expect("sound");
    close(result.mean, 0.0, 0.01);
    close(result.standard_uncertainty, 2.0, 0.005);
    close_pair(result.symmetric, (-3.92, 3.92), 0.015);
    assert!(validates(&budget(&[1.0; 4]), 0.0, &result, 2));
}

// JCGM 101:2008 9.2.3, four rectangular inputs of u = 1: by formula ±2√3 (2 − (3/5)^(1/4)) = ±3.88. The budget's ±3.92 is off by
// 0.04: within δ = 0.05 (two digits of u = 2.0), not within 0.005 (three).
#[test]
fn jcgm_101_9_2_3_four_rectangular_inputs() {
    let result = propagate(&[rectangular(1.0); 4], sum, TRIALS, 2, 0.95).expect("sound");
    let end = 2.0 * 3f64.sqrt() * (2.0 - libm::pow(0.6, 0.25));
    close(end, 3.88, 0.005);
    close(result.standard_uncertainty, 2.0, 0.005);
    close_pair(result.symmetric, (-end, end), 0.01);
    close_pair(result.shortest, (-end, end), 0.03);
    assert!(validates(&budget(&[1.0; 4]), 0.0, &result, 2));
    assert!(!validates(&budget(&[1.0; 4]), 0.0, &result, 3));
    let compared = compare(&budget(&[1.0; 4]), 0.0, &result, 2).expect("comparable");
    close(compared.tolerance, 0.05, 1e-15);
    close_pair((compared.low_difference, compared.high_difference), (0.04, 0.04), 0.01);
}

// JCGM 101:2008 9.2.4, one rectangular input of ten times the others: by formula u = √103 = 10.15 and the budget's 1.96 u = ±19.89;
// ±17.0158 by the exact distribution of the sum, mpmath at 30 digits. So the budget is not confirmed.
#[test]
fn jcgm_101_9_2_4_one_large_rectangular_input() {
    let inputs = [rectangular(1.0), rectangular(1.0), rectangular(1.0), rectangular(10.0)];
    let result = propagate(&inputs, sum, TRIALS, 3, 0.95).expect("sound");
    close(result.standard_uncertainty, 103f64.sqrt(), 0.02);
    close_pair(result.symmetric, (-17.0158, 17.0158), 0.03);
    let gum = budget(&[1.0, 1.0, 1.0, 10.0]);
    close(gum.expanded_uncertainty, 19.891, 0.001);
    assert!(!validates(&gum, 0.0, &result, 2));
    let compared = compare(&gum, 0.0, &result, 2).expect("comparable");
    close(compared.tolerance, 0.5, 1e-15);
    close_pair((compared.low_difference, compared.high_difference), (2.875, 2.875), 0.03);
}

// GUM 4.3.7, 4.3.9, JCGM 101 6.4.6 and 6.4.9: half-widths √3, √6, √2 of the standard uncertainty; a t distribution has it for scale.
#[test]
fn a_component_s_deviation_has_its_distribution_about_zero() {
    let of = |distribution, degrees_of_freedom| {
        Input::deviation(&Component {
            name: "x".into(),
            evaluation: Evaluation::B,
            distribution,
            standard_uncertainty: 2.0,
            sensitivity: 7.0,
            degrees_of_freedom,
        })
    };
    let exact = f64::INFINITY;
    let half = |square: f64| square.sqrt();
    assert_eq!(of(Distribution::Normal, exact), Input::Normal { mean: 0.0, sd: 2.0 });
    assert_eq!(of(Distribution::Student, exact), Input::Normal { mean: 0.0, sd: 2.0 });
    let student = Input::Student { mean: 0.0, scale: 2.0, df: 3.0 };
    assert_eq!((of(Distribution::Student, 3.0), of(Distribution::Normal, 3.0)), (student, student));
    for (distribution, square) in
        [(Distribution::Rectangular, 12.0), (Distribution::Triangular, 24.0), (Distribution::UShaped, 8.0)]
    {
        let (low, high) = match of(distribution, exact) {
            Input::Rectangular { low, high }
            | Input::Triangular { low, high }
            | Input::UShaped { low, high } => (low, high),
            other => panic!("{other:?}"),
        };
        close_pair((low, high), (-half(square), half(square)), 1e-14);
    }
}

// The model of JCGM 101:2008 9.3: calibration of a mass; mg. The first-order budget misses the product of air density and weight
// densities. Mean and deviation exactly, from the moments of the inputs, by mpmath; the shortest interval by numpy, 20 runs of
// 5·10⁶ trials (1.0844 and 1.3836, each ± 0.0001). Its ends lie where the density is flat: one of 10⁶ trials scatters by 0.001.
#[test]
fn jcgm_101_9_3_mass_calibration() {
    let inputs = [
        Input::Normal { mean: 100_000.0, sd: 0.050 },
        Input::Normal { mean: 1.234, sd: 0.020 },
        Input::Rectangular { low: 1.10, high: 1.30 },
        Input::Rectangular { low: 7000.0, high: 9000.0 },
        Input::Rectangular { low: 7950.0, high: 8050.0 },
    ];
    let model = |x: &[f64]| (x[0] + x[1]) * (1.0 + (x[2] - 1.2) * (1.0 / x[3] - 1.0 / x[4])) - 100_000.0;
    let result = propagate(&inputs, model, TRIALS, 4, 0.95).expect("sound");
    close(result.mean, 1.234, 0.0003);
    close(result.standard_uncertainty, 0.075_479_74, 0.0002);
    close_pair(result.shortest, (1.0844, 1.3836), 0.004);
    let gum = budget(&[0.050, 0.020]);
    // √(0.050² + 0.020²) and 1.959964 times that.
    close(gum.standard_uncertainty, 0.053_851_65, 1e-8);
    close(gum.expanded_uncertainty, 0.105_547_29, 1e-8);
    assert!(!validates(&gum, 1.234, &result, 1));
}

// JCGM 101:2008 9.4, comparison loss |Γ|² = x₁² + x₂² with u = 0.005 and no correlation; × 10⁻⁶. Means x₁² + 2u² and deviations by
// formula; ends of the shortest intervals by mpmath from the noncentral χ² distribution (149.79 = −50 ln 0.05 and 366.0).
#[test]
fn jcgm_101_9_4_comparison_loss() {
    for (x1, mean, standard_uncertainty, high, tolerance) in
        [(0.0, 50.0, 50.0, 149.787, 1.0), (0.010, 150.0, 111.803, 366.005, 2.5)]
    {
        let input = |mean| Input::Normal { mean, sd: 0.005 };
        let model = |x: &[f64]| 1e6 * (x[0] * x[0] + x[1] * x[1]);
        let result = propagate(&[input(x1), input(0.0)], model, TRIALS, 5, 0.95).expect("sound");
        close(result.mean, mean, 0.5);
        close(result.standard_uncertainty, standard_uncertainty, 0.5);
        close(result.shortest.0, 0.0, 0.5);
        close(result.shortest.1, high, tolerance);
    }
}

// The logarithm of NPL DEM-ES-011: ln x for x rectangular between 0.1 and 1.1. Moments by mpmath; its density rises to the end, so
// the shortest interval is that of the upper 95 %: ln 0.15 .. ln 1.1.
#[test]
fn npl_dem_es_011_logarithm() {
    let input = Input::Rectangular { low: 0.1, high: 1.1 };
    let result = propagate(&[input], |x| libm::log(x[0]), TRIALS, 6, 0.95).expect("sound");
    close(result.mean, -0.664_900_29, 0.002);
    close(result.standard_uncertainty, 0.606_226_70, 0.002);
    close_pair(result.shortest, (-1.897_119_98, 0.095_310_18), 0.005);
}

// Table B.1 of NIST TN 1297 gives t_95, mpmath more digits and that of 2.5 degrees of freedom; the deviations by their formulas.
#[test]
fn each_distribution_has_its_deviation_and_interval() {
    let one = |input| propagate(&[input], sum, TRIALS, 7, 0.95).expect("sound");
    for (df, t, tolerance) in [(2.5, 3.574_65, 0.05), (4.0, 2.776, 0.02), (16.0, 2.120, 0.01)] {
        let result = one(Input::Student { mean: 5.0, scale: 2.0, df });
        close_pair(result.symmetric, (5.0 - 2.0 * t, 5.0 + 2.0 * t), tolerance);
        close(result.mean, 5.0, 0.02);
    }
    let result = one(Input::Student { mean: 0.0, scale: 1.0, df: 16.0 });
    close(result.standard_uncertainty, (16.0f64 / 14.0).sqrt(), 0.003);
    let (low, high) = (-1.0, 3.0);
    close(one(Input::Rectangular { low, high }).standard_uncertainty, 2.0 / 3f64.sqrt(), 0.002);
    close(one(Input::Triangular { low, high }).standard_uncertainty, 2.0 / 6f64.sqrt(), 0.002);
    let u_shaped = one(Input::UShaped { low, high });
    close(u_shaped.standard_uncertainty, 2.0 / 2f64.sqrt(), 0.002);
    // 97.5 % of the arc sine distribution: sin(0.95 π/2).
    let end = 2.0 * libm::sin(0.95 * PI / 2.0);
    close_pair(u_shaped.symmetric, (1.0 - end, 1.0 + end), 0.002);
    assert_eq!(one(Input::Normal { mean: 3.0, sd: 0.0 }).symmetric, (3.0, 3.0));
}

// The first eight bytes of ChaCha8 under a key of zeros: 3e 00 ef 2f 89 5f 40 d6 (draft-strombergson-chacha-test-vectors-01, TC1).
// If they change, old results can no longer be repeated.
#[test]
fn the_bits_of_a_seed_are_those_of_the_published_cipher() {
    assert_eq!(generator(0).next_u64(), 0xd640_5f89_2fef_003e);
    assert_ne!(generator(1).next_u64(), generator(2).next_u64());
}

#[test]
fn the_same_seed_gives_the_same_bits_and_another_does_not() {
    let inputs = [Input::Normal { mean: 0.0, sd: 1.0 }, Input::Student { mean: 0.0, scale: 1.0, df: 3.0 }];
    let run = |seed| propagate(&inputs, sum, 1000, seed, 0.95).expect("sound");
    assert_eq!(run(11), run(11));
    assert_ne!(run(11).mean.to_bits(), run(12).mean.to_bits());
}

// JCGM 101 7.7 by hand: of 1..100, 95 steps apart: symmetric from the third (⌊(100 − 95 + 1)/2⌋) to the 98th.
#[test]
fn intervals_are_counted_as_the_clause_says() {
    let results: Vec<f64> = (1..=100).map(f64::from).collect();
    assert_eq!(symmetric(&results, 95), (3.0, 98.0));
    assert_eq!(symmetric(&results, 96), (2.0, 98.0));
    assert_eq!(shortest(&results, 95), (1.0, 96.0), "the lowest of equals");
    let mut skewed = results;
    skewed[0] = -50.0;
    assert_eq!(shortest(&skewed, 95), (2.0, 97.0));
}

// JCGM 101 7.9.2: half of the last significant digit's unit, after rounding. The tolerances of 9.2 and 9.3 are among these.
#[test]
fn the_numerical_tolerance_is_half_the_last_digit() {
    for (u, digits, expected) in [
        (0.000_35, 2, 0.000_005),
        (2.0, 1, 0.5),
        (2.0, 2, 0.05),
        (0.0754, 1, 0.005),
        (10.1, 2, 0.5),
        (0.0996, 2, 0.005),
        (0.0994, 2, 0.000_5),
    ] {
        let found = numerical_tolerance(u, digits).expect("positive");
        assert_eq!(found.to_bits(), f64::to_bits(expected), "{u} in {digits}: {found}");
    }
    for (u, digits) in
        [(0.0, 2), (-1.0, 2), (f64::NAN, 2), (f64::INFINITY, 2), (1.0, 0), (1.0, DIGITS_MAX + 1)]
    {
        assert_eq!(numerical_tolerance(u, digits), None);
    }
}

#[test]
fn intervals_of_different_probability_confirm_nothing() {
    let result = propagate(&[Input::Normal { mean: 0.0, sd: 1.0 }], sum, 10_000, 1, 0.9).expect("sound");
    assert!(!validates(&budget(&[1.0]), 0.0, &result, 1));
}

#[test]
fn what_cannot_be_is_refused() {
    let normal = Input::Normal { mean: 0.0, sd: 1.0 };
    let run = |inputs: &[Input], trials, p| propagate(inputs, sum, trials, 0, p).expect_err("refused");
    assert_eq!(run(&[], 1000, 0.95), PropagationError::Inputs(0));
    assert_eq!(run(&[normal; INPUTS_MAX + 1], 1000, 0.95), PropagationError::Inputs(INPUTS_MAX + 1));
    assert_eq!(run(&[normal], TRIALS_MIN - 1, 0.95), PropagationError::Trials(TRIALS_MIN - 1));
    assert_eq!(run(&[normal], TRIALS_MAX + 1, 0.95), PropagationError::Trials(TRIALS_MAX + 1));
    assert_eq!(run(&[normal], 100, 0.999), PropagationError::Trials(100), "the interval would hold them all");
    assert_eq!(run(&[normal], 1000, 1.0), PropagationError::Probability(1.0));
    assert!(matches!(run(&[normal], 1000, f64::NAN), PropagationError::Probability(_)));
    for input in [
        Input::Normal { mean: 0.0, sd: -1.0 },
        Input::Normal { mean: f64::NAN, sd: 1.0 },
        Input::Student { mean: 0.0, scale: 1.0, df: 0.0 },
        Input::Student { mean: 0.0, scale: 1.0, df: f64::INFINITY },
        Input::Rectangular { low: 1.0, high: 0.0 },
        Input::Triangular { low: 0.0, high: f64::INFINITY },
        Input::UShaped { low: f64::MIN, high: f64::MAX },
    ] {
        assert_eq!(run(&[normal, input], 1000, 0.95), PropagationError::Input(1));
    }
    let broken = propagate(&[normal], |_| f64::NAN, 1000, 0, 0.95);
    assert_eq!(broken, Err(PropagationError::NotFinite(0)));
}
