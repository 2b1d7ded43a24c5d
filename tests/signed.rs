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
    let mut formats = std::collections::BTreeMap::new();
    for (given, judged) in given.iter().zip(&judged) {
        assert_eq!(given["id"], judged["id"]);
        let expected = match (given["sa"].as_str(), given["expected"].as_str().unwrap()) {
            // No maintained library knows the curve.
            (Some("ECDSA-secp192k1-SHA256"), _) => "unsupported",
            (_, "VALID") => "valid",
            (_, "INVALID") => "invalid",
            (_, "MALFORMED") => "malformed",
            (_, "NO_KEY") => "no_key",
            (_, "NOT_BILLABLE") => {
                assert_eq!(judged["billable"], false, "{judged}");
                "valid"
            }
            (_, other) => panic!("{other}"),
        };
        assert_eq!(judged["verdict"], expected, "{judged}");
        assert_eq!(judged["format"], given["format"]);
        *formats.entry(given["format"].as_str().unwrap()).or_insert(0) += 1;
    }
    assert!(formats["OCMF"] >= 7 && formats["PCDF"] >= 3, "{formats:?}");
    assert!(formats["ALFEN"] >= 1 && formats["ISA_EDL_40_P"] >= 1, "{formats:?}");
    readings_of_real_records(&judged);
}

/// What S.A.F.E.'s own tests expect of its Alfen record; what stands in the bytes of Isabellenhütte's.
fn readings_of_real_records(judged: &[Value]) {
    let of = |id: &str| judged.iter().find(|judged| judged["id"] == id).unwrap();
    let alfen = of("real-172");
    assert_eq!(alfen["readings"].as_array().unwrap().len(), 1);
    let reading = &alfen["readings"][0];
    assert_eq!((&reading["moment"], &reading["time"]), (&"begin".into(), &"2018-11-23T14:41:01Z".into()));
    assert_eq!((&reading["register"], &reading["unit"]), (&"15762".into(), &"Wh".into()));
    assert_eq!(
        (&alfen["billable"], &alfen["findings"]["transaction"][0]["code"]),
        (&false.into(), &"one_reading".into())
    );
    let isa = of("real-011");
    assert_eq!((&isa["meter_serial"], &isa["billable"]), (&"09014953410000000001".into(), &false.into()));
    let registers: Vec<_> =
        isa["readings"].as_array().unwrap().iter().map(|reading| &reading["register"]).collect();
    assert_eq!(registers, [&Value::from("25695931.6"), &Value::from("25695931.6")]);
    assert_eq!(isa["findings"]["transaction"][0]["code"], "one_reading");
}
