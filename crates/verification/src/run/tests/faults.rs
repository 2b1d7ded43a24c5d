//! What can go wrong on the bench, and that each ends in a reading taken again or in a run given up for all to see.

use super::*;

fn source(command: SourceCommand) -> Action {
    Action::Source(command)
}

fn standard(command: StandardCommand) -> Action {
    Action::Standard(command)
}

fn lost(party: Party) -> Happening {
    Happening::Failed { party, lost: true, detail: "no answer".into() }
}

fn refused(party: Party) -> Happening {
    Happening::Failed { party, lost: false, detail: "-222".into() }
}

/// An answer of the test's own to the nth time (from 1) that an action is asked.
fn nth(n: usize, wanted: Action, happens: Happening) -> impl FnMut(usize, &Action) -> Option<Happening> {
    let mut seen = 0;
    move |_, action| {
        seen += usize::from(*action == wanted);
        (seen == n && *action == wanted).then(|| happens.clone())
    }
}

/// The same every time.
fn always(wanted: Action, happens: Happening) -> impl FnMut(usize, &Action) -> Option<Happening> {
    move |_, action| (*action == wanted).then(|| happens.clone())
}

fn measured(voltage: &str, current: &str, power: &str) -> Happening {
    Happening::Measured { voltage_v: decimal(voltage), current_a: decimal(current), power_w: decimal(power) }
}

fn register(wh: &str) -> Happening {
    Happening::Register { wh: decimal(wh), text: wh.into(), device_time: None }
}

/// Everything measured in the end, one trouble on the way, and outputs off directly after it.
fn mended(story: &Story, why: Why, discarded: u32) {
    assert_eq!(story.run.ending(), Some(&Ending::Measured), "{:?}", story.run.troubles());
    let found: Vec<_> = story.run.troubles().iter().map(|trouble| trouble.why).collect();
    assert_eq!(found, [why]);
    assert_eq!(story.run.taken().len(), 4);
    assert_eq!(story.run.taken().iter().map(|taken| taken.discarded).sum::<u32>(), discarded, "{why:?}");
    assert!(off_follows_every_trouble(story), "{why:?}");
}

/// Each event that left a note is answered with outputs off before anything else; the end of a run excepted.
fn off_follows_every_trouble(story: &Story) -> bool {
    let mut run = Run::new(story.run.order().clone());
    story.events.iter().all(|event| {
        let before = run.troubles().len();
        let given = run.step(event);
        let is_ending = ["finishing", "giving_up", "measured", "abandoned"].contains(&run.progress().stage);
        let has_off = matches!(&given[..], [Command::Do(action)] if is_off(action));
        run.troubles().len() == before || has_off || is_ending
    })
}

#[test]
fn a_disturbed_reading_is_thrown_away_taken_again_and_counted() {
    let measure = || standard(StandardCommand::Measure);
    let on = |n| nth(n, source(SourceCommand::OutputState), Happening::State { on: false });
    let check = |fault: &mut dyn FnMut(usize, &Action) -> Option<Happening>, why, discarded| {
        mended(&Bench::with_faults(&brief(PileKind::Ac), fault).play(), why, discarded);
    };
    // The first two looks of each kind are of the warm-up, which is no reading; the state is asked after each off as well.
    check(&mut nth(4, measure(), measured("220", "30", "6600")), Why::SetPointMissed, 1);
    check(&mut nth(4, measure(), measured("210", "32", "6720")), Why::SetPointMissed, 1);
    // Voltage and current are right and the phase is not.
    check(&mut nth(4, measure(), measured("220", "32", "6000")), Why::SetPointMissed, 1);
    check(&mut nth(4, measure(), refused(Party::Standard)), Why::InstrumentError, 1);
    check(&mut nth(4, measure(), lost(Party::Standard)), Why::StandardLost, 1);
    check(&mut on(6), Why::OutputsTripped, 1);
    // A vehicle that comes while outputs are on, or a pile that goes: the fourth look at it is before the reading.
    let charging = || Happening::Idle { charging: true, status: Some("Charging".into()) };
    for n in 5..=7 {
        check(&mut nth(n, Action::CheckIdle, charging()), Why::ChargeRuns, 1);
        check(&mut nth(n, Action::CheckIdle, lost(Party::Pile)), Why::PileLost, 1);
    }
    check(&mut nth(4, source(SourceCommand::Temperature), lost(Party::Source)), Why::SourceLost, 1);
    check(&mut nth(2, source(SourceCommand::OutputOn), lost(Party::Source)), Why::SourceLost, 1);
    check(&mut nth(2, Action::ReadRegister, lost(Party::Pile)), Why::PileLost, 1);
    check(&mut nth(2, Action::ReadRegister, refused(Party::Pile)), Why::PileError, 1);
    check(&mut nth(2, Action::ReadRegister, register("123000")), Why::RegisterStrange, 1);
    check(&mut nth(4, standard(StandardCommand::IntegrateStop), lost(Party::Standard)), Why::StandardLost, 1);
}

