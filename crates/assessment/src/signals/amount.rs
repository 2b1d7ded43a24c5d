//! Bills that are not energy times tariff, or whose parts are not the energy of the charge. Exact, in decimals.

use rust_decimal::Decimal;
use veripile_metrology::crossing::to_f64;
use veripile_metrology::payment::{self, Tariffed};

use super::registers::{exact, step};
use super::world::World;
use super::{Code, Finding, Phrase, Severity, SignalCharge};

/// What the parts of a bill may differ from the energy of the charge by, kWh, besides half of each part's last digit: the charge's own
/// rounding to a Wh, or to what its pile tells at the finest.
const PART_ROUNDING_KWH: Decimal = Decimal::from_parts(1, 0, 0, false, 3);

/// Looks at every bill.
pub(super) fn find(world: &World<'_>) -> Vec<Finding> {
    (0..world.piles.len())
        .flat_map(|pile| [wrong_sums(world, pile), wrong_parts(world, pile)])
        .flatten()
        .collect()
}

fn wrong_sums(world: &World<'_>, pile: usize) -> Option<Finding> {
    let wrong = collect(world, pile, |charge| {
        let bill = charge.bill?;
        let checked = payment::check(bill.parts, bill.amount).ok()?;
        (!checked.within).then_some(checked.difference)
    });
    finding(world, pile, &wrong, |count, amount| Phrase::WrongBills { count, amount })
}

fn wrong_parts(world: &World<'_>, pile: usize) -> Option<Finding> {
    let step = step(world.by_pile[pile].iter().map(|index| world.charges[*index].energy_pile_kwh));
    let wrong = collect(world, pile, |charge| {
        let parts = charge.bill?.parts;
        let billed = sum_kwh(parts).filter(|_| !parts.is_empty())?;
        let difference = billed.checked_sub(charge.energy_pile_kwh)?;
        let halves = parts.iter().map(|part| Decimal::new(5, (part.energy_kwh.scale() + 1).min(28)));
        let rounding = halves.fold(PART_ROUNDING_KWH, Decimal::saturating_add);
        (rounding.max(step) < difference.abs()).then_some(difference)
    });
    finding(world, pile, &wrong, |count, kwh| Phrase::WrongParts { count, kwh })
}

fn sum_kwh(parts: &[Tariffed]) -> Option<Decimal> {
    parts.iter().try_fold(Decimal::ZERO, |sum, part| sum.checked_add(part.energy_kwh))
}

fn collect(
    world: &World<'_>,
    pile: usize,
    difference: impl Fn(&SignalCharge<'_>) -> Option<Decimal>,
) -> Vec<(usize, Decimal)> {
    let wrong = |index: &usize| Some((*index, difference(&world.charges[*index])?));
    world.by_pile[pile].iter().filter_map(wrong).collect()
}

fn finding(
    world: &World<'_>,
    pile: usize,
    wrong: &[(usize, Decimal)],
    say: impl Fn(String, String) -> Phrase,
) -> Option<Finding> {
    let sum = wrong.iter().fold(Decimal::ZERO, |sum, (_, difference)| sum.saturating_add(*difference));
    let charges: Vec<usize> = wrong.iter().map(|(index, _)| *index).collect();
    (!wrong.is_empty()).then(|| Finding {
        severity: if Decimal::ZERO < sum { Severity::Critical } else { Severity::Warning },
        said: vec![say(wrong.len().to_string(), sum.to_string())],
        ..exact(world, pile, Code::Amount, to_f64(sum), &charges)
    })
}
