//! A database that is away for a while: nothing accepted is lost, no process crashes, and none
//! retries without a pause.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use super::Fleet;

/// A proxy to a server that can be closed: then nothing passes, and new connections are refused and
/// counted.
struct Gate {
    port: u16,
    closed: Arc<AtomicBool>,
    turned_away: Arc<AtomicUsize>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Gate {
    fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let gate = Self {
            port: listener.local_addr().unwrap().port(),
            closed: Arc::default(),
            turned_away: Arc::default(),
            open: Arc::default(),
        };
        let (closed, turned_away, open) =
            (gate.closed.clone(), gate.turned_away.clone(), gate.open.clone());
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if closed.load(Ordering::SeqCst) {
                    turned_away.fetch_add(1, Ordering::SeqCst);
                    continue;
                }
                let Ok(behind) = TcpStream::connect(&server) else { continue };
                open.lock()
                    .unwrap()
                    .extend([client.try_clone().unwrap(), behind.try_clone().unwrap()]);
                pass(client.try_clone().unwrap(), behind.try_clone().unwrap());
                pass(behind, client);
            }
        });
        gate
    }

    fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        for end in self.open.lock().unwrap().drain(..) {
            // The connection may have ended by itself.
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    fn reopen(&self) -> usize {
        self.closed.store(false, Ordering::SeqCst);
        self.turned_away.swap(0, Ordering::SeqCst)
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        let mut chunk = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut chunk) {
            if to.write_all(&chunk[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}

/// A fleet whose connections to the database pass a gate.
fn gated() -> (Fleet, Gate) {
    let mut fleet = Fleet::start();
    let mut url = reqwest::Url::parse(&fleet.database).unwrap();
    let gate = Gate::to(format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432)));
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(gate.port)).unwrap();
    fleet.database = url.into();
    (fleet, gate)
}

#[test]
fn while_postgres_is_away_submits_are_refused_and_running_work_settles_afterwards() {
    let (fleet, gate) = gated();
    let (serve, api) = fleet.serve();
    let work = fleet.work();
    let long = api.submit("echo", json!({"sleepMs": 6_000, "value": "long"}));
    let longer = api.submit("echo", json!({"sleepMs": 17_000, "value": "longer"}));
    api.becomes(&long, "running");
    api.becomes(&longer, "running");
    gate.close();
    let closed = Instant::now();
    let refused = api.post("/v1/jobs", &json!({"kind": "echo", "input": {"value": 1}}));
    assert_eq!(
        (refused.status, refused.body["type"].as_str()),
        (503, Some("/problems/unavailable")),
        "{}",
        refused.body
    );
    assert!(!refused.header("retry-after").is_empty());
    // Longer than a lease: running tasks heartbeat in vain, and `long` ends and can't report it.
    while closed.elapsed() < Duration::from_secs(12) {
        thread::sleep(Duration::from_millis(50));
    }
    let connection_count = gate.reopen();
    assert!(
        (1..=600).contains(&connection_count),
        "{connection_count} attempts at connecting in twelve seconds"
    );
    assert_eq!(api.settled(&longer)["result"], "longer");
    assert_eq!(api.settled(&long)["result"], "long");
    let task = &api.get(&format!("/v1/jobs/{longer}/tasks")).body["tasks"][0];
    assert_eq!(
        (&task["attempts"], &task["losses"]),
        (&json!(1), &json!(0)),
        "an absent store costs no attempt: {task}"
    );
    assert_eq!(api.run("echo", json!({"value": "after"}))["result"], "after");
    for log in [serve.log(), work.log()] {
        assert!(!log.contains("panicked"), "{log}");
    }
    assert_eq!((work.terminate().code(), serve.terminate().code()), (Some(0), Some(0)));
}
