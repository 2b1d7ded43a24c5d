//! Anchors: which on-site results of a pile count, and what they say of it together.
//!
//! Called by [`crate::assess`] and by the weekly filter. Which of them contradict everything else is [`crate::levels`]'s.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use veripile_metrology::comparison;

use crate::evidence::{Anchor, Evidence, log_error};

/// Drift of a pile's error since its anchor was measured: 0.1 % in a year, as a random walk (fractions² per day).
///
/// Energy meters of class 1 are permitted a fraction of their class between verifications (three years); a tenth of a percent
/// a year is on the safe side for the metering and keeps an old anchor from outweighing fresh ones.
const ANCHOR_DRIFT_PER_DAY: f64 = 0.001 * 0.001 / 365.25;

/// So many standard uncertainties of their difference a result may lie from those before it of its outlet without a change, as in
/// [`crate::levels`]: at two, one in twenty honest piles that were measured again would be another.
const CHANGED_FROM: f64 = 3.0;

/// An on-site result as it counts at a moment: of one outlet, or, without one, of the whole pile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    /// The outlet.
    pub(crate) outlet: Option<u32>,
    /// ln(1 + e).
    pub(crate) log_error: f64,
    /// Its standard uncertainty on its day.
    pub(crate) standard_uncertainty: f64,
    /// Variance of the pile's drift from its day to the moment.
    pub(crate) walked: f64,
}

impl Found {
    /// Of the pile's error at the moment, by this result alone.
    fn variance(&self) -> f64 {
        self.standard_uncertainty * self.standard_uncertainty + self.walked
    }
}

/// What the results of a pile say of it together.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Together {
    /// ln(1 + e).
    pub(crate) log_error: f64,
    /// Its standard uncertainty.
    pub(crate) standard_uncertainty: f64,
    /// Places of the results that it is made of, ascending: of each outlet those since its last change.
    pub(crate) of: Vec<usize>,
    /// Place of the one of these that says most.
    pub(crate) says_most: usize,
    /// Of how many outlets it is a mixture.
    pub(crate) outlets: usize,
    /// Place of the result since which the pile is another than before.
    pub(crate) changed: Option<usize>,
}

/// Results of one outlet that agree.
struct Agreed {
    log_error: f64,
    /// At the day of the last of them.
    variance: f64,
    of: Vec<usize>,
    changed: Option<usize>,
}

impl Agreed {
    fn from(at: usize, result: &Found, changed: Option<usize>) -> Self {
        let variance = result.standard_uncertainty * result.standard_uncertainty;
        Self { log_error: result.log_error, variance, of: vec![at], changed }
    }

    /// With the next result.
    fn and(mut self, at: usize, found: &[Found]) -> Self {
        let (result, last) = (found[at], self.of.last().map_or(0.0, |last| found[*last].walked));
        let own = result.standard_uncertainty * result.standard_uncertainty;
        let before = self.variance + (last - result.walked).max(0.0);
        let (difference, both) = (result.log_error - self.log_error, before + own);
        if CHANGED_FROM * both.sqrt() < difference.abs() {
            return Self::from(at, &result, Some(at));
        }
        self.log_error += before / both * difference;
        self.variance = before * own / both;
        self.of.push(at);
        self
    }

    /// Standard uncertainty at the moment.
    fn standard_uncertainty(&self, found: &[Found]) -> f64 {
        let alone = self.of.iter().map(|at| found[*at].variance()).fold(f64::INFINITY, f64::min);
        let walked = self.of.last().map_or(0.0, |last| found[*last].walked);
        alone.max(self.variance + walked).sqrt()
    }
}

