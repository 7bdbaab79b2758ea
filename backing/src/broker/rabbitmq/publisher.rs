//! Publishing: a pool of connections, each with one long-lived confirm channel that one caller has at a time.
//!
//! A batch goes out in a pipeline and its confirms are awaited together, since a round trip for each bell would cost twenty times as
//! much. A publisher that was left in the middle (an error, a timeout, a caller that was dropped) is never used again: what is still
//! to come on its channel would be taken for somebody else's.

use std::{sync::Arc, time::Duration};

use common::{
    kind::Class,
    limits::CONFIRM_WITHIN,
    port::{
        PortError, PortResult,
        broker::{Control, Doorbell},
    },
};
use deadpool::managed::{self, Metrics, Object, Pool, RecycleError, RecycleResult};
use futures::future::join_all;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueDeclareOptions},
    types::FieldTable,
};
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    PART,
    counts::{Counters, add},
    dial::Dialer,
    message,
    topology::{Topology, is_not_found},
    unavailable,
};

/// A question to a live broker is answered in milliseconds; one that takes longer is not one to wait for.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// The publishing side of one process.
pub(super) struct Publishers {
    pool: Pool<Maker>,
    topology: Arc<Topology>,
    counters: Arc<Counters>,
}

/// A connection and its confirm channel.
struct Publisher {
    connection: Arc<Connection>,
    channel: Channel,
    /// Set while something is under way on the channel, and left set by whoever does not see it through.
    busy: bool,
}

struct Maker {
    connections: deadpool_lapin::Manager,
    dialer: Dialer,
    topology: Arc<Topology>,
}

impl managed::Manager for Maker {
    type Type = Publisher;
    type Error = PortError;

    async fn create(&self) -> PortResult<Publisher> {
        let connection = self.dialer.connect_by(managed::Manager::create(&self.connections)).await?;
        let opening = async {
            self.topology.ensure(&connection).await?;
            let channel = connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            lapin::Result::Ok(channel)
        };
        let channel = opening.await.map_err(unavailable)?;
        Ok(Publisher { connection: Arc::new(connection), channel, busy: false })
    }

    async fn recycle(&self, publisher: &mut Publisher, _: &Metrics) -> RecycleResult<PortError> {
        let usable =
            !publisher.busy && publisher.connection.status().connected() && publisher.channel.status().connected();
        if usable { Ok(()) } else { Err(RecycleError::message("it was cut off or left in the middle")) }
    }
}

/// What became of one published message.
enum Fate {
    Queued,
    Returned,
    Refused,
    /// No answer, or no channel any more.
    Unknown,
}

impl Publishers {
    pub fn new(dialer: Dialer, topology: Arc<Topology>, counters: Arc<Counters>, size: usize) -> PortResult<Self> {
        let runtime = lapin::runtime::default_runtime().map_err(unavailable)?;
        let properties = dialer.properties("publishes");
        let connections = deadpool_lapin::Manager::new(dialer.address.url.clone(), move || properties.clone(), runtime);
        let maker = Maker { connections, dialer, topology: Arc::clone(&topology) };
        let pool = Pool::builder(maker).max_size(size.max(1)).build();
        Ok(Self { pool: pool.map_err(|error| PortError::broken(PART, error))?, topology, counters })
    }

    /// Publishes doorbells and says of each whether it is surely in its queue.
    pub async fn ring(&self, bells: &[Doorbell]) -> Vec<bool> {
        let deadline = Instant::now() + CONFIRM_WITHIN;
        let fates = match timeout_at(deadline, self.publisher()).await {
            Ok(Ok(publisher)) => self.publish_bells(publisher, bells, deadline).await,
            Ok(Err(error)) => {
                tracing::warn!(%error, bells = bells.len(), "doorbells were not sent");
                Vec::new()
            }
            Err(_) => {
                tracing::warn!(bells = bells.len(), "doorbells were not sent: no publisher came free in time");
                Vec::new()
            }
        };
        let mut sure: Vec<bool> = fates.iter().map(|fate| matches!(fate, Fate::Queued)).collect();
        sure.resize(bells.len(), false);
        let returned = fates.iter().filter(|fate| matches!(fate, Fate::Returned)).count();
        add(&self.counters.returned, returned);
        add(&self.counters.unconfirmed, sure.iter().filter(|sure| !**sure).count() - returned);
        sure
    }

    async fn publish_bells(&self, mut publisher: Object<Maker>, bells: &[Doorbell], deadline: Instant) -> Vec<Fate> {
        if publisher.connection.status().blocked() {
            tracing::warn!(
                bells = bells.len(),
                "doorbells were not sent: RabbitMQ is short of memory or disk and blocks publishers"
            );
            return Vec::new();
        }
        publisher.busy = true;
        let fates = publisher.send(&self.topology.names.tasks(), bells, deadline).await;
        if fates.iter().any(|fate| matches!(fate, Fate::Returned)) {
            self.repair(&publisher).await;
        }
        let seen_through = fates.len() == bells.len() && !fates.iter().any(|fate| matches!(fate, Fate::Unknown));
        publisher.busy = !seen_through;
        release(publisher);
        fates
    }

