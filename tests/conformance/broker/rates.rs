//! Rates of task messages. A measurement, run by hand: `cargo nextest run -p backing --run-ignored
//! only --no-capture rates`.

use std::time::{Duration, Instant};

use backing::broker::rabbitmq::QueueType;
use common::{limits::MAX_GROUP, port::broker::Broker, queue::Queue};

use super::{
    adapters::RabbitNamespace,
    fixture::{messages, tags},
};

const MESSAGES: usize = 50_000;
/// Lowest rate a second. Far below that of any machine (batches of 500, debug build, two busy
/// cores): a lower one means that the pipeline is broken.
const LOWEST_RATE: f64 = 1_000.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn rates_of_quorum_queues() {
    measure(QueueType::Quorum).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn rates_of_classic_queues() {
    measure(QueueType::Classic).await;
}

async fn measure(queues: QueueType) {
    let rabbit = RabbitNamespace::new(queues);
    let broker = rabbit.open();
    let batch = messages(Queue::Light, MAX_GROUP);
    broker.publish(&batch[..1]).await;
    let started = Instant::now();
    for _ in 0..MESSAGES / MAX_GROUP {
        assert_eq!(broker.publish(&batch).await, vec![true; MAX_GROUP]);
    }
    let published = rate("confirmed", queues, started.elapsed());
    let mut consumer = broker.consume(Queue::Light, 1_000).await.unwrap();
    let started = Instant::now();
    let mut taken = 0;
    while taken < MESSAGES {
        let deliveries = consumer.next(MAX_GROUP).await;
        taken += deliveries.len();
        consumer.ack(&tags(&deliveries)).await.unwrap();
    }
    let consumed = rate("consumed and acked", queues, started.elapsed());
    rabbit.clear().await;
    assert!(published > LOWEST_RATE && consumed > LOWEST_RATE);
}

fn rate(what: &str, queues: QueueType, took: Duration) -> f64 {
    let rate = MESSAGES as f64 / took.as_secs_f64();
    println!("{queues:?}: {rate:.0} task messages/s {what}");
    rate
}
