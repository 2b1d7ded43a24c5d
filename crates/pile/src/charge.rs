//! One charge: from plug to plug, assembled from whatever the charger sent of it, in whatever order.
//!
//! `ocpp` turns messages into [`ChargeEvent`]s, `store::intake` finds the charge, applies the event here and writes the
//! result back. Applying the same event twice changes nothing; applying events in another order ends in the same charge.

use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::{Location, Mark, Phase, Reading, ReadingContext, VehicleKey};

/// More than any road vehicle takes in one charge, Wh (the largest truck batteries hold about 0.7 MWh).
const ENERGY_MAX_WH: Decimal = Decimal::from_parts(1_000_000, 0, 0, false, 0);

/// Start and stop registers are whole Wh, truncated by some chargers and rounded by others: their difference may be off
/// by up to 1.5 Wh against the decimal samples of the same registers (lbbrhzn/ocpp#1810, EVerest/libocpp#638).
const QUANTISATION_WH: Decimal = Decimal::TWO;

/// Meters sign registers in steps of 0.001 or 0.01 kWh; beyond two of the coarser steps, signed and unsigned differ.
const SIGNED_RESOLUTION_WH: Decimal = Decimal::from_parts(20, 0, 0, false, 0);

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
    /// The vehicle's own.
    Vehicle,
    /// The pile's, as signed by the meter: only from records whose signature is good.
    Signed,
}

impl RegisterSample {
    /// The register in a reading, if the reading is the whole outlet's (or vehicle's) import register in Wh or kWh.
    pub fn of(reading: &Reading) -> Option<Self> {
        let side = match reading.location {
            Location::Outlet => Side::Pile,
            Location::Ev => Side::Vehicle,
            Location::Other(_) => return None,
        };
        if !reading.measurand.is_energy_register() || reading.phase != Phase::Total {
            return None;
        }
        Some(Self {
            side,
            context: reading.context.clone(),
            at: reading.time(),
            energy_wh: reading.energy_wh()?,
        })
    }
}

