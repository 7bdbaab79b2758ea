//! Publishes: task messages in a pipeline whose confirms are awaited together (a round trip for
//! each would cost twenty times as much), control messages, and queries that need no consumer.

use std::{sync::Arc, time::Duration};

use common::{
    limits::CONFIRM_WITHIN,
    port::{
        PortResult,
        broker::{Control, TaskMessage},
    },
};
use futures::{
    FutureExt,
    future::{BoxFuture, Shared, join_all},
};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ExchangeKind, PublisherConfirm,
    options::{BasicPublishOptions, ExchangeDeclareOptions, QueueDeclareOptions},
    types::FieldTable,
};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::{
    consume::consume_controls,
    counts::{Counters, add},
    errors::{is_not_found, unavailable},
    message,
    publish_channels::{BLOCKED, ChannelPool, PublishChannel, until_blocked},
    topology::Topology,
};

/// Longest wait for an answer; a live broker answers in milliseconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// A routing key that no queue is bound with: its messages are confirmed and dropped.
const UNROUTED_KEY: &str = "nobody";

/// The publishing side of one process.
pub(super) struct Publisher {
    pub channels: ChannelPool,
    pub topology: Arc<Topology>,
    pub counters: Arc<Counters>,
}

/// The broker's reply to one published message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConfirmStatus {
    Queued,
    Returned,
    Refused,
    /// No reply came, or the channel was lost.
    Unknown,
}

/// Completes when confirms are no longer waited for.
type ConfirmCutoff = Shared<BoxFuture<'static, ()>>;

impl Publisher {
    /// Publishes task messages, and returns of each whether it is certainly in its queue.
    pub async fn publish(&self, messages: &[TaskMessage]) -> Vec<bool> {
        let statuses = self.publish_confirmed(messages).await.unwrap_or_else(|error| {
            // The caller logs it once; here it would be logged with every try.
            tracing::debug!(%error, messages = messages.len(), "task messages were not sent");
            vec![ConfirmStatus::Unknown; messages.len()]
        });
        let count = |status| statuses.iter().filter(|other| **other == status).count();
        let unconfirmed = count(ConfirmStatus::Refused) + count(ConfirmStatus::Unknown);
        add(&self.counters.returned, count(ConfirmStatus::Returned));
        add(&self.counters.unconfirmed, unconfirmed);
        statuses.into_iter().map(|status| status == ConfirmStatus::Queued).collect()
    }

    async fn publish_confirmed(&self, messages: &[TaskMessage]) -> PortResult<Vec<ConfirmStatus>> {
        let deadline = Instant::now() + CONFIRM_WITHIN;
        let taking = timeout_at(deadline, self.channels.take()).await;
        let channel = taking
            .unwrap_or_else(|_| Err(unavailable("no publishing channel was free in time")))?;
        let blocked = until_blocked(Arc::clone(&channel.connection));
        let cutoff = async move {
            tokio::select! {
                () = sleep_until(deadline) => {}
                () = blocked => {}
            }
        };
        let statuses =
            channel.send(&self.topology.names.tasks(), messages, &cutoff.boxed().shared()).await;
        if statuses.contains(&ConfirmStatus::Returned) {
            self.repair(&channel.connection).await;
        }
        self.channels.give_back(channel, !statuses.contains(&ConfirmStatus::Unknown));
        Ok(statuses)
    }

    /// Declares the queues again after a message came back because its queue was deleted.
    async fn repair(&self, connection: &Connection) {
        match timeout(ANSWER_WITHIN, self.topology.ensure(connection)).await {
            Ok(Ok(())) => tracing::warn!("a queue was missing and is declared again"),
            Ok(Err(error)) => {
                tracing::warn!(%error, "a queue is missing and could not be declared")
            }
            Err(_) => tracing::warn!("a queue is missing and could not be declared in time"),
        }
    }

    /// Publishes a control message.
    pub async fn notify(&self, message: &Control) -> PortResult<()> {
        let payload = message::encode_control(message);
        let exchange = self.topology.names.control();
        self.query(|_, channel| async move {
            let options = BasicPublishOptions::default();
            let properties = message::control_properties();
            let sent = channel
                .basic_publish(exchange.into(), "".into(), options, &payload, properties)
                .await?;
            sent.await.map(|_| ())
        })
        .await
    }

