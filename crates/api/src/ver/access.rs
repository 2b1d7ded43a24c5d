//! Who may do and see what in verifications: one function a question, asked by every handler.
//!
//! Verifying and reviewing take the role and the order's own name: an administrator without the role can do neither. Nobody holds
//! two roles on one case: who reviews records nothing, who verified or reviewed withdraws nothing.

use jiff::Timestamp;
use rust_decimal::Decimal;
use veripile_metrology::rules;
use veripile_pile::case::reply::Reply;
use veripile_pile::{Act, ActKind, OpenCase, OperatorId, is_same_person, open_cases};
use veripile_store::PileRecord;
use veripile_store::account::PersonRole;
use veripile_verification::Order;

use crate::problem::Problem;
use crate::session::Person;

/// Whether they may make an order.
pub(crate) fn may_order(person: &Person) -> bool {
    person.is(PersonRole::Verifier) || person.is_administrator()
}

/// Whether they may have an order carried out: the verifier whom it names.
pub(crate) fn may_run(person: &Person, order: &Order) -> bool {
    person.is(PersonRole::Verifier) && person.name == order.verifier
}

/// Whether they may stop a run. Stopping is safe, so that everybody who works here may.
pub(crate) fn may_stop(person: &Person) -> bool {
    person.is(PersonRole::Verifier) || person.is(PersonRole::Reviewer) || person.is_administrator()
}

/// Whether they may record what they found: any verifier but the order's reviewer, who judges it.
pub(crate) fn may_record(person: &Person, order: &Order) -> bool {
    person.is(PersonRole::Verifier) && !is_same_person(&person.name, &order.reviewer)
}

/// Whether somebody is among those who repaired a pile: they verify nothing of it, whatever their role.
pub(crate) fn repaired(name: &str, repairers: &[String]) -> bool {
    repairers.iter().any(|repairer| is_same_person(repairer, name))
}

/// Whether they may cancel an order.
pub(crate) fn may_cancel(person: &Person, order: &Order) -> bool {
    person.is_administrator() || [&order.verifier, &order.ordered_by].contains(&&person.name)
}

/// Whether they may confirm a result or send it back: the reviewer whom the order names.
pub(crate) fn may_review(person: &Person, order: &Order) -> bool {
    person.is(PersonRole::Reviewer) && person.name == order.reviewer
}

/// Whether they may withdraw a certificate: an administrator who neither verified nor reviewed.
pub(crate) fn may_withdraw(person: &Person, order: &Order) -> bool {
    person.is_administrator()
        && ![&order.verifier, &order.reviewer].into_iter().any(|name| is_same_person(name, &person.name))
}

/// Whether they may record a repair.
pub(crate) fn may_repair(person: &Person) -> bool {
    person.is(PersonRole::Repairer)
}

/// Whether somebody may see a document that is not public: the operator of the pile, and everybody who is of no operator.
pub(crate) fn may_see_unpublished(person: Option<&Person>, operator: Option<&OperatorId>) -> bool {
    person.is_some_and(|person| match &person.scope {
        None => true,
        scope => scope.as_ref() == operator,
    })
}

/// Whether a notice of result is public: bad news is told after two people confirmed it and the operator's reply window ended. What
/// became public stays public after the repair; what was settled before the window ended never becomes so.
///
/// It is asked of the same judgement that turns the pile red: whether the notice's own case was ever failed before the next act
/// changed it.
pub(crate) fn is_notice_public(acts: &[Act], number: &str, now: Timestamp) -> bool {
    let notice = acts.iter().find(|act| act.kind == ActKind::Notice && act.number == number);
    notice.is_some_and(|notice| was_failed_since(acts, notice, now))
}

/// The largest error that is permitted for a pile, percent; none for a class that the rules do not know.
pub(crate) fn limit_percent(pile: &PileRecord) -> Option<Decimal> {
    rules::for_kind(pile.kind.word()).ok()?.mpe_percent(pile.class.0).ok()
}

