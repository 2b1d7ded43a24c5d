//! The next date of a pile by its state as a proposal: why there is none, and what of it has lapsed since it was made.
//!
//! `assessment::interval` makes it with every whole assessment, pages and API read it however old that is: what depends on today is evaluated
//! when read, so that a date falls away by itself where assessments stop. Nothing here proposes a date.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::{Certified, Standing};

/// Days after the last compared charge at which coverage lapses: one reporting month and some.
pub const COVERAGE_DAYS_MAX: i64 = 35;

/// Days of silence at which a connection lapses: longer than any outage that is repaired in the ordinary way.
pub const SILENCE_DAYS_MAX: i64 = 14;

/// Days at which an assessment says nothing of today any more: as long as a pile may be silent, since nobody has listened to any since.
pub const ASSESSMENT_DAYS_MAX: i64 = SILENCE_DAYS_MAX;

/// Why there is no date by state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Withdrawn {
    /// Its use was stopped.
    Stopped,
    /// It failed: two people have confirmed it, and the operator's time to reply is over.
    Failed,
    /// A case is open: somebody has said that it failed.
    UnderReview,
    /// The certificate has expired: whatever its charges say, the pile is due.
    CertificateExpired,
    /// It was never verified: there is no certificate whose interval could be chosen.
    NeverVerified,
    /// The legal interval is over.
    LegallyDue,
    /// It is not comparable: its connected set has no level, or it has no charges.
    NotComparable,
    /// The newest of what gives its set a level is too old to carry dates, or unknown.
    AnchorsLapsed,
    /// Too few charges.
    FewCharges,
    /// No compared charge for [`COVERAGE_DAYS_MAX`] days.
    CoverageLapsed,
    /// Silent for [`SILENCE_DAYS_MAX`] days.
    ConnectionLapsed,
    /// The estimate says nonconform.
    Nonconform,
    /// It is not known to conform today (undecided, or its on-site result contradicts its charges), or even three months are not sure enough.
    NotReliable,
    /// The assessment is older than [`ASSESSMENT_DAYS_MAX`] days. Only found when read.
    AssessmentOld,
}

impl Withdrawn {
    /// Every reason.
    pub const ALL: [Self; 14] = [
        Self::Stopped,
        Self::Failed,
        Self::UnderReview,
        Self::CertificateExpired,
        Self::NeverVerified,
        Self::LegallyDue,
        Self::NotComparable,
        Self::AnchorsLapsed,
        Self::FewCharges,
        Self::CoverageLapsed,
        Self::ConnectionLapsed,
        Self::Nonconform,
        Self::NotReliable,
        Self::AssessmentOld,
    ];

    /// Its word, as stored and told.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::UnderReview => "under_review",
            Self::CertificateExpired => "certificate_expired",
            Self::NeverVerified => "never_verified",
            Self::LegallyDue => "legally_due",
            Self::NotComparable => "not_comparable",
            Self::AnchorsLapsed => "anchors_lapsed",
            Self::FewCharges => "few_charges",
            Self::CoverageLapsed => "coverage_lapsed",
            Self::ConnectionLapsed => "connection_lapsed",
            Self::Nonconform => "nonconform",
            Self::NotReliable => "not_reliable",
            Self::AssessmentOld => "assessment_old",
        }
    }
}

/// Whether something is more than so many days ago, or never was.
pub fn is_old(at: Option<Timestamp>, days: i64, now: Timestamp) -> bool {
    at.is_none_or(|at| SignedDuration::from_hours(24 * days) < now.duration_since(at))
}

/// What acts of authority have against a date: whoever is stopped, failed or under review waits for none, nor does a pile that is due because
/// its certificate has expired, however long the law would let it wait since that was given.
pub fn barred(standing: &Standing, now: Timestamp) -> Vec<Withdrawn> {
    let of_case = |is_failed: bool| if is_failed { Withdrawn::Failed } else { Withdrawn::UnderReview };
    let case = standing.case.as_ref().map(|case| of_case(case.is_failed(now)));
    let is_over =
        |certificate: &&Certified| certificate.questioned_at.is_none() && certificate.valid_until < now;
    let expired = standing.certificate.as_ref().filter(is_over).map(|_| Withdrawn::CertificateExpired);
    standing.stopped_at.map(|_| Withdrawn::Stopped).into_iter().chain(case).chain(expired).collect()
}

