//! The media process: reads one job from the control pipe, confines itself, works, and replies in
//! JSON lines.
//!
//! Standard input is the control pipe; its end means that the parent is gone. Standard output
//! carries the replies. Standard error is the log of this process and of its libraries. Some
//! libraries print to standard output, so the pipe of the replies is moved to another descriptor
//! and standard output is turned into the log.

#[cfg(feature = "test-doubles")]
mod test_job;
mod work;

use crate::protocol::{JobRequest, MediaJob, Output, Progress, Reply};
use crate::{MediaError, Result};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Reports that come sooner are dropped: the parent passes progress on less often still
/// ([`common::limits::PROGRESS_EVERY`]).
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// Runs this process as a media process. A hidden subcommand calls it before any other thread has
/// started.
///
/// The exit code is 0 if a final reply was sent, of success or of failure.
#[must_use]
pub fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("only Spool itself starts this command: {error}");
            ExitCode::from(2)
        }
    }
}

fn serve() -> io::Result<()> {
    let inherited = crate::sandbox::close_inherited();
    let mut replies = ReplyWriter::take_stdout()?;
    let request = read_request()?;
    set_process_name(&request.job);
    let JobRequest { job, scratch, bounds, policy } = &request;
    let result = match crate::sandbox::confine(job, scratch, bounds, inherited) {
        Ok(confinement) => {
            let satisfied = confinement.satisfy(*policy);
            replies.send(&Reply::Confined(confinement))?;
            end_with_parent()?;
            satisfied.and_then(|()| work(job, &mut replies))
        }
        Err(error) => Err(error),
    };
    replies.send(&match result {
        Ok(output) => Reply::Done(Box::new(output)),
        Err(error) => Reply::Failed(without_folders(error, job, scratch)),
    })
}

/// Removes the paths of the folders of inputs and outputs from a sentence that clients will see.
fn without_folders(error: MediaError, job: &MediaJob, scratch: &Path) -> MediaError {
    let reads = job.reads();
    let inputs = reads.iter().filter_map(|file| file.parent());
    let folders: BTreeSet<&Path> = inputs.chain([scratch]).collect();
    error.reworded(|sentence| {
        folders.iter().fold(sentence, |sentence, folder| {
            sentence.replace(&format!("{}/", folder.display()), "")
        })
    })
}

/// Shows the job in process lists. scripts/bench reads the name too.
fn set_process_name(job: &MediaJob) {
    if let Ok(name) = std::ffi::CString::new(format!("spool {}", job.name())) {
        let _ = rustix::thread::set_name(&name);
    }
}

fn read_request() -> io::Result<JobRequest> {
    let mut line = Vec::new();
    io::stdin().lock().read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Err(io::Error::other("no job came on standard input"));
    }
    Ok(serde_json::from_slice(&line)?)
}

/// Does the job. A panic becomes an error with the panic's message.
fn work(job: &MediaJob, replies: &mut ReplyWriter) -> Result<Output> {
    let mut report = ProgressSender { replies, last: None };
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

/// Kills this process when the control pipe ends. The kernel's death signal does the same, but not
/// everywhere, and not if the parent died before it was set.
fn end_with_parent() -> io::Result<()> {
    std::thread::Builder::new().name("control".into()).stack_size(64 * 1024).spawn(|| {
        let mut rest = [0_u8; 64];
        while matches!(io::stdin().lock().read(&mut rest), Ok(read) if read > 0) {}
        // Not `exit`: its handlers would run while other threads still work.
        let _ =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    })?;
    Ok(())
}

/// The pipe for replies.
struct ReplyWriter {
    pipe: File,
}

impl ReplyWriter {
    /// Moves the pipe to another descriptor and turns standard output into the log.
    fn take_stdout() -> io::Result<Self> {
        let pipe = io::stdout().as_fd().try_clone_to_owned()?;
        rustix::stdio::dup2_stdout(io::stderr())?;
        Ok(Self { pipe: File::from(pipe) })
    }

    fn send(&mut self, reply: &Reply) -> io::Result<()> {
        let mut line = serde_json::to_vec(reply)?;
        line.push(b'\n');
        self.pipe.write_all(&line)
    }
}

/// Sends progress at a limited rate. The last step is always sent.
struct ProgressSender<'a> {
    replies: &'a mut ReplyWriter,
    last: Option<Instant>,
}

impl ProgressSender<'_> {
    fn send(&mut self, progress: Progress) {
        let due = self.last.is_none_or(|last| last.elapsed() >= REPORT_EVERY);
        if due || progress.done == progress.total {
            self.last = Some(Instant::now());
            // If the parent is gone, the control pipe ends this process in a moment.
            let _ = self.replies.send(&Reply::Progress(progress));
        }
    }
}
