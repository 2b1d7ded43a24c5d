//! What went wrong in a run, and how it ended.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// A person stopped it.
    Stopped,
    /// The server stopped and another took up the run.
    ServerRestarted,
    /// The source cannot be reached.
    SourceLost,
    /// The standard cannot be reached.
    StandardLost,
    /// The pile cannot be reached.
    PileLost,
    /// An instrument answered with an error, or nothing readable.
    InstrumentError,
    /// The pile answered with an error, or nothing readable.
    PileError,
    /// An instrument is not the one that the order names.
    WrongInstrument,
    /// The pile does not let itself be made inoperative.
    AvailabilityRefused,
    /// A charge runs at the outlet.
    ChargeRuns,
    /// What the standard measures is not what was set.
    SetPointMissed,
    /// Outputs went off by themselves.
    OutputsTripped,
    /// The source is too hot.
    OverTemperature,
    /// A reading took too long.
    TooSlow,
    /// The register fell, or did not move.
    RegisterStrange,
    /// A set-point is beyond a limit, or cannot be made.
    Limits,
    /// The pile runs other firmware than the order names.
    FirmwareChanged,
    /// Of a real load: no charge began in time, it ended, or nobody brought it to the load point.
    NoLoad,
}

impl Why {
    /// Every kind.
    pub const ALL: [Self; 18] = [
        Self::Stopped,
        Self::ServerRestarted,
        Self::SourceLost,
        Self::StandardLost,
        Self::PileLost,
        Self::InstrumentError,
        Self::PileError,
        Self::WrongInstrument,
        Self::AvailabilityRefused,
        Self::ChargeRuns,
        Self::SetPointMissed,
        Self::OutputsTripped,
        Self::OverTemperature,
        Self::TooSlow,
        Self::RegisterStrange,
        Self::Limits,
        Self::FirmwareChanged,
        Self::NoLoad,
    ];

    /// The word used in texts.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::ServerRestarted => "server_restarted",
            Self::SourceLost => "source_lost",
            Self::StandardLost => "standard_lost",
            Self::PileLost => "pile_lost",
            Self::InstrumentError => "instrument_error",
            Self::PileError => "pile_error",
            Self::WrongInstrument => "wrong_instrument",
            Self::AvailabilityRefused => "availability_refused",
            Self::ChargeRuns => "charge_runs",
            Self::SetPointMissed => "set_point_missed",
            Self::OutputsTripped => "outputs_tripped",
            Self::OverTemperature => "over_temperature",
            Self::TooSlow => "too_slow",
            Self::RegisterStrange => "register_strange",
            Self::Limits => "limits",
            Self::FirmwareChanged => "firmware_changed",
            Self::NoLoad => "no_load",
        }
    }
}

/// Something that went wrong on the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trouble {
    /// When.
    pub at: Timestamp,
    /// What kind.
    pub why: Why,
    /// What exactly.
    pub detail: String,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ending", rename_all = "snake_case")]
pub enum Ending {
    /// Every reading was taken.
    Measured,
    /// It was given up: there is no result.
    Abandoned {
        /// Why.
        why: Why,
        /// What exactly.
        detail: String,
        /// Whether the source confirmed at the end that its outputs are off; else its dead man switches them off, and a person
        /// looks. True where nothing had begun, and under a real load, which no source makes.
        outputs_off: bool,
        /// Whether the outlet is open: it was opened again, or never closed. It stays closed if the run may have left outputs on
        /// and the source did not confirm that they are off, or if the pile may still be in its virtual-load mode.
        operative: bool,
    },
}
