//! Samples of every version become one kind of reading. What is odd is marked; nothing is dropped and nothing is rescaled.
//!
//! Called by [`crate::v16`] and [`crate::v2`].

use rust_decimal::Decimal;
use serde_json::Value;
use veripile_pile::{Location, Mark, Measurand, Phase, Reading, ReadingContext, ReceiveTime, SignedValue};

use crate::json;
use crate::time;

/// Samples taken from one message; a charger that sends more is cut off here and marked (a full day of one-minute samples
/// of twenty measurands would be 28,800).
const SAMPLES_MAX: usize = 30_000;

/// Units of OCPP 1.6, 2.0.1 and 2.1 for sampled values.
const UNITS: [&str; 20] = [
    "Wh",
    "kWh",
    "varh",
    "kvarh",
    "VAh",
    "kVAh",
    "W",
    "kW",
    "VA",
    "kVA",
    "var",
    "kvar",
    "A",
    "V",
    "Celsius",
    "Fahrenheit",
    "K",
    "Percent",
    "Hz",
    "ASU",
];

/// Measurands of OCPP 1.6, 2.0.1 and 2.1, but for those whose name begins with one of [`MEASURAND_PREFIXES`].
const MEASURANDS: [&str; 11] = [
    "Voltage",
    "Frequency",
    "Temperature",
    "SoC",
    "RPM",
    "EnergyRequest.Target",
    "EnergyRequest.Minimum",
    "EnergyRequest.Maximum",
    "EnergyRequest.Minimum.V2X",
    "EnergyRequest.Maximum.V2X",
    "EnergyRequest.Bulk",
];

const MEASURAND_PREFIXES: [&str; 4] = ["Energy.", "Power.", "Current.", "Display."];

const PHASES: [&str; 10] = ["L1", "L2", "L3", "N", "L1-N", "L2-N", "L3-N", "L1-L2", "L2-L3", "L3-L1"];

const CONTEXTS: [&str; 3] = ["Interruption.Begin", "Interruption.End", "Other"];

const LOCATIONS: [&str; 4] = ["Inlet", "Cable", "Body", "Upstream"];

/// How a version writes the parts of a sample that differ.
pub(crate) struct Spelling {
    /// Whether values are sent as text.
    pub values_are_text: bool,
    /// Unit and power of ten of a sample.
    pub unit: fn(&Value) -> (Option<String>, i64),
    /// The signed container of a sample, if it has one.
    pub signed: fn(&Value) -> Option<SignedValue>,
}

/// Readings in a list of meter values, with marks on the message itself.
pub(crate) fn readings(
    meter_values: &[Value],
    connector: u32,
    received: ReceiveTime,
    spelling: &Spelling,
) -> (Vec<Reading>, Vec<Mark>) {
    let mut readings = Vec::new();
    let mut marks = Vec::new();
    for meter_value in meter_values {
        let stamp = json::text(meter_value, "timestamp");
        let (device_time, time_mark) = time::read(stamp.as_deref(), received);
        let samples = json::list(meter_value, "sampledValue");
        if samples.is_empty() {
            marks.push(Mark::EmptySample);
        }
        for sample in samples {
            if readings.len() == SAMPLES_MAX {
                marks.push(Mark::BadShape);
                return (readings, marks);
            }
            let mut reading = reading(sample, connector, received, spelling);
            reading.device_time = device_time;
            reading.marks.extend(time_mark);
            readings.push(reading);
        }
    }
    (readings, marks)
}

fn reading(sample: &Value, connector: u32, received: ReceiveTime, spelling: &Spelling) -> Reading {
    let mut marks = Vec::new();
    let measurand =
        word(sample, "measurand", &mut marks).unwrap_or_else(|| Measurand::ENERGY_IMPORT_REGISTER.to_owned());
    if !MEASURANDS.contains(&measurand.as_str())
        && !MEASURAND_PREFIXES.iter().any(|prefix| measurand.starts_with(prefix))
    {
        marks.push(Mark::UnknownMeasurand);
    }
    let signed = (spelling.signed)(sample).map(Box::new);
    let (unit, multiplier) = (spelling.unit)(sample);
    let unit = match unit {
        Some(unit) => short(unit, &mut marks),
        None => {
            // A container names its units itself.
            if signed.is_none() {
                marks.push(Mark::MissingUnit);
            }
            default_unit(&measurand).to_owned()
        }
    };
    if !unit.is_empty() && !UNITS.contains(&unit.as_str()) {
        marks.push(Mark::UnknownUnit);
    }
    let phase = match word(sample, "phase", &mut marks) {
        None => Phase::Total,
        Some(word) => {
            if !PHASES.contains(&word.as_str()) {
                marks.push(Mark::UnknownPhase);
            }
            Phase::Named(word)
        }
    };
    let context = word(sample, "context", &mut marks)
        .map_or(ReadingContext::SamplePeriodic, |w| ReadingContext::from_word(&w));
    if let ReadingContext::Other(word) = &context
        && !CONTEXTS.contains(&word.as_str())
    {
        marks.push(Mark::UnknownContext);
    }
    let location =
        word(sample, "location", &mut marks).map_or(Location::Outlet, |word| Location::from_word(&word));
    if let Location::Other(word) = &location
        && !LOCATIONS.contains(&word.as_str())
    {
        marks.push(Mark::UnknownLocation);
    }
    let (value, number) = value(sample, multiplier, spelling, signed.is_some(), &mut marks);
    Reading {
        connector,
        measurand: Measurand(measurand),
        phase,
        location,
        context,
        unit,
        value,
        number,
        device_time: None,
        received,
        signed,
        marks,
    }
}

