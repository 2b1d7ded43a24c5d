//! OCMF, the Open Charge Metering Format, versions 0.1 to 1.4: `OCMF|<payload>|<signature>`.
//!
//! Called by [`super::check`]. The signature covers the bytes between the first bar and the second, exactly as sent; they are
//! never written anew.

use serde_json::value::RawValue;
use sha2::{Digest, Sha256, Sha512};

use super::billed::Billed;
use super::curve::Curve;
use super::json::Json;
use super::{Checked, Encoding, Format, Layer, Layers, Moment, Outcome, SignedReading, Verdict, decode};

/// `SA` where the record names none (OCMF §signature).
const DEFAULT_ALGORITHM: &str = "ECDSA-secp256r1-SHA256";

/// Readings in one record; real ones have at most a few dozen.
const READINGS_MAX: usize = 2_000;

/// Fields of a reading that carry over from the one before where they are left out (OCMF, readings).
const INHERITED: [&str; 7] = ["TM", "TX", "RV", "RI", "RU", "EF", "ST"];

/// The parts of a record.
struct Parts<'a> {
    /// What is signed.
    signed: &'a str,
    payload: Json,
    signature: Json,
}

/// A reading with what OCMF says about it.
struct Reading {
    reading: SignedReading,
    /// `TX`, as written.
    transaction: String,
    /// Quality of the clock: `U`, `I`, `S`, `R`; empty if not said.
    clock: String,
    /// `ST`.
    status: String,
    /// `EF`.
    error_flags: String,
}

/// Checks a record with a key.
pub fn check(text: &str, public_key: Option<&str>, key_encoding: Option<Encoding>) -> Checked {
    let (parts, readings) = match split(text).and_then(|parts| {
        let readings = readings(&parts.payload)?;
        Ok((parts, readings))
    }) {
        Ok(read) => read,
        Err((code, detail)) => return Checked::malformed(Some(Format::Ocmf), code, detail),
    };
    let mut syntax = Layer::ok();
    let version = field(&parts.payload, "FV");
    if let Some(version) = version.filter(|version| !version.starts_with("0.") && !version.starts_with("1."))
    {
        syntax.remark("unknown_version", format!("format version {version:?} is none of 0.x, 1.x"));
    }
    let (verdict, signature, key) = signature(&parts, public_key, key_encoding);
    let transaction = transaction(&readings);
    let billable = verdict == Verdict::Valid && transaction.outcome == Outcome::Ok;
    Checked {
        verdict,
        billable,
        layers: Layers { syntax, signature, key, transaction },
        format: Some(Format::Ocmf),
        meter_serial: field(&parts.payload, "MS").or_else(|| field(&parts.payload, "GS")),
        session: field(&parts.payload, "ID").filter(|id| !id.is_empty()),
        page: field(&parts.payload, "PG").and_then(|page| page.strip_prefix('T')?.parse().ok()),
        readings: readings.into_iter().map(|reading| reading.reading).collect(),
    }
}

type Malformed = (&'static str, String);

fn split(text: &str) -> Result<Parts<'_>, Malformed> {
    let rest = text
        .trim_ascii()
        .strip_prefix("OCMF|")
        .ok_or(("no_header", "it does not begin with OCMF|".to_owned()))?;
    let (payload, after) = value(rest).map_err(|why| ("payload_unreadable", why))?;
    let Some(signature_at) = rest[after..].find('|').filter(|bar| rest[after..after + bar].trim().is_empty())
    else {
        return Err(("signature_missing", "no bar follows the payload".to_owned()));
    };
    let signed = &rest[..after + signature_at];
    let tail = &rest[after + signature_at + 1..];
    let (signature, end) = value(tail).map_err(|why| ("signature_unreadable", why))?;
    if !tail[end..].trim().is_empty() {
        return Err(("more_than_a_record", "something follows the signature".to_owned()));
    }
    if !matches!(payload, Json::Object(_)) || !matches!(signature, Json::Object(_)) {
        return Err(("not_objects", "payload and signature must be JSON objects".to_owned()));
    }
    Ok(Parts { signed, payload, signature })
}

