//! The error of a clock, from messages that carry its time and arrive late by an unknown delay.
//!
//! Called with the pairs of device and receive time of many messages. It never asks what time it is.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Most pairs of one check: a day of one message a second.
pub const PAIRS_MAX: usize = 86_400;

/// Two times of one message, milliseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockPair {
    /// The device's clock when it sent the message.
    pub device_ms: i64,
    /// Our clock when the message arrived.
    pub received_ms: i64,
}

/// A clock checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ClockError {
    /// Error, s; positive: the clock is ahead.
    pub error_s: Decimal,
    /// How much later than the fastest message the slowest came, s. The fastest of a single message or of equally slow ones
    /// says little.
    pub delay_spread_s: Decimal,
    /// Messages that it rests on.
    pub pairs: usize,
    /// Limit of the absolute error, s.
    pub limit_s: Decimal,
    /// Whether the error is within ± the limit.
    pub within: bool,
}

/// Why there is no error of a clock.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClockCheckError {
    /// No message.
    #[error("no message carries the clock's time")]
    NoPairs,
    /// Too many messages.
    #[error("{0} messages, more than {PAIRS_MAX}")]
    TooMany(usize),
    /// A delay or limit below zero.
    #[error("{0} must not be negative")]
    Negative(&'static str),
    /// Times beyond any calendar.
    #[error("the times are beyond any calendar")]
    Overflow,
}

/// Error of a clock by the lower envelope of the delays, against a limit in seconds.
///
/// # Formula
/// A message is stamped `t_d = t + o` and received at `t_r = t + d` with `d ≥ d_min`, so `t_d − t_r = o − d`. The largest
/// difference belongs to the fastest message: `o = max(t_d − t_r) + d_min`. With `d_min` unknown, 0 bounds o from below.
/// A device that cuts its stamps to whole seconds lowers each by up to one; among many messages some lose almost nothing.
pub fn check(
    pairs: &[ClockPair],
    least_delay_ms: i64,
    limit_s: Decimal,
) -> Result<ClockError, ClockCheckError> {
    if PAIRS_MAX < pairs.len() {
        return Err(ClockCheckError::TooMany(pairs.len()));
    }
    if least_delay_ms < 0 {
        return Err(ClockCheckError::Negative("least delay"));
    }
    if limit_s < Decimal::ZERO {
        return Err(ClockCheckError::Negative("limit"));
    }
    let (mut most, mut least) = (i64::MIN, i64::MAX);
    for pair in pairs {
        let ahead = pair.device_ms.checked_sub(pair.received_ms).ok_or(ClockCheckError::Overflow)?;
        most = most.max(ahead);
        least = least.min(ahead);
    }
    if pairs.is_empty() {
        return Err(ClockCheckError::NoPairs);
    }
    let error_ms = most.checked_add(least_delay_ms).ok_or(ClockCheckError::Overflow)?;
    let spread_ms = most.checked_sub(least).ok_or(ClockCheckError::Overflow)?;
    let error_s = Decimal::new(error_ms, 3);
    Ok(ClockError {
        error_s,
        delay_spread_s: Decimal::new(spread_ms, 3),
        pairs: pairs.len(),
        limit_s,
        within: error_s.abs() <= limit_s,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock ahead by `offset`, seen through delays, ms.
    fn seen(offset: i64, delays: &[i64]) -> Vec<ClockPair> {
        (0i64..)
            .zip(delays)
            .map(|(n, delay)| {
                let truth = 1_770_000_000_000 + 60_000 * n;
                ClockPair { device_ms: truth + offset, received_ms: truth + delay }
            })
            .collect()
    }

    fn seconds(text: &str) -> Decimal {
        text.parse().expect("literal")
    }

    // The truth is put in: whatever the slower messages do, the fastest tells the offset.
    #[test]
    fn the_fastest_message_tells_the_offset() {
        for offset in [-200_000, -4000, 0, 750, 4999, 181_000] {
            let pairs = seen(offset, &[900, 120, 80, 30_000, 81]);
            let found = check(&pairs, 80, seconds("5")).expect("sound");
            assert_eq!(found.error_s, Decimal::new(offset, 3));
            assert_eq!(found.delay_spread_s, seconds("29.920"));
            assert_eq!(found.within, offset.abs() <= 5000);
        }
    }

    #[test]
    fn the_limit_itself_is_within() {
        let within = |offset, limit| check(&seen(offset, &[0]), 0, seconds(limit)).expect("sound").within;
        assert!(within(5000, "5") && within(-5000, "5"));
        assert!(!within(5001, "5") && !within(-5001, "5"));
        assert!(within(180_000, "180") && !within(180_001, "180"));
    }

    #[test]
    fn what_says_nothing_is_refused() {
        assert_eq!(check(&[], 0, Decimal::ONE), Err(ClockCheckError::NoPairs));
        assert_eq!(check(&seen(0, &[0]), -1, Decimal::ONE), Err(ClockCheckError::Negative("least delay")));
        assert_eq!(check(&seen(0, &[0]), 0, seconds("-1")), Err(ClockCheckError::Negative("limit")));
        let far = ClockPair { device_ms: i64::MAX, received_ms: -1 };
        assert_eq!(check(&[far], 0, Decimal::ONE), Err(ClockCheckError::Overflow));
        let many = vec![seen(0, &[0])[0]; PAIRS_MAX + 1];
        assert_eq!(check(&many, 0, Decimal::ONE), Err(ClockCheckError::TooMany(PAIRS_MAX + 1)));
    }
}
