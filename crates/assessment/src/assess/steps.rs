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

use super::network::{self, Changes, Given};
use crate::anchors::newest;
use crate::evidence::Evidence;

/// Probability at which a change is believed, over all piles together: as that of signals.
const BELIEVED: f64 = 0.01;

/// Charges on either side: with fewer no verdict is given either, and a vehicle that reads wrong decides.
const CHARGES_MIN: usize = 10;

/// Piles from which that which moves all of them at once is taken off each, and from which their usual scatter is measured.
const FLEET_MIN: usize = 20;

const WEEK_S: i64 = 7 * 86_400;

/// How often steps are looked for: after what was found, another may show in what is left over.
const ROUNDS_MAX: usize = 3;

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

/// Fits, looks for piles that changed, and fits again with these apart, until no more are found.
pub(super) fn separate<'a>(
    evidence: &'a Evidence,
    settings: &Settings,
) -> Result<Separated<'a>, ComparisonError> {
    let (used, changed) = newest(evidence);
    let mut changes: Changes = changed.into_iter().map(|(pile, at)| (pile, vec![at])).collect();
    let mut given = network::given(evidence, &used, &changes);
    let mut fit = comparison::fit(&given.network, settings)?;
    let (mut found, mut left_over) = (Vec::new(), BTreeMap::new());
    for _ in 0..ROUNDS_MAX {
        let more = find(evidence, &given, &fit);
        if more.is_empty() {
            break;
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
        given = network::given(evidence, &used, &changes);
        fit = comparison::fit(&given.network, settings)?;
    }
    Ok(Separated { given, fit, changes, found, left_over })
}

/// Piles that changed, beyond what is known already; sizes are none yet.
fn find(evidence: &Evidence, given: &Given<'_>, fit: &Fit) -> Vec<FoundStep> {
    let ended = |at: usize| evidence.charges[given.compared[at] as usize].ended_at;
    let common = common(fit, &ended);
    let mut series: Vec<Vec<(Timestamp, f64)>> = vec![Vec::new(); given.network.instruments];
    for (at, instrument) in given.network.comparisons.instruments().iter().enumerate() {
        let z = fit.residuals[at].standardised - common.get(&week(ended(at))).unwrap_or(&0.0);
        series[*instrument as usize].push((ended(at), z.clamp(-CUT, CUT)));
    }
    let looked_at = shared(&series, |series| {
        let mut series = series.clone();
        series.sort_by_key(|(at, _)| *at);
        let (times, scores): (Vec<Timestamp>, Vec<f64>) = series.into_iter().unzip();
        let change = change_of_level(&scores, CHARGES_MIN, |at| times[at - 1] < times[at])
            .map(|change| (times[change.at], change.t, scores.len()));
        (change, halves(&scores).map(f64::abs))
    });
    let mut halves: Vec<f64> = looked_at.iter().filter_map(|(_, halves)| *halves).collect();
    halves.sort_by(f64::total_cmp);
    let usual = halves.get(halves.len() / 2).filter(|_| FLEET_MIN <= halves.len());
    let scatter = usual.map_or(1.0, |usual| (usual / QUANTILE_75).max(1.0));
    let mut pile_of: BTreeMap<usize, usize> =
        given.before.iter().map(|((pile, _), at)| (*at, *pile)).collect();
    pile_of.extend(given.places.iter().enumerate().filter_map(|(pile, at)| Some(((*at)?, pile))));
    let believed = BELIEVED / looked_at.len().max(1) as f64;
    let found = looked_at.iter().enumerate().filter_map(|(instrument, (change, _))| {
        let (at, t, scores) = (*change)?;
        let p_value = chance_of(t / scatter, scores, CHARGES_MIN);
        (p_value <= believed).then(|| FoundStep {
            pile: pile_of[&instrument],
            at,
            t: t / scatter,
            p_value,
            size: None,
        })
    });
    found.collect()
}

/// What all piles share in a week, in the residuals' unit; nothing where they are too few to tell.
fn common(fit: &Fit, ended: &dyn Fn(usize) -> Timestamp) -> BTreeMap<i64, f64> {
    let mut sums: BTreeMap<i64, (f64, f64)> = BTreeMap::new();
    let with_charges = fit.instruments.iter().filter(|instrument| 0 < instrument.comparisons).count();
    if with_charges < FLEET_MIN {
        return BTreeMap::new();
    }
    for (at, residual) in fit.residuals.iter().enumerate() {
        let (sum, count) = sums.entry(week(ended(at))).or_default();
        *sum += residual.standardised.clamp(-CUT, CUT);
        *count += 1.0;
    }
    sums.into_iter().map(|(week, (sum, count))| (week, sum / count / SLOPE)).collect()
}

fn week(at: Timestamp) -> i64 {
    at.as_second().div_euclid(WEEK_S)
}

/// Measures the steps that were found, by the fit in which before and after are two.
pub(super) fn measure(given: &Given<'_>, fit: &Fit, changes: &Changes, found: &mut [FoundStep]) {
    let size = |pile: usize, at: Timestamp| {
        let since = changes.get(&pile)?.iter().filter(|change| at < **change).count();
        let after = if since == 0 { given.places[pile]? } else { *given.before.get(&(pile, since))? };
        let before = *given.before.get(&(pile, since + 1))?;
        let (now, then) = (fit.instruments[after].error?, fit.instruments[before].error?);
        let mut difference = vec![0.0; fit.instruments.len()];
        (difference[after], difference[before]) = (1.0, -1.0);
        let with = fit.covariance.times(&difference)?;
        Some((now.0 - then.0, (with[after] - with[before]).max(0.0).sqrt()))
    };
    found.iter_mut().for_each(|step| step.size = size(step.pile, step.at));
    found.sort_by_key(|step| (step.pile, step.at));
}
