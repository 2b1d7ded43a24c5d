//! Events as they are stored: every one comes back from its text, and the run with them.

use super::*;

/// One of each kind, with all that can stand in it.
fn every_kind() -> Vec<Event> {
    let mut happenings = vec![
        Happening::Begun,
        Happening::Resumed,
        Happening::Done,
        Happening::Waited,
        Happening::Availability { status: "Accepted".into() },
        Happening::Idle { charging: false, status: None },
        Happening::Idle { charging: true, status: Some("Charging".into()) },
        Happening::Identity { text: "ZERA,COM3003,\"1\",ä".into() },
        Happening::State { on: true },
        Happening::Temperature { celsius: decimal("40.50") },
        Happening::Measured {
            voltage_v: decimal("220.0"),
            current_a: decimal("32.000"),
            power_w: decimal("-0.0001"),
        },
        Happening::Number { value: decimal("79228162514264337593543950335") },
        Happening::Number { value: decimal("0.0000000000000000000000000001") },
        Happening::Register { wh: decimal("1.10"), text: "1.10".into(), device_time: None },
        Happening::Register { wh: decimal("1"), text: "1".into(), device_time: Some(after(-3)) },
        Happening::DisplayRead { wh: decimal("1234"), person: "李".into() },
        Happening::OtherFirmware { told: "2.0".into() },
        Happening::Failed { party: Party::Standard, lost: true, detail: "no answer".into() },
        Happening::Stopped { person: "Li".into(), reason: String::new() },
        Happening::Conditions(conditions()),
    ];
    happenings.extend(ItemCode::ALL.map(|code| Happening::Item(good(code))));
    happenings.into_iter().map(|what| Event { at: after(1), what }).collect()
}

#[test]
fn every_event_comes_back_from_its_text() {
    for event in every_kind() {
        let text = serde_json::to_string(&event).expect("writes");
        let read: Event = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(read, event);
        // The other way that databases take: through a value.
        let value = serde_json::to_value(&event).expect("writes");
        assert_eq!(serde_json::from_value::<Event>(value).expect("reads"), event, "{text}");
        assert_eq!(serde_json::to_string(&read).expect("writes"), text, "byte for byte");
    }
}

#[test]
fn an_event_of_another_kind_does_not_read() {
    for text in [
        r#"{"at":"2026-03-02T06:00:01Z","event":"exploded"}"#,
        r#"{"at":"2026-03-02T06:00:01Z"}"#,
        r#"{"event":"begun"}"#,
        r#"{"at":"2026-03-02T06:00:01Z","event":"state","data":{"on":"yes"}}"#,
    ] {
        assert!(serde_json::from_str::<Event>(text).is_err(), "{text}");
    }
}

