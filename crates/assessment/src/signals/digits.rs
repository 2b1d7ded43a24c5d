//! Last digits that are not as equal as chance makes them.
//!
//! Weak evidence: a meter whose pulse is not a whole number of steps has favourite digits too. So a pile is held
//! against others of its model where there are any, and a finding says so.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use veripile_metrology::chi_square::{Fitness, homogeneity, uniformity};

use super::forgery::{decimals, may_be_forged};
use super::world::{World, first};
use super::{Code, Finding, Phrase, Severity, Subject};

/// Digits from which they are counted.
const DIGITS_MIN: usize = 100;

/// Values of fewer steps than this have first digits, not last ones: sizes of charges would show.
const STEPS_MIN: i64 = 500;

/// Asks every pile, of its own register and of the vehicle values that it relayed.
pub(super) fn ask(world: &World<'_>) -> Vec<Finding> {
    let own = |index: usize| Some(world.charges[index].energy_pile_kwh);
    let relayed = |index: usize| {
        let charge = &world.charges[index];
        charge.energy_vehicle_kwh.filter(|_| may_be_forged(charge))
    };
    let mut all = asked(world, Code::DigitPreference, own, |[count, of, digit]| Phrase::DigitBilled {
        count,
        of,
        digit,
    });
    all.extend(asked(world, Code::ForgedVehicleData, relayed, |[count, of, digit]| Phrase::DigitRelayed {
        count,
        of,
        digit,
    }));
    all
}

fn asked(
    world: &World<'_>,
    code: Code,
    value: impl Fn(usize) -> Option<Decimal>,
    say: fn([String; 3]) -> Phrase,
) -> Vec<Finding> {
    let counted: Vec<Option<Counted>> =
        world.by_pile.iter().map(|charges| Counted::of(world, charges, &value)).collect();
    let of_model = by_model(world, &counted);
    let ask = |(pile, counted): (usize, &Option<Counted>)| {
        let counted = counted.as_ref()?;
        let even = uniformity(&counted.counts)?;
        let peers = world.piles[pile].model.as_ref().and_then(|model| of_model.get(model.as_str()));
        // Against the model's other piles; the larger probability counts, for either would be an honest explanation.
        let fit = match peers.and_then(|peers| counted.against(peers)) {
            Some(other) if even.p_value < other.p_value => other,
            _ => even,
        };
        Some(finding(world, pile, code, counted, &fit, say))
    };
    counted.iter().enumerate().filter_map(ask).collect()
}

fn finding(
    world: &World<'_>,
    pile: usize,
    code: Code,
    counted: &Counted,
    fit: &Fitness,
    say: fn([String; 3]) -> Phrase,
) -> Finding {
    let (digit, most) = counted
        .counts
        .iter()
        .enumerate()
        .max_by_key(|(digit, count)| (**count, 9 - digit))
        .map_or((0, 0), |(digit, count)| (digit, *count));
    let (from, to) = world.span(counted.charges.iter().map(|(charge, _)| *charge));
    let with_it = counted.charges.iter().filter(|(_, last)| *last == digit).map(|(charge, _)| *charge);
    Finding {
        subject: Subject::Pile(pile),
        code,
        severity: Severity::Info,
        statistic: fit.statistic,
        p_value: Some(fit.p_value),
        from,
        to,
        said: vec![say([most, counted.charges.len(), digit].map(|number| number.to_string()))],
        evidence: first(with_it),
    }
}

/// Last digits of a pile.
struct Counted {
    counts: [usize; 10],
    charges: Vec<(usize, usize)>,
}

impl Counted {
    /// At the finest decimal that a quarter of an outlet's values use: outlets of one pile have meters of their own, and in the
    /// field one of 0.001 beside one of 0.01 kWh (Perth and Kinross 2016–2018, charger 51517) looks like a heap of zeros.
    fn of(world: &World<'_>, charges: &[usize], value: &impl Fn(usize) -> Option<Decimal>) -> Option<Self> {
        let mut outlets: BTreeMap<u32, Vec<(usize, Decimal)>> = BTreeMap::new();
        for charge in charges {
            if let Some(value) = value(*charge) {
                outlets.entry(world.charges[*charge].outlet).or_default().push((*charge, value));
            }
        }
        let mut counted = Self { counts: [0; 10], charges: Vec::new() };
        for values in outlets.values() {
            let scale = decimals(values.iter().map(|(_, value)| *value))?;
            for (charge, value) in values {
                let steps = steps(*value, scale).filter(|steps| STEPS_MIN <= *steps);
                if let Some(digit) = steps.map(|steps| (steps % 10) as usize) {
                    counted.counts[digit] += 1;
                    counted.charges.push((*charge, digit));
                }
            }
        }
        (DIGITS_MIN <= counted.charges.len()).then_some(counted)
    }

    /// Against the other piles of a model: none if it has no others, or too few.
    fn against(&self, of_model: &[usize; 10]) -> Option<Fitness> {
        let mut others = *of_model;
        for (others, own) in others.iter_mut().zip(self.counts) {
            *others -= own;
        }
        homogeneity(&self.counts, &others)
    }
}

/// A value in steps of its last decimal; none where finer decimals are left, for then its scale is not this.
fn steps(value: Decimal, scale: u32) -> Option<i64> {
    let value = value.normalize();
    if scale < value.scale() {
        return None;
    }
    let factor = 10i64.checked_pow(scale - value.scale())?;
    i64::try_from(value.mantissa()).ok()?.checked_mul(factor)
}

fn by_model<'w>(world: &'w World<'_>, counted: &[Option<Counted>]) -> BTreeMap<&'w str, [usize; 10]> {
    let mut of_model: BTreeMap<&str, [usize; 10]> = BTreeMap::new();
    for (pile, counted) in world.piles.iter().zip(counted) {
        if let (Some(model), Some(counted)) = (&pile.model, counted) {
            let sums = of_model.entry(model.as_str()).or_default();
            for (sum, count) in sums.iter_mut().zip(counted.counts) {
                *sum += count;
            }
        }
    }
    of_model
}
