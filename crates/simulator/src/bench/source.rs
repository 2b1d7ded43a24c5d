//! The source: what it is told in its own dialect, and what then truly flows.
//!
//! Used by [`crate::bench::Bench`]. Voltage and current come from two amplifiers that no power flows between; each has an error of
//! its own, drifts as it warms up, and is noisy. Outputs go off by themselves when the watchdog is not fed, when it gets too
//! hot, or at a fault. Set-points act at once: there is no ramp.

use super::fault::{BenchFault, Faults};
use super::physics::{Flow, Noise, SECOND_NS, nanoseconds};
use super::scpi::{ERROR_QUERIES, ErrorSpelling, Instrument, ScpiError, Status, Unit};
use super::settings::{BenchKind, BenchSettings, SourceModel, WatchdogClock};

/// Time in which the drift of warming up is two thirds done, s.
const WARM_UP_S: f64 = 600.0;

/// The output stage at full current gets warmer than the room by this, K, with this time constant, s.
const RISE_K: f64 = 30.0;
const RISE_S: f64 = 300.0;

/// The same when its cooling fails.
const FAILING_RISE_K: f64 = 95.0;
const FAILING_RISE_S: f64 = 20.0;

/// At this temperature it switches off, degrees Celsius.
const TOO_HOT_C: f64 = 85.0;

/// Outputs that trip do so when they have been on for this long, ns.
const TRIP_AFTER_NS: u64 = 5_000_000_000;

/// A voltage that creeps away does so by this share a second, up to the whole.
const CREEP_PER_S: f64 = 0.005 / 60.0;
const CREEP_MAX: f64 = 0.05;

/// Standard deviation of the phase angle's error, degrees.
const PHASE_ERROR_DEG: f64 = 0.002;

/// Longest watchdog that can be set, s.
const WATCHDOG_S_MAX: f64 = 3600.0;

/// What a header asks of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Header {
    Voltage,
    VoltageState,
    Current,
    CurrentState,
    Frequency,
    Output,
    Watchdog,
    Temperature,
    NextError,
    Version,
}

/// Headers of both dialects.
const SHARED: [(&str, Header); 5] = [
    ("OUTPut:[STATe]", Header::Output),
    ("SYSTem:WATChdog:TIME", Header::Watchdog),
    ("SENSe:TEMPerature", Header::Temperature),
    (ERROR_QUERIES[0], Header::NextError),
    ("SYSTem:VERSion", Header::Version),
];

const FLUKE: [(&str, Header); 5] = [
    ("[SOURce]:PHASe#:VOLTage:MHARmonics:HARMonic#", Header::Voltage),
    ("[SOURce]:PHASe#:VOLTage:STATe", Header::VoltageState),
    ("[SOURce]:PHASe#:CURRent:MHARmonics:HARMonic#", Header::Current),
    ("[SOURce]:PHASe#:CURRent:STATe", Header::CurrentState),
    ("[SOURce]:FREQuency", Header::Frequency),
];

const PHANTOM: [(&str, Header); 2] = [
    ("[SOURce]:VOLTage:[LEVel]:[IMMediate]:[AMPLitude]", Header::Voltage),
    ("[SOURce]:CURRent:[LEVel]:[IMMediate]:[AMPLitude]", Header::Current),
];

impl SourceModel {
    fn make(self) -> &'static str {
        match self {
            Self::Fluke6105a => "FLUKE,6105A",
            Self::DcPhantom => "VLDC,1000-300",
        }
    }

    fn headers(self) -> &'static [(&'static str, Header)] {
        match self {
            Self::Fluke6105a => &FLUKE,
            Self::DcPhantom => &PHANTOM,
        }
    }

    /// Highest voltage, V, and current, A.
    fn limits(self) -> (f64, f64) {
        match self {
            Self::Fluke6105a => (1008.0, 80.0),
            Self::DcPhantom => (1050.0, 300.0),
        }
    }
}

/// One amplifier.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Amplifier {
    set: f64,
    angle_deg: f64,
    is_enabled: bool,
    /// Relative error of what it puts out, and how far it drifts when warming up.
    error: f64,
    drift: f64,
    now_noise: f64,
}

impl Amplifier {
    fn true_value(&self, warm: f64, creep: f64) -> f64 {
        if self.is_enabled {
            self.set * (1.0 + self.error + self.drift * warm + creep + self.now_noise)
        } else {
            0.0
        }
    }
}

/// The source.
pub(super) struct Source {
    model: SourceModel,
    serial: String,
    status: Status,
    is_ac: bool,
    voltage: Amplifier,
    current: Amplifier,
    phase_error_deg: f64,
    frequency_hz: f64,
    is_on: bool,
    on_ns: u64,
    watchdog_s: f64,
    /// Bench seconds in one of the watchdog's.
    watchdog_scale: f64,
    /// Since the last line, ns.
    silent_ns: u64,
    ambient_c: f64,
    temperature_c: f64,
    creep: f64,
    noise_sd: f64,
    noise: Noise,
}

