//! The unreliable broker injects the faults it was told to, and the same ones for the same seed.

use std::{collections::BTreeMap, sync::Arc};

use backing::broker::{
    faulty::{FaultRates, FaultyBroker},
    local::LocalBroker,
};
use common::{id::TaskId, port::broker::Broker, queue::Queue};

use super::fixture::{BrokerFixture, messages, tags, take, tasks};

async fn delivered_through(
    faults: FaultRates,
    seed: u64,
    count: usize,
) -> (FaultyBroker, Vec<bool>, BTreeMap<TaskId, u32>, Vec<TaskId>) {
    let local = Arc::new(LocalBroker::new());
    let broker = FaultyBroker::new(local.clone(), faults, seed);
    let published = messages(Queue::Light, count);
    let answers = broker.publish(&published).await;
    let depth = usize::try_from(local.depth(Queue::Light).await.unwrap()).unwrap();
    let mut consumer = broker.consume(Queue::Light, u16::MAX).await.unwrap();
    let order = tasks(&take(&mut consumer, depth).await);
    let mut times = BTreeMap::new();
    order.iter().for_each(|task| *times.entry(*task).or_insert(0) += 1);
    (broker, answers, times, published.iter().map(|message| message.task).collect())
}

#[tokio::test]
async fn without_faults_the_double_behaves_as_the_broker_behind_it() {
    let (broker, answers, times, published) = delivered_through(FaultRates::none(), 1, 100).await;
    assert!(answers.iter().all(|sure| *sure));
    assert_eq!(times, published.into_iter().map(|task| (task, 1)).collect());
    assert_eq!(broker.injected(), Default::default());
}

#[tokio::test]
async fn an_unconfirmed_message_may_still_arrive() {
    let (broker, answers, times, published) =
        delivered_through(FaultRates { refuse: 0.5, ..FaultRates::none() }, 2, 200).await;
    let refused: Vec<_> =
        published.iter().zip(&answers).filter(|(_, sure)| !**sure).map(|(task, _)| task).collect();
    assert_eq!(broker.injected().refused, refused.len() as u64);
    let there = refused.iter().filter(|task| times.contains_key(task)).count();
    assert!(0 < there && there < refused.len(), "{there} of {}", refused.len());
}

#[tokio::test]
async fn a_lost_message_was_confirmed() {
    let (broker, answers, times, published) =
        delivered_through(FaultRates { lose: 0.3, ..FaultRates::none() }, 3, 200).await;
    assert!(answers.iter().all(|sure| *sure));
    assert_eq!(published.len() - times.len(), usize::try_from(broker.injected().lost).unwrap());
    assert!(broker.injected().lost > 0);
}

#[tokio::test]
async fn duplicates_and_disorder_repeat_with_their_seed() {
    let faults = FaultRates { duplicate: 0.3, reorder: 1.0, ..FaultRates::none() };
    let positions = |order: &[TaskId], published: &[TaskId]| -> Vec<usize> {
        order
            .iter()
            .map(|task| published.iter().position(|published| published == task).unwrap())
            .collect()
    };
    let mut orders = Vec::new();
    for seed in [4, 4, 5] {
        let local = Arc::new(LocalBroker::new());
        let broker = FaultyBroker::new(local.clone(), faults.clone(), seed);
        let published = messages(Queue::Light, 50);
        broker.publish(&published).await;
        let mut consumer = broker.consume(Queue::Light, 500).await.unwrap();
        let depth = usize::try_from(local.depth(Queue::Light).await.unwrap()).unwrap();
        assert!(depth > 50);
        let published: Vec<TaskId> = published.iter().map(|message| message.task).collect();
        orders.push(positions(&tasks(&take(&mut consumer, depth).await), &published));
    }
    assert_eq!(orders[0], orders[1]);
    assert_ne!(orders[0], orders[2]);
    assert!(!orders[0].is_sorted());
}

#[tokio::test]
async fn a_delayed_message_arrives_after_its_delay() {
    let ms = std::time::Duration::from_millis;
    let broker = FaultyBroker::new(
        Arc::new(LocalBroker::new()),
        FaultRates { delay: 1.0, delays: ms(20)..ms(80), ..FaultRates::none() },
        6,
    );
    let fixture = BrokerFixture { broker: Arc::new(broker.clone()) };
    let mut published = fixture.publish_some(Queue::Light, 20).await;
    assert_eq!(fixture.broker.depth(Queue::Light).await.unwrap(), 0);
    let mut consumer = fixture.consume(Queue::Light, 20).await;
    let mut received = tasks(&take(&mut consumer, 20).await);
    assert_ne!(received, published);
    received.sort();
    published.sort();
    assert_eq!(received, published);
}

#[tokio::test]
async fn a_cut_redelivers_unacked_messages_under_new_tags() {
    let broker = FaultyBroker::new(Arc::new(LocalBroker::new()), FaultRates::none(), 7);
    let fixture = BrokerFixture { broker: Arc::new(broker.clone()) };
    let published = fixture.publish_some(Queue::Light, 3).await;
    let mut consumer = fixture.consume(Queue::Light, 3).await;
    let held = take(&mut consumer, 3).await;
    consumer.ack(&tags(&held[..1])).await.unwrap();
    broker.cut();
    let again = take(&mut consumer, 2).await;
    assert_eq!(tasks(&again), published[1..]);
    consumer.ack(&tags(&held[1..])).await.unwrap();
    fixture.until_depth(Queue::Light, 2).await;
    consumer.ack(&tags(&again)).await.unwrap();
    fixture.until_depth(Queue::Light, 0).await;
}

#[tokio::test]
async fn an_outage_confirms_nothing_and_consumers_continue_afterwards() {
    let broker = FaultyBroker::new(Arc::new(LocalBroker::new()), FaultRates::none(), 8);
    let fixture = BrokerFixture { broker: Arc::new(broker.clone()) };
    let mut consumer = fixture.consume(Queue::Light, 3).await;
    broker.set_down(true);
    assert_eq!(broker.publish(&messages(Queue::Light, 2)).await, [false, false]);
    assert!(broker.check().await.is_err());
    assert!(broker.consume(Queue::Light, 1).await.is_err());
    broker.set_down(false);
    let published = fixture.publish_some(Queue::Light, 2).await;
    assert_eq!(tasks(&take(&mut consumer, 2).await), published);
}
