use super::*;

const REGISTER: &str = "Energy.Active.Import.Register";

fn entry(name: &str, value: &str) -> ConfigurationEntry {
    ConfigurationEntry { name: name.into(), value: Some(value.into()), readonly: false, known: true }
}

fn entries(pairs: &[(&str, &str)]) -> Vec<ConfigurationEntry> {
    pairs.iter().map(|(name, value)| entry(name, value)).collect()
}

fn unknown(name: &str) -> ConfigurationEntry {
    ConfigurationEntry { value: None, known: false, ..entry(name, "") }
}

fn readonly(name: &str, value: &str) -> ConfigurationEntry {
    ConfigurationEntry { readonly: true, ..entry(name, value) }
}

fn observed() -> Observed {
    Observed { read_at: "2026-03-01T08:00:00Z".parse().expect("literal"), ..Observed::default() }
}

fn line(version: Version, entries: &[ConfigurationEntry], observed: &Observed, code: LineCode) -> Line {
    judge(version, entries, observed).into_iter().find(|line| line.code == code).expect("every line is there")
}

/// Light, reason and the values of the steps as `key=value`.
fn told(line: &Line) -> (Light, Reason, Vec<String>) {
    let step = |step: &Call| match step {
        Call::WriteConfiguration { name, value } => format!("{name}={value}"),
        other => panic!("{other:?}"),
    };
    (line.light, line.reason, line.steps.iter().map(step).collect())
}

/// A good charger of each family; the names are those of the specifications' configuration chapters.
fn good_16() -> Vec<ConfigurationEntry> {
    entries(&[
        ("MeterValuesSampledData", "Voltage, Energy.Active.Import.Register ,SoC"),
        ("MeterValueSampleInterval", "60"),
        ("StartTxnSampledData", REGISTER),
        ("StopTxnSampledData", REGISTER),
        ("MeterValuesAlignedData", REGISTER),
        ("ClockAlignedDataInterval", "900"),
        ("SampledDataSignReadings", "true"),
        ("PublicKeyWithSignedMeterValue", "OncePerTransaction"),
        ("QrCode", "vendor's own"),
        ("G_PowerMeterType", "DTSU666"),
    ])
}

fn good_2() -> Vec<ConfigurationEntry> {
    entries(&[
        ("SampledDataCtrlr.Enabled", "true"),
        ("SampledDataCtrlr.TxUpdatedMeasurands", REGISTER),
        ("SampledDataCtrlr.TxUpdatedInterval", "30"),
        ("SampledDataCtrlr.TxStartedMeasurands", REGISTER),
        ("SampledDataCtrlr.TxEndedMeasurands", REGISTER),
        ("AlignedDataCtrlr.Measurands", REGISTER),
        ("AlignedDataCtrlr.Interval", "900"),
        ("ClockCtrlr.DateTime", "2026-03-01T08:00:04Z"),
        ("SampledDataCtrlr.SignReadings", "true"),
        ("OCPPCommCtrlr.PublicKeyWithSignedMeterValue", "EveryMeterValue"),
    ])
}

#[test]
fn a_good_charger_is_green_on_every_line() {
    let seen = Observed { clock_offset_s: Some(-2), has_vehicle_energy: true, ..observed() };
    for (version, entries) in [(Version::V16, good_16()), (Version::V201, good_2()), (Version::V21, good_2())]
    {
        let lines = judge(version, &entries, &seen);
        assert_eq!(lines.len(), 6);
        for line in lines {
            assert_eq!(told(&line), (Light::Green, Reason::AsWanted, vec![]), "{version:?} {:?}", line.code);
            assert_eq!((line.key, line.wanted), (None, None));
        }
    }
}

#[test]
fn what_was_not_read_is_unknown_and_never_green() {
    for version in Version::ALL {
        for line in judge(version, &[], &observed()) {
            assert_eq!((line.light, line.steps), (Light::Unknown, vec![]), "{version:?} {:?}", line.code);
        }
    }
}

