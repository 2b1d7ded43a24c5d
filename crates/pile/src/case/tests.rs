//! The life of a case, step by step, with what the public is told meanwhile.

use super::Stage::{
    Closed, Confirmed, Dismissed, Escalated, Merged, Named, OnSite, Open, Proposed, Published, Rectified,
    Reverified, Served, Signal, TestRequested, Triage,
};
use super::*;
use crate::{Standing, State};

fn day(n: i64) -> Timestamp {
    Timestamp::from_second(1_770_000_000 + n * 86_400).expect("in range")
}

/// A case as it grows.
struct Told {
    steps: Vec<Step>,
    acts: Vec<Act>,
    outlet: Option<u32>,
    issuer: String,
}

impl Default for Told {
    fn default() -> Self {
        Self { steps: Vec::new(), acts: Vec::new(), outlet: None, issuer: "市监局".to_owned() }
    }
}

#[test]
fn a_case_has_a_body_when_it_is_opened_and_keeps_it() {
    let mut told = Told { issuer: NO_BODY.to_owned(), ..Told::default() };
    told.take(0, Signal, "a").expect("it is nobody's business yet");
    told.take(0, Triage, "a").expect("nor now");
    assert_eq!(told.take(0, Open, "a"), Err(Refusal::NoBody));
    assert_eq!(led_by(&told.steps, Open, NO_BODY), NO_BODY);
    assert_eq!(led_by(&told.steps, Open, "县局"), "县局", "it was named with the step that opens");
    told.issuer = "县局".to_owned();
    told.take(0, Open, "a").expect("by a body");
    assert_eq!(
        (told.acts[0].issuer.as_str(), led_by(&told.steps, OnSite, "市局").as_str()),
        ("县局", "县局")
    );
    let named = Told { steps: told.steps[..1].to_vec(), ..Told::default() };
    assert_eq!(led_by(&named.steps, Triage, "市局"), "市局", "another may take it up before it is open");
    assert_eq!(led_by(&[], Signal, "市局"), "市局");
}

#[test]
fn whose_a_case_is_can_be_said_afterwards_once_and_nothing_else_changes_by_it() {
    let mut told = Told::nobodys();
    for (to, person) in [(OnSite, "a"), (Proposed, "a"), (Confirmed, "b"), (Served, "c")] {
        told.take(1, to, person).expect("in turn");
    }
    let before = told.acts.clone();
    assert_eq!((told.said_by(2), told.said_by(23)), (Some(NO_BODY.to_owned()), Some(NO_BODY.to_owned())));
    assert_eq!(told.take(2, Named, "a"), Err(Refusal::NothingSaid));
    told.issuer = "县局".to_owned();
    assert_eq!(told.take_as(2, Named, "a", " ", false), Err(Refusal::NoReason(Named)));
    told.take(2, Named, "a").expect("it was found in the file");
    let (named, rest) = told.acts.split_last().expect("an act");
    assert_eq!((named.kind, named.issuer.as_str(), rest), (ActKind::CaseNamed, "县局", &before[..]));
    // Of the case as of the failure that was confirmed, whose window runs as it ran.
    let seen = |told: &Told, on| (told.state(on), told.said_by(on));
    let county = Some("县局".to_owned());
    assert_eq!(seen(&told, 22), (State::UnderReview, county.clone()));
    assert_eq!(seen(&told, 23), (State::Failed, county));
    assert_eq!(led_by(&told.steps, Published, NO_BODY), "县局");
    assert_eq!(told.take(3, Published, "a"), Err(Refusal::WindowRuns(day(22))), "it stands where it stood");
    assert_eq!(told.take_by(3, Named, "市局"), Err(Refusal::Led("县局".to_owned())));
    told.take(23, Published, "a").expect("in turn");
}

#[test]
fn who_has_a_case_since_leads_it_whosever_it_is_said_to_have_been() {
    let mut told = Told::nobodys();
    told.escalate(1, "省局").expect("in turn");
    told.take_by(2, Named, "县局").expect("of before nobody knew");
    assert_eq!(told.said_by(2).as_deref(), Some("省局"));
    assert_eq!(led_by(&told.steps, OnSite, NO_BODY), "省局");
    told.escalate(3, "部").expect("and on");
    assert_eq!(led_by(&told.steps, OnSite, NO_BODY), "部");
    told.take(4, Dismissed, "a").expect("in turn");
    assert_eq!(told.take_by(5, Named, "县局"), Err(Refusal::OutOfTurn { from: Dismissed, to: Named }));
    assert_eq!(Told::served(false).take(5, Named, "a"), Err(Refusal::Led("市监局".to_owned())));
    // Before it is open it is no act, and who opens it need not say it again.
    let mut signal = Told { issuer: NO_BODY.to_owned(), ..Told::default() };
    signal.take(0, Signal, "a").expect("in turn");
    signal.take_by(0, Named, "县局").expect("in turn");
    assert_eq!((signal.acts.len(), led_by(&signal.steps, Open, NO_BODY).as_str()), (0, "县局"));
    assert_eq!(Told::default().take(0, Named, "a"), Err(Refusal::NoCase));
}

