//! The broker of one process: a bounded queue per class and a fan-out of control messages, in memory.
//!
//! It behaves as RabbitMQ does where callers can tell: a prefetch bounds what is held unacked, a consumer that goes away leaves its
//! messages to the others, an ack from a consumer that is gone does nothing. Its queues are bounded because a bell that finds no room
//! is simply not confirmed, and its task goes back to `ready`.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use common::{
    kind::Class,
    port::{
        PortResult,
        broker::{Broker, Control, Controls, Deliveries, Delivery, DeliveryTag, Doorbell},
    },
};
use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast};

/// Bells a queue holds, unless [`LocalBroker::bounded`] says otherwise: far above any window of one machine, a few MB in the worst case.
pub const CAPACITY: usize = 50_000;
/// Control messages a listener may be behind before it loses the oldest; losing one costs time only.
const CONTROL_BACKLOG: usize = 1024;

/// A broker in this process.
#[derive(Debug)]
pub struct LocalBroker {
    queues: BTreeMap<Class, Arc<Queue>>,
    control: broadcast::Sender<Control>,
    consumers: AtomicU64,
}

impl LocalBroker {
    /// Empty queues of [`CAPACITY`].
    pub fn new() -> Self {
        Self::bounded(CAPACITY)
    }

    /// Empty queues that hold at most `capacity` bells each, unacked ones included.
    pub fn bounded(capacity: usize) -> Self {
        Self {
            queues: Class::ALL
                .into_iter()
                .map(|class| (class, Arc::new(Queue::new(capacity))))
                .collect(),
            control: broadcast::channel(CONTROL_BACKLOG).0,
            consumers: AtomicU64::new(0),
        }
    }

    /// Forgets every waiting bell of a class, as an operator's purge would, and says how many. For tests and `spool dev`.
    pub fn purge(&self, class: Class) -> usize {
        let mut bells = self.queues[&class].bells.lock();
        std::mem::take(&mut bells.waiting).len()
    }
}

impl Default for LocalBroker {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Broker for LocalBroker {
    async fn ring(&self, bells: &[Doorbell]) -> Vec<bool> {
        bells.iter().map(|bell| self.queues[&bell.class].push(bell)).collect()
    }

    async fn consume(&self, class: Class, prefetch: u16) -> PortResult<Box<dyn Deliveries>> {
        Ok(Box::new(LocalDeliveries {
            queue: Arc::clone(&self.queues[&class]),
            consumer: self.consumers.fetch_add(1, Ordering::Relaxed),
            delivered: 0,
            prefetch: usize::from(prefetch.max(1)),
            held: BTreeMap::new(),
        }))
    }

    async fn depth(&self, class: Class) -> PortResult<u64> {
        let bells = self.queues[&class].bells.lock();
        Ok((bells.waiting.len() + bells.unacked) as u64)
    }

    async fn dead_letters(&self) -> PortResult<u64> {
        Ok(0)
    }

    fn topology_generation(&self) -> u64 {
        0
    }

    async fn tell(&self, message: &Control) -> PortResult<()> {
        // An error says that nobody listens, which is nobody's fault.
        let _ = self.control.send(message.clone());
        Ok(())
    }

    async fn listen(&self) -> PortResult<Box<dyn Controls>> {
        Ok(Box::new(LocalControls { heard: self.control.subscribe(), _open: self.control.clone() }))
    }

    async fn check(&self) -> PortResult<()> {
        Ok(())
    }
}

/// One class's bells.
#[derive(Debug)]
struct Queue {
    bells: Mutex<Bells>,
    rung: Notify,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Bells {
    waiting: VecDeque<Doorbell>,
    unacked: usize,
}

impl Queue {
    fn new(capacity: usize) -> Self {
        Self { bells: Mutex::default(), rung: Notify::new(), capacity }
    }

    fn push(&self, bell: &Doorbell) -> bool {
        let mut bells = self.bells.lock();
        let room = bells.waiting.len() + bells.unacked < self.capacity;
        if room {
            bells.waiting.push_back(bell.clone());
            drop(bells);
            self.rung.notify_waiters();
        }
        room
    }

    fn take(&self, most: usize) -> Vec<Doorbell> {
        let mut bells = self.bells.lock();
        let count = most.min(bells.waiting.len());
        bells.unacked += count;
        bells.waiting.drain(..count).collect()
    }

    fn acked(&self, count: usize) {
        self.bells.lock().unacked -= count;
    }

    /// Puts back what a consumer left, ahead of the rest and in its old order.
    fn restore(&self, left: BTreeMap<u64, Doorbell>) {
        let mut bells = self.bells.lock();
        bells.unacked -= left.len();
        left.into_values().rev().for_each(|bell| bells.waiting.push_front(bell));
        drop(bells);
        self.rung.notify_waiters();
    }
}

/// One consumer; what it holds goes back when it is dropped.
struct LocalDeliveries {
    queue: Arc<Queue>,
    consumer: u64,
    delivered: u64,
    prefetch: usize,
    held: BTreeMap<u64, Doorbell>,
}

impl LocalDeliveries {
    fn take(&mut self, most: usize) -> Vec<Delivery> {
        let room = self.prefetch - self.held.len();
        self.queue.take(most.min(room)).into_iter().map(|bell| self.hold(bell)).collect()
    }

    fn hold(&mut self, bell: Doorbell) -> Delivery {
        self.delivered += 1;
        self.held.insert(self.delivered, bell.clone());
        Delivery { tag: DeliveryTag { connection: self.consumer, delivery: self.delivered }, bell }
    }
}

#[async_trait]
impl Deliveries for LocalDeliveries {
    async fn next(&mut self, most: usize) -> Vec<Delivery> {
        let queue = Arc::clone(&self.queue);
        loop {
            // Armed before looking, so a bell that comes in between is not slept through.
            let rung = queue.rung.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            let taken = self.take(most.max(1));
            if !taken.is_empty() {
                return taken;
            }
            rung.await;
        }
    }

    async fn ack(&mut self, tags: &[DeliveryTag]) -> PortResult<()> {
        let ours = tags.iter().filter(|tag| tag.connection == self.consumer);
        let acked = ours.filter(|tag| self.held.remove(&tag.delivery).is_some()).count();
        self.queue.acked(acked);
        Ok(())
    }
}

impl Drop for LocalDeliveries {
    fn drop(&mut self) {
        self.queue.restore(std::mem::take(&mut self.held));
    }
}

/// One listener. It keeps the channel open, so it waits rather than ends when the broker itself is gone.
struct LocalControls {
    heard: broadcast::Receiver<Control>,
    _open: broadcast::Sender<Control>,
}

#[async_trait]
impl Controls for LocalControls {
    async fn next(&mut self) -> Control {
        loop {
            if let Ok(message) = self.heard.recv().await {
                return message;
            }
        }
    }
}
