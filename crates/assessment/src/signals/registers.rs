//! The register's continuity: what it did between charges, and whether its difference is what was billed. Exact, in
//! decimals.
//!
//! Only lifetime registers come here (see [`SignalCharge::register_start_kwh`]). [`Gap`] is used by `silence` as well.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;
use veripile_metrology::crossing::{from_f64, to_f64};

use super::world::{World, first};
use super::{Code, Finding, Phrase, Settings, Severity, Subject};

/// Start and stop registers are whole Wh, truncated by some chargers and rounded by others: differences may be off by this
/// much, kWh (see `pile::charge`).
const QUANTISATION_KWH: Decimal = Decimal::from_parts(2, 0, 0, false, 3);

/// A register that falls to less than this share of itself was exchanged or set to zero: people do that, thieves have no use
/// for it.
const RESET_SHARE: Decimal = Decimal::from_parts(1, 0, 0, false, 1);

/// Energy missing between charges that is worth a warning, kWh; below it one message was lost at most.
const MISSING_WARNING_KWH: Decimal = Decimal::from_parts(100, 0, 0, false, 0);

/// Energy that the register counted between two charges of an outlet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Gap {
    /// The charge before.
    pub(super) before: usize,
    /// The charge after.
    pub(super) after: usize,
    /// What no charge tells of, kWh; negative: counted twice.
    pub(super) missing_kwh: Decimal,
}

/// Looks at every outlet.
pub(super) fn find(world: &World<'_>, settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    for pile in 0..world.piles.len() {
        let gaps = gaps(world, pile, settings);
        findings.extend(back(world, pile, &gaps));
        findings.extend(on(world, pile, &gaps));
        findings.extend(mismatch(world, pile));
    }
    findings
}

/// Every pair of charges with registers between which the register went back, or moved on by more than an idle outlet takes and other
/// charges tell of.
pub(super) fn gaps(world: &World<'_>, pile: usize, settings: &Settings) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let mut outlets: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for index in &world.by_pile[pile] {
        outlets.entry(world.charges[*index].outlet).or_default().push(*index);
    }
    for charges in outlets.into_values() {
        let mut before: Option<(usize, Decimal)> = None;
        let mut told_between = Decimal::ZERO;
        for (at, index) in charges.iter().enumerate() {
            let charge = &world.charges[*index];
            if let (Some((last, end)), Some(start)) = (before, charge.register_start_kwh) {
                let missing = missing(world, (last, end), (*index, start), told_between, settings);
                gaps.extend(missing.map(|missing_kwh| Gap { before: last, after: *index, missing_kwh }));
            }
            if charge.register_start_kwh.is_none() && charge.register_end_kwh.is_none() {
                // A charge whose register is not known to be one, or was not told: what it gave is told all the same.
                told_between = told_between.saturating_add(charge.energy_pile_kwh.max(Decimal::ZERO));
            } else {
                before = end(world, &charges[at..]).map(|end| (*index, end));
                told_between = Decimal::ZERO;
            }
        }
    }
    gaps
}

/// What is not told of between the end of one charge and the start of another; none if that is no more than is allowed.
fn missing(
    world: &World<'_>,
    (before, end): (usize, Decimal),
    (after, start): (usize, Decimal),
    told_between: Decimal,
    settings: &Settings,
) -> Option<Decimal> {
    let difference = start.checked_sub(end)?;
    if difference < -QUANTISATION_KWH {
        return Some(difference);
    }
    let idle = hours(world.charges[before].ended_at, world.charges[after].started_at) * settings.standby_kw;
    let allowed = QUANTISATION_KWH.saturating_add(from_f64(idle).unwrap_or_default());
    let mut missing = difference.saturating_sub(told_between);
    let outlet = (world.charges[before].pile, world.charges[before].outlet);
    let (from, to) = (end.saturating_sub(QUANTISATION_KWH), start.saturating_add(QUANTISATION_KWH));
    let mut told = world.told_between(outlet, [from, to]).filter(|told| told.end_kwh <= to);
    // Where nothing is missing, nobody else is asked: a charger can tell as many charges as it likes.
    while allowed < missing {
        let Some(told) = told.next() else { return Some(missing) };
        missing = missing.saturating_sub(told.end_kwh.saturating_sub(told.start_kwh));
    }
    None
}

