//! Task messages from publishing to acking.

use std::collections::BTreeSet;

use common::{id::TaskId, port::broker::TaskMessage, queue::Queue};
use futures::FutureExt;

use super::{
    each_broker,
    fixture::{BrokerFixture, message, messages, tags, take, tasks},
};

each_broker! {
    a_message_arrives_unchanged_and_only_at_consumers_of_its_queue,
    messages_arrive_in_the_order_of_publishing,
    publishing_nothing_confirms_nothing,
    a_consumer_holds_no_more_than_its_prefetch,
    a_take_returns_at_most_the_requested_number,
    deliveries_of_a_dropped_consumer_go_to_another,
    an_acked_message_never_returns,
    acks_out_of_order_leave_the_others_open,
    an_ack_of_another_consumers_delivery_does_nothing,
    a_second_ack_of_the_same_delivery_does_nothing,
    depth_counts_waiting_and_unacked_messages,
    an_abandoned_take_loses_nothing,
    two_consumers_share_a_queue_without_duplicates,
    a_healthy_broker_passes_its_check,
}

async fn a_message_arrives_unchanged_and_only_at_consumers_of_its_queue(fixture: &BrokerFixture) {
    let mut consumers = Vec::new();
    for queue in Queue::ALL {
        consumers.push((queue, fixture.consume(queue, 10).await));
    }
    let traced =
        |queue| TaskMessage { traceparent: Some("00-1-2-01".to_owned()), ..message(queue) };
    let published: Vec<TaskMessage> = Queue::ALL.map(traced).to_vec();
    fixture.publish(&published).await;
    for (queue, consumer) in &mut consumers {
        let taken = take(consumer, 1).await;
        assert_eq!(
            taken[0].message,
            *published.iter().find(|message| message.queue == *queue).unwrap()
        );
        consumer.ack(&tags(&taken)).await.unwrap();
    }
    for queue in Queue::ALL {
        fixture.until_depth(queue, 0).await;
    }
}

async fn messages_arrive_in_the_order_of_publishing(fixture: &BrokerFixture) {
    let published = fixture.publish_some(Queue::Light, 200).await;
    let mut consumer = fixture.consume(Queue::Light, 500).await;
    assert_eq!(tasks(&take(&mut consumer, 200).await), published);
}

async fn publishing_nothing_confirms_nothing(fixture: &BrokerFixture) {
    assert!(fixture.broker.publish(&[]).await.is_empty());
}

async fn a_consumer_holds_no_more_than_its_prefetch(fixture: &BrokerFixture) {
    let published = fixture.publish_some(Queue::Render, 5).await;
    let mut narrow = fixture.consume(Queue::Render, 2).await;
    let held = take(&mut narrow, 2).await;
    let mut wide = fixture.consume(Queue::Render, 10).await;
    // The other consumer gets all the rest, so the narrow one was given no more than two.
    assert_eq!(tasks(&take(&mut wide, 3).await), published[2..]);
    narrow.ack(&tags(&held[..1])).await.unwrap();
    drop(wide);
    assert_eq!(tasks(&take(&mut narrow, 1).await), published[2..3]);
}

async fn a_take_returns_at_most_the_requested_number(fixture: &BrokerFixture) {
    let published = fixture.publish_some(Queue::Light, 10).await;
    let mut consumer = fixture.consume(Queue::Light, 10).await;
    let mut taken = Vec::new();
    while taken.len() < published.len() {
        let some = consumer.next(3).await;
        assert!((1..=3).contains(&some.len()), "{}", some.len());
        taken.extend(some);
    }
    assert_eq!(tasks(&taken), published);
}

async fn deliveries_of_a_dropped_consumer_go_to_another(fixture: &BrokerFixture) {
    let published = fixture.publish_some(Queue::Render, 3).await;
    let mut dying = fixture.consume(Queue::Render, 2).await;
    assert_eq!(tasks(&take(&mut dying, 2).await), published[..2]);
    drop(dying);
    let mut heir = fixture.consume(Queue::Render, 10).await;
    let inherited: BTreeSet<TaskId> = tasks(&take(&mut heir, 3).await).into_iter().collect();
    assert_eq!(inherited, published.into_iter().collect());
}

async fn an_acked_message_never_returns(fixture: &BrokerFixture) {
    fixture.publish_some(Queue::Generate, 20).await;
    let mut first = fixture.consume(Queue::Generate, 20).await;
    let taken = take(&mut first, 20).await;
    first.ack(&tags(&taken)).await.unwrap();
    fixture.until_depth(Queue::Generate, 0).await;
    drop(first);
    let marker = fixture.publish_some(Queue::Generate, 1).await;
    let mut second = fixture.consume(Queue::Generate, 20).await;
    assert_eq!(tasks(&take(&mut second, 1).await), marker);
}

