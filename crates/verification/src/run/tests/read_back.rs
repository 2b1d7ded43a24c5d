//! An off counts only once the source says that its outputs are off, and the pile is looked at while they are on; and events
//! stored before that was asked still replay.

use super::*;
use crate::run::step::Step;

const ON: Happening = Happening::State { on: true };

fn look() -> Action {
    Action::Source(SourceCommand::OutputState)
}

fn lost() -> Happening {
    Happening::Failed { party: Party::Source, lost: true, detail: "no answer".into() }
}

fn whys(story: &Story) -> Vec<Why> {
    story.run.troubles().iter().map(|trouble| trouble.why).collect()
}

#[test]
fn every_off_is_read_back_before_anything_else_is_done() {
    for order in [brief(PileKind::Ac), brief(PileKind::Dc)] {
        let actions = Bench::new(&order).play().actions();
        let goes_off = |action: &Action| is_off(action) || *action == Action::Source(SourceCommand::Reset);
        let offs: Vec<_> = actions.windows(2).filter(|pair| goes_off(&pair[0])).collect();
        // The reset, one before and one after each of four readings, and the last.
        assert_eq!(offs.len(), 10);
        assert!(offs.iter().all(|pair| pair[1] == look()));
    }
    // A counted reading is over with its off; that of the next reading follows at once, and is read back.
    let actions = Bench::new(&with_pulses(brief(PileKind::Ac), 1000)).play().actions();
    let offs = actions.windows(2).filter(|pair| is_off(&pair[0])).map(|pair| &pair[1]);
    assert!(offs.clone().all(|next| is_off(next) || *next == look()));
    assert_eq!(offs.filter(|next| **next == look()).count(), 5, "before each reading, and the last");
}

#[test]
fn an_off_that_is_ignored_once_is_trouble_and_costs_the_reading() {
    // The first is after the warm-up; then each reading has one after it. The others find outputs off already.
    for (n, discarded) in [(1, 0), (2, 1), (4, 1), (6, 1), (8, 1)] {
        let mut offs = 0;
        let ignored = |_: usize, action: &Action| {
            offs += usize::from(is_off(action));
            (is_off(action) && offs == n).then_some(Happening::Done)
        };
        let story = Bench::with_faults(&brief(PileKind::Ac), ignored).play();
        assert_eq!(story.run.ending(), Some(&Ending::Measured), "{n}");
        assert_eq!(whys(&story), [Why::InstrumentError], "{n}");
        assert_eq!(story.run.troubles()[0].detail, "outputs are on after they were switched off");
        assert_eq!(story.run.taken().iter().map(|taken| taken.discarded).sum::<u32>(), discarded, "{n}");
        let actions = story.actions();
        let ignored = actions.iter().enumerate().filter(|(_, action)| is_off(action)).nth(n - 1);
        let place = ignored.expect("told").0;
        assert!(actions[place + 1] == look() && is_off(&actions[place + 2]), "{n}");
    }
}

#[test]
fn a_source_that_ignores_every_off_leaves_the_outlet_closed() {
    for order in [brief(PileKind::Ac), with_pulses(brief(PileKind::Ac), 1000)] {
        let ignored = |_: usize, action: &Action| is_off(action).then_some(Happening::Done);
        let story = Bench::with_faults(&order, ignored).play();
        let ending = Ending::Abandoned {
            why: Why::InstrumentError,
            detail: "outputs are on after they were switched off".into(),
            outputs_off: false,
            operative: false,
        };
        assert_eq!(story.run.ending(), Some(&ending));
        assert!(!story.actions().contains(&Action::MakeOperative));
        assert_eq!(story.actions().iter().filter(|action| is_on(action)).count(), 1, "never on again");
    }
}

#[test]
fn outputs_that_somebody_else_switched_on_keep_the_outlet_closed() {
    let always_on = |_: usize, action: &Action| (*action == look()).then_some(ON);
    let story = Bench::with_faults(&brief(PileKind::Ac), always_on).play();
    assert!(!story.actions().iter().any(is_on));
    let Some(Ending::Abandoned { outputs_off, operative, .. }) = story.run.ending() else { panic!("ended") };
    assert_eq!((*outputs_off, *operative), (false, false));
}

