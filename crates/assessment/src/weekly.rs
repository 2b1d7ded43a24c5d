//! Errors week by week, and steps as they are found, at a cost that follows the new week and not the history.
//!
//! Called by `app`: by the assess role on the running platform, which keeps a [`Filter`] for each finished week, and by the study, which
//! looks back as well. The mathematics are `metrology::drift`'s and `metrology::change_point`'s; here charges and on-site results become
//! weeks. Pure: no clock, no storage.
//!
//! Two things of the whole assessment are not in it: covariates, and stations' energy balances. It says how an error goes, not what a
//! verdict rests on.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use veripile_metrology::change_point::{Step, Watch};
use veripile_metrology::crossing::to_f64;
use veripile_metrology::drift::{
    self, Anchor, Comparison, DriftError, INSTRUMENTS_MAX, Snapshot, State, Update, Week,
};

use crate::anchors::{Found, Together, together};
use crate::evidence::compare;

const WEEK_S: i64 = 7 * 86_400;

/// Weeks begin on Monday, 1970 on a Thursday.
const FIRST_MONDAY_S: i64 = -3 * 86_400;

/// An on-site result that differs by more than this many standard uncertainties from what the filter expects is taken on another pile: it
/// was adjusted. Three, as for results that the whole assessment leaves out.
const ADJUSTED_FROM: f64 = 3.0;

/// Number of the week of a moment (UTC).
pub fn week_of(at: Timestamp) -> i32 {
    i32::try_from((at.as_second() - FIRST_MONDAY_S).div_euclid(WEEK_S)).unwrap_or_default()
}

/// When a week begins.
pub fn beginning(week: i32) -> Timestamp {
    Timestamp::from_second(i64::from(week) * WEEK_S + FIRST_MONDAY_S).unwrap_or(Timestamp::MAX)
}

/// Scales of noise and of vehicles' biases, as the last whole assessment found them, fractions and kWh.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scales {
    /// σ_0.
    pub noise: f64,
    /// δ, kWh.
    pub noise_kwh: f64,
    /// ν of the noise, whose scale the two are.
    pub degrees_of_freedom: f64,
    /// σ_b; that of models with it, which the filter does not know.
    pub vehicle_sd: f64,
}

impl Scales {
    fn variance(&self, size_kwh: f64) -> f64 {
        as_t4(self.degrees_of_freedom) * (self.noise.powi(2) + (self.noise_kwh / size_kwh).powi(2))
    }

    fn settings(&self) -> drift::Settings {
        let default = drift::Settings::default();
        drift::Settings { traveller_sd: self.vehicle_sd.max(default.traveller_walk), ..default }
    }
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

/// A charge with energies from both sides, by the caller's names for pile and vehicle.
#[derive(Debug, Clone, PartialEq)]
pub struct WeekCharge<P, V> {
    /// The pile.
    pub pile: P,
    /// The vehicle.
    pub vehicle: V,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Energy by the pile, kWh.
    pub energy_pile_kwh: Decimal,
    /// Energy by the vehicle, kWh.
    pub energy_vehicle_kwh: Decimal,
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

/// Everything that the filter takes in.
#[derive(Debug, Clone, Copy)]
pub struct WeekEvidence<'a, P, V> {
    /// Charges, in any order.
    pub charges: &'a [WeekCharge<P, V>],
    /// On-site results that stand, in the order of time.
    pub on_site: &'a [OnSite<P>],
    /// Scales.
    pub scales: Scales,
}

/// All that is kept of the weeks up to one; `P` and `V` name piles and vehicles.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Filter<P, V> {
    /// The last week taken in; none at the very beginning.
    pub week: Option<i32>,
    state: State,
    /// Piles in the filter's order.
    piles: Vec<P>,
    /// Vehicles in the filter's order.
    vehicles: Vec<V>,
    /// ln(1+e) and its standard uncertainty at the end of the week, by pile.
    estimates: Vec<(f64, f64)>,
    watches: BTreeMap<usize, Watch>,
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
    /// By pile, in the filter's order, which is that of first appearance.
    pub errors: Vec<(P, WeekError)>,
    /// Steps found in it; their weeks are numbered as this one.
    pub steps: Vec<(P, Step)>,
    /// For [`drift::smooth`]; instruments are piles in the order of `errors`.
    pub snapshot: Snapshot,
}

/// Why a week was not taken in.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WeeklyError {
    /// More than one filter takes.
    #[error("{0} piles are more than one filter takes ({INSTRUMENTS_MAX})")]
    TooManyPiles(usize),
    /// The filter's own.
    #[error(transparent)]
    Filter(#[from] DriftError),
}

