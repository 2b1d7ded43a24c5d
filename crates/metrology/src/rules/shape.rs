//! The shape of a rule set's file. Unknown words are refused: a misspelt limit must not pass for one that is not there.

use std::fmt;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::crossing;

/// How sure a number of a rule set is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sureness {
    /// Read in a source.
    Source,
    /// General knowledge; shown as "to be confirmed against the standard".
    ToBeConfirmed,
}

/// A text for people, in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bilingual {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

/// Whether a rule set is in force here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// In force.
    Current,
    /// Was in force; results under it are read for ever.
    Superseded,
    /// In force elsewhere.
    Foreign,
}

/// An exact ratio, written as `1/3` or `0.1`: a third has no decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ratio {
    numerator: Decimal,
    denominator: Decimal,
}

impl Ratio {
    /// As a floating number.
    pub fn to_f64(self) -> f64 {
        crossing::to_f64(self.numerator) / crossing::to_f64(self.denominator)
    }

    /// That part of a quantity, to 28 digits; none if it is too large.
    pub fn of(self, whole: Decimal) -> Option<Decimal> {
        whole.checked_mul(self.numerator)?.checked_div(self.denominator)
    }

    /// Whether a part is at most this ratio of a whole, exactly. None if the numbers are too large.
    pub fn holds(self, part: Decimal, whole: Decimal) -> Option<bool> {
        Some(part.checked_mul(self.denominator)? <= whole.checked_mul(self.numerator)?)
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.denominator == Decimal::ONE {
            write!(f, "{}", self.numerator)
        } else {
            write!(f, "{}/{}", self.numerator, self.denominator)
        }
    }
}

impl From<Ratio> for String {
    fn from(ratio: Ratio) -> Self {
        ratio.to_string()
    }
}

impl TryFrom<String> for Ratio {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (numerator, denominator) = text.split_once('/').unwrap_or((&text, "1"));
        let above_zero = |part: &str| part.parse().ok().filter(|number| Decimal::ZERO < *number);
        let ratio = above_zero(numerator).zip(above_zero(denominator));
        let (numerator, denominator) = ratio.ok_or_else(|| format!("{text} is not a ratio such as 1/3"))?;
        Ok(Self { numerator, denominator })
    }
}

/// Reasons of a verification, as orders have them.
pub const REASONS: [&str; 4] = ["first", "periodic", "after_repair", "case"];

/// What a rule set permits to one accuracy class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// Name on the plate.
    pub name: String,
    /// The class as a number, where its name is none: what a pile's accuracy class is compared with.
    #[serde(default)]
    pub index: Option<Decimal>,
    /// Reasons of a verification that it is for ([`REASONS`]), where these and not the plate choose it; else empty.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// Maximum permissible error of the operating error, percent, ±.
    pub mpe_percent: Decimal,
    /// How sure that is.
    pub sureness: Sureness,
    /// Where it stands.
    pub clause: Bilingual,
}

impl Class {
    /// The class as a number.
    pub fn number(&self) -> Option<Decimal> {
        self.index.or_else(|| self.name.parse().ok())
    }
}

/// Rounding (化整) of results, half to even (see [`crate::rounding`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rounding {
    /// Interval as a fraction of the class.
    pub fraction_of_class: Decimal,
    /// How sure that is.
    pub sureness: Sureness,
    /// Where it stands.
    pub clause: Bilingual,
}

/// Verification interval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// Years.
    pub years: u32,
    /// How sure that is.
    pub sureness: Sureness,
    /// Where it stands.
    pub clause: Bilingual,
}

/// A load point that this platform proposes; the verifier may choose others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposedPoint {
    /// Current as a fraction of I_max.
    pub current_fraction: Decimal,
    /// Power factor, inductive; none for direct current.
    #[serde(default)]
    pub power_factor: Option<Decimal>,
}

/// At how many loads a pile is tested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadPoints {
    /// Fewest load points.
    pub at_least: u32,
    /// How sure that is.
    pub sureness: Sureness,
    /// Where it stands.
    pub clause: Bilingual,
    /// What this platform proposes: ours, never the regulation's.
    pub proposed: Vec<ProposedPoint>,
}

