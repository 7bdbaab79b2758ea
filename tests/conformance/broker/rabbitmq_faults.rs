//! RabbitMQ under faults: cut and silent connections, deleted queues, unreadable messages, absence.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use backing::broker::rabbitmq::{QueueType, RabbitMqBroker, RabbitMqConfig};
use common::{
    limits::{CONFIRM_WITHIN, MAX_TASK_MESSAGE_BYTES},
    port::broker::{Broker, Control},
    queue::Queue,
};
use lapin::{
    BasicProperties,
    options::{BasicPublishOptions, QueuePurgeOptions},
};
use tokio::time::{sleep, timeout};

use super::{
    adapters::RabbitNamespace,
    fixture::{BOUND, BrokerFixture, message, messages, tags, take, tasks},
};
use crate::proxy::Proxy;

/// A broker behind a proxy, with queues of its own.
struct ProxiedBroker {
    rabbit: RabbitNamespace,
    proxy: Proxy,
    broker: std::sync::Arc<RabbitMqBroker>,
    fixture: BrokerFixture,
}

impl ProxiedBroker {
    async fn new(queues: QueueType) -> Self {
        let rabbit = RabbitNamespace::new(queues);
        let url = url::Url::parse(&rabbit.url).unwrap();
        let server: SocketAddr = (std::net::Ipv4Addr::LOCALHOST, url.port().unwrap_or(5672)).into();
        let proxy = Proxy::to(server).await;
        let broker = std::sync::Arc::new(rabbit.open_at(proxy.port));
        let fixture = BrokerFixture { broker: broker.clone() };
        Self { rabbit, proxy, broker, fixture }
    }

