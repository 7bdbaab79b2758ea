//! The view cache of one process: bounded by bytes, expiring as Redis would, set-if-greater under the entry's lock.

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

/// Bytes of views, about; and bytes of shared values: what one process may spend on a window.
const MEMORY: u64 = 64 * 1024 * 1024;
/// Announcements a listener may be behind before it is told to look for itself.
const CHANGES_BACKLOG: usize = 1024;

type ViewKey = (TenantId, JobId);
type Announcement = Arc<[JobId]>;

/// A view cache in this process. What is least recently used goes first, as in Redis: moka's own policy would rather keep an old view that
/// was read often than take a new one in.
#[derive(Debug)]
pub struct LocalViewCache {
    views: Cache<ViewKey, Arc<JobView>>,
    values: Cache<String, Shared>,
    changes: broadcast::Sender<Announcement>,
}

impl LocalViewCache {
    /// An empty view_cache.
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
                .weigher(|key: &String, value: &Shared| clamp(key.len() + value.bytes.len()))
                .expire_after(ByRequest)
                .build(),
            changes: broadcast::channel(CHANGES_BACKLOG).0,
        }
    }

    /// Returns whether subscribers should look: the same view again only lives longer.
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
            // An error says that nobody listens, which is nobody's fault.
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
        Ok(Box::new(LocalChanges { heard: self.changes.subscribe(), _open: self.changes.clone() }))
    }

    async fn cached(&self, key: &str) -> PortResult<Option<Bytes>> {
        Ok(self.values.get(key).await.map(|value| value.bytes))
    }

    async fn cache(&self, key: &str, value: Bytes, ttl: Duration) -> PortResult<()> {
        self.values.insert(key.to_owned(), Shared { bytes: value, ttl }).await;
        Ok(())
    }

    async fn usage(&self) -> PortResult<ViewCacheUsage> {
        // moka counts behind; what is asked for now is counted now.
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

/// A shared value and how long it was asked to live.
#[derive(Debug, Clone)]
struct Shared {
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

impl Expiry<String, Shared> for ByRequest {
    fn expire_after_create(
        &self,
        _: &String,
        value: &Shared,
        _: std::time::Instant,
    ) -> Option<Duration> {
        Some(value.ttl)
    }

    fn expire_after_update(
        &self,
        _: &String,
        value: &Shared,
        _: std::time::Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(value.ttl)
    }
}

/// About how many bytes a view takes: only what a client can make large is looked at.
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

/// One listener. It keeps the channel open, so it waits rather than ends when the view cache itself is gone.
struct LocalChanges {
    heard: broadcast::Receiver<Announcement>,
    _open: broadcast::Sender<Announcement>,
}

#[async_trait]
impl ChangeStream for LocalChanges {
    async fn next(&mut self) -> Option<Vec<JobId>> {
        match self.heard.recv().await {
            Ok(jobs) => Some(jobs.to_vec()),
            Err(RecvError::Lagged(_) | RecvError::Closed) => None,
        }
    }
}
