//! The subscriber's end: receives in batches, acks in as few frames as possible.

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
    sync::mpsc::{Receiver, UnboundedReceiver},
    time::timeout,
};

use super::{
    errors::unavailable,
    subscriber::{Attachment, SubscriptionGuard},
};

/// A consumer of one queue.
pub(super) struct RabbitMqDeliveries {
    pub received: UnboundedReceiver<Delivery>,
    pub attachment: Arc<Attachment>,
    pub unacked: UnackedDeliveries,
    pub _guard: SubscriptionGuard,
}

#[async_trait]
impl Deliveries for RabbitMqDeliveries {
    async fn next(&mut self, most: usize) -> Vec<Delivery> {
        loop {
            let mut taken = Vec::new();
            if self.received.recv_many(&mut taken, most.max(1)).await == 0 {
                // The supervisor is gone, and the runtime with it: no more will come.
                return std::future::pending().await;
            }
            // The broker delivers again what came over a connection that is gone.
            let connection = self.attachment.connection();
            taken.retain(|delivery| Some(delivery.tag.connection) == connection);
            if !taken.is_empty() {
                self.unacked.add(&taken);
                return taken;
            }
        }
    }

    async fn ack(&mut self, tags: &[DeliveryTag]) -> PortResult<()> {
        let Some(current) = self.attachment.current() else { return Ok(()) };
        let valid =
            tags.iter().filter(|tag| tag.connection == current.connection).map(|tag| tag.delivery);
        let (acks, count) = self.unacked.ack(current.connection, valid);
        self.attachment.count_acked(count);
        let sending = try_join_all(acks.into_iter().map(|ack| ack.send(&current.channel)));
        match timeout(ACK_WITHIN, sending).await {
            Ok(sent) => sent.map(|_| ()).map_err(unavailable),
            Err(_) => Err(unavailable("the acks can't be sent")),
        }
    }
}

/// Deliveries of one connection that were received and not acked.
#[derive(Debug, Default)]
pub(super) struct UnackedDeliveries {
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

impl UnackedDeliveries {
    fn add(&mut self, taken: &[Delivery]) {
        for Delivery { tag, .. } in taken {
            if tag.connection != self.connection {
                self.connection = tag.connection;
                self.tags.clear();
            }
            self.tags.insert(tag.delivery);
        }
    }

    /// Removes acked deliveries; returns the frames to send, and the number of deliveries they
    /// cover. One `multiple` frame acks all up to the first delivery that stays unacked; each one
    /// past that needs a frame of its own.
    fn ack(&mut self, connection: u64, acked: impl Iterator<Item = u64>) -> (Vec<Ack>, usize) {
        if connection != self.connection {
            return (Vec::new(), 0);
        }
        let acked: BTreeSet<u64> = acked.filter(|tag| self.tags.remove(tag)).collect();
        let first_unacked = self.tags.first().copied().unwrap_or(u64::MAX);
        let together =
            acked.range(..first_unacked).next_back().map(|tag| Ack { tag: *tag, multiple: true });
        let singly = acked.range(first_unacked..).map(|tag| Ack { tag: *tag, multiple: false });
        (together.into_iter().chain(singly).collect(), acked.len())
    }
}

/// A listener to control messages.
pub(super) struct RabbitMqControls {
    pub received: Receiver<Control>,
    pub _guard: SubscriptionGuard,
}

#[async_trait]
impl ControlStream for RabbitMqControls {
    async fn next(&mut self) -> Control {
        match self.received.recv().await {
            Some(message) => message,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unacked(tags: std::ops::RangeInclusive<u64>) -> UnackedDeliveries {
        UnackedDeliveries { connection: 1, tags: tags.collect() }
    }

    #[test]
    fn acks_up_to_the_first_unacked_delivery_are_one_frame_and_the_rest_one_each() {
        let mut unacked = unacked(1..=6);
        let (acks, count) = unacked.ack(1, [5, 1, 2].into_iter());
        assert_eq!(acks, [Ack { tag: 2, multiple: true }, Ack { tag: 5, multiple: false }]);
        assert_eq!(count, 3);
        assert_eq!(
            unacked.ack(1, [3, 4, 6].into_iter()),
            (vec![Ack { tag: 6, multiple: true }], 3)
        );
    }

    /// The broker closes a channel that acks an unknown tag.
    #[test]
    fn the_tag_of_an_acked_delivery_is_never_sent_again() {
        let mut unacked = unacked(1..=2);
        assert_eq!(unacked.ack(1, [2, 9].into_iter()), (vec![Ack { tag: 2, multiple: false }], 1));
        assert_eq!(unacked.ack(1, [2].into_iter()), (vec![], 0));
        assert_eq!(unacked.ack(2, [1].into_iter()), (vec![], 0));
    }
}
