//! The address that a server listens on.

use std::{io, net::SocketAddr};

use tokio::net::TcpListener;

/// Why a server does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenRefused {
    /// Anyone who reaches the address could submit and read jobs.
    #[error(
        "{0} is not a loopback address: without API keys, which this version does not have yet, \
         the server listens on loopback only. Use 127.0.0.1:{port}, and put a proxy that checks \
         callers in front of it",
        port = .0.port()
    )]
    NotLoopback(SocketAddr),
    /// Another process listens there.
    #[error(
        "{0} is in use: stop what listens there, or choose another port (port 0 takes a free one)"
    )]
    InUse(SocketAddr),
    #[error("{address} can't be listened on: {error}")]
    Failed { address: SocketAddr, error: io::Error },
}

/// Listens on a loopback address; refuses any other.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, ListenRefused> {
    if !address.ip().to_canonical().is_loopback() {
        return Err(ListenRefused::NotLoopback(address));
    }
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => ListenRefused::InUse(address),
        _ => ListenRefused::Failed { address, error },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[tokio::test]
    async fn only_loopback_is_listened_on() {
        for open in ["0.0.0.0:0", "[::]:0", "10.0.0.1:80", "[::ffff:10.0.0.1]:80"] {
            assert!(
                matches!(listen(address(open)).await, Err(ListenRefused::NotLoopback(_))),
                "{open}"
            );
        }
        assert!(listen(address("127.0.0.1:0")).await.is_ok());
    }

    #[tokio::test]
    async fn a_port_in_use_is_an_error_of_its_own() {
        let first = listen(address("127.0.0.1:0")).await.expect("listens");
        let taken = first.local_addr().expect("an address");
        let refused = listen(taken).await.expect_err("busy");
        assert!(matches!(refused, ListenRefused::InUse(_)));
        assert!(refused.to_string().contains(&taken.to_string()));
    }
}
