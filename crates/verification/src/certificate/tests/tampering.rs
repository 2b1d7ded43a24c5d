//! Nobody changes a document unseen: not without a key, and with one not where it bears on the result.

use proptest::prelude::*;
use rust_decimal::Decimal;
use serde_json::Value;
use veripile_pile::PileKind;

use super::*;
use crate::plan::Load;

/// A file with its document signed once more.
pub(super) fn signed_again(text: &str, key: &SigningKey) -> String {
    let mut file: Value = serde_json::from_str(text).expect("JSON");
    let signature = key.sign(canonical::text(&file["certificate"]).as_bytes());
    file["signature"]["key_id"] = Value::String(key.public().key_id());
    file["signature"]["public_key"] = Value::String(key.public().hex());
    file["signature"]["value"] = Value::String(hex::encode(signature));
    file.to_string()
}

/// Every leaf of a value: its path.
fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            object.iter().for_each(|(name, value)| leaves(value, &format!("{path}/{name}"), found));
        }
        Value::Array(list) => {
            (0..).zip(list).for_each(|(index, value)| leaves(value, &format!("{path}/{index}"), found));
        }
        _ => found.push(path.to_owned()),
    }
}

/// Words that have an opposite in documents; everything else is changed by its kind.
const OPPOSITES: [(&str, &str); 26] = [
    ("certificate", "notice"),
    ("notice", "certificate"),
    ("conform", "nonconform"),
    ("nonconform", "conform"),
    ("ac", "dc"),
    ("dc", "ac"),
    ("virtual", "real"),
    ("real", "virtual"),
    ("connector", "terminals"),
    ("ocpp", "display"),
    ("periodic", "first"),
    ("source", "standard"),
    ("standard", "source"),
    ("standard_lost", "source_lost"),
    ("appearance", "seal"),
    ("seal", "display"),
    ("display", "seal"),
    ("clock", "payment"),
    ("payment", "clock"),
    ("consumer", "producer"),
    ("producer", "consumer"),
    ("insulation", "indication_error"),
    ("indication_error", "insulation"),
    ("consistency_before", "consistency_after"),
    ("consistency_after", "consistency_before"),
    ("valid", "invalid"),
];

/// Another value of the same kind, far enough from the first to bear on what it can bear on.
fn changed(value: &Value) -> Value {
    let text = match value {
        Value::Bool(truth) => return Value::Bool(!truth),
        Value::Number(number) => return Value::from(number.as_u64().expect("whole") + 1),
        Value::String(text) => text,
        _ => return Value::String("1".into()),
    };
    let opposite = OPPOSITES.iter().find(|(word, _)| word == text).map(|(_, other)| (*other).to_owned());
    let earlier = || {
        let at: Timestamp = text.parse().ok()?;
        Some((at - jiff::SignedDuration::from_hours(200 * 24)).to_string())
    };
    let next = || Some(text.parse::<Date>().ok()?.tomorrow().ok()?.to_string());
    let more = || {
        let number: rust_decimal::Decimal = text.parse().ok()?;
        Some((number * decimal("200") + decimal("1")).to_string())
    };
    let other = opposite.or_else(earlier).or_else(next).or_else(more).unwrap_or_else(|| format!("{text}x"));
    Value::String(other)
}

