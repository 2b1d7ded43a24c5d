//! Signed records that turn up twice, and keys that sign at two places. Exact.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::registers::exact;
use super::world::World;
use super::{Code, Finding, Phrase, Severity, SignalCharge};

/// Other piles that a finding names at most.
const NAMED_MAX: usize = 3;

/// Nobody takes a sealed meter out, mounts it in another pile, lets it charge there and has it back in less than a day: between two charges of a
/// pile that are no further apart it stayed where it was.
const RETURN_LEAST: SignedDuration = SignedDuration::from_hours(24);

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

/// A key of one meter signs for several piles: at the same time none can be honest, one after the other a meter has moved. Said of each pile
/// by its own charges.
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
        let at_once = at_once(stays(world, &of_pile));
        for (pile, charges) in &of_pile {
            let (severity, said) = if let Some(others) = at_once.get(pile) {
                (Severity::Critical, Phrase::KeyAtOnce { piles: names(world, others.iter().copied()) })
            } else {
                let others = of_pile.keys().copied().filter(|other| other != pile);
                (Severity::Info, Phrase::KeyMoved { piles: names(world, others) })
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

fn names(world: &World<'_>, piles: impl Iterator<Item = usize>) -> String {
    let names: Vec<&str> = piles.take(NAMED_MAX).map(|pile| world.piles[pile].pile_id.as_str()).collect();
    names.join(", ")
}

/// A time in which a key was at a pile.
#[derive(Debug, Clone, Copy)]
struct Stay {
    from: Timestamp,
    to: Timestamp,
    pile: usize,
}

/// The times in which a key was at each pile, by their begins: charges less than [`RETURN_LEAST`] apart are one stay, as no meter goes
/// elsewhere and comes back in between.
fn stays(world: &World<'_>, of_pile: &BTreeMap<usize, Vec<usize>>) -> Vec<Stay> {
    let mut stays: Vec<Stay> = Vec::new();
    for (pile, charges) in of_pile {
        let mut times: Vec<(Timestamp, Timestamp)> = charges
            .iter()
            .map(|charge| &world.charges[*charge])
            .map(|charge| (charge.started_at, charge.ended_at))
            .collect();
        times.sort_unstable();
        let first = stays.len();
        for (from, to) in times {
            let goes_on =
                stays[first..].last().is_some_and(|stay| from.duration_since(stay.to) < RETURN_LEAST);
            match stays.last_mut().filter(|_| goes_on) {
                Some(stay) => stay.to = stay.to.max(to),
                None => stays.push(Stay { from, to, pile: *pile }),
            }
        }
    }
    stays.sort_unstable_by_key(|stay| (stay.from, stay.to, stay.pile));
    stays
}

/// Piles at which a key was while it was at another, and at which: so many that can be named.
fn at_once(stays: Vec<Stay>) -> BTreeMap<usize, BTreeSet<usize>> {
    let mut others: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    let is_full = |others: &BTreeMap<usize, BTreeSet<usize>>, pile: usize| {
        others.get(&pile).is_some_and(|named| NAMED_MAX <= named.len())
    };
    // Stays that last, by their ends, and those of them whose pile more others can be named of: a key that a whole make shares has thousands.
    let mut lasting: BTreeSet<(Timestamp, usize)> = BTreeSet::new();
    let mut wanting: BTreeSet<(Timestamp, usize)> = BTreeSet::new();
    for Stay { from, to, pile } in stays {
        for set in [&mut lasting, &mut wanting] {
            while set.first().is_some_and(|(end, _)| *end <= from) {
                set.pop_first();
            }
        }
        for (_, other) in lasting.iter().filter(|(_, other)| *other != pile) {
            if is_full(&others, pile) {
                break;
            }
            others.entry(pile).or_default().insert(*other);
        }
        for (_, other) in wanting.iter().filter(|(_, other)| *other != pile) {
            others.entry(*other).or_default().insert(pile);
        }
        wanting.retain(|(_, other)| !is_full(&others, *other));
        lasting.insert((to, pile));
        if !is_full(&others, pile) {
            wanting.insert((to, pile));
        }
    }
    others
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
