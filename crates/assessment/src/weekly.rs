//! Errors week by week, and steps as they are found, at a cost that follows the new week and not the history.
//!
//! Called by `app`: by the assess role on the running platform, which keeps a [`Filter`] for each finished week, and by the study, which
//! looks back as well. The mathematics are `metrology::drift`'s and `metrology::change_point`'s; here charges and on-site results become
//! weeks. Pure: no clock, no storage.
//!
//! Beyond [`PART_MAX`] piles there are several parts, each with the piles that the same vehicles visit, and each for itself: of a vehicle that
//! visits two of them each learns anew. That says less of it, never too much.
//!
//! What the last whole assessment learnt of noise, of ways and of covariates is taken out of each comparison, and by how much a model of
//! vehicles, or a vehicle, reads more since it was updated; charges of ids that stand for many vehicles are none ([`Vehicles`]). By how much
//! piles read one model otherwise than the others limits what the vehicles of one model say of a pile. A reference vehicle's calibration
//! enters once, as what is known of its bias beforehand. What stations' energy balances say is nothing that is kept: with each look the
//! caller brings what the last whole assessment made of all their intervals ([`Balanced`]), and it counts for the weeks that are told then, weakened by
//! what piles may have walked since the middle of its time. A pile that became another meanwhile is left out of it, until there is one that began
//! later. It says how an error goes, not what a verdict rests on.

mod neighbours;
mod part;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use veripile_metrology::change_point::Step;
use veripile_metrology::drift::{DriftError, Snapshot};
use veripile_pile::VehiclePath;

use crate::balanced::Balanced;
use crate::evidence::{COVARIATES_MAX, compare};
use crate::learnt::Learnt;
use crate::vehicles::Vehicles;
use part::{Brought, Part};

const WEEK_S: i64 = 7 * 86_400;

/// Weeks begin on Monday, 1970 on a Thursday.
const FIRST_MONDAY_S: i64 = -3 * 86_400;

/// Piles of one part: its cost grows with their cube, and vehicles know their surroundings.
const PART_MAX: usize = 500;

/// Number of the week of a moment (UTC).
pub fn week_of(at: Timestamp) -> i32 {
    i32::try_from((at.as_second() - FIRST_MONDAY_S).div_euclid(WEEK_S)).unwrap_or_default()
}

/// When a week begins.
pub fn beginning(week: i32) -> Timestamp {
    Timestamp::from_second(i64::from(week) * WEEK_S + FIRST_MONDAY_S).unwrap_or(Timestamp::MAX)
}

/// A charge with energies from both sides, by the caller's names for pile and vehicle.
#[derive(Debug, Clone, PartialEq)]
pub struct WeekCharge<P, V> {
    /// The pile.
    pub pile: P,
    /// The vehicle.
    pub vehicle: V,
    /// The vehicle's make and model, where somebody told it.
    pub model: Option<String>,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Energy by the pile, kWh.
    pub energy_pile_kwh: Decimal,
    /// Energy by the vehicle, kWh.
    pub energy_vehicle_kwh: Decimal,
    /// How the vehicle's energy came to be known; none where nobody says.
    pub path: Option<VehiclePath>,
    /// Covariates, in the order of [`Learnt::covariates`]; NaN where unknown.
    pub covariates: [f32; COVARIATES_MAX],
}

/// An on-site result that stands; in the order of time.
#[derive(Debug, Clone, PartialEq)]
pub struct OnSite<P> {
    /// The pile.
    pub pile: P,
    /// The outlet that was measured; none: it speaks of the whole pile.
    pub outlet: Option<u32>,
    /// When it was measured.
    pub at: Timestamp,
    /// Error found, percent.
    pub error_percent: Decimal,
    /// Expanded uncertainty, percent.
    pub expanded_uncertainty_percent: Decimal,
    /// Coverage factor.
    pub coverage_factor: Decimal,
}

