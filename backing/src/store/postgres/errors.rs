//! Converts errors of PostgreSQL to the port's.

use std::{future::Future, time::Duration};

use common::port::{PortError, PortResult};
use tokio::time::timeout;

/// The name of this part in errors.
pub const PART: &str = "PostgreSQL";

/// Awaits a reply for `bound` at most: a half-open connection never reports that it is one.
pub async fn within<T>(
    bound: Duration,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> PortResult<T> {
    match timeout(bound, answer).await {
        Ok(answer) => answer.map_err(port),
        Err(_) => {
            Err(PortError::unavailable(PART, format!("no answer within {} s", bound.as_secs())))
        }
    }
}

/// Converts an error of the driver or the server. One that may go away by trying again is
/// `Unavailable`.
pub fn port(error: sqlx::Error) -> PortError {
    match &error {
        sqlx::Error::Database(reason)
            if may_go_away(reason.code().as_deref().unwrap_or_default()) =>
        {
            PortError::unavailable(PART, reason.message())
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => PortError::unavailable(PART, error),
        _ => PortError::broken(PART, error),
    }
}

/// The error of a column with a value that this program never writes.
pub fn unreadable(column: &str, reason: impl ToString) -> PortError {
    PortError::broken(PART, format!("{column} can't be read: {}", reason.to_string()))
}

/// Returns whether an SQLSTATE is transient: connections (08), lost races (40), resources (53), an
/// operator or a timeout (57), locks (55P03), a server in recovery that takes no writes (25006).
fn may_go_away(code: &str) -> bool {
    ["08", "40", "53", "57"].iter().any(|class| code.starts_with(class))
        || ["55P03", "25006"].contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_restarts_and_races_may_go_away_and_those_of_violated_rules_may_not() {
        for code in ["57P01", "57P03", "08006", "40P01", "57014", "53300"] {
            assert!(may_go_away(code), "{code}");
        }
        for code in ["23505", "23514", "42703", "22021", "3D000", "28P01", ""] {
            assert!(!may_go_away(code), "{code}");
        }
    }
}
