//! The assessment: from evidence to one estimate per pile, in one pure call.
//!
//! Limits come from the rule set of the pile's kind, decisions from `metrology::decision`. A pile whose set of comparisons
//! has no anchor, or that has none at all, is not comparable: no absolute verdict is ever given there.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::prelude::ToPrimitive;
use serde::Serialize;
use thiserror::Error;
use veripile_metrology::comparison::{self, Comparison, ComparisonError, Fit, Network, Settings};
use veripile_metrology::decision::{Zone, decide_three_zones};
use veripile_metrology::rules::{self, RuleError, RuleSet};
use veripile_pile::{Estimate, PileId, PileKind, RemoteVerdict};

use crate::evidence::{Anchor, Evidence, PileFact, Screened, compare};

/// Drift of a pile's error since its anchor was measured: 0.1 % in a year, as a random walk (fractions² per day).
///
/// Energy meters of class 1 are permitted a fraction of their class between verifications (three years); a tenth of a percent
/// a year is on the safe side for the metering and keeps an old anchor from outweighing fresh ones.
const ANCHOR_DRIFT_PER_DAY: f64 = 0.001 * 0.001 / 365.25;

/// Comparisons from which a verdict is given; with fewer the pile is undecided, whatever the numbers.
///
/// The posterior of a few comparisons with t₄ noise has tails far beyond the normal one that the decision rule presumes: two
/// bad vehicle readings would make a pile nonconform.
const DECIDED_FROM: usize = 10;

/// What came out.
#[derive(Debug, Clone)]
pub struct Assessment {
    /// One estimate a pile, in the order of the evidence.
    pub estimates: Vec<(PileId, Estimate)>,
    /// One a vehicle, in the order of the evidence; none for one that compared nothing.
    pub vehicles: Vec<Option<VehicleEstimate>>,
    /// Charges that are no comparison: index and reason.
    pub screened: Vec<(usize, Screened)>,
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
    /// σ_b, percent.
    pub vehicle_sd_percent: f64,
    /// κ.
    pub efficiency: f64,
    /// Anchors that contradict everything else known of their piles (|E_n| > 1): to be looked into by people.
    pub contradictory_anchors: Vec<ContradictoryAnchor>,
}

