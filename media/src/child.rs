//! The child's side of the cage: reads one job from the control pipe, locks itself in, works, and answers in JSON lines.
//!
//! Standard input is the control pipe, whose end means that the parent is gone; standard output carries the answers;
//! standard error is the log of this process and of the libraries in it. Libraries sometimes print to standard output, so
//! that is turned into the log once the answers' pipe has been put aside.

mod echo;
mod job;
mod work;

pub(crate) use job::{Answer, Request};
pub use job::{ChildJob, Echo, Escape, Files, Output, PictureOutput, Progress};

use crate::{MediaError, Result};
use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Reports that come faster are dropped: the parent passes them on at 4 Hz at most.
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// Runs as a caged child. For a hidden subcommand, called before any other thread has been started.
///
/// Exits with 0 when an answer was given, whichever; other codes mean that none was.
#[must_use]
pub fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("this is a part of Spool that only Spool itself starts: {error}");
            ExitCode::from(2)
        }
    }
}

fn serve() -> io::Result<()> {
    let mut answers = Answers::take_stdout()?;
    let request = read_request()?;
    name(&request.job);
    let verdict = match crate::cage::seal(&request.job, &request.scratch, &request.bounds) {
        Ok(seal) => {
            answers.send(&Answer::Sealed(seal))?;
            end_with_parent()?;
            work(&request.job, &mut answers)
        }
        Err(error) => Err(error),
    };
    answers.send(&match verdict {
        Ok(output) => Answer::Done(Box::new(output)),
        Err(error) => Answer::Failed(without_folder(error, &request.scratch)),
    })
}

/// Sentences are shown to clients, whom the scratch folder's place does not concern.
fn without_folder(error: MediaError, scratch: &Path) -> MediaError {
    let folder = format!("{}/", scratch.display());
    error.reworded(|sentence| sentence.replace(&folder, ""))
}

/// Tells whoever lists processes what this one does; scripts/bench reads it too.
fn name(job: &ChildJob) {
    if let Ok(name) = std::ffi::CString::new(format!("spool {}", job.name())) {
        let _ = rustix::thread::set_name(&name);
    }
}

fn read_request() -> io::Result<Request> {
    let mut line = Vec::new();
    io::stdin().lock().read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Err(io::Error::other("its job is expected on standard input"));
    }
    Ok(serde_json::from_slice(&line)?)
}

/// Does the job; a panic is an error like others, with its message.
fn work(job: &ChildJob, answers: &mut Answers) -> Result<Output> {
    let mut report = Reporter { answers, last: None };
    let run =
        std::panic::AssertUnwindSafe(|| work::run(job, &mut |progress| report.send(progress)));
    std::panic::catch_unwind(run).unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".into());
        Err(MediaError::Internal(format!("the {} job panicked: {message}", job.name())))
    })
}

/// Kills this process when the control pipe ends. The kernel's death signal does the same, where it is there and where the
/// parent had not died before it was set.
fn end_with_parent() -> io::Result<()> {
    std::thread::Builder::new().name("control".into()).stack_size(64 * 1024).spawn(|| {
        let mut rest = [0_u8; 64];
        while matches!(io::stdin().lock().read(&mut rest), Ok(read) if read > 0) {}
        // Not `exit`: its handlers would run beside threads that are in the middle of things.
        let _ =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    })?;
    Ok(())
}

/// The pipe that answers go to.
struct Answers {
    pipe: File,
}

impl Answers {
    /// Puts the answers' pipe aside and turns standard output into the log.
    fn take_stdout() -> io::Result<Self> {
        let pipe = io::stdout().as_fd().try_clone_to_owned()?;
        rustix::stdio::dup2_stdout(io::stderr())?;
        Ok(Self { pipe: File::from(pipe) })
    }

    fn send(&mut self, answer: &Answer) -> io::Result<()> {
        let mut line = serde_json::to_vec(answer)?;
        line.push(b'\n');
        self.pipe.write_all(&line)
    }
}

/// Passes progress on, at a bounded rate. The last step always goes out.
struct Reporter<'a> {
    answers: &'a mut Answers,
    last: Option<Instant>,
}

impl Reporter<'_> {
    fn send(&mut self, progress: Progress) {
        let due = self.last.is_none_or(|last| last.elapsed() >= REPORT_EVERY);
        if due || progress.done == progress.total {
            self.last = Some(Instant::now());
            // Nobody to tell: the control pipe ends this process in a moment.
            let _ = self.answers.send(&Answer::Progress(progress));
        }
    }
}
