//! The store in one SQLite file, for `spool dev`, `spool render` and tests.
//!
//! One connection writes, a few read. A write is one `BEGIN IMMEDIATE … COMMIT` on disk
//! (`synchronous=FULL`). Its logic is Rust within that transaction, because SQLite runs in this
//! process: a statement costs microseconds, and one writer needs no lock order. Callers gather their
//! rows into batches (`crate::group`), because the commit is what costs.
//!
//! A write is a `transaction::WriteTransaction` with a work list. Verbs are functions over it, and
//! `cascade::commit` draws all consequences before it commits. The rules are `common::rules`.

#[macro_use]
mod statement;

mod accept;
mod attempts;
mod batches;
mod cancel;
mod cascade;
mod claim;
mod column;
mod dead;
mod deadlines;
mod demand;
mod dispatch;
mod errors;
mod file;
mod insert;
mod job_views;
mod leases;
mod list;
mod operations;
mod reads;
mod references;
mod restrictions;
mod retain;
mod retry;
mod schedules;
mod settle;
mod single_flight;
mod submissions;
mod sweep;
mod task_views;
mod transaction;
mod upkeep;
mod worklist;

use std::{collections::HashMap, fmt, path::Path, sync::Arc};

use common::{
    port::{PortResult, clock::Clock},
    queue::Queue,
    rules::{fairness::LastTurns, suspension::SuspensionGuard},
};
use parking_lot::Mutex;
use sqlx::{Sqlite, SqliteConnection, SqlitePool, pool::PoolConnection};

use crate::clock::SystemClock;

/// The store. Cheap to share behind an `Arc`.
pub struct SqliteStore {
    writer: tokio::sync::Mutex<SqliteConnection>,
    readers: SqlitePool,
    turns: Mutex<HashMap<Queue, LastTurns>>,
    suspension: Mutex<SuspensionGuard>,
    clock: Arc<dyn Clock>,
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
        let writer = tokio::sync::Mutex::new(writer);
        Ok(Self { writer, readers, turns: Mutex::default(), suspension: Mutex::default(), clock })
    }

    /// Milliseconds since the epoch.
    fn now(&self) -> i64 {
        self.clock.now().as_millisecond()
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
