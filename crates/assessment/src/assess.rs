//! The assessment: from evidence to one estimate per pile, in one pure call.
//!
//! Limits come from the rule set of the pile's kind, decisions from `metrology::decision`. A pile whose set of comparisons
//! has no anchor, or that has none at all, is not comparable: no absolute verdict is ever given there.

mod alone;
mod branches;
mod copies;
mod doubts;
mod measured;
mod movement;
mod network;
mod placeholders;
mod stages;
mod steps;
mod travelling;
mod updates;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;
use thiserror::Error;
use veripile_metrology::balance::BalanceError;
use veripile_metrology::comparison::{ClassNoise, ComparisonError, Fit, Network, Residual, Settings};
use veripile_metrology::rules::{self, RuleError, RuleSet};
use veripile_pile::{Estimate, PileId, PileKind, RemoteVerdict, VehiclePath};

use crate::anchors;
use crate::balanced::Balanced;
use crate::evidence::{Evidence, PileFact, Screened};
use crate::learnt::{Effect, Learnt, Scale, Way};
use crate::levels::{self, Contradictory, ContradictoryAnchor, ContradictoryBalance, ContradictoryReference};
pub use doubts::DoubtedValues;
use doubts::doubted_values;
use measured::Measured;
use network::{Changes, Given, Ways, alone};
pub use stages::{Stage, Stages};
pub use steps::FoundStep;
use steps::Separated;
pub use updates::Updated;
pub use verdict::BY_BALANCE;
use verdict::estimate;

/// What came out.
#[derive(Debug)]
pub struct Assessment {
    /// One estimate a pile, in the order of the evidence.
    pub estimates: Vec<(PileId, Estimate)>,
    /// One a vehicle, in the order of the evidence; none for one that compared nothing.
    pub vehicles: Vec<Option<VehicleEstimate>>,
    /// Charges that are no comparison: index and reason.
    pub screened: Vec<(usize, Screened)>,
    /// Piles that changed on the way, by index: their estimates speak of them as they are since. Never by an on-site result alone.
    pub steps: Vec<FoundStep>,
    /// What each charge left over, in the order of the evidence; none for one that is no comparison. Of a pile that changed it is what it left
    /// over of one error for the whole time, of one whose relayed values are in doubt what it left over while they counted.
    pub residuals: Vec<Option<Residual>>,
    /// Of each feeder the standard uncertainty of the level that its balance gives, fraction, also of one that was left out; or why it gives none.
    pub balances: Vec<Result<f64, BalanceError>>,
    /// What each balance that says something says of its piles: what the filter over weeks takes from it.
    pub balanced: Vec<Balanced<PileId>>,
    /// When the newest of what gives each connected set its level was measured, by the set's number; none of a set without a level.
    pub levels: BTreeMap<u32, Timestamp>,
    /// What each pile was and when, with the covariance of all errors.
    pub stages: Stages,
    /// How it went.
    pub facts: RunFacts,
}

/// A vehicle's bias against the mean of all instruments' truth, fractions; the sign is that of over-reading.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VehicleEstimate {
    /// Connected set.
    pub component: u32,
    /// Whether the set has a level.
    pub grounded: bool,
    /// Comparisons made.
    pub charges: u32,
    /// Bias of the vehicle's own meter.
    pub bias: f64,
    /// Standard uncertainty.
    pub standard_uncertainty: f64,
}

