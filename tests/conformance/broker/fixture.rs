//! A broker under test, with the steps that most cases share.

use std::{sync::Arc, time::Duration};

use common::{
    id::{Fence, TaskId},
    port::broker::{Broker, Deliveries, Delivery, DeliveryTag, TaskMessage},
    queue::Queue,
};
use tokio::time::timeout;

/// Longest wait of a test: longer than any wait of a healthy broker.
pub const BOUND: Duration = Duration::from_secs(40);

pub struct BrokerFixture {
    pub broker: Arc<dyn Broker>,
}

pub fn message(queue: Queue) -> TaskMessage {
    TaskMessage::new(TaskId::new(), Fence(7), queue)
}

pub fn messages(queue: Queue, count: usize) -> Vec<TaskMessage> {
    (0..count).map(|_| message(queue)).collect()
}

pub fn tags(deliveries: &[Delivery]) -> Vec<DeliveryTag> {
    deliveries.iter().map(|delivery| delivery.tag).collect()
}

pub fn tasks(deliveries: &[Delivery]) -> Vec<TaskId> {
    deliveries.iter().map(|delivery| delivery.message.task).collect()
}

/// Takes the next `count` deliveries, in any number of calls.
pub async fn take(consumer: &mut Box<dyn Deliveries>, count: usize) -> Vec<Delivery> {
    let mut taken = Vec::new();
    let taking = async {
        while taken.len() < count {
            taken.extend(consumer.next(count - taken.len()).await);
        }
    };
    timeout(BOUND, taking).await.unwrap_or_else(|_| panic!("fewer than {count} deliveries came"));
    assert_eq!(taken.len(), count);
    taken
}

impl BrokerFixture {
    /// Publishes messages and asserts that all are confirmed.
    pub async fn publish(&self, messages: &[TaskMessage]) {
        assert_eq!(self.broker.publish(messages).await, vec![true; messages.len()]);
    }

    /// Publishes new messages to a queue and returns their tasks.
    pub async fn publish_some(&self, queue: Queue, count: usize) -> Vec<TaskId> {
        let messages = messages(queue, count);
        self.publish(&messages).await;
        messages.into_iter().map(|message| message.task).collect()
    }

    pub async fn consume(&self, queue: Queue, prefetch: u16) -> Box<dyn Deliveries> {
        self.broker.consume(queue, prefetch).await.expect("consumes")
    }

    /// Waits until the queue is this deep.
    pub async fn until_depth(&self, queue: Queue, depth: u64) {
        let looking = async {
            while self.broker.depth(queue).await.expect("counts") != depth {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(BOUND, looking)
            .await
            .unwrap_or_else(|_| panic!("the queue of {queue} never was {depth} deep"));
    }
}
