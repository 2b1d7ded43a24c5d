//! What a bench is made of: which instruments, which pile, how good each is.
//!
//! Made by whoever starts a bench, read by all parts of [`crate::bench`].

use rust_decimal::Decimal;

use super::fault::Injection;

/// Kind of load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BenchKind {
    /// One phase of alternating current.
    Ac,
    /// Direct current.
    Dc,
}

/// Sources there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceModel {
    /// One phase of voltage and current, in the manner of the Fluke 6105A.
    Fluke6105a,
    /// A DC source with voltage and current fed apart.
    DcPhantom,
}

impl SourceModel {
    /// Its name on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fluke6105a => "fluke-6105a-like",
            Self::DcPhantom => "dc-phantom-like",
        }
    }

    /// Reads [`Self::word`] back.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Fluke6105a, Self::DcPhantom].into_iter().find(|model| model.word() == word)
    }
}

/// Reference standards there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandardModel {
    /// An energy comparator with a pulse input, in the manner of the Zera COM family.
    Zera,
    /// A power analyser with integration, in the manner of the Yokogawa WT family.
    YokogawaWt,
}

impl StandardModel {
    /// Its name on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Zera => "zera-like",
            Self::YokogawaWt => "yokogawa-wt-like",
        }
    }

    /// Reads [`Self::word`] back.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Zera, Self::YokogawaWt].into_iter().find(|model| model.word() == word)
    }
}

/// Whose seconds the watchdog of the source counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchdogClock {
    /// The bench's: at a speed of 600, five seconds pass in a hundredth of one.
    Bench,
    /// The client's, who lives at a speed of 1 and could never feed the other one.
    Client,
}

/// A bench. All percentages are relative; standard deviations are for k = 1.
#[derive(Debug, Clone, PartialEq)]
pub struct BenchSettings {
    /// Kind of load.
    pub kind: BenchKind,
    /// Source.
    pub source: SourceModel,
    /// Reference standard.
    pub standard: StandardModel,
    /// Serial number of the source, without commas.
    pub source_serial: String,
    /// Serial number of the standard, without commas.
    pub standard_serial: String,
    /// Rated voltage of the pile, V.
    pub rated_voltage_v: f64,
    /// Rated current of the pile, A.
    pub rated_current_a: f64,
    /// The pile's true error at its rated current, percent; positive: it registers too much.
    pub error_percent: f64,
    /// The same at a tenth of that current, percent; straight lines between, level beyond.
    pub error_at_tenth_percent: f64,
    /// Noise of the pile's meter in a tenth of a second, percent.
    pub meter_noise_percent: f64,
    /// The pile's register at the beginning, Wh.
    pub register_start_wh: Decimal,
    /// Resolution of the register, Wh.
    pub register_step_wh: Decimal,
    /// Whether the pile writes registers in kWh rather than in Wh.
    pub writes_kwh: bool,
    /// Pulses of the pile, imp/kWh.
    pub pulse_constant: f64,
    /// Whether its meter meters what the source feeds only once the pile was told that a virtual load is connected.
    pub meters_in_mode_only: bool,
    /// Standard deviation from which the standard's gain error is drawn, percent: its stated uncertainty.
    pub standard_uncertainty_percent: f64,
    /// Noise of the standard in a tenth of a second, percent.
    pub standard_noise_percent: f64,
    /// Standard deviation from which the source's errors of voltage and current are drawn, percent.
    pub source_error_percent: f64,
    /// How far the source drifts as it warms up after being switched on, percent.
    pub source_drift_percent: f64,
    /// Noise of the source's voltage and current in a tenth of a second, percent.
    pub source_noise_percent: f64,
    /// Resistance between where the standard taps the voltage and the vehicle's connector, where the truth is told, ohm.
    pub cable_ohm: f64,
    /// Temperature of the room, degrees Celsius.
    pub ambient_c: f64,
    /// How many seconds of bench time pass in one of the server's.
    pub speed: f64,
    /// Whose seconds the source's watchdog counts.
    pub watchdog_clock: WatchdogClock,
    /// Whether the standard stands between pile and vehicle, so that it sees what a charge draws: a real load.
    pub standard_sees_charges: bool,
    /// How long a normal charge lasts, s of bench time, unless it is stopped before.
    pub charge_s: f64,
    /// How far the pile's clock is ahead of the machine's, ms.
    pub clock_offset_ms: i64,
    /// Secret key on secp256r1 with which the pile's meter signs its charges; none: it signs nothing.
    pub signing_key: Option<[u8; 32]>,
    /// What goes wrong.
    pub faults: Vec<Injection>,
}

impl Default for BenchSettings {
    /// A good 7 kW AC pile, a calibrator of class 0.05.
    fn default() -> Self {
        Self {
            kind: BenchKind::Ac,
            source: SourceModel::Fluke6105a,
            standard: StandardModel::Zera,
            source_serial: "SIM-S-1".to_owned(),
            standard_serial: "SIM-R-1".to_owned(),
            rated_voltage_v: 220.0,
            rated_current_a: 32.0,
            error_percent: 0.4,
            error_at_tenth_percent: 0.6,
            meter_noise_percent: 0.05,
            register_start_wh: Decimal::from(12_345_678),
            register_step_wh: Decimal::ONE,
            writes_kwh: false,
            pulse_constant: 1000.0,
            meters_in_mode_only: false,
            // U(k=2) = 0.03 %: with a margin within class 0.05.
            standard_uncertainty_percent: 0.015,
            standard_noise_percent: 0.01,
            source_error_percent: 0.02,
            source_drift_percent: 0.01,
            source_noise_percent: 0.005,
            cable_ohm: 0.0,
            ambient_c: 23.0,
            speed: 1.0,
            watchdog_clock: WatchdogClock::Bench,
            standard_sees_charges: false,
            charge_s: 240.0,
            clock_offset_ms: 0,
            signing_key: None,
            faults: Vec::new(),
        }
    }
}

impl BenchSettings {
    /// A good 120 kW DC charger.
    pub fn dc() -> Self {
        Self {
            kind: BenchKind::Dc,
            source: SourceModel::DcPhantom,
            rated_voltage_v: 750.0,
            rated_current_a: 160.0,
            pulse_constant: 100.0,
            ..Self::default()
        }
    }
}
