//! L1: often read values in this process.

use std::sync::Arc;

use common::id::Digest;
use moka::future::Cache as Moka;

use super::{entry::Entry, key::Tag, namespace::Namespace};

/// Most values of a namespace.
const ENTRIES: u64 = 1_000;
/// Most bytes of a value. Larger ones are in L2 only, so a namespace takes 64 MB at most.
pub(super) const MAX_VALUE: usize = 64 * 1024;

/// The values of each namespace. moka evicts by its own policy, which keeps values that are read
/// often and withstands a scan of cold keys. Expiry is not moka's, so that it follows the given
/// clock and the times stored in L2.
pub(super) struct LocalValues {
    by_namespace: [Moka<Digest, Arc<Entry>>; Namespace::ALL.len()],
}

impl LocalValues {
    pub fn new() -> Self {
        Self {
            by_namespace: Namespace::ALL.map(|namespace| {
                Moka::builder().name(namespace.as_str()).max_capacity(ENTRIES).build()
            }),
        }
    }

    pub async fn get(&self, namespace: Namespace, key: &Digest) -> Option<Arc<Entry>> {
        self.by_namespace[namespace.index()].get(key).await
    }

    pub async fn put(&self, namespace: Namespace, key: Digest, entry: Entry) {
        if entry.value.len() <= MAX_VALUE {
            self.by_namespace[namespace.index()].insert(key, Arc::new(entry)).await;
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
            let tagged = values.iter().filter(|(_, entry)| entry.tags.contains(tag));
            let keys: Vec<Digest> = tagged.map(|(key, _)| *key).collect();
            for key in keys {
                values.invalidate(&key).await;
                cleared += 1;
            }
        }
        cleared
    }

    /// Number of values of a namespace, and their bytes. Counted one by one, as there are few.
    pub fn size(&self, namespace: Namespace) -> (u64, u64) {
        let entries = self.by_namespace[namespace.index()].iter();
        entries.fold((0, 0), |(count, bytes), (_, entry)| {
            (count + 1, bytes + entry.value.len() as u64)
        })
    }
}
