//! Keeps the consuming connection alive: builds it, watches it, closes it and builds it again.
//!
//! Every failure (a consumer stream that ends, an error, a block, silence) has the same answer:
//! drop the connection, wait a little longer than last time, and build connection, topology and
//! consumers again. Subscribers stay registered throughout and notice only a pause.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use parking_lot::Mutex;
use tokio::{
    sync::mpsc::UnboundedReceiver,
    time::{sleep_until, timeout},
};

use super::{
    broken_queues::delete_broken,
    connect::Connector,
    counts::{Counters, add},
    session::{Session, SessionEnd},
    subscriber::{Attachment, Subscriber, SubscriberId, SubscriberRequest},
    topology::Topology,
};

/// Pauses between attempts. Short after the first failure, because most are over at once.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_LONGEST: Duration = Duration::from_secs(5);
/// Lifetime past which a connection counts as good: its failure starts with the shortest pause.
const STABLE_AFTER: Duration = Duration::from_secs(30);
/// Longest time to build connection, topology and consumers. A live broker needs well under a
/// second; a cluster that elects a leader needs a few.
const BUILD_WITHIN: Duration = Duration::from_secs(10);
/// Time of failed consuming after which a queue counts as broken: longer than a cluster takes to
/// elect a leader.
const BROKEN_AFTER: Duration = Duration::from_secs(8);

/// State of the supervisor that the rest of the process may read.
#[derive(Debug, Default)]
pub(super) struct Health {
    last_failure: Mutex<Option<String>>,
    attachments: Mutex<BTreeMap<SubscriberId, Arc<Attachment>>>,
}

impl Health {
    /// The reason why a subscriber is not attached, if one is not.
    pub fn failure(&self) -> Option<String> {
        let missing = self.attachments.lock().values().any(|attachment| !attachment.is_confirmed());
        missing.then(|| {
            let reason = self
                .last_failure
                .lock()
                .clone()
                .unwrap_or_else(|| "it is being attached".to_owned());
            format!("a consumer is not attached: {reason}")
        })
    }
}

/// The owner of the consuming connection. It runs until its broker and all consumers are dropped.
pub(super) struct Supervisor {
    pub connector: Connector,
    pub topology: Arc<Topology>,
    pub counters: Arc<Counters>,
    pub health: Arc<Health>,
    pub requests: UnboundedReceiver<SubscriberRequest>,
    pub subscribers: BTreeMap<SubscriberId, Subscriber>,
}

impl Supervisor {
    /// Runs one session after another.
    pub async fn run(mut self) {
        let mut pauses = pauses();
        let mut connection = 0;
        let mut broken_since = None;
        while self.has_subscribers().await {
            connection += 1;
            let started = Instant::now();
            let end = self.run_session(connection).await;
            self.subscribers.values().for_each(|subscriber| subscriber.attachment.detach());
            let reason = match end {
                SessionEnd::NotNeeded => return,
                SessionEnd::Failed(reason) => {
                    broken_since = None;
                    reason
                }
                SessionEnd::QueueBroken(reason) => {
                    if broken_since.get_or_insert(started).elapsed() > BROKEN_AFTER {
                        broken_since = None;
                        self.delete_broken_queues().await;
                    }
                    reason
                }
            };
            if started.elapsed() > STABLE_AFTER {
                pauses = self::pauses();
            }
            let pause = pauses.next().unwrap_or(PAUSE_LONGEST);
            tracing::warn!(
                reason,
                ?pause,
                "the consuming connection to RabbitMQ is closed and built again"
            );
            *self.health.last_failure.lock() = Some(reason);
            add(&self.counters.reconnects, 1);
            if !self.pause(pause).await {
                return;
            }
        }
    }

    /// Builds one connection and serves it until its end.
    async fn run_session(&mut self, number: u64) -> SessionEnd {
        let building = Session::build(
            number,
            &self.connector,
            &self.topology,
            &self.counters,
            &self.subscribers,
        );
        let mut session = match timeout(BUILD_WITHIN, building).await {
            Ok(Ok(session)) => session,
            Ok(Err(error)) => return error.into(),
            Err(_) => {
                return SessionEnd::Failed(
                    "connection, topology and consumers could not be built in time".to_owned(),
                );
            }
        };
        loop {
            tokio::select! {
                request = self.requests.recv() => match request {
                    None => return SessionEnd::NotNeeded,
                    Some(request) => {
                        let id = self.apply(request);
                        if let Err(error) = session.update(id, &self.subscribers).await {
                            return error.into();
                        }
                    }
                },
                reason = session.watch(&self.subscribers) => return SessionEnd::Failed(reason),
            }
        }
    }

    /// Deletes broken queues. The next session declares them again, and the sweep publishes again
    /// for the tasks that were in them.
    async fn delete_broken_queues(&self) {
        match timeout(BUILD_WITHIN, delete_broken(&self.connector, &self.topology)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "broken queues could not be checked")
            }
            Err(_) => {
                tracing::warn!("broken queues could not be checked in time")
            }
        }
    }

    /// Adds or removes a subscriber, and returns its id.
    fn apply(&mut self, request: SubscriberRequest) -> SubscriberId {
        match request {
            SubscriberRequest::Add(id, subscriber) => {
                let attachment = Arc::clone(&subscriber.attachment);
                self.health.attachments.lock().insert(id, attachment);
                self.subscribers.insert(id, subscriber);
                id
            }
            SubscriberRequest::Remove(id) => {
                self.health.attachments.lock().remove(&id);
                self.subscribers.remove(&id);
                id
            }
        }
    }

    /// Waits for a first subscriber, because a process that only publishes needs no second
    /// connection. Returns `false` when none can come any more.
    async fn has_subscribers(&mut self) -> bool {
        while self.subscribers.is_empty() {
            let Some(request) = self.requests.recv().await else { return false };
            self.apply(request);
        }
        true
    }

    /// Waits before the next attempt and serves requests meanwhile. Returns `false` when none can
    /// come any more.
    async fn pause(&mut self, pause: Duration) -> bool {
        let until = tokio::time::Instant::now() + pause;
        loop {
            tokio::select! {
                () = sleep_until(until) => return true,
                request = self.requests.recv() => match request {
                    None => return false,
                    Some(request) => {
                        self.apply(request);
                    }
                },
            }
        }
    }
}

fn pauses() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(PAUSE_FIRST)
        .with_max_delay(PAUSE_LONGEST)
        .without_max_times()
        .with_jitter()
        .build()
}
