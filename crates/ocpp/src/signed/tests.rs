//! Signed records against signatures of an independent implementation: `records.jsonl` holds records of our own, signed with
//! PyCA `cryptography` under keys made for it.

mod binary;
mod container;
mod pair;

use proptest::prelude::*;

use super::*;

#[derive(serde::Deserialize)]
struct Known {
    name: String,
    public_key: String,
    signed_data: String,
}

fn lines(text: &str) -> Vec<Known> {
    text.lines().map(|line| serde_json::from_str(line).expect("a record")).collect()
}

fn known() -> Vec<Known> {
    lines(include_str!("records.jsonl"))
}

/// Records of one reading or of a meter's list, from `halves.jsonl`, signed like the others.
fn half(name: &str) -> Known {
    let mut halves = lines(include_str!("halves.jsonl")).into_iter();
    halves.find(|half| half.name == name).expect("its name stands in the file")
}

fn with_key(signed_data: &str, public_key: &str) -> Checked {
    check(&Record { signed_data, public_key: Some(public_key), ..Record::default() })
}

/// Hexadecimal digits as some print them: in twos.
fn spaced(digits: &str) -> String {
    let twos: Vec<&str> = (0..digits.len()).step_by(2).map(|at| &digits[at..at + 2]).collect();
    twos.join(" ")
}

fn codes(layer: &Layer) -> Vec<&str> {
    layer.findings.iter().map(|finding| finding.code.as_str()).collect()
}

#[test]
fn every_curve_verifies_what_another_library_signed() {
    let known = known();
    assert_eq!(known.len(), 11);
    for record in &known {
        let checked = with_key(&record.signed_data, &record.public_key);
        assert_eq!(checked.verdict, Verdict::Valid, "{}: {checked:?}", record.name);
        assert_eq!(checked.billable, !record.name.starts_with("one reading"), "{}: {checked:?}", record.name);
        assert_eq!(checked.layers.key.outcome, Outcome::NotChecked, "nobody said whose key it is");
    }
}

#[test]
fn another_key_never_verifies() {
    let known = known();
    for record in &known {
        for other in known.iter().filter(|other| other.public_key != record.public_key) {
            let verdict = with_key(&record.signed_data, &other.public_key).verdict;
            // A bare point of another curve is no key at all.
            assert!(
                matches!(verdict, Verdict::Invalid | Verdict::NoKey),
                "{} with the key of {}: {verdict:?}",
                record.name,
                other.name
            );
        }
        let without = check(&Record { signed_data: &record.signed_data, ..Record::default() });
        assert_eq!(without.verdict, Verdict::NoKey);
    }
}

#[test]
fn not_one_changed_byte_of_what_is_signed_verifies() {
    for record in known() {
        let start = "OCMF|".len();
        let end = record.signed_data.rfind('|').expect("two bars");
        for at in start..end {
            let mut bytes = record.signed_data.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(text) = String::from_utf8(bytes) else { continue };
            let verdict = with_key(&text, &record.public_key).verdict;
            assert!(
                matches!(verdict, Verdict::Invalid | Verdict::Malformed),
                "{} at {at}: {verdict:?}",
                record.name
            );
        }
    }
}