/// Where the register stood after the first of an outlet's charges; none where that is not known, or where it is said to have fallen during
/// the charge and the next one does not confirm that: a value was misread then, or nobody knows yet.
fn end(world: &World<'_>, charges: &[usize]) -> Option<Decimal> {
    let (first, later) = charges.split_first()?;
    let charge = &world.charges[*first];
    let end = charge.register_end_kwh?;
    let Some(start) = charge.register_start_kwh.filter(|start| fell_by(*start, end).is_some()) else {
        return Some(end);
    };
    let next = later.iter().find_map(|index| world.charges[*index].register_start_kwh)?;
    fell_by(start, next).map(|_| end)
}

/// By how much a register fell, more than rounding explains.
fn fell_by(before: Decimal, after: Decimal) -> Option<Decimal> {
    before.checked_sub(after).filter(|fall| QUANTISATION_KWH < *fall)
}

/// Charges of each outlet with a register, by time.
pub(super) fn outlets(world: &World<'_>, pile: usize) -> BTreeMap<u32, Vec<usize>> {
    let mut outlets: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for index in &world.by_pile[pile] {
        let charge = &world.charges[*index];
        if charge.register_start_kwh.is_some() || charge.register_end_kwh.is_some() {
            outlets.entry(charge.outlet).or_default().push(*index);
        }
    }
    outlets
}

/// A fall of the register, between charges or within one.
struct Fall {
    charges: Vec<usize>,
    fall_kwh: Decimal,
    stands_at: Decimal,
}

impl Fall {
    /// Exchanged or set to zero.
    fn is_reset(&self) -> bool {
        self.stands_at < self.stands_at.saturating_add(self.fall_kwh).saturating_mul(RESET_SHARE)
    }
}

/// The register went back: what it counts again is billed again. Resets are told apart.
fn back(world: &World<'_>, pile: usize, gaps: &[Gap]) -> Vec<Finding> {
    let between = gaps.iter().filter(|gap| gap.missing_kwh < Decimal::ZERO).map(|gap| Fall {
        charges: vec![gap.before, gap.after],
        fall_kwh: -gap.missing_kwh,
        stands_at: world.charges[gap.after].register_start_kwh.unwrap_or_default(),
    });
    let within = outlets(world, pile).into_values().flat_map(|charges| {
        let fall = |at: usize| {
            let charge = &world.charges[charges[at]];
            let stands_at = end(world, &charges[at..])?;
            let fall_kwh = fell_by(charge.register_start_kwh?, stands_at)?;
            Some(Fall { charges: vec![charges[at]], fall_kwh, stands_at })
        };
        (0..charges.len()).filter_map(fall).collect::<Vec<_>>()
    });
    let (resets, falls): (Vec<Fall>, Vec<Fall>) = between.chain(within).partition(Fall::is_reset);
    let fell = fell(world, pile, &falls, Severity::Critical, |[count, kwh, from, to]| Phrase::RegisterFell {
        count,
        kwh,
        from,
        to,
    });
    let reset = self::fell(world, pile, &resets, Severity::Info, |[count, kwh, from, to]| {
        Phrase::RegisterReset { count, kwh, from, to }
    });
    fell.into_iter().chain(reset).collect()
}

