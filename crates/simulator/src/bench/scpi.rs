//! The language of the instruments: SCPI's headers and parameters, IEEE 488.2's common commands, status and error queue.
//!
//! Used by [`super::source`] and [`super::standard`], which say what each header does. It is spelled here from the standards and
//! not with a driver's command maps, so that a mistake there finds no twin here. It knows no instrument.

use std::collections::VecDeque;

/// Errors an instrument keeps; the last place then says that some are missing (SCPI-99, volume 2, SYSTem:ERRor).
const QUEUE_MAX: usize = 20;

/// How the oldest error is asked for, by SCPI and in the WT family.
pub(super) const ERROR_QUERIES: [&str; 2] = ["SYSTem:ERRor:[NEXT]", "STATus:ERRor"];

/// Commands in one line; drivers send one or two.
const UNITS_MAX: usize = 32;

/// An entry of the error queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ScpiError {
    pub(super) code: i16,
    pub(super) text: &'static str,
}

/// SCPI-99, volume 2, 21.8: the errors that the instruments of this bench have.
impl ScpiError {
    pub(super) const INVALID_CHARACTER: Self = Self::new(-101, "Invalid character");
    pub(super) const SYNTAX: Self = Self::new(-102, "Syntax error");
    pub(super) const DATA_TYPE: Self = Self::new(-104, "Data type error");
    pub(super) const NOT_ALLOWED: Self = Self::new(-108, "Parameter not allowed");
    pub(super) const MISSING: Self = Self::new(-109, "Missing parameter");
    pub(super) const UNDEFINED_HEADER: Self = Self::new(-113, "Undefined header");
    pub(super) const SUFFIX_RANGE: Self = Self::new(-114, "Header suffix out of range");
    pub(super) const SETTINGS_CONFLICT: Self = Self::new(-221, "Settings conflict");
    pub(super) const OUT_OF_RANGE: Self = Self::new(-222, "Data out of range");
    pub(super) const ILLEGAL_VALUE: Self = Self::new(-224, "Illegal parameter value");
    pub(super) const STALE: Self = Self::new(-230, "Data corrupt or stale");
    pub(super) const WATCHDOG: Self = Self::new(-300, "Device-specific error;Watchdog expired, outputs off");
    pub(super) const TRIPPED: Self = Self::new(-300, "Device-specific error;Outputs tripped");
    pub(super) const TOO_HOT: Self = Self::new(-300, "Device-specific error;Over-temperature, outputs off");
    pub(super) const OVERFLOW: Self = Self::new(-350, "Queue overflow");
    pub(super) const OVERRUN: Self = Self::new(-363, "Input buffer overrun");

    const fn new(code: i16, text: &'static str) -> Self {
        Self { code, text }
    }

    /// Whether the line could not be understood; then nothing after it is executed.
    fn is_command_error(self) -> bool {
        (-199..=-100).contains(&self.code)
    }

    /// Its bit in the event status register (IEEE 488.2, 11.5.1).
    fn event(self) -> u8 {
        match self.code {
            -199..=-100 => 32,
            -299..=-200 => 16,
            -499..=-400 => 4,
            _ => 8,
        }
    }
}

/// How an instrument tells its errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorSpelling {
    /// `-113,"Undefined header"` and `0,"No error"`, as SCPI wants it.
    Scpi,
    /// `113,"Undefined header"` and `0,"NO ERROR"`, as the WT family has it.
    Unsigned,
}

/// Status registers and error queue.
#[derive(Debug)]
pub(super) struct Status {
    queue: VecDeque<ScpiError>,
    spelling: ErrorSpelling,
    event: u8,
    event_enable: u8,
    service_enable: u8,
}

impl Status {
    pub(super) fn new(spelling: ErrorSpelling) -> Self {
        // Bit 7: switched on since last asked.
        Self { queue: VecDeque::new(), spelling, event: 128, event_enable: 0, service_enable: 0 }
    }

