//! Numbers, days and moments as documents print them.
//!
//! Called by the parts of a document. The unrounded values stand in the signed JSON.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use veripile_metrology::rounding::{written, written_with_sign};

use crate::certificate::SHANGHAI;
use crate::result::PointResult;
use crate::texts::{Language, Texts, fill};

/// Least and most digits after the point of percentages.
const DIGITS: (u32, u32) = (2, 5);

/// Digits after the point at which every point's expanded uncertainty has its two significant digits (JCGM 100, 7.2.6); errors
/// are given to the same place.
pub(super) fn digits(points: &[PointResult]) -> u32 {
    let needed = |point: &PointResult| second_digit(point.expanded_uncertainty_percent);
    points.iter().map(needed).max().unwrap_or(DIGITS.0).clamp(DIGITS.0, DIGITS.1)
}

/// Place of the second significant digit, after the point.
fn second_digit(value: Decimal) -> u32 {
    let mut digits = 1;
    let mut edge = Decimal::ONE;
    while value < edge && digits <= DIGITS.1 {
        edge = edge.checked_div(Decimal::TEN).unwrap_or_default();
        digits += 1;
    }
    digits
}

/// A value with so many digits after the point.
pub(super) fn plain(value: Decimal, digits: u32) -> String {
    written(value, digits).replace('-', "\u{2212}")
}

/// The same with its sign; zero has none.
pub(super) fn signed(value: Decimal, digits: u32) -> String {
    written_with_sign(value, digits).replace('-', "\u{2212}")
}

/// A value as it was given, without zeros that say nothing.
pub(super) fn given(value: Decimal) -> String {
    value.normalize().to_string().replace('-', "\u{2212}")
}

/// A probability in percent. Documents hold six digits of it, so that 1 and 0 are not certainty.
pub(super) fn probability(value: Decimal) -> String {
    if Decimal::ONE <= value {
        return "> 99.9999 %".to_owned();
    }
    if value <= Decimal::ZERO {
        return "< 0.0001 %".to_owned();
    }
    let percent = value.checked_mul(Decimal::ONE_HUNDRED).unwrap_or(value);
    format!("{} %", given(percent))
}

/// A day.
pub(super) fn day(date: Date, texts: &Texts) -> String {
    let width = match texts.language {
        Language::Zh => 1,
        Language::En => 2,
    };
    let padded = |number: i8| format!("{number:0width$}");
    let (year, month, day) = (date.year().to_string(), padded(date.month()), padded(date.day()));
    fill(texts.of("date"), &[("year", &year), ("month", &month), ("day", &day)])
}

/// A moment, China's time.
pub(super) fn moment(at: Timestamp) -> String {
    at.to_zoned(TimeZone::fixed(SHANGHAI)).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().expect("literal")
    }

    #[test]
    fn numbers_carry_the_sign_of_print_and_zero_carries_none() {
        for (value, digits, expected) in [
            ("0.1235", 3, "+0.124"),
            ("-0.1235", 3, "\u{2212}0.124"),
            ("-0.0004", 3, "0.000"),
            ("0.0004", 3, "0.000"),
            ("12", 2, "+12.00"),
        ] {
            assert_eq!(signed(decimal(value), digits), expected, "{value}");
        }
        assert_eq!(given(decimal("-1.500")), "\u{2212}1.5");
    }

    // JCGM 100, 7.2.6: two significant digits at most; 0.053 % needs three digits after the point, 0.0083 % four.
    #[test]
    fn the_uncertainty_says_how_many_digits_there_are() {
        for (value, expected) in
            [("0.053", 3), ("0.0083", 4), ("0.53", 2), ("5.3", 1), ("0.1", 2), ("1", 1), ("0", 6)]
        {
            assert_eq!(second_digit(decimal(value)), expected, "{value}");
        }
    }

    #[test]
    fn a_probability_is_never_certainty() {
        for (value, expected) in
            [("1.000000", "> 99.9999 %"), ("0.999999", "99.9999 %"), ("0.5", "50 %"), ("0", "< 0.0001 %")]
        {
            assert_eq!(probability(decimal(value)), expected);
        }
    }
}
