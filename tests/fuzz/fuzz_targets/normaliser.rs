//! Meter values of every shape: nothing is dropped, nothing is rescaled, what is said twice says no more than once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use veripile_fuzz::choices::Choices;
use veripile_fuzz::{identity_key, received};
use veripile_ocpp::{Heard, Meaning, Registers, Version, hear};
use veripile_pile::{Charge, Location, Mark, Reading};

const TIMES: [&str; 8] = [
    "2026-03-01T08:00:00Z",
    "2026-03-01T08:10:00.5+08:00",
    "2026-03-01T08:20:00",
    "1970-01-01T00:00:00Z",
    "2099-01-01T00:00:00Z",
    "-009999-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999999Z",
    "",
];
const NUMBERS: [&str; 18] = [
    "0",
    "1",
    "7000.50",
    "12.5",
    "12.499",
    "-0.001",
    "1e3",
    "1E-7",
    "1e400",
    "999999999999999",
    "1000000000000000.1",
    "79228162514264337593543950335",
    "0.0000000000000000000000000001",
    "12.345678901234567890123456789012",
    "1.2345678901234567890123456789012e3",
    "100",
    "99.0",
    "98",
];
const WORDS: [(&str, &[&str]); 7] = [
    ("context", &["Transaction.Begin", "Transaction.End", "Sample.Periodic", "Sample.Clock", "Trigger"]),
    ("measurand", &["Energy.Active.Import.Register", "Voltage", "Power.Factor", "SoC", "Request.Energy"]),
    ("unit", &["Wh", "kWh", "V", "Furlong", ""]),
    ("phase", &["L1", "L2-N", "N", "L9"]),
    ("location", &["Outlet", "EV", "Inlet", "Nowhere"]),
    ("format", &["Raw", "SignedData"]),
    ("multiplier", &["3", "-3", "18", "19", "-18", "9223372036854775807"]),
];

/// A call as the fuzzer chose it.
struct Sent {
    version: Version,
    action: &'static str,
    payload: String,
    samples: Vec<Sample>,
}

/// A sample's value as it stands in the payload.
struct Sample {
    /// JSON.
    value: String,
    /// Power of ten beside it (2.x).
    multiplier: i32,
}

fuzz_target!(|input: &[u8]| {
    let sent = sent(&mut Choices::new(input));
    let mut heard = hear(sent.version, sent.action, "m", &sent.payload, received(), &identity_key());
    assert_eq!(heard.readings.len(), sent.samples.len(), "nothing is dropped: {}", sent.payload);
    for (reading, sample) in heard.readings.iter().zip(&sent.samples) {
        as_sent(reading, sample, &sent.payload);
    }
    no_fall_without_a_higher_register(&mut heard);
    applied_twice_is_once(&heard);
});

/// A reading has the text that was sent, and its number is that text's.
fn as_sent(reading: &Reading, sample: &Sample, payload: &str) {
    let text = match serde_json::from_str(&sample.value).expect("chosen to be JSON") {
        Value::String(text) => text,
        Value::Null => String::new(),
        _ if sample.value.starts_with(['{', '[', 't', 'f']) => return assert!(reading.number.is_none()),
        // Of a number's text only the way an exponent is written may change.
        Value::Number(_) if sample.value.contains(['e', 'E']) => reading.value.clone(),
        _ => sample.value.clone(),
    };
    assert_eq!(reading.value, text, "{payload}");
    let float = text.trim().parse::<f64>().ok().filter(|float| float.is_finite());
    let Some(number) = reading.number else {
        let is_plain = text.len() <= 15 && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        return assert!(!is_plain || sample.multiplier != 0, "a plain number is understood: {payload}");
    };
    let float = float.unwrap_or_else(|| panic!("{text:?} is no number, but has one: {number}"));
    let float = float * 10f64.powi(sample.multiplier);
    assert_eq!(digits(&number.to_string()), digits(&text), "never rounded: {payload}");
    let number: f64 = number.to_string().parse().expect("a decimal");
    assert!((number - float).abs() <= 1e-9 * float.abs().max(1e-20), "{number} for {float}: {payload}");
    assert!(number.abs() <= 1e15, "{payload}");
}

/// The digits of a number without the zeros at both ends: neither a multiplier nor an exponent changes them.
fn digits(number: &str) -> String {
    let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
    mantissa.chars().filter(char::is_ascii_digit).collect::<String>().trim_matches('0').to_owned()
}

