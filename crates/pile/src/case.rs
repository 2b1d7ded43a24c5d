//! The life of a case, as a state machine: which step may follow which, who may take it, and what act of authority it is. What the operator
//! replies to it is [`reply`]'s.
//!
//! Called by `veripile case` now and by the regulator's pages later. What the public is told follows from the acts alone
//! ([`crate::standing`]); here it is seen to that two different people confirm a failure, that the operator has its time to reply, and
//! that nothing is done out of turn. It writes nothing.

pub mod reply;

use std::collections::BTreeSet;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Act, ActKind, NO_BODY, is_same_person, open_cases};

/// Where a case stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// 线索: something was noticed.
    Signal,
    /// 初核: somebody looks at it.
    Triage,
    /// 立案: the pile is under review from here on.
    Open,
    /// A virtual-load test was asked for.
    TestRequested,
    /// 现场检查: it was looked at on site.
    OnSite,
    /// One person proposed that it fails.
    Proposed,
    /// Another confirmed it.
    Confirmed,
    /// The operator was told, and may reply.
    Served,
    /// 公示: the operator's time to reply is over, or it gave it up. By the clock alone, too.
    Published,
    /// 整改: repaired.
    Rectified,
    /// 重新检定合格: verified again; the certificate itself brings the pile back.
    Reverified,
    /// 结案.
    Closed,
    /// Ended without a failure, for a reason.
    Dismissed,
    /// Goes on within another case.
    Merged,
    /// Handed to a body above, which leads it on from where it stood.
    Escalated,
    /// Which body leads it was recorded afterwards, nobody having written it down before; it stands where it stood.
    Named,
}

impl Stage {
    /// Every stage, in the order of a case's life.
    pub const ALL: [Self; 16] = [
        Self::Signal,
        Self::Triage,
        Self::Open,
        Self::TestRequested,
        Self::OnSite,
        Self::Proposed,
        Self::Confirmed,
        Self::Served,
        Self::Published,
        Self::Rectified,
        Self::Reverified,
        Self::Closed,
        Self::Dismissed,
        Self::Merged,
        Self::Escalated,
        Self::Named,
    ];

    /// The word used in commands and in the database.
    pub fn word(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Triage => "triage",
            Self::Open => "open",
            Self::TestRequested => "test_requested",
            Self::OnSite => "on_site",
            Self::Proposed => "proposed",
            Self::Confirmed => "confirmed",
            Self::Served => "served",
            Self::Published => "published",
            Self::Rectified => "rectified",
            Self::Reverified => "reverified",
            Self::Closed => "closed",
            Self::Dismissed => "dismissed",
            Self::Merged => "merged",
            Self::Escalated => "escalated",
            Self::Named => "named",
        }
    }

    /// Reads [`Self::word`] back.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.word() == word)
    }

    /// What may follow. A case can be dismissed or merged until the operator was told; what was published ends with repair and a new
    /// verification (河北: 重新检定合格后方可使用), or by dismissal where it turns out to be wrong. One that was escalated goes on with what
    /// could follow where it stood, which is among these ([`advance`] sees to it). Nor does a case ever stand at [`Self::Named`], which may come in
    /// between anywhere.
    pub fn next(self) -> &'static [Self] {
        use Stage::{
            Closed, Confirmed, Dismissed, Escalated, Merged, OnSite, Open, Proposed, Published, Rectified,
            Reverified, Served, TestRequested, Triage,
        };
        match self {
            Self::Signal => &[Triage, Dismissed],
            Self::Triage => &[Open, Dismissed, Merged, Escalated],
            Self::Open => &[TestRequested, OnSite, Dismissed, Merged, Escalated],
            Self::TestRequested => &[OnSite, Dismissed, Merged, Escalated],
            Self::OnSite => &[TestRequested, Proposed, Dismissed, Merged, Escalated],
            Self::Proposed => &[Confirmed, OnSite, Dismissed, Escalated],
            Self::Confirmed => &[Served, Dismissed, Escalated],
            Self::Served => &[Published, Rectified, Dismissed, Escalated],
            Self::Published => &[Rectified, Dismissed, Escalated],
            Self::Rectified => &[Reverified, OnSite],
            Self::Reverified => &[Closed],
            Self::Escalated => &[
                Open,
                TestRequested,
                OnSite,
                Proposed,
                Confirmed,
                Served,
                Published,
                Rectified,
                Dismissed,
                Merged,
            ],
            Self::Closed | Self::Dismissed | Self::Merged | Self::Named => &[],
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Which body leads a case from a step on: with its opening that body is public, and leads it until it is handed to another. Before, a step may
/// name it, or another; one that names none leaves it as it was. A step that names it, or hands it on, says it itself.
pub fn led_by(steps: &[Step], to: Stage, told: &str) -> String {
    let is_open = steps.iter().any(|one| one.to == Stage::Open);
    let is_said_by_it = matches!(to, Stage::Escalated | Stage::Named);
    let is_known = !steps.is_empty() && (is_open || told == NO_BODY);
    let body = if is_known && !is_said_by_it { leader(steps) } else { told };
    body.to_owned()
}

/// Which body leads a case after these steps. Saying whose it was changes nothing where it has been handed on since.
fn leader(steps: &[Step]) -> &str {
    steps.iter().fold(NO_BODY, |leads, step| {
        let is_late = step.to == Stage::Named && leads != NO_BODY;
        if is_late { leads } else { step.issuer.as_str() }
    })
}

/// Whether nobody has said whose a case is, or was since its opening.
fn is_nobodys(steps: &[Step]) -> bool {
    let public = steps.iter().position(|one| one.to == Stage::Open).unwrap_or(steps.len().saturating_sub(1));
    let is_named = steps.iter().any(|one| one.to == Stage::Named);
    !is_named && steps.iter().skip(public).any(|one| one.issuer == NO_BODY)
}

/// The rules as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How long an operator may reply before a failure is published.
    pub reply_window: SignedDuration,
}