#[test]
fn what_fails_before_outputs_are_on_costs_no_reading() {
    let check = |fault: &mut dyn FnMut(usize, &Action) -> Option<Happening>, why| {
        mended(&Bench::with_faults(&brief(PileKind::Ac), fault).play(), why, 0);
    };
    let scheduled = Happening::Availability { status: "Scheduled".into() };
    check(&mut nth(1, Action::MakeInoperative, scheduled), Why::ChargeRuns);
    check(&mut nth(1, Action::MakeInoperative, lost(Party::Pile)), Why::PileLost);
    let charging = || Happening::Idle { charging: true, status: Some("Charging".into()) };
    check(&mut nth(1, Action::CheckIdle, charging()), Why::ChargeRuns);
    // The second and third are in the warm-up, the fourth before the first reading.
    for n in 2..=4 {
        check(&mut nth(n, Action::CheckIdle, charging()), Why::ChargeRuns);
        check(&mut nth(n, Action::CheckIdle, lost(Party::Pile)), Why::PileLost);
    }
    check(&mut nth(1, source(SourceCommand::Identify), lost(Party::Source)), Why::SourceLost);
    check(&mut nth(1, standard(StandardCommand::Reset), refused(Party::Standard)), Why::InstrumentError);
    check(
        &mut nth(1, source(SourceCommand::Watchdog { seconds: 600 }), refused(Party::Source)),
        Why::InstrumentError,
    );
    check(&mut nth(1, Action::ReadRegister, lost(Party::Pile)), Why::PileLost);
    check(&mut nth(2, standard(StandardCommand::IntegrateStart), lost(Party::Standard)), Why::StandardLost);
    // In the warm-up, too, everything is looked at.
    check(
        &mut nth(1, standard(StandardCommand::Measure), measured("220", "30", "6600")),
        Why::SetPointMissed,
    );
    check(
        &mut nth(2, source(SourceCommand::OutputState), Happening::State { on: false }),
        Why::OutputsTripped,
    );
}

#[test]
fn a_register_that_stands_is_strange() {
    let mut first = None;
    let mut reads = 0;
    let fault = |_: usize, action: &Action| {
        if *action != Action::ReadRegister {
            return None;
        }
        reads += 1;
        first.get_or_insert("123456");
        (reads <= 2).then(|| register("123456"))
    };
    let story = Bench::with_faults(&brief(PileKind::Ac), fault).play();
    mended(&story, Why::RegisterStrange, 1);
    assert_eq!(story.run.troubles()[0].detail, "register 123456 Wh before, 123456 Wh after");
}

#[test]
fn an_integrator_that_fell_on_the_way_is_no_reading() {
    for value in ["0", "3"] {
        let mut energies = 0;
        let fault = |_: usize, action: &Action| {
            energies += usize::from(*action == standard(StandardCommand::Energy));
            // The looks at a reading of 1000 Wh at 7040 W are nine; the tenth is the end.
            (energies == 10 && *action == standard(StandardCommand::Energy))
                .then(|| Happening::Number { value: decimal(value) })
        };
        let story = Bench::with_faults(&brief(PileKind::Ac), fault).play();
        mended(&story, Why::InstrumentError, 1);
        assert_eq!(story.run.troubles()[0].detail, format!("the standard shows {value} at the end"));
    }
}

