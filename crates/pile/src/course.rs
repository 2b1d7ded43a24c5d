//! The course of a charge: what its samples between the ends add up to, epoch by epoch.
//!
//! `gateway` lets a [`Course`] follow the samples of each connector, since most of them change no charge, and hands it over
//! with the charge's end; [`crate::charge`] uses it where begin and end alone would mislead.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::charge::Stand;
use crate::register::has_restarted;

/// More than any connector gives, W: megawatt charging of trucks. A register that rises faster has been set, not driven.
const POWER_MAX_W: Decimal = Decimal::from_parts(1_000_000, 0, 0, false, 0);

/// Clocks that show minutes, and samples stamped a little late: so much longer may a rise have taken, s.
const STAMP_SLACK_S: i64 = 60;

/// Power samples further apart than this say nothing of the time between, s: sampling intervals are at most 15 minutes.
const POWER_GAP_MAX_S: i64 = 900;

/// Decimal places of an integral of power, Wh: finer than any meter's register.
const INTEGRAL_PLACES: u32 = 3;

/// What the samples of a charge add up to. The order of the fields is the order in which two are compared ([`Self::fuller`]).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Course {
    /// Where the register stood last, in a sample or at start or stop.
    tip: Option<Stand>,
    /// How often the register began to count anew, or was set.
    pub restarts: u32,
    /// How often of these it was set higher: what stood before was no reading.
    pub jumps: u32,
    /// Energy of all steps inside epochs, Wh; none if there was no such step.
    pub energy_wh: Option<Decimal>,
    /// Seconds between epochs, in which energy may have gone uncounted.
    gap_s: i64,
    /// The first sample.
    pub first: Option<Stand>,
    /// The last sample.
    pub last: Option<Stand>,
    /// What the power samples add up to.
    pub power: Option<PowerSum>,
    /// Whether the times are the charger's; samples with the other kind of time are left out.
    timed: bool,
}

/// An integral of power.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PowerSum {
    /// Seconds that it covers.
    pub seconds: i64,
    /// Energy, Wh.
    pub energy_wh: Decimal,
    at: Timestamp,
    power_w: Decimal,
}

impl Course {
    /// Follows a sample of the register. One older than the last says nothing new. `timed`: by the charger's clock.
    pub fn sample(&mut self, stand: Stand, timed: bool) {
        if self.step(stand, timed) {
            self.first = self.first.or(Some(stand));
            self.last = Some(stand);
        }
    }

    /// Follows `meterStart` or `meterStop`: the register of the samples with many chargers, another with some.
    pub fn edge(&mut self, stand: Stand, timed: bool) {
        self.step(stand, timed);
    }

    fn step(&mut self, stand: Stand, timed: bool) -> bool {
        let Some(tip) = self.tip else {
            (self.tip, self.timed) = (Some(stand), timed);
            return true;
        };
        if stand.at < tip.at || timed != self.timed || stand.phases != tip.phases {
            return false;
        }
        let gap_s = stand.at.as_second().saturating_sub(tip.at.as_second());
        let rise = stand.energy_wh.saturating_sub(tip.energy_wh);
        if has_restarted(tip.energy_wh, stand.energy_wh) || (timed && rise > most_wh(gap_s + STAMP_SLACK_S)) {
            self.restarts = self.restarts.saturating_add(1);
            self.jumps = self.jumps.saturating_add(u32::from(tip.energy_wh < stand.energy_wh));
            self.gap_s = self.gap_s.saturating_add(gap_s + STAMP_SLACK_S);
        } else if stand != tip {
            self.energy_wh = Some(self.energy_wh.unwrap_or_default().saturating_add(rise));
        }
        self.tip = Some(stand);
        true
    }

