//! A run against a bench: instruments and a pile that answer ideally, except where a test says otherwise.

mod faults;
mod load;
mod properties;
mod read_back;
mod stored;

use veripile_pile::PileKind;

use super::*;
use crate::instrument::{Instrument, InstrumentModel, InstrumentRole};
use crate::testing::bench::{Bench, Story, brief, with_pulses};
use crate::testing::*;

fn is_on(action: &Action) -> bool {
    *action == Action::Source(SourceCommand::OutputOn)
}

fn is_off(action: &Action) -> bool {
    *action == Action::Source(SourceCommand::OutputOff)
}

#[test]
fn a_run_takes_every_reading_and_ends_measured() {
    for kind in [PileKind::Ac, PileKind::Dc] {
        let story = Bench::new(&brief(kind)).play();
        let run = &story.run;
        assert_eq!(run.ending(), Some(&Ending::Measured), "{:?}", run.troubles());
        let order: Vec<_> = run.taken().iter().map(|taken| (taken.point, taken.repeat)).collect();
        assert_eq!(order, [(0, 0), (0, 1), (1, 0), (1, 1)]);
        assert_eq!(story.kept(), run.taken());
        assert!(!story.dead_man_acted);
        assert!(run.troubles().is_empty() && run.taken().iter().all(|taken| taken.discarded == 0));
        assert_eq!(story.commands.last(), Some(&Command::End(Ending::Measured)));
    }
}

// The bench's pile registers 0.5 % too much, in steps of 1 Wh; each reading takes 1000 Wh at least.
#[test]
fn a_reading_holds_what_pile_and_standard_told() {
    let story = Bench::new(&brief(PileKind::Ac)).play();
    for taken in story.run.taken() {
        let Indication::Register { start_wh, stop_wh } = taken.indication else { panic!("by register") };
        assert!(decimal("1000") <= taken.reference, "{}", taken.reference);
        let shown = stop_wh - start_wh;
        let expected = taken.reference * decimal("1.005");
        assert!((shown - expected).abs() <= Decimal::ONE, "{shown} {expected}");
        let point = &story.run.order().plan.points[taken.point];
        assert_eq!((taken.voltage_v, taken.current_a), (point.voltage_v, point.current_a));
        assert_eq!(taken.source_c_max, Some(decimal("40")));
        assert!(taken.began_at < taken.ended_at);
    }
}

#[test]
fn the_outlet_is_closed_and_idle_before_anything_is_switched_on() {
    let story = Bench::new(&brief(PileKind::Ac)).play();
    let actions = story.actions();
    assert_eq!(actions[0], Action::MakeInoperative);
    assert_eq!(actions[1], Action::CheckIdle);
    let first_on = actions.iter().position(is_on).expect("it is switched on");
    let watchdog = Action::Source(SourceCommand::Watchdog { seconds: 600 });
    let reset = Action::Source(SourceCommand::Reset);
    let place = |action: &Action| actions.iter().position(|other| other == action).expect("there");
    assert!(place(&reset) < place(&watchdog) && place(&watchdog) < first_on);
    // Before each reading it is asked again whether a charge runs, after all that a person may dawdle over.
    for (index, _) in actions.iter().enumerate().filter(|(_, action)| is_on(action)).skip(1) {
        let before = &actions[..index];
        let idle = before.iter().rposition(|action| *action == Action::CheckIdle).expect("asked");
        assert!(!before[idle..].iter().any(is_on) && !before[idle..].contains(&Action::ReadRegister));
    }
}

#[test]
fn nothing_is_switched_on_without_a_set_point_of_the_same_load_point() {
    let story = Bench::new(&brief(PileKind::Ac)).play();
    let points = &story.run.order().plan.points;
    let actions = story.actions();
    let mut readings = 0;
    for (index, _) in actions.iter().enumerate().filter(|(_, action)| is_on(action)) {
        // Warm-up is at the first load point; then come two readings of each.
        let point = &points[if index == actions.iter().position(is_on).expect("on") {
            0
        } else {
            readings += 1;
            (readings - 1) / 2
        }];
        let set = SourceCommand::Set {
            voltage_v: point.voltage_v,
            current_a: point.current_a,
            angle_deg: point.angle_deg(),
            frequency_hz: decimal("50"),
        };
        assert_eq!(actions[index - 1], Action::Source(set), "{index}");
    }
    assert_eq!(readings, 4);
}

/// Given up for a limit, with nothing set or switched on.
fn refused(story: &Story, expected: &str) {
    let actions = story.actions();
    assert!(!actions.iter().any(|action| matches!(action, Action::Source(SourceCommand::Set { .. }))));
    assert!(!actions.iter().any(is_on));
    let Some(Ending::Abandoned { why, detail, outputs_off, operative }) = story.run.ending() else {
        panic!("{:?}", story.run.ending())
    };
    assert_eq!((*why, detail.as_str(), *outputs_off, *operative), (Why::Limits, expected, true, true));
}

