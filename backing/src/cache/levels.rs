//! The two levels of a cache: reads them, computes missing values, keeps those in both.

use std::{collections::HashSet, sync::Arc, time::Duration};

use bytes::Bytes;
use common::{
    id::Digest,
    port::{clock::Clock, view_cache::ViewCache},
};
use parking_lot::Mutex;
use tokio_util::task::TaskTracker;

use super::{
    counts::{NamespaceCounters, NamespaceUsage, count},
    entry::{Entry, Freshness},
    generations::Generations,
    key::CacheKey,
    local::LocalValues,
    namespace::Namespace,
    settings::CacheSettings,
    single_flight::{FlightLock, Flights},
    value::{CachedValue, ComputeError},
};

/// Most bytes of a value on the view cache: a larger one would evict a thousand others.
const MAX_SHARED: usize = 8 << 20;
/// Milliseconds after a failed refresh in which no reader tries another.
const REFRESH_AGAIN_MS: i64 = 5_000;

/// L1, L2, and the computations under way.
pub(super) struct Levels {
    pub settings: CacheSettings,
    pub local: LocalValues,
    pub view_cache: Arc<dyn ViewCache>,
    clock: Arc<dyn Clock>,
    pub generations: Generations,
    pub flights: Flights,
    refreshing: Mutex<HashSet<Digest>>,
    counters: [NamespaceCounters; Namespace::ALL.len()],
    pub background: TaskTracker,
}

/// The result of reading a level.
pub(super) enum CacheLookup {
    Fresh(Bytes),
    Stale(Bytes),
    Missing,
}

/// The right to refresh a key, until it is dropped.
pub(super) struct RefreshPermit {
    levels: Arc<Levels>,
    key: CacheKey,
}

impl RefreshPermit {
    /// Takes the permit, unless a refresh is under way.
    pub fn take(levels: &Arc<Levels>, key: &CacheKey) -> Option<Self> {
        let is_first = levels.refreshing.lock().insert(key.hash);
        is_first.then(|| Self { levels: Arc::clone(levels), key: key.clone() })
    }

    /// Computes and keeps the value. A failure leaves the stale value.
    pub async fn refresh(
        self,
        computing: impl Future<Output = Result<CachedValue, ComputeError>>,
        generations: Vec<u64>,
        stale: Bytes,
    ) {
        let counters = self.levels.counters(&self.key);
        match computing.await {
            Ok(computed) => {
                count(&counters.computed);
                self.levels.keep(&self.key, computed, generations).await;
            }
            Err(error) => {
                count(&counters.failed);
                tracing::debug!(?error, "a stale value could not be refreshed");
                self.levels.postpone_refresh(&self.key, stale, generations).await;
            }
        }
    }
}

impl Drop for RefreshPermit {
    fn drop(&mut self) {
        self.levels.refreshing.lock().remove(&self.key.hash);
    }
}

impl Levels {
    pub fn new(
        view_cache: Arc<dyn ViewCache>,
        clock: Arc<dyn Clock>,
        settings: CacheSettings,
    ) -> Self {
        Self {
            local: LocalValues::new(&settings),
            settings,
            generations: Generations::new(Arc::clone(&view_cache)),
            view_cache,
            clock,
            flights: Flights::default(),
            refreshing: Mutex::default(),
            counters: std::array::from_fn(|_| NamespaceCounters::default()),
            background: TaskTracker::new(),
        }
    }

    pub fn now(&self) -> i64 {
        self.clock.now().as_millisecond()
    }

    pub fn usage(&self, namespace: Namespace) -> NamespaceUsage {
        self.counters[namespace.index()].usage(namespace, self.local.usage(namespace))
    }

    pub fn count_stale(&self, key: &CacheKey) {
        count(&self.counters(key).stale);
    }

    /// The outcome that another reader computed, if there is one.
    pub fn shared_outcome(
        &self,
        key: &CacheKey,
        flight: &FlightLock<'_>,
    ) -> Option<Result<Bytes, ComputeError>> {
        let outcome = flight.outcome()?;
        count(&self.counters(key).waited);
        Some(outcome.map_err(ComputeError::Failed))
    }

    fn counters(&self, key: &CacheKey) -> &NamespaceCounters {
        &self.counters[key.namespace.index()]
    }

    pub async fn generations(&self, key: &CacheKey) -> Vec<u64> {
        self.generations.of(&key.tags, self.now()).await
    }

    /// Reads L1 and counts a hit or a miss.
    pub async fn read_local(&self, key: &CacheKey, generations: &[u64]) -> CacheLookup {
        let found = self.read_local_uncounted(key, generations).await;
        let counters = self.counters(key);
        count(match found {
            CacheLookup::Missing => &counters.local_misses,
            _ => &counters.local_hits,
        });
        found
    }

