//! Connections: one pool for the work, one for heartbeats.
//!
//! Heartbeats have connections of their own, because a lease that expires behind a queue of other statements is a task run twice; and
//! only they may commit without waiting for the disk, because a lost beat is what a lease is long for.

use std::{str::FromStr, time::Duration};

use common::port::{PortError, PortResult};
use futures::FutureExt;
use sqlx::{
    Connection, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::timeout;

use super::fault::{PART, within};

/// How to use the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PgOptions {
    /// Connections for the work. A process needs few: its calls are batched.
    pub connections: u32,
    /// The server ends a statement that takes longer, and so whatever locks it holds.
    pub statement_timeout: Duration,
    /// A call that finds no connection within this time fails as unavailable.
    pub acquire_timeout: Duration,
}

impl Default for PgOptions {
    fn default() -> Self {
        Self { connections: 8, statement_timeout: Duration::from_secs(15), acquire_timeout: Duration::from_secs(5) }
    }
}

impl PgOptions {
    /// An answer that takes longer does not come: the statement's time, that for a connection, and a moment for the way.
    pub fn patience(&self) -> Duration {
        self.statement_timeout + self.acquire_timeout + Duration::from_secs(1)
    }
}

/// Beats are few and small; the second connection is for when the first one has just died.
const BEAT_CONNECTIONS: u32 = 2;
/// A connection that was idle for longer is asked whether it still lives before it is used.
const ASK_AFTER: Duration = Duration::from_secs(5);
/// One that says nothing for so long is given up, and another is tried.
const ALIVE_WITHIN: Duration = Duration::from_secs(1);
/// The same for one that comes back, for which nobody waits; and to make a new one costs a busy machine more than to hear this one out.
const RETURNED_WITHIN: Duration = Duration::from_secs(5);

/// Reads a URL such as `postgres://user@host:5432/database`.
pub fn parse(url: &str) -> PortResult<PgConnectOptions> {
    PgConnectOptions::from_str(url).map(|options| options.application_name("spool")).map_err(|error| {
        let hint = "a URL like `postgres://user:password@host:5432/database` is wanted";
        PortError::broken(PART, format!("its URL can't be read ({error}): {hint}"))
    })
}

/// Connects once without a pool: a pool that gets no connection only says that it waited, and not what the server said.
pub async fn try_once(url: &str, options: &PgOptions) -> PortResult<()> {
    let sql = within(options.acquire_timeout, PgConnection::connect_with(&parse(url)?)).await?;
    within(options.acquire_timeout, sql.close()).await
}

/// The pool for the work, connected.
pub async fn work(url: &str, options: &PgOptions) -> PortResult<PgPool> {
    open(url, options, options.connections, "on").await
}

/// The pool for heartbeats.
pub async fn beats(url: &str, options: &PgOptions) -> PortResult<PgPool> {
    open(url, options, BEAT_CONNECTIONS, "off").await
}

async fn open(url: &str, options: &PgOptions, connections: u32, durable: &str) -> PortResult<PgPool> {
    let bound = options.statement_timeout.as_millis().to_string();
    let connect = parse(url)?.options([("statement_timeout", bound.as_str()), ("synchronous_commit", durable)]);
    let pool = PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(options.acquire_timeout)
        .test_before_acquire(false)
        .before_acquire(|sql, about| {
            async move {
                if about.idle_for > ASK_AFTER {
                    // All of a pool go half open together, and each would keep its caller for the whole time to acquire.
                    alive(sql, ALIVE_WITHIN).await?;
                }
                Ok(true)
            }
            .boxed()
        })
        // The pool asks each connection that comes back too, and waits for the answer for ever: one that was given up in the middle of a
        // statement because it is half open would never come back, and the pool would be one smaller for good.
        .after_release(|sql, _| async move { alive(sql, RETURNED_WITHIN).await.map(|()| true) }.boxed())
        .connect_with(connect);
    within(options.patience(), pool).await
}

/// Asks for a sign of life. An error closes the connection on the spot.
async fn alive(sql: &mut PgConnection, bound: Duration) -> Result<(), sqlx::Error> {
    let asked = timeout(bound, sql.ping()).await;
    asked.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))?
}
