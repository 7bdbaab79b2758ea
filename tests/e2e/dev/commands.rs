//! The command line against a running server.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::dev_process::Dev;
use crate::process::{run, send_signal, spool};

/// Runs `spool` with a document on standard input; returns exit code, standard output and standard
/// error.
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
    let arguments = ["submit", "-", "--watch", "--json"];
    let (code, out, said) = with_input(&arguments, dev.api.base(), &job);
    let done: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(said, format!("{}\n", json!({"id": done["id"]})), "it is said first");
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
    // A source that can't be fetched is a rejected item, and no other error.
    let (code, posted, said) = cache(&["warm", "missing.mp4", "--json"]);
    let posted: Value = serde_json::from_str(&posted).unwrap();
    assert_eq!(code, Some(0), "{said}");
    let counts = dev.api.batch_settled(posted["id"].as_str().unwrap());
    assert_eq!(counts, json!({"total": 1, "fulfilled": 0, "rejected": 1, "pending": 0}));
}

#[test]
fn a_command_whose_output_is_closed_ends_quietly() {
    let data = tempdir().unwrap();
    let dev = Dev::start(data.path());
    let closed = |mut command: Command| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let child = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for arguments in [&["queues"][..], &["--json", "workers"], &["cache", "stats"]] {
        let mut command = spool();
        command.args(arguments).args(["--server", dev.api.base()]);
        assert_eq!(closed(command), (Some(141), String::new()), "{arguments:?}");
    }
    let mut completions = spool();
    completions.args(["completions", "bash"]);
    assert_eq!(closed(completions), (Some(141), String::new()));
}

#[test]
fn a_server_goes_on_when_its_log_is_closed() {
    let data = tempdir().unwrap();
    let mut command = spool();
    command.args(["dev", "--listen", "127.0.0.1:0", "--data"]).arg(data.path());
    command.env("SPOOL_LOG", "debug").stdout(Stdio::null()).stderr(Stdio::piped());
    let mut server = command.spawn().unwrap();
    let log = BufReader::new(server.stderr.take().unwrap());
    let address = log
        .lines()
        .map_while(Result::ok)
        .find_map(|line| {
            let (_, address) = line.split_once("listening on ")?;
            address.split([',', '"']).next().map(str::to_owned)
        })
        .expect("it listens");
    // The reader of the log is dropped here, as by `spool dev 2>&1 | head`.
    let job = json!({"kind": "echo", "input": {"value": 1}});
    assert_eq!(with_input(&["submit", "-", "--watch"], &address, &job).0, 0);
    send_signal(server.id() as i32, 15);
    assert_eq!(server.wait().unwrap().code(), Some(0));
}

#[test]
fn what_a_client_wrote_does_not_act_on_the_terminal_of_its_reader() {
    let data = tempdir().unwrap();
    let dev = Dev::start(data.path());
    let hostile = "x\u{1b}]0;OWNED\u{7}\u{9b}31m\u{202e}\r\nFAKE LINE";
    let shown = "x\\u001b]0;OWNED\\u0007\\u009b31m\\u202e\\r\\nFAKE LINE";
    let failing = json!({"kind": "echo", "input": {"fail": hostile}, "tags": ["t"]});
    let (_, out, _) = with_input(&["submit", "-", "--watch"], dev.api.base(), &failing);
    assert!(out.contains(shown) && out.lines().count() == 1, "{out:?}");
    let id = out.split(' ').next().unwrap().to_owned();
    for arguments in [&["status", &id][..], &["watch", &id], &["dead", "list"]] {
        for json in [&[][..], &["--json"]] {
            let mut command = spool();
            command.args(json).args(arguments).env("SPOOL_SERVER", dev.api.base());
            let output = String::from_utf8(run(command).stdout).unwrap();
            assert!(output.contains("OWNED") && output.contains("\\u202e"), "{output:?}");
            let acts = |text: char| text.is_control() || text == '\u{202e}';
            assert!(!output.trim_end().contains(acts), "{output:?}");
        }
    }
}

