//! Fits in which nothing contradicts everything else, with what was learnt of branches, and without what no vehicle said.
//!
//! Called by [`super::assess`]. Piles that changed are apart already. It gives no estimate.

use std::collections::{BTreeMap, BTreeSet};

use veripile_metrology::comparison::{self, ComparisonError, Fit, Residual, Settings};

use super::doubts::forged;
use super::network::{self, Given};
use super::steps::{self, Separated};
use super::verdict::accuses_most;
use super::{branches, movement, travelling};
use crate::anchors::newest;
use crate::evidence::Evidence;
use crate::levels::{self, Contradictory};
use crate::signals::Doubt;

/// How often values in doubt are looked for: each time everything is fitted again, and who is still behind those that were found shows then.
const DOUBT_ROUNDS_MAX: usize = 2;

/// Evidence as it counts, and how it was fitted.
pub(super) struct Measured<'a> {
    pub(super) separated: Separated<'a>,
    /// What was learnt of cables, see [`branches`].
    pub(super) branch_spread: Option<f64>,
    pub(super) contradictory: Contradictory,
}

impl<'a> Measured<'a> {
    /// Piles that changed for certain are apart, and what contradicts everything else is left out: a balance that is wrong would teach wrong things
    /// of branches, and says more where they are known.
    pub(super) fn of(
        evidence: &'a Evidence,
        settings: &Settings,
        limits: &[(f64, String)],
    ) -> Result<Self, ComparisonError> {
        let mut measured = Self::agreeing(evidence, settings, limits, steps::separate(evidence, settings)?)?;
        if measured.separated.take_back(evidence, settings)? {
            Self::agreeing(evidence, settings, limits, measured.separated)
        } else {
            Ok(measured)
        }
    }

    fn agreeing(
        evidence: &'a Evidence,
        settings: &Settings,
        limits: &[(f64, String)],
        separated: Separated<'a>,
    ) -> Result<Self, ComparisonError> {
        let Separated { mut given, fit, changes, found, left_over } = separated;
        let mut contradictory = Contradictory::default();
        let Given { network, levels, places, .. } = &mut given;
        let places: &[Option<usize>] = places;
        let accuses = |found: &Fit, of: levels::Part| accuses_most(found, of, places, limits);
        let given_levels = (&mut *network, &mut *levels);
        let fit = levels::agree(evidence, given_levels, &accuses, fit, settings, &mut contradictory)?;
        let (fit, branch_spread) = branches::learn(network, &levels.balances, fit, settings)?;
        let fit = levels::agree(evidence, (network, levels), &accuses, fit, settings, &mut contradictory)?;
        let mut separated = Separated { given, fit, changes, found, left_over };
        separated.measure();
        Ok(Self { separated, branch_spread, contradictory })
    }

    /// The same without what piles relayed of which no vehicle seems to have said it, and which piles these are. Such a pile is known by what others
    /// tell of it, and what its values made of vehicles, and of on-site results beside them, is undone. What changed when is not asked again.
    pub(super) fn without_doubted(
        mut self,
        evidence: &'a Evidence,
        settings: &Settings,
        limits: &[(f64, String)],
    ) -> Result<(Self, BTreeMap<usize, Doubt>), ComparisonError> {
        let mut doubted = BTreeMap::new();
        for _ in 0..DOUBT_ROUNDS_MAX {
            let residuals = self.residuals(evidence);
            let fit = &self.separated.fit;
            let vehicles = travelling::vehicles(fit, evidence.vehicle_models.len());
            let more = forged(evidence, &residuals, &vehicles, fit.diagnostics.interaction_sd, &doubted);
            if more.is_empty() {
                break;
            }
            let Separated { given, changes, found, mut left_over, .. } = self.separated;
            // What they left over while all of it counted says what is wrong with it; by itself what is left shows nothing.
            for (charge, residual) in residuals.into_iter().enumerate() {
                if let Some(residual) = residual.filter(|_| more.contains_key(&evidence.charges[charge].pile))
                {
                    left_over.entry(charge).or_insert(residual);
                }
            }
            doubted.extend(more);
            let (used, _) = newest(evidence);
            let piles: BTreeSet<usize> = doubted.keys().copied().collect();
            let mut given = network::given_without(evidence, &used, &changes, given.updates, &piles);
            let mut fit = comparison::fit(&given.network, settings)?;
            if movement::take_off(evidence, &mut given, &changes, &fit) {
                fit = comparison::fit(&given.network, settings)?;
            }
            let separated = Separated { given, fit, changes, found, left_over };
            self = Self::agreeing(evidence, settings, limits, separated)?;
        }
        Ok((self, doubted))
    }

    /// What each charge left over, in the order of the evidence: of a pile that changed before it was taken apart, of one whose values are in doubt
    /// while they counted.
    pub(super) fn residuals(&self, evidence: &Evidence) -> Vec<Option<Residual>> {
        let Separated { given, fit, left_over, .. } = &self.separated;
        let mut residuals = vec![None; evidence.charges.len()];
        for (charge, residual) in given.compared.iter().zip(&fit.residuals) {
            residuals[*charge as usize] = Some(*residual);
        }
        left_over.iter().for_each(|(charge, residual)| residuals[*charge] = Some(*residual));
        residuals
    }
}
