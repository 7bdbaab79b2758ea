//! Clears values by tag, across processes. Each tag has a generation on the view cache, and a value
//! is valid only under the generations that it was computed under.
//!
//! Clearing writes one new number, however many values there are; they are found invalid when they
//! are read, or expire unread. A process uses the generation it knows for [`CLEARED_WITHIN`], which
//! bounds how long its L1 serves values that another process cleared. Generations are random and
//! not counted up: a view cache that lost everything starts with new ones, and no old value is
//! valid again.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use common::port::{PortResult, view_cache::ViewCache};
use futures::future::join_all;
use parking_lot::RwLock;
use tokio::sync::{Mutex, MutexGuard};

use super::key::Tag;

/// Longest time for which a process still serves values that another process cleared.
pub const CLEARED_WITHIN: Duration = Duration::from_secs(1);
/// Lifetime of a generation on the view cache: longer than that of any value.
const GENERATION_TTL: Duration = Duration::from_secs(30 * 24 * 3_600);
/// Tags known in this process. Past that all are forgotten, which costs reading them again.
const MAX_TAGS: usize = 10_000;
/// The generation of a tag before the view cache was first reached. Values stored under it expire
/// when it is reached.
const UNKNOWN: u64 = 0;
/// Number of locks that tags are spread over, so that a slow read of one tag blocks few others.
const LOCKS: usize = 64;

/// The generations as this process knows them.
pub(super) struct Generations {
    view_cache: Arc<dyn ViewCache>,
    known: RwLock<HashMap<Tag, KnownGeneration>>,
    /// Serialises access to a tag's generation: two readers that both created one would invalidate
    /// each other's values.
    locks: [Mutex<()>; LOCKS],
    lock_of: RandomState,
}

/// A generation and the time at which it was read, in milliseconds since 1970.
#[derive(Debug, Clone, Copy)]
struct KnownGeneration {
    generation: u64,
    read_at: i64,
}

impl Generations {
    pub fn new(view_cache: Arc<dyn ViewCache>) -> Self {
        Self {
            view_cache,
            known: RwLock::default(),
            locks: std::array::from_fn(|_| Mutex::default()),
            lock_of: RandomState::new(),
        }
    }

    /// The generations of these tags, in their order. While the view cache is away, those that were
    /// last known.
    pub async fn of(&self, tags: &[Tag], now: i64) -> Vec<u64> {
        if let Some(all) = self.recent(tags, now) {
            return all;
        }
        join_all(tags.iter().map(|tag| self.read(tag, now))).await
    }

    fn recent(&self, tags: &[Tag], now: i64) -> Option<Vec<u64>> {
        let known = self.known.read();
        tags.iter()
            .map(|tag| {
                known.get(tag).filter(|known| known.is_recent(now)).map(|known| known.generation)
            })
            .collect()
    }

    async fn lock(&self, tag: &Tag) -> MutexGuard<'_, ()> {
        self.locks[self.lock_of.hash_one(tag) as usize % LOCKS].lock().await
    }

    async fn read(&self, tag: &Tag, now: i64) -> u64 {
        let _lock = self.lock(tag).await;
        let before = self.known.read().get(tag).copied();
        if let Some(known) = before.filter(|known| known.is_recent(now)) {
            return known.generation;
        }
        let before = before.map_or(UNKNOWN, |known| known.generation);
        let generation = match self.view_cache.cached(&shared_key(tag)).await {
            Ok(Some(bytes)) => decode(&bytes).unwrap_or(UNKNOWN),
            // If two processes create one at once, the later one's stays and the values of the
            // earlier one are invalid: harmless.
            Ok(None) => self.create(tag).await.unwrap_or(before),
            Err(_) => before,
        };
        // After an error too, so that a view cache that is away is not asked at every read.
        self.remember(tag, generation, now);
        generation
    }

    /// Invalidates all values with this tag, in every process within [`CLEARED_WITHIN`].
    pub async fn clear(&self, tag: &Tag, now: i64) -> PortResult<()> {
        let _lock = self.lock(tag).await;
        let generation = self.create(tag).await?;
        self.remember(tag, generation, now);
        Ok(())
    }

    async fn create(&self, tag: &Tag) -> PortResult<u64> {
        let generation = rand::random::<u64>().max(UNKNOWN + 1);
        let bytes = Bytes::copy_from_slice(&generation.to_be_bytes());
        self.view_cache.cache(&shared_key(tag), bytes, GENERATION_TTL).await?;
        Ok(generation)
    }

    fn remember(&self, tag: &Tag, generation: u64, now: i64) {
        let mut known = self.known.write();
        if known.len() >= MAX_TAGS {
            known.clear();
        }
        known.insert(tag.clone(), KnownGeneration { generation, read_at: now });
    }
}

impl KnownGeneration {
    /// Returns whether it may be used at `now`; not if the clock was set back.
    fn is_recent(self, now: i64) -> bool {
        (0..CLEARED_WITHIN.as_millis() as i64).contains(&(now - self.read_at))
    }
}

fn shared_key(tag: &Tag) -> String {
    format!("tag:{}", tag.as_str())
}

fn decode(bytes: &Bytes) -> Option<u64> {
    bytes.as_ref().try_into().ok().map(u64::from_be_bytes)
}