fn fell(
    world: &World<'_>,
    pile: usize,
    falls: &[Fall],
    severity: Severity,
    say: fn([String; 4]) -> Phrase,
) -> Option<Finding> {
    let sum = falls.iter().fold(Decimal::ZERO, |sum, fall| sum.saturating_add(fall.fall_kwh));
    let charges: Vec<usize> = falls.iter().flat_map(|fall| fall.charges.iter().copied()).collect();
    let largest = falls.iter().max_by_key(|fall| fall.fall_kwh)?;
    let was_at = largest.stands_at.saturating_add(largest.fall_kwh);
    Some(Finding {
        severity,
        said: vec![say([
            falls.len().to_string(),
            sum.to_string(),
            was_at.to_string(),
            largest.stands_at.to_string(),
        ])],
        ..exact(world, pile, Code::RegisterRollback, to_f64(sum), &charges)
    })
}

/// The register went on while nothing was told.
fn on(world: &World<'_>, pile: usize, gaps: &[Gap]) -> Option<Finding> {
    let gaps: Vec<&Gap> = gaps.iter().filter(|gap| Decimal::ZERO < gap.missing_kwh).collect();
    let missing = gaps.iter().fold(Decimal::ZERO, |sum, gap| sum.saturating_add(gap.missing_kwh));
    let charges: Vec<usize> = gaps.iter().flat_map(|gap| [gap.before, gap.after]).collect();
    (!gaps.is_empty()).then(|| Finding {
        severity: if MISSING_WARNING_KWH <= missing { Severity::Warning } else { Severity::Info },
        said: vec![Phrase::RegisterWentOn { kwh: missing.to_string(), gaps: gaps.len().to_string() }],
        ..exact(world, pile, Code::RegisterGap, to_f64(missing), &charges)
    })
}

/// The register's difference is not what was billed.
fn mismatch(world: &World<'_>, pile: usize) -> Option<Finding> {
    let charges = || world.by_pile[pile].iter().map(|index| &world.charges[*index]);
    let registers = charges().flat_map(|charge| [charge.register_start_kwh, charge.register_end_kwh]);
    let resolution = step(charges().map(|charge| charge.energy_pile_kwh))
        .saturating_add(step(registers.flatten()))
        .max(QUANTISATION_KWH);
    let differences: Vec<(usize, Decimal)> = world.by_pile[pile]
        .iter()
        .filter_map(|index| {
            let charge = &world.charges[*index];
            let (start, end) = (charge.register_start_kwh?, charge.register_end_kwh?);
            let difference = charge.energy_pile_kwh.checked_sub(end.checked_sub(start)?)?;
            (resolution < difference.abs()).then_some((*index, difference))
        })
        .collect();
    let sum = differences.iter().fold(Decimal::ZERO, |sum, (_, kwh)| sum.saturating_add(*kwh));
    let charges: Vec<usize> = differences.iter().map(|(index, _)| *index).collect();
    (!charges.is_empty()).then(|| Finding {
        severity: if Decimal::ZERO < sum { Severity::Critical } else { Severity::Warning },
        said: vec![Phrase::BilledOtherwise { count: charges.len().to_string(), kwh: sum.to_string() }],
        ..exact(world, pile, Code::RegisterMismatch, to_f64(sum), &charges)
    })
}

/// The last decimal that a pile gives its values with, kWh: the finest of all, since what is kept in Wh has lost what it ended in. 10,000 Wh are
/// 10 kWh, and only a pile that never tells less has steps of 1 kWh.
pub(super) fn step(values: impl Iterator<Item = Decimal>) -> Decimal {
    Decimal::new(1, values.map(|value| value.scale()).max().unwrap_or(0))
}

/// An exact finding, yet without words.
pub(super) fn exact(
    world: &World<'_>,
    pile: usize,
    code: Code,
    statistic: f64,
    charges: &[usize],
) -> Finding {
    let (from, to) = world.span(charges.iter().copied());
    Finding {
        subject: Subject::Pile(pile),
        code,
        severity: Severity::Info,
        statistic,
        p_value: None,
        from,
        to,
        said: Vec::new(),
        evidence: first(charges.iter().copied()),
    }
}

/// Hours between two moments, none before.
pub(super) fn hours(from: Timestamp, to: Timestamp) -> f64 {
    (to.duration_since(from).as_secs_f64() / 3600.0).max(0.0)
}
