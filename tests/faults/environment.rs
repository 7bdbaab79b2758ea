//! Servers, database and folder of a run.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::audit;

/// Runs `scripts/services` on the servers of the tests, on a thread that may block.
pub async fn services(arguments: &'static [&'static str]) {
    script("services", arguments.iter().map(|argument| (*argument).to_owned()).collect()).await;
}

/// Runs a script of `scripts`, and returns its output.
pub async fn script(name: &'static str, arguments: Vec<String>) -> String {
    assert!(
        std::env::var_os("SPOOL_SERVICES_DIR").is_some(),
        "SPOOL_SERVICES_DIR is not set: run scripts/test or scripts/faults"
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts").join(name);
    let ran = tokio::task::spawn_blocking(move || {
        let output = Command::new(path).args(&arguments).output().expect("the script is there");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{name} {arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    });
    ran.await.expect("the script succeeds")
}

/// Restores the servers when it is dropped, even if the test failed while one was broken.
pub struct RestoredServers;

impl Drop for RestoredServers {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/services");
            let _ = Command::new(path).arg("up").status();
        }
    }
}

/// A variable of the services' environment.
pub fn service(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run scripts/test or scripts/faults, which start the services")
    })
}

/// A database of one run on the shared server. It is dropped by [`RunDatabase::drop`], not with the
/// value, because a run may have stopped the server.
pub struct RunDatabase {
    server: String,
    name: String,
    pub url: String,
}

impl RunDatabase {
    /// Creates, migrates and audits a database.
    pub async fn watched(name: &str) -> Self {
        let server = service("SPOOL_DATABASE_URL");
        audit::execute(&server, &format!("CREATE DATABASE {name}"))
            .await
            .expect("a database of its own");
        let url = format!("{}/{name}", server.rsplit_once('/').expect("a database URL").0);
        backing::store::postgres::migrate(&url).await.expect("a schema");
        audit::watch(&url).await;
        Self { server, name: name.to_owned(), url }
    }

    /// Replaces `from` by `to` in a function of the store, as a bug would.
    pub async fn break_function(&self, function: &str, from: &str, to: &str) {
        let sql = format!("SELECT pg_get_functiondef('spool.{function}'::regproc)");
        let text: Vec<(String,)> =
            audit::query(&self.url, &sql).await.expect("the function is there");
        let spoiled = text[0].0.replace(from, to);
        assert_ne!(
            spoiled, text[0].0,
            "spool.{function} has no `{from}` any more: take out what it has instead"
        );
        audit::execute(&self.url, &spoiled).await.expect("still a function");
    }

    /// Drops the database.
    pub async fn drop(self) {
        let gone = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        audit::execute(&self.server, &gone).await.expect("the database goes");
    }
}

/// A run's folder below `scratch/faults`, kept with its logs if the run fails.
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Creates an empty folder.
    pub fn of(run: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scratch/faults").join(run);
        std::fs::create_dir_all(&path).unwrap();
        Self { path: path.canonicalize().unwrap() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the logs of this run are in {}", self.path.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// A free port below the range from which the system assigns ports.
pub fn free_port() -> u16 {
    let free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (0..1000).map(|_| rand::random_range(10_000..14_000)).find(free).expect("a free port")
}
