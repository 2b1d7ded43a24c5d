//! Signed records that turn up twice, and keys that sign at two places. Exact.

use std::collections::BTreeMap;

use super::registers::exact;
use super::world::World;
use super::{Code, Finding, Phrase, Severity, SignalCharge};

/// Looks at every record and key.
pub(super) fn find(world: &World<'_>) -> Vec<Finding> {
    let mut findings = replayed(world);
    findings.extend(shared_keys(world));
    findings
}

/// One finding for each pile that told a record which is also told elsewhere, or twice.
fn replayed(world: &World<'_>) -> Vec<Finding> {
    let mut of_pile: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for charges in grouped(world, |charge| charge.record_digest).into_values().filter(|all| 1 < all.len()) {
        for charge in charges {
            of_pile.entry(world.charges[charge].pile).or_default().push(charge);
        }
    }
    let replayed = of_pile.into_iter().map(|(pile, charges)| Finding {
        severity: Severity::Critical,
        said: vec![Phrase::RecordTwice { count: charges.len().to_string() }],
        ..exact(world, pile, Code::ReplayedRecord, charges.len() as f64, &charges)
    });
    replayed.collect()
}

/// A key of one meter signs for several piles: at the same time none can be honest, one after the other a meter has moved.
fn shared_keys(world: &World<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for charges in grouped(world, |charge| charge.signature_key).into_values() {
        let mut of_pile: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for charge in charges {
            of_pile.entry(world.charges[charge].pile).or_default().push(charge);
        }
        if of_pile.len() < 2 {
            continue;
        }
        let at_once = overlap(world, &of_pile);
        let names: Vec<&str> = of_pile.keys().map(|pile| world.piles[*pile].pile_id.as_str()).collect();
        for (pile, charges) in &of_pile {
            let others: Vec<&str> = names
                .iter()
                .copied()
                .filter(|name| *name != world.piles[*pile].pile_id.as_str())
                .take(3)
                .collect();
            let piles = others.join(", ");
            let (severity, said) = if at_once {
                (Severity::Critical, Phrase::KeyAtOnce { piles })
            } else {
                (Severity::Info, Phrase::KeyMoved { piles })
            };
            findings.push(Finding {
                severity,
                said: vec![said],
                ..exact(world, *pile, Code::ReplayedRecord, of_pile.len() as f64, charges)
            });
        }
    }
    findings
}

/// Whether the times in which piles used a key overlap.
fn overlap(world: &World<'_>, of_pile: &BTreeMap<usize, Vec<usize>>) -> bool {
    let mut spans: Vec<_> = of_pile
        .values()
        .filter_map(|charges| match world.span(charges.iter().copied()) {
            (Some(from), Some(to)) => Some((from, to)),
            _ => None,
        })
        .collect();
    spans.sort_unstable();
    spans.windows(2).any(|pair| pair[1].0 < pair[0].1)
}

fn grouped(
    world: &World<'_>,
    key: impl Fn(&SignalCharge<'_>) -> Option<[u8; 32]>,
) -> BTreeMap<[u8; 32], Vec<usize>> {
    let mut groups: BTreeMap<[u8; 32], Vec<usize>> = BTreeMap::new();
    for (index, charge) in world.charges.iter().enumerate() {
        if let Some(key) = key(charge) {
            groups.entry(key).or_default().push(index);
        }
    }
    groups
}
