mod collecting;
mod firing;

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use backing::broker::faulty::FaultRates;
use common::{
    id::{Fence, TaskId},
    limits::QUARANTINE_AFTER,
    port::broker::{Broker, Control, ControlStream, Deliveries, TaskMessage},
    queue::Queue,
    rules::lifecycle::TaskState,
    store::{Dispatch, Leases},
};
use tokio::time::timeout;

use super::*;
use crate::dispatcher::{Round, task_publisher::TaskPublisher, tests::TestDispatcher};

/// A broker with an adjustable topology generation.
struct RebuiltBroker {
    inner: Arc<dyn Broker>,
    generation: AtomicU64,
}

#[async_trait]
impl Broker for RebuiltBroker {
    async fn publish(&self, messages: &[TaskMessage]) -> Vec<bool> {
        self.inner.publish(messages).await
    }
    async fn consume(&self, queue: Queue, prefetch: u16) -> PortResult<Box<dyn Deliveries>> {
        self.inner.consume(queue, prefetch).await
    }
    async fn depth(&self, queue: Queue) -> PortResult<u64> {
        self.inner.depth(queue).await
    }
    async fn dead_letters(&self) -> PortResult<u64> {
        self.inner.dead_letters().await
    }
    fn topology_generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }
    async fn notify(&self, message: &Control) -> PortResult<()> {
        self.inner.notify(message).await
    }
    async fn listen(&self) -> PortResult<Box<dyn ControlStream>> {
        self.inner.listen().await
    }
    async fn check(&self) -> PortResult<()> {
        self.inner.check().await
    }
}

fn lost_messages(
    fixture: &TestDispatcher,
    overdue_after: Duration,
) -> (LostMessages, Arc<RebuiltBroker>) {
    let broker =
        Arc::new(RebuiltBroker { inner: fixture.broker.clone(), generation: AtomicU64::new(1) });
    let task_publisher = TaskPublisher::new(
        fixture.store.clone(),
        broker.clone(),
        fixture.metrics.clone(),
        fixture.broker_health.clone(),
    );
    let metrics = fixture.metrics.clone();
    (
        LostMessages {
            store: fixture.store.clone(),
            broker: broker.clone(),
            task_publisher,
            metrics,
            overdue_after,
        },
        broker,
    )
}

#[tokio::test]
async fn a_message_that_the_broker_lost_is_dispatched_again_once() {
    let fixture = TestDispatcher::new().await;
    fixture.slots(10).await;
    let jobs = fixture.submit(3).await;
    fixture.broker.set(FaultRates { lose: 1.0, ..FaultRates::none() });
    fixture.dispatcher.run_once(&mut Round::new(Queue::Light)).await.unwrap();
    fixture.broker.set(FaultRates::none());
    assert_eq!(
        (fixture.states(&jobs).await, fixture.depth().await),
        (vec![TaskState::Queued; 3], 0)
    );
    let (messages, _) = lost_messages(&fixture, Duration::ZERO);
    let mut last_topology = LastTopology::new(&messages);
    assert_eq!(messages.run_once(&mut last_topology).await, Ok(3));
    assert_eq!(fixture.depth().await, 3);
    assert_eq!(messages.run_once(&mut last_topology).await, Ok(0), "the broker holds them now");
}

#[tokio::test]
async fn a_young_message_is_left_alone_until_the_topology_was_rebuilt() {
    let fixture = TestDispatcher::new().await;
    fixture.slots(10).await;
    fixture.submit(2).await;
    fixture.broker.set(FaultRates { lose: 1.0, ..FaultRates::none() });
    fixture.dispatcher.run_once(&mut Round::new(Queue::Light)).await.unwrap();
    fixture.broker.set(FaultRates::none());
    let (messages, broker) = lost_messages(&fixture, lost_messages::OVERDUE_AFTER);
    let mut last_topology = LastTopology::new(&messages);
    assert_eq!(messages.run_once(&mut last_topology).await, Ok(0));
    broker.generation.store(2, Ordering::SeqCst);
    fixture.broker.set_down(true);
    assert!(messages.run_once(&mut last_topology).await.is_err(), "the broker is away again");
    fixture.broker.set_down(false);
    assert_eq!(
        messages.run_once(&mut last_topology).await,
        Ok(2),
        "a round that failed is repeated"
    );
    assert_eq!(messages.run_once(&mut last_topology).await, Ok(0));
}

#[tokio::test]
async fn the_tasks_of_a_dead_worker_are_ready_again_and_the_dispatcher_is_woken() {
    let fixture = TestDispatcher::new().await;
    fixture.slots(10).await;
    let jobs = fixture.submit(1).await;
    fixture.dispatcher.run_once(&mut Round::new(Queue::Light)).await.unwrap();
    let held: Vec<TaskId> = fixture
        .store
        .overdue(Queue::Light, Duration::ZERO, 10)
        .await
        .unwrap()
        .0
        .iter()
        .map(|message| message.task)
        .collect();
    let claimed = fixture.store.claim(fixture.worker, &held, Duration::ZERO).await.unwrap();
    assert_eq!(claimed[0].as_ref().map(|task| task.fence), Some(Fence(1)));
    let (messages, _) = lost_messages(&fixture, lost_messages::OVERDUE_AFTER);
    let policy = SweepPolicy { quarantine_after: QUARANTINE_AFTER, most: 10 };
    let sweeper = Sweeper {
        store: fixture.store.clone(),
        notifier: fixture.notifier.clone(),
        metrics: fixture.metrics.clone(),
        policy,
        messages,
        firer: fixture.firer(),
    };
    let lost = async {
        while sweeper.run_once().await.unwrap().lost == 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), lost).await.expect("the lease runs out in time");
    assert_eq!(fixture.states(&jobs).await, [TaskState::Ready]);
    assert_eq!(fixture.metrics.leases_lost.get(), 1);
    timeout(Duration::from_secs(20), fixture.dispatcher.wakes.woken(Queue::Light))
        .await
        .expect("the dispatcher is woken");
}
