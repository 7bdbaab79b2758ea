//! The file: opening it, its schema, and whether it can be written.

use std::{path::Path, time::Duration};

use common::port::{PortError, PortResult};
use sqlx::{
    Connection, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::fault::{PART, port};

/// The schema that this program knows. Migrations within one major only add.
const MAJOR: i64 = 1;
/// Reads of one process at once; more would wait for the same disk.
const READERS: u32 = 4;
/// Another process with the same file (`spool render` beside `spool dev`) is waited for this long.
const BUSY: Duration = Duration::from_secs(10);
/// More statements than this module has.
const STATEMENTS: usize = 256;

/// The writer and the readers.
pub async fn open(path: &Path) -> PortResult<(SqliteConnection, SqlitePool)> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY)
        .statement_cache_capacity(STATEMENTS);
    let mut writer = SqliteConnection::connect_with(&options.clone().create_if_missing(true))
        .await
        .map_err(|error| PortError::unavailable(PART, format!("{} can't be opened ({error})", path.display())))?;
    bring_up_to_date(&mut writer, path).await?;
    let readers = SqlitePoolOptions::new().max_connections(READERS).connect_lazy_with(options.read_only(true));
    Ok((writer, readers))
}

async fn bring_up_to_date(writer: &mut SqliteConnection, path: &Path) -> PortResult<()> {
    if has_schema(writer).await.map_err(port)? {
        check_major(writer).await?;
    }
    // A file that a later program of the same major has opened holds migrations unknown here, which only added.
    let mut migrations = sqlx::migrate!("../migrations/sqlite");
    migrations
        .set_ignore_missing(true)
        .run(&mut *writer)
        .await
        .map_err(|error| PortError::broken(PART, format!("the schema of {} can't be made ({error})", path.display())))
}

async fn has_schema(writer: &mut SqliteConnection) -> sqlx::Result<bool> {
    let found: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE name = 'schema_major'").fetch_one(writer).await?;
    Ok(found > 0)
}

async fn check_major(writer: &mut SqliteConnection) -> PortResult<()> {
    let major: i64 = sqlx::query_scalar("SELECT major FROM schema_major").fetch_one(writer).await.map_err(port)?;
    if major == MAJOR {
        return Ok(());
    }
    let detail = format!(
        "its schema has version {major} and this program knows {MAJOR}: use the spool that wrote it, or a newer one"
    );
    Err(PortError::broken(PART, detail))
}

/// Whether a write could begin, on a schema that is known.
pub async fn check(writer: &mut SqliteConnection) -> PortResult<()> {
    let mut write = writer.begin_with("BEGIN IMMEDIATE").await.map_err(port)?;
    sqlx::query("UPDATE schema_major SET major = major").execute(&mut *write).await.map_err(port)?;
    check_major(&mut write).await?;
    write.rollback().await.map_err(port)
}