impl Told {
    fn take(&mut self, on: i64, to: Stage, person: &str) -> Result<(), Refusal> {
        self.take_as(on, to, person, "because", false)
    }

    /// Hands the case to another body, which leads it on.
    fn escalate(&mut self, on: i64, issuer: &str) -> Result<(), Refusal> {
        self.take_by(on, Escalated, issuer)
    }

    /// A step that names a body.
    fn take_by(&mut self, on: i64, to: Stage, issuer: &str) -> Result<(), Refusal> {
        self.issuer = issuer.to_owned();
        self.take(on, to, "a")
    }

    /// A case that was opened when no body was needed for that.
    fn nobodys() -> Self {
        let mut told = Self::default();
        told.take(0, Open, "a").expect("in turn");
        (told.steps[0].issuer, told.acts[0].issuer) = (NO_BODY.to_owned(), NO_BODY.to_owned());
        told.issuer = NO_BODY.to_owned();
        told
    }

    /// Whom the public is told to have said it.
    fn said_by(&self, on: i64) -> Option<String> {
        Standing::judge(&self.acts, None).case.map(|case| case.said_by(day(on)).to_owned())
    }

    fn take_as(
        &mut self,
        on: i64,
        to: Stage,
        person: &str,
        reason: &str,
        waived: bool,
    ) -> Result<(), Refusal> {
        let step = Step {
            number: "K1".to_owned(),
            outlet: self.outlet,
            issuer: self.issuer.clone(),
            person: person.to_owned(),
            at: day(on),
            from: self.steps.last().map(|last| last.to),
            to,
            reason: reason.to_owned(),
            evidence_sha256: None,
        };
        self.acts.extend(advance(&self.steps, &self.acts, &step, Rules::default(), waived)?);
        self.steps.push(step);
        Ok(())
    }

    /// From its opening to the service of the notice: proposed by `a`, confirmed by `b`.
    fn served(waived: bool) -> Self {
        Self::served_of(None, waived)
    }

    fn served_of(outlet: Option<u32>, waived: bool) -> Self {
        let mut told = Self { outlet, ..Self::default() };
        for (to, person) in [(Open, "a"), (OnSite, "a"), (Proposed, "a"), (Confirmed, "b")] {
            told.take(0, to, person).expect("in turn");
        }
        told.take_as(1, Served, "c", "", waived).expect("in turn");
        told
    }

    /// A failure of outlet 1 that is public, repaired on day 30.
    fn rectified_of_outlet_1() -> Self {
        let mut told = Self::served_of(Some(1), false);
        told.take(23, Published, "a").expect("22 days after the service");
        told.take(30, Rectified, "r").expect("in turn");
        told
    }

    fn certified(&mut self, on: i64, number: &str, outlet: Option<u32>) {
        let certificate = Act { number: number.to_owned(), outlet, ..self.acts[0].clone() };
        let kind = ActKind::Certificate;
        self.acts.push(Act { kind, acted_at: day(on), valid_until: Some(day(1000)), ..certificate });
    }

    fn withdrawn(&mut self, on: i64, number: &str) {
        let withdrawn = Act { number: number.to_owned(), ..self.acts[0].clone() };
        self.acts.push(Act { kind: ActKind::CertificateWithdrawn, acted_at: day(on), ..withdrawn });
    }

    fn state(&self, on: i64) -> State {
        Standing::judge(&self.acts, None).state(day(on), Some(day(on)))
    }
}

