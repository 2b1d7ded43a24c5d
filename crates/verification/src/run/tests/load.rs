//! A run under a real load: a person begins a charge and brings it to each load point; nothing is told to source or outlet (the bench
//! fails where anything is).

use rust_decimal::prelude::ToPrimitive;

use super::*;
use crate::result;
use crate::testing::bench::{Person, loaded};

fn quick() -> Person {
    Person { begins_after: 2, reaches_after: 3, lag_ms: 0 }
}

#[test]
fn a_person_s_charge_is_waited_for_and_measured() {
    for kind in [PileKind::Ac, PileKind::Dc] {
        let story = Bench::new(&loaded(kind)).play();
        let run = &story.run;
        assert_eq!(run.ending(), Some(&Ending::Measured), "{:?}", run.troubles());
        assert!(run.troubles().is_empty());
        let order: Vec<_> = run.taken().iter().map(|taken| (taken.point, taken.repeat)).collect();
        assert_eq!(order, [(0, 0), (0, 1), (1, 0), (1, 1)]);
        let stages = ["waiting", "preparing", "awaiting_charge", "awaiting_point", "reading"];
        assert_eq!(story.stages()[..5], stages);
        assert!(!run.may_be_closed() && !run.has_source());
    }
}

#[test]
fn by_pulses_too() {
    let order = with_pulses(loaded(PileKind::Ac), 1000);
    let story = Bench::new(&order).play();
    assert_eq!(story.run.ending(), Some(&Ending::Measured), "{:?}", story.run.troubles());
    for taken in story.run.taken() {
        // The pile registers 0.5 % too much.
        let error = result::reading_percent(taken).and_then(|percent| percent.to_f64()).expect("a number");
        assert!((error - 0.5).abs() < 1e-4, "{error}");
    }
}

// The pile tells its register a second late: at both ends, so that it cancels but for the step of 1 Wh at each; and the doubt that the
// budget states, a second at each end, covers it.
#[test]
fn the_register_is_tied_to_the_standard_and_its_doubt_covers_a_late_one() {
    for lag_ms in [0, 400, 1000] {
        let person = Person { lag_ms, ..quick() };
        let order = loaded(PileKind::Ac);
        let story = Bench::new(&order).with_person(person).play();
        let run = &story.run;
        assert_eq!(run.ending(), Some(&Ending::Measured), "{:?}", run.troubles());
        for taken in run.taken() {
            let Indication::Running { start, stop } = &taken.indication else { panic!("running") };
            assert!(order.plan.points[taken.point].energy_wh <= taken.reference, "{}", taken.reference);
            assert!(start.before_wh < start.after_wh && start.after_wh < stop.before_wh);
            let shown = stop.register_wh - start.register_wh;
            let expected = taken.reference * decimal("1.005");
            assert!((shown - expected).abs() <= decimal("1.1"), "{shown} {expected}");
        }
        for point in result::so_far(&order, run.taken()) {
            let line = point.budget.iter().find(|line| line.code == "register_time").expect("in the budget");
            let taken =
                run.taken().iter().find(|taken| order.plan.points[taken.point] == point.point).expect("one");
            // By hand: 100 ms between the standard's two answers, half of it either way, and a second: 1.05 s of the power at each
            // end; a triangle's √6.
            let expected = 2.0 * 1.05 / 3600.0 * taken.power_w.to_f64().expect("fits")
                / taken.reference.to_f64().expect("fits")
                / 6_f64.sqrt()
                * 100.0;
            let stated = line.contribution_percent.to_f64().expect("fits");
            assert!((stated / expected - 1.0).abs() < 0.01, "{stated} {expected}");
            let off = (point.error_percent - decimal("0.5")).abs();
            assert!(off <= point.expanded_uncertainty_percent, "{off}");
        }
    }
}

