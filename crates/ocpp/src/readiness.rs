//! Metering readiness: does a charger's configuration make it send what a metrological score needs, and what would.
//!
//! `gateway::readiness` reads the configuration, asks [`judge`], carries out the steps of a line when somebody orders it, and
//! asks again. Pure. Never judges a reading: only whether readings of the right kind will come.
//!
//! A list of measurands is changed by one at a time: a charger refuses a whole list for one entry that it does not support
//! (OCPP 1.6 errata 3.14.4), and some take few entries only.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use veripile_pile::Measurand;

use crate::call::Call;
use crate::configuration::ConfigurationEntry;
use crate::{Version, signed};

mod keys;
#[cfg(test)]
mod tests;
mod view;

use keys::Keys;
pub use keys::{missing_names, names_to_read};
use view::{Setting, View};

/// Longest useful pause between samples, s: with one each minute the pile's and the vehicle's registers can be taken within
/// the same minute at both ends of a charge.
pub const INTERVAL_S_MAX: u64 = 60;

/// Shortest useful pause, s: a meter's register moves once a second, and sampling faster only loads link and database.
pub const INTERVAL_S_MIN: u64 = 10;

/// Longest pause that still gives a charge of half an hour samples of its own, s.
const INTERVAL_S_BEARABLE: u64 = 900;

/// Pauses to try, best first, s: some chargers take but a few values.
const INTERVALS_S: [u64; 3] = [60, 30, 120];

/// Clock offset up to which samples of pile and vehicle still fall into the same minute, s.
pub const OFFSET_GOOD_S: i64 = 30;

/// Clock offset beyond which time-of-use prices are wrong by law, s (limit of 3 min).
pub const OFFSET_S_MAX: i64 = 180;

/// Pause between registers on the clock, s: the quarter of an hour of the electricity trade.
const ALIGNED_INTERVAL_S: u64 = 900;

/// Pause between heartbeats to ask for where a clock is off, s: each answer carries the time.
const HEARTBEAT_S: u64 = 300;

/// The vehicle's state of charge: the only vehicle-side value that every version can be told to sample.
const STATE_OF_CHARGE: &str = "SoC";

/// Beginnings of other measurands that only a vehicle can tell (2.1).
const VEHICLE_PREFIXES: [&str; 2] = ["Display.", "EnergyRequest."];

/// What was seen of a charger besides its configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "facts that do not depend on each other")]
pub struct Observed {
    /// When the charger's time was read from its configuration, by our clock.
    pub read_at: Timestamp,
    /// The charger's clock less ours, by its newest messages, s; none where none carried a time.
    pub clock_offset_s: Option<i64>,
    /// Whether its newest timestamp could not be believed (1970, unreadable, days ahead).
    pub has_bad_clock: bool,
    /// Whether any reading ever came.
    pub has_readings: bool,
    /// Whether a decimal energy register came with context `Transaction.Begin`.
    pub has_begin_register: bool,
    /// Whether values of the vehicle's side came.
    pub has_vehicle_values: bool,
    /// Whether energies were among them.
    pub has_vehicle_energy: bool,
    /// Whether signed values came.
    pub has_signed_values: bool,
}

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineCode {
    /// The energy register is sampled during a charge.
    Register,
    /// At a useful pace.
    Interval,
    /// The register at begin and end of a charge, as a decimal.
    BeginEnd,
    /// The charger's clock is right, and registers come on it.
    Clock,
    /// Values are signed.
    Signed,
    /// The vehicle's side is told.
    Vehicle,
}

/// How a line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Light {
    /// As wanted.
    Green,
    /// Usable, less good than it could be.
    Amber,
    /// What a score needs will not come.
    Red,
    /// Could not be read.
    Unknown,
}

impl LineCode {
    /// Every line there is.
    pub const ALL: [Self; 6] =
        [Self::Register, Self::Interval, Self::BeginEnd, Self::Clock, Self::Signed, Self::Vehicle];

