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

#[test]
fn every_file_says_what_it_is_and_none_is_too_long() {
    for (path, text) in sources(&crates()) {
        assert!(text.starts_with("//!"), "{} does not say what it is", path.display());
        assert!(text.lines().count() <= FILE_LINES_MAX, "{} is too long", path.display());
    }
}