    pub(super) fn push(&mut self, error: ScpiError) {
        self.event |= error.event();
        if self.queue.len() < QUEUE_MAX {
            self.queue.push_back(error);
        } else if let Some(last) = self.queue.back_mut() {
            *last = ScpiError::OVERFLOW;
        }
    }

    /// The oldest error, which is taken out.
    pub(super) fn next_error(&mut self) -> String {
        match (self.queue.pop_front(), self.spelling) {
            (Some(error), ErrorSpelling::Scpi) => format!("{},\"{}\"", error.code, error.text),
            (Some(error), ErrorSpelling::Unsigned) => {
                format!("{},\"{}\"", error.code.unsigned_abs(), error.text)
            }
            (None, ErrorSpelling::Scpi) => "0,\"No error\"".to_owned(),
            (None, ErrorSpelling::Unsigned) => "0,\"NO ERROR\"".to_owned(),
        }
    }

    fn clear(&mut self) {
        self.queue.clear();
        self.event = 0;
    }

    /// IEEE 488.2, 11.2: bit 2 for errors (SCPI), bit 5 for events, bit 6 for both where enabled. Replies leave at once, so
    /// bit 4 is never set.
    fn byte(&self) -> u8 {
        let errors = if self.queue.is_empty() { 0 } else { 4 };
        let events = if self.event & self.event_enable == 0 { 0 } else { 32 };
        let byte = errors | events;
        byte | if byte & self.service_enable == 0 { 0 } else { 64 }
    }

    /// Does what a common command asks; an error if it is none of those known. `*RST` and `*IDN?` are the instrument's.
    fn common(&mut self, unit: &Unit<'_>) -> Result<Option<String>, ScpiError> {
        if unit.is_query {
            unit.no_parameters()?;
        }
        let text = match (unit.header.as_str(), unit.is_query) {
            ("*CLS", false) => {
                unit.no_parameters()?;
                self.clear();
                return Ok(None);
            }
            ("*OPC", false) => {
                unit.no_parameters()?;
                self.event |= 1;
                return Ok(None);
            }
            ("*WAI", false) => return unit.no_parameters().map(|()| None),
            ("*ESE", false) => {
                self.event_enable = unit.only_number()?.within(0.0, 255.0)? as u8;
                return Ok(None);
            }
            ("*SRE", false) => {
                self.service_enable = unit.only_number()?.within(0.0, 255.0)? as u8;
                return Ok(None);
            }
            ("*OPC", true) => "1".to_owned(),
            ("*TST", true) => "0".to_owned(),
            ("*ESR", true) => std::mem::take(&mut self.event).to_string(),
            ("*ESE", true) => self.event_enable.to_string(),
            ("*SRE", true) => self.service_enable.to_string(),
            ("*STB", true) => self.byte().to_string(),
            _ => return Err(ScpiError::UNDEFINED_HEADER),
        };
        Ok(Some(text))
    }
}

/// One command of a line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Unit<'a> {
    /// From the root, in capitals, without the question mark and the leading colon.
    pub(super) header: String,
    pub(super) is_query: bool,
    pub(super) parameters: Vec<&'a str>,
}

/// A number that was read and may be out of range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Number(f64);

impl Number {
    pub(super) fn within(self, low: f64, high: f64) -> Result<f64, ScpiError> {
        if low <= self.0 && self.0 <= high { Ok(self.0) } else { Err(ScpiError::OUT_OF_RANGE) }
    }
}

impl<'a> Unit<'a> {
    pub(super) fn no_parameters(&self) -> Result<(), ScpiError> {
        if self.parameters.is_empty() { Ok(()) } else { Err(ScpiError::NOT_ALLOWED) }
    }

    /// Exactly so many parameters.
    pub(super) fn exactly<const N: usize>(&self) -> Result<[&'a str; N], ScpiError> {
        <[&str; N]>::try_from(self.parameters.as_slice())
            .map_err(|_| if self.parameters.len() < N { ScpiError::MISSING } else { ScpiError::NOT_ALLOWED })
    }

    pub(super) fn only_number(&self) -> Result<Number, ScpiError> {
        let [text] = self.exactly()?;
        number(text)
    }

