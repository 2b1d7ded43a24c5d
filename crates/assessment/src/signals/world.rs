//! The evidence put in order: charges by pile and time, residuals on one scale, and statistics held against the fleet's.
//!
//! Called by every statistical signal. It asks nothing of anybody.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use veripile_metrology::contrast::{CUT, Interaction, Point, SLOPE};
use veripile_metrology::graph::DisjointSets;
use veripile_metrology::normal::QUANTILE_75;

use super::{EVIDENCE_MAX, SignalCharge, SignalEvidence, SignalPile, ToldRegister, readers};
use crate::common::{self, Common, Tally, week};

/// Median of |t₄|: the 75 % quantile of Student's t with 4 degrees of freedom (scipy: 0.740697084…).
const MEDIAN_T4: f64 = 0.740_697_084_112_682_6;

/// Piles from which a median of effects is one of honest piles even if one is not, and no pile is its own measure.
pub(super) const GROUP_MIN: usize = 5;

/// Residuals from which their scale is taken from them.
const RESIDUALS_MIN: usize = 100;

/// Variance of a median in units of that of a mean, π/2.
const MEDIAN_VARIANCE: f64 = std::f64::consts::FRAC_PI_2;

/// A residual of a pile.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scored {
    /// Index of the charge.
    pub(super) charge: usize,
    /// Residual, t₄ scale.
    pub(super) z: f64,
    /// That scale, fraction.
    pub(super) scale: f64,
    /// Number of those that its pile reads alike, see [`readers`].
    pub(super) group: u32,
}

impl Scored {
    pub(super) fn score(&self) -> f64 {
        self.z.clamp(-CUT, CUT)
    }

    pub(super) fn point(&self, regressor: f64) -> Point {
        Point { z: self.z, scale: self.scale, regressor, group: self.group }
    }
}

/// Residuals of each pile by time, without what piles share, and which piles go with the others.
pub(super) type Own = (Vec<Vec<Scored>>, Vec<bool>);

/// The evidence in order.
pub(super) struct World<'a> {
    pub(super) piles: &'a [SignalPile],
    pub(super) charges: &'a [SignalCharge<'a>],
    pub(super) evidence: &'a SignalEvidence<'a>,
    /// Charges of each pile, by time.
    pub(super) by_pile: Vec<Vec<usize>>,
    /// Residuals of each pile, by time.
    pub(super) scored: Vec<Vec<Scored>>,
    /// By how much piles read models of vehicles otherwise than others.
    pub(super) interaction: Interaction,
    /// What registers counted in charges that are no evidence, of each pile and outlet by where it began; without those that counted nothing.
    told: BTreeMap<(usize, u32), Vec<&'a ToldRegister>>,
    /// The connected set of each pile, by vehicles that charged at several: its least pile.
    sets: Vec<usize>,
    /// Without what piles share by week, from the first question that needs it on.
    weekly: OnceLock<Option<Own>>,
}

impl<'a> World<'a> {
    pub(super) fn new(evidence: &'a SignalEvidence<'a>) -> Self {
        let (piles, charges) = (evidence.piles, evidence.charges);
        let mut by_pile = vec![Vec::new(); piles.len()];
        for (index, charge) in charges.iter().enumerate() {
            by_pile[charge.pile].push(index);
        }
        for indices in &mut by_pile {
            indices.sort_by_key(|index| {
                let charge = &charges[*index];
                (charge.started_at, charge.ended_at, charge.outlet, *index)
            });
        }
        let unit = unit(charges.iter().filter_map(|charge| charge.residual).map(|residual| residual.z));
        let of_charge = |charge: &usize| {
            let residual = charges[*charge].residual?;
            scored(*charge, (residual.z, residual.sigma), unit)
        };
        let mut scored: Vec<Vec<Scored>> =
            by_pile.iter().map(|indices| indices.iter().filter_map(of_charge).collect()).collect();
        let (sd, models) = (evidence.interaction_sd, evidence.vehicle_models);
        let interaction = readers::number(sd, &mut scored, |charge| charges[charge].vehicle, models);
        let mut told: BTreeMap<(usize, u32), Vec<&ToldRegister>> = BTreeMap::new();
        for row in evidence.told.iter().filter(|row| row.start_kwh < row.end_kwh) {
            told.entry((row.pile, row.outlet)).or_default().push(row);
        }
        told.values_mut().for_each(|rows| rows.sort_by_key(|row| row.start_kwh));
        let sets = sets(piles.len(), charges);
        Self { piles, charges, evidence, by_pile, scored, interaction, told, sets, weekly: OnceLock::new() }
    }

