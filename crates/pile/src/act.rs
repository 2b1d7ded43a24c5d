//! Acts of authority on a pile: certificates, notices, cases. Facts that are appended, each by a named person or body.
//!
//! A verification (检定) is an act with legal effect; a remote estimate is not and never appears here. Standings
//! are judged from these ([`crate::standing`]).

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// What stands as issuer where nobody said which body it was.
pub const NO_BODY: &str = "-";

/// The body that an act, a case or a certificate names as its issuer; none where nobody said.
pub fn body(issuer: &str) -> Option<&str> {
    Some(issuer).filter(|issuer| *issuer != NO_BODY)
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActKind {
    /// 检定证书: verified on site and passed.
    Certificate,
    /// Measured on site, without a certificate: anchors remote estimates and changes no state.
    Measured,
    /// 检定结果通知书: verified on site and not passed. By itself not yet public: it must be confirmed.
    Notice,
    /// A case was opened; the pile is under review.
    CaseOpened,
    /// An open case was handed to a body above, which leads it from then on.
    CaseEscalated,
    /// Which body leads an open case was recorded afterwards: nobody had written it down when it was opened.
    CaseNamed,
    /// One person confirmed the failure. Two different persons are needed.
    FailureConfirmed,
    /// The case was closed without a failure, or after repair.
    CaseClosed,
    /// Use was stopped.
    UseStopped,
    /// Use was resumed.
    UseResumed,
    /// A certificate was put in question: a seal is broken, the firmware is another, or the pile was repaired. Until it is verified
    /// anew nothing is certified.
    CertificateQuestioned,
    /// A certificate was withdrawn by who issued it.
    CertificateWithdrawn,
}

impl ActKind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Certificate,
        Self::Measured,
        Self::Notice,
        Self::CaseOpened,
        Self::CaseEscalated,
        Self::CaseNamed,
        Self::FailureConfirmed,
        Self::CaseClosed,
        Self::UseStopped,
        Self::UseResumed,
        Self::CertificateQuestioned,
        Self::CertificateWithdrawn,
    ];

    /// The word used in database and API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Measured => "measured",
            Self::Notice => "notice",
            Self::CaseOpened => "case_opened",
            Self::CaseEscalated => "case_escalated",
            Self::CaseNamed => "case_named",
            Self::FailureConfirmed => "failure_confirmed",
            Self::CaseClosed => "case_closed",
            Self::UseStopped => "use_stopped",
            Self::UseResumed => "use_resumed",
            Self::CertificateQuestioned => "certificate_questioned",
            Self::CertificateWithdrawn => "certificate_withdrawn",
        }
    }

    /// Reads [`Self::word`] back.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// An on-site result in numbers. It anchors the level of the remote estimates.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OnSiteResult {
    /// Error of indication found, percent, positive = over-registering.
    pub error_percent: Decimal,
    /// Expanded uncertainty of that error, percent.
    pub expanded_uncertainty_percent: Decimal,
    /// Its coverage factor.
    pub coverage_factor: Decimal,
}

/// One act.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Act {
    /// What was done.
    pub kind: ActKind,
    /// Number of the document or case.
    pub number: String,
    /// Outlet that it speaks of, from 1; none: the whole pile.
    #[serde(default)]
    pub outlet: Option<u32>,
    /// The body that issued it, or [`NO_BODY`].
    pub issuer: String,
    /// Who acted for that body.
    pub person: String,
    /// When.
    pub acted_at: Timestamp,
    /// Last moment of validity of a certificate.
    pub valid_until: Option<Timestamp>,
    /// End of the operator's reply window of a case.
    pub reply_until: Option<Timestamp>,
    /// On-site result, where one was measured.
    pub result: Option<OnSiteResult>,
}
