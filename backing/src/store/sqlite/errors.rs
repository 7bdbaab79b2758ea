//! SQLite's errors in the terms of the port.

use common::port::PortError;

/// Name of this store in errors.
pub const PART: &str = "the SQLite store";

/// Primary result codes after which a repeated call may work: busy, locked, an I/O error, a full
/// disk, a file that can't be opened.
const TRANSIENT: [i32; 5] = [5, 6, 10, 13, 14];

/// Maps an error of a statement, or of reaching the file.
pub fn port(error: sqlx::Error) -> PortError {
    match &error {
        sqlx::Error::Database(database) => {
            // Extended codes carry the primary one in their low byte.
            let code =
                database.code().and_then(|code| code.parse::<i32>().ok()).map(|code| code & 0xff);
            match code {
                Some(code) if TRANSIENT.contains(&code) => {
                    PortError::unavailable(PART, database.message())
                }
                _ => PortError::broken(PART, database.message()),
            }
        }
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => PortError::unavailable(PART, error),
        _ => PortError::broken(PART, error),
    }
}

/// The error for a stored value that no version of this program writes.
pub fn unreadable(column: &str, value: impl std::fmt::Display) -> PortError {
    PortError::broken(PART, format!("column `{column}` holds `{value}`, which can't be read"))
}
