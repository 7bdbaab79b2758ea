//! What things are called on the broker. The only place that spells them.

use common::queue::Queue;

/// Exchanges and queues of one installation.
#[derive(Debug, Clone)]
pub(super) struct Names {
    prefix: String,
}

impl Names {
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// The exchange that task messages are published to; a queue is its routing key.
    pub fn tasks(&self) -> String {
        format!("{}.tasks", self.prefix)
    }

    /// The exchange that control messages fan out from.
    pub fn control(&self) -> String {
        format!("{}.control", self.prefix)
    }

    /// The exchange and the queue of what could not be read or was delivered too often.
    pub fn dead(&self) -> String {
        format!("{}.dead", self.prefix)
    }

    /// A queue's queue.
    pub fn queue(&self, queue: Queue) -> String {
        format!("{}.{queue}", self.prefix)
    }
}
