//! Publishes task messages of `queued` tasks, and makes a task ready again if its message was not
//! confirmed.

use std::sync::Arc;

use common::{
    id::TaskId,
    port::broker::{Broker, TaskMessage},
    store::Store,
};

use crate::{broker_health::BrokerHealth, metrics::ProducerMetrics};

/// Publishes the task messages of one process.
#[derive(Clone)]
pub struct TaskPublisher {
    store: Arc<dyn Store>,
    broker: Arc<dyn Broker>,
    metrics: ProducerMetrics,
    /// Knows whether the last messages stayed unconfirmed, so that the log reports the beginning
    /// and the end once. The metrics count each message.
    health: Arc<BrokerHealth>,
}

impl TaskPublisher {
    /// Publishes through `broker` and hands back to `store`.
    pub fn new(
        store: Arc<dyn Store>,
        broker: Arc<dyn Broker>,
        metrics: ProducerMetrics,
        health: Arc<BrokerHealth>,
    ) -> Self {
        Self { store, broker, metrics, health }
    }

    /// Publishes these messages and returns the number of confirms. The other tasks become `ready`
    /// for the next round. If the store is away just then, the sweeper finds them later: `queued`,
    /// and not in the broker.
    pub async fn publish(&self, messages: &[TaskMessage]) -> usize {
        if messages.is_empty() {
            return 0;
        }
        let confirmed = self.broker.publish(messages).await;
        for (message, confirmed) in messages.iter().zip(&confirmed) {
            let outcome = if *confirmed { "confirmed" } else { "handed_back" };
            self.metrics.messages.with_label_values(&[message.queue.as_str(), outcome]).inc();
        }
        // A missing answer is no confirm either.
        let is_confirmed = |index: usize| confirmed.get(index).copied().unwrap_or(false);
        let lost: Vec<TaskId> = messages
            .iter()
            .enumerate()
            .filter(|(index, _)| !is_confirmed(*index))
            .map(|(_, message)| message.task)
            .collect();
        if !lost.is_empty() {
            self.hand_back(&lost).await;
        } else if self.health.published(true) {
            tracing::info!("task messages are confirmed again");
        }
        messages.len() - lost.len()
    }

    async fn hand_back(&self, tasks: &[TaskId]) {
        let is_news = self.health.published(false);
        match self.store.hand_back(tasks).await {
            Ok(_) if !is_news => {}
            Ok(_) => {
                tracing::warn!(
                    tasks = tasks.len(),
                    "task messages were not confirmed; their tasks are ready again, and are \
                     published when the broker is back"
                );
            }
            Err(error) => {
                tracing::warn!(
                    %error,
                    tasks = tasks.len(),
                    "task messages were not confirmed, and the store is away"
                );
            }
        }
    }
}
