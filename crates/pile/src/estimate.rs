//! What is said of a pile from afar: an estimate of its error with an honest uncertainty. Evidence, never a verification.
//!
//! Made by `assessment`, stored and shown beside the legal acts of [`crate::act`], never in their place.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What the estimate says against the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemoteVerdict {
    /// Inside the limit with 95 % confidence.
    Conform,
    /// Outside the limit with 95 % confidence.
    Nonconform,
    /// Neither can be said. Never shown as a pass.
    Undecided,
    /// The pile's comparisons reach no anchor: its level cannot be known. Never shown as a pass.
    NotComparable,
}

impl RemoteVerdict {
    /// The word used in files, database and API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Conform => "conform",
            Self::Nonconform => "nonconform",
            Self::Undecided => "undecided",
            Self::NotComparable => "not_comparable",
        }
    }

    /// Reads [`Self::word`] back.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Conform, Self::Nonconform, Self::Undecided, Self::NotComparable]
            .into_iter()
            .find(|verdict| verdict.word() == word)
    }
}

/// A pile's remote estimate. Errors are relative errors of indication as fractions (0.01 is 1 %), positive when the pile
/// over-registers and the customer loses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// When the estimate was made.
    pub as_of: Timestamp,
    /// Connected set of piles and vehicles that it was compared in; piles of one set are comparable with each other.
    pub component: u32,
    /// Whether an anchor gives that set its level.
    pub grounded: bool,
    /// Charges with values from both sides that the estimate rests on.
    pub charges: u32,
    /// First and last of those charges.
    pub period: Option<(Timestamp, Timestamp)>,
    /// Estimated error; in an ungrounded set the difference from the set's mean. None without charges.
    pub error: Option<f64>,
    /// Standard uncertainty (k = 1) of `error`.
    pub standard_uncertainty: Option<f64>,
    /// Probability that the true error lies within `limit`; none where the level is unknown.
    pub probability_conform: Option<f64>,
    /// The limit: maximum permissible error of the pile's class.
    pub limit: f64,
    /// Rule set and version that gave limit and decision rule.
    pub rule: String,
    /// The decision.
    pub verdict: RemoteVerdict,
}

/// 97.5 % quantile of the standard normal distribution.
const NORMAL_975: f64 = 1.959_963_984_540_054;

impl Estimate {
    /// The symmetric 95 % interval of the error, fractions.
    pub fn interval95(&self) -> Option<(f64, f64)> {
        let (error, half) = (self.error?, NORMAL_975 * self.standard_uncertainty?);
        Some((error - half, error + half))
    }
}
