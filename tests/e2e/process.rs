//! Processes of a test: started, waited for, and always ended.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// Longest wait of a test: an event that has not come by then will not come.
pub const PATIENCE: Duration = Duration::from_secs(110);

/// The binary under test.
pub fn spool() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spool"));
    // Settings in the environment of the test run are not passed on.
    for (name, _) in
        std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SPOOL_"))
    {
        command.env_remove(name);
    }
    command
}

/// A server that the tests share, from the environment of `scripts/services env`.
pub fn service(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run this suite by scripts/test, which starts the services")
    })
}

/// Runs a command to its end.
pub fn run(mut command: Command) -> Output {
    command.output().expect("the command runs")
}

/// A process in the background, killed at the end of its test.
pub struct Process {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts a process and collects its log.
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let log: Arc<Mutex<Vec<String>>> = Arc::default();
        let lines = BufReader::new(child.stderr.take().unwrap());
        let kept = log.clone();
        std::thread::spawn(move || {
            lines.lines().map_while(Result::ok).for_each(|line| kept.lock().unwrap().push(line))
        });
        Self { child, log }
    }

    /// Starts a server, and returns the address that it listens on.
    pub fn serving(command: Command) -> (Self, String) {
        let mut server = Self::start(command);
        let line = server.logged("listening on");
        let address = line
            .split("listening on ")
            .nth(1)
            .unwrap()
            .split([',', '"'])
            .next()
            .unwrap()
            .to_owned();
        (server, address)
    }

    /// Starts a worker, and waits until it takes work.
    pub fn working(command: Command) -> Self {
        let mut worker = Self::start(command);
        worker.logged("working");
        worker
    }

    pub fn id(&self) -> i32 {
        self.child.id() as i32
    }

    /// The log so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// Waits until a line of the log contains `text`, and returns that line.
    pub fn logged(&mut self, text: &str) -> String {
        wait_for(|| {
            let line = self.log.lock().unwrap().iter().find(|line| line.contains(text)).cloned();
            if line.is_none() && self.child.try_wait().unwrap().is_some() {
                panic!("it ended before it logged `{text}`:\n{}", self.log());
            }
            line
        })
        .unwrap_or_else(|| panic!("`{text}` was not logged:\n{}", self.log()))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: i32) {
        send_signal(self.id(), signal);
    }

    /// Waits for the end of the process.
    pub fn ended(&mut self) -> ExitStatus {
        wait_for(|| self.child.try_wait().unwrap())
            .unwrap_or_else(|| panic!("it did not end:\n{}", self.log()))
    }

    /// Asks the process to drain, and waits for its end.
    pub fn terminate(mut self) -> ExitStatus {
        self.signal(15);
        self.ended()
    }

    /// Kills the process with SIGKILL.
    pub fn kill(&mut self) {
        self.signal(9);
        self.ended();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process.
pub fn send_signal(process: i32, signal: i32) {
    let sent = Command::new("kill").arg(format!("-{signal}")).arg(process.to_string()).status();
    assert!(sent.is_ok_and(|status| status.success()), "signal {signal} to {process}");
}

/// Polls until there is a value, for at most [`PATIENCE`].
pub fn wait_for<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask() {
            Some(answer) => return Some(answer),
            None if Instant::now() > deadline => return None,
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// The processes whose parent is `parent`.
pub fn children(parent: i32) -> Vec<i32> {
    let stat = |id: i32| std::fs::read_to_string(format!("/proc/{id}/stat")).ok();
    let parent_of =
        |id: i32| stat(id)?.rsplit(')').next()?.split_whitespace().nth(1)?.parse::<i32>().ok();
    let all = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    all.filter(|id| parent_of(*id) == Some(parent)).collect()
}

/// The folders that attempts have left below `scratch`; there must be none.
pub fn scratch_folders(scratch: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(scratch).into_iter().flatten();
    entries
        .filter_map(|entry| entry.ok())
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect()
}
