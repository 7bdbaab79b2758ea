//! The settings of a connection to RabbitMQ. [`super::connect`] reads the URL.

/// Queue type of the task messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QueueType {
    /// Replicated over the cluster's nodes.
    #[default]
    Quorum,
    /// On one node, on its disk: lighter, for a broker of a single node.
    Classic,
}

/// Address of RabbitMQ, and how it is used.
#[derive(Debug, Clone)]
pub struct RabbitMqConfig {
    /// `amqp://user:password@host:5672/vhost`; a `heartbeat` in its query is kept. The nodes of a
    /// cluster are separated by commas:
    /// `amqp://user:password@one:5672,two:5672,three:5672/vhost`. TLS (`amqps://`) is refused.
    pub url: String,
    /// First part of the name of every exchange and queue. Installations that share a broker
    /// differ in it, or in the vhost.
    pub prefix: String,
    /// Used for queues that do not exist yet; an existing queue is used as it is.
    pub queues: QueueType,
    /// Publisher connections, each with one confirm channel: the number of concurrent publishes.
    pub publishers: usize,
    /// Shown in RabbitMQ's list of connections.
    pub name: String,
}

impl RabbitMqConfig {
    /// The defaults for a broker at `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            prefix: "spool".to_owned(),
            queues: QueueType::Quorum,
            publishers: 2,
            name: "spool".to_owned(),
        }
    }
}
