//! Standing: what the public is told of a pile, with basis, issuer, date and validity.
//!
//! Judged from acts of authority and, beside them, the remote estimate; rebuilt from those facts at any time. What depends
//! on today (validity, reply window, silence) is evaluated when read, by [`Standing::state`], so that nothing turns stale
//! unseen. A remote estimate alone never makes a pile failed, nor verified.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Act, ActKind, Estimate, RemoteVerdict, is_same_person};

/// A pile unseen for this long counts as out of use (僵尸桩).
pub const UNSEEN_AFTER: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What a pile says of itself (free, taken) says nothing about now once nothing has been heard of it for longer, in whole seconds.
pub const STATUS_FRESH: SignedDuration = SignedDuration::from_secs(10 * 60);

/// Remote evidence older than this says nothing about today.
pub const EVIDENCE_FRESH: SignedDuration = SignedDuration::from_hours(14 * 24);

/// Charges a remote estimate must rest on to count as monitoring.
pub const MONITORED_CHARGES_MIN: u32 = 20;

/// The public states, in the order in which a driver is offered piles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// 合格·在线监测正常
    VerifiedMonitored,
    /// 合格
    Verified,
    /// 待检
    Due,
    /// 复核中
    UnderReview,
    /// 不合格
    Failed,
    /// 停用 / 僵尸桩
    OutOfUse,
}

impl State {
    /// Every state, in the order drivers are offered piles.
    pub const ALL: [Self; 6] =
        [Self::VerifiedMonitored, Self::Verified, Self::Due, Self::UnderReview, Self::Failed, Self::OutOfUse];

    /// The word used in API, style sheets and text table.
    pub fn word(self) -> &'static str {
        match self {
            Self::VerifiedMonitored => "verified_monitored",
            Self::Verified => "verified",
            Self::Due => "due",
            Self::UnderReview => "under_review",
            Self::Failed => "failed",
            Self::OutOfUse => "out_of_use",
        }
    }

    /// Reads [`Self::word`] back.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// A certificate, as far as the public page shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certified {
    /// Its number.
    pub number: String,
    /// Who issued it.
    pub issuer: String,
    /// When.
    pub at: Timestamp,
    /// Until when it is valid.
    pub valid_until: Timestamp,
    /// Since when it is in question: a seal is broken, the firmware is another, the pile was repaired. Then it is to be verified anew.
    #[serde(default)]
    pub questioned_at: Option<Timestamp>,
}

/// An open case on a pile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenCase {
    /// Its number.
    pub number: String,
    /// Who opened it.
    pub issuer: String,
    /// When.
    pub at: Timestamp,
    /// When the second person confirmed the failure that the state follows from; none until two different persons have.
    pub confirmed_at: Option<Timestamp>,
    /// End of the operator's time to reply to it.
    pub reply_until: Option<Timestamp>,
}

impl OpenCase {
    /// Whether two people have confirmed the failure and the operator's time to reply is over.
    pub fn is_failed(&self, now: Timestamp) -> bool {
        self.confirmed_at.is_some() && self.reply_until.is_some_and(|until| until < now)
    }
}

/// The document by which use was stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoppedBy {
    /// Its number.
    pub number: String,
    /// Who issued it.
    pub issuer: String,
}

/// What is known of a pile's standing, independent of today's date.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Standing {
    /// Latest certificate not overtaken by a failure.
    pub certificate: Option<Certified>,
    /// The worst of the cases open now: the one that the state follows from.
    pub case: Option<OpenCase>,
    /// When use was stopped, if it has not been resumed.
    pub stopped_at: Option<Timestamp>,
    /// By what, and by whom; none if it is not stopped, or nobody recorded the act.
    #[serde(default)]
    pub stopped_by: Option<StoppedBy>,
    /// The remote estimate.
    pub estimate: Option<Estimate>,
}

impl Standing {
    /// Judges from every act on the pile, in any order, and the latest remote estimate.
    ///
    /// Each outlet is judged by itself, and the pile is as its worst outlet: without a certificate if one that was verified has none.
    pub fn judge(acts: &[Act], estimate: Option<Estimate>) -> Self {
        let mut acts: Vec<&Act> = acts.iter().collect();
        acts.sort_by_key(|act| (act.acted_at, act.kind, &act.number));
        let stops = |act: &&&Act| matches!(act.kind, ActKind::UseStopped | ActKind::UseResumed);
        let last = acts.iter().rev().find(stops).filter(|act| act.kind == ActKind::UseStopped);
        let outlets = Outlets::of(&acts);
        Self {
            certificate: outlets.certificate(),
            case: outlets.case(),
            stopped_at: last.map(|act| act.acted_at),
            stopped_by: last.map(|act| StoppedBy { number: act.number.clone(), issuer: act.issuer.clone() }),
            estimate,
        }
    }

