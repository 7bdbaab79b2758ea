//! Connections: one pool for the work, one for heartbeats.
//!
//! Heartbeats have connections of their own, because a lease that expires behind a queue of other
//! statements is a task that runs twice. Only heartbeats use asynchronous commit: a lease outlasts
//! three of them, so losing one is harmless.

use std::{
    io,
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

use backon::{ExponentialBuilder, Retryable};
use common::port::{PortError, PortResult};
use deadpool::managed::{self, Metrics, Object, PoolError, RecycleError, RecycleResult};
use parking_lot::Mutex;
use sqlx::{
    Connection, PgConnection,
    postgres::{PgConnectOptions, PgDatabaseError, PgSeverity},
};
use tokio::{runtime::Handle, time::timeout};

use super::{
    errors::{PART, within},
    health_probe::HealthProbe,
};
use crate::pools::PoolUse;

/// How the server is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PgOptions {
    /// Connections for the work. A process needs few: its calls are batched.
    pub connections: u32,
    /// The server ends a statement that takes longer, and so frees its locks.
    pub statement_timeout: Duration,
    /// A call that finds no connection within this time fails as unavailable.
    pub acquire_timeout: Duration,
}

impl Default for PgOptions {
    fn default() -> Self {
        Self {
            connections: 8,
            statement_timeout: Duration::from_secs(15),
            acquire_timeout: Duration::from_secs(5),
        }
    }
}

impl PgOptions {
    /// The longest time for a reply: the statement's, that for a connection, and a second for the
    /// network.
    pub fn patience(&self) -> Duration {
        self.statement_timeout + self.acquire_timeout + Duration::from_secs(1)
    }
}

/// Heartbeats are few and small; the second connection is for when the first one has just died.
const HEARTBEAT_CONNECTIONS: u32 = 2;
/// A connection that was idle for longer is pinged before it is used.
const ASK_AFTER: Duration = Duration::from_secs(5);
/// A pinged connection without a reply in this time is given up, and another is tried.
const ALIVE_WITHIN: Duration = Duration::from_secs(1);
/// The same for a connection whose caller left before the reply. No caller waits for it, and a new
/// connection costs a busy machine more than this reply. Its place in the pool stays taken
/// meanwhile, because the server still runs the statement.
const HEARD_OUT_WITHIN: Duration = Duration::from_secs(5);
/// An older connection is replaced: the memory that a server keeps for one only grows.
const MAX_AGE: Duration = Duration::from_secs(30 * 60);

/// Reads a URL such as `postgres://user@host:5432/database`.
pub fn parse(url: &str) -> PortResult<PgConnectOptions> {
    PgConnectOptions::from_str(url).map(|options| options.application_name("spool")).map_err(
        |error| {
            let hint = "a URL like `postgres://user:password@host:5432/database` is wanted";
            PortError::broken(PART, format!("its URL can't be read ({error}): {hint}"))
        },
    )
}

/// Connects once without a pool: a pool that gets no connection only reports that it waited, and
/// not the server's error.
pub async fn connect_once(url: &str, options: &PgOptions) -> PortResult<PgConnection> {
    within(options.acquire_timeout, PgConnection::connect_with(&parse(url)?)).await
}

/// Connections that are made when they are first needed. Cheap to clone.
///
/// sqlx's own pool pings every connection that is returned and waits for the reply without a bound,
/// so that one that goes half open in that moment is lost to the pool for good; and each statement
/// would cost a second round trip.
#[derive(Debug, Clone)]
pub struct Pool {
    connections: managed::Pool<Maker>,
    acquire_timeout: Duration,
    known: Arc<Known>,
}

/// The state of the server as the pool last saw it.
#[derive(Debug)]
struct Known {
    health_probe: HealthProbe,
    /// When a connection was found to be broken. Those that no caller has used since may be broken
    /// too, as they are when the server restarts, and are pinged first. So one call meets the
    /// error, and not one for each connection.
    doubted: Mutex<Option<Instant>>,
    /// Why the server was last waited for, until it takes connections.
    waited_for: Mutex<Option<String>>,
}

impl Pool {
    /// Makes the pool for the work. Replies on its connections are reported to the health probe.
    pub fn for_work(
        url: &str,
        options: &PgOptions,
        health_probe: &HealthProbe,
    ) -> PortResult<Self> {
        Self::new(url, options, options.connections, "on", health_probe)
    }

    /// Makes the pool for heartbeats.
    pub fn for_heartbeats(
        url: &str,
        options: &PgOptions,
        health_probe: &HealthProbe,
    ) -> PortResult<Self> {
        Self::new(url, options, HEARTBEAT_CONNECTIONS, "off", health_probe)
    }

    fn new(
        url: &str,
        options: &PgOptions,
        connections: u32,
        durable: &str,
        health_probe: &HealthProbe,
    ) -> PortResult<Self> {
        let bound = options.statement_timeout.as_millis().to_string();
        let connect = parse(url)?
            .options([("statement_timeout", bound.as_str()), ("synchronous_commit", durable)]);
        let known = Arc::new(Known::new(health_probe.clone()));
        let maker = Maker { connect, known: known.clone() };
        let pool = managed::Pool::builder(maker).max_size(connections.max(1) as usize).build();
        let connections = pool.map_err(|error| PortError::broken(PART, error))?;
        Ok(Self { connections, acquire_timeout: options.acquire_timeout, known })
    }

