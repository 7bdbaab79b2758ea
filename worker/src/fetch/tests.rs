//! Servers and names that want the fetcher elsewhere: it refuses, and nobody is connected to.
#![allow(clippy::unwrap_used)]

use super::{
    Fetched, Fetcher, Reach,
    address::{Machine, PublicOnly},
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

/// A server on loopback that counts who connects, and answers what `answer` makes of the path.
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

/// The names of a test. `public.test` stands for a public host and leads to this machine; `turning.test` does so when it is first
/// asked for and names loopback from then on; `inside.test` names loopback always. Whatever is not the stand-in is judged
/// as in the product.
#[derive(Default)]
struct Names {
    turning: AtomicUsize,
}

fn answered(addresses: Vec<IpAddr>) -> Resolving {
    let addresses = addresses.into_iter().map(|address| SocketAddr::new(address, 0));
    Box::pin(async move { Ok(Box::new(addresses) as Addrs) })
}

struct Inside;

impl Resolve for Inside {
    fn resolve(&self, _: Name) -> Resolving {
        answered(vec![
            Ipv4Addr::LOCALHOST.into(),
            "169.254.169.254".parse().unwrap(),
            "fd00::1".parse().unwrap(),
        ])
    }
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let stand_in = || answered(vec![Ipv4Addr::LOCALHOST.into()]);
        match name.as_str() {
            "public.test" => stand_in(),
            "turning.test" if self.turning.fetch_add(1, Ordering::SeqCst) == 0 => stand_in(),
            "turning.test" | "inside.test" => PublicOnly(Inside).resolve(name),
            _ => PublicOnly(Machine).resolve(name),
        }
    }
}

struct Bench {
    names: Arc<Names>,
    fetcher: Fetcher,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let names = Arc::new(Names::default());
        let artifacts = Arc::new(FolderArtifacts::open(&folder.path().join("artifacts")).unwrap());
        let reach = Reach { max_bytes: 1000, ..Reach::default() };
        let cache = Cache::new(Arc::new(LocalViewCache::new()), Arc::new(SystemClock));
        let scratch = folder.path().join("scratch");
        let fetcher = Fetcher::asking(names.clone(), reach, artifacts, cache, scratch).unwrap();
        Self { names, fetcher, folder }
    }

    async fn fetch(&self, src: &str) -> Result<Fetched, JobError> {
        self.fetcher.fetch(src, self.folder.path(), &Stop::default()).await
    }

    /// Expects that a fetch is refused as the caller's fault, and says the sentence.
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
async fn a_redirect_inward_is_not_followed() {
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
        // No address that HTTP knows, so the answer is taken for what it is.
        ("file:///etc/passwd".to_owned(), "answered 302"),
        ("ftp://example.com/a".to_owned(), "only http and https"),
    ] {
        let target = to.clone();
        let server = Server::start(move |_| redirect(&target)).await;
        let bench = Bench::new();
        let said = bench.refused(&format!("http://public.test:{}/a.mp4", server.port)).await;
        assert!(said.contains(why), "{to}: {said}");
        assert_eq!(server.connections(), 1, "{to}");
    }
    assert_eq!(secret.connections(), 0);
}

#[tokio::test]
async fn a_redirect_to_another_public_place_is_followed_and_a_circle_is_left() {
    let server = Server::start(|path| match path {
        "/once" => redirect("/file"),
        "/file" => file("content"),
        _ => redirect("/round"),
    })
    .await;
    let bench = Bench::new();
    let at = |path: &str| format!("http://public.test:{}{path}", server.port);
    assert_eq!(bench.fetch(&at("/once")).await.unwrap().bytes, 7);
    let before = server.connections();
    assert!(bench.refused(&at("/round")).await.contains("redirects more than 5 times"));
    assert!(server.connections() - before <= 7, "{}", server.connections());
}

#[tokio::test]
async fn a_name_is_asked_once_for_a_connection_and_judged_again_for_the_next() {
    let server = Server::start(|_| file("content")).await;
    let bench = Bench::new();
    let src = format!("http://turning.test:{}/a.mp4", server.port);
    bench.fetch(&src).await.unwrap();
    assert_eq!((bench.names.turning.load(Ordering::SeqCst), server.connections()), (1, 1));
    assert!(bench.refused(&src).await.contains("private, loopback"));
    assert_eq!(server.connections(), 1, "the second answer was not connected to");
}

#[tokio::test]
async fn a_name_that_mixes_public_and_private_addresses_leads_to_the_public_ones_alone() {
    struct Mixed;
    impl Resolve for Mixed {
        fn resolve(&self, _: Name) -> Resolving {
            answered(
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
async fn addresses_inside_are_refused_without_a_connection() {
    let server = Server::start(|_| file("secret")).await;
    let bench = Bench::new();
    for host in [
        "127.0.0.1",
        "[::ffff:7f00:1]",
        "localhost",
        "inside.test",
        "0.0.0.0",
        "0177.0.0.1",
        "127.1",
    ] {
        let said = bench.refused(&format!("http://{host}:{}/a.mp4", server.port)).await;
        assert!(said.contains("private, loopback"), "{host}: {said}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn other_protocols_and_files_outside_are_refused() {
    let bench = Bench::new();
    for src in [
        "file:///etc/passwd",
        "concat:/etc/passwd|/etc/hosts",
        "/etc/passwd",
        "../../etc/passwd",
        "data:text/plain,x",
        "gopher://h/1",
    ] {
        bench.refused(src).await;
    }
}

#[tokio::test]
async fn a_body_that_outgrows_the_bound_is_not_kept_whatever_its_length_was_said_to_be() {
    let endless = "x".repeat(5_000);
    let said = endless.clone();
    let server = Server::start(move |path| match path {
        "/silent" => format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{endless}"),
        _ => file(&said),
    })
    .await;
    let bench = Bench::new();
    for path in ["/silent", "/said"] {
        let said = bench.refused(&format!("http://public.test:{}{path}", server.port)).await;
        assert!(said.contains("larger than 1000 bytes"), "{said}");
    }
}

#[test]
fn an_error_shows_no_password_and_no_query() {
    assert_eq!(shown("https://u:p@h/a.mp4?token=x#y"), "https://h/a.mp4");
    assert_eq!(shown("clips/a.mp4"), "clips/a.mp4");
}
