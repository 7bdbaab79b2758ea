//! Work under way when its process ends.

use serde_json::json;
use tempfile::tempdir;

use crate::dev_process::Dev;
use crate::process::{Process, children, run, scratch_folders, send_signal, spool, wait_for};

#[test]
fn a_drain_finishes_short_work_and_returns_the_rest_unharmed() {
    let data = tempdir().unwrap();
    let dev = Dev::start(data.path());
    let long = dev.api.submit("echo", json!({"sleepMs": 60_000, "value": "long"}));
    dev.api.becomes(&long, "running");
    let short = dev.api.submit("echo", json!({"sleepMs": 800, "value": "short"}));
    // On a busy machine it may have ended before it was looked at.
    let begun =
        || (dev.api.get(&format!("/v1/jobs/{short}")).body["status"] != "queued").then_some(());
    wait_for(begun).expect("it begins");
    assert_eq!(dev.process.terminate().code(), Some(0));

    let dev = Dev::start(data.path());
    let short = dev.api.settled(&short);
    assert_eq!((&short["result"], &short["attempts"]), (&json!("short"), &json!(1)));
    // The job has been running since before the restart; its task need not run again yet.
    let runs = || {
        let task = dev.api.get(&format!("/v1/jobs/{long}/tasks")).body["tasks"][0].clone();
        (task["state"] == "running").then_some(task)
    };
    let task = wait_for(runs).expect("it runs again");
    assert_eq!(task["attempts"], 1, "a release burns no attempt: {task}");
}

#[test]
fn a_killed_process_loses_nothing() {
    let data = tempdir().unwrap();
    let mut dev = Dev::start(data.path());
    let jobs: Vec<_> = (0..30)
        .map(|n| dev.api.submit("echo", json!({"sleepMs": 200 * (n % 4), "value": n})))
        .collect();
    let spinning = dev.api.submit("echo", json!({"spinMs": 5_000, "value": "spun"}));
    dev.api.becomes(&spinning, "running");
    let child = wait_for(|| children(dev.process.id()).pop()).expect("a child");
    dev.process.kill();
    let ended =
        wait_for(|| (!std::path::Path::new(&format!("/proc/{child}")).exists()).then_some(()));
    assert!(ended.is_some(), "the child outlived its parent");

    let dev = Dev::start(data.path());
    for (n, job) in jobs.iter().enumerate() {
        assert_eq!(dev.api.settled(job)["result"], n);
    }
    assert_eq!(dev.api.settled(&spinning)["result"], "spun");
    assert_eq!(scratch_folders(&data.path().join("scratch")), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_second_signal_stops_at_once() {
    let data = tempdir().unwrap();
    let mut dev = Dev::start(data.path());
    let id = dev.api.submit("echo", json!({"sleepMs": 60_000}));
    dev.api.becomes(&id, "running");
    send_signal(dev.process.id(), 2);
    dev.process.logged("once more stops at once");
    send_signal(dev.process.id(), 2);
    assert_eq!(dev.process.ended().code(), Some(130));
}

#[test]
fn an_error_at_startup_is_one_sentence_and_a_documented_code() {
    let data = tempdir().unwrap();
    let dev = Dev::start(data.path());
    let address = dev.api.base().trim_start_matches("http://").to_owned();
    let elsewhere = tempdir().unwrap();
    let file = elsewhere.path().join("file");
    std::fs::write(&file, "").unwrap();
    let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let cases = [
        (
            vec![
                "dev".into(),
                "--data".into(),
                text(data.path()),
                "--listen".into(),
                "127.0.0.1:0".into(),
            ],
            "in use by another",
        ),
        (
            vec!["dev".into(), "--data".into(), text(elsewhere.path()), "--listen".into(), address],
            "is in use",
        ),
        (vec!["dev".into(), "--data".into(), text(&file.join("x"))], "can't be made"),
        (
            vec![
                "dev".into(),
                "--data".into(),
                text(elsewhere.path()),
                "--listen".into(),
                "0.0.0.0:0".into(),
            ],
            "loopback",
        ),
        (vec!["serve".into()], "SPOOL_DATABASE_URL"),
    ];
    for (arguments, sentence) in cases {
        let mut command = spool();
        command.args(&arguments).current_dir(elsewhere.path());
        let output = run(command);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{arguments:?}: {said}");
        assert!(said.contains(sentence) && !said.contains("panicked"), "{arguments:?}: {said}");
    }
}

#[test]
fn a_server_can_be_stopped_while_a_client_waits() {
    let data = tempdir().unwrap();
    let dev = Dev::start(data.path());
    let id = dev.api.submit("echo", json!({"sleepMs": 60_000}));
    dev.api.becomes(&id, "running");
    let http = reqwest::blocking::Client::builder().no_proxy().build().unwrap();
    let metrics =
        || http.get(format!("{}/metrics", dev.api.base())).send().unwrap().text().unwrap();
    let waiting = || metrics().contains("spool_waiters 1\n").then_some(());
    let api = dev.api.clone();
    let waiter = std::thread::spawn(move || api.get(&format!("/v1/jobs/{id}?wait=25")).status);
    wait_for(waiting).expect("the client waits");
    let Dev { process, .. } = dev;
    assert_eq!(Process::terminate(process).code(), Some(0));
    assert!(waiter.join().is_ok(), "the waiting client got an answer");
}
