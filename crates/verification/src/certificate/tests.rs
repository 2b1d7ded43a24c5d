//! Certificates: when there is one, how it is dated, that nobody changes it unseen, and that old ones are read for ever.

mod records;
mod tampering;

use serde_json::Value;
use veripile_pile::PileKind;

use super::*;
use crate::instrument::StandardCommand;
use crate::item::{Evidence, ItemCode};
use crate::plan::Plan;
use crate::run::{Action, Event, Happening, Party};
use crate::testing::bench::{Bench, brief, under_real_load, with_pulses};
use crate::testing::*;
use crate::texts::Language;

const SOFTWARE: &str = "veripile 0.1.0";

fn key() -> SigningKey {
    SigningKey::from_seed([7; 32])
}

fn other_key() -> SigningKey {
    SigningKey::from_seed([8; 32])
}

/// An order that asks for every item of which the rule set in force says what passes.
fn full(kind: PileKind) -> Order {
    let mut order = brief(kind);
    let rules = order.rules().expect("there");
    order.plan.items = ItemCode::ALL.into_iter().filter(|item| item.can_be_decided(&rules)).collect();
    order
}

/// An order under the edition of 2018, which asks for every item there is.
fn of_2018(kind: PileKind) -> Order {
    let mut order = brief(kind);
    order.rule_set = if kind == PileKind::Ac { "JJG 1148-2018 v2" } else { "JJG 1149-2018 v2" }.into();
    order.plan =
        Plan { points: crate::testing::order(kind).plan.points, items: ItemCode::ALL.to_vec(), ..order.plan };
    order
}

/// A run of an order that took everything, with everything recorded and good; the pile registers so much of a Wh.
fn measured(order: &Order, gain: &str) -> Run {
    let mut lost = false;
    // One reading is disturbed: documents tell of it.
    let fault = |n: usize, action: &Action| {
        let is_look = *action == Action::Standard(StandardCommand::Measure);
        let falls_out = is_look && 40 < n && !lost;
        lost |= falls_out;
        falls_out.then(|| Happening::Failed {
            party: Party::Standard,
            lost: true,
            detail: "no answer".into(),
        })
    };
    recorded(Bench::with_faults(order, fault).with_gain(gain).play().run)
}

fn recorded(mut run: Run) -> Run {
    for record in all_good(run.order()) {
        run.step(&Event { at: after(0), what: Happening::Item(record) });
    }
    run.step(&Event { at: after(0), what: Happening::Conditions(conditions()) });
    run
}

fn of(run: &Run) -> Result<Certificate, CertificateError> {
    Certificate::of(run, "Wang", " no remarks ", after(86_400), SOFTWARE)
}

fn issued(kind: PileKind, gain: &str) -> Issued {
    issued_of(&full(kind), gain)
}

fn issued_of(order: &Order, gain: &str) -> Issued {
    of(&measured(order, gain)).expect("there is one").sign(&key())
}

fn codes(checked: &Checked) -> Vec<&'static str> {
    checked.findings.iter().map(|finding| finding.code).collect()
}

#[test]
fn a_good_run_makes_a_certificate_and_a_bad_one_a_notice() {
    for kind in [PileKind::Ac, PileKind::Dc] {
        let certificate = of(&measured(&full(kind), "1.005")).expect("there is one");
        assert_eq!(certificate.kind, CertificateKind::Certificate);
        assert_eq!(certificate.number, "V-2026-0001");
        assert_eq!(certificate.verified_on, "2026-03-02".parse().expect("literal"));
        assert_eq!(certificate.valid_until, Some("2029-03-01".parse().expect("literal")));
        assert_eq!(certificate.valid_until_moment(), Some(time("2029-03-01T15:59:59Z")));
        assert_eq!((certificate.remarks.as_str(), certificate.software.as_str()), ("no remarks", SOFTWARE));
        assert_eq!(certificate.taken.len(), 4);
        assert_eq!(certificate.troubles.len(), 1);
        assert_eq!(certificate.items.len(), 7);
        let seals: Vec<_> = certificate.seals().iter().map(|seal| seal.number.clone()).collect();
        assert_eq!(seals, ["F-1"]);
        assert_eq!(certificate.result.verdict, Verdict::Conform);
        let notice = of(&measured(&full(kind), "1.02")).expect("there is one");
        assert_eq!((notice.kind, notice.valid_until), (CertificateKind::Notice, None));
        assert_eq!(notice.valid_until_moment(), None);
    }
    for kind in [CertificateKind::Certificate, CertificateKind::Notice] {
        assert_eq!(CertificateKind::from_word(kind.word()), Some(kind));
    }
    assert_eq!(CertificateKind::from_word("diploma"), None);
}

