//! Quantities with their units as types, over exact decimals: what is read from a register, a plate or a reference source.
//!
//! Called by everything that handles a reading before statistics begin. Only operations that mean something exist, and all
//! of them are checked: a number from outside never makes the program give up. Nothing here rounds on purpose; a quotient that
//! has no end is cut by [`Decimal`] at its 28th digit, half to even.

use std::fmt;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// Seconds of an hour, for energies in Wh.
const SECONDS_PER_HOUR: Decimal = Decimal::from_parts(3600, 0, 0, false, 0);

/// Phases of an alternating current that a pile can have.
pub const PHASES_MAX: u8 = 3;

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident, $unit:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Decimal);

        impl $name {
            /// The unit's symbol, empty for a pure number.
            pub const UNIT: &'static str = $unit;
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)?;
                if Self::UNIT.is_empty() { Ok(()) } else { write!(f, " {}", Self::UNIT) }
            }
        }
    };
}

/// Quantities of which two can be added and subtracted and are of the same kind again.
macro_rules! additive {
    ($($name:ident),*) => {$(
        impl $name {
            /// The sum; none if it is too large for a decimal.
            pub fn checked_add(self, other: Self) -> Option<Self> {
                self.0.checked_add(other.0).map(Self)
            }

            /// The difference; none if it is too large for a decimal.
            pub fn checked_sub(self, other: Self) -> Option<Self> {
                self.0.checked_sub(other.0).map(Self)
            }
        }
    )*};
}

quantity!(
    /// Voltage, V.
    Voltage, "V"
);
quantity!(
    /// Current, A.
    Current, "A"
);
quantity!(
    /// Active power, W.
    Power, "W"
);
quantity!(
    /// Active energy, Wh.
    Energy, "Wh"
);
quantity!(
    /// Power factor cos φ, without a unit.
    PowerFactor, ""
);
quantity!(
    /// Resistance, Ω.
    Resistance, "Ω"
);
quantity!(
    /// Temperature, °C. The difference of two is no temperature of this scale, so there is none.
    Temperature, "°C"
);
quantity!(
    /// Relative humidity, %.
    RelativeHumidity, "%"
);
additive!(Voltage, Current, Power, Energy);

impl PowerFactor {
    /// That of a direct current and of a purely resistive load.
    pub const ONE: Self = Self(Decimal::ONE);
}

impl Power {
    /// Active power of `phases` equal phases (1 for a direct current). None beyond [`PHASES_MAX`], without a phase, for a
    /// factor outside −1..1, or if it is too large.
    ///
    /// # Formula
    /// `P = n U I cos φ`, with U of phase to neutral and I of each line.
    pub fn active(voltage: Voltage, current: Current, power_factor: PowerFactor, phases: u8) -> Option<Self> {
        let sensible = (1..=PHASES_MAX).contains(&phases) && power_factor.0.abs() <= Decimal::ONE;
        let apparent = voltage.0.checked_mul(current.0).filter(|_| sensible)?;
        apparent.checked_mul(power_factor.0)?.checked_mul(Decimal::from(phases)).map(Self)
    }

    /// The energy of this power held for a time in seconds; none for a negative time or if it is too large.
    ///
    /// # Formula
    /// `W = P t / 3600`, Wh.
    pub fn over(self, duration_s: Decimal) -> Option<Energy> {
        let forward = Decimal::ZERO <= duration_s;
        self.0.checked_mul(duration_s).filter(|_| forward)?.checked_div(SECONDS_PER_HOUR).map(Energy)
    }
}

impl Energy {
    /// No energy.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// From kWh; none if it is too large.
    pub fn from_kwh(kwh: Decimal) -> Option<Self> {
        kwh.checked_mul(Decimal::ONE_THOUSAND).map(Self)
    }

    /// In kWh.
    pub fn kwh(self) -> Decimal {
        // A division by a thousand moves the point and cannot overflow.
        self.0 / Decimal::ONE_THOUSAND
    }

    /// The sum of many; none if it is too large.
    pub fn sum(parts: impl IntoIterator<Item = Self>) -> Option<Self> {
        parts.into_iter().try_fold(Self::ZERO, Self::checked_add)
    }
}

