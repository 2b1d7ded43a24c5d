//! What signals rest on: charges with everything known of them. Whatever is unknown is none, and what needs it is silent.
//!
//! Made by `app` from the store or from files, and from the residuals of an assessment. Nothing is computed here.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use veripile_metrology::payment::Tariffed;
use veripile_pile::{PileId, PileKind, VehiclePath};

use super::SignalError;
use crate::assess::FoundStep;

/// Everything signals rest on.
#[derive(Debug, Clone, Default)]
pub struct SignalEvidence<'a> {
    /// Piles, each once.
    pub piles: &'a [SignalPile],
    /// Charges, in a fixed order of the caller's.
    pub charges: &'a [SignalCharge<'a>],
    /// Estimated bias of each vehicle, fraction, by the index in [`SignalCharge::vehicle`]; may be shorter.
    pub vehicle_biases: &'a [Option<f64>],
    /// Number of each vehicle's model, by the same index; may be shorter. A vehicle of which none is told is like no other.
    pub vehicle_models: &'a [Option<usize>],
    /// σ_i of the assessment: by how much a pile reads one model of vehicles otherwise than the others, fraction. 0: not at all.
    pub interaction_sd: f64,
    /// Intervals of stations' master meters.
    pub masters: &'a [MasterInterval],
    /// What piles' registers rose by in intervals.
    pub registers: &'a [RegisterInterval],
    /// Piles that the assessment found to have changed.
    pub steps: &'a [FoundStep],
    /// Where registers stood in charges that are no evidence otherwise.
    pub told: &'a [ToldRegister],
    /// Where the piles stand: its days are those that are told. None: UTC's.
    pub time_zone: Option<&'a TimeZone>,
}

impl SignalEvidence<'_> {
    pub(super) fn check(&self) -> Result<(), SignalError> {
        let fault = |what, index: Option<usize>| match index {
            Some(index) => Err(SignalError::NoSuchPile { what, index }),
            None => Ok(()),
        };
        let piles = self.piles.len();
        fault("charge", self.charges.iter().position(|charge| piles <= charge.pile))?;
        fault("step", self.steps.iter().position(|step| piles <= step.pile))?;
        fault("register interval", self.registers.iter().position(|register| piles <= register.pile))?;
        fault("told register", self.told.iter().position(|told| piles <= told.pile))
    }
}

/// A pile.
#[derive(Debug, Clone, PartialEq)]
pub struct SignalPile {
    /// Which.
    pub pile_id: PileId,
    /// AC or DC.
    pub kind: Option<PileKind>,
    /// Maximum permissible error, fraction.
    pub limit: f64,
    /// Make and model.
    pub model: Option<String>,
    /// Number of its station.
    pub station: Option<usize>,
    /// Number of its operator.
    pub operator: Option<usize>,
    /// When its firmware changed, ascending.
    pub firmware_changes: Vec<FirmwareChange>,
    /// Its estimate; none where it has no level.
    pub level: Option<PileLevel>,
}

/// A grounded estimate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PileLevel {
    /// Relative error, fraction.
    pub error: f64,
    /// Standard uncertainty, fraction.
    pub standard_uncertainty: f64,
}

/// A firmware that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirmwareChange {
    /// When it was first seen.
    pub at: Timestamp,
    /// Its version.
    pub version: String,
}

/// What a fit left of a charge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Residual {
    /// Residual in units of `sigma`; t₄-like. Whether its unit is the t scale or the standard deviation does not matter: the
    /// fleet's median sets it.
    pub z: f64,
    /// Scale of the charge's noise, fraction.
    pub sigma: f64,
}

