//! Alfen and EDL40: what another library signed verifies, nothing else does, and nothing is told that is not signed.

use base64::Engine as _;
use proptest::prelude::*;

use super::super::sml::check_sum;
use super::*;

fn bare(checked: &Checked) -> (Vec<SignedReading>, Option<String>, Option<String>, Option<u64>) {
    let Checked { readings, meter_serial, session, page, .. } = checked.clone();
    (readings, meter_serial, session, page)
}

fn told(name: &str) -> (Verdict, bool, Vec<String>, Vec<String>) {
    let half = half(name);
    let checked = with_key(&half.signed_data, &half.public_key);
    let readings = checked.readings.iter().map(|reading| {
        let register = reading.register.map(|register| register.to_string()).unwrap_or_default();
        format!("{:?} {} {register} {} {}", reading.moment, reading.time, reading.unit, reading.obis)
    });
    let found = checked.layers.transaction.findings.iter().map(|finding| finding.code.clone());
    (checked.verdict, checked.billable, readings.collect(), found.collect())
}

fn check_told(name: &str, billable: bool, readings: &[&str], found: &[&str]) {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    assert_eq!(told(name), (Verdict::Valid, billable, owned(readings), owned(found)), "{name}");
}

#[test]
fn alfen_verifies_what_another_library_signed() {
    check_told(
        "alfen begin",
        false,
        &["Begin 2026-03-01T00:00:00Z 1234560 Wh 1-0:1.8.0*255"],
        &["one_reading"],
    );
    check_told("alfen end", false, &["End 2026-03-01T01:00:00Z 1250000 Wh 1-0:1.8.0*255"], &["one_reading"]);
    let error = ["Begin 2026-03-01T00:00:00Z 1234560 Wh 1-0:1.8.0*255"];
    check_told("alfen with an adapter error", false, &error, &["adapter_error"]);
    let power = ["Begin 2026-03-01T00:00:00Z 1234560 unit 27 1-0:1.8.0*255"];
    check_told("alfen of another unit", false, &power, &["no_energy"]);
    let unset = ["Begin 1970-01-01T00:12:57Z 1234560 Wh 1-0:1.8.0*255"];
    check_told("alfen with a clock never set", false, &unset, &["clock_unknown"]);
    let begin = half("alfen begin");
    let checked = with_key(&begin.signed_data, &begin.public_key);
    assert_eq!(checked.format, Some(Format::Alfen));
    assert_eq!(checked.meter_serial.as_deref(), Some("0A015453540000123456"));
    assert_eq!((checked.session.as_deref(), checked.page), (Some("7"), Some(41)));
    assert!(checked.layers.transaction.findings[0].detail.contains("the record of its end is missing"));
}

#[test]
fn edl40_verifies_what_another_library_signed() {
    let begin = ["Other 2026-03-01T00:00:00 12345.6 Wh 1-0:1.17.0*255"];
    check_told("edl40 begin", false, &begin, &["one_reading"]);
    check_told("edl40 with an escape in it", false, &begin, &["one_reading"]);
    let unset = ["Other 1970-01-01T00:12:57 12345.6 Wh 1-0:1.17.0*255"];
    check_told("edl40 with a clock never set", false, &unset, &["clock_unknown"]);
    let longer = half("edl40 of another curve");
    let checked = with_key(&longer.signed_data, &longer.public_key);
    assert_eq!(
        (checked.verdict, codes(&checked.layers.syntax)),
        (Verdict::Unsupported, vec!["variant_unknown"])
    );
    let begin = half("edl40 begin");
    let checked = with_key(&begin.signed_data, &begin.public_key);
    assert_eq!(checked.format, Some(Format::Edl40P));
    assert_eq!(checked.meter_serial.as_deref(), Some("09015453540000123456"));
    assert_eq!((checked.session.as_deref(), checked.page), (Some("434152442D31/0009"), Some(64)));
}

