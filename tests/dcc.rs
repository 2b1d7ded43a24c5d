//! Digital Calibration Certificates against PTB's schemas (shared data) and units, by `dcc_validate.py`: what we write is valid, and the
//! validator is one that refuses.
//!
//! `tests/run` provides the Python (`VERIPILE_TEST_PYTHON`); without it, or without the schemas, a test says so and passes over.

#![allow(clippy::missing_panics_doc, clippy::print_stdout)]

#[path = "../crates/verification/src/certificate/dcc/tests/fixture.rs"]
mod fixture;

use std::path::{Path, PathBuf};

use fixture::{ac, by_pulses, changed, dc, decimal, issued, odd};
use verification::certificate::dcc::dcc;
use verification::plan::{Load, Tap};
use verification::result::Verdict;
use verification::run::{Trouble, Why};
use veripile_tests::{python, script, shared_data};
use veripile_verification as verification;

/// Errors of some +0.2 %, and of some +1.6 %: within and beyond class 1.
const GOOD: [&str; 3] = ["10", "11", "9"];
const BAD: [&str; 3] = ["80", "81", "79"];

/// Python with the validator's packages, and the folder of the schemas.
fn provided() -> Option<(PathBuf, PathBuf)> {
    let schemas = shared_data("dcc/dcc_3_2_0.xsd")?.parent().expect("a folder").to_owned();
    Some((python()?, schemas))
}

/// The validator's line for each text.
fn validate(python: &Path, schemas: &Path, texts: &[String]) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let files: Vec<PathBuf> =
        (0..texts.len()).map(|index| folder.path().join(format!("{index}.xml"))).collect();
    for (file, text) in files.iter().zip(texts) {
        std::fs::write(file, text).expect("written");
    }
    let arguments = std::iter::once(schemas).chain(files.iter().map(PathBuf::as_path));
    let told = script(python, "dcc_validate.py", arguments.map(Path::as_os_str)).expect("runs");
    let lines: Vec<String> = told.lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), texts.len());
    lines
}

/// Documents of every shape, by name.
fn documents() -> Vec<(&'static str, String)> {
    let address = "https://example.org/certificates/V2026-AC-0001?a=1&b=<2>";
    let written = |issued| dcc(&issued, address).expect("a DCC");
    let bare = |certificate: &mut verification::Certificate| {
        let plate = &mut certificate.order.plate;
        (plate.model, plate.meter_serial, plate.firmware) = (None, None, None);
        (plate.power_kw, plate.station, plate.operator) = (None, None, None);
        certificate.items.clear();
        certificate.result.items.clear();
        certificate.result.unconfirmed.clear();
        certificate.taken.iter_mut().for_each(|reading| reading.source_c_max = None);
    };
    let eventful = |certificate: &mut verification::Certificate| {
        let plan = &mut certificate.order.plan;
        (plan.load, plan.tap) = (Load::Real, Tap::Terminals);
        plan.effects.cable_mohm = decimal("12.5");
        let at = certificate.issued_at;
        let detail = String::from("no answer in 5 s <timeout>");
        certificate.troubles = vec![
            Trouble { at, why: Why::SourceLost, detail },
            Trouble { at, why: Why::TooSlow, detail: String::new() },
        ];
        certificate.taken[0].discarded = 2;
        certificate.result.points[0].verdict = Verdict::Undecided;
        certificate.result.points[1].rounded_percent = None;
        certificate.remarks = "复检".into();
    };
    let many = {
        let mut order = dc();
        let point = order.plan.points[0].clone();
        order.plan.points = vec![point; verification::plan::POINTS_MAX];
        order
    };
    vec![
        ("an AC pile that passes", written(issued(ac(), GOOD))),
        ("a DC charger that fails", written(issued(dc(), BAD))),
        ("by pulses, AC", written(issued(by_pulses(ac()), GOOD))),
        ("by pulses, DC", written(issued(by_pulses(dc()), BAD))),
        ("errors below zero", written(issued(ac(), ["-10", "-11", "-9.5"]))),
        ("no error at all", written(issued(dc(), ["0", "0", "0"]))),
        ("odd names", written(changed(ac(), GOOD, odd))),
        ("odd names, by pulses", written(changed(by_pulses(dc()), BAD, odd))),
        ("hardly anything known", written(changed(ac(), GOOD, bare))),
        ("an eventful run", written(changed(dc(), BAD, eventful))),
        ("as many load points as there may be", written(issued(many, GOOD))),
        ("no address", dcc(&issued(ac(), GOOD), "  ").expect("a DCC")),
    ]
}

