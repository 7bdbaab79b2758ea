//! The broker of a fleet: RabbitMQ 3.10 or later, by AMQP 0-9-1.
//!
//! ```text
//!   publish ─▶ Publishers ═ confirm channels ═▶ spool.tasks ─▶ spool.render | generate | light ═▶ Supervisor ─▶ Deliveries
//!   tell ─▶     "                            spool.control ─▶ a queue per listener          ═▶     "      ─▶ ControlStream
//!                                            spool.dead ◀─ what can't be read, or was delivered too often
//! ```
//!
//! Publishing and consuming have connections of their own: a broker short of memory stops reading from publishers, and acks must not
//! stand in that line. Nothing here is relied upon for more than a hint; the store is published again from.

mod broken;
mod config;
mod counts;
mod deliveries;
mod dial;
mod message;
mod names;
mod pool;
mod publishing;
mod pump;
mod session;
mod subscriber;
mod supervisor;
mod topology;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
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

use config::Address;
pub use config::{QueueType, RabbitMqConfig};
use counts::Counters;
pub use counts::Counts;
use deliveries::{Membership, Outstanding, RabbitMqControls, RabbitMqDeliveries};
use dial::Dialer;
use names::Names;
use pool::Publishers;
use publishing::Publishing;
use subscriber::{Feed, Request, Seat};
use supervisor::{Health, Supervisor};
use topology::Topology;

use crate::pools::{PoolUse, Pooled};

const PART: &str = "RabbitMQ";
/// A new subscriber waits this long to be attached, so that what is said right afterwards is heard; past that it is attached when it can be.
const ATTACHED_WITHIN: Duration = Duration::from_secs(5);
/// Control messages a listener may be behind before it loses some.
const CONTROL_BACKLOG: usize = 1024;

/// A broker at the other end of AMQP.
pub struct RabbitMqBroker {
    publishing: Publishing,
    health: Arc<Health>,
    requests: mpsc::UnboundedSender<Request>,
    subscribers: AtomicU64,
    seats: Mutex<Vec<(Queue, std::sync::Weak<Seat>)>>,
}

impl RabbitMqBroker {
    /// Reads the configuration and connects to nothing yet: [`Broker::check`] says whether the broker can be reached. Must be called
    /// within a tokio runtime.
    pub fn open(config: &RabbitMqConfig) -> PortResult<Self> {
        let dialer = Dialer::new(Address::read_all(&config.url)?, &config.name);
        let topology = Arc::new(Topology::new(Names::new(&config.prefix), config.queues));
        let counters = Arc::new(Counters::default());
        let health = Arc::new(Health::default());
        let (requests, heard) = mpsc::unbounded_channel();
        let supervisor = Supervisor {
            dialer: dialer.clone(),
            topology: Arc::clone(&topology),
            counters: Arc::clone(&counters),
            health: Arc::clone(&health),
            requests: heard,
            subscribers: BTreeMap::new(),
        };
        let publishers = Publishers::new(dialer, Arc::clone(&topology), config.publishers)?;
        // Ends by itself when this broker and every consumer of it are dropped.
        tokio::spawn(supervisor.run());
        Ok(Self {
            publishing: Publishing { publishers, topology, counters },
            health,
            requests,
            subscribers: AtomicU64::new(0),
            seats: Mutex::default(),
        })
    }

    /// What went wrong so far.
    pub fn counts(&self) -> Counts {
        self.publishing.counters.read()
    }

    /// Seats a subscriber. It is a member from now on, whether it is attached in time or only later.
    async fn join(&self, feed: Feed) -> PortResult<(Arc<Seat>, Membership)> {
        let id = self.subscribers.fetch_add(1, Ordering::Relaxed);
        let seat = Arc::new(Seat::new());
        self.requests
            .send(Request::Join(id, feed, Arc::clone(&seat)))
            .map_err(|_| PortError::broken(PART, "its supervisor has ended"))?;
        let _ = timeout(ATTACHED_WITHIN, seat.until_attached()).await;
        Ok((seat, Membership { id, requests: self.requests.clone() }))
    }

    /// Deliveries of a queue that consumers of this process hold.
    fn held(&self, queue: Queue) -> u64 {
        let mut seats = self.seats.lock();
        seats.retain(|(_, seat)| seat.strong_count() > 0);
        let of_queue = seats.iter().filter(|(of, _)| *of == queue);
        of_queue.filter_map(|(_, seat)| seat.upgrade()).map(|seat| seat.held() as u64).sum()
    }
}

impl Pooled for RabbitMqBroker {
    /// The publishers; each consumer has a connection of its own besides.
    fn pools(&self) -> Vec<PoolUse> {
        vec![self.publishing.publishers.usage()]
    }
}

#[async_trait]
impl Broker for RabbitMqBroker {
    async fn publish(&self, messages: &[TaskMessage]) -> Vec<bool> {
        if messages.is_empty() { Vec::new() } else { self.publishing.publish(messages).await }
    }

    async fn consume(&self, queue: Queue, prefetch: u16) -> PortResult<Box<dyn Deliveries>> {
        let prefetch = prefetch.max(1);
        let (to, feed) = mpsc::unbounded_channel();
        let (seat, membership) = self.join(Feed::TaskMessages { queue, prefetch, to }).await?;
        self.seats.lock().push((queue, Arc::downgrade(&seat)));
        Ok(Box::new(RabbitMqDeliveries {
            feed,
            seat,
            open: Outstanding::default(),
            _membership: membership,
        }))
    }

    /// AMQP tells of waiting messages only, so what consumers of other processes hold is not in it. They hold none for long.
    async fn depth(&self, queue: Queue) -> PortResult<u64> {
        Ok(self.publishing.ready(self.publishing.topology.names.queue(queue)).await?
            + self.held(queue))
    }

    async fn dead_letters(&self) -> PortResult<u64> {
        self.publishing.ready(self.publishing.topology.names.dead()).await
    }

    fn topology_generation(&self) -> u64 {
        self.publishing.topology.generation()
    }

    async fn notify(&self, message: &Control) -> PortResult<()> {
        self.publishing.notify(message).await
    }

    async fn listen(&self) -> PortResult<Box<dyn ControlStream>> {
        let (to, feed) = mpsc::channel(CONTROL_BACKLOG);
        let (_, membership) = self.join(Feed::Controls { to }).await?;
        Ok(Box::new(RabbitMqControls { feed, _membership: membership }))
    }

    async fn check(&self) -> PortResult<()> {
        self.publishing.check().await?;
        self.health.fault().map_or(Ok(()), |fault| Err(unavailable(fault)))
    }
}

fn unavailable(error: impl ToString) -> PortError {
    PortError::unavailable(PART, error)
}
