use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

mod diagnosis;
mod worlds;

const HEADER: &str =
    "charge_id,pile_id,vehicle_id,vehicle_model,started_at,ended_at,energy_pile_kwh,energy_vehicle_kwh\n";

/// A folder of its own for each test, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("veripile-assess-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).expect("written");
        path
    }

    fn run(&self, charges: &Path, piles: Option<PathBuf>, anchors: Option<PathBuf>) -> Result<ExitSummary> {
        run(&self.args(charges, piles, anchors))
    }

    fn args(&self, charges: &Path, piles: Option<PathBuf>, anchors: Option<PathBuf>) -> AssessArgs {
        AssessArgs {
            charges: charges.to_owned(),
            piles,
            anchors,
            masters: None,
            registers: None,
            references: None,
            as_of: None,
            time_zone: TimeZone::get("Asia/Shanghai").expect("in the database"),
            out: self.0.join("out"),
        }
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join("out").join(name)).expect("the run left it")
    }

    fn left(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.0.join("out")) else { return Vec::new() };
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("listed").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Two hundred charges of ten vehicles at two piles; the second registers 4 % too much.
fn rows() -> Vec<String> {
    let mut rows = Vec::new();
    for visit in 0..100 {
        for (pile, energy) in [("桩-A", 30_000), ("B", 31_200)] {
            let energy = energy + ((visit * 7) % 11 - 5) * 60;
            rows.push(format!(
                "{pile}{visit},{pile},V{},,2026-03-{:02}T08:00:00+08:00,2026-03-{:02}T09:00:00+08:00,{}.{:03},30",
                visit % 10,
                1 + visit % 28,
                1 + visit % 28,
                energy / 1000,
                energy % 1000
            ));
        }
    }
    rows
}

fn file(rows: &[String]) -> String {
    format!("{HEADER}{}\n", rows.join("\n"))
}

const PILES: &str = "pile_id,kind,accuracy_class\n桩-A,dc,1\nB,dc,1\nC,ac,\n";

const ANCHORS: &str = "pile_id,verified_at,error_percent,expanded_uncertainty_percent,coverage_factor\n\
                       桩-A,2026-03-02T00:00:00Z,0.0,0.15,2\n";

#[test]
fn a_bad_pile_is_found_and_a_pile_without_charges_is_listed() {
    let scratch = Scratch::new("found");
    let charges = scratch.write("charges.csv", file(&rows()));
    let (piles, anchors) = (scratch.write("piles.csv", PILES), scratch.write("anchors.csv", ANCHORS));
    let summary = scratch.run(&charges, Some(piles), Some(anchors)).expect("runs");
    assert_eq!(summary.piles, [1, 1, 0, 1]);
    assert_eq!(summary.charges, [200, 0, 0]);
    let estimates = scratch.read("estimates.csv");
    let lines: Vec<&str> = estimates.lines().collect();
    assert_eq!(
        lines[0],
        "pile_id,component,grounded,charges,error_percent,standard_uncertainty_percent,lower95_percent,\
         upper95_percent,probability_conform,verdict"
    );
    assert!(
        lines[1].starts_with("B,0,true,100,") && lines[1].ends_with(",0.000000,nonconform"),
        "{}",
        lines[1]
    );
    assert!(lines[2].starts_with("C,1,false,0,,,,,,not_comparable"), "{}", lines[2]);
    assert!(lines[3].starts_with("桩-A,0,true,100,") && lines[3].ends_with(",conform"), "{}", lines[3]);
    let error: f64 = lines[1].split(',').nth(4).expect("a column").parse().expect("a number");
    assert!((error - 4.0).abs() < 0.5, "{error}");
    assert_eq!(
        scratch.left(),
        ["estimates.csv", "operators.csv", "rejected.csv", "run.json", "signals.csv", "vehicles.csv"]
    );
}

