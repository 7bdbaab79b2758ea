//! From a ring to an ack.

use std::collections::BTreeSet;

use common::{id::TaskId, kind::Class, port::broker::Doorbell};
use futures::FutureExt;

use super::{
    each_broker,
    subject::{Subject, bell, bells, tags, take, tasks},
};

each_broker! {
    a_bell_comes_as_it_was_rung_to_consumers_of_its_class_alone,
    bells_come_in_the_order_they_were_rung,
    ringing_nothing_confirms_nothing,
    a_consumer_holds_no_more_than_its_prefetch,
    a_take_is_never_more_than_was_asked_for,
    what_a_dropped_consumer_held_comes_to_another,
    what_was_acked_never_comes_again,
    acks_out_of_order_leave_the_others_open,
    an_ack_of_another_consumers_delivery_does_nothing,
    a_second_ack_of_the_same_delivery_does_nothing,
    depth_counts_what_waits_and_what_is_held,
    a_take_that_is_given_up_loses_nothing,
    two_consumers_share_a_queue_and_hear_nothing_twice,
    a_broker_in_order_passes_its_check,
}

async fn a_bell_comes_as_it_was_rung_to_consumers_of_its_class_alone(subject: &Subject) {
    let mut consumers = Vec::new();
    for class in Class::ALL {
        consumers.push((class, subject.consume(class, 10).await));
    }
    let traced = |class| Doorbell { traceparent: Some("00-1-2-01".to_owned()), ..bell(class) };
    let rung: Vec<Doorbell> = Class::ALL.map(traced).to_vec();
    subject.ring(&rung).await;
    for (class, consumer) in &mut consumers {
        let taken = take(consumer, 1).await;
        assert_eq!(taken[0].bell, *rung.iter().find(|bell| bell.class == *class).unwrap());
        consumer.ack(&tags(&taken)).await.unwrap();
    }
    for class in Class::ALL {
        subject.until_depth(class, 0).await;
    }
}

async fn bells_come_in_the_order_they_were_rung(subject: &Subject) {
    let rung = subject.ring_some(Class::Light, 200).await;
    let mut consumer = subject.consume(Class::Light, 500).await;
    assert_eq!(tasks(&take(&mut consumer, 200).await), rung);
}

async fn ringing_nothing_confirms_nothing(subject: &Subject) {
    assert!(subject.broker.ring(&[]).await.is_empty());
}

async fn a_consumer_holds_no_more_than_its_prefetch(subject: &Subject) {
    let rung = subject.ring_some(Class::Render, 5).await;
    let mut narrow = subject.consume(Class::Render, 2).await;
    let held = take(&mut narrow, 2).await;
    let mut wide = subject.consume(Class::Render, 10).await;
    // All the rest is the other's, so the narrow one has been given no more than two.
    assert_eq!(tasks(&take(&mut wide, 3).await), rung[2..]);
    narrow.ack(&tags(&held[..1])).await.unwrap();
    drop(wide);
    assert_eq!(tasks(&take(&mut narrow, 1).await), rung[2..3]);
}

async fn a_take_is_never_more_than_was_asked_for(subject: &Subject) {
    let rung = subject.ring_some(Class::Light, 10).await;
    let mut consumer = subject.consume(Class::Light, 10).await;
    let mut taken = Vec::new();
    while taken.len() < rung.len() {
        let some = consumer.next(3).await;
        assert!((1..=3).contains(&some.len()), "{}", some.len());
        taken.extend(some);
    }
    assert_eq!(tasks(&taken), rung);
}

async fn what_a_dropped_consumer_held_comes_to_another(subject: &Subject) {
    let rung = subject.ring_some(Class::Render, 3).await;
    let mut dying = subject.consume(Class::Render, 2).await;
    assert_eq!(tasks(&take(&mut dying, 2).await), rung[..2]);
    drop(dying);
    let mut heir = subject.consume(Class::Render, 10).await;
    let inherited: BTreeSet<TaskId> = tasks(&take(&mut heir, 3).await).into_iter().collect();
    assert_eq!(inherited, rung.into_iter().collect());
}

async fn what_was_acked_never_comes_again(subject: &Subject) {
    subject.ring_some(Class::Generate, 20).await;
    let mut first = subject.consume(Class::Generate, 20).await;
    let taken = take(&mut first, 20).await;
    first.ack(&tags(&taken)).await.unwrap();
    subject.until_depth(Class::Generate, 0).await;
    drop(first);
    let marker = subject.ring_some(Class::Generate, 1).await;
    let mut second = subject.consume(Class::Generate, 20).await;
    assert_eq!(tasks(&take(&mut second, 1).await), marker);
}

