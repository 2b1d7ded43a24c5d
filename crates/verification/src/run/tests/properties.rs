//! What holds of every run: stopped or restarted anywhere, told anything.

use proptest::prelude::*;

use super::*;

fn orders() -> Vec<Order> {
    let mut display = brief(PileKind::Ac);
    display.plan.register = RegisterSource::Display;
    let mut mode = brief(PileKind::Dc);
    mode.plan.test_mode_vendor = Some("vendor".into());
    vec![brief(PileKind::Ac), mode, display, with_pulses(brief(PileKind::Ac), 1000)]
}

fn stopped() -> Happening {
    Happening::Stopped { person: "Li".into(), reason: "smell".into() }
}

#[test]
fn a_person_stops_it_anywhere_and_outputs_go_off_next() {
    for order in orders() {
        let whole = Bench::new(&order).play();
        let mut run = Run::new(order.clone());
        for (index, event) in whole.events[..whole.events.len() - 1].iter().enumerate() {
            run.step(event);
            let events = whole.events[..=index].to_vec();
            let story = Bench::new(&order).left_on().go_on(run.clone(), events, stopped());
            assert!(is_off(&story.actions()[0]), "{index}");
            assert!(!story.actions().iter().any(is_on), "{index}");
            assert_eq!(story.run.taken(), run.taken(), "{index}");
            assert_eq!(
                story.run.ending(),
                Some(&Ending::Abandoned {
                    why: Why::Stopped,
                    detail: "Li: smell".into(),
                    outputs_off: true,
                    operative: true
                }),
                "{index}"
            );
        }
    }
}

#[test]
fn a_run_that_has_not_begun_is_stopped_without_touching_anything() {
    let mut run = Run::new(brief(PileKind::Ac));
    let commands = run.step(&Event { at: start(), what: stopped() });
    let ending = Ending::Abandoned {
        why: Why::Stopped,
        detail: "Li: smell".into(),
        outputs_off: true,
        operative: true,
    };
    assert_eq!(commands, [Command::End(ending)]);
}

#[test]
fn a_run_is_taken_up_again_anywhere_and_measures_the_same() {
    for order in orders() {
        let whole = Bench::new(&order).play();
        for index in 0..whole.events.len() - 1 {
            let events = whole.events[..=index].to_vec();
            let run = Run::replay(order.clone(), &events);
            let story = Bench::new(&order).left_on().go_on(run.clone(), events, Happening::Resumed);
            assert_eq!(story.run.ending(), Some(&Ending::Measured), "{index}");
            assert_eq!(story.run.taken().len(), 4, "{index}");
            assert_eq!(story.kept().len() + run.taken().len(), 4, "{index}: none twice, none lost");
            let first = story.actions().into_iter().find(|action| matches!(action, Action::Source(_)));
            assert!(first.as_ref().is_some_and(is_off), "{index}: {first:?}");
            let restarts = story.run.troubles().iter().filter(|trouble| trouble.why == Why::ServerRestarted);
            assert_eq!(restarts.count(), 1, "{index}: for all to see");
        }
    }
}

#[test]
fn a_run_that_was_being_given_up_is_given_up_after_a_restart() {
    let order = brief(PileKind::Ac);
    let fault = |n: usize, action: &Action| {
        (n == 40 && matches!(action, Action::Wait { .. } | Action::Source(_) | Action::Standard(_)))
            .then(stopped)
    };
    let whole = Bench::with_faults(&order, fault).play();
    let stop = whole.events.iter().position(|event| event.what == stopped()).expect("stopped");
    for index in stop..whole.events.len() - 1 {
        let events = whole.events[..=index].to_vec();
        let run = Run::replay(order.clone(), &events);
        let story = Bench::new(&order).left_on().go_on(run, events, Happening::Resumed);
        assert!(is_off(&story.actions()[0]));
        assert!(matches!(story.run.ending(), Some(Ending::Abandoned { why: Why::Stopped, .. })), "{index}");
    }
}

#[test]
fn a_server_that_falls_over_again_and_again_does_not_go_on_for_ever() {
    let order = brief(PileKind::Ac);
    let mut run = Run::new(order);
    run.step(&Event { at: start(), what: Happening::Begun });
    for number in 0..safety::RESTARTS_MAX {
        run.step(&Event { at: after(i64::from(number)), what: Happening::Resumed });
        assert_eq!(run.progress().stage, "troubled");
    }
    let commands = run.step(&Event { at: after(100), what: Happening::Resumed });
    assert_eq!(run.progress().stage, "giving_up");
    assert!(matches!(&commands[..], [Command::Do(action)] if is_off(action)));
    let troubles = run.troubles().len();
    run.step(&Event { at: after(101), what: Happening::Resumed });
    assert_eq!(run.troubles().len(), troubles);
}

