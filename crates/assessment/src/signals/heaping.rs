//! Errors of an operator's piles that crowd just under the limit: each legal, together no chance.

use std::collections::BTreeMap;

use veripile_metrology::discontinuity::drop_at;

use super::world::{World, median};
use super::{Code, Finding, Phrase, Severity, Subject};

/// Width of the bins beside the limit, as a share of it; wider where estimates are less certain.
const WIDTH_MIN: f64 = 0.2;

/// With wider bins the line through two of them says nothing of the density at the limit.
const WIDTH_MAX: f64 = 0.4;

/// Asks every operator.
pub(super) fn ask(world: &World<'_>) -> Vec<Finding> {
    let mut levels: BTreeMap<usize, Vec<(f64, f64)>> = BTreeMap::new();
    for pile in world.piles {
        if let (Some(operator), Some(level)) = (pile.operator, pile.level) {
            let in_limits = (level.error / pile.limit, level.standard_uncertainty / pile.limit);
            levels.entry(operator).or_default().push(in_limits);
        }
    }
    levels.into_iter().filter_map(|(operator, levels)| asked(operator, &levels)).collect()
}

fn asked(operator: usize, levels: &[(f64, f64)]) -> Option<Finding> {
    let mut uncertainties: Vec<f64> = levels.iter().map(|(_, u)| *u).collect();
    // A break is smeared over some two uncertainties.
    let width = (2.0 * median(&mut uncertainties)?).max(WIDTH_MIN);
    let errors: Vec<f64> = levels.iter().map(|(error, _)| *error).collect();
    let found = drop_at(&errors, 1.0, width).filter(|_| width <= WIDTH_MAX)?;
    let [_, near, above, _] = found.counts;
    Some(Finding {
        subject: Subject::Operator(operator),
        code: Code::Heaping,
        severity: Severity::Warning,
        statistic: found.z,
        p_value: Some(found.p_value),
        from: None,
        to: None,
        said: vec![Phrase::Crowded {
            near: near.to_string(),
            from: format!("{:.0}", 100.0 * (1.0 - width)),
            beyond: above.to_string(),
        }],
        evidence: Vec::new(),
    })
}