#[test]
fn without_anchors_no_verdict_is_absolute() {
    let scratch = Scratch::new("ungrounded");
    let charges = scratch.write("charges.csv", file(&rows()));
    let summary = scratch.run(&charges, None, None).expect("runs");
    assert_eq!(summary.piles, [0, 0, 0, 2]);
    assert!(scratch.read("estimates.csv").lines().skip(1).all(|line| line.contains(",false,100,")));
}

/// The order of rows, line ends, byte-order mark, extra and moved columns and gzip change not one byte of the estimates.
#[test]
fn the_dress_of_the_file_does_not_show_in_the_estimates() {
    let scratch = Scratch::new("dress");
    let anchors = scratch.write("anchors.csv", ANCHORS);
    let plain = scratch.write("plain.csv", file(&rows()));
    scratch.run(&plain, None, Some(anchors.clone())).expect("runs");
    let (estimates, vehicles) = (scratch.read("estimates.csv"), scratch.read("vehicles.csv"));
    let mut reversed = rows();
    reversed.reverse();
    let moved: Vec<String> = reversed
        .iter()
        .map(|row| {
            let (front, vehicle_kwh) = row.rsplit_once(',').expect("columns");
            format!("{vehicle_kwh},\"a note,\r\nof two lines\",{front}")
        })
        .collect();
    let header =
        format!("\u{feff}energy_vehicle_kwh,note,{}", HEADER.trim().trim_end_matches(",energy_vehicle_kwh"));
    let dressed = format!("{header}\r\n{}\r\n\r\n", moved.join("\r\n"));
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(dressed.as_bytes()).expect("in memory");
    let dressed = scratch.write("dressed.csv.gz", gzip.finish().expect("in memory"));
    let summary = scratch.run(&dressed, None, Some(anchors)).expect("runs");
    assert_eq!(summary.charges, [200, 0, 0]);
    assert_eq!(scratch.read("estimates.csv"), estimates);
    assert_eq!(scratch.read("vehicles.csv"), vehicles);
}

#[test]
fn bad_rows_are_rejected_with_line_and_reason_and_move_nothing() {
    let scratch = Scratch::new("rejected");
    let anchors = scratch.write("anchors.csv", ANCHORS);
    let clean = scratch.write("clean.csv", file(&rows()));
    scratch.run(&clean, None, Some(anchors.clone())).expect("runs");
    let estimates = scratch.read("estimates.csv");
    let times = "2026-03-01T08:00:00Z,2026-03-01T09:00:00Z";
    let mut bad = vec![
        format!("x1,\"B\",\"V\n1\",,{times},0,30"),
        format!("x2,B,V1,,{times},1430,30"),
        format!("x3,B,V1,,{times},abc,30"),
        format!("x4,B,V1,,2026-03-01 8 Uhr,2026-03-01T09:00:00Z,30,30"),
        "x5,B,V1".to_owned(),
        format!("B7,B,V1,,{times},45,30"),
        format!("x6,a/b,V1,,{times},30,30"),
        format!(",B,V1,,{times},30,30"),
    ];
    // Before these stand the header and 200 good rows; the first bad row takes two physical lines.
    let mut all = rows();
    all.append(&mut bad);
    let dirty = scratch.write("dirty.csv", file(&all));
    let summary = scratch.run(&dirty, None, Some(anchors)).expect("runs");
    assert_eq!(summary.charges, [200, 0, 8]);
    assert_eq!(scratch.read("estimates.csv"), estimates);
    let rejected = scratch.read("rejected.csv");
    let mut reader = csv::Reader::from_reader(rejected.as_bytes());
    let records: Vec<csv::StringRecord> = reader.records().map(|record| record.expect("readable")).collect();
    let told: Vec<(&str, &str)> =
        records.iter().map(|r| (&r[0], r[1].split(':').next().unwrap_or(""))).collect();
    assert_eq!(
        told,
        [
            ("202", "energy_not_positive"),
            ("204", "energy_implausible"),
            ("205", "not_a_number"),
            ("206", "not_a_time"),
            ("207", "wrong_number_of_fields"),
            ("208", "duplicate_charge_id"),
            ("209", "pile_id_unusable"),
            ("210", "charge_id_empty"),
        ]
    );
    assert_eq!(&records[0][2], format!("x1,\"B\",\"V\n1\",,{times},0,30"), "the row as it stood");
    assert!(records[5][1].contains("first on line 17"), "{}", &records[5][1]);
}

