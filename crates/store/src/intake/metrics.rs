//! What intake counts. Made by `app` on its registry, shown by `/metrics`.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge, Registry};

/// Counters and histograms of the group commit.
#[derive(Clone)]
pub struct IntakeMetrics {
    pub(crate) queue: IntGauge,
    pub(crate) batch_messages: Histogram,
    pub(crate) commit_seconds: Histogram,
    pub(crate) readings: IntCounter,
    pub(crate) duplicates: IntCounter,
    pub(crate) failures: IntCounter,
    pub(crate) sent_lost: IntCounter,
}

impl IntakeMetrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// If one of the names is taken in `registry`.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            queue: IntGauge::new("veripile_intake_queue_messages", "Messages waiting for their commit.")?,
            batch_messages: Histogram::with_opts(
                HistogramOpts::new("veripile_intake_batch_messages", "Messages sharing one commit.")
                    .buckets(vec![1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0]),
            )?,
            commit_seconds: Histogram::with_opts(
                HistogramOpts::new("veripile_intake_commit_seconds", "Duration of one shared commit.")
                    .buckets(vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5]),
            )?,
            readings: IntCounter::new("veripile_intake_readings_total", "Readings stored.")?,
            duplicates: IntCounter::new(
                "veripile_intake_duplicates_total",
                "Messages that had been stored before and changed nothing.",
            )?,
            failures: IntCounter::new(
                "veripile_intake_failures_total",
                "Messages the database refused; the charger was told so.",
            )?,
            sent_lost: IntCounter::new(
                "veripile_intake_sent_lost_total",
                "Texts sent to chargers that could not be logged.",
            )?,
        };
        registry.register(Box::new(metrics.queue.clone()))?;
        registry.register(Box::new(metrics.batch_messages.clone()))?;
        registry.register(Box::new(metrics.commit_seconds.clone()))?;
        for counter in [&metrics.readings, &metrics.duplicates, &metrics.failures, &metrics.sent_lost] {
            registry.register(Box::new(counter.clone()))?;
        }
        Ok(metrics)
    }
}
