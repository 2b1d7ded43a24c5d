//! The reference standard: what it measures of what flows, with its own error, and the two dialects that tell it.
//!
//! Used by [`crate::bench::Bench`]. It has one gain error, drawn once from its stated uncertainty, and noise. It integrates power
//! whenever it was started, and the comparator of the Zera dialect counts its own pulses during pulses of the pile.

use std::collections::BTreeMap;

use super::physics::{Flow, Noise, energy_wh};
use super::scpi::{ERROR_QUERIES, ErrorSpelling, Instrument, ScpiError, Status, Unit, number};
use super::settings::{BenchSettings, StandardModel};

/// Ranges of power, W: the pulse constant is such that the range in use gives a thousand pulses a second.
const RANGES_W: [f64; 9] = [1e3, 2.5e3, 5e3, 10e3, 25e3, 50e3, 100e3, 250e3, 1e6];

/// Warmer inside than the room, K.
const RISE_K: f64 = 1.5;

/// Values sent when none in particular is asked for, until told otherwise, and items there are.
const VALUES: u32 = 15;
const ITEMS_MAX: u32 = 255;

/// Most pulses of the pile that one comparison may take.
const PULSES_MAX: f64 = 1e6;

/// What a header asks of a standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Header {
    IntegratorReset,
    IntegratorStart,
    IntegratorStop,
    IntegratorState,
    Energy,
    Measure,
    PileConstant,
    Pulses,
    CounterStart,
    CounterStop,
    CounterState,
    Counted,
    ReferenceConstant,
    Temperature,
    Item(u32),
    Values,
    ValueCount,
    NextError,
    Version,
}

/// Makes a header of the number in it.
type MakeHeader = fn(u32) -> Header;

const ZERA: [(&str, MakeHeader); 15] = [
    ("CALCulate:SEM#:RESet", |_| Header::IntegratorReset),
    ("CALCulate:SEM#:STARt", |_| Header::IntegratorStart),
    ("CALCulate:SEM#:STOP", |_| Header::IntegratorStop),
    ("CALCulate:SEM#:ENERgy", |_| Header::Energy),
    ("MEASure:UIP", |_| Header::Measure),
    ("CALCulate:SEC#:CONStant", |_| Header::PileConstant),
    ("CALCulate:SEC#:PULSes", |_| Header::Pulses),
    ("CALCulate:SEC#:STARt", |_| Header::CounterStart),
    ("CALCulate:SEC#:STOP", |_| Header::CounterStop),
    ("CALCulate:SEC#:STATe", |_| Header::CounterState),
    ("CALCulate:SEC#:MREFerence", |_| Header::Counted),
    ("CALCulate:SEC#:CREFerence", |_| Header::ReferenceConstant),
    ("SENSe:TEMPerature", |_| Header::Temperature),
    (ERROR_QUERIES[0], |_| Header::NextError),
    ("SYSTem:VERSion", |_| Header::Version),
];

const YOKOGAWA: [(&str, MakeHeader); 8] = [
    ("INTEGrate:RESet", |_| Header::IntegratorReset),
    ("INTEGrate:STARt", |_| Header::IntegratorStart),
    ("INTEGrate:STOP", |_| Header::IntegratorStop),
    ("INTEGrate:STATe", |_| Header::IntegratorState),
    ("NUMeric:[NORMal]:ITEM#", Header::Item),
    ("NUMeric:[NORMal]:VALue", |_| Header::Values),
    ("NUMeric:[NORMal]:NUMber", |_| Header::ValueCount),
    (ERROR_QUERIES[1], |_| Header::NextError),
];

impl StandardModel {
    fn make(self) -> &'static str {
        match self {
            Self::Zera => "ZERA,COM3003",
            Self::YokogawaWt => "YOKOGAWA,WT1806E",
        }
    }

    fn headers(self) -> &'static [(&'static str, MakeHeader)] {
        match self {
            Self::Zera => &ZERA,
            Self::YokogawaWt => &YOKOGAWA,
        }
    }

    fn spelling(self) -> ErrorSpelling {
        match self {
            Self::Zera => ErrorSpelling::Scpi,
            Self::YokogawaWt => ErrorSpelling::Unsigned,
        }
    }
}

