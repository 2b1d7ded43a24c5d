//! Checking a certificate's file, by anybody, offline: does it read, is the signature right, is the key known, and does the
//! result follow from the readings inside.
//!
//! Called by `veripile check certificate` and by the pages. Says layer by layer what holds; never trusts a key because the file
//! names it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Certificate, CertificateKind, FORMAT, PublicKey, canonical};
use crate::result::{Verdict, result};

/// Longest file looked at, bytes: a plan with all its readings, twenty times over.
pub const FILE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What became of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// It holds.
    Ok,
    /// It does not.
    Failed,
    /// An earlier one failed, or there was nothing to check it with.
    NotChecked,
}

/// A coded remark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Code.
    pub code: &'static str,
    /// What exactly.
    pub detail: String,
}

/// What was found of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Number of the document, if it reads.
    pub number: Option<String>,
    /// Which document.
    pub kind: Option<CertificateKind>,
    /// Whether it reads as a document of a known format.
    pub syntax: Layer,
    /// Whether the signature is by the key that the file names.
    pub signature: Layer,
    /// Whether that key is one of those given to the checker.
    pub key: Layer,
    /// Whether result, verdict and dates follow from order and readings.
    pub result: Layer,
    /// Name of the key that the file names.
    pub key_id: Option<String>,
    /// Remarks.
    pub findings: Vec<Finding>,
    /// The document.
    #[serde(skip)]
    pub certificate: Option<Box<Certificate>>,
}

impl Checked {
    /// Whether every layer holds. Without known keys it never does: a key that comes with a file proves nothing.
    pub fn is_good(&self) -> bool {
        [self.syntax, self.signature, self.key, self.result].iter().all(|layer| *layer == Layer::Ok)
    }

