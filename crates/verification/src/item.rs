//! Items looked at besides the error: appearance, clock, display, seals, insulation, payment, indication error, and the charges
//! before and after.
//!
//! Recorded by people on an order's page as events of its run. Where there is something to compute, evidence is recorded and
//! [`ItemRecord::passed`] says what follows; nobody ticks a box instead.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use veripile_metrology::error;
use veripile_metrology::quantity::Energy;
use veripile_metrology::rounding;
use veripile_metrology::rules::{self, RuleSet};

use crate::clock::MeasuredOffset;
use crate::consistency::ChargeEvidence;
use crate::order::{Order, Reason};

/// Digits after the point of an indication error in percent, as of operating errors in documents.
const PERCENT_DIGITS: u32 = 5;

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemCode {
    /// Appearance and plate (外观).
    Appearance,
    /// Clock (时钟时刻误差).
    Clock,
    /// Display (显示).
    Display,
    /// Seals (封印).
    Seal,
    /// A normal charge before the test: register, messages, signature and bill agree exactly (一致性).
    ConsistencyBefore,
    /// The same after it.
    ConsistencyAfter,
    /// Payment (付费金额).
    Payment,
    /// Insulation resistance (绝缘电阻).
    Insulation,
    /// Indication error (示值误差): energy on the display against the standard's.
    IndicationError,
}

impl ItemCode {
    /// Every item, in the order of a document.
    pub const ALL: [Self; 9] = [
        Self::Appearance,
        Self::Display,
        Self::Seal,
        Self::Insulation,
        Self::Clock,
        Self::Payment,
        Self::IndicationError,
        Self::ConsistencyBefore,
        Self::ConsistencyAfter,
    ];

    /// The word used in forms, files and texts.
    pub fn word(self) -> &'static str {
        match self {
            Self::Appearance => "appearance",
            Self::Clock => "clock",
            Self::Display => "display",
            Self::Seal => "seal",
            Self::ConsistencyBefore => "consistency_before",
            Self::ConsistencyAfter => "consistency_after",
            Self::Payment => "payment",
            Self::Insulation => "insulation",
            Self::IndicationError => "indication_error",
        }
    }

    /// Reads [`Self::word`] back.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.word() == word)
    }

    /// What rule sets call it.
    pub fn rule(self) -> rules::ItemCode {
        match self {
            Self::Appearance => rules::ItemCode::Appearance,
            Self::Clock => rules::ItemCode::Clock,
            Self::Display => rules::ItemCode::Display,
            Self::Seal => rules::ItemCode::Seal,
            Self::ConsistencyBefore | Self::ConsistencyAfter => rules::ItemCode::Consistency,
            Self::Payment => rules::ItemCode::Payment,
            Self::Insulation => rules::ItemCode::Insulation,
            Self::IndicationError => rules::ItemCode::IndicationError,
        }
    }

    /// Whether a rule set says what passes. Items that are looked at need no limit; of one that is measured nothing can be said
    /// without.
    pub fn can_be_decided(self, rules: &RuleSet) -> bool {
        match self {
            Self::Clock => rules.clock.is_some(),
            Self::Insulation => rules.insulation.is_some(),
            Self::IndicationError => rules.indication.is_some(),
            _ => true,
        }
    }
}

/// A seal on the pile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seal {
    /// Its number.
    pub number: String,
    /// Where it sits.
    pub place: String,
    /// SHA-256 of its photo, hexadecimal, if one was taken.
    pub photo_sha256: Option<String>,
}

/// What an item's finding rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "evidence", rename_all = "snake_case", deny_unknown_fields)]
pub enum Evidence {
    /// A person looked.
    Looked {
        /// What they found.
        good: bool,
    },
    /// The pile's clock against ours.
    Clock {
        /// Pile minus true time, s: what a person read off the pile, or took over from what was measured. It decides.
        offset_s: Decimal,
        /// The offset as the platform measured it, where it could.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        measured: Option<MeasuredOffset>,
    },
    /// The pile's display against its register.
    Display {
        /// Energy on the display, kWh, as shown.
        display_kwh: Decimal,
        /// Register told over OCPP at the same time, Wh.
        register_wh: Decimal,
    },
    /// Seals in place.
    Seals {
        /// Which.
        seals: Vec<Seal>,
        /// Whether all are whole.
        whole: bool,
    },
    /// The bill of a charge.
    Payment {
        /// Energies and prices.
        lines: Vec<BillLine>,
        /// What was asked for.
        amount: Decimal,
    },
    /// A normal charge.
    Charge(ChargeEvidence),
    /// Insulation, measured.
    Insulation {
        /// Voltage that it was measured with, V.
        test_voltage_v: Decimal,
        /// Every resistance.
        readings: Vec<InsulationReading>,
    },
    /// Energy on the display against the standard's over the same time.
    Indication {
        /// Display before, kWh, as shown.
        start_kwh: Decimal,
        /// Display after, kWh, as shown.
        stop_kwh: Decimal,
        /// Energy by the standard, Wh.
        reference_wh: Decimal,
    },
}

