//! Servers and names that lead the fetcher to private addresses. It refuses, without a connection.
#![allow(clippy::unwrap_used)]

use super::{
    Fetched, Fetcher, Reach,
    address::{MachineResolver, PublicOnly},
    shown,
};
use crate::stop::Stop;
use backing::{
    artifacts::folder::FolderArtifacts, cache::Cache, clock::SystemClock,
    view_cache::local::LocalViewCache,
};
use common::error::{ErrorClass, JobError, code};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// A server on loopback that counts its connections, and replies with `answer` of the path.
struct Server {
    port: u16,
    connections: Arc<AtomicUsize>,
}

impl Server {
    async fn start(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let mut request = vec![0; 4096];
                let read = stream.read(&mut request).await.unwrap_or(0);
                let request = String::from_utf8_lossy(&request[..read]).into_owned();
                let path = request.split(' ').nth(1).unwrap_or_default();
                let _ = stream.write_all(answer(path).as_bytes()).await;
            }
        });
        Self { port, connections }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn redirect(to: &str) -> String {
    format!(
        "HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    )
}

fn file(bytes: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{bytes}",
        bytes.len()
    )
}

/// The resolver of a test. `public.test` plays a public host and resolves to this machine.
/// `turning.test` does so the first time, and resolves to loopback addresses from then on.
/// `inside.test` always resolves to loopback addresses. All other addresses are checked as in
/// production.
#[derive(Default)]
struct TestResolver {
    turning: AtomicUsize,
}

fn resolved(addresses: Vec<IpAddr>) -> Resolving {
    let addresses = addresses.into_iter().map(|address| SocketAddr::new(address, 0));
    Box::pin(async move { Ok(Box::new(addresses) as Addrs) })
}

struct Loopback;

impl Resolve for Loopback {
    fn resolve(&self, _: Name) -> Resolving {
        resolved(vec![
            Ipv4Addr::LOCALHOST.into(),
            "169.254.169.254".parse().unwrap(),
            "fd00::1".parse().unwrap(),
        ])
    }
}

impl Resolve for TestResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let this_machine = || resolved(vec![Ipv4Addr::LOCALHOST.into()]);
        match name.as_str() {
            "public.test" => this_machine(),
            "turning.test" if self.turning.fetch_add(1, Ordering::SeqCst) == 0 => this_machine(),
            "turning.test" | "inside.test" => PublicOnly(Loopback).resolve(name),
            _ => PublicOnly(MachineResolver).resolve(name),
        }
    }
}

struct Fixture {
    names: Arc<TestResolver>,
    fetcher: Fetcher,
    folder: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let names = Arc::new(TestResolver::default());
        let artifacts = Arc::new(FolderArtifacts::open(&folder.path().join("artifacts")).unwrap());
        let reach = Reach { max_bytes: 1000, ..Reach::default() };
        let cache = Cache::new(Arc::new(LocalViewCache::new()), Arc::new(SystemClock));
        let scratch = folder.path().join("scratch");
        let fetcher =
            Fetcher::with_resolver(names.clone(), reach, artifacts, cache, scratch).unwrap();
        Self { names, fetcher, folder }
    }

    async fn fetch(&self, src: &str) -> Result<Fetched, JobError> {
        self.fetcher.fetch(src, self.folder.path(), &Stop::default()).await
    }

    /// Expects that a fetch is refused as the caller's error, and returns its sentence.
    async fn refused(&self, src: &str) -> String {
        let error = self.fetch(src).await.expect_err(src);
        assert_eq!(
            (error.code.as_str(), error.class),
            (code::BAD_SOURCE, ErrorClass::Caller),
            "{src}: {error:?}"
        );
        error.detail
    }
}

