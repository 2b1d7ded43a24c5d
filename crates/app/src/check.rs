//! `veripile check`: does a document say what was signed, and an assessment what follows from its facts? Documents offline, without a
//! database, without a network; assessments from the database alone.
//!
//! Exit 0: all good; 1: something failed; 2: it could not run. The verdicts on signed meter values are made in
//! `veripile_ocpp::signed`; certificates are [`certificate`]'s, assessments [`assessment`]'s.

mod assessment;
mod certificate;

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use veripile_ocpp::signed::{self, Checked, Encoding, Finding, Format, Outcome, Record, Verdict};

/// Longest line read: a record in base64 with its wrapping.
const LINE_BYTES_MAX: u64 = 4 << 20;

/// What `check` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct CheckArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum What {
    /// Signed meter values, one JSON object a line: id, signed_data, encoding, format, public_key, public_key_encoding
    Records {
        /// Records to check
        #[arg(long = "in", value_name = "FILE")]
        input: PathBuf,
        /// Verdicts, one JSON object a line, in the same order
        #[arg(long = "out", value_name = "FILE")]
        output: PathBuf,
    },
    /// A certificate or notice of result: its signature, whose key it is, and whether the result follows from the readings
    Certificate(certificate::CertificateArgs),
    /// A run of the remote assessment: made again from the facts stored, it must come out the same for every pile
    Assessment(assessment::AssessmentArgs),
}

/// A line of the input. Members that are not named here are passed over.
#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    id: Value,
    signed_data: String,
    #[serde(default)]
    encoding: Option<Encoding>,
    #[serde(default)]
    format: Option<Format>,
    #[serde(default)]
    public_key: Option<String>,
    #[serde(default)]
    public_key_encoding: Option<Encoding>,
}

/// A line of the output.
#[derive(Serialize)]
struct Judged {
    id: Value,
    verdict: Verdict,
    billable: bool,
    layers: Layers<Outcome>,
    findings: Layers<Vec<Finding>>,
    format: Option<Format>,
    meter_serial: Option<String>,
    readings: Vec<signed::SignedReading>,
}

#[derive(Serialize)]
struct Layers<T> {
    syntax: T,
    signature: T,
    key: T,
    transaction: T,
}

/// Checks; whether all was good.
pub async fn run(args: &CheckArgs) -> Result<bool> {
    match &args.what {
        What::Records { input, output } => records(input, output),
        What::Certificate(args) => certificate::run(args),
        What::Assessment(args) => assessment::run(args).await,
    }
}

fn records(input: &Path, output: &Path) -> Result<bool> {
    let file = File::open(input).with_context(|| format!("cannot read {}", input.display()))?;
    let mut reader = BufReader::new(file);
    let target = File::create(output).with_context(|| format!("cannot write {}", output.display()))?;
    let mut writer = BufWriter::new(target);
    let (mut counts, mut number) = ([0usize; VERDICTS.len()], 0usize);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        number += 1;
        if line.last() != Some(&b'\n') && read as u64 == LINE_BYTES_MAX {
            reader.skip_until(b'\n')?;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let judged = judge(&line, number);
        counts[VERDICTS.iter().position(|verdict| *verdict == judged.verdict).unwrap_or(0)] += 1;
        serde_json::to_writer(&mut writer, &judged)?;
        writer.write_all(b"\n")?;
    }
    writer.flush().with_context(|| format!("cannot write {}", output.display()))?;
    let told: Vec<String> = NAMES.iter().zip(counts).map(|(name, count)| format!("{count} {name}")).collect();
    super::say(&told.join(", "))?;
    let [valid, others @ ..] = counts;
    Ok(valid > 0 && others.iter().all(|count| *count == 0))
}

const VERDICTS: [Verdict; 5] =
    [Verdict::Valid, Verdict::Invalid, Verdict::Malformed, Verdict::NoKey, Verdict::Unsupported];

const NAMES: [&str; 5] = ["valid", "invalid", "malformed", "no key", "unsupported"];

fn judge(line: &[u8], number: usize) -> Judged {
    match serde_json::from_slice::<Line>(line) {
        Ok(line) => {
            let record = Record {
                signed_data: &line.signed_data,
                encoding: line.encoding.unwrap_or_default(),
                format: line.format,
                public_key: line.public_key.as_deref(),
                public_key_encoding: line.public_key_encoding,
            };
            judged(line.id, signed::check(&record))
        }
        Err(error) => {
            let id = serde_json::from_slice::<Value>(line).ok().and_then(|value| value.get("id").cloned());
            let what = format!("line {number}: {error}");
            judged(id.unwrap_or_default(), Checked::malformed(None, "bad_line", what))
        }
    }
}

fn judged(id: Value, checked: Checked) -> Judged {
    let Checked { verdict, billable, layers, format, meter_serial, readings, .. } = checked;
    let signed::Layers { syntax, signature, key, transaction } = layers;
    Judged {
        id,
        verdict,
        billable,
        layers: Layers {
            syntax: syntax.outcome,
            signature: signature.outcome,
            key: key.outcome,
            transaction: transaction.outcome,
        },
        findings: Layers {
            syntax: syntax.findings,
            signature: signature.findings,
            key: key.findings,
            transaction: transaction.findings,
        },
        format,
        meter_serial,
        readings,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_gets_its_verdict_and_bad_ones_their_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        let (input, output) = (folder.path().join("in"), folder.path().join("out"));
        let known = include_str!("../../ocpp/src/signed/records.jsonl").lines().next().expect("a record");
        let known: Value = serde_json::from_str(known).expect("JSON");
        let good = serde_json::json!({ "id": "a", "signed_data": known["signed_data"], "encoding": "plain",
            "format": "OCMF", "public_key": known["public_key"], "public_key_encoding": "hex", "note": "passed over" });
        std::fs::write(&input, format!("{good}\n")).expect("written");
        assert!(records(&input, &output).expect("ran"), "all good");
        let mut unsigned = good.clone();
        unsigned["public_key"] = Value::Null;
        let long = "x".repeat(LINE_BYTES_MAX as usize + 10);
        std::fs::write(&input, format!("{good}\n{unsigned}\n\nnonsense\n{{\"id\":7}}\n{long}\n{good}"))
            .expect("written");
        assert!(!records(&input, &output).expect("ran"), "something failed");
        let told: Vec<Value> = std::fs::read_to_string(&output)
            .expect("readable")
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        let verdicts: Vec<_> = told.iter().map(|line| line["verdict"].as_str().expect("a word")).collect();
        assert_eq!(verdicts, ["valid", "no_key", "malformed", "malformed", "malformed", "valid"]);
        assert_eq!((&told[0]["layers"]["signature"], &told[0]["billable"]), (&"ok".into(), &true.into()));
        assert_eq!((&told[1]["id"], &told[1]["findings"]["key"][0]["code"]), (&"a".into(), &"no_key".into()));
        assert_eq!(told[3]["id"], 7);
        assert!(records(&folder.path().join("absent"), &output).is_err());
    }
}
