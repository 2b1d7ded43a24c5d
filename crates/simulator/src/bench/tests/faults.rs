//! Each fault shows what it says, and nothing without it.

use super::*;

fn with(fault: BenchFault) -> Bench {
    Bench::new(BenchSettings { faults: vec![Injection::permanent(fault)], ..exact() }, 1)
}

#[test]
fn a_silent_instrument_neither_obeys_nor_answers() {
    let mut bench = Bench::new(exact(), 1);
    bench.source_line("SYST:WATC:TIME 5");
    switch_on(&mut bench, 220.0, 32.0, 0.0);
    bench.inject(Injection::permanent(BenchFault::SourceSilent));
    assert!(bench.source_line("*IDN?;OUTP OFF").is_empty());
    assert_eq!(bench.source_exchange("*IDN?").manner, Manner::Whole);
    bench.advance(4.0);
    assert!(bench.state().is_on && bench.source_line("OUTP OFF").is_empty());
    bench.advance(2.0);
    assert!(!bench.state().is_on, "what hangs does not feed the watchdog");
    assert_eq!(bench.standard_line("*OPC?"), ["1"], "the other one is well");
    bench.clear(BenchFault::SourceSilent);
    assert_eq!(bench.source_line("*OPC?"), ["1"]);
    bench.inject(Injection::times(BenchFault::StandardSilent, 1));
    assert!(bench.standard_line("*OPC?").is_empty());
    assert_eq!(bench.standard_line("*OPC?"), ["1"]);
}

#[test]
fn a_dropping_instrument_closes_and_a_stuttering_one_sends_pieces() {
    let mut bench = with(BenchFault::SourceDrops);
    assert_eq!(bench.source_exchange("*IDN?"), Exchange { replies: vec![], manner: Manner::Dropped });
    assert_eq!(bench.standard_exchange("*OPC?").manner, Manner::Whole);
    let mut bench = with(BenchFault::StandardDrops);
    assert_eq!(bench.standard_exchange("*IDN?").manner, Manner::Dropped);
    assert_eq!(bench.source_exchange("*OPC?").manner, Manner::Whole);
    let mut bench = with(BenchFault::PartialLines);
    assert_eq!(bench.source_exchange("*OPC?").manner, Manner::Pieces);
    assert_eq!(bench.standard_exchange("*OPC?").manner, Manner::Pieces);
    assert_eq!(bench.standard_exchange("*CLS").manner, Manner::Whole, "nothing is sent");
}

#[test]
fn garbage_is_no_number_and_spares_names_and_errors() {
    let mut bench = with(BenchFault::Garbage);
    for _ in 0..50 {
        for reply in [bench.standard_line("MEAS:UIP?"), bench.source_line("SENS:TEMP?")] {
            assert!(reply.concat().split(',').all(|field| field.parse::<f64>().is_err()), "{reply:?}");
        }
    }
    assert_eq!(bench.source_line("*IDN?;SYST:ERR?"), ["FLUKE,6105A,SIM-S-1,1.0", "0,\"No error\""]);
    assert_eq!(bench.standard_line("CALC:SEC1:STAT?"), ["IDLE"]);
}

#[test]
fn a_refusing_instrument_fills_its_error_queue_and_still_switches_off() {
    let mut bench = Bench::new(exact(), 1);
    switch_on(&mut bench, 220.0, 32.0, 0.0);
    bench.inject(Injection::permanent(BenchFault::ErrorQueue));
    bench.source_line("SOUR:PHAS1:VOLT:MHAR:HARM1 100,0");
    let error = bench.source_line("SYST:ERR?").concat();
    assert!(error.starts_with("-222,") || error.starts_with("-113,"), "{error}");
    bench.source_line("OUTP OFF");
    assert_eq!(bench.source_line("OUTP?;:SYST:ERR?"), ["0", "0,\"No error\""]);
    bench.standard_line("CALC:SEM1:STAR");
    assert_ne!(bench.standard_line("SYST:ERR?"), ["0,\"No error\""]);
    bench.standard_line("CALC:SEM1:STOP");
    assert_eq!(bench.standard_line("SYST:ERR?"), ["0,\"No error\""]);
}

