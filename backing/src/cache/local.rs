//! L1: often read values in this process.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use common::id::Digest;
use moka::future::Cache as Moka;

use super::{
    entry::Entry,
    key::Tag,
    namespace::Namespace,
    settings::{CacheSettings, NamespaceSettings},
};

/// Most bytes of a value. Larger ones are in L2 only.
pub(super) const MAX_VALUE: usize = 64 * 1024;
/// Approximate bytes that a value takes besides its own: its key, times and tags.
const OVERHEAD: u64 = 512;
/// Number of the most read entries that are reported of each namespace.
const REPORTED: usize = 5;

/// The values of each namespace. moka evicts by its own policy, which keeps values that are read
/// often and withstands a scan of cold keys. Expiry is not moka's, so that it follows the given
/// clock and the times stored in L2.
pub(super) struct LocalValues {
    by_namespace: [Moka<Digest, Arc<LocalEntry>>; Namespace::ALL.len()],
}

/// An entry, and how often this process read it.
pub(super) struct LocalEntry {
    pub entry: Entry,
    hits: AtomicU64,
}

/// The contents of a namespace in L1.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LocalUsage {
    pub entries: u64,
    /// Bytes of the values alone.
    pub bytes: u64,
    /// When the oldest entry was computed, in milliseconds since 1970.
    pub oldest: Option<i64>,
    /// When the newest entry was computed, in milliseconds since 1970.
    pub newest: Option<i64>,
    /// The entries that were read most often, first the one read most.
    pub most_read: Vec<EntryUsage>,
}

/// One entry of L1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryUsage {
    /// The hash that is its key.
    pub key: Digest,
    /// Tags that clear it.
    pub tags: Vec<Tag>,
    pub bytes: u64,
    /// When it was computed, in milliseconds since 1970.
    pub computed_at: i64,
    /// Reads of it in this process.
    pub hits: u64,
}

impl LocalValues {
    pub fn new(settings: &CacheSettings) -> Self {
        Self {
            by_namespace: Namespace::ALL
                .map(|namespace| bounded(namespace, settings.of(namespace))),
        }
    }

    /// Reads an entry and counts the read.
    pub async fn get(&self, namespace: Namespace, key: &Digest) -> Option<Arc<LocalEntry>> {
        let found = self.by_namespace[namespace.index()].get(key).await?;
        found.hits.fetch_add(1, Relaxed);
        Some(found)
    }

    pub async fn put(&self, namespace: Namespace, key: Digest, entry: Entry) {
        if entry.value.len() <= MAX_VALUE {
            let entry = Arc::new(LocalEntry { entry, hits: AtomicU64::new(0) });
            self.by_namespace[namespace.index()].insert(key, entry).await;
        } else {
            // A value that is there is older.
            self.forget(namespace, &key).await;
        }
    }

    pub async fn forget(&self, namespace: Namespace, key: &Digest) {
        self.by_namespace[namespace.index()].invalidate(key).await;
    }

    /// Forgets all values with this tag, and returns their number.
    pub async fn clear(&self, tag: &Tag) -> u64 {
        let mut cleared = 0;
        for values in &self.by_namespace {
            let tagged = values.iter().filter(|(_, held)| held.entry.tags.contains(tag));
            let keys: Vec<Digest> = tagged.map(|(key, _)| *key).collect();
            for key in keys {
                values.invalidate(&key).await;
                cleared += 1;
            }
        }
        cleared
    }

    /// Evicts what is beyond the bounds now, and not some writes later.
    pub async fn evict(&self) {
        for values in &self.by_namespace {
            values.run_pending_tasks().await;
        }
    }

    /// The contents of a namespace. Counted one by one, as they are few.
    pub fn usage(&self, namespace: Namespace) -> LocalUsage {
        let values = self.by_namespace[namespace.index()].iter();
        let mut entries: Vec<EntryUsage> = values.map(|(key, held)| held.usage(*key)).collect();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.hits));
        LocalUsage {
            entries: entries.len() as u64,
            bytes: entries.iter().map(|entry| entry.bytes).sum(),
            oldest: entries.iter().map(|entry| entry.computed_at).min(),
            newest: entries.iter().map(|entry| entry.computed_at).max(),
            most_read: entries.into_iter().take(REPORTED).collect(),
        }
    }
}

impl LocalEntry {
    fn usage(&self, key: Digest) -> EntryUsage {
        EntryUsage {
            key,
            tags: self.entry.tags.clone(),
            bytes: self.entry.value.len() as u64,
            computed_at: self.entry.computed_at,
            hits: self.hits.load(Relaxed),
        }
    }
}

/// Builds the cache of a namespace. moka has one bound: each value counts as the bytes that it
/// takes, or as an equal share of all bytes if that is more, so that both bounds hold.
fn bounded(namespace: Namespace, settings: &NamespaceSettings) -> Moka<Digest, Arc<LocalEntry>> {
    let share = settings.bytes.checked_div(settings.entries);
    let weight = move |_: &Digest, held: &Arc<LocalEntry>| {
        let bytes = held.entry.value.len() as u64 + OVERHEAD;
        u32::try_from(bytes.max(share.unwrap_or_default())).unwrap_or(u32::MAX)
    };
    Moka::builder()
        .name(namespace.as_str())
        .max_capacity(share.map_or(0, |_| settings.bytes))
        .weigher(weight)
        .build()
}
