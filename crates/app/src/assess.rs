//! The assess role: wakes on new evidence, assesses everything, writes estimates and standings in one transaction.
//!
//! Started by [`crate::server`]. It moves data; what it says is decided in `assessment` and `pile::standing`.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use prometheus::{Gauge, Histogram, HistogramOpts, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use rust_decimal::Decimal;
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use veripile_assessment::evidence::COVARIATES_MAX;
use veripile_assessment::{Anchor, Assessment, ComparableCharge, Evidence, PileFact};
use veripile_metrology::comparison::Settings;
use veripile_pile::{Act, Pile, RemoteVerdict};
use veripile_store::{AssessmentRun, Store};

/// Evidence is looked for at least this often, should no wake-up come.
const POLL: Duration = Duration::from_secs(15);

/// How the role runs.
#[derive(Debug, Clone, Copy)]
pub struct AssessSettings {
    /// Least time between two runs.
    pub interval: Duration,
    /// Days of charges that a run looks back on.
    pub window_days: u32,
}

/// What the role counts.
#[derive(Clone)]
pub struct AssessMetrics {
    runs: IntCounterVec,
    run_seconds: Histogram,
    charges: IntGauge,
    piles: IntGaugeVec,
    components: IntGaugeVec,
    last_success: Gauge,
    contradictory_anchors: IntGauge,
    converged: IntGauge,
}

impl AssessMetrics {
    /// Registers the metrics.
    pub fn register(registry: &Registry) -> Result<Self> {
        let gauges = |name: &str, help: &str, label: &str| IntGaugeVec::new(Opts::new(name, help), &[label]);
        let metrics = Self {
            runs: IntCounterVec::new(
                Opts::new("veripile_assess_runs_total", "Assessments made."),
                &["outcome"],
            )?,
            run_seconds: Histogram::with_opts(
                HistogramOpts::new(
                    "veripile_assess_run_seconds",
                    "Duration of an assessment, reading and writing included.",
                )
                .buckets(vec![0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0]),
            )?,
            charges: IntGauge::new("veripile_assess_charges", "Charges compared in the last assessment.")?,
            piles: gauges("veripile_assess_piles", "Piles by remote verdict.", "verdict")?,
            components: gauges(
                "veripile_assess_components",
                "Connected sets of piles and vehicles.",
                "grounded",
            )?,
            last_success: Gauge::new(
                "veripile_assess_last_success_timestamp_seconds",
                "When the last assessment was written.",
            )?,
            contradictory_anchors: IntGauge::new(
                "veripile_assess_contradictory_anchors",
                "On-site results that contradict everything else known of their piles.",
            )?,
            converged: IntGauge::new("veripile_assess_converged", "Whether the last fit settled: 1 or 0.")?,
        };
        registry.register(Box::new(metrics.contradictory_anchors.clone()))?;
        registry.register(Box::new(metrics.converged.clone()))?;
        for outcome in ["written", "failed"] {
            metrics.runs.with_label_values(&[outcome]);
        }
        for verdict in VERDICTS {
            metrics.piles.with_label_values(&[verdict.word()]);
        }
        for grounded in ["true", "false"] {
            metrics.components.with_label_values(&[grounded]);
        }
        registry.register(Box::new(metrics.runs.clone()))?;
        registry.register(Box::new(metrics.run_seconds.clone()))?;
        registry.register(Box::new(metrics.charges.clone()))?;
        registry.register(Box::new(metrics.last_success.clone()))?;
        for vector in [&metrics.piles, &metrics.components] {
            registry.register(Box::new(vector.clone()))?;
        }
        Ok(metrics)
    }
}

const VERDICTS: [RemoteVerdict; 4] = [
    RemoteVerdict::Conform,
    RemoteVerdict::Nonconform,
    RemoteVerdict::Undecided,
    RemoteVerdict::NotComparable,
];