#[test]
fn a_whole_life_and_what_the_public_is_told_of_it() {
    let mut told = Told::default();
    let mut step = |on, to, person: &str, expected| {
        told.take(on, to, person).expect("in turn");
        assert_eq!(told.state(on), expected, "{to}");
    };
    step(0, Signal, "a", State::Due);
    step(0, Triage, "a", State::Due);
    step(1, Open, "a", State::UnderReview);
    step(2, TestRequested, "a", State::UnderReview);
    step(3, OnSite, "a", State::UnderReview);
    step(4, Proposed, "a", State::UnderReview);
    step(5, Confirmed, "b", State::UnderReview);
    step(6, Served, "a", State::UnderReview);
    // 21 days after the notice was served, not after the case was opened.
    assert_eq!(told.take(27, Published, "a"), Err(Refusal::WindowRuns(day(27))));
    assert_eq!((told.state(27), told.state(28)), (State::UnderReview, State::Failed));
    told.take(28, Published, "a").expect("the window is over");
    told.take(30, Rectified, "r").expect("in turn");
    assert_eq!(told.state(30), State::Failed, "repaired is not verified");
    assert_eq!(told.take(31, Reverified, "v"), Err(Refusal::NotVerified));
    let certificate = Act { number: "C1".to_owned(), valid_until: Some(day(1000)), ..told.acts[0].clone() };
    told.acts.push(Act { kind: ActKind::Certificate, acted_at: day(32), ..certificate });
    assert_eq!(told.state(33), State::Verified);
    told.take(33, Reverified, "v").expect("verified");
    told.take(34, Closed, "a").expect("in turn");
    assert_eq!(told.state(34), State::Verified);
    assert_eq!(told.take(35, Open, "a"), Err(Refusal::OutOfTurn { from: Closed, to: Open }));
}

#[test]
fn the_same_person_cannot_propose_and_confirm() {
    let mut told = Told::default();
    for to in [Open, OnSite, Proposed] {
        told.take(0, to, "a").expect("in turn");
    }
    for name in ["a", " a ", "A", "ａ", "a."] {
        assert_eq!(told.take(0, Confirmed, name), Err(Refusal::SamePerson("a".to_owned())));
    }
    assert_eq!(told.state(400), State::UnderReview, "one person never makes a pile failed");
    told.take(0, Confirmed, "b").expect("another");
    assert_eq!(told.state(400), State::UnderReview, "nor two, before the operator was told");
}

#[test]
fn an_operator_can_give_up_its_time_to_reply() {
    assert_eq!(
        (Told::served(false).state(2), Told::served(false).state(23)),
        (State::UnderReview, State::Failed)
    );
    let mut told = Told::served(true);
    assert_eq!(told.state(2), State::Failed);
    told.take(2, Published, "a").expect("given up");
}

#[test]
fn a_dismissed_case_leaves_no_trace_on_the_state() {
    let mut told = Told::served(false);
    assert_eq!(told.take_as(5, Dismissed, "c", " ", false), Err(Refusal::NoReason(Dismissed)));
    told.take(5, Dismissed, "c").expect("with a reason");
    assert_eq!((told.state(5), told.state(100)), (State::Due, State::Due));
    let mut never_opened = Told::default();
    never_opened.take(0, Signal, "a").expect("in turn");
    never_opened.take(1, Dismissed, "a").expect("in turn");
    assert!(never_opened.acts.is_empty(), "a signal is no act");
}

#[test]
fn nothing_is_done_out_of_turn() {
    for to in Stage::ALL {
        let begins = matches!(to, Signal | Triage | Open);
        assert_eq!(Told::default().take(0, to, "a").is_ok(), begins, "{to}");
    }
    let mut told = Told::default();
    told.take(1, Open, "a").expect("in turn");
    assert_eq!(told.take(0, OnSite, "a"), Err(Refusal::TooEarly(day(1))));
    for to in [Signal, Triage, Proposed, Confirmed, Served, Published, Rectified, Reverified, Closed] {
        assert_eq!(told.take(2, to, "a"), Err(Refusal::OutOfTurn { from: Open, to }));
    }
    told.take(2, Merged, "a").expect("in turn");
    for stage in Stage::ALL {
        assert_eq!(Stage::from_word(stage.word()), Some(stage));
        assert!(stage.next().iter().all(|next| *next != stage && *next != Signal), "{stage}");
    }
}

#[test]
fn an_escalated_case_goes_on_from_where_it_stood() {
    let mut told = Told::default();
    for to in [Open, OnSite, Proposed] {
        told.take(0, to, "a").expect("in turn");
    }
    assert_eq!(told.take_as(1, Escalated, "a", " ", false), Err(Refusal::NoReason(Escalated)));
    told.take(1, Escalated, "a").expect("with a reason");
    assert_eq!(told.state(1), State::UnderReview, "handed on is not settled");
    assert!(matches!(told.take(2, Escalated, "a"), Err(Refusal::AlreadyThere { stage: Escalated, .. })));
    assert_eq!(told.take(2, Served, "c"), Err(Refusal::OutOfTurn { from: Proposed, to: Served }));
    assert_eq!(told.take(2, Confirmed, "a"), Err(Refusal::SamePerson("a".to_owned())), "it stays two people");
    told.take(2, Confirmed, "b").expect("in turn");
    told.take(3, Served, "c").expect("in turn");
    told.take(4, Escalated, "c").expect("in turn");
    assert_eq!(told.take(5, Published, "d"), Err(Refusal::WindowRuns(day(24))), "the window runs on");
    told.take(25, Published, "d").expect("it is over");
    assert_eq!(told.state(25), State::Failed);
    for stage in Stage::ALL.into_iter().filter(|stage| stage.next().contains(&Escalated)) {
        let unknown =
            stage.next().iter().find(|next| **next != Escalated && !Escalated.next().contains(next));
        assert_eq!(unknown, None, "after {stage}");
    }
}

