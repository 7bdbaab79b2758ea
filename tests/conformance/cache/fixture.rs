//! A cache with a clock that the test sets, and computations that count themselves.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use backing::cache::{
    Cache, CacheKey, CachedValue, ComputeError, Lifetime, Namespace, NamespaceUsage,
};
use bytes::Bytes;
use common::{
    error::JobError,
    port::{clock::Clock, view_cache::ViewCache},
};
use jiff::Timestamp;

/// A clock that moves only when the test moves it.
pub struct StillClock(AtomicI64);

impl StillClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(1_700_000_000_000)))
    }

    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), SeqCst);
    }
}

impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(SeqCst)).unwrap()
    }
}

/// The cache of one process over `view_cache`.
pub fn cache(view_cache: &Arc<dyn ViewCache>, clock: &Arc<StillClock>) -> Cache {
    Cache::new(Arc::clone(view_cache), clock.clone())
}

pub fn item(namespace: Namespace, key: &str) -> CacheKey {
    CacheKey::new(namespace, [key.as_bytes()])
}

/// Counts computations.
#[derive(Default)]
pub struct ComputeCount(AtomicUsize);

impl ComputeCount {
    pub fn get(&self) -> usize {
        self.0.load(SeqCst)
    }

    /// A computation that returns `value`.
    pub async fn make(&self, value: &'static str) -> Result<CachedValue, ComputeError> {
        self.0.fetch_add(1, SeqCst);
        Ok(CachedValue::new(value))
    }

    /// A computation that returns `value` with a lifetime of its own.
    pub async fn make_for(
        &self,
        value: &'static str,
        life: Lifetime,
    ) -> Result<CachedValue, ComputeError> {
        self.0.fetch_add(1, SeqCst);
        Ok(CachedValue { value: Bytes::from(value), lifetime: life })
    }

    /// A computation that fails.
    pub async fn fail(&self) -> Result<CachedValue, ComputeError> {
        self.0.fetch_add(1, SeqCst);
        Err(ComputeError::Failed(error()))
    }
}

pub fn error() -> JobError {
    JobError::transient("unavailable", "the provider is away")
}

pub fn usage(cache: &Cache, namespace: Namespace) -> NamespaceUsage {
    cache.usage().into_iter().find(|usage| usage.namespace == namespace).unwrap()
}
