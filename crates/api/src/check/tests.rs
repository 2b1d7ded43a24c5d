//! Tests of the page that checks records.

use super::*;
use crate::texts::Language;

#[test]
fn what_is_beyond_the_first_is_not_passed_over_in_silence() {
    let t = Texts::in_language(Language::En);
    let record = |n: usize| format!("<value><signedData>OCMF|{n}</signedData></value>");
    for (records, shown, told) in [
        (20, 20, None),
        (25, 20, Some("Only the first 20 of 25 records were checked; of the others nothing is said.")),
    ] {
        let record = format!("<values>{}</values>", (0..records).map(record).collect::<String>());
        let (values, all) = values(&Pasted { record, key: String::new() });
        let last = format!("OCMF|{}", shown - 1);
        assert_eq!(
            (values.len(), values.last().map(|(value, _)| value.data.as_str())),
            (shown, Some(&*last))
        );
        assert_eq!(cut(t.of("check.records_cut"), values.len(), all).as_deref(), told);
    }
    let value = SignedValue { data: "OCMF|".to_owned(), encoding_method: None, public_key: None };
    let mut judged = arrived::judge(&value, &[]);
    for (readings, listed, told) in
        [(50, 50, None), (60, 50, Some("The first 50 of 60 readings are listed; the verdict is of all."))]
    {
        let reading = |n: u32| veripile_ocpp::signed::SignedReading {
            moment: veripile_ocpp::signed::Moment::Begin,
            time: String::new(),
            register: Some(n.into()),
            unit: "kWh".to_owned(),
            obis: String::new(),
        };
        judged.checked.readings = (0..readings).map(reading).collect();
        let view = view(t, &judged, false);
        assert_eq!((view.readings.len(), view.cut.as_deref()), (listed, told));
    }
}

#[test]
fn a_stored_verdict_tells_its_layers() {
    let t = Texts::in_language(Language::En);
    let data = r#"OCMF|{"MS":"S","RD":[{"TM":"2026-03-01T08:00:00,000+0800 S","TX":"B","RV":1,"RI":"1-b:1.8.0","RU":"kWh","ST":"M","EF":""}]}|{}"#;
    let value = SignedValue { data: data.to_owned(), encoding_method: None, public_key: None };
    let judged = arrived::judge(&value, &[]).checked;
    let mut line = SignedLine {
        at: jiff::Timestamp::UNIX_EPOCH,
        connector: 1,
        format: None,
        verdict: "no_key".to_owned(),
        key_source: None,
        meter_serial: None,
        layers: serde_json::to_string(&judged.layers).expect("serializable"),
        reference: None,
        sealed: Vec::new(),
    };
    let told: Vec<_> = stored_layers(t, &line).into_iter().map(|l| (l.name, l.symbol, l.findings)).collect();
    let findings = |codes: &[&str]| {
        codes.iter().map(|code| t.of_owned(&format!("record.{code}")).to_owned()).collect::<Vec<_>>()
    };
    let expected = [
        ("Syntax", "✓", vec![]),
        ("Signature", "–", vec![]),
        ("Whose key", "✕", findings(&["no_key", "not_registered"])),
        ("A whole charge", "✕", findings(&["status_not_good"])),
    ];
    assert_eq!(told, expected);
    line.layers = "{}".to_owned();
    assert!(stored_layers(t, &line).is_empty(), "one that was not checked");
    // What was kept when the register's answer was not told yet.
    let of_before = |source, outcome: Outcome, codes: &[&str]| {
        let findings = codes.iter().map(|code| Finding { code: (*code).to_owned(), detail: String::new() });
        let mut layers = judged.layers.clone();
        layers.key = Layer { outcome, findings: findings.collect() };
        let layers = serde_json::to_string(&layers).expect("serializable");
        let line = SignedLine { key_source: source, layers, ..line.clone() };
        stored_layers(t, &line).swap_remove(2).findings
    };
    let (register, first) = (Some(KeySource::Register), Some(KeySource::FirstUse));
    assert_eq!(of_before(register, Outcome::Ok, &["no_register"]), findings(&["key_registered"]));
    assert_eq!(
        of_before(register, Outcome::Failed, &["no_register", "serial_differs"]),
        findings(&["serial_differs"])
    );
    assert_eq!(
        of_before(first, Outcome::NotChecked, &["no_register", "first_use"]),
        findings(&["not_registered", "first_use"])
    );
}