/// One resistance of insulation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InsulationReading {
    /// Between what.
    pub between: String,
    /// Resistance, MΩ; beyond the tester's range the end of it.
    pub resistance_megohm: Decimal,
}

/// Why evidence says nothing, neither for the pile nor against it: it is to be taken again, and passes nothing meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// Nothing was measured, or numbers that no measurement gives.
    Nothing,
    /// The rule set has no limit for it.
    NoLimit,
    /// Insulation was measured with too little voltage.
    Voltage {
        /// What it takes at least, V.
        least_v: Decimal,
    },
    /// Too little energy for so coarse a display.
    Energy {
        /// What it takes at least, Wh.
        least_wh: Decimal,
    },
}

/// One line of a bill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BillLine {
    /// Energy, kWh.
    pub energy_kwh: Decimal,
    /// Price of energy, per kWh.
    pub price: Decimal,
    /// Service fee, per kWh.
    pub service: Decimal,
}

/// What was found of one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemRecord {
    /// Which item.
    pub code: ItemCode,
    /// What the finding rests on.
    pub evidence: Evidence,
    /// Remark.
    pub note: String,
    /// Who looked.
    pub person: String,
    /// When.
    pub at: Timestamp,
}

/// Conditions of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conditions {
    /// Temperature, °C.
    pub temperature_c: Decimal,
    /// Relative humidity, %.
    pub humidity_percent: Decimal,
    /// Who read them.
    pub person: String,
    /// When.
    pub at: Timestamp,
}

impl ItemRecord {
    /// Whether the item is passed, by what was recorded and the rule set's limits. False where the evidence is of another item or
    /// says nothing.
    pub fn passed(&self, rules: &RuleSet, order: &Order) -> bool {
        match (self.code, &self.evidence) {
            (ItemCode::Appearance | ItemCode::Display | ItemCode::Seal, Evidence::Looked { good }) => *good,
            (ItemCode::Seal, Evidence::Seals { seals, whole }) => *whole && !seals.is_empty(),
            (ItemCode::Clock, Evidence::Clock { offset_s, .. }) => {
                clock_limit_s(rules, order.reason).is_some_and(|limit| offset_s.abs() <= limit)
            }
            (ItemCode::Display, Evidence::Display { display_kwh, register_wh }) => {
                shows(*display_kwh, *register_wh, order.plate.register_step_wh)
            }
            (ItemCode::Payment, Evidence::Payment { lines, amount }) => pays(lines, *amount),
            (ItemCode::ConsistencyBefore | ItemCode::ConsistencyAfter, Evidence::Charge(charge)) => {
                charge.differences().is_empty()
            }
            (ItemCode::Insulation, Evidence::Insulation { readings, .. }) => {
                self.unfit(rules, order).is_none() && insulates(rules, readings)
            }
            (ItemCode::IndicationError, Evidence::Indication { start_kwh, stop_kwh, reference_wh }) => {
                let error = indication_error_percent(*start_kwh, *stop_kwh, *reference_wh);
                self.unfit(rules, order).is_none()
                    && error.is_some_and(|error| indicates(rules, order.plate.class.0, error))
            }
            _ => false,
        }
    }

    /// The offset as measured that a person's reading of the clock contradicts, if it does: the two differ by more than the limit.
    pub fn contradicted(&self, rules: &RuleSet, order: &Order) -> Option<&MeasuredOffset> {
        let Evidence::Clock { offset_s, measured: Some(measured) } = &self.evidence else { return None };
        let limit_s = clock_limit_s(rules, order.reason)?;
        measured.is_contradicted(*offset_s, limit_s).then_some(measured)
    }

