//! The broker of one process: bounded queues of task messages, and control messages to all
//! listeners.
//!
//! It behaves as RabbitMQ does where callers can tell: the prefetch bounds a consumer's unacked
//! messages, a dropped consumer leaves its messages to others, and an ack from a dropped consumer
//! does nothing. A message that finds no room is not confirmed, and its task goes back to `ready`.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use common::{
    port::{
        PortResult,
        broker::{Broker, Control, ControlStream, Deliveries, Delivery, DeliveryTag, TaskMessage},
    },
    queue::Queue,
};
use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast};

/// Messages that a queue of [`LocalBroker::new`] holds: far more than one machine has queued at
/// once, and a few MB at most.
pub const CAPACITY: usize = 50_000;
/// Control messages that a slow listener may have waiting. Past that it loses the oldest, which
/// costs only time.
const CONTROL_BACKLOG: usize = 1024;

/// A broker in this process.
#[derive(Debug)]
pub struct LocalBroker {
    queues: BTreeMap<Queue, Arc<LocalQueue>>,
    control: broadcast::Sender<Control>,
    consumers: AtomicU64,
}

impl LocalBroker {
    /// Empty queues of [`CAPACITY`].
    pub fn new() -> Self {
        Self::bounded(CAPACITY)
    }

    /// Empty queues that hold at most `capacity` messages each, unacked ones included.
    pub fn bounded(capacity: usize) -> Self {
        Self {
            queues: Queue::ALL
                .into_iter()
                .map(|queue| (queue, Arc::new(LocalQueue::new(capacity))))
                .collect(),
            control: broadcast::channel(CONTROL_BACKLOG).0,
            consumers: AtomicU64::new(0),
        }
    }

    /// Drops all waiting messages of a queue, as an operator's purge would, and returns their
    /// number. For tests and `spool dev`.
    pub fn purge(&self, queue: Queue) -> usize {
        let mut messages = self.queues[&queue].messages.lock();
        std::mem::take(&mut messages.waiting).len()
    }
}

impl Default for LocalBroker {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Broker for LocalBroker {
    async fn publish(&self, messages: &[TaskMessage]) -> Vec<bool> {
        messages.iter().map(|message| self.queues[&message.queue].push(message)).collect()
    }

    async fn consume(&self, queue: Queue, prefetch: u16) -> PortResult<Box<dyn Deliveries>> {
        Ok(Box::new(LocalDeliveries {
            queue: Arc::clone(&self.queues[&queue]),
            consumer: self.consumers.fetch_add(1, Ordering::Relaxed),
            delivered: 0,
            prefetch: usize::from(prefetch.max(1)),
            held: BTreeMap::new(),
        }))
    }

    async fn depth(&self, queue: Queue) -> PortResult<u64> {
        let messages = self.queues[&queue].messages.lock();
        Ok((messages.waiting.len() + messages.unacked) as u64)
    }

    async fn dead_letters(&self) -> PortResult<u64> {
        Ok(0)
    }

    fn topology_generation(&self) -> u64 {
        0
    }

    async fn notify(&self, message: &Control) -> PortResult<()> {
        // An error means that there are no listeners.
        let _ = self.control.send(message.clone());
        Ok(())
    }

    async fn listen(&self) -> PortResult<Box<dyn ControlStream>> {
        Ok(Box::new(LocalControls {
            received: self.control.subscribe(),
            _open: self.control.clone(),
        }))
    }

    async fn check(&self) -> PortResult<()> {
        Ok(())
    }
}

/// One queue's messages.
#[derive(Debug)]
struct LocalQueue {
    messages: Mutex<Messages>,
    published: Notify,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Messages {
    waiting: VecDeque<TaskMessage>,
    unacked: usize,
}

impl LocalQueue {
    fn new(capacity: usize) -> Self {
        Self { messages: Mutex::default(), published: Notify::new(), capacity }
    }

    fn push(&self, message: &TaskMessage) -> bool {
        let mut messages = self.messages.lock();
        let room = messages.waiting.len() + messages.unacked < self.capacity;
        if room {
            messages.waiting.push_back(message.clone());
            drop(messages);
            self.published.notify_waiters();
        }
        room
    }

    fn take(&self, most: usize) -> Vec<TaskMessage> {
        let mut messages = self.messages.lock();
        let count = most.min(messages.waiting.len());
        messages.unacked += count;
        messages.waiting.drain(..count).collect()
    }

    fn acked(&self, count: usize) {
        self.messages.lock().unacked -= count;
    }

    /// Puts back a consumer's unacked messages, before all others and in their old order.
    fn restore(&self, unacked: BTreeMap<u64, TaskMessage>) {
        let mut messages = self.messages.lock();
        messages.unacked -= unacked.len();
        unacked.into_values().rev().for_each(|message| messages.waiting.push_front(message));
        drop(messages);
        self.published.notify_waiters();
    }
}

/// One consumer. Its unacked messages go back to the queue when it is dropped.
struct LocalDeliveries {
    queue: Arc<LocalQueue>,
    consumer: u64,
    delivered: u64,
    prefetch: usize,
    held: BTreeMap<u64, TaskMessage>,
}

impl LocalDeliveries {
    fn take(&mut self, most: usize) -> Vec<Delivery> {
        let room = self.prefetch - self.held.len();
        self.queue.take(most.min(room)).into_iter().map(|message| self.hold(message)).collect()
    }

    fn hold(&mut self, message: TaskMessage) -> Delivery {
        self.delivered += 1;
        self.held.insert(self.delivered, message.clone());
        Delivery {
            tag: DeliveryTag { connection: self.consumer, delivery: self.delivered },
            message,
        }
    }
}

#[async_trait]
impl Deliveries for LocalDeliveries {
    async fn next(&mut self, most: usize) -> Vec<Delivery> {
        let queue = Arc::clone(&self.queue);
        loop {
            // Registered before looking, so that a message published in between wakes this call.
            let published = queue.published.notified();
            tokio::pin!(published);
            published.as_mut().enable();
            let taken = self.take(most.max(1));
            if !taken.is_empty() {
                return taken;
            }
            published.await;
        }
    }

    async fn ack(&mut self, tags: &[DeliveryTag]) -> PortResult<()> {
        let valid = tags.iter().filter(|tag| tag.connection == self.consumer);
        let acked = valid.filter(|tag| self.held.remove(&tag.delivery).is_some()).count();
        self.queue.acked(acked);
        Ok(())
    }
}

impl Drop for LocalDeliveries {
    fn drop(&mut self) {
        self.queue.restore(std::mem::take(&mut self.held));
    }
}

/// One listener. It keeps the channel open, so it waits, and does not end, when the broker is
/// dropped.
struct LocalControls {
    received: broadcast::Receiver<Control>,
    _open: broadcast::Sender<Control>,
}

#[async_trait]
impl ControlStream for LocalControls {
    async fn next(&mut self) -> Control {
        loop {
            if let Ok(message) = self.received.recv().await {
                return message;
            }
        }
    }
}
