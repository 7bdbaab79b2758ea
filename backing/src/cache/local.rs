//! L1: hot values in this process.

use std::sync::Arc;

use common::id::Digest;
use moka::future::Cache as Moka;

use super::{Namespace, entry::Entry, item::Tag};

/// Values of a namespace that are held.
const ENTRIES: u64 = 1_000;
/// A larger value is left to L2, so a namespace takes 64 MB at most.
pub(super) const MAX_VALUE: usize = 64 * 1024;

/// A room for each namespace. moka's own policy decides what goes: it keeps what is asked for often, and a scan of cold keys can't flush it.
/// Times are ours and not moka's, so that they follow the clock that is given and the time that L2 says.
pub(super) struct Local {
    rooms: [Moka<Digest, Arc<Entry>>; Namespace::ALL.len()],
}

impl Local {
    pub fn new() -> Self {
        Self {
            rooms: Namespace::ALL.map(|namespace| {
                Moka::builder().name(namespace.as_str()).max_capacity(ENTRIES).build()
            }),
        }
    }

    pub async fn get(&self, namespace: Namespace, key: &Digest) -> Option<Arc<Entry>> {
        self.rooms[namespace.index()].get(key).await
    }

    pub async fn put(&self, namespace: Namespace, key: Digest, entry: Entry) {
        if entry.value.len() <= MAX_VALUE {
            self.rooms[namespace.index()].insert(key, Arc::new(entry)).await;
        } else {
            // What was there before is older.
            self.forget(namespace, &key).await;
        }
    }

    pub async fn forget(&self, namespace: Namespace, key: &Digest) {
        self.rooms[namespace.index()].invalidate(key).await;
    }

    /// Forgets all that has this tag; answers how many.
    pub async fn clear(&self, tag: &Tag) -> u64 {
        let mut cleared = 0;
        for room in &self.rooms {
            let tagged = room.iter().filter(|(_, entry)| entry.tags.contains(tag));
            let keys: Vec<Digest> = tagged.map(|(key, _)| *key).collect();
            for key in keys {
                room.invalidate(&key).await;
                cleared += 1;
            }
        }
        cleared
    }

    /// How many values a namespace holds, and their bytes. They are looked at one by one: there are few.
    pub fn size(&self, namespace: Namespace) -> (u64, u64) {
        let entries = self.rooms[namespace.index()].iter();
        entries.fold((0, 0), |(count, bytes), (_, entry)| {
            (count + 1, bytes + entry.value.len() as u64)
        })
    }
}
