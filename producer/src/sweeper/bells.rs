//! Rings again what the broker can't hold any more: a task that has been `queued` for long while the class's queue is shorter than
//! the store's count. A bell rung twice does no harm, one never rung is a task that waits for ever.

use std::{sync::Arc, time::Duration};

use common::{
    kind::Class,
    limits::{ACK_WITHIN, CONFIRM_WITHIN},
    port::{PortResult, broker::Broker, store::Store},
};

use crate::{dispatcher::ringer::Ringer, metrics::Metrics};

/// A bell is missed after this long: its confirm has come or never will, and a consumer would have claimed or handed it back.
pub const OVERDUE_AFTER: Duration = CONFIRM_WITHIN.saturating_add(ACK_WITHIN);
/// Bells looked at in one round of a class: far above any window.
const MOST: u32 = 5_000;

/// Rings again for one process.
#[derive(Clone)]
pub struct Bells {
    /// What should be in the queues.
    pub store: Arc<dyn Store>,
    /// What is.
    pub broker: Arc<dyn Broker>,
    /// Rings.
    pub ringer: Ringer,
    /// Counts.
    pub metrics: Metrics,
    /// After how long a bell is missed: [`OVERDUE_AFTER`].
    pub overdue_after: Duration,
}

/// Which topology the last round saw.
#[derive(Debug)]
pub struct Heard {
    generation: u64,
}

impl Heard {
    /// As of now: bells lost before this process began are found by their age.
    pub fn new(bells: &Bells) -> Self {
        Self { generation: bells.broker.topology_generation() }
    }
}

impl Bells {
    /// Looks at every class and answers how many bells were rung again. Once the topology had to be rebuilt, age does not matter: what
    /// was in the old queues is gone.
    pub async fn run_once(&self, heard: &mut Heard) -> PortResult<usize> {
        let generation = self.broker.topology_generation();
        let age = if generation == heard.generation { self.overdue_after } else { Duration::ZERO };
        let mut rung = 0;
        for class in Class::ALL {
            rung += self.rescue(class, age).await?;
        }
        // Only now: a round that failed half way is repeated in full.
        heard.generation = generation;
        Ok(rung)
    }

    async fn rescue(&self, class: Class, age: Duration) -> PortResult<usize> {
        let (overdue, queued) = self.store.overdue(class, age, MOST).await?;
        if overdue.is_empty() {
            return Ok(0);
        }
        let missing = queued.saturating_sub(self.broker.depth(class).await?);
        let again = &overdue[..overdue.len().min(usize::try_from(missing).unwrap_or(usize::MAX))];
        if !again.is_empty() {
            tracing::warn!(%class, bells = again.len(), "the broker lost doorbells; ringing again");
            self.metrics.rung_again.with_label_values(&[class.as_str()]).inc_by(again.len() as u64);
            self.ringer.ring(again).await;
        }
        Ok(again.len())
    }
}