    /// The public state at a moment, for a pile last heard of at `last_seen`.
    pub fn state(&self, now: Timestamp, last_seen: Option<Timestamp>) -> State {
        if let Some(case) = &self.case {
            return if case.is_failed(now) { State::Failed } else { State::UnderReview };
        }
        if self.is_out_of_use(now, last_seen) {
            return State::OutOfUse;
        }
        match &self.certificate {
            Some(certificate)
                if certificate.at <= now
                    && now <= certificate.valid_until
                    && certificate.questioned_at.is_none() =>
            {
                if self.is_monitored(now) {
                    State::VerifiedMonitored
                } else {
                    State::Verified
                }
            }
            _ => State::Due,
        }
    }

    /// Whether its use was stopped, or it is unseen, whatever else is to say of it: nobody is offered it as free.
    pub fn is_out_of_use(&self, now: Timestamp, last_seen: Option<Timestamp>) -> bool {
        let unseen = last_seen.is_some_and(|seen| now.duration_since(seen) > UNSEEN_AFTER);
        self.stopped_at.is_some() || unseen
    }

    fn is_monitored(&self, now: Timestamp) -> bool {
        self.estimate.as_ref().is_some_and(|estimate| {
            estimate.verdict == RemoteVerdict::Conform
                && estimate.charges >= MONITORED_CHARGES_MIN
                && estimate.period.is_some_and(|(_, last)| now.duration_since(last) <= EVIDENCE_FRESH)
        })
    }
}

/// Every case that is open by these acts, in any order, those that opened first before the others.
///
/// An act belongs to the case whose number it bears, and to no other: two cases on one pile are confirmed, served and closed each by
/// itself.
pub fn open_cases(acts: &[Act]) -> Vec<OpenCase> {
    let mut acts: Vec<&Act> = acts.iter().collect();
    acts.sort_by_key(|act| (act.acted_at, act.kind, &act.number));
    Outlets::of(&acts).cases.into_iter().map(|opened| opened.case).collect()
}

/// A case with what is needed to judge it.
struct Opened<'a> {
    case: OpenCase,
    outlet: Option<u32>,
    /// Who has confirmed without a second one yet, and until when the operator may reply by that.
    first: Option<(&'a str, Option<Timestamp>)>,
}

/// What acts say of each outlet; of none: of the whole pile.
#[derive(Default)]
struct Outlets<'a> {
    /// Of each outlet that was verified.
    certificates: BTreeMap<Option<u32>, Option<Certified>>,
    cases: Vec<Opened<'a>>,
}

impl<'a> Outlets<'a> {
    /// What acts in their order say.
    fn of(acts: &[&'a Act]) -> Self {
        let withdrawn: BTreeSet<&str> = acts
            .iter()
            .filter(|act| act.kind == ActKind::CertificateWithdrawn)
            .map(|act| act.number.as_str())
            .collect();
        let mut outlets = Self::default();
        for act in acts {
            outlets.take(act, withdrawn.contains(act.number.as_str()));
        }
        outlets
    }

    /// Takes an act in. A withdrawn document certifies nothing, fails nothing, and closes no case; what it took the place of does not
    /// come back.
    fn take(&mut self, act: &'a Act, is_withdrawn: bool) {
        match act.kind {
            ActKind::Certificate if is_withdrawn => {
                self.certificates.insert(act.outlet, None);
                self.certificates.values_mut().filter(|_| act.outlet.is_none()).for_each(|one| *one = None);
            }
            // Without a last day it certifies nothing.
            ActKind::Certificate => {
                if let Some(valid_until) = act.valid_until {
                    self.certify(act, valid_until);
                }
            }
            ActKind::CaseOpened => self.open(act),
            ActKind::Notice if !is_withdrawn => {
                self.certificates.entry(act.outlet).or_default();
                self.open(act);
            }
            ActKind::FailureConfirmed if !is_withdrawn => self.confirm(act),
            ActKind::CaseClosed => self.cases.retain(|opened| opened.case.number != act.number),
            ActKind::CertificateQuestioned => {
                let mut certificates = self.certificates.values_mut().flatten();
                if let Some(certificate) = certificates.find(|certificate| certificate.number == act.number) {
                    certificate.questioned_at.get_or_insert(act.acted_at);
                }
            }
            _ => {}
        }
    }

    /// A certificate closes the cases of its outlet. One of the whole pile takes the place of all, and it alone closes cases of the whole
    /// pile: of how many outlets a pile has acts say nothing.
    fn certify(&mut self, act: &Act, valid_until: Timestamp) {
        if act.outlet.is_some() {
            self.cases.retain(|opened| opened.outlet != act.outlet);
        } else {
            self.certificates.clear();
            self.cases.clear();
        }
        let certificate = Certified {
            number: act.number.clone(),
            issuer: act.issuer.clone(),
            at: act.acted_at,
            valid_until,
            questioned_at: None,
        };
        self.certificates.insert(act.outlet, Some(certificate));
        // That of the whole pile stands for outlets without one of their own; of a single one nobody knows that it is all.
        let mut own = self.certificates.iter().filter(|(outlet, _)| outlet.is_some());
        if own.clone().count() > 1 && own.all(|(_, certificate)| certificate.is_some()) {
            self.certificates.remove(&None);
        }
    }

    fn named(&mut self, number: &str) -> Option<&mut Opened<'a>> {
        self.cases.iter_mut().find(|opened| opened.case.number == number)
    }

