//! Errors week by week, and steps as they are found, at a cost that follows the new week and not the history.
//!
//! Called by `app`: by the assess role on the running platform, which keeps a [`Filter`] for each finished week, and by the study, which
//! looks back as well. The mathematics are `metrology::drift`'s and `metrology::change_point`'s; here charges and on-site results become
//! weeks. Pure: no clock, no storage.
//!
//! Beyond [`PART_MAX`] piles there are several parts, each with the piles that the same vehicles visit, and each for itself: of a vehicle that
//! visits two of them each learns anew. That says less of it, never too much.
//!
//! What the last whole assessment learnt of noise, of ways and of covariates is taken out of each comparison. A reference vehicle's calibration
//! enters once, as what is known of its bias beforehand. Not in it are stations' energy balances. It says how an error goes, not what a
//! verdict rests on.

mod neighbours;
mod part;

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use veripile_metrology::change_point::Step;
use veripile_metrology::drift::{DriftError, Snapshot};
use veripile_pile::VehiclePath;

use crate::evidence::{COVARIATES_MAX, compare};
use crate::learnt::Learnt;
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
    /// What the last whole assessment learnt.
    pub learnt: &'a Learnt,
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
    for charge in evidence.charges {
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
        let part_of = next.place(charges, &measured);
        let mut brought = vec![(Vec::new(), Vec::new()); next.parts.len()];
        charges.iter().for_each(|charge| brought[part_of[&charge.pile]].0.push(*charge));
        measured.iter().for_each(|result| brought[part_of[&result.pile]].1.push(*result));
        let (errors, steps, snapshots, anew) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut told = Told { week, errors, steps, snapshots, anew };
        for (part, (charges, on_site)) in next.parts.iter_mut().zip(&brought) {
            let WeekEvidence { calibrations, learnt, .. } = *evidence;
            let brought = Brought { charges, on_site, calibrations, learnt };
            let Err(error) = part.advance(week, &brought, &mut told) else { continue };
            // One part must not silence the others: it begins anew, with the next week if need be.
            told.anew.push((part.piles.len(), error));
            *part = Part::of(std::mem::take(&mut part.piles));
            if part.advance(week, &brought, &mut told).is_err() {
                *part = Part::of(std::mem::take(&mut part.piles));
            }
        }
        (next, told)
    }

    /// The part of each pile. Piles that were not met before get one: those with charges beside their neighbours, then those of which nothing
    /// but an on-site result is known.
    fn place(&mut self, charges: &[&WeekCharge<P, V>], measured: &[&OnSite<P>]) -> HashMap<P, usize> {
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
            if part_of.contains_key(pile) {
                continue;
            }
            if self.parts.last().is_none_or(|part| PART_MAX <= part.piles.len()) {
                self.parts.push(Part::of(Vec::new()));
            }
            let at = self.parts.len() - 1;
            self.parts[at].piles.push(pile.clone());
            part_of.insert(pile.clone(), at);
        }
        part_of
    }
}

#[cfg(test)]
mod tests {
    use veripile_metrology::drift;

    use crate::learnt::Way;

    use super::*;

    /// 501 piles, visited by four vehicles each once, of which the last pile's are no other pile's.
    #[test]
    fn more_piles_than_one_part_takes_are_told_all() {
        let charge = |pile: usize, vehicle: usize| WeekCharge {
            pile,
            vehicle: if pile == 7 { 1_000 + vehicle } else { pile / 5 + vehicle },
            ended_at: beginning(100) + jiff::SignedDuration::from_mins(i64::try_from(pile).expect("small")),
            energy_pile_kwh: Decimal::new(200, 1),
            energy_vehicle_kwh: Decimal::new(198 + i64::try_from(pile % 3).expect("small"), 1),
            path: None,
            covariates: [f32::NAN; COVARIATES_MAX],
        };
        let charges: Vec<_> = (0..=PART_MAX).flat_map(|pile| (0..4).map(move |n| charge(pile, n))).collect();
        let way =
            Way { path: None, charges: 1, bias: 0.0, noise: 0.01, noise_kwh: 0.1, degrees_of_freedom: 4.0 };
        let learnt = Learnt { ways: vec![way], vehicle_sd: 0.01, ..Learnt::default() };
        let evidence = WeekEvidence { charges: &charges, on_site: &[], calibrations: &[], learnt: &learnt };
        let mut told = Vec::new();
        let kept = filter(Filter::default(), &evidence, 101, |week, _| told.push(week));
        let sizes: Vec<usize> = kept.parts.iter().map(|part| part.piles.len()).collect();
        assert_eq!(
            (sizes, &kept.parts[1].piles),
            (vec![PART_MAX, 1], &vec![7]),
            "the one without neighbours"
        );
        assert_eq!((told[0].errors.len(), told[0].snapshots.len()), (PART_MAX + 1, 2));
        assert!(told[0].errors.iter().all(|(_, error)| error.charges == 4));
    }

