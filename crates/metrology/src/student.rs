//! Student's t distribution, for coverage factors from few readings.
//!
//! Called by [`crate::budget`]. Degrees of freedom may be any number above zero, also infinite: then it is the normal one.
//! Probabilities are right to 10⁻¹³ of themselves up to a thousand degrees of freedom, to 10⁻¹⁰ towards a million, where
//! `ν / (ν + t²)` is so near 1 that it has lost its digits. No coverage factor is printed with more than four.

use std::f64::consts::PI;

use crate::beta::fraction;
use crate::normal;

/// Degrees of freedom from which the expansion about the normal distribution is more exact than the continued fraction: its first
/// term left out is of the order of ν⁻³.
const EXPANDED_FROM: f64 = 1e6;

/// Most halvings when a quantile is searched: enough for every `f64` between the first bounds.
const HALVINGS_MAX: usize = 2_200;

/// Probability of a value up to t. Not a number for degrees of freedom that are not above zero.
///
/// # Formula
/// `P(T ≤ −|t|) = I_x(ν/2, 1/2) / 2`, `x = ν / (ν + t²)`, I the regularized incomplete beta function.
pub fn cdf(t: f64, degrees_of_freedom: f64) -> f64 {
    if t.is_nan() || !is_sound(degrees_of_freedom) {
        return f64::NAN;
    }
    let tail = tail(t.abs(), degrees_of_freedom);
    if t <= 0.0 { tail } else { 1.0 - tail }
}

/// The t with that probability below it: −∞ at 0, ∞ at 1, not a number outside 0..1 or without degrees of freedom.
pub fn quantile(p: f64, degrees_of_freedom: f64) -> f64 {
    let is_inside = 0.0 < p && p < 1.0;
    if !is_sound(degrees_of_freedom) {
        f64::NAN
    } else if degrees_of_freedom.is_infinite() || !is_inside {
        normal::quantile(p)
    } else if p <= 0.5 {
        -upper(p, degrees_of_freedom)
    } else {
        upper(1.0 - p, degrees_of_freedom)
    }
}

fn is_sound(degrees_of_freedom: f64) -> bool {
    0.0 < degrees_of_freedom
}

/// Coverage factor of a two-sided interval: half of what is left lies on each side.
pub fn coverage_factor(coverage_probability: f64, degrees_of_freedom: f64) -> f64 {
    // The tail is computed, not its complement: (1 + p) / 2 would lose the last digits of p near 1.
    -quantile(0.5 * (1.0 - coverage_probability), degrees_of_freedom)
}