/// An anchor that does not fit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ContradictoryAnchor {
    /// The pile.
    pub pile_id: PileId,
    /// When it was measured.
    pub at: Timestamp,
    /// E_n of the anchor against the estimate without it.
    pub normalised_error: f64,
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
    let (network, screened) = network(evidence);
    let fit = comparison::fit(&network, settings)?;
    let periods = periods(evidence, &screened);
    let estimates = evidence
        .piles
        .iter()
        .zip(limits)
        .enumerate()
        .map(|(index, (pile, (limit, rule)))| {
            let estimate = estimate(evidence.as_of, &fit, index, periods[index], limit, rule);
            (pile.pile_id.clone(), estimate)
        })
        .collect();
    Ok(Assessment {
        estimates,
        vehicles: vehicles(&fit),
        facts: facts(evidence, &network, &fit, &screened),
        screened,
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

fn network(evidence: &Evidence) -> (Network, Vec<(usize, Screened)>) {
    let mut screened = Vec::new();
    let mut comparisons = Vec::with_capacity(evidence.charges.len());
    for (index, charge) in evidence.charges.iter().enumerate() {
        match compare(charge.energy_pile_kwh, charge.energy_vehicle_kwh) {
            Ok((log_ratio, size)) => comparisons.push(Comparison {
                instrument: charge.pile,
                traveller: charge.vehicle,
                log_ratio,
                size,
                covariates: charge.covariates.clone(),
            }),
            Err(reason) => screened.push((index, reason)),
        }
    }
    centre(&mut comparisons, evidence.covariates.len());
    let anchors = usable_anchors(evidence).map(|(_, anchor)| anchor).collect();
    let network = Network {
        instruments: evidence.piles.len(),
        traveller_models: evidence.vehicle_models.clone(),
        models: evidence.models,
        covariates: evidence.covariates.len(),
        comparisons,
        anchors,
    };
    (network, screened)
}

/// Anchors that count, beside what the evidence says of them.
fn usable_anchors(evidence: &Evidence) -> impl Iterator<Item = (&Anchor, comparison::Anchor)> {
    evidence.anchors.iter().filter_map(|given| anchor(given, evidence.as_of).map(|used| (given, used)))
}

fn contradictory_anchors(evidence: &Evidence, fit: &Fit) -> Vec<ContradictoryAnchor> {
    let used: Vec<&Anchor> = usable_anchors(evidence).map(|(given, _)| given).collect();
    let contradictory = fit.diagnostics.anchors.iter().filter(|check| check.normalised_error.abs() > 1.0);
    contradictory
        .map(|check| ContradictoryAnchor {
            pile_id: evidence.piles[used[check.anchor].pile].pile_id.clone(),
            at: used[check.anchor].at,
            normalised_error: check.normalised_error,
        })
        .collect()
}

/// An anchor as it counts at a moment; none for one measured later, or whose numbers cannot be.
///
/// The comparison speaks in logarithms of ratios; errors of indication are relative (§1.2), so `ln(1 + e)` goes in and
/// `exp(…) − 1` comes out. At 4 % the two differ by 0.08 %, as much as a good estimate's uncertainty.
fn anchor(anchor: &Anchor, as_of: Timestamp) -> Option<comparison::Anchor> {
    let days = as_of.duration_since(anchor.at).as_secs_f64() / 86_400.0;
    let percent = |decimal: rust_decimal::Decimal| decimal.to_f64().map(|percent| percent / 100.0);
    let u = percent(anchor.expanded_uncertainty_percent)? / anchor.coverage_factor.to_f64()?;
    let variance = u * u + ANCHOR_DRIFT_PER_DAY * days;
    let usable = 0.0 <= days && 0.0 < u && u.is_finite();
    usable.then_some(comparison::Anchor {
        instrument: anchor.pile,
        error: libm::log1p(percent(anchor.error_percent)?),
        standard_uncertainty: variance.sqrt(),
    })
}

/// Centres and scales covariates to mean 0 and deviation 1; unknown values become the mean.
fn centre(comparisons: &mut [Comparison], covariates: usize) {
    for at in 0..covariates {
        let known = || comparisons.iter().map(|c| c.covariates[at]).filter(|value| value.is_finite());
        let count = known().count() as f64;
        let mean = known().sum::<f64>() / count;
        let sd = (known().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
        for comparison in &mut *comparisons {
            let value = &mut comparison.covariates[at];
            *value = if value.is_finite() && 0.0 < sd { (*value - mean) / sd } else { 0.0 };
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
    fit: &Fit,
    index: usize,
    period: Option<(Timestamp, Timestamp)>,
    limit: f64,
    rule_set: String,
) -> Estimate {
    let found = &fit.instruments[index];
    let relative = found.error.map(|(log, u)| (libm::expm1(log), u * libm::exp(log)));
    // An anchor alone is a fact about its day, not an estimate from afar.
    let absolute = relative.filter(|_| found.grounded && found.comparisons > 0);
    let decision = absolute.map(|(error, u)| decide_three_zones(error, u, limit));
    let verdict = match decision.as_ref().map(|decision| decision.zone) {
        Some(_) if found.comparisons < DECIDED_FROM => RemoteVerdict::Undecided,
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

fn facts(evidence: &Evidence, network: &Network, fit: &Fit, screened: &[(usize, Screened)]) -> RunFacts {
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
        noise_percent: 100.0 * fit.diagnostics.noise,
        noise_kwh: fit.diagnostics.noise_size,
        vehicle_sd_percent: 100.0 * fit.diagnostics.traveller_sd,
        efficiency: fit.diagnostics.efficiency,
        contradictory_anchors: contradictory_anchors(evidence, fit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::ComparableCharge;
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
                    covariates: vec![],
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
