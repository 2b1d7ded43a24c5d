//! The assessment: from evidence to one estimate per pile, in one pure call.
//!
//! Limits come from the rule set of the pile's kind, decisions from `metrology::decision`. A pile whose set of comparisons
//! has no anchor, or that has none at all, is not comparable: no absolute verdict is ever given there.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;
use thiserror::Error;
use veripile_metrology::balance::{self, BalanceError};
use veripile_metrology::comparison::{
    self, Comparison, ComparisonError, Comparisons, Covariance, Fit, Information, InstrumentEstimate,
    Network, Residual, Settings, Traveller,
};
use veripile_metrology::decision::{Zone, decide_three_zones};
use veripile_metrology::rules::{self, RuleError, RuleSet};
use veripile_pile::{Estimate, PileId, PileKind, RemoteVerdict};

use crate::anchors::{self, ContradictoryAnchor, agree, newest};
use crate::evidence::{
    Anchor, COVARIATES_MAX, ComparableCharge, Evidence, PileFact, ReferenceVehicle, Screened, VehiclePath,
    compare,
};
use rust_decimal::prelude::ToPrimitive;

/// Comparisons from which a verdict is given; with fewer the pile is undecided, whatever the numbers.
///
/// The posterior of a few comparisons with t₄ noise has tails far beyond the normal one that the decision rule presumes: two
/// bad vehicle readings would make a pile nonconform.
const DECIDED_FROM: usize = 10;

/// What came out.
#[derive(Debug)]
pub struct Assessment {
    /// One estimate a pile, in the order of the evidence.
    pub estimates: Vec<(PileId, Estimate)>,
    /// One a vehicle, in the order of the evidence; none for one that compared nothing.
    pub vehicles: Vec<Option<VehicleEstimate>>,
    /// Charges that are no comparison: index and reason.
    pub screened: Vec<(usize, Screened)>,
    /// What each charge left over, in the order of the evidence; none for one that is no comparison.
    pub residuals: Vec<Option<Residual>>,
    /// Of each feeder the standard uncertainty of the level that its balance gives, fraction; or why it gives none.
    pub balances: Vec<Result<f64, BalanceError>>,
    /// Covariance of the estimates.
    pub covariance: PileCovariance,
    /// How it went.
    pub facts: RunFacts,
}

/// Covariance of piles' estimates, by their index in the evidence.
#[derive(Debug)]
pub struct PileCovariance {
    covariance: Covariance,
    places: Vec<Option<usize>>,
}

