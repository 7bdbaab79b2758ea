//! Subscribers: callers that consume a queue or listen to control messages.
//!
//! A subscriber outlives the connections it is served by. The supervisor owns the connection and
//! attaches every subscriber to each new one.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use common::{
    port::broker::{Control, Delivery},
    queue::Queue,
};
use lapin::Channel;
use tokio::sync::{
    mpsc::{self, UnboundedSender},
    watch,
};

/// Identifies a subscriber within its process.
pub(super) type SubscriberId = u64;

/// A subscription and its present attachment.
#[derive(Debug, Clone)]
pub(super) struct Subscriber {
    pub subscription: Subscription,
    pub attachment: Arc<Attachment>,
}

/// The messages that a subscriber receives, and the channel that they go to.
#[derive(Debug, Clone)]
pub(super) enum Subscription {
    /// Task messages of a queue, at most `prefetch` of them unacked, so the broker bounds `to`.
    TaskMessages { queue: Queue, prefetch: u16, to: mpsc::UnboundedSender<Delivery> },
    /// Control messages. One that does not fit is dropped, which costs only time.
    Controls { to: mpsc::Sender<Control> },
}

/// A request to the supervisor.
pub(super) enum SubscriberRequest {
    Add(SubscriberId, Subscriber),
    Remove(SubscriberId),
}

/// Removes its subscriber from the supervisor when it is dropped.
pub(super) struct SubscriptionGuard {
    pub id: SubscriberId,
    pub requests: UnboundedSender<SubscriberRequest>,
}

impl Drop for SubscriptionGuard {
    fn drop(&mut self) {
        // An error means that the supervisor has ended, and every subscription with it.
        let _ = self.requests.send(SubscriberRequest::Remove(self.id));
    }
}

/// The link between a subscriber and the connection that serves it now, if there is one.
#[derive(Debug)]
pub(super) struct Attachment {
    current: watch::Sender<Option<ConsumerChannel>>,
    held: AtomicUsize,
    received: AtomicU64,
}

/// A consumer's channel. Connections are numbered, so that tags of an older one are recognised.
#[derive(Debug, Clone)]
pub(super) struct ConsumerChannel {
    pub connection: u64,
    pub channel: Channel,
    /// Set when the broker has confirmed the consumer. Deliveries may come a moment earlier.
    is_confirmed: bool,
}

impl Attachment {
    pub fn new() -> Self {
        Self {
            current: watch::Sender::new(None),
            held: AtomicUsize::new(0),
            received: AtomicU64::new(0),
        }
    }

    pub fn current(&self) -> Option<ConsumerChannel> {
        self.current.borrow().clone()
    }

    /// Number of the present connection; deliveries of any other are void.
    pub fn connection(&self) -> Option<u64> {
        self.current.borrow().as_ref().map(|current| current.connection)
    }

    /// Moves to a new connection. Deliveries held from an older one are delivered again.
    pub fn attach(&self, connection: u64, channel: Channel) {
        self.held.store(0, Ordering::Relaxed);
        let current = ConsumerChannel { connection, channel, is_confirmed: false };
        self.current.send_replace(Some(current));
    }

    /// Records that the broker has confirmed the consumer.
    pub fn confirm(&self) {
        self.current.send_modify(|current| {
            current.iter_mut().for_each(|current| current.is_confirmed = true);
        });
    }

    /// Returns whether the broker has confirmed the consumer.
    pub fn is_confirmed(&self) -> bool {
        self.current.borrow().as_ref().is_some_and(|current| current.is_confirmed)
    }

    /// Records that the connection is lost.
    pub fn detach(&self) {
        self.current.send_replace(None);
        self.held.store(0, Ordering::Relaxed);
    }

    /// Waits until the broker has confirmed the consumer.
    pub async fn until_confirmed(&self) {
        // `self` owns the sender, so this can't fail.
        let _ = self
            .current
            .subscribe()
            .wait_for(|current| current.as_ref().is_some_and(|current| current.is_confirmed))
            .await;
    }

    /// Counts a delivery that came.
    pub fn count_received(&self) {
        self.received.fetch_add(1, Ordering::Relaxed);
        self.held.fetch_add(1, Ordering::Relaxed);
    }

    /// Number of deliveries so far, over all connections.
    pub fn total_received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Number of unacked deliveries of the present connection.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Counts acks. Never below zero, though a connection may have been lost in between.
    pub fn count_acked(&self, count: usize) {
        let _ = self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            Some(held.saturating_sub(count))
        });
    }
}
