//! Exchanges and queues: declared where they are missing, left alone where they are not.
//!
//! A queue is looked for before it is declared. That tells an old queue from a new one (the bells of a queue that had to be made anew
//! are gone, and its generation says so), and it lets an operator choose other arguments for a queue than ours without being refused.

use std::sync::atomic::{AtomicU64, Ordering};

use common::kind::Class;
use lapin::{
    Channel, Connection, ErrorKind, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    protocol::{AMQPErrorKind, AMQPSoftError},
    types::{FieldTable, ShortString},
};
use tokio::sync::Mutex;

use super::{config::QueueType, names::Names};

/// Deliveries of one bell before it goes to the dead letters: RabbitMQ 4's own default, spelled out because 3.x has none. Only lost
/// connections count, since nothing is ever requeued on purpose.
const DELIVERY_LIMIT: i32 = 20;
/// Dead letters kept; the oldest go first. Enough to see what happened, not enough to fill a disk.
const DEAD_LETTERS_KEPT: i32 = 10_000;

/// The topology of one installation, as this process last saw it.
#[derive(Debug)]
pub(super) struct Topology {
    pub names: Names,
    queues: QueueType,
    generation: AtomicU64,
    declaring: Mutex<()>,
}

impl Topology {
    pub fn new(names: Names, queues: QueueType) -> Self {
        Self { names, queues, generation: AtomicU64::new(0), declaring: Mutex::new(()) }
    }

    /// Grows when queues had to be declared.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Declares what is missing.
    pub async fn ensure(&self, connection: &Connection) -> lapin::Result<()> {
        let _one_at_a_time = self.declaring.lock().await;
        let channel = connection.create_channel().await?;
        self.declare_exchanges(&channel).await?;
        self.declare_dead_letters(connection, &channel).await?;
        let mut anew = false;
        for class in Class::ALL {
            anew |= self.declare_class(connection, &channel, class).await?;
        }
        if anew {
            self.generation.fetch_add(1, Ordering::AcqRel);
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

    async fn declare_dead_letters(&self, connection: &Connection, channel: &Channel) -> lapin::Result<()> {
        let name: ShortString = self.names.dead().into();
        if !is_there(connection, &name).await? {
            let mut arguments = self.arguments();
            arguments.insert("x-max-length".into(), DEAD_LETTERS_KEPT.into());
            channel.queue_declare(name.clone(), QueueDeclareOptions::durable(), arguments).await?;
        }
        bind(channel, name.clone(), name, ShortString::default()).await
    }

    /// Whether it had to be declared.
    async fn declare_class(&self, connection: &Connection, channel: &Channel, class: Class) -> lapin::Result<bool> {
        let name: ShortString = self.names.queue(class).into();
        let there = is_there(connection, &name).await?;
        if !there {
            let mut arguments = self.arguments();
            let dead: ShortString = self.names.dead().into();
            arguments
                .insert("x-dead-letter-exchange".into(), lapin::types::AMQPValue::LongString(dead.as_str().into()));
            if self.queues == QueueType::Quorum {
                arguments.insert("x-delivery-limit".into(), DELIVERY_LIMIT.into());
            }
            channel.queue_declare(name.clone(), QueueDeclareOptions::durable(), arguments).await?;
        }
        bind(channel, name, self.names.tasks().into(), class.as_str().into()).await?;
        Ok(!there)
    }

    fn arguments(&self) -> FieldTable {
        let mut arguments = FieldTable::default();
        let kind = match self.queues {
            QueueType::Quorum => "quorum",
            QueueType::Classic => "classic",
        };
        arguments.insert("x-queue-type".into(), lapin::types::AMQPValue::LongString(kind.into()));
        arguments
    }
}

async fn bind(channel: &Channel, queue: ShortString, exchange: ShortString, key: ShortString) -> lapin::Result<()> {
    channel.queue_bind(queue, exchange, key, QueueBindOptions::default(), FieldTable::default()).await
}

/// Looks for a queue on a channel of its own, because a missing one closes the channel that asked.
async fn is_there(connection: &Connection, name: &ShortString) -> lapin::Result<bool> {
    let channel = connection.create_channel().await?;
    let looked =
        channel.queue_declare(name.clone(), QueueDeclareOptions::durable().passive(), FieldTable::default()).await;
    match looked {
        Ok(_) => {
            channel.close(200, "looked".into()).await?;
            Ok(true)
        }
        Err(error) if is_not_found(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_not_found(error: &lapin::Error) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(error) if *error.kind() == AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND))
}
