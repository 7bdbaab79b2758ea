//! What SQLite says, in the port's terms.

use common::port::PortError;

/// What operators call this store.
pub const PART: &str = "the SQLite store";

/// Primary result codes after which asking again may work: busy, locked, an I/O error, a full disk, a file that can't be opened.
const TRANSIENT: [i32; 5] = [5, 6, 10, 13, 14];

/// An error of a statement or of reaching the file.
pub fn port(error: sqlx::Error) -> PortError {
    match &error {
        sqlx::Error::Database(said) => {
            // Extended codes carry the primary one in their low byte.
            let code =
                said.code().and_then(|code| code.parse::<i32>().ok()).map(|code| code & 0xff);
            match code {
                Some(code) if TRANSIENT.contains(&code) => {
                    PortError::unavailable(PART, said.message())
                }
                _ => PortError::broken(PART, said.message()),
            }
        }
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => PortError::unavailable(PART, error),
        _ => PortError::broken(PART, error),
    }
}

/// A stored value that this program can't have written.
pub fn unreadable(column: &str, value: impl std::fmt::Display) -> PortError {
    PortError::broken(PART, format!("column `{column}` holds `{value}`, which can't be read"))
}
