//! One charge: from plug to plug, assembled from whatever the charger sent of it, in whatever order.
//!
//! `ocpp` turns messages into [`ChargeEvent`]s, `store::intake` finds the charge, applies the event here and writes the
//! result back. Applying the same event twice changes nothing; applying events in another order ends in the same charge.

use jiff::Timestamp;
use rust_decimal::Decimal;

use serde::{Deserialize, Serialize};

use crate::register::{STEP_BACK_WH, has_restarted};
use crate::{Course, Location, Mark, Measurand, Phase, Reading, ReadingContext, Sequence, VehicleKey};

/// More than any road vehicle takes in one charge, Wh (the largest truck batteries hold about 0.7 MWh).
const ENERGY_MAX_WH: Decimal = Decimal::from_parts(1_000_000, 0, 0, false, 0);

/// Values of one moment among which phases are put together: at most begin, end and a sample at two places, and messages
/// with a day of samples stay cheap.
const MOMENT_VALUES_MAX: usize = 8;

/// Start and stop registers are whole Wh, truncated by some chargers and rounded by others: their difference may be off
/// by up to 1.5 Wh against the decimal samples of the same registers (lbbrhzn/ocpp#1810, EVerest/libocpp#638).
const QUANTISATION_WH: Decimal = Decimal::TWO;

/// Meters sign registers in steps of 0.001 or 0.01 kWh; beyond two of the coarser steps, signed and unsigned differ.
const SIGNED_RESOLUTION_WH: Decimal = Decimal::from_parts(20, 0, 0, false, 0);

/// Two registers of which one is a thousand times the other, give or take a tenth for registers of whole kWh, differ by
/// their unit.
const THOUSANDFOLD: (Decimal, Decimal) =
    (Decimal::from_parts(900, 0, 0, false, 0), Decimal::from_parts(1100, 0, 0, false, 0));

/// The same for energy and power: sampled power is twice or half of what is delivered at worst.
const THOUSANDFOLD_OF_POWER: (Decimal, Decimal) =
    (Decimal::from_parts(500, 0, 0, false, 0), Decimal::from_parts(2000, 0, 0, false, 0));

/// Vehicle-side and pile-side values compare only if taken within this many seconds of each other.
const SAME_INSTANT_S: i64 = 60;

/// Wh in one kW·s, rounded up: 1000 ÷ 3600.
const WH_PER_KW_S: Decimal = Decimal::from_parts(277_778, 0, 0, false, 6);

/// Mean power may exceed the rating by this factor before it is marked (Dundee's rows: 0.5 % do).
const OVER_RATING: Decimal = Decimal::from_parts(11, 0, 0, false, 1);

/// How the charge is found again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChargeReference {
    /// The transaction id that we issued (OCPP 1.6), as the charger repeats it.
    Issued(String),
    /// The transaction id that the charger chose (OCPP 2.x).
    Named(String),
    /// A 1.6 start, not yet given an id: connector, card, time and register, digested (the key that SteVe uses too), so
    /// that a repeated start finds the charge it already began.
    Start(String),
}

/// Where in the charge an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The first message of the charge.
    Begin,
    /// Any message between.
    Progress,
    /// The last message of the charge.
    End,
}

/// One message's contribution to a charge.
#[derive(Debug, Clone, PartialEq)]
pub struct ChargeEvent {
    /// Which charge.
    pub reference: ChargeReference,
    /// Begin, progress or end.
    pub stage: Stage,
    /// When, by the charger's clock if believable.
    pub at: Timestamp,
    /// Connector (EVSE in 2.x), where the message names it.
    pub connector: Option<u32>,
    /// Whose card.
    pub vehicle: Option<VehicleKey>,
    /// `meterStart` or `meterStop`, Wh.
    pub register_wh: Option<Decimal>,
    /// Energy registers among the message's readings.
    pub registers: Vec<RegisterSample>,
    /// Why it stopped, in the charger's word.
    pub reason: Option<String>,
    /// How it came.
    pub circumstances: Circumstances,
}

