//! The file: opening it, its schema, and a check that it can be written.

use std::{path::Path, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use common::port::{PortError, PortResult};
use sqlx::{
    Connection, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::errors::{PART, port};

/// The major version of the schema that this program knows. Migrations within one major only add.
const MAJOR: i64 = 2;
/// Reading connections of one process; more would wait for the same disk.
const READERS: u32 = 4;
/// A write of another process to the same file is waited for this long.
const BUSY: Duration = Duration::from_secs(10);
/// Cached pages of each connection, as negative KiB: 32 MB hold the indexes of a large backlog.
const CACHE: &str = "-32768";
/// Pages of 4 KB in the log before they are moved to the file: at 16 MB, a page of a hot index is
/// moved once for many commits.
const CHECKPOINT_PAGES: &str = "4000";
/// Prepared statements kept by a connection; more than this store has.
const STATEMENTS: usize = 256;

/// Opens the writer and the readers.
pub async fn open(path: &Path) -> PortResult<(SqliteConnection, SqlitePool)> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY)
        .statement_cache_capacity(STATEMENTS)
        .pragma("cache_size", CACHE)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES);
    let mut writer = connect(&options.clone().create_if_missing(true)).await.map_err(|error| {
        PortError::unavailable(PART, format!("{} can't be opened ({error})", path.display()))
    })?;
    bring_up_to_date(&mut writer, path).await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        .connect_lazy_with(options.read_only(true));
    Ok((writer, readers))
}

/// Connects, and waits for other processes that open the file at the same moment: the switch to WAL
/// returns `SQLITE_BUSY` at once, whatever the busy timeout is.
async fn connect(options: &SqliteConnectOptions) -> sqlx::Result<SqliteConnection> {
    let pauses = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(5))
        .with_max_delay(Duration::from_millis(100))
        .with_jitter()
        .without_max_times()
        .with_total_delay(Some(BUSY));
    (|| SqliteConnection::connect_with(options)).retry(pauses).when(is_busy).await
}

/// Returns whether this is `SQLITE_BUSY` or one of its extended codes, whose low byte is the
/// primary code.
fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| code & 0xff == 5)
}

async fn bring_up_to_date(writer: &mut SqliteConnection, path: &Path) -> PortResult<()> {
    // One transaction around all of it: of two processes that open a new file at once, the second
    // finds a complete schema.
    let mut write = writer.begin_with("BEGIN IMMEDIATE").await.map_err(port)?;
    if has_schema(&mut write).await? {
        check_major(&mut write).await?;
    }
    // A later program of the same major may have applied migrations that are unknown here.
    let mut migrations = sqlx::migrate!("../migrations/sqlite/schema");
    migrations.set_ignore_missing(true).run(&mut *write).await.map_err(|error| {
        let path = path.display();
        PortError::broken(PART, format!("the schema of {path} can't be created ({error})"))
    })?;
    write.commit().await.map_err(port)
}

async fn has_schema(writer: &mut SqliteConnection) -> PortResult<bool> {
    value!(writer, "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'schema_major')")
}

async fn check_major(writer: &mut SqliteConnection) -> PortResult<()> {
    let major: i64 = value!(writer, "SELECT major FROM schema_major")?;
    let detail = match major {
        MAJOR => return Ok(()),
        ..MAJOR => {
            "its schema was made by a spool from before the first release, which can't be brought \
             up to date: use a new file"
                .to_owned()
        }
        _ => format!(
            "its schema has version {major} and this program knows {MAJOR}: use the spool that \
             wrote it, or a newer one"
        ),
    };
    Err(PortError::broken(PART, detail))
}

/// Checks that a write could begin, on a known schema.
pub async fn check(writer: &mut SqliteConnection) -> PortResult<()> {
    let mut write = writer.begin_with("BEGIN IMMEDIATE").await.map_err(port)?;
    execute!(&mut *write, "UPDATE schema_major SET major = major")?;
    check_major(&mut write).await?;
    write.rollback().await.map_err(port)
}

#[cfg(test)]
mod tests {
    use common::{
        id::{JobId, TenantId},
        store::{Reads, Submissions, Upkeep},
        submission::{NewBatch, Submission, Work},
    };

    use super::super::SqliteStore;
    use super::*;

    async fn set_major(path: &Path, major: i64) {
        let options = SqliteConnectOptions::new().filename(path);
        let mut file = SqliteConnection::connect_with(&options).await.expect("connects");
        sqlx::query("UPDATE schema_major SET major = ?")
            .bind(major)
            .execute(&mut file)
            .await
            .expect("writes");
        file.close().await.expect("closes");
    }

    #[tokio::test]
    async fn a_file_of_a_schema_that_is_too_new_is_refused_in_a_sentence_that_says_what_to_do() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("spool.db");
        let store = SqliteStore::open(&path).await.expect("a new file opens");
        set_major(&path, MAJOR + 1).await;
        let refused = store.check().await.expect_err("its schema is not known").to_string();
        assert!(
            refused.contains("version 3") && refused.contains("use the spool that wrote it"),
            "{refused}"
        );
        drop(store);
        assert!(SqliteStore::open(&path).await.is_err());
    }

    #[tokio::test]
    async fn a_file_of_the_old_numbering_is_refused_in_one_sentence() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("spool.db");
        drop(SqliteStore::open(&path).await.expect("a new file opens"));
        set_major(&path, 1).await;
        let refused = SqliteStore::open(&path).await.expect_err("it is too old").to_string();
        assert!(refused.contains("use a new file"), "{refused}");
    }

    #[tokio::test]
    async fn a_file_with_a_later_migration_of_the_same_major_opens() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("spool.db");
        drop(SqliteStore::open(&path).await.expect("a new file opens"));
        let mut file = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(&path))
            .await
            .expect("connects");
        for later in [
            "ALTER TABLE jobs ADD COLUMN later TEXT",
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (9999, 'later', 1, x'00', 0)",
        ] {
            sqlx::query(later).execute(&mut file).await.expect("writes");
        }
        file.close().await.expect("closes");
        SqliteStore::open(&path).await.expect("opens").check().await.expect("in order");
    }

    #[tokio::test]
    async fn a_new_file_may_be_opened_by_many_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("spool.db");
        let stores = futures::future::join_all((0..6).map(|_| SqliteStore::open(&path))).await;
        for store in stores {
            store.expect("opens").check().await.expect("in order");
        }
    }

    #[tokio::test]
    async fn a_path_that_can_not_be_opened_is_named() {
        let refused = SqliteStore::open(Path::new("/nowhere/spool.db"))
            .await
            .expect_err("no such folder")
            .to_string();
        assert!(refused.contains("/nowhere/spool.db"), "{refused}");
    }

    #[tokio::test]
    async fn what_was_stored_is_there_after_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("spool.db");
        let tenant = TenantId::default();
        let batch = NewBatch {
            id: Default::default(),
            items: Vec::new(),
            max_concurrent: None,
            stop_on_error: false,
        };
        let work = Work::Batch(batch.clone());
        let store = SqliteStore::open(&path).await.expect("a new file opens");
        let submission = Submission { tenant: tenant.clone(), idempotency: None, work };
        store.accept(vec![submission], &[]).await.expect("accepts");
        drop(store);
        let store = SqliteStore::open(&path).await.expect("opens again");
        assert!(store.batch(&tenant, batch.id).await.expect("reads").is_some());
        assert_eq!(store.jobs(&tenant, &[JobId::new()]).await.expect("reads"), [None]);
    }
}
