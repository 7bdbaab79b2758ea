//! Metrics of providers. The label is the configured name of the service, so operators bound its
//! values.

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

/// The metrics of providers.
#[derive(Debug, Clone)]
pub struct Metrics {
    pub(super) calls: IntCounterVec,
    pub(super) breaker: IntGaugeVec,
    pub(super) in_use: IntGaugeVec,
    pub(super) waiting: IntGaugeVec,
    pub(super) limit: IntGaugeVec,
}

impl Metrics {
    /// Registers the metrics.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let by_provider = |name, help| IntGaugeVec::new(Opts::new(name, help), &["provider"]);
        let metrics = Self {
            calls: IntCounterVec::new(
                Opts::new(
                    "spool_provider_calls_total",
                    "Requests to providers, repeated ones counted each, by outcome.",
                ),
                &["provider", "outcome"],
            )?,
            breaker: by_provider(
                "spool_provider_breaker",
                "0 closed, 1 half open, 2 open: not asked.",
            )?,
            in_use: by_provider("spool_provider_connections", "Connections to a provider in use.")?,
            waiting: by_provider(
                "spool_provider_waiting",
                "Calls that wait for a connection or a token.",
            )?,
            limit: by_provider(
                "spool_provider_connections_limit",
                "Connections to a provider at most.",
            )?,
        };
        registry.register(Box::new(metrics.calls.clone()))?;
        for gauge in [&metrics.breaker, &metrics.in_use, &metrics.waiting, &metrics.limit] {
            registry.register(Box::new(gauge.clone()))?;
        }
        Ok(metrics)
    }
}