    async fn read_local_uncounted(&self, key: &CacheKey, generations: &[u64]) -> CacheLookup {
        let Some(held) = self.local.get(key.namespace, &key.hash).await else {
            return CacheLookup::Missing;
        };
        let found = self.lookup(&held.entry, generations);
        if matches!(found, CacheLookup::Missing) {
            self.local.forget(key.namespace, &key.hash).await;
        }
        found
    }

    /// Reads L2; a value found there is kept in L1. An error of the view cache is a miss.
    pub async fn read_shared(&self, key: &CacheKey, generations: &[u64]) -> CacheLookup {
        if !self.settings.of(key.namespace).enabled {
            return CacheLookup::Missing;
        }
        let counters = self.counters(key);
        let held = match self.view_cache.cached(&key.shared_key()).await {
            Ok(held) => held,
            Err(error) => {
                tracing::debug!(%error, "the view cache did not answer; the read is a miss");
                count(&counters.shared_errors);
                return CacheLookup::Missing;
            }
        };
        let entry = held.and_then(|held| Entry::read(&held, &key.tags));
        let found =
            entry.as_ref().map_or(CacheLookup::Missing, |entry| self.lookup(entry, generations));
        count(match found {
            CacheLookup::Missing => &counters.shared_misses,
            _ => &counters.shared_hits,
        });
        if let (Some(entry), CacheLookup::Fresh(_) | CacheLookup::Stale(_)) = (entry, &found) {
            self.local.put(key.namespace, key.hash, entry).await;
        }
        found
    }

    fn lookup(&self, entry: &Entry, generations: &[u64]) -> CacheLookup {
        match entry.freshness(self.now(), generations) {
            Freshness::Fresh => CacheLookup::Fresh(entry.value.clone()),
            Freshness::Stale => CacheLookup::Stale(entry.value.clone()),
            Freshness::Expired => CacheLookup::Missing,
        }
    }

    /// Reads L1 once more, then L2. A reader that joined just after a flight ended finds its value
    /// in L1.
    pub async fn read_again(&self, key: &CacheKey, generations: &[u64]) -> CacheLookup {
        match self.read_local_uncounted(key, generations).await {
            CacheLookup::Missing => self.read_shared(key, generations).await,
            found => found,
        }
    }

    /// Computes the value, keeps it, and gives the outcome to all waiters.
    pub async fn compute(
        &self,
        key: &CacheKey,
        computing: impl Future<Output = Result<CachedValue, ComputeError>>,
        generations: Vec<u64>,
        flight: FlightLock<'_>,
    ) -> Result<Bytes, ComputeError> {
        match computing.await {
            Ok(computed) => {
                count(&self.counters(key).computed);
                let value = computed.value.clone();
                // Kept under the generations from before it was computed, so that a tag that was
                // cleared meanwhile invalidates it.
                self.keep(key, computed, generations).await;
                flight.finish(Ok(value.clone()));
                Ok(value)
            }
            Err(ComputeError::Failed(error)) => {
                count(&self.counters(key).failed);
                flight.finish(Err(error.clone()));
                Err(ComputeError::Failed(error))
            }
            Err(ComputeError::Stopped) => Err(ComputeError::Stopped),
        }
    }

    /// Counts a stale value as fresh for a moment in this process, so that not every reader repeats
    /// a refresh that just failed. Never past its expiry.
    pub async fn postpone_refresh(&self, key: &CacheKey, stale: Bytes, generations: Vec<u64>) {
        let held = self.local.get(key.namespace, &key.hash).await;
        if let Some(held) = held.filter(|held| held.entry.value == stale) {
            let fresh_until = (self.now() + REFRESH_AGAIN_MS).min(held.entry.expires_at);
            let entry = Entry { fresh_until, generations, ..held.entry.clone() };
            self.local.put(key.namespace, key.hash, entry).await;
        }
    }

    /// Keeps a value in L1, and in L2 in the background.
    pub async fn keep(&self, key: &CacheKey, computed: CachedValue, generations: Vec<u64>) {
        let longest = self.settings.of(key.namespace).lifetime(key.namespace);
        let lifetime = computed.lifetime.within(longest);
        let ttl = lifetime.fresh + lifetime.stale;
        if ttl == Duration::ZERO {
            return;
        }
        let entry = Entry::new(computed.value, lifetime, self.now(), generations, key.tags.clone());
        if entry.value.len() <= MAX_SHARED {
            let (view_cache, shared_key, written) =
                (Arc::clone(&self.view_cache), key.shared_key(), entry.write());
            self.background.spawn(async move {
                if let Err(error) = view_cache.cache(&shared_key, written, ttl).await {
                    tracing::debug!(%error, "the view cache did not take a cached value");
                }
            });
        }
        self.local.put(key.namespace, key.hash, entry).await;
    }
}
