//! A simulated verification bench: a source and a reference standard that speak SCPI over TCP, and a pile under test that speaks
//! OCPP and whose true error is known.
//!
//! Called by `app` (`veripile simulate --bench`) and by tests. [`Bench`] is the physics and the instruments' language, without
//! sockets and without a clock: the same seed, times and lines give the same replies. [`server`] gives it a clock and TCP ports,
//! [`pile`] connects its pile to a central system. It knows nothing of the drivers that use it.

mod fault;
mod physics;
pub mod pile;
mod scpi;
pub mod server;
mod settings;
mod source;
mod standard;
#[cfg(test)]
mod tests;

use rust_decimal::Decimal;

pub use fault::{BenchFault, Injection};
pub use server::{BenchHandle, BenchServer};
pub use settings::{BenchKind, BenchSettings, SourceModel, StandardModel, WatchdogClock};

use fault::Faults;
use physics::{Flow, Meter, Noise, SECOND_NS, STEP_NS, energy_wh, nanoseconds};
use scpi::{Instrument, Mood, ScpiError, Status};
use source::Source;
use standard::Standard;

/// Most time that passes in one call, s: a month. What is longer is cut.
const ADVANCE_S_MAX: f64 = 31.0 * 86_400.0;

/// By how much a jumping register jumps, Wh.
const JUMP_WH: f64 = 1000.0;

/// Share of the rated current that a vehicle draws in a normal charge.
const VEHICLE_SHARE: f64 = 0.9;

/// Replies that are no numbers.
const GARBAGE: [&str; 5] = ["----", "OVLD", "1.2.3", "?", "+E+"];

/// How a reply leaves the instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// In one piece.
    Whole,
    /// In pieces with pauses.
    Pieces,
    /// Not at all: the connection is closed.
    Dropped,
}

/// What an instrument does with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// One text for each query of the line; on the wire they are one line, with semicolons between (IEEE 488.2, 8.4).
    pub replies: Vec<String>,
    /// How they leave.
    pub manner: Manner,
}

/// What a bench looks like at a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BenchState {
    /// Bench time, s.
    pub at_s: f64,
    /// True voltage of the source, V.
    pub voltage_v: f64,
    /// True current of the source, A.
    pub current_a: f64,
    /// True active power of the source, W.
    pub power_w: f64,
    /// What the standard's integrator shows, Wh.
    pub reference_wh: f64,
    /// What truly went through the pile since the beginning, Wh: the source's and a vehicle's.
    pub true_wh: f64,
    /// What the pile's register shows, Wh.
    pub register_wh: Decimal,
    /// Whether the source's outputs are on.
    pub is_on: bool,
    /// Temperature of the source's output stage, degrees Celsius.
    pub temperature_c: f64,
    /// Whether the pile was told that a virtual load is connected.
    pub is_virtual_load: bool,
    /// Whether a normal charge draws energy.
    pub is_charging: bool,
    /// Energy on the bill of the pile's last normal charge, kWh.
    pub bill_kwh: Option<Decimal>,
}

/// A bench.
pub struct Bench {
    settings: BenchSettings,
    now_ns: u64,
    faults: Faults,
    dice: Noise,
    source: Source,
    standard: Standard,
    meter: Meter,
    true_wh: f64,
    is_virtual_load: bool,
    is_charging: bool,
    /// What a vehicle draws, A, and for how long from the charge's begin, s.
    vehicle: (f64, f64),
    bill_kwh: Option<Decimal>,
}

/// Which instrument a line is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Source,
    Standard,
}

impl Bench {
    /// A bench that was just switched on. The seed decides all errors and all noise.
    pub fn new(settings: BenchSettings, seed: u64) -> Self {
        let mut bench = Self {
            now_ns: 0,
            faults: Faults::new(&settings.faults),
            dice: Noise::new(seed, 0),
            source: Source::new(&settings, seed),
            standard: Standard::new(&settings, seed),
            meter: Meter::new(&settings, seed),
            true_wh: 0.0,
            is_virtual_load: false,
            is_charging: false,
            vehicle: (VEHICLE_SHARE * settings.rated_current_a, settings.charge_s),
            bill_kwh: None,
            settings,
        };
        bench.draw();
        bench
    }

    /// How the bench was made.
    pub fn settings(&self) -> &BenchSettings {
        &self.settings
    }

    /// Bench time, s.
    pub fn now_s(&self) -> f64 {
        self.now_ns as f64 / SECOND_NS
    }

