//! Opening a connection, or failing soon.

use std::{
    future::Future,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use common::port::PortError;
use lapin::{Connection, ConnectionProperties};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{PART, config::Address};

/// A broker that takes longer to greet is not one to wait for.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// What an AMQP 0-9-1 client says first.
const GREETING: &[u8] = b"AMQP\0\0\x09\x01";

/// Opens connections to a broker, by whichever of its nodes answers.
#[derive(Debug, Clone)]
pub(super) struct Dialer {
    addresses: Arc<[Address]>,
    /// The address that answered last; past it, once it did not.
    next: Arc<AtomicUsize>,
    name: String,
}

impl Dialer {
    /// Processes begin with different nodes of a cluster.
    pub fn new(addresses: Vec<Address>, name: &str) -> Self {
        let next = Arc::new(AtomicUsize::new(std::process::id() as usize));
        Self { addresses: addresses.into(), next, name: name.to_owned() }
    }

    /// The URL of each node.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        self.addresses.iter().map(|address| address.url.as_str())
    }

    /// A connection for `purpose`, which an operator sees in its name.
    pub async fn connect(&self, purpose: &str) -> Result<Connection, PortError> {
        self.connect_by(|node| {
            Connection::connect(&self.addresses[node].url, self.properties(purpose))
        })
        .await
    }

    /// The same by somebody else's way of connecting to the node with a number. Nodes share the time: one that is frozen costs its
    /// part of it, once, as the next call begins behind it.
    pub async fn connect_by<E: ToString, F: Future<Output = Result<Connection, E>>>(
        &self,
        connecting: impl Fn(usize) -> F,
    ) -> Result<Connection, PortError> {
        let nodes = self.addresses.len();
        let within = CONNECT_WITHIN / u32::try_from(nodes).unwrap_or(1).max(1);
        let first = self.next.load(Relaxed);
        let mut fault = PortError::broken(PART, "its URL names no host");
        for turn in 0..nodes {
            let node = first.wrapping_add(turn) % nodes;
            let address = &self.addresses[node];
            let opening = async {
                knock(address).await.map_err(|error| unreachable(address, error))?;
                connecting(node).await.map_err(|error| unreachable(address, error.to_string()))
            };
            match timeout(within, opening)
                .await
                .unwrap_or_else(|_| Err(unreachable(address, "it does not answer")))
            {
                Ok(connection) => return Ok(connection),
                Err(error) => fault = error,
            }
            self.next.store(node + 1, Relaxed);
        }
        Err(fault)
    }

    pub fn properties(&self, purpose: &str) -> ConnectionProperties {
        ConnectionProperties::default()
            .with_connection_name(format!("{} {purpose}", self.name).into())
    }
}

/// Asks for a sign of life before lapin is let loose: it gives every attempt a thread, and to a server that accepts and then says
/// nothing it would lose that thread for good.
async fn knock(address: &Address) -> io::Result<()> {
    let mut stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
    stream.write_all(GREETING).await?;
    stream.read_u8().await.map(|_| ())
}

fn unreachable(address: &Address, error: impl ToString) -> PortError {
    PortError::unavailable(
        PART,
        format!("{}:{}: {}", address.host, address.port, error.to_string()),
    )
}