/// The acts that anybody may see, in their order: of bad news, a notice, a confirmation or an error beyond the limit that was measured on
/// site, only what became public. Without a limit nobody knows that a measurement is no bad news.
pub(crate) fn public_acts(acts: &[Act], limit_percent: Option<Decimal>, now: Timestamp) -> Vec<&Act> {
    let is_within = |act: &Act| match (act.result, limit_percent) {
        (Some(result), Some(limit)) => result.error_percent.abs() <= limit,
        (result, _) => result.is_none(),
    };
    let is_public = |act: &&Act| match act.kind {
        ActKind::Notice | ActKind::FailureConfirmed => was_failed_since(acts, act, now),
        ActKind::Measured if !is_within(act) => is_confirmed_since(acts, act, now),
        _ => true,
    };
    acts.iter().filter(is_public).collect()
}

/// The operator's replies that anybody may see, in their order. One to a case that is only open stands beside that at once; one to bad news,
/// confirmed or a notice, speaks of it, and waits until that is public: what was settled before never is.
pub(crate) fn public_replies<'a>(acts: &[Act], replies: &'a [Reply], now: Timestamp) -> Vec<&'a Reply> {
    replies.iter().filter(|reply| is_reply_public(acts, reply, now)).collect()
}

/// The same of one.
pub(crate) fn is_reply_public(acts: &[Act], reply: &Reply, now: Timestamp) -> bool {
    let is_news = |act: &&Act| {
        matches!(act.kind, ActKind::Notice | ActKind::FailureConfirmed)
            && act.number == reply.number
            && act.acted_at <= reply.at
    };
    let replied_to = acts.iter().filter(is_news).max_by_key(|act| act.acted_at);
    replied_to.is_none_or(|news| was_failed_since(acts, news, now))
}

/// Whether what was measured led to a failure that is public: one of its outlet that was confirmed since, without a certificate in between.
fn is_confirmed_since(acts: &[Act], measured: &Act, now: Timestamp) -> bool {
    let is_alike =
        |act: &Act| act.outlet == measured.outlet || act.outlet.is_none() || measured.outlet.is_none();
    let since = |kind: ActKind| {
        acts.iter().filter(move |act| act.kind == kind && measured.acted_at <= act.acted_at && is_alike(act))
    };
    // Of one outlet a certificate says nothing of the whole pile.
    let certifies = |act: &&Act| act.outlet.is_none() || act.outlet == measured.outlet;
    let certified = since(ActKind::Certificate).filter(certifies).map(|act| act.acted_at).min();
    since(ActKind::FailureConfirmed)
        .filter(|act| certified.is_none_or(|certified| act.acted_at < certified))
        .any(|act| was_failed_since(acts, act, now))
}

/// Whether the case that an act belongs to was ever failed since, before the next act changed it, and the time to reply to that very act was
/// over: a failure that is public already is no reason to tell of another, served later, whose window runs. Nor is another case's.
fn was_failed_since(acts: &[Act], bad_news: &Act, now: Timestamp) -> bool {
    let is_with = |act: &&Act| {
        (act.kind, act.acted_at, &act.number) == (bad_news.kind, bad_news.acted_at, &bad_news.number)
    };
    let window = acts.iter().filter(is_with).filter_map(|act| act.reply_until).max();
    let mut acts: Vec<Act> = acts.iter().filter(|act| act.acted_at <= now).cloned().collect();
    acts.sort_by(|a, b| (a.acted_at, a.kind, &a.number).cmp(&(b.acted_at, b.kind, &b.number)));
    (0..acts.len()).filter(|last| bad_news.acted_at <= acts[*last].acted_at).any(|last| {
        let until = acts.get(last + 1).map_or(now, |next| next.acted_at);
        let is_failed = |case: &OpenCase| case.number == bad_news.number && case.is_failed(until);
        window.is_none_or(|window| window < until) && open_cases(&acts[..=last]).iter().any(is_failed)
    })
}

