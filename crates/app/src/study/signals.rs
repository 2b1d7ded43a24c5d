//! Signals of tampering in the study's worlds: what is found of injected errors, and what of piles that have none.
//!
//! Called by [`super::run`] once a seed, with what the assessment of all days left over, and by [`super::measures`]. `assessment::signals`
//! decides, with the settings and the correction for many questions that `assess` and the platform have; here it is asked and counted.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Serialize;
use veripile_assessment::Assessment;
use veripile_assessment::signals::{self, Code, Finding, Settings, SignalEvidence};
use veripile_pile::RemoteVerdict;
use veripile_simulator::world::{InjectionKind, World};

use super::evidence::{signal_charges, signal_piles};
use super::measures::{Measure, interval, share};
use super::run::{PileSeen, SeedSeen};
use super::tables::{Row, order};

/// What is asked of a pile with what a world tells: no bills, registers, signatures, clocks, firmware and second outlets. A code that cannot
/// be found says nothing by being absent.
const ASKED: [Code; 8] = [
    Code::Step,
    Code::TimeOfDayGain,
    Code::SizeBias,
    Code::PowerBias,
    Code::SocBias,
    Code::ForgedVehicleData,
    Code::EnergiesApart,
    Code::DigitPreference,
];

/// Half a year, days.
const HALF_YEAR_DAYS: f64 = 182.0;

/// Everything counted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Signals {
    pub(super) found: Vec<Found>,
    /// Of any code, then by code; empty where every pile has an error injected.
    pub(super) at_clean: Vec<AtClean>,
    /// Findings that speak of no pile, but of a station or an operator.
    pub(super) of_others: usize,
}

/// What was found of errors of one kind and size, steps among them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Found {
    pub(super) kind: &'static str,
    /// Percent, or kWh.
    pub(super) size: f64,
    /// The limit of the piles, percent.
    pub(super) limit_percent: f64,
    /// Piles over all seeds.
    pub(super) piles: usize,
    /// Of these, nonconform from all days; with a signal of any code; with either.
    pub(super) by_verdict: usize,
    pub(super) by_signal: usize,
    pub(super) by_either: usize,
    /// Piles with a signal of a code; one may have several.
    pub(super) by_code: BTreeMap<Code, usize>,
}

/// Signals at piles without an injected error.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct AtClean {
    /// None: any.
    pub(super) code: Option<Code>,
    /// Such piles that compared a charge, over all seeds.
    pub(super) piles: usize,
    /// Of these, with a signal.
    pub(super) signalled: usize,
    /// The share of them in half a year, by time where worlds are shorter or longer, and its 95 % interval.
    pub(super) per_half_year: f64,
    pub(super) interval: (f64, f64),
}

impl AtClean {
    /// Its word in files.
    pub(super) fn word(&self) -> &'static str {
        self.code.map_or("any", Code::word)
    }
}

/// Asks for every signal of a world.
pub(super) fn find(world: &World, assessment: &Assessment) -> Result<Vec<Finding>> {
    let (piles, charges) = (signal_piles(world, assessment), signal_charges(world, assessment));
    let biases: Vec<Option<f64>> =
        assessment.vehicles.iter().map(|found| found.as_ref().map(|found| found.bias)).collect();
    let models: Vec<Option<usize>> = world.vehicles.iter().map(|vehicle| vehicle.model).collect();
    // Master meters speak of stations of DC piles alone, and no world has one.
    let evidence = SignalEvidence {
        piles: &piles,
        charges: &charges,
        vehicle_biases: &biases,
        vehicle_models: &models,
        interaction_sd: assessment.facts.learnt.interaction_sd,
        steps: &assessment.steps,
        ..SignalEvidence::default()
    };
    signals::find(&evidence, &Settings::default())
        .with_context(|| format!("seed {}: signals", world.settings.seed))
}

/// Counts what was found.
pub(super) fn tables(seeds: &[SeedSeen]) -> Signals {
    let findings: usize = seeds.iter().map(|seed| seed.signals.len()).sum();
    let of_piles = seeds.iter().flat_map(|seed| &seed.signals);
    let of_piles = of_piles.filter(|finding| matches!(finding.subject, signals::Subject::Pile(_))).count();
    Signals { found: found(seeds), at_clean: at_clean(seeds), of_others: findings - of_piles }
}

