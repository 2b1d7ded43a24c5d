//! Conformance: what may be found about how a charger speaks, how much each finding weighs, and the score of all together.
//!
//! `gateway::findings` counts, `store::finding` keeps the counts, pages show score and advice. Pure. The score says how well a
//! charger keeps to OCPP where it bears on metering; it says nothing about how well it measures.

use veripile_pile::Mark;

use crate::Version;

macro_rules! breaches {
    ($($(#[$doc:meta])* $name:ident => $code:literal,)*) => {
        /// What a charger does against the protocol that is no mark on a frame or reading.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Breach {
            $($(#[$doc])* $name,)*
        }

        impl Breach {
            /// Every breach there is.
            pub const ALL: &'static [Breach] = &[$(Breach::$name,)*];

            /// The stable code, as stored. No mark has the same.
            pub fn code(self) -> &'static str {
                match self {
                    $(Breach::$name => $code,)*
                }
            }

            /// Reads [`Self::code`] back.
            pub fn from_code(code: &str) -> Option<Self> {
                match code {
                    $($code => Some(Breach::$name),)*
                    _ => None,
                }
            }
        }
    };
}

breaches! {
    /// A call that its version does not know; answered `NotImplemented`.
    UnknownAction => "unknown_action",
    /// A call that only a central system makes; answered `NotSupported`.
    WrongWayRound => "wrong_way_round",
    /// A frame that is no OCPP-J; answered `FormationViolation` or `FormatViolation`.
    UnreadableFrame => "unreadable_frame",
    /// A SEND where the version knows none.
    SendNotInVersion => "send_not_in_version",
    /// An answer of ours, refused (CALLRESULTERROR).
    AnswerRefused => "answer_refused",
    /// No answer to a call of ours in time.
    LateAnswer => "late_answer",
    /// An answer that does not fit the call of ours.
    UnreadableAnswer => "unreadable_answer",
}

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing, not the charger's fault.
    Remark,
    /// Against the letter, but what is meant is never in doubt.
    Quirk,
    /// What is meant must be guessed, or is lost.
    Fault,
    /// Endangers metering: energy, time or signature cannot be relied on.
    Grave,
}

impl Severity {
    /// Tenths of a message that one finding costs. A quirk in every message costs a tenth of the score, since nothing is lost by
    /// it; a grave finding costs five messages, since what bears on metering is at most a fifth of what a charger says (the
    /// rest is heartbeats and status).
    fn tenths(self) -> u64 {
        match self {
            Self::Remark => 0,
            Self::Quirk => 1,
            Self::Fault => 10,
            Self::Grave => 50,
        }
    }
}

/// Severity of a code of a [`Mark`] or [`Breach`]; one that is neither, of another version of this program, is a remark.
pub fn severity(code: &str) -> Severity {
    match (Mark::from_code(code), Breach::from_code(code)) {
        (Some(mark), _) => of_mark(mark),
        (_, Some(breach)) => of_breach(breach),
        _ => Severity::Remark,
    }
}

/// The score, 0 to 100, higher is better; none where nothing was heard.
///
/// `findings` are codes with the number of messages that have them.
///
/// # Formula
/// `100 × max(0, 1 − Σ w(c) n(c) / N)`, rounded down: `N` messages, `n(c)` of them with finding `c`, `w` 0 for a remark, 0.1 for a
/// quirk, 1 for a fault, 5 for a grave finding. With faults only, one to a message, it is the share of clean messages. Rounded
/// down, 100 stands for no finding but remarks.
pub fn score<'a>(messages: u64, findings: impl IntoIterator<Item = (&'a str, u64)>) -> Option<u8> {
    let lost = |(code, count): (&str, u64)| severity(code).tenths().saturating_mul(count.min(messages));
    let lost = findings.into_iter().map(lost).fold(0u64, u64::saturating_add);
    let all = messages.saturating_mul(10);
    let kept = u128::from(all.saturating_sub(lost)) * 100 / u128::from((all > 0).then_some(all)?);
    u8::try_from(kept).ok()
}

