//! A pile's clock as the platform measured it: from messages that bear the pile's time and from the round trips of calls to it.
//!
//! `store` brings the messages, `api` offers what they say beside the form for the clock and keeps it with what a person read. It
//! never decides: see [`crate::item`].

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use veripile_metrology::clock;
pub use veripile_metrology::clock::ClockPair;

/// Messages that a measurement rests on, the newest: enough that some of them were not late, and few enough that they go back to before
/// a clock was set only where it was set just now.
pub const MESSAGES_MAX: usize = 16;

/// How old a message may be: a working day, in which no quartz clock drifts by more than some seconds.
pub const AGE_MAX: SignedDuration = SignedDuration::from_hours(8);

/// Where every stamp is whole so far, the pile's clock counts in such steps, ms.
const SECOND_MS: i64 = 1000;

/// An offset as measured, with what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasuredOffset {
    /// Pile minus true time, s: the middle of what it can be.
    pub offset_s: Decimal,
    /// How far at most it is off to either side, s.
    pub half_width_s: Decimal,
    /// Arrival of the newest message.
    pub at: Timestamp,
    /// Messages.
    pub messages: u32,
    /// Shortest round trip of a call to the pile, s.
    pub round_trip_s: Decimal,
}

impl MeasuredOffset {
    /// From stamped messages, the round trip of the fastest call, ms, and the arrival of the newest message. None without messages, or
    /// with numbers that no clock gives.
    ///
    /// # Formula
    /// A message is stamped `t_d = t + o`, cut to the clock's step s, and received at `t_r = t + d`: the largest difference
    /// `m = max(t_d − t_r)` is `o − d − c` with d the least delay, from 0 to the round trip r, and c the cut, from 0 to s. So
    /// `o = m + (r + s)/2 ± (r + s)/2`. s is a second where all stamps are whole seconds, else nothing.
    pub fn of(pairs: &[ClockPair], round_trip_ms: i64, at: Timestamp) -> Option<Self> {
        // A clock has no limit here: whether it is within one is the item's affair.
        let least_s = clock::check(pairs, 0, Decimal::ZERO).ok()?.error_s;
        let is_whole = pairs.iter().all(|pair| pair.device_ms % SECOND_MS == 0);
        let step_ms = if is_whole { SECOND_MS } else { 0 };
        let width_ms = round_trip_ms.checked_add(step_ms).filter(|width| 0 <= *width)?;
        let half_width_s = Decimal::new(width_ms, 3) / Decimal::TWO;
        Some(Self {
            offset_s: least_s.checked_add(half_width_s)?.normalize(),
            half_width_s: half_width_s.normalize(),
            at,
            messages: u32::try_from(pairs.len()).ok()?,
            round_trip_s: Decimal::new(round_trip_ms, 3).normalize(),
        })
    }

    /// Whether somebody who read another offset off the pile contradicts it: by more than the limit.
    pub fn is_contradicted(&self, offset_s: Decimal, limit_s: Decimal) -> bool {
        offset_s.checked_sub(self.offset_s).is_none_or(|difference| limit_s < difference.abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().expect("literal")
    }

    /// Messages sent at these moments, ms, by a clock ahead by an offset that counts in steps, each so late, ms.
    fn pairs(offset_ms: i64, step_ms: i64, sent: &[(i64, i64)]) -> Vec<ClockPair> {
        let stamp = |at: i64| (at + offset_ms).div_euclid(step_ms) * step_ms;
        sent.iter().map(|(at, delay)| ClockPair { device_ms: stamp(*at), received_ms: at + delay }).collect()
    }

    // The truth is put in; the delays of the fastest are within the round trip of 60 ms.
    #[test]
    fn the_true_offset_lies_within_what_is_stated() {
        let sent = [(10_000, 2500), (20_370, 31), (31_990, 55), (44_040, 900)];
        for offset_ms in [-181_000, -2400, 0, 730, 5001] {
            for (step_ms, half_width) in [(1, "0.03"), (1000, "0.53")] {
                let pairs = pairs(offset_ms, step_ms, &sent);
                let found = MeasuredOffset::of(&pairs, 60, Timestamp::UNIX_EPOCH).expect("measured");
                assert_eq!(found.half_width_s, decimal(half_width), "{offset_ms} {step_ms}");
                let off = (found.offset_s - Decimal::new(offset_ms, 3)).abs();
                assert!(off <= found.half_width_s, "{offset_ms} {step_ms}: {found:?}");
                assert_eq!((found.messages, found.round_trip_s), (4, decimal("0.06")));
            }
        }
    }

    // By hand: the fastest of the messages came 0.031 s late, half of 0.06 s is added to it.
    #[test]
    fn half_the_round_trip_is_added_to_the_fastest_message() {
        let found =
            MeasuredOffset::of(&pairs(730, 1, &[(20_370, 31), (31_990, 55)]), 60, Timestamp::UNIX_EPOCH);
        assert_eq!(found.expect("measured").offset_s, decimal("0.729"));
    }

    #[test]
    fn without_messages_or_with_times_of_no_clock_nothing_is_measured() {
        assert_eq!(MeasuredOffset::of(&[], 60, Timestamp::UNIX_EPOCH), None);
        let some = pairs(0, 1, &[(10, 10)]);
        assert_eq!(MeasuredOffset::of(&some, -1, Timestamp::UNIX_EPOCH), None);
        assert_eq!(
            MeasuredOffset::of(&some, i64::MAX, Timestamp::UNIX_EPOCH).map(|found| found.messages),
            Some(1)
        );
        let far = [ClockPair { device_ms: i64::MAX, received_ms: -1 }];
        assert_eq!(MeasuredOffset::of(&far, 60, Timestamp::UNIX_EPOCH), None);
    }

    #[test]
    fn what_differs_by_more_than_the_limit_contradicts() {
        let found =
            MeasuredOffset::of(&pairs(1000, 1, &[(10, 0)]), 0, Timestamp::UNIX_EPOCH).expect("measured");
        for (read, contradicts) in
            [("1", false), ("6", false), ("-4", false), ("6.001", true), ("-4.001", true)]
        {
            assert_eq!(found.is_contradicted(decimal(read), decimal("5")), contradicts, "{read}");
        }
    }
}
