//! What kind of register a connector has, told from its charges: lifetime, session, reset on boot; its step; where it restarted.
//!
//! `ocpp::register` and [`crate::course`] ask whether a register restarted; `store` decides the kind and the step of a
//! connector's register when a charge has ended. Nothing here is remembered.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};

use crate::Phase;

/// Registers are whole Wh in many chargers, rounded here and truncated there: a step back of 1 Wh is no fall
/// (lbbrhzn/ocpp#1810).
pub const STEP_BACK_WH: Decimal = Decimal::ONE;

/// A register that falls by more than this has restarted, wherever it then stands: no rounding and no glitch of a meter takes
/// back a kilowatt-hour.
const RESTART_FALL_WH: Decimal = Decimal::ONE_THOUSAND;

/// Charges looked back upon: a busy connector's last two days, so that a repaired charger is soon seen as it is.
pub const CHARGES_OBSERVED_MAX: usize = 20;

/// A kind takes two charges that say so: one may be a placeholder, a changed meter or a lost message.
const VOTES_MIN: usize = 2;

/// A lifetime register may have one charge in five that looks like a restart (placeholders of offline starts do).
const LIFETIME_EXCEPTIONS: usize = 4;

/// Values from which a step is concluded. A meter that counts single Wh shows six multiples of ten once in a million.
const STEP_VALUES_MIN: usize = 6;

/// Registers that step by less are fine enough for any charge worth a bill.
const COARSE_STEP_MIN_WH: Decimal = Decimal::TEN;

/// A charge of fewer steps than this says little of the meter: both ends are rounded to a step q, so the difference has the
/// standard uncertainty q/√6, which is 0.4 % of a hundred steps, as much as a good estimate has.
const STEPS_MIN: Decimal = Decimal::ONE_HUNDRED;

/// How a connector's register counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegisterKind {
    /// On and on: what OCPP means.
    Lifetime,
    /// From 0 with every charge.
    Session,
    /// From 0 whenever the charger boots.
    ResetOnBoot,
    /// Too few charges to say, or they contradict each other.
    #[default]
    Unknown,
}

impl RegisterKind {
    /// Its word, as stored.
    pub fn word(self) -> &'static str {
        match self {
            Self::Lifetime => "lifetime",
            Self::Session => "session",
            Self::ResetOnBoot => "reset_on_boot",
            Self::Unknown => "unknown",
        }
    }

    /// Reads [`Self::word`] back.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Lifetime, Self::Session, Self::ResetOnBoot, Self::Unknown]
            .into_iter()
            .find(|kind| kind.word() == word)
    }
}

/// What one charge shows of its connector's register.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Observed {
    /// `meterStart`, Wh.
    pub start_wh: Option<Decimal>,
    /// The register's first value in the charge, Wh: of samples where there are any, else `meterStart`.
    pub first_wh: Option<Decimal>,
    /// Its last, Wh.
    pub last_wh: Option<Decimal>,
    /// The charger's last boot before the charge, as a mark to tell boots apart.
    pub booted_at: Option<Timestamp>,
    /// Whether it restarted between.
    pub restarted: bool,
}

impl Observed {
    /// Whether the samples lie below the start register: they count the session, start and stop the lifetime.
    fn is_below_start(&self) -> bool {
        matches!((self.start_wh, self.first_wh), (Some(start), Some(first)) if has_restarted(start, first))
    }
}

/// Where an epoch of a register ends and another begins: values of two epochs have no difference.
#[derive(Debug, Clone, PartialEq)]
pub struct Restart {
    /// Connector (EVSE in 2.x).
    pub connector: u32,
    /// Which register of the connector.
    pub phase: Phase,
    /// When the new epoch was first seen.
    pub at: Timestamp,
    /// The last value of the old epoch, Wh.
    pub before_wh: Decimal,
    /// The first of the new, Wh.
    pub after_wh: Decimal,
}

/// Whether a register that stood at `before` and now stands at `after` (Wh) counts anew. A fall of a few Wh is a fault, not
/// a restart.
pub fn has_restarted(before: Decimal, after: Decimal) -> bool {
    let fall = before.saturating_sub(after);
    fall > STEP_BACK_WH && (fall > RESTART_FALL_WH || after.saturating_add(after) <= before)
}

/// The kind of a register from its charges, oldest first.
pub fn kind(charges: &[Observed]) -> RegisterKind {
    let (mut lifetime, mut session, mut boot) = (0, 0, 0);
    for (before, charge) in charges.iter().zip(charges.iter().skip(1)) {
        match (before.last_wh, charge.first_wh) {
            (Some(last), Some(first)) if has_restarted(last, first) => {
                if before.booted_at == charge.booted_at { session += 1 } else { boot += 1 }
            }
            (Some(last), Some(_)) if !last.is_zero() => lifetime += 1,
            _ => {}
        }
    }
    for charge in charges {
        if charge.is_below_start() {
            session += 1;
        } else if charge.restarted {
            boot += 1;
        }
    }
    decide(lifetime, session, boot)
}

