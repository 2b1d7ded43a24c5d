//! Standing: what the public is told of a pile, with basis, issuer, date and validity.
//!
//! Judged from acts of authority and, beside them, the remote estimate; rebuilt from those facts at any time. What depends
//! on today (validity, reply window, silence) is evaluated when read, by [`Standing::state`], so that nothing turns stale
//! unseen. A remote estimate alone never makes a pile failed, nor verified.

pub mod told;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Act, ActKind, Estimate, NO_BODY, RemoteVerdict, is_same_person};

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
    /// Who leads it now: who opened it, or the body that it was handed to.
    pub issuer: String,
    /// When it was opened.
    pub at: Timestamp,
    /// The body for which two persons confirmed the failure last.
    #[serde(default)]
    pub confirmed_by: Option<String>,
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

    /// Who answers for what the public is told of it: of a failure who confirmed it last, of an open case who leads it.
    pub fn said_by(&self, now: Timestamp) -> &str {
        self.confirmed_by.as_deref().filter(|_| self.is_failed(now)).unwrap_or(&self.issuer)
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
    /// When the last stop of use was lifted, or the last open case ended, whichever was later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleared_at: Option<Timestamp>,
    /// When a case ended last that the pile had failed by: another one that is open is under review since then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_ended_at: Option<Timestamp>,
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
        let mut turns: Vec<&&Act> = acts.iter().filter(stops).collect();
        turns.dedup_by_key(|act| act.kind);
        let lifted = turns.iter().skip(1).rev().find(|act| act.kind == ActKind::UseResumed);
        Self {
            certificate: outlets.certificate(),
            case: outlets.case(),
            stopped_at: last.map(|act| act.acted_at),
            stopped_by: last.map(|act| StoppedBy { number: act.number.clone(), issuer: act.issuer.clone() }),
            cleared_at: lifted.map(|act| act.acted_at).max(outlets.cleared_at),
            failure_ended_at: outlets.failure_ended_at,
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
    /// Those that documents and cases are of, whenever: a certificate of the whole pile stands for all that have none of their own.
    named: BTreeSet<u32>,
    /// Of each outlet that was verified.
    certificates: BTreeMap<Option<u32>, Option<Certified>>,
    cases: Vec<Opened<'a>>,
    /// When a case that was open ended last, and when one that the pile had failed by did.
    cleared_at: Option<Timestamp>,
    failure_ended_at: Option<Timestamp>,
}

impl<'a> Outlets<'a> {
    /// What acts in their order say.
    fn of(acts: &[&'a Act]) -> Self {
        let withdrawn: BTreeSet<&str> = acts
            .iter()
            .filter(|act| act.kind == ActKind::CertificateWithdrawn)
            .map(|act| act.number.as_str())
            .collect();
        let speaks = |act: &&&Act| match act.kind {
            ActKind::Certificate => act.valid_until.is_some(),
            ActKind::Notice | ActKind::CaseOpened => true,
            _ => false,
        };
        let stands = |act: &&&Act| !withdrawn.contains(act.number.as_str());
        let named = acts.iter().filter(speaks).filter(stands).filter_map(|act| act.outlet).collect();
        let mut outlets = Self { named, ..Self::default() };
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
            ActKind::CaseOpened => {
                self.open(act);
                self.hand_to(act);
            }
            ActKind::CaseEscalated => self.hand_to(act),
            ActKind::CaseNamed => self.say_whose(act),
            ActKind::Notice if !is_withdrawn => {
                self.certificates.entry(act.outlet).or_default();
                self.open(act);
            }
            ActKind::FailureConfirmed if !is_withdrawn => self.confirm(act),
            ActKind::CaseClosed => self.close(act, |opened| opened.case.number == act.number),
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
            self.close(act, |opened| opened.outlet == act.outlet);
        } else {
            self.certificates.clear();
            self.close(act, |_| true);
        }
        let certificate = Certified {
            number: act.number.clone(),
            issuer: act.issuer.clone(),
            at: act.acted_at,
            valid_until,
            questioned_at: None,
        };
        self.certificates.insert(act.outlet, Some(certificate));
        // That of the whole pile stands for outlets without one of their own, those named before it, too; of a single one nobody knows
        // that it is all. Where each has its own, it is over, whatever became of it.
        let has_own = |outlet: &u32| self.certificates.get(&Some(*outlet)).is_some_and(Option::is_some);
        if self.named.len() > 1 && self.named.iter().all(has_own) {
            self.certificates.remove(&None);
        }
    }

    fn close(&mut self, act: &Act, is_over: impl Fn(&Opened<'a>) -> bool) {
        let (over, open): (Vec<_>, Vec<_>) = std::mem::take(&mut self.cases).into_iter().partition(is_over);
        self.cases = open;
        if !over.is_empty() {
            self.cleared_at = self.cleared_at.max(Some(act.acted_at));
        }
        if over.iter().any(|opened| opened.case.is_failed(act.acted_at)) {
            self.failure_ended_at = self.failure_ended_at.max(Some(act.acted_at));
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
                confirmed_by: None,
                confirmed_at: None,
                reply_until: act.reply_until,
            };
            self.cases.push(Opened { case, outlet: act.outlet, first: None });
        }
    }

    /// Who opens an open case, one of a notice, or is handed it, leads it from then on.
    fn hand_to(&mut self, act: &Act) {
        if let Some(opened) = self.named(&act.number) {
            opened.case.issuer.clone_from(&act.issuer);
        }
    }

    /// Says whose an open case is of which nobody had written that down; what another body did in it stays that one's.
    fn say_whose(&mut self, act: &Act) {
        let Some(Opened { case, .. }) = self.named(&act.number) else { return };
        if case.issuer == NO_BODY {
            case.issuer.clone_from(&act.issuer);
        }
        if case.confirmed_by.as_deref() == Some(NO_BODY) {
            case.confirmed_by = Some(act.issuer.clone());
        }
    }

    /// Two confirm, and a failure that is public stays public until the pile is verified anew. One that is not yet can be confirmed and
    /// served anew, after another visit: then the operator's time to reply is the new one. A single person can only lengthen it.
    fn confirm(&mut self, act: &'a Act) {
        let Some(Opened { case, first, .. }) = self.named(&act.number) else { return };
        let is_second = first.is_some_and(|(person, _)| !is_same_person(person, &act.person));
        if is_second {
            case.confirmed_by = Some(act.issuer.clone());
        }
        if case.is_failed(act.acted_at) {
            // All stays as it is, but for the body that says so.
            *first = if is_second { None } else { first.or(Some((act.person.as_str(), None))) };
            return;
        }
        let longer = case.reply_until.max(act.reply_until);
        match *first {
            Some((_, until)) if is_second => {
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

    /// The worst one, at whatever moment it is asked for: of those that two people have confirmed the one by which the pile fails first, else
    /// the oldest.
    fn case(&self) -> Option<OpenCase> {
        let worst = |case: &&OpenCase| {
            let fails_at =
                case.confirmed_at.zip(case.reply_until).map(|(confirmed, until)| confirmed.max(until));
            (case.confirmed_at.is_none(), fails_at.is_none(), fails_at, case.at)
        };
        self.cases.iter().map(|opened| &opened.case).min_by_key(worst).cloned()
    }
}

#[cfg(test)]
mod tests;
