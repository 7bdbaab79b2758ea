//! Single flight: one computation of a missing key, however it ends.

use std::{sync::Arc, time::Duration};

use backing::{
    cache::{Cache, ComputeError, Namespace},
    view_cache::local::LocalViewCache,
};
use bytes::Bytes;
use common::port::view_cache::ViewCache;
use tokio::{sync::Semaphore, task::JoinSet, time::timeout};

use super::fixture::{ComputeCount, StillClock, cache, error, item, usage};
use crate::view_cache::fixture::BOUND;

const READERS: usize = 64;

struct ColdKey {
    cache: Cache,
    count: Arc<ComputeCount>,
    /// Computations wait for its permits.
    gate: Arc<Semaphore>,
}

impl ColdKey {
    fn new() -> Self {
        let view_cache: Arc<dyn ViewCache> = Arc::new(LocalViewCache::new());
        Self {
            cache: cache(&view_cache, &StillClock::new()),
            count: Arc::default(),
            gate: Arc::new(Semaphore::new(0)),
        }
    }

    /// A reader of the one missing key, whose computation waits at the gate.
    fn read(
        &self,
        fails: bool,
    ) -> impl Future<Output = Result<Bytes, ComputeError>> + Send + 'static {
        let (cache, count, gate) =
            (self.cache.clone(), Arc::clone(&self.count), Arc::clone(&self.gate));
        async move {
            let computing = async {
                gate.acquire().await.unwrap().forget();
                if fails { count.fail().await } else { count.make("value").await }
            };
            cache.get_or_compute(&item(Namespace::Text, "cold"), computing).await
        }
    }
}

async fn all<T: 'static>(readers: JoinSet<T>) -> Vec<T> {
    timeout(BOUND, readers.join_all()).await.expect("no reader is stranded")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_readers_of_one_cold_key_are_one_computation() {
    let key = ColdKey::new();
    let readers: JoinSet<_> = (0..READERS).map(|_| key.read(false)).collect();
    key.gate.add_permits(READERS);
    assert_eq!(all(readers).await, vec![Ok(Bytes::from("value")); READERS]);
    assert_eq!(key.count.get(), 1);
}

#[tokio::test]
async fn a_failure_goes_to_present_waiters_and_to_no_later_reader() {
    let key = ColdKey::new();
    // On one thread, all have joined before the gate opens.
    let readers: JoinSet<_> = (0..READERS).map(|_| key.read(true)).collect();
    tokio::task::yield_now().await;
    key.gate.add_permits(1);
    assert_eq!(all(readers).await, vec![Err(ComputeError::Failed(error())); READERS]);
    assert_eq!(key.count.get(), 1);
    let counted = usage(&key.cache, Namespace::Text);
    assert_eq!(
        (counted.failed, counted.computed, counted.held.entries, counted.waited),
        (1, 0, 0, READERS as u64 - 1)
    );
    key.gate.add_permits(1);
    assert_eq!(key.read(false).await, Ok(Bytes::from("value")), "it was not kept");
}

#[tokio::test]
async fn a_reader_that_leaves_while_computing_strands_no_other() {
    let key = ColdKey::new();
    let computing = tokio::spawn(key.read(false));
    tokio::task::yield_now().await;
    let readers: JoinSet<_> = (0..READERS).map(|_| key.read(false)).collect();
    tokio::task::yield_now().await;
    computing.abort();
    assert!(computing.await.unwrap_err().is_cancelled());
    key.gate.add_permits(1);
    assert_eq!(all(readers).await, vec![Ok(Bytes::from("value")); READERS]);
    assert_eq!(key.count.get(), 1, "the next in line computed, and only it");
}

#[tokio::test]
async fn a_computation_that_panics_or_is_aborted_is_handed_on() {
    let key = ColdKey::new();
    let cache_key = item(Namespace::Text, "cold");
    let gate = Arc::clone(&key.gate);
    let (cache, waits) = (key.cache.clone(), Arc::clone(&gate));
    let panics = tokio::spawn(async move {
        let computing = async {
            waits.acquire().await.unwrap().forget();
            panic!("the computation broke");
        };
        cache.get_or_compute(&cache_key, computing).await
    });
    tokio::task::yield_now().await;
    let cache = key.cache.clone();
    let stops = tokio::spawn(async move {
        cache
            .get_or_compute(&item(Namespace::Text, "cold"), async { Err(ComputeError::Stopped) })
            .await
    });
    tokio::task::yield_now().await;
    let last = tokio::spawn(key.read(false));
    tokio::task::yield_now().await;
    gate.add_permits(2);
    assert!(panics.await.unwrap_err().is_panic());
    assert_eq!(stops.await.unwrap(), Err(ComputeError::Stopped), "only the stopped reader is told");
    let last = timeout(BOUND, last).await.expect("no reader is stranded").unwrap();
    assert_eq!(last, Ok(Bytes::from("value")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_come_and_go_at_random_always_get_the_value() {
    let key = ColdKey::new();
    key.gate.add_permits(10_000);
    for round in 0..50_u64 {
        let mut readers = JoinSet::new();
        for reader in 0..READERS as u64 {
            let reading = key.read(false);
            // A third of the readers leave at once or a little later.
            let patience =
                if reader % 3 == 0 { Duration::from_micros(round * reader % 97) } else { BOUND };
            readers.spawn(async move { (reader % 3 != 0, timeout(patience, reading).await) });
        }
        for (stays, read) in all(readers).await {
            match read {
                Ok(value) => assert_eq!(value, Ok(Bytes::from("value"))),
                Err(_) => assert!(!stays, "a reader that stayed got nothing"),
            }
        }
        key.cache.clear(&backing::cache::Tag::of(Namespace::Text)).await.unwrap();
    }
}
