//! Control messages to every process.

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

async fn next_control(controls: &mut Box<dyn ControlStream>) -> Control {
    timeout(BOUND, controls.next()).await.expect("a message comes")
}

async fn every_listener_gets_the_notices_sent_after_it_subscribed(fixture: &BrokerFixture) {
    let sent = [
        Control::Wake(Queue::Render),
        Control::Cancel(vec![TaskId::new(), TaskId::new()]),
        Control::Changed(vec![JobId::new()]),
    ];
    let mut early = fixture.broker.listen().await.unwrap();
    fixture.broker.notify(&sent[0]).await.unwrap();
    assert_eq!(next_control(&mut early).await, sent[0]);
    let mut late = fixture.broker.listen().await.unwrap();
    for message in &sent[1..] {
        fixture.broker.notify(message).await.unwrap();
    }
    for message in &sent[1..] {
        assert_eq!(next_control(&mut early).await, *message);
        assert_eq!(next_control(&mut late).await, *message);
    }
}

async fn a_notice_without_listeners_is_no_error(fixture: &BrokerFixture) {
    fixture.broker.notify(&Control::Wake(Queue::Light)).await.unwrap();
}
