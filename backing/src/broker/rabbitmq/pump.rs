//! From a consumer's stream to the subscriber it is for.

use std::sync::{Arc, atomic::AtomicU64};

use common::port::broker::{Control, Delivery, DeliveryTag};
use futures::StreamExt;
use lapin::{Consumer, message::Delivery as Message, options::BasicRejectOptions};
use tokio::sync::mpsc;

use super::{
    counts::{Counters, add},
    message,
    subscriber::Seat,
};

/// Where a consumer's messages go.
pub(super) enum Outlet {
    TaskMessages { connection: u64, seat: Arc<Seat>, to: mpsc::UnboundedSender<Delivery> },
    Controls { to: mpsc::Sender<Control> },
}

/// Hands on what a consumer hears until it ends, and says how it ended.
pub(super) async fn pump(
    mut consumer: Consumer,
    outlet: Outlet,
    counters: Arc<Counters>,
) -> String {
    loop {
        let handed_on = match consumer.next().await {
            None => return "a consumer was cancelled, as when its queue is deleted".to_owned(),
            Some(Ok(message)) => outlet.hand_on(message, &counters).await,
            Some(Err(error)) => Err(error),
        };
        if let Err(error) = handed_on {
            return error.to_string();
        }
    }
}

impl Outlet {
    async fn hand_on(&self, delivery: Message, counters: &Counters) -> lapin::Result<()> {
        match self {
            Self::TaskMessages { connection, seat, to } => {
                match message::decode_message(&delivery.data) {
                    Ok(message) => {
                        seat.received();
                        let tag = DeliveryTag {
                            connection: *connection,
                            delivery: delivery.delivery_tag,
                        };
                        // A subscriber that is gone has said so to the supervisor, who closes the channel.
                        let _ = to.send(Delivery { tag, message });
                        Ok(())
                    }
                    // To the dead letters. It goes out before a later delivery is handed on, so that no `multiple` ack can overtake it.
                    Err(undecodable) => {
                        note(&undecodable, &counters.undecodable);
                        delivery.reject(BasicRejectOptions { requeue: false }).await.map(|_| ())
                    }
                }
            }
            Self::Controls { to } => {
                match message::decode_control(&delivery.data) {
                    // One that does not fit is lost, which costs time only.
                    Ok(control) => drop(to.try_send(control)),
                    Err(undecodable) => note(&undecodable, &counters.undecodable),
                }
                Ok(())
            }
        }
    }
}

fn note(undecodable: &message::Undecodable, counter: &AtomicU64) {
    tracing::warn!(reason = undecodable.0, "a message can't be read");
    add(counter, 1);
}