#[test]
fn there_is_no_document_without_a_complete_run() {
    let order = full(PileKind::Ac);
    let begun = |happenings: &[Happening]| {
        let events: Vec<_> =
            happenings.iter().map(|what| Event { at: start(), what: what.clone() }).collect();
        recorded(Run::replay(order.clone(), &events))
    };
    let stop = Happening::Stopped { person: "Li".into(), reason: "rain".into() };
    for run in [begun(&[]), begun(&[Happening::Begun]), begun(&[stop])] {
        assert_eq!(of(&run), Err(CertificateError::NotMeasured));
    }
    // Half a run makes no half document: at no event but the last is there one.
    let story = Bench::new(&order).play();
    for end in 0..story.events.len() {
        let run = recorded(Run::replay(order.clone(), &story.events[..end]));
        assert_eq!(of(&run), Err(CertificateError::NotMeasured), "{end}");
    }
    assert!(of(&recorded(story.run)).is_ok());
}

#[test]
fn only_the_orders_reviewer_confirms() {
    let run = measured(&full(PileKind::Ac), "1.005");
    for person in ["Li", "wang", "Wang ", ""] {
        let refused = Certificate::of(&run, person, "", after(0), SOFTWARE);
        assert_eq!(refused, Err(CertificateError::NotTheReviewer("Wang".into())));
    }
}

#[test]
fn what_was_not_recorded_is_named() {
    let mut run = Bench::new(&full(PileKind::Ac)).play().run;
    let missing = |words: &str| Err(CertificateError::Missing(words.to_owned()));
    let items = "appearance, display, seal, clock, payment, consistency_before, consistency_after";
    assert_eq!(of(&run), missing(&format!("{items}, conditions")));
    for record in all_good(&run.order().clone()) {
        run.step(&Event { at: after(0), what: Happening::Item(record) });
    }
    assert_eq!(of(&run), missing("conditions"));
    run.step(&Event { at: after(0), what: Happening::Conditions(conditions()) });
    assert!(of(&run).is_ok());
    // An item that is not passed makes a notice of a good pile.
    let bad = record(ItemCode::Seal, Evidence::Looked { good: false });
    run.step(&Event { at: after(0), what: Happening::Item(bad) });
    assert_eq!(of(&run).expect("there is one").kind, CertificateKind::Notice);
}

#[test]
fn an_undecided_result_makes_no_document() {
    let mut order = full(PileKind::Ac);
    order.plan.effects.self_heating_percent = decimal("0.3");
    assert_eq!(of(&measured(&order, "1.005")), Err(CertificateError::Undecided));
}

#[test]
fn without_an_interval_there_is_a_notice_but_no_certificate() {
    let mut order = full(PileKind::Ac);
    order.rule_set = "OIML G 22 (AC)".into();
    order.plan.items.retain(|item| *item != ItemCode::Clock);
    let refused = CertificateError::NoInterval("OIML G 22 (AC)".into());
    assert_eq!(of(&measured(&order, "1.005")), Err(refused));
    assert_eq!(of(&measured(&order, "1.02")).expect("there is one").kind, CertificateKind::Notice);
}