#[test]
fn what_is_written_is_valid() {
    let Some((python, schemas)) = provided() else { return };
    let (names, texts): (Vec<_>, Vec<_>) = documents().into_iter().unzip();
    for (name, found) in names.iter().zip(validate(&python, &schemas, &texts)) {
        assert_eq!(found, "valid", "{name}");
    }
}

/// A document spoiled in one place: all of `from`, which must be there, becomes `to`.
fn spoiled(good: &str, from: &str, to: &str) -> String {
    assert!(good.contains(from), "{from} is not in the document");
    good.replacen(from, to, 1)
}

/// A document without the first element of a name.
fn without(good: &str, name: &str) -> String {
    let begin = good.find(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name}"));
    let end_tag = format!("</{name}>");
    let end = begin + good[begin..].find(&end_tag).expect("an end") + end_tag.len();
    format!("{}{}", &good[..begin], &good[end..])
}

#[test]
fn what_is_spoiled_is_refused() {
    let Some((python, schemas)) = provided() else { return };
    let good = dcc(&issued(ac(), GOOD), "https://example.org/c").expect("a DCC");
    let spoil = |from, to| spoiled(&good, from, to);
    let cases = [
        ("no unique identifier", without(&good, "dcc:uniqueIdentifier")),
        ("no performance location", without(&good, "dcc:performanceLocation")),
        ("no items", without(&good, "dcc:items")),
        ("no results", without(&good, "dcc:results")),
        ("no coverage factor", without(&good, "si:coverageFactor")),
        ("no unit", without(&good, "si:unit")),
        ("no place of the body", without(&good, "dcc:location")),
        ("a unit that is none", spoil(r"\kilo\watt<", r"\kilo\furlong<")),
        ("a unit spelt as another system does", spoil(r"\degreecelsius", r"\degreeCelsius")),
        ("one id twice", spoil("id=\"humidity\"", "id=\"temperature\"")),
        ("an id that is no name", spoil("id=\"humidity\"", "id=\"1st humidity\"")),
        ("a decimal comma", spoil("<si:value>21.50<", "<si:value>21,50<")),
        ("no number", spoil("<si:value>21.50<", "<si:value>NaN<")),
        ("a coverage factor below one", spoil("<si:coverageFactor>2<", "<si:coverageFactor>0.9<")),
        ("an uncertainty below zero", spoil("<si:uncertainty>", "<si:uncertainty>-")),
        ("a coverage probability in percent", spoil("Probability>0.95<", "Probability>95<")),
        ("another version", spoil("schemaVersion=\"3.2.0\"", "schemaVersion=\"3.3.0\"")),
        ("a language with a country", spoil("lang=\"zh\"", "lang=\"zh-CN\"")),
        ("a country by its name", spoil("<dcc:countryCode>CN<", "<dcc:countryCode>China<")),
        ("a word for conformity of our own", spoil("<dcc:conformity>pass<", "<dcc:conformity>conform<")),
        ("a date as it is spoken", spoil("<dcc:issueDate>2026-03-11<", "<dcc:issueDate>11 March 2026<")),
        ("an identifier with a blank before it", spoil("<dcc:uniqueIdentifier>", "<dcc:uniqueIdentifier> ")),
        ("something else than Base64", spoil("<dcc:dataBase64>", "<dcc:dataBase64>?")),
        ("an element nobody knows", spoil("<dcc:statements>", "<dcc:statements><dcc:opinion/>")),
        ("a control character", spoil("张三", "张\u{1}三")),
        ("a bare ampersand", spoil("张三", "张&三")),
    ];
    let (names, texts): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    for (name, found) in names.iter().zip(validate(&python, &schemas, &texts)) {
        assert!(found.starts_with("invalid "), "{name}: {found}");
    }
}