/// What a pile's results, in the order of time, say of it together; none without a result.
///
/// Of each outlet those count that agree with the newest. A result without an outlet speaks of the whole pile, so of every outlet. The pile is
/// another than before where a result differs from those before it of its outlet by more than their uncertainties together (|E_n| > 1.5), as after a
/// repair; then these say nothing of today. That two outlets differ says nothing of the kind.
///
/// # Formula
/// Of an outlet: its error is a walk, of which each result is a measurement, so `x̂ ← x̂ + P (x − x̂)/(P + u²)` from one to the next, where P is
/// `1/(1/P + 1/u²)` of before with the walk between their days. One standard may have measured them all, whose error is then in each of them: the
/// uncertainty is not P but that of the best of them by itself. So a rough result later takes next to nothing, and adds nothing that is not there.
///
/// With energies' shares w_o of the outlets, which nobody knows for charges to come, the pile's error over its charges is the mixture
/// `e = Σ w_o e_o`. The mean `x̄` of the n outlets' results stands for it. Whatever the shares, e is no further from `x̄` than
/// `a = max |x_o − x̄|` (two outlets: half their spread); nothing being known of where in between, that is a rectangular distribution
/// (JCGM 100, 4.3.7). One standard measured all outlets, so their uncertainties are common and do not shrink with n:
/// `u² = ((1/n) Σ u_o)² + a²/3`. With `U = 2u` the interval holds e for two outlets at any shares, since `a < 2 a/√3`.
pub(crate) fn together(found: &[Found]) -> Option<Together> {
    let named: BTreeSet<u32> = found.iter().filter_map(|result| result.outlet).collect();
    let outlets = if named.is_empty() { vec![None] } else { named.into_iter().map(Some).collect() };
    let agreed = outlets.iter().filter_map(|outlet| {
        let speaks = |at: &usize| found[*at].outlet.is_none() || found[*at].outlet == *outlet;
        let mut own = (0..found.len()).filter(speaks);
        let first = own.next()?;
        Some(own.fold(Agreed::from(first, &found[first], None), |agreed, at| agreed.and(at, found)))
    });
    let agreed: Vec<Agreed> = agreed.collect();
    let mut of: Vec<usize> = agreed.iter().flat_map(|agreed| agreed.of.iter().copied()).collect();
    of.sort_unstable();
    of.dedup();
    let variance = |at: &usize| found[*at].variance();
    // Of equal ones the newest.
    let says_most = of.iter().rev().copied().min_by(|a, b| variance(a).total_cmp(&variance(b)))?;
    let mean = |value: &dyn Fn(&Agreed) -> f64| agreed.iter().map(value).sum::<f64>() / agreed.len() as f64;
    let centre = mean(&|agreed| agreed.log_error);
    let own = mean(&|agreed| agreed.standard_uncertainty(found));
    let farthest = agreed.iter().map(|agreed| (agreed.log_error - centre).abs()).fold(0.0, f64::max);
    Some(Together {
        log_error: centre,
        standard_uncertainty: if agreed.len() == 1 {
            own
        } else {
            (own * own + farthest * farthest / 3.0).sqrt()
        },
        of,
        says_most,
        outlets: agreed.len(),
        changed: agreed.iter().filter_map(|agreed| agreed.changed).max(),
    })
}

/// What the anchors of each pile say [`together`], by pile, with the one of them that says most, and since when a pile is another than before.
pub(crate) fn newest(
    evidence: &Evidence,
) -> (Vec<(&Anchor, comparison::Anchor)>, BTreeMap<usize, Timestamp>) {
    let mut of_pile: BTreeMap<usize, Vec<&Anchor>> = BTreeMap::new();
    for given in &evidence.anchors {
        of_pile.entry(given.pile).or_default().push(given);
    }
    let (mut newest, mut changed) = (Vec::new(), BTreeMap::new());
    for (pile, given) in of_pile {
        let anchors = in_order(given.into_iter(), evidence.as_of);
        let found: Vec<Found> = anchors.iter().map(|(_, found)| *found).collect();
        let Some(together) = together(&found) else { continue };
        changed.extend(together.changed.map(|at| (pile, anchors[at].0.at)));
        let used = comparison::Anchor {
            instrument: pile,
            error: together.log_error,
            standard_uncertainty: together.standard_uncertainty,
        };
        newest.push((anchors[together.says_most].0, used));
    }
    (newest, changed)
}

