//! The broker of a fleet: RabbitMQ 3.10 or later, by AMQP 0-9-1.
//!
//! ```text
//! publish ─▶ ChannelPool ─▶ spool.tasks ───▶ spool.<queue> ─────────────▶ Session ─▶ Deliveries
//! notify ──▶      "      ─▶ spool.control ─▶ a queue for each listener ─▶    "    ─▶ ControlStream
//!                           spool.dead ◀──── unreadable, or delivered too often
//! ```
//!
//! | to | see |
//! | --- | --- |
//! | read the URL, open a connection | `connect` |
//! | publish and await confirms | `publish`, `publish_channels` |
//! | consume, receive and ack | `consume`, `deliveries` |
//! | keep consumers attached through failures | `supervisor`, `session`, `subscriber` |
//! | declare exchanges and queues | `topology`, `names`, `broken_queues` |
//!
//! Publishers and consumers have connections of their own: a broker short of memory stops reading
//! from publishers, and acks must not wait behind them. A message is only a hint; a lost one is
//! published again from the store.

mod broken_queues;
mod config;
mod connect;
mod consume;
mod counts;
mod deliveries;
mod errors;
mod message;
mod names;
mod publish;
mod publish_channels;
mod session;
mod subscriber;
mod supervisor;
mod topology;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use common::{
    port::{
        PortError, PortResult,
        broker::{Broker, Control, ControlStream, Deliveries, TaskMessage},
    },
    queue::Queue,
};
use parking_lot::Mutex;
use tokio::{sync::mpsc, time::timeout};

pub use config::{QueueType, RabbitMqConfig};
use connect::Connector;
pub use counts::BrokerCounts;
use counts::Counters;
use deliveries::{RabbitMqControls, RabbitMqDeliveries, UnackedDeliveries};
use errors::{PART, unavailable};
use names::BrokerNames;
use publish::Publisher;
use publish_channels::ChannelPool;
use subscriber::{Attachment, Subscriber, SubscriberRequest, Subscription, SubscriptionGuard};
use supervisor::{Health, Supervisor};
use topology::Topology;

use crate::pools::{PoolUse, Pooled};

/// Longest wait of a new subscriber to be attached, so that it receives what is sent right
/// afterwards. Past that it is attached as soon as possible.
const ATTACHED_WITHIN: Duration = Duration::from_secs(5);
/// Control messages that a slow listener may have waiting; further ones are dropped.
const CONTROL_BACKLOG: usize = 1024;

/// A RabbitMQ broker or cluster.
pub struct RabbitMqBroker {
    publisher: Publisher,
    health: Arc<Health>,
    requests: mpsc::UnboundedSender<SubscriberRequest>,
    next_subscriber: AtomicU64,
    attachments: Mutex<Vec<(Queue, Weak<Attachment>)>>,
}

impl RabbitMqBroker {
    /// Reads the configuration without connecting: [`Broker::check`] reports whether the broker can
    /// be reached. Must be called within a tokio runtime.
    pub fn open(config: &RabbitMqConfig) -> PortResult<Self> {
        let connector = Connector::new(&config.url, &config.name)?;
        let topology = Arc::new(Topology::new(BrokerNames::new(&config.prefix), config.queues));
        let counters = Arc::new(Counters::default());
        let health = Arc::new(Health::default());
        let (requests, received) = mpsc::unbounded_channel();
        let supervisor = Supervisor {
            connector: connector.clone(),
            topology: Arc::clone(&topology),
            counters: Arc::clone(&counters),
            health: Arc::clone(&health),
            requests: received,
            subscribers: BTreeMap::new(),
        };
        let channels = ChannelPool::new(connector, Arc::clone(&topology), config.publishers)?;
        // Ends by itself when this broker and all of its consumers are dropped.
        tokio::spawn(supervisor.run());
        Ok(Self {
            publisher: Publisher { channels, topology, counters },
            health,
            requests,
            next_subscriber: AtomicU64::new(0),
            attachments: Mutex::default(),
        })
    }

    /// Counts of errors so far.
    pub fn counts(&self) -> BrokerCounts {
        self.publisher.counters.read()
    }

    /// Adds a subscriber. Its queue is consumed from the next connection on, at the latest.
    async fn subscribe(
        &self,
        subscription: Subscription,
    ) -> PortResult<(Arc<Attachment>, SubscriptionGuard)> {
        let id = self.next_subscriber.fetch_add(1, Ordering::Relaxed);
        let attachment = Arc::new(Attachment::new());
        let subscriber = Subscriber { subscription, attachment: Arc::clone(&attachment) };
        self.requests
            .send(SubscriberRequest::Add(id, subscriber))
            .map_err(|_| PortError::broken(PART, "its supervisor has ended"))?;
        let _ = timeout(ATTACHED_WITHIN, attachment.until_confirmed()).await;
        Ok((attachment, SubscriptionGuard { id, requests: self.requests.clone() }))
    }

    /// Counts the deliveries of a queue that consumers of this process hold unacked.
    fn held(&self, queue: Queue) -> u64 {
        let mut attachments = self.attachments.lock();
        attachments.retain(|(_, attachment)| attachment.strong_count() > 0);
        let of_queue = attachments.iter().filter(|(of, _)| *of == queue);
        let live = of_queue.filter_map(|(_, attachment)| attachment.upgrade());
        live.map(|attachment| attachment.held() as u64).sum()
    }
}

impl Pooled for RabbitMqBroker {
    /// The publishing connections. The one consuming connection is not pooled.
    fn pools(&self) -> Vec<PoolUse> {
        vec![self.publisher.channels.usage()]
    }
}

#[async_trait]
impl Broker for RabbitMqBroker {
    async fn publish(&self, messages: &[TaskMessage]) -> Vec<bool> {
        if messages.is_empty() { Vec::new() } else { self.publisher.publish(messages).await }
    }

    async fn consume(&self, queue: Queue, prefetch: u16) -> PortResult<Box<dyn Deliveries>> {
        let prefetch = prefetch.max(1);
        let (to, received) = mpsc::unbounded_channel();
        let subscription = Subscription::TaskMessages { queue, prefetch, to };
        let (attachment, guard) = self.subscribe(subscription).await?;
        self.attachments.lock().push((queue, Arc::downgrade(&attachment)));
        Ok(Box::new(RabbitMqDeliveries {
            received,
            attachment,
            unacked: UnackedDeliveries::default(),
            _guard: guard,
        }))
    }

    /// AMQP counts waiting messages only, so messages that consumers of other processes hold are
    /// not included. They hold none for long.
    async fn depth(&self, queue: Queue) -> PortResult<u64> {
        let name = self.publisher.topology.names.queue(queue);
        Ok(self.publisher.ready(name).await? + self.held(queue))
    }

    async fn dead_letters(&self) -> PortResult<u64> {
        self.publisher.ready(self.publisher.topology.names.dead()).await
    }

    fn topology_generation(&self) -> u64 {
        self.publisher.topology.generation()
    }

    async fn notify(&self, message: &Control) -> PortResult<()> {
        self.publisher.notify(message).await
    }

    async fn listen(&self) -> PortResult<Box<dyn ControlStream>> {
        let (to, received) = mpsc::channel(CONTROL_BACKLOG);
        let (_, guard) = self.subscribe(Subscription::Controls { to }).await?;
        Ok(Box::new(RabbitMqControls { received, _guard: guard }))
    }

    async fn check(&self) -> PortResult<()> {
        self.publisher.check().await?;
        self.health.failure().map_or(Ok(()), |reason| Err(unavailable(reason)))
    }
}