    /// `ON`, `OFF` or a number that rounds to 0 or not.
    pub(super) fn only_switch(&self) -> Result<bool, ScpiError> {
        let [text] = self.exactly()?;
        match text.to_ascii_uppercase().as_str() {
            "ON" => Ok(true),
            "OFF" => Ok(false),
            _ => match number(text) {
                Ok(Number(value)) => Ok(value.round() != 0.0),
                // A word, but none that a switch has.
                Err(_) => Err(ScpiError::ILLEGAL_VALUE),
            },
        }
    }

    /// The numbers in this header where it is the pattern's: nodes in short or long form, `[...]` for those that may be left
    /// out, `#` where a number may follow (1 if none does).
    pub(super) fn matches(&self, pattern: &str) -> Option<Vec<u32>> {
        let nodes: Vec<_> = self.header.split(':').collect();
        let patterns: Vec<_> = pattern.split(':').collect();
        let mut numbers = Vec::new();
        nodes_match(&nodes, &patterns, &mut numbers).then_some(numbers)
    }
}

/// A decimal number in any of the forms of IEEE 488.2.
pub(super) fn number(text: &str) -> Result<Number, ScpiError> {
    // What Rust reads beyond IEEE 488.2: inf, NaN and their long names.
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let read = text.parse::<f64>().ok().filter(|value| is_plain && value.is_finite());
    read.map(Number).ok_or(ScpiError::DATA_TYPE)
}

fn nodes_match(nodes: &[&str], patterns: &[&str], numbers: &mut Vec<u32>) -> bool {
    let Some((pattern, later)) = patterns.split_first() else { return nodes.is_empty() };
    let optional = pattern.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    if let Some((node, rest)) = nodes.split_first()
        && let Some(found) = node_matches(node, optional.unwrap_or(pattern))
    {
        let kept = numbers.len();
        numbers.extend(found);
        if nodes_match(rest, later, numbers) {
            return true;
        }
        numbers.truncate(kept);
    }
    optional.is_some() && nodes_match(nodes, later, numbers)
}

/// The number after a node's name, none where the pattern has none; nothing if the node is not the pattern's.
fn node_matches(node: &str, pattern: &str) -> Option<Vec<u32>> {
    let Some(name) = pattern.strip_suffix('#') else { return is_name(node, pattern).then(Vec::new) };
    let word = node.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = &node[word.len()..];
    let number = if digits.is_empty() { 1 } else { digits.parse().ok()? };
    is_name(word, name).then(|| vec![number])
}

/// Whether a word in capitals is the name, in short form (its capitals) or long.
fn is_name(word: &str, name: &str) -> bool {
    let short = name.trim_end_matches(|c: char| c.is_ascii_lowercase());
    word == short || word == name.to_ascii_uppercase()
}

/// The commands of a line, in order. A header without a leading colon goes on where the one before ended (SCPI-99, volume 1,
/// 6.2.4); a common command does not change where that is. What cannot be read ends the line.
pub(super) fn units(line: &str) -> (Vec<Unit<'_>>, Option<ScpiError>) {
    let mut units = Vec::new();
    let mut path = String::new();
    for text in outside_quotes(line, ';') {
        if units.len() == UNITS_MAX {
            return (units, Some(ScpiError::OVERRUN));
        }
        match unit(text.trim(), &mut path) {
            Ok(unit) => units.push(unit),
            // An empty line asks for nothing.
            Err(_) if text.trim().is_empty() && line.trim().is_empty() => {}
            Err(error) => return (units, Some(error)),
        }
    }
    (units, None)
}