#[test]
fn a_batch_of_refused_items_fails_and_its_reasons_are_shown() {
    let data = tempdir().unwrap();
    let dev = Dev::start(data.path());
    let batch = json!({"jobs": [{"kind": "nope", "input": {}}, {"kind": "echo"}]});
    let (code, out, said) = with_input(&["batch", "-"], dev.api.base(), &batch);
    assert_eq!((code, said.contains("all 2 items were refused")), (5, true), "{said}");
    let mut reasons = spool();
    reasons.args(["batch", out.split(' ').next().unwrap(), "--server", dev.api.base()]);
    let reasons = String::from_utf8(run(reasons).stdout).unwrap();
    assert!(reasons.contains("item 0 unknown_kind") && reasons.contains("item 1 "), "{reasons}");
}

#[test]
fn a_pause_or_a_resume_that_meets_nothing_says_so() {
    let data = tempdir().unwrap();
    let dev = Dev::start(data.path());
    let said = |arguments: &[&str]| {
        let mut command = spool();
        command.args(arguments).args(["--server", dev.api.base()]);
        let output = run(command);
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, warned) = said(&["pause", "--tenant", "nobody"]);
    assert_eq!((code, warned.contains("no job belongs to tenant `nobody`")), (0, true), "{warned}");
    assert_eq!(said(&["resume", "--tenant", "nobody"]), (0, String::new()));
    let (_, warned) = said(&["resume", "--queue", "light"]);
    assert!(warned.contains("queue `light` was not paused"), "{warned}");
}

/// Runs a command to its end; returns exit code, standard output and standard error.
fn ended(mut command: Command) -> (i32, String, String) {
    let output = run({
        command.stdin(Stdio::null());
        command
    });
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_result_is_saved_under_the_name_that_was_asked_for() {
    let (data, folder) = (tempdir().unwrap(), tempdir().unwrap());
    let dev = Dev::start(data.path());
    let at = |name: &str| folder.path().join(name);
    let job = json!({"kind": "speech", "input": {"text": "Saved"}});
    std::fs::write(at("job.json"), job.to_string()).unwrap();
    let spool_in = |arguments: &[&str]| {
        let mut command = spool();
        command.current_dir(&folder).args(arguments).args(["--server", dev.api.base()]);
        ended(command)
    };
    let (code, out, said) = spool_in(&["submit", "job.json", "-o", "hello.wav"]);
    let id = said.trim();
    assert_eq!((code, out), (0, format!("hello.wav  {id}\n")), "{said}");
    let saved = std::fs::read(at("hello.wav")).unwrap();
    assert_eq!(&saved[..4], b"RIFF");

    let (code, out, said) = spool_in(&["get", id, "--json"]);
    let job: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &job["output"]), (0, &json!(format!("{id}.wav"))), "{said}");
    assert_eq!(std::fs::read(at(&format!("{id}.wav"))).unwrap(), saved);

    let (code, _, said) = spool_in(&["get", id, "-o", "hello.mp3"]);
    assert_eq!((code, said.contains("name it .wav")), (1, true), "{said}");
    let (code, _, said) = spool_in(&["get", id, "-o", "no/such/hello.wav"]);
    assert_eq!((code, said.contains("make it first")), (1, true), "{said}");
    let (code, _, said) = spool_in(&["submit", "missing.json"]);
    let full = at("missing.json").canonicalize().unwrap_or(at("missing.json"));
    assert_eq!((code, said.contains(full.to_str().unwrap())), (1, true), "{said}");
}

#[test]
fn the_results_of_a_batch_are_saved_in_a_folder_and_a_rejected_item_fails_the_command() {
    let (data, folder) = (tempdir().unwrap(), tempdir().unwrap());
    let dev = Dev::start(data.path());
    let words = json!([{"word": "Hello", "startMs": 0, "endMs": 400}]);
    let batch = json!([
        {"kind": "subtitles", "input": {"words": words, "format": "vtt"}},
        {"kind": "echo", "input": {"fail": "no luck"}},
        {"kind": "echo", "input": {"value": {"a": 1}}},
    ]);
    std::fs::write(folder.path().join("jobs.json"), batch.to_string()).unwrap();
    let mut command = spool();
    command.current_dir(&folder).args(["batch", "jobs.json", "-o", "out"]);
    command.args(["--server", dev.api.base()]);
    let (code, out, said) = ended(command);
    assert_eq!(code, 1, "{said}");
    assert!(out.contains("out/001.vtt") && out.contains("no luck"), "{out}");
    let read = |name: &str| std::fs::read_to_string(folder.path().join("out").join(name)).unwrap();
    assert!(read("001.vtt").starts_with("WEBVTT"));
    assert_eq!(serde_json::from_str::<Value>(&read("003.json")).unwrap(), json!({"a": 1}));
}

