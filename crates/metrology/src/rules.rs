//! Rule sets: what regulations say, as data. One file a regulation in `rules/`; adding one means adding its file to [`FILES`].

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::Deserialize;
use thiserror::Error;

/// The files, in the program.
const FILES: [&str; 2] =
    [include_str!("../rules/jjg-1148-2022.toml"), include_str!("../rules/jjg-1149-2022.toml")];

/// How sure a number of a rule set is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sureness {
    /// Read in a source.
    Source,
    /// General knowledge; shown as "to be confirmed against the standard".
    ToBeConfirmed,
}

/// What a rule set permits to one accuracy class.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// Name on the plate.
    pub name: String,
    /// Maximum permissible error of the operating error, percent, ±.
    pub mpe_percent: Decimal,
    /// How sure that is.
    pub sureness: Sureness,
}

/// Rounding (化整) of results.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rounding {
    /// Interval as a fraction of the class.
    pub fraction_of_class: Decimal,
    /// How sure that is.
    pub sureness: Sureness,
}

/// Verification interval.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// Years.
    pub years: u32,
    /// How sure that is.
    pub sureness: Sureness,
}

/// One regulation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSet {
    /// Its number, e.g. `JJG 1148-2022`.
    pub name: String,
    /// Chinese title.
    pub title_zh: String,
    /// English title.
    pub title_en: String,
    /// Kind of instrument: `ac` or `dc`.
    pub applies_to: String,
    /// Version of our file.
    pub version: String,
    /// Classes.
    #[serde(rename = "class")]
    pub classes: Vec<Class>,
    /// Rounding.
    pub rounding: Rounding,
    /// Interval.
    pub interval: Interval,
}

/// Why there is no limit.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RuleError {
    /// A rule set's file does not read.
    #[error("rule set: {0}")]
    File(String),
    /// No rule set applies.
    #[error("no rule set applies to {0}")]
    Kind(String),
    /// The rule set has no such class.
    #[error("{rule_set} has no accuracy class {class}")]
    Class {
        /// The rule set.
        rule_set: String,
        /// The class asked for.
        class: Decimal,
    },
}

/// Every rule set.
pub fn all() -> Result<Vec<RuleSet>, RuleError> {
    FILES
        .iter()
        .map(|text| toml::from_str(text).map_err(|error| RuleError::File(error.to_string())))
        .collect()
}

/// The rule set for a kind of instrument (`ac`, `dc`).
pub fn for_kind(kind: &str) -> Result<RuleSet, RuleError> {
    all()?.into_iter().find(|rules| rules.applies_to == kind).ok_or_else(|| RuleError::Kind(kind.to_owned()))
}

impl RuleSet {
    /// Name and version, as a verdict quotes it.
    pub fn citation(&self) -> String {
        format!("{} v{}", self.name, self.version)
    }

    /// Names of the classes it knows: `1, 2`.
    pub fn class_names(&self) -> String {
        self.classes.iter().map(|class| class.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Maximum permissible error of a class, as a fraction (0.01 is 1 %).
    pub fn mpe(&self, class: Decimal) -> Result<f64, RuleError> {
        let found = self.classes.iter().find(|known| known.name.parse() == Ok(class));
        let percent = found.and_then(|known| known.mpe_percent.to_f64());
        percent
            .map(|percent| percent / 100.0)
            .ok_or_else(|| RuleError::Class { rule_set: self.name.clone(), class })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_listed_and_reads() {
        let folder =
            std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/rules")).expect("the folder is there");
        assert_eq!(folder.count(), FILES.len());
        assert_eq!(all().expect("readable").len(), FILES.len());
    }

    // Classes and limits of JJG 1148-2022 and JJG 1149-2022: ±1.0 % and ±2.0 %.
    #[test]
    fn classes_have_their_limits() {
        for kind in ["ac", "dc"] {
            let rules = for_kind(kind).expect("known");
            assert_eq!(rules.mpe(Decimal::ONE), Ok(0.01));
            assert_eq!(rules.mpe("2.0".parse().expect("literal")), Ok(0.02));
            assert!(rules.mpe(Decimal::TEN).is_err());
        }
        assert!(for_kind("steam").is_err());
    }
}
