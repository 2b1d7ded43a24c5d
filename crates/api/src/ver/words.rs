//! The engine's findings in people's words: what is wrong with an order and what to do next, stages, endings, troubles.
//!
//! The engine speaks in codes and in English sentences for its logs; pages say the same in both languages from the text table.

use rust_decimal::Decimal;
use veripile_metrology::rules::RuleSet;
use veripile_verification::certificate::{CertificateError, RecordError};
use veripile_verification::order::OrderError;
use veripile_verification::plan::PlanError;
use veripile_verification::run::{Ending, Run, Trouble};

use crate::entries::Fault;
use crate::texts::Texts;
use crate::view;

/// What the engine calls the numbers of a plan, with the key of our word for each.
pub(crate) const PLAN_WORDS: [(&str, &str); 25] = [
    ("load points", "plan.load_points"),
    ("readings at each load point", "plan.repeats"),
    ("warm-up (s)", "plan.warm_up_s"),
    ("settling (ms)", "plan.settle_ms"),
    ("polling (ms)", "plan.poll_ms"),
    ("dead-man time (s)", "plan.watchdog_s"),
    ("wait before a new try (s)", "plan.retry_wait_s"),
    ("failures", "plan.failures_max"),
    ("patience", "plan.patience"),
    ("uncertainty of the phase (°)", "plan.phase_deg"),
    ("bound for ripple (%)", "plan.ripple_percent"),
    ("bound for self-heating (%)", "plan.self_heating_percent"),
    ("resistance of the cable (mΩ)", "plan.cable_mohm"),
    ("bound of that resistance (%)", "plan.cable_bound_percent"),
    ("age of the register (s)", "plan.register_age_s"),
    ("tolerance of set-points (%)", "plan.set_point_percent"),
    ("frequency (Hz)", "plan.frequency_hz"),
    ("temperature of the source (°C)", "plan.temperature_c_max"),
    ("voltage (V)", "plan.voltage_v"),
    ("current (A)", "plan.current_a"),
    ("power factor", "plan.power_factor"),
    ("energy (Wh)", "plan.energy_wh"),
    ("pulses", "plan.pulses"),
    ("pulse constant of the plate (imp/kWh)", "plan.pulse_constant"),
    ("step of the plate's register (Wh)", "plate.register_step_wh"),
];

/// What the engine expects of such a number where that is no range, with the key of our sentence for it.
pub(crate) const PLAN_EXPECTED: [(&str, &str); 9] = [
    ("expected zero or more, and not absurdly much", "expected.zero_or_more"),
    ("expected more than zero", "expected.above_zero"),
    ("expected 45 to 65 for alternating current", "expected.hertz_ac"),
    ("expected 0 for direct current", "expected.hertz_dc"),
    ("alternating current needs one", "expected.factor_ac"),
    ("direct current has none", "expected.factor_dc"),
    ("the register is read over OCPP, not off the display", "real_load.display"),
    ("a pile is in no virtual-load mode", "real_load.test_mode"),
    ("the register is told somewhat late: its age (s) is more than zero", "real_load.age"),
];

/// Our sentence for what the engine expects.
fn expected(t: &Texts, what: &str) -> String {
    if let Some((_, key)) = PLAN_EXPECTED.iter().find(|(known, _)| *known == what) {
        return t.of_owned(key).to_owned();
    }
    let range = what.strip_prefix("expected ").and_then(|range| range.split_once(" to "));
    range.map_or_else(|| what.to_owned(), |(least, most)| self::range(t, least, most))
}

fn range(t: &Texts, least: &str, most: &str) -> String {
    t.of("fault.range").replace("{least}", least).replace("{most}", most)
}

/// Our word for a number of a plan.
fn plan_word<'a>(t: &'a Texts, what: &'a str) -> &'a str {
    PLAN_WORDS.iter().find(|(known, _)| *known == what).map_or(what, |(_, key)| t.of(key))
}

