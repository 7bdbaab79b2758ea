//! The cache report, as a client sees it.

use backing::cache::{Cache, HitCounts, NamespaceUsage, disk::DiskCache};
use serde::Serialize;
use utoipa::ToSchema;

/// Contents and hit rates of the caches of a process since it started.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CacheReport {
    /// One entry per namespace, in this process.
    namespaces: Vec<NamespaceReport>,
    /// L3: tasks that a memo could settle, by kind, as this process saw their jobs end.
    memos: Vec<MemoReport>,
    /// The view cache that all processes share: views and cached values together. Absent while it
    /// is away.
    #[serde(skip_serializing_if = "Option::is_none")]
    shared: Option<SharedReport>,
    /// The worker's disk cache of artifacts. Absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    disk: Option<DiskReport>,
}

/// One namespace.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceReport {
    /// `text`, `media`, `metadata` or `outside`.
    namespace: &'static str,
    /// Seconds that its values are served as they are.
    fresh_seconds: u64,
    /// Seconds after that in which they may be served while they are refreshed.
    stale_seconds: u64,
    /// The cache in this process.
    l1: LevelReport,
    /// The shared cache, as this process used it.
    l2: LevelReport,
    /// Values in L1.
    entries: u64,
    /// Bytes of the values in L1.
    bytes: u64,
    /// Reads that the shared cache did not answer; they count as misses.
    l2_faults: u64,
    /// Reads that got an expired value while it was refreshed.
    stale: u64,
    /// Reads that waited for another's computation of the same value.
    waited: u64,
    /// Values that were computed.
    made: u64,
    /// Computations that failed; their results are not cached.
    failed: u64,
}

/// A kind whose outputs are memoised.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemoReport {
    /// The kind.
    kind: &'static str,
    /// Tasks answered by a memo or by another task's run (hits), and tasks that ran (misses).
    l3: LevelReport,
}

/// Reads of a level.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct LevelReport {
    /// Reads that found a value.
    hits: u64,
    /// Reads that found none.
    misses: u64,
    /// Share of hits among all reads, from 0 to 1; absent before the first read.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<f64>,
}

/// The view cache.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct SharedReport {
    /// Views and values in it.
    entries: u64,
    /// Approximate memory in bytes.
    bytes: u64,
    /// Upper bound of its bytes, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    /// Entries evicted for want of room.
    evicted: u64,
    /// All reads of it, views included, since it started. Absent where it does not count them.
    #[serde(skip_serializing_if = "Option::is_none")]
    reads: Option<LevelReport>,
}

/// A worker's disk cache.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct DiskReport {
    /// Files, of all processes that share the folder.
    entries: u64,
    /// Bytes of the files.
    bytes: u64,
    /// Upper bound of the bytes.
    limit: u64,
    /// Reads of this process.
    reads: LevelReport,
    /// Files evicted for want of room.
    evicted: u64,
    /// Damaged files, removed unserved.
    corrupt: u64,
}

impl CacheReport {
    /// Reads the counts of this process's caches and the size of the view cache.
    pub async fn of(cache: &Cache, disk: Option<&DiskCache>) -> Self {
        let shared = cache.shared_usage().await.ok().map(|usage| SharedReport {
            entries: usage.entries,
            bytes: usage.bytes,
            limit: usage.limit,
            evicted: usage.evicted,
            reads: usage
                .hits
                .zip(usage.misses)
                .map(|(hits, misses)| HitCounts { hits, misses }.into()),
        });
        Self {
            namespaces: cache.usage().into_iter().map(NamespaceReport::from).collect(),
            memos: cache
                .memo_hits()
                .by_kind()
                .into_iter()
                .map(|(kind, l3)| MemoReport { kind, l3: l3.into() })
                .collect(),
            shared,
            disk: disk.map(DiskReport::of),
        }
    }
}

impl From<NamespaceUsage> for NamespaceReport {
    fn from(usage: NamespaceUsage) -> Self {
        let life = usage.namespace.lifetime();
        Self {
            namespace: usage.namespace.as_str(),
            fresh_seconds: life.fresh.as_secs(),
            stale_seconds: life.stale.as_secs(),
            l1: usage.local.into(),
            l2: usage.shared.into(),
            entries: usage.entries,
            bytes: usage.bytes,
            l2_faults: usage.shared_errors,
            stale: usage.stale,
            waited: usage.waited,
            made: usage.computed,
            failed: usage.failed,
        }
    }
}

impl From<HitCounts> for LevelReport {
    fn from(level: HitCounts) -> Self {
        Self { hits: level.hits, misses: level.misses, rate: level.rate() }
    }
}

impl DiskReport {
    fn of(disk: &DiskCache) -> Self {
        let usage = disk.usage();
        Self {
            entries: usage.entries,
            bytes: usage.bytes,
            limit: usage.limit,
            reads: HitCounts { hits: usage.hits, misses: usage.misses }.into(),
            evicted: usage.evicted,
            corrupt: usage.corrupt,
        }
    }
}
