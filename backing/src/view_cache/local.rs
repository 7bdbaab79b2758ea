//! The view cache of one process: bounded by bytes, with Redis's expiry, set-if-greater under the
//! entry's lock.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use common::{
    id::{JobId, TenantId},
    port::{
        PortResult,
        view_cache::{ChangeStream, ViewCache, ViewCacheUsage},
    },
    view::JobView,
};
use moka::{Expiry, future::Cache, ops::compute::Op, policy::EvictionPolicy};
use serde_json::Value;
use tokio::sync::broadcast::{self, error::RecvError};

use super::lifetime;

/// Most bytes of views (approximately), and most bytes of shared values.
const MEMORY: u64 = 64 * 1024 * 1024;
/// Changes that a slow listener may have waiting; past that it gets a gap.
const CHANGES_BACKLOG: usize = 1024;

type ViewKey = (TenantId, JobId);
type ChangedJobs = Arc<[JobId]>;

/// A view cache in this process. The least recently used entry is evicted first, as in Redis:
/// moka's default policy would keep an old view that was read often, and refuse a new one.
#[derive(Debug)]
pub struct LocalViewCache {
    views: Cache<ViewKey, Arc<JobView>>,
    values: Cache<String, SharedValue>,
    changes: broadcast::Sender<ChangedJobs>,
}

impl LocalViewCache {
    /// An empty view cache.
    pub fn new() -> Self {
        Self {
            views: Cache::builder()
                .max_capacity(MEMORY)
                .eviction_policy(EvictionPolicy::lru())
                .weigher(|_, view: &Arc<JobView>| weight(view))
                .expire_after(ByStatus)
                .build(),
            values: Cache::builder()
                .max_capacity(MEMORY)
                .eviction_policy(EvictionPolicy::lru())
                .weigher(|key: &String, value: &SharedValue| clamp(key.len() + value.bytes.len()))
                .expire_after(ByRequest)
                .build(),
            changes: broadcast::channel(CHANGES_BACKLOG).0,
        }
    }

    /// Puts one view, and returns whether it is newer. The same view again only lives longer.
    async fn put_one(&self, view: &JobView) -> bool {
        let mut is_newer = false;
        let newest = |held: Option<moka::Entry<ViewKey, Arc<JobView>>>| {
            let held = held.map(|held| held.value().rank);
            is_newer = held.is_none_or(|held| held < view.rank);
            let stays = held.is_some_and(|held| held > view.rank);
            std::future::ready(if stays { Op::Nop } else { Op::Put(Arc::new(view.clone())) })
        };
        self.views.entry((view.tenant.clone(), view.id)).and_compute_with(newest).await;
        is_newer
    }
}

impl Default for LocalViewCache {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl ViewCache for LocalViewCache {
    async fn put(&self, views: &[JobView]) -> PortResult<()> {
        let mut changed = Vec::with_capacity(views.len());
        for view in views {
            if self.put_one(view).await {
                changed.push(view.id);
            }
        }
        if !changed.is_empty() {
            // An error means that there are no listeners.
            let _ = self.changes.send(changed.into());
        }
        Ok(())
    }

    async fn get(&self, tenant: &TenantId, jobs: &[JobId]) -> PortResult<Vec<Option<JobView>>> {
        let mut found = Vec::with_capacity(jobs.len());
        for job in jobs {
            let view = self.views.get(&(tenant.clone(), *job)).await;
            found.push(view.map(|view| JobView::clone(&view)));
        }
        Ok(found)
    }

    async fn forget(&self, tenant: &TenantId, jobs: &[JobId]) -> PortResult<()> {
        for job in jobs {
            self.views.invalidate(&(tenant.clone(), *job)).await;
        }
        Ok(())
    }

    async fn changes(&self) -> PortResult<Box<dyn ChangeStream>> {
        Ok(Box::new(LocalChanges {
            received: self.changes.subscribe(),
            _open: self.changes.clone(),
        }))
    }

    async fn cached(&self, key: &str) -> PortResult<Option<Bytes>> {
        Ok(self.values.get(key).await.map(|value| value.bytes))
    }

    async fn cache(&self, key: &str, value: Bytes, ttl: Duration) -> PortResult<()> {
        self.values.insert(key.to_owned(), SharedValue { bytes: value, ttl }).await;
        Ok(())
    }

    async fn usage(&self) -> PortResult<ViewCacheUsage> {
        // moka updates its counts later; this updates them now.
        self.views.run_pending_tasks().await;
        self.values.run_pending_tasks().await;
        Ok(ViewCacheUsage {
            entries: self.views.entry_count() + self.values.entry_count(),
            bytes: self.views.weighted_size() + self.values.weighted_size(),
            limit: Some(2 * MEMORY),
            ..ViewCacheUsage::default()
        })
    }

    async fn check(&self) -> PortResult<()> {
        Ok(())
    }
}

/// A shared value and its lifetime.
#[derive(Debug, Clone)]
struct SharedValue {
    bytes: Bytes,
    ttl: Duration,
}

struct ByStatus;

impl Expiry<ViewKey, Arc<JobView>> for ByStatus {
    fn expire_after_create(
        &self,
        _: &ViewKey,
        view: &Arc<JobView>,
        _: std::time::Instant,
    ) -> Option<Duration> {
        Some(lifetime(view))
    }

    fn expire_after_update(
        &self,
        _: &ViewKey,
        view: &Arc<JobView>,
        _: std::time::Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(lifetime(view))
    }
}

struct ByRequest;

impl Expiry<String, SharedValue> for ByRequest {
    fn expire_after_create(
        &self,
        _: &String,
        value: &SharedValue,
        _: std::time::Instant,
    ) -> Option<Duration> {
        Some(value.ttl)
    }

    fn expire_after_update(
        &self,
        _: &String,
        value: &SharedValue,
        _: std::time::Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(value.ttl)
    }
}

/// Approximate bytes of a view. Only parts that a client can make large are measured.
fn weight(view: &JobView) -> u32 {
    let values = view.result.iter().chain(&view.metadata).map(value_weight).sum::<usize>();
    let error = view.error.as_ref().map_or(0, |error| {
        let faults: usize =
            error.errors.iter().map(|fault| fault.pointer.len() + fault.detail.len() + 48).sum();
        error.detail.len() + error.log.as_ref().map_or(0, String::len) + faults
    });
    clamp(size_of::<JobView>() + values + error)
}

fn value_weight(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(value_weight).sum(),
            Value::Object(fields) => {
                fields.iter().map(|(name, field)| name.len() + value_weight(field)).sum()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        }
}

fn clamp(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// One listener. It keeps the channel open, so it waits, and does not end, when the view cache is
/// dropped.
struct LocalChanges {
    received: broadcast::Receiver<ChangedJobs>,
    _open: broadcast::Sender<ChangedJobs>,
}

#[async_trait]
impl ChangeStream for LocalChanges {
    async fn next(&mut self) -> Option<Vec<JobId>> {
        match self.received.recv().await {
            Ok(jobs) => Some(jobs.to_vec()),
            Err(RecvError::Lagged(_) | RecvError::Closed) => None,
        }
    }
}
