//! Opens the file: one connection that writes, and a pool that reads.

use std::{fs::OpenOptions, io, os::unix::fs::OpenOptionsExt, path::Path, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use common::port::{PortError, PortResult};
use futures::FutureExt;
use sqlx::{
    Connection, SqliteConnection, SqlitePool,
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
    create_private(path)?;
    let writer = connect(options.clone()).await.map_err(|error| {
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
        .test_before_acquire(false)
        .after_release(|writer, _| is_outside_transaction(writer).boxed());
    (|| one.clone().connect_with(options.clone())).retry(pauses).when(is_busy).await
}

/// Returns whether a connection is out of its transaction, and so may be used again.
///
/// After a full disk, an I/O error or a failed allocation SQLite may have rolled back by itself.
/// Then the rollback of the dropped transaction fails, and sqlx counts the connection as inside it
/// for ever: each later `BEGIN` would be refused.
async fn is_outside_transaction(writer: &mut SqliteConnection) -> sqlx::Result<bool> {
    if writer.is_in_transaction() {
        // A rollback may be on its way to the connection's thread, which takes calls in order.
        writer.ping().await?;
    }
    Ok(!writer.is_in_transaction())
}

/// Creates the file so that only this user may read it, as it holds every job's input and result.
/// SQLite gives its log the same mode. A file that exists is not opened here: to close it again
/// would end the locks that this process holds on it.
fn create_private(path: &Path) -> PortResult<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            let detail = format!("{} can't be made ({error})", path.display());
            Err(PortError::unavailable(PART, detail))
        }
        _ => Ok(()),
    }
}

fn is_busy(error: &sqlx::Error) -> bool {
    const SQLITE_BUSY: u32 = 5;
    error.as_database_error().and_then(primary_code) == Some(SQLITE_BUSY)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn a_write_works_again_after_sqlite_rolled_back_by_itself() {
        let folder = tempfile::tempdir().expect("a folder");
        let (writer, _readers) = open(&folder.path().join("spool.db")).await.expect("opens");
        let mut write = writer.begin_with("BEGIN IMMEDIATE").await.expect("begins");
        // As a full disk does it, behind the back of sqlx.
        sqlx::raw_sql("ROLLBACK").execute(&mut *write).await.expect("rolls back");
        drop(write);
        let write = writer.begin_with("BEGIN IMMEDIATE").await.expect("begins again");
        write.commit().await.expect("commits");
    }

    #[tokio::test]
    async fn a_full_disk_is_transient_and_ends_with_the_shortage() {
        let folder = tempfile::tempdir().expect("a folder");
        let (writer, _readers) = open(&folder.path().join("spool.db")).await.expect("opens");
        let fill = "INSERT INTO inputs (owner, input)
                    VALUES (randomblob(16), hex(randomblob(4000000)))";
        let write = async || -> sqlx::Result<()> {
            let mut write = writer.begin_with("BEGIN IMMEDIATE").await?;
            sqlx::raw_sql(fill).execute(&mut *write).await?;
            write.commit().await
        };
        // The limit on pages is this connection's own, so the failing writes keep it open.
        sqlx::raw_sql("PRAGMA max_page_count = 1").execute(&writer).await.expect("a limit");
        let error = write().await.expect_err("full");
        let error = super::super::errors::port(error);
        assert!(error.is_transient(), "{error}");
        sqlx::raw_sql("PRAGMA max_page_count = 1000000").execute(&writer).await.expect("room");
        write().await.expect("works again");
    }

    #[tokio::test]
    async fn only_this_user_reads_the_file_and_its_log() {
        let folder = tempfile::tempdir().expect("a folder");
        let (_writer, _readers) = open(&folder.path().join("spool.db")).await.expect("opens");
        for name in ["spool.db", "spool.db-wal", "spool.db-shm"] {
            let mode = std::fs::metadata(folder.path().join(name)).expect("a file").permissions();
            assert_eq!(mode.mode() & 0o777, 0o600, "{name}");
        }
    }
}