    /// Lets so many seconds pass.
    pub fn advance(&mut self, seconds: f64) {
        let end_ns = self.now_ns.saturating_add(nanoseconds(seconds).min(nanoseconds(ADVANCE_S_MAX)));
        while self.now_ns < end_ns {
            let step_end_ns = (self.now_ns / STEP_NS + 1) * STEP_NS;
            let left_ns = end_ns.min(step_end_ns) - self.now_ns;
            // The watchdog acts to the moment; everything else may wait for the end of the step.
            let piece_ns =
                self.source.watchdog_left_ns().map_or(left_ns, |until_ns| left_ns.min(until_ns.max(1)));
            self.pass(piece_ns);
            if self.now_ns == step_end_ns {
                self.draw();
            }
        }
    }

    fn draw(&mut self) {
        self.source.draw();
        self.standard.draw();
        self.meter.draw();
    }

    fn pass(&mut self, time_ns: u64) {
        let now_s = self.now_s();
        self.meter.stick(self.faults.acts(BenchFault::RegisterStuck, now_s));
        let from_source = self.source.flow();
        let at_pile = self.at_pile(from_source);
        // It jumps while the standard measures, so that a jump is of one reading, whenever it was asked for.
        if at_pile.power_w() > 0.0
            && self.standard.is_measuring()
            && self.faults.strikes(BenchFault::RegisterJump, now_s)
        {
            self.meter.jump(JUMP_WH);
        }
        self.true_wh += energy_wh(at_pile.power_w(), time_ns);
        let pulses = self.meter.register(if self.meters() { at_pile } else { Flow::default() }, time_ns);
        self.standard.see(self.at_standard());
        self.standard.meter(time_ns, pulses);
        self.now_ns += time_ns;
        let now_s = self.now_s();
        self.source.pass(time_ns, &mut self.faults, now_s);
    }

    /// Whether the pile's meter meters: one that needs its mode for a virtual load, and is not in it, meters vehicles only.
    fn meters(&self) -> bool {
        self.is_virtual_load || self.is_charging || !self.settings.meters_in_mode_only
    }

    /// What the pile meters: the source's load, or a vehicle's in a normal charge, which the standard sees only where it stands between.
    fn at_pile(&self, from_source: Flow) -> Flow {
        if !self.is_charging {
            return from_source;
        }
        Flow { voltage_v: self.settings.rated_voltage_v, current_a: self.vehicle.0, power_factor: 1.0 }
    }

    /// What flows where the standard taps the voltage.
    fn at_standard(&self) -> Flow {
        let from_source = self.source.flow();
        let flow = if self.settings.standard_sees_charges { self.at_pile(from_source) } else { from_source };
        flow.before_cable(self.settings.cable_ohm)
    }

    /// Lets a vehicle draw so much, A, for so long from the begin of the charge, s: the one that runs and those to come.
    pub fn set_vehicle(&mut self, current_a: f64, charge_s: f64) {
        self.vehicle = (current_a, charge_s);
    }

    /// How long a charge lasts, s.
    pub(crate) fn charge_s(&self) -> f64 {
        self.vehicle.1
    }

    /// What the source replies to a line.
    pub fn source_line(&mut self, line: &str) -> Vec<String> {
        self.exchange(Which::Source, line).replies
    }

    /// What the standard replies to a line.
    pub fn standard_line(&mut self, line: &str) -> Vec<String> {
        self.exchange(Which::Standard, line).replies
    }

    /// As [`Self::source_line`], with how the reply leaves.
    pub fn source_exchange(&mut self, line: &str) -> Exchange {
        self.exchange(Which::Source, line)
    }

    /// As [`Self::standard_line`], with how the reply leaves.
    pub fn standard_exchange(&mut self, line: &str) -> Exchange {
        self.exchange(Which::Standard, line)
    }

    pub(crate) fn exchange(&mut self, which: Which, line: &str) -> Exchange {
        let now_s = self.now_s();
        let (silent, drops) = match which {
            Which::Source => (BenchFault::SourceSilent, BenchFault::SourceDrops),
            Which::Standard => (BenchFault::StandardSilent, BenchFault::StandardDrops),
        };
        if self.faults.strikes(drops, now_s) {
            return Exchange { replies: Vec::new(), manner: Manner::Dropped };
        }
        if self.faults.strikes(silent, now_s) {
            return Exchange { replies: Vec::new(), manner: Manner::Whole };
        }
        let at_standard = self.at_standard();
        let mut mood = Faulty { faults: &mut self.faults, dice: &mut self.dice, now_s };
        let replies = match which {
            Which::Source => {
                self.source.feed();
                scpi::converse(&mut self.source, &mut mood, line)
            }
            Which::Standard => {
                // It tells what flows now, also where no time has passed since the source was told something.
                self.standard.see(at_standard);
                scpi::converse(&mut self.standard, &mut mood, line)
            }
        };
        let in_pieces = !replies.is_empty() && self.faults.strikes(BenchFault::PartialLines, now_s);
        Exchange { replies, manner: if in_pieces { Manner::Pieces } else { Manner::Whole } }
    }

