use super::*;
use serde_json::json;

fn pointers(document: Value) -> Vec<String> {
    let (_, faults) = DocumentReader::read_whole::<JobRequest>(&document);
    faults.into_iter().map(|fault| fault.pointer).collect()
}

#[test]
fn every_field_at_fault_is_named_at_once() {
    let cases = [
        (json!({}), vec!["/kind", "/input"]),
        (json!([]), vec![""]),
        (json!("x"), vec![""]),
        (json!({"kind": 1, "input": {}}), vec!["/kind"]),
        (json!({"kind": "echo", "input": null}), vec!["/input"]),
        (
            json!({
                "kind": "echo", "input": {}, "priority": 10, "maxAttempts": 0, "timeoutMs": "1",
            }),
            vec!["/priority", "/timeoutMs", "/maxAttempts"],
        ),
        (json!({"kind": "echo", "input": {}, "runAt": "tomorrow"}), vec!["/runAt"]),
        (json!({"kind": "echo", "input": {}, "runAt": 5}), vec!["/runAt"]),
        (json!({"kind": "echo", "input": {}, "queueTimeoutMs": 0}), vec!["/queueTimeoutMs"]),
        (json!({"kind": "echo", "input": {}, "tags": "a"}), vec!["/tags"]),
        (
            json!({
                "kind": "echo", "input": {},
                "tags": ["", 1, "a".repeat(65), "ok", "schedule:x"],
            }),
            vec!["/tags/0", "/tags/1", "/tags/2", "/tags/4"],
        ),
        (json!({"kind": "echo", "input": {}, "tags": vec!["a"; 17]}), vec!["/tags"]),
        (json!({"kind": "echo", "input": {}, "metadata": [1]}), vec!["/metadata"]),
        (
            json!({"kind": "echo", "input": {}, "metadata": {"a": "x".repeat(17_000)}}),
            vec!["/metadata"],
        ),
        (json!({"kind": "echo", "input": {}, "webhook": "https://a"}), vec!["/webhook"]),
        (json!({"kind": "echo", "input": {}, "colour": 1}), vec!["/colour"]),
    ];
    for (document, wanted) in cases {
        assert_eq!(pointers(document.clone()), wanted, "{document}");
    }
}

#[test]
fn pauses_between_attempts_are_within_bounds_and_ascend() {
    let faults = |retry: Value| pointers(json!({"kind": "echo", "input": {}, "retry": retry}));
    let good = json!({"baseMs": 1, "ceilingMs": 86_400_000, "jitterPercent": 0});
    assert!(faults(good).is_empty() && faults(json!({})).is_empty());
    for (bad, wanted) in [
        (json!({"baseMs": 0, "jitterPercent": 101}), vec!["/retry/baseMs", "/retry/jitterPercent"]),
        (json!({"baseMs": 9, "ceilingMs": 5}), vec!["/retry/ceilingMs"]),
        (json!({"ceilingMs": 86_400_001}), vec!["/retry/ceilingMs"]),
        (json!({"base": 1}), vec!["/retry/base"]),
        (json!(5), vec!["/retry"]),
    ] {
        assert_eq!(faults(bad.clone()), wanted, "{bad}");
    }
}

#[test]
fn a_unique_job_says_what_is_the_same_and_when() {
    let faults = |unique: Value| pointers(json!({"kind": "echo", "input": {}, "unique": unique}));
    for good in [
        json!({"by": "input"}),
        json!({"by": {"key": "k"}, "periodMs": 1, "states": ["running", "queued", "failed"]}),
    ] {
        assert!(faults(good.clone()).is_empty(), "{good}");
    }
    for (bad, wanted) in [
        (json!({}), vec!["/unique/by"]),
        (json!({"by": "kind"}), vec!["/unique/by"]),
        (json!({"by": {"key": ""}}), vec!["/unique/by/key"]),
        (json!({"by": {"key": 1}}), vec!["/unique/by/key"]),
        (json!({"by": {"key": "k", "also": 1}}), vec!["/unique/by"]),
        (json!({"by": "input", "periodMs": 0, "for": 1}), vec!["/unique/for", "/unique/periodMs"]),
        (json!({"by": "input", "states": ["queued"]}), vec!["/unique/states"]),
        (json!({"by": "input", "states": ["queued", "running", "done"]}), vec!["/unique/states/2"]),
    ] {
        assert_eq!(faults(bad.clone()), wanted, "{bad}");
    }
}

