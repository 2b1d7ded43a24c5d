//! Tests of the DCC that need no files: well-formed, numbers and names kept, refusals. Against the schemas: `tests/dcc.rs`.

mod fixture;

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use quick_xml::XmlVersion;
use quick_xml::events::Event;
use quick_xml::reader::Reader;

use crate as verification;
use fixture::{ac, by_pulses, changed, dc, decimal, issued, odd};
use verification::certificate::check::check;
use verification::certificate::{Issued, SigningKey};
use verification::item::ItemCode;
use verification::result::Verdict;

use super::{DccError, FILE_BYTES_MAX, dcc};

/// The fixture's errors: +0.2 %, +0.22 %, +0.18 %.
const GOOD: [&str; 3] = ["10", "11", "9"];
/// +1.6 %, +1.62 %, +1.58 %: beyond class 1.
const BAD: [&str; 3] = ["80", "81", "79"];

/// An element as read back: its path of names, its nearest `id`, its text.
struct Read {
    path: String,
    id: String,
    text: String,
}

/// Reads a document back with another part of the library than wrote it; fails where it is not well formed.
fn read(xml: &str) -> Vec<Read> {
    let mut reader = Reader::from_str(xml);
    reader.config_mut().check_end_names = true;
    let (mut found, mut open): (Vec<Read>, Vec<(String, String, String)>) = (Vec::new(), Vec::new());
    loop {
        match reader.read_event().expect("well-formed XML") {
            Event::Start(start) => {
                let name = start.name().as_ref().to_owned();
                let attribute = start.try_get_attribute("id").expect("attributes");
                let id = match attribute {
                    Some(id) => id.normalized_value(XmlVersion::Implicit1_0).expect("a value").into_owned(),
                    None => open.last().map(|(_, id, _)| id.clone()).unwrap_or_default(),
                };
                open.push((name, id, String::new()));
            }
            Event::Text(text) => {
                if let Some((_, _, whole)) = open.last_mut() {
                    whole.push_str(&text);
                }
            }
            Event::GeneralRef(reference) => {
                let (_, _, whole) = open.last_mut().expect("inside an element");
                match reference.resolve_char_ref().expect("a reference") {
                    Some(c) => whole.push(c),
                    None => whole.push_str(
                        quick_xml::escape::resolve_predefined_entity(&reference).expect("an entity"),
                    ),
                }
            }
            Event::End(_) => {
                let path = open.iter().map(|(name, _, _)| name.as_str()).collect::<Vec<_>>().join("/");
                let (_, id, text) = open.pop().expect("an open element");
                found.push(Read { path, id, text });
            }
            Event::Eof => break,
            _ => {}
        }
    }
    assert!(open.is_empty());
    found
}

/// Text of the first element whose path ends so, below an `id`; any `id` if it is empty.
fn text_of<'a>(read: &'a [Read], id: &str, path: &str) -> &'a str {
    let found = read.iter().find(|r| (id.is_empty() || r.id == id) && r.path.ends_with(path));
    &found.unwrap_or_else(|| panic!("no {path} below {id}")).text
}

fn written(issued: &Issued) -> Vec<Read> {
    read(&dcc(issued, "https://example.org/c/1").expect("a DCC"))
}

#[test]
fn the_fixtures_are_documents_that_check() {
    let key = SigningKey::from_seed([7; 32]).public();
    for (order, over_wh, verdict) in [
        (ac(), GOOD, Verdict::Conform),
        (dc(), BAD, Verdict::Nonconform),
        (by_pulses(ac()), GOOD, Verdict::Conform),
        (by_pulses(dc()), BAD, Verdict::Nonconform),
    ] {
        let issued = issued(order, over_wh);
        let checked = check(&issued.json, &[key]);
        assert!(checked.is_good(), "{:?}", checked.findings);
        assert_eq!(issued.certificate.result.verdict, verdict);
    }
}

#[test]
fn the_same_document_gives_the_same_bytes_and_they_are_well_formed() {
    for issued in [issued(ac(), GOOD), issued(dc(), BAD), issued(by_pulses(ac()), GOOD)] {
        let once = dcc(&issued, "https://example.org/c/1").expect("a DCC");
        assert_eq!(once, dcc(&issued, "https://example.org/c/1").expect("a DCC"));
        assert!(
            once.starts_with(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<dcc:digitalCalibrationCertificate "
            )
        );
        assert!(read(&once).len() > 300);
    }
}