impl Resistance {
    /// Voltage across it at a current: the drop of a cable, to be corrected where a tap sits before it. None if too large.
    ///
    /// # Formula
    /// `U = I R`.
    pub fn drop_at(self, current: Current) -> Option<Voltage> {
        self.0.checked_mul(current.0).map(Voltage)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().expect("literal")
    }

    #[test]
    fn a_quantity_is_written_with_its_unit_and_sent_as_text() {
        let energy = Energy(decimal("1230.50"));
        assert_eq!(energy.to_string(), "1230.50 Wh");
        assert_eq!(PowerFactor(decimal("0.5")).to_string(), "0.5");
        assert_eq!(Temperature(decimal("-5")).to_string(), "-5 °C");
        let text = toml::to_string(&std::collections::BTreeMap::from([("e", energy)])).expect("writable");
        assert_eq!(text.trim(), "e = \"1230.50\"");
        let back: std::collections::BTreeMap<String, Energy> = toml::from_str(&text).expect("readable");
        assert_eq!(back["e"], energy);
    }

    // Design: 1000 V × 1000 A is 1 MW of real load. By hand: 3 × 220 V × 32 A × 0.5 = 10,560 W.
    #[test]
    fn power_and_energy_follow_from_voltage_current_and_time() {
        let megawatt = Power::active(Voltage(decimal("1000")), Current(decimal("1000")), PowerFactor::ONE, 1);
        assert_eq!(megawatt, Some(Power(decimal("1000000"))));
        let (u, i, half) = (Voltage(decimal("220")), Current(decimal("32")), PowerFactor(decimal("0.5")));
        let power = Power::active(u, i, half, 3).expect("small");
        assert_eq!(power, Power(decimal("10560")));
        assert_eq!(power.over(decimal("90")), Some(Energy(decimal("264"))));
        assert_eq!(Energy(decimal("264")).kwh(), decimal("0.264"));
    }

    #[test]
    fn what_means_nothing_or_is_too_large_is_no_quantity() {
        let (u, i) = (Voltage(decimal("220")), Current(decimal("32")));
        assert_eq!(Power::active(u, i, PowerFactor::ONE, 0), None);
        assert_eq!(Power::active(u, i, PowerFactor::ONE, 4), None);
        assert_eq!(Power::active(u, i, PowerFactor(decimal("1.01")), 1), None);
        assert_eq!(Power(decimal("1")).over(decimal("-1")), None);
        assert_eq!(Energy(Decimal::MAX).checked_add(Energy(Decimal::ONE)), None);
        assert_eq!(Energy(Decimal::MIN).checked_sub(Energy(Decimal::ONE)), None);
        assert_eq!(Energy::from_kwh(Decimal::MAX), None);
        assert_eq!(Voltage(Decimal::MAX).0.checked_mul(decimal("2")), None);
        assert_eq!(Power::active(Voltage(Decimal::MAX), i, PowerFactor::ONE, 1), None);
        assert_eq!(Power(Decimal::MAX).over(decimal("2")), None);
    }

    // By hand: 250 A through 4 mΩ drop 1 V.
    #[test]
    fn a_cable_drops_what_ohm_says() {
        assert_eq!(
            Resistance(decimal("0.004")).drop_at(Current(decimal("250"))),
            Some(Voltage(Decimal::ONE))
        );
    }

    proptest! {
        #[test]
        fn kilowatt_hours_and_back_is_the_same_energy(wh in -1_000_000_000_000i64..1_000_000_000_000) {
            let energy = Energy(Decimal::new(wh, 3));
            prop_assert_eq!(Energy::from_kwh(energy.kwh()), Some(energy));
        }

        #[test]
        fn what_is_added_can_be_taken_away(a in any::<i64>(), b in any::<i64>()) {
            let (a, b) = (Energy(Decimal::new(a, 3)), Energy(Decimal::new(b, 3)));
            prop_assert_eq!(a.checked_add(b).and_then(|sum| sum.checked_sub(b)), Some(a));
        }
    }
}
