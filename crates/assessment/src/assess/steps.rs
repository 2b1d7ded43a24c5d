//! Piles that changed on the way: found in what a fit with one error a pile has left over, and measured by a fit with two.
//!
//! Called by [`super::assess`] between fits. A mean over half a year says nothing of a pile that became another last month: whoever charges
//! there meets the pile as it is. It gives dates and sizes; what they mean is for others to say.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use veripile_metrology::change_point::{chance_of, change_of_level, halves};
use veripile_metrology::comparison::{self, ComparisonError, Fit, Residual, Settings};
use veripile_metrology::contrast::{CUT, SLOPE};
use veripile_metrology::normal::QUANTILE_75;
use veripile_metrology::shared::shared;

use super::movement;
use super::network::{self, Changes, Given};
use super::updates::{self, Updates};
use crate::anchors::newest;
use crate::common::{self, Common, FLEET_MIN, Others, Tally, week};
use crate::evidence::Evidence;

/// Probability at which a change is believed, over all piles together: as that of signals.
const BELIEVED: f64 = 0.01;

/// Charges on either side: with fewer no verdict is given either, and a vehicle that reads wrong decides.
const CHARGES_MIN: usize = 10;

/// A step is one if its measured size is so many standard uncertainties: what a fit with one error a pile left over of others' steps is
/// nothing once these are apart.
const CLEAR: f64 = 3.0;

/// Of a connected set of fewer than [`FLEET_MIN`] piles so large a part, one in three, is more than steps of single piles.
const SHARED_BY: usize = 3;

/// Steps go together that lie no farther apart than this: a drift has no date.
const TOGETHER_WEEKS: i64 = 6;

/// How often steps are looked for: after what was found, another may show in what is left over, and once it may have been a vehicle.
const ROUNDS_MAX: usize = 4;

/// How often updates of models are looked for: behind a large one a small one may hide.
const UPDATE_ROUNDS_MAX: usize = 2;

/// A pile that changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FoundStep {
    /// Index of the pile.
    pub pile: usize,
    /// End of the first charge after it.
    pub at: Timestamp,
    /// Student's t of what charges left over after it against before.
    pub t: f64,
    /// Probability of as much by chance, whatever the date.
    pub p_value: f64,
    /// By how much and standard uncertainty, fractions; positive: it registers more than before. None where it cannot be computed.
    pub size: Option<(f64, f64)>,
}

/// Evidence in which changed piles are apart, and how it was fitted.
pub(super) struct Separated<'a> {
    pub(super) given: Given<'a>,
    pub(super) fit: Fit,
    pub(super) changes: Changes,
    /// What charges told of; what on-site results told of stands in `changes` only.
    pub(super) found: Vec<FoundStep>,
    /// Of changed piles what each charge left over before they were taken apart, by charge.
    pub(super) left_over: BTreeMap<usize, Residual>,
}

/// Fits, looks for models that were updated and then for piles that changed, and fits again with these apart, until no more are found; at last without
/// what all piles of a set did together.
pub(super) fn separate<'a>(
    evidence: &'a Evidence,
    settings: &Settings,
) -> Result<Separated<'a>, ComparisonError> {
    let (used, changed) = newest(evidence);
    let mut changes: Changes = changed.into_iter().map(|(pile, at)| (pile, vec![at])).collect();
    let mut updates = Updates::new();
    let mut given = network::given(evidence, &used, &changes, Updates::new());
    let mut fit = comparison::fit(&given.network, settings)?;
    for _ in 0..UPDATE_ROUNDS_MAX {
        if !updates::models(evidence, &given, &fit, &mut updates) {
            break;
        }
        given = network::given(evidence, &used, &changes, updates.clone());
        fit = comparison::fit(&given.network, settings)?;
    }
    let (mut found, mut left_over) = (Vec::new(), BTreeMap::new());
    for _ in 0..ROUNDS_MAX {
        let more = find(evidence, &given, &fit);
        if more.is_empty() {
            break;
        }
        if updates::vehicles(evidence, &given, &fit, &more, &mut updates) {
            given = network::given(evidence, &used, &changes, updates.clone());
            fit = comparison::fit(&given.network, settings)?;
            continue;
        }
        for step in &more {
            let of_pile = changes.entry(step.pile).or_default();
            of_pile.push(step.at);
            of_pile.sort_unstable();
        }
        let piles: BTreeSet<usize> = more.iter().map(|step| step.pile).collect();
        for (charge, residual) in given.compared.iter().map(|at| *at as usize).zip(&fit.residuals) {
            if piles.contains(&evidence.charges[charge].pile) {
                left_over.entry(charge).or_insert(*residual);
            }
        }
        found.extend(more);
        given = network::given(evidence, &used, &changes, updates.clone());
        fit = comparison::fit(&given.network, settings)?;
    }
    if movement::take_off(evidence, &mut given, &changes, &fit) {
        fit = comparison::fit(&given.network, settings)?;
    }
    Ok(Separated { given, fit, changes, found, left_over })
}