#[test]
fn a_case_is_handed_on_twice_without_a_step_between_but_not_to_the_same_body() {
    let mut told = Told::default();
    for to in [Open, OnSite, Proposed] {
        told.take(0, to, "a").expect("in turn");
    }
    told.escalate(1, "市局").expect("from county to city");
    let refused = told.escalate(2, "市局").expect_err("it has it already");
    let text = refused.to_string();
    assert!(text.contains("went to escalated"), "{text}");
    assert!(text.ends_with("next can be: confirmed, on_site, dismissed, escalated"), "{text}");
    told.escalate(2, "省局").expect("from city to province");
    told.take(3, Confirmed, "b").expect("from where it stood");
}

#[test]
fn who_leads_a_case_answers_for_it_and_who_confirmed_a_failure_for_that() {
    let mut told = Told { issuer: "县局".to_owned(), ..Told::default() };
    told.take(0, Triage, "a").expect("in turn");
    told.escalate(0, "区局").expect("in turn");
    assert!(told.acts.is_empty(), "before it is open nobody is told");
    for to in [Open, OnSite] {
        told.take(0, to, "a").expect("in turn");
    }
    assert_eq!(told.said_by(0).as_deref(), Some("区局"));
    told.escalate(1, "市局").expect("in turn");
    assert_eq!(told.said_by(1).as_deref(), Some("市局"));
    told.take(2, Proposed, "a").expect("in turn");
    told.take(2, Confirmed, "b").expect("in turn");
    told.take(2, Served, "c").expect("in turn");
    told.escalate(4, "省局").expect("in turn");
    assert_eq!(
        [22, 24].map(|on| (told.state(on), told.said_by(on).expect("a case"))),
        [(State::UnderReview, "省局".to_owned()), (State::Failed, "市局".to_owned())]
    );
    told.take(24, Published, "a").expect("the window is over");
    told.take(30, Rectified, "r").expect("in turn");
    again(&mut told, 40, false);
    assert_eq!((told.state(41), told.said_by(41).as_deref()), (State::Failed, Some("省局")));
    let kinds = told.acts.iter().filter(|act| act.kind == ActKind::CaseEscalated).count();
    assert_eq!(kinds, 2, "市局 and 省局");
}

/// The same two people find the pile bad again after its repair, and serve it.
fn again(told: &mut Told, on: i64, waived: bool) {
    for (to, person) in [(OnSite, "a"), (Proposed, "a"), (Confirmed, "b")] {
        told.take(on, to, person).expect("in turn");
    }
    told.take_as(on, Served, "c", "", waived).expect("in turn");
}

#[test]
fn a_case_served_again_gives_a_new_window_and_a_public_failure_stays_public() {
    let mut told = Told::served(false);
    told.take(23, Published, "a").expect("22 days after the service");
    told.take(30, Rectified, "r").expect("in turn");
    let acts = told.acts.len();
    again(&mut told, 42, false);
    assert_eq!(told.acts.len(), acts + 2, "both confirmations anew");
    assert_eq!(told.acts[acts + 1].reply_until, Some(day(63)));
    assert_eq!(told.state(50), State::Failed, "nobody verified it since");
    assert_eq!(told.take(63, Published, "a"), Err(Refusal::WindowRuns(day(63))));
    told.take(64, Published, "a").expect("the second window is over");
}

#[test]
fn a_failure_that_is_not_public_yet_waits_for_the_window_of_the_newest_service() {
    let rectified = || {
        let mut told = Told::served(false);
        told.take(5, Rectified, "r").expect("in turn");
        told
    };
    assert_eq!(rectified().state(23), State::Failed, "the first window ends on day 22");
    let mut told = rectified();
    again(&mut told, 12, false);
    assert_eq!(
        [23, 33, 34].map(|on| told.state(on)),
        [State::UnderReview, State::UnderReview, State::Failed]
    );
    let mut told = rectified();
    again(&mut told, 12, true);
    assert_eq!(told.state(13), State::Failed, "the operator gave up its second time to reply, too");
    told.take(13, Published, "a").expect("given up");
}