/// Following registers adds one mark at most, and none where nothing higher stood before on the same conductor.
fn no_fall_without_a_higher_register(heard: &mut Heard) {
    let before = heard.readings.clone();
    let mut registers = Registers::default();
    let stands = registers.follow(&mut heard.readings);
    registers.remember(stands);
    for (at, (reading, untouched)) in heard.readings.iter().zip(&before).enumerate() {
        let mut expected = untouched.clone();
        if reading.marks.len() > untouched.marks.len() {
            expected.marks.push(Mark::RegisterFalling);
            let higher = |other: &&Reading| {
                (other.connector, &other.phase, &other.location)
                    == (reading.connector, &reading.phase, &Location::Outlet)
                    && other.energy_wh() > reading.energy_wh()
            };
            assert!(before[..at].iter().any(|other| higher(&other)), "accused without evidence: {reading:?}");
        }
        assert_eq!(*reading, expected, "a register that is followed stays as it is");
    }
}

/// A charge that hears the same message again is the same charge.
fn applied_twice_is_once(heard: &Heard) {
    let Meaning::Charge(event) = &heard.meaning else { return };
    let mut once = Charge::default();
    once.apply(event);
    let mut twice = once.clone();
    twice.apply(event);
    assert_eq!(once, twice);
    assert_eq!(once.marks(None), twice.marks(None));
    assert_eq!(
        (once.energy_pile_wh(), once.energy_vehicle_wh()),
        (twice.energy_pile_wh(), twice.energy_vehicle_wh())
    );
}

fn sent(choices: &mut Choices<'_>) -> Sent {
    let (version, action, list) = choices.pick(&[
        (Version::V16, "MeterValues", "meterValue"),
        (Version::V16, "StopTransaction", "transactionData"),
        (Version::V201, "TransactionEvent", "meterValue"),
        (Version::V21, "TransactionEvent", "meterValue"),
        (Version::V21, "MeterValues", "meterValue"),
    ]);
    let mut samples = Vec::new();
    let mut values = Vec::new();
    for _ in 0..choices.byte() % 4 {
        let mut sampled = Vec::new();
        for _ in 0..choices.byte() % 5 {
            sampled.push(sample(version, choices, &mut samples));
        }
        values.push(format!(
            r#"{{"timestamp":{},"sampledValue":{}}}"#,
            time(choices),
            array(&sampled, choices)
        ));
    }
    let values = array(&values, choices);
    let head = match action {
        "MeterValues" => format!(r#""connectorId":{0},"evseId":{0},"transactionId":7"#, choices.byte() % 3),
        "StopTransaction" => {
            format!(r#""transactionId":7,"meterStop":{},"timestamp":{}"#, scalar(choices), time(choices))
        }
        _ => format!(
            r#""eventType":"{}","timestamp":{},"transactionInfo":{{"transactionId":"T"}},"evse":{{"id":{}}},"idToken":{{"idToken":{}}}"#,
            choices.pick(&["Started", "Updated", "Ended", "Nonsense"]),
            time(choices),
            choices.byte() % 3,
            scalar(choices),
        ),
    };
    Sent { version, action, payload: format!(r#"{{{head},"{list}":{values}}}"#), samples }
}

/// A list, or its only element where a charger leaves the brackets out.
fn array(elements: &[String], choices: &mut Choices<'_>) -> String {
    match elements {
        [one] if choices.byte() % 4 == 3 => one.clone(),
        all => format!("[{}]", all.join(",")),
    }
}

fn sample(version: Version, choices: &mut Choices<'_>, samples: &mut Vec<Sample>) -> String {
    let value = scalar(choices);
    let mut members = vec![format!(r#""value":{value}"#)];
    let (mut measure, mut multiplier) = (Vec::new(), 0);
    for (name, words) in WORDS {
        let word = match choices.byte() % 4 {
            0 => choices.pick(words).to_owned(),
            1 if name != "multiplier" => choices.text(),
            _ => continue,
        };
        let member = format!(r#""{name}":{}"#, quoted(&word));
        match (name, version) {
            ("unit" | "multiplier", Version::V201 | Version::V21) => {
                if name == "multiplier" {
                    multiplier = word.parse::<i64>().map_or(0, |power| power.clamp(-1000, 1000) as i32);
                }
                measure.push(member);
            }
            _ => members.push(member),
        }
    }
    if !measure.is_empty() {
        members.push(format!(r#""unitOfMeasure":{{{}}}"#, measure.join(",")));
    }
    samples.push(Sample { value, multiplier });
    format!("{{{}}}", members.join(","))
}

/// A number, the same as text, other text, or what is no scalar at all.
fn scalar(choices: &mut Choices<'_>) -> String {
    let number = choices.pick(&NUMBERS);
    match choices.byte() % 8 {
        0..=2 => number.to_owned(),
        3 | 4 => quoted(number),
        5 => quoted(&choices.text()),
        6 => quoted(&format!(" {number}")),
        _ => choices.pick(&["null", "true", "{}", "[1]", "\"\"", "\"NaN\"", "\"12,5\""]).to_owned(),
    }
}

fn time(choices: &mut Choices<'_>) -> String {
    if choices.byte() % 8 == 7 { quoted(&choices.text()) } else { quoted(choices.pick(&TIMES)) }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string")
}