fn decide(lifetime: usize, session: usize, boot: usize) -> RegisterKind {
    if session >= VOTES_MIN && session >= lifetime {
        RegisterKind::Session
    } else if boot >= VOTES_MIN && session < boot {
        RegisterKind::ResetOnBoot
    } else if lifetime >= VOTES_MIN && (session + boot) * LIFETIME_EXCEPTIONS <= lifetime {
        RegisterKind::Lifetime
    } else {
        RegisterKind::Unknown
    }
}

/// The step in which a register counts, Wh, from its charges; none where they are too few to tell, or the step is fine.
///
/// # Formula
/// The greatest common divisor of the values, in mWh.
pub fn coarse_step_wh(charges: &[Observed]) -> Option<Decimal> {
    let values: BTreeSet<Decimal> = charges
        .iter()
        .flat_map(|charge| [charge.first_wh, charge.last_wh])
        .flatten()
        .filter(|value| value.is_sign_positive() && !value.is_zero())
        .collect();
    if values.len() < STEP_VALUES_MIN {
        return None;
    }
    let step = values.iter().try_fold(0, |step, value| Some(common_divisor(step, milli(*value)?)))?;
    let step = Decimal::from_i128_with_scale(i128::from(step), 3).normalize();
    (step >= COARSE_STEP_MIN_WH).then_some(step)
}

/// Whether a charge is too small for a register of this step.
pub fn is_coarse(energy_wh: Decimal, step_wh: Decimal) -> bool {
    step_wh.checked_mul(STEPS_MIN).is_some_and(|least| energy_wh < least)
}

fn milli(value: Decimal) -> Option<u64> {
    let milli = value.checked_mul(Decimal::ONE_THOUSAND)?;
    milli.is_integer().then(|| milli.to_u64()).flatten()
}

fn common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wh(text: &str) -> Decimal {
        text.parse().expect("literal")
    }

    fn charge(start: i64, first: i64, last: i64, boot: i64) -> Observed {
        Observed {
            start_wh: Some(start.into()),
            first_wh: Some(first.into()),
            last_wh: Some(last.into()),
            booted_at: Timestamp::from_second(boot).ok(),
            restarted: false,
        }
    }

    #[test]
    fn a_fall_of_a_few_watt_hours_is_no_restart() {
        let check = |before: &str, after: &str, restarted| {
            assert_eq!(has_restarted(wh(before), wh(after)), restarted, "{before} {after}");
        };
        check("1000", "999", false);
        check("1000", "990", false);
        check("1000", "500", true);
        check("1000", "0", true);
        check("4080000", "4079500", false);
        check("4080000", "3000000", true);
        check("0", "0", false);
        check("1", "0", false);
        check("1000", "5000000", false);
    }

    #[test]
    fn the_kind_of_a_register_shows_in_its_charges() {
        let check = |charges: &[Observed], expected| assert_eq!(kind(charges), expected, "{charges:?}");
        let on = |n: i64| charge(n * 5000, n * 5000, (n + 1) * 5000, 1);
        check(&[], RegisterKind::Unknown);
        check(&[on(1), on(2)], RegisterKind::Unknown);
        check(&[on(1), on(2), on(3)], RegisterKind::Lifetime);
        // Samples from 0, start and stop on and on: Grizzl-E, lbbrhzn/ocpp#2093.
        let beside = |n: i64| charge(n * 5000, 0, 5000, 1);
        check(&[beside(1), beside(2)], RegisterKind::Session);
        let from_zero = || charge(0, 0, 5000, 1);
        check(&[from_zero(), from_zero(), from_zero()], RegisterKind::Session);
        // Java-OCA-OCPP#331: counts on from charge to charge, anew after each boot.
        let boots = [
            charge(0, 0, 5000, 1),
            charge(5000, 5000, 9000, 1),
            charge(0, 0, 4000, 2),
            charge(4000, 4000, 8000, 2),
        ];
        check(&boots, RegisterKind::Unknown);
        check(&[&boots[..], &[charge(0, 0, 3000, 3)]].concat(), RegisterKind::ResetOnBoot);
        // One placeholder among many is an exception.
        check(&[on(1), on(2), charge(0, 0, 20_000, 1), on(4), on(5), on(6)], RegisterKind::Lifetime);
        check(&[on(1), on(2), charge(0, 0, 5000, 1), charge(0, 0, 5000, 1)], RegisterKind::Session);
    }

    #[test]
    fn the_step_is_told_from_six_values_or_not_at_all() {
        let of =
            |values: [i64; 6]| coarse_step_wh(&[0, 2, 4].map(|n| charge(0, values[n], values[n + 1], 1)));
        assert_eq!(of([100, 500, 600, 1100, 1200, 2300]), Some(wh("100")));
        assert_eq!(of([100, 510, 600, 1100, 1200, 2300]), Some(wh("10")));
        assert_eq!(of([100, 501, 600, 1100, 1200, 2300]), None, "single Wh are fine");
        assert_eq!(of([100, 500, 500, 1100, 1200, 2300]), None, "five values are too few");
        assert!(is_coarse(wh("9999"), wh("100")) && !is_coarse(wh("10000"), wh("100")));
    }
}