    /// Its word, as stored.
    pub fn word(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Interval => "interval",
            Self::BeginEnd => "begin_end",
            Self::Clock => "clock",
            Self::Signed => "signed",
            Self::Vehicle => "vehicle",
        }
    }
}

impl Light {
    /// Its word, as stored.
    pub fn word(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Amber => "amber",
            Self::Red => "red",
            Self::Unknown => "unknown",
        }
    }
}

/// Why a line stands as it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Nothing to change.
    AsWanted,
    /// The charger did not tell.
    NotRead,
    /// The charger does not know the key.
    KeyUnknown,
    /// Sampling is switched off.
    SamplingOff,
    /// The register is not in the list.
    NotListed,
    /// Only single phases of it are.
    PhasesOnly,
    /// The interval is no number.
    NoNumber,
    /// Samples are too far apart.
    TooSlow,
    /// Samples come faster than they serve.
    TooFast,
    /// Begin and end come in whole Wh only (1.6: `meterStart`, `meterStop`), or one of them does.
    WholeWhOnly,
    /// No register at the begin, at the end, or at both.
    EndsMissing,
    /// No message with a time was seen yet.
    NoTimeSeen,
    /// Its timestamps cannot be believed.
    BadClock,
    /// Its clock is off.
    OffsetLarge,
    /// No registers on the clock: a gap between two charges would not be seen.
    NotAligned,
    /// Values are not signed.
    NotSigned,
    /// Values are signed, but no public key is told.
    NoPublicKey,
    /// Of the vehicle comes no more than its state of charge, or no energies.
    NoVehicleEnergy,
    /// Nothing comes from the vehicle.
    NothingFromVehicle,
}

/// One line of the verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What it is about.
    pub code: LineCode,
    /// How it stands.
    pub light: Light,
    /// Why.
    pub reason: Reason,
    /// What was found: the setting's value as the charger told it, or a number of seconds (`clock`).
    pub found: Option<String>,
    /// The key to change; none where all is well or no key would help.
    pub key: Option<String>,
    /// What to set it to.
    pub wanted: Option<String>,
    /// Whether the charger says that the key cannot be written.
    pub readonly: bool,
    /// Calls to try, in order; after each that is accepted, judge again ([`apply`]).
    pub steps: Vec<Call>,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Everything asked was answered.
    Complete,
    /// The charger answered with errors.
    Errors,
    /// It did not answer in time.
    Mute,
    /// It left in the middle.
    Gone,
}

/// A verdict, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// How the check ended.
    pub ended: Ended,
    /// In words, where it did not end well.
    pub detail: Option<String>,
    /// The lines, one for each [`LineCode`].
    pub lines: Vec<Line>,
    /// Public keys that the charger itself told.
    pub public_keys: Vec<FoundKey>,
}

/// A public key in the configuration. Self-supplied: nobody has compared it with the meter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundKey {
    /// Connector (EVSE in 2.x), where the entry names one.
    pub connector: Option<u32>,
    /// The key, as told.
    pub public_key: String,
}

/// What somebody may order beside the calls of [`Call`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "readiness", rename_all = "snake_case", deny_unknown_fields)]
pub enum Order {
    /// Read and judge again.
    Check,
    /// Carry out the steps of a line.
    Set {
        /// Which.
        line: LineCode,
    },
}

/// Judges what was read; one line for each [`LineCode`].
pub fn judge(version: Version, entries: &[ConfigurationEntry], observed: &Observed) -> Vec<Line> {
    let view = View { version, keys: Keys::of(version), entries };
    vec![
        register(&view),
        interval(&view),
        begin_end(&view, observed),
        clock(&view, observed),
        signed_values(&view, observed),
        vehicle(&view, observed),
    ]
}

