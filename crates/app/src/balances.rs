//! Levels and operators' balances out of an assessment. Called by `assess` and `assess_files`; what they say is decided in
//! `assessment::operators`.

use jiff::Timestamp;
use rust_decimal::Decimal;
use veripile_assessment::operators::{self, OperatorBalance, OperatorPile};
use veripile_assessment::signals::PileLevel;
use veripile_assessment::{Assessment, Stages};
use veripile_pile::Estimate;

/// The level of a grounded estimate.
pub(crate) fn level(estimate: &Estimate) -> Option<PileLevel> {
    match (estimate.grounded, estimate.error, estimate.standard_uncertainty) {
        (true, Some(error), Some(standard_uncertainty)) => Some(PileLevel { error, standard_uncertainty }),
        _ => None,
    }
}

/// A good charge, also where the vehicle said nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sold {
    /// The pile's index in the assessment.
    pub(crate) pile: usize,
    /// When it ended.
    pub(crate) ended_at: Timestamp,
    /// What the pile registered, kWh.
    pub(crate) energy_kwh: Decimal,
}

/// Weighs each operator's errors with the energy sold: of a pile that changed each error with that of its own time, or who turns his piles
/// down a week before would owe nothing, and who turns one up owes for half a year. By pile of the assessment: number of its operator, and
/// price of a kWh; none, or no place in the list: nobody told it.
pub(crate) fn weigh(
    assessment: &Assessment,
    sold: impl Iterator<Item = Sold>,
    operator_of: &[Option<usize>],
    prices: &[Option<Decimal>],
    operators: usize,
) -> Vec<OperatorBalance> {
    let stages = &assessment.stages;
    let energies = energies(stages, sold);
    let (mut at, mut piles, mut lasts) = (Vec::new(), Vec::new(), Vec::new());
    let mut before = None;
    for (index, stage) in stages.all().iter().enumerate() {
        let (Some(operator), Some((error, standard_uncertainty))) = (operator_of[stage.pile], stage.level)
        else {
            continue;
        };
        let pile = OperatorPile {
            operator,
            is_same: before.replace(stage.pile) == Some(stage.pile),
            energy_kwh: energies[index],
            error,
            standard_uncertainty,
            limit: assessment.estimates[stage.pile].1.limit,
            price_per_kwh: prices.get(stage.pile).copied().flatten(),
        };
        at.push(index);
        piles.push(pile);
        lasts.extend(stage.is_last.then_some(pile));
    }
    // Where a covariance cannot be had, nothing is certain.
    let covariance_times = |weights: &[f64]| {
        let mut all = vec![0.0; stages.all().len()];
        at.iter().zip(weights).for_each(|(index, weight)| all[*index] = *weight);
        let product = stages.covariance_times(&all);
        product.map_or_else(
            || vec![f64::INFINITY; at.len()],
            |product| at.iter().map(|index| product[*index]).collect(),
        )
    };
    let spread = operators::population_spread(&lasts);
    operators::balance(&piles, operators, &covariance_times, spread)
}

/// Energy registered in each stage, kWh.
fn energies(stages: &Stages, sold: impl Iterator<Item = Sold>) -> Vec<Decimal> {
    let mut energies = vec![Decimal::ZERO; stages.all().len()];
    for charge in sold {
        let energy = &mut energies[stages.at(charge.pile, charge.ended_at)];
        *energy = energy.saturating_add(charge.energy_kwh);
    }
    energies
}

#[cfg(test)]
mod tests {
    use veripile_assessment::evidence::COVARIATES_MAX;
    use veripile_assessment::{Anchor, ComparableCharge, Evidence, PileFact, assess};
    use veripile_metrology::comparison::Settings;
    use veripile_pile::{AccuracyClass, PileId, PileKind};

    use super::*;

    /// Ten charges of some 30 kWh a day for thirty days at each of three piles, by ten vehicles that read 30.003 kWh. The first was
    /// measured on site and is right, as the second; of the third so many percent more are registered, by day.
    fn evidence(percent: impl Fn(i64) -> i64) -> Evidence {
        let at = |day: i64| Timestamp::from_second(1_770_000_000 + day * 86_400).expect("in range");
        let charge = |(visit, pile): (i64, usize)| {
            let wobble = Decimal::new((visit * 7 + 3 * pile as i64) % 11 - 5, 0) * Decimal::new(4, 2);
            let more = if pile == 2 { percent(visit % 30) } else { 0 };
            ComparableCharge {
                pile,
                vehicle: (visit % 10) as usize,
                ended_at: at(visit % 30),
                lasted_s: 0,
                energy_pile_kwh: (Decimal::from(30) + wobble) * Decimal::new(100 + more, 2),
                energy_vehicle_kwh: Decimal::new(30_003, 3),
                path: None,
                covariates: [f32::NAN; COVARIATES_MAX],
            }
        };
        let pile = |id: &str| PileFact {
            pile_id: PileId::parse(id).expect("literal"),
            kind: Some(PileKind::Dc),
            class: AccuracyClass(Decimal::ONE),
        };
        Evidence {
            as_of: at(40),
            piles: ["A", "B", "C"].map(pile).to_vec(),
            vehicle_models: vec![None; 10],
            charges: (0..300).flat_map(|visit| [0, 1, 2].map(|pile| charge((visit, pile)))).collect(),
            anchors: vec![Anchor {
                pile: 0,
                outlet: None,
                at: at(1),
                error_percent: Decimal::ZERO,
                expanded_uncertainty_percent: Decimal::new(15, 2),
                coverage_factor: Decimal::TWO,
            }],
            ..Evidence::default()
        }
    }

    // By hand: 10 charges of 31.2 kWh a day are 12 kWh too much a day: 60 kWh of five days, 300 of twenty-five. Charged to the whole month by
    // what it is at its end it were 350, or nothing.
    #[test]
    fn a_pile_owes_by_what_it_was_when_it_sold() {
        let excess = |percent: &dyn Fn(i64) -> i64| {
            let evidence = evidence(percent);
            let assessment = assess(&evidence, &Settings::default()).expect("assessable");
            assert_eq!(assessment.steps.len(), 1, "{:?}", assessment.steps);
            let sold = evidence.charges.iter().map(|charge| Sold {
                pile: charge.pile,
                ended_at: charge.ended_at,
                energy_kwh: charge.energy_pile_kwh,
            });
            let found = weigh(&assessment, sold, &[None, None, Some(0)], &[], 1).remove(0);
            let all = Decimal::from(300 * 30);
            assert!(found.piles == 1 && all < found.energy_kwh, "every charge counts: {found:?}");
            found.excess_kwh.expect("a level")
        };
        let up = excess(&|day| if day < 25 { 0 } else { 4 });
        assert!(up.lower < 60.0 && 60.0 < up.upper && up.upper < 150.0, "{up:?}");
        let down = excess(&|day| if day < 25 { 4 } else { 0 });
        assert!(down.lower < 300.0 && 300.0 < down.upper && 210.0 < down.lower, "{down:?}");
    }
}