fn a_party() -> impl Strategy<Value = Party> {
    prop_oneof![Just(Party::Source), Just(Party::Standard), Just(Party::Pile)]
}

fn a_number() -> impl Strategy<Value = Decimal> {
    prop_oneof![
        (-10i64..3_000_000).prop_map(|thousandths| Decimal::new(thousandths, 3)),
        Just(Decimal::MAX),
        Just(Decimal::MIN),
        Just(decimal("220")),
        Just(decimal("32")),
    ]
}

/// Anything that may be told, likely or not.
fn a_happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        8 => Just(Happening::Done),
        8 => Just(Happening::Waited),
        1 => Just(Happening::Begun),
        1 => Just(Happening::Resumed),
        4 => prop_oneof![Just("Accepted"), Just("Scheduled"), Just("Rejected"), Just("")]
            .prop_map(|status| Happening::Availability { status: status.into() }),
        4 => prop::bool::weighted(0.1).prop_map(|charging| Happening::Idle { charging, status: None }),
        6 => prop_oneof![
            Just("FLUKE,6105A,SN-source,1"), Just("ZERA,COM,SN-standard,1"), Just(",,,"), Just("")
        ].prop_map(|text| Happening::Identity { text: text.into() }),
        6 => prop::bool::weighted(0.9).prop_map(|on| Happening::State { on }),
        4 => a_number().prop_map(|celsius| Happening::Temperature { celsius }),
        2 => (a_number(), a_number(), a_number()).prop_map(|(voltage_v, current_a, power_w)| {
            Happening::Measured { voltage_v, current_a, power_w }
        }),
        6 => Just(Happening::Measured {
            voltage_v: decimal("220"),
            current_a: decimal("32"),
            power_w: decimal("7040"),
        }),
        6 => a_number().prop_map(|value| Happening::Number { value }),
        6 => a_number().prop_map(|wh| Happening::Register { wh, text: wh.to_string(), device_time: None }),
        2 => a_number().prop_map(|wh| Happening::DisplayRead { wh, person: "Li".into() }),
        1 => (a_party(), any::<bool>())
            .prop_map(|(party, lost)| Happening::Failed { party, lost, detail: String::new() }),
        1 => Just(Happening::Item(good(ItemCode::Clock))),
        1 => Just(Happening::Conditions(conditions())),
    ]
}

fn a_moment() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        20 => (0i64..100_000).prop_map(after),
        1 => Just(Timestamp::MAX),
        1 => Just(Timestamp::MIN),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    // What answers fit is told with the rest, so that runs come far: half the events are the bench's own.
    #[test]
    fn told_anything_a_run_keeps_its_promises(
        which in 0usize..4,
        noise in prop::collection::vec(prop::option::weighted(0.3, (a_moment(), a_happening())), 0..400),
    ) {
        let order = orders().remove(which);
        let script = Bench::new(&order).play().events;
        let mut run = Run::new(order);
        let mut script = script.into_iter();
        let (mut kept, mut set, mut may_be_on) = (0, false, false);
        for told in noise {
            let event = match told {
                Some((at, what)) => Event { at, what },
                None => match script.next() {
                    Some(event) => event,
                    None => break,
                },
            };
            let was_over = run.ending().is_some();
            for command in run.step(&event) {
                prop_assert!(!was_over, "{command:?} after the end");
                match command {
                    Command::Keep(_) => kept += 1,
                    Command::Do(Action::Source(SourceCommand::Set { .. })) => set = true,
                    Command::Do(Action::Source(SourceCommand::OutputOn)) => {
                        prop_assert!(set, "on without a set-point");
                        may_be_on = true;
                    }
                    Command::Do(Action::Source(SourceCommand::OutputOff | SourceCommand::Reset)) => {
                        (set, may_be_on) = (false, false);
                    }
                    Command::Do(Action::MakeOperative | Action::ReadRegister | Action::AskRegister) => {
                        prop_assert!(!may_be_on, "outputs were not told to go off");
                    }
                    _ => {}
                }
            }
            prop_assert_eq!(run.taken().len(), kept);
            prop_assert!(kept <= 4);
            prop_assert!(run.progress().taken <= run.progress().total);
            prop_assert!(run.items().len() <= ItemCode::ALL.len());
            if run.ending() == Some(&Ending::Measured) {
                prop_assert_eq!(kept, 4);
            }
        }
    }
}
