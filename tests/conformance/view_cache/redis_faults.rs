//! Redis under faults: absence, cut and silent connections, foreign values.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use backing::view_cache::redis::{RedisConfig, RedisViewCache};
use common::port::view_cache::ViewCache;
use tokio::time::{sleep, timeout};

use super::{
    adapters::redis_config,
    fixture::{BOUND, next_changes, read_view, tenant, view},
};
use crate::proxy::Proxy;

/// Longest first call while Redis is away: half a second by itself, more on a busy machine. A
/// silent connection would stay silent for minutes.
const FIRST: Duration = Duration::from_secs(10);
/// Time without queries after a failure.
const REST: Duration = Duration::from_millis(500);

pub async fn behind_a_proxy() -> (RedisViewCache, Proxy) {
    through_a_proxy(redis_config()).await
}

/// With the product's own timeout, for cases of silence, which nothing else ends.
pub async fn in_haste_behind_a_proxy() -> (RedisViewCache, Proxy) {
    let config = redis_config();
    let answer_within = RedisConfig::new("").answer_within;
    through_a_proxy(RedisConfig { answer_within, ..config }).await
}

async fn through_a_proxy(config: RedisConfig) -> (RedisViewCache, Proxy) {
    let mut url = url::Url::parse(&config.url).unwrap();
    let server: SocketAddr = (std::net::Ipv4Addr::LOCALHOST, url.port().unwrap_or(6379)).into();
    let proxy = Proxy::to(server).await;
    url.set_port(Some(proxy.port)).unwrap();
    (RedisViewCache::open(&RedisConfig { url: url.into(), ..config }).unwrap(), proxy)
}

pub async fn until_well(view_cache: &dyn ViewCache) {
    let checking = async {
        while view_cache.check().await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(BOUND, checking).await.expect("it is well in the end");
}

/// Asserts that the first call takes at most [`FIRST`], and that only one of many calls after it in
/// each [`REST`] reaches Redis.
async fn assert_it_fails_fast(view_cache: &RedisViewCache, proxy: &Proxy) {
    let job = view(1).id;
    let started = Instant::now();
    assert!(view_cache.get(&tenant(), &[job]).await.unwrap_err().is_transient());
    assert!(started.elapsed() < FIRST, "{:?}", started.elapsed());
    let (started, before) = (Instant::now(), proxy.connection_count());
    for _ in 0..500 {
        assert!(view_cache.put(&[view(1)]).await.is_err());
        assert!(view_cache.cached("key").await.is_err());
    }
    let (took, looked) = (started.elapsed(), proxy.connection_count() - before);
    assert!(
        u128::from(looked) <= took.as_millis() / REST.as_millis() + 2,
        "looked {looked} times in {took:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_refuses_costs_nothing_and_is_used_again_when_it_is_back() {
    let (view_cache, proxy) = behind_a_proxy().await;
    proxy.refuse(true);
    assert_it_fails_fast(&view_cache, &proxy).await;
    proxy.refuse(false);
    until_well(&view_cache).await;
    let view = view(1);
    view_cache.put(std::slice::from_ref(&view)).await.unwrap();
    assert_eq!(read_view(&view_cache, view.id).await, Some(view));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_redis_costs_one_wait_and_its_dead_connection_is_dropped() {
    let (view_cache, proxy) = in_haste_behind_a_proxy().await;
    until_well(&view_cache).await;
    proxy.refuse(true);
    proxy.freeze();
    assert_it_fails_fast(&view_cache, &proxy).await;
    // New connections pass; the frozen one never does again.
    proxy.refuse(false);
    until_well(&view_cache).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_connection_is_reopened() {
    let (view_cache, proxy) = behind_a_proxy().await;
    view_cache.check().await.unwrap();
    proxy.cut();
    until_well(&view_cache).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disconnected_listener_gets_one_gap_notice_and_then_changes_again() {
    let (view_cache, proxy) = behind_a_proxy().await;
    let mut changes = view_cache.changes().await.unwrap();
    let [before, after] = [view(1), view(1)];
    view_cache.put(std::slice::from_ref(&before)).await.unwrap();
    assert_eq!(next_changes(&mut changes).await, Some(vec![before.id]));
    proxy.cut();
    assert_eq!(next_changes(&mut changes).await, None);
    until_well(&view_cache).await;
    view_cache.put(std::slice::from_ref(&after)).await.unwrap();
    assert_eq!(next_changes(&mut changes).await, Some(vec![after.id]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_notices_a_silent_connection() {
    let (view_cache, proxy) = in_haste_behind_a_proxy().await;
    let mut changes = view_cache.changes().await.unwrap();
    proxy.freeze();
    assert_eq!(next_changes(&mut changes).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_began_while_redis_was_away_starts_with_a_gap() {
    let (view_cache, proxy) = behind_a_proxy().await;
    proxy.refuse(true);
    let mut changes = view_cache.changes().await.unwrap();
    proxy.refuse(false);
    assert_eq!(next_changes(&mut changes).await, None);
    until_well(&view_cache).await;
    let view = view(1);
    view_cache.put(std::slice::from_ref(&view)).await.unwrap();
    assert_eq!(next_changes(&mut changes).await, Some(vec![view.id]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_values_read_as_absent_and_are_overwritten() {
    let config = redis_config();
    let view_cache = RedisViewCache::open(&config).unwrap();
    let (view, newer) = (view(1), view(2));
    view_cache.put(&[view.clone(), newer.clone()]).await.unwrap();
    let client = redis::Client::open(config.url.as_str()).unwrap();
    let mut hand = client.get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> =
        redis::Cmd::keys(format!("{}:view:*", config.prefix)).query_async(&mut hand).await.unwrap();
    assert_eq!(keys.len(), 2);
    for key in keys {
        redis::Cmd::set(key, "garbage").query_async::<()>(&mut hand).await.unwrap();
    }
    assert_eq!(read_view(&view_cache, view.id).await, None);
    view_cache.check().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callers_text_never_becomes_part_of_a_key() {
    let config = redis_config();
    let view_cache = RedisViewCache::open(&config).unwrap();
    view_cache
        .cache("callers-text", bytes::Bytes::from("x"), Duration::from_secs(60))
        .await
        .unwrap();
    let tenant = common::id::TenantId("callers-text".to_owned());
    view_cache.put(&[common::view::JobView { tenant, ..view(1) }]).await.unwrap();
    let client = redis::Client::open(config.url.as_str()).unwrap();
    let mut hand = client.get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> =
        redis::Cmd::keys(format!("{}:*", config.prefix)).query_async(&mut hand).await.unwrap();
    assert_eq!(keys.len(), 2);
    assert!(keys.iter().all(|key| !key.contains("callers")), "{keys:?}");
}

#[test]
fn a_wrong_url_is_refused_in_a_sentence_that_names_the_remedy_and_not_the_password() {
    for wrong in [
        "",
        "localhost:6379",
        "http://:secret@host",
        "rediss://:secret@host",
        "redis://:secret@host:port/0",
    ] {
        let sentence = RedisViewCache::open(&RedisConfig::new(wrong)).unwrap_err().to_string();
        assert!(sentence.contains("redis://user:password@host"), "{sentence}");
        assert!(!sentence.contains("secret"), "{sentence}");
    }
}
