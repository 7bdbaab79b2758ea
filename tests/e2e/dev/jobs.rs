//! Jobs and batches, with valid and faulty input.

use std::time::{Duration, Instant};

use crate::dev_process::Dev;

use serde_json::{Value, json};
use tempfile::tempdir;

#[test]
fn a_job_is_polled_by_id_until_its_result_is_there() {
    let data = tempdir().unwrap();
    let api = Dev::start(data.path());
    let api = &api.api;
    let posted = api.post(
        "/v1/jobs",
        &json!({"kind": "echo", "input": {"value": {"n": 1.50}, "sleepMs": 300}}),
    );
    assert_eq!(posted.status, 202);
    let path = format!("/v1/jobs/{}", posted.body["id"].as_str().unwrap());
    assert!(posted.header("location").ends_with(&path), "{}", posted.header("location"));

    let running = api.get(&path);
    let unchanged =
        api.get_with(&format!("{path}?wait=0"), &[("if-none-match", running.header("etag"))]);
    assert!([200, 304].contains(&unchanged.status));
    let done = api.settled(posted.body["id"].as_str().unwrap());
    assert_eq!((&done["status"], &done["result"]), (&json!("succeeded"), &json!({"n": 1.50})));

    let settled = api.get(&path);
    let again = api.get_with(&path, &[("if-none-match", settled.header("etag"))]);
    assert_eq!((again.status, again.body), (304, Value::Null));
    let fields = api.get(&format!("{path}?fields=id,result.n")).body;
    assert_eq!(fields, json!({"id": posted.body["id"], "result": {"n": 1.50}}));
}

#[test]
fn each_failure_has_its_code_and_class() {
    let data = tempdir().unwrap();
    let dev = Dev::start(data.path());
    let cases = [
        (json!({"fail": "no luck"}), "echo_failed", "permanent", false, 1),
        (json!({"fail": "your fault", "class": "caller"}), "echo_failed", "caller", false, 1),
        (json!({"panic": true}), "panic", "bug", true, 3),
        (json!({"exit": true}), "crashed", "bug", true, 3),
        (json!({"failTimes": 9}), "echo_failed", "transient", true, 3),
        (json!({"allocateMb": 40_000}), "out_of_memory", "permanent", false, 1),
    ];
    let jobs: Vec<_> = cases.iter().map(|case| dev.api.submit("echo", case.0.clone())).collect();
    for ((input, code, class, retryable, attempts), id) in cases.iter().zip(jobs) {
        let job = dev.api.settled(&id);
        let shown = (
            &job["error"]["code"],
            &job["error"]["class"],
            &job["error"]["retryable"],
            &job["attempts"],
        );
        assert_eq!(
            shown,
            (&json!(code), &json!(class), &json!(retryable), &json!(attempts)),
            "{input}: {job}"
        );
    }
    assert_eq!(dev.api.run("echo", json!({"failTimes": 1, "value": 7}))["result"], 7);
}

#[test]
fn an_attempt_that_takes_too_long_is_ended() {
    let data = tempdir().unwrap();
    let dev = Dev::start(data.path());
    for input in [json!({"sleepMs": 60_000}), json!({"spinMs": 60_000})] {
        let job = json!({"kind": "echo", "input": input, "timeoutMs": 300, "maxAttempts": 1});
        let posted = dev.api.post("/v1/jobs", &job).body;
        let ended = dev.api.settled(posted["id"].as_str().unwrap());
        assert_eq!(ended["error"]["code"], "timeout", "{ended}");
    }
}

