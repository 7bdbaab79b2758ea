//! Brings a PostgreSQL schema up to date, and compares one with this program's.

use std::time::Duration;

use common::port::{PortError, PortResult};
use sqlx::{AssertSqlSafe, Connection, PgConnection, postgres::PgConnectOptions};

use super::{
    bounds::bounds,
    errors::{PART, within},
    session::{self, Settings},
};
use crate::store::migrate::{Applied, Found, MAJOR, Migrations, POSTGRES};

const TIMEOUT: Duration = Duration::from_secs(120);

/// Brings the database behind `url` up to date, and returns how many files were applied. Concurrent
/// calls take turns.
///
/// The database must exist; the tables are made in a schema of their own, `spool`. Everything
/// happens in one transaction.
pub async fn migrate(url: &str) -> PortResult<usize> {
    let options: PgConnectOptions = super::pool::parse(url)?;
    let mut sql = within(TIMEOUT, PgConnection::connect_with(&options)).await?;
    let applied = within(TIMEOUT, apply(&mut sql)).await?;
    within(TIMEOUT, sql.close()).await?;
    applied.map_err(|refusal| PortError::broken(PART, refusal))
}

async fn apply(sql: &mut PgConnection) -> sqlx::Result<Result<usize, String>> {
    let mut write = sql.begin().await?;
    let settings = Settings { statement_timeout: TIMEOUT, synchronous_commit: true };
    session::execute(
        &mut write,
        format!("SET TRANSACTION ISOLATION LEVEL READ COMMITTED;{}", settings.for_transaction()),
    )
    .await?;
    // Held until the commit, so that a second caller sees what the first one did.
    sqlx::raw_sql("SELECT pg_advisory_xact_lock(hashtext('spool.migrations'))")
        .execute(&mut *write)
        .await?;
    let (found, migrations) = (find(&mut write).await?, migrations());
    let pending = match found.pending(&migrations) {
        Ok(pending) => pending,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if !found.has_schema {
        sqlx::raw_sql(
            "CREATE SCHEMA spool;
             CREATE TABLE spool.migrations (
                 name text COLLATE \"C\" NOT NULL,
                 checksum text COLLATE \"C\" NOT NULL,
                 applied_at timestamptz NOT NULL,
                 CONSTRAINT migrations_pkey PRIMARY KEY (name, checksum))",
        )
        .execute(&mut *write)
        .await?;
    }
    sqlx::raw_sql("SET LOCAL check_function_bodies = off").execute(&mut *write).await?;
    for file in &pending {
        sqlx::raw_sql(AssertSqlSafe(file.sql.as_str())).execute(&mut *write).await?;
        sqlx::query(
            "INSERT INTO spool.migrations (name, checksum, applied_at) VALUES ($1, $2, now())
             ON CONFLICT (name, checksum) DO UPDATE SET applied_at = now()",
        )
        .bind(file.name)
        .bind(&file.checksum)
        .persistent(false)
        .execute(&mut *write)
        .await?;
    }
    if pending.iter().any(|file| file.is_schema()) {
        sqlx::raw_sql("SELECT spool.make_partitions()").execute(&mut *write).await?;
    }
    write.commit().await?;
    Ok(Ok(pending.len()))
}

/// The files of this program.
pub fn migrations() -> Migrations {
    Migrations::of(POSTGRES, &bounds())
}

/// Reads the state of a database's schema, without a statement that stays prepared in a session.
pub async fn find(sql: &mut PgConnection) -> sqlx::Result<Found> {
    let (has_schema, has_migrations): (bool, bool) = sqlx::query_as(
        "SELECT to_regnamespace('spool') IS NOT NULL, to_regclass('spool.migrations') IS NOT NULL",
    )
    .persistent(false)
    .fetch_one(&mut *sql)
    .await?;
    let mut found = Found { has_schema, applied: None, major: MAJOR };
    if has_migrations {
        let rows = "SELECT name, checksum FROM spool.migrations ORDER BY applied_at";
        let rows = sqlx::query_as(rows).persistent(false).fetch_all(&mut *sql).await?;
        found.applied = Some(Applied::of(rows));
        let major = "SELECT major FROM spool.schema_major";
        found.major = sqlx::query_scalar(major).persistent(false).fetch_one(sql).await?;
    }
    Ok(found)
}

/// Refuses a schema that this program cannot work on.
pub fn check(found: &Found) -> PortResult<()> {
    found.check(&migrations()).map_err(|refusal| PortError::broken(PART, refusal))
}