/// What is wrong with an order.
pub(crate) fn order_fault(t: &Texts, error: &OrderError) -> Fault {
    match error {
        OrderError::Outlet => Fault::new(t.of("fault.outlet"), t.of("fault.outlet.next")),
        OrderError::Empty("body") => Fault::new(t.of("fault.no_body"), t.of("fault.no_body.next")),
        OrderError::Empty(what) => {
            Fault::new(t.of("fault.empty").replace("{field}", label(t, what)), t.of("fault.fill"))
        }
        OrderError::SamePerson(name) => {
            Fault::new(t.of("fault.same_person").replace("{name}", name), t.of("fault.same_person.next"))
        }
        OrderError::Repairer(name) => {
            Fault::new(t.of("fault.repairer").replace("{name}", name), t.of("fault.repairer.next"))
        }
        OrderError::Rules(detail) => {
            Fault::new(t.of("fault.rules").replace("{detail}", detail), t.of("fault.rules.next"))
        }
        OrderError::Replaced { former, newest } => Fault::new(
            t.of("fault.replaced").replace("{former}", former).replace("{newest}", newest),
            t.of("fault.replaced.next"),
        ),
        OrderError::Firmware { ordered, told } => Fault::new(
            t.of("fault.firmware").replace("{ordered}", ordered).replace("{told}", told),
            t.of("fault.firmware.next"),
        ),
        OrderError::Count { role, found, needed } => Fault::new(
            t.of("fault.count")
                .replace("{needed}", &needed.to_string())
                .replace("{role}", t.of_owned(&format!("instrument.{role}")))
                .replace("{found}", &found.to_string()),
            t.of("fault.count.next"),
        ),
        OrderError::Expired { instrument, from, until, .. } => Fault::new(
            t.of("fault.expired")
                .replace("{instrument}", instrument)
                .replace("{from}", &view::day(*from))
                .replace("{until}", &view::day(*until)),
            t.of("fault.expired.next"),
        ),
        OrderError::TooUncertain { instrument, expanded_percent, ratio, limit_percent } => Fault::new(
            t.of("fault.too_uncertain")
                .replace("{instrument}", instrument)
                .replace("{expanded}", &expanded_percent.normalize().to_string())
                .replace("{ratio}", ratio)
                .replace("{limit}", &limit_percent.normalize().to_string()),
            t.of("fault.too_uncertain.next"),
        ),
        OrderError::Unfit { instrument, reason } => Fault::new(
            t.of("fault.unfit").replace("{instrument}", instrument).replace("{reason}", &unfit(t, reason)),
            t.of("fault.unfit.next"),
        ),
        OrderError::Plan(error) => plan_fault(t, error),
    }
}

fn label<'a>(t: &'a Texts, what: &'a str) -> &'a str {
    match what {
        "verifier" => t.of("ver.verifier"),
        "reviewer" => t.of("ver.reviewer"),
        "number" => t.of("ver.number"),
        "cause" => t.of("ver.cause"),
        other => other,
    }
}

/// Why an instrument is unfit; the engine's sentence where it is a new one.
fn unfit(t: &Texts, reason: &str) -> String {
    if t.is_zh() {
        let words: Vec<&str> = reason.split_whitespace().collect();
        match words[..] {
            [v, "V", "and", a, "A", "are", "beyond", "its", v_max, "V", "and", a_max, "A"] => {
                return t
                    .of("unfit.limits")
                    .replace("{voltage}", v)
                    .replace("{current}", a)
                    .replace("{most_voltage}", v_max)
                    .replace("{most_current}", a_max);
            }
            ["it", "has", "no", "pulse", "input"] => return t.of("unfit.pulses").to_owned(),
            [model, "is", "for", .., "the", "pile", "for", kind] => {
                return t
                    .of("unfit.kind")
                    .replace("{model}", model)
                    .replace("{kind}", t.of_owned(&format!("kind.{kind}")));
            }
            [model, "is", "a", _, "not", "a", role] => {
                return t
                    .of("unfit.role")
                    .replace("{model}", model)
                    .replace("{role}", t.of_owned(&format!("instrument.{role}")));
            }
            ["power", "factor", factor, "is", "below", "its", least] => {
                return t.of("unfit.factor").replace("{factor}", factor).replace("{least}", least);
            }
            ["its", "certificate", ..] => return t.of("unfit.certificate").to_owned(),
            _ => {}
        }
    }
    reason.to_owned()
}

