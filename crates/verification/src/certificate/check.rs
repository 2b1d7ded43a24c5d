//! Checking a certificate's file, by anybody, offline: does it read, is the signature right, is the key known, and does the
//! result follow from the readings inside.
//!
//! Called by `veripile check certificate` and by the pages. Says layer by layer what holds; never trusts a key because the file
//! names it.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Certificate, CertificateKind, FORMATS, PublicKey, records};
use crate::canonical;
use crate::order::Order;
use crate::plan::{Load, LoadPoint, Method};
use crate::result::{self, ResultError, RunResult, Verdict};
use crate::run::{Indication, Taken};

/// Formats whose load points say nothing of risks, and whose budgets are not checked by a Monte Carlo method.
const FORMATS_WITHOUT_RISK: [&str; 3] = [FORMATS[0], FORMATS[1], FORMATS[2]];

/// Formats from before there was a run under a real load: who ordered one was given a source all the same.
const FORMATS_BEFORE_REAL_LOADS: [&str; 4] = [FORMATS[0], FORMATS[1], FORMATS[2], FORMATS[3]];

/// The format of runs that may have been made before the power of every look was held against its load point's power factor.
const FORMAT_WITHOUT_POWER: &str = FORMATS[0];

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
    let file: File = match canonical::read(text).and_then(|value| {
        // Through the value, so that what was read and what is understood are the same.
        serde_json::from_value(value).map_err(|error| error.to_string())
    }) {
        Ok(file) => file,
        Err(error) => return Checked::unread("syntax", error),
    };
    let format = file.certificate["format"].as_str().unwrap_or_default().to_owned();
    if !FORMATS.contains(&format.as_str()) {
        let known = FORMATS.join(", ");
        return Checked::unread("format", format!("{format:?} is not known; known are {known}"));
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
    let key = PublicKey::from_hex(&sealed.public_key).filter(|key| key.hex() == sealed.public_key);
    let Some(key) = key else {
        return fail("public_key", "expected 64 small hexadecimal digits".to_owned());
    };
    let bytes = canonical::text(&file.certificate);
    let value = hex::decode(&sealed.value).unwrap_or_default();
    // One text for one signature: digits in capitals would be a second file of the same document.
    if hex::encode(&value) != sealed.value || !key.verifies(bytes.as_bytes(), &value) {
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
    match computed(certificate) {
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
    let time = super::time_of(&certificate.taken);
    if time.map(|(_, to)| super::day(to)) != Some(certificate.verified_on) {
        differ("verified_on", "is not the day of the last reading".to_owned());
    }
    if super::valid_until(certificate.kind, order, certificate.verified_on) != Ok(certificate.valid_until) {
        differ("valid_until", "does not follow from the rule set's interval".to_owned());
    }
    if order.number != certificate.number {
        differ("number", "is not the order's".to_owned());
    }
    if let Some((from, to)) = time {
        order
            .check_done(from, to, has_source(certificate))
            .iter()
            .for_each(|error| differ("order", error.to_string()));
        records::wrong(certificate, (from, to)).iter().for_each(|error| differ("records", error.to_string()));
    }
    if let Some((number, what)) =
        (1..).zip(&certificate.taken).find_map(|(n, r)| Some((n, strange(order, r, &certificate.format)?)))
    {
        differ("reading", format!("reading {number}: {what}"));
    }
    if findings.len() == before { Layer::Ok } else { Layer::Failed }
}

/// The result from order and readings, as its format states it.
fn computed(certificate: &Certificate) -> Result<RunResult, ResultError> {
    let (order, stated) = (&certificate.order, &certificate.result);
    let items: Vec<_> = certificate.items.iter().collect();
    let linear = result::linear(order, &certificate.taken, &items)?;
    // What was still unconfirmed of the rule set is its state on that day, not what follows from the readings.
    let (unconfirmed, unconfirmed_zh) = (stated.unconfirmed.clone(), stated.unconfirmed_zh.clone());
    let mut again = RunResult { unconfirmed, unconfirmed_zh, ..linear };
    if FORMATS_WITHOUT_RISK.contains(&certificate.format.as_str()) {
        again.points.iter_mut().for_each(|point| point.risk = None);
        return Ok(again);
    }
    // What is wrong already takes no hundred thousands of trials to be found so.
    let mut checked = again.clone();
    for (point, stated) in checked.points.iter_mut().zip(&stated.points) {
        point.monte_carlo.clone_from(&stated.monte_carlo);
    }
    if checked != *stated {
        return Ok(checked);
    }
    result::propagate(order, &certificate.taken, &mut again)?;
    Ok(again)
}

/// Whether there was a source.
fn has_source(certificate: &Certificate) -> bool {
    let is_before = FORMATS_BEFORE_REAL_LOADS.contains(&certificate.format.as_str());
    is_before || certificate.order.plan.load == Load::Virtual
}

/// What a run would never have kept: a reading that is not as its load point was ordered.
fn strange(order: &Order, reading: &Taken, format: &str) -> Option<&'static str> {
    let plan = &order.plan;
    let point = plan.points.get(reading.point)?;
    let as_ordered = match (point.method, &reading.indication) {
        (Method::Register, Indication::Register { start_wh, stop_wh }) => {
            (plan.load == Load::Virtual || FORMATS_BEFORE_REAL_LOADS.contains(&format)) && start_wh < stop_wh
        }
        (Method::Register, Indication::Running { start, stop }) => {
            let ends = start.reference_wh().zip(stop.reference_wh());
            plan.load == Load::Real
                && start.register_wh < stop.register_wh
                && start.rises_to(stop)
                && [start, stop].iter().all(|tie| tie.asked_at <= tie.at)
                && start.strayed_to(stop, &plan.effects).is_none()
                && ends.and_then(|(start, stop)| stop.checked_sub(start)) == Some(reading.reference)
        }
        (Method::Pulse { pulses: ordered }, Indication::Pulses { pulses, pile_constant, .. }) => {
            ordered == *pulses && order.plate.pulse_constant == Some(*pile_constant)
        }
        _ => false,
    };
    // Rounding of a mean to its last digit may lead just across the tolerance.
    let is_near = |is: Decimal, set: Decimal, percent: Decimal| {
        let off = is.checked_sub(set).and_then(|off| off.abs().checked_mul(Decimal::ONE_HUNDRED));
        let allowed = set.checked_mul(percent)?.checked_add(Decimal::new(1, 2))?;
        Some(off? <= allowed)
    };
    let is_set = is_near(reading.voltage_v, point.voltage_v, plan.voltage_percent()).zip(is_near(
        reading.current_a,
        point.current_a,
        plan.set_point_percent,
    ));
    let is_cool = reading.source_c_max.is_none_or(|celsius| celsius <= plan.temperature_c_max);
    match (as_ordered, is_set, is_cool, reading.began_at <= reading.ended_at) {
        (false, ..) => Some("what the pile showed is not what was ordered to be read"),
        (_, Some((true, true)), true, true) if format == FORMAT_WITHOUT_POWER => None,
        (_, Some((true, true)), true, true) => (!has_its_phase(order, point, reading).unwrap_or(false))
            .then_some("the power is not that of the load point's power factor"),
        (_, Some((true, true)), false, _) => Some("the source was hotter than the plan allows"),
        (_, Some((true, true)), _, false) => Some("it ends before it begins"),
        _ => Some("voltage or current are not those of the load point"),
    }
}

/// Whether the mean power of a reading can be that of its load point's power factor; none of numbers that cannot be computed with.
///
/// # Formula
/// `|P − cosφ·U·I| ≤ t·U·I + (1 + t)·t·s·U₀·I₀ + r`: each look's power was within `t`, the tolerance of set-points, of its apparent
/// power, and the mean of products differs from the product of means by a covariance of `t·s·U₀·I₀` at most, where `U₀`, `I₀` are
/// set and `s` is the tolerance of the voltage (`t` itself for a virtual load). `r`: what rounding to four digits does to the three means.
fn has_its_phase(order: &Order, point: &LoadPoint, reading: &Taken) -> Option<bool> {
    let tolerance = order.plan.set_point_percent.checked_div(Decimal::ONE_HUNDRED)?;
    let apparent = reading.voltage_v.checked_mul(reading.current_a)?;
    let set = point.voltage_v.checked_mul(point.current_a)?;
    let factor = point.power_factor.unwrap_or(Decimal::ONE);
    let off = apparent.checked_mul(factor)?.checked_sub(reading.power_w)?.abs();
    let of_voltage = order.plan.voltage_percent().checked_div(Decimal::ONE_HUNDRED)?;
    let covariance = tolerance.checked_mul(of_voltage)?.checked_mul(set)?;
    let together = covariance.checked_add(covariance.checked_mul(tolerance)?)?;
    let last_digits = reading.voltage_v.checked_add(reading.current_a)?.checked_add(Decimal::ONE)?;
    let rounding = last_digits.checked_mul(Decimal::new(1, 4))?;
    let allowed = apparent.checked_mul(tolerance)?.checked_add(together)?.checked_add(rounding)?;
    Some(off <= allowed)
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
