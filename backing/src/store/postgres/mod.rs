//! The Store in PostgreSQL, for a fleet.
//!
//! Every write is one statement that commits by itself, nearly always the call of a function in
//! `migrations/postgres/functions` with arrays of rows. So a process that freezes at any
//! instruction holds no lock, a batch costs one round trip and one commit, and a write is defined
//! in one place, next to the tables. This side converts values to columns and back.
//!
//! Locks are taken in one order everywhere: keys, jobs of plans by id, tasks by id (jobs of one
//! task are guarded by their task), batches by id. A statement that looks for rows in another order
//! (dispatch, sweep, retain) never waits for one: it skips what is locked. Effects beyond a job are
//! statements of their own (`effects`).

mod accept;
mod bounds;
mod cancel;
mod claim;
mod column;
mod dead;
mod dispatch;
mod effects;
mod errors;
mod executor;
mod health_probe;
mod leases;
mod migrate;
mod operations;
mod pool;
mod reads;
mod references;
mod rows;
mod schedules;
mod session;
mod settle;
mod submissions;
mod upkeep;
mod views;

use std::{
    future::Future,
    sync::{Arc, atomic::AtomicBool},
};

use common::port::{PortError, PortResult};
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};

use self::{health_probe::HealthProbe, pool::Pool, session::Sessions};
pub use self::{
    migrate::{migrate, migrations},
    pool::PgOptions,
};
use super::{migrate::Found, reason};
use crate::pools::{PoolUse, Pooled};

/// The store. Cheap to clone and to share.
#[derive(Debug, Clone)]
pub struct PgStore {
    work: Pool,
    heartbeats: Pool,
    health_probe: HealthProbe,
    options: PgOptions,
    vacuuming: Arc<AtomicBool>,
}

/// Connects to the database behind `url`, whose schema must be up to date ([`migrate`]).
///
/// An error says in one sentence what is wrong with the URL, the server or the schema.
pub async fn connect(url: &str, options: PgOptions) -> PortResult<PgStore> {
    let connect = pool::parse(url)?;
    let (sessions, found) = errors::within(options.acquire_timeout, look(&connect)).await?;
    migrate::check(&found)?;
    let health_probe = HealthProbe::new(connect.clone());
    let (work, heartbeats) = Pool::pair(&connect, sessions, &options, &health_probe)?;
    Ok(PgStore { work, heartbeats, health_probe, options, vacuuming: Arc::default() })
}

/// Finds out how the server gives sessions, and what its schema is. Without a pool, because one
/// that gets no connection only reports that it waited, and not the server's error.
async fn look(connect: &PgConnectOptions) -> sqlx::Result<(Sessions, Found)> {
    let mut sql = PgConnection::connect_with(connect).await?;
    let sessions = Sessions::find(connect, &mut sql).await?;
    session::check_writable(&mut sql).await?;
    let mut read = sql.begin().await?;
    let found = migrate::find(&mut read).await?;
    read.rollback().await?;
    sql.close().await?;
    Ok((sessions, found))
}

impl PgStore {
    /// Awaits a statement for a client, for as long as a statement may take, and no longer than the
    /// server seems to be there.
    async fn work<T>(&self, answer: impl Future<Output = Result<T, sqlx::Error>>) -> PortResult<T> {
        tokio::select! {
            biased;
            answer = self.patiently(answer) => answer,
            () = self.health_probe.until_silent() => {
                Err(PortError::unavailable(errors::PART, "it does not reply to pings"))
            }
        }
    }

    /// Awaits a statement for as long as it may take. For writes that a server which was frozen for
    /// a moment may still carry out: claims would be lost and messages not dispatched, and no
    /// client waits for them in front of a screen.
    async fn patiently<T>(
        &self,
        answer: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> PortResult<T> {
        errors::within(self.options.patience(), answer).await
    }
}

impl Pooled for PgStore {
    fn pools(&self) -> Vec<PoolUse> {
        vec![self.work.usage("postgresql"), self.heartbeats.usage("postgresql_heartbeats")]
    }
}