#[test]
fn a_register_of_another_moment_is_thrown_away() {
    let order = loaded(PileKind::Ac);
    let mut reads = 0;
    let bench = Bench::with_faults(&order, |_, action| {
        (*action == Action::ReadRegister).then_some(())?;
        reads += 1;
        let wh = decimal("124000") + Decimal::from(1000 * reads);
        // The second is told with the time of the first.
        let device_time = (reads == 2).then_some(start());
        (reads <= 2).then(|| Happening::Register {
            wh,
            text: wh.to_string(),
            device_time: device_time.or(Some(start() + SignedDuration::from_hours(1))),
        })
    });
    let story = bench.play();
    let whys: Vec<Why> = story.run.troubles().iter().map(|trouble| trouble.why).collect();
    assert_eq!(whys, [Why::RegisterStrange], "{:?}", story.run.troubles());
    assert_eq!(story.run.taken().iter().map(|taken| taken.discarded).collect::<Vec<_>>(), [1, 0, 0, 0]);
}

#[test]
fn a_charge_that_ends_in_a_reading_costs_the_reading_and_another_one_is_waited_for() {
    let order = loaded(PileKind::Ac);
    let (mut polls, mut is_reading) = (0, false);
    let bench = Bench::with_faults(&order, |_, action| {
        is_reading |= *action == Action::Standard(StandardCommand::IntegrateStart);
        polls += u32::from(is_reading && *action == Action::CheckIdle);
        (polls == 3 && *action == Action::CheckIdle)
            .then_some(Happening::Idle { charging: false, status: Some("Available".into()) })
    });
    let story = bench.play();
    assert_eq!(story.run.ending(), Some(&Ending::Measured));
    let whys: Vec<Why> = story.run.troubles().iter().map(|trouble| trouble.why).collect();
    assert_eq!(whys, [Why::NoLoad]);
    assert_eq!(story.run.taken()[0].discarded, 1);
    // The standard is known anew, the charge waited for anew.
    let stages = story.stages();
    let troubled = stages.iter().position(|stage| *stage == "troubled").expect("it was");
    assert_eq!(stages[troubled + 1..troubled + 4], ["preparing", "awaiting_charge", "awaiting_point"]);
}

#[test]
fn who_never_begins_or_never_reaches_the_load_point_is_not_waited_for_for_ever() {
    for (person, expected) in [
        (Person { begins_after: u32::MAX, ..quick() }, "no charge began in time"),
        (Person { reaches_after: u32::MAX, ..quick() }, "16 A, set 32 A"),
    ] {
        let story = Bench::new(&loaded(PileKind::Ac)).with_person(person).play();
        let Some(Ending::Abandoned { why, detail, outputs_off, operative }) = story.run.ending() else {
            panic!("{:?}", story.run.ending())
        };
        assert_eq!((*why, detail.as_str(), *outputs_off, *operative), (Why::NoLoad, expected, true, true));
        let first = story.events.first().expect("begun").at;
        let waited = story.events.last().expect("ended").at.duration_since(first);
        assert!(
            SignedDuration::from_mins(30) <= waited && waited < SignedDuration::from_mins(33),
            "{waited}"
        );
    }
}

#[test]
fn the_page_is_told_what_is_missed() {
    let story = Bench::new(&loaded(PileKind::Ac)).play();
    let mut run = Run::new(story.run.order().clone());
    let mut missed = Vec::new();
    for event in &story.events {
        run.step(event);
        let progress = run.progress();
        if progress.stage == "awaiting_point" {
            missed.push(progress.missed);
        }
    }
    assert!(missed.contains(&Some("16 A, set 32 A".to_owned())) && missed.contains(&None), "{missed:?}");
}

