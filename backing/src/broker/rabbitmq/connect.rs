//! Connects to a node of the broker, or fails soon. Reads the URL: a scheme with TLS belongs here.

use std::{
    future::Future,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use common::port::{PortError, PortResult};
use lapin::{Connection, ConnectionProperties};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use url::Url;

use super::errors::PART;

/// RabbitMQ's port.
const PORT: u16 = 5672;
/// AMQP heartbeat in seconds. A peer that is silent for twice as long is gone (half-open TCP).
const HEARTBEAT_S: u16 = 10;
/// Longest wait for all nodes together to answer a connection attempt.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// First bytes that an AMQP 0-9-1 client sends.
const PROTOCOL_HEADER: &[u8] = b"AMQP\0\0\x09\x01";

/// A URL that was read and found good.
#[derive(Debug, Clone)]
pub(super) struct Address {
    /// With heartbeat, and with its password: never shown.
    pub url: String,
    pub host: String,
    pub port: u16,
}

impl Address {
    /// Reads the addresses of a URL with one host, or with several and commas between them.
    pub fn read_all(text: &str) -> PortResult<Vec<Self>> {
        let authority = text.find("://").map_or(0, |scheme| scheme + 3);
        let path =
            text[authority..].find(['/', '?', '#']).map_or(text.len(), |length| authority + length);
        let hosts = text[authority..path].rfind('@').map_or(authority, |at| authority + at + 1);
        let one = |host: &str| Self::read(&format!("{}{host}{}", &text[..hosts], &text[path..]));
        text[hosts..path].split(',').map(one).collect()
    }

    /// Reads a URL of one host. The error says in one sentence what is wrong, never with the
    /// password.
    fn read(text: &str) -> PortResult<Self> {
        let refused = |why: String| {
            PortError::broken(
                PART,
                format!("its URL {why}: write amqp://user:password@host:5672/%2f"),
            )
        };
        let mut url =
            Url::parse(text).map_err(|error| refused(format!("can't be read ({error})")))?;
        match url.scheme() {
            "amqp" => {}
            // lapin without root certificates would accept this URL and send the password in the
            // clear.
            "amqps" => {
                return Err(refused(
                    "asks for TLS, which Spool does not speak to RabbitMQ".to_owned(),
                ));
            }
            other => return Err(refused(format!("has the scheme `{other}`"))),
        }
        let host = url.host_str().filter(|host| !host.is_empty());
        // Only a URL writes an IPv6 address in brackets.
        let host = host.map(|host| host.trim_matches(['[', ']']).to_owned());
        let host = host.ok_or_else(|| refused("names no host".to_owned()))?;
        let port = url.port().unwrap_or(PORT);
        if !url.query_pairs().any(|(key, _)| key == "heartbeat") {
            url.query_pairs_mut().append_pair("heartbeat", &HEARTBEAT_S.to_string());
        }
        let url = url.to_string();
        url.parse::<lapin::uri::AMQPUri>()
            .map_err(|error| refused(format!("is no AMQP URL ({error})")))?;
        Ok(Self { url, host, port })
    }
}

/// Opens connections to the first node of a broker that answers.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    addresses: Arc<[Address]>,
    /// Index of the node to try first, modulo their number: the one that answered last.
    next: Arc<AtomicUsize>,
    name: String,
}

impl Connector {
    /// A connector for the nodes in `url`, of which each process tries a different one first.
    pub fn new(url: &str, name: &str) -> PortResult<Self> {
        let next = Arc::new(AtomicUsize::new(std::process::id() as usize));
        Ok(Self { addresses: Address::read_all(url)?.into(), next, name: name.to_owned() })
    }

