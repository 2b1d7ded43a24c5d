//! Keeps the house tidy: arrows between crates point down, SQL stands in `store` only, files say what they are.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The floor of each crate. An arrow may only point to a lower floor.
const FLOORS: [(&str, u32); 10] = [
    ("metrology", 0),
    ("pile", 1),
    ("ocpp", 2),
    ("verification", 2),
    ("assessment", 2),
    ("store", 3),
    ("simulator", 3),
    ("gateway", 4),
    ("api", 4),
    ("app", 5),
];

/// Crates of floors 0 to 2 must be replayable: nothing of this may stand in them.
const IMPURE: [&str; 6] = ["tokio", "Timestamp::now", "SystemTime", "std::fs::", "rand::rng", "async fn"];

/// Longest source file, lines. Only ratchets down.
const FILE_LINES_MAX: usize = 600;

/// Places in a file where numbers are formatted with a precision, at most: of floats, which are rounded. A decimal is cut off by one
/// (`{:.2}` makes 3.20 of 3.207); decimals go through `metrology::rounding`. Only files that name `Decimal` and those of `api`, which shows
/// them, are looked at. Whoever adds a place to this list has looked at its type.
const PRECISIONS: [(&str, usize); 27] = [
    ("api/src/chart.rs", 40),
    ("api/src/contradictions.rs", 4),
    ("api/src/doubts.rs", 2),
    ("api/src/finder.rs", 2),
    ("api/src/history.rs", 2),
    // A route, not a number.
    ("api/src/lib.rs", 1),
    ("api/src/map.rs", 1),
    ("api/src/navigate.rs", 10),
    ("api/src/ocpi/locations.rs", 2),
    ("api/src/op/message.rs", 1),
    ("api/src/op/sampling.rs", 4),
    ("api/src/queue.rs", 2),
    ("api/src/sentence.rs", 4),
    ("api/src/signals.rs", 4),
    ("api/src/sketch.rs", 14),
    ("api/src/view.rs", 4),
    ("app/src/assess_files/findings.rs", 4),
    ("app/src/assess_files/told.rs", 6),
    ("app/src/assess_files/told/balances.rs", 6),
    ("assessment/src/signals/clock.rs", 3),
    ("assessment/src/signals/forgery.rs", 6),
    ("assessment/src/signals/silence.rs", 2),
    // Rounded before.
    ("metrology/src/rounding.rs", 1),
    // Registers of the simulated pile, with every place they have.
    ("simulator/src/bench/pile/record.rs", 1),
    ("simulator/src/bench/pile/words.rs", 1),
    ("simulator/src/replay.rs", 1),
    ("verification/src/run/load.rs", 2),
];

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates")
}

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            found.push((path.clone(), fs::read_to_string(&path).unwrap()));
        }
    }
    found
}

/// A source without the test module at its end.
fn production(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
}

#[test]
fn every_crate_has_a_floor_and_every_arrow_points_down() {
    let floors: BTreeMap<_, _> = FLOORS.into_iter().collect();
    let mut seen = 0;
    for entry in fs::read_dir(crates()).unwrap() {
        let folder = entry.unwrap().path();
        let Ok(manifest) = fs::read_to_string(folder.join("Cargo.toml")) else { continue };
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let floor = floors.get(name.as_str()).unwrap_or_else(|| panic!("{name} has no floor"));
        let manifest: toml::Table = manifest.parse().unwrap();
        for dependency in manifest["dependencies"].as_table().unwrap().keys() {
            if let Some(below) = dependency.strip_prefix("veripile-") {
                assert!(floors[below] < *floor, "{name} (floor {floor}) must not lean on {below}");
            }
        }
        seen += 1;
    }
    assert_eq!(seen, FLOORS.len());
}