#[test]
fn a_reading_that_takes_too_long_is_taken_again() {
    let mut stuck = true;
    let fault = |_: usize, action: &Action| {
        if *action == source(SourceCommand::Reset) {
            stuck = !stuck;
        }
        // Before the second reset the standard's energy does not move.
        (!stuck && *action == standard(StandardCommand::Energy))
            .then(|| Happening::Number { value: decimal("1") })
    };
    let order = brief(PileKind::Ac);
    let story = Bench::with_faults(&order, fault).play();
    mended(&story, Why::TooSlow, 1);
    // 1000 Wh at 7040 W are 511.4 s; patience is 3.
    let on = story.run.troubles()[0].at.duration_since(start()).as_secs();
    assert!((1534..1534 + 130 + 120 + 10).contains(&on), "{on}");
    // By pulses: 1000 of them are 1000 Wh as well.
    let mut resets = 0;
    let fault = |_: usize, action: &Action| {
        resets += usize::from(*action == source(SourceCommand::Reset));
        (resets == 1 && *action == standard(StandardCommand::PulsesDone))
            .then_some(Happening::State { on: false })
    };
    mended(&Bench::with_faults(&with_pulses(order, 1000), fault).play(), Why::TooSlow, 1);
}

#[test]
fn a_source_that_does_not_confirm_its_off_is_waited_out_before_it_is_asked_again() {
    for failure in [lost(Party::Source), refused(Party::Source)] {
        let mut order = brief(PileKind::Ac);
        order.plan.pace.watchdog_s = 120;
        // The source falls silent at the second look at a reading, and is back after three questions.
        let (mut looks, mut silent) = (0, 0);
        let fault = |_: usize, action: &Action| {
            looks += usize::from(*action == source(SourceCommand::OutputState));
            let is_silent = matches!(action, Action::Source(_)) && 6 <= looks && silent < 3;
            silent += usize::from(is_silent);
            is_silent.then(|| failure.clone())
        };
        let story = Bench::with_faults(&order, fault).play();
        assert_eq!(story.run.ending(), Some(&Ending::Measured));
        assert!(story.dead_man_acted);
        // The look; off, and silence; off, and silence; off, confirmed and read back, and the usual wait.
        let actions = story.actions();
        let look = source(SourceCommand::OutputState);
        let first =
            actions.windows(2).position(|pair| pair[0] == look && is_off(&pair[1])).expect("off at once") + 1;
        let place = story.events.iter().position(|event| event.what == failure).expect("failed");
        for round in 0..2 {
            assert!(is_off(&actions[first + 2 * round]));
            let Action::Wait { until } = actions[first + 2 * round + 1] else { panic!("no wait") };
            let failed_at = story.events[place + 1 + 2 * round].at;
            assert_eq!(until.duration_since(failed_at), SignedDuration::from_secs(120));
        }
        assert!(is_off(&actions[first + 4]));
        assert_eq!(actions[first + 5], look);
        let Action::Wait { until } = actions[first + 6] else { panic!("no wait") };
        assert_eq!(until.duration_since(story.events[place + 6].at), SignedDuration::from_secs(10));
        assert_eq!(actions[first + 7], Action::MakeInoperative);
    }
}

