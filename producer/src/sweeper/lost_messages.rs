//! Publishes again what the broker can't hold any more: a task that has been `queued` for long while the queue's queue is shorter than
//! the store's count. A message published twice does no harm, one never published is a task that waits for ever.

use std::{sync::Arc, time::Duration};

use common::{
    limits::{ACK_WITHIN, CONFIRM_WITHIN},
    port::{PortResult, broker::Broker},
    queue::Queue,
    store::Store,
};

use crate::{dispatcher::task_publisher::TaskPublisher, metrics::Metrics};

/// A message is missed after this long: its confirm has come or never will, and a consumer would have claimed or handed it back.
pub const OVERDUE_AFTER: Duration = CONFIRM_WITHIN.saturating_add(ACK_WITHIN);
/// LostMessages looked at in one round of a queue: far above any window.
const MOST: u32 = 5_000;

/// Publishes again for one process.
#[derive(Clone)]
pub struct LostMessages {
    /// What should be in the queues.
    pub store: Arc<dyn Store>,
    /// What is.
    pub broker: Arc<dyn Broker>,
    /// Publishes.
    pub task_publisher: TaskPublisher,
    /// Counts.
    pub metrics: Metrics,
    /// After how long a message is missed: [`OVERDUE_AFTER`].
    pub overdue_after: Duration,
}

/// Which topology the last round saw.
#[derive(Debug)]
pub struct Heard {
    generation: u64,
}

impl Heard {
    /// As of now: messages lost before this process began are found by their age.
    pub fn new(messages: &LostMessages) -> Self {
        Self { generation: messages.broker.topology_generation() }
    }
}

impl LostMessages {
    /// Looks at every queue and answers how many messages were published again. Once the topology had to be rebuilt, age does not matter: what
    /// was in the old queues is gone.
    pub async fn run_once(&self, heard: &mut Heard) -> PortResult<usize> {
        let generation = self.broker.topology_generation();
        let age = if generation == heard.generation { self.overdue_after } else { Duration::ZERO };
        let mut published = 0;
        for queue in Queue::ALL {
            published += self.rescue(queue, age).await?;
        }
        // Only now: a round that failed half way is repeated in full.
        heard.generation = generation;
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
            tracing::warn!(%queue, messages = again.len(), "the broker lost task messages; publishing again");
            self.metrics
                .republished
                .with_label_values(&[queue.as_str()])
                .inc_by(again.len() as u64);
            self.task_publisher.publish(again).await;
        }
        Ok(again.len())
    }
}