    /// A line was longer than an instrument can take.
    pub(crate) fn overrun(&mut self, which: Which) {
        let status: &mut Status = match which {
            Which::Source => self.source.status(),
            Which::Standard => self.standard.status(),
        };
        status.push(ScpiError::OVERRUN);
    }

    /// What the pile's register shows, Wh, cut to its resolution.
    pub fn register_wh(&self) -> Decimal {
        self.meter.register_wh()
    }

    /// Pulses the pile gave since the beginning.
    pub fn pulses(&self) -> u64 {
        self.meter.pulses()
    }

    /// True relative error of the pile at its rated current, as a fraction; positive: it registers too much.
    pub fn true_error(&self) -> f64 {
        self.true_error_at(self.settings.rated_current_a)
    }

    /// The same at another current, A.
    pub fn true_error_at(&self, current_a: f64) -> f64 {
        self.meter.error_at(current_a)
    }

    /// Sets the pile's true errors at its rated current and at a tenth of it, percent.
    pub fn set_true_error(&mut self, error_percent: f64, error_at_tenth_percent: f64) {
        self.meter.set_error(error_percent, error_at_tenth_percent);
    }

    /// Relative gain error of the standard, as a fraction: what a calibration of it would tell.
    pub fn standard_error(&self) -> f64 {
        self.standard.gain()
    }

    /// Lets something go wrong.
    pub fn inject(&mut self, injection: Injection) {
        self.faults.inject(injection);
    }

    /// Ends a fault.
    pub fn clear(&mut self, fault: BenchFault) {
        self.faults.clear(fault);
    }

    /// Whether a fault acts now.
    pub(crate) fn acts(&self, fault: BenchFault) -> bool {
        self.faults.acts(fault, self.now_s())
    }

    /// Whether a fault acts now, which is one of its times.
    pub(crate) fn strikes(&mut self, fault: BenchFault) -> bool {
        let now_s = self.now_s();
        self.faults.strikes(fault, now_s)
    }

    /// Tells the pile that a virtual load is connected, or no longer.
    pub(crate) fn virtual_load(&mut self, is_connected: bool) {
        self.is_virtual_load = is_connected;
    }

    /// Lets a vehicle draw energy, or no longer.
    pub(crate) fn charge(&mut self, is_charging: bool) {
        self.is_charging = is_charging;
    }

    /// The pile makes the bill of a charge of so much, Wh.
    pub(crate) fn bill(&mut self, energy_wh: Decimal) {
        self.bill_kwh = energy_wh.checked_div(Decimal::ONE_THOUSAND);
    }

    /// What the bench looks like now.
    pub fn state(&self) -> BenchState {
        let flow = self.source.flow();
        BenchState {
            at_s: self.now_s(),
            voltage_v: flow.voltage_v,
            current_a: flow.current_a,
            power_w: flow.power_w(),
            reference_wh: self.standard.energy_wh(),
            true_wh: self.true_wh,
            register_wh: self.register_wh(),
            is_on: self.source.is_on(),
            temperature_c: self.source.temperature_c(),
            is_virtual_load: self.is_virtual_load,
            is_charging: self.is_charging,
            bill_kwh: self.bill_kwh,
        }
    }
}

/// An instrument with the bench's faults.
struct Faulty<'a> {
    faults: &'a mut Faults,
    dice: &'a mut Noise,
    now_s: f64,
}

impl Mood for Faulty<'_> {
    fn refuses(&mut self) -> Option<ScpiError> {
        let refuses = self.faults.strikes(BenchFault::ErrorQueue, self.now_s);
        let errors = [ScpiError::OUT_OF_RANGE, ScpiError::UNDEFINED_HEADER];
        refuses.then(|| errors[self.dice.below(2) as usize])
    }

    fn ignores_off(&mut self) -> bool {
        self.faults.strikes(BenchFault::OffIgnored, self.now_s)
    }

    fn spoil(&mut self, reply: String) -> String {
        let is_numeric = reply.split(',').any(|field| field.parse::<f64>().is_ok());
        if is_numeric && self.faults.strikes(BenchFault::Garbage, self.now_s) {
            return GARBAGE[self.dice.below(GARBAGE.len() as u32) as usize].to_owned();
        }
        reply
    }

    fn poses(&mut self) -> Option<String> {
        let poses = self.faults.strikes(BenchFault::WrongIdentity, self.now_s);
        poses.then(|| "ACME,MULTIMETER,0,0".to_owned())
    }
}