    /// The URL of each node.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        self.addresses.iter().map(|address| address.url.as_str())
    }

    /// Opens a connection for `purpose`, which becomes part of its name.
    pub async fn connect(&self, purpose: &str) -> Result<Connection, PortError> {
        self.connect_by(|node| {
            Connection::connect(&self.addresses[node].url, self.properties(purpose))
        })
        .await
    }

    /// Opens a connection with `open`, which is given the index of a node. The nodes share
    /// [`CONNECT_WITHIN`], so a frozen one costs its part of it; the next call starts with the node
    /// after it.
    pub async fn connect_by<E: ToString, F: Future<Output = Result<Connection, E>>>(
        &self,
        open: impl Fn(usize) -> F,
    ) -> Result<Connection, PortError> {
        let nodes = self.addresses.len();
        let within = CONNECT_WITHIN / u32::try_from(nodes).unwrap_or(1).max(1);
        let first = self.next.load(Relaxed);
        let mut last_error = PortError::broken(PART, "its URL names no host");
        for attempt in 0..nodes {
            let node = first.wrapping_add(attempt) % nodes;
            let address = &self.addresses[node];
            let opening = async {
                probe(address).await.map_err(|error| unreachable(address, error))?;
                open(node).await.map_err(|error| unreachable(address, error.to_string()))
            };
            match timeout(within, opening)
                .await
                .unwrap_or_else(|_| Err(unreachable(address, "it does not answer")))
            {
                Ok(connection) => return Ok(connection),
                Err(error) => last_error = error,
            }
            self.next.store(node + 1, Relaxed);
        }
        Err(last_error)
    }

    pub fn properties(&self, purpose: &str) -> ConnectionProperties {
        ConnectionProperties::default()
            .with_connection_name(format!("{} {purpose}", self.name).into())
    }
}

/// Checks that a server answers before lapin connects. lapin gives every attempt a thread, and
/// would lose it for good to a server that accepts the connection and then stays silent. The header
/// goes as plain bytes; a scheme with TLS needs a handshake here, too.
async fn probe(address: &Address) -> io::Result<()> {
    let mut stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
    stream.write_all(PROTOCOL_HEADER).await?;
    stream.read_u8().await.map(|_| ())
}

fn unreachable(address: &Address, error: impl ToString) -> PortError {
    PortError::unavailable(
        PART,
        format!("{}:{}: {}", address.host, address.port, error.to_string()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_gets_a_heartbeat_unless_it_has_one() {
        let read = |text: &str| Address::read(text).expect("reads").url;
        assert_eq!(read("amqp://a:b@h:1/%2f"), "amqp://a:b@h:1/%2f?heartbeat=10");
        assert_eq!(read("amqp://h?heartbeat=3"), "amqp://h?heartbeat=3");
    }

    #[test]
    fn hosts_separated_by_commas_share_the_rest_of_the_url() {
        let read = |text: &str| -> Vec<String> {
            Address::read_all(text).expect("reads").into_iter().map(|address| address.url).collect()
        };
        assert_eq!(
            read("amqp://a:b,@one:1,two,[::1]:3/%2f?heartbeat=5"),
            [
                "amqp://a:b,@one:1/%2f?heartbeat=5",
                "amqp://a:b,@two/%2f?heartbeat=5",
                "amqp://a:b,@[::1]:3/%2f?heartbeat=5"
            ]
        );
        assert_eq!(read("amqp://h"), ["amqp://h?heartbeat=10"]);
        for wrong in ["amqp://one,,two/", "amqp://one:1,two:x/", "one:1,two:2", ""] {
            Address::read_all(wrong).expect_err(wrong);
        }
    }

    #[test]
    fn host_and_port_are_read_for_a_socket() {
        let host_and_port = |text: &str| {
            Address::read(text).map(|address| (address.host, address.port)).expect("reads")
        };
        assert_eq!(host_and_port("amqp://h/"), ("h".to_owned(), 5672));
        assert_eq!(host_and_port("amqp://u:p@[::1]:7/%2f"), ("::1".to_owned(), 7));
    }

    #[test]
    fn a_wrong_url_is_refused_with_the_remedy_and_without_the_password() {
        for wrong in [
            "",
            "localhost:5672",
            "http://guest:secret@host",
            "amqp://",
            "amqps://u:secret@h/",
            "amqp://u:secret@h/?heartbeat=x",
        ] {
            let sentence = Address::read(wrong).expect_err(wrong).to_string();
            assert!(sentence.contains("amqp://user:password@host"), "{sentence}");
            assert!(!sentence.contains("secret"), "{sentence}");
        }
    }
}
