//! Settings of a producer.

use std::time::Duration;

use common::limits::{MAX_CONNECTIONS, QUARANTINE_AFTER};

/// The choices of an operator; the default suits one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerSettings {
    /// URL prefix of `/v1/artifacts/…`, without a slash at its end, where it differs from the
    /// address that was called.
    pub public_url: Option<String>,
    /// Submits are refused while more tasks than this wait in a queue.
    pub max_backlog: u64,
    /// A task that lost this many workers fails as poison.
    pub quarantine_after: u16,
    /// Final jobs older than this are removed.
    pub keep_jobs: Duration,
    /// Memos unused for this long are removed.
    pub keep_memos: Duration,
    /// Artifacts without a reference for this long are removed.
    pub keep_artifacts: Duration,
    /// Strength of the compression of JSON answers, from 1 (fastest) to 9; 0 for none.
    pub compression_level: u8,
    /// Shorter answers, in bytes, cost more to compress than to send.
    pub compression_bytes: u64,
    /// Connections that are open at a time; more are refused.
    pub max_connections: usize,
    /// The longest that open requests may take once the process must stop.
    pub grace: Duration,
}

impl Default for ProducerSettings {
    fn default() -> Self {
        let days = |days: u64| Duration::from_secs(days * 24 * 3600);
        Self {
            public_url: None,
            max_backlog: u64::MAX,
            quarantine_after: QUARANTINE_AFTER,
            keep_jobs: days(30),
            keep_memos: days(7),
            keep_artifacts: days(1),
            compression_level: 1,
            compression_bytes: 1024,
            max_connections: MAX_CONNECTIONS,
            grace: Duration::from_secs(10),
        }
    }
}
