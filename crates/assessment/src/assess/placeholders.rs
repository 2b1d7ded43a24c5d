//! Ids that stand for many vehicles: "UNKNOWN", or one card that a company gives to all its drivers. What they tell joins piles that no vehicle joins.
//!
//! Called when evidence becomes a network, of files as of the running platform. Their charges are no comparisons; signals, balances and
//! operators use them as before. It knows no places: that a vehicle could not have gone so far is not asked.

mod scatter;

use std::collections::BTreeSet;

use veripile_metrology::normal::QUANTILE_75;

use crate::evidence::{ComparableCharge, Evidence};

/// By so much two charges must overlap, s: each clock may be wrong by 3 minutes (JJG 1148 and 1149), and times are told in whole minutes.
const TOLERANCE_S: i64 = 600;

/// So many of a vehicle's charges begin while the one before still goes on at another pile.
const OVERLAPS_MIN: usize = 4;

/// And this share of all of them. Of charges that know nothing of each other, an hour long and n a day, `1 − exp(−50 n/1440)` overlap so: 3.4 in
/// 100 at one a day.
const SHARE_MIN: f64 = 0.04;

/// So many of these pairs have no pile in common: a pile whose clock is hours off, or that closes its charges days later, is in all that it
/// makes.
const APART_MIN: usize = 3;

/// Where ids overlap by this share of what chance would make them, overlaps tell nothing: vehicles have none, and of charges that were given
/// vehicles without a look at where these are each is as good as all others. Dundee's real ids, cards among them, have 0.18, drawn ones 0.84 to 1.
const CHANCE_SHARE: f64 = 0.5;

/// So much an id may count for of that, and so much all of them must: a few cards among vehicles that come once are not everybody.
const VOTE_MAX: f64 = 1.0;

/// See [`VOTE_MAX`].
const VOTES_MIN: f64 = 5.0;

/// There an id stands out by its charges, if the logarithm of their number is so many standard deviations above the middle of all: among ten
/// thousand vehicles of log-normal popularity the first lies at four.
const OFTEN: f64 = 6.0;

/// Of more than this share of all charges overlaps alone are not believed: their scatter must say so, too.
const SET_ASIDE_MAX: f64 = 0.1;

/// Probability at which scatter alone is believed, over all ids asked.
const BELIEVED: f64 = 0.01;

/// Vehicles that are in two places at once, again and again, as no vehicle is, by index; and how many more are, in a world in which it tells
/// nothing of them. A reference vehicle with a calibration is not asked: an authority had that one before it.
pub(super) fn vehicles(evidence: &Evidence) -> (BTreeSet<usize>, usize) {
    let charges = &evidence.charges;
    if charges.iter().all(|charge| charge.lasted_s == 0) {
        return (BTreeSet::new(), 0);
    }
    let mut of_vehicles = Grouped::by(charges, evidence.vehicle_models.len(), |charge| charge.vehicle);
    let ids: Vec<Id> = (0..evidence.vehicle_models.len())
        .map(|vehicle| {
            let of_vehicle = of_vehicles.get_mut(vehicle);
            of_vehicle.sort_unstable_by_key(|at| {
                let charge = &charges[*at as usize];
                (began(charge), charge.ended_at, charge.pile)
            });
            Id::of(charges, of_vehicle)
        })
        .collect();
    let calibrated: BTreeSet<usize> =
        evidence.references.iter().map(|calibration| calibration.vehicle).collect();
    let is_of_many = |vehicle: &usize| ids[*vehicle].overlaps_often() && !calibrated.contains(vehicle);
    let overlapping: Vec<usize> = (0..ids.len()).filter(is_of_many).collect();
    if overlapping.is_empty() {
        return (BTreeSet::new(), 0);
    }
    let is_usual = overlaps_are_usual(&ids);
    let often = if is_usual { often(&ids) } else { 0.0 };
    let stand_out = overlapping.iter().copied().filter(|vehicle| often <= ids[*vehicle].charges as f64);
    let mut many: BTreeSet<usize> = stand_out.collect();
    let set_aside: usize = many.iter().map(|vehicle| ids[*vehicle].charges).sum();
    let is_large = SET_ASIDE_MAX * (charges.len() as f64) < set_aside as f64;
    if is_large {
        many.clear();
    }
    if is_usual || is_large {
        let odds = scatter::odds(charges, evidence.piles.len(), &of_vehicles, &overlapping);
        let clear = libm::log(overlapping.len() as f64 / BELIEVED);
        many.extend(
            overlapping.iter().zip(odds).filter(|(_, odds)| clear <= *odds).map(|(vehicle, _)| vehicle),
        );
    }
    let counted = overlapping.len() - many.len();
    (many, counted)
}

/// Charges put together by a number of theirs, in time that grows as how many they are does.
struct Grouped {
    order: Vec<u32>,
    begins: Vec<usize>,
}

