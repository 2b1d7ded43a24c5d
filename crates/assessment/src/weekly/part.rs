//! Part of the weekly filter: piles that the same vehicles visit, from week to week.
//!
//! Called by [`super`], which gives each pile its part. It knows nothing of other parts.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use serde::{Deserialize, Serialize};
use veripile_metrology::balance::Information;
use veripile_metrology::change_point::{Step, Watch};
use veripile_metrology::drift::{self, Anchor, Comparison, DriftError, State, Update, Week};

use super::{Calibration, OnSite, Told, WeekCharge, WeekError, beginning, week_of};
use crate::anchors::{Found, together};
use crate::balanced::Balanced;
use crate::calibration::{known_bias, walk_of_a_week};
use crate::evidence::{compare, log_error};
use crate::learnt::{Learnt, Way};
use crate::vehicles::Vehicles;

/// An on-site result that differs by more than this many standard uncertainties from what the filter expects is taken on another pile: it
/// was adjusted. Three, as for results that the whole assessment leaves out.
const ADJUSTED_FROM: f64 = 3.0;

/// Makes and models told apart at most, those met first; a vehicle of another one has none, as if nobody had told it.
const MODELS_MAX: usize = 1_000;

fn settings(learnt: &Learnt) -> drift::Settings {
    let default = drift::Settings::default();
    drift::Settings {
        traveller_sd: learnt.vehicle_sd.max(default.traveller_walk),
        interaction_sd: learnt.interaction_sd,
        calibrated_walk: walk_of_a_week(),
        ..default
    }
}

fn variance(way: &Way, size_kwh: f64) -> f64 {
    as_t4(way.degrees_of_freedom) * (way.noise.powi(2) + (way.noise_kwh / size_kwh).powi(2))
}

/// Square of the scale of t_4 noise of which a comparison says as much as of t_ν noise of scale one, to a filter that takes all noise for t_4.
/// Without it a normal noise would be taken for one of heavy tails and of the same width, and every uncertainty be a fifth too large.
///
/// # Formula
/// `(5/7) [(ν+3)/(ν+1) + 0.116 (1 − 4/ν)²]`: the information of a t_ν location, and what the t_4 weights lose of it, `E[ψ²]/E[ψ']²` by
/// numerical integration (ν of 3, 4, 6, 10, 30, ∞: 1.509, 1.4, 1.296, 1.218, 1.148, 1.116), to within a hundredth.
fn as_t4(degrees_of_freedom: f64) -> f64 {
    const INFORMATION: f64 = 5.0 / 7.0;
    const LOST: f64 = 0.116;
    let nu = if degrees_of_freedom.is_nan() { 4.0 } else { degrees_of_freedom.clamp(2.0, 1e6) };
    INFORMATION * ((nu + 3.0) / (nu + 1.0) + LOST * (1.0 - 4.0 / nu).powi(2))
}

/// What a week brings to a part, and what is known beside it.
pub(super) struct Brought<'a, P, V> {
    pub(super) charges: &'a [&'a WeekCharge<P, V>],
    /// Of this week and of before.
    pub(super) on_site: &'a [&'a OnSite<P>],
    /// Of whatever time, and whatever vehicles.
    pub(super) calibrations: &'a [Calibration<V>],
    /// Of whatever piles.
    pub(super) balances: &'a [Balanced<P>],
    pub(super) learnt: &'a Learnt,
    /// Of whatever vehicles.
    pub(super) vehicles: &'a Vehicles<V>,
}

/// What is kept of a part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Part<P, V> {
    /// The last week taken in; none at its beginning.
    week: Option<i32>,
    state: State,
    /// Piles in the order of instruments.
    pub(super) piles: Vec<P>,
    /// Vehicles in the order of travellers.
    pub(super) vehicles: Vec<V>,
    /// Makes and models of vehicles, by their numbers.
    #[serde(default)]
    models: Vec<String>,
    /// ln(1+e) and its standard uncertainty at the end of the week, by pile.
    estimates: Vec<(f64, f64)>,
    watches: BTreeMap<usize, Watch>,
    /// Since which week a pile is another than before, as far as is known.
    #[serde(default)]
    pub(super) since: BTreeMap<usize, i32>,
}