/// How an assessment went.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunFacts {
    /// Charges compared.
    pub charges: usize,
    /// Charges screened out, by reason.
    pub screened: BTreeMap<&'static str, usize>,
    /// Anchors used.
    pub anchors: usize,
    /// Anchors used that were held against nothing else: in a large network more than can be.
    pub anchors_unchecked: usize,
    /// Reference vehicles used: calibrated, and met.
    pub references: usize,
    /// Which these are, and by which calibrations: the filter over weeks uses them, and no others.
    pub used_references: Vec<UsedReference>,
    /// Calibrations that are not used: more than can be held against everything else.
    pub references_beyond: usize,
    /// Connected sets with comparisons, and how many of them have a level.
    pub components: usize,
    /// Of these, grounded.
    pub grounded_components: usize,
    /// Rounds of reweighting.
    pub rounds: usize,
    /// Whether they converged.
    pub converged: bool,
    /// Largest move of an estimate in the last round, in units of its standard uncertainty; 0.01 and more is not settled.
    pub moved: f64,
    /// σ₀, percent.
    pub noise_percent: f64,
    /// δ, kWh.
    pub noise_kwh: f64,
    /// ν of the most frequent way.
    pub noise_degrees_of_freedom: f64,
    /// σ_b, percent.
    pub vehicle_sd_percent: f64,
    /// σ_i of pile and vehicle model, percent.
    pub interaction_percent: f64,
    /// By how much losses of cables behind one master differ, percent at full load; none where nothing tells.
    pub branch_spread_percent: Option<f64>,
    /// Of ways, covariates and vehicles: what the filter over weeks takes from it.
    pub learnt: Learnt,
    /// Balances that count, and those that say nothing or were left out.
    pub balances: [usize; 2],
    /// κ.
    pub efficiency: f64,
    /// Piles that changed on the way: everything said of them is of the time since.
    pub changed: Vec<ChangedPile>,
    /// Models, and vehicles, that read otherwise since: no pile's doing.
    pub updated: Vec<Updated>,
    /// Ids that stand for many vehicles, by index of the vehicle in the evidence, and when the first of their charges ended.
    #[serde(skip)]
    pub ids_of_many: Vec<(usize, Timestamp)>,
    /// Ids whose charges overlap at different piles again and again, in a world in which ids in general do: compared as any vehicle's.
    pub overlapping: usize,
    /// Piles whose relayed values no vehicle said, for all that can be seen: these count for nothing, and none of the piles conforms.
    pub doubted_values: Vec<DoubtedValues>,
    /// Piles of which nothing but their own on-site results tells a level, and which no vehicle joins to another: all are undecided.
    pub alone: usize,
    /// Anchors that contradict everything else known of their piles (|E_n| > 1.5): to be looked into by people.
    pub contradictory_anchors: Vec<ContradictoryAnchor>,
    /// Calibrations of reference vehicles of which the same is true.
    pub contradictory_references: Vec<ContradictoryReference>,
    /// Energy balances of which the same is true.
    pub contradictory_balances: Vec<ContradictoryBalance>,
}

/// A pile that is another than before.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChangedPile {
    /// The pile.
    pub pile_id: PileId,
    /// Since when: a charge's end, or an on-site result that differs from the one before.
    pub at: Timestamp,
    /// Whether two on-site results say so, or charges.
    pub on_site: bool,
    /// By how much and standard uncertainty, percent, as charges say; none where they do not.
    pub size_percent: Option<(f64, f64)>,
}

/// A calibration that gives a level.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UsedReference {
    /// Index of the vehicle in the evidence: who it is, the caller knows.
    pub vehicle: usize,
    /// When it was calibrated.
    pub at: Timestamp,
}

/// Why there is no assessment.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AssessmentError {
    /// No limit for a pile.
    #[error("pile {pile}: {error}")]
    Rule {
        /// The pile.
        pile: PileId,
        /// What is missing.
        error: RuleError,
    },
    /// The comparison failed.
    #[error(transparent)]
    Comparison(#[from] ComparisonError),
}

/// Assesses.
pub fn assess(evidence: &Evidence, settings: &Settings) -> Result<Assessment, AssessmentError> {
    let limits = limits(&evidence.piles)?;
    let measured = Measured::of(evidence, settings, &limits)?;
    let (measured, forged) = measured.without_doubted(evidence, settings, &limits)?;
    let residuals = measured.residuals(evidence);
    let Measured { separated, branch_spread, mut contradictory } = measured;
    let Separated { given, fit, changes, found, .. } = separated;
    let Given {
        network,
        screened,
        overlapping,
        levels,
        references_beyond,
        places,
        before,
        balances,
        ways,
        scales,
        copying,
        updates,
        ..
    } = given;
    levels::told(evidence, (&network, &balances), &levels, &fit, &mut contradictory);
    let balanced = branches::balanced(evidence, &network, &levels.balances, &changes, &places);
    let newest = levels::newest(evidence, &network, &levels, &fit);
    let left_out = left_out(evidence, &contradictory);
    let vehicles = travelling::vehicles(&fit, evidence.vehicle_models.len());
    let mut doubted: BTreeSet<usize> = contradictory.anchors.iter().map(|(pile, _)| *pile).collect();
    doubted.extend(forged.keys());
    let periods = periods(evidence, &screened, &changes);
    let alone = alone::piles(&fit, &network, &places, &before, &levels);
    let estimates = estimates(evidence, &fit, &places, &periods, limits, (&doubted, &alone));
    let used = levels.references.iter().filter(|(vehicle, _)| fit.travellers[**vehicle].is_some());
    let used_references = used.map(|(vehicle, given)| UsedReference { vehicle: *vehicle, at: given.at });
    let used_references = used_references.collect();
    let doubted_values = doubted_values(evidence, &residuals, &forged);
    let facts = RunFacts {
        branch_spread_percent: branch_spread.map(|spread| 100.0 * spread),
        changed: changed_piles(evidence, &changes, &found),
        updated: updates::told(&updates),
        ids_of_many: ids_of_many(evidence, &screened),
        overlapping,
        references_beyond,
        used_references,
        learnt: Learnt {
            left_out,
            doubted: doubted_values.iter().map(|doubted| doubted.pile_id.clone()).collect(),
            ..learnt(evidence, settings, &fit, &ways, &scales, &copying)
        },
        doubted_values,
        alone: alone.len(),
        ..facts(&network, &fit, &screened, &balances, contradictory, ways.most_frequent)
    };
    Ok(Assessment {
        estimates,
        steps: found,
        vehicles,
        residuals,
        balances,
        balanced,
        levels: newest,
        facts,
        screened,
        stages: Stages::of(&places, &before, &changes, fit),
    })
}

