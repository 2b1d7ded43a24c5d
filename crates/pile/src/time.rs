//! Two clocks that must never be mixed up: the charger's and ours.
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

#[cfg(test)]
mod tests {
    use super::*;

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