#[test]
fn a_register_that_is_not_sampled_is_added_to_what_is() {
    let key = "MeterValuesSampledData";
    let check = |entries: &[ConfigurationEntry], expected: (Light, Reason, Vec<&str>)| {
        let line = line(Version::V16, entries, &observed(), LineCode::Register);
        let (light, reason, steps) = told(&line);
        let values: Vec<_> =
            steps.iter().map(|step| step.strip_prefix("MeterValuesSampledData=").expect("the key")).collect();
        assert_eq!((light, reason, values), expected, "{entries:?}");
    };
    let (red, amber) = (Light::Red, Light::Amber);
    check(&[entry(key, "")], (red, Reason::NotListed, vec![REGISTER]));
    check(&[ConfigurationEntry { value: None, ..entry(key, "") }], (red, Reason::NotListed, vec![REGISTER]));
    check(
        &[entry(key, "Voltage , SoC,")],
        (
            red,
            Reason::NotListed,
            vec![
                "Voltage,SoC,Energy.Active.Import.Register",
                "Voltage,Energy.Active.Import.Register",
                REGISTER,
            ],
        ),
    );
    // evcc#15492: a list that is full.
    check(
        &[entry(key, "Voltage,SoC"), readonly("MeterValuesSampledDataMaxLength", "2")],
        (red, Reason::NotListed, vec!["Voltage,Energy.Active.Import.Register", REGISTER]),
    );
    check(
        &[entry(key, "Energy.Active.Import.Register.L1")],
        (
            amber,
            Reason::PhasesOnly,
            vec!["Energy.Active.Import.Register.L1,Energy.Active.Import.Register", REGISTER],
        ),
    );
    check(
        &[entry(key, "Energy.Active.Export.Register")]
            .map(|e| readonly(key, e.value.as_deref().unwrap_or(""))),
        (red, Reason::NotListed, vec![]),
    );
    check(&[unknown(key)], (red, Reason::KeyUnknown, vec![]));
    check(
        &[entry("metervaluessampleddata", "energy.active.import.register")],
        (Light::Green, Reason::AsWanted, vec![]),
    );
}

#[test]
fn a_key_that_cannot_be_written_is_named_all_the_same() {
    let entries = [readonly("MeterValueSampleInterval", "0")];
    let line = line(Version::V16, &entries, &observed(), LineCode::Interval);
    assert_eq!(line.key.as_deref(), Some("MeterValueSampleInterval"));
    assert_eq!(line.wanted.as_deref(), Some("60"));
    assert!(line.readonly && line.steps.is_empty());
}

#[test]
fn sampling_that_is_switched_off_is_switched_on_first() {
    let mut entries = good_2();
    entries[0].value = Some("False".into());
    let line = line(Version::V201, &entries, &observed(), LineCode::Register);
    assert_eq!(told(&line), (Light::Red, Reason::SamplingOff, vec!["SampledDataCtrlr.Enabled=true".into()]));
}

#[test]
fn the_interval_is_judged_against_the_minute() {
    let check = |value: &str, light, reason| {
        let entries = [entry("SampledDataCtrlr.TxUpdatedInterval", value)];
        let line = line(Version::V21, &entries, &observed(), LineCode::Interval);
        assert_eq!((line.light, line.reason), (light, reason), "{value}");
        assert_eq!(line.steps.is_empty(), light == Light::Green, "{value}");
    };
    check("0", Light::Red, Reason::SamplingOff);
    check("9", Light::Amber, Reason::TooFast);
    check("10", Light::Green, Reason::AsWanted);
    check(" 60 ", Light::Green, Reason::AsWanted);
    check("61", Light::Amber, Reason::TooSlow);
    check("900", Light::Amber, Reason::TooSlow);
    check("901", Light::Red, Reason::TooSlow);
    check("-1", Light::Red, Reason::NoNumber);
    check("often", Light::Red, Reason::NoNumber);
    // A value that stands there already is no step.
    let entries = [entry("MeterValueSampleInterval", "120")];
    let steps = told(&line(Version::V16, &entries, &observed(), LineCode::Interval)).2;
    assert_eq!(steps, ["MeterValueSampleInterval=60", "MeterValueSampleInterval=30"]);
}