/// The JSON value at the beginning of a text, and where it ends.
fn value(text: &str) -> Result<(Json, usize), String> {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    match stream.next() {
        Some(Ok(raw)) => Ok((Json::read(raw)?, stream.byte_offset())),
        Some(Err(error)) => Err(error.to_string()),
        None => Err("nothing is there".to_owned()),
    }
}

fn field(object: &Json, name: &str) -> Option<String> {
    object.get(name).and_then(Json::text).map(str::to_owned)
}

fn readings(payload: &Json) -> Result<Vec<Reading>, Malformed> {
    let Some(Json::Array(rows)) = payload.get("RD") else {
        return Err(("no_readings", "RD is missing or no array".to_owned()));
    };
    if rows.is_empty() || rows.len() > READINGS_MAX {
        return Err(("no_readings", format!("RD has {} readings", rows.len())));
    }
    let mut carried: [Option<String>; INHERITED.len()] = Default::default();
    let mut readings = Vec::with_capacity(rows.len());
    for row in rows {
        for (kept, name) in carried.iter_mut().zip(INHERITED) {
            if let Some(text) = field(row, name) {
                *kept = Some(text);
            }
        }
        let of = |name: &str| {
            INHERITED
                .iter()
                .position(|known| *known == name)
                .and_then(|at| carried[at].clone())
                .unwrap_or_default()
        };
        // A reading that only tells of an error, before any other, has none.
        let register = match of("RV") {
            text if text.is_empty() => None,
            text => Some(
                crate::normalise::decimal(&text)
                    .ok_or_else(|| ("bad_register", format!("RV {text:?} is no decimal number")))?,
            ),
        };
        let (time, clock) = match of("TM").trim().rsplit_once(' ') {
            Some((time, clock)) => (time.to_owned(), clock.to_owned()),
            None => (of("TM"), String::new()),
        };
        let transaction = of("TX");
        readings.push(Reading {
            reading: SignedReading {
                moment: moment(&transaction),
                time,
                register,
                unit: of("RU"),
                obis: of("RI"),
            },
            transaction,
            clock,
            status: of("ST"),
            error_flags: of("EF"),
        });
    }
    Ok(readings)
}

/// OCMF's table of transaction marks: B begin; E, L, R, A, P ends of different causes; C, X, S, T in between.
fn moment(transaction: &str) -> Moment {
    match transaction {
        "B" => Moment::Begin,
        "E" | "L" | "R" | "A" | "P" => Moment::End,
        "C" | "X" | "S" | "T" => Moment::During,
        _ => Moment::Other,
    }
}

fn signature(
    parts: &Parts<'_>,
    public_key: Option<&str>,
    key_encoding: Option<Encoding>,
) -> (Verdict, Layer, Layer) {
    let algorithm = field(&parts.signature, "SA").unwrap_or_else(|| DEFAULT_ALGORITHM.to_owned());
    let named = algorithm.strip_prefix("ECDSA-").and_then(|rest| rest.rsplit_once('-'));
    let curve = named.and_then(|(curve, _)| Curve::from_name(curve));
    let hash = match named.map(|(_, hash)| hash) {
        Some("SHA256") => Sha256::digest(parts.signed).to_vec(),
        Some("SHA512") => Sha512::digest(parts.signed).to_vec(),
        _ => Vec::new(),
    };
    let Some(curve) = curve.filter(|_| !hash.is_empty()) else {
        let mut layer = Layer::not_checked();
        layer.remark("algorithm_unsupported", format!("SA {algorithm:?}"));
        return (Verdict::Unsupported, layer, Layer::not_checked());
    };
    let signature = super::signature::Signature {
        curve,
        algorithm: &algorithm,
        bytes: der(&parts.signature),
        hash: &hash,
    };
    signature.check(public_key, key_encoding)
}

fn der(signature: &Json) -> Result<Vec<u8>, String> {
    let text = field(signature, "SD").ok_or("SD is missing")?;
    match field(signature, "SE").as_deref() {
        None | Some("hex") => decode(&text, Encoding::Hex),
        Some("base64") => decode(&text, Encoding::Base64),
        Some(other) => Err(format!("SE {other:?} is neither hex nor base64")),
    }
}