/// A refusal unless something is permitted.
pub(crate) fn demand(may: bool, who: &str) -> Result<(), Problem> {
    if may { Ok(()) } else { Err(Problem::forbidden(who)) }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What a class of 2 permits.
    const LIMIT: Option<Decimal> = Some(Decimal::TWO);

    pub(crate) fn person(name: &str, roles: &[PersonRole], scope: Option<&str>) -> Person {
        Person {
            name: name.to_owned(),
            scope: scope.map(|id| OperatorId::parse(id).expect("literal")),
            roles: roles.to_vec(),
            form_token: "token".to_owned(),
        }
    }

    fn day(n: i64) -> Timestamp {
        Timestamp::from_second(1_770_000_000 + n * 86_400).expect("in range")
    }

    fn act(kind: ActKind, on: i64, person: &str) -> Act {
        Act {
            kind,
            number: if kind == ActKind::Notice { "N1" } else { "C1" }.to_owned(),
            outlet: None,
            issuer: "计量所".to_owned(),
            person: person.to_owned(),
            acted_at: day(on),
            valid_until: (kind == ActKind::Certificate).then(|| day(on + 1000)),
            reply_until: (kind == ActKind::CaseOpened).then(|| day(on + 21)),
            result: None,
        }
    }

    #[test]
    fn only_the_people_whom_the_order_names_verify_and_review() {
        let order = crate::ver::fixture::order();
        let (v, r) = (PersonRole::Verifier, PersonRole::Reviewer);
        let verifier = person(&order.verifier, &[v], None);
        let reviewer = person(&order.reviewer, &[r], None);
        let both = person("both", &[v, r], None);
        let boss = person("boss", &[], None);
        let clerk = person("clerk", &[], Some("O1"));
        assert!(may_run(&verifier, &order) && !may_review(&verifier, &order));
        assert!(may_review(&reviewer, &order) && !may_run(&reviewer, &order));
        for other in [&both, &boss, &clerk] {
            assert!(!may_run(other, &order) && !may_review(other, &order), "{}", other.name);
        }
        let in_name_only = person(&order.verifier, &[], None);
        assert!(!may_run(&in_name_only, &order), "the name without the role is not enough");
        let judge = person(&order.reviewer, &[v, r], None);
        assert!(may_record(&both, &order) && !may_record(&judge, &order) && !may_record(&boss, &order));
        assert!(
            may_withdraw(&boss, &order) && !may_withdraw(&verifier, &order) && !may_withdraw(&clerk, &order)
        );
        let repairers = ["Smith ".to_owned()];
        assert!(repaired("smith", &repairers) && !repaired("both", &repairers) && !repaired("both", &[]));
        assert!(may_order(&boss) && may_order(&verifier) && !may_order(&clerk));
        assert!(may_stop(&reviewer) && !may_stop(&clerk));
        assert!(may_cancel(&verifier, &order) && !may_cancel(&clerk, &order));
        assert!(may_repair(&person("smith", &[PersonRole::Repairer], Some("O1"))) && !may_repair(&boss));
    }

    #[test]
    fn an_unpublished_notice_is_for_its_operator_and_the_authority_s_people() {
        let (one, two) =
            (OperatorId::parse("O1").expect("literal"), OperatorId::parse("O2").expect("literal"));
        let clerk = person("clerk", &[], Some("O1"));
        let boss = person("boss", &[], None);
        assert!(may_see_unpublished(Some(&clerk), Some(&one)));
        assert!(!may_see_unpublished(Some(&clerk), Some(&two)) && !may_see_unpublished(Some(&clerk), None));
        assert!(may_see_unpublished(Some(&boss), Some(&two)) && may_see_unpublished(Some(&boss), None));
        assert!(!may_see_unpublished(None, Some(&one)) && !may_see_unpublished(None, None));
    }

    #[test]
    fn a_notice_is_public_when_two_confirmed_it_and_the_reply_window_is_over() {
        use ActKind::{CaseClosed, CaseOpened, Certificate, FailureConfirmed, Notice};
        let of_notice = |on, person| Act { number: "N1".to_owned(), ..act(FailureConfirmed, on, person) };
        let mut acts = vec![act(Notice, 0, "r"), act(CaseOpened, 0, "r"), of_notice(0, "v")];
        let public = |acts: &[Act], on| is_notice_public(acts, "N1", day(on));
        // The notice opens a case of its own, beside the other.
        acts[0].reply_until = Some(day(21));
        assert!(!public(&acts, 30), "one person is not two");
        let other = [&acts[..], &[act(FailureConfirmed, 0, "v"), act(FailureConfirmed, 1, "r")]].concat();
        assert!(!public(&other, 30), "the other case's failure is not this one's");
        acts.push(of_notice(1, "r"));
        assert!(!public(&acts, 20) && public(&acts, 22));
        assert!(!is_notice_public(&acts, "N2", day(22)), "of another number");
        let mut settled = acts.clone();
        settled.push(Act { number: "N1".to_owned(), ..act(CaseClosed, 10, "b") });
        assert!(!public(&settled, 30), "settled before the window ended: it never becomes public");
        acts.push(act(Certificate, 25, "v"));
        assert!(!public(&acts, 20) && public(&acts, 40), "and stays public after the repair");
    }

    #[test]
    fn confirmations_are_public_with_the_failure_that_they_confirm() {
        use ActKind::{CaseClosed, CaseOpened, Certificate, FailureConfirmed};
        let of_case = |kind, on, person| Act { number: "K1".to_owned(), ..act(kind, on, person) };
        let mut acts = vec![
            act(Certificate, -9, "v"),
            of_case(CaseOpened, 0, "r"),
            of_case(FailureConfirmed, 1, "v"),
            of_case(FailureConfirmed, 2, "r"),
        ];
        let seen = |acts: &[Act], on| {
            public_acts(acts, LIMIT, day(on)).iter().map(|act| act.kind).collect::<Vec<_>>()
        };
        assert_eq!(seen(&acts, 20), [Certificate, CaseOpened], "the window runs");
        assert_eq!(seen(&acts, 22), [Certificate, CaseOpened, FailureConfirmed, FailureConfirmed]);
        // Served again after the failure is public: the new confirmations wait for the new window.
        let served = |person, until| Act { reply_until: until, ..of_case(FailureConfirmed, 40, person) };
        let twice = [&acts[..], &[served("v", None), served("r", Some(day(61)))]].concat();
        let confirmed = |on| seen(&twice, on).iter().filter(|kind| **kind == FailureConfirmed).count();
        assert_eq!([39, 61, 62].map(confirmed), [2, 2, 4]);
        let mut settled = twice.clone();
        settled.push(act(Certificate, 50, "v"));
        assert_eq!(seen(&settled, 90).iter().filter(|kind| **kind == FailureConfirmed).count(), 2);
        acts[2].number = "other".to_owned();
        assert_eq!(
            seen(&acts, 22),
            [Certificate, CaseOpened],
            "a confirmation under another number confirms nothing"
        );
        acts[2].number = "K1".to_owned();
        acts.push(of_case(CaseClosed, 10, "b"));
        assert_eq!(seen(&acts, 30), [Certificate, CaseOpened, CaseClosed], "settled: never public");
    }

    #[test]
    fn a_reply_to_what_is_not_public_waits_with_it() {
        use ActKind::{CaseClosed, CaseOpened, FailureConfirmed};
        let of_case =
            |kind, on, person| Act { number: "K1".to_owned(), reply_until: None, ..act(kind, on, person) };
        let reply = |on| Reply {
            number: "K1".to_owned(),
            at: day(on),
            by: veripile_pile::case::reply::ReplyBy::Operator,
            person: "one".to_owned(),
            words: "w".to_owned(),
        };
        let served = |on| Act { reply_until: Some(day(on + 21)), ..of_case(FailureConfirmed, on, "r") };
        let acts = [of_case(CaseOpened, 0, "r"), of_case(FailureConfirmed, 10, "v"), served(10)];
        let replies = [reply(5), reply(12), reply(40)];
        let seen = |acts: &[Act], on| {
            let replies: Vec<Reply> = replies.iter().filter(|one| one.at <= day(on)).cloned().collect();
            let public = public_replies(acts, &replies, day(on));
            public.iter().map(|one| (one.at.as_second() - 1_770_000_000) / 86_400).collect::<Vec<_>>()
        };
        assert_eq!(seen(&acts, 6), [5], "to its opening: beside the case");
        assert_eq!(seen(&acts, 30), [5], "to what was served: its window runs");
        assert_eq!(seen(&acts, 32), [5, 12], "beside the failure");
        assert_eq!(seen(&acts, 50), [5, 12, 40], "to what is public already");
        // Served again on day 39: what is said of that waits for its own window.
        let again = [&acts[..], &[of_case(FailureConfirmed, 39, "v"), served(39)]].concat();
        assert_eq!(seen(&again, 60), [5, 12]);
        assert_eq!(seen(&again, 61), [5, 12, 40]);
        let settled = [&acts[..], &[of_case(CaseClosed, 20, "r")]].concat();
        assert_eq!(seen(&settled, 900), [5], "settled before it was public");
        // One person is not two.
        assert_eq!(seen(&acts[..2], 900), [5]);
        let other = Reply { number: "K2".to_owned(), ..reply(12) };
        assert!(is_reply_public(&acts, &other, day(13)), "another case's confirmation is not this one's");
    }

    #[test]
    fn a_bad_measurement_is_public_with_the_failure_that_it_led_to() {
        use ActKind::{CaseClosed, CaseOpened, Certificate, FailureConfirmed, Measured};
        let measured = |on, outlet, tenths| {
            let result = veripile_pile::OnSiteResult {
                error_percent: Decimal::new(tenths, 1),
                expanded_uncertainty_percent: Decimal::ONE,
                coverage_factor: Decimal::TWO,
            };
            Act { number: "M".to_owned(), outlet, result: Some(result), ..act(Measured, on, "v") }
        };
        let of_case =
            |kind, on, person| Act { number: "K1".to_owned(), outlet: Some(1), ..act(kind, on, person) };
        // Opened on day 1 with 21 days to reply.
        let case = [
            of_case(CaseOpened, 1, "r"),
            of_case(FailureConfirmed, 2, "v"),
            of_case(FailureConfirmed, 3, "r"),
        ];
        let is_seen = |acts: &[&[Act]], limit, on| {
            public_acts(&acts.concat(), limit, day(on)).iter().any(|act| act.kind == Measured)
        };
        for (tenths, limit, expected) in
            [(20, LIMIT, true), (-20, LIMIT, true), (21, LIMIT, false), (-21, LIMIT, false), (0, None, false)]
        {
            assert_eq!(is_seen(&[&[measured(0, None, tenths)]], limit, 900), expected, "{tenths} {limit:?}");
        }
        for outlet in [None, Some(1)] {
            let acts = [&[measured(0, outlet, 31)][..], &case];
            assert_eq!([21, 22, 23].map(|on| is_seen(&acts, LIMIT, on)), [false, false, true]);
        }
        let certified = |on| Act { outlet: Some(1), ..act(Certificate, on, "v") };
        let hidden: [&[&[Act]]; 5] = [
            &[&[measured(0, Some(2), 31)], &case],
            &[&[measured(4, Some(1), 31)], &case],
            &[&[measured(0, Some(1), 31)], &case[..2]],
            &[&[measured(0, Some(1), 31)], &case, &[of_case(CaseClosed, 10, "b")]],
            &[&[measured(-9, Some(1), 31), certified(-5)], &case],
        ];
        for (index, acts) in hidden.into_iter().enumerate() {
            assert!(
                !is_seen(acts, LIMIT, 99),
                "of another outlet, after it, by one, settled, verified: {index}"
            );
        }
        let repaired = [&[measured(0, Some(1), 31)][..], &case, &[certified(40)]];
        assert!(is_seen(&repaired, LIMIT, 50), "and stays public after the repair");
    }
}
