//! What the public is told after which acts.

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
    let confirmed = |on, person| Act { number: "N0".into(), ..act(ActKind::FailureConfirmed, on, person) };
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
fn what_was_said_of_the_whole_pile_is_over_once_each_outlet_has_its_own() {
    let state = |acts: &[Act], on| Standing::judge(acts, None).state(day(on), Some(day(on)));
    let whole = |on| act(ActKind::Certificate, on, "c");
    let of = |outlet, on| at_outlet(outlet, whole(on));
    let both = [whole(0), of(1, 900), of(2, 950)];
    let with = |more: &[Act]| [&both[..], more].concat();
    assert_eq!(state(&both, 1001), State::Verified, "it ran out");
    let question =
        |on, number: &str| Act { number: number.into(), ..act(ActKind::CertificateQuestioned, on, "d") };
    assert_eq!(state(&with(&[question(960, "N0")]), 970), State::Verified, "it is in question");
    // Each outlet counts all the same.
    assert_eq!(state(&with(&[question(960, "N950")]), 970), State::Due);
    assert_eq!(state(&with(&notice(2, 960)), 970), State::UnderReview);
    assert_eq!(state(&with(&notice(2, 960)), 1001), State::Failed);
    assert_eq!(state(&both, 1901), State::Due, "that of outlet 1 ran out");
    let gone = Act { number: "N950".into(), ..act(ActKind::CertificateWithdrawn, 960, "z") };
    assert_eq!(state(&with(&[gone]), 1001), State::Due);
    // A third outlet that somebody spoke of has nothing else, even if that was before.
    for third in
        [vec![of(3, -20)], notice(3, -20).to_vec(), vec![at_outlet(3, act(ActKind::CaseOpened, -20, "b"))]]
    {
        let acts = [&third[..], &both].concat();
        assert_eq!(state(&acts, 999), State::Verified);
        assert_eq!(state(&acts, 1001), State::Due);
        assert_eq!(state(&[&acts[..], &[of(3, 980)]].concat(), 1001), State::Verified);
    }
    let measured = at_outlet(3, Act { valid_until: None, ..whole(-20) });
    assert_eq!(state(&with(&[measured]), 1001), State::Verified, "a measurement changes no state");
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
