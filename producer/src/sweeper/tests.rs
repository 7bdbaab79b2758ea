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
use crate::dispatcher::{Round, task_publisher::TaskPublisher, tests::Rig};

/// A broker whose topology had to be rebuilt this often.
struct Rebuilt {
    inner: Arc<dyn Broker>,
    generation: AtomicU64,
}

#[async_trait]
impl Broker for Rebuilt {
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

fn sweeper_of(rig: &Rig, overdue_after: Duration) -> (LostMessages, Arc<Rebuilt>) {
    let broker = Arc::new(Rebuilt { inner: rig.broker.clone(), generation: AtomicU64::new(1) });
    let task_publisher = TaskPublisher::new(rig.store.clone(), broker.clone(), rig.metrics.clone());
    let metrics = rig.metrics.clone();
    (
        LostMessages {
            store: rig.store.clone(),
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
    let rig = Rig::new().await;
    rig.slots(10).await;
    let jobs = rig.submit(3).await;
    rig.broker.set(FaultRates { lose: 1.0, ..FaultRates::none() });
    rig.dispatcher.run_once(&mut Round::new(Queue::Light)).await.unwrap();
    rig.broker.set(FaultRates::none());
    assert_eq!((rig.states(&jobs).await, rig.depth().await), (vec![TaskState::Queued; 3], 0));
    let (messages, _) = sweeper_of(&rig, Duration::ZERO);
    let mut heard = Heard::new(&messages);
    assert_eq!(messages.run_once(&mut heard).await, Ok(3));
    assert_eq!(rig.depth().await, 3);
    assert_eq!(messages.run_once(&mut heard).await, Ok(0), "the broker holds them now");
}

#[tokio::test]
async fn a_young_message_is_left_alone_until_the_topology_was_rebuilt() {
    let rig = Rig::new().await;
    rig.slots(10).await;
    rig.submit(2).await;
    rig.broker.set(FaultRates { lose: 1.0, ..FaultRates::none() });
    rig.dispatcher.run_once(&mut Round::new(Queue::Light)).await.unwrap();
    rig.broker.set(FaultRates::none());
    let (messages, broker) = sweeper_of(&rig, lost_messages::OVERDUE_AFTER);
    let mut heard = Heard::new(&messages);
    assert_eq!(messages.run_once(&mut heard).await, Ok(0));
    broker.generation.store(2, Ordering::SeqCst);
    rig.broker.set_down(true);
    assert!(messages.run_once(&mut heard).await.is_err(), "the broker is away again");
    rig.broker.set_down(false);
    assert_eq!(messages.run_once(&mut heard).await, Ok(2), "a round that failed is repeated");
    assert_eq!(messages.run_once(&mut heard).await, Ok(0));
}

#[tokio::test]
async fn what_a_dead_worker_held_is_ready_again_and_the_dispatcher_is_woken() {
    let rig = Rig::new().await;
    rig.slots(10).await;
    let jobs = rig.submit(1).await;
    rig.dispatcher.run_once(&mut Round::new(Queue::Light)).await.unwrap();
    let held: Vec<TaskId> = rig
        .store
        .overdue(Queue::Light, Duration::ZERO, 10)
        .await
        .unwrap()
        .0
        .iter()
        .map(|message| message.task)
        .collect();
    let claimed = rig.store.claim(rig.worker, &held, Duration::ZERO).await.unwrap();
    assert_eq!(claimed[0].as_ref().map(|task| task.fence), Some(Fence(1)));
    let (messages, _) = sweeper_of(&rig, lost_messages::OVERDUE_AFTER);
    let policy = SweepPolicy { quarantine_after: QUARANTINE_AFTER, most: 10 };
    let sweeper = Sweeper {
        store: rig.store.clone(),
        notifier: rig.notifier.clone(),
        metrics: rig.metrics.clone(),
        policy,
        messages,
        firing: rig.firing(),
    };
    let lost = async {
        while sweeper.run_once().await.unwrap().lost == 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), lost).await.expect("the lease runs out in time");
    assert_eq!(rig.states(&jobs).await, [TaskState::Ready]);
    assert_eq!(rig.metrics.leases_lost.get(), 1);
    timeout(Duration::from_secs(20), rig.dispatcher.wakes.poked(Queue::Light))
        .await
        .expect("the dispatcher is woken");
}
