//! Consumes: starts a consumer on a channel and forwards its messages to the subscriber.

use std::sync::{Arc, atomic::AtomicU64};

use common::port::broker::{Control, Delivery, DeliveryTag};
use futures::StreamExt;
use lapin::{
    Channel, Consumer,
    message::Delivery as Message,
    options::{
        BasicConsumeOptions, BasicQosOptions, BasicRejectOptions, QueueBindOptions,
        QueueDeclareOptions,
    },
    types::FieldTable,
};
use tokio::sync::mpsc;

use super::{
    counts::{Counters, add},
    message,
    names::BrokerNames,
    subscriber::Attachment,
};

/// Consumes task messages of a queue, at most `prefetch` of them unacked.
pub(super) async fn consume_tasks(
    channel: &Channel,
    queue: &str,
    prefetch: u16,
) -> lapin::Result<Consumer> {
    channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await
}

/// Consumes control messages from a queue of its own, which ends with the connection.
pub(super) async fn consume_controls(
    channel: &Channel,
    names: &BrokerNames,
) -> lapin::Result<Consumer> {
    let queue = names.listener();
    let exclusive = QueueDeclareOptions::exclusive().auto_delete();
    channel.queue_declare(queue.as_str().into(), exclusive, FieldTable::default()).await?;
    let (exchange, arguments) = (names.control(), FieldTable::default());
    let binding = QueueBindOptions::default();
    channel
        .queue_bind(queue.as_str().into(), exchange.into(), "".into(), binding, arguments)
        .await?;
    let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
    channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await
}

/// Forwards a consumer's messages until it ends, and returns the reason why it ended.
pub(super) async fn forward_all(
    mut consumer: Consumer,
    forwarder: Forwarder,
    counters: Arc<Counters>,
) -> String {
    loop {
        let forwarded = match consumer.next().await {
            None => return "a consumer was cancelled, as when its queue is deleted".to_owned(),
            Some(Ok(message)) => forwarder.forward(message, &counters).await,
            Some(Err(error)) => Err(error),
        };
        if let Err(error) = forwarded {
            return error.to_string();
        }
    }
}

/// The receiver of a consumer's messages.
pub(super) enum Forwarder {
    TaskMessages {
        connection: u64,
        attachment: Arc<Attachment>,
        to: mpsc::UnboundedSender<Delivery>,
    },
    Controls {
        to: mpsc::Sender<Control>,
    },
}

impl Forwarder {
    async fn forward(&self, delivery: Message, counters: &Counters) -> lapin::Result<()> {
        match self {
            Self::TaskMessages { connection, attachment, to } => {
                match message::decode_task(&delivery.data) {
                    Ok(message) => {
                        attachment.count_received();
                        let tag = DeliveryTag {
                            connection: *connection,
                            delivery: delivery.delivery_tag,
                        };
                        // An error means that the subscriber is gone; the supervisor has been told
                        // and closes the channel.
                        let _ = to.send(Delivery { tag, message });
                        Ok(())
                    }
                    // Rejected before a later delivery is forwarded, so that no `multiple` ack can
                    // overtake it. It goes to the dead letters.
                    Err(undecodable) => {
                        report(&undecodable, &counters.undecodable);
                        delivery.reject(BasicRejectOptions { requeue: false }).await.map(|_| ())
                    }
                }
            }
            Self::Controls { to } => {
                match message::decode_control(&delivery.data) {
                    // One that does not fit is dropped, which costs only time.
                    Ok(control) => drop(to.try_send(control)),
                    Err(undecodable) => report(&undecodable, &counters.undecodable),
                }
                Ok(())
            }
        }
    }
}

fn report(undecodable: &message::Undecodable, counter: &AtomicU64) {
    tracing::warn!(reason = undecodable.0, "a message can't be read");
    add(counter, 1);
}
