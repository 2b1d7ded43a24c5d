//! A thousand verifications over SCPI: the engine's run, the drivers' command maps, the simulated instruments' own reading of the lines,
//! and piles whose true errors are known. Verdicts against truth, and how often the stated uncertainty holds.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, clippy::print_stdout)]

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use veripile_metrology::{normal, rules};
use veripile_pile::{AccuracyClass, PileId, PileKind};
use veripile_simulator::bench::{Bench, BenchSettings};
use veripile_verification::instrument::map::Lines;
use veripile_verification::instrument::{InstrumentModel, Reply};
use veripile_verification::plan::{Effects, Pace, Plan};
use veripile_verification::result::result;
use veripile_verification::{
    Action, Calibration, Command, Ending, Event, Happening, Instrument, InstrumentRole, Order, Plate, Reason,
    Run, RunResult, SourceCommand, StandardCommand, Verdict,
};

/// Verifications in each of the four series: AC and DC, class 1 and class 2.
const SERIES: u64 = 250;

/// True errors of the piles lie evenly up to here, percent, on both sides.
const ERROR_PERCENT_MAX: f64 = 4.0;

/// Standard deviation of what a verification finds, percent, for the theory of verdicts only: the standard's gain (0.03 % for k = 2), and
/// the register's step, a tenth of the class of a reading's energy, cut off once before the first and once after the last of three
/// readings that follow each other: a triangle of half-width a third of that.
fn spread_percent(class: f64) -> f64 {
    let cut = class / 10.0 / 3.0;
    0.015_f64.hypot(cut / 6.0_f64.sqrt())
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn began() -> Timestamp {
    "2026-05-01T02:00:00Z".parse().unwrap()
}

fn instrument(role: InstrumentRole, model: &str, serial: &str) -> Instrument {
    Instrument {
        instrument_id: serial.to_owned(),
        role,
        model: model.to_owned(),
        serial: serial.to_owned(),
        address: String::new(),
        // As the bench draws it: U(k = 2) = 0.03 %, and no drift.
        calibration: Calibration {
            number: "C-1".to_owned(),
            issuer: "NIM".to_owned(),
            calibrated_at: began() - SignedDuration::from_hours(24),
            valid_until: began() + SignedDuration::from_hours(24 * 365),
            expanded_uncertainty_percent: decimal("0.03"),
            coverage_factor: Decimal::TWO,
            drift_percent_per_year: Decimal::ZERO,
        },
    }
}

/// An order for the pile of a bench. Effects that the bench does not have are not in the budget either: the stated uncertainty is
/// then that of what really varies.
fn order(kind: PileKind, class: u32, settings: &BenchSettings) -> Order {
    let number = |value: f64| Decimal::try_from(value).unwrap();
    let plate = Plate {
        pile_id: PileId::parse("P").unwrap(),
        kind,
        class: AccuracyClass(Decimal::from(class)),
        model: None,
        meter_serial: None,
        firmware: None,
        power_kw: None,
        voltage_v: number(settings.rated_voltage_v),
        current_max_a: number(settings.rated_current_a),
        register_step_wh: Decimal::ONE,
        pulse_constant: None,
        station: None,
        operator: None,
    };
    let rules = rules::for_kind(kind.word()).unwrap();
    let mut plan = Plan::propose(&plate, &rules);
    // One load point of full power is quick; the others differ in the time they take.
    plan.points.truncate(1);
    plan.items.clear();
    plan.effects = Effects {
        phase_deg: Decimal::ZERO,
        ripple_percent: Decimal::ZERO,
        self_heating_percent: Decimal::ZERO,
        cable_mohm: Decimal::ZERO,
        cable_bound_percent: Decimal::ZERO,
        register_age_s: Decimal::ZERO,
    };
    plan.pace = Pace { warm_up_s: 0, ..Pace::default() };
    let source = if kind == PileKind::Ac { "fluke-6105a-like" } else { "dc-phantom-like" };
    Order {
        number: "VP2026-000001".to_owned(),
        plate,
        connector: 1,
        reason: Reason::Periodic,
        cause: None,
        rule_set: rules.name,
        plan,
        body: "计量所".to_owned(),
        verifier: "张".to_owned(),
        reviewer: "李".to_owned(),
        instruments: vec![
            instrument(InstrumentRole::Source, source, &settings.source_serial),
            instrument(InstrumentRole::Standard, "zera-like", &settings.standard_serial),
        ],
        ordered_by: "张".to_owned(),
        ordered_at: began(),
    }
}

/// A bench driven by the command maps, as the drivers do it, without sockets and without a clock.
struct Driver {
    bench: Bench,
    source: InstrumentModel,
    standard: InstrumentModel,
    clock: Timestamp,
}

impl Driver {
    fn perform(&mut self, action: &Action) -> Happening {
        match action {
            Action::MakeInoperative | Action::MakeOperative => {
                Happening::Availability { status: "Accepted".to_owned() }
            }
            Action::CheckIdle => Happening::Idle { charging: false, status: None },
            Action::Source(SourceCommand::Temperature) => match self.tell_source(&SourceCommand::Temperature)
            {
                Happening::Number { value } => Happening::Temperature { celsius: value },
                other => other,
            },
            Action::Source(command) => self.tell_source(command),
            Action::Standard(command) => self.tell_standard(command),
            Action::ReadRegister => {
                let wh = self.bench.register_wh();
                Happening::Register { wh, text: wh.to_string(), device_time: None }
            }
            Action::Wait { until } => {
                let seconds = until.duration_since(self.clock).as_secs_f64();
                self.bench.advance(seconds);
                self.clock = *until;
                Happening::Waited
            }
            other => panic!("{other:?} is not of this plan"),
        }
    }

    fn tell_source(&mut self, command: &SourceCommand) -> Happening {
        let lines = self.source.source_lines(command).unwrap();
        let reply = exchange(&lines, &self.source, |line| self.bench.source_line(line));
        happening(self.source.source_reply(command, &reply).unwrap())
    }

    fn tell_standard(&mut self, command: &StandardCommand) -> Happening {
        let lines = self.standard.standard_lines(command).unwrap();
        let reply = exchange(&lines, &self.standard, |line| self.bench.standard_line(line));
        happening(self.standard.standard_reply(command, &reply).unwrap())
    }
}

fn exchange(lines: &Lines, model: &InstrumentModel, mut say: impl FnMut(&str) -> Vec<String>) -> String {
    for line in &lines.send {
        assert!(say(line).is_empty(), "{line} asks nothing");
    }
    let error = say(model.error()).join(";");
    assert!(InstrumentModel::is_no_error(&error), "{lines:?}: {error}");
    lines.ask.as_deref().map(|line| say(line).join(";")).unwrap_or_default()
}

fn happening(reply: Reply) -> Happening {
    match reply {
        Reply::Done => Happening::Done,
        Reply::Identity(text) => Happening::Identity { text },
        Reply::State(on) => Happening::State { on },
        Reply::Number(value) => Happening::Number { value },
        Reply::Measured { voltage_v, current_a, power_w } => {
            Happening::Measured { voltage_v, current_a, power_w }
        }
    }
}

/// Verifies the pile of a bench; the result, and its true error, percent.
fn verify(kind: PileKind, class: u32, error_percent: f64, seed: u64) -> (RunResult, f64) {
    let base = if kind == PileKind::Ac { BenchSettings::default() } else { BenchSettings::dc() };
    let settings = BenchSettings { error_percent, error_at_tenth_percent: error_percent, ..base };
    let order = order(kind, class, &settings);
    let model = |role| InstrumentModel::named(&order.instrument(role).unwrap().model).unwrap();
    let mut driver = Driver {
        source: model(InstrumentRole::Source),
        standard: model(InstrumentRole::Standard),
        bench: Bench::new(settings, seed),
        clock: began(),
    };
    let true_percent = 100.0 * driver.bench.true_error();
    let mut run = Run::new(order.clone());
    let mut what = Happening::Begun;
    loop {
        let mut next = None;
        for command in run.step(&Event { at: driver.clock, what }) {
            match command {
                Command::Do(action) => next = Some(action),
                Command::Keep(_) => {}
                Command::End(ending) => {
                    assert_eq!(ending, Ending::Measured, "seed {seed}: {:?}", run.troubles());
                    return (result(&order, run.taken(), &[]).unwrap(), true_percent);
                }
            }
        }
        what = driver.perform(&next.expect("something is to be done"));
    }
}

/// Probability that a pile is accepted: the rounded value decides, so that what is found may lie half an interval beyond the limit.
fn accepted(true_percent: f64, class: f64) -> f64 {
    let edge = class + class / 10.0 / 2.0;
    let spread = spread_percent(class);
    normal::cdf((edge - true_percent) / spread) - normal::cdf((-edge - true_percent) / spread)
}

#[test]
fn a_thousand_verifications_over_scpi_are_as_honest_as_they_say() {
    let (mut all, mut covered, mut squares) = (0_u32, 0_u32, 0.0);
    for (kind, class) in [(PileKind::Ac, 1), (PileKind::Ac, 2), (PileKind::Dc, 1), (PileKind::Dc, 2)] {
        let limit = f64::from(class);
        let (mut passed, mut expected, mut variance) = (0_u32, 0.0, 0.0);
        let (mut false_accepts, mut false_rejects) = (0_u32, 0_u32);
        for number in 0..SERIES {
            let share = (number as f64 + 0.5) / SERIES as f64;
            let error_percent = ERROR_PERCENT_MAX * (2.0 * share - 1.0);
            let (found, true_percent) = verify(kind, class, error_percent, 1000 * u64::from(class) + number);
            let point = &found.points[0];
            let [measured, expanded] = [point.error_percent, point.expanded_uncertainty_percent]
                .map(|value| value.to_f64().unwrap());
            squares += ((measured - true_percent) / spread_percent(limit)).powi(2);
            all += 1;
            covered += u32::from((measured - true_percent).abs() <= expanded);
            let is_passed = found.verdict == Verdict::Conform;
            assert_ne!(found.verdict, Verdict::Undecided, "U is below a third of the limit");
            passed += u32::from(is_passed);
            let probability = accepted(true_percent, limit);
            expected += probability;
            variance += probability * (1.0 - probability);
            false_accepts += u32::from(is_passed && limit < true_percent.abs());
            false_rejects += u32::from(!is_passed && true_percent.abs() <= limit);
            // Half an interval is the rule's; beyond it nothing but chance accepts, and five standard deviations are none.
            let edge = limit + limit / 20.0;
            assert!(
                !is_passed || true_percent.abs() < edge + 5.0 * spread_percent(limit),
                "{true_percent} % accepted"
            );
            assert!(
                is_passed || edge - 5.0 * spread_percent(limit) < true_percent.abs(),
                "{true_percent} % rejected"
            );
        }
        println!(
            "{} class {class}: {passed} of {SERIES} passed, theory {expected:.1} ± {:.1}; beyond the limit and accepted \
             {false_accepts}, within and rejected {false_rejects}",
            kind.word(),
            variance.sqrt()
        );
        let off = (f64::from(passed) - expected).abs();
        assert!(off <= 3.0 * variance.sqrt(), "{passed} passed, expected {expected:.1}");
    }
    let coverage = f64::from(covered) / f64::from(all);
    let ratio = (squares / f64::from(all)).sqrt();
    println!(
        "coverage of the stated U: {coverage:.3} of {all}; error found / theory's spread: {ratio:.3} root mean square"
    );
    // The budget cuts every reading's register at a phase of its own. Here one reading begins where the last one ended, so that
    // what the first cuts off the next one shows: U is wider than it need be, never narrower. How far errors really lie from the
    // truth is the theory's spread, to three standard deviations of a root mean square of a thousand, 3/√2000.
    assert!(0.94 <= coverage, "coverage {coverage}");
    assert!((ratio - 1.0).abs() <= 3.0 / 2000.0_f64.sqrt(), "error / spread {ratio}");
}