/// The t ≥ 0 above which the probability is `tail_wanted`, at most 1/2, by halving: it never diverges, and ends at neighbours.
fn upper(tail_wanted: f64, degrees_of_freedom: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while tail_wanted < tail(high, degrees_of_freedom) && high.is_finite() {
        low = high;
        high *= 2.0;
    }
    for _ in 0..HALVINGS_MAX {
        let middle = 0.5 * (low + high);
        if middle <= low || high <= middle {
            break;
        }
        if tail_wanted < tail(middle, degrees_of_freedom) {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// P(T ≥ t) for t ≥ 0.
fn tail(t: f64, degrees_of_freedom: f64) -> f64 {
    if t.is_infinite() {
        return 0.0;
    }
    if EXPANDED_FROM <= degrees_of_freedom {
        return expanded(t, degrees_of_freedom);
    }
    let square = t * t;
    let (a, b) = (0.5 * degrees_of_freedom, 0.5);
    let x = degrees_of_freedom / (degrees_of_freedom + square);
    let y = square / (degrees_of_freedom + square);
    if y == 0.0 {
        return 0.5;
    }
    // x^a, from y where x is near 1 and has lost its digits.
    let power = if x < 0.5 { a * libm::log(x) } else { a * libm::log1p(-y) };
    let front = libm::exp(power) * y.sqrt() / beta_half(a);
    if x < (a + 1.0) / (a + b + 2.0) {
        0.5 * front * fraction(a, b, x) / a
    } else {
        0.5 - 0.5 * front * fraction(b, a, y) / b
    }
}

/// P(T ≥ t) for very many degrees of freedom.
///
/// # Formula
/// `1 − Φ(t) + φ(t) [t (t² + 1) / (4ν) + t (3t⁶ − 7t⁴ − 5t² − 3) / (96ν²)]` (Abramowitz and Stegun 26.7.5, Fisher's series).
fn expanded(t: f64, degrees_of_freedom: f64) -> f64 {
    let (n, square) = (degrees_of_freedom, t * t);
    let first = t * (square + 1.0) / (4.0 * n);
    let second = t * (((3.0 * square - 7.0) * square - 5.0) * square - 3.0) / (96.0 * n * n);
    let correction = normal::density(t) * (first + second);
    normal::cdf(-t) + if correction.is_finite() { correction } else { 0.0 }
}

/// B(a, 1/2) = Γ(a) √π / Γ(a + 1/2).
///
/// # Formula
/// The ratio `Γ(a + 1/2) / Γ(a)` by its asymptotic series from a = 20 on, and below by
/// `r(a) = r(a + 1) a / (a + 1/2)`. Logarithms of Γ cancel and lose digits where a is large.
fn beta_half(a: f64) -> f64 {
    let (mut shifted, mut ratio) = (a, 1.0);
    while shifted < 20.0 {
        ratio *= shifted / (shifted + 0.5);
        shifted += 1.0;
    }
    let z = 1.0 / (shifted * shifted);
    let series = (-0.125 + z * (1.0 / 192.0 + z * (-1.0 / 640.0 + z * 17.0 / 14_336.0))) / shifted;
    PI.sqrt() / (ratio * shifted.sqrt() * libm::exp(series))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relative(found: f64, expected: f64, tolerance: f64) {
        assert!((found / expected - 1.0).abs() < tolerance, "{found} is not {expected}");
    }

    // NIST TN 1297, table B.1, read row by row; it is table G.2 of the GUM. The columns 68.27, 95.45 and 99.73 % stand for 1, 2 and 3
    // standard deviations of the normal distribution exactly. Its row of 35 degrees is left out: it prints 1.70 where t_90 is 1.6896
    // (scipy agrees with us, and with the other rows).
    #[test]
    fn gum_table_g2() {
        let within = |deviations: f64| normal::cdf(deviations) - normal::cdf(-deviations);
        let fractions = [within(1.0), 0.90, 0.95, within(2.0), 0.99, within(3.0)];
        for (degrees_of_freedom, row) in [
            (1.0, [1.84, 6.31, 12.71, 13.97, 63.66, 235.80]),
            (2.0, [1.32, 2.92, 4.30, 4.53, 9.92, 19.21]),
            (3.0, [1.20, 2.35, 3.18, 3.31, 5.84, 9.22]),
            (4.0, [1.14, 2.13, 2.78, 2.87, 4.60, 6.62]),
            (5.0, [1.11, 2.02, 2.57, 2.65, 4.03, 5.51]),
            (6.0, [1.09, 1.94, 2.45, 2.52, 3.71, 4.90]),
            (7.0, [1.08, 1.89, 2.36, 2.43, 3.50, 4.53]),
            (8.0, [1.07, 1.86, 2.31, 2.37, 3.36, 4.28]),
            (9.0, [1.06, 1.83, 2.26, 2.32, 3.25, 4.09]),
            (10.0, [1.05, 1.81, 2.23, 2.28, 3.17, 3.96]),
            (11.0, [1.05, 1.80, 2.20, 2.25, 3.11, 3.85]),
            (12.0, [1.04, 1.78, 2.18, 2.23, 3.05, 3.76]),
            (13.0, [1.04, 1.77, 2.16, 2.21, 3.01, 3.69]),
            (14.0, [1.04, 1.76, 2.14, 2.20, 2.98, 3.64]),
            (15.0, [1.03, 1.75, 2.13, 2.18, 2.95, 3.59]),
            (16.0, [1.03, 1.75, 2.12, 2.17, 2.92, 3.54]),
            (17.0, [1.03, 1.74, 2.11, 2.16, 2.90, 3.51]),
            (18.0, [1.03, 1.73, 2.10, 2.15, 2.88, 3.48]),
            (19.0, [1.03, 1.73, 2.09, 2.14, 2.86, 3.45]),
            (20.0, [1.03, 1.72, 2.09, 2.13, 2.85, 3.42]),
            (25.0, [1.02, 1.71, 2.06, 2.11, 2.79, 3.33]),
            (30.0, [1.02, 1.70, 2.04, 2.09, 2.75, 3.27]),
            (40.0, [1.01, 1.68, 2.02, 2.06, 2.70, 3.20]),
            (45.0, [1.01, 1.68, 2.01, 2.06, 2.69, 3.18]),
            (50.0, [1.01, 1.68, 2.01, 2.05, 2.68, 3.16]),
            (100.0, [1.005, 1.660, 1.984, 2.025, 2.626, 3.077]),
            (f64::INFINITY, [1.000, 1.645, 1.960, 2.000, 2.576, 3.000]),
        ] {
            let last_digit = if degrees_of_freedom < 100.0 { 0.01 } else { 0.001 };
            for (fraction, expected) in fractions.into_iter().zip(row) {
                let found = coverage_factor(fraction, degrees_of_freedom);
                // Half of the last digit, and a hair for 7.5-like ties that the table rounded up.
                assert!(
                    (found - expected).abs() <= 0.501 * last_digit,
                    "{degrees_of_freedom} {fraction}: {found}"
                );
            }
        }
    }

    // mpmath at 40 digits, by the regularized incomplete beta function.
    #[test]
    fn probabilities_to_the_last_digits() {
        for (t, degrees_of_freedom, expected) in [
            (-1.0, 1.0, 0.25),
            (0.5, 2.5, 0.671_151_040_065_142_7),
            (2.0, 10.0, 0.963_305_982_614_629_9),
            (-4.5, 3.0, 0.010_245_206_172_226_705),
            (-30.0, 5.0, 3.859_324_310_248_026e-7),
            (1e-6, 7.0, 0.500_000_384_991_450_8),
            (1.5, 0.7, 0.779_817_451_490_379_8),
            (-1e5, 1.5, 1.192_448_240_459_836_1e-8),
            (-10.0, 50.0, 8.038_667_344_167_719e-14),
        ] {
            relative(cdf(t, degrees_of_freedom), expected, 1e-13);
        }
        // Very many degrees of freedom, on both sides of where the method changes.
        for (t, degrees_of_freedom, expected, tolerance) in [
            (-2.0, 1e4, 0.022_763_630_330_717_72, 2e-12),
            (-5.0, 1e5, 2.871_350_839_320_836_5e-7, 1e-11),
            (-3.0, 999_999.0, 0.001_349_931_270_744_137_8, 1e-10),
            (-3.0, 1_000_001.0, 0.001_349_931_270_677_659_3, 1e-13),
            (-6.0, 2e6, 9.867_562_631_966_131e-10, 1e-12),
        ] {
            relative(cdf(t, degrees_of_freedom), expected, tolerance);
        }
    }

    // mpmath at 40 digits, by halving.
    #[test]
    fn quantiles_to_the_last_digits() {
        for (p, degrees_of_freedom, expected) in [
            (0.975, 1.0, 12.706_204_736_174_694),
            (0.975, 16.0, 2.119_905_299_221_254),
            (0.995, 16.0, 2.920_781_622_425_099_8),
            (0.9, 2.5, 1.730_250_928_807_176_8),
            (1e-10, 3.0, -2_225.769_284_683_093_2),
            (0.3, 0.7, -0.835_441_155_706_962_4),
            (0.975, 1e5, 1.959_987_707_534_609_3),
            (0.975, 3e6, 1.959_964_775_297_444_3),
            (0.0001, 25.6, -4.334_781_803_004_834),
            (1e-6, 0.5, -102_849_115_631.634_02),
        ] {
            relative(quantile(p, degrees_of_freedom), expected, 1e-12);
        }
    }

    // With one degree of freedom it is Cauchy's distribution, with two it has a closed form.
    #[test]
    fn one_and_two_degrees_of_freedom_have_closed_forms() {
        for step in -400..=400 {
            let t = f64::from(step) * 0.25;
            assert!((cdf(t, 1.0) - (0.5 + libm::atan(t) / PI)).abs() < 1e-14, "{t}");
            assert!((cdf(t, 2.0) - (0.5 + t / (2.0 * (2.0 + t * t).sqrt()))).abs() < 1e-14, "{t}");
        }
    }

    #[test]
    fn a_quantile_is_the_inverse_and_symmetric() {
        for degrees_of_freedom in [0.3, 1.0, 2.7, 9.0, 100.0, 12_345.0, 5e6, f64::INFINITY] {
            for p in [1e-12, 1e-4, 0.025, 0.2, 0.4999, 0.5, 0.7, 0.99] {
                let t = quantile(p, degrees_of_freedom);
                relative(cdf(t, degrees_of_freedom), p, 1e-12);
                let mirrored = quantile(1.0 - p, degrees_of_freedom);
                assert!((mirrored + t).abs() <= 1e-3 * t.abs().max(1e-9), "{degrees_of_freedom} {p}");
            }
        }
    }

    #[test]
    fn what_is_no_probability_or_distribution_has_no_number() {
        assert!(cdf(1.0, 0.0).is_nan() && cdf(1.0, -1.0).is_nan() && cdf(f64::NAN, 1.0).is_nan());
        assert!(
            quantile(1.1, 3.0).is_nan() && quantile(-0.1, 3.0).is_nan() && quantile(0.5, f64::NAN).is_nan()
        );
        assert_eq!((quantile(0.0, 3.0), quantile(1.0, 3.0)), (f64::NEG_INFINITY, f64::INFINITY));
        assert_eq!((cdf(f64::NEG_INFINITY, 3.0), cdf(f64::INFINITY, 3.0)), (0.0, 1.0));
        assert_eq!(cdf(0.0, 3.0).to_bits(), 0.5f64.to_bits());
    }
}
