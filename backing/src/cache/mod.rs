//! Caches for values that are read again and could be computed again: L1 in this process, L2 on the
//! view cache.
//!
//! A cache is never required. While the view cache is away L1 goes on, every error of L2 is a miss,
//! and a reader waits for one short timeout at most. A missing value is computed once in a process,
//! by the first reader; the memo shares whole tasks across the fleet, so L2 need not. A failure is
//! given to those who waited for it and is never kept. Values are not checked when they are read:
//! only whole, validated ones may be put in.

mod counts;
pub mod disk;
mod entry;
mod generations;
mod key;
mod levels;
mod local;
mod memo_hits;
mod namespace;
mod settings;
mod single_flight;
mod value;

use std::sync::Arc;

use bytes::Bytes;
use common::port::{
    PortResult,
    clock::Clock,
    view_cache::{ViewCache, ViewCacheUsage},
};

pub use counts::{HitCounts, NamespaceUsage};
pub use generations::CLEARED_WITHIN;
pub use key::{CacheKey, Tag};
pub use local::{EntryUsage, LocalUsage};
pub use memo_hits::MemoHits;
pub use namespace::{Lifetime, Namespace};
pub use settings::{CacheSettings, NamespaceSettings};
pub use value::{CachedValue, ComputeError};

use self::levels::{CacheLookup, Levels, RefreshPermit};

/// Both levels, for one process. Cheap to clone.
#[derive(Clone)]
pub struct Cache {
    levels: Arc<Levels>,
    memo_hits: Arc<MemoHits>,
}

impl Cache {
    /// An empty L1 over the values on the view cache, with the default settings.
    pub fn new(view_cache: Arc<dyn ViewCache>, clock: Arc<dyn Clock>) -> Self {
        Self::with(view_cache, clock, CacheSettings::default())
    }

    /// As [`Self::new`], with these settings.
    pub fn with(
        view_cache: Arc<dyn ViewCache>,
        clock: Arc<dyn Clock>,
        settings: CacheSettings,
    ) -> Self {
        let levels = Arc::new(Levels::new(view_cache, clock, settings));
        Self { levels, memo_hits: Arc::default() }
    }

    /// Returns the value if a level has it fresh.
    pub async fn get(&self, key: &CacheKey) -> Option<Bytes> {
        let generations = self.levels.generations(key).await;
        if let CacheLookup::Fresh(value) = self.levels.read_local(key, &generations).await {
            return Some(value);
        }
        match self.levels.read_shared(key, &generations).await {
            CacheLookup::Fresh(value) => Some(value),
            CacheLookup::Stale(_) | CacheLookup::Missing => None,
        }
    }

    /// Keeps a value in both levels. L2 is written in the background, as the view cache may be
    /// away.
    pub async fn put(&self, key: &CacheKey, value: CachedValue) {
        let generations = self.levels.generations(key).await;
        self.levels.keep(key, value, generations).await;
    }

    /// Returns the value from a level, or by `computing` it, once for all concurrent readers.
    /// `computing` is polled only if it is needed.
    ///
    /// # Errors
    /// The error of `computing`, here or in the reader that computed.
    pub async fn get_or_compute(
        &self,
        key: &CacheKey,
        computing: impl Future<Output = Result<CachedValue, ComputeError>>,
    ) -> Result<Bytes, ComputeError> {
        let generations = self.levels.generations(key).await;
        if let CacheLookup::Fresh(value) = self.levels.read_local(key, &generations).await {
            return Ok(value);
        }
        let member = self.levels.flights.join(key.hash);
        let flight = member.lock().await;
        if let Some(outcome) = self.levels.shared_outcome(key, &flight) {
            return outcome;
        }
        match self.levels.read_again(key, &generations).await {
            CacheLookup::Fresh(value) => {
                flight.finish(Ok(value.clone()));
                Ok(value)
            }
            _ => self.levels.compute(key, computing, generations, flight).await,
        }
    }

    /// As [`Self::get_or_compute`], but a stale value is served at once while `compute` refreshes
    /// it, once, in the background.
    ///
    /// # Errors
    /// As there. A refresh that fails leaves the stale value until it expires.
    pub async fn get_or_refresh<F>(
        &self,
        key: &CacheKey,
        compute: impl FnOnce() -> F,
    ) -> Result<Bytes, ComputeError>
    where
        F: Future<Output = Result<CachedValue, ComputeError>> + Send + 'static,
    {
        let generations = self.levels.generations(key).await;
        match self.levels.read_local(key, &generations).await {
            CacheLookup::Fresh(value) => return Ok(value),
            CacheLookup::Stale(value) => {
                return Ok(self.serve_stale(key, compute, generations, value));
            }
            CacheLookup::Missing => {}
        }
        let member = self.levels.flights.join(key.hash);
        let flight = member.lock().await;
        if let Some(outcome) = self.levels.shared_outcome(key, &flight) {
            return outcome;
        }
        match self.levels.read_again(key, &generations).await {
            CacheLookup::Fresh(value) => {
                flight.finish(Ok(value.clone()));
                Ok(value)
            }
            CacheLookup::Stale(value) => {
                flight.finish(Ok(value.clone()));
                Ok(self.serve_stale(key, compute, generations, value))
            }
            CacheLookup::Missing => self.levels.compute(key, compute(), generations, flight).await,
        }
    }

    /// Invalidates all values with this tag, in every process within [`CLEARED_WITHIN`]. Returns
    /// the number of values removed from this process's L1.
    ///
    /// # Errors
    /// The view cache is away: this process's L1 is cleared, and other processes are not.
    pub async fn clear(&self, tag: &Tag) -> PortResult<u64> {
        let written = self.levels.generations.clear(tag, self.levels.now()).await;
        let cleared = self.levels.local.clear(tag).await;
        written.map(|()| cleared)
    }

    /// Contents and read counts of each namespace in this process.
    pub fn usage(&self) -> Vec<NamespaceUsage> {
        Namespace::ALL.into_iter().map(|namespace| self.levels.usage(namespace)).collect()
    }

    /// The settings of its namespaces.
    pub fn settings(&self) -> &CacheSettings {
        &self.levels.settings
    }

    /// Counts of memo hits, the level above these two.
    pub fn memo_hits(&self) -> &Arc<MemoHits> {
        &self.memo_hits
    }

    /// Size of the view cache, which processes may share.
    ///
    /// # Errors
    /// The view cache is away.
    pub async fn shared_usage(&self) -> PortResult<ViewCacheUsage> {
        self.levels.view_cache.usage().await
    }

    /// Waits for all background work: writes to the view cache, refreshes and evictions.
    pub async fn flush(&self) {
        self.levels.background.close();
        self.levels.background.wait().await;
        self.levels.background.reopen();
        self.levels.local.evict().await;
    }

    /// Starts a refresh unless one is under way, and returns the stale value.
    fn serve_stale<F>(
        &self,
        key: &CacheKey,
        compute: impl FnOnce() -> F,
        generations: Vec<u64>,
        stale: Bytes,
    ) -> Bytes
    where
        F: Future<Output = Result<CachedValue, ComputeError>> + Send + 'static,
    {
        self.levels.count_stale(key);
        if let Some(permit) = RefreshPermit::take(&self.levels, key) {
            let (computing, value) = (compute(), stale.clone());
            self.levels
                .background
                .spawn(async move { permit.refresh(computing, generations, value).await });
        }
        stale
    }
}
