//! Command maps: what each operation is called on the wire, one file a model in `instruments/`. Adding a file needs no code.
//!
//! Called by the drivers of `gateway::instrument`, which send the lines and read the replies back through here. Knows text
//! only; never a socket.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use include_dir::{Dir, include_dir};
use rust_decimal::Decimal;
use serde::Deserialize;
use thiserror::Error;
use veripile_metrology::rules::Bilingual;

use super::{InstrumentRole, SourceCommand, StandardCommand};

/// The files, in the program.
static FILES: Dir = include_dir!("$CARGO_MANIFEST_DIR/instruments");

/// Longest reply that is read as numbers, characters.
const REPLY_CHARS_MAX: usize = 4096;

/// Largest magnitude of a number in a reply; beyond it instruments tell "no value" (SCPI's 9.91E37 and ±9.9E37).
const NUMBER_MAX: i64 = 100_000_000_000_000;

/// What is wrong with a map, a command or a reply.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MapError {
    /// A map does not read.
    #[error("command map {file}: {reason}")]
    File {
        /// Its file.
        file: String,
        /// Why, with line and column.
        reason: String,
    },
    /// There is no map of this name.
    #[error("no command map is called {0}; there are: {1}")]
    Unknown(String, String),
    /// The model has no such operation.
    #[error("{model} has no operation {operation}")]
    Operation {
        /// The model.
        model: String,
        /// The operation.
        operation: &'static str,
    },
    /// A reply does not read.
    #[error("{model} answered {operation} with {reply:?}, which does not read as {expected}")]
    Reply {
        /// The model.
        model: String,
        /// The operation.
        operation: &'static str,
        /// The reply, shortened.
        reply: String,
        /// What it should be.
        expected: &'static str,
    },
}

/// Limits of an instrument, beyond which it is never driven.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Voltage, V.
    pub voltage_v: Decimal,
    /// Current, A.
    pub current_a: Decimal,
    /// Least power factor.
    pub power_factor_least: Decimal,
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Operation {
    #[serde(default)]
    send: Vec<String>,
    ask: Option<String>,
    field: Option<usize>,
    factor: Option<Decimal>,
    voltage: Option<usize>,
    current: Option<usize>,
    power: Option<usize>,
    done: Option<String>,
}

/// The command map of a model.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstrumentModel {
    /// Its name.
    pub model: String,
    /// What it is.
    pub role: InstrumentRole,
    /// What it can do: `ac`, `dc` or both with a comma between.
    pub current: String,
    /// Words that stand in its answer to `*IDN?`.
    pub identity: Vec<String>,
    /// Its limits.
    pub limits: Limits,
    /// What was taken from manuals.
    pub facts: Vec<Bilingual>,
    /// What is assumed of them.
    pub assumed: Vec<Bilingual>,
    operations: BTreeMap<String, Operation>,
}

/// What to do on the wire: lines to send, then perhaps a question whose reply is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    /// Lines without a reply.
    pub send: Vec<String>,
    /// A line with one.
    pub ask: Option<String>,
}

/// A reply, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Nothing was asked.
    Done,
    /// Who it is: make, model, serial number, firmware.
    Identity(String),
    /// Whether outputs are on, or a count is done.
    State(bool),
    /// A number, in the unit of the operation: Wh, °C, pulses, imp/kWh.
    Number(Decimal),
    /// Voltage (V), current (A), power (W).
    Measured {
        /// V.
        voltage_v: Decimal,
        /// A.
        current_a: Decimal,
        /// W.
        power_w: Decimal,
    },
}

impl InstrumentModel {
    /// Reads a map.
    pub fn parse(file: &str, text: &str) -> Result<Self, MapError> {
        let map: Self = toml::from_str(text)
            .map_err(|error| MapError::File { file: file.to_owned(), reason: error.to_string() })?;
        let needed: &[&str] = match map.role {
            InstrumentRole::Source => &[
                "identify",
                "reset",
                "set_voltage",
                "set_current",
                "set_frequency",
                "output_on",
                "output_off",
                "output_state",
                "watchdog",
                "complete",
                "error",
            ],
            InstrumentRole::Standard => &[
                "identify",
                "reset",
                "integrate_reset",
                "integrate_start",
                "integrate_stop",
                "energy",
                "measure",
                "complete",
                "error",
            ],
        };
        match needed.iter().find(|name| !map.operations.contains_key(**name)) {
            Some(name) => Err(MapError::File {
                file: file.to_owned(),
                reason: format!("the operation {name} is missing"),
            }),
            None => Ok(map),
        }
    }