impl Source {
    pub(super) fn new(settings: &BenchSettings, seed: u64) -> Self {
        let mut noise = Noise::new(seed, 1);
        let model = settings.source;
        let mut amplifier = || Amplifier {
            set: 0.0,
            angle_deg: 0.0,
            is_enabled: model == SourceModel::DcPhantom,
            error: settings.source_error_percent / 100.0 * noise.draw(),
            drift: settings.source_drift_percent / 100.0 * noise.draw(),
            now_noise: 0.0,
        };
        let (voltage, current) = (amplifier(), amplifier());
        Self {
            model,
            serial: settings.source_serial.clone(),
            status: Status::new(ErrorSpelling::Scpi),
            is_ac: settings.kind == BenchKind::Ac,
            voltage,
            current,
            phase_error_deg: PHASE_ERROR_DEG * noise.draw(),
            frequency_hz: 50.0,
            is_on: false,
            on_ns: 0,
            watchdog_s: 0.0,
            watchdog_scale: match settings.watchdog_clock {
                WatchdogClock::Bench => 1.0,
                WatchdogClock::Client => settings.speed,
            },
            silent_ns: 0,
            ambient_c: settings.ambient_c,
            temperature_c: settings.ambient_c,
            creep: 0.0,
            noise_sd: settings.source_noise_percent / 100.0,
            noise,
        }
    }

    /// Draws the noise of the next step.
    pub(super) fn draw(&mut self) {
        self.voltage.now_noise = self.noise_sd * self.noise.draw();
        self.current.now_noise = self.noise_sd * self.noise.draw();
    }