impl Default for Rules {
    /// Three weeks (the design's default).
    fn default() -> Self {
        Self { reply_window: SignedDuration::from_hours(21 * 24) }
    }
}

/// A step taken: who, when, from where to where, why, on what evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The case.
    pub number: String,
    /// Outlet that it is about, from 1; none: the whole pile.
    pub outlet: Option<u32>,
    /// The body that leads it.
    pub issuer: String,
    /// Who took the step.
    pub person: String,
    /// When.
    pub at: Timestamp,
    /// Where it stood; none: it begins.
    pub from: Option<Stage>,
    /// Where it stands now.
    pub to: Stage,
    /// Why.
    pub reason: String,
    /// SHA-256 of the evidence that it rests on, hexadecimal.
    pub evidence_sha256: Option<String>,
}

/// Why a step may not be taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The case is not where this step begins.
    #[error("from {from} a case cannot go to {to}; next can be: {}", words(.from.next()))]
    OutOfTurn {
        /// Where it stands.
        from: Stage,
        /// Where it was to go.
        to: Stage,
    },
    /// The step was taken already; nothing is done twice.
    #[error("the case went to {stage} at {at} by {person} already: nothing was done; next can be: {}", words(.stands.next()))]
    AlreadyThere {
        /// The step.
        stage: Stage,
        /// Where the case stands: of one that was escalated where it stood before.
        stands: Stage,
        /// Since when.
        at: Timestamp,
        /// Who took it there.
        person: String,
    },
    /// A case begins with a signal, triage or its opening.
    #[error("there is no case of this number; it begins with signal, triage or open")]
    NoCase,
    /// The same person proposed it.
    #[error("{0} proposed it: another person must confirm")]
    SamePerson(String),
    /// From its opening on the public reads who leads it.
    #[error("to open a case the body that leads it is needed (--issuer)")]
    NoBody,
    /// Whose it is was said already.
    #[error("the case is led by {0}: with --to escalated it is handed to another body")]
    Led(String),
    /// To say whose a case is a body is needed.
    #[error("nothing was done: --to says where the case goes, or --issuer alone which body leads it")]
    NothingSaid,
    /// It needs a reason in words.
    #[error("a reason is needed to go to {0}")]
    NoReason(Stage),
    /// The operator may still reply, and has not given that up.
    #[error("the operator may reply until {0}; it can be published then, or when it gave that up")]
    WindowRuns(Timestamp),
    /// No certificate that stands was issued since the repair for what the case is about.
    #[error("no certificate that stands was issued since the repair for what the case is about")]
    NotVerified,
    /// It would be before what was done last.
    #[error("the step before was taken at {0}")]
    TooEarly(Timestamp),
}