/// The range of currents where the plate says nothing: `I_max = P / U`, `I_min = I_max × least_fraction`, not below `least_a`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurrentRange {
    /// Least current as a fraction of I_max.
    pub least_fraction: Decimal,
    /// What the least current is not below, A.
    pub least_a: Decimal,
    /// How sure both are.
    pub sureness: Sureness,
    /// Where they stand.
    pub clause: Bilingual,
}

/// How much energy a test takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeastEnergy {
    /// Largest step of the register, Wh.
    pub register_step_wh: Decimal,
    /// How sure the step is.
    pub register_step_sureness: Sureness,
    /// Largest part of the energy that the register's resolution may be, as a fraction of the class.
    pub resolution_fraction_of_class: Decimal,
    /// How sure the fraction is.
    pub sureness: Sureness,
    /// Where they stand.
    pub clause: Bilingual,
}

/// How often a load point is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Readings {
    /// Fewest consecutive readings.
    pub at_least: u32,
    /// How sure that is.
    pub sureness: Sureness,
    /// Where it stands.
    pub clause: Bilingual,
}

/// How good the standard must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandardLimit {
    /// Largest expanded uncertainty (k = 2) as a ratio of the maximum permissible error.
    pub expanded_ratio_max: Ratio,
    /// How sure that is.
    pub sureness: Sureness,
    /// Where it stands.
    pub clause: Bilingual,
}

/// Names of decision rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecisionWord {
    /// The value alone decides.
    SimpleAcceptance,
    /// Conform, nonconform, undecided at 95 % each.
    ThreeZones,
    /// A guard band on either side of the limit.
    GuardBand,
}

/// How it is decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionData {
    /// The rule.
    pub rule: DecisionWord,
    /// Width of a guard band in expanded uncertainties; of no other rule.
    #[serde(default = "one")]
    pub guard_factor: Decimal,
    /// Whether the rounded value decides.
    pub on_rounded: bool,
    /// How sure both are.
    pub sureness: Sureness,
    /// Where they stand.
    pub clause: Bilingual,
}

fn one() -> Decimal {
    Decimal::ONE
}

/// Limits of the clock's error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockLimits {
    /// At first verification, s.
    pub first_s: Decimal,
    /// At later ones, s.
    pub later_s: Decimal,
    /// How sure both are.
    pub sureness: Sureness,
    /// Where they stand.
    pub clause: Bilingual,
}

/// What insulation must hold (绝缘电阻).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InsulationLimit {
    /// Least resistance, MΩ.
    pub least_megohm: Decimal,
    /// Voltage that it is measured with, at least, V.
    pub test_voltage_v: Decimal,
    /// How sure both are.
    pub sureness: Sureness,
    /// Where they stand.
    pub clause: Bilingual,
}

/// How far the display may be off (示值误差).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndicationLimit {
    /// The limit as a ratio of the maximum permissible error of the class.
    pub ratio_of_mpe: Ratio,
    /// How sure that is.
    pub sureness: Sureness,
    /// Where it stands.
    pub clause: Bilingual,
}

/// What is looked at or measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemCode {
    /// Appearance and function.
    Appearance,
    /// Clock time error (时钟时刻误差).
    Clock,
    /// Display.
    Display,
    /// Seal.
    Seal,
    /// Consistency with the type approval, firmware included.
    Consistency,
    /// Payment amount error (付费金额误差).
    Payment,
    /// Operating error (工作误差).
    OperatingError,
    /// Indication error (示值误差).
    IndicationError,
    /// Insulation.
    Insulation,
}

impl ItemCode {
    /// The word in files and documents.
    pub fn word(self) -> &'static str {
        match self {
            Self::Appearance => "appearance",
            Self::Clock => "clock",
            Self::Display => "display",
            Self::Seal => "seal",
            Self::Consistency => "consistency",
            Self::Payment => "payment",
            Self::OperatingError => "operating_error",
            Self::IndicationError => "indication_error",
            Self::Insulation => "insulation",
        }
    }

    /// What Chinese regulations call it.
    pub fn word_zh(self) -> &'static str {
        match self {
            Self::Appearance => "外观",
            Self::Clock => "时钟时刻误差",
            Self::Display => "显示",
            Self::Seal => "封印",
            Self::Consistency => "一致性",
            Self::Payment => "付费金额误差",
            Self::OperatingError => "工作误差",
            Self::IndicationError => "示值误差",
            Self::Insulation => "绝缘电阻",
        }
    }
}

