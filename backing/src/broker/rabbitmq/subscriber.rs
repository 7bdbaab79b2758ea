//! What a consumer wants, and the seat that its supervisor gives it on whichever connection lives now.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use common::{
    port::broker::{Control, Delivery},
    queue::Queue,
};
use lapin::Channel;
use tokio::sync::{mpsc, watch};

/// Names a subscriber within its process.
pub(super) type SubscriberId = u64;

/// What a subscriber is fed with.
#[derive(Debug, Clone)]
pub(super) enum Feed {
    /// Task messages of a queue, at most `prefetch` unacked: so the channel is bounded by the broker.
    TaskMessages { queue: Queue, prefetch: u16, to: mpsc::UnboundedSender<Delivery> },
    /// Control messages; what does not fit is lost, which costs time only.
    Controls { to: mpsc::Sender<Control> },
}

/// Said to the supervisor.
pub(super) enum Request {
    Join(SubscriberId, Feed, Arc<Seat>),
    Leave(SubscriberId),
}

/// Where a subscriber sits.
#[derive(Debug)]
pub(super) struct Seat {
    place: watch::Sender<Option<Place>>,
    held: AtomicUsize,
    received: AtomicU64,
}

/// A channel on a connection, which is numbered so that tags of an older one are known.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub connection: u64,
    pub channel: Channel,
    /// Set if the broker knows of the consumer yet: deliveries may come a moment before that is
    /// known here.
    attached: bool,
}

impl Seat {
    pub fn new() -> Self {
        Self {
            place: watch::Sender::new(None),
            held: AtomicUsize::new(0),
            received: AtomicU64::new(0),
        }
    }

    pub fn place(&self) -> Option<Place> {
        self.place.borrow().clone()
    }

    /// The connection that deliveries must come from to be worth anything.
    pub fn connection(&self) -> Option<u64> {
        self.place.borrow().as_ref().map(|place| place.connection)
    }

    /// Given a place on a connection: what was held on an older one comes again.
    pub fn take(&self, connection: u64, channel: Channel) {
        self.held.store(0, Ordering::Relaxed);
        self.place.send_replace(Some(Place { connection, channel, attached: false }));
    }

    /// The broker has confirmed the consumer.
    pub fn attached(&self) {
        self.place.send_modify(|place| place.iter_mut().for_each(|place| place.attached = true));
    }

    /// Returns whether it has a place and the broker knows.
    pub fn is_attached(&self) -> bool {
        self.place.borrow().as_ref().is_some_and(|place| place.attached)
    }

    /// The place is gone.
    pub fn lose(&self) {
        self.place.send_replace(None);
        self.held.store(0, Ordering::Relaxed);
    }

    /// Waits until it is attached.
    pub async fn until_attached(&self) {
        // The sender is in `self`, so this can't fail.
        let _ = self
            .place
            .subscribe()
            .wait_for(|place| place.as_ref().is_some_and(|place| place.attached))
            .await;
    }

    /// A delivery came.
    pub fn received(&self) {
        self.received.fetch_add(1, Ordering::Relaxed);
        self.held.fetch_add(1, Ordering::Relaxed);
    }

    /// Deliveries so far.
    pub fn total(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Deliveries that are unacked on the present connection.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Some were acked. Never below zero, though a connection may have been lost in between.
    pub fn acked(&self, count: usize) {
        let _ = self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            Some(held.saturating_sub(count))
        });
    }
}
