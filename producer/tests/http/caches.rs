//! What the caches do, and clearing and filling them.

use axum::http::{Method, StatusCode};
use backing::cache::{CacheKey, CachedValue, Namespace};
use serde_json::{Value, json};

use crate::stand::{Stand, request};

fn item(key: &str) -> CacheKey {
    CacheKey::new(Namespace::Text, [key.as_bytes()]).tagged("provider", "openai")
}

async fn clear(stand: &Stand, query: &str) -> crate::stand::Answer {
    let path = format!("/v1/admin/cache{query}");
    stand.send(request(Method::DELETE, &path, &[], axum::body::Body::empty())).await
}

fn text(report: &Value) -> &Value {
    report["namespaces"].as_array().unwrap().iter().find(|one| one["namespace"] == "text").unwrap()
}

#[tokio::test]
async fn the_report_counts_by_level_and_namespace_and_does_without_the_view_cache() {
    let stand = Stand::new().await;
    let before = stand.get("/v1/admin/cache").await.json();
    assert_eq!(
        text(&before)["l1"],
        json!({"hits": 0, "misses": 0}),
        "no rate before the first read"
    );
    stand.cache.put(&item("a"), CachedValue::new("value")).await;
    for key in ["a", "a", "a", "b"] {
        stand.cache.get(&item(key)).await;
    }
    stand.cache.flush().await;
    let report = stand.get("/v1/admin/cache").await.json();
    let text = text(&report);
    assert_eq!(text["l1"], json!({"hits": 3, "misses": 1, "rate": 0.75}));
    assert_eq!(
        (&text["l2"]["misses"], &text["entries"], &text["bytes"]),
        (&json!(1), &json!(1), &json!(5))
    );
    assert_eq!((&text["freshSeconds"], &text["staleSeconds"]), (&json!(86_400), &json!(0)));
    assert!(report["shared"]["entries"].as_u64().is_some_and(|entries| entries >= 1), "{report}");
    assert!(report.get("disk").is_none());
    stand.view_cache.set_away(true);
    let without = stand.get("/v1/admin/cache").await;
    assert_eq!(without.status, StatusCode::OK);
    assert!(without.json().get("shared").is_none());
}

#[tokio::test]
async fn values_are_cleared_by_tag_and_by_namespace() {
    let stand = Stand::new().await;
    for query in
        ["?tag=provider:openai", "?namespace=text", "?namespace=metadata&tag=provider:openai"]
    {
        stand.cache.put(&item("a"), CachedValue::new("value")).await;
        let cleared = clear(&stand, query).await;
        assert_eq!(
            (cleared.status, &cleared.json()["entries"]),
            (StatusCode::OK, &json!(1)),
            "{query}"
        );
        assert_eq!(stand.cache.get(&item("a")).await, None, "{query}");
    }
    stand.cache.put(&item("a"), CachedValue::new("value")).await;
    assert_eq!(clear(&stand, "?tag=provider:other").await.json()["entries"], json!(0));
    assert!(stand.cache.get(&item("a")).await.is_some());
}

#[tokio::test]
async fn a_clear_that_names_nothing_is_refused_and_one_without_the_view_cache_says_so() {
    let stand = Stand::new().await;
    for query in ["", "?tag=", "?namespace=sessions", "?tag=%00"] {
        let refused = clear(&stand, query).await;
        assert_eq!(
            (refused.status, refused.problem().as_str()),
            (StatusCode::BAD_REQUEST, "invalid_query"),
            "{query}"
        );
    }
    stand.view_cache.set_away(true);
    let away = clear(&stand, "?namespace=text").await;
    assert_eq!(
        (away.status, away.problem().as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
    );
}

#[tokio::test]
async fn warming_is_a_batch_of_probes_behind_all_other_work() {
    let stand = Stand::new().await;
    let answer = stand
        .post("/v1/admin/cache/warm", &json!({"sources": ["https://example.com/a.mp4", "b.mp3"]}))
        .await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    assert_eq!(answer.header("location"), format!("/v1/batches/{}", answer.id()));
    assert_eq!(answer.json()["counts"]["total"], json!(2));
    let jobs = stand.get("/v1/jobs?tag=cache-warm&fields=kind,priority").await.json();
    assert_eq!(
        jobs["jobs"],
        json!([{"kind": "probe", "priority": 0}, {"kind": "probe", "priority": 0}])
    );
    let faults: [(Value, &str); 4] = [
        (json!({}), "/sources"),
        (json!({"sources": []}), "/sources"),
        (json!({"sources": [1]}), "/sources"),
        (json!({"sources": ["a"], "sorces": []}), "/sorces"),
    ];
    for (body, pointer) in faults {
        let refused = stand.post("/v1/admin/cache/warm", &body).await;
        assert_eq!(
            (refused.status.as_u16(), refused.pointers()),
            (422, vec![pointer.to_owned()]),
            "{body}"
        );
    }
}