/// How an event came to its charge, and what was seen on the way.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Circumstances {
    /// Number of the message in its charge (2.x).
    pub sequence: Option<u32>,
    /// Whether the charger was offline when it happened (2.x).
    pub offline: bool,
    /// Whether only connector and time told which charge it belongs to.
    pub placed: bool,
    /// What the samples of the charge add up to; comes with its end.
    pub course: Option<Box<Course>>,
}

/// An energy register's value at a moment.
#[derive(Debug, Clone, PartialEq)]
pub struct RegisterSample {
    /// In the pile or in the vehicle.
    pub side: Side,
    /// Why it was read.
    pub context: ReadingContext,
    /// When.
    pub at: Timestamp,
    /// Register, Wh.
    pub energy_wh: Decimal,
}

/// Which of the two meters of a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The pile's meter, the one that bills.
    Pile,
    /// The pile's meter where it tells its phases only: the sum of those whose bits are set (1 is L1, 2 is L2, 4 is L3).
    PilePhases(u8),
    /// The vehicle's own.
    Vehicle,
    /// The pile's, as signed by the meter: only from records whose signature is good.
    Signed,
}

impl RegisterSample {
    /// The registers in readings: import registers in Wh or kWh, of the outlet or the vehicle. Where phases are told without
    /// their total, their sum; the neutral is never added.
    pub fn all(readings: &[Reading]) -> Vec<Self> {
        let of_measurand = |reading: &&Reading| reading.measurand.is_energy_register();
        whole(readings.iter().filter(of_measurand), Reading::energy_wh)
            .into_iter()
            .filter_map(|whole| {
                let side = match (&whole.reading.location, whole.phases) {
                    (Location::Outlet, 0) => Side::Pile,
                    (Location::Outlet, phases) => Side::PilePhases(phases),
                    (Location::Ev, 0) => Side::Vehicle,
                    _ => return None,
                };
                let context = whole.reading.context.clone();
                Some(Self { side, context, at: whole.reading.time(), energy_wh: whole.value })
            })
            .collect()
    }

    /// Where the pile's register stands by this sample; none for another meter's.
    pub fn pile_stand(&self) -> Option<Stand> {
        let phases = match self.side {
            Side::Pile => 0,
            Side::PilePhases(phases) => phases,
            Side::Vehicle | Side::Signed => return None,
        };
        Some(Stand { at: self.at, energy_wh: self.energy_wh, phases })
    }
}

/// Power delivered at the outlet in readings, W, with their times: totals, or sums of phases.
pub fn powers_w(readings: &[Reading]) -> Vec<(Timestamp, Decimal)> {
    let of_power = |reading: &&Reading| {
        reading.measurand.0 == Measurand::POWER_IMPORT && reading.location == Location::Outlet
    };
    whole(readings.iter().filter(of_power), Reading::power_w)
        .into_iter()
        .map(|whole| (whole.reading.time(), whole.value))
        .collect()
}

/// A value of the whole outlet: a total, or the sum of phases.
struct Whole<'a> {
    /// The reading, or the first of its phases.
    reading: &'a Reading,
    /// The phases summed, as bits; 0 for a total.
    phases: u8,
    value: Decimal,
}

/// Puts phases of the same moment, context and place together. A total makes its phases superfluous.
fn whole<'a>(
    readings: impl Iterator<Item = &'a Reading>,
    value: fn(&Reading) -> Option<Decimal>,
) -> Vec<Whole<'a>> {
    let mut all: Vec<Whole<'a>> = Vec::new();
    for reading in readings {
        let (Some(number), Some(bit)) = (value(reading), phase_bit(&reading.phase)) else { continue };
        let same = |known: &&mut Whole<'_>| {
            let known = known.reading;
            (known.time(), &known.context, &known.location)
                == (reading.time(), &reading.context, &reading.location)
        };
        match all.iter_mut().rev().take(MOMENT_VALUES_MAX).find(same) {
            Some(known) if bit == 0 && known.phases != 0 => {
                *known = Whole { reading, phases: 0, value: number };
            }
            Some(known) if bit != 0 && known.phases != 0 && known.phases & bit == 0 => {
                known.phases |= bit;
                known.value = known.value.saturating_add(number);
            }
            // A phase beside its total or told twice.
            Some(_) if bit != 0 => {}
            _ => all.push(Whole { reading, phases: bit, value: number }),
        }
    }
    all
}

