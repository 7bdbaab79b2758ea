//! Use of the connections to a provider, as shown in `/metrics`.

use serde_json::json;
use tempfile::tempdir;

use crate::{
    dev_server::{DevServer, guarded},
    process::wait_for,
    server::ProviderServer,
};

#[test]
fn a_call_without_a_connection_waits_and_is_counted_as_waiting() {
    let (data, server) = (tempdir().unwrap(), ProviderServer::start());
    let dev = DevServer::start(data.path(), &guarded(&server, "connections = 1"), &[]);
    let ids = ["fault:gated one", "fault:gated two", "fault:gated three"]
        .map(|topic| dev.submit_once("hook", json!({"topic": topic})));
    let shown = || {
        ["connections", "waiting", "connections_limit"]
            .map(|name| dev.metric(&format!("spool_provider_{name}{{provider=\"openai\"}}")))
    };
    let busy = wait_for(|| (shown() == [Some(1.0), Some(2.0), Some(1.0)]).then_some(()));
    assert!(busy.is_some(), "one is in use, two wait: {:?}", shown());
    server.open_gate();
    for id in ids {
        assert_eq!(dev.api.settled(&id)["status"], "succeeded");
    }
    assert_eq!(shown(), [Some(0.0), Some(0.0), Some(1.0)]);
}
