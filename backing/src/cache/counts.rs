//! Counts of reads by level and namespace.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{local::LocalUsage, namespace::Namespace};

/// Counters of one namespace in this process.
#[derive(Debug, Default)]
pub(super) struct NamespaceCounters {
    pub local_hits: AtomicU64,
    pub local_misses: AtomicU64,
    pub shared_hits: AtomicU64,
    pub shared_misses: AtomicU64,
    pub shared_errors: AtomicU64,
    pub stale: AtomicU64,
    pub waited: AtomicU64,
    pub computed: AtomicU64,
    pub failed: AtomicU64,
}

/// Adds one.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// The contents of a namespace, and counts of its reads in this process since it started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceUsage {
    pub namespace: Namespace,
    /// Reads of L1, in process.
    pub local: HitCounts,
    /// The contents of L1.
    pub held: LocalUsage,
    /// Reads of L2, on the view cache.
    pub shared: HitCounts,
    /// Reads that the view cache did not answer.
    pub shared_errors: u64,
    /// Stale values that were served while they were refreshed.
    pub stale: u64,
    /// Reads that waited for another reader's computation.
    pub waited: u64,
    /// Values that were computed.
    pub computed: u64,
    /// Computations that failed. Failures are not kept.
    pub failed: u64,
}

/// Reads of one level that found a value, and that did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HitCounts {
    pub hits: u64,
    pub misses: u64,
}

impl std::iter::Sum for HitCounts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |sum, counts| Self {
            hits: sum.hits + counts.hits,
            misses: sum.misses + counts.misses,
        })
    }
}

impl HitCounts {
    /// Share of hits among all reads; none before the first read.
    pub fn rate(self) -> Option<f64> {
        let reads = self.hits + self.misses;
        (reads > 0).then(|| self.hits as f64 / reads as f64)
    }
}

impl NamespaceCounters {
    pub fn usage(&self, namespace: Namespace, held: LocalUsage) -> NamespaceUsage {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        let level = |hits: &AtomicU64, misses: &AtomicU64| HitCounts {
            hits: read(hits),
            misses: read(misses),
        };
        NamespaceUsage {
            namespace,
            local: level(&self.local_hits, &self.local_misses),
            held,
            shared: level(&self.shared_hits, &self.shared_misses),
            shared_errors: read(&self.shared_errors),
            stale: read(&self.stale),
            waited: read(&self.waited),
            computed: read(&self.computed),
            failed: read(&self.failed),
        }
    }
}
