//! Rounding of results to an interval (化整), as regulations ask for before the decision.
//!
//! Called where a result is written down. The unrounded value is kept beside the rounded one; nothing here forgets it.

use rust_decimal::Decimal;

/// The multiple of an interval that is nearest to a value; of two equally near ones the even multiple. It is written with as
/// many decimals as the interval. None if the interval is not above zero or the multiple is too large.
///
/// # Formula
/// `interval × round_half_even(value / interval)`, by the remainder, so that a quotient without an end cannot turn a near
/// half into a half.
pub fn round_to_interval(value: Decimal, interval: Decimal) -> Option<Decimal> {
    if interval <= Decimal::ZERO {
        return None;
    }
    let remainder = value.checked_rem(interval)?;
    let towards_zero = value.checked_sub(remainder)?;
    let away_from_zero = if value < Decimal::ZERO {
        towards_zero.checked_sub(interval)?
    } else {
        towards_zero.checked_add(interval)?
    };
    let twice = remainder.abs().checked_mul(Decimal::TWO)?;
    let is_even = || Some(towards_zero.checked_div(interval)?.round().checked_rem(Decimal::TWO)?.is_zero());
    let nearest =
        if twice < interval || (twice == interval && is_even()?) { towards_zero } else { away_from_zero };
    let mut written = if nearest.is_zero() { Decimal::ZERO } else { nearest };
    written.rescale(interval.scale());
    // Where digits were cut on the way, the result is no multiple.
    (written == nearest && written.checked_rem(interval)?.is_zero()).then_some(written)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().expect("literal")
    }

    // By hand, with the intervals of class 1 (0.1 %) and class 2 (0.2 %): halves go to the even multiple.
    #[test]
    fn halves_go_to_the_even_multiple() {
        for (value, interval, expected) in [
            ("0.05", "0.1", "0.0"),
            ("0.15", "0.1", "0.2"),
            ("0.25", "0.1", "0.2"),
            ("-0.15", "0.1", "-0.2"),
            ("-0.25", "0.1", "-0.2"),
            ("-0.05", "0.1", "0.0"),
            ("0.2500000000000001", "0.1", "0.3"),
            ("1.04", "0.1", "1.0"),
            ("1.05", "0.1", "1.0"),
            ("1.0500001", "0.1", "1.1"),
            ("0.1", "0.2", "0.0"),
            ("0.3", "0.2", "0.4"),
            ("0.5", "0.2", "0.4"),
            ("0.7", "0.2", "0.8"),
            ("2.1", "0.2", "2.0"),
            ("2.11", "0.2", "2.2"),
            ("0.04", "0.05", "0.05"),
            ("7", "5", "5"),
        ] {
            let rounded = round_to_interval(decimal(value), decimal(interval)).expect("fits");
            assert_eq!(rounded.to_string(), expected, "{value} to {interval}");
        }
    }

    #[test]
    fn without_an_interval_or_room_there_is_no_multiple() {
        assert_eq!(round_to_interval(Decimal::ONE, Decimal::ZERO), None);
        assert_eq!(round_to_interval(Decimal::ONE, decimal("-0.1")), None);
        // Multiples of 1.1 as large as that have one digit too many.
        assert_eq!(round_to_interval(Decimal::MAX, decimal("1.1")), None);
    }

    proptest! {
        #[test]
        fn rounding_moves_by_half_an_interval_at_most_and_twice_is_once(value in any::<i64>(), interval in 1i64..100_000) {
            let (value, interval) = (Decimal::new(value, 6), Decimal::new(interval, 4));
            let rounded = round_to_interval(value, interval).expect("fits");
            prop_assert!((rounded - value).abs() * Decimal::TWO <= interval);
            prop_assert!((rounded % interval).is_zero());
            prop_assert_eq!(round_to_interval(rounded, interval), Some(rounded));
            prop_assert_eq!(round_to_interval(-value, interval), Some(-rounded));
        }
    }
}
