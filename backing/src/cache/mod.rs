//! Caches: L1 in this process over L2 on the view cache, for what is read again and could be computed again.
//!
//! A cache is never needed: with the view cache away L1 goes on, every fault of L2 is a miss, and nothing is waited for but one short answer.
//! A cold key is computed once in a process, by whoever came first; the memo shares whole tasks across the fleet, so L2 need not.
//! A failure is given to those who waited for it and never kept. What is kept is checked by nobody: only whole, validated values go in.

mod counts;
pub mod disk;
mod entry;
mod flights;
mod item;
mod levels;
mod local;
mod memo_hits;
mod namespace;
mod tags;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use common::{
    error::JobError,
    port::{
        PortResult,
        clock::Clock,
        view_cache::{ViewCache, ViewCacheUsage},
    },
};

pub use counts::{Level, Usage};
pub use item::{Item, Tag};
pub use memo_hits::MemoHits;
pub use namespace::{Life, Namespace};
pub use tags::BELIEVED;

use self::levels::{Found, Levels, Refreshing};

/// A value that was computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The value.
    pub value: Bytes,
    /// How long it is believed; the namespace's life is the most.
    pub life: Life,
}

impl Made {
    /// Believed for as long as the namespace says.
    pub fn new(value: impl Into<Bytes>) -> Self {
        Self { value: value.into(), life: Life::fresh(Duration::MAX) }
    }
}

/// Why a value was not computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unmade {
    /// It can't be now: all who wait are told, and the next to come tries anew.
    Failed(JobError),
    /// Whoever computed was told to stop, which is nobody else's business: the next in line computes.
    Stopped,
}

/// Both levels, for one process. Cheap to clone.
#[derive(Clone)]
pub struct Cache {
    levels: Arc<Levels>,
    memo_hits: Arc<MemoHits>,
}

impl Cache {
    /// An empty L1 over what is on the view cache.
    pub fn new(view_cache: Arc<dyn ViewCache>, clock: Arc<dyn Clock>) -> Self {
        Self { levels: Arc::new(Levels::new(view_cache, clock)), memo_hits: Arc::default() }
    }

    /// The value, if a level has it fresh.
    pub async fn get(&self, item: &Item) -> Option<Bytes> {
        let generations = self.levels.generations(item).await;
        if let Found::Fresh(value) = self.levels.in_process(item, &generations, true).await {
            return Some(value);
        }
        match self.levels.on_view_cache(item, &generations).await {
            Found::Fresh(value) => Some(value),
            Found::Stale(_) | Found::Nothing => None,
        }
    }

    /// Keeps a value at both levels. L2 is written in the background: nobody waits for a view cache that may be away.
    pub async fn put(&self, item: &Item, made: Made) {
        let generations = self.levels.generations(item).await;
        self.levels.keep(item, made, generations).await;
    }

    /// The value: from a level, or by `making` it, once for all who want it now. `making` is not begun unless it is needed.
    ///
    /// # Errors
    /// What `making` failed with, here or in whoever computed first.
    pub async fn get_or_make(
        &self,
        item: &Item,
        making: impl Future<Output = Result<Made, Unmade>>,
    ) -> Result<Bytes, Unmade> {
        let generations = self.levels.generations(item).await;
        if let Found::Fresh(value) = self.levels.in_process(item, &generations, true).await {
            return Ok(value);
        }
        let seat = self.levels.flights.join(item.key);
        let turn = seat.turn().await;
        if let Some(outcome) = self.levels.waited(item, &turn) {
            return outcome;
        }
        match self.levels.meanwhile(item, &generations).await {
            Found::Fresh(value) => {
                turn.end(Ok(value.clone()));
                Ok(value)
            }
            _ => self.levels.make(item, making, generations, turn).await,
        }
    }

    /// As [`Self::get_or_make`], and a value past its time is served at once while `make` refreshes it, once, in the background.
    ///
    /// # Errors
    /// As there. A refresh that fails leaves the stale value until it is gone.
    pub async fn get_or_refresh<F>(
        &self,
        item: &Item,
        make: impl FnOnce() -> F,
    ) -> Result<Bytes, Unmade>
    where
        F: Future<Output = Result<Made, Unmade>> + Send + 'static,
    {
        let generations = self.levels.generations(item).await;
        match self.levels.in_process(item, &generations, true).await {
            Found::Fresh(value) => return Ok(value),
            Found::Stale(value) => return Ok(self.served_stale(item, make, generations, value)),
            Found::Nothing => {}
        }
        let seat = self.levels.flights.join(item.key);
        let turn = seat.turn().await;
        if let Some(outcome) = self.levels.waited(item, &turn) {
            return outcome;
        }
        match self.levels.meanwhile(item, &generations).await {
            Found::Fresh(value) => {
                turn.end(Ok(value.clone()));
                Ok(value)
            }
            Found::Stale(value) => {
                turn.end(Ok(value.clone()));
                Ok(self.served_stale(item, make, generations, value))
            }
            Found::Nothing => self.levels.make(item, make(), generations, turn).await,
        }
    }

    /// Ends every value with this tag, in every process within [`BELIEVED`]. Answers how many values of this process's L1 went.
    ///
    /// # Errors
    /// The view cache is away: this process's L1 is cleared, and the rest of the fleet has not heard.
    pub async fn clear(&self, tag: &Tag) -> PortResult<u64> {
        let told = self.levels.generations.clear(tag, self.levels.now()).await;
        let cleared = self.levels.local.clear(tag).await;
        told.map(|()| cleared)
    }

    /// What each namespace holds here, and how its reads ended.
    pub fn usage(&self) -> Vec<Usage> {
        Namespace::ALL.into_iter().map(|namespace| self.levels.usage(namespace)).collect()
    }

    /// What is counted of the memo, which is above all of this.
    pub fn memo_hits(&self) -> &Arc<MemoHits> {
        &self.memo_hits
    }

    /// How much the view cache holds, for all who share it.
    ///
    /// # Errors
    /// It is away.
    pub async fn shared_usage(&self) -> PortResult<ViewCacheUsage> {
        self.levels.view_cache.usage().await
    }

    /// Waits until all that was begun in the background has ended: writes to the view cache, refreshes.
    pub async fn flush(&self) {
        self.levels.under_way.close();
        self.levels.under_way.wait().await;
        self.levels.under_way.reopen();
    }

    /// Begins a refresh unless one is under way, and hands the value on.
    fn served_stale<F>(
        &self,
        item: &Item,
        make: impl FnOnce() -> F,
        generations: Vec<u64>,
        value: Bytes,
    ) -> Bytes
    where
        F: Future<Output = Result<Made, Unmade>> + Send + 'static,
    {
        self.levels.count_stale(item);
        if let Some(refreshing) = Refreshing::begin(&self.levels, item) {
            let (making, stale) = (make(), value.clone());
            self.levels
                .under_way
                .spawn(async move { refreshing.run(making, generations, stale).await });
        }
        value
    }
}
