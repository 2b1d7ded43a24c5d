//! Goals of the study: whether what was observed reaches one, and how much more would tell.
//!
//! Called by [`super::measures`] and [`super::agreement`]. It judges numbers and their intervals only; it observes and computes none.

use serde::Serialize;

use super::measures::{Measure, Unit, interval};

/// Observations beyond which nobody is told how many would tell: no study has so many.
const OBSERVATIONS_MAX: usize = 1_000_000;

/// A goal.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Goal {
    /// At least.
    pub(super) from: f64,
    /// At most.
    pub(super) to: f64,
}

/// Whether a goal is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reached {
    /// The whole interval is within the goal; the number, where it has none.
    Yes,
    /// The interval lies on both sides: more seeds would tell.
    Open,
    /// The whole interval is outside, or the number cannot be had because it is bad.
    No,
}

impl Reached {
    /// Its word in files.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Open => "open",
            Self::No => "no",
        }
    }

    /// None without a goal, or where nobody looked.
    pub(super) fn judge(measure: &Measure) -> Option<Self> {
        let goal = measure.goal?;
        let Some(value) = measure.value else { return measure.lacking.map(|_| Self::No) };
        Some(goal.judge(measure.interval.unwrap_or((value, value))))
    }
}

impl Goal {
    /// Of an interval.
    pub(super) fn judge(self, (low, high): (f64, f64)) -> Reached {
        if self.from <= low && high <= self.to {
            Reached::Yes
        } else if low <= self.to && self.from <= high {
            Reached::Open
        } else {
            Reached::No
        }
    }
}

/// Of an open share: about how many observations would tell, if it stays what it is. None of what is no share, and where a million would not.
pub(super) fn needed(measure: &Measure) -> Option<usize> {
    let (goal, value) = measure.goal.zip(measure.value)?;
    if measure.unit != Unit::Share || measure.reached != Some(Reached::Open) {
        return None;
    }
    let tells = |all: usize| {
        let of = (value * all as f64).round() as usize;
        goal.judge(interval(of, all)) != Reached::Open
    };
    let mut enough = measure.observations.max(1);
    while !tells(enough) {
        enough = enough.checked_mul(2).filter(|all| *all <= OBSERVATIONS_MAX)?;
    }
    let mut too_few = enough / 2;
    while too_few + 1 < enough {
        let middle = too_few.midpoint(enough);
        if tells(middle) { enough = middle } else { too_few = middle }
    }
    Some(enough)
}

#[cfg(test)]
mod tests {
    use super::super::measures::share;
    use super::*;

    fn judged(goal: (f64, f64), of: usize, all: usize) -> (Option<Reached>, Option<usize>) {
        let mut measure =
            Measure { goal: Some(Goal { from: goal.0, to: goal.1 }), ..share("a", "b", "c", of, all) };
        measure.reached = Reached::judge(&measure);
        let needed = needed(&measure);
        (measure.reached, needed)
    }

    // None of n: up to 1 − 0.025^(1/n), so ln 0.025 / ln 0.999 = 3,687.04 for 0.1 %. All of n the same from the other side: ln 0.025 / ln 0.99 = 367.04.
    #[test]
    fn none_of_sixty_is_no_proof_of_one_in_a_thousand() {
        assert_eq!(judged((0.0, 0.001), 0, 58), (Some(Reached::Open), Some(3_688)));
        assert_eq!(judged((0.0, 0.001), 0, 3_687).0, Some(Reached::Open));
        assert_eq!(judged((0.0, 0.001), 0, 3_688), (Some(Reached::Yes), None));
        assert_eq!(judged((0.99, 1.0), 36, 36), (Some(Reached::Open), Some(368)));
        // 2 of 40: from 0.61 % to 16.9 %, as below.
        assert_eq!(judged((0.0, 0.006), 2, 40).0, Some(Reached::No));
        assert_eq!(judged((0.0, 0.007), 2, 40).0, Some(Reached::Open));
        assert_eq!(judged((0.0, 0.169), 2, 40).0, Some(Reached::Open));
        assert_eq!(judged((0.0, 0.170), 2, 40).0, Some(Reached::Yes));
    }

    // A share at the goal's very edge never tells.
    #[test]
    fn what_no_number_of_seeds_would_tell_says_none() {
        assert_eq!(judged((0.5, 1.0), 10, 20), (Some(Reached::Open), None));
    }

    #[test]
    fn a_number_without_an_interval_is_judged_by_itself() {
        let goal = Goal { from: 0.0, to: 21.0 };
        assert_eq!(
            [20.0, 21.0, 21.5].map(|days| goal.judge((days, days))),
            [Reached::Yes, Reached::Yes, Reached::No]
        );
    }
}