/// Notes in what was read that a step was accepted.
pub fn apply(entries: &mut Vec<ConfigurationEntry>, step: &Call) {
    let Call::WriteConfiguration { name, value } = step else { return };
    let value = Some(value.clone());
    match entries.iter_mut().find(|entry| entry.name.eq_ignore_ascii_case(name)) {
        Some(entry) => (entry.value, entry.known) = (value, true),
        None => {
            entries.push(ConfigurationEntry { name: name.clone(), value, readonly: false, known: true });
        }
    }
}

/// Whether the charger's time is among entries.
pub fn tells_time(version: Version, entries: &[ConfigurationEntry]) -> bool {
    let view = View { version, keys: Keys::of(version), entries };
    view.text(view.keys.time).is_some()
}

/// The public keys among what was read. What is no key of a known shape is left out.
pub fn public_keys(entries: &[ConfigurationEntry]) -> Vec<FoundKey> {
    entries.iter().filter_map(found_key).collect()
}

/// The key of the only meter: where the charger has one connector and tells one key. With more meters it stays open which
/// key belongs to which serial number, and a good record would be checked with the wrong one.
pub fn sole_public_key(version: Version, entries: &[ConfigurationEntry]) -> Option<String> {
    let mut keys: Vec<String> = public_keys(entries).into_iter().map(|key| key.public_key).collect();
    keys.sort();
    keys.dedup();
    let view = View { version, keys: Keys::of(version), entries };
    (view.has_one_connector() && keys.len() == 1).then(|| keys.remove(0))
}

fn found_key(entry: &ConfigurationEntry) -> Option<FoundKey> {
    let holder = keys::holder_of(&entry.name)?;
    let public_key = entry.value.as_deref()?.trim();
    signed::key::read(public_key, None).ok()?;
    Some(FoundKey { connector: holder.connector(), public_key: public_key.to_owned() })
}

impl Line {
    fn new(code: LineCode, light: Light, reason: Reason, found: Option<&str>) -> Self {
        let found = found.map(str::to_owned);
        Self { code, light, reason, found, key: None, wanted: None, readonly: false, steps: Vec::new() }
    }

    /// Names the key to change. Where it can be written, the values to try are steps.
    fn wants(mut self, view: &View<'_>, key: &str, values: Vec<String>) -> Self {
        let setting = view.setting(key);
        if self.key.is_none() {
            self.key = Some(key.to_owned());
            self.wanted = values.first().cloned();
            self.readonly = matches!(setting, Setting::Told { readonly: true, .. });
        }
        if matches!(setting, Setting::Told { readonly: false, .. }) {
            let step = |value| Call::WriteConfiguration { name: key.to_owned(), value };
            self.steps.extend(values.into_iter().map(step));
        }
        self
    }
}

/// Why a setting says nothing: the charger does not know it (what would come is missing for good), or did not tell.
fn unsaid(setting: Setting<'_>) -> (Light, Reason) {
    match setting {
        Setting::Unknown => (Light::Red, Reason::KeyUnknown),
        _ => (Light::Unknown, Reason::NotRead),
    }
}

fn register(view: &View<'_>) -> Line {
    let (code, key, wanted) = (LineCode::Register, view.keys.samples, Measurand::ENERGY_IMPORT_REGISTER);
    if let Some(off) = view.keys.enabled.filter(|key| view.is_off(key)) {
        let line = Line::new(code, Light::Red, Reason::SamplingOff, view.text(off));
        return line.wants(view, off, vec!["true".to_owned()]);
    }
    let Setting::Told { text, .. } = view.setting(key) else {
        let (light, reason) = unsaid(view.setting(key));
        return Line::new(code, light, reason, None);
    };
    if view.lists(key, wanted) {
        return Line::new(code, Light::Green, Reason::AsWanted, Some(text));
    }
    let (light, reason) = if view.lists_phases_of(key, wanted) {
        (Light::Amber, Reason::PhasesOnly)
    } else {
        (Light::Red, Reason::NotListed)
    };
    Line::new(code, light, reason, Some(text)).wants(view, key, view.lists_with(key, wanted))
}

