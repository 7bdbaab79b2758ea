//! Exchanges and queues: declared where they are missing, left alone where they are not.
//!
//! A queue is looked up before it is declared. That tells an existing queue from a new one (the
//! messages of a queue that had to be declared again are gone, and the generation grows), and it
//! lets an operator choose other arguments for a queue without being refused.

use std::time::Duration;

use common::queue::Queue;
use lapin::{
    Channel, Connection, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use tokio::{
    sync::{Mutex, watch},
    time::sleep,
};

use super::{config::QueueType, errors::is_not_found, names::BrokerNames};

/// Deliveries of one message before it goes to the dead letters: RabbitMQ 4's own default, spelled
/// out because 3.x has none. Only lost connections count, since nothing is requeued on purpose.
const DELIVERY_LIMIT: i32 = 20;
/// Most dead letters kept; the oldest are dropped first. Enough to diagnose, too few to fill a
/// disk.
const DEAD_LETTERS_KEPT: i32 = 10_000;

/// Pause between finding a queue deleted and declaring it again, in which its consumers are
/// cancelled. Without it, RabbitMQ 3.10 may tie a consumer of the old quorum queue to the new one
/// and then never deliver to it.
const PAUSE_AFTER_DELETION: Duration = Duration::from_millis(500);

/// The topology of one installation.
#[derive(Debug)]
pub(super) struct Topology {
    pub names: BrokerNames,
    queues: QueueType,
    generation: watch::Sender<u64>,
    declaring: Mutex<()>,
}

impl Topology {
    pub fn new(names: BrokerNames, queues: QueueType) -> Self {
        Self { names, queues, generation: watch::Sender::new(0), declaring: Mutex::new(()) }
    }

    /// The number of times that this process had to declare queues.
    pub fn generation(&self) -> u64 {
        *self.generation.borrow()
    }

    /// Reports when the generation grows from now on.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// Declares missing exchanges and queues, and binds all of them.
    pub async fn ensure(&self, connection: &Connection) -> lapin::Result<()> {
        let _one_at_a_time = self.declaring.lock().await;
        let first_time = !exchange_exists(connection, &self.names.tasks()).await?;
        let channel = connection.create_channel().await?;
        self.declare_exchanges(&channel).await?;
        let mut missing = self.missing(connection).await?;
        if !missing.is_empty() && !first_time {
            sleep(PAUSE_AFTER_DELETION).await;
            missing = self.missing(connection).await?;
        }
        for queue in &missing {
            self.declare(&channel, *queue).await?;
        }
        self.bind(&channel).await?;
        if missing.iter().any(|queue| matches!(queue, DeclaredQueue::TaskMessages(_))) {
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
            if !queue_exists(connection, &self.name(queue)).await? {
                missing.push(queue);
            }
        }
        Ok(missing)
    }

    async fn declare(&self, channel: &Channel, queue: DeclaredQueue) -> lapin::Result<()> {
        let mut arguments = self.arguments();
        match queue {
            DeclaredQueue::DeadLetters => {
                arguments.insert("x-max-length".into(), DEAD_LETTERS_KEPT.into())
            }
            DeclaredQueue::TaskMessages(_) => {
                arguments.insert("x-dead-letter-exchange".into(), long_string(&self.names.dead()))
            }
        };
        if matches!(queue, DeclaredQueue::TaskMessages(_)) && self.queues == QueueType::Quorum {
            arguments.insert("x-delivery-limit".into(), DELIVERY_LIMIT.into());
        }
        let name = self.name(queue).into();
        channel.queue_declare(name, QueueDeclareOptions::durable(), arguments).await.map(|_| ())
    }

    /// Binds every queue each time, since an exchange may have been deleted with its bindings.
    async fn bind(&self, channel: &Channel) -> lapin::Result<()> {
        for queue in DeclaredQueue::ALL {
            let (exchange, key) = match queue {
                DeclaredQueue::DeadLetters => (self.names.dead(), ""),
                DeclaredQueue::TaskMessages(queue) => (self.names.tasks(), queue.as_str()),
            };
            let (name, arguments) = (self.name(queue), FieldTable::default());
            let options = QueueBindOptions::default();
            channel
                .queue_bind(name.into(), exchange.into(), key.into(), options, arguments)
                .await?;
        }
        Ok(())
    }

    fn name(&self, queue: DeclaredQueue) -> String {
        match queue {
            DeclaredQueue::DeadLetters => self.names.dead(),
            DeclaredQueue::TaskMessages(queue) => self.names.queue(queue),
        }
    }

    fn arguments(&self) -> FieldTable {
        let mut arguments = FieldTable::default();
        let kind = match self.queues {
            QueueType::Quorum => "quorum",
            QueueType::Classic => "classic",
        };
        arguments.insert("x-queue-type".into(), long_string(kind));
        arguments
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DeclaredQueue {
    DeadLetters,
    TaskMessages(Queue),
}

impl DeclaredQueue {
    const ALL: [Self; 4] = [
        Self::DeadLetters,
        Self::TaskMessages(Queue::Render),
        Self::TaskMessages(Queue::Generate),
        Self::TaskMessages(Queue::Light),
    ];
}

fn long_string(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

/// Returns whether a queue exists. Asks on a channel of its own, because the broker closes it if
/// the queue is missing.
async fn queue_exists(connection: &Connection, name: &str) -> lapin::Result<bool> {
    let channel = connection.create_channel().await?;
    let passive = QueueDeclareOptions::durable().passive();
    let declared = channel.queue_declare(name.into(), passive, FieldTable::default()).await;
    exists(&channel, declared.map(|_| ())).await
}

/// Returns whether an exchange exists. Asks on a channel of its own, as for a queue.
async fn exchange_exists(connection: &Connection, name: &str) -> lapin::Result<bool> {
    let channel = connection.create_channel().await?;
    let passive = ExchangeDeclareOptions { passive: true, ..Default::default() };
    let declared = channel
        .exchange_declare(name.into(), ExchangeKind::Direct, passive, FieldTable::default())
        .await;
    exists(&channel, declared).await
}

async fn exists(channel: &Channel, declared: lapin::Result<()>) -> lapin::Result<bool> {
    match declared {
        Ok(()) => channel.close(200, "found".into()).await.map(|()| true),
        Err(error) if is_not_found(&error) => Ok(false),
        Err(error) => Err(error),
    }
}
