//! The standard normal distribution.

use std::f64::consts::{PI, SQRT_2};

/// Cumulative distribution Φ(x).
///
/// # Formula
/// `Φ(x) = erfc(−x/√2) / 2`, accurate in both tails.
pub fn cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x / SQRT_2)
}

/// Density φ(x).
pub fn density(x: f64) -> f64 {
    libm::exp(-0.5 * x * x) / (2.0 * PI).sqrt()
}

/// The x with Φ(x) = p: −∞ at 0, ∞ at 1, not a number outside 0..1.
///
/// # Formula
/// A rational start (Abramowitz and Stegun 26.2.23, error below 4.5 × 10⁻⁴), then two of Halley's steps on the tail, each of
/// which triples the correct digits: `d = (Φ(x) − p) / φ(x)`, `x ← x − d / (1 + x d / 2)`. The tail below 1/2 is solved, where
/// Φ is accurate to its last digits; `1 − p` is exact above it.
pub fn quantile(p: f64) -> f64 {
    if !(0.0 < p && p < 1.0) {
        return match p {
            0.0 => f64::NEG_INFINITY,
            1.0 => f64::INFINITY,
            _ => f64::NAN,
        };
    }
    if p <= 0.5 { lower(p) } else { -lower(1.0 - p) }
}

/// The quantile of p in 0..1/2.
fn lower(p: f64) -> f64 {
    let t = (-2.0 * libm::log(p)).sqrt();
    let above = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let below = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    let mut x = above / below - t;
    for _ in 0..2 {
        let step = (cdf(x) - p) / density(x);
        x -= step / (1.0 + 0.5 * x * step);
    }
    x
}

/// 95 % quantile, one-sided.
pub const QUANTILE_95: f64 = 1.644_853_626_951_472_2;

/// 97.5 % quantile: half-width of a symmetric 95 % interval.
pub const QUANTILE_975: f64 = 1.959_963_984_540_054;

/// 75 % quantile: the median of |N(0, 1)|, by which medians are made standard deviations.
pub const QUANTILE_75: f64 = 0.674_489_750_196_081_7;

#[cfg(test)]
mod tests {
    use super::*;

    // mpmath at 30 digits; the first to as many as tables print (Abramowitz and Stegun 26.1 has 15).
    #[test]
    fn published_values() {
        for (x, expected) in [
            (0.0, 0.5),
            (1.0, 0.841_344_746_068_543),
            (2.0, 0.977_249_868_051_821),
            (-3.0, 0.001_349_898_031_630_1),
            (-8.0, 6.220_960_574_271_785e-16),
        ] {
            assert!((cdf(x) - expected).abs() <= 1e-14 * expected.max(1e-2), "{x}");
        }
        assert!((cdf(QUANTILE_95) - 0.95).abs() < 1e-15);
        assert!((cdf(QUANTILE_975) - 0.975).abs() < 1e-15);
        assert!((cdf(QUANTILE_75) - 0.75).abs() < 1e-15);
    }
    // mpmath at 40 digits, by halving, of the very numbers that these decimals are in binary.
    #[test]
    fn quantiles_to_the_last_digits() {
        for (p, expected) in [
            (1e-300, -37.047_096_299_361_2),
            (1e-20, -9.262_340_089_798_407),
            (1e-5, -4.264_890_793_922_825),
            (0.001, -3.090_232_306_167_813_6),
            (0.024_25, -1.972_961_051_311_885),
            (0.3, -0.524_400_512_708_040_8),
            (0.6, 0.253_347_103_135_799_7),
            (0.975, 1.959_963_984_540_053_8),
            (0.999_99, 4.264_890_793_923_841),
            (0.999_999_999_9, 6.361_340_889_697_422),
        ] {
            let found = quantile(p);
            assert!((found / expected - 1.0).abs() < 1e-15, "{p}: {found} {expected}");
        }
        assert!(quantile(0.5).abs() < 1e-16);
    }

    #[test]
    fn a_quantile_is_the_inverse_and_symmetric() {
        for step in (1..1000).filter(|step| *step != 512) {
            let p = f64::from(step) / 1024.0;
            assert!((cdf(quantile(p)) / p - 1.0).abs() < 1e-14, "{p}");
            assert_eq!(quantile(p).to_bits(), (-quantile(1.0 - p)).to_bits(), "{p}");
        }
        assert_eq!((quantile(0.0), quantile(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
        assert!(quantile(-0.1).is_nan() && quantile(1.1).is_nan() && quantile(f64::NAN).is_nan());
    }
}