/// Leaves that say nothing about the result: names, places, remarks, and how the run went. Whoever holds a key may write there what
/// they like; that is what the signature is for. Stars stand for a place in a list.
const FREE: [&str; 69] = [
    // The pile, as far as its limits do not follow from it.
    "/order/plate/pile_id",
    "/order/plate/model",
    "/order/plate/meter_serial",
    "/order/plate/firmware",
    "/order/plate/power_kw",
    "/order/plate/voltage_v",
    "/order/plate/pulse_constant",
    "/order/plate/station",
    "/order/plate/operator",
    "/order/connector",
    // The clock is good enough by either limit.
    "/order/reason",
    // People and body, as long as the two are two.
    "/order/body",
    "/order/verifier",
    "/order/reviewer",
    "/order/ordered_by",
    "/order/ordered_at",
    // Which instruments; of the source nothing is taken but that its certificate holds.
    "/order/instruments/*/instrument_id",
    "/order/instruments/*/model",
    "/order/instruments/*/serial",
    "/order/instruments/*/address",
    "/order/instruments/*/calibration/number",
    "/order/instruments/*/calibration/issuer",
    "/order/instruments/0/calibration/calibrated_at",
    "/order/instruments/0/calibration/expanded_uncertainty_percent",
    "/order/instruments/0/calibration/coverage_factor",
    "/order/instruments/0/calibration/drift_percent_per_year",
    // The way that the run took. The tap and the cable bear on real loads only, ripple on direct current only.
    "/order/plan/tap",
    "/order/plan/frequency_hz",
    "/order/plan/register",
    "/order/plan/set_point_percent",
    "/order/plan/temperature_c_max",
    "/order/plan/test_mode_vendor",
    "/order/plan/effects/ripple_percent",
    "/order/plan/effects/cable_mohm",
    "/order/plan/effects/cable_bound_percent",
    "/order/plan/pace/warm_up_s",
    "/order/plan/pace/settle_ms",
    "/order/plan/pace/poll_ms",
    "/order/plan/pace/watchdog_s",
    "/order/plan/pace/retry_wait_s",
    "/order/plan/pace/failures_max",
    "/order/plan/pace/patience",
    "/conditions/temperature_c",
    "/conditions/humidity_percent",
    "/conditions/person",
    "/conditions/at",
    // Where items were looked at, by whom, and what does not bear on whether they are passed.
    "/items/*/note",
    "/items/*/person",
    "/items/*/at",
    "/items/*/evidence/seals/*/number",
    "/items/*/evidence/seals/*/place",
    "/items/*/evidence/seals/*/photo_sha256",
    "/items/*/evidence/charge_no",
    // More voltage and more resistance than enough are enough.
    "/items/*/evidence/test_voltage_v",
    "/items/*/evidence/readings/*/between",
    "/items/*/evidence/readings/*/resistance_megohm",
    // Of the clock as measured only the offset is compared with what was read.
    "/items/*/evidence/measured/half_width_s",
    "/items/*/evidence/measured/at",
    "/items/*/evidence/measured/messages",
    "/items/*/evidence/measured/round_trip_s",
    // Of the charge before it is only asked when it ended; it is the sixth of seven items, the eighth of nine.
    "/items/5/evidence/began_at",
    "/items/7/evidence/began_at",
    "/troubles/*/at",
    "/troubles/*/why",
    "/troubles/*/detail",
    "/remarks",
    "/software",
    // The state of our knowledge of the rules on that day.
    "/result/unconfirmed/*",
    "/result/unconfirmed_zh/*",
];

fn is_free(path: &str, kind: PileKind, load: Load) -> bool {
    let parts: Vec<_> = path.split('/').collect();
    let fits = |pattern: &str| {
        let pattern: Vec<_> = pattern.split('/').collect();
        pattern.len() == parts.len()
            && pattern.iter().zip(&parts).all(|(wanted, part)| wanted == part || *wanted == "*")
    };
    match (kind, load, path) {
        (PileKind::Dc, _, "/order/plan/effects/phase_deg")
        | (_, Load::Virtual, "/order/plan/effects/register_age_s")
        | (_, Load::Real, "/order/plan/effects/self_heating_percent") => true,
        (PileKind::Dc, _, "/order/plan/effects/ripple_percent") => false,
        // There is no source, so that this one is the standard's.
        (_, Load::Real, path) if path.starts_with("/order/instruments/0/calibration/") => {
            path.ends_with("/number") || path.ends_with("/issuer")
        }
        _ => FREE.iter().any(|pattern| fits(pattern)),
    }
}