async fn acks_out_of_order_leave_the_others_open(fixture: &BrokerFixture) {
    let published = fixture.publish_some(Queue::Light, 9).await;
    let mut first = fixture.consume(Queue::Light, 9).await;
    let taken = take(&mut first, 9).await;
    let every_third: Vec<_> = tags(&taken).into_iter().skip(2).step_by(3).collect();
    first.ack(&every_third).await.unwrap();
    first.ack(&tags(&taken[..2])).await.unwrap();
    drop(first);
    let mut second = fixture.consume(Queue::Light, 9).await;
    let again: BTreeSet<TaskId> = tasks(&take(&mut second, 4).await).into_iter().collect();
    assert_eq!(again, [3, 4, 6, 7].map(|index| published[index]).into());
    fixture.until_depth(Queue::Light, 4).await;
}

async fn an_ack_of_another_consumers_delivery_does_nothing(fixture: &BrokerFixture) {
    let published = fixture.publish_some(Queue::Light, 1).await;
    let mut gone = fixture.consume(Queue::Light, 1).await;
    let mut stale = tags(&take(&mut gone, 1).await);
    drop(gone);
    let mut other = fixture.consume(Queue::Light, 1).await;
    let taken = take(&mut other, 1).await;
    assert_eq!(tasks(&taken), published);
    stale[0].connection += 1_000;
    other.ack(&stale).await.unwrap();
    fixture.until_depth(Queue::Light, 1).await;
    other.ack(&tags(&taken)).await.unwrap();
    fixture.until_depth(Queue::Light, 0).await;
}

async fn a_second_ack_of_the_same_delivery_does_nothing(fixture: &BrokerFixture) {
    fixture.publish_some(Queue::Light, 2).await;
    let mut consumer = fixture.consume(Queue::Light, 5).await;
    let taken = take(&mut consumer, 2).await;
    consumer.ack(&tags(&taken[..1])).await.unwrap();
    consumer.ack(&tags(&taken[..1])).await.unwrap();
    consumer.ack(&tags(&taken)).await.unwrap();
    let marker = fixture.publish_some(Queue::Light, 1).await;
    assert_eq!(tasks(&take(&mut consumer, 1).await), marker);
}

async fn depth_counts_waiting_and_unacked_messages(fixture: &BrokerFixture) {
    assert_eq!(fixture.broker.depth(Queue::Render).await.unwrap(), 0);
    fixture.publish_some(Queue::Render, 5).await;
    fixture.until_depth(Queue::Render, 5).await;
    let mut consumer = fixture.consume(Queue::Render, 2).await;
    let taken = take(&mut consumer, 2).await;
    fixture.until_depth(Queue::Render, 5).await;
    consumer.ack(&tags(&taken)).await.unwrap();
    fixture.until_depth(Queue::Render, 3).await;
}

async fn an_abandoned_take_loses_nothing(fixture: &BrokerFixture) {
    let mut consumer = fixture.consume(Queue::Light, 1_000).await;
    let published = messages(Queue::Light, 100);
    let mut taken = Vec::new();
    for some in published.chunks(5) {
        // Polled once and dropped, with deliveries under way.
        taken.extend(consumer.next(3).now_or_never().into_iter().flatten());
        fixture.publish(some).await;
        taken.extend(consumer.next(3).now_or_never().into_iter().flatten());
    }
    let rest = published.len() - taken.len();
    if rest > 0 {
        taken.extend(take(&mut consumer, rest).await);
    }
    assert_eq!(tasks(&taken), published.iter().map(|message| message.task).collect::<Vec<_>>());
}

async fn two_consumers_share_a_queue_without_duplicates(fixture: &BrokerFixture) {
    let mut one = fixture.consume(Queue::Light, 10).await;
    let mut other = fixture.consume(Queue::Light, 10).await;
    let published: BTreeSet<TaskId> =
        fixture.publish_some(Queue::Light, 20).await.into_iter().collect();
    let (mine, others) = tokio::join!(take(&mut one, 10), take(&mut other, 10));
    let received: BTreeSet<TaskId> = tasks(&mine).into_iter().chain(tasks(&others)).collect();
    assert_eq!(received, published);
}

async fn a_healthy_broker_passes_its_check(fixture: &BrokerFixture) {
    let _consumer = fixture.consume(Queue::Light, 1).await;
    let _controls = fixture.broker.listen().await.unwrap();
    fixture.broker.check().await.unwrap();
}