    /// Takes a connection, once one is free.
    pub async fn lend(&self) -> sqlx::Result<Lent> {
        let got = timeout(self.acquire_timeout, self.connections.get()).await;
        let taken = got.map_err(|_| self.known.why_none())?.map_err(|error| match error {
            PoolError::Backend(error) => error,
            PoolError::Closed => sqlx::Error::PoolClosed,
            _ => sqlx::Error::PoolTimedOut,
        })?;
        Ok(Lent { taken: Some(taken), known: self.known.clone() })
    }

    /// The current use of the connections.
    pub fn usage(&self, pool: &'static str) -> PoolUse {
        let status = self.connections.status();
        PoolUse {
            pool,
            in_use: status.size.saturating_sub(status.available) as u64,
            idle: status.available as u64,
            waiting: status.waiting as u64,
            limit: Some(status.max_size as u64),
        }
    }
}

impl Known {
    fn new(health_probe: HealthProbe) -> Self {
        Self { health_probe, doubted: Mutex::default(), waited_for: Mutex::default() }
    }

    /// Drops a broken connection.
    fn lost(&self, taken: Object<Maker>) {
        *self.doubted.lock() = Some(Instant::now());
        drop(Object::take(taken));
    }

    /// Returns whether a connection must be pinged before it is used.
    fn doubts(&self, metrics: &Metrics) -> bool {
        let used = metrics.recycled.unwrap_or(metrics.created);
        used.elapsed() > ASK_AFTER || self.doubted.lock().is_some_and(|doubted| used <= doubted)
    }

    /// Why no connection came in time: the server's reason, if it gave one, else that all are in
    /// use.
    fn why_none(&self) -> sqlx::Error {
        match &*self.waited_for.lock() {
            Some(why) => sqlx::Error::Io(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no connection: {why}"),
            )),
            None => sqlx::Error::PoolTimedOut,
        }
    }
}

#[derive(Debug)]
struct Maker {
    connect: PgConnectOptions,
    known: Arc<Known>,
}

impl managed::Manager for Maker {
    type Type = PgConnection;
    type Error = sqlx::Error;

    /// Waits for a server that starts: the caller gives up after its time to acquire.
    async fn create(&self) -> sqlx::Result<PgConnection> {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(10))
            .with_max_delay(Duration::from_secs(1))
            .with_jitter()
            .without_max_times();
        let known = &self.known;
        let note = |error: &sqlx::Error, _| *known.waited_for.lock() = Some(error.to_string());
        let made = (|| PgConnection::connect_with(&self.connect))
            .retry(pauses)
            .when(starts)
            .notify(note)
            .await;
        *known.waited_for.lock() = None;
        made.inspect(|_| known.health_probe.heard())
    }

    async fn recycle(
        &self,
        sql: &mut PgConnection,
        metrics: &Metrics,
    ) -> RecycleResult<sqlx::Error> {
        if metrics.age() > MAX_AGE {
            return Err(RecycleError::message("it is old"));
        }
        if self.known.doubts(metrics) {
            // All connections of a pool go half open together, and each would keep its caller for
            // the whole time to acquire.
            alive(sql, ALIVE_WITHIN).await?;
            self.known.health_probe.heard();
        }
        Ok(())
    }
}

/// Returns whether a server may take a connection in a moment: it does not listen yet, it reads its
/// log first (57P03), or it has not yet noticed which of its connections are gone (53300).
fn starts(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == io::ErrorKind::ConnectionRefused,
        sqlx::Error::Database(said) => said.is_transient_in_connect_phase(),
        _ => false,
    }
}

/// A connection in use. Until its reply is [`heard`](Lent::heard), a statement is under way on it.
#[derive(Debug)]
pub struct Lent {
    taken: Option<Object<Maker>>,
    known: Arc<Known>,
}

impl Lent {
    /// The connection, for one statement.
    pub fn sql(&mut self) -> &mut PgConnection {
        self.taken.as_mut().expect("it is there until it is heard")
    }

    /// Returns the connection after its reply, unless that says that it is broken.
    pub fn heard<T>(mut self, answer: sqlx::Result<T>) -> sqlx::Result<T> {
        if matches!(answer, Ok(_) | Err(sqlx::Error::Database(_))) {
            self.known.health_probe.heard();
        }
        if let (Some(taken), Err(error)) = (self.taken.take(), &answer)
            && !leaves_it_sound(error)
        {
            self.known.lost(taken);
        }
        answer
    }
}

/// Returns whether a connection can be used after an error: an error of a statement does it no
/// harm, and one that ends the session does.
fn leaves_it_sound(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(said) = error else {
        return matches!(error, sqlx::Error::RowNotFound);
    };
    let said = said.try_downcast_ref::<PgDatabaseError>();
    said.is_some_and(|said| matches!(said.severity(), PgSeverity::Error))
}

impl Drop for Lent {
    /// The caller left before the reply: it is read to its end, for a while, and a half-open
    /// connection is dropped.
    fn drop(&mut self) {
        let Some(mut taken) = self.taken.take() else { return };
        let known = self.known.clone();
        let Ok(runtime) = Handle::try_current() else { return known.lost(taken) };
        runtime.spawn(async move {
            match alive(&mut taken, HEARD_OUT_WITHIN).await {
                Ok(()) => known.health_probe.heard(),
                Err(_) => known.lost(taken),
            }
        });
    }
}

/// Pings the server.
async fn alive(sql: &mut PgConnection, bound: Duration) -> sqlx::Result<()> {
    timeout(bound, sql.ping())
        .await
        .map_err(|_| sqlx::Error::from(io::Error::from(io::ErrorKind::TimedOut)))?
}
