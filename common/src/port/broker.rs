//! The doorbell: says that a task is ready, and holds no truth.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::PortResult;
use crate::{
    id::{Fence, JobId, TaskId},
    kind::Class,
};

/// A message that says: this task is ready to be claimed. A duplicate, late or lost one does no harm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Doorbell {
    /// The format's version; a reader takes what it knows and ignores fields it does not.
    pub v: u8,
    /// The task.
    pub task: TaskId,
    /// Its fence when it was rung: a hint that lets a late bell be dropped unread.
    pub fence: Fence,
    /// Its class, which names the queue.
    pub class: Class,
    /// W3C trace context of the call that made the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

impl Doorbell {
    /// The version written here.
    pub const VERSION: u8 = 1;

    /// A bell for this task.
    pub fn new(task: TaskId, fence: Fence, class: Class) -> Self {
        Self { v: Self::VERSION, task, fence, class, traceparent: None }
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
    /// Tasks of this class became ready.
    Wake(Class),
    /// These running tasks were asked to stop.
    Cancel(Vec<TaskId>),
    /// These jobs changed in the store, and the board may not know.
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
    /// The bell. What can't be read was counted and put among the dead letters by the adapter, and never gets here.
    pub bell: Doorbell,
}

/// A consumer of one class's queue. It reconnects by itself; what was delivered and not acked comes again.
#[async_trait]
pub trait Deliveries: Send {
    /// The next deliveries, at least one and at most `most`. Waits, through reconnects, for as long as it takes.
    async fn next(&mut self, most: usize) -> Vec<Delivery>;

    /// Acks deliveries.
    async fn ack(&mut self, tags: &[DeliveryTag]) -> PortResult<()>;
}

/// What listens to [`Control`] messages. It reconnects by itself.
#[async_trait]
pub trait Controls: Send {
    /// The next message, through reconnects.
    async fn next(&mut self) -> Control;
}

/// Rings doorbells and hears them.
#[async_trait]
pub trait Broker: Send + Sync + 'static {
    /// Rings these in a pipeline and awaits their confirms together. Answers, in the same order, whether each is surely in its queue;
    /// one that is not (nacked, returned, unconfirmed, no connection) must be made ready again by the caller.
    async fn ring(&self, bells: &[Doorbell]) -> Vec<bool>;

    /// Starts to consume a class, holding at most `prefetch` unacked.
    async fn consume(&self, class: Class, prefetch: u16) -> PortResult<Box<dyn Deliveries>>;

    /// Messages in a class's queue that no consumer holds, plus those that one does.
    async fn depth(&self, class: Class) -> PortResult<u64>;

    /// Messages that are kept because they could not be read or were delivered too often: none is work that is missing, and somebody may
    /// want to know where they came from.
    async fn dead_letters(&self) -> PortResult<u64>;

    /// Grows whenever queues had to be declared anew, so that bells may have been lost with the old ones.
    fn topology_generation(&self) -> u64;

    /// Tells every process.
    async fn tell(&self, message: &Control) -> PortResult<()>;

    /// Listens to what is told from now on.
    async fn listen(&self) -> PortResult<Box<dyn Controls>>;

    /// Whether it can be reached, and every consumer of this process is attached.
    async fn check(&self) -> PortResult<()>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MAX_DOORBELL_BYTES;
    use uuid::Uuid;

    #[test]
    fn a_bell_of_version_one_reads_for_ever_and_fields_of_later_ones_are_ignored() {
        let stored = r#"{"v":1,"task":"01932b6e-7f00-7abc-8def-0123456789ab","fence":3,"class":"render","later":[1]}"#;
        let bell: Doorbell = serde_json::from_str(stored).expect("reads");
        let task = TaskId(Uuid::parse_str("01932b6e-7f00-7abc-8def-0123456789ab").expect("a uuid"));
        assert_eq!(bell, Doorbell::new(task, Fence(3), Class::Render));
    }

    #[test]
    fn a_bell_is_small() {
        let bell = Doorbell {
            traceparent: Some("0".repeat(55)),
            ..Doorbell::new(TaskId::new(), Fence(i64::MAX), Class::Generate)
        };
        assert!(serde_json::to_vec(&bell).expect("json").len() < MAX_DOORBELL_BYTES / 4);
    }
}
