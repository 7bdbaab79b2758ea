//! Over a socket: from the first connection to a graceful end.

use producer::{ProducerSettings, listen};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::server::{BOUND, TestServer};

async fn call(stream: &mut TcpStream, request: String) {
    stream.write_all(request.as_bytes()).await.expect("writes");
}

async fn answered(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    timeout(BOUND, stream.read_to_string(&mut text)).await.expect("in time").expect("reads");
    text
}

#[tokio::test]
async fn a_posted_job_is_dispatched_and_a_stop_lets_requests_end() {
    let server =
        TestServer::with(ProducerSettings { grace: BOUND, ..ProducerSettings::default() }).await;
    let listener = listen("127.0.0.1:0".parse().unwrap()).await.expect("listens");
    let address = listener.local_addr().unwrap();
    server.heartbeat(4).await;
    let (broker, stop) = (server.broker.clone(), server.stop.clone());
    let (store, _folder) = (server.store.clone(), server.folder);
    let serving = tokio::spawn(server.producer.serve(listener));

    let mut messages =
        common::port::broker::Broker::consume(broker.as_ref(), common::queue::Queue::Light, 10)
            .await
            .expect("consumes");
    let body = json!({"kind": "echo", "input": {"value": 1}}).to_string();
    let mut stream = TcpStream::connect(address).await.expect("connects");
    let head = format!("Host: {address}\r\nConnection: close\r\n");
    let post = format!(
        "POST /v1/jobs HTTP/1.1\r\n{head}Content-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    call(&mut stream, post).await;
    let accepted = answered(&mut stream).await;
    assert!(accepted.starts_with("HTTP/1.1 202"), "{accepted}");
    let dispatched = timeout(BOUND, messages.next(10)).await.expect("dispatched in time");
    assert_eq!(dispatched.len(), 1);

    // A waiting request is open when the server is asked to stop.
    let id = accepted
        .split("location: /v1/jobs/")
        .nth(1)
        .unwrap()
        .split("\r\n")
        .next()
        .unwrap()
        .to_owned();
    let mut waiting = TcpStream::connect(address).await.expect("connects");
    call(&mut waiting, format!("GET /v1/jobs/{id}?wait=25 HTTP/1.1\r\n{head}\r\n")).await;
    let joined = async {
        loop {
            let mut stream = TcpStream::connect(address).await.expect("connects");
            call(&mut stream, format!("GET /metrics HTTP/1.1\r\n{head}\r\n")).await;
            if answered(&mut stream).await.contains("spool_waiters 1\n") {
                return;
            }
        }
    };
    timeout(BOUND, joined).await.expect("the waiter joins");
    stop.cancel();
    assert!(answered(&mut waiting).await.starts_with("HTTP/1.1 200"));
    timeout(BOUND, serving).await.expect("ends").expect("joins");
    assert!(TcpStream::connect(address).await.is_err(), "the port is closed");
    drop(store);
}