impl PileCovariance {
    /// `Cov a`: of every pile's error with the weighted sum of all; zero for a pile of which nothing is known. None where it cannot
    /// be computed.
    pub fn times(&self, weights: &[f64]) -> Option<Vec<f64>> {
        let instruments = self.places.iter().flatten().count();
        let mut a = vec![0.0; instruments];
        for (place, weight) in self.places.iter().zip(weights) {
            place.iter().for_each(|at| a[*at] = *weight);
        }
        let product = self.covariance.times(&a)?;
        Some(self.places.iter().map(|place| place.map_or(0.0, |at| product[at])).collect())
    }
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
    /// Connected sets with comparisons, and how many of them have a level.
    pub components: usize,
    /// Of these, grounded.
    pub grounded_components: usize,
    /// Rounds of reweighting.
    pub rounds: usize,
    /// Whether they converged.
    pub converged: bool,
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
    /// Balances that say something, and those that do not.
    pub balances: [usize; 2],
    /// κ.
    pub efficiency: f64,
    /// Anchors that contradict everything else known of their piles (|E_n| > 1): to be looked into by people.
    pub contradictory_anchors: Vec<ContradictoryAnchor>,
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
    let Given { mut network, screened, compared, mut anchors, places, balances } = given(evidence);
    let fit = comparison::fit(&network, settings)?;
    let (fit, mut contradictory) = agree(evidence, &mut network, &mut anchors, fit, settings)?;
    contradictory.extend(anchors::contradictory(evidence, &anchors, &fit));
    contradictory.sort_by_key(|(pile, _)| *pile);
    let doubted: BTreeSet<usize> = contradictory.iter().map(|(pile, _)| *pile).collect();
    let periods = periods(evidence, &screened);
    let components = fit.instruments.iter().map(|i| i.component);
    let components = components.chain(fit.travellers.iter().flatten().map(|t| t.component));
    let mut next_component = components.max().map_or(0, |last| last + 1);
    let estimates = evidence
        .piles
        .iter()
        .zip(limits)
        .enumerate()
        .map(|(index, (pile, (limit, rule)))| {
            let found = match places[index] {
                Some(at) => fit.instruments[at],
                None => {
                    next_component += 1;
                    alone(next_component - 1)
                }
            };
            let mut estimate = estimate(evidence.as_of, &found, periods[index], limit, rule);
            // Its charges say one thing, its on-site result another: whatever it is, it is not known to conform.
            if estimate.verdict == RemoteVerdict::Conform && doubted.contains(&index) {
                estimate.verdict = RemoteVerdict::Undecided;
            }
            (pile.pile_id.clone(), estimate)
        })
        .collect();
    let mut residuals = vec![None; evidence.charges.len()];
    compared
        .iter()
        .zip(&fit.residuals)
        .for_each(|(charge, residual)| residuals[*charge as usize] = Some(*residual));
    let contradictory = contradictory.into_iter().map(|(_, named)| named).collect();
    let facts = facts(&network, &fit, &screened, &balances, contradictory);
    Ok(Assessment {
        estimates,
        vehicles: vehicles(&fit),
        residuals,
        balances,
        facts,
        screened,
        covariance: PileCovariance { covariance: fit.covariance, places },
    })
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

/// What goes into the comparison.
struct Given<'a> {
    network: Network,
    /// Charges that do not, and why.
    screened: Vec<(usize, Screened)>,
    /// Which charge of the evidence each comparison is.
    compared: Vec<u32>,
    /// In the order in which they stand in the network.
    anchors: Vec<&'a Anchor>,
    /// Which instrument of the network a pile is; none for one of which nothing is known: it would only make the matrix larger.
    places: Vec<Option<usize>>,
    /// What each feeder's balance said, or why it said nothing.
    balances: Vec<Result<f64, BalanceError>>,
}

/// A pile of which nothing is known, in a set of its own.
fn alone(component: usize) -> InstrumentEstimate {
    InstrumentEstimate { component, grounded: false, comparisons: 0, is_balanced: false, error: None }
}

fn given(evidence: &Evidence) -> Given<'_> {
    let (used, changed) = newest(evidence);
    let (compared, screened) = screen(evidence, &changed);
    let charges = || compared.iter().map(|at| &evidence.charges[*at as usize]);
    let (given, mut anchors): (Vec<_>, Vec<comparison::Anchor>) = used.into_iter().unzip();
    let (mut information, balances) = balanced(evidence);
    let named = information.iter().flat_map(|information| information.instruments.iter().copied());
    let anchored = anchors.iter().map(|anchor| anchor.instrument);
    let (places, instruments) =
        numbered(charges().map(|charge| charge.pile).chain(anchored).chain(named), evidence.piles.len());
    let place = |pile: usize| places[pile].unwrap_or(0);
    anchors.iter_mut().for_each(|anchor| anchor.instrument = place(anchor.instrument));
    for information in &mut information {
        information.instruments.iter_mut().for_each(|pile| *pile = place(*pile));
    }
    let models = charges().filter_map(|charge| evidence.vehicle_models[charge.vehicle]);
    let (model_places, models) = numbered(models, evidence.models);
    let (classes, class_count) = classes(charges());
    let covariates = evidence.covariates.len().min(COVARIATES_MAX);
    let scales: Vec<Scale> =
        (0..covariates).map(|at| Scale::of(charges().map(|charge| charge.covariates[at]))).collect();
    let mut comparisons = Comparisons::with_capacity(compared.len());
    for charge in charges() {
        let Ok((log_ratio, size)) = compare(charge.energy_pile_kwh, charge.energy_vehicle_kwh) else {
            continue;
        };
        let mut values = [0.0; COVARIATES_MAX];
        for (value, (given, scale)) in values.iter_mut().zip(charge.covariates.iter().zip(&scales)) {
            *value = scale.standardised(*given);
        }
        comparisons.push(&Comparison {
            instrument: place(charge.pile),
            traveller: charge.vehicle,
            log_ratio,
            size,
            class: classes[class_of(charge.path)],
            covariates: &values[..covariates],
        });
    }
    let known = references(evidence);
    let traveller = |(vehicle, model): (usize, &Option<usize>)| Traveller {
        model: model.and_then(|model| model_places[model]),
        known: known.get(&vehicle).copied(),
    };
    let network = Network {
        instruments,
        travellers: evidence.vehicle_models.iter().enumerate().map(traveller).collect(),
        models,
        covariates,
        classes: class_count,
        comparisons,
        anchors,
        information,
    };
    Given { network, screened, compared, anchors: given, places, balances }
}

