//! Effects of the caches, and clearing and filling them.

use axum::http::{Method, StatusCode};
use backing::cache::{CacheKey, CachedValue, Namespace};
use serde_json::{Value, json};

use crate::server::{TestServer, request};

fn item(key: &str) -> CacheKey {
    CacheKey::new(Namespace::Text, [key.as_bytes()]).tagged("provider", "openai")
}

async fn clear(server: &TestServer, query: &str) -> crate::server::TestResponse {
    let path = format!("/v1/admin/cache{query}");
    server.send(request(Method::DELETE, &path, &[], axum::body::Body::empty())).await
}

fn text(report: &Value) -> &Value {
    report["namespaces"].as_array().unwrap().iter().find(|one| one["namespace"] == "text").unwrap()
}

#[tokio::test]
async fn the_report_counts_by_level_and_namespace_and_does_without_the_view_cache() {
    let server = TestServer::new().await;
    let before = server.get("/v1/admin/cache").await.json();
    assert_eq!(
        text(&before)["l1"],
        json!({"hits": 0, "misses": 0}),
        "no rate before the first read"
    );
    server.cache.put(&item("a"), CachedValue::new("value")).await;
    for key in ["a", "a", "a", "b"] {
        server.cache.get(&item(key)).await;
    }
    server.cache.flush().await;
    let report = server.get("/v1/admin/cache").await.json();
    let text = text(&report);
    assert_eq!(text["l1"], json!({"hits": 3, "misses": 1, "rate": 0.75}));
    assert_eq!(
        (&text["l2"]["misses"], &text["entries"], &text["bytes"]),
        (&json!(1), &json!(1), &json!(5))
    );
    let total = &report["total"];
    assert_eq!((&total["l1"]["hits"], &total["l1"]["misses"]), (&json!(3), &json!(1)));
    assert_eq!(
        (&total["rate"], &total["entries"], &total["bytes"]),
        (&json!(0.75), &json!(1), &json!(5))
    );
    assert_eq!((&text["enabled"], &text["entriesLimit"]), (&json!(true), &json!(1_000)));
    assert_eq!((&text["oldestAt"], text["oldestAt"].is_string()), (&text["newestAt"], true));
    let most_read = &text["mostRead"][0];
    assert_eq!((&most_read["hits"], &most_read["bytes"]), (&json!(3), &json!(5)));
    assert!(most_read["tags"].as_array().unwrap().contains(&json!("provider:*")), "{most_read}");
    assert_eq!((&text["freshSeconds"], &text["staleSeconds"]), (&json!(86_400), &json!(0)));
    assert!(report["shared"]["entries"].as_u64().is_some_and(|entries| entries >= 1), "{report}");
    assert!(report.get("disk").is_none());
    server.view_cache.set_away(true);
    let without = server.get("/v1/admin/cache").await;
    assert_eq!(without.status, StatusCode::OK);
    assert!(without.json().get("shared").is_none());
}

#[tokio::test]
async fn values_are_cleared_by_tag_and_by_namespace() {
    let server = TestServer::new().await;
    for query in [
        "?tag=provider:openai",
        "?tag=provider:*",
        "?tag=*",
        "?namespace=text",
        "?namespace=metadata&tag=provider:openai",
    ] {
        server.cache.put(&item("a"), CachedValue::new("value")).await;
        let cleared = clear(&server, query).await;
        assert_eq!(
            (cleared.status, &cleared.json()["entries"]),
            (StatusCode::OK, &json!(1)),
            "{query}"
        );
        assert_eq!(server.cache.get(&item("a")).await, None, "{query}");
    }
    server.cache.put(&item("a"), CachedValue::new("value")).await;
    assert_eq!(clear(&server, "?tag=provider:other").await.json()["entries"], json!(0));
    assert!(server.cache.get(&item("a")).await.is_some());
}

#[tokio::test]
async fn a_clear_without_a_name_is_refused_and_one_without_the_view_cache_is_a_503() {
    let server = TestServer::new().await;
    for query in ["", "?tag=", "?namespace=sessions", "?tag=%00"] {
        let refused = clear(&server, query).await;
        assert_eq!(
            (refused.status, refused.problem().as_str()),
            (StatusCode::BAD_REQUEST, "invalid_query"),
            "{query}"
        );
    }
    server.view_cache.set_away(true);
    let away = clear(&server, "?namespace=text").await;
    assert_eq!(
        (away.status, away.problem().as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
    );
}

#[tokio::test]
async fn warming_is_a_batch_of_probes_behind_all_other_work() {
    let server = TestServer::new().await;
    let answer = server
        .post("/v1/admin/cache/warm", &json!({"sources": ["https://example.com/a.mp4", "b.mp3"]}))
        .await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    assert_eq!(answer.header("location"), format!("/v1/batches/{}", answer.id()));
    assert_eq!(answer.json()["counts"]["total"], json!(2));
    let jobs = server.get("/v1/jobs?tag=cache-warm&fields=kind,priority").await.json();
    assert_eq!(
        jobs["jobs"],
        json!([{"kind": "probe", "priority": 0}, {"kind": "probe", "priority": 0}])
    );
    let faults: [(Value, &str); 4] = [
        (json!({}), "/sources"),
        (json!({"sources": []}), "/sources"),
        (json!({"sources": [1]}), "/sources/0"),
        (json!({"sources": ["a"], "sorces": []}), "/sorces"),
    ];
    for (body, pointer) in faults {
        let refused = server.post("/v1/admin/cache/warm", &body).await;
        assert_eq!(
            (refused.status.as_u16(), refused.pointers()),
            (422, vec![pointer.to_owned()]),
            "{body}"
        );
    }
}