    /// Why its evidence says nothing about insulation or indication, if it does not.
    pub fn unfit(&self, rules: &RuleSet, order: &Order) -> Option<Unfit> {
        match &self.evidence {
            Evidence::Insulation { test_voltage_v, readings } => {
                let Some(limit) = &rules.insulation else { return Some(Unfit::NoLimit) };
                let is_below_zero = |reading: &InsulationReading| reading.resistance_megohm < Decimal::ZERO;
                if readings.is_empty() || readings.iter().any(is_below_zero) {
                    return Some(Unfit::Nothing);
                }
                let least_v = limit.test_voltage_v;
                (*test_voltage_v < least_v).then_some(Unfit::Voltage { least_v })
            }
            Evidence::Indication { start_kwh, stop_kwh, reference_wh } => {
                let class = order.plate.class.0;
                if rules.indication_limit_percent(class).is_none() {
                    return Some(Unfit::NoLimit);
                }
                // The coarser of the two counts.
                let digit_wh = digit_wh(start_kwh.scale().min(stop_kwh.scale()));
                let is_interval = indication_error_percent(*start_kwh, *stop_kwh, *reference_wh).is_some();
                match rules.least_energy_wh(class, digit_wh).filter(|_| is_interval) {
                    None => Some(Unfit::Nothing),
                    Some(least_wh) => (*reference_wh < least_wh).then_some(Unfit::Energy { least_wh }),
                }
            }
            _ => None,
        }
    }
}

/// Error of indication of a display, percent, to the documents' digits. None where the display ran backwards or the standard
/// measured nothing.
///
/// # Formula
/// `e = (W_x − W_0) / W_0`, the register method (design notes, metrology §1.2).
pub fn indication_error_percent(
    start_kwh: Decimal,
    stop_kwh: Decimal,
    reference_wh: Decimal,
) -> Option<Decimal> {
    let indicated_wh = stop_kwh.checked_sub(start_kwh)?.checked_mul(Decimal::ONE_THOUSAND)?;
    let error = error::by_register(Energy(indicated_wh), Energy(reference_wh)).ok()?;
    Some(error.0.checked_mul(Decimal::ONE_HUNDRED)?.round_dp(PERCENT_DIGITS).normalize())
}

/// Whether every resistance is as large as the rule set asks.
fn insulates(rules: &RuleSet, readings: &[InsulationReading]) -> bool {
    let holds = |least: Decimal| readings.iter().all(|reading| least <= reading.resistance_megohm);
    rules.insulation.as_ref().is_some_and(|limit| holds(limit.least_megohm))
}

/// Whether an indication error is within its limit: the rounded one (化整) where the rule set decides on it.
fn indicates(rules: &RuleSet, class: Decimal, error_percent: Decimal) -> bool {
    let interval = rules.rounding_interval_percent(class).filter(|_| rules.decision.on_rounded);
    let rounded = interval.and_then(|interval| rounding::round_to_interval(error_percent, interval));
    let decided = rounded.unwrap_or(error_percent);
    rules.indication_limit_percent(class).is_some_and(|limit| decided.abs() <= limit)
}

/// Worth of a display's last digit, Wh, with so many digits after the point of a kWh.
fn digit_wh(scale: u32) -> Decimal {
    Decimal::new(1, scale.min(28)) * Decimal::ONE_THOUSAND
}

/// Largest offset of the clock, s: tighter at the first verification.
pub fn clock_limit_s(rules: &RuleSet, reason: Reason) -> Option<Decimal> {
    let clock = rules.clock.as_ref()?;
    Some(if reason == Reason::First { clock.first_s } else { clock.later_s })
}

/// A display shows the register, cut or rounded to its own last digit, or off by the register's step at most: the two are not
/// read in the same moment.
fn shows(display_kwh: Decimal, register_wh: Decimal, step_wh: Decimal) -> bool {
    let Some(display_wh) = display_kwh.checked_mul(Decimal::ONE_THOUSAND) else { return false };
    let digit_wh = digit_wh(display_kwh.scale());
    let difference = display_wh.checked_sub(register_wh).map(|difference| difference.abs());
    difference.is_some_and(|difference| difference < digit_wh || difference <= step_wh)
}

/// A bill of no lines is none, whatever its amount.
fn pays(lines: &[BillLine], amount: Decimal) -> bool {
    if lines.is_empty() {
        return false;
    }
    let tariffed: Vec<_> = lines
        .iter()
        .map(|line| veripile_metrology::payment::Tariffed {
            energy_kwh: line.energy_kwh,
            price_per_kwh: line.price,
            service_per_kwh: line.service,
        })
        .collect();
    veripile_metrology::payment::check(&tariffed, amount).is_ok_and(|found| found.within)
}

#[cfg(test)]
mod tests;
