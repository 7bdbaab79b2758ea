//! The levels: which values each keeps, for how long, and what it counts.

use std::{sync::Arc, time::Duration};

use backing::cache::{CachedValue, Lifetime, Namespace};
use bytes::Bytes;
use common::port::view_cache::ViewCache;

use super::fixture::{ComputeCount, StillClock, cache, item, usage};
use crate::view_cache::each_view_cache_exclusively;

each_view_cache_exclusively! {
    a_value_is_computed_once_and_served_by_each_level,
    a_value_lives_as_long_as_its_namespace_says_and_no_longer,
    a_value_may_live_shorter_than_its_namespace_says_and_not_longer,
    a_stale_value_is_served_while_it_is_refreshed_once,
    a_failed_refresh_leaves_the_stale_value_and_is_postponed,
    a_large_value_is_stored_only_in_the_view_cache,
    a_stored_value_is_read_by_another_process,
    a_view_cache_reports_how_much_it_holds,
}

async fn a_value_is_computed_once_and_served_by_each_level(view_cache: Arc<dyn ViewCache>) {
    let (clock, count) = (StillClock::new(), ComputeCount::default());
    let (mine, theirs) = (cache(&view_cache, &clock), cache(&view_cache, &clock));
    let text = item(Namespace::Text, "key");
    for _ in 0..3 {
        assert_eq!(mine.get_or_compute(&text, count.make("value")).await, Ok(Bytes::from("value")));
    }
    mine.flush().await;
    for _ in 0..2 {
        assert_eq!(
            theirs.get_or_compute(&text, count.make("other")).await,
            Ok(Bytes::from("value"))
        );
    }
    assert_eq!(count.get(), 1);
    let (mine, theirs) = (usage(&mine, Namespace::Text), usage(&theirs, Namespace::Text));
    assert_eq!(
        (mine.local.hits, mine.local.misses, mine.shared.misses, mine.computed),
        (2, 1, 1, 1)
    );
    assert_eq!((theirs.local.hits, theirs.shared.hits, theirs.computed), (1, 1, 0));
    assert_eq!((mine.entries, mine.bytes, mine.local.rate()), (1, 5, Some(2.0 / 3.0)));
}

async fn a_value_lives_as_long_as_its_namespace_says_and_no_longer(view_cache: Arc<dyn ViewCache>) {
    let hours = |hours: u64| Duration::from_secs(hours * 3_600);
    let lives = [
        (Namespace::Text, hours(24)),
        (Namespace::Media, hours(7 * 24)),
        (Namespace::Metadata, hours(1)),
        (Namespace::Outside, Duration::from_secs(300)),
    ];
    for (namespace, life) in lives {
        let (clock, count) = (StillClock::new(), ComputeCount::default());
        let cache = cache(&view_cache, &clock);
        let key = item(namespace, "lives");
        cache.get_or_compute(&key, count.make("one")).await.unwrap();
        clock.advance(life - Duration::from_millis(1));
        assert_eq!(
            cache.get_or_compute(&key, count.make("two")).await,
            Ok(Bytes::from("one")),
            "{namespace:?}"
        );
        clock.advance(Duration::from_millis(1));
        assert_eq!(
            cache.get_or_compute(&key, count.make("two")).await,
            Ok(Bytes::from("two")),
            "{namespace:?}"
        );
        assert_eq!(count.get(), 2);
    }
}

async fn a_value_may_live_shorter_than_its_namespace_says_and_not_longer(
    view_cache: Arc<dyn ViewCache>,
) {
    let (clock, count) = (StillClock::new(), ComputeCount::default());
    let cache = cache(&view_cache, &clock);
    let (short, long) = (item(Namespace::Metadata, "short"), item(Namespace::Metadata, "long"));
    let life = |seconds| Lifetime::fresh(Duration::from_secs(seconds));
    cache.get_or_compute(&short, count.make_for("x", life(10))).await.unwrap();
    cache.get_or_compute(&long, count.make_for("x", life(100_000))).await.unwrap();
    clock.advance(Duration::from_secs(10));
    assert_eq!((cache.get(&short).await, cache.get(&long).await), (None, Some(Bytes::from("x"))));
    clock.advance(Duration::from_secs(3_590));
    assert_eq!(cache.get(&long).await, None);
}

const BRIEF: Lifetime = Lifetime { fresh: Duration::from_secs(10), stale: Duration::from_secs(60) };