/// A function that a numeric item shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    Voltage,
    Current,
    Power,
    Energy,
}

impl Function {
    fn word(self) -> &'static str {
        match self {
            Self::Voltage => "U",
            Self::Current => "I",
            Self::Power => "P",
            Self::Energy => "WH",
        }
    }
}

/// State of the integrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Integrator {
    Reset,
    Running,
    Stopped,
}

/// State of the comparator.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Comparator {
    Idle,
    /// Waits for the first edge.
    Armed,
    /// Counts from a count of its own until an edge of the pile's.
    Counting {
        from: f64,
        last_edge: f64,
    },
    Done(u64),
}

/// The standard.
pub(super) struct Standard {
    model: StandardModel,
    serial: String,
    status: Status,
    gain: f64,
    noise_sd: f64,
    noise: Noise,
    now_noise: f64,
    ambient_c: f64,
    /// What it measures now.
    measured: Flow,
    integrator: Integrator,
    integrated_wh: f64,
    /// All it ever measured, Wh: its pulses come from this.
    metered_wh: f64,
    /// Of its own pulses, imp/kWh.
    reference_constant: f64,
    pile_constant: Option<f64>,
    pulses: Option<f64>,
    comparator: Comparator,
    items: BTreeMap<u32, Function>,
    values: u32,
}

impl Standard {
    pub(super) fn new(settings: &BenchSettings, seed: u64) -> Self {
        let mut noise = Noise::new(seed, 2);
        let rated_w = settings.rated_voltage_v * settings.rated_current_a;
        let range_w = RANGES_W.into_iter().find(|range_w| rated_w <= *range_w).unwrap_or(RANGES_W[8]);
        Self {
            model: settings.standard,
            serial: settings.standard_serial.clone(),
            status: Status::new(settings.standard.spelling()),
            gain: settings.standard_uncertainty_percent / 100.0 * noise.draw(),
            noise_sd: settings.standard_noise_percent / 100.0,
            noise,
            now_noise: 0.0,
            ambient_c: settings.ambient_c,
            measured: Flow::default(),
            integrator: Integrator::Reset,
            integrated_wh: 0.0,
            metered_wh: 0.0,
            reference_constant: 3.6e9 / range_w,
            pile_constant: None,
            pulses: None,
            comparator: Comparator::Idle,
            items: BTreeMap::new(),
            values: VALUES,
        }
    }

    /// Its gain error, which nobody who uses it knows.
    pub(super) fn gain(&self) -> f64 {
        self.gain
    }

    /// Whether a reading is being taken.
    pub(super) fn is_measuring(&self) -> bool {
        self.integrator == Integrator::Running || matches!(self.comparator, Comparator::Counting { .. })
    }

    pub(super) fn energy_wh(&self) -> f64 {
        self.integrated_wh
    }

    /// Draws the noise of the next step.
    pub(super) fn draw(&mut self) {
        self.now_noise = self.noise_sd * self.noise.draw();
    }

    /// Sees what flows where it taps, without time passing.
    pub(super) fn see(&mut self, flow: Flow) {
        let half = (1.0 + self.gain + self.now_noise).max(0.0).sqrt();
        self.measured = Flow { voltage_v: flow.voltage_v * half, current_a: flow.current_a * half, ..flow };
    }

    /// Meters what it sees for a time, in which the pile's count of pulses went from one place to another.
    pub(super) fn meter(&mut self, time_ns: u64, pulses: (f64, f64)) {
        let gained_wh = energy_wh(self.measured.power_w(), time_ns);
        if self.integrator == Integrator::Running {
            self.integrated_wh += gained_wh;
        }
        let before_wh = self.metered_wh;
        self.metered_wh += gained_wh;
        self.compare(before_wh, pulses);
    }