#[test]
fn isa_edl_40p_holds_a_whole_charge_at_its_end() {
    let start = "Begin 2026-03-01T00:00:00 25700000.0 Wh 1-0:1.8.0*128";
    let at = |now: &'static str| [start, now];
    check_told(
        "isa begin",
        false,
        &at("Begin 2026-03-01T00:00:05 25700000.0 Wh 1-0:1.8.0*255"),
        &["one_reading"],
    );
    check_told(
        "isa update",
        false,
        &at("During 2026-03-01T00:30:00 25701234.5 Wh 1-0:1.8.0*255"),
        &["one_reading"],
    );
    check_told("isa end", true, &at("End 2026-03-01T01:00:00 25712345.6 Wh 1-0:1.8.0*255"), &[]);
    check_told(
        "isa end that falls",
        false,
        &at("End 2026-03-01T01:00:00 25699999.9 Wh 1-0:1.8.0*255"),
        &["register_falls"],
    );
    assert_eq!(told("isa end before its begin").3, ["time_runs_back"]);
    assert!(told("isa end within the hour in autumn").1, "the clock shows local time");
    let end = half("isa end");
    let named = Record {
        signed_data: &end.signed_data,
        format: Some(Format::Edl40P),
        public_key: Some(&end.public_key),
        ..Record::default()
    };
    assert_eq!(codes(&check(&named).layers.syntax), ["other_format"]);
}

#[test]
fn another_key_never_verifies_a_binary_record_and_none_is_no_key() {
    let halves = lines(include_str!("../halves.jsonl"));
    for half in halves.iter().filter(|half| half.name != "edl40 of another curve") {
        for other in halves.iter().filter(|other| other.public_key != half.public_key) {
            let verdict = with_key(&half.signed_data, &other.public_key).verdict;
            assert!(matches!(verdict, Verdict::Invalid | Verdict::NoKey), "{} by {}", half.name, other.name);
        }
        // Alfen's records carry a key; it is not taken.
        assert_eq!(check_without_key(&half.signed_data), Verdict::NoKey, "{}", half.name);
    }
}

/// Parts of an Alfen record, the last two decoded.
fn alfen_parts(text: &str) -> (String, Vec<u8>, Vec<u8>) {
    let parts: Vec<&str> = text.split(';').collect();
    let bytes = |at: usize| data_encoding::BASE32.decode(parts[at].as_bytes()).expect("base32");
    (parts[..4].join(";"), bytes(4), bytes(5))
}

fn alfen(head: &str, data: &[u8], signature: &[u8]) -> String {
    let text = |bytes| data_encoding::BASE32.encode(bytes);
    format!("{head};{};{};", text(data), text(signature))
}

#[test]
fn not_one_bit_of_an_alfen_record_may_change() {
    let begin = half("alfen begin");
    let (head, data, signature) = alfen_parts(&begin.signed_data);
    assert_eq!(alfen(&head, &data, &signature), begin.signed_data);
    for bit in 0..(data.len() + signature.len()) * 8 {
        let mut both = [data.clone(), signature.clone()].concat();
        both[bit / 8] ^= 1 << (bit % 8);
        let changed = alfen(&head, &both[..data.len()], &both[data.len()..]);
        assert_eq!(with_key(&changed, &begin.public_key).verdict, Verdict::Invalid, "bit {bit}");
    }
}