#[test]
fn a_changed_document_signed_again_is_found_out_wherever_it_bears_on_the_result() {
    // Every load point of a document that holds costs a Monte Carlo check: one is enough where the rules ask for no more.
    let one_point = |mut order: Order| {
        order.plan.points.truncate(1);
        order
    };
    for (order, gain) in [
        (one_point(full(PileKind::Ac)), "1.005"),
        (one_point(full(PileKind::Dc)), "1.005"),
        (one_point(full(PileKind::Ac)), "1.02"),
        (of_2018(PileKind::Ac), "1.005"),
        (one_point(under_real_load(full(PileKind::Ac))), "1.005"),
    ] {
        let load = order.plan.load;
        let kind = order.plate.kind;
        let file: Value = serde_json::from_str(&issued_of(&order, gain).json).expect("JSON");
        let mut paths = Vec::new();
        leaves(&file["certificate"], "", &mut paths);
        assert!(150 < paths.len(), "{}", paths.len());
        for path in paths {
            let mut file = file.clone();
            let leaf = file["certificate"].pointer_mut(&path).expect("a leaf");
            let other = changed(leaf);
            assert_ne!(*leaf, other);
            let told = format!("{kind:?} {path}: {leaf} -> {other}");
            *leaf = other;
            let text = signed_again(&file.to_string(), &other_key());
            let checked = check::check(&text, &[key().public(), other_key().public()]);
            let is_found = checked.result == Layer::Failed || checked.syntax == Layer::Failed;
            assert_eq!(is_found, !is_free(&path, kind, load), "{told}: {:?}", checked.findings);
            assert_eq!(checked.is_good(), !is_found, "{told}");
        }
    }
}

#[test]
fn a_document_signed_again_that_claims_another_verdict_is_found_out_in_its_result() {
    let file: Value = serde_json::from_str(&issued(PileKind::Ac, "1.02").json).expect("JSON");
    let mut changed = file.clone();
    let certificate = &mut changed["certificate"];
    certificate["kind"] = "certificate".into();
    certificate["result"]["verdict"] = "conform".into();
    certificate["valid_until"] = "2029-03-01".into();
    for point in certificate["result"]["points"].as_array_mut().expect("a list") {
        point["verdict"] = "conform".into();
    }
    let checked = check::check(&signed_again(&changed.to_string(), &key()), &[key().public()]);
    assert_eq!((checked.signature, checked.key, checked.result), (Layer::Ok, Layer::Ok, Layer::Failed));
    assert_eq!(codes(&checked), ["result", "kind"]);
    let detail = &checked.findings[0].detail;
    assert!(detail.contains("/points/0/verdict") && detail.contains("/verdict"), "{detail}");
}

// Readings that no run keeps: their set-points, their method, their temperature.
#[test]
fn readings_that_are_not_of_their_load_point_are_found_out() {
    let check = |change: fn(&mut Certificate), words: &str| {
        let mut certificate = issued(PileKind::Ac, "1.005").certificate;
        change(&mut certificate);
        certificate.result = {
            let items: Vec<_> = certificate.items.iter().collect();
            result(&certificate.order, &certificate.taken, &items).expect("computable")
        };
        let checked = check::check(&certificate.sign(&key()).json, &[key().public()]);
        assert_eq!(codes(&checked), ["reading"], "{:?}", checked.findings);
        assert_eq!(checked.findings[0].detail, words);
    };
    let set = "voltage or current are not those of the load point";
    check(|c| c.taken[1].voltage_v = decimal("224.5"), &format!("reading 2: {set}"));
    check(|c| c.taken[2].current_a = decimal("31.3"), &format!("reading 3: {set}"));
    // 220 V, 32 A and a power factor of 1, to 2 %: 140.8 W, and 2.9 W for looks that vary together.
    let phase = "the power is not that of the load point's power factor";
    check(|c| c.taken[0].power_w -= decimal("144"), &format!("reading 1: {phase}"));
    check(|c| c.taken[0].power_w = decimal("3520"), &format!("reading 1: {phase}"));
    check(
        |c| c.taken[0].source_c_max = Some(decimal("70.1")),
        "reading 1: the source was hotter than the plan allows",
    );
    check(
        |c| c.taken[0].began_at = c.taken[0].ended_at + jiff::SignedDuration::from_secs(1),
        "reading 1: it ends before it begins",
    );
    check(
        |c| {
            c.taken[0].indication = crate::run::Indication::Pulses {
                pulses: 1000,
                pile_constant: decimal("1000"),
                standard_constant: c.taken[0].reference * decimal("1.005"),
            };
        },
        "reading 1: what the pile showed is not what was ordered to be read",
    );
}