/// Assesses whenever there is new evidence, until told to stop.
pub async fn run(
    store: Store,
    settings: AssessSettings,
    metrics: AssessMetrics,
    mut stopping: watch::Receiver<bool>,
) {
    let mut last_input = None;
    loop {
        let timer = metrics.run_seconds.start_timer();
        match once(&store, settings.window_days, &mut last_input, &metrics).await {
            Ok(true) => {
                timer.observe_duration();
                metrics.runs.with_label_values(&["written"]).inc();
                metrics.last_success.set(Timestamp::now().as_millisecond() as f64 / 1000.0);
            }
            Ok(false) => {
                timer.stop_and_discard();
            }
            Err(error) => {
                timer.observe_duration();
                metrics.runs.with_label_values(&["failed"]).inc();
                tracing::error!(%error, "the assessment failed; the last one stands");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(settings.interval) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        tokio::select! {
            () = store.evidence_arrived() => {}
            () = tokio::time::sleep(POLL) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

/// One assessment; false if nothing has changed since the last one.
async fn once(
    store: &Store,
    window_days: u32,
    last_input: &mut Option<[u8; 32]>,
    metrics: &AssessMetrics,
) -> Result<bool> {
    let as_of = Timestamp::now();
    let piles = store.all_piles().await?;
    let since = as_of - SignedDuration::from_hours(24 * i64::from(window_days));
    let charges = store.comparable_charges_since(since).await?;
    let (acts, anchors) = (store.all_acts().await?, store.anchors().await?);
    let input = fingerprint(&piles, &charges, &[acts, anchors.clone()].concat());
    if piles.is_empty() || *last_input == Some(input) {
        return Ok(false);
    }
    let evidence = evidence(as_of, &piles, &charges, &anchors);
    let assessment =
        tokio::task::spawn_blocking(move || veripile_assessment::assess(&evidence, &Settings::default()))
            .await??;
    show(metrics, &assessment);
    let run = AssessmentRun {
        as_of,
        software: concat!("veripile ", env!("CARGO_PKG_VERSION")).to_owned(),
        input_sha256: input,
        facts: serde_json::to_value(&assessment.facts)?,
        estimates: piles
            .iter()
            .map(|(no, _)| *no)
            .zip(assessment.estimates.into_iter().map(|(_, e)| e))
            .collect(),
    };
    store.save_assessment(&run).await?;
    *last_input = Some(input);
    Ok(true)
}

/// Turns what the store knows into evidence.
fn evidence(
    as_of: Timestamp,
    piles: &[(i64, Pile)],
    charges: &[veripile_store::ComparableCharge],
    acts: &[(i64, Act)],
) -> Evidence {
    let at: HashMap<i64, usize> =
        piles.iter().enumerate().map(|(index, (pile_no, _))| (*pile_no, index)).collect();
    let vehicles: BTreeMap<_, usize> = charges.iter().map(|charge| (charge.vehicle, 0)).collect();
    let vehicles: BTreeMap<_, usize> = vehicles.into_keys().zip(0..).collect();
    let compared = charges.iter().filter_map(|charge| {
        Some(ComparableCharge {
            pile: *at.get(&charge.pile_no)?,
            vehicle: *vehicles.get(&charge.vehicle)?,
            ended_at: charge.ended_at,
            energy_pile_kwh: charge.energy_pile_wh / Decimal::ONE_THOUSAND,
            energy_vehicle_kwh: charge.energy_vehicle_wh / Decimal::ONE_THOUSAND,
            path: None,
            covariates: [f32::NAN; COVARIATES_MAX],
        })
    });
    let anchored = acts.iter().filter_map(|(pile_no, act)| {
        let result = act.result?;
        Some(Anchor {
            pile: *at.get(pile_no)?,
            at: act.acted_at,
            error_percent: result.error_percent,
            expanded_uncertainty_percent: result.expanded_uncertainty_percent,
            coverage_factor: result.coverage_factor,
        })
    });
    Evidence {
        as_of,
        piles: piles
            .iter()
            .map(|(_, pile)| PileFact {
                pile_id: pile.pile_id.clone(),
                kind: Some(pile.kind),
                class: pile.class,
            })
            .collect(),
        vehicle_models: vec![None; vehicles.len()],
        models: 0,
        covariates: Vec::new(),
        charges: compared.collect(),
        anchors: anchored.collect(),
        ..Evidence::default()
    }
}

/// SHA-256 over everything that estimates and standings rest on, in the order in which it was read.
fn fingerprint(
    piles: &[(i64, Pile)],
    charges: &[veripile_store::ComparableCharge],
    acts: &[(i64, Act)],
) -> [u8; 32] {
    let mut hash = Sha256::new();
    for (pile_no, pile) in piles {
        hash.update(format!("pile {pile_no} {} {} {}\n", pile.pile_id, pile.kind.word(), pile.class.0));
    }
    for charge in charges {
        hash.update(format!(
            "charge {} {} {} {} {}\n",
            charge.charge_no,
            charge.pile_no,
            charge.ended_at,
            charge.energy_pile_wh,
            charge.energy_vehicle_wh
        ));
    }
    for (pile_no, act) in acts {
        hash.update(format!("act {pile_no} {act:?}\n"));
    }
    hash.finalize().into()
}

fn show(metrics: &AssessMetrics, assessment: &Assessment) {
    let facts = &assessment.facts;
    metrics.charges.set(facts.charges as i64);
    metrics.contradictory_anchors.set(facts.contradictory_anchors.len() as i64);
    metrics.converged.set(i64::from(facts.converged));
    for verdict in VERDICTS {
        let count = assessment.estimates.iter().filter(|(_, estimate)| estimate.verdict == verdict).count();
        metrics.piles.with_label_values(&[verdict.word()]).set(count as i64);
    }
    let ungrounded = facts.components - facts.grounded_components;
    metrics.components.with_label_values(&["true"]).set(facts.grounded_components as i64);
    metrics.components.with_label_values(&["false"]).set(ungrounded as i64);
    // One in twenty honest results is beyond |E_n| = 1; those that had to be left out are another matter.
    for anchor in facts.contradictory_anchors.iter().filter(|anchor| !anchor.is_used) {
        tracing::warn!(
            pile.id = %anchor.pile_id, at = %anchor.at, normalised_error = anchor.normalised_error,
            "an on-site result contradicts everything else known of its pile and was left out: look into it"
        );
    }
    if !facts.converged {
        tracing::warn!(rounds = facts.rounds, "the fit did not settle; its last round stands");
    }
    tracing::info!(
        charges = facts.charges,
        anchors = facts.anchors,
        noise_percent = facts.noise_percent,
        rounds = facts.rounds,
        "assessed"
    );
}