#[test]
fn a_case_that_a_certificate_ended_opens_again_with_the_next_visit() {
    let mut told = Told::served(false);
    told.take(23, Published, "a").expect("in turn");
    told.take(30, Rectified, "r").expect("in turn");
    let certificate = Act { number: "C1".to_owned(), valid_until: Some(day(1000)), ..told.acts[0].clone() };
    told.acts.push(Act { kind: ActKind::Certificate, acted_at: day(32), ..certificate });
    assert_eq!(told.state(33), State::Verified);
    again(&mut told, 42, false);
    assert_eq!(
        [43, 63, 64].map(|on| told.state(on)),
        [State::UnderReview, State::UnderReview, State::Failed]
    );
    let opened = told.acts.iter().filter(|act| act.kind == ActKind::CaseOpened).map(|act| act.acted_at);
    assert_eq!(opened.collect::<Vec<_>>(), [day(0), day(42)]);
}

#[test]
fn a_step_that_was_taken_is_not_taken_twice() {
    let mut told = Told::served(false);
    let acts = told.acts.clone();
    let refused = told.take_as(5, Served, "c", "", true).expect_err("taken");
    let (stage, at, person) = (Served, day(1), "c".to_owned());
    assert_eq!(refused, Refusal::AlreadyThere { stage, stands: Served, at, person });
    assert!(refused.to_string().contains("nothing was done; next can be: published, rectified, dismissed"));
    assert_eq!(told.acts, acts);
}

#[test]
fn a_certificate_of_another_outlet_ends_no_case() {
    let mut told = Told::rectified_of_outlet_1();
    told.certified(32, "C2", Some(2));
    assert_eq!(told.take(33, Reverified, "v"), Err(Refusal::NotVerified));
    assert_eq!(told.state(33), State::Failed, "of outlet 1 nobody has said anything since");
    let mut of_the_whole = Told::rectified_of_outlet_1();
    of_the_whole.certified(32, "C", None);
    of_the_whole.take(33, Reverified, "v").expect("of the whole pile, outlet 1 too");
    told.certified(34, "C1", Some(1));
    told.take(35, Reverified, "v").expect("of outlet 1");
    told.take(36, Closed, "a").expect("in turn");
    assert_eq!(told.state(36), State::Verified);
}

#[test]
fn a_case_of_the_whole_pile_ends_with_one_of_the_whole_pile_or_by_hand() {
    let mut told = Told::served(true);
    told.take(30, Rectified, "r").expect("in turn");
    assert_eq!(told.take(31, Reverified, "v"), Err(Refusal::NotVerified));
    told.certified(32, "C1", Some(1));
    told.certified(32, "C2", Some(2));
    assert_eq!(told.state(33), State::Failed, "of the others nobody knows");
    told.withdrawn(33, "C2");
    assert_eq!(told.take(34, Reverified, "v"), Err(Refusal::NotVerified), "outlet 2 has none");
    told.certified(35, "C3", Some(2));
    told.take(36, Reverified, "v").expect("a person says that these are all");
    assert_eq!(told.state(36), State::Failed);
    told.take(37, Closed, "a").expect("in turn");
    assert_eq!(told.state(37), State::Verified);
}

#[test]
fn nor_does_one_from_before_the_repair_or_one_that_was_withdrawn() {
    let mut told = Told::served_of(Some(1), false);
    told.certified(25, "C0", Some(1));
    told.take(30, Rectified, "r").expect("in turn");
    told.certified(31, "C2", Some(2));
    assert_eq!(told.take(32, Reverified, "v"), Err(Refusal::NotVerified), "C0 is older than the repair");
    let mut told = Told::rectified_of_outlet_1();
    told.certified(32, "C1", Some(1));
    told.withdrawn(33, "C1");
    assert_eq!(told.take(34, Reverified, "v"), Err(Refusal::NotVerified));
    assert_eq!(told.state(34), State::Failed);
    // Withdrawn between the two last steps.
    let mut told = Told::rectified_of_outlet_1();
    told.certified(32, "C1", Some(1));
    told.take(33, Reverified, "v").expect("verified");
    told.withdrawn(34, "C1");
    assert_eq!(told.take(35, Closed, "a"), Err(Refusal::NotVerified));
    assert_eq!(told.state(35), State::Failed);
    told.certified(36, "C3", Some(1));
    told.take(37, Closed, "a").expect("verified by another");
    assert_eq!(told.state(37), State::Verified);
}
