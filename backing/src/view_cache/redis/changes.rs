//! Changes of views as Redis publishes them. The subscription is made again after a lost
//! connection.

use std::time::Duration;

use async_trait::async_trait;
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use common::{id::JobId, port::view_cache::ChangeStream};
use futures::StreamExt;
use redis::{
    Client, RedisResult,
    aio::{PubSubSink, PubSubStream},
};
use tokio::{
    sync::{
        broadcast::{self, error::RecvError},
        oneshot,
    },
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

/// Hex digits of one id in a message.
const ID_LEN: usize = 32;
/// Messages that a slow listener may have waiting; past that it gets a gap.
const BACKLOG: usize = 1024;
/// Time between two pings of a connection.
const PING_EVERY: Duration = Duration::from_secs(5);
/// Longest wait for a ping's reply, as a multiple of that for any other answer: giving up a live
/// connection costs a gap.
const PING_PATIENCE: u32 = 2;
/// Pauses between attempts to subscribe.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_LONGEST: Duration = Duration::from_secs(2);

/// Changed jobs, or `None` for a gap.
type ChangesOrGap = Option<Vec<JobId>>;

/// A listener, with a task that keeps it subscribed and ends with it.
pub(super) struct RedisChanges {
    received: broadcast::Receiver<ChangesOrGap>,
    _subscription: AbortOnDropHandle<()>,
}

impl RedisChanges {
    /// Listens from now on. If Redis is away, it listens from its return, beginning with a gap.
    pub async fn subscribe(client: Client, channel: String, answer_within: Duration) -> Self {
        let (to, received) = broadcast::channel(BACKLOG);
        let (tried, first_try) = oneshot::channel();
        let subscription = tokio::spawn(stay_subscribed(client, channel, answer_within, to, tried));
        // An error means that the task is gone, and with it the runtime.
        let _ = first_try.await;
        Self { received, _subscription: AbortOnDropHandle::new(subscription) }
    }
}

#[async_trait]
impl ChangeStream for RedisChanges {
    async fn next(&mut self) -> Option<Vec<JobId>> {
        match self.received.recv().await {
            Ok(changes) => changes,
            Err(RecvError::Lagged(_)) => None,
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// Subscribes and forwards changes until the connection is lost, again and again.
async fn stay_subscribed(
    client: Client,
    channel: String,
    answer_within: Duration,
    to: broadcast::Sender<ChangesOrGap>,
    tried: oneshot::Sender<()>,
) {
    let mut tried = Some(tried);
    let mut missed = false;
    let mut pauses = pauses();
    loop {
        let subscribed = timeout(answer_within, subscribe(&client, &channel)).await;
        if let Ok(Ok((sink, stream))) = subscribed {
            pauses = self::pauses();
            // Sent after subscribing, so that a listener that reads the store now misses no later
            // change.
            if missed {
                let _ = to.send(None);
            }
            tried.take().map(|tried| tried.send(()));
            forward_all(sink, stream, answer_within * PING_PATIENCE, &to).await;
            tracing::warn!("the subscription to changes in Redis is lost and made again");
        }
        tried.take().map(|tried| tried.send(()));
        missed = true;
        sleep(pauses.next().unwrap_or(PAUSE_LONGEST)).await;
    }
}

async fn subscribe(client: &Client, channel: &str) -> RedisResult<(PubSubSink, PubSubStream)> {
    let (mut sink, stream) = client.get_async_pubsub().await?.split();
    sink.subscribe(channel).await?;
    Ok((sink, stream))
}

/// Forwards changes until the connection is lost.
async fn forward_all(
    mut sink: PubSubSink,
    mut stream: PubSubStream,
    ping_within: Duration,
    to: &broadcast::Sender<ChangesOrGap>,
) {
    let mut ping = interval(PING_EVERY);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ping.reset();
    loop {
        tokio::select! {
            message = stream.next() => match message {
                None => return,
                // A check publishes that nothing changed.
                Some(message) if message.get_payload_bytes().is_empty() => {}
                // An error means that the listener is gone; this task is about to end.
                Some(message) => drop(to.send(Some(read(message.get_payload_bytes())))),
            },
            _ = ping.tick() => {
                let answer = timeout(ping_within, sink.ping::<redis::Value>()).await;
                if !matches!(answer, Ok(Ok(_))) {
                    return;
                }
            }
        }
    }
}

/// Reads the ids in a message. Text that is no id is skipped.
fn read(payload: &[u8]) -> Vec<JobId> {
    payload.chunks(ID_LEN).filter_map(|id| Uuid::try_parse_ascii(id).ok()).map(JobId).collect()
}

fn pauses() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(PAUSE_FIRST)
        .with_max_delay(PAUSE_LONGEST)
        .without_max_times()
        .with_jitter()
        .build()
}
