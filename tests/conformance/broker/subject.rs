//! A broker under test, with the few moves that most cases are made of.

use std::{sync::Arc, time::Duration};

use common::{
    id::{Fence, TaskId},
    kind::Class,
    port::broker::{Broker, Deliveries, Delivery, DeliveryTag, Doorbell},
};
use tokio::time::timeout;

/// Longer than any wait of a healthy broker, shorter than a person's patience.
pub const BOUND: Duration = Duration::from_secs(40);

pub struct Subject {
    pub broker: Arc<dyn Broker>,
}

pub fn bell(class: Class) -> Doorbell {
    Doorbell::new(TaskId::new(), Fence(7), class)
}

pub fn bells(class: Class, count: usize) -> Vec<Doorbell> {
    (0..count).map(|_| bell(class)).collect()
}

pub fn tags(deliveries: &[Delivery]) -> Vec<DeliveryTag> {
    deliveries.iter().map(|delivery| delivery.tag).collect()
}

pub fn tasks(deliveries: &[Delivery]) -> Vec<TaskId> {
    deliveries.iter().map(|delivery| delivery.bell.task).collect()
}

/// The next `count` deliveries, in however many takes.
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

impl Subject {
    /// Rings and insists that all are confirmed.
    pub async fn ring(&self, bells: &[Doorbell]) {
        assert_eq!(self.broker.ring(bells).await, vec![true; bells.len()]);
    }

    /// Rings new bells of a class and gives their tasks.
    pub async fn ring_some(&self, class: Class, count: usize) -> Vec<TaskId> {
        let bells = bells(class, count);
        self.ring(&bells).await;
        bells.into_iter().map(|bell| bell.task).collect()
    }

    pub async fn consume(&self, class: Class, prefetch: u16) -> Box<dyn Deliveries> {
        self.broker.consume(class, prefetch).await.expect("consumes")
    }

    /// Waits until the queue is this deep.
    pub async fn until_depth(&self, class: Class, depth: u64) {
        let looking = async {
            while self.broker.depth(class).await.expect("counts") != depth {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(BOUND, looking)
            .await
            .unwrap_or_else(|_| panic!("the queue of {class} never was {depth} deep"));
    }
}
