//! The consumer's end: deliveries in batches, acks in as few frames as they fit.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use common::{
    limits::ACK_WITHIN,
    port::{
        PortResult,
        broker::{Control, ControlStream, Deliveries, Delivery, DeliveryTag},
    },
};
use futures::future::try_join_all;
use lapin::{Channel, options::BasicAckOptions};
use tokio::{
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
    time::timeout,
};

use super::{
    subscriber::{Request, Seat, SubscriberId},
    unavailable,
};

/// Tells the supervisor, when dropped, that nobody listens any more.
pub(super) struct Membership {
    pub id: SubscriberId,
    pub requests: UnboundedSender<Request>,
}

impl Drop for Membership {
    fn drop(&mut self) {
        // No supervisor, no subscription.
        let _ = self.requests.send(Request::Leave(self.id));
    }
}

/// A consumer of one queue.
pub(super) struct RabbitMqDeliveries {
    pub feed: UnboundedReceiver<Delivery>,
    pub seat: Arc<Seat>,
    pub open: Outstanding,
    pub _membership: Membership,
}

#[async_trait]
impl Deliveries for RabbitMqDeliveries {
    async fn next(&mut self, most: usize) -> Vec<Delivery> {
        loop {
            let mut taken = Vec::new();
            if self.feed.recv_many(&mut taken, most.max(1)).await == 0 {
                // The supervisor is gone, so the runtime is going: there will be no more.
                return std::future::pending().await;
            }
            // What came over a connection that is gone comes again over the next.
            let connection = self.seat.connection();
            taken.retain(|delivery| Some(delivery.tag.connection) == connection);
            if !taken.is_empty() {
                self.open.add(&taken);
                return taken;
            }
        }
    }

    async fn ack(&mut self, tags: &[DeliveryTag]) -> PortResult<()> {
        let Some(place) = self.seat.place() else { return Ok(()) };
        let ours =
            tags.iter().filter(|tag| tag.connection == place.connection).map(|tag| tag.delivery);
        let (acks, count) = self.open.settle(place.connection, ours);
        self.seat.acked(count);
        let sending = try_join_all(acks.into_iter().map(|ack| ack.send(&place.channel)));
        match timeout(ACK_WITHIN, sending).await {
            Ok(sent) => sent.map(|_| ()).map_err(unavailable),
            Err(_) => Err(unavailable("the acks can't be sent")),
        }
    }
}

/// Deliveries of one connection that were taken and not acked.
#[derive(Debug, Default)]
pub(super) struct Outstanding {
    connection: u64,
    tags: BTreeSet<u64>,
}

/// One ack frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ack {
    tag: u64,
    multiple: bool,
}

impl Ack {
    async fn send(self, channel: &Channel) -> lapin::Result<()> {
        channel.basic_ack(self.tag, BasicAckOptions { multiple: self.multiple }).await
    }
}

impl Outstanding {
    fn add(&mut self, taken: &[Delivery]) {
        for Delivery { tag, .. } in taken {
            if tag.connection != self.connection {
                self.connection = tag.connection;
                self.tags.clear();
            }
            self.tags.insert(tag.delivery);
        }
    }

    /// The frames that ack these, and how many deliveries they cover. One `multiple` frame acks all up to the first delivery that is
    /// to stay open; each one past that needs a frame of its own.
    fn settle(&mut self, connection: u64, acked: impl Iterator<Item = u64>) -> (Vec<Ack>, usize) {
        if connection != self.connection {
            return (Vec::new(), 0);
        }
        let acked: BTreeSet<u64> = acked.filter(|tag| self.tags.remove(tag)).collect();
        let first_open = self.tags.first().copied().unwrap_or(u64::MAX);
        let together =
            acked.range(..first_open).next_back().map(|tag| Ack { tag: *tag, multiple: true });
        let singly = acked.range(first_open..).map(|tag| Ack { tag: *tag, multiple: false });
        (together.into_iter().chain(singly).collect(), acked.len())
    }
}

/// A listener to control messages.
pub(super) struct RabbitMqControls {
    pub feed: mpsc::Receiver<Control>,
    pub _membership: Membership,
}

#[async_trait]
impl ControlStream for RabbitMqControls {
    async fn next(&mut self) -> Control {
        match self.feed.recv().await {
            Some(message) => message,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(tags: std::ops::RangeInclusive<u64>) -> Outstanding {
        Outstanding { connection: 1, tags: tags.collect() }
    }

    #[test]
    fn acks_up_to_the_first_open_delivery_are_one_frame_and_the_rest_one_each() {
        let mut open = open(1..=6);
        let (acks, count) = open.settle(1, [5, 1, 2].into_iter());
        assert_eq!(acks, [Ack { tag: 2, multiple: true }, Ack { tag: 5, multiple: false }]);
        assert_eq!(count, 3);
        assert_eq!(
            open.settle(1, [3, 4, 6].into_iter()),
            (vec![Ack { tag: 6, multiple: true }], 3)
        );
    }

    #[test]
    fn a_tag_that_is_not_open_is_never_sent_because_the_broker_would_close_the_channel() {
        let mut open = open(1..=2);
        assert_eq!(open.settle(1, [2, 9].into_iter()), (vec![Ack { tag: 2, multiple: false }], 1));
        assert_eq!(open.settle(1, [2].into_iter()), (vec![], 0));
        assert_eq!(open.settle(2, [1].into_iter()), (vec![], 0));
    }
}
