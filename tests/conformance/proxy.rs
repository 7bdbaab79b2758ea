//! A network between a client and a server that can be cut and can fall silent.

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

/// What becomes of connections; each is told of changes after it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Weather {
    /// Connections older than this many cuts are gone.
    cuts: u64,
    /// Connections older than this many freezes are open and dead.
    freezes: u64,
    /// New connections are closed at once.
    refuses: bool,
    /// New connections are taken and pass nothing, as a server does that is frozen: its kernel takes them.
    hushes: bool,
}

/// A proxy on a port of its own. Its connections end with it.
pub struct Proxy {
    pub port: u16,
    weather: watch::Sender<Weather>,
    connection_count: Arc<AtomicU64>,
    serving: JoinSet<()>,
}

impl Proxy {
    /// In front of a server.
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let weather = watch::Sender::new(Weather::default());
        let (mut serving, connection_count) = (JoinSet::new(), Arc::new(AtomicU64::new(0)));
        serving.spawn(serve(listener, server, weather.clone(), Arc::clone(&connection_count)));
        Self { port, weather, connection_count, serving }
    }

    /// Closes every connection.
    pub fn cut(&self) {
        self.weather.send_modify(|weather| weather.cuts += 1);
    }

    /// Lets every present connection stay open and pass nothing any more; new ones pass.
    pub fn freeze(&self) {
        self.weather.send_modify(|weather| weather.freezes += 1);
    }

    /// Returns whether present connections, and new ones as well, stay open and pass nothing. Those
    /// of a time of silence stay silent after it.
    pub fn hush(&self, hushes: bool) {
        self.weather.send_modify(|weather| {
            weather.hushes = hushes;
            weather.freezes += 1;
        });
    }

    /// Returns whether new connections are closed at once.
    pub fn refuse(&self, refuses: bool) {
        self.weather.send_modify(|weather| weather.refuses = refuses);
    }

    /// Listens no more once this is answered: whoever comes is refused.
    pub async fn end(mut self) {
        self.serving.shutdown().await;
    }

    /// How many connections came, those included that were closed at once.
    pub fn connection_count(&self) -> u64 {
        self.connection_count.load(SeqCst)
    }
}

async fn serve(
    listener: TcpListener,
    server: SocketAddr,
    weather: watch::Sender<Weather>,
    connection_count: Arc<AtomicU64>,
) {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        connection_count.fetch_add(1, SeqCst);
        let weather = weather.subscribe();
        // Of the moment that it was let in, so that what befalls it while it is being joined befalls it.
        let born = *weather.borrow();
        if !born.refuses {
            connections.spawn(join(client, server, weather, born));
        }
    }
}

/// Copies both ways until one side closes or the connection is cut.
async fn join(
    client: TcpStream,
    server: SocketAddr,
    mut weather: watch::Receiver<Weather>,
    born: Weather,
) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    if born.hushes {
        return until(&mut weather, |now| now.cuts != born.cuts).await;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let up = copy(from_client, to_server, weather.clone(), born);
    let down = copy(from_server, to_client, weather.clone(), born);
    tokio::select! {
        () = up => {}
        () = down => {}
        () = until(&mut weather, |now| now.cuts != born.cuts) => {}
    }
}

async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut weather: watch::Receiver<Weather>,
    born: Weather,
) {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let count = tokio::select! {
            biased;
            () = until(&mut weather, |now| now.freezes != born.freezes) => return std::future::pending().await,
            count = from.read(&mut bytes) => count.unwrap_or(0),
        };
        if count == 0 || to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}

async fn until(weather: &mut watch::Receiver<Weather>, is_so: impl Fn(&Weather) -> bool) {
    // Its sender goes only with the whole proxy.
    let _ = weather.wait_for(is_so).await.is_ok();
}
