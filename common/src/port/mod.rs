//! The ports that are not the store. Each has a production and an embedded adapter in `backing`,
//! and one conformance suite for both.

pub mod artifacts;

pub mod broker;
pub mod clock;
pub mod view_cache;

use crate::error::exhaustion;

/// The error of an adapter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// The server is away or too slow: a later call may succeed.
    #[error("{part} is unavailable: {detail}")]
    Unavailable {
        /// The part in the operator's words: `PostgreSQL`, `RabbitMQ`, `Redis`, `the artifact
        /// folder`.
        part: &'static str,
        detail: String,
    },
    /// This machine is out of handles, room or memory: a later call may succeed.
    #[error("{part} can't go on: {detail}")]
    Exhausted {
        part: &'static str,
        /// The code that [`exhaustion`] gives.
        code: &'static str,
        detail: String,
    },
    /// The server's answer can't be right: a bug here, or data that was changed by others.
    #[error("{part} failed: {detail}")]
    Broken { part: &'static str, detail: String },
}

impl PortError {
    /// The error of a server that is away.
    pub fn unavailable(part: &'static str, detail: impl ToString) -> Self {
        Self::Unavailable { part, detail: detail.to_string() }
    }

    /// An error of the operating system that may pass.
    pub fn from_io(part: &'static str, detail: impl ToString, error: &std::io::Error) -> Self {
        let detail = detail.to_string();
        match exhaustion(error) {
            Some(code) => Self::Exhausted { part, code, detail },
            None => Self::Unavailable { part, detail },
        }
    }

    /// The error of an answer that makes no sense.
    pub fn broken(part: &'static str, detail: impl ToString) -> Self {
        Self::Broken { part, detail: detail.to_string() }
    }

    /// Returns whether a later call may succeed.
    pub fn is_transient(&self) -> bool {
        !matches!(self, Self::Broken { .. })
    }
}

/// The result of every call to a port.
pub type PortResult<T> = Result<T, PortError>;