#[tokio::test]
async fn a_redirect_to_a_private_address_is_not_followed() {
    let secret = Server::start(|_| file("secret")).await;
    let port = secret.port;
    for (to, why) in [
        (format!("http://127.0.0.1:{port}/secret"), "private, loopback"),
        (format!("http://[::ffff:127.0.0.1]:{port}/secret"), "private, loopback"),
        (format!("http://0x7f000001:{port}/secret"), "private, loopback"),
        (format!("http://2130706433:{port}/secret"), "private, loopback"),
        (format!("http://localhost:{port}/secret"), "private, loopback"),
        (format!("http://inside.test:{port}/secret"), "private, loopback"),
        ("http://169.254.169.254/latest/meta-data".to_owned(), "private, loopback"),
        ("http://[fd00:ec2::254]/latest/meta-data".to_owned(), "private, loopback"),
        // The client reads no address in this header, so it returns the response itself.
        ("file:///etc/passwd".to_owned(), "answered 302"),
        ("ftp://example.com/a".to_owned(), "only http and https"),
    ] {
        let target = to.clone();
        let server = Server::start(move |_| redirect(&target)).await;
        let fixture = Fixture::new();
        let sentence = fixture.refused(&format!("http://public.test:{}/a.mp4", server.port)).await;
        assert!(sentence.contains(why), "{to}: {sentence}");
        assert_eq!(server.connections(), 1, "{to}");
    }
    assert_eq!(secret.connections(), 0);
}

#[tokio::test]
async fn a_redirect_to_a_public_address_is_followed_and_a_loop_is_not() {
    let server = Server::start(|path| match path {
        "/once" => redirect("/file"),
        "/file" => file("content"),
        _ => redirect("/round"),
    })
    .await;
    let fixture = Fixture::new();
    let at = |path: &str| format!("http://public.test:{}{path}", server.port);
    assert_eq!(fixture.fetch(&at("/once")).await.unwrap().bytes, 7);
    let before = server.connections();
    assert!(fixture.refused(&at("/round")).await.contains("redirects more than 5 times"));
    assert!(server.connections() - before <= 7, "{}", server.connections());
}

#[tokio::test]
async fn a_name_is_resolved_once_per_connection_and_checked_each_time() {
    let server = Server::start(|_| file("content")).await;
    let fixture = Fixture::new();
    let src = format!("http://turning.test:{}/a.mp4", server.port);
    fixture.fetch(&src).await.unwrap();
    assert_eq!((fixture.names.turning.load(Ordering::SeqCst), server.connections()), (1, 1));
    assert!(fixture.refused(&src).await.contains("private, loopback"));
    assert_eq!(server.connections(), 1, "the second answer was not connected to");
}

#[tokio::test]
async fn only_the_public_addresses_of_a_name_are_used() {
    struct Mixed;
    impl Resolve for Mixed {
        fn resolve(&self, _: Name) -> Resolving {
            resolved(
                ["127.0.0.1", "93.184.216.34", "10.0.0.1", "::1"]
                    .map(|address| address.parse().unwrap())
                    .to_vec(),
            )
        }
    }
    let addresses = PublicOnly(Mixed).resolve("mixed.test".parse().unwrap()).await.unwrap();
    let addresses: Vec<String> = addresses.map(|address| address.ip().to_string()).collect();
    assert_eq!(addresses, ["93.184.216.34"]);
}

#[tokio::test]
async fn private_addresses_are_refused_without_a_connection() {
    let server = Server::start(|_| file("secret")).await;
    let fixture = Fixture::new();
    for host in [
        "127.0.0.1",
        "[::ffff:7f00:1]",
        "localhost",
        "inside.test",
        "0.0.0.0",
        "0177.0.0.1",
        "127.1",
    ] {
        let sentence = fixture.refused(&format!("http://{host}:{}/a.mp4", server.port)).await;
        assert!(sentence.contains("private, loopback"), "{host}: {sentence}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn other_protocols_and_files_outside_the_folders_are_refused() {
    let fixture = Fixture::new();
    for src in [
        "file:///etc/passwd",
        "concat:/etc/passwd|/etc/hosts",
        "/etc/passwd",
        "../../etc/passwd",
        "data:text/plain,x",
        "gopher://h/1",
    ] {
        fixture.refused(src).await;
    }
}

#[tokio::test]
async fn a_body_above_the_bound_is_refused_with_or_without_a_declared_length() {
    let endless = "x".repeat(5_000);
    let declared = endless.clone();
    let server = Server::start(move |path| match path {
        "/undeclared" => format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{endless}"),
        _ => file(&declared),
    })
    .await;
    let fixture = Fixture::new();
    for path in ["/undeclared", "/declared"] {
        let sentence = fixture.refused(&format!("http://public.test:{}{path}", server.port)).await;
        assert!(sentence.contains("larger than 1000 bytes"), "{sentence}");
    }
}

#[test]
fn an_error_shows_no_password_and_no_query() {
    assert_eq!(shown("https://u:p@h/a.mp4?token=x#y"), "https://h/a.mp4");
    assert_eq!(shown("clips/a.mp4"), "clips/a.mp4");
}
