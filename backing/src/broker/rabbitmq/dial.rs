//! Opening a connection, or failing soon.

use std::{future::Future, io, time::Duration};

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

/// Opens connections to one broker.
#[derive(Debug, Clone)]
pub(super) struct Dialer {
    pub address: Address,
    name: String,
}

impl Dialer {
    pub fn new(address: Address, name: &str) -> Self {
        Self { address, name: name.to_owned() }
    }

    /// A connection for `purpose`, which an operator sees in its name.
    pub async fn connect(&self, purpose: &str) -> Result<Connection, PortError> {
        self.connect_by(Connection::connect(&self.address.url, self.properties(purpose))).await
    }

    /// The same by somebody else's way of connecting.
    pub async fn connect_by<E: ToString>(
        &self,
        connecting: impl Future<Output = Result<Connection, E>>,
    ) -> Result<Connection, PortError> {
        let opening = async {
            self.knock().await.map_err(|error| self.unreachable(error))?;
            connecting.await.map_err(|error| self.unreachable(error.to_string()))
        };
        timeout(CONNECT_WITHIN, opening).await.unwrap_or_else(|_| Err(self.unreachable("it does not answer")))
    }

    pub fn properties(&self, purpose: &str) -> ConnectionProperties {
        ConnectionProperties::default().with_connection_name(format!("{} {purpose}", self.name).into())
    }

    /// Asks for a sign of life before lapin is let loose: it gives every attempt a thread, and to a server that accepts and then says
    /// nothing it would lose that thread for good.
    async fn knock(&self) -> io::Result<()> {
        let mut stream = TcpStream::connect((self.address.host.as_str(), self.address.port)).await?;
        stream.write_all(GREETING).await?;
        stream.read_u8().await.map(|_| ())
    }

    fn unreachable(&self, error: impl ToString) -> PortError {
        let Address { host, port, .. } = &self.address;
        PortError::unavailable(PART, format!("{host}:{port}: {}", error.to_string()))
    }
}
