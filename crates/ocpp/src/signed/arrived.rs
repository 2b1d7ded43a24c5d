//! A signed value as it comes in a message: its format and encoding found, and judged with the keys known of the pile.
//!
//! Called by `gateway::signatures`. A key from the register outweighs everything; without one, the key that came first is
//! trusted from then on, and the verdict says so. What key a message brings along never makes it better.

use veripile_pile::{KeySource, MeterKey, SignedValue};

use super::{Checked, Encoding, Format, Outcome, Record, Verdict, check, decode, format_of};

/// What a file says of how a record in it is written. It counts where it fits, and where the record does not say so itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Written {
    /// Encoding of its bytes.
    pub encoding: Option<Encoding>,
    /// Its format.
    pub format: Option<Format>,
}

/// What the register of keys was asked.
#[derive(Debug, Clone, Copy)]
pub enum Asked<'a> {
    /// Nothing: nobody has one, or the record names no meter to ask for.
    Nothing,
    /// For the keys of a pile or of a meter: these are known, the first that the pile sent among them.
    Keys(&'a [MeterKey]),
}

/// A signed value with its verdict.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The verdict, layer by layer. The key layer is `ok` only with a key from the register, whatever the signature; a forged record can name
    /// the right meter.
    pub checked: Checked,
    /// Where the key came from that it was checked with; none where there was no key.
    pub key_source: Option<KeySource>,
}

/// Judges a value with the keys known of its pile.
pub fn judge(value: &SignedValue, known: &[MeterKey]) -> Judged {
    judge_written(value, Written::default(), Asked::Keys(known))
}

/// The same of a value out of a file that says how it is written, or where perhaps nobody was asked for keys.
pub fn judge_written(value: &SignedValue, written: Written, asked: Asked<'_>) -> Judged {
    let known: &[MeterKey] = match asked {
        Asked::Nothing => &[],
        Asked::Keys(known) => known,
    };
    let (encoding, format) = (encoding_of(&value.data, written), written.format);
    let tells_its_format = decode(&value.data, encoding).is_ok_and(|bytes| format_of(&bytes).is_some());
    let format = format.filter(|_| !tells_its_format);
    let with = |public_key: Option<&str>| {
        check(&Record { signed_data: &value.data, encoding, format, public_key, ..Record::default() })
    };
    let serial = with(None).meter_serial;
    let of = |source| candidates(known, source, serial.as_deref());
    for source in [KeySource::Register, KeySource::FirstUse] {
        let keys = of(source);
        let Some(first) = keys.first() else { continue };
        let (key, checked) = keys
            .iter()
            .map(|key| (*key, with(Some(&key.public_key))))
            .find(|(_, checked)| checked.verdict == Verdict::Valid)
            .unwrap_or_else(|| (*first, with(Some(&first.public_key))));
        let checked = weighed(answered(checked, asked, Some(source)), source, Some(key));
        return Judged { checked, key_source: Some(source) };
    }
    match &value.public_key {
        Some(own) => {
            let source = Some(KeySource::Message);
            let checked = weighed(answered(with(Some(own)), asked, source), KeySource::Message, None);
            Judged { checked, key_source: source }
        }
        None => Judged { checked: answered(with(None), asked, None), key_source: None },
    }
}

/// The keys of a source that may belong to the meter that signed: those of its serial number, or of none in particular.
fn candidates<'a>(known: &'a [MeterKey], source: KeySource, serial: Option<&str>) -> Vec<&'a MeterKey> {
    let of_source: Vec<_> = known.iter().filter(|key| key.source == source).collect();
    let fits = |key: &&&MeterKey| match (&key.meter_serial, serial) {
        (Some(of_key), Some(signed)) => same_serial(of_key, signed),
        _ => true,
    };
    let fitting: Vec<_> = of_source.iter().filter(fits).copied().collect();
    // Of registered keys all are tried: a record of another meter must be told as such, not as one without a key.
    if fitting.is_empty() && source == KeySource::Register { of_source } else { fitting }
}

/// Serial numbers are typed by hand from plates: case and blanks do not distinguish them.
fn same_serial(one: &str, other: &str) -> bool {
    let bare = |text: &str| text.split_whitespace().collect::<String>().to_lowercase();
    bare(one) == bare(other)
}

/// Whether no key was tried: the record does not read, or is signed in a way that is not known here.
fn is_untried(checked: &Checked) -> bool {
    matches!(checked.verdict, Verdict::Malformed | Verdict::Unsupported)
}

/// Says in the key layer that the register was not asked, or that it had nothing; what it had, [`weighed`] says.
fn answered(mut checked: Checked, asked: Asked<'_>, source: Option<KeySource>) -> Checked {
    if is_untried(&checked) {
        return checked;
    }
    let layer = &mut checked.layers.key;
    layer.findings.retain(|finding| finding.code != "no_register");
    match (asked, source) {
        (Asked::Nothing, _) => layer.remark("no_register", "whose key this is was not asked"),
        (Asked::Keys(_), Some(KeySource::Register)) => {}
        (Asked::Keys(_), _) => {
            layer.remark("not_registered", "the register was asked; no key of this meter was found there");
        }
    }
    checked
}

