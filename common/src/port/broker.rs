//! The task message: says that a task is ready, and holds no truth.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::PortResult;
use crate::{
    id::{Fence, JobId, TaskId},
    queue::Queue,
};

/// A message that says: this task is ready to be claimed. A duplicate, late or lost one does no harm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskMessage {
    /// The format's version; a reader takes what it knows and ignores fields it does not.
    pub v: u8,
    /// The task.
    pub task: TaskId,
    /// Its fence when it was published: a hint that lets a late message be dropped unread.
    pub fence: Fence,
    /// Its queue, which names the queue.
    pub queue: Queue,
    /// W3C trace context of the call that made the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

impl TaskMessage {
    /// The version written here.
    pub const VERSION: u8 = 1;

    /// A message for this task.
    pub fn new(task: TaskId, fence: Fence, queue: Queue) -> Self {
        Self { v: Self::VERSION, task, fence, queue, traceparent: None }
    }

    /// The same with the trace of its job, if that has one.
    pub fn traced(self, traceparent: Option<String>) -> Self {
        Self { traceparent, ..self }
    }
}

/// Said to every process of the fleet. Losing one costs time only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Control {
    /// Tasks of this queue became ready.
    Wake(Queue),
    /// These running tasks were asked to stop.
    Cancel(Vec<TaskId>),
    /// These jobs changed in the store, and the view cache may not know.
    Changed(Vec<JobId>),
}

/// Names a delivery on the connection it came by; acking one from a connection that is gone does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeliveryTag {
    /// Which connection, counted by the adapter.
    pub connection: u64,
    /// Which delivery on it.
    pub delivery: u64,
}

/// One message taken from a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// To ack it by.
    pub tag: DeliveryTag,
    /// The message. What can't be read was counted and put among the dead letters by the adapter, and never gets here.
    pub message: TaskMessage,
}

/// A consumer of one queue's queue. It reconnects by itself; what was delivered and not acked comes again.
#[async_trait]
pub trait Deliveries: Send {
    /// The next deliveries, at least one and at most `most`. Waits, through reconnects, for as long as it takes.
    async fn next(&mut self, most: usize) -> Vec<Delivery>;

    /// Acks deliveries.
    async fn ack(&mut self, tags: &[DeliveryTag]) -> PortResult<()>;
}

/// What listens to [`Control`] messages. It reconnects by itself.
#[async_trait]
pub trait ControlStream: Send {
    /// The next message, through reconnects.
    async fn next(&mut self) -> Control;
}

/// Publishes task messages and hears them.
#[async_trait]
pub trait Broker: Send + Sync + 'static {
    /// Publishes these in a pipeline and awaits their confirms together. Answers, in the same order, whether each is surely in its queue;
    /// one that is not (nacked, returned, unconfirmed, no connection) must be made ready again by the caller.
    async fn publish(&self, messages: &[TaskMessage]) -> Vec<bool>;

    /// Starts to consume a queue, holding at most `prefetch` unacked.
    async fn consume(&self, queue: Queue, prefetch: u16) -> PortResult<Box<dyn Deliveries>>;

    /// Messages in a queue's queue that no consumer holds, plus those that one does.
    async fn depth(&self, queue: Queue) -> PortResult<u64>;

    /// Messages that are kept because they could not be read or were delivered too often: none is work that is missing, and somebody may
    /// want to know where they came from.
    async fn dead_letters(&self) -> PortResult<u64>;

    /// Grows whenever queues had to be declared again: messages may have been lost with the old ones.
    fn topology_generation(&self) -> u64;

    /// Tells every process.
    async fn notify(&self, message: &Control) -> PortResult<()>;

    /// Listens to what is told from now on.
    async fn listen(&self) -> PortResult<Box<dyn ControlStream>>;

    /// Returns whether it can be reached, and every consumer of this process is attached.
    async fn check(&self) -> PortResult<()>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MAX_TASK_MESSAGE_BYTES;
    use uuid::Uuid;

    #[test]
    fn a_message_of_version_one_reads_for_ever_and_fields_of_later_ones_are_ignored() {
        let stored = r#"{"v":1,"task":"01932b6e-7f00-7abc-8def-0123456789ab","fence":3,"queue":"render","later":[1]}"#;
        let message: TaskMessage = serde_json::from_str(stored).expect("reads");
        let task = TaskId(Uuid::parse_str("01932b6e-7f00-7abc-8def-0123456789ab").expect("a uuid"));
        assert_eq!(message, TaskMessage::new(task, Fence(3), Queue::Render));
    }

    #[test]
    fn a_message_is_small() {
        let message = TaskMessage {
            traceparent: Some("0".repeat(55)),
            ..TaskMessage::new(TaskId::new(), Fence(i64::MAX), Queue::Generate)
        };
        assert!(serde_json::to_vec(&message).expect("json").len() < MAX_TASK_MESSAGE_BYTES / 4);
    }
}