    /// Follows the pile's edges. Within a step both energies grow evenly, so where an edge lies is known exactly.
    fn compare(&mut self, before_wh: f64, (from, to): (f64, f64)) {
        let count_at = |edge: f64| {
            let share = if from < to { (edge - from) / (to - from) } else { 0.0 };
            let at_wh = before_wh + (self.metered_wh - before_wh) * share;
            (at_wh * self.reference_constant / 1000.0).floor()
        };
        let first_edge = from.floor() + 1.0;
        if self.comparator == Comparator::Armed && first_edge <= to {
            let last_edge = first_edge + self.pulses.unwrap_or(1.0);
            self.comparator = Comparator::Counting { from: count_at(first_edge), last_edge };
        }
        if let Comparator::Counting { from: begun, last_edge } = self.comparator
            && last_edge <= to
        {
            self.comparator = Comparator::Done((count_at(last_edge) - begun) as u64);
        }
    }

    fn header(&self, unit: &Unit<'_>) -> Result<Header, ScpiError> {
        for (pattern, make) in self.model.headers() {
            if let Some(numbers) = unit.matches(pattern) {
                let number = numbers.first().copied().unwrap_or(1);
                let header = make(number);
                let most = if matches!(header, Header::Item(_)) { ITEMS_MAX } else { 1 };
                return if (1..=most).contains(&number) { Ok(header) } else { Err(ScpiError::SUFFIX_RANGE) };
            }
        }
        Err(ScpiError::UNDEFINED_HEADER)
    }

    fn ask(&mut self, header: Header, unit: &Unit<'_>) -> Result<String, ScpiError> {
        if header != Header::Values {
            unit.no_parameters()?;
        }
        let measured = self.measured;
        Ok(match header {
            Header::Energy => format!("{:.7}", self.integrated_wh / 1000.0),
            Header::Measure => {
                format!("{:.4},{:.5},{:.3}", measured.voltage_v, measured.current_a, measured.power_w())
            }
            Header::IntegratorState => match self.integrator {
                Integrator::Reset => "RES".to_owned(),
                Integrator::Running => "STAR".to_owned(),
                Integrator::Stopped => "STOP".to_owned(),
            },
            Header::CounterState => match self.comparator {
                Comparator::Idle => "IDLE".to_owned(),
                Comparator::Armed | Comparator::Counting { .. } => "RUN".to_owned(),
                Comparator::Done(_) => "DONE".to_owned(),
            },
            Header::Counted => match self.comparator {
                Comparator::Done(counted) => counted.to_string(),
                _ => return Err(ScpiError::STALE),
            },
            Header::PileConstant => self.pile_constant.ok_or(ScpiError::STALE)?.to_string(),
            Header::Pulses => self.pulses.ok_or(ScpiError::STALE)?.to_string(),
            Header::ReferenceConstant => self.reference_constant.to_string(),
            Header::Temperature => format!("{:.1}", self.ambient_c + RISE_K),
            Header::Item(item) => {
                self.items.get(&item).map_or("NONE".to_owned(), |function| format!("{},1", function.word()))
            }
            Header::ValueCount => self.values.to_string(),
            Header::Values => self.asked_values(unit)?,
            Header::NextError => self.status.next_error(),
            Header::Version => "1999.0".to_owned(),
            Header::IntegratorReset
            | Header::IntegratorStart
            | Header::IntegratorStop
            | Header::CounterStart
            | Header::CounterStop => return Err(ScpiError::UNDEFINED_HEADER),
        })
    }

    fn asked_values(&self, unit: &Unit<'_>) -> Result<String, ScpiError> {
        if unit.parameters.is_empty() {
            return Ok((1..=self.values).map(|item| self.value(item)).collect::<Vec<_>>().join(","));
        }
        let item = unit.only_number()?.within(1.0, f64::from(ITEMS_MAX))?;
        Ok(self.value(item as u32))
    }

    fn value(&self, item: u32) -> String {
        match self.items.get(&item) {
            None => "NAN".to_owned(),
            Some(Function::Voltage) => floating(self.measured.voltage_v),
            Some(Function::Current) => floating(self.measured.current_a),
            Some(Function::Power) => floating(self.measured.power_w()),
            Some(Function::Energy) => floating(self.integrated_wh),
        }
    }

