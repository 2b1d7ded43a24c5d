//! What a station's energy balance said of its piles in a whole assessment: kept with its run, brought by the caller to each look of the filter over
//! weeks.
//!
//! Made by [`crate::assess`], read by [`crate::weekly`]. It balances nothing.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use veripile_metrology::balance::Information;
use veripile_metrology::cholesky::Symmetric;

/// What was said of piles that the caller names so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Balanced<P> {
    /// The piles behind the master, but for those without a load.
    pub piles: Vec<P>,
    /// When its first interval began: what the piles were before it does not say.
    pub from: Timestamp,
    /// When its last one ended.
    pub to: Timestamp,
    /// J of [`Information`], its lower triangle row by row.
    matrix: Vec<f64>,
    /// b.
    right: Vec<f64>,
}

impl<P> Balanced<P> {
    pub(crate) fn of(information: &Information, piles: Vec<P>, (from, to): (Timestamp, Timestamp)) -> Self {
        let row = |row: usize| (0..=row).map(move |column| information.matrix.get(row, column));
        let matrix = (0..information.right.len()).flat_map(row).collect();
        Self { piles, from, to, matrix, right: information.right.clone() }
    }

    /// The same by other names; none where one of its piles has none.
    pub fn named<Q>(&self, name: impl Fn(&P) -> Option<Q>) -> Option<Balanced<Q>> {
        let piles = self.piles.iter().map(name).collect::<Option<_>>()?;
        let Self { from, to, matrix, right, .. } = self;
        Some(Balanced { piles, from: *from, to: *to, matrix: matrix.clone(), right: right.clone() })
    }

    /// What it says of those piles that have a place, by that, where all walk by a variance (fractions²) a week, at a moment; none where it does not
    /// speak of that time, or of none of them, or nothing of this software wrote it.
    pub(crate) fn at(
        &self,
        moment: Timestamp,
        walk: f64,
        place: impl Fn(&P) -> Option<usize>,
    ) -> Option<Information> {
        let count = self.right.len();
        let is_sound = self.piles.len() == count
            && self.matrix.len() == count * (count + 1) / 2
            && self.matrix.iter().chain(&self.right).all(|value| value.is_finite());
        if !is_sound || moment <= self.from {
            return None;
        }
        let mut matrix = Symmetric::zero(count);
        let mut values = self.matrix.iter();
        for row in 0..count {
            (0..=row).zip(&mut values).for_each(|(column, value)| matrix.add(row, column, *value));
        }
        let told = Information { instruments: (0..count).collect(), matrix, right: self.right.clone() };
        told.of(|at| place(&self.piles[at]))?.walked(walk * self.weeks_walked(moment))
    }

    /// Weeks of a walk that make what a pile is at a moment as uncertain as it is from its mean over the intervals.
    ///
    /// # Formula
    /// `((t − a)³ + (b − t)³)/(3 (b − a)²)` for t within the time from a to b, which is a third of it at its ends; beyond, a third and the time
    /// since b.
    fn weeks_walked(&self, moment: Timestamp) -> f64 {
        let weeks = |from: Timestamp, to: Timestamp| to.duration_since(from).as_secs_f64() / (7.0 * 86_400.0);
        let whole = weeks(self.from, self.to).max(0.0);
        let (since, left) = (weeks(self.from, moment), weeks(moment, self.to));
        if left <= 0.0 || whole <= 0.0 {
            return whole / 3.0 - left.min(0.0);
        }
        (since.powi(3) + left.powi(3)) / (3.0 * whole * whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(week: i64) -> Timestamp {
        Timestamp::from_second(7 * 86_400 * week).expect("in range")
    }

    fn of_two() -> Balanced<&'static str> {
        let mut matrix = Symmetric::zero(2);
        [(0, 0, 3.0), (1, 0, 1.0), (1, 1, 2.0)].iter().for_each(|(i, j, value)| matrix.add(*i, *j, *value));
        let told = Information { instruments: vec![7, 9], matrix, right: vec![4.0, 3.0] };
        Balanced::of(&told, vec!["a", "b"], (at(10), at(16)))
    }

    // By hand: of a walk over six weeks its mean differs from its end by a third of what it walks, two weeks, from its middle by a twelfth, half a
    // week, and four weeks after by six.
    #[test]
    fn a_mean_over_weeks_says_less_of_their_end_than_of_their_middle() {
        for (week, expected) in [(16, 2.0), (13, 0.5), (20, 6.0), (10, 2.0)] {
            assert!((of_two().weeks_walked(at(week)) - expected).abs() < 1e-12, "{week}");
        }
        let moment = Balanced { to: at(10), ..of_two() };
        assert!((moment.weeks_walked(at(11)) - 1.0).abs() < 1e-12);
    }

    // The inverse of (3 1; 1 2) plus 1 is that of (8 1; 1 7)/11, as for `Information::walked`: half a week of a walk of variance 2.
    #[test]
    fn it_is_told_by_places_and_what_it_does_not_know_is_not_told() {
        let place = |pile: &&str| if *pile == "a" { Some(5) } else { Some(2) };
        let told = of_two().at(at(13), 2.0, place).expect("told");
        assert_eq!(told.instruments, [5, 2]);
        for (row, column, expected) in [(0, 0, 8.0), (1, 0, 1.0), (1, 1, 7.0)] {
            assert!((told.matrix.get(row, column) - expected / 11.0).abs() < 1e-14);
        }
        assert_eq!(of_two().at(at(10), 2.0, place), None, "of before it began");
        assert_eq!(of_two().at(at(13), 2.0, |_| None), None);
        assert_eq!(Balanced { matrix: vec![3.0, 1.0], ..of_two() }.at(at(13), 2.0, place), None);
        assert_eq!(Balanced { right: vec![f64::NAN, 1.0], ..of_two() }.at(at(13), 2.0, place), None);
        let renamed = of_two().named(|pile| Some(pile.len())).expect("all");
        assert_eq!((renamed.piles, renamed.right), (vec![1, 1], of_two().right));
        assert!(of_two().named(|pile| (*pile == "a").then_some(1)).is_none());
    }
}