/// Takes in the weeks of the charges up to the open one, which is told of even when nothing has come of it yet. Gives what is kept after the
/// last finished week; `each` hears of every week, with what is kept after it if it is finished.
pub fn filter<P, V>(
    start: Filter<P, V>,
    evidence: &WeekEvidence<'_, P, V>,
    open: i32,
    mut each: impl FnMut(Told<P>, Option<&Filter<P, V>>),
) -> Result<Filter<P, V>, WeeklyError>
where
    P: Clone + Eq + Hash,
    V: Clone + Eq + Hash,
{
    let mut by_week: BTreeMap<i32, Vec<&WeekCharge<P, V>>> = BTreeMap::new();
    for charge in evidence.charges {
        by_week.entry(week_of(charge.ended_at)).or_default().push(charge);
    }
    by_week.entry(open).or_default();
    let mut kept = start;
    for (week, charges) in by_week.into_iter().filter(|(week, _)| *week <= open) {
        if kept.week.is_some_and(|last| week <= last) {
            continue;
        }
        let (next, told) = kept.advanced(week, &charges, evidence)?;
        if week < open {
            each(told, Some(&next));
            kept = next;
        } else {
            each(told, None);
        }
    }
    Ok(kept)
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
    ) -> Result<(Self, Told<P>), WeeklyError> {
        let settings = evidence.scales.settings();
        let mut next = self.clone();
        next.week = Some(week);
        let comparisons = next.comparisons(charges, evidence.scales);
        let (anchors, mut forgotten) = next.anchors(evidence.on_site, self.week, week, &settings);
        if INSTRUMENTS_MAX < next.piles.len() {
            return Err(WeeklyError::TooManyPiles(next.piles.len()));
        }
        let brought = Week {
            elapsed_weeks: f64::from(self.week.map_or(1, |last| week - last)),
            instruments: next.piles.len(),
            travellers: next.vehicles.len(),
            comparisons,
            anchors,
            resets: Vec::new(),
        };
        let before = next.state.clone();
        let mut update = next.state.advance(&brought, &settings)?;
        let mut steps = Vec::new();
        for (at, innovation) in update.innovations.iter().enumerate() {
            let Some(innovation) = innovation else { continue };
            if let Some(step) = next.watches.entry(at).or_default().add(week.unsigned_abs(), *innovation) {
                next.watches.remove(&at);
                steps.push((at, step));
            }
        }
        if !steps.is_empty() {
            // After a step a pile is another: its past is forgotten, and the week taken in anew.
            next.state = before;
            steps.iter().for_each(|(at, _)| next.state.forget(*at, &settings));
            forgotten.extend(steps.iter().map(|(at, _)| *at));
            let innovations = update.innovations;
            update = next.state.advance(&brought, &settings)?;
            update.innovations = innovations;
        }
        update.snapshot.forgotten = forgotten;
        next.estimates = update.estimates.iter().map(|e| (e.log_error, e.standard_uncertainty)).collect();
        let told = Told {
            week,
            errors: next.told(&brought, &update),
            steps: steps.into_iter().map(|(at, step)| (next.piles[at].clone(), step)).collect(),
            snapshot: update.snapshot,
        };
        Ok((next, told))
    }

    /// Every pile's error.
    fn told(&self, week: &Week, update: &Update) -> Vec<(P, WeekError)> {
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

    /// The week's comparisons; piles and vehicles not seen before get their numbers.
    fn comparisons(&mut self, charges: &[&WeekCharge<P, V>], scales: Scales) -> Vec<Comparison> {
        let mut pile_at = numbers(&self.piles);
        let mut vehicle_at = numbers(&self.vehicles);
        let mut comparisons = Vec::with_capacity(charges.len());
        for charge in charges {
            let Ok((log_ratio, size_kwh)) = compare(charge.energy_pile_kwh, charge.energy_vehicle_kwh) else {
                continue;
            };
            comparisons.push(Comparison {
                instrument: number(&mut self.piles, &mut pile_at, &charge.pile),
                traveller: number(&mut self.vehicles, &mut vehicle_at, &charge.vehicle),
                log_ratio,
                variance: scales.variance(size_kwh),
            });
        }
        comparisons
    }

    /// What piles' on-site results say that have one in this week, or at any time before where this is the first one. Where a result of
    /// before is part of it, that of another outlet, what was known of the pile is forgotten: else that result would count twice. So it is
    /// of a pile whose result is far from what is expected: it was adjusted. Those forgotten are told, too.
    fn anchors(
        &mut self,
        on_site: &[OnSite<P>],
        last: Option<i32>,
        week: i32,
        settings: &drift::Settings,
    ) -> (Vec<Anchor>, Vec<usize>) {
        let mut pile_at = numbers(&self.piles);
        let mut of_pile: BTreeMap<usize, (Vec<bool>, Vec<Found>)> = BTreeMap::new();
        for result in on_site {
            let taken = week_of(result.at);
            if week < taken {
                continue;
            }
            let at = number(&mut self.piles, &mut pile_at, &result.pile);
            let own = to_f64(result.expanded_uncertainty_percent) / 100.0 / to_f64(result.coverage_factor);
            let walked = settings.instrument_walk.powi(2) * f64::from(week - taken);
            let log_error = (to_f64(result.error_percent) / 100.0).ln_1p();
            let standard_uncertainty = (own * own + walked).sqrt();
            if log_error.is_finite() && 0.0 < own && standard_uncertainty.is_finite() {
                let (are_old, found) = of_pile.entry(at).or_default();
                are_old.push(last.is_some_and(|last| taken <= last));
                found.push(Found { outlet: result.outlet, log_error, standard_uncertainty });
            }
        }
        let (mut anchors, mut forgotten) = (Vec::new(), Vec::new());
        for (at, (are_old, found)) in of_pile.iter().filter(|(_, (are_old, _))| are_old.contains(&false)) {
            let Some(Together { log_error, standard_uncertainty, of, .. }) = together(found) else {
                continue;
            };
            anchors.push(Anchor { instrument: *at, log_error, standard_uncertainty });
            let is_adjusted = self.estimates.get(*at).is_some_and(|(expected, u)| {
                ADJUSTED_FROM * u.hypot(standard_uncertainty) < (log_error - expected).abs()
            });
            if is_adjusted || of.iter().any(|result| are_old[*result]) {
                self.state.forget(*at, settings);
                self.watches.remove(at);
                forgotten.push(*at);
            }
        }
        (anchors, forgotten)
    }
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

    #[test]
    fn weeks_begin_on_monday() {
        let week = |text: &str| week_of(text.parse().expect("literal"));
        // 1970-01-01 was a Thursday, 2026-11-23 a Monday.
        assert_eq!((week("1970-01-01T00:00:00Z"), week("1970-01-05T00:00:00Z")), (0, 1));
        assert_eq!(week("2026-11-23T00:00:00Z"), week("2026-11-22T23:59:59Z") + 1);
        assert_eq!(beginning(week("2026-11-23T00:00:00Z")).to_string(), "2026-11-23T00:00:00Z");
    }

    fn result(pile: u32, day: i64, percent: i64) -> OnSite<u32> {
        OnSite {
            pile,
            outlet: None,
            at: beginning(100) + jiff::SignedDuration::from_hours(24 * day),
            error_percent: Decimal::new(percent, 1),
            expanded_uncertainty_percent: Decimal::new(1, 1),
            coverage_factor: Decimal::TWO,
        }
    }

    /// What was known of a pile that is adjusted is forgotten, and that it was is told to whoever smooths; by hand: 0.1 % and 1.6 % of
    /// uncertainty 0.05 % are thirty times too far from each other.
    #[test]
    fn an_adjusted_pile_is_forgotten_and_its_former_weeks_stay_what_they_were() {
        let on_site = [result(1, 0, 1), result(2, 0, 1), result(1, 8, 16)];
        let scales = Scales { noise: 0.02, noise_kwh: 0.1, degrees_of_freedom: 4.0, vehicle_sd: 0.01 };
        let evidence: WeekEvidence<'_, u32, u32> = WeekEvidence { charges: &[], on_site: &on_site, scales };
        let (mut kept, mut snapshots) = (Filter::default(), Vec::new());
        for week in 100..103 {
            let (next, told) = kept.advanced(week, &[], &evidence).expect("advanced");
            snapshots.push(told.snapshot);
            kept = next;
        }
        let forgotten: Vec<&[usize]> = snapshots.iter().map(|snapshot| &snapshot.forgotten[..]).collect();
        assert_eq!(forgotten, [&[][..], &[0], &[]]);
        let smoothed = drift::smooth(&snapshots).expect("of one filter");
        let of_first: Vec<f64> = smoothed.iter().map(|week| week[0].log_error).collect();
        for (told, percent) in of_first.iter().zip([0.1, 1.6, 1.6]) {
            assert!((told - f64::ln_1p(percent / 100.0)).abs() < 2e-5, "{of_first:?}");
        }
    }

    /// Outlets of 0.2 and 0.5 %, U 0.1 %, measured two weeks apart: by hand 0.35 % with u² = 0.05² + 0.15²/3 = 0.01 %². The first one's
    /// result is in both and counts once.
    #[test]
    fn a_second_outlet_makes_a_mixture() {
        let outlet = |outlet, day, percent| OnSite { outlet: Some(outlet), ..result(1, day, percent) };
        let scales = Scales { noise: 0.02, noise_kwh: 0.1, degrees_of_freedom: 4.0, vehicle_sd: 0.01 };
        let last = |on_site: &[OnSite<u32>]| {
            let evidence: WeekEvidence<'_, u32, u32> = WeekEvidence { charges: &[], on_site, scales };
            let (mut kept, mut told) = (Filter::default(), None);
            for week in 100..103 {
                let (next, errors) = kept.advanced(week, &[], &evidence).expect("advanced");
                (kept, told) = (next, Some(errors));
            }
            let told = told.expect("weeks");
            (told.errors[0].1, told.snapshot.forgotten)
        };
        let (at_once, forgotten) = last(&[outlet(1, 15, 2), outlet(2, 16, 5)]);
        assert_eq!(forgotten, Vec::<usize>::new());
        let (one_by_one, forgotten) = last(&[outlet(1, 1, 2), outlet(2, 16, 5)]);
        assert_eq!(forgotten, [0]);
        for told in [at_once, one_by_one] {
            assert!((told.error - 0.003_5).abs() < 3e-5, "{told:?}");
            assert!((told.standard_uncertainty - 0.001).abs() < 5e-5, "{told:?}");
        }
    }
}
