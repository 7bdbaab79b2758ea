//! Schedules over HTTP.

use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use serde_json::{Value, json};

use crate::server::{TestServer, request};

fn daily() -> Value {
    json!({
        "name": "breakfast", "cron": "0 6 * * *", "timezone": "Europe/Berlin",
        "job": {"kind": "echo", "input": {"value": 1}},
    })
}

#[tokio::test]
async fn a_schedule_is_created_read_changed_paused_resumed_and_deleted() {
    let server = TestServer::new().await;
    let created = server.post("/v1/schedules", &daily()).await;
    assert_eq!(created.status, StatusCode::CREATED);
    let path = created.headers["location"].to_str().unwrap().to_owned();
    let created = created.json();
    assert_eq!(
        (&created["catchUp"], &created["paused"], &created["lastJob"]),
        (&json!("skip"), &json!(false), &json!(null))
    );
    let next: jiff::Timestamp = created["nextAt"].as_str().unwrap().parse().unwrap();
    assert_eq!(next.in_tz("Europe/Berlin").unwrap().hour(), 6);
    assert_eq!(server.get(&path).await.json(), created);
    assert_eq!(server.get("/v1/schedules").await.json()["schedules"], json!([created]));

    let body = Body::from(json!({"timezone": "Asia/Tokyo", "name": null}).to_string());
    let changed = server
        .send(request(Method::PATCH, &path, &[("content-type", "application/json")], body))
        .await;
    assert_eq!(changed.status, StatusCode::OK);
    let changed = changed.json();
    let next: jiff::Timestamp = changed["nextAt"].as_str().unwrap().parse().unwrap();
    assert_eq!((next.in_tz("Asia/Tokyo").unwrap().hour(), &changed["name"]), (6, &json!(null)));

    let paused = server.post(&format!("{path}/pause"), &json!({})).await.json();
    assert_eq!((&paused["paused"], &paused["nextAt"]), (&json!(true), &json!(null)));
    let resumed = server.post(&format!("{path}/resume"), &json!({})).await.json();
    assert_eq!((&resumed["paused"], &resumed["nextAt"]), (&json!(false), &changed["nextAt"]));

    let delete = || request(Method::DELETE, &path, &[], Body::empty());
    assert_eq!(server.send(delete()).await.status, StatusCode::NO_CONTENT);
    assert_eq!(server.send(delete()).await.status, StatusCode::NOT_FOUND);
    assert_eq!(server.get(&path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_invalid_schedule_is_refused_with_every_fault() {
    let server = TestServer::new().await;
    let bad =
        json!({"cron": "99 * * * *", "timezone": "Moon", "job": {"kind": "echo", "input": 5}});
    let refused = server.post("/v1/schedules", &bad).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let errors = refused.json()["errors"].clone();
    let pointers: Vec<&str> =
        errors.as_array().unwrap().iter().map(|fault| fault["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/cron", "/timezone", "/job/input"]);
    let said = errors[0]["detail"].as_str().unwrap();
    assert!(said.contains("99 * * * *") && said.contains("30 9 * * MON-FRI"), "{said}");
}

#[tokio::test]
async fn a_repeated_call_creates_one_schedule() {
    let server = TestServer::new().await;
    let key = [("idempotency-key", "k1")];
    let first = server.post_with("/v1/schedules", &key, &daily()).await;
    let again = server.post_with("/v1/schedules", &key, &daily()).await;
    assert_eq!((first.status, again.status), (StatusCode::CREATED, StatusCode::CREATED));
    assert_eq!(first.json(), again.json());
    let mut other = daily();
    other["cron"] = json!("0 7 * * *");
    assert_eq!(
        server.post_with("/v1/schedules", &key, &other).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert_eq!(server.get("/v1/schedules").await.json()["schedules"].as_array().unwrap().len(), 1);
}
