//! The error of indication of an energy meter, by the two methods that regulations know.
//!
//! Called by the verification engine for each reading. Exact decimals throughout; whoever needs statistics takes
//! [`RelativeError::to_f64`]. It never judges: see [`crate::decision`].

use std::fmt;

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::crossing;
use crate::quantity::Energy;

/// Decimals of a percentage as it is displayed; twice as fine as the last digit of any certificate's uncertainty.
const DISPLAYED_DECIMALS: u32 = 4;

/// A relative error of indication, a fraction. Positive: the pile over-registers, the customer loses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RelativeError(pub Decimal);

impl RelativeError {
    /// In percent. None only where a hundredfold no longer fits a decimal.
    pub fn checked_percent(self) -> Option<Decimal> {
        self.0.checked_mul(Decimal::ONE_HUNDRED)
    }

    /// In percent; beyond what a decimal holds, its largest value of the same sign.
    pub fn percent(self) -> Decimal {
        self.0.saturating_mul(Decimal::ONE_HUNDRED)
    }

    /// From percent.
    pub fn from_percent(percent: Decimal) -> Self {
        // A division by a hundred cannot overflow.
        Self(percent / Decimal::ONE_HUNDRED)
    }

    /// As a floating fraction, for statistics.
    pub fn to_f64(self) -> f64 {
        crossing::to_f64(self.0)
    }
}

impl fmt::Display for RelativeError {
    /// In percent with its sign, half to even at the fourth decimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut percent =
            self.percent().round_dp_with_strategy(DISPLAYED_DECIMALS, RoundingStrategy::MidpointNearestEven);
        percent.rescale(DISPLAYED_DECIMALS);
        let sign = if percent < Decimal::ZERO { '-' } else { '+' };
        write!(f, "{sign}{} %", percent.abs())
    }
}

/// Why there is no error of indication.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IndicationError {
    /// A quantity that must be above zero is not.
    #[error("{0} must be above zero")]
    NotPositive(&'static str),
    /// A quantity that cannot be negative is.
    #[error("{0} must not be negative")]
    Negative(&'static str),
    /// The numbers are too large or too small to be of a measurement.
    #[error("the numbers are beyond what can be computed exactly")]
    Overflow,
}

/// Relative error by the register (display) method.
///
/// # Formula
/// `e = (W_x − W_0) / W_0`: W_x the increment of the register, W_0 the reference energy, both Wh.
pub fn by_register(indicated: Energy, reference: Energy) -> Result<RelativeError, IndicationError> {
    positive("reference energy", reference.0)?;
    if indicated.0 < Decimal::ZERO {
        return Err(IndicationError::Negative("indicated energy"));
    }
    let difference = indicated.checked_sub(reference).ok_or(IndicationError::Overflow)?;
    difference.0.checked_div(reference.0).map(RelativeError).ok_or(IndicationError::Overflow)
}

/// What was counted by the pulse method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PulseCount {
    /// Pulses of the pile that open and close the count, N.
    pub pile_pulses: u64,
    /// Pulse constant of the pile C_L, imp/kWh.
    pub pile_constant_imp_per_kwh: Decimal,
    /// Pulses of the standard in the same time, m; standards interpolate between pulses.
    pub standard_pulses: Decimal,
    /// Pulse constant of the standard C_0, imp/kWh.
    pub standard_constant_imp_per_kwh: Decimal,
    /// Ratio of the current transformer or shunt between pile and standard, K_I; 1 without one.
    pub current_ratio: Decimal,
    /// Ratio of the voltage divider, K_U; 1 without one.
    pub voltage_ratio: Decimal,
}

/// Relative error by the pulse method.
///
/// # Formula
/// `e = (m_0 − m) / m`, `m_0 = C_0 N / (C_L K_I K_U)`: m counted, m_0 computed pulses of the standard. A pile that
/// over-registers gives its N pulses too early: m < m_0, e > 0.
pub fn by_pulses(count: &PulseCount) -> Result<RelativeError, IndicationError> {
    let pile_pulses = Decimal::from(count.pile_pulses);
    positive("pile pulses", pile_pulses)?;
    positive("pulse constant of the pile", count.pile_constant_imp_per_kwh)?;
    positive("standard pulses", count.standard_pulses)?;
    positive("pulse constant of the standard", count.standard_constant_imp_per_kwh)?;
    positive("current ratio", count.current_ratio)?;
    positive("voltage ratio", count.voltage_ratio)?;
    pulses(count, pile_pulses).ok_or(IndicationError::Overflow)
}

/// With one division at the end, so that nothing is cut twice: `e = (C_0 N − d m) / (d m)`, `d = C_L K_I K_U`.
fn pulses(count: &PulseCount, pile_pulses: Decimal) -> Option<RelativeError> {
    let computed = count.standard_constant_imp_per_kwh.checked_mul(pile_pulses)?;
    let scale = count.pile_constant_imp_per_kwh.checked_mul(count.current_ratio)?;
    let counted = scale.checked_mul(count.voltage_ratio)?.checked_mul(count.standard_pulses)?;
    computed.checked_sub(counted)?.checked_div(counted).map(RelativeError)
}

