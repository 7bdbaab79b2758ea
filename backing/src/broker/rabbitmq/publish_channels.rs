//! A pool of publishing connections, each with one long-lived confirm channel for one caller at a
//! time.
//!
//! A channel that a caller left unfinished (an error, a timeout, a dropped future) is never used
//! again: most likely its connection is dead and has not noticed yet.

use std::{sync::Arc, time::Duration};

use common::port::{PortError, PortResult};
use deadpool::managed::{self, Metrics, Object, Pool, RecycleError, RecycleResult};
use lapin::{Channel, Connection, options::ConfirmSelectOptions};
use parking_lot::Mutex;
use tokio::time::sleep;

use super::{
    connect::Connector,
    errors::{PART, unavailable},
    topology::Topology,
};
use crate::pools::PoolUse;

/// Time between two checks whether a connection is blocked.
const CHECK_BLOCKED_EVERY: Duration = Duration::from_millis(100);
/// The error while RabbitMQ blocks publishers.
pub(super) const BLOCKED: &str = "it is short of memory or disk and takes no messages";

/// A channel taken from the pool.
pub(super) type PooledChannel = Object<ChannelManager>;

/// The publishing channels of one process.
pub(super) struct ChannelPool {
    pool: Pool<ChannelManager>,
    /// A connection that RabbitMQ blocked, kept to learn when it is unblocked. A new one would
    /// learn that it is blocked only by publishing in vain.
    blocked: Mutex<Option<Arc<Connection>>>,
}

/// A connection and its confirm channel.
pub(super) struct PublishChannel {
    pub connection: Arc<Connection>,
    pub channel: Channel,
    /// Set while the channel is used, and left set by a caller that did not finish.
    is_busy: bool,
}

/// Opens publishing channels for the pool.
pub(super) struct ChannelManager {
    /// One for each node of the broker.
    connections: Vec<deadpool_lapin::Manager>,
    connector: Connector,
    topology: Arc<Topology>,
}

impl managed::Manager for ChannelManager {
    type Type = PublishChannel;
    type Error = PortError;

    async fn create(&self) -> PortResult<PublishChannel> {
        let connection = self
            .connector
            .connect_by(|node| managed::Manager::create(&self.connections[node]))
            .await?;
        let opening = async {
            self.topology.ensure(&connection).await?;
            let channel = connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            lapin::Result::Ok(channel)
        };
        let channel = opening.await.map_err(unavailable)?;
        Ok(PublishChannel { connection: Arc::new(connection), channel, is_busy: false })
    }

    async fn recycle(&self, held: &mut PublishChannel, _: &Metrics) -> RecycleResult<PortError> {
        let is_open = held.connection.status().connected() && held.channel.status().connected();
        if is_open && !held.is_busy {
            Ok(())
        } else {
            Err(RecycleError::message("it was cut off or left unfinished"))
        }
    }
}

impl ChannelPool {
    pub fn new(connector: Connector, topology: Arc<Topology>, size: usize) -> PortResult<Self> {
        let runtime = lapin::runtime::default_runtime().map_err(unavailable)?;
        let connections = connector
            .urls()
            .map(|url| {
                let properties = connector.properties("publishes");
                deadpool_lapin::Manager::new(
                    url.to_owned(),
                    move || properties.clone(),
                    runtime.clone(),
                )
            })
            .collect();
        let pool = Pool::builder(ChannelManager { connections, connector, topology })
            .max_size(size.max(1))
            .build();
        Ok(Self {
            pool: pool.map_err(|error| PortError::broken(PART, error))?,
            blocked: Mutex::new(None),
        })
    }

    /// Takes a channel once one is free; an error at once while RabbitMQ blocks publishers.
    pub async fn take(&self) -> PortResult<PooledChannel> {
        if self.is_blocked() {
            return Err(unavailable(BLOCKED));
        }
        let mut channel = self.pool.get().await.map_err(|error| match error {
            managed::PoolError::Backend(error) => error,
            other => unavailable(other),
        })?;
        channel.is_busy = true;
        Ok(channel)
    }

    /// Returns a channel to the pool if all that was sent was answered, or else closes it.
    pub fn give_back(&self, mut channel: PooledChannel, all_answered: bool) {
        if channel.connection.status().blocked() {
            *self.blocked.lock() = Some(Arc::clone(&channel.connection));
        }
        if all_answered {
            channel.is_busy = false;
        } else {
            drop(Object::take(channel));
        }
    }

    /// Present use of the pool.
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
        let still_blocked = blocked.as_ref().is_some_and(|connection| {
            connection.status().connected() && connection.status().blocked()
        });
        if !still_blocked {
            *blocked = None;
        }
        still_blocked
    }
}

/// Waits until RabbitMQ blocks this connection, and with it all answers that are still to come.
pub(super) async fn until_blocked(connection: Arc<Connection>) {
    while !connection.status().blocked() {
        sleep(CHECK_BLOCKED_EVERY).await;
    }
}