    /// What an outlet's register counted in charges that are no evidence and that began between two of its values. A charger can tell very
    /// many: only these are looked at.
    pub(super) fn told_between(
        &self,
        outlet: (usize, u32),
        [from, to]: [Decimal; 2],
    ) -> impl Iterator<Item = &'a ToldRegister> {
        let all = self.told.get(&outlet).map_or(&[][..], Vec::as_slice);
        let first = all.partition_point(|row| row.start_kwh < from);
        all[first..].iter().copied().take_while(move |row| row.start_kwh <= to)
    }

    /// As [`Self::without_common`] says of weeks: several questions ask it, and it is computed once.
    pub(super) fn without_common_by_week(&self) -> Option<&Own> {
        let by_week = || self.without_common(|charge| Some(week(charge.started_at)));
        self.weekly.get_or_init(by_week).as_ref()
    }

    /// Residuals with what all piles share at the same time taken off: what moves them all is not one pile's doing.
    /// And which piles go with the others. None with fewer than [`common::FLEET_MIN`] piles.
    pub(super) fn without_common(&self, key: impl Fn(&SignalCharge<'_>) -> Option<i64>) -> Option<Own> {
        let key = |scored: &Scored| key(&self.charges[scored.charge]);
        let tally = |of_pile: &Vec<Scored>| {
            let mut tally = Tally::new();
            let keyed = of_pile.iter().filter_map(|scored| Some((key(scored)?, scored.score())));
            keyed.for_each(|(key, score)| common::add(&mut tally, key, score));
            tally
        };
        let tallies: Vec<Tally> = self.scored.iter().map(tally).collect();
        let common = Common::of(&tallies, &self.sets)?;
        let without = |pile: usize, scored: &Scored| {
            let shared = key(scored).map_or(0.0, |key| common.at(pile, key) / SLOPE);
            Scored { z: scored.z - shared, ..*scored }
        };
        let piles = self.scored.iter().enumerate();
        let own = piles.map(|(pile, own)| own.iter().map(|scored| without(pile, scored)).collect());
        Some((own.collect(), common.is_usual))
    }

    /// Of each pile whether its vehicles join it to others, and to fewer than [`common::FLEET_MIN`] in all.
    pub(super) fn are_of_few(&self) -> Vec<bool> {
        let mut members = vec![0_usize; self.piles.len()];
        let told = self.sets.iter().zip(&self.scored).filter(|(_, scored)| !scored.is_empty());
        told.for_each(|(set, _)| members[*set] += 1);
        self.sets.iter().map(|set| (2..common::FLEET_MIN).contains(&members[*set])).collect()
    }

    /// The day of a moment where the piles stand.
    pub(super) fn day(&self, at: Timestamp) -> String {
        let zone = self.evidence.time_zone.cloned().unwrap_or(TimeZone::UTC);
        at.to_zoned(zone).strftime("%Y-%m-%d").to_string()
    }

    /// The time that charges speak of.
    pub(super) fn span(
        &self,
        charges: impl Iterator<Item = usize>,
    ) -> (Option<Timestamp>, Option<Timestamp>) {
        let mut span: Option<(Timestamp, Timestamp)> = None;
        for charge in charges.map(|index| &self.charges[index]) {
            let (from, to) = span.unwrap_or((charge.started_at, charge.ended_at));
            span = Some((from.min(charge.started_at), to.max(charge.ended_at)));
        }
        span.unzip()
    }
}

