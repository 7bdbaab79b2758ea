//! Keys that serde_json keeps for itself: a client's object that has one is refused wherever a
//! client may put it, and never becomes another value.

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::dev_process::Dev;

#[test]
fn a_key_of_the_parser_is_refused_everywhere_and_lists_go_on() {
    let folder = tempdir().unwrap();
    let dev = Dev::start(folder.path());
    for key in ["$serde_json::private::RawValue", "$serde_json::private::Number"] {
        let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
        for inner in ["1", "[1]", "nope", &deep] {
            let hostile = json!({key: inner});
            let schedule = |job: Value| json!({"cron": "0 0 1 1 *", "job": job});
            let requests = [
                ("/v1/jobs", json!({"kind": "echo", "input": {"value": hostile}})),
                ("/v1/jobs", json!({"kind": "echo", "input": hostile})),
                ("/v1/jobs", json!({"kind": "echo", "input": {}, "metadata": {"m": hostile}})),
                ("/v1/jobs", hostile.clone()),
                ("/v1/schedules", schedule(json!({"kind": "echo", "input": {"value": hostile}}))),
                ("/v1/compositions/check", json!({"timeline": hostile})),
            ];
            for (path, body) in requests {
                let answer = dev.api.post(path, &body);
                let is_refused = (400..500).contains(&answer.status)
                    || answer.status == 200 && answer.body["valid"] == false;
                assert!(is_refused, "{path} {body}: {} {}", answer.status, answer.body);
            }
            let batch = json!({"jobs": [{"kind": "echo", "input": {"value": hostile}}]});
            let answer = dev.api.post("/v1/batches", &batch);
            assert!(answer.status == 422 || answer.body["counts"]["rejected"] == 1);
        }
    }
    for list in ["/v1/jobs", "/v1/batches", "/v1/schedules", "/v1/admin/dead"] {
        assert_eq!(dev.api.get(list).status, 200, "{list}");
    }
    assert_eq!(dev.api.run("echo", json!({"value": 1}))["status"], "succeeded");
}