#[test]
fn what_a_lenient_reader_would_forgive_is_not_forgiven() {
    let record = &known()[0];
    let (signed, key) = (record.signed_data.as_str(), record.public_key.as_str());
    let check = |changed: String, expected: Verdict| {
        assert_ne!(changed, signed);
        assert_eq!(with_key(&changed, key).verdict, expected, "{changed}");
    };
    check(signed.replace("12.500", "12.5"), Verdict::Invalid);
    check(signed.replace("12.500", "12.5000"), Verdict::Invalid);
    check(signed.replace(r#""GI":"T""#, r#""GI" :"T""#), Verdict::Invalid);
    check(signed.replace("}|{", "} |{"), Verdict::Invalid);
    check(signed.replace("OCMF|{", "OCMF| {"), Verdict::Invalid);
    check(signed.replace(r#""PG":"T12","#, r#""PG":"T12","PG":"T13","#), Verdict::Malformed);
    check(signed.replace(r#""RV":12.500"#, r#""RV":12.500,"RV":13"#), Verdict::Malformed);
    check(signed.replace(r#"{"SD""#, r#"{"SD":"00","SD""#), Verdict::Malformed);
    check(signed.rsplit_once('|').expect("two bars").0.to_owned(), Verdict::Malformed);
    check(format!("{signed}|{{}}"), Verdict::Malformed);
    check(signed.replace("OCMF", "ocmf"), Verdict::Malformed);
    check(signed.replace(r#""SD":"30"#, r#""SD":"31"#), Verdict::Invalid);
    check(signed.replace(r#"{"SD""#, r#"{"SA":"ECDSA-secp192k1-SHA256","SD""#), Verdict::Unsupported);
    check(signed.replace(r#"{"SD""#, r#"{"SA":"RSA-2048","SD""#), Verdict::Unsupported);
    check(signed.replace(r#"{"SD""#, r#"{"SA":"ECDSA-secp256k1-SHA256","SD""#), Verdict::Invalid);
    // Blanks around the whole record are the mail's, not the meter's.
    assert_eq!(with_key(&format!("\n  {signed}\n"), key).verdict, Verdict::Valid);
}

#[test]
fn a_record_may_be_written_in_hexadecimal_or_base64() {
    use base64::Engine as _;
    let record = &known()[0];
    for (encoding, signed_data) in [
        (Encoding::Hex, hex::encode(&record.signed_data)),
        (Encoding::Base64, base64::engine::general_purpose::STANDARD.encode(&record.signed_data)),
    ] {
        let record = Record {
            signed_data: &signed_data,
            encoding,
            public_key: Some(&record.public_key),
            ..Record::default()
        };
        assert_eq!(check(&record).verdict, Verdict::Valid);
    }
}

#[test]
fn readings_inherit_what_they_leave_out_and_stay_exact() {
    let record = &known()[0];
    let checked = with_key(&record.signed_data, &record.public_key);
    let told: Vec<_> = checked
        .readings
        .iter()
        .map(|r| {
            (r.moment, r.register.map(|register| register.to_string()), r.unit.as_str(), r.obis.as_str())
        })
        .collect();
    assert_eq!(
        told,
        [
            (Moment::Begin, Some("12.500".to_owned()), "kWh", "1-b:1.8.0"),
            (Moment::End, Some("32.750".to_owned()), "kWh", "1-b:1.8.0")
        ]
    );
    assert_eq!(checked.meter_serial.as_deref(), Some("SN-1"));
}

#[test]
fn what_may_not_be_billed_says_why() {
    let of = |rows: &str| {
        let record = format!(r#"OCMF|{{"FV":"1.0","PG":"T1","MS":"S","RD":[{rows}]}}|{{"SD":"00"}}"#);
        let layer = with_key(&record, "04").layers.transaction;
        (layer.outcome, codes(&layer).join(" "))
    };
    let row = |tm: &str, tx: &str, rv: &str, rest: &str| {
        format!(r#"{{"TM":"{tm}","TX":"{tx}","RV":{rv},"RI":"1-b:1.8.0","RU":"kWh"{rest}}}"#)
    };
    let good = r#","ST":"G","EF":"""#;
    let begin = row("2026-03-01T08:00:00,000+0100 S", "B", "5", good);
    let check = |end: String, expected: &str| {
        let (outcome, found) = of(&format!("{begin},{end}"));
        assert_eq!((outcome == Outcome::Failed, found.as_str()), (!expected.is_empty(), expected));
    };
    check(row("2026-03-01T09:00:00,000+0100 S", "E", "6.5", good), "");
    check(row("2026-03-01T09:00:00,000+0100 S", "C", "6.5", good), "last_not_end");
    check(row("2026-03-01T09:00:00,000+0100 S", "E", "4.9", good), "register_falls");
    check(row("2026-03-01T07:00:00,000+0100 S", "E", "6", good), "time_runs_back");
    check(row("2026-03-01T07:30:00,000+0000 S", "E", "6", good), "");
    check(row("2026-03-01T09:00:00,000+0100 U", "E", "6", good), "clock_unknown");
    check(row("2026-03-01T09:00:00,000+0100 S", "E", "6", r#","ST":"M","EF":"""#), "status_not_good");
    check(row("2026-03-01T09:00:00,000+0100 S", "E", "6", r#","ST":"G","EF":"E""#), "error_flag");
    check(row("2026-03-01T09:00:00,000+0100 S", "X", "6", good), "last_not_end exception");
    assert_eq!(of(&begin), (Outcome::NotChecked, "one_reading".to_owned()));
    let exported = |row: String| row.replace("1.8.0", "2.8.0").replace(r#""RV":5"#, r#""RV":9"#);
    let end = row("2026-03-01T09:00:00,000+0100 S", "E", "6.5", good);
    let (out, out_end) = (exported(begin.clone()), exported(end.clone()).replace("6.5", "9"));
    assert_eq!(of(&format!("{begin},{out},{end},{out_end}")), (Outcome::Ok, "registers_several".to_owned()));
    assert_eq!(of(&format!("{begin},{out}")), (Outcome::NotChecked, "one_reading".to_owned()), "at one end");
    assert_eq!(of(&format!("{begin},{begin}")).1, "last_not_end", "read twice");
    assert_eq!(of(&format!("{begin},{out_end}")).1, "registers_several register_differs");
    let other = |row: &str| row.replace("1.8.0", "3.8.0");
    assert_eq!(of(&format!("{},{out},{},{out_end}", other(&begin), other(&end))).1, "register_unclear");
    let end_first = row("2026-03-01T09:00:00,000+0100 S", "E", "6.5", good);
    assert_eq!(of(&format!("{end_first},{end_first}")).1, "first_not_begin");
}

#[test]
fn what_has_the_shape_of_no_format_is_malformed() {
    let verdict = |signed_data: &str| check(&Record { signed_data, ..Record::default() }).verdict;
    assert_eq!(verdict("AP;0;3;KEY;DATA;SIGNATURE;"), Verdict::Malformed);
    assert_eq!(verdict("1B1B1B1B01010101"), Verdict::Malformed);
    assert_eq!(verdict("128.8.0(ST:1)(RV:1*kWh)(SG:00)"), Verdict::Malformed, "fields are missing");
    assert_eq!(verdict("hello"), Verdict::Malformed);
    assert_eq!(verdict(""), Verdict::Malformed);
    assert_eq!(verdict(&"x".repeat(RECORD_BYTES_MAX + 1)), Verdict::Malformed);
}

#[test]
fn pcdf_verifies_what_another_library_signed_and_nothing_else() {
    let (key, signed) = include_str!("pcdf.txt").trim().split_once('\n').expect("two lines");
    let checked = with_key(signed, key);
    assert_eq!((checked.verdict, checked.billable), (Verdict::Valid, true), "{checked:?}");
    assert_eq!(checked.readings[0].register.map(|register| register.to_string()).as_deref(), Some("12.345"));
    assert_eq!(with_key(&format!("\u{2}{signed}\u{3}"), key).verdict, Verdict::Valid);
    for at in 0..signed.rfind("(SG:").expect("a signature") {
        let mut bytes = signed.to_owned().into_bytes();
        bytes[at] ^= 1;
        let Ok(text) = String::from_utf8(bytes) else { continue };
        let verdict = with_key(&text, key).verdict;
        assert!(matches!(verdict, Verdict::Invalid | Verdict::Malformed), "{at}: {verdict:?}");
    }
    let check = |changed: String, expected: &str| {
        assert_ne!(changed, signed);
        let layers = with_key(&changed, key).layers;
        let found = [codes(&layers.syntax), codes(&layers.transaction)].concat().join(" ");
        assert_eq!(found, expected, "{changed}");
    };
    check(signed.replace("(SP:1)", "(SP:0)"), "stop_missing");
    check(signed.replace("(BV:1)(", "(BV:0)("), "billing_not_valid");
    check(signed.replace("(TV:1)", "(TV:0)"), "clock_unknown");
    check(signed.replace("CT:260301083000", "CT:260301073000"), "time_runs_back");
    check(signed.replace("CT:260301083000", "CT:261301073000"), "bad_time");
    check(signed.replace("(DT:0)", ""), "field_missing");
    check(signed.replace("(DT:0)", "(DT:0)(DT:0)"), "field_twice");
    check(format!("{signed}(DT:0)"), "field_twice");
    check(signed.replace("(DT:0)", "(DT:0)x"), "field_unreadable");
    let other = &known()[0].public_key;
    assert_eq!(with_key(signed, other).verdict, Verdict::Invalid, "the key in the record proves nothing");
    assert_eq!(check_without_key(signed), Verdict::NoKey);
}

fn check_without_key(signed_data: &str) -> Verdict {
    check(&Record { signed_data, ..Record::default() }).verdict
}

/// One key, printed in every way in which it comes with OCPP (OCA, signed meter values, and chargers that know better).
#[test]
fn a_key_is_read_however_it_is_printed() {
    use base64::Engine as _;
    let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let digits = half("ocmf begin").public_key;
    let der = hex::decode(&digits).expect("hexadecimal");
    let point = &der[der.len() - 65..];
    let check = |text: &str, encoding: Option<Encoding>, curve: Option<curve::Curve>| {
        let key = key::PublicKey { curve, point: point.to_vec() };
        assert_eq!(key::read(text, encoding), Ok(key), "{text}");
    };
    let named = Some(curve::Curve::Secp256r1);
    let blanks = spaced(&digits);
    check(&digits, None, named);
    check(&digits.to_uppercase(), Some(Encoding::Hex), named);
    check(&digits, Some(Encoding::Plain), named);
    check(&blanks, None, named);
    check(&base64(&der), None, named);
    check(&base64(&der), Some(Encoding::Base64), named);
    check(&base64(digits.as_bytes()), None, named);
    check(&base64(digits.as_bytes()), Some(Encoding::Base64), named);
    check(&format!("oca:base16:asn1:{digits}"), None, named);
    check(&format!("oca:base64:asn1:{}", base64(&der)), Some(Encoding::Hex), named);
    check(&base64(format!("oca:base16:asn1:{digits}").as_bytes()), None, named);
    check(&base64(format!("oca:base64:asn1:{}", base64(&der)).as_bytes()), Some(Encoding::Base64), named);
    check(&hex::encode(point), None, None);
    check(&hex::encode(&point[1..]), None, None);
    check(&base64(point), None, None);
    check(&data_encoding::BASE32.encode(point), None, None);
    check(&data_encoding::BASE32.encode(&der), Some(Encoding::Base32), named);
    // As openssl writes it, in lines of 64.
    let lines: Vec<String> =
        base64(&der).as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    let armoured = |end: &str| {
        format!("-----BEGIN PUBLIC KEY-----{end}{}{end}-----END PUBLIC KEY-----{end}", lines.join(end))
    };
    for text in [armoured("\n"), armoured("\r\n"), armoured(" "), format!("\u{feff}{}", armoured("\n"))] {
        check(&text, None, named);
        check(&base64(text.as_bytes()), None, named);
    }
    check(&format!("0x{digits}"), None, named);
    check(&format!(" 0X{blanks}"), Some(Encoding::Hex), named);
    let short = half("edl40 begin").public_key;
    let full = [vec![4], hex::decode(&short).expect("hexadecimal")].concat();
    for text in [short.clone(), base64(short.as_bytes()), base64(&full)] {
        assert_eq!(
            key::read(&text, None).map(|key| key.point),
            Ok(full.clone()),
            "48 bytes are x and y of P-192"
        );
    }
    assert!(key::read(&digits[..digits.len() - 2], None).is_err());
    assert!(key::read(&format!("oca:base16:rsa:{digits}"), None).is_err());
    assert!(key::read(&base64(&der), Some(Encoding::Hex)).is_err());
    assert!(key::read("", None).is_err());
    assert!(key::read("0x", None).is_err() && key::read("-----BEGIN PUBLIC KEY-----", None).is_err());
    let mut nested = digits;
    for _ in 0..4 {
        nested = format!("oca:base64:asn1:{}", base64(nested.as_bytes()));
    }
    assert!(key::read(&nested, None).is_err(), "texts within texts end somewhere");
}

/// Keys of another library, of each curve: written as others write them they are found by any of these texts.
#[test]
fn a_key_is_found_by_however_it_is_written() {
    use base64::Engine as _;
    let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let sorted = |text: &str| {
        let mut all = key::writings(text);
        all.sort();
        all.dedup();
        all
    };
    let is_plain = |key: &String| key.starts_with("30") && key.bytes().all(|byte| byte.is_ascii_hexdigit());
    for digits in known().into_iter().map(|record| record.public_key).filter(is_plain) {
        let key = key::read(&digits, None).expect("a key");
        let der = hex::decode(&digits).expect("hexadecimal");
        let point = &der[der.len() - key.point.len()..];
        let all = sorted(&digits);
        for text in [digits.to_uppercase(), base64(&der), hex::encode(point), base64(&point[1..])] {
            assert!(all.contains(&text), "{text}");
            assert_eq!(key::read(&text, None).map(|key| key.point), Ok(key.point.clone()));
            assert!(key::writings(&text).contains(&digits), "{text}");
        }
        assert_eq!(sorted(&spaced(&digits)).len(), all.len() + 1, "and as it stands");
    }
    assert_eq!(key::writings(" no key "), ["no key"]);
}

proptest! {
    #[test]
    fn nothing_makes_us_panic(text in "\\PC{0,200}", key in "\\PC{0,80}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for encoding in [Encoding::Plain, Encoding::Hex, Encoding::Base64, Encoding::Base32] {
            check(&Record { signed_data: &text, encoding, public_key: Some(&key), ..Record::default() });
        }
        for format in [Format::Ocmf, Format::Pcdf, Format::Alfen, Format::IsaEdl40P, Format::Edl40P] {
            check(&Record { signed_data: &text, format: Some(format), public_key: Some(&key), ..Record::default() });
        }
        let _ = key::read(&hex::encode(&bytes), None);
        let _ = key::read(&text, None);
        with_key(&format!("OCMF|{text}|{key}"), &hex::encode(&bytes));
        with_key(&format!("128.8.0({text})(SG:{key})"), &hex::encode(&bytes));
        let nested = "[".repeat(500);
        with_key(&format!("OCMF|{{\"RD\":{nested}"), &key);
    }

    #[test]
    fn a_cut_or_spliced_record_never_verifies(cut in 0usize..400, with in "\\PC{0,10}") {
        let record = &known()[0];
        let mut text: String = record.signed_data.chars().take(cut).collect();
        text.push_str(&with);
        if text != record.signed_data {
            prop_assert_ne!(with_key(&text, &record.public_key).verdict, Verdict::Valid);
        }
    }
}
