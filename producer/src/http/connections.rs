//! Serves the connections of a listener within bounds, so that no caller can hold them all.
//!
//! A connection holds a handle of the process, which the store, files and media processes need as
//! well. So their number is bounded, and each must go on: a request's head must arrive in time, a
//! connection without a request is closed, and so is one whose client takes nothing of its
//! response. `body` bounds the time of bodies.

use std::{
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{Router, body::Body, http::Request};
use common::limits::{IDLE_CONNECTION, REQUEST_HEAD_WITHIN, RESPONSE_STALL};
use http_body_util::BodyExt;
use hyper::{
    body::Incoming,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{Instant, Sleep, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use super::problem::{Problem, ProblemKind};

/// Refusals that are written at the same time. Connections beyond that are closed without one.
const REFUSALS: usize = 16;
/// Time to write a refusal, and for its reader to close the connection.
const REFUSAL_WITHIN: Duration = Duration::from_secs(1);
/// Pause after a connection could not be accepted, as for want of handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The bounds of a server's connections.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionBounds {
    /// Connections that are open at a time.
    pub connections: usize,
    /// Time for a request's head, from its first byte or from connecting.
    pub head: Duration,
    /// Time without a request.
    pub idle: Duration,
    /// Time in which a client takes nothing of its response.
    pub stall: Duration,
}

impl ConnectionBounds {
    /// The bounds of a server with at most `connections` of them.
    pub fn of(connections: usize) -> Self {
        let (head, idle, stall) = (REQUEST_HEAD_WITHIN, IDLE_CONNECTION, RESPONSE_STALL);
        Self { connections, head, idle, stall }
    }
}

/// Serves connections within the bounds until `stop` ends. Then accepts no more, and returns when
/// all open requests have ended.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    bounds: ConnectionBounds,
    stop: impl Future<Output = ()>,
) {
    let free = Arc::new(Semaphore::new(bounds.connections));
    let refusals = Arc::new(Semaphore::new(REFUSALS));
    let (open, closing) = (TaskTracker::new(), CancellationToken::new());
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => match free.clone().try_acquire_owned() {
                Ok(permit) => {
                    let (router, closing) = (router.clone(), closing.clone());
                    open.spawn(async move {
                        serve_connection(stream, router, bounds, closing).await;
                        drop(permit);
                    });
                }
                Err(_) => refuse(stream, &refusals),
            },
            Err(error) if is_of_the_client(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    closing.cancel();
    open.close();
    open.wait().await;
}

/// Returns whether a client gave up its connection before it was accepted.
fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Tells a client that there is no connection for it, unless too many others are being told.
fn refuse(stream: TcpStream, refusals: &Arc<Semaphore>) {
    if let Ok(permit) = refusals.clone().try_acquire_owned() {
        tokio::spawn(async move {
            // A client that does not read its refusal goes without.
            let _ = timeout(REFUSAL_WITHIN, write_refusal(stream)).await;
            drop(permit);
        });
    }
}

async fn write_refusal(mut stream: TcpStream) -> io::Result<()> {
    let detail = "all connections of this server are taken; close idle ones, or try again";
    let problem = Problem::new(ProblemKind::Unavailable, detail);
    let body = problem.document_text(&Uuid::now_v7().to_string());
    let text = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n\
         Cache-Control: no-store\r\nRetry-After: 1\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await?;
    // Closing before the client has sent its request would reset the connection, and the client
    // might never read the refusal.
    let mut unread = [0; 4096];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}

/// Serves one connection until it ends. After `closing`, no further request is taken on it.
async fn serve_connection(
    stream: TcpStream,
    router: Router,
    bounds: ConnectionBounds,
    closing: CancellationToken,
) {
    let requests = Requests::default();
    let io = TokioIo::new(BoundedStream::new(stream, bounds, requests.clone()));
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request: Request<Incoming>| {
        let (open, response) = (requests.open(), router.call(request));
        async move {
            // The request is over when the body of its response is dropped.
            let until_dropped = |body: Body| {
                body.map_frame(move |frame| {
                    let _ = &open;
                    frame
                })
            };
            response.await.map(|response| response.map(until_dropped))
        }
    });
    let mut server = auto::Builder::new(TokioExecutor::new());
    // The stream bounds the times. With a bound of its own hyper reads on after a response, and so
    // lets the stream see that the connection is idle.
    let longest = bounds.idle + bounds.head;
    server.http1().timer(TokioTimer::new()).header_read_timeout(longest);
    let mut serving = pin!(server.serve_connection(io, service));
    let served = tokio::select! {
        served = &mut serving => served,
        () = closing.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(error, "a connection was cut");
    }
}

/// The number of a connection's requests that are not answered to their end.
#[derive(Clone, Default)]
struct Requests(Arc<AtomicUsize>);

/// A request under way; its drop ends it.
struct OpenRequest(Requests);

impl Requests {
    fn open(&self) -> OpenRequest {
        self.0.fetch_add(1, Relaxed);
        OpenRequest(self.clone())
    }

    fn are_open(&self) -> bool {
        self.0.load(Relaxed) > 0
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}

/// The turn of a connection's client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// It has begun to send a request, or has just connected.
    Head,
    /// Its requests are being answered, and it may only wait.
    Request,
    /// Its last request is answered.
    Idle,
}

/// A connection that fails where its client does not go on.
struct BoundedStream {
    stream: TcpStream,
    requests: Requests,
    bounds: ConnectionBounds,
    turn: Turn,
    /// The end of the turn, unless it is [`Turn::Request`].
    reading: Pin<Box<Sleep>>,
    /// The time by which the client must have taken some bytes.
    writing: Option<Pin<Box<Sleep>>>,
}

impl BoundedStream {
    fn new(stream: TcpStream, bounds: ConnectionBounds, requests: Requests) -> Self {
        let reading = Box::pin(sleep(bounds.head));
        Self { stream, requests, bounds, turn: Turn::Head, reading, writing: None }
    }

    /// Begins a turn of the client.
    fn begin(&mut self, turn: Turn) {
        self.turn = turn;
        let within = if turn == Turn::Head { self.bounds.head } else { self.bounds.idle };
        self.reading.as_mut().reset(Instant::now() + within);
    }

    /// Fails a write that has waited too long.
    fn write_in_time<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.writing = None;
            return written;
        }
        let stall = self.bounds.stall;
        ready!(self.writing.get_or_insert_with(|| Box::pin(sleep(stall))).as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for BoundedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if self.requests.are_open() {
            self.turn = Turn::Request;
            return read;
        }
        match (read.is_ready(), self.turn) {
            // The time of a head is not renewed by each of its bytes.
            (true, Turn::Head) => {}
            (true, _) => self.begin(Turn::Head),
            (false, Turn::Request) => self.begin(Turn::Idle),
            (false, _) => {}
        }
        if read.is_pending() {
            ready!(self.reading.as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl AsyncWrite for BoundedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.write_in_time(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.write_in_time(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::routing::get;

    use super::*;

    const HEAD: &str = "GET / HTTP/1.1\r\nHost: x\r\n";

    /// No bound but those that a test sets.
    const NONE: ConnectionBounds = ConnectionBounds {
        connections: 8,
        head: Duration::from_secs(3600),
        idle: Duration::from_secs(3600),
        stall: Duration::from_secs(3600),
    };
    const SOON: Duration = Duration::from_millis(20);

    async fn server(bounds: ConnectionBounds) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/", get(|| async { "here" }))
            .route("/endless", get(|| async { Body::from_stream(endless()) }));
        tokio::spawn(serve(listener, router, bounds, std::future::pending()));
        address
    }

    fn endless() -> impl futures::Stream<Item = Result<Vec<u8>, io::Error>> {
        futures::stream::repeat_with(|| Ok(vec![0; 1 << 20]))
    }

    /// Sends the text on a new connection, and returns what comes until the server closes it.
    async fn until_closed(address: SocketAddr, sent: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut text = String::new();
        let read = timeout(Duration::from_secs(60), stream.read_to_string(&mut text));
        read.await.expect("it is closed").unwrap();
        text
    }

    #[tokio::test]
    async fn a_head_that_does_not_come_closes_the_connection() {
        let address = server(ConnectionBounds { head: SOON, ..NONE }).await;
        assert_eq!(until_closed(address, "").await, "");
        assert!(!until_closed(address, HEAD).await.contains("200"));
        // The second head of a connection as well.
        let answers = until_closed(address, &format!("{HEAD}\r\n{HEAD}")).await;
        assert!(answers.contains("HTTP/1.1 200") && answers.contains("here"), "{answers}");
    }

    #[tokio::test]
    async fn a_connection_without_a_request_is_closed() {
        let address = server(ConnectionBounds { idle: SOON, ..NONE }).await;
        let answer = until_closed(address, &format!("{HEAD}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("here"), "{answer}");
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_its_response_loses_its_connection() {
        let address = server(ConnectionBounds { connections: 1, stall: SOON, ..NONE }).await;
        let mut deaf = TcpStream::connect(address).await.unwrap();
        deaf.write_all(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        until_served(address).await;
    }

    const CLOSE: &str = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

    /// Asks until there is a connection for it.
    async fn until_served(address: SocketAddr) {
        let served =
            async { while !until_closed(address, CLOSE).await.starts_with("HTTP/1.1 200") {} };
        timeout(Duration::from_secs(60), served).await.expect("a connection ends");
    }

    #[tokio::test]
    async fn a_connection_beyond_the_bound_is_refused_until_another_ends() {
        let address = server(ConnectionBounds { connections: 1, ..NONE }).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        first.write_all(format!("{HEAD}\r\n").as_bytes()).await.unwrap();
        first.read_exact(&mut [0]).await.unwrap();
        let refused = until_closed(address, CLOSE).await;
        let (head, body) = refused.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 503"), "{head}");
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["type"], "/problems/unavailable");
        drop(first);
        until_served(address).await;
    }
}
