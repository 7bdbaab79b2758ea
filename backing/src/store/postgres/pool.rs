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
    errors::PART,
    health_probe::HealthProbe,
    session::{self, Sessions, Settings},
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
const PING_AFTER: Duration = Duration::from_secs(5);
/// A pinged connection without a reply in this time is given up, and another is tried.
const REPLY_WITHIN: Duration = Duration::from_secs(1);
/// The same for a connection whose caller left before the reply. No caller waits for it, and a new
/// connection costs a busy machine more than this reply. Its place in the pool stays taken
/// meanwhile, because the server still runs the statement.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);
/// An older connection is replaced: the memory that a server keeps for one only grows.
const MAX_AGE: Duration = Duration::from_secs(30 * 60);

const HINT: &str = "a URL like `postgres://user:password@host:5432/database` is wanted";

/// Reads a URL such as `postgres://user@host:5432/database`.
pub fn parse(url: &str) -> PortResult<PgConnectOptions> {
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(PortError::broken(PART, format!("its URL is not one of PostgreSQL: {HINT}")));
    }
    let options = PgConnectOptions::from_str(url).map_err(|error| {
        PortError::broken(PART, format!("its URL can't be read ({error}): {HINT}"))
    })?;
    // A start-up option that PgBouncer refuses. It is for numbers as text, and rows come in binary.
    Ok(options.application_name("spool").extra_float_digits(None))
}

/// Connections that are made when they are first needed. Cheap to clone.
///
/// sqlx's own pool pings every connection that is returned and waits for the reply without a bound,
/// so that one that goes half open in that moment is lost to the pool for good; and each statement
/// would cost a second round trip.
#[derive(Debug, Clone)]
pub struct Pool {
    connections: managed::Pool<Connector>,
    acquire_timeout: Duration,
    server: Arc<ServerState>,
    sessions: Sessions,
    settings: Settings,
}

/// The state of the server as the pool last saw it.
#[derive(Debug)]
struct ServerState {
    health_probe: HealthProbe,
    /// When a connection was found to be broken. Those that no caller has used since may be broken
    /// too, as they are when the server restarts, and are pinged first. So one call meets the
    /// error, and not one for each connection.
    broken_at: Mutex<Option<Instant>>,
    /// Why the server was last waited for, until it takes connections.
    startup_error: Mutex<Option<String>>,
}

impl Pool {
    /// Makes the pools for the work and for heartbeats. Replies on their connections are reported
    /// to the health probe.
    pub fn pair(
        connect: &PgConnectOptions,
        sessions: Sessions,
        options: &PgOptions,
        health_probe: &HealthProbe,
    ) -> PortResult<(Self, Self)> {
        let statement_timeout = options.statement_timeout;
        let pool = |connections: u32, synchronous_commit| {
            let settings = Settings { statement_timeout, synchronous_commit };
            let server = Arc::new(ServerState {
                health_probe: health_probe.clone(),
                broken_at: Mutex::default(),
                startup_error: Mutex::default(),
            });
            let connector =
                Connector { connect: connect.clone(), sessions, settings, server: server.clone() };
            let pool = managed::Pool::builder(connector).max_size(connections.max(1) as usize);
            let connections = pool.build().map_err(|error| PortError::broken(PART, error))?;
            let acquire_timeout = options.acquire_timeout;
            Ok(Self { connections, acquire_timeout, server, sessions, settings })
        };
        Ok((pool(options.connections, true)?, pool(HEARTBEAT_CONNECTIONS, false)?))
    }

    /// Takes a connection for one statement, once one is free.
    pub async fn acquire(&self) -> sqlx::Result<PooledConnection> {
        let connection = timeout(self.acquire_timeout, self.connections.get())
            .await
            .map_err(|_| self.server.no_connection_error())?
            .map_err(|error| match error {
                PoolError::Backend(error) => error,
                PoolError::Closed => sqlx::Error::PoolClosed,
                _ => sqlx::Error::PoolTimedOut,
            })?;
        let (server, sessions) = (self.server.clone(), self.sessions);
        let mut connection = PooledConnection { connection: Some(connection), server, sessions };
        match sessions {
            Sessions::Own => Ok(connection),
            Sessions::Shared => match session::begin(connection.sql(), &self.settings).await {
                Ok(()) => Ok(connection),
                Err(error) => connection.release(Err(error)).await,
            },
        }
    }

    /// Returns whether a statement may be prepared under a name.
    pub fn prepares(&self) -> bool {
        self.sessions == Sessions::Own
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

impl ServerState {
    /// Drops a broken connection.
    fn drop_broken(&self, connection: Object<Connector>) {
        *self.broken_at.lock() = Some(Instant::now());
        drop(Object::take(connection));
    }

    /// Returns whether a connection must be pinged before it is used.
    fn must_ping(&self, metrics: &Metrics) -> bool {
        let used = metrics.recycled.unwrap_or(metrics.created);
        used.elapsed() > PING_AFTER || self.broken_at.lock().is_some_and(|at| used <= at)
    }

    /// Why no connection came in time: the server's reason, if it gave one, else that all are in
    /// use.
    fn no_connection_error(&self) -> sqlx::Error {
        match &*self.startup_error.lock() {
            Some(why) => sqlx::Error::Io(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no connection: {why}"),
            )),
            None => sqlx::Error::PoolTimedOut,
        }
    }
}

#[derive(Debug)]
struct Connector {
    connect: PgConnectOptions,
    sessions: Sessions,
    settings: Settings,
    server: Arc<ServerState>,
}

impl managed::Manager for Connector {
    type Type = PgConnection;
    type Error = sqlx::Error;

