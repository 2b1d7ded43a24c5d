//! Whether an amount of money is what energy and tariff make of it. Decimals throughout.
//!
//! Called for each bill that is checked. It never converts currencies and knows nothing of discounts or taxes: a price is what the
//! customer is told.

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Decimals of the minimum pay unit, 0.01 of the currency.
pub const PAY_DECIMALS: u32 = 2;

/// The minimum pay unit: what a stated amount may be off.
pub const MINIMUM_PAY_UNIT: Decimal = Decimal::from_parts(1, 0, 0, false, PAY_DECIMALS);

/// How each part of a bill is rounded: half away from zero (四舍五入), as bills are; results of measurement round half to even.
pub const AMOUNT_ROUNDING: RoundingStrategy = RoundingStrategy::MidpointAwayFromZero;

/// Most parts of one bill: a week of quarter hours each with its own price.
pub const PARTS_MAX: usize = 700;

/// Energy charged at one price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tariffed {
    /// Energy, kWh.
    pub energy_kwh: Decimal,
    /// Price of the energy, per kWh.
    pub price_per_kwh: Decimal,
    /// Service fee, per kWh.
    pub service_per_kwh: Decimal,
}

/// A bill checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PaymentCheck {
    /// What energy and tariff make.
    pub expected: Decimal,
    /// What was asked for.
    pub stated: Decimal,
    /// Stated less expected; positive: the customer paid too much.
    pub difference: Decimal,
    /// Whether the difference is at most one minimum pay unit.
    pub within: bool,
}

/// Why a bill cannot be checked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PaymentError {
    /// Too many parts.
    #[error("{0} parts, more than {PARTS_MAX}")]
    TooMany(usize),
    /// An energy below zero.
    #[error("the energy of part {0} is negative")]
    NegativeEnergy(usize),
    /// Numbers too large for money.
    #[error("the amount is beyond what can be computed exactly")]
    Overflow,
}

/// Checks an amount.
///
/// # Formula
/// `expected = Σ_k round(E_k (p_k + s_k), 2)`, each part rounded half away from zero; within if
/// `|stated − expected| ≤ 0.01`.
pub fn check(parts: &[Tariffed], stated: Decimal) -> Result<PaymentCheck, PaymentError> {
    if PARTS_MAX < parts.len() {
        return Err(PaymentError::TooMany(parts.len()));
    }
    if let Some(index) = parts.iter().position(|part| part.energy_kwh < Decimal::ZERO) {
        return Err(PaymentError::NegativeEnergy(index));
    }
    let expected = parts.iter().try_fold(Decimal::ZERO, |sum, part| sum.checked_add(amount(part)?));
    let expected = expected.ok_or(PaymentError::Overflow)?;
    let difference = stated.checked_sub(expected).ok_or(PaymentError::Overflow)?;
    Ok(PaymentCheck { expected, stated, difference, within: difference.abs() <= MINIMUM_PAY_UNIT })
}

fn amount(part: &Tariffed) -> Option<Decimal> {
    let price = part.price_per_kwh.checked_add(part.service_per_kwh)?;
    Some(part.energy_kwh.checked_mul(price)?.round_dp_with_strategy(PAY_DECIMALS, AMOUNT_ROUNDING))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().expect("literal")
    }

    fn part(energy: &str, price: &str, service: &str) -> Tariffed {
        Tariffed {
            energy_kwh: decimal(energy),
            price_per_kwh: decimal(price),
            service_per_kwh: decimal(service),
        }
    }

    // By hand: 10.25 × 1.30 = 13.325 → 13.33; 3.1 × 0.85 = 2.635 → 2.64; each part is rounded, then they are added.
    #[test]
    fn parts_are_rounded_half_up_and_then_added() {
        let parts = [part("10.25", "0.50", "0.80"), part("3.1", "0.05", "0.80")];
        let checked = check(&parts, decimal("15.97")).expect("sound");
        assert_eq!(
            (checked.expected, checked.difference, checked.within),
            (decimal("15.97"), Decimal::ZERO, true)
        );
    }

    #[test]
    fn one_pay_unit_is_tolerated_and_no_more() {
        let parts = [part("10", "1", "0")];
        for (stated, within) in
            [("10.01", true), ("9.99", true), ("10.011", false), ("10.02", false), ("9.98", false)]
        {
            assert_eq!(check(&parts, decimal(stated)).expect("sound").within, within, "{stated}");
        }
        assert_eq!(check(&parts, decimal("10.02")).expect("sound").difference, decimal("0.02"));
    }

    #[test]
    fn what_is_no_bill_is_refused() {
        assert_eq!(check(&[part("-1", "1", "0")], Decimal::ONE), Err(PaymentError::NegativeEnergy(0)));
        let huge = Tariffed { energy_kwh: Decimal::MAX, ..part("1", "2", "0") };
        assert_eq!(check(&[huge], Decimal::ONE), Err(PaymentError::Overflow));
        let many = vec![part("1", "1", "0"); PARTS_MAX + 1];
        assert_eq!(check(&many, Decimal::ONE), Err(PaymentError::TooMany(PARTS_MAX + 1)));
    }
}
