//! Codes of DLMS/COSEM as binary records carry them: registers, OBIS codes, units, device times.
//!
//! Called by [`super::alfen`] and [`super::edl40`]. Never rounds: a value that a decimal cannot hold is none.

use rust_decimal::Decimal;

use super::{Layer, Moment, SignedReading};

/// Unit code of the watt hour (IEC 62056-6-2, table of units).
const WATT_HOUR: u8 = 30;

/// Years that a clock can show which is set: these formats are younger, and a counter of 32 bits shows 2106 where it is full.
const CLOCK_YEARS: std::ops::Range<&str> = "2010".."2100";

/// A register as it stands in a record.
pub(super) struct Register {
    /// The six bytes of its OBIS code.
    pub(super) obis: [u8; 6],
    /// Code of its unit.
    pub(super) unit: u8,
    /// Power of ten its value is to be multiplied with.
    pub(super) scaler: i8,
    /// Its value before that.
    pub(super) value: i64,
}

impl Register {
    /// The reading, with its moment and its time as text.
    pub(super) fn read(&self, moment: Moment, time: String) -> SignedReading {
        let register = scaled(self.value, self.scaler);
        SignedReading { moment, time, register, unit: unit(self.unit), obis: obis(self.obis) }
    }
}

/// What speaks against billing a reading, whichever charge it belongs to.
pub(super) fn object(layer: &mut Layer, reading: &SignedReading) {
    if reading.energy_wh().is_none() {
        layer.object("no_energy", format!("{:?} {}", reading.register, reading.unit));
    }
    if !CLOCK_YEARS.contains(&reading.time.as_str()) {
        layer.object("clock_unknown", format!("the clock showed {}", reading.time));
    }
}

/// Exact; none beyond the range of a decimal.
fn scaled(value: i64, scaler: i8) -> Option<Decimal> {
    let power = u32::from(scaler.unsigned_abs());
    if scaler <= 0 {
        return Decimal::try_from_i128_with_scale(i128::from(value), power).ok();
    }
    i128::from(value)
        .checked_mul(10i128.checked_pow(power)?)
        .and_then(|number| Decimal::try_from_i128_with_scale(number, 0).ok())
}

/// `Wh`, or the code of another unit.
fn unit(code: u8) -> String {
    if code == WATT_HOUR { "Wh".to_owned() } else { format!("unit {code}") }
}

/// `1-0:1.8.0*255` (IEC 62056-61).
fn obis([a, b, c, d, e, f]: [u8; 6]) -> String {
    format!("{a}-{b}:{c}.{d}.{e}*{f}")
}

/// Seconds since 1970 of a clock that shows local time: `2026-03-01T08:00:00`, without a zone, because none is signed.
pub(super) fn local_time(seconds: u32) -> String {
    civil(seconds).to_string()
}

/// Seconds since 1970, UTC: `2026-03-01T08:00:00Z`.
pub(super) fn utc_time(seconds: u32) -> String {
    format!("{}Z", civil(seconds))
}

fn civil(seconds: u32) -> jiff::civil::DateTime {
    let instant = jiff::Timestamp::from_second(i64::from(seconds)).expect("32 bits of seconds end in 2106");
    instant.to_zoned(jiff::tz::TimeZone::UTC).datetime()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_stay_exact_at_every_scaler() {
        let check = |value: i64, scaler: i8, expected: Option<&str>| {
            assert_eq!(
                scaled(value, scaler).map(|n| n.to_string()).as_deref(),
                expected,
                "{value} e{scaler}"
            );
        };
        check(15_762, 0, Some("15762"));
        check(2_918, -1, Some("291.8"));
        check(-5, -3, Some("-0.005"));
        check(7, 3, Some("7000"));
        check(i64::MAX, -28, Some("0.0000000009223372036854775807"));
        check(i64::MAX, 20, None);
        check(1, i8::MAX, None);
        check(1, i8::MIN, None);
    }

    #[test]
    fn codes_are_written_as_people_write_them() {
        assert_eq!(obis([1, 0, 1, 8, 0, 255]), "1-0:1.8.0*255");
        assert_eq!((unit(30).as_str(), unit(27).as_str()), ("Wh", "unit 27"));
        // `date -u -d @1542984061`, `date -u -d @4294967295`
        assert_eq!(utc_time(1_542_984_061), "2018-11-23T14:41:01Z");
        assert_eq!(local_time(u32::MAX), "2106-02-07T06:28:15");
    }
}
