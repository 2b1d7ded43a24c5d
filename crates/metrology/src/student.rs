//! Student's t distribution, for coverage factors from few readings.
//!
//! Called by [`crate::budget`]. Degrees of freedom may be any number above zero, also infinite: then it is the normal one.

use std::f64::consts::PI;

use crate::normal;

/// Degrees of freedom from which the expansion about the normal distribution is more exact than the continued fraction: its first
/// term left out is of the order of ν⁻³.
const EXPANDED_FROM: f64 = 1e6;

/// Most terms of the continued fraction. It needs about √ν of them.
const TERMS_MAX: usize = 10_000;

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

/// The continued fraction of the incomplete beta function (Abramowitz and Stegun 26.5.8), by the method of Lentz.
fn fraction(a: f64, b: f64, x: f64) -> f64 {
    const LEAST: f64 = 1e-300;
    let guarded = |value: f64| if value.abs() < LEAST { LEAST } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / guarded(1.0 - (a + b) * x / (a + 1.0));
    let mut product = d;
    for term in 1..=TERMS_MAX {
        let m = term as f64;
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / guarded(1.0 + even * d);
        c = guarded(1.0 + even / c);
        product *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / guarded(1.0 + odd * d);
        c = guarded(1.0 + odd / c);
        let change = d * c;
        product *= change;
        if (change - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    product
}