/// Piles that changed, beyond what is known already; sizes are none yet.
fn find(evidence: &Evidence, given: &Given<'_>, fit: &Fit) -> Vec<FoundStep> {
    let mut series: Vec<Vec<(Timestamp, f64)>> = vec![Vec::new(); given.network.instruments];
    let mut tallies: Vec<Tally> = vec![Tally::new(); given.network.instruments];
    for (at, instrument) in given.network.comparisons.instruments().iter().enumerate() {
        let ended = evidence.charges[given.compared[at] as usize].ended_at;
        let z = fit.residuals[at].standardised;
        series[*instrument as usize].push((ended, z));
        common::add(&mut tallies[*instrument as usize], week(ended), z.clamp(-CUT, CUT));
    }
    let sets: Vec<usize> = fit.instruments.iter().map(|instrument| instrument.component).collect();
    let common = Common::of(&tallies, &sets);
    let few = few(&tallies, &sets);
    let least = usual(&series);
    let pieces: Vec<(usize, Vec<(Timestamp, f64)>)> = series.into_iter().enumerate().collect();
    let looked_at = shared(&pieces, |(instrument, series)| {
        let members = few.get(&sets[*instrument]);
        let others = members.and_then(|members| Others::of(&tallies, members, *instrument));
        match (others, &common) {
            (Some(others), _) => Look::at(series, (others.noise, least), |at| others.at(week(at))),
            (None, Some(common)) => {
                Look::at(series, (1.0, least), |at| Some(common.at(*instrument, week(at))))
            }
            // Nobody can say whether it is the pile that changed, or all its vehicles.
            (None, None) => Look::default(),
        }
    });
    let scatter = scatter(&looked_at, common.as_ref());
    let mut pile_of: BTreeMap<usize, usize> =
        given.before.iter().map(|((pile, _), at)| (*at, *pile)).collect();
    pile_of.extend(given.places.iter().enumerate().filter_map(|(pile, at)| Some(((*at)?, pile))));
    let believed = BELIEVED / looked_at.len().max(1) as f64;
    let found = looked_at.iter().enumerate().filter_map(|(instrument, look)| {
        let seen = look.seen?;
        let members = few.get(&sets[instrument]).map_or(&[][..], Vec::as_slice);
        let p_value = chance_of(seen.t / scatter, seen.scores, CHARGES_MIN);
        let is_its_own = members.is_empty() || seen.is_own() && !is_shared(&looked_at, members, &seen);
        (p_value <= believed && is_its_own).then(|| FoundStep {
            pile: pile_of[&instrument],
            at: seen.at,
            t: seen.t / scatter,
            p_value,
            size: None,
        })
    });
    found.collect()
}

/// Members of each connected set of at least two and fewer than [`FLEET_MIN`] instruments.
fn few(tallies: &[Tally], sets: &[usize]) -> BTreeMap<usize, Vec<usize>> {
    let mut few: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (instrument, set) in sets.iter().enumerate().filter(|(at, _)| !tallies[*at].is_empty()) {
        few.entry(*set).or_default().push(instrument);
    }
    few.retain(|_, members| (2..FLEET_MIN).contains(&members.len()));
    few
}

/// Standard deviation of most piles' scores about their own means: of some twenty charges that agree by chance at one pile of hundreds nobody
/// knows that they tell more than others'.
fn usual(series: &[Vec<(Timestamp, f64)>]) -> f64 {
    let variance = |series: &Vec<(Timestamp, f64)>| {
        let (count, scores) = (series.len() as f64, || series.iter().map(|(_, z)| z.clamp(-CUT, CUT)));
        let mean = scores().sum::<f64>() / count;
        scores().map(|score| (score - mean).powi(2)).sum::<f64>() / (count - 1.0)
    };
    let enough = series.iter().filter(|series| 2 * CHARGES_MIN <= series.len());
    let mut variances: Vec<f64> = enough.map(variance).collect();
    variances.sort_by(f64::total_cmp);
    variances.get(variances.len() / 2).map_or(0.0, |usual| usual.sqrt())
}

/// By how much levels scatter more than chance makes them, of those that go with the others: what many do together is no scatter.
fn scatter(looked_at: &[Look], common: Option<&Common>) -> f64 {
    let is_usual = |at: usize| common.is_none_or(|common| common.is_usual[at]);
    let halves = looked_at.iter().enumerate().filter(|(at, _)| is_usual(*at));
    let mut halves: Vec<f64> = halves.filter_map(|(_, look)| look.halves).collect();
    halves.sort_by(f64::total_cmp);
    let usual = halves.get(halves.len() / 2).filter(|_| FLEET_MIN <= halves.len());
    usual.map_or(1.0, |usual| (usual / QUANTILE_75).max(1.0))
}

/// Whether so many of a small set went the same way within weeks that it is rather what they share: that they all did it, nobody can say.
fn is_shared(looked_at: &[Look], members: &[usize], seen: &Seen) -> bool {
    let goes_along = |other: &Seen| {
        CLEAR <= other.t * seen.t.signum() && (week(other.at) - week(seen.at)).abs() <= TOGETHER_WEEKS
    };
    let along = members.iter().filter(|at| looked_at[**at].seen.as_ref().is_some_and(goes_along)).count();
    2 <= along && members.len() <= SHARED_BY * along
}

