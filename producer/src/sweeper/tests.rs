mod collecting;
mod firing;

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use backing::broker::faulty::Faults;
use common::{
    id::{Fence, TaskId},
    kind::Class,
    lifecycle::TaskState,
    limits::QUARANTINE_AFTER,
    port::broker::{Broker, Control, Controls, Deliveries, Doorbell},
};
use tokio::time::timeout;

use super::*;
use crate::dispatcher::{Round, ringer::Ringer, tests::Rig};

/// A broker whose topology had to be rebuilt this often.
struct Rebuilt {
    inner: Arc<dyn Broker>,
    generation: AtomicU64,
}

#[async_trait]
impl Broker for Rebuilt {
    async fn ring(&self, bells: &[Doorbell]) -> Vec<bool> {
        self.inner.ring(bells).await
    }
    async fn consume(&self, class: Class, prefetch: u16) -> PortResult<Box<dyn Deliveries>> {
        self.inner.consume(class, prefetch).await
    }
    async fn depth(&self, class: Class) -> PortResult<u64> {
        self.inner.depth(class).await
    }
    async fn dead_letters(&self) -> PortResult<u64> {
        self.inner.dead_letters().await
    }
    fn topology_generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }
    async fn tell(&self, message: &Control) -> PortResult<()> {
        self.inner.tell(message).await
    }
    async fn listen(&self) -> PortResult<Box<dyn Controls>> {
        self.inner.listen().await
    }
    async fn check(&self) -> PortResult<()> {
        self.inner.check().await
    }
}

fn bells(rig: &Rig, overdue_after: Duration) -> (Bells, Arc<Rebuilt>) {
    let broker = Arc::new(Rebuilt { inner: rig.broker.clone(), generation: AtomicU64::new(1) });
    let ringer = Ringer::new(rig.store.clone(), broker.clone(), rig.metrics.clone());
    let metrics = rig.metrics.clone();
    (
        Bells { store: rig.store.clone(), broker: broker.clone(), ringer, metrics, overdue_after },
        broker,
    )
}

#[tokio::test]
async fn a_bell_that_the_broker_lost_is_rung_again_once() {
    let rig = Rig::new().await;
    rig.slots(10).await;
    let jobs = rig.submit(3).await;
    rig.broker.set(Faults { lose: 1.0, ..Faults::none() });
    rig.dispatcher.run_once(&mut Round::new(Class::Light)).await.unwrap();
    rig.broker.set(Faults::none());
    assert_eq!((rig.states(&jobs).await, rig.depth().await), (vec![TaskState::Queued; 3], 0));
    let (bells, _) = bells(&rig, Duration::ZERO);
    let mut heard = Heard::new(&bells);
    assert_eq!(bells.run_once(&mut heard).await, Ok(3));
    assert_eq!(rig.depth().await, 3);
    assert_eq!(bells.run_once(&mut heard).await, Ok(0), "the broker holds them now");
}

#[tokio::test]
async fn a_young_bell_is_left_alone_until_the_topology_was_rebuilt() {
    let rig = Rig::new().await;
    rig.slots(10).await;
    rig.submit(2).await;
    rig.broker.set(Faults { lose: 1.0, ..Faults::none() });
    rig.dispatcher.run_once(&mut Round::new(Class::Light)).await.unwrap();
    rig.broker.set(Faults::none());
    let (bells, broker) = bells(&rig, bells::OVERDUE_AFTER);
    let mut heard = Heard::new(&bells);
    assert_eq!(bells.run_once(&mut heard).await, Ok(0));
    broker.generation.store(2, Ordering::SeqCst);
    rig.broker.set_down(true);
    assert!(bells.run_once(&mut heard).await.is_err(), "the broker is away again");
    rig.broker.set_down(false);
    assert_eq!(bells.run_once(&mut heard).await, Ok(2), "a round that failed is repeated");
    assert_eq!(bells.run_once(&mut heard).await, Ok(0));
}

#[tokio::test]
async fn what_a_dead_worker_held_is_ready_again_and_the_dispatcher_is_woken() {
    let rig = Rig::new().await;
    rig.slots(10).await;
    let jobs = rig.submit(1).await;
    rig.dispatcher.run_once(&mut Round::new(Class::Light)).await.unwrap();
    let held: Vec<TaskId> = rig
        .store
        .overdue(Class::Light, Duration::ZERO, 10)
        .await
        .unwrap()
        .0
        .iter()
        .map(|bell| bell.task)
        .collect();
    let claimed = rig.store.claim(rig.worker, &held, Duration::ZERO).await.unwrap();
    assert_eq!(claimed[0].as_ref().map(|task| task.fence), Some(Fence(1)));
    let (bells, _) = bells(&rig, bells::OVERDUE_AFTER);
    let policy = SweepPolicy { quarantine_after: QUARANTINE_AFTER, most: 10 };
    let sweeper = Sweeper {
        store: rig.store.clone(),
        movements: rig.movements.clone(),
        metrics: rig.metrics.clone(),
        policy,
        bells,
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
    timeout(Duration::from_secs(20), rig.dispatcher.wakes.poked(Class::Light))
        .await
        .expect("the dispatcher is woken");
}
