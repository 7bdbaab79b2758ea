//! Converts errors of SQLite to the port's.

use std::fmt;

use common::port::PortError;
use sqlx::error::DatabaseError;

/// Name of this store in errors.
pub const PART: &str = "the SQLite store";

/// Primary result codes after which a repeated call may work: busy, locked, no memory, an I/O
/// error, a full disk, a file that can't be opened (as for want of handles), a race for the log's
/// locks.
const TRANSIENT: [u32; 7] = [5, 6, 7, 10, 13, 14, 15];

/// Maps an error of a statement, or of reaching the file.
pub fn port(error: sqlx::Error) -> PortError {
    match &error {
        sqlx::Error::Database(database) => match primary_code(database.as_ref()) {
            Some(code) if TRANSIENT.contains(&code) => {
                PortError::unavailable(PART, database.message())
            }
            _ => PortError::broken(PART, database.message()),
        },
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => PortError::unavailable(PART, error),
        _ => PortError::broken(PART, error),
    }
}

/// SQLite's primary result code, which extended codes carry in their low byte.
pub fn primary_code(error: &dyn DatabaseError) -> Option<u32> {
    error.code().and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff)
}

/// The error for a stored value that no version of this program writes.
pub fn unreadable(column: &str, value: impl fmt::Display) -> PortError {
    PortError::broken(PART, format!("column `{column}` holds `{value}`, which can't be read"))
}
