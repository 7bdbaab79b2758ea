//! Names of exchanges and queues on the broker. No other file spells them.

use common::queue::Queue;
use uuid::Uuid;

/// The names of one installation.
#[derive(Debug, Clone)]
pub(super) struct BrokerNames {
    prefix: String,
}

impl BrokerNames {
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// The exchange of task messages; the routing key is the queue.
    pub fn tasks(&self) -> String {
        format!("{}.tasks", self.prefix)
    }

    /// The exchange that fans out control messages.
    pub fn control(&self) -> String {
        format!("{}.control", self.prefix)
    }

    /// A new name for a listener's queue of control messages. The server could choose one, but it
    /// would lie outside the namespace, where a user may have no rights.
    pub fn listener(&self) -> String {
        format!("{}.control.{}", self.prefix, Uuid::now_v7().simple())
    }

    /// The exchange and the queue of messages that could not be read or were delivered too often.
    pub fn dead(&self) -> String {
        format!("{}.dead", self.prefix)
    }

    /// The RabbitMQ queue of a queue's task messages.
    pub fn queue(&self, queue: Queue) -> String {
        format!("{}.{queue}", self.prefix)
    }
}