/// The bit of a phase that counts towards the whole, 0 for the total; none for the neutral and between phases.
fn phase_bit(phase: &Phase) -> Option<u8> {
    match phase {
        Phase::Total => Some(0),
        Phase::Named(name) => match name.as_str() {
            "L1" | "L1-N" => Some(1),
            "L2" | "L2-N" => Some(2),
            "L3" | "L3-N" => Some(4),
            _ => None,
        },
    }
}

/// A register's value and when it stood there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stand {
    /// When.
    pub at: Timestamp,
    /// Register, Wh.
    pub energy_wh: Decimal,
    /// The phases summed, as bits; 0 for a total register.
    pub phases: u8,
}

impl Stand {
    /// Where a total register stands.
    pub fn total(at: Timestamp, energy_wh: Decimal) -> Self {
        Self { at, energy_wh, phases: 0 }
    }

    fn is_total(&self) -> bool {
        self.phases == 0
    }
}

/// A register at both ends of a charge.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Span {
    /// At the beginning.
    pub begin: Option<Stand>,
    /// At the end.
    pub end: Option<Stand>,
}

impl Span {
    /// What was delivered between, Wh; may be negative. None between different phases.
    pub fn energy_wh(&self) -> Option<Decimal> {
        let (begin, end) = (self.begin?, self.end?);
        if begin.phases == end.phases { end.energy_wh.checked_sub(begin.energy_wh) } else { None }
    }

    /// Totals before sums of phases, then the first of the beginning and the last of the end, at one moment the lower and
    /// the higher: so the order of arrival does not matter.
    fn take(&mut self, stage: Stage, sample: &RegisterSample, stand: Stand) {
        let is_begin = match (&sample.context, stage) {
            (ReadingContext::TransactionBegin, _) => true,
            (ReadingContext::TransactionEnd, _) | (_, Stage::Progress) => false,
            (_, stage) => stage == Stage::Begin,
        };
        let is_end = match (&sample.context, stage) {
            (ReadingContext::TransactionEnd, _) => true,
            (ReadingContext::TransactionBegin, _) | (_, Stage::Progress) => false,
            (_, stage) => stage == Stage::End,
        };
        if is_begin {
            let known = self.begin.unwrap_or(stand);
            self.begin = Some(std::cmp::min_by_key(known, stand, |stand| (!stand.is_total(), *stand)));
        }
        if is_end {
            let known = self.end.unwrap_or(stand);
            self.end = Some(std::cmp::max_by_key(known, stand, |stand| (stand.is_total(), *stand)));
        }
    }
}

/// A charge as far as it is known.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Charge {
    /// Connector (EVSE in 2.x).
    pub connector: Option<u32>,
    /// Whose card.
    pub vehicle: Option<VehicleKey>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// `meterStart`, Wh.
    pub register_start_wh: Option<Decimal>,
    /// `meterStop`, Wh.
    pub register_stop_wh: Option<Decimal>,
    /// The pile's register from samples.
    pub pile: Span,
    /// The vehicle's register from samples.
    pub vehicle_side: Span,
    /// The pile's register from signed records.
    pub signed: Span,
    /// Why it stopped, in the charger's word.
    pub reason: Option<String>,
    /// The last of the pile's samples, whatever it was taken for.
    pub last: Option<Stand>,
    /// What the samples add up to.
    pub course: Option<Course>,
    /// Numbers of its messages (2.x).
    pub sequence: Sequence,
    /// Whether the charger was offline meanwhile.
    pub offline: bool,
    /// Whether connector and time alone told that a message belongs to it.
    pub placed: bool,
}

impl Charge {
    /// Adds what a message says. Idempotent, and the order does not matter: of what is told twice and differently, the
    /// earliest beginning and the latest end count.
    pub fn apply(&mut self, event: &ChargeEvent) {
        self.connector = lesser(self.connector, event.connector);
        self.vehicle = lesser(self.vehicle, event.vehicle);
        match event.stage {
            Stage::Begin => {
                self.started_at = lesser(self.started_at, Some(event.at));
                self.register_start_wh = lesser(self.register_start_wh, event.register_wh);
            }
            Stage::Progress => {}
            Stage::End => {
                self.ended_at = self.ended_at.max(Some(event.at));
                self.register_stop_wh = self.register_stop_wh.max(event.register_wh);
                self.reason = lesser(self.reason.take(), event.reason.clone());
            }
        }
        for sample in &event.registers {
            self.take(event.stage, sample);
        }
        self.note(&event.circumstances);
    }

