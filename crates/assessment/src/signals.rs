//! Signals of tampering and fraud: what in the evidence is not as chance and honest meters make it (metrology.md §3).
//!
//! Called by `app` after an assessment, with the residuals that its fit left. A finding is a reason to look, never a
//! verdict: it moves no estimate and no standing. A signal whose inputs are absent says nothing, which is no pass.
//!
//! Two kinds. *Exact* findings (registers, bills, records) follow from arithmetic and have no probability.
//! *Statistical* ones go through [`veripile_metrology::multiplicity::select`]: Holm within a pile, Benjamini–Hochberg
//! over the fleet at [`Settings::false_discovery_rate`]; where nothing is wrong anywhere, the chance of even one is
//! at most that rate.

mod alike;
mod amount;
mod apart;
mod clock;
mod digits;
mod doubt;
mod efficiency;
mod evidence;
mod firmware;
mod forgery;
mod gains;
mod heaping;
mod outlets;
mod readers;
mod records;
mod registers;
mod said;
mod silence;
mod stray;
#[cfg(test)]
mod tests;
mod unasked;
mod wandering;
mod world;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use veripile_metrology::multiplicity;
use veripile_metrology::shared::shared;

pub(crate) use doubt::{Compared, Doubt, Known, doubted};
pub use evidence::{
    Bill, FirmwareChange, MasterInterval, PileLevel, PricePeriod, RegisterInterval, Residual, SignalCharge,
    SignalEvidence, SignalPile, ToldRegister,
};
pub(crate) use forgery::{decimals, equal_by_chance};
pub use said::Phrase;
pub use unasked::{are_enough, have_both_sides, unasked};
use world::World;

/// Rows named by one finding at most: enough to look at, and a file of findings stays small.
pub const EVIDENCE_MAX: usize = 20;

/// What is looked for; the words are those of `DIR/signals.csv`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The error changed at a date that nothing explains.
    Step,
    /// The error changed with the firmware.
    FirmwareStep,
    /// The error depends on the hour.
    TimeOfDayGain,
    /// Small charges err otherwise than large ones: a fixed amount is added to each.
    SizeBias,
    /// The error depends on the power.
    PowerBias,
    /// The error depends on how much of the battery is charged.
    SocBias,
    /// Unsigned charges err otherwise than signed ones.
    UnsignedGain,
    /// Vehicles not known err otherwise than known ones.
    StrangerGain,
    /// What the pile relays of vehicles is not what vehicles say.
    ForgedVehicleData,
    /// The pile's energy and the vehicle's differ by a factor of two or more, at this pile.
    EnergiesApart,
    /// The clock is wrong by more than its limit.
    Clock,
    /// Bills are not energy times tariff.
    Amount,
    /// More energy out than a converter can give, or far less.
    Efficiency,
    /// Two outlets are exchanged.
    SwappedOutlets,
    /// A record or a key turns up where it cannot be.
    ReplayedRecord,
    /// The register went back: energy is billed twice.
    RegisterRollback,
    /// The register went on between charges.
    RegisterGap,
    /// The register's difference is not the energy billed.
    RegisterMismatch,
    /// Messages are missing in clusters, or when the error is large.
    Silence,
    /// Last digits are not as equal as chance makes them.
    DigitPreference,
    /// Errors of an operator's piles crowd just under the limit.
    Heaping,
}

impl Code {
    /// Every code, in the order of the file's description.
    pub const ALL: [Self; 21] = [
        Self::Step,
        Self::FirmwareStep,
        Self::TimeOfDayGain,
        Self::SizeBias,
        Self::PowerBias,
        Self::SocBias,
        Self::UnsignedGain,
        Self::StrangerGain,
        Self::ForgedVehicleData,
        Self::EnergiesApart,
        Self::Clock,
        Self::Amount,
        Self::Efficiency,
        Self::SwappedOutlets,
        Self::ReplayedRecord,
        Self::RegisterRollback,
        Self::RegisterGap,
        Self::RegisterMismatch,
        Self::Silence,
        Self::DigitPreference,
        Self::Heaping,
    ];