fn positive(what: &'static str, value: Decimal) -> Result<(), IndicationError> {
    if Decimal::ZERO < value { Ok(()) } else { Err(IndicationError::NotPositive(what)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().expect("literal")
    }

    fn energy(text: &str) -> Energy {
        Energy(decimal(text))
    }

    // By hand: 1005 Wh shown for 1000 Wh is +0.5 %; the customer pays for 5 Wh that did not flow.
    #[test]
    fn a_register_that_shows_too_much_has_a_positive_error() {
        let error = by_register(energy("1005"), energy("1000")).expect("sound");
        assert_eq!(error, RelativeError(decimal("0.005")));
        assert_eq!(error.percent(), decimal("0.5"));
        assert_eq!(error.to_string(), "+0.5000 %");
        let error = by_register(energy("990"), energy("1000")).expect("sound");
        assert_eq!(error.to_string(), "-1.0000 %");
        assert_eq!(by_register(energy("5"), energy("5")).expect("sound").to_string(), "+0.0000 %");
    }

    fn count() -> PulseCount {
        PulseCount {
            pile_pulses: 10,
            pile_constant_imp_per_kwh: decimal("1000"),
            standard_pulses: decimal("99502"),
            standard_constant_imp_per_kwh: decimal("10000000"),
            current_ratio: Decimal::ONE,
            voltage_ratio: Decimal::ONE,
        }
    }

    // By hand: ten pulses at 1000 imp/kWh are 10 Wh, 100,000 pulses at 10⁷ imp/kWh; 99,502 counted: +498/99502.
    #[test]
    fn a_pile_whose_pulses_come_early_has_a_positive_error() {
        let error = by_pulses(&count()).expect("sound");
        assert_eq!(error.0.round_dp(12), decimal("0.005004924524"));
        // A transformer 2:1 and a divider 5:1 in front of the standard leave it a tenth of the energy.
        let scaled = PulseCount {
            current_ratio: decimal("2"),
            voltage_ratio: decimal("5"),
            standard_pulses: decimal("9950.2"),
            ..count()
        };
        assert_eq!(by_pulses(&scaled), Ok(error));
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let refused = |error: IndicationError, expected: &str| assert_eq!(error.to_string(), expected);
        refused(
            by_register(energy("1"), energy("0")).expect_err("nothing flowed"),
            "reference energy must be above zero",
        );
        refused(
            by_register(energy("-1"), energy("1")).expect_err("backwards"),
            "indicated energy must not be negative",
        );
        let zero = |change: fn(&mut PulseCount)| {
            let mut count = count();
            change(&mut count);
            by_pulses(&count).expect_err("zero")
        };
        refused(zero(|c| c.pile_pulses = 0), "pile pulses must be above zero");
        refused(zero(|c| c.standard_pulses = Decimal::ZERO), "standard pulses must be above zero");
        refused(zero(|c| c.current_ratio = Decimal::ZERO), "current ratio must be above zero");
        refused(zero(|c| c.voltage_ratio = Decimal::NEGATIVE_ONE), "voltage ratio must be above zero");
        assert_eq!(zero(|c| c.standard_constant_imp_per_kwh = Decimal::MAX), IndicationError::Overflow);
        assert_eq!(
            by_register(Energy(Decimal::MAX), Energy(Decimal::new(1, 28))),
            Err(IndicationError::Overflow)
        );
    }

    proptest! {
        // One physical situation: N pulses of a pile with constant C_L register N/C_L; the truth is a tenth of a Wh and more
        // around it, seen by the standard through its ratios. Both methods must say the same, with the same sign.
        #[test]
        fn both_methods_agree_in_sign_and_value(
            pile_pulses in 1u64..100_000,
            pile_constant in 1i64..100_000,
            truth_per_mille in 500i64..1500,
            standard_constant in 1i64..100_000_000,
            current_ratio in 1i64..2000,
            voltage_ratio in 1i64..20,
        ) {
            let registered = Decimal::from(pile_pulses) * Decimal::ONE_THOUSAND / Decimal::from(pile_constant);
            let reference = registered * Decimal::new(truth_per_mille, 3);
            let ratio = Decimal::from(current_ratio) * Decimal::from(voltage_ratio);
            let counted = reference / Decimal::ONE_THOUSAND * Decimal::from(standard_constant) / ratio;
            prop_assume!(Decimal::new(1, 6) < counted);
            let register = by_register(Energy(registered), Energy(reference)).expect("sound");
            let pulses = by_pulses(&PulseCount {
                pile_pulses,
                pile_constant_imp_per_kwh: Decimal::from(pile_constant),
                standard_pulses: counted,
                standard_constant_imp_per_kwh: Decimal::from(standard_constant),
                current_ratio: Decimal::from(current_ratio),
                voltage_ratio: Decimal::from(voltage_ratio),
            }).expect("sound");
            // Twenty-eight digits, of which the smallest counts leave twenty.
            prop_assert!((register.0 - pulses.0).abs() < Decimal::new(1, 18), "{} {}", register.0, pulses.0);
            let expected = (1000 - truth_per_mille).signum();
            let sign = |error: RelativeError| {
                let rounded = error.0.round_dp(15);
                i64::from(Decimal::ZERO < rounded) - i64::from(rounded < Decimal::ZERO)
            };
            prop_assert_eq!(sign(register), expected);
            prop_assert_eq!(sign(pulses), expected);
        }
    }
}