// As stored by the first version. They must read for as long as there are runs of it.
#[test]
fn events_of_the_first_version_read() {
    for (text, expected) in [
        (r#"{"at":"2026-03-02T06:00:01Z","event":"begun"}"#, Happening::Begun),
        (
            r#"{"at":"2026-03-02T06:00:01Z","event":"number","data":{"value":"1000.25"}}"#,
            Happening::Number { value: decimal("1000.25") },
        ),
        (
            r#"{"at":"2026-03-02T06:00:01Z","event":"failed","data":{"party":"source","lost":true,"detail":"x"}}"#,
            Happening::Failed { party: Party::Source, lost: true, detail: "x".into() },
        ),
    ] {
        assert_eq!(serde_json::from_str::<Event>(text).expect("reads").what, expected);
    }
}

#[test]
fn readings_orders_and_endings_come_back_from_their_text() {
    for order in [brief(PileKind::Ac), brief(PileKind::Dc), with_pulses(brief(PileKind::Ac), 1000)] {
        let text = serde_json::to_string(&order).expect("writes");
        assert_eq!(serde_json::from_str::<Order>(&text).expect("reads"), order);
        let story = Bench::new(&order).play();
        for taken in story.run.taken() {
            let text = serde_json::to_string(taken).expect("writes");
            assert_eq!(&serde_json::from_str::<Taken>(&text).expect("reads"), taken);
        }
        for action in story.actions() {
            let text = serde_json::to_string(&action).expect("writes");
            assert_eq!(serde_json::from_str::<Action>(&text).expect("reads"), action);
        }
    }
    let ending =
        Ending::Abandoned { why: Why::Limits, detail: "x".into(), outputs_off: false, operative: true };
    let text = serde_json::to_string(&ending).expect("writes");
    assert_eq!(serde_json::from_str::<Ending>(&text).expect("reads"), ending);
    for why in Why::ALL {
        assert_eq!(serde_json::to_string(&why).expect("writes"), format!("{:?}", why.word()));
    }
}

#[test]
fn stored_events_give_the_same_run_at_every_step() {
    for order in [brief(PileKind::Ac), with_pulses(brief(PileKind::Ac), 1000)] {
        let story = Bench::new(&order).play();
        let texts: Vec<_> =
            story.events.iter().map(|event| serde_json::to_string(event).expect("writes")).collect();
        let events: Vec<Event> =
            texts.iter().map(|text| serde_json::from_str(text).expect("reads")).collect();
        let mut run = Run::new(order.clone());
        for (index, event) in story.events.iter().enumerate() {
            run.step(event);
            assert_eq!(Run::replay(order.clone(), &events[..=index]), run, "{index}");
        }
        assert_eq!(run, story.run);
    }
}

#[test]
fn late_and_foreign_answers_change_nothing() {
    let order = brief(PileKind::Ac);
    let story = Bench::new(&order).play();
    let mut run = Run::new(order);
    // Before it has begun, nothing is an answer.
    for event in every_kind() {
        if event.what.answer().is_some() || matches!(event.what, Happening::Failed { .. }) {
            assert_eq!(run.step(&event), [], "{event:?}");
        }
    }
    assert_eq!(run, Run::new(run.order().clone()));
    // Of a run that goes well, one that has trouble with its source, and one that is given up.
    let lost = |_: usize, action: &Action| {
        let happens = Happening::Failed { party: Party::Source, lost: true, detail: String::new() };
        (*action == Action::Source(SourceCommand::OutputState) || is_off(action)).then_some(happens)
    };
    let troubled = Bench::with_faults(run.order(), lost).play();
    let stages: Vec<_> = troubled.stages();
    assert!(stages.contains(&"troubled") && stages.contains(&"giving_up"), "{stages:?}");
    for story in [story, troubled] {
        nothing_is_changed_by_what_does_not_fit(&story);
    }
}

/// Whether a happening answers the action at hand; none if nothing is to be done. Written down once more, from what actions say.
fn fitting(at_hand: &[Command]) -> Option<fn(&Happening) -> bool> {
    use SourceCommand as Source;
    use StandardCommand as Standard;
    let Some(Command::Do(action)) = at_hand.last() else { return None };
    Some(match action {
        Action::MakeInoperative | Action::MakeOperative => |h| matches!(h, Happening::Availability { .. }),
        Action::CheckIdle => |h| matches!(h, Happening::Idle { .. }),
        Action::ReadRegister => |h| matches!(h, Happening::Register { .. }),
        Action::AskRegister => |h| matches!(h, Happening::DisplayRead { .. }),
        Action::Wait { .. } => |h| matches!(h, Happening::Waited),
        Action::Source(Source::Identify) | Action::Standard(Standard::Identify) => {
            |h| matches!(h, Happening::Identity { .. })
        }
        Action::Source(Source::OutputState) | Action::Standard(Standard::PulsesDone) => {
            |h| matches!(h, Happening::State { .. })
        }
        Action::Source(Source::Temperature) => |h| matches!(h, Happening::Temperature { .. }),
        Action::Standard(Standard::Measure) => |h| matches!(h, Happening::Measured { .. }),
        Action::Standard(Standard::Energy | Standard::PulsesCounted | Standard::PulseConstant) => {
            |h| matches!(h, Happening::Number { .. })
        }
        _ => |h| matches!(h, Happening::Done),
    })
}

fn nothing_is_changed_by_what_does_not_fit(story: &Story) {
    let kinds = every_kind();
    let mut run = Run::new(story.run.order().clone());
    for (index, event) in story.events.iter().enumerate() {
        let fitting = fitting(&run.step(event));
        for other in &kinds {
            let is_answer = other.what.answer().is_some();
            let is_over = run.ending().is_some();
            let fits = fitting.is_some_and(|fits| fits(&other.what));
            if (is_answer || is_over) && !fits {
                let mut again = run.clone();
                let given = again.step(&Event { at: event.at, what: other.what.clone() });
                assert_eq!(given, [], "{index}: {other:?}");
                let is_record = matches!(other.what, Happening::Item(_) | Happening::Conditions(_));
                assert!(is_record || again == run, "{index}: {other:?}");
            }
        }
    }
}