#[test]
fn a_look_without_an_answer_is_an_off_that_failed() {
    let count = |order: &Order| Bench::new(order).play().actions().iter().filter(|a| **a == look()).count();
    for order in [brief(PileKind::Ac), with_pulses(brief(PileKind::Ac), 1000)] {
        for n in 1..=count(&order) {
            let mut looks = 0;
            let fault = |_: usize, action: &Action| {
                looks += usize::from(*action == look());
                (*action == look() && looks == n).then(lost)
            };
            let story = Bench::with_faults(&order, fault).play();
            assert_eq!(story.run.ending(), Some(&Ending::Measured), "{n}");
            assert_eq!(whys(&story), [Why::SourceLost], "{n}");
        }
    }
    // Of a run that is given up: the dead man is waited out, it is asked again, and a person must look.
    let mut order = brief(PileKind::Ac);
    order.plan.pace.failures_max = 0;
    let mut is_on_once = false;
    let fault = |_: usize, action: &Action| {
        is_on_once |= is_on(action);
        (is_on_once && *action == look()).then(lost)
    };
    let story = Bench::with_faults(&order, fault).play();
    let actions = story.actions();
    let off = Action::Source(SourceCommand::OutputOff);
    let Some([first, second, Action::Wait { .. }, third, fourth]) = actions.last_chunk() else {
        panic!("{actions:?}")
    };
    assert_eq!([first, second, third, fourth], [&off, &look(), &off, &look()]);
    let Some(Ending::Abandoned { outputs_off, operative, .. }) = story.run.ending() else { panic!("ended") };
    assert_eq!((*outputs_off, *operative), (false, false));
}

#[test]
fn the_pile_is_looked_at_in_every_poll_and_in_the_warm_up() {
    for order in [brief(PileKind::Ac), with_pulses(brief(PileKind::Ac), 1000)] {
        let actions = Bench::new(&order).play().actions();
        let measure = Action::Standard(StandardCommand::Measure);
        let polls: Vec<_> = actions.windows(3).filter(|three| three[2] == measure).collect();
        assert!(5 < polls.len());
        for poll in polls {
            assert!(matches!(poll, [Action::Wait { .. }, Action::CheckIdle, _]), "{poll:?}");
        }
    }
}

/// The events of a story as the first version would have stored them: without the looks that it did not take.
fn of_the_first_version(story: &Story) -> Vec<Event> {
    let mut run = Run::new(story.run.order().clone());
    let is_kept = |event: &&Event| {
        let is_look = matches!(run.step, Step::ReadBack(_) | Step::WarmIdle { .. } | Step::PollIdle);
        let is_new = is_look && event.what.answer().is_some();
        run.step(event);
        !is_new
    };
    story.events.iter().filter(is_kept).cloned().collect()
}

fn stories() -> Vec<Story> {
    let mut with_test_mode = brief(PileKind::Dc);
    with_test_mode.plan.test_mode_vendor = Some("vendor".into());
    let orders = [brief(PileKind::Ac), with_pulses(brief(PileKind::Ac), 1000), with_test_mode];
    let mut stories = Vec::new();
    for order in orders {
        stories.push(Bench::new(&order).play());
        for place in 2..70 {
            let fault = |n: usize, action: &Action| {
                let party = match action {
                    Action::Source(_) => Party::Source,
                    Action::Standard(_) => Party::Standard,
                    Action::Wait { .. } => return None,
                    _ => Party::Pile,
                };
                let failed = Happening::Failed { party, lost: false, detail: "-222".into() };
                (n == place).then_some(failed)
            };
            stories.push(Bench::with_faults(&order, fault).play());
        }
        let stopped = Happening::Stopped { person: "Li".into(), reason: "smell".into() };
        let fault = |n: usize, _: &Action| (n == 40).then(|| stopped.clone());
        stories.push(Bench::with_faults(&order, fault).play());
    }
    stories
}

