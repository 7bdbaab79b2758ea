//! Publishers: a pool of connections, each with one long-lived confirm channel that one caller has at a time.
//!
//! A publisher that was left in the middle (an error, a timeout, a caller that was dropped) is never used again: most likely its
//! connection is dead and does not know it yet.

use std::{sync::Arc, time::Duration};

use common::port::{PortError, PortResult};
use deadpool::managed::{self, Metrics, Object, Pool, RecycleError, RecycleResult};
use lapin::{Channel, Connection, options::ConfirmSelectOptions};
use parking_lot::Mutex;
use tokio::time::sleep;

use super::{PART, dial::Dialer, topology::Topology, unavailable};
use crate::pools::PoolUse;

/// How often a publisher that waits looks whether it waits in vain.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Why there is no publisher for now.
pub(super) const BLOCKED: &str = "it is short of memory or disk and takes no messages";

/// A publisher that is taken from the pool.
pub(super) type Taken = Object<Maker>;

/// The pool.
pub(super) struct Publishers {
    pool: Pool<Maker>,
    /// A connection that RabbitMQ blocked, kept to hear when it no longer does. A new one would only learn that it is blocked too
    /// by publishing and waiting in vain.
    blocked: Mutex<Option<Arc<Connection>>>,
}

/// A connection and its confirm channel.
pub(super) struct Publisher {
    pub connection: Arc<Connection>,
    pub channel: Channel,
    /// Set while something is under way on the channel, and left set by whoever does not see it through.
    busy: bool,
}

pub(super) struct Maker {
    /// One for each node.
    connections: Vec<deadpool_lapin::Manager>,
    dialer: Dialer,
    topology: Arc<Topology>,
}

impl managed::Manager for Maker {
    type Type = Publisher;
    type Error = PortError;

    async fn create(&self) -> PortResult<Publisher> {
        let connection = self
            .dialer
            .connect_by(|node| managed::Manager::create(&self.connections[node]))
            .await?;
        let opening = async {
            self.topology.ensure(&connection).await?;
            let channel = connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            lapin::Result::Ok(channel)
        };
        let channel = opening.await.map_err(unavailable)?;
        Ok(Publisher { connection: Arc::new(connection), channel, busy: false })
    }

    async fn recycle(&self, publisher: &mut Publisher, _: &Metrics) -> RecycleResult<PortError> {
        let is_open =
            publisher.connection.status().connected() && publisher.channel.status().connected();
        if is_open && !publisher.busy {
            Ok(())
        } else {
            Err(RecycleError::message("it was cut off or left in the middle"))
        }
    }
}

impl Publishers {
    pub fn new(dialer: Dialer, topology: Arc<Topology>, size: usize) -> PortResult<Self> {
        let runtime = lapin::runtime::default_runtime().map_err(unavailable)?;
        let connections = dialer
            .urls()
            .map(|url| {
                let properties = dialer.properties("publishes");
                deadpool_lapin::Manager::new(
                    url.to_owned(),
                    move || properties.clone(),
                    runtime.clone(),
                )
            })
            .collect();
        let pool =
            Pool::builder(Maker { connections, dialer, topology }).max_size(size.max(1)).build();
        Ok(Self {
            pool: pool.map_err(|error| PortError::broken(PART, error))?,
            blocked: Mutex::new(None),
        })
    }

    /// A publisher of one's own, once one is free; an error at once while RabbitMQ blocks publishers.
    pub async fn take(&self) -> PortResult<Taken> {
        if self.is_blocked() {
            return Err(unavailable(BLOCKED));
        }
        let mut publisher = self.pool.get().await.map_err(|error| match error {
            managed::PoolError::Backend(error) => error,
            other => unavailable(other),
        })?;
        publisher.busy = true;
        Ok(publisher)
    }

    /// Back to the pool if all that was sent was answered. Otherwise it is closed now, and not when somebody next wants one.
    pub fn give_back(&self, mut publisher: Taken, all_answered: bool) {
        if publisher.connection.status().blocked() {
            *self.blocked.lock() = Some(Arc::clone(&publisher.connection));
        }
        if all_answered {
            publisher.busy = false;
        } else {
            drop(Object::take(publisher));
        }
    }

    /// How the publishers are used now.
    pub fn usage(&self) -> PoolUse {
        let status = self.pool.status();
        PoolUse {
            pool: "rabbitmq",
            in_use: status.size.saturating_sub(status.available) as u64,
            idle: status.available as u64,
            waiting: status.waiting as u64,
            limit: Some(status.max_size as u64),
        }
    }

    fn is_blocked(&self) -> bool {
        let mut blocked = self.blocked.lock();
        let still = blocked.as_ref().is_some_and(|connection| {
            connection.status().connected() && connection.status().blocked()
        });
        if !still {
            *blocked = None;
        }
        still
    }
}

/// Returns if RabbitMQ blocks this connection, so that nobody waits for what can't come.
pub(super) async fn until_blocked(connection: Arc<Connection>) {
    while !connection.status().blocked() {
        sleep(LOOK_EVERY).await;
    }
}