#[test]
fn a_record_is_read_as_its_file_says_that_it_is_written() {
    // printf 'OCMF|{"RD":[{"RV":1}]}|{}' | base32
    let data = "J5BU2RT4PMRFERBCHJNXWISSKYRDUML5LV6XY635";
    let record = format!(
        r#"<values><value><signedData format="OCMF" encoding="base32">{data}</signedData></value></values>"#
    );
    let (values, _) = values(&Pasted { record, key: String::new() });
    let judged = arrived::judge_written(&values[0].0, values[0].1, AskedOf::Nothing);
    assert_eq!((word(&judged.checked), judged.checked.readings.len()), ("no_key", 1));
}

#[test]
fn energy_is_of_one_register_and_says_which_where_there_are_several() {
    let t = Texts::in_language(Language::En);
    let row = |tx: &str, obis: &str, register: u32| {
        format!(
            r#"{{"TM":"2026-03-01T08:00:00,000+0800 S","TX":"{tx}","RV":{register},"RI":"{obis}","RU":"kWh","ST":"G","EF":""}}"#
        )
    };
    let energy = |rows: &[String]| {
        let data = format!(r#"OCMF|{{"FV":"1.0","MS":"S","RD":[{}]}}|{{"SD":"00"}}"#, rows.join(","));
        let judged = arrived::judge(&SignedValue { data, encoding_method: None, public_key: None }, &[]);
        let mut facts = facts(t, &judged.checked, None, false).into_iter();
        facts.find(|(name, _)| *name == t.of("check.energy")).map(|(_, told)| told)
    };
    let (begin, end) = (row("B", "1-b:1.8.0", 100), row("E", "1-b:1.8.0", 110));
    let (out, out_end) = (row("B", "1-b:2.8.0", 5), row("E", "1-b:2.8.0", 5));
    assert_eq!(energy(&[begin.clone(), end.clone()]).as_deref(), Some("10 kWh"));
    let both = energy(&[begin.clone(), out, end, out_end.clone()]);
    assert_eq!(both.as_deref(), Some("10 kWh (register 1-b:1.8.0, one of 2)"));
    assert_eq!(energy(&[begin, out_end]), None, "one register at each end");
}

#[test]
fn a_key_that_somebody_typed_did_not_come_with_the_record_and_why_no_bill_rests_on_it_is_said() {
    let t = Texts::in_language(Language::En);
    let found = |code: &str| Finding { code: code.to_owned(), detail: String::new() };
    let value = SignedValue { data: "OCMF|".to_owned(), encoding_method: None, public_key: None };
    let told = |is_entered: bool, verdict: Verdict, key: Outcome, charge: Outcome| {
        let mut judged = arrived::judge(&value, &[]);
        judged.key_source = Some(KeySource::Message);
        judged.checked.verdict = verdict;
        judged.checked.billable = key == Outcome::Ok && charge == Outcome::Ok;
        judged.checked.layers.key = Layer { outcome: key, findings: vec![found("self_supplied")] };
        judged.checked.layers.transaction =
            Layer { outcome: charge, findings: vec![found("status_not_good")] };
        if is_entered {
            tell_entered(&mut judged);
        }
        let told = view(t, &judged, is_entered).facts;
        let of = |name: &str| told.iter().find(|(known, _)| *known == name).map(|(_, told)| told.clone());
        [of("Key from"), of("May a bill rest on it")].map(Option::unwrap_or_default)
    };
    let text = |code: &str| t.of_owned(&format!("record.{code}")).to_owned();
    let [came, typed, charge] = ["self_supplied", KEY_ENTERED, "status_not_good"].map(text);
    let supplied = "supplied with the record";
    let (good, bad) = (Outcome::Ok, Outcome::Failed);
    assert_eq!(told(false, Verdict::Valid, Outcome::NotChecked, good), [supplied, &format!("no: {came}")]);
    let both = format!("no: {typed}, {charge}");
    assert_eq!(told(true, Verdict::Valid, Outcome::NotChecked, bad), ["the one you gave", &both]);
    assert_eq!(told(false, Verdict::Valid, good, bad), [supplied, &format!("no: {charge}")]);
    assert_eq!(told(false, Verdict::Invalid, bad, bad), [supplied, "no: Signature invalid"]);
    assert_eq!(told(false, Verdict::Valid, good, good), [supplied, "yes"]);
}

#[test]
fn two_records_are_joined_whichever_was_pasted_first() {
    let t = Texts::in_language(Language::En);
    let record = |page: u32, tx: &str, register: u32| {
        let row = |obis: &str, register: u32| {
            format!(
                r#"{{"TM":"2026-03-01T08:00:00,000+0800 S","TX":"{tx}","RV":{register},"RI":"{obis}","RU":"kWh","ST":"G","EF":""}}"#
            )
        };
        let rows = [row("1-b:2.8.0", 5), row("1-b:1.8.0", register)].join(",");
        let data =
            format!(r#"OCMF|{{"FV":"1.0","PG":"T{page}","MS":"S","ID":"C","RD":[{rows}]}}|{{"SD":"00"}}"#);
        let value = SignedValue { data, encoding_method: None, public_key: None };
        let mut judged = arrived::judge(&value, &[]);
        judged.checked.verdict = Verdict::Valid;
        judged
    };
    let (begin, end) = (record(1, "B", 100), record(2, "E", 110));
    for values in [[begin.clone(), end.clone()], [end, begin]] {
        let energy = joined(t, &values).and_then(|joined| joined.energy);
        assert_eq!(energy.as_deref(), Some("10 kWh"));
    }
}

#[test]
fn a_fault_of_many_readings_is_told_once_and_its_particulars_each() {
    let finding = |code: &str| Finding { code: code.to_owned(), detail: "of one".to_owned() };
    let findings = ["bad_time", "bad_register", "bad_time"].map(finding).to_vec();
    let layer = Layer { outcome: Outcome::Failed, findings };
    let view = layer_view(Texts::in_language(Language::En), "", &layer);
    assert_eq!((view.findings.len(), view.details.len()), (2, 3), "{:?}", view.findings);
}

/// As editors save them: UTF-8 and UTF-16 with their marks, and what comes along when a text is copied from a page.
#[test]
fn marks_of_byte_order_are_no_part_of_a_record() {
    let record = "OCMF|{\"MS\":\"表\",\"RD\":[{\"RV\":1}]}|{}";
    let container =
        format!("<values><value><signedData format=\"OCMF\">{record}</signedData></value></values>");
    let utf16 = |text: &str, mark: &[u8], written: fn(u16) -> [u8; 2]| -> Vec<u8> {
        mark.iter().copied().chain(text.encode_utf16().flat_map(written)).collect()
    };
    for text in [record, container.as_str()] {
        for bytes in [
            text.as_bytes().to_vec(),
            format!("\u{feff}{text}\r\n").into_bytes(),
            format!(" \u{200b}\u{feff}{text}\u{200b}\n").into_bytes(),
            utf16(text, &[0xff, 0xfe], u16::to_le_bytes),
            utf16(text, &[0xfe, 0xff], u16::to_be_bytes),
        ] {
            let (values, all) = values(&Pasted { record: text_of(&bytes), key: "\u{feff} ".to_owned() });
            assert_eq!(all, 1);
            assert_eq!((values[0].0.data.as_str(), &values[0].0.public_key), (record, &None), "{bytes:x?}");
        }
    }
    assert_eq!(text_of(&[0xff, 0xfe, 0x31, 0, 0x32]), "1", "half a unit is none");
}

#[test]
fn a_key_that_does_not_read_is_another_thing_than_none() {
    let t = Texts::in_language(Language::En);
    let data = r#"OCMF|{"MS":"S","RD":[{"RV":1,"RU":"kWh"}]}|{"SD":"00"}"#;
    let title = |key: Option<&str>| {
        let value =
            SignedValue { data: data.to_owned(), encoding_method: None, public_key: key.map(str::to_owned) };
        let judged = arrived::judge(&value, &[]);
        let view = view(t, &judged, key.is_some());
        (view.verdict, view.title, view.why)
    };
    let (verdict, told, why) = title(None);
    assert_eq!((verdict, told), ("no_key", "No key to check it with"));
    let (unreadable, told_of_key, why_of_key) = title(Some("3059301306"));
    assert_eq!((unreadable, told_of_key), ("no_key", "The key does not read"));
    assert!(why != why_of_key && why_of_key.contains("PEM"), "{why_of_key}");
}
