//! Clusters of a network: instruments that travellers mostly compare with each other, as those of a city are.
//!
//! Used by [`super::probe`] where the covariance is too large to be had whole: what the instruments of a cluster have in common is
//! solved for, and only the rest is probed. Any clusters give right variances; good ones give them with less noise. And by
//! [`super::communities`]. It estimates nothing.

use super::layout::Layout;
use super::members::Members;

/// Clusters of one set at most, the largest; what is left is one more. Each takes a solution of its own.
const CLUSTERS_MAX: usize = 127;

/// Rounds in which labels spread; cities are found in three or four.
const ROUNDS: usize = 8;

/// 2³²/φ, odd: times this, numbers one behind the other lie all over 32 bits.
const SCATTER: u32 = 0x9E37_79B1;

/// Clusters of each connected set that takes part, every instrument of the set in one of them.
///
/// # Method
/// Label propagation (Raghavan, Albert and Kumara 2007) between travellers and instruments in turn: each takes the label that most of
/// its comparisons have, one of them at random, but always the same one, where two are as many: were it the first, the labels of the first city
/// would spread to wherever its travellers went.
pub(super) fn clusters(layout: &Layout, members: &Members) -> Vec<Vec<Vec<usize>>> {
    let labels = labels(layout, members.instrument_set.len(), |_| true);
    let sets = members.sets();
    let split = |instruments: &[usize]| {
        let mut labelled: Vec<(u32, usize)> = instruments.iter().map(|i| (labels[*i], *i)).collect();
        labelled.sort_unstable();
        let mut clusters: Vec<Vec<usize>> = labelled
            .chunk_by(|a, b| a.0 == b.0)
            .map(|cluster| cluster.iter().map(|(_, instrument)| *instrument).collect())
            .collect();
        clusters.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        let rest: Vec<usize> = clusters.drain(CLUSTERS_MAX.min(clusters.len())..).flatten().collect();
        if !rest.is_empty() {
            clusters.push(rest);
        }
        clusters
    };
    sets.iter().map(|set| split(&set.instruments)).collect()
}

/// Label of each instrument, spread by those travellers that `spreads` holds for: the number of one of the instruments.
pub(super) fn labels(layout: &Layout, instruments: usize, spreads: impl Fn(usize) -> bool) -> Vec<u32> {
    let travellers = layout.travellers.len() - 1;
    // Pairs by instrument: traveller and number of comparisons.
    let mut starts = vec![0_usize; instruments + 1];
    let all = |traveller: usize| {
        let pairs = if spreads(traveller) { layout.pairs_of(traveller) } else { 0..0 };
        pairs.map(|pair| (layout.pairs[pair].instrument as usize, layout.comparisons_of(pair).len()))
    };
    for (instrument, _) in (0..travellers).flat_map(all) {
        starts[instrument + 1] += 1;
    }
    for at in 1..starts.len() {
        starts[at] += starts[at - 1];
    }
    let (mut next, mut by_instrument) = (starts.clone(), vec![(0_usize, 0_usize); starts[instruments]]);
    for traveller in 0..travellers {
        for (instrument, count) in all(traveller) {
            by_instrument[next[instrument]] = (traveller, count);
            next[instrument] += 1;
        }
    }
    let mut labels: Vec<u32> = (0..).take(instruments).collect();
    let (mut of_travellers, mut tally) = (vec![0_u32; travellers], Vec::new());
    for _ in 0..ROUNDS {
        let before = labels.clone();
        for (traveller, label) in of_travellers.iter_mut().enumerate() {
            *label = most(
                all(traveller).map(|(instrument, count)| (labels[instrument], count)),
                &mut tally,
                *label,
            );
        }
        for (instrument, label) in labels.iter_mut().enumerate() {
            let pairs = &by_instrument[starts[instrument]..starts[instrument + 1]];
            *label = most(
                pairs.iter().map(|(traveller, count)| (of_travellers[*traveller], *count)),
                &mut tally,
                *label,
            );
        }
        if labels == before {
            break;
        }
    }
    labels
}

/// The label with the largest sum; `without` where there is none.
pub(super) fn most(
    labels: impl Iterator<Item = (u32, usize)>,
    tally: &mut Vec<(u32, usize)>,
    without: u32,
) -> u32 {
    tally.clear();
    tally.extend(labels);
    tally.sort_unstable();
    let sums =
        tally.chunk_by(|a, b| a.0 == b.0).map(|same| (same.iter().map(|(_, n)| n).sum::<usize>(), same[0].0));
    let scattered = |label: u32| label.wrapping_mul(SCATTER);
    sums.max_by_key(|(sum, label)| (*sum, scattered(*label))).map_or(without, |(_, label)| label)
}
