//! Dead work over HTTP.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::server::TestServer;

/// Posts echo jobs that fail, and runs them.
async fn failing(server: &TestServer, count: usize) -> Vec<String> {
    let mut jobs = Vec::new();
    for _ in 0..count {
        let posted = server
            .post("/v1/jobs", &json!({"kind": "echo", "input": {"fail": "so it was asked"}}))
            .await;
        jobs.push(posted.id());
    }
    // One round runs at most a hundred.
    for _ in 0..=count / 100 {
        server.work().await;
    }
    jobs
}

async fn dead(server: &TestServer, query: &str) -> Value {
    let answer = server.get(&format!("/v1/admin/dead{query}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()
}

#[tokio::test]
async fn dead_work_is_listed_filtered_shown_and_retried() {
    let server = TestServer::new().await;
    let job = failing(&server, 1).await.remove(0);
    let listed = dead(&server, "?class=permanent&code=echo_failed&kind=echo").await;
    assert_eq!((&listed["nextCursor"], &listed["deadLetters"]), (&json!(null), &json!(0)));
    let task = listed["tasks"][0].clone();
    assert_eq!((&task["jobId"], &task["errors"][0]["attempt"]), (&json!(job), &json!(1)));
    assert_eq!(task["errors"][0]["error"]["detail"], json!("so it was asked"));
    assert!(task["errors"][0]["worker"].is_string() && task["errors"][0]["at"].is_string());
    for nothing in [
        "?class=bug",
        "?code=x",
        "?kind=probe",
        "?since=2100-01-01T00:00:00Z",
        "?until=2000-01-01T00:00:00Z",
    ] {
        assert_eq!(dead(&server, nothing).await["tasks"], json!([]), "{nothing}");
    }
    let id = task["id"].as_str().unwrap();
    assert_eq!(
        server.get(&format!("/v1/tasks/{id}")).await.json(),
        task,
        "the task's own view shows the same"
    );
    assert_eq!(server.get(&format!("/v1/admin/dead/{id}")).await.json(), task);

    let replay = format!("/v1/admin/dead/{id}/replay");
    let replayed = server.act(&replay).await;
    assert_eq!((replayed.status, replayed.id()), (StatusCode::ACCEPTED, job));
    assert_eq!(server.act(&replay).await.problem(), "nothing_to_retry");
    assert_eq!(dead(&server, "").await["tasks"], json!([]));
}

#[tokio::test]
async fn all_matching_jobs_are_retried_and_counted_once_each() {
    let server = TestServer::new().await;
    failing(&server, 150).await;
    let nothing = server.post("/v1/admin/dead/replay", &json!({"code": "other"})).await;
    assert_eq!(
        (nothing.status, nothing.json()),
        (StatusCode::ACCEPTED, json!({"replayed": 0, "nextCursor": null}))
    );
    let all = server.post("/v1/admin/dead/replay", &json!({"code": "echo_failed"})).await.json();
    assert_eq!(all, json!({"replayed": 150, "nextCursor": null}));
    let again = server.post("/v1/admin/dead/replay", &json!({})).await.json();
    assert_eq!(again, json!({"replayed": 0, "nextCursor": null}), "they run and are not dead");
}

#[tokio::test]
async fn an_invalid_filter_is_refused_by_its_name() {
    let server = TestServer::new().await;
    for query in ["?class=angry", "?since=yesterday", "?cursor=7", "?limit=0"] {
        assert_eq!(
            server.get(&format!("/v1/admin/dead{query}")).await.problem(),
            "invalid_query",
            "{query}"
        );
    }
    let refused = server
        .post("/v1/admin/dead/replay", &json!({"class": "angry", "since": 1, "kid": "echo"}))
        .await;
    assert_eq!(refused.pointers(), ["/kid", "/class", "/since"]);
    assert_eq!(server.get("/v1/admin/dead/7").await.problem(), "not_found");
    let alive = server.echo(json!(1)).await;
    let task =
        server.get(&format!("/v1/jobs/{alive}/tasks")).await.json()["tasks"][0]["id"].clone();
    assert_eq!(
        server.get(&format!("/v1/admin/dead/{}", task.as_str().unwrap())).await.problem(),
        "not_found"
    );
}