/// Charges that are compared, and those that are not with the reason.
fn screen(evidence: &Evidence, changed: &BTreeMap<usize, Timestamp>) -> (Vec<u32>, Vec<(usize, Screened)>) {
    let (mut compared, mut screened) = (Vec::with_capacity(evidence.charges.len()), Vec::new());
    for (index, charge) in evidence.charges.iter().enumerate() {
        if changed.get(&charge.pile).is_some_and(|at| charge.ended_at < *at) {
            screened.push((index, Screened::BeforeChange));
            continue;
        }
        match compare(charge.energy_pile_kwh, charge.energy_vehicle_kwh) {
            Ok(_) => compared.push(u32::try_from(index).unwrap_or(u32::MAX)),
            Err(reason) => screened.push((index, reason)),
        }
    }
    (compared, screened)
}

/// What the feeders' balances say, and of each feeder the standard uncertainty of the level that it gives, or why it gives none.
fn balanced(evidence: &Evidence) -> (Vec<Information>, Vec<Result<f64, BalanceError>>) {
    let mut information = Vec::new();
    let settings = balance::Settings::default();
    let told = evidence.feeders.iter().map(|feeder| {
        balance::balance(feeder, &settings).map(|found| {
            let level = found.information.level_uncertainty();
            information.push(found.information);
            level
        })
    });
    let told = told.collect();
    (information, told)
}

/// Bias and standard uncertainty of the reference vehicles, by their newest calibration. Bias and error differ in sign of nothing:
/// a meter that reads too much has a positive bias.
fn references(evidence: &Evidence) -> BTreeMap<usize, (f64, f64)> {
    let mut newest: BTreeMap<usize, &ReferenceVehicle> = BTreeMap::new();
    for reference in evidence.references.iter().filter(|reference| reference.at <= evidence.as_of) {
        let known = newest.entry(reference.vehicle).or_insert(reference);
        if known.at < reference.at {
            *known = reference;
        }
    }
    let known = newest.into_iter().filter_map(|(vehicle, reference)| {
        let error = reference.error_percent.to_f64()? / 100.0;
        let u =
            reference.expanded_uncertainty_percent.to_f64()? / 100.0 / reference.coverage_factor.to_f64()?;
        (0.0 < u && u.is_finite()).then_some((vehicle, (libm::log1p(error), u)))
    });
    known.collect()
}

/// Number of a way among all of them, unknown first.
fn class_of(path: Option<VehiclePath>) -> usize {
    path.map_or(0, |path| 1 + path as usize)
}

/// Numbers the ways that occur, the most frequent first: against it the others' biases are told. And how many there are.
fn classes<'a>(charges: impl Iterator<Item = &'a ComparableCharge>) -> ([u8; 5], usize) {
    let mut counts = [(0_usize, 0_usize); 5];
    (0..5).for_each(|class| counts[class].1 = class);
    charges.for_each(|charge| counts[class_of(charge.path)].0 += 1);
    counts.sort_by_key(|(count, class)| (std::cmp::Reverse(*count), *class));
    let mut numbers = [0; 5];
    let occurring = counts.iter().filter(|(count, _)| *count > 0);
    occurring.clone().zip(0_u8..).for_each(|((_, class), number)| numbers[*class] = number);
    (numbers, occurring.count())
}