fn plan_fault(t: &Texts, error: &PlanError) -> Fault {
    let number = |value: &Decimal| value.normalize().to_string();
    match error {
        PlanError::Count { what, found, least, most } => Fault::new(
            format!("{}: {found}", plan_word(t, what)),
            range(t, &least.to_string(), &most.to_string()),
        ),
        PlanError::Point { point, what, value, expected } => Fault::new(
            t.of("fault.point").replace("{point}", &point.to_string())
                + &format!("{}: {}", plan_word(t, what), number(value)),
            self::expected(t, expected),
        ),
        PlanError::Value { what, value, expected } => {
            Fault::new(format!("{}: {}", plan_word(t, what), number(value)), self::expected(t, expected))
        }
        PlanError::Item { rule_set, item } => Fault::new(
            t.of("fault.item")
                .replace("{rules}", rule_set)
                .replace("{item}", t.of_owned(&format!("item.{item}"))),
            t.of("fault.item.next"),
        ),
        PlanError::NoLimit { rule_set, item } => Fault::new(
            t.of("fault.no_limit")
                .replace("{rules}", rule_set)
                .replace("{item}", t.of_owned(&format!("item.{item}"))),
            t.of("fault.no_limit.next"),
        ),
        PlanError::RealLoad(what) => Fault::new(
            t.of("fault.real_load").replace("{what}", &expected(t, what)),
            t.of("fault.real_load.next"),
        ),
        PlanError::Class(detail) => {
            Fault::new(t.of("fault.class").replace("{detail}", detail), t.of("fault.class.next"))
        }
    }
}

/// What of a rule set is to be confirmed, in the page's language.
pub(crate) fn unconfirmed(t: &Texts, rules: &RuleSet) -> Vec<String> {
    rules.unconfirmed().into_iter().map(|line| if t.is_zh() { line.zh } else { line.en }).collect()
}

/// Why there is no document.
pub(crate) fn certificate_fault(t: &Texts, error: &CertificateError) -> Fault {
    match error {
        CertificateError::NotMeasured => {
            Fault::new(t.of("fault.not_measured"), t.of("fault.not_measured.next"))
        }
        CertificateError::Missing(codes) => {
            let missing: Vec<&str> = codes.split(", ").map(|code| missing_word(t, code)).collect();
            let missing = missing.join(t.of("comma"));
            Fault::new(t.of("fault.missing").replace("{missing}", &missing), t.of("fault.missing.next"))
        }
        CertificateError::Undecided => Fault::new(t.of("fault.undecided"), t.of("fault.undecided.next")),
        CertificateError::NotTheReviewer(name) => {
            Fault::new(t.of("fault.not_reviewer").replace("{name}", name), t.of("fault.not_reviewer.next"))
        }
        CertificateError::NoInterval(rules) => {
            Fault::new(t.of("fault.no_interval").replace("{rules}", rules), t.of("fault.rules.next"))
        }
        CertificateError::Record(error) => record_fault(t, error),
        other => Fault::new(
            t.of("fault.no_result").replace("{detail}", &other.to_string()),
            t.of("fault.undecided.next"),
        ),
    }
}

/// What cannot be so of what was recorded.
fn record_fault(t: &Texts, error: &RecordError) -> Fault {
    let charge = |text: &str, number: &i64| text.replace("{number}", &number.to_string());
    let what = match error {
        RecordError::SameCharge(number) => charge(t.of("record_fault.same_charge"), number),
        RecordError::NotBefore(number) => charge(t.of("record_fault.not_before"), number),
        RecordError::NotAfter(number) => charge(t.of("record_fault.not_after"), number),
        RecordError::IssuedEarly => t.of("record_fault.issued_early").to_owned(),
        RecordError::RecordedLate(code) => {
            t.of("record_fault.late").replace("{record}", missing_word(t, code))
        }
        RecordError::Overridden { read_s, measured_s } => t
            .of("record_fault.overridden")
            .replace("{read}", &format!("{read_s:+}"))
            .replace("{measured}", &format!("{measured_s:+}")),
        RecordError::Reviewer(name) => t.of("record_fault.reviewer").replace("{name}", name),
    };
    Fault::new(what, t.of("record_fault.next"))
}

