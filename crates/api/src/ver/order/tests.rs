//! The page of an order: who sees and may do what, in every state, in both languages.

use veripile_store::account::PersonRole;
use veripile_verification::run::{Ending, Event, Happening, Party};

use super::*;
use crate::entries::Fault;
use crate::texts::Language;
use crate::ver::access::tests::person;
use crate::ver::fixture;

const SCRIPT: &str = "<script>alert(1)</script>";

fn row(state: OrderState) -> OrderRow {
    let mut order = fixture::order();
    order.body = SCRIPT.to_owned();
    order.plate.station = Some(SCRIPT.to_owned());
    let note = (state == OrderState::Cancelled).then(|| SCRIPT.to_owned());
    OrderRow {
        order_no: 1,
        pile_no: 1,
        order,
        state,
        made_at: fixture::at(),
        began_at: None,
        ended_at: None,
        ending: None,
        note,
        lease_until: Some(now() + jiff::SignedDuration::from_hours(1)),
    }
}

/// A run that began and met a trouble whose detail is not ours.
fn run(order: &Order) -> Run {
    let event = |what| Event { at: fixture::at(), what };
    let failed = Happening::Failed { party: Party::Pile, lost: false, detail: SCRIPT.to_owned() };
    Run::replay(order.clone(), &[event(Happening::Begun), event(failed)])
}

fn rendered(language: Language, who: &Person, row: &OrderRow, said: &Said) -> String {
    let t = Texts::in_language(language);
    page_of(t, who, row, &run(&row.order), None, said).render().expect("renders")
}

#[test]
fn whatever_others_wrote_is_shown_as_text_in_every_state() {
    let who = person("赵工", &[PersonRole::Verifier], None);
    let said = Said { faults: vec![Fault::new(SCRIPT, SCRIPT)], ..Said::default() };
    for state in OrderState::ALL {
        for language in [Language::Zh, Language::En] {
            let page = rendered(language, &who, &row(state), &said);
            assert!(!page.contains(SCRIPT), "{state:?}");
            assert!(page.contains("&#60;script&#62;alert(1)"), "{state:?}");
            assert!(!page.contains(" style=\"") && !page.contains("onclick"), "the policy forbids it");
        }
    }
}

#[test]
fn each_person_has_the_forms_that_are_theirs_and_every_form_its_token() {
    let verifier = person("赵工", &[PersonRole::Verifier], None);
    let reviewer = person("钱工", &[PersonRole::Reviewer], None);
    let boss = person("boss", &[], None);
    let clerk = person("clerk", &[], Some("O1"));
    let check = |who: &Person, state, forms: &[&str]| {
        let page = rendered(Language::En, who, &row(state), &Said::default());
        let number = fixture::order().number;
        for form in ["start", "stop", "cancel", "conditions", "item", "seals", "confirm", "send-back"] {
            let has = page.contains(&format!("action=\"/ver/orders/{number}/{form}?"));
            assert_eq!(has, forms.contains(&form), "{} {state:?} {form}", who.name);
        }
        let posts = page.matches("<form method=\"post\"").count();
        assert_eq!(page.matches("name=\"token\"").count(), posts, "{} {state:?}", who.name);
    };
    check(&verifier, OrderState::Ordered, &["start", "cancel", "conditions", "item", "seals"]);
    check(&verifier, OrderState::Running, &["stop", "conditions", "item", "seals"]);
    check(&verifier, OrderState::Measured, &["conditions", "item", "seals"]);
    check(&verifier, OrderState::Issued, &[]);
    check(&reviewer, OrderState::Measured, &["confirm", "send-back"]);
    check(&reviewer, OrderState::Running, &["stop"]);
    check(&boss, OrderState::Ordered, &["cancel"]);
    check(&boss, OrderState::Measured, &[]);
    check(&clerk, OrderState::Running, &[]);
    check(&clerk, OrderState::Measured, &[]);
}

#[test]
fn who_calls_off_what_was_left_alone_is_told_what_to_look_at() {
    let verifier = person("赵工", &[PersonRole::Verifier], None);
    let t = Texts::in_language(Language::En);
    let shown = |run: &Run, state| {
        let row = row(state);
        let page = page_of(t, &verifier, &row, run, None, &Said::default()).render().expect("renders");
        ["ending.outputs", "ending.operative"].map(|key| page.contains(&t.of(key).replace('\'', "&#39;")))
    };
    let order = fixture::order();
    assert_eq!(shown(&run(&order), OrderState::Cancelled), [true; 2]);
    assert_eq!(shown(&run(&order), OrderState::Running), [false; 2]);
    let waiting = Run::replay(order, &[]);
    assert_eq!(shown(&waiting, OrderState::Cancelled), [false; 2], "nothing was switched on or closed");
}

