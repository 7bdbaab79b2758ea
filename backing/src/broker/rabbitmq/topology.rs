//! Exchanges and queues: declared where they are missing, left alone where they are not.
//!
//! A queue is looked for before it is declared. That tells an old queue from a new one (the messages of a queue that had to be made anew
//! are gone, and its generation says so), and it lets an operator choose other arguments for a queue than ours without being refused.

use std::time::Duration;

use common::queue::Queue;
use lapin::{
    Channel, Connection, ErrorKind, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError},
    types::{AMQPValue, FieldTable},
};
use tokio::{
    sync::{Mutex, watch},
    time::sleep,
};

use super::{config::QueueType, names::Names};

/// Deliveries of one message before it goes to the dead letters: RabbitMQ 4's own default, spelled out because 3.x has none. Only lost
/// connections count, since nothing is ever requeued on purpose.
const DELIVERY_LIMIT: i32 = 20;
/// Dead letters kept; the oldest go first. Enough to see what happened, not enough to fill a disk.
const DEAD_LETTERS_KEPT: i32 = 10_000;

/// Between finding a queue deleted and declaring it: until then, channels hear that it is gone and cancel its consumers. Without the
/// pause, RabbitMQ 3.10 may tie a consumer of the old quorum queue to the new one and then never hand it anything.
const DELETION_SETTLES: Duration = Duration::from_millis(500);

/// The topology of one installation, as this process last saw it.
#[derive(Debug)]
pub(super) struct Topology {
    pub names: Names,
    queues: QueueType,
    generation: watch::Sender<u64>,
    declaring: Mutex<()>,
}

impl Topology {
    pub fn new(names: Names, queues: QueueType) -> Self {
        Self { names, queues, generation: watch::Sender::new(0), declaring: Mutex::new(()) }
    }

    /// Grows when queues had to be declared.
    pub fn generation(&self) -> u64 {
        *self.generation.borrow()
    }

    /// Tells when it grows from now on.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// Declares what is missing.
    pub async fn ensure(&self, connection: &Connection) -> lapin::Result<()> {
        let _one_at_a_time = self.declaring.lock().await;
        let first_time = !exchange_is_there(connection, &self.names.tasks()).await?;
        let channel = connection.create_channel().await?;
        self.declare_exchanges(&channel).await?;
        let mut missing = self.missing(connection).await?;
        if !missing.is_empty() && !first_time {
            sleep(DELETION_SETTLES).await;
            missing = self.missing(connection).await?;
        }
        for queue in &missing {
            self.declare(&channel, *queue).await?;
        }
        self.bind(&channel).await?;
        if missing.iter().any(|queue| matches!(queue, DeclaredQueue::Of(_))) {
            self.generation.send_modify(|generation| *generation += 1);
        }
        Ok(())
    }

    async fn declare_exchanges(&self, channel: &Channel) -> lapin::Result<()> {
        let exchanges = [
            (self.names.tasks(), ExchangeKind::Direct),
            (self.names.control(), ExchangeKind::Fanout),
            (self.names.dead(), ExchangeKind::Fanout),
        ];
        for (name, kind) in exchanges {
            let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
            channel.exchange_declare(name.into(), kind, durable, FieldTable::default()).await?;
        }
        Ok(())
    }

    async fn missing(&self, connection: &Connection) -> lapin::Result<Vec<DeclaredQueue>> {
        let mut missing = Vec::new();
        for queue in DeclaredQueue::ALL {
            if !queue_is_there(connection, &self.name(queue)).await? {
                missing.push(queue);
            }
        }
        Ok(missing)
    }

    async fn declare(&self, channel: &Channel, queue: DeclaredQueue) -> lapin::Result<()> {
        let mut arguments = self.arguments();
        match queue {
            DeclaredQueue::Dead => {
                arguments.insert("x-max-length".into(), DEAD_LETTERS_KEPT.into())
            }
            DeclaredQueue::Of(_) => {
                arguments.insert("x-dead-letter-exchange".into(), long(&self.names.dead()))
            }
        };
        if matches!(queue, DeclaredQueue::Of(_)) && self.queues == QueueType::Quorum {
            arguments.insert("x-delivery-limit".into(), DELIVERY_LIMIT.into());
        }
        let name = self.name(queue).into();
        channel.queue_declare(name, QueueDeclareOptions::durable(), arguments).await.map(|_| ())
    }

    /// Bound each time, since an exchange may have been deleted and its bindings with it.
    async fn bind(&self, channel: &Channel) -> lapin::Result<()> {
        for queue in DeclaredQueue::ALL {
            let (exchange, key) = match queue {
                DeclaredQueue::Dead => (self.names.dead(), ""),
                DeclaredQueue::Of(queue) => (self.names.tasks(), queue.as_str()),
            };
            let (name, options) = (self.name(queue), QueueBindOptions::default());
            channel
                .queue_bind(
                    name.into(),
                    exchange.into(),
                    key.into(),
                    options,
                    FieldTable::default(),
                )
                .await?;
        }
        Ok(())
    }

    fn name(&self, queue: DeclaredQueue) -> String {
        match queue {
            DeclaredQueue::Dead => self.names.dead(),
            DeclaredQueue::Of(queue) => self.names.queue(queue),
        }
    }

    fn arguments(&self) -> FieldTable {
        let mut arguments = FieldTable::default();
        let kind = match self.queues {
            QueueType::Quorum => "quorum",
            QueueType::Classic => "classic",
        };
        arguments.insert("x-queue-type".into(), long(kind));
        arguments
    }
}

/// The queues there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DeclaredQueue {
    Dead,
    Of(Queue),
}

impl DeclaredQueue {
    const ALL: [Self; 4] =
        [Self::Dead, Self::Of(Queue::Render), Self::Of(Queue::Generate), Self::Of(Queue::Light)];
}

fn long(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

/// Looks for a queue on a channel of its own, because a missing one closes the channel that asked.
async fn queue_is_there(connection: &Connection, name: &str) -> lapin::Result<bool> {
    let channel = connection.create_channel().await?;
    let passive = QueueDeclareOptions::durable().passive();
    let looked = channel.queue_declare(name.into(), passive, FieldTable::default()).await;
    is_there(&channel, looked.map(|_| ())).await
}

/// The same for an exchange.
async fn exchange_is_there(connection: &Connection, name: &str) -> lapin::Result<bool> {
    let channel = connection.create_channel().await?;
    let passive = ExchangeDeclareOptions { passive: true, ..Default::default() };
    let looked = channel
        .exchange_declare(name.into(), ExchangeKind::Direct, passive, FieldTable::default())
        .await;
    is_there(&channel, looked).await
}

async fn is_there(channel: &Channel, looked: lapin::Result<()>) -> lapin::Result<bool> {
    match looked {
        Ok(()) => channel.close(200, "looked".into()).await.map(|()| true),
        Err(error) if is_not_found(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns whether the broker said that what was asked for does not exist.
pub(super) fn is_not_found(error: &lapin::Error) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(error) if *error.kind() == AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND))
}

/// Returns whether the broker said that it failed inside.
pub(super) fn is_internal(error: &lapin::Error) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(error) if *error.kind() == AMQPErrorKind::Hard(AMQPHardError::INTERNALERROR))
}