    /// Its word in files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::FirmwareStep => "firmware_step",
            Self::TimeOfDayGain => "time_of_day_gain",
            Self::SizeBias => "size_bias",
            Self::PowerBias => "power_bias",
            Self::SocBias => "soc_bias",
            Self::UnsignedGain => "unsigned_gain",
            Self::StrangerGain => "stranger_gain",
            Self::ForgedVehicleData => "forged_vehicle_data",
            Self::EnergiesApart => "energies_apart",
            Self::Clock => "clock",
            Self::Amount => "amount",
            Self::Efficiency => "efficiency",
            Self::SwappedOutlets => "swapped_outlets",
            Self::ReplayedRecord => "replayed_record",
            Self::RegisterRollback => "register_rollback",
            Self::RegisterGap => "register_gap",
            Self::RegisterMismatch => "register_mismatch",
            Self::Silence => "silence",
            Self::DigitPreference => "digit_preference",
            Self::Heaping => "heaping",
        }
    }
}

/// How much it matters if it is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; has honest explanations.
    Info,
    /// To be looked into.
    Warning,
    /// To be looked into now: money beyond the legal limit, or what no honest meter does.
    Critical,
}

impl Severity {
    /// Its word in files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Whom a finding speaks of; indices of the evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A pile, by its place in [`SignalEvidence::piles`].
    Pile(usize),
    /// A station, by the number in [`SignalPile::station`].
    Station(usize),
    /// An operator, by the number in [`SignalPile::operator`].
    Operator(usize),
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// Whom it speaks of.
    pub subject: Subject,
    /// What.
    pub code: Code,
    /// How much it matters.
    pub severity: Severity,
    /// The statistic: a standardised effect where there is a probability, else an amount in the unit that `said` names.
    pub statistic: f64,
    /// Probability of as much by chance, after Holm over everything asked of the same subject, of a step that the assessment found over all
    /// piles; none for an exact finding.
    pub p_value: Option<f64>,
    /// Begin of the time it speaks of.
    pub from: Option<Timestamp>,
    /// Its end.
    pub to: Option<Timestamp>,
    /// What is said of it: phrases that follow one another.
    pub said: Vec<Phrase>,
    /// Charges it rests on most, at most [`EVIDENCE_MAX`], ascending.
    pub evidence: Vec<usize>,
}

/// What is presumed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// q of Benjamini–Hochberg.
    pub false_discovery_rate: f64,
    /// Night, local hours from and to.
    pub night: (f64, f64),
    /// Hours at which inspectors come.
    pub inspection: (f64, f64),
    /// Largest error of a clock, s.
    pub clock_limit_s: f64,
    /// What an idle outlet may take through its meter, kW.
    pub standby_kw: f64,
}

impl Default for Settings {
    /// 1 % by metrology.md §3; 22 to 6 o'clock is night in many time-of-use tariffs, 9 to 17 are office hours; 3
    /// minutes by JJG 1148/1149 in service; 50 W feed a controller, a screen and a modem.
    fn default() -> Self {
        Self {
            false_discovery_rate: 0.01,
            night: (22.0, 6.0),
            inspection: (9.0, 17.0),
            clock_limit_s: 180.0,
            standby_kw: 0.05,
        }
    }
}

/// Why nothing was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignalError {
    /// A charge, master or register names a pile that is not there.
    #[error("{what} {index} names a pile that is not in the evidence")]
    NoSuchPile {
        /// Of which list.
        what: &'static str,
        /// Its place there.
        index: usize,
    },
}

