//! Recovery from dead workers, removal by age, and the health of the store.

use std::time::Duration;

use async_trait::async_trait;

use super::Changes;
use crate::port::PortResult;

/// Bounds of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepPolicy {
    /// A task that lost this many workers is failed as poison.
    pub quarantine_after: u16,
    /// At most this many rows of each kind in one call.
    pub most: u32,
}

/// Result of a sweep.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Swept {
    /// Expired leases whose tasks are ready again.
    pub lost: u32,
    /// Tasks failed as poison.
    pub quarantined: u32,
    /// Tasks failed because their job did not start in the time that it allowed.
    pub expired: u32,
    pub changes: Changes,
}

/// Bounds of [`Upkeep::retain`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Final jobs older than this are removed.
    pub jobs: Duration,
    /// Memos unused for this long are removed.
    pub memos: Duration,
    /// At most this many rows in one call.
    pub most: u32,
}

/// The part of the store that sweepers use.
#[async_trait]
pub trait Upkeep: Send + Sync + 'static {
    /// Finds leases that expired by the store's clock, and jobs that did not start in time, and
    /// settles each by itself.
    async fn sweep(&self, policy: SweepPolicy) -> PortResult<Swept>;

    /// Removes old rows in small steps. Returns how many went.
    async fn retain(&self, retention: Retention) -> PortResult<u64>;

    /// Checks that the store can be reached and written, and that its schema is the one this
    /// program knows.
    async fn check(&self) -> PortResult<()>;
}