/// What a look at one instrument showed.
#[derive(Debug, Clone, Copy, Default)]
struct Look {
    seen: Option<Seen>,
    /// Size of Student's t of the second half against the first.
    halves: Option<f64>,
}

/// Where its level changed most.
#[derive(Debug, Clone, Copy)]
struct Seen {
    at: Timestamp,
    /// Beside what others did.
    t: f64,
    /// By itself, at the same date.
    alone: f64,
    scores: usize,
}

impl Look {
    /// Of residuals, beside what is shared at a time, with what that adds to their noise and the standard deviation that they have at least;
    /// charges of a time of which nobody else tells do not count.
    fn at(
        series: &[(Timestamp, f64)],
        (noise, least): (f64, f64),
        shared: impl Fn(Timestamp) -> Option<f64>,
    ) -> Self {
        let beside = series.iter().filter_map(|(at, z)| {
            Some((*at, (z - shared(*at)? / SLOPE).clamp(-CUT, CUT), z.clamp(-CUT, CUT)))
        });
        let mut beside: Vec<(Timestamp, f64, f64)> = beside.collect();
        beside.sort_by_key(|(at, ..)| *at);
        let may = |at: usize| beside[at - 1].0 < beside[at].0;
        let scores: Vec<f64> = beside.iter().map(|(_, score, _)| *score).collect();
        let seen = change_of_level(&scores, least, CHARGES_MIN, may).map(|change| {
            let alone: Vec<f64> = beside.iter().map(|(.., alone)| *alone).collect();
            let alone = change_of_level(&alone, least, CHARGES_MIN, |at| at == change.at);
            Seen {
                at: beside[change.at].0,
                t: change.t / noise,
                alone: alone.map_or(0.0, |alone| alone.t),
                scores: scores.len(),
            }
        });
        Self { seen, halves: halves(&scores, least).map(|t| t.abs() / noise) }
    }
}

impl Seen {
    /// Whether the instrument moved by itself: beside one that stepped all others of a small set seem to have gone the other way.
    fn is_own(&self) -> bool {
        self.t.abs() <= 2.0 * self.alone * self.t.signum()
    }
}

impl<'a> Separated<'a> {
    /// Measures the steps that were found, by the fit in which before and after are two: all with as few solutions as can be.
    pub(super) fn measure(&mut self) {
        let Self { given, fit, changes, found, .. } = self;
        let size = |step: &FoundStep| {
            let since = changes.get(&step.pile)?.iter().filter(|change| step.at < **change).count();
            let after =
                if since == 0 { given.places[step.pile]? } else { *given.before.get(&(step.pile, since))? };
            let before = *given.before.get(&(step.pile, since + 1))?;
            let (now, then) = (fit.instruments[after].error?, fit.instruments[before].error?);
            Some((now.0 - then.0, (after, before)))
        };
        let sizes: Vec<Option<(f64, (usize, usize))>> = found.iter().map(size).collect();
        let pairs: Vec<(usize, usize)> = sizes.iter().flatten().map(|(_, pair)| *pair).collect();
        let mut variances = fit.covariance.variances_of_differences(&pairs).into_iter();
        for (step, size) in found.iter_mut().zip(sizes) {
            step.size = size.and_then(|(size, _)| Some((size, variances.next()??.max(0.0).sqrt())));
        }
        found.sort_by_key(|step| (step.pile, step.at));
    }

    /// Takes measured steps of no clear size back, those that on-site results tell of excepted, and fits without them. Whether there were
    /// any: then what is left is to be measured anew.
    pub(super) fn take_back(
        &mut self,
        evidence: &'a Evidence,
        settings: &Settings,
    ) -> Result<bool, ComparisonError> {
        let is_clear = |step: &FoundStep| step.size.is_none_or(|(size, u)| CLEAR * u <= size.abs());
        let (clear, unclear): (Vec<FoundStep>, Vec<FoundStep>) =
            self.found.iter().partition(|step| is_clear(step));
        if unclear.is_empty() {
            return Ok(false);
        }
        let (used, on_site) = newest(evidence);
        let on_site: BTreeMap<usize, Timestamp> = on_site.into_iter().collect();
        for step in &unclear {
            if let Some(moments) = self.changes.get_mut(&step.pile) {
                moments.retain(|at| *at != step.at || on_site.get(&step.pile) == Some(at));
            }
        }
        self.changes.retain(|_, moments| !moments.is_empty());
        let changed: BTreeSet<usize> = clear.iter().map(|step| step.pile).collect();
        self.left_over.retain(|charge, _| changed.contains(&evidence.charges[*charge].pile));
        self.found = clear;
        self.given = network::given(evidence, &used, &self.changes, self.given.updates.clone());
        self.fit = comparison::fit(&self.given.network, settings)?;
        if movement::take_off(evidence, &mut self.given, &self.changes, &self.fit) {
            self.fit = comparison::fit(&self.given.network, settings)?;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
