//! Anchors: which on-site results count, which contradict everything else, and what then.
//!
//! Called by [`crate::assess`]. Honest piles must not pay for one wrong or outdated result.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::prelude::ToPrimitive;
use serde::Serialize;
use veripile_metrology::comparison::{self, ComparisonError, Fit, Network, Settings};
use veripile_pile::PileId;

use crate::evidence::{Anchor, Evidence};

/// Drift of a pile's error since its anchor was measured: 0.1 % in a year, as a random walk (fractions² per day).
///
/// Energy meters of class 1 are permitted a fraction of their class between verifications (three years); a tenth of a percent
/// a year is on the safe side for the metering and keeps an old anchor from outweighing fresh ones.
const ANCHOR_DRIFT_PER_DAY: f64 = 0.001 * 0.001 / 365.25;

/// Anchors left out of one assessment; where more are wrong, people must look before anything is said.
const ANCHORS_LEFT_OUT_MAX: usize = 50;

/// An anchor that does not fit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ContradictoryAnchor {
    /// The pile.
    pub pile_id: PileId,
    /// When it was measured.
    pub at: Timestamp,
    /// E_n of the anchor against the estimate without it.
    pub normalised_error: f64,
    /// Whether it gives a level all the same.
    pub is_used: bool,
}

/// The newest anchor of each pile, by pile, and since when a pile is another than before: its last two results differ by more
/// than their uncertainties together (|E_n| > 1), as after a repair. An older result of a pile says nothing of today.
pub(crate) fn newest(
    evidence: &Evidence,
) -> (Vec<(&Anchor, comparison::Anchor)>, BTreeMap<usize, Timestamp>) {
    let mut of_pile: BTreeMap<usize, Vec<(&Anchor, comparison::Anchor)>> = BTreeMap::new();
    for given in &evidence.anchors {
        if let Some(used) = anchor(given, evidence.as_of) {
            of_pile.entry(given.pile).or_default().push((given, used));
        }
    }
    let (mut newest, mut changed) = (Vec::new(), BTreeMap::new());
    for (pile, mut anchors) in of_pile {
        anchors.sort_by(|(a, x), (b, y)| {
            a.at.cmp(&b.at)
                .then(y.standard_uncertainty.total_cmp(&x.standard_uncertainty))
                .then(x.error.total_cmp(&y.error))
        });
        for pair in anchors.windows(2) {
            let [(_, before), (given, after)] = pair else { continue };
            let u = libm::hypot(before.standard_uncertainty, after.standard_uncertainty);
            if (after.error - before.error).abs() > 2.0 * u {
                changed.insert(pile, given.at);
            }
        }
        newest.extend(anchors.pop());
    }
    (newest, changed)
}

/// Anchors that everything else known of their piles contradicts, with the pile's index.
pub(crate) fn contradictory(
    evidence: &Evidence,
    anchors: &[&Anchor],
    fit: &Fit,
) -> Vec<(usize, ContradictoryAnchor)> {
    let contradictory = fit.diagnostics.anchors.iter().filter(|check| check.normalised_error.abs() > 1.0);
    contradictory.map(|check| named(evidence, anchors[check.anchor], check.normalised_error)).collect()
}

/// Leaves out anchors that cannot be right beside the others, and fits again: honest piles must not pay for one wrong result.
///
/// Of three or more in a connected set, the worst goes if its |E_n| > 1.5 (three standard uncertainties), then the next. Of one
/// or two, nobody can say which is wrong: all go, and the set has no level until there is a third. Gives those left out, with
/// their pile's index.
pub(crate) fn agree(
    evidence: &Evidence,
    network: &mut Network,
    anchors: &mut Vec<&Anchor>,
    mut fit: Fit,
    settings: &Settings,
) -> Result<(Fit, Vec<(usize, ContradictoryAnchor)>), ComparisonError> {
    let mut left_out = Vec::new();
    for _ in 0..ANCHORS_LEFT_OUT_MAX {
        let component = |at: usize| fit.instruments[network.anchors[at].instrument].component;
        let peers =
            |of: usize| (0..network.anchors.len()).filter(|at| component(*at) == component(of)).count();
        let limit = |at: usize| if peers(at) == 1 { 1.0 } else { 1.5 };
        let checks = fit.diagnostics.anchors.iter();
        let worst = checks
            .filter(|check| check.normalised_error.abs() > limit(check.anchor))
            .max_by(|a, b| a.normalised_error.abs().total_cmp(&b.normalised_error.abs()))
            .map(|check| check.anchor);
        let Some(worst) = worst else { break };
        let goes: Vec<bool> = (0..network.anchors.len())
            .map(|at| at == worst || (peers(worst) < 3 && component(at) == component(worst)))
            .collect();
        for check in fit.diagnostics.anchors.iter().filter(|check| goes[check.anchor]) {
            let (pile, named) = named(evidence, anchors[check.anchor], check.normalised_error);
            left_out.push((pile, ContradictoryAnchor { is_used: false, ..named }));
        }
        let mut stays = goes.iter().map(|goes| !goes);
        anchors.retain(|_| stays.next().unwrap_or(true));
        let mut stays = goes.iter().map(|goes| !goes);
        network.anchors.retain(|_| stays.next().unwrap_or(true));
        fit = comparison::fit(network, settings)?;
    }
    Ok((fit, left_out))
}

fn named(evidence: &Evidence, anchor: &Anchor, normalised_error: f64) -> (usize, ContradictoryAnchor) {
    let pile_id = evidence.piles[anchor.pile].pile_id.clone();
    (anchor.pile, ContradictoryAnchor { pile_id, at: anchor.at, normalised_error, is_used: true })
}

/// An anchor as it counts at a moment; none for one measured later, or whose numbers cannot be.
///
/// The comparison speaks in logarithms of ratios; errors of indication are relative (§1.2), so `ln(1 + e)` goes in and
/// `exp(…) − 1` comes out. At 4 % the two differ by 0.08 %, as much as a good estimate's uncertainty.
fn anchor(anchor: &Anchor, as_of: Timestamp) -> Option<comparison::Anchor> {
    let days = as_of.duration_since(anchor.at).as_secs_f64() / 86_400.0;
    let percent = |decimal: rust_decimal::Decimal| decimal.to_f64().map(|percent| percent / 100.0);
    let u = percent(anchor.expanded_uncertainty_percent)? / anchor.coverage_factor.to_f64()?;
    let variance = u * u + ANCHOR_DRIFT_PER_DAY * days;
    let usable = 0.0 <= days && 0.0 < u && u.is_finite();
    usable.then_some(comparison::Anchor {
        instrument: anchor.pile,
        error: libm::log1p(percent(anchor.error_percent)?),
        standard_uncertainty: variance.sqrt(),
    })
}
