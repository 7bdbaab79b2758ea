//! Every refusal: its status, its word and its pointers, and that nothing was stored.

use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use common::limits::{MAX_BODY_BYTES, MAX_JSON_DEPTH, MAX_JSON_MEMORY};
use serde_json::{Value, json};

use crate::server::{TestServer, request};

const JSON: (&str, &str) = ("content-type", "application/json");

struct Case {
    method: Method,
    path: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    body: String,
    status: u16,
    word: &'static str,
    pointers: Vec<&'static str>,
}

fn post(path: &'static str, body: impl ToString, status: u16, word: &'static str) -> Case {
    Case {
        method: Method::POST,
        path,
        headers: vec![JSON],
        body: body.to_string(),
        status,
        word,
        pointers: vec![],
    }
}

fn get(path: &'static str, status: u16, word: &'static str) -> Case {
    Case { method: Method::GET, headers: vec![], ..post(path, "", status, word) }
}

fn faults(path: &'static str, body: Value, pointers: &[&'static str]) -> Case {
    Case { pointers: pointers.to_vec(), ..post(path, body, 422, "invalid_input") }
}

/// Lists in lists, `depth` levels deep.
fn nested(depth: usize) -> String {
    ["[".repeat(depth), "]".repeat(depth)].concat()
}

const NOBODY: &str = "/v1/jobs/01932b6e-7f00-7abc-8def-0123456789ab";

