//! One consuming connection with its consumers, and every sign that it has failed.

use std::{
    collections::{BTreeMap, HashMap},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use common::{port::PortError, queue::Queue};
use futures::{Stream, StreamExt};
use lapin::{Channel, Connection, Event, options::QueueDeclareOptions, types::FieldTable};
use tokio::{
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::{Interval, MissedTickBehavior, interval, timeout},
};

use super::{
    connect::Connector,
    consume::{Forwarder, consume_controls, consume_tasks, forward_all},
    counts::Counters,
    errors::{is_internal, unavailable},
    subscriber::{Subscriber, SubscriberId, Subscription},
    topology::Topology,
};

/// Time between two probes of the queues. A dead connection or a consumer that the broker forgot is
/// found within twice this.
const PROBE_EVERY: Duration = Duration::from_secs(5);
/// Longest probe; past it the connection counts as dead.
const PROBE_WITHIN: Duration = Duration::from_secs(5);

/// The reason why a session ended.
pub(super) enum SessionEnd {
    /// The broker and all consumers were dropped.
    NotNeeded,
    Failed(String),
    /// The broker failed with an internal error when an existing queue was consumed.
    QueueBroken(String),
}

/// The reason why no session could be built, or a subscriber not be attached.
#[derive(Debug)]
pub(super) struct AttachError {
    error: PortError,
    is_queue_broken: bool,
}

impl From<PortError> for AttachError {
    fn from(error: PortError) -> Self {
        Self { error, is_queue_broken: false }
    }
}

impl From<AttachError> for SessionEnd {
    fn from(AttachError { error, is_queue_broken }: AttachError) -> Self {
        let reason = error.to_string();
        if is_queue_broken { Self::QueueBroken(reason) } else { Self::Failed(reason) }
    }
}

/// A connection, its consumers, and the tasks that forward their messages.
pub(super) struct Session {
    number: u64,
    connection: Connection,
    topology: Arc<Topology>,
    generation: watch::Receiver<u64>,
    counters: Arc<Counters>,
    events: Pin<Box<dyn Stream<Item = Event> + Send>>,
    forwarders: JoinSet<(SubscriberId, String)>,
    consumers: HashMap<SubscriberId, RunningConsumer>,
    probe: Interval,
    observations: HashMap<SubscriberId, QueueObservation>,
}

struct RunningConsumer {
    channel: Channel,
    forwarder: AbortHandle,
}

/// State of a subscriber's queue at the last probe.
#[derive(Debug, Clone, Copy)]
struct QueueObservation {
    /// Set if messages wait although the subscriber has room.
    is_starved: bool,
    received: u64,
}

impl Session {
    /// Connects, declares what is missing and attaches every subscriber.
    pub async fn build(
        number: u64,
        connector: &Connector,
        topology: &Arc<Topology>,
        counters: &Arc<Counters>,
        subscribers: &BTreeMap<SubscriberId, Subscriber>,
    ) -> Result<Self, AttachError> {
        let connection = connector.connect("consumes").await?;
        topology.ensure(&connection).await.map_err(unavailable)?;
        let events = Box::pin(connection.events_listener());
        let mut probe = interval(PROBE_EVERY);
        probe.set_missed_tick_behavior(MissedTickBehavior::Delay);
        probe.reset();
        let mut session = Self {
            number,
            connection,
            topology: Arc::clone(topology),
            generation: topology.watch(),
            counters: Arc::clone(counters),
            events,
            forwarders: JoinSet::new(),
            consumers: HashMap::new(),
            probe,
            observations: HashMap::new(),
        };
        for id in subscribers.keys() {
            session.update(*id, subscribers).await?;
        }
        Ok(session)
    }

    /// Attaches a subscriber that was added, or detaches one that was removed.
    pub async fn update(
        &mut self,
        id: SubscriberId,
        subscribers: &BTreeMap<SubscriberId, Subscriber>,
    ) -> Result<(), AttachError> {
        match subscribers.get(&id) {
            Some(subscriber) => timeout(PROBE_WITHIN, self.attach(id, subscriber))
                .await
                .map_err(|_| unavailable("a consumer could not be attached in time"))?
                .map_err(|error| {
                    let is_queue =
                        matches!(subscriber.subscription, Subscription::TaskMessages { .. });
                    let is_queue_broken = is_queue && is_internal(&error);
                    AttachError { error: unavailable(error), is_queue_broken }
                }),
            None => {
                self.detach(id);
                Ok(())
            }
        }
    }

    async fn attach(&mut self, id: SubscriberId, subscriber: &Subscriber) -> lapin::Result<()> {
        let channel = self.connection.create_channel().await?;
        let attachment = Arc::clone(&subscriber.attachment);
        // Attached before the first delivery can come, or that delivery would be taken for one of
        // an older connection.
        attachment.attach(self.number, channel.clone());
        let (consumer, forwarder) = match &subscriber.subscription {
            Subscription::TaskMessages { queue, prefetch, to } => {
                let queue = self.topology.names.queue(*queue);
                let consumer = consume_tasks(&channel, &queue, *prefetch).await?;
                let forwarder = Forwarder::TaskMessages {
                    connection: self.number,
                    attachment: Arc::clone(&attachment),
                    to: to.clone(),
                };
                (consumer, forwarder)
            }
            Subscription::Controls { to } => {
                let consumer = consume_controls(&channel, &self.topology.names).await?;
                (consumer, Forwarder::Controls { to: to.clone() })
            }
        };
        let counters = Arc::clone(&self.counters);
        let forwarder = self
            .forwarders
            .spawn(async move { (id, forward_all(consumer, forwarder, counters).await) });
        self.consumers.insert(id, RunningConsumer { channel, forwarder });
        attachment.confirm();
        Ok(())
    }

    /// Closes a subscriber's channel, so that its unacked messages go to others at once.
    fn detach(&mut self, id: SubscriberId) {
        self.observations.remove(&id);
        if let Some(RunningConsumer { channel, forwarder }) = self.consumers.remove(&id) {
            forwarder.abort();
            tokio::spawn(async move { channel.close(200, "unsubscribed".into()).await });
        }
    }

    /// Waits until the session fails, and returns the reason.
    pub async fn watch(&mut self, subscribers: &BTreeMap<SubscriberId, Subscriber>) -> String {
        loop {
            tokio::select! {
                Some(ended) = self.forwarders.join_next() => match ended {
                    Ok((id, reason)) if self.consumers.contains_key(&id) => return reason,
                    Err(error) if error.is_panic() => return error.to_string(),
                    // The forwarder of a subscriber that was removed.
                    Ok(_) | Err(_) => {}
                },
                Some(event) = self.events.next() => match event {
                    // A soft error concerns one channel, and ends its consumer's forwarder.
                    Event::Error(error) if !error.is_amqp_soft_error() => return error.to_string(),
                    Event::ConnectionBlocked(reason) => {
                        return format!("it blocks the connection: {reason}");
                    }
                    _ => {}
                },
                // A publisher found queues missing. Their consumers may not have been told.
                Ok(()) = self.generation.changed() => {
                    return "the queues were declared again".to_owned();
                }
                _ = self.probe.tick() => {
                    match timeout(PROBE_WITHIN, self.probe_queues(subscribers)).await {
                        Ok(Ok(())) => {}
                        Ok(Err(reason)) => return reason,
                        Err(_) => return "it does not answer".to_owned(),
                    }
                }
            }
        }
    }

    /// Checks of every consumed queue that it exists, that the broker knows of a consumer, and that
    /// waiting messages are delivered.
    async fn probe_queues(
        &mut self,
        subscribers: &BTreeMap<SubscriberId, Subscriber>,
    ) -> Result<(), String> {
        let channel = self.connection.create_channel().await.map_err(|error| error.to_string())?;
        let mut ready = BTreeMap::<Queue, u32>::new();
        for (id, Subscriber { subscription, attachment }) in subscribers {
            let Subscription::TaskMessages { queue, prefetch, .. } = subscription else { continue };
            if !ready.contains_key(queue) {
                let name = self.topology.names.queue(*queue);
                ready.insert(*queue, count_ready(&channel, name).await?);
            }
            let has_room = attachment.held() < usize::from(*prefetch);
            let now = QueueObservation {
                is_starved: has_room && ready[queue] > 0,
                received: attachment.total_received(),
            };
            let before = self.observations.insert(*id, now);
            if now.is_starved
                && before.is_some_and(|before| before.is_starved && before.received == now.received)
            {
                return Err(format!("the queue of {queue} holds messages and delivers none"));
            }
        }
        channel.close(200, "probed".into()).await.map_err(|error| error.to_string())
    }
}

/// Returns the number of messages that wait in a queue, or the reason why it can't be used.
async fn count_ready(channel: &Channel, queue: String) -> Result<u32, String> {
    let passive = QueueDeclareOptions::durable().passive();
    let state = channel.queue_declare(queue.as_str().into(), passive, FieldTable::default()).await;
    let state = state.map_err(|error| error.to_string())?;
    if state.consumer_count() == 0 {
        return Err(format!("the broker knows of no consumer of {queue}"));
    }
    Ok(state.message_count())
}
