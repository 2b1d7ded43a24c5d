//! The beta distribution: what is known of a share after successes and failures.
//!
//! Called by [`crate::student`] for its continued fraction and by [`crate::batch`] for shares. Probabilities are right to 10⁻¹⁰ of
//! themselves up to parameters of some ten thousand: the logarithms of Γ cancel, and no decision here needs more.

/// Most terms of the continued fraction. It needs about √ν of them.
const TERMS_MAX: usize = 10_000;

/// Most halvings when a quantile is searched: enough for every `f64` between 0 and 1.
const HALVINGS_MAX: usize = 1_100;

/// Probability of a value up to x. Not a number for parameters that are not above zero and finite.
///
/// # Formula
/// `I_x(a, b) = x^a (1−x)^b / (a B(a, b)) × continued fraction`, on the side where that converges fast.
pub fn cdf(x: f64, a: f64, b: f64) -> f64 {
    let is_sound = 0.0 < a && a.is_finite() && 0.0 < b && b.is_finite();
    if !is_sound || x.is_nan() {
        f64::NAN
    } else if x <= 0.0 {
        0.0
    } else if 1.0 <= x {
        1.0
    } else if x < (a + 1.0) / (a + b + 2.0) {
        front(x, a, b) * fraction(a, b, x) / a
    } else {
        1.0 - front(x, a, b) * fraction(b, a, 1.0 - x) / b
    }
}

/// The x with that probability below it, by halving; not a number outside 0..1 or for unsound parameters.
pub fn quantile(p: f64, a: f64, b: f64) -> f64 {
    if !(0.0..=1.0).contains(&p) || cdf(0.5, a, b).is_nan() {
        return f64::NAN;
    }
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS_MAX {
        let middle = 0.5 * (low + high);
        if middle <= low || high <= middle {
            break;
        }
        if cdf(middle, a, b) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// Density at x in 0..1.
pub fn density(x: f64, a: f64, b: f64) -> f64 {
    front(x, a, b) / (x * (1.0 - x))
}

/// `x^a (1−x)^b / B(a, b)`.
fn front(x: f64, a: f64, b: f64) -> f64 {
    let log_beta = libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b);
    libm::exp(a * libm::log(x) + b * libm::log1p(-x) - log_beta)
}

/// The continued fraction of the incomplete beta function (Abramowitz and Stegun 26.5.8), by the method of Lentz.
pub(crate) fn fraction(a: f64, b: f64, x: f64) -> f64 {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn relative(found: f64, expected: f64, tolerance: f64) {
        assert!((found / expected - 1.0).abs() < tolerance, "{found} is not {expected}");
    }

    // mpmath at 40 digits: betainc(a, b, 0, x, regularized=True).
    #[test]
    fn probabilities_to_ten_digits() {
        for (x, a, b, expected) in [
            (0.97, 99.0, 1.0, 0.049_023_204_046_810_06),
            (0.97, 99.0, 2.0, 0.194_622_120_065_835_95),
            (0.3, 2.5, 7.25, 0.660_482_273_581_907_3),
            (0.95, 1000.0, 40.0, 0.034_027_736_723_308_55),
            (0.001, 1.0, 5.0, 0.004_990_009_995_001),
            (0.5, 300.0, 300.0, 0.5),
            (0.9999, 20_000.0, 3.0, 0.676_622_279_588_599_4),
        ] {
            relative(cdf(x, a, b), expected, 1e-10);
        }
    }

    // scipy 1.17.1, beta.ppf.
    #[test]
    fn quantiles_to_ten_digits() {
        for (p, a, b, expected) in [
            (0.95, 1.0, 40.0, 0.072_157_524_505_514_57),
            (0.975, 3.0, 38.0, 0.169_196_863_959_417_6),
            (0.05, 98.0, 1.0, 0.969_893_801_305_227),
        ] {
            relative(quantile(p, a, b), expected, 1e-10);
        }
    }

    #[test]
    fn what_is_no_share_has_no_number() {
        assert!(cdf(0.5, 0.0, 1.0).is_nan() && cdf(f64::NAN, 1.0, 1.0).is_nan());
        assert!(quantile(1.5, 1.0, 1.0).is_nan() && quantile(0.5, -1.0, 1.0).is_nan());
        assert_eq!((cdf(-1.0, 2.0, 2.0), cdf(2.0, 2.0, 2.0)), (0.0, 1.0));
    }
}