    fn take(&mut self, stage: Stage, sample: &RegisterSample) {
        if let Some(stand) = sample.pile_stand() {
            self.pile.take(stage, sample, stand);
            self.last = self.last.max(Some(stand));
            return;
        }
        let span = if sample.side == Side::Signed { &mut self.signed } else { &mut self.vehicle_side };
        span.take(stage, sample, Stand::total(sample.at, sample.energy_wh));
    }

    fn note(&mut self, circumstances: &Circumstances) {
        if let Some(number) = circumstances.sequence {
            self.sequence.add(number);
        }
        self.offline |= circumstances.offline;
        self.placed |= circumstances.placed;
        self.course = match (self.course.take(), circumstances.course.as_deref().cloned()) {
            (Some(known), Some(told)) => Some(known.fuller(told)),
            (known, told) => known.or(told),
        };
    }

    /// Energy by the pile's meter, Wh: from decimal samples where both ends are known, else from start and stop registers;
    /// where neither can be, what was counted inside the register's epochs.
    pub fn energy_pile_wh(&self) -> Option<Decimal> {
        self.energy().0
    }

    /// The energy, and whether it is that of epochs.
    fn energy(&self) -> (Option<Decimal>, bool) {
        let (sampled, stated) = (self.pile.energy_wh(), self.stated_wh());
        // Samples that begin later or end sooner than the charge are not the whole of it.
        let sampled = sampled.filter(|_| stated.is_none() || self.samples_span_it());
        if let (Some(sampled), Some(stated)) = (sampled, stated)
            && is_thousandfold(sampled, stated, THOUSANDFOLD)
        {
            return (Some(self.likelier(sampled, stated)), false);
        }
        let restarted = self.course.as_ref().filter(|course| 0 < course.restarts);
        let said = [sampled, stated].into_iter().flatten().find(|wh| is_possible(*wh, restarted));
        let counted = restarted.and_then(|course| course.energy_wh);
        match (said, counted) {
            (Some(said), Some(counted)) if counted > said.saturating_add(QUANTISATION_WH) => {
                (Some(counted), true)
            }
            (Some(said), _) => (Some(said), false),
            (None, Some(counted)) if sampled.or(stated).is_some() => (Some(counted), true),
            (None, _) if restarted.is_some() && self.is_from_zero() => (None, true),
            (None, _) => (sampled.or(stated), false),
        }
    }

    /// Whether the samples at both ends were taken at both ends.
    fn samples_span_it(&self) -> bool {
        let near = |stand: Option<Stand>, edge: Option<Timestamp>| {
            stand.zip(edge).is_none_or(|(stand, edge)| is_same_instant(stand.at, edge))
        };
        near(self.pile.begin, self.started_at) && near(self.pile.end, self.ended_at)
    }

    /// By start and stop registers.
    fn stated_wh(&self) -> Option<Decimal> {
        self.register_stop_wh?.checked_sub(self.register_start_wh?)
    }

    /// Of two energies that differ by their unit, the one that power confirms; else that of start and stop, whose unit OCPP
    /// fixes.
    fn likelier(&self, sampled: Decimal, stated: Decimal) -> Decimal {
        match self.power_wh() {
            Some(power) if is_thousandfold(power, stated, THOUSANDFOLD_OF_POWER) => sampled,
            _ => stated,
        }
    }

    /// What the power samples add up to, if they cover half of the charge.
    fn power_wh(&self) -> Option<Decimal> {
        let power = self.course.as_ref()?.power.as_ref()?;
        let duration_s = self.ended_at?.as_second() - self.started_at?.as_second();
        (0 < duration_s && duration_s <= power.seconds.saturating_mul(2)).then_some(power.energy_wh)
    }

