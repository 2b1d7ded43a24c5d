//! Two clocks that must never be mixed up, the charger's and ours; and how a moment is read that people or files give.
//!
//! A charger's clock is evidence (it may be wrong, missing or set to 1970); ours orders what arrived. They are different
//! types so that no comparison between them happens by accident.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What the charger's clock said, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeviceTime(pub Timestamp);

/// When the message reached us, by our clock, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReceiveTime(pub Timestamp);

/// Seconds since 1970 of 2010-01-01: no public charger speaks OCPP with an honest clock before it.
const FIRST_BELIEVABLE_S: i64 = 1_262_304_000;

/// How far a charger's clock may run ahead of ours and still be believed.
const AHEAD_BELIEVABLE_S: i64 = 24 * 3600;

impl DeviceTime {
    /// Whether this clock reading can be real, given when its message arrived.
    ///
    /// A time before 2010 or more than a day ahead of ours is kept as sent but not used for ordering.
    pub fn is_believable(self, received: ReceiveTime) -> bool {
        let s = self.0.as_second();
        FIRST_BELIEVABLE_S <= s && s <= received.0.as_second() + AHEAD_BELIEVABLE_S
    }
}

/// A moment as RFC 3339 writes it, of files and of what people give: `2026-03-01T08:00:00+08:00`. As there, letters may be small and a blank may
/// stand for the T; a fraction has nine digits at most. None of what else is read as a time elsewhere: years of six digits, offsets of a day and
/// more, without colon or with seconds, times without seconds, hyphens or colons, names of zones. A moment so read may be another than meant.
pub fn rfc3339(text: &str) -> Option<Timestamp> {
    let (clock, rest) = text.as_bytes().split_at_checked(FORM.len())?;
    let is_written = clock.iter().zip(FORM).all(|(byte, form)| match form {
        b'0' => byte.is_ascii_digit(),
        b'T' => matches!(byte, b'T' | b't' | b' '),
        _ => byte == form,
    });
    let offset = match rest.strip_prefix(b".") {
        None => rest,
        Some(fraction) => {
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits == 0 {
                return None;
            }
            &fraction[digits..]
        }
    };
    let up_to = |digits: [u8; 2], most: [u8; 2]| digits.iter().all(u8::is_ascii_digit) && digits <= most;
    let is_offset = match *offset {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', h, hh, b':', m, mm] => up_to([h, hh], *b"23") && up_to([m, mm], *b"59"),
        _ => false,
    };
    if is_written && is_offset { text.parse().ok() } else { None }
}

/// Date and time of [`rfc3339`]: digits, and what stands between.
const FORM: &[u8; 19] = b"0000-00-00T00:00:00";

#[cfg(test)]
mod tests {
    use super::*;

    // Seconds since 1970 by Python's datetime; the last two are RFC 3339's own examples (5.8).
    #[test]
    fn a_moment_is_what_rfc_3339_says_and_nothing_else() {
        for (text, seconds) in [
            ("2026-03-05T08:00:00Z", 1_772_697_600),
            ("2026-03-05t08:00:00z", 1_772_697_600),
            ("2026-03-05 08:00:00+08:00", 1_772_668_800),
            ("2026-03-05T08:00:00.123456789-00:00", 1_772_697_600),
            ("2026-03-05T08:00:00+23:59", 1_772_611_260),
            ("2026-03-05T08:00:00-23:59", 1_772_783_940),
            ("1985-04-12T23:20:50.52Z", 482_196_050),
            ("1996-12-19T16:39:57-08:00", 851_042_397),
        ] {
            assert_eq!(rfc3339(text).map(Timestamp::as_second), Some(seconds), "{text}");
        }
        for text in [
            "",
            "2026-03-05",
            "2026-03-05T08:00:00",
            "2026-03-05T08:00:00+24:00",
            "2026-03-05T08:00:00+25:00",
            "2026-03-05T08:00:00+08:60",
            "2026-03-05T08:00:00+0800",
            "2026-03-05T08:00:00+08",
            "2026-03-05T08:00:00+08:00:00",
            "2026-03-05T08:00:00+08:00[Asia/Shanghai]",
            "2026-03-05T08:00:00[Asia/Shanghai]",
            "2026-03-05T08:00:00 +08:00",
            "2026-03-05T08:00:00\u{2212}08:00",
            "2026-03-05T08:00:00.Z",
            "2026-03-05T08:00:00,5Z",
            "2026-03-05T08:00Z",
            "2026-03-05T08Z",
            "2026-03-05T24:00:00Z",
            "2026-02-29T08:00:00Z",
            "2026-13-05T08:00:00Z",
            "20260305T080000Z",
            "+002026-03-05T08:00:00Z",
            "-002026-03-05T08:00:00Z",
            "2026/03/05T08:00:00Z",
            "2026-W10-4T08:00:00Z",
            "1772697600",
            "２０２６-03-05T08:00:00Z",
        ] {
            assert_eq!(rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn a_clock_of_1970_or_of_next_week_is_not_believed() {
        let received = ReceiveTime("2026-03-01T00:00:00Z".parse().expect("literal"));
        for (text, believable) in [
            ("1970-01-01T00:00:00Z", false),
            ("2026-02-01T00:00:00Z", true),
            ("2026-03-01T23:59:59Z", true),
            ("2026-03-08T00:00:00Z", false),
        ] {
            let device = DeviceTime(text.parse().expect("literal"));
            assert_eq!(device.is_believable(received), believable, "{text}");
        }
    }
}