fn words(stages: &[Stage]) -> String {
    if stages.is_empty() {
        return "nothing, it has ended".to_owned();
    }
    stages.iter().map(|stage| stage.word()).collect::<Vec<_>>().join(", ")
}

/// Judges a step after those taken, with the acts on the pile so far: the acts that it is, or why it may not be taken. `waived`: the
/// operator gave up its time to reply.
pub fn advance(
    steps: &[Step],
    acts: &[Act],
    step: &Step,
    rules: Rules,
    waived: bool,
) -> Result<Vec<Act>, Refusal> {
    let last = steps.last();
    if let Some(last) = last.filter(|last| step.at < last.at) {
        return Err(Refusal::TooEarly(last.at));
    }
    in_turn(steps, step)?;
    let taken_by = |stage: Stage| steps.iter().rev().find(|one| one.to == stage);
    let act = |kind, person: &str| act(kind, step, person);
    let proposer = taken_by(Stage::Proposed).map(|one| one.person.as_str()).unwrap_or_default();
    let confirmer = taken_by(Stage::Confirmed).map(|one| one.person.as_str()).unwrap_or_default();
    Ok(match step.to {
        Stage::Open => vec![act(ActKind::CaseOpened, &step.person)],
        // Looked at again after a certificate ended it: it is open again.
        Stage::OnSite => reopened(steps, acts, step),
        Stage::Confirmed if is_same_person(&step.person, proposer) => {
            return Err(Refusal::SamePerson(proposer.to_owned()));
        }
        // Only now does it count: with both confirmations the operator's time to reply begins.
        Stage::Served => {
            let reply_until = Some(if waived { step.at } else { step.at + rules.reply_window });
            let mut served = reopened(steps, acts, step);
            served.push(act(ActKind::FailureConfirmed, proposer));
            served.push(Act { reply_until, ..act(ActKind::FailureConfirmed, confirmer) });
            served
        }
        Stage::Published => {
            // Of the newest service: a case that was served twice has two.
            let served = acts.iter().filter(|act| act.number == step.number && act.reply_until.is_some());
            let until = served.max_by_key(|act| act.acted_at).and_then(|act| act.reply_until);
            match until.filter(|until| step.at <= *until) {
                Some(until) => return Err(Refusal::WindowRuns(until)),
                None => Vec::new(),
            }
        }
        // Until it is closed: the certificate may have been withdrawn in the meantime.
        Stage::Reverified | Stage::Closed if !is_verified_anew(steps, acts, step) => {
            return Err(Refusal::NotVerified);
        }
        Stage::Dismissed | Stage::Merged | Stage::Closed if taken_by(Stage::Open).is_some() => {
            vec![act(ActKind::CaseClosed, &step.person)]
        }
        // Before it is open it is nobody's business who leads it.
        Stage::Escalated | Stage::Named if open_cases(acts).iter().any(|case| case.number == step.number) => {
            let is_handed_on = step.to == Stage::Escalated;
            let kind = if is_handed_on { ActKind::CaseEscalated } else { ActKind::CaseNamed };
            vec![act(kind, &step.person)]
        }
        _ => Vec::new(),
    })
}

