//! Maps as they read, what they say on the wire, and what they make of replies.

use super::*;

fn decimal(text: &str) -> Decimal {
    text.parse().expect("literal")
}

#[test]
fn every_map_of_the_folder_reads_and_says_what_it_assumes() {
    let maps = InstrumentModel::all().expect("readable");
    assert_eq!(maps.len(), 4);
    for map in maps {
        assert!(!map.facts.is_empty() && !map.assumed.is_empty(), "{}", map.model);
        assert!(map.complete().ends_with('?') && map.error().ends_with('?'), "{}", map.model);
    }
}

#[test]
fn a_map_without_an_operation_it_needs_is_refused_by_name() {
    let text = FILES.get_file("zera-like.toml").and_then(include_dir::File::contents_utf8).expect("there");
    let broken = text.replace("energy = {", "enemy = {");
    let error = InstrumentModel::parse("x.toml", &broken).expect_err("incomplete");
    assert!(error.to_string().contains("energy is missing"), "{error}");
}

// A dead man that is told to nobody never acts, and the run would believe that it does.
#[test]
fn a_map_that_says_or_asks_nothing_is_refused_by_name() {
    let check = |file: &str, from: &str, to: &str, said: &str| {
        let text = FILES.get_file(file).and_then(include_dir::File::contents_utf8).expect("there");
        assert!(InstrumentModel::parse(file, text).is_ok() && text.contains(from), "{from}");
        let error = InstrumentModel::parse(file, &text.replace(from, to)).expect_err(to);
        assert!(error.to_string().contains(said), "{error}");
    };
    let (fluke, dc, zera) = ("fluke-6105a-like.toml", "dc-phantom-like.toml", "zera-like.toml");
    let dead_man = r#"watchdog = { send = ["SYST:WATC:TIME {seconds}"], ask = "SYST:WATC:TIME?" }"#;
    for file in [fluke, dc] {
        check(file, dead_man, "watchdog = { }", "watchdog sends nothing");
        check(file, dead_man, "watchdog = { send = [] }", "watchdog sends nothing");
        check(file, dead_man, r#"watchdog = { send = [" "] }"#, "watchdog sends nothing");
        check(
            file,
            dead_man,
            r#"watchdog = { send = ["SYST:WATC ON"] }"#,
            "watchdog has no place for {seconds}",
        );
        check(file, r#"ask = "OUTP:STAT?""#, r#"send = ["OUTP:STAT?"]"#, "output_state asks nothing");
        check(file, r#"send = ["OUTP:STAT OFF"]"#, "", "output_off sends nothing");
        check(file, r#"ask = "SENS:TEMP?""#, r#"ask = " ""#, "temperature asks nothing");
    }
    check(fluke, "FREQ {frequency}", "FREQ 50", "set_frequency has no place for {frequency}");
    check(fluke, "{current},{angle}", "{current},0", "set_current has no place for {angle}");
    check(dc, "VOLT {voltage}", "VOLT 500", "set_voltage has no place for {voltage}");
    check(zera, r#"ask = "CALC:SEM1:ENER?", "#, "", "energy asks nothing");
    check(zera, r#"send = ["CALC:SEM1:STAR"]"#, "", "integrate_start sends nothing");
    check(zera, "PULS {pulses}", "PULS 10", "pulses_arm has no place for {pulses}");
    check(zera, r#"models = ["COM", "MT"]"#, "models = []", "no model");
}

#[test]
fn a_dead_man_that_tells_another_time_is_not_armed() {
    let model = InstrumentModel::named("fluke-6105a-like").expect("known");
    let armed = |reply| model.source_reply(&SourceCommand::Watchdog { seconds: 15 }, reply);
    for reply in ["15", "+1.5E1", "15.000"] {
        assert_eq!(armed(reply), Ok(Reply::Done), "{reply}");
    }
    for reply in ["0", "600", "", "OFF"] {
        assert!(armed(reply).is_err(), "{reply}");
    }
}

// IEEE 488.2: maker, model, serial number, firmware. The header of the first file names three models.
#[test]
fn an_instrument_is_known_by_its_model_and_by_no_other_field() {
    let check = |model: &str, text: &str, serial: &str, expected| {
        let model = InstrumentModel::named(model).expect("known");
        assert_eq!(model.identity.is_told_by(text, serial), expected, "{text}");
    };
    let fluke = "fluke-6105a-like";
    for model in ["6105A", "6100A", "6003A", "6105A/E"] {
        check(fluke, &format!("FLUKE,{model},12345,1.0"), "12345", true);
        check(fluke, &format!("FLUKE, {model} , 12345 ,1.0"), "12345", true);
        check(fluke, &format!("FLUKE,{model},12345,1.0"), "12346", false);
        check(fluke, &format!("ACME,{model},12345,1.0"), "12345", false);
        check(fluke, &format!("FLUKE,5522A,{model}-7,1.0"), &format!("{model}-7"), false);
        check(fluke, &format!("FLUKE,5522A,12345,{model}"), "12345", false);
    }
    check(fluke, "FLUKE,5522A,61051,1.0", "61051", false);
    check("yokogawa-wt-like", "YOKOGAWA,WT1806E,C2-WT,F1", "C2-WT", true);
    check("yokogawa-wt-like", "YOKOGAWA,DL950,C2-WT,F1", "C2-WT", false);
    check("zera-like", "ZERA,COM3003,1,1", "1", true);
    check("zera-like", "RADIAN,ZERA,1,1", "1", false);
    check("dc-phantom-like", "VLDC,1000-300,1,1", "1", true);
    check("dc-phantom-like", "VLDC,60-300,1000,1", "1000", false);
}

#[test]
fn set_points_are_written_as_the_model_wants_them() {
    let set = SourceCommand::Set {
        voltage_v: decimal("220.0"),
        current_a: decimal("16"),
        angle_deg: decimal("60"),
        frequency_hz: decimal("50"),
    };
    let fluke = InstrumentModel::named("fluke-6105a-like").expect("known");
    assert_eq!(
        fluke.source_lines(&set).expect("speakable").send,
        [
            "SOUR:FREQ 50",
            "SOUR:PHAS1:VOLT:MHAR:HARM1 220,0",
            "SOUR:PHAS1:VOLT:STAT ON",
            "SOUR:PHAS1:CURR:MHAR:HARM1 16,60",
            "SOUR:PHAS1:CURR:STAT ON"
        ]
    );
    let dc = InstrumentModel::named("dc-phantom-like").expect("known");
    assert_eq!(dc.source_lines(&set).expect("speakable").send, ["SOUR:VOLT 220", "SOUR:CURR 16"]);
}

#[test]
fn energies_come_in_watt_hours_whatever_the_model_counts_in() {
    for (model, reply, expected) in [
        ("zera-like", "1.234567", "1234.567"),
        ("zera-like", "+1.2345E0", "1234.5"),
        ("yokogawa-wt-like", "1.23400E+03", "1234"),
    ] {
        let model = InstrumentModel::named(model).expect("known");
        let read = model.standard_reply(&StandardCommand::Energy, reply);
        assert_eq!(read, Ok(Reply::Number(decimal(expected))), "{reply}");
    }
}

#[test]
fn what_is_no_number_is_an_error_and_never_a_zero() {
    let model = InstrumentModel::named("yokogawa-wt-like").expect("known");
    for reply in ["", "NAN", "9.91E37", "1.2.3", "INF", "0x10", &"9".repeat(5000)] {
        assert!(model.standard_reply(&StandardCommand::Energy, reply).is_err(), "{reply:.20}");
    }
    assert!(model.standard_reply(&StandardCommand::Measure, "230.1,16.0").is_err(), "power is missing");
}

#[test]
fn an_error_queue_is_empty_when_its_number_is_zero() {
    for (reply, expected) in [
        ("0,\"No error\"", true),
        ("+0,\"No error\"", true),
        ("-222,\"Data out of range\"", false),
        ("", false),
    ] {
        assert_eq!(InstrumentModel::is_no_error(reply), expected, "{reply}");
    }
}