/// An item of verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemRule {
    /// The item.
    pub code: ItemCode,
    /// How sure it is that it is one.
    pub sureness: Sureness,
    /// Where it stands.
    pub clause: Bilingual,
}

/// One regulation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSet {
    /// Its number, e.g. `JJG 1148-2022`.
    pub name: String,
    /// Chinese title.
    pub title_zh: String,
    /// English title.
    pub title_en: String,
    /// Edition: the year it is of.
    pub edition: String,
    /// Whether it is in force.
    pub status: Status,
    /// Kind of instrument: `ac` or `dc`.
    pub applies_to: String,
    /// Version of our file.
    pub version: String,
    /// Classes.
    #[serde(rename = "class")]
    pub classes: Vec<Class>,
    /// Rounding; none where results are not rounded before the decision.
    #[serde(default)]
    pub rounding: Option<Rounding>,
    /// Interval; none where the law that names it is another.
    #[serde(default)]
    pub interval: Option<Interval>,
    /// Load points.
    pub load_points: LoadPoints,
    /// Range of currents.
    pub current_range: CurrentRange,
    /// Energy.
    pub energy: LeastEnergy,
    /// Readings.
    pub readings: Readings,
    /// Standard.
    pub standard: StandardLimit,
    /// Decision.
    pub decision: DecisionData,
    /// Clock; none where it is not tested.
    #[serde(default)]
    pub clock: Option<ClockLimits>,
    /// Insulation; none where it is not tested, or nothing says what it must hold.
    #[serde(default)]
    pub insulation: Option<InsulationLimit>,
    /// Indication error; likewise.
    #[serde(default)]
    pub indication: Option<IndicationLimit>,
    /// Items of verification, in their order.
    #[serde(rename = "item")]
    pub items: Vec<ItemRule>,
}

impl RuleSet {
    /// Why the file says nothing that can be used, although it reads.
    pub(super) fn fault(&self) -> Option<&'static str> {
        let mut numbers: Vec<_> = self.classes.iter().map(Class::number).collect();
        numbers.sort_unstable();
        let count = numbers.len();
        numbers.dedup();
        let above_zero = [
            self.current_range.least_fraction,
            self.current_range.least_a,
            self.energy.register_step_wh,
            self.energy.resolution_fraction_of_class,
            self.decision.guard_factor,
        ];
        let fractions = self.rounding.iter().map(|rounding| rounding.fraction_of_class);
        let clocks = self.clock.iter().flat_map(|clock| [clock.first_s, clock.later_s]);
        let insulation = self
            .insulation
            .iter()
            .flat_map(|insulation| [insulation.least_megohm, insulation.test_voltage_v]);
        let points = self.load_points.proposed.iter().map(|point| point.current_fraction);
        let limits = self.classes.iter().map(|class| class.mpe_percent);
        let given = fractions.chain(clocks).chain(insulation).chain(points).chain(limits);
        let mut positive = above_zero.into_iter().chain(given);
        if !["ac", "dc"].contains(&self.applies_to.as_str()) {
            Some("applies_to is neither ac nor dc")
        } else if self.classes.is_empty() || numbers.contains(&None) {
            Some("a class has neither a number for a name nor an index")
        } else if numbers.len() < count {
            Some("two classes have the same number")
        } else if positive.any(|number| number <= Decimal::ZERO) {
            Some("a limit is not above zero")
        } else if !self.reasons_are_sound() {
            Some("classes have reasons, but not each reason in one of them")
        } else if self.load_points.at_least == 0 || self.readings.at_least == 0 || self.items.is_empty() {
            Some("nothing would be tested")
        } else {
            None
        }
    }

    /// Whether reasons choose no class at all, or each of them one.
    fn reasons_are_sound(&self) -> bool {
        let mut reasons: Vec<&str> =
            self.classes.iter().flat_map(|class| &class.reasons).map(String::as_str).collect();
        let has_each = REASONS.iter().all(|reason| reasons.contains(reason));
        reasons.sort_unstable();
        let count = reasons.len();
        reasons.dedup();
        count == 0 || (has_each && reasons.len() == count && count == REASONS.len())
    }
}
