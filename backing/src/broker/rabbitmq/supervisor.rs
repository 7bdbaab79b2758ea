//! The one owner of the consuming connection: builds it, watches it, tears it down and builds it again.
//!
//! Whatever is wrong (a consumer stream that ends, an error, a block, silence), the answer is the same, because it is the one that is
//! right for all of them: drop the connection, wait a little longer than last time, and build connection, topology and consumers anew.
//! Subscribers keep their seats throughout and notice nothing but a pause.

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
    broken,
    counts::{Counters, add},
    dial::Dialer,
    session::{Ending, Session},
    subscriber::{Feed, Request, Seat, SubscriberId},
    topology::Topology,
};

/// Pauses between attempts: short after the first fault, because most are over at once.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_LONGEST: Duration = Duration::from_secs(5);
/// A connection that lived this long was a good one: the next fault is a new one.
const SETTLED_AFTER: Duration = Duration::from_secs(30);
/// Topology and consumers of a live broker stand in well under a second; a cluster that elects a leader takes a few.
const BUILD_WITHIN: Duration = Duration::from_secs(10);
/// A queue that the broker has failed to consume for so long is taken for broken: longer than a cluster takes to elect a leader.
const BROKEN_AFTER: Duration = Duration::from_secs(8);

/// What the rest of the process may know of the supervisor.
#[derive(Debug, Default)]
pub(super) struct Health {
    last_fault: Mutex<Option<String>>,
    seats: Mutex<BTreeMap<SubscriberId, Arc<Seat>>>,
}

impl Health {
    /// Why some subscriber is not attached, if one is not.
    pub fn fault(&self) -> Option<String> {
        let missing = self.seats.lock().values().any(|seat| !seat.is_attached());
        missing.then(|| {
            let fault =
                self.last_fault.lock().clone().unwrap_or_else(|| "it is being attached".to_owned());
            format!("a consumer is not attached: {fault}")
        })
    }
}

/// A subscriber as the supervisor knows it.
pub(super) struct Subscriber {
    pub feed: Feed,
    pub seat: Arc<Seat>,
}

/// Runs until nobody can ask it anything any more.
pub(super) struct Supervisor {
    pub dialer: Dialer,
    pub topology: Arc<Topology>,
    pub counters: Arc<Counters>,
    pub health: Arc<Health>,
    pub requests: UnboundedReceiver<Request>,
    pub subscribers: BTreeMap<SubscriberId, Subscriber>,
}

impl Supervisor {
    /// The endless loop: one session after another.
    pub async fn run(mut self) {
        let mut pauses = pauses();
        let mut connection = 0;
        let mut refused_since = None;
        while self.someone_listens().await {
            connection += 1;
            let started = Instant::now();
            let ending = self.session(connection).await;
            self.subscribers.values().for_each(|subscriber| subscriber.seat.lose());
            let fault = match ending {
                Ending::Unwanted => return,
                Ending::Fault(fault) => {
                    refused_since = None;
                    fault
                }
                Ending::Refused(fault) => {
                    if refused_since.get_or_insert(started).elapsed() > BROKEN_AFTER {
                        refused_since = None;
                        self.clear_broken_queues().await;
                    }
                    fault
                }
            };
            if started.elapsed() > SETTLED_AFTER {
                pauses = self::pauses();
            }
            let pause = pauses.next().unwrap_or(PAUSE_LONGEST);
            tracing::warn!(
                fault,
                ?pause,
                "the consuming connection to RabbitMQ is torn down and built again"
            );
            *self.health.last_fault.lock() = Some(fault);
            add(&self.counters.reconnects, 1);
            if !self.rest(pause).await {
                return;
            }
        }
    }

    /// One connection from its building to its end.
    async fn session(&mut self, number: u64) -> Ending {
        let building =
            Session::build(number, &self.dialer, &self.topology, &self.counters, &self.subscribers);
        let mut session = match timeout(BUILD_WITHIN, building).await {
            Ok(Ok(session)) => session,
            Ok(Err(error)) => return error.ending(),
            Err(_) => {
                return Ending::Fault(
                    "connection, topology and consumers could not be built in time".to_owned(),
                );
            }
        };
        loop {
            tokio::select! {
                request = self.requests.recv() => match request {
                    None => return Ending::Unwanted,
                    Some(request) => {
                        let joined = self.note(request);
                        if let Err(error) = session.follow(joined, &self.subscribers).await {
                            return error.ending();
                        }
                    }
                },
                fault = session.watch(&self.subscribers) => return Ending::Fault(fault),
            }
        }
    }

    /// Deletes queues that are there by name only; the next session declares them anew, and the sweep publishes again for what was in them.
    async fn clear_broken_queues(&self) {
        match timeout(BUILD_WITHIN, broken::clear(&self.dialer, &self.topology)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "queues that can't be consumed could not be looked at")
            }
            Err(_) => {
                tracing::warn!("queues that can't be consumed could not be looked at in time")
            }
        }
    }

    /// Writes a request down, and says whose seat it is about.
    fn note(&mut self, request: Request) -> SubscriberId {
        match request {
            Request::Join(id, feed, seat) => {
                self.health.seats.lock().insert(id, Arc::clone(&seat));
                self.subscribers.insert(id, Subscriber { feed, seat });
                id
            }
            Request::Leave(id) => {
                self.health.seats.lock().remove(&id);
                self.subscribers.remove(&id);
                id
            }
        }
    }

    /// Waits for a first subscriber: a process that only publishes needs no second connection. `false` when none can come any more.
    async fn someone_listens(&mut self) -> bool {
        while self.subscribers.is_empty() {
            let Some(request) = self.requests.recv().await else { return false };
            self.note(request);
        }
        true
    }

    /// Waits before the next attempt, hearing requests meanwhile. `false` when nobody is left to build it for.
    async fn rest(&mut self, pause: Duration) -> bool {
        let until = tokio::time::Instant::now() + pause;
        loop {
            tokio::select! {
                () = sleep_until(until) => return true,
                request = self.requests.recv() => match request {
                    None => return false,
                    Some(request) => {
                        self.note(request);
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
