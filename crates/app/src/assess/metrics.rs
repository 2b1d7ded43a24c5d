//! What the assess role counts for `/metrics`.

use anyhow::Result;
use jiff::Timestamp;
use prometheus::{Gauge, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use serde_json::Value;
use veripile_assessment::{Assessment, DoubtedValues, RunFacts, Screened};
use veripile_pile::RemoteVerdict;

/// How much an assessment looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// All evidence of the window.
    Whole,
    /// The open week.
    Week,
}

impl Reach {
    fn word(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Week => "week",
        }
    }
}

/// What the role counts.
#[derive(Clone)]
pub(crate) struct AssessMetrics {
    runs: IntCounterVec,
    run_seconds: HistogramVec,
    charges: IntGauge,
    piles: IntGaugeVec,
    components: IntGaugeVec,
    last_success: Gauge,
    contradictory_anchors: IntGauge,
    contradictory_references: IntGauge,
    contradictory_balances: IntGauge,
    converged: IntGauge,
    waiting: Gauge,
}

impl AssessMetrics {
    /// Registers the metrics.
    pub(crate) fn register(registry: &Registry) -> Result<Self> {
        let gauges = |name: &str, help: &str, label: &str| IntGaugeVec::new(Opts::new(name, help), &[label]);
        let metrics = Self {
            runs: IntCounterVec::new(
                Opts::new("veripile_assess_runs_total", "Assessments made."),
                &["outcome"],
            )?,
            run_seconds: HistogramVec::new(
                HistogramOpts::new(
                    "veripile_assess_run_seconds",
                    "Duration of an assessment, reading and writing included: of everything, or of the open week.",
                )
                .buckets(vec![0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0]),
                &["reach"],
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
            contradictory_references: IntGauge::new(
                "veripile_assess_contradictory_references",
                "Calibrations of reference vehicles that contradict everything else known of these.",
            )?,
            contradictory_balances: IntGauge::new(
                "veripile_assess_contradictory_balances",
                "Energy balances of stations that contradict everything else known of their piles.",
            )?,
            converged: IntGauge::new("veripile_assess_converged", "Whether the last fit settled: 1 or 0.")?,
            waiting: Gauge::new(
                "veripile_assess_waiting_seconds",
                "For how long another process has been assessing while this one waits for its turn; 0 when it has it.",
            )?,
        };
        registry.register(Box::new(metrics.waiting.clone()))?;
        registry.register(Box::new(metrics.contradictory_anchors.clone()))?;
        registry.register(Box::new(metrics.contradictory_references.clone()))?;
        registry.register(Box::new(metrics.contradictory_balances.clone()))?;
        registry.register(Box::new(metrics.converged.clone()))?;
        for outcome in ["written", "failed"] {
            metrics.runs.with_label_values(&[outcome]);
        }
        for reach in [Reach::Whole, Reach::Week] {
            metrics.run_seconds.with_label_values(&[reach.word()]);
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

    /// An assessment of this reach was written, and took so many seconds.
    pub(super) fn written(&self, reach: Reach, seconds: f64) {
        self.run_seconds.with_label_values(&[reach.word()]).observe(seconds);
        self.runs.with_label_values(&["written"]).inc();
        self.last_success.set(Timestamp::now().as_millisecond() as f64 / 1000.0);
    }

    /// Another process has been assessing for so long.
    pub(super) fn waits(&self, seconds: f64) {
        self.waiting.set(seconds);
    }

    /// One failed.
    pub(super) fn failed(&self) {
        self.runs.with_label_values(&["failed"]).inc();
    }

    /// Shows how a whole assessment came out; of stations their names stand in what is stored.
    pub(super) fn show(&self, assessment: &Assessment, stored: &Value) {
        let facts = &assessment.facts;
        self.charges.set(facts.charges as i64);
        self.contradictory_anchors.set(facts.contradictory_anchors.len() as i64);
        self.contradictory_references.set(facts.contradictory_references.len() as i64);
        self.contradictory_balances.set(facts.contradictory_balances.len() as i64);
        self.converged.set(i64::from(facts.converged));
        for verdict in VERDICTS {
            let count =
                assessment.estimates.iter().filter(|(_, estimate)| estimate.verdict == verdict).count();
            self.piles.with_label_values(&[verdict.word()]).set(count as i64);
        }
        let ungrounded = facts.components - facts.grounded_components;
        self.components.with_label_values(&["true"]).set(facts.grounded_components as i64);
        self.components.with_label_values(&["false"]).set(ungrounded as i64);
        for anchor in facts.contradictory_anchors.iter().filter(|anchor| !anchor.is_used) {
            tracing::warn!(
                pile.id = %anchor.pile_id, at = %anchor.at, normalised_error = anchor.normalised_error,
                "an on-site result contradicts everything else known of its pile and was left out: look into it"
            );
        }
        for reference in facts.contradictory_references.iter().filter(|reference| !reference.is_used) {
            tracing::warn!(
                at = %reference.at, error_percent = %reference.error_percent,
                normalised_error = reference.normalised_error,
                "a reference vehicle's calibration contradicts everything else known of it and was left out: look into it"
            );
        }
        let stations = stored["contradictory_balances"].as_array().into_iter().flatten();
        for balance in stations.filter(|balance| balance["is_used"] == false) {
            tracing::warn!(
                station.id = balance["station"].as_str(),
                normalised_error = balance["normalised_error"].as_f64(),
                shape = balance["shape"].as_f64(),
                master_kwh = balance["energies_kwh"][0].as_f64(),
                registers_kwh = balance["energies_kwh"][1].as_f64(),
                "a station's energy balance contradicts everything else known of its piles and was left out: look into its master and registers"
            );
        }
        if 0 < facts.references_beyond {
            tracing::warn!(
                calibrations = facts.references_beyond,
                "reference vehicles are more than can be checked: the calibrations that say least are not used"
            );
        }
        no_vehicles(facts);
        if !facts.converged {
            tracing::warn!(rounds = facts.rounds, "the fit did not settle; its last round stands");
        }
        tracing::info!(
            charges = facts.charges,
            anchors = facts.anchors,
            references = facts.references,
            noise_percent = facts.noise_percent,
            rounds = facts.rounds,
            "assessed"
        );
    }
}

/// Says which vehicles are none, and which piles relay what no vehicle said.
fn no_vehicles(facts: &RunFacts) {
    let is_alike = |doubted: &&DoubtedValues| doubted.test == "alike";
    let alike = facts.doubted_values.iter().filter(is_alike);
    if let Some(first) = alike.clone().next() {
        tracing::warn!(
            piles = alike.count(),
            p_value = first.p_value,
            share_percent = first.share_percent,
            "in the values that piles relay vehicles hardly differ from each other, as no vehicles do: none of these piles is held to conform"
        );
    }
    if let Some(charges) = facts.screened.get(Screened::ManyVehicles.code()) {
        tracing::warn!(
            charges,
            "charges of ids that are at several piles at once, as no vehicle is, were not compared: a placeholder, or one card for many vehicles"
        );
    }
    if 0 < facts.overlapping {
        tracing::warn!(
            ids = facts.overlapping,
            "ids are at several piles at once, as no vehicle is, and so are vehicles in general, or too many charges are theirs: they are compared"
        );
    }
    for doubted in facts.doubted_values.iter().filter(|doubted| !is_alike(doubted)) {
        tracing::warn!(
            pile.id = %doubted.pile_id, test = doubted.test, p_value = doubted.p_value,
            "vehicle values that a pile relays are none that a vehicle said; it is not held to conform: look into it"
        );
    }
}

const VERDICTS: [RemoteVerdict; 4] = [
    RemoteVerdict::Conform,
    RemoteVerdict::Nonconform,
    RemoteVerdict::Undecided,
    RemoteVerdict::NotComparable,
];