/// A run that was stopped in the pile's virtual-load mode, which the pile may have left or not.
fn stopped_in_test_mode(order: &Order, leaves: bool) -> Run {
    let identity = |text: &str| Happening::Identity { text: text.to_owned() };
    let accepted = || Happening::Availability { status: "Accepted".to_owned() };
    let off = || Happening::State { on: false };
    let refused = Happening::Failed { party: Party::Pile, lost: false, detail: "Rejected".to_owned() };
    let mut happenings = vec![
        Happening::Begun,
        accepted(),
        Happening::Idle { charging: false, status: None },
        identity("FLUKE,6105A,S1-1,1.0"),
        identity("ZERA,COM3003,R1-1,1.0"),
        Happening::Done,
        off(),
        Happening::Done,
        Happening::Done,
        Happening::Stopped { person: "赵工".to_owned(), reason: "smell".to_owned() },
        Happening::Done,
        off(),
    ];
    happenings.extend(if leaves {
        vec![Happening::Done, accepted()]
    } else {
        vec![refused.clone(), Happening::Waited, refused]
    });
    let events: Vec<Event> = happenings.into_iter().map(|what| Event { at: fixture::at(), what }).collect();
    Run::replay(order.clone(), &events)
}

#[test]
fn a_pile_that_may_still_be_in_its_test_mode_is_told_of_before_its_outlet_is_opened() {
    let verifier = person("赵工", &[PersonRole::Verifier], None);
    let mut row = row(OrderState::Abandoned);
    row.order.plan.test_mode_vendor = Some("vendor".to_owned());
    for language in [Language::Zh, Language::En] {
        let t = Texts::in_language(language);
        for leaves in [true, false] {
            let run = stopped_in_test_mode(&row.order, leaves);
            assert!(run.ending().is_some());
            let page = page_of(t, &verifier, &row, &run, None, &Said::default()).render().expect("renders");
            let place = |key: &str| page.find(&t.of_owned(key).replace('\'', "&#39;"));
            let (mode, closed) = (place("ending.test_mode"), place("ending.operative"));
            assert_eq!((mode.is_some(), closed.is_some()), (!leaves, !leaves), "{page}");
            assert!(leaves || mode < closed, "first the mode, then the outlet");
        }
    }
}

#[test]
fn what_nobody_goes_on_with_is_called_off_and_its_page_offers_it() {
    let verifier = person("赵工", &[PersonRole::Verifier], None);
    let (at, second) = (now(), jiff::SignedDuration::from_secs(1));
    for state in OrderState::ALL {
        let is_open = matches!(state, OrderState::Ordered | OrderState::Queued);
        let is_running = state == OrderState::Running;
        for (lease_until, expected) in
            [(Some(at + second), is_open), (Some(at), is_open), (Some(at - second), is_open || is_running)]
        {
            let row = OrderRow { lease_until, ..row(state) };
            assert_eq!(can_be_called_off(&row, at), expected, "{state:?} {lease_until:?}");
        }
        let left = OrderRow { lease_until: Some(at - second), ..row(state) };
        let page = rendered(Language::En, &verifier, &left, &Said::default());
        let offers = page.contains(&format!("action=\"/ver/orders/{}/cancel?", left.order.number));
        assert_eq!(offers, can_be_called_off(&left, now()), "{state:?}");
    }
}

