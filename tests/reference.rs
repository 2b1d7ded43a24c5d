//! The estimator against another one: `reference.py`, the plain model with numpy, written apart from it, on the same files.
//!
//! `tests/run` provides the Python (`VERIPILE_TEST_PYTHON`) and the binary; without them the test says so and passes over.

#![allow(clippy::missing_panics_doc, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use veripile_tests::{binary, python, script};

/// The reference has no drift of anchors, no covariates and no interactions, so that it promises more, by a tenth here, and single
/// piles differ by a part of what they are uncertain by.
const LARGEST_DIFFERENCE: f64 = 0.3;
const USUAL_DIFFERENCE: f64 = 0.1;
const UNCERTAINTIES: std::ops::Range<f64> = 0.85..1.0;

/// Error and standard uncertainty of each pile, percent.
fn estimates(file: &Path) -> BTreeMap<String, (f64, f64)> {
    let mut rows = csv::Reader::from_path(file).expect("a file");
    let headers = rows.headers().expect("a header").clone();
    let column = |name: &str| headers.iter().position(|header| header == name).expect("a column");
    let (pile, error, u) =
        (column("pile_id"), column("error_percent"), column("standard_uncertainty_percent"));
    let number = |text: &str| text.parse::<f64>().expect("a number");
    let read = rows.records().map(|row| row.expect("a row"));
    read.map(|row| (row[pile].to_owned(), (number(&row[error]), number(&row[u])))).collect()
}

#[test]
fn a_plain_implementation_by_other_means_finds_the_same() {
    let (Some(binary), Some(python)) = (binary(), python()) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let run = |arguments: &[&OsStr]| {
        let done = Command::new(&binary).args(arguments).output().expect("runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    let (world, ours, theirs) = (path("world"), path("ours"), path("theirs.csv"));
    let text = OsStr::new;
    run(&["study", "--seed", "7", "--noise", "t4", "--days", "60", "--write"]
        .map(text)
        .into_iter()
        .chain([world.as_os_str()])
        .collect::<Vec<_>>());
    let (charges, piles, anchors) =
        (world.join("charges.csv"), world.join("piles.csv"), world.join("anchors.csv"));
    run(&[
        text("assess"),
        text("--charges"),
        charges.as_os_str(),
        text("--piles"),
        piles.as_os_str(),
        text("--anchors"),
        anchors.as_os_str(),
        text("--out"),
        ours.as_os_str(),
    ]);
    let told = script(&python, "reference.py", [&charges, &anchors, &theirs].map(|path| path.as_os_str()))
        .expect("runs");
    println!("{}", told.trim());
    let (ours, theirs) = (estimates(&ours.join("estimates.csv")), estimates(&theirs));
    assert!(ours.len() == 200 && ours.keys().eq(theirs.keys()));
    let pairs = || ours.values().zip(theirs.values());
    let differences: Vec<f64> = pairs().map(|((a, u), (b, _))| (a - b).abs() / u).collect();
    let largest = differences.iter().copied().fold(0.0, f64::max);
    let usual = (differences.iter().map(|d| d * d).sum::<f64>() / differences.len() as f64).sqrt();
    println!("differences in standard uncertainties: rms {usual:.3}, largest {largest:.3}");
    assert!(largest < LARGEST_DIFFERENCE && usual < USUAL_DIFFERENCE, "{largest} {usual}");
    for ((_, ours), (_, theirs)) in pairs() {
        assert!(UNCERTAINTIES.contains(&(theirs / ours)), "{theirs} {ours}");
    }
}
