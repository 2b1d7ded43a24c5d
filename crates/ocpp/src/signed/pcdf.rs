//! PCDF, the Porsche Charging Data Format: `128.8.0(ST:…)(CT:…)…(SG:…)`, one record a charge.
//!
//! Called by [`super::check`]. ECDSA on secp256r1 over the SHA-256 of everything before `(SG:`, exactly as sent. The key that
//! stands in the record proves nothing and is only compared with the one given.

use sha2::{Digest, Sha256};

use super::curve::Curve;
use super::signature::Signature;
use super::{Checked, Encoding, Format, Layer, Layers, Moment, Outcome, SignedReading, Verdict, decode};

/// The register that begins a record.
const OBIS: &str = "128.8.0";

/// Every field of a record: start, current time, duration, time valid, billing valid, counter, stop included, energy, session,
/// software, hardware, meter type, key, signature.
const FIELDS: [&str; 14] =
    ["ST", "CT", "CD", "TV", "BV", "CSC", "SP", "RV", "SI", "CS", "HW", "DT", "PK", "SG"];

/// Checks a record with a key.
pub fn check(text: &str, public_key: Option<&str>, key_encoding: Option<Encoding>) -> Checked {
    // Control characters around the record are the line's, not the meter's.
    let text = text.trim_matches(|c: char| c.is_ascii_whitespace() || matches!(c, '\u{2}' | '\u{3}'));
    let fields = match fields(text) {
        Ok(fields) => fields,
        Err((code, why)) => return Checked::malformed(Some(Format::Pcdf), code, why),
    };
    let of = |name: &str| fields.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| *value);
    let register = of("RV").strip_suffix("*kWh").and_then(crate::normalise::decimal);
    let Some(register) = register else {
        return Checked::malformed(
            Some(Format::Pcdf),
            "bad_register",
            format!("RV {:?} is no energy in kWh", of("RV")),
        );
    };
    let signed = text.rfind("(SG:").map_or("", |end| &text[..end]);
    let hash = Sha256::digest(signed);
    let bytes = decode(of("SG"), Encoding::Hex);
    let signature =
        Signature { curve: Curve::Secp256r1, algorithm: "ECDSA-secp256r1-SHA256", bytes, hash: &hash };
    let (verdict, signature, mut key) = signature.check(public_key, key_encoding);
    if public_key.is_some_and(|given| !given.trim().eq_ignore_ascii_case(of("PK"))) {
        key.remark("key_in_record_differs", "the record names another key than the one it was checked with");
    }
    let mut transaction = Layer::ok();
    for (name, code) in [("SP", "stop_missing"), ("BV", "billing_not_valid"), ("TV", "clock_unknown")] {
        if of(name) != "1" {
            transaction.object(code, format!("{name} {:?}", of(name)));
        }
    }
    match (instant(of("ST")), instant(of("CT"))) {
        (Some(start), Some(end)) if start <= end => {}
        (Some(_), Some(_)) => {
            transaction.object("time_runs_back", format!("ST {} CT {}", of("ST"), of("CT")));
        }
        _ => transaction.object("bad_time", format!("ST {:?} CT {:?}", of("ST"), of("CT"))),
    }
    if register.is_sign_negative() {
        transaction.object("register_falls", format!("RV {register}"));
    }
    Checked {
        verdict,
        billable: verdict == Verdict::Valid && transaction.outcome == Outcome::Ok,
        meter_serial: Some(of("HW").to_owned()),
        session: Some(of("SI").to_owned()),
        page: None,
        readings: vec![SignedReading {
            moment: Moment::End,
            time: of("CT").to_owned(),
            register: Some(register),
            unit: "kWh".to_owned(),
            obis: OBIS.to_owned(),
        }],
        layers: Layers { syntax: Layer::ok(), signature, key, transaction },
        format: Some(Format::Pcdf),
    }
}

/// Names and values in their order; each name once, all of them there, the signature last.
fn fields(text: &str) -> Result<Vec<(&str, &str)>, (&'static str, String)> {
    let mut rest = text.strip_prefix(OBIS).ok_or(("no_header", format!("it does not begin with {OBIS}")))?;
    let mut fields: Vec<(&str, &str)> = Vec::new();
    while !rest.is_empty() {
        let field = rest.strip_prefix('(').and_then(|inner| inner.split_once(')'));
        let Some((field, after)) = field else {
            return Err(("field_unreadable", format!("after {} fields", fields.len())));
        };
        let Some((name, value)) = field.split_once(':').filter(|(name, _)| FIELDS.contains(name)) else {
            return Err(("field_unknown", format!("({field})")));
        };
        if fields.iter().any(|(known, _)| *known == name) {
            return Err(("field_twice", name.to_owned()));
        }
        fields.push((name, value));
        rest = after;
    }
    match FIELDS.iter().find(|name| !fields.iter().any(|(known, _)| known == *name)) {
        Some(missing) => Err(("field_missing", (*missing).to_owned())),
        None if fields.last().is_some_and(|(name, _)| *name != "SG") => {
            Err(("signature_not_last", "something follows the signature".to_owned()))
        }
        None => Ok(fields),
    }
}

/// `yyMMddHHmmss`, of this century.
fn instant(text: &str) -> Option<jiff::civil::DateTime> {
    let is_plain = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", format!("20{}", is_plain.then_some(text)?)).ok()
}
