//! Health, metrics, demand, compression, and the bound on waiting tasks.

use axum::http::StatusCode;
use producer::ProducerSettings;
use serde_json::json;
use tokio::time::timeout;

use crate::server::{BOUND, TestServer};

#[tokio::test]
async fn readiness_names_the_part_that_is_away_and_does_not_need_the_view_cache() {
    let server = TestServer::new().await;
    let all = server.get("/health/ready").await;
    assert_eq!(
        (all.status, &all.json()["ready"]),
        (StatusCode::OK, &json!(true)),
        "{}",
        all.text()
    );
    server.view_cache.set_away(true);
    let slower = server.get("/health/ready").await;
    assert_eq!(slower.status, StatusCode::OK);
    assert_eq!(slower.json()["parts"]["view_cache"]["ready"], json!(false));
    server.broker.set_down(true);
    let not = server.get("/health/ready").await;
    assert_eq!(
        (not.status, &not.json()["ready"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!(false))
    );
    assert!(not.json()["parts"]["broker"]["detail"].is_string());
    assert_eq!(not.json()["parts"]["store"]["ready"], json!(true));
    assert_eq!(server.get("/health/live").await.status, StatusCode::OK);
}

#[tokio::test]
async fn metrics_count_by_route_and_kind_and_never_by_id() {
    let server = TestServer::new().await;
    let id = server.echo(json!(1)).await;
    server.get(&format!("/v1/jobs/{id}")).await;
    server.get("/nope").await;
    let metrics = server.get("/metrics").await;
    assert!(metrics.header("content-type").starts_with("text/plain"));
    let text = metrics.text();
    for line in [
        r#"spool_http_requests_total{method="POST",route="/v1/jobs",status="202"} 1"#,
        r#"spool_http_requests_total{method="GET",route="/v1/jobs/{id}",status="200"} 1"#,
        r#"spool_accept_seconds_count{kind="echo"} 1"#,
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(!text.contains(&id));
}

#[tokio::test]
async fn demand_reports_waiting_and_running_tasks_to_an_autoscaler() {
    let server = TestServer::new().await;
    server.echo(json!(1)).await;
    server.claim().await;
    server.echo(json!(2)).await;
    server.heartbeat(4).await;
    let demand = server.get("/v1/queues/light/demand").await.json();
    assert_eq!(
        (&demand["queued"], &demand["running"], &demand["slots"]),
        (&json!(1), &json!(1), &json!(4))
    );
    assert_eq!((&demand["queue"], &demand["slotsNeeded"]), (&json!("light"), &json!(2)));
}

#[tokio::test]
async fn submits_are_refused_while_too_many_tasks_wait() {
    let server =
        TestServer::with(ProducerSettings { max_backlog: 2, ..ProducerSettings::default() }).await;
    let _duties = server.producer.start_duties();
    let job = json!({"kind": "echo", "input": {}});
    let overloaded = async {
        loop {
            let answer = server.post("/v1/jobs", &job).await;
            if answer.status != StatusCode::ACCEPTED {
                return answer;
            }
        }
    };
    let answer = timeout(BOUND, overloaded).await.expect("refused in time");
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (503, "overloaded"));
    assert!(answer.header("retry-after").parse::<u32>().is_ok());
    let batch = server.post("/v1/batches", &json!({"jobs": [job]})).await;
    assert_eq!(batch.problem(), "overloaded");
    assert_eq!(server.get("/v1/jobs").await.status, StatusCode::OK, "reading goes on");
    server.stop.cancel();
}

#[tokio::test]
async fn compression_is_set_by_level_and_length() {
    let length = async |compression_level, compression_bytes| {
        let settings = ProducerSettings {
            compression_level,
            compression_bytes,
            ..ProducerSettings::default()
        };
        let server = TestServer::with(settings).await;
        let encoding = [("accept-encoding", "gzip")];
        let answer = server.get_with("/openapi.json", &encoding).await;
        (answer.header("content-encoding").to_owned(), answer.body.len())
    };
    let (fast, small) = (length(1, 1).await, length(9, 1).await);
    assert_eq!((fast.0.as_str(), small.0.as_str()), ("gzip", "gzip"));
    assert!(small.1 < fast.1, "{small:?} {fast:?}");
    assert_eq!(length(0, 1).await.0, "");
    assert_eq!(length(1, 1 << 20).await.0, "");
}

#[tokio::test]
async fn long_answers_are_compressed_and_short_ones_are_not() {
    let server = TestServer::new().await;
    let id = server.echo(json!("x".repeat(5_000))).await;
    server.work().await;
    let encoded = async |path: &str, accept: &str| {
        let answer = server.get_with(path, &[("accept-encoding", accept)]).await;
        assert_eq!(answer.status, StatusCode::OK);
        answer.header("content-encoding").to_owned()
    };
    let job = format!("/v1/jobs/{id}");
    for encoding in ["zstd", "gzip"] {
        assert_eq!(encoded(&job, encoding).await, encoding);
    }
    assert_eq!(encoded(&job, "br, gzip;q=0.5").await, "gzip", "Brotli is not offered");
    assert_eq!(encoded(&job, "br").await, "");
    assert_eq!(encoded(&job, "identity").await, "");
    assert_eq!(encoded(&format!("{job}?fields=id"), "gzip").await, "");
}
