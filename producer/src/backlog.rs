//! What each class wants of its workers, looked at once a second: for gauges, and for refusing submits while too much waits.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use common::{
    kind::Class,
    port::{PortResult, store::Store},
};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// Off the request path, so that a submit never pays for the count.
const EVERY: Duration = Duration::from_secs(1);

/// The newest count of what waits, by class.
#[derive(Debug, Default)]
pub struct Backlog {
    waiting: [AtomicU64; Class::ALL.len()],
}

impl Backlog {
    /// A class in which more than `bound` tasks wait, as of a second ago, and how many.
    pub fn over(&self, bound: u64) -> Option<(Class, u64)> {
        Class::ALL
            .into_iter()
            .map(|class| (class, self.waiting[class as usize].load(Ordering::Relaxed)))
            .find(|(_, waiting)| *waiting > bound)
    }
}

/// Keeps a [`Backlog`] and the gauges.
#[derive(Clone)]
pub struct Gauge {
    /// What is asked.
    pub store: Arc<dyn Store>,
    /// What is kept.
    pub backlog: Arc<Backlog>,
    /// Where it shows.
    pub metrics: Metrics,
}

impl Gauge {
    /// Looks at every class.
    pub async fn run_once(&self) -> PortResult<()> {
        for class in Class::ALL {
            let demand = self.store.demand(class).await?;
            self.backlog.waiting[class as usize].store(demand.waiting, Ordering::Relaxed);
            let shown = [
                (&self.metrics.waiting, demand.waiting),
                (&self.metrics.running, demand.running),
                (&self.metrics.slots, demand.slots),
                (&self.metrics.oldest_ms, demand.oldest_ms),
            ];
            for (gauge, value) in shown {
                gauge.with_label_values(&[class.as_str()]).set(i64::try_from(value).unwrap_or(i64::MAX));
            }
        }
        Ok(())
    }

    /// Looks until `stop`. While the store is away the last count stands; submits fail for that reason themselves.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            if let Err(error) = self.run_once().await {
                tracing::debug!(%error, "the backlog is not known");
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }
}
