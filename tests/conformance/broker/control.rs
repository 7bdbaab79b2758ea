//! What is told to every process.

use common::{
    id::{JobId, TaskId},
    port::broker::{Control, ControlStream},
    queue::Queue,
};
use tokio::time::timeout;

use super::{
    each_broker,
    subject::{BOUND, Subject},
};

each_broker! {
    every_listener_hears_what_is_told_after_it_began_to_listen,
    telling_nobody_is_no_error,
}

async fn hear(controls: &mut Box<dyn ControlStream>) -> Control {
    timeout(BOUND, controls.next()).await.expect("a message comes")
}

async fn every_listener_hears_what_is_told_after_it_began_to_listen(subject: &Subject) {
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

async fn telling_nobody_is_no_error(subject: &Subject) {
    subject.broker.notify(&Control::Wake(Queue::Light)).await.unwrap();
}
