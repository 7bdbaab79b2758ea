//! The window: hot views, changes as they happen, values shared between processes. Losing all of it costs time and nothing else.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::PortResult;
use crate::{
    id::{JobId, TenantId},
    view::JobView,
};

/// Job ids as their views change.
#[async_trait]
pub trait ChangeStream: Send {
    /// The next changes; `None` once when some may have been missed (a lost connection, a listener that fell behind): look for yourself.
    async fn next(&mut self) -> Option<Vec<JobId>>;
}

/// How much a view cache holds, views included. A Redis that others use too counts theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ViewCacheUsage {
    /// Views and values.
    pub entries: u64,
    /// The memory they take, about.
    pub bytes: u64,
    /// The most it may take, where there is a bound.
    pub limit: Option<u64>,
    /// What was pushed out for want of room.
    pub evicted: u64,
    /// Reads that found something, since the server started, where it counts them.
    pub hits: Option<u64>,
    /// Reads that found nothing.
    pub misses: Option<u64>,
    /// Questions under way from this process, over its one connection.
    pub under_way: u64,
}

/// Hot views and shared values.
#[async_trait]
pub trait ViewCache: Send + Sync + 'static {
    /// Puts views where theirs is the newest by [`crate::view::Rank`], and tells subscribers which jobs changed. A final view lives
    /// for `limits::FINAL_VIEW_TTL`, any other for `limits::LIVE_VIEW_TTL`.
    async fn put(&self, views: &[JobView]) -> PortResult<()>;

    /// The views that are there, in the order of the ids.
    async fn get(&self, tenant: &TenantId, jobs: &[JobId]) -> PortResult<Vec<Option<JobView>>>;

    /// Forgets views: a retried or deleted job reads from the store again.
    async fn forget(&self, tenant: &TenantId, jobs: &[JobId]) -> PortResult<()>;

    /// Listens to changes from now on.
    async fn changes(&self) -> PortResult<Box<dyn ChangeStream>>;

    /// A shared value: L2 of the caches.
    async fn cached(&self, key: &str) -> PortResult<Option<Bytes>>;

    /// Keeps a shared value for `ttl`.
    async fn cache(&self, key: &str, value: Bytes, ttl: Duration) -> PortResult<()>;

    /// How much it holds, for all who share it.
    async fn extent(&self) -> PortResult<ViewCacheUsage>;

    /// Returns whether it can be reached.
    async fn check(&self) -> PortResult<()>;
}