/// Ids whose charges were screened out for it, and since when each was met.
fn ids_of_many(evidence: &Evidence, screened: &[(usize, Screened)]) -> Vec<(usize, Timestamp)> {
    let mut since: BTreeMap<usize, Timestamp> = BTreeMap::new();
    for (charge, _) in screened.iter().filter(|(_, reason)| *reason == Screened::ManyVehicles) {
        let charge = &evidence.charges[*charge];
        let first = since.entry(charge.vehicle).or_insert(charge.ended_at);
        *first = charge.ended_at.min(*first);
    }
    since.into_iter().collect()
}

/// Every result that was left out: of a pile with several outlets each of which its anchor is made.
fn left_out(evidence: &Evidence, contradictory: &Contradictory) -> Vec<(PileId, Timestamp)> {
    let left_out = contradictory.anchors.iter().filter(|(_, anchor)| !anchor.is_used);
    let of_pile = |(pile, anchor): &(usize, ContradictoryAnchor)| {
        let made_of = anchors::made_of(evidence, *pile).into_iter();
        made_of.map(|at| (anchor.pile_id.clone(), at)).collect::<Vec<_>>()
    };
    left_out.flat_map(of_pile).collect()
}

/// One estimate a pile; a pile of which nothing is known is alone in a set of its own.
fn estimates(
    evidence: &Evidence,
    fit: &Fit,
    places: &[Option<usize>],
    periods: &[Option<(Timestamp, Timestamp)>],
    limits: Vec<(f64, String)>,
    (doubted, by_themselves): (&BTreeSet<usize>, &BTreeSet<usize>),
) -> Vec<(PileId, Estimate)> {
    let components = fit.instruments.iter().map(|i| i.component);
    let components = components.chain(fit.travellers.iter().flatten().map(|t| t.component));
    let mut next_component = components.max().map_or(0, |last| last + 1);
    let of_pile = |(index, (pile, (limit, rule))): (usize, (&PileFact, (f64, String)))| {
        let found = match places[index] {
            Some(at) => fit.instruments[at],
            None => {
                next_component += 1;
                alone(next_component - 1)
            }
        };
        let mut estimate = estimate(evidence.as_of, &found, periods[index], limit, rule);
        // Its charges say one thing, its on-site result another, or no vehicle said what it relays: whatever it is, it is not known to conform.
        // Where nothing but its own result speaks of it, nothing is known from afar at all.
        let is_doubted = estimate.verdict == RemoteVerdict::Conform && doubted.contains(&index);
        if is_doubted || (estimate.verdict != RemoteVerdict::NotComparable && by_themselves.contains(&index))
        {
            estimate.verdict = RemoteVerdict::Undecided;
        }
        (pile.pile_id.clone(), estimate)
    };
    evidence.piles.iter().zip(limits).enumerate().map(of_pile).collect()
}

/// Limit and rule of each pile.
fn limits(piles: &[PileFact]) -> Result<Vec<(f64, String)>, AssessmentError> {
    let mut sets: BTreeMap<&str, RuleSet> = BTreeMap::new();
    piles
        .iter()
        .map(|pile| {
            let error = |error| AssessmentError::Rule { pile: pile.pile_id.clone(), error };
            let kind = pile.kind.unwrap_or(PileKind::Ac).word();
            if !sets.contains_key(kind) {
                sets.insert(kind, rules::for_kind(kind).map_err(error)?);
            }
            let rules = &sets[kind];
            Ok((rules.mpe(pile.class.0).map_err(error)?, rules.citation()))
        })
        .collect()
}

fn changed_piles(evidence: &Evidence, changes: &Changes, found: &[FoundStep]) -> Vec<ChangedPile> {
    let steps: BTreeMap<(usize, Timestamp), &FoundStep> =
        found.iter().map(|step| ((step.pile, step.at), step)).collect();
    let of_pile = |(pile, moments): (&usize, &Vec<Timestamp>)| {
        let of_moment = |at: &Timestamp| {
            let step = steps.get(&(*pile, *at));
            ChangedPile {
                pile_id: evidence.piles[*pile].pile_id.clone(),
                at: *at,
                on_site: step.is_none(),
                size_percent: step.and_then(|step| step.size).map(|(size, u)| (100.0 * size, 100.0 * u)),
            }
        };
        moments.iter().map(of_moment).collect::<Vec<_>>()
    };
    changes.iter().flat_map(of_pile).collect()
}

