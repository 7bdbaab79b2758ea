//! Brings the schema of a file up to date, and compares one with this program's.

use common::port::{PortError, PortResult};
use sqlx::{AssertSqlSafe, SqliteConnection, SqlitePool};

use super::errors::{PART, port};
use crate::store::migrate::{Applied, Found, MAJOR, Migrations, SQLITE};

/// Brings the schema of a file up to date.
///
/// One transaction is around all of it: of two processes that open a new file at once, the second
/// finds a complete schema.
pub async fn migrate(writer: &SqlitePool) -> PortResult<()> {
    let mut write = writer.begin_with("BEGIN IMMEDIATE").await.map_err(port)?;
    let (found, migrations) = (find(&mut write).await?, migrations());
    let pending = found.pending(&migrations).map_err(refused)?;
    if !found.has_schema {
        execute!(
            &mut *write,
            "CREATE TABLE migrations (
                 name       TEXT    NOT NULL,
                 checksum   TEXT    NOT NULL,
                 applied_at INTEGER NOT NULL,
                 PRIMARY KEY (name, checksum)
             ) WITHOUT ROWID"
        )?;
    }
    for file in pending {
        let sql = AssertSqlSafe(file.sql.as_str());
        sqlx::raw_sql(sql).execute(&mut *write).await.map_err(port)?;
        execute!(&mut *write,
            "INSERT INTO migrations (name, checksum, applied_at)
             VALUES (?, ?, unixepoch('subsec') * 1000)";
            file.name, &file.checksum)?;
    }
    write.commit().await.map_err(port)
}

/// Refuses a schema that this program cannot work on.
pub async fn check(sql: &mut SqliteConnection) -> PortResult<()> {
    find(sql).await?.check(&migrations()).map_err(refused)
}

fn migrations() -> Migrations {
    Migrations::of(SQLITE, &[])
}

fn refused(refusal: String) -> PortError {
    PortError::broken(PART, refusal)
}

/// Reads the state of a file's schema.
async fn find(sql: &mut SqliteConnection) -> PortResult<Found> {
    let (has_schema, has_migrations): (bool, bool) = row!(
        &mut *sql,
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'schema_major'),
             EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'migrations')"
    )?;
    let mut found = Found { has_schema, applied: None, major: MAJOR };
    if has_migrations {
        let rows = rows!(&mut *sql, "SELECT name, checksum FROM migrations ORDER BY applied_at")?;
        found.applied = Some(Applied::of(rows));
        found.major = value!(sql, "SELECT major FROM schema_major")?;
    }
    Ok(found)
}