#[test]
fn charges_that_say_nothing_are_set_aside_with_their_reason() {
    let scratch = Scratch::new("aside");
    let times = "2026-03-01T08:00:00Z,2026-03-01T09:00:00Z";
    let mut all = rows();
    all.push(format!("y1,B,V1,,{times},30,"));
    all.push(format!("y2,B,,,{times},30,30"));
    all.push(format!("y3,B,V1,,{times},0.1,0.1"));
    all.push(format!("y4,B,V1,,{times},30,3"));
    let charges = scratch.write("charges.csv", file(&all));
    let summary = scratch.run(&charges, None, None).expect("runs");
    assert_eq!(summary.charges, [200, 4, 0]);
    let run: Value = serde_json::from_str(&scratch.read("run.json")).expect("JSON");
    let aside = &run["counts"]["set_aside"];
    for reason in ["vehicle_energy_missing", "vehicle_unknown", "energy_too_small", "energies_incomparable"] {
        assert_eq!(aside[reason], 1, "{reason}");
    }
}

/// The same export twice and four times, each time under numbers of its own and in another order.
#[test]
fn charges_under_other_numbers_are_told_once() {
    let scratch = Scratch::new("repeated");
    let (piles, anchors) = (
        scratch.write("piles.csv", "pile_id,operator_id\n桩-A,O\nB,O\n"),
        scratch.write("anchors.csv", ANCHORS),
    );
    let mut all = rows();
    all.push("billed,B,,,2026-03-05T08:00:00Z,2026-03-05T09:00:00Z,30,".to_owned());
    let told = |all: &[String]| {
        let charges = scratch.write("charges.csv", file(all));
        let summary = scratch.run(&charges, Some(piles.clone()), Some(anchors.clone())).expect("runs");
        let results = ["estimates.csv", "vehicles.csv", "signals.csv", "operators.csv"];
        (summary, results.map(|name| scratch.read(name)))
    };
    let (summary, once) = told(&all);
    assert_eq!(summary.charges, [200, 1, 0]);
    for exports in [2, 4] {
        let export = |at: usize| all.iter().rev().map(move |row| format!("export{at}-{row}"));
        let joined: Vec<String> = all.iter().cloned().chain((1..exports).flat_map(export)).collect();
        let (summary, found) = told(&joined);
        let again = 201 * (exports as u64 - 1);
        assert_eq!(summary.charges, [200, 1 + again, 0]);
        assert_eq!(summary.reasons[0]["charge_repeated"], again);
        assert_eq!(found, once, "{exports}");
    }
}

