//! Limits, pauses, queues and workers over HTTP.

use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::server::{BOUND, TestResponse, TestServer, request, succeeded};

async fn put(server: &TestServer, path: &str, body: Value) -> TestResponse {
    server
        .send(request(
            Method::PUT,
            path,
            &[("content-type", "application/json")],
            Body::from(body.to_string()),
        ))
        .await
}

async fn delete(server: &TestServer, path: &str) -> StatusCode {
    server.send(request(Method::DELETE, path, &[], Body::empty())).await.status
}

async fn waiting_for(server: &TestServer, id: &str) -> Value {
    server.get(&format!("/v1/jobs/{id}")).await.json()["waitingFor"].clone()
}

#[tokio::test]
async fn a_limit_is_set_listed_enforced_and_removed() {
    let server = TestServer::new().await;
    let set = put(&server, "/v1/admin/limits/kind/echo", json!({"most": 1})).await;
    let limit = json!({"scope": "kind", "name": "echo", "most": 1, "kinds": ["echo"]});
    assert_eq!((set.status, set.json()), (StatusCode::OK, limit.clone()));
    let text = put(&server, "/v1/admin/limits/provider/text", json!({"most": 4})).await.json();
    assert_eq!(text["kinds"], json!(["hook", "ideas", "score", "script"]));
    assert_eq!(
        put(&server, "/v1/admin/limits/tenant/%2A", json!({"most": 9})).await.json()["name"],
        json!("*")
    );
    let listed = server.get("/v1/admin/limits").await.json();
    assert_eq!((listed["limits"].as_array().unwrap().len(), &listed["limits"][0]), (3, &limit));
    server.echo(json!(1)).await;
    assert_eq!(server.claim().await.len(), 1);
    let held = server.echo(json!(2)).await;
    assert_eq!(waiting_for(&server, &held).await, json!("limit:kind"));
    assert!(server.claim().await.is_empty());
    assert_eq!(delete(&server, "/v1/admin/limits/kind/echo").await, StatusCode::NO_CONTENT);
    assert_eq!(delete(&server, "/v1/admin/limits/kind/echo").await, StatusCode::NOT_FOUND);
    assert_eq!(server.claim().await.len(), 1, "the other one is dispatched");
}