/// Whether a step may follow those taken, and has the reason that it needs. Escalation changes who leads a case, not where it stands; saying
/// whose it is may come in between anywhere, once.
fn in_turn(steps: &[Step], step: &Step) -> Result<(), Refusal> {
    let stands = steps.iter().rev().find(|one| !matches!(one.to, Stage::Escalated | Stage::Named));
    let is_handed_on = step.to == Stage::Escalated;
    match steps.last().zip(stands) {
        None if matches!(step.to, Stage::Signal | Stage::Triage | Stage::Open) => {}
        None => return Err(Refusal::NoCase),
        Some((_, stands)) if step.to == Stage::Named => is_nameable(steps, stands, step)?,
        // From one body to the next, and on to another: that is no repeat.
        Some((last, stands)) if last.to == step.to && !(is_handed_on && last.issuer != step.issuer) => {
            let (stage, at, person) = (last.to, last.at, last.person.clone());
            return Err(Refusal::AlreadyThere { stage, stands: stands.to, at, person });
        }
        Some((_, stands)) if stands.to.next().contains(&step.to) => {}
        Some((_, stands)) => return Err(Refusal::OutOfTurn { from: stands.to, to: step.to }),
    }
    if step.to == Stage::Open && step.issuer == NO_BODY {
        return Err(Refusal::NoBody);
    }
    let needs_reason = matches!(
        step.to,
        Stage::Open | Stage::Proposed | Stage::Dismissed | Stage::Merged | Stage::Escalated | Stage::Named
    );
    if needs_reason && step.reason.trim().is_empty() {
        return Err(Refusal::NoReason(step.to));
    }
    Ok(())
}

/// Whether it may be said now whose a case is: it has not ended, and nobody said so before.
fn is_nameable(steps: &[Step], stands: &Step, step: &Step) -> Result<(), Refusal> {
    if step.issuer == NO_BODY {
        return Err(Refusal::NothingSaid);
    }
    if stands.to.next().is_empty() {
        return Err(Refusal::OutOfTurn { from: stands.to, to: step.to });
    }
    if is_nobodys(steps) { Ok(()) } else { Err(Refusal::Led(leader(steps).to_owned())) }
}

/// Whether a certificate since the repair has ended the case, as its standing has it: one of its outlet or of the whole pile, not withdrawn.
/// A case of the whole pile a person may take on where each outlet that acts name has one: that these are all, acts do not say.
fn is_verified_anew(steps: &[Step], acts: &[Act], step: &Step) -> bool {
    let Some(repaired) = steps.iter().rev().find(|one| one.to == Stage::Rectified) else { return false };
    let is_old = |act: &Act| act.kind == ActKind::Certificate && act.acted_at < repaired.at;
    let since: Vec<Act> = acts.iter().filter(|act| !is_old(act)).cloned().collect();
    let is_open = open_cases(&since).iter().any(|case| case.number == step.number);
    !is_open || (step.outlet.is_none() && is_each_certified(acts, &since))
}

/// Whether each outlet that acts name has a certificate among those since that was not withdrawn.
fn is_each_certified(acts: &[Act], since: &[Act]) -> bool {
    let is_withdrawn = |number: &str| {
        acts.iter().any(|act| act.kind == ActKind::CertificateWithdrawn && act.number == number)
    };
    let certifies = |act: &&Act| {
        act.kind == ActKind::Certificate && act.valid_until.is_some() && !is_withdrawn(&act.number)
    };
    let named: BTreeSet<u32> = acts.iter().filter_map(|act| act.outlet).collect();
    let certified: BTreeSet<u32> = since.iter().filter(certifies).filter_map(|act| act.outlet).collect();
    !named.is_empty() && named.is_subset(&certified)
}

/// The act that opens a case again which acts have ended since, a certificate after repair: what is said of a case that is not open is not heard.
fn reopened(steps: &[Step], acts: &[Act], step: &Step) -> Vec<Act> {
    let was_opened = steps.iter().any(|one| one.to == Stage::Open);
    let is_open = open_cases(acts).iter().any(|case| case.number == step.number);
    if was_opened && !is_open { vec![act(ActKind::CaseOpened, step, &step.person)] } else { Vec::new() }
}

fn act(kind: ActKind, step: &Step, person: &str) -> Act {
    Act {
        kind,
        number: step.number.clone(),
        outlet: step.outlet,
        issuer: step.issuer.clone(),
        person: person.to_owned(),
        acted_at: step.at,
        valid_until: None,
        reply_until: None,
        result: None,
    }
}

#[cfg(test)]
mod tests;
