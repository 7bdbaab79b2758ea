//! The worker's metrics. Labels are kinds, queues and outcomes: bounded, never ids.

use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry,
};

/// The metrics of a worker.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Attempts ended, by kind and outcome (`done`, `failed`, `retried`, `cancelled`, `released`,
    /// `abandoned`).
    pub attempts: IntCounterVec,
    /// Seconds from the claim to the handler's outcome, by kind.
    pub run: HistogramVec,
    /// Seconds from the outcome to its commit, by kind.
    pub settle: HistogramVec,
    /// Slots in use, by queue.
    pub slots: IntGaugeVec,
    /// Settlements refused because another attempt holds the lease.
    pub stale: IntCounter,
    /// Deliveries handed back because no slot was free.
    pub handed_back: IntCounter,
    pub providers: crate::providers::Metrics,
}

/// From a millisecond to half an hour.
const SECONDS: [f64; 12] =
    [0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 180.0, 600.0, 1800.0];

impl Metrics {
    /// Registers the metrics.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let histogram = |name, help, labels: &[&str]| {
            HistogramVec::new(HistogramOpts::new(name, help).buckets(SECONDS.to_vec()), labels)
        };
        let metrics = Self {
            attempts: IntCounterVec::new(
                Opts::new("spool_attempts_total", "Attempts ended, by kind and outcome."),
                &["kind", "outcome"],
            )?,
            run: histogram(
                "spool_run_seconds",
                "Claim to the handler's answer, by kind.",
                &["kind"],
            )?,
            settle: histogram(
                "spool_settle_seconds",
                "The handler's answer to its commit, by kind.",
                &["kind"],
            )?,
            slots: IntGaugeVec::new(
                Opts::new("spool_slots_used", "Slots in use, by queue."),
                &["queue"],
            )?,
            stale: IntCounter::new(
                "spool_stale_settles_total",
                "Settlements refused because the lease was gone.",
            )?,
            handed_back: IntCounter::new(
                "spool_handed_back_total",
                "Deliveries handed back for want of a slot.",
            )?,
            providers: crate::providers::Metrics::new(registry)?,
        };
        registry.register(Box::new(metrics.attempts.clone()))?;
        registry.register(Box::new(metrics.run.clone()))?;
        registry.register(Box::new(metrics.settle.clone()))?;
        registry.register(Box::new(metrics.slots.clone()))?;
        registry.register(Box::new(metrics.stale.clone()))?;
        registry.register(Box::new(metrics.handed_back.clone()))?;
        Ok(metrics)
    }
}