fn cases() -> Vec<Case> {
    let echo = || json!({"kind": "echo", "input": {}}).to_string();
    let with = |headers: &[(&'static str, &'static str)], case: Case| Case {
        headers: headers.to_vec(),
        ..case
    };
    vec![
        // Not JSON, or not declared as JSON.
        post("/v1/jobs", "", 400, "malformed_json"),
        post("/v1/jobs", "{\"kind\":", 400, "malformed_json"),
        post("/v1/jobs", "{} {}", 400, "malformed_json"),
        post("/v1/jobs", nested(MAX_JSON_DEPTH), 400, "malformed_json"),
        Case {
            pointers: vec![""],
            ..post("/v1/jobs", nested(MAX_JSON_DEPTH - 1), 422, "invalid_input")
        },
        faults(
            "/v1/jobs",
            json!({"kind": "echo", "input": {"value": {"$serde_json::private::Number": "1"}}}),
            &["/input/value/$serde_json::private::Number"],
        ),
        Case {
            pointers: vec!["/jobs/1/$serde_json::private::RawValue"],
            ..post(
                "/v1/batches",
                r#"{"jobs": [{}, {"\u0024serde_json::private::RawValue": "[[]]"}]}"#,
                422,
                "invalid_input",
            )
        },
        with(&[], post("/v1/jobs", echo(), 415, "unsupported_media_type")),
        with(
            &[("content-type", "text/plain")],
            post("/v1/jobs", echo(), 415, "unsupported_media_type"),
        ),
        with(
            &[("content-type", "application/x-www-form-urlencoded")],
            post("/v1/batches", echo(), 415, "unsupported_media_type"),
        ),
        with(
            &[JSON, ("content-encoding", "gzip")],
            post("/v1/jobs", echo(), 415, "unsupported_media_type"),
        ),
        // Too large, with and without a declared length.
        with(&[JSON, ("content-length", "33554433")], post("/v1/jobs", echo(), 413, "too_large")),
        post("/v1/jobs", " ".repeat(MAX_BODY_BYTES + 1), 413, "too_large"),
        // Faults of a job.
        faults("/v1/jobs", json!([]), &[""]),
        faults("/v1/jobs", json!({}), &["/kind", "/input"]),
        faults(
            "/v1/jobs",
            json!({"kind": "echo", "input": {}, "webhook": "https://example.org"}),
            &["/webhook"],
        ),
        faults(
            "/v1/jobs",
            json!({
                "kind": "echo", "input": {"nap": 1}, "priority": 10, "colour": "red",
                "tags": ["", "ok"],
            }),
            &["/colour", "/priority", "/tags/0", "/input/nap"],
        ),
        faults(
            "/v1/jobs",
            json!({"kind": "speech", "input": {"text": " ", "rate": 1}}),
            &["/input/text", "/input/rate"],
        ),
        faults(
            "/v1/jobs",
            json!({"kind": "hook", "input": {"topic": 5, "colour": "red", "count": "many"}}),
            &["/input/colour", "/input/topic", "/input/count"],
        ),
        faults(
            "/v1/jobs",
            json!({"kind": "probe", "input": {"src": "ftp://a/b"}}),
            &["/input/src"],
        ),
        faults("/v1/jobs", json!({"kind": "probe", "input": {"src": 7}}), &["/input/src"]),
        Case {
            pointers: vec!["/kind"],
            ..post("/v1/jobs", json!({"kind": "nope", "input": {}}), 422, "unknown_kind")
        },
        // Faults of a batch itself.
        faults("/v1/batches", json!({"jobs": []}), &["/jobs"]),
        faults(
            "/v1/batches",
            json!({"jobs": [1], "maxConcurrent": 0, "x": 1}),
            &["/x", "/maxConcurrent"],
        ),
        faults("/v1/batches", json!({"jobs": vec![0; 10_001]}), &["/jobs"]),
        // Unknown ids and paths.
        get(NOBODY, 404, "not_found"),
        get("/v1/jobs/%FF", 404, "not_found"),
        post("/v1/admin/tenants/%C3%28/pause", "{}", 404, "not_found"),
        get("/v1/jobs/7", 404, "not_found"),
        get("/v1/jobs/7/tasks", 404, "not_found"),
        get("/v1/tasks/01932b6e-7f00-7abc-8def-0123456789ab", 404, "not_found"),
        get("/v1/batches/x", 404, "not_found"),
        get("/v1/batches/01932b6e-7f00-7abc-8def-0123456789ab/results", 404, "not_found"),
        get("/v1/artifacts/xyz", 404, "not_found"),
        get("/v1/queues/heavy/demand", 404, "not_found"),
        get("/v2/jobs", 404, "not_found"),
        get("/problems/nope", 404, "not_found"),
        post("/v1/jobs/01932b6e-7f00-7abc-8def-0123456789ab/cancel", "", 404, "not_found"),
        post("/v1/batches/01932b6e-7f00-7abc-8def-0123456789ab/retry", "{}", 404, "not_found"),
        // The wrong method, query, header or argument.
        Case { method: Method::DELETE, ..get("/v1/jobs", 405, "method_not_allowed") },
        Case { method: Method::PUT, ..get("/v1/jobs/7", 405, "method_not_allowed") },
        get("/v1/jobs?limit=0", 400, "invalid_query"),
        get("/v1/jobs?limit=100000", 400, "invalid_query"),
        get("/v1/jobs?limt=5", 400, "invalid_query"),
        get("/v1/jobs?limit=5&limit=5", 400, "invalid_query"),
        get("/v1/jobs/7/tasks?fields=id", 400, "invalid_query"),
        get("/health/live?verbose=1", 400, "invalid_query"),
        get("/openapi.json?pretty", 400, "invalid_query"),
        with(&[JSON], post("/v1/jobs?dryRun=true", echo(), 400, "invalid_query")),
        get("/v1/jobs?limit=many", 400, "invalid_query"),
        get("/v1/jobs?status=done", 400, "invalid_query"),
        get("/v1/jobs?fields=a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a", 400, "invalid_query"),
        get("/v1/jobs?cursor=7", 400, "invalid_query"),
        get("/v1/jobs?tag=a%00b", 400, "invalid_query"),
        get("/v1/jobs/01932b6e-7f00-7abc-8def-0123456789ab?wait=soon", 400, "invalid_query"),
        with(&[("prefer", "wait=soon")], get(NOBODY, 400, "invalid_header")),
        with(&[JSON, ("idempotency-key", "")], post("/v1/jobs", echo(), 400, "invalid_header")),
        post(
            "/v1/jobs/01932b6e-7f00-7abc-8def-0123456789ab/cancel",
            "{\"force\":true}",
            422,
            "invalid_input",
        ),
        // Web pages of other origins.
        with(&[JSON, ("host", "evil.example")], post("/v1/jobs", echo(), 403, "foreign_origin")),
        with(
            &[JSON, ("origin", "https://evil.example")],
            post("/v1/jobs", echo(), 403, "foreign_origin"),
        ),
        with(&[("origin", "http://localhost:3000")], get("/v1/jobs", 403, "foreign_origin")),
        with(&[("sec-fetch-site", "cross-site")], get("/v1/jobs", 403, "foreign_origin")),
        with(&[("sec-fetch-site", "same-site")], get("/v1/jobs", 403, "foreign_origin")),
        with(&[("origin", "null")], post("/v1/jobs/7/cancel", "", 403, "foreign_origin")),
    ]
}