fn unit<'a>(text: &'a str, path: &mut String) -> Result<Unit<'a>, ScpiError> {
    if !text.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte)) {
        return Err(ScpiError::INVALID_CHARACTER);
    }
    let (header, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    let (header, is_query) = header.strip_suffix('?').map_or((header, false), |header| (header, true));
    let header = if header.starts_with('*') {
        header.to_ascii_uppercase()
    } else {
        let full = match header.strip_prefix(':') {
            Some(from_root) => from_root.to_ascii_uppercase(),
            None => format!("{path}{}", header.to_ascii_uppercase()),
        };
        *path = full.rfind(':').map_or(String::new(), |colon| full[..=colon].to_owned());
        full
    };
    let nodes = header.trim_start_matches('*');
    let is_word = |node: &str| {
        node.starts_with(|c: char| c.is_ascii_alphabetic())
            && node.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    if !nodes.split(':').all(is_word) {
        return Err(ScpiError::SYNTAX);
    }
    let rest = rest.trim();
    let parameters: Vec<_> = if rest.is_empty() {
        Vec::new()
    } else {
        outside_quotes(rest, ',').into_iter().map(str::trim).collect()
    };
    if parameters.iter().any(|parameter| parameter.is_empty()) {
        return Err(ScpiError::SYNTAX);
    }
    Ok(Unit { header, is_query, parameters })
}

/// Parts of a text between separators that stand in no quoted string.
fn outside_quotes(text: &str, separator: char) -> Vec<&str> {
    let mut quote = None;
    text.split(|c: char| {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            _ => {}
        }
        quote.is_none() && c == separator
    })
    .collect()
}

/// An instrument that can be talked to.
pub(super) trait Instrument {
    /// `MAKE,MODEL,SERIAL,FIRMWARE`.
    fn identity(&self) -> String;

    fn status(&mut self) -> &mut Status;

    /// `*RST`.
    fn reset(&mut self);

    /// Does what a command asks; the reply of a query.
    fn perform(&mut self, unit: &Unit<'_>) -> Result<Option<String>, ScpiError>;

    /// Whether a command would set or start something: what a refusing instrument refuses.
    fn sets(&self, unit: &Unit<'_>) -> bool;

    /// Whether a command switches outputs off; a standard has none.
    fn switches_off(&self, _unit: &Unit<'_>) -> bool {
        false
    }
}

/// What goes wrong with an instrument, asked command by command.
pub(super) trait Mood {
    /// The error with which a command is refused.
    fn refuses(&mut self) -> Option<ScpiError>;

    /// Whether a command to switch off is taken and not carried out.
    fn ignores_off(&mut self) -> bool;

    /// What a reply turns into.
    fn spoil(&mut self, reply: String) -> String;

    /// The identity told instead of the true one.
    fn poses(&mut self) -> Option<String>;
}

/// What an instrument replies to a line, one text for each query. A command that cannot be understood ends the line; one that
/// cannot be executed does not.
pub(super) fn converse(instrument: &mut impl Instrument, mood: &mut impl Mood, line: &str) -> Vec<String> {
    let (units, unreadable) = units(line);
    let mut replies = Vec::new();
    for unit in &units {
        match answer(instrument, mood, unit) {
            Ok(reply) => replies.extend(reply),
            Err(error) => {
                instrument.status().push(error);
                if error.is_command_error() {
                    return replies;
                }
            }
        }
    }
    if let Some(error) = unreadable {
        instrument.status().push(error);
    }
    replies
}

fn answer(
    instrument: &mut impl Instrument,
    mood: &mut impl Mood,
    unit: &Unit<'_>,
) -> Result<Option<String>, ScpiError> {
    match (unit.header.as_str(), unit.is_query) {
        ("*IDN", true) => {
            unit.no_parameters()?;
            Ok(Some(mood.poses().unwrap_or_else(|| instrument.identity())))
        }
        ("*RST", false) => {
            unit.no_parameters()?;
            instrument.reset();
            Ok(None)
        }
        (header, _) if header.starts_with('*') => instrument.status().common(unit),
        _ => {
            if instrument.sets(unit)
                && let Some(error) = mood.refuses()
            {
                return Err(error);
            }
            if instrument.switches_off(unit) && mood.ignores_off() {
                return Ok(None);
            }
            let reply = instrument.perform(unit)?;
            // An error that is asked for is told as it is.
            let is_error = ERROR_QUERIES.iter().any(|pattern| unit.matches(pattern).is_some());
            Ok(reply.map(|reply| if is_error { reply } else { mood.spoil(reply) }))
        }
    }
}
