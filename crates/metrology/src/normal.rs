//! The standard normal distribution.

/// Cumulative distribution Φ(x).
///
/// # Formula
/// `Φ(x) = erfc(−x/√2) / 2`, accurate in both tails.
pub fn cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x / std::f64::consts::SQRT_2)
}

/// 95 % quantile, one-sided.
pub const QUANTILE_95: f64 = 1.644_853_626_951_472_2;

/// 97.5 % quantile: half-width of a symmetric 95 % interval.
pub const QUANTILE_975: f64 = 1.959_963_984_540_054;

#[cfg(test)]
mod tests {
    use super::*;

    // Abramowitz and Stegun, table 26.1 (15 decimals); the tail by mpmath at 30 digits.
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
    }
}