    fn open(&mut self, act: &Act) {
        if self.named(&act.number).is_none() {
            let case = OpenCase {
                number: act.number.clone(),
                issuer: act.issuer.clone(),
                at: act.acted_at,
                confirmed_at: None,
                reply_until: act.reply_until,
            };
            self.cases.push(Opened { case, outlet: act.outlet, first: None });
        }
    }

    /// Two confirm, and a failure that is public stays public until the pile is verified anew. One that is not yet can be confirmed and
    /// served anew, after another visit: then the operator's time to reply is the new one. A single person can only lengthen it.
    fn confirm(&mut self, act: &'a Act) {
        let Some(Opened { case, first, .. }) = self.named(&act.number) else { return };
        if case.is_failed(act.acted_at) {
            return;
        }
        let longer = case.reply_until.max(act.reply_until);
        match *first {
            Some((person, until)) if !is_same_person(person, &act.person) => {
                let window = until.max(act.reply_until);
                if case.confirmed_at.is_some() && window.is_some() {
                    (case.confirmed_at, case.reply_until) = (Some(act.acted_at), window);
                } else {
                    case.confirmed_at.get_or_insert(act.acted_at);
                    case.reply_until = longer;
                }
                *first = None;
            }
            known => {
                let until = known.and_then(|(_, until)| until).max(act.reply_until);
                *first = Some((known.map_or(act.person.as_str(), |(person, _)| person), until));
                case.reply_until = longer;
            }
        }
    }

    /// That of the outlet which is worst off: none if one has none, one in question, else the one that ends first.
    fn certificate(&self) -> Option<Certified> {
        let outlets =
            self.certificates.iter().filter(|(key, certificate)| key.is_some() || certificate.is_some());
        let certificates: Option<Vec<&Certified>> =
            outlets.map(|(_, certificate)| certificate.as_ref()).collect();
        let worst = |certificate: &&Certified| (certificate.questioned_at.is_none(), certificate.valid_until);
        certificates?.into_iter().min_by_key(worst).cloned()
    }

