//! Use of connections to outside services, reported by each adapter that keeps some.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Connections to one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUse {
    /// Name for operators: `postgresql`, `postgresql_heartbeats`, `rabbitmq`, `redis`.
    pub pool: &'static str,
    /// Connections in use; for `redis`, queries under way on its one connection.
    pub in_use: u64,
    pub idle: u64,
    /// Calls that wait for a connection.
    pub waiting: u64,
    /// Most connections; none where calls share one.
    pub limit: Option<u64>,
}

/// An adapter that keeps connections.
pub trait Pooled: Send + Sync {
    /// Present use of its connections.
    fn pools(&self) -> Vec<PoolUse>;
}

/// Counts a call while it is under way.
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