/// The calibration of a reference vehicle, by the caller's name for the vehicle as read by an authority.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration<V> {
    /// The vehicle.
    pub vehicle: V,
    /// When it was calibrated.
    pub at: Timestamp,
    /// Error of its own meter, percent.
    pub error_percent: Decimal,
    /// Expanded uncertainty, percent.
    pub expanded_uncertainty_percent: Decimal,
    /// Coverage factor.
    pub coverage_factor: Decimal,
}

/// Everything that the filter takes in.
#[derive(Debug, Clone, Copy)]
pub struct WeekEvidence<'a, P, V> {
    /// Charges; their order decides which piles share a part, where there are several.
    pub charges: &'a [WeekCharge<P, V>],
    /// On-site results that stand, in the order of time.
    pub on_site: &'a [OnSite<P>],
    /// Calibrations that count, in the order of time. As in a whole assessment the last of each vehicle says of all weeks, those before its
    /// day, too, what is known of the vehicle.
    pub calibrations: &'a [Calibration<V>],
    /// What the last whole assessment's balances said; of weeks before them, too, as far as they were its intervals'.
    pub balances: &'a [Balanced<P>],
    /// What the last whole assessment learnt.
    pub learnt: &'a Learnt,
    /// What it found of vehicles.
    pub vehicles: &'a Vehicles<V>,
}

/// All that is kept of the weeks up to one; `P` and `V` name piles and vehicles.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Filter<P, V> {
    /// The last week taken in; none at the very beginning.
    pub week: Option<i32>,
    /// The last one has room.
    parts: Vec<Part<P, V>>,
}

/// A pile's error at the end of a week.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WeekError {
    /// Relative error, fraction.
    pub error: f64,
    /// Its standard uncertainty.
    pub standard_uncertainty: f64,
    /// Comparisons of the week.
    pub charges: u32,
    /// What the week said against what was expected: difference and variance.
    pub innovation: Option<(f64, f64)>,
}

/// What a week says.
#[derive(Debug, Clone)]
pub struct Told<P> {
    /// Number of the week.
    pub week: i32,
    /// By pile, part by part.
    pub errors: Vec<(P, WeekError)>,
    /// Steps found in it; their weeks are numbered as this one.
    pub steps: Vec<(P, Step)>,
    /// Of each part, for [`veripile_metrology::drift::smooth`]; instruments are piles in the order of `errors`.
    pub snapshots: Vec<Snapshot>,
    /// Parts that began anew: how many piles, and why.
    pub anew: Vec<(usize, DriftError)>,
}

/// Takes in the weeks of the charges up to the open one, which is told of even when nothing has come of it yet. Gives what is kept after the
/// last finished week; `each` hears of every week, with what is kept after it if it is finished.
pub fn filter<P, V>(
    start: Filter<P, V>,
    evidence: &WeekEvidence<'_, P, V>,
    open: i32,
    mut each: impl FnMut(Told<P>, Option<&Filter<P, V>>),
) -> Filter<P, V>
where
    P: Clone + Eq + Hash,
    V: Clone + Eq + Hash,
{
    let mut by_week: BTreeMap<i32, Vec<&WeekCharge<P, V>>> = BTreeMap::new();
    let of_many: HashSet<&V> = evidence.vehicles.of_many.iter().map(|(id, _)| id).collect();
    for charge in evidence.charges.iter().filter(|charge| !of_many.contains(&charge.vehicle)) {
        if compare(charge.energy_pile_kwh, charge.energy_vehicle_kwh).is_ok() {
            by_week.entry(week_of(charge.ended_at)).or_default().push(charge);
        }
    }
    by_week.entry(open).or_default();
    let mut kept = start;
    for (week, charges) in by_week.into_iter().filter(|(week, _)| *week <= open) {
        if kept.week.is_some_and(|last| week <= last) {
            continue;
        }
        let (next, told) = kept.advanced(week, &charges, evidence);
        if week < open {
            each(told, Some(&next));
            kept = next;
        } else {
            each(told, None);
        }
    }
    kept
}

