//! Agreement of two results of the same quantity (ISO/IEC 17043, ISO 13528): the normalized error E_n.
//!
//! Called to compare a remote with an on-site result, or two instruments. It never says who is right.

/// Largest |E_n| of results that agree.
pub const AGREES_UP_TO: f64 = 1.0;

/// Normalized error of two results with their expanded uncertainties (k = 2), which must be independent. None if an input
/// is not finite, an uncertainty negative, or both are zero.
///
/// # Formula
/// `E_n = (a − b) / √(U_a² + U_b²)` (ISO/IEC 17043:2010 B.3.1.3; ISO 13528:2015 9.7); |E_n| ≤ 1 agrees.
pub fn normalized_error(value_a: f64, expanded_a: f64, value_b: f64, expanded_b: f64) -> Option<f64> {
    let spread = libm::hypot(expanded_a, expanded_b);
    let sound = 0.0 <= expanded_a && 0.0 <= expanded_b && 0.0 < spread;
    let normalized = (value_a - value_b) / spread;
    (sound && normalized.is_finite() && spread.is_finite()).then_some(normalized)
}

#[cfg(test)]
mod tests {
    use super::*;

    // By hand: √(3² + 4²) = 5.
    #[test]
    fn the_difference_is_counted_in_the_root_of_squares() {
        let check = |a, expanded_a, b, expanded_b, expected: f64| {
            let normalized = normalized_error(a, expanded_a, b, expanded_b).expect("sound");
            assert!((normalized - expected).abs() < 1e-14, "{normalized} {expected}");
        };
        check(10.0, 3.0, 5.0, 4.0, 1.0);
        check(5.0, 3.0, 10.0, 4.0, -1.0);
        check(2.0, 0.0, 1.0, 4.0, 0.25);
    }

    #[test]
    fn without_any_uncertainty_nothing_can_be_compared() {
        for (expanded_a, expanded_b) in [(0.0, 0.0), (-1.0, 2.0), (f64::NAN, 1.0), (f64::INFINITY, 1.0)] {
            assert_eq!(normalized_error(1.0, expanded_a, 1.0, expanded_b), None);
        }
        assert_eq!(normalized_error(f64::INFINITY, 1.0, 1.0, 1.0), None);
    }
}