#[test]
fn without_registers_at_the_ends_1_6_has_whole_wh_and_2_x_has_nothing() {
    let of = |version, entries: &[ConfigurationEntry], seen: &Observed| {
        told(&line(version, entries, seen, LineCode::BeginEnd))
    };
    let old = [entry("StopTxnSampledData", "Voltage"), unknown("StartTxnSampledData")];
    let steps = vec![
        "StopTxnSampledData=Voltage,Energy.Active.Import.Register".to_owned(),
        format!("StopTxnSampledData={REGISTER}"),
    ];
    assert_eq!(of(Version::V16, &old, &observed()), (Light::Amber, Reason::WholeWhOnly, steps));
    let old = [entry("StopTxnSampledData", REGISTER), unknown("StartTxnSampledData")];
    assert_eq!(of(Version::V16, &old, &observed()), (Light::Amber, Reason::WholeWhOnly, vec![]));
    let seen = Observed { has_begin_register: true, ..observed() };
    assert_eq!(of(Version::V16, &old, &seen), (Light::Green, Reason::AsWanted, vec![]));
    let new = entries(&[
        ("SampledDataCtrlr.TxStartedMeasurands", ""),
        ("SampledDataCtrlr.TxEndedMeasurands", REGISTER),
    ]);
    let steps = vec![format!("SampledDataCtrlr.TxStartedMeasurands={REGISTER}")];
    assert_eq!(of(Version::V201, &new, &seen), (Light::Red, Reason::EndsMissing, steps));
    assert_eq!(of(Version::V201, &new[..1], &seen).0, Light::Unknown);
}

#[test]
fn the_clock_is_judged_by_the_offset_and_by_registers_on_it() {
    let check = |entries: &[ConfigurationEntry], offset: Option<i64>, light, reason| {
        let seen = Observed { clock_offset_s: offset, ..observed() };
        let line = line(Version::V16, entries, &seen, LineCode::Clock);
        assert_eq!((line.light, line.reason), (light, reason), "{offset:?}");
        line
    };
    check(&good_16(), Some(30), Light::Green, Reason::AsWanted);
    check(&good_16(), Some(-31), Light::Amber, Reason::OffsetLarge);
    check(&good_16(), Some(-180), Light::Amber, Reason::OffsetLarge);
    check(&good_16(), Some(181), Light::Red, Reason::OffsetLarge);
    check(&good_16(), None, Light::Unknown, Reason::NoTimeSeen);
    let off = entries(&[
        ("MeterValuesAlignedData", "Voltage"),
        ("ClockAlignedDataInterval", "0"),
        ("HeartbeatInterval", "86400"),
    ]);
    let line_off = check(&off, Some(0), Light::Amber, Reason::NotAligned);
    let aligned = [
        "MeterValuesAlignedData=Voltage,Energy.Active.Import.Register",
        "MeterValuesAlignedData=Energy.Active.Import.Register",
        "ClockAlignedDataInterval=900",
    ];
    assert_eq!(told(&line_off).2, aligned);
    assert_eq!(line_off.found.as_deref(), Some("0"));
    let late = check(&off, Some(4000), Light::Red, Reason::OffsetLarge);
    assert_eq!(told(&late).2[0], "HeartbeatInterval=300");
    let bad = Observed { has_bad_clock: true, ..observed() };
    assert_eq!(line(Version::V16, &off, &bad, LineCode::Clock).reason, Reason::BadClock);
}

#[test]
fn in_2_x_the_charger_is_asked_for_its_time() {
    let mut entries = good_2();
    entries[7].value = Some("2026-03-01T09:00:00Z".into());
    entries.push(entry("ClockCtrlr.TimeSource", "NTP"));
    entries.push(entry("OCPPCommCtrlr.HeartbeatInterval", "60"));
    let seen = Observed { clock_offset_s: Some(0), ..observed() };
    let line = line(Version::V201, &entries, &seen, LineCode::Clock);
    assert_eq!(line.found.as_deref(), Some("3600"));
    let steps = ["ClockCtrlr.TimeSource=NTP,Heartbeat", "ClockCtrlr.TimeSource=Heartbeat"].map(str::to_owned);
    assert_eq!(told(&line), (Light::Red, Reason::OffsetLarge, steps.to_vec()));
}

