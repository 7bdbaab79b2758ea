//! Publishes again the messages that the broker has lost: a task has been `queued` for long, while
//! its RabbitMQ queue holds fewer messages than the store counts. A message published twice does no
//! harm; one never published leaves a task waiting for ever.

use std::{sync::Arc, time::Duration};

use common::{
    limits::{ACK_WITHIN, CONFIRM_WITHIN},
    port::{PortResult, broker::Broker},
    queue::Queue,
    store::Store,
};

use crate::{dispatcher::task_publisher::TaskPublisher, metrics::ProducerMetrics};

/// Age at which a message counts as lost: its confirm has come or never will, and a consumer would
/// have claimed it or handed it back.
pub const OVERDUE_AFTER: Duration = CONFIRM_WITHIN.saturating_add(ACK_WITHIN);
/// Messages of a queue checked in one round: more than any fleet has room for.
const MOST: u32 = 5_000;

/// Publishes lost messages again.
#[derive(Clone)]
pub struct LostMessages {
    /// Knows the messages that should be in the queues.
    pub store: Arc<dyn Store>,
    /// Knows how many are.
    pub broker: Arc<dyn Broker>,
    pub task_publisher: TaskPublisher,
    pub metrics: ProducerMetrics,
    /// Age at which a message counts as lost: [`OVERDUE_AFTER`].
    pub overdue_after: Duration,
}

/// The broker topology of the last round.
#[derive(Debug)]
pub struct LastTopology {
    generation: u64,
}

impl LastTopology {
    /// Starts with the current topology: messages lost before this process began are found by their
    /// age.
    pub fn new(messages: &LostMessages) -> Self {
        Self { generation: messages.broker.topology_generation() }
    }
}

impl LostMessages {
    /// Checks every queue and returns the number of messages published again. After the topology
    /// was rebuilt, age does not matter: the old queues are gone with their messages.
    pub async fn run_once(&self, last_topology: &mut LastTopology) -> PortResult<usize> {
        let generation = self.broker.topology_generation();
        let age = if generation == last_topology.generation {
            self.overdue_after
        } else {
            Duration::ZERO
        };
        let mut published = 0;
        for queue in Queue::ALL {
            published += self.rescue(queue, age).await?;
        }
        // Set last: a round that failed half way is repeated in full.
        last_topology.generation = generation;
        Ok(published)
    }

    async fn rescue(&self, queue: Queue, age: Duration) -> PortResult<usize> {
        let (overdue, queued) = self.store.overdue(queue, age, MOST).await?;
        if overdue.is_empty() {
            return Ok(0);
        }
        let missing = queued.saturating_sub(self.broker.depth(queue).await?);
        let again = &overdue[..overdue.len().min(usize::try_from(missing).unwrap_or(usize::MAX))];
        if !again.is_empty() {
            tracing::warn!(
                %queue,
                messages = again.len(),
                "the broker lost task messages; publishing again"
            );
            self.metrics
                .republished
                .with_label_values(&[queue.as_str()])
                .inc_by(again.len() as u64);
            self.task_publisher.publish(again).await;
        }
        Ok(again.len())
    }
}
