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

/// So many standard uncertainties of their difference two results of one outlet may lie apart without a change, as in [`crate::levels`]: at two,
/// one in twenty honest piles that were measured again would be another.
const CHANGED_FROM: f64 = 3.0;

/// An on-site result as it counts at a moment: of one outlet, or, without one, of the whole pile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    /// The outlet.
    pub(crate) outlet: Option<u32>,
    /// ln(1 + e).
    pub(crate) log_error: f64,
    /// Its standard uncertainty, with the drift since.
    pub(crate) standard_uncertainty: f64,
}

/// What the results of a pile say of it together.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Together {
    /// ln(1 + e).
    pub(crate) log_error: f64,
    /// Its standard uncertainty.
    pub(crate) standard_uncertainty: f64,
    /// Places of the results that it is made of, ascending: the newest of each outlet.
    pub(crate) of: Vec<usize>,
    /// Place of the result since which the pile is another than before.
    pub(crate) changed: Option<usize>,
}

/// What a pile's results, in the order of time, say of it together; none without a result.
///
/// Of each outlet the newest counts. A result without an outlet speaks of the whole pile, so of every outlet; where no result names one,
/// the newest of all counts. The pile is another than before where two results of one outlet that follow each other differ by more than
/// their uncertainties together (|E_n| > 1.5), as after a repair; that two outlets differ says nothing of the kind.
///
/// # Formula
/// With energies' shares w_o of the outlets, which nobody knows for charges to come, the pile's error over its charges is the mixture
/// `e = Σ w_o e_o`. The mean `x̄` of the n outlets' results stands for it. Whatever the shares, e is no further from `x̄` than
/// `a = max |x_o − x̄|` (two outlets: half their spread); nothing being known of where in between, that is a rectangular distribution
/// (JCGM 100, 4.3.7). One standard measured all outlets, so their uncertainties are common and do not shrink with n:
/// `u² = ((1/n) Σ u_o)² + a²/3`. With `U = 2u` the interval holds e for two outlets at any shares, since `a < 2 a/√3`.
pub(crate) fn together(found: &[Found]) -> Option<Together> {
    let named: BTreeSet<u32> = found.iter().filter_map(|result| result.outlet).collect();
    let outlets = if named.is_empty() { vec![None] } else { named.into_iter().map(Some).collect() };
    let (mut newest, mut changed) = (Vec::with_capacity(outlets.len()), None);
    for outlet in outlets {
        let speaks = |at: &usize| found[*at].outlet.is_none() || found[*at].outlet == outlet;
        let own: Vec<usize> = (0..found.len()).filter(speaks).collect();
        for pair in own.windows(2) {
            let (before, after) = (found[pair[0]], found[pair[1]]);
            let u = libm::hypot(before.standard_uncertainty, after.standard_uncertainty);
            if (after.log_error - before.log_error).abs() > CHANGED_FROM * u {
                changed = changed.max(Some(pair[1]));
            }
        }
        newest.extend(own.last().copied());
    }
    let mean = |value: &dyn Fn(&Found) -> f64| {
        newest.iter().map(|at| value(&found[*at])).sum::<f64>() / newest.len() as f64
    };
    let mut of = newest.clone();
    of.sort_unstable();
    of.dedup();
    let (log_error, standard_uncertainty) = match of[..] {
        [] => return None,
        [only] => (found[only].log_error, found[only].standard_uncertainty),
        _ => {
            let centre = mean(&|result| result.log_error);
            let farthest = of.iter().map(|at| (found[*at].log_error - centre).abs()).fold(0.0, f64::max);
            let own = mean(&|result| result.standard_uncertainty);
            (centre, (own * own + farthest * farthest / 3.0).sqrt())
        }
    };
    Some(Together { log_error, standard_uncertainty, of, changed })
}

/// What the anchors of each pile say [`together`], by pile, with the newest of them, and since when a pile is another than before. An
/// older result of an outlet says nothing of today.
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
        newest.extend(together.of.last().map(|at| (anchors[*at].0, used)));
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
        a.at.cmp(&b.at)
            .then(y.standard_uncertainty.total_cmp(&x.standard_uncertainty))
            .then(x.log_error.total_cmp(&y.log_error))
    });
    anchors
}

/// An anchor as it counts at a moment; none for one measured later, or whose numbers cannot be.
fn found(anchor: &Anchor, as_of: Timestamp) -> Option<Found> {
    let days = as_of.duration_since(anchor.at).as_secs_f64() / 86_400.0;
    let (log_error, u) =
        log_error(anchor.error_percent, anchor.expanded_uncertainty_percent, anchor.coverage_factor)?;
    let variance = u * u + ANCHOR_DRIFT_PER_DAY * days;
    let standard_uncertainty = variance.sqrt();
    (0.0 <= days).then_some(Found { outlet: anchor.outlet, log_error, standard_uncertainty })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(outlet: u32, percent: f64) -> Found {
        Found {
            outlet: Some(outlet).filter(|outlet| *outlet > 0),
            log_error: percent / 100.0,
            standard_uncertainty: 0.000_5,
        }
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
        // Outlet 2 was adjusted by its last result; then the newest of each counts.
        let found = [result(2, 0.9), result(1, 0.2), result(2, 0.3)];
        let pile = together(&found).expect("results");
        assert_eq!((pile.of, pile.changed), (vec![1, 2], Some(2)));
        assert!((pile.log_error - 0.002_5).abs() < 1e-12);
        // A result of the whole pile speaks of each outlet, and a newer one of an outlet follows it.
        let whole = together(&[result(1, 0.2), result(2, 0.3), result(0, 0.25)]).expect("results");
        assert_eq!((whole.of, whole.changed, whole.log_error), (vec![2], None, 0.002_5));
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
