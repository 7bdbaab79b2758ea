//! Entity tags and JSON lines, which all lists have.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::server::{TestResponse, TestServer};

const LINES: (&str, &str) = ("accept", "application/x-ndjson");

/// A server with a batch of `items`, whose last one is refused.
async fn server_with_batch(items: usize) -> (TestServer, String) {
    let server = TestServer::new().await;
    let mut jobs = vec![json!({"kind": "echo", "input": {"value": 1}}); items - 1];
    jobs.push(json!({"kind": "nope"}));
    let id = server.post("/v1/batches", &json!({"jobs": jobs})).await.id();
    (server, id)
}

fn parse(answer: &TestResponse) -> Vec<Value> {
    answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_list_that_has_not_changed_is_not_sent_again() {
    let (server, batch) = server_with_batch(3).await;
    let results = format!("/v1/batches/{batch}/results");
    for path in ["/v1/jobs", "/v1/batches", &results, "/v1/schedules", "/v1/admin/dead"] {
        let first = server.get(path).await;
        let (tag, control) = (first.header("etag"), first.header("cache-control"));
        assert_eq!((first.status, control), (StatusCode::OK, "private, no-cache"), "{path}");
        let again = server.get_with(path, &[("if-none-match", tag)]).await;
        assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0), "{path}");
        let part = server.get_with(&format!("{path}?fields=id"), &[("if-none-match", tag)]).await;
        assert!(part.status == StatusCode::OK || path.contains("dead") || path.contains("sched"));
    }
    let tag = server.get("/v1/jobs").await.header("etag").to_owned();
    server.echo(json!(2)).await;
    let changed = server.get_with("/v1/jobs", &[("if-none-match", &tag)]).await;
    assert_eq!(changed.status, StatusCode::OK);
}

#[tokio::test]
async fn json_lines_hold_every_item_over_many_pages() {
    let (server, batch) = server_with_batch(250).await;
    let results = format!("/v1/batches/{batch}/results");
    let answer = server.get_with(&results, &[LINES]).await;
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    assert!(answer.headers.get_all("vary").iter().any(|vary| vary == "accept"));
    let lines = parse(&answer);
    let indexes: Vec<_> = lines.iter().map(|line| line["index"].as_u64().unwrap()).collect();
    assert_eq!(indexes, (0..250).collect::<Vec<_>>());
    assert_eq!(lines[249]["status"], json!("rejected"));
    let rest = server.get_with(&format!("{results}?cursor=248&fields=index"), &[LINES]).await;
    assert_eq!(parse(&rest), [json!({"index": 248}), json!({"index": 249})]);

    let jobs = parse(&server.get_with("/v1/jobs", &[LINES]).await);
    assert_eq!(jobs.len(), 249);
    let none = server.get_with("/v1/jobs?kind=probe", &[LINES]).await;
    assert_eq!((none.status, none.body.as_slice()), (StatusCode::OK, b"".as_slice()));
}

#[tokio::test]
async fn lines_that_can_not_be_sent_are_refused_before_they_begin() {
    let (server, _) = server_with_batch(2).await;
    let limited = server.get_with("/v1/jobs?limit=5", &[LINES]).await;
    assert_eq!((limited.status.as_u16(), limited.problem().as_str()), (400, "invalid_query"));
    let missing = "/v1/batches/01a2278a-84f9-75ac-adbb-d4ebea5b4b8f/results";
    assert_eq!(server.get_with(missing, &[LINES]).await.status, StatusCode::NOT_FOUND);
    server.store.set_away(true);
    assert_eq!(server.get_with("/v1/jobs", &[LINES]).await.status.as_u16(), 503);
}

#[tokio::test]
async fn batches_are_listed_from_the_newest() {
    let server = TestServer::new().await;
    let mut ids = Vec::new();
    for value in 0..5 {
        let jobs = json!({"jobs": [{"kind": "echo", "input": {"value": value}}, {"kind": "nope"}]});
        ids.insert(0, server.post("/v1/batches", &jobs).await.id());
    }
    let mut seen = Vec::new();
    let mut path = "/v1/batches?limit=2".to_owned();
    loop {
        let page = server.get(&path).await.json();
        for batch in page["batches"].as_array().unwrap() {
            let counts = json!({"total": 2, "fulfilled": 0, "rejected": 1, "pending": 1});
            assert_eq!(batch["counts"], counts);
            seen.push(batch["id"].as_str().unwrap().to_owned());
        }
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        path = format!("/v1/batches?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, ids);
}
