//! Running one job in one child.

use super::ending::{Ended, Ending};
use super::spawner::Spawner;
use super::tail::Tail;
use super::{Bounds, Seal};
use crate::child::{Answer, ChildJob, Progress, Request};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::Stdio;
use std::sync::Once;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// No honest answer is longer: facts of a day of video with a keyframe index have a few megabytes.
const LONGEST_LINE: u64 = 16 << 20;
/// Between the end of a child's answers and its exit nothing is left to do.
const EXIT_GRACE: Duration = Duration::from_secs(5);
/// What is left in the log's pipe is read in no time.
const LOG_GRACE: Duration = Duration::from_millis(500);
/// What the child's environment keeps: where libraries and voices are, where these are not in the usual places.
const KEPT_ENVIRONMENT: &[&str] =
    &["PATH", "LD_LIBRARY_PATH", "ESPEAK_DATA_PATH", "LLVM_PROFILE_FILE"];

/// Runs jobs in children of one program: our own binary, with the arguments that make it call [`crate::child::main`].
#[derive(Debug)]
pub struct Cage {
    program: PathBuf,
    arguments: Vec<OsString>,
    spawner: Spawner,
    /// Whether the layers that this machine lacks have been told to the operator.
    told: Once,
}

impl Cage {
    /// A cage for `program`, which must call [`crate::child::main`] when started with `arguments`.
    ///
    /// # Errors
    /// When the thread that starts children can't be made.
    pub fn new(
        program: PathBuf,
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> io::Result<Self> {
        Ok(Self {
            program,
            arguments: arguments.into_iter().map(Into::into).collect(),
            spawner: Spawner::start()?,
            told: Once::new(),
        })
    }

    /// Runs `job` and says how it ended.
    ///
    /// `scratch` is the folder that the child may write to, and works in; every file that the job makes stands in it. If the parent
    /// is root, the folder changes hands to nobody. `on_progress` is called as reports come in, some ten times a second at
    /// most. Dropping the future kills the child.
    pub async fn run(
        &self,
        job: &ChildJob,
        scratch: &Path,
        bounds: Bounds,
        cancel: &CancellationToken,
        mut on_progress: impl FnMut(Progress) + Send,
    ) -> Ended {
        match self.start(job, scratch, bounds).await {
            Ok(child) => {
                let ended = watch(child, bounds, cancel, &mut on_progress).await;
                self.tell_missing(ended.seal.as_ref());
                ended
            }
            Err(error) => Ended {
                ending: Ending::Fault(format!(
                    "{} could not be started as a child: {error}",
                    self.program.display()
                )),
                log: String::new(),
                seal: None,
            },
        }
    }

    fn tell_missing(&self, seal: Option<&Seal>) {
        if let Some(seal) = seal.filter(|seal| !seal.missing.is_empty()) {
            self.told.call_once(|| {
                tracing::warn!(missing = ?seal.missing, held = ?seal.held, "media children lack some layers of their cage");
            });
        }
    }

    async fn start(&self, job: &ChildJob, scratch: &Path, bounds: Bounds) -> io::Result<Started> {
        let request = Request { job: job.clone(), scratch: scratch.to_owned(), bounds };
        let mut line = serde_json::to_vec(&request)?;
        line.push(b'\n');
        let mut child = self.spawner.spawn(self.command(scratch)).await?;
        let missing = || io::Error::other("a pipe is missing");
        Ok(Started {
            control: child.stdin.take().ok_or_else(missing)?,
            answers: child.stdout.take().ok_or_else(missing)?,
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
                KEPT_ENVIRONMENT
                    .iter()
                    .filter_map(|name| std::env::var_os(name).map(|value| (*name, value))),
            )
            .current_dir(scratch)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A terminal's Ctrl-C is for the parent, which ends its children in its own order.
            .process_group(0)
            .kill_on_drop(true);
        command
    }
}

struct Started {
    child: Child,
    control: tokio::process::ChildStdin,
    answers: tokio::process::ChildStdout,
    log: tokio::process::ChildStderr,
    line: Vec<u8>,
}

/// What was heard of a child so far.
#[derive(Default)]
struct Heard {
    seal: Option<Seal>,
    verdict: Option<Ending>,
}

async fn watch(
    started: Started,
    bounds: Bounds,
    cancel: &CancellationToken,
    on_progress: &mut (impl FnMut(Progress) + Send),
) -> Ended {
    let Started { mut child, mut control, answers, log, line } = started;
    let mut heard = Heard::default();
    let mut tail = Tail::default();
    let ended = {
        let talk = async {
            // A child that dies while it is told its job has broken the pipe; its exit says more than that.
            let _ = control.write_all(&line).await;
            listen(answers, bounds, &mut heard, on_progress).await
        };
        let mut talk = pin!(drain_beside(talk, log, &mut tail));
        tokio::select! {
            biased;
            () = cancel.cancelled() => Some(Ending::Cancelled),
            () = tokio::time::sleep(bounds.deadline) => Some(Ending::Timeout(bounds.deadline)),
            verdict = &mut talk => verdict,
        }
    };
    // The control pipe stays open until here: its end is the child's sign that the parent is gone.
    let status = match &ended {
        None => timeout(EXIT_GRACE, child.wait()).await.ok(),
        Some(_) => None,
    };
    if status.is_none() {
        let _ = child.kill().await;
    }
    drop(control);
    let log = tail.text();
    let ending = ended.or(heard.verdict).unwrap_or_else(|| match status {
        Some(Ok(status)) => Ending::from_exit(status, &log, bounds.deadline),
        Some(Err(error)) => Ending::Fault(format!("the child's exit could not be read: {error}")),
        None => Ending::Fault("the child closed its answers and did not exit".into()),
    });
    Ended { ending, log, seal: heard.seal }
}

/// Reads answers until the child closes them (`None`), breaks the protocol, or stalls.
async fn listen(
    answers: impl AsyncRead + Unpin,
    bounds: Bounds,
    heard: &mut Heard,
    on_progress: &mut impl FnMut(Progress),
) -> Option<Ending> {
    let mut lines = BufReader::new(answers);
    let mut furthest = None;
    let mut alive = Instant::now();
    loop {
        let answer = tokio::select! {
            answer = next_answer(&mut lines) => answer,
            () = sleep_until(alive + bounds.stall) => return Some(Ending::Stalled(bounds.stall)),
        };
        match answer {
            Ok(None) => return None,
            Ok(Some(Answer::Sealed(seal))) => heard.seal = Some(seal),
            Ok(Some(Answer::Progress(progress))) => {
                if furthest.is_none_or(|furthest| progress.done > furthest) {
                    furthest = Some(progress.done);
                    alive = Instant::now();
                }
                on_progress(progress);
            }
            Ok(Some(Answer::Done(output))) => heard.verdict = Some(Ending::Done(output)),
            Ok(Some(Answer::Failed(error))) => heard.verdict = Some(Ending::from_error(error)),
            Err(error) => {
                return Some(Ending::Fault(format!(
                    "the child's answer could not be understood: {error}"
                )));
            }
        }
    }
}

async fn next_answer(lines: &mut (impl AsyncBufReadExt + Unpin)) -> io::Result<Option<Answer>> {
    let mut line = Vec::new();
    lines.take(LONGEST_LINE).read_until(b'\n', &mut line).await?;
    match line.last() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(serde_json::from_slice(&line)?)),
        Some(_) if line.len() as u64 == LONGEST_LINE => Err(io::Error::other("it is too long")),
        // Cut off in the middle by the child's death, which its exit tells.
        Some(_) => Ok(None),
    }
}

/// Reads the log while `talk` runs, and what is left of it after.
async fn drain_beside<T>(
    talk: impl Future<Output = T>,
    mut log: impl AsyncRead + Unpin,
    tail: &mut Tail,
) -> T {
    let mut talk = pin!(talk);
    let mut buffer = [0_u8; 4096];
    let mut open = true;
    let result = loop {
        tokio::select! {
            result = &mut talk => break result,
            read = log.read(&mut buffer), if open => match read {
                Ok(read) if read > 0 => tail.push(&buffer[..read]),
                _ => open = false,
            },
        }
    };
    // The pipe may hold more, and stays open where a child that is done with its answers lives on.
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