async fn acks_out_of_order_leave_the_others_open(subject: &Subject) {
    let rung = subject.ring_some(Class::Light, 9).await;
    let mut first = subject.consume(Class::Light, 9).await;
    let taken = take(&mut first, 9).await;
    let every_third: Vec<_> = tags(&taken).into_iter().skip(2).step_by(3).collect();
    first.ack(&every_third).await.unwrap();
    first.ack(&tags(&taken[..2])).await.unwrap();
    drop(first);
    let mut second = subject.consume(Class::Light, 9).await;
    let again: BTreeSet<TaskId> = tasks(&take(&mut second, 4).await).into_iter().collect();
    assert_eq!(again, [3, 4, 6, 7].map(|index| rung[index]).into());
    subject.until_depth(Class::Light, 4).await;
}

async fn an_ack_of_another_consumers_delivery_does_nothing(subject: &Subject) {
    let rung = subject.ring_some(Class::Light, 1).await;
    let mut gone = subject.consume(Class::Light, 1).await;
    let mut stale = tags(&take(&mut gone, 1).await);
    drop(gone);
    let mut other = subject.consume(Class::Light, 1).await;
    let taken = take(&mut other, 1).await;
    assert_eq!(tasks(&taken), rung);
    stale[0].connection += 1_000;
    other.ack(&stale).await.unwrap();
    subject.until_depth(Class::Light, 1).await;
    other.ack(&tags(&taken)).await.unwrap();
    subject.until_depth(Class::Light, 0).await;
}

async fn a_second_ack_of_the_same_delivery_does_nothing(subject: &Subject) {
    subject.ring_some(Class::Light, 2).await;
    let mut consumer = subject.consume(Class::Light, 5).await;
    let taken = take(&mut consumer, 2).await;
    consumer.ack(&tags(&taken[..1])).await.unwrap();
    consumer.ack(&tags(&taken[..1])).await.unwrap();
    consumer.ack(&tags(&taken)).await.unwrap();
    let marker = subject.ring_some(Class::Light, 1).await;
    assert_eq!(tasks(&take(&mut consumer, 1).await), marker);
}

async fn depth_counts_what_waits_and_what_is_held(subject: &Subject) {
    assert_eq!(subject.broker.depth(Class::Render).await.unwrap(), 0);
    subject.ring_some(Class::Render, 5).await;
    subject.until_depth(Class::Render, 5).await;
    let mut consumer = subject.consume(Class::Render, 2).await;
    let taken = take(&mut consumer, 2).await;
    subject.until_depth(Class::Render, 5).await;
    consumer.ack(&tags(&taken)).await.unwrap();
    subject.until_depth(Class::Render, 3).await;
}

async fn a_take_that_is_given_up_loses_nothing(subject: &Subject) {
    let mut consumer = subject.consume(Class::Light, 1_000).await;
    let rung = bells(Class::Light, 100);
    let mut taken = Vec::new();
    for some in rung.chunks(5) {
        // Polled once and dropped, with deliveries on their way.
        taken.extend(consumer.next(3).now_or_never().into_iter().flatten());
        subject.ring(some).await;
        taken.extend(consumer.next(3).now_or_never().into_iter().flatten());
    }
    let rest = rung.len() - taken.len();
    if rest > 0 {
        taken.extend(take(&mut consumer, rest).await);
    }
    assert_eq!(tasks(&taken), rung.iter().map(|bell| bell.task).collect::<Vec<_>>());
}

async fn two_consumers_share_a_queue_and_hear_nothing_twice(subject: &Subject) {
    let mut one = subject.consume(Class::Light, 10).await;
    let mut other = subject.consume(Class::Light, 10).await;
    let rung: BTreeSet<TaskId> = subject.ring_some(Class::Light, 20).await.into_iter().collect();
    let (mine, others) = tokio::join!(take(&mut one, 10), take(&mut other, 10));
    let heard: BTreeSet<TaskId> = tasks(&mine).into_iter().chain(tasks(&others)).collect();
    assert_eq!(heard, rung);
}

async fn a_broker_in_order_passes_its_check(subject: &Subject) {
    let _consumer = subject.consume(Class::Light, 1).await;
    let _controls = subject.broker.listen().await.unwrap();
    subject.broker.check().await.unwrap();
}
