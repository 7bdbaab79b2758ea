//! The two levels behind a cache: looks at them, computes what neither has, keeps it in both.

use std::{collections::HashSet, sync::Arc, time::Duration};

use bytes::Bytes;
use common::{
    id::Digest,
    port::{clock::Clock, view_cache::ViewCache},
};
use parking_lot::Mutex;
use tokio_util::task::TaskTracker;

use super::{
    Item, Made, Namespace, Unmade, Usage,
    counts::{Counts, count},
    entry::{Entry, Worth},
    flights::{Flights, Turn},
    local::Local,
    tags::Generations,
};

/// A larger value is not put on the view cache: it would push out a thousand others.
const MAX_SHARED: usize = 8 << 20;
/// A refresh that failed is tried again by the first reader after this long, in milliseconds.
const REFRESH_AGAIN_MS: i64 = 5_000;

/// What a [`super::Cache`] stands on.
pub(super) struct Levels {
    pub local: Local,
    pub view_cache: Arc<dyn ViewCache>,
    clock: Arc<dyn Clock>,
    pub generations: Generations,
    pub flights: Flights,
    refreshing: Mutex<HashSet<Digest>>,
    counts: [Counts; Namespace::ALL.len()],
    pub under_way: TaskTracker,
}

/// What a look at L1 and L2 found.
pub(super) enum Found {
    Fresh(Bytes),
    Stale(Bytes),
    Nothing,
}

/// Marks a key as being refreshed, until it is dropped.
pub(super) struct Refreshing {
    levels: Arc<Levels>,
    item: Item,
}

impl Refreshing {
    /// The right to refresh, unless somebody has it.
    pub fn begin(levels: &Arc<Levels>, item: &Item) -> Option<Self> {
        let is_first = levels.refreshing.lock().insert(item.key);
        is_first.then(|| Self { levels: Arc::clone(levels), item: item.clone() })
    }

    /// Refreshes. What fails leaves the stale value.
    pub async fn run(
        self,
        making: impl Future<Output = Result<Made, Unmade>>,
        generations: Vec<u64>,
        stale: Bytes,
    ) {
        let counts = self.levels.counts(&self.item);
        match making.await {
            Ok(made) => {
                count(&counts.made);
                self.levels.keep(&self.item, made, generations).await;
            }
            Err(unmade) => {
                count(&counts.failed);
                tracing::debug!(?unmade, "a stale value could not be refreshed");
                self.levels.put_off(&self.item, stale, generations).await;
            }
        }
    }
}

impl Drop for Refreshing {
    fn drop(&mut self) {
        self.levels.refreshing.lock().remove(&self.item.key);
    }
}

impl Levels {
    pub fn new(view_cache: Arc<dyn ViewCache>, clock: Arc<dyn Clock>) -> Self {
        Self {
            local: Local::new(),
            generations: Generations::new(Arc::clone(&view_cache)),
            view_cache,
            clock,
            flights: Flights::default(),
            refreshing: Mutex::default(),
            counts: std::array::from_fn(|_| Counts::default()),
            under_way: TaskTracker::new(),
        }
    }

    pub fn now(&self) -> i64 {
        self.clock.now().as_millisecond()
    }

    pub fn usage(&self, namespace: Namespace) -> Usage {
        self.counts[namespace.index()].usage(namespace, self.local.size(namespace))
    }

    pub fn count_stale(&self, item: &Item) {
        count(&self.counts(item).stale);
    }

    /// What another computed while one waited for the turn.
    pub fn waited(&self, item: &Item, turn: &Turn<'_>) -> Option<Result<Bytes, Unmade>> {
        let outcome = turn.outcome()?;
        count(&self.counts(item).waited);
        Some(outcome.map_err(Unmade::Failed))
    }

    fn counts(&self, item: &Item) -> &Counts {
        &self.counts[item.namespace.index()]
    }

    pub async fn generations(&self, item: &Item) -> Vec<u64> {
        self.generations.of(&item.tags, self.now()).await
    }

