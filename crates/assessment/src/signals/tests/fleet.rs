//! A fleet whose every charge is known, honest but for one fault a pile. Seeded.

use jiff::{SignedDuration, Timestamp};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rust_decimal::Decimal;
use veripile_metrology::crossing::{from_f64, to_f64};
use veripile_metrology::normal;
use veripile_pile::{PileId, PileKind, VehiclePath};

use super::super::*;

/// σ₀, δ and σ_b of metrology.md §2.1.
const NOISE: f64 = 0.02;
const NOISE_KWH: f64 = 0.15;
const VEHICLE_SD: f64 = 0.015;

const DAYS: f64 = 182.0;

/// What a pile does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Step,
    Firmware,
    Night,
    Afternoon,
    Lunch,
    Size,
    Power,
    Soc,
    Unsigned,
    Stranger,
    RelaysBetter,
    TooGood,
    Copies,
    Swapped,
    Digits,
    Silent,
}

impl Fault {
    pub(super) const ALL: [Self; 16] = [
        Self::Step,
        Self::Firmware,
        Self::Night,
        Self::Afternoon,
        Self::Lunch,
        Self::Size,
        Self::Power,
        Self::Soc,
        Self::Unsigned,
        Self::Stranger,
        Self::RelaysBetter,
        Self::TooGood,
        Self::Copies,
        Self::Swapped,
        Self::Digits,
        Self::Silent,
    ];

    pub(super) fn code(self) -> Code {
        match self {
            Self::Step => Code::Step,
            Self::Firmware => Code::FirmwareStep,
            Self::Night | Self::Afternoon | Self::Lunch => Code::TimeOfDayGain,
            Self::Size => Code::SizeBias,
            Self::Power => Code::PowerBias,
            Self::Soc => Code::SocBias,
            Self::Unsigned => Code::UnsignedGain,
            Self::Stranger => Code::StrangerGain,
            Self::RelaysBetter | Self::TooGood | Self::Copies => Code::ForgedVehicleData,
            Self::Swapped => Code::SwappedOutlets,
            Self::Digits => Code::DigitPreference,
            Self::Silent => Code::Silence,
        }
    }

    /// Added to ln(registered / true): some seven standard uncertainties of what 240 charges show (1.2 × 2 σ / √240 =
    /// 0.32 % for halves), where four are needed to stand up to all that is asked.
    fn gain(self, charge: &SignalCharge<'_>, share: f64) -> f64 {
        let hour = charge.local_hour.unwrap_or(0.0);
        let when = |is_so: bool, gain: f64| if is_so { gain } else { 0.0 };
        match self {
            Self::Step => when(0.4 < share, 0.025),
            Self::Firmware => when(0.5 <= share, 0.022),
            Self::Night => when(!(6.0..22.0).contains(&hour), 0.024),
            Self::Afternoon => when((12.0..20.0).contains(&hour), 0.03),
            Self::Lunch => when((11.0..14.0).contains(&hour), 0.035),
            Self::Size => 0.7 / to_f64(charge.energy_pile_kwh),
            Self::Power => 0.04 * (charge.mean_power_kw.unwrap_or(0.0) / 60.0),
            Self::Soc => 0.05 * charge.soc_span.unwrap_or(0.0),
            Self::Unsigned => when(charge.signed == Some(false), 0.022),
            Self::Stranger => when(charge.is_known_vehicle == Some(false), 0.022),
            Self::RelaysBetter => when(charge.vehicle_path == Some(VehiclePath::Relayed), -0.024),
            _ => 0.0,
        }
    }
}

/// A fleet.
pub(super) struct Fleet {
    pub(super) piles: Vec<SignalPile>,
    pub(super) charges: Vec<SignalCharge<'static>>,
    pub(super) biases: Vec<Option<f64>>,
}

impl Fleet {
    pub(super) fn evidence(&self) -> SignalEvidence<'_> {
        SignalEvidence {
            piles: &self.piles,
            charges: &self.charges,
            vehicle_biases: &self.biases,
            ..SignalEvidence::default()
        }
    }

    /// `charges` a pile, two at once at its two outlets.
    pub(super) fn new(
        seed: u64,
        piles: usize,
        charges: usize,
        fault: impl Fn(usize) -> Option<Fault>,
    ) -> Self {
        let mut random = Random(ChaCha8Rng::seed_from_u64(seed));
        let vehicles = (piles * charges / 12).max(1);
        let biases: Vec<Option<f64>> = (0..vehicles).map(|_| Some(VEHICLE_SD * random.normal())).collect();
        let mut all = Vec::with_capacity(piles * charges);
        for pile in 0..piles {
            let mut own = Vec::with_capacity(charges);
            let mut hour = 0.0;
            for number in 0..charges {
                // The second of two begins within minutes of the first.
                hour = if number % 2 == 0 { 23.8 * random.uniform() } else { hour + 0.1 * random.uniform() };
                own.push(charge(&mut random, pile, (number, charges), hour, &biases, fault(pile)));
            }
            registers(&mut own, fault(pile), &mut random);
            if fault(pile) == Some(Fault::Swapped) {
                exchange(&mut own);
            }
            all.extend(own);
        }
        Self { piles: (0..piles).map(fact).collect(), charges: all, biases }
    }
}

fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().expect("literal")
}

fn at(day: f64) -> Timestamp {
    start() + SignedDuration::try_from_secs_f64((day * 86_400.0).round()).expect("short")
}

