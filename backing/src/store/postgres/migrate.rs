//! The schema: brought up to date, and compared with what this program knows.
//!
//! Each file of `migrations/postgres` is applied once, in one transaction together with its line in `spool_migrations`. A migration that
//! an older program can live with (a new table, a column with a default, a function under a new name) keeps the major version; only one
//! that it can't raises it, and then the older program refuses to start with one sentence.

use std::time::Duration;

use common::port::{PortError, PortResult};
use sqlx::{Connection, PgConnection, PgExecutor, postgres::PgConnectOptions};

use super::fault::{PART, within};

/// The schema's major version that this program works on.
const MAJOR: i32 = 1;

/// Every migration for ever: number, the major version after it, and what it does.
const MIGRATIONS: &[(i32, i32, &str)] = &[
    (1, 1, include_str!("../../../../migrations/postgres/0001_tables.sql")),
    (2, 1, include_str!("../../../../migrations/postgres/0002_common.sql")),
    (3, 1, include_str!("../../../../migrations/postgres/0003_accept.sql")),
    (4, 1, include_str!("../../../../migrations/postgres/0004_dispatch.sql")),
    (5, 1, include_str!("../../../../migrations/postgres/0005_leases.sql")),
    (6, 1, include_str!("../../../../migrations/postgres/0006_settle.sql")),
    (7, 1, include_str!("../../../../migrations/postgres/0007_plans.sql")),
    (8, 1, include_str!("../../../../migrations/postgres/0008_single_flight.sql")),
    (9, 1, include_str!("../../../../migrations/postgres/0009_clients.sql")),
    (10, 1, include_str!("../../../../migrations/postgres/0010_views.sql")),
    (11, 1, include_str!("../../../../migrations/postgres/0011_retention.sql")),
    (12, 1, include_str!("../../../../migrations/postgres/0012_plans_of_queries.sql")),
    (13, 1, include_str!("../../../../migrations/postgres/0013_arrivals.sql")),
    (14, 1, include_str!("../../../../migrations/postgres/0014_controls.sql")),
    (15, 1, include_str!("../../../../migrations/postgres/0015_ring.sql")),
    (16, 1, include_str!("../../../../migrations/postgres/0016_accept.sql")),
    (17, 1, include_str!("../../../../migrations/postgres/0017_counts.sql")),
    (18, 1, include_str!("../../../../migrations/postgres/0018_plans_of_queries.sql")),
    (20, 1, include_str!("../../../../migrations/postgres/0020_schedules.sql")),
    (21, 1, include_str!("../../../../migrations/postgres/0021_dead.sql")),
    (22, 1, include_str!("../../../../migrations/postgres/0022_deadlines.sql")),
    (23, 1, include_str!("../../../../migrations/postgres/0023_named_artifacts.sql")),
    (24, 1, include_str!("../../../../migrations/postgres/0024_artifacts_named_before.sql")),
    (25, 1, include_str!("../../../../migrations/postgres/0025_traces.sql")),
];

const BOUND: Duration = Duration::from_secs(120);

/// Brings the database behind `url` up to date, and answers how many migrations that took. Several at once do no harm: they take turns.
///
/// The database must be there; its tables are made in a schema of their own, `spool`.
pub async fn migrate(url: &str) -> PortResult<usize> {
    let options: PgConnectOptions = super::pool::parse(url)?;
    let mut sql = within(BOUND, PgConnection::connect_with(&options)).await?;
    let applied = within(BOUND, apply(&mut sql)).await?;
    within(BOUND, sql.close()).await?;
    Ok(applied)
}

async fn apply(sql: &mut PgConnection) -> Result<usize, sqlx::Error> {
    let mut applied = 0;
    for (number, major, text) in MIGRATIONS {
        let mut write = sql.begin().await?;
        // Held to the end of each step: whoever comes second sees what the first one did.
        sqlx::raw_sql(
            "SELECT pg_advisory_xact_lock(hashtext('spool migrations'));
             CREATE TABLE IF NOT EXISTS spool_migrations (
                 number integer PRIMARY KEY, major integer NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())",
        )
        .execute(&mut *write)
        .await?;
        let there: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM spool_migrations WHERE number = $1)")
                .bind(number)
                .fetch_one(&mut *write)
                .await?;
        if !there {
            sqlx::raw_sql(*text).execute(&mut *write).await?;
            sqlx::query("INSERT INTO spool_migrations (number, major) VALUES ($1, $2)")
                .bind(number)
                .bind(major)
                .execute(&mut *write)
                .await?;
            applied += 1;
        }
        write.commit().await?;
    }
    Ok(applied)
}

/// The numbers of the migrations that are in, and the schema's major version.
pub type Found = (Vec<i32>, Option<i32>);

/// Reads what is in a database.
pub async fn found(sql: impl PgExecutor<'_>) -> sqlx::Result<Found> {
    let query = sqlx::query_as(
        "SELECT coalesce(array_agg(number), '{}'), max(major) FROM spool_migrations",
    );
    match query.fetch_one(sql).await {
        Err(sqlx::Error::Database(said)) if said.code().as_deref() == Some("42P01") => {
            Ok((Vec::new(), None))
        }
        answer => answer,
    }
}

/// Whether this program can work on the schema that was found.
pub fn check((there, major): Found) -> PortResult<()> {
    // By their numbers and not by how many there are: a newer program may have added some, and two lines of work may have left a gap.
    let missing = MIGRATIONS.iter().filter(|(number, ..)| !there.contains(number)).count();
    match (missing, major) {
        (_, Some(major)) if major > MAJOR => Err(PortError::broken(
            PART,
            format!(
                "the database's schema is of version {major} and this program knows version {MAJOR}: run a newer spool"
            ),
        )),
        (0, _) => Ok(()),
        (missing, _) => Err(PortError::broken(
            PART,
            format!(
                "the database lacks {missing} of {} migrations: run `spool migrate`",
                MIGRATIONS.len()
            ),
        )),
    }
}