/// Piles with an error injected.
fn injected(seeds: &[SeedSeen]) -> impl Iterator<Item = (InjectionKind, &PileSeen)> {
    seeds.iter().flat_map(|seed| &seed.piles).filter_map(|pile| Some((pile.injected?, pile)))
}

/// Piles without one that compared anything, each with the days of its world.
fn clean(seeds: &[SeedSeen]) -> impl Iterator<Item = (u32, &PileSeen)> {
    let piles = seeds.iter().flat_map(|seed| seed.piles.iter().map(move |pile| (seed.days, pile)));
    piles.filter(|(_, pile)| pile.injected.is_none() && 0 < pile.charges)
}

fn found(seeds: &[SeedSeen]) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for (kind, pile) in injected(seeds) {
        let row = (kind.word(), kind.size(), 100.0 * pile.limit);
        let at = found.iter().position(|known| order(&known.row(), &row).is_eq()).unwrap_or_else(|| {
            found.push(Found::none(row));
            found.len() - 1
        });
        found[at].count(pile);
    }
    found.sort_by(|a, b| order(&a.row(), &b.row()));
    found
}

impl Found {
    fn none((kind, size, limit_percent): Row) -> Self {
        let by_code = BTreeMap::new();
        Self { kind, size, limit_percent, piles: 0, by_verdict: 0, by_signal: 0, by_either: 0, by_code }
    }

    fn row(&self) -> Row {
        (self.kind, self.size, self.limit_percent)
    }

    fn count(&mut self, pile: &PileSeen) {
        let (by_verdict, by_signal) = (is_nonconform(pile), is_signalled(pile));
        self.piles += 1;
        self.by_verdict += usize::from(by_verdict);
        self.by_signal += usize::from(by_signal);
        self.by_either += usize::from(by_verdict || by_signal);
        for code in &pile.signals {
            *self.by_code.entry(*code).or_insert(0) += 1;
        }
    }
}

fn is_nonconform(pile: &PileSeen) -> bool {
    pile.verdict == RemoteVerdict::Nonconform
}

fn is_signalled(pile: &PileSeen) -> bool {
    !pile.signals.is_empty()
}

fn at_clean(seeds: &[SeedSeen]) -> Vec<AtClean> {
    let piles = clean(seeds).count();
    let half_years: f64 = clean(seeds).map(|(days, _)| f64::from(days) / HALF_YEAR_DAYS).sum();
    let of = |code: Option<Code>| {
        let is_told = |pile: &PileSeen| code.map_or(is_signalled(pile), |code| pile.signals.contains(&code));
        let signalled = clean(seeds).filter(|(_, pile)| is_told(pile)).count();
        let by_time = piles as f64 / half_years;
        let (low, high) = interval(signalled, piles);
        let interval = (low * by_time, high * by_time);
        AtClean { code, piles, signalled, per_half_year: signalled as f64 / half_years, interval }
    };
    let told = Code::ALL
        .into_iter()
        .filter(|code| ASKED.contains(code) || clean(seeds).any(|(_, pile)| pile.signals.contains(code)));
    if piles == 0 {
        return Vec::new();
    }
    std::iter::once(None).chain(told.map(Some)).map(of).collect()
}

/// What signals add to verdicts, and what they cost.
pub(super) fn signalled(seeds: &[SeedSeen]) -> Vec<Measure> {
    let all = injected(seeds).count();
    let by_signal = injected(seeds).filter(|(_, pile)| is_signalled(pile)).count();
    let by_either = injected(seeds).filter(|(_, pile)| is_signalled(pile) || is_nonconform(pile)).count();
    let at_clean = clean(seeds).filter(|(_, pile)| is_signalled(pile)).count();
    vec![
        share("injected_signalled", "注入误差，有信号", "injected errors with a signal", by_signal, all),
        share(
            "injected_found",
            "注入误差，限外或有信号",
            "injected errors, nonconform or with a signal",
            by_either,
            all,
        ),
        share(
            "clean_signalled",
            "无注入误差桩，有（误报）信号",
            "clean piles with a (false) signal",
            at_clean,
            clean(seeds).count(),
        ),
    ]
}
