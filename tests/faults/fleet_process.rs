//! One process of a fleet: kept alive as a service manager would, with proxies of its own before every server.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::File,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, atomic::AtomicBool, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::{
    process::{Child, Command},
    sync::Mutex,
    time::{sleep, timeout},
};

use crate::{proxy::Proxy, schedule::ServerKind};

/// No wait for a process is longer.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a keeper looks whether its process lives.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How a process is started.
pub struct Start {
    /// Names it in logs.
    pub name: String,
    pub program: PathBuf,
    pub arguments: Vec<String>,
    /// Its whole environment, besides PATH and the like.
    pub variables: BTreeMap<String, OsString>,
    /// What its log says once it works.
    pub works: &'static str,
}

/// A process, through however many lives.
pub struct FleetProcess {
    start: Start,
    logs: PathBuf,
    pub proxies: BTreeMap<ServerKind, Vec<Proxy>>,
    life: Mutex<Life>,
    over: AtomicBool,
}

#[derive(Default)]
struct Life {
    child: Option<Child>,
    number: u32,
    /// Set if it is meant to run.
    wanted: bool,
    /// What went wrong that no fault explains.
    complaints: Vec<String>,
}

impl FleetProcess {
    /// Starts it and keeps it: while a server is away a process may give up at its start, and is started again.
    pub fn keep(start: Start, logs: &Path, proxies: BTreeMap<ServerKind, Vec<Proxy>>) -> Arc<Self> {
        let life = Mutex::new(Life { wanted: true, ..Life::default() });
        let member = Arc::new(Self {
            start,
            logs: logs.to_owned(),
            proxies,
            life,
            over: AtomicBool::new(false),
        });
        tokio::spawn(member.clone().look_after());
        member
    }

    pub fn name(&self) -> &str {
        &self.start.name
    }

    async fn look_after(self: Arc<Self>) {
        while !self.over.load(Relaxed) {
            {
                let mut life = self.life.lock().await;
                let ended = life
                    .child
                    .as_mut()
                    .and_then(|child| child.try_wait().expect("a child can be asked"));
                if let Some(status) = ended {
                    life.child = None;
                    if life.wanted && self.has_worked(life.number) {
                        let name = self.log(life.number);
                        life.complaints.push(format!(
                            "{} ended by itself: {status} ({})",
                            self.start.name,
                            name.display()
                        ));
                    }
                }
                if life.wanted && life.child.is_none() {
                    life.number += 1;
                    let child = self.spawn(life.number);
                    life.child = Some(child);
                }
            }
            sleep(LOOK_EVERY).await;
        }
    }

    fn spawn(&self, number: u32) -> Child {
        let log = File::create(self.log(number)).expect("a log");
        let mut command = Command::new(&self.start.program);
        // A test's surroundings must not be its settings.
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SPOOL_"))
        {
            command.env_remove(name);
        }
        command
            .args(&self.start.arguments)
            .envs(&self.start.variables)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts")
    }

    fn log(&self, number: u32) -> PathBuf {
        self.logs.join(format!("{}-{number}.log", self.start.name))
    }

    fn has_worked(&self, number: u32) -> bool {
        std::fs::read_to_string(self.log(number)).is_ok_and(|log| log.contains(self.start.works))
    }

    /// Waits until its present life works.
    pub async fn works(&self) {
        let working = async {
            loop {
                let life = self.life.lock().await;
                if life.child.is_some() && self.has_worked(life.number) {
                    return;
                }
                drop(life);
                sleep(LOOK_EVERY).await;
            }
        };
        assert!(
            timeout(PATIENCE, working).await.is_ok(),
            "{} does not get to work; see {}",
            self.name(),
            self.logs.display()
        );
    }

    /// Sends a signal to its present life, if it has one.
    pub async fn signal(&self, signal: &str) {
        let life = self.life.lock().await;
        if let Some(process) = life.child.as_ref().and_then(Child::id) {
            // It may have ended just now.
            let _ = Command::new("kill")
                .arg(format!("-{signal}"))
                .arg(process.to_string())
                .status()
                .await;
        }
    }

    /// Kills it as a power cut would, and lets it be started again after a while.
    pub async fn kill(&self, away: Duration) {
        let mut life = self.life.lock().await;
        life.wanted = false;
        if let Some(mut child) = life.child.take() {
            child.kill().await.expect("a process can be killed");
        }
        drop(life);
        sleep(away).await;
        self.life.lock().await.wanted = true;
    }

    /// Tells it to stop and waits until it has; whether it did so in order.
    pub async fn drain(&self) {
        let mut life = self.life.lock().await;
        life.wanted = false;
        let Some(mut child) = life.child.take() else { return };
        if let Some(process) = child.id() {
            let _ = Command::new("kill").arg("-TERM").arg(process.to_string()).status().await;
        }
        let ended = timeout(PATIENCE, child.wait())
            .await
            .map(|ended| ended.expect("a child can be waited for"));
        let number = life.number;
        let in_order = ended.as_ref().is_ok_and(ExitStatus::success);
        // One that was told while it waited for a server to start with has nothing to end in order.
        if !in_order && self.has_worked(number) {
            let log = self.log(number);
            life.complaints.push(format!(
                "{} was told to stop: {ended:?} ({})",
                self.start.name,
                log.display()
            ));
        }
    }

    /// Lets it be started again after [`Self::drain`].
    pub async fn revive(&self) {
        self.life.lock().await.wanted = true;
    }

    /// Ends it for good, in order; all that went wrong with it.
    pub async fn end(&self) -> Vec<String> {
        self.drain().await;
        self.over.store(true, Relaxed);
        std::mem::take(&mut self.life.lock().await.complaints)
    }

    /// How often it was started.
    pub async fn lives(&self) -> u32 {
        self.life.lock().await.number
    }
}
