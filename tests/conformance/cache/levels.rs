//! The levels: which values each keeps, for how long, and what it counts.

use std::{sync::Arc, time::Duration};

use backing::cache::{Cache, CacheSettings, CachedValue, Lifetime, Namespace, NamespaceSettings};
use bytes::Bytes;
use common::port::{clock::Clock, view_cache::ViewCache};

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
    a_process_keeps_at_most_the_entries_and_bytes_of_its_settings,
    a_namespace_that_is_off_keeps_nothing_and_others_go_on,
    a_lifetime_is_set_by_namespace,
    the_entries_of_a_process_are_reported_with_their_times_and_reads,
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
    assert_eq!((mine.held.entries, mine.held.bytes, mine.local.rate()), (1, 5, Some(2.0 / 3.0)));
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
        assert_eq!(usage(&cache, Namespace::Text).held.entries, entries);
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

async fn a_process_keeps_at_most_the_entries_and_bytes_of_its_settings(
    view_cache: Arc<dyn ViewCache>,
) {
    let default = NamespaceSettings::default();
    let settings = CacheSettings {
        text: NamespaceSettings { entries: 10, ..default.clone() },
        media: NamespaceSettings { bytes: 100_000, ..default.clone() },
        metadata: NamespaceSettings { entries: 0, ..default.clone() },
        outside: NamespaceSettings { bytes: 0, ..default },
    };
    let cache = Cache::with(view_cache, StillClock::new(), settings);
    for number in 0..100 {
        for namespace in Namespace::ALL {
            let key = item(namespace, &number.to_string());
            cache.put(&key, CachedValue::new(vec![b'x'; 10_000])).await;
        }
    }
    cache.flush().await;
    let held = Namespace::ALL.map(|namespace| usage(&cache, namespace).held);
    let entries = held.each_ref().map(|held| held.entries);
    assert_eq!(entries, [10, 9, 0, 0], "and half a kilobyte of each is its key");
    assert_eq!(held[1].bytes, 90_000);
}

async fn a_namespace_that_is_off_keeps_nothing_and_others_go_on(view_cache: Arc<dyn ViewCache>) {
    let text = NamespaceSettings { enabled: false, ..NamespaceSettings::default() };
    let settings = CacheSettings { text, ..CacheSettings::default() };
    let clock = StillClock::new();
    let off = Cache::with(Arc::clone(&view_cache), clock.clone(), settings);
    let (text, media) = (item(Namespace::Text, "off"), item(Namespace::Media, "on"));
    let on = cache(&view_cache, &clock);
    for key in [&text, &media] {
        on.put(key, CachedValue::new("kept")).await;
    }
    on.flush().await;
    let count = ComputeCount::default();
    for _ in 0..2 {
        assert_eq!(off.get_or_compute(&text, count.make("new")).await, Ok(Bytes::from("new")));
        off.flush().await;
    }
    assert_eq!((count.get(), off.get(&text).await), (2, None));
    assert_eq!(off.get(&media).await, Some(Bytes::from("kept")));
    assert_eq!(on.get(&text).await, Some(Bytes::from("kept")), "as another process wrote it");
}

async fn a_lifetime_is_set_by_namespace(view_cache: Arc<dyn ViewCache>) {
    let metadata = NamespaceSettings {
        fresh_seconds: Some(5),
        stale_seconds: Some(10),
        ..NamespaceSettings::default()
    };
    let settings = CacheSettings { metadata, ..CacheSettings::default() };
    let (clock, key) = (StillClock::new(), item(Namespace::Metadata, "set"));
    let cache = Cache::with(view_cache, clock.clone(), settings);
    let lifetime = Lifetime { fresh: Duration::MAX, stale: Duration::MAX };
    let value = CachedValue { value: Bytes::from("old"), lifetime };
    cache.put(&key, value).await;
    clock.advance(Duration::from_millis(4_999));
    assert!(cache.get(&key).await.is_some());
    clock.advance(Duration::from_secs(10));
    let stale = cache.get_or_refresh(&key, || async { Ok(CachedValue::new("new")) }).await;
    assert_eq!(stale, Ok(Bytes::from("old")));
}

async fn the_entries_of_a_process_are_reported_with_their_times_and_reads(
    view_cache: Arc<dyn ViewCache>,
) {
    let clock = StillClock::new();
    let cache = cache(&view_cache, &clock);
    let began = clock.now().as_millisecond();
    for number in 0..7 {
        let key = item(Namespace::Text, &format!("read {number}"));
        cache.put(&key, CachedValue::new(vec![b'x'; number])).await;
        for _ in 0..number {
            assert!(cache.get(&key).await.is_some());
        }
        clock.advance(Duration::from_secs(1));
    }
    let held = usage(&cache, Namespace::Text).held;
    assert_eq!((held.oldest, held.newest), (Some(began), Some(began + 6_000)));
    let most_read: Vec<_> = held
        .most_read
        .iter()
        .map(|entry| (entry.hits, entry.bytes, entry.computed_at - began))
        .collect();
    assert_eq!(most_read, [6, 5, 4, 3, 2].map(|number| (number, number, number as i64 * 1_000)));
}