/// Says in the key layer what the key is worth that was tried. It is said of a bad signature, too: a record that was not signed with the
/// registered key is another thing than one of which nobody knows the key.
fn weighed(mut checked: Checked, source: KeySource, key: Option<&MeterKey>) -> Checked {
    if is_untried(&checked) {
        return checked;
    }
    let has_key = checked.verdict != Verdict::NoKey;
    let serials = key.and_then(|key| key.meter_serial.as_deref()).zip(checked.meter_serial.as_deref());
    let layer = &mut checked.layers.key;
    match (source, serials) {
        (KeySource::Register, Some((registered, signed))) if !same_serial(registered, signed) => {
            layer.object(
                "serial_differs",
                format!("signed by meter {signed:?}, the key is registered for {registered:?}"),
            );
        }
        (KeySource::Register, serials) => {
            // One that does not read is nobody's, though it is registered.
            if has_key {
                layer.outcome = Outcome::Ok;
            }
            match serials {
                Some((registered, _)) => {
                    let detail = format!("the register was asked: the key is that of meter {registered:?}");
                    layer.remark("key_registered", detail);
                }
                None => {
                    layer.remark("key_registered", "the register was asked: it has this key");
                    layer.remark("serial_not_compared", "the record or the register names no serial number");
                }
            }
        }
        (KeySource::FirstUse, _) => {
            layer.remark(
                "first_use",
                "the key is the first this pile sent; nobody has compared it with the meter",
            );
        }
        (KeySource::Message, _) => {
            layer.remark("self_supplied", "the key came with the record and proves nothing by itself");
        }
    }
    // Whose meter it was rests on a key that somebody compared with the meter.
    checked.billable &= checked.layers.key.outcome == Outcome::Ok;
    checked
}