#[test]
fn signing_needs_a_key_to_check_with() {
    let of = |entries: &[ConfigurationEntry], seen: &Observed| {
        told(&line(Version::V16, entries, seen, LineCode::Signed))
    };
    let (sign, sent) = ("SampledDataSignReadings", "PublicKeyWithSignedMeterValue");
    let off = entries(&[(sign, "false"), (sent, "Never")]);
    let steps = [
        "SampledDataSignReadings=true",
        "PublicKeyWithSignedMeterValue=OncePerTransaction",
        "PublicKeyWithSignedMeterValue=EveryMeterValue",
    ];
    let steps: Vec<_> = steps.map(str::to_owned).to_vec();
    assert_eq!(of(&off, &observed()), (Light::Red, Reason::NotSigned, steps.clone()));
    let on = entries(&[(sign, "True"), (sent, "Never")]);
    assert_eq!(of(&on, &observed()), (Light::Amber, Reason::NoPublicKey, steps[1..].to_vec()));
    assert_eq!(of(&[unknown(sign), unknown(sent)], &observed()), (Light::Red, Reason::KeyUnknown, vec![]));
    let seen = Observed { has_signed_values: true, ..observed() };
    assert_eq!(of(&[unknown(sign), entry("MeterPublicKey1", &hex_key())], &seen).0, Light::Green);
}

#[test]
fn of_the_vehicle_its_energy_is_wanted_and_its_state_of_charge_is_something() {
    let of = |entries: &[ConfigurationEntry], seen: Observed| {
        told(&line(Version::V16, entries, &seen, LineCode::Vehicle))
    };
    let bare = [entry("MeterValuesSampledData", REGISTER)];
    let step = vec!["MeterValuesSampledData=Energy.Active.Import.Register,SoC".to_owned()];
    assert_eq!(of(&bare, observed()), (Light::Unknown, Reason::NothingFromVehicle, step.clone()));
    let seen = Observed { has_readings: true, ..observed() };
    assert_eq!(of(&bare, seen), (Light::Red, Reason::NothingFromVehicle, step));
    let told = Observed { has_vehicle_values: true, ..seen };
    assert_eq!(of(&bare, told), (Light::Amber, Reason::NoVehicleEnergy, vec![]));
    assert_eq!(of(&good_16(), seen), (Light::Amber, Reason::NoVehicleEnergy, vec![]));
    assert_eq!(of(&bare, Observed { has_vehicle_energy: true, ..told }).0, Light::Green);
}

/// Steps are taken one by one from a verdict that knows what was accepted before.
#[test]
fn a_charger_that_refuses_one_entry_still_takes_the_others() {
    let mut entries = entries(&[("MeterValuesSampledData", "Current.Offered"), ("StopTxnSampledData", "")]);
    let mut tried: Vec<Call> = Vec::new();
    loop {
        let lines = judge(Version::V16, &entries, &observed());
        let steps = lines.into_iter().flat_map(|line| line.steps);
        let Some(step) = steps.into_iter().find(|step| !tried.contains(step)) else { break };
        let Call::WriteConfiguration { value, .. } = &step else { panic!("{step:?}") };
        // One that takes single entries only, and no state of charge.
        if !value.contains(',') && !value.contains("SoC") {
            apply(&mut entries, &step);
        }
        tried.push(step);
        assert!(tried.len() < 20, "it must end");
    }
    assert_eq!(entries[0].value.as_deref(), Some(REGISTER));
    assert_eq!(entries[1].value.as_deref(), Some(REGISTER));
}

/// RFC 6979 appendix A.2.5: the public point of the example key on P-256.
fn hex_key() -> String {
    concat!(
        "0460FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6",
        "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299"
    )
    .to_owned()
}

