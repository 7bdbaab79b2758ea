//! The producer's metrics. Labels are kinds, queues, routes and outcomes: bounded, never ids.

use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    core::Collector,
};

/// The metrics of one process's producer.
#[derive(Debug, Clone)]
pub struct ProducerMetrics {
    /// Seconds from a read request to its commit, by kind (`batch` for batches).
    pub accept: HistogramVec,
    /// Seconds to read a job's status, by kind and source (`view_cache`, `store`).
    pub status_read: HistogramVec,
    /// Requests answered, by method, route and status.
    pub requests: IntCounterVec,
    /// Published task messages, by queue and outcome (`confirmed`, `handed_back`).
    pub messages: IntCounterVec,
    /// Task messages published again because the broker had lost them, by queue.
    pub republished: IntCounterVec,
    pub leases_lost: IntCounter,
    /// Tasks failed as poison.
    pub quarantined: IntCounter,
    /// Tasks failed because their job did not start in time.
    pub expired: IntCounter,
    /// Firings of schedules, by outcome (`posted`, `refused`).
    pub fired: IntCounterVec,
    /// Rows removed by age.
    pub retained: IntCounter,
    /// Artifacts removed because nothing referred to them any more.
    pub collected: IntCounter,
    /// Waiting tasks (ready or queued), by queue; counted up to a bound.
    pub waiting: IntGaugeVec,
    pub running: IntGaugeVec,
    pub slots: IntGaugeVec,
    /// Milliseconds that the oldest due task has waited, by queue.
    pub oldest_ms: IntGaugeVec,
    /// Messages that the broker keeps because they were unreadable or delivered too often.
    pub dead_letters: IntGauge,
    /// Requests that wait for a job's change.
    pub waiters: IntGauge,
}

/// Buckets from a tenth of a millisecond to ten seconds.
const SECONDS: [f64; 15] =
    [0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];

impl ProducerMetrics {
    /// Registers the metrics; a registry that has them already is an error.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let histogram = |name, help, labels: &[&str]| {
            let histogram = HistogramVec::new(
                HistogramOpts::new(name, help).buckets(SECONDS.to_vec()),
                labels,
            )?;
            registered(registry, histogram)
        };
        let counter = |name, help, labels: &[&str]| {
            registered(registry, IntCounterVec::new(Opts::new(name, help), labels)?)
        };
        let gauge =
            |name, help| registered(registry, IntGaugeVec::new(Opts::new(name, help), &["queue"])?);
        let single = |name, help| registered(registry, IntCounter::new(name, help)?);
        Ok(Self {
            accept: histogram(
                "spool_accept_seconds",
                "A read request to its commit, by kind.",
                &["kind"],
            )?,
            status_read: histogram(
                "spool_status_read_seconds",
                "Reading a job, by kind.",
                &["kind", "from"],
            )?,
            requests: counter(
                "spool_http_requests_total",
                "Requests answered.",
                &["method", "route", "status"],
            )?,
            messages: counter(
                "spool_task_messages_total",
                "Task messages dispatched, by queue and outcome.",
                &["queue", "outcome"],
            )?,
            republished: counter(
                "spool_task_messages_republished_total",
                "Task messages that the broker had lost.",
                &["queue"],
            )?,
            leases_lost: single("spool_leases_lost_total", "Leases that expired.")?,
            quarantined: single("spool_quarantined_total", "Tasks failed as poison.")?,
            expired: single(
                "spool_expired_total",
                "Tasks failed because their job did not start in time.",
            )?,
            fired: counter(
                "spool_firings_total",
                "Firings of schedules, by outcome.",
                &["outcome"],
            )?,
            retained: single("spool_retained_rows_total", "Rows removed because they were old.")?,
            collected: single(
                "spool_collected_artifacts_total",
                "Artifacts removed because nothing referred to them.",
            )?,
            waiting: gauge(
                "spool_queue_waiting",
                "Tasks that wait, by queue; counted up to a bound.",
            )?,
            running: gauge("spool_queue_running", "Tasks that run, by queue.")?,
            slots: gauge("spool_queue_slots", "Slots of live workers, by queue.")?,
            oldest_ms: gauge(
                "spool_queue_oldest_milliseconds",
                "Wait of the oldest due task, by queue.",
            )?,
            dead_letters: registered(
                registry,
                IntGauge::new(
                    "spool_dead_letters",
                    "Messages kept that could not be read or were delivered too often.",
                )?,
            )?,
            waiters: registered(
                registry,
                IntGauge::new("spool_waiters", "Requests that wait for a job to change.")?,
            )?,
        })
    }
}

fn registered<C: Collector + Clone + 'static>(
    registry: &Registry,
    series: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(series.clone()))?;
    Ok(series)
}