/// Whether a mark on a message of this version is a finding. In 2.x the value of a sample is a number by its schema.
pub fn is_finding(version: Version, mark: Mark) -> bool {
    mark != Mark::NumberNotText || version == Version::V16
}

fn of_mark(mark: Mark) -> Severity {
    match mark {
        Mark::SignedUnchecked
        | Mark::SignedUnsupported
        | Mark::KeyOnFirstUse
        | Mark::ZeroEnergy
        | Mark::NeverEnded
        | Mark::Offline
        | Mark::Unproven
        | Mark::VehicleSpanDiffers => Severity::Remark,
        Mark::NumberNotText
        | Mark::MissingUnit
        | Mark::TooLong
        | Mark::SignedNoKey
        | Mark::SessionRegister
        | Mark::CoarseRegister => Severity::Quirk,
        Mark::UnknownMeasurand
        | Mark::UnknownContext
        | Mark::UnknownPhase
        | Mark::UnknownLocation
        | Mark::ZonelessTimestamp
        | Mark::EmptySample
        | Mark::BadShape
        | Mark::NoTransaction
        | Mark::OrphanStop
        | Mark::NoEnergy
        | Mark::Overlap
        | Mark::PlaceholderStart
        | Mark::SequenceGap
        | Mark::ReusedTransaction => Severity::Fault,
        Mark::BadNumber
        | Mark::UnknownUnit
        | Mark::BadTimestamp
        | Mark::RegisterFalling
        | Mark::SignedInvalid
        | Mark::SignedMalformed
        | Mark::KeyOfAnotherMeter
        | Mark::SignedDiffers
        | Mark::RegisterMismatch
        | Mark::RegisterRestarted
        | Mark::UnitSuspect
        | Mark::EnergyAfterStop
        | Mark::NegativeEnergy
        | Mark::ImplausibleEnergy
        | Mark::PowerOverRating
        | Mark::NonPositiveDuration => Severity::Grave,
    }
}

fn of_breach(breach: Breach) -> Severity {
    match breach {
        // A vendor's own action is kept and told off; nothing of metering is lost by it.
        Breach::UnknownAction | Breach::SendNotInVersion => Severity::Quirk,
        Breach::WrongWayRound
        | Breach::UnreadableFrame
        | Breach::AnswerRefused
        | Breach::LateAnswer
        | Breach::UnreadableAnswer => Severity::Fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_of_one_finding_only() {
        for breach in Breach::ALL {
            assert_eq!(Breach::from_code(breach.code()), Some(*breach));
            assert_eq!(Mark::from_code(breach.code()), None, "{}", breach.code());
        }
        assert_eq!(Breach::from_code("no such breach"), None);
    }

    /// The arithmetic is by hand from the formula.
    #[test]
    fn the_score_is_the_share_of_clean_messages_weighed_by_severity() {
        let check = |messages, findings: &[(&str, u64)], expected| {
            assert_eq!(score(messages, findings.iter().copied()), expected, "{messages} {findings:?}");
        };
        check(0, &[], None);
        check(0, &[("bad_number", 3)], None);
        check(200, &[], Some(100));
        check(200, &[("bad_shape", 50)], Some(75));
        check(200, &[("number_not_text", 200)], Some(90));
        check(200, &[("register_falling", 4)], Some(90));
        check(200, &[("register_falling", 40)], Some(0));
        check(200, &[("register_falling", 4), ("bad_shape", 10), ("missing_unit", 100)], Some(80));
        check(1_000_000, &[("number_not_text", 1)], Some(99));
        check(10, &[("key_on_first_use", 10), ("a_code_to_come", 10)], Some(100));
        check(10, &[("late_answer", 25)], Some(0));
        check(u64::MAX, &[("bad_number", u64::MAX)], Some(0));
    }

    #[test]
    fn a_number_for_a_text_is_a_finding_in_1_6_only() {
        assert!(is_finding(Version::V16, Mark::NumberNotText));
        assert!(!is_finding(Version::V201, Mark::NumberNotText));
        assert!(is_finding(Version::V21, Mark::BadNumber));
    }
}