    fn unread(code: &'static str, detail: String) -> Self {
        Self {
            number: None,
            kind: None,
            syntax: Layer::Failed,
            signature: Layer::NotChecked,
            key: Layer::NotChecked,
            result: Layer::NotChecked,
            key_id: None,
            findings: vec![Finding { code, detail }],
            certificate: None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    certificate: Value,
    signature: Sealed,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    algorithm: String,
    canonicalization: String,
    key_id: String,
    public_key: String,
    value: String,
}

/// Checks a file against known keys; none: the layer `key` is not checked.
pub fn check(text: &str, keys: &[PublicKey]) -> Checked {
    if text.len() > FILE_BYTES_MAX {
        return Checked::unread("too_long", format!("{} bytes, at most {FILE_BYTES_MAX}", text.len()));
    }
    let file: File = match serde_json::from_str(text) {
        Ok(file) => file,
        Err(error) => return Checked::unread("syntax", error.to_string()),
    };
    let format = file.certificate["format"].as_str().unwrap_or_default().to_owned();
    if format != FORMAT {
        return Checked::unread("format", format!("{format:?} is not known; known is {FORMAT}"));
    }
    let certificate: Certificate = match serde_json::from_value(file.certificate.clone()) {
        Ok(certificate) => certificate,
        Err(error) => return Checked::unread("syntax", error.to_string()),
    };
    let mut findings = Vec::new();
    let (signature, key) = signature(&file, keys, &mut findings);
    let result = follows(&certificate, &mut findings);
    // What the program understood must be all that the file says.
    let syntax = if canonical::text(&canonical::value(&certificate)) == canonical::text(&file.certificate) {
        Layer::Ok
    } else {
        findings.push(Finding {
            code: "not_canonical",
            detail: "numbers or times are not written as documents write them".to_owned(),
        });
        Layer::Failed
    };
    Checked {
        number: Some(certificate.number.clone()),
        kind: Some(certificate.kind),
        syntax,
        signature,
        key,
        result,
        key_id: Some(file.signature.key_id),
        findings,
        certificate: Some(Box::new(certificate)),
    }
}

fn signature(file: &File, keys: &[PublicKey], findings: &mut Vec<Finding>) -> (Layer, Layer) {
    let sealed = &file.signature;
    let mut fail = |code, detail: String| {
        findings.push(Finding { code, detail });
        (Layer::Failed, Layer::NotChecked)
    };
    if sealed.algorithm != "Ed25519" || sealed.canonicalization != "RFC 8785" {
        return fail("algorithm", format!("{} over {}", sealed.algorithm, sealed.canonicalization));
    }
    let Some(key) = PublicKey::from_hex(&sealed.public_key) else {
        return fail("public_key", "expected 64 hexadecimal digits".to_owned());
    };
    let bytes = canonical::text(&file.certificate);
    let value = hex::decode(&sealed.value).unwrap_or_default();
    if !key.verifies(bytes.as_bytes(), &value) {
        return fail(
            "signature",
            "the signature is not of this document: it was changed after signing".to_owned(),
        );
    }
    if key.key_id() != sealed.key_id {
        return fail("key_id", format!("{} is not the name of the key", sealed.key_id));
    }
    if keys.is_empty() {
        findings.push(Finding { code: "no_keys", detail: "no keys were given to compare with".to_owned() });
        return (Layer::Ok, Layer::NotChecked);
    }
    if keys.contains(&key) {
        return (Layer::Ok, Layer::Ok);
    }
    findings
        .push(Finding { code: "unknown_key", detail: format!("{} is none of the keys given", key.key_id()) });
    (Layer::Ok, Layer::Failed)
}

/// Computes the result again from order and readings, and compares all of it.
fn follows(certificate: &Certificate, findings: &mut Vec<Finding>) -> Layer {
    let before = findings.len();
    let mut differ = |code, detail: String| findings.push(Finding { code, detail });
    let order = &certificate.order;
    let items: Vec<_> = certificate.items.iter().collect();
    match result(order, &certificate.taken, &items) {
        Err(error) => differ("result", error.to_string()),
        Ok(again) => {
            if again != certificate.result {
                let places = differences(&canonical::value(&certificate.result), &canonical::value(&again));
                differ("result", format!("computed from the readings it differs at {places}"));
            }
            let kind = match again.verdict {
                Verdict::Conform => Some(CertificateKind::Certificate),
                Verdict::Nonconform => Some(CertificateKind::Notice),
                Verdict::Undecided => None,
            };
            if kind != Some(certificate.kind) {
                differ("kind", format!("the verdict {} does not make this document", again.verdict.word()));
            }
        }
    }
    let measured_at = certificate.taken.iter().map(|reading| reading.ended_at).max();
    if measured_at.map(super::day) != Some(certificate.verified_on) {
        differ("verified_on", "is not the day of the last reading".to_owned());
    }
    if super::valid_until(certificate.kind, order, certificate.verified_on) != Ok(certificate.valid_until) {
        differ("valid_until", "does not follow from the rule set's interval".to_owned());
    }
    if order.number != certificate.number {
        differ("number", "is not the order's".to_owned());
    }
    let began_at = certificate.taken.iter().map(|reading| reading.began_at).min();
    if let Err(errors) = order.check(began_at.unwrap_or(certificate.issued_at), &[]) {
        errors.iter().for_each(|error| differ("order", error.to_string()));
    }
    if findings.len() == before { Layer::Ok } else { Layer::Failed }
}

/// Paths at which two values differ, the first few.
fn differences(stated: &Value, again: &Value) -> String {
    const SHOWN_MAX: usize = 5;
    let mut paths = Vec::new();
    walk(stated, again, String::new(), &mut paths);
    paths.truncate(SHOWN_MAX);
    paths.join(", ")
}

fn walk(stated: &Value, again: &Value, path: String, paths: &mut Vec<String>) {
    match (stated, again) {
        (Value::Object(a), Value::Object(b)) => {
            for (name, value) in a {
                walk(value, b.get(name).unwrap_or(&Value::Null), format!("{path}/{name}"), paths);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (value, other)) in a.iter().zip(b).enumerate() {
                walk(value, other, format!("{path}/{index}"), paths);
            }
        }
        _ if stated != again => paths.push(path),
        _ => {}
    }
}