#[test]
fn an_instrument_whose_certificate_runs_out_on_the_way_makes_no_document() {
    let mut order = full(PileKind::Ac);
    let last = measured(&order, "1.005").taken().last().map(|taken| taken.ended_at).expect("taken");
    order.instruments[1].calibration.valid_until = last;
    assert!(of(&measured(&order, "1.005")).is_ok());
    order.instruments[1].calibration.valid_until = last - jiff::SignedDuration::from_secs(1);
    let refused = of(&measured(&order, "1.005")).expect_err("refused");
    assert!(matches!(refused, CertificateError::Order(OrderError::Expired { .. })), "{refused}");
}

#[test]
fn a_day_is_chinas() {
    for (at, expected) in [
        ("2026-03-02T15:59:59.999Z", "2026-03-02"),
        ("2026-03-02T16:00:00Z", "2026-03-03"),
        ("2026-12-31T16:00:00Z", "2027-01-01"),
        ("2028-02-28T16:00:00Z", "2028-02-29"),
    ] {
        assert_eq!(day(time(at)), expected.parse().expect("literal"), "{at}");
    }
    // The last reading counts, taken after midnight in China: the first began the evening before.
    let mut order = full(PileKind::Ac);
    order.plan.pace.warm_up_s = 7200;
    order.plan.pace.retry_wait_s = 3600;
    let late = Bench::new(&order).begun_at(time("2026-03-02T13:30:00Z"));
    let certificate = of(&recorded(late.play().run)).expect("there is one");
    let days: Vec<_> = certificate.taken.iter().map(|taken| day(taken.began_at).day()).collect();
    assert_eq!((days[0], days[3]), (2, 3));
    assert_eq!(certificate.verified_on, "2026-03-03".parse().expect("literal"));
}

// The day before the same date three years later; by the calendar, by hand.
#[test]
fn a_certificate_is_valid_until_the_day_before_the_same_date() {
    for (verified, until) in [
        ("2026-03-02", "2029-03-01"),
        ("2026-01-01", "2028-12-31"),
        ("2025-03-01", "2028-02-29"),
        ("2026-03-01", "2029-02-28"),
        ("2028-02-28", "2031-02-27"),
        ("2028-02-29", "2031-02-28"),
        ("2028-03-01", "2031-02-28"),
        ("2025-02-28", "2028-02-27"),
    ] {
        let found = valid_until(
            CertificateKind::Certificate,
            &order(PileKind::Ac),
            verified.parse().expect("literal"),
        );
        assert_eq!(found, Ok(Some(until.parse().expect("literal"))), "{verified}");
    }
    let last = Date::MAX;
    let found = valid_until(CertificateKind::Certificate, &order(PileKind::Ac), last);
    assert_eq!(found, Err(CertificateError::Date));
}

#[test]
fn what_is_signed_checks_with_its_key_and_no_other() {
    for kind in [PileKind::Ac, PileKind::Dc] {
        for gain in ["1.005", "1.02"] {
            let issued = issued(kind, gain);
            let checked = check::check(&issued.json, &[other_key().public(), key().public()]);
            assert!(checked.is_good(), "{:?}", checked.findings);
            assert_eq!(checked.findings, []);
            assert_eq!(checked.certificate.as_deref(), Some(&issued.certificate));
            assert_eq!(checked.key_id, Some(key().public().key_id()));
            let checked = check::check(&issued.json, &[other_key().public()]);
            assert_eq!(codes(&checked), ["unknown_key"]);
            assert_eq!(
                (checked.signature, checked.key, checked.result),
                (Layer::Ok, Layer::Failed, Layer::Ok)
            );
            assert!(!checked.is_good());
            let checked = check::check(&issued.json, &[]);
            assert_eq!(codes(&checked), ["no_keys"]);
            assert_eq!((checked.key, checked.is_good()), (Layer::NotChecked, false));
        }
    }
}

