//! What the other piles of a set did at a time, for each pile of a set too small to say what most piles share.
//!
//! Called by `assess::steps`. With a pile among those it is held against, its own step would be a part of what all share: each is left out of its
//! own measure. It judges no pile.

use std::collections::BTreeMap;
use std::f64::consts::FRAC_PI_2;

use super::{Tally, medians};

/// Up to so many others their median is their mean.
const MEAN_MAX: usize = 2;

/// What the others did, and by how much holding a pile against it scatters more than the pile alone.
#[derive(Debug)]
pub(crate) struct Others {
    profile: BTreeMap<i64, f64>,
    /// Standard deviation of a pile's levels beside the others in units of that without them.
    pub(crate) noise: f64,
}

impl Others {
    /// Of one of a set's members; none where nobody else told anything in any week in which it did.
    ///
    /// # Formula
    /// The median of the others' weekly means, weighted by √n. Its variance is `(π/2) v/N_w` of a charge's v and the others' N_w charges of
    /// the week, and a level of n charges, n_w in a week, has `v/n (1 + (π/2) Σ n_w²/N_w / n)`.
    pub(crate) fn of(tallies: &[Tally], members: &[usize], pile: usize) -> Option<Self> {
        let others = || members.iter().copied().filter(|member| *member != pile);
        let profile = medians(tallies, others());
        let factor = if others().count() <= MEAN_MAX { 1.0 } else { FRAC_PI_2 };
        let (mut count, mut added) = (0.0, 0.0);
        for (key, (_, own)) in tallies[pile].iter().filter(|(key, _)| profile.contains_key(key)) {
            let of_others: f64 =
                others().filter_map(|other| tallies[other].get(key)).map(|(_, count)| count).sum();
            (count, added) = (count + own, added + own * own / of_others);
        }
        (0.0 < count).then(|| Self { profile, noise: (1.0 + factor * added / count).sqrt() })
    }

    /// At a time; none where nobody else told.
    pub(crate) fn at(&self, key: i64) -> Option<f64> {
        self.profile.get(&key).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten charges in each of two weeks, of the means given.
    fn tally(means: [f64; 2]) -> Tally {
        (0..).zip(means).map(|(week, mean)| (week, (10.0 * mean, 10.0))).collect()
    }

    // By hand: of 0, 0.2 and 3 the middle is 0.2, of 1, 1.1 and 1.3 it is 1.1; 1 + (π/2) 10²/30/10 · 2/2 = 1.5236.
    #[test]
    fn a_pile_is_held_against_the_others_alone() {
        let tallies = [tally([9.0, 9.0]), tally([0.0, 1.1]), tally([0.2, 1.0]), tally([3.0, 1.3])];
        let others = Others::of(&tallies, &[0, 1, 2, 3], 0).expect("others told");
        assert_eq!([0, 1, 2].map(|week| others.at(week)), [Some(0.2), Some(1.1), None]);
        assert!((others.noise - 1.523_598_775_598_299_f64.sqrt()).abs() < 1e-12);
        // Of two the mean, which has the variance of a mean: 1 + 10²/20/10.
        let others = Others::of(&tallies, &[0, 1, 2], 0).expect("others told");
        assert!((others.at(0).expect("told") - 0.1).abs() < 1e-12);
        assert!((others.noise - 1.5_f64.sqrt()).abs() < 1e-12);
        assert!(Others::of(&tallies, &[0], 0).is_none());
    }
}