    pub async fn in_process(&self, item: &Item, generations: &[u64], counted: bool) -> Found {
        let entry = self.local.get(item.namespace, &item.key).await;
        let found = match &entry {
            Some(entry) => self.worth(entry, generations),
            None => Found::Nothing,
        };
        if entry.is_some() && matches!(found, Found::Nothing) {
            self.local.forget(item.namespace, &item.key).await;
        }
        if counted {
            let counts = self.counts(item);
            count(if matches!(found, Found::Nothing) {
                &counts.local_misses
            } else {
                &counts.local_hits
            });
        }
        found
    }

    pub async fn on_view_cache(&self, item: &Item, generations: &[u64]) -> Found {
        let counts = self.counts(item);
        let held = match self.view_cache.cached(&item.name()).await {
            Ok(held) => held,
            Err(error) => {
                tracing::debug!(%error, "the view cache did not answer; its part of the cache is a miss");
                count(&counts.shared_faults);
                return Found::Nothing;
            }
        };
        let entry = held.and_then(|held| Entry::read(&held, &item.tags));
        let found = entry.as_ref().map_or(Found::Nothing, |entry| self.worth(entry, generations));
        count(if matches!(found, Found::Nothing) {
            &counts.shared_misses
        } else {
            &counts.shared_hits
        });
        if let (Some(entry), Found::Fresh(_) | Found::Stale(_)) = (entry, &found) {
            self.local.put(item.namespace, item.key, entry).await;
        }
        found
    }

    fn worth(&self, entry: &Entry, generations: &[u64]) -> Found {
        match entry.worth(self.now(), generations) {
            Worth::Fresh => Found::Fresh(entry.value.clone()),
            Worth::Stale => Found::Stale(entry.value.clone()),
            Worth::Gone => Found::Nothing,
        }
    }

    /// Returns the value that another reader stored meanwhile, or else the shared cache's.
    pub async fn meanwhile(&self, item: &Item, generations: &[u64]) -> Found {
        // One who came a moment after the last flight ended finds its value in L1.
        match self.in_process(item, generations, false).await {
            Found::Nothing => self.on_view_cache(item, generations).await,
            found => found,
        }
    }

    pub async fn make(
        &self,
        item: &Item,
        making: impl Future<Output = Result<Made, Unmade>>,
        generations: Vec<u64>,
        turn: Turn<'_>,
    ) -> Result<Bytes, Unmade> {
        match making.await {
            Ok(made) => {
                count(&self.counts(item).made);
                let value = made.value.clone();
                // Under the generations from before it was made: what was cleared meanwhile is cleared.
                self.keep(item, made, generations).await;
                turn.end(Ok(value.clone()));
                Ok(value)
            }
            Err(Unmade::Failed(error)) => {
                count(&self.counts(item).failed);
                turn.end(Err(error.clone()));
                Err(Unmade::Failed(error))
            }
            Err(Unmade::Stopped) => Err(Unmade::Stopped),
        }
    }

    /// Lets the stale value count as fresh for a moment in this process, so that not every reader tries what just failed; never past its end.
    pub async fn put_off(&self, item: &Item, stale: Bytes, generations: Vec<u64>) {
        let held = self.local.get(item.namespace, &item.key).await;
        if let Some(held) = held.filter(|held| held.value == stale) {
            let fresh_until = (self.now() + REFRESH_AGAIN_MS).min(held.gone_at);
            let entry = Entry { fresh_until, generations, ..Entry::clone(&held) };
            self.local.put(item.namespace, item.key, entry).await;
        }
    }

    pub async fn keep(&self, item: &Item, made: Made, generations: Vec<u64>) {
        let life = made.life.within(item.namespace.life());
        if life.fresh + life.stale == Duration::ZERO {
            return;
        }
        let entry = Entry::new(made.value, life, self.now(), generations, item.tags.clone());
        if entry.value.len() <= MAX_SHARED {
            let (view_cache, name, written) =
                (Arc::clone(&self.view_cache), item.name(), entry.write());
            self.under_way.spawn(async move {
                if let Err(error) = view_cache.cache(&name, written, life.fresh + life.stale).await
                {
                    tracing::debug!(%error, "the view cache did not take a cached value");
                }
            });
        }
        self.local.put(item.namespace, item.key, entry).await;
    }
}
