//! Clearing by tag, across processes: each tag has a generation on the view cache, and a value is only good under the generations it was made under.
//!
//! To clear is to write one new number, however many values there are; they are found out as they are read, and expire unread. A process
//! believes what it knows of a generation for [`BELIEVED`], which bounds how long its L1 serves what was cleared elsewhere. Generations are
//! random and not counted up: a view cache that lost all starts with new ones, and nothing of old comes back.

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

use super::item::Tag;

/// How long a generation is believed without asking: the bound on serving what another process cleared.
pub const BELIEVED: Duration = Duration::from_secs(1);
/// Longer than any value lives.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3_600);
/// Tags known in process. Past that all are forgotten, which costs asking again.
const MOST: usize = 10_000;
/// The generation of a tag before the view cache was first reached. Values stored under it expire
/// when it is reached.
const UNKNOWN: u64 = 0;
/// Tags are spread over this many lines, so that one whose answer is slow holds up few others.
const LINES: usize = 64;

/// The generations as this process knows them.
pub(super) struct Generations {
    view_cache: Arc<dyn ViewCache>,
    known: RwLock<HashMap<Tag, Known>>,
    /// Serialises access to a tag's generation: two readers that both created one would invalidate
    /// each other's values.
    lines: [Mutex<()>; LINES],
    spread: RandomState,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    generation: u64,
    asked_at: i64,
}

impl Generations {
    pub fn new(view_cache: Arc<dyn ViewCache>) -> Self {
        Self {
            view_cache,
            known: RwLock::default(),
            lines: std::array::from_fn(|_| Mutex::default()),
            spread: RandomState::new(),
        }
    }

    /// The generations of these tags, in their order. With the view cache away they are what they were last known to be.
    pub async fn of(&self, tags: &[Tag], now: i64) -> Vec<u64> {
        if let Some(all) = self.believed(tags, now) {
            return all;
        }
        join_all(tags.iter().map(|tag| self.ask(tag, now))).await
    }

    fn believed(&self, tags: &[Tag], now: i64) -> Option<Vec<u64>> {
        let known = self.known.read();
        tags.iter()
            .map(|tag| {
                known.get(tag).filter(|known| known.is_recent(now)).map(|known| known.generation)
            })
            .collect()
    }

    async fn line(&self, tag: &Tag) -> MutexGuard<'_, ()> {
        self.lines[self.spread.hash_one(tag) as usize % LINES].lock().await
    }

    async fn ask(&self, tag: &Tag, now: i64) -> u64 {
        let _line = self.line(tag).await;
        let before = self.known.read().get(tag).copied();
        if let Some(known) = before.filter(|known| known.is_recent(now)) {
            return known.generation;
        }
        let before = before.map_or(UNKNOWN, |known| known.generation);
        let generation = match self.view_cache.cached(&name(tag)).await {
            Ok(Some(bytes)) => read(&bytes).unwrap_or(UNKNOWN),
            // Of two processes that start one at once the later's stays, and the earlier's values end: harmless.
            Ok(None) => self.start(tag).await.unwrap_or(before),
            Err(_) => before,
        };
        // After a fault too: nobody asks a dead view_cache at every read.
        self.learn(tag, generation, now);
        generation
    }

    /// Ends everything with this tag, in every process within [`BELIEVED`].
    pub async fn clear(&self, tag: &Tag, now: i64) -> PortResult<()> {
        let _line = self.line(tag).await;
        let generation = self.start(tag).await?;
        self.learn(tag, generation, now);
        Ok(())
    }

    async fn start(&self, tag: &Tag) -> PortResult<u64> {
        let generation = rand::random::<u64>().max(UNKNOWN + 1);
        self.view_cache
            .cache(&name(tag), Bytes::copy_from_slice(&generation.to_be_bytes()), KEPT)
            .await?;
        Ok(generation)
    }

    fn learn(&self, tag: &Tag, generation: u64, now: i64) {
        let mut known = self.known.write();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(tag.clone(), Known { generation, asked_at: now });
    }
}

impl Known {
    /// A clock that was set back makes nothing recent.
    fn is_recent(self, now: i64) -> bool {
        (0..BELIEVED.as_millis() as i64).contains(&(now - self.asked_at))
    }
}

fn name(tag: &Tag) -> String {
    format!("tag:{}", tag.as_str())
}

fn read(bytes: &Bytes) -> Option<u64> {
    bytes.as_ref().try_into().ok().map(u64::from_be_bytes)
}
