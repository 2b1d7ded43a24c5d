//! Energies that differ by a factor of two or more: no comparison of meters, so no estimate speaks of them, and yet somebody pays for one of them.
//!
//! Asked of all piles, of values that came past the pile and of others apart. A vehicle that differs so elsewhere, too, says nothing of a pile,
//! and no more does a charge that names no vehicle: a single customer's broken app may have told them all.

use std::collections::BTreeMap;

use rust_decimal::prelude::ToPrimitive;
use veripile_metrology::counting::binomial_at_least;

use super::forgery::may_be_forged;
use super::world::{World, first, median};
use super::{Code, Finding, Phrase, Severity, SignalCharge, Subject};
use crate::evidence::{Screened, compare};

/// Charges so far apart, and their share of a pile's, below which nothing is remarkable.
const APART_MIN: usize = 5;
const SHARE_MIN: f64 = 0.1;

/// Asks every pile.
pub(super) fn ask(world: &World<'_>) -> Vec<Finding> {
    [true, false].into_iter().flat_map(|is_relayed| of_way(world, is_relayed)).collect()
}

/// Charges of which both energies and the vehicle are known, and whether they are apart.
type Pairs = Vec<(usize, bool)>;

/// # Formula
/// A vehicle at a pile counts once, apart if any of its charges there is: charges of one vehicle are alike. `P(k or more of n)`, the chance
/// `(K + 1)/(N + 1)` by K of N at all other piles.
fn of_way(world: &World<'_>, is_relayed: bool) -> Vec<Finding> {
    let pairs = pairs(world, is_relayed);
    let counts: Vec<(usize, usize)> = pairs.iter().map(|pairs| vehicles(world, pairs)).collect();
    let (apart, all) = counts.iter().fold((0, 0), |(apart, all), (k, n)| (apart + k, all + n));
    let of_pile = |(pile, (pairs, (k, n))): (usize, (&Pairs, &(usize, usize)))| {
        let chance = (apart - k + 1) as f64 / (all - n + 1) as f64;
        (APART_MIN <= pairs.len()).then(|| finding(world, pile, pairs, binomial_at_least(*k, *n, chance)))
    };
    pairs.iter().zip(&counts).enumerate().filter_map(of_pile).collect()
}

fn finding(world: &World<'_>, pile: usize, pairs: &Pairs, p_value: f64) -> Finding {
    let apart: Vec<usize> =
        pairs.iter().filter(|(_, is_apart)| *is_apart).map(|(charge, _)| *charge).collect();
    let is_remarkable = APART_MIN <= apart.len() && SHARE_MIN * pairs.len() as f64 <= apart.len() as f64;
    let mut ratios: Vec<f64> = apart.iter().filter_map(|at| ratio(&world.charges[*at])).collect();
    let is_relayed = apart.iter().all(|at| may_be_forged(&world.charges[*at]));
    let (from, to) = world.span(apart.iter().copied());
    Finding {
        subject: Subject::Pile(pile),
        code: Code::EnergiesApart,
        severity: if is_relayed { Severity::Warning } else { Severity::Critical },
        statistic: apart.len() as f64,
        p_value: Some(if is_remarkable { p_value } else { 1.0 }),
        from,
        to,
        said: vec![Phrase::EnergiesApart {
            count: apart.len().to_string(),
            of: pairs.len().to_string(),
            ratio: format!("{:.2}", median(&mut ratios).unwrap_or(0.0)),
        }],
        evidence: first(apart),
    }
}

/// Pairs of each pile, without those of vehicles that are mostly apart elsewhere.
fn pairs(world: &World<'_>, is_relayed: bool) -> Vec<Pairs> {
    let pair = |at: &usize| {
        let charge = &world.charges[*at];
        let is_apart = charge.residual.is_none() && is_apart(charge)?;
        let is_known = charge.energy_vehicle_kwh.is_some() && charge.vehicle.is_some();
        (is_known && may_be_forged(charge) == is_relayed).then_some((*at, is_apart))
    };
    let mut pairs: Vec<Pairs> =
        world.by_pile.iter().map(|charges| charges.iter().filter_map(pair).collect()).collect();
    let mut met: BTreeMap<usize, BTreeMap<usize, (usize, usize)>> = BTreeMap::new();
    let wrong = pairs.iter().flatten().filter(|(_, is_apart)| *is_apart);
    let wrong: Vec<usize> = wrong.filter_map(|(at, _)| world.charges[*at].vehicle).collect();
    wrong.into_iter().for_each(|vehicle| _ = met.entry(vehicle).or_default());
    for (at, is_apart) in pairs.iter().flatten() {
        let charge = &world.charges[*at];
        if let Some(piles) = charge.vehicle.and_then(|vehicle| met.get_mut(&vehicle)) {
            let (apart, all) = piles.entry(charge.pile).or_default();
            (*apart, *all) = (*apart + usize::from(*is_apart), *all + 1);
        }
    }
    let is_wrong_elsewhere = |charge: &SignalCharge<'_>| {
        let piles = charge.vehicle.and_then(|vehicle| met.get(&vehicle));
        let elsewhere = piles.into_iter().flatten().filter(|(pile, _)| **pile != charge.pile);
        let (apart, all) = elsewhere.fold((0, 0), |(apart, all), (_, (a, n))| (apart + a, all + n));
        all < 2 * apart
    };
    pairs.iter_mut().for_each(|of_pile| of_pile.retain(|(at, _)| !is_wrong_elsewhere(&world.charges[*at])));
    pairs
}

/// Vehicles with a charge that is apart, and all of them.
fn vehicles(world: &World<'_>, pairs: &Pairs) -> (usize, usize) {
    let mut known: BTreeMap<usize, bool> = BTreeMap::new();
    for (vehicle, is_apart) in pairs.iter().filter_map(|(at, is)| Some((world.charges[*at].vehicle?, is))) {
        *known.entry(vehicle).or_default() |= is_apart;
    }
    (known.values().filter(|is_apart| **is_apart).count(), known.len())
}

/// None of a charge of which an energy says nothing.
fn is_apart(charge: &SignalCharge<'_>) -> Option<bool> {
    match compare(charge.energy_pile_kwh, charge.energy_vehicle_kwh?) {
        Ok(_) => Some(false),
        Err(Screened::Incomparable) => Some(true),
        Err(_) => None,
    }
}

fn ratio(charge: &SignalCharge<'_>) -> Option<f64> {
    charge.energy_pile_kwh.checked_div(charge.energy_vehicle_kwh?)?.to_f64()
}
