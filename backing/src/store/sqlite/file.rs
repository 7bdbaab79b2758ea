//! Opens the file: one connection that writes, and a pool that reads.

use std::{path::Path, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use common::port::{PortError, PortResult};
use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{
    errors::{PART, primary_code},
    migrate::migrate,
};

/// Reading connections of one process; more would wait for the same disk.
const READERS: u32 = 4;
/// A write of another process to the same file is waited for this long.
const BUSY: Duration = Duration::from_secs(10);
/// A write waits this long for earlier ones of the same process: in effect until they have ended.
const WRITE_WAIT: Duration = Duration::from_secs(3600);
/// Cached pages of each connection, as negative KiB: 32 MB hold the indexes of a large backlog.
const CACHE: &str = "-32768";
/// Pages of 4 KB in the log before they are moved to the file: at 16 MB, a page of a hot index is
/// moved once for many commits.
const CHECKPOINT_PAGES: &str = "4000";
/// Prepared statements kept by a connection; more than this store has.
const STATEMENTS: usize = 256;

/// Opens the writer and the readers, and brings the schema up to date.
pub async fn open(path: &Path) -> PortResult<(SqlitePool, SqlitePool)> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY)
        .statement_cache_capacity(STATEMENTS)
        .pragma("cache_size", CACHE)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES);
    let writer = connect(options.clone().create_if_missing(true)).await.map_err(|error| {
        PortError::unavailable(PART, format!("{} can't be opened ({error})", path.display()))
    })?;
    migrate(&writer).await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        .connect_lazy_with(options.read_only(true));
    Ok((writer, readers))
}

/// Connects the writer, and waits for other processes that open the file at the same moment: the
/// switch to WAL returns `SQLITE_BUSY` at once, whatever the busy timeout is.
async fn connect(options: SqliteConnectOptions) -> sqlx::Result<SqlitePool> {
    let pauses = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(5))
        .with_max_delay(Duration::from_millis(100))
        .with_jitter()
        .without_max_times()
        .with_total_delay(Some(BUSY));
    let one = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(WRITE_WAIT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false);
    (|| one.clone().connect_with(options.clone())).retry(pauses).when(is_busy).await
}

fn is_busy(error: &sqlx::Error) -> bool {
    const SQLITE_BUSY: u32 = 5;
    error.as_database_error().and_then(primary_code) == Some(SQLITE_BUSY)
}