#[test]
fn two_runs_differ_only_in_their_timings() {
    let scratch = Scratch::new("twice");
    let charges = scratch.write("charges.csv", file(&rows()));
    let told = || {
        scratch.run(&charges, None, None).expect("runs");
        let mut run: Value = serde_json::from_str(&scratch.read("run.json")).expect("JSON");
        let timings = run.as_object_mut().expect("an object").remove("timings_s");
        assert!(timings.is_some());
        (run.to_string(), scratch.read("estimates.csv"))
    };
    let (first, second) = (told(), told());
    assert_eq!(first, second);
    // SHA-256 of the empty text, FIPS 180-4: a hash of nothing here would mean that nothing was hashed.
    assert!(!first.0.contains("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
}

/// A file that cannot be read whole is an error that says where, and removes also an earlier run's estimates.
#[test]
fn a_file_that_cannot_be_read_whole_leaves_nothing() {
    let scratch = Scratch::new("broken");
    let good = scratch.write("good.csv", file(&rows()));
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(file(&rows()).as_bytes()).expect("in memory");
    let gzip = gzip.finish().expect("in memory");
    let mut latin = file(&rows()[..2]).into_bytes();
    latin.extend(b"z1,B,M\xfcller,,,,,\n");
    let check = |name: &str, bytes: &[u8], parts: &[&str]| {
        scratch.run(&good, None, None).expect("runs");
        assert_eq!(scratch.left().len(), 6);
        let broken = scratch.write(name, bytes);
        let error = format!("{:#}", scratch.run(&broken, None, None).expect_err("must fail"));
        for part in parts {
            assert!(error.contains(part), "{name}: {error}");
        }
        assert!(error.len() < 400, "{name}: {} bytes", error.len());
        assert!(scratch.left().is_empty(), "{name}");
    };
    let returns = file(&rows()).replace('\n', "\r");
    check("returns.csv", returns.as_bytes(), &["returns.csv, line 1", "carriage return alone", "LF"]);
    let returns = returns.repeat(1 + (1 << 20) / returns.len());
    check("many.csv", returns.as_bytes(), &["many.csv, line 1", "carriage return alone"]);
    let wide = format!("{}\n", "column_,".repeat(1000));
    check("wide.csv", wide.as_bytes(), &["wide.csv, line 1", "`charge_id` is missing"]);
    check("empty.csv", b"", &["empty.csv", "empty"]);
    check("cut.csv.gz", &gzip[..gzip.len() / 2], &["cut.csv.gz, line", "breaks off"]);
    check("short.csv", b"charge_id,pile_id\n1,2\n", &["short.csv, line 1", "`vehicle_id` is missing"]);
    check("latin.csv", &latin, &["latin.csv, line 4, column 7", "UTF-8"]);
    let open = format!("{}a,\"B,V1,,,,,\n1,2\n", file(&rows()[..1]));
    check("open.csv", open.as_bytes(), &["open.csv, line 3, column 3", "never closed"]);
    check(
        "twice.csv",
        HEADER.replace("vehicle_model", "pile_id").as_bytes(),
        &["line 1", "`pile_id` stands twice"],
    );
}

#[test]
fn a_bad_row_of_piles_or_anchors_is_an_error_with_its_place() {
    let scratch = Scratch::new("reference");
    let charges = scratch.write("charges.csv", file(&rows()));
    let check = |piles: Option<&str>, anchors: Option<&str>, part: &str| {
        let piles = piles.map(|text| scratch.write("piles.csv", text));
        let anchors = anchors.map(|text| scratch.write("anchors.csv", text));
        let error = format!("{:#}", scratch.run(&charges, piles, anchors).expect_err("must fail"));
        assert!(error.contains(part), "{error}");
        assert!(scratch.left().is_empty());
    };
    check(Some("pile_id,kind\nA,dc\nB,xc\n"), None, "piles.csv, line 3, column `kind`");
    check(Some("pile_id,accuracy_class\nA,7\n"), None, "write one of 1, 2");
    check(Some("pile_id\nA\nA\n"), None, "piles.csv, line 3, column `pile_id`");
    check(
        None,
        Some(&ANCHORS.replace("0.15", "0")),
        "anchors.csv, line 2, column `expanded_uncertainty_percent`",
    );
    check(None, Some(&ANCHORS.replace("T00:00:00Z", "")), "column `verified_at`");
    check(None, Some(&ANCHORS.replace("coverage_factor", "k")), "`coverage_factor` is missing");
}

#[test]
fn later_charges_and_anchors_do_not_count_at_an_earlier_moment() {
    let scratch = Scratch::new("as-of");
    let charges = scratch.write("charges.csv", file(&rows()));
    let anchors = scratch.write("anchors.csv", ANCHORS);
    let as_of = Some("2026-03-01T12:00:00Z".parse().expect("a time"));
    let args = AssessArgs { as_of, ..scratch.args(&charges, None, Some(anchors)) };
    let summary = run(&args).expect("runs");
    assert_eq!(summary.piles, [0, 0, 0, 2], "the anchor is of the next day");
    assert_eq!(summary.charges, [8, 192, 0]);
}