#[tokio::test]
async fn every_refusal_has_its_status_its_word_and_its_pointers() {
    let server = TestServer::new().await;
    for case in cases() {
        let shown = format!("{} {} {:.80}", case.method, case.path, case.body);
        let answer = server
            .send(request(case.method, case.path, &case.headers, Body::from(case.body)))
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.problem().as_str()),
            (case.status, case.word),
            "{shown}"
        );
        assert_eq!(answer.pointers(), case.pointers, "{shown}");
    }
    assert_eq!(server.get("/v1/jobs").await.json()["jobs"], json!([]), "nothing was stored");
}

#[tokio::test]
async fn an_unknown_method_is_answered_with_the_allowed_ones() {
    let server = TestServer::new().await;
    let answer = server.send(request(Method::DELETE, "/v1/jobs", &[], Body::empty())).await;
    assert!(answer.header("allow").contains("GET") && answer.header("allow").contains("POST"));
}

#[tokio::test]
async fn the_callers_request_id_is_kept_and_a_malformed_one_is_replaced() {
    let server = TestServer::new().await;
    let kept = server.get_with(NOBODY, &[("x-request-id", "abc-1")]).await;
    assert_eq!((kept.header("x-request-id"), kept.problem().as_str()), ("abc-1", "not_found"));
    let fresh = server.get_with(NOBODY, &[("x-request-id", "<b>")]).await;
    assert_ne!(fresh.header("x-request-id"), "<b>");
}

#[tokio::test]
async fn a_store_that_is_away_is_a_503_with_a_time_to_retry() {
    let server = TestServer::new().await;
    server.store.set_away(true);
    server.view_cache.set_away(true);
    let post = server.post("/v1/jobs", &json!({"kind": "echo", "input": {}})).await;
    for answer in [post, server.get(NOBODY).await, server.get("/v1/jobs").await] {
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
        );
        assert!(answer.header("retry-after").parse::<u32>().is_ok());
        assert_eq!(answer.json()["retryable"], json!(true));
        assert!(!answer.text().contains("taken away"), "internal errors are for the log alone");
    }
    server.store.set_away(false);
    server.echo(json!(1)).await;
}

#[tokio::test]
async fn a_panic_is_a_500_of_its_own_request() {
    let server = TestServer::new().await;
    server.store.set_panics();
    let answer = server.get("/v1/queues/light/demand").await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (500, "internal"));
    assert_eq!(server.get("/health/live").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_body_that_takes_much_memory_is_refused_before_it_is_parsed() {
    let server = TestServer::new().await;
    let body = format!("[{}0]", "{\"\":0},".repeat(MAX_JSON_MEMORY / 640));
    let answer = server.send(request(Method::POST, "/v1/jobs", &[JSON], Body::from(body))).await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (422, "invalid_input"));
    assert!(answer.text().contains("MB of memory"), "{}", answer.text());
}