fn interval(view: &View<'_>) -> Line {
    let (code, key) = (LineCode::Interval, view.keys.interval);
    let Setting::Told { text, .. } = view.setting(key) else {
        let (light, reason) = unsaid(view.setting(key));
        return Line::new(code, light, reason, None);
    };
    let (light, reason) = match text.trim().parse::<u64>() {
        Err(_) => (Light::Red, Reason::NoNumber),
        Ok(0) => (Light::Red, Reason::SamplingOff),
        Ok(seconds) if seconds < INTERVAL_S_MIN => (Light::Amber, Reason::TooFast),
        Ok(seconds) if seconds <= INTERVAL_S_MAX => (Light::Green, Reason::AsWanted),
        Ok(seconds) if seconds <= INTERVAL_S_BEARABLE => (Light::Amber, Reason::TooSlow),
        Ok(_) => (Light::Red, Reason::TooSlow),
    };
    let line = Line::new(code, light, reason, Some(text));
    if light == Light::Green {
        return line;
    }
    line.wants(
        view,
        key,
        INTERVALS_S.iter().map(u64::to_string).filter(|value| value != text.trim()).collect(),
    )
}

fn begin_end(view: &View<'_>, observed: &Observed) -> Line {
    let (code, wanted) = (LineCode::BeginEnd, Measurand::ENERGY_IMPORT_REGISTER);
    let [begin, end] = [view.keys.begin, view.keys.end];
    // In 1.6 the begin's key is of a later paper: many chargers send the begin without it, in `transactionData`.
    let has_begin = view.lists(begin, wanted) || (view.is_16() && observed.has_begin_register);
    let has_end = view.lists(end, wanted);
    let found: Vec<_> =
        [begin, end].iter().filter_map(|key| Some(format!("{key}={}", view.text(key)?))).collect();
    let found = (!found.is_empty()).then(|| found.join("; "));
    let unread = |key| matches!(view.setting(key), Setting::Unread);
    let (light, reason) = if has_begin && has_end {
        (Light::Green, Reason::AsWanted)
    } else if unread(end) || (unread(begin) && !has_begin) {
        (Light::Unknown, Reason::NotRead)
    } else if view.is_16() {
        (Light::Amber, Reason::WholeWhOnly)
    } else {
        (Light::Red, Reason::EndsMissing)
    };
    let mut line = Line::new(code, light, reason, found.as_deref());
    for (key, has) in [(end, has_end), (begin, has_begin)] {
        if !has && !matches!(view.setting(key), Setting::Unread | Setting::Unknown) {
            line = line.wants(view, key, view.lists_with(key, wanted));
        }
    }
    line
}

fn clock(view: &View<'_>, observed: &Observed) -> Line {
    let told = view.text(view.keys.time).and_then(|text| text.trim().parse::<Timestamp>().ok());
    let told_s = told.map(|told| told.duration_since(observed.read_at).as_secs());
    let offset_s = told_s.or(observed.clock_offset_s);
    let is_off = match offset_s {
        None if observed.has_bad_clock => Some((Light::Red, Reason::BadClock)),
        None => None,
        Some(offset) if offset.abs() > OFFSET_S_MAX => Some((Light::Red, Reason::OffsetLarge)),
        Some(offset) if offset.abs() > OFFSET_GOOD_S => Some((Light::Amber, Reason::OffsetLarge)),
        Some(_) => Some((Light::Green, Reason::AsWanted)),
    };
    let is_aligned = view.is_aligned();
    let (light, reason) = match (is_off, is_aligned) {
        (None, _) => (Light::Unknown, Reason::NoTimeSeen),
        (Some((Light::Green, _)), false) => (Light::Amber, Reason::NotAligned),
        (Some(verdict), _) => verdict,
    };
    let found = offset_s.map(|offset| offset.to_string());
    let mut line = Line::new(LineCode::Clock, light, reason, found.as_deref());
    if matches!(reason, Reason::BadClock | Reason::OffsetLarge) {
        line = time_by_heartbeat(view, line);
    }
    if is_aligned { line } else { aligned(view, line) }
}

