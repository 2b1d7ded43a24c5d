//! Instruments: a virtual-load source and a reference standard, their calibration, and what each operation is called on the wire.
//!
//! Registered by people, named by orders, driven by `gateway::instrument` with the command maps of [`map`]. Nothing here
//! talks to an instrument.

pub mod map;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

pub use map::{InstrumentModel, MapError, Reply};

/// Hours in a year, for drift: the mean Gregorian year.
const YEAR_H: Decimal = Decimal::from_parts(8766, 0, 0, false, 0);

/// What an instrument is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstrumentRole {
    /// Virtual-load source (虚负荷源): feeds voltage and current apart, so that no real power flows.
    Source,
    /// Reference standard (标准表): measures the energy that the pile is given.
    Standard,
}

impl InstrumentRole {
    /// The word used in files and database.
    pub fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Standard => "standard",
        }
    }

    /// Reads [`Self::word`] back.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Source, Self::Standard].into_iter().find(|role| role.word() == word)
    }
}

/// The certificate of an instrument itself: its traceability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Its number.
    pub number: String,
    /// Who calibrated.
    pub issuer: String,
    /// When.
    pub calibrated_at: Timestamp,
    /// Last moment of validity.
    pub valid_until: Timestamp,
    /// Expanded uncertainty of energy, percent.
    pub expanded_uncertainty_percent: Decimal,
    /// Its coverage factor.
    pub coverage_factor: Decimal,
    /// Bound of the drift since, percent a year.
    pub drift_percent_per_year: Decimal,
}

impl Calibration {
    /// Whether it holds at a moment.
    pub fn holds(&self, at: Timestamp) -> bool {
        self.calibrated_at <= at && at <= self.valid_until
    }

    /// Bound of the drift from the calibration to a moment, percent: the yearly bound in proportion.
    pub fn drift_percent(&self, at: Timestamp) -> Decimal {
        let hours = at.duration_since(self.calibrated_at).as_secs().max(0) / 3600;
        self.drift_percent_per_year
            .checked_mul(Decimal::from(hours))
            .and_then(|product| product.checked_div(YEAR_H))
            .map_or(Decimal::MAX, |drift| drift.round_dp(6))
    }
}

/// A registered instrument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instrument {
    /// Number in the register.
    pub instrument_id: String,
    /// What it is for.
    pub role: InstrumentRole,
    /// Name of its command map, e.g. `zera-like`.
    pub model: String,
    /// Serial number: must be the one that it tells itself.
    pub serial: String,
    /// Where it listens, `HOST:PORT`.
    pub address: String,
    /// Its own certificate.
    pub calibration: Calibration,
}

/// What a source is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "snake_case")]
pub enum SourceCommand {
    /// Who it is.
    Identify,
    /// To its state after power-on, errors cleared, outputs off.
    Reset,
    /// Switches its outputs off by itself if it hears nothing for so long.
    Watchdog {
        /// Seconds.
        seconds: u32,
    },
    /// Set-points; outputs stay as they are.
    Set {
        /// Voltage, V.
        voltage_v: Decimal,
        /// Current, A.
        current_a: Decimal,
        /// Phase of the current behind the voltage, degrees; 0 for DC.
        angle_deg: Decimal,
        /// Frequency, Hz; 0 for DC.
        frequency_hz: Decimal,
    },
    /// Outputs on.
    OutputOn,
    /// Outputs off.
    OutputOff,
    /// Whether outputs are on.
    OutputState,
    /// Temperature of its output stage.
    Temperature,
}

/// What a reference standard is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "standard", rename_all = "snake_case")]
pub enum StandardCommand {
    /// Who it is.
    Identify,
    /// To its state after power-on, errors cleared.
    Reset,
    /// Sets the integrator to zero.
    IntegrateReset,
    /// Starts it.
    IntegrateStart,
    /// Stops it.
    IntegrateStop,
    /// The energy integrated.
    Energy,
    /// Voltage, current and power now.
    Measure,
    /// Begins to count its own pulses during so many of the pile's.
    ArmPulses {
        /// The pile's constant, imp/kWh.
        pile_constant: Decimal,
        /// How many of its pulses.
        pulses: u64,
    },
    /// Whether the count is done.
    PulsesDone,
    /// The count.
    PulsesCounted,
    /// The standard's own constant, imp/kWh.
    PulseConstant,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calibration() -> Calibration {
        Calibration {
            number: "C1".into(),
            issuer: "NIM".into(),
            calibrated_at: "2026-01-01T00:00:00Z".parse().expect("literal"),
            valid_until: "2026-12-31T00:00:00Z".parse().expect("literal"),
            expanded_uncertainty_percent: "0.05".parse().expect("literal"),
            coverage_factor: Decimal::TWO,
            drift_percent_per_year: "0.02".parse().expect("literal"),
        }
    }

    #[test]
    fn a_calibration_holds_from_its_first_to_its_last_moment() {
        let calibration = calibration();
        for (at, expected) in [
            ("2025-12-31T23:59:59Z", false),
            ("2026-01-01T00:00:00Z", true),
            ("2026-12-31T00:00:00Z", true),
            ("2026-12-31T00:00:01Z", false),
        ] {
            assert_eq!(calibration.holds(at.parse().expect("literal")), expected, "{at}");
        }
    }

    // Half a mean year is 4383 h: half of 0.02 %.
    #[test]
    fn drift_grows_in_proportion_and_is_none_before_the_calibration() {
        let calibration = calibration();
        let half = calibration.calibrated_at + jiff::SignedDuration::from_hours(4383);
        assert_eq!(calibration.drift_percent(half), "0.01".parse().expect("literal"));
        let before = calibration.calibrated_at - jiff::SignedDuration::from_hours(10);
        assert_eq!(calibration.drift_percent(before), Decimal::ZERO);
    }
}