    /// Whether a unit must be wrong somewhere.
    fn is_unit_suspect(&self) -> bool {
        let differ = |first: Option<Decimal>, second: Option<Decimal>, range| {
            first.zip(second).is_some_and(|(first, second)| is_thousandfold(first, second, range))
        };
        differ(self.pile.energy_wh(), self.stated_wh(), THOUSANDFOLD)
            || differ(self.power_wh(), self.energy_pile_wh(), THOUSANDFOLD_OF_POWER)
    }

    /// Whether the register is said to have begun at 0.
    fn is_from_zero(&self) -> bool {
        let sampled = self.pile.begin.map(|stand| stand.energy_wh);
        sampled.or(self.register_start_wh).is_some_and(|wh| wh.is_zero())
    }

    /// Whether samples lie below the start register, yet start and stop make sense: they are two registers.
    fn is_by_session(&self) -> bool {
        let first = self.pile.begin.or(self.course.as_ref().and_then(|course| course.first));
        let below = self
            .register_start_wh
            .zip(first)
            .is_some_and(|(start, first)| has_restarted(start, first.energy_wh));
        below && self.stated_wh().is_some_and(|wh| wh.is_sign_positive())
    }

    /// Whether the register stands higher after the charge than at its end.
    fn rose_after_stop(&self) -> bool {
        let (Some(ended_at), Some(last)) = (self.ended_at, self.last) else { return false };
        let sampled = self.pile.end.filter(|end| end.at <= ended_at);
        let stated =
            self.register_stop_wh.filter(|_| !self.is_by_session()).map(|wh| Stand::total(ended_at, wh));
        sampled.or(stated).is_some_and(|end| {
            ended_at < last.at
                && end.phases == last.phases
                && end.energy_wh.saturating_add(QUANTISATION_WH) < last.energy_wh
        })
    }

    /// The pile's register at both ends of the charge, as far as samples tell, else as start and stop say, Wh.
    pub fn register_ends_wh(&self) -> (Option<Decimal>, Option<Decimal>) {
        let course = |pick: fn(&Course) -> Option<Stand>| self.course.as_ref().and_then(pick);
        let first = self.pile.begin.or_else(|| course(|course| course.first)).map(|stand| stand.energy_wh);
        let last = self.pile.end.or_else(|| course(|course| course.last)).map(|stand| stand.energy_wh);
        match (first, last) {
            (Some(_), Some(_)) => (first, last),
            _ => (self.register_start_wh, self.register_stop_wh),
        }
    }

    /// Energy by the vehicle's meter, Wh, if it can be held against the pile's: both span the same time, and the pile's is
    /// whole.
    pub fn energy_vehicle_wh(&self) -> Option<Decimal> {
        if self.spans_differ() || self.energy().1 || self.is_unit_suspect() {
            None
        } else {
            self.vehicle_side.energy_wh()
        }
    }

    fn spans_differ(&self) -> bool {
        let differ = |vehicle: Option<Stand>, pile: Option<Stand>, edge: Option<Timestamp>| {
            let reference = pile.map(|stand| stand.at).or(edge);
            match (vehicle, reference) {
                (Some(vehicle), Some(at)) => !is_same_instant(vehicle.at, at),
                _ => false,
            }
        };
        differ(self.vehicle_side.begin, self.pile.begin, self.started_at)
            || differ(self.vehicle_side.end, self.pile.end, self.ended_at)
    }

    /// Remarks on the charge as it stands, for a pile of this rated power. None before it has ended.
    pub fn marks(&self, rated_kw: Option<Decimal>) -> Vec<Mark> {
        let Some(ended_at) = self.ended_at else { return Vec::new() };
        let energy = self.energy_pile_wh();
        let mut marks = Vec::new();
        let mut mark = |holds: bool, mark: Mark| marks.extend(holds.then_some(mark));
        mark(self.started_at.is_none(), Mark::OrphanStop);
        mark(self.placed, Mark::NoTransaction);
        mark(self.offline, Mark::Offline);
        mark(self.sequence.has_gap(), Mark::SequenceGap);
        if let Some(energy_mark) = energy_mark(energy) {
            mark(true, energy_mark);
        }
        for register_mark in self.register_marks() {
            mark(true, register_mark);
        }
        if let Some(started_at) = self.started_at {
            let duration_s = ended_at.as_second() - started_at.as_second();
            let limit_wh = rated_kw.and_then(|kw| most_wh(kw, duration_s));
            let over = energy.zip(limit_wh).is_some_and(|(wh, limit_wh)| wh > limit_wh);
            mark(duration_s <= 0, Mark::NonPositiveDuration);
            mark(0 < duration_s && over, Mark::PowerOverRating);
        }
        mark(self.spans_differ(), Mark::VehicleSpanDiffers);
        marks
    }