/// When each result was measured that a pile's anchor is made of, in the order of time: what goes with it where it is left out.
pub(crate) fn made_of(evidence: &Evidence, pile: usize) -> Vec<Timestamp> {
    let given = evidence.anchors.iter().filter(|given| given.pile == pile);
    let anchors = in_order(given, evidence.as_of);
    let found: Vec<Found> = anchors.iter().map(|(_, found)| *found).collect();
    let of = together(&found).map(|together| together.of).unwrap_or_default();
    let mut made_of: Vec<Timestamp> = of.into_iter().map(|at| anchors[at].0.at).collect();
    made_of.dedup();
    made_of
}

/// Anchors of one pile as they count at a moment, in the order of time.
fn in_order<'a>(anchors: impl Iterator<Item = &'a Anchor>, as_of: Timestamp) -> Vec<(&'a Anchor, Found)> {
    let mut anchors: Vec<(&Anchor, Found)> =
        anchors.filter_map(|given| Some((given, found(given, as_of)?))).collect();
    anchors.sort_by(|(a, x), (b, y)| {
        a.at.cmp(&b.at).then(y.variance().total_cmp(&x.variance())).then(x.log_error.total_cmp(&y.log_error))
    });
    anchors
}

/// An anchor as it counts at a moment; none for one measured later, or whose numbers cannot be.
fn found(anchor: &Anchor, as_of: Timestamp) -> Option<Found> {
    let days = as_of.duration_since(anchor.at).as_secs_f64() / 86_400.0;
    let (log_error, u) =
        log_error(anchor.error_percent, anchor.expanded_uncertainty_percent, anchor.coverage_factor)?;
    let walked = ANCHOR_DRIFT_PER_DAY * days;
    (0.0 <= days).then_some(Found { outlet: anchor.outlet, log_error, standard_uncertainty: u, walked })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(outlet: u32, percent: f64) -> Found {
        Found {
            outlet: Some(outlet).filter(|outlet| *outlet > 0),
            log_error: percent / 100.0,
            standard_uncertainty: 0.000_5,
            walked: 0.0,
        }
    }

    fn of(percent: f64, u_percent: f64, walked: f64) -> Found {
        Found { standard_uncertainty: u_percent / 100.0, walked, ..result(0, percent) }
    }

    // By hand, in percent: u of 0.075 and 0.6 are weights of 177.8 and 2.78 to one, so that 0 and 0.65 give 0.65/65 = 0.01 (0.65 is 1.07 of their
    // √(0.075² + 0.6²) = 0.605). Best alone 0.075.
    #[test]
    fn a_rough_result_that_agrees_takes_nothing_from_a_good_one() {
        for found in [[of(0.0, 0.075, 0.0), of(0.65, 0.6, 0.0)], [of(0.65, 0.6, 0.0), of(0.0, 0.075, 0.0)]] {
            let good = usize::from(found[0].standard_uncertainty > 0.001);
            let both = together(&found).expect("results");
            assert!((both.log_error - 0.000_1).abs() < 1e-12, "{both:?}");
            assert!((both.standard_uncertainty - 0.000_75).abs() < 1e-12, "{both:?}");
            assert_eq!((both.of, both.says_most, both.changed), (vec![0, 1], good, None));
        }
        // Not of a pile that changed: 1.9 % are more than three of their 0.605 %.
        let changed = together(&[of(0.0, 0.075, 0.0), of(1.9, 0.6, 0.0)]).expect("results");
        assert!(
            (changed.log_error - 0.019).abs() < 1e-12 && (changed.standard_uncertainty - 0.006).abs() < 1e-12
        );
        assert_eq!((changed.of, changed.says_most, changed.changed), (vec![1], 1, Some(1)));
    }

    // By hand, in percent²: 0.1² = 0.01 and 0.03 of walk between them make 0.04 beside 0.1² = 0.01, so that 0.2 % later moves 0 by four fifths of it;
    // the newer one alone has 0.01 and 0.01 of walk since.
    #[test]
    fn what_a_pile_may_have_drifted_between_two_results_is_in_their_weights() {
        let both = together(&[of(0.0, 0.1, 4e-6), of(0.2, 0.1, 1e-6)]).expect("results");
        assert!((both.log_error - 0.001_6).abs() < 1e-12, "{both:?}");
        assert!((both.standard_uncertainty - 2e-6_f64.sqrt()).abs() < 1e-12, "{both:?}");
        assert_eq!(both.says_most, 1);
        // Held against all before it, not against the last: 0, 0 and a rough 0.4 %, then 0.8 %, which only the rough one would bear.
        let last = [of(0.0, 0.05, 0.0), of(0.0, 0.05, 0.0), of(0.4, 0.3, 0.0), of(0.8, 0.05, 0.0)];
        assert_eq!(together(&last).expect("results").of, [3]);
    }

    // Which of two says more does not turn with a hair: the same result twice is that result, as one standard made both.
    #[test]
    fn the_same_result_twice_is_no_more_than_once() {
        let twice = together(&[of(0.3, 0.075, 0.0), of(0.3, 0.075, 0.0)]).expect("results");
        assert!(
            (twice.log_error - 0.003).abs() < 1e-12 && (twice.standard_uncertainty - 0.000_75).abs() < 1e-12
        );
        assert_eq!(twice.says_most, 1, "the newest of equal ones");
    }

    // By hand: 0.2 and 0.5 % are 0.35 % ± 0.15; 0.05² + 0.15²/3 = 0.0025 + 0.0075 = 0.01, so u = 0.1 %.
    #[test]
    fn two_outlets_are_a_mixture_and_no_change() {
        let both = together(&[result(1, 0.2), result(2, 0.5)]).expect("results");
        assert!(
            (both.log_error - 0.003_5).abs() < 1e-12 && (both.standard_uncertainty - 0.001).abs() < 1e-12
        );
        assert_eq!((both.of, both.changed), (vec![0, 1], None));
    }

    // By hand: 0, 0 and 0.6 % have the mean 0.2 %, from which one is 0.4 % off; 0.05² + 0.4²/3 = 0.0025 + 0.16/3 (%²).
    #[test]
    fn of_three_outlets_the_one_that_is_farthest_counts() {
        let three = together(&[result(3, 0.6), result(1, 0.0), result(2, 0.0)]).expect("results");
        let expected = (0.002_5_f64 + 0.16 / 3.0).sqrt() / 100.0;
        assert!((three.log_error - 0.002).abs() < 1e-12);
        assert!((three.standard_uncertainty - expected).abs() < 1e-12);
    }

    #[test]
    fn a_change_is_one_outlets_own() {
        // Outlet 2 was adjusted by its last result; what was before it is gone.
        let found = [result(2, 0.9), result(1, 0.2), result(2, 0.3)];
        let pile = together(&found).expect("results");
        assert_eq!((pile.of, pile.changed), (vec![1, 2], Some(2)));
        assert!((pile.log_error - 0.002_5).abs() < 1e-12);
        // A result of the whole pile speaks of each outlet, and a newer one of an outlet follows it. By hand: 0.225 and 0.275 %, so 0.25 %
        // and u² = 0.05² + 0.025²/3.
        let whole = together(&[result(1, 0.2), result(2, 0.3), result(0, 0.25)]).expect("results");
        let expected = (0.05_f64.powi(2) + 0.025_f64.powi(2) / 3.0).sqrt() / 100.0;
        assert!((whole.log_error - 0.002_5).abs() < 1e-12, "{whole:?}");
        assert!((whole.standard_uncertainty - expected).abs() < 1e-12, "{whole:?}");
        assert_eq!((whole.of, whole.outlets, whole.changed), (vec![0, 1, 2], 2, None));
        let after = together(&[result(0, 0.9), result(1, 0.2)]).expect("results");
        assert_eq!((after.of, after.changed, after.log_error), (vec![1], Some(1), 0.002));
        let plain = together(&[result(0, 0.9), result(0, 0.2)]).expect("results");
        assert_eq!((plain.of, plain.changed), (vec![1], Some(1)));
        // u of 0.05 % each: 0.2 % are 2.8 standard uncertainties of the difference, 0.22 % are 3.1.
        let apart = |percent: f64| together(&[result(1, 0.0), result(1, percent)]).expect("results").changed;
        assert_eq!((apart(0.2), apart(0.22), apart(-0.22)), (None, Some(1), Some(1)));
        assert_eq!(together(&[]), None);
    }
}