// The run holds each look, the checker the means: looks that vary as far as they may, together or against each other, are honest.
#[test]
fn no_honest_reading_is_found_strange_for_its_phase() {
    let honest = |certificate: Certificate| {
        let checked = check::check(&certificate.sign(&key()).json, &[key().public()]);
        assert!(checked.is_good(), "{:?}", checked.findings);
    };
    for tolerance in ["0", "2", "20"] {
        for together in ["1", "-1"] {
            for side in ["1", "-1"] {
                let mut order = full(PileKind::Ac);
                order.plan.points.truncate(1);
                order.plan.set_point_percent = decimal(tolerance);
                let mut certificate = issued_of(&order, "1.005").certificate;
                let part = decimal(tolerance) / Decimal::ONE_HUNDRED;
                for reading in &mut certificate.taken {
                    let point = &order.plan.points[reading.point];
                    // Two looks: one with the highest voltage, one with the lowest.
                    let looks = [Decimal::ONE, -Decimal::ONE].map(|up| {
                        let volts = point.voltage_v * (Decimal::ONE + up * part);
                        let amperes = point.current_a * (Decimal::ONE + up * decimal(together) * part);
                        let factor = point.power_factor.expect("of alternating current");
                        let watts = volts * amperes * (factor + decimal(side) * part);
                        [volts, amperes, watts]
                    });
                    let mean =
                        |which: usize| ((looks[0][which] + looks[1][which]) / Decimal::TWO).round_dp(4);
                    (reading.voltage_v, reading.current_a, reading.power_w) = (mean(0), mean(1), mean(2));
                }
                let items: Vec<_> = certificate.items.iter().collect();
                certificate.result = result(&order, &certificate.taken, &items).expect("computable");
                honest(certificate);
            }
        }
    }
    // Of the first format nothing is asked that its runs were not asked.
    let mut first = issued(PileKind::Ac, "1.005").certificate;
    first.taken[0].power_w = decimal("3520");
    first.format = FORMATS[0].to_owned();
    first.result.points.iter_mut().for_each(|point| {
        point.risk = None;
        point.monte_carlo = None;
    });
    honest(first);
}

fn any_leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::String),
        any::<i64>().prop_map(|number| Value::String(number.to_string())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nobody_changes_a_leaf_unseen(which in any::<prop::sample::Index>(), other in any_leaf(), slightly: bool) {
        let file: Value = serde_json::from_str(FIXTURES[0].2).expect("JSON");
        let mut paths = Vec::new();
        leaves(&file, "", &mut paths);
        let path = which.get(&paths);
        let mut file = file;
        let leaf = file.pointer_mut(path).expect("a leaf");
        let other = if slightly { changed(leaf) } else { other };
        prop_assume!(*leaf != other);
        *leaf = other;
        let checked = check::check(&file.to_string(), &[fixture_key()]);
        prop_assert!(checked.signature == Layer::Failed || checked.syntax == Layer::Failed, "{path}");
        prop_assert!(!checked.is_good() && !checked.findings.is_empty());
    }

    #[test]
    fn nobody_changes_a_character_unseen(place in any::<prop::sample::Index>(), other in any::<char>()) {
        let good = FIXTURES[1].2;
        let characters: Vec<char> = good.chars().collect();
        let place = place.index(characters.len());
        prop_assume!(characters[place] != other);
        let changed: String =
            characters.iter().enumerate().map(|(at, c)| if at == place { other } else { *c }).collect();
        prop_assert!(!check::check(&changed, &[fixture_key()]).is_good());
    }

    #[test]
    fn any_text_is_judged_without_a_panic(text in ".{0,200}", json in "[\\[\\]{}\":,0-9a-z\\\\ ]{0,200}") {
        for text in [text, json] {
            let checked = check::check(&text, &[key().public()]);
            prop_assert!(!checked.is_good() && !checked.findings.is_empty());
        }
    }
}
