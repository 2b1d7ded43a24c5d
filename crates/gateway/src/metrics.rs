//! What the gateway counts. Made by `app` on its registry. Never a pile as a label: that would be a series per pile.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use veripile_pile::Mark;
use veripile_verification::Party;

use crate::refused::Refused;

/// Gauges, counters and histograms of the gateway.
#[derive(Clone)]
pub struct GatewayMetrics {
    pub(crate) connections: IntGauge,
    pub(crate) opened: IntCounterVec,
    pub(crate) refusals: IntCounterVec,
    pub(crate) frames: IntCounterVec,
    pub(crate) answer_seconds: Histogram,
    pub(crate) marks: IntCounterVec,
    pub(crate) relay_waiting_bytes: IntGauge,
    pub(crate) runs: IntGauge,
    pub(crate) run_readings: IntCounter,
    pub(crate) run_faults: IntCounterVec,
}

impl GatewayMetrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// If one of the names is taken in `registry`.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter =
            |name: &str, help: &str, labels: &[&str]| IntCounterVec::new(Opts::new(name, help), labels);
        let metrics = Self {
            connections: IntGauge::new("veripile_gateway_connections", "Chargers connected now.")?,
            opened: counter(
                "veripile_gateway_connections_opened_total",
                "Connections accepted.",
                &["protocol"],
            )?,
            refusals: counter("veripile_gateway_refusals_total", "Connections refused.", &["reason"])?,
            frames: counter(
                "veripile_gateway_frames_total",
                "Frames received: outcome is answered, repeated, refused or unreadable.",
                &["protocol", "action", "outcome"],
            )?,
            answer_seconds: Histogram::with_opts(
                HistogramOpts::new("veripile_gateway_answer_seconds", "From frame received to answer sent.")
                    .buckets(vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0]),
            )?,
            marks: counter("veripile_gateway_marks_total", "Marks put on frames and readings.", &["mark"])?,
            relay_waiting_bytes: IntGauge::new(
                "veripile_gateway_relay_waiting_bytes",
                "Messages of relayed chargers that their upstreams have yet to get.",
            )?,
            runs: IntGauge::new("veripile_gateway_runs", "Verifications that are carried out now.")?,
            run_readings: IntCounter::new(
                "veripile_gateway_run_readings_total",
                "Readings of verifications taken and kept.",
            )?,
            run_faults: counter(
                "veripile_gateway_run_faults_total",
                "Actions of verifications that failed, by who failed: source, standard or pile.",
                &["party"],
            )?,
        };
        for protocol in veripile_ocpp::Version::ALL {
            metrics.opened.with_label_values(&[protocol.subprotocol()]);
            metrics.frames.with_label_values(&[protocol.subprotocol(), "MeterValues", "answered"]);
        }
        for reason in Refused::ALL {
            metrics.refusals.with_label_values(&[reason.code()]);
        }
        for mark in Mark::ALL {
            metrics.marks.with_label_values(&[mark.code()]);
        }
        for party in [Party::Source, Party::Standard, Party::Pile] {
            metrics.fault_of(party);
        }
        registry.register(Box::new(metrics.connections.clone()))?;
        registry.register(Box::new(metrics.runs.clone()))?;
        registry.register(Box::new(metrics.run_readings.clone()))?;
        registry.register(Box::new(metrics.relay_waiting_bytes.clone()))?;
        registry.register(Box::new(metrics.answer_seconds.clone()))?;
        for vector in
            [&metrics.opened, &metrics.refusals, &metrics.frames, &metrics.marks, &metrics.run_faults]
        {
            registry.register(Box::new(vector.clone()))?;
        }
        Ok(metrics)
    }

    /// The counter of one party's faults.
    pub(crate) fn fault_of(&self, party: Party) -> IntCounter {
        let word = match party {
            Party::Source => "source",
            Party::Standard => "standard",
            Party::Pile => "pile",
        };
        self.run_faults.with_label_values(&[word])
    }
}
