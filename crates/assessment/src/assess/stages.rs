//! Times in which a pile was one instrument, each with what the fit says of it: of a pile that changed, also of what it was before.
//!
//! Called by [`super::assess`]. Whoever weighs errors with energies needs each with the energy of its own time. It judges nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;
use veripile_metrology::comparison::{Covariance, Fit};

use super::network::Changes;
use super::verdict::relative;

/// A time in which a pile was one instrument.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stage {
    /// Index of the pile.
    pub pile: usize,
    /// End of its first charge, or an on-site result; none: it is the pile's first.
    pub since: Option<Timestamp>,
    /// Whether the pile still is what it was then.
    pub is_last: bool,
    /// Relative error and its standard uncertainty, fractions; none where there is no level, or nothing is known.
    pub level: Option<(f64, f64)>,
    place: Option<usize>,
}

/// Every pile's stages, by pile and time: one at least of each.
#[derive(Debug)]
pub struct Stages {
    all: Vec<Stage>,
    /// Place of each pile's first.
    firsts: Vec<usize>,
    covariance: Covariance,
    instruments: usize,
}

impl Stages {
    pub(super) fn of(
        places: &[Option<usize>],
        before: &BTreeMap<(usize, usize), usize>,
        changes: &Changes,
        fit: Fit,
    ) -> Self {
        let (mut all, mut firsts) = (Vec::with_capacity(places.len()), Vec::with_capacity(places.len()));
        for (pile, today) in places.iter().enumerate() {
            let moments = changes.get(&pile).map_or(&[][..], Vec::as_slice);
            firsts.push(all.len());
            for stage in 0..=moments.len() {
                let ago = moments.len() - stage;
                let place = if ago == 0 { *today } else { before.get(&(pile, ago)).copied() };
                let found = place.map(|place| &fit.instruments[place]);
                all.push(Stage {
                    pile,
                    since: stage.checked_sub(1).map(|change| moments[change]),
                    is_last: ago == 0,
                    level: found.filter(|found| found.grounded).and_then(relative),
                    place,
                });
            }
        }
        Self { all, firsts, instruments: fit.instruments.len(), covariance: fit.covariance }
    }

    /// All of them.
    pub fn all(&self) -> &[Stage] {
        &self.all
    }

    /// Place of the stage that a pile was in when a charge ended.
    pub fn at(&self, pile: usize, ended_at: Timestamp) -> usize {
        let first = self.firsts[pile];
        let later = self.all[first + 1..].iter().take_while(|stage| stage.pile == pile);
        first + later.take_while(|stage| stage.since <= Some(ended_at)).count()
    }

    /// `Cov a`: of every stage's error with the weighted sum of all; zero for one of which nothing is known. None where it cannot be
    /// computed.
    pub fn covariance_times(&self, weights: &[f64]) -> Option<Vec<f64>> {
        let mut a = vec![0.0; self.instruments];
        for (stage, weight) in self.all.iter().zip(weights) {
            stage.place.iter().for_each(|at| a[*at] = *weight);
        }
        let product = self.covariance.times(&a)?;
        Some(self.all.iter().map(|stage| stage.place.map_or(0.0, |at| product[at])).collect())
    }
}