#[test]
fn the_failure_of_one_item_affects_no_other() {
    let data = tempdir().unwrap();
    let dev = Dev::start(data.path());
    let mut jobs: Vec<Value> =
        (0..40).map(|n| json!({"kind": "echo", "input": {"value": n}})).collect();
    jobs[3] = json!({"kind": "echo", "input": {"fail": "no luck"}});
    jobs[7] = json!({"kind": "echo", "input": {"panic": true}, "maxAttempts": 1});
    jobs[11] = json!({"kind": "no-such-kind", "input": {}});
    jobs[12] = json!({"kind": "echo", "input": {"valeu": 1}});
    jobs[20] = json!("not even an object");
    let posted = dev.api.post("/v1/batches", &json!({"jobs": jobs}));
    assert_eq!(posted.status, 202, "{}", posted.body);
    let id = posted.body["id"].as_str().unwrap();
    assert_eq!(
        dev.api.batch_settled(id),
        json!({"total": 40, "fulfilled": 35, "rejected": 5, "pending": 0})
    );
    let items = dev.api.batch_results(id);
    for (index, item) in items.iter().enumerate() {
        assert_eq!(item["index"], index);
        match index {
            3 | 7 | 11 | 12 | 20 => assert!(item["reason"]["code"].is_string(), "{item}"),
            _ => {
                assert_eq!((&item["status"], &item["value"]), (&json!("fulfilled"), &json!(index)))
            }
        }
    }
    assert_eq!(items[12]["reason"]["errors"][0]["pointer"], "/input/valeu");
}

#[test]
fn running_jobs_are_cancelled_within_a_second_and_their_children_end() {
    let data = tempdir().unwrap();
    let dev = Dev::start(data.path());
    let cancelled_in = |input: Value| {
        let id = dev.api.submit("echo", input);
        dev.api.becomes(&id, "running");
        let asked = Instant::now();
        assert!(dev.api.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).status < 300);
        assert_eq!(dev.api.settled(&id)["status"], "cancelled");
        asked.elapsed()
    };
    // Without the control message, a heartbeat would bring the cancel, usually a second and a half
    // later. A machine that is busy for a moment delays one of the seven, but not most.
    let mut took: Vec<Duration> = (0..7)
        .map(|n| {
            cancelled_in(if n % 2 == 0 {
                json!({"sleepMs": 3_600_000})
            } else {
                json!({"spinMs": 3_600_000})
            })
        })
        .collect();
    took.sort();
    assert!(took[took.len() / 2] < Duration::from_secs(1), "{took:?}");
    let gone = crate::process::wait_for(|| {
        crate::process::children(dev.process.id()).is_empty().then_some(())
    });
    assert!(gone.is_some(), "a child is left");
}

#[test]
fn the_same_call_with_the_same_key_is_one_job() {
    let data = tempdir().unwrap();
    let dev = Dev::start(data.path());
    let post = |value: u32| {
        let job = json!({"kind": "echo", "input": {"value": value}});
        dev.api.post_with("/v1/jobs", &job, &[("idempotency-key", "once")])
    };
    let (first, again, other) = (post(1), post(1), post(2));
    assert_eq!(first.body["id"], again.body["id"]);
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(other.status, 422);
}

#[test]
fn a_retry_repeats_failures_and_keeps_successes() {
    let data = tempdir().unwrap();
    let dev = Dev::start(data.path());
    let jobs = json!([
        {"kind": "echo", "input": {"value": 1}},
        {"kind": "echo", "input": {"failTimes": 1, "value": 2}, "maxAttempts": 1},
    ]);
    let posted = dev.api.post("/v1/batches", &json!({"jobs": jobs})).body;
    let id = posted["id"].as_str().unwrap();
    assert_eq!(dev.api.batch_settled(id)["rejected"], 1);
    let before = dev.api.batch_results(id);
    assert!(dev.api.post(&format!("/v1/batches/{id}/retry"), &json!({})).status < 300);
    // The retried item fails its first attempt again. The assertions are that it ran, and that the
    // other item did not.
    dev.api.batch_settled(id);
    let after = dev.api.batch_results(id);
    assert_eq!(before[0], after[0]);
    let attempts = |item: &Value| {
        dev.api.get(&format!("/v1/jobs/{}", item["jobId"].as_str().unwrap())).body["attempts"]
            .clone()
    };
    assert_eq!((attempts(&after[0]), attempts(&after[1])), (json!(1), json!(2)));
}
