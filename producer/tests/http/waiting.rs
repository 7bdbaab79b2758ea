//! Long polls.

use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;
use serde_json::json;
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout},
};

use crate::stand::{Answer, BOUND, Stand, succeeded};

fn waiting(
    stand: &Arc<Stand>,
    path: String,
    headers: &'static [(&'static str, &'static str)],
) -> JoinHandle<Answer> {
    let stand = stand.clone();
    tokio::spawn(async move { stand.get_with(&path, headers).await })
}

/// Waits until this many requests wait.
async fn waiters(stand: &Stand, count: u32) {
    let line = format!("spool_waiters {count}\n");
    let joined = async {
        while !stand.get("/metrics").await.text().contains(&line) {
            tokio::task::yield_now().await;
        }
    };
    timeout(BOUND, joined).await.expect("the waiters join");
}

#[tokio::test]
async fn a_waiter_is_answered_at_the_next_change_of_status_and_again_at_the_end() {
    let stand = Arc::new(Stand::new().await);
    let _duties = stand.producer.start_duties();
    let id = stand.echo(json!(1)).await;
    let path = format!("/v1/jobs/{id}?wait=25");
    let begun = Instant::now();
    let poll = waiting(&stand, path.clone(), &[]);
    waiters(&stand, 1).await;
    let task = stand.claim().await.remove(0);
    stand.view_cache.put_view(&task.view).await;
    let running = timeout(BOUND, poll).await.expect("in time").expect("joins");
    assert_eq!(running.json()["status"], json!("running"));

    let polls =
        [waiting(&stand, path.clone(), &[]), waiting(&stand, path, &[("prefer", "wait=25")])];
    waiters(&stand, 2).await;
    stand.settle(&task, succeeded(json!("done"))).await;
    for poll in polls {
        let done = timeout(BOUND, poll).await.expect("in time").expect("joins");
        assert_eq!(
            (&done.json()["status"], &done.json()["result"]),
            (&json!("succeeded"), &json!("done"))
        );
    }
    assert!(begun.elapsed() < Duration::from_secs(25));
    waiters(&stand, 0).await;
    stand.stop.cancel();
}

#[tokio::test]
async fn without_the_view_cache_a_waiter_still_hears_from_the_store() {
    let stand = Arc::new(Stand::new().await);
    stand.view_cache.set_away(true);
    let id = stand.echo(json!(1)).await;
    let poll = waiting(&stand, format!("/v1/jobs/{id}?wait=25"), &[]);
    waiters(&stand, 1).await;
    stand.work().await;
    let done = timeout(BOUND, poll).await.expect("in time").expect("joins");
    assert_eq!(done.json()["status"], json!("succeeded"));
}

#[tokio::test]
async fn nobody_waits_for_what_is_final_or_news() {
    let stand = Arc::new(Stand::new().await);
    let id = stand.echo(json!(1)).await;
    let path = format!("/v1/jobs/{id}?wait=25");
    let news = waiting(&stand, path.clone(), &[("if-none-match", "\"older\"")]);
    let news = timeout(BOUND, news).await.expect("at once").expect("joins");
    assert_eq!(news.json()["status"], json!("queued"));
    stand.work().await;
    let done = timeout(BOUND, stand.get(&path)).await.expect("at once");
    assert_eq!(done.json()["status"], json!("succeeded"));
}

#[tokio::test]
async fn a_wait_that_ends_without_a_change_answers_what_is_known_already() {
    let stand = Stand::new().await;
    let path = format!("/v1/jobs/{}", stand.echo(json!(1)).await);
    let first = stand.get(&path).await;
    let tag = first.header("etag").to_owned();
    let answer = stand.get_with(&path, &[("prefer", "wait=1"), ("if-none-match", &tag)]).await;
    assert_eq!(answer.status, StatusCode::NOT_MODIFIED);
    assert_eq!(answer.header("preference-applied"), "wait=1");
}

#[tokio::test]
async fn a_server_that_stops_lets_its_waiters_go() {
    let stand = Arc::new(Stand::new().await);
    let id = stand.echo(json!(1)).await;
    let poll = waiting(&stand, format!("/v1/jobs/{id}?wait=25"), &[]);
    waiters(&stand, 1).await;
    stand.stop.cancel();
    let answer = timeout(BOUND, poll).await.expect("at once").expect("joins");
    assert_eq!((answer.status, &answer.json()["status"]), (StatusCode::OK, &json!("queued")));
}
