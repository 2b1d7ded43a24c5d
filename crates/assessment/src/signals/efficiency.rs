//! A station of DC piles that gives more than converters can, or far less than they should.
//!
//! Needs the station's own meter and the registers of every pile behind it, over the same intervals.

use std::collections::BTreeMap;

use jiff::Timestamp;
use veripile_metrology::crossing::to_f64;
use veripile_metrology::normal::QUANTILE_95;
use veripile_pile::PileKind;

use super::world::World;
use super::{Code, Finding, Phrase, Severity, Subject};

/// No converter of a charging pile gives more of what it takes (metrology.md §3).
const IMPOSSIBLE_ABOVE: f64 = 0.985;

/// None should give less.
const SUSPICIOUS_BELOW: f64 = 0.85;

/// Intervals and energy from which a station is looked at: a day by hours, a few charges.
const INTERVALS_MIN: usize = 24;
const ENERGY_MIN_KWH: f64 = 100.0;

/// Looks at every station whose piles are all DC and all told in an interval.
pub(super) fn find(world: &World<'_>) -> Vec<Finding> {
    let mut piles: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (pile, fact) in world.piles.iter().enumerate() {
        if let Some(station) = fact.station {
            piles.entry(station).or_default().push(pile);
        }
    }
    piles.retain(|_, piles| piles.iter().all(|pile| world.piles[*pile].kind == Some(PileKind::Dc)));
    let intervals = intervals(world, &piles);
    intervals
        .into_iter()
        .filter_map(|(station, intervals)| judged(station, &piles[&station], &intervals))
        .collect()
}

/// What a station took and gave between two moments, kWh.
struct Interval {
    from: Timestamp,
    to: Timestamp,
    taken_kwh: f64,
    given_kwh: f64,
}

fn intervals(world: &World<'_>, piles: &BTreeMap<usize, Vec<usize>>) -> BTreeMap<usize, Vec<Interval>> {
    let given: BTreeMap<(usize, Timestamp, Timestamp), f64> = world
        .evidence
        .registers
        .iter()
        .map(|register| ((register.pile, register.from, register.to), to_f64(register.energy_kwh)))
        .collect();
    let mut intervals: BTreeMap<usize, Vec<Interval>> = BTreeMap::new();
    for master in world.evidence.masters {
        let Some(piles) = piles.get(&master.station) else { continue };
        let parts: Option<Vec<f64>> =
            piles.iter().map(|pile| given.get(&(*pile, master.from, master.to)).copied()).collect();
        if let Some(parts) = parts {
            intervals.entry(master.station).or_default().push(Interval {
                from: master.from,
                to: master.to,
                taken_kwh: to_f64(master.energy_kwh),
                given_kwh: parts.iter().sum(),
            });
        }
    }
    intervals
}

fn judged(station: usize, piles: &[usize], intervals: &[Interval]) -> Option<Finding> {
    let taken: f64 = intervals.iter().map(|interval| interval.taken_kwh).sum();
    let given: f64 = intervals.iter().map(|interval| interval.given_kwh).sum();
    if intervals.len() < INTERVALS_MIN || given < ENERGY_MIN_KWH || taken <= 0.0 {
        return None;
    }
    let ratio = given / taken;
    let sums = (format!("{given:.1}"), format!("{taken:.1}"), format!("{ratio:.3}"));
    let (severity, statistic, said) = if IMPOSSIBLE_ABOVE < ratio {
        let (given, taken, share) = sums;
        let most = IMPOSSIBLE_ABOVE.to_string();
        (Severity::Critical, ratio, Phrase::EfficiencyAbove { given, taken, share, most })
    } else {
        let (marginal, highest) = marginal(intervals)?;
        if SUSPICIOUS_BELOW <= highest {
            return None;
        }
        let (given, taken, share) = sums;
        let (further, least) = (format!("{marginal:.3}"), SUSPICIOUS_BELOW.to_string());
        (Severity::Info, marginal, Phrase::EfficiencyBelow { given, taken, share, further, least })
    };
    let subject = if let [pile] = piles { Subject::Pile(*pile) } else { Subject::Station(station) };
    Some(Finding {
        subject,
        code: Code::Efficiency,
        severity,
        statistic,
        p_value: None,
        from: intervals.iter().map(|interval| interval.from).min(),
        to: intervals.iter().map(|interval| interval.to).max(),
        said: vec![said],
        evidence: Vec::new(),
    })
}

/// Efficiency of a further kWh, and its upper 95 % bound: what lights and fans take at all times does not count
/// against a pile.
///
/// # Formula
/// Least squares `taken = a + given / η`; the slope less 1.645 of its uncertainties gives the largest η.
fn marginal(intervals: &[Interval]) -> Option<(f64, f64)> {
    let n = intervals.len() as f64;
    let mean = |value: fn(&Interval) -> f64| intervals.iter().map(value).sum::<f64>() / n;
    let (x, y) = (mean(|interval| interval.given_kwh), mean(|interval| interval.taken_kwh));
    let (mut square, mut product) = (0.0, 0.0);
    for interval in intervals {
        square += (interval.given_kwh - x).powi(2);
        product += (interval.given_kwh - x) * (interval.taken_kwh - y);
    }
    let slope = product / square;
    let left = |interval: &Interval| interval.taken_kwh - y - slope * (interval.given_kwh - x);
    let rest: f64 = intervals.iter().map(|interval| left(interval).powi(2)).sum();
    let least = slope - QUANTILE_95 * (rest / (n - 2.0) / square).sqrt();
    (0.0 < square && 0.0 < least).then(|| (1.0 / slope, 1.0 / least))
}