/// Numbers those of `0..count` that occur, in their order; and how many do.
fn numbered(occurring: impl Iterator<Item = usize>, count: usize) -> (Vec<Option<usize>>, usize) {
    let mut places = vec![None; count];
    occurring.for_each(|index| places[index] = Some(0));
    let mut next = 0;
    for place in places.iter_mut().flatten() {
        *place = next;
        next += 1;
    }
    (places, next)
}

/// Mean and deviation of a covariate.
struct Scale {
    mean: f64,
    sd: f64,
}

impl Scale {
    fn of(values: impl Iterator<Item = f32> + Clone) -> Self {
        let known = || values.clone().filter(|value| value.is_finite()).map(f64::from);
        let count = known().count() as f64;
        let mean = known().sum::<f64>() / count;
        let square = known().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count;
        Self { mean, sd: square.sqrt() }
    }

    /// Centred, of deviation 1; the mean where unknown.
    fn standardised(&self, value: f32) -> f32 {
        if value.is_finite() && 0.0 < self.sd {
            ((f64::from(value) - self.mean) / self.sd) as f32
        } else {
            0.0
        }
    }
}

/// First and last compared charge of each pile.
fn periods(evidence: &Evidence, screened: &[(usize, Screened)]) -> Vec<Option<(Timestamp, Timestamp)>> {
    let mut periods = vec![None; evidence.piles.len()];
    let mut out = screened.iter().map(|(index, _)| *index).peekable();
    for (index, charge) in evidence.charges.iter().enumerate() {
        if out.next_if_eq(&index).is_some() {
            continue;
        }
        let at = charge.ended_at;
        let period: &mut Option<(Timestamp, Timestamp)> = &mut periods[charge.pile];
        *period = Some(period.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
    }
    periods
}

fn estimate(
    as_of: Timestamp,
    found: &InstrumentEstimate,
    period: Option<(Timestamp, Timestamp)>,
    limit: f64,
    rule_set: String,
) -> Estimate {
    let relative = found.error.map(|(log, u)| (libm::expm1(log), u * libm::exp(log)));
    // An anchor alone is a fact about its day, not an estimate from afar.
    let absolute = relative.filter(|_| found.grounded);
    let decision = absolute.map(|(error, u)| decide_three_zones(error, u, limit));
    let verdict = match decision.as_ref().map(|decision| decision.zone) {
        Some(_) if found.comparisons < DECIDED_FROM && !found.is_balanced => RemoteVerdict::Undecided,
        Some(Zone::Conform) => RemoteVerdict::Conform,
        Some(Zone::Nonconform) => RemoteVerdict::Nonconform,
        Some(Zone::Undecided) => RemoteVerdict::Undecided,
        None => RemoteVerdict::NotComparable,
    };
    let rule = match &decision {
        Some(decision) => format!("{rule_set}; {}, from {DECIDED_FROM} charges", decision.rule),
        None => rule_set,
    };
    Estimate {
        as_of,
        component: u32::try_from(found.component).unwrap_or(u32::MAX),
        grounded: found.grounded,
        charges: u32::try_from(found.comparisons).unwrap_or(u32::MAX),
        period,
        error: relative.map(|(error, _)| error),
        standard_uncertainty: relative.map(|(_, u)| u),
        probability_conform: decision.map(|decision| decision.probability_conform),
        limit,
        rule,
        verdict,
    }
}

fn vehicles(fit: &Fit) -> Vec<Option<VehicleEstimate>> {
    let grounded: std::collections::BTreeSet<usize> =
        fit.instruments.iter().filter(|i| i.grounded).map(|i| i.component).collect();
    fit.travellers
        .iter()
        .map(|traveller| {
            traveller.map(|found| VehicleEstimate {
                component: u32::try_from(found.component).unwrap_or(u32::MAX),
                grounded: grounded.contains(&found.component),
                charges: u32::try_from(found.comparisons).unwrap_or(u32::MAX),
                bias: found.bias.0,
                standard_uncertainty: found.bias.1,
            })
        })
        .collect()
}

fn facts(
    network: &Network,
    fit: &Fit,
    screened: &[(usize, Screened)],
    balances: &[Result<f64, BalanceError>],
    contradictory_anchors: Vec<ContradictoryAnchor>,
) -> RunFacts {
    let noise = fit.diagnostics.classes[0];
    let mut reasons = BTreeMap::new();
    for (_, reason) in screened {
        *reasons.entry(reason.code()).or_insert(0) += 1;
    }
    let compared = || fit.instruments.iter().filter(|instrument| instrument.comparisons > 0);
    let distinct = |components: std::collections::BTreeSet<usize>| components.len();
    RunFacts {
        charges: network.comparisons.len(),
        screened: reasons,
        anchors: network.anchors.len(),
        components: distinct(compared().map(|i| i.component).collect()),
        grounded_components: distinct(compared().filter(|i| i.grounded).map(|i| i.component).collect()),
        rounds: fit.diagnostics.rounds,
        converged: fit.diagnostics.converged,
        noise_percent: 100.0 * noise.noise,
        noise_kwh: noise.noise_size,
        noise_degrees_of_freedom: noise.degrees_of_freedom,
        interaction_percent: 100.0 * fit.diagnostics.interaction_sd,
        balances: [
            balances.iter().filter(|told| told.is_ok()).count(),
            balances.iter().filter(|told| told.is_err()).count(),
        ],
        vehicle_sd_percent: 100.0 * fit.diagnostics.traveller_sd,
        efficiency: fit.diagnostics.efficiency,
        contradictory_anchors,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::ComparableCharge;
    use rand::{RngExt, SeedableRng};
    use rust_decimal::Decimal;
    use veripile_pile::AccuracyClass;

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(1_770_000_000 + day * 86_400).expect("in range")
    }

    /// Two piles visited by ten vehicles twenty times each; the second over-registers by 4 % on both counts of energy.
    fn evidence(anchored: bool) -> Evidence {
        let pile = |id: &str| PileFact {
            pile_id: PileId::parse(id).expect("literal"),
            kind: Some(PileKind::Dc),
            class: AccuracyClass(Decimal::ONE),
        };
        let mut evidence = Evidence {
            as_of: at(40),
            piles: vec![pile("A"), pile("B"), pile("C")],
            vehicle_models: vec![None; 10],
            ..Evidence::default()
        };
        for visit in 0..200i64 {
            for (index, registered) in [(0, 30_000), (1, 31_200)] {
                let wobble = Decimal::from((visit * 7 + 3 * index) % 11 - 5) * Decimal::from(40);
                evidence.charges.push(ComparableCharge {
                    pile: usize::try_from(index).expect("small"),
                    vehicle: usize::try_from(visit % 10).expect("small"),
                    ended_at: at(visit % 30),
                    energy_pile_kwh: (Decimal::from(registered) + wobble) / Decimal::ONE_THOUSAND,
                    energy_vehicle_kwh: Decimal::from(30),
                    path: None,
                    covariates: [f32::NAN; COVARIATES_MAX],
                });
            }
        }
        if anchored {
            evidence.anchors.push(Anchor {
                pile: 0,
                at: at(1),
                error_percent: Decimal::ZERO,
                expanded_uncertainty_percent: "0.15".parse().expect("literal"),
                coverage_factor: Decimal::TWO,
            });
        }
        evidence
    }

    fn verdicts(assessment: &Assessment) -> Vec<RemoteVerdict> {
        assessment.estimates.iter().map(|(_, estimate)| estimate.verdict).collect()
    }

    #[test]
    fn a_bad_pile_beside_an_anchored_good_one_is_found() {
        let assessment = assess(&evidence(true), &Settings::default()).expect("assessable");
        let expected = [RemoteVerdict::Conform, RemoteVerdict::Nonconform, RemoteVerdict::NotComparable];
        assert_eq!(verdicts(&assessment), expected);
        let (_, bad) = &assessment.estimates[1];
        assert!(
            (bad.error.expect("compared") - 0.04).abs() < 3.0 * bad.standard_uncertainty.expect("compared")
        );
        assert_eq!(bad.charges, 200);
        assert_eq!(bad.period, Some((at(0), at(29))));
        assert_eq!(assessment.facts.grounded_components, 1);
    }

    #[test]
    fn without_an_anchor_nothing_absolute_is_said() {
        let assessment = assess(&evidence(false), &Settings::default()).expect("assessable");
        assert_eq!(verdicts(&assessment), [RemoteVerdict::NotComparable; 3]);
        for (_, estimate) in &assessment.estimates {
            assert_eq!(estimate.probability_conform, None);
            assert!(!estimate.grounded);
        }
        let difference = |index: usize| assessment.estimates[index].1.error.expect("compared");
        assert!((difference(1) - difference(0) - 0.04).abs() < 0.005, "the difference is still known");
    }

    #[test]
    fn an_anchor_without_charges_is_no_remote_verdict() {
        let mut evidence = evidence(true);
        let on_site = Anchor { pile: 2, ..evidence.anchors[0].clone() };
        evidence.anchors.push(on_site);
        let (_, pile) = &assess(&evidence, &Settings::default()).expect("assessable").estimates[2];
        assert_eq!((pile.verdict, pile.error, pile.charges), (RemoteVerdict::NotComparable, None, 0));
    }

    #[test]
    fn anchors_that_contradict_each_other_are_named() {
        let mut evidence = evidence(true);
        let other = Anchor { pile: 1, error_percent: Decimal::from(-3), ..evidence.anchors[0].clone() };
        evidence.anchors.push(other);
        let facts = assess(&evidence, &Settings::default()).expect("assessable").facts;
        let named: Vec<&str> =
            facts.contradictory_anchors.iter().map(|anchor| anchor.pile_id.as_str()).collect();
        assert_eq!(named, ["A", "B"], "of two that disagree neither is the right one by itself");
        let clean = assess(&self::evidence(true), &Settings::default()).expect("assessable").facts;
        assert!(clean.contradictory_anchors.is_empty());
    }

    /// Twelve piles whose true errors are 0, but for pile 0 of +4 %, seen by 40 vehicles; each of `anchored` measured once.
    fn world(anchored: &[(usize, i64, &str)]) -> Assessment {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
        let mut noise = |sd: f64| sd * (0..12).map(|_| rng.random_range(-0.5..0.5)).sum::<f64>();
        let biases: Vec<f64> = (0..40).map(|_| noise(0.015)).collect();
        let charges = (0..2400)
            .map(|n| {
                let (pile, vehicle) = (n % 12, n / 12 % 40);
                let error = if pile == 0 { 0.04 } else { 0.0 };
                ComparableCharge {
                    pile,
                    vehicle,
                    ended_at: at(n as i64 % 30),
                    energy_pile_kwh: Decimal::from(20),
                    energy_vehicle_kwh: Decimal::try_from(
                        20.0 / (1.0 + error) * (1.0 + biases[vehicle] + noise(0.01)),
                    )
                    .expect("finite"),
                    covariates: Vec::new(),
                }
            })
            .collect();
        let anchors = anchored.iter().map(|(pile, day, error)| Anchor {
            pile: *pile,
            at: at(*day),
            error_percent: error.parse().expect("literal"),
            expanded_uncertainty_percent: Decimal::new(15, 2),
            coverage_factor: Decimal::TWO,
        });
        let piles = (0..12).map(|n| PileFact {
            pile_id: PileId::parse(&format!("P{n}")).expect("an identifier"),
            kind: Some(PileKind::Dc),
            class: AccuracyClass(Decimal::ONE),
        });
        let evidence = Evidence {
            as_of: at(40),
            piles: piles.collect(),
            vehicle_models: vec![None; 40],
            models: 0,
            covariates: Vec::new(),
            charges,
            anchors: anchors.collect(),
        };
        assess(&evidence, &Settings::default()).expect("assessable")
    }

    #[test]
    fn one_wrong_on_site_result_among_ten_costs_no_honest_pile_its_name() {
        let anchored: Vec<_> = (0..10).map(|pile| (pile, 0, "0")).collect();
        let assessment = world(&anchored);
        let verdicts = verdicts(&assessment);
        assert_eq!(
            verdicts[0],
            RemoteVerdict::Nonconform,
            "its charges say so, and nine others give the level"
        );
        assert_eq!(verdicts[1..], [RemoteVerdict::Conform; 11]);
        let named = &assessment.facts.contradictory_anchors;
        assert!(named.iter().any(|anchor| anchor.pile_id.as_str() == "P0" && !anchor.is_used));
        for (_, estimate) in &assessment.estimates[1..] {
            assert!(estimate.error.expect("compared").abs() < 0.004);
        }
    }

    #[test]
    fn a_single_on_site_result_that_its_own_pile_contradicts_gives_no_level() {
        let assessment = world(&[(0, 0, "0")]);
        assert_eq!(verdicts(&assessment), [RemoteVerdict::NotComparable; 12]);
        assert!(!assessment.facts.contradictory_anchors[0].is_used);
    }

    #[test]
    fn after_a_repair_the_newest_result_counts_and_the_charges_before_it_do_not() {
        let mut anchored: Vec<_> = (1..6).map(|pile| (pile, 0, "0")).collect();
        anchored.extend([(0, 0, "4"), (0, 20, "0")]);
        let assessment = world(&anchored);
        // Twenty of thirty days are before; the charges after still show +4 %, so the new result is in doubt too.
        let named: Vec<_> =
            assessment.facts.contradictory_anchors.iter().map(|a| (a.pile_id.as_str(), a.at)).collect();
        assert_eq!((assessment.facts.anchors, named), (5, vec![("P0", at(20))]));
        assert!(assessment.facts.screened["before_change"] > 100);
        assert!(assessment.estimates[0].1.charges < 80);
        assert_eq!(verdicts(&assessment)[1..], [RemoteVerdict::Conform; 11]);
    }

    #[test]
    fn piles_without_charges_cost_nothing() {
        let mut evidence = evidence(true);
        evidence.piles.extend(
            (0..30_000)
                .map(|n| PileFact {
                    pile_id: PileId::parse(&format!("EMPTY-{n}")).expect("an identifier"),
                    ..evidence.piles[0].clone()
                })
                .collect::<Vec<_>>(),
        );
        let assessment = assess(&evidence, &Settings::default()).expect("assessable");
        assert_eq!(assessment.estimates.len(), 30_003);
        assert_eq!(assessment.estimates[30_002].1.verdict, RemoteVerdict::NotComparable);
    }

    #[test]
    fn an_anchor_of_the_future_does_not_count() {
        let mut evidence = evidence(true);
        evidence.anchors[0].at = at(41);
        let assessment = assess(&evidence, &Settings::default()).expect("assessable");
        assert_eq!(verdicts(&assessment), [RemoteVerdict::NotComparable; 3]);
    }

    #[test]
    fn screened_charges_are_counted_with_their_reason() {
        let mut evidence = evidence(true);
        evidence.charges[0].energy_pile_kwh = Decimal::ZERO;
        evidence.charges[1].energy_pile_kwh = Decimal::from(1430);
        let assessment = assess(&evidence, &Settings::default()).expect("assessable");
        assert_eq!(assessment.screened, [(0, Screened::NotPositive), (1, Screened::Implausible)]);
        assert_eq!(assessment.facts.charges, 398);
    }

    #[test]
    fn an_unknown_class_is_an_error_that_names_the_pile() {
        let mut evidence = evidence(true);
        evidence.piles[1].class = AccuracyClass(Decimal::TEN);
        let error = assess(&evidence, &Settings::default()).expect_err("no such class");
        assert!(error.to_string().contains("pile B"), "{error}");
    }
}
