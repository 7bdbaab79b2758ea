//! The view cache port: job views, their changes as they happen, and values shared between
//! processes. Losing all of it costs only time.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::PortResult;
use crate::{
    id::{JobId, TenantId},
    view::JobView,
};

/// A stream of the ids of jobs whose views change.
#[async_trait]
pub trait ChangeStream: Send {
    /// Returns the next changes. `None` means that some may have been missed (a lost connection, a
    /// listener that fell behind), so the caller must read for itself.
    async fn next(&mut self) -> Option<Vec<JobId>>;
}

/// The size of a view cache, shared values included. In a Redis that others use too, theirs are
/// counted as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ViewCacheUsage {
    /// Views and values.
    pub entries: u64,
    /// Their memory in bytes, approximately.
    pub bytes: u64,
    /// The most bytes it may take, if there is a bound.
    pub limit: Option<u64>,
    /// Entries removed for lack of room.
    pub evicted: u64,
    /// Reads that found an entry since the server started, if it counts them.
    pub hits: Option<u64>,
    /// Reads that found none.
    pub misses: Option<u64>,
    /// Requests of this process that are under way.
    pub under_way: u64,
}

/// A cache of job views and shared values.
#[async_trait]
pub trait ViewCache: Send + Sync + 'static {
    /// Stores views unless a newer one (by [`crate::view::Rank`]) is there, and notifies
    /// subscribers of the jobs that changed. A final view lives for `limits::FINAL_VIEW_TTL`, any
    /// other for `limits::LIVE_VIEW_TTL`.
    async fn put(&self, views: &[JobView]) -> PortResult<()>;

    /// Returns the cached views, in the order of the ids.
    async fn get(&self, tenant: &TenantId, jobs: &[JobId]) -> PortResult<Vec<Option<JobView>>>;

    /// Removes views: a retried or deleted job must be read from the store again.
    async fn forget(&self, tenant: &TenantId, jobs: &[JobId]) -> PortResult<()>;

    /// Listens to changes from now on.
    async fn changes(&self) -> PortResult<Box<dyn ChangeStream>>;

    /// Reads a shared value: the second level (L2) of the caches.
    async fn cached(&self, key: &str) -> PortResult<Option<Bytes>>;

    /// Stores a shared value for `ttl`.
    async fn cache(&self, key: &str, value: Bytes, ttl: Duration) -> PortResult<()>;

    /// The size of the cache, over all its users.
    async fn usage(&self) -> PortResult<ViewCacheUsage>;

    /// Checks that the cache can be reached.
    async fn check(&self) -> PortResult<()>;
}
