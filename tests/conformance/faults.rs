//! Servers that restart, die, freeze and run short while clients are connected. Each test has the
//! machine to itself (`.config/nextest.toml` selects it by this module's name) and leaves the
//! server as it found it.

use std::{
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use backing::{
    broker::rabbitmq::{QueueType, RabbitMqBroker},
    view_cache::redis::RedisViewCache,
};
use common::{
    id::TaskId,
    limits::CONFIRM_WITHIN,
    port::{
        broker::{Broker, Deliveries},
        view_cache::ViewCache,
    },
    queue::Queue,
};
use tokio::time::{sleep, timeout};

use crate::{
    broker::{
        adapters::RabbitNamespace,
        fixture::{message, messages, tags, take, tasks},
    },
    view_cache::{
        adapters::redis_config,
        fixture::{next_changes, read_view, view},
    },
};

/// Longest restart. A RabbitMQ starts in about five seconds on an idle machine.
const RESTART: Duration = Duration::from_secs(45);
/// Longest refusal. A server that is gone refuses in milliseconds; the bound allows for a busy
/// machine and is below every timeout that a test here would hit.
const REFUSED_WITHIN: Duration = Duration::from_secs(4);

/// Runs `scripts/services` on the servers of the tests.
fn services(arguments: &[&str]) {
    assert!(
        std::env::var_os("SPOOL_SERVICES_DIR").is_some(),
        "SPOOL_SERVICES_DIR is not set: run scripts/test, or eval \"$(scripts/services env)\""
    );
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/services");
    let output = Command::new(script).args(arguments).output().expect("scripts/services is there");
    assert!(
        output.status.success(),
        "services {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Undoes a test's change to a server, however the test ends.
struct Afterwards(&'static [&'static str]);

impl Drop for Afterwards {
    fn drop(&mut self) {
        services(self.0);
    }
}

async fn publish_with_retries(broker: &RabbitMqBroker, queue: Queue) -> TaskId {
    let publishing = async {
        loop {
            let message = message(queue);
            if broker.publish(std::slice::from_ref(&message)).await == [true] {
                return message.task;
            }
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(RESTART, publishing).await.expect("a message is taken in the end")
}

/// Takes and acks deliveries until this task's has come.
async fn take_until(consumer: &mut Box<dyn Deliveries>, task: TaskId) -> Vec<TaskId> {
    let mut received = Vec::new();
    let hearing = async {
        while !received.contains(&task) {
            let taken = consumer.next(100).await;
            received.extend(tasks(&taken));
            consumer.ack(&tags(&taken)).await.unwrap();
        }
    };
    timeout(RESTART, hearing).await.expect("the message comes in the end");
    received
}

/// Holds one delivery, runs `trouble`, and expects that delivery again and new ones after it.
async fn broker_continues_after(queues: QueueType, trouble: impl FnOnce()) {
    let rabbit = RabbitNamespace::new(queues);
    let broker = Arc::new(rabbit.open());
    let mut consumer = broker.consume(Queue::Render, 10).await.unwrap();
    let held = message(Queue::Render);
    assert_eq!(broker.publish(std::slice::from_ref(&held)).await, [true]);
    take(&mut consumer, 1).await;
    let generation = broker.topology_generation();

    trouble();

    let fresh = publish_with_retries(&broker, Queue::Render).await;
    let received = take_until(&mut consumer, fresh).await;
    assert!(received.contains(&held.task), "what was unacked comes again");
    let checking = async {
        while broker.check().await.is_err() {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(RESTART, checking).await.expect("it is well in the end");
    assert_eq!(broker.topology_generation(), generation, "durable queues outlive their server");
    rabbit.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_rabbitmq_keeps_its_messages() {
    broker_continues_after(QueueType::Quorum, || services(&["restart", "rabbitmq"])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_rabbitmq_keeps_its_messages() {
    broker_continues_after(QueueType::Classic, || {
        services(&["kill", "rabbitmq"]);
        services(&["start", "rabbitmq"]);
    })
    .await;
}

/// As after a kill just after the declaration: the record exists, the queue does not, and every
/// attempt to consume fails with an internal error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_exists_by_name_only_is_created_again() {
    let rabbit = RabbitNamespace::new(QueueType::Quorum);
    let broker = rabbit.open();
    let mut consumer = broker.consume(Queue::Light, 10).await.unwrap();
    publish_with_retries(&broker, Queue::Light).await;
    let generation = broker.topology_generation();
    let server = format!("{{'%2F_{}', node()}}", rabbit.queue(Queue::Light));
    services(&["ctl", "eval", &format!("ra:force_delete_server(quorum_queues, {server}).")]);
    let fresh = publish_with_retries(&broker, Queue::Light).await;
    take_until(&mut consumer, fresh).await;
    assert!(
        broker.topology_generation() > generation,
        "what was in the old one has to be published again"
    );
    rabbit.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_rabbitmq_refuses_messages_in_time_and_is_used_again_when_it_thaws() {
    let rabbit = RabbitNamespace::new(QueueType::Quorum);
    let broker = rabbit.open();
    let mut consumer = broker.consume(Queue::Light, 10).await.unwrap();
    publish_with_retries(&broker, Queue::Light).await;
    {
        let _thaw = Afterwards(&["thaw", "rabbitmq"]);
        services(&["freeze", "rabbitmq"]);
        for _ in 0..3 {
            let started = Instant::now();
            assert_eq!(broker.publish(&messages(Queue::Light, 2)).await, [false, false]);
            assert!(started.elapsed() < 2 * CONFIRM_WITHIN, "{:?}", started.elapsed());
        }
        assert!(broker.check().await.is_err());
    }
    let fresh = publish_with_retries(&broker, Queue::Light).await;
    take_until(&mut consumer, fresh).await;
    rabbit.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rabbitmq_short_of_memory_takes_no_messages_and_keeps_delivering() {
    let rabbit = RabbitNamespace::new(QueueType::Quorum);
    let broker = rabbit.open();
    let mut consumer = broker.consume(Queue::Light, 2).await.unwrap();
    assert_eq!(broker.publish(&messages(Queue::Light, 6)).await, [true; 6]);
    let first = take(&mut consumer, 2).await;
    {
        let _relief = Afterwards(&["ctl", "set_vm_memory_high_watermark", "0.4"]);
        services(&["ctl", "set_vm_memory_high_watermark", "0.000001"]);
        assert_eq!(broker.publish(&messages(Queue::Light, 2)).await, [false, false]);
        let started = Instant::now();
        assert_eq!(broker.publish(&messages(Queue::Light, 2)).await, [false, false]);
        assert!(
            started.elapsed() < REFUSED_WITHIN,
            "once it is known, no call waits: {:?}",
            started.elapsed()
        );
        // RabbitMQ does not tell a connection that it is blocked before it publishes. A process
        // that has published nothing must notice all the same, as readiness depends on it.
        let quiet = rabbit.open();
        let check = timeout(RESTART, quiet.check()).await.expect("an answer");
        assert!(
            check.as_ref().is_err_and(|error| error.to_string().contains("short of memory")),
            "{check:?}"
        );
        consumer.ack(&tags(&first)).await.unwrap();
        let second = take(&mut consumer, 2).await;
        consumer.ack(&tags(&second)).await.unwrap();
        take(&mut consumer, 2).await;
    }
    publish_with_retries(&broker, Queue::Light).await;
    broker.check().await.expect("well again");
    rabbit.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_redis_is_missed_briefly_and_used_again() {
    let view_cache = RedisViewCache::open(&redis_config()).unwrap();
    let mut changes = view_cache.changes().await.unwrap();
    let [before, after] = [view(1), view(1)];
    view_cache.put(std::slice::from_ref(&before)).await.unwrap();
    assert_eq!(next_changes(&mut changes).await, Some(vec![before.id]));
    {
        let _start = Afterwards(&["start", "redis"]);
        services(&["kill", "redis"]);
        for _ in 0..20 {
            let started = Instant::now();
            assert!(view_cache.put(std::slice::from_ref(&after)).await.unwrap_err().is_transient());
            assert!(started.elapsed() < REFUSED_WITHIN, "{:?}", started.elapsed());
        }
    }
    assert_eq!(next_changes(&mut changes).await, None);
    let putting = async {
        while view_cache.put(std::slice::from_ref(&after)).await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(RESTART, putting).await.expect("it is well in the end");
    assert_eq!(read_view(&view_cache, after.id).await, Some(after.clone()));
    assert_eq!(next_changes(&mut changes).await, Some(vec![after.id]));
}