    fn set(&mut self, header: Header, unit: &Unit<'_>) -> Result<(), ScpiError> {
        match header {
            Header::PileConstant => {
                self.pile_constant = Some(unit.only_number()?.within(1e-3, 1e9)?);
                return Ok(());
            }
            Header::Pulses => {
                self.pulses = Some(unit.only_number()?.within(1.0, PULSES_MAX)?.round());
                return Ok(());
            }
            Header::Item(item) => return self.set_item(item, unit),
            Header::ValueCount => {
                self.values = unit.only_number()?.within(1.0, f64::from(ITEMS_MAX))? as u32;
                return Ok(());
            }
            _ => unit.no_parameters()?,
        }
        let is_analyser = self.model == StandardModel::YokogawaWt;
        let is_running = self.integrator == Integrator::Running;
        match header {
            Header::IntegratorReset | Header::IntegratorStart if is_analyser && is_running => {
                return Err(ScpiError::SETTINGS_CONFLICT);
            }
            // The comparator goes on integrating from nothing.
            Header::IntegratorReset if is_running => self.integrated_wh = 0.0,
            Header::IntegratorReset => (self.integrator, self.integrated_wh) = (Integrator::Reset, 0.0),
            Header::IntegratorStart => self.integrator = Integrator::Running,
            Header::IntegratorStop if is_running => self.integrator = Integrator::Stopped,
            Header::IntegratorStop => {}
            Header::CounterStart if self.pile_constant.is_none() || self.pulses.is_none() => {
                return Err(ScpiError::SETTINGS_CONFLICT);
            }
            Header::CounterStart => self.comparator = Comparator::Armed,
            Header::CounterStop => self.comparator = Comparator::Idle,
            _ => return Err(ScpiError::UNDEFINED_HEADER),
        }
        Ok(())
    }

    fn set_item(&mut self, item: u32, unit: &Unit<'_>) -> Result<(), ScpiError> {
        let (word, element) = match unit.parameters.as_slice() {
            [] => return Err(ScpiError::MISSING),
            [word] => (*word, None),
            [word, element] => (*word, Some(*element)),
            _ => return Err(ScpiError::NOT_ALLOWED),
        };
        if let Some(element) = element {
            number(element)?.within(1.0, 1.0)?;
        }
        let function = match word.to_ascii_uppercase().as_str() {
            "NONE" => {
                self.items.remove(&item);
                return Ok(());
            }
            "U" => Function::Voltage,
            "I" => Function::Current,
            "P" => Function::Power,
            "WH" => Function::Energy,
            _ => return Err(ScpiError::ILLEGAL_VALUE),
        };
        self.items.insert(item, function);
        Ok(())
    }
}

impl Instrument for Standard {
    fn identity(&self) -> String {
        format!("{},{},1.0", self.model.make(), self.serial)
    }

    fn status(&mut self) -> &mut Status {
        &mut self.status
    }

    fn reset(&mut self) {
        (self.integrator, self.integrated_wh) = (Integrator::Reset, 0.0);
        (self.pile_constant, self.pulses, self.comparator) = (None, None, Comparator::Idle);
        self.items.clear();
        self.values = VALUES;
    }

    fn perform(&mut self, unit: &Unit<'_>) -> Result<Option<String>, ScpiError> {
        let header = self.header(unit)?;
        if unit.is_query {
            return self.ask(header, unit).map(Some);
        }
        self.set(header, unit).map(|()| None)
    }

    fn sets(&self, unit: &Unit<'_>) -> bool {
        let stops = matches!(self.header(unit), Ok(Header::IntegratorStop | Header::CounterStop));
        !unit.is_query && !stops
    }
}

/// A number as the WT family sends it: six digits, and an exponent that three divides.
fn floating(value: f64) -> String {
    let text = format!("{value:.5e}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let before_point = 1 + exponent.rem_euclid(3) as usize;
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let (whole, fraction) = digits.split_at(before_point.min(digits.len()));
    format!("{sign}{whole}.{fraction}E{:+03}", exponent.div_euclid(3) * 3)
}
