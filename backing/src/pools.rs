//! How much of the connections to outside services is in use, told by each adapter that keeps some.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Connections to one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUse {
    /// Which, in the operator's words: `postgresql`, `postgresql_heartbeats`, `rabbitmq`, `redis`.
    pub pool: &'static str,
    /// Connections that somebody has; for `redis`, questions under way on its one connection.
    pub in_use: u64,
    /// Connections that nobody has.
    pub idle: u64,
    /// Calls that wait for one.
    pub waiting: u64,
    /// Connections at most; none where calls share one.
    pub limit: Option<u64>,
}

/// Keeps connections.
pub trait Pooled: Send + Sync {
    /// How they are used now.
    fn pools(&self) -> Vec<PoolUse>;
}

/// A call under way, counted for as long as it is.
pub(crate) struct UnderWay<'a>(&'a AtomicU64);

impl<'a> UnderWay<'a> {
    pub(crate) fn new(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
