//! Rounding of results to an interval (化整), as regulations ask for before the decision, and to the decimals that people are shown.
//!
//! Called where a result is written down. The unrounded value is kept beside the rounded one; nothing here forgets it. Halves go to the
//! even neighbour (GB/T 8170); amounts of money are rounded in [`crate::payment`].

use rust_decimal::{Decimal, RoundingStrategy};

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

/// A value as people are shown it: with so many decimals, of two equally near ones the even one. Nothing has no sign, since `-0.00` would
/// claim one.
///
/// A precision in a format string does not round a decimal but cuts it off (`{:.2}` makes 3.20 of 3.207), so that only here one is used.
pub fn written(value: Decimal, decimals: u32) -> String {
    let rounded = value.round_dp_with_strategy(decimals, RoundingStrategy::MidpointNearestEven);
    let rounded = if rounded.is_zero() { Decimal::ZERO } else { rounded };
    format!("{rounded:.*}", decimals as usize)
}

/// The same with its sign where it is above nothing, too.
pub fn written_with_sign(value: Decimal, decimals: u32) -> String {
    let text = written(value, decimals);
    let is_positive = !text.starts_with('-') && text.bytes().any(|digit| matches!(digit, b'1'..=b'9'));
    if is_positive { format!("+{text}") } else { text }
}

/// A value in every digit it has, with so many decimals at least: of what is a limit to somebody, as a price, nothing may be taken off.
pub fn in_full(value: Decimal, decimals_min: u32) -> String {
    let value = value.normalize();
    written(value, value.scale().max(decimals_min))
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

    // 21.625 kWh by the pile and 20.953 by the vehicle are +3.20717 % apart; the other values by hand, halves to the even digit.
    #[test]
    fn what_is_shown_is_rounded_and_not_cut_off() {
        let apart = (decimal("21.625") - decimal("20.953")) / decimal("20.953") * Decimal::ONE_HUNDRED;
        assert_eq!(written_with_sign(apart, 2), "+3.21");
        for (value, decimals, plain, signed) in [
            ("3.206", 2, "3.21", "+3.21"),
            ("-3.206", 2, "-3.21", "-3.21"),
            ("0.125", 2, "0.12", "+0.12"),
            ("0.135", 2, "0.14", "+0.14"),
            ("0.1250001", 2, "0.13", "+0.13"),
            ("-0.004", 2, "0.00", "0.00"),
            ("0.004", 2, "0.00", "0.00"),
            ("9.9996", 3, "10.000", "+10.000"),
            ("12", 2, "12.00", "+12.00"),
            ("0.5", 0, "0", "0"),
            ("1.5", 0, "2", "+2"),
        ] {
            assert_eq!(written(decimal(value), decimals), plain, "{value}");
            assert_eq!(written_with_sign(decimal(value), decimals), signed, "{value}");
        }
    }

    #[test]
    fn a_price_keeps_every_digit_and_is_in_fen_at_least() {
        for (value, expected) in
            [("1.209", "1.209"), ("1.2", "1.20"), ("1", "1.00"), ("0", "0.00"), ("0.90000", "0.90")]
        {
            assert_eq!(in_full(decimal(value), 2), expected, "{value}");
        }
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