/// Piles joined by the vehicles whose charges left a residual.
fn sets(piles: usize, charges: &[SignalCharge<'_>]) -> Vec<usize> {
    let mut sets = DisjointSets::new(piles);
    let mut met: Vec<Option<usize>> = Vec::new();
    for charge in charges.iter().filter(|charge| charge.residual.is_some()) {
        let Some(vehicle) = charge.vehicle else { continue };
        if met.len() <= vehicle {
            met.resize(vehicle + 1, None);
        }
        sets.join(*met[vehicle].get_or_insert(charge.pile), charge.pile);
    }
    (0..piles).map(|pile| sets.root(pile)).collect()
}

/// What residuals must be multiplied by to be on the scale of t₄.
fn unit(residuals: impl Iterator<Item = f64>) -> f64 {
    let mut sizes: Vec<f64> = residuals.map(f64::abs).filter(|size| size.is_finite()).collect();
    match median(&mut sizes) {
        Some(median) if RESIDUALS_MIN <= sizes.len() && 0.0 < median => MEDIAN_T4 / median,
        _ => 1.0,
    }
}

fn scored(charge: usize, (z, sigma): (f64, f64), unit: f64) -> Option<Scored> {
    let sound = z.is_finite() && sigma.is_finite() && 0.0 < sigma;
    sound.then_some(Scored { charge, z: z * unit, scale: sigma / unit, group: 0 })
}

/// Residuals of each pile on one scale: of (pile, residual, its scale), numbered as they come.
pub(super) fn scored_by_pile(
    piles: usize,
    residuals: impl Iterator<Item = (usize, f64, f64)> + Clone,
) -> Vec<Vec<Scored>> {
    let unit = unit(residuals.clone().map(|(_, z, _)| z));
    let mut by_pile = vec![Vec::new(); piles];
    for (charge, (pile, z, sigma)) in residuals.enumerate() {
        by_pile[pile].extend(scored(charge, (z, sigma), unit));
    }
    by_pile
}

/// The middle value; of an even number the mean of the two. Leaves the values in another order.
pub(super) fn median(values: &mut [f64]) -> Option<f64> {
    let (count, middle) = (values.len(), values.len() / 2);
    if count == 0 {
        return None;
    }
    let (lower, high, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let low = lower.iter().copied().max_by(f64::total_cmp).filter(|_| count.is_multiple_of(2));
    Some(low.map_or(*high, |low| 0.5 * (low + *high)))
}

/// An effect of each pile, and its standard uncertainty.
pub(super) type Effect = (f64, f64);

/// What most piles share of an effect, and how well that is known; none with fewer than [`GROUP_MIN`].
///
/// # Formula
/// The median of the effects, `u² = (π/2) (median u)² / m`.
pub(super) fn common(effects: &[Effect]) -> Option<Effect> {
    let mut values: Vec<f64> = effects.iter().map(|(effect, _)| *effect).collect();
    let mut uncertainties: Vec<f64> = effects.iter().map(|(_, u)| *u).collect();
    let enough = GROUP_MIN <= effects.len();
    let (value, u) = (median(&mut values)?, median(&mut uncertainties)?);
    enough.then(|| (value, u * (MEDIAN_VARIANCE / effects.len() as f64).sqrt()))
}

/// Standard scores, made smaller where the fleet's scatter more than theory says: where honest piles do, a dishonest
/// one must stand out from them. Never larger; with fewer than [`GROUP_MIN`] as they are.
///
/// # Formula
/// `z' = z / max(1, median|z| / 0.6745)`.
pub(super) fn against_fleet(scores: &[f64]) -> Vec<f64> {
    let mut sizes: Vec<f64> = scores.iter().map(|score| score.abs()).collect();
    let enough = GROUP_MIN <= scores.len();
    let spread = median(&mut sizes).filter(|_| enough).map_or(1.0, |size| (size / QUANTILE_75).max(1.0));
    scores.iter().map(|score| score / spread).collect()
}

/// The charges that weigh most, ascending by index.
pub(super) fn heaviest(mut weighed: Vec<(f64, usize)>) -> Vec<usize> {
    if EVIDENCE_MAX < weighed.len() {
        weighed.select_nth_unstable_by(EVIDENCE_MAX, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    }
    let mut charges: Vec<usize> = weighed.into_iter().take(EVIDENCE_MAX).map(|(_, charge)| charge).collect();
    charges.sort_unstable();
    charges
}

/// The first of the charges, ascending.
pub(super) fn first(charges: impl IntoIterator<Item = usize>) -> Vec<usize> {
    let mut charges: Vec<usize> = charges.into_iter().take(EVIDENCE_MAX).collect();
    charges.sort_unstable();
    charges.dedup();
    charges
}

#[cfg(test)]
mod tests {
    use super::*;

    // Of a thousand rows of either outlet, each of 1 kWh and one after the other, eleven began between 500 and 510.
    #[test]
    fn of_what_was_told_only_what_can_lie_between_is_looked_at() {
        let row = |outlet: u32, start: i64, end: i64| ToldRegister {
            pile: 0,
            outlet,
            start_kwh: Decimal::from(start),
            end_kwh: Decimal::from(end),
        };
        let mut told: Vec<ToldRegister> =
            (0..1_000).rev().flat_map(|kwh| [row(1, kwh, kwh + 1), row(2, kwh, kwh + 1)]).collect();
        told.extend((0..1_000).map(|_| row(1, 505, 505)));
        let piles = [SignalPile {
            pile_id: veripile_pile::PileId::parse("A").expect("literal"),
            kind: None,
            limit: 0.01,
            model: None,
            station: None,
            operator: None,
            firmware_changes: Vec::new(),
            level: None,
        }];
        let evidence = SignalEvidence { piles: &piles, told: &told, ..SignalEvidence::default() };
        let between = [500, 510].map(Decimal::from);
        let looked_at: Vec<&ToldRegister> = World::new(&evidence).told_between((0, 1), between).collect();
        let expected: Vec<ToldRegister> = (500..=510).map(|kwh| row(1, kwh, kwh + 1)).collect();
        assert_eq!(looked_at, expected.iter().collect::<Vec<_>>());
    }
}