#[test]
fn what_a_lenient_reader_of_alfen_would_forgive_is_not_forgiven() {
    let begin = half("alfen begin");
    let (signed, key) = (begin.signed_data.as_str(), begin.public_key.as_str());
    let (head, data, signature) = alfen_parts(signed);
    let check = |changed: String, verdict: Verdict, code: &str| {
        assert_ne!(changed, signed);
        let checked = with_key(&changed, key);
        let layers = &checked.layers;
        let found = [codes(&layers.syntax), codes(&layers.signature), codes(&layers.key)].concat();
        assert_eq!((checked.verdict, found.contains(&code)), (verdict, true), "{changed} {found:?}");
    };
    check(format!("{signed}x"), Verdict::Malformed, "wrong_parts");
    check(format!("{signed};"), Verdict::Malformed, "wrong_parts");
    check(signed.replacen("AP;", "AQ;", 1), Verdict::Malformed, "unknown_format");
    check(signed.replacen("AP;0", "AP;3", 1), Verdict::Malformed, "unknown_type");
    check(signed.replacen("0;3;", "0;4;", 1), Verdict::Valid, "unknown_version");
    check(head.clone(), Verdict::Malformed, "wrong_parts");
    check(alfen(&head, &data[..81], &signature), Verdict::Malformed, "data_unreadable");
    check(alfen(&head, &[&data[..], &[0]].concat(), &signature), Verdict::Malformed, "data_unreadable");
    check(alfen(&head, &data, &signature[..47]), Verdict::Invalid, "signature_unreadable");
    check(alfen(&head, &data, &[]), Verdict::Invalid, "signature_unreadable");
    check(alfen(&head, &data, &[0; 48]), Verdict::Invalid, "signature_unreadable");
    check(signed.replacen(&head, &head.to_lowercase(), 1), Verdict::Malformed, "unknown_format");
    check(alfen(&head, &data, &signature).replace("====;", "===;"), Verdict::Malformed, "data_unreadable");
    // The same bits in other letters: the last letter of the data has four bits that nobody needs.
    let at = signed.find("====;").expect("82 bytes need filling") - 1;
    let last = if &signed[at..=at] == "A" { "B" } else { "A" };
    let other: String = [&signed[..at], last, &signed[at + 1..]].concat();
    assert_ne!(with_key(&other, key).verdict, Verdict::Valid);
    // Another key in the record is told of, wherever the given one came from.
    let foreign = data_encoding::BASE32.encode(&[2; 25]);
    check(signed.replacen(key, &foreign, 1), Verdict::Valid, "key_in_record_differs");
    check(signed.replacen(key, "", 1), Verdict::Valid, "key_in_record_differs");
    let full = super::super::curve::Curve::Secp192r1
        .uncompressed(&data_encoding::BASE32.decode(key.as_bytes()).expect("base32"))
        .expect("a point");
    for given in [hex::encode(&full), hex::encode(&full[1..]), key.to_owned()] {
        assert_eq!(codes(&with_key(signed, &given).layers.key), ["no_register"], "the same key in full");
    }
    // Filling characters are of no account.
    assert_eq!(with_key(&signed.replace('=', ""), key).verdict, Verdict::Valid);
    assert_eq!(with_key(&format!(" {signed}\n"), key).verdict, Verdict::Valid);
}

/// The file with its check sum made right again.
fn summed(mut file: Vec<u8>) -> String {
    let end = file.len() - 2;
    let sum = check_sum(&file[..end]).to_le_bytes();
    file[end..].copy_from_slice(&sum);
    hex::encode(file)
}

#[test]
fn a_changed_bit_of_a_list_breaks_its_check_sum() {
    for name in ["edl40 begin", "isa end"] {
        let half = half(name);
        let file = hex::decode(&half.signed_data).expect("hexadecimal");
        assert_eq!(summed(file.clone()).to_uppercase(), half.signed_data);
        for bit in 0..file.len() * 8 {
            let mut file = file.clone();
            file[bit / 8] ^= 1 << (bit % 8);
            let verdict = with_key(&hex::encode(&file), &half.public_key).verdict;
            assert_eq!(verdict, Verdict::Malformed, "{name}, bit {bit}");
        }
    }
}

#[test]
fn whoever_mends_the_check_sum_changes_nothing_that_is_told() {
    for name in ["edl40 begin", "isa end"] {
        let half = half(name);
        let file = hex::decode(&half.signed_data).expect("hexadecimal");
        let before = bare(&with_key(&half.signed_data, &half.public_key));
        let mut invalid = 0;
        for bit in 0..(file.len() - 2) * 8 {
            let mut file = file.clone();
            file[bit / 8] ^= 1 << (bit % 8);
            let checked = with_key(&summed(file), &half.public_key);
            if checked.verdict == Verdict::Valid {
                assert_eq!(bare(&checked), before, "{name}, bit {bit}");
            }
            invalid += usize::from(checked.verdict == Verdict::Invalid);
        }
        // Every bit of the signature, of the meter's identity, of the register at least.
        assert!(invalid > (48 + 10 + 5) * 8, "{name}: {invalid}");
    }
}

