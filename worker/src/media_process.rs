//! Media jobs: runs a job in the sandboxed media process and turns the way it ended into an output
//! or an error.

use std::path::PathBuf;

use common::{
    error::{ErrorClass, JobError, code, exhaustion},
    id::Digest,
};
use composition::plan::SourceHash;
use media::{
    protocol::{MediaJob, Output},
    sandbox::{Bounds, ProcessExit, ProcessReport, Sandbox, SandboxPolicy, Scratch},
};

use crate::context::{Context, HandlerError};

/// The argument that makes the `spool` binary run as a media process.
pub const MEDIA_PROCESS_ARGUMENT: &str = "media-process";

/// Creates the sandbox that runs `program` as media processes.
pub(crate) fn sandbox(program: PathBuf) -> std::io::Result<Sandbox> {
    Sandbox::new(program, [MEDIA_PROCESS_ARGUMENT])
}

/// Checks that media processes of `program` can be confined by every layer of the sandbox.
///
/// # Errors
/// A sentence with the missing layers.
pub async fn check_sandbox(program: PathBuf) -> Result<(), String> {
    let root = media::sandbox::user_root()
        .map_err(|error| format!("no scratch folder can be made: {error}"))?;
    let sandbox =
        sandbox(program).map_err(|error| format!("the sandbox can't be made: {error}"))?;
    sandbox.with_policy(SandboxPolicy::Require).check(&root).await
}

impl Context {
    /// Runs `job` in a media process and reports its progress as `stage`. If it fails, the files it
    /// read are checked for damage.
    pub(crate) async fn run_media(
        &self,
        job: &MediaJob,
        scratch: &Scratch,
        stage: &str,
    ) -> Result<Output, HandlerError> {
        let bounds = Bounds::of(job).within(self.claimed.timeout);
        let report = |progress: media::protocol::Progress| {
            if progress.total > 0 {
                self.reporter.report(progress.done as f64 / progress.total as f64, stage);
            }
        };
        let report = self
            .tools
            .sandbox
            .run(job, scratch.path(), bounds, self.lease.stop.token(), report)
            .await;
        match report.exit {
            ProcessExit::Done(output) => Ok(*output),
            ProcessExit::Cancelled => Err(HandlerError::Stopped),
            _ => {
                let error = failure(report);
                Err(self.damage_of(read_by(job)).await.unwrap_or(error).into())
            }
        }
    }
}

/// Lists the artifacts that a job reads, with their files.
fn read_by(job: &MediaJob) -> Vec<(Digest, PathBuf)> {
    let one = |(hash, path): (&SourceHash, &PathBuf)| Some((hash.0.parse().ok()?, path.clone()));
    match job {
        MediaJob::Segment { files, .. }
        | MediaJob::Still { files, .. }
        | MediaJob::Sound { files, .. } => files.iter().filter_map(one).collect(),
        MediaJob::Probe { source, hash } => one((hash, source)).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// Converts the failed end of a media process to an error.
fn failure(report: ProcessReport) -> JobError {
    let (code, class) = match &report.exit {
        ProcessExit::BadInput(_) => (code::BAD_SOURCE, ErrorClass::Caller),
        ProcessExit::Unsupported(_) => ("unsupported", ErrorClass::Caller),
        ProcessExit::OutOfSpace(_) => (code::OUT_OF_SPACE, ErrorClass::Transient),
        // The same job would make the same file again.
        ProcessExit::FileTooLarge(_) => (code::OUT_OF_SPACE, ErrorClass::Permanent),
        ProcessExit::NotStarted(number, _) => not_started(*number),
        ProcessExit::OutOfMemory(_) => (code::OUT_OF_MEMORY, ErrorClass::Permanent),
        ProcessExit::Timeout(_) | ProcessExit::Stalled(_) => (code::TIMEOUT, ErrorClass::Transient),
        // It would cost as much again.
        ProcessExit::TooCostly(_) => (code::TIMEOUT, ErrorClass::Permanent),
        ProcessExit::Killed => (code::CRASHED, ErrorClass::Transient),
        ProcessExit::Crashed { .. } => (code::CRASHED, ErrorClass::Bug),
        ProcessExit::Internal(_) | ProcessExit::Done(_) | ProcessExit::Cancelled => {
            (code::INTERNAL, ErrorClass::Bug)
        }
    };
    JobError::new(code, class, report.exit.sentence()).with_log(report.log)
}

/// Returns the code and class for a process that could not be started. Too many processes or too
/// little memory pass; a program that is missing does not.
fn not_started(number: Option<i32>) -> (&'static str, ErrorClass) {
    let error = number.map(std::io::Error::from_raw_os_error);
    match error.as_ref().and_then(exhaustion) {
        Some(code) => (code, ErrorClass::Transient),
        None if number == Some(libc::EAGAIN) => (code::OUT_OF_MEMORY, ErrorClass::Transient),
        None => (code::INTERNAL, ErrorClass::Bug),
    }
}

/// Returns the error for a media process that replied with another job's output.
pub(crate) fn wrong_answer(job: &str) -> JobError {
    JobError::bug(code::INTERNAL, format!("the {job} process gave another job's answer"))
}