#[test]
fn numbers_keep_every_digit_they_have_in_the_document() {
    let issued = issued(ac(), GOOD);
    let read = written(&issued);
    let check = |id: &str, value: &str, unit: &str| {
        assert_eq!(text_of(&read, id, "si:real/si:value"), value, "{id}");
        assert_eq!(text_of(&read, id, "si:real/si:unit"), unit, "{id}");
    };
    // As set, as taken and as read in the fixture, trailing zeros and all; 5011 = 1239578 − 1234567.
    check("point1settingVoltage", "220", r"\volt");
    check("point1settingCurrent", "32", r"\ampere");
    check("point2settingPowerFactor", "0.5", r"\one");
    check("point1reading2Reference", "5000.000", r"\watt\hour");
    check("point1reading2Start", "1234567.000", r"\watt\hour");
    check("point1reading2Stop", "1239578.000", r"\watt\hour");
    check("point1reading2Indicated", "5011.000", r"\watt\hour");
    check("point1reading2Duration", "900.25", r"\second");
    check("point1reading2Voltage", "220.012", r"\volt");
    check("point1reading2Error", "0.22", r"\percent");
    check("point1error", "0.2", r"\percent");
    check("point1rounded", "0.2", r"\percent");
    check("point1limit", "1.0", r"\percent");
    check("temperatureValue", "21.50", r"\degreecelsius");
    check("humidityValue", "48", r"\percent");
    check("frequencyValue", "50", r"\hertz");
    check("equipment2uncertainty", "0.030", r"\percent");
    check("item4voltage", "500", r"\volt");
    check("item4insulation1Resistance", "550.0", r"\mega\ohm");
    // By hand: 1239.577 − 1234.567 = 5.010 kWh, of 5 kWh by the standard 0.2 % too much.
    check("item7stop", "1239.577", r"\kilo\watt\hour");
    check("item7reference", "5000.000", r"\watt\hour");
    check("item7error", "0.2", r"\percent");
    check("item5offset", "-1.250", r"\second");
    check("item5measuredOffset", "-1.321", r"\second");
    check("item5measuredHalfWidth", "0.0455", r"\second");
    check("item2display", "1234.567", r"\kilo\watt\hour");
    check("platePower", "7.0", r"\kilo\watt");
}