fn fact(pile: usize) -> SignalPile {
    SignalPile {
        pile_id: PileId::parse(&format!("P{pile}")).expect("an identifier"),
        kind: Some(PileKind::Dc),
        limit: 0.01,
        model: Some(format!("M{}", pile % 7)),
        station: Some(pile / 10),
        operator: Some(pile / 50),
        firmware_changes: vec![FirmwareChange { at: at(0.5 * DAYS), version: "2.0".to_owned() }],
        level: None,
    }
}

fn charge(
    random: &mut Random,
    pile: usize,
    (number, count): (usize, usize),
    hour: f64,
    biases: &[Option<f64>],
    fault: Option<Fault>,
) -> SignalCharge<'static> {
    let share = (number / 2 * 2) as f64 / count as f64;
    let day = (share * DAYS).floor() + hour / 24.0;
    let energy = rounded(8.0 + 50.0 * random.uniform(), 3);
    let vehicle = (random.uniform() * biases.len() as f64) as usize;
    let mut charge = SignalCharge {
        outlet: 1 + (number % 2) as u32,
        vehicle: Some(vehicle),
        local_hour: Some(hour),
        mean_power_kw: Some(60.0 * random.uniform()),
        soc_span: Some(0.1 + 0.8 * random.uniform()),
        signed: Some(random.uniform() < 0.5),
        vehicle_path: Some(if random.uniform() < 0.7 {
            VehiclePath::Relayed
        } else {
            VehiclePath::Telematics
        }),
        is_known_vehicle: Some(random.uniform() < 0.4),
        clock_offset_s: Some(2.0 * random.uniform()),
        ..SignalCharge::new(pile, at(day), at(day + 1.0 / 24.0), energy)
    };
    if fault == Some(Fault::Digits) && random.uniform() < 0.3 {
        // Ends in 9, which is never less than it was.
        charge.energy_pile_kwh = rounded((100.0 * to_f64(energy)).floor() / 100.0 + 0.009, 3);
    }
    measured(random, &mut charge, biases[vehicle].unwrap_or(0.0), fault, share);
    charge
}

/// What the vehicle says, and the residual that a perfect fit leaves.
fn measured(random: &mut Random, charge: &mut SignalCharge<'_>, bias: f64, fault: Option<Fault>, share: f64) {
    let energy = to_f64(charge.energy_pile_kwh);
    let sigma = (NOISE * NOISE + (NOISE_KWH / energy).powi(2)).sqrt();
    let noise = sigma * random.t4() * if fault == Some(Fault::TooGood) { 0.2 } else { 1.0 };
    let mut residual = noise + fault.map_or(0.0, |fault| fault.gain(charge, share));
    let copies = fault == Some(Fault::Copies) && charge.vehicle_path == Some(VehiclePath::Relayed);
    let vehicle = if copies {
        residual = bias;
        charge.energy_pile_kwh
    } else {
        rounded(energy * libm::exp(bias - residual), 3)
    };
    charge.energy_vehicle_kwh = Some(vehicle);
    charge.residual = Some(Residual { z: residual / sigma, sigma });
}

/// Registers that go on from charge to charge; a silent pile loses charges of some weeks from sight.
fn registers(charges: &mut [SignalCharge<'_>], fault: Option<Fault>, random: &mut Random) {
    let mut stands = [Decimal::ONE_THOUSAND; 2];
    let count = charges.len();
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|number| charges[*number].started_at);
    for number in order {
        let charge = &mut charges[number];
        let stand = &mut stands[(charge.outlet - 1) as usize];
        let is_bad_week = number * 10 / count == 3 || number * 10 / count == 7;
        if fault == Some(Fault::Silent) && is_bad_week && random.uniform() < 0.9 {
            *stand += rounded(20.0, 3);
        }
        charge.register_start_kwh = Some(*stand);
        *stand += charge.energy_pile_kwh;
        charge.register_end_kwh = Some(*stand);
    }
}

/// From the middle on each outlet tells what the other gave.
fn exchange(charges: &mut [SignalCharge<'_>]) {
    let half = charges.len() / 4 * 2;
    for pair in charges[half..].chunks_exact_mut(2) {
        let [a, b] = pair else { continue };
        std::mem::swap(&mut a.energy_pile_kwh, &mut b.energy_pile_kwh);
        for charge in [a, b] {
            // Such pairs are screened out before a fit, and so would the registers be told by the outlets' own meters.
            charge.residual = None;
            charge.register_start_kwh = None;
            charge.register_end_kwh = None;
        }
    }
}

fn rounded(value: f64, decimals: u32) -> Decimal {
    from_f64(value).expect("a charge's energy").round_dp(decimals)
}

pub(super) struct Random(pub(super) ChaCha8Rng);

impl Random {
    pub(super) fn uniform(&mut self) -> f64 {
        self.0.random::<f64>()
    }

    pub(super) fn normal(&mut self) -> f64 {
        normal::quantile(self.uniform().max(1e-300))
    }

    /// Student's t with 4 degrees of freedom by its quantile function in closed form: `2 √(q − 1)`, `q =
    /// cos(arccos(√α)/3)/√α`, `α = 4p(1 − p)` (Shaw, J. Comput. Finance 9, 2006).
    pub(super) fn t4(&mut self) -> f64 {
        let p = self.uniform().clamp(1e-12, 1.0 - 1e-12);
        let root = (4.0 * p * (1.0 - p)).sqrt();
        let q = libm::cos(libm::acos(root) / 3.0) / root;
        (2.0 * (q - 1.0).max(0.0).sqrt()).copysign(p - 0.5)
    }
}
