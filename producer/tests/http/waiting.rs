//! Long polls.

use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;
use serde_json::json;
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout},
};

use crate::server::{BOUND, TestResponse, TestServer, succeeded};

fn waiting(
    server: &Arc<TestServer>,
    path: String,
    headers: &'static [(&'static str, &'static str)],
) -> JoinHandle<TestResponse> {
    let server = server.clone();
    tokio::spawn(async move { server.get_with(&path, headers).await })
}

/// Waits until this many requests wait.
async fn waiters(server: &TestServer, count: u32) {
    let line = format!("spool_waiters {count}\n");
    let joined = async {
        while !server.get("/metrics").await.text().contains(&line) {
            tokio::task::yield_now().await;
        }
    };
    timeout(BOUND, joined).await.expect("the waiters join");
}

#[tokio::test]
async fn a_waiter_is_answered_at_the_next_change_of_status_and_again_at_the_end() {
    let server = Arc::new(TestServer::new().await);
    let _duties = server.producer.start_duties();
    let id = server.echo(json!(1)).await;
    let path = format!("/v1/jobs/{id}?wait=25");
    let begun = Instant::now();
    let poll = waiting(&server, path.clone(), &[]);
    waiters(&server, 1).await;
    let task = server.claim().await.remove(0);
    server.view_cache.put_view(&task.view).await;
    let running = timeout(BOUND, poll).await.expect("in time").expect("joins");
    assert_eq!(running.json()["status"], json!("running"));

    let polls =
        [waiting(&server, path.clone(), &[]), waiting(&server, path, &[("prefer", "wait=25")])];
    waiters(&server, 2).await;
    server.settle(&task, succeeded(json!("done"))).await;
    for poll in polls {
        let done = timeout(BOUND, poll).await.expect("in time").expect("joins");
        assert_eq!(
            (&done.json()["status"], &done.json()["result"]),
            (&json!("succeeded"), &json!("done"))
        );
    }
    assert!(begun.elapsed() < Duration::from_secs(25));
    waiters(&server, 0).await;
    server.stop.cancel();
}

#[tokio::test]
async fn without_the_view_cache_a_waiter_is_answered_from_the_store() {
    let server = Arc::new(TestServer::new().await);
    server.view_cache.set_away(true);
    let id = server.echo(json!(1)).await;
    let poll = waiting(&server, format!("/v1/jobs/{id}?wait=25"), &[]);
    waiters(&server, 1).await;
    server.work().await;
    let done = timeout(BOUND, poll).await.expect("in time").expect("joins");
    assert_eq!(done.json()["status"], json!("succeeded"));
}

#[tokio::test]
async fn a_wait_for_a_final_or_changed_job_is_answered_at_once() {
    let server = Arc::new(TestServer::new().await);
    let id = server.echo(json!(1)).await;
    let path = format!("/v1/jobs/{id}?wait=25");
    let news = waiting(&server, path.clone(), &[("if-none-match", "\"older\"")]);
    let news = timeout(BOUND, news).await.expect("at once").expect("joins");
    assert_eq!(news.json()["status"], json!("queued"));
    server.work().await;
    let done = timeout(BOUND, server.get(&path)).await.expect("at once");
    assert_eq!(done.json()["status"], json!("succeeded"));
}

#[tokio::test]
async fn a_wait_that_ends_without_a_change_is_answered_with_304() {
    let server = TestServer::new().await;
    let path = format!("/v1/jobs/{}", server.echo(json!(1)).await);
    let first = server.get(&path).await;
    let tag = first.header("etag").to_owned();
    let answer = server.get_with(&path, &[("prefer", "wait=1"), ("if-none-match", &tag)]).await;
    assert_eq!(answer.status, StatusCode::NOT_MODIFIED);
    assert_eq!(answer.header("preference-applied"), "wait=1");
}

#[tokio::test]
async fn a_stopping_server_answers_its_waiters() {
    let server = Arc::new(TestServer::new().await);
    let id = server.echo(json!(1)).await;
    let poll = waiting(&server, format!("/v1/jobs/{id}?wait=25"), &[]);
    waiters(&server, 1).await;
    server.stop.cancel();
    let answer = timeout(BOUND, poll).await.expect("at once").expect("joins");
    assert_eq!((answer.status, &answer.json()["status"]), (StatusCode::OK, &json!("queued")));
}
