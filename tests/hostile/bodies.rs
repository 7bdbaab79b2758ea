//! Requests that cost more to read than to send.

use std::time::Duration;

use serde_json::json;
use tempfile::tempdir;

use crate::{
    cost::{self, ByteCost},
    dev_process::Dev,
};

/// Makes a body or a query of about this length.
type MakeBody = fn(usize) -> String;

/// An object of seven bytes takes a node of 640 bytes, and in one process the request, the plan,
/// the view, the task and its result hold it at once.
const BYTE: ByteCost = ByteCost { cpu: Duration::from_micros(15), memory: 1_000 };

fn composition(clip: &str, merge: &str) -> String {
    format!(
        r#"{{"kind":"render","input":{{"merge":[{merge}],
            "timeline":{{"tracks":[{{"clips":[{clip}]}}]}},"output":{{"format":"mp4"}}}}}}"#
    )
}

fn text(text: &str) -> String {
    format!(r#"{{"asset":{{"type":"text","text":"{text}"}},"start":0,"length":1}}"#)
}

fn echo(value: &str) -> String {
    format!(r#"{{"kind":"echo","input":{{"value":{value}}}}}"#)
}

const BODIES: &[(&str, MakeBody)] = &[
    ("merge fields that do not end", |bytes| {
        composition(&text(&"{{".repeat(bytes / 2)), r#"{"find":"a","replace":"b"}"#)
    }),
    ("merge fields that name nothing", |bytes| {
        composition(&text(&"{{x}}".repeat(bytes / 5)), r#"{"find":"a","replace":"b"}"#)
    }),
    ("many merge fields", |bytes| {
        let field = |index| format!(r#"{{"find":"f{index}","replace":"b"}}"#);
        let fields: Vec<String> = (0..bytes / 35).map(field).collect();
        composition(&text("{{f0}}"), &fields.join(","))
    }),
    ("merge fields that grow", |bytes| {
        let replaced = "b".repeat(bytes / 2);
        let merge = format!(r#"{{"find":"a","replace":"{replaced}"}}"#);
        composition(&text(&"{{a}}".repeat(bytes / 10)), &merge)
    }),
    ("empty keys", |bytes| echo(&format!("[{}0]", r#"{"":0},"#.repeat(bytes / 7)))),
    ("deep arrays", |bytes| echo(&format!("{}{}", "[".repeat(bytes / 2), "]".repeat(bytes / 2)))),
    ("deep objects that do not end", |bytes| echo(&r#"{"a":"#.repeat(bytes / 5))),
    ("escapes", |bytes| echo(&format!("\"{}\"", "\\u0000".repeat(bytes / 6)))),
    ("a number of many digits", |bytes| echo(&"9".repeat(bytes))),
    ("a number that is too large", |bytes| echo(&format!("1e{}", "9".repeat(bytes)))),
    ("the same key", |bytes| echo(&format!("{{{}\"k\":0}}", r#""k":0,"#.repeat(bytes / 6)))),
    ("many faults", |bytes| {
        let clip = r#"{"asset":{"type":"nope"},"start":-1,"length":"x"}"#;
        composition(&vec![clip; bytes / 50].join(","), "")
    }),
    ("many clips", |bytes| {
        let clip = |index| {
            format!(r#"{{"asset":{{"type":"color","color":"red"}},"start":{index},"length":1}}"#)
        };
        let clips: Vec<String> = (0..bytes / 70).map(clip).collect();
        composition(&clips.join(","), "")
    }),
    ("a long colour", |bytes| {
        let color = "#f".repeat(bytes / 2);
        let clip =
            format!(r#"{{"asset":{{"type":"color","color":"{color}"}},"start":0,"length":1}}"#);
        composition(&clip, "")
    }),
    ("a long kind", |bytes| format!(r#"{{"kind":"{}","input":{{}}}}"#, "k".repeat(bytes))),
    ("many tags", |bytes| {
        format!(r#"{{"kind":"echo","input":{{}},"tags":[{}"t"]}}"#, r#""t","#.repeat(bytes / 4))
    }),
];

#[test]
fn a_body_costs_by_its_length_and_the_server_goes_on() {
    let folder = tempdir().unwrap();
    let dev = Dev::start(folder.path());
    let http = reqwest::blocking::Client::builder().no_proxy().build().unwrap();
    for (name, make) in BODIES {
        let [once, twice] = [400_000, 800_000].map(|bytes| {
            let body = make(bytes);
            cost::of(&dev.process, body.len(), || {
                let url = format!("{}/v1/jobs", dev.api.base());
                let request = http.post(url).header("content-type", "application/json").body(body);
                let status = request.send().unwrap_or_else(|e| panic!("{name}: {e}")).status();
                let is_answered = status.is_client_error() || status == 202;
                assert!(is_answered, "{name}: {status}");
            })
        });
        cost::assert_linear(name, once, twice, BYTE);
    }
    assert_eq!(dev.api.run("echo", json!({"value": 1}))["status"], "succeeded");
}

#[test]
fn a_body_of_the_greatest_length_is_refused_in_little_memory() {
    let folder = tempdir().unwrap();
    let dev = Dev::start(folder.path());
    let http = reqwest::blocking::Client::builder().no_proxy().build().unwrap();
    let body = format!("[{}0]", r#"{"":0},"#.repeat(4_000_000));
    let spent = cost::of(&dev.process, body.len(), || {
        let url = format!("{}/v1/jobs", dev.api.base());
        let request = http.post(url).header("content-type", "application/json").body(body);
        assert!(request.send().unwrap().status().is_client_error());
    });
    assert!(spent.memory < 300 << 20, "{spent:?}");
}

#[test]
fn a_long_query_is_refused_or_read_by_its_length() {
    let folder = tempdir().unwrap();
    let dev = Dev::start(folder.path());
    let queries: [(&str, MakeBody); 5] = [
        ("deep fields", |bytes| format!("fields={}a", "a.".repeat(bytes / 2))),
        ("many fields", |bytes| format!("fields={}a", "a,".repeat(bytes / 2))),
        ("many parameters", |bytes| "a&".repeat(bytes / 2)),
        ("escapes", |bytes| format!("tag={}", "%41".repeat(bytes / 3))),
        ("a long cursor", |bytes| format!("cursor={}", "9".repeat(bytes))),
    ];
    for (name, make) in queries {
        let [once, twice] = [15_000, 30_000].map(|bytes| {
            let query = make(bytes);
            cost::of(&dev.process, query.len(), || {
                let status = dev.api.get(&format!("/v1/jobs?{query}")).status;
                assert!((400..500).contains(&status) || status == 200, "{name}: {status}");
            })
        });
        cost::assert_linear(name, once, twice, BYTE);
    }
    assert_eq!(dev.api.get("/health/live").status, 200);
}