    /// Waits for a server that starts, and for one that takes writes: the caller gives up after its
    /// time to acquire.
    async fn create(&self) -> sqlx::Result<PgConnection> {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(10))
            .with_max_delay(Duration::from_secs(1))
            .with_jitter()
            .without_max_times();
        let server = &self.server;
        let note = |error: &sqlx::Error, _| *server.startup_error.lock() = Some(error.to_string());
        let connected = (|| self.open())
            .retry(pauses)
            .when(|error| is_starting(error) || session::is_read_only(error))
            .notify(note)
            .await;
        *server.startup_error.lock() = None;
        connected.inspect(|_| server.health_probe.replied())
    }

    async fn recycle(
        &self,
        sql: &mut PgConnection,
        metrics: &Metrics,
    ) -> RecycleResult<sqlx::Error> {
        if metrics.age() > MAX_AGE {
            return Err(RecycleError::message("it is old"));
        }
        if self.server.must_ping(metrics) {
            // All connections of a pool go half open together, and each would keep its caller for
            // the whole time to acquire. One of a server that has become a replica is of no use.
            bounded(REPLY_WITHIN, session::check_writable(sql)).await?;
            self.server.health_probe.replied();
        }
        Ok(())
    }
}

impl Connector {
    async fn open(&self) -> sqlx::Result<PgConnection> {
        let mut sql = PgConnection::connect_with(&self.connect).await?;
        session::check_writable(&mut sql).await?;
        if self.sessions == Sessions::Own {
            session::execute(&mut sql, self.settings.for_session()).await?;
        }
        Ok(sql)
    }
}

/// Returns whether a server may take a connection in a moment: it does not listen yet, it reads its
/// log first (57P03), or it has not yet noticed which of its connections are gone (53300).
fn is_starting(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == io::ErrorKind::ConnectionRefused,
        sqlx::Error::Database(error) => error.is_transient_in_connect_phase(),
        _ => false,
    }
}

/// A connection in use. A statement is under way on it until [`release`](Self::release).
#[derive(Debug)]
pub struct PooledConnection {
    connection: Option<Object<Connector>>,
    server: Arc<ServerState>,
    sessions: Sessions,
}

impl PooledConnection {
    /// The connection, for one statement.
    pub fn sql(&mut self) -> &mut PgConnection {
        self.connection.as_mut().expect("it is there until its reply")
    }

    /// Returns the connection after its reply, unless that says that it is broken.
    pub async fn release<T>(mut self, mut answer: sqlx::Result<T>) -> sqlx::Result<T> {
        if self.sessions == Sessions::Shared {
            let end = if answer.is_ok() { "COMMIT" } else { "ROLLBACK" };
            let ended = session::execute(self.sql(), end).await;
            answer = answer.and_then(|value| ended.map(|()| value));
        }
        if matches!(answer, Ok(_) | Err(sqlx::Error::Database(_))) {
            self.server.health_probe.replied();
        }
        if let (Some(connection), Err(error)) = (self.connection.take(), &answer)
            && !keeps_connection(error)
        {
            self.server.drop_broken(connection);
        }
        answer
    }
}

/// Returns whether a connection can be used after an error: an error of a statement does it no
/// harm, and one that ends the session does, or says that the server takes no writes.
fn keeps_connection(error: &sqlx::Error) -> bool {
    if session::is_read_only(error) {
        return false;
    }
    let sqlx::Error::Database(error) = error else {
        return matches!(error, sqlx::Error::RowNotFound);
    };
    let error = error.try_downcast_ref::<PgDatabaseError>();
    error.is_some_and(|error| matches!(error.severity(), PgSeverity::Error))
}

impl Drop for PooledConnection {
    /// The caller left before the reply: it is read to its end, for a while, and a half-open
    /// connection is dropped.
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        let (server, sessions) = (self.server.clone(), self.sessions);
        let Ok(runtime) = Handle::try_current() else {
            return server.drop_broken(connection);
        };
        runtime.spawn(async move {
            let drained = async {
                connection.ping().await?;
                match sessions {
                    Sessions::Own => Ok(()),
                    Sessions::Shared => session::execute(&mut connection, "ROLLBACK").await,
                }
            };
            match bounded(DRAIN_WITHIN, drained).await {
                Ok(()) => server.health_probe.replied(),
                Err(_) => server.drop_broken(connection),
            }
        });
    }
}

/// Awaits a reply for `bound` at most.
async fn bounded(
    bound: Duration,
    reply: impl Future<Output = sqlx::Result<()>>,
) -> sqlx::Result<()> {
    timeout(bound, reply)
        .await
        .map_err(|_| sqlx::Error::from(io::Error::from(io::ErrorKind::TimedOut)))?
}