#[test]
fn events_of_the_first_version_give_the_same_readings_and_the_same_end() {
    for story in stories() {
        let events = of_the_first_version(&story);
        assert!(events.len() < story.events.len());
        let run = Run::replay(story.run.order().clone(), &events);
        assert_eq!(run, story.run);
    }
}

#[test]
fn a_run_that_the_first_version_left_is_taken_up_and_measures() {
    let story = Bench::new(&brief(PileKind::Ac)).play();
    let (order, events) = (story.run.order(), of_the_first_version(&story));
    for index in 0..events.len() - 1 {
        let left = events[..=index].to_vec();
        let run = Run::replay(order.clone(), &left);
        let kept = run.taken().len();
        let resumed = Bench::new(order).left_on().go_on(run, left, Happening::Resumed);
        assert_eq!(resumed.run.ending(), Some(&Ending::Measured), "{index}");
        assert_eq!(kept + resumed.kept().len(), 4, "{index}");
        // And what is now stored, old and new, gives the same run again.
        assert_eq!(Run::replay(order.clone(), &resumed.events), resumed.run, "{index}");
    }
}

// The first versions opened the outlet next although the pile did not leave its virtual-load mode: what they stored ends as it did.
#[test]
fn an_outlet_that_was_opened_in_test_mode_is_read_as_it_was() {
    let mut order = brief(PileKind::Dc);
    order.plan.test_mode_vendor = Some("vendor".into());
    let failed = || Happening::Failed { party: Party::Pile, lost: false, detail: "-222".into() };
    let answered = |status: &str| Happening::Availability { status: status.into() };
    let leave = Action::TestMode { on: false };
    let stuck = |_: usize, action: &Action| (*action == leave).then(failed);
    let stopped = Happening::Stopped { person: "Li".into(), reason: "smell".into() };
    let stuck_and_stopped = |n: usize, action: &Action| match action {
        _ if n == 40 => Some(stopped.clone()),
        action => (*action == leave).then(failed),
    };
    let check = |story: &Story, next: Happening, expected: &[(Option<bool>, bool, usize)]| {
        let given_up = story.run.ending() != Some(&Ending::Measured);
        let place = story.events.iter().position(|event| event.what == failed()).expect("told to leave");
        let mut events = story.events[..=place].to_vec();
        events.push(Event { at: events[place].at, what: next });
        let run = Run::replay(order.clone(), &events);
        let operative = match run.ending() {
            Some(Ending::Abandoned { operative, .. }) => Some(*operative),
            Some(Ending::Measured) => None,
            None => panic!("it has ended"),
        };
        let (_, closed, troubles) = expected[usize::from(given_up)];
        assert_eq!(operative, expected[usize::from(given_up)].0);
        assert_eq!((run.may_be_closed(), run.troubles().len()), (closed, troubles));
        assert!(run.may_be_in_test_mode(), "and is told");
    };
    for story in
        [Bench::with_faults(&order, stuck).play(), Bench::with_faults(&order, stuck_and_stopped).play()]
    {
        check(&story, answered("Accepted"), &[(None, false, 1), (Some(true), false, 2)]);
        check(&story, answered("Rejected"), &[(None, true, 2), (Some(false), true, 2)]);
        check(&story, failed(), &[(None, true, 2), (Some(false), true, 2)]);
    }
}

#[test]
fn a_live_run_takes_nothing_but_the_look_for_an_answer() {
    let story = Bench::new(&brief(PileKind::Ac)).play();
    let mut run = Run::new(story.run.order().clone());
    for event in &story.events {
        run.step(event);
        if matches!(run.step, Step::ReadBack(_) | Step::WarmIdle { .. } | Step::PollIdle) {
            let before = run.clone();
            let told = Happening::Measured {
                voltage_v: decimal("220"),
                current_a: decimal("32"),
                power_w: decimal("7040"),
            };
            for what in [Happening::Done, Happening::Waited, told] {
                assert_eq!(run.step(&Event { at: event.at, what }), []);
            }
            // What a person says unasked is stored as well, and confirms nothing.
            let told = Happening::DisplayRead { wh: decimal("1"), person: "Li".into() };
            assert_eq!(run.step_stored(&Event { at: event.at, what: told }), []);
            assert_eq!(run, before);
        }
    }
}