/// What is still to be recorded.
pub(crate) fn missing_word<'a>(t: &'a Texts, code: &str) -> &'a str {
    if code == "conditions" { t.of("ver.conditions") } else { t.of_owned(&format!("item.{code}")) }
}

/// How a run ended, in a sentence; what a person must look at, if anything.
pub(crate) fn ending(t: &Texts, run: &Run, ending: &Ending) -> (String, Vec<String>) {
    let mut look = Vec::new();
    if run.may_be_in_test_mode() {
        look.push(t.of("ending.test_mode").to_owned());
    }
    match ending {
        Ending::Measured => {
            if run.may_be_closed() {
                look.push(t.of("ending.operative").to_owned());
            }
            (measured(t, run), look)
        }
        Ending::Abandoned { why, detail, outputs_off, operative } => {
            let why = t.of_owned(&format!("why.{}", why.word()));
            let detail = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
            if !outputs_off {
                look.push(t.of("ending.outputs").to_owned());
            }
            if !operative {
                look.push(t.of("ending.operative").to_owned());
            }
            (format!("{}{why}{detail}", t.of("ending.abandoned")), look)
        }
    }
}

/// Everything is measured: whose turn it is now.
fn measured(t: &Texts, run: &Run) -> String {
    let missing = missing(t, run);
    if missing.is_empty() {
        return t.of("ending.measured").to_owned();
    }
    t.of("ending.to_record").replace("{missing}", &missing)
}

/// What is still to be recorded of a run, in a list; empty: nothing.
pub(crate) fn missing(t: &Texts, run: &Run) -> String {
    let words: Vec<&str> = run.missing().into_iter().map(|code| missing_word(t, code)).collect();
    words.join(t.of("comma"))
}

/// What a person has to look at where a run was left alone and called off: nothing was switched off or opened any more.
pub(crate) fn left_alone(t: &Texts, run: &Run) -> Vec<String> {
    if !run.has_source() {
        return Vec::new();
    }
    let mode = run.may_be_in_test_mode().then_some("ending.test_mode");
    let keys = ["ending.outputs"].into_iter().chain(mode).chain(["ending.operative"]);
    keys.map(|key| t.of_owned(key).to_owned()).collect()
}