#[test]
fn by_pulses_and_by_display_it_checks_as_well() {
    let mut display = full(PileKind::Ac);
    display.plan.register = crate::plan::RegisterSource::Display;
    for order in [with_pulses(full(PileKind::Ac), 1000), display] {
        let issued = of(&recorded(Bench::new(&order).play().run)).expect("there is one").sign(&key());
        let checked = check::check(&issued.json, &[key().public()]);
        assert!(checked.is_good(), "{:?}", checked.findings);
    }
}

#[test]
fn the_same_facts_and_key_make_the_same_file() {
    let (one, other) = (issued(PileKind::Ac, "1.005"), issued(PileKind::Ac, "1.005"));
    assert_eq!(one.json, other.json);
    assert_eq!(one.sha256, canonical::sha256(one.json.as_bytes()));
}

#[test]
fn a_file_may_be_written_prettily() {
    let issued = issued(PileKind::Ac, "1.005");
    let value: Value = serde_json::from_str(&issued.json).expect("JSON");
    let pretty = serde_json::to_string_pretty(&value).expect("writes");
    assert!(check::check(&pretty, &[key().public()]).is_good());
}

#[test]
fn files_that_are_none_are_told_by_what_is_wrong() {
    let good = issued(PileKind::Ac, "1.005").json;
    let found = |text: &str| codes(&check::check(text, &[key().public()]));
    for garbage in ["", " ", "null", "[]", "{}", "\u{0}", "%PDF-1.7", "{\"certificate\":{}}"] {
        assert_eq!(found(garbage), ["syntax"], "{garbage:?}");
    }
    assert_eq!(found(&"[".repeat(200_000)), ["syntax"]);
    for end in (0..good.len()).step_by(97).filter(|end| good.is_char_boundary(*end)) {
        assert_eq!(found(&good[..end]), ["syntax"], "{end}");
    }
    let later = good.replace(FORMAT, "veripile-certificate/6");
    assert_eq!(found(&later), ["format"]);
    // As long as is read, and one longer.
    let padded = good.clone() + &" ".repeat(check::FILE_BYTES_MAX - good.len());
    assert_eq!(found(&padded), [""; 0]);
    assert_eq!(found(&(padded + " ")), ["too_long"]);
}

#[test]
fn a_name_that_stands_twice_is_no_document() {
    let good = issued(PileKind::Ac, "1.02").json;
    let verdict = "\"verdict\":\"nonconform\"";
    for twice in [
        good.replacen("\"certificate\":{", "\"certificate\":{\"kind\":\"certificate\",", 1),
        good.replacen(verdict, &format!("\"verdict\":\"conform\",{verdict}"), 1),
        good.replacen("\"point\":0", "\"point\":{\"$serde_json::private::Number\":\"0\"}", 1),
        good.replacen("\"signature\":{", "\"signature\":{\"value\":\"00\",", 1),
        good.replacen("{\"certificate\"", "{\"certif\\u0069cate\":{},\"certificate\"", 1),
    ] {
        assert_ne!(twice, good);
        let checked = check::check(&twice, &[key().public()]);
        assert_eq!((codes(&checked), checked.syntax), (vec!["syntax"], Layer::Failed));
        assert!(checked.findings[0].detail.contains("names stand twice"), "{:?}", checked.findings);
    }
    // A colon and escaped quotes inside a text are no name.
    let run = measured(&full(PileKind::Ac), "1.005");
    let remarks = r#"he said: "\\": "x" : {"a":1,"a":2} \"#;
    let issued =
        Certificate::of(&run, "Wang", remarks, after(86_400), SOFTWARE).expect("there is one").sign(&key());
    assert!(check::check(&issued.json, &[key().public()]).is_good());
}

