//! The waiting work of each queue, read once a second: for gauges, and to refuse submits while too
//! much waits. The broker is checked beside it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use common::{
    port::{PortResult, broker::Broker},
    queue::Queue,
    store::Store,
};
use tokio_util::sync::CancellationToken;

use crate::{broker_health::BrokerHealth, metrics::ProducerMetrics};

/// Counting happens off the request path, so that a submit never pays for it.
const EVERY: Duration = Duration::from_secs(1);

/// Dead letters are counted on every 15th round: they are few, and the count costs the broker a
/// channel.
const LETTERS_EVERY: u64 = 15;

/// The broker is checked on every fifth round: a check costs it a channel too.
const BROKER_EVERY: u64 = 5;

/// The newest count of waiting tasks, by queue.
#[derive(Debug, Default)]
pub struct Backlog {
    waiting: [AtomicU64; Queue::ALL.len()],
}

impl Backlog {
    /// Returns a queue in which more than `bound` tasks wait, with their number, as of a second
    /// ago.
    pub fn over(&self, bound: u64) -> Option<(Queue, u64)> {
        Queue::ALL
            .into_iter()
            .map(|queue| (queue, self.waiting[queue as usize].load(Ordering::Relaxed)))
            .find(|(_, waiting)| *waiting > bound)
    }
}

/// Refreshes a [`Backlog`] and the gauges.
#[derive(Clone)]
pub struct BacklogGauge {
    pub store: Arc<dyn Store>,
    pub broker: Arc<dyn Broker>,
    pub broker_health: Arc<BrokerHealth>,
    pub backlog: Arc<Backlog>,
    pub metrics: ProducerMetrics,
}

impl BacklogGauge {
    /// Reads the demand of every queue.
    pub async fn run_once(&self) -> PortResult<()> {
        for queue in Queue::ALL {
            let demand = self.store.demand(queue).await?;
            self.backlog.waiting[queue as usize].store(demand.waiting, Ordering::Relaxed);
            let gauges = [
                (&self.metrics.waiting, demand.waiting),
                (&self.metrics.running, demand.running),
                (&self.metrics.slots, demand.slots),
                (&self.metrics.oldest_ms, demand.oldest_ms),
            ];
            for (gauge, value) in gauges {
                gauge
                    .with_label_values(&[queue.as_str()])
                    .set(i64::try_from(value).unwrap_or(i64::MAX));
            }
        }
        Ok(())
    }

    /// Counts the broker's dead letters.
    pub async fn count_dead_letters(&self) -> PortResult<()> {
        let kept = self.broker.dead_letters().await?;
        self.metrics.dead_letters.set(i64::try_from(kept).unwrap_or(i64::MAX));
        Ok(())
    }

    /// Refreshes until `stop`. While the store is away the last count stays in force; submits fail
    /// by themselves then.
    pub async fn run(self, stop: CancellationToken) {
        for round in 0_u64.. {
            if stop.is_cancelled() {
                break;
            }
            if let Err(error) = self.run_once().await {
                tracing::debug!(%error, "the backlog could not be read");
            }
            if round % BROKER_EVERY == 0 {
                self.broker_health.checked(&self.broker.check().await);
            }
            if round % LETTERS_EVERY == 0
                && let Err(error) = self.count_dead_letters().await
            {
                tracing::debug!(%error, "the dead letters could not be counted");
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }
}
