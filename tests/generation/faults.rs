//! The outcome of each fault of a provider.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::{
    dev_server::{DevServer, guarded, provided},
    server::{ProviderServer, wav},
};

/// A kind that uses the endpoint, and its input with the fault where the server looks for it.
fn ask(endpoint: &str, fault: &str) -> (&'static str, Value) {
    let text = format!("fault:{fault} {endpoint}");
    match endpoint {
        "chat" => ("hook", json!({"topic": text})),
        "speech" => ("speech", json!({"text": text})),
        "image" => ("image", json!({"prompt": text})),
        _ => ("subtitles", json!({"src": "recording.wav", "language": format!("fault-{fault}")})),
    }
}

/// Endpoint, fault, error code and class (none: it succeeds), words of the sentence, number of
/// requests.
type FaultCase =
    (&'static str, &'static str, Option<(&'static str, &'static str)>, &'static str, usize);

const UNAVAILABLE: Option<(&str, &str)> = Some(("unavailable", "transient"));
const TIMEOUT: Option<(&str, &str)> = Some(("timeout", "transient"));
const BAD: Option<(&str, &str)> = Some(("bad_answer", "permanent"));
const REFUSED: Option<(&str, &str)> = Some(("provider_refused", "permanent"));

/// A connection that breaks before a response begins is tried once more at once, which does not
/// count as a repetition: `cut` has one request more.
const CASES: &[FaultCase] = &[
    ("chat", "none", None, "", 1),
    ("chat", "plain", None, "", 1),
    ("chat", "slow", TIMEOUT, "no answer within 12s", 1),
    ("chat", "once-429", None, "", 2),
    ("chat", "long-429", UNAVAILABLE, "429", 1),
    ("chat", "once-500", None, "", 2),
    ("chat", "always-500", UNAVAILABLE, "500", 3),
    ("chat", "cut", UNAVAILABLE, "can't be used", 4),
    ("chat", "cut-stream", None, "", 2),
    ("chat", "error-in-stream", None, "", 2),
    ("chat", "error-200", UNAVAILABLE, "overloaded", 3),
    ("chat", "quota", REFUSED, "no money left", 1),
    ("chat", "redirect", REFUSED, "is not followed", 1),
    ("chat", "packed", BAD, "compressed wrongly", 1),
    ("chat", "squeezed", BAD, "compressed as `br`", 1),
    ("chat", "gzip", None, "", 1),
    ("chat", "gzip-stream", None, "", 1),
    ("chat", "bomb", BAD, "is larger than", 1),
    ("chat", "filter", BAD, "content filter", 1),
    ("chat", "length", BAD, "cut off at the most tokens", 1),
    ("chat", "stream-refusal", BAD, "I would rather not.", 1),
    ("chat", "no-done", None, "", 1),
    ("chat", "talk", None, "", 1),
    ("chat", "parts", None, "", 1),
    ("chat", "html", BAD, "is not JSON", 1),
    ("chat", "not-json", BAD, "`Sure! Take 1.`", 2),
    ("chat", "schema", BAD, "/hooks", 2),
    ("chat", "once-schema", None, "", 2),
    ("chat", "refusal", BAD, "I would rather not", 1),
    ("chat", "huge", BAD, "is larger than", 1),
    ("chat", "huge-stream", BAD, "is larger than", 1),
    ("chat", "bad-request", REFUSED, "no such  model", 1),
    ("chat", "key", REFUSED, "check the API key", 1),
    ("speech", "none", None, "", 1),
    ("speech", "untyped", None, "", 1),
    ("speech", "slow", TIMEOUT, "no answer within 12s", 1),
    ("speech", "once-429", None, "", 2),
    ("speech", "long-429", UNAVAILABLE, "429", 1),
    ("speech", "once-500", None, "", 2),
    ("speech", "always-500", UNAVAILABLE, "500", 3),
    ("speech", "cut", UNAVAILABLE, "can't be used", 4),
    ("speech", "html", BAD, "`text/html` where a sound", 1),
    ("speech", "schema", BAD, "`application/json` where a sound", 1),
    ("speech", "noise", BAD, "can't be used", 1),
    ("speech", "empty", BAD, "empty sound", 1),
    ("speech", "huge", BAD, "is larger than", 1),
    ("speech", "key", REFUSED, "check the API key", 1),
    ("image", "none", None, "", 1),
    ("image", "named", None, "", 1),
    ("image", "data-url", None, "", 1),
    ("image", "elsewhere", BAD, "private", 1),
    ("image", "slow", TIMEOUT, "no answer within 12s", 1),
    ("image", "once-429", None, "", 2),
    ("image", "long-429", UNAVAILABLE, "429", 1),
    ("image", "once-500", None, "", 2),
    ("image", "always-500", UNAVAILABLE, "500", 3),
    ("image", "cut", UNAVAILABLE, "can't be used", 4),
    ("image", "html", BAD, "is not JSON", 1),
    ("image", "schema", BAD, "no `data[0].b64_json`", 1),
    ("image", "not-base64", BAD, "not base64", 1),
    ("image", "noise", BAD, "can't be used", 1),
    ("image", "huge", BAD, "is larger than", 1),
    ("image", "key", REFUSED, "check the API key", 1),
    ("transcription", "none", None, "", 1),
    ("transcription", "nested", None, "", 1),
    ("transcription", "slow", TIMEOUT, "no answer within 12s", 1),
    ("transcription", "once-429", None, "", 2),
    ("transcription", "long-429", UNAVAILABLE, "429", 1),
    ("transcription", "once-500", None, "", 2),
    ("transcription", "always-500", UNAVAILABLE, "500", 3),
    ("transcription", "cut", UNAVAILABLE, "can't be used", 4),
    ("transcription", "html", BAD, "is not JSON", 1),
    ("transcription", "schema", BAD, "no `words`", 1),
    ("transcription", "huge", BAD, "is larger than", 1),
    ("transcription", "key", REFUSED, "check the API key", 1),
];

#[test]
fn every_fault_of_every_provider_has_its_outcome() {
    let (data, server) = (tempdir().unwrap(), ProviderServer::start());
    std::fs::write(data.path().join("recording.wav"), wav(1_500)).unwrap();
    let dev = DevServer::start(
        data.path(),
        &guarded(&server, "breaker_failures = 1000\ntimeout_seconds = 12"),
        &[],
    );
    let jobs: Vec<String> = CASES
        .iter()
        .map(|(endpoint, fault, ..)| {
            let (kind, input) = ask(endpoint, fault);
            dev.submit_once(kind, input)
        })
        .collect();
    for ((endpoint, fault, end, sentence, requests), id) in CASES.iter().zip(jobs) {
        let (named, job) = (format!("{fault} of {endpoint}"), dev.api.settled(&id));
        match end {
            None => assert_eq!(job["status"], "succeeded", "{named}: {job}"),
            Some((code, class)) => {
                let found = (&job["error"]["code"], &job["error"]["class"]);
                assert_eq!(found, (&json!(code), &json!(class)), "{named}: {job}");
                let detail = job["error"]["detail"].as_str().unwrap();
                assert!(detail.contains(sentence) && detail.len() < 2_000, "{named}: {detail}");
            }
        }
        let marks = [format!("fault:{fault} {endpoint}"), format!("\r\n\r\nfault-{fault}\r\n")];
        let calls: Vec<_> = marks
            .iter()
            .flat_map(|mark| server.calls(mark))
            .filter(|c| c.path == *endpoint)
            .collect();
        assert_eq!(calls.len(), *requests, "{named}");
        assert!(
            calls.iter().all(|call| call.idempotency.starts_with("spool-")),
            "{named}: {calls:?}"
        );
    }
    assert!(
        dev.metric("spool_provider_calls_total{outcome=\"ok\",provider=\"openai\"}").unwrap()
            >= 8.0
    );
    assert_eq!(dev.metric("spool_provider_connections{provider=\"openai\"}"), Some(0.0));
}

#[test]
fn the_idempotency_key_is_the_same_in_every_attempt_and_another_for_another_task() {
    let (data, server) = (tempdir().unwrap(), ProviderServer::start());
    let dev = DevServer::start(data.path(), &guarded(&server, "breaker_failures = 1000"), &[]);
    let ask = |topic: &str| json!({"kind": "hook", "input": {"topic": topic}, "maxAttempts": 2});
    let answer = dev.api.post("/v1/jobs", &ask("fault:always-500 one"));
    let other = dev.api.post("/v1/jobs", &ask("fault:always-500 other"));
    for answer in [&answer, &other] {
        assert_eq!(dev.api.settled(answer.body["id"].as_str().unwrap())["status"], "failed");
    }
    let keys = |text: &str| {
        server.calls(text).into_iter().map(|call| call.idempotency).collect::<Vec<_>>()
    };
    let (one, other) = (keys("always-500 one"), keys("always-500 other"));
    assert_eq!(one.len(), 6, "two attempts of three requests each: {one:?}");
    assert!(one.iter().all(|key| *key == one[0]), "{one:?}");
    assert_ne!(one[0], other[0]);
}

#[test]
fn a_failing_provider_is_skipped_and_the_next_of_the_chain_is_called() {
    let (data, server) = (tempdir().unwrap(), ProviderServer::start());
    let services = guarded(&server, "breaker_failures = 3\nbreaker_seconds = 60");
    let config = format!("[providers]\ntext = [\"openai\", \"offline\"]\n\n{services}");
    let dev = DevServer::start(data.path(), &config, &[]);
    let first = dev.once("hook", json!({"topic": "fault:always-500 first"}));
    assert_eq!(first["result"]["provenance"]["provider"], "offline", "{first}");
    assert_eq!(dev.metric("spool_provider_breaker{provider=\"openai\"}"), Some(2.0));
    let second = dev.once("hook", json!({"topic": "zebras"}));
    assert_eq!(second["result"]["provenance"]["provider"], "offline", "{second}");
    assert_eq!(server.calls("zebras").len(), 0, "an open breaker lets nothing through");
}

#[test]
fn fifty_videos_of_thirty_inputs_with_five_bad_ones_make_thirty_sets_of_calls() {
    let (data, server) = (tempdir().unwrap(), ProviderServer::start());
    let dev = DevServer::start(data.path(), &provided(&server), &[]);
    // Short voices, so that the renders after them are short.
    let video =
        |topic: &str| json!({"kind": "video", "input": {"topic": topic, "resolution": "preview"}});
    let good = |index: usize| video(&format!("topic {:02} fault:short", index % 30));
    let mut jobs: Vec<Value> = (0..45).map(good).collect();
    jobs.extend([video(""), video("fault:bad-request"), video("fault:schema")]);
    jobs.push(json!({"kind": "video", "input": {"topic": "a", "duration": 1, "voice": "../x"}}));
    jobs.push(json!({"kind": "video", "input": {"topic": "a", "aspectRatio": "2:1"}}));
    let batch = dev.api.post("/v1/batches", &json!({"jobs": jobs}));
    assert_eq!(batch.status, 202, "{}", batch.body);
    let id = batch.body["id"].as_str().unwrap();
    let counts = settled_in_time(&dev, id);
    assert_eq!(counts, json!({"total": 50, "fulfilled": 45, "rejected": 5, "pending": 0}));
    let items = dev.api.batch_results(id);
    assert!(
        items[..45]
            .iter()
            .all(|item| item["status"] == "fulfilled" && item["value"]["url"].is_string())
    );
    let reasons: Vec<&str> =
        items[45..].iter().map(|item| item["reason"]["code"].as_str().unwrap()).collect();
    assert_eq!(
        reasons,
        ["invalid_input", "provider_refused", "bad_answer", "invalid_input", "invalid_input"]
    );
    // A script, two voices with their transcripts, and two pictures for each distinct input. A
    // faulty script is requested again.
    let calls = ["chat", "speech", "transcription", "image"].map(|endpoint| server.count(endpoint));
    assert_eq!(calls, [30 + 1 + 2, 60, 60, 60], "a set of calls for each distinct input");
}

/// Thirty videos take longer than the usual bound on a busy machine.
fn settled_in_time(dev: &DevServer, id: &str) -> Value {
    let deadline = Instant::now() + Duration::from_secs(200);
    loop {
        let batch = dev.api.get(&format!("/v1/batches/{id}")).body;
        if batch["status"] == "settled" {
            return batch["counts"].clone();
        }
        assert!(Instant::now() < deadline, "not settled: {batch}");
        std::thread::sleep(Duration::from_millis(200));
    }
}
