//! Batches, item by item.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::server::TestServer;

fn echo(value: i32) -> Value {
    json!({"kind": "echo", "input": {"value": value}})
}

async fn results(server: &TestServer, id: &str) -> Vec<Value> {
    let page = server.get(&format!("/v1/batches/{id}/results?limit=100")).await.json();
    assert_eq!(page["nextCursor"], json!(null));
    page["results"].as_array().unwrap().clone()
}

#[tokio::test]
async fn refused_and_failed_items_are_rejected_and_the_others_fulfilled_in_order() {
    let server = TestServer::new().await;
    let jobs = json!([
        echo(0), {"kind": "nope", "input": {}}, {"kind": "echo", "input": {"fail": "no luck"}}, 7,
        {"kind": "echo", "input": {"nap": 1}, "priority": 99}, echo(5),
    ]);
    let answer = server.post("/v1/batches", &json!({"jobs": jobs, "stopOnError": false})).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let id = answer.id();
    assert_eq!(answer.header("location"), format!("/v1/batches/{id}"));
    let counts = |fulfilled: u32, rejected: u32, pending: u32| {
        json!({
            "total": 6, "fulfilled": fulfilled, "rejected": rejected, "pending": pending,
        })
    };
    assert_eq!(
        (&answer.json()["status"], &answer.json()["counts"]),
        (&json!("running"), &counts(0, 3, 3))
    );
    let before = results(&server, &id).await;
    let statuses: Vec<_> = before.iter().map(|item| item["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["pending", "rejected", "pending", "rejected", "rejected", "pending"]);
    server.work().await;
    let batch = server.get(&format!("/v1/batches/{id}")).await;
    assert_eq!(
        (&batch.json()["status"], &batch.json()["counts"]),
        (&json!("settled"), &counts(2, 4, 0))
    );
    let items = results(&server, &id).await;
    for (index, item) in items.iter().enumerate() {
        assert_eq!(item["index"], json!(index));
    }
    assert_eq!((&items[0]["status"], &items[0]["value"]), (&json!("fulfilled"), &json!(0)));
    assert_eq!((&items[5]["status"], &items[5]["value"]), (&json!("fulfilled"), &json!(5)));
    assert_eq!(items[1]["reason"]["code"], json!("unknown_kind"));
    assert_eq!(items[2]["reason"]["detail"], json!("no luck"));
    assert_eq!(
        (&items[3]["jobId"], &items[3]["reason"]["errors"][0]["pointer"]),
        (&json!(null), &json!(""))
    );
    let pointers: Vec<_> =
        items[4]["reason"]["errors"].as_array().unwrap().iter().map(|f| &f["pointer"]).collect();
    assert_eq!(pointers, ["/priority", "/input/nap"]);
    let job = server.get(&format!("/v1/jobs/{}", items[0]["jobId"].as_str().unwrap())).await.json();
    assert_eq!((&job["batchId"], &job["batchIndex"]), (&json!(id), &json!(0)));
}

#[tokio::test]
async fn a_batch_of_refused_items_has_settled() {
    let server = TestServer::new().await;
    let answer = server.post("/v1/batches", &json!({"jobs": [1, 2]})).await;
    assert_eq!(
        (answer.status, &answer.json()["status"]),
        (StatusCode::ACCEPTED, &json!("settled"))
    );
    let read = server.get(answer.header("location")).await.json();
    assert_eq!((&read["status"], &read["counts"]["rejected"]), (&json!("settled"), &json!(2)));
}

#[tokio::test]
async fn pages_of_results_join_without_gap_or_overlap() {
    let server = TestServer::new().await;
    let jobs: Vec<_> = (0..7).map(echo).collect();
    let id = server.post("/v1/batches", &json!({"jobs": jobs})).await.id();
    let mut path = format!("/v1/batches/{id}/results?limit=3");
    let mut indexes = Vec::new();
    loop {
        let page = server.get(&path).await.json();
        indexes.extend(
            page["results"].as_array().unwrap().iter().map(|item| item["index"].as_u64().unwrap()),
        );
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        path = format!("/v1/batches/{id}/results?limit=3&cursor={cursor}");
    }
    assert_eq!(indexes, (0..7).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_full_batch_is_one_submission() {
    let server = TestServer::new().await;
    let jobs: Vec<_> = (0..10_000).map(echo).collect();
    let answer = server.post("/v1/batches", &json!({"jobs": jobs})).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    assert_eq!(answer.json()["counts"]["pending"], json!(10_000));
    assert_eq!(server.store.accepts.load(std::sync::atomic::Ordering::SeqCst), 1);
    let last =
        server.get(&format!("{}/results?cursor=9999", answer.header("location"))).await.json();
    assert_eq!((&last["results"][0]["index"], &last["nextCursor"]), (&json!(9999), &json!(null)));
}

#[tokio::test]
async fn the_same_key_makes_one_batch() {
    let server = TestServer::new().await;
    let key = [("idempotency-key", "\"b-1\"")];
    let body = json!({"jobs": [echo(1), echo(2)]});
    let first = server.post_with("/v1/batches", &key, &body).await;
    let again = server.post_with("/v1/batches", &key, &body).await;
    assert_eq!((first.text(), first.header("location")), (again.text(), again.header("location")));
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(server.get("/v1/jobs").await.json()["jobs"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn cancel_and_retry_of_a_batch_leave_refused_items_alone() {
    let server = TestServer::new().await;
    let id = server.post("/v1/batches", &json!({"jobs": [echo(1), 7, echo(2)]})).await.id();
    let cancelled = server.act(&format!("/v1/batches/{id}/cancel")).await;
    assert_eq!(
        (cancelled.status, &cancelled.json()["counts"]["rejected"]),
        (StatusCode::OK, &json!(3))
    );
    assert_eq!(results(&server, &id).await[0]["reason"]["code"], json!("cancelled"));
    let again = server.act(&format!("/v1/batches/{id}/retry")).await;
    assert_eq!(
        (again.status, &again.json()["counts"]["pending"]),
        (StatusCode::ACCEPTED, &json!(2))
    );
    server.work().await;
    let items = results(&server, &id).await;
    let statuses: Vec<_> = items.iter().map(|item| item["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["fulfilled", "rejected", "fulfilled"]);
    assert_eq!(server.act(&format!("/v1/batches/{id}/retry")).await.problem(), "nothing_to_retry");
}

#[tokio::test]
async fn an_unchanged_batch_is_not_sent_again() {
    let server = TestServer::new().await;
    let path = format!(
        "/v1/batches/{}",
        server.post("/v1/batches", &json!({"jobs": [echo(1)]})).await.id()
    );
    let tag = server.get(&path).await.header("etag").to_owned();
    let again = server.get_with(&path, &[("if-none-match", &tag)]).await;
    assert_eq!(again.status, StatusCode::NOT_MODIFIED);
}