/// Why a proposal of a moment does not hold now, whatever it said then: what acts have against it, no certificate that stands, and what is too
/// old by now, the assessment itself among it. In the order of the enum.
pub fn lapsed(
    as_of: Timestamp,
    standing: &Standing,
    last_heard_at: Option<Timestamp>,
    now: Timestamp,
) -> Vec<Withdrawn> {
    let stands = |certificate: &Certified| certificate.questioned_at.is_none();
    let last_charge = standing.estimate.as_ref().and_then(|estimate| estimate.period).map(|(_, last)| last);
    let checks = [
        (!standing.certificate.as_ref().is_some_and(stands), Withdrawn::NeverVerified),
        (is_old(last_charge, COVERAGE_DAYS_MAX, now), Withdrawn::CoverageLapsed),
        (is_old(last_heard_at, SILENCE_DAYS_MAX, now), Withdrawn::ConnectionLapsed),
        (is_old(Some(as_of), ASSESSMENT_DAYS_MAX, now), Withdrawn::AssessmentOld),
    ];
    let old = checks.into_iter().filter_map(|(is_so, reason)| is_so.then_some(reason));
    barred(standing, now).into_iter().chain(old).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Act, ActKind, Estimate, RemoteVerdict};

    fn day(n: i64) -> Timestamp {
        Timestamp::from_second(1_770_000_000 + n * 86_400).expect("in range")
    }

    fn act(kind: ActKind, on: i64, person: &str) -> Act {
        Act {
            kind,
            number: if kind == ActKind::Certificate { "C" } else { "N" }.to_owned(),
            outlet: None,
            issuer: "计量所".to_owned(),
            person: person.to_owned(),
            acted_at: day(on),
            valid_until: (kind == ActKind::Certificate).then(|| day(on + 1_000)),
            reply_until: (kind == ActKind::Notice).then(|| day(on + 21)),
            result: None,
        }
    }

    fn estimate() -> Estimate {
        Estimate {
            as_of: day(100),
            component: 0,
            grounded: true,
            charges: 900,
            period: Some((day(0), day(99))),
            error: Some(0.001),
            standard_uncertainty: Some(0.001),
            probability_conform: Some(1.0),
            limit: 0.01,
            rule: "test".to_owned(),
            verdict: RemoteVerdict::Conform,
        }
    }

    fn at(acts: &[Act], now: i64, heard: i64) -> Vec<Withdrawn> {
        lapsed(day(100), &Standing::judge(acts, Some(estimate())), Some(day(heard)), day(now))
    }

    #[test]
    fn a_date_falls_away_by_itself() {
        let certificate = [act(ActKind::Certificate, 0, "a")];
        assert_eq!(at(&certificate, 114, 114), []);
        assert_eq!(at(&certificate, 115, 115), [Withdrawn::AssessmentOld]);
        assert_eq!(at(&certificate, 110, 95), [Withdrawn::ConnectionLapsed]);
        let all = [Withdrawn::CoverageLapsed, Withdrawn::ConnectionLapsed, Withdrawn::AssessmentOld];
        assert_eq!(at(&certificate, 135, 100), all);
    }

    #[test]
    fn a_date_ends_with_the_certificate() {
        let until = |on: i64| [Act { valid_until: Some(day(on)), ..act(ActKind::Certificate, 0, "a") }];
        assert_eq!(at(&until(110), 110, 110), []);
        assert_eq!(at(&until(109), 110, 110), [Withdrawn::CertificateExpired]);
        // In question, it certifies nothing, whether it has expired or not.
        let questioned = Act { number: "C".to_owned(), ..act(ActKind::CertificateQuestioned, 101, "a") };
        let [certificate] = until(109);
        assert_eq!(at(&[certificate, questioned], 110, 110), [Withdrawn::NeverVerified]);
    }

    #[test]
    fn acts_since_the_assessment_count() {
        let mut acts = vec![act(ActKind::Certificate, 0, "a"), act(ActKind::Notice, 101, "a")];
        assert_eq!(at(&acts, 102, 102), [Withdrawn::UnderReview]);
        acts.extend(["a", "b"].map(|person| act(ActKind::FailureConfirmed, 102, person)));
        let failed = Standing::judge(&acts, None);
        assert_eq!(barred(&failed, day(122)), [Withdrawn::UnderReview], "the reply window runs");
        assert_eq!(barred(&failed, day(123)), [Withdrawn::Failed]);
        acts.push(act(ActKind::UseStopped, 103, "a"));
        assert_eq!(at(&acts, 104, 104), [Withdrawn::Stopped, Withdrawn::UnderReview]);
        let questioned = Act { number: "C".to_owned(), ..act(ActKind::CertificateQuestioned, 101, "a") };
        let questioned = [act(ActKind::Certificate, 0, "a"), questioned];
        assert_eq!(at(&questioned, 102, 102), [Withdrawn::NeverVerified]);
    }
}
