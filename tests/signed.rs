//! Real signed records, through the command: what another library found of them is found here.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::process::Command;

use serde_json::Value;
use veripile_tests::{binary, shared_data};

#[test]
fn real_records_get_the_verdict_that_others_gave_them() {
    let Some(records) = shared_data("ocmf/records.jsonl") else { return };
    let Some(binary) = binary() else { return };
    let out = std::env::temp_dir().join(format!("veripile-records-{}.jsonl", std::process::id()));
    let status = Command::new(binary)
        .args(["check", "records", "--in"])
        .arg(&records)
        .arg("--out")
        .arg(&out)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(1), "not all of them are valid");
    let lines = |file| -> Vec<Value> {
        std::fs::read_to_string(file)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let (given, judged) = (lines(&records), lines(&out));
    assert_eq!(given.len(), judged.len());
    let mut ocmf = 0;
    for (given, judged) in given.iter().zip(&judged) {
        assert_eq!(given["id"], judged["id"]);
        let expected = match (
            given["format"].as_str().unwrap(),
            given["sa"].as_str(),
            given["expected"].as_str().unwrap(),
        ) {
            // No maintained library knows the curve.
            ("OCMF", Some("ECDSA-secp192k1-SHA256"), _) => "unsupported",
            ("OCMF" | "PCDF", _, "VALID") => "valid",
            ("OCMF" | "PCDF", _, "INVALID") => "invalid",
            ("PCDF", _, "NOT_BILLABLE") => {
                assert_eq!(judged["billable"], false, "{judged}");
                "valid"
            }
            ("OCMF", _, "NO_KEY") => "no_key",
            ("OCMF", _, other) => panic!("{other}"),
            // Known by name, not read yet.
            _ => "unsupported",
        };
        assert_eq!(judged["verdict"], expected, "{judged}");
        ocmf += i32::from(given["format"] == "OCMF");
    }
    assert!(ocmf >= 7, "{ocmf}");
}
