//! A second look at energy balances: by how much the losses of piles' own cables differ, and what the balances say then.
//!
//! Called by [`super::assess`] once everything was fitted with what is presumed of cables. It only replaces what balances say.

use veripile_metrology::balance::{self, Elsewhere, Information};
use veripile_metrology::cholesky::Symmetric;
use veripile_metrology::comparison::{self, ComparisonError, Fit, Network, Settings};

use crate::levels::Balanced;

/// Piles behind masters of which it is learnt at most: a spread of hundreds is known to a few percent, and each takes a solution of the
/// whole network.
const LEARNT_FROM_MAX: usize = 500;

/// Fits again with what was learnt; the spread, a fraction at full load, is none where nothing tells it.
pub(super) fn learn(
    network: &mut Network,
    balances: &[Balanced],
    fit: Fit,
    settings: &Settings,
) -> Result<(Fit, Option<f64>), ComparisonError> {
    let mut count = 0;
    let branches = || balances.iter().map(|balanced| &balanced.branches);
    let told = branches().zip(&network.information);
    let told = told.filter(|(branches, _)| branches.count() > 1).take_while(|(branches, _)| {
        count += branches.instruments.len();
        count <= LEARNT_FROM_MAX
    });
    let told: Vec<_> = told.filter_map(|(branches, told)| Some((branches, elsewhere(told, &fit)?))).collect();
    let Some(spread) = balance::spread(&told) else { return Ok((fit, None)) };
    for (information, branches) in network.information.iter_mut().zip(branches()) {
        if let Some(learnt) = branches.information(spread) {
            *information = learnt;
        }
    }
    Ok((comparison::fit(network, settings)?, Some(spread)))
}

/// What everything but one balance says of its piles: what the fit says, less what the balance said; none where they have no level, or it
/// cannot be computed.
fn elsewhere(told: &Information, fit: &Fit) -> Option<Elsewhere> {
    let piles = &told.instruments;
    let errors: Vec<f64> = piles
        .iter()
        .map(|pile| fit.instruments[*pile].error.filter(|_| fit.instruments[*pile].grounded))
        .map(|error| error.map(|(error, _)| error))
        .collect::<Option<_>>()?;
    let mut covariance = Symmetric::zero(piles.len());
    for (row, pile) in piles.iter().enumerate() {
        let mut unit = vec![0.0; fit.instruments.len()];
        unit[*pile] = 1.0;
        let with = fit.covariance.times(&unit)?;
        (0..=row).for_each(|column| covariance.add(row, column, with[piles[column]]));
    }
    let mut matrix = covariance.factor()?.inverse();
    let of_row = |row: usize| (0..piles.len()).map(|at| matrix.get(row, at) * errors[at]).sum::<f64>();
    let right = (0..piles.len()).map(|row| of_row(row) - told.right[row]).collect();
    for row in 0..piles.len() {
        (0..=row).for_each(|column| matrix.add(row, column, -told.matrix.get(row, column)));
    }
    Some(Elsewhere { matrix, right })
}
