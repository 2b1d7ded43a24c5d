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
mod tests {
    use super::*;
    use crate::testing::*;

    fn rules() -> RuleSet {
        rules::for_kind("ac").expect("there")
    }

    fn passes(code: ItemCode, evidence: Evidence, reason: Reason) -> bool {
        record(code, evidence).passed(&rules(), reason, Decimal::ONE)
    }

    // JJG 1148-2022: 5 s at the first verification, 3 min later; to either side.
    #[test]
    fn a_clock_is_held_to_less_at_the_first_verification() {
        for (offset, first, later) in [
            ("0", true, true),
            ("5", true, true),
            ("-5", true, true),
            ("5.001", false, true),
            ("-5.001", false, true),
            ("180", false, true),
            ("-180", false, true),
            ("180.001", false, false),
        ] {
            let evidence = Evidence::Clock { offset_s: decimal(offset) };
            assert_eq!(passes(ItemCode::Clock, evidence.clone(), Reason::First), first, "{offset}");
            for reason in [Reason::Periodic, Reason::AfterRepair, Reason::Case] {
                assert_eq!(passes(ItemCode::Clock, evidence.clone(), reason), later, "{offset}");
            }
        }
        let without = rules::named("OIML R 46").expect("there");
        assert_eq!(clock_limit_s(&without, Reason::First), None);
        let clock = record(ItemCode::Clock, Evidence::Clock { offset_s: Decimal::ZERO });
        assert!(!clock.passed(&without, Reason::First, Decimal::ONE), "without a limit nothing is within it");
    }

    // 123456 Wh on displays of three, two and no decimals, cut and rounded; a step of the register may lie between.
    #[test]
    fn a_display_shows_the_register_to_its_last_digit() {
        for (display, register, expected) in [
            ("123.456", "123456", true),
            ("123.457", "123456", true),
            ("123.458", "123456", false),
            ("123.45", "123456", true),
            ("123.46", "123456", true),
            ("123.47", "123456", false),
            ("123.44", "123456", false),
            ("1.23", "1239.9", true),
            ("1.23", "1240", false),
            ("123", "123999", true),
            ("123", "124000", false),
            ("79228162514264337593543950335", "1", false),
        ] {
            let evidence =
                Evidence::Display { display_kwh: decimal(display), register_wh: decimal(register) };
            assert_eq!(passes(ItemCode::Display, evidence, Reason::First), expected, "{display} {register}");
        }
    }

    #[test]
    fn seals_are_there_and_whole() {
        let seal = Seal { number: "F-1".into(), place: "cover".into(), photo_sha256: None };
        for (seals, whole, expected) in
            [(vec![seal.clone()], true, true), (vec![seal], false, false), (Vec::new(), true, false)]
        {
            assert_eq!(passes(ItemCode::Seal, Evidence::Seals { seals, whole }, Reason::First), expected);
        }
    }

    // By hand: 10 kWh at 1.00 + 0.50 are 15.00, 3.333 kWh at 1.20 + 0.50 are 5.6661: 20.67, and 0.01 to either side.
    #[test]
    fn a_bill_is_what_energy_and_prices_make_of_it() {
        let line = |energy: &str, price: &str, service: &str| BillLine {
            energy_kwh: decimal(energy),
            price: decimal(price),
            service: decimal(service),
        };
        let lines = vec![line("10", "1.00", "0.50"), line("3.333", "1.20", "0.50")];
        for (amount, expected) in
            [("20.67", true), ("20.66", true), ("20.68", true), ("20.65", false), ("20.69", false)]
        {
            let evidence = Evidence::Payment { lines: lines.clone(), amount: decimal(amount) };
            assert_eq!(passes(ItemCode::Payment, evidence, Reason::First), expected, "{amount}");
        }
        let nothing = Evidence::Payment { lines: Vec::new(), amount: decimal("0") };
        assert!(!passes(ItemCode::Payment, nothing, Reason::First));
    }

    #[test]
    fn a_charge_beside_the_test_must_be_consistent() {
        for code in [ItemCode::ConsistencyBefore, ItemCode::ConsistencyAfter] {
            assert!(passes(code, Evidence::Charge(charge()), Reason::First));
            let other = ChargeEvidence { signed_wh: Some(decimal("1233")), ..charge() };
            assert!(!passes(code, Evidence::Charge(other), Reason::First));
        }
    }

    #[test]
    fn evidence_of_another_item_passes_nothing() {
        let evidences = ItemCode::ALL.map(|code| good(code).evidence);
        for code in ItemCode::ALL {
            for evidence in &evidences {
                let kind = std::mem::discriminant(evidence);
                let is_looked = matches!(evidence, Evidence::Looked { .. })
                    && matches!(code, ItemCode::Appearance | ItemCode::Display | ItemCode::Seal);
                let fits = kind == std::mem::discriminant(&good(code).evidence) || is_looked;
                assert_eq!(passes(code, evidence.clone(), Reason::Periodic), fits, "{code:?} {evidence:?}");
            }
        }
        assert!(!passes(ItemCode::Appearance, Evidence::Looked { good: false }, Reason::First));
    }

    #[test]
    fn words_of_items_read_back() {
        for code in ItemCode::ALL {
            assert_eq!(ItemCode::from_word(code.word()), Some(code));
            assert_eq!(serde_json::to_string(&code).expect("writes"), format!("{:?}", code.word()));
        }
        assert_eq!(ItemCode::from_word("luck"), None);
    }
}
