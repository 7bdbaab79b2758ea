//! One consuming connection: its consumers, what flows from them, and every sign that it is no good any more.

use std::{
    collections::{BTreeMap, HashMap},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use common::{port::PortError, queue::Queue};
use futures::{Stream, StreamExt};
use lapin::{
    Channel, Connection, Consumer, Event,
    options::{BasicConsumeOptions, BasicQosOptions, QueueBindOptions, QueueDeclareOptions},
    types::FieldTable,
};
use tokio::{
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::{Interval, MissedTickBehavior, interval, timeout},
};

use super::{
    counts::Counters,
    dial::Dialer,
    pump::{Outlet, pump},
    subscriber::{Feed, SubscriberId},
    supervisor::Subscriber,
    topology::{Topology, is_internal},
    unavailable,
};

/// How often the queues are looked at: a quiet connection is found dead, and a consumer forgotten, within twice this.
const PROBE_EVERY: Duration = Duration::from_secs(5);
/// A look that takes longer says that the connection is dead.
const PROBE_WITHIN: Duration = Duration::from_secs(5);

/// Why a session ended.
pub(super) enum Ending {
    /// Nobody is left who could want it.
    Unwanted,
    /// Something is wrong with it.
    Fault(String),
    /// The broker fails inside at consuming a queue that it says is there.
    Refused(String),
}

/// Why no session could be built, or a subscriber not be attached.
#[derive(Debug)]
pub(super) struct Unattached {
    error: PortError,
    /// The broker failed inside at consuming a queue.
    refused: bool,
}

impl From<PortError> for Unattached {
    fn from(error: PortError) -> Self {
        Self { error, refused: false }
    }
}

impl Unattached {
    /// As the end of a session.
    pub fn ending(self) -> Ending {
        let fault = self.error.to_string();
        if self.refused { Ending::Refused(fault) } else { Ending::Fault(fault) }
    }
}

/// A connection with its consumers.
pub(super) struct Session {
    number: u64,
    connection: Connection,
    topology: Arc<Topology>,
    generation: watch::Receiver<u64>,
    counters: Arc<Counters>,
    events: Pin<Box<dyn Stream<Item = Event> + Send>>,
    pumps: JoinSet<(SubscriberId, String)>,
    attached: HashMap<SubscriberId, Attached>,
    probe: Interval,
    seen: HashMap<SubscriberId, Look>,
}

struct Attached {
    channel: Channel,
    pump: AbortHandle,
}

/// What a look at a subscriber's queue found.
#[derive(Debug, Clone, Copy)]
struct Look {
    /// Messages wait, though the subscriber has room.
    starved: bool,
    received: u64,
}

impl Session {
    /// Connects, declares what is missing and attaches every subscriber.
    pub async fn build(
        number: u64,
        dialer: &Dialer,
        topology: &Arc<Topology>,
        counters: &Arc<Counters>,
        subscribers: &BTreeMap<SubscriberId, Subscriber>,
    ) -> Result<Self, Unattached> {
        let connection = dialer.connect("consumes").await?;
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
            pumps: JoinSet::new(),
            attached: HashMap::new(),
            probe,
            seen: HashMap::new(),
        };
        for id in subscribers.keys() {
            session.follow(*id, subscribers).await?;
        }
        Ok(session)
    }

    /// Attaches a subscriber that joined, lets go of one that left.
    pub async fn follow(
        &mut self,
        id: SubscriberId,
        subscribers: &BTreeMap<SubscriberId, Subscriber>,
    ) -> Result<(), Unattached> {
        match subscribers.get(&id) {
            Some(subscriber) => timeout(PROBE_WITHIN, self.attach(id, subscriber))
                .await
                .map_err(|_| unavailable("a consumer could not be attached in time"))?
                .map_err(|error| {
                    let consumes = matches!(subscriber.feed, Feed::TaskMessages { .. });
                    let refused = consumes && is_internal(&error);
                    Unattached { error: unavailable(error), refused }
                }),
            None => {
                self.detach(id);
                Ok(())
            }
        }
    }

    async fn attach(&mut self, id: SubscriberId, subscriber: &Subscriber) -> lapin::Result<()> {
        let channel = self.connection.create_channel().await?;
        let seat = Arc::clone(&subscriber.seat);
        // Seated before the first delivery can come, or it would be taken for one of an older connection.
        seat.take(self.number, channel.clone());
        let (consumer, outlet) = match &subscriber.feed {
            Feed::TaskMessages { queue, prefetch, to } => {
                let consumer =
                    consume_messages(&channel, &self.topology.names.queue(*queue), *prefetch)
                        .await?;
                (
                    consumer,
                    Outlet::TaskMessages {
                        connection: self.number,
                        seat: Arc::clone(&seat),
                        to: to.clone(),
                    },
                )
            }
            Feed::Controls { to } => {
                let consumer = consume_controls(&channel, &self.topology.names.control()).await?;
                (consumer, Outlet::Controls { to: to.clone() })
            }
        };
        let counters = Arc::clone(&self.counters);
        let pump = self.pumps.spawn(async move { (id, pump(consumer, outlet, counters).await) });
        self.attached.insert(id, Attached { channel, pump });
        seat.attached();
        Ok(())
    }

    /// Closes a subscriber's channel, so that what it held goes to others at once.
    fn detach(&mut self, id: SubscriberId) {
        self.seen.remove(&id);
        if let Some(Attached { channel, pump }) = self.attached.remove(&id) {
            pump.abort();
            tokio::spawn(async move { channel.close(200, "nobody listens".into()).await });
        }
    }

    /// Returns when the session is no good any more, with the reason.
    pub async fn watch(&mut self, subscribers: &BTreeMap<SubscriberId, Subscriber>) -> String {
        loop {
            tokio::select! {
                Some(ended) = self.pumps.join_next() => match ended {
                    Ok((id, fault)) if self.attached.contains_key(&id) => return fault,
                    Err(error) if error.is_panic() => return error.to_string(),
                    // Of a subscriber that left.
                    Ok(_) | Err(_) => {}
                },
                Some(event) = self.events.next() => match event {
                    // A soft error is one channel's, and a consumer's channel tells its pump.
                    Event::Error(error) if !error.is_amqp_soft_error() => return error.to_string(),
                    Event::ConnectionBlocked(reason) => return format!("it blocks the connection: {reason}"),
                    _ => {}
                },
                // A publisher found them missing. Consumers of the old ones may or may not have heard.
                Ok(()) = self.generation.changed() => return "the queues were declared anew".to_owned(),
                _ = self.probe.tick() => {
                    match timeout(PROBE_WITHIN, self.look(subscribers)).await {
                        Ok(Ok(())) => {}
                        Ok(Err(fault)) => return fault,
                        Err(_) => return "it does not answer".to_owned(),
                    }
                }
            }
        }
    }

    /// Looks at every consumed queue: is it there, does it know of a consumer, does what waits in it come?
    async fn look(
        &mut self,
        subscribers: &BTreeMap<SubscriberId, Subscriber>,
    ) -> Result<(), String> {
        let channel = self.connection.create_channel().await.map_err(|error| error.to_string())?;
        let mut ready = BTreeMap::<Queue, u32>::new();
        for (id, Subscriber { feed, seat }) in subscribers {
            let Feed::TaskMessages { queue, prefetch, .. } = feed else { continue };
            if !ready.contains_key(queue) {
                ready.insert(
                    *queue,
                    count_ready(&channel, self.topology.names.queue(*queue)).await?,
                );
            }
            let has_room = seat.held() < usize::from(*prefetch);
            let look = Look { starved: has_room && ready[queue] > 0, received: seat.total() };
            let before = self.seen.insert(*id, look);
            if look.starved
                && before.is_some_and(|before| before.starved && before.received == look.received)
            {
                return Err(format!("the queue of {queue} holds messages and none come"));
            }
        }
        channel.close(200, "looked".into()).await.map_err(|error| error.to_string())
    }
}

/// How many messages wait in a queue, or what is wrong with it.
async fn count_ready(channel: &Channel, queue: String) -> Result<u32, String> {
    let passive = QueueDeclareOptions::durable().passive();
    let state = channel.queue_declare(queue.as_str().into(), passive, FieldTable::default()).await;
    let state = state.map_err(|error| error.to_string())?;
    if state.consumer_count() == 0 {
        return Err(format!("{queue} knows of no consumer"));
    }
    Ok(state.message_count())
}

pub(super) async fn consume_messages(
    channel: &Channel,
    queue: &str,
    prefetch: u16,
) -> lapin::Result<Consumer> {
    channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
    channel
        .basic_consume(
            queue.into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await
}

async fn consume_controls(channel: &Channel, exchange: &str) -> lapin::Result<Consumer> {
    let ours = QueueDeclareOptions::exclusive().auto_delete();
    let queue = channel.queue_declare("".into(), ours, FieldTable::default()).await?.name().clone();
    channel
        .queue_bind(
            queue.clone(),
            exchange.into(),
            "".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await?;
    let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
    channel.basic_consume(queue, "".into(), options, FieldTable::default()).await
}
