//! Values shared between processes.

use std::time::{Duration, Instant};

use bytes::Bytes;
use common::port::view_cache::ViewCache;

use super::{each_view_cache, fixture::BOUND};

each_view_cache! {
    a_value_comes_back_under_its_key_and_no_other,
    a_later_value_replaces_an_earlier_one,
    a_value_expires,
}

const HOUR: Duration = Duration::from_secs(3600);

async fn a_value_comes_back_under_its_key_and_no_other(view_cache: &dyn ViewCache) {
    let long_key = "k".repeat(10_000);
    let values = [
        ("", Bytes::from_static(b"")),
        ("text:a b\r\nDEL x", Bytes::from_static(b"\x00\xff\r\n")),
        ("text:ä", Bytes::from(vec![b'x'; 1_025])),
        (&long_key, Bytes::from(vec![7; 300_000])),
    ];
    for (key, value) in &values {
        view_cache.cache(key, value.clone(), HOUR).await.unwrap();
    }
    for (key, value) in values {
        assert_eq!(view_cache.cached(key).await.unwrap(), Some(value));
    }
    assert_eq!(view_cache.cached("text").await.unwrap(), None);
}

async fn a_later_value_replaces_an_earlier_one(view_cache: &dyn ViewCache) {
    for value in ["one", "two"] {
        view_cache.cache("key", Bytes::from(value), HOUR).await.unwrap();
    }
    assert_eq!(view_cache.cached("key").await.unwrap(), Some(Bytes::from("two")));
}

async fn a_value_expires(view_cache: &dyn ViewCache) {
    let started = Instant::now();
    view_cache.cache("short", Bytes::from("x"), Duration::from_millis(200)).await.unwrap();
    view_cache.cache("long", Bytes::from("y"), HOUR).await.unwrap();
    while view_cache.cached("short").await.unwrap().is_some() {
        assert!(started.elapsed() < BOUND, "a value does not expire");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(started.elapsed() >= Duration::from_millis(200));
    assert!(view_cache.cached("long").await.unwrap().is_some());
}
