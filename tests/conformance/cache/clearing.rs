//! Clearing by tag, in this process and in others.

use std::{sync::Arc, time::Duration};

use backing::cache::{CLEARED_WITHIN, CachedValue, Namespace, Tag};
use bytes::Bytes;
use common::port::view_cache::ViewCache;

use super::fixture::{ComputeCount, StillClock, cache, item};
use crate::view_cache::each_view_cache_exclusively;

each_view_cache_exclusively! {
    a_tag_clears_its_values_and_no_others_in_every_process,
    a_pattern_clears_the_values_whose_tags_match_in_every_process,
    a_namespace_is_cleared_as_a_whole,
    a_value_whose_tag_was_cleared_while_it_was_computed_is_not_kept,
}

async fn a_tag_clears_its_values_and_no_others_in_every_process(view_cache: Arc<dyn ViewCache>) {
    let clock = StillClock::new();
    let (mine, theirs) = (cache(&view_cache, &clock), cache(&view_cache, &clock));
    let tagged = item(Namespace::Text, "a").tagged("provider", "one");
    let other = item(Namespace::Text, "b").tagged("provider", "two");
    for key in [&tagged, &other] {
        mine.put(key, CachedValue::new("x")).await;
        mine.flush().await;
        assert_eq!(theirs.get(key).await, Some(Bytes::from("x")), "both have it in process now");
    }
    assert_eq!(mine.clear(&Tag::new("provider:one")).await.unwrap(), 1);
    assert_eq!(mine.get(&tagged).await, None, "gone here at once");
    clock.advance(CLEARED_WITHIN - Duration::from_millis(1));
    assert_eq!(theirs.get(&tagged).await, Some(Bytes::from("x")), "believed for so long elsewhere");
    clock.advance(Duration::from_millis(1));
    assert_eq!(theirs.get(&tagged).await, None, "and no longer");
    for cache in [&mine, &theirs] {
        assert_eq!(cache.get(&other).await, Some(Bytes::from("x")));
    }
    // A value computed after the clearing is kept.
    theirs.put(&tagged, CachedValue::new("y")).await;
    theirs.flush().await;
    assert_eq!(mine.get(&tagged).await, Some(Bytes::from("y")));
}

async fn a_pattern_clears_the_values_whose_tags_match_in_every_process(
    view_cache: Arc<dyn ViewCache>,
) {
    let keys = [
        item(Namespace::Text, "text").tagged("provider", "openai"),
        item(Namespace::Media, "near").tagged("host", "eu.cdn.example.com"),
        item(Namespace::Media, "far").tagged("host", "example.org"),
    ];
    let cleared_by = [
        ("provider:*", [true, false, false]),
        ("host:*", [false, true, true]),
        ("host:*.example.com", [false, true, false]),
        ("host:*.cdn.example.com", [false, true, false]),
        ("*", [true, true, true]),
    ];
    for (pattern, expected) in cleared_by {
        let clock = StillClock::new();
        let (mine, theirs) = (cache(&view_cache, &clock), cache(&view_cache, &clock));
        for key in &keys {
            mine.put(key, CachedValue::new("x")).await;
            mine.flush().await;
            assert!(theirs.get(key).await.is_some());
        }
        let count = expected.iter().filter(|cleared| **cleared).count() as u64;
        assert_eq!(mine.clear(&Tag::parse(pattern).unwrap()).await.unwrap(), count, "{pattern}");
        clock.advance(CLEARED_WITHIN);
        for (key, cleared) in keys.iter().zip(expected) {
            assert_eq!(theirs.get(key).await.is_none(), cleared, "{pattern} {key:?}");
        }
    }
}

async fn a_namespace_is_cleared_as_a_whole(view_cache: Arc<dyn ViewCache>) {
    let clock = StillClock::new();
    let cache = cache(&view_cache, &clock);
    let texts: Vec<_> =
        (0..5).map(|index| item(Namespace::Text, &index.to_string()).tagged("kind", "x")).collect();
    let kept = item(Namespace::Metadata, "kept").tagged("kind", "x");
    for key in texts.iter().chain([&kept]) {
        cache.put(key, CachedValue::new("x")).await;
    }
    cache.flush().await;
    assert_eq!(cache.clear(&Tag::of(Namespace::Text)).await.unwrap(), 5);
    for key in &texts {
        assert_eq!(cache.get(key).await, None);
    }
    assert!(cache.get(&kept).await.is_some());
}

async fn a_value_whose_tag_was_cleared_while_it_was_computed_is_not_kept(
    view_cache: Arc<dyn ViewCache>,
) {
    let (clock, count) = (StillClock::new(), ComputeCount::default());
    let cache = cache(&view_cache, &clock);
    let key = item(Namespace::Text, "meanwhile").tagged("kind", "y");
    let computing = async {
        cache.clear(&Tag::new("kind:y")).await.unwrap();
        count.make("old").await
    };
    assert_eq!(cache.get_or_compute(&key, computing).await, Ok(Bytes::from("old")));
    cache.flush().await;
    assert_eq!(cache.get_or_compute(&key, count.make("new")).await, Ok(Bytes::from("new")));
}