#[test]
fn an_output_on_whose_answer_is_lost_counts_as_on() {
    let order = brief(PileKind::Ac);
    let mut on = 0;
    let fault = |_: usize, action: &Action| {
        on += usize::from(is_on(action));
        (on == 2 && matches!(action, Action::Source(_))).then(|| lost(Party::Source))
    };
    let story = Bench::with_faults(&order, fault).play();
    // Outputs are never confirmed off again: the dead man is waited out, and the outlet stays closed for a person to look.
    assert_eq!(
        story.run.ending(),
        Some(&Ending::Abandoned {
            why: Why::SourceLost,
            detail: "no answer".into(),
            outputs_off: false,
            operative: false
        })
    );
    assert!(!story.actions().contains(&Action::MakeOperative));
    let waits = story
        .actions()
        .windows(2)
        .filter(|pair| is_off(&pair[0]) && matches!(pair[1], Action::Wait { .. }))
        .count();
    assert!(order.plan.pace.failures_max as usize <= waits, "{waits}");
}

#[test]
fn after_too_many_failures_it_is_given_up_and_says_so() {
    for failures_max in [0, 1, 5] {
        let mut order = brief(PileKind::Ac);
        order.plan.pace.failures_max = failures_max;
        let wrong = measured("100", "32", "3200");
        let story = Bench::with_faults(&order, always(standard(StandardCommand::Measure), wrong)).play();
        assert_eq!(
            story.run.ending(),
            Some(&Ending::Abandoned {
                why: Why::SetPointMissed,
                detail: "100 V, set 220 V".into(),
                outputs_off: true,
                operative: true
            })
        );
        assert_eq!(story.run.troubles().len(), failures_max as usize + 1);
        assert!(off_follows_every_trouble(&story));
        let actions = story.actions();
        let last = [SourceCommand::OutputOff, SourceCommand::OutputState].map(Action::Source);
        assert_eq!(actions[actions.len() - 3..actions.len() - 1], last);
        assert_eq!(actions.last(), Some(&Action::MakeOperative));
        assert!(story.run.taken().is_empty());
    }
}

#[test]
fn a_source_that_was_never_there_leaves_the_outlet_open() {
    let fault = |_: usize, action: &Action| matches!(action, Action::Source(_)).then(|| lost(Party::Source));
    let story = Bench::with_faults(&brief(PileKind::Ac), fault).play();
    assert_eq!(
        story.run.ending(),
        Some(&Ending::Abandoned {
            why: Why::SourceLost,
            detail: "no answer".into(),
            outputs_off: false,
            operative: true
        })
    );
    assert!(!story.actions().iter().any(is_on));
}

#[test]
fn wrong_instruments_are_not_used() {
    for (text, party) in [
        ("FLUKE,6105A,SN-other,1.0", "source"),
        ("FLUKE,5522A,SN-source,1.0", "source"),
        ("SN-source", "source"),
        ("", "source"),
        ("ZERA,COM3003,SN-other,1.0", "standard"),
        ("RADIAN,RD-33,SN-standard,1.0", "standard"),
    ] {
        let action = match party {
            "source" => source(SourceCommand::Identify),
            _ => standard(StandardCommand::Identify),
        };
        let fault = always(action, Happening::Identity { text: text.into() });
        let story = Bench::with_faults(&brief(PileKind::Ac), fault).play();
        let Some(Ending::Abandoned { why, detail, .. }) = story.run.ending() else { panic!("{text}") };
        assert_eq!((*why, detail.as_str()), (Why::WrongInstrument, text));
        assert!(!story.actions().iter().any(is_on));
        assert!(!story.actions().contains(&source(SourceCommand::Reset)), "not even set back: {text}");
    }
}

#[test]
fn a_hot_source_ends_the_run_at_once_in_warm_up_and_reading() {
    for n in [1, 4] {
        let hot = |celsius: &str| Happening::Temperature { celsius: decimal(celsius) };
        let temperature = || source(SourceCommand::Temperature);
        let story = Bench::with_faults(&brief(PileKind::Ac), nth(n, temperature(), hot("70.1"))).play();
        assert_eq!(
            story.run.ending(),
            Some(&Ending::Abandoned {
                why: Why::OverTemperature,
                detail: "70.1 °C".into(),
                outputs_off: true,
                operative: true
            })
        );
        let actions = story.actions();
        let last = actions.iter().rposition(|action| *action == temperature()).expect("asked");
        assert!(is_off(&actions[last + 1]));
        let story = Bench::with_faults(&brief(PileKind::Ac), nth(n, temperature(), hot("70"))).play();
        assert_eq!(story.run.ending(), Some(&Ending::Measured), "at the limit");
    }
}

