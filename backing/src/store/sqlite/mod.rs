//! The store in one SQLite file, for `spool dev`, `spool render` and tests.
//!
//! One connection writes, a few read. A write is one `BEGIN IMMEDIATE … COMMIT` on disk
//! (`synchronous=FULL`). Its logic is Rust within that transaction, because SQLite runs in this
//! process: a statement costs microseconds, and one writer needs no lock order. Callers gather
//! their rows into batches (`crate::group`), because the commit is what costs.
//!
//! Each trait of the port is implemented in the file of the trait's name. A write begins with
//! `SqliteStore::write`, changes rows by verbs over its `Transaction`, and ends with
//! `cascade::commit`, which draws all consequences first. The rules are `common::rules`.

#[macro_use]
mod statement;

mod accept;
#[cfg(test)]
mod bounds;
mod cancel;
mod cascade;
mod claim;
mod clock;
mod column;
mod dead;
mod dispatch;
mod errors;
mod file;
mod insert;
mod leases;
mod migrate;
mod operations;
mod reads;
mod references;
mod restrictions;
mod schedules;
mod settle;
mod single_flight;
mod submissions;
mod tasks;
mod transaction;
mod upkeep;
mod views;

use std::{collections::HashMap, fmt, path::Path, sync::Arc};

use common::{
    port::{PortResult, clock::Clock},
    queue::Queue,
    rules::{fairness::LastTurns, suspension::SuspensionGuard},
};
use parking_lot::Mutex;
use sqlx::{Sqlite, SqlitePool, pool::PoolConnection};

use self::{clock::StoreClock, transaction::Transaction};
use crate::clock::SystemClock;

/// The store. Cheap to share behind an `Arc`.
pub struct SqliteStore {
    /// One connection, because a file has one writer.
    writer: SqlitePool,
    readers: SqlitePool,
    turns: Mutex<HashMap<Queue, LastTurns>>,
    suspension: Mutex<SuspensionGuard>,
    clock: StoreClock,
}

impl SqliteStore {
    /// Opens the file, creates it if it does not exist, and brings its schema up to date.
    ///
    /// An error says in one sentence which file it is about and what to do.
    pub async fn open(path: &Path) -> PortResult<Self> {
        Self::open_with(path, Arc::new(SystemClock)).await
    }

    /// Opens the file with a clock of the caller's, by which the store decides all times.
    pub async fn open_with(path: &Path, clock: Arc<dyn Clock>) -> PortResult<Self> {
        let (writer, readers) = file::open(path).await?;
        let latest = value!(&writer, "SELECT coalesce(max(heartbeat_at), 0) FROM workers")?;
        let clock = StoreClock::new(clock, latest);
        Ok(Self { writer, readers, turns: Mutex::default(), suspension: Mutex::default(), clock })
    }

    /// Ends the leases of all workers, so that the next sweep counts them as lost.
    ///
    /// The caller is the only process that works on the file: workers of before are dead.
    pub async fn end_leases(&self) -> PortResult<()> {
        let mut tx = self.write().await?;
        let now = tx.now;
        execute!(tx.sql(), "UPDATE tasks SET lease_until = ? WHERE state = 'running'"; now)?;
        tx.end().await
    }

    /// Milliseconds since the epoch.
    fn now(&self) -> i64 {
        self.clock.now()
    }

    /// Begins a write; if the clock was set back, after one that puts the stored times right.
    async fn write(&self) -> PortResult<Transaction> {
        if let Some(before) = self.clock.set_back_from() {
            let mut tx = Transaction::begin(&self.writer, self.now()).await?;
            let now = tx.now;
            tracing::warn!(by_ms = before - now, "the clock was set back: due work stays due");
            clock::put_right(&mut tx, before).await?;
            tx.end().await?;
            *self.suspension.lock() = SuspensionGuard::default();
            self.clock.accept(now);
        }
        Transaction::begin(&self.writer, self.now()).await
    }

    async fn reader(&self) -> PortResult<PoolConnection<Sqlite>> {
        self.readers.acquire().await.map_err(errors::port)
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}