#[test]
fn the_uncertainty_is_the_documents() {
    let issued = issued(dc(), BAD);
    let read = written(&issued);
    for (index, point) in issued.certificate.result.points.iter().enumerate() {
        let id = format!("point{}error", index + 1);
        let stated = |name| text_of(&read, &id, &format!("si:expandedUnc/si:{name}")).to_owned();
        assert_eq!(stated("uncertainty"), point.expanded_uncertainty_percent.to_string());
        assert_eq!(stated("coverageFactor"), point.coverage_factor.to_string());
        assert_eq!(stated("coverageProbability"), "0.95");
        assert_eq!(text_of(&read, &id, "si:real/si:value"), point.error_percent.to_string());
        let budget: Vec<&Read> = read
            .iter()
            .filter(|r| {
                r.id.starts_with(&format!("point{}budget", index + 1)) && r.id.ends_with("Contribution")
            })
            .filter(|r| r.path.ends_with("si:value"))
            .collect();
        let expected: Vec<String> =
            point.budget.iter().map(|line| line.contribution_percent.to_string()).collect();
        assert_eq!(budget.iter().map(|r| r.text.clone()).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn risks_and_the_check_of_the_budget_are_the_documents() {
    let issued = issued(dc(), BAD);
    let read = written(&issued);
    for (number, point) in (1..).zip(&issued.certificate.result.points) {
        let (risk, checked) =
            (point.risk.as_ref().expect("decided"), point.monte_carlo.as_ref().expect("there"));
        let value = |name: &str| text_of(&read, &format!("point{number}{name}"), "si:value").to_owned();
        assert_eq!(value("risk"), risk.specific.to_string());
        assert_eq!(value("monteCarloTrials"), "300000");
        assert_eq!(value("monteCarloLow"), checked.low_percent.to_string());
        assert_eq!(value("monteCarloHigh"), checked.high_percent.to_string());
        let word = text_of(&read, &format!("point{number}monteCarloValidated"), "dcc:noQuantity/dcc:content");
        assert_eq!(word, if checked.validated { "得到验证" } else { "未得到验证" });
    }
    let label = |read: &Read| read.id == "point1risk" && read.text.contains("producer's risk");
    assert!(read.iter().any(label), "whose it is");
}

// As the fixture has them.
#[test]
fn charges_say_when_they_began_and_ended() {
    let read = written(&issued(ac(), GOOD));
    for (id, at) in [
        ("item8began", "2026-03-10T00:50:00Z"),
        ("item8ended", "2026-03-10T01:20:00Z"),
        ("item9began", "2026-03-10T23:00:00Z"),
    ] {
        assert_eq!(text_of(&read, id, "dcc:noQuantity/dcc:content"), at);
    }
}

// One of the pile's pulses is 1 Wh, one of the standard's 0.1 mWh: m0 = 10,000,000; m = 9,980,000 is an error of
// 20000 / 9980000 = 0.20040 %.
#[test]
fn pulses_are_counts_with_their_constants() {
    let read = written(&issued(by_pulses(ac()), GOOD));
    for (id, value, unit) in [
        ("point1settingPulses", "1000", r"\one"),
        ("point1reading1Reference", "9980000", r"\one"),
        ("point1reading1Indicated", "1000", r"\one"),
        ("point1reading1PileConstant", "1000", r"\kilo\watt\tothe{-1}\hour\tothe{-1}"),
        ("point1reading1StandardConstant", "10000000", r"\kilo\watt\tothe{-1}\hour\tothe{-1}"),
        ("point1reading1Error", "0.2004", r"\percent"),
    ] {
        assert_eq!(text_of(&read, id, "si:value"), value, "{id}");
        assert_eq!(text_of(&read, id, "si:unit"), unit, "{id}");
    }
    assert!(read.iter().any(|r| r.text == "Pulse method"));
    assert!(!read.iter().any(|r| r.text == "Start-stop register method"));
}

#[test]
fn the_signed_file_is_inside_byte_for_byte() {
    let issued = issued(ac(), GOOD);
    let read = written(&issued);
    let data = text_of(&read, "signedFile", "dcc:dataBase64");
    let file = base64::engine::general_purpose::STANDARD.decode(data).expect("Base64");
    assert_eq!(file, issued.json.as_bytes());
    assert_eq!(text_of(&read, "signedFile", "dcc:mimeType"), "application/json");
    assert_eq!(text_of(&read, "signedFile", "dcc:fileName"), "V2026-AC-0001.json");
    let references: Vec<&str> = read
        .iter()
        .filter(|r| r.id == "signedDocument" && r.path.ends_with("dcc:reference"))
        .map(|r| r.text.as_str())
        .collect();
    assert_eq!(references, ["https://example.org/c/1", &format!("SHA-256 {}", issued.sha256)]);
}

#[test]
fn a_file_name_cannot_leave_its_folder() {
    let issued = changed(ac(), GOOD, |certificate| certificate.number = " ../V 1\\2:号 ".into());
    assert_eq!(text_of(&written(&issued), "signedFile", "dcc:fileName"), "___V_1_2_号.json");
}

#[test]
fn conformity_follows_the_verdict_and_undecided_claims_nothing() {
    let words = |issued: &Issued, id: &str| -> Vec<String> {
        let read = written(issued);
        let of = read.iter().filter(|r| r.id == id && r.path.ends_with("dcc:conformity"));
        of.map(|r| r.text.clone()).collect()
    };
    let (good, bad) = (issued(ac(), GOOD), issued(dc(), BAD));
    assert_eq!(words(&good, "conclusion"), ["pass"]);
    assert_eq!(words(&good, "point1decision"), ["pass"]);
    assert_eq!(words(&bad, "conclusion"), ["fail"]);
    assert_eq!(words(&bad, "point3decision"), ["fail"]);
    let undecided = changed(dc(), BAD, |certificate| {
        certificate.result.points[0].verdict = Verdict::Undecided;
        certificate.result.items[0].passed = false;
        certificate.result.items.retain(|item| item.code != ItemCode::Display);
    });
    assert_eq!(words(&undecided, "point1decision"), [""; 0]);
    assert_eq!(words(&undecided, "item1decision"), ["fail"]);
    // Item 2, the display, is not in this result: recorded, but nothing is concluded from it.
    assert_eq!(words(&undecided, "item2decision"), [""; 0]);
    assert_eq!(words(&undecided, "item5decision"), ["pass"]);
}

#[test]
fn a_notice_has_no_period_and_a_certificate_has_that_of_its_rule_set() {
    let (good, bad) = (written(&issued(ac(), GOOD)), written(&issued(dc(), BAD)));
    assert_eq!(text_of(&good, "validity", "dcc:period"), "P3Y");
    assert!(good.iter().any(|r| r.id == "validity" && r.text == "Valid to the end of 2029-03-09."));
    assert!(!bad.iter().any(|r| r.id == "validity" && r.path.ends_with("dcc:period")));
    assert_eq!(text_of(&bad, "", "dcc:coreData/dcc:endPerformanceDate"), "2026-03-10");
}

// XML 1.0, production 2: #x0, #x7, #x1B, #xFFFE and #xFFFF are no characters; #x85 and #x2028 are.
#[test]
fn odd_names_come_out_as_they_are_and_illegal_characters_as_the_replacement() {
    let read = written(&changed(ac(), GOOD, odd));
    let name = |path: &str| text_of(&read, "", &format!("{path}/dcc:name/dcc:content"));
    assert_eq!(name("dcc:calibrationLaboratory/dcc:contact"), "A<B> & \"C\" 'D' ]]> <!-- &amp; -->");
    assert_eq!(name("dcc:customer"), "nul\u{FFFD}bell\u{FFFD}esc\u{FFFD}not\u{FFFD}char\u{FFFD}");
    let person = |role| text_of(&read, role, "dcc:person/dcc:name/dcc:content");
    assert_eq!(person("verifier"), "حسن\u{202E}abc\u{202C}");
    assert_eq!(person("reviewer"), "blank\r\nline\u{85}\u{2028}");
    assert_eq!(text_of(&read, "remarks", "dcc:declaration/dcc:content"), "line one\nline <two>");
    assert_eq!(text_of(&read, "operatingError", "dcc:usedSoftware/dcc:software/dcc:release"), "—");
    assert!(!read.iter().any(|r| r.path.ends_with("dcc:item/dcc:model")));
}

#[test]
fn no_two_elements_have_the_same_id() {
    let xml = dcc(&changed(ac(), GOOD, odd), "").expect("a DCC");
    let ids: Vec<&str> =
        xml.split(" id=\"").skip(1).map(|rest| rest.split('"').next().expect("an end")).collect();
    assert!(ids.len() > 100);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
}

#[test]
fn every_reading_and_every_item_is_there() {
    let issued = issued(ac(), GOOD);
    let read = written(&issued);
    let mut lists: BTreeMap<&str, usize> = BTreeMap::new();
    for r in read.iter().filter(|r| r.path.ends_with("dcc:list/dcc:list/dcc:dateTime")) {
        *lists.entry(&r.id).or_default() += 1;
    }
    assert_eq!(lists.len(), issued.certificate.taken.len());
    let results = |measurement: &str| {
        let below = |r: &&Read| r.path.ends_with("dcc:results/dcc:result") && r.id.starts_with(measurement);
        read.iter().filter(below).count()
    };
    assert_eq!((results("point"), results("item")), (3, 9));
}

#[test]
fn what_cannot_be_written_truly_is_refused() {
    let refusal =
        |change: fn(&mut super::Certificate)| dcc(&changed(ac(), GOOD, change), "").expect_err("refused");
    assert_eq!(refusal(|certificate| certificate.number = " \n".into()), DccError::NoNumber);
    assert_eq!(refusal(|certificate| certificate.result.points.clear()), DccError::NoPoints);
    let readings = DccError::Readings { point: 1, readings: 2, errors: 3 };
    assert_eq!(refusal(|certificate| certificate.taken.truncate(2)), readings);
    let number = |what, value: &str| DccError::Number { what, point: 2, value: value.into() };
    assert_eq!(
        refusal(|certificate| certificate.result.points[1].coverage_factor = decimal("0.99")),
        number("the coverage factor", "0.99")
    );
    assert_eq!(
        refusal(|certificate| {
            certificate.result.points[1].expanded_uncertainty_percent = decimal("-0.1");
        }),
        number("the expanded uncertainty", "-0.1")
    );
    assert_eq!(
        refusal(|certificate| certificate.verified_on = jiff::civil::date(0, 12, 31)),
        DccError::Date("0000-12-31".into())
    );
    assert!(matches!(refusal(|certificate| certificate.order.rule_set = "JJG 0".into()), DccError::Order(_)));
    let mut long = issued(ac(), GOOD);
    long.json = " ".repeat(FILE_BYTES_MAX + 1);
    assert_eq!(dcc(&long, ""), Err(DccError::TooLong(FILE_BYTES_MAX + 1)));
}