/// A trouble: when, what, exactly.
pub(crate) fn trouble(t: &Texts, trouble: &Trouble) -> (String, String, String) {
    let what = t.of_owned(&format!("why.{}", trouble.why.word())).to_owned();
    (view::minute_second(trouble.at), what, trouble.detail.clone())
}

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;
    use veripile_verification::instrument::InstrumentRole;
    use veripile_verification::item::ItemCode;
    use veripile_verification::plan::{Load, Method};

    use super::*;
    use crate::texts::Language;
    use crate::ver::fixture;

    /// Whether a Chinese text still has an English sentence in it: three words in a row.
    fn has_english(text: &str) -> bool {
        let is_word = |word: &&str| word.len() > 1 && word.chars().all(|c| c.is_ascii_lowercase());
        let words: Vec<&str> = text.split_whitespace().collect();
        words.windows(3).any(|three| three.iter().all(is_word))
    }

    #[test]
    fn whatever_is_wrong_with_an_order_is_said_in_both_languages_with_a_next_step() {
        let mut order = fixture::order();
        order.body.clear();
        order.reviewer.clone_from(&order.verifier);
        order.plan.points[0].current_a = Decimal::from(500);
        order.plan.points[0].method = Method::Pulse { pulses: 1 };
        order.plan.repeats = 99;
        order.plan.frequency_hz = Decimal::ZERO;
        order.plan.points[1].power_factor = None;
        order.plan.items.clear();
        order.plan.effects.ripple_percent = Decimal::from(50);
        for instrument in &mut order.instruments {
            instrument.calibration.valid_until = order.ordered_at - jiff::SignedDuration::from_hours(1);
            instrument.calibration.expanded_uncertainty_percent = Decimal::from(5);
        }
        let at = order.ordered_at;
        let errors = order.check(at, &[order.verifier.clone()]).expect_err("much is wrong");
        assert!(errors.len() > 10, "{errors:?}");
        let mut more = vec![
            OrderError::Rules("there is no rule set X".to_owned()),
            OrderError::Count { role: "source", found: 0, needed: 1 },
            OrderError::Firmware { ordered: "1.0".to_owned(), told: "2.0".to_owned() },
        ];
        let mut stepless = fixture::order();
        stepless.plate.register_step_wh = Decimal::ZERO;
        stepless.connector = 0;
        stepless.plan.points[0].power_factor = Some(Decimal::new(5, 2));
        stepless.instruments[1].calibration.coverage_factor = Decimal::ZERO;
        more.extend(stepless.check(at, &[]).expect_err("a step"));
        let mut direct = fixture::order();
        direct.plate.kind = veripile_pile::PileKind::Dc;
        direct.rule_set = "JJG 1149-2022".to_owned();
        more.extend(direct.check(at, &[]).expect_err("of the other kind"));
        let mut former = fixture::order();
        former.rule_set = "JJG 1148-2018".to_owned();
        former.plan.items.push(ItemCode::Insulation);
        more.extend(former.check(at, &[]).expect_err("a former version"));
        let mut turned = fixture::order();
        turned.instruments[0].role = InstrumentRole::Standard;
        turned.plan.load = Load::Real;
        turned.reason = veripile_verification::order::Reason::Case;
        turned.plan.register = veripile_verification::plan::RegisterSource::Display;
        turned.plan.effects.register_age_s = Decimal::ZERO;
        turned.plan.test_mode_vendor = Some("com.example".to_owned());
        more.extend(turned.check(at, &[]).expect_err("roles"));
        for error in errors.iter().chain(&more) {
            let zh = order_fault(Texts::in_language(Language::Zh), error);
            let en = order_fault(Texts::in_language(Language::En), error);
            assert!(!zh.what.is_empty() && !zh.next.is_empty() && !en.what.is_empty() && !en.next.is_empty());
            assert!(!en.what.contains('{') && !zh.what.contains('{') && !zh.next.contains('{'), "{zh:?}");
            // What rule sets and instruments are called stays as it is.
            let is_quoted = matches!(error, OrderError::Rules(_));
            assert!(is_quoted || !has_english(&zh.what) && !has_english(&zh.next), "{zh:?}");
        }
    }

    #[test]
    fn why_there_is_no_document_is_said_in_both_languages() {
        for error in [
            CertificateError::NotMeasured,
            CertificateError::Missing("seal, conditions".to_owned()),
            CertificateError::Undecided,
            CertificateError::NotTheReviewer("钱工".to_owned()),
            CertificateError::NoInterval("X".to_owned()),
            CertificateError::Date,
            RecordError::SameCharge(7).into(),
            RecordError::NotBefore(7).into(),
            RecordError::NotAfter(7).into(),
            RecordError::IssuedEarly.into(),
            RecordError::RecordedLate("conditions").into(),
            RecordError::RecordedLate("seal").into(),
            RecordError::Overridden { read_s: Decimal::TEN, measured_s: Decimal::ONE }.into(),
            RecordError::Reviewer("钱工".to_owned()).into(),
        ] {
            for language in [Language::Zh, Language::En] {
                let fault = certificate_fault(Texts::in_language(language), &error);
                assert!(!fault.what.is_empty() && !fault.next.is_empty() && !fault.what.contains('{'));
            }
        }
        let t = Texts::in_language(Language::En);
        let missing = certificate_fault(t, &CertificateError::Missing("seal, conditions".to_owned()));
        assert!(missing.what.contains(t.of("ver.conditions")), "{missing:?}");
    }
}
