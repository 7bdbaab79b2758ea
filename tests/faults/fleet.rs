//! The producers and workers of a run, with a database, names and folders of their own.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    environment::{RunDatabase, RunFolder, free_port, service},
    fleet_process::{FleetProcess, StartCommand},
    proxy::Proxy,
    schedule::{FleetShape, ProcessIndex, ServerKind},
};

/// Slots of each worker, for every queue.
const SLOTS: &str = "16";

/// A running fleet.
pub struct FaultFleet {
    pub namespace: String,
    pub database: RunDatabase,
    pub folder: RunFolder,
    pub addresses: Vec<String>,
    members: Vec<Arc<FleetProcess>>,
}

/// The program under test.
pub fn program() -> PathBuf {
    env!("CARGO_BIN_EXE_spool").into()
}

impl FaultFleet {
    /// Creates the database and the folder, without processes.
    pub async fn prepare(run: &str) -> Self {
        let namespace = format!("faults{}", uuid::Uuid::now_v7().simple());
        let database = RunDatabase::watched(&namespace).await;
        Self {
            namespace,
            database,
            folder: RunFolder::of(run),
            addresses: Vec::new(),
            members: Vec::new(),
        }
    }

    /// Creates a fleet and starts its processes.
    pub async fn start(run: &str, shape: FleetShape) -> Self {
        let mut fleet = Self::prepare(run).await;
        for _ in 0..shape.producers {
            fleet.add_producer().await;
        }
        for _ in 0..shape.workers {
            fleet.add_worker(program()).await;
        }
        for member in &fleet.members {
            member.works().await;
        }
        fleet
    }

    pub async fn add_producer(&mut self) {
        let address = format!("127.0.0.1:{}", free_port());
        self.addresses.push(format!("http://{address}"));
        let name = format!("serve-{}", self.members.len());
        let arguments = ["serve".to_owned(), "--listen".to_owned(), address];
        self.add(name, program(), arguments.into(), "listening on").await;
    }

    pub async fn add_worker(&mut self, program: PathBuf) {
        let name = format!("work-{}", self.members.len());
        let arguments = ["work".to_owned(), "--slots".to_owned(), SLOTS.to_owned()];
        self.add(name, program, arguments.into(), "\"working\"").await;
    }

    async fn add(
        &mut self,
        name: String,
        program: PathBuf,
        arguments: Vec<String>,
        works: &'static str,
    ) {
        let mut variables: BTreeMap<String, OsString> = BTreeMap::new();
        let mut proxies = BTreeMap::new();
        let urls = [
            (ServerKind::Postgres, "SPOOL_DATABASE_URL", self.database.url.clone()),
            (ServerKind::RabbitMq, "SPOOL_AMQP_URL", service("SPOOL_AMQP_URL")),
            (ServerKind::Redis, "SPOOL_REDIS_URL", service("SPOOL_REDIS_URL")),
        ];
        for (part, variable, url) in urls {
            let (url, before) = through_proxies(&url).await;
            variables.insert(variable.to_owned(), url.into());
            proxies.insert(part, before);
        }
        let path = self.folder.path();
        let settings: [(&str, OsString); 6] = [
            ("SPOOL_ARTIFACTS_URL", format!("file://{}", path.join("artifacts").display()).into()),
            ("SPOOL_SCRATCH", self.scratch().into()),
            ("SPOOL_NAMESPACE", self.namespace.clone().into()),
            ("SPOOL_GRACE_SECONDS", "5".into()),
            // No task is quarantined, so that a job's result does not depend on how often its
            // workers die.
            ("SPOOL_QUARANTINE_AFTER", "1000".into()),
            ("SPOOL_ECHO", "true".into()),
        ];
        variables.extend(settings.map(|(name, value)| (name.to_owned(), value)));
        variables.insert("SPOOL_LOG".to_owned(), "info".into());
        let start = StartCommand { name, program, arguments, variables, works };
        self.members.push(FleetProcess::keep(start, path, proxies));
    }

    pub fn member(&self, index: ProcessIndex) -> &Arc<FleetProcess> {
        &self.members[index]
    }

    pub fn scratch(&self) -> PathBuf {
        self.folder.path().join("scratch")
    }

    /// Ends all processes, workers first, as what they release must still be announced. Returns the
    /// errors of the processes, what they left behind, and the database.
    pub async fn end(self) -> (Vec<String>, RunDatabase, RunFolder) {
        let mut complaints = Vec::new();
        for member in self.members.iter().rev() {
            complaints.extend(member.end().await);
        }
        let scratch = self.scratch();
        complaints.extend(
            folders(&scratch)
                .into_iter()
                .map(|path| format!("a scratch folder is left: {}", path.display())),
        );
        complaints
            .extend(children(&scratch).into_iter().map(|line| format!("a child is left: {line}")));
        (complaints, self.database, self.folder)
    }

    /// Number of process starts.
    pub async fn lives(&self) -> u32 {
        let mut lives = 0;
        for member in &self.members {
            lives += member.lives().await;
        }
        lives
    }
}

/// The same URL with a proxy in front of each of its hosts.
async fn through_proxies(url: &str) -> (String, Vec<Proxy>) {
    let (mut url, mut proxies) = (url.to_owned(), Vec::new());
    let hosts: Vec<String> = url
        .split(['@', '/', ','])
        .filter(|host| host.starts_with("127.0.0.1:"))
        .map(str::to_owned)
        .collect();
    for host in hosts {
        let server: SocketAddr = host.parse().expect("an address");
        let proxy = Proxy::to(server).await;
        url = url.replacen(&host, &format!("127.0.0.1:{}", proxy.port), 1);
        proxies.push(proxy);
    }
    assert!(!proxies.is_empty(), "{url} names no server on 127.0.0.1");
    (url, proxies)
}

/// The folders that attempts have left below the scratch folder.
fn folders(scratch: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(scratch).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// The processes that work below the scratch folder, or did before it was removed.
fn children(scratch: &Path) -> Vec<String> {
    let processes =
        std::fs::read_dir("/proc").unwrap().filter_map(Result::ok).map(|entry| entry.path());
    let working_there = processes.filter(|path| {
        std::fs::read_link(path.join("cwd")).is_ok_and(|folder| folder.starts_with(scratch))
    });
    working_there
        .map(|path| {
            let command = std::fs::read_to_string(path.join("cmdline")).unwrap_or_default();
            format!("{} {}", path.display(), command.replace('\0', " "))
        })
        .collect()
}
