//! Sessions of the server: the settings that each has, and whether a connection has one of its own.
//!
//! Every setting on which the store's statements depend is set here, because a database, a role or
//! a server may have other defaults. They are set by SQL and not by start-up options, which poolers
//! refuse.
//!
//! A pooler in transaction mode (PgBouncer's `pool_mode = transaction`) gives each transaction
//! another session. Prepared statements and settings would be those of other clients. So a
//! statement is then unnamed, and runs in a transaction with the settings. The price is two round
//! trips for each statement.

use std::{io, time::Duration};

use sqlx::{
    AssertSqlSafe, Connection, PgConnection, Row, SqlStr,
    postgres::{PgConnectOptions, Postgres},
};

/// How many statements a session of a connection serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sessions {
    /// A connection has one session for as long as it lasts.
    Own,
    /// A pooler gives each transaction any of its sessions.
    Shared,
}

/// Looks this often for the session of a connection to change: a pooler with idle sessions gives
/// two connections the same one at once, and a busy one soon gives another.
const LOOKS: usize = 4;

impl Sessions {
    /// Finds out how a server gives sessions, from the first connection and a second one beside it:
    /// only behind a pooler do two open connections have the same process, or one of them several.
    pub async fn find(connect: &PgConnectOptions, first: &mut PgConnection) -> sqlx::Result<Self> {
        let mut second = PgConnection::connect_with(connect).await?;
        let process = process_of(first).await?;
        let mut sessions = Self::Own;
        for _ in 0..LOOKS {
            let other = process_of(&mut second).await?;
            if other == process || process_of(first).await? != process {
                sessions = Self::Shared;
            }
        }
        second.close().await?;
        Ok(sessions)
    }
}

/// The server's process behind a connection.
async fn process_of(sql: &mut PgConnection) -> sqlx::Result<i32> {
    sqlx::raw_sql("SELECT pg_backend_pid()").fetch_one(sql).await?.try_get(0)
}

/// The settings of a session.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The server ends a statement that takes longer, and a transaction that is left open for as
    /// long.
    pub statement_timeout: Duration,
    /// Cleared if a commit need not wait for the disk.
    pub synchronous_commit: bool,
}

impl Settings {
    /// The statements that set them for a session.
    pub fn for_session(&self) -> String {
        self.sql("SET")
    }

    /// The statements that set them until the end of the transaction.
    pub fn for_transaction(&self) -> String {
        self.sql("SET LOCAL")
    }

    fn sql(&self, set: &str) -> String {
        let timeout = self.statement_timeout.as_millis();
        [
            // All names of the store are qualified; others must not be found by chance.
            "search_path = pg_catalog".to_owned(),
            "default_transaction_isolation = 'read committed'".to_owned(),
            "standard_conforming_strings = on".to_owned(),
            format!("statement_timeout = {timeout}"),
            // The time of the statement bounds its waits for locks.
            "lock_timeout = 0".to_owned(),
            format!("idle_in_transaction_session_timeout = {timeout}"),
            format!("synchronous_commit = {}", if self.synchronous_commit { "on" } else { "off" }),
        ]
        .map(|setting| format!("{set} {setting};"))
        .concat()
    }
}

/// Begins a transaction with these settings.
pub async fn begin(sql: &mut PgConnection, settings: &Settings) -> sqlx::Result<()> {
    let begin = format!("BEGIN ISOLATION LEVEL READ COMMITTED;{}", settings.for_transaction());
    execute(sql, begin).await
}

/// Executes statements without arguments.
pub async fn execute(sql: &mut PgConnection, statements: impl Into<String>) -> sqlx::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(statements.into())).execute(sql).await.map(drop)
}

/// Refuses a server that takes no writes, as the old primary after a failover: new connections may
/// reach another one.
pub async fn check_writable(sql: &mut PgConnection) -> sqlx::Result<()> {
    let row = sqlx::raw_sql("SHOW transaction_read_only").fetch_one(sql).await?;
    match row.try_get::<&str, _>(0)? {
        "off" => Ok(()),
        _ => Err(sqlx::Error::Io(io::Error::new(
            io::ErrorKind::ReadOnlyFilesystem,
            "the server takes no writes: it is a replica, or set to read only",
        ))),
    }
}

/// Returns whether a connection to another server may help: this one takes no writes.
pub fn is_read_only(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == io::ErrorKind::ReadOnlyFilesystem,
        sqlx::Error::Database(error) => error.code().as_deref() == Some("25006"),
        _ => false,
    }
}

/// A statement for a session that may be another client's next: it is not named.
pub struct Unnamed<E>(pub E);

impl<'q, E: sqlx::Execute<'q, Postgres>> sqlx::Execute<'q, Postgres> for Unnamed<E> {
    fn sql(self) -> SqlStr {
        self.0.sql()
    }

    fn statement(&self) -> Option<&sqlx::postgres::PgStatement> {
        None
    }

    fn take_arguments(
        &mut self,
    ) -> Result<Option<sqlx::postgres::PgArguments>, sqlx::error::BoxDynError> {
        self.0.take_arguments()
    }

    fn persistent(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_set_for_a_session_or_for_a_transaction() {
        let settings =
            Settings { statement_timeout: Duration::from_secs(15), synchronous_commit: false };
        let session = settings.for_session();
        assert!(session.starts_with("SET search_path = pg_catalog;SET default_"), "{session}");
        assert!(session.contains("SET statement_timeout = 15000;"), "{session}");
        assert!(session.ends_with("SET synchronous_commit = off;"), "{session}");
        assert_eq!(settings.for_transaction(), session.replace("SET ", "SET LOCAL "));
    }
}
