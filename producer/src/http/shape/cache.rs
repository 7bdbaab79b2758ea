//! What the caches do, as it is shown.

use backing::cache::{Cache, Level, Usage, disk::DiskCache};
use serde::Serialize;
use utoipa::ToSchema;

/// What the caches of a process hold, and how reads of them ended since it started.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CacheReport {
    /// Each namespace, in this process.
    namespaces: Vec<NamespaceReport>,
    /// L3: tasks that a memo could settle, by kind, as this process saw their jobs end.
    memos: Vec<MemoReport>,
    /// The view cache that all processes share: views and cached values together. Left out while it is away.
    #[serde(skip_serializing_if = "Option::is_none")]
    shared: Option<SharedReport>,
    /// The files that a worker keeps near. Left out where it keeps none.
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
    /// In process.
    l1: LevelReport,
    /// On the view cache, as this process asked it.
    l2: LevelReport,
    /// Values in L1.
    entries: u64,
    /// Their bytes.
    bytes: u64,
    /// Questions that the view cache did not answer; they counted as misses.
    l2_faults: u64,
    /// Reads that were given a value past its time while it was refreshed.
    stale: u64,
    /// Reads that waited for another's computation of the same value.
    waited: u64,
    /// Values that were computed.
    made: u64,
    /// Computations that failed; nothing was kept of them.
    failed: u64,
}

/// A kind whose outputs are remembered.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemoReport {
    /// The kind.
    kind: &'static str,
    /// Tasks that were found (a memo's, or one that ran for several), and tasks that ran.
    l3: LevelReport,
}

/// How reads of a level ended.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct LevelReport {
    /// It had the value.
    hits: u64,
    /// It had not.
    misses: u64,
    /// Hits among all reads, from 0 to 1; left out before the first read.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<f64>,
}

/// The view cache.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct SharedReport {
    /// Views and values that it holds.
    entries: u64,
    /// The memory they take, about.
    bytes: u64,
    /// The most it may take, where there is a bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    /// What was pushed out for want of room.
    evicted: u64,
    /// How all reads of it ended, views included, since it started. Left out where it does not count them.
    #[serde(skip_serializing_if = "Option::is_none")]
    reads: Option<LevelReport>,
}

/// The files that a worker keeps near.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct DiskReport {
    /// Files, of all processes that share the folder.
    entries: u64,
    /// Their bytes.
    bytes: u64,
    /// The most bytes.
    limit: u64,
    /// How this process's reads ended.
    reads: LevelReport,
    /// Files that went for want of room.
    evicted: u64,
    /// Files that were damaged, and were removed unserved.
    corrupt: u64,
}

impl CacheReport {
    /// Looks at the caches of this process and asks the view cache how much it holds.
    pub async fn of(cache: &Cache, disk: Option<&DiskCache>) -> Self {
        let shared = cache.extent().await.ok().map(|extent| SharedReport {
            entries: extent.entries,
            bytes: extent.bytes,
            limit: extent.limit,
            evicted: extent.evicted,
            reads: extent
                .hits
                .zip(extent.misses)
                .map(|(hits, misses)| Level { hits, misses }.into()),
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

impl From<Usage> for NamespaceReport {
    fn from(usage: Usage) -> Self {
        let life = usage.namespace.life();
        Self {
            namespace: usage.namespace.as_str(),
            fresh_seconds: life.fresh.as_secs(),
            stale_seconds: life.stale.as_secs(),
            l1: usage.local.into(),
            l2: usage.shared.into(),
            entries: usage.entries,
            bytes: usage.bytes,
            l2_faults: usage.shared_faults,
            stale: usage.stale,
            waited: usage.waited,
            made: usage.made,
            failed: usage.failed,
        }
    }
}

impl From<Level> for LevelReport {
    fn from(level: Level) -> Self {
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
            reads: Level { hits: usage.hits, misses: usage.misses }.into(),
            evicted: usage.evicted,
            corrupt: usage.corrupt,
        }
    }
}