impl<P, V> Part<P, V>
where
    P: Clone + Eq + Hash,
    V: Clone + Eq + Hash,
{
    /// One of which nothing is known but its piles.
    pub(super) fn of(piles: Vec<P>) -> Self {
        Self {
            week: None,
            state: State::new(),
            piles,
            vehicles: Vec::new(),
            models: Vec::new(),
            estimates: Vec::new(),
            watches: BTreeMap::new(),
            since: BTreeMap::new(),
        }
    }

    /// Forgets everything but its piles, and since when they are what they are.
    pub(super) fn begin_anew(&mut self) {
        let since = std::mem::take(&mut self.since);
        *self = Self { since, ..Self::of(std::mem::take(&mut self.piles)) };
    }

    /// Takes in a week, and tells what it says.
    pub(super) fn advance(
        &mut self,
        week: i32,
        brought: &Brought<'_, P, V>,
        told: &mut Told<P>,
    ) -> Result<(), DriftError> {
        let settings = settings(brought.learnt);
        let known = self.vehicles.len();
        let (comparisons, models) = self.comparisons(brought);
        let calibrations = self.calibrations(brought.calibrations, week, known);
        let (anchors, mut forgotten) = self.anchors(brought.on_site, week, &settings);
        let balances = brought.balances;
        let mut brought = Week {
            elapsed_weeks: f64::from(self.week.map_or(1, |last| week - last)),
            instruments: self.piles.len(),
            travellers: self.vehicles.len(),
            comparisons,
            anchors,
            calibrations,
            information: self.information(balances, week, &settings),
            models,
            // What a whole assessment found of updates is taken off comparisons; no other source tells of any.
            resets: Vec::new(),
        };
        let (mut state, mut update) = self.state.advanced(&brought, &settings)?;
        let steps = self.steps(week, &update);
        if !steps.is_empty() {
            // After a step a pile is another: its past is forgotten, and the week taken in anew.
            for (at, step) in &steps {
                self.state.forget(*at, &settings);
                self.since.insert(*at, i32::try_from(step.range.0).unwrap_or(week));
            }
            brought.information = self.information(balances, week, &settings);
            forgotten.extend(steps.iter().map(|(at, _)| *at));
            let innovations = update.innovations;
            (state, update) = self.state.advanced(&brought, &settings)?;
            update.innovations = innovations;
        }
        self.state = state;
        update.snapshot.forgotten = forgotten;
        // Whoever has not come for half a year is forgotten by name, too.
        let mut are_known = self.state.forget_idle().into_iter();
        self.vehicles.retain(|_| are_known.next() == Some(true));
        self.week = Some(week);
        self.estimates = update.estimates.iter().map(|e| (e.log_error, e.standard_uncertainty)).collect();
        told.errors.extend(self.errors(&brought, &update));
        told.steps.extend(steps.into_iter().map(|(at, step)| (self.piles[at].clone(), step)));
        told.snapshots.push(update.snapshot);
        Ok(())
    }

    /// What balances say of this part's piles at the end of a week, but for those that became others in their time.
    fn information(
        &self,
        balances: &[Balanced<P>],
        week: i32,
        settings: &drift::Settings,
    ) -> Vec<Information> {
        if balances.is_empty() {
            return Vec::new();
        }
        let pile_at = numbers(&self.piles);
        let of = |told: &Balanced<P>| {
            let is_same = |at: &usize| self.since.get(at).is_none_or(|since| beginning(*since) <= told.from);
            let place = |pile: &P| pile_at.get(pile).copied().filter(is_same);
            told.at(beginning(week + 1), settings.instrument_walk.powi(2), place)
        };
        balances.iter().filter_map(of).collect()
    }

    /// Steps that a week tells of, by pile's place; each begins a new watch.
    fn steps(&mut self, week: i32, update: &Update) -> Vec<(usize, Step)> {
        let mut steps = Vec::new();
        for (at, innovation) in update.innovations.iter().enumerate() {
            let Some(innovation) = innovation else { continue };
            if let Some(step) = self.watches.entry(at).or_default().add(week.unsigned_abs(), *innovation) {
                self.watches.remove(&at);
                steps.push((at, step));
            }
        }
        steps
    }

    /// Every pile's error.
    fn errors(&self, week: &Week, update: &Update) -> Vec<(P, WeekError)> {
        let mut counts = vec![0_u32; self.piles.len()];
        week.comparisons.iter().for_each(|comparison| counts[comparison.instrument] += 1);
        let told = update.estimates.iter().enumerate().map(|(at, estimate)| {
            let error = estimate.log_error.exp_m1();
            let told = WeekError {
                error,
                standard_uncertainty: estimate.standard_uncertainty * (1.0 + error),
                charges: counts[at],
                innovation: update.innovations.get(at).copied().flatten().map(|i| (i.difference, i.variance)),
            };
            (self.piles[at].clone(), told)
        });
        told.collect()
    }

    /// The week's comparisons, and the models that they tell of vehicles: of several of one vehicle the first in alphabetical order, as in a whole
    /// assessment. Vehicles and models not met before get their numbers.
    fn comparisons(&mut self, brought: &Brought<'_, P, V>) -> (Vec<Comparison>, Vec<(usize, usize)>) {
        let Brought { charges, learnt, .. } = brought;
        let pile_at = numbers(&self.piles);
        let mut vehicle_at = numbers(&self.vehicles);
        let mut comparisons = Vec::with_capacity(charges.len());
        let mut compared = Vec::with_capacity(charges.len());
        let mut told: BTreeMap<usize, &String> = BTreeMap::new();
        for charge in charges.iter().copied() {
            let Ok((log_ratio, size_kwh)) = compare(charge.energy_pile_kwh, charge.energy_vehicle_kwh) else {
                continue;
            };
            let Some(way) = learnt.way(charge.path) else { continue };
            let traveller = number(&mut self.vehicles, &mut vehicle_at, &charge.vehicle);
            if let Some(model) = &charge.model {
                told.entry(traveller).and_modify(|known| *known = model.min(known)).or_insert(model);
            }
            compared.push(charge);
            comparisons.push(Comparison {
                instrument: pile_at[&charge.pile],
                traveller,
                log_ratio: log_ratio - learnt.beside(charge.path, &charge.covariates),
                variance: variance(way, size_kwh),
            });
        }
        let mut model_at = numbers(&self.models);
        told.retain(|_, model| {
            let is_told_apart = model_at.contains_key(*model) || self.models.len() < MODELS_MAX;
            if is_told_apart {
                number(&mut self.models, &mut model_at, model);
            }
            is_told_apart
        });
        let told: BTreeMap<usize, usize> =
            told.into_iter().map(|(traveller, model)| (traveller, model_at[model])).collect();
        self.take_off_updates(&mut comparisons, &compared, &told, brought);
        (comparisons, told.into_iter().collect())
    }

    /// Takes off by how much vehicles read more in charges than they did when their biases were what the filter knows: at first, or on the day of a
    /// calibration.
    fn take_off_updates(
        &self,
        comparisons: &mut [Comparison],
        charges: &[&WeekCharge<P, V>],
        told: &BTreeMap<usize, usize>,
        brought: &Brought<'_, P, V>,
    ) {
        if brought.vehicles.updates.is_empty() {
            return;
        }
        let calibrated = last(brought.calibrations);
        for (comparison, charge) in comparisons.iter_mut().zip(charges) {
            let model = self.state.model(comparison.traveller);
            let model = model.or_else(|| told.get(&comparison.traveller).copied());
            let model = model.and_then(|model| self.models.get(model)).map(String::as_str);
            let more = |at| brought.vehicles.more(&charge.vehicle, model, at);
            let known = calibrated.get(&charge.vehicle).map_or(0.0, |calibration| more(calibration.at));
            comparison.log_ratio += (more(charge.ended_at) - known).ln_1p();
        }
    }

    /// The last calibration of each vehicle that is to be told to the filter: of those beyond the first `known`, which were not met before, and up to
    /// the week in which it was made, with the drift between its day and the week's end. From then on the filter keeps it, and lets it drift.
    fn calibrations(
        &self,
        calibrations: &[Calibration<V>],
        week: i32,
        known: usize,
    ) -> Vec<drift::Calibration> {
        let last = last(calibrations);
        let of_vehicle = |(traveller, vehicle): (usize, &V)| {
            let calibration = last.get(vehicle)?;
            let is_told = known <= traveller || self.week.is_none_or(|last| last < week_of(calibration.at));
            let days = beginning(week + 1).duration_since(calibration.at).as_secs_f64().abs() / 86_400.0;
            let Calibration { error_percent, expanded_uncertainty_percent, coverage_factor, .. } =
                **calibration;
            let found = [error_percent, expanded_uncertainty_percent, coverage_factor];
            let (bias, standard_uncertainty) = known_bias(found, days)?;
            is_told.then_some(drift::Calibration { traveller, bias, standard_uncertainty })
        };
        self.vehicles.iter().enumerate().filter_map(of_vehicle).collect()
    }

    /// What piles' on-site results say that have one in this week, or at any time before where this is the first one. Those of before are in what
    /// is known of the pile, so that of one that is measured as a whole the week's alone are told. A mixture of outlets is another one with each of
    /// them: where a result of before is part of it, what was known of the pile is forgotten: else that result would count twice. So it is
    /// of a pile whose result is far from those of before, or from what is expected: it was adjusted. Those forgotten are told, too.
    fn anchors(
        &mut self,
        on_site: &[&OnSite<P>],
        week: i32,
        settings: &drift::Settings,
    ) -> (Vec<Anchor>, Vec<usize>) {
        let pile_at = numbers(&self.piles);
        let mut of_pile: BTreeMap<usize, (Vec<bool>, Vec<Found>)> = BTreeMap::new();
        for result in on_site {
            let taken = week_of(result.at);
            let known =
                log_error(result.error_percent, result.expanded_uncertainty_percent, result.coverage_factor);
            let Some((log_error, own)) = known else { continue };
            let walked = settings.instrument_walk.powi(2) * f64::from(week - taken);
            let (are_old, found) = of_pile.entry(pile_at[&result.pile]).or_default();
            are_old.push(self.week.is_some_and(|last| taken <= last));
            found.push(Found { outlet: result.outlet, log_error, standard_uncertainty: own, walked });
        }
        let (mut anchors, mut forgotten) = (Vec::new(), Vec::new());
        for (at, (are_old, found)) in of_pile.iter().filter(|(_, (are_old, _))| are_old.contains(&false)) {
            let Some(all) = together(found) else { continue };
            let is_mixed = all.outlets > 1 && all.of.iter().any(|result| are_old[*result]);
            let new = all.of.iter().filter(|result| is_mixed || !are_old[**result]);
            let new: Vec<Found> = new.map(|result| found[*result]).collect();
            let Some(said) = together(&new) else { continue };
            let (log_error, standard_uncertainty) = (said.log_error, said.standard_uncertainty);
            anchors.push(Anchor { instrument: *at, log_error, standard_uncertainty });
            let is_another = all.changed.is_some_and(|result| !are_old[result]) && are_old.contains(&true);
            let is_adjusted = is_another
                || self.estimates.get(*at).is_some_and(|(expected, u)| {
                    ADJUSTED_FROM * u.hypot(standard_uncertainty) < (log_error - expected).abs()
                });
            if is_adjusted {
                self.since.insert(*at, week);
            }
            if is_adjusted || is_mixed {
                self.state.forget(*at, settings);
                self.watches.remove(at);
                forgotten.push(*at);
            }
        }
        (anchors, forgotten)
    }
}

