//! Finds out whether the server is there at all, when a reply takes long.
//!
//! A statement may take its time: the machine is busy, another transaction holds a lock. On its own
//! connection that looks the same as a frozen server, or a network that drops everything. So after
//! a while the waiter pings the server on another connection, kept for that, and, if it does not
//! reply, on a new one; a reply to any other caller counts too. The wait is given up only if there
//! is no reply at all: a slow server is waited for as before.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use tokio::time::{sleep, timeout};

/// A wait that says nothing yet: a loaded machine takes this long.
const QUIET: Duration = Duration::from_secs(2);
/// A server that sends nothing to any caller for this long, after [`QUIET`] of silence, is not
/// there: a ping needs neither disk nor locks.
const REPLY_WITHIN: Duration = Duration::from_secs(3);
/// The kept connection may be half open: from here on a new one is tried beside it.
const TRY_ANOTHER_AFTER: Duration = Duration::from_secs(1);
/// For this long after a ping without a reply, a caller's own wait of [`QUIET`] counts as a ping.
/// So a call that queued behind one that was given up is given up sooner.
const REMEMBERED: Duration = Duration::from_secs(3);

/// The state of the server, shared by all callers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct HealthProbe(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    connect: PgConnectOptions,
    last_reply: Mutex<Instant>,
    pings: tokio::sync::Mutex<PingState>,
}

#[derive(Debug, Default)]
struct PingState {
    kept: Option<PgConnection>,
    /// When the last ping was given up, if it was.
    unanswered: Option<Instant>,
}

impl HealthProbe {
    /// Makes a probe that connects with these options when it first has to ping.
    pub fn new(connect: PgConnectOptions) -> Self {
        Self(Arc::new(Shared {
            connect,
            last_reply: Mutex::new(Instant::now()),
            pings: Default::default(),
        }))
    }

    /// Notes that the server replied to any caller.
    pub fn replied(&self) {
        *self.0.last_reply.lock() = Instant::now();
    }

    /// Ends when the server has not replied to any caller for a while: five seconds, or two if it
    /// was silent before.
    pub async fn until_silent(&self) {
        loop {
            let since = Instant::now();
            sleep(QUIET).await;
            let shared = self.0.clone();
            // In a task of its own, because the result is of use to others if this caller leaves.
            if tokio::spawn(async move { shared.is_silent(since).await }).await.unwrap_or(false) {
                return;
            }
        }
    }
}

impl Shared {
    /// Pings the server unless the result is known. There is one ping at a time: other callers wait
    /// for its result.
    async fn is_silent(&self, since: Instant) -> bool {
        let mut pings = self.pings.lock().await;
        if *self.last_reply.lock() > since {
            return false;
        }
        if pings
            .unanswered
            .is_some_and(|at| at.elapsed() < REMEMBERED && *self.last_reply.lock() < at)
        {
            return true;
        }
        let kept = pings.kept.take();
        let result =
            timeout(REPLY_WITHIN, ping(kept, &self.connect)).await.unwrap_or(PingResult::NoReply);
        let there = !matches!(result, PingResult::NoReply) || *self.last_reply.lock() > since;
        pings.unanswered = (!there).then(Instant::now);
        if let PingResult::Reply(sql) = result {
            pings.kept = Some(sql);
        }
        if there {
            *self.last_reply.lock() = Instant::now();
        } else {
            tracing::warn!(
                "PostgreSQL does not reply to pings: calls that wait for it are given up"
            );
        }
        !there
    }
}

/// The result of a ping.
enum PingResult {
    /// A connection that can be pinged again.
    Reply(PgConnection),
    /// The server refused the connection, so it is there.
    Refused,
    NoReply,
}

/// Pings on the kept connection, and, if there is none or it does not reply for a while, on a new
/// one.
async fn ping(kept: Option<PgConnection>, connect: &PgConnectOptions) -> PingResult {
    let again = async { pinged(kept?).await };
    tokio::pin!(again);
    match timeout(TRY_ANOTHER_AFTER, &mut again).await {
        Ok(Some(sql)) => PingResult::Reply(sql),
        Ok(None) => new_connection(connect).await,
        // It may only be slow, so its reply is still awaited.
        Err(_) => tokio::select! {
            Some(sql) = &mut again => PingResult::Reply(sql),
            new = new_connection(connect) => new,
        },
    }
}

async fn pinged(mut sql: PgConnection) -> Option<PgConnection> {
    sql.ping().await.is_ok().then_some(sql)
}

async fn new_connection(connect: &PgConnectOptions) -> PingResult {
    match PgConnection::connect_with(connect).await {
        Ok(sql) => PingResult::Reply(sql),
        Err(sqlx::Error::Database(_)) => PingResult::Refused,
        Err(_) => PingResult::NoReply,
    }
}
