//! Signed values of a message: judged with the keys known of the pile, then sealed.
//!
//! Called by [`crate::socket`] before the commit. The verdicts are `ocpp`'s; a bad one is a mark and changes nothing else.

use rust_decimal::Decimal;
use veripile_ocpp::signed::arrived::{self, Judged};
use veripile_ocpp::signed::billed::Billed;
use veripile_ocpp::signed::{Checked, Moment, Outcome, SignedReading, Verdict};
use veripile_ocpp::{Heard, IdentityKey, Meaning};
use veripile_pile::{
    KeySource, Mark, MeterKey, Reading, ReadingContext, RegisterSample, Side, SignedRecord, SignedValue,
};
use veripile_store::intake::Sealed;

/// Signed values checked in one message; a charge has two, and a check costs up to a millisecond. Others are kept unchecked.
const CHECKED_MAX: usize = 16;

/// Whether a message carries signed values.
pub(crate) fn are_in(heard: &Heard) -> bool {
    heard.readings.iter().any(|reading| reading.signed.is_some())
}

/// Judges the signed values of a message; marks their readings, adds their registers to the charge, and gives what to keep.
pub(crate) fn judge(heard: &mut Heard, known: &[MeterKey], key: &IdentityKey) -> Vec<Sealed> {
    let (mut kept, mut registers) = (Vec::new(), Vec::new());
    for reading in &mut heard.readings {
        let Some(value) = reading.signed.take() else { continue };
        let container = key.container(&value.data);
        let judged = (kept.len() < CHECKED_MAX).then(|| arrived::judge(&value, known));
        reading.marks.extend(marks(judged.as_ref()));
        if let Some(judged) = &judged {
            let billed = Billed::of(&judged.checked.readings).map_or_else(Vec::new, |billed| billed.readings);
            registers.extend(billed.into_iter().filter_map(|signed| register(reading, judged, signed)));
        }
        if reading.number.is_none() {
            reading.value.clone_from(&container);
        }
        let sealed = key.seal(&value.data);
        let checked = judged.as_ref().map(|judged| &judged.checked);
        let of_this_meter = checked.filter(|checked| checked.layers.key.outcome != Outcome::Failed);
        let content = of_this_meter.and_then(Checked::content_digest);
        kept.push(Sealed { record: record(reading, *value, judged), container, sealed, content });
    }
    if let Meaning::Charge(event) = &mut heard.meaning {
        event.registers.extend(registers);
    }
    kept
}

/// What is to be remarked on a verdict.
fn marks(judged: Option<&Judged>) -> Vec<Mark> {
    let Some(Judged { checked, key_source }) = judged else { return vec![Mark::SignedUnchecked] };
    match (checked.verdict, key_source) {
        (Verdict::Valid, _) if checked.layers.key.outcome == Outcome::Failed => vec![Mark::KeyOfAnotherMeter],
        (Verdict::Valid, Some(KeySource::Register)) => Vec::new(),
        (Verdict::Valid, _) => vec![Mark::KeyOnFirstUse],
        (Verdict::Invalid, _) => vec![Mark::SignedInvalid],
        (Verdict::Malformed, _) => vec![Mark::SignedMalformed],
        (Verdict::NoKey, _) => vec![Mark::SignedNoKey],
        (Verdict::Unsupported, _) => vec![Mark::SignedUnsupported],
    }
}

/// The register of the charge in a well signed reading at its beginning or end.
fn register(reading: &Reading, judged: &Judged, signed: &SignedReading) -> Option<RegisterSample> {
    let of_this_meter = judged.checked.layers.key.outcome != Outcome::Failed;
    if judged.checked.verdict != Verdict::Valid || !of_this_meter {
        return None;
    }
    let context = match signed.moment {
        Moment::Begin => ReadingContext::TransactionBegin,
        Moment::End => ReadingContext::TransactionEnd,
        Moment::During | Moment::Other => return None,
    };
    let energy_wh = match signed.unit.as_str() {
        "kWh" => signed.register?.checked_mul(Decimal::ONE_THOUSAND)?,
        "Wh" => signed.register?,
        _ => return None,
    };
    Some(RegisterSample { side: Side::Signed, context, at: reading.time(), energy_wh })
}

fn record(reading: &Reading, value: SignedValue, judged: Option<Judged>) -> SignedRecord {
    let (connector, at) = (reading.connector, reading.time());
    let Some(Judged { checked, key_source }) = judged else {
        let verdict = "unchecked".to_owned();
        let layers = "{}".to_owned();
        return SignedRecord {
            connector,
            at,
            value,
            format: None,
            verdict,
            key_source: None,
            meter_serial: None,
            layers,
        };
    };
    let word = |value: serde_json::Value| value.as_str().map(str::to_owned);
    SignedRecord {
        connector,
        at,
        value,
        format: checked.format.and_then(|format| serde_json::to_value(format).ok()).and_then(word),
        verdict: serde_json::to_value(checked.verdict).ok().and_then(word).unwrap_or_default(),
        key_source,
        meter_serial: checked.meter_serial,
        layers: serde_json::to_string(&checked.layers).unwrap_or_default(),
    }
}