#[test]
fn a_pile_that_refuses_to_be_closed_is_not_tested() {
    let rejected = || Happening::Availability { status: "Rejected".into() };
    let story = Bench::with_faults(&brief(PileKind::Ac), always(Action::MakeInoperative, rejected())).play();
    let Some(Ending::Abandoned { why: Why::AvailabilityRefused, detail, .. }) = story.run.ending() else {
        panic!("{:?}", story.run.ending())
    };
    assert_eq!(detail, "Rejected");
    assert!(!story.actions().iter().any(is_on));
}

#[test]
fn a_charge_that_does_not_end_is_waited_for_and_then_left_alone() {
    let mut order = brief(PileKind::Ac);
    order.plan.pace.retry_wait_s = 300;
    let scheduled = Happening::Availability { status: "Scheduled".into() };
    let story = Bench::with_faults(&order, always(Action::MakeInoperative, scheduled)).play();
    let Some(Ending::Abandoned { why: Why::ChargeRuns, operative: true, .. }) = story.run.ending() else {
        panic!("{:?}", story.run.ending())
    };
    assert!(!story.actions().iter().any(is_on));
    let (first, last) = (story.events[0].at, story.events.last().expect("events").at);
    assert!(SignedDuration::from_secs(5 * 300) <= last.duration_since(first));
}

#[test]
fn an_off_that_fails_at_the_end_is_tried_again_and_nothing_is_measured_twice() {
    let order = brief(PileKind::Ac);
    let offs = Bench::new(&order).play().actions().iter().filter(|action| is_off(action)).count();
    let story =
        Bench::with_faults(&order, nth(offs, source(SourceCommand::OutputOff), lost(Party::Source))).play();
    assert_eq!(story.run.ending(), Some(&Ending::Measured));
    assert_eq!(story.kept().len(), 4);
    assert_eq!(story.run.troubles().len(), 1);
}

#[test]
fn a_pile_that_cannot_be_opened_again_costs_no_result_but_is_told() {
    let rejected = || Happening::Availability { status: "Rejected".into() };
    for (happens, why) in [(lost(Party::Pile), Why::PileLost), (rejected(), Why::AvailabilityRefused)] {
        let fault = always(Action::MakeOperative, happens);
        let story = Bench::with_faults(&brief(PileKind::Ac), fault).play();
        assert_eq!(story.run.ending(), Some(&Ending::Measured));
        assert_eq!(story.run.troubles().iter().map(|trouble| trouble.why).collect::<Vec<_>>(), [why]);
    }
    // Of a run that is given up the ending says it.
    for happens in [lost(Party::Pile), rejected()] {
        let mut order = brief(PileKind::Ac);
        order.plan.pace.failures_max = 0;
        let fault = |_: usize, action: &Action| match action {
            Action::MakeOperative => Some(happens.clone()),
            Action::ReadRegister => Some(lost(Party::Pile)),
            _ => None,
        };
        let story = Bench::with_faults(&order, fault).play();
        let expected = Ending::Abandoned {
            why: Why::PileLost,
            detail: "no answer".into(),
            outputs_off: true,
            operative: false,
        };
        assert_eq!(story.run.ending(), Some(&expected));
    }
}

#[test]
fn a_test_mode_that_may_have_been_entered_is_left() {
    let mut order = brief(PileKind::Dc);
    order.plan.test_mode_vendor = Some("vendor".into());
    order.plan.pace.failures_max = 0;
    let entered = Action::TestMode { on: true };
    let story = Bench::with_faults(&order, always(entered.clone(), lost(Party::Pile))).play();
    let actions = story.actions();
    let place = actions.iter().position(|action| *action == entered).expect("entered");
    assert!(is_off(&actions[place + 1]));
    let look = source(SourceCommand::OutputState);
    assert_eq!(actions[place + 2..], [look, Action::TestMode { on: false }, Action::MakeOperative]);
}

