//! The four ports. Each has a production and an embedded adapter in `backing`, and one conformance suite for both.

pub mod artifacts;

pub mod broker;
pub mod clock;
pub mod view_cache;

/// Why an adapter could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// The server behind it is away or too slow: asking again later may work.
    #[error("{part} is unavailable: {detail}")]
    Unavailable {
        /// Which part, in the operator's words: `PostgreSQL`, `RabbitMQ`, `Redis`, `the artifact folder`.
        part: &'static str,
        /// What it said.
        detail: String,
    },
    /// It answered, and the answer can't be right: a bug here, or somebody else's hand in the data.
    #[error("{part} failed: {detail}")]
    Broken {
        /// Which part.
        part: &'static str,
        /// What happened.
        detail: String,
    },
}

impl PortError {
    /// The server is away.
    pub fn unavailable(part: &'static str, detail: impl ToString) -> Self {
        Self::Unavailable { part, detail: detail.to_string() }
    }

    /// The answer makes no sense.
    pub fn broken(part: &'static str, detail: impl ToString) -> Self {
        Self::Broken { part, detail: detail.to_string() }
    }

    /// Returns whether asking again later may work.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// What every port answers.
pub type PortResult<T> = Result<T, PortError>;