/// One charge. Energies in kWh.
#[derive(Debug, Clone, PartialEq)]
pub struct SignalCharge<'a> {
    /// Index of the pile.
    pub pile: usize,
    /// Which outlet (connector) of it.
    pub outlet: u32,
    /// Index of the vehicle.
    pub vehicle: Option<usize>,
    /// Begin, by the pile's clock.
    pub started_at: Timestamp,
    /// End, by the pile's clock.
    pub ended_at: Timestamp,
    /// Energy billed.
    pub energy_pile_kwh: Decimal,
    /// Energy by the vehicle.
    pub energy_vehicle_kwh: Option<Decimal>,
    /// What the pile relayed of the vehicle's energy where that is not the one above.
    pub energy_relayed_kwh: Option<Decimal>,
    /// What the fit left.
    pub residual: Option<Residual>,
    /// Local hour of the begin, 0 to 24.
    pub local_hour: Option<f64>,
    /// Mean power, kW.
    pub mean_power_kw: Option<f64>,
    /// Share of the battery charged, 0 to 1.
    pub soc_span: Option<f64>,
    /// Whether its energy is signed by the meter, with a good signature.
    pub signed: Option<bool>,
    /// How the vehicle's energy came.
    pub vehicle_path: Option<VehiclePath>,
    /// Whether the vehicle is one that an operator may know: a reference vehicle, an inspector's, a regular customer's.
    pub is_known_vehicle: Option<bool>,
    /// The outlet's register at the begin; none unless it is a lifetime register.
    pub register_start_kwh: Option<Decimal>,
    /// The same at the end.
    pub register_end_kwh: Option<Decimal>,
    /// What was asked for it.
    pub bill: Option<Bill<'a>>,
    /// Prices around it by the hours of the day, by true time, ascending: by the pile's times and by true ones. Empty where none are known.
    pub prices: &'a [PricePeriod],
    /// Error of the pile's clock, s; positive: ahead.
    pub clock_offset_s: Option<f64>,
    /// SHA-256 of the meter's public key.
    pub signature_key: Option<[u8; 32]>,
    /// SHA-256 of the signed record.
    pub record_digest: Option<[u8; 32]>,
}

impl SignalCharge<'_> {
    /// A charge of which nothing else is known.
    pub fn new(pile: usize, started_at: Timestamp, ended_at: Timestamp, energy_pile_kwh: Decimal) -> Self {
        Self {
            pile,
            outlet: 1,
            vehicle: None,
            started_at,
            ended_at,
            energy_pile_kwh,
            energy_vehicle_kwh: None,
            energy_relayed_kwh: None,
            residual: None,
            local_hour: None,
            mean_power_kw: None,
            soc_span: None,
            signed: None,
            vehicle_path: None,
            is_known_vehicle: None,
            register_start_kwh: None,
            register_end_kwh: None,
            bill: None,
            prices: &[],
            clock_offset_s: None,
            signature_key: None,
            record_digest: None,
        }
    }
}

/// A bill.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bill<'a> {
    /// Energy at each price.
    pub parts: &'a [Tariffed],
    /// What was asked for.
    pub amount: Decimal,
}

/// A price and when it holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PricePeriod {
    /// From.
    pub from: Timestamp,
    /// To.
    pub to: Timestamp,
    /// Price with service fee, per kWh.
    pub price_per_kwh: Decimal,
}

/// What a station took in an interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MasterInterval {
    /// Number of the station.
    pub station: usize,
    /// From.
    pub from: Timestamp,
    /// To.
    pub to: Timestamp,
    /// Energy, kWh.
    pub energy_kwh: Decimal,
}

/// What a pile's register rose by in an interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RegisterInterval {
    /// Index of the pile.
    pub pile: usize,
    /// From.
    pub from: Timestamp,
    /// To.
    pub to: Timestamp,
    /// Energy, kWh.
    pub energy_kwh: Decimal,
}

/// What a lifetime register counted in a charge that is no evidence otherwise, because its times make no sense or it never ended. Only the
/// register's own values say where it belongs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ToldRegister {
    /// Index of the pile.
    pub pile: usize,
    /// Which outlet of it.
    pub outlet: u32,
    /// Register at the begin, kWh.
    pub start_kwh: Decimal,
    /// The last that was told of it, kWh.
    pub end_kwh: Decimal,
}
