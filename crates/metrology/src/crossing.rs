//! The one place where exact decimals become floating numbers and back.
//!
//! Registers, money and limits are decimals; statistics are `f64`. The way is by text: it gives the nearest `f64` of a decimal
//! and the shortest decimal of an `f64`, on any machine. A conversion by powers of ten is off by a last bit now and then, and
//! a rounded result that stands exactly on its limit would fall on the wrong side of it.

use rust_decimal::Decimal;

/// The `f64` nearest to a decimal.
pub fn to_f64(value: Decimal) -> f64 {
    value.to_string().parse().unwrap_or(f64::NAN)
}

/// The shortest decimal that reads as this `f64`; none if it is not finite or has no room in a decimal.
pub fn from_f64(value: f64) -> Option<Decimal> {
    let text = format!("{value:e}");
    Decimal::from_scientific(&text)
        .ok()
        .filter(|decimal| to_f64(*decimal).to_bits() == value.to_bits() || value == 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_crosses_to_the_nearest_number() {
        for (text, expected) in
            [("0.0035", 0.0035), ("0.01", 0.01), ("-1.1", -1.1), ("0", 0.0), ("123456.789", 123_456.789)]
        {
            let decimal: Decimal = text.parse().expect("literal");
            assert_eq!(to_f64(decimal).to_bits(), f64::to_bits(expected), "{text}");
            assert_eq!(from_f64(expected), Some(decimal.normalize()), "{text}");
        }
    }

    #[test]
    fn what_a_decimal_cannot_hold_does_not_cross() {
        for value in [f64::NAN, f64::INFINITY, 1e40, 1e-40] {
            assert_eq!(from_f64(value), None, "{value}");
        }
    }
}