/// Every answer to a heartbeat carries our time.
fn time_by_heartbeat(view: &View<'_>, mut line: Line) -> Line {
    let source = view.keys.time_source;
    if matches!(view.setting(source), Setting::Told { .. }) && !view.lists(source, "Heartbeat") {
        line = line.wants(view, source, view.lists_with(source, "Heartbeat"));
    }
    let key = view.keys.heartbeat;
    match view.number(key) {
        Some(1..=HEARTBEAT_S) => line,
        _ => line.wants(view, key, vec![HEARTBEAT_S.to_string()]),
    }
}

/// Registers on the clock, whether a charge runs or not.
fn aligned(view: &View<'_>, mut line: Line) -> Line {
    let Keys { aligned, aligned_interval, aligned_enabled, .. } = *view.keys;
    if let Some(off) = aligned_enabled.filter(|key| view.is_off(key)) {
        line = line.wants(view, off, vec!["true".to_owned()]);
    }
    if !view.lists(aligned, Measurand::ENERGY_IMPORT_REGISTER) {
        line = line.wants(view, aligned, view.lists_with(aligned, Measurand::ENERGY_IMPORT_REGISTER));
    }
    if view.number(aligned_interval).is_none_or(|seconds| seconds == 0) {
        line = line.wants(view, aligned_interval, vec![ALIGNED_INTERVAL_S.to_string()]);
    }
    line
}

fn signed_values(view: &View<'_>, observed: &Observed) -> Line {
    let (sign, told) = (view.keys.sign, view.keys.key_sent);
    let is_signed = view.is_on(sign) || observed.has_signed_values;
    let is_sent = view.text(told).is_some_and(|text| !matches!(text.trim(), "" | "Never"));
    let has_key = is_sent || !public_keys(view.entries).is_empty();
    let (light, reason) = match (is_signed, has_key) {
        (true, true) => (Light::Green, Reason::AsWanted),
        (true, false) => (Light::Amber, Reason::NoPublicKey),
        (false, _) => match unsaid(view.setting(sign)) {
            _ if matches!(view.setting(sign), Setting::Told { .. }) => (Light::Red, Reason::NotSigned),
            unsaid => unsaid,
        },
    };
    let mut line = Line::new(LineCode::Signed, light, reason, view.text(sign));
    if !is_signed && matches!(view.setting(sign), Setting::Told { .. }) {
        line = line.wants(view, sign, vec!["true".to_owned()]);
    }
    if !has_key && matches!(view.setting(told), Setting::Told { .. }) {
        line = line.wants(view, told, vec!["OncePerTransaction".to_owned(), "EveryMeterValue".to_owned()]);
    }
    line
}

fn vehicle(view: &View<'_>, observed: &Observed) -> Line {
    let key = view.keys.samples;
    let of_vehicle = |measurand: &&str| {
        measurand.eq_ignore_ascii_case(STATE_OF_CHARGE)
            || VEHICLE_PREFIXES.iter().any(|prefix| measurand.starts_with(prefix))
    };
    let listed: Vec<_> = view.list(key).into_iter().filter(of_vehicle).collect();
    let (light, reason) = if observed.has_vehicle_energy {
        (Light::Green, Reason::AsWanted)
    } else if observed.has_vehicle_values || !listed.is_empty() {
        (Light::Amber, Reason::NoVehicleEnergy)
    } else if observed.has_readings {
        (Light::Red, Reason::NothingFromVehicle)
    } else {
        (Light::Unknown, Reason::NothingFromVehicle)
    };
    let found = (!listed.is_empty()).then(|| listed.join(","));
    let line = Line::new(LineCode::Vehicle, light, reason, found.as_deref());
    let may_list = light > Light::Amber && matches!(view.setting(key), Setting::Told { .. });
    if may_list { line.wants(view, key, view.lists_added(key, STATE_OF_CHARGE)) } else { line }
}
