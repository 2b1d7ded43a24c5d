//! Whole conversations in the four dialects, and every error.

use super::*;

/// Lines and the replies to them.
type Conversation<'a> = &'a [(&'a str, &'a [&'a str])];

fn source(settings: BenchSettings) -> impl FnMut(&str) -> Vec<String> {
    let mut bench = Bench::new(settings, 1);
    move |line| {
        bench.advance(0.01);
        bench.source_line(line)
    }
}

fn standard(model: StandardModel) -> impl FnMut(&str) -> Vec<String> {
    let mut bench = Bench::new(BenchSettings { standard: model, ..exact() }, 1);
    move |line| bench.standard_line(line)
}

fn phantom() -> BenchSettings {
    BenchSettings { source: SourceModel::DcPhantom, kind: BenchKind::Dc, ..exact() }
}

fn check(mut say: impl FnMut(&str) -> Vec<String>, conversation: Conversation<'_>) {
    for (line, replies) in conversation {
        assert_eq!(say(line), *replies, "{line}");
    }
}

const NO_ERROR: &str = "0,\"No error\"";

#[test]
fn the_ac_source_is_spoken_to() {
    check(
        source(exact()),
        &[
            ("*IDN?", &["FLUKE,6105A,SIM-S-1,1.0"]),
            ("*RST", &[]),
            ("*CLS", &[]),
            ("SYST:WATC:TIME 10", &[]),
            ("SYST:WATC:TIME?", &["10"]),
            ("SOUR:PHAS1:VOLT:MHAR:HARM1 220,0", &[]),
            ("SOUR:PHAS1:VOLT:STAT ON", &[]),
            ("SOUR:PHAS1:CURR:MHAR:HARM1 3.2,60", &[]),
            ("SOUR:PHAS1:CURR:STAT ON", &[]),
            ("SOUR:FREQ 50", &[]),
            ("OUTP:STAT ON", &[]),
            ("*OPC?", &["1"]),
            ("OUTP:STAT?", &["1"]),
            ("SENS:TEMP?", &["23.0"]),
            ("SOUR:PHAS1:CURR:MHAR:HARM1?", &["3.200000,60.0000"]),
            ("SOUR:PHAS1:VOLT:STAT?", &["1"]),
            ("SOUR:FREQ?", &["50.0000"]),
            ("OUTP:STAT OFF", &[]),
            ("OUTP:STAT?", &["0"]),
            ("SYST:VERS?", &["1999.0"]),
            ("SYST:ERR?", &[NO_ERROR]),
        ],
    );
}

#[test]
fn the_dc_source_is_spoken_to() {
    check(
        source(phantom()),
        &[
            ("*IDN?", &["VLDC,1000-300,SIM-S-1,1.0"]),
            ("*RST", &[]),
            ("SOUR:VOLT 750", &[]),
            ("SOUR:CURR 160", &[]),
            ("SYST:WATC:TIME 10", &[]),
            ("OUTP:STAT ON", &[]),
            ("OUTP:STAT?", &["1"]),
            ("SOUR:VOLT?;CURR?", &["750.0000", "160.0000"]),
            ("SENS:TEMP?", &["23.0"]),
            ("*OPC?", &["1"]),
            ("OUTP:STAT OFF", &[]),
            ("SYST:ERR?", &[NO_ERROR]),
            ("SOUR:FREQ 50", &[]),
            ("SYST:ERR?", &["-113,\"Undefined header\""]),
        ],
    );
    let mut bench = Bench::new(BenchSettings { meter_noise_percent: 0.0, ..phantom() }, 1);
    bench.source_line("VOLT 750;CURR 160;:OUTP ON");
    bench.advance(3600.0);
    assert!((bench.state().true_wh - 120_000.0).abs() < 1e-6, "750 V, 160 A, 1 h");
}

#[test]
fn the_comparator_is_spoken_to() {
    let mut bench = Bench::new(exact(), 1);
    check(
        |line| bench.standard_line(line),
        &[
            ("*IDN?", &["ZERA,COM3003,SIM-R-1,1.0"]),
            ("*RST", &[]),
            ("*CLS", &[]),
            ("SENS:TEMP?", &["24.5"]),
            ("MEAS:UIP?", &["0.0000,0.00000,0.000"]),
            ("CALC:SEM1:RES", &[]),
            ("CALC:SEM1:STAR", &[]),
            // 7040 W lies in the range of 10 kW: 3.6e9 / 10,000.
            ("CALC:SEC1:CREF?", &["360000"]),
            ("CALC:SEC1:STAT?", &["IDLE"]),
            ("CALC:SEC1:STAR", &[]),
            ("SYST:ERR?", &["-221,\"Settings conflict\""]),
            ("CALC:SEC1:MREF?", &[]),
            ("SYST:ERR?", &["-230,\"Data corrupt or stale\""]),
            ("CALC:SEC1:CONS 1000", &[]),
            ("CALC:SEC1:PULS 10", &[]),
            ("CALC:SEC1:CONS?;PULS?", &["1000", "10"]),
            ("CALC:SEC1:STAR", &[]),
            ("CALC:SEC1:STAT?", &["RUN"]),
        ],
    );
    switch_on(&mut bench, 220.0, 32.0, 0.0);
    bench.advance(3600.0);
    check(
        |line| bench.standard_line(line),
        &[
            ("CALC:SEM1:STOP", &[]),
            ("MEAS:UIP?", &["220.0000,32.00000,7040.000"]),
            ("CALC:SEM1:ENER?", &["7.0400000"]),
            ("CALC:SEC1:STAT?", &["DONE"]),
            ("CALC:SEC1:STOP", &[]),
            ("CALC:SEC1:STAT?", &["IDLE"]),
            ("*OPC?", &["1"]),
            ("SYST:ERR?", &[NO_ERROR]),
            ("CALC:SEM1:RES", &[]),
            ("CALC:SEM1:ENER?", &["0.0000000"]),
        ],
    );
}

#[test]
fn the_analyser_is_spoken_to() {
    let mut bench = Bench::new(BenchSettings { standard: StandardModel::YokogawaWt, ..exact() }, 1);
    check(
        |line| bench.standard_line(line),
        &[
            ("*IDN?", &["YOKOGAWA,WT1806E,SIM-R-1,1.0"]),
            ("*RST", &[]),
            ("*CLS", &[]),
            ("NUM:NORM:VAL? 4", &["NAN"]),
            ("NUM:NORM:VAL?", &["NAN,NAN,NAN,NAN,NAN,NAN,NAN,NAN,NAN,NAN,NAN,NAN,NAN,NAN,NAN"]),
            ("NUM:NORM:ITEM1 U,1", &[]),
            ("NUM:NORM:ITEM2 I,1", &[]),
            ("NUM:NORM:ITEM3 P,1", &[]),
            ("NUM:NORM:ITEM4 WH,1", &[]),
            ("NUM:NORM:ITEM4?;ITEM5?", &["WH,1", "NONE"]),
            ("INTEG:RES", &[]),
            ("INTEG:STAR", &[]),
            ("INTEG:STAT?", &["STAR"]),
            ("INTEG:RES", &[]),
            ("STAT:ERR?", &["221,\"Settings conflict\""]),
        ],
    );
    switch_on(&mut bench, 220.0, 32.0, 0.0);
    bench.advance(3600.0);
    check(
        |line| bench.standard_line(line),
        &[
            ("INTEG:STOP", &[]),
            ("NUM:NORM:VAL? 4", &["7.04000E+03"]),
            ("NUM:NORM:NUM 5", &[]),
            ("NUM:NORM:VAL?", &["220.000E+00,32.0000E+00,7.04000E+03,7.04000E+03,NAN"]),
            ("NUM:NORM:ITEM1 NONE", &[]),
            ("NUM:NORM:VAL? 1", &["NAN"]),
            ("SYST:ERR?", &[]),
            ("STAT:ERR?", &["113,\"Undefined header\""]),
            ("STAT:ERR?", &["0,\"NO ERROR\""]),
            ("INTEG:RES", &[]),
            ("NUM:VAL? 4", &["0.00000E+00"]),
        ],
    );
}

#[test]
fn every_error_has_its_number() {
    let ac = |line: &str, code: i16| {
        let mut say = source(exact());
        assert!(say(line).is_empty(), "{line}");
        let error = say("SYST:ERR?").concat();
        assert!(error.starts_with(&format!("{code},\"")), "{line}: {error}");
        assert_eq!(say("SYST:ERR?"), [NO_ERROR], "{line}");
    };
    ac("SOUR:FREQ 5\u{fffd}0", -101);
    ac("SOUR::FREQ 50", -102);
    ac("SOUR:FREQ 50,", -102);
    ac(":", -102);
    ac("OUTP ON;;OUTP OFF", -102);
    ac("SOUR:FREQ fifty", -104);
    ac("SOUR:FREQ inf", -104);
    ac("SOUR:FREQ 50,60", -108);
    ac("*CLS 1", -108);
    ac("OUTP? 1", -108);
    ac("SOUR:FREQ", -109);
    ac("SOUR:PHAS1:VOLT:MHAR:HARM1 220", -109);
    ac("SOUR:VOLT 220", -113);
    ac("SOUR:FREQUENC 50", -113);
    ac("SENS:TEMP 5", -113);
    ac("*IDN", -113);
    ac("SOUR:PHAS2:VOLT:MHAR:HARM1 220,0", -114);
    ac("SOUR:PHAS1:VOLT:MHAR:HARM3 5,0", -114);
    ac("SOUR:PHAS1:VOLT:MHAR:HARM1 1008.1,0", -222);
    ac("SOUR:PHAS1:CURR:MHAR:HARM1 80.01,0", -222);
    ac("SOUR:PHAS1:CURR:MHAR:HARM1 8,181", -222);
    ac("SOUR:FREQ 15", -222);
    ac("SYST:WATC:TIME -1", -222);
    ac("*ESE 256", -222);
    ac("OUTP MAYBE", -224);

    let dc = |line: &str, code: i16| {
        let mut say = source(phantom());
        say(line);
        assert!(say("SYST:ERR?").concat().starts_with(&format!("{code},")), "{line}");
    };
    dc("SOUR:VOLT 1051", -222);
    dc("SOUR:CURR 300.1", -222);
    dc("SOUR:CURR 5,0", -108);

    let analyser = |line: &str, code: i16| {
        let mut say = standard(StandardModel::YokogawaWt);
        say(line);
        assert!(say("STAT:ERR?").concat().starts_with(&format!("{code},")), "{line}");
    };
    analyser("NUM:NORM:ITEM1 Q,1", 224);
    analyser("NUM:NORM:ITEM1 U,2", 222);
    analyser("NUM:NORM:ITEM1", 109);
    analyser("NUM:NORM:ITEM1 U,1,1", 108);
    analyser("NUM:NORM:ITEM256 U,1", 114);
    analyser("NUM:NORM:VAL? 0", 222);
    analyser("INTEG:RES 1", 108);
    analyser("CALC:SEM1:RES", 113);
}

#[test]
fn errors_come_in_their_order_and_an_overflow_takes_the_last_place() {
    let mut say = source(exact());
    say("SOUR:FREQ 1");
    (0..30).for_each(|_| drop(say("NONSENSE")));
    assert!(say("SYST:ERR?").concat().starts_with("-222,"));
    for _ in 0..18 {
        assert!(say("SYSTem:ERRor:NEXT?").concat().starts_with("-113,"));
    }
    assert_eq!(say(":syst:err?"), ["-350,\"Queue overflow\""]);
    assert_eq!(say("SYST:ERR?"), [NO_ERROR]);
    say("NONSENSE");
    say("*CLS");
    assert_eq!(say("SYST:ERR?"), [NO_ERROR]);
}

#[test]
fn a_bad_command_ends_its_line_and_a_bad_value_does_not() {
    let mut say = source(exact());
    assert_eq!(say("SOUR:FREQ 1;:OUTP?"), ["0"]);
    assert!(say("NONSENSE;:OUTP ON").is_empty());
    assert_eq!(say("OUTP?"), ["0"]);
    assert_eq!(
        say("SYST:ERR?;ERR?;ERR?"),
        ["-222,\"Data out of range\"", "-113,\"Undefined header\"", NO_ERROR]
    );
}

#[test]
fn headers_come_long_or_short_in_any_case_and_go_on_where_the_last_ended() {
    let mut say = source(exact());
    for line in [
        "source:phase1:voltage:mharmonics:harmonic1 100,0",
        ":SOURce:PHASe:VOLTage:MHARmonics:HARMonic 100 , 0",
        "PHAS1:VOLT:MHAR:HARM1 1.0E2,+0.0",
        "SOUR:PHAS1:VOLT:STAT OFF;MHAR:HARM1 100,0",
        "SOUR:PHAS1:VOLT:STAT OFF;*WAI;MHAR:HARM1 100,0",
    ] {
        say("*RST");
        assert!(say(line).is_empty(), "{line}");
        assert_eq!(say("PHAS1:VOLT:MHAR:HARM1?"), ["100.000000,0.0000"], "{line}");
        assert_eq!(say("SYST:ERR?"), [NO_ERROR], "{line}");
    }
    // Without a colon it goes on below SOURce:PHASe1:VOLTage, where there are no outputs.
    say("SOUR:PHAS1:VOLT:STAT ON;OUTP ON");
    assert_eq!(say("SYST:ERR?;:OUTP?"), ["-113,\"Undefined header\"", "0"]);
    assert!(say("").is_empty());
    assert_eq!(say("SYST:ERR?"), [NO_ERROR]);
}

#[test]
fn status_registers_follow_what_happens() {
    check(
        source(exact()),
        &[
            // Switched on.
            ("*ESR?", &["128"]),
            ("*ESR?", &["0"]),
            ("*OPC", &[]),
            ("*ESR?", &["1"]),
            ("NONSENSE", &[]),
            ("*STB?", &["4"]),
            ("*ESE 32;*SRE 32", &[]),
            ("*ESE?;*SRE?", &["32", "32"]),
            ("*STB?", &["100"]),
            ("*ESR?", &["32"]),
            ("SOUR:FREQ 1;*ESR?", &["16"]),
            ("SYST:ERR?;ERR?", &["-113,\"Undefined header\"", "-222,\"Data out of range\""]),
            ("*STB?", &["0"]),
            ("*TST?", &["0"]),
            ("*WAI;*OPC?", &["1"]),
        ],
    );
}
