//! What goes out: task messages in a pipeline with their confirms awaited together (a round trip for each would cost twenty times as much),
//! control messages, and the questions that need no consumer.

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
    counts::{Counters, add},
    message,
    pool::{BLOCKED, Publisher, Publishers, until_blocked},
    topology::{Topology, is_not_found},
    unavailable,
};

/// A question to a live broker is answered in milliseconds; one that takes longer is not one to wait for.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// A routing key that no queue is bound by: what is sent to it is confirmed and dropped.
const NOBODY: &str = "nobody";

/// The publishing side of one process.
pub(super) struct Publishing {
    pub publishers: Publishers,
    pub topology: Arc<Topology>,
    pub counters: Arc<Counters>,
}

/// What became of one published message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Queued,
    Returned,
    Refused,
    /// No answer, or no channel any more.
    Unknown,
}

/// When to stop waiting for confirms.
type Cutoff = Shared<BoxFuture<'static, ()>>;

impl Publishing {
    /// Publishes task messages and says of each whether it is surely in its queue.
    pub async fn publish(&self, messages: &[TaskMessage]) -> Vec<bool> {
        let fates = self.fates(messages).await.unwrap_or_else(|error| {
            // The caller logs it once; here it would be logged with every try.
            tracing::debug!(%error, messages = messages.len(), "task messages were not sent");
            vec![Fate::Unknown; messages.len()]
        });
        let count = |fate| fates.iter().filter(|other| **other == fate).count();
        add(&self.counters.returned, count(Fate::Returned));
        add(&self.counters.unconfirmed, count(Fate::Refused) + count(Fate::Unknown));
        fates.into_iter().map(|fate| fate == Fate::Queued).collect()
    }

    async fn fates(&self, messages: &[TaskMessage]) -> PortResult<Vec<Fate>> {
        let deadline = Instant::now() + CONFIRM_WITHIN;
        let taking = timeout_at(deadline, self.publishers.take()).await;
        let publisher =
            taking.unwrap_or_else(|_| Err(unavailable("no publisher came free in time")))?;
        let blocked = until_blocked(Arc::clone(&publisher.connection));
        let cutoff = async move {
            tokio::select! {
                () = sleep_until(deadline) => {}
                () = blocked => {}
            }
        };
        let fates =
            publisher.send(&self.topology.names.tasks(), messages, &cutoff.boxed().shared()).await;
        if fates.contains(&Fate::Returned) {
            self.repair(&publisher.connection).await;
        }
        self.publishers.give_back(publisher, !fates.contains(&Fate::Unknown));
        Ok(fates)
    }

    /// A message that came back found no queue: somebody deleted it.
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
        self.asking(|_, channel| async move {
            let options = BasicPublishOptions::default();
            let properties = message::control_properties();
            let sent = channel
                .basic_publish(exchange.into(), "".into(), options, &payload, properties)
                .await?;
            sent.await.map(|_| ())
        })
        .await
    }

    /// Messages in a queue that no consumer holds. A queue that is missing is declared, and is empty.
    pub async fn ready(&self, queue: String) -> PortResult<u64> {
        let topology = Arc::clone(&self.topology);
        self.asking(|connection, _| async move {
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

    /// Returns whether the broker answers on a publisher's channel, and takes messages: one that is
    /// short of memory or disk answers all questions, and tells a connection that it is blocked
    /// only once that publishes. So something is published, to nobody.
    pub async fn check(&self) -> PortResult<()> {
        let exchange = self.topology.names.tasks();
        self.asking(|connection, channel| async move {
            let (options, properties) =
                (BasicPublishOptions::default(), BasicProperties::default());
            let sent = channel
                .basic_publish(exchange.as_str().into(), NOBODY.into(), options, b"", properties)
                .await?;
            // A blocked connection may still confirm what it was blocked by, and is not read any further: no answer to this one comes.
            let passive = ExchangeDeclareOptions { passive: true, ..Default::default() };
            let asked = channel.exchange_declare(
                exchange.into(),
                ExchangeKind::Direct,
                passive,
                FieldTable::default(),
            );
            tokio::select! {
                answered = asked => answered?,
                () = until_blocked(connection) => return Ok(false),
            }
            sent.await.map(|_| true)
        })
        .await?
        .then_some(())
        .ok_or_else(|| unavailable(BLOCKED))
    }

    /// One question over a publisher, which is given up if the answer does not come.
    async fn asking<T, F: Future<Output = lapin::Result<T>>>(
        &self,
        question: impl FnOnce(Arc<Connection>, Channel) -> F,
    ) -> PortResult<T> {
        let deadline = Instant::now() + ANSWER_WITHIN;
        let silence = || unavailable("it does not answer");
        let publisher =
            timeout_at(deadline, self.publishers.take()).await.map_err(|_| silence())??;
        let asked = question(Arc::clone(&publisher.connection), publisher.channel.clone());
        let answer = timeout_at(deadline, asked)
            .await
            .map_err(|_| silence())
            .and_then(|answer| answer.map_err(unavailable));
        self.publishers.give_back(publisher, answer.is_ok());
        answer
    }
}

impl Publisher {
    /// Publishes all, then awaits all.
    async fn send(&self, exchange: &str, messages: &[TaskMessage], cutoff: &Cutoff) -> Vec<Fate> {
        let payloads: Vec<Vec<u8>> = messages.iter().map(message::encode_message).collect();
        let properties = message::message_properties();
        let publishing = messages
            .iter()
            .zip(&payloads)
            .map(|(message, payload)| self.publish(exchange, message, payload, &properties));
        let confirms = tokio::select! {
            biased;
            confirms = join_all(publishing) => confirms,
            () = cutoff.clone() => return vec![Fate::Unknown; messages.len()],
        };
        let mut fates = Vec::with_capacity(messages.len());
        for confirm in confirms {
            fates.push(fate_of(confirm, cutoff).await);
        }
        fates
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

/// A confirm that is already there counts even past the cutoff.
async fn fate_of(published: lapin::Result<PublisherConfirm>, cutoff: &Cutoff) -> Fate {
    let Ok(confirm) = published else { return Fate::Unknown };
    let confirmed = tokio::select! {
        biased;
        confirmed = confirm => confirmed,
        () = cutoff.clone() => return Fate::Unknown,
    };
    match confirmed {
        Ok(Confirmation::Ack(None)) => Fate::Queued,
        Ok(Confirmation::Ack(Some(_))) => Fate::Returned,
        Ok(Confirmation::Nack(_) | Confirmation::NotRequested) => Fate::Refused,
        Err(_) => Fate::Unknown,
    }
}