    /// The worst one, at whatever moment it is asked for: of those that two people have confirmed the one whose window ends first, else
    /// the oldest.
    fn case(&self) -> Option<OpenCase> {
        let worst = |case: &&OpenCase| match case.confirmed_at {
            Some(_) => (false, case.reply_until.is_none(), case.reply_until, case.at),
            None => (true, true, None, case.at),
        };
        self.cases.iter().map(|opened| &opened.case).min_by_key(worst).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(n: i64) -> Timestamp {
        Timestamp::from_second(1_770_000_000 + n * 86_400).expect("in range")
    }

    fn act(kind: ActKind, on: i64, person: &str) -> Act {
        Act {
            kind,
            number: format!("N{on}"),
            outlet: None,
            issuer: "计量所".into(),
            person: person.into(),
            acted_at: day(on),
            valid_until: (kind == ActKind::Certificate).then(|| day(on + 1000)),
            reply_until: (kind == ActKind::CaseOpened).then(|| day(on + 21)),
            result: None,
        }
    }

    fn estimate(verdict: RemoteVerdict, charges: u32, last: i64) -> Estimate {
        Estimate {
            as_of: day(last),
            component: 0,
            grounded: true,
            charges,
            period: Some((day(0), day(last))),
            error: Some(0.04),
            standard_uncertainty: Some(0.001),
            probability_conform: Some(0.0),
            limit: 0.02,
            rule: "test".into(),
            verdict,
        }
    }

    #[test]
    fn no_score_alone_makes_a_pile_failed_or_verified() {
        for verdict in [RemoteVerdict::Nonconform, RemoteVerdict::Conform] {
            let standing = Standing::judge(&[], Some(estimate(verdict, 1000, 1)));
            assert_eq!(standing.state(day(2), Some(day(2))), State::Due);
        }
    }

    #[test]
    fn a_certificate_holds_until_its_last_day() {
        let standing = Standing::judge(&[act(ActKind::Certificate, 0, "a")], None);
        assert_eq!(standing.state(day(1000), Some(day(1000))), State::Verified);
        assert_eq!(standing.state(day(1001), Some(day(1001))), State::Due);
        assert_eq!(standing.state(day(-1), Some(day(-1))), State::Due, "and not before its first");
    }

    #[test]
    fn a_measurement_changes_no_state_whatever_it_found() {
        let before = [act(ActKind::Certificate, 0, "a"), act(ActKind::CaseOpened, 5, "b")];
        let measured = |mut acts: Vec<Act>| {
            acts.push(Act { kind: ActKind::Measured, ..act(ActKind::Certificate, 9, "c") });
            acts.push(Act { valid_until: None, ..act(ActKind::Certificate, 10, "c") });
            Standing::judge(&acts, None)
        };
        for count in 0..=before.len() {
            assert_eq!(measured(before[..count].to_vec()), Standing::judge(&before[..count], None));
        }
    }

    #[test]
    fn undecided_stale_or_thin_evidence_is_not_monitoring() {
        let certificate = [act(ActKind::Certificate, 0, "a")];
        let check = |estimate: Estimate, now: i64, expected: State| {
            let standing = Standing::judge(&certificate, Some(estimate));
            assert_eq!(standing.state(day(now), Some(day(now))), expected);
        };
        check(estimate(RemoteVerdict::Conform, 100, 30), 31, State::VerifiedMonitored);
        check(estimate(RemoteVerdict::Undecided, 100, 30), 31, State::Verified);
        check(estimate(RemoteVerdict::NotComparable, 100, 30), 31, State::Verified);
        check(estimate(RemoteVerdict::Conform, 19, 30), 31, State::Verified);
        check(estimate(RemoteVerdict::Conform, 100, 30), 45, State::Verified);
    }

    #[test]
    fn failure_needs_two_persons_and_the_end_of_the_reply_window() {
        let confirmed =
            |on, person| Act { number: "N0".into(), ..act(ActKind::FailureConfirmed, on, person) };
        let mut acts = vec![act(ActKind::CaseOpened, 0, "a"), confirmed(1, "a")];
        let state = |acts: &[Act], on| Standing::judge(acts, None).state(day(on), Some(day(on)));
        assert_eq!(state(&acts, 30), State::UnderReview);
        for person in ["a", "A", " ａ "] {
            acts.push(confirmed(2, person));
            assert_eq!(state(&acts, 30), State::UnderReview, "the same person twice is one person: {person}");
        }
        acts.push(confirmed(3, "b"));
        assert_eq!(state(&acts, 20), State::UnderReview, "the reply window runs");
        assert_eq!(state(&acts, 22), State::Failed);
        acts.push(act(ActKind::Certificate, 40, "c"));
        assert_eq!(state(&acts, 41), State::Verified, "verified again after repair");
    }

    #[test]
    fn a_certificate_in_question_or_withdrawn_certifies_nothing_until_the_next() {
        for kind in [ActKind::CertificateQuestioned, ActKind::CertificateWithdrawn] {
            let mut acts = vec![act(ActKind::Certificate, 0, "a"), act(kind, 5, "b")];
            let state = |acts: &[Act]| Standing::judge(acts, None).state(day(9), Some(day(9)));
            assert_eq!(state(&acts), State::Verified, "{kind:?} of another certificate");
            acts[1].number = acts[0].number.clone();
            assert_eq!(state(&acts), State::Due, "{kind:?}");
            acts.push(act(ActKind::Certificate, 8, "c"));
            assert_eq!(state(&acts), State::Verified, "verified anew after {kind:?}");
        }
    }

    fn at_outlet(outlet: u32, act: Act) -> Act {
        Act { outlet: Some(outlet), ..act }
    }

    /// A notice of an outlet, confirmed by two people, whose window is over 21 days later.
    fn notice(outlet: u32, on: i64) -> [Act; 3] {
        let notice = Act { reply_until: Some(day(on + 21)), ..act(ActKind::Notice, on, "a") };
        [notice, act(ActKind::FailureConfirmed, on, "a"), act(ActKind::FailureConfirmed, on, "b")]
            .map(|act| at_outlet(outlet, act))
    }

    #[test]
    fn a_pass_of_one_outlet_says_nothing_of_another() {
        let state = |acts: &[Act], on| Standing::judge(acts, None).state(day(on), Some(day(on)));
        let mut acts = notice(1, 0).to_vec();
        acts.push(at_outlet(2, act(ActKind::Certificate, 5, "c")));
        assert_eq!(state(&acts, 6), State::UnderReview);
        assert_eq!(state(&acts, 30), State::Failed);
        acts.push(at_outlet(1, act(ActKind::Certificate, 40, "c")));
        assert_eq!(state(&acts, 41), State::Verified, "both are verified now");
        acts.push(Act { number: "N5".into(), ..at_outlet(2, act(ActKind::CertificateQuestioned, 42, "d")) });
        assert_eq!(state(&acts, 43), State::Due, "of outlet 2, whose certificate is not the newest");
        acts.push(at_outlet(1, act(ActKind::Certificate, 44, "c")));
        assert_eq!(state(&acts, 45), State::Due, "outlet 2 is to be verified anew, whatever outlet 1 is");
        acts.push(act(ActKind::Certificate, 46, "c"));
        assert_eq!(state(&acts, 47), State::Verified, "of the whole pile");
    }

    #[test]
    fn a_pile_is_certified_as_long_as_each_of_its_outlets() {
        let ends = |on, outlet, until| Act {
            valid_until: Some(day(until)),
            ..at_outlet(outlet, act(ActKind::Certificate, on, "c"))
        };
        let standing = Standing::judge(&[ends(0, 1, 100), ends(1, 2, 200)], None);
        assert_eq!(standing.state(day(100), Some(day(100))), State::Verified);
        assert_eq!(standing.state(day(101), Some(day(101))), State::Due);
    }

    #[test]
    fn one_outlet_is_not_the_whole_pile() {
        let state = |acts: &[Act], on| Standing::judge(acts, None).state(day(on), Some(day(on)));
        let failed = notice(1, 0).map(|act| Act { outlet: None, ..act });
        let whole = |on| act(ActKind::Certificate, on, "c");
        let of = |outlet, on| at_outlet(outlet, whole(on));
        assert_eq!(state(&[&failed[..], &[of(1, 40), of(2, 40)]].concat(), 41), State::Failed);
        assert_eq!(state(&[&failed[..], &[whole(40)]].concat(), 41), State::Verified);
        let acts = [whole(0), of(1, 900), of(2, 950)];
        assert_eq!(state(&acts[..2], 1001), State::Due, "what of the others was said has run out");
        assert_eq!(state(&acts, 1001), State::Verified);
        let gone = Act { number: "N950".into(), ..act(ActKind::CertificateWithdrawn, 960, "z") };
        assert_eq!(state(&[of(1, 900), whole(950), gone], 970), State::Due, "what it replaced is gone, too");
    }

    #[test]
    fn a_withdrawn_notice_fails_nothing_and_a_withdrawn_certificate_closes_no_case() {
        let state = |acts: &[Act], on| Standing::judge(acts, None).state(day(on), Some(day(on)));
        let withdrawn =
            |on, number: &str| Act { number: number.into(), ..act(ActKind::CertificateWithdrawn, on, "z") };
        let mut acts = vec![at_outlet(1, act(ActKind::Certificate, 0, "c"))];
        acts.extend(notice(1, 5));
        assert_eq!(state(&acts, 30), State::Failed);
        acts.push(withdrawn(31, "N5"));
        assert_eq!(state(&acts, 32), State::Verified, "as if the notice had not been");
        acts.pop();
        acts.push(at_outlet(1, act(ActKind::Certificate, 31, "c")));
        assert_eq!(state(&acts, 32), State::Verified);
        acts.push(withdrawn(33, "N31"));
        assert_eq!(state(&acts, 34), State::Failed, "nothing has closed the case");
    }

    #[test]
    fn each_case_counts_for_itself_and_the_pile_is_as_the_worst() {
        let of = |number: &str, act: Act| Act { number: number.into(), ..act };
        let opened = |number, on| Act { reply_until: None, ..of(number, act(ActKind::CaseOpened, on, "a")) };
        let confirmed = |number, on, person| Act {
            reply_until: Some(day(on)),
            ..of(number, act(ActKind::FailureConfirmed, on, person))
        };
        let told = |acts: &[Act], on| {
            let standing = Standing::judge(acts, None);
            (standing.state(day(on), None), standing.case.map(|case| case.number))
        };
        // A is open, B is confirmed by two and served, the operator's reply waived.
        let mut acts = vec![opened("A", 0), opened("B", 1), confirmed("B", 5, "a"), confirmed("B", 5, "b")];
        assert_eq!(told(&acts, 6), (State::Failed, Some("B".into())));
        assert_eq!(open_cases(&acts).iter().filter(|case| case.is_failed(day(6))).count(), 1);
        // One confirmation of each is none of either.
        let split = [opened("A", 0), opened("B", 1), confirmed("A", 5, "a"), confirmed("B", 5, "b")];
        assert_eq!(told(&split, 6), (State::UnderReview, Some("A".into())));
        acts.push(of("A", act(ActKind::CaseClosed, 7, "a")));
        assert_eq!(told(&acts, 8), (State::Failed, Some("B".into())), "A was dismissed, B was not");
        acts.push(of("C", act(ActKind::CaseClosed, 9, "a")));
        assert_eq!(told(&acts, 10), (State::Failed, Some("B".into())), "nobody opened C");
        acts.push(of("B", act(ActKind::CaseClosed, 11, "a")));
        assert_eq!(told(&acts, 12), (State::Due, None));
        // Of two outlets, and of the whole pile beside one.
        for (a, b) in [(Some(1), Some(2)), (None, Some(1)), (Some(1), None)] {
            let mut acts = acts[..5].to_vec();
            for act in &mut acts {
                act.outlet = if act.number == "A" { a } else { b };
            }
            assert_eq!(told(&acts, 8), (State::Failed, Some("B".into())), "{a:?} {b:?}");
        }
    }

    #[test]
    fn a_dismissed_case_of_an_outlet_takes_no_certificate_of_the_whole_pile() {
        let case = |kind, on| Act { number: "K".into(), ..at_outlet(1, act(kind, on, "a")) };
        let acts =
            [act(ActKind::Certificate, 0, "c"), case(ActKind::CaseOpened, 1), case(ActKind::CaseClosed, 2)];
        assert_eq!(Standing::judge(&acts[..2], None).state(day(3), None), State::UnderReview);
        assert_eq!(Standing::judge(&acts, None).state(day(3), None), State::Verified);
    }

    #[test]
    fn stopped_and_unseen_piles_are_out_of_use() {
        let mut acts = vec![act(ActKind::Certificate, 0, "a"), act(ActKind::UseStopped, 5, "a")];
        let standing = Standing::judge(&acts, None);
        assert_eq!(standing.state(day(6), Some(day(6))), State::OutOfUse);
        let by = StoppedBy { number: "N5".to_owned(), issuer: "计量所".to_owned() };
        assert_eq!((standing.stopped_at, standing.stopped_by), (Some(day(5)), Some(by)));
        acts.push(act(ActKind::UseResumed, 6, "a"));
        let standing = Standing::judge(&acts, None);
        assert_eq!((standing.stopped_at, standing.stopped_by), (None, None));
        assert_eq!(Standing::judge(&acts[..1], None).state(day(40), Some(day(5))), State::OutOfUse);
    }

    #[test]
    fn the_order_of_acts_in_the_list_does_not_matter() {
        let acts = vec![
            act(ActKind::CaseOpened, 0, "a"),
            act(ActKind::FailureConfirmed, 1, "a"),
            act(ActKind::FailureConfirmed, 3, "b"),
        ];
        let mut reversed = acts.clone();
        reversed.reverse();
        assert_eq!(Standing::judge(&acts, None), Standing::judge(&reversed, None));
    }
}