#[test]
fn sql_stands_in_store_only() {
    for (name, _) in FLOORS.iter().filter(|(name, _)| *name != "store") {
        for (path, text) in sources(&crates().join(name)) {
            for word in ["sqlx", "SELECT ", "INSERT INTO", "UPDATE ", "DELETE FROM"] {
                let found = production(&text)
                    .lines()
                    .find(|line| line.contains(word) && !line.trim_start().starts_with("//"));
                assert!(found.is_none(), "{}: {word} in {found:?}", path.display());
            }
        }
    }
}

#[test]
fn the_lower_floors_are_pure() {
    for (name, _) in FLOORS.iter().filter(|(_, floor)| *floor <= 2) {
        for (path, text) in sources(&crates().join(name).join("src")) {
            for word in IMPURE {
                let found = production(&text)
                    .lines()
                    .any(|line| line.contains(word) && !line.trim_start().starts_with("//"));
                assert!(!found, "{} contains {word}", path.display());
            }
        }
    }
}

#[test]
fn only_the_binary_reads_the_environment() {
    for (name, _) in FLOORS.iter().filter(|(name, _)| *name != "app") {
        for (path, text) in sources(&crates().join(name).join("src")) {
            assert!(!production(&text).contains("env::var"), "{} reads the environment", path.display());
        }
    }
}

/// `println!` gives up with a panic where nobody reads any more (`veripile register … | head -1`); `say` and `remark` of the binary do not.
#[test]
fn nothing_is_printed_that_a_closed_pipe_breaks() {
    for (name, _) in FLOORS {
        let folder = crates().join(name).join("src");
        for (path, text) in sources(&folder) {
            let inside = path.strip_prefix(&folder).unwrap();
            if inside.components().any(|part| part.as_os_str() == "tests") {
                continue;
            }
            let found = production(&text).lines().find(|line| {
                (line.contains("print!(") || line.contains("println!("))
                    && !line.trim_start().starts_with("//")
            });
            assert!(found.is_none(), "{}: {found:?}", path.display());
        }
    }
}

/// How many placeholders of format strings have a precision: `{:.2}`, `{value:+.2}`, `{:.*}`, `{price:.digits$}`.
fn precisions(text: &str) -> usize {
    let is_name = |part: &str| part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
    let has_precision = |inside: &str| {
        inside.split_once(':').is_some_and(|(name, how)| {
            is_name(name)
                && !how.contains('?')
                && how.split_once('.').is_some_and(|(_, rest)| !rest.is_empty())
        })
    };
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines
        .flat_map(|line| line.split('{').skip(1).filter_map(|rest| rest.split_once('}')))
        .filter(|(inside, _)| has_precision(inside))
        .count()
}

#[test]
fn a_decimal_is_rounded_and_not_cut_off() {
    assert_eq!(precisions("format!(\"{{{:.2} {value:+.2} {:>7.*} {price:.digits$} {:?} {0} {at:?}\")"), 4);
    assert_eq!(precisions("  // {:.2}\n json!({ \"a\": 0.5 }); Point { x: a.b }"), 0);
    let allowed: BTreeMap<_, _> = PRECISIONS.into_iter().collect();
    for (path, text) in sources(&crates()) {
        let name = path.strip_prefix(crates()).unwrap().to_str().unwrap().to_owned();
        let text = production(&text);
        let is_looked_at = name.starts_with("api/") || text.contains("Decimal");
        if !is_looked_at || name.split('/').any(|part| part == "tests") {
            continue;
        }
        let most = allowed.get(name.as_str()).copied().unwrap_or_default();
        let found = precisions(text);
        assert!(
            found <= most,
            "{name} formats {found} numbers with a precision, {most} of them known as floats"
        );
    }
}

#[test]
fn every_file_says_what_it_is_and_none_is_too_long() {
    for (path, text) in sources(&crates()) {
        assert!(text.starts_with("//!"), "{} does not say what it is", path.display());
        assert!(text.lines().count() <= FILE_LINES_MAX, "{} is too long", path.display());
    }
}