/// The members of a `SignedMeterValueType`; none without signed data.
pub(crate) fn signed_value(container: &Value) -> Option<SignedValue> {
    Some(SignedValue {
        data: json::text(container, "signedMeterData")?,
        encoding_method: json::text(container, "encodingMethod"),
        public_key: json::text(container, "publicKey"),
    })
}

/// A word of a sample; one that is far too long is cut and marked.
fn word(sample: &Value, key: &str, marks: &mut Vec<Mark>) -> Option<String> {
    json::text(sample, key).map(|text| short(text, marks))
}

fn short(mut text: String, marks: &mut Vec<Mark>) -> String {
    if let Some((cut, _)) = text.char_indices().nth(WORD_CHARS_MAX) {
        text.truncate(cut);
        if !marks.contains(&Mark::TooLong) {
            marks.push(Mark::TooLong);
        }
    }
    text
}

/// The value's text as sent and its exact number, `text × 10^multiplier`.
fn value(
    sample: &Value,
    multiplier: i64,
    spelling: &Spelling,
    is_signed: bool,
    marks: &mut Vec<Mark>,
) -> (String, Option<Decimal>) {
    let raw = sample.get("value").unwrap_or(&Value::Null);
    let Some((text, was_number)) = json::scalar(raw) else {
        marks.push(Mark::BadNumber);
        return (if raw.is_null() { String::new() } else { raw.to_string() }, None);
    };
    let number = decimal(&text).and_then(|number| scaled(number, multiplier));
    // A signed value of 1.6 is a container, not a number; of 2.x it is a number with the container beside it.
    if number.is_none() && !is_signed {
        marks.push(Mark::BadNumber);
    }
    if was_number && spelling.values_are_text {
        marks.push(Mark::NumberNotText);
    }
    (text, number)
}

/// Longest word of a sample that is kept whole; the longest of OCPP has 33 characters.
const WORD_CHARS_MAX: usize = 100;

/// Beyond this no reading of a charger is a number, in whatever unit: 10¹⁵ Wh is a month of all of China's electricity.
/// With it, sums, differences and changes of unit stay far inside what a decimal holds.
const READING_MAX: Decimal = Decimal::from_parts(2_764_472_320, 232_830, 0, false, 0);

/// An exact decimal of at most 10¹⁵, also from scientific notation and with blanks around; none for anything that would be
/// rounded.
pub(crate) fn decimal(text: &str) -> Option<Decimal> {
    let text = text.trim();
    // The library takes `1_000` for a thousand; no charger means that.
    if text.contains('_') {
        return None;
    }
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let number = scaled(Decimal::from_str_exact(mantissa).ok()?, exponent.parse().ok()?);
    number.filter(|number| number.abs() <= READING_MAX)
}

fn scaled(number: Decimal, multiplier: i64) -> Option<Decimal> {
    let scaled = match u32::try_from(multiplier.unsigned_abs()).ok().filter(|power| *power <= 18)? {
        0 => Some(number),
        // Where there are digits behind the point, it moves; no digit is made up.
        power if multiplier > 0 => {
            let moved = power.min(number.scale());
            let mut shifted = number;
            shifted.set_scale(number.scale() - moved).ok()?;
            shifted.checked_mul(Decimal::from(10u64.pow(power - moved)))
        }
        power => {
            let divisor = Decimal::from(10u64.pow(power));
            number.checked_div(divisor).filter(|quotient| quotient.checked_mul(divisor) == Some(number))
        }
    };
    scaled.filter(|number| number.abs() <= READING_MAX)
}

/// OCPP's default unit: Wh for energy; for everything else the unit that the specification names for the measurand.
fn default_unit(measurand: &str) -> &'static str {
    match measurand {
        m if m.starts_with("Energy.Reactive") => "varh",
        m if m.starts_with("Energy") => "Wh",
        m if m.starts_with("Power.Reactive") => "var",
        "Power.Factor" => "",
        m if m.starts_with("Power") => "W",
        m if m.starts_with("Current") => "A",
        "Voltage" => "V",
        "SoC" => "Percent",
        "Temperature" => "Celsius",
        "Frequency" => "Hz",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_stay_exact_and_what_is_no_number_is_none() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(decimal(text).map(|number| number.to_string()).as_deref(), expected, "{text}");
        };
        check("12.500", Some("12.500"));
        check(" 7 ", Some("7"));
        check("1.5e3", Some("1500"));
        check("-0.001", Some("-0.001"));
        check("", None);
        check("12,5", None);
        check("NaN", None);
        check("1_000", None);
        check("5_", None);
        check("1.25E-3", Some("0.00125"));
        check("1.23456789012345678901234567890123456e1", None);
        check("1e", None);
        check("e3", None);
        check("99999999999999999999999999999999", None);
        check("1000000000000000", Some("1000000000000000"));
        check("-1000000000000000.1", None);
        check("79228162514264337593543950335", None);
    }

    #[test]
    fn multipliers_move_the_point_and_never_round() {
        assert_eq!(scaled(Decimal::new(125, 1), 3), Some(Decimal::from(12_500)));
        assert_eq!(scaled(Decimal::new(125, 1), -3), Some(Decimal::new(125, 4)));
        assert_eq!(scaled(Decimal::MAX, 3), None);
        assert_eq!(scaled(Decimal::ONE, i64::MIN), None);
    }
}