#[test]
fn a_set_point_beyond_a_limit_is_never_sent() {
    let check = |change: fn(&mut Order), expected: &str| {
        let mut order = brief(PileKind::Ac);
        change(&mut order);
        refused(&Bench::new(&order).play(), expected);
    };
    check(|order| order.plan.points[0].voltage_v = decimal("242.1"), "242.1 is beyond 242.0 V by the plate");
    check(|order| order.plan.points[0].current_a = decimal("35.3"), "35.3 is beyond 35.2 A by the plate");
    check(
        |order| {
            order.plate.current_max_a = decimal("100");
            order.plan.points[0].current_a = decimal("80.1");
        },
        "80.1 is beyond 80 A by the source",
    );
    check(
        |order| order.plan.points[0].power_factor = Some(decimal("0.09")),
        "power factor 0.09 is not between 0.1 and 1",
    );
    check(|order| order.plan.points[0].current_a = decimal("-1"), "-1 is beyond 80 A by the source");
    let expected = "expected 45 to 65 for alternating current";
    for (hertz, expected) in [("44.9", expected), ("65.1", expected), ("0", expected)] {
        let mut order = brief(PileKind::Ac);
        order.plan.frequency_hz = decimal(hertz);
        refused(&Bench::new(&order).play(), &format!("frequency {hertz} Hz; {expected}"));
    }
    let mut order = brief(PileKind::Dc);
    order.plan.frequency_hz = decimal("50");
    refused(&Bench::new(&order).play(), "frequency 50 Hz; expected 0 for direct current");
}

// No standard at hand has tighter limits than the sources: here a source's model stands in for one.
#[test]
fn a_set_point_beyond_the_limits_of_the_standard_is_never_sent() {
    let check = |kind, model: &str, change: fn(&mut Order), expected: &str| {
        let mut order = brief(kind);
        let is_standard = |instrument: &&mut Instrument| instrument.role == InstrumentRole::Standard;
        order.instruments.iter_mut().find(is_standard).expect("named").model = model.into();
        change(&mut order);
        let told = InstrumentModel::named(model).expect("known").identity;
        let maker = told.makers.first().map_or("MAKER", String::as_str);
        let identity = Happening::Identity { text: format!("{maker},{},SN-standard,1.0", told.models[0]) };
        let asked = Action::Standard(StandardCommand::Identify);
        let poses = |_: usize, action: &Action| (*action == asked).then(|| identity.clone());
        refused(&Bench::with_faults(&order, poses).play(), expected);
    };
    let amperes = |order: &mut Order| order.plan.points[0].current_a = decimal("80.1");
    check(PileKind::Dc, "fluke-6105a-like", amperes, "80.1 is beyond 80 A by the standard");
    let volts = |order: &mut Order| {
        order.plate.voltage_v = decimal("1000");
        order.plan.points[0].voltage_v = decimal("1008.1");
    };
    check(PileKind::Dc, "fluke-6105a-like", volts, "1008.1 is beyond 1008 V by the standard");
    let factor = |order: &mut Order| order.plan.points[0].power_factor = Some(decimal("0.99"));
    check(PileKind::Ac, "dc-phantom-like", factor, "power factor 0.99 is not between 1 and 1");
}

#[test]
fn a_set_point_at_the_limit_is_sent() {
    let mut order = brief(PileKind::Ac);
    order.plan.points[0].voltage_v = decimal("242");
    order.plan.points[0].current_a = decimal("35.2");
    order.plan.points[0].power_factor = Some(decimal("0.1"));
    order.plan.pace.patience = 10;
    assert_eq!(Bench::new(&order).play().run.ending(), Some(&Ending::Measured));
}

#[test]
fn the_pulse_method_counts_what_the_order_says() {
    let order = with_pulses(brief(PileKind::Ac), 1000);
    let story = Bench::new(&order).play();
    assert_eq!(story.run.ending(), Some(&Ending::Measured), "{:?}", story.run.troubles());
    for taken in story.run.taken() {
        let expected = Indication::Pulses {
            pulses: 1000,
            pile_constant: decimal("1000"),
            standard_constant: decimal("100000"),
        };
        assert_eq!(taken.indication, expected);
        // 1000 pulses at 1000 imp/kWh are 1 kWh shown; 0.5 % too much: 1/1.005 kWh flowed, at 100,000 imp/kWh.
        assert_eq!(taken.reference.round_dp(6), decimal("99502.487562"));
    }
    let actions = story.actions();
    assert!(!actions.contains(&Action::ReadRegister), "no register is needed");
    let arm = StandardCommand::ArmPulses { pile_constant: decimal("1000"), pulses: 1000 };
    assert_eq!(actions.iter().filter(|action| **action == Action::Standard(arm.clone())).count(), 4);
}