/// First and last compared charge of each pile as it is.
fn periods(
    evidence: &Evidence,
    screened: &[(usize, Screened)],
    changes: &Changes,
) -> Vec<Option<(Timestamp, Timestamp)>> {
    let mut periods = vec![None; evidence.piles.len()];
    let mut out = screened.iter().map(|(index, _)| *index).peekable();
    for (index, charge) in evidence.charges.iter().enumerate() {
        if out.next_if_eq(&index).is_some() {
            continue;
        }
        let at = charge.ended_at;
        if changes.get(&charge.pile).and_then(|changes| changes.last()).is_some_and(|change| at < *change) {
            continue;
        }
        let period: &mut Option<(Timestamp, Timestamp)> = &mut periods[charge.pile];
        *period = Some(period.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
    }
    periods
}

/// What belongs to no pile and no vehicle. The filter over weeks does not learn what models are off by: to it that is part of what vehicles
/// differ by.
fn learnt(
    evidence: &Evidence,
    settings: &Settings,
    fit: &Fit,
    ways: &Ways,
    scales: &[Scale],
    copying: &BTreeSet<usize>,
) -> Learnt {
    let classes = fit.diagnostics.classes.iter().zip(&fit.classes).zip(&ways.of_class);
    let way = |((noise, bias), (path, charges)): ((&ClassNoise, &f64), &(Option<VehiclePath>, usize))| Way {
        path: *path,
        charges: *charges,
        bias: *bias,
        noise: noise.noise,
        noise_kwh: noise.noise_size,
        degrees_of_freedom: noise.degrees_of_freedom,
    };
    let effects = evidence.covariates.iter().zip(scales).zip(&fit.covariates);
    let effect = |((covariate, scale), by): ((&&str, &Scale), &f64)| Effect {
        covariate: (*covariate).to_owned(),
        scale: *scale,
        by_deviation: *by,
    };
    Learnt {
        ways: classes.map(way).collect(),
        covariates: effects.map(effect).collect(),
        vehicle_sd: libm::hypot(fit.diagnostics.traveller_sd, settings.model_sd),
        interaction_sd: fit.diagnostics.interaction_sd,
        copying: copying.iter().map(|pile| evidence.piles[*pile].pile_id.clone()).collect(),
        doubted: Vec::new(),
        left_out: Vec::new(),
    }
}

fn facts(
    network: &Network,
    fit: &Fit,
    screened: &[(usize, Screened)],
    balances: &[Result<f64, BalanceError>],
    contradictory: Contradictory,
    main_class: usize,
) -> RunFacts {
    let noise = fit.diagnostics.classes[main_class];
    let mut reasons = BTreeMap::new();
    for (_, reason) in screened {
        *reasons.entry(reason.code()).or_insert(0) += 1;
    }
    let compared = || fit.instruments.iter().filter(|instrument| instrument.comparisons > 0);
    let met = network.travellers.iter().zip(&fit.travellers);
    let distinct = |components: std::collections::BTreeSet<usize>| components.len();
    RunFacts {
        charges: network.comparisons.len(),
        screened: reasons,
        anchors: network.anchors.len(),
        anchors_unchecked: fit.diagnostics.anchors_unchecked,
        references: met.filter(|(traveller, found)| traveller.known.is_some() && found.is_some()).count(),
        used_references: Vec::new(),
        references_beyond: 0,
        components: distinct(compared().map(|i| i.component).collect()),
        grounded_components: distinct(compared().filter(|i| i.grounded).map(|i| i.component).collect()),
        rounds: fit.diagnostics.rounds,
        converged: fit.diagnostics.converged,
        moved: fit.diagnostics.moved,
        noise_percent: 100.0 * noise.noise,
        noise_kwh: noise.noise_size,
        noise_degrees_of_freedom: noise.degrees_of_freedom,
        interaction_percent: 100.0 * fit.diagnostics.interaction_sd,
        branch_spread_percent: None,
        changed: Vec::new(),
        updated: Vec::new(),
        ids_of_many: Vec::new(),
        overlapping: 0,
        doubted_values: Vec::new(),
        alone: 0,
        learnt: Learnt::default(),
        balances: [network.information.len(), balances.len() - network.information.len()],
        vehicle_sd_percent: 100.0 * fit.diagnostics.traveller_sd,
        efficiency: fit.diagnostics.efficiency,
        contradictory_anchors: contradictory.anchors.into_iter().map(|(_, named)| named).collect(),
        contradictory_references: contradictory.references,
        contradictory_balances: contradictory.balances,
    }
}

#[cfg(test)]
mod tests;
