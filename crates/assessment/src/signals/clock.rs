//! A clock beyond its limit, and what that cost where prices depend on the time.
//!
//! Offsets come from messages (`metrology::clock`). The median of a few charges in a row counts, so that one late
//! message accuses nobody.

use jiff::{SignedDuration, Timestamp};
use veripile_metrology::crossing::to_f64;

use super::registers::{exact, hours};
use super::world::{World, median};
use super::{Code, Finding, Phrase, PricePeriod, Settings, Severity, SignalCharge};

/// Charges in a row whose median counts; the rows end with the newest charge.
const ROW: usize = 5;

/// Offsets of a slope at most, the last ones: all pairs are looked at.
const SLOPE_POINTS_MAX: usize = 200;

/// Hours of time without which there is no slope.
const SLOPE_HOURS_MIN: f64 = 24.0;

/// Looks at every pile.
pub(super) fn find(world: &World<'_>, settings: &Settings) -> Vec<Finding> {
    (0..world.piles.len()).filter_map(|pile| found(world, pile, settings)).collect()
}

fn found(world: &World<'_>, pile: usize, settings: &Settings) -> Option<Finding> {
    let offsets: Vec<(usize, f64)> = world.by_pile[pile]
        .iter()
        .filter_map(|index| Some((*index, world.charges[*index].clock_offset_s?)))
        .filter(|(_, offset)| offset.is_finite())
        .collect();
    let rows: Vec<(f64, &[(usize, f64)])> =
        offsets.rchunks_exact(ROW).map(|row| (middle(row), row)).collect();
    let beyond: Vec<&(f64, &[(usize, f64)])> =
        rows.iter().filter(|(offset, _)| settings.clock_limit_s < offset.abs()).collect();
    let worst = beyond.iter().map(|(offset, _)| *offset).max_by(|a, b| a.abs().total_cmp(&b.abs()))?;
    let charges: Vec<usize> =
        beyond.iter().flat_map(|(_, row)| row.iter().map(|(index, _)| *index)).collect();
    let money =
        offsets.iter().filter_map(|(index, offset)| overpaid(&world.charges[*index], *offset)).sum::<f64>();
    let off =
        Phrase::ClockOff { offset: format!("{worst:+.0}"), limit: format!("{:.0}", settings.clock_limit_s) };
    let mut said = vec![off];
    said.extend(slope(world, &offsets).map(|slope| Phrase::ClockDrift { slope: format!("{slope:+.1}") }));
    if money != 0.0 {
        said.push(Phrase::ClockCost { amount: format!("{money:+.2}") });
    }
    Some(Finding {
        severity: if 0.0 < money { Severity::Critical } else { Severity::Warning },
        said,
        ..exact(world, pile, Code::Clock, worst, &charges)
    })
}

fn middle(row: &[(usize, f64)]) -> f64 {
    let mut offsets: Vec<f64> = row.iter().map(|(_, offset)| *offset).collect();
    median(&mut offsets).unwrap_or(0.0)
}

/// Median of the slopes of all pairs (Theil and Sen), seconds a day.
fn slope(world: &World<'_>, offsets: &[(usize, f64)]) -> Option<f64> {
    let last = &offsets[offsets.len().saturating_sub(SLOPE_POINTS_MAX)..];
    let at = |index: usize| world.charges[index].started_at;
    let mut slopes = Vec::new();
    for (place, (before, from)) in last.iter().enumerate() {
        for (after, to) in &last[place + 1..] {
            let hours = hours(at(*before), at(*after));
            if SLOPE_HOURS_MIN <= hours {
                slopes.push((to - from) / (hours / 24.0));
            }
        }
    }
    median(&mut slopes)
}

/// What a customer paid too much because the pile's clock applied prices of other hours.
///
/// # Formula
/// `E (p̄[s, e] − p̄[s − o, e − o])`: the mean price over the charge by the pile's clock less that by true time, with
/// the power even over the charge, which is what is known. None where prices do not cover both.
fn overpaid(charge: &SignalCharge<'_>, offset_s: f64) -> Option<f64> {
    let prices = charge.bill?.prices;
    let offset = SignedDuration::try_from_secs_f64(offset_s).ok()?;
    let truly = |at: Timestamp| at.checked_sub(offset).ok();
    let applied = mean_price(prices, charge.started_at, charge.ended_at)?;
    let owed = mean_price(prices, truly(charge.started_at)?, truly(charge.ended_at)?)?;
    Some(to_f64(charge.energy_pile_kwh) * (applied - owed))
}

fn mean_price(prices: &[PricePeriod], from: Timestamp, to: Timestamp) -> Option<f64> {
    let whole = hours(from, to);
    let (mut sum, mut covered) = (0.0, 0.0);
    for price in prices {
        let part = hours(price.from.max(from), price.to.min(to));
        sum += part * to_f64(price.price_per_kwh);
        covered += part;
    }
    // A second in a million may be lost to floats, no price period is.
    (0.0 < whole && (covered / whole - 1.0).abs() < 1e-6).then(|| sum / covered)
}
