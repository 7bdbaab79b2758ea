//! Runs one job in one media process.

use super::log_tail::LogTail;
use super::process_exit::{ProcessExit, ProcessReport};
use super::process_group::ProcessGroup;
use super::scratch::Scratch;
use super::spawner::Spawner;
use super::stall::StallWatch;
use crate::protocol::{Bounds, Confinement, JobRequest, MediaJob, Progress, Reply, SandboxPolicy};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::Stdio;
use std::sync::Once;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// No honest reply is longer: facts about a day of video, with a keyframe index, take a few
/// megabytes.
const LONGEST_LINE: u64 = 16 << 20;
/// The time to exit after the last reply. No work is left by then.
const EXIT_GRACE: Duration = Duration::from_secs(5);
/// The time to read the rest of the log's pipe.
const LOG_GRACE: Duration = Duration::from_millis(500);
/// The environment variables that the media process inherits: the paths of libraries and voices.
const INHERITED_VARIABLES: &[&str] =
    &["PATH", "LD_LIBRARY_PATH", "ESPEAK_DATA_PATH", "LLVM_PROFILE_FILE"];

/// Runs jobs in media processes: our own binary, with the arguments that make it call
/// [`crate::media_process::main`].
#[derive(Debug)]
pub struct Sandbox {
    program: PathBuf,
    arguments: Vec<OsString>,
    policy: SandboxPolicy,
    spawner: Spawner,
    /// Logs the missing layers of the sandbox once.
    missing_logged: Once,
}