    /// A bell that came back found no queue: somebody deleted it.
    async fn repair(&self, publisher: &Publisher) {
        match timeout(ANSWER_WITHIN, self.topology.ensure(&publisher.connection)).await {
            Ok(Ok(())) => tracing::warn!("a queue was missing and is declared again"),
            Ok(Err(error)) => tracing::warn!(%error, "a queue is missing and could not be declared"),
            Err(_) => tracing::warn!("a queue is missing and could not be declared in time"),
        }
    }

    /// Publishes a control message.
    pub async fn tell(&self, message: &Control) -> PortResult<()> {
        let payload = message::encode_control(message);
        let exchange = self.topology.names.control();
        self.asking(|_, channel| async move {
            let options = BasicPublishOptions::default();
            let properties = message::control_properties();
            let sent = channel.basic_publish(exchange.into(), "".into(), options, &payload, properties).await?;
            sent.await.map(|_| ())
        })
        .await
    }

    /// Messages in a class's queue that no consumer holds. A queue that is missing is declared, and is empty.
    pub async fn ready(&self, class: Class) -> PortResult<u64> {
        let queue = self.topology.names.queue(class);
        let topology = Arc::clone(&self.topology);
        self.asking(|connection, _| async move {
            let channel = connection.create_channel().await?;
            let passive = QueueDeclareOptions::durable().passive();
            match channel.queue_declare(queue.into(), passive, FieldTable::default()).await {
                Ok(state) => {
                    channel.close(200, "counted".into()).await?;
                    Ok(u64::from(state.message_count()))
                }
                Err(error) if is_not_found(&error) => topology.ensure(&connection).await.map(|()| 0),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// Whether the broker answers on a publisher's channel.
    pub async fn check(&self) -> PortResult<()> {
        let exchange = self.topology.names.tasks();
        self.asking(|_, channel| async move {
            let passive = ExchangeDeclareOptions { passive: true, ..Default::default() };
            let kind = lapin::ExchangeKind::Direct;
            channel.exchange_declare(exchange.into(), kind, passive, FieldTable::default()).await
        })
        .await
    }

    /// One question over a publisher, which is given up if the answer does not come.
    async fn asking<T, F: Future<Output = lapin::Result<T>>>(
        &self,
        question: impl FnOnce(Arc<Connection>, Channel) -> F,
    ) -> PortResult<T> {
        let asked = async {
            let mut publisher = self.publisher().await?;
            if publisher.connection.status().blocked() {
                return Err(unavailable("it is short of memory or disk and blocks publishers"));
            }
            publisher.busy = true;
            let answer =
                question(Arc::clone(&publisher.connection), publisher.channel.clone()).await.map_err(unavailable);
            publisher.busy = answer.is_err();
            release(publisher);
            answer
        };
        timeout(ANSWER_WITHIN, asked).await.unwrap_or_else(|_| Err(unavailable("it does not answer")))
    }

    async fn publisher(&self) -> PortResult<Object<Maker>> {
        self.pool.get().await.map_err(|error| match error {
            managed::PoolError::Backend(error) => error,
            other => unavailable(other),
        })
    }
}

/// Back to the pool, unless it was left in the middle: then it is closed now and not when somebody next wants one.
fn release(publisher: Object<Maker>) {
    if publisher.busy {
        drop(Object::take(publisher));
    }
}

impl Publisher {
    /// Publishes all, then awaits all; shorter than `bells` if they could not all be handed to the connection in time.
    async fn send(&self, exchange: &str, bells: &[Doorbell], deadline: Instant) -> Vec<Fate> {
        let payloads: Vec<Vec<u8>> = bells.iter().map(message::encode_bell).collect();
        let properties = message::bell_properties();
        let publishing =
            bells.iter().zip(&payloads).map(|(bell, payload)| self.publish(exchange, bell, payload, &properties));
        let Ok(confirms) = timeout_at(deadline, join_all(publishing)).await else { return Vec::new() };
        let mut fates = Vec::with_capacity(bells.len());
        for confirm in confirms {
            fates.push(fate_of(confirm, deadline).await);
        }
        fates
    }

    async fn publish(
        &self,
        exchange: &str,
        bell: &Doorbell,
        payload: &[u8],
        properties: &BasicProperties,
    ) -> lapin::Result<PublisherConfirm> {
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let key = bell.class.as_str().into();
        self.channel.basic_publish(exchange.into(), key, options, payload, properties.clone()).await
    }
}

/// A confirm that is already there counts even past the deadline.
async fn fate_of(published: lapin::Result<PublisherConfirm>, deadline: Instant) -> Fate {
    let Ok(confirm) = published else { return Fate::Unknown };
    match timeout_at(deadline, confirm).await {
        Ok(Ok(Confirmation::Ack(None))) => Fate::Queued,
        Ok(Ok(Confirmation::Ack(Some(_)))) => Fate::Returned,
        Ok(Ok(Confirmation::Nack(_) | Confirmation::NotRequested)) => Fate::Refused,
        Ok(Err(_)) | Err(_) => Fate::Unknown,
    }
}