    /// Publishes until the broker confirms, as the dispatcher does.
    async fn publish_with_retries(&self, queue: Queue) -> common::id::TaskId {
        let publishing = async {
            loop {
                let message = message(queue);
                if self.broker.publish(std::slice::from_ref(&message)).await == [true] {
                    return message.task;
                }
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(BOUND, publishing).await.expect("a message is taken in the end")
    }

    async fn until_well(&self) {
        let checking = async {
            while self.broker.check().await.is_err() {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(BOUND, checking).await.expect("it is well in the end");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_connection_is_reopened_and_unacked_messages_return() {
    let proxied = ProxiedBroker::new(QueueType::Quorum).await;
    let mut consumer = proxied.fixture.consume(Queue::Render, 10).await;
    let mut controls = proxied.broker.listen().await.unwrap();
    let published = proxied.fixture.publish_some(Queue::Render, 3).await;
    let held = take(&mut consumer, 3).await;
    consumer.ack(&tags(&held[..1])).await.unwrap();
    proxied.fixture.until_depth(Queue::Render, 2).await;
    let generation = proxied.broker.topology_generation();

    proxied.proxy.cut();

    let mut again = tasks(&take(&mut consumer, 2).await);
    again.sort();
    assert_eq!(again, published[1..]);
    // Tags of the old connection ack nothing on the new one.
    consumer.ack(&tags(&held)).await.unwrap();
    let fresh = proxied.publish_with_retries(Queue::Render).await;
    assert_eq!(tasks(&take(&mut consumer, 1).await), [fresh]);
    proxied.until_well().await;
    proxied.broker.notify(&Control::Wake(Queue::Light)).await.unwrap();
    assert_eq!(timeout(BOUND, controls.next()).await.unwrap(), Control::Wake(Queue::Light));
    assert_eq!(proxied.broker.topology_generation(), generation, "the queues are the same");
    assert!(proxied.broker.counts().reconnects >= 1);
    proxied.rabbit.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_open_connection_is_noticed_by_publisher_and_consumer() {
    let proxied = ProxiedBroker::new(QueueType::Quorum).await;
    let mut consumer = proxied.fixture.consume(Queue::Light, 10).await;
    proxied.fixture.publish_some(Queue::Light, 1).await;
    let held = take(&mut consumer, 1).await;
    consumer.ack(&tags(&held)).await.unwrap();
    proxied.fixture.until_depth(Queue::Light, 0).await;

    proxied.proxy.freeze();

    let started = Instant::now();
    assert_eq!(proxied.broker.publish(&messages(Queue::Light, 2)).await, [false, false]);
    // AMQP's own heartbeat would need 20 s to notice.
    assert!(started.elapsed() < 2 * CONFIRM_WITHIN, "{:?}", started.elapsed());
    assert_eq!(proxied.broker.counts().unconfirmed, 2);
    // The publishing channel was dropped, so publishes use a live connection. Until the broker
    // drops the dead consumer, it sends every other message there. The sweep publishes again, and
    // so does this test.
    let publishing = async {
        loop {
            proxied.publish_with_retries(Queue::Light).await;
            sleep(Duration::from_millis(500)).await;
        }
    };
    let received = async {
        tokio::select! {
            received = consumer.next(10) => received,
            never = publishing => never,
        }
    };
    assert!(!timeout(BOUND, received).await.expect("a message arrives").is_empty());
    assert!(proxied.broker.counts().reconnects >= 1);
    proxied.rabbit.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_queue_is_declared_again_and_the_generation_shows_it() {
    let proxied = ProxiedBroker::new(QueueType::Quorum).await;
    let mut consumer = proxied.fixture.consume(Queue::Generate, 10).await;
    proxied.publish_with_retries(Queue::Generate).await;
    take(&mut consumer, 1).await;
    let generation = proxied.broker.topology_generation();

    proxied.rabbit.delete_queue(Queue::Generate).await;

    let fresh = proxied.publish_with_retries(Queue::Generate).await;
    assert_eq!(tasks(&take(&mut consumer, 1).await), [fresh]);
    assert!(proxied.broker.topology_generation() > generation);
    proxied.until_well().await;
    proxied.rabbit.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_declared_again_by_another_process_still_feeds_our_consumer() {
    let proxied = ProxiedBroker::new(QueueType::Quorum).await;
    let worker = proxied.rabbit.open();
    let mut consumer = worker.consume(Queue::Render, 10).await.unwrap();
    for _ in 0..3 {
        let message = proxied.publish_with_retries(Queue::Render).await;
        let taken = take(&mut consumer, 1).await;
        assert_eq!(tasks(&taken), [message]);
        consumer.ack(&tags(&taken)).await.unwrap();
        proxied.rabbit.delete_queue(Queue::Render).await;
    }
    let message = proxied.publish_with_retries(Queue::Render).await;
    assert_eq!(tasks(&take(&mut consumer, 1).await), [message]);
    proxied.rabbit.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_finds_no_queue_is_not_confirmed_and_the_queue_is_there_for_the_next() {
    let proxied = ProxiedBroker::new(QueueType::Classic).await;
    proxied.fixture.publish_some(Queue::Light, 1).await;
    let generation = proxied.broker.topology_generation();
    proxied.rabbit.delete_queue(Queue::Light).await;

    // A message to another queue in the same batch is not affected.
    let batch = [message(Queue::Light), message(Queue::Render), message(Queue::Light)];
    assert_eq!(proxied.broker.publish(&batch).await, [false, true, false]);
    assert_eq!(proxied.broker.counts().returned, 2);
    assert_eq!(proxied.broker.topology_generation(), generation + 1);
    proxied.fixture.publish_some(Queue::Light, 2).await;
    proxied.fixture.until_depth(Queue::Light, 2).await;
    proxied.rabbit.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_queue_counts_as_empty_and_is_declared_by_the_next_caller() {
    let proxied = ProxiedBroker::new(QueueType::Quorum).await;
    proxied.fixture.publish_some(Queue::Light, 2).await;
    let generation = proxied.broker.topology_generation();
    proxied.rabbit.delete_queue(Queue::Light).await;
    assert_eq!(proxied.broker.depth(Queue::Light).await.unwrap(), 0);
    assert_eq!(proxied.broker.topology_generation(), generation + 1);
    proxied.rabbit.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purged_queue_shows_in_its_depth_and_goes_on() {
    let proxied = ProxiedBroker::new(QueueType::Quorum).await;
    proxied.fixture.publish_some(Queue::Light, 5).await;
    proxied.fixture.until_depth(Queue::Light, 5).await;
    let (_connection, channel) = proxied.rabbit.operator().await;
    channel
        .queue_purge(proxied.rabbit.queue(Queue::Light).into(), QueuePurgeOptions::default())
        .await
        .unwrap();
    proxied.fixture.until_depth(Queue::Light, 0).await;
    let mut consumer = proxied.fixture.consume(Queue::Light, 5).await;
    let published = proxied.fixture.publish_some(Queue::Light, 1).await;
    assert_eq!(tasks(&take(&mut consumer, 1).await), published);
    proxied.rabbit.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreadable_message_goes_to_the_dead_letters_and_blocks_nothing() {
    let proxied = ProxiedBroker::new(QueueType::Quorum).await;
    let first = proxied.fixture.publish_some(Queue::Light, 1).await;
    let (_connection, channel) = proxied.rabbit.operator().await;
    let too_long = vec![b' '; MAX_TASK_MESSAGE_BYTES + 1];
    for garbage in [b"".as_slice(), b"{", b"{\"v\":1}", b"\xff\xfe", &too_long] {
        let exchange = format!("{}.tasks", proxied.rabbit.prefix);
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        channel
            .basic_publish(exchange.into(), "light".into(), options, garbage, properties)
            .await
            .unwrap();
    }
    proxied.rabbit.until_ready(&proxied.rabbit.queue(Queue::Light), 6).await;
    let last = proxied.fixture.publish_some(Queue::Light, 1).await;

    let mut consumer = proxied.fixture.consume(Queue::Light, 10).await;
    let taken = take(&mut consumer, 2).await;
    assert_eq!(tasks(&taken), [first, last].concat());
    consumer.ack(&tags(&taken)).await.unwrap();
    proxied.rabbit.until_ready(&format!("{}.dead", proxied.rabbit.prefix), 5).await;
    assert_eq!(proxied.broker.counts().undecodable, 5);
    assert_eq!(proxied.broker.dead_letters().await, Ok(5));
    assert_eq!(proxied.broker.counts().reconnects, 0);
    proxied.rabbit.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_absent_broker_fails_fast_with_a_reason_and_is_used_when_it_returns() {
    let proxied = ProxiedBroker::new(QueueType::Quorum).await;
    proxied.proxy.refuse(true);
    let started = Instant::now();
    assert_eq!(proxied.broker.publish(&messages(Queue::Light, 3)).await, [false; 3]);
    assert!(started.elapsed() < CONFIRM_WITHIN, "{:?}", started.elapsed());
    let sentence = proxied.broker.check().await.unwrap_err().to_string();
    assert!(sentence.contains(&format!("127.0.0.1:{}", proxied.proxy.port)), "{sentence}");
    assert!(!sentence.contains("guest"), "no credentials in {sentence}");
    let mut consumer = proxied.fixture.consume(Queue::Light, 10).await;

    proxied.proxy.refuse(false);
    let published = proxied.publish_with_retries(Queue::Light).await;
    assert_eq!(tasks(&take(&mut consumer, 1).await), [published]);
    proxied.until_well().await;
    proxied.rabbit.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_is_not_attached_fails_the_check() {
    let proxied = ProxiedBroker::new(QueueType::Quorum).await;
    let consumer = proxied.fixture.consume(Queue::Light, 1).await;
    proxied.broker.check().await.unwrap();
    proxied.proxy.refuse(true);
    proxied.proxy.cut();
    let noticing = async {
        while proxied.broker.check().await.is_ok() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(BOUND, noticing).await.expect("the check fails");
    proxied.proxy.refuse(false);
    proxied.until_well().await;
    drop(consumer);
    proxied.until_well().await;
    proxied.rabbit.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_publisher_of_an_abandoned_call_is_not_used_again() {
    let proxied = ProxiedBroker::new(QueueType::Quorum).await;
    proxied.fixture.publish_some(Queue::Light, 1).await;
    proxied.proxy.freeze();
    let batch = messages(Queue::Light, 3);
    let given_up = timeout(Duration::from_millis(50), proxied.broker.publish(&batch)).await;
    assert!(given_up.is_err());
    // Published on a connection of its own, not on the dead one that still has unconfirmed
    // messages.
    proxied.fixture.publish_some(Queue::Render, 20).await;
    proxied.rabbit.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_credentials_are_reported_in_a_sentence() {
    let rabbit = RabbitNamespace::new(QueueType::Quorum);
    let mut url = url::Url::parse(&rabbit.url).unwrap();
    url.set_password(Some("wrong-password")).unwrap();
    let broker =
        RabbitMqBroker::open(&RabbitMqConfig { url: url.into(), ..rabbit.config() }).unwrap();
    let sentence = broker.check().await.unwrap_err().to_string();
    assert!(sentence.starts_with("RabbitMQ is unavailable: "), "{sentence}");
    assert!(!sentence.contains("wrong-password"), "{sentence}");
}