#[test]
fn what_a_lenient_reader_of_lists_would_forgive_is_not_forgiven() {
    let half = half("edl40 begin");
    let (signed, key) = (half.signed_data.as_str(), half.public_key.as_str());
    let check = |changed: &str, verdict: Verdict, code: &str| {
        assert_ne!(changed, signed);
        let checked = with_key(changed, key);
        let found = [codes(&checked.layers.syntax), codes(&checked.layers.signature)].concat().join(" ");
        assert_eq!((checked.verdict, found.as_str()), (verdict, code), "{changed}");
    };
    let mended = |from: &str, to: &str| {
        assert_eq!(signed.matches(from).count(), 1, "{from}");
        summed(hex::decode(signed.replacen(from, to, 1)).expect("hexadecimal"))
    };
    check(&format!("{signed}00"), Verdict::Malformed, "more_than_a_record");
    check(&format!("{signed}{signed}"), Verdict::Malformed, "more_than_a_record");
    check(&signed[..signed.len() - 2], Verdict::Malformed, "transport_unreadable");
    check(&format!("{signed}0"), Verdict::Malformed, "bad_encoding");
    check(&mended("07810060080001", "07810060080002"), Verdict::Malformed, "field_missing");
    check(&mended("07810060080001", "078180817101FF"), Verdict::Malformed, "field_twice");
    check(&mended("078180817101FF", "078180817102FF"), Verdict::Unsupported, "variant_unknown");
    check(&mended("621E52FF56", "621B52FF56"), Verdict::Invalid, "signature_differs");
    check(&mended("621E52FF56", "621E520056"), Verdict::Invalid, "signature_differs");
    check(&mended("621E52FF56", "620152FF56"), Verdict::Invalid, "signature_differs");
    check(
        &mended("0B090154535400001234560781", "0B090154535400001234570781"),
        Verdict::Invalid,
        "signature_differs",
    );
    check(&mended("72630701", "72630801"), Verdict::Malformed, "list_missing");
    // The same file in other letters, and as bytes.
    let file = hex::decode(signed).expect("hexadecimal");
    let blanks = spaced(signed);
    let base64 = base64::engine::general_purpose::STANDARD.encode(file);
    for text in [signed.to_lowercase(), blanks, base64] {
        assert_eq!(with_key(&text, key).verdict, Verdict::Valid, "{text}");
        let decoded = Record {
            signed_data: signed,
            encoding: Encoding::Hex,
            public_key: Some(key),
            ..Record::default()
        };
        assert_eq!(super::super::check(&decoded).verdict, Verdict::Valid);
    }
}

proptest! {
    #[test]
    fn no_binary_record_makes_us_panic(
        text in "\\PC{0,100}",
        bytes in prop::collection::vec(any::<u8>(), 0..120),
        at in prop::collection::vec((0usize..400, any::<u8>()), 1..6),
    ) {
        let base32 = data_encoding::BASE32.encode(&bytes);
        with_key(&format!("AP;0;3;{text};{base32};{text};"), &text);
        with_key(&alfen("AP;1;3;", &[&bytes[..], &[0; 82]].concat()[..82], &bytes), "AMVBBEIORR2RGJLJ6YRZUGACQAXSDFCL66EIP3N7");
        let file = [&[0x1b; 4][..], &[1; 4], &bytes, &[0x1b; 4], &[0x1a, 0, 0, 0]].concat();
        with_key(&summed(file), &text);
        for name in ["edl40 begin", "isa end"] {
            let half = half(name);
            let mut file = hex::decode(&half.signed_data).expect("hexadecimal");
            let length = file.len();
            for (at, byte) in &at {
                file[at % length] = *byte;
            }
            with_key(&summed(file), &half.public_key);
        }
    }
}
