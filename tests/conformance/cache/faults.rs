//! Redis goes away while caches are read: no reader fails, and none waits for it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use backing::{
    cache::{CLEARED_WITHIN, Cache, Namespace, Tag},
    view_cache::redis::{RedisConfig, RedisViewCache},
};
use bytes::Bytes;
use common::port::view_cache::ViewCache;
use tokio::{task::JoinSet, time::timeout};

use super::fixture::{ComputeCount, StillClock, cache, item, usage};
use crate::view_cache::{
    adapters::redis_config,
    fixture::BOUND,
    redis_faults::{behind_a_proxy, in_haste_behind_a_proxy, until_well},
};

/// A hundred readers that waited one after another would take longer; together they wait half a
/// second.
const TOGETHER: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_go_on_while_redis_is_killed_and_comes_back() {
    let (view_cache, proxy) = behind_a_proxy().await;
    let view_cache: Arc<dyn ViewCache> = Arc::new(view_cache);
    let (clock, count) = (StillClock::new(), Arc::new(ComputeCount::default()));
    let cache = cache(&view_cache, &clock);
    let read = |cache: Cache, key: usize| {
        let count = Arc::clone(&count);
        async move {
            let key = item(Namespace::Text, &format!("key {key}"));
            cache.get_or_compute(&key, count.make("value")).await
        }
    };
    for cut in 0..3 {
        let mut readers = JoinSet::new();
        for reader in 0..300 {
            // New keys, old keys, and keys that other readers want at the same time.
            readers.spawn(read(cache.clone(), reader % 50 + 25 * cut));
            if reader == 100 {
                proxy.refuse(true);
                proxy.cut();
            }
        }
        let answers = timeout(BOUND, readers.join_all()).await.expect("all are answered");
        assert!(
            answers.iter().all(|answer| *answer == Ok(Bytes::from("value"))),
            "no error reaches a reader"
        );
        let made = count.get();
        for key in 0..50 {
            clock.advance(CLEARED_WITHIN / 10);
            read(cache.clone(), key + 25 * cut).await.unwrap();
        }
        assert_eq!(count.get(), made, "L1 goes on");
        proxy.refuse(false);
        until_well(view_cache.as_ref()).await;
    }
    assert!(usage(&cache, Namespace::Text).shared_errors > 0, "it was away");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_redis_costs_all_its_readers_one_wait_together() {
    let (view_cache, proxy) = in_haste_behind_a_proxy().await;
    let view_cache: Arc<dyn ViewCache> = Arc::new(view_cache);
    let (clock, count) = (StillClock::new(), ComputeCount::default());
    let cache = cache(&view_cache, &clock);
    cache.get_or_compute(&item(Namespace::Text, "warm"), count.make("value")).await.unwrap();
    proxy.freeze();
    proxy.refuse(true);
    let began = Instant::now();
    for key in 0..100 {
        cache
            .get_or_compute(&item(Namespace::Text, &key.to_string()), count.make("value"))
            .await
            .unwrap();
    }
    assert!(began.elapsed() < TOGETHER, "{:?}", began.elapsed());
    assert!(cache.get(&item(Namespace::Text, "warm")).await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clearing_without_redis_clears_locally_and_reports_that_the_fleet_was_not_notified() {
    let (view_cache, proxy) = behind_a_proxy().await;
    let view_cache: Arc<dyn ViewCache> = Arc::new(view_cache);
    let clock = StillClock::new();
    let cache = cache(&view_cache, &clock);
    let key = item(Namespace::Text, "key");
    let count = ComputeCount::default();
    cache.get_or_compute(&key, count.make("old")).await.unwrap();
    cache.flush().await;
    proxy.refuse(true);
    proxy.cut();
    assert!(cache.clear(&Tag::of(Namespace::Text)).await.unwrap_err().is_transient());
    assert_eq!(cache.get_or_compute(&key, count.make("new")).await, Ok(Bytes::from("new")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_lost_its_data_brings_back_no_cleared_value() {
    let config = redis_config();
    let view_cache: Arc<dyn ViewCache> = Arc::new(RedisViewCache::open(&config).unwrap());
    let clock = StillClock::new();
    let (mine, theirs) = (cache(&view_cache, &clock), cache(&view_cache, &clock));
    let key = item(Namespace::Text, "key");
    let count = ComputeCount::default();
    theirs.get_or_compute(&key, count.make("old")).await.unwrap();
    mine.clear(&Tag::of(Namespace::Text)).await.unwrap();
    wipe(&config).await;
    clock.advance(CLEARED_WITHIN);
    assert_eq!(theirs.get(&key).await, None);
}

/// Deletes all keys of a prefix, as a Redis that restarts without its file would.
async fn wipe(config: &RedisConfig) {
    let client = redis::Client::open(config.url.as_str()).unwrap();
    let mut hand = client.get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> =
        redis::Cmd::keys(format!("{}:*", config.prefix)).query_async(&mut hand).await.unwrap();
    assert!(!keys.is_empty());
    redis::Cmd::del(keys).query_async::<()>(&mut hand).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callers_text_never_becomes_part_of_a_key_and_large_values_are_compressed() {
    let config = redis_config();
    let view_cache: Arc<dyn ViewCache> = Arc::new(RedisViewCache::open(&config).unwrap());
    let cache = cache(&view_cache, &StillClock::new());
    // The envelope of a value with two tags takes 34 bytes. The whole is compressed above 1,024.
    for (size, is_packed) in [(900, false), (1_200, true)] {
        let key = item(Namespace::Text, "callers-text\r\nDEL x").tagged("host", "callers-text");
        cache.put(&key, backing::cache::CachedValue::new(vec![b'x'; size])).await;
        cache.flush().await;
        let client = redis::Client::open(config.url.as_str()).unwrap();
        let mut hand = client.get_multiplexed_async_connection().await.unwrap();
        let keys: Vec<String> =
            redis::Cmd::keys(format!("{}:*", config.prefix)).query_async(&mut hand).await.unwrap();
        assert_eq!(keys.len(), 5, "two tags, their patterns and a value: {keys:?}");
        assert!(keys.iter().all(|key| !key.contains("callers")), "{keys:?}");
        let mut largest = 0;
        for key in keys {
            let bytes: Vec<u8> = redis::Cmd::get(key).query_async(&mut hand).await.unwrap();
            largest = largest.max(bytes.len());
        }
        assert_eq!(largest < 200, is_packed, "{largest} bytes for {size}");
    }
}