/// The last calibration of each vehicle, of those in the order of time.
fn last<V: Eq + Hash>(calibrations: &[Calibration<V>]) -> HashMap<&V, &Calibration<V>> {
    calibrations.iter().map(|calibration| (&calibration.vehicle, calibration)).collect()
}

/// Places of names.
fn numbers<T: Clone + Eq + Hash>(names: &[T]) -> HashMap<T, usize> {
    names.iter().cloned().zip(0..).collect()
}

/// The place of a name, at the end if it is new.
fn number<T: Clone + Eq + Hash>(names: &mut Vec<T>, places: &mut HashMap<T, usize>, name: &T) -> usize {
    if let Some(at) = places.get(name) {
        return *at;
    }
    names.push(name.clone());
    places.insert(name.clone(), names.len() - 1);
    names.len() - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    // Variances of the t_4 location estimate for noise of scale one, by numerical integration (trapezia, 60,000 steps over ±60).
    #[test]
    fn noise_is_taken_for_as_much_as_the_filter_can_learn_from_it() {
        for (nu, variance) in [
            (3.0, 1.5087),
            (4.0, 1.4),
            (6.0, 1.2961),
            (10.0, 1.2184),
            (30.0, 1.1478),
            (f64::INFINITY, 1.1160),
        ] {
            let claimed = as_t4(nu) * 7.0 / 5.0;
            assert!((claimed / variance - 1.0).abs() < 0.01, "{nu}: {claimed}");
        }
        assert!((as_t4(4.0) - 1.0).abs() < 1e-12 && (as_t4(f64::NAN) - 1.0).abs() < 1e-12);
    }
}