#[test]
fn the_display_method_asks_a_person_and_takes_no_other_answer() {
    let mut order = brief(PileKind::Ac);
    order.plan.register = RegisterSource::Display;
    let story = Bench::new(&order).play();
    assert_eq!(story.run.ending(), Some(&Ending::Measured));
    assert!(!story.actions().contains(&Action::ReadRegister));
    // Stopped short at the question: a register that comes over the wire is nobody's answer.
    let asked = story.prefix_until(|action| *action == Action::AskRegister);
    let mut run = Run::replay(order, asked);
    assert!(run.progress().asks_display);
    let before = run.clone();
    let register = Happening::Register { wh: decimal("1"), text: "1".into(), device_time: None };
    assert_eq!(run.step(&Event { at: after(9999), what: register }), []);
    assert_eq!(run, before);
    let told = Happening::DisplayRead { wh: decimal("1"), person: "Li".into() };
    let commands = run.step(&Event { at: after(9999), what: told.clone() });
    assert_eq!(commands, [Command::Do(Action::CheckIdle)]);
    // A second look at the display, unasked, changes nothing.
    let before = run.clone();
    assert_eq!(run.step(&Event { at: after(9999), what: told }), []);
    assert_eq!(run, before);
}

#[test]
fn a_warm_up_is_looked_at_and_keeps_the_dead_man_quiet() {
    let mut order = brief(PileKind::Ac);
    order.plan.pace.warm_up_s = 1800;
    order.plan.pace.watchdog_s = 120;
    let story = Bench::new(&order).play();
    assert!(!story.dead_man_acted && story.run.troubles().is_empty());
    let warm: Vec<_> = story.actions().into_iter().skip_while(|action| !is_on(action)).collect();
    let end = warm.iter().position(is_off).expect("off after warm-up");
    let looks = warm[..end].iter().filter(|a| **a == Action::Source(SourceCommand::OutputState)).count();
    assert_eq!(looks, 30, "one a minute");
    let hot = warm[..end].iter().filter(|a| **a == Action::Source(SourceCommand::Temperature)).count();
    assert_eq!(hot, 30);
    order.plan.pace.warm_up_s = 0;
    let cold = Bench::new(&order).play();
    assert_eq!(cold.run.ending(), Some(&Ending::Measured));
    assert_eq!(cold.actions().iter().filter(|action| is_on(action)).count(), 4, "no warm-up was asked for");
}

#[test]
fn a_pile_with_a_test_mode_is_put_into_it_and_out_again() {
    let mut order = brief(PileKind::Dc);
    order.plan.test_mode_vendor = Some("vendor".into());
    let story = Bench::new(&order).play();
    let actions = story.actions();
    let place = |wanted: &Action| actions.iter().position(|action| action == wanted).expect("there");
    let (into, out) = (place(&Action::TestMode { on: true }), place(&Action::TestMode { on: false }));
    assert!(place(&Action::MakeInoperative) < into && into < actions.iter().position(is_on).expect("on"));
    assert!(actions.iter().rposition(is_off).expect("off") < out && out < place(&Action::MakeOperative));
}

#[test]
fn the_page_can_follow_a_run() {
    let story = Bench::new(&brief(PileKind::Ac)).play();
    let order = story.run.order().clone();
    let mut run = Run::new(order);
    let mut least = 0;
    for event in &story.events {
        run.step(event);
        let progress = run.progress();
        assert!(least <= progress.taken && progress.taken <= progress.total && progress.total == 4);
        least = progress.taken;
    }
    assert_eq!(story.stages(), ["waiting", "preparing", "warming_up", "reading", "finishing", "measured"]);
}

#[test]
fn items_and_conditions_come_at_any_time_and_the_newest_counts() {
    let mut run = Run::new(brief(PileKind::Ac));
    assert_eq!(
        run.missing(),
        ["appearance", "display", "seal", "clock", "consistency_before", "consistency_after", "conditions"]
    );
    let tell = |run: &mut Run, what| assert_eq!(run.step(&Event { at: start(), what }), []);
    for code in run.order().plan.items.clone() {
        tell(&mut run, Happening::Item(good(code)));
    }
    let late = crate::item::Evidence::Clock { offset_s: decimal("99"), measured: None };
    tell(&mut run, Happening::Item(record(ItemCode::Clock, late.clone())));
    tell(&mut run, Happening::Conditions(conditions()));
    assert_eq!(run.missing(), Vec::<&str>::new());
    let clock: Vec<_> = run.items().into_iter().filter(|item| item.code == ItemCode::Clock).collect();
    assert_eq!(clock.len(), 1);
    assert_eq!(clock[0].evidence, late);
    // Also after the end.
    let mut run = Bench::new(&brief(PileKind::Ac)).play().run;
    tell(&mut run, Happening::Item(good(ItemCode::Appearance)));
    assert!(!run.missing().contains(&"appearance"));
}
