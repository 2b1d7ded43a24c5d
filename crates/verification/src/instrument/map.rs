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

impl Operation {
    /// What it lacks of what it must have.
    fn lacks(&self, must: Must) -> Option<String> {
        let is_blank = |line: &String| line.trim().is_empty();
        match must {
            Must::Exist => None,
            Must::Ask => self.ask.as_ref().is_none_or(is_blank).then(|| "asks nothing".to_owned()),
            Must::Send(_) if self.send.is_empty() || self.send.iter().any(is_blank) => {
                Some("sends nothing".to_owned())
            }
            Must::Send(places) => places
                .iter()
                .find(|place| !self.send.iter().any(|line| line.contains(**place)))
                .map(|place| format!("has no place for {place}")),
        }
    }
}

/// What instruments of a model say to `*IDN?`, whose four fields are maker, model, serial number and firmware (IEEE 488.2).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Makers, any of which may be the first field; empty: whoever made it.
    #[serde(default)]
    pub makers: Vec<String>,
    /// What the second field begins with, one of these; options may follow.
    pub models: Vec<String>,
}

impl Identity {
    /// Whether an answer is of such an instrument with this serial number.
    pub fn is_told_by(&self, text: &str, serial: &str) -> bool {
        let mut fields = text.split(',').map(str::trim);
        let mut next = || fields.next().unwrap_or_default();
        let (maker, model, told) = (next(), next(), next());
        (self.makers.is_empty() || self.makers.iter().any(|known| known == maker))
            && self.models.iter().any(|known| model.starts_with(known.as_str()))
            && told == serial.trim()
    }
}

/// What an operation must have.
#[derive(Clone, Copy)]
enum Must {
    /// Lines to send, none blank, with each of these places to fill among them.
    Send(&'static [&'static str]),
    /// A question.
    Ask,
    /// Nothing: models that need not be told have it empty.
    Exist,
}

/// Operations of a source.
const OF_SOURCES: [(&str, Must); 11] = [
    ("identify", Must::Ask),
    ("reset", Must::Send(&[])),
    ("set_voltage", Must::Send(&["{voltage}"])),
    ("set_current", Must::Send(&["{current}"])),
    ("set_frequency", Must::Exist),
    ("output_on", Must::Send(&[])),
    ("output_off", Must::Send(&[])),
    ("output_state", Must::Ask),
    ("watchdog", Must::Send(&["{seconds}"])),
    ("complete", Must::Ask),
    ("error", Must::Ask),
];

/// What those of alternating current need besides.
const OF_AC_SOURCES: [(&str, Must); 2] =
    [("set_frequency", Must::Send(&["{frequency}"])), ("set_current", Must::Send(&["{angle}"]))];

/// Operations of a standard.
const OF_STANDARDS: [(&str, Must); 9] = [
    ("identify", Must::Ask),
    ("reset", Must::Send(&[])),
    ("integrate_reset", Must::Send(&[])),
    ("integrate_start", Must::Send(&[])),
    ("integrate_stop", Must::Send(&[])),
    ("energy", Must::Ask),
    ("measure", Must::Ask),
    ("complete", Must::Ask),
    ("error", Must::Ask),
];

/// Operations that a model may lack.
const OPTIONAL: [(&str, Must); 5] = [
    ("temperature", Must::Ask),
    ("pulses_arm", Must::Send(&["{pile_constant}", "{pulses}"])),
    ("pulses_state", Must::Ask),
    ("pulses_counted", Must::Ask),
    ("pulse_constant", Must::Ask),
];

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
    /// What it says to `*IDN?`.
    pub identity: Identity,
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
        map.check().map_err(|reason| MapError::File { file: file.to_owned(), reason })?;
        Ok(map)
    }

    /// Whether every operation can be said: an empty one would be told to nobody, and count as done.
    fn check(&self) -> Result<(), String> {
        let needed = match self.role {
            InstrumentRole::Source => &OF_SOURCES[..],
            InstrumentRole::Standard => &OF_STANDARDS[..],
        };
        if let Some((name, _)) = needed.iter().find(|(name, _)| !self.operations.contains_key(*name)) {
            return Err(format!("the operation {name} is missing"));
        }
        let is_ac_source = self.role == InstrumentRole::Source && self.can("ac");
        let of_ac = if is_ac_source { &OF_AC_SOURCES[..] } else { &[] };
        for (name, must) in needed.iter().chain(of_ac).chain(&OPTIONAL) {
            if let Some(lacks) = self.operations.get(*name).and_then(|operation| operation.lacks(*must)) {
                return Err(format!("the operation {name} {lacks}"));
            }
        }
        if self.identity.models.iter().all(|model| model.trim().is_empty()) {
            return Err("no model is named that it tells".to_owned());
        }
        Ok(())
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
            // Where a model tells its dead-man time, it must be the one that it was given.
            SourceCommand::Watchdog { seconds } if self.operation(name)?.ask.is_some() => {
                match self.number(name, reply)? {
                    Reply::Number(told) if told == Decimal::from(*seconds) => Ok(Reply::Done),
                    _ => Err(self.unread(name, reply, "the dead-man time that it was given")),
                }
            }
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
mod tests;