impl<P, V> Filter<P, V>
where
    P: Clone + Eq + Hash,
    V: Clone + Eq + Hash,
{
    /// The same after a week, and what that week says.
    fn advanced(
        &self,
        week: i32,
        charges: &[&WeekCharge<P, V>],
        evidence: &WeekEvidence<'_, P, V>,
    ) -> (Self, Told<P>) {
        let mut next = Self { week: Some(week), parts: self.parts.clone() };
        let measured: Vec<&OnSite<P>> =
            evidence.on_site.iter().filter(|result| week_of(result.at) <= week).collect();
        let part_of = next.place(charges, &measured, evidence.balances);
        let mut brought = vec![(Vec::new(), Vec::new()); next.parts.len()];
        charges.iter().for_each(|charge| brought[part_of[&charge.pile]].0.push(*charge));
        measured.iter().for_each(|result| brought[part_of[&result.pile]].1.push(*result));
        let (errors, steps, snapshots, anew) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut told = Told { week, errors, steps, snapshots, anew };
        for (part, (charges, on_site)) in next.parts.iter_mut().zip(&brought) {
            let WeekEvidence { calibrations, balances, learnt, vehicles, .. } = *evidence;
            let brought = Brought { charges, on_site, calibrations, balances, learnt, vehicles };
            let Err(error) = part.advance(week, &brought, &mut told) else { continue };
            // One part must not silence the others: it begins anew, with the next week if need be.
            told.anew.push((part.piles.len(), error));
            part.begin_anew();
            if part.advance(week, &brought, &mut told).is_err() {
                part.begin_anew();
            }
        }
        (next, told)
    }

    /// The part of each pile. Piles that were not met before get one: those with charges beside their neighbours, then those of which nothing
    /// but an on-site result is known, or that are behind a master, where those beside them are and as far as there is room.
    fn place(
        &mut self,
        charges: &[&WeekCharge<P, V>],
        measured: &[&OnSite<P>],
        balances: &[Balanced<P>],
    ) -> HashMap<P, usize> {
        let of_part = |(at, part): (usize, &Part<P, V>)| {
            part.piles.iter().map(|pile| (pile.clone(), at)).collect::<Vec<_>>()
        };
        let mut part_of: HashMap<P, usize> = self.parts.iter().enumerate().flat_map(of_part).collect();
        let new = charges.iter().filter(|charge| !part_of.contains_key(&charge.pile));
        let new: Vec<(&P, &V)> = new.map(|charge| (&charge.pile, &charge.vehicle)).collect();
        let last = self
            .parts
            .last()
            .map_or((&[][..], 0), |part| (&part.vehicles, PART_MAX.saturating_sub(part.piles.len())));
        let in_order = neighbours::in_order(&new, last, PART_MAX);
        for pile in in_order.into_iter().chain(measured.iter().map(|result| &result.pile)) {
            if !part_of.contains_key(pile) {
                let at = self.last_with_room();
                self.parts[at].piles.push(pile.clone());
                part_of.insert(pile.clone(), at);
            }
        }
        for told in balances {
            let beside = told.piles.iter().find_map(|pile| part_of.get(pile).copied());
            let at = beside.unwrap_or_else(|| self.last_with_room());
            for pile in &told.piles {
                if self.parts[at].piles.len() < PART_MAX && !part_of.contains_key(pile) {
                    self.parts[at].piles.push(pile.clone());
                    part_of.insert(pile.clone(), at);
                }
            }
        }
        part_of
    }

    /// The last part, or a new one where it is full.
    fn last_with_room(&mut self) -> usize {
        if self.parts.last().is_none_or(|part| PART_MAX <= part.piles.len()) {
            self.parts.push(Part::of(Vec::new()));
        }
        self.parts.len() - 1
    }
}

#[cfg(test)]
mod tests;