async fn a_stale_value_is_served_while_it_is_refreshed_once(view_cache: Arc<dyn ViewCache>) {
    let (clock, count) = (StillClock::new(), Arc::new(ComputeCount::default()));
    let cache = cache(&view_cache, &clock);
    let key = item(Namespace::Outside, "stale");
    cache.get_or_compute(&key, count.make_for("old", BRIEF)).await.unwrap();
    clock.advance(BRIEF.fresh);
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    for _ in 0..20 {
        let (count, gate) = (Arc::clone(&count), Arc::clone(&gate));
        let refresh = move || async move {
            let _open = gate.acquire().await.unwrap();
            count.make_for("new", BRIEF).await
        };
        assert_eq!(cache.get_or_refresh(&key, refresh).await, Ok(Bytes::from("old")));
    }
    gate.add_permits(1);
    cache.flush().await;
    assert_eq!(count.get(), 2, "one refresh for twenty readers");
    assert_eq!(cache.get(&key).await, Some(Bytes::from("new")));
    assert_eq!(usage(&cache, Namespace::Outside).stale, 20);
}

async fn a_failed_refresh_leaves_the_stale_value_and_is_postponed(view_cache: Arc<dyn ViewCache>) {
    let (clock, count) = (StillClock::new(), Arc::new(ComputeCount::default()));
    let cache = cache(&view_cache, &clock);
    let key = item(Namespace::Outside, "failing");
    let fail = || {
        let count = Arc::clone(&count);
        move || async move { count.fail().await }
    };
    cache.get_or_compute(&key, count.make_for("old", BRIEF)).await.unwrap();
    clock.advance(BRIEF.fresh);
    for _ in 0..3 {
        assert_eq!(cache.get_or_refresh(&key, fail()).await, Ok(Bytes::from("old")));
        cache.flush().await;
    }
    assert_eq!(count.get(), 2, "what just failed is not tried by every reader");
    clock.advance(Duration::from_secs(5));
    assert_eq!(cache.get_or_refresh(&key, fail()).await, Ok(Bytes::from("old")));
    cache.flush().await;
    assert_eq!(count.get(), 3);
    clock.advance(BRIEF.stale);
    assert!(cache.get_or_refresh(&key, fail()).await.is_err(), "what is gone is not served");
}

async fn a_large_value_is_stored_only_in_the_view_cache(view_cache: Arc<dyn ViewCache>) {
    let clock = StillClock::new();
    let cache = cache(&view_cache, &clock);
    let key = item(Namespace::Text, "large");
    for (size, entries) in [(64 * 1024, 1), (64 * 1024 + 1, 0)] {
        let value = Bytes::from(vec![b'x'; size]);
        cache.put(&key, CachedValue::new(value.clone())).await;
        cache.flush().await;
        assert_eq!(usage(&cache, Namespace::Text).entries, entries);
        assert_eq!(cache.get(&key).await, Some(value));
    }
    assert_eq!(usage(&cache, Namespace::Text).shared.hits, 1);
}

async fn a_stored_value_is_read_by_another_process(view_cache: Arc<dyn ViewCache>) {
    let clock = StillClock::new();
    let (mine, theirs) = (cache(&view_cache, &clock), cache(&view_cache, &clock));
    // Sizes around that from which values are compressed in Redis.
    for size in [0, 1, 1_000, 1_023, 1_024, 1_025, 5_000] {
        let (key, value) =
            (item(Namespace::Media, &format!("put {size}")), Bytes::from(vec![b'x'; size]));
        mine.put(&key, CachedValue::new(value.clone())).await;
        mine.flush().await;
        assert_eq!(theirs.get(&key).await, Some(value), "{size}");
    }
    // A value that another program wrote counts as missing.
    assert_eq!(theirs.get(&item(Namespace::Text, "put 0")).await, None);
}

async fn a_view_cache_reports_how_much_it_holds(view_cache: Arc<dyn ViewCache>) {
    let clock = StillClock::new();
    let cache = cache(&view_cache, &clock);
    let before = cache.shared_usage().await.unwrap().entries;
    cache.put(&item(Namespace::Text, "usage"), CachedValue::new(vec![7; 3_000])).await;
    cache.flush().await;
    let after = cache.shared_usage().await.unwrap();
    // Other tests write to the same Redis meanwhile, and their values expire.
    assert!(after.entries > 0 && after.bytes > 0, "{before} {after:?}");
}
