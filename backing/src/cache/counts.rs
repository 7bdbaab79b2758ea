//! What became of reads, by level and namespace. Plain numbers: whoever shows them decides how.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::Namespace;

/// Counts of one namespace in this process.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub local_hits: AtomicU64,
    pub local_misses: AtomicU64,
    pub shared_hits: AtomicU64,
    pub shared_misses: AtomicU64,
    pub shared_faults: AtomicU64,
    pub stale: AtomicU64,
    pub waited: AtomicU64,
    pub made: AtomicU64,
    pub failed: AtomicU64,
}

/// One more.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// What a namespace holds and how its reads ended, in this process since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Which.
    pub namespace: Namespace,
    /// In process.
    pub local: Level,
    /// Values in L1.
    pub entries: u64,
    /// Their bytes.
    pub bytes: u64,
    /// On the view cache.
    pub shared: Level,
    /// Questions that the view cache did not answer.
    pub shared_faults: u64,
    /// Values that were served past their time while they were refreshed.
    pub stale: u64,
    /// Reads that waited for another's computation.
    pub waited: u64,
    /// Values that were computed.
    pub made: u64,
    /// Computations that failed, and so were not kept.
    pub failed: u64,
}

/// How reads of a level ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Level {
    /// It had the value.
    pub hits: u64,
    /// It had not.
    pub misses: u64,
}

impl Level {
    /// Hits among all reads; nothing before the first.
    pub fn rate(self) -> Option<f64> {
        let reads = self.hits + self.misses;
        (reads > 0).then(|| self.hits as f64 / reads as f64)
    }
}

impl Counts {
    pub fn usage(&self, namespace: Namespace, (entries, bytes): (u64, u64)) -> Usage {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        let level =
            |hits: &AtomicU64, misses: &AtomicU64| Level { hits: read(hits), misses: read(misses) };
        Usage {
            namespace,
            local: level(&self.local_hits, &self.local_misses),
            entries,
            bytes,
            shared: level(&self.shared_hits, &self.shared_misses),
            shared_faults: read(&self.shared_faults),
            stale: read(&self.stale),
            waited: read(&self.waited),
            made: read(&self.made),
            failed: read(&self.failed),
        }
    }
}
