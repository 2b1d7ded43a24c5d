//! Rule sets: what regulations say, as data. One file a regulation in `rules/`; adding one needs no code.
//!
//! Every number stands there with how sure it is and where it was read. The folder is part of the program; a rule set from
//! elsewhere reads through [`parse`]. The shape of a file is in [`shape`]. Whoever changes what a file asks for gives it a new
//! version and moves the old one to `rules/former/`, where documents made under it find it for ever. It never judges: see
//! [`crate::decision`].

use std::sync::OnceLock;

use include_dir::{Dir, include_dir};
use rust_decimal::Decimal;
use thiserror::Error;

use crate::crossing;
use crate::decision::DecisionRule;

mod marked;
pub mod shape;

pub use shape::{
    Bilingual, Class, ClockLimits, CurrentRange, DecisionData, DecisionWord, IndicationLimit,
    InsulationLimit, Interval, ItemCode, ItemRule, LeastEnergy, LoadPoints, ProposedPoint, Ratio, Readings,
    Rounding, RuleSet, StandardLimit, Status, Sureness,
};

/// The files, in the program.
static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/rules");

/// Largest rule set that is read, bytes: thirty times ours.
pub const FILE_BYTES_MAX: usize = 100_000;

/// Why there is no limit.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RuleError {
    /// A rule set's file does not read.
    #[error("rule set: {0}")]
    File(String),
    /// No rule set applies.
    #[error("no rule set applies to {0}")]
    Kind(String),
    /// No rule set of that name.
    #[error("there is no rule set {0}")]
    Name(String),
    /// The rule set has no such class.
    #[error("{rule_set} has no accuracy class {class}")]
    Class {
        /// The rule set.
        rule_set: String,
        /// The class asked for.
        class: Decimal,
    },
}

/// Where files stand that a newer version has taken the place of.
const FORMER: &str = "former";

/// The version of a rule set that its bare name means: the first, since documents of that time say no more.
const FIRST_VERSION: &str = "1";

/// A rule set with the name of its file.
type Filed = (String, RuleSet);

/// The files, read.
struct Library {
    /// The newest version of each.
    newest: Vec<Filed>,
    /// Former versions.
    former: Vec<Filed>,
}

/// Every rule set in its newest version, in the order of their files' names.
pub fn all() -> Result<Vec<RuleSet>, RuleError> {
    Ok(library()?.newest.iter().map(|(_, rules)| rules.clone()).collect())
}

/// The current rule set for a kind of instrument (`ac`, `dc`).
pub fn for_kind(kind: &str) -> Result<RuleSet, RuleError> {
    let current = |rules: &RuleSet| rules.status == Status::Current && rules.applies_to == kind;
    let found = library()?.newest.iter().find(|(_, rules)| current(rules));
    found.map(|(_, rules)| rules.clone()).ok_or_else(|| RuleError::Kind(kind.to_owned()))
}

/// The rule set that documents refer to so ([`RuleSet::reference`], [`RuleSet::citation`]), former versions included, or that of a
/// file's name without its ending: `JJG 1148-2022`, `JJG 1148-2018 v2`, `jjg-1148-2022`.
pub fn named(name: &str) -> Result<RuleSet, RuleError> {
    let library = library()?;
    let is_meant =
        |(file, rules): &&Filed| file == name || rules.reference() == name || rules.citation() == name;
    let found = library.newest.iter().chain(&library.former).find(is_meant);
    found.map(|(_, rules)| rules.clone()).ok_or_else(|| RuleError::Name(name.to_owned()))
}

/// The version that has taken the place of a former one; none for the newest.
pub fn replacement(rules: &RuleSet) -> Option<RuleSet> {
    let is_newer = |(_, known): &&Filed| known.name == rules.name && known.version != rules.version;
    library().ok()?.newest.iter().find(is_newer).map(|(_, newer)| newer.clone())
}

/// Reads a rule set.
pub fn parse(text: &str) -> Result<RuleSet, RuleError> {
    if FILE_BYTES_MAX < text.len() {
        return Err(RuleError::File(format!("{} bytes, more than {FILE_BYTES_MAX}", text.len())));
    }
    let rules: RuleSet = toml::from_str(text).map_err(|error| RuleError::File(error.to_string()))?;
    match rules.fault() {
        Some(fault) => Err(RuleError::File(format!("{}: {fault}", rules.name))),
        None => Ok(rules),
    }
}

/// The files read, once: limits are asked for row by row.
fn library() -> Result<&'static Library, RuleError> {
    static READ: OnceLock<Result<Library, RuleError>> = OnceLock::new();
    let read = READ.get_or_init(|| {
        let former = FILES.get_dir(FORMER).map(read_files).transpose()?.unwrap_or_default();
        Ok(Library { newest: read_files(&FILES)?, former })
    });
    read.as_ref().map_err(Clone::clone)
}

