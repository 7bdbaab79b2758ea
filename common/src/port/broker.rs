//! The broker port: task messages and control messages between processes.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::PortResult;
use crate::{
    id::{Fence, JobId, TaskId},
    queue::Queue,
};

/// The message that a task is ready to be claimed. It holds no truth: a duplicate, late or lost one
/// does no harm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskMessage {
    /// The format's version. A reader ignores fields that it does not know.
    pub v: u8,
    pub task: TaskId,
    /// The task's fence when the message was published: a hint that lets a late message be dropped
    /// without a claim.
    pub fence: Fence,
    pub queue: Queue,
    /// The W3C trace context of the call that created the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

impl TaskMessage {
    /// The version that this code writes.
    pub const VERSION: u8 = 1;

    /// A message without a trace.
    pub fn new(task: TaskId, fence: Fence, queue: Queue) -> Self {
        Self { v: Self::VERSION, task, fence, queue, traceparent: None }
    }

    /// Adds the trace of the task's job, if there is one.
    pub fn traced(self, traceparent: Option<String>) -> Self {
        Self { traceparent, ..self }
    }
}

/// A message to every process of the fleet. Losing one costs only time.
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

/// Identifies a delivery on its connection. An ack on a lost connection does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeliveryTag {
    /// The connection, counted by the adapter.
    pub connection: u64,
    /// The delivery on that connection.
    pub delivery: u64,
}

/// One message taken from a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The tag to ack it with.
    pub tag: DeliveryTag,
    /// The message. The adapter counts those that can't be read and dead-letters them, so they
    /// never get here.
    pub message: TaskMessage,
}

/// A consumer of one queue. It reconnects by itself; a message that was delivered but not acked
/// comes again.
#[async_trait]
pub trait Deliveries: Send {
    /// Returns the next deliveries, at least one and at most `most`. Waits as long as it takes,
    /// through reconnects.
    async fn next(&mut self, most: usize) -> Vec<Delivery>;

    /// Acknowledges deliveries, so that they do not come again.
    async fn ack(&mut self, tags: &[DeliveryTag]) -> PortResult<()>;
}

/// A listener to [`Control`] messages. It reconnects by itself.
#[async_trait]
pub trait ControlStream: Send {
    /// Returns the next message, through reconnects.
    async fn next(&mut self) -> Control;
}

/// Publishes and consumes task messages, and carries control messages.
#[async_trait]
pub trait Broker: Send + Sync + 'static {
    /// Publishes messages in a pipeline and awaits their confirms together. Returns for each, in
    /// order, whether it is surely in its queue. The caller must make the task of any other
    /// (nacked, returned, unconfirmed, no connection) ready again.
    async fn publish(&self, messages: &[TaskMessage]) -> Vec<bool>;

    /// Starts to consume a queue, holding at most `prefetch` messages unacked.
    async fn consume(&self, queue: Queue, prefetch: u16) -> PortResult<Box<dyn Deliveries>>;

    /// The number of messages in a queue, those held by consumers included.
    async fn depth(&self, queue: Queue) -> PortResult<u64>;

    /// The number of messages that could not be read or were delivered too often. They are kept so
    /// that an operator can find their origin; no work is missing because of them.
    async fn dead_letters(&self) -> PortResult<u64>;

    /// A number that grows whenever queues had to be declared again: messages may have been lost
    /// with the old ones.
    fn topology_generation(&self) -> u64;

    /// Sends a control message to every process.
    async fn notify(&self, message: &Control) -> PortResult<()>;

    /// Listens to control messages from now on.
    async fn listen(&self) -> PortResult<Box<dyn ControlStream>>;

    /// Checks that the broker can be reached and that every consumer of this process is attached.
    async fn check(&self) -> PortResult<()>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MAX_TASK_MESSAGE_BYTES;
    use uuid::Uuid;

    #[test]
    fn version_one_still_reads_and_unknown_fields_are_ignored() {
        let stored = r#"{"v":1,"task":"01932b6e-7f00-7abc-8def-0123456789ab","fence":3,
            "queue":"render","later":[1]}"#;
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
