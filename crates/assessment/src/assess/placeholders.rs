//! Ids that stand for many vehicles: "UNKNOWN", or one card that a company gives to all its drivers. What they tell joins piles that no vehicle joins.
//!
//! Called when evidence becomes a network, of files as of the running platform. Their charges are no comparisons; signals, balances and
//! operators use them as before. It knows no places: that a vehicle could not have gone so far is not asked.

use std::collections::BTreeSet;

use crate::evidence::{ComparableCharge, Evidence};

/// By so much two charges must overlap, s: each clock may be wrong by 3 minutes (JJG 1148 and 1149), and times are told in whole minutes.
const TOLERANCE_S: i64 = 600;

/// So many of a vehicle's charges begin while the one before still goes on at another pile.
const OVERLAPS_MIN: usize = 4;

/// And this share of all of them. Of charges that know nothing of each other, an hour long and n a day, `1 − exp(−50 n/1440)` overlap so: 3.4 in
/// 100 at one a day. Vehicles that are drawn by worlds without looking where they are overlap, too, at three in a hundred now and then.
const SHARE_MIN: f64 = 0.04;

/// So many of these pairs have no pile in common: a pile whose clock is hours off, or that closes its charges days later, is in all that it
/// makes.
const APART_MIN: usize = 3;

/// Vehicles that are in two places at once, again and again, by index.
pub(super) fn vehicles(evidence: &Evidence) -> BTreeSet<usize> {
    let charges = &evidence.charges;
    if charges.iter().all(|charge| charge.lasted_s == 0) {
        return BTreeSet::new();
    }
    let (mut order, begins) = by_vehicle(charges, evidence.vehicle_models.len());
    let are_many = |vehicle: &usize| {
        let of_vehicle = &mut order[begins[*vehicle]..begins[*vehicle + 1]];
        of_vehicle.sort_unstable_by_key(|at| {
            let charge = &charges[*at as usize];
            (began(charge), charge.ended_at, charge.pile)
        });
        are_of_many(charges, of_vehicle)
    };
    (0..evidence.vehicle_models.len()).filter(are_many).collect()
}

/// Charges put together by vehicle, and where each vehicle's begin: in time that grows as their number does.
fn by_vehicle(charges: &[ComparableCharge], vehicles: usize) -> (Vec<u32>, Vec<usize>) {
    let mut begins = vec![0_usize; vehicles + 1];
    charges.iter().for_each(|charge| begins[charge.vehicle + 1] += 1);
    for vehicle in 0..vehicles {
        begins[vehicle + 1] += begins[vehicle];
    }
    let (mut order, mut next) = (vec![0_u32; charges.len()], begins.clone());
    for (at, charge) in (0_u32..).zip(charges) {
        order[next[charge.vehicle]] = at;
        next[charge.vehicle] += 1;
    }
    (order, begins)
}

/// Whether charges, in the order in which they began, are those of several vehicles.
fn are_of_many(charges: &[ComparableCharge], of_vehicle: &[u32]) -> bool {
    let (mut overlaps, mut apart, mut met) = (0_usize, 0_usize, BTreeSet::new());
    for two in of_vehicle.windows(2) {
        let [first, second] = [two[0], two[1]].map(|at| &charges[at as usize]);
        let until = first.ended_at.min(second.ended_at).as_second();
        if first.pile != second.pile && TOLERANCE_S < until - began(second) {
            overlaps += 1;
            if !met.contains(&first.pile) && !met.contains(&second.pile) {
                met.extend([first.pile, second.pile]);
                apart += 1;
            }
        }
    }
    let share = SHARE_MIN * of_vehicle.len() as f64;
    OVERLAPS_MIN <= overlaps && APART_MIN <= apart && share <= overlaps as f64
}

/// When a charge began, seconds since 1970.
fn began(charge: &ComparableCharge) -> i64 {
    charge.ended_at.as_second() - i64::from(charge.lasted_s)
}