#[tokio::test]
async fn a_limit_on_an_unknown_name_is_refused() {
    let server = TestServer::new().await;
    for path in ["kind/nope", "provider/smell", "batch/x", "tenant/a%07b", "tenant/a%00b"] {
        let answer = put(&server, &format!("/v1/admin/limits/{path}"), json!({"most": 1})).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    for (body, pointer) in [
        (json!({}), "/most"),
        (json!({"most": -1}), "/most"),
        (json!({"most": 1, "least": 2}), "/least"),
        (json!([]), ""),
    ] {
        let answer = put(&server, "/v1/admin/limits/kind/echo", body).await;
        assert_eq!(
            (answer.status, answer.pointers()),
            (StatusCode::UNPROCESSABLE_ENTITY, vec![pointer.to_owned()])
        );
    }
    assert_eq!(server.get("/v1/admin/limits").await.json(), json!({"limits": []}));
}

#[tokio::test]
async fn a_paused_queue_or_tenant_starts_nothing_until_it_is_resumed() {
    let server = TestServer::new().await;
    for what in ["queues/light", "tenants/default"] {
        server.heartbeat(4).await;
        let path = format!("/v1/admin/{what}/pause");
        let paused = server.post(&path, &json!({"by": "ann@host"})).await;
        assert_eq!(paused.status, StatusCode::OK);
        let id = server.echo(json!(1)).await;
        assert!(server.claim().await.is_empty(), "{what}");
        assert_eq!(waiting_for(&server, &id).await, json!("paused"));
        let queues = server.get("/v1/admin/queues").await.json();
        let light = queues["queues"]
            .as_array()
            .unwrap()
            .iter()
            .find(|queue| queue["queue"] == "light")
            .unwrap();
        assert_eq!(light["paused"], json!(what.starts_with("queues")));
        let (scope, name) = what.split_once("s/").unwrap();
        let pause = &queues["pauses"][0];
        let shown = [&pause["scope"], &pause["name"], &pause["by"]];
        assert_eq!(shown, [&json!(scope), &json!(name), &json!("ann@host")]);
        let waiting = server.get(&format!("/v1/jobs/{id}/waiting")).await.json();
        assert_eq!((&waiting["waitingFor"], &waiting["paused"][0]), (&json!("paused"), pause));
        assert_eq!(
            (&waiting["queue"], &waiting["position"], &waiting["estimatedStartAt"]),
            (&json!("light"), &json!(1), &json!(null))
        );
        assert_eq!(
            (&light["waiting"], &light["queued"], &light["slots"]),
            (&json!(1), &json!(0), &json!(100))
        );
        let resumed = server.act(&format!("/v1/admin/{what}/resume")).await;
        assert_eq!(resumed.json(), json!({"paused": false, "matched": true}), "{what}");
        let claimed = server.claim().await;
        assert_eq!(claimed.len(), 1, "{what}");
        server.settle(&claimed[0], succeeded(json!(1))).await;
    }
    assert_eq!(server.act("/v1/admin/queues/heavy/pause").await.status, StatusCode::NOT_FOUND);
    let pause = async |path: &str| server.act(&format!("/v1/admin/{path}")).await.json();
    let state = |paused: bool, matched: bool| json!({"paused": paused, "matched": matched});
    assert_eq!(pause("tenants/default/pause").await, state(true, true));
    // A pause may come before the first job, and a misspelt name is noticed.
    assert_eq!(pause("tenants/nobody/pause").await, state(true, false));
    assert_eq!(pause("tenants/nobody/resume").await, state(false, true));
    assert_eq!(pause("queues/light/pause").await, state(true, true));
    assert_eq!(pause("queues/light/resume").await, state(false, true));
    assert_eq!(pause("queues/light/resume").await, state(false, false));
}

#[tokio::test]
async fn a_reason_is_right_though_it_changed_after_the_job_was_last_written() {
    let server = TestServer::new().await;
    let id = server.echo(json!(1)).await;
    assert_eq!(waiting_for(&server, &id).await, json!("worker"));
    server.heartbeat(1).await;
    assert_eq!(waiting_for(&server, &id).await, json!("slot"));
    put(&server, "/v1/admin/limits/kind/echo", json!({"most": 0})).await;
    assert_eq!(waiting_for(&server, &id).await, json!("limit:kind"));
    server.act("/v1/admin/queues/light/pause").await;
    assert_eq!(waiting_for(&server, &id).await, json!("paused"));
    server.store.set_away(true);
    assert_eq!(waiting_for(&server, &id).await, json!(null), "nobody knows");
    server.store.set_away(false);
    server.act("/v1/admin/queues/light/resume").await;
    delete(&server, "/v1/admin/limits/kind/echo").await;
    assert_eq!(waiting_for(&server, &id).await, json!("slot"));
}

#[tokio::test]
async fn a_job_waits_for_the_broker_while_no_task_message_gets_through() {
    let server = TestServer::new().await;
    server.heartbeat(1).await;
    server.broker.set_down(true);
    let _duties = server.producer.start_duties();
    let id = server.echo(json!(1)).await;
    let is = async |reason: &str| while waiting_for(&server, &id).await != json!(reason) {};
    timeout(BOUND, is("broker")).await.expect("the broker is named");
    let waiting = server.get(&format!("/v1/jobs/{id}/waiting")).await.json();
    assert_eq!((&waiting["waitingFor"], &waiting["position"]), (&json!("broker"), &json!(1)));
    let broker = server.get("/v1/admin/queues").await.json()["broker"].clone();
    assert_eq!(waiting["broker"], broker);
    assert!(broker["since"].is_string() && broker["detail"].is_string(), "{broker}");
    let listed = server.get("/v1/jobs").await.json();
    assert_eq!(listed["jobs"][0]["waitingFor"], json!("broker"));
    server.broker.set_down(false);
    timeout(BOUND, is("slot")).await.expect("it gets through again");
    assert_eq!(server.get("/v1/admin/queues").await.json()["broker"], json!(null));
    server.stop.cancel();
}

#[tokio::test]
async fn a_job_behind_others_knows_about_when_it_starts() {
    let server = TestServer::new().await;
    server.echo(json!(0)).await;
    server.work().await;
    server.heartbeat(1).await;
    let ids = [server.echo(json!(1)).await, server.echo(json!(2)).await];
    let waiting = server.get(&format!("/v1/jobs/{}/waiting", ids[1])).await.json();
    assert_eq!((&waiting["waitingFor"], &waiting["position"]), (&json!("slot"), &json!(2)));
    assert!(waiting["estimatedStartAt"].is_string(), "{waiting}");
    server.work().await;
    let waiting = server.get(&format!("/v1/jobs/{}/waiting", ids[1])).await.json();
    assert_eq!((&waiting["waitingFor"], &waiting["position"]), (&json!(null), &json!(null)));
    assert_eq!(server.get("/v1/jobs/nope/waiting").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn workers_are_shown_with_their_tasks_and_demand_with_the_number_needed() {
    let server = TestServer::new().await;
    server.heartbeat(2).await;
    let id = server.echo(json!(1)).await;
    let claimed = server.claim().await;
    let workers = server.get("/v1/admin/workers").await.json();
    let worker = &workers["workers"][0];
    assert_eq!(worker["slots"], json!([{"queue": "light", "slots": 100}]));
    assert_eq!(
        (&worker["runs"][0]["job"], &worker["runs"][0]["kind"]),
        (&json!(id), &json!("echo"))
    );
    assert_eq!((&worker["runs"][0]["attempt"], &worker["draining"]), (&json!(1), &json!(false)));
    let demand = server.get("/v1/queues/light/demand").await.json();
    assert_eq!(
        (&demand["medianMs"], &demand["workers"], &demand["workersNeeded"]),
        (&json!(null), &json!(1), &json!(1))
    );
    server.settle(&claimed[0], succeeded(json!(1))).await;
    assert!(server.get("/v1/queues/light/demand").await.json()["medianMs"].is_u64());
}