    /// Counts the messages in a queue that no consumer holds. A missing queue is declared, and is
    /// empty.
    pub async fn ready(&self, queue: String) -> PortResult<u64> {
        let topology = Arc::clone(&self.topology);
        self.query(|connection, _| async move {
            let channel = connection.create_channel().await?;
            let passive = QueueDeclareOptions::durable().passive();
            match channel.queue_declare(queue.into(), passive, FieldTable::default()).await {
                Ok(state) => {
                    channel.close(200, "counted".into()).await?;
                    Ok(u64::from(state.message_count()))
                }
                Err(error) if is_not_found(&error) => {
                    topology.ensure(&connection).await.map(|()| 0)
                }
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// Checks that the broker answers on a publishing channel and takes messages. A broker short of
    /// memory or disk answers every query, and blocks a connection only once that publishes. So a
    /// message is published that no queue takes. A listener's queue is made and consumed for the
    /// rights that this takes.
    pub async fn check(&self) -> PortResult<()> {
        let names = self.topology.names.clone();
        let exchange = names.tasks();
        self.query(|connection, channel| async move {
            let (options, properties) =
                (BasicPublishOptions::default(), BasicProperties::default());
            let (to, key) = (exchange.as_str().into(), UNROUTED_KEY.into());
            let sent = channel.basic_publish(to, key, options, b"", properties).await?;
            // A blocked connection may still confirm the message that it was blocked by, but is not
            // read any further: no reply to this declaration comes.
            let passive = ExchangeDeclareOptions { passive: true, ..Default::default() };
            let asked = channel.exchange_declare(
                exchange.into(),
                ExchangeKind::Direct,
                passive,
                FieldTable::default(),
            );
            tokio::select! {
                answered = asked => answered?,
                () = until_blocked(Arc::clone(&connection)) => return Ok(false),
            }
            sent.await?;
            let listener = connection.create_channel().await?;
            // It lives until the channel is closed: its drop sends a cancel, which a closing
            // channel refuses.
            let consumer = consume_controls(&listener, &names).await?;
            listener.close(200, "checked".into()).await?;
            drop(consumer);
            Ok(true)
        })
        .await?
        .then_some(())
        .ok_or_else(|| unavailable(BLOCKED))
    }

    /// Runs one query on a publishing channel, which is closed if no answer comes.
    async fn query<T, F: Future<Output = lapin::Result<T>>>(
        &self,
        query: impl FnOnce(Arc<Connection>, Channel) -> F,
    ) -> PortResult<T> {
        let deadline = Instant::now() + ANSWER_WITHIN;
        let silence = || unavailable("it does not answer");
        let channel = timeout_at(deadline, self.channels.take()).await.map_err(|_| silence())??;
        let running = query(Arc::clone(&channel.connection), channel.channel.clone());
        let answer = timeout_at(deadline, running)
            .await
            .map_err(|_| silence())
            .and_then(|answer| answer.map_err(unavailable));
        self.channels.give_back(channel, answer.is_ok());
        answer
    }
}

impl PublishChannel {
    /// Publishes all messages, then awaits all confirms.
    async fn send(
        &self,
        exchange: &str,
        messages: &[TaskMessage],
        cutoff: &ConfirmCutoff,
    ) -> Vec<ConfirmStatus> {
        let payloads: Vec<Vec<u8>> = messages.iter().map(message::encode_task).collect();
        let properties = message::task_properties();
        let publishing = messages
            .iter()
            .zip(&payloads)
            .map(|(message, payload)| self.publish(exchange, message, payload, &properties));
        let confirms = tokio::select! {
            biased;
            confirms = join_all(publishing) => confirms,
            () = cutoff.clone() => return vec![ConfirmStatus::Unknown; messages.len()],
        };
        let mut statuses = Vec::with_capacity(messages.len());
        for confirm in confirms {
            statuses.push(confirm_status(confirm, cutoff).await);
        }
        statuses
    }

    async fn publish(
        &self,
        exchange: &str,
        message: &TaskMessage,
        payload: &[u8],
        properties: &BasicProperties,
    ) -> lapin::Result<PublisherConfirm> {
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let key = message.queue.as_str().into();
        self.channel.basic_publish(exchange.into(), key, options, payload, properties.clone()).await
    }
}

/// Awaits one confirm. A confirm that has come counts even past the cutoff.
async fn confirm_status(
    published: lapin::Result<PublisherConfirm>,
    cutoff: &ConfirmCutoff,
) -> ConfirmStatus {
    let Ok(confirm) = published else { return ConfirmStatus::Unknown };
    let confirmed = tokio::select! {
        biased;
        confirmed = confirm => confirmed,
        () = cutoff.clone() => return ConfirmStatus::Unknown,
    };
    match confirmed {
        Ok(Confirmation::Ack(None)) => ConfirmStatus::Queued,
        Ok(Confirmation::Ack(Some(_))) => ConfirmStatus::Returned,
        Ok(Confirmation::Nack(_) | Confirmation::NotRequested) => ConfirmStatus::Refused,
        Err(_) => ConfirmStatus::Unknown,
    }
}