    /// Follows a sample of the power, W.
    pub fn power(&mut self, at: Timestamp, power_w: Decimal) {
        let Some(sum) = &mut self.power else {
            self.power = Some(PowerSum { seconds: 0, energy_wh: Decimal::ZERO, at, power_w });
            return;
        };
        let gap_s = at.as_second().saturating_sub(sum.at.as_second());
        if gap_s <= 0 {
            return;
        }
        if gap_s <= POWER_GAP_MAX_S
            && let Some(energy_wh) = trapezium(sum.power_w, power_w, gap_s)
        {
            sum.seconds = sum.seconds.saturating_add(gap_s);
            sum.energy_wh = sum.energy_wh.saturating_add(energy_wh);
        }
        (sum.at, sum.power_w) = (at, power_w);
    }

    /// The most that can have been delivered: what was counted, and full power while nothing was.
    pub fn most_wh(&self) -> Decimal {
        self.energy_wh.unwrap_or_default().saturating_add(most_wh(self.gap_s))
    }

    /// The one of two courses of a charge that saw more of it.
    #[must_use]
    pub fn fuller(self, other: Self) -> Self {
        self.max(other)
    }
}

/// Full power for so many seconds, Wh.
fn most_wh(seconds: i64) -> Decimal {
    const SECONDS_PER_HOUR: Decimal = Decimal::from_parts(3600, 0, 0, false, 0);
    let energy_ws = POWER_MAX_W.saturating_mul(Decimal::from(seconds));
    energy_ws.checked_div(SECONDS_PER_HOUR).unwrap_or(Decimal::MAX)
}

/// # Formula
/// `(P₁ + P₂) ÷ 2 × t ÷ 3600`, in Wh.
fn trapezium(first_w: Decimal, second_w: Decimal, seconds: i64) -> Option<Decimal> {
    let doubled = first_w.checked_add(second_w)?.checked_mul(Decimal::from(seconds))?;
    Some(doubled.checked_div(Decimal::from(7200))?.round_dp(INTEGRAL_PLACES))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_770_000_000 + second).expect("in range")
    }

    fn stand(second: i64, energy_wh: i64) -> Stand {
        Stand::total(at(second), energy_wh.into())
    }

    fn followed(samples: &[(i64, i64)]) -> Course {
        let mut course = Course::default();
        samples.iter().for_each(|(second, energy_wh)| course.sample(stand(*second, *energy_wh), true));
        course
    }

    #[test]
    fn energy_is_counted_inside_epochs_only() {
        let check = |samples: &[(i64, i64)], energy: Option<i64>, restarts: (u32, u32)| {
            let course = followed(samples);
            assert_eq!(
                (course.energy_wh, (course.restarts, course.jumps)),
                (energy.map(Decimal::from), restarts),
                "{samples:?}"
            );
        };
        check(&[(0, 1000), (600, 4000), (1800, 11_000)], Some(10_000), (0, 0));
        check(&[(0, 1000), (600, 4000), (700, 0), (1800, 3000)], Some(6000), (1, 0));
        check(&[(0, 0), (60, 5_000_100), (3600, 5_010_000)], Some(9900), (1, 1));
        check(&[(0, 4_080_000), (60, 0), (3600, 5000), (3601, 4_085_000)], Some(5000), (2, 1));
        check(&[(0, 0), (60, 5_000_100)], None, (1, 1));
        check(&[(0, 5)], None, (0, 0));
        check(&[(0, 1000), (600, 4000), (300, 9_000_000), (1800, 11_000)], Some(10_000), (0, 0));
        check(&[(0, 1000), (600, 4000), (600, 4000)], Some(3000), (0, 0));
    }

    #[test]
    fn without_the_chargers_clock_no_rise_is_too_fast() {
        let mut course = Course::default();
        course.sample(stand(0, 0), false);
        course.sample(stand(1, 500_000), false);
        course.sample(stand(2, 900_000_000), true);
        assert_eq!((course.energy_wh, course.restarts), (Some(500_000.into()), 0));
    }

    #[test]
    fn power_adds_up_to_energy_but_for_long_gaps() {
        let mut course = Course::default();
        for (second, power_w) in [(0, 0), (600, 6000), (1200, 6000), (900, 1), (4000, 6000)] {
            course.power(at(second), power_w.into());
        }
        let power = course.power.expect("power");
        assert_eq!((power.seconds, power.energy_wh), (1200, 1500.into()));
    }
}