    /// A noise that is no number lets nothing be said of its week; the next is told again.
    #[test]
    fn a_part_that_cannot_be_solved_begins_anew() {
        let charge = WeekCharge {
            pile: 1,
            vehicle: 1,
            ended_at: beginning(100),
            energy_pile_kwh: Decimal::new(200, 1),
            energy_vehicle_kwh: Decimal::new(199, 1),
            path: None,
            covariates: [f32::NAN; COVARIATES_MAX],
        };
        let after = |kept: &Filter<u32, u32>, week: i32, noise: f64| {
            let way =
                Way { path: None, charges: 1, bias: 0.0, noise, noise_kwh: 0.1, degrees_of_freedom: 4.0 };
            let learnt = Learnt { ways: vec![way], vehicle_sd: 0.01, ..Learnt::default() };
            let evidence = WeekEvidence { charges: &[], on_site: &[], calibrations: &[], learnt: &learnt };
            kept.advanced(week, &[&charge], &evidence)
        };
        let (kept, told) = after(&Filter::default(), 100, 0.01);
        assert_eq!((told.errors.len(), told.anew.len()), (1, 0));
        let (kept, told) = after(&kept, 101, f64::NAN);
        assert_eq!((told.errors.len(), &told.anew[..]), (0, &[(1, DriftError::MalformedComparison(0))][..]));
        let (_, told) = after(&kept, 102, 0.01);
        assert_eq!((told.errors.len(), told.anew.len()), (1, 0), "it is told again");
    }

    #[test]
    fn weeks_begin_on_monday() {
        let week = |text: &str| week_of(text.parse().expect("literal"));
        // 1970-01-01 was a Thursday, 2026-11-23 a Monday.
        assert_eq!((week("1970-01-01T00:00:00Z"), week("1970-01-05T00:00:00Z")), (0, 1));
        assert_eq!(week("2026-11-23T00:00:00Z"), week("2026-11-22T23:59:59Z") + 1);
        assert_eq!(beginning(week("2026-11-23T00:00:00Z")).to_string(), "2026-11-23T00:00:00Z");
    }

    fn learnt() -> Learnt {
        Learnt { vehicle_sd: 0.01, ..Learnt::default() }
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
        let learnt = learnt();
        let evidence: WeekEvidence<'_, u32, u32> =
            WeekEvidence { charges: &[], on_site: &on_site, calibrations: &[], learnt: &learnt };
        let (mut kept, mut snapshots) = (Filter::default(), Vec::new());
        for week in 100..103 {
            let (next, told) = kept.advanced(week, &[], &evidence);
            snapshots.extend(told.snapshots);
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
        let learnt = learnt();
        let last = |on_site: &[OnSite<u32>]| {
            let evidence: WeekEvidence<'_, u32, u32> =
                WeekEvidence { charges: &[], on_site, calibrations: &[], learnt: &learnt };
            let (mut kept, mut told) = (Filter::default(), None);
            for week in 100..103 {
                let (next, errors) = kept.advanced(week, &[], &evidence);
                (kept, told) = (next, Some(errors));
            }
            let told = told.expect("weeks");
            (told.errors[0].1, told.snapshots[0].forgotten.clone())
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

    /// A vehicle that reads 0.4 % too much (u 0.1 %) charges 200 times a week at a pile that shows 20.12 kWh where it shows 20: by hand the pile errs by
    /// 1.006 · 1.004 − 1 = 1.0024 %. Charges of 1 % leave 0.04 % after four weeks, drift some 0.05 %; were the calibration to count each week, u
    /// would be 0.07 %.
    #[test]
    fn a_reference_vehicle_gives_a_level_that_counts_once_in_all_weeks() {
        let charge = |week: i32, n: i64| WeekCharge {
            pile: 1,
            vehicle: 9,
            ended_at: beginning(week) + jiff::SignedDuration::from_mins(40 * n),
            energy_pile_kwh: Decimal::new(2_012, 2),
            energy_vehicle_kwh: Decimal::from(20),
            path: Some(VehiclePath::Reference),
            covariates: [f32::NAN; COVARIATES_MAX],
        };
        let way = Way {
            path: Some(VehiclePath::Reference),
            charges: 1,
            bias: 0.0,
            noise: 0.01,
            noise_kwh: 0.0,
            degrees_of_freedom: 4.0,
        };
        let learnt = Learnt { ways: vec![way], ..learnt() };
        let charges: Vec<WeekCharge<u32, u32>> =
            (100..104).flat_map(|week| (0..200).map(move |n| charge(week, n))).collect();
        let calibration = |week: i32, percent: i64| Calibration {
            vehicle: 9_u32,
            at: beginning(week),
            error_percent: Decimal::new(percent, 1),
            expanded_uncertainty_percent: Decimal::new(2, 1),
            coverage_factor: Decimal::TWO,
        };
        let last = |calibrations: &[Calibration<u32>]| {
            let evidence = WeekEvidence { charges: &charges, on_site: &[], calibrations, learnt: &learnt };
            let mut told = Vec::new();
            filter(Filter::default(), &evidence, 103, |week, _| told.push(week));
            told.pop().expect("weeks").errors[0].1
        };
        let none = last(&[]);
        assert!(0.009 < none.standard_uncertainty, "no level but that of all vehicles: {none:?}");
        // Made before, made after all, and one that a newer one replaces.
        let alone = |week| vec![calibration(week, 4)];
        for calibrations in [alone(100), alone(104), vec![calibration(99, 9), calibration(102, 4)]] {
            let told = last(&calibrations);
            assert!((told.error - 0.010_024).abs() < 5e-5, "{told:?}");
            assert!((0.001..0.001_5).contains(&told.standard_uncertainty), "{told:?}");
        }
        let older = last(&alone(0)).standard_uncertainty;
        assert!((0.002..0.004).contains(&older), "two years of drift, 0.28 %: {older}");
    }
}