/// A register's value and when it stood there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stand {
    /// When.
    pub at: Timestamp,
    /// Register, Wh.
    pub energy_wh: Decimal,
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
    /// What was delivered between, Wh; may be negative.
    pub fn energy_wh(&self) -> Option<Decimal> {
        self.end?.energy_wh.checked_sub(self.begin?.energy_wh)
    }

    fn take(&mut self, stage: Stage, sample: &RegisterSample) {
        let stand = Stand { at: sample.at, energy_wh: sample.energy_wh };
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
        if is_begin && self.begin.is_none_or(|known| stand.at < known.at) {
            self.begin = Some(stand);
        }
        if is_end && self.end.is_none_or(|known| known.at < stand.at) {
            self.end = Some(stand);
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
}

impl Charge {
    /// Adds what a message says. Idempotent; what is known already is not overwritten by a repeat.
    pub fn apply(&mut self, event: &ChargeEvent) {
        self.connector = self.connector.or(event.connector);
        self.vehicle = self.vehicle.or(event.vehicle);
        match event.stage {
            Stage::Begin => {
                self.started_at = self.started_at.or(Some(event.at));
                self.register_start_wh = self.register_start_wh.or(event.register_wh);
            }
            Stage::Progress => {}
            Stage::End => {
                self.ended_at = self.ended_at.or(Some(event.at));
                self.register_stop_wh = self.register_stop_wh.or(event.register_wh);
                if self.reason.is_none() {
                    self.reason.clone_from(&event.reason);
                }
            }
        }
        for sample in &event.registers {
            match sample.side {
                Side::Pile => self.pile.take(event.stage, sample),
                Side::Vehicle => self.vehicle_side.take(event.stage, sample),
                Side::Signed => self.signed.take(event.stage, sample),
            }
        }
    }

    /// Energy by the pile's meter, Wh: from decimal samples where both ends are known, else from start and stop registers.
    pub fn energy_pile_wh(&self) -> Option<Decimal> {
        self.pile.energy_wh().or_else(|| self.register_stop_wh?.checked_sub(self.register_start_wh?))
    }

    /// Energy by the vehicle's meter, Wh, if it spans the same time as the pile's.
    pub fn energy_vehicle_wh(&self) -> Option<Decimal> {
        if self.spans_differ() { None } else { self.vehicle_side.energy_wh() }
    }

    fn spans_differ(&self) -> bool {
        let differ = |vehicle: Option<Stand>, pile: Option<Stand>, edge: Option<Timestamp>| {
            let reference = pile.map(|stand| stand.at).or(edge);
            match (vehicle, reference) {
                (Some(vehicle), Some(at)) => (vehicle.at.as_second() - at.as_second()).abs() > SAME_INSTANT_S,
                _ => false,
            }
        };
        differ(self.vehicle_side.begin, self.pile.begin, self.started_at)
            || differ(self.vehicle_side.end, self.pile.end, self.ended_at)
    }

    /// Remarks on the charge as it stands, for a pile of this rated power.
    pub fn marks(&self, rated_kw: Option<Decimal>) -> Vec<Mark> {
        let mut marks = Vec::new();
        if self.ended_at.is_none() {
            return marks;
        }
        if self.started_at.is_none() {
            marks.push(Mark::OrphanStop);
        }
        let energy = self.energy_pile_wh();
        match energy {
            None => marks.push(Mark::NoEnergy),
            Some(wh) if wh.is_zero() => marks.push(Mark::ZeroEnergy),
            Some(wh) if wh.is_sign_negative() => marks.push(Mark::NegativeEnergy),
            Some(wh) if wh > ENERGY_MAX_WH => marks.push(Mark::ImplausibleEnergy),
            Some(_) => {}
        }
        if let (Some(start), Some(stop), Some(sampled)) =
            (self.register_start_wh, self.register_stop_wh, self.pile.energy_wh())
            && stop
                .checked_sub(start)
                .and_then(|wh| wh.checked_sub(sampled))
                .is_none_or(|difference| difference.abs() > QUANTISATION_WH)
        {
            marks.push(Mark::RegisterMismatch);
        }
        if let (Some(signed), Some(wh)) = (self.signed.energy_wh(), energy)
            && signed.checked_sub(wh).is_none_or(|difference| difference.abs() > SIGNED_RESOLUTION_WH)
        {
            marks.push(Mark::SignedDiffers);
        }
        if let (Some(start), Some(end)) = (self.started_at, self.ended_at) {
            let duration_s = end.as_second() - start.as_second();
            if duration_s <= 0 {
                marks.push(Mark::NonPositiveDuration);
            } else if let (Some(wh), Some(limit_wh)) =
                (energy, rated_kw.and_then(|kw| most_wh(kw, duration_s)))
                && wh > limit_wh
            {
                marks.push(Mark::PowerOverRating);
            }
        }
        if self.spans_differ() {
            marks.push(Mark::VehicleSpanDiffers);
        }
        marks
    }
}

/// What a pile of this rating can give in so many seconds, Wh, with a tenth to spare; none beyond all numbers.
fn most_wh(rated_kw: Decimal, duration_s: i64) -> Option<Decimal> {
    rated_kw.checked_mul(OVER_RATING)?.checked_mul(Decimal::from(duration_s))?.checked_mul(WH_PER_KW_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_770_000_000 + second).expect("in range")
    }

    fn wh(text: &str) -> Decimal {
        text.parse().expect("literal")
    }

    fn sample(side: Side, context: ReadingContext, second: i64, energy: &str) -> RegisterSample {
        RegisterSample { side, context, at: at(second), energy_wh: wh(energy) }
    }

    fn event(
        stage: Stage,
        second: i64,
        register: Option<&str>,
        registers: Vec<RegisterSample>,
    ) -> ChargeEvent {
        ChargeEvent {
            reference: ChargeReference::Named("1".into()),
            stage,
            at: at(second),
            connector: Some(1),
            vehicle: Some(VehicleKey([1; 16])),
            register_wh: register.map(wh),
            registers,
            reason: None,
        }
    }

    fn whole_charge() -> Vec<ChargeEvent> {
        vec![
            event(Stage::Begin, 0, Some("1000"), vec![]),
            event(
                Stage::Progress,
                600,
                None,
                vec![sample(Side::Pile, ReadingContext::SamplePeriodic, 600, "4000.5")],
            ),
            event(
                Stage::End,
                1800,
                Some("11000"),
                vec![
                    sample(Side::Pile, ReadingContext::TransactionBegin, 0, "1000.25"),
                    sample(Side::Pile, ReadingContext::TransactionEnd, 1800, "11000.75"),
                    sample(Side::Vehicle, ReadingContext::TransactionBegin, 2, "0"),
                    sample(Side::Vehicle, ReadingContext::TransactionEnd, 1799, "9900.1"),
                ],
            ),
        ]
    }

    #[test]
    fn energy_comes_from_decimal_samples_and_both_sides() {
        let mut charge = Charge::default();
        for event in whole_charge() {
            charge.apply(&event);
        }
        assert_eq!(charge.energy_pile_wh(), Some(wh("10000.50")));
        assert_eq!(charge.energy_vehicle_wh(), Some(wh("9900.1")));
        assert_eq!(charge.marks(Some(wh("60"))), vec![]);
    }

    #[test]
    fn order_and_repeats_do_not_matter() {
        let events = whole_charge();
        let mut forward = Charge::default();
        events.iter().for_each(|event| forward.apply(event));
        let mut backward = Charge::default();
        events.iter().rev().for_each(|event| backward.apply(event));
        events.iter().for_each(|event| backward.apply(event));
        assert_eq!(forward, backward);
    }

    #[test]
    fn dirty_charges_are_marked_each_with_its_reason() {
        let check = |start: Option<&str>, stop: Option<&str>, seconds: i64, expected: &[Mark]| {
            let mut charge = Charge::default();
            charge.apply(&event(Stage::Begin, 0, start, vec![]));
            charge.apply(&event(Stage::End, seconds, stop, vec![]));
            assert_eq!(charge.marks(Some(wh("7"))), expected, "{start:?} {stop:?} {seconds}");
        };
        check(Some("0"), Some("7000"), 3600, &[]);
        check(Some("0"), None, 3600, &[Mark::NoEnergy]);
        check(Some("5"), Some("5"), 3600, &[Mark::ZeroEnergy]);
        check(Some("5"), Some("4"), 3600, &[Mark::NegativeEnergy]);
        check(Some("0"), Some("1430000"), 3600, &[Mark::ImplausibleEnergy, Mark::PowerOverRating]);
        check(Some("0"), Some("7701"), 3600, &[Mark::PowerOverRating]);
        check(Some("0"), Some("7700"), 3600, &[]);
        check(Some("0"), Some("100"), 0, &[Mark::NonPositiveDuration]);
    }

    #[test]
    fn a_stop_without_start_is_an_orphan_and_kept() {
        let mut charge = Charge::default();
        charge.apply(&event(Stage::End, 10, Some("5"), vec![]));
        assert_eq!(charge.marks(None), vec![Mark::OrphanStop, Mark::NoEnergy]);
    }

    #[test]
    fn vehicle_values_of_another_time_are_not_compared() {
        let mut charge = Charge::default();
        charge.apply(&event(Stage::Begin, 0, Some("0"), vec![]));
        charge.apply(&event(
            Stage::End,
            3600,
            Some("5000"),
            vec![
                sample(Side::Vehicle, ReadingContext::TransactionBegin, 900, "0"),
                sample(Side::Vehicle, ReadingContext::TransactionEnd, 3600, "4000"),
            ],
        ));
        assert_eq!(charge.energy_vehicle_wh(), None);
        assert_eq!(charge.marks(None), vec![Mark::VehicleSpanDiffers]);
    }

    #[test]
    fn sample_and_stop_registers_that_disagree_are_marked() {
        let mut charge = Charge::default();
        charge.apply(&event(Stage::Begin, 0, Some("100"), vec![]));
        charge.apply(&event(
            Stage::End,
            3600,
            Some("5100"),
            vec![
                sample(Side::Pile, ReadingContext::TransactionBegin, 0, "0"),
                sample(Side::Pile, ReadingContext::TransactionEnd, 3600, "4997.9"),
            ],
        ));
        assert_eq!(charge.marks(None), vec![Mark::RegisterMismatch]);
    }
}
