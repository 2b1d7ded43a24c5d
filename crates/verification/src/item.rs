//! Items looked at besides the error: appearance, clock, display, seals, payment, and the charges before and after.
//!
//! Recorded by people on an order's page as events of its run. Where there is something to compute, evidence is recorded and
//! [`ItemRecord::passed`] says what follows; nobody ticks a box instead.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use veripile_metrology::rules::{self, RuleSet};

use crate::consistency::ChargeEvidence;
use crate::order::Reason;

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
}

impl ItemCode {
    /// Every item, in the order of a document.
    pub const ALL: [Self; 7] = [
        Self::Appearance,
        Self::Display,
        Self::Seal,
        Self::Clock,
        Self::Payment,
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
        /// Pile minus true time, s.
        offset_s: Decimal,
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
    /// Whether the item is passed, by what was recorded and the rule set's limits. False where the evidence is of another item.
    pub fn passed(&self, rules: &RuleSet, reason: Reason, register_step_wh: Decimal) -> bool {
        match (self.code, &self.evidence) {
            (ItemCode::Appearance | ItemCode::Display | ItemCode::Seal, Evidence::Looked { good }) => *good,
            (ItemCode::Seal, Evidence::Seals { seals, whole }) => *whole && !seals.is_empty(),
            (ItemCode::Clock, Evidence::Clock { offset_s }) => {
                clock_limit_s(rules, reason).is_some_and(|limit| offset_s.abs() <= limit)
            }
            (ItemCode::Display, Evidence::Display { display_kwh, register_wh }) => {
                shows(*display_kwh, *register_wh, register_step_wh)
            }
            (ItemCode::Payment, Evidence::Payment { lines, amount }) => pays(lines, *amount),
            (ItemCode::ConsistencyBefore | ItemCode::ConsistencyAfter, Evidence::Charge(charge)) => {
                charge.differences().is_empty()
            }
            _ => false,
        }
    }
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
    let digit_wh = Decimal::new(1, display_kwh.scale().min(28)) * Decimal::ONE_THOUSAND;
    let difference = display_wh.checked_sub(register_wh).map(|difference| difference.abs());
    difference.is_some_and(|difference| difference < digit_wh || difference <= step_wh)
}

fn pays(lines: &[BillLine], amount: Decimal) -> bool {
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
