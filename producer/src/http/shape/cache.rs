//! The cache report, as a client sees it.

use backing::cache::{Cache, EntryUsage, HitCounts, NamespaceUsage, disk::DiskCache};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// Contents and hit rates of the caches of a process since it started.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CacheReport {
    /// All namespaces together, in this process.
    total: TotalReport,
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

/// All namespaces.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TotalReport {
    /// The cache in this process.
    l1: LevelReport,
    /// The shared cache, as this process used it.
    l2: LevelReport,
    /// Share of reads that either level answered, from 0 to 1; absent before the first read.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<f64>,
    /// Values in L1.
    entries: u64,
    /// Bytes of the values in L1.
    bytes: u64,
}

/// One namespace.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceReport {
    /// `text`, `media`, `metadata` or `outside`.
    namespace: &'static str,
    /// `false` if the settings turn it off: no values are kept.
    enabled: bool,
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
    /// The most values in L1.
    entries_limit: u64,
    /// Bytes of the values in L1.
    bytes: u64,
    /// The most bytes in L1.
    bytes_limit: u64,
    /// When the oldest value in L1 was computed; absent while there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    oldest_at: Option<Timestamp>,
    /// When the newest value in L1 was computed; absent while there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    newest_at: Option<Timestamp>,
    /// The values in L1 that were read most often, first the one read most.
    most_read: Vec<EntryReport>,
    /// Reads that the shared cache did not answer; they count as misses.
    l2_errors: u64,
    /// Reads that got an expired value while it was refreshed.
    stale: u64,
    /// Reads that waited for another's computation of the same value.
    waited: u64,
    /// Values that were computed.
    computed: u64,
    /// Computations that failed; their results are not cached.
    failed: u64,
}

/// A value in L1.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EntryReport {
    /// The hash that is its key.
    key: String,
    /// Tags and patterns that clear it.
    tags: Vec<String>,
    /// Its bytes.
    bytes: u64,
    /// When it was computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    computed_at: Option<Timestamp>,
    /// Reads of it in this process.
    hits: u64,
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
        let usage = cache.usage();
        Self {
            total: TotalReport::of(&usage),
            namespaces: usage.iter().map(|usage| NamespaceReport::of(cache, usage)).collect(),
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

impl TotalReport {
    fn of(usage: &[NamespaceUsage]) -> Self {
        let local: HitCounts = usage.iter().map(|usage| usage.local).sum();
        let shared: HitCounts = usage.iter().map(|usage| usage.shared).sum();
        // L2 is read only for what L1 misses.
        let answered = HitCounts {
            hits: local.hits + shared.hits,
            misses: local.misses.saturating_sub(shared.hits),
        };
        Self {
            l1: local.into(),
            l2: shared.into(),
            rate: answered.rate(),
            entries: usage.iter().map(|usage| usage.held.entries).sum(),
            bytes: usage.iter().map(|usage| usage.held.bytes).sum(),
        }
    }
}

impl NamespaceReport {
    fn of(cache: &Cache, usage: &NamespaceUsage) -> Self {
        let settings = cache.settings().of(usage.namespace);
        let lifetime = settings.lifetime(usage.namespace);
        Self {
            namespace: usage.namespace.as_str(),
            enabled: settings.enabled,
            fresh_seconds: lifetime.fresh.as_secs(),
            stale_seconds: lifetime.stale.as_secs(),
            l1: usage.local.into(),
            l2: usage.shared.into(),
            entries: usage.held.entries,
            entries_limit: settings.entries,
            bytes: usage.held.bytes,
            bytes_limit: settings.bytes,
            oldest_at: usage.held.oldest.and_then(timestamp),
            newest_at: usage.held.newest.and_then(timestamp),
            most_read: usage.held.most_read.iter().map(EntryReport::of).collect(),
            l2_errors: usage.shared_errors,
            stale: usage.stale,
            waited: usage.waited,
            computed: usage.computed,
            failed: usage.failed,
        }
    }
}

impl EntryReport {
    fn of(entry: &EntryUsage) -> Self {
        Self {
            key: entry.key.to_string(),
            tags: entry.tags.iter().map(|tag| tag.as_str().to_owned()).collect(),
            bytes: entry.bytes,
            computed_at: timestamp(entry.computed_at),
            hits: entry.hits,
        }
    }
}

fn timestamp(milliseconds: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(milliseconds).ok()
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