#[test]
fn failing_cooling_ends_in_a_trip() {
    let mut bench = with(BenchFault::OverTemperature);
    switch_on(&mut bench, 220.0, 32.0, 0.0);
    bench.advance(20.0);
    // One time constant: 23 °C + 95 K (1 - 1/e) = 83.05 °C.
    assert_eq!(bench.source_line("SENS:TEMP?;:OUTP?"), ["83.1", "1"]);
    bench.advance(5.0);
    assert_eq!(bench.source_line("OUTP?"), ["0"]);
    assert!(bench.source_line("SYST:ERR?").concat().contains("Over-temperature"));
}

#[test]
fn a_creeping_voltage_is_seen_by_the_standard_and_both_meters_agree() {
    let mut bench = with(BenchFault::VoltageDrift);
    switch_on(&mut bench, 220.0, 32.0, 0.0);
    bench.advance(60.0);
    // Half a percent a minute.
    assert!((bench.state().voltage_v - 221.1).abs() < 1e-6, "{}", bench.state().voltage_v);
    bench.advance(3600.0);
    assert!((bench.state().voltage_v - 231.0).abs() < 1e-6, "five percent at most");
    let told = bench.standard_line("MEAS:UIP?").concat();
    assert!(told.starts_with("231.0000,"), "{told}");
}

#[test]
fn outputs_trip_as_often_as_they_are_told_to() {
    let mut bench = with(BenchFault::OutputTrips);
    for is_on in [false, true] {
        switch_on(&mut bench, 220.0, 32.0, 0.0);
        bench.advance(4.5);
        assert!(bench.state().is_on);
        bench.advance(1.0);
        assert_eq!(bench.state().is_on, is_on, "an event happens once");
        bench.source_line("*CLS");
    }
}

#[test]
fn a_wrong_identity_is_told_until_it_ends() {
    let mut bench = Bench::new(exact(), 1);
    bench.inject(Injection { until_s: Some(10.0), ..Injection::permanent(BenchFault::WrongIdentity) });
    assert_eq!(bench.source_line("*IDN?"), ["ACME,MULTIMETER,0,0"]);
    assert_eq!(bench.standard_line("*IDN?"), ["ACME,MULTIMETER,0,0"]);
    bench.advance(10.0);
    assert_eq!(bench.source_line("*IDN?"), ["FLUKE,6105A,SIM-S-1,1.0"]);
}

#[test]
fn a_stuck_register_stands_and_a_jumping_one_jumps_once() {
    let settings = BenchSettings { error_percent: 0.0, standard: StandardModel::YokogawaWt, ..exact() };
    let mut bench = Bench::new(settings, 1);
    bench.inject(Injection {
        from_s: 100.0,
        until_s: Some(200.0),
        ..Injection::permanent(BenchFault::RegisterStuck)
    });
    // Asked for from the beginning, it waits for a reading.
    bench.inject(Injection::permanent(BenchFault::RegisterJump));
    switch_on(&mut bench, 220.0, 32.0, 0.0);
    let mut gained = |until_s: f64| {
        if until_s > 300.0 {
            bench.standard_line("INTEG:STAR");
        }
        bench.advance(until_s - bench.now_s());
        f64::try_from(bench.register_wh()).expect("a number") - 12_345_678.0
    };
    let energy_wh = |seconds: f64| 7040.0 * seconds / 3600.0;
    for (until_s, expected_wh) in [
        (100.0, energy_wh(100.0)),
        (150.0, energy_wh(100.0)),
        (199.0, energy_wh(100.0)),
        (250.0, energy_wh(250.0)),
        (300.0, energy_wh(300.0)),
        (301.0, energy_wh(301.0) + 1000.0),
        (400.0, energy_wh(400.0) + 1000.0),
    ] {
        let gained_wh = gained(until_s);
        assert!((gained_wh - expected_wh).abs() < 3e-3, "{until_s} s: {gained_wh} of {expected_wh}");
    }
}

#[test]
fn an_ignored_off_leaves_outputs_on_and_tells_no_error() {
    let mut bench = Bench::new(exact(), 1);
    switch_on(&mut bench, 220.0, 32.0, 0.0);
    bench.inject(Injection::times(BenchFault::OffIgnored, 1));
    assert_eq!(bench.source_line("OUTP:STAT OFF;*OPC?;:SYST:ERR?;:OUTP:STAT?"), ["1", "0,\"No error\"", "1"]);
    assert!(bench.state().is_on);
    bench.source_line("OUTP:STAT OFF");
    assert!(!bench.state().is_on, "one time is one command");
}