// Whatever fails and wherever: the run goes on, or ends with nothing switched and nothing closed.
#[test]
fn a_failure_anywhere_or_a_restart_is_overcome() {
    let order = loaded(PileKind::Dc);
    let actions = Bench::new(&order).play().actions().len();
    assert!(30 < actions, "{actions}");
    for place in 0..actions {
        let failed = |action: &Action| match action {
            Action::Standard(_) => Some(Party::Standard),
            Action::Wait { .. } => None,
            _ => Some(Party::Pile),
        };
        let bench = Bench::with_faults(&order, |number, action| {
            let party = failed(action).filter(|_| number == place)?;
            Some(Happening::Failed { party, lost: true, detail: "gone".into() })
        });
        let story = bench.play();
        assert_eq!(story.run.ending(), Some(&Ending::Measured), "{place}: {:?}", story.run.troubles());
        let replayed = Run::replay(order.clone(), &story.events);
        assert_eq!(replayed, story.run, "{place}");
    }
    let story = Bench::new(&order).play();
    for length in 1..story.events.len() {
        let events = story.events[..length].to_vec();
        let run = Run::replay(order.clone(), &events);
        let again = Bench::new(&order).go_on(run, events, Happening::Resumed);
        assert_eq!(again.run.ending(), Some(&Ending::Measured), "{length}");
        let whys: Vec<Why> = again.run.troubles().iter().map(|trouble| trouble.why).collect();
        assert_eq!(whys, [Why::ServerRestarted], "{length}");
    }
}

#[test]
fn a_stop_ends_it_at_once_with_nothing_to_be_switched() {
    let order = loaded(PileKind::Ac);
    let story = Bench::new(&order).play();
    for length in 2..story.events.len() {
        let mut run = Run::replay(order.clone(), &story.events[..length]);
        let at = story.events[length].at;
        let what = Happening::Stopped { person: "张伟".into(), reason: "雷雨".into() };
        let commands = run.step(&Event { at, what });
        let [Command::End(Ending::Abandoned { why, outputs_off, operative, .. })] = &commands[..] else {
            panic!("{length}: {commands:?}")
        };
        assert_eq!((*why, *outputs_off, *operative), (Why::Stopped, true, true));
    }
}

// The standard goes on showing what it had before it was set to zero, or is set to zero on the way.
#[test]
fn an_integrator_that_falls_costs_the_reading() {
    let order = loaded(PileKind::Ac);
    for (place, told) in [(1, "1000"), (2, "1000"), (4, "0.5")] {
        let mut energies = 0;
        let bench = Bench::with_faults(&order, |_, action| {
            energies += i32::from(*action == Action::Standard(StandardCommand::Energy));
            let is_it = energies == place && *action == Action::Standard(StandardCommand::Energy);
            is_it.then(|| Happening::Number { value: decimal(told) })
        });
        let story = bench.play();
        let whys: Vec<Why> = story.run.troubles().iter().map(|trouble| trouble.why).collect();
        assert_eq!(whys, [Why::InstrumentError], "{place}: {:?}", story.run.troubles());
        let discarded: Vec<_> = story.run.taken().iter().map(|taken| taken.discarded).collect();
        assert_eq!(discarded, [1, 0, 0, 0], "{place}");
    }
}

#[test]
fn more_than_the_standard_bears_is_told_and_given_up() {
    let order = loaded(PileKind::Dc);
    let bench = Bench::with_faults(&order, |_, action| {
        (*action == Action::Standard(StandardCommand::Measure)).then(|| Happening::Measured {
            voltage_v: decimal("750"),
            current_a: decimal("10000"),
            power_w: decimal("7500000"),
        })
    });
    let story = bench.play();
    let Some(Ending::Abandoned { why, detail, .. }) = story.run.ending() else {
        panic!("{:?}", story.run.ending())
    };
    assert!(*why == Why::Limits && detail.contains("more than the standard bears"), "{why:?} {detail}");
}

// A person who loses the charge again and again is not waited for for days.
#[test]
fn a_run_has_an_end() {
    let order = loaded(PileKind::Ac);
    let mut looks = 0;
    let bench = Bench::with_faults(&order, |_, action| {
        looks += u32::from(*action == Action::CheckIdle);
        // Every charge is over before its load is as it should be.
        (*action == Action::CheckIdle && looks.is_multiple_of(5))
            .then_some(Happening::Idle { charging: false, status: None })
    });
    let story = bench.with_person(Person { reaches_after: u32::MAX, ..quick() }).play();
    let Some(Ending::Abandoned { why, detail, .. }) = story.run.ending() else {
        panic!("{:?}", story.run.ending())
    };
    assert_eq!((*why, detail.as_str()), (Why::NoLoad, "not done in 24 h"));
}