#[test]
fn a_job_is_the_same_by_its_kind_and_its_input_or_key() {
    let unique = |kind: &str, input: Value, unique: Value| {
        let request: UniqueRequest = document::read(&unique).expect("no faults");
        request.unique(kind, &input)
    };
    let by_input = json!({"by": "input"});
    let one = unique("echo", json!({"a": 1, "b": 2}), by_input.clone());
    assert_eq!(one, unique("echo", json!({"b": 2, "a": 1.0}), by_input.clone()));
    assert_ne!(one.key, unique("echo", json!({"a": 2}), by_input.clone()).key);
    assert_ne!(one.key, unique("speech", json!({"a": 1, "b": 2}), by_input).key);
    let key = |key: &str| json!({"by": {"key": key}, "periodMs": 5});
    let keyed = unique("echo", json!(1), key("k"));
    assert_eq!(keyed, unique("echo", json!(2), key("k")));
    assert_ne!(keyed.key, unique("echo", json!(1), key("l")).key);
    assert_eq!((one.statuses, keyed.statuses), (vec![], vec![JobStatus::Succeeded]));
    assert_eq!((one.period, keyed.period), (None, Some(Duration::from_millis(5))));
}

#[test]
fn a_time_has_an_offset_of_less_than_a_day_and_no_zone() {
    let faults = |time: &str| pointers(json!({"kind": "echo", "input": {}, "runAt": time}));
    for time in ["2027-01-31T12:00:00+23:59", "2027-01-31t12:00:00.5z", "2027-01-31 12:00Z"] {
        assert!(faults(time).is_empty(), "{time}");
    }
    let refused = [
        "2027-01-31T12:00:00+24:00",
        "2027-01-31T12:00:00-25:59:59",
        "2027-01-31T12:00:00+01:00[Asia/Tokyo]",
        "2027-01-31T12:00:00",
        "2027-01-31",
    ];
    for time in refused {
        assert_eq!(faults(time), ["/runAt"], "{time}");
    }
}

#[test]
fn a_request_keeps_what_was_written() {
    let document = json!({
        "kind": "echo", "input": {"value": 0.10}, "priority": 9,
        "runAt": "2026-01-31T12:00:00+01:00", "tags": ["a", "b", "a"],
        "metadata": {"order": 7}, "timeoutMs": 5, "maxAttempts": 25, "webhook": null,
    });
    let request: JobRequest = document::read(&document).expect("no faults");
    assert_eq!(request.priority, Some(9));
    assert_eq!(request.run_at, "2026-01-31T11:00:00Z".parse().ok());
    assert_eq!(request.distinct_tags(), ["a", "b"]);
    assert_eq!(request.metadata, Some(json!({"order": 7})));
    assert_eq!((request.timeout_ms, request.max_attempts), (Some(5), Some(25)));
}

#[test]
fn a_batch_is_refused_whole_only_for_its_own_fields() {
    let cases = [
        (json!({}), vec!["/jobs"]),
        (json!({"jobs": []}), vec!["/jobs"]),
        (json!({"jobs": {}}), vec!["/jobs"]),
        (json!({"jobs": vec![0; MAX_BATCH_JOBS + 1]}), vec!["/jobs"]),
        (
            json!({"jobs": [1], "maxConcurrent": 0, "stopOnError": 1, "webhook": {}, "x": 1}),
            vec!["/x", "/maxConcurrent", "/stopOnError", "/webhook"],
        ),
    ];
    for (document, wanted) in cases {
        let faults = document::read::<BatchRequest>(&document).expect_err("faults");
        assert_eq!(faults.iter().map(|fault| fault.pointer.as_str()).collect::<Vec<_>>(), wanted);
    }
    assert!(document::read::<BatchRequest>(&json!({"jobs": [1, null]})).is_ok());
}
