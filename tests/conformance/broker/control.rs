//! What is told to every process.

use common::{
    id::{JobId, TaskId},
    port::broker::{Control, ControlStream},
    queue::Queue,
};
use tokio::time::timeout;

use super::{
    each_broker,
    fixture::{BOUND, BrokerFixture},
};

each_broker! {
    every_listener_gets_the_notices_sent_after_it_subscribed,
    a_notice_without_listeners_is_no_error,
}

async fn hear(controls: &mut Box<dyn ControlStream>) -> Control {
    timeout(BOUND, controls.next()).await.expect("a message comes")
}

async fn every_listener_gets_the_notices_sent_after_it_subscribed(subject: &BrokerFixture) {
    let told = [
        Control::Wake(Queue::Render),
        Control::Cancel(vec![TaskId::new(), TaskId::new()]),
        Control::Changed(vec![JobId::new()]),
    ];
    let mut early = subject.broker.listen().await.unwrap();
    subject.broker.notify(&told[0]).await.unwrap();
    assert_eq!(hear(&mut early).await, told[0]);
    let mut late = subject.broker.listen().await.unwrap();
    for message in &told[1..] {
        subject.broker.notify(message).await.unwrap();
    }
    for message in &told[1..] {
        assert_eq!(hear(&mut early).await, *message);
        assert_eq!(hear(&mut late).await, *message);
    }
}

async fn a_notice_without_listeners_is_no_error(subject: &BrokerFixture) {
    subject.broker.notify(&Control::Wake(Queue::Light)).await.unwrap();
}
