//! What is told of a standing beside its state: since when that holds, and what may be said of the certificate.
//!
//! Called by pages, badge, widget, query API, dumps and OCPI, so that all of them say the same. It judges nothing.

use jiff::Timestamp;

use super::{Certified, Standing, State, UNSEEN_AFTER};

/// What may be said of a pile's last certificate, whatever its state rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certification<'a> {
    /// Nothing was said against it: its dates are told as they are, over or not, beside the state.
    Stands(&'a Certified),
    /// In question since a moment: it was verified once, and is valid for nothing.
    Questioned(&'a Certified, Timestamp),
    /// A failure is public, which outweighs whatever was certified before: it was verified once.
    Overtaken(&'a Certified),
}

impl<'a> Certification<'a> {
    /// The certificate.
    pub fn certificate(self) -> &'a Certified {
        match self {
            Self::Stands(certificate) | Self::Questioned(certificate, _) | Self::Overtaken(certificate) => {
                certificate
            }
        }
    }
}

impl Standing {
    /// What may be said of the certificate; none where there is none.
    pub fn certification(&self, now: Timestamp) -> Option<Certification<'_>> {
        let certificate = self.certificate.as_ref()?;
        let is_failed = self.case.as_ref().is_some_and(|case| case.is_failed(now));
        Some(match certificate.questioned_at {
            Some(since) => Certification::Questioned(certificate, since),
            None if is_failed => Certification::Overtaken(certificate),
            None => Certification::Stands(certificate),
        })
    }

    /// When the state that [`Self::state`] gives at a moment began to hold; none of a pile that is due and never was anything else.
    ///
    /// Of a failure this is the end of the operator's time to reply, or the second confirmation if that came later; of a pile that is due
    /// the end of its certificate, or when that was put in question; of an unseen one when it had been silent for long enough. A pile that
    /// was something else in between, for a case or a stop that is over, is what it is since that ended. Of silences that are over nobody
    /// keeps a record, nor of when monitoring began: a monitored pile is verified since its verification. Of several open cases it is said of
    /// the one that the state follows from.
    pub fn since(&self, now: Timestamp, last_seen: Option<Timestamp>) -> Option<Timestamp> {
        let certificate = self.certificate.as_ref();
        let began = match self.state(now, last_seen) {
            State::Failed => {
                return self.case.as_ref().and_then(|case| case.confirmed_at.max(case.reply_until));
            }
            State::UnderReview => {
                let failure_ended_at = self.failure_ended_at.filter(|ended| *ended <= now);
                return self.case.as_ref().map(|case| case.at).max(failure_ended_at);
            }
            State::OutOfUse => {
                let unseen = last_seen.and_then(|seen| seen.checked_add(UNSEEN_AFTER).ok());
                self.stopped_at.into_iter().chain(unseen.filter(|since| *since < now)).min()
            }
            State::Due => certificate.filter(|one| one.at <= now).map(|one| {
                one.questioned_at.map_or(one.valid_until, |questioned| questioned.min(one.valid_until))
            }),
            State::Verified | State::VerifiedMonitored => certificate.map(|one| one.at),
        };
        began.max(self.cleared_at.filter(|cleared| *cleared <= now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Act, ActKind};

    fn day(n: i64) -> Timestamp {
        Timestamp::from_second(1_770_000_000 + n * 86_400).expect("in range")
    }

    fn act(kind: ActKind, number: &str, on: i64, person: &str) -> Act {
        Act {
            kind,
            number: number.to_owned(),
            outlet: None,
            issuer: "计量所".to_owned(),
            person: person.to_owned(),
            acted_at: day(on),
            valid_until: (kind == ActKind::Certificate).then(|| day(on + 1_000)),
            reply_until: (kind == ActKind::CaseOpened).then(|| day(on + 21)),
            result: None,
        }
    }

    fn check(acts: &[Act], now: i64, last_seen: i64, state: State, since: Option<i64>) {
        let standing = Standing::judge(acts, None);
        let (now, last_seen) = (day(now), Some(day(last_seen)));
        assert_eq!(standing.state(now, last_seen), state);
        assert_eq!(standing.since(now, last_seen), since.map(day), "{state:?}");
    }

    #[test]
    fn every_state_says_since_when_it_holds() {
        let mut acts = vec![];
        check(&acts, 5, 5, State::Due, None);
        acts.push(act(ActKind::Certificate, "C", 10, "a"));
        check(&acts, 9, 9, State::Due, None);
        check(&acts, 11, 11, State::Verified, Some(10));
        check(&acts, 1_011, 1_011, State::Due, Some(1_010));
        // Thirty days of silence.
        check(&acts, 60, 20, State::OutOfUse, Some(50));
        acts.push(act(ActKind::CaseOpened, "K", 100, "a"));
        check(&acts, 110, 110, State::UnderReview, Some(100));
        acts.extend(["a", "b"].map(|person| act(ActKind::FailureConfirmed, "K", 105, person)));
        check(&acts, 110, 110, State::UnderReview, Some(100));
        check(&acts, 122, 122, State::Failed, Some(121));
        acts.push(act(ActKind::Certificate, "C2", 130, "c"));
        check(&acts, 131, 131, State::Verified, Some(130));
        acts.push(act(ActKind::CertificateQuestioned, "C2", 140, "c"));
        check(&acts, 141, 141, State::Due, Some(140));
        check(&acts, 1_200, 1_200, State::Due, Some(140));
    }

    #[test]
    fn a_failure_confirmed_after_the_window_is_one_since_its_confirmation() {
        let mut acts = vec![act(ActKind::CaseOpened, "K", 0, "a")];
        acts.extend(["a", "b"].map(|person| act(ActKind::FailureConfirmed, "K", 40, person)));
        check(&acts, 41, 41, State::Failed, Some(40));
    }

    #[test]
    fn of_several_cases_the_one_is_told_by_which_the_pile_failed_first() {
        let confirmed =
            |number, on: i64| ["a", "b"].map(|person| act(ActKind::FailureConfirmed, number, on, person));
        let told = |acts: &[Act], on: i64, number: &str, state: State, since: i64| {
            let case = Standing::judge(acts, None).case.map(|case| case.number);
            assert_eq!(case.as_deref(), Some(number), "day {on}");
            check(acts, on, on, state, Some(since));
        };
        // A's window ends first, on day 21, and it is confirmed last, on day 40; B fails on day 25.
        let mut acts = vec![act(ActKind::CaseOpened, "A", 0, "a"), act(ActKind::CaseOpened, "B", 4, "a")];
        told(&acts, 5, "A", State::UnderReview, 0);
        acts.extend(confirmed("B", 5));
        told(&acts, 6, "B", State::UnderReview, 4);
        told(&acts, 26, "B", State::Failed, 25);
        acts.extend(confirmed("A", 40));
        told(&acts, 41, "B", State::Failed, 25);
        // The one that is left has failed, too, and later.
        acts.push(act(ActKind::CaseClosed, "B", 50, "a"));
        told(&acts, 51, "A", State::Failed, 40);
        // One that has not is under review since the pile is failed no more.
        acts.push(act(ActKind::CaseOpened, "C", 45, "a"));
        acts.push(act(ActKind::CaseClosed, "A", 60, "a"));
        told(&acts, 61, "C", State::UnderReview, 60);
        // A case that ended without a failure changes nothing of another.
        let acts = [
            act(ActKind::CaseOpened, "A", 0, "a"),
            act(ActKind::CaseOpened, "B", 4, "a"),
            act(ActKind::CaseClosed, "A", 10, "a"),
        ];
        told(&acts, 11, "B", State::UnderReview, 4);
    }

    #[test]
    fn what_ran_out_before_it_was_questioned_is_due_since_then() {
        let acts =
            [act(ActKind::Certificate, "C", 0, "a"), act(ActKind::CertificateQuestioned, "C", 1_100, "b")];
        check(&acts, 1_200, 1_200, State::Due, Some(1_000));
    }

    #[test]
    fn a_case_or_a_stop_that_is_over_ends_in_the_state_that_follows() {
        let mut acts = vec![act(ActKind::Certificate, "C", 0, "a"), act(ActKind::UseStopped, "S", 10, "a")];
        check(&acts, 20, 20, State::OutOfUse, Some(10));
        // Silent, and stopped: out of use since the first of both.
        check(&acts, 60, 9, State::OutOfUse, Some(10));
        acts.push(act(ActKind::CaseOpened, "K", 12, "a"));
        check(&acts, 20, 20, State::UnderReview, Some(12));
        acts.push(act(ActKind::CaseClosed, "K", 30, "a"));
        check(&acts, 31, 31, State::OutOfUse, Some(30));
        acts.push(act(ActKind::UseResumed, "S", 40, "a"));
        check(&acts, 41, 41, State::Verified, Some(40));
        // Nothing was open or stopped any more: verified anew, closed as a formality.
        acts.push(act(ActKind::CaseOpened, "K2", 50, "a"));
        acts.push(act(ActKind::Certificate, "C2", 60, "a"));
        acts.push(act(ActKind::CaseClosed, "K2", 70, "a"));
        acts.push(act(ActKind::UseResumed, "S", 71, "a"));
        check(&acts, 72, 72, State::Verified, Some(60));
    }

    #[test]
    fn a_certificate_stands_beside_a_case_until_the_failure_is_public() {
        let mut acts = vec![act(ActKind::Certificate, "C", 0, "a")];
        let told = |acts: &[Act], on: i64| {
            let standing = Standing::judge(acts, None);
            standing.certification(day(on)).map(|told| match told {
                Certification::Stands(one) => (one.number.clone(), "stands"),
                Certification::Questioned(one, since) => {
                    assert_eq!(since, day(9));
                    (one.number.clone(), "questioned")
                }
                Certification::Overtaken(one) => (one.number.clone(), "overtaken"),
            })
        };
        let says = |word| Some(("C".to_owned(), word));
        assert_eq!(told(&[], 1), None);
        assert_eq!(told(&acts, 1), says("stands"));
        assert_eq!(told(&acts, 2_000), says("stands"), "that it is over its date says");
        acts.push(act(ActKind::CaseOpened, "K", 5, "a"));
        acts.extend(["a", "b"].map(|person| act(ActKind::FailureConfirmed, "K", 6, person)));
        assert_eq!(told(&acts, 26), says("stands"), "the reply window runs");
        assert_eq!(told(&acts, 27), says("overtaken"));
        acts.push(act(ActKind::CertificateQuestioned, "C", 9, "a"));
        assert_eq!(told(&acts, 27), says("questioned"));
    }
}