/// Whether the readings make one whole charge that may be billed.
fn transaction(readings: &[Reading]) -> Layer {
    let mut layer = Layer::ok();
    let (first, last) = (&readings[0], &readings[readings.len() - 1]);
    let is_whole = !is_of_one_end(readings);
    if is_whole {
        if first.reading.moment != Moment::Begin {
            layer.object("first_not_begin", format!("TX {:?}", first.transaction));
        }
        if last.reading.moment != Moment::End {
            layer.object("last_not_end", format!("TX {:?}", last.transaction));
        }
    }
    for (at, reading) in readings.iter().enumerate() {
        if reading.transaction == "X" {
            layer.object("exception", format!("reading {at}: not usable from here on"));
        }
        if reading.status != "G" {
            layer.object("status_not_good", format!("reading {at}: ST {:?}", reading.status));
        }
        if !reading.error_flags.is_empty() {
            layer.object("error_flag", format!("reading {at}: EF {:?}", reading.error_flags));
        }
        if !matches!(reading.clock.as_str(), "S" | "I" | "R") {
            layer.object(
                "clock_unknown",
                format!("reading {at}: TM {:?} {:?}", reading.reading.time, reading.clock),
            );
        }
        if reading.reading.energy_wh().is_none() {
            layer.object("no_energy", format!("reading {at}: no register in Wh or kWh"));
        }
        let before = readings[..at].iter().rev().find(|other| other.reading.obis == reading.reading.obis);
        if let Some(before) = before {
            if let (Some(now), Some(then)) = (reading.reading.energy_wh(), before.reading.energy_wh())
                && now < then
            {
                layer.object("register_falls", format!("reading {at}: {now} Wh after {then} Wh"));
            }
            if let (Some(now), Some(then)) = (instant(&reading.reading.time), instant(&before.reading.time))
                && now < then
            {
                layer.object("time_runs_back", format!("reading {at}: {}", reading.reading.time));
            }
        }
    }
    if is_whole && layer.outcome == Outcome::Ok {
        billed(&mut layer, readings);
    } else if layer.outcome == Outcome::Ok {
        layer.outcome = Outcome::NotChecked;
        layer.remark(
            "one_reading",
            format!("TX {:?}: {}", first.transaction, super::missing_half(first.reading.moment)),
        );
    }
    layer
}

/// Whether a record tells one end of a charge: of one register, or of several at the same end.
fn is_of_one_end(readings: &[Reading]) -> bool {
    let moment = readings[0].reading.moment;
    let is_alone = |(at, one): (usize, &Reading)| {
        let is_other = |before: &Reading| before.reading.obis != one.reading.obis;
        one.reading.moment == moment && readings[..at].iter().all(is_other)
    };
    let is_end = matches!(moment, Moment::Begin | Moment::End);
    readings.len() == 1 || (is_end && readings.iter().enumerate().all(is_alone))
}

/// Whether the register that a bill rests on was read at both ends.
fn billed(layer: &mut Layer, readings: &[Reading]) {
    let Some(billed) = Billed::of(readings.iter().map(|reading| &reading.reading)) else {
        return layer.object("register_unclear", "of several registers none is the only one of import");
    };
    if billed.registers > 1 {
        layer.remark("registers_several", format!("{:?} of {} registers", billed.obis(), billed.registers));
    }
    let is_end = |(first, last): (&SignedReading, &SignedReading)| {
        (first.moment, last.moment) == (Moment::Begin, Moment::End)
    };
    let is_read_at_both_ends = billed.ends().is_some_and(is_end);
    if !is_read_at_both_ends {
        layer.object("register_differs", format!("{:?} was not read at both ends", billed.obis()));
    }
}

/// `2018-07-24T13:22:04,000+0200`.
pub(super) fn instant(text: &str) -> Option<jiff::Timestamp> {
    jiff::Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text.replace(',', ".")).ok()
}