#[test]
fn numbers_and_times_written_otherwise_are_another_document() {
    let issued = issued(PileKind::Ac, "1.005");
    for (one, other) in [
        ("\"repeats\":2", "\"repeats\":2.0"),
        ("\"point\":1", "\"point\":1e0"),
        ("\"ordered_at\":\"2026-03-01T00:00:00Z\"", "\"ordered_at\":\"2026-03-01T08:00:00+08:00\""),
        ("\"remarks\":", "\"more\":\"\",\"remarks\":"),
    ] {
        let changed = issued.json.replacen(one, other, 1);
        assert_ne!(changed, issued.json, "{one}");
        let checked = check::check(&changed, &[key().public()]);
        assert!(!checked.is_good(), "{one}");
        // Also when its author signs it so.
        let checked = check::check(&tampering::signed_again(&changed, &key()), &[key().public()]);
        assert_eq!(checked.syntax, Layer::Failed, "{one}");
    }
}

#[test]
fn a_signature_has_one_text_and_one_way() {
    let issued = issued(PileKind::Ac, "1.005");
    let file: Value = serde_json::from_str(&issued.json).expect("JSON");
    let check = |name: &str, value: &str, code: &str| {
        let mut file = file.clone();
        file["signature"][name] = Value::String(value.to_owned());
        let checked = check::check(&file.to_string(), &[key().public()]);
        assert_eq!((codes(&checked), checked.signature), (vec![code], Layer::Failed), "{name} {value}");
    };
    let text = |name: &str| file["signature"][name].as_str().expect("text").to_owned();
    check("algorithm", "none", "algorithm");
    check("algorithm", "ed25519", "algorithm");
    check("canonicalization", "RFC 8259", "algorithm");
    check("public_key", "", "public_key");
    check("public_key", &text("public_key").to_uppercase(), "public_key");
    check("public_key", &format!(" {}", text("public_key")), "public_key");
    check("public_key", &other_key().public().hex(), "signature");
    check("value", "", "signature");
    check("value", &text("value").to_uppercase(), "signature");
    check("value", &"00".repeat(64), "signature");
    check("key_id", "0011223344556677", "key_id");
    check("key_id", &other_key().public().key_id(), "key_id");
}

/// Documents of every format there has been. They were made once, by [`make_fixtures`], and are never made again.
const FIXTURES: [(CertificateKind, &str, &str); 11] = [
    (CertificateKind::Certificate, FORMATS[0], include_str!("fixtures/certificate-1.json")),
    (CertificateKind::Notice, FORMATS[0], include_str!("fixtures/notice-1.json")),
    (CertificateKind::Certificate, FORMATS[1], include_str!("fixtures/certificate-2.json")),
    (CertificateKind::Notice, FORMATS[1], include_str!("fixtures/notice-2.json")),
    (CertificateKind::Certificate, FORMATS[2], include_str!("fixtures/certificate-3.json")),
    (CertificateKind::Notice, FORMATS[2], include_str!("fixtures/notice-3.json")),
    (CertificateKind::Certificate, FORMATS[3], include_str!("fixtures/certificate-4.json")),
    (CertificateKind::Notice, FORMATS[3], include_str!("fixtures/notice-4.json")),
    (CertificateKind::Certificate, FORMATS[4], include_str!("fixtures/certificate-5.json")),
    (CertificateKind::Notice, FORMATS[4], include_str!("fixtures/notice-5.json")),
    (CertificateKind::Certificate, FORMATS[4], include_str!("fixtures/certificate-5-real.json")),
];

/// The public half of the key that signed them.
fn fixture_key() -> PublicKey {
    PublicKey::from_hex("ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c").expect("a key")
}

// Documents in people's hands must be readable for ever: if this test fails, it is the program that has to change, not the files.
// That goes for the data as well: a rule set that is given a new version must stay in the program in its old one.
#[test]
fn documents_of_every_format_are_read_for_ever() {
    for (kind, format, text) in FIXTURES {
        let checked = check::check(text, &[fixture_key()]);
        assert_eq!(checked.findings, []);
        assert!(checked.is_good());
        assert_eq!((checked.kind, checked.number.as_deref()), (Some(kind), Some("V-2026-0001")));
        let certificate = checked.certificate.expect("read");
        assert_eq!(certificate.format, format);
        let readings = certificate.order.plan.points.len() * 2;
        assert_eq!(certificate.taken.len(), readings);
        // The same content is still written the same way.
        let file: Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(canonical::text(&canonical::value(&certificate)), canonical::text(&file["certificate"]));
    }
}

