//! Task messages on RabbitMQ: which worker gets them, which holds them, and what they carry.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::json;

use super::Fleet;
use crate::{
    client::ApiClient,
    process::{run, service, wait_for},
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Counts the fleet's messages that are waiting or unacked.
fn messages(fleet: &Fleet) -> u64 {
    let mut command =
        Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/services"));
    command.env("SPOOL_SERVICES_DIR", service("SPOOL_SERVICES_DIR"));
    let listed = run({
        command.args(["ctl", "list_queues", "name", "messages"]);
        command
    });
    let (listed, queue) = (
        String::from_utf8_lossy(&listed.stdout).into_owned(),
        format!("{}.light", fleet.namespace),
    );
    let line = listed
        .lines()
        .find_map(|line| line.strip_prefix(&queue))
        .unwrap_or_else(|| panic!("{queue} is not in {listed}"));
    line.trim().parse().expect("a number")
}

fn runner(api: &ApiClient, job: &str) -> String {
    api.get(&format!("/v1/jobs/{job}/tasks")).body["tasks"][0]["worker"]
        .as_str()
        .expect("a worker")
        .to_owned()
}

#[test]
fn a_busy_worker_holds_no_message_and_an_idle_one_gets_each_task() {
    let fleet = Fleet::start();
    let (_serve, api) = fleet.serve();
    let _busy = fleet.work();
    let long = json!({"kind": "echo", "input": {"sleepMs": 3_600_000}, "timeoutMs": 3_600_000});
    let long: Vec<String> = (0..4)
        .map(|_| api.post("/v1/jobs", &long).body["id"].as_str().expect("a job").to_owned())
        .collect();
    long.iter().for_each(|job| drop(api.becomes(job, "running")));
    let busy = runner(&api, &long[0]);
    let _idle = fleet.work();
    for n in 0..12 {
        let posted = Instant::now();
        let job = api.submit("echo", json!({"value": n}));
        assert_eq!(api.settled(&job)["result"], n);
        // Half of the messages go to the busy worker first, which hands back within a second what
        // it has no slot for; several in a row may.
        assert!(posted.elapsed() < Duration::from_secs(30), "job {n} took {:?}", posted.elapsed());
        assert_ne!(runner(&api, &job), busy);
    }
    wait_for(|| (messages(&fleet) == 0).then_some(()))
        .expect("every message is acked while the work runs");
    assert_eq!(api.get(&format!("/v1/jobs/{}", long[3])).body["status"], "running");
    long.iter().for_each(|job| drop(api.post(&format!("/v1/jobs/{job}/cancel"), &json!({}))));
}

#[test]
fn a_trace_goes_from_the_call_through_the_task_message_into_the_log_of_the_worker() {
    let fleet = Fleet::start();
    let (_serve, api) = fleet.serve();
    let mut work = fleet.work();
    let trace = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let traced = api.post_with(
        "/v1/jobs",
        &json!({"kind": "echo", "input": {"fail": "no luck"}}),
        &[("traceparent", &trace)],
    );
    let other = api.submit("echo", json!({"fail": "no luck either"}));
    let job = traced.body["id"].as_str().unwrap_or_else(|| panic!("{}", traced.body)).to_owned();
    for job in [&job, &other] {
        assert_eq!(api.settled(job)["status"], "failed");
    }
    let line = work.logged(&job);
    assert!(line.contains(TRACE) && line.contains("00f067aa0ba902b7"), "{line}");
    let line = work.logged(&other);
    assert!(!line.contains(TRACE), "{line}");
}
