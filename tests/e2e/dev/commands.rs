//! The command line against a running server.

use std::{io::Write, process::Stdio};

use serde_json::{Value, json};
use tempfile::tempdir;

use super::Dev;
use crate::process::{run, spool};

/// Runs `spool` with a document on standard input; exit code, standard output, standard error.
fn with_input(arguments: &[&str], server: &str, document: &Value) -> (i32, String, String) {
    let mut command = spool();
    command
        .args(arguments)
        .args(["--server", server])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(document.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_job_is_posted_followed_and_shown() {
    let data = tempdir().unwrap();
    let dev = Dev::start(data.path());
    let job = json!({"kind": "echo", "input": {"value": [1, 2]}});
    let (code, out, _) = with_input(&["submit", "-", "--watch", "--json"], dev.api.base(), &job);
    let done: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &done["result"]), (0, &json!([1, 2])));

    let id = done["id"].as_str().unwrap();
    let mut status = spool();
    status.args(["status", id, "--server", dev.api.base()]);
    assert!(String::from_utf8(run(status).stdout).unwrap().starts_with(&format!("{id} succeeded")));
}

#[test]
fn failure_refusal_and_absence_have_their_own_exit_codes() {
    let data = tempdir().unwrap();
    let dev = Dev::start(data.path());
    let failing = json!({"kind": "echo", "input": {"fail": "no luck"}});
    let (code, out, _) = with_input(&["submit", "-", "--watch"], dev.api.base(), &failing);
    assert_eq!((code, out.contains("no luck")), (1, true), "{out}");

    let refused = json!({"kind": "echo", "input": {"valeu": 1}});
    let (code, _, said) = with_input(&["submit", "-"], dev.api.base(), &refused);
    assert_eq!((code, said.contains("/input/valeu")), (5, true), "{said}");

    let (code, _, said) = with_input(&["submit", "-"], "http://127.0.0.1:9", &failing);
    assert_eq!((code, said.contains("can't be reached")), (4, true), "{said}");

    let batch = json!({"jobs": [{"kind": "echo", "input": {}}, failing]});
    let (code, out, _) = with_input(&["batch", "-", "--watch"], dev.api.base(), &batch);
    assert_eq!((code, out.contains("1 rejected")), (1, true), "{out}");
}

#[test]
fn caches_are_shown_cleared_and_filled() {
    let data = tempdir().unwrap();
    let dev = Dev::start(data.path());
    let cache = |arguments: &[&str]| {
        let mut command = spool();
        command.arg("cache").args(arguments).args(["--server", dev.api.base()]);
        let output = run(command);
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, shown, _) = cache(&["stats"]);
    assert_eq!(code, Some(0));
    for word in ["namespace", "text", "media", "metadata", "outside", "l1", "l2", "view_cache"] {
        assert!(shown.contains(word), "{word} is not in\n{shown}");
    }
    let (code, cleared, _) = cache(&["clear", "--tag", "host:a b&c", "--json"]);
    let cleared: Value = serde_json::from_str(&cleared).unwrap();
    assert_eq!((code, cleared), (Some(0), json!({"tags": ["host:a b&c"], "entries": 0})));
    let (code, _, refused) = cache(&["clear", "--namespace", "sessions"]);
    assert_eq!((code, refused.contains("one of `text`")), (Some(5), true), "{refused}");
    assert_eq!(cache(&["clear"]).0, Some(2), "something must be named");
    // A source that can't be had is a rejected item, and nothing else.
    let (code, posted, said) = cache(&["warm", "missing.mp4", "--json"]);
    let posted: Value = serde_json::from_str(&posted).unwrap();
    assert_eq!(code, Some(0), "{said}");
    let counts = dev.api.batch_settled(posted["id"].as_str().unwrap());
    assert_eq!(counts, json!({"total": 1, "fulfilled": 0, "rejected": 1, "pending": 0}));
}