/// Looks for every signal. Findings come by subject, then code.
pub fn find(evidence: &SignalEvidence<'_>, settings: &Settings) -> Result<Vec<Finding>, SignalError> {
    evidence.check()?;
    let world = World::new(evidence);
    let mut findings = exact(&world, settings);
    findings.extend(wandering::known(&world));
    findings.extend(of_one_cause(selected(statistical(&world, settings), settings.false_discovery_rate)));
    findings.sort_by(|a, b| {
        let key = |finding: &Finding| (finding.subject, finding.code, finding.from, finding.to);
        key(a).cmp(&key(b)).then_with(|| a.evidence.cmp(&b.evidence))
    });
    Ok(findings)
}

/// What follows from arithmetic.
fn exact(world: &World<'_>, settings: &Settings) -> Vec<Finding> {
    [
        registers::find(world, settings),
        amount::find(world),
        clock::find(world, settings),
        efficiency::find(world),
        records::find(world),
    ]
    .concat()
}

/// Everything asked with a probability, whether remarkable or not: what was asked counts for the correction.
fn statistical(world: &World<'_>, settings: &Settings) -> Vec<Finding> {
    let questions: [&(dyn Fn() -> Vec<Finding> + Sync); 10] = [
        &|| gains::ask(world, settings),
        &|| firmware::ask(world),
        &|| wandering::ask(world),
        &|| forgery::ask(world),
        &|| apart::ask(world),
        &|| efficiency::ask(world),
        &|| digits::ask(world),
        &|| outlets::ask(world),
        &|| silence::ask(world, settings),
        &|| heaping::ask(world),
    ];
    shared(&questions, |ask| ask()).concat()
}

/// What stands up to the number of questions asked. Of several questions with one code about one time, the clearest answer, and no mere remark
/// where there is more.
fn selected(asked: Vec<Finding>, false_discovery_rate: f64) -> Vec<Finding> {
    let mut families: BTreeMap<Subject, Vec<Finding>> = BTreeMap::new();
    for finding in asked {
        families.entry(finding.subject).or_default().push(finding);
    }
    let families: Vec<Vec<Finding>> = families.into_values().collect();
    let probabilities: Vec<Vec<f64>> = families
        .iter()
        .map(|asked| asked.iter().map(|finding| finding.p_value.unwrap_or(1.0)).collect())
        .collect();
    let selected = multiplicity::select(&probabilities, false_discovery_rate);
    let mut clearest: BTreeMap<_, Finding> = BTreeMap::new();
    for (finding, (p, is_reported)) in
        families.into_iter().flatten().zip(selected.tests.into_iter().flatten())
    {
        let key = (finding.subject, finding.code, finding.from, finding.to);
        let rank = |severity: Severity, p: f64| (severity == Severity::Info, p);
        let is_clearest = clearest.get(&key).is_none_or(|known| {
            known.p_value.is_none_or(|of| rank(finding.severity, p) < rank(known.severity, of))
        });
        if is_reported && is_clearest {
            clearest.insert(key, Finding { p_value: Some(p), ..finding });
        }
    }
    clearest.into_values().collect()
}

/// Large charges are mostly long fills, so that either dependence shows in the other, too: of a pile with both the less clear one says that
/// it may be the same, and is no graver than the clearer one. Both stay, since both may be true.
fn of_one_cause(mut findings: Vec<Finding>) -> Vec<Finding> {
    for at in 0..findings.len() {
        let finding = &findings[at];
        let (other, may_be) = match finding.code {
            Code::SizeBias => (Code::SocBias, Phrase::MayBeFill {}),
            Code::SocBias => (Code::SizeBias, Phrase::MayBeSize {}),
            _ => continue,
        };
        let is_clearer = |told: &&Finding| {
            told.subject == finding.subject
                && told.code == other
                && finding.statistic.abs() < told.statistic.abs()
        };
        let most = findings.iter().find(is_clearer).map(|clearer| clearer.severity);
        if let Some(most) = most {
            findings[at].severity = findings[at].severity.min(most);
            findings[at].said.push(may_be);
        }
    }
    findings
}