/// The files of a folder, without those of folders in it.
fn read_files(folder: &Dir<'_>) -> Result<Vec<Filed>, RuleError> {
    let mut read = Vec::new();
    for file in folder.files() {
        let name = file.path().to_string_lossy().into_owned();
        let is_toml = file.path().extension().is_some_and(|ending| ending == "toml");
        let stem =
            file.path().file_stem().filter(|_| is_toml).map(|stem| stem.to_string_lossy().into_owned());
        let stem = stem.ok_or_else(|| RuleError::File(format!("{name} is not TOML")))?;
        let text = file.contents_utf8().ok_or_else(|| RuleError::File(format!("{name} is not UTF-8")))?;
        read.push((stem, parse(text)?));
    }
    read.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(read)
}

impl RuleSet {
    /// Name and version, as a verdict quotes it.
    pub fn citation(&self) -> String {
        format!("{} v{}", self.name, self.version)
    }

    /// What an order names it by: its name alone in its first version, with the version in any other.
    pub fn reference(&self) -> String {
        if self.version == FIRST_VERSION { self.name.clone() } else { self.citation() }
    }

    /// Names of the classes it knows: `1, 2`.
    pub fn class_names(&self) -> String {
        self.classes.iter().map(|class| class.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Maximum permissible error of a class, as a fraction (0.01 is 1 %).
    pub fn mpe(&self, class: Decimal) -> Result<f64, RuleError> {
        // The hundredth is taken in decimals: 0.35 / 100 in floating numbers is not the number nearest to 0.0035.
        Ok(crossing::to_f64(self.mpe_percent(class)? / Decimal::ONE_HUNDRED))
    }

    /// Maximum permissible error of a class, percent.
    pub fn mpe_percent(&self, class: Decimal) -> Result<Decimal, RuleError> {
        let found = self.class(class).map(|class| class.mpe_percent);
        found.ok_or_else(|| RuleError::Class { rule_set: self.name.clone(), class })
    }

    /// The class of a number. Where reasons choose, the plate's number does not: it is then the first class, the strictest of
    /// those that [`Self::for_reason`] has left.
    pub fn class(&self, class: Decimal) -> Option<&Class> {
        self.classes.iter().find(|known| !known.reasons.is_empty() || known.number() == Some(class))
    }

    /// The rule set for verifications of one reason: only the class that it chooses; as it is where classes have no reasons.
    #[must_use]
    pub fn for_reason(mut self, reason: &str) -> Self {
        let is_meant =
            |class: &Class| class.reasons.is_empty() || class.reasons.iter().any(|is| is == reason);
        self.classes.retain(is_meant);
        self
    }

    /// What results of a class are rounded to, percent; none where the rules round nothing or know no such class.
    ///
    /// # Formula
    /// `fraction × class`: 0.1 % for class 1, 0.2 % for class 2.
    pub fn rounding_interval_percent(&self, class: Decimal) -> Option<Decimal> {
        let class = self.class(class)?.number()?;
        self.rounding.as_ref()?.fraction_of_class.checked_mul(class)
    }

    /// Limit of the indication error (示值误差) of a class, percent, ±; none where the rules set none or know no such class.
    ///
    /// # Formula
    /// `ratio × MPE`.
    pub fn indication_limit_percent(&self, class: Decimal) -> Option<Decimal> {
        self.indication.as_ref()?.ratio_of_mpe.of(self.mpe_percent(class).ok()?)
    }

    /// Least energy of a test, Wh, for a register that shows steps of `resolution_wh`. None for an unknown class, a resolution
    /// that is not above zero, or numbers that are too large.
    ///
    /// # Formula
    /// `W ≥ δ / (fraction × class / 100)`: the step may be as large a part of the energy as the fraction of the class.
    pub fn least_energy_wh(&self, class: Decimal, resolution_wh: Decimal) -> Option<Decimal> {
        let class = self.class(class).filter(|_| Decimal::ZERO < resolution_wh)?.number()?;
        let part_percent = self.energy.resolution_fraction_of_class.checked_mul(class)?;
        resolution_wh.checked_mul(Decimal::ONE_HUNDRED)?.checked_div(part_percent)
    }

    /// How it is decided.
    pub fn decision_rule(&self) -> DecisionRule {
        match self.decision.rule {
            DecisionWord::ThreeZones => DecisionRule::ThreeZones,
            DecisionWord::SimpleAcceptance => DecisionRule::SimpleAcceptance {
                uncertainty_ratio_max: self.standard.expanded_ratio_max.to_f64(),
            },
            DecisionWord::GuardBand => {
                DecisionRule::GuardBand { factor: crossing::to_f64(self.decision.guard_factor) }
            }
        }
    }
}

#[cfg(test)]
mod tests;
