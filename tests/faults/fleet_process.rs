//! One process of a fleet: restarted as by a service manager, with proxies of its own in front of
//! every server.

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

/// Longest wait for a process.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time between two checks whether a process lives.
const CHECK_EVERY: Duration = Duration::from_millis(100);

/// The command that starts a process.
pub struct StartCommand {
    /// Its name in logs.
    pub name: String,
    pub program: PathBuf,
    pub arguments: Vec<String>,
    /// Its whole environment, besides PATH and the like.
    pub variables: BTreeMap<String, OsString>,
    /// The line of its log that shows that it works.
    pub works: &'static str,
}

/// A process through all its restarts.
pub struct FleetProcess {
    start: StartCommand,
    logs: PathBuf,
    pub proxies: BTreeMap<ServerKind, Vec<Proxy>>,
    life: Mutex<Life>,
    over: AtomicBool,
}

#[derive(Default)]
struct Life {
    child: Option<Child>,
    number: u32,
    /// Set while the process is to run.
    wanted: bool,
    /// Errors that no fault explains.
    errors: Vec<String>,
}

impl FleetProcess {
    /// Starts a process and restarts it whenever it ends: while a server is away it may give up at
    /// its start.
    pub fn keep(
        start: StartCommand,
        logs: &Path,
        proxies: BTreeMap<ServerKind, Vec<Proxy>>,
    ) -> Arc<Self> {
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
                        life.errors.push(format!(
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
            sleep(CHECK_EVERY).await;
        }
    }

    fn spawn(&self, number: u32) -> Child {
        let log = File::create(self.log(number)).expect("a log");
        let mut command = Command::new(&self.start.program);
        // Settings in the environment of the test run are not passed on.
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

    /// Waits until the process works.
    pub async fn works(&self) {
        let working = async {
            loop {
                let life = self.life.lock().await;
                if life.child.is_some() && self.has_worked(life.number) {
                    return;
                }
                drop(life);
                sleep(CHECK_EVERY).await;
            }
        };
        assert!(
            timeout(PATIENCE, working).await.is_ok(),
            "{} does not get to work; see {}",
            self.name(),
            self.logs.display()
        );
    }

    /// Sends a signal to the process, if it runs.
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

    /// Kills the process with SIGKILL, and restarts it after a while.
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

    /// Asks the process to drain, waits for its end, and records whether it ended in order.
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
        // A process that was asked while it still waited for a server at its start has nothing to
        // end in order.
        if !in_order && self.has_worked(number) {
            let log = self.log(number);
            life.errors.push(format!(
                "{} was asked to stop: {ended:?} ({})",
                self.start.name,
                log.display()
            ));
        }
    }

    /// Allows restarts again after [`Self::drain`].
    pub async fn revive(&self) {
        self.life.lock().await.wanted = true;
    }

    /// Ends the process for good, and returns all its errors.
    pub async fn end(&self) -> Vec<String> {
        self.drain().await;
        self.over.store(true, Relaxed);
        std::mem::take(&mut self.life.lock().await.errors)
    }

    /// Number of starts.
    pub async fn lives(&self) -> u32 {
        self.life.lock().await.number
    }
}