    /// Every map in the program, by name.
    pub fn all() -> Result<Vec<Self>, MapError> {
        Self::known().map(<[Self]>::to_vec)
    }

    /// The files read, once: a run asks for its source's map at every look.
    fn known() -> Result<&'static [Self], MapError> {
        static READ: OnceLock<Result<Vec<InstrumentModel>, MapError>> = OnceLock::new();
        READ.get_or_init(Self::read_files).as_deref().map_err(Clone::clone)
    }

    fn read_files() -> Result<Vec<Self>, MapError> {
        let mut maps = Vec::new();
        for file in FILES.files() {
            let name = file.path().to_string_lossy();
            maps.push(Self::parse(&name, file.contents_utf8().unwrap_or_default())?);
        }
        maps.sort_by(|a, b| a.model.cmp(&b.model));
        Ok(maps)
    }

    /// The map of a name.
    pub fn named(name: &str) -> Result<Self, MapError> {
        let maps = Self::known()?;
        maps.iter().find(|map| map.model == name).cloned().ok_or_else(|| {
            let names = maps.iter().map(|map| map.model.as_str()).collect::<Vec<_>>().join(", ");
            MapError::Unknown(name.to_owned(), names)
        })
    }

    /// Whether it can do a kind of current, `ac` or `dc`.
    pub fn can(&self, current: &str) -> bool {
        self.current.split(',').any(|known| known.trim() == current)
    }

    /// Whether it has a pulse input.
    pub fn counts_pulses(&self) -> bool {
        ["pulses_arm", "pulses_state", "pulses_counted", "pulse_constant"]
            .iter()
            .all(|name| self.operations.contains_key(*name))
    }

    /// Whether it tells its temperature.
    pub fn tells_temperature(&self) -> bool {
        self.operations.contains_key("temperature")
    }

    /// The question whether everything sent has been done.
    pub fn complete(&self) -> &str {
        self.question("complete")
    }

    /// The question for the oldest entry of the error queue.
    pub fn error(&self) -> &str {
        self.question("error")
    }

    fn question(&self, name: &str) -> &str {
        self.operations.get(name).and_then(|operation| operation.ask.as_deref()).unwrap_or_default()
    }

    /// Whether a reply to [`Self::error`] says that there is none: its number is zero.
    pub fn is_no_error(reply: &str) -> bool {
        let number = reply.split(',').next().unwrap_or_default().trim();
        number.parse::<i64>() == Ok(0)
    }

    /// What a source command is on the wire.
    pub fn source_lines(&self, command: &SourceCommand) -> Result<Lines, MapError> {
        let name = source_operation(command);
        match command {
            SourceCommand::Set { voltage_v, current_a, angle_deg, frequency_hz } => {
                let values = [
                    ("voltage", voltage_v.normalize().to_string()),
                    ("current", current_a.normalize().to_string()),
                    ("angle", angle_deg.normalize().to_string()),
                    ("frequency", frequency_hz.normalize().to_string()),
                ];
                let mut send = Vec::new();
                for part in ["set_frequency", "set_voltage", "set_current"] {
                    send.extend(self.operation(part)?.send.iter().map(|line| filled(line, &values)));
                }
                Ok(Lines { send, ask: None })
            }
            SourceCommand::Watchdog { seconds } => self.lines(name, &[("seconds", seconds.to_string())]),
            _ => self.lines(name, &[]),
        }
    }

    /// What a command to a standard is on the wire.
    pub fn standard_lines(&self, command: &StandardCommand) -> Result<Lines, MapError> {
        let name = standard_operation(command);
        match command {
            StandardCommand::ArmPulses { pile_constant, pulses } => {
                let constant = pile_constant.normalize().to_string();
                self.lines(name, &[("pile_constant", constant), ("pulses", pulses.to_string())])
            }
            _ => self.lines(name, &[]),
        }
    }

    /// Reads the reply to a source command; empty where nothing was asked.
    pub fn source_reply(&self, command: &SourceCommand, reply: &str) -> Result<Reply, MapError> {
        let name = source_operation(command);
        match command {
            SourceCommand::Identify => Ok(Reply::Identity(shortened(reply))),
            SourceCommand::OutputState => match reply.trim() {
                "1" | "ON" | "on" => Ok(Reply::State(true)),
                "0" | "OFF" | "off" => Ok(Reply::State(false)),
                _ => Err(self.unread(name, reply, "on or off")),
            },
            SourceCommand::Temperature => self.number(name, reply),
            _ => Ok(Reply::Done),
        }
    }

    /// Reads the reply of a standard; empty where nothing was asked.
    pub fn standard_reply(&self, command: &StandardCommand, reply: &str) -> Result<Reply, MapError> {
        let name = standard_operation(command);
        match command {
            StandardCommand::Identify => Ok(Reply::Identity(shortened(reply))),
            StandardCommand::Energy | StandardCommand::PulsesCounted | StandardCommand::PulseConstant => {
                self.number(name, reply)
            }
            StandardCommand::PulsesDone => {
                let done = self.operation(name)?.done.as_deref().unwrap_or("DONE");
                Ok(Reply::State(reply.trim().eq_ignore_ascii_case(done)))
            }
            StandardCommand::Measure => {
                let operation = self.operation(name)?;
                let pick = |field: Option<usize>| field.and_then(|field| decimal_at(reply, field));
                match (pick(operation.voltage), pick(operation.current), pick(operation.power)) {
                    (Some(voltage_v), Some(current_a), Some(power_w)) => {
                        Ok(Reply::Measured { voltage_v, current_a, power_w })
                    }
                    _ => Err(self.unread(name, reply, "voltage, current and power")),
                }
            }
            _ => Ok(Reply::Done),
        }
    }

    fn number(&self, name: &'static str, reply: &str) -> Result<Reply, MapError> {
        let operation = self.operation(name)?;
        let factor = operation.factor.unwrap_or(Decimal::ONE);
        decimal_at(reply, operation.field.unwrap_or(0))
            .and_then(|number| number.checked_mul(factor))
            .map(Reply::Number)
            .ok_or_else(|| self.unread(name, reply, "a number"))
    }

    fn lines(&self, name: &'static str, values: &[(&str, String)]) -> Result<Lines, MapError> {
        let operation = self.operation(name)?;
        Ok(Lines {
            send: operation.send.iter().map(|line| filled(line, values)).collect(),
            ask: operation.ask.as_ref().map(|line| filled(line, values)),
        })
    }

    fn operation(&self, name: &'static str) -> Result<&Operation, MapError> {
        self.operations
            .get(name)
            .ok_or_else(|| MapError::Operation { model: self.model.clone(), operation: name })
    }

    fn unread(&self, operation: &'static str, reply: &str, expected: &'static str) -> MapError {
        MapError::Reply { model: self.model.clone(), operation, reply: shortened(reply), expected }
    }
}

