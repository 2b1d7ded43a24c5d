//! In which order piles fill the parts of the weekly filter, so that those that the same vehicles visit are together.
//!
//! Called by [`super`] for piles that were not met before. It knows no maps: vehicles know their surroundings.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::hash::Hash;

/// New piles in the order in which they fill the last part, of which the vehicles are known and so many places free, and then further ones of
/// `size` places: next is always the pile that most of its part's vehicles visited, of equals the one met first.
pub(super) fn in_order<'a, 'b, P: Eq + Hash, V: Eq + Hash>(
    visits: &[(&'a P, &'b V)],
    (known, mut room): (&'b [V], usize),
    size: usize,
) -> Vec<&'a P> {
    let mut piles: Vec<&P> = Vec::new();
    let mut visitors: Vec<HashSet<&V>> = Vec::new();
    let mut visited: HashMap<&V, Vec<usize>> = HashMap::new();
    let mut places: HashMap<&P, usize> = HashMap::new();
    for (pile, vehicle) in visits {
        let at = *places.entry(pile).or_insert(piles.len());
        if at == piles.len() {
            piles.push(pile);
            visitors.push(HashSet::new());
        }
        if visitors[at].insert(vehicle) {
            visited.entry(vehicle).or_default().push(at);
        }
    }
    let mut met = Met::of(piles.len());
    known.iter().for_each(|vehicle| met.meet(vehicle, &visited));
    let mut order = Vec::with_capacity(piles.len());
    while order.len() < piles.len() {
        if room == 0 {
            room = size.max(1);
            met.forget();
        }
        let at = met.next();
        visitors[at].iter().for_each(|vehicle| met.meet(vehicle, &visited));
        order.push(piles[at]);
        room -= 1;
    }
    order
}

/// How many of a part's vehicles visited each pile that has no place yet.
struct Met<'a, V> {
    vehicles: HashSet<&'a V>,
    counts: Vec<usize>,
    /// Also counts of before and piles that have a place: they are passed over.
    most: BinaryHeap<(usize, Reverse<usize>)>,
    has_place: Vec<bool>,
    /// All before have a place.
    first: usize,
}

impl<'a, V: Eq + Hash> Met<'a, V> {
    fn of(piles: usize) -> Self {
        Self {
            vehicles: HashSet::new(),
            counts: vec![0; piles],
            most: BinaryHeap::new(),
            has_place: vec![false; piles],
            first: 0,
        }
    }

    fn meet(&mut self, vehicle: &'a V, visited: &HashMap<&'a V, Vec<usize>>) {
        if !self.vehicles.insert(vehicle) {
            return;
        }
        for at in visited.get(vehicle).into_iter().flatten() {
            self.counts[*at] += 1;
            self.most.push((self.counts[*at], Reverse(*at)));
        }
    }

    /// The pile that comes next; there must be one without a place.
    fn next(&mut self) -> usize {
        while self.has_place[self.first] {
            self.first += 1;
        }
        let mut next = self.first;
        while let Some((count, Reverse(at))) = self.most.pop() {
            if !self.has_place[at] && self.counts[at] == count {
                next = at;
                break;
            }
        }
        self.has_place[next] = true;
        next
    }

    fn forget(&mut self) {
        self.vehicles.clear();
        self.most.clear();
        self.counts.fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two cities of three piles each, met in turn, one traveller between them: each city is a part.
    #[test]
    fn piles_that_the_same_vehicles_visit_are_together() {
        let visits = [
            (&"a1", &"u"),
            (&"b1", &"x"),
            (&"a2", &"u"),
            (&"b2", &"x"),
            (&"b1", &"y"),
            (&"a1", &"v"),
            (&"a3", &"v"),
            (&"b3", &"y"),
            (&"b3", &"u"),
        ];
        assert_eq!(in_order(&visits, (&[], 0), 3), [&"a1", &"a2", &"a3", &"b1", &"b2", &"b3"]);
        // In a part in which "y" is known two places are free.
        assert_eq!(in_order(&visits, (&["y"], 2), 4)[..2], [&"b1", &"b2"]);
        assert_eq!(in_order(&visits[..0], (&["y"], 2), 4), Vec::<&&str>::new());
    }
}