// A reviewer judges a result by what was planned: each of these numbers stands for itself in the order.
#[test]
fn the_whole_plan_is_shown_to_everybody_and_can_be_ordered_again_if_it_came_to_nothing() {
    let mut order = fixture::order();
    let plan = &mut order.plan;
    plan.points[0].energy_wh = 4321.into();
    plan.points[1].method = veripile_verification::plan::Method::Pulse { pulses: 765 };
    plan.set_point_percent = rust_decimal::Decimal::new(137, 2);
    plan.effects.phase_deg = rust_decimal::Decimal::new(31, 3);
    plan.pace.watchdog_s = 23;
    plan.register = veripile_verification::plan::RegisterSource::Display;
    plan.test_mode_vendor = Some("com.example.vl".to_owned());
    let reviewer = person("钱工", &[PersonRole::Reviewer], None);
    let verifier = person("赵工", &[PersonRole::Verifier], None);
    for language in [Language::Zh, Language::En] {
        let t = Texts::in_language(language);
        for state in OrderState::ALL {
            let row = OrderRow { order: order.clone(), ..row(state) };
            let page = rendered(language, &reviewer, &row, &Said::default());
            let shown = page.split("<details id=\"plan\">").nth(1).expect("there");
            let shown = shown.split("</details>").next().expect("closed");
            let words = ["4321 Wh", "765 imp", "1.37", "0.031", "<dd>23</dd>", "com.example.vl"];
            for word in words.into_iter().chain([t.of("ver.register_display")]) {
                assert!(shown.contains(word), "{word}: {shown}");
            }
            let page = rendered(language, &verifier, &row, &Said::default());
            let link = format!("/ver/orders/new?pile=WX-0001&#38;from={}&#38;lang=", row.order.number);
            let came_to_nothing = matches!(state, OrderState::Cancelled | OrderState::Abandoned);
            assert_eq!(page.contains(&link), came_to_nothing, "{state:?} {page}");
        }
    }
}

// By the rule set's file: 10 MΩ at 500 V, and the ±2 % of class 2.
#[test]
fn insulation_and_indication_error_have_forms_that_name_their_limits() {
    let who = person("赵工", &[PersonRole::Verifier], None);
    let mut row = row(OrderState::Ordered);
    row.order.rule_set = "JJG 1148-2018 v2".to_owned();
    row.order.plan.items = ItemCode::ALL.to_vec();
    for language in [Language::Zh, Language::En] {
        let page = rendered(language, &who, &row, &Said::default());
        let names = ["test_voltage_v", "between_0", "megohm_5", "start_kwh", "stop_kwh", "reference_kwh"];
        for name in names {
            assert_eq!(page.matches(&format!("name=\"{name}\"")).count(), 1, "{name}");
        }
        assert!(page.contains("500 V") && page.contains("10 MΩ") && page.contains("±2"), "{page}");
    }
}

#[test]
fn what_was_typed_into_a_form_that_could_not_be_taken_stands_in_it_again() {
    let who = person("赵工", &[PersonRole::Verifier], None);
    let mut entries = Entries::default();
    entries.set("offset_s", "\"later\"");
    let said = Said { form: "clock".to_owned(), entries, faults: Vec::new() };
    let page = rendered(Language::En, &who, &row(OrderState::Ordered), &said);
    assert!(page.contains("name=\"offset_s\" value=\"&#34;later&#34;\""), "{page}");
}

#[test]
fn what_is_measured_waits_for_its_verifier_until_everything_is_recorded() {
    let reviewer = person("钱工", &[PersonRole::Reviewer], None);
    let mut row = row(OrderState::Measured);
    // Nothing to measure: the run is over with its last off.
    row.order.plan.points.clear();
    let event = |what| Event { at: fixture::at(), what };
    let identity = |text: &str| event(Happening::Identity { text: text.to_owned() });
    let accepted = || event(Happening::Availability { status: "Accepted".to_owned() });
    let off = || event(Happening::State { on: false });
    let events = vec![
        event(Happening::Begun),
        accepted(),
        event(Happening::Idle { charging: false, status: None }),
        identity("FLUKE,6105A,S1-1,1.0"),
        identity("ZERA,COM3003,R1-1,1.0"),
        event(Happening::Done),
        off(),
        event(Happening::Done),
        event(Happening::Done),
        event(Happening::Done),
        off(),
        accepted(),
    ];
    let conditions = fixture::issued(fixture::order(), 0).certificate.conditions;
    let recorded: Vec<Event> =
        fixture::items(&row.order).into_iter().map(|item| event(Happening::Item(item))).collect();
    for language in [Language::Zh, Language::En] {
        let t = Texts::in_language(language);
        let shown = |events: &[Event]| {
            let run = Run::replay(row.order.clone(), events);
            assert_eq!(run.ending(), Some(&Ending::Measured));
            page_of(t, &reviewer, &row, &run, None, &Said::default()).render().expect("renders")
        };
        let waits = t.of("ending.measured");
        let records = |what: &str| t.of("ending.to_record").replace("{missing}", what);
        let page = shown(&events);
        assert!(!page.contains(waits) && page.contains(t.of("ver.conditions")), "{page}");
        let mut all = events.clone();
        all.extend(recorded.clone());
        assert!(shown(&all).contains(&records(t.of("ver.conditions"))));
        all.push(event(Happening::Conditions(conditions.clone())));
        assert!(shown(&all).contains(waits));
    }
}