// While it may be in that mode it registers what nobody is given: nobody may charge at it.
#[test]
fn a_pile_that_does_not_leave_its_test_mode_stays_closed() {
    let mut order = brief(PileKind::Dc);
    order.plan.test_mode_vendor = Some("vendor".into());
    let leave = Action::TestMode { on: false };
    let tries = |story: &Story| story.actions().iter().filter(|action| **action == leave).count();
    for happens in [refused(Party::Pile), lost(Party::Pile)] {
        // At a good end.
        let story = Bench::with_faults(&order, always(leave.clone(), happens.clone())).play();
        assert_eq!(story.run.ending(), Some(&Ending::Measured));
        assert_eq!((tries(&story), story.run.troubles().len()), (2, 2), "asked once more, and told");
        assert!(!story.actions().contains(&Action::MakeOperative));
        assert!(story.run.may_be_closed() && story.run.may_be_in_test_mode());
        // At a bad one.
        let fault = |_: usize, action: &Action| match action {
            Action::ReadRegister => Some(lost(Party::Pile)),
            action => (*action == leave).then(|| happens.clone()),
        };
        let story = Bench::with_faults(&order, fault).play();
        let Some(Ending::Abandoned { outputs_off: true, operative: false, .. }) = story.run.ending() else {
            panic!("{:?}", story.run.ending())
        };
        assert_eq!(tries(&story), 2);
        assert!(!story.actions().contains(&Action::MakeOperative));
        assert!(story.run.may_be_closed() && story.run.may_be_in_test_mode());
        // It is lost once only: the second try opens the outlet.
        let story = Bench::with_faults(&order, nth(1, leave.clone(), happens)).play();
        assert_eq!(story.run.ending(), Some(&Ending::Measured));
        assert_eq!(story.actions().last(), Some(&Action::MakeOperative));
        assert!(!story.run.may_be_closed() && !story.run.may_be_in_test_mode());
    }
}

#[test]
fn a_pile_that_boots_with_other_firmware_ends_the_run_at_once() {
    let order = brief(PileKind::Ac);
    let looks = Bench::new(&order).play().actions().iter().filter(|a| **a == Action::CheckIdle).count();
    let other = Happening::OtherFirmware { told: "2.0".into() };
    for n in 1..=looks {
        let story = Bench::with_faults(&order, nth(n, Action::CheckIdle, other.clone())).play();
        let expected = Ending::Abandoned {
            why: Why::FirmwareChanged,
            detail: "2.0".into(),
            outputs_off: true,
            operative: true,
        };
        assert_eq!(story.run.ending(), Some(&expected), "{n}");
        let actions = story.actions();
        let place = actions.iter().rposition(|action| *action == Action::CheckIdle).expect("looked");
        assert!(is_off(&actions[place + 1]), "{n}");
    }
    // Of a run that has not begun nothing is touched.
    let mut run = Run::new(order);
    assert_eq!(run.step(&Event { at: start(), what: other }), []);
}

#[test]
fn a_run_whose_source_was_lost_warms_up_again() {
    let order = brief(PileKind::Ac);
    let ons = |story: &Story| story.actions().iter().filter(|action| is_on(action)).count();
    let by = |party| {
        let fault = nth(4, standard(StandardCommand::Measure), lost(party));
        ons(&Bench::with_faults(&order, fault).play())
    };
    assert_eq!(ons(&Bench::new(&order).play()), 5, "warm-up and four readings");
    assert_eq!(by(Party::Standard), 6, "one reading again");
    let restarted =
        ons(&Bench::with_faults(&order, nth(4, standard(StandardCommand::Measure), Happening::Resumed))
            .play());
    assert_eq!(restarted, 7, "how long the server was gone nobody knows");
    assert_eq!(by(Party::Source), 7, "and a warm-up");
}
