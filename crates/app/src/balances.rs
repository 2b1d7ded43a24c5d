//! Levels and operators' balances out of an assessment. Called by `assess` and `assess_files`; what they say is decided in
//! `assessment::operators`.

use rust_decimal::Decimal;
use veripile_assessment::Assessment;
use veripile_assessment::operators::{self, OperatorBalance, OperatorPile};
use veripile_assessment::signals::PileLevel;
use veripile_pile::Estimate;

/// The level of a grounded estimate.
pub(crate) fn level(estimate: &Estimate) -> Option<PileLevel> {
    match (estimate.grounded, estimate.error, estimate.standard_uncertainty) {
        (true, Some(error), Some(standard_uncertainty)) => Some(PileLevel { error, standard_uncertainty }),
        _ => None,
    }
}

/// Weighs each operator's errors, where no prices are told. By pile of the assessment: number of its operator, and energy registered, kWh.
pub(crate) fn weigh(
    assessment: &Assessment,
    operator_of: &[Option<usize>],
    energies_kwh: &[Decimal],
    operators: usize,
) -> Vec<OperatorBalance> {
    weigh_priced(assessment, operator_of, energies_kwh, &[], operators)
}

/// The same, with prices by pile, a kWh; none, or no place in the list: nobody told it.
pub(crate) fn weigh_priced(
    assessment: &Assessment,
    operator_of: &[Option<usize>],
    energies_kwh: &[Decimal],
    prices: &[Option<Decimal>],
    operators: usize,
) -> Vec<OperatorBalance> {
    let (mut at, mut piles) = (Vec::new(), Vec::new());
    for (index, (_, estimate)) in assessment.estimates.iter().enumerate() {
        let (Some(operator), Some(level)) = (operator_of[index], level(estimate)) else { continue };
        at.push(index);
        piles.push(OperatorPile {
            operator,
            energy_kwh: energies_kwh[index],
            error: level.error,
            standard_uncertainty: level.standard_uncertainty,
            limit: estimate.limit,
            price_per_kwh: prices.get(index).copied().flatten(),
        });
    }
    // Where a covariance cannot be had, nothing is certain.
    let covariance_times = |weights: &[f64]| {
        let mut all = vec![0.0; assessment.estimates.len()];
        at.iter().zip(weights).for_each(|(index, weight)| all[*index] = *weight);
        let product = assessment.covariance.times(&all);
        product.map_or_else(
            || vec![f64::INFINITY; at.len()],
            |product| at.iter().map(|index| product[*index]).collect(),
        )
    };
    let spread = operators::population_spread(&piles);
    operators::balance(&piles, operators, &covariance_times, spread)
}