/// How a container is written: as somebody says or as may be guessed, if that makes one of the known formats of it; else plain. Of
/// something that makes none, what is said counts where it decodes.
fn encoding_of(data: &str, written: Written) -> Encoding {
    let said = written.encoding.filter(|said| *said != Encoding::Plain);
    let is_known =
        |encoding: &Encoding| decode(data, *encoding).is_ok_and(|bytes| format_of(&bytes).is_some());
    let decodes = |encoding: &Encoding| decode(data, *encoding).is_ok();
    let guessed = [Encoding::Hex, Encoding::Base64, Encoding::Base32];
    let found = said.into_iter().chain(guessed).find(is_known);
    found.or_else(|| said.filter(decodes)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::Value;

    use super::*;

    /// Two records on secp256r1, signed with another library, with their keys.
    fn records() -> Vec<(String, String)> {
        include_str!("records.jsonl")
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
            .map(|record| {
                let text = |name: &str| record[name].as_str().expect("text").to_owned();
                (text("signed_data"), text("public_key"))
            })
            .filter(|(_, key)| key.starts_with("3059"))
            .take(2)
            .collect()
    }

    fn value(data: &str, key: Option<&str>) -> SignedValue {
        SignedValue { data: data.to_owned(), encoding_method: None, public_key: key.map(str::to_owned) }
    }

    fn key(public_key: &str, serial: Option<&str>, source: KeySource) -> MeterKey {
        MeterKey { public_key: public_key.to_owned(), meter_serial: serial.map(str::to_owned), source }
    }

    #[test]
    fn every_way_of_writing_a_container_is_found() {
        let (data, public_key) = records().remove(0);
        let base32 = data_encoding::BASE32.encode(data.as_bytes());
        for written in [data.clone(), STANDARD.encode(&data), hex::encode(&data), base32] {
            let judged = judge(&value(&written, Some(&public_key)), &[]);
            assert_eq!(judged.checked.verdict, Verdict::Valid, "{written}");
            assert_eq!(judged.key_source, Some(KeySource::Message));
            assert_eq!(judged.checked.layers.key.outcome, Outcome::NotChecked, "it proves nothing");
        }
    }

    #[test]
    fn what_a_file_says_of_a_record_counts_where_it_fits() {
        let (data, _) = records().remove(0);
        let format = |data: &str, encoding, format| {
            let written = Written { encoding: Some(encoding), format: Some(format) };
            judge_written(&value(data, None), written, Asked::Nothing).checked.format
        };
        let base32 = data_encoding::BASE32.encode(data.as_bytes());
        assert_eq!(format(&base32, Encoding::Base32, Format::Ocmf), Some(Format::Ocmf));
        assert_eq!(format(&hex::encode(&data), Encoding::Base32, Format::Alfen), Some(Format::Ocmf));
        assert_eq!(format(&data, Encoding::Plain, Format::Pcdf), Some(Format::Ocmf));
        assert_eq!(format("00ff", Encoding::Hex, Format::Edl40P), Some(Format::Edl40P), "nothing else tells");
    }

    #[test]
    fn a_registered_key_outweighs_the_one_in_the_message() {
        let [(data, good), (_, other)] = <[_; 2]>::try_from(records()).expect("two");
        let serial = judge(&value(&data, None), &[]).checked.meter_serial.expect("a serial");
        let verdict = |keys: &[MeterKey]| {
            let judged = judge(&value(&data, Some(&good)), keys);
            (judged.checked.verdict, judged.key_source, judged.checked.layers.key.outcome)
        };
        let (register, first) = (KeySource::Register, KeySource::FirstUse);
        assert_eq!(verdict(&[key(&other, None, register)]).0, Verdict::Invalid, "although its own key fits");
        assert_eq!(
            verdict(&[key(&good, Some(&serial.to_lowercase()), register), key(&other, None, first)]),
            (Verdict::Valid, Some(register), Outcome::Ok)
        );
        assert_eq!(
            verdict(&[key(&good, Some("another meter"), register)]),
            (Verdict::Valid, Some(register), Outcome::Failed),
            "signed by the right key, of a meter that is not registered here"
        );
        assert_eq!(verdict(&[key(&good, None, first)]), (Verdict::Valid, Some(first), Outcome::NotChecked));
        assert_eq!(verdict(&[key(&other, Some(&serial), first)]).0, Verdict::Invalid, "the key has changed");
        assert_eq!(
            verdict(&[key(&other, Some("the other outlet's"), first)]).1,
            Some(KeySource::Message),
            "each meter of a pile has a first key of its own"
        );
    }

    #[test]
    fn the_key_layer_says_what_the_register_was_asked_and_what_it_answered() {
        let [(data, good), (_, other)] = <[_; 2]>::try_from(records()).expect("two");
        let serial = judge(&value(&data, None), &[]).checked.meter_serial.expect("a serial");
        let check = |asked: Asked<'_>, own: Option<&str>, expected: (Verdict, Outcome, &[&str])| {
            let checked = judge_written(&value(&data, own), Written::default(), asked).checked;
            let codes: Vec<&str> =
                checked.layers.key.findings.iter().map(|finding| finding.code.as_str()).collect();
            assert_eq!((checked.verdict, checked.layers.key.outcome, codes.as_slice()), expected);
            assert!(!checked.billable || checked.layers.key.outcome == Outcome::Ok);
        };
        let known = |public_key: &str, serial: Option<&str>, source| [key(public_key, serial, source)];
        let (register, first) = (KeySource::Register, KeySource::FirstUse);
        let (own, of_meter) = (Some(good.as_str()), Some(serial.as_str()));
        let (valid, invalid) = (Verdict::Valid, Verdict::Invalid);
        let (fine, failed, open) = (Outcome::Ok, Outcome::Failed, Outcome::NotChecked);
        // Found for this meter; for this pile, where nobody wrote down which meter; for another.
        let keys = known(&good, of_meter, register);
        check(Asked::Keys(&keys), None, (valid, fine, &["key_registered"]));
        let keys = known(&good, None, register);
        check(Asked::Keys(&keys), None, (valid, fine, &["key_registered", "serial_not_compared"]));
        let keys = known(&good, Some("another meter"), register);
        check(Asked::Keys(&keys), own, (valid, failed, &["serial_differs"]));
        // The right key, and a record that it did not sign.
        let keys = known(&other, of_meter, register);
        check(Asked::Keys(&keys), own, (invalid, fine, &["key_registered"]));
        let keys = known("no key", of_meter, register);
        check(Asked::Keys(&keys), own, (Verdict::NoKey, failed, &["key_unreadable", "key_registered"]));
        // Not found.
        let keys = known(&good, None, first);
        check(Asked::Keys(&keys), None, (valid, open, &["not_registered", "first_use"]));
        check(Asked::Keys(&[]), own, (valid, open, &["not_registered", "self_supplied"]));
        check(Asked::Keys(&[]), None, (Verdict::NoKey, failed, &["no_key", "not_registered"]));
        // Not asked.
        check(Asked::Nothing, own, (valid, open, &["no_register", "self_supplied"]));
        check(Asked::Nothing, None, (Verdict::NoKey, failed, &["no_key", "no_register"]));
        // Nobody tried a key.
        let judged = judge(&value("nonsense", own), &[]);
        assert_eq!((judged.checked.layers.key.outcome, judged.checked.layers.key.findings.len()), (open, 0));
    }

    #[test]
    fn without_any_key_there_is_no_verdict_on_the_signature() {
        let judged = judge(&value(&records()[0].0, None), &[]);
        assert_eq!((judged.checked.verdict, judged.key_source), (Verdict::NoKey, None));
        assert_eq!(judge(&value("nonsense", None), &[]).checked.verdict, Verdict::Malformed);
    }
}
