//! A clock beyond its limit, and what that cost where prices depend on the time.
//!
//! Offsets come from messages (`metrology::clock`). The median of a few charges in a row counts, so that one late
//! message accuses nobody.

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use veripile_metrology::payment::{AMOUNT_ROUNDING, PAY_DECIMALS};
use veripile_metrology::rounding::written_with_sign;

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
    let known: Vec<Decimal> =
        offsets.iter().filter_map(|(index, offset)| overpaid(&world.charges[*index], *offset)).collect();
    let money = known
        .iter()
        .copied()
        .fold(Decimal::ZERO, Decimal::saturating_add)
        .round_dp_with_strategy(PAY_DECIMALS, AMOUNT_ROUNDING);
    let off =
        Phrase::ClockOff { offset: format!("{worst:+.0}"), limit: format!("{:.0}", settings.clock_limit_s) };
    let mut said = vec![off];
    said.extend(slope(world, &offsets).map(|slope| Phrase::ClockDrift { slope: format!("{slope:+.1}") }));
    if !money.is_zero() {
        said.push(Phrase::ClockCost { amount: written_with_sign(money, PAY_DECIMALS) });
        let (count, of) = (known.len().to_string(), offsets.len().to_string());
        said.push(Phrase::ClockCostOf { count, of });
    }
    Some(Finding {
        severity: if Decimal::ZERO < money { Severity::Critical } else { Severity::Warning },
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
fn overpaid(charge: &SignalCharge<'_>, offset_s: f64) -> Option<Decimal> {
    let (started, ended) = (charge.started_at, charge.ended_at);
    let offset = SignedDuration::try_from_secs_f64(offset_s).ok()?;
    let truly = |at: Timestamp| at.checked_sub(offset).ok();
    let applied = price_time(charge.prices, started, ended)?;
    let owed = price_time(charge.prices, truly(started)?, truly(ended)?)?;
    let whole = nanoseconds(started, ended).filter(|whole| Decimal::ZERO < *whole)?;
    applied.checked_sub(owed)?.checked_mul(charge.energy_pile_kwh)?.checked_div(whole)
}

/// Price times time, in nanoseconds, from a moment to another; none where prices leave a part of it out.
fn price_time(prices: &[PricePeriod], from: Timestamp, to: Timestamp) -> Option<Decimal> {
    let (mut sum, mut covered) = (Decimal::ZERO, Decimal::ZERO);
    for price in prices {
        let part = nanoseconds(price.from.max(from), price.to.min(to))?.max(Decimal::ZERO);
        sum = sum.checked_add(part.checked_mul(price.price_per_kwh)?)?;
        covered = covered.checked_add(part)?;
    }
    (nanoseconds(from, to)? == covered).then_some(sum)
}

/// Exactly; below zero where the second is before the first.
fn nanoseconds(from: Timestamp, to: Timestamp) -> Option<Decimal> {
    Decimal::try_from_i128_with_scale(to.duration_since(from).as_nanos(), 0).ok()
}