    /// Remarks on how its registers agree.
    fn register_marks(&self) -> Vec<Mark> {
        let unit_suspect = self.is_unit_suspect();
        let (energy, by_epochs) = self.energy();
        let by_session = !by_epochs && !unit_suspect && self.is_by_session();
        let (restarts, jumps) = self.course.as_ref().map_or((0, 0), |course| (course.restarts, course.jumps));
        let placeholder = by_epochs && self.is_from_zero() && 0 < jumps;
        let restarted = u32::from(placeholder) < restarts;
        let differ = |first: Option<Decimal>, second: Option<Decimal>, tolerance: Decimal| {
            first.zip(second).is_some_and(|(first, second)| {
                first.checked_sub(second).is_none_or(|difference| difference.abs() > tolerance)
            })
        };
        let sampled = self.pile.energy_wh().filter(|_| self.samples_span_it());
        let mismatch = differ(self.stated_wh(), sampled, QUANTISATION_WH);
        let all = [
            (mismatch && !unit_suspect, Mark::RegisterMismatch),
            (unit_suspect, Mark::UnitSuspect),
            (by_session, Mark::SessionRegister),
            (placeholder, Mark::PlaceholderStart),
            (restarted && !by_session && !unit_suspect, Mark::RegisterRestarted),
            (self.rose_after_stop(), Mark::EnergyAfterStop),
            (differ(self.signed.energy_wh(), energy, SIGNED_RESOLUTION_WH), Mark::SignedDiffers),
        ];
        all.into_iter().filter_map(|(holds, mark)| holds.then_some(mark)).collect()
    }
}

fn is_same_instant(one: Timestamp, other: Timestamp) -> bool {
    one.as_second().saturating_sub(other.as_second()).abs() <= SAME_INSTANT_S
}

/// A remark on an energy by itself.
fn energy_mark(energy: Option<Decimal>) -> Option<Mark> {
    match energy {
        None => Some(Mark::NoEnergy),
        Some(wh) if -STEP_BACK_WH <= wh && wh <= Decimal::ZERO => Some(Mark::ZeroEnergy),
        Some(wh) if wh.is_sign_negative() => Some(Mark::NegativeEnergy),
        Some(wh) if wh > ENERGY_MAX_WH => Some(Mark::ImplausibleEnergy),
        Some(_) => None,
    }
}

/// Whether an energy can be, given what the samples between add up to if the register restarted.
fn is_possible(energy_wh: Decimal, restarted: Option<&Course>) -> bool {
    let most_wh = restarted.map_or(ENERGY_MAX_WH, Course::most_wh);
    -QUANTISATION_WH <= energy_wh && energy_wh <= most_wh.saturating_add(QUANTISATION_WH)
}

/// Whether the ratio of two energies, the greater to the lesser, lies in this range.
fn is_thousandfold(first: Decimal, second: Decimal, (low, high): (Decimal, Decimal)) -> bool {
    let (lesser, greater) = (first.min(second), first.max(second));
    let times = |factor: Decimal| lesser.checked_mul(factor);
    Decimal::ZERO < lesser
        && times(low).is_some_and(|least| least <= greater)
        && times(high).is_some_and(|most| greater <= most)
}

/// The lesser of what is known.
fn lesser<T: Ord>(first: Option<T>, second: Option<T>) -> Option<T> {
    match (first, second) {
        (Some(first), Some(second)) => Some(first.min(second)),
        (first, second) => first.or(second),
    }
}

/// What a pile of this rating can give in so many seconds, Wh, with a tenth to spare; none beyond all numbers.
fn most_wh(rated_kw: Decimal, duration_s: i64) -> Option<Decimal> {
    rated_kw.checked_mul(OVER_RATING)?.checked_mul(Decimal::from(duration_s))?.checked_mul(WH_PER_KW_S)
}

#[cfg(test)]
mod tests;
