//! Targeting: which piles are visited next, most by risk and some by lot.
//!
//! Called when visits are planned. It orders and draws, nothing more: being visited says nothing of a pile.

use std::collections::BTreeSet;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::Serialize;
use veripile_pile::PileId;

/// Share of the visits that is drawn by lot from all piles. It alone measures how good the targeting is, finds what no signal knows
/// of, and keeps everybody from being sure of no visit.
pub const RANDOM_SHARE_MIN: f64 = 0.2;

/// A pile that could be visited.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Which.
    pub pile_id: PileId,
    /// Probability that it does not conform; 1 − `probability_conform` of its estimate, or what the caller holds of one that has none.
    pub probability_nonconform: f64,
    /// Energy sold until the next visit otherwise, kWh.
    pub energy_kwh: f64,
    /// Price per kWh.
    pub price_per_kwh: f64,
    /// What age, complaints and findings make of it, as the caller weighs them; 1: nothing.
    pub weight: f64,
}

/// Why it is visited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Chosen {
    /// By lot.
    ByLot,
    /// By risk.
    ByRisk,
}

impl Candidate {
    /// Money at stake; 0 where a number is missing or cannot be.
    ///
    /// # Formula
    /// `P(nonconform) × kWh × price × weight`
    pub fn risk(&self) -> f64 {
        let risk = self.probability_nonconform * self.energy_kwh * self.price_per_kwh * self.weight;
        if risk.is_finite() { risk.max(0.0) } else { 0.0 }
    }
}

/// Chooses `visits` of the candidates: first by lot at least [`RANDOM_SHARE_MIN`] from all of them, so that the drawn ones are a fair
/// sample, then by risk from the rest. Gives indices, those by lot first in the order drawn. Same seed and same candidates, in
/// whatever order, same choice: piles are drawn by identifier. A repeated pile is chosen once.
pub fn choose(candidates: &[Candidate], visits: usize, seed: u64) -> Vec<(usize, Chosen)> {
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by(|a, b| candidates[*a].pile_id.cmp(&candidates[*b].pile_id));
    order.dedup_by(|a, b| candidates[*a].pile_id == candidates[*b].pile_id);
    let visits = visits.min(order.len());
    let by_lot = (RANDOM_SHARE_MIN * visits as f64).ceil() as usize;
    let drawn = draw(&order, by_lot, seed);
    let taken: BTreeSet<usize> = drawn.iter().copied().collect();
    let mut rest: Vec<usize> = order.into_iter().filter(|index| !taken.contains(index)).collect();
    rest.sort_by(|a, b| candidates[*b].risk().total_cmp(&candidates[*a].risk()));
    let by_risk = rest.into_iter().take(visits - by_lot).map(|index| (index, Chosen::ByRisk));
    drawn.into_iter().map(|index| (index, Chosen::ByLot)).chain(by_risk).collect()
}

/// The first places of a shuffle (Fisher and Yates).
fn draw(order: &[usize], count: usize, seed: u64) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut order = order.to_vec();
    for place in 0..count {
        let rest = (order.len() - place) as u64;
        // The upper half of a product of 64 bits: biased by less than rest / 2⁶⁴.
        let step = (u128::from(rng.next_u64()) * u128::from(rest)) >> 64;
        order.swap(place, place + step as usize);
    }
    order.truncate(count);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(count: usize) -> Vec<Candidate> {
        (0..count)
            .map(|n| Candidate {
                pile_id: PileId::parse(&format!("P{n:04}")).expect("an identifier"),
                probability_nonconform: n as f64 / count as f64,
                energy_kwh: 1000.0,
                price_per_kwh: 1.5,
                weight: 1.0,
            })
            .collect()
    }

    // By hand: 0.5 × 1000 × 1.5 × 1.
    #[test]
    fn the_risk_is_money() {
        assert!((candidates(10)[5].risk() - 750.0).abs() < 1e-9);
        let unknown = Candidate { energy_kwh: f64::NAN, ..candidates(1)[0].clone() };
        assert!(unknown.risk().abs() < f64::EPSILON);
    }

    #[test]
    fn a_fifth_is_drawn_and_the_rest_goes_by_risk() {
        let candidates = candidates(100);
        let chosen = choose(&candidates, 11, 7);
        let by_lot: Vec<usize> =
            chosen.iter().filter(|(_, why)| *why == Chosen::ByLot).map(|(at, _)| *at).collect();
        assert_eq!((chosen.len(), by_lot.len()), (11, 3), "a fifth of eleven, rounded up");
        let expected: Vec<usize> = (0..100).rev().filter(|at| !by_lot.contains(at)).take(8).collect();
        let by_risk: Vec<usize> =
            chosen.iter().filter(|(_, why)| *why == Chosen::ByRisk).map(|(at, _)| *at).collect();
        assert_eq!(by_risk, expected);
    }

    #[test]
    fn the_order_of_the_candidates_does_not_matter_and_the_seed_does() {
        let forwards = candidates(100);
        let backwards: Vec<Candidate> = forwards.iter().rev().cloned().collect();
        let names = |candidates: &[Candidate], seed| -> Vec<PileId> {
            choose(candidates, 20, seed).iter().map(|(at, _)| candidates[*at].pile_id.clone()).collect()
        };
        assert_eq!(names(&forwards, 1), names(&backwards, 1));
        assert_ne!(names(&forwards, 1), names(&forwards, 2));
    }

    // Each of ten piles is drawn first with probability 1/10: over 2,000 seeds 200 ± 13.4 (binomial); 4.5 deviations are 60.
    #[test]
    fn the_lot_is_fair() {
        let candidates = candidates(10);
        let mut count = [0; 10];
        for seed in 0..2000 {
            count[choose(&candidates, 1, seed)[0].0] += 1;
        }
        assert!(count.iter().all(|drawn| (140..=260).contains(drawn)), "{count:?}");
    }

    #[test]
    fn more_visits_than_piles_visit_each_once() {
        let mut twice = candidates(3);
        twice.push(twice[0].clone());
        assert_eq!(choose(&twice, 10, 1).len(), 3);
        assert!(choose(&[], 10, 1).is_empty());
    }
}
