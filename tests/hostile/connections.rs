//! Connections that say nothing, or little.

use std::{io::Write, net::TcpStream};

use serde_json::json;
use tempfile::tempdir;

use crate::dev_process::Dev;

#[test]
fn half_sent_requests_keep_no_other_waiting() {
    let folder = tempdir().unwrap();
    let dev = Dev::start(folder.path());
    let address = dev.api.base().trim_start_matches("http://").to_owned();
    let beginnings: [&[u8]; 4] = [
        b"",
        b"GET /v1/jobs HTTP/1.1\r\nHost: x",
        b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 30000000\r\n\r\n{",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    let silent: Vec<TcpStream> = (0..300)
        .map(|index| {
            let mut connection = TcpStream::connect(&address).unwrap();
            // The server may close it at once.
            let _ = connection.write_all(beginnings[index % beginnings.len()]);
            connection
        })
        .collect();
    for value in 0..5 {
        assert_eq!(dev.api.run("echo", json!({"value": value}))["status"], "succeeded");
    }
    drop(silent);
    assert!(dev.process.terminate().success());
}
