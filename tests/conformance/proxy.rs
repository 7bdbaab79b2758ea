//! A proxy between a client and a server that can cut and silence connections.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
};

/// State of the proxy; a connection compares it with the state at its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct ProxyState {
    /// Number of cuts. A cut closes all connections that began before it.
    cuts: u64,
    /// Number of freezes. A freeze silences all connections that began before it.
    freezes: u64,
    /// Set while new connections are closed at once.
    refuses: bool,
    /// Set while new connections are accepted and pass nothing, as by a frozen server, whose kernel
    /// accepts them.
    silences: bool,
}

/// A proxy on a port of its own. Its connections end when it is dropped.
pub struct Proxy {
    pub port: u16,
    state: watch::Sender<ProxyState>,
    connection_count: Arc<AtomicU64>,
    serving: JoinSet<()>,
}

impl Proxy {
    /// Starts a proxy in front of a server.
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = watch::Sender::new(ProxyState::default());
        let (mut serving, connection_count) = (JoinSet::new(), Arc::new(AtomicU64::new(0)));
        serving.spawn(serve(listener, server, state.clone(), Arc::clone(&connection_count)));
        Self { port, state, connection_count, serving }
    }

    /// Closes every connection.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// Keeps every present connection open and passes nothing on it any more. New ones pass.
    pub fn freeze(&self) {
        self.state.send_modify(|state| state.freezes += 1);
    }

    /// Silences present and new connections, or stops silencing new ones. A connection that was
    /// silenced stays silent.
    pub fn silence(&self, silences: bool) {
        self.state.send_modify(|state| {
            state.silences = silences;
            state.freezes += 1;
        });
    }

    /// Closes new connections at once, or stops doing so.
    pub fn refuse(&self, refuses: bool) {
        self.state.send_modify(|state| state.refuses = refuses);
    }

    /// Ends the proxy. When this returns, it listens no more, and new connections are refused.
    pub async fn end(mut self) {
        self.serving.shutdown().await;
    }

    /// Number of connections that came, with those that were closed at once.
    pub fn connection_count(&self) -> u64 {
        self.connection_count.load(SeqCst)
    }
}

async fn serve(
    listener: TcpListener,
    server: SocketAddr,
    state: watch::Sender<ProxyState>,
    connection_count: Arc<AtomicU64>,
) {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        connection_count.fetch_add(1, SeqCst);
        let state = state.subscribe();
        // The state when the connection was accepted, so that a change during joining applies to
        // it.
        let initial = *state.borrow();
        if !initial.refuses {
            connections.spawn(join(client, server, state, initial));
        }
    }
}

/// Copies both ways until one side closes or the connection is cut.
async fn join(
    client: TcpStream,
    server: SocketAddr,
    mut state: watch::Receiver<ProxyState>,
    initial: ProxyState,
) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    if initial.silences {
        return until(&mut state, |now| now.cuts != initial.cuts).await;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let up = copy(from_client, to_server, state.clone(), initial);
    let down = copy(from_server, to_client, state.clone(), initial);
    tokio::select! {
        () = up => {}
        () = down => {}
        () = until(&mut state, |now| now.cuts != initial.cuts) => {}
    }
}

async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<ProxyState>,
    initial: ProxyState,
) {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let count = tokio::select! {
            biased;
            () = until(&mut state, |now| now.freezes != initial.freezes) => {
                return std::future::pending().await;
            }
            count = from.read(&mut bytes) => count.unwrap_or(0),
        };
        if count == 0 || to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}

async fn until(state: &mut watch::Receiver<ProxyState>, condition: impl Fn(&ProxyState) -> bool) {
    // The sender lives as long as the proxy.
    let _ = state.wait_for(condition).await.is_ok();
}
