//! Jobs, from the post to the result.

use axum::http::StatusCode;
use common::outcome::Verdict;
use serde_json::{Value, json};

use crate::server::{TestServer, succeeded};

#[tokio::test]
async fn an_accepted_job_is_answered_with_its_location_and_can_be_read() {
    let server = TestServer::new().await;
    let order: Value = serde_json::from_str("1.10").unwrap();
    let body = json!({
        "kind": "echo", "input": {"value": 1}, "priority": 7, "tags": ["a"],
        "metadata": {"order": order}, "runAt": "2999-01-01T00:00:00Z"
    });
    let refused = server.post("/v1/jobs", &body).await;
    assert_eq!(refused.pointers(), ["/runAt"]);
    let mut body = body;
    body.as_object_mut().unwrap().remove("runAt");
    let answer = server.post("/v1/jobs", &body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(answer.header("location"), format!("/v1/jobs/{}", answer.id()));
    assert_eq!(answer.header("retry-after"), "1");
    let job = answer.json();
    assert_eq!(
        (&job["kind"], &job["status"], &job["priority"]),
        (&json!("echo"), &json!("queued"), &json!(7))
    );
    assert_eq!(job["progress"]["value"], json!(0.0));
    for member in ["result", "error", "batchId", "runAt", "startedAt", "finishedAt"] {
        assert_eq!(job.get(member), Some(&json!(null)), "{member}");
    }
    let read = server.get(answer.header("location")).await.json();
    for member in [
        "id", "kind", "status", "priority", "tags", "metadata", "result", "error", "batchId",
        "attempts",
    ] {
        assert_eq!(read[member], job[member], "{member}");
    }
    assert!(
        server.get(answer.header("location")).await.text().contains("1.10"),
        "numbers keep their spelling"
    );
}

#[tokio::test]
async fn a_settled_job_reads_the_same_from_the_view_cache_and_from_the_store() {
    let server = TestServer::new().await;
    let good = server.echo(json!({"n": 1.50})).await;
    let bad =
        server.post("/v1/jobs", &json!({"kind": "echo", "input": {"fail": "no luck"}})).await.id();
    server.work().await;
    for (id, status) in [(&good, "succeeded"), (&bad, "failed")] {
        let path = format!("/v1/jobs/{id}");
        let from_view_cache = server.get(&path).await;
        server.view_cache.set_away(true);
        let from_store = server.get(&path).await;
        server.view_cache.set_away(false);
        assert_eq!(from_view_cache.json()["status"], json!(status));
        assert_eq!(from_view_cache.text(), from_store.text());
        assert_eq!(from_view_cache.header("etag"), from_store.header("etag"));
    }
    let metrics = server.get("/metrics").await.text();
    assert!(
        metrics.contains(r#"spool_status_read_seconds_count{from="view_cache",kind="echo"} 2"#),
        "{metrics}"
    );
    assert!(
        metrics.contains(r#"spool_status_read_seconds_count{from="store",kind="echo"} 2"#),
        "{metrics}"
    );
    let failed = server.get(&format!("/v1/jobs/{bad}")).await.json();
    assert_eq!(
        failed["error"],
        json!({
            "code": "echo_failed", "class": "permanent", "detail": "no luck", "retryable": false,
        })
    );
}

#[tokio::test]
async fn an_unchanged_job_is_not_sent_again() {
    let server = TestServer::new().await;
    let path = format!("/v1/jobs/{}", server.echo(json!(1)).await);
    let first = server.get(&path).await;
    let tag = first.header("etag").to_owned();
    let again = server.get_with(&path, &[("if-none-match", &tag)]).await;
    assert_eq!(
        (again.status, again.body.len(), again.header("etag")),
        (StatusCode::NOT_MODIFIED, 0, tag.as_str())
    );
    server.work().await;
    let changed = server.get_with(&path, &[("if-none-match", &tag)]).await;
    assert_eq!(changed.status, StatusCode::OK);
    assert_ne!(changed.header("etag"), tag);
}

#[tokio::test]
async fn only_the_selected_fields_are_sent() {
    let server = TestServer::new().await;
    let id = server.echo(json!({"a": 1, "b": 2})).await;
    server.work().await;
    let cut = server.get(&format!("/v1/jobs/{id}?fields=id,status,result.a")).await.json();
    assert_eq!(cut, json!({"id": id, "status": "succeeded", "result": {"a": 1}}));
    let listed = server.get("/v1/jobs?fields=id").await.json();
    assert_eq!(listed, json!({"jobs": [{"id": id}], "nextCursor": null}));
}

#[tokio::test]
async fn an_artifact_in_a_result_gets_its_url_and_its_path() {
    let server = TestServer::new().await;
    let id = server.echo(json!(null)).await;
    let hash = "ab".repeat(32);
    let task = server.claim().await.remove(0);
    server
        .settle(
            &task,
            succeeded(json!({"artifact": hash, "parts": [{"artifact": hash}, {"artifact": "x"}]})),
        )
        .await;
    let result = server.get(&format!("/v1/jobs/{id}")).await.json()["result"].clone();
    let url = format!("http://localhost:8080/v1/artifacts/{hash}");
    assert_eq!((&result["url"], &result["parts"][0]["url"]), (&json!(url), &json!(url)));
    assert!(result["path"].as_str().is_some_and(|path| path.ends_with(&hash)));
    assert_eq!(result["parts"][1], json!({"artifact": "x"}));
}

#[tokio::test]
async fn the_same_key_and_body_make_one_job_and_another_body_is_refused() {
    let server = TestServer::new().await;
    let key = [("idempotency-key", "order-1")];
    let post = async |value: i32| {
        server
            .post_with("/v1/jobs", &key, &json!({"kind": "echo", "input": {"value": value}}))
            .await
    };
    let first = post(1).await;
    let again = post(1).await;
    assert_eq!(first.header("idempotency-replayed"), "");
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!((first.text(), first.header("location")), (again.text(), again.header("location")));
    assert_eq!(again.status, StatusCode::ACCEPTED);
    let other = post(2).await;
    assert_eq!((other.status.as_u16(), other.problem().as_str()), (422, "idempotency_key_reused"));
    assert_eq!(server.get("/v1/jobs").await.json()["jobs"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_list_pages_from_the_newest_and_filters() {
    let server = TestServer::new().await;
    let mut ids = Vec::new();
    for index in 0..5 {
        let tags = if index % 2 == 0 { vec!["even"] } else { vec![] };
        let job = json!({"kind": "echo", "input": {"value": index}, "tags": tags});
        ids.insert(0, server.post("/v1/jobs", &job).await.id());
    }
    let shown = |answer: &crate::server::TestResponse| {
        let jobs = answer.json()["jobs"].as_array().unwrap().clone();
        jobs.iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let first = server.get("/v1/jobs?limit=3").await;
    assert_eq!(shown(&first), ids[..3]);
    let cursor = first.json()["nextCursor"].as_str().expect("a next page").to_owned();
    let second = server.get(&format!("/v1/jobs?limit=3&cursor={cursor}")).await;
    assert_eq!((shown(&second), &second.json()["nextCursor"]), (ids[3..].to_vec(), &json!(null)));
    assert_eq!(
        shown(&server.get("/v1/jobs?tag=even").await),
        [&ids[0], &ids[2], &ids[4]].map(String::clone)
    );
    assert_eq!(shown(&server.get("/v1/jobs?status=succeeded").await), Vec::<String>::new());
    assert_eq!(shown(&server.get("/v1/jobs?kind=probe").await), Vec::<String>::new());
}

#[tokio::test]
async fn cancel_settles_waiting_jobs_and_asks_running_ones_to_stop() {
    let server = TestServer::new().await;
    let waits = server.echo(json!(1)).await;
    let answer = server.act(&format!("/v1/jobs/{waits}/cancel")).await;
    assert_eq!((answer.status, &answer.json()["status"]), (StatusCode::OK, &json!("cancelled")));
    let again = server.act(&format!("/v1/jobs/{waits}/cancel")).await;
    assert_eq!((again.status, &again.json()["status"]), (StatusCode::OK, &json!("cancelled")));

    let runs = server.echo(json!(2)).await;
    let task = server.claim().await.remove(0);
    let mut told =
        common::port::broker::Broker::listen(server.broker.as_ref()).await.expect("listens");
    let answer = server.act(&format!("/v1/jobs/{runs}/cancel")).await;
    assert_eq!(
        (answer.status, &answer.json()["status"]),
        (StatusCode::ACCEPTED, &json!("running"))
    );
    let message =
        tokio::time::timeout(crate::server::BOUND, told.next()).await.expect("told in time");
    assert_eq!(message, common::port::broker::Control::Cancel(vec![task.task]));
    server.settle(&task, Verdict::Cancelled).await;
    assert_eq!(server.get(&format!("/v1/jobs/{runs}")).await.json()["status"], json!("cancelled"));
}

#[tokio::test]
async fn retry_runs_failed_jobs_again_and_no_others() {
    let server = TestServer::new().await;
    let id =
        server.post("/v1/jobs", &json!({"kind": "echo", "input": {"fail": "once"}})).await.id();
    let retry = format!("/v1/jobs/{id}/retry");
    let early = server.act(&retry).await;
    assert_eq!((early.status.as_u16(), early.problem().as_str()), (409, "nothing_to_retry"));
    server.work().await;
    assert_eq!(server.get(&format!("/v1/jobs/{id}")).await.json()["status"], json!("failed"));
    let again = server.act(&retry).await;
    assert_eq!((again.status, &again.json()["status"]), (StatusCode::ACCEPTED, &json!("queued")));
    assert_eq!(
        server.get(&format!("/v1/jobs/{id}")).await.json()["status"],
        json!("queued"),
        "the view cache has forgotten"
    );
    let task = server.claim().await.remove(0);
    server.settle(&task, succeeded(json!("at last"))).await;
    let done = server.get(&format!("/v1/jobs/{id}")).await.json();
    assert_eq!(
        (&done["status"], &done["result"], &done["error"]),
        (&json!("succeeded"), &json!("at last"), &json!(null))
    );
    assert_eq!(server.act(&retry).await.problem(), "nothing_to_retry");
}

#[tokio::test]
async fn the_plan_shows_each_task_with_its_attempts() {
    let server = TestServer::new().await;
    let id = server.echo(json!(1)).await;
    server.work().await;
    let plan = server.get(&format!("/v1/jobs/{id}/tasks")).await.json();
    let task = &plan["tasks"][0];
    assert_eq!(
        (&task["kind"], &task["state"], &task["queue"]),
        (&json!("echo"), &json!("succeeded"), &json!("light"))
    );
    assert_eq!(
        (&task["jobId"], &task["attempts"], &task["cached"]),
        (&json!(id), &json!(1), &json!(false))
    );
    let one = server.get(&format!("/v1/tasks/{}", task["id"].as_str().unwrap())).await;
    assert_eq!(one.json(), *task);
    assert!(!one.header("etag").is_empty());
}

#[tokio::test]
async fn concurrent_submits_share_one_commit() {
    let server = std::sync::Arc::new(TestServer::new().await);
    server.store.gate.forget_permits(usize::MAX);
    let posts: Vec<_> = (0..50)
        .map(|value| {
            let server = server.clone();
            tokio::spawn(async move { server.echo(json!(value)).await })
        })
        .collect();
    // On this single thread all posts run up to their wait for the store while we yield.
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    server.store.gate.add_permits(1_000);
    for post in posts {
        tokio::time::timeout(crate::server::BOUND, post).await.expect("in time").expect("accepted");
    }
    let commits = server.store.accepts.load(std::sync::atomic::Ordering::SeqCst);
    assert!(commits <= 3, "{commits} commits for 50 posts");
    assert_eq!(server.get("/v1/jobs?limit=100").await.json()["jobs"].as_array().unwrap().len(), 50);
}

#[tokio::test]
async fn a_unique_job_is_answered_by_the_one_that_is_there() {
    let server = TestServer::new().await;
    let job = |value: u32, unique: Value| {
        let input = json!({"value": value});
        json!({"kind": "echo", "input": input, "unique": unique})
    };
    let by_input = json!({"by": "input"});
    let first = server.post("/v1/jobs", &job(1, by_input.clone())).await;
    assert_eq!((first.status, &first.json()["existing"]), (StatusCode::ACCEPTED, &json!(null)));
    let second = server.post("/v1/jobs", &job(1, by_input.clone())).await;
    assert_eq!((second.status, &second.json()["existing"]), (StatusCode::OK, &json!(true)));
    assert_eq!((second.id(), second.header("location")), (first.id(), first.header("location")));
    let other = server.post("/v1/jobs", &job(2, by_input.clone())).await;
    assert_eq!(other.status, StatusCode::ACCEPTED);
    server.work().await;
    let after = server.post("/v1/jobs", &job(1, by_input.clone())).await;
    assert_eq!(after.status, StatusCode::ACCEPTED, "the first one has ended");
    let in_batch = json!({"jobs": [job(1, by_input)]});
    let batch = server.post("/v1/batches", &in_batch).await;
    let results = server.get(&format!("/v1/batches/{}/results", batch.id())).await.json();
    let pointer = &results["results"][0]["reason"]["errors"][0]["pointer"];
    assert_eq!(pointer, &json!("/unique"), "{results}");
}