    /// What truly flows.
    pub(super) fn flow(&self) -> Flow {
        if !self.is_on {
            return Flow { power_factor: 1.0, ..Flow::default() };
        }
        let warm = -(-(self.on_ns as f64 / SECOND_NS) / WARM_UP_S).exp_m1();
        let angle_deg = self.current.angle_deg - self.voltage.angle_deg + self.phase_error_deg;
        Flow {
            voltage_v: self.voltage.true_value(warm, self.creep),
            current_a: self.current.true_value(warm, 0.0),
            power_factor: if self.is_ac { angle_deg.to_radians().cos() } else { 1.0 },
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.is_on
    }

    pub(super) fn temperature_c(&self) -> f64 {
        self.temperature_c
    }

    /// Time until the watchdog would act, ns.
    pub(super) fn watchdog_left_ns(&self) -> Option<u64> {
        let limit_ns = nanoseconds(self.watchdog_s * self.watchdog_scale);
        (self.is_on && 0 < limit_ns).then(|| limit_ns.saturating_sub(self.silent_ns))
    }

    /// A line came: the watchdog is fed.
    pub(super) fn feed(&mut self) {
        self.silent_ns = 0;
    }

    /// Lets time pass and does what the source does by itself.
    pub(super) fn pass(&mut self, time_ns: u64, faults: &mut Faults, now_s: f64) {
        let time_s = time_ns as f64 / SECOND_NS;
        self.silent_ns = self.silent_ns.saturating_add(time_ns);
        self.on_ns = if self.is_on { self.on_ns.saturating_add(time_ns) } else { 0 };
        self.warm(time_s, faults.acts(BenchFault::OverTemperature, now_s));
        self.creep = if self.is_on && faults.acts(BenchFault::VoltageDrift, now_s) {
            (self.creep + CREEP_PER_S * time_s).min(CREEP_MAX)
        } else {
            0.0
        };
        if !self.is_on {
            return;
        }
        if self.watchdog_left_ns() == Some(0) {
            self.trip(ScpiError::WATCHDOG);
        } else if TOO_HOT_C <= self.temperature_c {
            self.trip(ScpiError::TOO_HOT);
        } else if TRIP_AFTER_NS <= self.on_ns && faults.strikes(BenchFault::OutputTrips, now_s) {
            self.trip(ScpiError::TRIPPED);
        }
    }

    fn warm(&mut self, time_s: f64, is_failing: bool) {
        let share = if self.is_on { self.current.set / self.model.limits().1 } else { 0.0 };
        let (target_c, constant_s) = if is_failing && self.is_on {
            (self.ambient_c + FAILING_RISE_K, FAILING_RISE_S)
        } else {
            (self.ambient_c + RISE_K * share * share, RISE_S)
        };
        self.temperature_c += (target_c - self.temperature_c) * -(-time_s / constant_s).exp_m1();
    }

    fn trip(&mut self, error: ScpiError) {
        self.switch(false);
        self.status.push(error);
    }

    fn switch(&mut self, on: bool) {
        if on != self.is_on {
            self.on_ns = 0;
        }
        self.is_on = on;
    }

    fn header(&self, unit: &Unit<'_>) -> Result<Header, ScpiError> {
        for (pattern, header) in self.model.headers().iter().chain(&SHARED) {
            if let Some(numbers) = unit.matches(pattern) {
                // One phase, and of its harmonics the fundamental.
                let is_here = numbers.iter().all(|number| *number == 1);
                return if is_here { Ok(*header) } else { Err(ScpiError::SUFFIX_RANGE) };
            }
        }
        Err(ScpiError::UNDEFINED_HEADER)
    }

    fn ask(&mut self, header: Header) -> String {
        let switch = |is_on: bool| u8::from(is_on).to_string();
        match header {
            Header::Voltage => self.set_point(&self.voltage),
            Header::Current => self.set_point(&self.current),
            Header::VoltageState => switch(self.voltage.is_enabled),
            Header::CurrentState => switch(self.current.is_enabled),
            Header::Frequency => format!("{:.4}", self.frequency_hz),
            Header::Output => switch(self.is_on),
            Header::Watchdog => format!("{}", self.watchdog_s),
            Header::Temperature => format!("{:.1}", self.temperature_c),
            Header::NextError => self.status.next_error(),
            Header::Version => "1999.0".to_owned(),
        }
    }

    fn set_point(&self, amplifier: &Amplifier) -> String {
        match self.model {
            SourceModel::Fluke6105a => format!("{:.6},{:.4}", amplifier.set, amplifier.angle_deg),
            SourceModel::DcPhantom => format!("{:.4}", amplifier.set),
        }
    }

    fn set(&mut self, header: Header, unit: &Unit<'_>) -> Result<(), ScpiError> {
        let (voltage_v_max, current_a_max) = self.model.limits();
        match header {
            Header::Voltage => {
                (self.voltage.set, self.voltage.angle_deg) = self.level(unit, voltage_v_max)?;
            }
            Header::Current => {
                (self.current.set, self.current.angle_deg) = self.level(unit, current_a_max)?;
            }
            Header::VoltageState => self.voltage.is_enabled = unit.only_switch()?,
            Header::CurrentState => self.current.is_enabled = unit.only_switch()?,
            Header::Frequency => self.frequency_hz = unit.only_number()?.within(16.0, 850.0)?,
            Header::Output => self.switch(unit.only_switch()?),
            Header::Watchdog => self.watchdog_s = unit.only_number()?.within(0.0, WATCHDOG_S_MAX)?,
            Header::Temperature | Header::NextError | Header::Version => {
                return Err(ScpiError::UNDEFINED_HEADER);
            }
        }
        Ok(())
    }

    /// Amplitude, and angle where the dialect has one.
    fn level(&self, unit: &Unit<'_>, max: f64) -> Result<(f64, f64), ScpiError> {
        match self.model {
            SourceModel::Fluke6105a => {
                let [amplitude, angle] = unit.exactly()?;
                let amplitude = super::scpi::number(amplitude)?.within(0.0, max)?;
                Ok((amplitude, super::scpi::number(angle)?.within(-180.0, 180.0)?))
            }
            SourceModel::DcPhantom => Ok((unit.only_number()?.within(0.0, max)?, 0.0)),
        }
    }
}

impl Instrument for Source {
    fn identity(&self) -> String {
        format!("{},{},1.0", self.model.make(), self.serial)
    }

    fn status(&mut self) -> &mut Status {
        &mut self.status
    }

    fn reset(&mut self) {
        self.switch(false);
        let is_enabled = self.model == SourceModel::DcPhantom;
        for amplifier in [&mut self.voltage, &mut self.current] {
            *amplifier = Amplifier { set: 0.0, angle_deg: 0.0, is_enabled, ..*amplifier };
        }
        (self.frequency_hz, self.watchdog_s) = (50.0, 0.0);
    }

    fn perform(&mut self, unit: &Unit<'_>) -> Result<Option<String>, ScpiError> {
        let header = self.header(unit)?;
        if unit.is_query {
            unit.no_parameters()?;
            return Ok(Some(self.ask(header)));
        }
        self.set(header, unit).map(|()| None)
    }

    fn sets(&self, unit: &Unit<'_>) -> bool {
        !unit.is_query && !self.switches_off(unit)
    }

    fn switches_off(&self, unit: &Unit<'_>) -> bool {
        !unit.is_query && self.header(unit) == Ok(Header::Output) && unit.only_switch() == Ok(false)
    }
}