// Orders of the time of a rule set's first version name it alone. They ask for no insulation and no indication error, and their
// documents hold although the rule set asks for both today; a new order under that version is not taken.
#[test]
fn documents_under_a_former_version_of_a_rule_set_hold() {
    let mut order = of_2018(PileKind::Ac);
    order.rule_set = "JJG 1148-2018".into();
    order.plan.items.retain(|item| !matches!(item, ItemCode::Insulation | ItemCode::IndicationError));
    let checked = check::check(&issued_of(&order, "1.005").json, &[key().public()]);
    assert!(checked.is_good(), "{:?}", checked.findings);
    let certificate = checked.certificate.expect("read");
    assert_eq!(certificate.result.rule_set, "JJG 1148-2018 v1");
    let refused = order.check(start(), &[]).expect_err("a former version");
    assert_eq!(refused[0].to_string(), "JJG 1148-2018 v1 was replaced by JJG 1148-2018 v2");
    assert_eq!(of_2018(PileKind::Ac).check(start(), &[]), Ok(()));
}

#[test]
fn every_item_of_2018_is_in_the_document_and_one_that_fails_makes_a_notice() {
    for kind in [PileKind::Ac, PileKind::Dc] {
        let certificate = issued_of(&of_2018(kind), "1.005").certificate;
        assert_eq!((certificate.kind, certificate.items.len()), (CertificateKind::Certificate, 9));
        assert!(certificate.result.items.iter().all(|item| item.passed));
        let mut run = measured(&of_2018(kind), "1.005");
        // 1.6 % by the display, of class 1.
        let evidence = Evidence::Indication {
            start_kwh: decimal("120.003"),
            stop_kwh: decimal("121.019"),
            reference_wh: decimal("1000"),
        };
        run.step(&Event { at: after(0), what: Happening::Item(record(ItemCode::IndicationError, evidence)) });
        let notice = of(&run).expect("there is one");
        assert_eq!(notice.kind, CertificateKind::Notice);
        let failed: Vec<_> = notice.result.items.iter().filter(|item| !item.passed).collect();
        assert_eq!(failed.iter().map(|item| item.code).collect::<Vec<_>>(), [ItemCode::IndicationError]);
    }
}

#[test]
fn what_is_to_be_confirmed_is_said_in_both_languages_and_in_old_documents_in_english() {
    let of = |text| check::check(text, &[fixture_key()]).certificate.expect("read").result;
    let (old, new) = (of(FIXTURES[0].2), of(FIXTURES[2].2));
    assert_eq!(new.unconfirmed_in(Language::Zh), (&new.unconfirmed_zh[..], Language::Zh));
    assert_eq!(new.unconfirmed_in(Language::En), (&new.unconfirmed[..], Language::En));
    assert_eq!(new.unconfirmed.len(), new.unconfirmed_zh.len());
    assert!(old.unconfirmed_zh.is_empty() && !old.unconfirmed.is_empty());
    assert_eq!(old.unconfirmed_in(Language::Zh), (&old.unconfirmed[..], Language::En));
}

/// Makes the fixtures of the format of now, where there are none: when a format is new, once.
#[test]
#[ignore = "makes files; only when a format is new"]
fn make_fixtures() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/certificate/fixtures");
    for (name, order, gain) in [
        ("certificate-5.json", of_2018(PileKind::Ac), "1.005"),
        ("notice-5.json", of_2018(PileKind::Dc), "0.985"),
        ("certificate-5-real.json", under_real_load(of_2018(PileKind::Ac)), "1.005"),
    ] {
        let file = folder.join(name);
        let is_there = std::fs::metadata(&file).is_ok_and(|metadata| 2 < metadata.len());
        assert!(!is_there, "{} is there and stays as it is", file.display());
        std::fs::write(file, issued_of(&order, gain).json).expect("writes");
    }
}
