//! Silent when it matters: messages missing in clusters, or around charges with another error.
//!
//! The register's continuity tells which charges were never told of. A lost network makes clusters too, so they are
//! worth knowing; gaps beside charges that err otherwise are more.

use std::collections::BTreeSet;

use rust_decimal::Decimal;
use veripile_metrology::contrast::{Point, contrast};
use veripile_metrology::counting::{runs, runs_at_most};
use veripile_metrology::crossing::to_f64;
use veripile_metrology::normal;

use super::gains::severity;
use super::registers::{self, Gap};
use super::said;
use super::world::{World, first};
use super::{Code, Finding, Phrase, Settings, Severity, Subject};

/// Gaps from which their order says something.
const GAPS_MIN: usize = 5;

/// Share of the energy missing from which clusters are more than a lost network now and then.
const MISSING_SHARE: f64 = 0.05;

/// Asks every pile that has gaps.
pub(super) fn ask(world: &World<'_>, settings: &Settings) -> Vec<Finding> {
    let asked = (0..world.piles.len()).flat_map(|pile| {
        let mut gaps = registers::gaps(world, pile, settings);
        gaps.retain(|gap| Decimal::ZERO < gap.missing_kwh);
        [clustered(world, pile, &gaps), beside(world, pile, &gaps)]
    });
    asked.flatten().collect()
}

/// Too few runs in the sequence of "a gap follows" and "none follows", outlet after outlet.
fn clustered(world: &World<'_>, pile: usize, gaps: &[Gap]) -> Option<Finding> {
    if gaps.len() < GAPS_MIN {
        return None;
    }
    let before: BTreeSet<usize> = gaps.iter().map(|gap| gap.before).collect();
    let outlets = registers::outlets(world, pile);
    let charges: Vec<usize> = outlets.into_values().flatten().collect();
    let sequence: Vec<bool> = charges.iter().map(|index| before.contains(index)).collect();
    let p = runs_at_most(runs(&sequence), gaps.len(), sequence.len() - gaps.len())?;
    let missing: f64 = gaps.iter().map(|gap| to_f64(gap.missing_kwh)).sum();
    let told: f64 = charges.iter().map(|index| to_f64(world.charges[*index].energy_pile_kwh)).sum();
    let share = missing / (missing + told);
    let (from, to) = world.span(gaps.iter().flat_map(|gap| [gap.before, gap.after]));
    Some(Finding {
        subject: Subject::Pile(pile),
        code: Code::Silence,
        severity: if MISSING_SHARE <= share { Severity::Warning } else { Severity::Info },
        statistic: -normal::quantile(p.max(f64::MIN_POSITIVE)),
        p_value: Some(p),
        from,
        to,
        said: vec![Phrase::NeverTold {
            kwh: format!("{missing:.1}"),
            share: format!("{:.1}", 100.0 * share),
            gaps: gaps.len().to_string(),
        }],
        evidence: first(gaps.iter().map(|gap| gap.before)),
    })
}

/// Charges beside a gap err otherwise than the rest.
fn beside(world: &World<'_>, pile: usize, gaps: &[Gap]) -> Option<Finding> {
    let beside: BTreeSet<usize> = gaps.iter().flat_map(|gap| [gap.before, gap.after]).collect();
    let points: Vec<Point> = world.scored[pile]
        .iter()
        .map(|scored| scored.point(f64::from(u8::from(beside.contains(&scored.charge)))))
        .collect();
    let found = contrast(&points, &world.interaction)?;
    let (effect, u) = said::effect((found.effect, found.standard_uncertainty));
    let (from, to) = world.span(gaps.iter().flat_map(|gap| [gap.before, gap.after]));
    Some(Finding {
        subject: Subject::Pile(pile),
        code: Code::Silence,
        severity: severity(found.effect, world.piles[pile].limit),
        statistic: found.t(),
        p_value: Some(found.p_value(found.t())),
        from,
        to,
        said: vec![Phrase::BesideGaps { gaps: gaps.len().to_string(), effect, u }],
        evidence: first(gaps.iter().flat_map(|gap| [gap.before, gap.after])),
    })
}