#[test]
fn jobs_are_listed_by_status_kind_and_tag() {
    let data = tempdir().unwrap();
    let dev = Dev::start(data.path());
    let mut posted = Vec::new();
    for (tag, input) in [("one", json!({"value": 1})), ("two", json!({"fail": "no luck"}))] {
        let job = json!({"kind": "echo", "input": input, "tags": [tag]});
        let (_, out, _) = with_input(&["submit", "-", "--watch"], dev.api.base(), &job);
        posted.push(out.split(' ').next().unwrap().to_owned());
    }
    let listed = |filter: &[&str]| {
        let mut command = spool();
        command.arg("jobs").args(filter).env("SPOOL_SERVER", dev.api.base());
        ended(command)
    };
    let (code, out, said) = listed(&[]);
    assert_eq!((code, out.lines().count()), (0, 2), "{said}");
    for filter in [&["--status", "failed"][..], &["--tag", "two"], &["--limit", "1"]] {
        let (_, out, _) = listed(filter);
        assert!(out.lines().count() == 1 && out.contains(&posted[1]), "{filter:?}: {out}");
    }
    assert_eq!(listed(&["--kind", "render"]).1, "");
    let (code, _, said) = listed(&["--status", "done"]);
    assert_eq!((code, said.contains("one of queued")), (5, true), "{said}");
}

#[test]
fn the_server_is_named_before_or_behind_an_action() {
    let data = tempdir().unwrap();
    let dev = Dev::start(data.path());
    let server = ["--server", dev.api.base()];
    for (command, action) in [("dead", "list"), ("schedules", "list"), ("limits", "list")] {
        for arguments in [
            [&[command], &server[..], &[action]].concat(),
            [&[command, action], &server[..]].concat(),
        ] {
            let mut spool = spool();
            spool.args(&arguments);
            let (code, _, said) = ended(spool);
            assert_eq!(code, 0, "{arguments:?}: {said}");
        }
    }
}

#[test]
fn a_check_without_settings_says_what_dev_does_not_need_and_leaves_nothing() {
    let folder = tempdir().unwrap();
    let checked = |artifacts: Option<&str>| {
        let mut command = spool();
        command.current_dir(&folder).arg("check").env("TMPDIR", folder.path());
        command.env("HOME", folder.path());
        if let Some(url) = artifacts {
            command.env("SPOOL_ARTIFACTS_URL", url);
        }
        ended(command)
    };
    let (code, out, said) = checked(None);
    assert_eq!(code, 0, "{out}{said}");
    assert!(out.contains("database_url is not set: `spool dev` does not need it"), "{out}");
    let url = format!("file://{}/artifacts", folder.path().display());
    let (code, out, _) = checked(Some(&url));
    assert_eq!(code, 3);
    assert!(out.contains("the folder is made at the first start"), "{out}");
    assert!(out.contains("`database_url` is not set"), "{out}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn the_schema_of_a_kind_is_printed_and_served() {
    let data = tempdir().unwrap();
    let dev = Dev::start(data.path());
    let printed = |kind: &str| {
        let mut command = spool();
        command.args(["schema", kind]);
        ended(command)
    };
    for kind in ["render", "speech"] {
        let served = dev.api.get(&format!("/schemas/{kind}"));
        assert_eq!(served.header("content-type"), "application/schema+json");
        let (code, out, _) = printed(kind);
        assert_eq!((code, serde_json::from_str::<Value>(&out).unwrap()), (0, served.body));
    }
    let (code, _, said) = printed("speach");
    assert_eq!((code, said.contains("did you mean `speech`")), (1, true), "{said}");
    assert_eq!(dev.api.get("/schemas/nope").status, 404);
}
