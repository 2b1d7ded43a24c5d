//! The risk that a load point's decision is wrong, given its readings (JCGM 106, 9.3).
//!
//! Called for every load point that is decided. Specific risks only: global ones need a prior distribution of piles' errors, and no
//! rule set states one.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use veripile_metrology::risk;

use super::{PROBABILITY_DIGITS, Verdict, written};

/// Whose risk a decision is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RiskBearer {
    /// The consumer's: it conforms by the decision, and does not.
    Consumer,
    /// The producer's: it does not conform by the decision, and does.
    Producer,
}

impl RiskBearer {
    /// The word used in texts.
    pub fn word(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::Producer => "producer",
        }
    }
}

/// The specific risk of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Risk {
    /// Whose.
    pub bearer: RiskBearer,
    /// Probability that the decision is wrong, given the readings.
    pub specific: Decimal,
}

impl Risk {
    /// Of a decision on an error and its standard uncertainty against ± a limit, all fractions; the error as measured, whatever rounded
    /// one was decided on. Without a decision there is no risk of its being wrong.
    pub(super) fn of(verdict: Verdict, error: f64, u: f64, limit: f64) -> Result<Option<Self>, String> {
        let tolerance = (-limit, limit);
        let (bearer, specific) = match verdict {
            Verdict::Conform => (RiskBearer::Consumer, risk::specific_consumer_risk(error, u, tolerance)),
            Verdict::Nonconform => (RiskBearer::Producer, risk::specific_producer_risk(error, u, tolerance)),
            Verdict::Undecided => return Ok(None),
        };
        Ok(Some(Self { bearer, specific: written(specific, PROBABILITY_DIGITS)? }))
    }
}