#[test]
fn public_keys_are_found_under_the_names_of_both_families() {
    let found = |name: &str| {
        public_keys(&[entry(name, &format!(" {} ", hex_key()))])
            .pop()
            .map(|key| (key.connector, key.public_key))
    };
    let key = |connector| Some((connector, hex_key()));
    assert_eq!(found("MeterPublicKey"), key(None));
    assert_eq!(found("MeterPublicKey2"), key(Some(2)));
    assert_eq!(found("FiscalMetering.PublicKey"), key(None));
    assert_eq!(found("EVSE:3/FiscalMetering.PublicKey"), key(Some(3)));
    assert_eq!(found("EVSE:3:1/FiscalMetering.PublicKey"), key(Some(3)));
    assert_eq!(found("MeterPublicKeyFile"), None);
    assert_eq!(found("SshPublicKey"), None);
    assert_eq!(
        public_keys(&[entry("MeterPublicKey1", "not yet provisioned"), unknown("MeterPublicKey2")]),
        []
    );
}

#[test]
fn a_key_is_the_meters_only_where_there_is_one_meter() {
    let key = entry("MeterPublicKey1", &hex_key());
    let of = |version, entries: &[ConfigurationEntry]| sole_public_key(version, entries);
    assert_eq!(of(Version::V16, &[key.clone(), entry("NumberOfConnectors", "1")]), Some(hex_key()));
    assert_eq!(of(Version::V16, &[key.clone(), entry("NumberOfConnectors", "2")]), None);
    assert_eq!(of(Version::V16, &[key]), None);
    let key = entry("EVSE:1/FiscalMetering.PublicKey", &hex_key());
    assert_eq!(
        of(Version::V201, &[key.clone(), unknown("EVSE:2/FiscalMetering.PublicKey")]),
        Some(hex_key())
    );
    assert_eq!(of(Version::V201, &[key]), None);
}

#[test]
fn every_name_to_read_can_be_asked_for_and_none_twice() {
    for version in Version::ALL {
        let names = names_to_read(version);
        let call = Call::ReadConfiguration { names: names.clone() };
        assert!(call.payload(version).is_ok(), "{version:?}");
        let told: Vec<_> = names.iter().map(|name| entry(&name.to_uppercase(), "")).collect();
        assert_eq!(missing_names(version, &told), Vec::<String>::new());
        assert_eq!(missing_names(version, &told[1..]), names[..1]);
    }
}

#[test]
fn words_are_those_that_are_stored() {
    for code in LineCode::ALL {
        assert_eq!(serde_json::to_value(code).expect("writable"), code.word());
    }
    for light in [Light::Green, Light::Amber, Light::Red, Light::Unknown] {
        assert_eq!(serde_json::to_value(light).expect("writable"), light.word());
    }
    let codes: Vec<_> = judge(Version::V16, &[], &observed()).iter().map(|line| line.code).collect();
    assert_eq!(codes, LineCode::ALL);
}

#[test]
fn a_report_reads_back_and_orders_are_read() {
    let report = Report {
        ended: Ended::Mute,
        detail: Some("no answer".into()),
        lines: judge(Version::V16, &entries(&[("MeterValuesSampledData", "")]), &observed()),
        public_keys: public_keys(&[entry("MeterPublicKey1", &hex_key())]),
    };
    let text = serde_json::to_string(&report).expect("writable");
    assert_eq!(serde_json::from_str::<Report>(&text).expect("readable"), report);
    let order = |text: &str| serde_json::from_str::<Order>(text).ok();
    assert_eq!(order(r#"{"readiness":"check"}"#), Some(Order::Check));
    assert_eq!(
        order(r#"{"readiness":"set","line":"begin_end"}"#),
        Some(Order::Set { line: LineCode::BeginEnd })
    );
    assert_eq!(order(r#"{"readiness":"set"}"#), None);
    assert_eq!(order(r#"{"call":"clear_cache"}"#), None);
}