impl Grouped {
    fn by(charges: &[ComparableCharge], groups: usize, number: impl Fn(&ComparableCharge) -> usize) -> Self {
        let mut begins = vec![0_usize; groups + 1];
        charges.iter().for_each(|charge| begins[number(charge) + 1] += 1);
        for group in 0..groups {
            begins[group + 1] += begins[group];
        }
        let (mut order, mut next) = (vec![0_u32; charges.len()], begins.clone());
        for (at, charge) in (0_u32..).zip(charges) {
            order[next[number(charge)]] = at;
            next[number(charge)] += 1;
        }
        Self { order, begins }
    }

    fn get(&self, group: usize) -> &[u32] {
        &self.order[self.begins[group]..self.begins[group + 1]]
    }

    fn get_mut(&mut self, group: usize) -> &mut [u32] {
        &mut self.order[self.begins[group]..self.begins[group + 1]]
    }

    fn groups(&self) -> usize {
        self.begins.len() - 1
    }
}

/// How an id's charges follow each other.
struct Id {
    charges: usize,
    overlaps: usize,
    /// Of these without a pile in common.
    apart: usize,
    /// How many overlaps chance would make.
    expected: f64,
}

impl Id {
    /// Of charges in the order in which they began.
    ///
    /// # Formula
    /// Charges that know nothing of each other begin λ a second, λ = (n − 1)/(last begin − first begin): of two in turn at different piles, both
    /// longer than the tolerance τ, the second begins before the first, of length d, ends less τ, with probability `1 − exp(−λ (d − τ))`.
    fn of(charges: &[ComparableCharge], of_vehicle: &[u32]) -> Self {
        let charge = |at: &u32| &charges[*at as usize];
        let span = match (of_vehicle.first(), of_vehicle.last()) {
            (Some(first), Some(last)) => (began(charge(last)) - began(charge(first))).max(1),
            _ => 1,
        };
        let rate = of_vehicle.len().saturating_sub(1) as f64 / span as f64;
        let mut id = Self { charges: of_vehicle.len(), overlaps: 0, apart: 0, expected: 0.0 };
        let mut met = BTreeSet::new();
        for two in of_vehicle.windows(2) {
            let (first, second) = (charge(&two[0]), charge(&two[1]));
            if first.pile == second.pile {
                continue;
            }
            let [first_may, second_may] =
                [first, second].map(|charge| i64::from(charge.lasted_s) - TOLERANCE_S);
            if 0 < first_may && 0 < second_may {
                id.expected -= libm::expm1(-rate * first_may as f64);
            }
            let until = first.ended_at.min(second.ended_at).as_second();
            if TOLERANCE_S < until - began(second) {
                id.overlaps += 1;
                if !met.contains(&first.pile) && !met.contains(&second.pile) {
                    met.extend([first.pile, second.pile]);
                    id.apart += 1;
                }
            }
        }
        id
    }

    /// As no vehicle does.
    fn overlaps_often(&self) -> bool {
        let share = SHARE_MIN * self.charges as f64;
        OVERLAPS_MIN <= self.overlaps && APART_MIN <= self.apart && share <= self.overlaps as f64
    }
}

/// Whether ids in general overlap as charges do that know nothing of each other: each counts by how many overlaps chance would make, up to
/// [`VOTE_MAX`].
fn overlaps_are_usual(ids: &[Id]) -> bool {
    let met = ids.iter().filter(|id| 0.0 < id.expected);
    let (overlaps, votes) = met.fold((0.0, 0.0), |(overlaps, votes), id| {
        let vote = id.expected.min(VOTE_MAX);
        (overlaps + vote / id.expected * id.overlaps as f64, votes + vote)
    });
    VOTES_MIN <= votes && CHANCE_SHARE * votes <= overlaps
}

/// From how many charges on an id has more than popularity explains.
///
/// # Formula
/// `exp(m + 6 s)` of the logarithms of ids' charges, ids of one charge left out: m their median, s the median distance from it over 0.6745, at least
/// `1/√n` of the median n, which chance alone makes.
fn often(ids: &[Id]) -> f64 {
    let counts = ids.iter().map(|id| id.charges).filter(|charges| 2 <= *charges);
    let mut logarithms: Vec<f64> = counts.map(|charges| libm::log(charges as f64)).collect();
    let middle = median(&mut logarithms);
    logarithms.iter_mut().for_each(|logarithm| *logarithm = (*logarithm - middle).abs());
    let spread = (median(&mut logarithms) / QUANTILE_75).max(libm::exp(-0.5 * middle));
    libm::exp(middle + OFTEN * spread)
}

/// The middle of values, 0 of none.
fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// When a charge began, seconds since 1970.
fn began(charge: &ComparableCharge) -> i64 {
    charge.ended_at.as_second() - i64::from(charge.lasted_s)
}