impl Sandbox {
    /// Creates a sandbox for `program`, which must call [`crate::media_process::main`] when
    /// started with `arguments`.
    ///
    /// # Errors
    /// When the thread that starts processes can't be made.
    pub fn new(
        program: PathBuf,
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> io::Result<Self> {
        Ok(Self {
            program,
            arguments: arguments.into_iter().map(Into::into).collect(),
            policy: SandboxPolicy::default(),
            spawner: Spawner::start()?,
            missing_logged: Once::new(),
        })
    }

    /// Returns the sandbox with another rule for missing layers.
    #[must_use]
    pub fn with_policy(self, policy: SandboxPolicy) -> Self {
        Self { policy, ..self }
    }

    /// Confines a process that does nothing else, to find out before the first job whether the
    /// policy can be kept on this machine.
    ///
    /// # Errors
    /// The sentence names the missing layers, or says why no process could be started.
    pub async fn check(&self, scratch_root: &Path) -> Result<(), String> {
        let scratch = Scratch::create(scratch_root)
            .map_err(|error| format!("no scratch folder can be made: {error}"))?;
        let (job, cancel) = (MediaJob::Confine, CancellationToken::new());
        let report = self.run(&job, scratch.path(), Bounds::of(&job), &cancel, |_| {}).await;
        match report.exit {
            ProcessExit::Done(_) => Ok(()),
            failed => Err(failed.sentence()),
        }
    }

    /// Runs `job` and reports how it ended.
    ///
    /// `scratch` is the working folder of the media process, and the only one that it may write
    /// to. If the parent is root, the user nobody becomes the owner of the folder. `on_progress`
    /// is called at most about ten times a second. Dropping the future kills the process.
    pub async fn run(
        &self,
        job: &MediaJob,
        scratch: &Path,
        bounds: Bounds,
        cancel: &CancellationToken,
        mut on_progress: impl FnMut(Progress) + Send,
    ) -> ProcessReport {
        match self.start(job, scratch, bounds).await {
            Ok(child) => {
                let report = watch(child, bounds, cancel, &mut on_progress).await;
                self.log_missing(report.confinement.as_ref());
                report
            }
            Err(error) => ProcessReport {
                exit: ProcessExit::NotStarted(
                    error.raw_os_error(),
                    format!(
                        "{} could not be started as a media process: {error}",
                        self.program.display()
                    ),
                ),
                log: String::new(),
                confinement: None,
            },
        }
    }

    fn log_missing(&self, confinement: Option<&Confinement>) {
        if let Some(layers) = confinement.filter(|layers| !layers.missing.is_empty()) {
            self.missing_logged.call_once(|| {
                tracing::warn!(
                    missing = ?layers.missing,
                    active = ?layers.active,
                    "the sandbox of media processes lacks some layers"
                );
            });
        }
    }

    async fn start(&self, job: &MediaJob, scratch: &Path, bounds: Bounds) -> io::Result<Started> {
        let (job, scratch_path) = (job.clone(), scratch.to_owned());
        let request = JobRequest { job, scratch: scratch_path, bounds, policy: self.policy };
        let mut line = serde_json::to_vec(&request)?;
        line.push(b'\n');
        let mut child = self.spawner.spawn(self.command(scratch)).await?;
        let missing = || io::Error::other("a pipe is missing");
        Ok(Started {
            group: ProcessGroup::led_by(&child),
            control: child.stdin.take().ok_or_else(missing)?,
            replies: child.stdout.take().ok_or_else(missing)?,
            log: child.stderr.take().ok_or_else(missing)?,
            child,
            line,
        })
    }

    fn command(&self, scratch: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(
                INHERITED_VARIABLES
                    .iter()
                    .filter_map(|name| std::env::var_os(name).map(|value| (*name, value))),
            )
            .current_dir(scratch)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C in a terminal must reach the parent only, which then ends its media processes
            // by their groups.
            .process_group(0)
            .kill_on_drop(true);
        command
    }
}

struct Started {
    child: Child,
    control: tokio::process::ChildStdin,
    replies: tokio::process::ChildStdout,
    log: tokio::process::ChildStderr,
    line: Vec<u8>,
    /// Dropped before the process itself, whose id is the group's.
    group: ProcessGroup,
}

/// The replies of a media process so far.
#[derive(Default)]
struct Received {
    confinement: Option<Confinement>,
    exit: Option<ProcessExit>,
}

async fn watch(
    started: Started,
    bounds: Bounds,
    cancel: &CancellationToken,
    on_progress: &mut (impl FnMut(Progress) + Send),
) -> ProcessReport {
    let Started { mut child, mut control, replies, log, line, group } = started;
    let mut received = Received::default();
    let mut tail = LogTail::default();
    let stall = StallWatch::new(child.id(), bounds.stall);
    let ended_early = {
        let exchange = async {
            // If the process dies while it reads its job, the pipe breaks; its exit status says
            // more.
            let _ = control.write_all(&line).await;
            read_replies(replies, stall, &mut received, on_progress).await
        };
        let mut exchange = pin!(with_log(exchange, log, &mut tail));
        tokio::select! {
            biased;
            () = cancel.cancelled() => Some(ProcessExit::Cancelled),
            () = tokio::time::sleep(bounds.deadline) => Some(ProcessExit::Timeout(bounds.deadline)),
            exit = &mut exchange => exit,
        }
    };
    // The control pipe stays open until here: the media process takes its end for the parent's.
    let status = match &ended_early {
        None => timeout(EXIT_GRACE, child.wait()).await.ok(),
        Some(_) => None,
    };
    drop(group);
    if status.is_none() {
        let _ = child.kill().await;
    }
    drop(control);
    let log = tail.text();
    let exit = ended_early.or(received.exit).unwrap_or_else(|| match status {
        Some(Ok(status)) => ProcessExit::from_exit(status, &log, bounds.deadline),
        Some(Err(error)) => ProcessExit::Internal(format!(
            "the exit status of the media process could not be read: {error}"
        )),
        None => {
            ProcessExit::Internal("the media process closed its replies and did not exit".into())
        }
    });
    ProcessReport { exit, log, confinement: received.confinement }
}

/// Reads replies until the process closes them (`None`), breaks the protocol, or stalls.
async fn read_replies(
    replies: impl AsyncRead + Unpin,
    mut stall: StallWatch,
    received: &mut Received,
    on_progress: &mut impl FnMut(Progress),
) -> Option<ProcessExit> {
    let mut lines = BufReader::new(replies);
    loop {
        // A look must not lose the part of a line that has been read.
        let mut reply = pin!(next_reply(&mut lines));
        let reply = loop {
            tokio::select! {
                reply = &mut reply => break reply,
                () = sleep_until(stall.next_look()) => {
                    if let Some(exit) = stall.look() {
                        return Some(exit);
                    }
                }
            }
        };
        match reply {
            Ok(None) => return None,
            Ok(Some(Reply::Confined(layers))) => received.confinement = Some(layers),
            Ok(Some(Reply::Progress(progress))) => {
                stall.progress(progress.done);
                on_progress(progress);
            }
            Ok(Some(Reply::Done(output))) => received.exit = Some(ProcessExit::Done(output)),
            Ok(Some(Reply::Failed(error))) => received.exit = Some(ProcessExit::from_error(error)),
            Err(error) => {
                return Some(ProcessExit::Internal(format!(
                    "a reply of the media process could not be read: {error}"
                )));
            }
        }
    }
}

async fn next_reply(lines: &mut (impl AsyncBufReadExt + Unpin)) -> io::Result<Option<Reply>> {
    let mut line = Vec::new();
    lines.take(LONGEST_LINE).read_until(b'\n', &mut line).await?;
    match line.last() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(serde_json::from_slice(&line)?)),
        Some(_) if line.len() as u64 == LONGEST_LINE => Err(io::Error::other("it is too long")),
        // The process died in the middle of the line; its exit status says why.
        Some(_) => Ok(None),
    }
}

/// Reads the log while `exchange` runs, and the rest of the log afterwards.
async fn with_log<T>(
    exchange: impl Future<Output = T>,
    mut log: impl AsyncRead + Unpin,
    tail: &mut LogTail,
) -> T {
    let mut exchange = pin!(exchange);
    let mut buffer = [0_u8; 4096];
    let mut open = true;
    let result = loop {
        tokio::select! {
            result = &mut exchange => break result,
            read = log.read(&mut buffer), if open => match read {
                Ok(read) if read > 0 => tail.push(&buffer[..read]),
                _ => open = false,
            },
        }
    };
    // The pipe may hold more, and stays open if the process lives on after its last reply.
    let rest = async {
        while let Ok(read @ 1..) = log.read(&mut buffer).await {
            tail.push(&buffer[..read]);
        }
    };
    if open {
        let _ = timeout(LOG_GRACE, rest).await;
    }
    result
}
