//! Rings doorbells of tasks that are already `queued`, and makes those ready again whose bell did not surely arrive.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use common::{
    id::TaskId,
    port::{
        broker::{Broker, Doorbell},
        store::Store,
    },
};

use crate::metrics::Metrics;

/// Rings for one process.
#[derive(Clone)]
pub struct Ringer {
    store: Arc<dyn Store>,
    broker: Arc<dyn Broker>,
    metrics: Metrics,
    /// Whether the last bells stayed unheard, so that the log says once that it begins and once that it is over. What is counted each time is in
    /// the metrics.
    unheard: Arc<AtomicBool>,
}

impl Ringer {
    /// Rings through `broker`, hands back to `store`.
    pub fn new(store: Arc<dyn Store>, broker: Arc<dyn Broker>, metrics: Metrics) -> Self {
        Self { store, broker, metrics, unheard: Arc::default() }
    }

    /// Rings these and answers how many were confirmed; the others are `ready` again, for the next round of a dispatcher. Should the
    /// store be away just then, the sweeper finds them: `queued`, and not in the broker.
    pub async fn ring(&self, bells: &[Doorbell]) -> usize {
        if bells.is_empty() {
            return 0;
        }
        let confirmed = self.broker.ring(bells).await;
        for (bell, confirmed) in bells.iter().zip(&confirmed) {
            let outcome = if *confirmed { "confirmed" } else { "handed_back" };
            self.metrics.bells.with_label_values(&[bell.class.as_str(), outcome]).inc();
        }
        // An answer too short is no confirmation either.
        let sure = |index: usize| confirmed.get(index).copied().unwrap_or(false);
        let lost: Vec<TaskId> = bells
            .iter()
            .enumerate()
            .filter(|(index, _)| !sure(*index))
            .map(|(_, bell)| bell.task)
            .collect();
        if !lost.is_empty() {
            self.hand_back(&lost).await;
        } else if self.unheard.swap(false, Ordering::Relaxed) {
            tracing::info!("doorbells are confirmed again");
        }
        bells.len() - lost.len()
    }

    async fn hand_back(&self, tasks: &[TaskId]) {
        match self.store.hand_back(tasks).await {
            Ok(_) if self.unheard.swap(true, Ordering::Relaxed) => {}
            Ok(_) => {
                tracing::warn!(
                    tasks = tasks.len(),
                    "doorbells were not confirmed; their tasks are ready again, and rung when the broker is back"
                );
            }
            Err(error) => {
                tracing::warn!(%error, tasks = tasks.len(), "doorbells were not confirmed, and the store is away");
            }
        }
    }
}