fn source_operation(command: &SourceCommand) -> &'static str {
    match command {
        SourceCommand::Identify => "identify",
        SourceCommand::Reset => "reset",
        SourceCommand::Watchdog { .. } => "watchdog",
        SourceCommand::Set { .. } => "set_voltage",
        SourceCommand::OutputOn => "output_on",
        SourceCommand::OutputOff => "output_off",
        SourceCommand::OutputState => "output_state",
        SourceCommand::Temperature => "temperature",
    }
}

fn standard_operation(command: &StandardCommand) -> &'static str {
    match command {
        StandardCommand::Identify => "identify",
        StandardCommand::Reset => "reset",
        StandardCommand::IntegrateReset => "integrate_reset",
        StandardCommand::IntegrateStart => "integrate_start",
        StandardCommand::IntegrateStop => "integrate_stop",
        StandardCommand::Energy => "energy",
        StandardCommand::Measure => "measure",
        StandardCommand::ArmPulses { .. } => "pulses_arm",
        StandardCommand::PulsesDone => "pulses_state",
        StandardCommand::PulsesCounted => "pulses_counted",
        StandardCommand::PulseConstant => "pulse_constant",
    }
}

fn filled(line: &str, values: &[(&str, String)]) -> String {
    values.iter().fold(line.to_owned(), |line, (name, value)| line.replace(&format!("{{{name}}}"), value))
}

/// The number at a place of a list; none for anything that is no finite number of a sane size.
fn decimal_at(reply: &str, field: usize) -> Option<Decimal> {
    if reply.len() > REPLY_CHARS_MAX {
        return None;
    }
    let text = reply.split(',').nth(field)?.trim();
    let text = text.strip_prefix('+').unwrap_or(text);
    let number = text.parse().ok().or_else(|| Decimal::from_scientific(text).ok())?;
    (number.abs() <= Decimal::from(NUMBER_MAX)).then_some(number)
}

fn shortened(text: &str) -> String {
    text.trim().chars().take(120).collect()
}

#[cfg(test)]
mod tests {
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
        let text =
            FILES.get_file("zera-like.toml").and_then(include_dir::File::contents_utf8).expect("there");
        let broken = text.replace("energy = {", "enemy = {");
        let error = InstrumentModel::parse("x.toml", &broken).expect_err("incomplete");
        assert!(error.to_string().contains("energy is missing"), "{error}");
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
}
